"""Images put together that were made alike, so that a network gains nothing by telling machines."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.preprocessing import StandardScaler

from pneumoscope.dataset import Entry, Label, Manifest, Split, acquisition
from pneumoscope.dataset.acquisition import Acquisition, as_table, describe_acquisition
from pneumoscope.dataset.pixels import ArrayKind
from pneumoscope.dataset.splits import linked_groups
from pneumoscope.radiograph import read_radiograph
from pneumoscope.support.cache import ArrayCache, WriteRows
from pneumoscope.support.errors import DatasetError
from pneumoscope.support.parallel import map_parallel

STRATA = 5

_FOLDS = 5
_WEIGHTS = (0.1, 10.0)
"""The least and the most that an image may count for, where others count for 1."""


def describe_entries(
    manifest: Manifest, entries: Sequence[Entry], cache: ArrayCache
) -> NDArray[np.float64]:
    """Describe how each image was made, or return what was kept of that.

    Returns
    -------
    NDArray[np.float64]
        Shape (n, columns), as `as_table` gives it.

    Raises
    ------
    UnreadableRadiographError
        If a file has become unreadable.
    StorageError
        If the table cannot be kept.
    """

    def describe(entry: Entry) -> Acquisition:
        return describe_acquisition(read_radiograph(manifest.root / entry.path).pixels)

    def fill(write: WriteRows) -> None:
        write(0, as_table(map_parallel(describe, entries, "Looking at borders and markers")))

    table: NDArray[np.float64] = cache.open(
        ArrayKind.ACQUISITIONS,
        " ".join([str(acquisition.VERSION), *(str(entry.sha256) for entry in entries)]),
        f"how images were made, data {manifest.fingerprint[:12]}",
        (len(entries), len(acquisition.NAMES)),
        np.float64,
        fill,
    ).values
    return table


def machine_classifier() -> HistGradientBoostingClassifier:
    """Return what tells classes by how images were made: gradient boosting, not yet fitted."""
    # Small trees of many images: what it learns by heart would blur the strata.
    return HistGradientBoostingClassifier(
        max_iter=100, learning_rate=0.05, max_leaf_nodes=4, min_samples_leaf=50, random_state=0
    )


def acquisition_strata(
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
    >>> strata = acquisition_strata(made, labels, made)
    >>> bool(strata[:50].max() < strata[50:].min())
    True
    """
    said = machine_classifier().fit(learned, labels).predict_proba(judged)[:, 1]
    edges = np.quantile(said, np.arange(1, STRATA) / STRATA)
    strata: NDArray[np.intp] = np.searchsorted(edges, said)
    return strata


def acquisition_weights(
    made: NDArray[np.float64], labels: NDArray[np.int8], patients: Sequence[str]
) -> NDArray[np.float64]:
    """Weigh training images so that how they were made says nothing of the label any more.

    Each weighs the share of its class over the probability of it given how the image was made
    (stabilised inverse probability weights [1]_), as told by folds that did not learn from its
    patient. Weights are cut off where few images would count for many [2]_.

    Parameters
    ----------
    made
        How each image was made, shape (n, columns).
    labels
        Of the images, shape (n,).
    patients
        Of the images, n of them.

    Returns
    -------
    NDArray[np.float64]
        Shape (n,), from 0.1 to 10.

    Raises
    ------
    DatasetError
        If a class has fewer patients than there are folds.

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
    >>> bool(0.8 < weights.mean() < 1.2)  # nothing to even out
    True
    """
    for label in Label:
        if len({p for p, y in zip(patients, labels, strict=True) if y == label}) < _FOLDS:
            raise DatasetError(
                f"class_balance=machines needs {_FOLDS} patients of the class {label.name} at "
                "least to learn from; use class_balance=sampler, or more images"
            )
    folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=0)
    said = cross_val_predict(
        machine_classifier(), made, labels, groups=patients, cv=folds, method="predict_proba"
    )
    rows = np.arange(len(labels))
    share = np.bincount(labels, minlength=2) / len(labels)
    weights: NDArray[np.float64] = np.clip(share[labels] / said[rows, labels], *_WEIGHTS)
    return weights


def leave_one_acquisition_out(
    entries: Sequence[Entry], made: Mapping[str, NDArray[np.float64]], count: int, seed: int
) -> list[list[Entry]]:
    """Hold one machine out after the other: validation then has images unlike those of train.

    Machines are clusters of train and validation by how images were made.

    Parameters
    ----------
    entries
        With their splits; test and what is set aside stay as they are.
    made
        By path, how each image of train and validation was made, as `describe_entries` gives it.
    count
        How many machines.
    seed
        Of the clusters.

    Returns
    -------
    list[list[Entry]]
        For each machine all entries, in the same order. Validation is every image of the
        patients who were in it or whom this machine, too, made an image of; train is the rest.

    Raises
    ------
    DatasetError
        If there are too few images, or a fold's train has none of a class.

    References
    ----------
    Gulrajani and Lopez-Paz, "In Search of Lost Domain Generalization", ICLR 2021: choosing with one
    domain left out.

    Examples
    --------
    >>> images = [
    ...     Entry(f"{label.name}/{i}.png", label, split=Split.TRAIN)
    ...     for label in Label
    ...     for i in range(6)
    ... ]
    >>> made = {image.path: np.array([i % 2.0]) for i, image in enumerate(images)}
    >>> folds = leave_one_acquisition_out(images, made, 2, seed=0)
    >>> [sum(entry.split is Split.VALIDATION for entry in fold) for fold in folds]
    [6, 6]
    """
    pool = [entry for entry in entries if entry.split in (Split.TRAIN, Split.VALIDATION)]
    if len(pool) < count:
        raise DatasetError(f"{count} machines need as many images at least, there are {len(pool)}")
    table = StandardScaler().fit_transform(np.stack([made[entry.path] for entry in pool]))
    machine = KMeans(count, n_init=10, random_state=seed).fit_predict(table)
    patient = linked_groups(pool)
    folds = []
    for number in range(count):
        held = {
            patient[entry.group]
            for entry, of in zip(pool, machine, strict=True)
            if of == number or entry.split is Split.VALIDATION
        }
        folds.append([_held_out(entry, patient.get(entry.group) in held) for entry in entries])
        _require_both_classes(folds[-1], count)
    return folds


def _held_out(entry: Entry, held: bool) -> Entry:
    return replace(entry, split=Split.VALIDATION) if held and entry.split is Split.TRAIN else entry


def _require_both_classes(entries: Sequence[Entry], count: int) -> None:
    left = {entry.label for entry in entries if entry.split is Split.TRAIN}
    for label in Label:
        if label not in left:
            raise DatasetError(
                f"of {count} machines, held out one after the other, one leaves no image of the "
                f"class {label.name} to learn from; hold out patients, or deal into more machines"
            )
