"""Showing content of a record: to whom a family consented, to whoever has its share code, by a duty of law.

What goes out is exactly what was consented to, byte for byte as it was committed to when the record was
issued, with the header: whoever gets it can prove each part against the digest on the paper (RFC 9901). We
prove it before we hand it out. Each record shown is one entry of the trail.

A consent is to a school year's record, and what is shown is the version that speaks for it at that moment: a
receiving school needs the mark after its correction, and the family agreed to "the result of the year", as
the text it was shown says. When every version was taken back the newest is shown, and that it was. The
version at the time of asking is told beside it.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from limits import RateLimitItem
from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from portal.accounts import service as accounts
from portal.accounts.models import Account
from portal.accounts.notices import Notice, notices
from portal.accounts.service import Office
from portal.audit import service as audit
from portal.audit.service import Action, Actor, Event, Object
from portal.consent.fields import SENSITIVE, Preset, names_of
from portal.consent.models import (
    Consent,
    ConsentEvent,
    ConsentRecord,
    EventKind,
    ShareCode,
    StatutoryAccess,
)
from portal.consent.parties import Staff, day_of, names, standing, told, visible
from portal.consent.purposes import Duty, Purpose
from portal.consent.service import (
    MAX_REFERENCE,
    OPEN_FOR,
    TWICE_WITHIN,
    Case,
    Denied,
    State,
    code_index,
    entitled,
    examine,
    lock_organisation,
    new_event,
    refuse,
    seal,
    settle_case,
    unseal,
    who_counts,
)
from portal.errors import marked
from portal.limits.table import LOOKS_DAY, OFFICE_LOOKS_DAY
from portal.messages import service as messages
from portal.messages.words import Kind
from portal.permissions import Act
from portal.ports import FileStore
from portal.registry import service as registry
from portal.registry.service import Issued
from portal.vault import DESTROYED, Vault
from verifier import record as records
from verifier.errors import InvalidInput, Problem
from verifier.locator import Locator
from verifier.record import Json
from verifier.verdict import VersionState

#: Wrong birth dates that a share code takes in its life.
WRONG_TRIES: Final = 5
#: Entries on a page of "who looked".
PAGE: Final = 20
#: What the trail calls the alarm that somebody looks by a duty of law very often.
LOOKS_ALARM: Final = "STATUTORY_ACCESS_OFTEN"

_ALARM_AGAIN: Final = timedelta(days=1)
_ALARMS: Final = 100  # of one office, looked through for one that was told

_CONSENT: Final = "consent"  # the basis, in the trail
_NOBODY: Final = uuid.UUID(int=0)  # the key of no row
_SENTENCES: Final = {
    "not_permitted": marked("Tài khoản này không có quyền làm việc này."),
    "not_entitled": marked("Theo tuổi của học sinh hôm nay, tài khoản này không được xem."),
    "unknown_consent": marked("Không có sự đồng ý nào cho nơi này."),
    "not_in_force": marked("Sự đồng ý này hiện không có hiệu lực, nên không có gì được xem."),
    "not_opened": marked("Mã hoặc ngày sinh không đúng."),
    "expired": marked("Mã này đã hết hạn. Hỏi gia đình xin mã mới."),
    "cancelled": marked("Gia đình đã huỷ mã này."),
    "used_up": marked("Mã này chỉ xem được một lần và đã được dùng."),
    "unknown_record": marked("Không có học bạ nào ứng với mã hoặc tệp này."),
    "wrong_duty": marked("Đơn vị này không thể viện dẫn căn cứ này."),
    "looked_too_often": marked(
        "Trong 24 giờ qua tài khoản này đã xem theo quy định của pháp luật quá nhiều lần, nên lần này không "
        "xem được. Sở Giáo dục và Đào tạo đã được báo."
    ),
}


@dataclass(frozen=True, slots=True)
class DisclosedRecord:
    """What is shown of one record. ``disclosures`` prove ``fields`` against ``digest``, by ``header``;
    ``pdf`` holds the signed file where that was consented to.
    """

    record_id: str
    version: int
    state: VersionState
    since: datetime | None
    recall_reason: str | None
    consented_version: int | None
    school_name: str
    header: Mapping[str, Any]
    digest: bytes
    disclosures: tuple[str, ...]
    fields: Mapping[str, Json]
    pdf: bytes | None = None


@dataclass(frozen=True, slots=True)
class Opening:
    """One opening of a consent: the number of its event."""

    consent: uuid.UUID
    number: int


@dataclass(frozen=True, slots=True)
class Disclosed:
    """What is shown, on which basis ("consent" or a duty), and until when it may be asked for again (None:
    never).
    """

    basis: str
    purpose: str
    about: Object
    at: datetime
    until: datetime | None
    records: tuple[DisclosedRecord, ...]
    notices: tuple[Notice, ...] = ()
    opening: Opening | None = None  # by consent: what may be asked about while it is looked at
    declared: str = ""  # by a code: who opened it, as the family will read it


@dataclass(frozen=True, slots=True)
class Access:
    """One look at a pupil's record. ``who`` is the organisation's name, also where it opened a share code
    under its own; None for whoever else had one, for holders' own looks and for the school's own office,
    which ``why`` tells apart: a purpose, a duty, ``own_record``, ``issuer_copy``. ``reference`` is the number
    of the case that a duty was stated with; ``declared`` who the bearer of a code said they were: nobody has
    proved it. Both are empty when there is none.
    """

    number: int
    at: datetime
    who: str | None
    why: str | None
    basis: str | None
    record: uuid.UUID | None
    count: int
    reference: str = ""
    declared: str = ""


# ------------------------------------------------------------------------------------------------ consent


def disclose(
    session: Session, vault: Vault, files: FileStore, *, consent: uuid.UUID, staff: Staff, now: datetime
) -> Disclosed | Denied:
    """What the family consented to for this organisation. Uses up a consent for one time; whoever used it up
    may send the form again within :data:`TWICE_WITHIN`: a form comes twice.

    Denied: ``not_permitted``, ``unknown_consent`` (also one for somebody else), ``not_in_force``. Raises
    FileNotFoundError, CorruptFile or VaultError when we lost or damaged what is to be shown: then nothing
    is used up.
    """
    actor = Actor("account", str(staff.account))
    viewer = standing(session, staff, Act.OPEN_SHARED, day_of(now))
    if viewer is None:
        return _deny(session, actor, "not_permitted", now)
    case = examine(session, vault, consent, now, lock=True)
    if case is None or case.row.recipient_pk != viewer.key:
        return _deny(session, actor, "unknown_consent", now)
    if case.obstacle is not None:
        if (own := _own_opening(session, vault, case, staff, browser="", now=now)) is not None:
            return show_again(session, vault, files, own, staff=staff, now=now)
        tell = settle_case(session, case, now)
        return _deny(session, actor, "not_in_force", now, _About.of(case), tell=tell)
    return _show(session, vault, files, case, actor=actor, now=now)


def open_code(
    session: Session,
    vault: Vault,
    files: FileStore,
    *,
    code: str,
    birth: str,
    declared: str = "",
    staff: Staff | None = None,
    browser: str = "",
    now: datetime,
) -> Disclosed | Denied:
    """What the family consented to for whoever has its code and knows the birth date; ``code`` as
    :func:`portal.consent.service.read_code`, ``birth`` as :func:`portal.registry.service.read_birth` give
    them. By POST only: a request that changes nothing must not open anything. ``declared`` is who they say
    they are, for the holder; ``staff`` set when they are signed in: then the holder reads their
    organisation's name instead. ``browser`` is what the bearer's browser alone is called.

    A consent for one time is used up by the first opening. The same browser, or the same person who is signed
    in, that sends its right pair again within :data:`TWICE_WITHIN` gets the same opening: a form comes twice.
    Nobody else profits.

    An unknown code, a wrong date and a locked code are one answer, after the same work: ``not_opened``. The
    fifth wrong date locks the code and tells the holders. Only a right pair learns ``expired``,
    ``cancelled``, ``used_up`` or ``not_in_force``. ``not_permitted`` is for ``staff`` who may not.
    """
    if len(declared) > MAX_REFERENCE:
        raise InvalidInput((Problem("declared", "declared", "Tên nơi xem không quá 80 ký tự."),))
    actor = Actor.system("share_code") if staff is None else Actor("account", str(staff.account))
    if staff is not None:
        viewer = standing(session, staff, Act.OPEN_SHARED, day_of(now))
        if viewer is None:
            return _deny(session, actor, "not_permitted", now)
        declared = viewer.name

    # 1 The code's row, locked: tries that come at once are counted one by one.
    found = session.execute(
        select(
            ShareCode.id,
            ShareCode.consent_pk,
            ShareCode.wrong_tries,
            ShareCode.locked_at,
            ShareCode.made_at,
            Consent.school_code,
            Consent.pupil_index,
            Consent.purpose,
        )
        .join(Consent, Consent.id == ShareCode.consent_pk)
        .where(ShareCode.code_index == code_index(vault, code))
        .with_for_update(of=ShareCode)
    ).one_or_none()
    key, consent, tries, locked = (
        (_NOBODY, _NOBODY, 0, None)
        if found is None
        else (found.id, found.consent_pk, found.wrong_tries, found.locked_at)
    )

    # 2 The same questions, comparison and update, whatever there is.
    bound = session.scalars(select(ConsentRecord.record_pk).where(ConsentRecord.consent_pk == consent))
    right = registry.born(session, vault, bound.all() or [_NOBODY], birth)
    if locked is None and not right:
        tries += 1
    locks = found is not None and locked is None and tries >= WRONG_TRIES
    session.execute(
        update(ShareCode)
        .where(ShareCode.id == key)
        .values(wrong_tries=tries, locked_at=now if locks else locked)
        .execution_options(synchronize_session=False)
    )
    if found is None:
        # Told and undone: a stranger could fill the trail with codes that are none, and the time taken must
        # not tell which code there is.
        with session.begin_nested() as written:
            denied = _deny(session, actor, "not_opened", now)
            written.rollback()
        return denied
    if locked is not None or not right:
        about = _About(
            Object("share_code", key), found.school_code, found.pupil_index, Purpose(found.purpose)
        )
        tell = _lock(session, vault, about, consent, made_at=found.made_at, now=now) if locks else ()
        with session.begin_nested():
            return _deny(session, actor, "not_opened", now, about, tell=tell)

    # 3 A right pair: what became of the consent may be said.
    case = examine(session, vault, consent, now, lock=True)
    if case is None:
        raise LookupError("a share code without its consent")
    if case.obstacle is not None:
        if (own := _own_opening(session, vault, case, staff, browser=browser, now=now)) is not None:
            return show_again(session, vault, files, own, staff=staff, now=now)
        tell = settle_case(session, case, now)
        code = _ENDS.get(case.fold.state, "not_in_force")
        return _deny(session, actor, code, now, _About.of(case), tell=tell)
    return _show(
        session, vault, files, case, actor=actor, declared=declared.strip(), browser=browser, now=now
    )


_ENDS: Final = {
    State.EXPIRED: "expired",
    State.WITHDRAWN: "cancelled",
    State.USED_UP: "used_up",
}


def _lock(
    session: Session, vault: Vault, about: _About, consent: uuid.UUID, *, made_at: datetime, now: datetime
) -> tuple[Notice, ...]:
    """Tell that the code of ``made_at`` is locked: the trail and the holders."""
    event = Event(
        Actor.system("share_code"),
        Action.SHARE_CODE_LOCKED,
        about.object,
        organisation=about.school,
        pupil=about.pupil,
        purpose=about.purpose.value,
        details={"count": WRONG_TRIES},
    )
    audit.record(session, event, now=now)
    case = examine(session, vault, consent, now)
    if case is None:
        return ()
    tell = told(case.links, case.needed.parties)
    return notices(session, tell, Kind.SHARE_CODE_LOCKED, {"day": day_of(made_at)})


def _show(
    session: Session,
    vault: Vault,
    files: FileStore,
    case: Case,
    *,
    actor: Actor,
    declared: str = "",
    browser: str = "",
    now: datetime,
) -> Disclosed:
    """The content of a consent that stands and is locked."""
    row = case.row
    about = Object("consent", row.id)
    shown = _contents(session, vault, files, case)
    number = case.fold.last + 1
    opened = new_event(row, number, EventKind.OPENED, now)
    if actor.kind == "account":
        opened.account_pk = uuid.UUID(actor.name)
    elif browser:
        opened.browser = _browser_index(vault, row.id, browser)
    if declared:
        opened.note_sealed = seal(vault, row, "note_sealed", declared, opened.id)
    session.add(opened)
    happened = _looks(case, shown, actor, Opening(row.id, number))
    if row.once:
        session.add(new_event(row, number + 1, EventKind.USED_UP, now))
        happened.append(
            Event(
                Actor.system("consent"),
                Action.CONSENT_EXPIRED,
                about,
                organisation=row.school_code,
                pupil=row.pupil_index,
                purpose=Purpose(row.purpose).value,
                details={"reason": "used_up"},
            )
        )
    audit.record(session, *happened, now=now)
    until = None if row.once else case.fold.until
    opening = Opening(row.id, number)
    purpose = Purpose(row.purpose).value
    return Disclosed(_CONSENT, purpose, about, now, until, shown, opening=opening, declared=declared)


def stands(session: Session, vault: Vault, opening: Opening, *, staff: Staff | None, now: datetime) -> bool:
    """Whether what was opened may still be looked at (SEC-19): its consent holds, apart from the one use that
    this opening was; it was opened less than :data:`OPEN_FOR` ago; and who opened it may still do so.
    """
    return isinstance(_opened(session, vault, opening, staff, now), Case)


def show_again(
    session: Session, vault: Vault, files: FileStore, opening: Opening, *, staff: Staff | None, now: datetime
) -> Disclosed | Denied:
    """What was opened once more, as it is now, to take it over or read it in another language: in the trail
    like a look of its own, without using up another one.

    Denied: ``not_in_force``, for everything that :func:`stands` says no to.
    """
    actor = Actor.system("share_code") if staff is None else Actor("account", str(staff.account))
    case = _opened(session, vault, opening, staff, now)
    if not isinstance(case, Case):
        return _deny(session, actor, "not_in_force", now, case)
    shown = _contents(session, vault, files, case)
    about = Object("consent", case.row.id)
    audit.record(session, *_looks(case, shown, actor, opening), now=now)
    until = None if case.row.once else case.fold.until
    purpose = Purpose(case.row.purpose).value
    # As the family reads it, whatever the page that asks may claim by now.
    declared = next((o.name for o in _openings(session, vault, [case.row.id]) if o.what == opening), "")
    return Disclosed(_CONSENT, purpose, about, now, until, shown, opening=opening, declared=declared)


def _own_opening(
    session: Session, vault: Vault, case: Case, staff: Staff | None, *, browser: str, now: datetime
) -> Opening | None:
    """The one use of a consent, within :data:`TWICE_WITHIN` and if it is of whoever asks: of this person, or
    in this browser.
    """
    if not case.fold.lies_open:
        return None
    event = session.scalar(
        select(ConsentEvent).where(
            ConsentEvent.consent_pk == case.row.id, ConsentEvent.kind == EventKind.OPENED
        )
    )
    if event is None or event.account_pk != (None if staff is None else staff.account):
        return None
    if now - event.at >= TWICE_WITHIN:
        return None
    if staff is None and (not browser or event.browser != _browser_index(vault, case.row.id, browser)):
        return None
    return Opening(case.row.id, event.number)


def _browser_index(vault: Vault, consent: uuid.UUID, browser: str) -> str:
    """A browser as one consent knows it: nothing that another one, or a reader of the database, may use."""
    return vault.blind_index(f"{consent}/{browser}", domain="opened in")


def _opened(
    session: Session, vault: Vault, opening: Opening, staff: Staff | None, now: datetime
) -> Case | _About | None:
    """The consent of an opening that stands; of another one what it is about."""
    event = session.scalar(
        select(ConsentEvent).where(
            ConsentEvent.consent_pk == opening.consent,
            ConsentEvent.number == opening.number,
            ConsentEvent.kind == EventKind.OPENED,
        )
    )
    case = examine(session, vault, opening.consent, now, opening=opening.number)
    if event is None or case is None:
        return None
    if event.account_pk != (None if staff is None else staff.account):
        return _About.of(case)
    if staff is not None:
        viewer = standing(session, staff, Act.OPEN_SHARED, day_of(now))
        if viewer is None or case.row.recipient_pk not in (None, viewer.key):
            return _About.of(case)
    if case.obstacle is not None or now - event.at >= OPEN_FOR:
        return _About.of(case)
    return case


# ----------------------------------------------------------------------------------------- duties of law


def statutory_access(
    session: Session,
    vault: Vault,
    *,
    staff: Staff,
    duty: Duty,
    reference: str,
    preset: Preset,
    sensitive: Collection[str] = (),
    locator: Locator | None = None,
    file: str | None = None,
    now: datetime,
) -> Disclosed | Denied:
    """What an organisation needs by a duty of law for its case ``reference``, of the one record it holds: it
    presents the full locator or the SHA-256 of the registered file, and there is no other way to name a
    pupil. Recorded with its ground, shown to the holders afterwards; the next look is another access.

    One account looks at most :data:`LOOKS_DAY`, in an emergency also beyond; whoever asks for more, and an
    organisation that goes over :data:`OFFICE_LOOKS_DAY`, is an alarm for its department, once a day.

    Denied: ``not_permitted``, ``wrong_duty``, ``looked_too_often``, ``unknown_record``.
    """
    _check_access(reference, sensitive, locator, file)
    actor = Actor("account", str(staff.account))
    viewer = standing(session, staff, Act.STATUTORY_ACCESS, day_of(now))
    if viewer is None:
        return _deny(session, actor, "not_permitted", now, basis=duty.value)
    if viewer.kind not in duty.ground.kinds:
        return _deny(session, actor, "wrong_duty", now, basis=duty.value)
    # One look after the other, of the office and of a person who has a role in two.
    lock_organisation(session, viewer.key)
    session.execute(select(Account.id).where(Account.id == staff.account).with_for_update(key_share=True))
    own = _looked(session, LOOKS_DAY, now, StatutoryAccess.account_pk == staff.account)
    often = own >= LOOKS_DAY.amount
    if often and duty is not Duty.EMERGENCY:  # who stands at a bedside is not turned away
        denied = _deny(session, actor, "looked_too_often", now, basis=duty.value)
        _alarm(session, vault, viewer, Object("account", staff.account), now)
        return denied
    record = next(iter(registry.issued(session, locator=locator, file=file)), None)
    if record is None:
        return _deny(session, actor, "unknown_record", now, basis=duty.value)
    shown = _open(session, vault, record, names_of(record.level, record.grade, preset, sensitive))
    access = StatutoryAccess(
        id=uuid.uuid4(),
        organisation_pk=viewer.key,
        account_pk=staff.account,
        duty=duty,
        wrapped_key=vault.new_key(),
        record_pk=record.key,
        pupil_index=record.pupil_index,
        version=shown.version,
        fields=json.dumps(sorted(shown.fields)),
        at=now,
    )
    access.reference_sealed = seal_reference(vault, access, reference.strip())
    session.add(access)
    about = Object("statutory_access", access.id)
    audit.record(session, _shown(record, shown, actor, about, purpose="statutory", basis=duty.value), now=now)
    if often:
        _alarm(session, vault, viewer, Object("account", staff.account), now)
    of_office = StatutoryAccess.organisation_pk == viewer.key
    if _looked(session, OFFICE_LOOKS_DAY, now, of_office) > OFFICE_LOOKS_DAY.amount:
        _alarm(session, vault, viewer, None, now)
    known, need = who_counts(session, vault, (record,), now)
    tell = told(known, need.parties)
    seen = notices(session, tell, Kind.STATUTORY_ACCESS, {"day": day_of(now)})
    return Disclosed(duty.value, "statutory", about, now, None, (shown,), seen)


def _looked(session: Session, limit: RateLimitItem, now: datetime, whose: ColumnElement[bool]) -> int:
    """How many looks by a duty of law there were within the time of a limit."""
    since = now - timedelta(seconds=limit.get_expiry())
    return (
        session.scalar(select(func.count(StatutoryAccess.id)).where(whose, StatutoryAccess.at > since)) or 0
    )


def _alarm(session: Session, vault: Vault, office: Office, about: Object | None, now: datetime) -> None:
    """Tell the department that somebody of the office, or (``about`` None) the office as a whole, looks very
    often: in the trail and by message, each once a day.
    """
    alarm = Event(
        Actor.system("consent"),
        Action.ALARM,
        about,
        organisation=office.code,
        details={"verdict": LOOKS_ALARM},
    )
    lately = audit.told(session, Action.ALARM, [office.code], most=_ALARMS)
    name = None if about is None else str(about)
    if any(
        (each.object, each.details) == (name, alarm.details) and each.at > now - _ALARM_AGAIN
        for each in lately
    ):
        return
    audit.record(session, alarm, now=now)
    address = accounts.department_address(session, office.department_code)
    if address is not None:
        number, _ = audit.head(session)
        messages.enqueue(
            session,
            vault,
            to=address,
            kind=Kind.ALARM_STATUTORY_ACCESS,
            language="vi",
            parameters={"organisation": office.code, "reference": f"{number:06d}", "moment": now},
            about=None,
            now=now,
        )


def seal_reference(vault: Vault, access: StatutoryAccess, text: str) -> bytes:
    """The number of the case, under the access's own key."""
    return vault.seal(
        access.wrapped_key,
        text.encode(),
        table=StatutoryAccess.__tablename__,
        column="reference_sealed",
        row=str(access.id),
        version=1,
    )


def open_reference(vault: Vault, access: StatutoryAccess) -> str:
    """What :func:`seal_reference` sealed. Raises VaultError."""
    opened = vault.open(
        access.wrapped_key,
        access.reference_sealed,
        table=StatutoryAccess.__tablename__,
        column="reference_sealed",
        row=str(access.id),
        version=1,
    )
    return opened.decode()


def _check_access(
    reference: str, sensitive: Collection[str], locator: Locator | None, file: str | None
) -> None:
    """Raises InvalidInput with every mistake."""
    problems = []
    if not 0 < len(reference.strip()) <= MAX_REFERENCE:
        problems.append(Problem("reference", "reference", "Ghi số hồ sơ, vụ việc, không quá 80 ký tự."))
    if not set(sensitive) <= set(SENSITIVE):
        problems.append(Problem("sensitive", "sensitive", "Chỉ chọn những thông tin có trong danh sách."))
    if (locator is None) is (file is None):
        message = "Xuất trình mã QR đầy đủ của học bạ, hoặc tệp học bạ đang giữ."
        problems.append(Problem("record", "record", message))
    if problems:
        raise InvalidInput(tuple(problems))


# ---------------------------------------------------------------------------------------------- who looked


def accesses(
    session: Session,
    vault: Vault,
    *,
    account: uuid.UUID,
    pupil: str,
    before: int | None = None,
    now: datetime,
) -> tuple[Access, ...] | Denied:
    """Who looked at a pupil's records, newest first, :data:`PAGE` at a time; the next page is ``before`` the
    last number of this one. Records of the same pupil at other schools are among them, as they are on the
    family's page. For a holder who may act for the pupil today. Denied: ``not_entitled``.
    """
    link = entitled(session, vault, account, pupil, now)
    if link is None:
        return _deny(session, Actor("holder", str(account)), "not_entitled", now)
    elsewhere = [
        (record.pupil_index, record.key)
        for record in visible(session, link.school_code, pupil)
        if record.pupil_index != pupil
    ]
    entries = audit.of_pupil(session, pupil, Action.DISCLOSURE, also=elsewhere, before=before, limit=PAGE)
    objects = {entry.object for entry in entries}
    by_consent = {
        str(Object("consent", row.id)): row.recipient_pk
        for row in session.execute(
            select(Consent.id, Consent.recipient_pk).where(Consent.id.in_(_keys(objects, "consent")))
        )
    }
    duties = {
        str(Object("statutory_access", row.id)): row
        for row in session.scalars(
            select(StatutoryAccess).where(StatutoryAccess.id.in_(_keys(objects, "statutory_access")))
        )
    }
    by_duty = {name: row.organisation_pk for name, row in duties.items()}
    openings = _openings(session, vault, _keys(objects, "consent"))
    viewers = {name: key for name, key in (by_consent | by_duty).items() if key is not None}
    called = names(session, set(viewers.values()))
    found = []
    for entry in entries:
        viewer = viewers.get(entry.object or "")
        proved, declared = _opened_by(openings, entry)
        found.append(
            Access(
                entry.number,
                entry.at,
                proved if viewer is None else called[viewer],
                entry.basis if entry.object in by_duty else entry.purpose,
                entry.basis,
                _record_of(entry),
                int(entry.details.get("count", 0)),
                _case_of(vault, duties.get(entry.object or "")),
                declared,
            )
        )
    return tuple(found)


def _record_of(entry: audit.Entry) -> uuid.UUID | None:
    """The record that was looked at."""
    kind, _, key = (entry.object or "").partition(":")
    named = key if kind == "record" else entry.details.get("record")
    return None if named is None else uuid.UUID(str(named))


def _case_of(vault: Vault, access: StatutoryAccess | None) -> str:
    if access is None or access.wrapped_key == DESTROYED:
        return ""
    return open_reference(vault, access)


@dataclass(frozen=True, slots=True)
class _Opened:
    """One opening by a share code. ``name`` is the organisation's where ``account`` is of its people, else
    who they said they were.
    """

    what: Opening
    at: datetime
    account: uuid.UUID | None
    name: str


def _openings(session: Session, vault: Vault, consents: Collection[uuid.UUID]) -> tuple[_Opened, ...]:
    """Whenever one of these consents was opened by its code and a name was left, the newest first."""
    opened = session.execute(
        select(ConsentEvent, Consent)
        .join(Consent, Consent.id == ConsentEvent.consent_pk)
        .where(
            Consent.id.in_(consents),
            Consent.wrapped_key != DESTROYED,
            ConsentEvent.kind == EventKind.OPENED,
            ConsentEvent.note_sealed.is_not(None),
        )
        .order_by(ConsentEvent.at.desc(), ConsentEvent.number.desc())
    )
    return tuple(
        _Opened(
            Opening(row.id, event.number),
            event.at,
            event.account_pk,
            unseal(vault, row, "note_sealed", event.note_sealed or b"", event.id),
        )
        for event, row in opened
    )


def _opened_by(openings: Collection[_Opened], entry: audit.Entry) -> tuple[str | None, str]:
    """The organisation whose signed-in person looked by a code, and who anybody else said they were."""
    of_this = [o for o in openings if str(Object("consent", o.what.consent)) == entry.object]
    for each in of_this:
        # What is taken over later is a look of the same person.
        if each.account is not None and entry.actor == f"account:{each.account}" and each.at <= entry.at:
            return each.name, ""
    number = entry.details.get("number")
    for each in of_this:
        # Entries of before openings stood in them: what was looked at in the same moment is it.
        same = each.at == entry.at if number is None else each.what.number == number
        if each.account is None and same:
            return None, each.name
    return None, ""


def _keys(objects: Collection[str | None], kind: str) -> list[uuid.UUID]:
    return [
        uuid.UUID(name.partition(":")[2])
        for name in objects
        if name is not None and name.startswith(f"{kind}:")
    ]


# ------------------------------------------------------------------------------------------------- inside


def _contents(session: Session, vault: Vault, files: FileStore, case: Case) -> tuple[DisclosedRecord, ...]:
    """What a consent lets be seen, of each of its records."""
    allowed = frozenset(json.loads(case.row.fields))
    return tuple(
        replace(
            _open(session, vault, record, allowed),
            consented_version=case.consented_versions[record.key],
            pdf=_pdf(session, vault, files, record) if case.row.pdf else None,
        )
        for record in case.records
    )


def _looks(case: Case, shown: Sequence[DisclosedRecord], actor: Actor, opening: Opening) -> list[Event]:
    """One entry of the trail for each record, which names the opening."""
    purpose, about = Purpose(case.row.purpose).value, Object("consent", case.row.id)
    pairs = zip(case.records, shown, strict=True)
    entries = (_shown(record, one, actor, about, purpose=purpose, basis=_CONSENT) for record, one in pairs)
    return [replace(each, details={**each.details, "number": opening.number}) for each in entries]


def _open(session: Session, vault: Vault, record: Issued, allowed: frozenset[str]) -> DisclosedRecord:
    """The allowed part of the version that speaks for the record, proved against its digest."""
    version = record.shown
    content = registry.open_record(session, vault, record.record_id, version.version)
    if content is None:
        raise LookupError("a registered version has no content")
    # What was opened stands in the order of what it was opened from.
    pairs = zip(content.disclosures, content.fields, strict=True)
    texts = tuple(text for text, name in pairs if name in allowed)
    fields = records.open_disclosures(content.header, texts)
    if records.digest(content.header) != version.digest or not allowed.issuperset(fields):
        raise LookupError("what is to be shown does not belong to the digest")
    return DisclosedRecord(
        record.record_id,
        version.version,
        version.state,
        version.since,
        version.recall_reason,
        None,
        version.school_name,
        content.header,
        version.digest,
        texts,
        fields,
    )


def _pdf(session: Session, vault: Vault, files: FileStore, record: Issued) -> bytes | None:
    """The newest signed file of the version that is shown."""
    sha256 = registry.answering_file(session, record, record.shown.version)
    return None if sha256 is None else registry.read_file(session, vault, files, sha256)


def _shown(
    record: Issued, shown: DisclosedRecord, actor: Actor, about: Object, *, purpose: str, basis: str
) -> Event:
    """That this was shown, for the trail."""
    return Event(
        actor,
        Action.DISCLOSURE,
        about,
        organisation=record.school_code,
        pupil=record.pupil_index,
        purpose=purpose,
        basis=basis,
        details={"record": str(record.key), "version": shown.version, "count": len(shown.fields)},
    )


@dataclass(frozen=True, slots=True)
class _About:
    """What a refusal is about, for the trail."""

    object: Object
    school: str
    pupil: str
    purpose: Purpose

    @classmethod
    def of(cls, case: Case) -> _About:
        row = case.row
        return cls(Object("consent", row.id), row.school_code, row.pupil_index, Purpose(row.purpose))


def _deny(
    session: Session,
    actor: Actor,
    code: str,
    now: datetime,
    about: _About | None = None,
    *,
    basis: str = _CONSENT,
    tell: tuple[Notice, ...] = (),
) -> Denied:
    return refuse(
        session,
        actor,
        Action.DISCLOSURE,
        code,
        _SENTENCES[code],
        now=now,
        about=None if about is None else about.object,
        school=None if about is None else about.school,
        pupil=None if about is None else about.pupil,
        purpose=None if about is None else about.purpose.value,
        basis=basis,
        tell=tell,
    )
