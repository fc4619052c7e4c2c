"""Asking for consent, saying yes or no to it, and whether it stands: the state of a consent is what happened
to it, folded, and the time (SEC-19, SEC-20, SEC-21).

    WAITING -> GIVEN -> USED_UP | WITHDRAWN | EXPIRED
       |-> REFUSED | EXPIRED

Nothing is edited and nothing is cached: :func:`obstacle` is asked anew before each disclosure, over the
events, the links of the holders on that day, the recipient and the department's approval. What stands in the
way of a given consent without ending it (a dispute, a giver who is gone, a child that turned seven, an
approval that was revoked) suspends it, with the reason.

Whatever is refused comes back as :class:`Denied`, with its entry in the trail written: the caller commits it.
Input that is in no form raises InvalidInput, with every mistake.
"""

from __future__ import annotations

import json
import os
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session, aliased

from portal.accounts import holders
from portal.accounts.ages import Born
from portal.accounts.models import Account, Organisation
from portal.accounts.notices import Notice, notices
from portal.audit import service as audit
from portal.audit.service import Action, Actor, Event, Object, Outcome
from portal.consent.ages import Needed, Party, needed
from portal.consent.fields import SENSITIVE, Preset, names_of
from portal.consent.models import (
    Consent,
    ConsentEvent,
    ConsentRecord,
    EventKind,
    Evidence,
    PurposeApproval,
    ShareCode,
)
from portal.consent.parties import (
    Link,
    Staff,
    day_of,
    department_of,
    link_party,
    links,
    names,
    no_witness,
    office,
    own_link,
    recipient_of,
    roles,
    standing,
    told,
    visible,
)
from portal.consent.purposes import LETTERS, Purpose, outside_education
from portal.consent.texts import Language, Reader, Shown, Terms, render
from portal.database import everywhere
from portal.errors import marked
from portal.limits.table import ASKED_DAY
from portal.messages.words import Kind
from portal.permissions import Act, OrganisationKind
from portal.registry import learners
from portal.registry import service as registry
from portal.registry.service import Issued
from portal.vault import DESTROYED, Vault
from verifier.errors import InvalidInput, Problem
from verifier.locator import Locator, new_share_code, read_share_code
from verifier.record import level_info
from verifier.words import school_year

#: How many days a consent may last from the last yes that was needed.
DAYS: Final = (1, 7, 30, 90)
#: How long a question waits for its answers.
ANSWER_WITHIN: Final = timedelta(days=14)
MAX_REFERENCE: Final = 80
#: How long an organisation that heard a no does not ask for the same pupil and purpose again.
PAUSE: Final = timedelta(days=14)
#: How long what was opened may be looked at and taken over: a working session (SEC-22).
OPEN_FOR: Final = timedelta(minutes=30)
#: A form that comes again within this time is the same form: a double click, a page loaded anew. Not longer,
#: because whoever sits down at a shared computer next can send it too.
TWICE_WITHIN: Final = timedelta(minutes=2)
#: Questions of one organisation about one pupil that wait at a time, whatever their purposes and years.
MOST_WAITING: Final = 3
_MANY: Final = 100  # consents looked at in one transaction of :func:`settle_some`

_SENTENCES: Final = {
    "not_permitted": marked("Tài khoản này không có quyền làm việc này."),
    "not_entitled": marked("Theo tuổi của học sinh hôm nay, tài khoản này không được quyết định việc này."),
    "unknown_record": marked("Không có học bạ nào ứng với mã này."),
    "unknown_consent": marked("Không có đề nghị xem học bạ này."),
    "disputed": marked("Quyền đại diện cho học sinh đang được nhà trường xác minh, nên chưa thể đồng ý."),
    "not_approved": marked(
        "Mục đích này cần Sở Giáo dục và Đào tạo chấp thuận trước; hiện chưa có chấp thuận."
    ),
    "not_own_class": marked(
        "Giáo viên chủ nhiệm chỉ ghi câu trả lời của học sinh mà mình đã ký học bạ mới nhất. Với em này, "
        "hãy nhờ giáo vụ của trường ghi."
    ),
    "own_family": marked(
        "Tài khoản của bạn trùng liên hệ với người nhà của em, nên bạn không ghi câu trả lời của em được. "
        "Hãy nhờ người khác của trường."
    ),
    "own_sign_in": marked("Học sinh có tài khoản riêng, hoặc từ 16 tuổi, phải tự đăng nhập để trả lời."),
    "text_differs": marked("Nội dung vừa đọc đã thay đổi. Đọc lại rồi trả lời."),
    "same_request": marked("Học sinh và người giám hộ phải trả lời riêng từng người."),
    "already_answered": marked("Người này đã trả lời rồi."),
    "not_open": marked("Đề nghị này đã kết thúc, không trả lời được nữa."),
    "not_in_force": marked("Sự đồng ý này hiện không có hiệu lực."),
    "asked_lately": marked(
        "Gia đình đã trả lời không cho mục đích này. Đơn vị xin lại được từ ngày %(day)s. Muốn cho xem sớm "
        "hơn thì gia đình tự tạo được mã chia sẻ."
    ),
    "asked_too_often": marked(
        "Trong 24 giờ qua đơn vị đã gửi quá nhiều đề nghị mà gia đình chưa trả lời. Chờ gia đình trả lời, "
        "hoặc ngày mai xin tiếp."
    ),
    "enough_waiting": marked(
        "Đơn vị đã có ba đề nghị về học sinh này đang chờ gia đình trả lời. Gia đình trả lời một đề nghị thì "
        "xin tiếp được."
    ),
    "code_made": marked(
        "Mã chia sẻ chỉ hiện một lần và đã được tạo. Cần mã khác thì làm lại một lần cho xem mới."
    ),
    "approved_already": marked("Mục đích này đã được chấp thuận."),
    "no_approval": marked("Mục đích này chưa được chấp thuận, nên không có gì để thu hồi."),
}


class State(StrEnum):
    """Where a consent stands."""

    WAITING = "waiting"
    GIVEN = "given"
    REFUSED = "refused"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    USED_UP = "used_up"


class Said(StrEnum):
    """An answer. A no ends the question, and takes back what was given."""

    YES = "yes"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Denied:
    """A refusal that stands in the trail; ``code`` is the reason there, ``day`` what the message names."""

    code: str
    message: str
    notices: tuple[Notice, ...] = ()
    day: date | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be shown, and for how long: ``days`` is one of :data:`DAYS`; ``sensitive`` are names out of
    :data:`portal.consent.fields.SENSITIVE`.
    """

    purpose: Purpose
    preset: Preset
    days: int
    once: bool
    sensitive: tuple[str, ...] = ()
    pdf: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """A question: new, or the one that was open already, of which nobody is told again."""

    consent: uuid.UUID
    answer_until: datetime
    notices: tuple[Notice, ...]


@dataclass(frozen=True, slots=True)
class By:
    """Who answers, and how. ``account`` sends the answer: the holder's own (``SIGN_IN``), the guardian's in
    whose hands the device is (``SAME_DEVICE``), or that of a person of the school (``WITNESS``, ``PAPER``:
    then ``staff`` is set, and for paper ``reference`` says where it is filed).
    """

    evidence: Evidence
    account: uuid.UUID
    staff: Staff | None = None
    reference: str = ""

    @property
    def actor(self) -> Actor:
        return Actor("holder" if self.staff is None else "account", str(self.account))


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer that counts, and where the consent stands with it."""

    party: Party
    state: State
    until: datetime | None
    notices: tuple[Notice, ...]


@dataclass(frozen=True, slots=True)
class CodeMade:
    """A share code in its one spelling. Shown now and never again; ``replaces`` an earlier one, which opens
    nothing from now on.
    """

    code: str
    until: datetime
    notices: tuple[Notice, ...]
    replaces: bool = False


@dataclass(frozen=True, slots=True)
class Fold:
    """What the events and the time say. ``until``: of a waiting one the last moment for answers, of a given
    one its end. ``yes`` are all yeses; whether they still stand is another question.
    """

    state: State
    until: datetime
    yes: tuple[ConsentEvent, ...]
    suspended: str | None
    last: int
    told_end: bool  # an event says that it ended
    lies_open: bool  # its one use was an opening that may still be on a screen


@dataclass(frozen=True, slots=True)
class Case:
    """A consent with everything that its standing depends on, read in one transaction."""

    row: Consent
    fold: Fold
    records: tuple[Issued, ...]
    consented_versions: Mapping[uuid.UUID, int]
    links: tuple[Link, ...]
    needed: Needed
    obstacle: str | None  # None: content may be shown


@dataclass(frozen=True, slots=True)
class Overview:
    """A consent as a holder sees it. ``suspended`` is the reason why a given one shows nothing now;
    ``disputed`` that no yes counts now; ``child_here`` that the pupil's yes may be said without a sign-in of
    their own: on the guardian's device, at school, on paper.
    """

    consent: uuid.UUID
    purpose: Purpose
    recipient: str | None
    years: tuple[str, ...]
    preset: Preset
    fields: tuple[str, ...]
    pdf: bool
    once: bool
    state: State
    until: datetime
    suspended: str | None
    waiting_for: tuple[Party, ...]
    disputed: bool
    child_here: bool
    asked_at: datetime
    code_made: bool
    code_locked: bool
    code_replaceable_by: uuid.UUID | None  # who made it, as long as nobody tried it
    revocable: bool  # a no takes something back: what was given, or what its one use still shows

    @property
    def reference(self) -> str:
        return reference_of(self.consent)


@dataclass(frozen=True, slots=True)
class AskedState:
    """What the asker learns: the state, until when, and since when it is over; beside it their own words.
    ``case_number`` is empty once its key was destroyed.
    """

    consent: uuid.UUID
    purpose: Purpose
    state: State
    until: datetime
    asked_at: datetime
    ended_at: datetime | None
    once: bool
    case_number: str

    @property
    def reference(self) -> str:
        return reference_of(self.consent)


# -------------------------------------------------------------------------------------------------- asking


def offer(
    session: Session,
    vault: Vault,
    *,
    account: uuid.UUID,
    pupil: str,
    records: Sequence[uuid.UUID],
    wish: Wish,
    now: datetime,
) -> Asked | Denied:
    """A holder wants to share records of ``pupil`` with whoever will have the code. Making the question is no
    answer: each party that is needed says its yes (:func:`answer`), then the code is made. The same wish of
    the same holder while it waits is the question that waits.

    Denied: ``not_entitled``, ``disputed``, ``unknown_record``, ``not_approved``.
    """
    _check(wish)
    actor = Actor("holder", str(account))
    deny = _Refuser(session, actor, Action.CONSENT_ASKED, now, purpose=wish.purpose)
    link = own_link(session, vault, account, pupil, now)
    if link is None:
        return deny("not_entitled")
    school = link.school_code
    chosen = tuple(one for one in visible(session, school, pupil) if one.key in set(records))
    if not chosen or len(chosen) != len(set(records)):
        return deny("unknown_record", pupil=pupil, school=school)
    known, need = who_counts(session, vault, chosen, now)
    if link_party(link) not in need.parties:
        return deny("not_entitled", pupil=pupil, school=school)
    if _disputed(known, need):
        return deny("disputed", pupil=pupil, school=school)
    if outside_education(wish.purpose, None) and not _approved(session, chosen, wish.purpose, day_of(now)):
        return deny("not_approved", pupil=pupil, school=school)
    # A form that comes twice waits here for its twin.
    session.execute(select(Account.id).where(Account.id == account).with_for_update(key_share=True))
    for each, state in _open_questions(session, chosen, wish.purpose, None, now):
        if state is State.WAITING and each.asked_by == account and _wish_of(each) == _wished(chosen, wish):
            return Asked(each.id, each.answer_until, ())
    row = _create(
        session,
        vault,
        chosen,
        wish,
        of=(school, pupil),
        recipient=None,
        asked_by=account,
        reference="",
        now=now,
    )
    others = [one for one in known if one.account != account]
    return _asked(session, row, actor, told(others, need.parties), Kind.SHARING_PROPOSED, now=now)


def ask(
    session: Session,
    vault: Vault,
    *,
    staff: Staff,
    locator: Locator,
    wish: Wish,
    reference: str,
    whole_level: bool = False,
    now: datetime,
) -> Asked | Denied:
    """An organisation asks for the record that it scanned (``whole_level``: for all of that pupil's years of
    that level, at whatever school), for its case ``reference``. It learns nothing but the state.

    Of one organisation, the same records and the same purpose there is one open question: asking again while
    it waits or is given answers with that one, whatever else is wished. After a no, or a yes taken back, it
    does not ask for the same pupil and purpose for :data:`PAUSE`. :data:`MOST_WAITING` questions of it wait
    for one pupil at a time.

    Denied: ``not_permitted``, ``unknown_record``, ``not_approved``, ``asked_lately``, ``enough_waiting``,
    ``asked_too_often``.
    """
    _check(wish, reference)
    actor = Actor("account", str(staff.account))
    deny = _Refuser(session, actor, Action.CONSENT_ASKED, now, purpose=wish.purpose)
    asker = standing(session, staff, Act.ASK_CONSENT, day_of(now))
    if asker is None:
        return deny("not_permitted")
    scanned = next(iter(registry.issued(session, locator=locator)), None)
    if scanned is None:
        return deny("unknown_record")
    school, pupil = scanned.school_code, scanned.pupil_index
    every = visible(session, school, pupil)
    chosen = tuple(r for r in every if r.level == scanned.level) if whole_level else (scanned,)
    if outside_education(wish.purpose, asker.kind) and not _approved(
        session, chosen, wish.purpose, day_of(now)
    ):
        return deny("not_approved", pupil=pupil, school=school)
    # One question after the other: a form that comes twice waits here for its twin.
    lock_organisation(session, asker.key)
    for each, _ in _open_questions(session, chosen, wish.purpose, asker.key, now):
        return Asked(each.id, each.answer_until, ())
    again = _again_from(session, pupil, wish.purpose, asker.key)
    if again is not None and day_of(now) < again:
        return deny("asked_lately", pupil=pupil, school=school, day=again)
    mine = _waiting(asker.key, now, Consent.id.in_(_about(session, pupil)))
    if (session.scalar(select(func.count()).select_from(mine.subquery())) or 0) >= MOST_WAITING:
        return deny("enough_waiting", pupil=pupil, school=school)
    if _unanswered(session, asker.key, now) >= ASKED_DAY.amount:
        return deny("asked_too_often", pupil=pupil, school=school)
    row = _create(
        session,
        vault,
        chosen,
        wish,
        of=(school, pupil),
        recipient=asker.key,
        asked_by=staff.account,
        reference=reference.strip(),
        now=now,
    )
    known, need = who_counts(session, vault, chosen, now)
    return _asked(session, row, actor, told(known, need.parties), Kind.CONSENT_REQUESTED, now=now)


def _open_questions(
    session: Session,
    records: Sequence[Issued],
    purpose: Purpose,
    recipient: uuid.UUID | None,
    now: datetime,
) -> Iterator[tuple[Consent, State]]:
    """Questions of one recipient about exactly these records that wait or are given, the newest first."""
    keys = {record.key for record in records}
    about = select(ConsentRecord.consent_pk).where(ConsentRecord.record_pk.in_(keys))
    rows = session.scalars(
        select(Consent)
        .where(
            Consent.recipient_pk == recipient,
            Consent.purpose == purpose,
            Consent.wrapped_key != DESTROYED,
            Consent.id.in_(about),
            _is_open(),
        )
        .order_by(Consent.asked_at.desc(), Consent.id)
    ).all()
    for row in rows:
        bound = session.scalars(select(ConsentRecord.record_pk).where(ConsentRecord.consent_pk == row.id))
        state = fold_events(row, _events(session, row.id), now).state
        if set(bound) == keys and state in (State.WAITING, State.GIVEN):
            yield row, state


def _wish_of(row: Consent) -> tuple[str, str, bool, int, bool]:
    """What is wished for, apart from purpose and records."""
    return row.preset, row.fields, row.pdf, row.days, row.once


def _wished(records: Sequence[Issued], wish: Wish) -> tuple[str, str, bool, int, bool]:
    """As :func:`_wish_of`, of a wish."""
    return wish.preset, _fields(records, wish), wish.pdf, wish.days, wish.once


def _again_from(session: Session, pupil: str, purpose: Purpose, recipient: uuid.UUID) -> date | None:
    """From which day on an organisation may ask for this pupil, after the last no; None without one."""
    said = session.scalar(
        select(func.max(ConsentEvent.at))
        .join(Consent, Consent.id == ConsentEvent.consent_pk)
        .where(
            Consent.recipient_pk == recipient,
            Consent.purpose == purpose,
            Consent.id.in_(_about(session, pupil)),
            ConsentEvent.kind.in_((EventKind.REFUSED, EventKind.WITHDRAWN)),
        )
    )
    return None if said is None else day_of(said + PAUSE)


def _unanswered(session: Session, recipient: uuid.UUID, now: datetime) -> int:
    """How many questions an organisation asked within :data:`ASKED_DAY` that still wait."""
    lately = Consent.asked_at > now - timedelta(seconds=ASKED_DAY.get_expiry())
    waiting = _waiting(recipient, now, lately)
    return session.scalar(select(func.count()).select_from(waiting.subquery())) or 0


def _waiting(recipient: uuid.UUID, now: datetime, *which: ColumnElement[bool]) -> Select[uuid.UUID]:
    """The questions of an organisation that wait, in the order of their keys; of those the ones that fit."""
    event = select(ConsentEvent.id).where(ConsentEvent.consent_pk == Consent.id)
    return (
        select(Consent.id)
        .where(
            Consent.recipient_pk == recipient,
            Consent.answer_until > now,
            Consent.wrapped_key != DESTROYED,
            _is_open(),
            ~event.where(ConsentEvent.until.is_not(None)).exists(),
            *which,
        )
        .order_by(Consent.id)
    )


def lock_organisation(session: Session, organisation: uuid.UUID) -> None:
    """Acts of one organisation one after the other until this transaction ends: those that come at once are
    counted one by one. Before anything else is locked: an account, then consents, and the trail follow.
    """
    session.execute(
        select(Organisation.id).where(Organisation.id == organisation).with_for_update(key_share=True)
    )


def question(
    session: Session, vault: Vault, consent: uuid.UUID, *, by: By, language: Language, now: datetime
) -> Shown | Denied:
    """The text for whoever is about to answer, which :func:`answer` wants to have been shown. Denied as
    there.
    """
    case = examine(session, vault, consent, now)
    if case is None:
        return _Refuser(session, by.actor, Action.CONSENT_GIVEN, now)("unknown_consent")
    deny = _refuser(session, by.actor, Action.CONSENT_GIVEN, now, case)
    party = _party(session, case, by, Said.YES, now)
    if not isinstance(party, Party):
        return deny(party)
    if case.row.wrapped_key == DESTROYED:
        return deny("not_open")
    return _text(session, vault, case, party, language)


def answer(
    session: Session,
    vault: Vault,
    *,
    consent: uuid.UUID,
    said: Said,
    by: By,
    request: str,
    language: Language = "vi",
    sha256: str = "",
    now: datetime,
) -> Answered | Denied:
    """One party's yes or no. A yes names the SHA-256 of the text that was shown (:func:`question`);
    ``request`` is the id of the request it came in, which can carry one answer.

    Of a waiting consent a no by either party is a refusal, of a given one a withdrawal; both end it at once.
    A withdrawal also closes what a single use opened, while it lies open (:data:`OPEN_FOR`). A no to an
    organisation ends what else it asked about the same pupil for the same purpose and waits. Denied:
    ``unknown_consent``, ``not_entitled``, ``not_permitted``, ``not_own_class``, ``own_family``,
    ``own_sign_in``, ``disputed``, ``not_open``, ``already_answered``, ``same_request``, ``text_differs``.
    """
    _check_answer(by, request)
    # 1 Who speaks, and whether there is anything left to answer.
    if said is Said.NO:
        _lock_alike(session, consent)
    case = examine(session, vault, consent, now, lock=True)
    if case is None:
        return _Refuser(session, by.actor, _ANSWERS[said, False][0], now)("unknown_consent")
    fold, row = case.fold, case.row
    given = fold.state is State.GIVEN or (fold.lies_open and said is Said.NO)
    action, kind = _ANSWERS[said, given]
    deny = _refuser(session, by.actor, action, now, case)
    party = _party(session, case, by, said, now)
    if not isinstance(party, Party):
        return deny(party)
    if not (given or fold.state is State.WAITING) or row.wrapped_key == DESTROYED:
        settle_case(session, case, now)
        return deny("not_open")
    if session.scalar(
        select(ConsentEvent.id).where(ConsentEvent.consent_pk == consent, ConsentEvent.request == request)
    ):
        return deny("same_request")

    # 2 A no always counts; a yes only to the very text that was shown.
    shown = None
    if said is Said.YES:
        refusal = _no_yes(session, case, party, by)
        if refusal is not None:
            return deny(refusal)
        shown = _text(session, vault, case, party, language)
        if shown.sha256 != sha256:
            return deny("text_differs")

    # 3 It is added. The last yes that is needed says until when.
    event = new_event(row, fold.last + 1, kind, now)
    event.party, event.evidence, event.account_pk, event.request = party, by.evidence, by.account, request
    if shown is not None:
        event.language, event.text_version, event.text_sha256 = shown.language, shown.edition, shown.sha256
        event.text_sealed = seal(vault, row, "text_sealed", shown.text, event.id)
    if by.reference:
        event.note_sealed = seal(vault, row, "note_sealed", by.reference.strip(), event.id)
    if said is Said.YES and not given and not _missing(case, (*fold.yes, event)):
        event.until = now + timedelta(days=row.days)
    session.add(event)
    details: dict[str, str | int] = {"party": party.value, "evidence": by.evidence.value}
    happened = [_happened(row, action, by.actor, details=details)]
    code = _code(session, row)
    if said is Said.NO and code is not None:
        happened.append(_happened(row, Action.SHARE_CODE_CANCELLED, by.actor, Object("share_code", code.id)))
    audit.record(session, *happened, now=now)

    # 4 Where it stands now, and whom that concerns.
    if said is Said.NO:
        state, until = (State.WITHDRAWN if given else State.REFUSED), None
    else:
        until = event.until or (fold.until if given else None)
        state = State.WAITING if until is None else State.GIVEN
    tell = _after(session, case, by, state, given=given, now=now)
    if said is Said.NO:
        tell += _refuse_alike(session, case, by, party, now)
    return Answered(party, state, until, tell)


def _lock_alike(session: Session, consent: uuid.UUID) -> None:
    """Lock what a no to this question may end: first who asked, so that no question comes meanwhile, then the
    open ones about the pupil, so that two answers never wait for each other.
    """
    asked = select(Consent.recipient_pk, Consent.pupil_index).where(Consent.id == consent)
    row = session.execute(asked).one_or_none()
    if row is not None and row.recipient_pk is not None:
        lock_organisation(session, row.recipient_pk)
        hold(session, pupils=[row.pupil_index])


def _refuse_alike(session: Session, case: Case, by: By, party: Party, now: datetime) -> tuple[Notice, ...]:
    """A no to an organisation, to all that it asked about this pupil for this purpose and that waits: nobody
    has to say it once for each year. Its people are told of each.
    """
    row = case.row
    if row.recipient_pk is None:
        return ()
    tell: tuple[Notice, ...] = ()
    with everywhere(session):
        alike = (
            Consent.purpose == row.purpose,
            Consent.id != row.id,
            Consent.id.in_(_about(session, row.pupil_index)),
        )
        for key in session.scalars(_waiting(row.recipient_pk, now, *alike)).all():
            other = session.get_one(Consent, key)
            last = max(event.number for event in _events(session, key))
            event = new_event(other, last + 1, EventKind.REFUSED, now)
            event.party, event.evidence, event.account_pk = party, by.evidence, by.account
            event.reason = _ALIKE
            session.add(event)
            details = {"party": party.value, "evidence": by.evidence.value, "reason": _ALIKE}
            refused = _happened(other, Action.CONSENT_REFUSED, by.actor, details=details)
            audit.record(session, refused, now=now)
            tell += _tell_asker(session, other, Kind.CONSENT_REFUSED, now)
    return tell


def _tell_asker(session: Session, row: Consent, kind: Kind, now: datetime) -> tuple[Notice, ...]:
    """Who asked for an organisation, as long as they work there."""
    if row.recipient_pk is None or not roles(session, row.asked_by, row.recipient_pk, day_of(now)):
        return ()
    return notices(session, (row.asked_by,), kind, {"reference": reference_of(row.id)})


def make_code(
    session: Session,
    vault: Vault,
    *,
    consent: uuid.UUID,
    account: uuid.UUID,
    random: Callable[[int], bytes] = os.urandom,
    now: datetime,
) -> CodeMade | Denied:
    """The share code of a consent that everybody needed has given; it is shown once and kept nowhere. As long
    as nobody tried or opened it, whoever made it may have another in its place: a form that came twice, or a
    code that was lost at once.

    Denied: ``unknown_consent``, ``not_entitled``, ``not_in_force``, ``code_made``.
    """
    # Whoever opens a code locks it and then its consent: so does whoever replaces it.
    session.execute(select(ShareCode.id).where(ShareCode.consent_pk == consent).with_for_update())
    case = examine(session, vault, consent, now, lock=True)
    actor = Actor("holder", str(account))
    if case is None:
        return _Refuser(session, actor, Action.SHARE_CODE_MADE, now)("unknown_consent")
    deny = _refuser(session, actor, Action.SHARE_CODE_MADE, now, case)
    party = _party(session, case, By(Evidence.SIGN_IN, account), Said.YES, now)
    if not isinstance(party, Party):
        return deny(party)
    if case.row.recipient_pk is not None:
        return deny("unknown_consent")
    if case.obstacle is not None:
        return deny("not_in_force")
    before = _code(session, case.row)
    if before is not None and _replaceable_by(session, before) != account:
        return deny("code_made")
    happened = []
    if before is not None:
        session.delete(before)
        session.flush()
        replaced = Object("share_code", before.id)
        happened.append(_happened(case.row, Action.SHARE_CODE_CANCELLED, actor, replaced))
    code, index = "", None
    while index is None or session.scalar(select(ShareCode.id).where(ShareCode.code_index == index)):
        code = new_share_code(Purpose(case.row.purpose).letter, random(5))
        index = code_index(vault, code)
    made = ShareCode(
        id=uuid.uuid4(), consent_pk=consent, code_index=index, made_at=now, made_by=account, wrong_tries=0
    )
    session.add(made)
    happened.append(_happened(case.row, Action.SHARE_CODE_MADE, actor, Object("share_code", made.id)))
    audit.record(session, *happened, now=now)
    others = [link for link in case.links if link.account != account]
    # That there is a code was told with the first one.
    tell = () if before is not None else told(others, case.needed.parties)
    seen = notices(session, tell, Kind.SHARE_CODE_MADE, {"day": day_of(now)})
    return CodeMade(code, case.fold.until, seen, before is not None)


def _replaceable_by(session: Session, code: ShareCode) -> uuid.UUID | None:
    """Who may have another code in place of this one: its maker, until somebody tries or opens it."""
    opened = select(ConsentEvent.id).where(
        ConsentEvent.consent_pk == code.consent_pk, ConsentEvent.kind == EventKind.OPENED
    )
    untouched = not code.wrong_tries and code.locked_at is None and session.scalar(opened.limit(1)) is None
    return code.made_by if untouched else None


def code_index(vault: Vault, code: str) -> str:
    """What stands in the database for a share code (SEC-20)."""
    return vault.blind_index(code, domain="share-code")


def reference_of(consent: uuid.UUID) -> str:
    """By what messages and pages call a consent; it opens nothing."""
    return consent.hex[:8].upper()


def read_code(text: str) -> str:
    """A typed share code in its one spelling. Raises InvalidInput: what is no code is looked up nowhere."""
    return read_share_code(text, LETTERS)


# ------------------------------------------------------------------------------------------ does it stand


def live(session: Session, vault: Vault, consent: uuid.UUID, now: datetime) -> bool:
    """Whether content may be shown on this consent at this moment (SEC-19). Nothing keeps the answer."""
    case = examine(session, vault, consent, now)
    return case is not None and case.obstacle is None


def examine(
    session: Session,
    vault: Vault,
    consent: uuid.UUID,
    now: datetime,
    *,
    lock: bool = False,
    opening: int | None = None,
) -> Case | None:
    """A consent as it stands now, None when there is none. With ``lock`` nobody else acts on it until this
    transaction ends (SQLite's writing transactions have the only lock there is). ``opening`` as in
    :func:`fold_events`.
    """
    wanted = select(Consent).where(Consent.id == consent)
    row = session.scalar(wanted.with_for_update() if lock else wanted)
    if row is None:
        return None
    bound = session.execute(
        select(ConsentRecord.record_pk, ConsentRecord.version).where(ConsentRecord.consent_pk == consent)
    ).all()
    versions = {one.record_pk: one.version for one in bound}
    fold = fold_events(row, _events(session, consent), now, opening=opening)
    with everywhere(session):
        records = registry.issued(session, keys=list(versions))
        known, need = who_counts(session, vault, records, now)
    case = Case(row, fold, records, versions, known, need, None)
    return replace(case, obstacle=_obstacle(session, case, day_of(now)))


def fold_events(
    row: Consent, events: Iterable[ConsentEvent], now: datetime, *, opening: int | None = None
) -> Fold:
    """The state machine: ``events`` in their order, and the time. For the eyes of whoever opened it,
    ``opening`` is the number of that event: what it used up it did not take from itself.
    """
    state, until, suspended, last, told_end = State.WAITING, row.answer_until, None, 0, False
    lies_open = False
    yes = []
    for event in events:
        last = event.number
        match EventKind(event.kind):
            case EventKind.GIVEN:
                yes.append(event)
                if event.until is not None:
                    state, until = State.GIVEN, event.until
            case EventKind.SUSPENDED:
                suspended = event.reason
            case EventKind.RESUMED:
                suspended = None
            case EventKind.USED_UP if event.number - 1 == opening:
                told_end = True
            case EventKind.REFUSED | EventKind.WITHDRAWN | EventKind.EXPIRED | EventKind.USED_UP as end:
                state, told_end = State(end.value), True
                lies_open = end is EventKind.USED_UP and now - event.at < OPEN_FOR
            case EventKind.ASKED | EventKind.OPENED:
                pass
    if state in (State.WAITING, State.GIVEN) and until <= now:
        state = State.EXPIRED
    return Fold(state, until, tuple(yes), suspended, last, told_end, lies_open)


def settle(session: Session, vault: Vault, *, pupils: Iterable[str], now: datetime) -> tuple[Notice, ...]:
    """Tell the events of open consents what became of them: expired, suspended, resumed. For those about the
    records of these pupils (indexes, as links have them), in the transaction that changed a link, began or
    ended a dispute or closed an account.

    What is shown never waits for this: each disclosure asks by itself.
    """
    with everywhere(session):
        found = [
            notice for key in hold(session, pupils=pupils) for notice in _settle(session, vault, key, now)
        ]
    return tuple(found)


def hold(session: Session, *, pupils: Iterable[str]) -> Sequence[uuid.UUID]:
    """Lock the open consents about the records of these pupils, in the order of their keys; answers those.
    Who writes into the trail before :func:`settle` does this first: whoever answers one of them locks it and
    then the trail, and two that wait for each other end as a fault of ours.
    """
    with everywhere(session):
        about = {key for pupil in set(pupils) for key in session.scalars(_about(session, pupil))}
        wanted = select(Consent.id).where(_is_open(), Consent.id.in_(about))
        return session.scalars(wanted.order_by(Consent.id).with_for_update()).all()


def settle_some(
    session: Session, vault: Vault, *, after: uuid.UUID | None = None, now: datetime
) -> tuple[tuple[Notice, ...], uuid.UUID | None]:
    """For the worker, daily: as :func:`settle`, for all: what time alone did. A batch: those whose key
    follows ``after``. Answers the notices and the last key, None when nothing is left; the caller commits and
    repeats.
    """
    wanted = select(Consent.id).where(_is_open()).order_by(Consent.id).limit(_MANY)
    wanted = wanted if after is None else wanted.where(Consent.id > after)
    keys = session.scalars(wanted.with_for_update()).all()  # all of them before the trail, as in hold
    found = [notice for key in keys for notice in _settle(session, vault, key, now)]
    return tuple(found), keys[-1] if keys else None


def _settle(session: Session, vault: Vault, consent: uuid.UUID, now: datetime) -> tuple[Notice, ...]:
    case = examine(session, vault, consent, now, lock=True)
    return () if case is None else settle_case(session, case, now)


def _is_open() -> ColumnElement[bool]:
    """Consents of which no event says that they ended."""
    return Consent.id.not_in(select(ConsentEvent.consent_pk).where(ConsentEvent.kind.in_(_ENDS)))


def _about(session: Session, pupil: str) -> Select[uuid.UUID]:
    """The consents about a record that a link to this pupil is a link to."""
    keys = learners.keys_of(session, pupil)
    return select(ConsentRecord.consent_pk).where(ConsentRecord.record_pk.in_(keys))


def settle_case(session: Session, case: Case, now: datetime) -> tuple[Notice, ...]:
    """As :func:`settle`, for one consent that is locked: the event that is missing, if one is."""
    fold, row = case.fold, case.row
    system = Actor.system("consent")
    if fold.told_end:
        return ()
    if fold.state is State.EXPIRED:
        session.add(new_event(row, fold.last + 1, EventKind.EXPIRED, now))
        audit.record(session, _happened(row, Action.CONSENT_EXPIRED, system), now=now)
    elif fold.state is State.GIVEN and case.obstacle != fold.suspended:
        if case.obstacle is None:
            session.add(new_event(row, fold.last + 1, EventKind.RESUMED, now))
            audit.record(session, _happened(row, Action.CONSENT_RESUMED, system), now=now)
        else:
            event = new_event(row, fold.last + 1, EventKind.SUSPENDED, now)
            event.reason = case.obstacle
            session.add(event)
            details = {"reason": case.obstacle}
            audit.record(session, _happened(row, Action.CONSENT_SUSPENDED, system, details=details), now=now)
            tell = told(case.links, case.needed.parties)
            return notices(session, tell, Kind.CONSENT_SUSPENDED, {"reference": reference_of(row.id)})
    return ()


def _obstacle(session: Session, case: Case, today: date) -> str | None:
    """Why nothing may be shown; None when everything that is needed stands."""
    row, fold = case.row, case.fold
    if fold.state is not State.GIVEN:
        return fold.state.value
    if row.wrapped_key == DESTROYED:
        return "erased"
    if len(case.records) < len(case.consented_versions):
        return "record_destroyed"
    recipient = None
    if row.recipient_pk is not None:
        recipient = office(session, row.recipient_pk)
        if recipient is None:
            return "recipient_closed"
    purpose = Purpose(row.purpose)
    if outside_education(purpose, None if recipient is None else recipient.kind) and not _approved(
        session, case.records, purpose, today
    ):
        return "not_approved"
    if _disputed(case.links, case.needed):
        return "disputed"
    missing = _missing(case, fold.yes)
    if missing:
        return "giver_gone" if any(event.party in missing for event in fold.yes) else "party_missing"
    return None


def _missing(case: Case, yes: Iterable[ConsentEvent]) -> frozenset[Party]:
    """Parties whose yes is needed today and does not stand. A yes rests on the links of who sent it, to every
    record; one that the school took down rests on the school.
    """
    stands = {(link.account, link.party) for link in case.links if _whole(case, link)}
    said = {
        Party(event.party)
        for event in yes
        if event.party is not None
        and (
            event.evidence in (Evidence.WITNESS, Evidence.PAPER)
            or (
                event.account_pk,
                Party.GUARDIAN if event.evidence == Evidence.SAME_DEVICE else event.party,
            )
            in stands
        )
    }
    return case.needed.parties - said


def _whole(case: Case, link: Link) -> bool:
    """Whether a holder who can act sees every record that the consent is about."""
    return link.stands and link.sees.issuperset(record.key for record in case.records)


def _disputed(known: Sequence[Link], need: Needed) -> bool:
    """Whether it is in dispute who may speak: any link that would count."""
    return any(link.disputed and link.party in need.parties for link in known)


def who_counts(
    session: Session, vault: Vault, records: Sequence[Issued], now: datetime
) -> tuple[tuple[Link, ...], Needed]:
    """Who stands behind these records today, and whose yes the pupil's age asks for, by every record of the
    pupil that a school has; when none is left that says an age, everybody's.
    """
    known = links(session, vault, records, now)
    pupils = {pupil for record in records for _, pupil in learners.pupils_like(session, record.record_id)}
    births = [registry.birth(session, vault, one) for one in registry.issued(session, pupils=pupils)]
    if not births:
        return known, Needed(frozenset(Party), own_sign_in=True)
    return known, needed(Born.read(births), day_of(now))


def entitled(
    session: Session, vault: Vault, account: uuid.UUID, pupil: str, now: datetime
) -> holders.Link | None:
    """The link by which a holder may act for ``pupil``, or for themselves, today; None when they may not."""
    link = own_link(session, vault, account, pupil, now)
    records = () if link is None else visible(session, link.school_code, pupil)
    if link is None or not records:
        return None
    _, need = who_counts(session, vault, records, now)
    return link if link_party(link) in need.parties else None


# ---------------------------------------------------------------------------------------------- overviews


def of_pupil(
    session: Session,
    vault: Vault,
    *,
    account: uuid.UUID,
    pupil: str,
    consent: uuid.UUID | None = None,
    now: datetime,
) -> tuple[Overview, ...] | Denied:
    """Every consent about a record that the holder's link to ``pupil`` is a link to, newest first, for one
    who may act; with ``consent`` that one alone. Denied: ``not_entitled``.
    """
    if entitled(session, vault, account, pupil, now) is None:
        return _Refuser(session, Actor("holder", str(account)), Action.DISCLOSURE, now)("not_entitled")
    wanted = select(Consent.id).where(Consent.id.in_(_about(session, pupil)))
    if consent is not None:
        wanted = wanted.where(Consent.id == consent)
    return tuple(_overview(session, case) for case in _cases(session, vault, wanted, now))


def to_answer(
    session: Session, vault: Vault, *, account: uuid.UUID, pupil: str, now: datetime
) -> tuple[Overview, ...]:
    """Questions that wait for this holder, or for the child beside a guardian, newest first. None for a
    holder who may not act.
    """
    link = entitled(session, vault, account, pupil, now)
    if link is None:
        return ()
    wanted = select(Consent.id).where(Consent.id.in_(_about(session, pupil)), _is_open())
    found = (_overview(session, case) for case in _cases(session, vault, wanted, now))
    return tuple(
        each
        for each in found
        if link_party(link) in each.waiting_for or (each.child_here and Party.PUPIL in each.waiting_for)
    )


def at_school(
    session: Session,
    vault: Vault,
    *,
    staff: Staff,
    pupil: str,
    consent: uuid.UUID | None = None,
    now: datetime,
) -> tuple[Overview, ...] | Denied:
    """What a pupil of this school may answer there today: what waits for them, and what they may take back.
    Denied: ``not_permitted``, ``not_own_class``, ``own_family``.
    """
    deny = _Refuser(session, Actor("account", str(staff.account)), Action.CONSENT_GIVEN, now)
    school = standing(session, staff, Act.WITNESS_CONSENT, day_of(now))
    if school is None:
        return deny("not_permitted")
    refusal = no_witness(session, staff, school.code, pupil)
    if refusal is not None:
        return deny(refusal, pupil=pupil, school=school.code)
    wanted = select(Consent.id).where(
        Consent.pupil_index == pupil, Consent.school_code == school.code, _is_open()
    )
    if consent is not None:
        wanted = wanted.where(Consent.id == consent)
    return tuple(
        _overview(session, case)
        for case in _cases(session, vault, wanted, now)
        if Party.PUPIL in case.needed.parties and case.fold.state in (State.WAITING, State.GIVEN)
    )


def _cases(session: Session, vault: Vault, wanted: Select[uuid.UUID], now: datetime) -> Iterator[Case]:
    """Consents as they stand now, newest first."""
    for key in session.scalars(wanted.order_by(Consent.asked_at.desc(), Consent.id)).all():
        case = examine(session, vault, key, now)
        if case is not None:  # else erased since the line above
            yield case


def _overview(session: Session, case: Case) -> Overview:
    row, fold, code = case.row, case.fold, _code(session, case.row)
    recipients = [] if row.recipient_pk is None else [row.recipient_pk]
    return Overview(
        consent=row.id,
        purpose=Purpose(row.purpose),
        recipient=next(iter(names(session, recipients).values()), None),
        years=tuple(record.year for record in case.records),
        preset=Preset(row.preset),
        fields=tuple(json.loads(row.fields)),
        pdf=row.pdf,
        once=row.once,
        state=fold.state,
        until=fold.until,
        suspended=case.obstacle if fold.state is State.GIVEN else None,
        waiting_for=tuple(sorted(_missing(case, fold.yes)))
        if fold.state in (State.WAITING, State.GIVEN)
        else (),
        disputed=_disputed(case.links, case.needed),
        child_here=Party.PUPIL in case.needed.parties and not _own_sign_in(case),
        asked_at=row.asked_at,
        code_made=code is not None,
        code_locked=code is not None and code.locked_at is not None,
        code_replaceable_by=None if code is None else _replaceable_by(session, code),
        revocable=fold.state is State.GIVEN or fold.lies_open,
    )


def of_organisation(
    session: Session, vault: Vault, *, staff: Staff, skip: int = 0, limit: int = 50, now: datetime
) -> tuple[AskedState, ...] | Denied:
    """What an organisation asked for, newest first: states and nothing else. Denied: ``not_permitted``."""
    if standing(session, staff, Act.ASK_CONSENT, day_of(now)) is None:
        actor = Actor("account", str(staff.account))
        return _Refuser(session, actor, Action.CONSENT_ASKED, now)("not_permitted")
    mine = select(Consent).where(Consent.recipient_pk == staff.organisation)
    newest = mine.order_by(Consent.asked_at.desc(), Consent.id).offset(skip).limit(limit)
    return tuple(_asked_state(session, vault, row, now) for row in session.scalars(newest).all())


def asked(
    session: Session, vault: Vault, consent: uuid.UUID, *, staff: Staff, now: datetime
) -> AskedState | Denied:
    """One of :func:`of_organisation`. Denied: ``not_permitted``, ``unknown_consent`` (also one for somebody
    else).
    """
    deny = _Refuser(session, Actor("account", str(staff.account)), Action.CONSENT_ASKED, now)
    if standing(session, staff, Act.ASK_CONSENT, day_of(now)) is None:
        return deny("not_permitted")
    row = session.get(Consent, consent)
    if row is None or row.recipient_pk != staff.organisation:
        return deny("unknown_consent")
    return _asked_state(session, vault, row, now)


def _asked_state(session: Session, vault: Vault, row: Consent, now: datetime) -> AskedState:
    events = _events(session, row.id)
    fold = fold_events(row, events, now)
    ended = next((event.at for event in events if event.kind in _ENDS), None)
    if ended is None and fold.state is State.EXPIRED:
        ended = fold.until
    number = ""
    if row.reference_sealed is not None and row.wrapped_key != DESTROYED:
        number = unseal(vault, row, "reference_sealed", row.reference_sealed, row.id)
    return AskedState(
        row.id, Purpose(row.purpose), fold.state, fold.until, row.asked_at, ended, row.once, number
    )


# ---------------------------------------------------------------------------------------------- approvals


def approve_purpose(
    session: Session,
    *,
    staff: Staff,
    purpose: Purpose,
    reference: str,
    valid_from: date,
    valid_to: date | None,
    now: datetime,
) -> uuid.UUID | Denied:
    """A department stands by ``purpose`` for its schools (NĐ 88/2026 Đ.12.2), by its decision ``reference``.

    Denied: ``not_permitted``, ``approved_already``.
    """
    problems = [*reference_problems(reference), *period_problems(valid_from, valid_to)]
    if problems:
        raise InvalidInput(tuple(problems))
    actor = Actor("account", str(staff.account))
    deny = _Refuser(session, actor, Action.PURPOSE_APPROVAL, now, purpose=purpose)
    department = standing(session, staff, Act.APPROVE_PURPOSES, day_of(now))
    if department is None:
        return deny("not_permitted")
    if _approval(session, department.code, purpose) is not None:
        return deny("approved_already")
    row = PurposeApproval(
        id=uuid.uuid4(),
        department_code=department.code,
        purpose=purpose,
        reference=reference.strip(),
        valid_from=valid_from,
        valid_to=valid_to,
        given_at=now,
        given_by=staff.account,
    )
    session.add(row)
    _tell_approval(session, actor, department.code, purpose=purpose, change="approved", now=now)
    return row.id


def reference_problems(reference: str) -> list[Problem]:
    """What is wrong with the number of a department's decision."""
    if 0 < len(reference.strip()) <= MAX_REFERENCE:
        return []
    return [Problem("reference", "reference", marked("Ghi số quyết định, không quá 80 ký tự."))]


def period_problems(valid_from: date, valid_to: date | None) -> list[Problem]:
    """What is wrong with the first and last day of an approval."""
    if valid_to is None or valid_to >= valid_from:
        return []
    return [Problem("valid_to", "valid_to", marked("Ngày hết hiệu lực phải sau ngày có hiệu lực."))]


def revoke_purpose(session: Session, *, staff: Staff, purpose: Purpose, now: datetime) -> uuid.UUID | Denied:
    """The department no longer stands by ``purpose``: from now on nothing is shown on it.

    Denied: ``not_permitted``, ``no_approval``.
    """
    actor = Actor("account", str(staff.account))
    deny = _Refuser(session, actor, Action.PURPOSE_APPROVAL, now, purpose=purpose)
    department = standing(session, staff, Act.APPROVE_PURPOSES, day_of(now))
    if department is None:
        return deny("not_permitted")
    row = _approval(session, department.code, purpose)
    if row is None:
        return deny("no_approval")
    row.revoked_at, row.revoked_by = now, staff.account
    _tell_approval(session, actor, department.code, purpose=purpose, change="revoked", now=now)
    return row.id


@dataclass(frozen=True, slots=True)
class Approval:
    """What a department decided about a purpose."""

    purpose: Purpose
    reference: str
    valid_from: date
    valid_to: date | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Approvals:
    """``standing`` has every purpose with its approval, None for none, and how many consents that are given
    now rest on there being one; ``former`` are those that were revoked, the newest first.
    """

    standing: tuple[tuple[Purpose, Approval | None, int], ...]
    former: tuple[Approval, ...]


def approvals(session: Session, *, staff: Staff, now: datetime) -> Approvals | Denied:
    """Where a department stands on each purpose. Denied: ``not_permitted``."""
    department = standing(session, staff, Act.APPROVE_PURPOSES, day_of(now))
    if department is None:
        actor = Actor("account", str(staff.account))
        return _Refuser(session, actor, Action.PURPOSE_APPROVAL, now)("not_permitted")
    rows = session.scalars(
        select(PurposeApproval)
        .where(PurposeApproval.department_code == department.code)
        .order_by(PurposeApproval.given_at.desc(), PurposeApproval.id)
    )
    every = [
        Approval(Purpose(row.purpose), row.reference, row.valid_from, row.valid_to, row.revoked_at)
        for row in rows
    ]
    standing_now = {each.purpose: each for each in every if each.revoked_at is None}
    resting = _resting(session, department.code, now)
    return Approvals(
        tuple((purpose, standing_now.get(purpose), resting[purpose]) for purpose in Purpose),
        tuple(each for each in every if each.revoked_at is not None),
    )


def _resting(session: Session, department_code: str, now: datetime) -> Counter[Purpose]:
    """Consents to records of the department's schools that are given now and need its approval."""
    school, recipient = aliased(Organisation), aliased(Organisation)
    ends = (EventKind.REFUSED, EventKind.WITHDRAWN, EventKind.EXPIRED, EventKind.USED_UP)
    event = select(ConsentEvent.id).where(ConsentEvent.consent_pk == Consent.id)
    rows = session.execute(
        select(Consent.purpose, recipient.kind, func.count())
        .join(school, school.code == Consent.school_code)
        .outerjoin(recipient, recipient.id == Consent.recipient_pk)
        .where(
            school.department_code == department_code,
            event.where(ConsentEvent.until > now).exists(),
            ~event.where(ConsentEvent.kind.in_(ends)).exists(),
        )
        .group_by(Consent.purpose, recipient.kind)
    )
    found: Counter[Purpose] = Counter()
    for name, kind, count in rows:
        purpose = Purpose(name)
        if outside_education(purpose, None if kind is None else OrganisationKind(kind)):
            found[purpose] += count
    return found


def _approval(session: Session, department_code: str, purpose: Purpose) -> PurposeApproval | None:
    return session.scalar(
        select(PurposeApproval).where(
            PurposeApproval.department_code == department_code,
            PurposeApproval.purpose == purpose,
            PurposeApproval.revoked_at.is_(None),
        )
    )


def available(session: Session, records: Iterable[Issued], today: date) -> frozenset[Purpose]:
    """Purposes for which a family can let records of these be seen by a share code today: those of education,
    and those that the department of at least one of their schools stands by. Only to be shown beside a
    choice; :func:`offer` decides, by the records that were chosen.
    """
    each = {record.school_code: record for record in records}.values()
    return frozenset(
        purpose
        for purpose in Purpose
        if not outside_education(purpose, None)
        or any(_approved(session, [record], purpose, today) for record in each)
    )


def askable(session: Session, staff: Staff, today: date) -> frozenset[Purpose]:
    """Purposes for which the organisation of ``staff`` can ask today: those that need no approval of it, and
    those that at least one department stands by. As in :func:`available`; :func:`ask` decides, by the school
    of the record.
    """
    asker = office(session, staff.organisation)
    standing_by = frozenset(
        session.scalars(
            select(PurposeApproval.purpose).where(
                PurposeApproval.revoked_at.is_(None),
                PurposeApproval.valid_from <= today,
                (PurposeApproval.valid_to.is_(None)) | (PurposeApproval.valid_to >= today),
            )
        )
    )
    return frozenset(
        purpose
        for purpose in Purpose
        if purpose in standing_by or not outside_education(purpose, None if asker is None else asker.kind)
    )


def _approved(session: Session, records: Iterable[Issued], purpose: Purpose, today: date) -> bool:
    """Whether the department of every school of these records stands by the purpose today."""
    for school in {record.school_code for record in records}:
        department = department_of(session, school)
        row = None if department is None else _approval(session, department, purpose)
        if row is None or row.valid_from > today or (row.valid_to is not None and row.valid_to < today):
            return False
    return True


def _tell_approval(
    session: Session, actor: Actor, department_code: str, *, purpose: Purpose, change: str, now: datetime
) -> None:
    event = Event(
        actor,
        Action.PURPOSE_APPROVAL,
        Object("department", department_code),
        organisation=department_code,
        purpose=purpose.value,
        details={"change": change},
    )
    audit.record(session, event, now=now)


# ------------------------------------------------------------------------------------------------- inside


#: After these nothing more happens to a consent.
_ENDS: Final = (EventKind.REFUSED, EventKind.WITHDRAWN, EventKind.EXPIRED, EventKind.USED_UP)
#: Why a question ended to which nobody said no by itself: to another one like it somebody did.
_ALIKE: Final = "no_to_another"
#: What was said, of a consent that is given or not -> what the trail and the events call it.
_ANSWERS: Final = {
    (Said.YES, False): (Action.CONSENT_GIVEN, EventKind.GIVEN),
    (Said.YES, True): (Action.CONSENT_GIVEN, EventKind.GIVEN),
    (Said.NO, False): (Action.CONSENT_REFUSED, EventKind.REFUSED),
    (Said.NO, True): (Action.CONSENT_WITHDRAWN, EventKind.WITHDRAWN),
}


def refuse(
    session: Session,
    actor: Actor,
    action: Action,
    code: str,
    message: str,
    *,
    now: datetime,
    about: Object | None = None,
    school: str | None = None,
    pupil: str | None = None,
    purpose: str | None = None,
    basis: str | None = None,
    tell: tuple[Notice, ...] = (),
    day: date | None = None,
) -> Denied:
    """A refusal with its entry in the trail."""
    event = Event(
        actor,
        action,
        about,
        Outcome.REFUSED,
        organisation=school,
        pupil=pupil,
        purpose=purpose,
        basis=basis,
        details={"reason": code},
    )
    audit.record(session, event, now=now)
    return Denied(code, message, tell, day)


@dataclass(frozen=True, slots=True)
class _Refuser:
    """Refusals of one act."""

    session: Session
    actor: Actor
    action: Action
    now: datetime
    purpose: Purpose | None = None
    about: Object | None = None
    school: str | None = None
    pupil: str | None = None

    def __call__(
        self, code: str, *, pupil: str | None = None, school: str | None = None, day: date | None = None
    ) -> Denied:
        return refuse(
            self.session,
            self.actor,
            self.action,
            code,
            _SENTENCES[code],
            now=self.now,
            about=self.about,
            school=school or self.school,
            pupil=pupil or self.pupil,
            purpose=None if self.purpose is None else self.purpose.value,
            day=day,
        )


def _refuser(session: Session, actor: Actor, action: Action, now: datetime, case: Case) -> _Refuser:
    """Refusals of an act on one consent."""
    row = case.row
    return _Refuser(
        session,
        actor,
        action,
        now,
        Purpose(row.purpose),
        Object("consent", row.id),
        row.school_code,
        row.pupil_index,
    )


def _check(wish: Wish, reference: str | None = None) -> None:
    """Raises InvalidInput with every mistake of the form."""
    problems = []
    if wish.days not in DAYS:
        problems.append(Problem("days", "days", "Chọn thời hạn 1, 7, 30 hoặc 90 ngày."))
    unknown = sorted(set(wish.sensitive) - set(SENSITIVE))
    if unknown:
        problems.append(Problem("sensitive", "sensitive", "Chỉ chọn những thông tin có trong danh sách."))
    if reference is not None and not 0 < len(reference.strip()) <= MAX_REFERENCE:
        problems.append(Problem("reference", "reference", "Ghi số hồ sơ, không quá 80 ký tự."))
    if problems:
        raise InvalidInput(tuple(problems))


def _check_answer(by: By, request: str) -> None:
    problems = []
    if by.evidence is Evidence.PAPER and not 0 < len(by.reference.strip()) <= MAX_REFERENCE:
        problems.append(Problem("reference", "reference", "Ghi nơi lưu bản giấy, không quá 80 ký tự."))
    if problems:
        raise InvalidInput(tuple(problems))
    if not 0 < len(request) <= 64:
        raise ValueError("the id of a request has 1 to 64 characters")


def _create(
    session: Session,
    vault: Vault,
    records: Sequence[Issued],
    wish: Wish,
    *,
    of: tuple[str, str],
    recipient: uuid.UUID | None,
    asked_by: uuid.UUID,
    reference: str,
    now: datetime,
) -> Consent:
    """``of`` are the school whose office takes answers down, and the pupil there."""
    row = Consent(
        id=uuid.uuid4(),
        pupil_index=of[1],
        school_code=of[0],
        purpose=wish.purpose,
        recipient_pk=recipient,
        asked_by=asked_by,
        preset=wish.preset,
        fields=_fields(records, wish),
        pdf=wish.pdf,
        days=wish.days,
        once=wish.once,
        wrapped_key=vault.new_key(),
        asked_at=now,
        answer_until=now + ANSWER_WITHIN,
    )
    if reference:
        row.reference_sealed = seal(vault, row, "reference_sealed", reference, row.id)
    session.add(row)
    session.flush()
    session.add_all(
        ConsentRecord(consent_pk=row.id, record_pk=record.key, version=record.shown.version)
        for record in records
    )
    return row


def _fields(records: Sequence[Issued], wish: Wish) -> str:
    """The exact disclosures that a wish means, as :attr:`Consent.fields` has them."""
    every = (names_of(record.level, record.grade, wish.preset, wish.sensitive) for record in records)
    return json.dumps(sorted(frozenset().union(*every)))


def _asked(
    session: Session, row: Consent, actor: Actor, tell: tuple[uuid.UUID, ...], kind: Kind, *, now: datetime
) -> Asked:
    event = new_event(row, 1, EventKind.ASKED, now)
    event.account_pk = row.asked_by
    session.add(event)
    audit.record(session, _happened(row, Action.CONSENT_ASKED, actor), now=now)
    return Asked(row.id, row.answer_until, notices(session, tell, kind, {"day": day_of(row.answer_until)}))


def _party(session: Session, case: Case, by: By, said: Said, now: datetime) -> Party | str:
    """For whom ``by`` may speak on this consent today, or why for nobody. A yes is of somebody who sees every
    record of it, a no of anybody who sees one.
    """
    if by.staff is not None:
        school = standing(session, by.staff, Act.WITNESS_CONSENT, day_of(now))
        if (
            school is None
            or school.code != case.row.school_code
            or by.staff.account != by.account
            or by.evidence not in (Evidence.WITNESS, Evidence.PAPER)
        ):
            return "not_permitted"
        refusal = no_witness(session, by.staff, school.code, case.row.pupil_index)
        if refusal is not None:
            return refusal
        return Party.PUPIL if Party.PUPIL in case.needed.parties else "not_entitled"
    link = next(
        (
            one
            for one in case.links
            if one.account == by.account
            and one.party in case.needed.parties
            and (_whole(case, one) if said is Said.YES else one.stands)
        ),
        None,
    )
    if link is None:
        return "not_entitled"
    if by.evidence is Evidence.SIGN_IN:
        return link.party
    if by.evidence is Evidence.SAME_DEVICE and link.party is Party.GUARDIAN:
        return Party.PUPIL if Party.PUPIL in case.needed.parties else "not_entitled"
    return "not_entitled"


def _no_yes(session: Session, case: Case, party: Party, by: By) -> str | None:
    """Why this party's yes does not count now; None when it does."""
    if _disputed(case.links, case.needed):
        return "disputed"
    if party is Party.PUPIL and by.evidence is not Evidence.SIGN_IN and _own_sign_in(case):
        return "own_sign_in"
    if party not in _missing(case, case.fold.yes):
        return "already_answered"
    return None


def _own_sign_in(case: Case) -> bool:
    """Whether the pupil's yes takes a sign-in of their own: by age, or because there is one."""
    return case.needed.own_sign_in or any(link.party is Party.PUPIL and link.active for link in case.links)


def _text(session: Session, vault: Vault, case: Case, party: Party, language: Language) -> Shown:
    """The text for this party on this day."""
    child = party is Party.PUPIL and not case.needed.own_sign_in
    return render(terms_of(session, vault, case), language, Reader.CHILD if child else Reader.ADULT)


def terms_of(session: Session, vault: Vault, case: Case) -> Terms:
    """What the consent is about, as its text says it."""
    row = case.row
    named = recipient_of(session, row.recipient_pk)
    listed = json.loads(row.fields)
    return Terms(
        recipient=None if named is None else named.name,
        purpose=Purpose(row.purpose),
        records=tuple(
            (f"{school_year(record.year)} ({level_info(record.level).name})", record.shown.school_name)
            for record in case.records
        ),
        preset=Preset(row.preset),
        sensitive=tuple(name for name in SENSITIVE if name in listed),
        pdf=row.pdf,
        days=row.days,
        once=row.once,
        approval=outside_education(Purpose(row.purpose), None if named is None else named.kind),
        reference=""
        if row.reference_sealed is None
        else unseal(vault, row, "reference_sealed", row.reference_sealed, row.id),
    )


def _after(
    session: Session, case: Case, by: By, state: State, *, given: bool, now: datetime
) -> tuple[Notice, ...]:
    """Whom an answer concerns: the other holders who count, and who asked for an organisation, as long as
    they work there.
    """
    if state is State.WAITING or (state is State.GIVEN and given):
        return ()
    kind = {
        State.GIVEN: Kind.CONSENT_GIVEN,
        State.REFUSED: Kind.CONSENT_REFUSED,
        State.WITHDRAWN: Kind.CONSENT_WITHDRAWN,
    }[state]
    row = case.row
    tell = told([link for link in case.links if link.account != by.account], case.needed.parties)
    family = notices(session, tell, kind, {"reference": reference_of(row.id)})
    return family + _tell_asker(session, row, kind, now)


def _code(session: Session, row: Consent) -> ShareCode | None:
    return session.scalar(
        select(ShareCode).where(ShareCode.consent_pk == row.id).execution_options(populate_existing=True)
    )


def _events(session: Session, consent: uuid.UUID) -> Sequence[ConsentEvent]:
    wanted = select(ConsentEvent).where(ConsentEvent.consent_pk == consent)
    return session.scalars(wanted.order_by(ConsentEvent.number)).all()


def new_event(row: Consent, number: int, kind: EventKind, now: datetime) -> ConsentEvent:
    """An event to add; ``number`` follows the last one."""
    return ConsentEvent(id=uuid.uuid4(), consent_pk=row.id, number=number, kind=kind, at=now)


def _happened(
    row: Consent,
    action: Action,
    actor: Actor,
    about: Object | None = None,
    *,
    details: Mapping[str, str | int] | None = None,
) -> Event:
    """An act on a consent, for the trail."""
    return Event(
        actor,
        action,
        about or Object("consent", row.id),
        organisation=row.school_code,
        pupil=row.pupil_index,
        purpose=Purpose(row.purpose).value,
        details=details or {},
    )


def seal(vault: Vault, row: Consent, column: str, text: str, key: uuid.UUID) -> bytes:
    """Seal a column of a consent or of one of its events (``key`` names that row) under the consent's key."""
    return vault.seal(
        row.wrapped_key, text.encode(), table=_table(row, key), column=column, row=str(key), version=1
    )


def unseal(vault: Vault, row: Consent, column: str, sealed: bytes, key: uuid.UUID) -> str:
    """What :func:`seal` sealed. Raises VaultError."""
    opened = vault.open(
        row.wrapped_key, sealed, table=_table(row, key), column=column, row=str(key), version=1
    )
    return opened.decode()


def _table(row: Consent, key: uuid.UUID) -> str:
    return Consent.__tablename__ if key == row.id else ConsentEvent.__tablename__
