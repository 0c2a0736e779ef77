"""Alerts: when they begin and end, and their rate of false alarms."""

from dataclasses import replace
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
from pneumoscope.clinic.monitoring.tables import Alert
from pneumoscope.clinic.settings import Clinic, Settings
from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.file_store import FileStore
from pneumoscope.clinic.storage.secret_box import SecretBox
from pneumoscope.clinic.storage.tables import AuditEntry, Image, Study, Task
from pneumoscope.evaluation.statistics.drift import ks_test
from pneumoscope.reader import Bundle, find_bundle
from pneumoscope.support.errors import ClinicError

from ..simulated import NOW, Simulated, brighter

DAY = timedelta(1)


def stored_alerts(database: Database) -> list[tuple[str, str, bool]]:
    with database.reading() as session:
        alerts = session.scalars(select(Alert).order_by(Alert.began, Alert.rule)).all()
        return [(alert.rule, alert.subject, alert.ended is None) for alert in alerts]


def check(simulated: Simulated, now: datetime = NOW) -> list[tuple[str, str, bool]]:
    check_rules(simulated.database, [simulated.baseline], now)
    return stored_alerts(simulated.database)


def test_no_alert_without_a_change(simulated: Simulated) -> None:
    simulated.run(112, 1, 6, judged=0.4)
    assert check(simulated) == []


def test_a_drift_alert_begins_once_and_ends(simulated: Simulated) -> None:
    def drifts(days: float) -> list[tuple[str, str, bool]]:
        alerts = check(simulated, NOW + days * DAY)
        return [alert for alert in alerts if alert[0] != "change"]  # the end of a drift is one

    drift, ended = ("large drift", "brightness", True), ("large drift", "brightness", False)
    simulated.run(28, 1, 8, change=brighter(0.08))
    assert drifts(0) == [drift]
    assert drifts(0.1) == [drift]
    simulated.run(-1, -30, 8)
    assert drifts(31) == [ended]
    simulated.run(-31, -60, 8, change=brighter(0.08))
    assert drifts(61) == [ended, drift]


def test_a_drift_alert_names_its_site(simulated: Simulated) -> None:
    simulated.run(28, 1, 8, site="East")
    simulated.run(28, 1, 8, site="West", change=brighter(0.08))
    check(simulated)
    with simulated.database.reading() as session:
        (alert,) = session.scalars(select(Alert))
    assert alert.site_id == simulated.site("West")
    assert "brightness" in alert.message


def test_a_change_is_found_despite_constant_drift(
    simulated: Simulated,
) -> None:
    simulated.run(112, 29, 5, change=brighter(0.15))
    simulated.run(28, 1, 8, change=brighter(0.05))
    drift, change = ("large drift", "brightness", True), ("change", "brightness", True)
    assert sorted(check(simulated)) == [change, drift]
    simulated.run(-1, -112, 5, change=brighter(0.05))
    assert ("change", "brightness", False) in check(simulated, NOW + 113 * DAY)


def test_returning_patients_are_no_change(simulated: Simulated) -> None:
    simulated.run(112, 29, 3)
    simulated.run(28, 1, 6, change=brighter(0.2))
    with simulated.database.writing() as session:
        studies = session.scalars(select(Study).order_by(Study.received)).all()
        for new, old in zip(studies[252:], studies, strict=False):
            new.patient_id = old.patient_id
    assert {rule for rule, *_ in check(simulated)} == {"large drift"}


def test_two_bundles_with_the_same_drift_raise_two_alerts(simulated: Simulated) -> None:
    assert simulated.baseline.reference is not None
    reference = replace(simulated.baseline.reference, bundle="adults")
    adults = replace(simulated.baseline, bundle="adults", reference=reference)
    for bundle in (None, "adults"):
        simulated.run(28, 1, 8, change=brighter(0.08), bundle=bundle)
    for _ in range(2):  # begun once
        check_rules(simulated.database, [simulated.baseline, adults], NOW)
    with simulated.database.reading() as session:
        alerts = session.scalars(select(Alert).where(Alert.rule == "large drift")).all()
        bundles = {(alert.subject, alert.bundle) for alert in alerts}
    assert len(alerts) == 2
    assert bundles == {("brightness", simulated.baseline.bundle), ("brightness", "adults")}


def test_few_patients_raise_no_alert(simulated: Simulated) -> None:
    simulated.run(28, 1, 1, change=brighter(0.3), rejected=0.0)
    assert check(simulated) == []


@pytest.mark.parametrize(("after", "begins"), [(0.2, True), (0.08, False)])
def test_more_rejections_raise_an_alert(simulated: Simulated, after: float, begins: bool) -> None:
    simulated.run(112, 29, 6, rejected=0.05)
    simulated.run(28, 1, 10, rejected=after)
    assert check(simulated) == ([("unread", "", True)] if begins else [])


def observations(patients: int, rejected: int) -> list[Observation]:
    """Return one image of each patient, some of them rejected."""
    return [
        Observation(
            image=str(number),
            sha256=str(number),
            patient=("site", str(number)),
            created=NOW,
            waited=1.0,
            milliseconds=1.0,
            bundle="bundle",
            status="rejected" if number < rejected else "read",
            codes=(),
            refusal="lateral" if number < rejected else None,
            values={},
            findings={},
        )
        for number in range(patients)
    ]


def test_rejections_are_tested_by_fishers_exact_test() -> None:
    found = unread_test("site", observations(250, 40), observations(700, 30))
    assert found.p == pytest.approx(hypergeom(950, 70, 250).sf(39))
    assert found.condition is not None
    assert "40 of 250, before 30 of 700" in found.condition.message


def test_a_significant_but_small_increase_raises_no_alert() -> None:
    found = unread_test("site", observations(20_000, 1400), observations(60_000, 3000))
    assert found.p < SIGNIFICANCE_LEVEL / 100
    assert found.condition is None


def test_fewer_rejections_raise_no_alert(simulated: Simulated) -> None:
    simulated.run(112, 29, 6, rejected=0.25)
    simulated.run(28, 1, 10, rejected=0.02)
    assert check(simulated) == []


@pytest.mark.parametrize(("before", "after", "begins"), [(0.95, 0.75, True), (0.75, 0.95, False)])
def test_less_agreement_raises_an_alert(
    simulated: Simulated, before: float, after: float, begins: bool
) -> None:
    simulated.run(112, 29, 5, judged=0.8, agree=before)
    simulated.run(28, 1, 10, judged=0.8, agree=after)
    assert check(simulated) == ([("agreement", "", True)] if begins else [])


def test_a_long_wait_in_the_queue_raises_an_alert(database: Database, simulated: Simulated) -> None:
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
    assert stored_alerts(database) == []
    check_queue(database, NOW + MAX_QUEUE_WAIT + timedelta(minutes=2))
    check_queue(database, NOW + MAX_QUEUE_WAIT + timedelta(minutes=3))
    assert stored_alerts(database) == [("queue", "", True)]
    with database.writing() as session:
        assert "17 minutes" in session.scalars(select(Alert.message)).one()
        session.delete(session.scalars(select(Task)).one())
    check_queue(database, NOW + timedelta(hours=1))
    assert stored_alerts(database) == [("queue", "", False)]


def test_alerts_are_in_the_audit_trail_and_the_metrics(
    simulated: Simulated,
) -> None:
    simulated.run(28, 1, 8, change=brighter(0.08))
    check(simulated)
    database = simulated.database
    series = 'pneumoscope_alerts{acknowledged="no",rule="large drift"} 1.0'
    assert series in prometheus_metrics(database).decode()
    with database.writing() as session:
        alert = session.scalars(select(Alert)).one()
        acknowledge_alert(session, alert, "ada", NOW)
    assert series.replace('"no"', '"yes"') in prometheus_metrics(database).decode()
    with pytest.raises(ClinicError, match="already"), database.writing() as session:
        acknowledge_alert(session, session.scalars(select(Alert)).one(), "bea", NOW)
    check(simulated, NOW + 60 * DAY)
    assert series.replace("1.0", "0.0") in prometheus_metrics(database).decode()
    with database.reading() as session:
        entries = session.scalars(select(AuditEntry).order_by(AuditEntry.number)).all()
    assert [(entry.actor, entry.action) for entry in entries] == [
        ("pneumoscope", "begin alert"),
        ("ada", "acknowledge alert"),
        ("pneumoscope", "end alert"),
    ]


def test_the_tests_of_a_check_are_corrected_together() -> None:
    def test(share: float, condition: object = None) -> RuleTest:
        return RuleTest(share * SIGNIFICANCE_LEVEL, condition)

    tests = [test(0.3, "a"), test(0.45, "b"), test(0.9, "c")]
    assert significant_conditions(tests) == ["a", "b", "c"]
    assert significant_conditions([*tests, test(1.0)]) == []  # 4 x 0.3 is more than 1
    assert significant_conditions(tests[1:]) == ["b", "c"]
    assert significant_conditions([test(0.1)]) == []  # significant, but too small to matter


def test_false_alarms_are_as_rare_as_promised() -> None:
    """A year of daily checks of the last 28 days; benchmarks.monitoring has more years."""
    rng = np.random.default_rng(0)
    reference = rng.normal(size=(7, 568))
    patients = rng.normal(size=(7, (CHECKS_PER_YEAR + 28) * 6))
    for day in range(CHECKS_PER_YEAR):
        sample = patients[:, day * 6 : (day + 28) * 6]
        shifts = map(ks_test, sample, reference)
        tests = [RuleTest(shift.p, object()) for shift in shifts if shift is not None]
        assert significant_conditions(tests) == []  # in 19 of 20 years at least


def test_the_scheduler_checks_all_rules_once_a_day(simulated: Simulated, tmp_path: Path) -> None:
    simulated.run(28, 1, 8, change=brighter(0.08))
    settings = Settings(tmp_path)
    bundles = (Bundle.open(find_bundle("default")),)
    store, secret_box = FileStore(tmp_path / "files"), SecretBox(tmp_path / "key")
    scheduler = MonitoringScheduler(
        Clinic(settings, bundles, simulated.database, store, secret_box)
    )
    scheduler.run_due_checks(NOW)
    assert stored_alerts(simulated.database) == [("large drift", "brightness", True)]
    with simulated.database.writing() as session:
        session.delete(session.scalars(select(Alert)).one())
    scheduler.run_due_checks(NOW + timedelta(hours=10))
    assert stored_alerts(simulated.database) == []
    scheduler.run_due_checks(NOW + DAY)
    assert stored_alerts(simulated.database) == [("large drift", "brightness", True)]


def test_each_rule_has_a_gauge_without_open_alerts(database: Database) -> None:
    text = prometheus_metrics(database).decode()
    for rule in AlertRule:
        assert f'pneumoscope_alerts{{acknowledged="no",rule="{rule}"}} 0.0' in text
