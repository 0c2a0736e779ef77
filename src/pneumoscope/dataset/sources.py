"""Sources of datasets: folders named by class, and tables of labels."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pneumoscope.dataset.folders import LAYOUTS, list_folder
from pneumoscope.dataset.kermany_filenames import parse_filename
from pneumoscope.dataset.manifest import Entry, Label
from pneumoscope.dataset.names import parse_split
from pneumoscope.dataset.tables.form import USUAL_FORM, TableForm
from pneumoscope.dataset.tables.image_index import ImageIndex
from pneumoscope.support.errors import DatasetError
from pneumoscope.support.terminal import messages


@dataclass(frozen=True)
class ImageList:
    """List of the images of a folder or table, none of them opened yet."""

    root: Path
    """Folder that the paths are relative to."""
    entries: tuple[Entry, ...]
    """One entry per file, with its label, and with patient and split where the source has them."""


def list_images(
    source: Path,
    images: Path | None = None,
    negatives: Sequence[str] = (),
    form: TableForm = USUAL_FORM,
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
    form
        Form of a table, where it has other columns or labels than the usual ones.

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
        if form != USUAL_FORM:
            raise DatasetError(
                f"{source}: a folder has no columns; name columns, a published table and what "
                "labels stand for with a table alone"
            )
        entries = tuple(list_folder(source, negatives))
        root = source
    elif source.is_file():
        root = images if images is not None else source.parent
        entries = tuple(_from_table(source, root, negatives, form))
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


def _from_table(
    path: Path, root: Path, negatives: Sequence[str], form: TableForm
) -> Iterator[Entry]:
    index = None if form.published is None else ImageIndex(root)
    labels: set[str] = set()
    left_out: Counter[str] = Counter()
    for row in form.read(path):
        labels.add(row.label)
        named = form.find_class(row, negatives)
        if named is None:
            left_out[row.label] += 1
            continue
        # An image that is not found is set aside when it is opened, by the name in the table.
        file = row.file if index is None else index.find(row.file) or row.file
        parsed = parse_filename(Path(file).name)
        yield Entry(
            path=Path(file).as_posix(),
            label=named.label,
            patient=row.patient or parsed.patient,
            patient_declared=bool(row.patient),
            subtype=named.subtype or parsed.subtype,
            split=parse_split(row.place, row.split),
            extra=row.extra,
        )
    form.require_used(path, labels, negatives)
    if left_out:
        counts = ", ".join(f"{n:,} {label}" for label, n in left_out.most_common())
        messages.print(f"{path}: images left out by their labels: {counts}")
