"""Weight averaging, compared with PyTorch's own."""

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from pneumoscope.training.weight_average import WeightAverage


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 1))


def walk(model: nn.Sequential) -> None:
    """Change weights and batch statistics like a training step."""
    model.train()(torch.rand(4, 1, 4, 4))
    with torch.no_grad():
        for weight in model.parameters():
            weight += torch.randn_like(weight)


@pytest.mark.parametrize("decay", [0.0, 0.6, 0.998])
def test_the_average_is_pytorch_s(decay: float) -> None:
    torch.manual_seed(0)
    model = network()

    def mix(mean: Tensor, new: Tensor, batches: Tensor | int) -> Tensor:
        share = min(decay, int(batches) / (int(batches) + 1))
        return mean * share + new * (1 - share) if mean.is_floating_point() else new

    average = WeightAverage(model, decay)
    reference = AveragedModel(model, avg_fn=mix, use_buffers=True)
    for _ in range(7):
        walk(model)
        average.update(model)
        reference.update_parameters(model)
    assert isinstance(reference.module, nn.Sequential)
    expected = reference.module.state_dict()
    for name, value in average.network.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=1e-5, atol=1e-6)


def test_shared_weights_are_averaged_once() -> None:
    first, second = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    second.weight = first.weight
    model = nn.Sequential(first, second)
    average = WeightAverage(model, decay=0.5)
    for value in (0.0, 8.0):
        nn.init.constant_(first.weight, value)
        average.update(model)
    assert [weight.item() for weight in average.network.parameters()] == [4.0]


def test_a_restored_average_continues() -> None:
    torch.manual_seed(0)
    model = network()
    whole, interrupted = WeightAverage(model, decay=0.9), WeightAverage(model, decay=0.9)
    for number in range(6):
        if number == 3:
            resumed = WeightAverage(network(), decay=0.9)
            resumed.load_state_dict(interrupted.state_dict())
            interrupted = resumed
        walk(model)
        whole.update(model)
        interrupted.update(model)
    expected = whole.network.state_dict()
    for name, value in interrupted.network.state_dict().items():
        assert torch.equal(value, expected[name]), name
