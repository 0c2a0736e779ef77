"""``pneumoscope evaluate``, ``validate`` and ``recalibrate`` at the command line."""

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pneumoscope.reader import Bundle
from pneumoscope.support.errors import StorageError
from pneumoscope.training import Run

Call = Callable[..., object]


def write_table(path: Path, seed: int, skill: float, labels: Sequence[int] | None = None) -> Path:
    """Write predictions for 120 images, the better the higher ``skill`` is."""
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


def test_tables_of_predictions_are_evaluated_and_compared(
    pneumoscope: Call, tmp_path: Path, request: pytest.FixtureRequest
):
    tables = [write_table(tmp_path / f"{n}.csv", n, skill) for n, skill in ((1, 1.0), (2, 4.0))]
    out = tmp_path / "out"
    outcome = pneumoscope(
        *("evaluate", *tables, "--out", out, "--draws", 200),
        *("--threshold", "low=0.3", "--threshold", "0.6", "--prevalence", "0.1"),
    )
    assert outcome.code == 0, outcome.err
    content = json.loads((out / "evaluation.json").read_text())
    assert [model["name"] for model in content["models"]] == ["1", "2"]
    for model, path in zip(content["models"], tables, strict=True):
        rows = list(csv.DictReader(path.open()))
        truth = [row["label"] == "PNEUMONIA" for row in rows]
        scores = np.array([float(row["probability"]) for row in rows])
        assert model["auc"] == pytest.approx(roc_auc_score(truth, scores))
        assert [point["name"] for point in model["operating_points"]] == ["low", "threshold 0.6"]
        assert model["operating_points"][0]["sensitivity"] == np.mean(scores[truth] >= 0.3)
        assert [row["prevalence"] for row in model["operating_points"][0]["at_prevalence"]] == [0.1]
        assert "age" in {group["column"] for group in model["subgroups"]}
        written = list(csv.DictReader((out / "predictions" / f"{model['name']}.csv").open()))
        assert [row["age"] for row in written] == [row["age"] for row in rows]
    pair = content["comparisons"][0]
    assert pair["auc_difference"] == pytest.approx(
        content["models"][0]["auc"] - content["models"][1]["auc"]
    )
    assert content["choice"] is None
    page = (out / "report.html").read_text()
    assert "No model is chosen" in page
    request.getfixturevalue("pango")  # the rest does not need it
    assert (out / "report.pdf").read_bytes().startswith(b"%PDF-")


WITHOUT_TRAINING_PACKAGES = """
import json, sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in ("torch", "safetensors", "monai", "optuna", "transformers"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
import pneumoscope.report.pdf
from pneumoscope.cli import main
pneumoscope.report.pdf.write_pdf = lambda html, path: None  # a process of its own prints
for words in json.load(sys.stdin):
    try:
        main(words)
    except SystemExit as ended:
        if ended.code:
            raise
"""


def test_evaluating_needs_no_training_packages(
    phantom_dataset: Path, exported: Path, tmp_path: Path
):
    images = sorted(phantom_dataset.glob("test/*/*.png"))
    lines = [f"{image.relative_to(phantom_dataset)},{image.parent.name}" for image in images]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label", *lines]))
    validate = ["validate", "--labels", tmp_path / "labels.csv", "--images", phantom_dataset]
    commands = {
        "evaluate": ["evaluate", write_table(tmp_path / "theirs.csv", 1, 1.0)],
        "validate": [*validate, "--bundle", exported, "--quick"],
    }
    words = [
        [*map(str, command), "--out", str(tmp_path / name), "--draws", "100"]
        for name, command in commands.items()
    ]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TRAINING_PACKAGES],
        input=json.dumps(words),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "files have no label" in done.stderr  # those of the other splits
    for name in commands:
        assert (tmp_path / name / "report.html").exists()


def test_a_run_is_evaluated_into_a_folder_with_its_documents(
    pneumoscope: Call, compact_run: Run, tmp_path: Path
):
    before = (compact_run.folder / "test_readings.csv").read_text()
    out = tmp_path / "out"
    outcome = pneumoscope("evaluate", compact_run.folder, "--out", out, "--draws", 100)
    assert outcome.code == 0, outcome.err
    assert (compact_run.folder / "test_readings.csv").read_text() == before
    content = json.loads((out / "evaluation.json").read_text())
    (model,) = content["models"]
    assert model["recalibrated"]["how"].endswith("validation images")
    (note,) = (note for note in content["notes"] if "need a bundle" in note)
    assert compact_run.folder.name in note
    assert content["test_readings"] == []  # the Run itself records them
    for name in ("MODEL_CARD.md", "DATASHEET.md", "CLAIM.md"):
        assert (out / "documents" / "compact" / name).exists()
    assert "synthetic" in (out / "report.html").read_text()


def test_models_of_one_name_are_named_by_their_paths(
    pneumoscope: Call, compact_run: Run, tmp_path: Path
):
    folders = [tmp_path / seed / "compact" for seed in ("seed0", "seed1")]
    for folder in folders:
        shutil.copytree(compact_run.folder, folder)
    out = tmp_path / "out"
    outcome = pneumoscope("evaluate", *folders, "--out", out, "--draws", 100, "--quick")
    assert outcome.code == 0, outcome.err
    content = json.loads((out / "evaluation.json").read_text())
    assert [model["name"] for model in content["models"]] == ["seed0", "seed1"]
    assert {file.name for file in (out / "predictions").iterdir()} == {"seed0.csv", "seed1.csv"}
    assert (out / "documents" / "seed1" / "MODEL_CARD.md").exists()
    (tmp_path / "last").symlink_to(folders[1])
    twice = pneumoscope("evaluate", folders[1], tmp_path / "last", "--out", tmp_path / "twice")
    assert twice.code == 1
    assert f"is given twice, as {folders[1]}" in twice.err


def test_a_bundle_is_evaluated_on_the_test_split_with_stress_tests(
    pneumoscope: Call, exported: Path, phantom_dataset: Path, tmp_path: Path
):
    out = tmp_path / "out"
    outcome = pneumoscope(
        *("evaluate", exported, "--data", phantom_dataset, "--out", out, "--draws", 100)
    )
    assert outcome.code == 0, outcome.err
    content = json.loads((out / "evaluation.json").read_text())
    test_images = len(list(phantom_dataset.glob("test/*/*.png")))
    rejected = sum("did not read" in note for note in content["notes"])
    assert content["models"][0]["n"] == test_images or rejected
    stress_tests = content["stress_tests"]
    assert {curve["name"] for curve in stress_tests["robustness"]} >= {"exposure", "noise", "crop"}
    assert stress_tests["duplicates_of_training"] == []
    conditions = {row["condition"] for row in stress_tests["shortcuts"]["conditions"]}
    assert "lungs masked" in conditions
    page = (out / "report.html").read_text()
    assert 'Shortcuts <small class="plain">performance without the lungs' in page


def write_second_reader(path: Path, images: Sequence[Path]) -> Path:
    """Write readings of all images but one: every fourth label is another, one is unusable."""
    rows = ["file,label,usable"]
    for number, image in enumerate(images[:-1]):
        ill = (image.parent.name == "PNEUMONIA") != (number % 4 == 0)
        rows.append(f"{image.name},{int(ill)},{'no' if number == 1 else 'yes'}")
    path.write_text("\n".join(rows))
    return path


def test_a_second_reader_is_compared_on_the_test_split_and_costs_no_reading_if_refused(
    pneumoscope: Call, own_bundle: Path, phantom_dataset: Path, tmp_path: Path
):
    (own_bundle / "test_readings.csv").unlink(missing_ok=True)
    images = sorted(phantom_dataset.glob("test/*/*.png"))
    out, second = tmp_path / "out", write_second_reader(tmp_path / "second.csv", images)
    words = ("evaluate", own_bundle, "--data", phantom_dataset, "--quick", "--draws", 100)
    train = next(phantom_dataset.glob("train/*/*.png")).name
    other = tmp_path / "other.csv"
    other.write_text(f"{second.read_text()}\n{train},1,1")
    refused = pneumoscope(*words, "--second-reader", other, "--out", out)
    assert refused.code == 1
    complaint = f"1 of its {len(images)} files are not images of the dataset; the first is {train}"
    assert complaint in " ".join(refused.err.split())
    assert not (own_bundle / "test_readings.csv").exists()
    assert not out.exists()
    outcome = pneumoscope(*words, "--second-reader", second, "--out", out)
    assert outcome.code == 0, outcome.err
    assert "Cohen's kappa" in outcome.out
    (model,) = json.loads((out / "evaluation.json").read_text())["models"]
    result = model["second_reader"]
    assert result["read"] + result["not_evaluated"] == len(images) - 1
    assert result["read"] + result["without_reading"] == model["n"]
    assert result["against"]["labels"]["auc"] == model["auc"]
    page = (out / "report.html").read_text()
    assert "Second reader: phantoms" in page
    assert "The green diamond is the second reader" in page


def test_every_reading_of_a_test_split_by_a_bundle_is_recorded_and_stated(
    pneumoscope: Call, exported: Path, phantom_dataset: Path, tmp_path: Path
):
    bundle = tmp_path / "bundle"
    shutil.copytree(exported, bundle)
    (bundle / "test_readings.csv").unlink(missing_ok=True)
    test_images = len(list(phantom_dataset.glob("test/*/*.png")))
    for number in (1, 2):
        out = tmp_path / f"out{number}"
        words = ("evaluate", bundle, "--data", phantom_dataset, "--out", out, "--draws", 100)
        outcome = pneumoscope(*words, "--quick")
        assert outcome.code == 0, outcome.err
        sentence = f"This is reading number {number} of this test split by phantoms@"
        assert sentence in outcome.err
        assert sentence in (out / "report.html").read_text()
        content = json.loads((out / "evaluation.json").read_text())
        assert any(note.startswith(sentence) for note in content["notes"])
        (reading,) = content["test_readings"]
        assert (reading["number"], reading["images"]) == (number, test_images)
        rows = list(csv.DictReader((bundle / "test_readings.csv").open()))
        assert [row["manifest_fingerprint"] for row in rows] == [
            reading["manifest_fingerprint"]
        ] * number
    assert Bundle.open(bundle).digest == Bundle.open(exported).digest


def test_a_reading_that_cannot_be_recorded_is_stated_as_such(
    pneumoscope: Call,
    exported: Path,
    phantom_dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    def refuse(*_: object) -> None:
        raise StorageError("the bundle is in a system folder")

    monkeypatch.setattr("pneumoscope.workflows.evaluate.record_test_reading", refuse)
    out = tmp_path / "out"
    words = ("evaluate", exported, "--data", phantom_dataset, "--out", out, "--draws", 100)
    outcome = pneumoscope(*words, "--quick")
    assert outcome.code == 0, outcome.err
    assert "could not be recorded" in outcome.err
    assert "could not be recorded" in (out / "report.html").read_text()
    content = json.loads((out / "evaluation.json").read_text())
    assert content["test_readings"][0]["number"] is None


def test_validation_and_recalibration_on_local_radiographs(
    pneumoscope: Call, exported: Path, phantom_dataset: Path, tmp_path: Path
):
    images = sorted(phantom_dataset.glob("train/*/*.png"))[::2]
    labels = tmp_path / "labels.csv"
    lines = [f"{image.relative_to(phantom_dataset)},{image.parent.name}" for image in images]
    labels.write_text("\n".join(["file,label", *lines]))
    words = ("--bundle", exported, "--labels", labels, "--images", phantom_dataset)
    out = tmp_path / "validation"
    outcome = pneumoscope(
        *("validate", *words, "--out", out, "--quick", "--draws", 100, "--json"),
        *("--prevalence", 0.1),
        *("--second-reader", write_second_reader(tmp_path / "second.csv", images)),
    )
    assert outcome.code == 0, outcome.err
    printed = json.loads(outcome.out)
    assert list(printed["second_reader"]["against"]) == ["labels", "second_reader", "agreed"]
    assert "Second reader: phantoms" in (out / "report.html").read_text()
    assert printed == json.loads((out / "validation.json").read_text())
    assert printed["stress_tests"] is None
    point = printed["operating_points"][0]
    assert [row["prevalence"] for row in point["at_prevalence"]] == [0.1]
    assert {"verdict", "n", "positives", "auc", "auc_ci", "rejected"} <= printed.keys()
    again = pneumoscope("validate", *words, "--out", out, "--quick")
    assert again.code == 1
    assert "not empty" in again.err
    made = pneumoscope("recalibrate", *words, "--out", tmp_path / "new", "--population", "adults")
    assert made.code == 0, made.err
    card = (tmp_path / "new" / "MODEL_CARD.md").read_text()
    assert "adults" in card
    listed = pneumoscope("bundles", tmp_path / "new")
    assert listed.code == 0, listed.err


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("evaluate", "1.csv"), "pass --out DIR too"),
        (("evaluate", "1.csv", "--second-reader", "2.csv"), "pass --out DIR too"),
        (
            ("evaluate", "1.csv", "--out", "out", "--second-reader", "2.csv"),
            "2.csv: none of its 1 files is an image of the dataset; the first is elsewhere.png",
        ),
        (
            ("validate", "--labels=1.csv", "--images=.", "--out=out", "--second-reader=2.csv"),
            "2.csv: none of its 1 files is an image of the dataset; the first is elsewhere.png",
        ),
        (("evaluate", "default", "--out", "out"), "pass --data with a dataset"),
        (
            ("evaluate", "1.csv", "--out", "out", "--threshold", "high"),
            "or NAME=PROBABILITY, not 'high'",
        ),
        (
            ("evaluate", "1.csv", "--out", "out", "--threshold", "2"),
            "--threshold must be a probability from 0 to 1",
        ),
        (
            ("evaluate", "1.csv", "--out", "out", "--prevalence", "5"),
            "--prevalence must be between 0 and 1",
        ),
        (
            ("validate", "--labels", "1.csv", "--images", ".", "--out", "o", "--prevalence", "2"),
            "--prevalence must be between 0 and 1, such as 0.05, not 2",
        ),
        (("evaluate", "1.csv", "1.csv", "--out", "out"), "1.csv: is given twice; leave one"),
        (("evaluate", "1.csv", "other.csv", "--out", "out"), "label"),
        (("evaluate", "ill.csv", "--out", "out"), "none of the 4 images is labelled NORMAL"),
        (("evaluate", "gone.csv", "--out", "out"), "gone.csv"),
        (
            ("recalibrate", "--labels", "1.csv", "--images", ".", "--out", "out", "--share", "1"),
            "--share must be between 0 and 1, such as 0.5, not 1",
        ),
        (
            ("validate", "--labels", "1.csv", "--images", ".", "--out", "out"),
            "120 of 120 labelled files are missing: 0.png",
        ),
    ],
)
def test_invalid_input_is_refused_with_a_remedy_and_nothing_is_written(
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
    (tmp_path / "2.csv").write_text("file,label\nelsewhere.png,1\n")
    outcome = pneumoscope(*words)
    assert outcome.code == 1
    assert complaint in " ".join(outcome.err.split())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", ["--min-auc", "--min-sensitivity", "--min-specificity"])
def test_a_requirement_outside_0_to_1_is_a_usage_error(
    option: str, pneumoscope: Call, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = ("validate", "--labels", "1.csv", "--images", ".", "--out", out, option, 90)
    outcome = pneumoscope(*words)
    assert outcome.code == 2
    assert f"Invalid value for '{option}'" in outcome.err
    assert not out.exists()
