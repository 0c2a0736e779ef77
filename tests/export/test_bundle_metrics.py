"""Metrics of operating points are those of the findings that a reader shows."""

import numpy as np
import pytest

from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.export.bundle_metrics import choose_measured_points
from pneumoscope.reader import Finding
from pneumoscope.reader.reading import finding_at
from pneumoscope.report.estimate import Estimate


def make_table(separation: float) -> Predictions:
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 2
    scores = rng.normal(separation * (labels - 0.5), 1)
    files = tuple(f"{row}.png" for row in range(400))
    return Predictions(files, labels, 1 / (1 + np.exp(-scores)), files)


@pytest.mark.parametrize(("separation", "warns"), [(1.0, True), (9.0, False)])
def test_classes_that_overlap_leave_images_with_low_confidence(
    separation: float, warns: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    choose_measured_points(make_table(separation), None)
    said = " ".join(capfd.readouterr().err.split())
    assert ("of the validation images have low confidence" in said) is warns


@pytest.mark.parametrize("abstain", [False, True])
def test_stated_figures_are_those_of_what_is_shown(abstain: bool) -> None:
    """Counted here image by image, by the finding that a reader shows of it."""
    table = make_table(3)
    for point in choose_measured_points(table, table).values():
        shown = [finding_at(p, point, abstain=abstain) for p in table.probabilities.tolist()]
        suspected, cleared = (
            np.array([finding is kind for finding in shown])
            for kind in (Finding.SUSPECTED, Finding.NO_SIGN)
        )
        ill = table.labels == 1
        stated = point.stated(abstain=abstain)
        assert stated["sensitivity"].value == pytest.approx(suspected[ill].mean())
        assert stated["specificity"].value == pytest.approx(cleared[~ill].mean())
        assert stated["ppv"].value == pytest.approx(ill[suspected].mean())
        assert stated["npv"].value == pytest.approx((~ill)[cleared].mean())
        assert stated["lr_negative"].value == pytest.approx(
            cleared[ill].mean() / cleared[~ill].mean()
        )
        assert stated["sensitivity"].low < stated["sensitivity"].value < stated["sensitivity"].high


def test_counts_of_findings_add_up_to_the_figures() -> None:
    table = make_table(3)
    for point in choose_measured_points(table, table).values():
        ill, healthy = point.findings["PNEUMONIA"], point.findings["NORMAL"]
        assert (sum(ill.values()), sum(healthy.values())) == (200, 200)
        assert point.tested_findings == point.findings
        # By split conformal prediction at most 1 % of a class is shown, for sure, as the other one.
        assert ill["no sign of pneumonia"] <= 2
        assert healthy["pneumonia suspected"] <= 2
        called_ill = ill["pneumonia suspected"] + ill["pneumonia suspected, low confidence"]
        assert point.measured["sensitivity"].value == called_ill / 200
        assert point.measured_abstaining["sensitivity"].value == ill["pneumonia suspected"] / 200


def test_likelihood_ratios_are_those_of_findings_and_confidence() -> None:
    """Counted here image by image; a finding that one class never has is left out."""
    table = make_table(1.5)
    ill = table.labels == 1
    for point in choose_measured_points(table, table).values():
        within = (table.probabilities >= point.low) & (table.probabilities <= point.high)
        called = table.probabilities >= point.threshold
        strata = {
            "pneumonia suspected": called & ~within,
            "pneumonia suspected, low confidence": called & within,
            "no sign of pneumonia, low confidence": ~called & within,
            "no sign of pneumonia": ~called & ~within,
        }
        assert point.likelihood_ratios
        for words, ratio in point.likelihood_ratios.items():
            share_ill, share_healthy = strata[words][ill].mean(), strata[words][~ill].mean()
            assert ratio.value == pytest.approx(share_ill / share_healthy)
            assert ratio.low <= ratio.value < ratio.high
        for words in strata.keys() - point.likelihood_ratios:
            assert not strata[words][~ill].any()
        # One quantity has one interval: a reader that abstains shows the findings that are sure.
        for name, words in (
            ("lr_positive", "pneumonia suspected"),
            ("lr_negative", "no sign of pneumonia"),
        ):
            undefined = Estimate(None)
            assert point.tested_abstaining[name] == point.likelihood_ratios.get(words, undefined)
