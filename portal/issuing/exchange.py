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

import base64
import binascii
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.errors import Refusal
from portal.issuing import signing
from portal.issuing.intents import Held, Job, change, read, seal_held
from portal.issuing.models import Issuance, Stage
from portal.ports import Clock, Timestamper
from portal.vault import Vault
from verifier.errors import InvalidInput, Problem


@dataclass(frozen=True, slots=True)
class Exported:
    """One file of digests."""

    path: Path
    signer: str
    digests: int


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
    ready: tuple[uuid.UUID, ...]


def export_digests(session: Session, vault: Vault, directory: Path) -> tuple[Exported, ...]:
    """Writes what waits, one file a signer, over what an earlier export wrote. Nothing changes by it."""
    by_signer: dict[str, list[signing.Prepared]] = {}
    lines: dict[str, list[dict[str, str]]] = {}
    for job in _waiting(session, vault):
        prepared = job.held.prepared if job.held else None
        if prepared is None:
            continue
        signer = sha256(prepared.certificate).hexdigest()
        by_signer.setdefault(signer, []).append(prepared)
        lines.setdefault(signer, []).append(
            {"issuance": str(job.id), "field": prepared.field, "digest": prepared.digest.hex()}
        )
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for signer, waiting in by_signer.items():
        certificate = waiting[0].certificate
        key = x509.load_der_x509_certificate(certificate).public_key()
        content = {
            "certificate": base64.b64encode(certificate).decode("ascii"),
            "signer": signer,
            "algorithm": "RSASSA-PKCS1-v1_5" if isinstance(key, rsa.RSAPublicKey) else "ECDSA",
            "digests": lines[signer],
        }
        path = directory / f"digests-{signer[:16]}.json"
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(content, indent=1), encoding="utf-8")
        draft.replace(path)
        written.append(Exported(path, signer, len(waiting)))
    return tuple(written)


def read_signatures(session: Session, vault: Vault, path: Path) -> Incoming:
    """The values in ``path``, each checked. Raises InvalidInput with every line that is wrong; takes
    nothing.
    """
    waiting = {str(job.id): job for job in _waiting(session, vault)}
    problems: list[Problem] = []
    brought: dict[str, Brought] = {}
    before = 0
    for number, line in enumerate(_lines(path), 1):
        where = f"{path.name}, mục {number}"
        try:
            identity, field, digest, value = _line(line)
        except ValueError as error:
            problems.append(Problem(where, "line", str(error)))
            continue
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
        raise InvalidInput(tuple(problems))
    ready = tuple(job.id for job in waiting.values() if job.held is not None and job.held.prepared is None)
    return Incoming(tuple(brought.values()), before, ready)


def take(
    brought: Brought,
    *,
    begin: Callable[[], AbstractContextManager[Session]],
    vault: Vault,
    clock: Clock,
    timestamper: Timestamper | None,
    at: Callable[[str], None] = lambda point: None,
) -> uuid.UUID:
    """Puts one value into its file and commits; the issuance may then proceed. Raises Refusal,
    PortalError.
    """
    job = brought.job
    prepared = job.held.prepared if job.held else None
    if prepared is None or job.held is None:
        raise Refusal("not_waiting", "Học bạ này không còn chờ chữ ký.")
    last = job.held.done == len(job.intent.seats) - 1
    pdf = signing.complete(prepared, brought.value, timestamper if last else None)
    at("completed")
    held = seal_held(vault, job, Held(pdf, job.held.done + 1))
    with begin() as session:
        change(session, job, clock.now(), next_field=None, stage_sealed=held)
    at("taken")
    return job.id


def _waiting(session: Session, vault: Vault) -> Iterator[Job]:
    rows = session.scalars(
        select(Issuance).where(Issuance.stage == Stage.WAITING).order_by(Issuance.created_at, Issuance.id)
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
    return job.held is not None and fields.index(field) < job.held.done


def _lines(path: Path) -> list[Any]:
    try:
        data = json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise InvalidInput((Problem(path.name, "file", f"Không đọc được tệp chữ ký: {error}."),)) from error
    if isinstance(data, dict):
        data = data.get("signatures")
    if not isinstance(data, list):
        raise InvalidInput((Problem(path.name, "file", "Phải là danh sách JSON các chữ ký."),))
    return data


def _line(line: Any) -> tuple[str, str, bytes, bytes]:
    """(issuance, field, digest, value). Raises ValueError with a sentence."""
    members = ("issuance", "field", "digest", "signature")
    if not isinstance(line, dict) or not all(isinstance(line.get(name), str) for name in members):
        raise ValueError(f"Mỗi mục cần {', '.join(members)}, đều là chuỗi.")
    try:
        identity = str(uuid.UUID(line["issuance"]))
        digest = bytes.fromhex(line["digest"])
        value = base64.b64decode(line["signature"], validate=True)
    except (ValueError, binascii.Error) as error:
        raise ValueError("issuance là UUID, digest là hex, signature là base64.") from error
    return identity, line["field"], digest, value
