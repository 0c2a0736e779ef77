"""Usual names of splits and classes in folders and tables."""

from collections.abc import Sequence
from typing import NamedTuple

from pneumoscope.dataset.manifest import Label, Split
from pneumoscope.support.errors import DatasetError

SPLITS = {
    "train": Split.TRAIN,
    "training": Split.TRAIN,
    "val": Split.VALIDATION,
    "valid": Split.VALIDATION,
    "validate": Split.VALIDATION,
    "validation": Split.VALIDATION,
    "validierung": Split.VALIDATION,
    "dev": Split.VALIDATION,
    "test": Split.TEST,
    "testing": Split.TEST,
}
"""Splits by their names in lower case."""


class NamedClass(NamedTuple):
    """Class that a name stands for, and the subtype of pneumonia if the name states it."""

    label: Label
    subtype: str | None = None


_CLASSES = {
    "normal": NamedClass(Label.NORMAL),
    "pneumonia": NamedClass(Label.PNEUMONIA),
    "pneumonie": NamedClass(Label.PNEUMONIA),
    **{
        name: NamedClass(Label.PNEUMONIA, subtype)
        for subtype, names in {
            "bacteria": ("bacteria", "bacterial", "bacterial pneumonia"),
            "virus": ("virus", "viral", "viral pneumonia"),
        }.items()
        for name in names
    },
}


def find_class(name: str, negatives: Sequence[str] = ()) -> NamedClass | None:
    """Return the class that a folder or label names, in any case; None if it is unknown.

    Parameters
    ----------
    name
        Name such as ``Normal`` or ``Viral-Pneumonia``.
    negatives
        Further names that count as NORMAL.

    Examples
    --------
    >>> find_class("Normal").label.name, find_class("BACTERIA").subtype
    ('NORMAL', 'bacteria')
    >>> find_class("effusion"), find_class("Effusion", ["effusion"]).label.name
    (None, 'NORMAL')
    """
    if fold_case(name) in map(fold_case, negatives):
        return NamedClass(Label.NORMAL)
    return _CLASSES.get(_plain_name(name))


def fold_case(name: str) -> str:
    """Return a name as those of a user are compared: in any case, and with any blanks.

    Examples
    --------
    >>> fold_case(" No  Finding"), fold_case("-1")
    ('no finding', '-1')
    """
    return " ".join(name.casefold().split())


def _plain_name(name: str) -> str:
    return fold_case(name.replace("_", " ").replace("-", " "))


def parse_split(place: str, text: str) -> Split | None:
    """Return the split that a table's cell names; None for an empty cell.

    ``place`` is the table and the row, for the `DatasetError` about an unknown split.

    Examples
    --------
    >>> parse_split("labels.csv, line 2", "Val").value
    'validation'
    """
    name = text.casefold()
    if not name:
        return None
    if name in SPLITS:
        return SPLITS[name]
    raise DatasetError(
        f"{place}: the split '{text}' is none of train, validation and test; correct it or leave "
        "it empty"
    )
