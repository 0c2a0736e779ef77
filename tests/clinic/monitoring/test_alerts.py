"""When alerts begin and end, and how seldom they do so by chance."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import hypergeom
from sqlalchemy import select

from pneumoscope.clinic.monitoring.alerts import AlertRule, acknowledge_alert
from pneumoscope.clinic.monitoring.observations import Observation
from pneumoscope.clinic.monitoring.prometheus import prometheus_metrics
from pneumoscope.clinic.monitoring.rules import (
    CHECKS_PER_YEAR,
    MAX_QUEUE_WAIT,
    SIGNIFICANCE_LEVEL,
    RuleTest,
    check_queue,
    check_rules,
    significant_conditions,
    unread_test,
)
from pneumoscope.clinic.monitoring.scheduler import MonitoringScheduler
from pneumoscope.clinic.settings import Clinic, Settings
from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.file_store import FileStore
from pneumoscope.clinic.storage.secret_box import SecretBox
from pneumoscope.clinic.storage.tables import Alert, AuditEntry, Image, Study, Task
from pneumoscope.evaluation.statistics.drift import ks_test
from pneumoscope.reader import Bundle, find_bundle
from pneumoscope.support.errors import ClinicError

from ..simulated import NOW, Simulated, brighter

DAY = timedelta(1)


def kept(database: Database) -> list[tuple[str, str, bool]]:
    with database.reading() as session:
        alerts = session.scalars(select(Alert).order_by(Alert.began, Alert.rule)).all()
        return [(one.rule, one.subject, one.ended is None) for one in alerts]


def look_at(simulated: Simulated, now: datetime = NOW) -> list[tuple[str, str, bool]]:
    check_rules(simulated.database, simulated.baseline, now)
    return kept(simulated.database)


def test_where_nothing_has_changed_no_alert_begins(simulated: Simulated) -> None:
    simulated.run(112, 1, 6, judged=0.4)
    assert look_at(simulated) == []


def test_a_drift_is_raised_once_and_ends_when_it_is_over(simulated: Simulated) -> None:
    def drifts(days: float) -> list[tuple[str, str, bool]]:
        found = look_at(simulated, NOW + days * DAY)
        return [one for one in found if one[0] != "change"]  # which the end of a drift is, too

    drift, ended = ("large drift", "brightness", True), ("large drift", "brightness", False)
    simulated.run(28, 1, 8, change=brighter(0.08))
    assert drifts(0) == [drift]
    assert drifts(0.1) == [drift]
    simulated.run(-1, -30, 8)
    assert drifts(31) == [ended]
    simulated.run(-31, -60, 8, change=brighter(0.08))
    assert drifts(61) == [ended, drift]


def test_a_drift_is_of_the_site_that_has_it(simulated: Simulated) -> None:
    simulated.run(28, 1, 8, site="East")
    simulated.run(28, 1, 8, site="West", change=brighter(0.08))
    look_at(simulated)
    with simulated.database.reading() as session:
        (alert,) = session.scalars(select(Alert))
    assert alert.site_id == simulated.site("West")
    assert "brightness" in alert.message


def test_a_clinic_unlike_the_bundles_population_still_learns_of_a_change(
    simulated: Simulated,
) -> None:
    simulated.run(112, 29, 5, change=brighter(0.15))
    simulated.run(28, 1, 8, change=brighter(0.05))
    drift, change = ("large drift", "brightness", True), ("change", "brightness", True)
    assert sorted(look_at(simulated)) == [change, drift]
    simulated.run(-1, -112, 5, change=brighter(0.05))
    assert ("change", "brightness", False) in look_at(simulated, NOW + 113 * DAY)


def test_patients_who_come_again_are_no_change(simulated: Simulated) -> None:
    simulated.run(112, 29, 3)
    simulated.run(28, 1, 6, change=brighter(0.2))
    with simulated.database.writing() as session:
        studies = session.scalars(select(Study).order_by(Study.received)).all()
        for new, old in zip(studies[252:], studies, strict=False):
            new.patient_id = old.patient_id
    assert {rule for rule, *_ in look_at(simulated)} == {"large drift"}


def test_of_a_few_patients_no_drift_is_said(simulated: Simulated) -> None:
    simulated.run(28, 1, 1, change=brighter(0.3), rejected=0.0)
    assert look_at(simulated) == []


@pytest.mark.parametrize(("after", "begins"), [(0.2, True), (0.08, False)])
def test_a_jump_of_what_is_rejected(simulated: Simulated, after: float, begins: bool) -> None:
    simulated.run(112, 29, 6, rejected=0.05)
    simulated.run(28, 1, 10, rejected=after)
    assert look_at(simulated) == ([("unread", "", True)] if begins else [])


def seen(patients: int, rejected: int) -> list[Observation]:
    """Return so many patients' images, some of them rejected."""
    return [
        Observation(
            image=str(number),
            sha256=str(number),
            site="site",
            patient=("site", str(number)),
            created=NOW,
            waited=1.0,
            milliseconds=1.0,
            bundle="bundle",
            status="rejected" if number < rejected else "read",
            finding=None,
            codes=(),
            values={},
        )
        for number in range(patients)
    ]


def test_a_jump_is_tested_by_the_tail_of_the_hypergeometric_distribution() -> None:
    found = unread_test("site", seen(250, 40), seen(700, 30))
    assert found.p == pytest.approx(hypergeom(950, 70, 250).sf(39))
    assert found.condition is not None
    assert "40 of 250, before 30 of 700" in found.condition.message


def test_a_jump_that_is_no_chance_but_small_is_none() -> None:
    found = unread_test("site", seen(20_000, 1400), seen(60_000, 3000))
    assert found.p < SIGNIFICANCE_LEVEL / 100
    assert found.condition is None


def test_less_that_is_rejected_is_no_jump(simulated: Simulated) -> None:
    simulated.run(112, 29, 6, rejected=0.25)
    simulated.run(28, 1, 10, rejected=0.02)
    assert look_at(simulated) == []


@pytest.mark.parametrize(("before", "after", "begins"), [(0.95, 0.75, True), (0.75, 0.95, False)])
def test_people_who_agree_less(
    simulated: Simulated, before: float, after: float, begins: bool
) -> None:
    simulated.run(112, 29, 5, judged=0.8, agree=before)
    simulated.run(28, 1, 10, judged=0.8, agree=after)
    assert look_at(simulated) == ([("agreement", "", True)] if begins else [])


def test_a_queue_that_waits_too_long(database: Database, simulated: Simulated) -> None:
    site = simulated.site("Ward")
    with database.writing() as session:
        image = Image(
            study=Study(site_id=site, received=NOW),
            sha256="0" * 64,
            name="a",
            media_type="image/png",
            size=1,
            received=NOW,
        )
        session.add(image)
        session.flush()
        session.add(Task(image_id=image.id, queued=NOW, available=NOW))
    check_queue(database, NOW + MAX_QUEUE_WAIT)
    assert kept(database) == []
    check_queue(database, NOW + MAX_QUEUE_WAIT + timedelta(minutes=2))
    check_queue(database, NOW + MAX_QUEUE_WAIT + timedelta(minutes=3))
    assert kept(database) == [("queue", "", True)]
    with database.writing() as session:
        assert "17 minutes" in session.scalars(select(Alert.message)).one()
        session.delete(session.scalars(select(Task)).one())
    check_queue(database, NOW + timedelta(hours=1))
    assert kept(database) == [("queue", "", False)]


def test_beginnings_and_ends_are_in_the_audit_trail_and_in_the_figures(
    simulated: Simulated,
) -> None:
    simulated.run(28, 1, 8, change=brighter(0.08))
    look_at(simulated)
    database = simulated.database
    series = 'pneumoscope_alerts{acknowledged="no",rule="large drift"} 1.0'
    assert series in prometheus_metrics(database).decode()
    with database.writing() as session:
        alert = session.scalars(select(Alert)).one()
        acknowledge_alert(session, alert, "ada", NOW)
    assert series.replace('"no"', '"yes"') in prometheus_metrics(database).decode()
    with pytest.raises(ClinicError, match="already"), database.writing() as session:
        acknowledge_alert(session, session.scalars(select(Alert)).one(), "bea", NOW)
    look_at(simulated, NOW + 60 * DAY)
    assert series.replace("1.0", "0.0") in prometheus_metrics(database).decode()
    with database.reading() as session:
        entries = session.scalars(select(AuditEntry).order_by(AuditEntry.number)).all()
    assert [(one.actor, one.action) for one in entries] == [
        ("pneumoscope", "begin alert"),
        ("ada", "acknowledge alert"),
        ("pneumoscope", "end alert"),
    ]


def test_all_tests_of_a_look_share_its_level() -> None:
    def test(share: float) -> RuleTest:
        return RuleTest(share * SIGNIFICANCE_LEVEL, None)

    marked = [RuleTest(one.p, object()) for one in map(test, (0.3, 0.45, 0.9))]
    assert significant_conditions(marked) == [
        marked[0].condition,
        marked[1].condition,
        marked[2].condition,
    ]
    assert significant_conditions([*marked, test(1.0)]) == []  # 4 x 0.3 is more than 1
    assert significant_conditions(marked[1:]) == [marked[1].condition, marked[2].condition]
    assert significant_conditions([test(0.1)]) == []  # convincing, but too little to be said


def test_a_look_finds_what_is_not_there_as_seldom_as_it_says() -> None:
    """Years of daily looks at the last 28 days: see benchmarks.monitoring for more of them."""
    rng = np.random.default_rng(0)
    reference, false = rng.normal(size=(7, 568)), 0
    for _ in range(3):
        patients = rng.normal(size=(7, (CHECKS_PER_YEAR + 28) * 6))
        for day in range(CHECKS_PER_YEAR):
            seen = patients[:, day * 6 : (day + 28) * 6]
            shifts = map(ks_test, seen, reference)
            tests = [RuleTest(one.p, object()) for one in shifts if one is not None]
            if significant_conditions(tests):
                false += 1
                break
    assert false == 0  # of 3 years, each with a chance of at most 1 in 20


def test_the_server_looks_at_all_once_a_day(simulated: Simulated, tmp_path: Path) -> None:
    simulated.run(28, 1, 8, change=brighter(0.08))
    settings = Settings(tmp_path)
    bundle = Bundle.open(find_bundle(settings.bundle))
    store, secret_box = FileStore(tmp_path / "files"), SecretBox(tmp_path / "key")
    watch = MonitoringScheduler(Clinic(settings, bundle, simulated.database, store, secret_box))
    watch.run_due_checks(NOW)
    assert kept(simulated.database) == [("large drift", "brightness", True)]
    with simulated.database.writing() as session:
        session.delete(session.scalars(select(Alert)).one())
    watch.run_due_checks(NOW + timedelta(hours=10))
    assert kept(simulated.database) == []
    watch.run_due_checks(NOW + DAY)
    assert kept(simulated.database) == [("large drift", "brightness", True)]


def test_each_rule_has_a_gauge_also_when_nothing_stands(database: Database) -> None:
    text = prometheus_metrics(database).decode()
    for rule in AlertRule:
        assert f'pneumoscope_alerts{{acknowledged="no",rule="{rule}"}} 0.0' in text
