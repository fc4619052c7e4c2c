"""The limits in front of Flask's routes. Their numbers stand in :mod:`portal.limits.table`, nowhere else.

Flask-Limiter counts the forms that are sent, each of them, and owns the counters. What is charged only when
it turns out a miss is asked for by name: here by views, below Flask by the scans.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Final, cast

from flask import Flask, Response, g, request
from flask_limiter import Limiter, RateLimitExceeded

from portal.config import Settings
from portal.extensions import resources
from portal.limits.counters import STRATEGY, Counters
from portal.limits.gate import Gate
from portal.limits.table import FORM, UPLOAD, client_keys, spelled
from portal.limits.work import Busy, Workroom
from portal.web import errors
from portal.web.requests import Rejection

#: Endpoints whose every form is counted (:data:`portal.limits.table.FORM`).
FORMS: Final = (
    "lookup.typed",
    "lookup.compare",
    "lookup.keep_code",
    "piles.spreadsheet",
    "consents.receipt_state",
    "openid.begin",
    "openid.begin_link",
)


class TooMany(Rejection):
    """429 with the seconds to wait, which the page says in words."""

    def __init__(self, code: str, retry_after: int) -> None:
        super().__init__(429, code, retry_after=retry_after)
        self.retry_after: int = retry_after


def make_limits(app: Flask, settings: Settings) -> tuple[Limiter, Gate]:
    """Flask-Limiter over our counters, and the gate over the same."""
    limiter = Limiter(
        _address,
        storage_uri="counters://",
        storage_options={"url": settings.limits_url},
        strategy=STRATEGY,
    )
    limiter.init_app(app)
    return limiter, Gate(settings.limits, limiter.limiter, cast(Counters, limiter.storage))


def install_limits(app: Flask, limiter: Limiter, gate: Gate, receiving: Workroom) -> None:
    """Put the counted forms behind Flask-Limiter, one limit for each layer of a client, and every body that
    is sent behind ``receiving``.
    """
    for layer, limit in gate.table[FORM].layers.items():
        counted = limiter.shared_limit(
            spelled(limit),
            scope=f"{FORM} {layer}",
            key_func=partial(_key, layer),
            exempt_when=partial(_elsewhere, layer),
            methods=["POST"],
        )
        for endpoint in FORMS:
            view = cast(Callable[..., Response], app.view_functions[endpoint])
            app.view_functions[endpoint] = counted(view)

    def too_many_requests(_error: RateLimitExceeded) -> Response:
        breached = limiter.current_limit
        wait = 1 if breached is None else max(1, math.ceil(breached.window.reset_time - time.time()))
        return errors.rejected(TooMany(gate.table[FORM].code, wait))

    app.register_error_handler(RateLimitExceeded, too_many_requests)

    # A body may come in slowly, and each holds a thread of the server while it does. So many of them are read
    # at one time that threads are always left for whoever only looks up.

    def take_in() -> None:
        if request.method == "POST":
            g.receiving = ExitStack()
            with _no_place():
                g.receiving.enter_context(receiving.place(_address()))

    def taken_in(_error: BaseException | None) -> None:
        if (held := g.pop("receiving", None)) is not None:
            held.close()

    app.before_request(take_in)
    app.teardown_request(taken_in)


def _key(layer: str) -> str:
    return dict(client_keys(_address())).get(layer, "")


def _elsewhere(layer: str) -> bool:
    """Whether this client is not counted in the layer."""
    return not _key(layer)


def admit(*names: str) -> None:
    """Turn the request away, before anything is looked up, when its client used up one of these limits."""
    bundle = resources()
    for name in names:
        wait = bundle.gate.refused(name, _address())
        if wait is not None:
            raise TooMany(bundle.gate.table[name].code, wait)


def charge(name: str) -> None:
    """Charge the client; what no longer fits gets no answer."""
    bundle = resources()
    wait = bundle.gate.charge(name, _address())
    if wait is not None:
        raise TooMany(bundle.gate.table[name].code, wait)


def fits(name: str) -> bool:
    """Charge the client for what an answer can go without; whether it fitted."""
    bundle = resources()
    return bundle.gate.charge(name, _address()) is None


@contextmanager
def examining(registered: bool) -> Iterator[None]:
    """The time in which a document is examined: a place of the workroom, and a charge for unknown bytes."""
    if not registered:
        admit(UPLOAD)
    with ExitStack() as held:
        with _no_place():
            held.enter_context(resources().workroom.place(_address()))
        if not registered:
            charge(UPLOAD)
        yield


@contextmanager
def working() -> Iterator[None]:
    """The time in which something is made that takes the machine as a check does: a place of the workroom."""
    with ExitStack() as held:
        with _no_place():
            held.enter_context(resources().workroom.place(_address()))
        yield


@contextmanager
def receiving_pile() -> Iterator[None]:
    """The time in which a pile of files is received and checked: one of few places (disk, a thread)."""
    with ExitStack() as held:
        with _no_place():
            held.enter_context(resources().pile_room.place(_address()))
        yield


@contextmanager
def _no_place() -> Iterator[None]:
    """Say in an answer that there is no place."""
    try:
        yield
    except Busy as busy:
        if busy.own:
            raise TooMany("too_many_at_once", busy.retry_after) from None
        raise Rejection(503, "busy", retry_after=busy.retry_after) from None


def _address() -> str:
    return request.environ.get("REMOTE_ADDR") or ""
