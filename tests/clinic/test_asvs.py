"""What the list of OWASP ASVS gives as evidence is there."""

import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
CLINIC = CHECKOUT / "src" / "pneumoscope" / "clinic"
ROWS = [
    [cell.strip() for cell in line.strip("|\n").split("|")]
    for line in (CHECKOUT / "docs" / "asvs.md").read_text().splitlines()
    if re.match(r"\| \d", line)
]
STATES = {"met", "not met", "not applicable", "operator"}


def test_every_row_has_a_state_and_no_requirement_is_there_twice() -> None:
    assert {state for _, _, state, _ in ROWS} == STATES
    numbers = [number for number, *_ in ROWS]
    assert len(set(numbers)) == len(numbers) > 200


@pytest.mark.parametrize("evidence", sorted({row[3] for row in ROWS}))
def test_the_evidence_is_there(evidence: str) -> None:
    tests = "".join(path.read_text() for path in (CHECKOUT / "tests").rglob("test_*.py"))
    for name in re.findall(r"`([^`]+)`", evidence):
        if name.startswith("test_"):
            assert f"def {name}(" in tests, name
        elif re.search(r"[/.]\w", name) and " " not in name and not name.startswith("/"):
            assert (CLINIC / name).exists() or (CHECKOUT / name).exists(), name
