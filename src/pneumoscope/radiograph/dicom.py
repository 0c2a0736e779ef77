"""Decoding of single-frame DICOM radiographs to the grey values that a viewer would show."""

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut
from pydicom.uid import UID, DigitalXRayImageStorageForProcessing

from pneumoscope.radiograph.acquisition import (
    contradicts_birth_date,
    read_age,
    read_code,
    read_orientation,
    read_view,
)
from pneumoscope.radiograph.colour import luminance, measure_colourfulness
from pneumoscope.radiograph.dicom_file import report_undecodable
from pneumoscope.radiograph.greyscale import render
from pneumoscope.radiograph.limits import check_size
from pneumoscope.radiograph.pixel_description import PixelDescription
from pneumoscope.radiograph.radiograph import DecodingNote, Radiograph
from pneumoscope.radiograph.stored_values import StoredValues, decode_stored_values
from pneumoscope.support.errors import NotAnImageError, UnreadableRadiographError

MODALITIES = ("CR", "DX", "DR", "RG", "RF", "OT", "SC")
"""Computed and digital radiography, digitised film, and secondary captures, which may say OT."""


def radiograph_from_dataset(dataset: Dataset, name: str, sha256: str | None = None) -> Radiograph:
    """Decode an opened DICOM object.

    Modality LUT or rescaling, then the first VOI LUT or window that fits the values are applied
    (PS3.3, C.11), and the output range of window or LUT becomes [0, 1]; see `greyscale.render`.
    MONOCHROME1, and Presentation LUT Shape INVERSE, are inverted so that 0 is black. Pixel padding
    (C.7.5.1.1.2) is black.

    Parameters
    ----------
    dataset
        DICOM object; with file meta information, if its pixels are compressed.
    name
        Name of the object in error messages.
    sha256
        SHA-256 of the file; that of the Pixel Data if None.

    Raises
    ------
    UnreadableRadiographError
        If it is of another modality, for processing, has several frames or no pixels, or cannot
        be decoded; `NotAnImageError` if it is no image at all.
    """
    stored = b""
    with suppress(Exception):  # decoding names the reason
        stored = bytes(dataset.get("PixelData") or b"")
    with report_undecodable(name):
        require_radiograph(dataset, name)
        values = decode_stored_values(dataset)
        is_grey = (read_code(dataset, "PhotometricInterpretation") or "").startswith("MONOCHROME")
        radiograph = (_grey_radiograph if is_grey else _colour_radiograph)(values, dataset)
        return replace(
            radiograph,
            sha256=sha256 or hashlib.sha256(stored).hexdigest(),
            patient=_pseudonym(dataset, name),
            modality=read_code(dataset, "Modality"),
            view=read_view(dataset),
            laterality=read_code(dataset, "ImageLaterality") or read_code(dataset, "Laterality"),
            body_part=read_code(dataset, "BodyPartExamined"),
            orientation=read_orientation(dataset),
            age=read_age(dataset),
            sex=read_code(dataset, "PatientSex"),
            notes=(*radiograph.notes, *_age_notes(dataset)),
        )


def require_radiograph(dataset: Dataset, name: str) -> None:
    """Raise `UnreadableRadiographError` if a DICOM object is not one radiograph to be decoded."""
    _require_image(dataset, name)
    modality = read_code(dataset, "Modality")
    if modality is not None and modality not in MODALITIES:
        raise UnreadableRadiographError(
            f"{name}: a DICOM object of modality {modality}, not a radiograph; pass CR, DX or a "
            "secondary capture of one"
        )
    if (
        read_code(dataset, "PresentationIntentType") == "FOR PROCESSING"
        or dataset.get("SOPClassUID") == DigitalXRayImageStorageForProcessing
    ):
        raise UnreadableRadiographError(
            f"{name}: the DICOM object is for processing, not for viewing; send the image for "
            "presentation"
        )
    if int(dataset.get("NumberOfFrames") or 1) > 1:
        raise UnreadableRadiographError(
            f"{name}: a DICOM object of several frames; export the one radiograph"
        )
    description = PixelDescription.of(dataset)
    check_size(description.rows, description.columns, name)


def require_image_class(dataset: Dataset, name: str) -> None:
    """Raise `NotAnImageError` if the SOP Class of a DICOM object is known to be none of images."""
    meta = getattr(dataset, "file_meta", Dataset())
    uid = UID(str(dataset.get("SOPClassUID") or meta.get("MediaStorageSOPClassUID") or ""))
    if uid and uid.name != uid and "Image Storage" not in uid.name:
        raise NotAnImageError(
            f"{name}: a DICOM object that is no image ({uid.name}); pass the image objects"
        )


def _require_image(dataset: Dataset, name: str) -> None:
    if dataset.get("PixelData"):
        return
    require_image_class(dataset, name)
    raise UnreadableRadiographError(
        f"{name}: a DICOM object without an image (a report, or a file cut short?); "
        "pass the image objects, or copy it from its source again"
    )


def _pseudonym(dataset: Dataset, name: str) -> str | None:
    try:
        patient = str(dataset.get("PatientID") or "")
    except Exception:  # pydicom's own message would quote the identifier
        raise UnreadableRadiographError(
            f"{name}: the Patient ID of the DICOM object is damaged; export it again"
        ) from None
    return "dicom-" + hashlib.sha256(patient.encode()).hexdigest()[:16] if patient else None


def _age_notes(dataset: Dataset) -> Iterator[DecodingNote]:
    if contradicts_birth_date(dataset):
        yield DecodingNote(
            "age_contradiction",
            "the Patient's Age and the birth date of the file contradict each other; correct them "
            "at the source",
            doubtful=True,
        )


def _grey_radiograph(stored: StoredValues, dataset: Dataset) -> Radiograph:
    rendering = render(stored, dataset)
    notes = (*stored.notes, *rendering.notes)
    return Radiograph(rendering.grey(), "", rendering=rendering.description, notes=notes)


def _colour_radiograph(stored: StoredValues, dataset: Dataset) -> Radiograph:
    """Return the luminance of an image in colours or with a palette."""
    values, bits = stored.values, stored.bits
    if values.ndim == 2:
        values = apply_color_lut(values, dataset)
        bits = 8 if values.max() < 256 else 16  # entries of 8 bits may lie in 16
    colours = (values / np.float32(2**bits - 1)).astype(np.float32)
    return Radiograph(
        luminance(colours),
        "",
        rendering="luminance of the colours",
        colourfulness=measure_colourfulness(colours),
    )
