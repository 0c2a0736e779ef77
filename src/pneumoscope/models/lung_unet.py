"""Lung segmentation network: a small U-Net at half the resolution of its input."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from pneumoscope.models.compact import Standardise

SIDE = 128
"""Side of the square images, in pixels."""

_STEM_CHANNELS = 16
_CHANNELS = (16, 32, 48, 64, 96, 16)
"""Channels of the U-Net's five resolutions, and of its last layers."""


class LungUNet(nn.Module):
    """U-Net that marks each of the two lungs on a radiograph.

    A first convolution halves the resolution, which quarters the time; the network is MONAI's.

    References
    ----------
    Ronneberger, Fischer and Brox, "U-Net: Convolutional Networks for Biomedical Image
    Segmentation", MICCAI 2015; of the layout in Falk et al., Nature Methods 16:67-70, 2019.

    Examples
    --------
    >>> LungUNet()(torch.rand(2, 1, 128, 128)).shape
    torch.Size([2, 2, 128, 128])
    """

    def __init__(self) -> None:
        from monai.networks.nets.basic_unet import BasicUNet  # slow, and nothing else needs it

        super().__init__()
        self.stem = nn.Sequential(
            Standardise(),
            nn.Conv2d(1, _STEM_CHANNELS, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(_STEM_CHANNELS),
            nn.ReLU(),
        )
        self.unet = BasicUNet(
            spatial_dims=2,
            in_channels=_STEM_CHANNELS,
            out_channels=2,
            features=_CHANNELS,
            act="relu",
            norm="batch",
            upsample="nontrainable",
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (n, 2, height, width) of grey images (n, 1, height, width) in [0, 1].

        The channels are the lung on the image's left and that on its right.
        """
        logits: Tensor = self.unet(self.stem(images))
        return functional.interpolate(logits, images.shape[2:], mode="bilinear")


class DeployedLungUNet(nn.Module):
    """Lung segmentation network from prepared pixels to probabilities.

    Examples
    --------
    >>> deployed = DeployedLungUNet(LungUNet())
    >>> deployed(torch.zeros(1, 128, 128, dtype=torch.uint8)).shape
    torch.Size([1, 2, 128, 128])
    """

    def __init__(self, network: LungUNet) -> None:
        super().__init__()
        self.network = network
        self.eval().requires_grad_(False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the probability that each pixel (n, size, size), uint8, is of either lung."""
        return torch.sigmoid(self.network(pixels.unsqueeze(1).float() / 255))
