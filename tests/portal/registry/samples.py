"""Versions and files to register, without PDFs: the record is real, the report says what a test wants."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from portal.registry import learners
from portal.registry import service as registry
from portal.registry.service import NewFile, NewVersion
from portal.vault import Vault
from tests.conftest import ACTOR, NOW
from tests.verifier.record_samples import sample
from verifier import record as records
from verifier.locator import Locator, new_record_id
from verifier.pades import Structure
from verifier.record import Level
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

SIGNER = "ab" * 32  # a certificate's SHA-256
SEAL = "cd" * 32
#: Checks of a document, one of another release, and the one that is given apart.
NOT_SAMPLED = (CheckName.REQUIRED_ROLES, CheckName.LOG_INCLUSION, CheckName.UNNAMED, CheckName.REVOCATION)
#: A child in the third grade.
NUMBER, BORN = "001317000001", "14/03/2017"


def new_version(
    vault: Vault, *, version: int = 1, like: NewVersion | None = None, **fields: Any
) -> NewVersion:
    """A primary record's version with fresh salts; ``like`` makes the next version of the same record. A
    field given as None is left out.
    """
    data = sample(Level.TIEU_HOC, 3) | fields
    record = records.parse({name: value for name, value in data.items() if value is not None})
    disclosures = records.make_disclosures(record.fields(), lambda: os.urandom(16))
    record_id = new_record_id(os.urandom(10)) if like is None else like.record_id
    header = records.make_header(
        record, record_id=record_id, version=version, issued_on=record.issued_on, disclosures=disclosures
    )
    pupil = vault.blind_index(record_id, domain="pupil")
    return NewVersion(
        record_id=record_id,
        version=version,
        school_code=record.issuer,
        school_name="Trường Tiểu học Kim Đồng",
        pupil_index=pupil if like is None else like.pupil_index,
        header=header,
        disclosures=disclosures,
        wrapped_key=vault.new_key() if like is None else like.wrapped_key,
    )


def enter_pupil(
    session: Session, vault: Vault, school: str, pupil: str, *, like: NewVersion | None = None, **fields: Any
) -> NewVersion:
    """Register a version of a pupil's record at a school; of the same child unless told otherwise."""
    child = {"so_dinh_danh_ca_nhan": NUMBER, "ngay_sinh": BORN, "year": "2025-2026", "ma_hoc_sinh": pupil}
    version = like.version + 1 if like else 1
    new = new_version(vault, version=version, like=like, **(child | fields | {"ma_truong": school}))
    new = replace(new, pupil_index=learners.pupil_index(vault, school, pupil))
    registry.register(session, vault, new, new_file(os.urandom(30), NOW), epoch=0, actor=ACTOR, now=NOW)
    return new


def locator(version: NewVersion) -> Locator:
    return Locator(version.record_id, records.digest(version.header))


def report(
    data: bytes,
    at: datetime,
    *,
    certificates: dict[Role, str] | None = None,
    revocation: CheckStatus = CheckStatus.PASSED,
    **changes: Any,
) -> ValidationReport:
    """A report on a primary record's file: three roles signed, every check passed unless told otherwise."""
    signers = {Role.GVCN: SIGNER, Role.CBQL: SIGNER, Role.KY_PHAT_HANH: SEAL} | (certificates or {})
    checks = tuple(Check(name, CheckStatus.PASSED) for name in CheckName if name not in NOT_SAMPLED)
    code = "" if revocation is CheckStatus.PASSED else f"crl_{revocation.value}"
    checks += (Check(CheckName.REVOCATION, revocation, code),)
    passed = revocation is CheckStatus.PASSED
    plain = ValidationReport(
        at=at,
        medium=Medium.PDF,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        signatures=tuple(
            SignatureReport(
                field=role.value,
                role=role,
                subject_code=None,
                byte_range=None,
                signer=SignerInfo(
                    certificate, "CN=A", "CN=CA", "1", at - timedelta(days=9), at + timedelta(days=9)
                ),
                claimed_time=at,
                proven_time=at,
                school_code="001",
                capacity="",
                digest_algorithm="sha256",
                checks=checks,
                indication=Indication.TOTAL_PASSED if passed else Indication.INDETERMINATE,
                sub_indication=None,
            )
            for role, certificate in signers.items()
        ),
        checks=(Check(CheckName.REQUIRED_ROLES, CheckStatus.PASSED),),
        pages=2,
        fresh_until=at + timedelta(days=7),
    )
    return replace(plain, **changes)


def structure(data: bytes) -> Structure:
    return Structure(
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        pages=2,
        signatures=(),
        unsigned_fields=(),
        attached_record_id=None,
        school_code=None,
        missing_roles=(),
    )


def new_file(data: bytes, at: datetime, *, epoch: int = 0, **changes: Any) -> NewFile:
    a_report = report(data, at, **changes)
    return NewFile(
        sha256=a_report.sha256,
        size=len(data),
        stored_name=hashlib.sha256(b"stored" + data).hexdigest(),
        report=a_report,
        structure=structure(data),
        epoch=epoch,
    )
