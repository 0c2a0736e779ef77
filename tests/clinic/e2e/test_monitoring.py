"""Monitoring in a real browser: the page shows what the server computes."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
from fastapi.testclient import TestClient

from pneumoscope.clinic.api.app import create_app
from pneumoscope.clinic.identity.accounts import Role, user_by_name
from pneumoscope.clinic.identity.credentials import issue_token
from pneumoscope.clinic.monitoring.overview import Baseline
from pneumoscope.clinic.settings import Clinic

from ..serving import served
from ..simulated import Simulated, brighter
from .conftest import ADMINISTRATOR, CLINICIAN, Drive, add_user

REVIEWER = {"name": "rosa", "password": "yet another four words, and a 9"}
SITE = "North, outpatients"


def fill(clinic: Clinic, baseline: Baseline) -> None:
    """Add patients of two sites; the radiographs of one have become brighter."""
    simulated = Simulated(clinic.database, baseline)
    simulated.now = datetime.now(UTC)
    simulated.run(56, 29, 8, site="Inpatients", judged=0.3)
    simulated.run(28, 1, 8, site="Inpatients", change=brighter(0.08), judged=0.3)
    simulated.run(20, 19, 7, site=SITE, bundle=clinic.bundles[1].identity)


def reviewer_client(clinic: Clinic) -> TestClient:
    now = datetime.now(UTC)
    with clinic.database.writing() as session:
        reviewer = user_by_name(session, REVIEWER["name"])
        assert reviewer is not None
        _, token = issue_token(session, reviewer.id, "test", now, 1)
    client = TestClient(create_app(clinic), base_url="https://clinic.test")
    client.headers["Authorization"] = f"Bearer {token}"
    return client


def text_of(estimate: dict[str, float]) -> str:
    return f"{estimate['value']:.3f} ({estimate['low']:.3f} to {estimate['high']:.3f})"


def test_reviewers_and_administrators_see_statistics_and_alerts(
    empty_clinic: Clinic, baseline: Baseline, drive: Drive
) -> None:
    for account, role in (
        (ADMINISTRATOR, Role.ADMINISTRATOR),
        (REVIEWER, Role.REVIEWER),
        (CLINICIAN, Role.CLINICIAN),
    ):
        add_user(empty_clinic, account, role)
    fill(empty_clinic, baseline)
    with served(create_app(empty_clinic)) as port:
        results = drive(
            "monitoring",
            f"http://127.0.0.1:{port}",
            ["monitoring"],
            administrator=ADMINISTRATOR,
            reviewer=REVIEWER,
            clinician=CLINICIAN,
            site={"name": SITE, "images": "14"},
            imagesOfWeek="56",
            bundle=empty_clinic.bundles[1].identity,
        )
    client = reviewer_client(empty_clinic)
    overview = client.get("/v1/monitoring").json()
    sites = {site["name"]: site["id"] for site in client.get("/v1/sites").json()}
    alerts = {"Inpatients · change, brightness:", "Inpatients · large drift, brightness:"}
    assert set(results["alerts"]) == alerts
    assert results["sites"] == ["all sites", *sites]
    assert results["periodsOfSite"][::5] == ["0", "0", "0", "0", "0", "14"]
    assert results["report"] == f"/v1/monitoring/report?days=28&site={sites[SITE]}"
    assert results["bundles"] == [bundle.identity for bundle in empty_clinic.bundles]
    refusals = [period["refusals"].get("lateral", 0) for period in overview["periods"]]
    assert results["refusals"] == [str(count) for count in refusals]
    assert refusals[-1] > 0
    check_tables(results, overview)
    check_plot(results, overview)


def check_tables(results: dict[str, Any], overview: dict[str, Any]) -> None:
    shift = overview["periods"][-1]["shifts"]["brightness"]
    index = f"{shift['index']:.3f} ({shift['by_chance']:.3f})"
    assert results["brightness"][:3] == [str(shift["patients"]), index, "large"]
    assert results["brightness"][5] == "<0.0001"
    corrected = overview["accuracy"]["corrected"]
    rates = [corrected["sensitivity"], corrected["specificity"]]
    assert results["corrected"] == [text_of(rate) for rate in rates]
    images = [str(period["images"]) for period in overview["periods"]]
    assert results["periods"][::5] == images


def check_plot(results: dict[str, Any], overview: dict[str, Any]) -> None:
    """The bars of the number of images end where the axis has that number."""
    ticks, positions = results["ticks"], results["tickPositions"]
    heights = np.interp(results["barPositions"], positions[::-1], ticks[::-1])
    images = [period["images"] for period in overview["periods"]]
    np.testing.assert_allclose(heights, images)
