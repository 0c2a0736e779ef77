"""A step replayed from a CUDA graph gives the same results; without a GPU it is called directly."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from pneumoscope.dataset import Entry, Label
from pneumoscope.models import build_network, find_model
from pneumoscope.training import make_recipe
from pneumoscope.training import trainer as trainer_module
from pneumoscope.training.cuda_graph import CudaGraphStep
from pneumoscope.training.examples import Examples
from pneumoscope.training.trainer import Trainer

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def examples(model: str, n: int) -> Examples:
    rng = np.random.default_rng(0)
    inputs = (
        rng.random((n, 2, 2, 512), np.float32)
        if find_model(model).pretrained
        else rng.integers(0, 256, (n, 64, 64), np.uint8)
    )
    return Examples(
        tuple(Entry(str(i), Label(i % 2)) for i in range(n)), inputs, np.arange(n, dtype=np.intp)
    )


def trained(model: str, settings: list[str]) -> dict[str, Tensor]:
    """Train two epochs of nine batches, of which the last is smaller."""
    recipe = make_recipe(model, assignments=["image_size=64", "batch_size=8", *settings])
    network = build_network(find_model(model), 64, seed=0)
    trainer = Trainer(network, recipe, examples(model, 69), examples(model, 16))
    for _ in range(2):
        trainer.run_epoch(lambda *_: None)
    return trainer.result.state_dict()


@needs_gpu
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("model", [*(f"model_{number}" for number in range(1, 8)), "compact"])
def test_training_with_a_graph_gives_the_same_weights(
    model: str, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With dropout, batch statistics, a learning rate that changes each batch, averaged weights."""
    settings = [f"precision={precision}", "epochs=3"]
    replayed = trained(model, settings)
    direct_call: Callable[[object], object] = lambda step: step  # noqa: E731
    monkeypatch.setattr(trainer_module, "CudaGraphStep", direct_call)
    direct = trained(model, settings)
    assert replayed.keys() == direct.keys()
    for name, weight in direct.items():
        torch.testing.assert_close(replayed[name], weight, rtol=0, atol=0, msg=f"{name} differs")


@needs_gpu
def test_a_replayed_step_uses_new_inputs() -> None:
    step = CudaGraphStep(lambda inputs, targets: (inputs * 2, inputs.sum(1) + targets))
    for number in range(6):
        inputs = torch.full((2, 3), float(number), device="cuda")
        doubled, sums = step(inputs, inputs[:, 0] + 1)
        assert doubled.tolist() == [[2.0 * number] * 3] * 2
        assert sums.tolist() == [4.0 * number + 1] * 2


def test_without_a_gpu_the_step_is_called_directly() -> None:
    calls: list[tuple[Tensor, Tensor]] = []

    def step(inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        calls.append((inputs, targets))
        return inputs, targets

    graph_step = CudaGraphStep(step)
    for number in range(5):
        inputs, targets = torch.full((2,), float(number)), torch.zeros(2)
        first, second = graph_step(inputs, targets)
        assert first is inputs
        assert second is targets
    assert len(calls) == 5
