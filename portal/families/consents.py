"""Pages by which a family consents: what was asked, the question, the child's own page, receipts; and the
public check of a receipt.

A guardian's answer and that of the child beside them on the same device are two forms to two addresses: one
request carries one answer (SEC-21).
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from flask import Blueprint, Response, current_app, request
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as AnyResponse

from portal.accounts import holders
from portal.accounts.holders import Link
from portal.accounts.models import Relation
from portal.accounts.notices import send
from portal.consent import receipts, service
from portal.consent.ages import Party
from portal.consent.forms import STATES, capital, of_pair, wish_choices
from portal.consent.models import EventKind, Evidence
from portal.consent.parties import day_of, visible
from portal.consent.purposes import Purpose
from portal.consent.receipts import Receipt, ReceiptEvent
from portal.consent.service import By, Denied, Overview, Said, State
from portal.consent.texts import Reader, Shown
from portal.extensions import reading, resources
from portal.families import consent_forms as words
from portal.families.linked import acting, granted, name_of, turned
from portal.issuing import qr
from portal.limits.table import WRONG_TRY
from portal.permissions import Act
from portal.registry.service import Issued
from portal.web import journal
from portal.web.access import Access, allowed
from portal.web.forms import messages, to
from portal.web.i18n import gettext, language, moment
from portal.web.limits import admit, charge
from portal.web.pages import Pages
from portal.web.sessions import page, viewer
from verifier.errors import InvalidInput

consents = Blueprint("consents", __name__)

RECEIPT: Final = "/receipt"
#: Refusals after which the page shows how the consent stands, which says it all.
_OVERTAKEN: Final = frozenset({"already_answered", "not_open", "same_request"})
_NUMBER: Final = re.compile("[0-9a-f]{32}")


def address(key: uuid.UUID, consent: uuid.UUID | None = None) -> str:
    """Where the consents about the pupil of a link stand, or one of them."""
    return f"/family/{key}/consents" + ("" if consent is None else f"/{consent}")


# ------------------------------------------------------------------------------------------------ all of them


@consents.get("/family/<uuid:key>/consents")
@allowed(Access.ROLE, Act.CONSENT)
def every(key: uuid.UUID) -> Response:
    """Every consent about the pupil, newest first."""
    bundle, me = resources(), viewer()
    now = bundle.clock.now()
    with acting(key, Act.CONSENT) as (session, link):
        found = service.of_pupil(session, bundle.vault, account=me.account, pupil=link.pupil_index, now=now)
        name = name_of(session, link)
    context = {"key": key, "name": name, "consents": [_shown(each, link) for each in granted(found)]}
    return page("families/consents.html", context, here=address(key))


@consents.get("/family/<uuid:key>/consents/new")
@allowed(Access.ROLE, Act.CONSENT)
def new(key: uuid.UUID) -> Response:
    """The form by which a family begins to share; nothing is ticked."""
    with acting(key, Act.CONSENT) as (session, link):
        records = visible(session, link.school_code, link.pupil_index)
        context = _new_context(session, link, records)
    return _new_page(link, context, MultiDict(), {})


@consents.post("/family/<uuid:key>/consents/new")
@allowed(Access.ROLE, Act.CONSENT)
def offer(key: uuid.UUID) -> AnyResponse:
    """Make the question, which everybody who is needed then answers."""
    bundle, me, form = resources(), viewer(), request.form
    now = bundle.clock.now()
    errors: dict[str, str] = {}
    made = None
    with acting(key, Act.CONSENT) as (session, link):
        records = visible(session, link.school_code, link.pupil_index)
        context = _new_context(session, link, records)
        try:
            wish, chosen = words.read_sharing(form, records)
            made = service.offer(
                session,
                bundle.vault,
                account=me.account,
                pupil=link.pupil_index,
                records=chosen,
                wish=wish,
                now=now,
            )
            send(session, bundle.vault, made.notices, now=now)
        except InvalidInput as mistakes:
            errors = messages(mistakes)
    if isinstance(made, Denied):
        if made.code != "not_approved":
            raise turned(made)
        errors = {"purpose": gettext(made.message)}
    if made is None or isinstance(made, Denied):
        return _new_page(link, context, form, errors)
    return to(address(key, made.consent))


def _new_context(session: Session, link: Link, records: tuple[Issued, ...]) -> dict[str, Any]:
    """What the form of a new sharing offers."""
    today = day_of(resources().clock.now())
    return {
        "key": link.key,
        "name": name_of(session, link),
        **wish_choices(service.available(session, records, today)),
        "records": words.record_choices(records),
        "sensitive": words.possible_choices(records),
    }


def _new_page(
    link: Link, context: Mapping[str, Any], form: MultiDict[str, Any], errors: Mapping[str, str]
) -> Response:
    given = {
        "errors": errors,
        "chosen": {field: form.getlist(field) for field in ("purpose", "records", "preset", "sensitive")}
        | {field: form.getlist(field) for field in ("pdf", "days", "uses")},
    }
    status = 422 if errors else 200
    return page("families/consent_new.html", {**context, **given}, status, here=f"{address(link.key)}/new")


# ------------------------------------------------------------------------------------------------ one of them


@consents.get("/family/<uuid:key>/consents/<uuid:consent>")
@allowed(Access.ROLE, Act.CONSENT)
def one(key: uuid.UUID, consent: uuid.UUID) -> Response:
    """The question, while the viewer's answer is missing; and how it stands."""
    return _one_page(key, consent, {})


@consents.post("/family/<uuid:key>/consents/<uuid:consent>/answer")
@allowed(Access.ROLE, Act.CONSENT)
def answer(key: uuid.UUID, consent: uuid.UUID) -> AnyResponse:
    """The viewer's own yes or no. A no to what was given takes it back."""
    refused = _answered(key, consent, By(Evidence.SIGN_IN, viewer().account))
    if refused is not None:
        return _one_page(key, consent, {"said": refused}, 422)
    return to(address(key, consent))


def _one_page(key: uuid.UUID, consent: uuid.UUID, errors: Mapping[str, str], status: int = 200) -> Response:
    bundle, me, tongue = resources(), viewer(), language()
    now = bundle.clock.now()
    by = By(Evidence.SIGN_IN, me.account)
    with acting(key, Act.CONSENT) as (session, link):
        each = _one(session, link, consent)
        told: Receipt | Denied | None = None
        text: Shown | Denied | None = None
        if isinstance(each, Overview):
            told = receipts.receipt(session, bundle.vault, consent=consent, account=me.account, now=now)
            text = service.question(session, bundle.vault, consent, by=by, language=tongue, now=now)
        name = name_of(session, link)
    each = granted(each)
    context = {
        "key": key,
        "name": name,
        "errors": errors,
        "consent": _shown(each, link),
        "text": text if isinstance(text, Shown) else None,
        "child_words": isinstance(text, Shown) and text.reader is Reader.CHILD,
        "events": [_event(event) for event in granted(told).events],
    }
    return page("families/consent.html", context, status, here=address(key, consent))


# -------------------------------------------------------------------- the child's page on a guardian's device


@consents.get("/family/<uuid:key>/consents/<uuid:consent>/child")
@allowed(Access.ROLE, Act.CONSENT)
def child(key: uuid.UUID, consent: uuid.UUID) -> AnyResponse:
    """A page for the child alone, without anything of the guardian's."""
    return _child_page(key, consent)


@consents.get("/family/<uuid:key>/consents/<uuid:consent>/child/explained")
@allowed(Access.ROLE, Act.CONSENT)
def explained(key: uuid.UUID, consent: uuid.UUID) -> AnyResponse:
    """The same, with what it all means."""
    return _child_page(key, consent, explained=True)


@consents.post("/family/<uuid:key>/consents/<uuid:consent>/child")
@allowed(Access.ROLE, Act.CONSENT)
def child_answer(key: uuid.UUID, consent: uuid.UUID) -> AnyResponse:
    """The child's own yes or no, recorded as said on the guardian's device; the guardian's comes first."""
    with acting(key, Act.CONSENT) as (session, link):
        each = _one(session, link, consent)
    if not _childs_turn(granted(each), link):
        return to(address(key, consent))
    refused = _answered(key, consent, By(Evidence.SAME_DEVICE, viewer().account))
    if refused is not None:
        return _child_page(key, consent, {"said": refused})
    return to(f"{address(key, consent)}/child")


def _child_page(
    key: uuid.UUID,
    consent: uuid.UUID,
    errors: Mapping[str, str] | None = None,
    *,
    explained: bool = False,
) -> AnyResponse:
    bundle, me, tongue = resources(), viewer(), language()
    by = By(Evidence.SAME_DEVICE, me.account)
    text: Shown | Denied | None = None
    with acting(key, Act.CONSENT) as (session, link):
        each = _one(session, link, consent)
        if isinstance(each, Overview) and _childs_turn(each, link):
            now = bundle.clock.now()
            text = service.question(session, bundle.vault, consent, by=by, language=tongue, now=now)
        name = name_of(session, link)
    each = granted(each)
    if each.state in (State.WAITING, State.GIVEN) and not isinstance(text, Shown):
        return to(address(key, consent))
    context = {
        "here_is": address(key, consent),
        "name": name,
        "errors": errors or {},
        "text": text,
        "asked": Party.PUPIL in each.waiting_for,
        "ended": each.state not in (State.WAITING, State.GIVEN),
        "explained": explained,
    }
    return page("families/consent_child.html", context, 422 if errors else 200, here=request.path)


def _childs_turn(each: Overview, link: Link) -> bool:
    """Whether the child may speak here: beside a guardian who said yes, without a sign-in of their own."""
    return each.child_here and Party.GUARDIAN not in each.waiting_for and link.relation in holders.GUARDIANS


# --------------------------------------------------------------------------------------------------- receipts


@consents.get("/family/<uuid:key>/consents/<uuid:consent>/receipt")
@allowed(Access.ROLE, Act.CONSENT)
def receipt(key: uuid.UUID, consent: uuid.UUID) -> Response:
    """The receipt, to be printed."""
    each, told = _receipt(key, consent)
    tongue = language()
    number = str(consent)
    context = {
        "key": key,
        "number": number,
        "receipt": told,
        "purpose": capital(of_pair(Purpose(told.purpose).words)),
        "recipient": told.recipient or gettext(words.BEARER),
        "years": words.years(told.years),
        "listed": words.listed(each.preset, each.fields, pdf=each.pdf),
        "state": gettext(STATES[State(told.state)]),
        "asked_at": moment(datetime.fromisoformat(told.asked_at), tongue),
        "expires_at": moment(datetime.fromisoformat(told.expires_at), tongue),
        "issued_at": moment(datetime.fromisoformat(told.issued_at), tongue),
        "events": [_event(event) for event in told.events],
        "qr": qr.drawn(qr.any_matrix(f"{resources().settings.public_url}{RECEIPT}#{number}")),
    }
    return page("families/consent_receipt.html", context, here=f"{address(key, consent)}/receipt")


@consents.get("/family/<uuid:key>/consents/<uuid:consent>/receipt.json")
@allowed(Access.ROLE, Act.CONSENT)
def receipt_file(key: uuid.UUID, consent: uuid.UUID) -> Response:
    """The receipt for programs (docs/consent-receipt.schema.json)."""
    body = json.dumps(_receipt(key, consent)[1].to_json(), ensure_ascii=False, indent=2)
    response = Response(body, content_type="application/json")
    response.headers["Content-Disposition"] = f'attachment; filename="bien-nhan-{consent}.json"'
    return response


def _receipt(key: uuid.UUID, consent: uuid.UUID) -> tuple[Overview, Receipt]:
    bundle, me = resources(), viewer()
    now = bundle.clock.now()
    told: Receipt | Denied | None = None
    with acting(key, Act.CONSENT) as (session, link):
        each = _one(session, link, consent)
        if isinstance(each, Overview):
            told = receipts.receipt(session, bundle.vault, consent=consent, account=me.account, now=now)
    return granted(each), granted(told)


@consents.get(RECEIPT)
@allowed(Access.EVERYONE)
def receipt_form() -> Response:
    """The box for a receipt's number. The address holds nothing: a scanned code brings the number in the
    fragment, which stays in the browser until the form is sent.
    """
    return _receipt_page({})


@consents.post(RECEIPT)
@allowed(Access.TYPED, asks_only=True)
def receipt_state() -> Response:
    """How the consent of a receipt stands now, and nothing else."""
    admit(WRONG_TRY)
    number = read_number(request.form.get("number", ""))
    if number is None:
        message = gettext("Số biên nhận gồm 32 chữ số và chữ cái từ a đến f, in trên biên nhận.")
        return _receipt_page({"number": message}, status=422)
    bundle = resources()
    with reading() as session:
        found = receipts.state_of(session, bundle.vault, number, bundle.clock.now())
    if found is None:
        charge(WRONG_TRY)
        return _receipt_page({"number": gettext("Không có biên nhận nào với số này.")}, status=422)
    return _receipt_page({}, words.standing_of(found))


def read_number(text: str) -> uuid.UUID | None:
    """The number of a receipt as people type or paste it, the whole address of the code too; None for
    anything else.
    """
    digits = re.sub(r"[\s-]", "", text.rpartition("#")[2]).lower()
    return uuid.UUID(digits) if _NUMBER.fullmatch(digits) else None


def _receipt_page(
    errors: Mapping[str, str], said: tuple[str, str, str] | None = None, status: int = 200
) -> Response:
    """A public page: it reads no session and sets no cookie."""
    pages: Pages = current_app.extensions["pages"]
    at = moment(resources().clock.now(), language())
    context = {"values": request.form, "errors": errors, "said": said, "at": at, "here": RECEIPT}
    return pages.page("families/receipt_check.html", language(), context, status)


# ----------------------------------------------------------------------------------------------------- inside


def _one(session: Session, link: Link, consent: uuid.UUID) -> Overview | Denied | None:
    """A consent about the pupil of ``link``, None for one that is not."""
    bundle = resources()
    found = service.of_pupil(
        session,
        bundle.vault,
        account=viewer().account,
        pupil=link.pupil_index,
        consent=consent,
        now=bundle.clock.now(),
    )
    return found if isinstance(found, Denied) else next(iter(found), None)


def _answered(key: uuid.UUID, consent: uuid.UUID, by: By) -> str | None:
    """Take the answer of the form, by whom it is; why it does not count, None when it does or was overtaken.

    Only ``said`` and the hash of the text are read: whose answer it is, the address says.
    """
    bundle, form = resources(), request.form
    now = bundle.clock.now()
    said = {each.value: each for each in Said}.get(form.get("said", ""))
    with acting(key, Act.CONSENT) as (session, link):
        each = _one(session, link, consent)
        result = None
        if said is not None and isinstance(each, Overview):
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
    granted(each)
    if result is None:
        return gettext("Chọn một trong hai câu trả lời.")
    if not isinstance(result, Denied) or result.code in _OVERTAKEN:
        return None
    refused = turned(result)
    if refused.status == 404 or result.code == "not_entitled":
        raise refused
    return gettext(result.message)


def _shown(each: Overview, link: Link) -> dict[str, Any]:
    tongue = language()
    own = link.relation is Relation.PUPIL
    tone, word, sentence = words.standing(each)
    return {
        "consent": each.consent,
        "recipient": each.recipient or gettext(words.BEARER),
        "named": each.recipient is not None,
        "purpose": capital(of_pair(each.purpose.words)),
        "years": words.years(each.years),
        "listed": words.listed(each.preset, each.fields, pdf=each.pdf),
        "state": each.state.value,
        "tone": tone,
        "word": word,
        "sentence": sentence,
        "asked_at": moment(each.asked_at, tongue),
        "to_answer": (Party.PUPIL if own else Party.GUARDIAN) in each.waiting_for,
        "to_child": Party.PUPIL in each.waiting_for and _childs_turn(each, link),
        "to_pupil": Party.PUPIL in each.waiting_for and not own and not each.child_here,
        "child_said_yes": each.state is State.GIVEN and _childs_turn(each, link),
        "disputed": each.disputed,
        "open": each.state is State.WAITING or each.revocable,
        "revocable": each.revocable,
        "code": each.recipient is None and each.state is State.GIVEN,
        "code_made": each.code_made,
    }


def _event(event: ReceiptEvent) -> dict[str, Any]:
    return {
        "at": moment(datetime.fromisoformat(event.at), language()),
        "what": gettext(words.EVENTS[EventKind(event.kind)]),
        "who": "" if event.party is None else gettext(words.PARTIES[Party(event.party)]),
        "how": "" if event.evidence is None else gettext(words.EVIDENCE[Evidence(event.evidence)]),
        "why": gettext(words.OBSTACLES[event.reason]) if event.reason else "",
        "text": ""
        if event.text_sha256 is None
        else gettext(
            "văn bản lần %(edition)s (%(language)s), SHA-256 %(hash)s",
            edition=event.text_version,
            language=event.text_language,
            hash=event.text_sha256,
        ),
    }
