"""Networks: the notebook's seven, the frozen VGG16 beneath three of them, compact, DenseNet-121."""

from pneumoscope.models.catalogue import (
    MODELS,
    NOTEBOOK_MODELS,
    ModelSpec,
    build_network,
    find_model,
)
from pneumoscope.models.device import (
    Precision,
    computing_in,
    fastest_precision,
    place,
    select_device,
)
from pneumoscope.models.network import Network, Parameters, count_parameters

__all__ = [
    "MODELS",
    "NOTEBOOK_MODELS",
    "ModelSpec",
    "Network",
    "Parameters",
    "Precision",
    "build_network",
    "computing_in",
    "count_parameters",
    "fastest_precision",
    "find_model",
    "place",
    "select_device",
]
