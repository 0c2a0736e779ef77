"""Uploaded files: media type, metadata, storage and studies."""

import io
import re
import zlib
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, generate_uid
from sqlalchemy import select, update

from pneumoscope.clinic.queue.filing import file_under_study
from pneumoscope.clinic.queue.header import ImageMetadata
from pneumoscope.clinic.queue.intake import StoredUpload, register_image, store_upload
from pneumoscope.clinic.queue.stated_age import StatedAge
from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.file_store import FileStore
from pneumoscope.clinic.storage.tables import Image, Job, Site, Study
from pneumoscope.support.errors import (
    NotAnImageError,
    StorageError,
    UnreadableRadiographError,
)

NOW = datetime(2026, 11, 25, 8, tzinfo=UTC)


def dicom(syntax: str = ExplicitVRLittleEndian, **attributes: object) -> bytes:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    content = io.BytesIO()
    pydicom.dcmwrite(content, dataset, enforce_file_format=True)
    return content.getvalue()


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "files")


BERLIN = ZoneInfo("Europe/Berlin")
"""Time zone of the site."""


def stored(
    store: FileStore, content: bytes, name: str = "a", metadata: ImageMetadata | None = None
) -> StoredUpload:
    return store_upload(store, name, io.BytesIO(content), metadata or ImageMetadata(), BERLIN)


def test_metadata_of_dicom_files_come_from_the_header(store: FileStore) -> None:
    content = dicom(
        StudyInstanceUID="1.2.3",
        AccessionNumber=" A-7 ",
        PatientID="P-1",
        IssuerOfPatientID="HOSPITAL-A",
        PatientName="Müller^Änne",
        SpecificCharacterSet="ISO_IR 192",
        PatientBirthDate="20200131",
        PatientSex="F",
        AcquisitionDateTime="20261124130501+0100",
    )
    given = ImageMetadata(patient_id="given by the sender")
    metadata = stored(store, content, "x.dcm", given).metadata
    assert metadata.sop_uid is not None
    assert metadata == ImageMetadata(
        study_uid="1.2.3",
        sop_uid=metadata.sop_uid,
        accession="A-7",
        patient_id="P-1",
        patient_id_issuer="HOSPITAL-A",
        patient_name="Müller^Änne",
        birth_date=date(2020, 1, 31),
        sex="F",
        age=metadata.age,
        study_date=date(2026, 11, 24),
        acquired=datetime(2026, 11, 24, 13, 5, 1, tzinfo=timezone(timedelta(hours=1))),
    )


@pytest.mark.parametrize(
    ("attributes", "time"),
    # Berlin is at +01:00 in winter and +02:00 in summer (tz database).
    [
        ({"AcquisitionDate": "20261124", "AcquisitionTime": "233001"}, "2026-11-24T23:30:01+01:00"),
        ({"StudyDate": "20260724", "StudyTime": "003000"}, "2026-07-24T00:30:00+02:00"),
        ({"AcquisitionDateTime": "20261124130501.25"}, "2026-11-24T13:05:01.250000+01:00"),
        ({"AcquisitionDateTime": "20261124130501-0500"}, "2026-11-24T13:05:01-05:00"),
        (
            {"AcquisitionDateTime": "20261124130501", "TimezoneOffsetFromUTC": "+0530"},
            "2026-11-24T13:05:01+05:30",
        ),
        (
            {"StudyDate": "20261124", "StudyTime": "12", "TimezoneOffsetFromUTC": "-0930"},
            "2026-11-24T12:00:00-09:30",
        ),
        (  # the time of acquisition counts before that of the study
            {"StudyDate": "20261124", "StudyTime": "11", "AcquisitionDateTime": "2026112412"},
            "2026-11-24T12:00:00+01:00",
        ),
        ({"StudyDate": "20261124", "AcquisitionDateTime": "20261124"}, None),  # no hour
        ({"StudyDate": "20261124", "StudyTime": ""}, None),
    ],
)
def test_times_are_in_the_zone_of_the_file_or_else_of_the_site(
    store: FileStore, attributes: dict[str, str], time: str | None
) -> None:
    metadata = stored(store, dicom(**attributes)).metadata
    acquired = metadata.acquired
    assert (acquired and acquired.isoformat()) == time
    assert str(metadata.study_date) == (time or "2026-11-24")[:10]


@pytest.mark.parametrize(
    "attributes",
    [
        {"PatientBirthDate": "yesterday"},
        {"AcquisitionDateTime": "noon"},
        {"AcquisitionDate": "20261124", "AcquisitionTime": "99"},
        {"PatientName": ""},
        {},
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value")
def test_malformed_header_values_are_ignored(store: FileStore, attributes: dict[str, str]) -> None:
    with pydicom.config.disable_value_validation():
        content = dicom(**attributes)
    metadata = stored(store, content).metadata
    assert (metadata.birth_date, metadata.acquired) == (None, None)
    assert metadata.patient_name is None


def test_characters_that_cannot_be_stored_are_left_out(
    store: FileStore, database: Database
) -> None:
    with pydicom.config.disable_value_validation():
        content = dicom(PatientID="P\x00-1\x00", PatientName="x" * 400)
    with database.writing() as session:
        site, job = Site(name="Hospital"), Job(created=NOW, created_by="someone")
        session.add_all([site, job])
        session.flush()
        register_image(session, stored(store, content), site, job, NOW)
    with database.reading() as session:
        study = session.scalars(select(Study)).one()
        assert study.patient_id == "P-1"
        assert len(study.patient_name or "") <= 255


def test_images_with_one_study_uid_form_one_study_per_site(
    store: FileStore, database: Database
) -> None:
    first, same_study, other_study = (
        stored(store, dicom(StudyInstanceUID=uid)) for uid in ("1.1", "1.1", "1.2")
    )
    png = stored(store, b"\x89PNG\r\n\x1a\n")
    with database.writing() as session:
        sites = [Site(name="Hospital"), Site(name="Ambulance")]
        job = Job(created=NOW, created_by="someone")
        session.add_all([*sites, job])
        session.flush()
        for upload in (first, same_study, other_study, png, png):
            register_image(session, upload, sites[0], job, NOW)
        register_image(session, first, sites[1], job, NOW)
    with database.reading() as session:
        counts = sorted(len(study.images) for study in session.scalars(select(Study)))
        assert counts == [1, 1, 1, 1, 2]
        assert len(session.scalars(select(Image)).all()) == 6


def test_a_study_that_changed_before_it_was_locked_is_seen_as_it_stands(database: Database) -> None:
    """Its row is changed past the session, as by a correction that commits first."""
    metadata = ImageMetadata(study_uid="1.2.3", patient_id="K001", patient_name="Kim^Tiny")
    now = datetime(2026, 11, 24, tzinfo=UTC)
    with database.writing() as session:
        site = Site(name="Ward")
        study = file_under_study(session, metadata, site, now)
        session.add(study)
        session.flush()
        change = update(Study).values(patient_id="K999", patient_name="Lee^Bo", version=7)
        session.execute(change, execution_options={"synchronize_session": False})
        other = file_under_study(session, metadata, site, now)
        assert other is not study
        assert (study.patient_id, study.version) == ("K999", 7)
        assert other.conflict is not None
        session.add(other)


def test_a_dicom_file_without_a_preamble_is_accepted(store: FileStore) -> None:
    """Some programs write the part after the preamble alone."""
    upload = stored(store, dicom(PatientID="P-9")[128:])
    assert (upload.media_type, upload.metadata.patient_id) == ("application/dicom", "P-9")


@pytest.mark.parametrize("content", [b"", b"MZ\x90", b"<svg/>", b"%PDF-1.7", bytes(127) + b"DICM"])
def test_files_of_other_types_are_refused_and_not_stored(store: FileStore, content: bytes) -> None:
    with pytest.raises(UnreadableRadiographError, match="send a DICOM, JPEG, PNG or TIFF"):
        stored(store, content)
    assert not store.folder.exists()


@pytest.mark.parametrize(
    "sop_class",
    [
        "1.2.840.10008.1.3.10",  # DICOMDIR
        "1.2.840.10008.5.1.4.1.1.88.11",  # Basic Text SR
        "1.2.840.10008.5.1.4.1.1.88.59",  # Key Object Selection
        "1.2.840.10008.5.1.4.1.1.104.1",  # Encapsulated PDF
        "1.2.840.10008.5.1.4.1.1.11.1",  # Grayscale Softcopy Presentation State
    ],
)
def test_dicom_objects_that_are_no_images_are_refused_and_not_stored(
    store: FileStore, sop_class: str
) -> None:
    with pytest.raises(NotAnImageError, match=re.escape(UID(sop_class).name)):
        stored(store, dicom(SOPClassUID=sop_class))
    assert not store.folder.exists()


@pytest.mark.parametrize("keyword", ["StudyDate", "SeriesDate", "ContentDate", "AcquisitionDate"])
def test_the_stated_birth_date_counts_on_the_day_that_the_file_names(
    store: FileStore, keyword: str
) -> None:
    content = dicom(**{keyword: "20100630"})
    upload = stored(store, content, metadata=ImageMetadata(birth_date=date(2006, 6, 30)))
    assert upload.age == StatedAge(4.0)


def test_a_decompression_bomb_in_dicom_is_refused(store: FileStore) -> None:
    content = dicom(DeflatedExplicitVRLittleEndian)
    start = 144 + int.from_bytes(content[140:144], "little")
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = b"".join(compressor.compress(bytes(2**24)) for _ in range(50)) + compressor.flush()
    with pytest.raises(UnreadableRadiographError, match="far larger"):
        stored(store, content[:start] + bomb)
    assert not store.folder.exists()


def test_a_full_disk_leaves_no_partial_file(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pneumoscope.clinic.storage.file_store.os.fsync", fail)
    with pytest.raises(StorageError, match="No space left"):
        stored(store, b"\x89PNG\r\n\x1a\n")
    assert not [path for path in store.folder.rglob("*") if path.is_file()]
