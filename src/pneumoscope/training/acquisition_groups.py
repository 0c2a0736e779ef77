"""Acquisition groups: images grouped by the way they were acquired, as far as their borders tell.

Where the acquisition (border, markers, exposure, noise) tells the classes apart, a network can
recognise the scanner instead of the lungs. Here images are put into strata of the propensity score,
weighted so that the acquisition says nothing of the label, or split so that cross-validation holds
out one acquisition at a time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.preprocessing import StandardScaler

from pneumoscope.dataset import Entry, Label, Manifest, Split, acquisition
from pneumoscope.dataset.acquisition import Acquisition, acquisition_table, describe_acquisition
from pneumoscope.dataset.pixels import ArrayKind
from pneumoscope.dataset.splits import linked_groups
from pneumoscope.radiograph import read_radiograph
from pneumoscope.support.cache import ArrayCache, WriteRows
from pneumoscope.support.errors import DatasetError
from pneumoscope.support.parallel import map_parallel

N_STRATA = 5

_FOLDS = 5
_WEIGHT_LIMITS = (0.1, 10.0)
"""Lowest and highest weight of an image."""


def describe_acquisitions(
    manifest: Manifest, entries: Sequence[Entry], cache: ArrayCache
) -> NDArray[np.float64]:
    """Describe the acquisition of each image, as `acquisition_table` does; the table is cached.

    Raises
    ------
    UnreadableRadiographError
        If a file has become unreadable.
    StorageError
        If the table cannot be cached.
    """

    def describe(entry: Entry) -> Acquisition:
        return describe_acquisition(read_radiograph(manifest.root / entry.path).pixels)

    def fill(write: WriteRows) -> None:
        acquisitions = map_parallel(describe, entries, "Measuring borders and markers")
        write(0, acquisition_table(acquisitions))

    table: NDArray[np.float64] = cache.open(
        ArrayKind.ACQUISITIONS,
        " ".join([str(acquisition.VERSION), *(str(entry.sha256) for entry in entries)]),
        f"acquisitions of images, data {manifest.fingerprint[:12]}",
        (len(entries), len(acquisition.COLUMNS)),
        np.float64,
        fill,
    ).values
    return table


def acquisition_classifier() -> HistGradientBoostingClassifier:
    """Return an unfitted gradient-boosting classifier of labels by acquisition."""
    # Small trees of many images: overfitting would blur the strata.
    return HistGradientBoostingClassifier(
        max_iter=100, learning_rate=0.05, max_leaf_nodes=4, min_samples_leaf=50, random_state=0
    )


def acquisition_strata(
    train: NDArray[np.float64], labels: NDArray[np.int8], evaluated: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Stratify images by the propensity score: the probability of the label given the acquisition.

    Within a stratum the acquisition says about the same of all images, so whatever still tells the
    classes apart there is something else; see `covariate_adjusted_auc`.

    The score is learned from training images, shapes (m, columns) and (m,). The strata of the
    evaluated images (n, columns) are numbered from 0 (most like NORMAL) to 4 and about equally
    large; images of equal scores are in the same stratum.

    References
    ----------
    Rosenbaum and Rubin, "Reducing bias in observational studies using subclassification on the
    propensity score", Journal of the American Statistical Association 79:516-524, 1984.

    Examples
    --------
    >>> table, labels = np.arange(100.0).reshape(-1, 1), np.repeat([0, 1], 50).astype(np.int8)
    >>> strata = acquisition_strata(table, labels, table)
    >>> bool(strata[:50].max() < strata[50:].min())
    True
    """
    scores = acquisition_classifier().fit(train, labels).predict_proba(evaluated)[:, 1]
    edges = np.quantile(scores, np.arange(1, N_STRATA) / N_STRATA)
    strata: NDArray[np.intp] = np.searchsorted(edges, scores)
    return strata


def acquisition_weights(
    acquisitions: NDArray[np.float64], labels: NDArray[np.int8], patients: Sequence[str]
) -> NDArray[np.float64]:
    """Compute weights of training images under which the acquisition says nothing of the label.

    A weight is the share of the image's class divided by the probability of the class given the
    acquisition (stabilised inverse probability weights [1]_), predicted by cross-validation over
    patients. Weights are truncated to between 0.1 and 10, so that no few images dominate [2]_.

    Acquisitions have the shape (n, columns); labels, patients and weights are n each.

    Raises
    ------
    DatasetError
        If a class has fewer than 5 patients.

    References
    ----------
    .. [1] Robins, Hernan and Brumback, "Marginal structural models and causal inference in
       epidemiology", Epidemiology 11:550-560, 2000.
    .. [2] Cole and Hernan, "Constructing inverse probability weights for marginal structural
       models", American Journal of Epidemiology 168:656-664, 2008.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> border, labels = rng.random(1000), (rng.random(1000) < 0.5).astype(np.int8)
    >>> weights = acquisition_weights(border.reshape(-1, 1), labels, [str(i) for i in range(1000)])
    >>> bool(0.8 < weights.mean() < 1.2)  # the border is unrelated to the label
    True
    """
    for label in Label:
        of_class = {patient for patient, y in zip(patients, labels, strict=True) if y == label}
        if len(of_class) < _FOLDS:
            raise DatasetError(
                f"class_balance=acquisition needs at least {_FOLDS} patients of the class "
                f"{label.name} in the train split; use class_balance=sampler, or more images"
            )
    folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=0)
    probabilities = cross_val_predict(
        acquisition_classifier(),
        acquisitions,
        labels,
        groups=patients,
        cv=folds,
        method="predict_proba",
    )
    rows = np.arange(len(labels))
    share = np.bincount(labels, minlength=2) / len(labels)
    weights: NDArray[np.float64] = np.clip(
        share[labels] / probabilities[rows, labels], *_WEIGHT_LIMITS
    )
    return weights


def leave_one_acquisition_out(
    entries: Sequence[Entry],
    acquisitions: Mapping[str, NDArray[np.float64]],
    count: int,
    seed: int,
) -> list[list[Entry]]:
    """Split a dataset into leave-one-group-out folds over clusters of the acquisition.

    Clusters are formed of the train and validation images, whose acquisitions are given by path
    (see `describe_acquisitions`). Each fold has all entries in the same order. Its validation split
    has every image of the patients who were in validation before or have an image in the fold's
    cluster; train is the rest. Test and unused entries stay as they are.

    Raises
    ------
    DatasetError
        If there are too few images, or a fold's train split lacks a class.

    References
    ----------
    Gulrajani and Lopez-Paz, "In Search of Lost Domain Generalization", ICLR 2021: model selection
    with one domain left out.

    Examples
    --------
    >>> images = [
    ...     Entry(f"{label.name}/{i}.png", label, split=Split.TRAIN)
    ...     for label in Label
    ...     for i in range(6)
    ... ]
    >>> acquisitions = {image.path: np.array([i % 2.0]) for i, image in enumerate(images)}
    >>> folds = leave_one_acquisition_out(images, acquisitions, 2, seed=0)
    >>> [sum(entry.split is Split.VALIDATION for entry in fold) for fold in folds]
    [6, 6]
    """
    pool = [entry for entry in entries if entry.split in (Split.TRAIN, Split.VALIDATION)]
    if len(pool) < count:
        raise DatasetError(
            f"{count} groups of images by acquisition need at least {count} images, and there are "
            f"{len(pool)}; ask for fewer folds"
        )
    table = StandardScaler().fit_transform(np.stack([acquisitions[entry.path] for entry in pool]))
    clusters = KMeans(count, n_init=10, random_state=seed).fit_predict(table)
    patients = linked_groups(pool)
    folds = []
    for number in range(count):
        held_out = {
            patients[entry.group]
            for entry, cluster in zip(pool, clusters, strict=True)
            if cluster == number or entry.split is Split.VALIDATION
        }
        folds.append([_hold_out(entry, patients.get(entry.group) in held_out) for entry in entries])
        _require_both_classes(folds[-1], count)
    return folds


def _hold_out(entry: Entry, held_out: bool) -> Entry:
    if held_out and entry.split is Split.TRAIN:
        return replace(entry, split=Split.VALIDATION)
    return entry


def _require_both_classes(entries: Sequence[Entry], count: int) -> None:
    classes = {entry.label for entry in entries if entry.split is Split.TRAIN}
    for label in Label:
        if label not in classes:
            raise DatasetError(
                f"with one of {count} groups of images by acquisition held out, no image of the "
                f"class {label.name} is left to train on; use --held-out patients, or more --folds"
            )
