"""Families of the demo: who is linked to whom, what was asked and given, what waits, so that every page has
something in it. Everything comes about as it does in life: by slips of the school, codes, answers.

Two chapters, for the trail tells time in order: :func:`settle_in` a month ago, :func:`share` today, when the
people of schools and agencies have their accounts. What a visitor needs lies in ``families.json``.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy.orm import Session

from portal.accounts import activation, holders, service, sessions
from portal.accounts.activation import Activated, NewSlip, Typed
from portal.accounts.demonstration import FAMILIES, DemoCode, DemoFamilies, DemoHolder
from portal.accounts.models import AccountKind, Relation
from portal.audit.service import Actor
from portal.consent import disclosing, requests
from portal.consent import service as consent
from portal.consent.fields import Preset
from portal.consent.models import Evidence, Matter, RequestKind
from portal.consent.parties import Staff, staff
from portal.consent.purposes import Duty, Purpose
from portal.consent.service import By, Denied, Said, Wish
from portal.consent.texts import Shown
from portal.demo.accounts import AGENCY, RECEIVING
from portal.demo.manifest import Place
from portal.demo.schools import BY_KEY
from portal.errors import PortalError, marked
from portal.permissions import Role
from portal.ports import Channel, FileStore
from portal.registry import learners
from portal.registry import service as registry
from portal.vault import Vault
from verifier.locator import Locator, group
from verifier.record import Record

#: How long ago the families took up their slips.
SINCE: Final = timedelta(days=30)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Planned:
    """Somebody with an account."""

    place: Place
    relation: Relation
    contact: str
    note: str


_CHILD: Final = Place("hoa-ban", "5A", 7)
_SUPPORTED: Final = Place("hoa-ban", "3A", 0)
_DISPUTED: Final = Place("hoa-ban", "3A", 2)
_SIXTEEN: Final = Place("ban-mai", "10C1", 0)
_GROWN: Final = Place("ban-mai", "12C1", 0)
_MOTHER: Final = _Planned(
    _CHILD,
    Relation.MOTHER,
    "0912000001",
    marked("một trường hỏi xem học bạ, đang chờ hai mẹ con; có yêu cầu trễ hạn"),
)
_HELPED: Final = _Planned(
    _SUPPORTED, Relation.MOTHER, "0912000002", marked("đã đồng ý cho xã xem để xét chế độ, đang có hiệu lực")
)
_FATHER: Final = _Planned(
    _DISPUTED, Relation.FATHER, "0912000004", marked("nhà trường đang xác minh quyền đại diện")
)
_ALONE: Final = _Planned(
    _GROWN, Relation.PUPIL, "duc.dat@vidu.example", marked("đủ 18 tuổi, tự quyết định; đã tạo một mã chia sẻ")
)
PEOPLE: Final = (
    _MOTHER,
    _HELPED,
    _Planned(_DISPUTED, Relation.MOTHER, "0912000003", marked("cùng con với người cha bên dưới")),
    _FATHER,
    _Planned(_SIXTEEN, Relation.MOTHER, "0912000005", marked("con từ 16 tuổi: hai mẹ con trả lời riêng")),
    _Planned(_SIXTEEN, Relation.PUPIL, "khanh.giang@vidu.example", marked("từ 16 tuổi, đăng nhập riêng")),
    _ALONE,
)
#: Slips that nobody has used.
SLIPS: Final = (
    (Place("hoa-ban", "3A", 4), Relation.MOTHER),
    (Place("hoa-ban", "5A", 0), Relation.MOTHER),
    (Place("hoa-ban", "5A", 0), Relation.PUPIL),
)
_WHO: Final = {
    Relation.MOTHER: "mẹ của",
    Relation.FATHER: "cha của",
    Relation.GUARDIAN: "người giám hộ của",
}
_DEPARTMENT: Final = AGENCY.department_code


@dataclass(frozen=True)
class Village:
    """What both chapters work with; ``record`` finds the record of a pupil of the demo's classes."""

    session: Session
    vault: Vault
    record: Callable[[Place], Record]
    actor: Actor

    def index(self, place: Place) -> str:
        record = self.record(place)
        return learners.pupil_index(self.vault, record.issuer, record.ma_hoc_sinh)

    def name(self, place: Place, relation: Relation) -> str:
        fields = self.record(place).to_input()
        key = {
            Relation.MOTHER: "me_ho_ten",
            Relation.FATHER: "cha_ho_ten",
            Relation.GUARDIAN: "nguoi_giam_ho_ho_ten",
            Relation.PUPIL: "ho_va_ten",
        }[relation]
        return str(fields[key])

    def birth(self, place: Place) -> str:
        return str(self.record(place).to_input()["ngay_sinh"])

    def account(self, planned: _Planned) -> uuid.UUID:
        kind = Channel.EMAIL if "@" in planned.contact else Channel.PHONE
        found = service.find_account(self.session, self.vault, AccountKind.HOLDER, kind, planned.contact)
        if found is None:
            raise PortalError(f"{planned.contact}: nobody of the demo has this contact")
        return found.id

    def staff(self, email: str, role: Role, office: str) -> Staff:
        found = service.find_account(self.session, self.vault, AccountKind.STAFF, Channel.EMAIL, email)
        if found is None:
            raise PortalError(f"{email}: nobody of the demo has this address")
        return staff(self.session, found.id, role, office)

    def slip(self, place: Place, relation: Relation, now: datetime) -> str:
        new = NewSlip(self.index(place), relation, self.name(place, relation))
        (made,) = activation.make_slips(
            self.session, self.vault, self.record(place).issuer, [new], actor=self.actor, now=now
        )
        return made.code


def settle_in(village: Village, *, now: datetime) -> None:
    """A month before ``now``: the families take up their slips, the school hears of a dispute; since then
    they asked the school for this and that.
    """
    for planned in PEOPLE:
        link = _take_up(village, planned, now - SINCE)
        if planned is _FATHER:
            school = village.record(planned.place).issuer
            holders.open_dispute(
                village.session, school, link, "custody_dispute", actor=village.actor, now=now - SINCE
            )
    for days, kind, matter, text in (
        (20, RequestKind.CORRECT, Matter.RECORD, "Nhờ trường xem lại điểm Tiếng Việt cuối năm của "
         "cháu: bài kiểm tra có chữa điểm."),
        (5, RequestKind.COPY, Matter.RECORD, "Xin một bản in học bạ lớp 5 có đóng dấu."),
        (3, RequestKind.DELETE, Matter.RECORD, "Xin xoá học bạ lớp 5 của cháu."),
    ):  # fmt: skip
        done(
            requests.make(
                village.session,
                village.vault,
                account=village.account(_MOTHER),
                pupil=village.index(_CHILD),
                kind=kind,
                matter=matter,
                text=text,
                now=now - timedelta(days=days),
            )
        )


def share(village: Village, files: FileStore, directory: Path, *, now: datetime) -> None:
    """Today: the department approves a purpose, a question waits, a consent lives and was used, a share code
    is made, a duty of law was stated, a request is answered; slips wait. Writes ``families.json``.
    """
    session, vault = village.session, village.vault
    officer = village.staff(f"chuyenvien@{_DEPARTMENT.lower()}.example", Role.DEPARTMENT_OFFICER, _DEPARTMENT)
    agent = village.staff("canbo@muonghoa.example", Role.AGENCY_OFFICER, AGENCY.code)
    receiver = village.staff(f"tiepnhan@{RECEIVING}.example", Role.RECEIVING_OFFICER, BY_KEY[RECEIVING].code)
    office = village.staff("giaovu@hoa-ban.example", Role.ACADEMIC_STAFF, BY_KEY["hoa-ban"].code)

    # 1 A school asks the mother of a ten-year-old: waits.
    transfer = Wish(Purpose.TRANSFER, Preset.WHOLE, days=30, once=False)
    done(
        consent.ask(
            session,
            vault,
            staff=receiver,
            locator=_locator(village, _CHILD),
            wish=transfer,
            reference="TS-2026-014",
            now=now,
        )
    )

    # 2 The department stands by a purpose; the commune asks, mother and child agree, the commune looks.
    done(
        consent.approve_purpose(
            session,
            staff=officer,
            purpose=Purpose.BENEFIT,
            reference="15/QĐ-SGDĐT",
            valid_from=holders.today(now),
            valid_to=None,
            now=now,
        )
    )
    benefit = Wish(Purpose.BENEFIT, Preset.RESULT, days=90, once=False)
    asked = done(
        consent.ask(
            session,
            vault,
            staff=agent,
            locator=_locator(village, _SUPPORTED),
            wish=benefit,
            reference="CĐ-2026-031",
            now=now,
        )
    )
    mother = village.account(_HELPED)
    for evidence in (Evidence.SIGN_IN, Evidence.SAME_DEVICE):
        _yes(village, asked.consent, By(evidence, mother), now)
    done(disclosing.disclose(session, vault, files, consent=asked.consent, staff=agent, now=now))

    # 3 Whoever is of age shares alone, by a code.
    alone = village.account(_ALONE)
    records = [record.key for record in registry.issued(session, pupils=[village.index(_GROWN)])]
    admission = Wish(Purpose.ADMISSION, Preset.MARKS, days=90, once=False)
    offered = done(
        consent.offer(
            session,
            vault,
            account=alone,
            pupil=village.index(_GROWN),
            records=records,
            wish=admission,
            now=now,
        )
    )
    _yes(village, offered.consent, By(Evidence.SIGN_IN, alone), now)
    code = done(consent.make_code(session, vault, consent=offered.consent, account=alone, now=now)).code

    # 4 A duty of law, and the office's answer to a request.
    done(
        disclosing.statutory_access(
            session,
            vault,
            staff=agent,
            duty=Duty.AGENCY_DUTY,
            reference="PCGD-2026-007",
            preset=Preset.RESULT,
            locator=_locator(village, _CHILD),
            now=now,
        )
    )
    queue = done(requests.of_school(session, vault, staff=office, now=now))
    copy = next(ticket for ticket in queue if ticket.kind is RequestKind.COPY)
    done(
        requests.answer(
            session,
            vault,
            staff=office,
            request=copy.request,
            granted=True,
            text="Bản in đã để ở văn phòng, gia đình đến nhận trong giờ làm việc.",
            now=now,
        )
    )

    # 5 Slips that wait, and everything that a visitor has to type.
    slips = tuple(
        DemoCode(
            group(village.slip(place, relation, now)),
            village.birth(place),
            f"{village.name(place, relation)}, {_who(village, place, relation)}",
        )
        for place, relation in SLIPS
    )
    shared = DemoCode(
        code, village.birth(_GROWN), f"{village.name(_GROWN, Relation.PUPIL)}, {Purpose.ADMISSION.words[0]}"
    )
    people = tuple(_holder(village, planned) for planned in PEOPLE)
    path = directory / FAMILIES
    draft = path.with_suffix(".draft")
    draft.touch(mode=0o600)
    written = asdict(DemoFamilies(people, slips, (shared,)))
    draft.write_text(json.dumps(written, ensure_ascii=False, indent=1), "utf-8")
    os.replace(draft, path)


def done(result: _T | Denied) -> _T:
    """What a service did. Raises PortalError for a refusal: the demo's own data is refused."""
    if isinstance(result, Denied):
        raise PortalError(f"{result.code}: {result.message}")
    return result


def _take_up(village: Village, planned: _Planned, now: datetime) -> uuid.UUID:
    """From the slip to the first sign-in; answers the link."""
    code = village.slip(planned.place, planned.relation, now)
    typed = Typed(code, village.birth(planned.place))
    asked = activation.ask_code(
        village.session, village.vault, typed, planned.contact, language="vi", now=now
    )
    if not isinstance(asked, tuple) or not asked:
        raise PortalError(f"{planned.contact}: no code was sent")
    taken = activation.activate(
        village.session,
        village.vault,
        typed,
        planned.contact,
        str(asked[0].parameters["code"]),
        replaces="",
        now=now,
    )
    if not isinstance(taken, Activated):
        raise PortalError(f"{planned.contact}: the slip does not open the account")
    sessions.end(village.session, taken.token, now=now)
    return taken.link


def _yes(village: Village, key: uuid.UUID, by: By, now: datetime) -> None:
    """The text is shown, then agreed to; each in a request of its own."""
    shown: Shown = done(consent.question(village.session, village.vault, key, by=by, language="vi", now=now))
    done(
        consent.answer(
            village.session,
            village.vault,
            consent=key,
            said=Said.YES,
            by=by,
            request=uuid.uuid4().hex,
            sha256=shown.sha256,
            now=now,
        )
    )


def _locator(village: Village, place: Place) -> Locator:
    record = registry.issued(village.session, pupils=[village.index(place)])[-1]
    return Locator(record.record_id, record.shown.digest)


def _who(village: Village, place: Place, relation: Relation) -> str:
    """What somebody is, in words."""
    if relation is Relation.PUPIL:
        return "học sinh"
    return f"{_WHO[relation]} {village.name(place, Relation.PUPIL)}"


def _holder(village: Village, planned: _Planned) -> DemoHolder:
    record = village.record(planned.place)
    place = planned.place
    school = next(each.name for each in BY_KEY.values() if each.code == record.issuer)
    return DemoHolder(
        village.name(place, planned.relation),
        planned.contact,
        f"{_who(village, place, planned.relation)}, lớp {place.school_class}, {school}",
        planned.note,
    )
