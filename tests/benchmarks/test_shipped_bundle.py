"""Tables of the shipped bundle's performance, from the JSON of `evaluate` and `validate`."""

import pytest

from benchmarks.shipped_bundle import RATES, main, make_tables


def estimate(name: str, value: float) -> dict[str, object]:
    return {name: value, f"{name}_ci": [value - 0.1, value + 0.1]}


def model(auc: float) -> dict[str, object]:
    rates = {key: value for rate in RATES for key, value in estimate(rate, 0.8).items()}
    points = [{"name": name, "threshold": 0.5} | rates for name in ("screening", "balanced")]
    subtype = {"column": "subtype", "value": "virus", "positives": 3} | estimate("auc", 0.7)
    return {
        "source": "a bundle on a test split",
        "n": 10,
        "positives": 4,
        "patients": 9,
        "operating_points": points,
        "calibration": estimate("slope", 1.0) | estimate("intercept", -0.5),
        "subgroups": [subtype, subtype | {"value": "normal", "positives": 0}],
    } | estimate("auc", auc)


def test_tables_show_the_estimates_of_both_groups() -> None:
    point = {"strength": 0} | estimate("sensitivity", 0.9) | estimate("specificity", 0.6)
    stress_tests = {
        "shortcuts": {"conditions": [{"condition": "unchanged"} | estimate("auc", 0.85)]},
        "robustness": [{"name": "blur", "unit": "sigma", "points": [point]}],
    }
    test = {"models": [model(0.9)], "stress_tests": stress_tests}
    tables = {table.title: table.rows for table in make_tables(test, model(0.6))}
    assert tables["In brief"][0] == {
        "metric": "AUC",
        "test split": "0.900 (0.800 to 1.000)",
        "NIH adults": "0.600 (0.500 to 0.700)",
    }
    assert tables["Operating points, NIH adults"][1]["ppv"] == "0.800 (0.700 to 0.900)"
    assert tables["Calibration"][0]["intercept"] == "−0.500 (−0.600 to −0.400)"
    assert [row["subtype"] for row in tables["Subtypes"]] == ["virus"]
    assert tables["Parts of the images"][0]["AUC"] == "0.850 (0.750 to 0.950)"
    assert tables["Robustness at screening"][0]["specificity"] == "0.600 (0.500 to 0.700)"


def test_the_smallest_version_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would read the test split, and overwrite the measured results by those of a trial."""
    monkeypatch.setattr("benchmarks.shipped_bundle._run_command", None)
    monkeypatch.setattr("sys.argv", ["shipped_bundle", "--smallest"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "leave out --smallest" in capsys.readouterr().err
