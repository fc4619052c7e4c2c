"""Security headers on every response, errors and static files included.

They are added below Flask, where nothing can answer without passing. The policy lists are those of the
design: scripts, styles and fetches from our own origin alone, nothing framed, nothing sniffed, no address
leaked onwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "object-src 'none'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

SECURITY_HEADERS: Final = (
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(self), microphone=(), geolocation=()"),
    ("X-Robots-Tag", "noindex"),
    ("Server", "portal"),  # a server puts its own name where the application names none (SEC-43)
)

#: One year, the least that preload lists take. Production only: a desk has no certificate.
STRICT_TRANSPORT_SECURITY: Final = ("Strict-Transport-Security", "max-age=31536000; includeSubDomains")


class SecurityHeaders:
    """WSGI middleware. An answer that says nothing about caching is not to be stored. One that brings a
    policy of its own, as scripts of workers do, keeps it.
    """

    def __init__(self, app: WSGIApplication, *, production: bool) -> None:
        self._app = app
        self._headers = [*SECURITY_HEADERS, *([STRICT_TRANSPORT_SECURITY] if production else [])]

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def with_headers(
            status: str, headers: list[tuple[str, str]], exc_info: Any = None, /
        ) -> Callable[[bytes], object]:
            brought = {name.lower() for name, _ in headers}
            extra = self._headers
            if "content-security-policy" in brought:
                extra = [header for header in extra if header[0] != "Content-Security-Policy"]
            if "cache-control" not in brought:
                extra = [*extra, ("Cache-Control", "no-store")]
            return start_response(status, [*headers, *extra], exc_info)

        return self._app(environ, with_headers)
