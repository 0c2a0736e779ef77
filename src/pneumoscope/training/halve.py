"""A graph whose weights lie in 16 bits: half the file, computed in float32 as before."""

import numpy as np
import onnx
from onnx import helper, numpy_helper

from pneumoscope.errors import RunError
from pneumoscope.evaluation.metrics import Floats

MOST_DIFFERENT = 0.01
"""Largest difference in probability that is let pass."""

_FEW = 256
"""Numbers of a weight that stay float32: a shift or scale for each channel."""


def halve(graph: bytes) -> bytes:
    """Return a graph that keeps its large weights as float16 and widens them when it is opened.

    ONNX Runtime does that once for a session, so that reading is as fast as before.

    Parameters
    ----------
    graph
        From `export_graph`.

    Examples
    --------
    >>> from pneumoscope.models import MODELS, build_network
    >>> from pneumoscope.models.deployed import Deployed
    >>> from pneumoscope.training.graph import export_graph
    >>> graph = export_graph(Deployed(build_network(MODELS["compact"], 64, seed=0)), 64)
    >>> round(len(graph) / len(halve(graph)), 1)
    2.0
    """
    model = onnx.load_from_string(graph)
    widened = []
    for weight in model.graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.size < _FEW:
            continue
        name = weight.name
        narrow = f"{name}.half"
        weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), narrow))
        widened.append(helper.make_node("Cast", [narrow], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*widened, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    halved: bytes = model.SerializeToString()
    return halved


def require_alike(exact: Floats, halved: Floats) -> float:
    """Return the largest difference in probability that 16 bits make.

    Parameters
    ----------
    exact, halved
        Probabilities of the same images before and after, shape (n,).

    Raises
    ------
    RunError
        If it is more than `MOST_DIFFERENT`, or not a number.

    Examples
    --------
    >>> round(require_alike(np.array([0.2, 0.9]), np.array([0.2, 0.901])), 4)
    0.001
    """
    difference = float(np.abs(exact - halved).max())
    if not difference < MOST_DIFFERENT:
        raise RunError(
            f"with weights of 16 bits a probability changes by {difference:.1e}, more than "
            f"{MOST_DIFFERENT}; nothing was written. Export without --half"
        )
    return difference
