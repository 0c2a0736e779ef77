import base64
import csv
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pneumoscope.dataset import Label, Manifest, Split, open_dataset
from pneumoscope.dataset.manifest import SplitBy
from pneumoscope.dataset.phantoms.generate import generate_phantoms
from pneumoscope.dataset.summary import statistics
from pneumoscope.dataset.summary.figures import samples_figure
from pneumoscope.dataset.summary.page import write_summary
from pneumoscope.dataset.summary.statistics import measure_dataset
from pneumoscope.support.errors import DatasetError

NORMAL, PNEUMONIA = Label.NORMAL, Label.PNEUMONIA
BAD = '<b>bad & "ugly".png'

# File, label, split, sex, and the one grey value of its 8 x 6 pixels (the twins': 10 x 6).
ROWS = [
    ("IM-0001-0001.png", "NORMAL", "train", "F", 10),
    ("IM-0001-0002.png", "NORMAL", "train", "F", 20),
    ("IM-0002-0001.png", "NORMAL", "validation", "M", 30),
    ("NORMAL2-IM-0001-0001.png", "NORMAL", "test", "M", 40),
    ("person1_bacteria_1.png", "PNEUMONIA", "train", "F", 100),
    ("person1_virus_2.png", "PNEUMONIA", "train", "M", 110),
    ("person2_bacteria_3.png", "PNEUMONIA", "train", "M", 120),
    ("person2_bacteria_4.png", "PNEUMONIA", "train", "M", 120),
    ("person2_virus_5.png", "PNEUMONIA", "validation", "", 130),
    ("person3_virus_6.png", "PNEUMONIA", "test", "F", 140),
    ("twin-a.png", "NORMAL", "train", "F", 200),
    ("twin-b.png", "PNEUMONIA", "train", "M", 200),
    (BAD, "PNEUMONIA", "train", "M", None),
]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    folder = tmp_path_factory.mktemp("dozen")
    with (folder / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "label", "split", "sex", "number", "patient"])
        for number, (name, label, split, sex, grey) in enumerate(ROWS):
            patient = name.removesuffix(".png") if "twin" in name else ""
            table.writerow([name, label, split, sex, number, patient])
            if grey is None:
                (folder / name).write_text("no image")
            else:
                Image.new("L", (10 if "twin" in name else 8, 6), grey).save(folder / name)
    return open_dataset(folder / "labels.csv", split_by=SplitBy.IMAGE)


@pytest.fixture(scope="module")
def page(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_summary(manifest, tmp_path_factory.mktemp("summary"))


class Elements(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def text(page: Path) -> str:
    return " ".join(Elements(page.read_text()).text.split())


def test_images_and_patients_are_counted(manifest: Manifest) -> None:
    summary = measure_dataset(manifest)
    assert summary.images == {
        Split.TRAIN: {NORMAL: 3, PNEUMONIA: 5},
        Split.VALIDATION: {NORMAL: 1, PNEUMONIA: 1},
        Split.TEST: {NORMAL: 1, PNEUMONIA: 1},
    }
    assert summary.patients == {
        Split.TRAIN: {NORMAL: 2, PNEUMONIA: 3},
        Split.VALIDATION: {NORMAL: 1, PNEUMONIA: 1},
        Split.TEST: {NORMAL: 1, PNEUMONIA: 1},
    }
    assert summary.images_per_patient == {NORMAL: {1: 2, 3: 1}, PNEUMONIA: {1: 2, 2: 1, 3: 1}}


def test_subtypes_are_counted(manifest: Manifest) -> None:
    summary = measure_dataset(manifest)
    assert summary.subtypes == {
        Split.TRAIN: {"bacteria": 3, "virus": 1},
        Split.VALIDATION: {"bacteria": 0, "virus": 1},
        Split.TEST: {"bacteria": 0, "virus": 1},
    }
    assert (summary.both_subtypes, summary.any_subtype) == (2, 3)


def test_patients_in_two_splits_are_named(manifest: Manifest) -> None:
    summary = measure_dataset(manifest)
    assert summary.shared_with_test.patients == ("normal1",)
    assert summary.shared_with_test.per_class == {NORMAL: 1, PNEUMONIA: 0}
    assert summary.shared_with_test.declared == 0
    assert summary.shared_with_validation.patients == ("person2",)
    assert summary.shared_with_validation.per_class == {NORMAL: 0, PNEUMONIA: 1}


def test_duplicates_are_grouped_and_contradictions_come_first(manifest: Manifest) -> None:
    groups = measure_dataset(manifest).duplicates
    assert [[entry.path for entry in group.entries] for group in groups] == [
        ["twin-a.png", "twin-b.png"],
        ["person2_bacteria_3.png", "person2_bacteria_4.png"],
    ]
    assert [group.crosses_labels for group in groups] == [True, False]
    assert not any(group.crosses_splits for group in groups)


def test_sizes_and_subgroups_are_counted(manifest: Manifest) -> None:
    summary = measure_dataset(manifest)
    assert summary.sizes == {
        NORMAL: {(8, 6): 4, (10, 6): 1},
        PNEUMONIA: {(8, 6): 6, (10, 6): 1},
    }
    assert summary.common_size is None
    assert summary.subgroups["sex"] == {
        "F": {NORMAL: 3, PNEUMONIA: 2},
        "M": {NORMAL: 2, PNEUMONIA: 4},
        "not stated": {NORMAL: 0, PNEUMONIA: 1},
    }


def test_many_values_are_not_counted_and_unknown_patients_not_joined(tmp_path: Path) -> None:
    rows = ["file,label,age"]
    for number in range(26):
        Image.new("L", (4, 4), number).save(tmp_path / f"{number}.png")
        rows.append(f"{number}.png,{number % 2},{number // 2}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    summary = measure_dataset(open_dataset(tmp_path / "labels.csv"))
    assert not summary.subgroups
    assert summary.skipped_columns == ("age",)
    assert summary.shared_with_test.patients == ()  # images without a patient share none


def test_intensities_are_of_train_and_validation(manifest: Manifest) -> None:
    intensities = measure_dataset(manifest).intensities
    normal, pneumonia = intensities[NORMAL], intensities[PNEUMONIA]
    assert (normal.images, pneumonia.images) == (4, 6)
    assert {grey: normal.histogram[grey] for grey in np.flatnonzero(normal.histogram)} == {
        10: 0.25,
        20: 0.25,
        30: 0.25,
        200: 0.25,
    }
    assert pneumonia.histogram[120] == pytest.approx(2 / 6)
    assert pneumonia.histogram.sum() == pytest.approx(1)
    assert normal.mean == pytest.approx((10 + 20 + 30 + 200) / 4 / 255)
    assert pneumonia.mean == pytest.approx((100 + 110 + 120 + 120 + 130 + 200) / 6 / 255)


def test_pixels_of_the_test_split_are_not_read(manifest: Manifest, tmp_path: Path) -> None:
    shutil.copytree(manifest.root, tmp_path / "images")
    for entry in manifest.of(Split.TEST):
        (tmp_path / "images" / entry.path).unlink()
    moved = Manifest(tmp_path / "images", manifest.entries, manifest.split_by, manifest.seed)
    assert measure_dataset(moved).intensities[NORMAL].images == 4


def test_a_changed_image_is_refused(manifest: Manifest, tmp_path: Path) -> None:
    shutil.copytree(manifest.root, tmp_path / "images")
    Image.new("L", (8, 6), 99).save(tmp_path / "images" / "person1_virus_2.png")
    moved = Manifest(tmp_path / "images", manifest.entries, manifest.split_by, manifest.seed)
    with pytest.raises(DatasetError, match=r"person1_virus_2\.png: changed"):
        measure_dataset(moved)


def test_the_page_warns(page: Path, manifest: Manifest) -> None:
    content = text(page)
    assert "Split by image, as the notebook does it. 1 patient has images both" in content
    assert "Contradicting labels. In 1 group of duplicates" in content
    assert "1 image is set aside" in content
    assert "text, not an image" in content
    assert "1 patient number occurs both in train or validation and in test" in content
    assert "A number in a file name only suggests a patient" in content
    assert "2 of 3 patient numbers" in content
    assert manifest.fingerprint in content
    assert "Synthetic" not in content


def test_a_declared_patient_in_two_splits_is_a_leak(manifest: Manifest, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(
        "file,label,split,patient\n"
        "IM-0001-0001.png,0,train,a\nIM-0001-0002.png,0,validation,b\nIM-0002-0001.png,0,test,a\n"
        "person1_bacteria_1.png,1,train,c\nperson1_virus_2.png,1,validation,d\n"
        "person2_virus_5.png,1,test,e\n"
    )
    declared = open_dataset(tmp_path / "labels.csv", manifest.root, split_by=SplitBy.IMAGE)
    content = text(write_summary(declared, tmp_path / "out"))
    assert "1 of them is named by the table or by DICOM" in content
    assert "only suggests a patient" not in content


def test_file_names_are_escaped(page: Path) -> None:
    html = page.read_text()
    assert "<b>bad" not in html
    assert "&lt;b&gt;bad &amp; &#34;ugly&#34;.png" in html
    assert BAD in Elements(html).text


def test_the_page_is_self_contained(page: Path) -> None:
    for tag, attributes in Elements(page.read_text()).elements:
        assert tag not in {"script", "link", "iframe"}
        assert (attributes.get("src") or "data:").startswith("data:")
        assert (attributes.get("href") or "#").startswith("#")
    assert "url(" not in page.read_text()


def test_every_figure_is_on_the_page_and_beside_it(page: Path) -> None:
    pngs = {path.name: path.read_bytes() for path in page.parent.glob("*.png")}
    assert set(pngs) == {
        "samples_normal.png",
        "samples_pneumonia.png",
        "counts.png",
        "images_per_patient.png",
        "sizes.png",
        "intensities.png",
        "mean_images.png",
    }
    html = page.read_text()
    assert all(base64.b64encode(png).decode() in html for png in pngs.values())


def test_samples_are_titled_as_in_the_notebook(manifest: Manifest) -> None:
    entries = [entry for entry in manifest.of(Split.TRAIN) if entry.label is NORMAL]
    figure = samples_figure(manifest.root, entries, NORMAL, synthetic=True)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["Normal 1", "Normal 2", "Normal 3", *[""] * 7]
    assert figure.get_suptitle() == "X-Ray Images of Normal Lungs (synthetic)"


def test_phantoms_are_called_synthetic_and_the_seed_chooses_the_samples(tmp_path: Path) -> None:
    manifest = open_dataset(generate_phantoms(tmp_path / "phantoms", count=30, size=64))
    first, same, different = (
        write_summary(manifest, tmp_path / name, seed)
        for name, seed in (("first", 1), ("same", 1), ("different", 2))
    )
    assert "Synthetic. These images were generated and show no patient." in text(first)
    assert "Every image is 64 × 64 pixels" in text(first)
    assert not (first.parent / "sizes.png").exists()
    assert first.read_bytes() == same.read_bytes()
    assert first.read_bytes() != different.read_bytes()


def test_known_statistics_of_the_real_dataset(
    children: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "_intensities", lambda *_: {})  # opens every image again
    summary = measure_dataset(children)
    training = (summary.images[Split.TRAIN], summary.images[Split.VALIDATION])
    assert sum(counts[NORMAL] for counts in training) == 1349
    assert sum(counts[PNEUMONIA] for counts in training) == 3883
    assert summary.images[Split.TEST] == {NORMAL: 234, PNEUMONIA: 390}
    assert len(summary.duplicates) == 30
    assert not any(group.crosses_splits for group in summary.duplicates)
    assert summary.shared_with_test.per_class == {NORMAL: 94, PNEUMONIA: 170}
    assert not summary.shared_with_validation.patients
    assert (summary.both_subtypes, summary.any_subtype) == (979, 1674)
