"""What the clinic's database holds: one class for each table."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from pneumoscope.clinic.storage.table_base import HASH, ID, Table, new_id


class StudyStatus(StrEnum):
    """How far a study has come: ``read`` by the network, ``reviewed`` by a person."""

    NEW = "new"
    READ = "read"
    REVIEWED = "reviewed"


class Site(Table):
    """A place whose readings are shown or hidden together; in shadow mode they are hidden."""

    __tablename__ = "site"

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    displayed: Mapped[bool] = mapped_column(default=False)
    arrivals: Mapped[int] = mapped_column(default=0)
    """Counts what changes its worklist for everybody: images that came."""
    outcomes: Mapped[int] = mapped_column(default=0)
    """Counts what changes it for those who see its readings: readings and judgements."""


class Study(Table):
    """A patient's examination."""

    __tablename__ = "study"
    __table_args__ = (UniqueConstraint("site_id", "study_uid"),)

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    site_id: Mapped[str] = mapped_column(ForeignKey("site.id"))
    study_uid: Mapped[str | None] = mapped_column(String(64))
    """As DICOM has it; None of files that have none, each of which is a study of its own."""
    accession: Mapped[str | None] = mapped_column(String(64))
    patient_id: Mapped[str | None] = mapped_column(String(64), index=True)
    patient_name: Mapped[str | None] = mapped_column(String(255))
    birth_date: Mapped[date | None]
    sex: Mapped[str | None] = mapped_column(String(16))
    acquired: Mapped[datetime | None]
    received: Mapped[datetime] = mapped_column(index=True)
    status: Mapped[StudyStatus] = mapped_column(String(16), default=StudyStatus.NEW, index=True)
    urgency: Mapped[float | None] = mapped_column(index=True)
    """The highest probability of its images; None until one is read."""
    purged: Mapped[datetime | None]
    """When all that says whose it is was taken away."""

    site: Mapped[Site] = relationship()
    images: Mapped[list["Image"]] = relationship(back_populates="study", order_by="Image.received")


class Image(Table):
    """One radiograph as it came; its bytes lie in the file store under their SHA-256."""

    __tablename__ = "image"
    __table_args__ = (Index("ix_image_job", "job_id", "id"),)

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    study_id: Mapped[str] = mapped_column(ForeignKey("study.id"), index=True)
    job_id: Mapped[str | None] = mapped_column(ForeignKey("job.id"))
    sha256: Mapped[str] = mapped_column(HASH, index=True)
    name: Mapped[str] = mapped_column(String(255))
    media_type: Mapped[str] = mapped_column(String(64))
    size: Mapped[int]
    sop_uid: Mapped[str | None] = mapped_column(String(64))
    received: Mapped[datetime]
    purged: Mapped[datetime | None]
    """When its file was taken away."""

    study: Mapped[Study] = relationship(back_populates="images")
    reading: Mapped["StoredReading | None"] = relationship(back_populates="image")


class Job(Table):
    """Images that were handed in together."""

    __tablename__ = "job"

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    created: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(ID)


class Task(Table):
    """An image that waits to be read; it goes in the transaction that stores its reading."""

    __tablename__ = "task"
    __table_args__ = (Index("ix_task_waiting", "attempts", "queued", "image_id"),)

    image_id: Mapped[str] = mapped_column(ForeignKey("image.id"), primary_key=True)
    queued: Mapped[datetime]
    available: Mapped[datetime]
    """From when on it may be taken: at once, after a lease has run out, or after a failure."""
    owner: Mapped[str | None] = mapped_column(String(64))
    """Who took it last: only that worker may store its reading."""
    attempts: Mapped[int] = mapped_column(default=0)

    image: Mapped[Image] = relationship()


class StoredReading(Table):
    """What the reader said of an image: exactly one for each."""

    __tablename__ = "reading"
    __table_args__ = (
        CheckConstraint("probability >= 0 AND probability <= 1", name="probability_is_one"),
    )

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    image_id: Mapped[str] = mapped_column(ForeignKey("image.id"), unique=True)
    created: Mapped[datetime] = mapped_column(index=True)
    bundle: Mapped[str] = mapped_column(String(200))
    status: Mapped[str] = mapped_column(String(16), index=True)
    operating_point: Mapped[str] = mapped_column(String(32))
    finding: Mapped[str | None] = mapped_column(String(16))
    probability: Mapped[float | None]
    findings: Mapped[dict[str, Any]]
    """By the name of the operating point."""
    reasons: Mapped[list[Any]]
    quality: Mapped[list[Any]]
    distance: Mapped[float | None]
    view: Mapped[str | None] = mapped_column(String(16))
    laterality: Mapped[str | None] = mapped_column(String(16))
    inputs: Mapped[dict[str, Any] | None]
    """What the image is like, by the name of the statistic; None if it failed, or was read by a
    version that did not measure it."""
    heatmap: Mapped[bytes | None]
    """As NumPy saves it; None if the image was not read, or was purged."""
    milliseconds: Mapped[float]

    image: Mapped[Image] = relationship(back_populates="reading")


class HandedIn(Table):
    """What was answered to a request with an idempotency key, so that its repeat gets the same."""

    __tablename__ = "handed_in"

    user_id: Mapped[str] = mapped_column(ID, primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    digest: Mapped[str] = mapped_column(HASH)
    """Of what was handed in: the same key with something else is a mistake."""
    job_id: Mapped[str] = mapped_column(ForeignKey("job.id"))
    created: Mapped[datetime] = mapped_column(index=True)


class User(Table):
    """A person, or another program, that may sign in."""

    __tablename__ = "user_account"

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    role: Mapped[str] = mapped_column(String(16))
    password_hash: Mapped[str | None] = mapped_column(String(255))
    """Of argon2; None of those who sign in elsewhere, or by token alone."""
    active: Mapped[bool] = mapped_column(default=True)
    failures: Mapped[int] = mapped_column(default=0)
    """Wrong passwords in a row."""
    locked_until: Mapped[datetime | None]
    created: Mapped[datetime]


class UserSession(Table):
    """A browser that is signed in; the token itself is in its cookie alone."""

    __tablename__ = "user_session"

    token_sha256: Mapped[str] = mapped_column(HASH, primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user_account.id"), index=True)
    csrf: Mapped[str] = mapped_column(String(64))
    created: Mapped[datetime]
    last_seen: Mapped[datetime]
    address: Mapped[str | None] = mapped_column(String(45))
    """From where it was opened; None of those that an older version opened."""
    agent: Mapped[str | None] = mapped_column(String(200))
    """What the browser calls itself."""


class SecondFactor(Table):
    """What a user's device makes its codes of; it counts once a code has proved that it does."""

    __tablename__ = "second_factor"

    user_id: Mapped[str] = mapped_column(ForeignKey("user_account.id"), primary_key=True)
    secret: Mapped[str] = mapped_column(String(255))
    """Sealed (`vault`): to compare codes it is needed as it is."""
    begun: Mapped[datetime]
    confirmed: Mapped[datetime | None]
    last_step: Mapped[int] = mapped_column(default=0)
    """Of the code that was taken last: neither it nor an older one is taken again."""


class RecoveryCode(Table):
    """A code for who has lost the device; it goes when it is used."""

    __tablename__ = "recovery_code"

    code_sha256: Mapped[str] = mapped_column(HASH, primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user_account.id"), index=True)


class SignOnTry(Table):
    """A browser that was sent to the single sign-on and has not come back."""

    __tablename__ = "sign_on_try"

    state_sha256: Mapped[str] = mapped_column(HASH, primary_key=True)
    browser_sha256: Mapped[str] = mapped_column(HASH)
    """Of what is in its cookie: nobody else's browser can end this try."""
    nonce: Mapped[str] = mapped_column(String(64))
    verifier: Mapped[str] = mapped_column(String(64))
    created: Mapped[datetime] = mapped_column(index=True)


class Identity(Table):
    """As whom the single sign-on knows a user: names may change there, these do not."""

    __tablename__ = "identity"

    issuer: Mapped[str] = mapped_column(String(255), primary_key=True)
    subject: Mapped[str] = mapped_column(String(255), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user_account.id"), unique=True)
    created: Mapped[datetime]


class ApiToken(Table):
    """A token with which a program signs in; the token itself is shown once and not kept."""

    __tablename__ = "api_token"

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    token_sha256: Mapped[str] = mapped_column(HASH, unique=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user_account.id"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    created: Mapped[datetime]
    expires: Mapped[datetime | None]
    revoked: Mapped[datetime | None]


class SetupLink(Table):
    """The one-time link with which the first administrator is made."""

    __tablename__ = "setup_link"

    token_sha256: Mapped[str] = mapped_column(HASH, primary_key=True)
    created: Mapped[datetime]
    used: Mapped[datetime | None]


class PasswordLink(Table):
    """A one-time link with which a user chooses a password; it goes when it is used."""

    __tablename__ = "password_link"

    token_sha256: Mapped[str] = mapped_column(HASH, primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user_account.id"), unique=True)
    created: Mapped[datetime]


class AuditEntry(Table):
    """Who did what, when, to what; each entry seals the one before it."""

    __tablename__ = "audit_entry"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    time: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(100))
    action: Mapped[str] = mapped_column(String(64), index=True)
    object: Mapped[str] = mapped_column(String(255), index=True)
    detail: Mapped[str] = mapped_column(Text)
    """JSON as it was sealed, letter for letter."""
    before: Mapped[str] = mapped_column(HASH)
    """Seal of the entry before it."""
    seal: Mapped[str] = mapped_column(HASH)


class AuditHead(Table):
    """The last entry of the audit trail: one row, locked by who adds to it."""

    __tablename__ = "audit_head"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int]
    seal: Mapped[str] = mapped_column(HASH)


class Judgement(Table):
    """What a person says of a reading; a changed mind is a further version, and none is lost."""

    __tablename__ = "judgement"
    __table_args__ = (UniqueConstraint("image_id", "user_id", "version"),)

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    image_id: Mapped[str] = mapped_column(ForeignKey("image.id"), index=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user_account.id"), index=True)
    version: Mapped[int]
    answer: Mapped[str] = mapped_column(String(16))
    truth: Mapped[str | None] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(String(32))
    text: Mapped[str | None] = mapped_column(Text)
    created: Mapped[datetime] = mapped_column(index=True)


class Alert(Table):
    """Something that somebody should look at: one row from its beginning to its end."""

    __tablename__ = "alert"
    __table_args__ = (Index("ix_alert_began", "began", "id"),)

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    rule: Mapped[str] = mapped_column(String(32))
    site_id: Mapped[str | None] = mapped_column(ForeignKey("site.id"))
    """None of what concerns the whole server."""
    subject: Mapped[str] = mapped_column(String(32))
    """The statistic it is about; empty where the rule says it all."""
    message: Mapped[str] = mapped_column(String(500))
    """What was found when it began."""
    began: Mapped[datetime]
    ended: Mapped[datetime | None] = mapped_column(index=True)
    acknowledged: Mapped[datetime | None]
    acknowledged_by: Mapped[str | None] = mapped_column(String(100))

    site: Mapped[Site | None] = relationship()
