"""A mail server and a provider of SMS on loopback, that may be told to misbehave."""

from __future__ import annotations

import asyncio
import http.server
import ipaddress
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.servers import serve_in_thread

USER, PASSWORD = "portal", "m4il-pass/%"


def certificate(folder: Path, *, name: str = "127.0.0.1") -> tuple[Path, ssl.SSLContext]:
    """A server's certificate that is its own root: the file that trusts it, and the server's side."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail thử")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectAlternativeName([_named(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    trusted, private = folder / "mail-ca.pem", folder / "mail-key.pem"
    trusted.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, private)
    return trusted, context


def _named(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class MailBox:
    """What a mail server does with what it is given. ``rcpt`` and ``data`` are its answers; ``hang`` seconds
    it takes for the latter; ``drop`` hangs up instead of it; ``taken`` is called in between.
    """

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.envelopes: list[tuple[str | None, list[str]]] = []
        self.rcpt = self.data = "250 OK"
        self.hang = 0.0
        self.drop = False
        self.taken: Callable[[], None] = lambda: None

    async def handle_RCPT(  # noqa: N802 - aiosmtpd calls it so
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.rcpt.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.rcpt

    async def handle_DATA(  # noqa: N802 - aiosmtpd calls it so
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        mail = message_from_bytes(cast(bytes, envelope.original_content), policy=default)
        self.mails.append(mail)
        self.envelopes.append((envelope.mail_from, list(envelope.rcpt_tos)))
        self.taken()
        await asyncio.sleep(self.hang)
        if self.drop:
            cast(asyncio.Transport, server.transport).abort()
        return self.data

    @property
    def texts(self) -> list[str]:
        return [str(mail.get_content()) for mail in self.mails]


def _sign_in(_server: SMTP, _session: Session, _envelope: Envelope, _way: str, data: Any) -> AuthResult:
    right = isinstance(data, LoginPassword) and (data.login, data.password) == (
        USER.encode(),
        PASSWORD.encode(),
    )
    return AuthResult(success=right, handled=False)


@dataclass(frozen=True, slots=True)
class MailTrap:
    """A running mail server."""

    port: int
    box: MailBox


@contextmanager
def mail_server(
    tls: ssl.SSLContext | None = None, *, implicit: bool = False, sign_in: bool = True
) -> Iterator[MailTrap]:
    """aiosmtpd: with ``tls`` it insists on STARTTLS, or speaks TLS from the beginning (``implicit``)."""
    box = MailBox()
    starttls = tls is not None and not implicit
    named: dict[str, Any] = {"auth_required": sign_in and starttls, "auth_require_tls": starttls}
    if sign_in:
        named["authenticator"] = _sign_in
    if tls is not None and implicit:
        named["ssl_context"] = tls
    elif tls is not None:
        named |= {"tls_context": tls, "require_starttls": True}
    controller = Controller(box, hostname="127.0.0.1", port=free_port(), **named)
    controller.start()
    try:
        yield MailTrap(controller.port, box)
    finally:
        controller.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def raw_server(behave: Callable[[socket.socket], None]) -> Iterator[int]:
    """A TCP server that does ``behave`` with each connection; its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=one, args=(connection,), daemon=True).start()

    def one(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            behave(connection)
            over.wait(30)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        over.set()
        listener.close()


def silent(_connection: socket.socket) -> None:
    """Takes connections and never says a word."""


def dripping(connection: socket.socket) -> None:
    """A letter now and then, for ever: no single read ever times out."""
    while True:
        connection.sendall(b"2")
        time.sleep(0.05)


@dataclass(slots=True)
class Provider:
    """What a provider of SMS was sent, and what it answers: a status each, the last one for ever."""

    url: str = ""
    statuses: list[int] = field(default_factory=lambda: [202])
    asked: list[tuple[Mapping[str, str], dict[str, Any]]] = field(default_factory=list)
    hang: float = 0.0


@contextmanager
def provider() -> Iterator[Provider]:
    """An HTTP server on loopback that speaks the contract of docs/messages.md."""
    made = Provider()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.asked.append((dict(self.headers.items()), json.loads(body)))
            time.sleep(made.hang)
            status = made.statuses.pop(0) if len(made.statuses) > 1 else made.statuses[0]
            with suppress(OSError):
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", made.url.replace("/send", "/elsewhere"))
                self.send_header("Content-Length", "0")
                self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}/v1/send?app=7"
    serve_in_thread(server)
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
