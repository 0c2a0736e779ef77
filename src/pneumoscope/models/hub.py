"""Pretrained networks of the Hugging Face hub: download, weights and catalogue entry."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import torch

from pneumoscope.models.hub_network import FEATURES, POOLER, TRANSFORMERS_ERRORS
from pneumoscope.models.model_spec import ModelSpec, PretrainedWeights, Structure
from pneumoscope.models.network import Network, weights_digest
from pneumoscope.support.errors import WeightsError

_IMAGENET_COLOURS = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}

_IRRELEVANT_SETTINGS = ("auto_map", "dtype", "transformers_version", "_name_or_path")
"""Entries of a configuration that do not define layers."""


class HubSpec(ModelSpec):
    """Catalogue entry of a pretrained network of the hub, all of which is trained further.

    Its ``head`` is built from the network's structure, not from the image size.
    """

    pretrained: ClassVar[str | None] = "Hugging Face hub"
    needs_structure: ClassVar[bool] = True

    def build(self, image_size: int, structure: Structure | None = None) -> Network:
        """Build the network from its structure; any image size will do."""
        if structure is None:
            raise WeightsError(
                f"{self.name}: the description of its layers is missing (structure.json of a Run, "
                "'structure' of an exported network); restore it from a copy, or train again"
            )
        return Network(self.head(structure), pretrained=FEATURES)

    def load_weights(self, weights: str, seed: int) -> PretrainedWeights:
        """Load the pretrained network; see `load_pretrained`."""
        return load_pretrained(weights)

    def has_licensed_weights(self, weights: str) -> bool:
        """Return True: every network of the hub has a licence of its own."""
        return True

    def load_structure(self, weights: str) -> Structure:
        """Load the description of the layers; see `read_structure`."""
        return read_structure(weights)


def read_structure(weights: str) -> Structure:
    """Download the configuration and the colours of a network, without its weights.

    Parameters
    ----------
    weights
        ``owner/name`` on the hub, ``owner/name@revision``, or a folder in the hub's format.

    Raises
    ------
    WeightsError
        If it is neither, or cannot be downloaded.
    """
    from transformers import AutoConfig
    from transformers.utils.hub import cached_file

    with _explained(weights):
        name, revision = _split_revision(weights)
        config = AutoConfig.from_pretrained(name, revision=revision, trust_remote_code=False)
        file = cached_file(
            name,
            "preprocessor_config.json",
            revision=revision,
            _raise_exceptions_for_missing_entries=False,
        )
        colours = _colours({} if file is None else json.loads(Path(file).read_text("utf-8")))
    settings = json.loads(config.to_json_string(use_diff=False))
    relevant = {key: value for key, value in settings.items() if key not in _IRRELEVANT_SETTINGS}
    return {"config": relevant, **colours}


def _colours(processor: Mapping[str, Any]) -> dict[str, list[float]]:
    """Return mean and standard deviation of each colour; ImageNet's where none are stated."""
    if not processor.get("do_normalize", True):
        return {"mean": [0.0] * 3, "std": [1.0] * 3}
    keys = {"mean": "image_mean", "std": "image_std"}
    return {name: processor.get(key) or _IMAGENET_COLOURS[name] for name, key in keys.items()}


def load_pretrained(weights: str) -> PretrainedWeights:
    """Load a network, named as for `read_structure`, from the hub or, once loaded, its cache.

    Raises
    ------
    WeightsError
        If it is missing and cannot be downloaded, is damaged, or is not for images.
    """
    from transformers import AutoModel
    from transformers.utils.hub import cached_file, extract_commit_hash

    structure = read_structure(weights)
    with _explained(weights):
        name, revision = _split_revision(weights)
        loaded, loading_info = AutoModel.from_pretrained(
            name,
            revision=revision,
            output_loading_info=True,
            dtype=torch.float32,
            trust_remote_code=False,
        )
        missing = sorted(key for key in loading_info["missing_keys"] if not key.startswith(POOLER))
        if missing or loading_info["mismatched_keys"]:
            raise ValueError(f"weights are missing: {', '.join(missing[:3])}")
        file = cached_file(name, "config.json", revision=revision)
        commit = extract_commit_hash(file, None)
    state = {
        f"network.{key}": value
        for key, value in loaded.state_dict().items()
        if not key.startswith(POOLER)
    }
    origin = f"{name}, {f'commit {commit[:12]}' if commit else 'a folder'}"
    return PretrainedWeights(state, origin, weights_digest(state), f"head.{FEATURES}", structure)


def _split_revision(weights: str) -> tuple[str, str | None]:
    """Return name and revision; a folder has no revision."""
    if Path(weights).is_dir():
        return weights, None
    name, _, revision = weights.partition("@")
    if name.count("/") > 1 or name.startswith((".", "/", "~")):
        raise FileNotFoundError("there is no such folder")
    return name, revision or None


@contextmanager
def _explained(weights: str) -> Iterator[None]:
    """Turn the library's exceptions into one message with a remedy."""
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # the error below says it all
    try:
        yield
    except TRANSFORMERS_ERRORS as error:
        first_line = str(error).strip().partition("\n")[0]
        raise WeightsError(
            f"{weights}: no network can be loaded from it ({first_line}). Name a network for "
            "images as the Hugging Face hub does, such as --weights "
            "facebook/convnextv2-tiny-22k-224; or, where the hub cannot be reached, download its "
            "files elsewhere and name their folder"
        ) from error
    finally:
        logging.set_verbosity(verbosity)
