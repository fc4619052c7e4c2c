"""Who looked at a child's records: who, when, what for, on which ground (SEC-30)."""

from __future__ import annotations

import uuid
from typing import Any, Final

from flask import Blueprint, Response, abort, request

from portal.consent import disclosing
from portal.consent.disclosing import PAGE, Access
from portal.consent.forms import capital, of_pair
from portal.consent.purposes import Duty, Purpose
from portal.extensions import resources
from portal.families.consent_forms import years as names
from portal.families.linked import acting, granted, name_of
from portal.permissions import Act
from portal.registry import learners
from portal.web.access import Access as Rules
from portal.web.access import allowed
from portal.web.i18n import gettext, language, marked, moment
from portal.web.sessions import page, viewer

looks = Blueprint("looks", __name__)

_MOST: Final = 2**53  # no trail has so many entries; a database takes no larger number
#: Looks by no organisation: what for -> who, and why they may.
_OWN: Final = {
    "own_record": (
        marked("Gia đình: phụ huynh hoặc chính học sinh"),
        marked("Xem học bạ của mình hoặc của con em mình."),
    ),
    "issuer_copy": (marked("Nhà trường đã cấp học bạ"), marked("Trường lấy bản sao học bạ mình đã cấp.")),
}
_BEARER: Final = marked("Người có mã chia sẻ của gia đình")


@looks.get("/family/<uuid:key>/looks")
@allowed(Rules.ROLE, Act.SEE_OWN_RECORDS)
def listed(key: uuid.UUID) -> Response:
    """A page of looks, the newest first."""
    bundle = resources()
    before = request.args.get("before", type=int)
    if before is not None and not 0 < before < _MOST:
        abort(404)
    with acting(key, Act.SEE_OWN_RECORDS) as (session, link):
        found = disclosing.accesses(
            session,
            bundle.vault,
            account=viewer().account,
            pupil=link.pupil_index,
            before=before,
            now=bundle.clock.now(),
        )
        name = name_of(session, link)
        years = {
            record.key: gettext(
                "lớp %(grade)s, năm học %(year)s", grade=record.grade, year=names([record.year])
            )
            for record in learners.records_of(session, link.school_code, link.pupil_index)
        }
    seen = granted(found)
    context = {
        "key": key,
        "name": name,
        "first": before is None,
        "looks": [_shown(each, years) for each in seen],
        "older": seen[-1].number if len(seen) == PAGE else None,
    }
    return page("families/looks.html", context, here=f"/family/{key}/looks")


def _shown(each: Access, years: dict[uuid.UUID, str]) -> dict[str, Any]:
    who, why, ground = _said(each)
    return {
        "who": who,
        "named": each.who is not None,
        "why": why,
        "ground": ground,
        "at": moment(each.at, language()),
        "year": "" if each.record is None else years.get(each.record, ""),
        "count": each.count,
        "reference": each.reference,
        "declared": each.declared,
    }


def _said(each: Access) -> tuple[str, str, str]:
    """Who, what for and on which ground, in words."""
    if each.basis in set(Duty):
        ground = Duty(each.basis).ground
        duty = gettext("Nhiệm vụ theo luật, không cần gia đình đồng ý: %(article)s", article=ground.article)
        return each.who or "", capital(of_pair(ground.words)), duty
    if each.why in set(Purpose):
        agreed = gettext("Gia đình đã đồng ý")
        return each.who or gettext(_BEARER), capital(of_pair(Purpose(each.why).words)), agreed
    who, why = _OWN.get(each.why or "", _OWN["issuer_copy"])
    return gettext(who), capital(gettext(why)), ""
