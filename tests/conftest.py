"""Fixtures that every test may use: settings of a throw-away instance, and both databases with the real
schema.
"""

from __future__ import annotations

import gc
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import hypothesis
import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from portal.audit.service import Actor
from portal.config import Settings
from portal.database import Base, make_engine
from portal.filestore import ObjectFiles
from portal.migrations import upgrade
from portal.vault import Vault
from tests.demo_instance import demo_instance  # noqa: F401 - a fixture for every test
from tests.servers import PostgresCluster, RedisServer

# A slow moment of the machine is no finding: a test that means a deadline states its own.
hypothesis.settings.register_profile("portal", deadline=None)
hypothesis.settings.load_profile("portal")


def pytest_configure() -> None:
    """While everything is loaded nothing is garbage."""
    gc.disable()


def pytest_collection_finish() -> None:
    """What is loaded by now stays to the end: the collector need not walk through it time and again, nor come
    after every few hundred objects.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()


NOW = datetime(2026, 10, 5, 2, 30, tzinfo=UTC)
#: Who does in tests what the trail tells of.
ACTOR = Actor.command("an.nguyen")
#: The second person, where it takes two (SEC-24).
OTHER = Actor.command("binh.tran")


class FrozenClock:
    """A :class:`portal.ports.Clock` that stands still until a test moves it."""

    def __init__(self, now: datetime = NOW) -> None:
        self.time = now

    def now(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Development settings of an instance in a temporary folder; nothing of the real environment."""
    return Settings.from_environment({"INSTANCE_DIR": str(tmp_path / "instance")})


@pytest.fixture
def vault(settings: Settings) -> Vault:
    return Vault(settings.key_encryption_keys, settings.index_key)


@pytest.fixture
def files(settings: Settings) -> ObjectFiles:
    return ObjectFiles(settings.file_store_url)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresCluster]:
    """A real PostgreSQL on loopback for this test run. A missing server fails the tests, it never skips
    them.
    """
    cluster = PostgresCluster()
    try:
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    """A real Redis on loopback for one test, which may ill-treat it."""
    server = RedisServer()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def _postgres_database(postgres: PostgresCluster) -> str:
    """One database with the schema, emptied after each test: much quicker than one for each."""
    name = postgres.create()
    engine = make_engine(postgres.url(name))
    upgrade(engine)
    engine.dispose()
    return name


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "template.sqlite3"
    engine = make_engine(f"sqlite:///{path}")
    upgrade(engine)
    with engine.connect() as connection:  # fold the write-ahead log into the file that tests copy
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    engine.dispose()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database with the schema: each test runs on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        path = tmp_path / "test.sqlite3"
        shutil.copyfile(request.getfixturevalue("_sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    cluster: PostgresCluster = request.getfixturevalue("postgres")
    name: str = request.getfixturevalue("_postgres_database")
    yield cluster.url(name)
    cluster.empty(name, [table.name for table in reversed(Base.metadata.sorted_tables)])


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url)
    try:
        yield engine
    finally:
        engine.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    """One open session; a test commits where it needs to see the commit."""
    with Session(engine) as session:
        yield session
