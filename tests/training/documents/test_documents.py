"""Model card, datasheet and checklist state what the Run recorded, and nothing else."""

import csv
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from pneumoscope.dataset import Label, Manifest
from pneumoscope.support.errors import RunError
from pneumoscope.training import Run, make_recipe
from pneumoscope.training.documents.write import write_documents
from pneumoscope.training.recipe import EpochChoice

NAMES = ("MODEL_CARD.md", "DATASHEET.md", "CLAIM.md")

SECTIONS = {
    "Title and abstract": range(1, 3),
    "Introduction": range(3, 5),
    "Methods: study design": range(5, 7),
    "Methods: data": range(7, 14),
    "Methods: reference standard": range(14, 19),
    "Methods: partitions and size": range(19, 22),
    "Methods: model": range(22, 25),
    "Methods: training": range(25, 28),
    "Methods: evaluation": range(28, 35),
    "Results: data": range(35, 37),
    "Results: performance": range(37, 40),
    "Discussion": range(40, 42),
    "Other information": range(42, 45),
}
"""Item numbers of the published checklist (Tejani et al. 2024)."""


@pytest.fixture
def documents(compact_run: Run, tmp_path: Path) -> dict[str, str]:
    return written(compact_run, tmp_path / "documents")


def written(run: Run, folder: Path) -> dict[str, str]:
    write_documents(run, folder)
    assert {file.name for file in folder.iterdir()} == set(NAMES)
    return {name: (folder / name).read_text() for name in NAMES}


def items(claim: str) -> dict[int, str]:
    parts = re.split(r"^\*\*(\d+)\. ", claim, flags=re.MULTILINE)[1:]
    return {int(n): text for n, text in zip(parts[::2], parts[1::2], strict=True)}


def test_every_item_of_the_checklist_is_in_its_section(documents: dict) -> None:
    claim = documents["CLAIM.md"]
    found = re.split(r"^## (.*)$", claim, flags=re.MULTILINE)[1:]
    numbers = {
        section: [int(number) for number in re.findall(r"^\*\*(\d+)\. ", text, re.MULTILINE)]
        for section, text in zip(found[::2], found[1::2], strict=True)
    }
    assert numbers == {section: list(wanted) for section, wanted in SECTIONS.items()}


def test_answers_agree_with_the_files_of_the_run(documents: dict, compact_run: Run) -> None:
    claim = items(documents["CLAIM.md"])
    folder = compact_run.folder
    record = json.loads((folder / "run.json").read_text())
    recipe = yaml.safe_load((folder / "recipe.yaml").read_text())
    test = json.loads((folder / "metrics" / "test.json").read_text())
    assert f"resized to {recipe['image_size']} by {recipe['image_size']}" in claim[9]
    assert f"{record['parameters']['total']:,} parameters" in claim[22]
    assert f"torch {record['environment']['packages']['torch']}" in claim[23]
    assert f"batches of {recipe['batch_size']}" in claim[25]
    epochs = len(list(csv.DictReader((folder / "history.csv").open())))
    assert f"{epochs} of at most {recipe['epochs']} epochs" in claim[25]
    low, high = test["intervals"]["auc"]
    assert f"auc {test['auc']:.3f} ({low:.3f} to {high:.3f})" in claim[38]
    assert "outside of the lungs black" not in claim[9]
    (_, alarms), (missed, _) = test["confusion"]
    assert f"{missed} false negatives and {alarms} false positives" in claim[39]
    for row in Manifest.read(folder / "manifest.parquet").counts().values():
        for label, number in row.items():
            assert f"{number} {label.name}" in claim[19]


def test_the_kept_weights_are_stated(documents: dict, compact_run: Run, tmp_path: Path) -> None:
    assert "the weights after the last epoch" in items(documents["CLAIM.md"])[26]
    recipe = compact_run.recipe.model_copy(update={"keep": EpochChoice.BEST})
    record = compact_run.record.model_copy(update={"kept_epoch": 3})
    documents = written(replace(compact_run, recipe=recipe, record=record), tmp_path / "best")
    kept = "the weights after epoch 3, which has the lowest validation loss"
    assert kept in items(documents["CLAIM.md"])[26]
    assert f"- Kept weights: {kept}" in documents["MODEL_CARD.md"]


def test_missing_items_are_named_and_say_what_to_write(documents: dict) -> None:
    claim = documents["CLAIM.md"]
    missing = {number for number, text in items(claim).items() if "- Missing: " in text}
    named = re.search(r"and none for \d+: ([\d, ]+)\.", claim)[1]
    assert set(map(int, named.split(", "))) == missing
    assert {1, 2, 3, 4, 5, 16, 33, 34, 40, 41, 43, 44} <= missing
    assert f"records for {44 - len(missing)}" in claim
    for text in items(claim).values():
        assert ("- Missing: " in text) != ("- Recorded: " in text)


def test_no_number_is_invented(documents: dict, compact_run: Run, tmp_path: Path) -> None:
    """Every decimal number is in a file of the Run; metrics are rounded to three places."""
    folder = compact_run.folder
    sources = [*folder.glob("metrics/*.json"), folder / "run.json", folder / "recipe.yaml"]
    text = " ".join(path.read_text() for path in sources)
    known = {float(number) for number in re.findall(r"\d+\.\d+(?:e-?\d+)?", text)}
    recorded = {f"{number:.3f}" for number in known} | {str(number) for number in known}
    text = "\n".join(
        re.sub(r"(?m)^- Recorded: pneumoscope.*|.*Software.*", "", document)
        for document in documents.values()
    )
    for number in re.findall(r"(?<![\w.-])\d+\.\d+(?![\w.-]*\d)", text):
        assert number in recorded


def test_a_run_without_evaluation_claims_no_performance(compact_run: Run, tmp_path: Path) -> None:
    unevaluated = tmp_path / "unevaluated"
    shutil.copytree(compact_run.folder, unevaluated)
    shutil.rmtree(unevaluated / "metrics")
    (unevaluated / "test_readings.csv").unlink()
    found = written(Run.open(unevaluated), tmp_path / "documents")
    claim = items(found["CLAIM.md"])
    for number in (28, 29, 32, 37, 38, 39):
        assert "- Missing: " in claim[number]
    assert "was not evaluated" in found["MODEL_CARD.md"]
    assert "read 0 times" in found["MODEL_CARD.md"]


def test_the_card_has_the_sections_of_mitchell(documents: dict) -> None:
    assert re.findall(r"^## (.*)$", documents["MODEL_CARD.md"], re.MULTILINE) == [
        "Model details",
        "Intended use",
        "Factors",
        "Metrics",
        "Evaluation data",
        "Training data",
        "Quantitative analyses",
        "Ethical considerations",
        "Caveats and recommendations",
    ]


def test_the_datasheet_counts_what_the_manifest_holds(compact_run: Run, tmp_path: Path) -> None:
    """A manifest with duplicates, an image set aside, unknown patients and an additional column."""
    folder = tmp_path / "run"
    shutil.copytree(compact_run.folder, folder)
    manifest = compact_run.manifest()
    train = [entry for entry in manifest.entries if entry.split == "train"]
    changed = {
        train[0].path: {"pixel_hash": "same", "patient": None, "extra": {"age": "44"}},
        train[1].path: {"pixel_hash": "same", "label": Label(1 - train[0].label)},
        train[2].path: {
            "set_aside": f"exact duplicate of {train[0].path}, which is in the test split",
            "split": None,
        },
    }
    entries = tuple(replace(entry, **changed.get(entry.path, {})) for entry in manifest.entries)
    replace(manifest, entries=entries).write(folder / "manifest.parquet")
    sheet = written(Run.open(folder), tmp_path / "documents")["DATASHEET.md"]
    assert f"{len(entries)} images, {len(entries) - 1} of them in use" in sheet
    assert "1 groups of duplicates (0 not exact); 0 across splits, 1 with contradict" in sheet
    why = "exact duplicate of an image that is in the test split"
    assert f"1 images were set aside as unusable (1: {why})" in sheet
    assert "1 images in use have no patient" in sheet
    assert "additional columns: age" in sheet


def test_unrecorded_facts_are_left_blank(documents: dict) -> None:
    sheet = documents["DATASHEET.md"]
    for question in ("Under what licence", "ethical review", "For what purpose"):
        assert re.search(rf"\*\*{question}.*\*not recorded: fill in\*|{question}.*fill in", sheet)


def test_no_patient_and_no_file_is_named(documents: dict, compact_run: Run) -> None:
    text = "".join(documents.values())
    for entry in compact_run.manifest().entries:
        assert entry.path not in text
        assert entry.group not in text


def test_synthetic_images_are_stated(documents: dict) -> None:
    assert all("ynthetic images" in text for text in documents.values())


def test_an_unfinished_run_has_no_documents(compact_run: Run, tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", make_recipe("model_1"), compact_run.manifest())
    with pytest.raises(RunError, match="has not finished"):
        write_documents(run, tmp_path / "documents")
    assert not (tmp_path / "documents").exists()


def test_the_checklist_states_the_framing(compact_run: Run, tmp_path: Path) -> None:
    recipe = make_recipe("compact", assignments=["framing=lungs", "resampling=bilinear"])
    documents = written(replace(compact_run, recipe=recipe), tmp_path / "lungs")
    assert "outside of the lungs black" in items(documents["CLAIM.md"])[9]
