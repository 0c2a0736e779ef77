"""The readings of a study as FHIR R4: a DiagnosticReport, and an Observation for each image.

They come as a Bundle of the type collection, not as one report that contains its observations: R4
keeps containment for what has no identity of its own, and servers do not find what is contained
when they search. Ids are those of study and image in the clinic's database, so a report that is
made again replaces the one before. A client stores the entries one by one, or at once in a
transaction, once it has given each a request.

A report is ``partial``, in R4 one whose data "may be incomplete or unverified", and ``registered``
until an image is read. It is never ``preliminary``, which for a report means "verified early
results", nor ``final``, not even when a clinician has reviewed the study: the review may disagree,
and the final report is the clinician's own. For an observation ``preliminary`` includes unverified.

LOINC has no code for a probability of pneumonia: the observations have one of this project's own
code system, and say in words what it is.

fhir.resources has models of R4B, not of R4. Of the resources and data types used here, R4B changed
only what a subject may be (https://hl7.org/fhir/R4B/diff.html), and ours is a Patient in both. The
models check neither codes nor value sets: the tests do.
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
from pneumoscope.reader.reading import Finding, Status, percent
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
        Coding(system=_LOINC, code="LP29684-5", display="Radiology"),  # what US Core looks for
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
    "Probability that the radiograph shows pneumonia, as a machine reads it",
)

_FINDINGS = {
    Finding.PNEUMONIA: ("POS", "Positive", "pneumonia suspected"),
    Finding.UNCERTAIN: ("IND", "Indeterminate", "uncertain"),
    Finding.NORMAL: ("NEG", "Negative", "no sign of pneumonia"),
}
_ABSENCES: Mapping[Status | None, tuple[str, str]] = {
    None: ("temp-unknown", "Temporarily Unknown"),
    Status.REJECTED: ("not-performed", "Not Performed"),
    Status.FAILED: ("error", "Error"),
}
_CAUTION = (
    "Read by a machine, for signs of pneumonia alone; this is not a diagnosis, and a clinician has "
    "to confirm it."
)


def diagnostic_report(study: Study, operating_point: str, issued: datetime) -> str:
    """Return what was read on a study's images as a FHIR R4 Bundle.

    The patient is named by the identifier alone, where it is known, and without a system, for who
    gave it is not known. Name, birth date and sex are left out; so are names of files and the
    reasons of readings that failed, which may quote them. Whether a site's readings may be shown
    at all is for the caller to ask.

    Parameters
    ----------
    study
        With its images and their readings.
    operating_point
        At which findings are made.
    issued
        When this report is made, with its time zone.

    Returns
    -------
    str
        JSON, of the media type `MEDIA_TYPE`; the DiagnosticReport comes first.

    Raises
    ------
    ClinicError
        If an image was read with a bundle that has no such operating point.
    ValueError
        If a moment has no time zone.

    References
    ----------
    HL7 FHIR Release 4 (4.0.1), DiagnosticReport and Observation, https://hl7.org/fhir/R4

    Examples
    --------
    >>> import json
    >>> from datetime import UTC
    >>> reading = StoredReading(
    ...     created=datetime(2026, 1, 1, 12, 0, tzinfo=UTC), bundle="compact-1", status="read",
    ...     probability=0.97, findings={"screening": "pneumonia"}, reasons=[], quality=[],
    ... )
    >>> study = Study(id="0" * 32, images=[Image(id="1" * 32, reading=reading)])
    >>> text = diagnostic_report(study, "screening", datetime(2026, 1, 1, 12, 5, tzinfo=UTC))
    >>> report, observation = [entry["resource"] for entry in json.loads(text)["entry"]]
    >>> report["conclusionCode"][0]["coding"][0]["display"], observation["valueQuantity"]["value"]
    ('Pneumonia', 0.97)
    """
    observations = [_observation(image, study, operating_point) for image in study.images]
    resources = [_report(study, operating_point, issued), *observations]
    entries = [BundleEntry(fullUrl=f"urn:uuid:{one.id}", resource=one) for one in resources]
    return Bundle(type="collection", timestamp=issued, entry=entries).model_dump_json()


def _report(study: Study, point: str, issued: datetime) -> DiagnosticReport:
    images = study.images
    findings = [_finding(image.reading, point) for image in images]
    sentences = [
        f"Image {number} of {len(images)}: {_in_words(image.reading, point)}."
        for number, image in enumerate(images, start=1)
    ]
    return DiagnosticReport(
        id=_uuid(study.id),
        text=_narrative([_CAUTION, *sentences]),
        identifier=[_identifier(study.id)],
        basedOn=_order(study),
        status="partial" if any(image.reading for image in images) else "registered",
        category=[_RADIOLOGY],
        code=_CHEST_RADIOGRAPH,
        subject=_subject(study),
        effectiveDateTime=study.acquired,
        issued=issued,
        result=[Reference(reference=f"urn:uuid:{_uuid(image.id)}") for image in images],
        imagingStudy=_imaging_study(study),
        conclusion=" ".join([_CAUTION, *sentences]),
        conclusionCode=[_PNEUMONIA] if Finding.PNEUMONIA in findings else None,
    )


def _observation(image: Image, study: Study, point: str) -> Observation:
    reading = image.reading
    machine = Reference(type="Device", display=f"pneumoscope {reading.bundle}") if reading else None
    return Observation(
        id=_uuid(image.id),
        text=_narrative([_CAUTION, f"Image: {_in_words(reading, point)}."]),
        identifier=[_identifier(image.id)],
        status="preliminary" if reading else "registered",
        category=[_IMAGING],
        code=_PROBABILITY,
        subject=_subject(study),
        effectiveDateTime=study.acquired,
        issued=reading.created if reading else None,
        valueQuantity=_value(reading),
        dataAbsentReason=_absence(reading),
        interpretation=_interpretation(reading, point),
        note=[Annotation(text=escape(one, quote=False)) for one in _remarks(image)],  # Markdown
        bodySite=_LUNG,
        device=machine,
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
            f"the bundle {reading.bundle} has no operating point {point!r}; choose one of "
            f"{', '.join(reading.findings)}"
        )
    return Finding(reading.findings[point])


def _value(reading: StoredReading | None) -> Quantity | None:
    probability = _probability(reading)
    if probability is None:
        return None
    value = Decimal(str(round(probability, 6)))
    return Quantity(value=value, system="http://unitsofmeasure.org", code="1")  # UCUM's unity


def _absence(reading: StoredReading | None) -> CodeableConcept | None:
    if _probability(reading) is not None:
        return None
    reason = _ABSENCES[Status(reading.status) if reading else None]
    return _concept(f"{_HL7}/data-absent-reason", *reason)


def _interpretation(reading: StoredReading | None, point: str) -> list[CodeableConcept] | None:
    finding = _finding(reading, point)
    if finding is None:
        return None
    code, display, words = _FINDINGS[finding]
    text = f"{words} at the operating point {point}"
    return [_concept(f"{_HL7}/v3-ObservationInterpretation", code, display, text)]


def _in_words(reading: StoredReading | None, point: str) -> str:
    if reading is None:
        return "not read yet"
    reasons = "; ".join(_reasons(reading))
    finding, probability = _finding(reading, point), _probability(reading)
    if finding is None or probability is None:
        return f"not read: {reasons}"
    *_, words = _FINDINGS[finding]
    said = f"{words} at the operating point {point}, probability {percent(probability)}"
    return f"{said}; reasons for doubt: {reasons}" if reasons else said


def _reasons(reading: StoredReading) -> list[str]:
    return ["reading it failed"] if reading.status == Status.FAILED else _texts(reading.reasons)


def _remarks(image: Image) -> Iterator[str]:
    if uid := _plain(image.sop_uid):
        yield f"SOP Instance UID {uid}"
    if image.reading is not None:
        found = [finding["message"] for finding in image.reading.quality]
        yield from _texts([*_reasons(image.reading), *found])


def _subject(study: Study) -> Reference | None:
    patient = _plain(study.patient_id)
    return Reference(type="Patient", identifier=Identifier(value=patient)) if patient else None


def _order(study: Study) -> list[Reference]:
    """Return the request with the accession number, by which a hospital files a report."""
    if number := _plain(study.accession):
        identifier = Identifier(type=_ACCESSION, value=number)
        return [Reference(type="ServiceRequest", identifier=identifier)]
    return []


def _imaging_study(study: Study) -> list[Reference]:
    """Return the study in the archive; how, see R4, ImagingStudy, implementation notes."""
    if uid := _plain(study.study_uid):
        identifier = Identifier(system="urn:dicom:uid", value=f"urn:oid:{uid}")
        return [Reference(type="ImagingStudy", identifier=identifier)]
    return []


def _uuid(ours: str) -> str:
    return str(UUID(hex=ours))


def _identifier(ours: str) -> Identifier:
    """Return what stays the same when a server gives the resource an id of its own."""
    return Identifier(system="urn:ietf:rfc:3986", value=f"urn:uuid:{_uuid(ours)}")


def _narrative(paragraphs: Iterable[str]) -> Narrative:
    """Return the text that R4 recommends for every resource (rule dom-6)."""
    body = "".join(f"<p>{escape(_plain(one))}</p>" for one in paragraphs)
    div = f'<div xmlns="http://www.w3.org/1999/xhtml">{body}</div>'
    return Narrative(status="generated", div=div)


def _texts(texts: Iterable[str]) -> list[str]:
    """Return each text once, without those that say nothing."""
    return [one for one in dict.fromkeys(map(_plain, texts)) if one]


def _plain(text: str | None) -> str:
    """Return a text without what neither a FHIR string nor XML may hold, such as NUL."""
    return "".join(one if one.isprintable() else " " for one in text or "").strip()
