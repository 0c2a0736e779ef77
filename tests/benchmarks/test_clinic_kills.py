"""Two kills of a clinic's server under load, on both databases."""

from collections.abc import Callable

import pytest


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
