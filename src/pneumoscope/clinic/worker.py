"""A worker: takes images off the queue, reads them and stores what the reader says, each once."""

import io
import logging
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import BinaryIO

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from pneumoscope.clinic.changes import came_out
from pneumoscope.clinic.database import Database
from pneumoscope.clinic.holding import hold
from pneumoscope.clinic.queue import MOST_ATTEMPTS, Lease, finish, give_back, take, waits
from pneumoscope.clinic.store import FileStore
from pneumoscope.clinic.tables import Image, StoredReading, Study, StudyStatus, Task
from pneumoscope.errors import StorageError
from pneumoscope.reader import Reader, Reading, Status
from pneumoscope.reader.reader import BATCH

log = logging.getLogger(__name__)


class Worker:
    """Reads what waits.

    Parameters
    ----------
    database, store
        The clinic's.
    reader
        To read with.
    operating_point
        At which a finding is made.
    name
        Unlike that of any other worker.
    """

    def __init__(
        self, database: Database, store: FileStore, reader: Reader, operating_point: str, name: str
    ) -> None:
        self._database = database
        self._store = store
        self._reader = reader
        self._point = operating_point
        self._name = name

    def step(self) -> int:
        """Take some images, read them and store the readings; return how many that were.

        A process that is killed at any moment has stored the reading of an image or not; if not,
        another takes the image when the lease has run out.
        """
        with self._database.reading() as session:  # which hinders no writer
            if not waits(session, datetime.now(UTC)):
                return 0
        with self._database.writing() as session:
            leases = take(session, self._name, BATCH, datetime.now(UTC))
        for number, lease in enumerate(leases, start=1):
            try:
                self._keep(lease.image_id, self._read(lease))
            except BaseException:
                # Not this one: what stops the program must not do so for ever.
                self._give_back(leases[number:])
                raise
        return len(leases)

    def _read(self, lease: Lease) -> Reading:
        if lease.attempts > MOST_ATTEMPTS:
            return self._failed(f"reading it stopped the program {MOST_ATTEMPTS} times")
        with self._database.reading() as session:
            sha256 = session.scalars(select(Image.sha256).where(Image.id == lease.image_id)).one()
        try:
            content = self._store.read(sha256)
        except StorageError as error:
            log.error("%s", error)
            return self._failed("its file is missing or damaged here; send it again")
        return self._reader.read(content)

    def _failed(self, reason: str) -> Reading:
        return Reading(Status.FAILED, self._reader.bundle.identity, (reason,))

    def _keep(self, image_id: str, reading: Reading) -> None:
        files: dict[str, BinaryIO] = {}
        if reading.heatmap is not None:
            content = io.BytesIO()
            np.save(content, reading.heatmap)
            content.seek(0)
            files = {self._store.put(content): content}
        now = datetime.now(UTC)
        with self._database.writing() as session:
            hold(session, self._store, files)
            heatmap = next(iter(files), None)
            if finish(session, image_id, self._name):
                session.add(_stored(image_id, reading, self._point, heatmap, now))
                _update_study(session, image_id, reading)

    def _give_back(self, leases: Sequence[Lease]) -> None:
        with self._database.writing() as session:
            give_back(session, [one.image_id for one in leases], self._name, datetime.now(UTC))


def _stored(
    image_id: str, reading: Reading, point: str, heatmap: str | None, now: datetime
) -> StoredReading:
    return StoredReading(
        image_id=image_id,
        created=now,
        bundle=reading.bundle,
        status=str(reading.status),
        operating_point=point,
        finding=str(reading.findings[point]) if reading.findings else None,
        probability=reading.probability,
        findings={name: str(finding) for name, finding in reading.findings.items()},
        reasons=list(reading.reasons),
        quality=[
            {"code": str(one.code), "severity": str(one.severity), "message": one.message}
            for one in reading.quality
        ],
        distance=reading.distance,
        view=reading.view,
        laterality=reading.laterality,
        inputs=None if reading.inputs is None else asdict(reading.inputs),
        heatmap_sha256=heatmap,
        milliseconds=reading.milliseconds,
    )


def _update_study(session: Session, image_id: str, reading: Reading) -> None:
    """Raise the study's urgency, and call it read once none of its images waits."""
    # Locked: of two workers that end its last two images at once, one must see the other's.
    study = session.scalars(
        select(Study).join(Image).where(Image.id == image_id).with_for_update(of=Study)
    ).one()
    if reading.probability is not None:
        study.urgency = max(study.urgency or 0.0, reading.probability)
    waiting = session.scalar(
        select(Task.image_id).join(Image).where(Image.study_id == study.id).limit(1)
    )
    if waiting is None and study.status == StudyStatus.NEW:
        study.status = StudyStatus.READ
    came_out(session, study.site_id)
