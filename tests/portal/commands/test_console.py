"""What every command says when the ground under it is missing: lines and exit code 1, never a trace."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.audit.models import AuditEntry
from portal.config import Settings
from portal.database import make_engine
from portal.factory import create_app
from portal.vault import VaultError
from tests.servers import PostgresCluster

COMMANDS = (
    ("trust", "list"),
    ("trust", "add-department", "91", "--name", "Sở", "--province", "An Giang"),
    ("trust", "approve", "x"),
    ("registry", "revalidate"),
)


def run(settings: Settings, *arguments: str) -> Result:
    """The command's result; a fault is raised, an exit code is not."""
    result = create_app(settings).test_cli_runner().invoke(args=list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c[1])
def test_an_empty_database_is_told_how_to_get_its_tables(
    settings: Settings, command: tuple[str, ...]
) -> None:
    settings.instance_dir.mkdir(parents=True, exist_ok=True)
    result = run(settings, *command)
    assert result.exit_code == 1
    error, hint = result.stderr.splitlines()
    assert error.startswith("error: ")
    assert hint == "hint: flask --app wsgi database upgrade"


def test_an_empty_postgresql_is_told_the_same(settings: Settings, postgres: PostgresCluster) -> None:
    name = postgres.create()
    result = run(replace(settings, database_url=postgres.url(name)), "trust", "list")
    postgres.drop(name)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == "hint: flask --app wsgi database upgrade"


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////no/such/folder/portal.sqlite3",
        "sqlite:////proc/version",
        "postgresql+psycopg://someone:secret@127.0.0.1:1/portal",
    ],
)
@pytest.mark.parametrize("command", [("trust", "list"), ("database", "upgrade"), ("registry", "revalidate")])
def test_a_database_out_of_reach_is_one_line(settings: Settings, url: str, command: tuple[str, ...]) -> None:
    result = run(replace(settings, database_url=url), *command)
    assert result.exit_code == 1
    error, hint = result.stderr.splitlines()
    assert error.startswith("error: Không dùng được cơ sở dữ liệu: ")
    assert "DATABASE_URL" in hint
    assert "secret" not in result.stderr


def test_a_sealed_value_that_does_not_open_is_an_error_line(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**_: object) -> None:
        raise VaultError("wrapped key does not open")

    monkeypatch.setattr("portal.commands.registry.revalidate_all", broken)
    result = run(settings, "registry", "revalidate")
    assert result.exit_code == 1
    assert "KEY_ENCRYPTION_KEYS" in result.stderr.splitlines()[1]


@pytest.mark.parametrize("url", ["s3://", "file:///proc/no/such", "az://"])
def test_an_unusable_file_store_stops_the_start_in_one_line(tmp_path: Path, url: str) -> None:
    environment = {**os.environ, "INSTANCE_DIR": str(tmp_path), "FILE_STORE_URL": url}
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", "trust", "list"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: FILE_STORE_URL: ")


def other_key(settings: Settings, name: str) -> Settings:
    """The same instance with one key replaced under its old name."""
    if name == "INDEX_KEY":
        return replace(settings, index_key=bytes(range(32)))
    ((key_id, _), *_) = settings.key_encryption_keys
    return replace(settings, key_encryption_keys=((key_id, bytes(range(32))),))


@pytest.mark.parametrize("name", ["INDEX_KEY", "KEY_ENCRYPTION_KEYS"])
def test_a_wrong_key_is_named_and_nothing_is_written(
    settings: Settings, name: str, database_url: str
) -> None:
    settings = replace(settings, database_url=database_url)
    assert run(settings, "database", "upgrade").exit_code == 0
    wrong = other_key(settings, name)
    department = ("trust", "add-department", "91", "--name", "Sở", "--province", "An Giang")
    for command in (department, ("database", "upgrade"), ("registry", "revalidate")):
        result = run(wrong, *command)
        assert result.exit_code == 1
        error, hint = result.stderr.splitlines()
        assert error.startswith(f"error: {name} ")
        assert hint.startswith("hint: ")
    engine = make_engine(database_url)
    with Session(engine) as session:
        assert session.scalar(select(func.count()).select_from(AuditEntry)) == 0
    engine.dispose()
    assert run(settings, *department).exit_code == 0


def test_keys_may_be_rotated_but_a_new_index_key_is_caught_at_first_use(
    settings: Settings, database_url: str
) -> None:
    settings = replace(settings, database_url=database_url)
    department = ("trust", "add-department", "91", "--name", "Sở", "--province", "An Giang")
    assert run(settings, *department).exit_code == 0  # the first use notes the keys
    rotated = (("k2", bytes(range(1, 33))), *settings.key_encryption_keys)
    assert run(replace(settings, key_encryption_keys=rotated), "database", "upgrade").exit_code == 0
    again = (("k2", bytes(range(2, 34))), *settings.key_encryption_keys)
    assert "“k2”" in run(replace(settings, key_encryption_keys=again), "registry", "revalidate").stderr
    assert "INDEX_KEY" in run(other_key(settings, "INDEX_KEY"), "registry", "revalidate").stderr
