"""Class balance: weights of classes in the loss, and of images in sampling."""

import numpy as np
from numpy.typing import NDArray

from pneumoscope.training.examples import Examples, ExampleStore
from pneumoscope.training.recipe import ClassBalance


def class_weights(labels: NDArray[np.int8]) -> NDArray[np.float64]:
    """Return weights inversely proportional to class frequencies, with mean 1 over the images.

    Examples
    --------
    >>> class_weights(np.array([0, 1, 1, 1], np.int8)).round(2).tolist()
    [2.0, 0.67]
    """
    counts = np.bincount(labels, minlength=2)
    weights: NDArray[np.float64] = len(labels) / (2 * np.maximum(counts, 1))
    return weights


def sampling_weights(
    store: ExampleStore, train: Examples, balance: ClassBalance
) -> NDArray[np.float64] | None:
    """Return the relative frequency with which each training image is drawn.

    Parameters
    ----------
    store
        Examples of the dataset.
    train
        Training images.
    balance
        Setting of the recipe.

    Returns
    -------
    NDArray[np.float64] or None
        Weights, shape (n,); None for each image once an epoch.
    """
    match balance:
        case ClassBalance.SAMPLER:
            return class_weights(train.labels)[train.labels]
        case ClassBalance.ACQUISITION:
            # Importing scikit-learn is slow, and most recipes do not need it.
            from pneumoscope.training.acquisition_groups import (
                acquisition_weights,
                describe_acquisitions,
            )

            acquisitions = describe_acquisitions(store.manifest, train.entries, store.cache)
            patients = [entry.group for entry in train.entries]
            return acquisition_weights(acquisitions, train.labels, patients)
    return None
