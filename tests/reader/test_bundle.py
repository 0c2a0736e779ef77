"""Bundles that are whole are opened, all others refused by name."""

import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from pneumoscope.radiograph import preprocess
from pneumoscope.reader import Bundle
from pneumoscope.reader.bundle import CHECKSUM, GRAPH, RECORD, checksum_of
from pneumoscope.support.errors import BundleError


def test_a_whole_bundle_says_what_it_is(exported: Path) -> None:
    bundle = Bundle.open(exported)
    text = (exported / RECORD).read_bytes()
    assert bundle.identity == f"phantoms@{hashlib.sha256(text).hexdigest()[:12]}"
    assert bundle.record.input.size == 64
    assert bundle.contents[GRAPH] == (exported / GRAPH).read_bytes()
    assert bundle.record.training_data.synthetic
    files = {path.name for path in exported.iterdir()}
    assert set(bundle.record.files) == files - {RECORD, CHECKSUM}


@pytest.mark.parametrize(
    "name", ["model.onnx", "quality_gate.npz", "familiarity.npz", "MODEL_CARD.md"]
)
def test_a_changed_byte_is_refused(own_bundle: Path, name: str) -> None:
    content = bytearray((own_bundle / name).read_bytes())
    content[len(content) // 2] ^= 1
    (own_bundle / name).write_bytes(content)
    with pytest.raises(BundleError, match=rf"{name}: changed .* export it again"):
        Bundle.open(own_bundle)


def test_a_changed_threshold_is_refused(own_bundle: Path) -> None:
    record = yaml.safe_load((own_bundle / RECORD).read_text())
    record["operating_points"]["screening"]["threshold"] += 0.001
    (own_bundle / RECORD).write_text(yaml.safe_dump(record))
    with pytest.raises(BundleError, match=rf"{RECORD}: changed .* export it again"):
        Bundle.open(own_bundle)


def test_the_checksum_is_one_that_other_programs_check(own_bundle: Path) -> None:
    subprocess.run(["sha256sum", "--check", "--strict", CHECKSUM], cwd=own_bundle, check=True)


@pytest.mark.parametrize("name", [RECORD, CHECKSUM, "model.onnx", "MODEL_CARD.md"])
def test_a_missing_file_is_refused(own_bundle: Path, name: str) -> None:
    (own_bundle / name).unlink()
    with pytest.raises(BundleError, match=rf"{name}: cannot be read .* restore it"):
        Bundle.open(own_bundle)


def set_format(record: dict) -> None:
    record["format"] = 99


def forget_the_graph(record: dict) -> None:
    del record["files"][GRAPH]


def climb_out(record: dict) -> None:
    record["files"]["../secret"] = "0"


def add_to_an_estimate(record: dict) -> None:
    record["metrics"]["validation"]["auc"]["width"] = 0.1


def add_a_setting(record: dict) -> None:
    record["surprise"] = 1


def prepare_otherwise(record: dict) -> None:
    record["input"]["preparation"] = preprocess.PREPARATION_VERSION + 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (set_format, "format 99, and this pneumoscope .* reads format 3"),
        (forget_the_graph, "list of files is wrong .*model.onnx"),
        (climb_out, "list of files is wrong .*secret"),
        (add_a_setting, "surprise"),
        (add_to_an_estimate, "width"),
        (prepare_otherwise, "prepared in another way"),
    ],
)
def test_another_record_is_refused(own_bundle: Path, change: Callable, words: str) -> None:
    record = yaml.safe_load((own_bundle / RECORD).read_text())
    change(record)
    (own_bundle / RECORD).write_text(yaml.safe_dump(record))
    with pytest.raises(BundleError, match=words):
        Bundle.open(own_bundle)


def test_a_bundle_of_format_2_is_read_with_its_metrics_renamed(own_bundle: Path) -> None:
    current = Bundle.open(own_bundle).record
    settings = yaml.safe_load((own_bundle / RECORD).read_text())
    settings["format"] = 2
    for point in settings["operating_points"].values():
        for metrics in (point["measured"], point["tested"]):
            metrics["recall"], metrics["precision"] = metrics.pop("sensitivity"), metrics.pop("ppv")
    text = yaml.safe_dump(settings, sort_keys=False).encode()
    (own_bundle / RECORD).write_bytes(text)
    (own_bundle / CHECKSUM).write_bytes(checksum_of(text))
    assert Bundle.open(own_bundle).record == current


@pytest.mark.parametrize("text", ["", "[1, 2]", "a: [", "\x00"])
def test_what_is_no_record_is_refused(own_bundle: Path, text: str) -> None:
    (own_bundle / RECORD).write_text(text)
    with pytest.raises(BundleError, match="export"):
        Bundle.open(own_bundle)
