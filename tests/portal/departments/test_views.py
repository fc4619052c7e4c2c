"""The department's pages, as its officer and as others see them."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.audit.service import Action, Actor, Event, Object
from portal.extensions import KEY, Resources
from portal.permissions import OrganisationKind, Role
from tests.conftest import NOW
from tests.portal.accounts.world import AWAY, HOME, People, kind_of
from tests.portal.audit.reading import entries
from tests.portal.web.test_pages import inspect
from tests.portal.web.world import World

OFFICER = Role.DEPARTMENT_OFFICER
SCHOOL = HOME[kind_of(Role.CLERK)]
PAGES = (
    "/offices",
    "/offices/known-school",
    "/offices/school",
    "/offices/agency",
    f"/offices/{SCHOOL}/contact",
    f"/offices/{HOME[kind_of(OFFICER)]}/contact",
    "/alarms",
    "/statistics",
    "/purposes",
    "/work",
)


def alarm(world: World, school: str, verdict: str, minute: int = 0) -> int:
    bundle: Resources = world.app.extensions[KEY]
    with Session(bundle.engine) as session, session.begin():
        event = Event(
            Actor.system("uploads"),
            Action.ALARM,
            Object("certificate", "ab" * 32),
            organisation=school,
            details={"verdict": verdict, "file": f"{minute:064x}"},
        )
        audit.record(session, event, now=NOW + timedelta(minutes=minute))
        return audit.head(session)[0]


@pytest.mark.parametrize("language", ["", "?lang=en"])
@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_sound(world: World, people: People, path: str, language: str) -> None:
    alarm(world, SCHOOL, "SEAL_VALID_NOT_REGISTERED")
    alarm(world, SCHOOL, "REGISTERED_BUT_SIGNATURE_FAILS", 1)
    answer = people.sign_in(OFFICER).get(path + language)
    assert answer.status_code == 200
    inspect(answer.text)
    assert people.sign_in(Role.CLERK).get(path).status_code == (200 if path == "/work" else 403)


def test_numbers_of_the_own_schools(world: World, people: People) -> None:
    """Three invented records are a handful."""
    page = people.sign_in(OFFICER).get("/statistics").text
    assert "&lt; 5" in page
    assert "2025–2026" in page
    assert "Chưa có học bạ nào được cấp" in people.sign_in(OFFICER, away=True).get("/statistics").text


def test_an_alarm_is_answered_by_its_department_alone(world: World, people: People) -> None:
    """SEC-18."""
    number = alarm(world, SCHOOL, "SEAL_VALID_NOT_REGISTERED")
    alarm(world, AWAY[kind_of(Role.CLERK)], "REGISTERED_BUT_SIGNATURE_FAILS", 1)
    officer, stranger = people.sign_in(OFFICER), people.sign_in(OFFICER, away=True)
    shown = officer.get("/alarms").text
    assert shown.count("<li>\n        <h2>") == 1
    assert "con dấu số của trường" in shown

    answer = stranger.post(f"/alarms/{number}", {"finding": "forged"})
    assert answer.status_code == 422
    assert "Không có cảnh báo này" in answer.text
    answer = officer.post(f"/alarms/{number}", {"finding": "?"})
    assert answer.status_code == 422
    assert f'href="#finding{number}"' in answer.text
    assert officer.post(f"/alarms/{number}", {"finding": "forged"}).status_code == 303
    assert re.search("Đã tìm hiểu: Tệp được làm để đánh lừa", officer.get("/alarms").text)


def test_older_alarms_are_a_page_away(world: World, people: People) -> None:
    numbers = [alarm(world, SCHOOL, "SEAL_VALID_NOT_REGISTERED", minute) for minute in range(51)]
    officer = people.sign_in(OFFICER)
    first = officer.get("/alarms").text
    assert f'href="/alarms?before={numbers[1]}"' in first
    second = officer.get(f"/alarms?before={numbers[1]}").text
    assert f"/alarms/{numbers[0]}" in second
    assert f"/alarms/{numbers[1]}" not in second


def test_an_unknown_form_is_no_page(people: People) -> None:
    assert people.sign_in(OFFICER).get("/offices/truong").status_code == 404


def test_purposes_are_approved_and_revoked_with_a_passkey_each_time(world: World, people: People) -> None:
    """NĐ 88/2026 Đ.12.2: by a decision with its days; all mistakes at once, typed text kept."""
    officer = people.sign_in(OFFICER)
    empty = officer.confirm("/purposes", {"valid_to": "31/2/2027"})
    assert empty.status_code == 422
    inspect(empty.text)
    for field in ("purpose", "reference", "valid_from", "valid_to"):
        assert f'href="#{field}"' in empty.text
    assert 'value="31/2/2027"' in empty.text
    form = {
        "purpose": "benefit",
        "reference": "15/QĐ-SGDĐT",
        "valid_from": "1/10/2026",
        "valid_to": "1/9/2026",
    }
    assert "phải sau ngày có hiệu lực" in officer.confirm("/purposes", form).text
    # Slips of the hand, together with everything else that is wrong.
    slips = {"valid_from": "01/01/0001", "valid_to": "1/9/2206"}
    odd = officer.confirm("/purposes", slips)
    assert {"purpose", "reference", *slips} == set(re.findall(r'href="#(\w+)">', odd.text)) - {"main"}
    assert "đã qua quá lâu" in odd.text
    assert "còn quá xa" in odd.text
    wrong = officer.confirm("/purposes", form | {"reference": ""})
    assert {"reference", "valid_to"} <= set(re.findall(r'href="#(\w+)">', wrong.text))
    form["valid_to"] = "1/9/2027"
    assert officer.post("/purposes", form).status_code == 403
    assert officer.confirm("/purposes", form).headers["Location"] == "/purposes"
    again = officer.confirm("/purposes", form)
    assert again.status_code == 422
    assert "Mục đích này đã được chấp thuận" in again.text
    page = officer.get("/purposes").text
    inspect(page)
    assert "Quyết định số 15/QĐ-SGDĐT, từ 01/10/2026 đến hết 01/09/2027" in page
    assert "Đang được chấp thuận" in page
    assert "Quyết định số" not in people.sign_in(OFFICER, away=True).get("/purposes").text
    assert officer.confirm("/purposes/benefit/revoke").headers["Location"] == "/purposes"
    assert "thu hồi ngày" in officer.get("/purposes").text
    twice = officer.confirm("/purposes/benefit/revoke")
    assert twice.status_code == 422
    assert "chưa được chấp thuận" in twice.text
    assert officer.confirm("/purposes/war/revoke").status_code == 404


#: A new school as the form sends it.
NEW = {
    "code": "01000777",
    "name": "Trường THCS Ba Hòn",
    "levels": "THCS",
    "sector": "cong_lap",
    "commune": "Phường Hoa",
    "province": "Bàng",
    "ngay": "1",
    "thang": "9",
    "nam": "2025",
    "contact_phone": "0200 555 123",
    "contact_email": "vanphong@bahon.edu.vn",
    "contact_address": "1 đường Hoa, phường Hoa",
    "email": "",
    "admin_name": "Lò Thị Mai",
    "admin_email": "mai@bahon.edu.vn",
}
REACHED = {"contact_phone": "(0200) 555 999", "contact_email": "hoi@truong.edu.vn", "contact_address": ""}


def mistakes(page: str) -> list[str]:
    """Fields that the summary names, in its order."""
    return [field for field in re.findall(r'href="#(\w+)">', page) if field != "main"]


def assert_kept(page: str, typed: dict[str, str]) -> None:
    """Every text stands in its box again, every choice is chosen."""
    for name, value in typed.items():
        box = rf'name="{name}"[^>]* value="{re.escape(value)}"'
        assert re.search(box + "[^>]* checked" if name in ("levels", "sector") else box, page), name


def test_a_new_school_comes_with_its_contact(world: World, people: People) -> None:
    officer = people.sign_in(OFFICER)
    assert officer.confirm("/offices/school", NEW).headers["Location"] == "/offices"
    listed = officer.get("/offices").text
    assert "0200 555 123 · vanphong@bahon.edu.vn · 1 đường Hoa, phường Hoa" in listed
    form = officer.get("/offices/01000777/contact").text
    assert_kept(form, {name: text for name, text in NEW.items() if name.startswith("contact_")})


@pytest.mark.parametrize(
    "typed",
    [
        {"ngay": "31", "thang": "2"},
        {"ngay": "mồng một"},
        {"ngay": "", "thang": "", "nam": ""},
        {"nam": "1066"},
        {"nam": "٢٠٢٥x"},
        {"nam": "2031"},  # still to come
        {"ngay": "1" * 5000},
    ],
)
def test_a_bad_day_is_told_at_its_field_with_everything_else(people: People, typed: dict[str, str]) -> None:
    officer = people.sign_in(OFFICER)
    sent = NEW | typed
    alone = officer.confirm("/offices/school", sent)
    assert alone.status_code == 422
    assert mistakes(alone.text) == ["valid_from"]
    assert_kept(alone.text, sent)
    sent |= {"name": "", "contact_phone": "gọi tôi", "contact_email": "a@b", "email": "x", "admin_name": ""}
    all_of_it = officer.confirm("/offices/school", sent)
    assert all_of_it.status_code == 422
    inspect(all_of_it.text)
    told = ["name", "valid_from", "contact_phone", "contact_email", "email", "admin_name"]
    assert mistakes(all_of_it.text) == told  # in the order of the form
    assert_kept(all_of_it.text, sent)
    assert "01000777" not in officer.get("/offices").text


def test_a_contact_is_changed_by_the_schools_department_alone(world: World, people: People) -> None:
    """SEC-18, SEC-23, SEC-30."""
    officer, path = people.sign_in(OFFICER), f"/offices/{SCHOOL}/contact"
    assert "Chưa có liên hệ" in officer.get("/offices").text
    assert officer.post(path, REACHED).status_code == 403  # without the passkey
    assert people.sign_in(OFFICER, away=True).get(path).status_code == 404
    assert people.sign_in(OFFICER, away=True).confirm(path, REACHED).status_code == 404
    assert officer.confirm("/offices/khong-co/contact", REACHED).status_code == 404
    assert officer.confirm(path, REACHED).headers["Location"] == "/offices"
    assert "(0200) 555 999 · hoi@truong.edu.vn" in officer.get("/offices").text
    bundle: Resources = world.app.extensions[KEY]
    with Session(bundle.engine) as session:
        told = entries(session, "trust_change")[-1]
    assert (told["organisation"], told["details"]) == (SCHOOL, {"change": "set_contact"})
    assert str(officer.person.account) in told["actor"]
    assert "(0200) 555 999" in world.client.get(world.primary.path).text


def test_a_contact_that_is_none_is_refused_and_stands_in_its_box(people: People) -> None:
    officer, path = people.sign_in(OFFICER), f"/offices/{SCHOOL}/contact"
    odd = {"contact_phone": "--1", "contact_email": "a b@c.vn", "contact_address": "x" * 201}
    answer = officer.confirm(path, odd)
    assert answer.status_code == 422
    inspect(answer.text)
    assert mistakes(answer.text) == list(odd)
    assert_kept(answer.text, odd)
    assert "Chưa có liên hệ" in officer.get("/offices").text


def test_the_departments_own_contact(world: World, people: People) -> None:
    """Shown where a school has none."""
    officer, path = people.sign_in(OFFICER), f"/offices/{HOME[kind_of(OFFICER)]}/contact"
    assert officer.confirm(path, REACHED).headers["Location"] == "/offices"
    page = world.client.get(world.primary.path).text
    assert "Cổng chưa có cách liên hệ của trường cấp" in page
    assert "(0200) 555 999" in page


def test_a_schools_administrator_sees_its_contact(people: People) -> None:
    administrator = people.sign_in(Role.ADMINISTRATOR)
    kind = next(kind for kind, code in HOME.items() if code == administrator.person.organisation)
    assert kind is OrganisationKind.SCHOOL
    assert "Trang kết quả kiểm tra nêu Sở thay cho trường" in administrator.get("/people").text
    people.sign_in(OFFICER).confirm(f"/offices/{SCHOOL}/contact", REACHED)
    page = administrator.get("/people").text
    inspect(page)
    assert "(0200) 555 999" in page
    assert administrator.get(f"/offices/{SCHOOL}/contact").status_code == 403
