"""Readings by the patient's age: by the file, by the sender, and by the site's setting."""

import io
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from pneumoscope.clinic.queue.intake import ImageMetadata, register_image, store_upload
from pneumoscope.clinic.queue.worker import Worker
from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.file_store import FileStore
from pneumoscope.clinic.storage.tables import Job, Site, StoredReading
from pneumoscope.clinic.storage.unknown_age import UnknownAge
from pneumoscope.reader import Reader, open_reader

from ..conftest import Readers
from ..populations import CHILDREN, automatic_readers, dicom_of, reader_for, years_before


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "files")


def outcome(
    database: Database,
    store: FileStore,
    readers: Readers,
    content: bytes,
    setting: UnknownAge = UnknownAge.ASK,
    **stated: object,
) -> StoredReading:
    """Return the reading of one image, sent to a site with a setting, with metadata."""
    now = datetime.now(UTC)
    upload = store_upload(store, "a", io.BytesIO(content), ImageMetadata(**stated), UTC)
    with database.writing() as session:
        site = Site(name=str(setting), unknown_age=setting)
        job = Job(created=now, created_by="someone")
        session.add_all([site, job])
        session.flush()
        register_image(session, upload, site, job, now)
    assert Worker(database, store, readers, "screening", "a").step() == 1
    with database.reading() as session:
        return session.scalars(select(StoredReading)).one()


@pytest.fixture(scope="module")
def by_age(reader: Reader) -> Readers:
    return automatic_readers(reader, open_reader("adults", threads=1))


@pytest.mark.parametrize(
    ("setting", "reader_name", "status", "assumed"),
    [
        (UnknownAge.ASK, "children", "outside", None),
        (UnknownAge.CHILDREN, "children", "read", "children"),
        (UnknownAge.ADULTS, "adults", "read", "adults"),
    ],
)
def test_the_site_says_who_reads_patients_of_unknown_age(
    database: Database,
    store: FileStore,
    by_age: Readers,
    phantoms: list[bytes],
    setting: UnknownAge,
    reader_name: str,
    status: str,
    assumed: str | None,
) -> None:
    stored = outcome(database, store, by_age, phantoms[0], setting)
    assert stored.bundle.startswith(reader_name)
    assert (stored.status == "outside") == (status == "outside")
    assert (stored.probability is None) == (status == "outside")
    assert stored.assumed_population == assumed
    if status == "outside":
        assert stored.refusal == "age_unknown"
        assert "state the age or the birth date" in stored.reasons[0]
        assert (stored.finding, stored.findings, stored.heatmap) == (None, {}, None)
        assert 0 <= (stored.probability_outside or -1) <= 1


TODAY = datetime.now().date()


@pytest.mark.parametrize(
    ("in_file", "stated", "reader_name", "refusal"),
    [
        ({}, {"age": 3.0}, "children", None),
        ({}, {"birth_date": years_before(TODAY, 45)}, "adults", None),
        ({"PatientAge": "003Y"}, {}, "children", None),
        ({"PatientAge": "045Y"}, {"age": 45.0}, "adults", None),
        ({"PatientAge": "045Y"}, {"age": 3.0}, "adults", "age_contradicted"),
        (
            {"PatientBirthDate": "20230101"},
            {"birth_date": date(2023, 1, 2)},
            None,
            "age_contradicted",
        ),
        ({"PatientAge": "009Y"}, {}, "children", "age"),  # between the populations
    ],
)
def test_a_stated_age_counts_where_the_file_has_none_and_contradictions_are_outside(
    database: Database,
    store: FileStore,
    by_age: Readers,
    phantoms: list[bytes],
    in_file: dict[str, str],
    stated: dict[str, object],
    reader_name: str | None,
    refusal: str | None,
) -> None:
    content = dicom_of(phantoms[0], **in_file)
    stored = outcome(database, store, by_age, content, **stated)
    assert reader_name is None or stored.bundle.startswith(reader_name)
    assert stored.refusal == refusal
    assert (stored.probability is None) == (refusal is not None)
    assert stored.assumed_population is None


def test_one_bundle_reads_whatever_the_site_says_but_no_other_population(
    database: Database, store: FileStore, reader: Reader, phantoms: list[bytes]
) -> None:
    children = dict.fromkeys(UnknownAge, reader_for(reader, CHILDREN))
    stored = outcome(database, store, children, dicom_of(phantoms[0], PatientAge="045Y"))
    assert stored.reasons == ["adult, 45 years; the children's network does not apply"]
    assert (stored.status, stored.probability) == ("outside", None)


def test_a_birth_date_in_the_header_precedes_the_stated_one(
    store: FileStore, phantoms: list[bytes]
) -> None:
    stated = ImageMetadata(birth_date=date(2020, 2, 3))
    for in_file, kept in (("20190130", date(2019, 1, 30)), ("", date(2020, 2, 3))):
        content = dicom_of(phantoms[0], PatientBirthDate=in_file)
        upload = store_upload(store, "a", io.BytesIO(content), stated, UTC)
        assert upload.metadata.birth_date == kept
