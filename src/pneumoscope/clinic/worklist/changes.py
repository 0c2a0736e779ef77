"""What has changed of the worklists, in counters that tell nothing of whom."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from pneumoscope.clinic.storage.tables import Site


@dataclass(frozen=True, slots=True)
class SiteCount:
    """How often a site's worklist has changed; see `pneumoscope.clinic.storage.tables.Site`."""

    site_id: str
    displayed: bool
    arrivals: int
    outcomes: int


def note_new_study(session: Session, site_id: str) -> None:
    """Count that images came to a site.

    It holds the site's row until the transaction ends, so it belongs to its end, before the audit
    trail's entry: whoever holds two rows must take them in the same order.
    """
    _count(session, site_id, arrivals=Site.arrivals + 1)


def note_new_reading(session: Session, site_id: str) -> None:
    """Count that a site has a reading or a judgement more; as `note_new_study`, at the end."""
    _count(session, site_id, outcomes=Site.outcomes + 1)


def counts(session: Session) -> list[SiteCount]:
    """Return the counts of all sites."""
    columns = (Site.id, Site.displayed, Site.arrivals, Site.outcomes)
    return [SiteCount(*row) for row in session.execute(select(*columns).order_by(Site.id))]


def visible(sites: Sequence[SiteCount], *, sees_hidden: bool) -> tuple[object, ...]:
    """Return what changes when, and only when, a worklist does as somebody may see it.

    Parameters
    ----------
    sites
        The counts.
    sees_hidden
        Whether readings of sites in shadow mode are shown to them; who does not see them must not
        learn that there are any.

    Examples
    --------
    >>> before, after = [SiteCount("a", False, 7, 1)], [SiteCount("a", False, 7, 2)]
    >>> [visible(before, sees_hidden=sees) == visible(after, sees_hidden=sees)
    ...  for sees in (True, False)]
    [False, True]
    """
    return tuple(
        (one.site_id, one.arrivals, one.outcomes if sees_hidden or one.displayed else None)
        for one in sites
    )


def _count(session: Session, site_id: str, **values: object) -> None:
    session.execute(
        update(Site)
        .where(Site.id == site_id)
        .values(values)
        .execution_options(synchronize_session=False)
    )
