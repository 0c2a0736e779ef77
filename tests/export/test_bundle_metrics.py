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


def test_shown_findings_add_up_and_agree_with_the_metrics_but_for_uncertain_ones() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 2
    scores = rng.normal(3 * (labels - 0.5), 1)
    files = tuple(f"{row}.png" for row in range(400))
    table = Predictions(files, labels, 1 / (1 + np.exp(-scores)), files)
    for point in choose_measured_points(table, table).values():
        ill, healthy = point.findings["PNEUMONIA"], point.findings["NORMAL"]
        assert (sum(ill.values()), sum(healthy.values())) == (200, 200)
        assert point.tested_findings == point.findings
        # By split conformal prediction at most 1 % of a class is shown as the other one.
        assert ill["normal"] <= 2
        assert healthy["pneumonia"] <= 2
        called_ill = np.count_nonzero(table.probabilities[labels == 1] >= point.threshold)
        assert ill["pneumonia"] <= called_ill <= ill["pneumonia"] + ill["uncertain"]
        assert point.measured["sensitivity"].value == called_ill / 200
