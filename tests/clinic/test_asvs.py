"""The ASVS assessment and the threat model: complete, and their evidence exists."""

import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
CLINIC = CHECKOUT / "src" / "pneumoscope" / "clinic"
ROWS = [
    [cell.strip() for cell in line.strip("|\n").split("|")]
    for line in (CHECKOUT / "docs" / "reference" / "asvs.md").read_text().splitlines()
    if re.match(r"\| \d", line)
]
STATES = {"met", "not met", "not applicable", "operator"}

# As in the release, github.com/OWASP/ASVS, 4.0/docs_en, at commit 0b032af.
LEVELS_1_AND_2 = """
1.1.1-7 1.2.1-4 1.4.1 1.4.4-5 1.5.1-4 1.6.1-4 1.7.1-2 1.8.1-2 1.9.1-2 1.10.1 1.11.1-2 1.12.2
1.14.1-6 2.1.1-12 2.2.1-3 2.3.1-3 2.4.1-5 2.5.1-7 2.6.1-3 2.7.1-6 2.8.1-7 2.9.1-3 2.10.1-4 3.1.1
3.2.1-4 3.3.1-4 3.4.1-5 3.5.1-3 3.7.1 4.1.1-3 4.1.5 4.2.1-2 4.3.1-3 5.1.1-5 5.2.1-8 5.3.1-10
5.4.1-3 5.5.1-4 6.1.1-3 6.2.1-6 6.3.1-2 6.4.1-2 7.1.1-4 7.2.1-2 7.3.1 7.3.3-4 7.4.1-3 8.1.1-4
8.2.1-3 8.3.1-8 9.1.1-3 9.2.1-4 10.2.1-2 10.3.1-3 11.1.1-8 12.1.1-3 12.2.1 12.3.1-6 12.4.1-2
12.5.1-2 12.6.1 13.1.1 13.1.3-5 13.2.1-3 13.2.5-6 13.3.1-2 13.4.1-2 14.1.1-4 14.2.1-6 14.3.2-3
14.4.1-7 14.5.1-4
"""


def expand(numbers: str) -> list[str]:
    """Return the numbers of a range: 1.2.3-5, or 1.2.3–1.2.5."""
    first, _, last = re.sub("–.*[.]", "-", numbers).partition("-")
    section, _, begin = first.rpartition(".")
    return [f"{section}.{number}" for number in range(int(begin), int(last or begin) + 1)]


def test_every_requirement_of_levels_1_and_2_is_listed_once() -> None:
    listed = [number for numbers, *_ in ROWS for number in expand(numbers)]
    assert listed == [number for numbers in LEVELS_1_AND_2.split() for number in expand(numbers)]


def test_every_row_has_a_state() -> None:
    assert {state for _, _, state, _ in ROWS} == STATES


MODEL = (CHECKOUT / "docs" / "explanation" / "threat-model.md").read_text().splitlines()


@pytest.mark.parametrize("evidence", sorted({row[3] for row in ROWS} | set(MODEL)))
def test_the_cited_evidence_exists(evidence: str) -> None:
    tests = "".join(path.read_text() for path in (CHECKOUT / "tests").rglob("test_*.py"))
    for name in re.findall(r"`([^`]+)`", evidence):
        if name.startswith("test_"):
            assert f"def {name}(" in tests, name
        elif re.search(r"[/.]\w", name) and " " not in name and not name.startswith("/"):
            assert (CLINIC / name).exists() or (CHECKOUT / name).exists(), name
