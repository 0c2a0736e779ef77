"""Metrics of a running clinic for Prometheus, without any patient data."""

from collections.abc import Iterator
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from pneumoscope.clinic.monitoring.alerts import AlertRule
from pneumoscope.clinic.monitoring.tables import Alert
from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.tables import Image, StoredReading, Task
from pneumoscope.clinic.worklist.judgements import latest_judgements


def prometheus_metrics(database: Database, *collectors: Collector) -> bytes:
    """Return the current metrics in Prometheus' text format, with what the collectors count.

    Examples
    --------
    >>> database = Database(f"sqlite:///{getfixture('tmp_path')}/clinic.db")
    >>> print(prometheus_metrics(database).decode().splitlines()[2])
    pneumoscope_waiting_images 0.0
    """
    registry = CollectorRegistry()
    for collector in (_DatabaseCollector(database), *collectors):
        registry.register(collector)
    return generate_latest(registry)


class _DatabaseCollector(Collector):
    def __init__(self, database: Database) -> None:
        self._database = database

    def collect(self) -> Iterator[Metric]:
        with self._database.reading() as session:
            yield from _queue(session)
            yield from _readings(session)
            yield _judgements(session)
            yield _alerts(session)


def _queue(session: Session) -> Iterator[Metric]:
    queued, oldest = session.execute(select(func.count(), func.min(Task.queued))).one()
    age = 0.0 if oldest is None else (datetime.now(UTC) - oldest).total_seconds()
    yield GaugeMetricFamily(
        "pneumoscope_waiting_images", "Number of images in the queue.", float(queued)
    )
    yield GaugeMetricFamily(
        "pneumoscope_oldest_waiting_seconds", "Seconds that the oldest image has been queued.", age
    )


def _readings(session: Session) -> Iterator[Metric]:
    readings = CounterMetricFamily(
        "pneumoscope_readings",
        "Number of readings made by status and finding, also of images withdrawn since.",
        labels=["status", "finding"],
    )
    for status, finding, count in session.execute(
        select(StoredReading.status, StoredReading.finding, func.count()).group_by(
            StoredReading.status, StoredReading.finding
        )
    ):
        readings.add_metric([status, finding or "none"], count)
    yield readings
    refusals = CounterMetricFamily(
        "pneumoscope_refusals",
        "Number of images that were not read by status and code of the first reason.",
        labels=["status", "reason"],
    )
    for status, code, count in session.execute(
        select(StoredReading.status, StoredReading.refusal, func.count())
        .where(StoredReading.refusal.is_not(None))
        .group_by(StoredReading.status, StoredReading.refusal)
    ):
        refusals.add_metric([status, str(code)], count)
    yield refusals
    count, milliseconds = session.execute(
        select(func.count(), func.coalesce(func.sum(StoredReading.milliseconds), 0.0))
    ).one()
    yield SummaryMetricFamily(
        "pneumoscope_reading_seconds", "Seconds to read an image.", count, milliseconds / 1000
    )


def _judgements(session: Session) -> Metric:
    latest = latest_judgements().subquery()
    judgements = GaugeMetricFamily(
        "pneumoscope_judgements",
        "Number of latest judgements by answer, except of withdrawn images.",
        labels=["answer"],
    )
    answer_or_opinion = func.coalesce(latest.c.answer, "opinion")
    for answer, count in session.execute(
        select(answer_or_opinion, func.count())
        .join(Image, Image.id == latest.c.image_id)
        .where(Image.withdrawn.is_(None))
        .group_by(answer_or_opinion)
    ):
        judgements.add_metric([answer], count)
    return judgements


def _alerts(session: Session) -> Metric:
    counts = dict.fromkeys(((rule, answer) for rule in AlertRule for answer in ("no", "yes")), 0)
    acknowledged = case((Alert.acknowledged.is_(None), "no"), else_="yes")
    for rule, answer, count in session.execute(
        select(Alert.rule, acknowledged, func.count())
        .where(Alert.ended.is_(None))
        .group_by(Alert.rule, acknowledged)
    ):
        counts[AlertRule(rule), answer] = count
    gauge = GaugeMetricFamily(
        "pneumoscope_alerts",
        "Number of open alerts by rule and acknowledgement.",
        labels=["rule", "acknowledged"],
    )
    for labels, count in counts.items():
        gauge.add_metric(labels, count)
    return gauge
