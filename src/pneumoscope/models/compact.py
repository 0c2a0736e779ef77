"""Compact network: a small residual network with global pooling, so its heat map is exact."""

from collections import OrderedDict

from torch import Tensor, nn

from pneumoscope.models.layers import DenseToOne

STEM_CHANNELS = 32
BLOCKS = ((48, 2), (96, 2), (192, 2), (192, 1))
"""Channels and stride of each residual block; with the stem, sides shrink by a factor of 16."""

_MIN_VARIANCE = 1e-6


class ResidualBlock(nn.Module):
    """Residual block: two 3x3 convolutions and a shortcut.

    References
    ----------
    He et al., "Deep Residual Learning for Image Recognition", CVPR 2016.

    Examples
    --------
    >>> import torch
    >>> ResidualBlock(8, 16, stride=2)(torch.rand(1, 8, 12, 12)).shape
    torch.Size([1, 16, 6, 6])
    """

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv_1 = nn.Conv2d(channels, out, 3, stride, padding=1, bias=False)
        self.norm_1 = nn.BatchNorm2d(out)
        self.conv_2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.norm_2 = nn.BatchNorm2d(out)
        self.relu_1, self.relu_2 = nn.ReLU(inplace=True), nn.ReLU(inplace=True)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels != out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out)
            )

    def forward(self, features: Tensor) -> Tensor:
        """Return (n, out, height / stride, width / stride) of (n, channels, height, width)."""
        inner = self.relu_1(self.norm_1(self.conv_1(features)))
        result: Tensor = self.relu_2(self.norm_2(self.conv_2(inner)) + self.shortcut(features))
        return result


class Standardise(nn.Module):
    """Standardisation of each image to mean 0 and standard deviation 1, against its exposure.

    Examples
    --------
    >>> import torch
    >>> bright = torch.rand(1, 1, 8, 8)
    >>> bool(torch.allclose(Standardise()(bright), Standardise()(bright / 2 + 0.1), atol=1e-3))
    True
    """

    def forward(self, images: Tensor) -> Tensor:
        """Return images of the same shape; an image of a single grey becomes zero."""
        deviation = images - images.mean((2, 3), keepdim=True)
        variance = deviation.square().mean((2, 3), keepdim=True)
        return deviation * (variance + _MIN_VARIANCE).rsqrt()


class GlobalAveragePool(nn.Module):
    """Global average pooling: the mean of each channel.

    Examples
    --------
    >>> import torch
    >>> GlobalAveragePool()(torch.ones(2, 3, 4, 4)).shape
    torch.Size([2, 3])
    """

    def forward(self, features: Tensor) -> Tensor:
        """Return (n, channels) of (n, channels, height, width)."""
        return features.mean((2, 3))


def compact(image_size: int) -> nn.Sequential:
    """Build the network for images of any size: a stem, four residual blocks, global pooling.

    Examples
    --------
    >>> import torch
    >>> compact(64)(torch.rand(2, 1, 64, 64)).shape
    torch.Size([2, 1])
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        standardise=Standardise(),
        conv_1=nn.Conv2d(1, STEM_CHANNELS, 3, stride=2, padding=1, bias=False),
        norm_1=nn.BatchNorm2d(STEM_CHANNELS),
        conv_1_relu=nn.ReLU(inplace=True),
    )
    channels = STEM_CHANNELS
    for number, (out, stride) in enumerate(BLOCKS, start=1):
        layers[f"block_{number}"] = ResidualBlock(channels, out, stride)
        channels = out
    layers["pool"] = GlobalAveragePool()
    layers["output"] = DenseToOne(channels, 1)
    return nn.Sequential(layers)
