"""Access log: what somebody is about to see goes into the audit trail before it is sent."""

from datetime import UTC, datetime

from pneumoscope.clinic import audit
from pneumoscope.clinic.audit import Action
from pneumoscope.clinic.identity.accounts import Actor
from pneumoscope.clinic.settings import Clinic


def record_access(
    clinic: Clinic, actor: Actor, action: Action, object_name: str, **detail: object
) -> None:
    """Record that somebody sees something; if this fails, nothing may be sent.

    Call it between the lookup and the answer, after the session of the lookup has ended: then no
    writer waits for the lookup, and no thread holds two connections.
    """
    with clinic.database.writing() as session:
        audit.record(session, actor.name, action, object_name, detail, datetime.now(UTC))
