"""A real browser at two sites: only it knows which cookies come along from where."""

import os
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pneumoscope.clinic.api.app import create_app
from pneumoscope.clinic.identity.accounts import Role
from pneumoscope.clinic.settings import Clinic, OidcSettings

from ...issuer import CLIENT, SECRET, Issuer
from ...serving import served


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_browser_is_signed_in_on_the_page_that_it_comes_back_to(
    clinic: Clinic, drive: Callable[..., dict[str, Any]]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with Issuer().running() as issuer:  # at 127.0.0.1, which is another site than localhost
        issuer.has_page = True
        address = f"http://localhost:{port}"
        oidc = OidcSettings(
            issuer.url, CLIENT, SECRET, address, "groups", (("doctors", Role.CLINICIAN),)
        )
        app = create_app(replace(clinic, settings=replace(clinic.settings, oidc=oidc)))
        pictures = os.environ.get("PNEUMOSCOPE_CLINIC_PICTURES")
        with served(app, port=port):
            found = drive("sign-on", {"address": address, "pictures": pictures})
    assert found["complaints"] == []
    assert found["violations"] == []
    assert found["looked"] == ["sign-on-refused", "sign-on"]
