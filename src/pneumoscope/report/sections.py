"""Sections of the report pages: the field's terms, their plain words, and their order."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Section:
    """Heading of a section: the field's term, and what the section answers in plain words."""

    term: str
    plain: str


SECTIONS: Mapping[str, Section] = MappingProxyType(
    {
        "conclusion": Section("Conclusion", "the result in a few sentences"),
        "comparison": Section("Model comparison", "which model does best, and by how much"),
        "discrimination": Section(
            "Discrimination", "how well it ranks pneumonia above no pneumonia"
        ),
        "accuracy": Section("Diagnostic accuracy", "who is called ill, and how often rightly"),
        "second_reader": Section("Second reader", "how it compares with another person's reading"),
        "calibration": Section("Calibration", "whether its probabilities come true"),
        "utility": Section("Clinical utility", "what acting on it gains and costs"),
        "subgroups": Section("Subgroups", "whether it works alike for everyone"),
        "label_errors": Section("Label errors", "labels that may be wrong"),
        "shortcuts": Section("Shortcuts", "performance without the lungs"),
        "robustness": Section("Robustness", "performance on altered images"),
        "false_negatives": Section("False negatives", "pneumonia that it missed"),
        "false_positives": Section("False positives", "no pneumonia, but called ill"),
        "leakage": Section("Leakage", "evaluated images among the training images"),
        "training": Section("Training", "each model's layers, and how it learned"),
        "data": Section("Data", "the radiographs behind the numbers"),
        "methods": Section("Methods", "how the numbers were computed"),
    }
)
"""Sections by name, in the order in which every report has those that apply to it."""
