import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from pneumoscope.clinic.identity.accounts import Actor, Role, create_user
from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.tables import (
    Image,
    Judgement,
    Site,
    StoredReading,
    Study,
    StudyStatus,
)
from pneumoscope.clinic.worklist.judgements import (
    Answer,
    Label,
    JudgementContent,
    Truth,
    judgement_history,
    record_judgement,
    agreed_labels,
    latest_judgements,
    truth_of,
)
from pneumoscope.clinic.worklist.worklist import StudyFilter, worklist
from pneumoscope.support.errors import ClinicError

START = datetime(2026, 11, 25, 8, tzinfo=UTC)
AGREE, DISAGREE, UNSURE = (JudgementContent(answer) for answer in Answer)


def image(study: Study, name: str, finding: str | None) -> Image:
    made = Image(
        study=study, sha256=name * 64, name=name, media_type="image/png", size=1, received=START
    )
    if finding is not None:
        made.reading = StoredReading(
            created=START,
            bundle="b",
            status="read",
            operating_point="screening",
            finding=finding,
            findings={},
            reasons=[],
            quality=[],
            milliseconds=1.0,
        )
    return made


@pytest.fixture
def ward(database: Database) -> tuple[Actor, Actor]:
    """Make two readers, and three studies of two patients with images a to d; d waits."""
    site = Site(name="Ward", displayed=True)
    first, second, third = (
        Study(site=site, patient_id=patient, received=START + timedelta(minutes=minute))
        for minute, patient in enumerate(["P-1", "P-1", None])
    )
    with database.writing() as session:
        session.add_all(
            [
                image(first, "a", "pneumonia"),
                image(first, "b", "normal"),
                image(second, "c", "uncertain"),
                image(third, "d", None),
            ]
        )
        return (
            create_user(session, "anna", Role.CLINICIAN, None, START),
            create_user(session, "berta", Role.REVIEWER, None, START),
        )


def say(database: Database, actor: Actor, name: str, opinion: JudgementContent, minute: int = 1) -> None:
    with database.writing() as session:
        found = session.scalars(select(Image).where(Image.name == name)).one()
        record_judgement(session, actor, found, opinion, START + timedelta(minutes=minute))


def told(database: Database) -> dict[str, str]:
    with database.reading() as session:
        return {label.sha256[0]: str(label.label) for label in agreed_labels(session)}


def test_of_two_opinions_at_once_one_is_the_later(
    database: Database, ward: tuple[Actor, Actor]
) -> None:
    anna, _ = ward
    with ThreadPoolExecutor() as threads:
        with database.writing() as session:
            found = session.scalars(select(Image).where(Image.name == "a")).one()
            assert record_judgement(session, anna, found, AGREE, START).version == 1
            other = threads.submit(say, database, anna, "a", DISAGREE)
            time.sleep(0.3)  # in which it comes to where it waits
        other.result(30)
    with database.reading() as session:
        said = [(one.version, one.answer) for one in session.scalars(latest_judgements())]
    assert said == [(2, "disagree")]


def test_a_changed_mind_is_a_further_version_and_none_is_lost(
    database: Database, ward: tuple[Actor, Actor]
) -> None:
    anna, berta = ward
    say(database, anna, "a", AGREE, 1)
    say(database, berta, "a", UNSURE, 2)
    say(database, anna, "a", JudgementContent(Answer.DISAGREE, text="an artefact"), 3)
    with database.reading() as session:
        (image_id,) = session.scalars(select(Image.id).where(Image.name == "a"))
        said = [(one.user_id, one.version, one.answer) for one in judgement_history(session, image_id)]
        now = {(one.user_id, one.answer) for one in session.scalars(latest_judgements())}
    assert said == [
        (anna.user_id, 1, "agree"),
        (berta.user_id, 1, "uncertain"),
        (anna.user_id, 2, "disagree"),
    ]
    assert now == {(anna.user_id, "disagree"), (berta.user_id, "uncertain")}


@pytest.mark.parametrize(
    ("finding", "answer", "shows"),
    [
        ("pneumonia", "agree", "PNEUMONIA"),
        ("pneumonia", "disagree", "NORMAL"),
        ("normal", "agree", "NORMAL"),
        ("normal", "disagree", "PNEUMONIA"),
        ("uncertain", "agree", None),
        (None, "agree", None),
        ("pneumonia", "uncertain", None),
    ],
)
def test_what_an_answer_says_of_the_image(
    finding: str | None, answer: str, shows: str | None
) -> None:
    assert truth_of(Judgement(answer=answer), finding) == shows
    for truth in Truth:  # what is said in so many words counts
        assert truth_of(Judgement(answer=answer, truth=truth), finding) == truth


def test_labels_are_what_all_agree_on(database: Database, ward: tuple[Actor, Actor]) -> None:
    anna, berta = ward
    say(database, anna, "a", AGREE)
    say(database, anna, "b", DISAGREE)
    say(database, anna, "c", AGREE)  # with an uncertain finding: that tells nothing
    assert told(database) == {"a": "PNEUMONIA", "b": "PNEUMONIA"}
    say(database, berta, "b", AGREE)
    assert told(database) == {"a": "PNEUMONIA"}
    say(database, anna, "b", AGREE, 2)
    say(database, berta, "c", JudgementContent(Answer.UNCERTAIN, Truth.NORMAL))
    assert told(database) == {"a": "PNEUMONIA", "b": "NORMAL", "c": "NORMAL"}


def test_a_file_that_came_twice_has_one_label_or_none(
    database: Database, ward: tuple[Actor, Actor]
) -> None:
    with database.writing() as session:
        again = session.scalars(select(Image).where(Image.name == "b")).one()
        again.sha256 = "a" * 64
    say(database, ward[0], "a", JudgementContent(Answer.UNCERTAIN, Truth.NORMAL))
    say(database, ward[0], "b", JudgementContent(Answer.UNCERTAIN, Truth.NORMAL))
    with database.reading() as session:
        assert [label.sha256[0] for label in agreed_labels(session)] == ["a"]
    say(database, ward[0], "b", JudgementContent(Answer.UNCERTAIN, Truth.PNEUMONIA), 2)
    assert told(database) == {}


def test_a_patients_studies_have_one_name_that_says_nothing(
    database: Database, ward: tuple[Actor, Actor]
) -> None:
    for name in "abc":
        say(database, ward[0], name, JudgementContent(Answer.AGREE, Truth.NORMAL))
    with database.reading() as session:
        found: list[Label] = list(agreed_labels(session))
        studies = set(session.scalars(select(Study.id).where(Study.patient_id == "P-1")))
    assert len({label.patient for label in found}) == 1
    assert found[0].patient in studies


def test_a_study_is_reviewed_when_each_of_its_images_is_judged(
    database: Database, ward: tuple[Actor, Actor]
) -> None:
    def reviewed() -> int:
        with database.reading() as session:
            reviewed = select(Study).where(Study.status == StudyStatus.REVIEWED)
            return len(session.scalars(reviewed).all())

    say(database, ward[0], "a", AGREE)
    assert reviewed() == 0
    say(database, ward[1], "b", AGREE)
    assert reviewed() == 1


def test_what_is_not_read_cannot_be_judged(database: Database, ward: tuple[Actor, Actor]) -> None:
    with pytest.raises(ClinicError, match="not read yet"):
        say(database, ward[0], "d", AGREE)


def test_the_queue_of_what_is_to_be_reviewed(database: Database, ward: tuple[Actor, Actor]) -> None:
    def disputed() -> int:
        with database.reading() as session:
            return len(worklist(session, StudyFilter(disputed=True), 9, hide_shadow=False).studies)

    say(database, ward[0], "a", AGREE)
    say(database, ward[0], "c", UNSURE)
    assert disputed() == 1
    say(database, ward[1], "b", DISAGREE)
    assert disputed() == 2
    say(database, ward[1], "b", AGREE, 2)
    assert disputed() == 1
