from collections.abc import Callable

from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from pneumoscope.clinic.accounts import Role

As = Callable[[Role], TestClient]


def figures(client: TestClient) -> dict[tuple[str, ...], float]:
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_figures_count_what_waits_what_was_read_and_what_was_judged(
    as_: As, phantoms: list[bytes], read_all: Callable[[], int]
) -> None:
    service, reviewer = as_(Role.SERVICE), as_(Role.REVIEWER)
    sent = [("files", (f"{i}.png", one, "image/png")) for i, one in enumerate(phantoms[:3])]
    broken = ("files", ("broken.png", b"\x89PNG\r\n\x1a\nbroken", "image/png"))
    images = service.post("/v1/readings", files=[*sent, broken]).json()["images"]
    before = figures(service)
    assert before["pneumoscope_waiting_images",] == 4
    assert 0 < before["pneumoscope_oldest_waiting_seconds",] < 60
    assert before["pneumoscope_reading_seconds_count",] == 0

    read_all()
    for answer in ("agree", "disagree", "uncertain"):  # the last one stands
        judged = {"answer": answer}
        reviewer.post(f"/v1/images/{images[0]['id']}/judgements", json=judged)
    after = figures(service)
    assert after["pneumoscope_waiting_images",] == 0
    assert after["pneumoscope_oldest_waiting_seconds",] == 0
    assert after["pneumoscope_readings_total", "failed", "none"] == 1
    read = [value for name, value in after.items() if name[0] == "pneumoscope_readings_total"]
    assert sum(read) == after["pneumoscope_reading_seconds_count",] == 4
    assert 0 < after["pneumoscope_reading_seconds_sum",] < 60
    judgements = {name[1]: value for name, value in after.items() if "judgements" in name[0]}
    assert judgements == {"uncertain": 1}


def test_figures_name_nobody(as_: As, phantoms: list[bytes]) -> None:
    service = as_(Role.SERVICE)
    sent = [("files", ("Okafor.png", phantoms[0], "image/png"))]
    service.post(
        "/v1/readings", files=sent, data={"about": '{"patient_id": "P-77", "patient_name": "Ada"}'}
    )
    text = service.get("/metrics").text
    assert not [word for word in ("Okafor", "P-77", "Ada", "service") if word in text]
