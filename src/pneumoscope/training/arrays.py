"""Training on arrays of pixels in memory, by the same loop as that of a Run."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pneumoscope.dataset import Entry, Label, Split
from pneumoscope.dataset.splits import draw_validation
from pneumoscope.lungs import Preparation
from pneumoscope.models import Network
from pneumoscope.radiograph import Radiograph, radiograph_from_array
from pneumoscope.support.errors import (
    ArrayError,
    DatasetError,
    RecipeError,
    UnreadableRadiographError,
)
from pneumoscope.training.examples import Examples, write_features
from pneumoscope.training.initial_weights import build_initial_network, load_initial_weights
from pneumoscope.training.memory_estimate import require_memory
from pneumoscope.training.recipe import ClassBalance, Recipe
from pneumoscope.training.trainer import Trainer, sampling_weights


def train_on_arrays(
    arrays: NDArray[np.generic],
    labels: NDArray[np.int8],
    patients: Sequence[str | None],
    recipe: Recipe,
) -> Trainer:
    """Train a network on arrays of pixels; nothing is written.

    A fifth of the images of each class is drawn for validation, which chooses the epoch and the
    learning rate. Images of one patient, and exact duplicates, stay together.

    Parameters
    ----------
    arrays
        Grey values, shape (n, height, width), 0 = black: uint8, uint16, or floats in [0, 1].
    labels
        Labels, 0 for NORMAL and 1 for PNEUMONIA, shape (n,).
    patients
        Patient of each image; None for one who is unknown, whose image is drawn for itself.
    recipe
        Settings of the training.

    Returns
    -------
    Trainer
        Finished trainer, with the network and the history.

    Raises
    ------
    ArrayError
        If an array cannot be used, or validation cannot be drawn.
    RecipeError
        If a setting needs files, or the training does not fit into memory.
    RunError
        If the training diverges.
    WeightsError
        If pretrained weights are needed and missing.
    """
    _require_no_files(recipe)
    require_memory(recipe, len(arrays))
    radiographs = _radiographs(arrays)
    entries = [
        Entry(
            str(row),
            Label(int(label)),
            pixel_hash=radiograph.pixel_hash(),
            patient=patient,
            patient_declared=patient is not None,
            split=Split.TRAIN,
        )
        for row, (radiograph, label, patient) in enumerate(
            zip(radiographs, labels, patients, strict=True)
        )
    ]
    try:
        entries = draw_validation(entries, recipe.seed)
    except DatasetError as error:
        raise ArrayError(str(error)) from error
    squares = _squares(radiographs, recipe.preparation)
    train, validation = (
        _examples(entries, squares, split) for split in (Split.TRAIN, Split.VALIDATION)
    )
    network = build_initial_network(recipe, load_initial_weights(recipe))
    weights = sampling_weights(train.labels, recipe.class_balance)
    trainer = Trainer(network, recipe, train, validation, weights)
    while not trainer.finished:
        trainer.run_epoch(lambda number, loss: None)
    return trainer


def array_examples(arrays: NDArray[np.generic], preparation: Preparation) -> Examples:
    """Return unlabelled arrays of pixels as examples of a network; see `train_on_arrays`.

    Raises
    ------
    ArrayError
        If an array cannot be used.
    """
    entries = [Entry(str(row), Label.NORMAL) for row in range(len(arrays))]
    squares = _squares(_radiographs(arrays), preparation)
    return Examples(tuple(entries), squares, np.arange(len(entries)))


def pooled_features(
    network: Network, arrays: NDArray[np.generic], recipe: Recipe
) -> NDArray[np.float32]:
    """Return the means of the channels of a network's pretrained layers, shape (n, channels)."""
    rows: list[NDArray[np.float32]] = []

    def write(first: int, values: NDArray[np.float32]) -> None:
        rows.append(values.mean((1, 2)))

    examples = array_examples(arrays, recipe.preparation)
    write_features(write, examples, network.pretrained_layers, recipe.precision)
    return np.concatenate(rows)


def _require_no_files(recipe: Recipe) -> None:
    """Raise if a setting needs more of the images than their pixels."""
    needed = {
        "start": recipe.start is not None,
        "subtype_weight": recipe.subtype_weight > 0,
        "class_balance: acquisition": recipe.class_balance is ClassBalance.ACQUISITION,
    }
    for setting, is_set in needed.items():
        if is_set:
            raise RecipeError(
                f"{setting} needs a dataset of files, not arrays; leave it out, or train with "
                "pneumoscope.train"
            )


def _radiographs(arrays: NDArray[np.generic]) -> list[Radiograph]:
    try:
        return [radiograph_from_array(array, f"image {row}") for row, array in enumerate(arrays)]
    except UnreadableRadiographError as error:
        raise ArrayError(str(error)) from error


def _squares(radiographs: Sequence[Radiograph], preparation: Preparation) -> NDArray[np.uint8]:
    return np.stack([preparation.square(radiograph.pixels) for radiograph in radiographs])


def _examples(entries: Sequence[Entry], squares: NDArray[np.uint8], split: Split) -> Examples:
    rows = [row for row, entry in enumerate(entries) if entry.split is split]
    return Examples(tuple(entries[row] for row in rows), squares, np.array(rows, np.intp))
