"""One file of a radiograph, de-identified: DICOM by its profile, pictures as bare pixels."""

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
from pneumoscope.clinic.queue.intake import DICOM
from pneumoscope.radiograph.decode import decode_picture
from pneumoscope.radiograph.dicom import stored_values
from pneumoscope.radiograph.dicom_file import open_dicom
from pneumoscope.support.errors import ClinicError

_SECONDARY_CAPTURES = "1.2.840.10008.5.1.4.1.1.7"
_METHOD = f"pneumoscope {pneumoscope.__version__}, PS3.15 {EDITION} Table E.1-1"


class NotDeidentifiableError(ClinicError):
    """A file must not leave, for this reason, which quotes nothing of it."""


def deidentify(
    content: bytes,
    media_type: str,
    patient: str,
    pseudonyms: Pseudonyms,
    *,
    shift_dates: bool = False,
    burned_in: bool = False,
) -> tuple[bytes, str]:
    """Return a file without what tells whose it is, and the ending of its name.

    Parameters
    ----------
    content
        The whole file.
    media_type
        Of it.
    patient
        What stands for the patient.
    pseudonyms
        Of the export.
    shift_dates
        Keep dates of DICOM, moved by as many days for all of a patient.
    burned_in
        Let images pass on which there may be text: their pixels are not looked at.

    Returns
    -------
    tuple of bytes and str
        DICOM in Explicit VR Little Endian, or PNG.

    Raises
    ------
    NotDeidentifiableError
        If it must not leave.

    Examples
    --------
    >>> picture = io.BytesIO()
    >>> Picture.new("L", (2, 1), color=51).save(picture, "PNG", comment="of John Doe")
    >>> name = Pseudonyms("secret", "1")
    >>> bare, ending = deidentify(picture.getvalue(), "image/png", "P1", name)
    >>> ending, b"John" in bare
    ('png', False)
    """
    try:
        if media_type != DICOM:
            return _bare_picture(content), "png"
        dataset = open_dicom(content, "the file")
        if not burned_in:
            _refuse_burned_in(dataset)
        shift = pseudonyms.shift(patient) if shift_dates else None
        return _bare_dicom(dataset, patient, pseudonyms, shift), "dcm"
    except NotDeidentifiableError:
        raise
    except Exception as error:  # many kinds, of damaged files; their messages may quote them
        raise NotDeidentifiableError(
            f"cannot be taken apart and written anew ({type(error).__name__})"
        ) from None


def _bare_picture(content: bytes) -> bytes:
    written = io.BytesIO()
    Picture.fromarray(decode_picture(content, "the file")).save(written, "PNG")
    return written.getvalue()


def _refuse_burned_in(dataset: Dataset) -> None:
    if str(dataset.get("BurnedInAnnotation") or "").strip().upper() not in ("", "NO"):
        raise NotDeidentifiableError("says that text is burned into its pixels")
    kind = str(dataset.get("SOPClassUID") or "")
    if kind == _SECONDARY_CAPTURES or kind.startswith(f"{_SECONDARY_CAPTURES}."):
        raise NotDeidentifiableError("is a secondary capture, whose pixels may hold text")


def _bare_dicom(
    dataset: Dataset, patient: str, pseudonyms: Pseudonyms, shift: timedelta | None
) -> bytes:
    if not dataset.original_encoding[1]:
        raise NotDeidentifiableError("is in Explicit VR Big Endian, which is not rewritten")
    _write_pixels_anew(dataset)
    apply_profile(dataset, pseudonyms, shift)
    dataset.PatientID = dataset.PatientName = patient
    _say_what_was_done(dataset, shift)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = PYDICOM_IMPLEMENTATION_UID
    bare = Dataset(dataset)  # without the preamble and whatever else came with the file
    bare.file_meta = meta
    written = io.BytesIO()
    pydicom.dcmwrite(written, bare, enforce_file_format=True)
    return written.getvalue()


def _write_pixels_anew(dataset: Dataset) -> None:
    """Replace the data of pixels by the pixels: compressed data may say more than those."""
    pixels = stored_values(dataset)
    dataset.BitsAllocated = 8 * pixels.dtype.itemsize
    dataset.HighBit = int(dataset.BitsStored) - 1
    if pixels.ndim == 3:
        dataset.PhotometricInterpretation, dataset.PlanarConfiguration = "RGB", 0
    data = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<")).tobytes()
    element = DataElement("PixelData", "OW", data + b"\0" * (len(data) % 2))
    element.is_undefined_length = False
    dataset["PixelData"] = element
    for name in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
        dataset.pop(name, None)


def _say_what_was_done(dataset: Dataset, shift: timedelta | None) -> None:
    done = [codes.DCM.BasicApplicationConfidentialityProfile]
    if shift is not None:
        done.append(codes.DCM.RetainLongitudinalTemporalInformationModifiedDatesOption)
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = _METHOD
    dataset.DeidentificationMethodCodeSequence = [_item(code.value, code.meaning) for code in done]
    dataset.LongitudinalTemporalInformationModified = "REMOVED" if shift is None else "MODIFIED"


def _item(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item
