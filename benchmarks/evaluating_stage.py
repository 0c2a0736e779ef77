"""Evaluation of one table of predictions, for `evaluating`: IMAGES DRAWS; prints its seconds."""

import sys
import time

import numpy as np

from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.statistics.discrimination import assess_discrimination

THRESHOLDS = {"screening": 0.2, "balanced": 0.5, "confirm": 0.8}


def predictions(images: int) -> Predictions:
    """Draw a table without ties: one to three images a patient, a third of the patients ill."""
    rng = np.random.default_rng(0)
    patient = np.repeat(np.arange(images), rng.integers(1, 4, images))[:images]
    labels = (rng.random(images) < 1 / 3).astype(np.int8)[patient]
    scores = 2 * labels - 1 + rng.normal(0, 1, images)
    return Predictions(
        tuple(f"{number}.png" for number in range(images)),
        labels,
        1 / (1 + np.exp(-scores)),
        tuple(f"person{number}" for number in patient),
    )


def main() -> None:
    """Run from the command line."""
    images, draws = map(int, sys.argv[1:])
    table = predictions(images)
    started = time.perf_counter()
    assess_discrimination(table, THRESHOLDS, draws=draws)
    print(time.perf_counter() - started)


if __name__ == "__main__":
    main()
