"""What all report pages have in common: their sections, and the names of their intervals."""

import json
import re
from pathlib import Path

import pytest

REPORTS = ("report", "evaluation", "validation")

SECTIONS = (
    ("Conclusion", "the result in a few sentences"),
    ("Model comparison", "which model does best, and by how much"),
    ("Discrimination", "how well it ranks pneumonia above no pneumonia"),
    ("Diagnostic accuracy", "who is called ill, and how often rightly"),
    ("Second reader", "how it compares with another person's reading"),
    ("Calibration", "whether its probabilities come true"),
    ("Clinical utility", "what acting on it gains and costs"),
    ("Subgroups", "whether it works alike for everyone"),
    ("Label errors", "labels that may be wrong"),
    ("Shortcuts", "performance without the lungs"),
    ("Robustness", "performance on altered images"),
    ("False negatives", "pneumonia that it missed"),
    ("False positives", "no pneumonia, but called ill"),
    ("Leakage", "evaluated images among the training images"),
    ("Training", "each model's layers, and how it learned"),
    ("Data", "the radiographs behind the numbers"),
    ("Methods", "how the numbers were computed"),
)
IN_EVERY_REPORT = {
    *("Conclusion", "Discrimination", "Diagnostic accuracy", "Calibration", "Clinical utility"),
    *("Subgroups", "Methods"),
}
ERRORS = {"False negatives", "False positives"}

INTERVAL = re.compile(r"\d to −?\d")


def text_of(markup: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", markup)).replace("&#39;", "'")


@pytest.mark.parametrize("name", REPORTS)
def test_sections_have_the_same_words_in_the_same_order(pages: dict[str, Path], name: str) -> None:
    found = re.findall(
        r'<h[23]>([^<:]+)(?:: [^<]*)? <small class="plain">([^<]+)</small>', pages[name].read_text()
    )
    headings = list(dict.fromkeys((term, text_of(plain)) for term, plain in found))
    assert headings == [section for section in SECTIONS if section in headings]
    terms = {term for term, _ in headings}
    assert terms >= IN_EVERY_REPORT
    # The evaluation's main model is a Run, whose images are not read.
    assert terms >= ERRORS or name == "evaluation"


@pytest.mark.parametrize("name", REPORTS)
def test_every_table_with_intervals_names_them(pages: dict[str, Path], name: str) -> None:
    page = pages[name].read_text()
    tables = list(re.finditer(r"<table.*?</table>", page, re.DOTALL))
    with_intervals = 0
    for table in tables:
        caption, cells = re.fullmatch(
            r".*?<caption>(.*?)</caption>(.*)", table[0], re.DOTALL
        ).groups()
        if not any(INTERVAL.search(cell) for cell in re.findall(r"<small>(.*?)</small>", cells)):
            continue
        with_intervals += 1
        if caption.startswith("Data: "):  # a figure's, whose caption is before it
            before = page[: table.start()]
            caption = before[before.rindex("<figcaption>") :]
        named = re.search(r"95 % interval: [\w ,'()-]+ by (patient|image)", text_of(caption))
        assert named, text_of(caption)
    assert with_intervals >= 5


def test_the_auc_has_one_interval(pages: dict[str, Path]) -> None:
    """The JSON has DeLong's too; a page with two of them leaves the reader to choose."""
    page = text_of(pages["evaluation"].read_text())
    content = json.loads((pages["evaluation"].parent / "evaluation.json").read_text())
    for model in content["models"]:
        bootstrap, delong = (
            " to ".join(f"{end:.3f}" for end in model[key]) for key in ("auc_ci", "auc_delong_ci")
        )
        assert bootstrap != delong
        assert bootstrap in page
        assert f"{model['auc']:.3f} {delong}" not in page
        assert f"{model['auc']:.3f} ({delong})" not in page
