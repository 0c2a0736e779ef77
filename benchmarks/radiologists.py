"""Radiologists' readings of the NIH images: classes and boxes of the RSNA challenge, and Google's.

RSNA Pneumonia Detection Challenge 2018 (Shih et al., Radiology: Artificial Intelligence 1:e180041,
2019); airspace opacity of Majkowska et al., Radiology 294:421-431, 2020.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pneumoscope.lungs import Box

TABLE = "radiologists.csv"
_BOX_SCALE = 1024
"""Side, in pixels, of the images that the boxes were drawn on."""

_AIRSPACE_OPACITY: Mapping[str, bool | None] = {"": None, "NO": False, "YES": True}


class RsnaClass(StrEnum):
    """Class of an image in the RSNA challenge."""

    OPACITY = "Lung Opacity"
    ABNORMAL = "No Lung Opacity / Not Normal"
    NORMAL = "Normal"


@dataclass(frozen=True)
class RadiologistReading:
    """Radiologists' reading of an image.

    Parameters
    ----------
    rsna_class
        Class in the RSNA challenge; None where the image was not part of it.
    boxes
        Opacities that the RSNA's radiologists drew.
    airspace_opacity
        Whether Google's radiologists saw an airspace opacity; None where they did not read.
    """

    rsna_class: RsnaClass | None = None
    boxes: tuple[Box, ...] = ()
    airspace_opacity: bool | None = None

    @property
    def opacity(self) -> bool | None:
        """Whether the lungs show an opacity: the RSNA's class, else Google's; None if not read."""
        if self.rsna_class is None:
            return self.airspace_opacity
        return self.rsna_class is RsnaClass.OPACITY


NOT_READ = RadiologistReading()


def read_radiologists(folder: Path) -> dict[str, RadiologistReading]:
    """Read the table of an NIH folder, by the name of the image.

    Raises
    ------
    SystemExit
        If a row cannot be read.
    """
    readings = {}
    path = folder / TABLE
    with path.open(newline="", encoding="utf-8") as file:
        for number, row in enumerate(csv.DictReader(file), 2):
            try:
                readings[row["file"]] = _parse(row)
            except (KeyError, ValueError) as error:
                raise SystemExit(
                    f"{path}, line {number}: cannot be read ({error}); restore the table from its "
                    "source"
                ) from error
    return readings


def _parse(row: Mapping[str, str]) -> RadiologistReading:
    name = row["rsna_class"]
    boxes = row["rsna_boxes_1024px_xywh"]
    return RadiologistReading(
        rsna_class=RsnaClass(name) if name else None,
        boxes=tuple(map(_parse_box, boxes.split(";"))) if boxes else (),
        airspace_opacity=_AIRSPACE_OPACITY[row["google2019_airspace_opacity"]],
    )


def _parse_box(text: str) -> Box:
    left, top, width, height = (float(value) / _BOX_SCALE for value in text.split())
    if not (0 <= left < left + width <= 1 and 0 <= top < top + height <= 1):
        raise ValueError(f"the box '{text}' is not within {_BOX_SCALE} pixels")
    return Box(left, top, left + width, top + height)
