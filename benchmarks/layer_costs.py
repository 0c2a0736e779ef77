"""Least cost of a network's layers: matrix operations, and bytes between layers and memory."""

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor, nn

from pneumoscope.models.layers import FlattenChannelsLast
from pneumoscope.training.prediction import PREDICTION_BATCH_SIZE

ADAM_BYTES = 28
"""Bytes per updated parameter, float32: four numbers read (weight, gradient, two moments), three
written."""

_GRADIENT_BYTES = 4


@dataclass(frozen=True)
class Cost:
    """Floating-point operations of matrix products, and bytes read or written."""

    operations: float
    bytes: float

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.operations + other.operations, self.bytes + other.bytes)


@dataclass(frozen=True)
class LayerWork:
    """Sizes of one layer, of which its cost follows.

    Parameters
    ----------
    name
        Name of the layer.
    operations
        Operations of the forward pass for one image; a multiplication and an addition are two.
    inputs, outputs, saved
        Numbers for one image: of the input, the output, and what the backward pass needs of them.
    parameters
        Number of the layer's parameters.
    learns
        Whether the layer, or a layer before it, has trainable parameters.
    passes_back
        Whether a layer before it is trainable, and so needs the gradient of this layer's input.
    """

    name: str
    operations: int
    inputs: int
    outputs: int
    saved: int
    parameters: int
    learns: bool
    passes_back: bool

    def forward(self, images: int, batches: int, width: int) -> Cost:
        """Return the cost of the forward pass in a number of batches, ``width`` bytes a number."""
        numbers = images * (self.inputs + self.outputs) + batches * self.parameters
        return Cost(images * self.operations, numbers * width)

    def backward(self, images: int, batches: int, width: int) -> Cost:
        """Return the cost of the gradients of the layer's input and parameters."""
        if not self.learns:
            return Cost(0, 0)
        products = bool(self.parameters) + self.passes_back
        numbers = images * (self.outputs + self.saved + self.passes_back * self.inputs)
        numbers += batches * self.passes_back * self.parameters
        gradients = batches * self.parameters * _GRADIENT_BYTES
        return Cost(images * products * self.operations, numbers * width + gradients)


@dataclass(frozen=True)
class EpochSize:
    """Number of training and validation images of an epoch, and their batch sizes."""

    train: int
    validation: int
    batch: int = 32
    predict_batch: int = PREDICTION_BATCH_SIZE

    @property
    def images(self) -> int:
        """Number of images in all."""
        return self.train + self.validation

    @property
    def steps(self) -> int:
        """Number of updates of the weights."""
        return -(-self.train // self.batch)


def layers_of(layers: nn.Sequential, image: Tensor) -> list[LayerWork]:
    """Return the sizes of a network's layers.

    Parameters
    ----------
    layers
        Layers on any device, ``meta`` included; those with ``requires_grad`` are trained.
    image
        One input, shape (1, channels, height, width), on the same device. A grey image stays one
        channel: three equal ones are not necessary.
    """
    layers.eval()
    works = []
    learned = False
    value = image
    for name, layer in layers.named_children():
        output = layer(value)
        passes_back = learned
        learned = learned or any(weight.requires_grad for weight in layer.parameters())
        if not isinstance(layer, FlattenChannelsLast):  # a view: nothing moves
            works.append(_work(name, layer, value, output, learned, passes_back))
        value = output
    return works


def learning_cost(layer: LayerWork, epoch: EpochSize, width: int) -> Cost:
    """Return the cost of one layer in an epoch, validation included and updates left out."""
    validation_batches = -(-epoch.validation // epoch.predict_batch)
    return (
        layer.forward(epoch.train, epoch.steps, width)
        + layer.backward(epoch.train, epoch.steps, width)
        + layer.forward(epoch.validation, validation_batches, width)
    )


def update_bytes(layers: Iterable[LayerWork], epoch: EpochSize) -> int:
    """Return the bytes that Adam reads and writes in an epoch."""
    return ADAM_BYTES * epoch.steps * sum(layer.parameters for layer in layers)


def _work(
    name: str, layer: nn.Module, value: Tensor, output: Tensor, learns: bool, passes_back: bool
) -> LayerWork:
    return LayerWork(
        name=name,
        operations=2 * output.numel() * _products(layer, value),
        inputs=value.numel(),
        outputs=output.numel(),
        # Pooling's backward pass needs the position of the largest input, not the inputs.
        saved=(output if isinstance(layer, nn.MaxPool2d) else value).numel(),
        parameters=sum(weight.numel() for weight in layer.parameters()),
        learns=learns,
        passes_back=passes_back,
    )


def _products(layer: nn.Module, value: Tensor) -> int:
    """Return the number of multiplications for one number of the output."""
    if isinstance(layer, nn.Conv2d):
        height, width = layer.kernel_size
        return value.shape[1] * height * width
    return layer.in_features if isinstance(layer, nn.Linear) else 0
