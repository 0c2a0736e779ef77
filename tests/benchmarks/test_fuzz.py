"""Decoders and reader under two hundred mutations, and the fuzzer under planted defects."""

import faulthandler
import os
import time
from collections.abc import Callable

import pytest

from benchmarks import fuzz


def test_every_mutation_has_an_acceptable_outcome(run_benchmark: Callable) -> None:
    (rows,) = run_benchmark("fuzz").values()
    counts = {row["outcome"]: row["files"] for row in rows}
    assert counts.keys() <= fuzz.ACCEPTABLE
    assert sum(counts.values()) == 200
    assert 8 < counts[fuzz.REFUSED] < 192  # some files are destroyed, some are still readable


def hang(*_: object) -> None:
    time.sleep(60)


def abort(*_: object) -> None:
    faulthandler.disable()  # pytest's would print a traceback of this intended crash
    os.abort()


def exhaust_memory(*_: object) -> None:
    bytearray(3_000_000_000)


def raise_key_error(*_: object) -> None:
    raise KeyError("a defect")


@pytest.mark.parametrize(
    ("defect", "outcome"),
    [
        (hang, "too slow"),
        (abort, "crashed (-6)"),
        (exhaust_memory, "raised MemoryError"),
        (raise_key_error, "raised KeyError"),
    ],
)
def test_violations_are_noticed_and_the_next_file_is_read(
    defect: Callable, outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fuzz, "MAX_SECONDS", 1.0)
    monkeypatch.setattr(fuzz, "decode_radiograph", defect)
    outcomes, violations = fuzz.read_all([b"first", b"second"])
    assert outcomes == {outcome: 2}
    assert [violation.content for violation in violations] == [b"first", b"second"]
