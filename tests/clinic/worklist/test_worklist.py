"""Order, filters, search and pages of the worklist."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.study_status import StudyStatus
from pneumoscope.clinic.storage.tables import Image, Site, StoredReading, Study
from pneumoscope.clinic.worklist.worklist import StudyFilter, worklist
from pneumoscope.support.errors import ClinicError

ALL = StudyFilter()
START = datetime(2026, 11, 25, 8, tzinfo=UTC)


def study(site: Site, name: str, urgency: float | None, minute: int, **fields: object) -> Study:
    received = START + timedelta(minutes=minute)
    return Study(site=site, accession=name, urgency=urgency, received=received, **fields)


@pytest.fixture
def filled(database: Database) -> Database:
    shown, shadow = Site(name="Shown", displayed=True), Site(name="Shadow", displayed=False)
    studies = [
        study(shown, "calm", 0.1, 0, patient_id="P-10", patient_name="Okafor^Ada"),
        study(shown, "urgent late", 0.9, 5, patient_id="P_11", status=StudyStatus.REVIEWED),
        study(shown, "urgent early", 0.9, 3, patient_id="P%12"),
        study(shown, "unread", None, 1, patient_id="Q-13"),
        study(shadow, "secret", 0.99, 4, patient_id="Q-14"),
    ]
    rejected = Image(
        study=studies[0], sha256="0", name="x", media_type="image/png", size=1, received=START
    )
    rejected.reading = StoredReading(
        created=START,
        bundle="b",
        status="rejected",
        operating_point="screening",
        findings={},
        reasons=["upside down"],
        quality=[],
        milliseconds=1.0,
    )
    with database.writing() as session:
        session.add_all(studies)
    return database


def names(
    database: Database, study_filter: StudyFilter = ALL, *, hide_shadow: bool = False
) -> list[str]:
    with database.reading() as session:
        page = worklist(session, study_filter, 50, hide_shadow=hide_shadow)
        return [str(row.accession) for row in page.studies]


def test_studies_are_ordered_by_urgency_then_by_arrival(
    filled: Database,
) -> None:
    assert names(filled) == ["secret", "urgent early", "urgent late", "calm", "unread"]


def test_in_shadow_mode_the_order_reveals_nothing(filled: Database) -> None:
    in_order = ["urgent early", "urgent late", "calm", "unread", "secret"]
    assert names(filled, hide_shadow=True) == in_order


def test_filters_and_search(filled: Database) -> None:
    assert names(filled, StudyFilter(status=StudyStatus.REVIEWED)) == ["urgent late"]
    assert names(filled, StudyFilter(unread=True)) == ["calm"]
    for status, found in (("outside", ["calm"]), ("failed", ["calm"]), ("flagged", [])):
        with filled.writing() as session:
            session.scalars(select(StoredReading)).one().status = status
        assert names(filled, StudyFilter(unread=True)) == found
    assert names(filled, StudyFilter(search="okafor")) == ["calm"]
    assert names(filled, StudyFilter(search="q-1")) == ["secret", "unread"]
    assert names(filled, StudyFilter(search="URGENT")) == ["urgent early", "urgent late"]


@pytest.mark.parametrize(("search", "name"), [("P%", "urgent early"), ("P_", "urgent late")])
def test_sql_wildcards_are_searched_literally(filled: Database, search: str, name: str) -> None:
    assert names(filled, StudyFilter(search=search)) == [name]


@pytest.mark.parametrize("limit", [1, 2, 4, 5])
@pytest.mark.parametrize("hide_shadow", [False, True])
def test_pages_cover_the_whole_list(filled: Database, limit: int, hide_shadow: bool) -> None:
    pages, cursor = [], None
    with filled.reading() as session:
        while True:
            page = worklist(session, StudyFilter(), limit, cursor, hide_shadow=hide_shadow)
            pages += [str(row.accession) for row in page.studies]
            cursor = page.cursor
            if cursor is None:
                break
    assert pages == names(filled, hide_shadow=hide_shadow)


@pytest.mark.parametrize("cursor", ["", "nonsense", "W10=", "WzEsICIyMDI2IiwgImEiXQ==", "\xff"])
def test_an_invalid_cursor_is_refused(filled: Database, cursor: str) -> None:
    with filled.reading() as session, pytest.raises(ClinicError, match="cursor"):
        worklist(session, StudyFilter(), 5, cursor, hide_shadow=False)
