"""Certificates of people: asked for by their owner, approved or refused by the school's department."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from portal.desk.person import Person
from portal.errors import Refusal, marked
from portal.issuing import wire
from portal.permissions import Act
from portal.permissions import Role as Office
from portal.registry import service as registry
from portal.trust import possession
from portal.trust import service as trusted
from portal.trust import store as trust
from portal.trust.service import SignerInput
from portal.trust.store import SignerFacts
from verifier.certificates import read_certificate
from verifier.errors import InvalidInput, Problem
from verifier.report import Role
from verifier.trust import Approval

#: What a person of a school signs as.
SIGNS_AS: Final[Mapping[Office, Role]] = {
    Office.SUBJECT_TEACHER: Role.GVBM,
    Office.HOMEROOM_TEACHER: Role.GVCN,
    Office.MANAGER: Role.CBQL,
    Office.CLERK: Role.KY_PHAT_HANH,
}
#: Why a department refuses a certificate; words for people stand with the forms.
REFUSALS: Final = ("other_person", "other_school", "other_role", "wrong_subjects", "other")


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """A registration for its owner and the department. ``subject`` is what the certificate says of itself."""

    id: uuid.UUID
    sha256: str
    school_code: str
    role: Role
    capacity: str
    subject_codes: tuple[str, ...]
    display_name: str
    subject: str
    valid_from: datetime
    valid_to: datetime | None
    approval: Approval
    refusal: str | None
    suspended: bool
    key_shown: bool  # the applicant signed the registration's challenge with the key


def ask(
    session: Session,
    who: Person,
    certificate: bytes,
    *,
    capacity: str = "",
    subject_codes: tuple[str, ...] = (),
    now: datetime,
) -> uuid.UUID:
    """Ask that a certificate (DER or PEM) be approved for the own account, school and role. Everything that
    ``trust.add_signer`` asks of one is asked: path to a pinned authority, key, usage, period, that nobody
    else has it. Raises InvalidInput.
    """
    who.must_be_allowed(Act.REGISTER_CERTIFICATE)
    if not certificate:
        raise InvalidInput((Problem("certificate", "no_file", marked("Chọn tệp chứng thư số (.cer, .pem)")),))
    role = SIGNS_AS[who.role]
    school = trust.school_name(session, who.office, now.date()) or ""
    entry = SignerInput(
        certificate,
        who.office,
        role,
        capacity=capacity if role is Role.CBQL else "",
        subject_codes=subject_codes if role is Role.GVBM else (),
        display_name=school if role is Role.KY_PHAT_HANH else who.name,
        account=who.account,
    )
    # What waits for approval changes no verdict, so no file has to be checked anew.
    change = trusted.add_signer(session, entry, actor=who.actor, now=now)
    if change.created is None:
        raise RuntimeError("a registration without a key")
    return change.created


def own(session: Session, who: Person) -> tuple[CertificateFacts, ...]:
    """The certificates of the own account at the own school, with what became of them."""
    who.must_be_allowed(Act.REGISTER_CERTIFICATE)
    return tuple(
        _facts(signer) for signer in trust.list_signers(session, who.office) if signer.account == who.account
    )


def challenge(session: Session, who: Person, signer: uuid.UUID) -> dict[str, Any]:
    """The challenge of an own registration that waits, as the file of digests that the own token signs
    (:mod:`portal.issuing.wire`; the registration stands where a record's issuance does). Raises Refusal.
    """
    found = _own_waiting(session, who, signer)
    line = (found.id, found.authority.role.value, possession.challenge(session, signer).hex())
    return wire.digests_file(found.certificate, [line])


def show_key(session: Session, who: Person, signer: uuid.UUID, content: bytes, *, now: datetime) -> None:
    """The signature of the challenge, in the file that orders are answered with. Raises Refusal,
    InvalidInput.
    """
    found = _own_waiting(session, who, signer)
    lines, problems = wire.read_signatures(content, marked("Tệp chữ ký"))
    if problems:
        raise InvalidInput(problems)
    if not any(
        line.issuance == str(found.id)
        and possession.show(session, signer, line.value, actor=who.actor, now=now)
        for line in lines
    ):
        wrong = marked("Chữ ký không khớp giá trị băm của đăng ký này. Hãy ký lại và gửi lại tệp")
        raise InvalidInput((Problem("file", "wrong_signature", wrong),))


def _own_waiting(session: Session, who: Person, signer: uuid.UUID) -> SignerFacts:
    who.must_be_allowed(Act.REGISTER_CERTIFICATE)
    for each in trust.list_signers(session, who.office):
        mine = each.id == signer and each.account == who.account
        if mine and each.authority.approval is Approval.WAITING:
            return each
    raise Refusal("unknown_signer", marked("Bạn không có đăng ký nào như vậy đang chờ duyệt."))


def waiting(session: Session, officer: Person) -> tuple[CertificateFacts, ...]:
    """What waits for this department, of all its schools."""
    officer.must_be_allowed(Act.DECIDE_CERTIFICATES)
    return tuple(
        _facts(signer)
        for signer in trust.list_signers(session)
        if signer.authority.approval is Approval.WAITING
        and trust.department_of(session, signer.authority.school_code) == officer.office
    )


def decide(
    session: Session, officer: Person, signer: uuid.UUID, *, refusal: str | None = None, now: datetime
) -> None:
    """Approve a certificate of a school of this department, or refuse it for a reason of :data:`REFUSALS`.
    Both are final. Raises Refusal.
    """
    officer.must_be_allowed(Act.DECIDE_CERTIFICATES)
    if signer not in {facts.id for facts in waiting(session, officer)}:
        raise Refusal("unknown_signer", marked("Không có chứng thư số nào như vậy đang chờ Sở này duyệt."))
    if refusal is not None and refusal not in REFUSALS:
        raise Refusal("unknown_reason", marked("Chọn một lý do trong danh sách."))
    change = trusted.approve(
        session, [signer], actor=officer.actor, now=now, refuse=refusal is not None, reason=refusal
    )
    if refusal is None:
        # Files that rest on the certificate answer that they wait, until they are validated anew.
        registry.withdraw_standing(session, change.certificates, epoch=change.epoch)


def _facts(signer: SignerFacts) -> CertificateFacts:
    entry = signer.authority
    return CertificateFacts(
        signer.id,
        entry.certificate_sha256,
        entry.school_code,
        entry.role,
        entry.capacity,
        tuple(sorted(entry.subject_codes)),
        entry.display_name,
        read_certificate(signer.certificate).subject_text,
        entry.valid_from,
        entry.valid_to,
        entry.approval,
        signer.refusal,
        entry.invalid_since is not None,
        signer.possession_at is not None,
    )
