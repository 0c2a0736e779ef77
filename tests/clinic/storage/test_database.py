"""Opening, migrating and using the database."""

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, MetaData, create_engine, event, select
from sqlalchemy.exc import IntegrityError

from pneumoscope.clinic.identity import tables as _identity  # noqa: F401 (registers)
from pneumoscope.clinic.monitoring import tables as _monitoring  # noqa: F401 (registers)
from pneumoscope.clinic.privacy import tables as _privacy  # noqa: F401 (registers its tables)
from pneumoscope.clinic.storage.database import MIGRATIONS, Database
from pneumoscope.clinic.storage.table_base import Table
from pneumoscope.clinic.storage.tables import (
    Image,
    Job,
    Judgement,
    Site,
    StoredReading,
    Study,
    User,
)
from pneumoscope.support.errors import ClinicError

Move = Callable[[Config, str], None]
"""Upgrade or downgrade."""

NOW = datetime(2026, 11, 25, 8, tzinfo=UTC)


def test_migrations_create_the_tables_of_the_code(empty_url: str) -> None:
    Database(empty_url).close()
    with create_engine(empty_url).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Table.metadata) == []


def test_reopening_a_database_keeps_its_rows(url: str) -> None:
    first = Database(url)
    with first.writing() as session:
        session.add(Site(name="Hospital"))
    first.close()
    second = Database(url)
    with second.reading() as session:
        assert session.scalars(select(Site.name)).all() == ["Hospital"]
    second.close()


def test_a_failed_transaction_changes_nothing(database: Database) -> None:
    def fails() -> None:
        with database.writing() as session:
            session.add(Site(name="Hospital"))
            session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    with database.reading() as session:
        assert session.scalars(select(Site)).all() == []


def test_times_keep_their_time_zone(database: Database) -> None:
    berlin = datetime(2026, 11, 25, 12, 0, tzinfo=timezone(timedelta(hours=1)))
    with database.writing() as session:
        session.add(Job(created=berlin, created_by="x"))
    with database.reading() as session:
        created = session.scalars(select(Job.created)).one()
    assert created == berlin
    assert created.utcoffset() == timedelta(0)
    assert created.tzinfo is not None


def test_foreign_keys_are_enforced(database: Database) -> None:
    orphan = Image(
        study_id="none", sha256="0", name="a", media_type="b", size=1, received=datetime.now(UTC)
    )
    with pytest.raises(IntegrityError), database.writing() as session:
        session.add(orphan)


def test_readers_see_no_uncommitted_rows(database: Database) -> None:
    with database.writing() as writer:
        writer.add(Site(name="Hospital"))
        writer.flush()
        with database.reading() as reader:
            assert reader.scalars(select(Site)).all() == []


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "not a URL"),
        ("sqlite:////nowhere/at/all/clinic.db", "unable to open"),
        ("postgresql+psycopg://me:secret@127.0.0.1:1/x", "postgresql"),
    ],
)
def test_a_database_that_cannot_be_opened_is_named_without_its_password(
    url: str, message: str
) -> None:
    with pytest.raises(ClinicError, match=message) as caught:
        Database(url)
    assert "secret" not in str(caught.value)


def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/clinic.db"
    Database(url).close()
    with create_engine(url).begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ClinicError, match="9999"):
        Database(url)


def migrate(engine: Engine, revision: str, move: Move = command.upgrade) -> None:
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        move(config, revision)


def insert(connection: Connection, table: str, **values: object) -> None:
    tables = MetaData()
    tables.reflect(connection, only=[table])
    connection.execute(tables.tables[table].insert(), values)


def test_studies_of_earlier_versions_keep_their_dates(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Pacific/Auckland")  # UTC+13 in November
    engine = create_engine(empty_url)
    migrate(engine, "0012")
    evening = datetime(2026, 11, 24, 11, 30, tzinfo=UTC)
    with engine.begin() as connection:
        insert(connection, "site", id="s", name="Ward", displayed=True)
        study = {"site_id": "s", "received": NOW, "status": "read", "study_uid": "1.2"}
        insert(connection, "study", id="t", acquired=evening, **study)
        insert(connection, "study", id="u", **study | {"study_uid": None})
        image = {"study_id": "t", "sha256": "0", "name": "a", "size": 1, "media_type": "b"}
        insert(connection, "image", id="i", received=NOW, **image)
    engine.dispose()
    with closing(Database(empty_url)) as database, database.reading() as session:
        studies = {study.id: study for study in session.scalars(select(Study))}
        assert studies["t"].site.time_zone == "Pacific/Auckland"
        assert (studies["t"].study_date, studies["t"].utc_offset) == (date(2026, 11, 25), 780)
        assert studies["t"].acquired == evening
        assert [image.id for image in studies["t"].images] == ["i"]
        # 8:00 UTC is 21:00 in Auckland.
        assert {study.examined for study in studies.values()} == {date(2026, 11, 25)}
        assert (studies["t"].version, studies["t"].conflict) == (1, None)
        assert (studies["u"].study_date, studies["u"].utc_offset) == (None, None)


def test_ages_that_were_stated_or_corrected_survive_the_move_from_the_queue(empty_url: str) -> None:
    engine = create_engine(empty_url)
    migrate(engine, "0015")
    with engine.begin() as connection:
        insert(connection, "site", id="s", name="Ward", displayed=True)
        study = {"site_id": "s", "received": NOW, "status": "awaiting review"}
        insert(connection, "study", id="t", **study)
        insert(connection, "study", id="u", **study)
        image = {"sha256": "0", "name": "a", "size": 1, "media_type": "b", "received": NOW}
        for name, study_id, withdrawn in (
            ("stated", "t", None),
            ("contradicted", "t", None),
            ("corrected", "u", None),
            ("before", "u", NOW - timedelta(hours=1)),
            ("after", "u", NOW + timedelta(hours=1)),
        ):
            values = {"withdrawn": withdrawn, "withdrawal": withdrawn and "other"}
            insert(connection, "image", id=name, study_id=study_id, **image, **values)
        task = {"queued": NOW, "available": NOW, "attempts": 0}
        ages = {"age_contradicted": False, "age_corrected": False}
        insert(connection, "task", image_id="stated", stated_age=3.5, **task, **ages)
        contradicted = ages | {"age_contradicted": True}
        insert(connection, "task", image_id="contradicted", stated_age=3.5, **task, **contradicted)
        corrected = ages | {"age_corrected": True}
        insert(connection, "task", image_id="corrected", stated_age=46.0, **task, **corrected)
        patient = {"id": "K001", "birth_date": "2023-01-05"}
        insert(
            connection,
            "correction",
            **{"id": "c", "study_id": "u", "source_id": "u", "user_name": "a", "created": NOW},
            before=patient,
            after=patient | {"birth_date": "1980-01-05"},
        )
    engine.dispose()
    with closing(Database(empty_url)) as database, database.reading() as session:
        images = {image.id: image for image in session.scalars(select(Image))}
        ages_by_image = {
            name: (image.stated_age, image.age_contradicted, image.study.age_corrected)
            for name, image in images.items()
        }
        assert ages_by_image == {
            "stated": (3.5, False, False),
            "contradicted": (3.5, True, False),
            "corrected": (None, False, True),
            "before": (None, False, True),
            "after": (None, False, True),
        }
        assert [name for name, image in images.items() if image.outdated] == ["before"]


def test_a_database_with_rows_can_go_back_and_forth(empty_url: str) -> None:
    with closing(Database(empty_url)) as database, database.writing() as session:
        site = Site(name="Ward", displayed=True, time_zone="Pacific/Auckland")
        evening = datetime(2026, 11, 24, 11, 30, tzinfo=UTC)  # the 25th in Auckland
        study = Study(site=site, received=evening, accession="A-1")
        image = Image(
            study=study, sha256="0" * 64, name="a", media_type="b", size=1, received=evening
        )
        reader = User(name="anna", role="clinician", created=NOW)
        session.add_all([image, reader])
        session.flush()
        known = {"image_id": image.id, "user_id": reader.id, "created": NOW}
        session.add(Judgement(**known, version=1, opinion="not sure", blind=True))
        session.add(Judgement(**known, version=2, opinion="pneumonia", blind=False))
        session.add(Judgement(**known, version=3, answer="agree"))
    engine = create_engine(empty_url)
    if engine.dialect.name == "sqlite":  # as the clinic opens it
        event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA foreign_keys=ON"))
    migrate(engine, "0015", command.downgrade)
    migrate(engine, "head")
    with engine.connect() as connection:
        blind = connection.exec_driver_sql("SELECT blind FROM judgement ORDER BY version")
        assert [bool(value) for value in blind.scalars()] == [True, False, False]
    migrate(engine, "0013", command.downgrade)
    migrate(engine, "head")
    engine.dispose()
    with closing(Database(empty_url)) as database, database.reading() as session:
        (study,) = session.scalars(select(Study))
        assert (study.accession, [image.name for image in study.images]) == ("A-1", ["a"])
        assert [row.answer for row in session.scalars(select(Judgement))] == ["agree"]


def test_readings_of_earlier_versions_get_codes_of_refusals_and_the_words_of_findings(
    empty_url: str,
) -> None:
    engine = create_engine(empty_url)
    migrate(engine, "0011")
    rejection = {"code": "blank", "severity": "reject", "message": ""}
    flag = {"code": "dark", "severity": "flag", "message": ""}
    old = {"flagged": [flag], "rejected": [flag, rejection], "failed": []}
    with engine.begin() as connection:
        tables = MetaData()
        tables.reflect(connection)
        insert = {name: table.insert() for name, table in tables.tables.items()}
        connection.execute(insert["site"], {"id": "s", "name": "Ward", "displayed": True})
        connection.execute(
            insert["study"],
            {"id": "t", "site_id": "s", "received": NOW, "status": "read"}
            | {"patient_id": "P-1", "patient_name": "GRÜN^Ada"},
        )
        for status, quality in old.items():
            image = {"id": status, "study_id": "t", "sha256": "0", "name": "a", "size": 1}
            connection.execute(insert["image"], image | {"media_type": "b", "received": NOW})
            known = {"id": status, "image_id": status, "created": NOW, "bundle": "b"}
            found = {"p": "uncertain", "q": "normal"} if status == "flagged" else {}
            known["finding"] = found.get("p")
            lists = {"findings": found, "reasons": [], "quality": quality, "milliseconds": 1.0}
            connection.execute(
                insert["reading"], known | lists | {"status": status, "operating_point": "p"}
            )
    migrate(engine, "head")
    database = Database(empty_url)
    with database.reading() as session:
        codes = dict(session.execute(select(StoredReading.status, StoredReading.refusal)).all())
        assert codes == {"flagged": None, "rejected": "blank", "failed": "failed"}
        assert session.scalars(select(Site.unknown_age)).all() == ["ask"]
        flagged = session.scalars(select(StoredReading).where(StoredReading.id == "flagged")).one()
        assert (flagged.finding, flagged.low_confidence) == ("uncertain", ["p"])
        assert flagged.findings == {"p": "uncertain", "q": "no sign of pneumonia"}
        (study,) = session.scalars(select(Study))
        assert (study.status, study.needs_look) == ("awaiting review", True)
        assert study.search_text == "p-1 grün ada"
    database.close()
    engine.dispose()
