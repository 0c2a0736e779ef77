"""What a hospital asks of the clinic's server: radiographs that come, clinicians who look."""

import asyncio
import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

THINK = (2.0, 8.0)
"""Seconds between two steps of a clinician."""

_JUDGED = 0.25
"""Share of the studies looked at that are judged."""

_TEXTS = ("00", "123", "nobody", "somebody")
_PAUSE = 0.2
"""Seconds before what was not answered is sent again."""

_ANSWER = 60.0
_KEPT_OPEN = 4.0
"""Seconds that a client keeps a connection for: fewer than the server, which ends it after five."""


def connect(address: str, headers: dict[str, str]) -> httpx.AsyncClient:
    """Return a client of a server, with what it sends along each time."""
    limits = httpx.Limits(keepalive_expiry=_KEPT_OPEN)
    return httpx.AsyncClient(base_url=address, headers=headers, timeout=_ANSWER, limits=limits)


@dataclass
class Requests:
    """What was asked: seconds to each answer by kind, and what went wrong."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    faults: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def timed(self, kind: str) -> Iterator[None]:
        """Time what is done inside; what breaks off is a fault and no time."""
        began = time.perf_counter()
        try:
            yield
        except httpx.HTTPError:
            self.faults[kind] += 1
            raise
        self.seconds[kind].append(time.perf_counter() - began)


@dataclass
class Arrivals:
    """Radiographs that come, some in each request, which is sent again until it is accepted.

    Parameters
    ----------
    files
        To be sent.
    together
        How many of them in a request.
    requests
        Gets what was asked.
    """

    files: Sequence[Path]
    together: int
    requests: Requests
    jobs: dict[str, Sequence[Path]] = field(default_factory=dict)
    """What was accepted, by its job."""

    async def send(
        self, client: httpx.AsyncClient, senders: int, until: asyncio.Task[None] | None = None
    ) -> None:
        """Send all files, each request as soon as the one before is accepted.

        Parameters
        ----------
        client
            That is signed in.
        senders
            How many requests are on their way at once.
        until
            When it is done, no further one is begun with.
        """
        starts = range(0, len(self.files), self.together)
        waiting = (
            self.files[start : start + self.together]
            for start in starts
            if until is None or not until.done()
        )
        await asyncio.gather(*(self._send_some(client, waiting) for _ in range(senders)))

    async def _send_some(
        self, client: httpx.AsyncClient, waiting: Iterator[Sequence[Path]]
    ) -> None:
        for files in waiting:
            job = None
            while job is None:
                try:
                    job = await self._send_one(client, files)
                except httpx.HTTPError:
                    await asyncio.sleep(_PAUSE)
            self.jobs[job] = files

    async def _send_one(self, client: httpx.AsyncClient, files: Sequence[Path]) -> str:
        parts = [("files", (file.name, file.read_bytes(), "image/jpeg")) for file in files]
        key = files[0].stem
        about = {"patient_id": key, "patient_name": f"Nobody^{key}"}
        with self.requests.timed("hand in"):
            answer = await client.post(
                "/v1/readings",
                files=parts,
                data={"about": json.dumps(about)},
                headers={"Idempotency-Key": key},
            )
            answer.raise_for_status()
        job: str = answer.json()["job"]
        return job


@dataclass
class Clinician:
    """Somebody who goes through the worklist, opens studies and judges some of them.

    Parameters
    ----------
    client
        That is signed in.
    requests
        Gets what was asked.
    rng
        Decides what is looked at, and for how long.
    think
        Seconds between two steps, the fewest and the most.
    """

    client: httpx.AsyncClient
    requests: Requests
    rng: random.Random
    think: tuple[float, float] = THINK

    async def browse(self) -> None:
        """Go on until cancelled; what is not answered is left, as a person does."""
        while True:
            await asyncio.sleep(self.rng.uniform(*self.think))
            try:
                studies = await self._search()
                if studies:
                    await asyncio.sleep(self.rng.uniform(*self.think))
                    await self._look_at(self.rng.choice(studies)["id"])
            except httpx.HTTPError:
                continue

    async def _search(self) -> list[dict[str, Any]]:
        wanted: dict[str, object] = self.rng.choice(
            [{}, {}, {}, {"status": "read"}, {"disputed": True}, {"rejected": True}]
        )
        if self.rng.random() < 1 / 4:
            wanted = {"text": self.rng.choice(_TEXTS)}
        answer = await self._ask("worklist", "POST", "/v1/studies/search", wanted)
        studies: list[dict[str, Any]] = answer.json()["studies"]
        return studies

    async def _look_at(self, study_id: str) -> None:
        study = (await self._ask("study", "GET", f"/v1/studies/{study_id}")).json()
        image = study["images"][0]
        if image["reading"] is None or image["reading"]["status"] == "failed":
            return
        address = f"/v1/images/{image['id']}"
        asked = [self._ask("pixels", "GET", f"{address}/pixels")]
        asked += [self._ask("judgements", "GET", f"{address}/judgements")]
        if image["reading"]["has_heatmap"]:
            asked += [self._ask("heat map", "GET", f"{address}/highlights")]
        await asyncio.gather(*asked)
        if self.rng.random() < _JUDGED:
            await asyncio.sleep(self.rng.uniform(*self.think))
            said = {"answer": self.rng.choice(["agree", "disagree", "uncertain"])}
            await self._ask("judge", "POST", f"{address}/judgements", said)

    async def _ask(
        self, kind: str, method: str, path: str, said: Mapping[str, object] | None = None
    ) -> httpx.Response:
        with self.requests.timed(kind):
            answer = await self.client.request(method, path, json=said)
            answer.raise_for_status()
        return answer
