import io
from collections import defaultdict
from pathlib import Path

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian

from pneumoscope.dataset import Entry, Label, Manifest, Split, open_dataset
from pneumoscope.dataset.manifest import SplitBy
from pneumoscope.support.errors import DatasetError, UnreadableRadiographError

COUNT = 12


def pixels(seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (10, 12), dtype=np.uint8)


def write_classes(root: Path, first: int = 0, kind: str = "png") -> Path:
    """Write so many different images per class, each of its own patient by the name."""
    for label, name in (("NORMAL", "IM-{:04}-0001"), ("PNEUMONIA", "person{}_virus_1")):
        (root / label).mkdir(parents=True)
        for number in range(first, first + COUNT):
            seed = 2 * number + (label == "NORMAL")
            path = root / label / f"{name.format(number)}.{kind}"
            Image.fromarray(pixels(seed)).save(path)
    return root


@pytest.fixture
def chest(tmp_path: Path) -> Path:
    write_classes(tmp_path / "chest" / "train")
    write_classes(tmp_path / "chest" / "test", first=100)
    return tmp_path / "chest"


def encoded(kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels(999)).save(file, kind, **options)
    return file.getvalue()


BAD = {
    "cut.jpeg": (encoded("JPEG")[:-60], "the image is damaged"),
    "cut.png": (encoded("PNG")[:-60], "the image is damaged"),
    "empty.jpeg": (b"", "the file is empty"),
    "moving.gif": (
        encoded("GIF", save_all=True, append_images=[Image.fromarray(pixels(998))]),
        "a GIF, perhaps animated",
    ),
    "paper.pdf": (encoded("PDF"), "a PDF"),
    "text.jpeg": (b"not a radiograph\n", "text, not an image"),
}


def add_bad_images(folder: Path) -> None:
    for name, (content, _) in BAD.items():
        (folder / name).write_bytes(content)


def by_path(manifest: Manifest) -> dict[str, Entry]:
    return {entry.path: entry for entry in manifest.entries}


def test_every_image_is_described(chest: Path) -> None:
    (chest / "train/NORMAL/IM-0000-0001.png").unlink()
    deep = (pixels(0).astype(np.uint16) + 1) * 256
    Image.fromarray(deep[:, :7]).save(chest / "train/NORMAL/IM-0500-0002.png")
    manifest = open_dataset(chest)
    assert manifest.root == chest
    assert (manifest.split_by, manifest.seed) == (SplitBy.PATIENT, 0)
    assert list(by_path(manifest)) == sorted(
        path.relative_to(chest).as_posix() for path in chest.rglob("*.png")
    )
    entry = by_path(manifest)["train/NORMAL/IM-0500-0002.png"]
    assert (entry.width, entry.height, entry.label) == (7, 10, Label.NORMAL)
    assert (entry.patient, entry.patient_declared) == ("normal500", False)
    assert len(entry.sha256 or "") == len(entry.pixel_hash or "") == 64
    assert manifest.counts()[Split.TEST] == {Label.NORMAL: COUNT, Label.PNEUMONIA: COUNT}
    assert manifest.counts()[Split.VALIDATION] == {Label.NORMAL: 2, Label.PNEUMONIA: 2}


def test_bad_images_are_set_aside_with_their_reason(
    chest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_bad_images(chest / "train" / "PNEUMONIA")
    manifest = open_dataset(chest)
    assert len(manifest.set_aside) == len(BAD)
    for entry in manifest.set_aside:
        assert entry.set_aside is not None
        assert entry.set_aside.startswith(BAD[Path(entry.path).name][1])
        assert (entry.split, entry.sha256, entry.width) == (None, None, None)
        assert entry.label is Label.PNEUMONIA
    assert sum(sum(counts.values()) for counts in manifest.counts().values()) == 4 * COUNT
    shown = capsys.readouterr().err
    assert f"Images set aside: {len(BAD)}" in shown
    assert "train/PNEUMONIA/empty.jpeg: the file is empty; copy it from its source" in shown


def test_strict_stops_at_the_first_unreadable_image(chest: Path) -> None:
    add_bad_images(chest / "train" / "PNEUMONIA")
    first = chest / "train" / "PNEUMONIA" / "cut.jpeg"
    with pytest.raises(UnreadableRadiographError) as caught:
        open_dataset(chest, strict=True)
    assert str(caught.value).startswith(f"{first}: the image is damaged")


@pytest.mark.parametrize("where", ["train/NORMAL", "test/NORMAL", "test/PNEUMONIA"])
def test_a_class_of_a_split_without_a_readable_image(chest: Path, where: str) -> None:
    for path in (chest / where).iterdir():
        path.write_text("x")
    with pytest.raises(DatasetError) as caught:
        open_dataset(chest)
    split, label = where.split("/")
    message = str(caught.value)
    assert message.startswith(f"{chest}: no image of the class {label} is left in the {split} spl")
    assert f"for example {where}/" in message
    assert "text, not an image" in message
    assert "Replace" in message


def test_a_split_without_a_readable_image(chest: Path) -> None:
    for path in (chest / "test").rglob("*.png"):
        path.write_text("x")
    with pytest.raises(DatasetError, match="is left in the test split"):
        open_dataset(chest)


def test_a_class_without_a_readable_image(tmp_path: Path) -> None:
    plain = write_classes(tmp_path / "plain")
    for path in (plain / "PNEUMONIA").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DatasetError) as caught:
        open_dataset(plain)
    message = str(caught.value)
    assert message.startswith(f"{plain}: no image of the class PNEUMONIA is left; for example")


def test_one_bad_row_without_a_split_does_not_stop_a_table(tmp_path: Path) -> None:
    write_classes(tmp_path)
    rows = [f"{p.relative_to(tmp_path)},{p.parent.name},train" for p in tmp_path.rglob("*.png")]
    table = tmp_path / "labels.csv"
    table.write_text("\n".join(["file,label,split", *rows, "absent.png,NORMAL,"]))
    (absent,) = open_dataset(table).set_aside
    assert (
        absent.set_aside
        == "there is no such file; check its path, and --images if a table names it"
    )


def test_copies_that_leave_a_class_without_training(chest: Path) -> None:
    for old, new in zip(
        sorted((chest / "train/NORMAL").iterdir()),
        sorted((chest / "test/NORMAL").iterdir()),
        strict=True,
    ):
        new.write_bytes(old.read_bytes())
    with pytest.raises(DatasetError) as caught:
        open_dataset(chest)
    assert str(caught.value).startswith(f"{chest}: no image of the class NORMAL is left in the ")
    assert "exact duplicate of test/NORMAL/" in str(caught.value)


def test_too_few_patients_names_the_source(chest: Path) -> None:
    for path in (chest / "train/NORMAL").iterdir():
        path.rename(path.with_name(f"IM-0001-{path.name}"))
    with pytest.raises(DatasetError) as caught:
        open_dataset(chest)
    assert str(caught.value).startswith(f"{chest}: the validation split cannot be drawn")
    assert "of the class NORMAL" in str(caught.value)
    assert "add patients, or declare the splits" in str(caught.value)


def test_the_same_picture_in_another_file_is_a_copy(chest: Path) -> None:
    original = chest / "test/NORMAL/IM-0100-0001.png"
    copy = chest / "train/NORMAL/IM-0700-0001.png"
    note = PngInfo()
    note.add_text("Comment", "exported again")
    Image.open(original).convert("RGB").save(copy, pnginfo=note)
    assert copy.read_bytes() != original.read_bytes()
    entries = by_path(open_dataset(chest))
    assert entries["train/NORMAL/IM-0700-0001.png"].set_aside == (
        "exact duplicate of test/NORMAL/IM-0100-0001.png, which is in the test split"
    )
    assert entries["test/NORMAL/IM-0100-0001.png"].split is Split.TEST


def test_generated_images_make_a_synthetic_manifest(chest: Path) -> None:
    assert not open_dataset(chest).synthetic
    note = PngInfo()
    note.add_text("Synthetic", "drawn")
    Image.fromarray(pixels(77)).save(chest / "train/NORMAL/IM-0800-0001.png", pnginfo=note)
    assert open_dataset(chest).synthetic


def write_dicom(path: Path, seed: int, patient: str) -> None:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = ComputedRadiographyImageStorage
    dataset.SOPInstanceUID = f"1.2.3.{seed}"
    dataset.PatientID = patient
    dataset.PatientAge, dataset.PatientSex, dataset.ViewPosition = "018M", "F", "PA"
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.SamplesPerPixel = 1
    dataset.Rows, dataset.Columns = pixels(seed).shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    dataset.PixelRepresentation = 0
    dataset.PixelData = pixels(seed).tobytes()
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)


def test_dicom_objects_name_their_patient(tmp_path: Path) -> None:
    for label in Label:
        (tmp_path / label.name).mkdir()
        for number in range(16):
            patient = f"PID-{label}-{number // 2}"
            write_dicom(tmp_path / label.name / f"{number}.dcm", 100 * label + number, patient)
    manifest = open_dataset(tmp_path)
    sides = defaultdict(set)
    for entry in manifest.entries:
        assert entry.patient_declared
        assert "PID" not in (entry.patient or "PID")
        sides[entry.patient].add(entry.split)
    assert len(sides) == 16
    assert all(len(splits) == 1 for splits in sides.values())


def test_dicom_objects_state_age_sex_and_view_unless_a_table_does(tmp_path: Path) -> None:
    rows = []
    for number in range(24):
        write_dicom(tmp_path / f"{number}.dcm", number, f"p{number}")
        rows.append(f"{number}.dcm,{number % 2},{'M' if number < 12 else ''}")
    table = tmp_path / "labels.csv"
    table.write_text("\n".join(["file,label,sex", *rows]))
    entries = by_path(open_dataset(table))
    assert entries["3.dcm"].extra == {"age": "1.50", "sex": "M", "view": "PA"}
    assert entries["20.dcm"].extra == {"age": "1.50", "sex": "F", "view": "PA"}


def test_the_patient_of_a_table_takes_precedence(tmp_path: Path) -> None:
    rows = []
    for number in range(24):
        write_dicom(tmp_path / f"{number}.dcm", number, "the same for all")
        rows.append(f"{number}.dcm,{number % 2},p{number}")
    table = tmp_path / "labels.csv"
    table.write_text("\n".join(["file,label,patient", *rows]))
    assert {e.patient for e in open_dataset(table).entries} == {f"p{n}" for n in range(24)}


def state(folder: Path) -> dict[str, tuple[int, int, int, bytes | None]]:
    return {
        path.relative_to(folder).as_posix(): (
            path.stat().st_mtime_ns,
            path.stat().st_ino,
            path.stat().st_mode,
            path.read_bytes() if path.is_file() else None,
        )
        for path in (folder, *folder.rglob("*"))
    }


def test_source_images_are_not_modified(chest: Path, tmp_path: Path) -> None:
    add_bad_images(chest / "train" / "NORMAL")
    before = state(chest)
    open_dataset(chest).write(tmp_path / "m.parquet")
    with pytest.raises(UnreadableRadiographError):
        open_dataset(chest, strict=True)
    assert state(chest) == before


def test_a_manifest_opens_as_it_was_written(chest: Path, tmp_path: Path) -> None:
    manifest = open_dataset(chest, split_by=SplitBy.IMAGE, seed=5)
    manifest.write(tmp_path / "m.parquet")
    again = open_dataset(tmp_path / "m.parquet", seed=99)
    assert again == manifest
    assert open_dataset(tmp_path / "m.parquet", split_by=SplitBy.IMAGE) == manifest
    with pytest.raises(DatasetError) as caught:
        open_dataset(tmp_path / "m.parquet", split_by=SplitBy.PATIENT)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'm.parquet'}: it was split by image; to split by pat")
    assert "write a new manifest" in message


def test_a_manifest_whose_images_are_elsewhere_is_refused_at_once(
    chest: Path, tmp_path: Path
) -> None:
    open_dataset(chest).write(tmp_path / "m.parquet")
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    with pytest.raises(DatasetError, match=r"its image \S+ is not in .*wrong.*--images"):
        open_dataset(tmp_path / "m.parquet", wrong)


def test_few_images_of_a_class_are_said(chest: Path, capfd: pytest.CaptureFixture[str]) -> None:
    manifest = open_dataset(chest)
    said = " ".join(capfd.readouterr().err.split())
    counts = manifest.counts()
    for split in Split:
        for label in Label:
            assert counts[split][label] < 30
            assert f"{counts[split][label]} {label.name} in {split}" in said


def test_a_table_in_another_folder_than_its_images(chest: Path, tmp_path: Path) -> None:
    table = tmp_path / "tables" / "labels.csv"
    table.parent.mkdir()
    rows = [f"{path.name},{path.parent.name}" for path in (chest / "train").rglob("*.png")]
    for path in list((chest / "train").rglob("*.png")):
        path.rename(chest / path.name)
    table.write_text("\n".join(["file,label", *rows]))
    assert not open_dataset(table, chest).set_aside
    with pytest.raises(DatasetError, match="there is no such file; check its path, and --im"):
        open_dataset(table)


def test_the_real_children(children: Manifest) -> None:
    assert not children.set_aside
    assert not children.synthetic
    counts = children.counts()
    assert counts[Split.TEST] == {Label.NORMAL: 234, Label.PNEUMONIA: 390}
    for label, train in ((Label.NORMAL, 1_349), (Label.PNEUMONIA, 3_883)):
        drawn = counts[Split.VALIDATION][label]
        assert drawn == pytest.approx(train / 5, abs=20)
        assert counts[Split.TRAIN][label] == train - drawn
    patients, copies = defaultdict(set), defaultdict(list)
    for entry in children.entries:
        copies[entry.pixel_hash].append(entry.split)
        if entry.split is not Split.TEST:
            patients[entry.patient].add(entry.split)
    assert all(len(sides) == 1 for sides in patients.values())
    assert all(len(set(sides)) == 1 for sides in copies.values())
    assert sum(len(sides) > 1 for sides in copies.values()) == 30  # as the data is described
