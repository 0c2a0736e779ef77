"""What a sender says of files that do not say it themselves."""

from datetime import date
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from pneumoscope.clinic.api.fields import Text
from pneumoscope.clinic.queue.intake import Origin


class Described(BaseModel):
    """What the sender says of files that do not say it themselves: of DICOM the header counts."""

    model_config = ConfigDict(extra="forbid")

    patient_id: Annotated[Text | None, Field(max_length=64)] = None
    patient_name: Annotated[Text | None, Field(max_length=255)] = None
    birth_date: date | None = None
    sex: Annotated[Text | None, Field(max_length=16)] = None
    accession: Annotated[Text | None, Field(max_length=64)] = None
    study_uid: Annotated[str | None, Field(max_length=64, pattern=r"^[0-9.]+$")] = None

    def origin(self) -> Origin:
        """Return it as the intake takes it."""
        return Origin(**self.model_dump())
