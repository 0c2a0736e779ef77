"""An adult's radiograph in a real browser, at a clinic whose network is for children."""

import io
from contextlib import closing
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from pneumoscope.clinic.api.app import create_app
from pneumoscope.clinic.queue.intake import ImageMetadata, register_image, store_upload
from pneumoscope.clinic.queue.worker import Worker
from pneumoscope.clinic.settings import Clinic, Settings
from pneumoscope.clinic.storage.tables import Image, Job, Site, StoredReading, Study
from pneumoscope.clinic.storage.unknown_age import UnknownAge
from pneumoscope.reader import Reader
from pneumoscope.reader.reading import format_probability

from ..populations import CHILDREN, dicom_of, reader_for
from ..serving import served
from .conftest import CLINICIAN, Drive

REASON = "adult, 45 years; the children's network does not apply"


@pytest.fixture
def children_clinic(clinic: Clinic, reader: Reader, phantoms: list[bytes]) -> Clinic:
    """Return the filled clinic with an adult's radiograph, read with a bundle for children."""
    attributes = {"PatientAge": "045Y", "PatientID": "PH-2045", "PatientName": "Phantom^Emil"}
    content = io.BytesIO(dicom_of(phantoms[0], **attributes))
    upload = store_upload(clinic.store, "adult.dcm", content, ImageMetadata(), UTC)
    with clinic.database.writing() as session:
        site = session.scalars(select(Site)).one()
        site.displayed = True
        job = Job(created=datetime.now(UTC), created_by="someone")
        session.add(job)
        session.flush()
        register_image(session, upload, site, job, job.created)
    children = dict.fromkeys(UnknownAge, reader_for(reader, CHILDREN))
    assert Worker(clinic.database, clinic.store, children, "screening", "a").step() == 1
    return clinic


def test_an_adult_gets_a_reason_and_no_probability_anywhere(
    children_clinic: Clinic, drive: Drive
) -> None:
    settings = Settings(children_clinic.settings.data, bundle="default")
    with closing(Clinic.open(settings)) as clinic, served(create_app(clinic)) as port:
        results = drive(
            "outside",
            f"http://127.0.0.1:{port}",
            ["outside-worklist", "outside"],
            clinician=CLINICIAN,
            patient="PH-2045",
            reason=REASON,
            unread=2,
        )
    with children_clinic.database.reading() as session:
        reading = session.scalars(
            select(StoredReading).join(Image).join(Study).where(Study.patient_id == "PH-2045")
        ).one()
    output = reading.probability_outside
    assert output is not None
    assert len(results["contents"]) > 3
    for content in results["contents"]:
        assert REASON.split(";")[0] in content or "PH-2045" not in content
        for text in (f"{output:.4f}", format_probability(output), "probability_outside"):
            assert text not in content, text
