"""DenseNet-121 of MONAI, a common network for chest radiographs."""

from collections import OrderedDict

from torch import nn

from pneumoscope.models.compact import GlobalAveragePool
from pneumoscope.models.layers import DenseToOne


def densenet121(image_size: int) -> nn.Sequential:
    """Build DenseNet-121 for one channel, with global pooling, for images of any size.

    References
    ----------
    Huang et al., "Densely Connected Convolutional Networks", CVPR 2017; on chest radiographs
    Rajpurkar et al., "CheXNet", arXiv:1711.05225.

    Examples
    --------
    >>> import torch
    >>> densenet121(64)(torch.rand(2, 1, 64, 64)).shape
    torch.Size([2, 1])
    """
    from monai.networks.nets.densenet import DenseNet121  # slow, and other models do not need it

    network = DenseNet121(spatial_dims=2, in_channels=1, out_channels=1)
    channels = network.class_layers.get_submodule("out").in_features
    assert isinstance(channels, int)
    return nn.Sequential(
        OrderedDict(
            features=network.features,
            features_relu=nn.ReLU(inplace=True),
            pool=GlobalAveragePool(),
            output=DenseToOne(channels, 1),
        )
    )
