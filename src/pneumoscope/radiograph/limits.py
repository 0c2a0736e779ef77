"""How large a radiograph may be before decoding it would endanger the machine."""

from pneumoscope.support.errors import UnreadableRadiographError

MAX_PIXELS = 80_000_000
"""Several times the largest digital detectors, which have about 20 million."""

MAX_BYTES = 500_000_000
"""Of a file; an uncompressed radiograph of `MAX_PIXELS` has fewer."""


def check_size(height: int, width: int, name: str) -> None:
    """Refuse an image by its header alone.

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
            "that a radiograph may have here; export it at a smaller size"
        )
    if height < 1 or width < 1:
        raise UnreadableRadiographError(f"{name}: no pixels; copy it from its source again")
