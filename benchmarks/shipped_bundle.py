"""Performance of the shipped bundle, as the commands `evaluate` and `validate` report it.

On the test split of the children's radiographs, and on adults of another hospital.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.report import CHECKOUT, Cell, Table, option_parser, publish

DATA = CHECKOUT.parent / "shared" / "data"
RATES = ("sensitivity", "specificity", "ppv", "npv", "accuracy")
STRESS_NOTE = """\
Of 300 images of the test split, drawn with their labels in their shares; the network reads them
whatever the quality gate says. AUC with DeLong's interval."""


def in_words(record: Mapping[str, Any], name: str) -> str:
    """Return a metric of a JSON record with its interval.

    Examples
    --------
    >>> in_words({"auc": 0.98024, "auc_ci": [0.96716, 0.98973]}, "auc")
    '0.980 (0.967 to 0.990)'
    """
    low, high = record[f"{name}_ci"]
    return f"{record[name]:.3f} ({low:.3f} to {high:.3f})"


def tables(test: Mapping[str, Any], adults: Mapping[str, Any] | None) -> Iterator[Table]:
    """Make the tables from evaluation.json and, of the adults, validation.json."""
    model = test["models"][0]
    groups = {"test split": model} | ({} if adults is None else {"NIH adults": adults})
    yield Table("In brief", list(_headline_rows(groups)), f"By patient. {model['source']}.")
    for name, group in groups.items():
        rows = [_point_row(point) for point in group["operating_points"]]
        about = f"{group['n']} radiographs, {group['positives']} with pneumonia"
        yield Table(f"Operating points, {name}", rows, f"{about}, {group['patients']} patients.")
    calibration = [
        {"images": name}
        | {metric: in_words(group["calibration"], metric) for metric in ("slope", "intercept")}
        for name, group in groups.items()
    ]
    yield Table("Calibration", calibration, "Intercept: calibration in the large, in log-odds.")
    subtypes = [group for group in model["subgroups"] if group["column"] == "subtype"]
    yield Table(
        "Subtypes",
        [
            {"subtype": group["value"], "AUC": in_words(group, "auc")}
            for group in subtypes
            if group["positives"]
        ],
        "Each against all NORMAL.",
    )
    yield from _stress_tables(test["inspection"])


def _headline_rows(groups: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Cell]]:
    row: dict[str, Cell] = {"metric": "AUC"}
    yield row | {name: in_words(group, "auc") for name, group in groups.items()}
    for point in ("screening", "balanced"):
        for rate in ("sensitivity", "specificity", "ppv"):
            row = {"metric": f"{rate} at {point}"}
            for name, group in groups.items():
                points = {each["name"]: each for each in group["operating_points"]}
                row[name] = in_words(points[point], rate)
            yield row


def _point_row(point: Mapping[str, Any]) -> dict[str, Cell]:
    rates: dict[str, Cell] = {rate: in_words(point, rate) for rate in RATES}
    return {"operating point": point["name"], "threshold": point["threshold"]} | rates


def _stress_tables(inspection: Mapping[str, Any]) -> Iterator[Table]:
    conditions = inspection["shortcuts"]["conditions"]
    rows = [{"images": each["condition"], "AUC": in_words(each, "auc")} for each in conditions]
    yield Table("Parts of the images", rows, STRESS_NOTE)
    strengths: list[dict[str, Cell]] = [
        {
            "change": curve["name"],
            "unit": curve["unit"],
            "strength": point["strength"],
            "sensitivity": in_words(point, "sensitivity"),
            "specificity": in_words(point, "specificity"),
        }
        for curve in inspection["robustness"]
        for point in curve["points"]
    ]
    yield Table("Robustness at screening", strengths, "Of the same images.")


def _report(name: str, *arguments: str) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "report")
        command = [sys.executable, "-m", "pneumoscope", *arguments, "--out", str(out)]
        subprocess.run(command, check=True)
        return json.loads((out / name).read_text())


def main() -> None:
    """Run from the command line."""
    parser = option_parser(__doc__)
    parser.add_argument(
        "data", type=Path, nargs="?", default=DATA / "chest_xray", help="default: %(default)s"
    )
    parser.add_argument(
        "--adults", type=Path, default=DATA / "nih_external", help="default: %(default)s"
    )
    arguments: argparse.Namespace = parser.parse_args()
    test = _report("evaluation.json", "evaluate", "default", "--data", str(arguments.data))
    adults, folder = None, arguments.adults
    if folder.exists():
        files = ("--labels", str(folder / "labels.csv"), "--images", str(folder / "images"))
        adults = _report("validation.json", "validate", *files, "--quick")
    publish("shipped_bundle", list(tables(test, adults)), arguments.out)


if __name__ == "__main__":
    main()
