"""Detection of pneumonia on chest radiographs: reading, training, evaluation, a clinic's server.

Examples
--------
>>> import pneumoscope as ps
>>> reader = ps.load()
>>> reader.read("chest.jpeg").probability  # doctest: +SKIP
0.97
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pneumoscope.api import evaluate, experiment, load_manifest, load_run, train, validate
    from pneumoscope.estimators import FeatureExtractor, PneumoscopeClassifier
    from pneumoscope.evaluation.predictions import Predictions
    from pneumoscope.reader import load

__version__ = "0.2.0"

_HOMES = {
    "FeatureExtractor": "estimators",
    "PneumoscopeClassifier": "estimators",
    "Predictions": "evaluation.predictions",
    "evaluate": "api",
    "experiment": "api",
    "load": "reader",
    "load_manifest": "api",
    "load_run": "api",
    "train": "api",
    "validate": "api",
}
"""Modules of the names that are imported at their first use: reading needs no PyTorch."""

__all__ = [
    "FeatureExtractor",
    "PneumoscopeClassifier",
    "Predictions",
    "__version__",
    "evaluate",
    "experiment",
    "load",
    "load_manifest",
    "load_run",
    "train",
    "validate",
]


def __getattr__(name: str) -> Any:
    """Import a name of the Python API at its first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'pneumoscope' has no attribute '{name}'")
    return getattr(import_module(f"pneumoscope.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """Return the names of the Python API and of what has been imported."""
    return sorted({*globals(), *__all__})
