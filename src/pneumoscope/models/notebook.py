"""Networks of the notebook: the trained layers of its seven models."""

from collections import OrderedDict

from torch import nn

from pneumoscope.models.layers import (
    DenseToOne,
    FlattenChannelsLast,
    Float32Linear,
    GreyConv2d,
    batch_norm_1d,
    batch_norm_2d,
)

Layers = OrderedDict[str, nn.Module]


def model_1(image_size: int) -> nn.Sequential:
    """Build one 2x2 convolution and the output layer."""
    return nn.Sequential(
        OrderedDict(
            conv_1=GreyConv2d(3, 16, 2),
            conv_1_relu=nn.ReLU(inplace=True),
            flatten=FlattenChannelsLast(),
            output=DenseToOne(16 * (image_size - 1) ** 2, 1),
        )
    )


def model_2(image_size: int) -> nn.Sequential:
    """Build two convolutions with pooling, two dense layers and dropout."""
    layers = _convolutions((32, 64), normalised=False)
    return nn.Sequential(
        layers
        | OrderedDict(
            flatten=FlattenChannelsLast(),
            dense_1=nn.Linear(64 * _side(image_size, 2) ** 2, 512),
            dense_1_relu=nn.ReLU(inplace=True),
            dense_2=nn.Linear(512, 128),
            dense_2_relu=nn.ReLU(inplace=True),
            dropout=nn.Dropout(0.5),
            output=DenseToOne(128, 1),
        )
    )


def model_3(image_size: int) -> nn.Sequential:
    """Build three convolutions with batch normalisation and two dense layers."""
    layers = _convolutions((32, 64, 128), normalised=True)
    return nn.Sequential(
        layers
        | OrderedDict(
            norm_3=batch_norm_2d(128, float32=True),  # float32: another one follows
            norm_4=batch_norm_2d(128, float32=True),
            flatten=FlattenChannelsLast(),
            dense_1=Float32Linear(128 * _side(image_size, 3) ** 2, 256),
            dense_1_relu=nn.ReLU(inplace=True),
            dropout_1=nn.Dropout(0.2),
            norm_5=batch_norm_1d(256),
            dense_2=Float32Linear(256, 128),
            dense_2_relu=nn.ReLU(inplace=True),
            dropout_2=nn.Dropout(0.25),
            output=DenseToOne(128, 1),
        )
    )


def model_4(image_size: int) -> nn.Sequential:
    """Build four convolutions and two dense layers, all with batch normalisation."""
    layers = _convolutions((32, 64, 128, 256), normalised=True)
    return nn.Sequential(
        layers
        | OrderedDict(
            flatten=FlattenChannelsLast(),
            dense_1=Float32Linear(256 * _side(image_size, 4) ** 2, 512),
            dense_1_relu=nn.ReLU(inplace=True),
            norm_5=batch_norm_1d(512),
            dropout_1=nn.Dropout(0.5),
            dense_2=Float32Linear(512, 256),
            dense_2_relu=nn.ReLU(inplace=True),
            norm_6=batch_norm_1d(256),
            dropout_2=nn.Dropout(0.5),
            output=DenseToOne(256, 1),
        )
    )


def model_5(image_size: int) -> nn.Sequential:
    """Build a dense layer with dropout, on VGG16's features."""
    return _vgg16_head(image_size, widths=(512,), normalised=False)


def model_6(image_size: int) -> nn.Sequential:
    """Build batch normalisation and two dense layers with dropout, on VGG16's features."""
    return _vgg16_head(image_size, widths=(256, 128), normalised=True)


def model_7(image_size: int) -> nn.Sequential:
    """Build batch normalisation and three dense layers with dropout, on VGG16's features."""
    return _vgg16_head(image_size, widths=(512, 256, 128), normalised=True)


def _convolutions(widths: tuple[int, ...], *, normalised: bool) -> Layers:
    layers: Layers = OrderedDict()
    channels = 3
    for number, width in enumerate(widths, start=1):
        convolution = GreyConv2d if number == 1 else nn.Conv2d
        layers[f"conv_{number}"] = convolution(channels, width, 3)
        if normalised:
            layers[f"conv_{number}_relu"] = nn.ReLU(inplace=True)
            layers[f"norm_{number}"] = batch_norm_2d(width)
            layers[f"pool_{number}"] = nn.MaxPool2d(2)
        else:  # pooling and ReLU commute, and ReLU then has a quarter of the values
            layers[f"pool_{number}"] = nn.MaxPool2d(2)
            layers[f"conv_{number}_relu"] = nn.ReLU(inplace=True)
        channels = width
    return layers


def _side(image_size: int, convolutions: int) -> int:
    """Return the side after valid 3x3 convolutions, each followed by 2x2 pooling."""
    side = image_size
    for _ in range(convolutions):
        side = (side - 2) // 2
    return side


def _vgg16_head(image_size: int, widths: tuple[int, ...], *, normalised: bool) -> nn.Sequential:
    layers: Layers = OrderedDict()
    if normalised:
        layers["norm"] = batch_norm_2d(512)
    layers["flatten"] = FlattenChannelsLast()
    features = 512 * (image_size // 32) ** 2
    for number, width in enumerate(widths, start=1):
        layers[f"dense_{number}"] = nn.Linear(features, width)
        layers[f"dense_{number}_relu"] = nn.ReLU(inplace=True)
        layers[f"dropout_{number}"] = nn.Dropout(0.5)
        features = width
    layers["output"] = DenseToOne(features, 1)
    return nn.Sequential(layers)
