"""Metadata that a sender gives with image files, as JSON in the form field ``about``."""

from datetime import date
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from pneumoscope.clinic.api.fields import NonEmptyText


class RequestMetadata(BaseModel):
    """Patient and study of files without a DICOM header; in DICOM files the header counts.

    ``age`` is in years at the time of the study. Birth date and age count in DICOM files, too,
    where the header has none; if they contradict it, the image gets no finding.
    ``patient_id_issuer`` is the hospital or system that gave the patient's identifier.
    """

    model_config = ConfigDict(extra="forbid")

    patient_id: Annotated[NonEmptyText, Field(max_length=64)] = None
    patient_id_issuer: Annotated[NonEmptyText, Field(max_length=64)] = None
    patient_name: Annotated[NonEmptyText, Field(max_length=255)] = None
    birth_date: date | None = None
    age: Annotated[float | None, Field(ge=0, le=130, allow_inf_nan=False)] = None
    sex: Annotated[NonEmptyText, Field(max_length=16)] = None
    accession: Annotated[NonEmptyText, Field(max_length=64)] = None
    study_uid: Annotated[str | None, Field(max_length=64, pattern=r"^[0-9.]+$")] = None
