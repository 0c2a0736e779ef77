"""A typed client of the clinic's API, for other programs in Python."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx

from pneumoscope.clinic.api.request_metadata import Described
from pneumoscope.clinic.api.responses import AcceptedView, ImagePage, ImageView, JobView, StudyPage
from pneumoscope.support.errors import ClinicError

_TRIES = 4
_PAUSE = 0.5
"""Seconds before the first further try; each next one waits twice as long."""

_PASSING = {
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}


class Client:
    """A connection to a clinic's server.

    What fails on its way is tried again, four times in all, after as long as a server that has too
    much to do asks for; files are handed in with an idempotency key, so that none is read twice.

    Parameters
    ----------
    address
        Of the server, such as ``https://clinic.hospital.example``.
    token
        An API token.
    seconds
        That an answer may take.

    Examples
    --------
    >>> with Client("https://clinic.example", "pns_...") as clinic:  # doctest: +SKIP
    ...     job = clinic.hand_in([Path("chest.dcm")]).job
    ...     for image in clinic.readings(job):
    ...         print(image.name, image.reading and image.reading.finding)
    chest.dcm pneumonia
    """

    def __init__(
        self,
        address: str,
        token: str,
        seconds: float = 60.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(
            base_url=address, headers=headers, timeout=seconds, transport=transport
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def hand_in(
        self,
        files: Sequence[Path],
        about: Described | None = None,
        site: str = "default",
        key: str | None = None,
    ) -> AcceptedView:
        """Hand in radiographs, which are read soon.

        Parameters
        ----------
        files
            DICOM, JPEG, PNG or TIFF; one or many.
        about
            What the files do not say themselves.
        site
            Where they are from.
        key
            The same key and files once more give the same answer; one of its own if None.

        Raises
        ------
        ClinicError
            If none is accepted, or the server cannot be reached.
        """
        fields = {"site": site, "about": (about or Described()).model_dump_json(exclude_none=True)}
        headers = {"Idempotency-Key": key or uuid4().hex}
        with ExitStack() as opened:
            parts = [
                ("files", (file.name, opened.enter_context(file.open("rb")))) for file in files
            ]
            answer = self._ask("POST", "/v1/readings", data=fields, files=parts, headers=headers)
        return AcceptedView.model_validate(answer)

    def job(self, job_id: str) -> JobView:
        """Say how far what was handed in together has come."""
        return JobView.model_validate(self._ask("GET", f"/v1/jobs/{job_id}"))

    def readings(self, job_id: str, pause: float = 0.5) -> Iterator[ImageView]:
        """Wait until all images of a job are read, looking again after a pause; then yield them."""
        while self.job(job_id).waiting:
            time.sleep(pause)
        after: str | None = ""
        while after is not None:
            answer = self._ask("GET", f"/v1/jobs/{job_id}/images", params={"after": after})
            page = ImagePage.model_validate(answer)
            yield from page.images
            after = page.next

    def reading(self, image_id: str) -> ImageView:
        """Return an image with its reading, or that it still waits."""
        return ImageView.model_validate(self._ask("GET", f"/v1/readings/{image_id}"))

    def studies(self, **wanted: Any) -> StudyPage:
        """Return a page of the worklist; the names are those of the schema Search."""
        return StudyPage.model_validate(self._ask("POST", "/v1/studies/search", json=wanted))

    def report(self, study_id: str) -> str:
        """Return a study's readings in FHIR R4."""
        return self._send("GET", f"/v1/studies/{study_id}/report").text

    def _ask(self, method: str, path: str, **what: Any) -> Any:
        return self._send(method, path, **what).json()

    def _send(self, method: str, path: str, **what: Any) -> httpx.Response:
        for further in range(_TRIES):
            pause = _PAUSE * 2**further
            try:
                answer = self._http.request(method, path, **what)
            except httpx.TransportError as error:
                if further == _TRIES - 1:
                    raise ClinicError(
                        f"{self._http.base_url}: cannot be reached ({error or type(error)}); see "
                        "that the server runs and its address is right"
                    ) from error
            else:
                if answer.status_code not in _PASSING or further == _TRIES - 1:
                    return _without_error(answer)
                pause = _asked_for(answer) or pause
            time.sleep(pause)
            for _, (_, file) in what.get("files", ()):
                file.seek(0)
        raise AssertionError


def _asked_for(answer: httpx.Response) -> float | None:
    """Return after how many seconds a server wants to be asked again, if it says so."""
    said = answer.headers.get("retry-after", "")
    return float(said) if said.isascii() and said.isdigit() else None


def _without_error(answer: httpx.Response) -> httpx.Response:
    if answer.is_success:
        return answer
    try:
        detail = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):  # not from the server itself
        detail = answer.reason_phrase
    raise ClinicError(f"{answer.request.url.host} answers {answer.status_code}: {detail}")
