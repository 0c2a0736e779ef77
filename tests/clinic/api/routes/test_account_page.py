"""One's own account on the page, in a real browser."""

import os
from collections.abc import Callable
from typing import Any

import pytest

from pneumoscope.clinic.api.app import create_app
from pneumoscope.clinic.settings import Clinic

from ...serving import served
from ..conftest import PASSWORD


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_people_look_after_their_own_accounts(
    clinic: Clinic, drive: Callable[..., dict[str, Any]]
) -> None:
    task = {
        "pictures": os.environ.get("PNEUMOSCOPE_CLINIC_PICTURES"),
        "name": "a clinician",
        "password": PASSWORD,
    }
    with served(create_app(clinic)) as port:
        found = drive("account", task | {"address": f"http://127.0.0.1:{port}"})
    assert found["complaints"] == []
    assert found["violations"] == []
    assert found["looked"] == ["account", "second-factor", "recovery-codes", "sign-in-code"]
