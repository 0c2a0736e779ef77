"""Heat map drawn over its radiograph, and as a transparent layer."""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pneumoscope.radiograph import Radiograph
from pneumoscope.reader.reading import Reading, format_probability

MIN_LOG_ODDS = 1.0
"""Log-odds of the strongest place, times the number of places, from which it is highlighted."""

MAX_PICTURE_SIDE = 768
"""Largest side of a picture in pixels; a heat map has no detail that needs more."""

MIN_SHARE = 0.25
"""Share of the strongest place's log-odds below which a place is not coloured."""

_OPACITY = 0.55
_LAYER_SIZE = (256, 256)
"""Size of a transparent layer in pixels, enough for a smooth heat map."""

_COLOURS = np.array([[255, 221, 87], [255, 127, 14], [214, 39, 40]], np.float32)
"""Yellow, orange, red."""


def has_highlights(heatmap: NDArray[np.float32]) -> bool:
    """Return whether any place adds enough to the log-odds of pneumonia to be highlighted.

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
    return bool(heatmap.max() * heatmap.size >= MIN_LOG_ODDS)


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
    (0.5, 2.0)
    >>> draw_highlights(np.float32([[0.0, 0.2], [0.0, 0.0]])) is None
    True
    """
    if not has_highlights(heatmap):
        return None
    log_odds = heatmap * heatmap.size
    highest = float(log_odds.max())
    colours, opacity = _colours(log_odds / highest, _LAYER_SIZE)
    picture = Image.fromarray(colours)
    picture.putalpha(Image.fromarray(np.rint(255 * opacity).astype(np.uint8)))
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1)  # level 6: a quarter smaller, four times slower
    return Highlights(file.getvalue(), MIN_SHARE * highest, highest)


def draw_overlay(radiograph: Radiograph, reading: Reading) -> bytes:
    """Draw the heat map and the probability of a reading over its radiograph, as a PNG.

    Places are coloured by their log-odds times the number of places, which is what the whole image
    would have if all of it were like the place; those below a quarter of the highest are not.

    Parameters
    ----------
    radiograph
        Radiograph; the PNG has its size, or `MAX_PICTURE_SIDE` at its longer side.
    reading
        Reading of the radiograph, read or flagged.
    """
    assert reading.heatmap is not None
    grey = Image.fromarray((radiograph.pixels * 255 + 0.5).astype(np.uint8))
    grey.thumbnail((MAX_PICTURE_SIDE, MAX_PICTURE_SIDE), Image.Resampling.BILINEAR)
    picture = grey.convert("RGB")
    log_odds = reading.heatmap * reading.heatmap.size
    highest = float(log_odds.max())
    highlighted = has_highlights(reading.heatmap)
    if highlighted:
        colours, opacity = _colours(log_odds / highest, picture.size)
        mask = np.rint(255 * _OPACITY * opacity).astype(np.uint8)
        picture = Image.composite(Image.fromarray(colours), picture, Image.fromarray(mask))
    _write_labels(picture, reading, highest if highlighted else None)
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1)  # level 3: a tenth smaller, twice as slow
    return file.getvalue()


def _colours(
    share: NDArray[np.float32], size: tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return colours and opacities, within [0, 1], of each pixel where ``share`` is at most 1."""
    fine = Image.fromarray(share.astype(np.float32)).resize(size, Image.Resampling.BICUBIC)
    strength = np.clip((np.asarray(fine) - MIN_SHARE) / (1 - MIN_SHARE), 0, 1)
    return _colour_scale(strength), np.sqrt(strength)


def _colour_scale(strength: NDArray[np.floating]) -> NDArray[np.uint8]:
    stops, shades = np.linspace(0, 1, len(_COLOURS)), np.linspace(0, 1, 256)
    channels = [np.interp(shades, stops, _COLOURS[:, channel]) for channel in range(3)]
    table = np.stack(channels, axis=-1).astype(np.uint8)  # faster than interpolating each pixel
    colours: NDArray[np.uint8] = table[np.rint(strength * 255).astype(np.uint8)]
    return colours


def _write_labels(picture: Image.Image, reading: Reading, highest: float | None) -> None:
    """Write the probability at the top and the colour scale, if there is one, at the bottom."""
    width, height = picture.size
    size = max(9, min(width, height) // 24)
    font = ImageFont.load_default(size)
    draw = ImageDraw.Draw(picture)
    assert reading.probability is not None
    flag = " (flagged)" if reading.reasons else ""
    text = f"pneumonia {format_probability(reading.probability)}{flag}"
    _label(draw, (size // 2, size // 2), text, font)
    bottom = height - 2 * size
    if highest is None:
        _label(draw, (size // 2, bottom), "nothing highlighted", font)
        return
    bar_width = 5 * size
    bar = _colour_scale(np.tile(np.linspace(0, 1, bar_width, dtype=np.float32), (size // 2 + 1, 1)))
    left = size // 2
    left += _label(draw, (left, bottom), f"{MIN_SHARE * highest:.1f}", font) + size // 2
    picture.paste(Image.fromarray(bar), (left, bottom + size // 4))
    _label(draw, (left + bar_width + size // 2, bottom), f"{highest:.1f} log-odds", font)


def _label(
    draw: ImageDraw.ImageDraw,
    position: tuple[int, int],
    text: str,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> int:
    """Write light text on a dark box, legible on any radiograph; return its width."""
    left, top, right, bottom = draw.textbbox(position, text, font=font)
    draw.rectangle((left - 2, top - 2, right + 2, bottom + 2), fill=(0, 0, 0))
    draw.text(position, text, font=font, fill=(255, 255, 255))
    return int(right - position[0])
