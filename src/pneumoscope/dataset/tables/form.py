"""Form of a table of labels: whose columns it has, and what its labels stand for."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pneumoscope.dataset.manifest import Label
from pneumoscope.dataset.names import NamedClass, find_class, fold_case
from pneumoscope.dataset.tables.labelled_row import LabelledRow
from pneumoscope.dataset.tables.own import USUAL_COLUMNS, TableColumns, read_own_table
from pneumoscope.dataset.tables.published import PublishedTable
from pneumoscope.support.errors import DatasetError

SKIP = "skip"
"""Meaning of a label whose images are left out."""


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
        Class that a label stands for (``NORMAL``, ``PNEUMONIA`` or `SKIP`), by `fold_case`.

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
        meaning = self.labels.get(fold_case(row.label))
        if meaning == SKIP:
            return None
        if meaning is not None:
            return NamedClass(Label[meaning])
        if self.published is None and row.label in {"0", "1"}:
            return NamedClass(Label(int(row.label)))
        named = find_class(row.label, negatives)
        if named is None and self.published is None:
            raise _unknown_label(row)
        return named

    def require_used(self, path: Path, labels: Iterable[str], negatives: Sequence[str]) -> None:
        """Raise if a label that is mapped, or negative, is none of a table's labels.

        Raises
        ------
        DatasetError
            If one is not.
        """
        known = {fold_case(label): label for label in labels}
        options = {"--label-map": self.labels, "--negative": map(fold_case, negatives)}
        for option, names in options.items():
            for name in names:
                if name not in known:
                    raise DatasetError(
                        f"{path}: {option} names '{name}', and no row has this label; the labels "
                        f"are {', '.join(sorted(filter(None, known.values())))}"
                    )


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
    >>> parse_label_map(["Infiltrate=pneumonia", "-1=skip"])
    {'infiltrate': 'PNEUMONIA', '-1': 'skip'}
    """
    labels: dict[str, str] = {}
    for assignment in assignments:
        label, _, text = assignment.rpartition("=")
        meaning = SKIP if text.lower() == SKIP else text.upper()
        name = fold_case(label)
        if not name or meaning not in {SKIP, *Label.__members__}:
            raise DatasetError(
                f"--label-map {assignment}: write LABEL=NORMAL, LABEL=PNEUMONIA or LABEL={SKIP}"
            )
        if labels.setdefault(name, meaning) != meaning:
            raise DatasetError(
                f"--label-map {assignment}: '{label}' stands for {labels[name]} already; state one "
                "of both"
            )
    return labels
