"""Who saw what: in the audit trail before it is sent."""

from datetime import UTC, datetime

from pneumoscope.clinic import audit
from pneumoscope.clinic.identity.accounts import Actor
from pneumoscope.clinic.settings import Clinic


def note_seen(clinic: Clinic, actor: Actor, action: str, what: str, **detail: object) -> None:
    """Keep an entry that somebody sees something; if it cannot be kept, nothing may be sent.

    It belongs between the looking up, in a session that reads and has ended (nobody who writes
    waits for that, and no thread holds two connections), and the answer.

    Parameters
    ----------
    clinic
        With the trail.
    actor
        Who asks.
    action, what
        What they do, and to what.
    detail
        More about it, as JSON has it.
    """
    with clinic.database.writing() as session:
        audit.record(session, actor.name, action, what, detail, datetime.now(UTC))
