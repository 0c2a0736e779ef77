"""The heads of the notebook's seven networks, layer for layer."""

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
    """One convolution (2x2) and the output layer."""
    return nn.Sequential(
        OrderedDict(
            conv_1=GreyConv2d(3, 16, 2),
            conv_1_relu=nn.ReLU(inplace=True),
            flatten=FlattenChannelsLast(),
            output=DenseToOne(16 * (image_size - 1) ** 2, 1),
        )
    )


def model_2(image_size: int) -> nn.Sequential:
    """Two convolutions with pooling, two dense layers, dropout."""
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
    """Three convolutions with batch normalisation, two dense layers."""
    layers = _convolutions((32, 64, 128), normalised=True)
    return nn.Sequential(
        layers
        | OrderedDict(
            norm_3=batch_norm_2d(128, float32=True),  # in its place: another one follows it
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
    """Four convolutions with batch normalisation, two dense layers with it."""
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
    """On VGG16: a dense layer with dropout."""
    return _vgg16_head(image_size, widths=(512,), normalised=False)


def model_6(image_size: int) -> nn.Sequential:
    """On VGG16: batch normalisation, two dense layers with dropout after each."""
    return _vgg16_head(image_size, widths=(256, 128), normalised=True)


def model_7(image_size: int) -> nn.Sequential:
    """On VGG16: batch normalisation, three dense layers with dropout after each."""
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
        else:  # the largest of four before or after ReLU is the same, and ReLU has a quarter to do
            layers[f"pool_{number}"] = nn.MaxPool2d(2)
            layers[f"conv_{number}_relu"] = nn.ReLU(inplace=True)
        channels = width
    return layers


def _side(image_size: int, convolutions: int) -> int:
    """Side after so many valid 3x3 convolutions, each followed by 2x2 pooling."""
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
