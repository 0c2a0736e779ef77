import base64
import hashlib
import re
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import select

from pneumoscope.clinic.identity.accounts import Role
from pneumoscope.clinic.settings import Clinic
from pneumoscope.clinic.storage.tables import AuditEntry, Study

from ...conftest import on_both_databases
from ...simulated import Simulated

As = Callable[[Role], TestClient]


def metrics(client: TestClient) -> dict[tuple[str, ...], float]:
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


@on_both_databases
def test_metrics_count_the_queue_readings_and_judgements(
    as_: As, phantoms: list[bytes], read_all: Callable[[], int]
) -> None:
    service, reviewer = as_(Role.SERVICE), as_(Role.REVIEWER)
    sent = [("files", (f"{i}.png", content, "image/png")) for i, content in enumerate(phantoms[:3])]
    broken = ("files", ("broken.png", b"\x89PNG\r\n\x1a\nbroken", "image/png"))
    images = service.post("/v1/readings", files=[*sent, broken]).json()["images"]
    before = metrics(service)
    assert before["pneumoscope_waiting_images",] == 4
    assert 0 < before["pneumoscope_oldest_waiting_seconds",] < 60
    assert before["pneumoscope_reading_seconds_count",] == 0

    read_all()
    for answer in ("agree", "disagree", "uncertain"):  # the last one counts
        judged = {"study_version": 1, "answer": answer}
        reviewer.post(f"/v1/images/{images[0]['id']}/judgements", json=judged)
    after = metrics(service)
    assert after["pneumoscope_waiting_images",] == 0
    assert after["pneumoscope_oldest_waiting_seconds",] == 0
    assert after["pneumoscope_readings_total", "failed", "none"] == 1
    read = [value for name, value in after.items() if name[0] == "pneumoscope_readings_total"]
    assert sum(read) == after["pneumoscope_reading_seconds_count",] == 4
    assert 0 < after["pneumoscope_reading_seconds_sum",] < 60
    judgements = {name[1]: value for name, value in after.items() if "judgements" in name[0]}
    assert judgements == {"uncertain": 1}


def test_metrics_contain_no_patient_data(as_: As, phantoms: list[bytes]) -> None:
    service = as_(Role.SERVICE)
    sent = [("files", ("Okafor.png", phantoms[0], "image/png"))]
    service.post(
        "/v1/readings", files=sent, data={"about": '{"patient_id": "P-77", "patient_name": "Ada"}'}
    )
    text = service.get("/metrics").text
    assert not [word for word in ("Okafor", "P-77", "Ada", "service") if word in text]


def test_the_overview_as_json(as_: As, busy: Simulated) -> None:
    overview = as_(Role.REVIEWER).get("/v1/monitoring", params={"days": 28, "windows": 2}).json()
    assert [period["images"] for period in overview["periods"]] == [224, 224]
    shift = overview["periods"][-1]["shifts"]["brightness"]
    assert shift["band"] == "large"
    assert sum(shift["shares"]) == pytest.approx(1)
    assert overview["adjusted_p"]["brightness"] < 1e-6 < overview["adjusted_p"]["noise"]
    assert len(overview["agreement"]) == 8
    sensitivity = overview["accuracy"]["corrected"]["sensitivity"]
    assert sensitivity["low"] < sensitivity["value"] < sensitivity["high"]
    assert overview["reference_patients"] == 561


@on_both_databases
def test_the_overview_of_one_site(as_: As, busy: Simulated) -> None:
    client = as_(Role.REVIEWER)
    busy.run(3, 1, 2, site="East")
    sites = {site["name"]: site["id"] for site in client.get("/v1/sites").json()}
    assert list(sites) == ["East", "Ward", "default"]
    assert sites["East"] == busy.site("East")
    query = {"days": 3, "windows": 1, "site": sites["East"]}
    assert client.get("/v1/monitoring", params=query).json()["periods"][0]["images"] == 6
    for path in ("/v1/monitoring", "/v1/monitoring/report"):
        assert client.get(path, params={"site": "0" * 32}).status_code == 404
        assert client.get(path, params={"days": 0}).status_code == 422
        assert client.get(path, params={"windows": 27}).status_code == 422


@on_both_databases
def test_alerts_are_checked_listed_and_acknowledged(
    as_: As, busy: Simulated, clinic: Clinic
) -> None:
    reviewer, administrator = as_(Role.REVIEWER), as_(Role.ADMINISTRATOR)
    assert reviewer.get("/v1/monitoring/alerts").json() == []
    opened = reviewer.post("/v1/monitoring/check").json()
    assert {(alert["rule"], alert["subject"], alert["site"]) for alert in opened} == {
        ("change", "brightness", "Ward"),
        ("large drift", "brightness", "Ward"),
    }
    assert reviewer.post("/v1/monitoring/check").json() == opened
    alert = opened[0]
    path = f"/v1/monitoring/alerts/{alert['id']}/acknowledgement"
    assert reviewer.post(path).status_code == 403
    acknowledged = administrator.post(path).json()
    assert acknowledged["acknowledged_by"] == "a administrator"
    assert administrator.post(path).status_code == 400
    assert reviewer.get("/v1/monitoring/alerts").json() == [acknowledged, opened[1]]
    assert metrics(administrator)["pneumoscope_alerts", alert["rule"], "yes"] == 1
    missing = f"/v1/monitoring/alerts/{'0' * 32}/acknowledgement"
    assert administrator.post(missing).status_code == 404
    with clinic.database.reading() as session:
        actions = session.scalars(select(AuditEntry.action).order_by(AuditEntry.number)).all()
    assert actions == [
        "begin alert",
        "begin alert",
        "look at monitoring",
        "look at monitoring",
        "acknowledge alert",
    ]


def test_the_monitoring_page_fits_its_content_security_policy(as_: As, busy: Simulated) -> None:
    client = as_(Role.REVIEWER)
    client.post("/v1/monitoring/check")
    answer = client.get("/v1/monitoring/report", params={"windows": 2})
    assert answer.headers["content-type"].startswith("text/html")
    page, policy = answer.text, answer.headers["content-security-policy"]
    (style,) = re.findall("<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.findall(r'style="|<script|src="(?!data:)|href=', page)
    assert page.count("<img") == 6
    assert "Ward: large drift." in page
    assert f"readings of {busy.baseline.bundle}, since" in page


def test_the_monitoring_page_of_an_empty_clinic(as_: As) -> None:
    page = as_(Role.REVIEWER).get("/v1/monitoring/report").text
    assert "no open alerts" in page
    assert "too few to compare" in page


def test_monitoring_contains_no_patient_data(as_: As, busy: Simulated, clinic: Clinic) -> None:
    with clinic.database.writing() as session:
        for study in session.scalars(select(Study)):
            study.patient_id, study.patient_name = f"Okafor{study.id}", "Okafor^Ada"
    client = as_(Role.REVIEWER)
    for path in ("/v1/monitoring", "/v1/monitoring/report", "/v1/monitoring/alerts"):
        assert "Okafor" not in client.get(path).text
