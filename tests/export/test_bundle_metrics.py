"""Warnings about operating points that leave too many images uncertain."""

import numpy as np
import pytest

from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.export.bundle_metrics import choose_measured_points


@pytest.mark.parametrize(("separation", "warns"), [(1.0, True), (9.0, False)])
def test_classes_that_overlap_leave_images_uncertain(
    separation: float, warns: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 2
    scores = rng.normal(separation * (labels - 0.5), 1)
    files = tuple(f"{row}.png" for row in range(400))
    choose_measured_points(Predictions(files, labels, 1 / (1 + np.exp(-scores)), files), None)
    said = " ".join(capfd.readouterr().err.split())
    assert ("of the validation images are UNCERTAIN" in said) is warns
