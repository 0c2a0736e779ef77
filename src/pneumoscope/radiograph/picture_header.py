"""Headers of JPEG, PNG and TIFF files: what Pillow does not say of them, or reads wrong."""

import io
from collections.abc import Mapping
from typing import Any

from PIL import TiffImagePlugin as Tiff

LOSSLESS_JPEG = 0xC3
"""Marker of lossless JPEG (ITU-T T.81, SOF3), which libjpeg cannot reduce while decoding."""

_READABLE_JPEG = (0xC0, 0xC1, 0xC2, LOSSLESS_JPEG, 0xC9, 0xCA)
_JPEG_LS = 0xF7
_NO_FRAME = (0xC4, 0xC8, 0xCC)
"""Markers between those of frames: Huffman tables, extensions, arithmetic conditioning."""

_REMEDY = "export the radiograph as JPEG, PNG, TIFF or DICOM"
_DEEP_REMEDY = "export 8 or 16 bits"
_PNG_REMEDY = "export it as PNG"

_FORMATS: tuple[tuple[bytes, str], ...] = (
    (b"GIF87a", f"a GIF, perhaps animated; {_REMEDY}"),
    (b"GIF89a", f"a GIF, perhaps animated; {_REMEDY}"),
    (b"%PDF", f"a PDF; {_REMEDY}"),
    (b"\0\0\0\x0cjP  ", f"a JPEG 2000 file; {_REMEDY}"),
    (b"\xff\x4f\xff\x51", f"a JPEG 2000 file; {_REMEDY}"),
    (b"\x89PNG", "a PNG whose header is damaged; copy it from its source again"),
)
_TIFF_PREFIXES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def jpeg_frame(content: bytes) -> tuple[int, int] | None:
    r"""Return the marker of a JPEG's frame and its bits per sample; None if there is no frame.

    References
    ----------
    ITU-T T.81, B.1.1.3 (markers) and B.2.2 (frame header).

    Examples
    --------
    >>> jpeg_frame(b"\xff\xd8" + b"\xff\xfe\0\4hi" + b"\xff\xc1\0\x0b\x0c\0")
    (193, 12)
    """
    position = content.find(b"\xff", 2)
    while 0 <= position < len(content) - 4:
        marker = content[position + 1]
        if marker in (0, 1, 0xFF) or 0xD0 <= marker <= 0xD9:  # without a length
            position += 1
        elif marker == 0xDA:  # the scan
            break
        elif marker == _JPEG_LS or (0xC0 <= marker <= 0xCF and marker not in _NO_FRAME):
            return marker, content[position + 4]
        else:
            position += 2 + int.from_bytes(content[position + 2 : position + 4])
        position = content.find(b"\xff", position)
    return None


def png_significant_bits(content: bytes) -> int | None:
    """Return the significant bits of a PNG's first channel (ISO/IEC 15948, 11.3.2.4); or None."""
    position = 8
    while (kind := content[position + 4 : position + 8]) not in (b"IDAT", b""):
        if kind == b"sBIT":
            return content[position + 8]
        position += 12 + int.from_bytes(content[position : position + 4])
    return None


def jpeg_problem(content: bytes) -> str | None:
    """Return why Pillow cannot read a JPEG of this kind, and the remedy; None if it can."""
    marker, bits = jpeg_frame(content) or (0xC0, 8)
    if marker == _JPEG_LS:
        return f"a JPEG-LS file; {_REMEDY}"
    if bits != 8:
        kind = "lossless JPEG" if marker == LOSSLESS_JPEG else "JPEG"
        return f"a {kind} of {bits} bits; export it as PNG of 16 bits, or as DICOM"
    if marker not in _READABLE_JPEG:
        return f"a JPEG of a rare kind (SOF{marker - 0xC0}); export it as a baseline JPEG"
    return None


def tiff_problem(tags: Mapping[int, Any]) -> str | None:
    """Return why Pillow cannot read a TIFF right, and the remedy; None if it can.

    References
    ----------
    TIFF, revision 6.0 (1992), sections 8 (baseline fields) and 19 (data sample format).
    """
    photometric = tags.get(Tiff.PHOTOMETRIC_INTERPRETATION)
    bits = max(tags.get(Tiff.BITSPERSAMPLE, (1,)))
    sample_format = max(tags.get(Tiff.SAMPLEFORMAT, (1,)))
    compression = tags.get(Tiff.COMPRESSION, 1)
    if sample_format == 3:
        return f"grey values as floating point, of unknown range; {_DEEP_REMEDY}"
    if bits > 16:
        return f"grey values of more than 16 bits; {_DEEP_REMEDY}"
    if sample_format == 2 and bits < 16:
        return f"signed values of {bits} bits; {_DEEP_REMEDY}, unsigned"
    if photometric is None:
        return f"a TIFF that does not say whether 0 is black or white; {_PNG_REMEDY}"
    if photometric not in _PHOTOMETRICS:
        return f"a TIFF of photometric interpretation {photometric}, not grey or RGB; {_PNG_REMEDY}"
    if tags.get(Tiff.FILLORDER) == 2 and bits > 7:
        return f"a TIFF of {bits} bits, the least significant one first; {_PNG_REMEDY}"
    if photometric == 6 and compression not in (6, 7):
        return f"a TIFF in YCbCr that is not JPEG; {_PNG_REMEDY}"
    if photometric > 3 and bits > 8:
        return f"a TIFF of {bits} bits that is neither grey nor RGB; {_PNG_REMEDY}"
    if tags.get(Tiff.PLANAR_CONFIGURATION) == 2 and bits > 8 and compression == 1:
        return f"a TIFF with separate planes of {bits} bits; {_PNG_REMEDY}"
    if photometric == 3 and max(tags[Tiff.COLORMAP]) < 256:
        return f"a TIFF whose palette is of 8 bits, not 16; {_PNG_REMEDY}"
    return None


_PHOTOMETRICS = (0, 1, 2, 3, 5, 6)
"""White is 0, black is 0, RGB, palette, CMYK, YCbCr."""


def explain_unreadable(content: bytes) -> str:
    """Return what a file that Pillow does not open seems to be, and the remedy."""
    for prefix, reason in _FORMATS:
        if content.startswith(prefix):
            return reason
    if content.startswith(b"\xff\xd8"):
        damaged = "a JPEG whose header is damaged; copy it from its source again"
        return jpeg_problem(content) or damaged
    if content.startswith(_TIFF_PREFIXES):
        return _explain_tiff(content)
    if content[4:8] == b"ftyp":
        return f"a HEIC or AVIF photograph, or a video; {_REMEDY}"
    if content[8:12] == b"WEBP":
        return f"a WebP; {_REMEDY}"
    if b"\0" not in content[:4096]:
        return f"text, not an image; {_REMEDY}"
    return f"not an image of a known format; {_REMEDY}"


def _explain_tiff(content: bytes) -> str:
    damaged = "a TIFF whose header is damaged; copy it from its source again"
    file = io.BytesIO(content)
    try:
        header = file.read(16 if content[2:4] in (b"+\0", b"\0+") else 8)
        tags = Tiff.ImageFileDirectory_v2(header)
        file.seek(tags.next)
        tags.load(file)
        if Tiff.STRIPOFFSETS not in tags and Tiff.TILEOFFSETS not in tags:
            return damaged
        bits = max(tags[Tiff.BITSPERSAMPLE])
        order = "little" if content[:2] == b"II" else "big"
        return tiff_problem(tags) or (
            f"a TIFF that cannot be read ({bits} bits, {order}-endian, photometric interpretation "
            f"{tags[Tiff.PHOTOMETRIC_INTERPRETATION]}, compression "
            f"{tags.get(Tiff.COMPRESSION, 1)}); {_PNG_REMEDY}"
        )
    except Exception:  # Pillow raises many kinds on damaged tags
        return damaged
