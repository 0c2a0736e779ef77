"""EfficientNet-Lite 0, 1 and 2 for grey images: features of ImageNet, and a new head."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from torch import Tensor, nn
from torch.nn import functional

from pneumoscope.models.compact import GlobalAveragePool
from pneumoscope.models.depthwise import depthwise_conv
from pneumoscope.models.layers import DenseToOne, batch_norm_2d

FEATURES = "features"
"""Name of the pretrained layers in the head."""

STEM_CHANNELS = 32
HEAD_CHANNELS = 1280

STAGES = (
    (3, 1, 16, 1, 1),
    (3, 2, 24, 2, 6),
    (5, 2, 40, 2, 6),
    (3, 3, 80, 2, 6),
    (5, 3, 112, 1, 6),
    (5, 4, 192, 2, 6),
    (3, 1, 320, 1, 6),
)
"""Kernel size, blocks, channels, stride and expansion of each stage of EfficientNet-Lite0."""

_MEAN, _DEVIATION = 127 / 255, 128 / 255
"""Normalisation of the images that the published weights were trained on."""

_CHANNEL_MULTIPLE = 8


@dataclass(frozen=True, slots=True)
class Scaling:
    """Factors of the channels and of the blocks of each stage, and the share that is dropped out.

    Stem and last convolution keep their channels, and the first and last stage their blocks.
    """

    width: float
    depth: float
    dropout: float


LITE0 = Scaling(1.0, 1.0, 0.2)
LITE1 = Scaling(1.0, 1.1, 0.2)
LITE2 = Scaling(1.1, 1.2, 0.3)


class SamePaddingConv2d(nn.Conv2d):
    """Convolution with TensorFlow's ``SAME`` padding, without a bias.

    With stride 2 the zeros on the right and at the bottom may be one more than on the other sides,
    which no setting of PyTorch's own padding does.

    Examples
    --------
    >>> import torch
    >>> SamePaddingConv2d(1, 4, 3, stride=2)(torch.rand(1, 1, 12, 13)).shape
    torch.Size([1, 4, 6, 7])
    """

    def __init__(
        self, channels: int, out: int, size: int, stride: int = 1, groups: int = 1
    ) -> None:
        # Stride 1 has the same padding on all sides.
        padding = size // 2 if stride == 1 else 0
        super().__init__(channels, out, size, stride, padding, groups=groups, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Return (n, out, height / stride, width / stride), rounded up."""
        stride, padding = self.stride[0], self.padding[0]
        assert isinstance(padding, int)
        if stride > 1:
            (top, bottom), (left, right) = map(self._padding, features.shape[2:])
            features = functional.pad(features, (left, right, top, bottom))
        if self.groups == 1:
            return super().forward(features)
        return depthwise_conv(features, self.weight, stride, padding)

    def _padding(self, side: int) -> tuple[int, int]:
        size, stride = self.kernel_size[0], self.stride[0]
        total = max(0, (ceil(side / stride) - 1) * stride + size - side)
        return total // 2, total - total // 2


class InvertedResidual(nn.Module):
    """Inverted residual block: expansion, depthwise convolution, linear projection.

    References
    ----------
    Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018.

    Examples
    --------
    >>> import torch
    >>> InvertedResidual(8, 16, size=5, stride=2, expansion=6)(torch.rand(1, 8, 12, 12)).shape
    torch.Size([1, 16, 6, 6])
    """

    def __init__(self, channels: int, out: int, size: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = channels * expansion
        if expansion > 1:
            self._expand_conv = SamePaddingConv2d(channels, inner, 1)
            self._bn0 = batch_norm_2d(inner)
        self._depthwise_conv = SamePaddingConv2d(inner, inner, size, stride, groups=inner)
        self._bn1 = batch_norm_2d(inner)
        self._project_conv = SamePaddingConv2d(inner, out, 1)
        self._bn2 = batch_norm_2d(out)
        self._relu = nn.ReLU6()
        self._expands = expansion > 1
        self._has_shortcut = stride == 1 and channels == out

    def forward(self, features: Tensor) -> Tensor:
        """Return (n, out, height / stride, width / stride) of (n, channels, height, width)."""
        inner = features
        if self._expands:
            inner = self._relu(self._bn0(self._expand_conv(inner)))
        inner = self._relu(self._bn1(self._depthwise_conv(inner)))
        result: Tensor = self._bn2(self._project_conv(inner))
        return result + features if self._has_shortcut else result


class EfficientNetLiteFeatures(nn.Module):
    """Convolutional layers of an EfficientNet-Lite, from grey images to the last feature map.

    The layers have the names of the published weights. The kernels of the three equal colours are
    one kernel, their sum.

    Examples
    --------
    >>> import torch
    >>> EfficientNetLiteFeatures(LITE0)(torch.rand(2, 1, 64, 64)).shape
    torch.Size([2, 1280, 2, 2])
    """

    def __init__(self, scaling: Scaling) -> None:
        super().__init__()
        self._conv_stem = SamePaddingConv2d(1, STEM_CHANNELS, 3, stride=2)
        self._bn0 = batch_norm_2d(STEM_CHANNELS)
        self._blocks = nn.Sequential(*_blocks(scaling))
        last = scaled_channels(STAGES[-1][2], scaling.width)
        self._conv_head = SamePaddingConv2d(last, HEAD_CHANNELS, 1)
        self._bn1 = batch_norm_2d(HEAD_CHANNELS)
        self._relu = nn.ReLU6()

    def forward(self, images: Tensor) -> Tensor:
        """Return (n, 1280, height / 32, width / 32) of grey images (n, 1, height, width)."""
        normalised = (images - _MEAN) / _DEVIATION
        stem = self._relu(self._bn0(self._conv_stem(normalised)))
        features: Tensor = self._relu(self._bn1(self._conv_head(self._blocks(stem))))
        return features


def efficientnet_lite(scaling: Scaling) -> nn.Sequential:
    """Build an EfficientNet-Lite for images of any size, with global pooling and one output.

    References
    ----------
    Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
    ICML 2019. The Lite networks have neither squeeze-and-excitation nor swish, for arithmetic in
    8-bit integers: github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite.

    Examples
    --------
    >>> import torch
    >>> efficientnet_lite(LITE0)(torch.rand(2, 1, 64, 64)).shape
    torch.Size([2, 1])
    """
    return nn.Sequential(
        OrderedDict(
            [
                (FEATURES, EfficientNetLiteFeatures(scaling)),
                ("pool", GlobalAveragePool()),
                ("dropout", nn.Dropout(scaling.dropout)),
                ("output", DenseToOne(HEAD_CHANNELS, 1)),
            ]
        )
    )


def scaled_channels(channels: int, width: float) -> int:
    """Return a number of channels times a factor, as the nearest multiple of 8.

    Examples
    --------
    >>> [scaled_channels(channels, 1.1) for channels in (16, 112, 320)]
    [16, 120, 352]
    """
    return int(channels * width + _CHANNEL_MULTIPLE / 2) // _CHANNEL_MULTIPLE * _CHANNEL_MULTIPLE


def _blocks(scaling: Scaling) -> Iterator[InvertedResidual]:
    channels = STEM_CHANNELS
    for size, blocks, base, stride, expansion in STAGES:
        out = scaled_channels(base, scaling.width)
        for number in range(blocks if blocks == 1 else ceil(blocks * scaling.depth)):
            yield InvertedResidual(channels, out, size, 1 if number else stride, expansion)
            channels = out
