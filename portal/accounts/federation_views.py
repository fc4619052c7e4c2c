"""The way to the OpenID provider and back, and linking an identity to the own account."""

from __future__ import annotations

import logging
from typing import Final

from flask import Blueprint, Response, abort, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from portal.accounts import federation, sessions
from portal.accounts.federation import TROUBLES, Attempt
from portal.accounts.models import AccountKind
from portal.accounts.views import ACCOUNT, WORK, own_path
from portal.errors import Refusal
from portal.extensions import resources, transaction
from portal.permissions import Act, Role
from portal.ports import IdentityProvider
from portal.web.access import SIGN_IN_PAGE, Access, allowed
from portal.web.i18n import gettext, language, link
from portal.web.sessions import browser, hand_over, page, session_token, viewer
from verifier.words import Language

openid = Blueprint("openid", __name__)

#: Where the provider sends the browser back to, under ``PUBLIC_URL``; registered there to the letter.
CALLBACK: Final = "/sign-in/openid/callback"
_TROUBLE: Final = "/sign-in/openid/trouble/"

log = logging.getLogger(__name__)


@openid.post("/sign-in/openid")
@allowed(Access.SIGN_IN)
def begin() -> AnyResponse:
    """To the provider, to sign in as one of the kinds of people it is offered to."""
    kind = request.form.get("kind", "")
    if kind not in list(AccountKind):
        abort(404)
    return _leave(AccountKind(kind), wanted=own_path(request.form.get("next", "")))


@openid.post("/account/openid")
@allowed(Access.ROLE, Act.OWN_ACCOUNT)
def begin_link() -> AnyResponse:
    """To the provider, to link who one is there to the own account."""
    me = viewer()
    kind = AccountKind.HOLDER if me.role is Role.HOLDER else AccountKind.STAFF
    with transaction() as session:
        method, _ = sessions.proof_of(session, me.session)
    try:
        federation.refuse_linking_by(method, kind)
    except Refusal as refused:
        return _trouble(refused.code, language())
    return _leave(kind, linking=me.session)


@openid.post("/account/openid/remove")
@allowed(Access.ROLE, Act.OWN_ACCOUNT)
def remove() -> AnyResponse:
    """Take the link away."""
    me = viewer()
    try:
        with transaction() as session:
            federation.unlink(session, me.account, session_id=me.session, now=resources().clock.now())
    except Refusal as refused:
        return _trouble(refused.code, language())
    return redirect(link(ACCOUNT, language()), 303)


@openid.get(CALLBACK)
@allowed(Access.SIGN_IN)
def come_back() -> AnyResponse:
    """The provider's answer. Never a page: the address, which holds the code, gives way to another one."""
    bundle = resources()
    provider = _provider()
    with transaction() as session:  # taken up for good, whatever comes of it
        attempt = federation.claim(session, request.args.get("state", ""), browser(), now=bundle.clock.now())
    if attempt is None:
        return _trouble("stale", language())
    tongue: Language = "en" if attempt.language == "en" else "vi"
    try:
        # No transaction is open while the provider is asked.
        subject = provider.identify(
            request.args.to_dict(),
            attempt.nonce,
            attempt.verifier,
            since=attempt.began_at,
            now=bundle.clock.now(),
        )
    except Refusal as refused:
        return _trouble(refused.code, tongue)
    if attempt.linking is not None:
        return _link(attempt, provider.issuer, subject, tongue)
    return _sign_in(attempt, provider.issuer, subject, tongue)


@openid.get(_TROUBLE + "<code>")
@allowed(Access.SIGN_IN)
def trouble(code: str) -> Response:
    """Why it ended, and what to do."""
    said = TROUBLES.get(code)
    if said is None:
        abort(404)
    context = {
        "title": gettext(said.title),
        "sentence": gettext(said.sentence),
        "next_step": gettext(said.next_step),
    }
    return page("accounts/trouble.html", context, said.status)


def _leave(kind: AccountKind, *, linking: str | None = None, wanted: str = "") -> AnyResponse:
    """A page that goes on to the provider by itself. A redirect would do without one, but browsers hold the
    answer to a form, and every further redirect, to ``form-action``, and a provider's login has addresses
    that nobody here knows.
    """
    bundle, tongue = resources(), language()
    now = bundle.clock.now()
    provider = _provider()
    if not provider.offered(kind.value):
        abort(404)
    with transaction() as session:
        begun = federation.begin(
            session, kind, browser(), linking=linking, wanted=wanted, language=tongue, now=now
        )
    try:
        address = provider.address(begun.state, begun.nonce, begun.verifier, language=tongue, now=now)
    except Refusal as refused:
        return _trouble(refused.code, tongue)
    context = {"address": address, "provider": provider.name}
    return page("accounts/leaving.html", context, here=SIGN_IN_PAGE)


def _sign_in(attempt: Attempt, issuer: str, subject: str, tongue: Language) -> AnyResponse:
    bundle = resources()
    with transaction() as session:
        try:
            token = federation.sign_in(
                session,
                bundle.vault,
                attempt.kind,
                issuer,
                subject,
                replaces=session_token(),
                now=bundle.clock.now(),
            )
        except Refusal as refused:  # inside the transaction: the trail keeps what it was told
            return _trouble(refused.code, tongue)
    return hand_over(redirect(attempt.wanted or link(WORK, tongue), 303), token)


def _link(attempt: Attempt, issuer: str, subject: str, tongue: Language) -> AnyResponse:
    bundle = resources()
    now = bundle.clock.now()
    try:
        with transaction() as session:
            who = sessions.find(session, bundle.vault, session_token(), now=now)
            if who is None or who.session != attempt.linking:
                raise federation.refusal("stale")
            federation.link(session, bundle.vault, who, issuer, subject, now=now)
    except Refusal as refused:
        return _trouble(refused.code, tongue)
    return redirect(link(ACCOUNT, tongue), 303)


def _provider() -> IdentityProvider:
    provider = resources().openid
    if provider is None:
        abort(404)
    return provider


def _trouble(code: str, tongue: Language) -> AnyResponse:
    log.info("openid: %s", code)
    return redirect(link(_TROUBLE + code, tongue), 303)
