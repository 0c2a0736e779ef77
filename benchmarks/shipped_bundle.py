"""Performance of the shipped bundle, as the command `evaluate` reports it.

On the test split of the children's radiographs, against the published labels, against a second
reader and where both agree. Each run is a reading of the test split, which `evaluate` records in
the bundle's folder. What it answers of other patients is in `quality_gate`.
"""

import csv
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.report import CHECKOUT, Cell, Table, option_parser, publish
from benchmarks.second_reader import convert_expert_table
from pneumoscope.dataset.phantoms.generate import generate_phantoms
from pneumoscope.reader import find_bundle
from pneumoscope.report.estimate import Estimate

DATA = CHECKOUT.parent / "shared" / "data"
EXPERT = DATA / "chest_xray_test_second_reader.csv"
REFERENCES = {"labels": "published", "second_reader": "second reader", "agreed": "both agree"}
RATES = ("sensitivity", "specificity", "ppv", "npv", "accuracy")
STRESS_NOTE = """\
300 images of the test split, drawn with their labels in proportion; the network reads them whatever
the quality gate says. AUC with DeLong's interval."""
READERS_NOTE = """\
Images that the bundle read. Published labels: all of them; second reader: those that this reader
calls usable; both agree: those of the usable ones. Nothing was chosen with the second reader."""
AGREEMENT_NOTE = """\
The second reader against the published labels, by patient. Usable: images that this reader calls
usable; labelled: the others too."""


def estimate_text(record: Mapping[str, Any], name: str) -> str:
    """Return a metric of a JSON record with its interval.

    Examples
    --------
    >>> estimate_text({"auc": 0.98024, "auc_ci": [0.96716, 0.98973]}, "auc")
    '0.980 (0.967 to 0.990)'
    """
    return str(Estimate(record[name], *(record[f"{name}_ci"] or ())))


def make_tables(test: Mapping[str, Any]) -> Iterator[Table]:
    """Make the tables from evaluation.json."""
    model = test["models"][0]
    yield Table("In brief", list(_headline_rows(model)), f"By patient; {model['source']}.")
    rows = [_point_row(point) for point in model["operating_points"]]
    counts = f"{model['n']} radiographs, {model['positives']} with pneumonia"
    yield Table("Operating points, test split", rows, f"{counts}, {model['patients']} patients.")
    calibration: dict[str, Cell] = {"images": "test split"}
    for metric in ("slope", "intercept"):
        calibration[metric] = estimate_text(model["calibration"], metric)
    yield Table("Calibration", [calibration], "Intercept: calibration in the large, in log-odds.")
    subtypes = [
        {"subtype": group["value"], "AUC": estimate_text(group, "auc")}
        for group in model["subgroups"]
        if group["column"] == "subtype" and group["positives"]
    ]
    yield Table("Subtypes", subtypes, "Each against all NORMAL.")
    if model["second_reader"] is not None:
        yield from _second_reader_tables(model["second_reader"])
    yield from _stress_tables(test["stress_tests"])


def _headline_rows(model: Mapping[str, Any]) -> Iterator[dict[str, Cell]]:
    yield {"metric": "AUC", "test split": estimate_text(model, "auc")}
    points = {point["name"]: point for point in model["operating_points"]}
    for name in ("screening", "balanced"):
        for rate in ("sensitivity", "specificity", "ppv"):
            yield {
                "metric": f"{rate} at {name}",
                "test split": estimate_text(points[name], rate),
            }


def _point_row(point: Mapping[str, Any]) -> dict[str, Cell]:
    rates: dict[str, Cell] = {rate: estimate_text(point, rate) for rate in RATES}
    return {"operating point": point["name"], "threshold": point["threshold"]} | rates


def _second_reader_tables(second: Mapping[str, Any]) -> Iterator[Table]:
    groups = {heading: second["against"][name] for name, heading in REFERENCES.items()}
    rows: list[dict[str, Cell]] = [
        {"metric": count} | {heading: group[key] for heading, group in groups.items()}
        for count, key in (("images", "n"), ("with pneumonia", "positives"))
    ]
    auc: dict[str, Cell] = {"metric": "AUC"}
    rows.append(auc | {name: estimate_text(group, "auc") for name, group in groups.items()})
    names = [point["name"] for point in groups["published"]["operating_points"]]
    for index, name in enumerate(names):
        for rate in RATES:
            row: dict[str, Cell] = {"metric": f"{rate} at {name}"}
            for heading, group in groups.items():
                row[heading] = estimate_text(group["operating_points"][index], rate)
            rows.append(row)
    yield Table("Against each reader", rows, READERS_NOTE)
    agreement: list[dict[str, Cell]] = [
        {"images": images, "n": record["n"]}
        | {metric: estimate_text(record, metric) for metric in ("kappa", *RATES)}
        for images, record in second["agreement"].items()
    ]
    note = f"{AGREEMENT_NOTE} {second['unusable']} of {second['read']} are unusable."
    yield Table("Second reader", agreement, note)


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


def _write_smallest(folder: Path) -> tuple[str, Path, Path]:
    """Write a copy of the bundle, phantoms and a second reader of them; return where they are."""
    bundle = shutil.copytree(find_bundle("default"), folder / "bundle")
    data = generate_phantoms(folder / "phantoms", count=160)
    expert = folder / "expert.csv"
    with expert.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("file", "expert", "not_usable"))
        for number, image in enumerate(sorted(data.glob("test/*/*.png"))):
            is_ill = (image.parent.name == "PNEUMONIA") != (number % 5 == 0)
            rows.writerow((image.name, "virus" if is_ill else "normal", int(number % 7 == 0)))
    return str(bundle), data, expert


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
        "--second-reader",
        type=Path,
        default=EXPERT if EXPERT.exists() else None,
        help="an expert's table of the test split (file, expert, not_usable), for reporting only "
        "(default: %(default)s)",
    )
    arguments = parser.parse_args()
    bundle, data, expert = "default", arguments.data, arguments.second_reader
    with tempfile.TemporaryDirectory() as name:
        made, words = Path(name), list[str]()
        if arguments.smallest:
            bundle, data, expert = _write_smallest(made)
            words += ["--draws", "100"]
        if expert is not None:
            table = convert_expert_table(expert, made / "second_reader.csv")
            words += ["--second-reader", str(table)]
        report = made / "report"
        command = ["evaluate", bundle, "--data", str(data), *words, "--out", str(report)]
        subprocess.run([sys.executable, "-m", "pneumoscope", *command], check=True)
        test = json.loads((report / "evaluation.json").read_text())
    publish("shipped_bundle", make_tables(test), arguments.out)


if __name__ == "__main__":
    main()
