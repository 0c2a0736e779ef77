"""Downloads from a server on this host that interrupts, corrupts, changes, lies and refuses."""

import hashlib
import json
import random
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from pneumoscope.support import download as module
from pneumoscope.support.download import Checksum, download
from pneumoscope.support.errors import DownloadError, StorageError

BODY = random.Random(1).randbytes(1_000_000)
OTHER = random.Random(2).randbytes(1_000_000)
SHA256 = Checksum("sha256", hashlib.sha256(BODY).hexdigest())
MD5 = Checksum("md5", hashlib.md5(BODY).hexdigest())


@dataclass
class Site:
    """File that the server offers, its faults, and the requests and bytes so far."""

    body: bytes = BODY
    headers: dict[str, str] = field(default_factory=lambda: {"ETag": '"one"'})
    understands_ranges: bool = True
    faults: list[Callable[["Handler"], None]] = field(default_factory=list)
    always: Callable[["Handler"], None] | None = None
    url: str = ""
    part: Path = Path()
    asked: list[dict[str, str]] = field(default_factory=list)
    sent: int = 0


class Handler(BaseHTTPRequestHandler):
    site: Site

    def do_GET(self):
        self.site.asked.append({name.lower(): value for name, value in self.headers.items()})
        if self.site.faults:
            self.site.faults.pop(0)(self)
        elif self.site.always:
            self.site.always(self)
        else:
            self.serve()

    def serve(self, most: int | None = None, change: Callable[[bytes], bytes] = bytes):
        """Answer as RFC 9110 says, but send at most ``most`` bytes, changed by ``change``."""
        body, first = self.site.body, self.first_byte()
        if first >= len(body) > 0:
            return self.head(416, {"Content-Range": f"bytes */{len(body)}"}, 0)
        rest = body[first:]
        if first:
            extra = {"Content-Range": f"bytes {first}-{len(body) - 1}/{len(body)}"}
            self.head(206, extra | self.site.headers, len(rest))
        else:
            self.head(200, self.site.headers, len(rest))
        return self.send(change(rest)[:most])

    def first_byte(self) -> int:
        asked = self.site.asked[-1]
        known = self.site.headers.values()
        if not self.site.understands_ranges or "range" not in asked:
            return 0
        if "if-range" in asked and asked["if-range"] not in known:
            return 0
        return int(re.fullmatch(r"bytes=(\d+)-", asked["range"])[1])

    def head(self, status: int, headers: dict[str, str], length: int | None):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def send(self, data: bytes):
        self.wfile.write(data)
        self.site.sent += len(data)

    def log_message(self, *_):
        pass


def breaks_off(after: int) -> Callable[[Handler], None]:
    return lambda handler: handler.serve(most=after)


def resets(after: int) -> Callable[[Handler], None]:
    def fault(handler: Handler):
        handler.serve(most=after)
        # A reset also drops what the other side has not read yet, so let it read first.
        while not (handler.site.part.exists() and handler.site.part.stat().st_size):
            time.sleep(0.01)
        # Zero linger: the kernel drops the connection with RST instead of closing it.
        linger = struct.pack("ii", 1, 0)
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        handler.connection.close()

    return fault


def refuses(status: int) -> Callable[[Handler], None]:
    return lambda handler: handler.head(status, {}, 0)


@pytest.fixture
def site(target, start_server) -> Site:
    site = Site(part=target.with_name("weights.bin.part"))
    site.url = start_server(type("SiteHandler", (Handler,), {"site": site})) + "/weights.bin"
    return site


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(module, "_RETRY_SECONDS", (0.01, 0.01, 0.01))


@pytest.fixture
def target(tmp_path) -> Path:
    return tmp_path / "new" / "weights.bin"


def fetch(
    site: Site, target: Path, checksum: Checksum | None = SHA256, extra_bytes: int = 0
) -> Path:
    return download(
        site.url, target, checksum=checksum, name="the weights", extra_bytes=extra_bytes
    )


def leave_part(site: Site, content: bytes):
    site.part.parent.mkdir()
    site.part.write_bytes(content)
    note = {"url": site.url, "validator": '"one"'}
    site.part.with_suffix(".part.json").write_text(json.dumps(note))


def names(target: Path) -> set[str]:
    return {path.name for path in target.parent.iterdir()}


@pytest.mark.parametrize("checksum", [SHA256, MD5, None])
def test_a_file_arrives_completely_and_without_others(site, target, checksum):
    assert fetch(site, target, checksum) == target
    assert target.read_bytes() == BODY
    assert names(target) == {"weights.bin"}
    assert site.sent == len(BODY)
    assert site.asked[0]["accept-encoding"] == "identity"


def test_an_empty_file_arrives(site, target):
    site.body = b""
    fetch(site, target, checksum=None)
    assert target.read_bytes() == b""


def test_a_file_without_announced_length_arrives(site, target):
    def serve(handler: Handler):
        handler.head(200, {}, None)
        handler.send(BODY)

    site.always = serve
    assert fetch(site, target).read_bytes() == BODY


def test_a_verified_file_is_used_without_a_request(site, target):
    fetch(site, target)
    fetch(site, target)
    assert len(site.asked) == 1


def test_another_file_of_that_name_is_not_replaced(site, target):
    target.parent.mkdir()
    target.write_bytes(OTHER)
    with pytest.raises(DownloadError, match="Move that file away") as raised:
        fetch(site, target)
    assert str(target) in str(raised.value)
    assert target.read_bytes() == OTHER
    assert site.asked == []


@pytest.mark.parametrize("fault", [breaks_off(600_000), resets(600_000)])
def test_after_an_interruption_the_rest_is_transferred(site, target, fault):
    site.faults = [fault]
    assert fetch(site, target).read_bytes() == BODY
    first = int(site.asked[1]["range"].removeprefix("bytes=").removesuffix("-"))
    assert first > 0
    assert site.asked[1]["if-range"] == '"one"'
    assert site.sent == 600_000 + len(BODY) - first


def test_a_later_call_resumes(site, target):
    site.faults = [breaks_off(500_000), *[refuses(503)] * 3]
    with pytest.raises(DownloadError, match="it continues where it stopped"):
        fetch(site, target)
    arrived = (target.parent / "weights.bin.part").stat().st_size
    assert 0 < arrived <= 500_000
    assert not target.exists()
    before = site.sent
    assert fetch(site, target).read_bytes() == BODY
    assert site.sent - before == len(BODY) - arrived
    assert names(target) == {"weights.bin"}


def test_last_modified_is_used_without_a_strong_etag(site, target):
    date = "Wed, 21 Oct 2015 07:28:00 GMT"
    site.headers = {"ETag": 'W/"weak"', "Last-Modified": date}
    site.faults = [breaks_off(600_000)]
    assert fetch(site, target).read_bytes() == BODY
    assert site.asked[1]["if-range"] == date


def test_without_a_validator_the_download_starts_again(site, target):
    site.headers = {}
    site.faults = [breaks_off(600_000)]
    assert fetch(site, target, checksum=None).read_bytes() == BODY
    assert "range" not in site.asked[1]


def test_a_server_that_ignores_ranges_sends_all_again(site, target):
    site.understands_ranges = False
    site.faults = [breaks_off(600_000)]
    assert fetch(site, target).read_bytes() == BODY
    assert "range" in site.asked[1]
    assert site.sent == 600_000 + len(BODY)


def test_a_file_that_changed_between_attempts_is_not_mixed(site, target):
    def serve_half_then_change(handler: Handler):
        handler.serve(most=500_000)
        site.body, site.headers = OTHER, {"ETag": '"two"'}

    site.faults = [serve_half_then_change]
    assert fetch(site, target, checksum=None).read_bytes() == OTHER


@pytest.mark.parametrize(("etag", "shift"), [('"two"', 0), ('"one"', 10)])
def test_a_piece_of_another_file_or_place_is_not_appended(site, target, etag, shift):
    """A server that mistakes the request betrays itself by the ETag or the range it names."""

    def wrong_piece(handler: Handler):
        first = handler.first_byte() - shift
        headers = {"ETag": etag, "Content-Range": f"bytes {first}-999999/1000000"}
        handler.head(206, headers, len(OTHER) - first)
        handler.send(OTHER[first:])

    site.faults = [breaks_off(500_000), wrong_piece]
    assert fetch(site, target, checksum=None).read_bytes() == BODY


def test_a_part_of_another_address_is_not_used(site, target):
    site.faults = [breaks_off(500_000), *[refuses(503)] * 3]
    with pytest.raises(DownloadError):
        fetch(site, target)
    download(site.url + "?version=2", target, checksum=SHA256, name="the weights")
    assert "range" not in site.asked[-1]


def test_a_complete_part_is_used(site, target):
    leave_part(site, BODY)
    assert fetch(site, target).read_bytes() == BODY
    assert site.sent == 0


def test_a_part_longer_than_the_file_is_discarded(site, target):
    leave_part(site, BODY + b"more")
    assert fetch(site, target).read_bytes() == BODY
    assert site.sent == len(BODY)


def test_a_part_with_a_damaged_note_is_discarded(site, target):
    target.parent.mkdir()
    target.with_name("weights.bin.part").write_bytes(OTHER[:1000])
    target.with_name("weights.bin.part.json").write_text('{"url"')
    assert fetch(site, target).read_bytes() == BODY


def test_a_corrupt_file_is_deleted_and_named_with_both_digests(site, target):
    def flip(body: bytes) -> bytes:
        return body[:-1] + bytes([body[-1] ^ 1])

    site.always = lambda handler: handler.serve(change=flip)
    with pytest.raises(DownloadError) as raised:
        fetch(site, target)
    message = str(raised.value)
    assert site.url in message
    assert SHA256.digest in message
    assert hashlib.sha256(flip(BODY)).hexdigest() in message
    assert f"save the file as {target}" in message
    assert names(target) == set()


def test_a_server_that_always_interrupts_is_given_up(site, target):
    site.understands_ranges = False
    site.always = breaks_off(1000)
    with pytest.raises(DownloadError, match="was interrupted") as raised:
        fetch(site, target)
    assert len(site.asked) == 4
    assert site.url in str(raised.value)
    assert not target.exists()


def test_an_interrupted_rest_without_announced_length_is_resumed(site, target):
    def unannounced(handler: Handler):
        first = handler.first_byte()
        headers = {"ETag": '"one"', "Content-Range": f"bytes {first}-999999/1000000"}
        handler.head(206, headers, None)
        handler.send(BODY[first : first + 1000])

    site.faults = [breaks_off(500_000), unannounced]
    assert fetch(site, target, checksum=None).read_bytes() == BODY


def test_a_body_longer_than_the_file_is_deleted(site, target):
    def too_long(handler: Handler):
        first = handler.first_byte()
        headers = {"ETag": '"one"', "Content-Range": f"bytes {first}-999999/1000000"}
        handler.head(206, headers, None)
        handler.send(BODY[first:] + b"more")

    site.faults = [breaks_off(500_000), too_long]
    with pytest.raises(DownloadError, match="1,000,004 bytes arrived instead of 1,000,000"):
        fetch(site, target, checksum=None)
    assert names(target) == set()


@pytest.mark.parametrize(("status", "tries"), [(403, 1), (404, 1), (503, 4)])
def test_a_refusal_names_the_address_and_the_remedy(site, target, status, tries):
    site.always = refuses(status)
    with pytest.raises(DownloadError, match=str(status)) as raised:
        fetch(site, target)
    assert site.url in str(raised.value)
    assert f"in a browser, save the file as {target}" in str(raised.value)
    assert len(site.asked) == tries
    assert names(target) == set()


def test_a_server_that_is_busy_is_asked_again(site, target):
    site.faults = [refuses(503), refuses(500), breaks_off(1000)]
    assert fetch(site, target).read_bytes() == BODY


def test_no_server_at_all(target):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/weights.bin"
        with pytest.raises(DownloadError, match="check the network") as raised:
            download(url, target, checksum=SHA256, name="the weights")
    assert url in str(raised.value)
    assert str(target) in str(raised.value)


def test_a_silent_server_times_out(site, target, monkeypatch):
    monkeypatch.setattr(module, "_TIMEOUT_SECONDS", (1.0, 0.05))
    monkeypatch.setattr(module, "_RETRY_SECONDS", ())
    woken = threading.Event()
    site.always = lambda _: woken.wait(10) and None
    with pytest.raises(DownloadError, match="did not answer in time"):
        fetch(site, target)
    woken.set()


def test_an_invalid_address(target):
    with pytest.raises(DownloadError, match="weights-of-vgg"):
        download("weights-of-vgg", target, checksum=None, name="the weights")


def test_free_space_is_checked_before_the_download(site, target):
    site.always = lambda handler: handler.head(200, {}, 10**18)
    with pytest.raises(StorageError, match=r"needs 1,000,000,000\.0 GB and .* GB are free"):
        fetch(site, target)
    assert not target.exists()


def test_extra_bytes_are_part_of_the_needed_space(site, target):
    with pytest.raises(StorageError, match=r"needs 1,000,000,000\.0 GB"):
        fetch(site, target, extra_bytes=10**18)
    assert not target.exists()


def test_a_folder_that_cannot_be_made(site, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot be written"):
        fetch(site, tmp_path / "file" / "weights.bin")
