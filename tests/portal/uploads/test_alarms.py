"""An upload after which somebody has to look is told by the trail before it is answered (SEC-30), without a
word about a person (SEC-28).
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from portal.extensions import Resources
from portal.messages import service as messages
from portal.messages.service import Kind, Sender
from portal.registry.models import Record, RecordVersion, RegisteredFile
from portal.trust import service as trust
from portal.trust.service import SchoolInput
from tests.conftest import ACTOR, NOW
from tests.portal.accounts.world import HOME, open_offices
from tests.portal.audit.reading import entries
from tests.portal.uploads.test_views import JSON, body, code_url, picture, send
from tests.portal.web.world import CERTIFICATE, World, signature
from verifier.report import Check, CheckName, CheckStatus, ValidationReport
from verifier.verdict import Standing

SEALED = b"%PDF-1.7 sealed, never registered"
FAILED = Check(CheckName.AUTHORITY, CheckStatus.FAILED, "suspended")


def told(world: World) -> list[dict[str, Any]]:
    with Session(world.app.extensions["portal"].engine) as session:
        return entries(session, "alarm")


def sealed(world: World, content: bytes = SEALED) -> ValidationReport:
    """The checker finds an authorised seal on bytes that nobody registered."""
    report = replace(world.primary.report, sha256=hashlib.sha256(content).hexdigest(), size=len(content))
    world.checker.reports[report.sha256] = report
    return report


def failing(world: World) -> None:
    """The checker finds that the seal of a registered file does not count any more."""
    report = world.primary.report
    broken = signature("KY_PHAT_HANH", NOW, failing=FAILED)
    world.checker.reports[report.sha256] = replace(report, signatures=(*report.signatures[:-1], broken))


def test_a_registered_file_that_fails(world: World) -> None:
    failing(world)
    assert body(send(world, world.primary.file, **JSON))["verdict"] == "REGISTERED_BUT_SIGNATURE_FAILS"
    with Session(world.app.extensions["portal"].engine) as session:
        wanted = select(Record).where(Record.record_id == world.primary.locator.record_id)
        record = session.scalars(wanted).one()
    (entry,) = told(world)
    assert (entry["actor"], entry["outcome"]) == ("system:uploads", "done")
    assert entry["object"] == f"record:{record.id}"
    assert (entry["organisation"], entry["pupil"]) == (record.school_code, record.pupil_index)
    assert entry["details"] == {
        "verdict": "REGISTERED_BUT_SIGNATURE_FAILS",
        "file": world.primary.report.sha256,
        "version": 1,
    }


def test_an_authorised_seal_on_unknown_bytes(world: World) -> None:
    """On the certificate whose key it was; the school's code only where our own table has the school."""
    report = sealed(world)
    assert body(send(world, SEALED, **JSON))["verdict"] == "SEAL_VALID_NOT_REGISTERED"
    with Session(world.app.extensions["portal"].engine) as session, session.begin():
        trust.add_department(session, "01", "Sở Hà Nội", "Hà Nội", actor=ACTOR, now=NOW)
        school = SchoolInput(
            code="01000123",
            name="Trường Tiểu học Cây Bàng",
            department_code="01",
            levels=("TIEU_HOC",),
            commune="Phường Hoa",
            province="Hà Nội",
            sector="cong_lap",
            valid_from=date(2020, 9, 1),
        )
        trust.add_school(session, school, actor=ACTOR, now=NOW)
    other = sealed(world, b"%PDF-1.7 another")
    send(world, b"%PDF-1.7 another")
    first, second = told(world)
    assert {first["object"], second["object"]} == {f"certificate:{CERTIFICATE}"}
    assert first["details"] == {"verdict": "SEAL_VALID_NOT_REGISTERED", "file": report.sha256}
    assert second["details"]["file"] == other.sha256
    assert (first["organisation"], second["organisation"]) == (None, "01000123")
    assert (first["pupil"], second["pupil"]) == (None, None)


def test_a_code_whose_version_fails(world: World) -> None:
    """Of the photo itself nothing is told: two photos of one paper are one alarm."""
    with Session(world.app.extensions["portal"].engine) as session, session.begin():
        version = select(RecordVersion.id).where(RecordVersion.digest == world.primary.locator.digest)
        failed = update(RegisteredFile).where(RegisteredFile.version_pk.in_(version))
        session.execute(failed.values(standing=Standing.FAILED))
    for form in ("PNG", "JPEG"):
        answer = body(send(world, picture(code_url(world.primary), form=form), **JSON))
        assert (answer["verdict"], answer["evidence"]) == ("REGISTERED_BUT_SIGNATURE_FAILS", "code")
    (entry,) = told(world)
    assert entry["details"] == {"verdict": "REGISTERED_BUT_SIGNATURE_FAILS", "version": 1}


def test_the_same_alarm_is_told_once_a_day(world: World) -> None:
    sealed(world)
    for _ in range(3):
        send(world, SEALED)
        send(world, SEALED, "/check/data")
    assert len(told(world)) == 1
    world.clock.time += timedelta(days=1)
    send(world, SEALED)
    assert len(told(world)) == 1
    world.clock.time += timedelta(microseconds=1)
    send(world, SEALED)
    assert len(told(world)) == 2


def test_other_answers_are_no_alarm(world: World) -> None:
    for content in (world.primary.file, world.recalled.file, picture(code_url(world.primary)), b"hello"):
        send(world, content)
    assert told(world) == []


@pytest.mark.parametrize("named", ["Nguyễn Văn An", "AB" * 32, "\ud800", "x\x00"])
def test_a_child_that_was_taken_over_writes_nothing_into_the_trail(world: World, named: str) -> None:
    """SEC-28: what a report says of a certificate is told as one only if it has the form of one."""
    report = sealed(world)
    said = tuple(
        replace(s, school_code="Canary", signer=replace(s.signer, certificate_sha256=named))
        for s in report.signatures
        if s.signer is not None
    )
    world.checker.reports[report.sha256] = replace(report, signatures=said)
    assert body(send(world, SEALED, **JSON))["verdict"] == "SEAL_VALID_NOT_REGISTERED"
    (entry,) = told(world)
    assert (entry["object"], entry["organisation"]) == (None, None)


def test_an_alarm_that_cannot_be_told_is_no_answer(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Another writer holds the database for longer than a request may wait; the log has the alarm."""
    sealed(world)
    engine = world.app.extensions["portal"].engine
    with engine.connect() as other:  # BEGIN IMMEDIATE: SQLite's only write lock
        other.execute(text("SELECT 1"))
        answer = body(send(world, SEALED, **JSON))
    assert (answer["verdict"], answer["reasons"]) == ("CHECK_INCOMPLETE", ["registry_unavailable"])
    assert "alarm SEAL_VALID_NOT_REGISTERED" in caplog.text
    assert told(world) == []
    assert body(send(world, SEALED, **JSON))["verdict"] == "SEAL_VALID_NOT_REGISTERED"
    assert len(told(world)) == 1


def test_the_department_gets_an_e_mail_once(world: World) -> None:
    """To its office's address, however often the file is sent."""
    bundle: Resources = world.app.extensions["portal"]
    sealed(world)
    with Session(bundle.engine) as session, session.begin():
        open_offices(session, HOME, now=NOW)
    for _ in range(2):
        assert body(send(world, SEALED, **JSON))["verdict"] == "SEAL_VALID_NOT_REGISTERED"
    with Session(bundle.engine) as session:
        sender = Sender.of(bundle.settings)
        (message,) = messages.outbox(session, bundle.vault, sender=sender, limit=9)
    assert message.kind is Kind.ALARM_SEAL_VALID_NOT_REGISTERED
    assert message.to == "van-thu@s01.example"
    assert message.text is not None
    assert "01000123" in message.text.text
    (entry,) = told(world)
    assert f"{entry['number']:06d}" in message.text.text


def test_variants_of_one_file_are_told_a_few_times_and_sent_once(world: World) -> None:
    """Whoever has a genuine file can make any number of it that raise an alarm."""
    bundle: Resources = world.app.extensions["portal"]
    with Session(bundle.engine) as session, session.begin():
        open_offices(session, HOME, now=NOW)
    for number in range(8):
        content = SEALED + b"%%%d" % number
        sealed(world, content)
        assert body(send(world, content, **JSON))["verdict"] == "SEAL_VALID_NOT_REGISTERED"
    assert len(told(world)) == 5
    with Session(bundle.engine) as session:
        sender = Sender.of(bundle.settings)
        assert len(messages.outbox(session, bundle.vault, sender=sender, limit=9)) == 1
