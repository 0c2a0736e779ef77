"""Views in Jupyter notebooks: their numbers are those of files, and nothing in them is markup."""

import base64
import io
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import pneumoscope as ps
from pneumoscope.dataset import Manifest
from pneumoscope.reader import Reader
from pneumoscope.training import Run


class Page(HTMLParser):
    """Text, pictures and tags of HTML, all of whose elements are closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.pictures: list[Image.Image] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        values = dict(attributes)
        if tag == "img":
            png = base64.b64decode(str(values["src"]).removeprefix("data:image/png;base64,"))
            self.pictures.append(Image.open(io.BytesIO(png)))
            assert values["alt"]
        elif tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += f"{data} "


def test_a_manifest_shows_counts_and_warnings(phantom_dataset: Path) -> None:
    manifest = ps.load_manifest(phantom_dataset)
    page = Page(manifest._repr_html_())
    for split in ("train", "validation", "test"):
        normal, ill = (
            sum(entry.split == split and entry.label.name == label for entry in manifest.entries)
            for label in ("NORMAL", "PNEUMONIA")
        )
        assert f"{split} {normal} {ill} {normal + ill} " in page.text
    assert "Split by patient" in page.text
    assert "Few images: 8 NORMAL in validation" in page.text
    assert "Synthetic images" in page.text
    unnamed = tuple(replace(entry, patient=None) for entry in manifest.entries)
    assert "leakage cannot be excluded" in replace(manifest, entries=unnamed)._repr_html_()


def test_a_run_shows_its_metrics_on_validation_alone(compact_run: Run) -> None:
    page = Page(compact_run._repr_html_())
    recorded = json.loads((compact_run.folder / "metrics" / "validation.json").read_text())
    for name in ("recall", "auc"):
        low, high = recorded["intervals"][name]
        assert f"{name} {recorded[name]:.3f} {low:.3f} to {high:.3f} " in page.text
    assert "finished;" in page.text
    assert "test" not in page.text.replace(str(compact_run.folder), "")


def test_an_unfinished_run_says_so_and_shows_its_epochs(compact_run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "<b>run"
    shutil.copytree(compact_run.folder, folder)
    shutil.rmtree(folder / "metrics")
    run = Run.open(folder).update_record(finished=False)
    page = Page(run._repr_html_())
    assert "not finished;" in page.text
    assert f" 5 {run.history()[-1].loss:.3f} " in page.text
    assert "<b>run" in page.text
    assert "b" not in page.tags


def test_a_reading_shows_its_radiograph_and_no_more_than_it_may_answer(
    reader: Reader, radiographs: Callable
) -> None:
    reading = next(
        reading for reading in reader.read_many(radiographs(32)) if reading.probability is not None
    )
    page = Page(reading._repr_html_())
    assert f"{reading.probability:.1%}" in page.text
    assert re.search(rf"screening\s+{reading.findings['screening']}\b", page.text)
    plain, heatmap = page.pictures
    assert np.ptp(np.asarray(plain.convert("L"))) > 100
    assert len(np.unique(np.asarray(heatmap.convert("L")))) > 20

    wide = reader.read(np.full((100, 300), 90, np.uint8))
    page = Page(wide._repr_html_())
    assert "Not read: rejected" in page.text
    assert "%" not in page.text
    (picture,) = page.pictures
    assert picture.width / picture.height == pytest.approx(3, abs=0.01)

    assert Page(reader.read("<script>.png")._repr_html_()).tags == {"div", "p", "strong"}


def test_an_evaluation_shows_its_intervals_and_escapes_names() -> None:
    labels = np.arange(40) % 2
    files = tuple(f"{row}.png" for row in range(40))
    predictions = ps.Predictions(files, labels, 0.3 + 0.4 * labels, files)
    evaluation = ps.evaluate(predictions, draws=100)
    assert "1.000 0.839 to 1.000" in Page(evaluation._repr_html_()).text
    hostile = replace(evaluation, subject=replace(evaluation.subject, name="<img src=x>"))
    assert "img" not in Page(hostile._repr_html_()).tags


def test_a_set_aside_image_is_counted(tmp_path: Path, phantom_dataset: Path) -> None:
    manifest: Manifest = ps.load_manifest(phantom_dataset)
    first = replace(manifest.entries[0], set_aside="truncated", split=None)
    view = replace(manifest, entries=(first, *manifest.entries[1:]))._repr_html_()
    assert "Images set aside: 1" in view
    assert first.path not in view
