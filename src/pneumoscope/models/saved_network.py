"""Trained network in two files for PyTorch users: safetensors and YAML."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from pneumoscope.lungs import Framing, Preparation
from pneumoscope.models.catalogue import find_model
from pneumoscope.models.model_spec import Structure
from pneumoscope.models.network import Network
from pneumoscope.radiograph import Resampling, read_radiograph
from pneumoscope.support.errors import WeightsError
from pneumoscope.support.files import write_text

WEIGHTS = "network.safetensors"
SETTINGS = "network.yaml"

FORMAT = 2
"""Version of the files, and of the computation of the catalogue's networks."""


@dataclass(frozen=True)
class SavedNetwork:
    """Trained network, and how its input images are prepared.

    Parameters
    ----------
    network
        In evaluation mode: grey images (n, 1, size, size) in [0, 1] in, logits (n,) out.
    preparation
        Preparation of radiographs.
    structure
        Description of the layers of a network of the hub, else None.
    """

    network: Network
    preparation: Preparation
    structure: Structure | None = None

    def image(self, path: Path | str) -> Tensor:
        """Read a radiograph's file as an input of the network.

        Returns
        -------
        Tensor
            float32, shape (1, image_size, image_size), range [0, 1].

        Raises
        ------
        UnreadableRadiographError
            If the file cannot be decoded.
        """
        radiograph = read_radiograph(Path(path), self.preparation.min_side)
        return torch.from_numpy(self.preparation.square(radiograph.pixels))[None] / 255


def save_network(saved: SavedNetwork, model: str, folder: Path) -> None:
    """Write the two files of a network into a folder.

    Parameters
    ----------
    saved
        Network to write.
    model
        Name of the network in the catalogue.
    folder
        Folder that exists.

    Examples
    --------
    >>> import torch
    >>> from pneumoscope.models import MODELS, build_network
    >>> folder = getfixture("tmp_path")
    >>> network = build_network(MODELS["compact"], 64, seed=0).eval()
    >>> save_network(SavedNetwork(network, Preparation(64, Resampling.BILINEAR)), "compact", folder)
    >>> images = torch.rand(2, 1, 64, 64)
    >>> bool((load_network(folder).network(images) == network(images)).all())
    True
    """
    state = {name: value.contiguous() for name, value in saved.network.state_dict().items()}
    save_file(state, folder / WEIGHTS)
    settings: dict[str, Any] = {
        "format": FORMAT,
        "model": model,
        "image_size": saved.preparation.size,
        "resampling": str(saved.preparation.resampling),
        "framing": str(saved.preparation.framing),
        "input": "float32 (n, 1, image_size, image_size) in [0, 1], 0 = black",
        "output": "logit (n,); positive for pneumonia",
    }
    if (finder := saved.preparation.lung_finder) is not None:
        settings["lung_finder"] = finder.digest
    if saved.structure is not None:
        settings["structure"] = dict(saved.structure)
    if (source := find_model(model).source) is not None:
        settings["source"] = asdict(source)
    write_text(folder / SETTINGS, yaml.safe_dump(settings, sort_keys=False))


def load_network(folder: Path | str) -> SavedNetwork:
    """Load the network that `save_network` wrote.

    Raises
    ------
    WeightsError
        If a file is missing, damaged or of another format version.
    PluginError
        If the network is of another package, which is not installed.
    """
    path = Path(folder)
    try:
        settings: Mapping[str, Any] = yaml.safe_load((path / SETTINGS).read_text(encoding="utf-8"))
        if settings.get("format") != FORMAT:
            raise ValueError(f"format {settings.get('format')} instead of {FORMAT}")
        size = int(settings["image_size"])
        structure = settings.get("structure")
        spec = find_model(settings["model"])
        if (source := spec.source) is not None and source.digest != settings["source"]["digest"]:
            raise ValueError(f"it was trained with other source code than that of {source}")
        network = spec.build(size, structure)
        network.load_state_dict(load_file(path / WEIGHTS))
        preparation = Preparation(
            size, Resampling(settings["resampling"]), Framing(settings.get("framing", "whole"))
        )
        _require_same_lung_finder(preparation, settings.get("lung_finder"))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError) as error:
        raise _damaged(path, error) from error
    except (yaml.YAMLError, SafetensorError) as error:
        raise _damaged(path, error) from error
    return SavedNetwork(network.eval(), preparation, structure)


def _require_same_lung_finder(preparation: Preparation, digest: str | None) -> None:
    finder = preparation.lung_finder
    if finder is not None and finder.digest != digest:
        raise ValueError("it was trained with another lung finder than this version's")


def _damaged(folder: Path, error: Exception) -> WeightsError:
    return WeightsError(
        f"{folder}: {SETTINGS} or {WEIGHTS} is missing, damaged or of another version ({error}); "
        "export the network again with 'pneumoscope export --format pytorch'"
    )
