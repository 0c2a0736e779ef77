"""Sites: whether and when readings are displayed, unknown ages, and prevalences."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Self

from fastapi import APIRouter
from pydantic import AfterValidator, BaseModel, Field, model_validator
from sqlalchemy import select

from pneumoscope.clinic import audit
from pneumoscope.clinic.api.fields import Identifier, Text
from pneumoscope.clinic.api.problems import ProblemError
from pneumoscope.clinic.api.responses import column_values, get_or_404
from pneumoscope.clinic.api.security import Administrator, ClinicDep, CurrentActor
from pneumoscope.clinic.audit import Action
from pneumoscope.clinic.storage import tables
from pneumoscope.clinic.storage.time_zone import host_time_zone, parse_time_zone
from pneumoscope.clinic.storage.unknown_age import UnknownAge
from pneumoscope.clinic.worklist.changes import note_review
from pneumoscope.clinic.worklist.examination import date_undated_studies, lock_undated_studies

router = APIRouter(prefix="/v1", tags=["sites"])


def _require_time_zone(name: str) -> str:
    return parse_time_zone(name).key


TimeZone = Annotated[Text, Field(max_length=64), AfterValidator(_require_time_zone)]
"""IANA name of a time zone."""


class NewSite(BaseModel):
    """Site to create; it begins in shadow mode, its readings hidden from clinicians."""

    name: Annotated[Text, Field(min_length=1, max_length=100)]
    unknown_age: UnknownAge = UnknownAge.ASK
    time_zone: TimeZone = Field(default_factory=host_time_zone)


class Prevalence(BaseModel):
    """Prevalence of pneumonia among the patients examined: a range, or one value at both ends."""

    low: Annotated[float, Field(gt=0, lt=1)]
    high: Annotated[float, Field(gt=0, lt=1)]

    @model_validator(mode="after")
    def _ends_in_order(self) -> Self:
        if self.low > self.high:
            raise ValueError(
                "the lower end of the prevalence is above the higher end; exchange them"
            )
        return self


class SiteUpdate(BaseModel):
    """Change of a site; what is null stays as it is."""

    displayed: bool | None = None
    opinion_first: bool | None = None
    unknown_age: UnknownAge | None = None
    prevalence: Prevalence | None = None
    time_zone: TimeZone | None = None


class Site(BaseModel):
    """Site; ``displayed`` is false while it is in shadow mode.

    With ``opinion_first``, clinicians see the readings of a study once they have saved their own
    opinion of each of its images.

    ``unknown_age`` says which network reads radiographs of patients of unknown age, where the
    server chooses by age; with ``ask`` none does, and they are outside. ``prevalence`` is null
    while nobody has stated it; a range of 5 to 30 % is assumed then. ``time_zone`` is that of the
    times in DICOM files that name none.
    """

    id: str
    name: str
    displayed: bool
    opinion_first: bool
    unknown_age: UnknownAge
    prevalence: Prevalence | None
    time_zone: str


@router.get("/sites")
def list_sites(clinic: ClinicDep, _: CurrentActor) -> list[Site]:
    """List the sites."""
    with clinic.database.reading() as session:
        rows = session.scalars(select(tables.Site).order_by(tables.Site.name))
        return [_site_response(row) for row in rows]


@router.post("/sites", status_code=HTTPStatus.CREATED)
def create_site(clinic: ClinicDep, actor: Administrator, new: NewSite) -> Site:
    """Create a site, in shadow mode."""
    now = datetime.now(UTC)
    with clinic.database.writing() as session:
        if session.scalar(select(tables.Site).where(tables.Site.name == new.name)) is not None:
            raise ProblemError(
                HTTPStatus.CONFLICT, "there is already a site of this name; choose another name"
            )
        row = tables.Site(name=new.name, unknown_age=new.unknown_age, time_zone=new.time_zone)
        session.add(row)
        session.flush()
        detail = {"unknown age": new.unknown_age, "time zone": new.time_zone}
        audit.record(session, actor.name, Action.CREATE_SITE, f"site {row.id}", detail, now)
        return _site_response(row)


@router.patch("/sites/{site_id}")
def update_site(
    clinic: ClinicDep, actor: Administrator, site_id: Identifier, update: SiteUpdate
) -> Site:
    """Display a site's readings to clinicians or hide them, or change its settings."""
    now = datetime.now(UTC)
    with clinic.database.writing() as session:
        row = get_or_404(session, tables.Site, site_id)
        if update.time_zone is not None:
            lock_undated_studies(session, site_id)
        detail: dict[str, object] = {}
        row.show_readings(
            displayed=row.displayed if update.displayed is None else update.displayed,
            opinion_first=(
                row.opinion_first if update.opinion_first is None else update.opinion_first
            ),
            now=now,
        )
        if update.displayed is not None:
            detail["displayed"] = update.displayed
        if update.opinion_first is not None:
            detail["opinion first"] = update.opinion_first
        if update.unknown_age is not None:
            row.unknown_age = detail["unknown age"] = update.unknown_age
        if update.prevalence is not None:
            row.prevalence_low, row.prevalence_high = update.prevalence.low, update.prevalence.high
            detail["prevalence"] = update.prevalence.model_dump()
        if update.opinion_first is not None:
            note_review(session, site_id)  # the worklists of its clinicians change
        if update.time_zone is not None:
            row.time_zone = detail["time zone"] = update.time_zone
            session.flush()
            date_undated_studies(session, row)
        audit.record(session, actor.name, Action.CHANGE_SITE, f"site {site_id}", detail, now)
        return _site_response(row)


def _site_response(row: tables.Site) -> Site:
    low, high = row.prevalence_low, row.prevalence_high
    prevalence = None if low is None or high is None else Prevalence(low=low, high=high)
    return Site(**column_values(row, Site), prevalence=prevalence)
