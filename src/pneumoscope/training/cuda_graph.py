"""A training step that a GPU repeats by itself: its kernels recorded once, as a CUDA graph."""

from collections.abc import Callable

import torch
from torch import Tensor

Step = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]

_WARM_UP = 3
"""Steps before one is recorded, in which libraries choose their kernels and take their memory."""


class RecordedStep:
    """A step on batches of one shape: done as usual a few times, then recorded and repeated.

    Small networks keep a GPU waiting for Python to launch the next of some hundred kernels; a
    recorded step is one launch. On the processor there is nothing to record.

    Parameters
    ----------
    step
        Of inputs and targets, to tensors. It must be the same work each time: whatever changes
        from batch to batch must lie in tensors that are changed in place.

    References
    ----------
    PyTorch documentation, "CUDA semantics", section "CUDA Graphs".
    """

    def __init__(self, step: Step) -> None:
        self._step = step
        self._shape: torch.Size | None = None
        self._done = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._given: tuple[Tensor, Tensor] = (torch.empty(0), torch.empty(0))
        self._got: tuple[Tensor, Tensor] = (torch.empty(0), torch.empty(0))

    def __call__(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Do the step; a batch of another shape than the first, such as a last one, as usual."""
        if inputs.device.type != "cuda":
            return self._step(inputs, targets)
        self._shape = self._shape or inputs.shape
        if inputs.shape != self._shape or self._done < _WARM_UP:
            self._done += 1
            return _beside(self._step, inputs, targets)
        if self._graph is None:
            self._record(inputs, targets)
        assert self._graph is not None
        for place, value in zip(self._given, (inputs, targets), strict=True):
            place.copy_(value)
        self._graph.replay()
        first, second = self._got
        return first.clone(), second.clone()

    def _record(self, inputs: Tensor, targets: Tensor) -> None:
        torch.cuda.empty_cache()  # what the steps before took is not taken twice
        self._given = inputs.clone(), targets.clone()
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):  # nothing is computed here, only noted down
            self._got = self._step(*self._given)


def _beside(step: Step, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Do a step on a stream of its own, as what is recorded later must have been."""
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        results = step(inputs, targets)
    torch.cuda.current_stream().wait_stream(stream)
    return results
