"""Deployed network of any layers: traced, cut at its last feature map, with an exact gradient."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch._decomp import decomposition_table
from torch._ops import OpOverload
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.attention import SDPBackend, sdpa_kernel

from pneumoscope.models.network import Network
from pneumoscope.support.errors import RunError

_GRADIENTS = {
    operation: decomposed
    for operation, decomposed in decomposition_table.items()
    if isinstance(operation, OpOverload) and "backward" in str(operation)
}
"""Gradients of operations in terms of operations that ONNX has."""

_TRACED_IMAGES = 3
"""Number of images in the traced batch; 0 and 1 would be taken as fixed."""


def trace_network(network: Network, image_size: int) -> nn.Module:
    """Return a network from pixels to logit, heat map and features, whatever its layers are.

    The outputs are those of `DeployedNetwork`. The network is traced into PyTorch's basic
    operations. Its last feature map is the last tensor (n, channels, rows, columns) of several rows
    and columns through which all information passes. The gradient of the logit with respect to it
    is traced too, so it is part of an exported graph.

    Parameters
    ----------
    network
        Trained network on the CPU; it is not changed.
    image_size
        Side of the square images, in pixels.

    Raises
    ------
    RunError
        If the network cannot be traced, as where its computation depends on the images' values.

    References
    ----------
    Draelos and Carin, "Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional
    neural networks", arXiv:2011.08891.

    Examples
    --------
    >>> from pneumoscope.models import MODELS, build_network
    >>> traced = trace_network(build_network(MODELS["compact"], 64, seed=0), 64)
    >>> [tuple(output.shape) for output in traced(torch.zeros(2, 64, 64, dtype=torch.uint8))]
    [(2,), (2, 4, 4), (2, 192)]
    """
    copy = deepcopy(network).eval().requires_grad_(False)
    pixels = torch.zeros(_TRACED_IMAGES, image_size, image_size, dtype=torch.uint8)
    try:
        # Attention as matrix products: its fused kernels have no counterpart in ONNX.
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
            traced = _trace(copy.forward, _as_images(pixels))
            return _trace(_HeatMapNetwork(traced), pixels)
    except Exception as error:
        raise RunError(
            f"the network cannot be traced ({type(error).__name__}: {error}); its computation must "
            "not depend on the values of the images, and must be differentiable after its last "
            "feature map"
        ) from error


def _trace(function: Callable[[Tensor], Any], example: Tensor) -> fx.GraphModule:
    trace = make_fx(
        lambda batch: function(batch),
        decomposition_table=_GRADIENTS,
        tracing_mode="symbolic",
        _allow_non_fake_inputs=True,
    )
    traced: fx.GraphModule = trace(example)
    return traced


def _as_images(pixels: Tensor) -> Tensor:
    return pixels.unsqueeze(1).float() / 255


class _HeatMapNetwork:
    """Traced network that also returns its heat map and features."""

    def __init__(self, traced: fx.GraphModule) -> None:
        self._network = fx.Interpreter(traced)
        self._nodes = list(traced.graph.nodes)
        self._cut = _last_feature_map(self._nodes)

    def __call__(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        end = self._nodes.index(self._cut) + 1
        self._network.env = {}
        self._network.args_iter = iter([_as_images(pixels)])
        for node in self._nodes[:end]:
            self._network.env[node] = self._network.run_node(node)
        maps = self._network.env[self._cut]

        def classify(features: Tensor) -> Tensor:
            self._network.env[self._cut] = features.clone()  # the next operation may be in place
            for node in self._nodes[end:]:
                self._network.env[node] = self._network.run_node(node)
            logits: Tensor = self._network.env[self._nodes[-1]]
            return logits

        logits, backpropagate = torch.func.vjp(classify, maps)  # type: ignore[misc]
        (gradient,) = backpropagate(torch.ones_like(logits))
        return logits, (gradient * maps).sum(1), maps.mean((2, 3))


def _last_feature_map(nodes: Sequence[fx.Node]) -> fx.Node:
    """Return the last node of a feature map that all information on the images passes through."""
    position = {node: number for number, node in enumerate(nodes)}
    images = next(node for node in nodes if node.op == "placeholder")
    feature_map, depending, permuted = images, {images}, set[fx.Node]()
    last_use = max(map(position.__getitem__, filter(_is_computation, images.users)))
    for node in nodes[:-1]:
        if depending.isdisjoint(node.all_input_nodes) or not _is_computation(node):
            continue
        # Permuted twice, channels come before rows and columns again.
        if permuted.isdisjoint(node.all_input_nodes) is (node.target in _PERMUTATIONS):
            permuted.add(node)
        elif last_use <= position[node] and _is_feature_map(node.meta["val"]):
            feature_map = node
        depending.add(node)
        last_use = max([last_use, *map(position.__getitem__, filter(_is_computation, node.users))])
    return feature_map


_PERMUTATIONS = (torch.ops.aten.permute.default, torch.ops.aten.transpose.int)


def _is_computation(node: fx.Node) -> bool:
    """Return whether a node is the output, or computes tensors for others and not sizes."""
    is_used = bool(node.users) and isinstance(node.meta.get("val"), Tensor | tuple | list)
    return is_used or node.op == "output"


def _is_feature_map(value: Any) -> bool:
    return isinstance(value, Tensor) and value.ndim == 4 and min(value.shape[2:]) > 1
