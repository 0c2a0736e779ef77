"""Recognition of images that are already here, so that each is stored and read once."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, joinedload

from pneumoscope.clinic.queue.intake import StoredUpload, register_image
from pneumoscope.clinic.queue.patient_identity import PatientIdentity, contradictions
from pneumoscope.clinic.queue.study_state import is_superseded, refresh_study, withdraw_image
from pneumoscope.clinic.storage.database import lock
from pneumoscope.clinic.storage.tables import Image, Job, Site, Study
from pneumoscope.clinic.storage.unknown_age import UnknownAge
from pneumoscope.clinic.storage.withdrawal import Withdrawal
from pneumoscope.support.errors import ClinicError

_READ_AGAIN = {"age_unknown", "age_contradicted", "file_missing", "stopped_program"}
"""Codes of refusals after which the same file is to be sent again."""


class ImageRefusedError(ClinicError):
    """An image contradicts one that is already here."""

    def __init__(self, message: str, image_id: str) -> None:
        super().__init__(message)
        self.image_id = image_id
        """Identifier of the image that is here."""


def lock_instances(session: Session, site_id: str, uids: Iterable[str | None]) -> None:
    """Lock SOP instances until the transaction ends, so that none has two images.

    The transaction may hold locks of files and patients, but of no row yet.
    """
    for uid in sorted({uid for uid in uids if uid is not None}):  # in one order: no deadlocks
        lock(session, f"instance {site_id} {uid}")


class KnownImages:
    """Images of a site with the SOP Instance UIDs or the contents of some uploads."""

    def __init__(self, session: Session, site_id: str, uploads: Sequence[StoredUpload]) -> None:
        uids = {uid for upload in uploads if (uid := upload.metadata.sop_uid) is not None}
        lock_instances(session, site_id, uids)
        contents = {upload.sha256 for upload in uploads if upload.metadata.sop_uid is None}
        images = session.scalars(
            select(Image)
            .join(Study)
            .where(
                Study.site_id == site_id,
                Image.purged.is_(None),
                or_(
                    Image.sop_uid.in_(uids),
                    Image.sha256.in_(contents) & Image.sop_uid.is_(None),
                ),
            )
            .order_by(Image.received, Image.id)
            .options(joinedload(Image.study).joinedload(Study.site), joinedload(Image.reading))
        )
        self._by_key: dict[str, list[Image]] = {}
        for image in images:
            self._by_key.setdefault(image.sop_uid or image.sha256, []).append(image)
        self._in_request: dict[str, Image] = {}

    def find(self, upload: StoredUpload) -> Image | None:
        """Return the image that a file is; None if it is new.

        With a SOP Instance UID, that is the image of this UID. Otherwise it is the same content,
        sent in the same request or for the same patient, study and accession number.

        Raises
        ------
        ImageRefusedError
            If another content has the UID, or if the image was withdrawn.
        """
        uid = upload.metadata.sop_uid
        key = uid or upload.sha256
        if key in self._in_request:
            earlier: list[Image] = [self._in_request[key]]
        else:
            earlier = self._by_key.get(key, [])
            if uid is None:
                earlier = [image for image in earlier if _is_same_examination(image, upload)]
        present = [image for image in earlier if image.withdrawn is None]
        same = next((image for image in present if image.sha256 == upload.sha256), None)
        if same is not None:
            return same
        if present:
            raise ImageRefusedError(
                "another image with other content has its SOP Instance UID; if this file is the "
                "right one, have a reviewer withdraw that image on its study's page, and send this "
                "file again",
                present[0].id,
            )
        for image in earlier:
            if image.sha256 == upload.sha256 and not is_superseded(image):
                raise ImageRefusedError(
                    "this image was withdrawn by a reviewer, who can restore it on its study's "
                    "page",
                    image.id,
                )
        return None

    def add(self, upload: StoredUpload, image: Image) -> None:
        """Remember the image of a file for the further files of the request."""
        self._in_request[upload.metadata.sop_uid or upload.sha256] = image


def needs_new_reading(image: Image, upload: StoredUpload) -> bool:
    """Return whether a file that was sent again can have a finding that it did not have before."""
    reading = image.reading
    if reading is None or reading.refusal not in _READ_AGAIN:
        return False
    return (
        reading.refusal != "age_unknown"
        or upload.age.years is not None
        or image.study.site.unknown_age != UnknownAge.ASK
    )


def register_again(
    session: Session, image: Image, upload: StoredUpload, site: Site, job: Job, now: datetime
) -> Image:
    """Let a file that was sent again take the place of its image, to be read; return the new one.

    ImageRefusedError is raised if somebody withdrew, moved or corrected the image at this moment.
    """
    session.flush()
    study = session.get_one(Study, image.study_id, with_for_update=True, populate_existing=True)
    session.refresh(image)
    if image.withdrawn is not None or image.study_id != study.id:
        raise ImageRefusedError(
            "this image was corrected or withdrawn at this moment; send the file again", image.id
        )
    withdraw_image(session, image, Withdrawal.SENT_AGAIN, now)
    again = register_image(session, upload, site, job, now, study)
    refresh_study(session, study, now)
    return again


def _is_same_examination(image: Image, upload: StoredUpload) -> bool:
    """Return whether a file without a SOP Instance UID was sent for the patient of an image."""
    study, metadata = image.study, upload.metadata
    return (
        metadata.patient_id is not None
        and (study.patient_id, study.patient_id_issuer)
        == (metadata.patient_id, metadata.patient_id_issuer)
        and (study.study_uid or study.held_study_uid) == metadata.study_uid
        and study.accession == metadata.accession
        and not contradictions(PatientIdentity.of(study), metadata.patient)
    )
