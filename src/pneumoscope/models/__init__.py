"""Networks: the notebook's seven and the frozen VGG16 beneath three of them."""

from pneumoscope.models.catalogue import MODELS, ModelSpec, build_network, find_model
from pneumoscope.models.network import Network, Parameters, count_parameters, place, select_device

__all__ = [
    "MODELS",
    "ModelSpec",
    "Network",
    "Parameters",
    "build_network",
    "count_parameters",
    "find_model",
    "place",
    "select_device",
]
