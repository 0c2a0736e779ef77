"""The running mean of weights, against PyTorch's own."""

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from pneumoscope.training.weight_average import WeightAverage


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 1))


def walk(model: nn.Sequential) -> None:
    """Change weights and batch statistics, as a step of training does."""
    model.train()(torch.rand(4, 1, 4, 4))
    with torch.no_grad():
        for weight in model.parameters():
            weight += torch.randn_like(weight)


@pytest.mark.parametrize("share", [0.0, 0.6, 0.998])
def test_it_is_what_pytorch_averages(share: float) -> None:
    torch.manual_seed(0)
    model = network()

    def mix(mean: Tensor, new: Tensor, batches: Tensor | int) -> Tensor:
        kept = min(share, int(batches) / (int(batches) + 1))
        return mean * kept + new * (1 - kept) if mean.is_floating_point() else new

    ours, theirs = WeightAverage(model, share), AveragedModel(model, avg_fn=mix, use_buffers=True)
    for _ in range(7):
        walk(model)
        ours.update(model)
        theirs.update_parameters(model)
    assert isinstance(theirs.module, nn.Sequential)
    expected = theirs.module.state_dict()
    for name, value in ours.network.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=1e-5, atol=1e-6)


def test_shared_weights_are_averaged_once() -> None:
    first, second = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    second.weight = first.weight
    model = nn.Sequential(first, second)
    average = WeightAverage(model, share=0.5)
    for value in (0.0, 8.0):
        nn.init.constant_(first.weight, value)
        average.update(model)
    assert [weight.item() for weight in average.network.parameters()] == [4.0]


def test_it_goes_on_where_it_was() -> None:
    torch.manual_seed(0)
    model = network()
    whole, begun = WeightAverage(model, share=0.9), WeightAverage(model, share=0.9)
    for number in range(6):
        if number == 3:
            resumed = WeightAverage(network(), share=0.9)
            resumed.load_state_dict(begun.state_dict())
            begun = resumed
        walk(model)
        whole.update(model)
        begun.update(model)
    expected = whole.network.state_dict()
    for name, value in begun.network.state_dict().items():
        assert torch.equal(value, expected[name]), name
