"""Judgements: versions, labels and reviews."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from pneumoscope.clinic.identity.accounts import Actor, Role, create_user
from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.study_status import StudyStatus
from pneumoscope.clinic.storage.tables import (
    Image,
    Judgement,
    Site,
    StoredReading,
    Study,
)
from pneumoscope.clinic.worklist.corrections import StaleVersionError
from pneumoscope.clinic.worklist.judgements import (
    JudgementAnswer,
    JudgementContent,
    Label,
    Truth,
    agreed_labels,
    judgement_history,
    latest_judgements,
    record_judgement,
    truth_of,
)
from pneumoscope.clinic.worklist.worklist import StudyFilter, worklist
from pneumoscope.support.errors import ClinicError

START = datetime(2026, 11, 25, 8, tzinfo=UTC)
AGREE, DISAGREE, UNSURE = (JudgementContent(answer) for answer in JudgementAnswer)


def image(study: Study, name: str, finding: str | None) -> Image:
    new = Image(
        study=study, sha256=name * 64, name=name, media_type="image/png", size=1, received=START
    )
    if finding is not None:
        new.reading = StoredReading(
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
    return new


@pytest.fixture
def clinicians(database: Database) -> tuple[Actor, Actor]:
    """Create two clinicians, and three studies of two patients with images a to d; d waits."""
    site = Site(name="Hospital", displayed=True)
    first, second, third = (
        Study(site=site, patient_id=patient, received=START + timedelta(minutes=minute))
        for minute, patient in enumerate(["P-1", "P-1", None])
    )
    with database.writing() as session:
        session.add_all(
            [
                image(first, "a", "pneumonia suspected"),
                image(first, "b", "no sign of pneumonia"),
                image(second, "c", "uncertain"),
                image(third, "d", None),
            ]
        )
        return (
            create_user(session, "anna", Role.CLINICIAN, None, START),
            create_user(session, "berta", Role.REVIEWER, None, START),
        )


def judge(
    database: Database, actor: Actor, name: str, content: JudgementContent, minute: int = 1
) -> None:
    with database.writing() as session:
        judged = session.scalars(select(Image).where(Image.name == name)).one()
        record_judgement(
            session, actor, judged, content, judged.study.version, START + timedelta(minutes=minute)
        )


def labels(database: Database) -> dict[str, str]:
    with database.reading() as session:
        return {label.sha256[0]: str(label.label) for label in agreed_labels(session)}


def test_simultaneous_judgements_of_one_user_get_consecutive_versions(
    database: Database, clinicians: tuple[Actor, Actor]
) -> None:
    anna, _ = clinicians
    with ThreadPoolExecutor() as threads:
        with database.writing() as session:
            judged = session.scalars(select(Image).where(Image.name == "a")).one()
            assert record_judgement(session, anna, judged, AGREE, 1, START).version == 1
            other = threads.submit(judge, database, anna, "a", DISAGREE)
            time.sleep(0.3)  # for the other transaction to start waiting
        other.result(30)
    with database.reading() as session:
        latest = [(row.version, row.answer) for row in session.scalars(latest_judgements())]
    assert latest == [(2, "disagree")]


def test_a_judgement_that_waits_for_a_correction_is_refused(
    database: Database, clinicians: tuple[Actor, Actor]
) -> None:
    def judge_as_seen() -> None:
        with database.writing() as session:
            judged = session.scalars(select(Image).where(Image.name == "a")).one()
            record_judgement(session, clinicians[0], judged, AGREE, 1, START)

    with ThreadPoolExecutor() as threads:
        with database.writing() as session:
            judged = session.scalars(select(Image).where(Image.name == "a")).one()
            session.refresh(judged.study, with_for_update=True)
            judged.study.version += 1
            session.flush()
            waiting = threads.submit(judge_as_seen)
            time.sleep(0.3)  # for the other transaction to start waiting
        with pytest.raises(StaleVersionError, match="nothing was saved"):
            waiting.result(30)
    with database.reading() as session:
        assert session.scalars(select(Judgement)).all() == []


def test_a_changed_judgement_adds_a_version_and_keeps_the_old_ones(
    database: Database, clinicians: tuple[Actor, Actor]
) -> None:
    anna, berta = clinicians
    judge(database, anna, "a", AGREE, 1)
    judge(database, berta, "a", UNSURE, 2)
    judge(database, anna, "a", JudgementContent(JudgementAnswer.DISAGREE, text="an artefact"), 3)
    with database.reading() as session:
        (image_id,) = session.scalars(select(Image.id).where(Image.name == "a"))
        history = [
            (row.user_id, row.version, row.answer) for row in judgement_history(session, image_id)
        ]
        latest = {(row.user_id, row.answer) for row in session.scalars(latest_judgements())}
    assert history == [
        (anna.user_id, 1, "agree"),
        (berta.user_id, 1, "uncertain"),
        (anna.user_id, 2, "disagree"),
    ]
    assert latest == {(anna.user_id, "disagree"), (berta.user_id, "uncertain")}


@pytest.mark.parametrize(
    ("finding", "answer", "truth"),
    [
        ("pneumonia suspected", "agree", "PNEUMONIA"),
        ("pneumonia suspected", "disagree", "NORMAL"),
        ("no sign of pneumonia", "agree", "NORMAL"),
        ("no sign of pneumonia", "disagree", "PNEUMONIA"),
        ("uncertain", "agree", None),
        (None, "agree", None),
        ("pneumonia suspected", "uncertain", None),
    ],
)
def test_the_class_that_an_answer_implies(
    finding: str | None, answer: str, truth: str | None
) -> None:
    assert truth_of(Judgement(answer=answer), finding) == truth
    for explicit in Truth:  # takes precedence
        assert truth_of(Judgement(answer=answer, truth=explicit), finding) == explicit


def test_labels_are_the_classes_that_all_agree_on(
    database: Database, clinicians: tuple[Actor, Actor]
) -> None:
    anna, berta = clinicians
    judge(database, anna, "a", AGREE)
    judge(database, anna, "b", DISAGREE)
    judge(database, anna, "c", AGREE)  # agreeing with an uncertain finding implies no class
    assert labels(database) == {"a": "PNEUMONIA", "b": "PNEUMONIA"}
    judge(database, berta, "b", AGREE)
    assert labels(database) == {"a": "PNEUMONIA"}
    judge(database, anna, "b", AGREE, 2)
    judge(database, berta, "c", JudgementContent(JudgementAnswer.UNCERTAIN, Truth.NORMAL))
    assert labels(database) == {"a": "PNEUMONIA", "b": "NORMAL", "c": "NORMAL"}


def test_a_file_uploaded_twice_has_one_label_or_none(
    database: Database, clinicians: tuple[Actor, Actor]
) -> None:
    with database.writing() as session:
        second = session.scalars(select(Image).where(Image.name == "b")).one()
        second.sha256 = "a" * 64
    judge(database, clinicians[0], "a", JudgementContent(JudgementAnswer.UNCERTAIN, Truth.NORMAL))
    judge(database, clinicians[0], "b", JudgementContent(JudgementAnswer.UNCERTAIN, Truth.NORMAL))
    with database.reading() as session:
        assert [label.sha256[0] for label in agreed_labels(session)] == ["a"]
    judge(
        database,
        clinicians[0],
        "b",
        JudgementContent(JudgementAnswer.UNCERTAIN, Truth.PNEUMONIA),
        2,
    )
    assert labels(database) == {}


def test_labels_of_one_patient_share_an_anonymous_name(
    database: Database, clinicians: tuple[Actor, Actor]
) -> None:
    for name in "abc":
        judge(database, clinicians[0], name, JudgementContent(JudgementAnswer.AGREE, Truth.NORMAL))
    with database.reading() as session:
        agreed: list[Label] = list(agreed_labels(session))
        studies = set(session.scalars(select(Study.id).where(Study.patient_id == "P-1")))
    assert len({label.patient for label in agreed}) == 1
    assert agreed[0].patient in studies


def test_a_study_is_reviewed_when_each_of_its_images_is_judged(
    database: Database, clinicians: tuple[Actor, Actor]
) -> None:
    def reviewed() -> int:
        with database.reading() as session:
            reviewed = select(Study).where(Study.status == StudyStatus.REVIEWED)
            return len(session.scalars(reviewed).all())

    judge(database, clinicians[0], "a", AGREE)
    assert reviewed() == 0
    judge(database, clinicians[1], "b", AGREE)
    assert reviewed() == 1


def test_unread_images_cannot_be_judged(
    database: Database, clinicians: tuple[Actor, Actor]
) -> None:
    with pytest.raises(ClinicError, match="no reading yet"):
        judge(database, clinicians[0], "d", AGREE)


def test_disputed_studies_are_the_queue_for_review(
    database: Database, clinicians: tuple[Actor, Actor]
) -> None:
    def disputed() -> int:
        with database.reading() as session:
            return len(worklist(session, StudyFilter(disputed=True), 9, hide_shadow=False).studies)

    judge(database, clinicians[0], "a", AGREE)
    judge(database, clinicians[0], "c", UNSURE)
    assert disputed() == 1
    judge(database, clinicians[1], "b", DISAGREE)
    assert disputed() == 2
    judge(database, clinicians[1], "b", AGREE, 2)
    assert disputed() == 1
