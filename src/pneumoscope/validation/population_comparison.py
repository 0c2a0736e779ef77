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
    rejected, outside, unread
        Shares of all labelled radiographs: those rejected by the quality gate or failed, those
        that the bundle may not answer for, and both together. Wilson's intervals.
    quality
        Number of radiographs with each finding of the quality gate, by the code of the finding.
    """

    unfamiliar: Estimate
    expected: float
    distances: tuple[float, ...]
    rejected: Estimate
    outside: Estimate
    unread: Estimate
    quality: Mapping[str, int]


def compare_population(local: LocalReadings) -> PopulationComparison:
    """Compare local radiographs with those that the network was trained on."""
    read, total = len(local.paths), len(local.paths) + len(local.unread)
    return PopulationComparison(
        proportion(int((local.distances > 1).sum()), read),
        1 - FAMILIAR_SHARE,
        tuple(np.quantile(local.distances, _QUARTILES).tolist()),
        proportion(len(local.rejected), total),
        proportion(len(local.outside), total),
        proportion(len(local.unread), total),
        local.quality,
    )
