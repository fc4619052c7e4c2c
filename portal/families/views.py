"""Pages of families: signing in by a code, a slip of the school, the children's records, the own contact.

One question a page, for a small phone. What a page before asked for is carried in the form, never in an
address: nothing is kept of somebody who has not proved anything yet.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from flask import Blueprint, Response, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from portal.accounts import activation, contacts, holders
from portal.accounts.activation import FoundSlip, Typed
from portal.accounts.holders import Child, Link, LinkState, Wanted
from portal.accounts.notices import send
from portal.consent import service as consent
from portal.consent.forms import capital, of_pair
from portal.errors import Refusal, marked
from portal.extensions import reading, resources, transaction
from portal.families import consents
from portal.families.consent_forms import BEARER
from portal.families.forms import MISTAKES, RELATIONS
from portal.families.sheet import lay_out
from portal.limits.table import WRONG_SIGN_IN
from portal.lookup import service as lookup
from portal.permissions import Act
from portal.ports import Channel
from portal.registry import service as registry
from portal.registry.learners import PupilRecord
from portal.trust import store as trust
from portal.web import answers, sessions
from portal.web.access import Access, allowed
from portal.web.contents import fetched
from portal.web.forms import messages, said, to
from portal.web.i18n import gettext, language, moment
from portal.web.limits import admit, charge
from portal.web.requests import Rejection
from portal.web.sessions import hand_over, page, session_token, viewer
from verifier.errors import InvalidInput
from verifier.locator import Locator, group, read_slip_code
from verifier.verdict import VersionState
from verifier.words import day, role_name, school_year

families = Blueprint("families", __name__)

HOME: Final = "/family"
CONTACT: Final = "/family/contact"
SIGN_IN: Final = "/sign-in/family"
ACTIVATE: Final = "/sign-in/slip"

_WRONG_PAIR: Final = marked(
    "Mã hoặc ngày sinh không đúng. So lại với giấy; sau năm lần sai ngày sinh, mã trên giấy bị khoá "
    "và phải xin nhà trường giấy mới"
)
_WRONG_CODE: Final = marked("Mã không đúng hoặc đã hết hạn. Dùng mã mới nhất vừa nhận, hoặc làm lại từ đầu")
_STATES: Final = {
    VersionState.CURRENT: marked("đang lưu hành"),
    VersionState.SUPERSEDED: marked("đã có bản mới hơn"),
    VersionState.RECALLED: marked("đã thu hồi"),
}
_CONTACTS: Final = {Channel.PHONE: marked("Số điện thoại"), Channel.EMAIL: marked("E-mail")}


# ------------------------------------------------------------------------------------------------- signing in


@families.get(SIGN_IN)
@allowed(Access.SIGN_IN)
def contact_page() -> Response:
    """By which phone or e-mail."""
    return page("families/sign_in.html", {"values": {}, "errors": {}}, here=SIGN_IN)


@families.post(SIGN_IN)
@allowed(Access.SIGN_IN)
def ask_sign_in() -> Response:
    """Send a code, or nothing; the page that asks for it is the same."""
    bundle, form = resources(), request.form
    now = bundle.clock.now()
    try:
        with transaction() as session:
            told = contacts.ask_sign_in(session, bundle.vault, form.get("contact", ""), now=now)
            send(session, bundle.vault, told, now=now)
    except InvalidInput as mistakes:
        return _again("families/sign_in.html", messages(mistakes, MISTAKES))
    except Refusal as refused:
        return _again("families/sign_in.html", {"contact": said(refused)})
    return page("families/sign_in_code.html", {"values": form, "errors": {}}, here=SIGN_IN)


@families.post("/sign-in/family/code")
@allowed(Access.SIGN_IN)
def sign_in() -> AnyResponse:
    """The code: whoever has it holds the contact."""
    admit(WRONG_SIGN_IN)
    bundle, form = resources(), request.form
    error = gettext(_WRONG_CODE)
    try:
        with transaction() as session:
            token = contacts.sign_in(
                session,
                bundle.vault,
                form.get("contact", ""),
                form.get("code", ""),
                replaces=session_token(),
                now=bundle.clock.now(),
            )
    except InvalidInput:  # what was typed one page before came back damaged
        token = None
    except Refusal as refused:
        token, error = None, said(refused)
    if token is None:
        charge(WRONG_SIGN_IN)
        return _again("families/sign_in_code.html", {"code": error})
    return hand_over(to(HOME), token)


# --------------------------------------------------------------------------------------- a slip of the school


@families.get(ACTIVATE)
@allowed(Access.SIGN_IN)
def slip_page() -> Response:
    """The code on the slip."""
    return page("families/slip.html", {"values": {}, "errors": {}}, here=ACTIVATE)


@families.post("/sign-in/slip/birth")
@allowed(Access.SIGN_IN)
def slip_code() -> Response:
    """Whether what was typed can be a code at all; then the pupil's birth date."""
    try:
        read_slip_code(request.form.get("code", ""))
    except InvalidInput as mistakes:
        return _again("families/slip.html", messages(mistakes, MISTAKES))
    return page("families/slip_birth.html", {"values": request.form, "errors": {}}, here=ACTIVATE)


@families.post("/sign-in/slip/contact")
@allowed(Access.SIGN_IN)
def slip_birth() -> Response:
    """The right pair opens the slip: whose it is, and the question for a contact."""
    admit(WRONG_SIGN_IN)
    bundle = resources()
    try:
        with transaction() as session:
            found = activation.open_slip(session, bundle.vault, _typed(), now=bundle.clock.now())
    except InvalidInput as mistakes:
        return _birth_again(messages(mistakes, MISTAKES))
    if isinstance(found, FoundSlip):
        return page("families/slip_contact.html", _slip_context(found, {}), here=ACTIVATE)
    return _slip_refused(found)


@families.post("/sign-in/slip/code")
@allowed(Access.SIGN_IN)
def slip_contact() -> Response:
    """Send a one-time code to the contact."""
    admit(WRONG_SIGN_IN)
    bundle, form = resources(), request.form
    now = bundle.clock.now()
    try:
        with transaction() as session:
            told = activation.ask_code(
                session, bundle.vault, _typed(), form.get("contact", ""), language=language(), now=now
            )
            if isinstance(told, tuple):
                send(session, bundle.vault, told, now=now)
    except InvalidInput as mistakes:
        return _contact_again(messages(mistakes, MISTAKES))
    if isinstance(told, tuple):
        return page("families/slip_code.html", {"values": form, "errors": {}}, here=ACTIVATE)
    return _slip_refused(told)


@families.post(ACTIVATE)
@allowed(Access.SIGN_IN)
def activate() -> AnyResponse:
    """The one-time code: linked, signed in."""
    admit(WRONG_SIGN_IN)
    bundle, form = resources(), request.form
    now = bundle.clock.now()
    try:
        with transaction() as session:
            done = activation.activate(
                session,
                bundle.vault,
                _typed(),
                form.get("contact", ""),
                form.get("one_time_code", ""),
                replaces=session_token(),
                now=now,
            )
            if isinstance(done, activation.Activated):
                send(session, bundle.vault, done.told, now=now)
        if isinstance(done, activation.Activated):
            # On its own: whose consents are locked is only known now, and the trail's lock was taken before.
            with transaction() as session:
                pupils = holders.pupils_of(session, done.account)
                send(
                    session,
                    bundle.vault,
                    consent.settle(session, bundle.vault, pupils=pupils, now=now),
                    now=now,
                )
    except InvalidInput as mistakes:
        return _birth_again(messages(mistakes, MISTAKES))
    if isinstance(done, activation.Activated):
        return hand_over(to(HOME), done.token)
    if done is None:
        charge(WRONG_SIGN_IN)
        return _again("families/slip_code.html", {"one_time_code": gettext(_WRONG_CODE)}, ACTIVATE)
    return _slip_refused(done)


def _typed() -> Typed:
    """Code and birth date of the form: three boxes, the year alone where no more is known."""
    form = request.form
    boxes = (form.get(name, "").strip() for name in ("ngay", "thang", "nam"))
    return Typed(form.get("code", ""), "/".join(box for box in boxes if box))


def _slip_context(found: FoundSlip, errors: Mapping[str, str]) -> dict[str, Any]:
    relation = gettext(RELATIONS[found.relation])
    return {
        "values": request.form,
        "errors": errors,
        "slip": found,
        "relation": relation[:1].lower() + relation[1:],
    }


def _slip_refused(refused: Refusal | FoundSlip | None) -> Response:
    """One answer to a wrong code, a wrong date and a locked slip; what became of a slip for a right pair."""
    if isinstance(refused, Refusal):
        return _again("families/slip.html", {"code": said(refused)}, ACTIVATE)
    charge(WRONG_SIGN_IN)
    return _birth_again({"ngay": gettext(_WRONG_PAIR)})


def _birth_again(errors: dict[str, str]) -> Response:
    if "birth" in errors:
        errors["ngay"] = errors.pop("birth")
    if "code" in errors:
        return _again("families/slip.html", errors, ACTIVATE)
    return _again("families/slip_birth.html", errors, ACTIVATE)


def _contact_again(errors: dict[str, str]) -> Response:
    if set(errors) != {"contact"}:
        return _birth_again(errors)
    bundle = resources()
    try:
        with transaction() as session:
            found = activation.open_slip(session, bundle.vault, _typed(), now=bundle.clock.now())
    except InvalidInput as mistakes:  # the contact is looked at first: the slip may be wrong as well
        return _birth_again(messages(mistakes, MISTAKES))
    if not isinstance(found, FoundSlip):
        return _slip_refused(found)
    return page("families/slip_contact.html", _slip_context(found, errors), 422, here=ACTIVATE)


def _again(template: str, errors: Mapping[str, str], here: str = SIGN_IN) -> Response:
    return page(template, {"values": request.form, "errors": errors}, 422, here=here)


# ----------------------------------------------------------------------------------------------- the children


@families.get(HOME)
@allowed(Access.ROLE, Act.SEE_OWN_RECORDS)
def home() -> Response:
    """One place a child: all years, each with its answer."""
    bundle, me = resources(), viewer()
    now = bundle.clock.now()
    with reading() as session:
        children = holders.children(session, bundle.vault, me.account, now=now)
        links = holders.links_of(session, bundle.vault, me.account, now=now)
        reached = contacts.reached(session, bundle.vault, me.account, now=now)
        shown = [_child(session, child) for child in children]
        asked = [
            {
                "to": consents.address(link.key, each.consent),
                "name": child.name,
                "purpose": capital(of_pair(each.purpose.words)),
                "recipient": each.recipient or gettext(BEARER),
            }
            for child in children
            for link in child.links
            for each in consent.to_answer(
                session, bundle.vault, account=me.account, pupil=link.pupil_index, now=now
            )
        ]
    context = {
        "children": shown,
        "asked": asked,
        "disputed": sum(each.state is LinkState.DISPUTED for each in links),
        "overruled": any(each.state is LinkState.OVERRULED for each in links),
        "waiting": reached is not None and reached.waiting is not None,
        "to_confirm": reached is not None and reached.standing is not contacts.Standing.CONFIRMED,
    }
    return page("families/home.html", context, here=HOME)


def _child(session: Session, child: Child) -> dict[str, Any]:
    highest = child.grades[-1] if child.grades else 0
    return {
        "link": child.link.key,
        "consents": [
            (consents.address(link.key), "" if len(child.links) == 1 else _school(child, link))
            for link in child.links
        ],
        "name": child.name,
        "relation": gettext(RELATIONS[child.link.relation]),
        "count": f"{len(child.grades)}/{highest}",
        "missing": ", ".join(str(grade) for grade in child.missing),
        "any": bool(child.grades),
        "records": [_record(session, record) for record in reversed(child.records)],
    }


def _school(child: Child, link: Link) -> str:
    """What the school of a link is called on the child's records; its code where it has issued none."""
    named = (record.newest.school_name for record in child.records if record.school_code == link.school_code)
    return next(named, link.school_code)


def _record(session: Session, record: PupilRecord) -> dict[str, Any]:
    """One year: the verdict of its newest version, by the code, in the one table of words."""
    bundle, tongue = resources(), language()
    newest = record.newest
    locator = Locator(record.record_id, newest.digest)
    found = lookup.by_locator(session, bundle.vault, locator, now=bundle.clock.now())
    said_of = answers.Answer(found.verdict, found.report, found.record).words(tongue, holder=True)
    return {
        "record_id": record.record_id,
        "grade": record.grade,
        "year": school_year(record.year),
        "school": newest.school_name,
        "tone": said_of.tone,
        "headline": said_of.headline,
        "sentence": said_of.sentence,
        "roles": ", ".join(role_name(role, tongue, record.level) for role in newest.roles),
        "opened": record.own or newest.state is not VersionState.RECALLED,
        "versions": [
            {
                "number": version.version,
                "state": gettext(_STATES[version.state]),
                "issued_on": day(version.issued_on, tongue),
                "since": None if version.since is None else day(version.since, tongue),
            }
            for version in reversed(record.versions)
        ],
    }


@families.get("/family/<uuid:key>/<record_id>/<int:version>")
@allowed(Access.ROLE, Act.SEE_OWN_RECORDS)
def record(key: uuid.UUID, record_id: str, version: int) -> Response:
    """The whole of one version, in the form's order; prints with a watermark."""
    bundle, me, tongue = resources(), viewer(), language()
    now = bundle.clock.now()
    wanted = Wanted(key, record_id, version)
    with _owned(), transaction() as session:
        opened = holders.open_version(session, bundle.vault, me.account, wanted, now=now)
        sha256 = registry.newest_file(session, record_id, version)
        report = None if sha256 is None else registry.stored_report(session, sha256)
        signatures = () if report is None else report.signatures
        names = trust.signer_names(
            session, (s.signer.certificate_sha256 for s in signatures if s.signer is not None)
        )
    level = str(opened.header["level"])
    context = {
        "key": key,
        "record_id": record_id,
        "shown_id": group(record_id),
        "version": version,
        "name": opened.fields["ho_va_ten"],
        "grade": opened.header["grade"],
        "year": school_year(str(opened.header["year"])),
        "sections": lay_out(level, opened.fields),
        "signers": [
            (
                role_name(s.role, tongue, level),
                answers.subject_name(s.subject_code) if s.subject_code else None,
                None if s.signer is None else names.get(s.signer.certificate_sha256),
            )
            for s in signatures
            if s.role is not None
        ],
        "at": moment(now, tongue),
    }
    return page("families/record.html", context)


@families.get("/family/<uuid:key>/<record_id>/<int:version>/pdf")
@allowed(Access.ROLE, Act.SEE_OWN_RECORDS)
def signed_file(key: uuid.UUID, record_id: str, version: int) -> Response:
    """The signed PDF: everything that the record says, also what is sensitive."""
    bundle, me = resources(), viewer()
    wanted = Wanted(key, record_id, version)
    with fetched(), _owned(), transaction() as session:
        data = holders.open_pdf(
            session, bundle.vault, bundle.files, me.account, wanted, now=bundle.clock.now()
        )
    response = Response(data, content_type="application/pdf")
    response.headers["Content-Disposition"] = f'attachment; filename="hoc-ba-{record_id}-{version}.pdf"'
    return response


@contextmanager
def _owned() -> Iterator[None]:
    """What is not the viewer's own is told in the trail, and is no page to them."""
    try:
        yield
    except Refusal as refused:
        sessions.doorkeeper().turned_away(viewer(), Act.SEE_OWN_RECORDS, refused.code)
        raise Rejection(404, "not_found") from None


# -------------------------------------------------------------------------------------------- the own contact


@families.get(CONTACT)
@allowed(Access.ROLE, Act.SEE_OWN_RECORDS)
def own_contact() -> Response:
    """How the viewer is reached, and a change that waits."""
    return _contact_page({})


@families.post("/family/contact/stop")
@allowed(Access.ROLE, Act.SEE_OWN_RECORDS)
def stop_change() -> AnyResponse:
    """Stop the change that waits."""
    bundle, me = resources(), viewer()
    now = bundle.clock.now()
    try:
        with transaction() as session:
            told = contacts.stop_change(session, me.account, actor=me.actor, now=now)
            send(session, bundle.vault, told, now=now)
    except Refusal as refused:
        sessions.doorkeeper().turned_away(me, Act.SEE_OWN_RECORDS, refused.code)
        return _contact_page({"change": said(refused)}, 422)
    return to(CONTACT)


def _contact_page(errors: Mapping[str, str], status: int = 200) -> Response:
    bundle, tongue = resources(), language()
    with reading() as session:
        reached = contacts.reached(session, bundle.vault, viewer().account, now=bundle.clock.now())
    waiting = None if reached is None else reached.waiting
    context = {
        "errors": errors,
        "reached": reached,
        "kind": "" if reached is None else gettext(_CONTACTS[reached.kind]),
        "confirmed_on": None
        if reached is None or reached.confirmed_at is None
        else day(holders.today(reached.confirmed_at), tongue),
        "due_on": None if waiting is None else day(waiting.due_on, tongue),
        "to_confirm": reached is not None and reached.standing is not contacts.Standing.CONFIRMED,
    }
    return page("families/contact.html", context, status, here=CONTACT)
