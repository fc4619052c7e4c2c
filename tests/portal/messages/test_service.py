"""The outbox: with the act or not at all, sealed, sent by one, tried again, given up, erased."""

from __future__ import annotations

import io
import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from portal.config import MailServer, Settings
from portal.messages import service as messages
from portal.messages.channels import Channels, SilentMailer, mailer_for
from portal.messages.gateway import GatewayMailer
from portal.messages.models import Message
from portal.messages.service import BACK_OFF, KEPT, LEASE, Address, Kind, Sender
from portal.messages.smtp import SmtpMailer
from portal.messages.words import Parameter
from portal.ports import (
    Channel,
    Mailer,
    OutgoingMessage,
    PermanentSendFault,
    TemporarySendFault,
)
from portal.vault import Vault, VaultError
from tests.conftest import NOW, FrozenClock
from tests.portal.messages.outside import USER, certificate, mail_server, provider
from tests.portal.web.test_journal import lines, printed

__all__ = ["printed"]

SENDER = Sender("hocba.example.vn", "Cổng thử")
EMAIL = Address(Channel.EMAIL, "canary.bi@example.vn")
PHONE = Address(Channel.PHONE, "+84912345678")
MINUTE = timedelta(minutes=1)
Begin = Callable[[], AbstractContextManager[Session]]


class Outlet:
    """A :class:`portal.ports.Mailer` that keeps what it is handed and fails as it is told, once each."""

    def __init__(self, *faults: Exception) -> None:
        self.sent: list[OutgoingMessage] = []
        self.faults = list(faults)
        self.meanwhile: Callable[[], None] = lambda: None

    def send(self, message: OutgoingMessage) -> None:
        self.meanwhile()
        if self.faults:
            raise self.faults.pop(0)
        self.sent.append(message)


@pytest.fixture
def begin(engine: Engine) -> Begin:
    @contextmanager
    def opened() -> Iterator[Session]:
        with Session(engine) as session, session.begin():
            yield session

    return opened


@pytest.fixture
def keep(begin: Begin, vault: Vault, clock: FrozenClock) -> Callable[..., uuid.UUID]:
    """A message, committed: a code for signing in, or a recall with ``code=None``."""

    def kept(to: Address = EMAIL, code: str | None = "190283") -> uuid.UUID:
        kind = Kind.SIGN_IN_CODE if code else Kind.RECORD_RECALLED
        values: dict[str, Parameter] = {"grade": 4, "year": "2025-2026"}
        if code:
            values = {"code": code, "minutes": 10}
        with begin() as session:
            return messages.enqueue(
                session,
                vault,
                to=to,
                kind=kind,
                language="vi",
                parameters=values,
                about=None,
                now=clock.now(),
            )

    return kept


@pytest.fixture
def deliver(begin: Begin, vault: Vault, clock: FrozenClock) -> Callable[..., bool]:
    def once(mailer: Mailer, channel: Channel = Channel.EMAIL) -> bool:
        return messages.deliver_due(begin, vault, mailer, channel=channel, sender=SENDER, clock=clock)

    return once


def row(begin: Begin, number: uuid.UUID) -> Message:
    with begin() as session:
        found = session.get_one(Message, number)
        session.expunge(found)
    return found


class TestKeeping:
    def test_a_message_stands_or_falls_with_its_act(
        self, begin: Begin, vault: Vault, keep: Callable[..., uuid.UUID]
    ) -> None:
        class Undone(Exception):  # noqa: N818
            pass

        with suppress(Undone), begin() as session:
            messages.enqueue(
                session,
                vault,
                to=EMAIL,
                kind=Kind.STATUTORY_ACCESS,
                language="en",
                parameters={"day": date(2026, 10, 5)},
                about=uuid.uuid4(),
                now=NOW,
            )
            raise Undone
        kept = keep()
        with begin() as session:
            assert session.scalars(select(Message.id)).all() == [kept]
            assert messages.is_due(session, Channel.EMAIL, now=NOW)
            assert not messages.is_due(session, Channel.PHONE, now=NOW)

    def test_nothing_personal_is_readable_in_the_table(
        self, begin: Begin, engine: Engine, vault: Vault, keep: Callable[..., uuid.UUID]
    ) -> None:
        """Neither recipient nor code; and what is sealed opens at its own place alone."""
        numbers = [keep(), keep()]
        with engine.connect() as connection:
            found = connection.execute(text("SELECT * FROM messages")).all()
        assert len(found) == 2
        everything = b" ".join(
            bytes(v) if isinstance(v, bytes | memoryview) else str(v).encode() for r in found for v in r
        )
        for secret in (b"canary", b"190283", b"example"):
            assert secret not in everything
        one, other = (row(begin, number) for number in numbers)
        assert one.wrapped_key is not None
        assert one.recipient_sealed is not None
        sealed = one.wrapped_key, one.recipient_sealed
        opened = vault.open(*sealed, table="messages", column="recipient", row=str(one.id), version=1)
        assert opened.decode() == EMAIL.value
        for number, column in ((other.id, "recipient"), (one.id, "parameters")):
            with pytest.raises(VaultError):
                vault.open(*sealed, table="messages", column=column, row=str(number), version=1)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"parameters": {}},
            {"parameters": {"code": "190283", "minutes": 10, "ten": "Bí"}},
            {"language": "fr"},
            {"about": "Nguyễn Văn Bí"},
            {
                "kind": Kind.STAFF_INVITATION,
                "parameters": {"code": "AB12", "organisation": "01000123", "day": date(2026, 10, 4)},
            },
        ],
    )
    def test_what_cannot_be_said_is_refused_at_once(
        self, session: Session, vault: Vault, wrong: dict[str, object]
    ) -> None:
        right: dict[str, object] = {
            "to": EMAIL,
            "kind": Kind.SIGN_IN_CODE,
            "language": "vi",
            "parameters": {"code": "190283", "minutes": 10},
            "about": "account:7",
        }
        messages.enqueue(session, vault, **right, now=NOW)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="_") as refused:
            messages.enqueue(session, vault, **(right | wrong), now=NOW)  # type: ignore[arg-type]
        assert "Bí" not in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("email", "không@example.vn"),
        ("email", "a@b.vn\r\nBcc: c@d.vn"),
        ("email", "a@b.vn, c@d.vn"),
        ("email", "Bí <a@b.vn>"),
        ("email", "a@b..vn"),
        ("email", "@b.vn"),
        ("email", "a@"),
        ("email", f"{'a' * 250}@b.vn"),
        ("email", "+84912345678"),
        ("phone", "0912345678"),
        ("phone", "+84 912 345 678"),
        ("phone", "+0912345678"),
        ("phone", "+8491234567890123"),
        ("phone", "a@b.vn"),
        ("fax", "+84912345678"),
    ],
)
def test_what_is_no_address(kind: Channel, value: str) -> None:
    with pytest.raises(ValueError, match="not a") as refused:
        Address(kind, value)
    assert value not in str(refused.value)


@pytest.mark.parametrize("value", ["a@b.vn", "o'brien+hoc@x-1.example.com", "a@localhost"])
def test_what_is_an_address(value: str) -> None:
    assert value not in repr(Address(Channel.EMAIL, value))
    assert Address("phone", "+84912345678").value  # type: ignore[arg-type]


class TestSending:
    def test_a_message_is_sent_once(
        self,
        begin: Begin,
        keep: Callable[..., uuid.UUID],
        deliver: Callable[..., bool],
        printed: io.StringIO,
    ) -> None:
        number, outlet = keep(), Outlet()
        assert not deliver(outlet, Channel.PHONE)
        assert deliver(outlet)
        assert not deliver(outlet)
        (sent,) = outlet.sent
        assert (sent.id, sent.channel, sent.to, sent.at) == (number, Channel.EMAIL, EMAIL.value, NOW)
        assert sent.subject == "Mã đăng nhập của bạn"
        assert "Mã đăng nhập: 190283\n" in sent.text
        assert "hocba.example.vn" in sent.text
        assert EMAIL.value not in repr(sent)
        kept = row(begin, number)
        assert (kept.state, kept.ended_at, kept.due_at, kept.claim) == ("sent", NOW, None, None)
        (line,) = lines(printed)
        assert line["message"] == "message"
        assert line["message_id"] == str(number)
        assert (line["kind"], line["state"], line["attempt"]) == ("sign_in_code", "sent", 1)

    def test_codes_that_run_out_go_first(
        self, keep: Callable[..., uuid.UUID], deliver: Callable[..., bool], clock: FrozenClock
    ) -> None:
        recall = keep(code=None)
        clock.time += MINUTE
        code, outlet = keep(), Outlet()
        while deliver(outlet):
            pass
        assert [m.id for m in outlet.sent] == [code, recall]

    def test_no_transaction_is_open_while_the_network_is_talked_to(
        self, begin: Begin, engine: Engine, keep: Callable[..., uuid.UUID], deliver: Callable[..., bool]
    ) -> None:
        keep(code=None)
        outlet, seen = Outlet(), []

        def look() -> None:
            outlet.meanwhile = lambda: None
            begun = time.monotonic()
            keep(PHONE, code=None)  # on SQLite this would wait 15 s for the write lock, and fail
            seen.append(time.monotonic() - begun < 14)
            if engine.dialect.name == "postgresql":
                with engine.connect() as connection:
                    states = connection.execute(
                        text(
                            "SELECT state FROM pg_stat_activity"
                            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                        )
                    ).scalars()
                    seen.append("idle in transaction" not in set(states))

        outlet.meanwhile = look
        assert deliver(outlet)
        assert seen
        assert all(seen)

    def test_two_workers_at_once_send_each_message_once(
        self, begin: Begin, keep: Callable[..., uuid.UUID], deliver: Callable[..., bool]
    ) -> None:
        """Four of them, on as many connections; PostgreSQL passes over rows that another one is claiming."""
        numbers = {keep(code=None) for _ in range(40)}
        outlet = Outlet()
        outlet.meanwhile = lambda: time.sleep(0.002)
        start = threading.Barrier(4)

        def worker(_: int) -> int:
            start.wait()
            done, empty = 0, 0
            while empty < 3:  # one that finds all rows claimed by others looks again
                if deliver(outlet):
                    done += 1
                else:
                    empty += 1
                    time.sleep(0.02)
            return done

        with ThreadPoolExecutor(4) as pool:
            done = list(pool.map(worker, range(4)))
        assert sorted(m.id for m in outlet.sent) == sorted(numbers)
        assert sum(done) == len(numbers)
        assert sum(n > 0 for n in done) > 1
        with begin() as session:
            assert set(session.execute(select(Message.state, Message.attempts)).all()) == {("sent", 1)}

    def test_a_message_in_hand_is_left_to_whoever_has_it(
        self,
        begin: Begin,
        keep: Callable[..., uuid.UUID],
        deliver: Callable[..., bool],
        clock: FrozenClock,
        printed: io.StringIO,
    ) -> None:
        """Until its lease ends: then that worker died, or is so late that its mark counts no more."""
        number, first, second = keep(code=None), Outlet(), Outlet()

        def meanwhile() -> None:
            assert not deliver(second)
            clock.time += LEASE - timedelta(seconds=1)
            assert not deliver(second)
            clock.time += timedelta(seconds=1)
            assert deliver(second)

        first.meanwhile = meanwhile
        assert deliver(first)
        assert [m.id for m in first.sent] == [m.id for m in second.sent] == [number]
        kept = row(begin, number)
        assert (kept.state, kept.attempts) == ("sent", 2)
        assert [line["level"] for line in lines(printed)] == ["info", "warning"]

    def test_back_off_and_giving_up(
        self,
        begin: Begin,
        keep: Callable[..., uuid.UUID],
        deliver: Callable[..., bool],
        clock: FrozenClock,
        printed: io.StringIO,
    ) -> None:
        number = keep(code=None)
        outlet = Outlet(*[TemporarySendFault("smtp_451")] * 20)
        for pause in BACK_OFF:
            assert deliver(outlet)
            kept = row(begin, number)
            assert (kept.state, kept.fault, kept.due_at) == ("waiting", "smtp_451", clock.now() + pause)
            clock.time += pause - timedelta(seconds=1)
            assert not deliver(outlet)
            clock.time += timedelta(seconds=1)
        assert BACK_OFF[0] == MINUTE
        assert BACK_OFF[-1] == timedelta(hours=24)
        assert deliver(outlet)
        kept = row(begin, number)
        assert (kept.state, kept.ended_at, kept.due_at) == ("failed", clock.now(), None)
        clock.time += timedelta(days=10)
        assert not deliver(outlet)
        assert len(outlet.faults) == 20 - len(BACK_OFF) - 1
        told = lines(printed)
        assert [line["level"] for line in told] == ["info"] * len(BACK_OFF) + ["warning"]
        assert {line["fault"] for line in told} == {"smtp_451"}

    def test_a_later_attempt_succeeds(
        self, begin: Begin, keep: Callable[..., uuid.UUID], deliver: Callable[..., bool], clock: FrozenClock
    ) -> None:
        number, outlet = keep(code=None), Outlet(TemporarySendFault("timeout"))
        assert deliver(outlet)
        clock.time += MINUTE
        assert deliver(outlet)
        assert [m.at for m in outlet.sent] == [NOW]  # written when it was written
        assert row(begin, number).fault is None

    def test_what_is_refused_for_good_is_not_tried_again(
        self, begin: Begin, keep: Callable[..., uuid.UUID], deliver: Callable[..., bool], clock: FrozenClock
    ) -> None:
        number = keep(code=None)
        assert deliver(Outlet(PermanentSendFault("smtp_550")))
        clock.time += timedelta(days=2)
        assert not deliver(Outlet())
        assert (row(begin, number).state, row(begin, number).fault) == ("failed", "smtp_550")

    def test_a_code_that_ran_out_is_not_sent(
        self, begin: Begin, keep: Callable[..., uuid.UUID], deliver: Callable[..., bool], clock: FrozenClock
    ) -> None:
        number, outlet = keep(), Outlet()
        clock.time += timedelta(minutes=10)
        assert deliver(outlet)
        assert not deliver(outlet)
        assert outlet.sent == []
        assert (row(begin, number).state, row(begin, number).fault) == ("failed", "expired")

    def test_one_that_kills_its_worker_is_given_up(
        self, begin: Begin, keep: Callable[..., uuid.UUID], deliver: Callable[..., bool], clock: FrozenClock
    ) -> None:
        class Killed(BaseException):
            pass

        def die() -> None:
            raise Killed

        number, outlet = keep(code=None), Outlet()
        outlet.meanwhile = die
        for _ in range(len(BACK_OFF) + 1):
            with pytest.raises(Killed):
                deliver(outlet)
            clock.time += LEASE
        assert deliver(outlet)
        assert not deliver(outlet)
        assert (row(begin, number).state, row(begin, number).fault) == ("failed", "died")

    def test_one_that_cannot_be_opened_keeps_no_other(
        self,
        begin: Begin,
        keep: Callable[..., uuid.UUID],
        deliver: Callable[..., bool],
        clock: FrozenClock,
        printed: io.StringIO,
    ) -> None:
        """A key that is missing for a while loses no message either."""
        broken, whole, outlet = keep(code=None), keep(code=None), Outlet()
        with begin() as session:
            damaged = session.get_one(Message, broken)
            kept, damaged.wrapped_key = damaged.wrapped_key, b"\x01\x02k9" + bytes(60)
        while deliver(outlet):
            pass
        assert [m.id for m in outlet.sent] == [whole]
        assert (row(begin, broken).state, row(begin, broken).fault) == ("waiting", "fault")
        assert {line["level"] for line in lines(printed)} == {"error", "info"}
        with begin() as session:
            session.get_one(Message, broken).wrapped_key = kept
        clock.time += MINUTE
        assert deliver(outlet)
        assert row(begin, broken).state == "sent"


class TestErasing:
    def erase(self, begin: Begin, clock: FrozenClock) -> int:
        with begin() as session:
            over = messages.is_over(session, now=clock.now())
        with begin() as session:
            count = messages.erase_over(session, now=clock.now())
        assert over == (count > 0)
        return count

    def test_after_thirty_days_only_that_somebody_was_told_stays(
        self,
        begin: Begin,
        keep: Callable[..., uuid.UUID],
        deliver: Callable[..., bool],
        clock: FrozenClock,
        vault: Vault,
    ) -> None:
        sent, failed = keep(code=None), keep(code=None)
        outlet = Outlet()
        assert deliver(outlet)
        assert deliver(Outlet(PermanentSendFault("smtp_550")))
        if outlet.sent[0].id == failed:  # two of one moment: whichever goes first
            sent, failed = failed, sent
        clock.time += KEPT - timedelta(seconds=1)
        waiting = keep(code=None)
        assert self.erase(begin, clock) == 0
        clock.time += timedelta(seconds=1)
        assert self.erase(begin, clock) == 2
        assert self.erase(begin, clock) == 0
        for number in (sent, failed):
            kept = row(begin, number)
            assert (kept.wrapped_key, kept.recipient_sealed, kept.parameters_sealed) == (None, None, None)
            assert (kept.kind, kept.ended_at) == (Kind.RECORD_RECALLED, NOW)
            assert kept.state == ("sent" if number == sent else "failed")
        assert row(begin, waiting).wrapped_key is not None
        with begin() as session:
            shown = {m.id: m.to for m in messages.outbox(session, vault, sender=SENDER, limit=10)}
        assert shown == {waiting: EMAIL.value, sent: None, failed: None}

    def test_a_one_time_code_leaves_nothing_at_its_end(
        self, begin: Begin, keep: Callable[..., uuid.UUID], deliver: Callable[..., bool], clock: FrozenClock
    ) -> None:
        keep()
        assert deliver(Outlet())
        keep()  # this one is never sent
        clock.time += timedelta(minutes=10, seconds=-1)
        assert self.erase(begin, clock) == 0
        clock.time += timedelta(seconds=1)
        assert self.erase(begin, clock) == 2
        with begin() as session:
            assert session.scalars(select(Message)).all() == []

    def test_a_code_that_is_erased_while_it_is_sent(
        self, begin: Begin, keep: Callable[..., uuid.UUID], deliver: Callable[..., bool], clock: FrozenClock
    ) -> None:
        keep()
        outlet = Outlet()

        def meanwhile() -> None:
            clock.time += timedelta(minutes=10)
            assert self.erase(begin, clock) == 1

        outlet.meanwhile = meanwhile
        assert deliver(outlet)
        assert not deliver(outlet)


def test_the_newest_stand_first_in_the_outbox(
    begin: Begin, vault: Vault, keep: Callable[..., uuid.UUID], clock: FrozenClock
) -> None:
    numbers = []
    for to in (EMAIL, PHONE, EMAIL):
        clock.time += MINUTE
        numbers.append(keep(to))
    with begin() as session:
        shown = messages.outbox(session, vault, sender=SENDER, limit=2)
    assert [m.id for m in shown] == [numbers[2], numbers[1]]
    assert shown[1].text is not None
    assert (shown[1].to, shown[1].text.subject, shown[1].state) == (PHONE.value, "", "waiting")


def test_no_line_of_the_log_tells_whom_or_what(
    begin: Begin,
    keep: Callable[..., uuid.UUID],
    deliver: Callable[..., bool],
    clock: FrozenClock,
    printed: io.StringIO,
) -> None:
    """SEC-28: real servers that take, refuse with the address in their words, or hang up; a mailer that
    breaks with everything in its hands; at the most talkative level.
    """
    logging.getLogger("portal").setLevel(logging.DEBUG)
    with mail_server(None, sign_in=False) as trap, provider() as gateway:
        server = MailServer("127.0.0.1", trap.port, False, "", "", "hocba@so.example.vn")
        mailer = Channels(
            SmtpMailer(server, name="Cổng thử", tls_required=False, seconds=5),
            GatewayMailer(gateway.url, "canary-t0ken", seconds=5),
        )
        for rcpt, drop, status in (
            ("250 OK", False, 202),
            (f"550 {EMAIL.value} canary", False, 422),
            (f"451 {EMAIL.value} canary", False, 503),
            ("250 OK", True, 302),
        ):
            trap.box.rcpt, trap.box.drop, gateway.statuses = rcpt, drop, [status]
            for to in (EMAIL, PHONE):
                keep(to)
                assert deliver(mailer, to.kind)
        assert len(trap.box.mails) == 2
        assert len(gateway.asked) == 4

    def broken(message: OutgoingMessage) -> None:
        raise RuntimeError(f"{message.to} {message.text}")

    keep()
    failing = Outlet()
    failing.send = broken  # type: ignore[method-assign]
    assert deliver(failing)
    told = [line for line in lines(printed) if line["logger"].startswith("portal")]
    assert [line["state"] for line in told if line["message"] == "message"].count("failed") == 2
    assert any(line["level"] == "error" for line in told)
    everything = printed.getvalue().encode().decode("unicode_escape")
    for secret in ("canary", "912345678", "190283", "Mã đăng nhập"):
        assert secret not in everything


class TestWays:
    def test_the_demo_sends_nothing(self, tmp_path: Path) -> None:
        env = {"INSTANCE_DIR": str(tmp_path), "MAIL_URL": "smtp://127.0.0.1:9", "MAIL_FROM": "a@b.vn"}
        assert isinstance(mailer_for(Settings.from_environment(env | {"DEMO": "1"})), SilentMailer)
        assert isinstance(mailer_for(Settings.from_environment(env)), Channels)

    def test_a_channel_that_is_not_there(
        self, tmp_path: Path, begin: Begin, keep: Callable[..., uuid.UUID], deliver: Callable[..., bool]
    ) -> None:
        nothing = mailer_for(Settings.from_environment({"INSTANCE_DIR": str(tmp_path)}))
        for to in (EMAIL, PHONE):
            number = keep(to)
            assert deliver(nothing, to.kind)
            assert (row(begin, number).state, row(begin, number).fault) == ("failed", "no_channel")

    def test_the_settings_way_arrives(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        keep: Callable[..., uuid.UUID],
        deliver: Callable[..., bool],
    ) -> None:
        """From the address in the environment to the mail in the box, signed in over STARTTLS."""
        made, context = certificate(tmp_path)
        monkeypatch.setenv("SSL_CERT_FILE", str(made))
        with mail_server(context) as trap, provider() as gateway:
            settings = Settings.from_environment(
                {
                    "INSTANCE_DIR": str(tmp_path / "i"),
                    "MAIL_URL": f"smtp://{USER}:m4il-pass%2F%25@127.0.0.1:{trap.port}",
                    "MAIL_FROM": "hocba@so.example.vn",
                    "SMS_URL": gateway.url,
                    "SMS_TOKEN": "t0ken",
                }
            )
            mailer = mailer_for(settings)
            email, phone = keep(EMAIL), keep(PHONE)
            assert deliver(mailer, Channel.EMAIL)
            assert deliver(mailer, Channel.PHONE)
        assert trap.box.mails[0]["Message-ID"] == f"<{email}@so.example.vn>"
        assert "190283" in trap.box.texts[0]
        (_, body) = gateway.asked[0]
        assert (body["id"], body["to"]) == (str(phone), PHONE.value)
        assert "190283" in body["text"]
        assert json.dumps(body, ensure_ascii=False).count("http") == 0
