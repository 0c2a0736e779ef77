"""Networks of the Hugging Face hub, pretrained by others, as the start of one that learns here."""

import inspect
import json
import pickle
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from torch import Tensor, nn

from pneumoscope.models.compact import GlobalAveragePool
from pneumoscope.models.layers import DenseToOne
from pneumoscope.models.network import weights_digest
from pneumoscope.support.errors import WeightsError

Structure = Mapping[str, Any]
"""What a network is built from without the hub: its configuration there and its normalisation."""

FEATURES = "features"
"""Name of the pretrained layers."""

_INTERPOLATE = "interpolate_pos_encoding"
_IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
_PROBE = 224
"""Side of the image on which channels and tokens are counted."""

_CLASS_TOKENS = 2
"""Of a class, and in DeiT of a teacher."""

_WRONG = (
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
"""What transformers raises for what is missing, damaged or none for images."""

_NOT_BUILT_FROM = ("auto_map", "dtype", "transformers_version", "_name_or_path")
"""Of a configuration: whose code, how it was saved and by what; nothing that decides the layers."""

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
        built = AutoModel.from_config(config, dtype=torch.float32)  # type: ignore[no-untyped-call]
        self.network: nn.Module = built
        if _has_weights(getattr(self.network, _POOLER, None)):
            self.network.pooler = None
        # Some place patches by embeddings of their training images' size, unless they are asked.
        known = inspect.signature(self.network.forward).parameters
        self._asked = {_INTERPOLATE: True} if _INTERPOLATE in known else {}
        for name in ("mean", "std"):
            values = torch.tensor(structure[name], dtype=torch.float32).view(1, -1, 1, 1)
            self.register_buffer(name, values, persistent=False)
        self.channels, self._others = self._probe(getattr(config, "num_register_tokens", 0))

    def forward(self, images: Tensor) -> Tensor:
        """Return (n, channels, rows, columns) of grey images (n, 1, height, width) in [0, 1]."""
        values = self._look(images)
        return values if values.ndim == 4 else self._as_map(values)

    def _look(self, images: Tensor) -> Tensor:
        coloured = (images - self.get_buffer("mean")) / self.get_buffer("std")
        values: Tensor = self.network(coloured, **self._asked).last_hidden_state
        return values

    def _as_map(self, tokens: Tensor) -> Tensor:
        """Arrange what a transformer says of square patches as a map, without its other tokens."""
        patches = tokens[:, self._others :]
        side = isqrt(patches.shape[1])
        return patches.transpose(1, 2).reshape(len(tokens), tokens.shape[2], side, side)

    @torch.no_grad()
    def _probe(self, registers: int) -> tuple[int, int]:
        """Return how many channels there are, and how many tokens before those of patches."""
        self.eval()
        # The device is named: once it has loaded a checkpoint, transformers lets no context choose
        # it for linspace, and shapes alone would be mixed with values. No patch is another's.
        place = self.get_buffer("mean").device
        image = torch.linspace(0, 1, _PROBE**2, device=place).view(1, 1, _PROBE, _PROBE)
        values, again = self._look(image), self._look(image)
        if not (values.is_meta or torch.equal(values, again)):
            raise ValueError("it says different things of one image, as where patches are hidden")
        if values.ndim == 4:
            return values.shape[1], 0
        others = values.shape[1] - isqrt(values.shape[1]) ** 2
        if others > _CLASS_TOKENS + registers:
            raise ValueError(f"its {values.shape[1]} tokens are not those of square patches")
        return values.shape[2], others


def hub_network(structure: Structure) -> nn.Sequential:
    """Build pretrained layers, global pooling and one dense layer, for images of any size.

    Raises
    ------
    WeightsError
        If the installed transformers cannot build it, or it is none for images.
    """
    try:
        features = HubFeatures(structure)
    except _WRONG as error:
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
    from transformers.utils.hub import cached_file

    with _explained(weights):
        name, revision = _named(weights)
        config = AutoConfig.from_pretrained(name, revision=revision, trust_remote_code=False)
        file = cached_file(
            name,
            "preprocessor_config.json",
            revision=revision,
            _raise_exceptions_for_missing_entries=False,
        )
        colours = _colours({} if file is None else json.loads(Path(file).read_text("utf-8")))
    settings = json.loads(config.to_json_string(use_diff=False))
    built = {key: value for key, value in settings.items() if key not in _NOT_BUILT_FROM}
    return {"config": built, **colours}


def _colours(processor: Mapping[str, Any]) -> dict[str, list[float]]:
    """Return mean and deviation of each colour, ImageNet's where a checkpoint says nothing."""
    if not processor.get("do_normalize", True):
        return {"mean": [0.0] * 3, "std": [1.0] * 3}
    names = (("mean", "image_mean"), ("std", "image_std"))
    return {ours: processor.get(theirs) or _IMAGENET[ours] for ours, theirs in names}


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
            name,
            revision=revision,
            output_loading_info=True,
            dtype=torch.float32,
            trust_remote_code=False,
        )
        missing = sorted(key for key in told["missing_keys"] if not key.startswith(_POOLER))
        if missing or told["mismatched_keys"]:
            raise ValueError(f"weights are missing: {', '.join(missing[:3])}")
        file = cached_file(name, "config.json", revision=revision)
        commit = extract_commit_hash(file, None)
    state = {
        f"network.{key}": value
        for key, value in loaded.state_dict().items()
        if not key.startswith(_POOLER)
    }
    origin = f"{name}, {f'commit {commit[:12]}' if commit else 'a folder'}"
    return Pretrained(structure, state, origin, weights_digest(state))


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
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # what is wrong is said below
    try:
        yield
    except _WRONG as error:
        first = str(error).strip().partition("\n")[0]
        raise WeightsError(
            f"{weights}: no network can be had from it ({first}). Name a network for images as the "
            "Hugging Face hub does, such as --weights facebook/convnextv2-tiny-22k-224; or, where "
            "the hub cannot be reached, download its files elsewhere and name their folder"
        ) from error
    finally:
        logging.set_verbosity(verbosity)


def _has_weights(layer: nn.Module | None) -> bool:
    return layer is not None and any(True for _ in layer.parameters())
