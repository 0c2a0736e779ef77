"""Performance of the shipped bundle, as the commands `evaluate` and `validate` report it.

On the test split of the children's radiographs, against the published labels, against a second
reader and where both agree; and on adults of another hospital. Each run is a reading of the test
split, which `evaluate` records in the bundle's folder.
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
    if model["second_reader"] is not None:
        yield from _second_reader_tables(model["second_reader"])
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


def _run_command(file: str, *arguments: str) -> Any:
    """Run a command of pneumoscope, and return the JSON that it writes into its folder."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "report")
        command = [sys.executable, "-m", "pneumoscope", *arguments, "--out", str(out)]
        subprocess.run(command, check=True)
        return json.loads((out / file).read_text())


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
    parser.add_argument(
        "--adults",
        type=Path,
        default=DATA / "nih_external",
        help="folder of adults' radiographs (default: %(default)s)",
    )
    arguments = parser.parse_args()
    bundle, data, expert = "default", arguments.data, arguments.second_reader
    adults, folder = None, arguments.adults
    with tempfile.TemporaryDirectory() as name:
        made, words = Path(name), list[str]()
        if arguments.smallest:
            bundle, data, expert = _write_smallest(made)
            words += ["--draws", "100"]
        if expert is not None:
            table = convert_expert_table(expert, made / "second_reader.csv")
            words += ["--second-reader", str(table)]
        test = _run_command("evaluation.json", "evaluate", bundle, "--data", str(data), *words)
    if folder.exists() and not arguments.smallest:
        labels, images = str(folder / "labels.csv"), str(folder / "images")
        adults = _run_command(
            "validation.json", "validate", "--labels", labels, "--images", images, "--quick"
        )
    publish("shipped_bundle", list(make_tables(test, adults)), arguments.out)


if __name__ == "__main__":
    main()
