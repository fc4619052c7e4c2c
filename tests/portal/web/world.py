"""A registry with a few invented records, entered as the issuing side would, without drawing or signing a
PDF.

The files stand for sealed PDFs by their bytes alone; what a checker would find in them is a report made here.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.config import Settings
from portal.database import make_engine
from portal.factory import create_app
from portal.registry import service as registry
from portal.registry.service import NewFile, NewVersion
from portal.vault import Vault
from tests.conftest import ACTOR, NOW, FrozenClock
from tests.verifier.record_samples import sample
from verifier import record as records
from verifier.check import examine
from verifier.locator import Locator, new_record_id
from verifier.pades import Structure
from verifier.policy import DEFAULT
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
from verifier.sandbox import CheckJob
from verifier.trust import TrustStore

_NUMBERS = itertools.count(1)
CERTIFICATE = "ab" * 32


def filled(route: str) -> str:
    """The pattern of a route with something in its blanks that fits."""
    return re.sub("<[^>]*>", str(uuid.UUID(int=1)), re.sub("<int:[^>]*>", "1", route))


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
    checks: dict[CheckName, Check] = {
        name: Check(name, CheckStatus.PASSED)
        for name in CheckName
        if name not in (CheckName.REQUIRED_ROLES, CheckName.LOG_INCLUSION, CheckName.UNNAMED)
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
    record_id: str | None = None,
    disclosures: tuple[str, ...] | None = None,
    **changes: Any,
) -> Issued:
    """Register a record, or with ``before`` the next version of one."""
    number = next(_NUMBERS)
    data = sample(level, grade) | changes
    record = records.parse(data)
    fields = record.fields()
    disclosures = disclosures or records.make_disclosures(fields, lambda: os.urandom(16))
    if record_id is None:
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
            structure=Structure(report.sha256, len(content), 2, (), (), record_id, record.issuer, ()),
            epoch=0,
        ),
        epoch=0,
        actor=ACTOR,
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


class CannedChecker:
    """A :class:`portal.ports.Checker` that knows the invented files; everything else is really examined, in
    this process.
    """

    def __init__(self) -> None:
        self.reports: dict[str, ValidationReport] = {}
        self.jobs: list[CheckJob] = []

    def knows(self, *issued: Issued) -> None:
        for each in issued:
            self.reports[each.report.sha256] = each.report

    def check(self, job: CheckJob) -> ValidationReport:
        self.jobs.append(job)
        known = self.reports.get(hashlib.sha256(job.data).hexdigest())
        if known is not None:
            return replace(known, at=job.at)
        store = TrustStore(epoch=0, anchors=(), intermediates=(), signers=(), crls=())
        return examine(job.data, trust=store, policy=DEFAULT, at=job.at, known=None)


@dataclass(frozen=True, slots=True)
class World:
    """The portal under test and what it has issued."""

    app: Flask
    clock: FrozenClock
    checker: CannedChecker
    primary: Issued  # version 1, current
    first: Issued  # version 1 of a corrected record
    second: Issued  # version 2 of it, current
    recalled: Issued
    secondary: Issued  # THPT, current

    @property
    def client(self) -> FlaskClient:
        return self.app.test_client()

    @property
    def issued(self) -> tuple[Issued, ...]:
        return (self.primary, self.first, self.second, self.recalled, self.secondary)


@dataclass(frozen=True, slots=True)
class Stock:
    """An instance folder with five versions of four records, to be copied."""

    folder: Path
    issued: tuple[Issued, ...]


def stock(folder: Path, template: Path) -> Stock:
    """Issue the records once. ``template`` is a database with the schema."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(template, folder / "portal.sqlite3")
    settings = Settings.from_environment({"INSTANCE_DIR": str(folder)})
    vault = Vault(settings.key_encryption_keys, settings.index_key)
    engine = make_engine(settings.database_url)
    before = NOW - timedelta(days=20)
    with Session(engine) as session, session.begin():
        primary = enter(session, vault, before)
        first = enter(session, vault, before, grade=5, ho_va_ten="H'Nga Niê")
        second = enter(
            session, vault, before + timedelta(days=2), grade=5, before=first, ho_va_ten="H'Nga Niê"
        )
        recalled = enter(session, vault, before, grade=3)
        registry.recall(
            session, recalled.locator.record_id, "data_error", actor=ACTOR, now=before + timedelta(days=1)
        )
        secondary = enter(session, vault, before, level="THPT", grade=11)
    with engine.connect() as connection:  # fold the write-ahead log into the file that tests copy
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    engine.dispose()
    return Stock(folder, (primary, first, second, recalled, secondary))


def build(folder: Path, source: Stock, **environment: str) -> World:
    """A portal of its own with the records of ``source``."""
    shutil.copytree(source.folder, folder)
    clock, checker = FrozenClock(), CannedChecker()
    checker.knows(*source.issued)
    settings = Settings.from_environment({"INSTANCE_DIR": str(folder), **environment})
    return World(create_app(settings, checker=checker, clock=clock), clock, checker, *source.issued)


@pytest.fixture(scope="session")
def issued_stock(tmp_path_factory: pytest.TempPathFactory, _sqlite_template: Path) -> Stock:
    """The records, issued once a run."""
    return stock(tmp_path_factory.mktemp("stock"), _sqlite_template)


@pytest.fixture
def world(tmp_path: Path, issued_stock: Stock) -> Iterator[World]:
    """A portal of its own for one test."""
    made = build(tmp_path / "instance", issued_stock)
    yield made
    made.app.extensions["portal"].engine.dispose()
