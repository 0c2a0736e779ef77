"""Tables of the shipped bundle's performance, from the JSON of `evaluate`."""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.second_reader import convert_expert_table
from benchmarks.shipped_bundle import RATES, make_tables
from pneumoscope.evaluation.second_reader import SecondReader
from pneumoscope.reader import find_bundle


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
        "second_reader": None,
    } | estimate("auc", auc)


def test_tables_show_the_estimates() -> None:
    point = {"strength": 0} | estimate("sensitivity", 0.9) | estimate("specificity", 0.6)
    stress_tests = {
        "shortcuts": {"conditions": [{"condition": "unchanged"} | estimate("auc", 0.85)]},
        "robustness": [{"name": "blur", "unit": "sigma", "points": [point]}],
    }
    test = {"models": [model(0.9)], "stress_tests": stress_tests}
    tables = {table.title: table.rows for table in make_tables(test)}
    assert tables["In brief"][0] == {
        "metric": "AUC",
        "test split": "0.900 (0.800 to 1.000)",
    }
    assert tables["Operating points, test split"][1]["ppv"] == "0.800 (0.700 to 0.900)"
    assert tables["Calibration"][0]["intercept"] == "−0.500 (−0.600 to −0.400)"
    assert [row["subtype"] for row in tables["Subtypes"]] == ["virus"]
    assert tables["Parts of the images"][0]["AUC"] == "0.850 (0.750 to 0.950)"
    assert tables["Robustness at screening"][0]["specificity"] == "0.600 (0.500 to 0.700)"


@pytest.mark.thorough
def test_the_smallest_version_compares_both_readers_and_reads_no_test_split(
    run_benchmark: Callable[..., dict[str, list]],
) -> None:
    log = find_bundle("default") / "test_readings.csv"
    before = log.read_bytes() if log.exists() else None
    tables = run_benchmark("shipped_bundle")
    assert (log.read_bytes() if log.exists() else None) == before
    rows = {row["metric"]: row for row in tables["Against each reader"]}
    images = rows["images"]
    assert images["published"] >= images["second reader"] > images["both agree"] > 0
    assert rows["AUC"]["published"] == tables["In brief"][0]["test split"]
    balanced = {row["metric"]: row for row in tables["In brief"]}["ppv at balanced"]
    assert rows["ppv at balanced"]["published"] == balanced["test split"]
    usable, labelled = tables["Second reader"]
    assert usable["n"] == images["second reader"] < labelled["n"]
    assert float(usable["kappa"].split()[0]) < 1


def test_the_experts_table_is_the_one_whose_agreement_was_published(
    shared_data: Path, tmp_path: Path
) -> None:
    source = shared_data / "chest_xray_test_second_reader.csv"
    readings = SecondReader.read(convert_expert_table(source, tmp_path / "second.csv")).readings
    assert len(readings) == 624
    assert sum(not reading.usable for reading in readings.values()) == 48
    calls = {kind: [] for kind in (True, False)}
    for file, reading in readings.items():
        calls[file.startswith("person")].append(reading.label)
    # Sensitivity 0.795 and specificity 0.808 against the published labels.
    assert sum(calls[True]) / len(calls[True]) == pytest.approx(0.795, abs=5e-4)
    assert 1 - sum(calls[False]) / len(calls[False]) == pytest.approx(0.808, abs=5e-4)
