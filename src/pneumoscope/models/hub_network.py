"""Network of the Hugging Face hub as a feature extractor for grey images, with a new head."""

import inspect
import pickle
from collections import OrderedDict
from math import isqrt

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from torch import Tensor, nn

from pneumoscope.models.compact import GlobalAveragePool
from pneumoscope.models.layers import DenseToOne
from pneumoscope.models.model_spec import Structure
from pneumoscope.support.errors import WeightsError

FEATURES = "features"
"""Name of the pretrained layers in the head."""

POOLER = "pooler"
"""Name of a layer that some architectures have beside their features, and that is not used here."""

TRANSFORMERS_ERRORS = (
    OSError,
    ValueError,
    RuntimeError,
    ImportError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    pickle.UnpicklingError,
    SafetensorError,
    StrictDataclassError,
)
"""Exceptions of transformers for checkpoints that are missing, damaged or not for images."""

_INTERPOLATE = "interpolate_pos_encoding"

_PROBE_SIZE = 224
"""Side of the image on which channels and tokens are counted, in pixels."""

_MAX_CLASS_TOKENS = 2
"""Class token and, in DeiT, distillation token."""


class HubFeatures(nn.Module):
    """Network of the transformers library, from grey images to its last feature map.

    The structure has its configuration, and mean and deviation of the colours it was trained with.

    Examples
    --------
    >>> structure = {
    ...     "config": {"model_type": "resnet", "hidden_sizes": [8, 16], "depths": [1, 1],
    ...                "embedding_size": 8, "layer_type": "basic"},
    ...     "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5],
    ... }
    >>> HubFeatures(structure)(torch.rand(2, 1, 64, 64)).shape
    torch.Size([2, 16, 8, 8])
    """

    def __init__(self, structure: Structure) -> None:
        from transformers import AutoConfig, AutoModel  # slow, and other models do not need it

        super().__init__()
        config = AutoConfig.for_model(**structure["config"])
        built = AutoModel.from_config(config, dtype=torch.float32)  # type: ignore[no-untyped-call]
        self.network: nn.Module = built
        if _has_weights(getattr(self.network, POOLER, None)):
            self.network.pooler = None
        # Without this argument some networks accept images of their training size alone.
        accepted = inspect.signature(self.network.forward).parameters
        self._arguments = {_INTERPOLATE: True} if _INTERPOLATE in accepted else {}
        for name in ("mean", "std"):
            values = torch.tensor(structure[name], dtype=torch.float32).view(1, -1, 1, 1)
            self.register_buffer(name, values, persistent=False)
        registers = getattr(config, "num_register_tokens", 0)
        self.channels, self._extra_tokens = self._count_channels(registers)

    def forward(self, images: Tensor) -> Tensor:
        """Return (n, channels, rows, columns) of grey images (n, 1, height, width) in [0, 1]."""
        values = self._run(images)
        return values if values.ndim == 4 else self._as_map(values)

    def _run(self, images: Tensor) -> Tensor:
        coloured = (images - self.get_buffer("mean")) / self.get_buffer("std")
        values: Tensor = self.network(coloured, **self._arguments).last_hidden_state
        return values

    def _as_map(self, tokens: Tensor) -> Tensor:
        """Arrange a transformer's patch tokens as a feature map, without its other tokens."""
        patches = tokens[:, self._extra_tokens :]
        side = isqrt(patches.shape[1])
        return patches.transpose(1, 2).reshape(len(tokens), tokens.shape[2], side, side)

    @torch.no_grad()
    def _count_channels(self, registers: int) -> tuple[int, int]:
        """Return the number of channels, and of tokens before the patch tokens."""
        self.eval()
        # The device is named: once it has loaded a checkpoint, transformers lets no context choose
        # it for linspace, and meta tensors would be mixed with others. No two patches are equal.
        device = self.get_buffer("mean").device
        image = torch.linspace(0, 1, _PROBE_SIZE**2, device=device)
        image = image.view(1, 1, _PROBE_SIZE, _PROBE_SIZE)
        values, repeated = self._run(image), self._run(image)
        if not (values.is_meta or torch.equal(values, repeated)):
            raise ValueError("its output for one image varies, as where random patches are masked")
        if values.ndim == 4:
            return values.shape[1], 0
        extra = values.shape[1] - isqrt(values.shape[1]) ** 2
        if extra > _MAX_CLASS_TOKENS + registers:
            raise ValueError(f"its {values.shape[1]} tokens are not those of square patches")
        return values.shape[2], extra


def hub_network(structure: Structure) -> nn.Sequential:
    """Build pretrained layers, global pooling and one dense layer, for images of any size.

    Raises
    ------
    WeightsError
        If the installed transformers cannot build the network, or it is not for images.
    """
    try:
        features = HubFeatures(structure)
    except TRANSFORMERS_ERRORS as error:
        kind = dict(structure.get("config", {})).get("model_type")
        raise WeightsError(
            f"a network of the kind {kind!r} cannot be built for "
            f"grey images ({error}); name one that gives feature maps of images, such as "
            "facebook/convnextv2-tiny-22k-224, or install the transformers it was saved with"
        ) from error
    return nn.Sequential(
        OrderedDict(
            [
                (FEATURES, features),
                ("pool", GlobalAveragePool()),
                ("output", DenseToOne(features.channels, 1)),
            ]
        )
    )


def _has_weights(layer: nn.Module | None) -> bool:
    return layer is not None and any(True for _ in layer.parameters())
