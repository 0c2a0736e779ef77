"""Precision by the hardware's capabilities, and reuse of memory between steps."""

import resource

import pytest
import torch

from pneumoscope.models import (
    Precision,
    computing_in,
    computing_on,
    fastest_precision,
    select_device,
)
from pneumoscope.support.errors import DeviceError


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"avx512_bf16": True, "amx_bf16": False}, Precision.BFLOAT16),
        ({"avx512_bf16": False, "amx_bf16": True}, Precision.BFLOAT16),
        ({"avx512_bf16": False, "avx512_f": True}, Precision.FLOAT32),
        ({}, Precision.FLOAT32),
    ],
)
def test_bfloat16_where_the_processor_has_it(
    capabilities: dict[str, bool], expected: Precision, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert fastest_precision() is expected


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda _: None)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {})


@pytest.mark.parametrize("name", ["cpu", "cuda", "cuda:0", "cuda:1"])
def test_the_device_asked_for_is_used_within_its_context(two_gpus: None, name: str) -> None:
    with computing_on(name):
        assert select_device() == torch.device(name)
        on_cpu = fastest_precision() is Precision.FLOAT32
        assert on_cpu == (name == "cpu")
    assert select_device() == torch.device("cuda")


def test_apple_s_gpu_is_used_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    with computing_on("mps"):
        assert select_device().type == "mps"
        assert fastest_precision() is Precision.FLOAT32
    assert select_device().type == "cpu"


@pytest.mark.parametrize("name", ["cuda:2", "mps", "meta", "cpu:9", "", "GPU"])
def test_an_absent_device_is_refused_with_those_that_there_are(two_gpus: None, name: str) -> None:
    with pytest.raises(DeviceError, match="here; there are: cpu, cuda:0, cuda:1"):
        computing_on(name).__enter__()


def test_bfloat16_rounds_products_and_float32_does_not() -> None:
    exact = 1 + 2**-7 + 2**-14
    one, factor = torch.ones(1, 1), torch.tensor([[exact]])
    device = torch.device("cpu")
    with computing_in(Precision.FLOAT32, device):
        assert (one @ factor).item() == exact
    with computing_in(Precision.BFLOAT16, device):
        assert (one @ factor).item() == 1 + 2**-7


def test_memory_is_kept_from_one_step_to_the_next() -> None:
    """A large block that is freed and allocated again must not be mapped page by page."""
    if select_device().type != "cpu":
        pytest.skip("the network computes on a GPU")

    def page_faults() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

    for _ in range(20):  # until no small object takes the freed space
        torch.ones(16, 1024, 1024)  # 64 MB, 16,384 pages
    before = page_faults()
    for _ in range(4):
        torch.ones(16, 1024, 1024)
    assert page_faults() - before < 16_384
