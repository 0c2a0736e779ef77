"""Sources of datasets: folders named by class, and tables of labels."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pneumoscope.dataset.folders import LAYOUTS, list_folder
from pneumoscope.dataset.kermany_filenames import parse_filename
from pneumoscope.dataset.manifest import RESERVED, Entry, Label
from pneumoscope.dataset.names import NamedClass, find_class, parse_split
from pneumoscope.support.errors import DatasetError
from pneumoscope.support.tables import read_table

_COLUMNS = {"file", "label", "patient", "split"}
"""Columns of a table that are not kept as they are."""


@dataclass(frozen=True)
class ImageList:
    """List of the images of a folder or table, none of them opened yet."""

    root: Path
    """Folder that the paths are relative to."""
    entries: tuple[Entry, ...]
    """One entry per file, with its label, and with patient and split where the source has them."""


def list_images(
    source: Path, images: Path | None = None, negatives: Sequence[str] = ()
) -> ImageList:
    r"""List the images of a folder or table.

    Parameters
    ----------
    source
        Folder (see `list_folder`), or table (CSV or Parquet, see `support.tables.read_table`).
    images
        Folder that the paths of a table are relative to, by default the table's own.
    negatives
        Further labels, or names of class folders, that count as NORMAL.

    Raises
    ------
    DatasetError
        If the source does not exist, is of another layout, lacks a class, or has a row with an
        unknown label or split.
    TableError
        If a file is not a table of images.

    Examples
    --------
    >>> table = getfixture("tmp_path") / "labels.csv"
    >>> _ = table.write_text("file,label\na.png,NORMAL\nb.png,PNEUMONIA\n")
    >>> [(entry.path, entry.label.name) for entry in list_images(table).entries]
    [('a.png', 'NORMAL'), ('b.png', 'PNEUMONIA')]
    """
    if _is_folder(source):
        if images is not None:
            raise DatasetError(f"{source}: a folder has its own images; leave out --images")
        entries = tuple(list_folder(source, negatives))
        root = source
    elif source.is_file():
        entries = tuple(_from_table(source, negatives))
        root = images if images is not None else source.parent
    else:
        raise DatasetError(f"{source}: there is no such folder or file; {LAYOUTS}")
    labels = {entry.label for entry in entries}
    for label in Label:
        if label not in labels:
            raise DatasetError(
                f"{source}: no image is labelled {label.name}; both classes are needed for "
                "training and evaluation"
            )
    return ImageList(root, tuple(sorted(entries, key=lambda entry: entry.path)))


def _is_folder(source: Path) -> bool:
    try:
        return source.is_dir()
    except OSError as error:
        raise DatasetError(
            f"{source}: cannot be reached ({error.strerror}); make the folders above it readable "
            "(chmod +rx)"
        ) from error


def _from_table(path: Path, negatives: Sequence[str]) -> Iterator[Entry]:
    rows = read_table(path, ("file", "label"))
    columns = rows[0].cells.keys() if rows else set()
    if clash := RESERVED.intersection(columns) - _COLUMNS:
        raise DatasetError(
            f"{path}: the column name '{min(clash)}' is used by the manifest; rename the column"
        )
    for row in rows:
        place, file = f"{path}, {row.place}", row.cells["file"]
        parsed = parse_filename(Path(file).name)
        patient = row.cells.get("patient") or None
        label, subtype = _label(f"{place} ({file})", row.cells["label"], negatives)
        yield Entry(
            path=Path(file).as_posix(),
            label=label,
            patient=patient or parsed.patient,
            patient_declared=patient is not None,
            subtype=subtype or parsed.subtype,
            split=parse_split(place, row.cells.get("split", "")),
            extra={name: cell for name, cell in row.cells.items() if name not in _COLUMNS},
        )


def _label(place: str, text: str, negatives: Sequence[str]) -> NamedClass:
    if text in {"0", "1"}:
        return NamedClass(Label(int(text)))
    if named := find_class(text, negatives):
        return named
    negative = f", pass --negative '{text}' if it counts as not having pneumonia," if text else ""
    raise DatasetError(
        f"{place}: the label '{text}' is neither NORMAL nor PNEUMONIA; correct it{negative} or "
        "remove the row"
    )
