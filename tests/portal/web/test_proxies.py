"""Whom a request comes from, behind 0, 1 and 2 trusted proxies (SEC-32)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from portal.web.proxies import TrustedProxies
from tests.portal.limits.codes import unknown
from tests.portal.web.world import Stock, build

PEER = "203.0.113.9"


def seen(hops: int, **headers: str) -> tuple[str, str]:
    """The address and the scheme that the app sees."""
    got: list[tuple[str, str]] = []

    def app(environ: dict[str, Any], _start: Any) -> Iterable[bytes]:
        got.append((environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]))
        return []

    environ = {"REMOTE_ADDR": PEER, "wsgi.url_scheme": "http"}
    environ |= {f"HTTP_{name}": value for name, value in headers.items()}
    TrustedProxies(app, hops)(environ, lambda *_: lambda _: None)
    return got[0]


def address(hops: int, forwarded_for: str) -> str:
    return seen(hops, X_FORWARDED_FOR=forwarded_for)[0]


class TestSec32:
    @pytest.mark.parametrize(
        ("hops", "header", "who"),
        [
            (0, "198.51.100.1", PEER),
            (0, "198.51.100.1, 198.51.100.2", PEER),
            (1, "198.51.100.1", "198.51.100.1"),
            (1, "6.6.6.6, 198.51.100.1", "198.51.100.1"),
            (1, "6.6.6.6,198.51.100.1 ", "198.51.100.1"),
            (2, "198.51.100.1, 10.0.0.1", "198.51.100.1"),
            (2, "6.6.6.6, 6.6.6.7, 198.51.100.1, 10.0.0.1", "198.51.100.1"),
            (2, "198.51.100.1", PEER),  # past the outer proxy
            (1, "", PEER),
            (1, "unknown", PEER),
            (1, "6.6.6.6,", PEER),
            (1, "2001:db8::7", "2001:db8::7"),
            (1, "[2001:db8::7]:50123", "2001:db8::7"),
            (1, "fe80::7%eth0", "fe80::7"),
            (1, "198.51.100.1:50123", "198.51.100.1"),
            (1, "::ffff:198.51.100.1", "198.51.100.1"),
        ],
    )
    def test_exactly_so_many_proxies_are_believed(self, hops: int, header: str, who: str) -> None:
        assert address(hops, header) == who

    @pytest.mark.parametrize("claim", ['"', '"6.6.6.6', '\\"', "\x00", "6.6.6.6;", "a" * 5000, ',"', "'"])
    def test_a_client_cannot_swallow_what_the_proxy_appends(self, claim: str) -> None:
        """An opening quotation mark does that to list parsers."""
        assert address(1, f"{claim}, 198.51.100.1") == "198.51.100.1"
        assert address(2, f"{claim}, 198.51.100.1, 10.0.0.1") == "198.51.100.1"

    def test_forwarded_is_not_read(self) -> None:
        assert seen(1, FORWARDED="for=6.6.6.6", X_REAL_IP="6.6.6.6", CLIENT_IP="6.6.6.6")[0] == PEER

    def test_two_headers_are_one_list(self) -> None:
        """As servers join them: the last value stays the proxy's."""
        assert address(1, "6.6.6.6,198.51.100.1") == "198.51.100.1"

    def test_the_scheme_comes_by_the_same_rule(self) -> None:
        assert seen(0, X_FORWARDED_PROTO="https")[1] == "http"
        assert seen(1, X_FORWARDED_PROTO="https")[1] == "https"
        assert seen(1, X_FORWARDED_PROTO="https, http")[1] == "http"
        assert seen(1, X_FORWARDED_PROTO="gopher")[1] == "http"

    def test_a_rotating_claim_changes_nothing_in_the_app(self, issued_stock: Stock, tmp_path: Path) -> None:
        world = build(tmp_path / "i", issued_stock, TRUSTED_PROXIES="1", LIMITS="miss v4 3/minute")
        answers = [
            world.client.get(unknown(n), headers={"X-Forwarded-For": f"6.6.{n}.6, 198.51.100.1"}).status_code
            for n in range(6)
        ]
        assert answers == [200, 200, 200, 429, 429, 429]
