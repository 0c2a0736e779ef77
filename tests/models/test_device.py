"""Precision by the hardware's capabilities, and reuse of memory between steps."""

import resource

import pytest
import torch

from pneumoscope.models import Precision, computing_in, fastest_precision, select_device


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
