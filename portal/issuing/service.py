"""Issuing: from checked rows to registered files. A kill at any point loses nothing and issues nothing twice.

What will be signed is written before anything is signed. For one version of one record:

1. *reserved*: record id, salts, disclosures, header, signing plan, printed words and times are fixed and
   committed;
2. signed role by role, then validated by our own verifier: in memory, done again after a crash;
3. *waiting*, only when a key is elsewhere: the file so far is committed, its digest goes out, a value comes
   in;
4. *sealed*: name and SHA-256 of the finished file are committed, then the file is stored under that name;
5. *registered*: in one transaction with the registry, which supersedes the version before.

Between 4 and 5 the row decides: a stored file of that name is adopted; a missing one never left its process,
so the version is signed again under a new name. Every step compares the state it started from with the state
it leaves, so that two runs of one file cannot register two files for one version.

Rendering and lint come before 1: what cannot be printed reserves nothing. Sessions come as a factory, because
the commits between the steps are the point of it.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from functools import partial
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.audit.service import Action, Actor, Event, Object
from portal.audit.service import Outcome as Told
from portal.errors import PortalError, Refusal
from portal.filestore import name_of
from portal.issuing import deadlines, lint, signing, telling
from portal.issuing.intents import (
    Held,
    Intent,
    Job,
    change,
    elsewhere,
    key_use,
    read,
    seal_held,
    seal_intent,
)
from portal.issuing.keys import Key, KeyRing
from portal.issuing.models import Issuance, PlannedSignature, Stage
from portal.issuing.plan import COMMANDS, Advice, Choices, Seat, seats, unfit
from portal.issuing.rendering import Renderer
from portal.issuing.renewal import unproven_timestamps
from portal.ports import Clock, FileStore, Timestamper
from portal.registry import many
from portal.registry import service as registry
from portal.registry.learners import pupil_index
from portal.registry.models import Record as RecordRow
from portal.registry.models import RecordVersion, RegisteredFile
from portal.registry.rows import open_file, seal_file
from portal.registry.service import KnownRecord, NewFile, NewVersion
from portal.trust import store as trust
from portal.trust.store import SchoolFacts
from portal.vault import Vault
from verifier import pades
from verifier import record as records
from verifier.errors import InvalidInput, Problem
from verifier.locator import Locator, group, new_record_id, url
from verifier.policy import DEFAULT, ValidationPolicy
from verifier.record import Record, comparison_key
from verifier.report import CheckStatus, Role, ValidationReport
from verifier.trust import TrustStore
from verifier.verdict import Standing

SALT_BYTES = 16
RECORD_ID_BYTES = 10
KEPT_BASES = (
    100  # rendered files of one run that stay in memory (0.1-0.2 MB each); the rest is rendered again
)


_RESTART = "Giải quyết xong thì chạy lại; để người khác ký, chạy lại với --restart."


@dataclass(frozen=True)
class Desk:
    """What issuing works with, chosen by the command, for whom ``actor`` stands in the trail. ``begin`` opens
    a transaction and commits at its end; ``advice`` is what is said to whoever issues.

    ``at`` is told the name of each point between two steps; tests end the process there.
    """

    begin: Callable[[], AbstractContextManager[Session]]
    vault: Vault
    files: FileStore
    clock: Clock
    actor: Actor
    renderer: Renderer
    ring: KeyRing
    public_url: str
    system_name: str
    owner: str
    timestamper: Timestamper | None = None
    policy: ValidationPolicy = DEFAULT
    advice: Advice = COMMANDS
    random: Callable[[int], bytes] = secrets.token_bytes
    at: Callable[[str], None] = lambda point: None


@dataclass(frozen=True, slots=True)
class Row:
    """A checked record and where it stands in its file; ``cells``: field -> cell, as far as there are any."""

    where: str
    record: Record
    cells: Mapping[str, str] = field(default_factory=dict)

    def place(self, name: str) -> str:
        """Where a person finds the field ``name`` of this row."""
        cell = self.cells.get(name)
        return f"{self.where}, ô {cell} ({name})" if cell else f"{self.where}, {name}"


@dataclass(frozen=True, slots=True)
class Order:
    """How the rows of one run are to be issued.

    ``choices`` None: the plan file is wrong, and who signs cannot be looked at. ``correction`` is the reason
    for a new version of records that exist; None issues version 1. ``restart`` gives up what is unfinished
    (nothing of it is registered) and begins anew, with other content or other signers. ``upload`` is the
    file that a person sent: then each signature waits for its own person (``portal.issuing.people``).
    """

    choices: Choices | None
    store: TrustStore
    correction: str | None = None
    restart: bool = False
    upload: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """One row ready to be issued. ``existing``: the issuance it resumes; else ``intent`` is reserved first.

    ``base`` is the file rendered from ``intent``, kept so that it is not rendered twice.
    """

    where: str
    school_code: str
    pupil_index: str
    content_index: str
    version: int
    known: KnownRecord | None
    existing: uuid.UUID | None = None
    restarts: uuid.UUID | None = None
    intent: Intent | None = None
    base: bytes | None = None


class State(StrEnum):
    """How a row came out."""

    ISSUED = "issued"
    ALREADY = "already"  # the same content was issued before
    WAITING = "waiting"  # for a signature made elsewhere
    FAILED = "failed"  # see the problem; run again when it is solved


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one row."""

    where: str
    state: State
    record_id: str = ""
    version: int = 0
    url: str = ""
    waiting_for: str | None = None
    problems: tuple[Problem, ...] = ()


# -------------------------------------------------------------------------------- before anything is written


def examine(desk: Desk, rows: Sequence[Row], order: Order, *, draw: bool = True) -> tuple[Work, ...]:
    """What there is to do for ``rows``; nothing is written. Raises InvalidInput with the problems of all
    rows.

    ``draw=False``: the file has mistakes already and only more of them are looked for; no page is rendered,
    and what comes back cannot be issued.
    """
    problems = _repeated(rows)
    works: list[Work] = []
    today = desk.clock.now().astimezone(signing.VIETNAM).date()
    for row in rows:
        found: list[Problem] = []
        with desk.begin() as session:
            school = trust.school_on(session, row.record.issuer, row.record.issued_on)
            place = _place(session, desk, row.record, order, found)
            if school is not None:
                found += _ended_problems(session, row.record.issuer, today)
        found += _school_problems(row.record, school)
        if row.record.issued_on > today:
            found.append(Problem("ngay_ky_phat_hanh", "future", "Ngày ký phát hành còn ở phía trước."))
        if place is not None and place.existing is None and school is not None and not found:
            try:
                place = _draft(desk, row.record, place, school, order, draw=draw)
            except InvalidInput as error:
                found += error.problems
        problems += (replace(p, where=row.place(p.where)) for p in found)
        if place is not None:
            keep = len(works) < KEPT_BASES
            works.append(replace(place, where=row.where, base=place.base if keep else None))
    if problems:
        raise InvalidInput(tuple(problems))
    return tuple(works)


def unfit_signers(desk: Desk, job: Job, store: TrustStore) -> tuple[Problem, ...]:
    """Whose signature on ``job`` our own check would not accept now (see ``plan.unfit``), and what to do."""
    return tuple(replace(p, message=f"{p.message} {_RESTART}") for p in _unfit(desk, job, store))


def _unfit(desk: Desk, job: Job, store: TrustStore) -> tuple[Problem, ...]:
    waiting = job.held.prepared if job.held else None

    def find(certificate: str) -> tuple[bytes, tuple[bytes, ...]] | None:
        found = _certificate(desk, certificate)
        if found is None and waiting is not None and sha256(waiting.certificate).hexdigest() == certificate:
            return waiting.certificate, waiting.chain
        return found

    now = desk.clock.now()
    return unfit(
        job.intent.seats,
        job.school_code,
        find,
        store=store,
        policy=desk.policy,
        now=now,
        advice=desk.advice,
    )


def unfit_resumed(desk: Desk, works: Sequence[Work], store: TrustStore) -> tuple[Problem, ...]:
    """The same for the unfinished versions that ``works`` would go on with."""
    problems: list[Problem] = []
    for work in works:
        if work.existing is None:
            continue
        job = load(desk, work.existing)
        if job.stage in (Stage.RESERVED, Stage.WAITING):
            found = unfit_signers(desk, job, store)
            problems += (replace(p, where=f"{work.where}, {p.where}") for p in found)
    return tuple(problems)


def check_signers(desk: Desk, job: Job, store: TrustStore) -> None:
    """Before a key is used or a signature taken. Raises Refusal when one of the plan's signers would not be
    accepted.
    """
    problems = _unfit(desk, job, store)
    if problems:
        sentences = dict.fromkeys(problem.message for problem in problems)
        raise Refusal(problems[0].code, " ".join(sentences), _RESTART)


def _certificate(desk: Desk, sha256_hex: str) -> tuple[bytes, tuple[bytes, ...]] | None:
    key = desk.ring.find(sha256_hex)
    return None if key is None else (key.certificate, key.chain)


def _repeated(rows: Sequence[Row]) -> list[Problem]:
    """Rows for a pupil and year that another row of the file is for, too."""
    count = Counter((r.record.issuer, r.record.ma_hoc_sinh, r.record.year) for r in rows)
    return [
        Problem(
            r.place("ma_hoc_sinh"),
            "repeated",
            f"Mã học sinh {r.record.ma_hoc_sinh} xuất hiện nhiều lần cho năm học {r.record.year}.",
        )
        for r in rows
        if count[r.record.issuer, r.record.ma_hoc_sinh, r.record.year] > 1
    ]


def _school_problems(record: Record, school: SchoolFacts | None) -> list[Problem]:
    """What the record says of its school against our table on the day of issue; the record prints it."""
    if school is None:
        return [
            Problem(
                "ma_truong",
                "unknown_school",
                f"Không có trường nào mang mã {record.issuer} hoạt động ngày {record.issued_on:%d/%m/%Y}.",
            )
        ]
    problems = []
    if record.level not in school.levels:
        problems.append(
            Problem("level", "level", f"{school.name} không dạy cấp {record.level}; cấp đã đăng ký: "
                    f"{', '.join(school.levels)}.")
        )  # fmt: skip
    for name, ours in (
        ("truong", school.name),
        ("xa_phuong", school.commune),
        ("quan_huyen", school.district),
        ("tinh_thanh", school.province),
    ):
        said = getattr(record.common, name) or ""
        if comparison_key(said) != comparison_key(ours or ""):
            problems.append(
                Problem(name, "other_school", f"Học bạ ghi “{said}”, danh mục trường ghi “{ours or ''}”.")
            )
    return problems


def _ended_problems(session: Session, code: str, today: date) -> list[Problem]:
    """A school that is no more issues nothing, whatever day the record names."""
    ended = trust.ended_school(session, code, today)
    if ended is None:
        return []
    message = (
        f"{ended.name} (mã {code}) đã kết thúc sau ngày {ended.valid_to:%d/%m/%Y} nên không cấp hay sửa học "
        "bạ được nữa, dù học bạ ghi ngày trước đó."
    )
    if ended.successor_code is not None:
        name = trust.school_name(session, ended.successor_code, today)
        message += f" Trường kế tục: {name or 'chưa đăng ký'} (mã {ended.successor_code})."
    return [Problem("ma_truong", "school_ended", message)]


def _place(session: Session, desk: Desk, record: Record, order: Order, found: list[Problem]) -> Work | None:
    """Which version this content is or becomes; None with a problem when it may not be issued."""
    pupil = pupil_index(desk.vault, record.issuer, record.ma_hoc_sinh)
    content = desk.vault.blind_index(
        json.dumps(record.to_input(), ensure_ascii=False, sort_keys=True), domain="issued content"
    )
    known = registry.find_record(session, pupil=(record.issuer, pupil, record.year))
    rows = {
        row.version: row
        for row in session.scalars(
            select(Issuance).filter_by(school_code=record.issuer, pupil_index=pupil, year=record.year)
        )
    }

    # 1 A first issue is version 1; a correction follows the newest registered version.
    if order.correction is None:
        version = 1
    elif known is None:
        found.append(
            Problem("ma_hoc_sinh", "not_issued", f"Chưa có học bạ nào được cấp để sửa; {desk.advice.first}.")
        )
        return None
    else:
        newest = rows.get(known.newest_version)
        if newest is not None and newest.content_index == content:
            return Work("", record.issuer, pupil, content, newest.version, known, existing=newest.id)
        version = known.newest_version + 1
        found += _correction_problems(session, desk, record, known)

    # 2 The same key again: the same content goes on, another is refused.
    row = rows.get(version)
    work = Work("", record.issuer, pupil, content, version, known)
    if row is None:
        return work
    unfinished = row.stage in (Stage.RESERVED, Stage.WAITING)
    if unfinished and order.restart:
        return replace(work, restarts=row.id)
    if row.content_index == content:
        return replace(work, existing=row.id)
    found.append(
        Problem(
            "ma_hoc_sinh",
            "other_content",
            f"Học sinh này đã có bản số {version} với nội dung khác. "
            + (desk.advice.unfinished if unfinished else desk.advice.correct),
        )
    )
    return None


def _correction_problems(session: Session, desk: Desk, record: Record, known: KnownRecord) -> list[Problem]:
    """A new version is of the same record: what the registry would refuse at the end is said at the start."""
    before = registry.open_record(session, desk.vault, known.record_id, known.newest_version)
    if before is None:
        return []
    same = {"level": record.level.value, "scheme": record.scheme.value, "grade": record.grade}
    problems = [
        Problem(
            name,
            "other_record",
            f"Bản đã cấp ghi “{before.header[name]}”, bản sửa ghi “{value}”; cấp nhầm thì thu hồi.",
        )
        for name, value in same.items()
        if before.header[name] != value
    ]
    today = desk.clock.now().astimezone(signing.VIETNAM).date()
    problems += deadlines.problems(session, record, before, known.newest_version + 1, today)
    if record.issued_on < date.fromisoformat(before.header["issued_on"]):
        problems.append(
            Problem("ngay_ky_phat_hanh", "before_earlier", "Bản sửa không thể ký trước bản mà nó thay.")
        )
    return problems


def _draft(desk: Desk, record: Record, work: Work, school: SchoolFacts, order: Order, *, draw: bool) -> Work:
    """The intent for a new version, rendered and linted. Raises InvalidInput."""
    known, now = work.known, desk.clock.now()
    if order.choices is None:
        return work
    chosen = seats(
        record,
        order.store.signers,
        desk.ring,
        order.choices,
        school_name=school.name,
        now=now,
        advice=desk.advice,
    )
    find = partial(_certificate, desk)
    found = unfit(
        chosen, record.issuer, find, store=order.store, policy=desk.policy, now=now, advice=desk.advice
    )
    if found:
        raise InvalidInput(found)
    if not draw:
        return work
    disclosures = records.make_disclosures(record.fields(), lambda: desk.random(SALT_BYTES))
    record_id = known.record_id if known else new_record_id(desk.random(RECORD_ID_BYTES))
    header = records.make_header(
        record, record_id=record_id, version=work.version, issued_on=record.issued_on, disclosures=disclosures
    )
    intent = Intent(
        record=record,
        record_id=record_id,
        version=work.version,
        header=header,
        disclosures=disclosures,
        seats=chosen,
        school_name=school.name,
        url=url(desk.public_url, Locator(record_id, records.digest(header))),
        system_name=desk.system_name,
        owner=desk.owner,
        reserved_at=now,
        reason=order.correction or "",
    )
    return replace(work, intent=intent, base=render(desk, intent))


def render(desk: Desk, intent: Intent) -> bytes:
    """The base file. Raises InvalidInput for what cannot be printed, and when the pages do not say the
    record.
    """
    base = desk.renderer.render(intent.record, intent.header, intent.disclosures, intent.url, intent.meta)
    problems = lint.lint(
        base, intent.record, intent.header, intent.url, disclosures=intent.disclosures, meta=intent.meta
    )
    if problems:
        raise InvalidInput(problems)
    return base


# --------------------------------------------------------------------------------------------- the pipeline


def issue(desk: Desk, works: Sequence[Work], store: TrustStore) -> Iterator[Outcome]:
    """Brings every work as far as it goes now; one outcome each, in order. A row that fails does not stop
    others.
    """
    batch = uuid.uuid4()
    for work in works:
        event = _attempt(desk, work.school_code, work.pupil_index, work.version, work.existing)
        yield settle(desk, work.where, partial(_bring, desk, work, store, batch), event)


def _bring(desk: Desk, work: Work, store: TrustStore, batch: uuid.UUID) -> Outcome:
    return proceed(desk, work.existing or reserve(desk, work, batch), store, base=work.base)


def attempt(desk: Desk, job: Job) -> Event:
    """What bringing ``job`` further is in the trail, should it be refused."""
    return _attempt(desk, job.school_code, job.pupil_index, job.intent.version, job.id)


def _attempt(desk: Desk, school: str, pupil: str, version: int, issuance: uuid.UUID | None) -> Event:
    return Event(
        desk.actor,
        Action.ISSUE if version == 1 else Action.CORRECT,
        None if issuance is None else Object("issuance", issuance),
        organisation=school,
        pupil=pupil,
        details={"version": version},
    )


def settle(desk: Desk, where: str, step: Callable[[], Outcome], event: Event) -> Outcome:
    """The outcome of ``step``; what it refuses becomes a failed row, told by the trail as ``event``. A fault
    of ours still ends the run.
    """
    told = Told.REFUSED
    try:
        return replace(step(), where=where)
    except InvalidInput as error:
        problems = error.problems
    except Refusal as error:
        problems = (Problem(where, error.code, f"{error.message} {error.hint}".strip()),)
    except PortalError as error:
        told, problems = Told.FAILED, (Problem(where, type(error).__name__, str(error)),)
    details = {**event.details, "reason": problems[0].code, "count": len(problems)}
    with desk.begin() as session:
        audit.record(session, replace(event, outcome=told, details=details), now=desk.clock.now())
    return Outcome(where, State.FAILED, problems=problems)


def proceed(desk: Desk, issuance: uuid.UUID, store: TrustStore, *, base: bytes | None = None) -> Outcome:
    """One version from wherever it stands to *registered*, or to the next signature that is made elsewhere.

    Raises Refusal, InvalidInput or PortalError; then the row is unchanged and the call may be repeated.
    """
    job = load(desk, issuance)

    # 1 Done before?
    if job.stage is Stage.REGISTERED:
        return _outcome(job, State.ALREADY)

    # 2 Sealed before: the file is there, or it never left the process that made it.
    if job.stage is Stage.SEALED:
        data = _stored(desk, job)
        if data is not None:
            return _register(desk, job, data, store)

    # 3 Signed by every role whose key is at hand. What a key did is told in the transaction that first keeps
    #   its signature, or by itself when the signature is given up.
    uses: list[Event] = []
    try:
        signed = _sign(desk, job, base, store, uses)
        if signed is None:
            waiting = load(desk, issuance)
            return replace(_outcome(waiting, State.WAITING), waiting_for=next_field(waiting))
        desk.at("signed")

        # 4 Our own verifier's word, before the file has a name.
        checked = _validate(desk, job, signed, store)
        desk.at("validated")

        # 5 The name is committed before the object exists.
        digest = sha256(signed).hexdigest()
        sealed = seal_file(desk.vault, job.wrapped_key, signed, sha256=digest, version=job.intent.version)
        job = _advance(desk, job, uses, stage=Stage.SEALED, sealed_sha256=digest, sealed_name=name_of(sealed))
    except BaseException:  # whatever ends it, a fault of ours and Ctrl-C too
        if uses:
            with desk.begin() as session:
                lost = (replace(use, outcome=Told.FAILED) for use in uses)
                audit.record(session, *lost, now=desk.clock.now())
        raise
    desk.at("sealed")

    # 6 Stored, create-only, and read back.
    desk.files.put_new(name_of(sealed), sealed)
    desk.at("stored")
    if _stored(desk, job) != signed:
        raise PortalError(f"{name_of(sealed)}: what was stored reads differently")

    # 7 Registered.
    return _register(desk, job, signed, store, checked)


def reserve(desk: Desk, work: Work, batch: uuid.UUID, *, upload: uuid.UUID | None = None) -> uuid.UUID:
    """The intent, committed; of an upload with the signatures that wait for their people. Raises Refusal when
    another run was first.
    """
    intent = work.intent
    if intent is None:
        raise PortalError(f"{work.where}: nothing to reserve")
    desk.at("reserving")
    now = desk.clock.now()
    row = Issuance(
        id=uuid.uuid4(),
        school_code=intent.record.issuer,
        pupil_index=work.pupil_index,
        year=intent.record.year,
        version=intent.version,
        record_id=intent.record_id,
        content_index=work.content_index,
        stage=Stage.RESERVED,
        wrapped_key=work.known.wrapped_key if work.known else desk.vault.new_key(),
        issued_on=intent.record.issued_on,
        created_at=now,
        updated_at=now,
        batch=batch,
        upload_pk=upload,
        school_class=intent.record.common.lop if upload else "",
    )
    row.intent_sealed = seal_intent(desk.vault, row, intent)
    identity = row.id
    try:
        with desk.begin() as session:
            if work.restarts is not None:
                unfinished = session.get(Issuance, work.restarts, with_for_update=True)
                if unfinished is None or unfinished.stage not in (Stage.RESERVED, Stage.WAITING):
                    raise elsewhere(intent)
                session.delete(unfinished)
                session.flush()
            session.add(row)
            session.flush()
            if upload is not None:
                session.add_all(_planned(identity, seat) for seat in intent.seats)
    except IntegrityError as error:
        raise elsewhere(intent) from error
    desk.at("reserved")
    return identity


def _planned(issuance: uuid.UUID, seat: Seat) -> PlannedSignature:
    role = Role(seat.field.partition(".")[0])
    return PlannedSignature(
        id=uuid.uuid4(),
        issuance_pk=issuance,
        field=seat.field,
        rank=_RANK[role],
        certificate_sha256=seat.certificate_sha256,
        capacity=seat.capacity,
    )


#: Who signs before whom; subject teachers in any order among them.
_RANK: Final = {Role.GVBM: 0, Role.GVCN: 1, Role.CBQL: 2, Role.KY_PHAT_HANH: 3}


def load(desk: Desk, issuance: uuid.UUID) -> Job:
    with desk.begin() as session:
        return read(desk.vault, session.get_one(Issuance, issuance))


def _advance(desk: Desk, job: Job, uses: list[Event], **values: Any) -> Job:
    """To the next stage; the signatures that are kept by it are told by it, which empties ``uses``."""
    now = desk.clock.now()
    with desk.begin() as session:
        change(session, job, now, **values)
        audit.record(session, *uses, now=now)
    uses.clear()
    return load(desk, job.id)


def _sign(desk: Desk, job: Job, base: bytes | None, store: TrustStore, uses: list[Event]) -> bytes | None:
    """The finished file, or None: the row now waits for a signature made elsewhere. ``uses`` takes up what
    was signed and is not yet told.
    """
    intent, held = job.intent, job.held

    # 1 Where the last wait ended, or at the beginning.
    if job.waits_for_people:
        return None
    signed: tuple[str, ...] = ()
    if held is None:
        pdf, at = base or render(desk, intent), intent.reserved_at
        desk.at("rendered")
    elif held.prepared is not None:
        return None
    else:
        pdf, signed, at = held.pdf, held.signed, desk.clock.now()

    # 2 Nobody signs a file that another signer of the plan would spoil.
    check_signers(desk, job, store)

    # 3 Role by role.
    for seat in intent.seats:
        if seat.field in signed:
            continue
        key = _key(desk, seat)
        so_far = Held(pdf, signed)
        prepared = prepare(desk, job, seat, key, so_far, at=at)
        if key.external:
            desk.at("prepared")
            waiting = seal_held(desk.vault, job, so_far.waiting(prepared))
            _advance(
                desk,
                job,
                uses,
                stage=Stage.WAITING,
                next_field=seat.field,
                signatures=len(signed),
                sealed_name=None,
                sealed_sha256=None,
                stage_sealed=waiting,
            )
            desk.at("waiting")
            return None
        value = key.sign_digest(prepared.digest)
        uses.append(key_use(job, prepared, key="local", actor=desk.actor))
        pdf = complete(desk, job, prepared, value, signed)
        signed = (*signed, seat.field)
        desk.at("signed one")
    return pdf


def prepare(desk: Desk, job: Job, seat: Seat, key: Key, held: Held, *, at: datetime) -> signing.Prepared:
    """The file so far, ready for the value of ``seat``. Raises SigningFault."""
    last = len(held.signed) == len(job.intent.seats) - 1
    return signing.prepare(
        held.pdf,
        seat.field,
        key.certificate,
        key.chain,
        at=at,
        first=not held.signed,
        last=last,
        lines=seat.lines,
        timestamped=last and desk.timestamper is not None,
    )


def complete(
    desk: Desk, job: Job, prepared: signing.Prepared, value: bytes, signed: tuple[str, ...]
) -> bytes:
    """The file with the value in it. Raises SigningFault and what a timestamp authority raises."""
    last = len(signed) == len(job.intent.seats) - 1
    return signing.complete(prepared, value, desk.timestamper if last else None)


def next_field(job: Job) -> str | None:
    """The first field of the plan that is not signed; of an upload others of its rank may come before it."""
    signed = job.held.signed if job.held else ()
    return next((seat.field for seat in job.intent.seats if seat.field not in signed), None)


def _key(desk: Desk, seat: Seat) -> Key:
    key = desk.ring.find(seat.certificate_sha256)
    if key is None:
        raise Refusal(
            "key_missing",
            f"{seat.field}: SIGNING_KEYS không còn khoá của chứng thư số {seat.certificate_sha256[:8]}.",
            "Thêm lại khoá, hoặc chạy lại với --restart để lập kế hoạch ký mới.",
        )
    return key


def _validate(
    desk: Desk, job: Job, data: bytes, store: TrustStore
) -> tuple[ValidationReport, pades.Structure]:
    """Our own verifier's report. Raises Refusal when it would not answer GENUINE."""
    now = desk.clock.now()
    report, structure = pades.validate(data, store, desk.policy, now, registered_at=now, own=True)
    standing = registry.standing_of(report)
    if standing is Standing.PASSED:
        if not all(stamp.passed for stamp in report.timestamps):
            raise unproven_timestamps(report)
        return report, structure
    reasons = sorted(
        {
            f"{signature.field}: {check.name} ({check.code})"
            for signature in report.signatures
            for check in signature.checks
            if check.status not in (CheckStatus.PASSED, CheckStatus.NOT_AVAILABLE)
        }
        | {
            f"{check.name} ({check.code})"
            for check in report.checks
            if check.status not in (CheckStatus.PASSED, CheckStatus.NOT_AVAILABLE)
        }
        | {reason for reason in (report.problem, report.incomplete) if reason}
    )
    raise Refusal(
        "own_check_incomplete" if standing is Standing.INCOMPLETE else "own_check_fails",
        f"Học bạ {group(job.intent.record_id)} đã ký nhưng chưa qua kiểm tra: {'; '.join(reasons)}.",
        "Nạp danh sách thu hồi (CRL) mới rồi chạy lại."
        if standing is Standing.INCOMPLETE
        else "Kiểm tra chứng thư số và việc duyệt người ký rồi chạy lại.",
    )


def _stored(desk: Desk, job: Job) -> bytes | None:
    """The sealed file as it is in the store; None when it is not there."""
    if job.sealed_name is None or job.sealed_sha256 is None:
        return None
    try:
        return open_file(
            desk.vault,
            desk.files,
            job.wrapped_key,
            stored_name=job.sealed_name,
            sha256=job.sealed_sha256,
            version=job.intent.version,
        )
    except FileNotFoundError:
        return None


def _register(
    desk: Desk,
    job: Job,
    data: bytes,
    store: TrustStore,
    checked: tuple[ValidationReport, pades.Structure] | None = None,
) -> Outcome:
    """The sealed, stored file into the registry, in one transaction with the end of the issuance."""
    report, structure = checked or _validate(desk, job, data, store)
    intent, stored_name = job.intent, str(job.sealed_name)
    desk.at("registering")
    with desk.begin() as session:
        change(session, job, desk.clock.now(), stage=Stage.REGISTERED, stage_sealed=None, next_field=None)
        registry.register(
            session,
            desk.vault,
            NewVersion(
                record_id=intent.record_id,
                version=intent.version,
                school_code=job.school_code,
                school_name=intent.school_name,
                pupil_index=job.pupil_index,
                header=intent.header,
                disclosures=intent.disclosures,
                wrapped_key=job.wrapped_key,
                issuance=job.id,
            ),
            NewFile(
                sha256=sha256(data).hexdigest(),
                size=len(data),
                stored_name=stored_name,
                report=report,
                structure=structure,
                epoch=store.epoch,
                policy=desk.policy.name,
            ),
            epoch=trust.current_epoch(session, lock=True),
            actor=desk.actor,
            now=desk.clock.now(),
        )
        record = intent.record
        telling.tell(
            session,
            desk.vault,
            intent.record_id,
            grade=record.grade,
            year=record.year,
            recalled=False,
            now=desk.clock.now(),
        )
        desk.at("registering, not committed")
    desk.at("registered")
    return _outcome(job, State.ISSUED)


def _outcome(job: Job, state: State) -> Outcome:
    return Outcome("", state, job.intent.record_id, job.intent.version, job.intent.url)


# ------------------------------------------------------------------------------------------ what was issued


@dataclass(frozen=True, slots=True)
class Issued:
    """A registered version: ``state`` is current, superseded or recalled; ``current`` the version in
    circulation, None when there is none.
    """

    record_id: str
    version: int
    state: str
    current: int | None
    sha256: str


def find_issued(session: Session, record_id: str, version: int | None = None) -> Issued | None:
    """A version of a record, by default the one in circulation; None when there is no such version."""
    rows = session.execute(
        select(RecordVersion.version, RecordVersion.state, RegisteredFile.sha256)
        .join(RecordRow, RecordVersion.record_pk == RecordRow.id)
        .join(RegisteredFile, RegisteredFile.version_pk == RecordVersion.id)
        .where(RecordRow.record_id == record_id, RegisteredFile.kind == "issued")
    ).all()
    current = next((row.version for row in rows if row.state == "current"), None)
    wanted = current if version is None else version
    return next(
        (
            Issued(record_id, row.version, row.state, current, row.sha256)
            for row in rows
            if row.version == wanted
        ),
        None,
    )


def hand_out(
    session: Session,
    vault: Vault,
    files: FileStore,
    issued: Issued,
    folder: Path,
    *,
    basis: str | None = None,
    decision: uuid.UUID | None = None,
    actor: Actor,
    now: datetime,
) -> Path:
    """Writes the sealed file as ``<class>-<record id>-v<version>.pdf``, readable by its owner alone. The
    trail has it as a disclosure to whoever runs the school's desk, written before the file has its name.

    ``basis`` and ``decision`` as :func:`portal.registry.many.tell_copy` (SEC-24). The same bytes may be there
    already; other bytes are never overwritten. Raises Refusal.
    """
    data = registry.read_file(session, vault, files, issued.sha256)
    content = registry.open_record(session, vault, issued.record_id, issued.version)
    if data is None or content is None:
        raise PortalError(f"{issued.record_id} v{issued.version}: not registered")
    many.tell_copy(
        session,
        issued.record_id,
        issued.version,
        issued.sha256,
        basis=basis,
        decision=decision,
        actor=actor,
        now=now,
    )
    school_class = re.sub(r"[^\w-]+", "_", str(content.fields["lop"]))
    path = folder / f"{school_class}-{issued.record_id}-v{issued.version}.pdf"
    try:
        # Linked when it is whole: a run that ends in between leaves no part of a file under the name.
        with NamedTemporaryFile(dir=folder, prefix=".", suffix=".draft") as draft:  # 0600
            draft.write(data)
            draft.flush()
            try:
                os.link(draft.name, path)
            except FileExistsError:
                if path.read_bytes() != data:
                    raise Refusal(
                        "other_file",
                        f"{path} đã có với nội dung khác; không ghi đè.",
                        "Hãy chọn thư mục khác.",
                    ) from None
    except OSError as error:
        raise Refusal(
            "not_written",
            f"Không ghi được {path}: {error.strerror}.",
            "Học bạ đã cấp còn nguyên; chạy lại với thư mục khác, hoặc dùng lệnh export.",
        ) from error
    return path
