"""certomancer as a real server on loopback: an authority for timestamps with its lists and its TSA, which may
be told to answer wrongly.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from asn1crypto import tsp
from certomancer.integrations.animator import Animator, AnimatorArchStore
from certomancer.registry import ArchLabel, CertLabel, CertomancerConfig
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.servers import serve_in_thread

ARCH = "gio"


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


def _asked(environ: Any, change: Callable[[tsp.TimeStampReq], None]) -> None:
    """The question that reaches the authority is another than the one that was sent."""
    question = tsp.TimeStampReq.load(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    change(question)
    body = question.dump(force=True)
    environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))


def _other_digest(question: tsp.TimeStampReq) -> None:
    question["message_imprint"]["hashed_message"] = bytes(32)


def _other_nonce(question: tsp.TimeStampReq) -> None:
    question["nonce"] = 7


# PKIStatusInfo alone: rejection (2), unacceptedPolicy (bit 15); RFC 3161 clause 2.4.2
_REFUSAL = bytes.fromhex("300a 3008 020102 0303000001")


@cache
def _key(_name: str) -> bytes:
    """Made once a run, for it takes a while; the certificates are made anew each time."""
    return rsa.generate_private_key(65537, 3072).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


class PkiServer:
    """A root, an authority below it and a TSA, as certomancer makes and serves them; its clock is ``at``."""

    def __init__(self, folder: Path, at: datetime) -> None:
        for name in ("root", "ca", "tsa"):
            (folder / f"{name}.pem").write_bytes(_key(name))
        self._at = at
        #: How the TSA answers wrongly: down, slow, html, flood, redirect, policy, digest, nonce.
        self.fault = ""
        self._closing = threading.Event()
        self._server = make_server("127.0.0.1", 0, self._answer, handler_class=_Quiet)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        config = CertomancerConfig(_config(self.url, at), key_search_dir=str(folder))
        self._architecture = config.get_pki_arch(ArchLabel(ARCH))
        self._animator = Animator(
            AnimatorArchStore({ArchLabel(ARCH): self._architecture}), at_time=at, with_web_ui=False
        )

    def _answer(self, environ: Any, start_response: Any) -> Any:
        self._animator.fixed_time = self._at
        fault = self.fault if "/tsa/" in environ["PATH_INFO"] else ""
        status, body = "200 OK", b""
        match fault:
            case "":
                return self._animator(environ, start_response)
            case "digest" | "nonce":
                _asked(environ, _other_digest if fault == "digest" else _other_nonce)
                return self._animator(environ, start_response)
            case "slow":
                start_response(status, [("Content-Type", "application/timestamp-reply")])
                return self._drops()
            case "down":
                status = "503 Service Unavailable"
            case "redirect":
                status = "302 Found"
            case "policy":
                body = _REFUSAL
            case _:
                body = b"<html>" * (1 if fault == "html" else 100_000)
        start_response(status, [("Content-Type", "text/plain"), ("Location", f"{self.url}/elsewhere")])
        return [body]

    def _drops(self) -> Iterator[bytes]:
        """A byte now and then, without end."""
        while not self._closing.wait(0.2):
            yield b"0"

    def __enter__(self) -> PkiServer:
        serve_in_thread(self._server)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    def move(self, at: datetime) -> None:
        """Its clock from now on."""
        self._at = at

    def certificate(self, name: str) -> bytes:
        """DER of ``root``, ``ca`` or ``tsa``."""
        return bytes(self._architecture.get_cert(CertLabel(name)).dump())

    @property
    def tsa_url(self) -> str:
        return f"{self.url}/{ARCH}/tsa/tsa"

    def crl_url(self, name: str) -> str:
        """Where ``root`` or ``ca`` publishes its newest list."""
        return f"{self.url}/{ARCH}/crls/{name}/latest.crl"


def _config(url: str, at: datetime) -> dict[str, Any]:
    """certomancer's configuration, as its YAML would say it."""
    form = "%Y-%m-%dT%H:%M:%S+0000"
    validity = {
        "valid-from": (at - timedelta(days=400)).strftime(form),
        "valid-to": (at + timedelta(days=1500)).strftime(form),
    }

    def usage(*uses: str) -> dict[str, Any]:
        smart = {"schema": "key-usage", "params": list(uses)}
        return {"id": "key_usage", "critical": True, "smart-value": smart}

    def listed_by(name: str) -> dict[str, Any]:
        """certomancer's lists speak of the certificates that name their address."""
        smart = {"schema": "crl-dist-url", "params": {"crl-repo-names": [name]}}
        return {"id": "crl_distribution_points", "smart-value": smart}

    authority = [
        {"id": "basic_constraints", "critical": True, "value": {"ca": True}},
        usage("key_cert_sign", "crl_sign"),
    ]
    own = {"subject": "root", "subject-key": "root", "issuer": "root", "authority-key": "root"}
    purpose = {"id": "extended_key_usage", "critical": True, "value": ["time_stamping"]}
    lists = {
        name: {"for-issuer": name, "signing-key": name, "simulated-update-schedule": "P1D"}
        for name in ("root", "ca")
    }
    return {
        "external-url-prefix": url,
        "keysets": {"gio": {"keys": {name: {"path": f"{name}.pem"} for name in ("root", "ca", "tsa")}}},
        "pki-architectures": {
            ARCH: {
                "keyset": "gio",
                "entity-defaults": {"country-name": "VN", "organization-name": "Thử"},
                "entities": {
                    "root": {"common-name": "Gốc dấu thời gian"},
                    "ca": {"common-name": "CA dấu thời gian"},
                    "tsa": {"common-name": "Dấu thời gian"},
                },
                "certs": {
                    "root": {**own, "validity": validity, "extensions": authority},
                    "ca": {
                        "issuer": "root",
                        "validity": validity,
                        "extensions": [*authority, listed_by("root")],
                    },
                    "tsa": {
                        "issuer": "ca",
                        "validity": validity,
                        "extensions": [usage("digital_signature"), purpose, listed_by("ca")],
                    },
                },
                "services": {
                    "crl-repo": lists,
                    "time-stamping": {"tsa": {"signing-key": "tsa", "signing-cert": "tsa"}},
                },
            }
        },
    }
