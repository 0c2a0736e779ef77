"""Two kills of a clinic's server under load, on both databases."""

import asyncio
import random
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import Mock

import httpx
import pytest

from benchmarks import clinic_kills
from benchmarks.clinic_outcome import Outcome
from benchmarks.clinic_traffic import Arrivals, Requests


@pytest.mark.thorough
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_killed_server_loses_nothing_and_reads_nothing_twice(
    database: str, run_benchmark: Callable, request: pytest.FixtureRequest
) -> None:
    if database == "postgresql":
        request.getfixturevalue("postgres_programs")
    (rows,) = run_benchmark("clinic_kills", "--database", database).values()
    (row,) = rows
    assert (row["killed servers"], row["killed workers"]) == (1, 1)
    assert row["accepted"] > 0
    for name in ("one reading, by the API", "one reading, in the database", "images", "readings"):
        assert row[name] == row["accepted"]
    assert (row["still queued"], row["failed"]) == (0, 0)
    assert "unbroken" in row["audit trail"]


def test_an_upload_without_an_answer_is_counted_as_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "0.jpeg"
    file.write_bytes(b"")
    answers = iter([503, 202])
    transport = httpx.MockTransport(lambda _: httpx.Response(next(answers), json={"job": "a"}))
    requests = Requests()
    client = httpx.AsyncClient(transport=transport, base_url="http://clinic")
    asyncio.run(Arrivals([file], 1, requests).send(client, 1))

    async def kill_under_load(*_: object) -> tuple[Outcome, clinic_kills.Killer, Requests]:
        outcome = Outcome(1, 1, 1, images=1, readings=1, queued=0, failed=0)
        return outcome, clinic_kills.Killer(server, random.Random(0)), requests

    server = Mock()
    server.verify_audit_trail.return_value = "unbroken"
    monkeypatch.setattr(clinic_kills, "clinic_server", lambda *_: nullcontext(server))
    for name in ("Database", "create_accounts", "distinct_radiographs"):
        monkeypatch.setattr(clinic_kills, name, Mock())
    monkeypatch.setattr(clinic_kills, "kill_under_load", kill_under_load)
    (row,) = clinic_kills.measure("sqlite", None, 1, 1, 1).rows
    assert row["repeated"] == 1
