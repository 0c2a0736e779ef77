"""A real browser at two sites: only it knows which cookies come along from where."""

import json
import re
import socket
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pneumoscope.clinic.accounts import Role
from pneumoscope.clinic.api.app import create_app
from pneumoscope.clinic.api.security import Anyone
from pneumoscope.clinic.settings import Clinic, SignOn

from ..issuer import CLIENT, SECRET, Issuer
from ..serving import served


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_browser_is_signed_in_on_the_page_that_it_comes_back_to(
    clinic: Clinic, require_program: Callable[[str], str], tmp_path: Path
) -> None:
    chromium = require_program("chromium")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with Issuer().running() as issuer:  # at 127.0.0.1, which is another site than localhost
        issuer.has_page = True
        address = f"http://localhost:{port}"
        sign_on = SignOn(
            issuer.url, CLIENT, SECRET, address, "groups", (("doctors", Role.CLINICIAN),)
        )
        app = create_app(replace(clinic, settings=replace(clinic.settings, sign_on=sign_on)))

        def first_page(actor: Anyone) -> dict[str, str]:
            return {"name": actor.name}

        app.add_api_route("/", first_page)
        app.router.routes.insert(0, app.router.routes.pop())  # in the place of the clinic's page
        with served(app, port=port):
            done = subprocess.run(
                [
                    *(chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
                    *(f"--user-data-dir={tmp_path}/profile", "--virtual-time-budget=20000"),
                    *("--dump-dom", f"{address}/v1/oidc/login"),
                ],
                capture_output=True,
                text=True,
                timeout=120,
                check=True,
            )
    found = re.search(r"{.*}", done.stdout)
    assert found is not None, done.stdout
    assert json.loads(found[0]) == {"name": "ada"}
