import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pneumoscope.dataset import Label, Split, open_dataset
from pneumoscope.dataset.kermany_filenames import parse_filename
from pneumoscope.dataset.phantoms import generate
from pneumoscope.dataset.phantoms.generate import generate_phantoms
from pneumoscope.support.errors import DatasetError, StorageError

COUNT, SIZE = 240, 64


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate_phantoms(tmp_path_factory.mktemp("made") / "phantoms", COUNT, SIZE, seed=3)


def pictures(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.png"))


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def pixels(folder: Path, label: str) -> NDArray[np.float64]:
    return np.stack(
        [np.asarray(Image.open(path), float) for path in pictures(folder) if label in path.parts]
    )


def auc(negative: NDArray[np.float64], positive: NDArray[np.float64]) -> float:
    """Return the Mann-Whitney statistic by its definition."""
    return float(np.mean(positive[:, None] > negative[None, :]))


def test_same_arguments_give_same_bytes_and_another_seed_does_not(tmp_path: Path) -> None:
    first, same, different = (
        digests(generate_phantoms(tmp_path / name, 30, SIZE, seed))
        for name, seed in (("first", 1), ("same", 1), ("different", 2))
    )
    assert first == same
    images = {digest for name, digest in first.items() if name != "README.txt"}
    assert not images & set(different.values())


@pytest.mark.parametrize("count", [30, 31, COUNT])
def test_the_number_of_images_in_the_kaggle_layout(tmp_path: Path, count: int) -> None:
    folder = generate_phantoms(tmp_path / "phantoms", count, SIZE)
    counts = Counter(path.relative_to(folder).parent.as_posix() for path in pictures(folder))
    assert counts.total() == count
    assert set(counts) == {f"{s}/{c}" for s in ("train", "test") for c in ("NORMAL", "PNEUMONIA")}
    assert counts["train/NORMAL"] + counts["train/PNEUMONIA"] == count - round(count / 5)
    for split in ("train", "test"):
        assert counts[f"{split}/PNEUMONIA"] / counts[f"{split}/NORMAL"] == pytest.approx(2, abs=0.3)


def test_the_smallest_set_can_be_split(tmp_path: Path) -> None:
    for seed in range(5):
        manifest = open_dataset(generate_phantoms(tmp_path / str(seed), 30, SIZE, seed))
        assert all(n > 0 for counts in manifest.counts().values() for n in counts.values())


def test_images_are_eight_bit_grey_of_the_given_size(folder: Path) -> None:
    for path in pictures(folder):
        with Image.open(path) as image:
            assert (image.format, image.mode, image.size) == ("PNG", "L", (SIZE, SIZE))


def test_files_manifest_and_readme_say_synthetic(folder: Path) -> None:
    manifest = open_dataset(folder)
    assert len(manifest.entries) == COUNT
    assert all(entry.synthetic for entry in manifest.entries)
    assert manifest.synthetic
    assert "SYNTHETIC" in (folder / "README.txt").read_text()


@pytest.mark.parametrize("size", [64, 224])
def test_the_word_synthetic_is_burned_in_alike_in_both_classes(tmp_path: Path, size: int) -> None:
    folder = generate_phantoms(tmp_path / "phantoms", 30, size)
    corners = {
        label.name: pixels(folder, label.name)[:, size * 7 // 8 :, : size * 3 // 4]
        for label in Label
    }
    constant = np.all([corner.std(axis=0) < 12 for corner in corners.values()], axis=0)
    normal, pneumonia = (corner.mean(axis=0)[constant] for corner in corners.values())
    assert normal == pytest.approx(pneumonia, abs=12)
    assert (normal > 200).sum() > 40  # the letters
    assert (normal < 60).sum() > 80  # their outline


def test_each_patient_of_the_file_names_is_in_one_split(folder: Path) -> None:
    sides: dict[str, set[str]] = {}
    images: Counter[str] = Counter()
    subtypes = Counter(parse_filename(path.name).subtype for path in pictures(folder))
    for path in pictures(folder):
        patient = parse_filename(path.name).patient
        assert patient is not None
        # The bare number: normal and pneumonia numbers are not shared either.
        sides.setdefault(patient.strip("abcdefghijklmnopqrstuvwxyz"), set()).add(str(path.parent))
        images[patient] += 1
    assert all(len(folders) == 1 for folders in sides.values())
    assert {1, 2, 3} == set(images.values())
    assert subtypes["bacteria"] > subtypes["virus"] > 0


def test_one_patient_has_one_anatomy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    draw = generate.draw_phantom

    def watch(anatomy: object, *rest: object) -> Image.Image:
        drawn.append(anatomy)
        return draw(anatomy, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(generate, "draw_phantom", watch)
    folder = generate_phantoms(tmp_path / "phantoms", 60, SIZE)
    patients = {parse_filename(path.name).patient for path in pictures(folder)}
    assert len(drawn) == 60
    assert len(set(drawn)) == len(patients) < 60


def test_lungs_with_pneumonia_are_whiter_but_not_always(folder: Path) -> None:
    def lungs(label: str) -> NDArray[np.float64]:
        rows = pixels(folder, label)[:, SIZE // 4 : SIZE * 5 // 8]
        left, right = (
            rows[:, :, SIZE // 4 : SIZE * 3 // 8],
            rows[:, :, SIZE * 5 // 8 : SIZE * 3 // 4],
        )
        return (left + right).mean(axis=(1, 2))

    assert 0.6 < auc(lungs("NORMAL"), lungs("PNEUMONIA")) < 0.95


def test_pixels_outside_of_the_chest_do_not_reveal_the_class(folder: Path) -> None:
    def corner(label: str) -> NDArray[np.float64]:
        return pixels(folder, label)[:, : SIZE // 10, : SIZE // 4].mean(axis=(1, 2))

    # Of 80 and 160 pictures chance keeps within 0.08 of a half, two times in three within 0.04.
    assert 0.4 < auc(corner("NORMAL"), corner("PNEUMONIA")) < 0.6


def test_only_an_empty_or_absent_folder_is_written_to(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert len(pictures(generate_phantoms(tmp_path / "empty", 30, SIZE))) == 30
    before = digests(tmp_path / "empty")
    with pytest.raises(DatasetError, match=r"not an empty folder.*choose another"):
        generate_phantoms(tmp_path / "empty", 30, SIZE, seed=9)
    assert digests(tmp_path / "empty") == before


@pytest.mark.parametrize(
    ("count", "size", "seed", "message"),
    [
        (29, 64, 0, "--count must be at least 30, not 29"),
        (30, 63, 0, "--size must be at least 64, not 63"),
        (30, 64, -1, "--seed must be 0 or more"),
    ],
)
def test_numbers_too_small_are_refused(
    tmp_path: Path, count: int, size: int, seed: int, message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        generate_phantoms(tmp_path / "phantoms", count, size, seed)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> Image.Image:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(generate, "draw_phantom", full)
    with pytest.raises(StorageError, match="No space left"):
        generate_phantoms(tmp_path / "phantoms", 30, SIZE)
    assert not list(tmp_path.iterdir())


def test_splits_are_the_kaggle_ones(folder: Path) -> None:
    manifest = open_dataset(folder)
    assert sum(manifest.counts()[Split.TEST].values()) == COUNT // 5
