"""A registry with a few invented records, entered as the issuing side would, without drawing or signing a PDF.

The files stand for sealed PDFs by their bytes alone; what a checker would find in them is a report made here.
"""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from portal.registry import service as registry
from portal.registry.service import NewFile, NewVersion
from portal.vault import Vault
from tests.verifier.record_samples import sample
from verifier import record as records
from verifier.locator import Locator, new_record_id
from verifier.pades import Structure
from verifier.report import (
    Check,
    CheckName,
    CheckStatus,
    Indication,
    Medium,
    Role,
    SignatureReport,
    SignerInfo,
    ValidationReport,
)

_NUMBERS = itertools.count(1)
CERTIFICATE = "ab" * 32


@dataclass(frozen=True, slots=True)
class Issued:
    """One registered version: its code, its file, and the input it was made from."""

    locator: Locator
    version: int
    data: Mapping[str, Any]
    header: Mapping[str, Any]
    disclosures: tuple[str, ...]
    file: bytes
    report: ValidationReport
    wrapped_key: bytes

    @property
    def path(self) -> str:
        return f"/V/{self.locator}"


def signature(field: str, at: datetime, *, failing: Check | None = None) -> SignatureReport:
    """A signature that passes every check, or fails one."""
    role = Role(field.partition(".")[0])
    checks = {
        name: Check(name, CheckStatus.PASSED)
        for name in CheckName
        if name not in (CheckName.REQUIRED_ROLES, CheckName.LOG_INCLUSION)
    }
    if failing is not None:
        checks[failing.name] = failing
    return SignatureReport(
        field=field,
        role=role,
        subject_code=field.partition(".")[2] or None,
        byte_range=(0, 100, 200, 300),
        signer=SignerInfo(
            certificate_sha256=CERTIFICATE,
            subject="CN=Trần Văn Minh, UID=CCCD:001080000009",
            issuer="CN=CA thử",
            serial="12",
            not_before=at - timedelta(days=300),
            not_after=at + timedelta(days=300),
        ),
        claimed_time=at,
        proven_time=at,
        school_code="01000123",
        capacity="",
        digest_algorithm="sha256",
        checks=tuple(checks.values()),
        indication=Indication.TOTAL_PASSED if failing is None else Indication.TOTAL_FAILED,
        sub_indication=None,
    )


def passing_report(file: bytes, fields: tuple[str, ...], at: datetime) -> ValidationReport:
    """What a checker finds in a file that is as issued."""
    return ValidationReport(
        at=at,
        medium=Medium.PDF,
        size=len(file),
        sha256=hashlib.sha256(file).hexdigest(),
        signatures=tuple(signature(f, at) for f in fields),
        checks=(
            Check(CheckName.REQUIRED_ROLES, CheckStatus.PASSED),
            Check(CheckName.LOG_INCLUSION, CheckStatus.NOT_AVAILABLE, "no_log"),
        ),
        pages=2,
        fresh_until=at + timedelta(days=30),
    )


def enter(
    session: Session,
    vault: Vault,
    now: datetime,
    *,
    level: str = "TIEU_HOC",
    grade: int = 4,
    before: Issued | None = None,
    file: bytes | None = None,
    **changes: Any,
) -> Issued:
    """Register a record, or with ``before`` the next version of one."""
    number = next(_NUMBERS)
    data = sample(level, grade) | changes
    record = records.parse(data)
    fields = record.fields()
    disclosures = records.make_disclosures(fields, lambda: os.urandom(16))
    record_id = before.locator.record_id if before else new_record_id(number.to_bytes(10, "big"))
    version = before.version + 1 if before else 1
    header = records.make_header(
        record, record_id=record_id, version=version, issued_on=date(2026, 5, 31), disclosures=disclosures
    )
    content = file or f"%PDF-1.7 invented file {number}".encode()
    report = passing_report(content, record.signature_fields, now)
    wrapped = before.wrapped_key if before else vault.new_key()
    registry.register(
        session,
        vault,
        NewVersion(
            record_id=record_id,
            version=version,
            school_code=record.issuer,
            school_name=str(data["truong"]),
            pupil_index=vault.blind_index(record_id, domain="pupil"),
            header=header,
            disclosures=disclosures,
            wrapped_key=wrapped,
        ),
        NewFile(
            sha256=report.sha256,
            size=len(content),
            stored_name=hashlib.sha256(b"stored" + content).hexdigest(),
            report=report,
            structure=Structure(
                report.sha256, len(content), 2, (), (), record_id, record.issuer, ()
            ),
            epoch=0,
        ),
        epoch=0,
        now=now,
    )
    return Issued(
        Locator(record_id, records.digest(header)),
        version,
        data,
        header,
        disclosures,
        content,
        report,
        wrapped,
    )
