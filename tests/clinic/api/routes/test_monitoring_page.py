"""The page's monitoring in a real browser: it shows what the server says, and to whom it may."""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from pneumoscope.clinic.api.app import create_app
from pneumoscope.clinic.identity.accounts import Role, create_user
from pneumoscope.clinic.identity.passwords import hash_password
from pneumoscope.clinic.settings import Clinic

from ...serving import served
from ...simulated import Simulated
from ..conftest import PASSWORD

As = Callable[[Role], TestClient]


def account(clinic: Clinic, name: str, role: Role) -> dict[str, str]:
    with clinic.database.writing() as session:
        create_user(session, name, role, hash_password(PASSWORD), datetime.now(UTC))
    return {"name": name, "password": PASSWORD}


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_reviewers_and_administrators_see_the_figures_and_alerts(
    clinic: Clinic, as_: As, busy: Simulated, drive: Callable[..., dict[str, Any]]
) -> None:
    busy.run(20, 19, 7, site="North, outpatients")
    task = {
        "pictures": os.environ.get("PNEUMOSCOPE_CLINIC_PICTURES"),
        "administrator": account(clinic, "grete", Role.ADMINISTRATOR),
        "reviewer": account(clinic, "rosa", Role.REVIEWER),
        "clinician": {"name": "a clinician", "password": PASSWORD},
    }
    with served(create_app(clinic)) as port:
        found = drive("monitoring", task | {"address": f"http://127.0.0.1:{port}"})
    assert found["complaints"] == []
    assert found["violations"] == []
    assert found["looked"] == ["monitoring"]

    said = as_(Role.REVIEWER).get("/v1/monitoring").json()
    seen, periods = found["seen"], said["periods"]
    alerts = {"Ward: change, brightness.", "Ward: large drift, brightness."}
    assert set(seen["alerts"].split(" | ")) == alerts
    shift = periods[-1]["shifts"]["brightness"]
    shown = seen["brightness"].split(" | ")
    index = f"{shift['index']:.3f} ({shift['by_chance']:.3f})"
    assert shown[:3] == [str(shift["patients"]), index, "large"]
    assert shown[5] == "<0.0001"
    each = said["accuracy"]["corrected"]
    assert seen["corrected"] == " | ".join(
        f"{one['value']:.3f} ({one['low']:.3f} to {one['high']:.3f})"
        for one in (each["sensitivity"], each["specificity"])
    )
    sites = {one["name"]: one["id"] for one in as_(Role.REVIEWER).get("/v1/sites").json()}
    assert seen["sites"].split("|") == ["all sites", *sites]
    assert seen["of a site"].split("|")[::5] == ["0", "0", "0", "0", "0", "14"]
    assert seen["report"] == f"/v1/monitoring/report?days=28&site={sites['North, outpatients']}"
    images = np.array([one["images"] for one in periods])
    assert seen["windows"].split("|")[::5] == [str(one) for one in images]
    bars, axis, ticks = (json.loads(seen[name]) for name in ("bars", "axis", "ticks"))
    np.testing.assert_allclose(np.interp(bars, axis[::-1], ticks[::-1]), images)
