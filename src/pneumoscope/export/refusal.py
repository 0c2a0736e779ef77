"""Limits of refusal: how unlike the training images an image may be for an answer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold

from pneumoscope.dataset.splits import patient_groups
from pneumoscope.evaluation.statistics.bootstrap import DRAWS, estimate_from_resamples, resample
from pneumoscope.evaluation.statistics.intervals import widen_certain
from pneumoscope.export.familiarity import fit_familiarity
from pneumoscope.export.onnx_graph import SplitOutput
from pneumoscope.export.outsiders import (
    AugmentedFeatures,
    Outsiders,
    augment_features,
    fit_outsider_weights,
)
from pneumoscope.lungs import Preparation
from pneumoscope.reader.bundle import RefusalLimits
from pneumoscope.reader.familiarity import FeatureFamiliarity
from pneumoscope.report.estimate import Estimate
from pneumoscope.support.errors import RunError
from pneumoscope.support.terminal import messages

LIMIT_QUANTILE = 0.995
"""Quantile of the held-out images at which each limit lies.

The two limits together refuse at most 1 % of them. A patient who gets no answer is seen by a
clinician as ever, but a reader that refuses more is not used.
"""

FOLDS = 5
"""Number of cross-validation folds, by patient, where no image was held out."""


@dataclass(frozen=True, eq=False)
class _HeldOut:
    """Distances and outsider scores, None without outsiders, of images that were not fitted on."""

    distances: NDArray[np.float32]
    scores: NDArray[np.float32] | None
    patients: tuple[str, ...]


def fit_refusal(
    graph: bytes,
    preparation: Preparation,
    familiarity: FeatureFamiliarity,
    train: SplitOutput,
    validation: SplitOutput | None,
    outsiders: Outsiders | None = None,
) -> tuple[FeatureFamiliarity, RefusalLimits]:
    """Fit limits of refusal on held-out images; return them, and the familiarity with its weights.

    Parameters
    ----------
    graph
        Graph of the bundle.
    preparation
        Preparation of radiographs for the graph.
    familiarity
        Familiarity that was fitted on the training images.
    train
        Training images. Those that are outsiders at the same time count as outsiders.
    validation
        Images to fit the limits on; None to cross-validate the training images, for a network that
        was trained on all images of its patients.
    outsiders
        Radiographs of patients whom the bundle must refuse; without them, distance alone decides.

    References
    ----------
    Hendrycks et al., "Deep Anomaly Detection with Outlier Exposure", ICLR 2019.
    """
    inside = _inside_mask(train, outsiders)
    sides = None
    if outsiders is not None:
        sides = augment_features(
            graph, preparation, (train.whole[inside], train.output.features[inside]), outsiders
        )
    everyone = np.ones(int(inside.sum()), np.bool_)
    with messages.status("Fitting the limits of refusal"):
        familiarity = _with_weights(familiarity, sides, everyone)
        held_out = (
            _cross_validate(train, inside, sides)
            if validation is None
            else _HeldOut(
                familiarity.distance(validation.output.features),
                familiarity.outsider_score(validation.output.features),
                _patients(validation),
            )
        )
    return familiarity, _choose_limits(held_out, outsiders)


def _inside_mask(train: SplitOutput, outsiders: Outsiders | None) -> NDArray[np.bool_]:
    """Return which training images are no outsiders, shape (n,)."""
    hashes = frozenset() if outsiders is None else outsiders.hashes
    inside = np.array([entry.sha256 not in hashes for entry in train.examples.entries])
    if not inside.any():
        raise RunError(
            "--outsiders: every training image is among them; name radiographs of patients whom "
            "the bundle must not read"
        )
    return inside


def _with_weights(
    familiarity: FeatureFamiliarity,
    sides: tuple[AugmentedFeatures, AugmentedFeatures] | None,
    inside: NDArray[np.bool_],
) -> FeatureFamiliarity:
    """Return the familiarity with outsider weights, fitted on a part of the inside images."""
    if sides is None:
        return familiarity
    outside = sides[1].of_images(np.ones(len(sides[1].original), np.bool_))
    weights = fit_outsider_weights(sides[0].of_images(inside), outside)
    return replace(familiarity, outsider_weights=weights)


def _cross_validate(
    train: SplitOutput,
    inside: NDArray[np.bool_],
    sides: tuple[AugmentedFeatures, AugmentedFeatures] | None,
) -> _HeldOut:
    """Return distances and scores of the training images that are inside, by folds of patients."""
    features, rows = train.output.features, np.flatnonzero(inside)
    patients = tuple(_patients(train)[row] for row in rows)
    distances = np.zeros(len(rows), np.float32)
    scores = None if sides is None else np.zeros(len(rows), np.float32)
    for fitted, left_out in _folds(patients):
        kept = np.ones(len(features), np.bool_)
        kept[rows[left_out]] = False
        familiarity = _with_weights(fit_familiarity(features[kept]), sides, fitted)
        distances[left_out] = familiarity.distance(features[rows[left_out]])
        if scores is not None:
            scores[left_out] = familiarity.outsider_score(features[rows[left_out]])
    return _HeldOut(distances, scores, patients)


def _folds(patients: Sequence[str]) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Yield masks of the images fitted on and of those left out, for each fold of patients."""
    for _, left_out in GroupKFold(min(FOLDS, len(set(patients)))).split(patients, groups=patients):
        mask = np.zeros(len(patients), np.bool_)
        mask[left_out] = True
        yield ~mask, mask


def _choose_limits(held_out: _HeldOut, outsiders: Outsiders | None) -> RefusalLimits:
    distance = float(np.quantile(held_out.distances, LIMIT_QUANTILE))
    refused = held_out.distances > distance
    score_limit = None
    if held_out.scores is not None:
        score_limit = float(np.quantile(held_out.scores, LIMIT_QUANTILE))
        refused |= held_out.scores > score_limit
    return RefusalLimits(
        distance=distance,
        outsider_score=score_limit,
        outsiders=None if outsiders is None else outsiders.description,
        false_refusals=_share(refused, held_out.patients),
    )


def _share(refused: NDArray[np.bool_], patients: Sequence[str]) -> Estimate:
    """Return the share of images refused, with an interval by patient."""
    names, patient = np.unique(patients, return_inverse=True)

    def share(times: NDArray[np.int32]) -> NDArray[np.float64]:
        weights = times[patient]
        return np.asarray(refused @ weights / weights.sum(), np.float64)

    estimate = estimate_from_resamples(resample(share, patient, DRAWS, seed=0))
    return widen_certain(estimate, len(names))


def _patients(split: SplitOutput) -> tuple[str, ...]:
    return patient_groups(split.examples.entries)
