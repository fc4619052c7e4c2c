"""A record is destroyed by two persons, an older backup comes back, and nothing of the record with it
(SEC-41). Real commands, real databases, real backups; every byte that is kept is searched.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.config import Settings
from portal.demo import classes
from portal.demo.authority import Authority
from portal.extensions import KEY, Resources
from portal.factory import create_app
from portal.issuing.models import Issuance
from portal.migrations import upgrade
from portal.registry import service as registry
from portal.registry.models import Record, RecordVersion, RegisteredFile
from portal.results.models import CheckResult
from tests.conftest import FrozenClock
from tests.portal.audit.reading import entries
from tests.portal.issuing.conftest import authority, primary
from tests.portal.issuing.test_commands import NoChecker
from tests.portal.issuing.world import ISSUED_ON, NOW, School, class_plan, enter_trust, key_list
from tests.portal.two_persons import as_user
from tests.servers import PostgresCluster
from verifier.locator import Locator, group

__all__ = ["authority", "primary"]

ROOT = Path(__file__).resolve().parents[3]
CANARY = "Trịnh Hoàng Yến Oanh"
JSON = {"Accept": "application/json"}


@dataclass
class House:
    """An installation with its backups. ``cluster`` None: SQLite."""

    app: Flask
    folder: Path
    environment: dict[str, str]
    cluster: PostgresCluster | None
    name: str
    rows: tuple[dict[str, object], ...]

    @property
    def portal(self) -> Resources:
        bundle: Resources = self.app.extensions[KEY]
        return bundle

    def run(self, *arguments: object, code: int = 0) -> Result:
        result = self.app.test_cli_runner().invoke(args=[str(a) for a in arguments])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result

    def start(self) -> subprocess.CompletedProcess[str]:
        """What a server does before its first request."""
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return subprocess.run(
            [sys.executable, "-c", "import wsgi"], cwd=ROOT, env=inherited | self.environment,
            capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip

    def back_up(self) -> str:
        shutil.copytree(self.folder / "files", self.folder.parent / "files-backup")
        if self.cluster is not None:
            return self.cluster.dump(self.name)
        path = self.folder.parent / "backup.sqlite3"
        with (
            closing(sqlite3.connect(self.folder / "portal.sqlite3")) as here,
            closing(sqlite3.connect(path)) as there,
        ):
            here.backup(there)
        return str(path)

    def restore(self, backup: str) -> None:
        self.portal.engine.dispose()
        shutil.rmtree(self.folder / "files")
        shutil.copytree(self.folder.parent / "files-backup", self.folder / "files")
        if self.cluster is not None:
            self.cluster.restore(self.name, backup)
            return
        for path in self.folder.glob("portal.sqlite3*"):
            path.unlink()
        shutil.copyfile(backup, self.folder / "portal.sqlite3")

    def kept(self) -> dict[str, bytes]:
        """Every byte that this installation keeps: its whole folder (database with write-ahead log, file
        store, tombstones), the dump of its database, its trail.
        """
        found = {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file() and path.name not in ("secrets.json", "trail.jsonl")
        }
        if self.cluster is not None:
            found["dump"] = self.cluster.dump(self.name).encode()
        trail = self.folder.parent / "trail.jsonl"
        trail.unlink(missing_ok=True)
        self.run("audit", "export", "--out", trail)
        found["trail"] = trail.read_bytes()
        return found

    def traces(self, needles: dict[str, bytes]) -> set[tuple[str, str]]:
        """Which needle is in which kept thing, raw or as hexadecimal digits."""
        kept = self.kept()
        return {
            (name, where)
            for where, data in kept.items()
            for name, needle in needles.items()
            if needle in data or needle.hex().encode() in data
        }


@pytest.fixture(params=["sqlite", "postgresql"])
def house(
    request: pytest.FixtureRequest, tmp_path: Path, authority: Authority, primary: School
) -> Iterator[House]:
    folder = tmp_path / "instance"
    keys = key_list(tmp_path / "keys.json", primary.credentials)
    environment = {"INSTANCE_DIR": str(folder), "SIGNING_KEYS": str(keys)}
    cluster: PostgresCluster | None = None
    name = ""
    if request.param == "postgresql":
        cluster = request.getfixturevalue("postgres")
        name = cluster.create()
        environment["DATABASE_URL"] = cluster.url(name)
    app = create_app(Settings.from_environment(environment), checker=NoChecker(), clock=FrozenClock(NOW))
    engine = app.extensions[KEY].engine
    upgrade(engine)
    with Session(engine) as session, session.begin():
        enter_trust(session, authority, [primary], NOW)
    rows = tuple(dict(row) for row in classes.rows(class_plan("TIEU_HOC"), ISSUED_ON))
    yield House(app, folder, environment, cluster, name, rows)
    engine.dispose()
    if cluster is not None:
        cluster.drop(name)


def secrets_of(house: House, record_id: str) -> dict[str, bytes]:
    """The canary, whatever was sealed, and whatever would open it."""
    with Session(house.portal.engine) as session:
        record = session.scalars(select(Record).where(Record.record_id == record_id)).one()
        versions = session.scalars(select(RecordVersion).where(RecordVersion.record_pk == record.id)).all()
        files = session.scalars(
            select(RegisteredFile).where(RegisteredFile.version_pk.in_([v.id for v in versions]))
        ).all()
        issuances = session.scalars(select(Issuance).where(Issuance.record_id == record_id)).all()
        found = {
            "canary": CANARY.encode(),
            "wrapped key": record.wrapped_key,
            "data key": house.portal.vault._data_key(record.wrapped_key),
        }
        for version in versions:
            found[f"disclosures {version.version}"] = version.disclosures_sealed[:200]
            found[f"disclosures' end {version.version}"] = version.disclosures_sealed[-100:]
            found[f"public {version.version}"] = version.public_sealed
        for issuance in issuances:
            found[f"intent {issuance.version}"] = issuance.intent_sealed[:200]
            found[f"intent's end {issuance.version}"] = issuance.intent_sealed[-100:]
        for file in files:
            stored = house.portal.files.get(file.stored_name)
            found[f"file {file.sha256[:8]}"] = stored[:200]
            found[f"file's end {file.sha256[:8]}"] = stored[-200:]
    assert len(found) == 3 + 2 * 3 + 2 * 2 + 2 * 2  # two versions
    return found


@dataclass(frozen=True, slots=True)
class Told:
    """Two issued records: of the one with the canary its newest file and every secret, and the codes."""

    record_id: str
    pdf: bytes
    path: str
    other_path: str
    result: str  # the address of what a check of its code answered
    needles: dict[str, bytes]

    @property
    def sealed(self) -> set[str]:
        """What is kept of it, as long as it is there; never the text itself, never its key in clear."""
        return set(self.needles) - {"canary", "data key"}


def issue_two(house: House, folder: Path) -> Told:
    """By the commands; the one with the canary is corrected once."""
    lines = folder / "lop.jsonl"

    def class_file(*rows: dict[str, object]) -> Path:
        lines.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        return lines

    one, two = house.rows[0] | {"ho_va_ten": CANARY}, house.rows[1]
    house.run("issue", class_file(one, two))
    house.run("correct", class_file(one | {"can_nang": "31.5"}), "--reason", "Nhập nhầm")
    with Session(house.portal.engine) as session:
        records = {r.record_id: r.versions for r in session.scalars(select(Record))}
        record_id, other = sorted(records, key=lambda each: -len(records[each]))
        newest = records[record_id][1]
        file = session.scalars(select(RegisteredFile).where(RegisteredFile.version_pk == newest.id)).one()
        pdf = registry.read_file(session, house.portal.vault, house.portal.files, file.sha256)
        assert pdf is not None
        path, other_path = (f"/V/{Locator(each, records[each][-1].digest)}" for each in (record_id, other))
    client = house.app.test_client()
    result, _ = (
        client.post("/ket-qua", data={"code": each[3:]}, content_type="multipart/form-data").headers[
            "Location"
        ]
        for each in (path, other_path)
    )
    assert client.get(result).status_code == 200
    return Told(record_id, pdf, path, other_path, result, secrets_of(house, record_id))


def results_of(house: House, record_id: str) -> tuple[int, int]:
    """How many kept results name a record, and how many of them this one. That of a check of its file
    afterwards names none.
    """
    with Session(house.portal.engine) as session:
        named = session.scalars(select(CheckResult.record_id)).all()
    return len(named) - named.count(None), named.count(record_id)


def destroy_by_two(house: House, record_id: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The decision by which it was destroyed. Nobody's wish erases it; one person alone does not either."""
    refused = house.run("erasure", "record", record_id, code=1)
    assert "88/2026" in refused.stderr
    assert "91/2025" in refused.stderr
    as_user(monkeypatch, "an.nguyen")
    said = house.run(
        "decisions", "propose", "destroy_record_key", record_id,
        "--reason", "court_order", "--reference", "7/2026/QĐ-TAND",
    ).output  # fmt: skip
    decision = said.split(":", 1)[0]
    assert group(record_id) in house.run("decisions", "list").output
    house.run("erasure", "destroy", decision, code=1)
    as_user(monkeypatch, "An_Nguyen")
    assert "người thứ hai" in house.run("decisions", "confirm", decision, code=1).stderr
    as_user(monkeypatch, "binh.tran")
    house.run("decisions", "confirm", decision)
    assert "keys rotate" in " ".join(house.run("erasure", "destroy", decision).stderr.split())
    assert "đã thực hiện" in house.run("decisions", "list", "--all").output
    house.run("erasure", "destroy", decision, code=1)
    return decision


def nothing_left(house: House, told: Told) -> None:
    """Not a byte of it; what is left answers truthfully; the other record is untouched."""
    assert house.traces(told.needles) == set()
    client = house.app.test_client()
    scan = client.get(told.path, headers=JSON).get_json()
    assert (scan["verdict"], scan["record"]) == ("CHECK_INCOMPLETE", None)
    assert scan["reasons"] == ["evidence_destroyed"]
    page = client.get(told.path).get_data(as_text=True)
    assert "đã bị hủy theo một quyết định" in page
    assert "chưa phải là đúng, cũng chưa phải là sai" in page
    given = {"file": (BytesIO(told.pdf), "hoc-ba.pdf")}
    upload = client.post("/check", data=given, headers=JSON).get_json()
    assert upload["verdict"] == "CHECK_INCOMPLETE"
    assert client.get(told.other_path, headers=JSON).get_json()["verdict"] == "GENUINE_CURRENT"
    assert client.get(told.result).status_code == 404
    assert results_of(house, told.record_id) == (1, 0)


def test_a_restored_backup_yields_nothing_of_what_was_erased_sec_41(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEC-41, SEC-24: canary, backup, erasure by two persons, older backup restored, tombstones replayed."""
    told = issue_two(house, tmp_path)
    backup = house.back_up()
    assert {name for name, _ in house.traces(told.needles)} == told.sealed  # the search finds what is there
    decision = destroy_by_two(house, told.record_id, monkeypatch)
    nothing_left(house, told)
    assert house.start().returncode == 0

    # The older backup: everything is back, and the portal does not start.
    house.restore(backup)
    assert {name for name, _ in house.traces(told.needles)} == told.sealed
    assert results_of(house, told.record_id) == (2, 1)
    started = house.start()
    assert started.returncode == 1
    assert "erasure replay" in started.stderr
    assert "Traceback" not in started.stderr
    house.run("erasure", "check", code=1)

    # Replayed: gone again, told, and nothing more to do.
    assert "Đã xóa lại 1 mục" in house.run("erasure", "replay").output
    nothing_left(house, told)
    assert house.start().returncode == 0
    house.run("erasure", "check")
    assert "Đã xóa lại 0 mục" in house.run("erasure", "replay").output
    with Session(house.portal.engine) as session:
        (entry,) = entries(session, "erasure")
    assert (entry["outcome"], entry["basis"], entry["details"]["decision"]) == ("done", "replay", decision)

    # The files alone come back, as from a backup of the store: erased as well.
    shutil.rmtree(house.folder / "files")
    shutil.copytree(house.folder.parent / "files-backup", house.folder / "files")
    assert "2 tệp" in house.run("erasure", "replay").output
    nothing_left(house, told)
