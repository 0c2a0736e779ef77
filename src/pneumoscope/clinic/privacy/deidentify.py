"""De-identification of one file: DICOM by the standard's profile, other images as bare pixels."""

import io
from datetime import timedelta

import numpy as np
import pydicom
from PIL import Image as Picture
from pydicom import DataElement, Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import PYDICOM_IMPLEMENTATION_UID, ExplicitVRLittleEndian

import pneumoscope
from pneumoscope.clinic.privacy.profile import EDITION, apply_profile
from pneumoscope.clinic.privacy.pseudonyms import Pseudonyms
from pneumoscope.clinic.queue.intake import MediaType
from pneumoscope.radiograph.dicom_file import open_dicom
from pneumoscope.radiograph.picture import decode_picture
from pneumoscope.radiograph.stored_values import decode_stored_values
from pneumoscope.support.errors import ClinicError

_SECONDARY_CAPTURE_UID = "1.2.840.10008.5.1.4.1.1.7"
_METHOD = f"pneumoscope {pneumoscope.__version__}, PS3.15 {EDITION} Table E.1-1"


class NotDeidentifiableError(ClinicError):
    """File that must not be exported; the message quotes nothing of its content."""


def deidentify(
    content: bytes,
    media_type: str,
    patient: str,
    pseudonyms: Pseudonyms,
    *,
    shift_dates: bool = False,
    burned_in: bool = False,
) -> tuple[bytes, str]:
    """Return a file without identifying data, and the suffix of its new name.

    It is DICOM in Explicit VR Little Endian, or PNG. A pseudonym names the patient. On demand,
    dates in DICOM files are not removed, but shifted by the same number of days in all files of a
    patient; and images that may have text burned in are accepted. Pixels are never inspected.

    Raises
    ------
    NotDeidentifiableError
        If the file must not be exported.

    Examples
    --------
    >>> picture = io.BytesIO()
    >>> Picture.new("L", (2, 1), color=51).save(picture, "PNG", comment="of John Doe")
    >>> pseudonyms = Pseudonyms("secret", "1")
    >>> deidentified, suffix = deidentify(picture.getvalue(), "image/png", "P1", pseudonyms)
    >>> suffix, b"John" in deidentified
    ('png', False)
    """
    try:
        if media_type != MediaType.DICOM:
            return _deidentify_picture(content), "png"
        dataset = open_dicom(content, "the file")
        if not burned_in:
            _refuse_burned_in_text(dataset)
        shift = pseudonyms.shift(patient) if shift_dates else None
        return _deidentify_dicom(dataset, patient, pseudonyms, shift), "dcm"
    except NotDeidentifiableError:
        raise
    except Exception as error:  # damaged files raise many kinds, whose messages may quote the file
        raise NotDeidentifiableError(
            f"cannot be decoded and rewritten ({type(error).__name__})"
        ) from None


def _deidentify_picture(content: bytes) -> bytes:
    png = io.BytesIO()
    Picture.fromarray(decode_picture(content, "the file")).save(png, "PNG")
    return png.getvalue()


def _refuse_burned_in_text(dataset: Dataset) -> None:
    if str(dataset.get("BurnedInAnnotation") or "").strip().upper() not in ("", "NO"):
        raise NotDeidentifiableError("is marked as having text burned into its pixels")
    sop_class = str(dataset.get("SOPClassUID") or "")
    if f"{sop_class}.".startswith(f"{_SECONDARY_CAPTURE_UID}."):
        raise NotDeidentifiableError("is a secondary capture, whose pixels may contain text")


def _deidentify_dicom(
    dataset: Dataset, patient: str, pseudonyms: Pseudonyms, shift: timedelta | None
) -> bytes:
    if not dataset.original_encoding[1]:
        raise NotDeidentifiableError("is in Explicit VR Big Endian, which is not supported")
    _rewrite_pixels(dataset)
    apply_profile(dataset, pseudonyms, shift)
    dataset.PatientID = dataset.PatientName = patient
    _add_method(dataset, shift)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = PYDICOM_IMPLEMENTATION_UID
    elements = Dataset(dataset)  # without the original file's preamble and meta information
    elements.file_meta = meta
    file = io.BytesIO()
    pydicom.dcmwrite(file, elements, enforce_file_format=True)
    return file.getvalue()


def _rewrite_pixels(dataset: Dataset) -> None:
    """Replace the pixel data by decoded pixels, since compressed data may contain metadata."""
    stored = decode_stored_values(dataset)
    pixels = stored.values
    dataset.BitsAllocated = 8 * pixels.dtype.itemsize
    dataset.BitsStored, dataset.HighBit = stored.bits, stored.bits - 1
    dataset.SamplesPerPixel = 3 if pixels.ndim == 3 else 1
    dataset.PixelRepresentation = int(stored.is_signed)
    if pixels.ndim == 3:
        dataset.PhotometricInterpretation, dataset.PlanarConfiguration = "RGB", 0
    data = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<")).tobytes()
    element = DataElement("PixelData", "OW", data + b"\0" * (len(data) % 2))
    element.is_undefined_length = False
    dataset["PixelData"] = element
    for keyword in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
        dataset.pop(keyword, None)


def _add_method(dataset: Dataset, shift: timedelta | None) -> None:
    """Add the attributes that describe the de-identification."""
    methods = [codes.DCM.BasicApplicationConfidentialityProfile]
    if shift is not None:
        methods.append(codes.DCM.RetainLongitudinalTemporalInformationModifiedDatesOption)
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = _METHOD
    dataset.DeidentificationMethodCodeSequence = [
        _code_item(method.value, method.meaning) for method in methods
    ]
    dataset.LongitudinalTemporalInformationModified = "REMOVED" if shift is None else "MODIFIED"


def _code_item(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item
