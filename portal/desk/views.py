"""Pages of issuing: class files, parts to sign, what follows an issue, certificates; and the department's."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, Final
from urllib.parse import quote

from flask import Blueprint, Response, abort, current_app, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from portal.accounts import sessions as web_sessions
from portal.decisions.service import ALONE, State
from portal.desk import certificates, corrections, forms, signatures, uploads
from portal.desk.person import Person
from portal.desk.signatures import PartKey
from portal.errors import Refusal
from portal.extensions import reading, resources, transaction
from portal.issuing.deadlines import LockDay
from portal.issuing.models import UploadKind, UploadState, Way
from portal.permissions import STRONG, Act
from portal.registry import many
from portal.registry.service import REASON_CLASSES
from portal.trust import store as trust
from portal.web.access import Access, allowed
from portal.web.forms import messages, said, to
from portal.web.i18n import gettext, language, moment, ngettext
from portal.web.sessions import doorkeeper, page, viewer
from verifier.errors import InvalidInput
from verifier.locator import group
from verifier.words import day, recall_reason, school_year

desk = Blueprint("desk", __name__)

LOCK_DATES: Final = "/lock-dates"

XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_MOST_PROBLEMS: Final = 200  # on a page; the spreadsheet has all
_STAYS: Final = (UploadState.SENT, UploadState.CONFIRMED)


# ------------------------------------------------------------------------------------------------ class files


@desk.get("/classes")
@allowed(Access.ROLE, Act.UPLOAD_CLASS)
def classes() -> Response:
    """The files of the school, and the form to send one."""
    return _classes({}, {})


@desk.post("/classes")
@allowed(Access.ROLE, Act.UPLOAD_CLASS)
def send() -> AnyResponse:
    """Take a class file in and lead to its page."""
    bundle, form = resources(), request.form
    name, content = _file("file")
    kind = UploadKind.CORRECTION if form.get("kind") == UploadKind.CORRECTION else UploadKind.FIRST
    try:
        with transaction() as session:
            key = uploads.send(
                session,
                bundle.vault,
                _me(session),
                content,
                name,
                kind=kind,
                reason=form.get("reason", ""),
                now=bundle.clock.now(),
            )
    except InvalidInput as mistakes:
        return _classes(form, messages(mistakes), 422)
    return to(f"/classes/{key}")


@desk.get("/classes/<uuid:key>")
@allowed(Access.ROLE, Act.UPLOAD_CLASS)
def one_class(key: uuid.UUID) -> Response:
    """How far a file is, what is wrong with it, and what can be done now."""
    return _one_class(key, {})


@desk.post("/classes/<uuid:key>/confirm")
@allowed(Access.ROLE, Act.UPLOAD_CLASS)
def confirm(key: uuid.UUID) -> AnyResponse:
    """Everything is right: let it be issued."""
    return _change_class(key, lambda s, me, now: uploads.confirm(s, me, key, now=now))


@desk.post("/classes/<uuid:key>/withdraw")
@allowed(Access.ROLE, Act.UPLOAD_CLASS)
def withdraw(key: uuid.UUID) -> AnyResponse:
    """Take a file back."""
    return _change_class(key, lambda s, me, now: uploads.withdraw(s, me, key, now=now))


@desk.post("/classes/<uuid:key>/signer")
@allowed(Access.ROLE, Act.UPLOAD_CLASS)
def choose_signer(key: uuid.UUID) -> AnyResponse:
    """Say who signs one field of a file; what was said of the others stays."""
    vault, field, signer = resources().vault, request.form.get("field", ""), request.form.get("signer", "")

    def change(session: Session, me: Person, now: Any) -> None:
        said = uploads.view(session, vault, me, key).choices.get("*", {})
        chosen = {name: "ky_thay" if "ky_thay" in c else str(c["certificate"]) for name, c in said.items()}
        uploads.choose(session, vault, me, key, chosen | {field: signer}, now=now)

    return _change_class(key, change)


@desk.get("/classes/<uuid:key>/mistakes.xlsx")
@allowed(Access.ROLE, Act.UPLOAD_CLASS)
def mistakes_file(key: uuid.UUID) -> Response:
    """The file with its mistakes marked."""
    bundle = resources()
    try:
        with transaction() as session:
            content = uploads.marked_file(session, bundle.vault, _me(session), key, now=bundle.clock.now())
    except Refusal:
        abort(404)
    return _download(content, "danh-sach-loi.xlsx", XLSX)


@desk.get("/classes/<uuid:key>/<record_id>/<int:version>/pdf")
@allowed(Access.ROLE, Act.UPLOAD_CLASS)
def issued_file(key: uuid.UUID, record_id: str, version: int) -> Response:
    """The signed file of one record that came of a class file; of old ones only a few (SEC-24)."""
    bundle = resources()
    try:
        with transaction() as session:
            content = uploads.issued_file(
                session,
                bundle.vault,
                bundle.files,
                _me(session),
                key,
                record_id=record_id,
                version=version,
                now=bundle.clock.now(),
            )
    except Refusal as refused:
        if refused.code != "needs_two_persons":
            abort(404)
        doorkeeper().turned_away(viewer(), Act.UPLOAD_CLASS, refused.code)
        return _one_class(key, {"copies": f"{gettext(refused.message)} {gettext(forms.MANY_COPIES)}"}, 422)
    return _download(content, f"hoc-ba-{record_id}-{version}.pdf", "application/pdf")


def _change_class(key: uuid.UUID, change: Any) -> AnyResponse:
    try:
        with transaction() as session:
            change(session, _me(session), resources().clock.now())
    except Refusal as refused:
        return _one_class(key, {"main": said(refused)}, 422)
    except InvalidInput as mistakes:
        return _one_class(key, messages(mistakes), 422)
    return to(f"/classes/{key}")


def _classes(values: Mapping[str, Any], errors: Mapping[str, str], status: int = 200) -> Response:
    with reading() as session:
        found = uploads.listed(session, resources().vault, _me(session))
    context = {
        "values": values,
        "errors": errors,
        "uploads": [(each, gettext(forms.STATES[each.state]), _time(each.sent_at)) for each in found],
    }
    return page("desk/classes.html", context, status, here="/classes")


def _one_class(key: uuid.UUID, errors: Mapping[str, str], status: int = 200) -> Response:
    vault = resources().vault
    try:
        # Rows are read with their lock, so that what is shown is what the forms below will find.
        with transaction() as session:
            me = _me(session)
            seen = uploads.view(session, vault, me, key)
            offered = uploads.candidates(session, vault, me, key)
            copies = uploads.issued(session, vault, me, key, now=resources().clock.now())
    except Refusal:
        abort(404)
    said = seen.choices.get("*", {})
    examined = seen.examined
    context = {
        "errors": errors,
        "upload": seen.facts,
        "state": gettext(forms.STATES[seen.facts.state]),
        "sent": _time(seen.facts.sent_at),
        "reason": seen.reason,
        "examined": examined,
        "problems": examined.problems[:_MOST_PROBLEMS] if examined else (),
        "marked": seen.marked,
        "stays": seen.facts.state in _STAYS,
        "copies": [(copy, group(copy.record_id)) for copy in copies],
        "days": many.FRESH.days,
        "alone": ALONE,
        "signers": [
            (field, forms.field_name(field), able, "ky_thay" if "ky_thay" in c else c.get("certificate", ""))
            for field, able in offered.items()
            if len(able) > 1
            for c in [said.get(field, {})]
        ]
        if seen.facts.state == UploadState.EXAMINED
        else [],
    }
    return page("desk/class.html", context, status, here=f"/classes/{key}")


@desk.get("/progress")
@allowed(Access.ROLE, Act.SEE_PROGRESS)
def progress() -> Response:
    """Who has not signed."""
    with reading() as session:
        parts = signatures.progress(session, _me(session))
    rows = [(part, forms.field_name(part.key.field), _time(part.since)) for part in parts]
    return page("desk/progress.html", {"parts": rows}, here="/progress")


# ---------------------------------------------------------------------------------------------- parts to sign

#: act -> where its pages are. Three addresses, as a route has one act; the pages are the same.
_PLACES: Final = {Act.SIGN_PART: "/sign", Act.APPROVE: "/approve", Act.SEAL: "/seal"}


def _signing_routes(act: Act) -> None:
    """The pages of one act: its parts, one part's pupils, an order, and the two files of a token."""
    base, name = _PLACES[act], act.value

    def parts() -> Response:
        return _parts(act, {})

    def part() -> Response:
        return _part(act, {})

    def order() -> AnyResponse:
        return _order(act)

    def digests(key: uuid.UUID) -> Response:
        return _digests(key)

    def bring(key: uuid.UUID) -> AnyResponse:
        return _bring(act, key)

    def give_up(key: uuid.UUID) -> AnyResponse:
        return _give_up(act, key)

    def part_again(errors: Mapping[str, str]) -> Response:
        return _part(act, errors)

    def parts_again(errors: Mapping[str, str], key: uuid.UUID) -> Response:
        return _parts(act, errors)

    for path, method, view, again in (
        ("", "GET", parts, None),
        ("/part", "GET", part, None),
        ("/order", "POST", order, part_again),
        ("/orders/<uuid:key>/digests.json", "GET", digests, None),
        ("/orders/<uuid:key>/signatures", "POST", bring, parts_again),
        ("/orders/<uuid:key>/give-up", "POST", give_up, parts_again),
    ):
        rule = allowed(Access.ROLE, act, again=again)
        desk.add_url_rule(base + path, f"{name}_{view.__name__}", rule(view), methods=[method])


for _act in _PLACES:
    _signing_routes(_act)


def _parts(act: Act, errors: Mapping[str, str], status: int = 200) -> Response:
    with reading() as session:
        me = _me(session, act)
        parts = signatures.own_parts(session, me)
        placed = signatures.orders(session, me)
    context = {
        "act": act.value,
        "base": _PLACES[act],
        "errors": errors,
        "strong": act in STRONG,
        "passkeys": act in STRONG,
        "parts": [
            (part, forms.field_name(part.key.field), ", ".join(map(forms.field_name, part.before)))
            for part in parts
            if part.left
        ],
        "orders": [
            (
                each,
                _time(each.ordered_at),
                gettext(forms.WAYS[each.way]),
                [(gettext(forms.LINES[state]), count) for state, count in each.counts.items()],
                [gettext(forms.FAULTS.get(code, forms.OTHER_FAULT)) for code in each.faults],
                _time(each.held_until) if each.held_until else "",
            )
            for each in placed
        ],
    }
    return page("desk/sign.html", context, status, here=_PLACES[act])


def _part(act: Act, errors: Mapping[str, str], status: int = 200) -> Response:
    key = _part_key(request.args if request.method == "GET" else request.form)
    bundle = resources()
    try:
        with transaction() as session:
            pupils = signatures.pupils(session, bundle.vault, _me(session, act), key, now=bundle.clock.now())
    except Refusal:
        abort(404)
    context = {
        "act": act.value,
        "base": _PLACES[act],
        "errors": errors,
        "strong": act in STRONG,
        "passkeys": act in STRONG,
        "key": key,
        "name": forms.field_name(key.field),
        "way": _way(),
        "ready": sum(pupil.state == "ready" for pupil in pupils),
        "pupils": [
            (pupil, [(forms.subject_name(code), row) for code, row in pupil.rows]) for pupil in pupils
        ],
    }
    return page("desk/part.html", context, status, here=None if request.method == "GET" else _PLACES[act])


def _order(act: Act) -> AnyResponse:
    key = _part_key(request.form)
    way = _way()
    now = resources().clock.now()
    try:
        with transaction() as session:
            signatures.order(session, _me(session, act), key, way=way, now=now)
    except Refusal as refused:
        with transaction() as session:
            signatures.refused(session, _me(session, act), key.field, refused.code, now=now)
        return _parts(act, {"main": said(refused)}, 422)
    return to(_PLACES[act])


def _way() -> Way:
    """Where the signer's key is; the portal's own keys stand first."""
    return Way.TOKEN if request.form.get("way") == Way.TOKEN else Way.RING


def _digests(key: uuid.UUID) -> Response:
    try:
        with transaction() as session:
            content = signatures.digests(session, _me(session), key)
    except Refusal:
        abort(404)
    return _download(json.dumps(content, indent=1).encode(), "digests.json", "application/json")


def _bring(act: Act, key: uuid.UUID) -> AnyResponse:
    _, content = _file("file")
    try:
        with transaction() as session:
            signatures.bring(session, _me(session, act), key, content, now=resources().clock.now())
    except InvalidInput as mistakes:
        told = " ".join(f"{p.where}: {p.message}" for p in mistakes.problems[:20])
        return _parts(act, {f"file-{key}": told}, 422)
    except Refusal as refused:
        return _parts(act, {"main": said(refused)}, 422)
    return to(_PLACES[act])


def _give_up(act: Act, key: uuid.UUID) -> AnyResponse:
    try:
        with transaction() as session:
            signatures.give_up(session, _me(session, act), key, now=resources().clock.now())
    except Refusal as refused:
        return _parts(act, {"main": said(refused)}, 422)
    return to(_PLACES[act])


def _part_key(values: Mapping[str, str]) -> PartKey:
    try:
        return forms.read_part(values)
    except ValueError:
        abort(404)


# -------------------------------------------------------------------------------------- what follows an issue


@desk.get("/recall")
@allowed(Access.ROLE, Act.RECALL)
def recall_page() -> Response:
    """The forms to take records back; and what became of the one, or of the proposal, that the address names:
    whoever comes here from a form can load the page again.
    """
    return _recall({}, {})


@desk.post("/recall")
@allowed(Access.ROLE, Act.RECALL, again=lambda errors: _recall(request.form, errors))
def recall() -> AnyResponse:
    """Take the version in circulation back."""
    form = request.form
    try:
        with transaction() as session:
            corrections.recall(
                session,
                resources().vault,
                _me(session, Act.RECALL),
                form.get("record_id", ""),
                form.get("reason", ""),
                now=resources().clock.now(),
            )
    except InvalidInput as mistakes:
        return _recall(form, messages(mistakes), 422)
    except Refusal as refused:
        return _recall(form, {"record_id": said(refused)}, 422)
    return to(f"/recall?record={quote(form.get('record_id', '').strip(), safe='')}")


@desk.post("/recall/many")
@allowed(Access.ROLE, Act.RECALL, again=lambda errors: _recall(request.form, errors))
def ask_many() -> AnyResponse:
    """Ask another manager to recall many records."""
    form = request.form
    try:
        with transaction() as session:
            made = corrections.ask_many(
                session,
                _me(session, Act.RECALL),
                form.get("records", ""),
                form.get("many_reason", ""),
                form.get("reference", ""),
                now=resources().clock.now(),
            )
    except InvalidInput as mistakes:
        return _recall(form, _messages_of_list(mistakes), 422)
    except Refusal as refused:
        return _recall(form, {"records": said(refused)}, 422)
    return to(f"/recall?decision={made}")


@desk.post("/recall/many/<uuid:key>")
@allowed(Access.ROLE, Act.RECALL, again=lambda errors, key: _recall({}, errors))
def answer_many(key: uuid.UUID) -> AnyResponse:
    """Agree to, and so do, what another manager asked; or refuse."""
    yes = request.form.get("answer") == "yes"
    try:
        with transaction() as session:
            bundle = resources()
            corrections.answer_many(
                session, bundle.vault, _me(session, Act.RECALL), key, yes=yes, now=bundle.clock.now()
            )
    except Refusal as refused:
        return _recall({}, {"main": said(refused)}, 422)
    return to(f"/recall?decision={key}")


def _messages_of_list(mistakes: InvalidInput) -> dict[str, str]:
    """Each line that is wrong, by what was typed there: all of them at once."""
    told = [problem.message.rpartition(": ") for problem in mistakes.problems if problem.where == "records"]
    found = messages(mistakes)
    if told:
        found["records"] = "; ".join(head + sep + gettext(tail) for head, sep, tail in told[:_MOST_PROBLEMS])
    return found


def _recall(values: Mapping[str, Any], errors: Mapping[str, str], status: int = 200) -> Response:
    with reading() as session:
        me = _me(session)
        waiting = corrections.many_waiting(session, me, now=resources().clock.now())
        done = _recall_done(session, me) if request.method == "GET" else ""
    context = {
        "values": values,
        "errors": errors,
        "reasons": [(code, recall_reason(code, language())) for code in REASON_CLASSES],
        "done": done,
        "passkeys": True,
        "waiting": [
            {
                "facts": each,
                "records": [group(record_id) for record_id in each.records],
                "reason": recall_reason(each.reason, language()),
                "asked": _time(each.proposed_at),
                "until": _time(each.until),
            }
            for each in waiting
        ],
    }
    return page("desk/recall.html", context, status, here="/recall")


def _recall_done(session: Session, me: Person) -> str:
    """What the address of this page tells of, as it stands now; nothing where it is not so."""
    record_id, decision = request.args.get("record", ""), request.args.get("decision", "")
    if record_id and (number := corrections.recalled_version(session, me, record_id)) is not None:
        return gettext("Đã thu hồi bản số %(number)s.", number=number)
    try:
        told = corrections.many_told(session, me, uuid.UUID(decision))
    except ValueError:
        return ""
    if told is None:
        return ""
    state, count = told
    words = {
        State.PROPOSED: gettext("Đã gửi đề nghị. Một cán bộ quản lý khác của trường phải đồng ý."),
        State.APPLIED: ngettext("Đã thu hồi %(count)s học bạ.", count),
        State.REFUSED: gettext("Đã từ chối đề nghị."),
    }
    return words.get(state, "")


@desk.get("/late-corrections")
@allowed(Access.ROLE, Act.ASK_LATE_CORRECTION)
def late() -> Response:
    """Requests of the school, and the form for a new one."""
    return _late({}, {})


@desk.post("/late-corrections")
@allowed(Access.ROLE, Act.ASK_LATE_CORRECTION)
def ask_late() -> AnyResponse:
    """Ask the department."""
    bundle, form = resources(), request.form
    try:
        with transaction() as session:
            corrections.ask_late(
                session,
                bundle.vault,
                _me(session),
                form.get("record_id", ""),
                form.get("reason", ""),
                now=bundle.clock.now(),
            )
    except InvalidInput as mistakes:
        return _late(form, messages(mistakes), 422)
    except Refusal as refused:
        return _late(form, {"record_id": said(refused)}, 422)
    return to("/late-corrections")


def _late(values: Mapping[str, Any], errors: Mapping[str, str], status: int = 200) -> Response:
    with reading() as session:
        me = _me(session)
        found = corrections.late_of_school(session, me)
        lock_days = corrections.lock_days(session, me, now=resources().clock.now())
    context = {
        "values": values,
        "errors": errors,
        "years": _lock_years(lock_days),
        "reasons": _choices(forms.LATE_REASONS),
        "requests": [_late_line(each) for each in found],
    }
    return page("desk/late.html", context, status, here="/late-corrections")


def _late_line(each: corrections.LateFacts) -> dict[str, Any]:
    return {
        "facts": each,
        "record": group(each.record_id),
        "reason": gettext(forms.LATE_REASONS[each.reason]),
        "state": gettext(forms.LATE_STATES[each.state]),
        "refusal": gettext(forms.LATE_REFUSALS[each.refusal]) if each.refusal else "",
        "asked": _time(each.asked_at),
    }


@desk.get("/department/late-corrections")
@allowed(Access.ROLE, Act.APPROVE_LATE_CORRECTION)
def late_queue() -> Response:
    """Requests that wait for the department."""
    return _late_queue({})


@desk.post("/department/late-corrections/<uuid:key>")
@allowed(
    Access.ROLE,
    Act.APPROVE_LATE_CORRECTION,
    again=lambda errors, key: _late_queue(errors, answered=_answered(key)),
)
def decide_late(key: uuid.UUID) -> AnyResponse:
    """Approve or refuse one."""
    refusal = _refusal()
    try:
        with transaction() as session:
            corrections.decide_late(
                session,
                _me(session, Act.APPROVE_LATE_CORRECTION),
                key,
                refusal=refusal,
                now=resources().clock.now(),
            )
    except Refusal as refused:
        where = f"refusal-{key}" if refused.code == "unknown_reason" else "main"
        return _late_queue({where: said(refused)}, 422, answered=(key, refusal or ""))
    return to("/department/late-corrections")


def _late_queue(
    errors: Mapping[str, str], status: int = 200, *, answered: tuple[uuid.UUID, str] | None = None
) -> Response:
    with reading() as session:
        found = corrections.late_waiting(session, _me(session))
    context = {
        "errors": errors,
        "requests": [_late_line(each) for each in found],
        "refusals": _choices(forms.LATE_REFUSALS),
        "answered": answered,
        "passkeys": True,
    }
    return page("desk/late_queue.html", context, status, here="/department/late-corrections")


@desk.get(LOCK_DATES)
@allowed(Access.ROLE, Act.SET_LOCK_DATES)
def lock_dates() -> Response:
    """Until when the department's schools correct by themselves, year by year."""
    return _lock_dates({}, {})


@desk.post(LOCK_DATES)
@allowed(Access.ROLE, Act.SET_LOCK_DATES, again=lambda errors: _lock_dates(request.form, errors))
def set_lock_day() -> AnyResponse:
    """Set one of the days."""
    form = request.form
    try:
        year, supplementary, last = forms.read_lock_day(form)
        with transaction() as session:
            corrections.set_lock_day(
                session,
                _me(session, Act.SET_LOCK_DATES),
                year,
                last,
                supplementary=supplementary,
                now=resources().clock.now(),
            )
    except InvalidInput as mistakes:
        return _lock_dates(form, messages(mistakes, forms.LOCK_MISTAKES), 422)
    return to(LOCK_DATES)


def _lock_dates(values: Mapping[str, Any], errors: Mapping[str, str], status: int = 200) -> Response:
    with reading() as session:
        found = corrections.lock_days(session, _me(session), now=resources().clock.now())
    years = _lock_years(found)
    context = {
        "values": values,
        "errors": errors,
        "years": years,
        "options": [(year["value"], year["name"]) for year in years],
        "groups": [(code, gettext(words), "") for code, words in forms.LOCK_GROUPS],
        "passkeys": True,
    }
    return page("desk/lock_dates.html", context, status, here=LOCK_DATES)


def _lock_years(found: Sequence[LockDay]) -> list[dict[str, Any]]:
    return [
        {
            "value": year,
            "name": school_year(year),
            "days": [
                {
                    "whose": gettext(forms.LOCK_WORDS[each.supplementary]),
                    "day": day(each.day, language()),
                    "said": each.said,
                }
                for each in days
            ],
        }
        for year, days in groupby(found, lambda each: each.year)
    ]


# ----------------------------------------------------------------------------------------------- certificates


@desk.get("/certificate")
@allowed(Access.ROLE, Act.REGISTER_CERTIFICATE)
def certificate() -> Response:
    """The own certificates, and the form to send one."""
    return _certificate({}, {})


@desk.post("/certificate")
@allowed(Access.ROLE, Act.REGISTER_CERTIFICATE)
def ask_certificate() -> AnyResponse:
    """Ask that a certificate be approved."""
    form = request.form
    _, content = _file("certificate")
    try:
        subjects = forms.read_subjects(form.get("subjects", ""))
        with transaction() as session:
            certificates.ask(
                session,
                _me(session),
                content,
                capacity=form.get("capacity", ""),
                subject_codes=subjects,
                now=resources().clock.now(),
            )
    except InvalidInput as mistakes:
        return _certificate(form, messages(mistakes), 422)
    return to("/certificate")


@desk.get("/certificate/<uuid:key>/digests.json")
@allowed(Access.ROLE, Act.REGISTER_CERTIFICATE)
def challenge(key: uuid.UUID) -> Response:
    """What the own token signs to show that it holds the key."""
    try:
        with reading() as session:
            content = certificates.challenge(session, _me(session), key)
    except Refusal:
        abort(404)
    return _download(json.dumps(content, indent=1).encode(), "digests.json", "application/json")


@desk.post("/certificate/<uuid:key>/possession")
@allowed(Access.ROLE, Act.REGISTER_CERTIFICATE)
def show_key(key: uuid.UUID) -> AnyResponse:
    """Take the signature of the challenge."""
    _, content = _file("file")
    try:
        with transaction() as session:
            certificates.show_key(session, _me(session), key, content, now=resources().clock.now())
    except InvalidInput as mistakes:
        told = " ".join(gettext(problem.message) for problem in mistakes.problems[:20])
        return _certificate({}, {f"file-{key}": told}, 422)
    except Refusal:
        abort(404)
    return to("/certificate")


def _certificate(values: Mapping[str, Any], errors: Mapping[str, str], status: int = 200) -> Response:
    with reading() as session:
        me = _me(session)
        found = certificates.own(session, me)
    context = {
        "values": values,
        "errors": errors,
        "role": certificates.SIGNS_AS[me.role].value,
        "capacities": _choices(forms.CAPACITIES),
        "certificates": [_certificate_line(each) for each in found],
    }
    return page("desk/certificate.html", context, status, here="/certificate")


def _certificate_line(each: certificates.CertificateFacts) -> dict[str, Any]:
    return {
        "facts": each,
        "role": gettext(forms.ROLES[each.role]),
        "capacity": gettext(forms.CAPACITIES[each.capacity]) if each.capacity else "",
        "subjects": ", ".join(map(forms.subject_name, each.subject_codes)),
        "state": gettext(forms.APPROVALS[each.approval]),
        "refusal": gettext(forms.CERTIFICATE_REFUSALS.get(each.refusal, "")) if each.refusal else "",
        "since": _time(each.valid_from),
        "until": _time(each.valid_to) if each.valid_to else "",
    }


@desk.get("/department/certificates")
@allowed(Access.ROLE, Act.DECIDE_CERTIFICATES)
def certificate_queue() -> Response:
    """Certificates that wait for the department."""
    return _certificate_queue({})


@desk.post("/department/certificates/<uuid:key>")
@allowed(
    Access.ROLE,
    Act.DECIDE_CERTIFICATES,
    again=lambda errors, key: _certificate_queue(errors, answered=_answered(key)),
)
def decide_certificate(key: uuid.UUID) -> AnyResponse:
    """Approve or refuse one."""
    refusal = _refusal()
    try:
        with transaction() as session:
            certificates.decide(
                session,
                _me(session, Act.DECIDE_CERTIFICATES),
                key,
                refusal=refusal,
                now=resources().clock.now(),
            )
    except Refusal as refused:
        where = f"refusal-{key}" if refused.code == "unknown_reason" else "main"
        return _certificate_queue({where: said(refused)}, 422, answered=(key, refusal or ""))
    return to("/department/certificates")


def _certificate_queue(
    errors: Mapping[str, str], status: int = 200, *, answered: tuple[uuid.UUID, str] | None = None
) -> Response:
    today = resources().clock.now().date()
    with reading() as session:
        found = certificates.waiting(session, _me(session))
        schools = {c.school_code: trust.school_name(session, c.school_code, today) or "" for c in found}
    context = {
        "errors": errors,
        "certificates": [_certificate_line(each) for each in found],
        "schools": schools,
        "refusals": _choices(forms.CERTIFICATE_REFUSALS),
        "answered": answered,
        "passkeys": True,
    }
    return page("desk/certificate_queue.html", context, status, here="/department/certificates")


# -------------------------------------------------------------------------------------------------- in common


def _me(session: Session, act: Act | None = None) -> Person:
    """The viewer as the services take them. What is asked with a passkey each time was confirmed by one."""
    me = viewer()
    if me.role is None or me.organisation is None:
        raise LookupError("a role of an organisation without an organisation")
    method = "passkey" if act in STRONG else web_sessions.proof_of(session, me.session)[0].value
    return Person(me.account, me.role, me.organisation, me.name, method)


def _refusal() -> str | None:
    """The reason of a no, empty for none; None for a yes. What is not said to be a yes is a no."""
    return None if request.form.get("answer") == "yes" else request.form.get("refusal", "")


def _answered(key: uuid.UUID) -> tuple[uuid.UUID, str]:
    """What was answered, and the reason that was chosen."""
    return key, _refusal() or ""


def _file(field: str) -> tuple[str, bytes]:
    """Name and content of one sent file, at most a byte over the limit; nothing when none was chosen."""
    sent = request.files.get(field)
    if sent is None or not sent.filename:
        return "", b""
    limit: int = current_app.config["MAX_FILE_BYTES"]
    return sent.filename, sent.stream.read(limit + 1)


def _time(value: Any) -> str:
    return moment(value, language())


def _choices(words: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(code, gettext(word)) for code, word in words.items()]


def _download(content: bytes, name: str, kind: str) -> Response:
    response = Response(content, content_type=kind)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "no-store"
    return response
