"""Pages of whoever receives: asking, opening, duties of law (SEC-18, SEC-19, SEC-30)."""

from __future__ import annotations

import hashlib
import io
import json
import re
import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from limits import parse
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from portal.consent import disclosing
from portal.consent.purposes import Purpose
from portal.extensions import KEY
from portal.permissions import Role
from portal.web.sessions import PASSKEY_FIELD
from tests.portal.accounts.world import Visitor
from tests.portal.audit.reading import entries
from tests.portal.receiving.scene import Scene, birth, ok
from tests.portal.receiving.test_sharing import seal
from tests.portal.web.test_pages import on_the_wire


def officer(scene: Scene, role: Role = Role.RECEIVING_OFFICER) -> Visitor:
    """Of a school that did not issue the record, or of an agency."""
    return scene.people.sign_in(role, away=True)


def standing(visitor: Visitor, page: str) -> bool:
    return bool(visitor.post("/share/standing", {"opening": seal(page)}).get_json()["stands"])


def look(visitor: Visitor, form: Mapping[str, Any], **how: Any) -> TestResponse:
    """An access by law, confirmed with the person's passkey: a file by its SHA-256, an empty one not."""
    told, sent = dict(form), dict(form)
    if "file" in form:
        content, name = told.pop("file")
        if name:
            told["file"] = f"sha256:{hashlib.sha256(content.getvalue()).hexdigest()}"
    options = visitor.ask("/statutory", told).get_json()
    origin = visitor.app.extensions[KEY].settings.public_url
    sent[PASSKEY_FIELD] = json.dumps(visitor.person.key.get(options, origin))
    return visitor.post("/statutory", sent, **how)


class TestAsking:
    def test_asked_answered_opened(self, scene: Scene) -> None:
        """SEC-30: the family is told, and nothing is used up by looking at the state."""
        visitor = officer(scene)
        answer = scene.ask(visitor)
        assert answer.status_code == 303
        path = answer.headers["Location"]
        assert len(scene.sent("consent_requested")) == 1
        waiting = ok(visitor.get(path))
        assert "Đang chờ trả lời" in waiting
        assert "Mở học bạ" not in waiting
        assert "không có hiệu lực" in ok(visitor.post(path), 422)
        assert "Đang chờ trả lời" in ok(visitor.get("/received"))
        scene.agree(uuid.UUID(path.rpartition("/")[2]))
        before = scene.traces()
        for _ in range(3):
            assert "Mở học bạ" in ok(visitor.get(path))
        assert scene.traces() == before
        page = ok(visitor.post(path))
        for words in (
            str(scene.issued.data["ho_va_ten"]),
            "Trường Tiểu học Cây Đa – Nguyễn Receiving Officer xem tại",
            "khớp",
        ):
            assert words in page
        for name in ("so_dinh_danh_ca_nhan", "cha_ho_ten", "dan_toc"):
            assert str(scene.issued.data[name]) not in page
        taken = json.loads(visitor.post("/received/opened", {"opening": seal(page), "as": "json"}).data)
        assert taken["consent"] == path.rpartition("/")[2]
        english = ok(visitor.post("/received/opened?lang=en", {"opening": seal(page)}))
        assert "A shared record" in english

    def test_a_form_sent_twice_leads_to_one_question(self, scene: Scene) -> None:
        """Whoever of the organisation asks again; the family is told once."""
        answers = [scene.ask(visitor) for visitor in (officer(scene), officer(scene))]
        assert len({answer.headers["Location"] for answer in answers}) == 1
        assert len(scene.sent("consent_requested")) == 1
        assert "cổng mở trang này" in ok(officer(scene).get(answers[0].headers["Location"]))

    def test_after_a_no_the_day_is_said(self, scene: Scene) -> None:
        visitor = officer(scene)
        asked = scene.ask(visitor).headers["Location"]
        scene.withdraw(uuid.UUID(asked.rpartition("/")[2]))
        page = ok(scene.ask(visitor), 422)
        for words in ("xin lại được từ ngày 19/10/2026", "tự tạo được mã chia sẻ", 'value="HS-15/2026"'):
            assert words in page

    def test_every_mistake_at_once_and_what_was_typed_stays(self, scene: Scene) -> None:
        visitor = officer(scene)
        page = ok(visitor.get("/received/ask"))
        assert " checked" not in page  # nothing is chosen beforehand
        wrong = visitor.post(
            "/received/ask", {"code": "0000-0000", "sensitive": ["dan_toc"], "reference": "7" * 81}
        )
        page = ok(wrong, 422)
        for words in (
            "Chọn mục đích",
            "Chọn phần học bạ",
            "1, 7, 30 hoặc 90",
            "một lần hay nhiều lần",
            "80 ký tự",
        ):
            assert words in page
        assert 'value="0000-0000"' in page
        assert re.search('value="dan_toc" checked', page)
        short = visitor.post("/received/ask", {"code": scene.issued.locator.record_id})
        assert "dán cả liên kết" in ok(short, 422)
        assert scene.sent("consent_requested") == []

    def test_refusals_of_the_service_stand_at_their_field(self, scene: Scene) -> None:
        visitor = officer(scene)
        text = str(scene.issued.locator)
        unknown = scene.ask(visitor, code=text[:20] + ("0" if text[20] != "0" else "1") + text[21:])
        assert "Không có học bạ nào" in ok(unknown, 422)
        assert "Sở Giáo dục và Đào tạo chấp thuận" in ok(scene.ask(visitor, purpose="view"), 422)

    def test_a_purpose_that_no_department_approved_is_closed_beforehand(self, scene: Scene) -> None:
        form = ok(officer(scene).get("/received/ask"))
        for purpose in Purpose:
            closed = re.search(f'name="purpose" value="{purpose}"[^>]* disabled', form)
            assert (closed is None) is purpose.in_education
        agency = ok(officer(scene, Role.AGENCY_OFFICER).get("/received/ask"))  # it needs one for everything
        assert agency.count("Chưa chọn được: Sở") == len(Purpose)

    def test_refused_withdrawn_expired_with_their_dates(self, scene: Scene) -> None:
        visitor = officer(scene)
        asked = (("HS-0", "transfer"), ("HS-1", "admission"))
        keys = [scene.given(visitor, reference=number, purpose=purpose) for number, purpose in asked]
        scene.withdraw(uuid.UUID(keys[0].rpartition("/")[2]))
        scene.world.clock.time += timedelta(days=31)
        visitor = officer(scene)
        page = ok(visitor.get("/received"))
        for words in ("HS-0", "HS-1", "Đã rút lại", "Đã hết hạn"):
            assert words in page
        assert "09:30 ngày 05/10/2026" in ok(visitor.get(keys[0]))
        assert "Mở học bạ" not in ok(visitor.get(keys[1]))

    def test_nobody_elses_question(self, scene: Scene) -> None:
        """SEC-18."""
        path = scene.given(officer(scene))
        home = scene.people.sign_in(Role.RECEIVING_OFFICER)
        agency = officer(scene, Role.AGENCY_OFFICER)
        for stranger in (home, agency):
            assert stranger.get(path).status_code == 404
            assert stranger.post(path).status_code == 404
            assert path not in ok(stranger.get("/received"))
        assert scene.world.client.get(path).status_code == 303


class TestOpenPage:
    def test_withdrawal_ends_an_open_page_and_its_downloads(self, scene: Scene) -> None:
        """SEC-19: for somebody who is signed in; asking keeps no session awake."""
        visitor = officer(scene)
        path = scene.given(visitor)
        page = ok(visitor.post(path))
        assert standing(visitor, page)
        assert not standing(officer(scene), page)  # another browser
        scene.withdraw(uuid.UUID(path.rpartition("/")[2]))
        assert not standing(visitor, page)
        for kind in ("page", "json", "xlsx", "pdf"):
            gone = visitor.post("/received/opened", {"opening": seal(page), "as": kind})
            assert "không còn được xem" in ok(gone, 422)

    def test_asking_keeps_no_session_awake(self, scene: Scene) -> None:
        """SEC-22: an unattended screen closes after half an hour."""
        visitor = officer(scene)
        page = ok(visitor.post(scene.given(visitor)))
        for _ in range(6):
            scene.world.clock.time += timedelta(minutes=4)
            assert standing(visitor, page)
        scene.world.clock.time += timedelta(minutes=7)
        assert not standing(visitor, page)
        assert visitor.get("/received").status_code == 303

    def test_signing_out_closes_it(self, scene: Scene) -> None:
        visitor = officer(scene)
        page = ok(visitor.post(scene.given(visitor)))
        form = {"opening": seal(page)}
        visitor.post("/sign-out")
        assert visitor.post("/share/standing", form).status_code == 403

    def test_a_code_under_ones_own_name(self, scene: Scene) -> None:
        """SEC-30: the trail names who it was."""
        _, code = scene.code()
        visitor = officer(scene)
        assert "Bạn là ai" not in ok(visitor.get("/received/code"))
        assert "Nhập ngày sinh" in ok(visitor.post("/received/code", {"code": code}), 422)
        page = ok(visitor.post("/received/code", {"code": code, **birth(scene.issued)}))
        assert standing(visitor, page)
        with Session(scene.bundle.engine) as session:
            told = [e for e in entries(session, "disclosure") if e["outcome"] == "done"]
        assert told[-1]["actor"] == f"account:{visitor.person.account}"

    def test_what_lies_open_is_light(self, scene: Scene) -> None:
        """A page and everything it loads: less than 60 KB."""
        visitor = officer(scene)
        page = visitor.post(scene.given(visitor))
        files = set(re.findall(r'(?:src|href)="/static/([a-z.]+)', page.text))
        assert "watch.js" in files
        assert on_the_wire(page) < 60_000


class TestStatutory:
    FORM = {"duty": "receiving_school", "preset": "result", "reference": "CT-3/2026"}  # noqa: RUF012

    def test_once_recorded_and_the_family_told(self, scene: Scene) -> None:
        """SEC-30: with its ground; the next look is another access."""
        visitor = officer(scene)
        form = {**self.FORM, "code": f"{scene.bundle.settings.public_url}/V/{scene.issued.locator}"}
        page = ok(look(visitor, {**form, "sensitive": ["dan_toc"]}))
        for words in (
            str(scene.issued.data["ho_va_ten"]),
            "NĐ 88/2026/NĐ-CP Đ.12.2",
            "chỉ hiện một lần",
            "Kinh",
        ):
            assert words in page
        assert "watch.js" not in page
        assert "Tải dữ liệu" not in page
        assert str(scene.issued.data["so_dinh_danh_ca_nhan"]) not in page
        with Session(scene.bundle.engine) as session:
            told = [e for e in entries(session, "disclosure") if e["basis"] == "receiving_school"]
        assert [(e["outcome"], e["purpose"]) for e in told] == [("done", "statutory")]
        assert len(scene.sent("statutory_access")) == 1

    def test_nobody_looks_without_their_passkey(self, scene: Scene) -> None:
        """SEC-23, SEC-30: each time anew, and for this record alone; the refusal is in the trail."""
        visitor = officer(scene, Role.AGENCY_OFFICER)
        assert "Mỗi lần xem phải xác nhận bằng khoá truy cập" in ok(visitor.get("/statutory"))
        form = {**self.FORM, "duty": "agency_duty", "code": str(scene.issued.locator)}
        bare = visitor.post("/statutory", form)
        assert bare.status_code == 403
        other = visitor.ask("/statutory", {**form, "reference": "CT-4/2026"}).get_json()
        answer = visitor.person.key.get(other, scene.bundle.settings.public_url)
        changed = visitor.post("/statutory", {**form, PASSKEY_FIELD: json.dumps(answer)})
        assert changed.status_code == 403
        for page in (bare, changed):
            assert str(scene.issued.data["ho_va_ten"]) not in page.text
        with Session(scene.bundle.engine) as session:
            told = [e["details"] for e in entries(session, "access")]
        assert told == [
            {"act": "statutory_access", "reason": reason} for reason in ("passkey_missing", "passkey_wrong")
        ]
        ok(look(visitor, form))
        assert len(scene.sent("statutory_access")) == 1

    def test_too_many_looks_are_refused_and_the_department_is_told(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(disclosing, "LOOKS_DAY", parse("1/day"))
        visitor = officer(scene)
        form = {**self.FORM, "code": str(scene.issued.locator)}
        ok(look(visitor, form))
        for _ in range(2):
            assert "quá nhiều lần" in ok(look(visitor, form), 422)
        assert len(scene.sent("alarm_statutory_access")) == 1
        department = officer(scene, Role.DEPARTMENT_OFFICER)
        page = ok(department.get("/alarms"))
        assert "Xem học bạ theo luật nhiều hơn mức một ngày" in page
        assert "Trường Tiểu học Cây Đa" in page
        assert "Dùng sai quyền xem" in page
        assert "Khoá ký bị lộ" not in page
        (number,) = re.findall(r'action="/alarms/(\d+)"', page)
        assert department.post(f"/alarms/{number}", {"finding": "lawful"}).status_code == 303
        assert "Đã tìm hiểu: Đúng nhiệm vụ, có lý do" in ok(department.get("/alarms"))

    def test_a_file_that_is_too_large_is_no_photo(self, scene: Scene) -> None:
        visitor = officer(scene)
        large = {**self.FORM, "file": (io.BytesIO(bytes(12 << 20)), "hoc-ba.pdf")}
        answer = visitor.post("/statutory", large)
        assert answer.status_code == 413
        assert "chọn đúng tệp rồi gửi lại" in answer.text
        assert "ảnh" not in answer.text.partition("<main")[2].partition("</main>")[0]

    def test_by_the_file_that_is_held(self, scene: Scene) -> None:
        visitor = officer(scene)
        form = {**self.FORM, "file": (io.BytesIO(scene.issued.file), "hoc-ba.pdf")}
        assert str(scene.issued.data["ho_va_ten"]) in ok(look(visitor, form))
        other = {**self.FORM, "file": (io.BytesIO(b"%PDF-1.7 other"), "x.pdf")}
        assert "Không có học bạ nào ứng với mã hoặc tệp" in ok(look(visitor, other), 422)

    def test_only_ones_own_grounds_are_offered_and_taken(self, scene: Scene) -> None:
        agency, school = officer(scene, Role.AGENCY_OFFICER), officer(scene)
        assert "agency_duty" in ok(agency.get("/statutory"))
        assert "agency_duty" not in ok(school.get("/statutory"))
        form = {**self.FORM, "duty": "agency_duty", "code": str(scene.issued.locator)}
        assert "không thể viện dẫn" in ok(look(school, form), 422)
        assert "Luật 91/2025/QH15 Đ.19.1" in ok(look(agency, form))
        department = officer(scene, Role.DEPARTMENT_OFFICER)
        assert "sector_duty" in ok(department.get("/statutory"))

    def test_every_mistake_at_once_with_everything_ticked(self, scene: Scene) -> None:
        visitor = officer(scene)
        every = re.findall('name="sensitive" value="([a-z_]+)"', ok(visitor.get("/statutory")))
        assert len(every) == 15
        wrong = {"sensitive": every, "reference": "", "file": (io.BytesIO(b""), "")}
        page = ok(look(visitor, wrong, content_type="multipart/form-data"), 422)
        for words in ("Chọn căn cứ", "Chọn phần học bạ", "Ghi số hồ sơ, vụ việc", "một trong hai"):
            assert words in page
        assert page.count(" checked") == 15
        both = {
            **self.FORM,
            "code": str(scene.issued.locator),
            "file": (io.BytesIO(scene.issued.file), "a.pdf"),
        }
        assert "một trong hai" in ok(look(visitor, both), 422)
        assert scene.sent("statutory_access") == []
