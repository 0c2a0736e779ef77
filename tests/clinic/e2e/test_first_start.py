"""First start in a real browser."""

from datetime import UTC, datetime

from sqlalchemy import select

from pneumoscope.clinic.api.app import create_app
from pneumoscope.clinic.identity.setup_link import create_setup_token
from pneumoscope.clinic.settings import Clinic
from pneumoscope.clinic.storage.tables import Site

from ..serving import served
from .conftest import ADMINISTRATOR, Drive


def test_the_first_administrator_is_created(empty_clinic: Clinic, drive: Drive) -> None:
    with empty_clinic.database.writing() as session:
        token = create_setup_token(session, datetime.now(UTC))
    with served(create_app(empty_clinic)) as port:
        drive(
            "first-start",
            f"http://127.0.0.1:{port}",
            ["first-start", "sign-in"],
            setupToken=token,
            administrator=ADMINISTRATOR,
        )
    with empty_clinic.database.reading() as session:
        assert session.scalars(select(Site.unknown_age)).all() == ["children"]
