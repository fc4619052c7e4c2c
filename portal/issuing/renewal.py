"""Renewal: registered files lifted to B-LTA, so that they can be judged when certificates and authorities
have gone.

A renewed file is the registered one with a document security store and a document timestamp behind it,
entered as one more file of the same version; both stay genuine. What was renewed is renewed again before the
certificate of its last timestamp ends. For one file:

1. what its signers and timestamps are judged by is gathered from the pinned authorities and lists: of each
   signer a list that was issued after the signature was proven to exist, else it is not yet time;
2. store and timestamp are appended, and our own verifier judges the result, before the file has a name;
3. name and SHA-256 are committed, then the file is stored under that name, create-only, and read back;
4. it is registered in one transaction.

A kill at any point loses nothing: between 3 and 4 a stored file of the committed name is adopted, a missing
one never left its process and is made again.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from itertools import pairwise

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from portal.audit import service as audit
from portal.audit.service import Action, Actor, Event, Object
from portal.audit.service import Outcome as Told
from portal.errors import PortalError, Refusal
from portal.filestore import name_of
from portal.issuing.archiving import Proofs, archive
from portal.issuing.models import Renewal
from portal.ports import Clock, FileStore, Timestamper
from portal.registry import service as registry
from portal.registry.models import Record, RecordVersion, RegisteredFile
from portal.registry.rows import beginnings, open_file, seal_file
from portal.registry.service import NewFile
from portal.trust import store as trust
from portal.vault import Vault
from verifier import pades
from verifier.certificates import Certificate, find_path
from verifier.cms import read_cms
from verifier.errors import Problem
from verifier.intake import contents_of
from verifier.locator import group
from verifier.pades import Beginning, Structure
from verifier.policy import DEFAULT, KeyUse, ValidationPolicy
from verifier.report import TimestampKind, ValidationReport
from verifier.revocation import telling_lists
from verifier.signatures import SignatureFacts
from verifier.timestamps import read_token
from verifier.trust import TrustStore
from verifier.verdict import Standing

#: A file is renewed again when the certificate of its last timestamp ends sooner.
WITHIN = timedelta(days=365)


@dataclass(frozen=True)
class Bench:
    """What renewing works with, chosen by the command, for whom ``actor`` stands in the trail. ``begin``
    opens a transaction and commits at its end.

    ``at`` is told the name of each point between two steps; tests end the process there.
    """

    begin: Callable[[], AbstractContextManager[Session]]
    vault: Vault
    files: FileStore
    clock: Clock
    actor: Actor
    timestamper: Timestamper
    policy: ValidationPolicy = DEFAULT
    at: Callable[[str], None] = lambda point: None


@dataclass(frozen=True, slots=True)
class Source:
    """A registered file that is to be renewed."""

    version_pk: uuid.UUID
    record_pk: uuid.UUID
    school_code: str
    pupil_index: str
    record_id: str
    version: int
    sha256: str
    size: int
    stored_name: str
    registered_at: datetime
    structure: Structure
    wrapped_key: bytes

    @property
    def name(self) -> str:
        return f"{group(self.record_id)} bản số {self.version}"


class State(StrEnum):
    """How a file came out."""

    RENEWED = "renewed"
    WAITING = "waiting"  # for a list newer than its signatures
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file."""

    where: str
    state: State
    problem: Problem | None = None


def due(
    session: Session,
    *,
    now: datetime,
    within: timedelta = WITHIN,
    record_ids: Collection[str] = (),
) -> tuple[str, ...]:
    """SHA-256 of the files to renew, oldest first: of each version (of the named records, of all when none is
    named) the newest file, when it has no document timestamp or the last one's certificate ends ``within``.
    """
    newer = aliased(RegisteredFile)
    rows = session.execute(
        select(RegisteredFile.sha256, RegisteredFile.kind, RegisteredFile.report)
        .join(RecordVersion, RegisteredFile.version_pk == RecordVersion.id)
        .join(Record, RecordVersion.record_pk == Record.id)
        .where(
            RegisteredFile.kind != "extract",
            RegisteredFile.standing != Standing.DESTROYED,
            ~select(newer.id)
            .where(
                newer.version_pk == RegisteredFile.version_pk,
                newer.kind != "extract",
                newer.size > RegisteredFile.size,
            )
            .exists(),
            *([Record.record_id.in_(sorted(record_ids))] if record_ids else []),
        )
        .order_by(RegisteredFile.registered_at, RegisteredFile.id)
    )
    return tuple(row.sha256 for row in rows if row.kind == "issued" or _ends(row.report, now) <= now + within)


def _ends(report: str, now: datetime) -> datetime:
    """When the certificate of the last document timestamp ends, by the last validation's report. One that was
    not finished names none: then the file is due, and is looked at anew.
    """
    stamps = ValidationReport.from_json(json.loads(report)).timestamps
    ends = [t.signer.not_after for t in stamps if t.kind is TimestampKind.DOCUMENT and t.signer is not None]
    return ends[-1] if ends else now


def renew(bench: Bench, hashes: Collection[str]) -> Iterator[Outcome]:
    """Renews each file; one outcome each, in order. A file that fails does not stop others."""
    for each in hashes:
        yield _settle(bench, each)


def _settle(bench: Bench, source_sha256: str) -> Outcome:
    source = _load(bench, source_sha256)
    try:
        _renew(bench, source)
    except Refusal as refusal:
        state = State.WAITING if refusal.code == "lists_older" else State.FAILED
        message = f"{refusal.message} {refusal.hint}".strip()
        if state is State.FAILED:
            _tell(bench, source, Told.REFUSED, refusal.code)
        return Outcome(source.name, state, Problem(source.name, refusal.code, message))
    except PortalError as fault:
        _tell(bench, source, Told.FAILED, type(fault).__name__)
        return Outcome(source.name, State.FAILED, Problem(source.name, type(fault).__name__, str(fault)))
    return Outcome(source.name, State.RENEWED)


def _tell(bench: Bench, source: Source, outcome: Told, reason: str) -> None:
    """A renewal that was not made, for the trail. One that waits for a list is none: it comes by itself."""
    event = Event(
        bench.actor,
        Action.RENEW,
        Object("record", source.record_pk),
        outcome,
        organisation=source.school_code,
        pupil=source.pupil_index,
        details={"version": source.version, "earlier_file": source.sha256, "reason": reason},
    )
    with bench.begin() as session:
        audit.record(session, event, now=bench.clock.now())


def _load(bench: Bench, source_sha256: str) -> Source:
    with bench.begin() as session:
        row = session.execute(
            select(
                RegisteredFile.version_pk,
                RegisteredFile.sha256,
                RegisteredFile.size,
                RegisteredFile.stored_name,
                RegisteredFile.registered_at,
                RegisteredFile.structure,
                RecordVersion.version,
                Record.id.label("record_pk"),
                Record.school_code,
                Record.pupil_index,
                Record.record_id,
                Record.wrapped_key,
            )
            .join(RecordVersion, RegisteredFile.version_pk == RecordVersion.id)
            .join(Record, RecordVersion.record_pk == Record.id)
            .where(RegisteredFile.sha256 == source_sha256)
        ).one()
    return Source(
        version_pk=row.version_pk,
        record_pk=row.record_pk,
        school_code=row.school_code,
        pupil_index=row.pupil_index,
        record_id=row.record_id,
        version=row.version,
        sha256=row.sha256,
        size=row.size,
        stored_name=row.stored_name,
        registered_at=row.registered_at,
        structure=Structure.from_json(json.loads(row.structure)),
        wrapped_key=row.wrapped_key,
    )


def _renew(bench: Bench, source: Source) -> None:
    # 1 What is there: the registered bytes, what of them is older still, today's trust, an earlier try.
    data = _open(bench, source, source.stored_name, source.sha256)
    with bench.begin() as session:
        earlier = (
            *beginnings(session, source.version_pk, source.size),
            Beginning(source.size, source.sha256, source.registered_at),
        )
        store = trust.load_store(session)
        tried = session.scalar(select(Renewal).where(Renewal.source_sha256 == source.sha256))
        before = None if tried is None else (tried.sealed_name, tried.sealed_sha256)

    # 2 A file of an earlier try that was stored and not registered is adopted, while it still counts.
    if before is not None:
        stored = _stored(bench, source, *before)
        if stored is not None:
            try:
                made = _judge(bench, stored, earlier, store)
            except Refusal as refusal:
                if refusal.code == "own_check_incomplete":
                    raise
            else:
                _register(bench, source, before[0], made)
                return

    # 3 The renewed file, judged by our own verifier before it has a name.
    proofs = _gather(bench, source, data, earlier, store)
    bench.at("gathered")
    renewed = archive(data, proofs, bench.timestamper)
    bench.at("timestamped")
    made = _judge(bench, renewed, earlier, store)
    bench.at("validated")

    # 4 The name is committed before the object exists.
    digest = sha256(renewed).hexdigest()
    sealed = seal_file(bench.vault, source.wrapped_key, renewed, sha256=digest, version=source.version)
    with bench.begin() as session:
        row = session.scalar(select(Renewal).where(Renewal.source_sha256 == source.sha256).with_for_update())
        if row is None:
            row = Renewal(id=uuid.uuid4(), source_sha256=source.sha256)
            session.add(row)
        row.sealed_name, row.sealed_sha256, row.created_at = name_of(sealed), digest, bench.clock.now()
    bench.at("sealed")

    # 5 Stored, create-only, and read back.
    bench.files.put_new(name_of(sealed), sealed)
    bench.at("stored")
    if _stored(bench, source, name_of(sealed), digest) != renewed:
        raise PortalError(f"{name_of(sealed)}: what was stored reads differently")

    # 6 Registered.
    _register(bench, source, name_of(sealed), made)


def _open(bench: Bench, source: Source, stored_name: str, digest: str) -> bytes:
    return open_file(
        bench.vault,
        bench.files,
        source.wrapped_key,
        stored_name=stored_name,
        sha256=digest,
        version=source.version,
    )


def _stored(bench: Bench, source: Source, stored_name: str, digest: str) -> bytes | None:
    try:
        return _open(bench, source, stored_name, digest)
    except FileNotFoundError:
        return None


@dataclass(frozen=True, slots=True)
class _Made:
    """A renewed file that our own verifier calls genuine under the trust of ``epoch``."""

    size: int
    report: ValidationReport
    structure: Structure
    epoch: int


def _judge(bench: Bench, renewed: bytes, earlier: tuple[Beginning, ...], store: TrustStore) -> _Made:
    """Our own verifier's word on a renewed file. Raises Refusal when it is not genuine, or its new timestamp
    proves nothing.
    """
    now = bench.clock.now()
    report, structure = pades.validate(
        renewed, store, bench.policy, now, registered_at=now, earlier=earlier, own=True
    )
    documents = [t for t in report.timestamps if t.kind is TimestampKind.DOCUMENT]
    standing = registry.standing_of(report)
    if standing is not Standing.PASSED:
        raise Refusal(
            "own_check_incomplete" if standing is Standing.INCOMPLETE else "own_check_fails",
            "Tệp gia hạn chưa qua kiểm tra của chính hệ thống nên không được đăng ký.",
            "Nạp danh sách thu hồi mới (trust refresh) rồi chạy lại.",
        )
    if not documents or not documents[-1].passed:
        raise unproven_timestamps(report)
    return _Made(len(renewed), report, structure, store.epoch)


def unproven_timestamps(report: ValidationReport) -> Refusal:
    """Why a file with a timestamp that proves nothing is not registered."""
    codes = sorted({c.code for t in report.timestamps if not t.passed for c in t.checks if c.code})
    return Refusal(
        "timestamp_unproven",
        f"Dấu thời gian chưa chứng minh được gì: {', '.join(codes)}.",
        "Ghim tổ chức cấp dấu thời gian (trust add-anchor --purpose timestamping), nạp danh sách thu hồi của "
        "họ.",
    )


def _register(bench: Bench, source: Source, stored_name: str, made: _Made) -> None:
    now = bench.clock.now()
    bench.at("registering")
    with bench.begin() as session:
        row = session.scalar(select(Renewal).where(Renewal.source_sha256 == source.sha256).with_for_update())
        if row is None or row.sealed_name != stored_name:
            raise Refusal("renewed_elsewhere", f"Một lệnh khác đang gia hạn {source.name}.", "Chạy lại.")
        row.registered_at = now
        registry.register_renewed(
            session,
            source.sha256,
            NewFile(
                sha256=made.report.sha256,
                size=made.size,
                stored_name=stored_name,
                report=made.report,
                structure=made.structure,
                epoch=made.epoch,
                policy=bench.policy.name,
                kind="renewed",
            ),
            epoch=trust.current_epoch(session, lock=True),
            actor=bench.actor,
            now=now,
        )
        bench.at("registering, not committed")
    bench.at("registered")


# ------------------------------------------------------------------------------------------ what is kept


def _gather(
    bench: Bench, source: Source, data: bytes, earlier: tuple[Beginning, ...], store: TrustStore
) -> Proofs:
    """Certificates and lists by which every signer and every timestamp authority of the file is judged.

    Raises Refusal ``lists_older`` while a signer's list is from before the signature was proven to exist: a
    later revocation with an earlier effect would not stand in it (EN 319 102-1 clause 5.2.5).
    """
    now, policy = bench.clock.now(), bench.policy
    report = pades.revalidate(
        data, source.structure, store, policy, now, registered_at=source.registered_at, earlier=earlier
    )
    if report.incomplete:
        raise Refusal(
            "not_checked",
            f"Chưa kiểm tra được tệp ({report.incomplete}), nên chưa gia hạn được.",
            "Sửa danh sách tin cậy hoặc đồng hồ của máy, rồi chạy lại.",
        )
    certificates: dict[bytes, None] = {}
    lists: dict[bytes, None] = {}

    def keep(leaf: Certificate, offered: tuple[Certificate, ...], proven: datetime, use: KeyUse) -> None:
        pinned = store.for_timestamps if use is policy.timestamp_use else store
        path = find_path(leaf, offered, pinned, policy, proven, use=use)
        links = () if path is None else path.certificates
        certificates.update(dict.fromkeys(link.der for link in links[1:]))
        for link, authority in pairwise(links):
            telling = telling_lists(link, authority, store)
            if link is leaf and (not telling or telling[0][0] < proven):
                raise Refusal(
                    "lists_older",
                    f"Danh sách thu hồi của {authority.subject_text[:80]} cũ hơn chữ ký.",
                    "Chờ danh sách mới hơn (trust refresh) rồi chạy lại.",
                )
            lists.update(dict.fromkeys(der for _, der in telling[:1]))

    documents = [t for t in report.timestamps if t.kind is TimestampKind.DOCUMENT]
    for facts, judged in zip(source.structure.signatures, report.signatures, strict=True):
        cms = read_cms(_value(data, facts), policy.limits.certificates)
        keep(cms.signer, cms.offered, judged.proven_time or now, policy.key_use)
        for token in (read_token(each, policy.limits.certificates) for each in cms.timestamps):
            keep(token.cms.signer, token.cms.offered, token.generated, policy.timestamp_use)
    for facts, stamp in zip(source.structure.timestamps, documents, strict=True):
        token = read_token(_value(data, facts), policy.limits.certificates)
        keep(token.cms.signer, token.cms.offered, stamp.proven_time, policy.timestamp_use)
    return Proofs(tuple(certificates), tuple(lists))


def _value(data: bytes, facts: SignatureFacts) -> bytes:
    if facts.byte_range is None:
        raise PortalError(f"{facts.field}: a registered file has no unreadable signature")
    return contents_of(data, facts.byte_range)
