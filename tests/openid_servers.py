"""OpenID providers on loopback: a certified one (oidc-provider, for Node), whose login a test walks through,
and one of our own that forges, lies, hangs and floods on request.
"""

from __future__ import annotations

import base64
import hmac
import json
import re
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from html import unescape
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import Key, RSAKey

from tests.servers import Missing, serve_in_thread

TOOLS = Path(__file__).parent / "tools"
CLIENT_ID = "hoc-ba"
#: RFC 6749 §2.3.1 asks for form-encoding before it is sent; only signs like these show whether that was done.
CLIENT_SECRET = "a+secret/with:signs%"


def settings_for(issuer: str, **more: str) -> dict[str, str]:
    """Environment of a portal that is a client of this provider."""
    return {
        "OIDC_ISSUER": issuer,
        "OIDC_CLIENT_ID": CLIENT_ID,
        "OIDC_CLIENT_SECRET": CLIENT_SECRET,
        "OIDC_NAME": "Định danh thử",
        **more,
    }


class CertifiedProvider:
    """oidc-provider in a process of its own; who types a name on its login page is that person."""

    def __init__(self, redirect_uri: str) -> None:
        if not (TOOLS / "node_modules" / "oidc-provider").exists():
            raise Missing("oidc-provider is not installed: run make tools")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.issuer = f"http://127.0.0.1:{self.port}"
        command = ["node", str(TOOLS / "openid-provider.mjs"), str(self.port), redirect_uri]
        self._process = subprocess.Popen(  # noqa: S603 - our own argument list
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self._process.stdout is not None
        while (line := self._process.stdout.readline()) != b"ready\n":
            assert line, "oidc-provider did not start"

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()

    def walk(self, address: str, name: str | None) -> str:
        """Go through the login from ``address`` on; the address that the browser is sent back to. ``name``
        None cancels.
        """
        browser = _Walker(self.port)
        page = browser.open(address)
        while not page.startswith("http"):
            if name is None:
                found = re.search(r'href="([^"]+/abort)"', page)
                assert found, page
                page = browser.open(unescape(found[1]))
                continue
            form = re.search(r'<form[^>]*action="([^"]+)"', page)
            prompt = re.search(r'name="prompt" value="([^"]+)"', page)
            assert form, page
            assert prompt, page
            fields = {"prompt": prompt[1], "login": name, "password": "x"}
            page = browser.open(unescape(form[1]), fields)
        return page


class _Walker:
    """A browser that knows one host, keeps its cookies and stops where it is sent elsewhere."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._cookies: dict[str, tuple[str, str]] = {}

    def open(self, address: str, fields: Mapping[str, str] | None = None) -> str:
        """The page, or the address of another host that it leads to."""
        while True:
            parts = urlsplit(address)
            if parts.netloc not in ("", f"127.0.0.1:{self._port}"):
                return address
            connection = HTTPConnection("127.0.0.1", self._port, timeout=30)
            cookies = [f"{n}={v}" for n, (v, path) in self._cookies.items() if parts.path.startswith(path)]
            headers = {"Cookie": "; ".join(cookies)}
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            if fields is None:
                connection.request("GET", target, headers=headers)
            else:
                kind = {"Content-Type": "application/x-www-form-urlencoded"}
                connection.request("POST", target, urlencode(fields), headers | kind)
            answer = connection.getresponse()
            body = answer.read().decode()
            for text in answer.headers.get_all("Set-Cookie") or ():
                pair, *rest = text.split("; ")
                path = next((r[5:] for r in rest if r.startswith("path=")), "/")
                self._cookies[pair.split("=")[0]] = pair.partition("=")[2], path
            connection.close()
            if not 300 <= answer.status < 400:
                return body
            address, fields = answer.headers["Location"], None


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def _by_hand(header: Mapping[str, Any], claims: Mapping[str, Any], secret: bytes) -> str:
    """A token as no library makes one: an empty signature for "none", else an HMAC under ``secret``."""
    text = ".".join(_encoded(json.dumps(part).encode()) for part in (header, claims))
    none = header["alg"] == "none"
    return f"{text}.{'' if none else _encoded(hmac.digest(secret, text.encode(), 'sha256'))}"


@cache
def _first_key() -> RSAKey:
    """Made once a run."""
    return RSAKey.generate_key(2048, {"kid": "1", "use": "sig"})


@dataclass
class Forger:
    """What the forging provider says; a test changes one thing. ``claims`` None leaves a claim out."""

    now: Callable[[], int]
    key: Key = field(default_factory=_first_key)
    published: list[dict[str, Any]] | None = None  # None: the key it signs with
    alg: str = "RS256"
    claims: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    token: str | None = None  # in the place of the one it would make
    answers: dict[str, Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    sent: dict[str, list[str]] = field(default_factory=dict)
    nonce: str = ""


class ForgingProvider:
    """A provider that does as :class:`Forger` says."""

    def __init__(self, forger: Forger) -> None:
        self.forger = forger
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                provider._answer(self)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                provider.forger.sent = parse_qs(body)
                provider._answer(self)

        class Server(ThreadingHTTPServer):
            request_queue_size = 64

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.issuer = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = serve_in_thread(self._server)

    def stop(self) -> None:
        """Twice does no harm."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        forger, path = self.forger, urlsplit(handler.path).path
        forger.asked.append(path)
        if path in forger.answers:
            forger.answers[path](handler)
        elif path.endswith("/openid-configuration"):
            say(handler, {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/auth",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/jwks",
                **forger.metadata,
            })  # fmt: skip
        elif path == "/jwks":
            own = [forger.key.as_dict(private=False)]
            say(handler, {"keys": own if forger.published is None else forger.published})
        else:
            say(handler, {"access_token": "x", "token_type": "Bearer", "id_token": self._token()})

    def _token(self) -> str:
        forger, now = self.forger, self.forger.now()
        if forger.token is not None:
            return forger.token
        claims = {
            "iss": self.issuer,
            "sub": "lan",
            "aud": CLIENT_ID,
            "exp": now + 300,
            "iat": now,
            "nonce": forger.nonce,
            **forger.claims,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": forger.alg, "kid": forger.key.kid}
        if forger.alg in ("none", "HS256"):  # the oldest confusion: the public key is the secret
            assert isinstance(forger.key, RSAKey)
            return _by_hand(header, claims, forger.key.as_pem(private=False))
        return jwt.encode(header, claims, forger.key, algorithms=[forger.alg])


def say(handler: BaseHTTPRequestHandler, content: object, status: int = 200) -> None:
    """A JSON answer."""
    body = json.dumps(content).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def redirect(handler: BaseHTTPRequestHandler) -> None:
    """To the same document at the same server, by another address."""
    handler.send_response(302)
    handler.send_header("Location", handler.path + "?again")
    handler.end_headers()


def flood(handler: BaseHTTPRequestHandler) -> None:
    """10 MB that never name their length."""
    handler.send_response(200)
    handler.end_headers()
    with suppress(OSError):  # nobody listens any more
        for _ in range(160):
            handler.wfile.write(b"[" * 65536)


def drip(handler: BaseHTTPRequestHandler) -> None:
    """A byte now and then: no single wait is long."""
    handler.send_response(200)
    handler.end_headers()
    with suppress(OSError):
        for _ in range(200):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.1)
