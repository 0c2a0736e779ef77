"""Form of a table of labels: whose columns it has, and what its labels stand for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pneumoscope.dataset.manifest import Label
from pneumoscope.dataset.names import NamedClass, find_class, plain_name
from pneumoscope.dataset.tables.labelled_row import LabelledRow
from pneumoscope.dataset.tables.own import USUAL_COLUMNS, TableColumns, read_own_table
from pneumoscope.dataset.tables.published import PublishedTable
from pneumoscope.support.errors import DatasetError

SKIP = "skip"
"""What a label stands for whose images are left out."""


@dataclass(frozen=True, slots=True)
class TableForm:
    """Form of a table of labels.

    Parameters
    ----------
    columns
        Names of the columns of one's own table.
    published
        Form of a public dataset's table; None for one's own.
    labels
        Class that a label stands for (``NORMAL``, ``PNEUMONIA`` or `SKIP`), by `plain_name`.

    Raises
    ------
    DatasetError
        If columns are named of a published table.
    """

    columns: TableColumns = USUAL_COLUMNS
    published: PublishedTable | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.published is not None and self.columns != USUAL_COLUMNS:
            raise DatasetError(
                f"--table {self.published.name} names its columns itself; leave out the options "
                "that name columns"
            )

    def read(self, path: Path) -> Iterator[LabelledRow]:
        """Yield the rows of a table.

        Raises
        ------
        DatasetError
            If a further column has a name that the manifest uses.
        TableError
            If the table is of another form.
        """
        if self.published is not None:
            return self.published.read(path)
        return read_own_table(path, self.columns)

    def find_class(self, row: LabelledRow, negatives: Sequence[str]) -> NamedClass | None:
        """Return the class of a row; None if its image is left out.

        Raises
        ------
        DatasetError
            If the label of one's own table is unknown.
        """
        text = self.labels.get(plain_name(row.label), row.label)
        if text == SKIP:
            return None
        if self.published is None and text in {"0", "1"}:
            return NamedClass(Label(int(text)))
        named = find_class(text, negatives)
        if named is None and self.published is None:
            raise _unknown_label(row)
        return named


USUAL_FORM: Final = TableForm()
"""Form of a table with the usual columns and labels."""


def _unknown_label(row: LabelledRow) -> DatasetError:
    remedy = "correct it or remove the row"
    if row.label:
        remedy = (
            f"correct it, or pass --negative '{row.label}' if it counts as not having pneumonia, "
            f"or 'data manifest --label-map \"{row.label}={SKIP}\"' to leave it out"
        )
    return DatasetError(
        f"{row.place} ({row.file}): the label '{row.label}' is neither NORMAL nor PNEUMONIA; "
        f"{remedy}"
    )


def parse_label_map(assignments: Sequence[str]) -> dict[str, str]:
    """Parse what labels stand for, such as ``Infiltrate=PNEUMONIA``.

    Raises
    ------
    DatasetError
        If one is not of this form, or stands for something else than a class or `SKIP`.

    Examples
    --------
    >>> parse_label_map(["Infiltrate=pneumonia", "unclear=skip"])
    {'infiltrate': 'PNEUMONIA', 'unclear': 'skip'}
    """
    labels = {}
    for assignment in assignments:
        label, _, text = assignment.rpartition("=")
        meaning = SKIP if text.lower() == SKIP else text.upper()
        if not label or meaning not in {SKIP, *Label.__members__}:
            raise DatasetError(
                f"--label-map {assignment}: write LABEL=NORMAL, LABEL=PNEUMONIA or LABEL={SKIP}"
            )
        labels[plain_name(label)] = meaning
    return labels
