"""Patients that are unknown, or named by a pattern of the paths."""

import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pneumoscope.dataset import Manifest, Split, open_dataset
from pneumoscope.dataset.patients import describe_split_unit

from ..conftest import Outcome

LEAKAGE = "split by image, leakage cannot be excluded"


@pytest.fixture
def two_views(tmp_path: Path) -> Path:
    """Write class folders of 60 patients with two images each; only the file names tell."""
    rng = np.random.default_rng(0)
    for number in range(60):
        folder = tmp_path / "ward" / ("NORMAL" if number % 2 else "PNEUMONIA")
        folder.mkdir(parents=True, exist_ok=True)
        for view in range(2):
            pixels = rng.integers(0, 256, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"p{number}_{view}.jpeg")
    return tmp_path / "ward"


def splits_of_patients(manifest: Manifest) -> dict[str, set[Split | None]]:
    splits = defaultdict(set)
    for entry in manifest.in_use:
        splits[Path(entry.path).name.partition("_")[0]].add(entry.split)
    return splits


def test_unknown_patients_are_said_and_not_counted(
    pneumoscope: Callable[..., Outcome], two_views: Path, tmp_path: Path
) -> None:
    made = pneumoscope("data", "manifest", two_views, "--out", tmp_path / "m.parquet")
    assert f"The patient is unknown for all 120 images: {LEAKAGE}" in " ".join(made.err.split())
    assert "Images, split by image" in made.out
    metadata = pq.read_schema(tmp_path / "m.parquet").metadata
    assert metadata[b"images_without_patient"] == b"120"
    manifest = Manifest.read(tmp_path / "m.parquet")
    assert any(len(splits) > 1 for splits in splits_of_patients(manifest).values())
    assert pneumoscope("data", "summary", two_views, "--out", tmp_path / "s").code == 0
    page = (tmp_path / "s" / "summary.html").read_text()
    assert LEAKAGE in page
    assert "<caption>Patients</caption>" not in page
    assert not (tmp_path / "s" / "images_per_patient.png").exists()


def test_a_pattern_of_the_paths_names_patients(
    pneumoscope: Callable[..., Outcome], two_views: Path, tmp_path: Path
) -> None:
    words = ["data", "manifest", two_views, "--patient-from", r"/(p\d+)_"]
    made = pneumoscope(*words, "--out", tmp_path / "m.parquet")
    assert "unknown" not in made.err
    assert "Images, split by patient" in made.out
    manifest = Manifest.read(tmp_path / "m.parquet")
    assert {entry.patient for entry in manifest.entries} == {f"p{n}" for n in range(60)}
    assert all(len(splits) == 1 for splits in splits_of_patients(manifest).values())


@pytest.mark.parametrize(
    ("pattern", "error"),
    [
        ("(p", "'(p' is not a regular expression (missing )"),
        ("(p)(d)", "'(p)(d)' has 2 groups; put the part that names the patient into one group"),
        ("(case)?_", "'(case)?_' names nobody in the 120 paths"),
        ("case", "'case' names nobody in the 120 paths, such as NORMAL/p11_0.jpeg"),
    ],
)
def test_a_pattern_that_names_nobody_is_an_error(
    pneumoscope: Callable[..., Outcome], two_views: Path, pattern: str, error: str
) -> None:
    words = ["data", "manifest", two_views, "--out", two_views / "m.parquet"]
    made = pneumoscope(*words, "--patient-from", pattern)
    assert made.code == 1
    assert error in " ".join(made.err.split())


def test_patients_in_ones_own_validation_and_in_train_are_counted(tmp_path: Path) -> None:
    """Numbers in file names suggest them; splits that the source declares are kept."""
    for split, view in (("train", 1), ("val", 2), ("test", 3)):
        for number in range(6):
            label, person = (
                ("NORMAL", "IM-{:04}-000{}") if number % 2 else ("PNEUMONIA", "person{}_virus_{}")
            )
            folder = tmp_path / split / label
            folder.mkdir(parents=True, exist_ok=True)
            pixels = np.full((8, 8), 40 * number + view, np.uint8)
            Image.fromarray(pixels).save(folder / f"{person.format(number, view)}.png")
    manifest = open_dataset(tmp_path)
    assert len(manifest.shared_patients(Split.TRAIN, Split.VALIDATION)) == 6
    assert describe_split_unit(manifest) == "patient, 6 patients in train and in validation"


def test_a_manifest_keeps_its_patients(
    pneumoscope: Callable[..., Outcome], two_views: Path, tmp_path: Path
) -> None:
    open_dataset(two_views).write(tmp_path / "m.parquet")
    words = ["data", "summary", tmp_path / "m.parquet", "--out", tmp_path / "s"]
    made = pneumoscope(*words, "--patient-from", "p")
    assert made.code == 1
    assert "a manifest has its labels, patients and splits already" in " ".join(made.err.split())


def test_the_half_without_patients_is_named(
    pneumoscope: Callable[..., Outcome], two_views: Path, tmp_path: Path
) -> None:
    """PNG files of known patients beside JPEG files of unknown ones."""
    rows = ["file,label,patient"]
    for number, file in enumerate(sorted(two_views.rglob("*.jpeg"))):
        if number % 2:
            png = file.with_suffix(".png")
            with Image.open(file) as image:
                image.save(png)
            file.unlink()
            file = png
        patient = file.stem if number % 2 else ""
        rows.append(f"{file.relative_to(two_views)},{file.parent.name},{patient}")
    (two_views / "labels.csv").write_text("\n".join(rows))
    made = pneumoscope(
        "data", "manifest", two_views / "labels.csv", "--out", tmp_path / "m.parquet"
    )
    said = " ".join(made.err.split())
    assert f"The patient is unknown for 60 of 120 images (all 60 .jpeg): {LEAKAGE}" in said
    title = " ".join(made.out.split())
    assert "split by patient, 60 images of unknown patient by image" in title


def test_an_experiment_of_unknown_patients_has_intervals_by_image(
    pneumoscope: Callable[..., Outcome], two_views: Path, tmp_path: Path
) -> None:
    out = tmp_path / "experiment"
    words = ["experiment", two_views, "--out", out, "--model", "model_1", "--set", "epochs=1"]
    done = pneumoscope(*words, "--set", "image_size=64")
    assert done.code == 0, done.err
    assert "n = 24 radiographs; patients unknown" in " ".join(done.out.split())
    page = " ".join((out / "report.html").read_text().split())
    assert LEAKAGE in page
    assert "95 % interval: percentile bootstrap by image" in page
    assert "24 patients" not in page
    assert "all images of a patient are on one side" not in page
    data = json.loads((out / "results.json").read_text())["data"]
    assert data["images_without_patient"] == 120
