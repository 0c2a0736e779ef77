import csv
import io
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from pneumoscope.clinic.audit import verify_trail
from pneumoscope.clinic.identity.accounts import Role, create_user
from pneumoscope.clinic.privacy.export import ExportOptions, export_studies, zip_writer
from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.file_store import FileStore
from pneumoscope.clinic.storage.tables import (
    AuditEntry,
    Image,
    Site,
    StoredReading,
    Study,
    StudyStatus,
)
from pneumoscope.clinic.worklist.judgements import Answer, JudgementContent, Truth, record_judgement
from pneumoscope.dataset.build import open_dataset
from pneumoscope.support.errors import ClinicError

from .made import as_file, opened, radiograph

START = datetime(2026, 11, 25, 8, tzinfo=UTC)


def dicom(patient: str, **more: object) -> bytes:
    made = radiograph()
    made.PatientID, made.PatientName, made.StudyDate = patient, f"{patient}^Name", "20261125"
    for keyword, value in more.items():
        setattr(made, keyword, value)
    return as_file(made)


def add(
    database: Database, store: FileStore, patient: str | None, content: bytes, **more: object
) -> str:
    """Enter a study of one image; its number is how many minutes after the start it came."""
    minute = more.pop("minute", 0)
    status = more.pop("reading", "read")
    assert isinstance(minute, int)
    now = START + timedelta(minutes=minute)
    with database.writing() as session:
        site = session.scalars(select(Site)).first() or Site(name="Ward")
        study = Study(
            site=site,
            patient_id=patient,
            patient_name=f"{patient}^Name",
            received=now,
            status=more.pop("status", StudyStatus.READ),
        )
        kind = "application/dicom" if content[128:132] == b"DICM" else "image/png"
        image = Image(
            study=study,
            sha256=store.put(io.BytesIO(content)),
            name=f"of {patient}",
            media_type=kind,
            size=len(content),
            received=now,
        )
        if status is not None:
            image.reading = StoredReading(
                created=now,
                bundle="compact-2",
                status=status,
                operating_point="screening",
                finding="pneumonia",
                probability=0.75,
                findings={},
                reasons=[],
                quality=[],
                milliseconds=1.0,
            )
        session.add(image)
        session.flush()
        return image.id


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "files")


def exported(
    database: Database, store: FileStore, wanted: ExportOptions | None = None, most: int | None = None
) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    export_studies(database, store, wanted or ExportOptions(), "anna", files.__setitem__, most)
    return files


def rows(files: dict[str, bytes], name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(files[name].decode())))


def test_what_is_exported_names_nobody_and_is_consistent(
    database: Database, store: FileStore, phantoms: list[bytes]
) -> None:
    add(database, store, "SECRET-1", dicom("SECRET-1", StudyInstanceUID="1.2.3"))
    add(database, store, "SECRET-1", phantoms[0], minute=1)
    add(database, store, "SECRET-2", dicom("SECRET-2"), minute=2)
    add(database, store, None, phantoms[1], minute=3)
    add(database, store, None, phantoms[2], minute=4)
    files = exported(database, store)
    everything = b"\n".join([*(name.encode() for name in files), *files.values()])
    assert b"SECRET" not in everything
    images = rows(files, "images.csv")
    assert [bool(row["file"]) for row in images] == [True] * 5
    assert {row["file"] for row in images} | {"images.csv", "labels.csv"} == set(files)
    patients = [row["patient"] for row in images]
    assert patients[0] == patients[1]
    assert len(set(patients)) == 4
    assert len({row["study"] for row in images}) == 5
    assert opened(files[images[0]["file"]]).PatientID == patients[0]
    assert {row["probability"] for row in images} == {"0.75"}


def test_exports_have_nothing_in_common_unless_it_is_asked_for(
    database: Database, store: FileStore
) -> None:
    add(database, store, "P-1", dicom("P-1", StudyInstanceUID="1.2.3"))

    def names(wanted: ExportOptions) -> tuple[str, str, str]:
        files = exported(database, store, wanted)
        (row,) = rows(files, "images.csv")
        made = opened(files[row["file"]])
        return row["patient"], made.StudyInstanceUID, made.StudyDate

    one, other = names(ExportOptions(shift_dates=True)), names(ExportOptions(shift_dates=True))
    linked = ExportOptions(shift_dates=True, linked=True)
    assert one[:2] != other[:2]
    assert not set(one[:2]) & set(other[:2])
    assert names(linked) == names(linked)
    assert names(ExportOptions())[2] == ""


def test_nothing_is_left_out_without_a_reason(
    database: Database, store: FileStore, phantoms: list[bytes]
) -> None:
    add(database, store, "P-1", dicom("P-1", BurnedInAnnotation="YES"))
    add(database, store, "P-2", phantoms[0], minute=1, reading=None, status=StudyStatus.NEW)
    add(database, store, "P-3", dicom("P-3"), minute=2, reading="failed")
    lost = add(database, store, "P-4", phantoms[2], minute=3)
    add(database, store, "P-5", phantoms[3], minute=4, reading="rejected")
    add(database, store, "P-6", dicom("P-6")[:-9], minute=5)
    with database.reading() as session:
        store.path(session.get_one(Image, lost).sha256).unlink()
    files = exported(database, store)
    images = rows(files, "images.csv")
    reasons = ["burned", "not read yet", "could not be read", "missing", "", "taken apart"]
    assert len(images) == len(reasons)
    for row, reason in zip(images, reasons, strict=True):
        assert (reason in row["refused"], bool(row["file"])) == (True, reason == ""), row
    again = rows(exported(database, store, ExportOptions(burned_in=True)), "images.csv")
    assert again[0]["file"]


def test_studies_are_chosen_by_status_day_and_judgement(
    database: Database, store: FileStore, phantoms: list[bytes]
) -> None:
    made = [
        add(database, store, f"P-{n}", phantoms[n], minute=n, status=status)
        for n, status in enumerate([StudyStatus.READ, StudyStatus.REVIEWED, StudyStatus.READ])
    ]
    with database.writing() as session:
        anna = create_user(session, "anna", Role.REVIEWER, None, START)
        record_judgement(session, anna, session.get_one(Image, made[2]), JudgementContent(Answer.UNCERTAIN), START)

    def count(**wanted: object) -> int:
        return len(rows(exported(database, store, ExportOptions(**wanted)), "images.csv"))

    assert count() == 3
    assert count(status=StudyStatus.REVIEWED) == 2  # judging the last one made it so
    assert count(since=START + timedelta(minutes=1)) == 2
    assert count(until=START + timedelta(minutes=1)) == 1
    assert count(judged=True) == 1
    with pytest.raises(ClinicError, match="3 images"):
        exported(database, store, most=2)


def test_labels_become_a_dataset_whose_patients_are_kept_together(
    database: Database, store: FileStore, phantoms: list[bytes], tmp_path: Path
) -> None:
    truths = [Truth.NORMAL, Truth.PNEUMONIA] * 3
    with database.writing() as session:
        anna = create_user(session, "anna", Role.REVIEWER, None, START)
    for n, truth in enumerate(truths):
        image_id = add(database, store, f"P-{n // 2}", phantoms[n], minute=n)
        with database.writing() as session:
            opinion = JudgementContent(Answer.UNCERTAIN, truth)
            record_judgement(session, anna, session.get_one(Image, image_id), opinion, START)
    add(database, store, "P-8", dicom("P-8"), minute=8)  # which nobody judged
    refused = add(database, store, "P-9", dicom("P-9", BurnedInAnnotation="YES"), minute=9)
    with database.writing() as session:
        record_judgement(session, anna, session.get_one(Image, refused), JudgementContent(Answer.AGREE), START)
    with (tmp_path / "export.zip").open("wb") as file:
        archive, write = zip_writer(file)
        with archive:
            export_studies(database, store, ExportOptions(), "anna", write)
    with zipfile.ZipFile(tmp_path / "export.zip") as archive:
        assert {member.date_time[0] for member in archive.infolist()} == {1980}
        archive.extractall(tmp_path / "export")
    manifest = open_dataset(tmp_path / "export/labels.csv")
    assert sorted(entry.label.name for entry in manifest.entries) == sorted(truths)
    assert len({entry.group for entry in manifest.entries}) == 3


def test_the_trail_says_what_was_exported(database: Database, store: FileStore) -> None:
    add(database, store, "P-1", dicom("P-1"))
    add(database, store, "P-2", dicom("P-2", BurnedInAnnotation="YES"), minute=1)
    exported(database, store)
    with database.reading() as session:
        (entry,) = session.scalars(select(AuditEntry))
        studies = session.scalars(select(Study.id)).all()
        assert verify_trail(session).broken is None
    assert (entry.actor, entry.action) == ("anna", "export studies")
    assert all(study in entry.detail for study in studies)
    assert '"images":1' in entry.detail
    assert '"refused":1' in entry.detail
    assert "P-1" not in entry.detail
