"""Lungs: where they are on a radiograph, and the square of pixels that shows them."""

from pneumoscope.lungs.framing import Framing, frame_lungs
from pneumoscope.lungs.lung_field import Box, LungField
from pneumoscope.lungs.lung_finder import LungFinder, load_lung_finder
from pneumoscope.lungs.preparation import Preparation

__all__ = [
    "Box",
    "Framing",
    "LungField",
    "LungFinder",
    "Preparation",
    "frame_lungs",
    "load_lung_finder",
]
