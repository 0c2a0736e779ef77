"""Fixtures of the tests of exports."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from torch import nn

from pneumoscope.export.onnx_graph import export_graph
from pneumoscope.support.cache import ArrayCache


def digest(network: nn.Module) -> str:
    """Return a hash of a network's modules and weights."""
    content = hashlib.sha256(repr(network).encode())
    for name, tensor in network.state_dict().items():
        content.update(name.encode())
        content.update(tensor.detach().cpu().contiguous().view(-1).numpy().tobytes())
    return content.hexdigest()


@pytest.fixture(scope="session")
def cache(exported: Path) -> ArrayCache:
    """Return the cache of the phantoms' pixels that the exported bundle was made with."""
    return ArrayCache(exported.parent / "cache")


@pytest.fixture(scope="session")
def converted_once() -> Callable[[nn.Module, int], bytes]:
    """Return `export_graph` with a memory: many tests export one network, which takes seconds."""
    graphs: dict[tuple[str, int], bytes] = {}

    def convert(network: nn.Module, size: int) -> bytes:
        key = digest(network), size
        if key not in graphs:
            graphs[key] = export_graph(network, size)
        return graphs[key]

    return convert


@pytest.fixture(autouse=True)
def quick_exports(
    monkeypatch: pytest.MonkeyPatch, converted_once: Callable[[nn.Module, int], bytes]
) -> None:
    """Let bundles be exported with graphs that are converted once."""
    monkeypatch.setattr("pneumoscope.export.bundle.export_graph", converted_once)
