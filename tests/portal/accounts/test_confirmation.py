"""Acts that cannot be undone are confirmed with a passkey, each time, for exactly what is sent (SEC-23)."""

from __future__ import annotations

import html
import io
import json
import re
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.accounts.models import Method, Passkey
from portal.audit.models import AuditEntry
from portal.extensions import KEY
from portal.permissions import Role
from portal.web.sessions import PASSKEY_FIELD
from tests.portal.accounts.authenticator import PRESENT
from tests.portal.accounts.world import People, Visitor
from tests.portal.web.test_pages import inspect
from tests.portal.web.world import World

FORM = {"name": "Lê An", "email": "an@truong.example", "roles": ["clerk", "manager"]}
ORIGIN = "http://127.0.0.1:8000"


def answer(visitor: Visitor, path: str, form: dict[str, Any], **how: Any) -> str:
    """An answer to the question for ``form`` at ``path``."""
    return json.dumps(visitor.person.key.get(visitor.ask(path, form).get_json(), ORIGIN, **how))


def invited(visitor: Visitor) -> bool:
    return "Lê An" in visitor.get("/people").text


def refusals(world: World) -> list[str]:
    with Session(world.app.extensions[KEY].engine) as session:
        found = session.scalars(select(AuditEntry).filter_by(action="access").order_by(AuditEntry.number))
        return [json.loads(entry.details)["reason"] for entry in found]


def test_a_confirmed_form_is_done(people: People) -> None:
    visitor = people.sign_in(Role.ADMINISTRATOR)
    assert visitor.confirm("/people", FORM).status_code == 303
    assert invited(visitor)


def test_without_an_answer_nothing_is_done(world: World, people: People) -> None:
    """And the trail tells that it was tried."""
    visitor = people.sign_in(Role.ADMINISTRATOR)
    refused = visitor.post("/people", FORM)
    assert refused.status_code == 403
    assert "Cần xác nhận bằng khoá truy cập" in refused.text
    assert not invited(visitor)
    assert refusals(world) == ["passkey_missing"]


OFFICE = {"admin_name": "Lò Thị Mai", "admin_email": "mai@"}
CONTACT = {"contact_phone": "0200 555", "contact_email": "a@b", "contact_address": "1 đường Hoa"}
SCHOOL = {"code": "0 77", "name": "Trường Ba Hòn", "commune": "Phường Hoa", "ngay": "31", "thang": "2",
          "levels": "THCS", "sector": "tu_thuc", "email": "x"}  # fmt: skip
#: Forms that a passkey confirms and that people type something into.
TYPED: list[tuple[Role, str, dict[str, Any]]] = [
    (Role.ADMINISTRATOR, "/people", FORM),
    (Role.DEPARTMENT_OFFICER, "/offices/school", SCHOOL | CONTACT | OFFICE),
    (Role.DEPARTMENT_OFFICER, "/offices/agency", {"code": "XA-1", "name": "Xã Hoa", "email": "x"} | OFFICE),
    (Role.DEPARTMENT_OFFICER, "/offices/01000123/administrator", OFFICE),
    (Role.DEPARTMENT_OFFICER, "/offices/01000123/contact", CONTACT),
    (Role.DEPARTMENT_OFFICER, "/purposes", {"purpose": "benefit", "reference": "15/QĐ", "valid_to": "31/2"}),
    (Role.DEPARTMENT_OFFICER, "/lock-dates", {"year": "2025-2026", "group": "again", "day": "31/2/2026"}),
    (Role.MANAGER, "/recall", {"record_id": "không phải mã", "reason": "data_error"}),
    (Role.MANAGER, "/recall/many", {"records": "XXX", "many_reason": "data_error", "reference": "theo đơn"}),
    (Role.AGENCY_OFFICER, "/statutory", {"reference": "CT-3/2026", "code": "không phải mã"}),
]


def is_kept(page: str, name: str, value: str) -> bool:
    """Whether the text stands in its box, or what was chosen is chosen, again."""
    text = re.escape(html.escape(value))
    box = rf'name="{name}"[^>]* value="{text}"'
    return any(
        re.search(form, page, re.DOTALL)
        for form in (
            rf'<input(?![^>]* type="(?:radio|checkbox)")[^>]* {box}',
            rf"<input[^>]* {box}[^>]* checked",
            rf'<select[^>]* name="{name}"(?:(?!</select>).)*<option value="{text}" selected',
            rf'<textarea[^>]* name="{name}"[^>]*>{text}</textarea>',
        )
    )


@pytest.mark.parametrize("language", ["", "?lang=en"])
@pytest.mark.parametrize(("role", "path", "typed"), TYPED, ids=[f"{path[1:]}" for _, path, _ in TYPED])
def test_what_was_typed_outlives_a_refused_confirmation(
    people: People, role: Role, path: str, typed: dict[str, Any], language: str
) -> None:
    """The form comes back with everything in it, and can be confirmed where it stands."""
    visitor = people.sign_in(role)
    refused = visitor.post(path + language, typed)
    assert refused.status_code == 403
    inspect(refused.text)
    assert 'href="#main"' in refused.text
    assert ("press the button once more" if language else "hãy bấm nút lần nữa") in refused.text
    assert f'action="{path}{language}"' in refused.text
    for name, values in typed.items():
        for value in values if isinstance(values, list) else [values]:
            assert is_kept(refused.text, name, value), (name, value)
    # Programs get it as they get every refusal.
    told = visitor.post(path + language, typed, headers={"Accept": "application/json"})
    assert (told.status_code, told.get_json()["code"]) == (403, "passkey_missing")


def test_a_chosen_file_is_asked_for_again(people: People) -> None:
    """No page can fill a box for files."""
    told = "Chỉ tệp là phải chọn lại"
    officer = people.sign_in(Role.AGENCY_OFFICER)
    assert told not in officer.post("/statutory", {"reference": "CT-3/2026"}).text
    sent = officer.post("/statutory", {"reference": "CT-3/2026", "file": (io.BytesIO(b"%PDF"), "a.pdf")})
    assert (sent.status_code, told in sent.text) == (403, True)
    assert is_kept(sent.text, "reference", "CT-3/2026")


@pytest.mark.parametrize(
    "changed",
    [
        {**FORM, "email": "ke-gian@truong.example"},
        {**FORM, "roles": ["clerk", "manager", "administrator"]},
        {**FORM, "roles": ["clerk"]},
        {"name": "Lê An", "email": "an@truong.example"},
        {**FORM, "more": "1"},
    ],
    ids=["value", "one more value", "one value less", "field less", "field more"],
)
def test_other_fields_than_confirmed(world: World, people: People, changed: dict[str, Any]) -> None:
    visitor = people.sign_in(Role.ADMINISTRATOR)
    given = answer(visitor, "/people", FORM)
    refused = visitor.post("/people", {**changed, PASSKEY_FIELD: given})
    assert refused.status_code == 403
    assert "Chưa xác nhận được bằng khoá truy cập" in refused.text
    assert not invited(visitor)
    assert refusals(world) == ["passkey_wrong"]
    # A wrong try uses the question up.
    assert visitor.post("/people", {**FORM, PASSKEY_FIELD: given}).status_code == 403


def test_another_address_than_confirmed(people: People) -> None:
    visitor = people.sign_in(Role.ADMINISTRATOR)
    clerk = people.person(Role.CLERK)
    path = f"/people/roles/{clerk.membership}/end"
    other = f"/people/roles/{people.person(Role.MANAGER).membership}/end"
    for asked, sent in ((other, path), ("/people", path), (f"{path}?lang=en", path)):
        assert visitor.post(sent, {PASSKEY_FIELD: answer(visitor, asked, {})}).status_code == 403
    assert people.sign_in(Role.CLERK).get("/work").status_code == 200
    assert visitor.confirm(f"{path}?lang=en").status_code == 303
    assert "Thu vai trò: Văn thư" not in visitor.get("/people").text


def test_an_answer_counts_once(people: People) -> None:
    """A replay is refused."""
    visitor = people.sign_in(Role.ADMINISTRATOR)
    given = answer(visitor, "/people", FORM)
    assert visitor.post("/people", {**FORM, PASSKEY_FIELD: given}).status_code == 303
    assert visitor.post("/people", {**FORM, PASSKEY_FIELD: given}).status_code == 403


def test_an_answer_has_five_minutes(world: World, people: People) -> None:
    visitor = people.sign_in(Role.ADMINISTRATOR)
    given = answer(visitor, "/people", FORM)
    world.clock.time += timedelta(minutes=5, seconds=1)
    assert visitor.post("/people", {**FORM, PASSKEY_FIELD: given}).status_code == 403
    assert not invited(visitor)


def test_by_the_persons_own_verified_key(people: People) -> None:
    visitor = people.sign_in(Role.ADMINISTRATOR)
    options = visitor.ask("/people", FORM).get_json()
    stranger = people.person(Role.MANAGER).key.get(options, ORIGIN)
    assert visitor.post("/people", {**FORM, PASSKEY_FIELD: json.dumps(stranger)}).status_code == 403
    unverified = answer(visitor, "/people", FORM, flags=PRESENT)
    assert visitor.post("/people", {**FORM, PASSKEY_FIELD: unverified}).status_code == 403
    assert not invited(visitor)


def test_in_the_session_that_was_asked(people: People) -> None:
    one, other = people.sign_in(Role.ADMINISTRATOR), people.sign_in(Role.ADMINISTRATOR)
    given = answer(one, "/people", FORM)
    assert other.post("/people", {**FORM, PASSKEY_FIELD: given}).status_code == 403


@pytest.mark.parametrize(
    "address",
    ["", "/", "/account", "/account/password", "/nowhere", "//people", "/people/x/invite", "/V/%zz"],
)
def test_questions_are_for_strong_acts_of_ours_alone(people: People, address: str) -> None:
    visitor = people.sign_in(Role.ADMINISTRATOR)
    assert visitor.ask(address).status_code == 403


def test_an_address_with_a_nul_is_no_question(people: People) -> None:
    """U+0000 stands in no form of ours: turned away as unreadable before anybody asks whose act it is."""
    assert people.sign_in(Role.ADMINISTRATOR).ask("\x00").status_code == 400


def test_questions_are_for_what_the_role_may_do(people: People) -> None:
    assert people.sign_in(Role.CLERK).ask("/people", FORM).status_code == 403


def test_line_ends_and_order_of_fields_are_the_browsers_own(people: People) -> None:
    """A browser sends CR LF where its script sees a line feed."""
    visitor = people.sign_in(Role.ADMINISTRATOR)
    given = answer(visitor, "/people", {"note": "một\nhai", **FORM})
    sent = {**FORM, "note": "một\r\nhai", PASSKEY_FIELD: given}
    assert visitor.post("/people", sent).status_code == 303


@pytest.mark.parametrize(("content", "status"), [(b"%PDF one", 303), (b"%PDF two", 403)])
def test_files_are_bound_by_their_content(people: People, content: bytes, status: int) -> None:
    visitor = people.sign_in(Role.ADMINISTRATOR)
    told = {**FORM, "file": f"sha256:{sha256(b'%PDF one').hexdigest()}"}
    given = answer(visitor, "/people", told)
    sent = {**FORM, "file": (io.BytesIO(content), "x.pdf"), "empty": (io.BytesIO(), ""), PASSKEY_FIELD: given}
    assert visitor.post("/people", sent, content_type="multipart/form-data").status_code == status


def test_an_officer_with_a_password_reads_how_to_come_by_a_key(world: World, people: People) -> None:
    """SEC-23: no form that would be refused, and what to do instead, at both pages."""
    visitor = people.sign_in(Role.AGENCY_OFFICER, method=Method.PASSWORD)
    form = 'action="/account/passkey"'
    held = visitor.get("/account").text
    assert "Muốn thêm khoá, hãy đăng xuất rồi đăng nhập bằng khoá đang có" in held
    with Session(world.app.extensions[KEY].engine) as session, session.begin():
        mine = update(Passkey).where(Passkey.account_pk == visitor.person.account)
        session.execute(mine.values(removed_at=world.clock.now()))
    bare = visitor.get("/account").text
    assert "khoá đầu tiên chỉ tạo được khi đăng nhập bằng mã của quản trị viên" in bare
    assert form not in held + bare
    assert "xin quản trị viên của đơn vị một mã mới" in visitor.get("/statutory").text
    refused = visitor.post("/account/passkey", {"label": "Khoá lạ", "answer": "{}"})
    assert refused.status_code == 422
    assert "Nếu chưa có khoá nào, hãy xin quản trị viên" in refused.text
    assert form in people.sign_in(Role.SUBJECT_TEACHER).get("/account").text
