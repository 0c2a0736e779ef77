"""Picture of a radiograph with the outlines of its lungs and the box that is framed."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from pneumoscope.lungs.framing import framed_box
from pneumoscope.lungs.lung_field import LungField

_LUNG_COLOURS = ((86, 180, 233), (230, 159, 0))
"""Colours of the lung on the image's left and of that on its right, distinct for all viewers."""

_BOX_COLOUR, _NOT_FOUND_COLOUR = (255, 255, 255), (213, 94, 0)
_MIN_LINE_PIXELS, _LINES_PER_SIDE = 1, 400


def draw_lungs(pixels: NDArray[np.float32], field: LungField) -> bytes:
    """Draw the outlines of both lungs and the framed box over a radiograph, as a PNG.

    The box is red where the lungs were not found with confidence.

    Parameters
    ----------
    pixels
        Grey values, float32, shape (height, width), range [0, 1], 0 = black.
    field
        Lung field of the image.

    Examples
    --------
    >>> lungs = np.zeros((2, 8, 8), np.bool_)
    >>> lungs[0, 2:6, 1:3] = lungs[1, 2:6, 5:7] = True
    >>> png = draw_lungs(np.zeros((64, 64), np.float32), LungField(lungs, 0.9, 0.5))
    >>> Image.open(io.BytesIO(png)).size
    (64, 64)
    """
    picture = Image.fromarray(np.rint(pixels * 255).astype(np.uint8)).convert("RGB")
    line = max(_MIN_LINE_PIXELS, min(picture.size) // _LINES_PER_SIDE)
    for lung, colour in zip(field.lungs, _LUNG_COLOURS, strict=True):
        grid = Image.fromarray(lung.astype(np.uint8) * 255)
        mask = grid.resize(picture.size, Image.Resampling.BICUBIC).point(lambda grey: grey >= 128)
        inside = mask.filter(ImageFilter.MinFilter(2 * line + 1))
        outline = Image.fromarray((np.asarray(mask) > np.asarray(inside)).astype(np.uint8) * 255)
        picture.paste(colour, mask=outline)
    width, height = picture.size
    left, top, right, bottom = framed_box(field)
    edges = (left * width, top * height, right * width - 1, bottom * height - 1)
    colour = _BOX_COLOUR if field.found else _NOT_FOUND_COLOUR
    ImageDraw.Draw(picture).rectangle(edges, outline=colour, width=line)
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1)
    return file.getvalue()
