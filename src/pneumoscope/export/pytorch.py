"""Export of a finished Run for PyTorch users: two files, or a MONAI bundle."""

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pneumoscope
from pneumoscope.models.saved_network import SavedNetwork, save_network
from pneumoscope.support.files import atomic_folder, require_empty, write_text
from pneumoscope.training.evaluate import load_trained_network
from pneumoscope.training.run import Run

MIN_MONAI_VERSION = "1.5.0"


def export_pytorch(run: Run, out: Path) -> None:
    """Write a Run's network as safetensors and YAML (see `load_network`).

    Parameters
    ----------
    run
        Finished Run.
    out
        Folder to write to; must not exist.

    Raises
    ------
    RunError
        If the Run is not finished, or ``out`` exists.
    """
    require_empty(out)
    run.require_finished()
    with atomic_folder(out) as folder:
        _save(run, folder)


def export_monai(run: Run, out: Path) -> None:
    """Write a Run as a MONAI bundle.

    ``python -m monai.bundle run --config_file OUT/configs/inference.json --bundle_root OUT
    --images "['chest.jpeg']"`` prints an uncalibrated probability for each image.

    Parameters
    ----------
    run
        Finished Run.
    out
        Folder to write to; must not exist.

    Raises
    ------
    RunError
        If the Run is not finished, or ``out`` exists.

    References
    ----------
    The MONAI bundle specification, https://docs.monai.io/en/stable/bundle_intro.html
    """
    require_empty(out)
    run.require_finished()
    with atomic_folder(out) as folder:
        for name in ("configs", "models"):
            (folder / name).mkdir()
        _save(run, folder / "models")
        _write_json(folder / "configs" / "metadata.json", _metadata(run))
        _write_json(folder / "configs" / "inference.json", _inference())


def _save(run: Run, folder: Path) -> None:
    network = load_trained_network(run)
    recipe = run.recipe
    saved = SavedNetwork(network.cpu().eval(), recipe.preparation, run.structure())
    save_network(saved, recipe.model, folder)


def _metadata(run: Run) -> dict[str, Any]:
    size = run.recipe.image_size
    image = {
        "type": "image",
        "format": "magnitude",
        "modality": "CR",
        "num_channels": 1,
        "spatial_shape": [size, size],
        "dtype": "float32",
        "value_range": [0, 1],
        "is_patch_data": False,
        "channel_def": {"0": "radiograph"},
    }
    logit = {
        "type": "probabilities",
        "format": "classes",
        "num_channels": 1,
        "spatial_shape": [],
        "dtype": "float32",
        "value_range": [],
        "is_patch_data": False,
        "channel_def": {"0": "logit of pneumonia"},
    }
    return {
        "schema": "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/"
        "meta_schema_20240725.json",
        "version": pneumoscope.__version__,
        "changelog": {pneumoscope.__version__: "exported"},
        "monai_version": MIN_MONAI_VERSION,
        "pytorch_version": version("torch").split("+")[0],
        "numpy_version": version("numpy"),
        "required_packages_version": _required_packages(run),
        "name": f"pneumoscope {run.recipe.model}",
        "task": "Pneumonia on frontal chest radiographs",
        "description": f"{run.recipe.model}, seed {run.recipe.seed}; one image in, one logit out",
        "authors": "The pneumoscope authors",
        "copyright": "Apache-2.0",
        "data_source": f"manifest {run.record.manifest_fingerprint}",
        "intended_use": "Research; a second opinion, not a diagnosis",
        "network_data_format": {"inputs": {"image": image}, "outputs": {"pred": logit}},
    }


def _required_packages(run: Run) -> dict[str, str]:
    required, source = {"pneumoscope": pneumoscope.__version__}, run.record.network_source
    if source is not None and source.distribution is not None and source.version is not None:
        required[source.distribution] = source.version
    return required


def _inference() -> dict[str, Any]:
    """Return the configuration of inference: the Run's preprocessing, then the network."""
    return {
        "bundle_root": ".",
        "images": [],
        "saved": {
            "_target_": "pneumoscope.models.saved_network.load_network",
            "folder": "$@bundle_root + '/models'",
        },
        "network_def": "$@saved.network",
        "preprocessing": {"_target_": "Lambda", "func": "$@saved.image"},
        "inferer": {"_target_": "SimpleInferer"},
        "postprocessing": {"_target_": "Activations", "sigmoid": True},
        "probability": "$lambda path: float(@postprocessing(@inferer("
        "@preprocessing(path)[None], @network_def)))",
        "run": ["$[print(path, round(@probability(path), 6)) for path in @images]"],
    }


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    write_text(path, json.dumps(content, indent=2) + "\n")
