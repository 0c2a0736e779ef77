"""Any number of radiographs for a clinic's server, each with distinct bytes."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from pneumoscope.dataset.phantoms.generate import generate_phantoms
from pneumoscope.reader.listing import list_files

PHANTOM_SIDE, SMALLEST_PHANTOM_SIDE = 1024, 256
"""Sides of the phantoms in pixels, in a whole run and in the smallest."""

_N_PHANTOMS = 30
_COMMENT_MARKER = b"\xff\xfe"


def distinct_radiographs(
    source: Path | None, folder: Path, count: int, phantom_side: int = PHANTOM_SIDE
) -> Sequence[Path]:
    """Write JPEG files that repeat those of a folder, each with a number in its header.

    Parameters
    ----------
    source
        Folder of JPEG files, each repeated equally often; None for phantoms.
    folder
        Folder to write the files to; must not exist.
    count
        Number of files.
    phantom_side
        Side of the phantoms in pixels.
    """
    folder.mkdir()
    source = source or _phantoms(folder.with_name("phantoms"), phantom_side)
    originals = [path for path in list_files([source]) if path.suffix in (".jpeg", ".jpg")]
    files = []
    for number in range(count):
        content = originals[number % len(originals)].read_bytes()
        files.append(folder / f"{number:05}.jpeg")
        files[-1].write_bytes(numbered(content, number))
    return files


def numbered(jpeg: bytes, number: int) -> bytes:
    r"""Return a JPEG file with a comment segment (ITU-T T.81, B.2.4.5) after its first marker.

    Examples
    --------
    >>> numbered(b"\xff\xd8\xff\xe0", 7)
    b'\xff\xd8\xff\xfe\x00\n00000007\xff\xe0'
    """
    comment = b"%08d" % number
    length = (2 + len(comment)).to_bytes(2, "big")
    return jpeg[:2] + _COMMENT_MARKER + length + comment + jpeg[2:]


def _phantoms(folder: Path, side: int) -> Path:
    phantoms = generate_phantoms(folder, _N_PHANTOMS, side)
    for path in sorted(phantoms.rglob("*.png")):
        Image.open(path).convert("L").save(path.with_suffix(".jpeg"), quality=90)
    return phantoms
