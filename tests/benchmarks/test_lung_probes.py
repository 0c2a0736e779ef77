"""The choice by linear probes, on phantoms and features whose answer is known."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.lung_probes import BALANCES, Probes
from pneumoscope.dataset import open_dataset


def test_every_balance_is_probed_on_phantoms(run_benchmark: Callable) -> None:
    rows = run_benchmark("lung_probes")["Linear probes"]
    assert {row["balance"] for row in rows} <= set(BALANCES)
    assert all(0 <= float(row["pooled"]) <= 1 for row in rows)


def test_features_that_are_the_label_are_ranked_perfectly_and_noise_is_not(
    phantom_dataset: Path,
) -> None:
    probes = Probes(open_dataset(phantom_dataset), "none", folds=2)
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(len(probes.labels), 4)).astype(np.float32)
    label = probes.labels[:, np.newaxis].astype(np.float32)
    assert probes.row("label", np.hstack([label, noise]), "none")["pooled"] == "1.0000"
    assert float(probes.row("noise", noise, "none")["pooled"]) < 0.75
    held_out = np.sum(probes.folds, axis=0)
    assert (held_out >= 1).all()  # every image is left out once, or with another of its patient
