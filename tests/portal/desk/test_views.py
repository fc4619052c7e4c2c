"""The pages of issuing, as each role sees them, in both languages."""

from __future__ import annotations

import io
import re
import uuid
from datetime import date, timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.commands.desk import issue_at_pages
from portal.decisions.service import ALONE
from portal.extensions import KEY, Resources
from portal.filestore import name_of
from portal.issuing import deadlines
from portal.issuing.models import (
    ClassUpload,
    CorrectionState,
    Issuance,
    LateCorrection,
    LineState,
    OrderLine,
    PlannedSignature,
    SigningOrder,
    Stage,
    UploadKind,
    UploadState,
    Way,
)
from portal.issuing.sealed import seal_upload
from portal.permissions import OrganisationKind, Role
from portal.registry.many import FRESH
from portal.registry.models import Record, RegisteredFile
from portal.registry.rows import seal_file
from portal.trust.models import Signer
from tests.portal.accounts.world import HOME, People
from tests.portal.audit.reading import entries
from tests.portal.web.test_pages import inspect
from tests.portal.web.world import Issued, World

PAGES = {
    "/classes": (Role.CLERK, Role.ACADEMIC_STAFF),
    "/progress": (Role.CLERK, Role.MANAGER, Role.HOMEROOM_TEACHER, Role.ACADEMIC_STAFF),
    "/sign": (Role.SUBJECT_TEACHER, Role.HOMEROOM_TEACHER),
    "/approve": (Role.MANAGER,),
    "/seal": (Role.CLERK,),
    "/recall": (Role.MANAGER,),
    "/late-corrections": (Role.MANAGER,),
    "/certificate": (Role.SUBJECT_TEACHER, Role.HOMEROOM_TEACHER, Role.MANAGER, Role.CLERK),
    "/department/certificates": (Role.DEPARTMENT_OFFICER,),
    "/department/late-corrections": (Role.DEPARTMENT_OFFICER,),
    "/lock-dates": (Role.DEPARTMENT_OFFICER,),
}


@pytest.mark.parametrize("language", ["", "?lang=en"])
@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_sound_and_for_its_roles_alone(
    world: World, people: People, path: str, language: str
) -> None:
    """SEC-17: the one table decides."""
    for role in (*PAGES[path], Role.ADMINISTRATOR):
        answer = people.sign_in(role).get(path + language)
        assert answer.status_code == (200 if role in PAGES[path] else 403)
        inspect(answer.text)
    assert people.sign_in(PAGES[path][0]).get("/work").text.count(f'href="{path}"') == 1


def test_a_class_file_with_mistakes_comes_back_and_can_be_withdrawn(world: World, people: People) -> None:
    clerk = people.sign_in(Role.CLERK)
    # Nothing chosen, and a correction without its reason: both are said at once.
    answer = clerk.post("/classes", {"kind": "correction"})
    assert answer.status_code == 422
    inspect(answer.text)
    assert {"#file", "#reason"} <= set(re.findall(r'href="(#\w+)"', answer.text))

    answer = clerk.post(
        "/classes", {"file": (io.BytesIO(b"ho_va_ten;ma_hoc_sinh;lop\nNa;1;6A\n"), "lop 6A.csv")}
    )
    assert answer.status_code == 303
    page = answer.headers["Location"]
    waiting = clerk.get(page)
    inspect(waiting.text)
    assert "Đang chờ kiểm tra" in waiting.text

    bundle: Resources = world.app.extensions[KEY]
    with world.app.app_context():
        while issue_at_pages(bundle, bundle.clock.now()):
            pass
    for language in ("", "?lang=en"):
        seen = clerk.get(page + language)
        assert seen.status_code == 200
        inspect(seen.text)
        assert "lop 6A.csv" in seen.text
        assert "missing" not in seen.text
    back = clerk.get(f"{page}/mistakes.xlsx")
    assert back.data.startswith(b"PK")
    assert back.headers["Cache-Control"] == "no-store"
    refused = clerk.post(f"{page}/confirm")
    assert refused.status_code == 422
    inspect(refused.text)

    # Nobody of another school finds it (SEC-18).
    stranger = people.sign_in(Role.CLERK, away=True)
    assert stranger.get(page).status_code == 404
    assert stranger.get(f"{page}/mistakes.xlsx").status_code == 404
    assert stranger.post(f"{page}/withdraw").status_code == 404
    assert "lop 6A.csv" not in stranger.get("/classes").text

    assert clerk.post(f"{page}/withdraw").status_code == 303
    with Session(bundle.engine) as session:
        row = session.scalars(select(ClassUpload)).one()
        assert (row.state, row.content_sealed) == (UploadState.WITHDRAWN, None)


def test_what_is_not_there_is_not_found(world: World, people: People) -> None:
    teacher = people.sign_in(Role.SUBJECT_TEACHER)
    nobody = uuid.uuid4()
    for path in (
        f"/classes/{nobody}",
        f"/sign/orders/{nobody}/digests.json",
        f"/sign/part?upload={nobody}&class=6A&field=GVCN",
        "/sign/part?upload=x",
    ):
        who = people.sign_in(Role.CLERK) if path.startswith("/classes") else teacher
        assert who.get(path).status_code == 404
    answer = teacher.post("/sign/order", {"upload": str(nobody), "class": "6A", "field": "GVCN"})
    assert answer.status_code == 422
    inspect(answer.text)


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("/recall", Role.MANAGER),
        (f"/approve/orders/{uuid.UUID(int=1)}/give-up", Role.MANAGER),
        ("/approve/order", Role.MANAGER),
        ("/seal/order", Role.CLERK),
        (f"/department/certificates/{uuid.UUID(int=1)}", Role.DEPARTMENT_OFFICER),
        (f"/department/late-corrections/{uuid.UUID(int=1)}", Role.DEPARTMENT_OFFICER),
    ],
)
def test_what_cannot_be_undone_asks_for_a_passkey_each_time(people: People, path: str, role: Role) -> None:
    """SEC-23."""
    assert people.sign_in(role).post(path).status_code == 403


def an_upload(world: World, *issued: Issued, stage: Stage) -> ClassUpload:
    """A class file of the school whose records stand at ``stage``, in the database."""
    bundle: Resources = world.app.extensions[KEY]
    now, vault = bundle.clock.now(), bundle.vault
    with Session(bundle.engine, expire_on_commit=False) as session, session.begin():
        row = ClassUpload(
            id=uuid.uuid4(),
            school_code=HOME[OrganisationKind.SCHOOL],
            account_pk=uuid.uuid4(),
            kind=UploadKind.FIRST,
            state=UploadState.ISSUING,
            wrapped_key=vault.new_key(),
            sent_at=now,
        )
        row.name_sealed = seal_upload(vault, row, "name_sealed", b"lop.csv")
        row.reason_sealed = seal_upload(vault, row, "reason_sealed", b"")
        session.add(row)
        for each in issued:
            record = session.scalars(select(Record).filter_by(record_id=each.locator.record_id)).one()
            session.add(
                Issuance(
                    id=uuid.uuid4(),
                    school_code=row.school_code,
                    pupil_index=record.pupil_index,
                    year=record.year,
                    version=each.version,
                    record_id=record.record_id,
                    content_index="0" * 64,
                    stage=stage,
                    wrapped_key=record.wrapped_key,
                    intent_sealed=b"",
                    issued_on=now.date(),
                    created_at=now,
                    updated_at=now,
                    batch=row.id,
                    upload_pk=row.id,
                    school_class="4A",
                )
            )
    return row


def test_files_of_long_ago_are_taken_out_by_two_sec_24(world: World, people: People) -> None:
    """SEC-24: what was sealed just now is handed out uncounted; of what is older a few, then another way is
    named, and the trail has who tried.
    """
    upload = an_upload(world, world.primary, stage=Stage.REGISTERED)
    bundle: Resources = world.app.extensions[KEY]
    with Session(bundle.engine) as session, session.begin():
        file = session.scalars(select(RegisteredFile).filter_by(sha256=world.primary.report.sha256)).one()
        version = file.version
        version.registered_at = bundle.clock.now()
        sealed = seal_file(
            bundle.vault, version.record.wrapped_key, world.primary.file, sha256=file.sha256, version=1
        )
        file.stored_name = name_of(sealed)
        bundle.files.put_new(file.stored_name, sealed)
    page = f"/classes/{upload.id}"
    pdf = f"{page}/{world.primary.locator.record_id}/{world.primary.version}/pdf"
    clerk = people.sign_in(Role.CLERK)
    assert "Tệp đóng dấu đã quá 14 ngày" not in clerk.get(page).text
    for _ in range(ALONE + 1):
        assert clerk.get(pdf).data == world.primary.file
    world.clock.time += FRESH
    clerk = people.sign_in(Role.CLERK)
    for language in ("", "?lang=en"):
        inspect(clerk.get(page + language).text)
    assert "Tệp đóng dấu đã quá 14 ngày" in clerk.get(page).text
    assert [clerk.get(pdf).status_code for _ in range(ALONE)] == [200] * ALONE
    for language in ("", "?lang=en"):
        refused = clerk.get(pdf + language)
        assert refused.status_code == 422
        inspect(refused.text)
    assert "nhờ người vận hành cổng" in clerk.get(pdf).text
    assert people.sign_in(Role.ACADEMIC_STAFF).get(pdf).status_code == 200  # another person's count
    with Session(bundle.engine) as session:
        told = [e for e in entries(session) if e["details"].get("reason") == "needs_two_persons"]
    assert told
    assert {(e["actor"], e["outcome"]) for e in told} == {(f"account:{clerk.person.account}", "refused")}


def test_a_part_of_which_nothing_is_ready_says_who_signs_before(world: World, people: People) -> None:
    """Nothing to press: no link to an order that could not be given."""
    upload = an_upload(world, world.primary, stage=Stage.WAITING)
    bundle: Resources = world.app.extensions[KEY]
    me, now = people.person(Role.MANAGER), bundle.clock.now()
    with Session(bundle.engine) as session, session.begin():
        (issuance,) = session.scalars(select(Issuance).filter_by(upload_pk=upload.id))
        for rank, field in ((1, "GVCN"), (2, "CBQL")):
            session.add(
                PlannedSignature(
                    id=uuid.uuid4(),
                    issuance_pk=issuance.id,
                    field=field,
                    rank=rank,
                    certificate_sha256=f"{rank:064}",
                )
            )
        session.add(
            Signer(
                certificate_sha256=f"{2:064}",
                certificate=b"",
                issuer_id="ca",
                serial="1",
                not_after=now + timedelta(days=90),
                school_code=upload.school_code,
                role="CBQL",
                display_name="Người Thử",
                valid_from=now,
                account_pk=me.account,
            )
        )
    manager = people.sign_in(Role.MANAGER)
    for language in ("", "?lang=en"):
        shown = manager.get("/approve" + language).text
        inspect(shown)
        assert "/approve/part?" not in shown
    shown = manager.get("/approve").text
    assert "1 học bạ chưa đến lượt bạn ký. Còn chờ ký trước: Giáo viên chủ nhiệm." in shown
    with Session(bundle.engine) as session, session.begin():
        signed = select(PlannedSignature).filter_by(field="GVCN")
        session.scalars(signed).one().signed_at = now
    assert "/approve/part?" in manager.get("/approve").text


def test_the_digests_of_a_token_are_linked_when_all_are_out(world: World, people: People) -> None:
    """Half of them would be taken for all: meanwhile the page says how many are still to come."""
    upload = an_upload(world, world.primary, world.secondary, stage=Stage.WAITING)
    bundle: Resources = world.app.extensions[KEY]
    me, now, order = people.person(Role.MANAGER), bundle.clock.now(), uuid.uuid4()
    with Session(bundle.engine) as session, session.begin():
        placed = SigningOrder(
            id=order, account_pk=me.account, school_code=upload.school_code, certificate_sha256="0" * 64,
            act="approve", way=Way.TOKEN, confirmed_by="passkey", ordered_at=now,
            held_until=now + timedelta(hours=1),
        )  # fmt: skip
        session.add(placed)
        session.flush()
        issuances = session.scalars(select(Issuance).filter_by(upload_pk=upload.id)).all()
        for state, issuance in zip((LineState.PREPARED, LineState.ASKED), issuances, strict=True):
            session.add(OrderLine(order_pk=order, issuance_pk=issuance.id, field="CBQL", state=state))
    manager, link = people.sign_in(Role.MANAGER), f"/approve/orders/{order}/digests.json"
    words = {
        "": "Cổng còn đang chuẩn bị 1 học bạ nữa.",
        "?lang=en": "The portal is still preparing more records: 1.",
    }
    for language, said in words.items():
        shown = manager.get("/approve" + language).text
        inspect(shown)
        assert said in shown
        assert link not in shown
    with Session(bundle.engine) as session, session.begin():
        session.execute(update(OrderLine).values(state=LineState.PREPARED))
    for language, said in words.items():
        shown = manager.get("/approve" + language).text
        inspect(shown)
        assert link in shown
        assert said not in shown


def test_a_no_without_its_reason_is_no_yes(world: World, people: People) -> None:
    """What is not said to be a yes is a no, and wants its reason, at its field."""
    now = world.clock.now()
    bundle: Resources = world.app.extensions[KEY]
    late = uuid.uuid4()
    with Session(bundle.engine) as session, session.begin():
        session.add(
            LateCorrection(
                id=late,
                school_code=HOME[OrganisationKind.SCHOOL],
                department_code=HOME[OrganisationKind.DEPARTMENT],
                record_id=world.primary.locator.record_id,
                version=2,
                reason="identity",
                state=CorrectionState.WAITING,
                asked_by=uuid.uuid4(),
                asked_at=now,
            )
        )
    officer = people.sign_in(Role.DEPARTMENT_OFFICER)
    path = f"/department/late-corrections/{late}"
    for form in ({}, {"answer": "no"}, {"answer": "no", "refusal": ""}, {"refusal": "vì thế"}):
        answer = officer.confirm(path, form)
        assert answer.status_code == 422
        inspect(answer.text)
        assert f'href="#refusal-{late}"' in answer.text
    with Session(bundle.engine) as session:
        assert session.get_one(LateCorrection, late).state == CorrectionState.WAITING
    assert officer.confirm(path, {"answer": "no", "refusal": "no_evidence"}).status_code == 303
    with Session(bundle.engine) as session:
        row = session.get_one(LateCorrection, late)
        assert (row.state, row.refusal) == (CorrectionState.REFUSED, "no_evidence")


def test_a_certificate_that_is_none_is_refused_at_its_field(world: World, people: People) -> None:
    teacher = people.sign_in(Role.SUBJECT_TEACHER)
    for sent in ({}, {"certificate": (io.BytesIO(b"x"), "a.cer")}):
        answer = teacher.post("/certificate", sent)
        assert answer.status_code == 422
        inspect(answer.text)
        assert 'href="#certificate"' in answer.text
    answer = teacher.post("/certificate", {"certificate": (io.BytesIO(b"x"), "a.cer"), "subjects": "Bay"})
    assert 'href="#subjects"' in answer.text
    assert 'value="Bay"' in answer.text


def test_a_record_that_is_not_ours_is_refused_at_its_field(world: World, people: People) -> None:
    manager = people.sign_in(Role.MANAGER)
    answer = manager.post("/late-corrections", {"record_id": "abc", "reason": ""})
    assert answer.status_code == 422
    inspect(answer.text)
    assert 'href="#record_id"' in answer.text
    assert 'value="abc"' in answer.text


def test_a_department_sets_lock_dates_for_its_own_schools(world: World, people: People) -> None:
    """Data, with a passkey each time, in the trail; all mistakes at once, typed text kept."""
    officer = people.sign_in(Role.DEPARTMENT_OFFICER)
    usual = officer.get("/lock-dates").text
    inspect(usual)
    assert "30/06/2026" in usual
    assert "Sở đã đặt" not in usual
    empty = officer.confirm("/lock-dates", {"day": "31/2/2026"})
    assert empty.status_code == 422
    inspect(empty.text)
    for field in ("year", "group", "day"):
        assert f'href="#{field}"' in empty.text
    assert 'value="31/2/2026"' in empty.text
    form = {"year": "2025-2026", "group": "again", "day": "20/8/2025"}
    assert "năm kết thúc của năm học" in officer.confirm("/lock-dates", form).text
    odd = officer.confirm("/lock-dates", {"year": "0001-0002", "group": "again", "day": "1/1/0002"})
    assert (odd.status_code, 'href="#year"' in odd.text) == (422, True)
    form["day"] = "20/8/2026"
    assert officer.post("/lock-dates", form).status_code == 403  # without the passkey
    assert officer.confirm("/lock-dates", form).headers["Location"] == "/lock-dates"
    assert '20/08/2026</b> <span class="muted">(Sở đã đặt)' in officer.get("/lock-dates").text
    assert "20/08/2026" in people.sign_in(Role.MANAGER).get("/late-corrections").text
    assert "20/08/2026" not in people.sign_in(Role.MANAGER, away=True).get("/late-corrections").text
    bundle: Resources = world.app.extensions[KEY]
    with Session(bundle.engine) as session:
        (told,) = entries(session, "late_correction")
    assert told["details"] == {"change": "lock_date_again", "until": "2026-08-20"}
    assert told["organisation"] == "S01"


def test_commands_set_lock_dates_and_link_certificates(world: World, people: People) -> None:
    """What a department fixes once, and whose a certificate is that a command registered."""
    run = world.app.test_cli_runner()
    for year, day, code in (
        ("2025-2026", "01/07/2026", 0),
        ("2025-2026", "02/07/2026", 0),
        ("2025", "01/07/2026", 1),
        ("2025-2026", "01/07/2025", 1),
    ):
        said = run.invoke(args=["trust", "set-lock-date", "S01", year, day])
        assert said.exit_code == code, said.output
    assert run.invoke(args=["trust", "set-lock-date", "S77", "2025-2026", "01/07/2026"]).exit_code == 1
    bundle: Resources = world.app.extensions[KEY]
    with Session(bundle.engine) as session:
        last = deadlines.last_open_day(session, "S01", "2025-2026", supplementary=False)
        assert last == date(2026, 7, 2)
        assert deadlines.last_open_day(session, "S01", "2025-2026", supplementary=True) == date(2026, 8, 15)
    account = str(people.person(Role.CLERK).account)
    unknown = run.invoke(
        args=[
            *("decisions", "propose", "link_signers", "ab" * 32, "--account", account),
            *("--reason", "new_account", "--reference", "1/QĐ"),
        ]
    )
    assert (unknown.exit_code, "Không có người ký" in unknown.output) == (1, True)
