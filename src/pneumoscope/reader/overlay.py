"""A heat map over its radiograph, as a picture for people."""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pneumoscope.radiograph import Radiograph
from pneumoscope.reader.reading import Reading, percent

NOTEWORTHY = 1.0
"""Log-odds that a place must be worth, were the whole image like it, to be highlighted."""

_SHOWN_FROM = 0.25
"""Share of the scale beneath which a place stays as it is."""

_OPACITY = 0.55
_LAYER = (256, 256)
"""Pixels of a layer of its own, enough for what is as smooth as a heat map."""

_RAMP = np.array([[255, 221, 87], [255, 127, 14], [214, 39, 40]], np.float32)
"""Yellow, orange, red."""


def highlights(heatmap: NDArray[np.float32]) -> bool:
    """Tell whether any place speaks for pneumonia enough to be shown.

    Parameters
    ----------
    heatmap
        Log-odds that each place adds, shape (rows, columns).

    Examples
    --------
    >>> highlights(np.float32([[0.0, 0.2], [0.0, 0.0]])), highlights(np.float32([[0.3, -5.0]]))
    (False, False)
    >>> highlights(np.float32([[0.0, 0.3], [0.0, 0.0]]))
    True
    """
    return bool(heatmap.max() * heatmap.size >= NOTEWORTHY)


@dataclass(frozen=True, slots=True)
class Highlights:
    """What speaks for pneumonia, as a layer that a screen lays over a radiograph.

    Parameters
    ----------
    png
        With transparency; over the whole radiograph, whatever its size.
    low, high
        Log-odds, were the whole image like the place, of the faintest and the strongest colour.
    """

    png: bytes
    low: float
    high: float


def highlight(heatmap: NDArray[np.float32]) -> Highlights | None:
    """Colour a heat map as `overlay` does; None if nothing speaks for pneumonia enough.

    Parameters
    ----------
    heatmap
        Log-odds that each place adds, shape (rows, columns).

    Examples
    --------
    >>> layer = highlight(np.float32([[0.0, 0.5], [0.0, 0.0]]))
    >>> layer.low, layer.high
    (0.5, 2.0)
    >>> highlight(np.float32([[0.0, 0.2], [0.0, 0.0]])) is None
    True
    """
    if not highlights(heatmap):
        return None
    worth = heatmap * heatmap.size
    top = float(worth.max())
    colours, opacity = _colours(worth / top, _LAYER)
    picture = Image.fromarray(colours)
    picture.putalpha(Image.fromarray(np.rint(255 * opacity).astype(np.uint8)))
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1)  # 6: a quarter smaller, four times the seconds
    return Highlights(file.getvalue(), _SHOWN_FROM * top, top)


def overlay(radiograph: Radiograph, reading: Reading) -> bytes:
    """Draw a reading over its radiograph.

    What speaks for pneumonia is coloured, from a quarter of the scale on; the scale is in the
    log-odds that a place would be worth if the whole image were like it.

    Parameters
    ----------
    radiograph
        Decoded at its own size.
    reading
        Of it, read or flagged.

    Returns
    -------
    bytes
        A PNG of the radiograph's size.
    """
    assert reading.heatmap is not None
    picture = Image.fromarray(np.rint(radiograph.pixels * 255).astype(np.uint8)).convert("RGB")
    worth = reading.heatmap * reading.heatmap.size
    top = float(worth.max())
    shown = highlights(reading.heatmap)
    if shown:
        picture = _colour(picture, worth / top)
    _write(picture, reading, top if shown else None)
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1)  # 3: a tenth smaller, twice the seconds
    return file.getvalue()


def _colour(picture: Image.Image, share: NDArray[np.float32]) -> Image.Image:
    """Lay colours over a picture where ``share``, of 1 at most, is large."""
    colours, opacity = _colours(share, picture.size)
    mask = np.rint(255 * _OPACITY * opacity).astype(np.uint8)
    return Image.composite(Image.fromarray(colours), picture, Image.fromarray(mask))


def _colours(
    share: NDArray[np.float32], size: tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return colours for each pixel of a picture, and how much of them is to be seen, to 1."""
    fine = Image.fromarray(share.astype(np.float32)).resize(size, Image.Resampling.BICUBIC)
    strength = np.clip((np.asarray(fine) - _SHOWN_FROM) / (1 - _SHOWN_FROM), 0, 1)
    return _ramp(strength), np.sqrt(strength)


def _ramp(strength: NDArray[np.floating]) -> NDArray[np.uint8]:
    stops, shades = np.linspace(0, 1, len(_RAMP)), np.linspace(0, 1, 256)
    channels = [np.interp(shades, stops, _RAMP[:, channel]) for channel in range(3)]
    table = np.stack(channels, axis=-1).astype(np.uint8)  # interpolating each pixel takes longer
    colours: NDArray[np.uint8] = table[np.rint(strength * 255).astype(np.uint8)]
    return colours


def _write(picture: Image.Image, reading: Reading, top: float | None) -> None:
    """Write the probability above, and the scale, or that there is none, below."""
    width, height = picture.size
    size = max(9, min(width, height) // 24)
    font = ImageFont.load_default(size)
    draw = ImageDraw.Draw(picture)
    assert reading.probability is not None
    doubt = " (flagged)" if reading.reasons else ""
    _label(draw, (size // 2, size // 2), f"pneumonia {percent(reading.probability)}{doubt}", font)
    below = height - 2 * size
    if top is None:
        _label(draw, (size // 2, below), "nothing highlighted", font)
        return
    bar = 5 * size
    strip = _ramp(np.tile(np.linspace(0, 1, bar, dtype=np.float32), (size // 2 + 1, 1)))
    label = f"{_SHOWN_FROM * top:.1f}"
    left = size // 2
    right = f"{top:.1f} log-odds"
    left += _label(draw, (left, below), label, font) + size // 2
    picture.paste(Image.fromarray(strip), (left, below + size // 4))
    _label(draw, (left + bar + size // 2, below), right, font)


def _label(
    draw: ImageDraw.ImageDraw,
    place: tuple[int, int],
    text: str,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> int:
    """Write light text on a dark box, readable on any radiograph; return its width."""
    left, top, right, bottom = draw.textbbox(place, text, font=font)
    draw.rectangle((left - 2, top - 2, right + 2, bottom + 2), fill=(0, 0, 0))
    draw.text(place, text, font=font, fill=(255, 255, 255))
    return int(right - place[0])
