"""Opening a family's share code, for whoever has it and knows the birth date (SEC-20).

The address never holds the code: the QR carries it behind the ``#``, which no browser sends and no preview
sees. A GET shows a form and touches nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from flask import Blueprint, Response, jsonify, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from portal.accounts import sessions as web_sessions
from portal.accounts.notices import send
from portal.consent import disclosing, parties
from portal.consent.disclosing import Disclosed
from portal.consent.parties import Staff
from portal.consent.service import Denied
from portal.extensions import reading, resources, transaction
from portal.limits.table import WRONG_SIGN_IN
from portal.receiving.forms import MISTAKES, read_pair
from portal.receiving.opened import content_page, read_seal, respond
from portal.web.access import Access, allowed
from portal.web.contents import fetched
from portal.web.forms import messages
from portal.web.i18n import gettext, marked
from portal.web.limits import admit, charge
from portal.web.sessions import browser, page, session_token
from verifier.errors import InvalidInput

sharing = Blueprint("sharing", __name__)

SHARE: Final = "/share"
_AGAIN: Final = "/share/opened"
_BEARER: Final = marked("Người có mã chia sẻ")
_WRONG: Final = marked(
    "Mã hoặc ngày sinh không đúng. So lại với mã đã nhận; sau năm lần sai ngày sinh, mã bị khoá và gia đình "
    "phải tạo mã mới"
)


@sharing.get(SHARE)
@allowed(Access.SHARED)
def code_page() -> Response:
    """The form. It looks nothing up."""
    return _page({}, {})


@sharing.post(SHARE)
@allowed(Access.SHARED)
def open_code() -> Response:
    """The code and the birth date: what the family agreed to, or one answer to whatever is wrong."""
    found = opened_by_code(staff=None)
    if isinstance(found, Disclosed):
        return content_page(found, _bearer(found), path=_AGAIN)
    return _page(request.form, found, 422)


@sharing.post(_AGAIN)
@allowed(Access.SHARED)
def again() -> AnyResponse:
    """What is open once more: in the other language, or as a file."""
    return show_again(staff=None, who=_bearer, path=_AGAIN) or _page({}, {"code": gettext(_OVER)}, 422)


@sharing.post("/share/standing")
@allowed(Access.SHARED)
def standing() -> Response:
    """Whether what a page shows may still be shown (SEC-19). Asked every few seconds while it is open, by a
    script, which is no sign that somebody is there: it keeps no session awake.
    """
    bundle, opening = resources(), read_seal()
    with reading() as session:
        # Whoever is signed in may have opened it under their own name, or at the page for everybody.
        stands = opening is not None and any(
            disclosing.stands(session, bundle.vault, opening, staff=staff, now=bundle.clock.now())
            for staff in (None, _asleep(session))
        )
    return jsonify(stands=stands)


def _asleep(session: Session) -> Staff | None:
    """Who is signed in here, without a word to their session."""
    bundle = resources()
    found = web_sessions.find(session, bundle.vault, session_token(), now=bundle.clock.now())
    if found is None or found.organisation is None or found.role is None:
        return None
    return parties.staff(session, found.account, found.role, found.organisation)


_OVER: Final = marked(
    "Phần học bạ này không còn được xem. Nếu vẫn cần, mở lại bằng mã, hoặc xin gia đình mã mới"
)


def opened_by_code(*, staff: Staff | None) -> Disclosed | dict[str, str]:
    """What the form's code opens, or the mistakes at its fields. A wrong pair is charged to the client
    beside the code's own count.
    """
    admit(WRONG_SIGN_IN)
    bundle, form = resources(), request.form
    now = bundle.clock.now()
    try:
        pair = read_pair(form)
        with fetched(), transaction() as session:
            found = disclosing.open_code(
                session,
                bundle.vault,
                bundle.files,
                code=pair.code,
                birth=pair.birth,
                declared=form.get("declared", "") if staff is None else "",
                staff=staff,
                browser=browser(),
                now=now,
            )
            send(session, bundle.vault, found.notices, now=now)
    except InvalidInput as mistakes:
        errors = messages(mistakes, MISTAKES)
        if "birth" in errors:
            errors["ngay"] = errors.pop("birth")
        return errors
    if not isinstance(found, Denied):
        return found
    if found.code == "not_opened":
        charge(WRONG_SIGN_IN)
        return {"code": gettext(_WRONG)}
    return {"code": gettext(found.message)}


def show_again(*, staff: Staff | None, who: Callable[[Disclosed], str], path: str) -> Response | None:
    """What the form's seal names once more, to whoever ``who`` says, None when it may no longer be shown."""
    bundle, opening = resources(), read_seal()
    if opening is None:
        return None
    now = bundle.clock.now()
    with fetched(), transaction() as session:
        found = disclosing.show_again(session, bundle.vault, bundle.files, opening, staff=staff, now=now)
    return None if isinstance(found, Denied) else respond(found, who(found), path=path)


def _bearer(shown: Disclosed) -> str:
    """Who they said they were when they opened it: nobody turns into somebody else afterwards."""
    return shown.declared or gettext(_BEARER)


def _page(values: Mapping[str, str], errors: Mapping[str, str], status: int = 200) -> Response:
    context = {"values": values, "errors": errors, "path": SHARE, "own": False}
    return page("receiving/share.html", context, status, here=SHARE)
