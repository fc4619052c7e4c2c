"""The holder's page of a share code: shown once, cancelled with one tap.

A code that was lost cannot be shown again, because we do not have it. As long as nobody tried it, whoever
made it makes another in its place, which a button pressed twice does as well; later it is cancelled, and
another sharing is made.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from flask import Blueprint, Response
from werkzeug.wrappers import Response as AnyResponse

from portal.accounts import holders
from portal.accounts.notices import send
from portal.consent import service
from portal.consent.forms import STATES, capital, of_pair
from portal.consent.models import Evidence
from portal.consent.service import By, CodeMade, Denied, Overview, Said, State
from portal.errors import Refusal
from portal.extensions import reading, resources, transaction
from portal.issuing import qr
from portal.permissions import Act
from portal.receiving.sharing import SHARE
from portal.web import sessions
from portal.web.access import Access, allowed
from portal.web.forms import to
from portal.web.i18n import gettext, language, moment
from portal.web.journal import request_id
from portal.web.requests import Rejection
from portal.web.sessions import page, viewer
from verifier.locator import group_share_code
from verifier.words import school_year

codes = Blueprint("codes", __name__)

_PATH = "/family/<uuid:key>/consents/<uuid:consent>/code"


@dataclass(frozen=True, slots=True)
class _Own:
    """The viewer's link and the sharing that the address names."""

    key: uuid.UUID
    sharing: Overview

    @property
    def path(self) -> str:
        return f"/family/{self.key}/consents/{self.sharing.consent}/code"


@codes.get(_PATH)
@allowed(Access.ROLE, Act.CONSENT)
def code_page(key: uuid.UUID, consent: uuid.UUID) -> Response:
    """How the code stands: to be made, made, locked, over."""
    return _page(_own(key, consent), {})


@codes.post(_PATH)
@allowed(Access.ROLE, Act.CONSENT)
def make(key: uuid.UUID, consent: uuid.UUID) -> Response:
    """Make the code, or another in place of one that nobody tried, and show it this once."""
    bundle, me = resources(), viewer()
    own, now = _own(key, consent), bundle.clock.now()
    with transaction() as session:
        made = service.make_code(session, bundle.vault, consent=consent, account=me.account, now=now)
        send(session, bundle.vault, made.notices, now=now)
    if isinstance(made, Denied):
        return _page(own, {"code": gettext(made.message)}, 422)
    return _page(own, {}, made=made)


@codes.post(f"{_PATH}/cancel")
@allowed(Access.ROLE, Act.CONSENT)
def cancel(key: uuid.UUID, consent: uuid.UUID) -> AnyResponse:
    """Take the sharing back: its code opens nothing from now on, and open pages close."""
    bundle, me = resources(), viewer()
    own, now = _own(key, consent), bundle.clock.now()
    with transaction() as session:
        done = service.answer(
            session,
            bundle.vault,
            consent=consent,
            said=Said.NO,
            by=By(Evidence.SIGN_IN, me.account),
            request=request_id(),
            now=now,
        )
        send(session, bundle.vault, done.notices, now=now)
    if isinstance(done, Denied):
        return _page(own, {"code": gettext(done.message)}, 422)
    return to(own.path)


def _own(key: uuid.UUID, consent: uuid.UUID) -> _Own:
    """Raises Rejection 404 for a link or a sharing that is not the viewer's, which the trail is told."""
    bundle, me = resources(), viewer()
    now = bundle.clock.now()
    try:
        with reading() as session:
            link = holders.standing_link(session, bundle.vault, me.account, key, now=now)
        with transaction() as session:
            found = service.of_pupil(
                session, bundle.vault, account=me.account, pupil=link.pupil_index, now=now
            )
    except Refusal as refused:
        sessions.doorkeeper().turned_away(me, Act.CONSENT, refused.code)
        raise Rejection(404, "not_found") from None
    known = () if isinstance(found, Denied) else found
    sharing = next((each for each in known if each.consent == consent and each.recipient is None), None)
    if sharing is None:
        if not isinstance(found, Denied):
            sessions.doorkeeper().turned_away(me, Act.CONSENT, "unknown_consent")
        raise Rejection(404, "not_found")
    return _Own(key, sharing)


def _page(
    own: _Own, errors: Mapping[str, str], status: int = 200, *, made: CodeMade | None = None
) -> Response:
    sharing, public_url = own.sharing, resources().settings.public_url
    context = {
        "errors": errors,
        "path": own.path,
        "consents": f"/family/{own.key}/consents",
        "purpose": capital(of_pair(sharing.purpose.words)),
        "years": ", ".join(map(school_year, sharing.years)),
        "once": sharing.once,
        "until": moment(sharing.until if made is None else made.until, language()),
        "state": gettext(STATES[sharing.state]),
        "given": sharing.state is State.GIVEN,
        "suspended": sharing.suspended is not None,
        "over": sharing.state not in (State.GIVEN, State.WAITING),
        "exists": sharing.code_made,
        "locked": sharing.code_locked,
        "replaceable": sharing.code_replaceable_by == viewer().account,
        "replaces": made is not None and made.replaces,
        "code": None if made is None else group_share_code(made.code),
        "qr": None if made is None else qr.drawn(qr.any_matrix(f"{public_url}{SHARE}#{made.code}")),
        "address": f"{public_url.partition('://')[2]}{SHARE}",
    }
    return page("receiving/code.html", context, status, here=own.path)
