"""Galleries of radiographs on report pages, within a limit of their size."""

from collections.abc import Iterable
from dataclasses import dataclass

MAX_GALLERY_BYTES = 4_000_000
"""Largest size of the pictures of one gallery; a page with larger ones opens slowly."""


@dataclass(frozen=True, slots=True)
class GalleryImage:
    """Radiograph that was misclassified, with its thumbnail as PNG."""

    file: str
    probability: float
    png: bytes


def fill_gallery(
    images: Iterable[GalleryImage], max_bytes: int = MAX_GALLERY_BYTES
) -> tuple[GalleryImage, ...]:
    """Return images from the first on, as long as their pictures together are within a limit.

    Images beyond the limit are not asked for, so that an iterator need not read their files.

    Parameters
    ----------
    images
        Images in the order in which they are shown.
    max_bytes
        Largest size of all pictures together, in bytes.

    Examples
    --------
    >>> images = [GalleryImage(name, 0.9, b"0123456789") for name in ("a.png", "b.png", "c.png")]
    >>> [image.file for image in fill_gallery(images, max_bytes=25)]
    ['a.png', 'b.png']
    """
    shown, size = [], 0
    for image in images:
        size += len(image.png)
        if size > max_bytes:
            break
        shown.append(image)
    return tuple(shown)
