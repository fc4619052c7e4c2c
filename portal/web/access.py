"""Who may use a route: one explicit rule each (SEC-17), and what a route may do to anybody (SEC-25).

A route without a rule, or one that takes a changing method without saying why that is safe, stops the start
of the portal. The rules:

- ``asks_only``: the route takes POST only because its question must not stand in an address. It reads no
  session and changes nothing that belongs to anybody (wrong tries are counted, alarms told), so a form on
  a strange site gains nothing by sending it, and it needs no token. Any other changing method is refused:
  there is no session yet whose holder could be tricked, and so nothing yet that would protect one.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, Final, TypeVar

from flask import Flask, abort, current_app, request

from portal.extensions import resources

_View = TypeVar("_View", bound=Callable[..., Any])
_MARK: Final = "portal_access"
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Access(Enum):
    """Who may use a route, and what of a record they may meet there."""

    EVERYONE = "everyone: forms and files that hold nothing of a record"
    CODE = "whoever has the full code: the public answer"
    TYPED = "whoever types what stands on the paper: the public answer or one yes or no, counted"
    FILE = "whoever sends the file: what it says of itself"
    DEMO = "everyone, in demo mode only: invented records"


def allowed(rule: Access, *, asks_only: bool = False) -> Callable[[_View], _View]:
    """Declare a view's rule; stands below the route's own decorator."""

    def mark(view: _View) -> _View:
        vars(view)[_MARK] = (rule, asks_only)
        return view

    return mark


def install(app: Flask) -> None:
    """Ask the rule before each request."""

    def ask() -> None:
        view = current_app.view_functions.get(request.endpoint or "")
        if view is not None and rule_of(view) is Access.DEMO and not resources().settings.demo:
            abort(404)

    allowed(Access.EVERYONE)(app.view_functions["static"])
    app.before_request(ask)


def rule_of(view: Callable[..., Any]) -> Access | None:
    """The rule that was declared for a view, None for none."""
    rule: Access | None = vars(view).get(_MARK, (None, False))[0]
    return rule


def refuse_unruled(app: Flask) -> None:
    """Raises LookupError with every route that declares no rule or may change something unprotected."""
    wrong = []
    for route in app.url_map.iter_rules():
        rule, asks_only = vars(app.view_functions[route.endpoint]).get(_MARK, (None, False))
        if rule is None:
            wrong.append(f"{route.rule}: no access rule")
        changing = (route.methods or set()) - _SAFE - ({"POST"} if asks_only else set())
        if changing:
            wrong.append(f"{route.rule}: {', '.join(sorted(changing))} without protection")
    if wrong:
        raise LookupError("; ".join(wrong))
