import io
import zlib
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, generate_uid
from sqlalchemy import select

from pneumoscope.clinic.queue.intake import StoredUpload, ImageMetadata, Upload, register_image, store_upload
from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.file_store import FileStore
from pneumoscope.clinic.storage.tables import Image, Job, Site, Study
from pneumoscope.support.errors import StorageError, UnreadableRadiographError

NOW = datetime(2026, 11, 25, 8, tzinfo=UTC)


def dicom(syntax: str = ExplicitVRLittleEndian, **tags: object) -> bytes:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    meta.MediaStorageSOPInstanceUID = generate_uid()
    made = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    made.SOPClassUID = meta.MediaStorageSOPClassUID
    made.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    for tag, value in tags.items():
        setattr(made, tag, value)
    content = io.BytesIO()
    pydicom.dcmwrite(content, made, enforce_file_format=True)
    return content.getvalue()


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "files")


def kept(store: FileStore, content: bytes, name: str = "a", metadata: ImageMetadata | None = None) -> StoredUpload:
    return store_upload(store, Upload(name, io.BytesIO(content), metadata or ImageMetadata()))


def test_of_a_dicom_file_the_header_counts(store: FileStore) -> None:
    content = dicom(
        StudyInstanceUID="1.2.3",
        AccessionNumber=" A-7 ",
        PatientID="P-1",
        PatientName="Müller^Änne",
        SpecificCharacterSet="ISO_IR 192",
        PatientBirthDate="20200131",
        PatientSex="F",
        AcquisitionDateTime="20261124130501+0100",
    )
    found = kept(store, content, "x.dcm", ImageMetadata(patient_id="said by the sender")).metadata
    assert found.sop_uid is not None
    assert found == ImageMetadata(
        study_uid="1.2.3",
        sop_uid=found.sop_uid,
        accession="A-7",
        patient_id="P-1",
        patient_name="Müller^Änne",
        birth_date=date(2020, 1, 31),
        sex="F",
        acquired=datetime(2026, 11, 24, 13, 5, 1, tzinfo=timezone(timedelta(hours=1))),
    )


def test_a_date_and_a_time_without_a_zone_are_of_this_machine(store: FileStore) -> None:
    content = dicom(AcquisitionDate="20261124", AcquisitionTime="130501")
    acquired = kept(store, content).metadata.acquired
    assert acquired == datetime(2026, 11, 24, 13, 5, 1).astimezone()


@pytest.mark.parametrize(
    "tags",
    [
        {"PatientBirthDate": "yesterday"},
        {"AcquisitionDateTime": "noon"},
        {"AcquisitionDate": "20261124", "AcquisitionTime": "99"},
        {"PatientName": ""},
        {},
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value")
def test_what_a_header_says_badly_is_not_known(store: FileStore, tags: dict[str, str]) -> None:
    with pydicom.config.disable_value_validation():
        content = dicom(**tags)
    found = kept(store, content).metadata
    assert (found.birth_date, found.acquired, found.patient_name) == (None, None, None)


def test_letters_that_a_database_cannot_keep_are_left_out(
    store: FileStore, database: Database
) -> None:
    with pydicom.config.disable_value_validation():
        content = dicom(PatientID="P\x00-1\x00", PatientName="x" * 400)
    with database.writing() as session:
        site, job = Site(name="Ward"), Job(created=NOW, created_by="someone")
        session.add_all([site, job])
        session.flush()
        register_image(session, kept(store, content), site, job, NOW)
    with database.reading() as session:
        study = session.scalars(select(Study)).one()
        assert study.patient_id == "P-1"
        assert len(study.patient_name or "") <= 255


def test_images_of_one_study_uid_are_one_study_at_one_site(
    store: FileStore, database: Database
) -> None:
    one, same, other = (kept(store, dicom(StudyInstanceUID=uid)) for uid in ("1.1", "1.1", "1.2"))
    plain = kept(store, b"\x89PNG\r\n\x1a\n")
    with database.writing() as session:
        sites = [Site(name="Ward"), Site(name="Ambulance")]
        job = Job(created=NOW, created_by="someone")
        session.add_all([*sites, job])
        session.flush()
        for image in (one, same, other, plain, plain):
            register_image(session, image, sites[0], job, NOW)
        register_image(session, one, sites[1], job, NOW)
    with database.reading() as session:
        counts = sorted(len(study.images) for study in session.scalars(select(Study)))
        assert counts == [1, 1, 1, 1, 2]
        assert len(session.scalars(select(Image)).all()) == 6


@pytest.mark.parametrize("content", [b"", b"MZ\x90", b"<svg/>", b"%PDF-1.7", bytes(127) + b"DICM"])
def test_what_is_no_radiograph_is_refused_and_not_kept(store: FileStore, content: bytes) -> None:
    with pytest.raises(UnreadableRadiographError, match="send a DICOM, JPEG, PNG or TIFF"):
        kept(store, content)
    assert not store.folder.exists()


def test_a_dicom_file_that_is_a_bomb_is_refused_before_it_goes_off(store: FileStore) -> None:
    content = dicom(DeflatedExplicitVRLittleEndian)
    start = 144 + int.from_bytes(content[140:144], "little")
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = b"".join(packer.compress(bytes(2**24)) for _ in range(50)) + packer.flush()
    with pytest.raises(UnreadableRadiographError, match="far larger"):
        kept(store, content[:start] + bomb)
    assert not store.folder.exists()


def test_a_disk_that_is_full_leaves_nothing_behind(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pneumoscope.clinic.storage.file_store.os.fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        kept(store, b"\x89PNG\r\n\x1a\n")
    assert not [path for path in store.folder.rglob("*") if path.is_file()]
