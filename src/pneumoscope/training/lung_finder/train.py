"""Training of the lung segmentation network."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import TextColumn
from torch import Tensor

from pneumoscope.models import computing_in, fastest_precision, place, select_device
from pneumoscope.models.lung_unet import LungUNet
from pneumoscope.support.terminal import progress_bar
from pneumoscope.training.examples import batches
from pneumoscope.training.lung_finder.augmentation import augment_with_masks
from pneumoscope.training.lung_finder.masks import LungMasks, MaskedImage
from pneumoscope.training.recipe import OneCycle
from pneumoscope.training.schedule import one_cycle
from pneumoscope.training.weight_average import WeightAverage

_BATCH_SIZE = 32
_LEARNING_RATE, _WEIGHT_DECAY = 4e-3, 0.02
_WEIGHT_AVERAGE = 0.995
"""Decay of the exponential average of the weights, per batch."""


def train_lung_unet(train: LungMasks, epochs: int, seed: int) -> LungUNet:
    """Train the lung segmentation network from random weights, with a progress bar.

    The loss is the sum of cross-entropy and soft Dice; the weights are an exponential average over
    the batches.

    Parameters
    ----------
    train
        Radiographs and masks to learn from.
    epochs
        Number of passes over them.
    seed
        Random seed of weights, order and augmentation.

    References
    ----------
    Isensee et al., "nnU-Net: a self-configuring method for deep learning-based biomedical image
    segmentation", Nature Methods 18:203-211, 2021: this loss.
    """
    from monai.losses.dice import DiceCELoss  # slow, and nothing else needs it

    torch.manual_seed(seed)
    network = place(LungUNet(), select_device())
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY
    )
    average = WeightAverage(network, _WEIGHT_AVERAGE)
    loss_function = DiceCELoss(sigmoid=True, batch=True)
    generator = torch.Generator().manual_seed(seed)
    per_epoch = -(-len(train) // _BATCH_SIZE)
    schedule = OneCycle()
    with progress_bar(TextColumn("loss {task.fields[loss]}")) as bar:
        task = bar.add_task("Lung finder", total=epochs * per_epoch, loss="-")
        for step, batch in enumerate(_batches(train, epochs, generator)):
            factor = one_cycle(schedule, step / (epochs * per_epoch))
            for group in optimiser.param_groups:
                group["lr"] = factor * _LEARNING_RATE
            loss = _step(network, batch, loss_function, optimiser)
            average.update(network)
            bar.update(task, advance=1, loss=f"{loss:.4f}")
    result = average.network
    assert isinstance(result, LungUNet)
    return result.cpu().eval()


def _batches(
    train: LungMasks, epochs: int, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    weights = torch.from_numpy(sampling_weights(train.images))
    for _ in range(epochs):
        order = torch.multinomial(weights, len(train), replacement=True, generator=generator)
        for indices in batches(order.numpy(), _BATCH_SIZE):
            images = torch.from_numpy(train.pixels[indices])[:, None].float() / 255
            lungs = torch.from_numpy(train.lungs[indices]).float()
            yield augment_with_masks(images, lungs, generator)


def sampling_weights(images: Sequence[MaskedImage]) -> NDArray[np.float64]:
    """Return the relative frequency with which each image is drawn, shape (n,).

    The images of a table are drawn in proportion to the square root of their number, so that a
    small table of another population is learned too.

    Examples
    --------
    >>> from pathlib import Path
    >>> tables = [Path("children.csv")] * 9 + [Path("adults.csv")]
    >>> images = [MaskedImage(table, table, table, None, "", "") for table in tables]
    >>> weights = sampling_weights(images)
    >>> round(float(weights[:9].sum() / weights[9]), 6)
    3.0
    """
    counts = Counter(image.table for image in images)
    return np.array([counts[image.table] ** -0.5 for image in images])


def _step(
    network: LungUNet,
    batch: tuple[Tensor, Tensor],
    loss_function: Callable[[Tensor, Tensor], Tensor],
    optimiser: torch.optim.Optimizer,
) -> float:
    device = next(network.parameters()).device
    images, lungs = (
        tensor.to(device, memory_format=torch.channels_last, non_blocking=True) for tensor in batch
    )
    with computing_in(fastest_precision(), device):
        logits = network(images)
    loss = loss_function(logits.float(), lungs)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return loss.item()
