"""Who may sign, and since when nobody should believe them: schools, pinned authorities, signers, CRLs.

A certificate counts only with a row here (school × role × capacity × period, approved); a path to a pinned
root alone is not an authority to issue. Every change is an entry of the audit trail, lets the epoch grow and
answers a :class:`Change`, which says whose files must be validated anew. Nothing is deleted.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from typing import Final

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.audit.service import Action, Actor, Event, Object
from portal.decisions import service as decisions
from portal.errors import Refusal, marked
from portal.trust.checks import (
    NO_CONTACT,
    PATH_FAULTS,
    SECTORS,
    ContactInput,
    Problems,
    certificate_of,
    common_name,
    crl_of,
    issued_by,
    news,
    published,
    refused,
    scope,
)
from portal.trust.models import (
    Anchor,
    CrlAddress,
    Department,
    RevocationList,
    School,
    Signer,
    TimestampUnit,
    TrustState,
)
from portal.trust.store import (
    AnchorFacts,
    Contact,
    CrlAddressFacts,
    SchoolFacts,
    SignerFacts,
    bundle,
    contact,
    current_epoch,
    list_anchors,
    list_crl_addresses,
    list_schools,
    list_signers,
    load_authorities,
    load_store,
    office_named,
    school_name,
    school_on,
    signer_names,
    write_bundle,
    write_store,
)
from portal.vault import Vault
from verifier import record as records
from verifier.audit import moment_text
from verifier.certificates import Certificate, find_path, read_certificate
from verifier.errors import InvalidInput
from verifier.policy import DEFAULT
from verifier.report import Role, TimestampReport
from verifier.revocation import read_crl
from verifier.trust import Approval, Pki, Purpose
from verifier.words import VIETNAM

__all__ = [
    "AnchorFacts",
    "Change",
    "Contact",
    "ContactInput",
    "CrlAddressFacts",
    "SchoolFacts",
    "SchoolInput",
    "SignerFacts",
    "SignerInput",
    "add_anchor",
    "add_crl_address",
    "add_department",
    "add_school",
    "add_signer",
    "approve",
    "bundle",
    "close_school",
    "contact",
    "current_epoch",
    "find_signers",
    "import_crl",
    "link_account",
    "list_anchors",
    "list_crl_addresses",
    "list_schools",
    "list_signers",
    "load_store",
    "local",
    "note_timestamp_units",
    "remove_anchor",
    "remove_crl_address",
    "school_name",
    "school_on",
    "set_contact",
    "signer_names",
    "suspend",
    "trail_certificate",
    "trail_file",
    "trail_signers",
    "tried_crl_address",
    "write_bundle",
    "write_store",
]

_SHA256 = re.compile(r"[0-9a-f]{64}")
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_LAST_LOCAL = datetime.max.replace(tzinfo=UTC) - timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Change:
    """What a change in trust leaves to do: files that rest on one of ``certificates`` (SHA-256) no longer
    have a standing, as of ``epoch``. ``created`` is the key of a new signer row, ``signers`` how many signer
    rows were changed.
    """

    epoch: int
    certificates: frozenset[str] = frozenset()
    created: uuid.UUID | None = None
    signers: int = 0


@dataclass(frozen=True, slots=True)
class SchoolInput:
    """A school under one name for one period, both days included; ``valid_to`` None is open."""

    code: str
    name: str
    department_code: str
    levels: tuple[str, ...]
    commune: str
    province: str
    sector: str
    valid_from: date
    valid_to: date | None = None
    successor_code: str | None = None
    district: str = ""
    contact: ContactInput = NO_CONTACT


@dataclass(frozen=True, slots=True)
class SignerInput:
    """A certificate (DER or PEM) to be registered for a school and role. Missing times are the certificate's
    own.
    """

    certificate: bytes
    school_code: str
    role: Role
    capacity: str = ""
    subject_codes: tuple[str, ...] = ()
    display_name: str = ""
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    account: uuid.UUID | None = None  # whose certificate it is


def find_signers(session: Session, text: str) -> tuple[uuid.UUID, ...]:
    """Rows that a person named: by row id, or by a certificate's SHA-256 (all its rows). Raises Refusal."""
    key = _fingerprint(text)
    with suppress(ValueError):
        row = session.get(Signer, uuid.UUID(key)) if not _SHA256.fullmatch(key) else None
        if row is not None:
            return (row.id,)
    rows = session.scalars(
        select(Signer.id).where(Signer.certificate_sha256 == key).order_by(Signer.id)
    ).all()
    if not rows:
        raise _unknown_signer(text)
    return tuple(rows)


# ----------------------------------------------------------------------- what the trail calls what was named


def trail_signers(session: Session, vault: Vault, texts: Iterable[str]) -> tuple[Object, ...]:
    """The certificates of the signers that somebody named as :func:`find_signers` reads it, each once."""
    named: dict[Object, None] = {}
    for text in texts:
        try:
            keys = find_signers(session, text)
        except Refusal:
            named[trail_certificate(vault, text)] = None
        else:
            rows = session.scalars(select(Signer.certificate_sha256).where(Signer.id.in_(keys)))
            named |= {Object("certificate", each): None for each in rows}
    return tuple(named)


def trail_certificate(vault: Vault, text: str) -> Object:
    """The certificate with this SHA-256, registered or not."""
    return audit.named(vault, "certificate", _fingerprint(text))


def trail_file(data: bytes) -> Object:
    """The certificate in a file; one that cannot be read has the SHA-256 of the file."""
    try:
        return Object("certificate", certificate_of(data).sha256)
    except InvalidInput:
        return Object("certificate", hashlib.sha256(data).hexdigest())


# ------------------------------------------------------------------------------------------------ changing


def add_department(
    session: Session,
    code: str,
    name: str,
    province: str,
    *,
    contact: ContactInput = NO_CONTACT,
    actor: Actor,
    now: datetime,
) -> Change:
    """Register a Sở Giáo dục và Đào tạo. Raises InvalidInput."""
    hold(session)
    problems = Problems()
    problems.code("code", code, 16)
    problems.text("name", name, 200)
    problems.text("province", province, 80)
    problems.contact(contact)
    if session.scalar(select(Department.id).where(Department.code == code)):
        problems.add("code", "exists", f"Sở mang mã {code} đã có.")
    problems.refuse()
    session.add(Department(id=uuid.uuid4(), code=code, name=name, province=province, **_contact(contact)))
    return _changed(session, "add_department", Object("department", code), actor=actor, now=now, office=code)


def add_school(session: Session, school: SchoolInput, *, actor: Actor, now: datetime) -> Change:
    """Register a school for a period. Raises InvalidInput with everything that is wrong.

    Periods of one code must not overlap; the department must exist; an end may name a successor. Where the
    code goes on from the next day on, so do its signers: files that rest on them are affected. After a gap
    signers are registered anew.
    """
    hold(session)
    # 1 The fields by themselves.
    problems = Problems()
    problems.code("code", school.code, 20)
    for where, most in (("name", 200), ("commune", 120), ("province", 80)):
        problems.text(where, getattr(school, where), most)
    if school.district:
        problems.text("district", school.district, 120)
    unknown = [level for level in school.levels if level not in set(records.Level)]
    if unknown or not school.levels or len(set(school.levels)) != len(school.levels):
        known = ", ".join(records.Level)
        problems.add("levels", "levels", f"Cấp học phải là một hay nhiều trong: {known}, không lặp lại.")
    if school.sector not in SECTORS:
        problems.add("sector", "sector", f"Loại hình phải là một trong: {', '.join(SECTORS)}.")
    if school.valid_to is not None and school.valid_to < school.valid_from:
        problems.add("valid_to", "period", "Ngày kết thúc đứng trước ngày bắt đầu.")
    problems.successor(school.code, school.valid_to, school.successor_code)
    problems.contact(school.contact)
    # 2 The fields against what is registered.
    if not session.scalar(select(Department.id).where(Department.code == school.department_code)):
        problems.add(
            "department_code", "unknown_department", f"Chưa có sở nào mang mã {school.department_code}."
        )
    for other in session.scalars(
        select(School).where(School.code == school.code).order_by(School.valid_from)
    ):
        starts_later = other.valid_to is not None and other.valid_to < school.valid_from
        ends_earlier = school.valid_to is not None and school.valid_to < other.valid_from
        if not starts_later and not ends_earlier:
            until = "nay" if other.valid_to is None else f"{other.valid_to:%d/%m/%Y}"
            problems.add(
                "valid_from",
                "overlap",
                f"Mã {school.code} đã thuộc về “{other.name}” từ {other.valid_from:%d/%m/%Y} đến {until}; "
                "kết thúc thời hạn đó trước (close-school).",
            )
    problems.refuse()
    session.add(
        School(
            id=uuid.uuid4(),
            code=school.code,
            name=school.name,
            department_code=school.department_code,
            levels=" ".join(school.levels),
            commune=school.commune,
            district=school.district,
            province=school.province,
            sector=school.sector,
            valid_from=school.valid_from,
            valid_to=school.valid_to,
            successor_code=school.successor_code,
            **_contact(school.contact),
        )
    )
    return _changed(
        session,
        "add_school",
        Object("school", school.code),
        actor=actor,
        now=now,
        office=school.code,
        certificates=_signing_for(session, school.code),
    )


def set_contact(session: Session, code: str, contact: ContactInput, *, actor: Actor, now: datetime) -> str:
    """How the school with this code, or the department, is reached from now on; answers its name. Raises
    Refusal, InvalidInput.

    What anybody may sign stays as it was: the trail is told, no epoch begins.
    """
    problems = Problems()
    problems.contact(contact)
    problems.refuse()
    office = office_named(session, code)
    if office is None:
        raise Refusal("unknown_school", f"Không có trường hay sở nào mang mã {code}.")
    for name, text in _contact(contact).items():
        setattr(office, name, text)
    what = Object("school" if isinstance(office, School) else "department", code)
    details = {"change": "set_contact"}
    audit.record(
        session, Event(actor, Action.TRUST_CHANGE, what, organisation=code, details=details), now=now
    )
    return office.name


def _contact(contact: ContactInput) -> dict[str, str | None]:
    """The columns of a contact; what is not known is NULL."""
    return {
        "phone": contact.phone or None,
        "email": contact.email or None,
        "address": contact.address or None,
    }


def local(moment: datetime) -> datetime:
    """The moment in Vietnam's time. A certificate without an end says 9999-12-31T23:59:59Z (RFC 5280
    §4.1.2.5), which is no day in Vietnam any more: the day before stands for it.
    """
    return min(moment, _LAST_LOCAL).astimezone(VIETNAM)


def close_school(
    session: Session,
    code: str,
    valid_to: date,
    successor_code: str | None = None,
    *,
    actor: Actor,
    now: datetime,
) -> Change:
    """End the open period of a school (merged, renamed, dissolved): its signers sign for it no longer than
    its last day in Vietnam, unless another period of the code goes on. Raises Refusal, InvalidInput.

    Files that rest on its signers are affected: what is proven to be older than the end stays good.
    """
    hold(session)
    row = session.scalar(select(School).where(School.code == code, School.valid_to.is_(None)))
    if row is None:
        raise Refusal("unknown_school", f"Không có trường nào mang mã {code} đang hoạt động.")
    problems = Problems()
    problems.successor(code, valid_to, successor_code)
    if valid_to < row.valid_from:
        problems.add("valid_to", "period", "Ngày kết thúc đứng trước ngày bắt đầu.")
    problems.refuse()
    row.valid_to = valid_to
    row.successor_code = successor_code
    return _changed(
        session,
        "close_school",
        Object("school", code),
        {"until": valid_to.isoformat()} | ({"successor": successor_code} if successor_code else {}),
        actor=actor,
        now=now,
        office=code,
        certificates=_signing_for(session, code),
    )


def add_anchor(
    session: Session,
    certificate: bytes,
    pki: Pki,
    *,
    purpose: Purpose = Purpose.SIGNING,
    name: str = "",
    actor: Actor,
    now: datetime,
) -> Change:
    """Pin a root (self-signed) or an intermediate below a pinned root of the same system and purpose. Raises
    InvalidInput.

    Trust for one purpose is none for the other. Pinning again what was removed puts it back.
    """
    hold(session)
    pinned = certificate_of(certificate)
    problems = Problems()
    if not pinned.is_ca or (pinned.usage is not None and not pinned.usage.key_cert_sign):
        problems.add("certificate", "not_a_ca", "Chứng thư này không phải của tổ chức chứng thực (CA).")
    problems.key(pinned, now)
    is_root = pinned.subject == pinned.issuer
    issuer: Certificate | None = pinned
    if is_root:
        if not issued_by(pinned, pinned):
            problems.add("certificate", "not_self_signed", "Chứng thư gốc phải do chính nó ký.")
    else:
        issuer = _pinned_issuer(session, pinned, pki, purpose)
        if issuer is None:
            problems.add(
                "certificate",
                "no_anchor",
                "Không chứng thư gốc nào đã ghim cho cùng hệ thống và mục đích ký chứng thư này; thêm chứng "
                "thư gốc trước.",
            )
    row = session.scalar(select(Anchor).where(Anchor.sha256 == pinned.sha256, Anchor.purpose == purpose))
    if row is not None and row.removed_at is None:
        problems.add("certificate", "exists", f"Chứng thư này đã được ghim với tên “{row.name}”.")
    if row is not None and row.pki != pki:
        problems.add("pki", "other_pki", f"Chứng thư này thuộc hệ thống {row.pki}.")
    if name:
        problems.text("name", name, 200)
    problems.refuse()
    assert issuer is not None  # noqa: S101 - its absence is one of the problems above
    if row is None:
        row = Anchor(
            id=uuid.uuid4(),
            name=name or common_name(pinned),
            pki=pki,
            purpose=purpose,
            is_root=is_root,
            sha256=pinned.sha256,
            certificate=pinned.der,
            authority_id=pinned.authority,
            issuer_id=issuer.authority,
            serial=str(pinned.serial),
            not_after=pinned.not_after,
            added_at=now,
        )
        session.add(row)
    row.removed_at = None
    session.flush()
    below = _below(session, {pinned.authority}, purpose)
    return _changed(
        session,
        "add_anchor",
        Object("certificate", row.sha256),
        {"anchor_purpose": purpose.value},
        actor=actor,
        now=now,
        certificates=below,
    )


def remove_anchor(
    session: Session,
    sha256: str,
    *,
    purpose: Purpose = Purpose.SIGNING,
    actor: Actor,
    now: datetime,
) -> Change:
    """Stop trusting an authority for a purpose (its row stays): nothing below it counts any more, whatever
    certificates a file brings along (``TrustStore.distrusted``). While another certificate of the same name
    and key is pinned, only the removed certificate is no link of a path any more. Raises Refusal.
    """
    hold(session)
    row = session.scalar(
        select(Anchor).where(
            Anchor.sha256 == _fingerprint(sha256), Anchor.purpose == purpose, Anchor.removed_at.is_(None)
        )
    )
    if row is None:
        raise Refusal(
            "unknown_anchor",
            f"Không có chứng thư nào được ghim với dấu vân tay {sha256} cho mục đích {purpose}.",
            "Xem danh sách: flask --app wsgi trust list",
        )
    row.removed_at = now
    below = _below(session, {row.authority_id}, purpose)
    return _changed(
        session,
        "remove_anchor",
        Object("certificate", row.sha256),
        {"anchor_purpose": purpose.value},
        actor=actor,
        now=now,
        certificates=below,
    )


def add_signer(session: Session, signer: SignerInput, *, actor: Actor, now: datetime) -> Change:
    """Register a certificate for a school and role; it waits for approval. Raises InvalidInput with every
    problem.

    The seal of a public school must be of the state system, private schools and persons may use either
    (domain rules of the department's guidance on seals).
    """
    hold(session)
    certificate = certificate_of(signer.certificate)
    starts = signer.valid_from or certificate.not_before
    ends = signer.valid_to or certificate.not_after
    problems = Problems()

    # 1 The certificate: a path to a pinned root, for signing, with a key that counts.
    path = find_path(
        certificate,
        (),
        load_authorities(session),
        DEFAULT,
        min(max(now, certificate.not_before), certificate.not_after),
    )
    if path is None:
        problems.add("certificate", "untrusted", "Chứng thư không dẫn tới chứng thư gốc nào đã được ghim.")
    elif path.code:
        problems.add("certificate", path.code, f"Không dùng được: {PATH_FAULTS[path.code]}.")
    problems.key(certificate, now)
    compromised = select(Signer.certificate).where(Signer.compromised_since.is_not(None)).distinct()
    if any(read_certificate(der).key_id == certificate.key_id for der in session.scalars(compromised)):
        problems.add(
            "certificate",
            "compromised",
            "Khóa của chứng thư này đã bị báo lộ, không đăng ký lại được; dùng chứng thư mới với khóa mới.",
        )

    if signer.account is not None and _held_by_other(session, certificate.key_id, signer.account):
        problems.add("certificate", "other_person", "Chứng thư (hoặc khóa) này đã gắn với người khác.")

    # 2 The period: inside the certificate's own.
    if not certificate.not_before <= starts < ends <= certificate.not_after:
        problems.add(
            "valid_from",
            "period",
            f"Thời hạn phải nằm trong hạn của chứng thư ({certificate.not_before:%d/%m/%Y} – "
            f"{certificate.not_after:%d/%m/%Y}) và có đầu trước cuối.",
        )

    # 3 The school, on some day of that period; and its seal's system.
    schools = session.scalars(
        select(School).where(
            School.code == signer.school_code,
            School.valid_from <= local(ends).date(),
            or_(School.valid_to.is_(None), School.valid_to >= local(starts).date()),
        )
    ).all()
    if not schools:
        problems.add(
            "school_code", "unknown_school", f"Không có trường mã {signer.school_code} trong thời hạn này."
        )
    if path is not None and not path.code and signer.role is Role.KY_PHAT_HANH:
        pki = session.scalar(
            select(Anchor.pki).where(
                Anchor.sha256 == path.certificates[-1].sha256, Anchor.purpose == Purpose.SIGNING
            )
        )
        if pki != Pki.STATE and any(s.sector == "cong_lap" for s in schools):
            problems.add(
                "certificate",
                "state_seal_required",
                "Con dấu số của trường công lập phải do hệ thống chữ ký số chuyên dùng công vụ cấp.",
            )

    # 4 Role, capacity and subjects.
    levels = frozenset(level for school in schools for level in school.levels.split())
    problems.role(signer.role, signer.capacity, signer.subject_codes, levels)
    display_name = signer.display_name or common_name(certificate)
    problems.text("display_name", display_name, 200)

    # 5 Not beside another living row for the same: suspending one would leave the other.
    rows = session.scalars(
        select(Signer).where(
            Signer.certificate_sha256 == certificate.sha256,
            Signer.school_code == signer.school_code,
            Signer.role == signer.role,
            Signer.capacity == signer.capacity,
        )
    ).all()
    for row in rows:
        living = row.approval != Approval.REFUSED and row.invalid_since is None
        overlaps = row.valid_from < ends and (row.valid_to is None or starts < row.valid_to)
        if (living and overlaps) or row.valid_from == starts:
            problems.add(
                "certificate",
                "exists",
                f"Chứng thư này đã được đăng ký cho vai trò này (mã {row.id})."
                if living
                else f"Chứng thư này đã được đăng ký cho vai trò này với cùng ngày bắt đầu (mã {row.id}). "
                + _again(row),
            )
            break
    problems.refuse()
    assert path is not None  # noqa: S101 - its absence is one of the problems above
    row = Signer(
        id=uuid.uuid4(),
        certificate_sha256=certificate.sha256,
        certificate=certificate.der,
        issuer_id=path.certificates[1].authority,
        serial=str(certificate.serial),
        not_after=certificate.not_after,
        school_code=signer.school_code,
        role=signer.role,
        capacity=signer.capacity,
        subject_codes=" ".join(sorted(signer.subject_codes)),
        display_name=display_name,
        valid_from=starts,
        valid_to=ends,
        approval=Approval.WAITING,
        account_pk=signer.account,
        registered_by=str(actor),
    )
    session.add(row)
    session.flush()
    return _signer_changed(session, "add_signer", [row], actor=actor, now=now)


def approve(
    session: Session,
    signers: Sequence[uuid.UUID],
    *,
    actor: Actor,
    now: datetime,
    refuse: bool = False,
    reason: str | None = None,
) -> Change:
    """Approve (or ``refuse``, for ``reason``, a code) registrations that wait. Both are final. Who registered
    a certificate, or holds it, does not approve it (SEC-24). Raises Refusal.
    """
    hold(session)
    rows = _signers(session, signers)
    decided = [row for row in rows if row.approval != Approval.WAITING]
    if decided:
        raise Refusal(
            "already_decided",
            f"Đăng ký của {decided[0].display_name} đã được quyết định ({decided[0].approval}).",
            _again(decided[0]),
        )
    expired = [row for row in rows if row.not_after <= now and not refuse]
    if expired:
        raise Refusal(
            "expired",
            f"Chứng thư của {expired[0].display_name} (mã {expired[0].id}) đã hết hạn từ "
            f"{local(expired[0].not_after):%H:%M %d/%m/%Y}.",
            "Đăng ký chứng thư mới của người ký, hoặc từ chối đăng ký này (approve --refuse).",
        )
    if not refuse:
        _refuse_own(rows, actor)
    for row in rows:
        row.approval = Approval.REFUSED if refuse else Approval.APPROVED
        row.refusal = reason if refuse else None
    return _signer_changed(session, "refuse" if refuse else "approve", rows, actor=actor, now=now)


def _refuse_own(rows: Sequence[Signer], actor: Actor) -> None:
    """Raises Refusal ``same_person`` unless ``actor`` is another than who registered each certificate and
    whoever holds it; what does not say who registered it (from before that was kept) is approved by nobody.
    """
    me = decisions.person(str(actor))
    for row in rows:
        own = {decisions.person(row.registered_by), decisions.person(f"account:{row.account_pk}")}
        if me in own or not row.registered_by:
            raise Refusal(
                "same_person",
                marked("Người đăng ký hoặc giữ chứng thư số không được tự duyệt: phải là người thứ hai."),
                marked("Nhờ một người khác duyệt bằng tài khoản của họ."),
            )


def link_account(
    session: Session, signers: Sequence[uuid.UUID], account: uuid.UUID, *, actor: Actor, now: datetime
) -> Change:
    """Say whose certificate these registrations are of, once: only that account may order a signature with
    it. Raises Refusal when the certificate, or its key, is somebody else's already.
    """
    hold(session)
    rows = _signers(session, signers)
    if any(_held_by_other(session, read_certificate(row.certificate).key_id, account) for row in rows):
        raise Refusal("other_person", "Chứng thư (hoặc khóa) này đã gắn với người khác.")
    for row in rows:
        row.account_pk = account
    return _signer_changed(session, "link_account", rows, actor=actor, now=now)


def suspend(
    session: Session,
    signers: Sequence[uuid.UUID],
    invalid_since: datetime,
    *,
    compromised: bool = False,
    actor: Actor,
    now: datetime,
) -> Change:
    """Nothing that is proven to exist only at or after ``invalid_since`` counts for these rows any more.

    An appointment ends where it was made: the same person may go on signing elsewhere, or in another role. A
    ``compromised`` key signs for whoever holds it, so then every row of the key is meant, at every school, in
    every role, in every certificate, and it cannot be registered again.

    The moment may later be moved back, never forward: what was withdrawn once is not believed again. Raises
    Refusal.
    """
    hold(session)
    if invalid_since > now:
        raise Refusal(
            "in_the_future",
            "Thời điểm hết tin cậy nằm trong tương lai.",
            "Đặt hạn kết thúc khi đăng ký người ký, hoặc đình chỉ khi đến lúc.",
        )
    rows = _signers(session, signers)
    if compromised:
        keys = {read_certificate(row.certificate).key_id for row in rows}
        rows = _rows_of_keys(session, keys)
    for row in rows:
        since = row.compromised_since if compromised else row.invalid_since
        if since is not None and since < invalid_since:
            raise Refusal(
                "only_earlier",
                f"{row.display_name} đã bị đình chỉ từ {since.isoformat()}; chỉ lùi sớm hơn.",
                _again(row),
            )
        if compromised:
            row.compromised_since = invalid_since
        else:
            row.invalid_since = invalid_since
    action = "suspend_key" if compromised else "suspend"
    return _signer_changed(session, action, rows, since=invalid_since, actor=actor, now=now)


def import_crl(
    session: Session, data: bytes, *, issuer_id: str | None = None, actor: Actor, now: datetime
) -> Change:
    """Pin a CRL (DER or PEM) of a pinned authority (of ``issuer_id`` when that is named); of each scope
    (``checks.scope``) the newest counts. Raises InvalidInput.

    Files are affected where the list says something new: a certificate revoked, released, or revoked from
    another day. What was revoked for good stays so: the older list goes on counting when the new one drops a
    certificate that we know, or names it more mildly. The first list of a scope affects everything below its
    authority. All others keep their standing until it lapses with the older list, so importing in time leaves
    no moment without an answer.

    A list that is dated ahead is not taken, not even by a minute: no check may rely on it yet, and what it
    revokes would count as unrevoked until somebody looks again.
    """
    hold(session)
    # 1 A complete list of a pinned authority, signed by it.
    der, crl = crl_of(data)
    issuer = next((a for a in _pinned(session) if published(crl, a)), None)
    if issuer is None:
        raise refused("crl", "unknown_issuer", "Danh sách không do tổ chức chứng thực nào đã ghim ký.")
    if issuer_id not in (None, issuer.authority):
        raise refused("crl", "other_issuer", f"Danh sách là của tổ chức khác: {common_name(issuer)}.")
    problems = Problems()
    if not crl.usable:
        problems.add("crl", "partial", "Chỉ dùng danh sách đầy đủ (không phải danh sách thay đổi).")
    if crl.next_update is None:
        problems.add("crl", "no_next_update", "Danh sách không ghi ngày cập nhật kế tiếp (nextUpdate).")
    if crl.this_update > now:
        problems.add(
            "crl",
            "future",
            "Danh sách ghi giờ phát hành trong tương lai "
            f"({crl.this_update.astimezone(VIETNAM):%H:%M:%S %d/%m/%Y}); nạp lại từ lúc đó, hoặc kiểm tra "
            "đồng hồ.",
        )
    problems.refuse()
    assert crl.next_update is not None  # noqa: S101 - its absence is one of the problems above

    # 2 Not older than the one we have of this scope, by time or by number.
    mine = scope(crl)
    newest = session.scalars(
        select(RevocationList)
        .where(RevocationList.issuer_id == issuer.authority, RevocationList.scope == mine)
        .order_by(RevocationList.this_update.desc(), RevocationList.added_at.desc())
        .limit(1)
    ).one_or_none()
    if newest is not None:
        if newest.crl == der:
            return Change(current_epoch(session))
        was = None if newest.number is None else int(newest.number)
        if crl.this_update < newest.this_update or (
            was is not None and (crl.number is None or crl.number < was)
        ):
            raise refused(
                "crl",
                "older",
                f"Đã có danh sách mới hơn của tổ chức này ({newest.this_update.isoformat()}, số {was}).",
            )
    session.add(
        RevocationList(
            id=uuid.uuid4(),
            issuer_id=issuer.authority,
            scope=mine,
            crl=der,
            number=None if crl.number is None else str(crl.number),
            this_update=crl.this_update,
            next_update=crl.next_update,
            added_at=now,
        )
    )
    session.flush()

    # 3 Whom it says something new about.
    if newest is None:
        affected = _below(session, {issuer.authority})
    else:
        said = news(read_crl(newest.crl), crl)
        affected = _named(session, issuer.authority, said.changed)
        if _registered(session, issuer.authority, said.dropped):
            newest.kept_since = now
    return _changed(
        session,
        "import_crl",
        Object("certificate", issuer.sha256),
        {"since": moment_text(crl.this_update)},
        actor=actor,
        now=now,
        certificates=affected,
    )


def add_crl_address(session: Session, sha256: str, url: str, *, actor: Actor, now: datetime) -> Change:
    """Pin the address at which a pinned authority (by a certificate's SHA-256) publishes its list. Nothing is
    collected from anywhere else. Raises Refusal, InvalidInput.
    """
    hold(session)
    anchor = _anchor_named(session, sha256)
    problems = Problems()
    problems.web_address("url", url, 400)
    row = session.scalar(
        select(CrlAddress).where(CrlAddress.issuer_id == anchor.authority_id, CrlAddress.url == url)
    )
    if row is not None and row.removed_at is None:
        problems.add("url", "exists", f"Địa chỉ này đã được ghim cho “{anchor.name}”.")
    problems.refuse()
    if row is None:
        row = CrlAddress(id=uuid.uuid4(), issuer_id=anchor.authority_id, url=url, added_at=now)
        session.add(row)
    row.removed_at, row.tried_at, row.fault = None, None, ""
    return _changed(session, "add_crl_address", Object("certificate", anchor.sha256), actor=actor, now=now)


def remove_crl_address(session: Session, url: str, *, actor: Actor, now: datetime) -> Change:
    """Collect nothing from this address any more. Lists that came from there stay. Raises Refusal."""
    hold(session)
    rows = session.scalars(
        select(CrlAddress).where(CrlAddress.url == url, CrlAddress.removed_at.is_(None))
    ).all()
    if not rows:
        raise Refusal(
            "unknown_address",
            f"Địa chỉ {url} không được ghim.",
            "Xem danh sách: flask --app wsgi trust list",
        )
    for row in rows:
        row.removed_at = now
    authority = Object("authority", rows[0].issuer_id)
    return _changed(session, "remove_crl_address", authority, actor=actor, now=now)


def tried_crl_address(session: Session, key: uuid.UUID, fault: str, *, now: datetime) -> None:
    """Remember how collecting from an address went; ``fault`` is empty when it went well."""
    row = session.get_one(CrlAddress, key)
    row.tried_at, row.fault = now, fault[:200]


def note_timestamp_units(session: Session, timestamps: Iterable[TimestampReport], *, now: datetime) -> None:
    """Remember whose timestamps a registered file carries, so that changes in trust find it."""
    known = set(session.scalars(select(TimestampUnit.certificate_sha256)))
    for stamp in timestamps:
        signer = stamp.signer
        if signer is None or not stamp.authorities or signer.certificate_sha256 in known:
            continue
        known.add(signer.certificate_sha256)
        session.add(
            TimestampUnit(
                id=uuid.uuid4(),
                certificate_sha256=signer.certificate_sha256,
                issuer_id=stamp.authorities[0],
                serial=str(int(signer.serial, 16)),
                not_after=signer.not_after,
                noted_at=now,
            )
        )
    session.flush()


def _anchor_named(session: Session, sha256: str) -> Anchor:
    row = session.scalar(
        select(Anchor).where(Anchor.sha256 == _fingerprint(sha256), Anchor.removed_at.is_(None)).limit(1)
    )
    if row is None:
        raise Refusal(
            "unknown_anchor",
            f"Không có chứng thư nào được ghim với dấu vân tay {sha256}.",
            "Xem danh sách: flask --app wsgi trust list",
        )
    return row


# ------------------------------------------------------------------------------------------------ inside


def hold(session: Session) -> None:
    """Changes in trust stand in one row's queue: each sees the ones before it whole. Who writes into the
    trail before such a change does this first, as the change does.
    """
    session.execute(select(TrustState.epoch).where(TrustState.id == 1).with_for_update())


def _changed(
    session: Session,
    change: str,
    what: Object,
    details: Mapping[str, str] = _NOTHING,
    *,
    actor: Actor,
    now: datetime,
    certificates: frozenset[str] = frozenset(),
    signer: uuid.UUID | None = None,
    office: str | None = None,
) -> Change:
    """Let the epoch grow and append the entry; ``office`` is the code of the school or department
    concerned.
    """
    state = session.get(TrustState, 1, with_for_update=True)
    if state is None:
        state = TrustState(id=1, epoch=0)
        session.add(state)
    state.epoch += 1
    state.mark = uuid.uuid4()
    told: dict[str, str | int] = {"change": change, "epoch": state.epoch, **details}
    if signer is not None:
        told["signer"] = str(signer)
    event = Event(actor, Action.TRUST_CHANGE, what, organisation=office, details=told)
    audit.record(session, event, now=now)
    return Change(state.epoch, certificates, signer)


def _signer_changed(
    session: Session,
    change: str,
    rows: Sequence[Signer],
    *,
    since: datetime | None = None,
    actor: Actor,
    now: datetime,
) -> Change:
    """One entry a row, one change for all."""
    changes = [
        _changed(
            session,
            change,
            Object("certificate", row.certificate_sha256),
            _NOTHING if since is None else {"since": moment_text(since)},
            actor=actor,
            now=now,
            signer=row.id,
            office=row.school_code,
        )
        for row in rows
    ]
    certificates = frozenset(row.certificate_sha256 for row in rows)
    return Change(changes[-1].epoch, certificates, changes[-1].created, len(rows))


def _signers(session: Session, keys: Sequence[uuid.UUID]) -> list[Signer]:
    rows = session.scalars(select(Signer).where(Signer.id.in_(keys)).order_by(Signer.id)).all()
    if not rows or len(rows) != len(set(keys)):
        raise _unknown_signer(", ".join(map(str, keys)))
    return list(rows)


def _signing_for(session: Session, school_code: str) -> frozenset[str]:
    """Certificates of everybody who is registered at a school."""
    wanted = select(Signer.certificate_sha256).where(Signer.school_code == school_code)
    return frozenset(session.scalars(wanted))


def _rows_of_keys(session: Session, keys: Collection[str]) -> list[Signer]:
    """Every row of these keys (``Certificate.key_id``), whichever certificate it names them by."""
    rows = session.scalars(select(Signer).order_by(Signer.id))
    return [row for row in rows if read_certificate(row.certificate).key_id in keys]


def _held_by_other(session: Session, key: str, account: uuid.UUID) -> bool:
    """Whether somebody else than ``account`` has this key, under whichever certificate. What was refused is
    nobody's.
    """
    rows = session.scalars(
        select(Signer.certificate)
        .where(
            Signer.account_pk.is_not(None),
            Signer.account_pk != account,
            Signer.approval != Approval.REFUSED,
        )
        .distinct()
    )
    return any(read_certificate(der).key_id == key for der in rows)


def _pinned(session: Session) -> list[Certificate]:
    wanted = select(Anchor.certificate).where(Anchor.removed_at.is_(None))
    return [read_certificate(der) for der in session.scalars(wanted)]


def _pinned_issuer(
    session: Session, certificate: Certificate, pki: Pki, purpose: Purpose
) -> Certificate | None:
    """The pinned authority of the same system and purpose that signed ``certificate``. It stands below a root
    itself.
    """
    wanted = select(Anchor.certificate).where(
        Anchor.removed_at.is_(None), Anchor.pki == pki, Anchor.purpose == purpose
    )
    authorities = (read_certificate(der) for der in session.scalars(wanted))
    return next((a for a in authorities if issued_by(certificate, a)), None)


def _below(session: Session, authorities: Collection[str], purpose: Purpose | None = None) -> frozenset[str]:
    """Certificates of signers and timestamps under any of these authorities (authority ids), at any depth;
    ``purpose`` asks for one kind.
    """
    seen: set[str] = set(authorities)
    level = set(authorities)
    while level:
        level = set(session.scalars(select(Anchor.authority_id).where(Anchor.issuer_id.in_(level)))) - seen
        seen |= level
    found: set[str] = set()
    for kind, table in _RESTING.items():
        if purpose in (None, kind):
            found.update(session.scalars(select(table.certificate_sha256).where(table.issuer_id.in_(seen))))
    return frozenset(found)


#: Whose certificates registered files rest on, by what their authorities are pinned for.
_RESTING: Final[Mapping[Purpose, type[Signer] | type[TimestampUnit]]] = {
    Purpose.SIGNING: Signer,
    Purpose.TIMESTAMPING: TimestampUnit,
}


def _named(session: Session, issuer: str, serials: frozenset[int]) -> frozenset[str]:
    """Certificates of signers and timestamps that a list of ``issuer`` (authority id) speaks of: its own
    subscribers, and all below its authorities.
    """
    wanted = {str(serial) for serial in serials}
    authorities = session.execute(
        select(Anchor.authority_id, Anchor.serial).where(Anchor.issuer_id == issuer)
    )
    named = {
        row.certificate_sha256
        for table in _RESTING.values()
        for row in session.execute(
            select(table.certificate_sha256, table.serial).where(table.issuer_id == issuer)
        )
        if row.serial in wanted
    }
    return frozenset(named) | _below(
        session, {row.authority_id for row in authorities if row.serial in wanted}
    )


def _registered(session: Session, issuer: str, serials: frozenset[int]) -> bool:
    """Whether any of these certificates of ``issuer`` (authority id) is one of ours."""
    wanted = {str(serial) for serial in serials}
    return bool(wanted) and any(
        not wanted.isdisjoint(session.scalars(select(table.serial).where(table.issuer_id == issuer)))
        for table in (Signer, TimestampUnit, Anchor)
    )


def _again(row: Signer) -> str:
    """How a certificate comes back after a refusal or a suspension: what was withdrawn stays withdrawn."""
    if row.compromised_since is not None:
        return "Khóa đã bị báo lộ: đăng ký chứng thư mới với khóa mới."
    if row.invalid_since is None:
        return "Đăng ký lại (add-signer) với --valid-from khác với mọi đăng ký trước, rồi duyệt."
    since = row.invalid_since.astimezone(VIETNAM).isoformat()
    return (
        f"Đăng ký lại (add-signer) với --valid-from sau thời điểm đình chỉ ({since}), rồi duyệt; "
        "chữ ký trước lúc đó không được tính lại."
    )


def _fingerprint(text: str) -> str:
    """A SHA-256 as people copy it."""
    return text.strip().lower().replace(":", "")


def _unknown_signer(text: str) -> Refusal:
    return Refusal(
        "unknown_signer",
        f"Không có người ký nào mang mã hoặc dấu vân tay “{text}”.",
        "Xem danh sách: flask --app wsgi trust list",
    )
