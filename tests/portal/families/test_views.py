"""Pages of families and of the school's office, as browsers meet them."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from portal.accounts.models import PupilLink
from portal.consent import service as consent
from portal.consent.fields import Preset
from portal.consent.models import ConsentEvent, Evidence
from portal.consent.purposes import Purpose
from portal.consent.texts import Shown
from portal.extensions import Resources
from portal.messages import service as messages
from portal.messages.service import Sender
from portal.permissions import OrganisationKind, Role
from portal.registry import service as registry
from portal.web.sessions import TOKEN_FIELD
from tests.portal.accounts.world import HOME, People
from tests.portal.audit.reading import entries
from tests.portal.registry.samples import enter_pupil
from tests.portal.web.test_pages import inspect
from tests.portal.web.world import Issued, World

HOME_SCHOOL = HOME[OrganisationKind.SCHOOL]
PHONE, EMAIL = "0912345678", "me@example.vn"
OFFICE = Role.ACADEMIC_STAFF


def bundle(world: World) -> Resources:
    found: Resources = world.app.extensions["portal"]
    return found


def index_of(world: World, issued: Issued) -> str:
    """The pupil of an issued record, as the sample registry has them."""
    return bundle(world).vault.blind_index(issued.locator.record_id, domain="pupil")


def sent(world: World, kind: str) -> list[str]:
    """Texts of the messages of one kind, the newest first."""
    portal = bundle(world)
    with Session(portal.engine) as session:
        found = messages.outbox(session, portal.vault, sender=Sender.of(portal.settings), limit=50)
    return [each.text.text for each in found if each.kind == kind and each.text is not None]


def post(client: FlaskClient, path: str, form: Mapping[str, Any], **how: Any) -> TestResponse:
    """A form of a page of ours, in a browser that nobody is signed in to."""
    page = client.get("/sign-in/slip")
    (token,) = set(re.findall(f'name="{TOKEN_FIELD}" value="([0-9a-f]+)"', page.text))
    return client.post(path, data={TOKEN_FIELD: token, **form}, **how)


def shown_code(page: TestResponse) -> str:
    """The code on a printed slip."""
    inspect(page.text)
    (code,) = re.findall(r'class="slip-code">([0-9A-Z-]{14})<', page.text)
    return str(code)


def slip(world: World, people: People, issued: Issued, **form: str) -> str:
    """The code of a slip that the office made for a pupil's mother."""
    visitor = people.sign_in(OFFICE)
    wanted = {"relation": "mother", "name": "H'Nga Niê", **form}
    return shown_code(visitor.post(f"/holders/{index_of(world, issued)}/slip", wanted))


def birth(issued: Issued) -> dict[str, str]:
    day, month, year = str(issued.data["ngay_sinh"]).split("/")
    return {"ngay": day, "thang": month, "nam": year}


def activate(world: World, code: str, issued: Issued, contact: str = PHONE) -> FlaskClient:
    """Through all pages of a slip; the browser that is then signed in."""
    client = world.client
    assert "Ngày sinh" in inspect_ok(post(client, "/sign-in/slip/birth", {"code": code}))
    form = {"code": code, **birth(issued)}
    assert "***</dd>" in inspect_ok(post(client, "/sign-in/slip/contact", form))
    form["contact"] = contact
    assert "10 phút" in inspect_ok(post(client, "/sign-in/slip/code", form))
    found = re.search(r"\d{6}", sent(world, "sign_in_code")[0])
    assert found is not None
    done = post(client, "/sign-in/slip", {**form, "one_time_code": found[0]})
    assert (done.status_code, done.headers["Location"]) == (303, "/family")
    return client


def inspect_ok(page: TestResponse, status: int = 200) -> str:
    assert page.status_code == status, page.text
    assert page.headers["Cache-Control"] == "no-store"
    inspect(page.text)
    return page.text


def test_a_mother_takes_up_a_slip_and_reads_the_record(world: World, people: People) -> None:
    """SEC-27, SEC-30: never stored by anybody on the way; what she opened is in the trail."""
    issued = world.second
    code = slip(world, people, issued)
    client = activate(world, code, issued)
    home = inspect_ok(client.get("/family"))
    assert "Nguyễn Thị Hường" in home or "Nga Niê" in home
    assert "1/5" in home
    assert "thiếu lớp 1, 2, 3, 4" in home
    assert "đã có bản mới hơn" in home
    paths = re.findall(r'href="(/family/[0-9a-f-]{36}/[0-9A-Z]{17}/\d)"', home)
    assert len(paths) == 2
    for path in paths:
        page = inspect_ok(client.get(path))
        for value in (
            "001315000001",
            "Thôn 3, xã Phúc Lộc",
            "Em học tốt.",
            "Trang này không thay cho học bạ",
        ):
            assert value in page
        assert page.index("Thông tin học sinh") < page.index("1. Các môn học") < page.index("Phần ký")
    with Session(bundle(world).engine) as session:
        told = [e for e in entries(session, "disclosure") if e["purpose"] == "own_record"]
    assert [e["details"]["version"] for e in told] == [2, 1]
    assert "Học bạ số: đã nối bạn" in sent(world, "activation_confirmed")[0]
    english = inspect_ok(client.get("/family?lang=en"))
    assert "grades 1, 2, 3, 4 missing" in english


def test_signing_in_by_code(world: World, people: People) -> None:
    activate(world, slip(world, people, world.primary), world.primary)
    world.clock.time += timedelta(minutes=1)
    client = world.client
    known = inspect_ok(post(client, "/sign-in/family", {"contact": PHONE}))
    other = inspect_ok(post(client, "/sign-in/family", {"contact": "0700000000"}))
    assert known.replace(PHONE, "") == other.replace("0700000000", "")  # one page
    found = re.search(r"\d{6}", sent(world, "sign_in_code")[0])
    assert found is not None
    wrong = post(client, "/sign-in/family/code", {"contact": "0700000000", "code": found[0]})
    assert "Mã không đúng" in inspect_ok(wrong, 422)
    done = post(client, "/sign-in/family/code", {"contact": PHONE, "code": found[0]})
    assert (done.status_code, done.headers["Location"]) == (303, "/family")
    assert "HttpOnly" in done.headers["Set-Cookie"]
    assert "Nhập số điện thoại" in inspect_ok(post(client, "/sign-in/family", {"contact": "x"}), 422)


def test_wrong_code_and_wrong_date_are_one_page(world: World, people: People) -> None:
    """SEC-20's shape for slips: nobody learns which of the two was wrong."""
    code = slip(world, people, world.primary)
    client = world.client
    pages = []
    for typed, year in ((code, "1999"), ("0000-0000-0000", "2016")):
        form = {"code": typed, "ngay": "1", "thang": "2", "nam": year}
        text = inspect_ok(post(client, "/sign-in/slip/contact", form), 422)
        pages.append(text.replace(typed, "").replace(year, ""))
    assert pages[0] == pages[1]
    assert "gõ sai" in inspect_ok(post(client, "/sign-in/slip/birth", {"code": "0000-0000-0001"}), 422)
    nothing = inspect_ok(post(client, "/sign-in/slip/contact", {"code": code}), 422)
    assert "Nhập ngày sinh có thật" in nothing
    form = {"code": code, **birth(world.primary), "contact": "x"}
    assert "địa chỉ e-mail" in inspect_ok(post(client, "/sign-in/slip/code", form), 422)
    activate(world, code, world.primary)
    used = inspect_ok(post(client, "/sign-in/slip/contact", form), 422)
    assert "đã được dùng" in used


def test_a_stranger_opens_nothing(world: World, people: People) -> None:
    """SEC-18, SEC-30: no other holder, no staff, nobody signed in; each refusal is told."""
    client = activate(world, slip(world, people, world.primary), world.primary)
    (path,) = re.findall(r'href="(/family/[0-9a-f-]{36}/[0-9A-Z]{17}/\d)"', client.get("/family").text)
    assert client.get(path).status_code == 200
    assert (
        client.get(path.replace(world.primary.locator.record_id, world.second.locator.record_id)).status_code
        == 404
    )
    assert client.get(f"{path}/pdf").status_code == 503  # the sample's file was never stored: said in words
    stranger = people.sign_in(Role.HOLDER)
    assert stranger.get(path).status_code == 404
    assert "chưa được liên kết" in inspect_ok(stranger.get("/family"))
    for role in (Role.ACADEMIC_STAFF, Role.MANAGER, Role.DEPARTMENT_OFFICER):
        assert people.sign_in(role).get(path).status_code == 403
    assert world.client.get(path).status_code == 303  # to the sign-in
    with Session(bundle(world).engine) as session:
        told = [e["details"]["reason"] for e in entries(session, "access")]
    assert sorted(told) == ["role", "role", "role", "unknown_link", "unknown_record"]


@pytest.mark.parametrize("role", [r for r in Role if r is not OFFICE])
def test_only_the_office_links_holders(world: World, people: People, role: Role) -> None:
    """SEC-17."""
    visitor = people.sign_in(role)
    assert visitor.get("/holders").status_code == 403
    assert visitor.post("/holders", {"pupil": "12"}).status_code == 403


def test_another_schools_pupil_is_no_page(world: World, people: People) -> None:
    """SEC-18: neither the pupil, nor a slip, nor a link of another school."""
    index = index_of(world, world.primary)
    activate(world, slip(world, people, world.primary), world.primary)
    with Session(bundle(world).engine) as session:
        key = session.scalars(select(PupilLink.id)).one()
    away = people.sign_in(OFFICE, away=True)
    assert away.get(f"/holders/{index}").status_code == 404
    assert away.post(f"/holders/{index}/slip", {"relation": "mother", "name": "A"}).status_code == 404
    assert away.post(f"/holders/{index}/link/{key}/end", {"reason": "holder_asked"}).status_code == 404
    with Session(bundle(world).engine) as session:
        assert session.scalars(select(PupilLink.ended_at)).all() == [None]
    home = people.sign_in(OFFICE)
    for strange in ("x", "0" * 64):
        assert home.get(f"/holders/{strange}").status_code == 404
    assert "Trường chưa cấp" in inspect_ok(home.post("/holders", {"pupil": "khong-co"}), 422)


def test_the_office_corrects_disputes_and_ends_a_link(world: World, people: People) -> None:
    index = index_of(world, world.primary)
    client = activate(world, slip(world, people, world.primary), world.primary)
    with Session(bundle(world).engine) as session:
        key = session.scalars(select(PupilLink.id)).one()
    office = people.sign_in(OFFICE)

    def do(what: str, **form: str) -> TestResponse:
        return office.post(f"/holders/{index}/link/{key}/{what}", form)

    page = inspect_ok(office.get(f"/holders/{index}"))
    for words in ("H&#39;Nga Niê", "09*****678", "Nguyễn Văn Đạt"):
        assert words in page
    assert do("relation", relation="guardian", valid_to="31/12/2027").status_code == 303
    assert "31/12/2027" in office.get(f"/holders/{index}").text
    assert "theo dạng 31/12/2027" in inspect_ok(do("relation", relation="mother", valid_to="2027"), 422)
    both = inspect_ok(do("relation", relation="aunt", valid_to="1/1/2207"), 422)
    assert "Chọn quan hệ" in both
    assert "còn quá xa" in both
    assert do("dispute", reason="custody_dispute").status_code == 303
    assert "tranh chấp quyền nuôi con" in office.get(f"/holders/{index}").text
    assert "đang xem xét liên kết" in inspect_ok(client.get("/family"))
    assert do("settle").status_code == 303
    assert "Chọn một lý do" in inspect_ok(do("dispute", reason="x"), 422)
    assert do("end", reason="linked_by_mistake").status_code == 303
    assert "Chưa có ai." in inspect_ok(office.get(f"/holders/{index}"))
    assert "chưa được liên kết" in client.get("/family").text
    for kind in ("link_changed", "link_disputed", "dispute_closed", "link_ended"):
        assert len(sent(world, kind)) == 1
    assert do("nothing").status_code == 404


def test_what_changes_a_link_is_told_to_its_consents(world: World, people: People) -> None:
    """SEC-19: a dispute, its end and the erasing of the account, each in the transaction that does it."""
    index, portal = index_of(world, world.primary), bundle(world)
    activate(world, slip(world, people, world.primary), world.primary)
    office, now = people.sign_in(OFFICE), world.clock.time
    with Session(portal.engine) as session, session.begin():
        link = session.scalars(select(PupilLink)).one()
        key, mother = link.id, link.account_pk
        records = [one.key for one in registry.issued(session, pupils=[index])]
        wish = consent.Wish(Purpose.TRANSFER, Preset.RESULT, days=30, once=False)
        asked = consent.offer(
            session, portal.vault, account=mother, pupil=index, records=records, wish=wish, now=now
        )
        assert isinstance(asked, consent.Asked)
        for how in (Evidence.SIGN_IN, Evidence.SAME_DEVICE):
            by = consent.By(how, mother)
            shown = consent.question(session, portal.vault, asked.consent, by=by, language="vi", now=now)
            assert isinstance(shown, Shown)
            consent.answer(
                session,
                portal.vault,
                consent=asked.consent,
                said=consent.Said.YES,
                by=by,
                request=how.value,
                sha256=shown.sha256,
                now=now,
            )

    def happened() -> list[tuple[str, str | None]]:
        with Session(portal.engine) as session:
            rows = session.scalars(select(ConsentEvent).order_by(ConsentEvent.number))
            return [(str(row.kind), row.reason) for row in rows][3:]

    for what, reason in (("dispute", "custody_dispute"), ("settle", "")):
        assert office.post(f"/holders/{index}/link/{key}/{what}", {"reason": reason}).status_code == 303
    assert happened() == [("suspended", "disputed"), ("resumed", None)]
    erased = world.app.test_cli_runner().invoke(args=["erasure", "account", str(mother)])
    assert erased.exit_code == 0, erased.output
    assert happened()[2:] == [("suspended", "giver_gone")]


def test_another_contact_waits_and_the_holder_can_stop_it(world: World, people: People) -> None:
    index = index_of(world, world.primary)
    client = activate(world, slip(world, people, world.primary), world.primary)
    with Session(bundle(world).engine) as session:
        key = session.scalars(select(PupilLink.id)).one()
    office = people.sign_in(OFFICE)
    changed = office.post(f"/holders/{index}/link/{key}/contact", {"contact": EMAIL})
    assert changed.status_code == 303
    assert "m***@example.vn" in inspect_ok(office.get(f"/holders/{index}"))
    assert "Xem, hoặc dừng lại" in inspect_ok(client.get("/family"))
    own = inspect_ok(client.get("/family/contact"))
    assert "09*****678" in own
    assert "m***@example.vn" in own
    (token,) = set(re.findall(f'name="{TOKEN_FIELD}" value="([0-9a-f]+)"', own))
    assert client.post("/family/contact/stop", data={TOKEN_FIELD: token}).status_code == 303
    assert "Sắp đổi" not in inspect_ok(client.get("/family/contact"))
    again = client.post("/family/contact/stop", data={TOKEN_FIELD: token})
    assert "Không có lần đổi nào" in inspect_ok(again, 422)
    assert len(sent(world, "contact_change_requested")) == len(sent(world, "contact_change_stopped")) == 1


def test_slips_for_a_list_of_pupils(world: World, people: People) -> None:
    """Names come from the records; a list with mistakes makes nothing and names each."""
    office = people.sign_in(OFFICE)

    def make(
        codes: str, file: bytes = b"", relations: tuple[str, ...] = ("mother", "father")
    ) -> TestResponse:
        form = {"codes": codes, "relations": list(relations), "file": (io.BytesIO(file), "lop.csv")}
        return office.post("/holders/class", form, content_type="multipart/form-data")

    portal = bundle(world)
    with Session(portal.engine) as session, session.begin():
        for pupil, father in (("0001", "Nguyễn Văn Đạt"), ("0002", "")):
            enter_pupil(session, portal.vault, HOME_SCHOOL, pupil, cha_ho_ten=father)
    printed = inspect_ok(make("0001\n0002", relations=("mother", "father", "pupil")))
    assert len(set(re.findall(r'class="slip-code">([0-9A-Z-]{14})<', printed))) == 5
    assert printed.count("Nguyễn Văn Đạt") == 1
    assert inspect_ok(make("", b"0001;Lan\r\n0002;An\r\n", ("mother",))).count('class="slip-code"') == 2
    assert "0999, 0998: Trường chưa cấp" in inspect_ok(make("0999", b"\xef\xbb\xbf0998,Lan\n"), 422)
    assert "không ghi tên" in inspect_ok(make("0002", relations=("father",)), 422)
    found = office.post("/holders", {"pupil": " 0001 "})
    assert found.status_code == 303
    assert "Nguyễn Thị Hường" in inspect_ok(office.get(found.headers["Location"]))
    assert "ít nhất một mã" in inspect_ok(make(""), 422)
    assert "ít nhất một người" in inspect_ok(make("1", relations=()), 422)
    assert "văn bản hoặc CSV" in inspect_ok(make("", b"\xff\xfe"), 422)


def test_a_printed_slip_holds_no_link_and_no_mark(world: World, people: People) -> None:
    office = people.sign_in(OFFICE)
    index = index_of(world, world.primary)
    page = office.post(f"/holders/{index}/slip", {"relation": "pupil", "name": "Nguyễn Thị Hường"})
    printed = inspect_ok(page).partition('<section class="slip"')[2].partition("</section>")[0]
    assert "href" not in printed
    assert "://" not in printed
    assert bundle(world).settings.public_url.partition("://")[2] in printed
    assert "Em học tốt" not in printed
    bad = office.post(f"/holders/{index}/slip", {"relation": "mother", "name": " ", "valid_to": "1/1/2020"})
    text = inspect_ok(bad, 422)
    assert "Nhập họ và tên" in text
    assert "Ngày kết thúc đã qua" in text
    waiting = inspect_ok(office.get(f"/holders/{index}"))
    (path,) = re.findall(r'action="(/holders/[0-9a-f]{64}/slip/[0-9a-f-]{36}/cancel)"', waiting)
    assert office.post(path).status_code == 303
    assert "Không có giấy nào." in office.get(f"/holders/{index}").text


def test_nothing_of_a_family_stands_in_the_log(
    world: World, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    """SEC-28: no contact, no name, no code, no birth date."""
    caplog.set_level("DEBUG")
    code = slip(world, people, world.primary)
    client = activate(world, code, world.primary)
    client.get("/family")
    with Session(bundle(world).engine) as session:
        trail = "".join(map(str, entries(session)))
    born = str(world.primary.data["ngay_sinh"])
    for secret in (PHONE, PHONE[1:], code, code.replace("-", ""), "Nga Niê", "Hường", born):
        assert secret not in caplog.text
        assert secret not in trail
