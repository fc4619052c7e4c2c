"""The worker: does what is due, one failure stops nothing else, ends in order, dies without loss."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.accounts import contacts
from portal.commands import work
from portal.commands.work import FEATURES, Crew, Feature, Revalidation, Rounds, consents, families
from portal.config import Settings
from portal.consent.models import ConsentEvent
from portal.database import make_engine
from portal.extensions import KEY, Resources
from portal.filestore import ObjectFiles
from portal.messages import service as messages
from portal.messages.channels import mailer_for
from portal.messages.models import Message
from portal.messages.service import LEASE, Address, Kind, Sender
from portal.migrations import upgrade
from portal.ports import Channel
from portal.registry import service as registry
from portal.registry.models import FileCertificate, RegisteredFile
from portal.trust.models import TrustState
from portal.vault import Vault
from tests.conftest import NOW, FrozenClock
from tests.demo_instance import ROOT, DemoInstance
from tests.portal.accounts.families import FATHERS_EMAIL, OFFICE, PUPIL, SCHOOL, linked
from tests.portal.consent.world import World, done
from tests.portal.messages.outside import mail_server
from tests.portal.registry.samples import enter_pupil
from tests.portal.web.test_journal import lines, printed
from tests.servers import PostgresCluster
from verifier.verdict import Standing

__all__ = ["printed"]


def eventually(true: Callable[[], bool], seconds: float = 60) -> None:
    """Fails when it does not become true in time."""
    give_up = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < give_up
        time.sleep(0.05)


class Desk:
    """An instance with a database of its own, whose worker runs in its own process."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = dict(environment)
        self.settings = Settings.from_environment(environment)
        self.engine = make_engine(self.settings.database_url)
        self.vault = Vault(self.settings.key_encryption_keys, self.settings.index_key)
        upgrade(self.engine)

    def keep(self) -> uuid.UUID:
        with Session(self.engine) as session, session.begin():
            return messages.enqueue(
                session,
                self.vault,
                to=Address(Channel.EMAIL, "canary.bi@example.vn"),
                kind=Kind.STATUTORY_ACCESS,
                language="vi",
                parameters={"day": date(2026, 10, 5)},
                about=None,
                now=datetime.now(UTC),
            )

    def states(self) -> list[tuple[str, int]]:
        with Session(self.engine) as session:
            return [(m.state, m.attempts) for m in session.scalars(select(Message).order_by(Message.state))]

    @contextmanager
    def worker(self) -> Iterator[subprocess.Popen[bytes]]:
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        command = [sys.executable, "-m", "flask", "--app", "wsgi", "work"]
        process = subprocess.Popen(  # noqa: S603 - our own command
            command, cwd=ROOT, env=inherited | self.environment, stderr=subprocess.PIPE
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


@pytest.fixture(params=["sqlite", "postgresql"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[int], Desk]]:
    made: list[Desk] = []
    environment = {"INSTANCE_DIR": str(tmp_path / "instance"), "MAIL_FROM": "hocba@so.example.vn"}
    if request.param == "postgresql":
        cluster: PostgresCluster = request.getfixturevalue("postgres")
        name = cluster.create()
        environment["DATABASE_URL"] = cluster.url(name)

    def make(port: int) -> Desk:
        made.append(Desk(environment | {"MAIL_URL": f"smtp://127.0.0.1:{port}"}))
        return made[-1]

    yield make
    for each in made:
        each.engine.dispose()
    if request.param == "postgresql":
        cluster.drop(name)


def test_what_is_due_is_sent_and_sigterm_ends_after_the_item_in_hand(desk: Callable[[int], Desk]) -> None:
    with mail_server(None, sign_in=False) as trap:
        here = desk(trap.port)
        numbers = {here.keep() for _ in range(3)}
        with here.worker() as process:
            eventually(lambda: here.states() == [("sent", 1)] * 3)
            late = here.keep()  # while it runs
            trap.box.hang = 2
            eventually(lambda: len(trap.box.mails) == 4)
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=60)
            assert process.returncode == 0
        assert here.states() == [("sent", 1)] * 4
    sent = {str(mail["Message-ID"]) for mail in trap.box.mails}
    assert sent == {f"<{n}@so.example.vn>" for n in numbers | {late}}
    told = [json.loads(line) for line in said.decode("ascii").splitlines()]
    assert [line["message"] for line in told] == ["work begins"] + ["message"] * 4 + ["work ended"]
    assert b"canary" not in said


def test_killed_between_the_server_s_yes_and_the_mark(desk: Callable[[int], Desk]) -> None:
    """At least once: the message is sent again when the lease is over, with the same Message-ID and text."""
    with mail_server(None, sign_in=False) as trap:
        here = desk(trap.port)
        here.keep()
        with here.worker() as process:
            trap.box.taken = process.kill  # the mail is taken; SIGKILL; then the server says 250
            assert process.wait(60) == -signal.SIGKILL
        assert here.states() == [("waiting", 1)]
        assert len(trap.box.mails) == 1
        trap.box.taken = lambda: None
        clock = FrozenClock(datetime.now(UTC))
        assert not again(here, clock)
        clock.time += LEASE
        assert again(here, clock)
        assert here.states() == [("sent", 2)]
    first, second = trap.box.mails
    assert first["Message-ID"] == second["Message-ID"]
    assert first.as_bytes() == second.as_bytes()


def again(here: Desk, clock: FrozenClock) -> bool:
    """As another worker does, at the clock's time."""

    @contextmanager
    def begin() -> Iterator[Session]:
        with Session(here.engine) as session, session.begin():
            yield session

    return messages.deliver_due(
        begin,
        here.vault,
        mailer_for(here.settings),
        channel=Channel.EMAIL,
        sender=Sender.of(here.settings),
        clock=clock,
    )


def test_a_database_of_another_version_or_key_is_refused(tmp_path: Path) -> None:
    made = Desk({"INSTANCE_DIR": str(tmp_path / "i")})
    with make_engine(made.settings.database_url).begin() as connection:
        connection.exec_driver_sql("DROP TABLE key_checks")
    with made.worker() as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "database upgrade" in said.decode()


class TestCrew:
    @pytest.fixture(autouse=True)
    def _quick(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, seconds in (("_SHORTEST", 0.02), ("_LONGEST", 0.05), ("_FIRST_BACK_OFF", 0.02)):
            monkeypatch.setattr(work, name, seconds)
        monkeypatch.setattr(work, "_LAST_BACK_OFF", 0.16)

    def test_one_that_fails_stops_no_other_and_is_not_silent(self, app: Flask, printed: io.StringIO) -> None:
        failed: list[float] = []
        worked: list[Resources] = []

        def fail(_portal: Resources, _now: datetime) -> bool:
            failed.append(time.monotonic())
            raise RuntimeError("canary.bi@example.vn")

        def do(portal: Resources, now: datetime) -> bool:
            assert now == NOW
            worked.append(portal)
            return False

        crew = Crew(app, (Feature("cấp học bạ", fail), Feature("gửi tin", do)))
        eventually(lambda: len(failed) >= 6 and len(worked) >= 10)
        assert crew.is_whole()
        assert crew.stop()
        pauses = [after - before for before, after in pairwise(failed)]
        for pause, least in zip(pauses, (0.02, 0.04, 0.08, 0.16, 0.16), strict=False):
            assert pause >= least  # less and less often
        told = lines(printed)
        assert len(told) == len(failed)
        assert {line["message"] for line in told} == {"work failed: cấp học bạ"}
        assert told[0]["error"][0]["type"] == "builtins.RuntimeError"
        assert "canary" not in printed.getvalue()

    def test_as_long_as_there_is_something_nobody_sleeps(
        self, app: Flask, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("_SHORTEST", "_LONGEST", "_FIRST_BACK_OFF", "_LAST_BACK_OFF"):
            monkeypatch.setattr(work, name, 3600.0)
        left = [50]

        def do(_portal: Resources, _now: datetime) -> bool:
            left[0] -= 1
            if left[0] < 0:
                raise AssertionError("asked again at once though there was nothing")
            return left[0] > 0

        crew = Crew(app, (Feature("việc", do),))
        eventually(lambda: left[0] <= 0)
        crew.stop()

    @pytest.mark.usefixtures("printed")  # with its hook for threads, as in the real process
    def test_a_thread_that_is_gone_ends_the_worker(self, app: Flask) -> None:
        """Half a worker would look like a whole one."""

        def leave(_portal: Resources, _now: datetime) -> bool:
            raise SystemExit

        crew = Crew(app, (Feature("gone", leave), Feature("stays", lambda _portal, _now: False)))
        eventually(lambda: not crew.is_whole())
        assert not crew.stop()

    def test_stopping_waits_for_the_item_in_hand(self, app: Flask) -> None:
        began, done = threading.Event(), threading.Event()

        def do(_portal: Resources, _now: datetime) -> bool:
            began.set()
            time.sleep(0.5)
            done.set()
            return True

        crew = Crew(app, (Feature("lâu", do),))
        assert began.wait(30)
        assert crew.stop()
        assert done.is_set()


def test_every_feature_finds_nothing_to_do_in_an_empty_portal(app: Flask, clock: FrozenClock) -> None:
    portal: Resources = app.extensions[KEY]
    assert len({feature.name for feature in FEATURES}) == len(FEATURES)
    with app.app_context():
        for feature in FEATURES:
            assert not feature.work(portal, clock.now())


def test_codes_that_ran_out_are_erased(app: Flask, clock: FrozenClock) -> None:
    portal: Resources = app.extensions[KEY]
    with Session(portal.engine) as session, session.begin():
        messages.enqueue(
            session,
            portal.vault,
            to=Address(Channel.PHONE, "+84912345678"),
            kind=Kind.SIGN_IN_CODE,
            language="vi",
            parameters={"code": "190283", "minutes": 10},
            about=None,
            now=clock.now(),
        )
    erase = next(feature.work for feature in FEATURES if feature.name == "erasure of messages")
    with app.app_context():
        assert not erase(portal, clock.now())
        assert erase(portal, clock.now() + timedelta(minutes=10))
    with Session(portal.engine) as session:
        assert session.scalars(select(Message)).all() == []


def test_what_a_change_in_trust_touched_is_validated_anew(
    tmp_path: Path, demo_instance: DemoInstance, printed: io.StringIO
) -> None:
    """At once after the change, and every hour; a file that the store has lost is told and keeps no other."""
    app = demo_instance.copy_to(tmp_path / "instance").app()
    portal: Resources = app.extensions[KEY]
    now = portal.clock.now()

    def standings() -> dict[str, int]:
        with Session(portal.engine) as session:
            found = session.scalars(select(RegisteredFile.standing)).all()
        return {str(standing): found.count(standing) for standing in found}

    with app.app_context():
        revalidate = Revalidation()
        while revalidate(portal, now):
            pass
        before = standings()
        assert before[Standing.PASSED] > 2
        printed.truncate(0)
        assert not revalidate(portal, now + timedelta(minutes=1))  # nothing changed
        assert printed.getvalue().strip("\0") == ""

        with Session(portal.engine) as session, session.begin():
            epoch = session.scalars(select(TrustState.epoch)).one() + 1
            session.execute(update(TrustState).values(epoch=epoch))
            certificates = frozenset(session.scalars(select(FileCertificate.certificate_sha256)))
            registry.withdraw_standing(session, certificates, epoch=epoch)
        assert Standing.PASSED not in standings()
        while revalidate(portal, now + timedelta(minutes=2)):
            pass
        assert standings() == before
        told = [json.loads(line) for line in printed.getvalue().strip("\0").splitlines()]
        assert {line["message"] for line in told} == {"revalidated"}
        assert sum(line["passed"] for line in told) == before[Standing.PASSED]
        # The demo has a class whose authority's list ran out, to show that answer: told, and no fault.
        assert sum(line["incomplete"] for line in told) == before[Standing.INCOMPLETE] == 3
        assert {tuple(line.get("why", ())) for line in told if line["incomplete"]} == {("crl_stale",)}
        assert not any("why" in line for line in told if not line["incomplete"])
        # Whoever writes at a page in the meantime waits for a few files, not for all.
        assert (
            max(line["passed"] + line["failed"] + line["incomplete"] for line in told) == Revalidation.BATCH
        )

        with Session(portal.engine) as session, session.begin():
            lost = session.scalars(select(RegisteredFile).limit(1)).one()
            lost.stored_name = "0" * 64
            lost.fresh_until = now
        assert not revalidate(portal, now + timedelta(minutes=3))  # nobody changed trust: within the hour
        while revalidate(portal, now + timedelta(minutes=2) + Revalidation.EVERY):
            pass
        assert "the store has lost: 1" in printed.getvalue()
    portal.engine.dispose()


def test_consents_that_time_ended_say_so_by_themselves(app: Flask, clock: FrozenClock) -> None:
    """SEC-19: once a day, a batch at a time; what is shown does not wait for it."""
    portal: Resources = app.extensions[KEY]
    with Session(portal.engine) as session, session.begin():
        world = World(session, portal.vault, ObjectFiles("memory:///"), clock.time)
        asked = [done(world.ask(world.pupil("05/05/2011"))).consent for _ in range(2)]
    daily = Rounds(timedelta(days=1), consents)

    def happened() -> list[str]:
        with Session(portal.engine) as session:
            wanted = select(ConsentEvent.kind).where(ConsentEvent.consent_pk.in_(asked))
            return sorted(str(kind) for kind in session.scalars(wanted))

    with app.app_context():
        for days, kinds in ((1, ["asked"] * 2), (15, ["asked"] * 2 + ["expired"] * 2)):
            assert daily(portal, clock.time + timedelta(days=days))
            assert not daily(portal, clock.time + timedelta(days=days))
            assert happened() == kinds
    assert "consents" in {feature.name for feature in FEATURES}


def test_changes_of_contact_and_lapsed_links_come_about_by_themselves(app: Flask, clock: FrozenClock) -> None:
    """Once an hour, a batch at a time, and whoever is concerned is told."""
    portal: Resources = app.extensions[KEY]
    with Session(portal.engine) as session, session.begin():
        enter_pupil(session, portal.vault, SCHOOL, PUPIL)
        mother = linked(session, portal.vault, valid_to=date(2026, 10, 13)).id
        contacts.ask_change(
            session, portal.vault, SCHOOL, mother, FATHERS_EMAIL, actor=OFFICE, now=clock.time
        )

    def told() -> list[str]:
        with Session(portal.engine) as session:
            return list(session.scalars(select(Message.kind).order_by(Message.created_at, Message.kind)))

    with app.app_context():
        hourly = Rounds(timedelta(hours=1), families)

        def hour(at: datetime) -> int:
            """How many batches found something to look at."""
            batches = 0
            while hourly(portal, at):
                batches += 1
            return batches

        assert hour(clock.time) > 0
        assert told() == []
        assert hour(clock.time + timedelta(minutes=59)) == 0
        week = clock.time + timedelta(days=7)
        assert hour(week) > 0
        assert told() == ["contact_changed"] * 2
        assert hour(week + timedelta(days=2)) > 0
        assert hour(week + timedelta(days=3)) == 0  # nothing is left
        assert told() == ["contact_changed", "contact_changed", "link_ended"]
