"""The migrations build exactly the tables that the models declare, on both databases."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text

import portal.issuing.models
import portal.lookup.models
import portal.migrations
import portal.registry.models
import portal.trust.models
from portal.database import Base, make_engine
from tests.servers import PostgresCluster


def test_autogenerate_finds_no_difference(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, Base.metadata) == []


def test_autogenerate_would_notice_a_missing_column(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(text("ALTER TABLE match_attempts RENAME COLUMN at TO moment"))
        context = MigrationContext.configure(connection)
        kinds = {
            difference[0] for difference in compare_metadata(context, Base.metadata) if len(difference) > 1
        }
        assert {"add_column", "remove_column"} <= kinds
        connection.rollback()


def test_there_is_one_newest_migration_and_upgrading_again_does_nothing(engine: Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(portal.migrations.__file__).parent))
    heads = ScriptDirectory.from_config(config).get_heads()
    assert len(heads) == 1
    portal.migrations.upgrade(engine)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == list(
            heads
        )
        assert connection.execute(text("SELECT id, epoch FROM trust_state")).all() == [(1, 0)]


def test_two_processes_may_upgrade_one_new_database_at_once(
    tmp_path: Path, postgres: PostgresCluster
) -> None:
    name = postgres.create()
    program = "import sys; from portal import database, migrations; "
    program += "migrations.upgrade(database.make_engine(sys.argv[1]))"
    for url in (f"sqlite:///{tmp_path / 'new.sqlite3'}", postgres.url(name)):
        running = [subprocess.Popen([sys.executable, "-c", program, url]) for _ in range(2)]  # noqa: S603
        assert [process.wait() for process in running] == [0, 0]
        engine = make_engine(url)
        assert "records" in inspect(engine).get_table_names()
        engine.dispose()
    postgres.drop(name)
