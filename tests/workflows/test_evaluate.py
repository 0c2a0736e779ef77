"""``pneumoscope evaluate``, ``validate`` and ``recalibrate``, as a person calls them."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pneumoscope.training import Run

Call = Callable[..., object]


def write_table(path: Path, seed: int, skill: float, labels: Sequence[int] | None = None) -> Path:
    """Write a stranger's predictions of 120 images, the better the greater ``skill``."""
    rng = np.random.default_rng(seed)
    truth = np.arange(120) % 2 if labels is None else np.array(labels)
    scores = 1 / (1 + np.exp(-rng.normal(0, 1, len(truth)) - skill * (truth - 0.5)))
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "label", "probability", "age"])
        for number, (label, score) in enumerate(zip(truth, scores, strict=True)):
            name = ("NORMAL", "PNEUMONIA")[label]
            rows.writerow([f"{number}.png", name, repr(float(score)), number % 80])
    return path


def test_strangers_tables_are_judged_compared_and_reported(
    pneumoscope: Call, tmp_path: Path, request: pytest.FixtureRequest
):
    tables = [write_table(tmp_path / f"{n}.csv", n, skill) for n, skill in ((1, 1.0), (2, 4.0))]
    out = tmp_path / "out"
    outcome = pneumoscope(
        *("evaluate", *tables, "--out", out, "--draws", 200),
        *("--threshold", "low=0.3", "--threshold", "0.6", "--prevalence", "0.1"),
    )
    assert outcome.code == 0, outcome.err
    found = json.loads((out / "evaluation.json").read_text())
    assert [model["name"] for model in found["models"]] == ["1", "2"]
    for model, path in zip(found["models"], tables, strict=True):
        rows = list(csv.DictReader(path.open()))
        truth = [row["label"] == "PNEUMONIA" for row in rows]
        scores = np.array([float(row["probability"]) for row in rows])
        assert model["auc"] == pytest.approx(roc_auc_score(truth, scores))
        assert [point["name"] for point in model["operating_points"]] == ["low", "threshold 0.6"]
        assert model["operating_points"][0]["sensitivity"] == np.mean(scores[truth] >= 0.3)
        assert [one["prevalence"] for one in model["operating_points"][0]["at_prevalence"]] == [0.1]
        assert "age" in {group["column"] for group in model["subgroups"]}
        written = list(csv.DictReader((out / "predictions" / f"{model['name']}.csv").open()))
        assert [row["age"] for row in written] == [row["age"] for row in rows]
    pair = found["comparisons"][0]
    assert pair["auc_difference"] == pytest.approx(
        found["models"][0]["auc"] - found["models"][1]["auc"]
    )
    assert found["choice"] is None
    page = (out / "report.html").read_text()
    assert "No model is chosen here" in page
    request.getfixturevalue("pango")  # the rest holds without it
    assert (out / "report.pdf").read_bytes().startswith(b"%PDF-")


WITHOUT_LEARNING = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in ("torch", "platformdirs", "monai", "optuna", "transformers"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
from pneumoscope.cli import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize("command", ["evaluate", "validate"])
def test_judging_needs_nothing_that_learns(
    command: str, phantom_dataset: Path, exported: Path, tmp_path: Path
):
    if command == "evaluate":
        words = [write_table(tmp_path / "theirs.csv", 1, 1.0)]
    else:
        images = sorted(phantom_dataset.glob("test/*/*.png"))
        lines = [f"{image.relative_to(phantom_dataset)},{image.parent.name}" for image in images]
        (tmp_path / "labels.csv").write_text("\n".join(["file,label", *lines]))
        words = ["--labels", tmp_path / "labels.csv", "--images", phantom_dataset]
        words += ["--bundle", exported, "--quick"]
    done = subprocess.run(
        [
            *(sys.executable, "-c", WITHOUT_LEARNING, command),
            *map(str, words),
            *("--out", str(tmp_path / "out"), "--draws", "100"),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "report.html").exists()


def test_a_run_is_judged_into_a_folder_with_its_documents_and_its_record_notes_it(
    pneumoscope: Call, compact_run: Run, tmp_path: Path
):
    before = (compact_run.folder / "test_readings.csv").read_text()
    out = tmp_path / "out"
    outcome = pneumoscope("evaluate", compact_run.folder, "--out", out, "--draws", 100)
    assert outcome.code == 0, outcome.err
    assert (compact_run.folder / "test_readings.csv").read_text() == before  # it was judged before
    evidence = json.loads((out / "evaluation.json").read_text())
    (found,) = evidence["models"]
    assert found["recalibrated"]["how"].endswith("validation images")
    told = [note for note in evidence["notes"] if "looked at for bundles" in note]
    assert [compact_run.folder.name in note for note in told] == [True]  # all Runs in one note
    for name in ("MODEL_CARD.md", "DATASHEET.md", "CLAIM.md"):
        assert (out / "documents" / "compact" / name).exists()
    assert "synthetic" in (out / "report.html").read_text()


def test_a_bundle_is_judged_on_the_test_split_with_all_that_images_tell(
    pneumoscope: Call, exported: Path, phantom_dataset: Path, tmp_path: Path
):
    out = tmp_path / "out"
    outcome = pneumoscope(
        *("evaluate", exported, "--data", phantom_dataset, "--out", out, "--draws", 100)
    )
    assert outcome.code == 0, outcome.err
    found = json.loads((out / "evaluation.json").read_text())
    test_images = len(list(phantom_dataset.glob("test/*/*.png")))
    rejected = sum("did not read" in note for note in found["notes"])
    assert found["models"][0]["n"] == test_images or rejected
    inspection = found["inspection"]
    assert {curve["name"] for curve in inspection["robustness"]} >= {"exposure", "noise", "crop"}
    assert inspection["duplicates_of_training"] == []
    conditions = {row["condition"] for row in inspection["shortcuts"]["conditions"]}
    assert "lungs masked" in conditions
    assert "What it reads besides the lungs" in (out / "report.html").read_text()


def test_validation_and_recalibration_of_a_ward(
    pneumoscope: Call, exported: Path, phantom_dataset: Path, tmp_path: Path
):
    images = sorted(phantom_dataset.glob("train/*/*.png"))
    labels = tmp_path / "ward.csv"
    lines = [f"{image.relative_to(phantom_dataset)},{image.parent.name}" for image in images]
    labels.write_text("\n".join(["file,label", *lines]))
    words = ("--bundle", exported, "--labels", labels, "--images", phantom_dataset)
    out = tmp_path / "validation"
    outcome = pneumoscope(
        *("validate", *words, "--out", out, "--quick", "--draws", 100, "--json"),
        *("--prevalence", 0.1),
    )
    assert outcome.code == 0, outcome.err
    printed = json.loads(outcome.out)
    assert printed == json.loads((out / "validation.json").read_text())
    assert printed["inspection"] is None
    point = printed["operating_points"][0]
    assert [one["prevalence"] for one in point["at_prevalence"]] == [0.1]
    assert {"verdict", "n", "positives", "auc", "auc_ci", "rejected"} <= printed.keys()
    assert (
        "files have no label"
        in pneumoscope(
            "validate", *words, "--out", tmp_path / "again", "--quick", "--draws", 100
        ).err
    )
    again = pneumoscope("validate", *words, "--out", out, "--quick")
    assert again.code == 1
    assert "not empty" in again.err
    made = pneumoscope("recalibrate", *words, "--out", tmp_path / "new", "--population", "a ward")
    assert made.code == 0, made.err
    card = (tmp_path / "new" / "MODEL_CARD.md").read_text()
    assert "a ward" in card
    listed = pneumoscope("bundles", tmp_path / "new")
    assert listed.code == 0, listed.err


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("evaluate", "1.csv"), "pass --out DIR too"),
        (("evaluate", "default", "--out", "out"), "pass --data with a dataset"),
        (("evaluate", "1.csv", "--out", "out", "--threshold", "high"), "--threshold high: write"),
        (("evaluate", "1.csv", "--out", "out", "--threshold", "2"), "--threshold 2: write"),
        (("evaluate", "1.csv", "--out", "out", "--prevalence", "5"), "--prevalence 5: write"),
        (
            ("validate", "--labels", "1.csv", "--images", ".", "--out", "o", "--prevalence", "2"),
            "--prevalence 2: write",
        ),
        (("evaluate", "1.csv", "1.csv", "--out", "out"), "two of the readers are called 1"),
        (("evaluate", "1.csv", "other.csv", "--out", "out"), "label"),
        (("evaluate", "ill.csv", "--out", "out"), "all 4 images have one label"),
        (("evaluate", "gone.csv", "--out", "out"), "gone.csv"),
        (
            ("recalibrate", "--labels", "1.csv", "--images", ".", "--out", "out", "--share", "1"),
            "--share 1: give a number",
        ),
        (
            ("validate", "--labels", "1.csv", "--images", ".", "--out", "o", "--min-auc", "90"),
            "a least auc of 90",
        ),
        (
            ("validate", "--labels", "1.csv", "--images", ".", "--out", "out"),
            "120 of 120 labelled files are not there: 0.png",
        ),
    ],
)
def test_what_cannot_be_judged_is_refused_with_a_remedy_and_nothing_is_written(
    words: Sequence[str],
    complaint: str,
    pneumoscope: Call,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path / "1.csv", 1, 1.0)
    write_table(tmp_path / "other.csv", 1, 1.0, labels=[1, 0] * 60)
    write_table(tmp_path / "ill.csv", 1, 1.0, labels=[1] * 4)
    outcome = pneumoscope(*words)
    assert outcome.code == 1
    assert complaint in " ".join(outcome.err.split())
    assert not (tmp_path / "out").exists()
