"""Tables in Markdown."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.report import Spread, Table, publish


def test_markdown_has_a_line_for_each_row_and_a_dash_for_a_missing_value() -> None:
    rows = [
        {"model": "a", "n": 1200, "seconds": 0.123456, "recall": Spread.of([0.5, 0.9, 0.7])},
        {"model": "b", "n": 3, "seconds": 1234.5, "recall": None},
    ]
    assert Table("Models", rows, "A note.").markdown() == (
        "## Models\n\n"
        "| model | n | seconds | recall |\n"
        "| --- | --- | --- | --- |\n"
        "| a | 1,200 | 0.123 | 0.700 (0.500–0.900) |\n"
        "| b | 3 | 1,234 | – |\n\n"
        "A note."
    )


def test_a_table_is_kept_when_the_next_one_fails(tmp_path: Path) -> None:
    def tables() -> Iterator[Table]:
        yield Table("Warm", [{"ms": 8}])
        raise RuntimeError("no disk space")

    with pytest.raises(RuntimeError, match="no disk space"):
        publish("reading", tables(), tmp_path)
    content = json.loads((tmp_path / "reading.json").read_text())
    assert [table["title"] for table in content["tables"]] == ["Warm"]
    assert "| 8 |" in (tmp_path / "reading.md").read_text()
