"""Download of a file: resumable, verified by its checksum, and never visible in part."""

import hashlib
import json
import os
import re
import shutil
import time
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Literal

import requests
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from pneumoscope.support.errors import DownloadError, StorageError
from pneumoscope.support.files import sync_folder, write_text
from pneumoscope.support.terminal import messages

_TIMEOUT_SECONDS = (10.0, 60.0)  # to connect, and between two pieces of the body
_RETRY_SECONDS = (1.0, 2.0, 4.0)  # before the second, third and fourth attempt
_PIECE_BYTES = 1 << 17  # the most that an interruption loses


@dataclass(frozen=True)
class Checksum:
    """A published digest of a file, in lower-case hexadecimal."""

    algorithm: Literal["md5", "sha256"]
    digest: str

    def of(self, path: Path) -> str:
        """Return the digest of a file, by the same hash function.

        Examples
        --------
        >>> path = getfixture("tmp_path") / "abc"
        >>> _ = path.write_bytes(b"abc")
        >>> Checksum("md5", "").of(path)
        '900150983cd24fb0d6963f7d28e17f72'
        """
        with path.open("rb") as file:
            return hashlib.file_digest(file, self.algorithm).hexdigest()


def download(
    url: str, destination: Path, *, checksum: Checksum | None, name: str, extra_bytes: int = 0
) -> Path:
    """Download a file, which appears only when it is complete and verified.

    The bytes received so far are kept in ``<destination>.part``; a later call continues from there
    with a range request (RFC 9110, sections 13.1.5 and 14), provided that the server confirms by
    its ETag or date that it still offers the same file. A file that exists at ``destination`` is
    used without a request, so it can also be put there by hand.

    Parameters
    ----------
    url
        Address of the file.
    destination
        File to write, which is returned. Missing folders are created.
    checksum
        Published checksum; None where there is none, and then only the length announced by the
        server is checked.
    name
        Name of the file for people, such as ``"VGG16 weights"``.
    extra_bytes
        Bytes that must remain free besides the file, for example to unpack it.

    Raises
    ------
    DownloadError
        If the server refuses, cannot be reached, or sends another file.
    StorageError
        If there is not enough free space, or the file cannot be written.
    """
    transfer = _Transfer(url, destination, checksum, name, extra_bytes)
    try:
        if destination.exists():
            transfer.verify(destination)
        else:
            destination.parent.mkdir(parents=True, exist_ok=True)
            transfer.receive_with_retries()
            transfer.put_in_place()
    except OSError as error:
        raise StorageError(
            f"{destination}: cannot be written ({error.strerror or error}). The bytes received "
            "so far are kept. Free some space or choose another folder, then run the same command "
            "again."
        ) from error
    return destination


def require_free_space(folder: Path, needed: int, name: str) -> None:
    """Raise `StorageError` unless enough bytes are free on the disk of a folder.

    Parameters
    ----------
    folder
        Folder to write to; it need not exist yet.
    needed
        Number of bytes needed.
    name
        Name, for the message, of the file or dataset that needs them.

    Examples
    --------
    >>> require_free_space(Path("/"), 10**18, "the archive")
    Traceback (most recent call last):
    pneumoscope.support.errors.StorageError: /: the archive needs 1,000,000,000.0 GB and ...
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise StorageError(
            f"{folder}: {name} needs {needed / 1e9:,.1f} GB and {free / 1e9:,.1f} GB are free "
            "there. Free some space or choose another folder, then run the same command again."
        )


class _InterruptedError(Exception):
    """The file did not arrive completely; another attempt may continue."""


_TRANSIENT = (
    _InterruptedError,
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
)


@dataclass(frozen=True)
class _Transfer:
    """A download in progress: the bytes so far, and a note of the file that they belong to."""

    url: str
    destination: Path
    checksum: Checksum | None
    name: str
    extra_bytes: int

    @property
    def part(self) -> Path:
        return self.destination.with_name(self.destination.name + ".part")

    @property
    def note(self) -> Path:
        return self.destination.with_name(self.destination.name + ".part.json")

    def receive_with_retries(self) -> None:
        for pause in (*_RETRY_SECONDS, None):
            try:
                self._receive()
                return
            except _TRANSIENT as error:
                if pause is None:
                    raise self._refusal(_reason(error)) from error
                messages.print(f"{self.name}: {_reason(error)}; trying again in {pause:g} s.")
                time.sleep(pause)
            except requests.HTTPError as error:
                answer = error.response
                raise self._refusal(f"{answer.status_code} {answer.reason}") from error
            except requests.RequestException as error:
                raise self._refusal(str(error)) from error

    def put_in_place(self) -> None:
        try:
            self.verify(self.part)
        except DownloadError:
            self._discard()
            raise
        with self.part.open("rb") as file:
            os.fsync(file.fileno())
        self.part.replace(self.destination)
        sync_folder(self.destination.parent)
        self.note.unlink(missing_ok=True)

    def verify(self, path: Path) -> None:
        if self.checksum is None:
            return
        digest = self.checksum.of(path)
        if digest == self.checksum.digest:
            return
        if path == self.destination:
            remedy = "Move that file away, then run the same command again."
        else:
            remedy = "It was deleted. " + self._remedy()
        raise DownloadError(
            f"{path}: this is not {self.name} as published at {self.url}: its "
            f"{self.checksum.algorithm} is {digest} and should be {self.checksum.digest}. {remedy}"
        )

    def _receive(self) -> None:
        with requests.get(
            self.url, headers=self._headers(), stream=True, timeout=_TIMEOUT_SECONDS
        ) as response:
            if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                if _total(response) != self._arrived():
                    self._discard()
                    raise _InterruptedError("the server has another file now")
                return
            if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise _InterruptedError(f"{response.status_code} {response.reason}")
            response.raise_for_status()
            self._begin(response)
            total = _total(response)
            missing = (total or self._arrived()) - self._arrived()
            require_free_space(self.destination.parent, missing + self.extra_bytes, self.name)
            self._write(response, total)
            self._require_whole(total)

    def _headers(self) -> dict[str, str]:
        # With compression, lengths and offsets would not be those of the file.
        headers = {"Accept-Encoding": "identity"}
        validator = self._recorded_validator()
        if validator and self._arrived():
            headers |= {"Range": f"bytes={self._arrived()}-", "If-Range": validator}
        return headers

    def _begin(self, response: requests.Response) -> None:
        if response.status_code == HTTPStatus.PARTIAL_CONTENT:
            same = _validator(response) in (None, self._recorded_validator())
            content_range = response.headers.get("Content-Range", "")
            if not same or not content_range.startswith(f"bytes {self._arrived()}-"):
                self._discard()
                raise _InterruptedError("the server sent a piece of another file")
            return
        self._discard()
        write_text(self.note, json.dumps({"url": self.url, "validator": _validator(response)}))

    def _write(self, response: requests.Response, total: int | None) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=messages) as bar, self.part.open("ab") as file:
            task = bar.add_task(self.name, total=total, completed=self._arrived())
            for piece in response.iter_content(_PIECE_BYTES):
                file.write(piece)
                bar.advance(task, len(piece))

    def _require_whole(self, total: int | None) -> None:
        arrived = self._arrived()
        if total is None or arrived == total:
            return
        if arrived < total:
            raise _InterruptedError(f"{arrived:,} of {total:,} bytes arrived")
        self._discard()
        raise self._refusal(f"{arrived:,} bytes arrived instead of {total:,}; they were deleted")

    def _arrived(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _recorded_validator(self) -> str | None:
        try:
            note = json.loads(self.note.read_text())
        except (FileNotFoundError, ValueError):
            return None
        return note["validator"] if note["url"] == self.url else None

    def _discard(self) -> None:
        self.part.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def _refusal(self, reason: str) -> DownloadError:
        return DownloadError(
            f"{self.url}: {self.name} could not be downloaded ({reason}). {self._remedy()}"
        )

    def _remedy(self) -> str:
        return (
            "Run the same command again later: it continues where it stopped. Or open the "
            f"address in a browser, save the file as {self.destination} and run it again."
        )


def _reason(error: Exception) -> str:
    if isinstance(error, _InterruptedError):
        return str(error)
    if isinstance(error, requests.Timeout):
        return "the server did not answer in time"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection was interrupted"
    return "no connection; check the network and the proxy settings"


def _validator(response: requests.Response) -> str | None:
    # A weak ETag only states an equivalent file; a range needs the same bytes.
    etag = response.headers.get("ETag", "W/")
    return response.headers.get("Last-Modified") if etag.startswith("W/") else etag


def _total(response: requests.Response) -> int | None:
    """Return the size of the whole file; None where the server does not state it."""
    content_range = re.search(r"/(\d+)$", response.headers.get("Content-Range", ""))
    if content_range:
        return int(content_range[1])
    if response.status_code == HTTPStatus.OK and "Content-Length" in response.headers:
        return int(response.headers["Content-Length"])
    return None
