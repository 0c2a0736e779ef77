"""Limits on the size of an image, against files that would exhaust memory (image bombs)."""

from pneumoscope.support.errors import UnreadableRadiographError

MAX_PIXELS = 80_000_000
"""Largest image in pixels: several times the largest detectors, of about 20 million."""

MAX_BYTES = 500_000_000
"""Largest file; an uncompressed radiograph of `MAX_PIXELS` is smaller."""


def check_size(height: int, width: int, name: str) -> None:
    """Raise if an image is too large to be decoded; called with the size that its header states.

    Raises
    ------
    UnreadableRadiographError
        If the image has no pixels or more than `MAX_PIXELS`.

    Examples
    --------
    >>> check_size(40_000, 40_000, "bomb.png")
    Traceback (most recent call last):
    pneumoscope.support.errors.UnreadableRadiographError: bomb.png: 40,000 x 40,000 pixels, ...
    """
    if height * width > MAX_PIXELS:
        raise UnreadableRadiographError(
            f"{name}: {width:,} x {height:,} pixels, more than the {MAX_PIXELS / 1e6:.0f} million "
            "allowed; export it at a smaller size"
        )
    if height < 1 or width < 1:
        raise UnreadableRadiographError(f"{name}: no pixels; copy it from its source again")
