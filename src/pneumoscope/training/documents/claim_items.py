"""Items of the CLAIM 2024 checklist, summarised."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Item:
    """Item of the checklist, by its published number from 1 to 44 and the report's section.

    The text to write is what a person has to add because no Run records it; it may be empty.
    """

    number: int
    section: str
    request: str
    to_write: str


_SECTIONS: dict[str, tuple[tuple[str, str], ...]] = {
    "Title and abstract": (
        ("Title names AI and its technology", "a title that names deep learning and the task"),
        ("Structured abstract", "design, methods, results and conclusions in a structured summary"),
    ),
    "Introduction": (
        ("Background and intended role", "the clinical question, and the reader's role in care"),
        ("Aims and hypotheses", "the aims, and what was expected"),
    ),
    "Methods: study design": (
        ("Prospective or retrospective", "whether data came before or after the study's plan"),
        ("Goal of the study", "what the model is to be used for"),
    ),
    "Methods: data": (
        ("Sources of data", "where the images come from, with links, and their licence"),
        ("Inclusion and exclusion", "how, where and when patients came to be included"),
        ("Preprocessing", ""),
        ("Selection of subsets", "whether a part of the data was selected, by whom and how"),
        ("De-identification", "how patients' identities were removed"),
        ("Missing data", "how missing clinical data were handled"),
        ("Image acquisition", "scanners, views and exposure of the radiographs"),
    ),
    "Methods: reference standard": (
        ("Definition of the reference standard", "how it was decided which radiograph shows what"),
        ("Why this reference standard", "the reason for it, and its known errors"),
        ("Who annotated", "who read the radiographs, and with what training"),
        ("Annotation of the test set", "how and with what tools the test images were labelled"),
        (
            "Variability between annotators",
            "how often annotators agreed, and what settled disputes",
        ),
    ),
    "Methods: partitions and size": (
        ("Assignment to partitions", "who fixed the test split, and why these proportions"),
        ("Level of disjointness", ""),
        ("Intended sample size", "how the size of the test set was determined"),
    ),
    "Methods: model": (
        ("Model", ""),
        ("Software", ""),
        ("Initial parameters", ""),
    ),
    "Methods: training": (
        ("Training", ""),
        ("Choice of the final model", "how this model was chosen among others, if it was"),
        ("Ensembling", ""),
    ),
    "Methods: evaluation": (
        ("Metrics", "why these metrics fit the clinical question"),
        ("Uncertainty and significance", "tests of significance, if models are compared"),
        ("Robustness", "results under changes of images and population"),
        ("Explainability", "how the network's reasons were shown, and whether that was checked"),
        ("Testing on internal data", ""),
        ("Testing on external data", "results at another institution, or why there are none"),
        ("Trial registration", "the registration, if this is a clinical trial"),
    ),
    "Results: data": (
        ("Included and excluded", "a diagram of the flow of patients"),
        ("Characteristics per partition", "age, sex and disease of the patients in each split"),
    ),
    "Results: performance": (
        ("Performance with uncertainty", "how that compares with other readers"),
        ("Diagnostic accuracy", "what it would be at other prevalences"),
        ("Failure analysis", "what the wrongly read radiographs have in common"),
    ),
    "Discussion": (
        ("Limitations", "biases, and limits of generalisation"),
        ("Implications for practice", "how care would change, and what argues against it"),
    ),
    "Other information": (
        ("Protocol or technical details", "the study's protocol, if there is one"),
        ("Availability", "where software, model and data are available, and on what terms"),
        ("Funding", "funders and their role"),
    ),
}

ITEMS: tuple[Item, ...] = tuple(
    Item(number, section, request, to_write)
    for number, (section, request, to_write) in enumerate(
        ((section, *item) for section, items in _SECTIONS.items() for item in items), start=1
    )
)
"""Items in the order and with the numbers as published."""
