"""Studies taken out of the clinic, de-identified."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO, Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from pneumoscope.clinic.api.fields import Moment
from pneumoscope.clinic.api.responses import answers_with
from pneumoscope.clinic.api.security import TheClinic, require_role
from pneumoscope.clinic.identity.accounts import Actor, Role
from pneumoscope.clinic.privacy.export import Wanted, export_studies, into_zip
from pneumoscope.clinic.storage.tables import StudyStatus

MOST_IMAGES = 5000

router = APIRouter(prefix="/v1", tags=["privacy"])

Overseer = Annotated[Actor, Depends(require_role(Role.REVIEWER, Role.ADMINISTRATOR))]


class NewExport(BaseModel):
    """Which studies are wanted: all, unless something else is said."""

    model_config = ConfigDict(extra="forbid")

    status: StudyStatus | None = None
    since: Moment | None = None
    until: Moment | None = None
    judged: Annotated[bool, Field(description="only studies of which an image was judged")] = False
    shift_dates: Annotated[
        bool, Field(description="keep dates, moved by as many days for all of a patient")
    ] = False
    linked: Annotated[
        bool, Field(description="pseudonyms that are the same in all exports so made")
    ] = False
    burned_in: Annotated[
        bool, Field(description="also images on which there may be text; look at each of them")
    ] = False


@router.post(
    "/exports", response_class=StreamingResponse, responses=answers_with("application/zip")
)
def export(clinic: TheClinic, actor: Overseer, new: NewExport) -> StreamingResponse:
    """Return studies as a ZIP of de-identified files, with tables of what was read and judged.

    Images that must not leave, such as those on which there may be text, are named in the table
    images.csv with the reason.
    """
    with ExitStack() as stack:
        # In the clinic's own folder, which has room for radiographs; it has no name there.
        file = stack.enter_context(tempfile.TemporaryFile(dir=clinic.settings.data))
        archive, write = into_zip(file)
        with archive:
            wanted = Wanted(**dict(new))
            export_studies(clinic.database, clinic.store, wanted, actor.name, write, MOST_IMAGES)
        size = file.tell()
        stack.pop_all()
    headers = {"Content-Disposition": 'attachment; filename="export.zip"'}
    headers["Content-Length"] = str(size)
    return StreamingResponse(_chunks(file), media_type="application/zip", headers=headers)


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        file.seek(0)
        while chunk := file.read(2**20):
            yield chunk
