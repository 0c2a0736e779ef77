from datetime import UTC, datetime, timedelta

import pytest

from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.study_status import StudyStatus
from pneumoscope.clinic.storage.tables import Image, Site, StoredReading, Study
from pneumoscope.clinic.worklist.worklist import StudyFilter, worklist
from pneumoscope.support.errors import ClinicError

ALL = StudyFilter()
START = datetime(2026, 11, 25, 8, tzinfo=UTC)


def study(site: Site, name: str, urgency: float | None, minute: int, **more: object) -> Study:
    received = START + timedelta(minutes=minute)
    return Study(site=site, accession=name, urgency=urgency, received=received, **more)


@pytest.fixture
def filled(database: Database) -> Database:
    shown, shadow = Site(name="Shown", displayed=True), Site(name="Shadow", displayed=False)
    made = [
        study(shown, "calm", 0.1, 0, patient_id="P-10", patient_name="Okafor^Ada"),
        study(shown, "urgent late", 0.9, 5, patient_id="P_11", status=StudyStatus.REVIEWED),
        study(shown, "urgent early", 0.9, 3, patient_id="P%12"),
        study(shown, "unread", None, 1, patient_id="Q-13"),
        study(shadow, "secret", 0.99, 4, patient_id="Q-14"),
    ]
    refused = Image(
        study=made[0], sha256="0", name="x", media_type="image/png", size=1, received=START
    )
    refused.reading = StoredReading(
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
        session.add_all(made)
    return database


def names(database: Database, wanted: StudyFilter = ALL, *, hidden: bool = False) -> list[str]:
    with database.reading() as session:
        return [str(one.accession) for one in worklist(session, wanted, 50, hide_shadow=hidden).studies]


def test_the_most_urgent_come_first_and_of_equal_ones_the_longest_waiting(
    filled: Database,
) -> None:
    assert names(filled) == ["secret", "urgent early", "urgent late", "calm", "unread"]


def test_in_shadow_mode_the_order_tells_nothing(filled: Database) -> None:
    assert names(filled, hidden=True) == ["urgent early", "urgent late", "calm", "unread", "secret"]


def test_filters_and_search(filled: Database) -> None:
    assert names(filled, StudyFilter(status=StudyStatus.REVIEWED)) == ["urgent late"]
    assert names(filled, StudyFilter(rejected=True)) == ["calm"]
    assert names(filled, StudyFilter(search="okafor")) == ["calm"]
    assert names(filled, StudyFilter(search="q-1")) == ["secret", "unread"]
    assert names(filled, StudyFilter(search="URGENT")) == ["urgent early", "urgent late"]


@pytest.mark.parametrize(("search", "found"), [("P%", "urgent early"), ("P_", "urgent late")])
def test_letters_that_databases_read_as_patterns_are_letters(
    filled: Database, search: str, found: str
) -> None:
    assert names(filled, StudyFilter(search=search)) == [found]


@pytest.mark.parametrize("limit", [1, 2, 4, 5])
@pytest.mark.parametrize("hidden", [False, True])
def test_pages_together_are_the_whole_list(filled: Database, limit: int, hidden: bool) -> None:
    together, cursor = [], None
    with filled.reading() as session:
        while True:
            page = worklist(session, StudyFilter(), limit, cursor, hide_shadow=hidden)
            together += [str(one.accession) for one in page.studies]
            cursor = page.cursor
            if cursor is None:
                break
    assert together == names(filled, hide_shadow=hidden)


@pytest.mark.parametrize("cursor", ["", "nonsense", "W10=", "WzEsICIyMDI2IiwgImEiXQ==", "\xff"])
def test_a_cursor_from_elsewhere_is_refused(filled: Database, cursor: str) -> None:
    with filled.reading() as session, pytest.raises(ClinicError, match="cursor"):
        worklist(session, StudyFilter(), 5, cursor, hide_shadow=False)
