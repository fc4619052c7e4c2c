"""Two-step signing with keys that are elsewhere: digests out, signature values in.

A school's own token signs 32 bytes at a time, in whatever program the school has. What goes out names no
pupil; what comes in is checked mathematically against the very digest and certificate that wait, all lines
before any is taken.

Out, one file a signer::

    {"certificate": "<DER, base64>", "signer": "<SHA-256 of the certificate, hex>", "algorithm":
    "RSASSA-PKCS1-v1_5", "digests": [{"issuance": "<UUID>", "field": "GVCN", "digest": "<SHA-256 of the signed
    attributes, hex>"}]}

In, a list of ``{"issuance": …, "field": …, "digest": …, "signature": "<base64>"}``, or an object with such a
list under ``signatures``. ECDSA values are DER. Signature values of PKCS#1 v1.5 are over DigestInfo(SHA-256).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.audit.service import Actor
from portal.errors import Refusal
from portal.issuing import signing, wire
from portal.issuing.intents import Held, Job, change, key_use, read, seal_held
from portal.issuing.models import Issuance, Stage
from portal.ports import Clock, Timestamper
from portal.trust.store import signer_names
from portal.vault import Vault
from verifier.errors import InvalidInput, Problem
from verifier.locator import group


@dataclass(frozen=True, slots=True)
class Exported:
    """One file of digests."""

    path: Path
    signer: str
    digests: int


@dataclass(frozen=True, slots=True)
class Export:
    """What an export did: files written, files of earlier exports removed, and what did not go out and
    why.
    """

    written: tuple[Exported, ...]
    removed: tuple[Path, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Brought:
    """A checked signature value for a version that waits for it."""

    job: Job
    value: bytes


@dataclass(frozen=True, slots=True)
class Incoming:
    """A checked file: ``brought`` is to be taken; ``before`` counts lines that an earlier run took.

    ``ready`` are versions whose signature was taken and that did not proceed: a run ended between.
    """

    brought: tuple[Brought, ...]
    before: int
    ready: tuple[Job, ...]


def export_digests(
    session: Session, vault: Vault, directory: Path, *, unfit: Callable[[Job], tuple[Problem, ...]]
) -> Export:
    """Writes what waits, one file a signer; nothing in the database changes by it.

    No digest goes out for a version that ``unfit`` finds a problem with: a signature on it would not count.
    Files that an earlier export left in ``directory`` are replaced or, when nothing waits for their signer,
    removed: a digest that lies about is one that somebody signs. A file that is not exactly what an export
    writes stays, and is named. Raises Refusal when ``directory`` cannot be written.
    """
    by_signer: dict[str, list[signing.Prepared]] = {}
    lines: dict[str, list[tuple[uuid.UUID, str, str]]] = {}
    problems: list[Problem] = []
    for job in _waiting(session, vault):
        prepared = job.held.prepared if job.held else None
        if prepared is None:
            continue
        found = unfit(job)
        problems += (replace(p, where=f"{group(job.intent.record_id)}, {p.where}") for p in found)
        if found:
            continue
        signer = sha256(prepared.certificate).hexdigest()
        by_signer.setdefault(signer, []).append(prepared)
        lines.setdefault(signer, []).append((job.id, prepared.field, prepared.digest.hex()))
    written: list[Exported] = []
    try:
        directory.mkdir(parents=True, exist_ok=True)
        removed = _remove_earlier(session, directory, keep=by_signer.keys())
        for signer, waiting in by_signer.items():
            path = directory / _file_name(signer)
            if path.exists() and _exported_for(path) != signer:
                sentence = "Đã có tệp này với nội dung khác; không ghi đè. Dời tệp đi rồi chạy lại."
                problems.append(Problem(str(path), "other_file", sentence))
                continue
            _write(path, waiting[0].certificate, lines[signer])
            written.append(Exported(path, signer, len(waiting)))
    except OSError as error:
        raise Refusal(
            "not_written",
            f"Không ghi được vào {directory}: {error.strerror}.",
            "Kiểm tra quyền ghi và chỗ trống trên đĩa, hoặc chọn thư mục khác, rồi chạy lại.",
        ) from error
    return Export(tuple(written), removed, tuple(problems))


def _file_name(signer: str) -> str:
    return f"digests-{signer[:16]}.json"


def _write(path: Path, certificate: bytes, lines: list[tuple[uuid.UUID, str, str]]) -> None:
    content = wire.digests_file(certificate, lines)
    # Renamed when it is whole: whoever signs never meets half a list.
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(content, indent=1), encoding="utf-8")
    draft.replace(path)


def _remove_earlier(session: Session, directory: Path, *, keep: Collection[str]) -> tuple[Path, ...]:
    """Removes the files of earlier exports for signers of ours for whom nothing goes out now."""
    found = {path: _exported_for(path) for path in sorted(directory.glob("digests-*.json"))}
    earlier = {path: signer for path, signer in found.items() if signer is not None and signer not in keep}
    ours = signer_names(session, list(earlier.values()))
    removed = tuple(path for path, signer in earlier.items() if signer in ours)
    for path in removed:
        path.unlink()
    return removed


def _exported_for(path: Path) -> str | None:
    """The signer of a file that is exactly what an export writes (nothing added, such as signatures)."""
    try:
        content = json.loads(path.read_text("utf-8"))
        members, signer = set(content), content["signer"]
        whole = members == {"certificate", "signer", "algorithm", "digests"} and path.name == _file_name(
            signer
        )
        if whole and all(set(line) == {"issuance", "field", "digest"} for line in content["digests"]):
            return str(signer)
    except (ValueError, TypeError, KeyError):
        return None
    return None


def read_signatures(session: Session, vault: Vault, content: bytes, name: str) -> Incoming:
    """The values in the file ``name``, each checked. Raises InvalidInput with every line that is wrong; takes
    nothing.
    """
    waiting = {str(job.id): job for job in _waiting(session, vault)}
    problems: list[Problem] = []
    brought: dict[str, Brought] = {}
    before = 0
    lines, wrong = wire.read_signatures(content, name)
    problems += wrong
    for line in lines:
        where, identity, field = line.where, line.issuance, line.field
        digest, value = line.digest, line.value
        job = waiting.get(identity)
        prepared = job.held.prepared if job and job.held else None
        if job is None or prepared is None or prepared.field != field:
            if _was_taken(session, vault, identity, field):
                before += 1
                continue
            problems.append(
                Problem(where, "not_waiting", f"Không có học bạ nào chờ chữ ký {field} với mã {identity}.")
            )
        elif digest != prepared.digest:
            problems.append(
                Problem(where, "other_digest", f"Giá trị băm của {field} không phải giá trị đang chờ ký.")
            )
        elif not signing.fits(prepared.certificate, prepared.digest, value):
            problems.append(
                Problem(
                    where,
                    "wrong_signature",
                    f"Chữ ký {field} không khớp giá trị băm và chứng thư số đã duyệt; hãy ký lại mục này.",
                )
            )
        elif identity in brought and brought[identity].value != value:
            problems.append(Problem(where, "repeated", f"Hai chữ ký khác nhau cho cùng một mục {identity}."))
        else:
            brought[identity] = Brought(job, value)
    if problems:
        raise InvalidInput(tuple(sorted(problems, key=_place)))
    ready = tuple(job for job in waiting.values() if job.held is not None and job.held.prepared is None)
    return Incoming(tuple(brought.values()), before, ready)


def take(
    brought: Brought,
    *,
    begin: Callable[[], AbstractContextManager[Session]],
    vault: Vault,
    clock: Clock,
    actor: Actor,
    timestamper: Timestamper | None,
    at: Callable[[str], None] = lambda point: None,
) -> uuid.UUID:
    """Puts one value into its file and commits, with its entry in the trail; the issuance may then proceed.
    Raises Refusal, PortalError.
    """
    job = brought.job
    prepared = job.held.prepared if job.held else None
    if prepared is None or job.held is None:
        raise Refusal("not_waiting", "Học bạ này không còn chờ chữ ký.")
    signed = (*job.held.signed, prepared.field)
    last = len(signed) == len(job.intent.seats)
    pdf = signing.complete(prepared, brought.value, timestamper if last else None)
    at("completed")
    held = seal_held(vault, job, Held(pdf, signed))
    now = clock.now()
    with begin() as session:
        change(session, job, now, next_field=None, signatures=len(signed), stage_sealed=held)
        audit.record(session, key_use(job, prepared, key="external", actor=actor), now=now)
    at("taken")
    return job.id


def _waiting(session: Session, vault: Vault) -> Iterator[Job]:
    """Those of uploads wait for an order of their people, which these files are no word of."""
    rows = session.scalars(
        select(Issuance)
        .where(Issuance.stage == Stage.WAITING, Issuance.upload_pk.is_(None))
        .order_by(Issuance.created_at, Issuance.id)
    )
    return (read(vault, row) for row in rows)


def _was_taken(session: Session, vault: Vault, identity: str, field: str) -> bool:
    """Whether this version has the signature of ``field`` already: then the line is an echo, not a
    mistake.
    """
    row = session.get(Issuance, uuid.UUID(identity))
    if row is None:
        return False
    job = read(vault, row)
    fields = [seat.field for seat in job.intent.seats]
    if field not in fields:
        return False
    if job.stage in (Stage.SEALED, Stage.REGISTERED):
        return True
    return job.held is not None and field in job.held.signed


def _place(problem: Problem) -> int:
    """Where in the file: its lines are told in their order, whatever was found out first."""
    return int(problem.where.rpartition(" ")[2])
