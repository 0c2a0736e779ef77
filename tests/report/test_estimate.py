import pytest
from pydantic import TypeAdapter

from pneumoscope.report.estimate import Estimate, format_number


@pytest.mark.parametrize(
    ("estimate", "spec", "text"),
    [
        (Estimate(0.91, 0.88, 0.94), "", "0.910 (0.880 to 0.940)"),
        (Estimate(-0.012, -0.04, 0.02), "", "−0.012 (−0.040 to 0.020)"),
        (Estimate(34.56, 12.3, 1234.5), "", "34.6 (12.3 to 1,234.5)"),
        (Estimate(34.56, 12.3, 1234.5), ".0f", "35 (12 to 1234)"),
        (Estimate(0.5), "", "0.500"),
        (Estimate(None), "", "undefined"),
    ],
)
def test_an_estimate_is_written_with_its_interval(estimate, spec, text):
    assert format(estimate, spec) == text
    if not spec:
        assert str(estimate) == text


def test_an_estimate_without_interval_has_none():
    assert Estimate(0.5).interval is None
    assert Estimate(0.5).interval_text() == ""
    assert Estimate(0.5, 0.25, 0.75).interval == (0.25, 0.75)


def test_numbers_are_written_so_that_they_cannot_be_misread():
    assert [format_number(value) for value in (None, 9.9999, 10, -1e6)] == [
        "–",
        "10.000",
        "10.0",
        "−1,000,000.0",
    ]


def test_settings_and_answers_hold_an_estimate_as_three_numbers():
    adapter = TypeAdapter(Estimate)
    assert adapter.dump_python(Estimate(0.9, 0.8, 1.0)) == {"value": 0.9, "low": 0.8, "high": 1.0}
    assert adapter.validate_python({"value": 0.9, "low": None, "high": None}) == Estimate(0.9)
