"""Traffic of a hospital on a clinic's server: uploads of radiographs, clinicians who browse."""

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

UPLOAD = "upload"
"""Kind of the requests that send radiographs."""

THINK_SECONDS = (2.0, 8.0)
"""Shortest and longest time between two steps of a clinician."""

_JUDGED_SHARE = 0.25
"""Share of the opened studies that the clinician judges."""

_SEARCH_TEXTS = ("00", "123", "nobody", "somebody")
_RETRY_SECONDS = 0.2
"""Seconds before a failed upload is sent again."""

_REQUEST_TIMEOUT_SECONDS = 60.0
_KEEPALIVE_SECONDS = 4.0
"""Shorter than the server's, which closes idle connections after five seconds."""


def connect(address: str, headers: dict[str, str]) -> httpx.AsyncClient:
    """Return a client of a server that sends the headers with each request."""
    limits = httpx.Limits(keepalive_expiry=_KEEPALIVE_SECONDS)
    return httpx.AsyncClient(
        base_url=address, headers=headers, timeout=_REQUEST_TIMEOUT_SECONDS, limits=limits
    )


@dataclass
class Requests:
    """Seconds to each answer, and number of failed requests, by kind of request."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    faults: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def timed(self, kind: str) -> Iterator[None]:
        """Time the request made inside; a failed one counts as a fault and has no time."""
        start = time.perf_counter()
        try:
            yield
        except httpx.HTTPError:
            self.faults[kind] += 1
            raise
        self.seconds[kind].append(time.perf_counter() - start)


@dataclass
class Arrivals:
    """Uploads of radiographs, each repeated until it is accepted.

    Parameters
    ----------
    files
        Radiographs to send.
    images_per_upload
        Number of radiographs in an upload.
    requests
        Record of the requests.
    jobs
        Accepted files, by the job that the server names.
    """

    files: Sequence[Path]
    images_per_upload: int
    requests: Requests
    jobs: dict[str, Sequence[Path]] = field(default_factory=dict)

    async def send(
        self, client: httpx.AsyncClient, senders: int, until: asyncio.Task[None] | None = None
    ) -> None:
        """Send all files, each upload as soon as the one before is accepted.

        Parameters
        ----------
        client
            Client that is signed in.
        senders
            Number of uploads at once.
        until
            Task after whose end no further upload is started.
        """
        starts = range(0, len(self.files), self.images_per_upload)
        uploads = (
            self.files[start : start + self.images_per_upload]
            for start in starts
            if until is None or not until.done()
        )
        await asyncio.gather(*(self._send_in_turn(client, uploads) for _ in range(senders)))

    async def _send_in_turn(
        self, client: httpx.AsyncClient, uploads: Iterator[Sequence[Path]]
    ) -> None:
        for files in uploads:
            job = None
            while job is None:
                try:
                    job = await self._upload(client, files)
                except httpx.HTTPError:
                    await asyncio.sleep(_RETRY_SECONDS)
            self.jobs[job] = files

    async def _upload(self, client: httpx.AsyncClient, files: Sequence[Path]) -> str:
        parts = [("files", (file.name, file.read_bytes(), "image/jpeg")) for file in files]
        key = files[0].stem
        about = {"patient_id": key, "patient_name": f"Nobody^{key}"}
        with self.requests.timed(UPLOAD):
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
    """A clinician who searches the worklist, opens studies and judges some of them.

    Parameters
    ----------
    client
        Client that is signed in.
    requests
        Record of the requests.
    rng
        Random numbers for the choice of studies and the pauses.
    think
        Shortest and longest time between two steps, in seconds.
    """

    client: httpx.AsyncClient
    requests: Requests
    rng: random.Random
    think: tuple[float, float] = THINK_SECONDS

    async def browse(self) -> None:
        """Browse until cancelled; failed requests are not repeated."""
        while True:
            await asyncio.sleep(self.rng.uniform(*self.think))
            try:
                studies = await self._search()
                if studies:
                    await asyncio.sleep(self.rng.uniform(*self.think))
                    await self._open_study(self.rng.choice(studies)["id"])
            except httpx.HTTPError:
                continue

    async def _search(self) -> list[dict[str, Any]]:
        filters: dict[str, object] = self.rng.choice(
            [{}, {}, {}, {"status": "awaiting review"}, {"disputed": True}, {"unread": True}]
        )
        if self.rng.random() < 1 / 4:
            filters = {"text": self.rng.choice(_SEARCH_TEXTS)}
        answer = await self._request("worklist", "POST", "/v1/studies/search", filters)
        studies: list[dict[str, Any]] = answer.json()["studies"]
        return studies

    async def _open_study(self, study_id: str) -> None:
        study = (await self._request("study", "GET", f"/v1/studies/{study_id}")).json()
        image = study["images"][0]
        if image["reading"] is None or image["reading"]["status"] == "failed":
            return
        address = f"/v1/images/{image['id']}"
        requests = [self._request("pixels", "GET", f"{address}/pixels")]
        requests += [self._request("judgements", "GET", f"{address}/judgements")]
        if image["reading"]["has_heatmap"]:
            requests += [self._request("heat map", "GET", f"{address}/highlights")]
        await asyncio.gather(*requests)
        if self.rng.random() < _JUDGED_SHARE:
            await asyncio.sleep(self.rng.uniform(*self.think))
            judgement = {
                "answer": self.rng.choice(["agree", "disagree", "uncertain"]),
                "study_version": study["version"],
            }
            await self._request("judge", "POST", f"{address}/judgements", judgement)

    async def _request(
        self, kind: str, method: str, path: str, body: Mapping[str, object] | None = None
    ) -> httpx.Response:
        with self.requests.timed(kind):
            answer = await self.client.request(method, path, json=body)
            answer.raise_for_status()
        return answer
