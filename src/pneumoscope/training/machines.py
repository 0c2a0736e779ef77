"""Images put together that were made alike, so that a network gains nothing by telling machines."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from pneumoscope.dataset import Entry, Manifest
from pneumoscope.dataset.acquisition import Acquisition, as_table, describe_acquisition
from pneumoscope.parallel import map_parallel
from pneumoscope.radiograph import read_radiograph

STRATA = 5


def describe_entries(manifest: Manifest, entries: Sequence[Entry]) -> NDArray[np.float64]:
    """Describe how each image was made.

    Returns
    -------
    NDArray[np.float64]
        Shape (n, columns), as `as_table` gives it.

    Raises
    ------
    UnreadableRadiographError
        If a file has become unreadable.
    """

    def describe(entry: Entry) -> Acquisition:
        return describe_acquisition(read_radiograph(manifest.root / entry.path).pixels)

    return as_table(map_parallel(describe, entries, "Looking at borders and markers"))


def machine_classifier() -> HistGradientBoostingClassifier:
    """Return what tells classes by how images were made: gradient boosting, not yet fitted."""
    # Small trees of many images: what it learns by heart would blur the strata.
    return HistGradientBoostingClassifier(
        max_iter=100, learning_rate=0.05, max_leaf_nodes=4, min_samples_leaf=50, random_state=0
    )


def machine_strata(
    learned: NDArray[np.float64], labels: NDArray[np.int8], judged: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Put images into strata by what their machine alone says of the label.

    Within a stratum the machine says about the same of all images (a propensity score), so what
    still tells the classes apart there is something else; see `adjusted_auc`.

    Parameters
    ----------
    learned, labels
        How the training images were made, and their labels.
    judged
        How the images were made that are put into strata, shape (n, columns).

    Returns
    -------
    NDArray[np.intp]
        Shape (n,), from 0 (most like NORMAL) to 4; about as many images in each, those of which the
        machine says the same together.

    References
    ----------
    Rosenbaum and Rubin, "Reducing bias in observational studies using subclassification on the
    propensity score", Journal of the American Statistical Association 79:516-524, 1984.

    Examples
    --------
    >>> made, labels = np.arange(100.0).reshape(-1, 1), np.repeat([0, 1], 50).astype(np.int8)
    >>> strata = machine_strata(made, labels, made)
    >>> bool(strata[:50].max() < strata[50:].min())
    True
    """
    said = machine_classifier().fit(learned, labels).predict_proba(judged)[:, 1]
    edges = np.quantile(said, np.arange(1, STRATA) / STRATA)
    strata: NDArray[np.intp] = np.searchsorted(edges, said)
    return strata
