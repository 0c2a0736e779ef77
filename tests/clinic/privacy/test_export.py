"""Exports of de-identified studies."""

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
from pneumoscope.clinic.storage.study_status import StudyStatus
from pneumoscope.clinic.storage.tables import (
    AuditEntry,
    Image,
    Site,
    StoredReading,
    Study,
)
from pneumoscope.clinic.worklist.judgements import (
    JudgementAnswer,
    JudgementContent,
    Truth,
    record_judgement,
)
from pneumoscope.dataset.build import open_dataset
from pneumoscope.support.errors import ClinicError

from .dicom_files import file_of, radiograph, read_file

START = datetime(2026, 11, 25, 8, tzinfo=UTC)


def dicom(patient: str, **attributes: object) -> bytes:
    dataset = radiograph()
    dataset.PatientID, dataset.PatientName = patient, f"{patient}^Name"
    dataset.StudyDate = "20261125"
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return file_of(dataset)


def add(
    database: Database, store: FileStore, patient: str | None, content: bytes, **options: object
) -> str:
    """Add a study of one image; ``minute`` is its arrival in minutes after the start."""
    minute = options.pop("minute", 0)
    status = options.pop("reading", "read")
    assert isinstance(minute, int)
    now = START + timedelta(minutes=minute)
    with database.writing() as session:
        site = session.scalars(select(Site)).first() or Site(name="Hospital")
        study = Study(
            site=site,
            patient_id=patient,
            patient_name=f"{patient}^Name",
            received=now,
            status=options.pop("status", StudyStatus.AWAITING_REVIEW),
        )
        media_type = "application/dicom" if content[128:132] == b"DICM" else "image/png"
        image = Image(
            study=study,
            sha256=store.put(io.BytesIO(content)),
            name=f"of {patient}",
            media_type=media_type,
            size=len(content),
            received=now,
        )
        if status is not None:
            image.reading = StoredReading(
                created=now,
                bundle="compact-2",
                status=status,
                operating_point="screening",
                finding="pneumonia suspected",
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


def export(
    database: Database,
    store: FileStore,
    options: ExportOptions | None = None,
    max_images: int | None = None,
) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    writer = files.__setitem__
    export_studies(database, store, options or ExportOptions(), "anna", writer, max_images)
    return files


def rows(files: dict[str, bytes], name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(files[name].decode())))


def test_exports_identify_nobody_and_are_consistent(
    database: Database, store: FileStore, phantoms: list[bytes]
) -> None:
    add(database, store, "SECRET-1", dicom("SECRET-1", StudyInstanceUID="1.2.3"))
    add(database, store, "SECRET-1", phantoms[0], minute=1)
    add(database, store, "SECRET-2", dicom("SECRET-2"), minute=2)
    add(database, store, None, phantoms[1], minute=3)
    add(database, store, None, phantoms[2], minute=4)
    files = export(database, store)
    all_bytes = b"\n".join([*(name.encode() for name in files), *files.values()])
    assert b"SECRET" not in all_bytes
    images = rows(files, "images.csv")
    assert [bool(row["file"]) for row in images] == [True] * 5
    assert {row["file"] for row in images} | {"images.csv", "labels.csv"} == set(files)
    patients = [row["patient"] for row in images]
    assert patients[0] == patients[1]
    assert len(set(patients)) == 4
    assert len({row["study"] for row in images}) == 5
    assert read_file(files[images[0]["file"]]).PatientID == patients[0]
    assert {row["probability"] for row in images} == {"0.75"}


def test_the_table_has_the_code_of_a_refusal_but_no_words_that_may_name_an_age(
    database: Database, store: FileStore, phantoms: list[bytes]
) -> None:
    add(database, store, "P-6", phantoms[0], reading="outside")
    with database.writing() as session:
        reading = session.scalars(select(StoredReading)).one()
        reading.finding = reading.probability = None
        reading.probability_outside, reading.refusal = 0.98, "age"
        reading.reasons = ["adult, 45 years"]
    files = export(database, store)
    (row,) = rows(files, "images.csv")
    assert (row["status"], row["refusal"], row["finding"]) == ("outside", "age", "")
    assert b"0.98" not in files["images.csv"]
    assert b"years" not in files["images.csv"]


def test_exports_share_no_pseudonyms_unless_linked(database: Database, store: FileStore) -> None:
    add(database, store, "P-1", dicom("P-1", StudyInstanceUID="1.2.3"))

    def names(options: ExportOptions) -> tuple[str, str, str]:
        files = export(database, store, options)
        (row,) = rows(files, "images.csv")
        dataset = read_file(files[row["file"]])
        return row["patient"], dataset.StudyInstanceUID, dataset.StudyDate

    first, second = (names(ExportOptions(shift_dates=True)) for _ in range(2))
    linked = ExportOptions(shift_dates=True, linked=True)
    assert not set(first[:2]) & set(second[:2])
    assert names(linked) == names(linked)
    assert names(ExportOptions())[2] == ""


def test_refused_images_are_listed_with_the_reason(
    database: Database, store: FileStore, phantoms: list[bytes]
) -> None:
    add(database, store, "P-1", dicom("P-1", BurnedInAnnotation="YES"))
    add(
        database,
        store,
        "P-2",
        phantoms[0],
        minute=1,
        reading=None,
        status=StudyStatus.AWAITING_REVIEW,
    )
    add(database, store, "P-3", dicom("P-3"), minute=2, reading="failed")
    lost = add(database, store, "P-4", phantoms[2], minute=3)
    add(database, store, "P-5", phantoms[3], minute=4, reading="rejected")
    add(database, store, "P-6", dicom("P-6")[:-9], minute=5)
    with database.reading() as session:
        store.path(session.get_one(Image, lost).sha256).unlink()
    files = export(database, store)
    images = rows(files, "images.csv")
    reasons = ["burned", "not read yet", "could not be read", "missing", "", "decoded"]
    assert len(images) == len(reasons)
    for row, reason in zip(images, reasons, strict=True):
        assert (reason in row["refused"], bool(row["file"])) == (True, reason == ""), row
    accepted = rows(export(database, store, ExportOptions(burned_in=True)), "images.csv")
    assert accepted[0]["file"]


def test_studies_are_selected_by_status_date_and_judgement(
    database: Database, store: FileStore, phantoms: list[bytes]
) -> None:
    image_ids = [
        add(database, store, f"P-{n}", phantoms[n], minute=n, status=status)
        for n, status in enumerate(
            [StudyStatus.AWAITING_REVIEW, StudyStatus.REVIEWED, StudyStatus.AWAITING_REVIEW]
        )
    ]
    with database.writing() as session:
        anna = create_user(session, "anna", Role.REVIEWER, None, START)
        record_judgement(
            session,
            anna,
            session.get_one(Image, image_ids[2]),
            JudgementContent(JudgementAnswer.UNCERTAIN),
            1,
            START,
        )

    def count(**options: object) -> int:
        return len(rows(export(database, store, ExportOptions(**options)), "images.csv"))

    assert count() == 3
    assert count(status=StudyStatus.REVIEWED) == 2  # the judged one is reviewed, too
    assert count(since=START + timedelta(minutes=1)) == 2
    assert count(until=START + timedelta(minutes=1)) == 1
    assert count(judged=True) == 1
    with pytest.raises(ClinicError, match="3 images"):
        export(database, store, max_images=2)


def test_exported_labels_open_as_a_dataset_grouped_by_patient(
    database: Database, store: FileStore, phantoms: list[bytes], tmp_path: Path
) -> None:
    truths = [Truth.NORMAL, Truth.PNEUMONIA] * 3
    with database.writing() as session:
        anna = create_user(session, "anna", Role.REVIEWER, None, START)
    for n, truth in enumerate(truths):
        image_id = add(database, store, f"P-{n // 2}", phantoms[n], minute=n)
        with database.writing() as session:
            content = JudgementContent(JudgementAnswer.UNCERTAIN, truth)
            record_judgement(session, anna, session.get_one(Image, image_id), content, 1, START)
    add(database, store, "P-8", dicom("P-8"), minute=8)  # not judged
    refused = add(database, store, "P-9", dicom("P-9", BurnedInAnnotation="YES"), minute=9)
    with database.writing() as session:
        record_judgement(
            session,
            anna,
            session.get_one(Image, refused),
            JudgementContent(JudgementAnswer.AGREE),
            1,
            START,
        )
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


def test_exports_are_in_the_audit_trail(database: Database, store: FileStore) -> None:
    add(database, store, "P-1", dicom("P-1"))
    add(database, store, "P-2", dicom("P-2", BurnedInAnnotation="YES"), minute=1)
    export(database, store)
    with database.reading() as session:
        (entry,) = session.scalars(select(AuditEntry))
        studies = session.scalars(select(Study.id)).all()
        assert verify_trail(session).broken_entry is None
    assert (entry.actor, entry.action) == ("anna", "export studies")
    assert all(study in entry.detail for study in studies)
    assert '"images":1' in entry.detail
    assert '"refused":1' in entry.detail
    assert "P-1" not in entry.detail
