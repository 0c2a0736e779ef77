"""Tables in Markdown."""

from benchmarks.report import Spread, Table


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
