"""The pages of issuing, as each role sees them, in both languages."""

from __future__ import annotations

import io
import re
import uuid
from datetime import date

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.commands.desk import issue_at_pages
from portal.extensions import KEY, Resources
from portal.issuing import deadlines
from portal.issuing.models import ClassUpload, UploadState
from portal.permissions import Role
from tests.portal.accounts.world import People
from tests.portal.audit.reading import entries
from tests.portal.web.test_pages import inspect
from tests.portal.web.world import World

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
