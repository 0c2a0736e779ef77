"""The FHIR R4 export, against the definitions of R4."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from xml.etree import ElementTree

import pytest
from fhir.resources.R4B.bundle import Bundle

from pneumoscope.clinic.fhir import diagnostic_report
from pneumoscope.clinic.storage.study_status import StudyStatus
from pneumoscope.clinic.storage.tables import Image, Site, StoredReading, Study
from pneumoscope.support.errors import ClinicError

from .fhir_r4 import CODES, DISPLAYS, ELEMENTS, PRIMITIVES, TARGETS, VALUE_SETS

ISSUED = datetime(2026, 1, 2, 9, 30, tzinfo=UTC)
NAME = "Featherstonehaugh"
HOSTILE = "<script>alert('x')</script> & \"]]>\x00\x1b\ud800 end"

ADULT = "adult, 45 years; the children's network does not apply"
QUOTE = f"damaged near '{NAME}'"


SUSPECTED, NO_SIGN, UNCERTAIN = "pneumonia suspected", "no sign of pneumonia", "uncertain"
RATIO = {"value": 9.0, "low": 6.0, "high": 18.0}


def reading(finding: str | None = SUSPECTED, **fields: Any) -> StoredReading:
    known = {
        "created": datetime(2026, 1, 2, 9, 15, tzinfo=UTC),
        "bundle": "compact-1@0123456789ab",
        "status": "read" if finding else "rejected",
        "probability": {SUSPECTED: 0.97, UNCERTAIN: 0.4, NO_SIGN: 0.02}.get(finding or ""),
        "operating_point": "screening",
        "findings": {"screening": finding} if finding else {},
        "low_confidence": [],
        "reasons": [],
        "quality": [],
    }
    return StoredReading(**known | fields)


def study(*readings: StoredReading | None, **fields: Any) -> Study:
    images = [
        Image(id=f"{number:032x}", name=f"{NAME}.dcm", sop_uid=f"1.2.3.{number}", reading=reading)
        for number, reading in enumerate(readings, start=1)
    ]
    known = {
        "id": "f" * 32,
        "study_uid": "1.2.826.0.1.3680043.8.498.1",
        "accession": "A-1",
        "patient_id": "P-0815",
        "patient_name": f"{NAME}^Jane",
        "acquired": datetime(2026, 1, 2, 10, 0, tzinfo=timezone(timedelta(hours=1))),
        "status": StudyStatus.AWAITING_REVIEW,
        "site": Site(name="default", prevalence_low=0.1, prevalence_high=0.1),
    }
    return Study(images=images, **known | fields)


def quality(message: str, severity: str) -> dict[str, str]:
    return {"code": "any", "severity": severity, "message": message}


def flagged(message: str = "very dark") -> StoredReading:
    return reading(status="flagged", reasons=[message], quality=[quality(message, "flag")])


def rejected(message: str = "upside down", **fields: Any) -> StoredReading:
    return reading(None, reasons=[message], quality=[quality(message, "reject")], **fields)


def outside(message: str) -> StoredReading:
    return reading(
        None,
        status="outside",
        reasons=[message],
        quality=[quality(message, "outside")],
        probability_outside=0.98,
    )


def failed(**fields: Any) -> StoredReading:
    return reading(
        None,
        status="failed",
        **{"reasons": [QUOTE], "quality": [quality(QUOTE, "reject")]} | fields,
    )


STUDIES = {
    "pneumonia": lambda: study(reading(SUSPECTED)),
    "uncertain": lambda: study(reading(UNCERTAIN)),
    "normal": lambda: study(reading(NO_SIGN)),
    "flagged": lambda: study(flagged()),
    "rejected": lambda: study(rejected()),
    "outside": lambda: study(outside(ADULT)),
    "failed": lambda: study(failed()),
    "waiting": lambda: study(None),
    "several": lambda: study(reading(NO_SIGN), rejected(), reading(SUSPECTED), None),
    "empty": lambda: study(),
    "anonymous": lambda: study(
        reading(), patient_id=None, accession="", study_uid=None, acquired=None
    ),
    "hostile": lambda: study(
        flagged(HOSTILE), rejected(HOSTILE), patient_id=HOSTILE, accession=HOSTILE
    ),
}
each_study = pytest.mark.parametrize("name", STUDIES)


def resources(study: Study, point: str = "screening") -> list[dict[str, Any]]:
    bundle = json.loads(diagnostic_report(study, point, ISSUED))
    return [entry["resource"] for entry in bundle["entry"]]


def walk(kind: str, value: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield path, type and value of every element; check that R4 defines it there."""
    kind = value["resourceType"] if kind == "Resource" else kind
    known = dict(element.split(":") for element in ELEMENTS[kind].split())
    names = {name.rstrip("!*"): (name, item_kind) for name, item_kind in known.items()}
    assert value.keys() <= names.keys()
    assert value.keys() >= {name for name, (marked, _) in names.items() if "!" in marked}
    for name, content in value.items():
        marked, item_kind = names[name]
        assert isinstance(content, list) == ("*" in marked)
        assert content not in ([], {}, "")
        for item in content if "*" in marked else [content]:
            yield f"{kind}.{name}", item_kind, item
            if isinstance(item, dict):
                yield from walk(item_kind, item)


def elements(study: Study) -> list[tuple[str, str, Any]]:
    return list(walk("Bundle", json.loads(diagnostic_report(study, "screening", ISSUED))))


@each_study
def test_all_elements_exist_in_r4_and_have_its_formats(name: str) -> None:
    for path, kind, value in elements(STUDIES[name]()):
        if kind in PRIMITIVES:
            assert re.fullmatch(PRIMITIVES[kind], str(value), re.DOTALL), path


@each_study
def test_every_code_is_in_its_bound_value_set_with_its_meaning(name: str) -> None:
    for path, kind, value in elements(STUDIES[name]()):
        if path in CODES:
            assert value in CODES[path].split()
        if kind == "CodeableConcept":
            system, codes = VALUE_SETS[path]
            bound = [coding["code"] for coding in value["coding"] if coding["system"] == system]
            assert len(bound) == 1
            assert bound[0] in codes.split()
        if kind == "Coding":
            assert value["display"] == DISPLAYS[value["code"]]
        if kind == "Quantity":
            assert (value["system"], value["code"]) == ("http://unitsofmeasure.org", "1")


def test_us_core_finds_the_report_by_its_category() -> None:
    report, _ = resources(study(reading()))
    assert {"system": "http://loinc.org", "code": "LP29684-5", "display": "Radiology"} in report[
        "category"
    ][0]["coding"]


@each_study
def test_references_lead_to_entries_or_to_types_that_r4_allows(name: str) -> None:
    bundle = json.loads(diagnostic_report(STUDIES[name](), "screening", ISSUED))
    entries = {entry["fullUrl"]: entry["resource"] for entry in bundle["entry"]}
    assert len(entries) == len(bundle["entry"])
    assert all(url == f"urn:uuid:{resource['id']}" for url, resource in entries.items())
    for path, kind, value in walk("Bundle", bundle):
        if kind == "Reference" and "reference" in value:
            assert entries[value["reference"]]["resourceType"] in TARGETS[path]
        elif kind == "Reference":
            assert value["type"] in TARGETS[path]
            assert "identifier" in value or "display" in value
    report, *observations = bundle["entry"]
    referred = [result["reference"] for result in report["resource"].get("result", [])]
    assert referred == [entry["fullUrl"] for entry in observations]


@each_study
def test_observations_have_a_value_or_the_reason_for_its_absence(name: str) -> None:
    for observation in resources(STUDIES[name]())[1:]:
        assert ("valueQuantity" in observation) != ("dataAbsentReason" in observation)
        assert ("valueQuantity" in observation) == ("interpretation" in observation)


@each_study
def test_the_models_parse_their_own_output(name: str) -> None:
    text = diagnostic_report(STUDIES[name](), "screening", ISSUED)
    assert json.loads(Bundle.model_validate_json(text).model_dump_json()) == json.loads(text)


@each_study
def test_the_patients_name_is_left_out(name: str) -> None:
    assert NAME not in diagnostic_report(STUDIES[name](), "screening", ISSUED)


@each_study
def test_every_resource_has_a_narrative_in_plain_xhtml(name: str) -> None:
    for resource in resources(STUDIES[name]()):
        div = ElementTree.fromstring(resource["text"]["div"])
        assert {element.tag.rpartition("}")[2] for element in div.iter()} == {"div", "p"}
        assert "not a diagnosis" in "".join(div.itertext())


def test_hostile_texts_are_escaped() -> None:
    report, *observations = resources(STUDIES["hostile"]())
    shown = "".join(ElementTree.fromstring(report["text"]["div"]).itertext())
    assert shown.count("<script>alert('x')</script> & \"]]>") == 2
    for observation in observations:
        assert all("<" not in note["text"] for note in observation["note"])
        assert "&lt;script&gt;" in observation["note"][-1]["text"]


@pytest.mark.parametrize(
    ("finding", "code", "words"),
    [
        (SUSPECTED, "POS", "pneumonia suspected at the operating point screening"),
        (UNCERTAIN, "IND", "uncertain at the operating point screening"),
        (NO_SIGN, "NEG", "no sign of pneumonia at the operating point screening"),
    ],
)
def test_a_finding_is_given_as_code_and_text(finding: str, code: str, words: str) -> None:
    report, observation = resources(study(reading(finding)))
    interpretation = observation["interpretation"][0]
    assert interpretation["coding"][0]["code"] == code
    assert interpretation["text"] == words
    assert words in report["conclusion"]
    assert ("conclusionCode" in report) == (finding == SUSPECTED)
    assert "not a diagnosis" in report["conclusion"]
    assert "Other findings were not looked for" in report["conclusion"]


def test_low_confidence_and_the_meaning_at_the_sites_prevalence_are_in_words() -> None:
    """At a prevalence of 10 % odds of 1:9 times an LR+ of 9 are even."""
    doubtful = reading(low_confidence=["screening"], likelihood_ratio=RATIO)
    report, observation = resources(study(doubtful))
    assert observation["interpretation"][0]["text"].startswith(
        "pneumonia suspected, low confidence"
    )
    for words in (
        "pneumonia suspected, low confidence",
        "of 100 such patients about 50 (40 to 67) have pneumonia, at a prevalence of 10 %",
    ):
        assert words in report["conclusion"]
        assert words in observation["text"]["div"]


@pytest.mark.parametrize("probability", [0.0, 1e-7, 1e-6, 0.123456789, 0.9999999, 1.0])
def test_a_probability_is_a_number_from_0_to_1(probability: float) -> None:
    _, observation = resources(study(reading(probability=probability)))
    value = observation["valueQuantity"]["value"]
    assert isinstance(value, float | int)
    assert 0 <= value <= 1
    assert value == pytest.approx(probability, abs=1e-6)


def test_the_conclusion_has_the_probability_and_the_reasons_for_doubt() -> None:
    report, observation = resources(study(flagged("very dark")))
    assert "was not measured); reasons for doubt: very dark" in report["conclusion"]
    assert [note["text"] for note in observation["note"]] == [
        "SOP Instance UID 1.2.3.1",
        "very dark",
    ]


@pytest.mark.parametrize(
    ("stored", "reason", "words"),
    [
        (rejected("upside down", probability=0.9), "not-performed", "not read: upside down"),
        (outside(ADULT), "not-performed", f"not read: {ADULT}"),
        (failed(probability=0.9), "error", "not read: reading it failed"),
        (None, "temp-unknown", "not read yet"),
    ],
)
def test_without_a_probability_there_is_a_reason(
    stored: StoredReading | None, reason: str, words: str
) -> None:
    report, observation = resources(study(stored))
    assert observation["dataAbsentReason"]["coding"][0]["code"] == reason
    assert words in report["conclusion"]
    assert "valueQuantity" not in observation
    assert "conclusionCode" not in report
    assert "probability" not in report["conclusion"]


def test_the_output_for_an_image_that_is_outside_is_in_no_resource() -> None:
    text = diagnostic_report(study(outside(ADULT)), "screening", ISSUED)
    assert "0.98" not in text
    assert "98.0%" not in text
    _, observation = resources(study(outside(ADULT)))
    assert [note["text"] for note in observation["note"][1:]] == [ADULT]


def test_notes_contain_all_messages_of_the_quality_gate() -> None:
    issues = [quality("upside down", "reject"), quality("very dark", "flag")]
    _, observation = resources(study(reading(None, reasons=["upside down"], quality=issues)))
    assert [note["text"] for note in observation["note"][1:]] == ["upside down", "very dark"]


def test_each_image_has_an_observation_and_a_sentence() -> None:
    report, *observations = resources(study(reading(NO_SIGN), rejected(), reading(SUSPECTED)))
    assert [observation["id"][-1] for observation in observations] == ["1", "2", "3"]
    assert re.search(
        "Image 1 of 3: no sign of pneumonia.+2 of 3: not read.+3 of 3: pneumonia suspected",
        report["conclusion"],
    )
    assert report["conclusionCode"][0]["coding"][0]["code"] == "233604007"


def test_findings_are_those_of_the_requested_operating_point() -> None:
    both = reading(findings={"screening": SUSPECTED, "confirm": NO_SIGN})
    _, observation = resources(study(both), "confirm")
    assert observation["interpretation"][0]["coding"][0]["code"] == "NEG"


def test_an_unknown_operating_point_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ClinicError, match=r"'confirm'.*screening"):
        diagnostic_report(study(reading()), "confirm", ISSUED)


@pytest.mark.parametrize("status", StudyStatus)
def test_a_reading_stays_unverified_whatever_the_status_of_the_study(status: StudyStatus) -> None:
    report, observation = resources(study(reading(), status=status))
    assert (report["status"], observation["status"]) == ("partial", "preliminary")


def test_a_report_is_registered_until_an_image_is_read() -> None:
    assert [resource["status"] for resource in resources(study(None, None))] == ["registered"] * 3
    mixed = [resource["status"] for resource in resources(study(None, rejected()))]
    assert mixed == ["partial", "registered", "preliminary"]


def test_patient_request_and_study_are_referenced_by_identifier() -> None:
    report, observation = resources(study(reading()))
    assert report["subject"] == {"type": "Patient", "identifier": {"value": "P-0815"}}
    (east, _), (west, _) = (
        resources(study(reading(), patient_id_issuer=name)) for name in ("EAST", "WEST")
    )
    assert east["subject"] != west["subject"]  # the same identifier of two hospitals
    assert observation["subject"] == report["subject"]
    assert report["basedOn"][0]["identifier"]["value"] == "A-1"
    assert report["imagingStudy"][0]["identifier"] == {
        "system": "urn:dicom:uid",
        "value": "urn:oid:1.2.826.0.1.3680043.8.498.1",
    }
    assert observation["device"]["display"].endswith("compact-1@0123456789ab")


def test_unknown_values_are_left_out() -> None:
    report, observation = resources(STUDIES["anonymous"]())
    unknown = {"subject", "basedOn", "imagingStudy", "effectiveDateTime"}
    assert not unknown & (report.keys() | observation.keys())


def test_times_are_those_of_acquisition_reading_and_report() -> None:
    report, observation = resources(study(reading()))
    assert datetime.fromisoformat(report["issued"]) == ISSUED
    assert datetime.fromisoformat(observation["issued"]) == datetime(2026, 1, 2, 9, 15, tzinfo=UTC)
    for resource in (report, observation):
        exposure = datetime.fromisoformat(resource["effectiveDateTime"])
        assert exposure == datetime(2026, 1, 2, 9, 0, tzinfo=UTC)


def test_a_time_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="timezone"):
        diagnostic_report(study(reading()), "screening", datetime(2026, 1, 2))
    with pytest.raises(ValueError, match="timezone"):
        diagnostic_report(study(reading(), acquired=datetime(2026, 1, 2)), "screening", ISSUED)


def test_a_repeated_report_differs_only_in_its_time_of_issue() -> None:
    first = diagnostic_report(study(reading()), "screening", ISSUED)
    later = diagnostic_report(study(reading()), "screening", ISSUED + timedelta(days=1))
    assert first != later
    assert first == later.replace("2026-01-03T09:30:00Z", "2026-01-02T09:30:00Z")
