"""Which predictions figures are of: a digest that goes with them."""

import hashlib
import json

from pneumoscope.evaluation.predictions import Predictions


def fingerprint(predictions: Predictions) -> str:
    """Return a SHA-256 over every row: the same files, labels, patients and probabilities.

    The order of the rows does not matter.

    Examples
    --------
    >>> import numpy as np
    >>> one = Predictions(("a", "b"), np.array([0, 1]), np.array([0.1, 0.9]), ("a", "b"))
    >>> fingerprint(one) == fingerprint(one.rows(np.array([1, 0])))
    True
    """
    rows = zip(
        predictions.files,
        predictions.labels.tolist(),
        predictions.probabilities.tolist(),
        predictions.patients,
        strict=True,
    )
    digest = hashlib.sha256()
    for row in sorted(rows):
        digest.update(json.dumps(row).encode())
    return digest.hexdigest()
