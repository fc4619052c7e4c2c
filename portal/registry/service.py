"""What the registry may do and answer. It decides: a version exists here or it was never issued.

Nothing issued is edited: a correction adds a version and supersedes the one before, a recall adds a state. A
code is answered from the report that is stored with the version's file; a change in trust withdraws that
answer (:func:`withdraw_standing`) until the file is validated anew (:func:`revalidate`), so that a scan and
an upload of the same version never contradict each other.
"""

from __future__ import annotations

import hmac
import json
import re
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import (
    Connection,
    and_,
    case,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session, selectinload

from portal.audit import service as audit
from portal.audit.service import Action, Actor, Event, Object
from portal.database import Row, changed
from portal.errors import Refusal
from portal.filestore import CorruptFile
from portal.ports import FileStore
from portal.registry.learners import learner_index
from portal.registry.models import FileCertificate, Record, RecordVersion, RegisteredFile
from portal.registry.rows import (
    UNDECIDED,
    PublicRecord,
    beginnings,
    file_rows,
    locator_rows,
    open_column,
    open_file,
    open_public,
    public_of,
    record_rows,
    same_work,
    seal_column,
    seal_file,
    state_since,
    version_facts,
)
from portal.trust.service import note_timestamp_units
from portal.vault import DESTROYED, Vault, VaultError
from verifier import record as records
from verifier.errors import InvalidInput, Problem
from verifier.locator import Hosts, Kind, Locator, parse_record_id, read_code, short_digest, strangest
from verifier.pades import Beginning, Structure
from verifier.pades import revalidate as validate_again
from verifier.policy import DEFAULT, ValidationPolicy
from verifier.report import CheckName, CheckStatus, Role, ValidationReport
from verifier.trust import TrustStore
from verifier.verdict import (
    CodeFacts,
    CodeKind,
    Outcome,
    RegistryFacts,
    Standing,
    VersionFacts,
    VersionState,
    decide,
)
from verifier.words import RECALL_REASONS

__all__ = [
    "REASON_CLASSES",
    "FoundFile",
    "Issued",
    "IssuedVersion",
    "KnownRecord",
    "NewFile",
    "NewVersion",
    "OpenRecord",
    "PublicRecord",
    "Registered",
    "Revalidated",
    "answering_file",
    "birth",
    "born",
    "facts_for",
    "file_key",
    "find_file",
    "find_record",
    "fresh_until",
    "is_undecided",
    "issued",
    "look_up_locator",
    "look_up_typed",
    "newest_file",
    "open_record",
    "public_record",
    "read_birth",
    "read_file",
    "recall",
    "record_id_of",
    "refuse_destroyed",
    "register",
    "register_renewed",
    "registry_facts_export",
    "revalidate",
    "seal_file",
    "standing_of",
    "stored_report",
    "trail_event",
    "trail_object",
    "version_today",
    "withdraw_standing",
]

#: Reason classes of a recall, as the public sees them; their words stand in the one table of words.
REASON_CLASSES: Final = tuple(code for code in RECALL_REASONS if code != "unspecified")

#: ``fresh_until`` of a standing that does not lapse.
FOR_EVER: Final = datetime(9999, 1, 1, tzinfo=UTC)

_BIRTHS: Final = tuple(
    re.compile(form, re.ASCII)
    for form in (
        r"(?P<day>\d{1,2})[\s/.-]+(?P<month>\d{1,2})[\s/.-]+(?P<year>\d{4})",
        r"(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})",
        r"(?P<day>\d{2})(?P<month>\d{2})(?P<year>\d{4})",
        r"(?P<year>\d{4})",
    )
)
_SINCE: Final = ("state", "superseded_at", "recalled_at")
_MANY = 500  # values of one IN (…): below the limits of both databases


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A version to register. ``header`` and ``disclosures`` are the canonical record; ``school_name`` is the
    name on the day of issue; ``wrapped_key`` is the record's data key (for a later version: the one it has);
    ``issuance`` the key of its write-ahead row, by which the trail joins it with the uses of signing keys.
    """

    record_id: str
    version: int
    school_code: str
    school_name: str
    pupil_index: str
    header: Mapping[str, Any]
    disclosures: tuple[str, ...]
    wrapped_key: bytes
    issuance: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class NewFile:
    """The sealed file of a version: stored under ``stored_name``, validated under trust epoch ``epoch``."""

    sha256: str
    size: int
    stored_name: str
    report: ValidationReport
    structure: Structure
    epoch: int
    policy: str = DEFAULT.name
    kind: str = "issued"


@dataclass(frozen=True, slots=True)
class Registered:
    """``already`` says that exactly this file was registered before, and nothing was changed."""

    record_id: str
    version: int
    already: bool


@dataclass(frozen=True, slots=True)
class KnownRecord:
    """A record that exists, for whoever issues its next version."""

    record_id: str
    school_code: str
    pupil_index: str
    grade: int
    year: str
    newest_version: int
    current_version: int | None
    wrapped_key: bytes


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A registered file, for a check of the same bytes. ``structure`` opens the verifier's fast path;
    ``earlier`` are files of the same version that this one may continue.
    """

    facts: VersionFacts
    kind: str
    size: int
    registered_at: datetime
    structure: Structure
    earlier: tuple[Beginning, ...] = ()


@dataclass(frozen=True, slots=True)
class OpenRecord:
    """The whole content of one version, decrypted: for whoever holds the genuine file, and for comparing."""

    record_id: str
    version: int
    header: dict[str, Any]
    disclosures: tuple[str, ...]
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class IssuedVersion:
    """One version of a record and what became of it."""

    version: int
    digest: bytes
    state: VersionState
    since: datetime | None
    recall_reason: str | None
    school_name: str
    issued_on: date


@dataclass(frozen=True, slots=True)
class Issued:
    """A record that exists, for whoever answers for who may see what of it. ``key`` names it in the trail."""

    key: uuid.UUID
    record_id: str
    school_code: str
    pupil_index: str
    level: str
    grade: int
    year: str
    versions: tuple[IssuedVersion, ...]  # oldest first

    @property
    def shown(self) -> IssuedVersion:
        """The version that speaks for the record today: the current one, or the newest when all are taken
        back.
        """
        return next((v for v in self.versions if v.state is VersionState.CURRENT), self.versions[-1])


@dataclass(frozen=True, slots=True)
class Revalidated:
    """One batch: how many files now stand how. ``more`` says that files are left, ``unreadable`` are the
    store's names of files that are lost or damaged there; they are among the incomplete ones. ``why`` are the
    codes of what kept the others from being finished (``crl_stale`` …), each once.
    """

    passed: int
    failed: int
    incomplete: int
    more: bool
    unreadable: tuple[str, ...] = ()
    why: tuple[str, ...] = ()

    @property
    def files(self) -> int:
        return self.passed + self.failed + self.incomplete


# ------------------------------------------------------------------------------------------------ writing


def register(
    session: Session, vault: Vault, new: NewVersion, file: NewFile, *, epoch: int, actor: Actor, now: datetime
) -> Registered:
    """Enter a version and its file; the version that was current becomes superseded; the trail tells it. One
    transaction, the caller's.

    ``epoch`` is the trust epoch of this transaction, read with its lock. If trust changed since the file was
    validated, the version is registered all the same (it is sealed, it exists) but its codes answer "could
    not be checked" until :func:`revalidate`.

    Registering the same file again changes nothing. Raises Refusal: ``file_registered_elsewhere``,
    ``version_exists``, ``version_gap``, ``record_differs``, ``file_fails``.
    """
    # 1 The same file again?
    earlier = session.execute(
        select(Record.record_id, RecordVersion.version)
        .join(RecordVersion, RecordVersion.record_pk == Record.id)
        .join(RegisteredFile, RegisteredFile.version_pk == RecordVersion.id)
        .where(RegisteredFile.sha256 == file.sha256)
    ).one_or_none()
    if earlier is not None:
        if (earlier.record_id, earlier.version) != (new.record_id, new.version):
            raise Refusal(
                "file_registered_elsewhere",
                f"Tệp này đã được đăng ký cho bản số {earlier.version} của học bạ {earlier.record_id}.",
            )
        return Registered(new.record_id, new.version, already=True)

    # 2 Only what passes every check today is entered: these bytes, not others.
    if {file.report.sha256, file.structure.sha256} != {file.sha256}:
        raise ValueError("the report or the structure of a new file speaks of other bytes")
    standing = standing_of(file.report)
    if standing is not Standing.PASSED:
        raise Refusal(
            "file_fails",
            "Tệp chưa qua đủ các bước kiểm tra nên không được đăng ký.",
            "Chạy python -m verifier check với gói tin cậy mới nhất để xem bước nào chưa đạt.",
        )
    if file.epoch != epoch:
        standing = Standing.INCOMPLETE

    # 3 The record, made with version 1; versions follow each other without a gap.
    header = records.canonical(new.header)
    record = _record_for(session, vault, new, now)
    newest = (
        session.scalar(select(func.max(RecordVersion.version)).where(RecordVersion.record_pk == record.id))
        or 0
    )
    if new.version <= newest:
        raise Refusal(
            "version_exists", f"Học bạ {new.record_id} đã có bản số {new.version}, với một tệp khác."
        )
    if new.version != newest + 1:
        raise Refusal(
            "version_gap",
            f"Học bạ {new.record_id} mới có đến bản số {newest}, chưa thể thêm bản số {new.version}.",
        )

    # 4 The current one steps back before the new one steps in: the database allows one at a time.
    session.execute(
        update(RecordVersion)
        .where(RecordVersion.record_pk == record.id, RecordVersion.state == VersionState.CURRENT)
        .values(state=VersionState.SUPERSEDED, superseded_at=now)
    )

    # 5 The version, its file, and the certificates the file rests on.
    fields = records.open_disclosures(new.header, new.disclosures)
    public = {"masked_name": records.mask_name(str(fields["ho_va_ten"])), "birth": str(fields["ngay_sinh"])}
    record.learner_index = learner_index(vault, fields)  # as the newest version has it
    seal = partial(seal_column, vault, record.wrapped_key, record_id=record.record_id, version=new.version)
    version = RecordVersion(
        id=uuid.uuid4(),
        record_pk=record.id,
        version=new.version,
        digest=records.digest(new.header),
        header=header.decode(),
        disclosures_sealed=seal(json.dumps(new.disclosures).encode(), column="disclosures_sealed"),
        public_sealed=seal(json.dumps(public, ensure_ascii=False).encode(), column="public_sealed"),
        school_name=new.school_name,
        roles=" ".join(_signed_roles(file.report)),
        issued_on=date.fromisoformat(str(new.header["issued_on"])),
        registered_at=now,
        state=VersionState.CURRENT,
    )
    session.add(version)
    session.flush()
    _enter(session, version.id, file, standing, epoch=epoch, now=now)
    told: dict[str, str | int] = {"version": new.version, "file": file.sha256}
    if new.issuance is not None:
        told["issuance"] = str(new.issuance)
    action = Action.ISSUE if new.version == 1 else Action.CORRECT
    audit.record(session, _event(record, action, told, actor=actor), now=now)
    return Registered(new.record_id, new.version, already=False)


def register_renewed(
    session: Session, source_sha256: str, file: NewFile, *, epoch: int, actor: Actor, now: datetime
) -> Registered:
    """Enter the renewed form of a registered file: the same version, whatever became of it since, has one
    file more, and each answers for it; the trail tells it. ``epoch`` as in :func:`register`. One transaction,
    the caller's.

    Registering the same file again changes nothing. Raises Refusal: ``unknown_file``,
    ``file_registered_elsewhere``, ``file_fails``.
    """
    source = session.execute(
        select(Record, RecordVersion.version, RecordVersion.id)
        .join(RecordVersion, RecordVersion.record_pk == Record.id)
        .join(RegisteredFile, RegisteredFile.version_pk == RecordVersion.id)
        .where(RegisteredFile.sha256 == source_sha256)
    ).one_or_none()
    if source is None:
        raise Refusal("unknown_file", f"Không có tệp nào mang mã băm {source_sha256} trong sổ đăng ký.")
    record: Record = source.Record
    _refuse_destroyed(record.wrapped_key)
    there = session.scalar(select(RegisteredFile.version_pk).where(RegisteredFile.sha256 == file.sha256))
    if there is not None:
        if there != source.id:
            raise Refusal("file_registered_elsewhere", "Tệp này đã được đăng ký cho một bản khác.")
        return Registered(record.record_id, source.version, already=True)
    standing = standing_of(file.report)
    if standing is not Standing.PASSED:
        raise Refusal("file_fails", "Tệp gia hạn chưa qua đủ các bước kiểm tra nên không được đăng ký.")
    _enter(
        session,
        source.id,
        replace(file, kind="renewed"),
        standing if file.epoch == epoch else Standing.INCOMPLETE,
        epoch=epoch,
        now=now,
    )
    told = {"version": source.version, "file": file.sha256, "earlier_file": source_sha256}
    audit.record(session, _event(record, Action.RENEW, told, actor=actor), now=now)
    return Registered(record.record_id, source.version, already=False)


def _enter(
    session: Session, version: uuid.UUID, file: NewFile, standing: Standing, *, epoch: int, now: datetime
) -> None:
    """The row of a file, and the certificates that it rests on."""
    entry = RegisteredFile(
        id=uuid.uuid4(),
        version_pk=version,
        kind=file.kind,
        sha256=file.sha256,
        size=file.size,
        stored_name=file.stored_name,
        registered_at=now,
        report=_json(file.report.to_json()),
        structure=_json(file.structure.to_json()),
        standing=standing,
        standing_epoch=epoch,
        policy=file.policy,
        standing_at=now if standing is Standing.PASSED else UNDECIDED,
        fresh_until=fresh_until(file.report),
    )
    session.add(entry)
    session.flush()
    session.execute(
        insert(FileCertificate),
        [{"certificate_sha256": sha, "file_pk": entry.id} for sha in sorted(_certificates(file.report))],
    )
    note_timestamp_units(session, file.report.timestamps, now=now)


def recall(
    session: Session,
    record_id: str,
    reason: str,
    *,
    actor: Actor,
    now: datetime,
    version: int | None = None,
    basis: str | None = None,
    decision: uuid.UUID | None = None,
) -> int:
    """Recall one version (the current one unless named); answers its number. Recalling twice changes nothing,
    and the trail tells it once, with ``basis`` and ``decision``: on whose word (:mod:`portal.registry.many`).

    ``reason`` is one of :data:`REASON_CLASSES`: the story behind it is not for the public. Raises Refusal:
    ``unknown_reason``, ``unknown_record``, ``nothing_current``, ``recalled_otherwise``.
    """
    if reason not in REASON_CLASSES:
        raise Refusal(
            "unknown_reason",
            f"Lý do “{reason}” không có trong danh mục.",
            f"Chọn: {', '.join(REASON_CLASSES)}.",
        )
    key = session.scalar(select(Record.id).where(Record.record_id == record_id))
    hold(session, [] if key is None else [key])
    versions = session.scalars(
        select(RecordVersion)
        .where(RecordVersion.record_pk == key)
        .order_by(RecordVersion.version.desc())
        .execution_options(populate_existing=True)
    ).all()
    if not versions:
        raise Refusal("unknown_record", f"Không có học bạ nào mang mã tra cứu {record_id}.")
    if version is None:
        # The newest one, if it is recalled already, so that a repeated command is told the same again.
        target = next((v for v in versions if v.state == VersionState.CURRENT), versions[0])
    else:
        found = next((v for v in versions if v.version == version), None)
        if found is None:
            raise Refusal("unknown_record", f"Học bạ {record_id} không có bản số {version}.")
        target = found
    if target.state == VersionState.RECALLED:
        if target.recall_reason != reason:
            raise Refusal(
                "recalled_otherwise",
                f"Bản số {target.version} đã được thu hồi với lý do {target.recall_reason}.",
            )
        return target.version
    target.state = VersionState.RECALLED
    target.recalled_at = now
    target.recall_reason = reason
    told: dict[str, str | int] = {"version": target.version, "reason": reason}
    if decision is not None:
        told["decision"] = str(decision)
    event = _event(target.record, Action.RECALL, told, actor=actor)
    audit.record(session, replace(event, basis=basis), now=now)
    return target.version


def hold(session: Session, records: Iterable[uuid.UUID]) -> None:
    """Lock these records, by their keys and in the order of those: nobody else adds a version to one, recalls
    or destroys it until this transaction ends.

    Each of those acts locks its record and then the trail. Who writes into the trail before acting on records
    does this first: two that wait for each other end as a fault of ours.
    """
    keys = sorted(set(records))
    for start in range(0, len(keys), _MANY):
        wanted = select(Record.id).where(Record.id.in_(keys[start : start + _MANY])).order_by(Record.id)
        session.execute(wanted.with_for_update())


def stands(session: Session, record_id: str) -> bool:
    """Whether there is such a record and its content was not destroyed; it is not until this transaction
    ends.
    """
    wanted = select(Record.wrapped_key).where(Record.record_id == record_id).with_for_update(read=True)
    key = session.scalar(wanted)
    return key is not None and key != DESTROYED


def trail_object(session: Session, vault: Vault, record_id: str) -> Object:
    """What the trail calls a record: the key of its row, or a keyed hash of an id that names none of ours."""
    key = session.scalar(select(Record.id).where(Record.record_id == record_id))
    return audit.typed(vault, record_id) if key is None else Object("record", key)


def record_id_of(session: Session, what: Object) -> str | None:
    """The id of a record that the trail names by its key; None when there is none (an older backup)."""
    return session.scalar(select(Record.record_id).where(Record.id == uuid.UUID(str(what.name))))


def refuse_destroyed(record: KnownRecord) -> None:
    """Raise Refusal ``record_destroyed`` for a record whose content is gone."""
    _refuse_destroyed(record.wrapped_key)


def trail_event(
    session: Session, record_id: str, action: Action, details: Mapping[str, str | int], *, actor: Actor
) -> Event:
    """An act on a registered record, for the trail: its random key, its school, its pupil's blind index."""
    record = session.scalars(select(Record).where(Record.record_id == record_id)).one()
    return _event(record, action, details, actor=actor)


def withdraw_standing(session: Session, certificates: frozenset[str], *, epoch: int) -> int:
    """A change in trust, by which ``epoch`` began: files that rest on one of ``certificates`` must be
    validated anew.

    Until then their codes answer ``CHECK_INCOMPLETE``. Answers how many files that is.
    """
    change = update(RegisteredFile).values(
        standing=Standing.INCOMPLETE, standing_epoch=epoch, standing_at=UNDECIDED
    )
    count = 0
    for some in _chunks(sorted(certificates)):
        files = select(FileCertificate.file_pk).where(FileCertificate.certificate_sha256.in_(some))
        # Each file counts once, however many of its signers are touched.
        mine = change.where(RegisteredFile.id.in_(files), RegisteredFile.standing_epoch != epoch)
        count += changed(session, mine)
    return count


def is_undecided(session: Session) -> bool:
    """Whether a file waits for :func:`revalidate` since its standing was withdrawn."""
    waiting = RegisteredFile.standing == Standing.INCOMPLETE, RegisteredFile.standing_at == UNDECIDED
    return bool(session.scalar(select(exists().where(*waiting))))


def revalidate(
    session: Session,
    vault: Vault,
    files: FileStore,
    trust: TrustStore,
    *,
    now: datetime,
    due: datetime | None = None,
    policy: ValidationPolicy = DEFAULT,
    limit: int = 50,
) -> Revalidated:
    """Validate anew up to ``limit`` files that need it, and store what was found. The caller commits and
    repeats.

    Files need it when their standing was withdrawn, when another policy decided it, or when it lapses before
    ``due`` (default: now). A file that still cannot be finished (a CRL is missing) is tried once a moment
    ``now``, so repeating with the same ``now`` ends. The same holds for one that the store has lost: it keeps
    the others from nothing.
    """
    # 1 Which, in a stable order.
    due = due or now
    rows = session.execute(
        select(
            RegisteredFile.id,
            RegisteredFile.sha256,
            RegisteredFile.stored_name,
            RegisteredFile.structure,
            RegisteredFile.registered_at,
            RegisteredFile.version_pk,
            RegisteredFile.size,
            RecordVersion.version,
            Record.wrapped_key,
        )
        .join(RecordVersion, RegisteredFile.version_pk == RecordVersion.id)
        .join(Record, RecordVersion.record_pk == Record.id)
        .where(
            or_(
                RegisteredFile.standing == Standing.INCOMPLETE,
                RegisteredFile.fresh_until <= due,
                RegisteredFile.policy != policy.name,
            ),
            or_(RegisteredFile.standing_at < now, RegisteredFile.standing_epoch < trust.epoch),
            RegisteredFile.standing != Standing.DESTROYED,
        )
        .order_by(RegisteredFile.standing_at, RegisteredFile.id)
        .limit(limit + 1)
    ).all()
    counts = dict.fromkeys(Standing, 0)
    unreadable: list[str] = []
    why: set[str] = set()
    for row in rows[:limit]:
        mine = update(RegisteredFile).where(
            RegisteredFile.id == row.id, RegisteredFile.standing_epoch <= trust.epoch
        )
        # 2 The bytes as stored, validated by the fast path. What cannot be read keeps its standing until that
        #   lapses: a withdrawn one stays withdrawn.
        try:
            data = open_file(
                vault,
                files,
                row.wrapped_key,
                stored_name=row.stored_name,
                sha256=row.sha256,
                version=row.version,
            )
        except (FileNotFoundError, CorruptFile, VaultError):
            session.execute(mine.values(standing_epoch=trust.epoch, standing_at=now))
            unreadable.append(row.stored_name)
            continue
        structure = Structure.from_json(json.loads(row.structure))
        earlier = beginnings(session, row.version_pk, row.size) if structure.timestamps else ()
        report = validate_again(
            data, structure, trust, policy, now, registered_at=row.registered_at, earlier=earlier
        )
        standing = standing_of(report)
        counts[standing] += 1
        if standing is Standing.INCOMPLETE:
            why |= _unfinished(report)
        # 3 Kept, unless trust was changed again meanwhile: then that change's mark stays.
        session.execute(
            mine.values(
                report=_json(report.to_json()),
                standing=standing,
                standing_epoch=trust.epoch,
                policy=policy.name,
                standing_at=now,
                fresh_until=fresh_until(report),
            )
        )
    return Revalidated(
        counts[Standing.PASSED],
        counts[Standing.FAILED],
        counts[Standing.INCOMPLETE] + len(unreadable),
        len(rows) > limit,
        tuple(unreadable),
        tuple(sorted(why)),
    )


def _unfinished(report: ValidationReport) -> set[str]:
    """Codes of what could not be finished."""
    checks = (check for signature in report.signatures for check in signature.checks)
    codes = {check.code for check in checks if check.status is CheckStatus.INCOMPLETE}
    return codes | ({report.incomplete} if report.incomplete else set())


def standing_of(report: ValidationReport) -> Standing:
    """How a registered file stands by this report: by the same fold that answers an upload of its bytes."""
    probe = VersionFacts("", 1, VersionState.CURRENT, Standing.PASSED)
    match decide(report, RegistryFacts(file=probe)).outcome:
        case Outcome.GENUINE_CURRENT:
            return Standing.PASSED
        case Outcome.CHECK_INCOMPLETE:
            return Standing.INCOMPLETE
        case _:
            return Standing.FAILED


def fresh_until(report: ValidationReport) -> datetime:
    """Until when a file's standing by this report may be answered.

    A standing that rests on "not revoked" lapses with the CRLs that said so. One that no list could rescue
    stays: an upload of the same bytes would fail then as well.
    """
    silent = tuple(
        replace(
            signature,
            checks=tuple(
                replace(check, status=CheckStatus.INCOMPLETE, code="crl_stale")
                if check.name is CheckName.REVOCATION and check.status is CheckStatus.PASSED
                else check
                for check in signature.checks
            ),
        )
        for signature in report.signatures
    )
    if standing_of(replace(report, signatures=silent)) is Standing.FAILED:
        return FOR_EVER
    return report.fresh_until or report.at


# ------------------------------------------------------------------------------------------------ files


def read_file(session: Session, vault: Vault, files: FileStore, sha256: str) -> bytes | None:
    """The registered file with this SHA-256, decrypted; None when it is not registered.

    Raises Refusal ``record_destroyed``; FileNotFoundError, CorruptFile or VaultError when we lost or damaged
    what we registered.
    """
    row = session.execute(
        select(Record.wrapped_key, RegisteredFile.stored_name, RecordVersion.version)
        .join(RecordVersion, RecordVersion.record_pk == Record.id)
        .join(RegisteredFile, RegisteredFile.version_pk == RecordVersion.id)
        .where(RegisteredFile.sha256 == sha256)
    ).one_or_none()
    if row is None:
        return None
    _refuse_destroyed(row.wrapped_key)
    return open_file(
        vault, files, row.wrapped_key, stored_name=row.stored_name, sha256=sha256, version=row.version
    )


def newest_file(session: Session, record_id: str, version: int) -> str | None:
    """SHA-256 of the newest file that shows the whole of a version; None when there is no such version."""
    return session.scalars(
        select(RegisteredFile.sha256)
        .join(RecordVersion, RegisteredFile.version_pk == RecordVersion.id)
        .join(Record, RecordVersion.record_pk == Record.id)
        .where(
            Record.record_id == record_id, RecordVersion.version == version, RegisteredFile.kind != "extract"
        )
        .order_by(RegisteredFile.registered_at.desc())
    ).first()


def stored_report(session: Session, sha256: str) -> ValidationReport | None:
    """What the last validation found about a registered file; None when it is not registered."""
    text = session.scalar(select(RegisteredFile.report).where(RegisteredFile.sha256 == sha256))
    return None if text is None else ValidationReport.from_json(json.loads(text))


def last_signers(session: Session, school_code: str, pupil: str, role: Role) -> frozenset[str]:
    """SHA-256 of the certificates that signed in this role the newest version of the newest year's record
    that a school has of a pupil (a blind index). What was recalled says nothing as long as something else
    does; a record whose content was destroyed says nothing.
    """
    report = session.scalars(
        select(RegisteredFile.report)
        .join(RecordVersion, RegisteredFile.version_pk == RecordVersion.id)
        .join(Record, RecordVersion.record_pk == Record.id)
        .where(
            Record.school_code == school_code,
            Record.pupil_index == pupil,
            RegisteredFile.kind == "issued",
            RegisteredFile.standing != Standing.DESTROYED,
        )
        .order_by(
            RecordVersion.state == VersionState.RECALLED, Record.year.desc(), RecordVersion.version.desc()
        )
        .limit(1)
    ).first()
    if report is None:
        return frozenset()
    signatures = ValidationReport.from_json(json.loads(report)).signatures
    return frozenset(s.signer.certificate_sha256 for s in signatures if s.role is role and s.signer)


def find_file(session: Session, sha256: str, *, now: datetime) -> FoundFile | None:
    """The registered file with exactly these bytes, None when there is none, or none any more."""
    row = file_rows(session, [sha256]).get(sha256)
    if row is None or row["standing"] == Standing.DESTROYED:
        return None
    structure = Structure.from_json(json.loads(row["structure"]))
    return FoundFile(
        facts=version_facts(row, now),
        kind=row["kind"],
        size=row["size"],
        registered_at=row["file_registered_at"],
        structure=structure,
        earlier=beginnings(session, row["version_pk"], row["size"]) if structure.timestamps else (),
    )


# ------------------------------------------------------------------------------------------------ answers


def facts_for(session: Session, report: ValidationReport, hosts: Hosts, *, now: datetime) -> RegistryFacts:
    """What the registry knows about one examined document: its bytes, their beginnings, its codes and
    attachment.
    """
    # 1 These bytes, and the longest registered beginning of them.
    prefixes = {p.sha256: p for p in report.prefixes if p.length < report.size}
    wanted = [report.sha256, *prefixes] if report.sha256 else list(prefixes)
    found = file_rows(session, wanted)
    own = found.get(report.sha256)
    beginnings = [
        prefixes[sha] for sha, row in found.items() if sha in prefixes and row["size"] == prefixes[sha].length
    ]
    longest = max(beginnings, key=lambda p: p.length, default=None)

    # 2 The codes, and which of the named records exist.
    codes = [read_code(text, hosts) for text in report.codes]
    locators = tuple(dict.fromkeys(c.locator for c in codes if c.locator is not None))
    code: CodeFacts | None
    if len(locators) > 1:
        code = CodeFacts(CodeKind.SEVERAL)
    elif locators:
        code = _locator_facts(locator_rows(session, locators[0]), now)
    elif any(c.kind is Kind.MALFORMED for c in codes):
        code = CodeFacts(CodeKind.MALFORMED)
    else:
        code = CodeFacts(CodeKind(strangest(codes).value)) if codes else None
    named = {locator.record_id for locator in locators} | _attached(report)
    known = bool(named) and session.scalar(
        select(Record.id).where(Record.record_id.in_(sorted(named))).limit(1)
    )

    return RegistryFacts(
        file=None if own is None else version_facts(own, now),
        prefix=None if longest is None else version_facts(found[longest.sha256], now),
        prefix_archival=longest is not None and longest.archival,
        named_record_known=bool(known),
        code=code,
    )


def look_up_locator(
    session: Session | Connection, vault: Vault, locator: Locator, *, now: datetime
) -> tuple[CodeFacts, PublicRecord | None]:
    """The answer to a scanned code: one query, whatever comes out. This is the busiest path of the portal."""
    rows = locator_rows(session, locator)
    facts = _locator_facts(rows, now)
    version = facts.version
    if version is None or version.standing is Standing.DESTROYED:
        return facts, None
    return facts, public_of(vault, rows[-1], version, now)


def look_up_typed(
    session: Session, vault: Vault, record_id: str, short: str | None, birth: str, *, now: datetime
) -> tuple[CodeFacts, PublicRecord | None, Locator | None]:
    """The answer to a typed code with a birth date (as :func:`read_birth` gives it).

    With the 8 digest characters the version they name is answered, with its whole locator; without them only
    which version is current. An unknown record id and a wrong birth date get one answer, after the same query
    and the same decryption. A bare year is right only where the record itself has no more. Of a record whose
    content was destroyed no birth date is known: whoever has its code is told that, and nothing else.
    """
    rows = record_rows(session, record_id)
    if rows and rows[-1]["standing"] == Standing.DESTROYED:
        same_work(vault, birth)
        return _destroyed_facts(rows, short, now), None, None
    matching: list[Row] = []
    for row in rows:
        public = open_public(vault, row)
        if hmac.compare_digest(public["birth"].encode(), birth.encode()):
            matching.append(row)
    if not rows:
        same_work(vault, birth)
    if not matching:
        return CodeFacts(CodeKind.UNKNOWN), None, None
    if short is None:
        # Any version's birth date opens the record: a correction may have corrected just that.
        newest = next((r for r in rows if r["state"] == VersionState.CURRENT), rows[-1])
        return CodeFacts(CodeKind.RECORD_ONLY, version_facts(newest, now)), None, None
    named = next((r for r in matching if short_digest(r["digest"]) == short), None)
    if named is None:
        return CodeFacts(CodeKind.DIGEST_MISMATCH), None, None
    facts = version_facts(named, now)
    locator = Locator(record_id, named["digest"])
    return CodeFacts(CodeKind.VERSION, facts), public_of(vault, named, facts, now), locator


def read_birth(text: str) -> str:
    """A typed birth date in the record's own spelling: ``dd/MM/yyyy``, or ``yyyy`` alone.

    Accepts 3/9/2015, 03-09-2015, 3.9.2015, 2015-09-03 and 2015. Raises InvalidInput.
    """
    found = next((match for form in _BIRTHS if (match := form.fullmatch(text.strip()))), None)
    if found is not None:
        parts = {name: int(digits) for name, digits in found.groupdict().items()}
        with suppress(ValueError):
            day = date(parts["year"], parts.get("month", 1), parts.get("day", 1))
            if day.year >= 1900:
                return f"{day:%d/%m/%Y}" if "day" in parts else f"{day:%Y}"
    message = "Ngày sinh phải là một ngày có thật, dạng 03/09/2015, hoặc chỉ năm sinh, dạng 2015."
    raise InvalidInput((Problem("birth", "birth", message),))


def public_record(
    session: Session, vault: Vault, version: VersionFacts, *, now: datetime
) -> PublicRecord | None:
    """What everyone may see of the version a verdict speaks of; None when its content was destroyed."""
    if version.standing is Standing.DESTROYED:
        return None
    row = next(r for r in record_rows(session, version.record_id) if r["version"] == version.version)
    return public_of(vault, row, version, now)


def file_key(session: Session, sha256: str) -> uuid.UUID | None:
    """The key of the registered file with exactly these bytes."""
    return session.scalar(select(RegisteredFile.id).where(RegisteredFile.sha256 == sha256))


def version_today(
    session: Session, record_id: str, version: int, file: uuid.UUID | None, *, now: datetime
) -> VersionFacts | None:
    """What stands of a version, by the standing of ``file`` or, without one, of the file that a code answers
    with; None for a version or a file that is not there (an older backup).
    """
    row = next((r for r in record_rows(session, record_id) if r["version"] == version), None)
    if row is None:
        return None
    if file is not None:
        columns = (
            RegisteredFile.standing,
            RegisteredFile.policy,
            RegisteredFile.fresh_until,
            RegisteredFile.standing_at,
        )
        own = session.execute(select(*columns).where(RegisteredFile.id == file)).one_or_none()
        if own is None:
            return None
        row |= own._asdict()
    return version_facts(row, now)


def open_record(session: Session, vault: Vault, record_id: str, version: int) -> OpenRecord | None:
    """The whole content of a version, None when there is no such version. The caller answers for who may see
    it. Raises Refusal ``record_destroyed``.
    """
    row = session.execute(
        select(Record.wrapped_key, RecordVersion.header, RecordVersion.disclosures_sealed)
        .join(RecordVersion, RecordVersion.record_pk == Record.id)
        .where(Record.record_id == record_id, RecordVersion.version == version)
    ).one_or_none()
    if row is None:
        return None
    _refuse_destroyed(row.wrapped_key)
    plain = open_column(
        vault,
        row.wrapped_key,
        row.disclosures_sealed,
        column="disclosures_sealed",
        record_id=record_id,
        version=version,
    )
    header = json.loads(row.header)
    disclosures = tuple(json.loads(plain))
    return OpenRecord(record_id, version, header, disclosures, records.open_disclosures(header, disclosures))


def find_record(
    session: Session,
    *,
    record_id: str | None = None,
    pupil: tuple[str, str, str] | None = None,
) -> KnownRecord | None:
    """A record by its id, or by (school code, pupil index, year); None when there is none."""
    if (record_id is None) is (pupil is None):
        raise TypeError("name the record one way")
    wanted = select(Record)
    if pupil is None:
        wanted = wanted.where(Record.record_id == record_id)
    else:
        school_code, pupil_index, year = pupil
        wanted = wanted.filter_by(school_code=school_code, pupil_index=pupil_index, year=year)
    record = session.scalar(wanted)
    if record is None:
        return None
    versions = {v.version: v.state for v in record.versions}
    return KnownRecord(
        record.record_id,
        record.school_code,
        record.pupil_index,
        record.grade,
        record.year,
        max(versions),
        next((n for n, state in versions.items() if state == VersionState.CURRENT), None),
        record.wrapped_key,
    )


def issued(
    session: Session,
    *,
    keys: Sequence[uuid.UUID] | None = None,
    pupils: Collection[str] | None = None,
    locator: Locator | None = None,
    file: str | None = None,
) -> tuple[Issued, ...]:
    """Records by their rows' keys, by pupils' blind indexes, by the full locator of any version, or by the
    SHA-256 of a registered file: year by year. What is not there, or whose key was destroyed, is left out.
    """
    if sum(name is not None for name in (keys, pupils, locator, file)) != 1:
        raise TypeError("name the records one way")
    wanted = (
        select(Record)
        .where(Record.wrapped_key != DESTROYED)
        .order_by(Record.year, Record.record_id)
        .options(selectinload(Record.versions))
        .execution_options(populate_existing=True)  # a version may have come since this session last looked
    )
    if keys is not None:
        wanted = wanted.where(Record.id.in_(keys))
    elif pupils is not None:
        wanted = wanted.where(Record.pupil_index.in_(pupils))
    elif locator is not None:
        one = select(RecordVersion.record_pk).where(RecordVersion.digest == locator.digest)
        wanted = wanted.where(Record.record_id == locator.record_id, Record.id.in_(one))
    else:
        one = select(RecordVersion.record_pk).join(RegisteredFile).where(RegisteredFile.sha256 == file)
        wanted = wanted.where(Record.id.in_(one))
    return tuple(
        Issued(
            record.id,
            record.record_id,
            record.school_code,
            record.pupil_index,
            record.level,
            record.grade,
            record.year,
            tuple(
                IssuedVersion(
                    version.version,
                    version.digest,
                    VersionState(version.state),
                    state_since({name: getattr(version, name) for name in _SINCE}),
                    version.recall_reason,
                    version.school_name,
                    version.issued_on,
                )
                for version in record.versions
            ),
        )
        for record in session.scalars(wanted)
    )


def birth(session: Session, vault: Vault, record: Issued) -> str:
    """The birth date in the version that speaks for the record, as it stands there: "dd/MM/yyyy" or
    "yyyy".
    """
    found = _birth(session, vault, [record.key])
    if found is None:
        raise LookupError("a registered record has no version")
    return found


def born(session: Session, vault: Vault, keys: Sequence[uuid.UUID], typed: str) -> bool:
    """Whether ``typed`` (as :func:`read_birth` gives it) is the birth date in the newest of these records.
    For keys of no record: no, after the same query and the same decryption.
    """
    found = _birth(session, vault, keys)
    if found is None:
        same_work(vault, typed)
        return False
    return hmac.compare_digest(found.encode(), typed.encode())


def _birth(session: Session, vault: Vault, keys: Sequence[uuid.UUID]) -> str | None:
    """The birth date in the version that speaks for the newest of the records."""
    row = session.execute(
        select(Record.record_id, Record.wrapped_key, RecordVersion.public_sealed, RecordVersion.version)
        .join(RecordVersion, RecordVersion.record_pk == Record.id)
        .where(Record.id.in_(keys), Record.wrapped_key != DESTROYED)
        .order_by(
            Record.year.desc(),
            case((RecordVersion.state == VersionState.CURRENT, 0), else_=1),
            RecordVersion.version.desc(),
        )
        .limit(1)
    ).one_or_none()
    return None if row is None else open_public(vault, row._asdict())["birth"]


def answering_file(session: Session, record: Issued, version: int) -> str | None:
    """SHA-256 of the newest file that shows the whole version, None when it has none."""
    return session.scalar(
        select(RegisteredFile.sha256)
        .join(RecordVersion)
        .where(
            RecordVersion.record_pk == record.key,
            RecordVersion.version == version,
            RegisteredFile.kind != "extract",
        )
        .order_by(RegisteredFile.registered_at.desc())
        .limit(1)
    )


def registry_facts_export(session: Session) -> dict[str, list[dict[str, Any]]]:
    """The registry's part of the offline bundle: hashes, digests and states, nothing personal."""
    versions = session.execute(
        select(
            Record.record_id,
            RecordVersion.version,
            RecordVersion.digest,
            RecordVersion.state,
            RecordVersion.superseded_at,
            RecordVersion.recalled_at,
            RecordVersion.recall_reason,
            RecordVersion.issued_on,
            RecordVersion.registered_at,
        )
        .join(Record, RecordVersion.record_pk == Record.id)
        .order_by(Record.record_id, RecordVersion.version)
    )
    files = session.execute(
        select(
            RegisteredFile.sha256,
            RegisteredFile.size,
            RegisteredFile.kind,
            RegisteredFile.registered_at,
            case(
                (
                    or_(RegisteredFile.policy == DEFAULT.name, RegisteredFile.standing == Standing.DESTROYED),
                    RegisteredFile.standing,
                ),
                else_=Standing.INCOMPLETE,
            ).label("standing"),
            RegisteredFile.fresh_until,
            case(
                (
                    and_(RegisteredFile.policy == DEFAULT.name, RegisteredFile.standing_at != UNDECIDED),
                    RegisteredFile.standing_at,
                )
            ).label("checked_at"),
            Record.record_id,
            RecordVersion.version,
        )
        .join(RecordVersion, RegisteredFile.version_pk == RecordVersion.id)
        .join(Record, RecordVersion.record_pk == Record.id)
        .order_by(Record.record_id, RecordVersion.version, RegisteredFile.registered_at)
    )
    return {
        "files": [
            row._asdict()
            | {
                "registered_at": row.registered_at.isoformat(),
                "fresh_until": row.fresh_until.isoformat(),
                "checked_at": None if row.checked_at is None else row.checked_at.isoformat(),
            }
            for row in files
        ],
        "versions": [
            {
                "record_id": row["record_id"],
                "version": row["version"],
                "digest": row["digest"].hex(),
                "state": row["state"],
                "since": None if (since := state_since(row)) is None else since.isoformat(),
                "recall_reason": row["recall_reason"],
                "issued_on": row["issued_on"].isoformat(),
                "registered_at": row["registered_at"].isoformat(),
            }
            for row in (version._asdict() for version in versions)
        ],
    }


# ------------------------------------------------------------------------------------------------ inside


def _locator_facts(rows: Sequence[Row], now: datetime) -> CodeFacts:
    if not rows:
        return CodeFacts(CodeKind.UNKNOWN)
    if rows[-1]["version"] is None:
        return CodeFacts(CodeKind.DIGEST_MISMATCH)
    return CodeFacts(CodeKind.VERSION, version_facts(rows[-1], now))


def _destroyed_facts(rows: Sequence[Row], short: str | None, now: datetime) -> CodeFacts:
    """The typed code of a destroyed record: its version, where the 8 characters are those of one."""
    if short is None:
        return CodeFacts(CodeKind.RECORD_ONLY, version_facts(rows[-1], now))
    named = next((row for row in rows if short_digest(row["digest"]) == short), None)
    return (
        CodeFacts(CodeKind.UNKNOWN)
        if named is None
        else CodeFacts(CodeKind.VERSION, version_facts(named, now))
    )


def _attached(report: ValidationReport) -> set[str]:
    """The record id that an attachment names, if it is one at all: the text comes from a stranger's file."""
    try:
        return {parse_record_id(report.attached_record_id or "")}
    except InvalidInput:
        return set()


def _event(record: Record, action: Action, details: Mapping[str, str | int], *, actor: Actor) -> Event:
    """:func:`trail_event` of a record at hand."""
    return Event(
        actor,
        action,
        Object("record", record.id),
        organisation=record.school_code,
        pupil=record.pupil_index,
        details=details,
    )


def _record_for(session: Session, vault: Vault, new: NewVersion, now: datetime) -> Record:
    """The record of a new version, locked; made when the version is the first."""
    record = session.scalar(select(Record).where(Record.record_id == new.record_id).with_for_update())
    same_pupil = session.scalar(
        select(Record.record_id).where(
            Record.school_code == new.school_code,
            Record.pupil_index == new.pupil_index,
            Record.year == new.header["year"],
        )
    )
    if same_pupil is not None and same_pupil != new.record_id:
        raise Refusal(
            "record_differs",
            f"Học sinh này đã có học bạ {same_pupil} cho năm học {new.header['year']} tại trường.",
            "Sửa học bạ đã cấp bằng lệnh correct, không cấp học bạ thứ hai.",
        )
    if record is None:
        if new.version != 1:
            raise Refusal("version_gap", f"Học bạ {new.record_id} chưa có bản số 1.")
        record = Record(
            id=uuid.uuid4(),
            record_id=new.record_id,
            school_code=new.school_code,
            pupil_index=new.pupil_index,
            level=new.header["level"],
            scheme=new.header["scheme"],
            grade=new.header["grade"],
            year=new.header["year"],
            wrapped_key=vault.rewrap(new.wrapped_key),
            created_at=now,
        )
        session.add(record)
        session.flush()
        return record
    _refuse_destroyed(record.wrapped_key)
    was = (record.school_code, record.pupil_index, record.level, record.scheme, record.grade, record.year)
    header = new.header
    if was != (new.school_code, new.pupil_index, *(header[k] for k in ("level", "scheme", "grade", "year"))):
        raise Refusal(
            "record_differs",
            f"Bản mới của học bạ {new.record_id} phải cùng trường, học sinh, cấp học, lớp và năm học.",
            "Cấp nhầm trường, lớp hoặc năm học thì thu hồi rồi cấp học bạ khác.",
        )
    if not vault.same_key(record.wrapped_key, new.wrapped_key):  # a rotation may have been between
        raise ValueError("a later version is sealed under the record's own key")
    return record


def _refuse_destroyed(wrapped_key: bytes) -> None:
    if wrapped_key == DESTROYED:
        raise Refusal("record_destroyed", "Nội dung và tệp của học bạ này đã bị hủy theo quyết định.")


def _signed_roles(report: ValidationReport) -> Iterator[Role]:
    """In signing order, each once."""
    signed = {s.role for s in report.signatures}
    return (role for role in Role if role in signed)


def _certificates(report: ValidationReport) -> set[str]:
    """Of signers and of timestamps."""
    signers = (*(s.signer for s in report.signatures), *(t.signer for t in report.timestamps))
    return {signer.certificate_sha256 for signer in signers if signer is not None}


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    return (values[start : start + _MANY] for start in range(0, len(values), _MANY))
