"""Bad input at the command line: a message with file and remedy, an exit code, nothing changed."""

import errno
import os
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pneumoscope.dataset import Manifest

Call = Callable[..., Any]

COUNT = 12


def write_classes(root: Path, first: int = 0) -> None:
    for label, name in (("NORMAL", "IM-{:04}-0001.png"), ("PNEUMONIA", "person{}_virus_1.png")):
        (root / label).mkdir(parents=True)
        for number in range(first, first + COUNT):
            rng = np.random.default_rng(2 * number + (label == "NORMAL"))
            picture = Image.fromarray(rng.integers(0, 256, (10, 12), dtype=np.uint8))
            picture.save(root / label / name.format(number))


@pytest.fixture
def chest(tmp_path: Path) -> Path:
    write_classes(tmp_path / "chest" / "train")
    write_classes(tmp_path / "chest" / "test", first=100)
    return tmp_path / "chest"


@pytest.fixture
def manifest(chest: Path, tmp_path: Path, pneumoscope: Call) -> Path:
    path = tmp_path / "chest.parquet"
    assert pneumoscope("data", "manifest", chest, "--out", path).code == 0
    return path


def listing(folder: Path) -> dict[str, bytes | None]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


@pytest.fixture
def fails(pneumoscope: Call, tmp_path: Path) -> Call:
    """Call the command line, check what holds for every failure, and return its message."""

    def call(*words: object, code: int = 1) -> str:
        before = listing(tmp_path)
        outcome = pneumoscope(*words)
        assert outcome.code == code
        assert "Traceback" not in outcome.out + outcome.err
        assert "defect of pneumoscope" not in outcome.err
        assert listing(tmp_path) == before, "a file was changed, lost or left half written"
        return str(outcome.err)

    return call


@pytest.fixture
def manifest_fails(fails: Call, tmp_path: Path) -> Call:
    def call(source: Path, *options: object) -> str:
        return str(fails("data", "manifest", source, "--out", tmp_path / "m.parquet", *options))

    return call


def bomb() -> bytes:
    """Return a PNG whose header announces 40,000 x 40,000 pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    header = struct.pack(">IIBBBBB", 40_000, 40_000, 1, 0, 0, 0, 0)
    data = zlib.compress(bytes(5_001 * 100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data)


def add_bad_images(folder: Path) -> dict[str, str]:
    """Put bad images into a folder; return the reason that is expected for each."""
    frames = [Image.new("L", (8, 8), grey) for grey in (0, 255)]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:])
    frames[0].save(folder / "moving.png", save_all=True, append_images=frames[1:])
    Image.radial_gradient("L").save(folder / "whole.jpeg")
    (folder / "truncated.jpeg").write_bytes((folder / "whole.jpeg").read_bytes()[:-500])
    (folder / "whole.jpeg").unlink()
    (folder / "text.jpeg").write_text("not an image\n")
    (folder / "empty.jpeg").write_bytes(b"")
    (folder / "bomb.png").write_bytes(bomb())
    (folder / "lost.png").symlink_to(folder / "nowhere.png")
    return {
        "moving.gif": "a GIF, perhaps animated; export the radiograph as JPEG, PNG, TIFF or DICOM",
        "moving.png": "an animation or several pages; export one still image",
        "truncated.jpeg": "the image is damaged (image file is truncated",
        "text.jpeg": "text, not an image; export the radiograph as JPEG, PNG, TIFF or DICOM",
        "empty.jpeg": "the file is empty; copy it from its source again",
        "bomb.png": "far more pixels than any radiograph",
        "lost.png": "there is no such file",
    }


def test_bad_images_are_set_aside_and_the_rest_goes_on(
    chest: Path, tmp_path: Path, pneumoscope: Call
) -> None:
    reasons = add_bad_images(chest / "train" / "PNEUMONIA")
    before = listing(chest)
    outcome = pneumoscope("data", "manifest", chest, "--out", tmp_path / "m.parquet")
    assert outcome.code == 0
    assert f"Set aside: {len(reasons)}" in outcome.out
    for name, reason in reasons.items():
        assert f"train/PNEUMONIA/{name}: {reason}" in outcome.err
    assert listing(chest) == before
    written = Manifest.read(tmp_path / "m.parquet")
    assert {Path(entry.path).name for entry in written.set_aside} == set(reasons)
    assert len(written.entries) == 4 * COUNT + len(reasons)


def test_16_bit_greyscale_and_cmyk_images_are_read(
    chest: Path, tmp_path: Path, pneumoscope: Call
) -> None:
    grey_16_bit = np.arange(120, dtype=np.uint16).reshape(10, 12) * 500
    Image.fromarray(grey_16_bit).save(chest / "train" / "NORMAL" / "deep.png")
    Image.radial_gradient("L").convert("CMYK").save(chest / "train" / "NORMAL" / "print.jpeg")
    outcome = pneumoscope("data", "manifest", chest, "--out", tmp_path / "m.parquet", "--strict")
    assert outcome.code == 0
    assert "Set aside: 0" in outcome.out


def test_strict_stops_at_the_first_bad_image(chest: Path, manifest_fails: Call) -> None:
    add_bad_images(chest / "train" / "PNEUMONIA")
    message = manifest_fails(chest, "--strict")
    assert f"Error: {chest / 'train' / 'PNEUMONIA' / 'bomb.png'}: far more pixels" in message
    assert "export it again" in message


@pytest.mark.parametrize("where", ["test/NORMAL", "test", "train/PNEUMONIA"])
def test_a_class_or_split_emptied_by_bad_images(
    chest: Path, manifest_fails: Call, where: str
) -> None:
    for path in (chest / where).rglob("*.png"):
        path.write_bytes(b"")
    message = manifest_fails(chest)
    assert f"Error: {chest}: no image of the class" in message
    assert f"is left in the {where.split('/')[0]} split" in message
    assert "the file is empty" in message


def remove(folder: Path) -> None:
    shutil.rmtree(folder)


def empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


@pytest.mark.parametrize(("damage", "state"), [(remove, "missing"), (empty, "empty")])
def test_a_class_folder_missing_or_empty(
    chest: Path, manifest_fails: Call, damage: Callable[[Path], None], state: str
) -> None:
    damage(chest / "test" / "NORMAL")
    message = manifest_fails(chest)
    assert f"Error: {chest / 'test' / 'NORMAL'}: the class folder is {state}; " in message


def test_one_class_only(chest: Path, tmp_path: Path, manifest_fails: Call) -> None:
    table = tmp_path / "labels.csv"
    names = [f"chest/train/NORMAL/IM-{number:04}-0001.png,NORMAL" for number in range(COUNT)]
    table.write_text("\n".join(["file,label", *names]))
    assert f"Error: {table}: no image is labelled PNEUMONIA; both cl" in manifest_fails(table)
    remove(chest / "train" / "PNEUMONIA")
    assert f"{chest / 'train' / 'PNEUMONIA'}: the class fold" in manifest_fails(chest / "train")


def test_a_label_that_is_neither_class(chest: Path, tmp_path: Path, manifest_fails: Call) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("file,label\na.png,NORMAL\nb.png,[OTHER]\n")
    message = manifest_fails(table)
    assert f"Error: {table}, line 3 (b.png): the label '[OTHER]' is neither" in message
    assert "correct it, or pass --negative '[OTHER]' if it counts" in message
    assert "--label-map" in message
    (chest / "train" / "COVID").mkdir()
    assert f"{chest / 'train'}: the folder COVID is neither" in manifest_fails(chest)


def test_fewer_patients_than_the_split_needs(chest: Path, manifest_fails: Call) -> None:
    for path in (chest / "train" / "PNEUMONIA").iterdir():
        path.rename(path.with_name(f"person7_virus_{path.name}"))
    message = manifest_fails(chest)
    assert f"Error: {chest}: the validation split cannot be drawn" in message
    assert "at least 2 patients of the class PNEUMONIA" in message
    assert "and there are 1; " in message
    assert "add patients, or declare the splits in a table" in message


def test_a_missing_source(tmp_path: Path, manifest_fails: Call) -> None:
    absent = tmp_path / "absent"
    assert f"Error: {absent}: there is no such folder or file" in manifest_fails(absent)
    (tmp_path / "note.txt").write_text("x")
    assert "note.txt: cannot be used as a table" in manifest_fails(tmp_path / "note.txt")


def test_an_empty_folder_as_images(chest: Path, tmp_path: Path, manifest_fails: Call) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("file,label\ntrain/NORMAL/IM-0000-0001.png,0\nb.png,1\n")
    message = manifest_fails(table, "--images", tmp_path / "elsewhere")
    assert "there is no such file; check its path, and --images if a table names it" in message


def test_a_manifest_of_another_split(manifest: Path, manifest_fails: Call) -> None:
    message = manifest_fails(manifest, "--split-by", "image")
    assert f"Error: {manifest}: it was split by patient; to split by image, write a" in message


@pytest.mark.parametrize("damage", ["label", "version", "cut"])
def test_a_damaged_manifest(manifest: Path, manifest_fails: Call, damage: str) -> None:
    table = pq.read_table(manifest)
    if damage == "label":
        place = table.schema.get_field_index("label")
        reversed_labels = table.column("label").take(list(range(len(table)))[::-1])
        pq.write_table(
            table.set_column(place, table.schema.field(place), reversed_labels), manifest
        )
    elif damage == "version":
        about = {**table.schema.metadata, b"pneumoscope.manifest": b"99"}
        pq.write_table(table.replace_schema_metadata(about), manifest)
    else:
        manifest.write_bytes(manifest.read_bytes()[:-9])
    reasons = {
        "label": "changed after it was",
        "version": "format 99",
        "cut": "cannot be read as Parq",
    }
    message = manifest_fails(manifest)
    assert f"Error: {manifest}: " in message
    assert reasons[damage] in message


@pytest.mark.parametrize("name", ["chest.parquet", "another.parquet"])
def test_a_full_disk_leaves_what_was_there(
    manifest: Path, chest: Path, fails: Call, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    out = manifest.with_name(name)
    message = fails("data", "manifest", chest, "--out", out, "--seed", 1, "--overwrite")
    assert f"Error: {out}: cannot be written (No space left on device); " in message
    assert "MB are free there" in message
    assert "Free some space or choose another folder" in message


def test_a_manifest_of_other_splits_is_not_replaced_unasked(
    manifest: Path, chest: Path, fails: Call, pneumoscope: Call
) -> None:
    before = manifest.read_bytes()
    assert pneumoscope("data", "manifest", chest, "--out", manifest).code == 0  # the same again
    message = fails("data", "manifest", chest, "--out", manifest, "--seed", 1)
    assert f"{manifest}: holds a manifest of other data, labels, columns or splits" in message
    assert "--overwrite" in message
    assert manifest.read_bytes() == before
    again = pneumoscope("data", "manifest", chest, "--out", manifest, "--seed", 1, "--overwrite")
    assert again.code == 0
    assert manifest.read_bytes() != before


def test_interrupted_while_writing(
    chest: Path, manifest: Path, fails: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    fails("data", "manifest", chest, "--out", manifest, "--seed", 1, "--overwrite", code=130)


@pytest.mark.parametrize("command", ["train", "experiment"])
@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("speed=9", "--set: 'speed' is not a setting; the settings are model, seed, precision"),
        ("augmentation.warp=1", "--set: 'augmentation.warp' is not a setting; the settings are ro"),
        ("epochs=-3", "epochs: Input should be greater than or equal to 1 (got -3); correct"),
        ("epochs=many", "epochs: Input should be a valid integer"),
        ("epochs", "write it as NAME=VALUE, such as --set epochs=5"),
    ],
)
def test_an_unknown_or_wrong_setting(
    chest: Path, tmp_path: Path, fails: Call, command: str, setting: str, reason: str
) -> None:
    words = (command, chest, "--model", "model_1", "--out", tmp_path / "out", "--set", setting)
    assert reason in fails(*words)


@pytest.mark.parametrize(
    ("yaml", "reason"),
    [
        ("epoch: 5\n", "'epoch' is not a setting; the settings are model, seed"),
        ("early_stopping: {patience: 0}\n", "early_stopping.patience: "),
        ("epochs: [\n", "cannot be read as YAML"),
        ("just words\n", "not a recipe; write lines such as 'epochs: 5'"),
        ("model: model_2\n", "the recipe is for model_2, not model_1"),
        ("model: model_9\n", "model_9"),
    ],
)
def test_an_invalid_recipe(
    manifest: Path, tmp_path: Path, fails: Call, yaml: str, reason: str
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml)
    words = ("--model", "model_1", "--out", tmp_path / "runs", "--recipe", recipe)
    message = fails("train", manifest, *words)
    assert f"Error: {recipe}: " in message
    assert reason in message


def test_a_missing_recipe(manifest: Path, tmp_path: Path, fails: Call) -> None:
    recipe = tmp_path / "absent.yaml"
    words = ("--model", "model_1", "--out", tmp_path / "runs", "--recipe", recipe)
    assert f"Error: {recipe}: cannot be read" in fails("train", manifest, *words)


def test_an_unknown_model(chest: Path, tmp_path: Path, fails: Call) -> None:
    for words in (
        ("models", "show", "model_9"),
        ("train", chest, "--model", "model_9", "--out", tmp_path / "runs"),
        ("experiment", chest, "--model", "model_9", "--out", tmp_path / "experiment"),
    ):
        message = fails(*words)
        assert "model_9" in message
        assert "model_1" in message, "the message lists the models"


@pytest.mark.parametrize("command", ["train", "experiment"])
def test_training_on_a_bad_source_leaves_no_run(
    chest: Path, tmp_path: Path, fails: Call, command: str
) -> None:
    empty(chest / "train" / "NORMAL")
    message = fails(command, chest, "--model", "model_1", "--out", tmp_path / "out")
    assert f"Error: {chest / 'train' / 'NORMAL'}: the class folder is empty" in message
    absent = tmp_path / "absent"
    assert f"Error: {absent}: there is no such" in fails(
        command, absent, "--model", "model_1", "--out", tmp_path / "out"
    )


def test_no_run_to_evaluate(tmp_path: Path, fails: Call) -> None:
    assert f"{tmp_path / 'runs'}" in fails("evaluate", tmp_path / "runs")


def test_a_summary_of_a_bad_source(tmp_path: Path, fails: Call) -> None:
    absent = tmp_path / "absent"
    message = fails("data", "summary", absent, "--out", tmp_path / "summary")
    assert f"Error: {absent}: there is no such folder or file" in message


@pytest.mark.parametrize(
    "words",
    [
        ("data", "manifest"),
        ("data", "manifest", "chest"),
        ("data", "manifest", "chest", "--out", "m.parquet", "--split-by", "hospital"),
        ("data", "manifest", "chest", "--out", "m.parquet", "--seed", "-1"),
        ("data", "fetch", "nowhere", "--out", "data"),
        ("experiment", "chest", "--out", "e", "--min-recall", "2"),
        ("validate", "--labels", "l.csv", "--images", ".", "--out", "v", "--min-auc", "90"),
        ("train", "chest", "--out", "runs"),
        ("operate", "chest"),
    ],
)
def test_a_wrong_call(fails: Call, words: tuple[str, ...]) -> None:
    assert "Usage: " in fails(*words, code=2)


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    from pneumoscope.cli import main
    from pneumoscope.support.errors import DatasetError

    with pytest.raises(DatasetError, match="there is no such folder or file"):
        main(
            [
                "--debug",
                "data",
                "manifest",
                str(tmp_path / "no"),
                "--out",
                str(tmp_path / "m.parquet"),
            ]
        )
