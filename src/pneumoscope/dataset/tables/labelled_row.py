"""Row of a table of labels: an image with what the table states about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class LabelledRow:
    """Row of a table of labels; texts are as the table has them, empty where it states nothing.

    Parameters
    ----------
    place
        Table and row, for error messages.
    file
        Path of the image, or its name without the extension.
    label
        Label, such as ``Normal``.
    patient
        Patient.
    split
        Split, such as ``train``.
    extra
        Further columns, for subgroups.
    """

    place: str
    file: str
    label: str
    patient: str = ""
    split: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)
