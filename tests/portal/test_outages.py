"""REL-05: database and object store that hang, delay, reset and half-close, behind a TCP proxy of our own.

In operation a hang lasts 60 s; here the time-outs are set to fractions of a second and the hang to a few of
them, which is the same way through the code. Redis has its own tests (``tests/portal/limits``), and one here
for the network between.
"""

from __future__ import annotations

import http.server
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from flask import Flask
from obstore.exceptions import BaseError
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from portal.config import Settings
from portal.database import PATIENCE, Base, make_engine
from portal.factory import create_app
from portal.filestore import ObjectFiles, name_of
from portal.limits.table import MISS
from portal.vault import Vault
from tests.conftest import NOW, FrozenClock
from tests.portal.limits.test_counters import eventually, gate
from tests.portal.lookup.test_views import body, post, typed_form
from tests.portal.web.world import CannedChecker, Issued, enter
from tests.servers import FaultProxy, PostgresCluster, RedisServer, serve_in_thread

JSON = {"Accept": "application/json"}
TIMEOUT = 0.5
#: A statement, a new connection (3 s at most, PostgreSQL's driver has no less than 2) and the same once more.
LONGEST = 12.0


@pytest.fixture
def behind(
    postgres: PostgresCluster, _postgres_database: str, tmp_path: Path
) -> Iterator[tuple[Flask, Issued, FaultProxy]]:
    """A portal whose PostgreSQL is behind a proxy, a record in it, and the proxy."""
    proxy = FaultProxy(postgres.port)
    direct = postgres.url(_postgres_database)
    settings = Settings.from_environment(
        {
            "INSTANCE_DIR": str(tmp_path / "instance"),
            "DATABASE_URL": direct.replace(f":{postgres.port}/", f":{proxy.port}/"),
            "DATABASE_TIMEOUT_SECONDS": str(TIMEOUT),
            "DATABASE_CONNECTIONS": "4",
        }
    )
    engine = make_engine(direct)
    with Session(engine) as session, session.begin():
        issued = enter(
            session, Vault(settings.key_encryption_keys, settings.index_key), NOW - timedelta(days=9)
        )
    app = create_app(settings, checker=CannedChecker(), clock=FrozenClock())
    yield app, issued, proxy
    app.extensions["portal"].engine.dispose()
    proxy.close()
    engine.dispose()
    postgres.empty(_postgres_database, [table.name for table in reversed(Base.metadata.sorted_tables)])


@pytest.fixture
def proxied(
    behind: tuple[Flask, Issued, FaultProxy],
) -> tuple[Callable[[], TestResponse], Callable[[], TestResponse], FaultProxy]:
    """A scan, a typed code, and the proxy that the database is behind."""
    app, issued, proxy = behind
    return (
        lambda: app.test_client().get(issued.path, headers=JSON),
        lambda: post(app.test_client(), "/lookup", typed_form(issued), **JSON),
        proxy,
    )


@pytest.mark.parametrize("fault", ["hang", "reset", "half-close"])
def test_the_database_fails_rel_05(
    proxied: tuple[Callable[[], TestResponse], Callable[[], TestResponse], FaultProxy], fault: str
) -> None:
    scan, typed, proxy = proxied
    assert body(scan())["verdict"] == "GENUINE_CURRENT"
    proxy.turn(fault)

    # 1 No wrong verdict, no fault page, nobody stuck, however many ask.
    began = time.monotonic()
    with ThreadPoolExecutor(12) as pool:
        answers = [one.result(60) for one in [pool.submit(ask) for ask in (scan, typed) * 8]]
    for answer in answers:
        assert (answer.status_code, body(answer)["verdict"]) == (200, "CHECK_INCOMPLETE")
        assert answer.headers["Cache-Control"] == "no-store"
    assert time.monotonic() - began < 3 * LONGEST

    # 2 Back by itself.
    proxy.turn("pass")
    eventually(lambda: body(scan())["verdict"] == "GENUINE_CURRENT", 20)
    assert body(typed())["verdict"] == "GENUINE_CURRENT"


def test_behind_the_sign_in_a_database_that_fails_is_no_fault_of_the_page(
    behind: tuple[Flask, Issued, FaultProxy],
) -> None:
    """REL-05: nothing was changed, and it says so and when to come again."""
    app, _, proxy = behind
    client = app.test_client()
    client.set_cookie("session", "x" * 43)
    assert client.get("/account").status_code == 303  # nobody's session
    proxy.turn("hang")
    answer = client.get("/account")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    assert "chưa có gì thay đổi" in answer.text


def test_a_slow_database_is_only_slow(
    proxied: tuple[Callable[[], TestResponse], Callable[[], TestResponse], FaultProxy],
) -> None:
    scan, _, proxy = proxied
    proxy.turn("pass", delay=0.05)
    assert body(scan())["verdict"] == "GENUINE_CURRENT"


def test_a_command_waits_as_long_as_it_takes(postgres: PostgresCluster) -> None:
    """A migration of millions of rows is no hang; a request does not wait for it."""
    engine = make_engine(postgres.url("postgres"))
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT pg_sleep(1)")
    token = PATIENCE.set(0.2)
    with pytest.raises(OperationalError), engine.connect() as connection:
        connection.exec_driver_sql("SELECT pg_sleep(1)")
    PATIENCE.reset(token)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1
    engine.dispose()


@pytest.mark.parametrize("fault", ["hang", "reset", "half-close"])
def test_the_network_to_redis_fails_rel_05(redis_server: RedisServer, fault: str) -> None:
    proxy = FaultProxy(redis_server.port)
    far = gate(f"redis://127.0.0.1:{proxy.port}/0")
    assert far.charge(MISS, "192.0.2.1") is None
    proxy.turn(fault)
    waited = 0.0
    for number in range(20):
        began = time.monotonic()
        assert far.charge(MISS, f"192.0.2.{number}") is None
        waited += time.monotonic() - began
    assert waited < 20 * 0.2 / 2  # had each of them waited for Redis, it would be twice that
    proxy.turn("pass")
    eventually(lambda: far.counters.available)
    far.counters.close()
    proxy.close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.mark.parametrize("fault", ["hang", "reset", "half-close"])
def test_the_object_store_fails_rel_05(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    """Reading goes by plain HTTP, which any web server speaks: ours is Python's, with one bucket."""
    data = b"stored"
    name = name_of(data)
    (tmp_path / "bucket" / name[:2]).mkdir(parents=True)
    (tmp_path / "bucket" / name[:2] / name).write_bytes(data)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(tmp_path)))
    serve_in_thread(server)
    proxy = FaultProxy(server.server_port)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    monkeypatch.setenv("AWS_REGION", "local")
    short = timedelta(seconds=TIMEOUT)
    files = ObjectFiles("s3://bucket", connect_timeout=short, timeout=short)
    assert files.get(name) == data
    proxy.turn(fault)
    began = time.monotonic()
    with pytest.raises(BaseError):
        files.get(name)
    assert time.monotonic() - began < 20 * TIMEOUT
    proxy.turn("pass")
    assert files.get(name) == data
    server.shutdown()
    proxy.close()
