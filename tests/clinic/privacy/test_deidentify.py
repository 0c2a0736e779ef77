import io

import numpy as np
import pydicom
import pytest
from PIL import Image as Picture
from PIL.ImageCms import ImageCmsProfile, createProfile
from PIL.PngImagePlugin import PngInfo
from pydicom import DataElement
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.tag import Tag
from pydicom.uid import (
    ExplicitVRBigEndian,
    JPEGBaseline8Bit,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
)

from pneumoscope.clinic.privacy.deidentify import NotDeidentifiableError, deidentify
from pneumoscope.clinic.privacy.pseudonyms import Pseudonyms

from .made import as_file, cleaned, opened, radiograph

WORD = "Quasimodo"
GREY = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4


def bare(content: bytes, kind: str) -> Picture.Image:
    new, ending = deidentify(content, f"image/{kind}", "P0", Pseudonyms("secret", "1"))
    assert ending == "png"
    assert WORD.encode() not in new
    picture = Picture.open(io.BytesIO(new))
    picture.load()
    assert picture.info == {}
    return picture


def picture(kind: str, values: np.ndarray = GREY, **more: object) -> bytes:
    content = io.BytesIO()
    Picture.fromarray(values).save(content, kind, **more)
    return content.getvalue()


def exif(orientation: int = 1) -> Picture.Exif:
    said = Picture.Exif()
    said[0x0112], said[0x010E] = orientation, WORD  # Orientation, ImageDescription
    said.get_ifd(0x8825)[1] = "N"
    return said


def test_a_jpeg_loses_all_but_its_pixels() -> None:
    content = picture("JPEG", exif=exif(), comment=WORD.encode())
    assert content.count(WORD.encode()) == 2
    decoded = np.asarray(Picture.open(io.BytesIO(content)))
    np.testing.assert_array_equal(np.asarray(bare(content, "jpeg")), decoded)


def test_what_follows_a_picture_in_its_file_does_not_go_with_it() -> None:
    bare(picture("JPEG") + WORD.encode(), "jpeg")
    bare(picture("PNG") + WORD.encode(), "png")


def test_a_png_loses_all_but_its_pixels() -> None:
    said = PngInfo()
    said.add_text("Patient", WORD)
    said.add_itxt("Name", WORD, zip=True)
    profile = ImageCmsProfile(createProfile("sRGB")).tobytes()
    content = picture("PNG", pnginfo=said, exif=exif(), icc_profile=profile)
    np.testing.assert_array_equal(np.asarray(bare(content, "png")), GREY)


def test_what_an_orientation_said_is_done() -> None:
    shown = np.asarray(bare(picture("PNG", exif=exif(orientation=3)), "png"))
    np.testing.assert_array_equal(shown, GREY[::-1, ::-1])


@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_sixteen_bits_and_colours_stay(kind: str) -> None:
    deep = (np.arange(64, dtype=np.uint16) * 1021).reshape(8, 8)
    np.testing.assert_array_equal(np.asarray(bare(picture(kind.upper(), deep), kind)), deep)
    colours = np.stack([GREY, GREY.T, 255 - GREY], axis=-1)
    np.testing.assert_array_equal(np.asarray(bare(picture(kind.upper(), colours), kind)), colours)


def test_compressed_pixels_of_dicom_are_written_anew() -> None:
    made = radiograph()
    made.Rows = made.Columns = 8
    made.BitsAllocated, made.BitsStored, made.HighBit = 8, 8, 7
    frame = picture("JPEG", comment=WORD.encode())
    made["PixelData"] = DataElement("PixelData", "OB", encapsulate([frame]))
    made["PixelData"].is_undefined_length = True
    content = as_file(made, TransferSyntaxUID=JPEGBaseline8Bit)
    assert WORD.encode() in content
    after = cleaned(content)
    assert WORD.encode() not in after
    shown = np.frombuffer(opened(after).PixelData, np.uint8).reshape(8, 8)
    np.testing.assert_array_equal(shown, np.asarray(Picture.open(io.BytesIO(frame))))


def test_an_overlay_in_unused_bits_and_data_behind_the_pixels_go() -> None:
    made = radiograph()
    values = np.arange(16, dtype="<u2")
    made["PixelData"].value = (values | 0xB000).tobytes()
    made.add(DataElement(Tag(0x6000, 0x0102), "US", 12))  # Overlay Bit Position
    after = opened(cleaned(as_file(made)))
    np.testing.assert_array_equal(np.frombuffer(after.PixelData, "<u2"), values)
    assert not [one for one in after if one.tag.group == 0x6000]

    made["PixelData"].value = values.tobytes() + WORD.encode() + b" "
    assert WORD.encode() not in cleaned(as_file(made))


def test_pixels_below_zero_stay() -> None:
    made = radiograph()
    made.PixelRepresentation, made.BitsStored, made.HighBit = 1, 16, 15
    values = np.arange(-8, 8, dtype="<i2")
    made["PixelData"].value = values.tobytes()
    np.testing.assert_array_equal(
        np.frombuffer(opened(cleaned(as_file(made))).PixelData, "<i2"), values
    )


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("BurnedInAnnotation", "YES"),
        ("BurnedInAnnotation", "perhaps"),
        ("SOPClassUID", SecondaryCaptureImageStorage),
        ("SOPClassUID", MultiFrameTrueColorSecondaryCaptureImageStorage),
    ],
)
def test_images_that_may_have_text_in_them_are_refused(keyword: str, value: str) -> None:
    made = radiograph()
    setattr(made, keyword, value)
    with pytest.raises(NotDeidentifiableError, match="text"):
        cleaned(as_file(made))
    assert opened(cleaned(as_file(made), burned_in=True)).PatientIdentityRemoved == "YES"


def test_the_old_byte_order_is_refused() -> None:
    made = radiograph()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    content = io.BytesIO()
    pydicom.dcmwrite(content, made, enforce_file_format=True)
    with pytest.raises(NotDeidentifiableError, match="Big Endian"):
        cleaned(content.getvalue())
