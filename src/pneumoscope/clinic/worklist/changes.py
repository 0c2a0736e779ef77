"""Change counters of the worklists, which reveal nothing about patients."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from pneumoscope.clinic.storage.tables import Site


@dataclass(frozen=True, slots=True)
class SiteChanges:
    """Change counters of a site; see `pneumoscope.clinic.storage.tables.Site`."""

    site_id: str
    displayed: bool
    arrivals: int
    outcomes: int


def note_new_study(session: Session, site_id: str) -> None:
    """Count the arrival of images at a site.

    The site's row stays locked until the transaction ends, so call this at its end, just before the
    audit entry: all transactions must lock rows in the same order.
    """
    _increment(session, site_id, arrivals=Site.arrivals + 1)


def note_review(session: Session, site_id: str) -> None:
    """Count that somebody opened, closed or judged a study; call it as `note_new_study`.

    Everybody sees that in the worklist, also where readings are hidden; it tells of no finding.
    """
    _increment(session, site_id, arrivals=Site.arrivals + 1)


def note_new_reading(session: Session, site_id: str) -> None:
    """Count a new reading at a site; call it where `note_new_study` is called."""
    _increment(session, site_id, outcomes=Site.outcomes + 1)


def count_changes(session: Session) -> list[SiteChanges]:
    """Return the change counters of all sites."""
    columns = (Site.id, Site.displayed, Site.arrivals, Site.outcomes)
    return [SiteChanges(*row) for row in session.execute(select(*columns).order_by(Site.id))]


def visible_changes(sites: Sequence[SiteChanges], *, sees_hidden: bool) -> tuple[object, ...]:
    """Return a value that differs if and only if the worklist has changed for a user.

    A user who does not see readings of sites in shadow mode must not learn that there are any.

    Examples
    --------
    >>> before, after = [SiteChanges("a", False, 7, 1)], [SiteChanges("a", False, 7, 2)]
    >>> [visible_changes(before, sees_hidden=sees) == visible_changes(after, sees_hidden=sees)
    ...  for sees in (True, False)]
    [False, True]
    """
    return tuple(
        (site.site_id, site.arrivals, site.outcomes if sees_hidden or site.displayed else None)
        for site in sites
    )


def _increment(session: Session, site_id: str, **values: object) -> None:
    session.execute(
        update(Site)
        .where(Site.id == site_id)
        .values(values)
        .execution_options(synchronize_session=False)
    )
