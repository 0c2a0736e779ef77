"""Order, filters, search and pages of the worklist."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select

from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.study_status import StudyStatus
from pneumoscope.clinic.storage.tables import Image, Site, StoredReading, Study
from pneumoscope.clinic.worklist.order import StudyOrder
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
        study(shown, "unread", None, 1, patient_id="Q-13", needs_look=True),
        study(shadow, "secret", 0.99, 4, patient_id="Q-14", needs_look=True),
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
    database: Database,
    study_filter: StudyFilter = ALL,
    *,
    hide_shadow: bool = False,
    order: StudyOrder = StudyOrder.URGENCY,
) -> list[str]:
    with database.reading() as session:
        page = worklist(session, study_filter, 50, hide_shadow=hide_shadow, order=order)
        return [str(row.accession) for row in page.studies]


def test_what_could_not_be_read_comes_first_then_the_most_urgent(filled: Database) -> None:
    assert names(filled) == ["secret", "unread", "urgent early", "urgent late", "calm"]


def test_studies_are_sorted_by_study_date_or_arrival(filled: Database) -> None:
    with filled.writing() as session:
        calm = session.scalars(select(Study).where(Study.accession == "calm")).one()
        calm.acquired = START + timedelta(minutes=4)
    by_date = ["secret", "unread", "urgent late", "calm", "urgent early"]
    assert names(filled, order=StudyOrder.STUDY_DATE) == by_date
    by_arrival = ["unread", "secret", "calm", "urgent early", "urgent late"]
    assert names(filled, order=StudyOrder.ARRIVAL) == by_arrival


@pytest.fixture
def dated(database: Database) -> Database:
    """Add studies that came at 10:30 UTC on the 24th: 23:30 in Auckland, 11:30 in Berlin.

    An hour later it is the 25th in Auckland.
    """
    evening = datetime(2026, 11, 24, 10, 30, tzinfo=UTC)
    there = Site(name="Auckland", displayed=True, time_zone="Pacific/Auckland")
    here = Site(name="Berlin", displayed=True, time_zone="Europe/Berlin")
    after_midnight = {"received": evening + timedelta(hours=1)}
    with database.writing() as session:
        session.add_all(
            [
                Study(site=there, accession="undated 24", received=evening),
                Study(site=there, accession="undated 25", **after_midnight),
                Study(site=here, accession="undated 24 b", **after_midnight),
                Study(
                    site=here, accession="dated 26", received=evening, study_date=date(2026, 11, 26)
                ),
                Study(
                    site=there,
                    accession="dated 23",
                    received=evening,
                    study_date=date(2026, 11, 23),
                ),
                Study(  # at 00:05 of the 25th by its own clock
                    site=there,
                    accession="timed 25",
                    received=evening + timedelta(days=9),
                    study_date=date(2026, 11, 25),
                    acquired=datetime(2026, 11, 24, 11, 5, tzinfo=UTC),
                    utc_offset=780,
                ),
            ]
        )
    return database


def test_dates_count_by_the_calendar_of_the_site_also_without_a_time(dated: Database) -> None:
    newest_first = [
        "dated 26",
        "undated 25",
        "timed 25",
        "undated 24 b",
        "undated 24",
        "dated 23",
    ]
    assert names(dated, order=StudyOrder.STUDY_DATE) == newest_first
    day = date(2026, 11, 25)
    on_day = StudyFilter(first_date=day, last_date=day)
    assert names(dated, on_day, order=StudyOrder.STUDY_DATE) == ["undated 25", "timed 25"]
    until = StudyFilter(last_date=date(2026, 11, 23))
    assert names(dated, until) == ["dated 23"]
    assert names(dated, StudyFilter(first_date=date(2026, 11, 26))) == ["dated 26"]


def test_in_shadow_mode_the_order_reveals_nothing(filled: Database) -> None:
    in_order = ["unread", "urgent early", "urgent late", "calm", "secret"]
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
    with filled.reading() as session:
        shadow = session.scalars(select(Site.id).where(Site.name == "Shadow")).one()
    assert names(filled, StudyFilter(site=shadow)) == ["secret"]


@pytest.mark.parametrize(
    "search",
    ["Kim, Tiny", "tiny kim", "KIM^TINY", "kim", "tiny=K", "öst", "ÖST", "O\u0308st", "k-7 kim"],
)
def test_a_search_finds_what_is_shown(filled: Database, search: str) -> None:
    """In any case, order and notation, also beyond ASCII."""
    with filled.writing() as session:
        row = session.scalars(select(Study).where(Study.accession == "calm")).one()
        row.patient_name, row.patient_id = "Kim^Tiny^^^Östra", "K-7"
    assert names(filled, StudyFilter(search=search)) == ["calm"]
    assert names(filled, StudyFilter(search=f"{search} bob")) == []


@pytest.mark.parametrize(("search", "name"), [("P%", "urgent early"), ("P_", "urgent late")])
def test_sql_wildcards_are_searched_literally(filled: Database, search: str, name: str) -> None:
    assert names(filled, StudyFilter(search=search)) == [name]


@pytest.mark.parametrize("limit", [1, 2, 4, 5])
@pytest.mark.parametrize("hide_shadow", [False, True])
@pytest.mark.parametrize("order", StudyOrder)
def test_pages_cover_the_whole_list(
    filled: Database, limit: int, hide_shadow: bool, order: StudyOrder
) -> None:
    pages, cursor = [], None
    with filled.reading() as session:
        while True:
            page = worklist(session, ALL, limit, cursor, hide_shadow=hide_shadow, order=order)
            pages += [str(row.accession) for row in page.studies]
            cursor = page.cursor
            if cursor is None:
                break
    assert pages == names(filled, hide_shadow=hide_shadow, order=order)


def test_a_cursor_of_another_search_is_refused(filled: Database) -> None:
    with filled.reading() as session:
        cursor = worklist(session, ALL, 1, hide_shadow=False).cursor
        for study_filter, order, hide_shadow in (
            (StudyFilter(search="calm"), StudyOrder.URGENCY, False),
            (ALL, StudyOrder.ARRIVAL, False),
            (ALL, StudyOrder.URGENCY, True),
        ):
            with pytest.raises(ClinicError, match="another search"):
                worklist(session, study_filter, 1, cursor, hide_shadow=hide_shadow, order=order)


@pytest.mark.parametrize("cursor", ["", "nonsense", "W10=", "WzEsICIyMDI2IiwgImEiXQ==", "\xff"])
def test_an_invalid_cursor_is_refused(filled: Database, cursor: str) -> None:
    with filled.reading() as session, pytest.raises(ClinicError, match="cursor"):
        worklist(session, StudyFilter(), 5, cursor, hide_shadow=False)
