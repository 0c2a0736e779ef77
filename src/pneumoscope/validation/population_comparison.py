"""Comparison of local radiographs with the images that a bundle was trained and validated on."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pneumoscope.evaluation.statistics.intervals import proportion
from pneumoscope.reader.familiarity import FAMILIAR_SHARE
from pneumoscope.report.estimate import Estimate
from pneumoscope.validation.local_readings import LocalReadings

_QUARTILES = (0.25, 0.5, 0.75)


@dataclass(frozen=True, slots=True)
class PopulationComparison:
    """Similarity of local radiographs to those that the network was trained on.

    Parameters
    ----------
    unfamiliar
        Share of unfamiliar radiographs among those read: further from the training images than the
        bundle's limit. Wilson's interval.
    expected
        Share that is unfamiliar among the bundle's own validation images.
    distances
        Quartiles of the distance from the training images, relative to the limit.
    rejected
        Share of all labelled radiographs that was not read. Wilson's interval.
    quality
        Number of radiographs with each finding of the quality gate, by the code of the finding.
    """

    unfamiliar: Estimate
    expected: float
    distances: tuple[float, ...]
    rejected: Estimate
    quality: Mapping[str, int]


def compare_population(local: LocalReadings) -> PopulationComparison:
    """Compare local radiographs with those that the network was trained on."""
    read, rejected = len(local.paths), len(local.rejected)
    return PopulationComparison(
        proportion(int((local.distances > 1).sum()), read),
        1 - FAMILIAR_SHARE,
        tuple(np.quantile(local.distances, _QUARTILES).tolist()),
        proportion(rejected, read + rejected),
        local.quality,
    )
