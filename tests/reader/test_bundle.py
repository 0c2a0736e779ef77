"""Complete bundles are opened; damaged ones and other formats are refused."""

import hashlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from pneumoscope.radiograph import preprocess
from pneumoscope.reader import Bundle
from pneumoscope.reader.bundle import (
    CHECKSUM,
    FAMILIARITY,
    GATE,
    GRAPH,
    RECORD,
    checksum_of,
    write_bundle,
)
from pneumoscope.reader.population import Population
from pneumoscope.report.estimate import Estimate
from pneumoscope.support.errors import BundleError


def test_a_complete_bundle_is_opened(exported: Path) -> None:
    bundle = Bundle.open(exported)
    text = (exported / RECORD).read_bytes()
    assert bundle.identity == f"phantoms@{hashlib.sha256(text).hexdigest()[:12]}"
    assert bundle.record.input.size == 64
    assert bundle.contents[GRAPH] == (exported / GRAPH).read_bytes()
    assert bundle.record.training_data.synthetic
    files = {path.name for path in exported.iterdir()}
    log = "test_readings.csv"  # there once a test split has been read with the bundle
    assert set(bundle.record.files) == files - {RECORD, CHECKSUM, log}
    assert "Training started from" not in (exported / "MODEL_CARD.md").read_text()


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


def test_sha256sum_accepts_the_checksum(own_bundle: Path) -> None:
    subprocess.run(["sha256sum", "--check", "--strict", CHECKSUM], cwd=own_bundle, check=True)


@pytest.mark.parametrize("name", [RECORD, CHECKSUM, "model.onnx", "MODEL_CARD.md"])
def test_a_missing_file_is_refused(own_bundle: Path, name: str) -> None:
    (own_bundle / name).unlink()
    with pytest.raises(BundleError, match=rf"{name}: cannot be read .* restore it"):
        Bundle.open(own_bundle)


def set_format(record: dict) -> None:
    record["format"] = 99


def remove_the_graph(record: dict) -> None:
    del record["files"][GRAPH]


def leave_the_folder(record: dict) -> None:
    record["files"]["../secret"] = "0"


def add_to_an_estimate(record: dict) -> None:
    record["metrics"]["validation"]["auc"]["width"] = 0.1


def add_a_setting(record: dict) -> None:
    record["surprise"] = 1


def change_the_preparation(record: dict) -> None:
    record["input"]["preparation"] = preprocess.PREPARATION_VERSION + 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (set_format, "format 99, and this pneumoscope .* reads formats 2 to 6"),
        (remove_the_graph, "list of files is wrong .*model.onnx"),
        (leave_the_folder, "list of files is wrong .*secret"),
        (add_a_setting, "surprise"),
        (add_to_an_estimate, "width"),
        (change_the_preparation, "prepared in another way"),
    ],
)
def test_another_record_is_refused(own_bundle: Path, change: Callable, words: str) -> None:
    record = yaml.safe_load((own_bundle / RECORD).read_text())
    change(record)
    (own_bundle / RECORD).write_text(yaml.safe_dump(record))
    with pytest.raises(BundleError, match=words):
        Bundle.open(own_bundle)


@pytest.mark.parametrize("text", ["", "[1, 2]", "a: [", "\x00"])
def test_another_text_is_refused(own_bundle: Path, text: str) -> None:
    (own_bundle / RECORD).write_text(text)
    with pytest.raises(BundleError, match="export"):
        Bundle.open(own_bundle)


@pytest.fixture
def format_2(exported: Path, tmp_path: Path) -> Path:
    """Return a bundle with the record of one that was shipped in format 2, and phantoms' files."""
    folder = Path(shutil.copytree(Path(__file__).parent / "format_2", tmp_path / "format-2"))
    for name, former in {GRAPH: GRAPH, GATE: GATE, FAMILIARITY: "population.npz"}.items():
        shutil.copy(exported / name, folder / former)
    record = yaml.safe_load((folder / RECORD).read_text())
    record["files"] = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in record["files"]
    }
    write_record(folder, record)
    return folder


def write_record(folder: Path, record: dict) -> None:
    text = yaml.safe_dump(record).encode()
    (folder / RECORD).write_bytes(text)
    (folder / CHECKSUM).write_bytes(checksum_of(text))


def test_a_bundle_of_format_2_is_opened_in_todays_format(
    format_2: Path, exported: Path, tmp_path: Path
) -> None:
    bundle, former = Bundle.open(format_2), yaml.safe_load((format_2 / RECORD).read_text())
    digest = hashlib.sha256((format_2 / RECORD).read_bytes()).hexdigest()
    assert bundle.identity == f"compact-4@{digest[:12]}"
    for name in (GRAPH, GATE, FAMILIARITY):
        assert bundle.contents[name] == (exported / name).read_bytes()
    assert (bundle.record.population, bundle.record.refusal) == (Population(), None)
    assert bundle.record.familiarity_limit == former["population_limit"]
    renamed = {"recall": "sensitivity", "precision": "ppv"}
    for name, point in former["operating_points"].items():
        upgraded = bundle.record.operating_points[name]
        assert upgraded.threshold == point["threshold"]
        for metric, estimate in point["measured"].items():
            assert upgraded.measured[renamed.get(metric, metric)] == Estimate(**estimate)
    rewritten = write_bundle(tmp_path / "rewritten", bundle.record, bundle.contents)
    assert set(rewritten.record.files) == {GRAPH, GATE, FAMILIARITY}
    assert rewritten.record.format == 6


def test_a_bundle_of_format_3_answers_for_all_patients(own_bundle: Path) -> None:
    """Format 3 is format 6 without population and limits of refusal."""
    record = yaml.safe_load((own_bundle / RECORD).read_text())
    del record["population"], record["refusal"]
    write_record(own_bundle, record | {"format": 3})
    bundle = Bundle.open(own_bundle)
    assert (bundle.record.population, bundle.record.refusal) == (Population(), None)
    assert bundle.record.format == 6


def test_the_history_of_a_bundle_of_format_2_is_renamed(format_2: Path) -> None:
    record = yaml.safe_load((format_2 / RECORD).read_text())
    record["history"] = [
        {"created": "today", "pneumoscope": "0.1.0", "before": "a@1", "what": "recalibrated"}
    ]
    write_record(format_2, record)
    (change,) = Bundle.open(format_2).record.history
    assert (change.previous, change.description) == ("a@1", "recalibrated")


@pytest.mark.parametrize("part", ["population_limit", "operating_points"])
def test_a_damaged_bundle_of_format_2_is_refused(format_2: Path, part: str) -> None:
    record = yaml.safe_load((format_2 / RECORD).read_text())
    del record[part]
    (format_2 / RECORD).write_text(yaml.safe_dump(record))
    with pytest.raises(BundleError, match=rf"damaged .*{part}.* restore it"):
        Bundle.open(format_2)
