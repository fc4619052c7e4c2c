"""Pages of the school's office: who is linked to a pupil, slips, contacts, disputes.

A pupil is found by their code at the school, typed whole: there is no list of a class and no search by name.
The address of a pupil's page holds their blind index, which says nothing outside this database.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from flask import Blueprint, Response, abort, request
from werkzeug.wrappers import Response as AnyResponse

from portal.accounts import activation, contacts, holders
from portal.accounts.activation import MadeSlip, NewSlip
from portal.accounts.holders import Link, LinkState
from portal.accounts.models import Account, Relation
from portal.accounts.notices import Notice, send
from portal.accounts.people import open_name
from portal.consent import service as consent
from portal.errors import Refusal
from portal.extensions import reading, resources, transaction
from portal.families.forms import (
    DISPUTES,
    ENDS,
    MISTAKES,
    RELATIONS,
    read_codes,
    read_link,
)
from portal.permissions import Act
from portal.registry import learners
from portal.registry.learners import Pupil
from portal.web import sessions
from portal.web.access import Access, allowed
from portal.web.forms import messages, said, to
from portal.web.i18n import gettext, language, marked
from portal.web.sessions import page, viewer
from verifier.errors import InvalidInput
from verifier.locator import group
from verifier.words import day

office = Blueprint("office", __name__)

HOLDERS: Final = "/holders"
_INDEX: Final = re.compile("[0-9a-f]{64}")
_UNKNOWN: Final = marked("Trường chưa cấp học bạ số nào cho mã học sinh này.")


@office.get(HOLDERS)
@allowed(Access.ROLE, Act.LINK_HOLDERS)
def find() -> Response:
    """The pupil's code; slips for several pupils."""
    return _find_page({}, {})


@office.post(HOLDERS)
@allowed(Access.ROLE, Act.LINK_HOLDERS)
def found() -> AnyResponse:
    """On to the pupil's page."""
    bundle = resources()
    index = learners.pupil_index(bundle.vault, _school(), request.form.get("pupil", "").strip())
    with reading() as session:
        known = learners.pupil_of(session, bundle.vault, _school(), index)
    if known is None:
        return _find_page(request.form, {"pupil": gettext(_UNKNOWN)}, 422)
    return to(f"{HOLDERS}/{index}")


@office.post("/holders/class")
@allowed(Access.ROLE, Act.LINK_HOLDERS)
def class_slips() -> Response:
    """Slips for several pupils at once, for the people whom their newest record names."""
    bundle, form = resources(), request.form
    wanted = [relation for relation in Relation if relation.value in form.getlist("relations")]
    now = bundle.clock.now()
    problems: dict[str, str] = {}
    codes: Sequence[str] = ()
    if not wanted:
        problems["relations"] = gettext("Chọn ít nhất một người nhận giấy.")
    try:
        file = request.files.get("file")
        codes = read_codes(form.get("codes", ""), b"" if file is None else file.stream.read(_MOST_BYTES))
    except InvalidInput as mistakes:
        problems |= messages(mistakes, MISTAKES)
    if problems:
        return _find_page(form, problems, 422)
    slips: list[tuple[str, NewSlip]] = []
    unknown: list[str] = []
    try:
        with transaction() as session:
            for code in codes:
                index = learners.pupil_index(bundle.vault, _school(), code)
                known = learners.pupil_of(session, bundle.vault, _school(), index)
                if known is None:
                    unknown.append(code)
                    continue
                slips += ((code, NewSlip(index, r, n)) for r in wanted if (n := _named(known, r)))
            if unknown:
                raise Refusal("unknown_pupils", _UNKNOWN)
            made = activation.make_slips(
                session,
                bundle.vault,
                _school(),
                [slip for _, slip in slips],
                actor=viewer().actor,
                now=now,
            )
    except InvalidInput as mistakes:
        lines = [_line(slips, p.where, p.message) for p in mistakes.problems]
        return _find_page(form, {"codes": " ".join(dict.fromkeys(lines))}, 422)
    except Refusal as refused:
        _turned_away(refused)
        return _find_page(form, {"codes": f"{', '.join(unknown)}: {said(refused)}"}, 422)
    if not made:
        return _find_page(
            form, {"relations": gettext("Học bạ của các em không ghi tên những người đã chọn.")}, 422
        )
    return _printed(made)


@office.get("/holders/<index>")
@allowed(Access.ROLE, Act.LINK_HOLDERS)
def pupil(index: str) -> Response:
    """Who is linked to one pupil, slips that wait, and the form for another slip."""
    return _pupil_page(index, {}, {})


@office.post("/holders/<index>/slip")
@allowed(Access.ROLE, Act.LINK_HOLDERS)
def make_slip(index: str) -> Response:
    """One slip, printed at once: its code is shown this once."""
    bundle, form = resources(), request.form
    try:
        now = bundle.clock.now()
        relation, last = read_link(form, now)
        new = NewSlip(index, relation, form.get("name", ""), last)
        with transaction() as session:
            made = activation.make_slips(
                session, bundle.vault, _school(), [new], actor=viewer().actor, now=now
            )
    except InvalidInput as mistakes:
        errors = {where.rpartition(".")[2]: text for where, text in messages(mistakes, MISTAKES).items()}
        return _pupil_page(index, form, errors, 422)
    return _printed(made)


@office.post("/holders/<index>/slip/<uuid:key>/cancel")
@allowed(Access.ROLE, Act.LINK_HOLDERS)
def cancel_slip(index: str, key: uuid.UUID) -> AnyResponse:
    """A slip that was lost opens nothing any more."""
    try:
        with transaction() as session:
            activation.cancel_slip(session, _school(), key, actor=viewer().actor, now=resources().clock.now())
    except Refusal as refused:
        return _refused(index, refused)
    return _back(index)


@office.post("/holders/<index>/link/<uuid:key>/<what>")
@allowed(Access.ROLE, Act.LINK_HOLDERS)
def change(index: str, key: uuid.UUID, what: str) -> AnyResponse:
    """What the office does to a link: ``relation``, ``dispute``, ``settle``, ``end``, ``contact``,
    ``keep-contact``.
    """
    bundle, form = resources(), request.form
    now, actor, school = bundle.clock.now(), viewer().actor, _school()
    try:
        with transaction() as session:
            told: tuple[Notice, ...]
            consent.hold(session, pupils=[index])
            match what:
                case "relation":
                    relation, last = read_link(form, now)
                    told = holders.change_link(
                        session, school, key, relation=relation, valid_to=last, actor=actor, now=now
                    )
                case "dispute":
                    reason = form.get("reason", "")
                    told = holders.open_dispute(session, school, key, reason, actor=actor, now=now)
                case "settle":
                    told = holders.close_dispute(session, school, key, actor=actor, now=now)
                case "end":
                    told = holders.end_link(
                        session, school, key, form.get("reason", ""), actor=actor, now=now
                    )
                case "contact":
                    contact = form.get("contact", "")
                    told = contacts.ask_change(
                        session, bundle.vault, school, key, contact, actor=actor, now=now
                    )
                case "keep-contact":
                    told = contacts.stop_change_at_school(session, school, key, actor=actor, now=now)
                case _:
                    abort(404)
            told += consent.settle(session, bundle.vault, pupils=[index], now=now)
            send(session, bundle.vault, told, now=now)
    except InvalidInput as mistakes:
        return _pupil_page(index, {}, {f"link-{key}": " ".join(messages(mistakes, MISTAKES).values())}, 422)
    except Refusal as refused:
        return _refused(index, refused, key)
    return _back(index)


_MOST_BYTES: Final = 64 * 1024


def _find_page(values: Mapping[str, Any], errors: Mapping[str, str], status: int = 200) -> Response:
    context = {
        "values": values,
        "errors": errors,
        "relations": [(r.value, gettext(name)) for r, name in RELATIONS.items()],
        "chosen": request.form.getlist("relations"),
    }
    return page("families/find.html", context, status, here=HOLDERS)


def _pupil_page(
    index: str, values: Mapping[str, Any], errors: Mapping[str, str], status: int = 200
) -> Response:
    bundle, tongue = resources(), language()
    now = bundle.clock.now()
    if not _INDEX.fullmatch(index):
        abort(404)
    with reading() as session:
        known = learners.pupil_of(session, bundle.vault, _school(), index)
        if known is None:
            abort(404)
        shown = []
        for each in holders.links_to(session, bundle.vault, _school(), index, now=now):
            reached = contacts.reached(session, bundle.vault, each.account, now=now)
            name = open_name(bundle.vault, session.get_one(Account, each.account))
            shown.append(_link(each, name, reached))
        slips = activation.slips_for(session, bundle.vault, _school(), index, now=now)
    context = {
        "values": values,
        "errors": errors,
        "index": index,
        "pupil": known,
        "links": shown,
        "slips": [
            {
                "key": slip.key,
                "relation": gettext(RELATIONS[slip.relation]),
                "name": slip.name,
                "expires_on": day(slip.expires_on, tongue),
                "locked": slip.locked,
            }
            for slip in slips
        ],
        "relations": [(r.value, gettext(name)) for r, name in RELATIONS.items()],
        "guardians": [(r.value, gettext(RELATIONS[r])) for r in RELATIONS if r in holders.GUARDIANS],
        "disputes": [(code, gettext(words)) for code, words in DISPUTES.items()],
        "ends": [(code, gettext(words)) for code, words in ENDS.items()],
    }
    return page("families/pupil.html", context, status, here=f"{HOLDERS}/{index}")


def _link(each: Link, name: str, reached: contacts.Reached | None) -> dict[str, Any]:
    tongue = language()
    waiting = None if reached is None else reached.waiting
    return {
        "key": each.key,
        "name": name,
        "relation": each.relation.value,
        "relation_name": gettext(RELATIONS[each.relation]),
        "own": each.relation is Relation.PUPIL,
        "since": day(each.valid_from, tongue),
        "valid_to": "" if each.valid_to is None else f"{each.valid_to:%d/%m/%Y}",
        "disputed": each.state is LinkState.DISPUTED,
        "lapsed": each.state is LinkState.LAPSED,
        "overruled": each.state is LinkState.OVERRULED,
        "reason": gettext(DISPUTES[each.dispute_reason]) if each.dispute_reason else "",
        "contact": "" if reached is None else reached.shown,
        "to_confirm": reached is not None and reached.standing is not contacts.Standing.CONFIRMED,
        "new_contact": "" if waiting is None else waiting.shown,
        "due_on": "" if waiting is None else day(waiting.due_on, tongue),
    }


def _printed(made: Sequence[MadeSlip]) -> Response:
    """The slips, each on a page of its own when printed."""
    tongue = language()
    slips = [
        {
            "code": group(each.code),
            "name": each.slip.name.strip(),
            "relation": gettext(RELATIONS[each.slip.relation]),
            "pupil": each.pupil_name,
            "expires_on": day(each.expires_on, tongue),
        }
        for each in made
    ]
    return page("families/slips.html", {"slips": slips}, here=HOLDERS)


def _named(known: Pupil, relation: Relation) -> str:
    """Whom the record names as this; empty for nobody."""
    return {
        Relation.MOTHER: known.mother,
        Relation.FATHER: known.father,
        Relation.GUARDIAN: known.guardian,
        Relation.PUPIL: known.name,
    }[relation]


def _line(slips: Sequence[tuple[str, NewSlip]], where: str, message: str) -> str:
    """One mistake with the pupil's code that it is about."""
    with suppress(ValueError, IndexError):
        return f"{slips[int(where.partition('.')[0])][0]}: {gettext(message)}"
    return gettext(message)


def _refused(index: str, refused: Refusal, key: uuid.UUID | None = None) -> Response:
    _turned_away(refused)
    where = "slips" if key is None else f"link-{key}"
    return _pupil_page(index, {}, {where: said(refused)}, 422)


def _turned_away(refused: Refusal) -> None:
    sessions.doorkeeper().turned_away(viewer(), Act.LINK_HOLDERS, refused.code)


def _back(index: str) -> AnyResponse:
    return to(f"{HOLDERS}/{index}")


def _school() -> str:
    """The code of the viewer's school; every role that gets here has one."""
    code = viewer().organisation
    if code is None:
        raise LookupError("a role of a school without a school")
    return code
