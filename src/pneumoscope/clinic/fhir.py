"""FHIR R4 export of a study's readings: a DiagnosticReport, and an Observation for each image.

The resources are entries of a Bundle of type collection; the report does not contain its
observations, since R4 reserves containment for resources without an identity of their own, and
servers do not search contained resources. Ids are those of study and image in the clinic's
database, so that a later report replaces an earlier one. A client can store the entries one by one,
or all in a transaction, after adding a request to each.

A report has the status ``registered`` until an image is read, then ``partial``, which in R4 means
that its data "may be incomplete or unverified". It is never ``preliminary``, which for a report
means "verified early results", nor ``final``, even after a clinician's review: the review may
disagree, and the final report is the clinician's own. For an observation, ``preliminary`` includes
unverified results.

LOINC has no code for a probability of pneumonia: the observations use a code from this project's
own code system, with an explanation in words.

fhir.resources has models of R4B, not of R4. In the resources and data types used here, R4B changed
only the allowed types of a subject (https://hl7.org/fhir/R4B/diff.html), and both allow a Patient.
The models validate neither codes nor value sets: the tests do.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from html import escape
from uuid import UUID

from fhir.resources.R4B.annotation import Annotation
from fhir.resources.R4B.bundle import Bundle, BundleEntry
from fhir.resources.R4B.codeableconcept import CodeableConcept
from fhir.resources.R4B.coding import Coding
from fhir.resources.R4B.diagnosticreport import DiagnosticReport
from fhir.resources.R4B.identifier import Identifier
from fhir.resources.R4B.narrative import Narrative
from fhir.resources.R4B.observation import Observation
from fhir.resources.R4B.quantity import Quantity
from fhir.resources.R4B.reference import Reference

from pneumoscope.clinic.storage.tables import Image, StoredReading, Study
from pneumoscope.clinic.worklist.examination import acquisition_time
from pneumoscope.reader.reading import (
    OTHER_FINDINGS,
    UNKNOWN_MEANING,
    Finding,
    Status,
    describe_finding,
    format_probability,
)
from pneumoscope.support.errors import ClinicError

MEDIA_TYPE = "application/fhir+json"

_HL7 = "http://terminology.hl7.org/CodeSystem"
_LOINC = "http://loinc.org"
_SNOMED = "http://snomed.info/sct"


def _concept(system: str, code: str, display: str, text: str | None = None) -> CodeableConcept:
    return CodeableConcept(coding=[Coding(system=system, code=code, display=display)], text=text)


_RADIOLOGY = CodeableConcept(
    coding=[
        Coding(system=f"{_HL7}/v2-0074", code="RAD", display="Radiology"),
        Coding(system=_LOINC, code="LP29684-5", display="Radiology"),  # required by US Core
    ]
)
_IMAGING = _concept(f"{_HL7}/observation-category", "imaging", "Imaging")
_CHEST_RADIOGRAPH = _concept(_LOINC, "30745-4", "XR Chest Views")
_PNEUMONIA = _concept(_SNOMED, "233604007", "Pneumonia")
_LUNG = _concept(_SNOMED, "39607008", "Lung structure")
_ACCESSION = _concept(f"{_HL7}/v2-0203", "ACSN", "Accession ID")
_PROBABILITY = _concept(
    "https://pneumoscope.org/fhir/CodeSystem/reading",
    "pneumonia-probability",
    "Probability of pneumonia",
    "Probability that the radiograph shows pneumonia, estimated by software",
)

_INTERPRETATIONS = {
    Finding.SUSPECTED: ("POS", "Positive"),
    Finding.UNCERTAIN: ("IND", "Indeterminate"),
    Finding.NO_SIGN: ("NEG", "Negative"),
}
_DATA_ABSENT_REASONS: Mapping[Status | None, tuple[str, str]] = {
    None: ("temp-unknown", "Temporarily Unknown"),
    Status.OUTSIDE: ("not-performed", "Not Performed"),
    Status.REJECTED: ("not-performed", "Not Performed"),
    Status.FAILED: ("error", "Error"),
}
_NOTICE = (
    f"Read by software, for signs of pneumonia only. {OTHER_FINDINGS} This is not a diagnosis and "
    "must be confirmed by a clinician."
)


def diagnostic_report(study: Study, operating_point: str, issued: datetime) -> str:
    """Return the readings of a study at an operating point as a FHIR R4 Bundle, in JSON.

    The subject has only the patient's identifier and its issuer, if known; without a system, since
    issuers have no URL. Name, birth date and sex are left out, as are file names and the reasons of
    failed readings, which may quote them. The caller must check whether the site's readings may be
    shown. The DiagnosticReport is the first entry.

    Raises
    ------
    ClinicError
        If an image was read with a bundle that lacks the operating point.
    ValueError
        If a time has no time zone.

    References
    ----------
    HL7 FHIR Release 4 (4.0.1), DiagnosticReport and Observation, https://hl7.org/fhir/R4

    Examples
    --------
    >>> import json
    >>> from datetime import UTC
    >>> from pneumoscope.clinic.storage.tables import Site
    >>> reading = StoredReading(
    ...     created=datetime(2026, 1, 1, 12, 0, tzinfo=UTC), bundle="compact-1", status="read",
    ...     probability=0.97, findings={"screening": "pneumonia suspected"}, low_confidence=[],
    ...     operating_point="screening", reasons=[], quality=[],
    ... )
    >>> image = Image(id="1" * 32, reading=reading)
    >>> study = Study(id="0" * 32, site=Site(name="default"), images=[image])
    >>> text = diagnostic_report(study, "screening", datetime(2026, 1, 1, 12, 5, tzinfo=UTC))
    >>> report, observation = [entry["resource"] for entry in json.loads(text)["entry"]]
    >>> report["conclusionCode"][0]["coding"][0]["display"], observation["valueQuantity"]["value"]
    ('Pneumonia', 0.97)
    """
    observations = [_observation(image, study, operating_point) for image in study.images]
    resources = [_report(study, operating_point, issued), *observations]
    entries = [
        BundleEntry(fullUrl=f"urn:uuid:{resource.id}", resource=resource) for resource in resources
    ]
    return Bundle(type="collection", timestamp=issued, entry=entries).model_dump_json()


def _report(study: Study, point: str, issued: datetime) -> DiagnosticReport:
    images = study.images
    findings = [_finding(image.reading, point) for image in images]
    sentences = [
        f"Image {number} of {len(images)}: {_reading_text(image.reading, study, point)}."
        for number, image in enumerate(images, start=1)
    ]
    return DiagnosticReport(
        id=_uuid(study.id),
        text=_narrative([_NOTICE, *sentences]),
        identifier=[_identifier(study.id)],
        basedOn=_service_request(study),
        status="partial" if any(image.reading for image in images) else "registered",
        category=[_RADIOLOGY],
        code=_CHEST_RADIOGRAPH,
        subject=_subject(study),
        effectiveDateTime=acquisition_time(study) or study.study_date,
        issued=issued,
        result=[Reference(reference=f"urn:uuid:{_uuid(image.id)}") for image in images],
        imagingStudy=_imaging_study(study),
        conclusion=" ".join([_NOTICE, *sentences]),
        conclusionCode=[_PNEUMONIA] if Finding.SUSPECTED in findings else None,
    )


def _observation(image: Image, study: Study, point: str) -> Observation:
    reading = image.reading
    device = Reference(type="Device", display=f"pneumoscope {reading.bundle}") if reading else None
    return Observation(
        id=_uuid(image.id),
        text=_narrative([_NOTICE, f"Image: {_reading_text(reading, study, point)}."]),
        identifier=[_identifier(image.id)],
        status="preliminary" if reading else "registered",
        category=[_IMAGING],
        code=_PROBABILITY,
        subject=_subject(study),
        effectiveDateTime=acquisition_time(study) or study.study_date,
        issued=reading.created if reading else None,
        valueQuantity=_value(reading),
        dataAbsentReason=_data_absent_reason(reading),
        interpretation=_interpretation(reading, point),
        note=[Annotation(text=escape(note, quote=False)) for note in _notes(image)],  # Markdown
        bodySite=_LUNG,
        device=device,
    )


def _probability(reading: StoredReading | None) -> float | None:
    if reading is None or reading.status not in (Status.READ, Status.FLAGGED):
        return None
    return reading.probability


def _finding(reading: StoredReading | None, point: str) -> Finding | None:
    if reading is None or _probability(reading) is None:
        return None
    if point not in reading.findings:
        raise ClinicError(
            f"the bundle {reading.bundle} has no operating point {point!r}; use one of "
            f"{', '.join(reading.findings)}"
        )
    return Finding(reading.findings[point])


def _value(reading: StoredReading | None) -> Quantity | None:
    probability = _probability(reading)
    if probability is None:
        return None
    value = Decimal(str(round(probability, 6)))
    return Quantity(value=value, system="http://unitsofmeasure.org", code="1")  # unity, in UCUM


def _data_absent_reason(reading: StoredReading | None) -> CodeableConcept | None:
    if _probability(reading) is not None:
        return None
    reason = _DATA_ABSENT_REASONS[Status(reading.status) if reading else None]
    return _concept(f"{_HL7}/data-absent-reason", *reason)


def _interpretation(reading: StoredReading | None, point: str) -> list[CodeableConcept] | None:
    finding = _finding(reading, point)
    if reading is None or finding is None:
        return None
    code, display = _INTERPRETATIONS[finding]
    text = f"{_words(reading, finding, point)} at the operating point {point}"
    return [_concept(f"{_HL7}/v3-ObservationInterpretation", code, display, text)]


def _reading_text(reading: StoredReading | None, study: Study, point: str) -> str:
    if reading is None:
        return "not read yet"
    reasons = "; ".join(_reasons(reading))
    finding, probability = _finding(reading, point), _probability(reading)
    if finding is None or probability is None:
        return f"not read: {reasons}"
    text = (
        f"{_words(reading, finding, point)} at the operating point {point}, probability "
        f"{format_probability(probability)}"
    )
    if point == reading.operating_point and finding is not Finding.UNCERTAIN:
        meaning = reading.post_test(study.site.prevalence) or UNKNOWN_MEANING.removesuffix(".")
        text += f" ({str(meaning)[0].lower()}{str(meaning)[1:]})"
    return f"{text}; reasons for doubt: {reasons}" if reasons else text


def _words(reading: StoredReading, finding: Finding, point: str) -> str:
    return describe_finding(finding, low_confidence=point in reading.low_confidence)


def _reasons(reading: StoredReading) -> list[str]:
    if reading.status == Status.FAILED:
        return ["reading it failed"]
    return _unique_texts(reading.reasons)


def _notes(image: Image) -> Iterator[str]:
    if uid := _printable(image.sop_uid):
        yield f"SOP Instance UID {uid}"
    reading = image.reading
    if reading is not None:
        failed = reading.status == Status.FAILED  # its findings may quote the file
        messages = [] if failed else [issue["message"] for issue in reading.quality]
        yield from _unique_texts([*_reasons(reading), *messages])


def _subject(study: Study) -> Reference | None:
    """Return the patient's identifier, with the issuer that tells those of two hospitals apart."""
    patient, issuer = _printable(study.patient_id), _printable(study.patient_id_issuer)
    if not patient:
        return None
    assigner = Reference(display=issuer) if issuer else None
    return Reference(type="Patient", identifier=Identifier(value=patient, assigner=assigner))


def _service_request(study: Study) -> list[Reference]:
    """Return the request with the accession number, by which hospitals file reports."""
    if number := _printable(study.accession):
        identifier = Identifier(type=_ACCESSION, value=number)
        return [Reference(type="ServiceRequest", identifier=identifier)]
    return []


def _imaging_study(study: Study) -> list[Reference]:
    """Return the study in the archive, identified as in the notes of R4's ImagingStudy."""
    if uid := _printable(study.study_uid):
        identifier = Identifier(system="urn:dicom:uid", value=f"urn:oid:{uid}")
        return [Reference(type="ImagingStudy", identifier=identifier)]
    return []


def _uuid(row_id: str) -> str:
    return str(UUID(hex=row_id))


def _identifier(row_id: str) -> Identifier:
    """Return an identifier, which stays when a server gives the resource an id of its own."""
    return Identifier(system="urn:ietf:rfc:3986", value=f"urn:uuid:{_uuid(row_id)}")


def _narrative(paragraphs: Iterable[str]) -> Narrative:
    """Return the text that R4 recommends for every resource (rule dom-6)."""
    body = "".join(f"<p>{escape(_printable(paragraph))}</p>" for paragraph in paragraphs)
    div = f'<div xmlns="http://www.w3.org/1999/xhtml">{body}</div>'
    return Narrative(status="generated", div=div)


def _unique_texts(texts: Iterable[str]) -> list[str]:
    """Return each text once, without empty ones."""
    return [text for text in dict.fromkeys(map(_printable, texts)) if text]


def _printable(text: str | None) -> str:
    """Return a text without characters that FHIR strings and XML do not allow, such as NUL."""
    printable = (character if character.isprintable() else " " for character in text or "")
    return "".join(printable).strip()
