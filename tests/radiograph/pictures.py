"""PNG and TIFF files made by hand or by tifffile, and their decoding."""

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian

from pneumoscope.radiograph import Radiograph, decode_radiograph
from pneumoscope.radiograph.picture import decode_picture
from pneumoscope.support.errors import UnreadableRadiographError

Values = NDArray[np.integer]

DEEP = np.arange(0, 65_520, 240, dtype=np.uint16).reshape(13, 21)  # odd sides; 0 to 65,280
EIGHT = (DEEP >> 8).astype(np.uint8)
TWELVE = (DEEP >> 4).astype(np.uint16)  # 0 to 4,080
COLOURS = np.stack([DEEP, DEEP[::-1], DEEP[:, ::-1]], axis=-1)
SMOOTH = np.asarray(Image.fromarray(EIGHT).resize((168, 104), Image.Resampling.BICUBIC))

GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
"""Colour types of PNG (ISO/IEC 15948, 11.2.2)."""

LEVELS = bytes(np.repeat(np.arange(256, dtype=np.uint8)[::-1], 3))


def chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def png(values: Values, bits: int, colour_type: int, extra: bytes = b"") -> bytes:
    """Build a PNG by hand: packed rows without filters, extra chunks before the pixels."""
    height, width = values.shape[:2]
    if bits < 8:
        rows = [pack(row, bits) for row in values]
    else:
        rows = [row.astype(">u2" if bits == 16 else "u1").tobytes() for row in values]
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = (chunk(b"IHDR", header), extra, chunk(b"IDAT", data), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def pack(row: Values, bits: int) -> bytes:
    """Pack samples of any number of bits, most significant bit first, rows padded to bytes."""
    text = "".join(f"{int(value):0{bits}b}" for value in row)
    text += "0" * (-len(text) % 8)
    return bytes(int(text[i : i + 8], 2) for i in range(0, len(text), 8))


Tags = dict[int, tuple[int, int] | None]


def hand_made_tiff(
    data: bytes, size: tuple[int, int], bits: int, order: str = "<", tags: Tags | None = None
) -> bytes:
    """Build a TIFF of one strip by hand; a tag is (type 3 or 4, value), None leaves it out."""
    height, width = size
    entries: Tags = {
        256: (4, width),
        257: (4, height),
        258: (3, bits),
        259: (3, 1),
        262: (3, 1),
        273: (4, 0),
        277: (3, 1),
        278: (4, height),
        279: (4, len(data)),
    }
    entries.update(tags or {})
    kept = {tag: entry for tag, entry in sorted(entries.items()) if entry is not None}
    kept[273] = (4, 8 + 2 + 12 * len(kept) + 4)
    directory = b"".join(
        struct.pack(order + "HHI", tag, kind, 1)
        + struct.pack(order + ("HH" if kind == 3 else "I"), *((value, 0)[: 5 - kind]))
        for tag, (kind, value) in kept.items()
    )
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8)
    return head + struct.pack(order + "H", len(kept)) + directory + bytes(4) + data


def tiff(values: Values, **options: object) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, values, **{"photometric": "minisblack", **options})
    return file.getvalue()


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def decode(content: bytes, min_side: int | None = None) -> Radiograph:
    """Decode for reading, and check that the export of pixels agrees."""
    radiograph = decode_radiograph(content, "picture", min_side)
    if min_side is None:
        exported = decode_picture(content, "picture")
        if exported.ndim == 3:
            exported = np.asarray(Image.fromarray(exported).convert("L"))
        exported = exported / np.iinfo(exported.dtype).max
        np.testing.assert_allclose(exported, radiograph.pixels, atol=0.51 / 65_535)
    return radiograph


def refusal(content: bytes) -> str:
    messages = []
    for function in (decode_radiograph, decode_picture):
        with pytest.raises(UnreadableRadiographError) as caught:
            function(content, "picture")
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    return messages[0].removeprefix("picture: ")


def stretched(values: Values) -> NDArray[np.float64]:
    return (values - values.min()) / (int(values.max()) - int(values.min()))


def luminance(colours: NDArray[np.floating]) -> NDArray[np.float64]:
    return colours @ np.array([0.299, 0.587, 0.114])  # ITU-R BT.601


# Grey of more than 8 bits


def dicom(values: Values, bits: int) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = ComputedRadiographyImageStorage
    dataset.SOPInstanceUID = "2.25.1"
    dataset.Modality = "CR"
    dataset.Rows, dataset.Columns = values.shape
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = 8 * values.dtype.itemsize
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = bits, bits - 1, 0
    dataset.PixelData = values.tobytes() + bytes(values.nbytes % 2)
    return dataset


def alpha(colours: Values, clear: int | None) -> Values:
    values = np.dstack([colours, np.full(colours.shape[:2], 255, np.uint8)])
    if clear is not None:
        values[3, 5, -1] = clear
    return values
