"""Pages of the school where a pupil's yes or no is taken down: said before a person of the school, or signed
on paper (SEC-21).

A pupil is found by their code at the school, typed whole. The school speaks for the pupil alone: a guardian
answers by their own sign-in.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any, Final

from flask import Blueprint, Response, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from portal.accounts.notices import send
from portal.consent import service
from portal.consent.ages import Party
from portal.consent.forms import capital, of_pair
from portal.consent.models import Evidence
from portal.consent.parties import Staff, staff
from portal.consent.service import MAX_REFERENCE, Answered, By, Denied, Overview, Said, State
from portal.consent.texts import Shown
from portal.extensions import reading, resources, transaction
from portal.families import consent_forms as words
from portal.permissions import Act
from portal.registry import learners
from portal.registry.learners import Pupil
from portal.web import journal
from portal.web.access import Access, allowed
from portal.web.forms import messages, to
from portal.web.i18n import gettext, language, marked, moment
from portal.web.requests import Rejection
from portal.web.sessions import own_office, page, viewer
from verifier.errors import InvalidInput

witness = Blueprint("witness", __name__)

FIND: Final = "/holders/consents"
_INDEX: Final = re.compile("[0-9a-f]{64}")
_HOW: Final = {
    Evidence.WITNESS: marked("Em nói với tôi, tôi chứng kiến"),
    Evidence.PAPER: marked("Em ký trên giấy, trường giữ giấy"),
}


@witness.get(FIND)
@allowed(Access.ROLE, Act.WITNESS_CONSENT)
def find() -> Response:
    """The pupil's code."""
    return _find_page({}, {})


@witness.post(FIND)
@allowed(Access.ROLE, Act.WITNESS_CONSENT)
def found() -> AnyResponse:
    """On to what the pupil is asked."""
    bundle = resources()
    index = learners.pupil_index(bundle.vault, own_office(), request.form.get("pupil", "").strip())
    with reading() as session:
        known = learners.pupil_of(session, bundle.vault, own_office(), index)
    if known is None:
        message = gettext("Trường chưa cấp học bạ số nào cho mã học sinh này.")
        return _find_page(request.form, {"pupil": message}, 422)
    return to(f"/holders/{index}/consents")


@witness.get("/holders/<index>/consents")
@allowed(Access.ROLE, Act.WITNESS_CONSENT)
def waiting(index: str) -> Response:
    """What the pupil may answer at school."""
    bundle = resources()
    with transaction() as session:
        known, staff = _known(session, index)
        now = bundle.clock.now()
        listed = service.at_school(session, bundle.vault, staff=staff, pupil=index, now=now)
    if isinstance(listed, Denied):
        return _not_theirs(listed)
    context = {"index": index, "pupil": known, "consents": [_shown(each) for each in listed]}
    return page("families/witness_list.html", context, here=f"/holders/{index}/consents")


@witness.get("/holders/<index>/consents/<uuid:consent>")
@allowed(Access.ROLE, Act.WITNESS_CONSENT)
def question(index: str, consent: uuid.UUID) -> Response:
    """The text for the pupil, to be read together or printed and signed."""
    return _question_page(index, consent, {}, {})


@witness.post("/holders/<index>/consents/<uuid:consent>")
@allowed(Access.ROLE, Act.WITNESS_CONSENT)
def take_down(index: str, consent: uuid.UUID) -> AnyResponse:
    """The pupil's yes or no, with the witness or with where the paper is kept."""
    bundle, form = resources(), request.form
    now = bundle.clock.now()
    how = {each.value: each for each in _HOW}.get(form.get("how", ""))
    said = {each.value: each for each in Said}.get(form.get("said", ""))
    errors: dict[str, str] = {}
    if how is None:
        errors["how"] = gettext("Chọn em trả lời thế nào.")
    if said is None:
        errors["said"] = gettext("Chọn một trong hai câu trả lời.")
    if how is Evidence.PAPER and not 0 < len(form.get("reference", "").strip()) <= MAX_REFERENCE:
        errors["reference"] = gettext("Ghi nơi lưu bản giấy, không quá 80 ký tự.")
    if errors or how is None or said is None:
        return _question_page(index, consent, form, errors, 422)
    try:
        with transaction() as session:
            _, staff = _known(session, index)
            by = By(how, staff.account, staff, form.get("reference", "") if how is Evidence.PAPER else "")
            result: Answered | Denied | None = None
            found = _one(session, staff, index, consent)
            if isinstance(found, Overview):
                result = service.answer(
                    session,
                    bundle.vault,
                    consent=consent,
                    said=said,
                    by=by,
                    request=journal.request_id(),
                    language=language(),
                    sha256=form.get("sha256", ""),
                    now=now,
                )
                send(session, bundle.vault, result.notices, now=now)
    except InvalidInput as mistakes:
        return _question_page(index, consent, form, messages(mistakes), 422)
    if isinstance(found, Denied):
        return _not_theirs(found)
    if result is None:
        raise Rejection(404, "not_found")
    if isinstance(result, Denied):
        return _question_page(index, consent, form, {"said": gettext(result.message)}, 422)
    return to(f"/holders/{index}/consents")


def _find_page(values: Mapping[str, Any], errors: Mapping[str, str], status: int = 200) -> Response:
    return page("families/witness_find.html", {"values": values, "errors": errors}, status, here=FIND)


def _not_theirs(denied: Denied) -> Response:
    """A pupil whose answers are not the viewer's to take down: nothing of the pupil is shown."""
    return _find_page({}, {"pupil": gettext(denied.message)}, 403)


def _question_page(
    index: str, consent: uuid.UUID, values: Mapping[str, Any], errors: Mapping[str, str], status: int = 200
) -> Response:
    bundle, tongue = resources(), language()
    text: Shown | Denied | None = None
    with transaction() as session:
        known, staff = _known(session, index)
        each = _one(session, staff, index, consent)
        if isinstance(each, Overview):
            by = By(Evidence.WITNESS, staff.account, staff)
            text = service.question(
                session, bundle.vault, consent, by=by, language=tongue, now=bundle.clock.now()
            )
    if isinstance(each, Denied):
        return _not_theirs(each)
    if each is None or not isinstance(text, Shown):
        raise Rejection(404, "not_found")
    context = {
        "index": index,
        "pupil": known,
        "values": values,
        "errors": errors,
        "text": text,
        "number": consent,
        "consent": _shown(each),
        "ways": [(how.value, gettext(name)) for how, name in _HOW.items()],
    }
    return page("families/witness.html", context, status, here=f"/holders/{index}/consents/{consent}")


def _known(session: Session, index: str) -> tuple[Pupil, Staff]:
    """A pupil of the viewer's school, and the viewer. Raises Rejection."""
    me = viewer()
    known = None
    if _INDEX.fullmatch(index):
        known = learners.pupil_of(session, resources().vault, own_office(), index)
    if known is None:
        raise Rejection(404, "not_found")
    return known, staff(session, me.account, me.role, me.organisation)


def _one(session: Session, staff: Staff, index: str, consent: uuid.UUID) -> Overview | Denied | None:
    """A consent that this pupil may answer at this school, None for any other."""
    bundle = resources()
    listed = service.at_school(
        session, bundle.vault, staff=staff, pupil=index, consent=consent, now=bundle.clock.now()
    )
    return listed if isinstance(listed, Denied) else next(iter(listed), None)


def _shown(each: Overview) -> dict[str, Any]:
    tone, word, sentence = words.standing(each)
    return {
        "consent": each.consent,
        "recipient": each.recipient or gettext(words.BEARER),
        "purpose": capital(of_pair(each.purpose.words)),
        "years": words.years(each.years),
        "tone": tone,
        "word": word,
        "sentence": sentence,
        "asked_at": moment(each.asked_at, language()),
        "to_answer": Party.PUPIL in each.waiting_for,
        "may_say_yes": Party.PUPIL in each.waiting_for and each.child_here and not each.disputed,
        "own_sign_in": not each.child_here,
        "disputed": each.disputed,
        "given": each.state is State.GIVEN,
    }
