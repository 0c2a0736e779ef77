"""Leases of studies: who has which study open. They inform others, and block nobody."""

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from pneumoscope.clinic.identity.accounts import Actor
from pneumoscope.clinic.storage.tables import Study, StudyLease, User
from pneumoscope.clinic.worklist.changes import note_review

LEASE_DURATION = timedelta(seconds=90)
"""Time after which a study counts as closed; the page renews its lease every 30 seconds."""


def renew_lease(session: Session, study: Study, actor: Actor, now: datetime) -> bool:
    """Note that a user has a study open; return whether that is new.

    The study must be locked, so that two windows of one user do not both create the lease.
    """
    session.execute(
        delete(StudyLease).where(StudyLease.study_id == study.id, StudyLease.until <= now)
    )
    lease = session.get(StudyLease, (study.id, actor.user_id))
    if lease is not None:
        lease.until = now + LEASE_DURATION
        return False
    session.add(StudyLease(study_id=study.id, user_id=actor.user_id, until=now + LEASE_DURATION))
    session.flush()
    note_review(session, study.site_id)
    return True


def end_lease(session: Session, study: Study, actor: Actor) -> bool:
    """Note that a user has closed a study; return whether it was open."""
    lease = session.get(StudyLease, (study.id, actor.user_id))
    if lease is None:
        return False
    session.delete(lease)
    session.flush()
    note_review(session, study.site_id)
    return True


def reviewers(session: Session, study_ids: Collection[str], now: datetime) -> dict[str, list[str]]:
    """Return the names of the people who have a study open, by study."""
    rows = session.execute(
        select(StudyLease.study_id, User.name)
        .join(User, User.id == StudyLease.user_id)
        .where(StudyLease.study_id.in_(study_ids), StudyLease.until > now)
        .order_by(User.name)
    )
    names: dict[str, list[str]] = {}
    for study_id, name in rows:
        names.setdefault(study_id, []).append(name)
    return names
