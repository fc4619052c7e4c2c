"""Key-encryption keys change while the portal works, and nothing becomes unreadable (SEC-40)."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session, sessionmaker

from portal import rotation
from portal.config import Settings
from portal.database import Base, confirm_keys
from portal.errors import Refusal
from portal.factory import create_app
from portal.registry import service as registry
from portal.registry.models import Record
from portal.vault import DESTROYED, Vault
from tests.conftest import ACTOR, NOW, FrozenClock
from tests.portal.audit.reading import entries
from tests.portal.commands.conftest import Run
from tests.portal.issuing.conftest import MakeWorld, authority, make_world, primary, renderer, ring, secondary
from tests.portal.issuing.world import School, changed
from tests.portal.rotation_lab import read_all
from tests.portal.web.world import enter
from verifier.locator import new_record_id

__all__ = ["authority", "make_world", "primary", "renderer", "ring", "secondary"]

OLD, NEW, INDEX = ("old-1", os.urandom(32)), ("new-2", os.urandom(32)), os.urandom(32)
BEFORE, DURING, AFTER = Vault([OLD], INDEX), Vault([NEW, OLD], INDEX), Vault([NEW], INDEX)
ROOT = Path(__file__).resolve().parents[2]

Begin = Callable[[], AbstractContextManager[Session]]


def stock(engine: Engine, vault: Vault, count: int) -> None:
    with Session(engine) as session, session.begin():
        for _ in range(count):
            enter(session, vault, NOW - timedelta(days=1), record_id=new_record_id(os.urandom(10)))


def begins(engine: Engine) -> tuple[Begin, Begin]:
    maker = sessionmaker(engine)
    return maker.begin, maker


def rotate(engine: Engine, vault: Vault = DURING) -> Iterator[int]:
    begin, read = begins(engine)
    return rotation.rotate(begin, read, vault, actor=ACTOR, clock=FrozenClock())


def held(engine: Engine) -> dict[tuple[str, str], int]:
    with Session(engine) as session:
        return {(each.key_id, each.table): each.count for each in rotation.held(session)}


def test_no_table_with_wrapped_keys_is_forgotten() -> None:
    named = {
        (table.name, column.name)
        for table in Base.metadata.tables.values()
        for column in table.columns
        if "wrapped" in column.name
    }
    assert named == {(table.name, "wrapped_key") for table in rotation.WRAPPED}
    assert all("id" in table.c for table in rotation.WRAPPED)


def test_all_keys_move_and_everything_still_opens(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "MANY", 5)
    stock(engine, BEFORE, 8)
    assert held(engine) == {("old-1", "records"): 8}
    assert list(rotate(engine)) == [5, 3]
    assert held(engine) == {("new-2", "records"): 8}
    with Session(engine) as session:
        assert read_all(session, AFTER) == 8
        told = entries(session, "key_rotation")
    assert [entry["details"] for entry in told] == [
        {"table": "records", "count": 5},
        {"table": "records", "count": 3},
    ]
    assert {entry["object"] for entry in told} == {"key:new-2"}
    # Again: nothing to do, nothing to tell.
    assert list(rotate(engine)) == []
    with Session(engine) as session:
        assert len(entries(session, "key_rotation")) == 2


def test_a_rotation_that_is_cut_off_goes_on(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "MANY", 2)
    stock(engine, BEFORE, 5)
    steps = rotate(engine)
    assert next(steps) == 2
    assert held(engine) == {("new-2", "records"): 2, ("old-1", "records"): 3}
    with Session(engine) as session:
        assert read_all(session, DURING) == 5
    assert list(rotate(engine)) == [2, 1]


def test_what_others_changed_meanwhile_stays_theirs(engine: Engine) -> None:
    """Between reading a row and writing it, one is destroyed and one is re-wrapped by somebody else."""
    stock(engine, BEFORE, 3)
    begin, read = begins(engine)
    theirs = b""

    @contextmanager
    def meddling() -> Iterator[Session]:
        nonlocal theirs
        if not theirs:
            with begin() as session:
                one, two, _ = session.scalars(select(Record).order_by(Record.id))
                theirs = two.wrapped_key = DURING.rewrap(two.wrapped_key)
                one.wrapped_key = DESTROYED
        with begin() as session:
            yield session

    assert list(rotation.rotate(meddling, read, DURING, actor=ACTOR, clock=FrozenClock())) == [1]
    with Session(engine) as session:
        wrapped = session.scalars(select(Record.wrapped_key).order_by(Record.id)).all()
    assert wrapped[:2] == [DESTROYED, theirs]
    assert held(engine) == {("new-2", "records"): 2}


def test_a_damaged_key_keeps_the_others_from_nothing(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    stock(engine, BEFORE, 2)
    with Session(engine) as session, session.begin():
        row = session.scalars(select(Record).limit(1)).one()
        row.wrapped_key = row.wrapped_key[:-1] + bytes([row.wrapped_key[-1] ^ 1])
        name = str(row.id)
    assert sum(rotate(engine)) == 1
    assert held(engine) == {("new-2", "records"): 1, ("old-1", "records"): 1}
    assert name in caplog.text


def test_ids_of_any_length_are_counted_apart(engine: Engine) -> None:
    for key_id in ("k", "kk", "k" * 16):
        stock(engine, Vault([(key_id, os.urandom(32))], INDEX), 1)
    assert held(engine) == {("k", "records"): 1, ("kk", "records"): 1, ("k" * 16, "records"): 1}


@pytest.mark.parametrize("point", ["reserved", "sealed", "registering"])
def test_issuing_goes_on_through_a_rotation_sec_40(
    make_world: MakeWorld, primary: School, engine: Engine, settings: Settings, point: str
) -> None:
    """SEC-40: the keys are re-wrapped between any two steps of an issue and of a correction, by a process
    that has the new key first while the issuing one has it last; versions are registered, their files are
    read, and a further run finds what was left under the old key.
    """
    old = settings.key_encryption_keys
    both = Vault([NEW, *old], settings.index_key)
    world = replace(make_world(primary), vault=Vault([*old, NEW], settings.index_key))
    moved = 0

    def at(reached: str) -> None:
        nonlocal moved
        if reached == point:
            moved += sum(rotate(engine, both))

    desk = replace(world.desk, at=at)
    row = primary.rows[0]
    outcomes = world.run([row], desk) + world.run([changed(row, can_nang="31.5")], desk, correction="Sửa")
    assert [(each.version, each.problems) for each in outcomes] == [(1, ()), (2, ())]
    assert moved > 1
    list(rotate(engine, both))
    assert {key for key, _ in held(engine)} == {NEW[0]}
    newest = Vault([NEW], settings.index_key)
    with Session(engine) as session:
        for _, _, file in world.registered():
            data = registry.read_file(session, newest, world.files, file.sha256)
            assert data is not None
            assert sha256(data).hexdigest() == file.sha256
        assert read_all(session, newest) == 2


def test_no_read_fails_while_keys_rotate_under_load_sec_40(
    engine: Engine, database_url: str, tmp_path: Path
) -> None:
    """SEC-40: two processes register and read records, one with the old key first, one with the new one
    first; meanwhile the keys are rotated. Not one read fails; when the one with the old order is gone, one
    more run leaves nothing under the old key, and everything opens without it.
    """
    stock(engine, BEFORE, 10)
    running: list[subprocess.Popen[str]] = []
    for name, order in (("old", (OLD, NEW)), ("new", (NEW, OLD))):
        task = tmp_path / f"{name}.json"
        told: dict[str, Any] = {
            "url": database_url,
            "keys": [(key_id, base64.b64encode(key).decode()) for key_id, key in order],
            "index_key": base64.b64encode(INDEX).decode(),
        }
        task.write_text(json.dumps(told))
        command = [sys.executable, "-m", "tests.portal.rotation_lab", str(task)]
        running.append(
            subprocess.Popen(  # noqa: S603 - our own command
                command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        )
    try:
        deadline = time.monotonic() + 300
        while len(list(tmp_path.glob("*.begun"))) < len(running):
            assert time.monotonic() < deadline, [process.poll() for process in running]
            time.sleep(0.05)
        moved = 0
        for _ in range(5):
            moved += sum(rotate(engine))
            time.sleep(0.2)
    finally:
        (tmp_path / "stop").touch()
        ended = [process.communicate(timeout=300) for process in running]
    assert [process.returncode for process in running] == [0, 0], [errors for _, errors in ended]
    work = [json.loads(output) for output, _ in ended]
    assert moved >= 10
    assert all(each["read"] and each["written"] for each in work)

    list(rotate(engine))
    assert {key for key, _ in held(engine)} == {"new-2"}
    with Session(engine) as session:
        assert read_all(session, AFTER) == 10 + sum(each["written"] for each in work)


def test_a_start_without_a_needed_key_is_refused_by_its_name(engine: Engine) -> None:
    """And allowed as soon as nothing is left under it."""
    stock(engine, BEFORE, 2)
    with Session(engine) as session, session.begin():
        confirm_keys(session, BEFORE.check_values())
    with Session(engine) as session:
        rotation.refuse_missing_keys(session, DURING)
        with pytest.raises(Refusal, match="“old-1”") as refused:
            rotation.refuse_missing_keys(session, AFTER)
        assert refused.value.code == "key_missing"
        assert "keys rotate" in refused.value.hint
    list(rotate(engine))
    with Session(engine) as session:
        rotation.refuse_missing_keys(session, AFTER)


def test_an_issuance_alone_needs_its_key(engine: Engine, make_world: MakeWorld, primary: School) -> None:
    """What is on its way counts like what is registered."""
    world = make_world(primary)

    class Ended(Exception):  # noqa: N818 - the process's end
        pass

    def at(reached: str) -> None:
        if reached == "reserved":
            raise Ended

    with pytest.raises(Ended):
        world.run(primary.rows[:1], replace(world.desk, at=at))
    with Session(engine) as session, session.begin():
        confirm_keys(session, world.vault.check_values())
    with Session(engine) as session, pytest.raises(Refusal, match=world.vault.key_ids[0]):
        rotation.refuse_missing_keys(session, AFTER)


def test_the_commands(settings: Settings, database_url: str, engine: Engine) -> None:
    """The procedure of docs/keys.md: new key behind, new key first, rotate, status, old key gone."""

    def portal(*keys: tuple[str, bytes]) -> Run:
        mine = replace(settings, database_url=database_url, key_encryption_keys=keys, index_key=INDEX)
        app = create_app(mine, clock=FrozenClock())

        def run(*arguments: object, code: int = 0) -> Result:
            result = app.test_cli_runner().invoke(args=[str(a) for a in arguments])
            assert result.exit_code == code, result.output
            return result

        return run

    stock(engine, BEFORE, 3)
    assert portal(OLD)("keys", "status").output == "old-1: 3 khóa dữ liệu (records 3); đang dùng để bọc\n"
    assert "new-2: 0 khóa dữ liệu (–); bỏ được" in portal(OLD, NEW)("keys", "status").output
    turned = portal(NEW, OLD)
    assert "old-1: 3 khóa dữ liệu (records 3); còn dùng để mở" in turned("keys", "status").output
    assert "Đã bọc lại 3 khóa dữ liệu bằng khóa “new-2”" in turned("keys", "rotate").output
    said = turned("keys", "rotate").output
    assert "Đã bọc lại 0" in said
    assert "old-1: 0 khóa dữ liệu (–); bỏ được" in said
    assert portal(NEW)("keys", "status").output == "new-2: 3 khóa dữ liệu (records 3); đang dùng để bọc\n"
    other = portal(("next-3", os.urandom(32)))
    assert "KHÔNG CÓ trong KEY_ENCRYPTION_KEYS" in other("keys", "status").output
    refused = other("keys", "rotate", code=1)
    assert "new-2" in refused.stderr
    assert "hint: " in refused.stderr
    with Session(engine) as session:
        assert [e["outcome"] for e in entries(session, "key_rotation")] == ["done", "refused"]
