"""An expert's reading of the children's test split, in the columns that `--second-reader` takes.

The table of the expert labels of PriMIA (Kaissis et al., Nature Machine Intelligence 2021) has the
columns file, expert (normal, bacteria or virus) and not_usable (0 or 1). It is for reporting only:
nothing is chosen, fitted or weighted with it.
"""

import csv
from pathlib import Path

_LABELS = {"normal": "NORMAL", "bacteria": "PNEUMONIA", "virus": "PNEUMONIA"}


def convert_expert_table(source: Path, out: Path) -> Path:
    r"""Write an expert's table with the columns file, label and usable, and return its path.

    A label of another kind raises `KeyError`.

    Examples
    --------
    >>> source = getfixture("tmp_path") / "expert.csv"
    >>> _ = source.write_text("file,expert,not_usable\na.jpeg,virus,1\nb.jpeg,normal,0\n")
    >>> out = convert_expert_table(source, source.with_name("second_reader.csv"))
    >>> print(out.read_text(), end="")
    file,label,usable
    a.jpeg,PNEUMONIA,no
    b.jpeg,NORMAL,yes
    """
    usable = {"0": "yes", "1": "no"}
    with source.open(newline="") as read, out.open("w", newline="") as written:
        rows = csv.writer(written, lineterminator="\n")
        rows.writerow(("file", "label", "usable"))
        for row in csv.DictReader(read):
            rows.writerow((row["file"], _LABELS[row["expert"]], usable[row["not_usable"]]))
    return out
