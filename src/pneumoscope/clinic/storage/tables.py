"""Tables of the clinic's database."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Connection,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    event,
    select,
)
from sqlalchemy.orm import Mapped, Mapper, mapped_column, relationship

from pneumoscope.clinic.storage.search_text import fold_text
from pneumoscope.clinic.storage.study_day import study_day
from pneumoscope.clinic.storage.study_status import StudyStatus
from pneumoscope.clinic.storage.table_base import HASH, ID, Table, new_id
from pneumoscope.clinic.storage.time_zone import host_time_zone
from pneumoscope.clinic.storage.unknown_age import UnknownAge
from pneumoscope.clinic.storage.withdrawal import Withdrawal
from pneumoscope.report.estimate import Estimate
from pneumoscope.report.post_test_probability import (
    UNKNOWN_PREVALENCE,
    PostTestProbability,
    Prevalence,
    post_test_probability,
)


class Site(Table):
    """Site whose readings are shown or hidden together; hidden ones are in shadow mode."""

    __tablename__ = "site"

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    displayed: Mapped[bool] = mapped_column(default=False)
    opinion_first: Mapped[bool] = mapped_column(default=False)
    """Whether clinicians see a reading only after they have saved their own opinion."""
    unknown_age: Mapped[UnknownAge] = mapped_column(String(16), default=UnknownAge.ASK)
    time_zone: Mapped[str] = mapped_column(String(64), default=host_time_zone)
    """IANA name of the time zone of its DICOM times, where a file names none."""
    arrivals: Mapped[int] = mapped_column(default=0)
    """Number of changes of its worklist that everybody sees: new images, and reviews."""
    outcomes: Mapped[int] = mapped_column(default=0)
    """Number of changes that only those see who see its readings: new readings."""
    withheld_since: Mapped[datetime | None]
    """Time before which readings may have been shown to anybody, whatever is withheld now; None if
    it has withheld them from the first."""
    prevalence_low: Mapped[float | None]
    prevalence_high: Mapped[float | None]
    """Ends of the prevalence of pneumonia among its patients; None if unknown."""

    def show_readings(self, *, displayed: bool, opinion_first: bool, now: datetime) -> None:
        """Set to whom readings are shown; those that were displayed before may have been seen."""
        if self.displayed and (displayed, opinion_first) != (True, self.opinion_first):
            self.withheld_since = now
        self.displayed, self.opinion_first = displayed, opinion_first

    @property
    def prevalence(self) -> Prevalence:
        """Prevalence of pneumonia among its patients; a wide range if unknown."""
        if self.prevalence_low is None or self.prevalence_high is None:
            return UNKNOWN_PREVALENCE
        return Prevalence(self.prevalence_low, self.prevalence_high)


class Study(Table):
    """Examination of a patient."""

    __tablename__ = "study"
    __table_args__ = (UniqueConstraint("site_id", "study_uid"),)

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    site_id: Mapped[str] = mapped_column(ForeignKey("site.id"))
    study_uid: Mapped[str | None] = mapped_column(String(64))
    """Study Instance UID of DICOM; None for files without one, each its own study."""
    held_study_uid: Mapped[str | None] = mapped_column(String(64), index=True)
    """Study Instance UID that its files state, but that belongs to another patient's study."""
    accession: Mapped[str | None] = mapped_column(String(64))
    patient_id: Mapped[str | None] = mapped_column(String(64), index=True)
    patient_id_issuer: Mapped[str | None] = mapped_column(String(64))
    """Issuer of Patient ID (0010,0021): two hospitals may give one ID to two patients."""
    patient_name: Mapped[str | None] = mapped_column(String(255))
    birth_date: Mapped[date | None]
    sex: Mapped[str | None] = mapped_column(String(16))
    stated_age: Mapped[float | None]
    """Age in years at the study as file or sender state it; the birth date counts first."""
    age_corrected: Mapped[bool] = mapped_column(default=False)
    """Whether a person corrected the patient, whose age then counts instead of the files'."""
    conflict: Mapped[str | None] = mapped_column(String(255))
    """Why a person must check whose study it is, without patient data; None if nothing is
    contradictory. Until then it is held: nothing of it is attributed to any other patient."""
    study_date: Mapped[date | None]
    """Date of the study as its files state it, in no time zone."""
    examined: Mapped[date] = mapped_column(index=True)
    """Day of the examination by which studies are sorted and found: ``study_date``, or else the day
    of arrival by the calendar of the site (see `_keep_derived_columns`)."""
    acquired: Mapped[datetime | None]
    utc_offset: Mapped[int | None]
    """Minutes from UTC of the clock that ``acquired`` was read from."""
    received: Mapped[datetime] = mapped_column(index=True)
    status: Mapped[StudyStatus] = mapped_column(
        String(16), default=StudyStatus.AWAITING_REVIEW, index=True
    )
    needs_look: Mapped[bool] = mapped_column(default=False)
    """Whether an image could not be read and nobody has reviewed the study since."""
    urgency: Mapped[float | None] = mapped_column(index=True)
    """Highest probability of its images; None until one is read."""
    search_text: Mapped[str] = mapped_column(Text, default="")
    """Searched text: identifier, name and accession number, folded (see `fold_text`)."""
    purged: Mapped[datetime | None]
    """Time at which all identifying data were purged."""
    withdrawn: Mapped[datetime | None]
    """Time since which it has no images: the last was withdrawn or moved to another study."""
    version: Mapped[int] = mapped_column(default=1)
    """Grows with each change of its patient or its images, so that nobody corrects unseen ones."""

    site: Mapped[Site] = relationship()
    images: Mapped[list["Image"]] = relationship(
        back_populates="study",
        order_by="Image.received",
        primaryjoin="and_(Study.id == Image.study_id, Image.withdrawn.is_(None))",
    )
    """Images, except withdrawn ones, which belong in no list, report or export."""


@event.listens_for(Study, "before_insert")
@event.listens_for(Study, "before_update")
def _keep_derived_columns(_mapper: Mapper[Any], connection: Connection, study: Study) -> None:
    """Keep what a study is found by that of its columns, so that a purge empties it, too."""
    study.search_text = fold_text(study.patient_id, study.patient_name, study.accession)
    zone = "UTC"
    if study.study_date is None and study.acquired is None:
        zone = connection.execute(
            select(Site.time_zone).where(Site.id == study.site_id)
        ).scalar_one()
    study.examined = study_day(
        study.study_date, study.acquired, study.utc_offset, study.received, zone
    )


class Image(Table):
    """Radiograph as received; its bytes are in the file store under their SHA-256."""

    __tablename__ = "image"
    __table_args__ = (Index("ix_image_job", "job_id", "id"),)

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    study_id: Mapped[str] = mapped_column(ForeignKey("study.id"), index=True)
    job_id: Mapped[str | None] = mapped_column(ForeignKey("job.id"))
    sha256: Mapped[str] = mapped_column(HASH, index=True)
    name: Mapped[str] = mapped_column(String(255))
    media_type: Mapped[str] = mapped_column(String(64))
    size: Mapped[int]
    sop_uid: Mapped[str | None] = mapped_column(String(64), index=True)
    received: Mapped[datetime]
    purged: Mapped[datetime | None]
    """Time at which its file was purged."""
    withdrawn: Mapped[datetime | None]
    """Time at which it was taken out of its study; file, reading and judgements are kept."""
    withdrawal: Mapped[Withdrawal | None] = mapped_column(String(16))
    outdated: Mapped[bool] = mapped_column(default=False)
    """Whether the age was corrected while it was withdrawn, so that its reading does not count."""
    stated_age: Mapped[float | None]
    """Age in years at the time of the study, as the sender stated it with this file."""
    age_contradicted: Mapped[bool] = mapped_column(default=False)
    """Whether the stated birth date contradicts the file or the stated age."""

    study: Mapped[Study] = relationship(back_populates="images")
    reading: Mapped["StoredReading | None"] = relationship(back_populates="image")


class StudyLease(Table):
    """Study that a user has open; a note for others, which blocks nobody."""

    __tablename__ = "study_lease"

    study_id: Mapped[str] = mapped_column(ForeignKey("study.id"), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user_account.id"), primary_key=True)
    until: Mapped[datetime] = mapped_column(index=True)
    """Time at which it ends unless it is renewed."""


class Correction(Table):
    """Correction of a study's patient; purged with the study, which the audit trail is not."""

    __tablename__ = "correction"

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    study_id: Mapped[str] = mapped_column(ForeignKey("study.id"), index=True)
    source_id: Mapped[str] = mapped_column(ForeignKey("study.id"))
    """Study that the images were in before."""
    user_name: Mapped[str] = mapped_column(String(100))
    created: Mapped[datetime]
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any] | None]
    """Patient and identifiers of the study before and after; None once purged."""


class Job(Table):
    """Images that were uploaded together."""

    __tablename__ = "job"

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    created: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(ID)


class Task(Table):
    """Image waiting to be read; deleted in the transaction that stores its reading."""

    __tablename__ = "task"
    __table_args__ = (Index("ix_task_waiting", "attempts", "queued", "image_id"),)

    image_id: Mapped[str] = mapped_column(ForeignKey("image.id"), primary_key=True)
    queued: Mapped[datetime]
    available: Mapped[datetime]
    """Earliest time at which a worker may lease it: at once, or after a lease expired."""
    owner: Mapped[str | None] = mapped_column(String(64))
    """Worker that leased it last, the only one that may store its reading."""
    attempts: Mapped[int] = mapped_column(default=0)

    image: Mapped[Image] = relationship()


class StoredReading(Table):
    """Reading of an image; each image has one."""

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
    finding: Mapped[str | None] = mapped_column(String(32))
    probability: Mapped[float | None]
    probability_outside: Mapped[float | None]
    """Output of the network for an image that is outside; shown nowhere."""
    assumed_population: Mapped[str | None] = mapped_column(String(32))
    """Population that a patient of unknown age was assumed to belong to."""
    refusal: Mapped[str | None] = mapped_column(String(64))
    """Code of the first reason why the image was not read; None if it was."""
    findings: Mapped[dict[str, Any]]
    """Finding by name of the operating point."""
    low_confidence: Mapped[list[Any]] = mapped_column(default=list)
    """Names of the operating points in whose uncertain band the probability lies."""
    likelihood_ratio: Mapped[dict[str, Any] | None]
    """Likelihood ratio of the finding with its interval, as the bundle stated it."""
    reasons: Mapped[list[Any]]
    quality: Mapped[list[Any]]
    distance: Mapped[float | None]
    view: Mapped[str | None] = mapped_column(String(16))
    laterality: Mapped[str | None] = mapped_column(String(16))
    inputs: Mapped[dict[str, Any] | None]
    """Statistics of the image by name; None if reading failed, or in readings of old versions."""
    heatmap: Mapped[bytes | None]
    """Array in NumPy's format; None if the image was not read, or was purged."""
    milliseconds: Mapped[float]

    image: Mapped[Image] = relationship(back_populates="reading")

    def post_test(self, prevalence: Prevalence) -> PostTestProbability | None:
        """Return what the finding means at a prevalence; None without a likelihood ratio."""
        if self.likelihood_ratio is None:
            return None
        return post_test_probability(Estimate(**self.likelihood_ratio), prevalence)


class IdempotentRequest(Table):
    """Job of a request with an idempotency key, so that a repeated request gets the same answer."""

    __tablename__ = "handed_in"

    user_id: Mapped[str] = mapped_column(ID, primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    digest: Mapped[str] = mapped_column(HASH)
    """Digest of the uploaded files: the same key with other files is an error."""
    job_id: Mapped[str] = mapped_column(ForeignKey("job.id"))
    created: Mapped[datetime] = mapped_column(index=True)


class User(Table):
    """Account of a person or a service."""

    __tablename__ = "user_account"

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    role: Mapped[str] = mapped_column(String(16))
    password_hash: Mapped[str | None] = mapped_column(String(255))
    """Argon2 hash; None for users of the single sign-on and for services."""
    active: Mapped[bool] = mapped_column(default=True)
    failures: Mapped[int] = mapped_column(default=0)
    """Wrong passwords or codes in a row."""
    locked_until: Mapped[datetime | None]
    created: Mapped[datetime]


class UserSession(Table):
    """Session of a browser; the token itself is only in the browser's cookie."""

    __tablename__ = "user_session"

    token_sha256: Mapped[str] = mapped_column(HASH, primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user_account.id"), index=True)
    csrf: Mapped[str] = mapped_column(String(64))
    created: Mapped[datetime]
    last_seen: Mapped[datetime]
    address: Mapped[str | None] = mapped_column(String(45))
    """IP address that opened it; None in sessions of old versions."""
    agent: Mapped[str | None] = mapped_column(String(200))
    """User-Agent header of the browser."""


class SecondFactor(Table):
    """TOTP secret of a user's device; active once it is confirmed with a code."""

    __tablename__ = "second_factor"

    user_id: Mapped[str] = mapped_column(ForeignKey("user_account.id"), primary_key=True)
    secret: Mapped[str] = mapped_column(String(255))
    """Secret, sealed by `SecretBox`; verifying codes needs it in plain text."""
    begun: Mapped[datetime]
    confirmed: Mapped[datetime | None]
    last_step: Mapped[int] = mapped_column(default=0)
    """Time step of the last accepted code; this and older codes are not accepted again."""


class RecoveryCode(Table):
    """One-time code for a user who has lost the device; deleted when used."""

    __tablename__ = "recovery_code"

    code_sha256: Mapped[str] = mapped_column(HASH, primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user_account.id"), index=True)


class PendingLogin(Table):
    """Login attempt whose browser has not yet come back from the single sign-on."""

    __tablename__ = "sign_on_try"

    state_sha256: Mapped[str] = mapped_column(HASH, primary_key=True)
    browser_sha256: Mapped[str] = mapped_column(HASH)
    """Digest of the browser's cookie: no other browser can finish the attempt."""
    nonce: Mapped[str] = mapped_column(String(64))
    verifier: Mapped[str] = mapped_column(String(64))
    created: Mapped[datetime] = mapped_column(index=True)


class Identity(Table):
    """Identity of a user at the single sign-on: issuer and subject, which never change."""

    __tablename__ = "identity"

    issuer: Mapped[str] = mapped_column(String(255), primary_key=True)
    subject: Mapped[str] = mapped_column(String(255), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user_account.id"), unique=True)
    created: Mapped[datetime]


class ApiToken(Table):
    """API token of a program; the token itself is shown once and not stored."""

    __tablename__ = "api_token"

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    token_sha256: Mapped[str] = mapped_column(HASH, unique=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user_account.id"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    created: Mapped[datetime]
    expires: Mapped[datetime | None]
    revoked: Mapped[datetime | None]


class AuditEntry(Table):
    """Entry of the audit trail: who did what, when, to what; a link of the hash chain."""

    __tablename__ = "audit_entry"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    time: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(100))
    action: Mapped[str] = mapped_column(String(64), index=True)
    object: Mapped[str] = mapped_column(String(255), index=True)
    detail: Mapped[str] = mapped_column(Text)
    """JSON exactly as sealed."""
    before: Mapped[str] = mapped_column(HASH)
    """Seal of the previous entry."""
    seal: Mapped[str] = mapped_column(HASH)


class AuditHead(Table):
    """Number and seal of the last audit entry: a single row, locked by whoever appends."""

    __tablename__ = "audit_head"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int]
    seal: Mapped[str] = mapped_column(HASH)


class Judgement(Table):
    """Judgement of an image by a clinician: an answer to its reading, or an opinion without it.

    A change adds a version and keeps the old ones; so does an answer after an opinion.
    """

    __tablename__ = "judgement"
    __table_args__ = (UniqueConstraint("image_id", "user_id", "version"),)

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    image_id: Mapped[str] = mapped_column(ForeignKey("image.id"), index=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user_account.id"), index=True)
    version: Mapped[int]
    answer: Mapped[str | None] = mapped_column(String(16))
    """Answer to the reading; None if the reading was hidden."""
    opinion: Mapped[str | None] = mapped_column(String(16))
    """Opinion given while the reading was hidden; None if it was shown."""
    blind: Mapped[bool] = mapped_column(default=False)
    """Whether it is an opinion whose author had not been shown the reading before."""
    study_version: Mapped[int | None]
    """Version of the study that its author saw; None in judgements of old versions."""
    truth: Mapped[str | None] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(String(32))
    text: Mapped[str | None] = mapped_column(Text)
    created: Mapped[datetime] = mapped_column(index=True)
