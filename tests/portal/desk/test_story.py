"""Issuing at pages, from a class file with mistakes to a registered record and its correction."""

from __future__ import annotations

import io
import uuid
from dataclasses import replace
from datetime import date

import openpyxl
import pytest

from portal.desk import corrections, signatures, uploads
from portal.desk.person import Person
from portal.errors import Refusal
from portal.issuing import deadlines
from portal.issuing.marked import LIST_SHEET
from portal.issuing.models import CorrectionState, UploadKind, UploadState
from portal.issuing.service import Row
from tests.conftest import ACTOR
from tests.portal.audit.reading import entries
from tests.portal.desk.office import HEAD, HOMEROOM, OFFICER, TEACHER, SchoolOffice
from tests.portal.issuing.conftest import MakeWorld
from tests.portal.issuing.test_pipeline import verdict
from tests.portal.issuing.world import School, World, changed
from verifier.verdict import Outcome as Verdict


def registered(world: World) -> list[tuple[str, int, bytes]]:
    """(record id, version, file) of everything that is registered."""
    return [
        (
            record.record_id,
            version.version,
            world.content(record, version, file),
        )
        for record, version, file in world.registered()
    ]


def test_a_class_is_issued_by_its_people_and_corrected_after_the_lock(
    make_world: MakeWorld, secondary: School
) -> None:
    world = make_world(secondary)
    office = SchoolOffice.open(world, secondary)
    row = secondary.rows[0]

    upload = send_mended(office, mistakes_come_back(office, row))
    people_sign(office, row)

    # Registered, and a stranger's check of the file says so.
    assert office.view(upload).facts.state == UploadState.DONE
    ((record_id, version, data),) = registered(world)
    assert version == 1
    assert verdict(world, data) is Verdict.GENUINE_CURRENT
    the_clerk_has_the_file(office, upload, row, data)

    correct_after_the_lock(office, row, record_id)
    files = {number: data for _, number, data in registered(world)}
    assert verdict(world, files[2]) is Verdict.GENUINE_CURRENT
    assert verdict(world, files[1]) is Verdict.GENUINE_SUPERSEDED

    # The trail has each word and each use of a key, by account (SEC-30).
    with world.begin() as session:
        trail = entries(session)
    uses = [e for e in trail if e["action"] == "key_use" and e["outcome"] == "done"]
    assert len(uses) == 2 * len(row.record.signature_fields)
    assert all(e["actor"].startswith("account:") for e in uses)
    assert {e["details"]["key"] for e in uses} == {"local", "external"}
    told = {(e["action"], e["details"].get("change")) for e in trail}
    assert told >= {
        ("class_upload", "send"),
        ("class_upload", "marked_file"),
        ("class_upload", "confirm"),
        ("class_upload", "erase"),
        ("late_correction", "asked"),
        ("late_correction", "approved"),
    }


def mistakes_come_back(office: SchoolOffice, row: Row) -> openpyxl.Workbook:
    """A file with mistakes comes back as a list and as the clerk's own spreadsheet, without a formula."""
    upload = office.send(office.file(row, gioi_tinh="Không rõ", noi_sinh="=cmd|' /C calc'!A0"))
    assert office.view(upload).facts.state == UploadState.SENT
    office.work()
    view = office.view(upload)
    assert (view.facts.state, view.facts.can_be_confirmed) == (UploadState.EXAMINED, False)
    assert view.examined is not None
    assert {"gioi_tinh", "noi_sinh"} <= {
        name for p in view.examined.problems for name in ("gioi_tinh", "noi_sinh") if name in p.where
    }
    with pytest.raises(Refusal, match="còn lỗi"):
        office.confirm(upload)

    with office.world.begin() as session:
        now = office.world.clock.now()
        back = uploads.marked_file(session, office.world.vault, office.clerk, upload, now=now)
    book = openpyxl.load_workbook(io.BytesIO(back))
    sheet = book.worksheets[0]
    assert [cell.value for cell in sheet[1]][-1] == "Lỗi"
    commented = {sheet.cell(1, c.column or 0).value for line in sheet.iter_rows() for c in line if c.comment}
    assert "gioi_tinh" in commented
    assert "gioi_tinh" in str(sheet.cell(2, sheet.max_column).value)
    assert book[LIST_SHEET].max_row == 1 + len(view.examined.problems)
    cells = [cell for page in book for line in page.iter_rows() for cell in line]
    assert [cell.coordinate for cell in cells if cell.data_type == "f"] == []
    assert any(cell.value == "=cmd|' /C calc'!A0" and cell.quotePrefix for cell in cells)
    return book


def send_mended(office: SchoolOffice, book: openpyxl.Workbook) -> uuid.UUID:
    """Mended in the very file that came back, it passes and is confirmed; nothing is signed by that."""
    sheet = book.worksheets[0]
    right = {"gioi_tinh": office.school.rows[0].record.common.gioi_tinh, "noi_sinh": "Hà Nội"}
    for head, cell in zip(sheet[1], sheet[2], strict=True):
        if head.value in right:
            cell.value = str(right[str(head.value)])
    mended = io.BytesIO()
    book.save(mended)
    upload = office.send(mended.getvalue())
    office.work()
    view = office.view(upload)
    assert view.examined is not None
    assert [p.message for p in view.examined.problems] == []
    assert view.facts.can_be_confirmed
    office.confirm(upload)
    office.work()
    view = office.view(upload)
    assert (view.facts.state, view.facts.records, view.examined) == (UploadState.ISSUING, 1, None)
    assert office.world.registered() == []
    return upload


def people_sign(office: SchoolOffice, row: Row) -> None:
    """Nobody before their turn; teachers in any order, one of them with a token of their own."""
    head = office.person(office.school.plan.manager.name, HEAD)
    assert office.parts(office.clerk) == []
    teachers = [p.name for p in office.school.plan.staff if p.name != head.name]
    signed = 0
    for name in reversed(teachers):
        who = office.person(name, TEACHER)
        for part in [part for part in office.parts(who) if part.key.field.startswith("GVBM.")]:
            if signed == 1:
                out = office.sign_with_token(who, part)
                assert [line["field"] for line in out["digests"]] == [part.key.field]
            else:
                office.order(who, part)
                office.work()
            signed += 1
    assert signed == sum(field.startswith("GVBM.") for field in row.record.signature_fields)

    # The homeroom teacher before the principal, who sees who is missing; the seal at the end.
    assert office.parts(head) == []
    with office.world.begin() as session:
        left = [part.key.field for part in signatures.progress(session, head)]
        (waits,) = [part for part in signatures.own_parts(session, head) if part.left]
    assert sorted(left) == ["CBQL", "GVCN", "KY_PHAT_HANH"]
    assert (waits.ready, waits.later, waits.before) == (0, 1, ("GVCN",))
    homeroom = next(who for name in teachers if office.parts(who := office.person(name, HOMEROOM)))
    assert [office.sign_all(who) for who in (homeroom, head, office.clerk)] == [1, 1, 1]


def the_clerk_has_the_file(office: SchoolOffice, upload: uuid.UUID, row: Row, data: bytes) -> None:
    """What came of an upload is listed and handed out, to its school alone; the trail tells each (SEC-18,
    SEC-30).
    """
    world, now = office.world, office.world.clock.now()
    with world.begin() as session:
        (copy,) = uploads.issued(session, world.vault, office.clerk, upload, now=now)
        assert copy.name == row.record.common.ho_va_ten

        def file(who: Person, version: int) -> bytes:
            vault, files, record_id = world.vault, world.files, copy.record_id
            return uploads.issued_file(
                session, vault, files, who, upload, record_id=record_id, version=version, now=now
            )

        assert file(office.clerk, copy.version) == data
        for who, version in ((office.clerk, 2), (replace(office.clerk, office="09999999"), copy.version)):
            with pytest.raises(Refusal):
                file(who, version)
    with world.begin() as session:
        shown = [e for e in entries(session) if e["purpose"] == "issuer_copy"]
    assert [(e["object"].partition(":")[0], e["pupil"] is None) for e in shown] == [
        ("upload", True),
        ("record", False),
    ]


def correct_after_the_lock(office: SchoolOffice, row: Row, record_id: str) -> None:
    """Refused, until the department lets it through; the days are data."""
    world, head = office.world, office.person(office.school.plan.manager.name, HEAD)
    with world.begin() as session:
        for supplementary in (False, True):
            deadlines.set_last_open_day(
                session,
                "S00",
                row.record.year,
                date(2026, 6, 9),
                supplementary=supplementary,
                actor=ACTOR,
                now=world.clock.now(),
            )
    better = office.file(changed(row, que_quan="Hà Nội", noi_sinh="Hà Nội"))
    reason = "Nhập nhầm quê quán"
    late = office.send(better, kind=UploadKind.CORRECTION, reason=reason)
    office.work()
    found = office.view(late).examined
    assert found is not None
    assert [problem.code for problem in found.problems] == ["late"]

    now = world.clock.now()
    with world.begin() as session:
        asked = corrections.ask_late(session, world.vault, head, record_id, "data_entry", now=now)
    with world.begin() as session:
        (waiting,) = corrections.late_waiting(session, OFFICER)
        assert (waiting.id, waiting.record_id, waiting.version) == (asked, record_id, 2)
        corrections.decide_late(session, OFFICER, asked, now=now)
    with world.begin() as session:
        assert corrections.late_of_school(session, head)[0].state == CorrectionState.APPROVED

    late = office.send(better, kind=UploadKind.CORRECTION, reason=reason)
    office.work()
    office.confirm(late)
    office.work()
    everyone = [office.person(person.name, TEACHER) for person in office.school.plan.staff]
    for who in (*everyone, *everyone, head, office.clerk):
        office.sign_all(who)
    assert office.view(late).facts.state == UploadState.DONE
