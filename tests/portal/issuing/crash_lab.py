"""Kills issuing processes and reads the history they leave. Run as a program; one JSON line a run on stdout.

    python -m tests.portal.issuing.crash_lab AUTHORITY FOLDER MODE FIRST_SEED COUNT

It is a process of its own because it forks: everything is imported once, and nothing here starts a thread
before a fork (setting a page with Typst or opening a file store would), as threads do not survive one. Each
run works in a copy of one prepared installation. A child issues rows and writes down what it was told is
done; it is killed at a point that the seed chooses, perhaps its successor too; the last one is left alone.
Then :meth:`Lab.history_problems` reads database and store: what must hold whatever happened.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.config import Settings
from portal.database import make_engine
from portal.demo.authority import Authority
from portal.errors import Refusal
from portal.filestore import ObjectFiles, name_of
from portal.issuing import lint, service
from portal.issuing.keys import KeyRing, load_keys
from portal.issuing.lock import exclusive
from portal.issuing.models import Stage
from portal.issuing.plan import Choices
from portal.issuing.rendering import Renderer
from portal.issuing.service import Row, State
from portal.migrations import upgrade
from portal.registry.service import standing_of
from portal.vault import Vault
from tests.conftest import FrozenClock
from tests.portal.audit.reading import entries
from tests.portal.issuing.world import (
    NOW,
    School,
    World,
    changed,
    class_plan,
    enter_trust,
    key_list,
    open_school,
)
from verifier import pades
from verifier.policy import DEFAULT
from verifier.verdict import Standing, VersionState

POINTS_A_ROW = 13  # of a record with three signatures, from "reserving" to "registered"
DONE = (State.ISSUED, State.ALREADY)


@dataclass(frozen=True)
class Scenario:
    """What is issued, and which (record row, version) must stand in the registry in the end."""

    name: str
    rows: tuple[Row, ...]
    correction: str | None
    versions: dict[str, int]  # pupil code -> newest version


class LoggingVault(Vault):
    """Writes down the name of every sealed file, so that objects without a row can be told apart
    afterwards.
    """

    log: Path

    def seal(
        self, wrapped: bytes, plaintext: bytes, *, table: str, column: str, row: str, version: int
    ) -> bytes:
        sealed = super().seal(wrapped, plaintext, table=table, column=column, row=row, version=version)
        if table == "registered_files":
            _append(self.log, {"name": name_of(sealed), "sha256": row})
        return sealed


class Lab:
    """One prepared installation and the ways to run it."""

    def __init__(self, authority: Authority, folder: Path) -> None:
        self.authority = authority
        self.folder = folder
        school = open_school(authority, class_plan("TIEU_HOC"))
        # A P-256 seal: signing again gives another file, so that two files for one version cannot hide.
        seal = authority.seal(school.plan.name, ca=school.plan.seal_ca, key="p256", handle="crash-seal")
        self.school: School = replace(school, seal=seal)
        folder.mkdir(parents=True)
        self.ring: KeyRing = load_keys(key_list(folder / "keys.json", self.school.credentials))
        self.template = folder / "template"
        self._prepare()

    def _prepare(self) -> None:
        """Schema and trust, and one pupil whose record is issued already, to be corrected."""
        world = self.world(self.template)
        upgrade(world.engine)
        with Session(world.engine) as session, session.begin():
            enter_trust(session, self.authority, [self.school], NOW)
        world.engine.dispose()
        issued = self.fork(
            lambda: self.issue(self.template, Scenario("first", self.school.rows[2:3], None, {}))
        )
        if wait(issued) != 0:
            raise RuntimeError("the installation could not be prepared")

    def world(self, folder: Path) -> World:
        settings = Settings.from_environment({"INSTANCE_DIR": str(folder)})
        vault = LoggingVault(settings.key_encryption_keys, settings.index_key)
        vault.log = folder / "sealed.jsonl"
        return World(
            make_engine(settings.database_url),
            vault,
            ObjectFiles(settings.file_store_url),
            self.authority,
            (self.school,),
            self.ring,
            FrozenClock(NOW),
            Renderer(),
        )

    def scenario(self, rng: random.Random) -> Scenario:
        one, two, corrected = self.school.rows[:3]
        match rng.randrange(6):
            case 0 | 1:
                return Scenario("two", (one, two), None, {_code(one): 1, _code(two): 1, _code(corrected): 1})
            case 2 | 3:
                better = changed(corrected, can_nang="31.5")
                return Scenario("correction", (better,), "Nhập nhầm", {_code(corrected): 2})
            case _:
                return Scenario("one", (one,), None, {_code(one): 1, _code(corrected): 1})

    def issue(
        self, folder: Path, scenario: Scenario, at: Callable[[str], None] | None = None, *, lock: bool = False
    ) -> None:
        """What the command does; each outcome is written down when it is known."""
        world = self.world(folder)
        desk = replace(world.desk, at=at) if at else world.desk
        acknowledged = folder / "acknowledged.jsonl"
        try:
            with exclusive(world.engine, folder) if lock else nullcontext():
                store = world.store()
                order = service.Order(Choices(), store, scenario.correction)
                works = service.examine(desk, scenario.rows, order)
                for outcome in service.issue(desk, works, store):
                    _append(
                        acknowledged,
                        {
                            "where": outcome.where,
                            "state": outcome.state,
                            "record_id": outcome.record_id,
                            "version": outcome.version,
                            "codes": [problem.code for problem in outcome.problems],
                        },
                    )
        except Refusal as refused:
            _append(acknowledged, {"where": "", "state": "refused", "codes": [refused.code]})

    def fork(self, work: Callable[[], None]) -> int:
        """A child that does ``work`` and ends with status 0, or with 1 and a traceback."""
        child = os.fork()
        if child:
            return child
        try:
            work()
        except BaseException:
            sys.excepthook(*sys.exc_info())
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)

    # The modes.

    def points(self, seed: int) -> dict[str, Any]:
        """Killed at a chosen point, in a third of the runs a second time, then finished."""
        rng = random.Random(seed)  # noqa: S311 - a seed names a run
        scenario = self.scenario(rng)
        places = POINTS_A_ROW * len(scenario.rows)
        kills = [rng.randint(1, places)] + ([rng.randint(1, places)] if rng.random() < 0.35 else [])
        folder = self._copy(f"points-{seed}")
        seen: list[str] = []
        for number, kill in enumerate((*kills, 0)):
            trace = folder / f"points-{number}.txt"
            status = wait(self.fork(partial(self.issue, folder, scenario, killer(kill, trace))))
            passed = trace.read_text().split("\n")[:-1] if trace.exists() else []
            seen.append(passed[-1] if status == -signal.SIGKILL else "")
            if status not in (0, -signal.SIGKILL) or (kill == 0 and status != 0):
                return self._report(seed, scenario, folder, seen, [f"child {number} ended with {status}"])
        return self._report(seed, scenario, folder, seen, [])

    def moments(self, seed: int) -> dict[str, Any]:
        """Killed at a random moment, wherever it is, inside a commit or a write too; then finished."""
        rng = random.Random(seed)  # noqa: S311 - a seed names a run
        scenario = self.scenario(rng)
        folder = self._copy(f"moments-{seed}")
        started = folder / "started"

        def begin(point: str) -> None:
            if point == "reserving":
                started.touch()

        child = self.fork(lambda: self.issue(folder, scenario, begin))
        while not started.exists():
            if os.waitpid(child, os.WNOHANG)[0]:
                return self._report(seed, scenario, folder, [], ["the child ended before it began"])
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.35 * len(scenario.rows)))
        os.kill(child, signal.SIGKILL)
        wait(child)
        status = wait(self.fork(lambda: self.issue(folder, scenario)))
        return self._report(seed, scenario, folder, [], [f"ended with {status}"] if status else [])

    def together(self, seed: int) -> dict[str, Any]:
        """Three runs of one file at once; in two of three runs without the lock, over what a killed run
        left.
        """
        rng = random.Random(seed)  # noqa: S311 - a seed names a run
        scenario = self.scenario(rng)
        folder = self._copy(f"together-{seed}")
        lock = seed % 3 == 0
        if seed % 2:
            kill = rng.randint(2, POINTS_A_ROW)
            wait(self.fork(lambda: self.issue(folder, scenario, killer(kill, folder / "points.txt"))))
        hooks = [dawdler(rng.random()) for _ in range(3)]
        children = [self.fork(partial(self.issue, folder, scenario, hook, lock=lock)) for hook in hooks]
        wrong = [f"ended with {status}" for status in map(wait, children) if status]
        status = wait(self.fork(lambda: self.issue(folder, scenario)))
        wrong += [f"the last ended with {status}"] if status else []
        issued = [
            (line["record_id"], line["version"])
            for line in _lines(folder / "acknowledged.jsonl")
            if line["state"] == State.ISSUED
        ]
        if len(issued) != len(set(issued)):
            wrong.append(f"issued more than once: {issued}")
        return self._report(seed, scenario, folder, [], wrong)

    def _copy(self, name: str) -> Path:
        folder = self.folder / name
        shutil.copytree(self.template, folder)
        (folder / "acknowledged.jsonl").unlink()
        return folder

    def _report(
        self, seed: int, scenario: Scenario, folder: Path, killed: list[str], wrong: list[str]
    ) -> dict[str, Any]:
        found = folder / "problems.json"
        # In a child too: the file store starts threads, which the next fork would not survive either.
        read = self.fork(lambda: _write(found, self.history_problems(folder, scenario)))
        problems = [
            *wrong,
            *(["the history could not be read"] if wait(read) else json.loads(found.read_text())),
        ]
        if not problems:
            shutil.rmtree(folder)
        return {"seed": seed, "scenario": scenario.name, "killed": killed, "problems": problems}

    def history_problems(self, folder: Path, scenario: Scenario) -> list[str]:
        """Everything that must hold and does not."""
        world = self.world(folder)
        problems: list[str] = []
        issuances, registered = world.issuances(), world.registered()

        # 1 Every version once, one current version a record, none left on its way.
        problems += [f"left {i.stage}" for i in issuances if i.stage != Stage.REGISTERED]
        problems += ["an unfinished file is kept" for i in issuances if i.stage_sealed is not None]
        by_record: dict[str, list[tuple[int, str]]] = {}
        for record, version, _ in registered:
            by_record.setdefault(record.pupil_index, []).append((version.version, version.state))
        expected = sorted(
            [
                (number, VersionState.CURRENT if number == newest else VersionState.SUPERSEDED)
                for number in range(1, newest + 1)
            ]
            for newest in scenario.versions.values()
        )
        if sorted(by_record.values()) != expected:
            problems.append(f"versions {sorted(by_record.values())}, expected {expected}")
        reserved = {(i.record_id, i.version): i for i in issuances}
        if len(reserved) != len(issuances) or len(issuances) != len(registered):
            problems.append(f"{len(issuances)} issuances, {len(registered)} registered")

        # 2 What was acknowledged is there.
        there = {(record.record_id, version.version) for record, version, _ in registered}
        told = _lines(folder / "acknowledged.jsonl")
        done = {(line["record_id"], line["version"]) for line in told if line["state"] in DONE}
        problems += [f"acknowledged and lost: {gone}" for gone in done - there]
        for where in {row.where for row in scenario.rows}:
            ids = {(x["record_id"], x["version"]) for x in told if x["where"] == where and x["state"] in DONE}
            if len(ids) != 1:
                problems.append(f"{where} was acknowledged as {sorted(ids)}")
        allowed = {"issuing_elsewhere", "issuing_in_progress"}
        problems += [
            f"failed: {x}" for x in told if x["state"] not in DONE and not set(x["codes"]) <= allowed
        ]

        # 3 Every registered file is readable, is the one that was sealed, and passes every check.
        store = world.store()
        for record, version, file in registered:
            data = world.content(record, version, file)
            row = reserved[record.record_id, version.version]
            if (row.sealed_sha256, row.sealed_name) != (file.sha256, file.stored_name):
                problems.append(f"{record.record_id} was sealed as another file than it is registered")
            if sha256(data).hexdigest() != file.sha256:
                problems.append(f"{file.sha256} reads differently")
            structure = pades.Structure.from_json(json.loads(file.structure))
            report = pades.revalidate(data, structure, store, DEFAULT, NOW, registered_at=file.registered_at)
            if file.standing != Standing.PASSED or standing_of(report) is not Standing.PASSED:
                problems.append(f"{file.sha256} does not pass")

        # 4 An object without a row holds no registered file.
        objects = {p.name for p in (folder / "files").rglob("*") if re.fullmatch("[0-9a-f]{64}", p.name)}
        names = {file.stored_name for *_, file in registered}
        problems += [f"lost object {name}" for name in names - objects]
        made = {line["name"]: line["sha256"] for line in _lines(folder / "sealed.jsonl")}
        hashes = {file.sha256 for *_, file in registered}
        problems += [f"{name} holds a registered file" for name in objects - names if made[name] in hashes]

        # 5 The trail tells it, once.
        problems += _trail_problems(world, hashes)
        world.engine.dispose()
        return problems


def _trail_problems(world: World, hashes: set[str]) -> list[str]:
    """The trail is one chain; each version is told once, with a use of a key for each of its signatures."""
    with world.begin() as session:
        fault, trail = audit.check(session).fault, entries(session)
    problems = [] if fault is None else [f"the trail is broken at {fault.number}: {fault.code}"]
    done = [e for e in trail if e["outcome"] == "done"]
    issued = [e["details"] for e in done if e["action"] in ("issue", "correct")]
    if sorted(each["file"] for each in issued) != sorted(hashes):
        problems.append(f"{len(issued)} issues told, {len(hashes)} files registered")
    uses: dict[str, set[str]] = {}
    for e in done:
        if e["action"] == "key_use":
            uses.setdefault(e["object"], set()).add(e["details"]["field"])
    wanted = set(world.schools[0].rows[0].record.signature_fields)
    without = [each for each in issued if uses.get(f"issuance:{each['issuance']}") != wanted]
    return problems + [f"version {each['version']} without its uses of keys" for each in without]


def killer(place: int, trace: Path) -> Callable[[str], None]:
    """A hook that ends the process at its ``place``-th point (0: never), without any clean-up."""
    count = 0

    def at(point: str) -> None:
        nonlocal count
        count += 1
        with trace.open("a") as file:
            file.write(f"{point}\n")
        if count == place:
            os.kill(os.getpid(), signal.SIGKILL)

    return at


def dawdler(seed: float) -> Callable[[str], None]:
    """A hook that loses a little time at each point, so that runs overtake each other."""
    rng = random.Random(seed)  # noqa: S311 - a seed names a run

    def at(_: str) -> None:
        time.sleep(rng.uniform(0, 0.03))

    return at


def wait(child: int) -> int:
    """Exit status, or the negative number of the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _write(path: Path, value: list[str]) -> None:
    path.write_text(json.dumps(value))


def _append(path: Path, line: dict[str, Any]) -> None:
    """One write: a kill leaves the whole line or nothing."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(handle, json.dumps(line).encode() + b"\n")
    os.close(handle)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _code(row: Row) -> str:
    return row.record.ma_hoc_sinh


def main(arguments: Sequence[str]) -> None:
    authority, folder, mode, first, count = arguments
    # Every page here is a page that other tests lint; kills are the subject, and this is half of the time.
    lint.lint = lambda *_, **__: ()
    lab = Lab(Authority.create(Path(authority), NOW), Path(folder))
    run = {"points": lab.points, "moments": lab.moments, "together": lab.together}[mode]
    for seed in range(int(first), int(first) + int(count)):
        print(json.dumps(run(seed), ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
