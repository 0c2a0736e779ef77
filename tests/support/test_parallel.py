import time

import pytest

from pneumoscope.support import parallel
from pneumoscope.support.parallel import map_parallel


def test_results_come_in_the_order_of_the_items() -> None:
    def slow_at_first(number: int) -> int:
        time.sleep(0.02 if number == 0 else 0)
        return number**2

    numbers = range(3 * parallel._MAX_QUEUED_ITEMS)
    assert map_parallel(slow_at_first, numbers, "Squaring") == [n**2 for n in numbers]


def test_few_items_are_queued_and_none_begins_after_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parallel, "_MAX_QUEUED_ITEMS", 4)
    started = []

    def fail_first(number: int) -> None:
        started.append(number)
        if number == 0:
            raise ValueError("the first")

    with pytest.raises(ValueError, match="the first"):
        map_parallel(fail_first, range(100), "Failing")
    assert len(started) <= 4
