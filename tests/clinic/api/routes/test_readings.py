import io
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image as Picture
from sqlalchemy import func, select

from pneumoscope.clinic.identity.accounts import Role
from pneumoscope.clinic.settings import Clinic
from pneumoscope.clinic.storage.tables import Image, Site
from pneumoscope.reader import Reader

from ...conftest import on_both_databases

As = Callable[[Role], TestClient]


def files(*contents: bytes) -> list[tuple[str, tuple[str, bytes, str]]]:
    return [("files", (f"{i}.png", content, "image/png")) for i, content in enumerate(contents)]


def blank_image() -> bytes:
    """Return an image that is rejected."""
    content = io.BytesIO()
    Picture.new("L", (512, 512), 90).save(content, "PNG")
    return content.getvalue()


def test_a_radiograph_is_submitted_read_and_shown(
    as_: As, phantoms: list[bytes], reader: Reader, read_all: Callable[[], int]
) -> None:
    service = as_(Role.SERVICE)
    about = json.dumps({"patient_id": "P-1", "accession": "A-7"})
    answer = service.post("/v1/readings", files=files(phantoms[0]), data={"about": about})
    assert answer.status_code == 202
    submission = answer.json()
    (image,) = submission["images"]
    assert (image["state"], image["reading"], submission["refused"]) == ("waiting", None, [])
    assert service.get(f"/v1/jobs/{submission['job']}").json()["waiting"] == 1

    assert read_all() == 1
    shown = service.get(f"/v1/readings/{image['id']}").json()
    expected = reader.read(phantoms[0])
    assert shown["state"] == "done"
    assert shown["reading"]["probability"] == expected.probability
    assert shown["reading"]["finding"] == expected.findings["screening"]
    assert shown["reading"]["reasons"] == list(expected.reasons)
    job = service.get(f"/v1/jobs/{submission['job']}").json()
    assert (job["images"], job["waiting"], job["by_status"]) == (1, 0, {expected.status: 1})

    study = service.get(f"/v1/studies/{image['study']}").json()
    assert (study["patient"]["id"], study["accession"]) == ("P-1", "A-7")
    assert study["probability"] == expected.probability
    assert service.get(f"/v1/images/{image['id']}/file").content == phantoms[0]
    tiff = service.get(f"/v1/images/{image['id']}/heatmap").content
    np.testing.assert_array_equal(np.asarray(Picture.open(io.BytesIO(tiff))), expected.heatmap)
    report = service.get(f"/v1/studies/{image['study']}/report")
    assert report.headers["content-type"].startswith("application/fhir+json")
    kinds = [entry["resource"]["resourceType"] for entry in report.json()["entry"]]
    assert kinds == ["DiagnosticReport", "Observation"]


def test_one_bad_file_does_not_stop_the_others(
    as_: As, phantoms: list[bytes], read_all: Callable[[], int]
) -> None:
    service = as_(Role.SERVICE)
    sent = files(phantoms[0], b"%PDF-1.7 no radiograph", phantoms[1])
    answer = service.post("/v1/readings", files=sent).json()
    assert [image["name"] for image in answer["images"]] == ["0.png", "2.png"]
    (refused,) = answer["refused"]
    assert (refused["name"], refused["place"]) == ("1.png", 1)
    assert "DICOM, JPEG" in refused["reason"]
    assert read_all() == 2


def test_only_bad_files_are_an_error_and_not_stored(as_: As, clinic: Clinic) -> None:
    answer = as_(Role.SERVICE).post("/v1/readings", files=files(b"no", b"neither"))
    assert answer.status_code == 415
    assert answer.headers["content-type"] == "application/problem+json"
    assert "0.png" in answer.json()["detail"]
    assert [file["place"] for file in answer.json()["refused"]] == [0, 1]
    assert not [path for path in clinic.store.folder.rglob("*") if path.is_file()]


def count(clinic: Clinic) -> int:
    with clinic.database.reading() as session:
        return session.scalar(select(func.count()).select_from(Image)) or 0


@on_both_databases
def test_a_repeated_request_is_read_once(as_: As, clinic: Clinic, phantoms: list[bytes]) -> None:
    service = as_(Role.SERVICE)
    key = {"Idempotency-Key": "ward-7-0001"}
    first, again = (
        service.post("/v1/readings", files=files(*phantoms[:2]), headers=key) for _ in range(2)
    )
    assert again.status_code == 202
    assert again.json() == first.json()
    assert count(clinic) == 2
    other = service.post("/v1/readings", files=files(phantoms[2]), headers=key)
    assert other.status_code == 422
    assert "Idempotency-Key" in other.json()["detail"]
    about = {"about": '{"patient_id": "P-2"}'}
    described = service.post("/v1/readings", files=files(*phantoms[:2]), data=about, headers=key)
    assert described.status_code == 422  # the same files with another patient
    someone_else = as_(Role.REVIEWER).post("/v1/readings", files=files(phantoms[2]), headers=key)
    assert someone_else.status_code == 202


@on_both_databases
def test_concurrent_identical_requests_are_read_once(
    as_: As, clinic: Clinic, phantoms: list[bytes]
) -> None:
    service = as_(Role.SERVICE)
    key = {"Idempotency-Key": "twice at once"}

    def send(_: int) -> str:
        answer = service.post("/v1/readings", files=files(phantoms[0]), headers=key)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["job"])

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(send, range(8)))) == 1
    assert count(clinic) == 1


def test_bodies_that_are_too_large_are_refused(as_: As, clinic: Clinic) -> None:
    service = as_(Role.SERVICE)
    declared = service.post("/v1/readings", files=files(bytes(3_000_000)))
    assert declared.status_code == 413

    def endless() -> Iterator[bytes]:
        for _ in range(40):
            yield bytes(100_000)

    media_type = "multipart/form-data; boundary=x"
    chunked = service.post("/v1/readings", content=endless(), headers={"Content-Type": media_type})
    assert chunked.status_code == 413
    assert chunked.json()["title"]
    assert count(clinic) == 0


@pytest.mark.parametrize(
    "about", ["no JSON", "[]", '{"study_uid": "../../etc"}', '{"patient_id": "' + "x" * 65 + '"}']
)
def test_invalid_metadata_is_refused_without_being_repeated(
    as_: As, phantoms: list[bytes], about: str
) -> None:
    answer = as_(Role.SERVICE).post("/v1/readings", files=files(phantoms[0]), data={"about": about})
    assert answer.status_code == 422
    assert about not in answer.text


def test_an_unknown_site_is_refused(as_: As, phantoms: list[bytes]) -> None:
    answer = as_(Role.SERVICE).post(
        "/v1/readings", files=files(phantoms[0]), data={"site": "nowhere"}
    )
    assert answer.status_code == 422
    assert "no such site" in answer.json()["detail"]


@on_both_databases
def test_images_of_a_job_are_paged(as_: As, phantoms: list[bytes]) -> None:
    service = as_(Role.SERVICE)
    job = service.post("/v1/readings", files=files(*phantoms[:5])).json()["job"]
    seen, after = [], ""
    while after is not None:
        page = service.get(f"/v1/jobs/{job}/images", params={"after": after, "limit": 2}).json()
        seen += [image["name"] for image in page["images"]]
        after = page["next"]
    assert sorted(seen) == [f"{i}.png" for i in range(5)]
    assert as_(Role.REVIEWER).get(f"/v1/jobs/{job}").status_code == 404  # another user's job


@on_both_databases
def test_shadow_mode_hides_readings_from_clinicians_everywhere(
    as_: As, clinic: Clinic, phantoms: list[bytes], read_all: Callable[[], int]
) -> None:
    with clinic.database.writing() as session:
        session.scalars(select(Site)).one().displayed = False
    service = as_(Role.SERVICE)
    sent = files(phantoms[0], blank_image())
    image, unread = (made := service.post("/v1/readings", files=sent).json())["images"]
    read_all()
    assert service.get(f"/v1/jobs/{made['job']}").json()["by_status"] == {}
    for role, sees in [
        (Role.CLINICIAN, False),
        (Role.SERVICE, False),
        (Role.REVIEWER, True),
        (Role.ADMINISTRATOR, True),
    ]:
        client = as_(role)
        shown = client.get(f"/v1/readings/{image['id']}").json()
        assert (shown["reading"] is not None, shown["withheld"]) == (sees, not sees)
        study = client.get(f"/v1/studies/{image['study']}").json()
        assert (study["probability"] is not None) is sees
        assert (study["images"][0]["reading"] is not None) is sees
        page = client.post("/v1/studies/search", json={"sort": "arrival"}).json()
        listed = {study["id"]: study for study in page["studies"]}
        assert (listed[image["study"]]["probability"] is not None) is sees
        assert listed[unread["study"]]["needs_look"] is sees
        assert listed[unread["study"]]["status_text"].startswith("not read: a blank") is sees
        if not sees:
            assert {study["status_text"] for study in listed.values()} == {"awaiting review"}
        expected = 200 if sees else 403
        assert client.get(f"/v1/studies/{image['study']}/report").status_code == expected
        assert client.get(f"/v1/images/{image['id']}/heatmap").status_code == expected


def test_hostile_names_are_plain_data(as_: As, phantoms: list[bytes]) -> None:
    service = as_(Role.SERVICE)
    hostile = "<script>alert(1)</script>"
    sent = [("files", (f"../../{hostile}.png", phantoms[0], "image/png"))]
    about = json.dumps({"patient_name": hostile})
    image = service.post("/v1/readings", files=sent, data={"about": about}).json()["images"][0]
    assert "/" not in image["name"].replace("</", "")
    answer = service.get(f"/v1/studies/{image['study']}")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.json()["patient"]["name"] == hostile
    file = service.get(f"/v1/images/{image['id']}/file")
    assert file.headers["content-disposition"] == "attachment"
    assert "default-src 'none'" in file.headers["content-security-policy"]
