"""Who is signed in, as every page knows it: the cookie, the form token, the viewer of a request.

The session itself is a row that :mod:`portal.accounts` keeps; this room asks it through a
:class:`Doorkeeper`. Only routes whose rule names an act read the cookie: the public answers never do.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast
from urllib.parse import urlencode

from flask import Flask, Response, current_app, g, request
from werkzeug.wrappers import Response as AnyResponse

from portal.audit.service import Actor
from portal.extensions import resources
from portal.permissions import Act, OrganisationKind, Role, may
from portal.web.i18n import language, this_page
from portal.web.pages import Pages

_KEY: Final = "doorkeeper"
#: The hidden field of every form that changes something.
TOKEN_FIELD: Final = "form_token"  # noqa: S105 - a field's name
#: The hidden field that carries a passkey's answer to "is it really you, and really this?".
PASSKEY_FIELD: Final = "passkey"


@dataclass(frozen=True, slots=True)
class Viewer:
    """Whoever sent this request. ``role`` None: only to set up the own account; ``organisation`` is a code,
    None for a holder. ``session`` names the session's row and opens nothing.
    """

    account: uuid.UUID
    actor: Actor
    name: str
    session: str
    role: Role | None
    organisation: str | None = None
    organisation_name: str = ""
    organisation_kind: OrganisationKind | None = None

    def may(self, act: Act) -> bool:
        """Whether this viewer's role may ask for ``act`` at all."""
        return act is Act.OWN_ACCOUNT if self.role is None else may(self.role, act)


class Doorkeeper(Protocol):
    """What the routes ask of the accounts. Each call is a transaction of its own."""

    def identify(self, token: str) -> Viewer | None:
        """Whose session this is, None for one that is unknown or over."""

    def confirm(self, viewer: Viewer, what: str, answer: str) -> None:
        """Raises Refusal unless ``answer`` is given by a passkey of the viewer, now, for ``what``: the digest
        of :mod:`portal.web.confirmation` (SEC-23).
        """

    def turned_away(self, viewer: Viewer, act: Act, reason: str) -> None:
        """Note in the trail that the viewer asked for what is not theirs to do (SEC-30)."""


def install(app: Flask, doorkeeper: Doorkeeper) -> None:
    """Hang the doorkeeper on the app; see to the form cookie."""
    app.extensions[_KEY] = doorkeeper
    app.after_request(_keep_form_cookie)


def doorkeeper() -> Doorkeeper:
    """The doorkeeper of the current app."""
    return cast(Doorkeeper, current_app.extensions[_KEY])


# ---------------------------------------------------------------------------------------------------- cookie


def session_token() -> str:
    """What the session cookie of this request holds; empty without one."""
    return request.cookies.get(_name("session"), "")


def hand_over(response: AnyResponse, token: str) -> AnyResponse:
    """Put a new session's token into its cookie (SEC-22). Its life is the row's, so the cookie names none."""
    response.set_cookie(_name("session"), token, path="/", secure=_secure(), httponly=True, samesite="Lax")
    return response


def take_back(response: AnyResponse) -> AnyResponse:
    """Let the browser forget the session's cookie."""
    response.delete_cookie(_name("session"), path="/", secure=_secure(), httponly=True, samesite="Lax")
    return response


def known_browser() -> str:
    """What this browser shows of the staff that signed in with it (:mod:`portal.accounts.browsers`)."""
    return request.cookies.get(_name("known"), "")


def remember_browser(response: AnyResponse, shown: str) -> AnyResponse:
    """Let the browser show ``shown`` where somebody signs in, for a year."""
    response.set_cookie(
        _name("known"),
        shown,
        max_age=365 * 24 * 3600,
        path="/",
        secure=_secure(),
        httponly=True,
        samesite="Lax",
    )
    return response


def _secure() -> bool:
    """Production is https; a desk's plain http has no cookie that could bear the prefix."""
    return resources().settings.public_url.startswith("https:")


def _name(name: str) -> str:
    return f"__Host-{name}" if _secure() else name


# ------------------------------------------------------------------------------------------------ form token


def form_token() -> str:
    """What a form of this page must bring back (SEC-25): from the session, or before there is one from a
    cookie that the page sets.
    """
    return hashlib.sha256(b"form/1 " + _secret().encode()).hexdigest()


def browser() -> str:
    """What this browser is called by a row that it alone may take up again; no page shows it. Another
    sign-in in between makes it another browser.
    """
    return hashlib.sha256(b"browser/1 " + _secret().encode()).hexdigest()


def is_own_form() -> bool:
    """Whether this form was sent from a page of ours to this browser."""
    # Browsers that say where a form comes from are believed first; the token stands for those that do not.
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        return False
    if not session_token() and not request.cookies.get(_name("form")):
        return False
    return hmac.compare_digest(request.form.get(TOKEN_FIELD, "").encode(), form_token().encode())


def _secret() -> str:
    return session_token() or request.cookies.get(_name("form"), "") or _fresh_secret()


def _fresh_secret() -> str:
    if "form_secret" not in g:
        g.form_secret = secrets.token_urlsafe(32)
    return cast(str, g.form_secret)


def _keep_form_cookie(response: Response) -> Response:
    if (secret := g.pop("form_secret", None)) is not None:
        response.set_cookie(_name("form"), secret, path="/", secure=_secure(), httponly=True, samesite="Lax")
    return response


# ---------------------------------------------------------------------------------------------------- viewer


def viewer() -> Viewer:
    """The viewer of this request, whose act the route's rule has allowed."""
    return cast(Viewer, g.viewer)


def own_office() -> str:
    """The code of the viewer's organisation; every role but a holder's has one."""
    office = viewer().organisation
    if office is None:
        raise LookupError("an act of an organisation's people, and no organisation")
    return office


def page(
    template: str, context: Mapping[str, Any], status: int = 200, *, here: str | None = None
) -> Response:
    """A page of the signed-in part, or of signing in: with its viewer, its token, in its language."""
    pages: Pages = current_app.extensions["pages"]
    known = {"viewer": g.get("viewer"), "form_token": form_token(), "may": _may}
    if request.method == "GET" and here in (None, request.path):
        here = _as_asked()
    if here is not None:
        known["here"] = here
    return pages.page(template, language(), {"passkeys": False, **context, **known}, status)


_ASKED: Final = frozenset({"next", "from", "before", "record", "decision", "upload", "class", "field"})


def _as_asked() -> str:
    """This page with what was asked of it: in the other language it is the same part of a list, and signing
    in still leads to where somebody wanted to go. Of names that it does not know, nothing: one may be a code.
    """
    asked = [(name, value) for name, value in request.args.items() if name in _ASKED]
    return f"{this_page()}?{urlencode(asked)}" if asked else this_page()


def _may(act: str) -> bool:
    """For templates: whether to offer a way at all."""
    return "viewer" in g and viewer().may(Act(act))
