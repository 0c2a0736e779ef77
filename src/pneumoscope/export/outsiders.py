"""Outsiders: radiographs of patients whom a bundle must refuse, and the score that tells them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from pneumoscope.export.onnx_graph import run_on_pixels
from pneumoscope.export.simulated_acquisition import code_as_jpeg, simulate_acquisitions
from pneumoscope.lungs import Preparation
from pneumoscope.radiograph import read_radiograph
from pneumoscope.reader.listing import list_files
from pneumoscope.support.errors import RunError, UnreadableRadiographError
from pneumoscope.support.parallel import map_parallel
from pneumoscope.support.terminal import messages

MIN_OUTSIDERS = 30
"""Fewest outsiders that a score is fitted on."""

MAX_SIMULATED_IMAGES = 1000
"""Largest number of images of either side whose acquisition is simulated; 466 were as good."""

_INVERSE_REGULARISATION = 0.1
"""Inverse strength C of the L2 penalty; 0.01 to 0.1 gave the same on development images."""


@dataclass(frozen=True, eq=False)
class Outsiders:
    """Radiographs of patients whom a bundle must refuse.

    Parameters
    ----------
    description
        Radiographs in words.
    pixels
        Prepared pixels, uint8, shape (n, size, size).
    whole
        Pixels prepared by `Preparation.whole`.
    hashes
        SHA-256 of the files.
    """

    description: str
    pixels: NDArray[np.uint8]
    whole: NDArray[np.uint8]
    hashes: frozenset[str]


def read_outsiders(
    paths: Sequence[Path], preparation: Preparation, population: str | None = None
) -> Outsiders:
    """Decode and prepare the radiographs of files and folders; unreadable ones are left out.

    They are coded as JPEG before, so that a score does not tell them by being less compressed than
    the training images.

    Parameters
    ----------
    paths
        Radiographs, or folders of them.
    preparation
        Preparation of radiographs for the bundle's graph.
    population
        Patients of the radiographs, in words; by default the names of ``paths``.

    Raises
    ------
    RunError
        If fewer than `MIN_OUTSIDERS` can be read.
    """

    def prepare(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8], str] | None:
        try:
            radiograph = read_radiograph(path, preparation.min_side)
        except UnreadableRadiographError:
            return None
        whole = code_as_jpeg(preparation.whole.square(radiograph.pixels))
        return preparation.frame_whole(whole[np.newaxis])[0], whole, radiograph.sha256

    files = list(list_files(paths))
    prepared = [
        image for image in map_parallel(prepare, files, "Reading outsiders") if image is not None
    ]
    names = ", ".join(path.name for path in paths)
    if len(prepared) < MIN_OUTSIDERS:
        raise RunError(
            f"--outsiders {names}: {len(prepared)} radiographs could be read, and at least "
            f"{MIN_OUTSIDERS} are needed; name a folder with more of them"
        )
    if unreadable := len(files) - len(prepared):
        messages.print(f"{unreadable:,} outsiders could not be read and were left out")
    return Outsiders(
        f"{len(prepared):,} radiographs " + (f"of {population}" if population else f"({names})"),
        np.stack([pixels for pixels, _, _ in prepared]),
        np.stack([whole for _, whole, _ in prepared]),
        frozenset(sha256 for _, _, sha256 in prepared),
    )


@dataclass(frozen=True, eq=False)
class AugmentedFeatures:
    """Features of images, and of some of them in simulated acquisitions.

    Parameters
    ----------
    original
        Features of the images as they are, shape (n, features).
    simulated
        Features of simulated acquisitions, shape (m, features).
    image
        Row in ``original`` of the image of each simulated acquisition, shape (m,).
    """

    original: NDArray[np.float32]
    simulated: NDArray[np.float32]
    image: NDArray[np.intp]

    def of_images(self, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return the features of chosen images in all their acquisitions; mask of shape (n,)."""
        return np.concatenate([self.original[mask], self.simulated[mask[self.image]]])


def augment_features(
    graph: bytes,
    preparation: Preparation,
    inside: tuple[NDArray[np.uint8], NDArray[np.float32]],
    outside: Outsiders,
) -> tuple[AugmentedFeatures, AugmentedFeatures]:
    """Return the features of training images and of outsiders with simulated acquisitions.

    Both sides are coded as JPEG and go through the same acquisitions, one of which swaps their
    borders, so that compression, exposure, sharpness and border do not tell them apart.

    Parameters
    ----------
    graph
        Graph of the bundle.
    preparation
        Preparation of radiographs for the graph.
    inside
        Pixels of training images, prepared by `Preparation.whole`, and their features.
    outside
        Outsiders.
    """
    whole, features = inside
    inside_rows, outside_rows = (_spread_rows(len(images)) for images in (whole, outside.whole))
    coded = np.stack([code_as_jpeg(image) for image in whole[inside_rows]])
    sample = np.concatenate([coded, outside.whole[outside_rows]])
    is_outside = np.arange(len(sample)) >= len(inside_rows)
    acquisitions = simulate_acquisitions(sample, is_outside.astype(np.int8))
    simulated = np.stack(
        [
            run_on_pixels(
                graph, preparation.frame_whole(images), f"Running on both sides, {name}"
            ).features
            for name, images in acquisitions
        ]
    )
    outside_features = run_on_pixels(graph, outside.pixels, "Running on outsiders").features

    def augmented(
        original: NDArray[np.float32], rows: NDArray[np.intp], side: NDArray[np.bool_]
    ) -> AugmentedFeatures:
        images = np.tile(rows, len(simulated))
        return AugmentedFeatures(original, np.concatenate(list(simulated[:, side])), images)

    return (
        augmented(features, inside_rows, ~is_outside),
        augmented(outside_features, outside_rows, is_outside),
    )


def _spread_rows(n: int) -> NDArray[np.intp]:
    """Return at most `MAX_SIMULATED_IMAGES` rows of n, spread evenly."""
    return np.unique(np.linspace(0, n - 1, min(n, MAX_SIMULATED_IMAGES)).astype(np.intp))


def fit_outsider_weights(
    inside: NDArray[np.float32], outside: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Fit a logistic regression that tells features of outsiders from those of training images.

    Both have the shape (n, features). Returns weights for the features as they are and, last, the
    intercept (see `FeatureFamiliarity`); both sides count alike, however many they are.

    Examples
    --------
    >>> inside, outside = (np.float32([[0, x], [1, x], [2, x]]) for x in (0, 8))
    >>> weights = fit_outsider_weights(inside, outside)
    >>> bool(weights[1] > 0 > weights[2]), bool(abs(weights[0]) < 1e-3)
    (True, True)
    """
    features = np.concatenate([inside, outside]).astype(np.float64)
    is_outside = np.arange(len(features)) >= len(inside)
    scaler = StandardScaler().fit(features)
    regression = LogisticRegression(
        C=_INVERSE_REGULARISATION, class_weight="balanced", max_iter=2000
    ).fit(scaler.transform(features), is_outside)
    weights = regression.coef_[0] / scaler.scale_
    intercept = regression.intercept_[0] - weights @ scaler.mean_
    return np.append(weights, intercept).astype(np.float32)
