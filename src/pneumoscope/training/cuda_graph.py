"""CUDA graph of a training step: its kernels are recorded once and launched together."""

from collections.abc import Callable

import torch
from torch import Tensor

Step = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]

_WARMUP_STEPS = 3
"""Number of steps before the recording, in which libraries choose kernels and allocate memory."""


class CudaGraphStep:
    """Training step that is recorded as a CUDA graph after a few calls, then replayed.

    Small networks keep a GPU waiting for Python to launch some hundred kernels; a graph is one
    launch. Without a GPU the step is called as it is, and so are batches of another shape than the
    first, such as the last one of an epoch. The step must do the same work each time: values that
    change from batch to batch must be in tensors that are changed in place.

    References
    ----------
    PyTorch documentation, "CUDA semantics", section "CUDA Graphs".

    Examples
    --------
    >>> step = CudaGraphStep(lambda inputs, targets: (inputs * 2, targets))
    >>> step(torch.ones(2), torch.zeros(2))
    (tensor([2., 2.]), tensor([0., 0.]))
    """

    def __init__(self, step: Step) -> None:
        self._step = step
        self._shape: torch.Size | None = None
        self._calls = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: tuple[Tensor, Tensor] = (torch.empty(0), torch.empty(0))
        self._outputs: tuple[Tensor, Tensor] = (torch.empty(0), torch.empty(0))

    def __call__(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Do the step."""
        if inputs.device.type != "cuda":
            return self._step(inputs, targets)
        self._shape = self._shape or inputs.shape
        if inputs.shape != self._shape or self._calls < _WARMUP_STEPS:
            self._calls += 1
            return _run_on_side_stream(self._step, inputs, targets)
        if self._graph is None:
            self._record(inputs, targets)
        assert self._graph is not None
        for static, value in zip(self._inputs, (inputs, targets), strict=True):
            static.copy_(value)
        self._graph.replay()
        first, second = self._outputs
        return first.clone(), second.clone()

    def _record(self, inputs: Tensor, targets: Tensor) -> None:
        torch.cuda.empty_cache()  # releases the memory of earlier steps
        self._inputs = inputs.clone(), targets.clone()
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):  # records kernels and computes nothing
            self._outputs = self._step(*self._inputs)


def _run_on_side_stream(step: Step, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Do a step on a stream of its own, as warm-up before a recording requires."""
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        results = step(inputs, targets)
    torch.cuda.current_stream().wait_stream(stream)
    return results
