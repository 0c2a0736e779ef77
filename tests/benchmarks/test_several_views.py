"""The benchmark of test-time augmentation."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from benchmarks.several_views import SCHEMES, scheme_rows, views


def test_every_scheme_is_evaluated_and_the_first_is_the_reader_itself(
    run_benchmark: Callable, exported: Path, phantom_dataset: Path
) -> None:
    (rows,) = run_benchmark("several_views", phantom_dataset, "--bundle", exported).values()
    assert [row["views"] for row in rows] == list(SCHEMES)
    assert rows[0]["difference"].startswith("0.000")


def test_views_are_mirrored_cropped_and_padded() -> None:
    pixels = np.random.default_rng(0).random((50, 100), dtype=np.float32)
    same, mirrored, nearer, farther = views(pixels)
    assert same is pixels
    np.testing.assert_array_equal(mirrored[:, ::-1], pixels)
    np.testing.assert_array_equal(nearer, pixels[2:48, 4:96])
    np.testing.assert_array_equal(farther[2:52, 4:104], pixels)


def test_the_mean_of_the_views_is_evaluated() -> None:
    # Each view alone errs on another image; their mean errs on none.
    labels = np.int8([0, 1, 0, 1])
    logits = np.array([[-1, 3, -1, -1], [1, 1, 1, -3], [-1, -1, -1, -1], [1, 1, 1, 1]], float)
    plain, mirrored, *_ = scheme_rows(labels, logits)
    assert plain["AUC"].startswith("1.000")
    means = logits[:, :2].mean(axis=1)
    assert mirrored["AUC"].startswith(f"{roc_auc_score(labels, means):.3f}")
    scaled = min(
        log_loss(labels, 1 / (1 + np.exp(-means * b))) for b in np.geomspace(0.05, 20, 999)
    )
    assert mirrored["loss"] == pytest.approx(scaled, abs=2e-3)
