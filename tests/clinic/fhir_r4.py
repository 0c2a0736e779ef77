"""Definitions of FHIR R4 (4.0.1) that the export is held to."""

HL7 = "http://terminology.hl7.org/CodeSystem"
PROJECT = "https://pneumoscope.org/fhir/CodeSystem/reading"

# Elements of R4 (4.0.1) in use, as its pages define them: "!" is required, "*" repeats.
ELEMENTS = {
    "Bundle": "resourceType!:code type!:code timestamp:instant entry*:entry",
    "entry": "fullUrl:uri resource:Resource",
    "DiagnosticReport": (
        "resourceType!:code id:id text:Narrative identifier*:Identifier basedOn*:Reference "
        "status!:code category*:CodeableConcept code!:CodeableConcept subject:Reference "
        "effectiveDateTime:dateTime issued:instant result*:Reference imagingStudy*:Reference "
        "conclusion:string conclusionCode*:CodeableConcept"
    ),
    "Observation": (
        "resourceType!:code id:id text:Narrative identifier*:Identifier status!:code "
        "category*:CodeableConcept code!:CodeableConcept subject:Reference "
        "effectiveDateTime:dateTime issued:instant valueQuantity:Quantity "
        "dataAbsentReason:CodeableConcept interpretation*:CodeableConcept note*:Annotation "
        "bodySite:CodeableConcept device:Reference"
    ),
    "Narrative": "status!:code div!:xhtml",
    "Identifier": "type:CodeableConcept system:uri value:string",
    "Reference": "reference:string type:uri identifier:Identifier display:string",
    "CodeableConcept": "coding*:Coding text:string",
    "Coding": "system:uri code:code display:string",
    "Quantity": "value:decimal system:uri code:code",
    "Annotation": "text!:markdown",
}
PRIMITIVES = {
    "code": r"[^\s]+(\s[^\s]+)*",
    "dateTime": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)",
    "decimal": r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?",
    "id": r"[A-Za-z0-9\-.]{1,64}",
    "instant": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)",
    "markdown": r"[\r\n\t\x20-\uD7FF\uE000-\U0010FFFF]+",
    "string": r"[\r\n\t\x20-\uD7FF\uE000-\U0010FFFF]+",
    "uri": r"\S+",
    "xhtml": r"<div xmlns=\"http://www.w3.org/1999/xhtml\">.+</div>",
}
REPORT_STATUS = (
    "registered partial preliminary final amended corrected appended cancelled entered-in-error "
    "unknown"
)
OBSERVATION_STATUS = (
    "registered preliminary final amended corrected cancelled entered-in-error unknown"
)
CODES = {
    "Bundle.type": "document message transaction transaction-response batch batch-response history "
    "searchset collection",
    "DiagnosticReport.status": REPORT_STATUS,
    "Observation.status": OBSERVATION_STATUS,
    "Narrative.status": "generated extensions additional empty",
}
# Value sets that R4 binds; of LOINC and SNOMED CT, which are bound whole, the codes in use.
VALUE_SETS = {
    "DiagnosticReport.category": (
        f"{HL7}/v2-0074",
        "AU BG BLB CG CH CP CT CTH CUS EC EN GE HM ICU IMM LAB MB MCB MYC NMR NMS NRS OSL OT OTH "
        "OUS PF PHR PHY PT RAD RC RT RUS RX SP SR TX VR VUS XRC",
    ),
    "DiagnosticReport.code": ("http://loinc.org", "30745-4"),
    "DiagnosticReport.conclusionCode": ("http://snomed.info/sct", "233604007"),
    "Observation.category": (
        f"{HL7}/observation-category",
        "social-history vital-signs imaging laboratory procedure survey exam therapy activity",
    ),
    "Observation.code": (PROJECT, "pneumonia-probability"),  # only an example binding
    "Observation.bodySite": ("http://snomed.info/sct", "39607008"),
    "Observation.dataAbsentReason": (
        f"{HL7}/data-absent-reason",
        "unknown asked-unknown temp-unknown not-asked asked-declined masked not-applicable "
        "unsupported as-text error not-a-number negative-infinity positive-infinity not-performed "
        "not-permitted",
    ),
    "Observation.interpretation": (
        f"{HL7}/v3-ObservationInterpretation",
        "CAR B D U W < > IE A AA HH LL H HU L LU N I NCL NS R SYN-R S SDD SYN-S EX HX LX IND E NEG "
        "ND POS DET EXP UNE NR RR WR",
    ),
    "Identifier.type": (
        f"{HL7}/v2-0203",
        "DL PPN BRN MR MCN EN TAX NIIP PRN MD DR ACSN UDI SNO SB PLAC FILL JHN",
    ),
}
DISPLAYS = {
    "RAD": "Radiology",
    "LP29684-5": "Radiology",
    "30745-4": "XR Chest Views",
    "233604007": "Pneumonia",
    "39607008": "Lung structure",
    "imaging": "Imaging",
    "ACSN": "Accession ID",
    "POS": "Positive",
    "NEG": "Negative",
    "IND": "Indeterminate",
    "temp-unknown": "Temporarily Unknown",
    "not-performed": "Not Performed",
    "error": "Error",
    "pneumonia-probability": "Probability of pneumonia",
}
TARGETS = {
    "DiagnosticReport.basedOn": {"CarePlan", "MedicationRequest", "ServiceRequest"},
    "DiagnosticReport.subject": {"Patient", "Group", "Device", "Location"},
    "DiagnosticReport.result": {"Observation"},
    "DiagnosticReport.imagingStudy": {"ImagingStudy"},
    "Observation.subject": {"Patient", "Group", "Device", "Location"},
    "Observation.device": {"Device", "DeviceMetric"},
}
