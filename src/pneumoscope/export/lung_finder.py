"""Training and export of the lung finder: a graph in 8-bit integers, with its limit and origin."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

import numpy as np
import onnx
from numpy.typing import NDArray

import pneumoscope
from pneumoscope.dataset import Split
from pneumoscope.export.onnx_graph import export_graph
from pneumoscope.export.quantisation import N_RANGE_IMAGES, NETWORK_OPERATORS, quantise
from pneumoscope.lungs.lung_finder import MIN_CONFIDENCE, SIDE, LungFinder
from pneumoscope.lungs.overlap import dice
from pneumoscope.models.lung_unet import DeployedLungUNet, LungUNet
from pneumoscope.support.errors import DatasetError, StorageError
from pneumoscope.support.files import write_bytes
from pneumoscope.support.terminal import messages
from pneumoscope.training.lung_finder.masks import LungMasks, load_masks, read_mask_table
from pneumoscope.training.lung_finder.train import train_lung_unet

DEFAULT_MIN_CONFIDENCE = 0.93
"""Confidence from which lungs count as found; see the table in docs/reference/lung-finder.md."""

_OPERATORS = (*NETWORK_OPERATORS, "Concat", "Resize")


def train_lung_finder(tables: Sequence[Path], out: Path, epochs: int, seed: int) -> float | None:
    """Train a lung finder on tables of masks and write it; return its mean Dice on validation.

    Parameters
    ----------
    tables
        Tables of masks; images of the splits validation and test are not learned from.
    out
        ONNX file to write; must not exist.
    epochs
        Number of passes over the images.
    seed
        Random seed.

    Raises
    ------
    DatasetError
        If a table names files that are not there, or a mask cannot be used.
    StorageError
        If ``out`` exists.
    """
    if out.exists():
        raise StorageError(f"{out}: exists already; name another file with --out")
    images = [image for table in tables for image in read_mask_table(table)]
    learned = [image for image in images if image.split in (None, Split.TRAIN)]
    if not learned:
        raise DatasetError(f"{tables[0]}: no image is in the split train; leave the split empty")
    train = load_masks(learned, "Reading images and masks")
    network = train_lung_unet(train, epochs, seed)
    origin = {
        "images": str(len(train)),
        "epochs": str(epochs),
        "seed": str(seed),
        "pneumoscope": pneumoscope.__version__,
    }
    content = export_lung_finder(network, train.pixels, DEFAULT_MIN_CONFIDENCE, origin)
    write_bytes(out, content)
    validation = [image for image in images if image.split is Split.VALIDATION]
    if not validation:
        return None
    return mean_dice(LungFinder(content), load_masks(validation, "Reading validation"))


def mean_dice(finder: LungFinder, masks: LungMasks) -> float:
    """Return the mean Dice coefficient of the masks that a lung finder gives."""
    greys = np.float32(255)
    return fmean(
        dice(finder.find(pixels.astype(np.float32) / greys).mask, lungs.any(0))
        for pixels, lungs in zip(masks.pixels, masks.lungs, strict=True)
    )


def export_lung_finder(
    network: LungUNet,
    pixels: NDArray[np.uint8],
    min_confidence: float,
    origin: Mapping[str, str],
) -> bytes:
    """Return the content of a lung finder's file, which `LungFinder` reads.

    Parameters
    ----------
    network
        Trained network.
    pixels
        Prepared training images, uint8, shape (n, size, size).
    min_confidence
        Confidence from which lungs count as found.
    origin
        Facts about the training, kept in the file's metadata.
    """
    with messages.status("Exporting the lung finder"):
        graph = export_graph(DeployedLungUNet(network), SIDE, ["lungs"])
        spread = pixels[:: max(1, len(pixels) // N_RANGE_IMAGES)]
        model = onnx.load_from_string(quantise(graph, spread, _OPERATORS))
    onnx.helper.set_model_props(model, {MIN_CONFIDENCE: str(min_confidence), **origin})
    content: bytes = model.SerializeToString()
    return content
