"""The audit of the test split: on phantoms, on the real second reader, and by worked examples."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import cohen_kappa_score, roc_auc_score

from benchmarks.test_split import write_smallest_tables
from benchmarks.test_split_acquisition import read_sizes
from benchmarks.test_split_copies import copy_rows, number_pairs, number_rows, resemblance_table
from benchmarks.test_split_data import AuditedSplit, audit, counted_share
from benchmarks.test_split_labels import agreement_rows, candidates_table, errors_table, votes_table
from benchmarks.test_split_limits import (
    DIFFERENCES,
    perfect_reader_auc,
    shift_to_auc,
    simulated_power,
    smallest_difference,
)
from benchmarks.test_split_networks import OutOfSampleNetwork, halves
from pneumoscope.dataset import Entry, Label, Manifest, Split, open_dataset
from pneumoscope.dataset.manifest import SplitBy
from pneumoscope.evaluation.statistics.delong import compare_aucs
from pneumoscope.evaluation.statistics.roc import roc_auc

NETWORKS = ("phantoms", "probe 1", "probe 2", "compact 1", "compact 2")


def make_split(labels: list[int], expert: list[int]) -> AuditedSplit:
    """Make a test split of one image per patient."""
    entries = tuple(
        Entry(f"test/{i}.png", Label(label), patient=f"person{i}", split=Split.TEST)
        for i, label in enumerate(labels)
    )
    return AuditedSplit(
        Manifest(Path(), entries, SplitBy.PATIENT, 0),
        entries,
        np.arange(len(labels)),
        np.array(["virus" if reading else "normal" for reading in expert]),
        {},
    )


def make_network(
    split: AuditedSplit, name: str, probabilities: list[float], part: str = "half 1"
) -> OutOfSampleNetwork:
    table = split.predictions(np.array(probabilities))
    return OutOfSampleNetwork(name, part, 1, 1, table, table, threshold=0.5)


@pytest.mark.thorough
def test_every_part_is_audited(
    run_benchmark: Callable, exported: Path, phantom_dataset: Path, tmp_path: Path
) -> None:
    tables = run_benchmark("test_split", phantom_dataset, "--bundle", exported, out=tmp_path)
    assert tuple(row["network"] for row in tables["Networks"]) == NETWORKS
    n_normal, n_ill = (row["n"] for row in tables["Images"][2:])
    votes = tables["Labels that networks contradict"]
    assert sum(row["NORMAL"] for row in votes) == n_normal
    assert sum(row["PNEUMONIA"] for row in votes) == n_ill
    errors = {(row["network"]): row["NORMAL called PNEUMONIA"] for row in tables["Networks"]}
    assert sum(k * row["NORMAL"] for k, row in enumerate(votes)) == sum(errors.values())
    # The page of radiographs and the figures lie beside the trainings, not beside the tables.
    assert {file.name for file in tmp_path.glob("*.*")} == {
        "second.csv",
        "sizes.csv",
        "test_split.json",
        "test_split.md",
    }
    assert len(list((tmp_path / "runs").glob("test-split-*.png"))) == 3
    assert "data:image/png" in (tmp_path / "runs" / "radiographs.html").read_text()


def test_networks_of_the_halves_share_no_patient(phantom_dataset: Path) -> None:
    first, second = halves(open_dataset(phantom_dataset))
    patients = [{entry.group for entry in half.of(Split.TRAIN)} for half in (first, second)]
    assert not patients[0] & patients[1]
    test = {entry.path for entry in first.of(Split.TEST)}
    assert test == {entry.path for entry in second.of(Split.TEST)}


def test_a_table_of_other_images_or_labels_is_refused(small_dataset: Path, tmp_path: Path) -> None:
    table, manifest = tmp_path / "second.csv", open_dataset(small_dataset)
    write_smallest_tables(small_dataset, table, tmp_path / "sizes.csv")
    rows = table.read_text().splitlines()
    assert len(audit(manifest, table).entries) == len(rows) - 1
    table.write_text("\n".join(rows[:-1]))
    with pytest.raises(SystemExit, match="are not those of the test split"):
        audit(manifest, table)
    table.write_text("\n".join(rows).replace(",normal,", ",virus,", 1))
    with pytest.raises(SystemExit, match="was published as"):
        audit(manifest, table)


def test_the_second_reader_of_the_real_test_split(children: Manifest, shared_data: Path) -> None:
    """The data's own description states these values."""
    split = audit(children, shared_data / "chest_xray_test_second_reader.csv")
    everything, *_ = agreement_rows(split)
    assert everything["sensitivity"].startswith("0.795 ")
    assert everything["specificity"].startswith("0.808 ")
    kappa = cohen_kappa_score(split.labels, split.expert_labels)
    assert everything["kappa"].startswith(f"{kappa:.3f} ")
    usable = ~split.flags["unusable"]
    assert usable.sum() == 624 - 48
    assert (usable & ~split.disputed).sum() == 479
    persons, normal = number_rows(children)
    assert (persons["also in train"], persons["with the same kind"]) == (170, 0)
    assert (normal["also in train"], normal["with the same kind"]) == (94, 0)
    across = [row for row in copy_rows(split) if row["place"] == "test and train"]
    assert [row["pairs"] for row in across] == [0, 0]
    sizes = read_sizes(shared_data / "lung_masks" / "chest_xray.csv")
    assert sizes.keys() <= {entry.path for entry in children.entries}


def test_intervals_are_by_patient() -> None:
    hits = np.repeat([True, False], [30, 10])
    single = counted_share(hits, np.arange(40))
    clustered = counted_share(np.repeat(hits, 5), np.repeat(np.arange(40), 5))
    assert single.split(" = ")[1] == clustered.split(" = ")[1]
    assert counted_share(hits[:0], np.arange(0)) == "–"


def test_candidates_are_compared_with_the_other_images() -> None:
    """The table of Fisher's lady tasting tea, whose two-sided p is 34/70."""
    # The network is sure of the other class for images 0 to 3 and 9; the expert contradicts 0 to 2
    # and 4.
    split = make_split([0] * 8 + [1] * 8, [1, 1, 1, 0, 1, 0, 0, 0] + [1] * 8)
    doubted = make_network(split, "one", [0.99] * 4 + [0.1] * 4 + [0.9, 0.01] + [0.9] * 6)
    certain = make_network(split, "two", [0.1] * 8 + [0.9] * 8)
    rows = candidates_table(split, [doubted, certain]).rows
    by_name = {(row["candidates of"], row["label"]): row for row in rows}
    row = by_name["one", "NORMAL"]
    assert row["contradicted, candidates"].startswith("3/4 ")
    assert row["contradicted, others"].startswith("1/4 ")
    assert row["difference"].startswith("0.500 ")
    assert row["p"] == pytest.approx(34 / 70)
    assert by_name["one", "PNEUMONIA"]["contradicted, candidates"].startswith("0/1 ")
    assert by_name["two", "NORMAL"]["contradicted, candidates"] == "–"
    assert by_name["at least one", "NORMAL"] == row | {"candidates of": "at least one"}


def test_errors_of_two_networks_are_compared_with_chance() -> None:
    rng = np.random.default_rng(0)
    split = make_split([0, 1] * 100, rng.integers(0, 2, 200).tolist())
    first, second = (
        make_network(split, name, (rng.random(200) * 0.6 + split.labels * 0.4).tolist(), part)
        for name, part in (("one", "half 1"), ("two", "half 2"))
    )
    row = errors_table(split, [first, second]).rows[0]
    wrong = [network.wrong[split.labels == 0] for network in (first, second)]
    assert row["shared training patients"] == "no"
    assert row["both"] == int(np.logical_and(*wrong).sum())
    assert row["by chance"] == pytest.approx(wrong[0].sum() * wrong[1].sum() / 100)
    assert row["kappa"].startswith(f"{cohen_kappa_score(*wrong):.3f}".replace("-", "−"))
    votes = votes_table(split, [first, second]).rows
    assert [row["networks against the label"] for row in votes] == [0, 1, 2]
    assert votes[2]["NORMAL"] == row["both"]


def test_equal_numbers_of_one_child_resemble_each_other() -> None:
    rng = np.random.default_rng(0)
    entries, features = [], []
    for number in range(60):
        for split, subtype in (
            (Split.TRAIN, "virus"),
            (Split.TRAIN, "virus"),
            (Split.TEST, "bacteria"),
        ):
            name = f"{split}/PNEUMONIA/person{number}_{subtype}_{len(entries)}.jpeg"
            entries.append(
                Entry(
                    name, Label.PNEUMONIA, subtype=subtype, patient=f"person{number}", split=split,
                    pixel_hash=name,
                )
            )  # fmt: skip
            child = np.random.default_rng(number).normal(size=32)
            # The two images in train show one child, that in test another one.
            features.append(
                child + rng.normal(size=32) / 10 if split is Split.TRAIN else rng.normal(size=32)
            )
    manifest = Manifest(Path(), tuple(entries), SplitBy.PATIENT, 0)
    pairs = number_pairs(manifest.entries)
    assert {name: len(found) for name, found in pairs.items()} == {
        "both in train, same kind": 60,
        "both in train, other kind": 0,
        "test and train, person": 60,
        "test and train, normal": 0,
    }
    same, other_kind, across, _ = resemblance_table(manifest, np.array(features, np.float32)).rows
    assert same["resemble more"].startswith("1.000")
    assert other_kind["resemble more"] is None
    assert float(across["resemble more"].split()[0]) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(("wrong_normal", "wrong_ill"), [(0.02, 0.02), (0.2, 0.05)])
def test_the_limit_by_wrong_labels_is_that_of_a_simulation(
    wrong_normal: float, wrong_ill: float
) -> None:
    """Label errors at random, on the least clear images, and on the clearest."""
    n = 20_000
    rng = np.random.default_rng(0)
    published = np.repeat([0, 1], n)
    n_wrong = [round(n * wrong_normal), round(n * wrong_ill)]
    truth = published.copy()
    truth[: n_wrong[0]] = 1
    truth[n : n + n_wrong[1]] = 0
    is_wrong = truth != published
    for rank in (0.5, 1.0, 0.0):
        clearness = rng.random(2 * n)
        if rank == 1:
            clearness[is_wrong] -= 1
        elif rank == 0:
            clearness[is_wrong] += 1
        score = np.where(truth == 1, clearness + 10, -clearness - 10)
        assert roc_auc_score(truth, score) == 1
        expected = roc_auc_score(published, score)
        assert perfect_reader_auc(wrong_normal, wrong_ill, rank) == pytest.approx(
            expected, abs=0.003
        )


def test_logits_are_shifted_to_an_auc() -> None:
    labels = np.repeat([0, 1], 400).astype(np.int8)
    logits = np.random.default_rng(0).normal(size=800) + labels
    shifted = shift_to_auc(labels, logits, 0.98)
    assert roc_auc_score(labels, shifted) == pytest.approx(0.98, abs=0.001)
    assert np.ptp((shifted - logits)[labels == 1]) < 1e-9
    assert np.array_equal(shifted[labels == 0], logits[labels == 0])


def test_power_is_that_of_the_normal_approximation() -> None:
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1], [234, 390]).astype(np.int8)
    common = rng.normal(size=624)
    first, second = (common + 0.7 * rng.normal(size=624) + 2 * labels for _ in range(2))
    power = simulated_power(labels, np.arange(624), first, second, 0.98, simulations=150)
    index = DIFFERENCES.index(0.015)
    shifted = shift_to_auc(labels, first, 0.98), shift_to_auc(labels, second, 0.965)
    comparison = compare_aucs(labels, *shifted)
    assert comparison.z is not None
    assert power[index] == pytest.approx(norm.cdf(comparison.z - 1.96), abs=0.12)
    assert power[0] < 0.12
    assert power[-1] > 0.95
    assert roc_auc(labels, shifted[1]) == pytest.approx(0.965, abs=0.001)


def test_the_smallest_difference_lies_between_those_simulated() -> None:
    power = np.array([0.05, 0.4, 0.6, 1.0, *[1.0] * (len(DIFFERENCES) - 4)])
    assert smallest_difference(power) == pytest.approx(0.005)  # halfway from 0.004 to 0.006
    assert smallest_difference(np.full(len(DIFFERENCES), 0.5)) is None


def test_random_tables_name_every_image(small_dataset: Path, tmp_path: Path) -> None:
    second, sizes = tmp_path / "second.csv", tmp_path / "sizes.csv"
    write_smallest_tables(small_dataset, second, sizes)
    with second.open(newline="") as file:
        assert sum(1 for _ in csv.DictReader(file)) == 16
    assert len(read_sizes(sizes)) == 64
