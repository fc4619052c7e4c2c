"""A department's page of purposes: which ones outside education it stands by, for its schools (NĐ 88/2026
Đ.12.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final

from flask import Blueprint, Response, abort, request
from werkzeug.wrappers import Response as AnyResponse

from portal.consent import service
from portal.consent.forms import capital, of_pair
from portal.consent.parties import day_of, staff
from portal.consent.purposes import Purpose
from portal.consent.service import Approval, Denied
from portal.extensions import resources, transaction
from portal.permissions import Act
from portal.web.access import Access, allowed
from portal.web.forms import messages, read_day, to
from portal.web.i18n import gettext, language, marked
from portal.web.sessions import page, viewer
from verifier.errors import InvalidInput, Problem
from verifier.words import day

purposes = Blueprint("purposes", __name__)

PURPOSES: Final = "/purposes"


@purposes.get(PURPOSES)
@allowed(Access.ROLE, Act.APPROVE_PURPOSES)
def listed() -> Response:
    """Every purpose with its approval and what rests on it; the form to approve one."""
    return _page({}, {})


@purposes.post(PURPOSES)
@allowed(Access.ROLE, Act.APPROVE_PURPOSES, again=lambda errors: _page(request.form, errors))
def approve() -> AnyResponse:
    """Stand by a purpose, by a decision of the department."""
    me, form, now = viewer(), request.form, resources().clock.now()
    try:
        purpose, valid_from, valid_to = _read(form, now)
        with transaction() as session:
            done = service.approve_purpose(
                session,
                staff=staff(session, me.account, me.role, me.organisation),
                purpose=purpose,
                reference=form.get("reference", ""),
                valid_from=valid_from,
                valid_to=valid_to,
                now=now,
            )
    except InvalidInput as mistakes:
        return _page(form, messages(mistakes), 422)
    if isinstance(done, Denied):
        return _page(form, {"purpose": gettext(done.message)}, 422)
    return to(PURPOSES)


@purposes.post("/purposes/<name>/revoke")
@allowed(Access.ROLE, Act.APPROVE_PURPOSES, again=lambda errors, name: _page({}, errors))
def revoke(name: str) -> AnyResponse:
    """Stand by it no longer, from this moment."""
    me = viewer()
    try:
        purpose = Purpose(name)
    except ValueError:
        abort(404)
    with transaction() as session:
        done = service.revoke_purpose(
            session,
            staff=staff(session, me.account, me.role, me.organisation),
            purpose=purpose,
            now=resources().clock.now(),
        )
    if isinstance(done, Denied):
        return _page({}, {"purposes": gettext(done.message)}, 422)
    return to(PURPOSES)


def _read(form: Mapping[str, str], now: datetime) -> tuple[Purpose, date, date | None]:
    """Purpose, first and last day. Raises InvalidInput with everything that is wrong."""
    problems: list[Problem] = []
    days: dict[str, date | None] = {}
    if form.get("purpose") not in set(Purpose):
        problems.append(Problem("purpose", "purpose", marked("Chọn mục đích.")))
    problems += service.reference_problems(form.get("reference", ""))
    for name in ("valid_from", "valid_to"):
        try:
            days[name] = read_day(form.get(name, ""), name, now=now)
        except InvalidInput as mistakes:
            problems += mistakes.problems
    first = days.get("valid_from")
    if first is None and "valid_from" in days:
        problems.append(Problem("valid_from", "none", marked("Nhập ngày bắt đầu có hiệu lực.")))
    if first is not None:
        problems += service.period_problems(first, days.get("valid_to"))
    if problems or first is None:
        raise InvalidInput(tuple(problems))
    return Purpose(form["purpose"]), first, days["valid_to"]


def _page(values: Mapping[str, Any], errors: Mapping[str, str], status: int = 200) -> Response:
    me, now = viewer(), resources().clock.now()
    with transaction() as session:
        found = service.approvals(
            session, staff=staff(session, me.account, me.role, me.organisation), now=now
        )
    if isinstance(found, Denied):  # the role ended since this request began
        abort(403)
    context = {
        "values": values,
        "errors": errors,
        "standing": [
            {
                "value": purpose.value,
                "name": _name(purpose),
                "in_education": purpose.in_education,
                "approval": None if approval is None else _approval(approval, day_of(now)),
                "count": count,
            }
            for purpose, approval, count in found.standing
        ],
        "options": [
            (purpose.value, _name(purpose)) for purpose, approval, _ in found.standing if approval is None
        ],
        "former": [_approval(each, day_of(now)) for each in found.former],
        "passkeys": True,
    }
    return page("departments/purposes.html", context, status, here=PURPOSES)


def _approval(approval: Approval, today: date) -> dict[str, Any]:
    tongue = language()
    return {
        "name": _name(approval.purpose),
        "reference": approval.reference,
        "since": day(approval.valid_from, tongue),
        "until": None if approval.valid_to is None else day(approval.valid_to, tongue),
        "early": today < approval.valid_from,
        "over": approval.valid_to is not None and approval.valid_to < today,
        "revoked": None if approval.revoked_at is None else day(day_of(approval.revoked_at), tongue),
    }


def _name(purpose: Purpose) -> str:
    return capital(of_pair(purpose.words))
