"""Single sign-on in a real browser, since only a browser decides which cookies it sends where."""

import socket
from dataclasses import replace

from pneumoscope.clinic.api.app import create_app
from pneumoscope.clinic.identity.accounts import Role
from pneumoscope.clinic.settings import Clinic, OidcSettings

from ..issuer import CLIENT, SECRET, Issuer
from ..serving import served
from .conftest import Drive


def test_a_browser_signs_in_at_the_identity_provider_and_comes_back(
    empty_clinic: Clinic, drive: Drive
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with Issuer().running() as issuer:  # at 127.0.0.1, which is another site than localhost
        issuer.has_page = True
        address = f"http://localhost:{port}"
        oidc = OidcSettings(
            issuer.url, CLIENT, SECRET, address, "groups", (("doctors", Role.CLINICIAN),)
        )
        settings = replace(empty_clinic.settings, oidc=oidc)
        with served(create_app(replace(empty_clinic, settings=settings)), port=port):
            inspected = ["single-sign-on-refused", "single-sign-on"]
            drive("single-sign-on", address, inspected, user="ada")
