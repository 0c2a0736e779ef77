"""Tables of a second reader: what a person other than the labels' author sees on radiographs."""

import posixpath
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pneumoscope.evaluation.predictions import parse_label
from pneumoscope.support.errors import PredictionsError
from pneumoscope.support.tables import TableRow, read_table

_USABLE = {
    "": True,
    **dict.fromkeys(("1", "yes", "true"), True),
    **dict.fromkeys(("0", "no", "false"), False),
}
"""Cells of the column ``usable``, in lower case; an image is usable where nothing is stated."""


@dataclass(frozen=True, slots=True)
class SecondReading:
    """Reading of one radiograph by the second reader.

    ``label`` is 0 for NORMAL and 1 for PNEUMONIA; None where an unusable image has no label.
    """

    label: int | None
    usable: bool = True


@dataclass(frozen=True, slots=True)
class SecondReader:
    """Readings of radiographs by a second reader, for reporting only.

    Nothing is chosen, fitted or weighted with them.

    Parameters
    ----------
    table
        Table that the readings come from.
    readings
        Reading of each image by its file: as the table writes it, or, after `match`, as the
        evaluated images are named.
    """

    table: Path
    readings: Mapping[str, SecondReading]

    @classmethod
    def read(cls, path: Path, negatives: Sequence[str] = ()) -> "SecondReader":
        r"""Read a table with the columns file and label, and optionally usable.

        Labels are those of `Predictions.read`; where an image is not usable it may be empty. The
        column usable holds 1 or 0, yes or no, true or false, in any case; empty means yes.

        Parameters
        ----------
        path
            Table of the second reader; see `read_table`.
        negatives
            Further labels that count as NORMAL, as in `Predictions.read`.

        Raises
        ------
        TableError
            If the file cannot be read as a table, lacks a column, or names an image twice.
        PredictionsError
            If a label or a cell of usable is unknown, or no image is usable; the message names the
            file and the line.

        Examples
        --------
        >>> path = getfixture("tmp_path") / "second_reader.csv"
        >>> _ = path.write_text("file,label,usable\na.png,NORMAL,yes\nb.png,,no\n")
        >>> SecondReader.read(path).readings["b.png"]
        SecondReading(label=None, usable=False)
        """
        try:
            readings = {
                row.cells["file"]: _reading(row, negatives)
                for row in read_table(path, ("file", "label"))
            }
        except PredictionsError as error:
            raise PredictionsError(f"{path}: {error}") from error
        if not any(reading.usable for reading in readings.values()):
            raise PredictionsError(
                f"{path}: the second reader calls none of the {len(readings):,} images usable; "
                "give a row with a label for each image that was read"
            )
        return cls(path, readings)

    def match(self, files: Iterable[str]) -> "SecondReader":
        """Return the readings by the names that the evaluated images have.

        A file is matched by its path, or, where the table gives a name without a folder, by that
        name if one image alone has it. Images without a second reading are no error.

        Parameters
        ----------
        files
            File of each image of the dataset.

        Raises
        ------
        PredictionsError
            If a file is none of the images or could be several, or two rows are one image.

        Examples
        --------
        >>> second_reader = SecondReader(Path("second.csv"), {"a.png": SecondReading(1)})
        >>> second_reader.match(["test/NORMAL/a.png", "test/NORMAL/b.png"]).readings
        {'test/NORMAL/a.png': SecondReading(label=1, usable=True)}
        """
        images = _ImageNames(files)
        self._require_images(images)
        readings: dict[str, SecondReading] = {}
        for file, reading in self.readings.items():
            candidates = images.find(file)
            if len(candidates) > 1:
                raise PredictionsError(
                    f"{self.table}: {file} could be {candidates[0]} or {candidates[1]}; give the "
                    "path of the image instead of its name"
                )
            if candidates[0] in readings:
                raise PredictionsError(
                    f"{self.table}: two rows are the image {candidates[0]}, one of them {file}; "
                    "keep one row per image"
                )
            readings[candidates[0]] = reading
        return SecondReader(self.table, readings)

    def _require_images(self, images: "_ImageNames") -> None:
        unknown = [file for file in self.readings if not images.find(file)]
        if not unknown:
            return
        example = next(iter(images.by_path.values()), None)
        hint = "" if example is None else f", such as {example}"
        if len(unknown) == len(self.readings):
            raise PredictionsError(
                f"{self.table}: none of its {len(unknown):,} files is an image of the dataset; the "
                f"first is {unknown[0]}. Write each file as the dataset does{hint}, or its name "
                "without folders"
            )
        raise PredictionsError(
            f"{self.table}: {len(unknown):,} of its {len(self.readings):,} files are not images of "
            f"the dataset; the first is {unknown[0]}. Correct the names (the dataset has "
            f"{len(images.by_path):,} images{hint}), or remove these rows"
        )


class _ImageNames:
    """Names of a dataset's images, by path and by name without folders."""

    def __init__(self, files: Iterable[str]) -> None:
        self.by_path = {_normalise(file): file for file in files}
        self.by_name: dict[str, list[str]] = defaultdict(list)
        for path, file in self.by_path.items():
            self.by_name[posixpath.basename(path)].append(file)

    def find(self, file: str) -> Sequence[str]:
        """Return the images that a cell of a table may mean."""
        path = _normalise(file)
        if path in self.by_path:
            return [self.by_path[path]]
        return self.by_name.get(path, [])  # a path with folders is no name


def _normalise(file: str) -> str:
    return posixpath.normpath(file.replace("\\", "/"))


def _reading(row: TableRow, negatives: Sequence[str]) -> SecondReading:
    # In any case: a column that is overlooked would make every image usable.
    cells = {name.casefold(): cell for name, cell in row.cells.items()}
    text = cells.get("usable", "")
    usable = _USABLE.get(text.casefold())
    if usable is None:
        raise PredictionsError(
            f"{row.place}: usable is {text!r}; write 1, yes or true for an image that can be read, "
            "and 0, no or false for one that cannot"
        )
    if not usable and not row.cells["label"]:
        return SecondReading(None, usable=False)
    return SecondReading(parse_label(row, negatives), usable)
