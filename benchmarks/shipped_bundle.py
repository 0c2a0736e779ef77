"""Performance of the shipped bundle, as the commands `evaluate` and `validate` report it.

On the test split of the children's radiographs, and on adults of another hospital. Each run is a
reading of the test split, which `evaluate` records in the bundle's folder.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.report import CHECKOUT, Cell, Table, option_parser, publish
from pneumoscope.report.estimate import Estimate

DATA = CHECKOUT.parent / "shared" / "data"
RATES = ("sensitivity", "specificity", "ppv", "npv", "accuracy")
STRESS_NOTE = """\
300 images of the test split, drawn with their labels in proportion; the network reads them whatever
the quality gate says. AUC with DeLong's interval."""


def estimate_text(record: Mapping[str, Any], name: str) -> str:
    """Return a metric of a JSON record with its interval.

    Examples
    --------
    >>> estimate_text({"auc": 0.98024, "auc_ci": [0.96716, 0.98973]}, "auc")
    '0.980 (0.967 to 0.990)'
    """
    return str(Estimate(record[name], *record[f"{name}_ci"]))


def make_tables(test: Mapping[str, Any], adults: Mapping[str, Any] | None) -> Iterator[Table]:
    """Make the tables from evaluation.json and, for the adults, validation.json."""
    model = test["models"][0]
    groups = {"test split": model} | ({} if adults is None else {"NIH adults": adults})
    yield Table("In brief", list(_headline_rows(groups)), f"By patient; {model['source']}.")
    for name, group in groups.items():
        rows = [_point_row(point) for point in group["operating_points"]]
        counts = f"{group['n']} radiographs, {group['positives']} with pneumonia"
        yield Table(f"Operating points, {name}", rows, f"{counts}, {group['patients']} patients.")
    calibration = [
        {"images": name}
        | {metric: estimate_text(group["calibration"], metric) for metric in ("slope", "intercept")}
        for name, group in groups.items()
    ]
    yield Table("Calibration", calibration, "Intercept: calibration in the large, in log-odds.")
    subtypes = [
        {"subtype": group["value"], "AUC": estimate_text(group, "auc")}
        for group in model["subgroups"]
        if group["column"] == "subtype" and group["positives"]
    ]
    yield Table("Subtypes", subtypes, "Each against all NORMAL.")
    yield from _stress_tables(test["stress_tests"])


def _headline_rows(groups: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Cell]]:
    row: dict[str, Cell] = {"metric": "AUC"}
    yield row | {name: estimate_text(group, "auc") for name, group in groups.items()}
    for point_name in ("screening", "balanced"):
        for rate in ("sensitivity", "specificity", "ppv"):
            row = {"metric": f"{rate} at {point_name}"}
            for name, group in groups.items():
                points = {point["name"]: point for point in group["operating_points"]}
                row[name] = estimate_text(points[point_name], rate)
            yield row


def _point_row(point: Mapping[str, Any]) -> dict[str, Cell]:
    rates: dict[str, Cell] = {rate: estimate_text(point, rate) for rate in RATES}
    return {"operating point": point["name"], "threshold": point["threshold"]} | rates


def _stress_tables(stress_tests: Mapping[str, Any]) -> Iterator[Table]:
    parts = [
        {"images": condition["condition"], "AUC": estimate_text(condition, "auc")}
        for condition in stress_tests["shortcuts"]["conditions"]
    ]
    yield Table("Parts of the images", parts, STRESS_NOTE)
    strengths: list[dict[str, Cell]] = [
        {
            "change": curve["name"],
            "unit": curve["unit"],
            "strength": point["strength"],
            "sensitivity": estimate_text(point, "sensitivity"),
            "specificity": estimate_text(point, "specificity"),
        }
        for curve in stress_tests["robustness"]
        for point in curve["points"]
    ]
    yield Table("Robustness at screening", strengths, "The same images.")


def _run_command(file: str, *arguments: str) -> Any:
    """Run a command of pneumoscope, and return the JSON that it writes into its folder."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "report")
        command = [sys.executable, "-m", "pneumoscope", *arguments, "--out", str(out)]
        subprocess.run(command, check=True)
        return json.loads((out / file).read_text())


def main() -> None:
    """Run from the command line."""
    parser = option_parser(__doc__)
    parser.add_argument(
        "data",
        type=Path,
        nargs="?",
        default=DATA / "chest_xray",
        help="dataset that the bundle was trained on (default: %(default)s)",
    )
    parser.add_argument(
        "--adults",
        type=Path,
        default=DATA / "nih_external",
        help="folder of adults' radiographs (default: %(default)s)",
    )
    arguments = parser.parse_args()
    if arguments.smallest:
        parser.error("only the whole test split can be read; leave out --smallest")
    test = _run_command("evaluation.json", "evaluate", "default", "--data", str(arguments.data))
    adults, folder = None, arguments.adults
    if folder.exists():
        labels, images = str(folder / "labels.csv"), str(folder / "images")
        adults = _run_command(
            "validation.json", "validate", "--labels", labels, "--images", images, "--quick"
        )
    publish("shipped_bundle", list(make_tables(test, adults)), arguments.out)


if __name__ == "__main__":
    main()
