"""Who may use a route: one explicit rule each (SEC-17), and what a route may do to anybody (SEC-25).

A route without a rule, or one that takes a changing method without saying why that is safe, stops the start
of the portal. What makes a changing method safe:

- ``asks_only``: the route takes POST only because its question must not stand in an address. It reads no
  session and changes nothing that belongs to anybody (wrong tries are counted, alarms told, answers kept
  under a number that the answer alone holds), so a form on
  a strange site gains nothing by sending it, and it needs no token.
- ``Access.SIGN_IN``, ``Access.SHARED`` and ``Access.ROLE``: a POST must come from a form of ours, with this
  browser's token. What opens something by a share code uses it up, so no strange page may send it (SEC-20).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeVar
from urllib.parse import quote

from flask import Flask, abort, current_app, g, redirect, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from portal.errors import Refusal
from portal.extensions import resources, within
from portal.permissions import CONFIRMED, RECEIVING, Act, OrganisationKind
from portal.web import confirmation, errors, sessions
from portal.web.i18n import gettext, language, link, marked
from portal.web.requests import Mistake, Rejection, wants_json

#: Mistakes by field, and the parts of the route's address by name -> the page with the form that was sent.
Again = Callable[..., AnyResponse]
_View = TypeVar("_View", bound=Callable[..., Any])
_MARK: Final = "portal_access"
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
SIGN_IN_PAGE: Final = "/sign-in"
_PRESS_AGAIN: Final = marked("Những gì bạn đã nhập vẫn còn trên trang này; hãy bấm nút lần nữa.")
_FILES_AGAIN: Final = marked("Chỉ tệp là phải chọn lại.")


class Access(Enum):
    """Who may use a route, and what of a record they may meet there."""

    EVERYONE = "everyone: forms and files that hold nothing of a record"
    CODE = "whoever has the full code: the public answer"
    TYPED = "whoever types what stands on the paper: the public answer or one yes or no, counted"
    FILE = "whoever sends the file: what it says of itself"
    RESULT = "whoever has the number of a check: what it answered, and what stands today"
    DEMO = "everyone, in demo mode only: invented records"
    SIGN_IN = "everyone: ways to prove who one is"
    SHARED = (
        "whoever has a family's code and knows the birth date: what the family agreed to, while it stands"
    )
    ROLE = "whoever is signed in and has a role that may do the act"


_OWN_FORMS: Final = frozenset({Access.SIGN_IN, Access.SHARED, Access.ROLE})


@dataclass(frozen=True, slots=True)
class Rule:
    """A view's rule; ``act`` stands with :attr:`Access.ROLE` and nowhere else. ``parts`` is how many parts a
    multipart form of this route may have, where those of every route are too few. ``again`` is how the page
    of a form that a passkey confirms comes back when it was not confirmed, with what was typed.
    """

    access: Access
    asks_only: bool = False
    act: Act | None = None
    parts: int | None = None
    again: Again | None = None

    def __post_init__(self) -> None:
        if (self.act is not None) != (self.access is Access.ROLE):
            raise ValueError("an act belongs to Access.ROLE, and every such rule names one")

    @property
    def safe_methods(self) -> frozenset[str]:
        """What a route under this rule may take."""
        own_forms = self.access in _OWN_FORMS
        return _SAFE | {"POST"} if self.asks_only or own_forms else _SAFE


def allowed(
    access: Access,
    act: Act | None = None,
    *,
    asks_only: bool = False,
    parts: int | None = None,
    again: Again | None = None,
) -> Callable[[_View], _View]:
    """Declare a view's rule; stands below the route's own decorator."""
    rule = Rule(access, asks_only, act, parts, again)

    def mark(view: _View) -> _View:
        vars(view)[_MARK] = rule
        return view

    return mark


def install(app: Flask) -> None:
    """Ask the rule before each request."""

    def ask() -> AnyResponse | None:
        view = current_app.view_functions.get(request.endpoint or "")
        rule = None if view is None else rule_of(view)
        if rule is None:
            return None
        if rule.access is Access.DEMO and not resources().settings.demo:
            abort(404)
        if rule.parts is not None:
            request.max_form_parts = rule.parts
            # Each part may be a name of a file with its heads.
            request.max_form_memory_size = max(request.max_form_memory_size or 0, rule.parts * 1024)
        if rule.access in _OWN_FORMS:
            _refuse_nul()
        if rule.access in (Access.SIGN_IN, Access.SHARED):
            _refuse_strange_form()
        if rule.act is not None:
            return _admit(rule.act, rule.again)
        return None

    app.before_request(ask)


def rule_of(view: Callable[..., Any]) -> Rule | None:
    """The rule that was declared for a view, None for none."""
    rule: Rule | None = vars(view).get(_MARK)
    return rule


def refuse_unruled(app: Flask) -> None:
    """Raises LookupError with every route that declares no rule, may change something unprotected, or loses
    what was typed where a passkey is asked for.
    """
    wrong = []
    for route in app.url_map.iter_rules():
        rule = rule_of(app.view_functions[route.endpoint])
        if rule is None:
            wrong.append(f"{route.rule}: no access rule")
        changing = (route.methods or set()) - (_SAFE if rule is None else rule.safe_methods)
        if changing:
            wrong.append(f"{route.rule}: {', '.join(sorted(changing))} without protection")
        if rule and rule.act in CONFIRMED and "POST" in (route.methods or ()) and rule.again is None:
            wrong.append(f"{route.rule}: what was typed is lost where the passkey is refused")
    if wrong:
        raise LookupError("; ".join(wrong))


def _admit(act: Act, again: Again | None) -> AnyResponse | None:
    """Let the viewer through, or lead to the sign-in page. Raises Rejection for what is not theirs."""
    # 1 Who: an unknown session and one that is over are the same.
    keeper = sessions.doorkeeper()
    viewer = keeper.identify(sessions.session_token())
    if viewer is None:
        if request.method in ("GET", "HEAD"):
            here = quote(request.full_path.rstrip("?"), safe="")
            return redirect(link(f"{SIGN_IN_PAGE}?next={here}", language()), 303)
        raise Rejection(401, "signed_out")
    g.viewer = viewer

    # 2 What: the one table.
    if not viewer.may(act):
        keeper.turned_away(viewer, act, "role")
        raise Rejection(403, "not_yours")

    # 3 Whose rows: a school's people meet their own school's, whatever a question forgets to ask (SEC-18).
    if viewer.organisation_kind is OrganisationKind.SCHOOL and act not in RECEIVING:
        within(viewer.organisation)

    # 4 How: a form of ours; and for what cannot be undone the person, once more.
    _refuse_strange_form()
    if request.method == "POST" and act in CONFIRMED:
        try:
            answer = request.form.get(sessions.PASSKEY_FIELD, "")
            keeper.confirm(viewer, confirmation.of_request(act), answer)
        except Refusal as refused:
            keeper.turned_away(viewer, act, refused.code)
            rejection = Rejection(403, refused.code, (Mistake("passkey", refused.message),))
            if again is None or wants_json():
                raise rejection from None
            return _sent_back(again, rejection)
    return None


def _sent_back(again: Again, rejection: Rejection) -> AnyResponse:
    """The page of a form that was not confirmed, with what was typed. Raises Rejection where that page does
    not exist (any more).
    """
    title, sentence, _ = errors.said(rejection.status, rejection.code)
    told = [f"{title}.", sentence, gettext(_PRESS_AGAIN)]
    if any(file.filename for file in request.files.values()):
        told.append(gettext(_FILES_AGAIN))
    shown: Mapping[str, str] = {"main": " ".join(told)}
    try:
        response = again(shown, **(request.view_args or {}))
    except HTTPException:
        raise rejection from None
    response.status_code = rejection.status
    return response


def _refuse_nul() -> None:
    """No keyboard writes U+0000, and PostgreSQL takes it in no text: said before any question is asked."""
    texts = (*request.args.values(), *request.form.values(), *(request.view_args or {}).values())
    if any("\0" in text for text in texts if isinstance(text, str)):
        raise Rejection(400, "unreadable")


def _refuse_strange_form() -> None:
    if request.method not in _SAFE and not sessions.is_own_form():
        raise Rejection(403, "strange_form")
