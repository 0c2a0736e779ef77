"""Fingerprint of a table of predictions."""

import hashlib
import json

from pneumoscope.evaluation.predictions import Predictions


def fingerprint(predictions: Predictions) -> str:
    """Return the SHA-256 of every row's file, label, probability and patient, in any order.

    Examples
    --------
    >>> import numpy as np
    >>> table = Predictions(("a", "b"), np.array([0, 1]), np.array([0.1, 0.9]), ("a", "b"))
    >>> fingerprint(table) == fingerprint(table.rows(np.array([1, 0])))
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
