"""E-mail to a real SMTP server, however it behaves."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from portal.config import MailServer
from portal.messages.smtp import SmtpMailer
from portal.ports import Channel, OutgoingMessage, PermanentSendFault, SendFault, TemporarySendFault
from tests.conftest import NOW
from tests.portal.messages.outside import (
    PASSWORD,
    USER,
    certificate,
    dripping,
    free_port,
    mail_server,
    raw_server,
    silent,
)

MESSAGE = OutgoingMessage(
    id=uuid.UUID("7d444840-9dc0-11d1-b245-5ffdce74fad2"),
    channel=Channel.EMAIL,
    to="bi@example.vn",
    subject="Mã đăng nhập của bạn",
    text="Chào bạn,\n\nMã đăng nhập: 123456\n.\nCổng thử\n",
    language="vi",
    at=NOW,
)


def mailer(
    port: int,
    *,
    implicit: bool = False,
    user: str = USER,
    password: str = PASSWORD,
    tls: bool = True,
    seconds: float = 20,
) -> SmtpMailer:
    server = MailServer("127.0.0.1", port, implicit, user, password if user else "", "hocba@so.example.vn")
    return SmtpMailer(server, name="Cổng xác thực học bạ số", tls_required=tls, seconds=seconds)


@pytest.fixture(params=["starttls", "implicit"])
def implicit(request: pytest.FixtureRequest) -> bool:
    return str(request.param) == "implicit"


def fault(send: Callable[[OutgoingMessage], None], message: OutgoingMessage = MESSAGE) -> SendFault:
    with pytest.raises(SendFault) as caught:
        send(message)
    assert MESSAGE.to not in repr(caught.value)
    assert caught.value.__suppress_context__  # what the server said stays out of every log
    return caught.value


def test_an_email_as_it_arrives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, implicit: bool) -> None:
    """By STARTTLS and by implicit TLS, signed in; the text whole, the Message-ID that of the row."""
    made, context = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made))
    with mail_server(context, implicit=implicit) as trap:
        mailer(trap.port, implicit=implicit).send(MESSAGE)
        mailer(trap.port, implicit=implicit).send(MESSAGE)
    first, second = trap.box.mails
    assert trap.box.envelopes == [("hocba@so.example.vn", ["bi@example.vn"])] * 2
    assert first["From"] == "Cổng xác thực học bạ số <hocba@so.example.vn>"
    assert first["To"] == "bi@example.vn"
    assert first["Subject"] == MESSAGE.subject
    assert first["Message-ID"] == f"<{MESSAGE.id}@so.example.vn>"
    assert first["Date"].datetime == NOW
    assert first["Auto-Submitted"] == "auto-generated"
    assert first.get_content_type() == "text/plain"
    assert first.get_content().replace("\r\n", "\n") == MESSAGE.text
    assert first.as_bytes() == second.as_bytes()  # the same message again is the same message


def test_a_certificate_that_nobody_vouches_for(tmp_path: Path, implicit: bool) -> None:
    _, context = certificate(tmp_path)
    with mail_server(context, implicit=implicit) as trap:
        found = fault(mailer(trap.port, implicit=implicit).send)
    assert isinstance(found, TemporarySendFault)
    assert found.code == "tls"
    assert trap.box.mails == []


def test_a_certificate_of_another_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, implicit: bool
) -> None:
    made, context = certificate(tmp_path, name="mail.example.vn")
    monkeypatch.setenv("SSL_CERT_FILE", str(made))
    with mail_server(context, implicit=implicit) as trap:
        assert fault(mailer(trap.port, implicit=implicit).send).code == "tls"
    assert trap.box.mails == []


def test_without_tls_nothing_is_said() -> None:
    """In production not even a message; never a password."""
    with mail_server(None) as trap:
        assert fault(mailer(trap.port).send).code == "no_tls_or_auth"
        assert fault(mailer(trap.port, tls=False).send).code == "no_tls_or_auth"
    assert trap.box.mails == []


def test_a_desk_may_do_without_tls() -> None:
    with mail_server(None, sign_in=False) as trap:
        mailer(trap.port, user="", tls=False).send(MESSAGE)
        assert len(trap.box.mails) == 1
        found = fault(mailer(trap.port, user="").send)  # production: tls=True
    assert found.code == "no_tls_or_auth"
    assert len(trap.box.mails) == 1


@pytest.mark.parametrize(("user", "password"), [(USER, "wrong"), ("", "")])
def test_a_wrong_sign_in_is_the_installation_s_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: str, password: str
) -> None:
    """No message is lost by it."""
    made, context = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made))
    with mail_server(context) as trap:
        found = fault(mailer(trap.port, user=user, password=password).send)
    assert isinstance(found, TemporarySendFault)
    assert found.code == ("smtp_535" if user else "smtp_530")


@pytest.mark.parametrize(
    ("rcpt", "data", "kind", "code"),
    [
        ("550 5.1.1 no bi@example.vn here", "250 OK", PermanentSendFault, "smtp_550"),
        ("450 4.2.1 bi@example.vn is busy", "250 OK", TemporarySendFault, "smtp_450"),
        ("530 sign in", "250 OK", TemporarySendFault, "smtp_530"),
        ("250 OK", "554 5.7.1 bi@example.vn: spam", PermanentSendFault, "smtp_554"),
        ("250 OK", "451 4.3.0 later", TemporarySendFault, "smtp_451"),
        ("250 OK", "421 closing", TemporarySendFault, "smtp_421"),
    ],
)
def test_refusals(rcpt: str, data: str, kind: type[SendFault], code: str) -> None:
    with mail_server(None, sign_in=False) as trap:
        trap.box.rcpt, trap.box.data = rcpt, data
        found = fault(mailer(trap.port, user="", tls=False).send)
    assert type(found) is kind
    assert found.code == code


def test_a_line_that_drops_after_the_text() -> None:
    """Nobody can know whether it was taken: it is sent again, recognisably."""
    with mail_server(None, sign_in=False) as trap:
        trap.box.drop = True
        found = fault(mailer(trap.port, user="", tls=False).send)
        assert isinstance(found, TemporarySendFault)
        trap.box.drop = False
        mailer(trap.port, user="", tls=False).send(MESSAGE)
    assert len({mail["Message-ID"] for mail in trap.box.mails}) == 1
    assert len(trap.box.mails) == 2


def test_nobody_there() -> None:
    assert fault(mailer(free_port()).send).code == "unreachable"
    server = MailServer("mail.invalid", 25, False, "", "", "a@b.vn")
    found = fault(SmtpMailer(server, name="x", tls_required=False).send)
    assert isinstance(found, TemporarySendFault)


@pytest.mark.parametrize("behave", [silent, dripping])
def test_a_server_that_keeps_one_waiting(behave: Callable[..., None], implicit: bool) -> None:
    """It has so many seconds in all, however it spends them."""
    with raw_server(behave) as port:
        begun = time.monotonic()
        found = fault(mailer(port, implicit=implicit, seconds=1).send)
        assert time.monotonic() - begun < 25  # the server goes on for 30, or for ever
    assert isinstance(found, TemporarySendFault)
    assert found.code == "timeout" or implicit  # what drips is no TLS either


def test_a_server_that_hangs_after_the_text() -> None:
    with mail_server(None, sign_in=False) as trap:
        trap.box.hang = 5
        # Whoever waited for it would have sent the message.
        assert fault(mailer(trap.port, user="", tls=False, seconds=1).send).code == "timeout"


def test_no_header_can_be_smuggled_in() -> None:
    sent = mailer(1).written
    with pytest.raises(ValueError, match="linefeed"):
        sent(replace(MESSAGE, subject="x\r\nBcc: c@d.vn"))
