"""Patient and subtype in the file names of the Kermany dataset."""

import re
from typing import NamedTuple

_PNEUMONIA = re.compile(r"person(\d+)_(bacteria|virus)_")
_NORMAL = re.compile(r"(?:NORMAL2-)?IM-(\d+)-")


class NamedPatient(NamedTuple):
    """Patient and subtype of a file name; None where the name does not state them."""

    patient: str | None
    subtype: str | None


def parse_filename(name: str) -> NamedPatient:
    """Parse patient and subtype from a file name of the Kermany dataset.

    Images with the same person number are one patient whatever the subtype, and those with the same
    normal number whatever the prefix. It is not documented whether they are, so they are kept
    together to be on the safe side.

    Examples
    --------
    >>> parse_filename("person123_bacteria_456.jpeg")
    NamedPatient(patient='person123', subtype='bacteria')
    >>> parse_filename("NORMAL2-IM-0115-0001.jpeg")
    NamedPatient(patient='normal115', subtype=None)
    >>> parse_filename("chest.png")
    NamedPatient(patient=None, subtype=None)
    """
    if match := _PNEUMONIA.match(name):
        return NamedPatient(f"person{int(match[1])}", match[2])
    if match := _NORMAL.match(name):
        return NamedPatient(f"normal{int(match[1])}", None)
    return NamedPatient(None, None)
