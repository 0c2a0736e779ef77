"""Networks of the Hugging Face hub, pretrained by others, as the start of one that learns here."""

import hashlib
import inspect
import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pneumoscope.errors import WeightsError
from pneumoscope.models.compact import GlobalAveragePool
from pneumoscope.models.layers import DenseToOne

Structure = Mapping[str, Any]
"""What a network is built from without the hub: its configuration there and its normalisation."""

FEATURES = "features"
"""Name of the pretrained layers."""

_INTERPOLATE = "interpolate_pos_encoding"
_IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
_POOLER = "pooler"
"""Of weights that some architectures have beside their features, and that are not used here."""


@dataclass(frozen=True)
class Pretrained:
    """A pretrained network, and where it is from.

    Parameters
    ----------
    structure
        What `hub_network` builds it from.
    state
        Its weights, as `Pretrained.fill` sets them.
    origin
        In words, for reports.
    digest
        SHA-256 of the weights' values.
    """

    structure: Structure
    state: Mapping[str, Tensor]
    origin: str
    digest: str

    def fill(self, head: nn.Sequential) -> None:
        """Set the pretrained layers of what `hub_network` built."""
        head.get_submodule(FEATURES).load_state_dict(self.state)


class HubFeatures(nn.Module):
    """A network of the transformers library, from grey images to its last feature map.

    Parameters
    ----------
    structure
        Its configuration, and mean and standard deviation of the colours that it was trained with.

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
        self.network = AutoModel.from_config(config)  # type: ignore[no-untyped-call]
        # Some place patches by embeddings of their training images' size, unless they are asked.
        known = inspect.signature(self.network.forward).parameters
        self._asked = {_INTERPOLATE: True} if _INTERPOLATE in known else {}
        for name in ("mean", "std"):
            values = torch.tensor(structure[name], dtype=torch.float32).view(1, -1, 1, 1)
            self.register_buffer(name, values, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return (n, channels, rows, columns) of grey images (n, 1, height, width) in [0, 1]."""
        coloured = (images - self.get_buffer("mean")) / self.get_buffer("std")
        values: Tensor = self.network(coloured, **self._asked).last_hidden_state
        return values if values.ndim == 4 else _as_map(values)


def hub_network(structure: Structure) -> nn.Sequential:
    """Build pretrained layers, global pooling and one dense layer, for images of any size.

    Raises
    ------
    WeightsError
        If the installed transformers cannot build it, or it is none for images.
    """
    try:
        features = HubFeatures(structure)
        with torch.no_grad():
            channels = features.eval()(torch.zeros(1, 1, _PROBE, _PROBE)).shape[1]
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError, ImportError) as error:
        raise WeightsError(
            f"a network of the kind {structure['config'].get('model_type')!r} cannot be built for "
            f"grey images ({error}); name one that gives feature maps of images, such as "
            "facebook/convnextv2-tiny-22k-224, or install the transformers it was saved with"
        ) from error
    return nn.Sequential(
        OrderedDict(
            [
                (FEATURES, features),
                ("pool", GlobalAveragePool()),
                ("output", DenseToOne(channels, 1)),
            ]
        )
    )


_PROBE = 224
"""Side of the image on which the number of channels is counted."""


def read_structure(weights: str) -> Structure:
    """Fetch what a network is built from, without its weights.

    Parameters
    ----------
    weights
        ``owner/name`` on the hub, ``owner/name@revision``, or a folder in the hub's format.

    Raises
    ------
    WeightsError
        If it is neither, or cannot be fetched.
    """
    from transformers import AutoConfig
    from transformers.image_processing_base import ImageProcessingMixin

    with _explained(weights):
        name, revision = _named(weights)
        config = AutoConfig.from_pretrained(name, revision=revision)
        try:
            processor, _ = ImageProcessingMixin.get_image_processor_dict(name, revision=revision)
        except OSError:  # a checkpoint may come without one
            processor = {}
    colours = {
        ours: processor.get(theirs) or _IMAGENET[ours]
        for ours, theirs in (("mean", "image_mean"), ("std", "image_std"))
    }
    return {"config": json.loads(config.to_json_string(use_diff=False)), **colours}


def load_pretrained(weights: str) -> Pretrained:
    """Fetch a pretrained network: once, then from the hub's own cache on this machine.

    Parameters
    ----------
    weights
        As `read_structure` takes it.

    Raises
    ------
    WeightsError
        If it is not there and cannot be fetched, is damaged, or is none for images.
    """
    from transformers import AutoModel
    from transformers.utils.hub import cached_file, extract_commit_hash

    structure = read_structure(weights)
    with _explained(weights):
        name, revision = _named(weights)
        loaded, told = AutoModel.from_pretrained(
            name, revision=revision, output_loading_info=True, dtype=torch.float32
        )
        missing = sorted(key for key in told["missing_keys"] if _POOLER not in key)
        if missing or told["mismatched_keys"]:
            raise ValueError(f"weights are missing: {', '.join(missing[:3])}")
        file = cached_file(name, "config.json", revision=revision)
        commit = extract_commit_hash(file, None)
    state = {f"network.{key}": value for key, value in loaded.state_dict().items()}
    origin = f"{name}, {f'commit {commit[:12]}' if commit else 'a folder'}"
    return Pretrained(structure, state, origin, _digest(state))


def _named(weights: str) -> tuple[str, str | None]:
    """Return a name and a revision; a folder has none."""
    if Path(weights).is_dir():
        return weights, None
    name, _, revision = weights.partition("@")
    if name.count("/") > 1 or name.startswith((".", "/", "~")):
        raise FileNotFoundError("there is no such folder")
    return name, revision or None


@contextmanager
def _explained(weights: str) -> Iterator[None]:
    from safetensors import SafetensorError
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # what is wrong is said below
    try:
        yield
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        first = str(error).strip().partition("\n")[0]
        raise WeightsError(
            f"{weights}: no network can be had from it ({first}). Name a network for images as the "
            "Hugging Face hub does, such as --weights facebook/convnextv2-tiny-22k-224; or, where "
            "the hub cannot be reached, download its files elsewhere and name their folder"
        ) from error
    finally:
        logging.set_verbosity(verbosity)


def _as_map(tokens: Tensor) -> Tensor:
    """Arrange what a transformer says of square patches as a map, without its other tokens."""
    side = isqrt(tokens.shape[1])
    patches = tokens[:, tokens.shape[1] - side * side :]
    return patches.transpose(1, 2).reshape(len(tokens), tokens.shape[2], side, side)


def _digest(state: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for value in state.values():
        digest.update(np.ascontiguousarray(value.numpy()).data)
    return digest.hexdigest()
