"""Radiographs for a clinic's server, as many as wanted, each unlike all others in its bytes."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from pneumoscope.dataset.phantoms.generate import generate_phantoms
from pneumoscope.reader.listing import list_files

_PHANTOMS = 30
_SIDE = 1024
_COMMENT = b"\xff\xfe"


def distinct_radiographs(source: Path | None, folder: Path, count: int) -> Sequence[Path]:
    """Write JPEG files that repeat those of a folder, each with a number in its header.

    Parameters
    ----------
    source
        Folder of JPEG files, all of which are used alike often; None for phantoms.
    folder
        New, gets the files.
    count
        How many.
    """
    folder.mkdir()
    source = source or _phantoms(folder.with_name("phantoms"))
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
    return jpeg[:2] + _COMMENT + length + comment + jpeg[2:]


def _phantoms(folder: Path) -> Path:
    made = generate_phantoms(folder, _PHANTOMS, _SIDE)
    for path in sorted(made.rglob("*.png")):
        Image.open(path).convert("L").save(path.with_suffix(".jpeg"), quality=90)
    return made
