"""Figures of a running clinic for Prometheus: how much, how long, and nothing of any patient."""

from collections.abc import Iterator
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from pneumoscope.clinic.monitoring.alerts import Rule
from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.tables import Alert, StoredReading, Task
from pneumoscope.clinic.worklist.judgements import latest_judgements


def metrics(database: Database, *counted: Collector) -> bytes:
    """Return the figures of now in Prometheus' text format.

    Parameters
    ----------
    database
        The clinic's.
    counted
        What the server itself has counted.

    Examples
    --------
    >>> database = Database(f"sqlite:///{getfixture('tmp_path')}/clinic.db")
    >>> print(metrics(database).decode().splitlines()[2])
    pneumoscope_waiting_images 0.0
    """
    registry = CollectorRegistry()
    for figures in (_Figures(database), *counted):
        registry.register(figures)
    return generate_latest(registry)


class _Figures(Collector):
    def __init__(self, database: Database) -> None:
        self._database = database

    def collect(self) -> Iterator[Metric]:
        with self._database.reading() as session:
            yield from _queue(session)
            yield from _readings(session)
            yield _judgements(session)
            yield _alerts(session)


def _queue(session: Session) -> Iterator[Metric]:
    waiting, oldest = session.execute(select(func.count(), func.min(Task.queued))).one()
    age = 0.0 if oldest is None else (datetime.now(UTC) - oldest).total_seconds()
    yield GaugeMetricFamily(
        "pneumoscope_waiting_images", "Images that wait to be read.", float(waiting)
    )
    yield GaugeMetricFamily(
        "pneumoscope_oldest_waiting_seconds", "How long the first of them has waited.", age
    )


def _readings(session: Session) -> Iterator[Metric]:
    by_outcome = CounterMetricFamily(
        "pneumoscope_readings", "Readings by status and finding.", labels=["status", "finding"]
    )
    for status, finding, count in session.execute(
        select(StoredReading.status, StoredReading.finding, func.count()).group_by(
            StoredReading.status, StoredReading.finding
        )
    ):
        by_outcome.add_metric([status, finding or "none"], count)
    yield by_outcome
    count, spent = session.execute(
        select(func.count(), func.coalesce(func.sum(StoredReading.milliseconds), 0.0))
    ).one()
    yield SummaryMetricFamily(
        "pneumoscope_reading_seconds", "What reading an image takes.", count, spent / 1000
    )


def _judgements(session: Session) -> Metric:
    now = latest_judgements().subquery()
    answers = GaugeMetricFamily(
        "pneumoscope_judgements", "What people say of readings now.", labels=["answer"]
    )
    for answer, count in session.execute(select(now.c.answer, func.count()).group_by(now.c.answer)):
        answers.add_metric([answer], count)
    return answers


def _alerts(session: Session) -> Metric:
    counts = dict.fromkeys(((rule, known) for rule in Rule for known in ("no", "yes")), 0)
    acknowledged = case((Alert.acknowledged.is_(None), "no"), else_="yes")
    for rule, known, count in session.execute(
        select(Alert.rule, acknowledged, func.count())
        .where(Alert.ended.is_(None))
        .group_by(Alert.rule, acknowledged)
    ):
        counts[Rule(rule), known] = count
    gauge = GaugeMetricFamily(
        "pneumoscope_alerts", "Alerts that stand.", labels=["rule", "acknowledged"]
    )
    for labels, count in counts.items():
        gauge.add_metric(labels, count)
    return gauge
