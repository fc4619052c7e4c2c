"""Class files at pages: sent, looked at, confirmed, taken back. The worker does the reading and issuing."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.audit.service import Action, Event, Object
from portal.desk.person import Person
from portal.errors import Refusal, marked
from portal.issuing.intake_tables import MAX_BYTES
from portal.issuing.models import ClassUpload, Issuance, Stage, UploadKind, UploadState
from portal.issuing.sealed import Examined, open_upload, seal_upload
from portal.permissions import Act
from portal.ports import FileStore
from portal.registry import many
from portal.registry import service as registry
from portal.trust import store as trust
from portal.vault import Vault
from verifier.errors import InvalidInput, Problem
from verifier.report import Role
from verifier.trust import Approval

MAX_REASON: Final = 200
_MAX_NAME: Final = 120
_OPEN: Final = (UploadState.SENT, UploadState.EXAMINED, UploadState.CONFIRMED, UploadState.ISSUING)


@dataclass(frozen=True, slots=True)
class UploadFacts:
    """One upload in a list. ``records`` and ``registered`` count what was reserved of it."""

    id: uuid.UUID
    kind: UploadKind
    state: UploadState
    name: str
    rows: int
    problems: int
    fault: str | None
    sent_at: datetime
    records: int
    registered: int

    @property
    def can_be_confirmed(self) -> bool:
        return self.state == UploadState.EXAMINED and self.rows > 0 and not self.problems

    @property
    def can_be_withdrawn(self) -> bool:
        return self.state in _OPEN


@dataclass(frozen=True, slots=True)
class UploadView:
    """An upload with what the worker found; ``examined`` is None before that and after the erasure."""

    facts: UploadFacts
    reason: str
    examined: Examined | None
    marked: bool  # the spreadsheet with the mistakes is there
    choices: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class IssuedCopy:
    """A registered version of an upload, for the school that issued it."""

    record_id: str
    version: int
    name: str  # of the pupil
    fresh: bool  # handed out uncounted


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody who could sign a field: certificate and name; ``ky_thay`` for a subject teacher."""

    certificate: str
    name: str
    ky_thay: bool = False

    @property
    def value(self) -> str:
        """What a form sends for this choice."""
        return "ky_thay" if self.ky_thay else self.certificate


def send(
    session: Session,
    vault: Vault,
    who: Person,
    content: bytes,
    name: str,
    *,
    kind: UploadKind,
    reason: str,
    now: datetime,
) -> uuid.UUID:
    """Take a class file in; the worker examines it. Raises InvalidInput for what no examination is needed
    for: ``file`` empty or too large, a correction without ``reason``.
    """
    who.must_be_allowed(Act.UPLOAD_CLASS)
    problems: list[Problem] = []
    if not content:
        problems.append(Problem("file", "empty_file", marked("Chọn tệp danh sách lớp (.xlsx, .csv, .jsonl)")))
    if len(content) > MAX_BYTES:
        problems.append(Problem("file", "too_large", marked("Tệp lớn hơn 10 MB; mỗi tệp chỉ nên có một lớp")))
    reason = reason.strip() if kind is UploadKind.CORRECTION else ""
    if kind is UploadKind.CORRECTION and not 0 < len(reason) <= MAX_REASON:
        problems.append(Problem("reason", "reason", marked("Ghi lý do sửa, dài nhất 200 ký tự")))
    if problems:
        raise InvalidInput(tuple(problems))
    row = ClassUpload(
        id=uuid.uuid4(),
        school_code=who.office,
        account_pk=who.account,
        kind=kind,
        state=UploadState.SENT,
        wrapped_key=vault.new_key(),
        sent_at=now,
    )
    row.name_sealed = seal_upload(vault, row, "name_sealed", name[-_MAX_NAME:].encode("utf-8"))
    row.reason_sealed = seal_upload(vault, row, "reason_sealed", reason.encode("utf-8"))
    row.content_sealed = seal_upload(vault, row, "content_sealed", content)
    session.add(row)
    _tell(session, who, row.id, "send", now)
    return row.id


def listed(session: Session, vault: Vault, who: Person) -> tuple[UploadFacts, ...]:
    """Uploads of the own school, newest first."""
    who.must_be_allowed(Act.UPLOAD_CLASS, Act.SEE_PROGRESS)
    rows = session.scalars(
        select(ClassUpload)
        .where(ClassUpload.school_code == who.office)
        .order_by(ClassUpload.sent_at.desc())
        .limit(100)
    )
    return tuple(_facts(session, vault, row) for row in rows)


def view(session: Session, vault: Vault, who: Person, upload: uuid.UUID) -> UploadView:
    """One upload of the own school. Raises Refusal ``unknown_upload``."""
    who.must_be_allowed(Act.UPLOAD_CLASS, Act.SEE_PROGRESS)
    row = _own(session, who, upload)
    result = open_upload(vault, row, "result_sealed")
    return UploadView(
        _facts(session, vault, row),
        (open_upload(vault, row, "reason_sealed") or b"").decode("utf-8"),
        None if result is None else Examined.from_json(result),
        row.marked_sealed is not None,
        json.loads(row.choices),
    )


def marked_file(session: Session, vault: Vault, who: Person, upload: uuid.UUID, *, now: datetime) -> bytes:
    """The clerk's spreadsheet with its mistakes marked (.xlsx). Raises Refusal."""
    who.must_be_allowed(Act.UPLOAD_CLASS)
    row = _own(session, who, upload)
    content = open_upload(vault, row, "marked_sealed")
    if content is None:
        raise Refusal("not_there", marked("Không có bảng lỗi của tệp này."))
    _tell(session, who, row.id, "marked_file", now)
    return content


def confirm(session: Session, who: Person, upload: uuid.UUID, *, now: datetime) -> None:
    """The person has seen the result: the worker may reserve. Raises Refusal while something is wrong."""
    who.must_be_allowed(Act.UPLOAD_CLASS)
    row = _own(session, who, upload)
    if row.state in (UploadState.CONFIRMED, UploadState.ISSUING, UploadState.DONE):
        return  # a form that was sent twice
    if row.state != UploadState.EXAMINED or row.problems or not row.rows:
        raise Refusal("not_ready", marked("Tệp này chưa xác nhận được: còn lỗi, hoặc chưa kiểm tra xong."))
    row.state, row.confirmed_at = UploadState.CONFIRMED, now
    _tell(session, who, row.id, "confirm", now)


def choose(
    session: Session,
    vault: Vault,
    who: Person,
    upload: uuid.UUID,
    chosen: Mapping[str, str],
    *,
    now: datetime,
) -> None:
    """Say who signs a field (``chosen``: field -> a :class:`Candidate`'s value, empty: the portal's choice)
    for the whole file, which is then examined once more. Raises Refusal, InvalidInput.
    """
    who.must_be_allowed(Act.UPLOAD_CLASS)
    row = _own(session, who, upload)
    if row.state != UploadState.EXAMINED:
        raise Refusal("not_ready", marked("Tệp này không còn đổi người ký được."))
    offered = candidates(session, vault, who, upload)
    plan: dict[str, dict[str, Any]] = {}
    problems: list[Problem] = []
    for field, value in chosen.items():
        if not value:
            continue
        if value not in {candidate.value for candidate in offered.get(field, ())}:
            problems.append(Problem(field, "signer", marked("Chọn một người trong danh sách")))
        else:
            plan[field] = {"ky_thay": True} if value == "ky_thay" else {"certificate": value}
    if problems:
        raise InvalidInput(tuple(problems))
    row.choices = json.dumps({"*": plan} if plan else {})
    row.state, row.examined_at = UploadState.SENT, None
    _tell(session, who, row.id, "choose", now)


def candidates(
    session: Session, vault: Vault, who: Person, upload: uuid.UUID
) -> Mapping[str, tuple[Candidate, ...]]:
    """Who could sign each field of an examined file: approved signers of the school with an account."""
    examined = view(session, vault, who, upload).examined
    names = dict.fromkeys(
        field for fields in (examined.fields if examined else {}).values() for field in fields
    )
    signers = [
        signer.authority
        for signer in trust.list_signers(session, who.office)
        if signer.account is not None and signer.authority.approval is Approval.APPROVED
    ]
    heads = any(signer.role is Role.CBQL for signer in signers)
    offered: dict[str, tuple[Candidate, ...]] = {}
    for field in names:
        role, _, subject = field.partition(".")
        able = {
            s.certificate_sha256: Candidate(s.certificate_sha256, s.display_name)
            for s in signers
            if s.role == role and (role != Role.GVBM or not s.subject_codes or subject in s.subject_codes)
        }
        for_teacher = (Candidate("", "", ky_thay=True),) if role == Role.GVBM and heads else ()
        offered[field] = (*able.values(), *for_teacher)
    return offered


def issued(
    session: Session, vault: Vault, who: Person, upload: uuid.UUID, *, now: datetime
) -> tuple[IssuedCopy, ...]:
    """What of an upload is registered, by the pupils' names. The trail tells that these were shown. Raises
    Refusal.
    """
    who.must_be_allowed(Act.UPLOAD_CLASS)
    row = _own(session, who, upload)
    copies = []
    for key in _registered(session, row):
        content = registry.open_record(session, vault, key.record_id, key.version)
        if content is None:
            raise RuntimeError("a registered version without its content")
        fresh = many.is_fresh(session, key.record_id, key.version, now=now)
        name = str(content.fields["ho_va_ten"])
        copies.append(IssuedCopy(key.record_id, key.version, name, fresh))
    if copies:
        event = Event(
            who.actor,
            Action.DISCLOSURE,
            Object("upload", row.id),
            organisation=who.office,
            purpose=many.OWN_COPY,
            details={"count": len(copies)},
        )
        audit.record(session, event, now=now)
    return tuple(sorted(copies, key=lambda copy: (copy.name, copy.record_id)))


def issued_file(
    session: Session,
    vault: Vault,
    files: FileStore,
    who: Person,
    upload: uuid.UUID,
    *,
    record_id: str,
    version: int,
    now: datetime,
) -> bytes:
    """The signed file of a registered version of an own upload. The trail tells of it under the pupil.

    Raises Refusal ``unknown_upload``, ``not_there``; ``needs_two_persons`` for more than a few that were
    sealed long ago (SEC-24); and what ``registry.read_file`` raises.
    """
    who.must_be_allowed(Act.UPLOAD_CLASS)
    row = _own(session, who, upload)
    known = any((key.record_id, key.version) == (record_id, version) for key in _registered(session, row))
    sha256 = registry.newest_file(session, record_id, version) if known else None
    data = None if sha256 is None else registry.read_file(session, vault, files, sha256)
    if sha256 is None or data is None:
        raise Refusal("not_there", marked("Tệp này không có học bạ đó."))
    many.tell_copy(session, record_id, version, sha256, actor=who.actor, now=now)
    return data


def withdraw(session: Session, who: Person, upload: uuid.UUID, *, now: datetime) -> None:
    """Take an upload back: what of it is not yet closed by the seal is given up with its signatures; what is
    registered stays. Raises Refusal when it is over already.
    """
    who.must_be_allowed(Act.UPLOAD_CLASS)
    row = _own(session, who, upload)
    if row.state == UploadState.WITHDRAWN:
        return
    if row.state not in _OPEN:
        raise Refusal("is_over", marked("Tệp này đã cấp xong hoặc đã dừng, không rút lại được."))
    session.execute(
        delete(Issuance)
        .where(Issuance.upload_pk == row.id, Issuance.stage.in_((Stage.RESERVED, Stage.WAITING)))
        .execution_options(synchronize_session=False)
    )
    session.execute(
        update(ClassUpload)
        .where(ClassUpload.id == row.id)
        .values(
            state=UploadState.WITHDRAWN,
            ended_at=now,
            erased_at=now,
            content_sealed=None,
            result_sealed=None,
            marked_sealed=None,
        )
    )
    _tell(session, who, row.id, "withdraw", now)


def _own(session: Session, who: Person, upload: uuid.UUID) -> ClassUpload:
    """The row, locked. Another school's upload is as unknown as none (SEC-18)."""
    row = session.scalar(
        select(ClassUpload)
        .where(ClassUpload.id == upload, ClassUpload.school_code == who.office)
        .with_for_update()
    )
    if row is None:
        raise Refusal("unknown_upload", marked("Không có tệp nào như vậy ở trường này."))
    return row


def _registered(session: Session, row: ClassUpload) -> Sequence[Issuance]:
    return session.scalars(
        select(Issuance).where(Issuance.upload_pk == row.id, Issuance.stage == Stage.REGISTERED)
    ).all()


def _facts(session: Session, vault: Vault, row: ClassUpload) -> UploadFacts:
    stages = session.scalars(select(Issuance.stage).where(Issuance.upload_pk == row.id)).all()
    return UploadFacts(
        row.id,
        UploadKind(row.kind),
        UploadState(row.state),
        (open_upload(vault, row, "name_sealed") or b"").decode("utf-8"),
        row.rows,
        row.problems,
        row.fault,
        row.sent_at,
        len(stages),
        sum(stage == Stage.REGISTERED for stage in stages),
    )


def _tell(session: Session, who: Person, upload: uuid.UUID, change: str, now: datetime) -> None:
    event = Event(
        who.actor,
        Action.CLASS_UPLOAD,
        Object("upload", upload),
        organisation=who.office,
        details={"change": change},
    )
    audit.record(session, event, now=now)
