"""What the portal puts on the disk is its owner's alone, however generous the umask of whoever starts it."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from portal.config import Settings
from portal.database import make_engine
from portal.factory import create_app
from portal.filestore import ObjectFiles, name_of
from portal.migrations import upgrade
from portal.uploads.service import trust_file


@pytest.fixture(autouse=True)
def _generous() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, str]:
    """Name -> mode of everything under ``folder`` and of itself."""
    found = {str(p.relative_to(folder.parent)): p for p in (folder, *folder.rglob("*"))}
    return {name: oct(stat.S_IMODE(path.stat().st_mode)) for name, path in found.items()}


def test_a_whole_instance(tmp_path: Path) -> None:
    folder = tmp_path / "instance"
    settings = Settings.from_environment({"INSTANCE_DIR": str(folder)})
    app = create_app(settings)
    assert app.test_cli_runner().invoke(args=["database", "upgrade"]).exit_code == 0
    engine = make_engine(settings.database_url)
    ObjectFiles(settings.file_store_url).put_new(name_of(b"sealed"), b"sealed")
    with Session(engine) as session, session.begin():
        trust_file(session, folder)
        session.execute(text("UPDATE trust_state SET epoch = 7"))
        session.flush()
        found = modes(folder)  # while the log beside the database is there
    engine.dispose()
    assert {"instance/portal.sqlite3-wal", "instance/portal.sqlite3-shm"} <= found.keys()
    assert {"instance/secrets.json", "instance/portal.sqlite3", "instance/files"} <= found.keys()
    assert len([name for name in found if name.startswith("instance/files/")]) >= 2
    assert len([name for name in found if name.startswith("instance/trust/")]) == 1
    folders = {name for name in found if (tmp_path / name).is_dir()}
    assert {
        name: mode for name, mode in found.items() if mode != ("0o700" if name in folders else "0o600")
    } == {}


def test_a_database_in_an_open_folder(tmp_path: Path) -> None:
    """A folder that an operator made beforehand does not open what is put into it."""
    tmp_path.chmod(0o777)
    path = tmp_path / "portal.sqlite3"
    engine = make_engine(f"sqlite:///{path}")
    upgrade(engine)
    assert modes(tmp_path)[f"{tmp_path.name}/portal.sqlite3"] == "0o600"
    engine.dispose()


def test_what_an_operator_decided_stays(tmp_path: Path) -> None:
    path = tmp_path / "portal.sqlite3"
    sqlite3.connect(path).close()
    path.touch()
    path.chmod(0o640)
    engine = make_engine(f"sqlite:///{path}")
    upgrade(engine)
    engine.dispose()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
