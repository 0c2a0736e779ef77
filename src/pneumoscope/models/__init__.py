"""Networks: the notebook's seven, compact, DenseNet-121, and others with pretrained weights."""

from pneumoscope.models.catalogue import (
    MODELS,
    NOTEBOOK_MODELS,
    build_network,
    describe_network,
    find_model,
)
from pneumoscope.models.device import (
    Precision,
    computing_in,
    computing_on,
    fastest_precision,
    place,
    select_device,
)
from pneumoscope.models.model_spec import ModelSpec, PretrainedWeights
from pneumoscope.models.network import Network, Parameters, count_parameters

__all__ = [
    "MODELS",
    "NOTEBOOK_MODELS",
    "ModelSpec",
    "Network",
    "Parameters",
    "Precision",
    "PretrainedWeights",
    "build_network",
    "computing_in",
    "computing_on",
    "count_parameters",
    "describe_network",
    "fastest_precision",
    "find_model",
    "place",
    "select_device",
]
