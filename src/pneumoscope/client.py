"""Typed client of a clinic's API, for other programs in Python."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx

from pneumoscope.clinic.api.request_metadata import RequestMetadata
from pneumoscope.clinic.api.schemas import Image, ImagePage, Job, StudyPage, StudySearch, Submission
from pneumoscope.support.errors import ClinicError

_MAX_ATTEMPTS = 4

_RETRY_SECONDS = 0.5
"""Seconds before the first retry; each further retry waits twice as long."""

_TRANSIENT_STATUSES = {
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}


class Client:
    """Connection to a clinic's server; its methods are named as the operations of the API.

    Requests that fail for a passing reason are retried, up to four attempts in all, after the time
    that a busy server asks for. Files are sent with an idempotency key, so that no file is read
    twice.

    Parameters
    ----------
    address
        Address of the server, such as ``https://clinic.hospital.example``.
    token
        API token.
    timeout
        Timeout of a request in seconds.
    transport
        Transport of the requests, for tests; by default the network.

    Examples
    --------
    >>> with Client("https://clinic.example", "pns_...") as clinic:  # doctest: +SKIP
    ...     job = clinic.create_readings([Path("chest.dcm")]).job
    ...     for image in clinic.wait_for_readings(job):
    ...         print(image.name, image.reading and image.reading.finding)
    chest.dcm pneumonia
    """

    def __init__(
        self,
        address: str,
        token: str,
        timeout: float = 60.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(
            base_url=address, headers=headers, timeout=timeout, transport=transport
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

    def create_readings(
        self,
        files: Sequence[Path],
        metadata: RequestMetadata | None = None,
        site: str = "default",
        idempotency_key: str | None = None,
    ) -> Submission:
        """Submit radiographs to be read.

        Parameters
        ----------
        files
            DICOM, JPEG, PNG or TIFF files, one or more.
        metadata
            Patient and study of files without a DICOM header; birth date or age also of DICOM
            files that lack them.
        site
            Name of the site that they come from.
        idempotency_key
            Key of the submission: the same key and files again get the same answer. A new one if
            None.

        Raises
        ------
        ClinicError
            If no file is accepted, or the server cannot be reached.
        """
        about = (metadata or RequestMetadata()).model_dump_json(exclude_none=True)
        headers = {"Idempotency-Key": idempotency_key or uuid4().hex}
        with ExitStack() as stack:
            parts = [("files", (path.name, stack.enter_context(path.open("rb")))) for path in files]
            fields = {"site": site, "about": about}
            answer = self._json("POST", "/v1/readings", data=fields, files=parts, headers=headers)
        return Submission.model_validate(answer)

    def get_job(self, job_id: str) -> Job:
        """Return the progress of a submission."""
        return Job.model_validate(self._json("GET", f"/v1/jobs/{job_id}"))

    def wait_for_readings(self, job_id: str, poll_seconds: float = 0.5) -> Iterator[Image]:
        """Wait until all images of a submission are read, and yield them."""
        while self.get_job(job_id).waiting:
            time.sleep(poll_seconds)
        after: str | None = ""
        while after is not None:
            answer = self._json("GET", f"/v1/jobs/{job_id}/images", params={"after": after})
            page = ImagePage.model_validate(answer)
            yield from page.images
            after = page.next

    def get_reading(self, image_id: str) -> Image:
        """Return an image with its reading, which is None while the image is queued."""
        return Image.model_validate(self._json("GET", f"/v1/readings/{image_id}"))

    def search_studies(self, search: StudySearch | None = None) -> StudyPage:
        """Return a page of the worklist, by default the first page of all studies."""
        body = (search or StudySearch()).model_dump(mode="json")
        return StudyPage.model_validate(self._json("POST", "/v1/studies/search", json=body))

    def get_study_report(self, study_id: str) -> str:
        """Return a study's readings as a FHIR R4 DiagnosticReport, in JSON."""
        return self._request("GET", f"/v1/studies/{study_id}/report").text

    def _json(self, method: str, path: str, **options: Any) -> Any:
        return self._request(method, path, **options).json()

    def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        for attempt in range(_MAX_ATTEMPTS):
            last = attempt == _MAX_ATTEMPTS - 1
            seconds = _RETRY_SECONDS * 2**attempt
            try:
                response = self._http.request(method, path, **options)
            except httpx.TransportError as error:
                if last:
                    raise ClinicError(
                        f"{self._http.base_url}: cannot be reached ({error or type(error)}); check "
                        "that the server is running and the address is right"
                    ) from error
            else:
                if response.status_code not in _TRANSIENT_STATUSES or last:
                    return _raise_for_status(response)
                seconds = _retry_after(response) or seconds
            time.sleep(seconds)
            for _, (_, file) in options.get("files", ()):
                file.seek(0)
        raise AssertionError


def _retry_after(response: httpx.Response) -> float | None:
    """Return the seconds that a server asks to wait before a retry, if it does."""
    value = response.headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdigit() else None


def _raise_for_status(response: httpx.Response) -> httpx.Response:
    if response.is_success:
        return response
    try:
        detail = response.json()["detail"]
    except (ValueError, KeyError, TypeError):  # an answer of a proxy, not of the server itself
        detail = response.reason_phrase
    raise ClinicError(f"{response.request.url.host} answers {response.status_code}: {detail}")
