"""Decoders and reader under five hundred mutations, and the fuzzer against what it must notice."""

import faulthandler
import os
import time
from collections.abc import Callable

import pytest

from benchmarks import fuzz


def test_every_mutation_is_dealt_with(run_benchmark: Callable) -> None:
    (rows,) = run_benchmark("fuzz").values()
    counts = {row["outcome"]: row["files"] for row in rows}
    assert counts.keys() <= fuzz.DEALT_WITH
    assert sum(counts.values()) == 500
    assert 20 < counts[fuzz.REFUSED] < 480  # neither all destroyed nor all as they were


def hang(*_: object) -> None:
    time.sleep(60)


def die(*_: object) -> None:
    faulthandler.disable()  # pytest's would print a traceback of this intended crash
    os.abort()


def eat(*_: object) -> None:
    bytearray(3_000_000_000)


def stumble(*_: object) -> None:
    raise KeyError("a defect")


@pytest.mark.parametrize(
    ("defect", "outcome"),
    [
        (hang, "too slow"),
        (die, "crashed (-6)"),
        (eat, "raised MemoryError"),
        (stumble, "raised KeyError"),
    ],
)
def test_violations_are_noticed_and_the_next_file_is_read(
    defect: Callable, outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fuzz, "SECONDS", 1.0)
    monkeypatch.setattr(fuzz, "decode_radiograph", defect)
    outcomes, violations = fuzz.read_all([b"first", b"second"])
    assert outcomes == {outcome: 2}
    assert [violation.content for violation in violations] == [b"first", b"second"]
