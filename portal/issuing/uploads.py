"""Class files that people sent: examined and, once confirmed, reserved by the worker.

A file goes through the same examination as ``issue --dry-run``: all mistakes of all rows, with the same
words. What is wrong comes back as a list and as the clerk's own spreadsheet. Reserving writes what will be
signed and nothing else; each signature then waits for its person (:mod:`portal.issuing.people`). All rows of
a file are reserved or the person is asked again: a file of which something went wrong since it was examined
is never half begun without being said.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Select, or_, select, update
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.audit.service import Action, Actor, Event, Object
from portal.errors import Refusal
from portal.issuing import intake, marked
from portal.issuing.models import ClassUpload, UploadKind, UploadState
from portal.issuing.people import end_uploads
from portal.issuing.plan import Choices
from portal.issuing.problems import once, row_of
from portal.issuing.sealed import Examined, open_upload, seal_upload
from portal.issuing.service import Desk, Order, Row, Work, examine, reserve
from portal.vault import Vault
from verifier.errors import InvalidInput, Problem
from verifier.trust import TrustStore

#: How long the content of a file that leads to nothing is kept.
KEPT: Final = timedelta(days=30)
#: Examinations that may be begun: a file that ends the worker each time is given up.
_TRIES: Final = 3
_WORKER: Final = Actor.system("worker")
_ERASED: Final[dict[str, Any]] = {"content_sealed": None, "result_sealed": None, "marked_sealed": None}


@dataclass(frozen=True, slots=True)
class _File:
    """An upload in clear."""

    id: uuid.UUID
    school: str
    content: bytes
    name: str
    correction: str | None
    choices: str


def is_due(session: Session, state: UploadState) -> bool:
    """Whether a file waits for the worker in this state."""
    return session.scalar(select(ClassUpload.id).where(ClassUpload.state == state).limit(1)) is not None


def is_old(session: Session, now: datetime) -> bool:
    """Whether a file is to be erased."""
    return session.scalar(_old(now).limit(1)) is not None


def _old(now: datetime) -> Select[ClassUpload]:
    return select(ClassUpload).where(
        ClassUpload.sent_at <= now - KEPT,
        ClassUpload.state != UploadState.CONFIRMED,
        or_(ClassUpload.content_sealed.is_not(None), ClassUpload.result_sealed.is_not(None)),
    )


def examine_due(desk: Desk, store: TrustStore) -> bool:
    """Examine the oldest file that was sent; False when there is none."""
    now = desk.clock.now()
    # 1 The try is counted before it begins.
    with desk.begin() as session:
        row = session.scalar(
            select(ClassUpload)
            .where(ClassUpload.state == UploadState.SENT)
            .order_by(ClassUpload.sent_at)
            .limit(1)
            .with_for_update()
        )
        if row is None:
            return False
        row.tries += 1
        if row.tries > _TRIES:
            row.state, row.fault, row.ended_at = UploadState.REFUSED, "cannot_examine", now
            return True
        file = _open(desk.vault, row)
    desk.at("examining")

    # 2 Examined, and marked when something is wrong.
    examined, _, read = _examine(desk, store, file)
    with_marks = None
    if examined.problems:
        sheet, header = (read.sheet, read.header) if read else ("", 0)
        with_marks = marked.mark(file.content, file.name, sheet, header, examined.problems)
    desk.at("examined")

    # 3 Written, unless the person took the file back meanwhile.
    with desk.begin() as session:
        _write_result(session, desk, file.id, UploadState.SENT, examined=examined, with_marks=with_marks)
    return True


def reserve_due(desk: Desk, store: TrustStore) -> bool:
    """Reserve the records of the oldest file that was confirmed; False when there is none."""
    with desk.begin() as session:
        row = session.scalar(
            select(ClassUpload)
            .where(ClassUpload.state == UploadState.CONFIRMED)
            .order_by(ClassUpload.confirmed_at)
            .limit(1)
        )
        if row is None:
            return False
        file = _open(desk.vault, row)

    # 1 Nothing may have changed for the worse since the person looked at it.
    examined, works, read = _examine(desk, store, file)
    if examined.problems:
        sheet, header = (read.sheet, read.header) if read else ("", 0)
        with_marks = marked.mark(file.content, file.name, sheet, header, examined.problems)
        with desk.begin() as session:
            _write_result(
                session, desk, file.id, UploadState.CONFIRMED, examined=examined, with_marks=with_marks
            )
        return True

    # 2 Each record by itself: what an earlier run reserved is found again.
    for work in works:
        if work.existing is None:
            try:
                reserve(desk, work, file.id, upload=file.id)
            except Refusal:
                return True  # somebody issued the same pupil this moment; the next look says so

    # 3 The intents hold everything: the file is needed no more.
    now = desk.clock.now()
    with desk.begin() as session:
        session.execute(
            update(ClassUpload)
            .where(ClassUpload.id == file.id, ClassUpload.state == UploadState.CONFIRMED)
            .values(state=UploadState.ISSUING, erased_at=now, **_ERASED)
            .execution_options(synchronize_session=False)
        )
        audit.record(session, _event(file.id, file.school, "erase"), now=now)
        end_uploads(session, now)  # every row may have been issued before
    return True


def erase_due(desk: Desk) -> bool:
    """Erase the oldest file that led to nothing for :data:`KEPT`; False when there is none."""
    now = desk.clock.now()
    with desk.begin() as session:
        row = session.scalar(_old(now).limit(1).with_for_update())
        if row is None:
            return False
        for column, value in _ERASED.items():
            setattr(row, column, value)
        row.erased_at = now
        if row.state in (UploadState.SENT, UploadState.EXAMINED):
            row.state, row.fault, row.ended_at = UploadState.WITHDRAWN, "too_old", now
        audit.record(session, _event(row.id, row.school_code, "erase"), now=now)
    return True


def _open(vault: Vault, row: ClassUpload) -> _File:
    reason = (open_upload(vault, row, "reason_sealed") or b"").decode("utf-8")
    return _File(
        row.id,
        row.school_code,
        open_upload(vault, row, "content_sealed") or b"",
        (open_upload(vault, row, "name_sealed") or b"").decode("utf-8"),
        reason if row.kind == UploadKind.CORRECTION else None,
        row.choices,
    )


def _examine(
    desk: Desk, store: TrustStore, file: _File
) -> tuple[Examined, Sequence[Work], intake.ClassFile | None]:
    """What the dry run of a command says, as far as it gets. With a problem there is nothing to issue."""
    # 1 The file by itself.
    try:
        read = intake.read_class_file(file.content, file.name)
    except InvalidInput as error:
        return Examined(0, 0, error.problems, (), {}), (), None
    checked = intake.validate(read)
    cells = {row.number: row.cells for row in read.rows}
    rows = [Row(f"dòng {number}", record, cells[number]) for number, record, _ in checked.records]
    problems = list(checked.problems)

    # 2 A school sends its own pupils' (SEC-18).
    problems += [
        Problem(
            row.place("ma_truong"),
            "other_school",
            f"Học bạ của trường mang mã {row.record.issuer}; tài khoản này thuộc trường {file.school}.",
        )
        for row in rows
        if row.record.issuer != file.school
    ]

    # 3 Who signs, and everything that issuing would refuse.
    fields: dict[str, tuple[str, ...]] = {}
    for row in rows:
        lop = row.record.common.lop
        fields[lop] = tuple(dict.fromkeys((*fields.get(lop, ()), *row.record.signature_fields)))
    choices: Choices | None = None
    try:
        choices = Choices.parse(file.choices, "Ai ký")
        unknown = choices.unknown("Ai ký", {lop: frozenset(names) for lop, names in fields.items()})
        problems += unknown if not checked.problems else ()
    except InvalidInput as error:
        problems += error.problems
    works: tuple[Work, ...] = ()
    order = Order(choices, store, file.correction, upload=file.id)
    try:
        works = examine(desk, rows, order, draw=not problems)
    except InvalidInput as error:
        problems += error.problems
    problems.sort(key=row_of)
    already = sum(work.existing is not None for work in works)
    found = Examined(len(read.rows), already, tuple(problems), once(checked.warnings), fields)
    return found, () if problems else works, read


def _write_result(
    session: Session,
    desk: Desk,
    upload: uuid.UUID,
    state: UploadState,
    *,
    examined: Examined,
    with_marks: bytes | None,
) -> None:
    """The person's turn, unless the file was taken back since it stood in ``state``."""
    row = session.get(ClassUpload, upload, with_for_update=True)
    if row is None or row.state != state:
        return
    row.state, row.examined_at, row.confirmed_at = UploadState.EXAMINED, desk.clock.now(), None
    row.tries, row.rows, row.problems = 0, examined.rows, len(examined.problems)
    row.result_sealed = seal_upload(desk.vault, row, "result_sealed", examined.to_json())
    row.marked_sealed = (
        None if with_marks is None else seal_upload(desk.vault, row, "marked_sealed", with_marks)
    )


def _event(upload: uuid.UUID, school: str, change: str) -> Event:
    return Event(
        _WORKER,
        Action.CLASS_UPLOAD,
        Object("upload", upload),
        organisation=school,
        details={"change": change},
    )
