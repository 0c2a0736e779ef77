"""All figures of a clinic at a moment: what the API says, and what the page shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from pneumoscope.clinic.monitoring.observations import observe
from pneumoscope.clinic.monitoring.opinions import (
    Agreement,
    JudgedAccuracy,
    accuracy,
    agreement,
    opinions,
)
from pneumoscope.clinic.monitoring.periods import Days, Period, summarise
from pneumoscope.clinic.monitoring.reference import Reference, find_reference
from pneumoscope.clinic.settings import Settings
from pneumoscope.evaluation.statistics.paired_tests import holm
from pneumoscope.reader import Bundle
from pneumoscope.reader.bundle import OperatingPoint

_WEEK = 7


@dataclass(frozen=True)
class Yardstick:
    """What readings are held against: a bundle, its operating point, its population."""

    bundle: str
    name: str
    point: OperatingPoint
    reference: Reference | None

    @classmethod
    def of(cls, bundle: Bundle, settings: Settings) -> "Yardstick":
        """Return what a clinic reads with.

        Raises
        ------
        ClinicError
            If the reference of the bundle is damaged.
        """
        name = settings.operating_point
        return cls(
            bundle.identity,
            name,
            bundle.record.operating_points[name],
            find_reference(bundle.identity, settings.data),
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for.

    Parameters
    ----------
    days
        Of one window.
    windows
        How many, one before the other.
    site
        Identifier of one site; None for all.
    """

    days: int = 28
    windows: int = 6
    site: str | None = None


@dataclass(frozen=True, slots=True)
class Overview:
    """All figures of a clinic at a moment; days are whole days in UTC, and today is not among them.

    Parameters
    ----------
    made
        When.
    site
        Identifier of the site; None of all together.
    bundle, operating_point
        Read with.
    reference_patients
        Of the bundle's population; None if it is not known.
    periods
        The windows, the last one last.
    adjusted
        Of the last window: each statistic's p-value, adjusted for their number (Holm).
    agreement
        Week by week, the last one last.
    accuracy
        Over all the days of the windows.
    """

    made: datetime
    site: str | None
    bundle: str
    operating_point: str
    reference_patients: int | None
    periods: tuple[Period, ...]
    adjusted: Mapping[str, float]
    agreement: tuple[Agreement, ...]
    accuracy: JudgedAccuracy


def overview(session: Session, yardstick: Yardstick, asked: Asked, now: datetime) -> Overview:
    """Return the figures of a clinic.

    Parameters
    ----------
    session
        To look with.
    yardstick
        What readings are held against.
    asked
        Of which days, and where.
    now
        The moment.
    """
    windows = [Days.before(now, asked.days, back) for back in reversed(range(asked.windows))]
    seen = observe(session, windows[0].begin, windows[-1].end, asked.site)
    said = opinions(session, yardstick.bundle, asked.site)
    reference = yardstick.reference
    periods = tuple(summarise(days, seen, reference) for days in windows)
    last = periods[-1].shifts
    weeks = max(1, asked.days * asked.windows // _WEEK)
    return Overview(
        made=now,
        site=asked.site,
        bundle=yardstick.bundle,
        operating_point=yardstick.name,
        reference_patients=None if reference is None else reference.patients,
        periods=periods,
        adjusted=dict(zip(last, holm([shift.p for shift in last.values()]), strict=True)),
        agreement=tuple(
            agreement(Days.before(now, _WEEK, back), said) for back in reversed(range(weeks))
        ),
        accuracy=accuracy(seen, said, yardstick.bundle, yardstick.point),
    )
