"""De-identification of pictures and DICOM files."""

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

from .dicom_files import deidentify_dicom, file_of, radiograph, read_file

WORD = "Quasimodo"
GREY = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4


def deidentify_picture(content: bytes, kind: str) -> Picture.Image:
    new, suffix = deidentify(content, f"image/{kind}", "P0", Pseudonyms("secret", "1"))
    assert suffix == "png"
    assert WORD.encode() not in new
    picture = Picture.open(io.BytesIO(new))
    picture.load()
    assert picture.info == {}
    return picture


def picture(kind: str, values: np.ndarray = GREY, **options: object) -> bytes:
    content = io.BytesIO()
    Picture.fromarray(values).save(content, kind, **options)
    return content.getvalue()


def exif(orientation: int = 1) -> Picture.Exif:
    data = Picture.Exif()
    data[0x0112], data[0x010E] = orientation, WORD  # Orientation, ImageDescription
    data.get_ifd(0x8825)[1] = "N"  # GPSLatitudeRef
    return data


def test_a_jpeg_keeps_only_its_pixels() -> None:
    content = picture("JPEG", exif=exif(), comment=WORD.encode())
    assert content.count(WORD.encode()) == 2
    decoded = np.asarray(Picture.open(io.BytesIO(content)))
    np.testing.assert_array_equal(np.asarray(deidentify_picture(content, "jpeg")), decoded)


def test_data_after_the_end_of_a_picture_are_removed() -> None:
    deidentify_picture(picture("JPEG") + WORD.encode(), "jpeg")
    deidentify_picture(picture("PNG") + WORD.encode(), "png")


def test_a_png_keeps_only_its_pixels() -> None:
    info = PngInfo()
    info.add_text("Patient", WORD)
    info.add_itxt("Name", WORD, zip=True)
    profile = ImageCmsProfile(createProfile("sRGB")).tobytes()
    content = picture("PNG", pnginfo=info, exif=exif(), icc_profile=profile)
    np.testing.assert_array_equal(np.asarray(deidentify_picture(content, "png")), GREY)


def test_an_exif_orientation_is_applied() -> None:
    upright = np.asarray(deidentify_picture(picture("PNG", exif=exif(orientation=3)), "png"))
    np.testing.assert_array_equal(upright, GREY[::-1, ::-1])


@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_sixteen_bits_and_colours_are_kept(kind: str) -> None:
    deep = (np.arange(64, dtype=np.uint16) * 1021).reshape(8, 8)
    np.testing.assert_array_equal(
        np.asarray(deidentify_picture(picture(kind.upper(), deep), kind)), deep
    )
    colours = np.stack([GREY, GREY.T, 255 - GREY], axis=-1)
    np.testing.assert_array_equal(
        np.asarray(deidentify_picture(picture(kind.upper(), colours), kind)), colours
    )


def test_compressed_dicom_pixels_are_rewritten() -> None:
    dataset = radiograph()
    dataset.Rows = dataset.Columns = 8
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    frame = picture("JPEG", comment=WORD.encode())
    dataset["PixelData"] = DataElement("PixelData", "OB", encapsulate([frame]))
    dataset["PixelData"].is_undefined_length = True
    content = file_of(dataset, TransferSyntaxUID=JPEGBaseline8Bit)
    assert WORD.encode() in content
    after = deidentify_dicom(content)
    assert WORD.encode() not in after
    pixels = np.frombuffer(read_file(after).PixelData, np.uint8).reshape(8, 8)
    np.testing.assert_array_equal(pixels, np.asarray(Picture.open(io.BytesIO(frame))))


def test_overlays_in_unused_bits_and_data_after_the_pixels_are_removed() -> None:
    dataset = radiograph()
    values = np.arange(16, dtype="<u2")
    dataset["PixelData"].value = (values | 0xB000).tobytes()
    dataset.add(DataElement(Tag(0x6000, 0x0102), "US", 12))  # Overlay Bit Position
    after = read_file(deidentify_dicom(file_of(dataset)))
    np.testing.assert_array_equal(np.frombuffer(after.PixelData, "<u2"), values)
    assert not [element for element in after if element.tag.group == 0x6000]

    dataset["PixelData"].value = values.tobytes() + WORD.encode() + b" "
    assert WORD.encode() not in deidentify_dicom(file_of(dataset))


def test_negative_pixels_are_kept() -> None:
    dataset = radiograph()
    dataset.PixelRepresentation, dataset.BitsStored, dataset.HighBit = 1, 16, 15
    values = np.arange(-8, 8, dtype="<i2")
    dataset["PixelData"].value = values.tobytes()
    np.testing.assert_array_equal(
        np.frombuffer(read_file(deidentify_dicom(file_of(dataset))).PixelData, "<i2"), values
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
def test_images_that_may_contain_text_are_refused(keyword: str, value: str) -> None:
    dataset = radiograph()
    setattr(dataset, keyword, value)
    with pytest.raises(NotDeidentifiableError, match="text"):
        deidentify_dicom(file_of(dataset))
    assert (
        read_file(deidentify_dicom(file_of(dataset), burned_in=True)).PatientIdentityRemoved
        == "YES"
    )


def test_big_endian_is_refused() -> None:
    dataset = radiograph()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    content = io.BytesIO()
    pydicom.dcmwrite(content, dataset, enforce_file_format=True)
    with pytest.raises(NotDeidentifiableError, match="Big Endian"):
        deidentify_dicom(content.getvalue())
