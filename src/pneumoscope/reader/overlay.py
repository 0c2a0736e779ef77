"""Heat map drawn over its radiograph, and as a transparent layer."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pneumoscope.radiograph import Radiograph
from pneumoscope.reader.reading import (
    OTHER_FINDINGS,
    Finding,
    Reading,
    describe_finding,
    format_probability,
)

SCALE = (1.0, 16.0)
"""Log-odds of the faintest and of the strongest colour, the same for every image: log-odds of a
place times the number of places, which is what the whole image would have if it were all like it.
"""

LEGEND = "Coloured is what the network used, not where the disease is."

WARNING = "Second opinion of software, not a diagnosis. Not a medical device."

MAX_PICTURE_SIDE = 768
"""Largest side of a radiograph in a picture, in pixels; a heat map has no detail that needs more.
"""

_WITHOUT_HIGHLIGHTS = {
    True: "No heat map, since pneumonia is not suspected.",
    False: "No place speaks for pneumonia strongly enough to be highlighted.",
}
"""Legends by whether there is no heat map."""

_OPACITY = 0.55
_LAYER_SIZE = (256, 256)
"""Size of a transparent layer in pixels, enough for a smooth heat map."""

_COLOURS = np.array([[255, 221, 87], [255, 127, 14], [214, 39, 40]], np.float32)
"""Yellow, orange, red."""

_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def has_highlights(heatmap: NDArray[np.float32]) -> bool:
    """Return whether any place speaks for pneumonia strongly enough to be highlighted.

    Parameters
    ----------
    heatmap
        Log-odds that each place adds, float32, shape (rows, columns).

    Examples
    --------
    >>> has_highlights(np.float32([[0.0, 0.2], [0.0, 0.0]]))
    False
    >>> has_highlights(np.float32([[0.3, -5.0]]))
    False
    >>> has_highlights(np.float32([[0.0, 0.3], [0.0, 0.0]]))
    True
    """
    return bool(heatmap.max() * heatmap.size >= SCALE[0])


@dataclass(frozen=True, slots=True)
class Highlights:
    """Highlighted places as a transparent layer, for a viewer to draw over the radiograph.

    Parameters
    ----------
    png
        Transparent PNG, to be stretched over the whole radiograph.
    low, high
        Ends of the colour scale: log-odds of a place times the number of places.
    """

    png: bytes
    low: float
    high: float


def draw_highlights(heatmap: NDArray[np.float32]) -> Highlights | None:
    """Draw the highlighted places of a heat map as `draw_overlay` does; None if there are none.

    The heat map is as in `has_highlights`.

    Examples
    --------
    >>> layer = draw_highlights(np.float32([[0.0, 0.5], [0.0, 0.0]]))
    >>> layer.low, layer.high
    (1.0, 16.0)
    >>> draw_highlights(np.float32([[0.0, 0.2], [0.0, 0.0]])) is None
    True
    """
    if not has_highlights(heatmap):
        return None
    colours, opacity = _colours(heatmap, _LAYER_SIZE)
    picture = Image.fromarray(colours)
    picture.putalpha(Image.fromarray(np.rint(255 * opacity).astype(np.uint8)))
    return Highlights(_png(picture), *SCALE)


def draw_reading(
    radiograph: Radiograph, reading: Reading, operating_point: str, name: str, read: datetime
) -> bytes:
    """Draw a reading as a PNG: the radiograph, its heat map, and a caption below.

    The heat map is drawn only where pneumonia is suspected: elsewhere its colours would contradict
    the finding.

    Parameters
    ----------
    radiograph
        Radiograph; see `draw_overlay`.
    reading
        Reading of the radiograph, read or flagged.
    operating_point
        Name of the operating point of the finding.
    name
        Name of the patient or of the file.
    read
        Time of the reading.
    """
    assert reading.probability is not None
    finding = reading.findings[operating_point]
    words = describe_finding(finding, low_confidence=operating_point in reading.low_confidence)
    flag = ", flagged" if reading.reasons else ""
    heatmap = reading.heatmap if finding is Finding.SUSPECTED else None
    caption = (
        f"{name}, read {read:%Y-%m-%d}",
        f"{words} ({format_probability(reading.probability)} at {operating_point}{flag}). "
        f"{OTHER_FINDINGS}",
        f"{reading.bundle}. {WARNING}",
    )
    return draw_overlay(radiograph, heatmap, caption)


def draw_overlay(
    radiograph: Radiograph, heatmap: NDArray[np.float32] | None, caption: Sequence[str] = ()
) -> bytes:
    """Draw a heat map over its radiograph as a PNG, with a caption below; none of it is covered.

    Parameters
    ----------
    radiograph
        Radiograph; its part of the PNG has its size, or `MAX_PICTURE_SIDE` at its longer side.
    heatmap
        Heat map as in `has_highlights`; None for none.
    caption
        Paragraphs below the radiograph, above the legend of the heat map.
    """
    grey = Image.fromarray((radiograph.pixels * 255 + 0.5).astype(np.uint8))
    grey.thumbnail((MAX_PICTURE_SIDE, MAX_PICTURE_SIDE), Image.Resampling.BILINEAR)
    picture = grey.convert("RGB")
    highlighted = heatmap is not None and has_highlights(heatmap)
    if heatmap is not None and highlighted:
        colours, opacity = _colours(heatmap, picture.size)
        mask = np.rint(255 * _OPACITY * opacity).astype(np.uint8)
        picture = Image.composite(Image.fromarray(colours), picture, Image.fromarray(mask))
    if caption:
        legend = LEGEND if highlighted else _WITHOUT_HIGHLIGHTS[heatmap is None]
        picture = _with_caption(picture, [*caption, legend], with_scale=highlighted)
    return _png(picture)


def _png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1)  # level 6: a quarter smaller, four times slower
    return file.getvalue()


def _colours(
    heatmap: NDArray[np.float32], size: tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return colours and opacities, within [0, 1], of each pixel."""
    low, high = SCALE
    log_odds = Image.fromarray((heatmap * heatmap.size).astype(np.float32))
    # Not bicubic, which overshoots: beside strong places it would colour what is not in the map.
    fine = np.asarray(log_odds.resize(size, Image.Resampling.BILINEAR))
    strength = np.clip((fine - low) / (high - low), 0, 1)
    return _colour_scale(strength), np.sqrt(strength)


def _colour_scale(strength: NDArray[np.floating]) -> NDArray[np.uint8]:
    stops, shades = np.linspace(0, 1, len(_COLOURS)), np.linspace(0, 1, 256)
    channels = [np.interp(shades, stops, _COLOURS[:, channel]) for channel in range(3)]
    table = np.stack(channels, axis=-1).astype(np.uint8)  # faster than interpolating each pixel
    colours: NDArray[np.uint8] = table[np.rint(strength * 255).astype(np.uint8)]
    return colours


def _with_caption(
    picture: Image.Image, paragraphs: Sequence[str], *, with_scale: bool
) -> Image.Image:
    """Return a picture with light text below it, and the colour scale on demand."""
    size = max(9, picture.width // 44)
    font, margin = ImageFont.load_default(size), size // 2
    width = picture.width - 2 * margin
    lines = [line for paragraph in paragraphs for line in _wrap(paragraph, font, width)]
    step = size + size // 3
    height = (len(lines) + with_scale) * step + 2 * margin
    whole = Image.new("RGB", (picture.width, picture.height + height))
    whole.paste(picture, (0, 0))
    draw, top = ImageDraw.Draw(whole), picture.height + margin
    for line in lines:
        draw.text((margin, top), line, font=font, fill=(255, 255, 255))
        top += step
    if with_scale:
        _draw_scale(whole, draw, (margin, top), font, size)
    return whole


def _draw_scale(
    picture: Image.Image,
    draw: ImageDraw.ImageDraw,
    position: tuple[int, int],
    font: _Font,
    size: int,
) -> None:
    """Draw the colour scale with its ends, beginning at a position."""
    left, top = position
    low, high = f"weak ({SCALE[0]:.0f})", f"strong ({SCALE[1]:.0f} log-odds or more)"
    bar = _colour_scale(np.tile(np.linspace(0, 1, 5 * size, dtype=np.float32), (size, 1)))
    draw.text((left, top), low, font=font, fill=(255, 255, 255))
    left += int(draw.textlength(low, font=font)) + size // 2
    picture.paste(Image.fromarray(bar), (left, top + size // 6))
    after = (left + 5 * size + size // 2, top)
    draw.text(after, high, font=font, fill=(255, 255, 255))


def _wrap(paragraph: str, font: _Font, width: int) -> Iterator[str]:
    """Yield lines of a paragraph that are not wider than a number of pixels, where words allow."""
    line = ""
    for word in paragraph.split():
        longer = f"{line} {word}".strip()
        if line and font.getlength(longer) > width:
            yield line
            longer = word
        line = longer
    yield line
