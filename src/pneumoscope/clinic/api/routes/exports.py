"""Export of de-identified studies."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO, Annotated

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from pneumoscope.clinic.api.fields import Moment
from pneumoscope.clinic.api.responses import file_response
from pneumoscope.clinic.api.security import ClinicDep, Overseer
from pneumoscope.clinic.privacy.export import ExportOptions, export_studies, zip_writer
from pneumoscope.clinic.storage.study_status import StudyStatus

MAX_EXPORTED_IMAGES = 5000

router = APIRouter(prefix="/v1", tags=["privacy"])


class NewExport(BaseModel):
    """Studies to export, by default all, and what to keep in them."""

    model_config = ConfigDict(extra="forbid")

    status: StudyStatus | None = None
    since: Annotated[Moment | None, Field(description="received at or after this time")] = None
    until: Annotated[Moment | None, Field(description="received before this time")] = None
    judged: Annotated[bool, Field(description="only studies with a judged image")] = False
    shift_dates: Annotated[
        bool,
        Field(description="keep DICOM dates, shifted by the same number of days per patient"),
    ] = False
    linked: Annotated[
        bool, Field(description="use the same pseudonyms in all exports with this option")
    ] = False
    burned_in: Annotated[
        bool,
        Field(description="include images that may have text burned in; inspect each of them"),
    ] = False


@router.post(
    "/exports", response_class=StreamingResponse, responses=file_response("application/zip")
)
def create_export(clinic: ClinicDep, actor: Overseer, new: NewExport) -> StreamingResponse:
    """Export de-identified studies as a ZIP file, with tables of readings and judgements.

    Images that may not be exported, such as those that may have text burned in, are listed with the
    reason in the table images.csv.
    """
    with ExitStack() as stack:
        # In the clinic's data folder, which has room for radiographs; the file has no name there.
        file = stack.enter_context(tempfile.TemporaryFile(dir=clinic.settings.data))
        archive, write = zip_writer(file)
        with archive:
            options = ExportOptions(**dict(new))
            export_studies(
                clinic.database, clinic.store, options, actor.name, write, MAX_EXPORTED_IMAGES
            )
        size = file.tell()
        stack.pop_all()
    headers = {"Content-Disposition": 'attachment; filename="export.zip"'}
    headers["Content-Length"] = str(size)
    return StreamingResponse(_read_chunks(file), media_type="application/zip", headers=headers)


def _read_chunks(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        file.seek(0)
        while chunk := file.read(2**20):
            yield chunk
