"""Checks an uploaded document, and opens the data of a genuine one. Nothing of an upload is kept.

Untrusted bytes are only hashed here; whatever reads them further does so behind the ``Checker`` port. The one
exception is a file that turned out to be ours, byte for byte: its attachment is opened to hand out its data.
"""

from __future__ import annotations

import hashlib
import io
import logging
import re
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pikepdf
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts import service as accounts
from portal.audit import service as audit
from portal.audit.service import Action, Actor, Event, Object
from portal.database import UNAVAILABLE
from portal.messages import service as messages
from portal.messages.service import Kind
from portal.ports import Checker
from portal.registry import service as registry
from portal.registry.service import PublicRecord
from portal.trust import service as trust
from portal.trust.models import TrustState
from portal.trust.service import Contact
from portal.vault import Vault, VaultError
from verifier import record as records
from verifier.check import Known
from verifier.locator import Hosts, Locator, read_code
from verifier.locator import Kind as CodeForm
from verifier.report import Medium, ValidationReport
from verifier.sandbox import CheckJob
from verifier.verdict import Evidence, Outcome, RegistryFacts, Verdict, authorised_seal, decide
from verifier.words import VIETNAM

log = logging.getLogger(__name__)

#: A stolen key, a lost row, a file of ours that no longer stands: somebody has to look.
ALARMS: Final = frozenset({Outcome.SEAL_VALID_NOT_REGISTERED, Outcome.REGISTERED_BUT_SIGNATURE_FAILS})
#: The trail has the same alarm once in this time: uploading again fills nothing that nobody may delete.
_ALARM_AGAIN: Final = timedelta(days=1)
#: So many files of one key, or of one record, are told in that time, and one e-mail sent: whoever has one
#: genuine file can make thousands of it that raise an alarm.
_ALARMS_MOST: Final = 5
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
#: Faults of ours, which say nothing about a document: no database, a missing key, no room for the trust file.
_OURS: Final = (*UNAVAILABLE, VaultError, OSError)
#: A trust file that is no longer the newest may still be read by a check for this long.
_IN_USE: Final = timedelta(hours=1)
#: (instance, epoch, newest event) -> the file that this process wrote for it; one for an instance.
_WRITTEN: Final[dict[tuple[str, int, uuid.UUID | None], Path]] = {}


@dataclass(frozen=True, slots=True)
class FileAnswer:
    """The verdict on a document. ``signers`` (certificate hash -> name) is filled for a genuine file alone,
    ``sealed_by`` (the school's name in our own table) where an authorised seal is the answer. ``strange``:
    beside the code that was answered stands one that opens something else.
    """

    verdict: Verdict
    report: ValidationReport
    record: PublicRecord | None = None
    signers: Mapping[str, str] = field(default_factory=dict)
    locator: Locator | None = None
    sealed_by: str | None = None
    strange: bool = False
    contact: Contact | None = None  # of the school whose seal it is


@dataclass(frozen=True, slots=True)
class RecordData:
    """The content of a genuine file: header and disclosures prove ``fields`` against the record digest."""

    header: dict[str, Any]
    disclosures: tuple[str, ...]
    fields: dict[str, Any]


Admission = Callable[[bool], AbstractContextManager[None]]


def _everybody(registered: bool) -> AbstractContextManager[None]:
    """No limits: for callers that are no web clients."""
    return nullcontext()


def check(
    data: bytes,
    session: Session,
    vault: Vault,
    *,
    begin: Callable[[], AbstractContextManager[Session]],
    checker: Checker,
    hosts: Hosts,
    instance_dir: Path,
    now: datetime,
    admission: Admission = _everybody,
) -> FileAnswer:
    """Examine one document and fold what was found with what the registry knows. An alarm is told by the
    trail before it is answered, in a transaction that ``begin`` opens and commits.

    ``admission`` is entered for the examination alone, with whether these very bytes are registered; what it
    raises is the answer.

    ``session`` must hold no changes: it gives its connection back while the document is examined.
    """
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        # 1 Do we know exactly these bytes, and whom do we trust today?
        found = registry.find_file(session, sha256, now=now)
        trust_path = trust_file(session, instance_dir)

        # 2 The examination, away from this process. It may take seconds, in which no connection is kept.
        session.rollback()
        known = None if found is None else Known(found.registered_at, found.structure, found.earlier)
        with admission(known is not None):
            report = checker.check(CheckJob(data, trust_path, now, known))

        # 3 The registry's facts, the verdict, and what may be said with it.
        verdict = decide(report, registry.facts_for(session, report, hosts, now=now))
        record = (
            None
            if verdict.version is None
            else registry.public_record(session, vault, verdict.version, now=now)
        )
        signers = _signers(session, report) if verdict.genuine_file else {}
        locator = _only_locator(verdict, report, hosts)
        sealed_by, contact = _sealed_by(session, verdict, report)
        strange = _strange_beside(verdict, report, hosts)
        answer = FileAnswer(verdict, report, record, signers, locator, sealed_by, strange, contact)

        # 4 Somebody has to look. Nothing personal is logged.
        if verdict.outcome in ALARMS:
            log.warning("alarm %s: file %s, %s", verdict.outcome, sha256, ", ".join(verdict.reasons))
            alarm = _alarm(session, answer, sha256)
            session.rollback()
            with begin() as writing:
                since = now - _ALARM_AGAIN
                before = audit.count_since(writing, alarm, since)
                if before < _ALARMS_MOST and not audit.told_since(writing, alarm, since):
                    audit.record(writing, alarm, now=now)
                    if before == 0:
                        _send_alarm(writing, vault, alarm, verdict.outcome, now)
        return answer
    except _OURS as error:
        # A database error's own text may hold what was asked for.
        log.error("not checked: %s", type(error).__name__ if isinstance(error, UNAVAILABLE) else error)
        report = ValidationReport(at=now, medium=Medium.PDF, size=len(data))
        return FileAnswer(decide(report, RegistryFacts(available=False)), report)


def extract(data: bytes, session: Session, vault: Vault, answer: FileAnswer) -> RecordData:
    """The data of a file that :func:`check` called genuine, out of its own attachment.

    1 The attachment is read from the file; 2 its header must be the registered one, digest for digest; 3
    every value must be proved by its disclosure. What fails here is a fault of ours: the file was called
    genuine.
    """
    version = answer.verdict.version
    if not answer.verdict.genuine_file or version is None:
        raise ValueError("only a genuine file gives its data")
    with pikepdf.open(io.BytesIO(data)) as pdf:
        content = pdf.attachments[records.ATTACHMENT_NAME].get_file().read_bytes()
    header, disclosures = records.read_attachment(content)
    issued = registry.open_record(session, vault, version.record_id, version.version)
    if issued is None or records.digest(header) != records.digest(issued.header):
        raise ValueError("the attachment of a registered file does not carry the registered record")
    return RecordData(header, disclosures, records.open_disclosures(header, disclosures))


def trust_file(session: Session, instance_dir: Path) -> Path:
    """The trust store of now as a file that a checking process can read, named by the SHA-256 of its content.

    An epoch's number alone names nothing: a restored database gives the same number out again for another
    store. So this process remembers its file by the number together with the key of the newest event, and
    what an earlier process left behind is never believed for its name.
    """
    state = (str(instance_dir), *_newest_change(session))
    path = _WRITTEN.get(state)
    if path is not None and path.exists():
        return path

    # 1 Written under a name of its own, whole, and only then given the name of its content.
    folder = instance_dir / "trust"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = folder / f"new-{uuid.uuid4().hex}.json"
    try:
        trust.write_store(session, fresh)
        path = folder / f"trust-{hashlib.sha256(fresh.read_bytes()).hexdigest()}.json"
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)

    # 2 Others are of no use any more, but checks that began a moment ago may still be about to read theirs.
    oldest = time.time() - _IN_USE.total_seconds()
    for other in folder.glob("*.json"):
        with suppress(FileNotFoundError):  # another process tidies up as well
            if other != path and other.stat().st_mtime < oldest:
                other.unlink()
    for remembered in [s for s in _WRITTEN if s[0] == state[0]]:
        _WRITTEN.pop(remembered, None)
    _WRITTEN[state] = path
    return path


def _newest_change(session: Session) -> tuple[int, uuid.UUID | None]:
    """What tells today's trust from any other: the epoch, and the random mark of the change that made it."""
    row = session.execute(select(TrustState.epoch, TrustState.mark).where(TrustState.id == 1)).one_or_none()
    return (0, None) if row is None else (row.epoch, row.mark)


def _alarm(session: Session, answer: FileAnswer, sha256: str) -> Event:
    """The entry of an alarm: on the version that the registry knows, else on the certificate of the seal.
    The report may say anything: it may come from a child that was taken over.
    """
    verdict = answer.verdict
    details: dict[str, str | int] = {"verdict": verdict.outcome.value}
    if verdict.evidence is Evidence.FILE:  # a photo of a code is not the file that fails
        details["file"] = sha256
    uploads = Actor.system("uploads")
    if verdict.version is not None:
        details["version"] = verdict.version.version
        return registry.trail_event(session, verdict.version.record_id, Action.ALARM, details, actor=uploads)
    seal = authorised_seal(answer.report)
    used = "" if seal is None or seal.signer is None else seal.signer.certificate_sha256
    return Event(
        uploads,
        Action.ALARM,
        Object("certificate", used) if _SHA256.fullmatch(used) else None,
        organisation=seal.school_code if seal is not None and answer.sealed_by is not None else None,
        details=details,
    )


def _send_alarm(session: Session, vault: Vault, alarm: Event, outcome: Outcome, now: datetime) -> None:
    """A message to the department, which names the entry of the trail."""
    school = alarm.organisation
    address = None if school is None else accounts.alarm_address(session, school)
    if school is None or address is None:
        return
    number, _ = audit.head(session)
    messages.enqueue(
        session,
        vault,
        to=address,
        kind=Kind(f"alarm_{outcome.value.lower()}"),
        language="vi",
        parameters={"organisation": school, "reference": f"{number:06d}", "moment": now},
        about=None,
        now=now,
    )


def _only_locator(verdict: Verdict, report: ValidationReport, hosts: Hosts) -> Locator | None:
    """The code that was answered, so that the paper can be compared with what was issued under it."""
    if verdict.evidence is not Evidence.CODE or verdict.version is None:
        return None
    locators = {code.locator for text in report.codes if (code := read_code(text, hosts)).locator is not None}
    return locators.pop() if len(locators) == 1 else None


def _strange_beside(verdict: Verdict, report: ValidationReport, hosts: Hosts) -> bool:
    """Whether a picture whose code was answered shows another one, which opens something else."""
    kinds = {read_code(text, hosts).kind for text in report.codes}
    return verdict.evidence is Evidence.CODE and kinds >= {CodeForm.LOCATOR, CodeForm.FOREIGN_LINK}


def _sealed_by(
    session: Session, verdict: Verdict, report: ValidationReport
) -> tuple[str | None, Contact | None]:
    """The school whose seal stands on a file that we know nothing of, and whom to ask there: never what the
    file says of itself.
    """
    seal = authorised_seal(report) if verdict.outcome is Outcome.SEAL_VALID_NOT_REGISTERED else None
    if seal is None or seal.school_code is None:
        return None, None
    day = report.at.astimezone(VIETNAM).date()
    return trust.school_name(session, seal.school_code, day), trust.contact(session, seal.school_code, day)


def _signers(session: Session, report: ValidationReport) -> dict[str, str]:
    """Names of the signers, out of our own table."""
    return trust.signer_names(
        session, (s.signer.certificate_sha256 for s in report.signatures if s.signer is not None)
    )
