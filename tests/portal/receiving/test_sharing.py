"""Share codes at their pages: made once, opened by whoever has the pair, seen by no preview (SEC-20)."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import zxingcpp
from flask.testing import FlaskClient
from openpyxl import load_workbook
from PIL import Image, ImageDraw
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from portal.consent import service
from portal.consent.fields import Preset
from portal.consent.purposes import Purpose
from portal.consent.service import OPEN_FOR, TWICE_WITHIN, Wish
from portal.permissions import Role
from portal.registry.models import RegisteredFile
from portal.web.sessions import TOKEN_FIELD
from tests.portal.consent.world import done
from tests.portal.receiving.scene import MARKS, Scene, birth, ok
from verifier.locator import digest_text, new_share_code
from verifier.record import digest, open_disclosures

ROOT = Path(__file__).parents[3]
#: What fetches a link before anybody taps it, and what crawls.
PREVIEWS = (
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "Zalo/23.10 ZaloPreview",
    "TelegramBot (like TwitterBot)",
    "WhatsApp/2.23.20.0",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Safe Links",
)


def seal(page: str) -> str:
    (found,) = set(re.findall(r'name="opening" value="([0-9a-f.]+)"', page))
    return str(found)


def standing(scene: Scene, client: FlaskClient, page: str) -> bool:
    answer = scene.send(client, "/share/standing", {"opening": seal(page)})
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    return bool(answer.get_json()["stands"])


class TestLinkPreview:
    def test_a_preview_reveals_and_consumes_nothing(self, scene: Scene) -> None:
        """SEC-20: GET and HEAD, on every form of the address, by everything that looks at links."""
        consent, code = scene.code(replace(MARKS, once=True))
        plain = code.replace("-", "")
        before = scene.traces()
        own = scene.code_path(consent)
        for agent in PREVIEWS:
            client = scene.world.client
            for path in (
                "/share",
                "/share?lang=en",
                f"/share?code={plain}",
                f"/share?code={plain}&ngay=1&thang=2&nam=2016",
                f"/share/{plain}",
                f"/share/#{plain}",
                "/share/",
                "/share/opened",
                "/share/standing",
                "/received/code",
                f"/received/{consent}",
                own,
                f"{own}/cancel",
            ):
                for method in ("GET", "HEAD"):
                    answer = client.open(path, method=method, headers={"User-Agent": agent})
                    assert answer.status_code in (200, 303, 404, 405), path
                    assert str(scene.issued.data["ho_va_ten"]) not in answer.text
                    if path == "/share":
                        assert answer.status_code == 200
                        assert answer.headers["Cache-Control"] == "no-store"
                    if answer.status_code == 200:
                        assert plain not in answer.text
        assert scene.traces() == before
        assert "Đối chiếu với mã trên học bạ: khớp" in ok(scene.open(scene.browser(), code))

    def test_a_crawler_that_sends_forms_changes_nothing(self, scene: Scene) -> None:
        """SEC-20, SEC-25: without this browser's token, or from another site, a right pair opens nothing."""
        consent, code = scene.code(replace(MARKS, once=True))
        form = {"code": code, **birth(scene.issued)}
        before = scene.traces()
        for agent in PREVIEWS:
            for path in ("/share", "/share/opened", "/share/standing"):
                for data in (form, {**form, TOKEN_FIELD: "0" * 64}):
                    answer = scene.world.client.post(path, data=data, headers={"User-Agent": agent})
                    assert answer.status_code == 403
        client = scene.browser()
        strange = scene.send(client, "/share", form, headers={"Sec-Fetch-Site": "cross-site"})
        assert strange.status_code == 403
        assert scene.traces() == before
        assert consent
        ok(scene.open(client, code))


class TestTheHoldersPage:
    def test_made_once_shown_once(self, scene: Scene) -> None:
        """SEC-20: the QR carries the code in the fragment; no page shows it a second time."""
        consent = scene.offered()
        path = scene.code_path(consent)
        assert "Tạo mã" in ok(scene.mother.get(path))
        page = ok(scene.mother.post(path))
        (code,) = re.findall(r'class="slip-code">([0-9A-Z-]{12})<', page)
        assert code[0] == "C"
        for words in ("Chuyển trường", "2025–2026", "Nhiều lần trong thời hạn", "04/11/2026", "Huỷ mã"):
            assert words in page
        assert drawn(page) == f"{scene.bundle.settings.public_url}/share#{code.replace('-', '')}"
        again = ok(scene.mother.get(path))
        assert "không hiện lại được" in again
        assert code not in again
        anew = ok(scene.mother.post(path))  # the button, pressed twice
        (other,) = re.findall(r'class="slip-code">([0-9A-Z-]{12})<', anew)
        assert other != code
        assert "Mã tạo trước đó không còn mở được gì" in anew
        assert "Tạo mã mới thay mã này" in ok(scene.mother.get(path))
        assert "Mã hoặc ngày sinh không đúng" in ok(scene.open(scene.browser(), code), 422)
        ok(scene.open(scene.browser(), other))
        assert "đã được tạo" in ok(scene.mother.post(path), 422)
        assert "Tạo mã mới" not in ok(scene.mother.get(path))
        english = ok(scene.mother.get(f"{path}?lang=en"))
        assert "The code was made and works" in english

    def test_cancelled_and_made_anew(self, scene: Scene) -> None:
        """A lost code: it opens nothing from then on, and another sharing has another code."""
        consent, code = scene.code()
        path = scene.code_path(consent)
        answer = scene.mother.post(f"{path}/cancel")
        assert (answer.status_code, answer.headers["Location"]) == (303, path)
        assert "không mở được gì" in ok(scene.mother.get(path))
        assert "Gia đình đã huỷ mã này" in ok(scene.open(scene.browser(), code), 422)
        assert "đã kết thúc" in ok(scene.mother.post(f"{path}/cancel"), 422)
        other, anew = scene.code()
        assert other != consent
        ok(scene.open(scene.browser(), anew))

    def test_nobody_elses(self, scene: Scene) -> None:
        """SEC-18: another link, another sharing, what was asked by an organisation, other roles."""
        consent, _ = scene.code()
        asked = scene.given(scene.people.sign_in(Role.RECEIVING_OFFICER)).rpartition("/")[2]
        for path in (
            f"/family/{consent}/consents/{consent}/code",
            f"/family/{scene.link}/consents/{scene.link}/code",
            f"/family/{scene.link}/consents/{asked}/code",
        ):
            for how in (scene.mother.get, scene.mother.post):
                assert how(path).status_code == 404
        officer = scene.people.sign_in(Role.ACADEMIC_STAFF)
        assert officer.get(scene.code_path(consent)).status_code == 403

    def test_waiting_for_the_other_yes(self, scene: Scene) -> None:
        """SEC-21: there is no code before everybody agreed."""
        visitor = scene.mother
        consent = scene.offered(Wish(Purpose.TRANSFER, Preset.RESULT, days=7, once=True))
        scene.withdraw(consent)
        page = ok(visitor.get(scene.code_path(consent)))
        assert "Tạo mã" not in page.replace("Tạo được mã", "")
        assert "không có hiệu lực" in ok(visitor.post(scene.code_path(consent)), 422)


class TestOpening:
    def test_a_right_pair_sees_exactly_what_was_agreed_to(self, scene: Scene) -> None:
        _, code = scene.code()
        client = scene.browser()
        page = ok(scene.open(client, code, declared="Phòng tuyển sinh <b>"))
        data = scene.issued.data
        for words in (
            str(data["ho_va_ten"]),
            "Phòng tuyển sinh &lt;b&gt; xem tại",
            "chuyển trường",
            "khớp",
            scene.issued.locator.short_digest,
            "đang lưu hành",
        ):
            assert words in page
        for name in ("so_dinh_danh_ca_nhan", "cha_ho_ten", "noi_o_hien_tai", "dan_toc"):
            assert str(data[name]) not in page
        assert page.index("Thông tin học sinh") < page.index("1. Các môn học")
        assert "lang=en" in page  # the other language is asked for by a form with the seal
        english = scene.send(client, "/share/opened?lang=en", {"opening": seal(page)})
        assert "Compared with the code on the record: it matches" in ok(english)

    def test_whatever_is_wrong_is_one_page(self, scene: Scene) -> None:
        """SEC-20: the same pair, typed before there is such a code, with its date wrong, and with it locked,
        is answered byte for byte alike.
        """
        code, client, answers = new_share_code("C", b"\x07" * 5), scene.browser(), []
        wrong = {"nam": "2001"}
        answers.append(scene.open(client, code, **wrong))
        consent = scene.offered()
        with Session(scene.bundle.engine) as session, session.begin():
            made = service.make_code(
                session,
                scene.bundle.vault,
                consent=consent,
                account=scene.mother.person.account,
                random=lambda count: b"\x07" * count,
                now=scene.world.clock.now(),
            )
            assert done(made).code == code
        answers += [scene.open(client, code, **wrong) for _ in range(6)]
        assert "đã bị khoá" in scene.mother.get(scene.code_path(consent)).text
        assert {(each.status_code, each.data) for each in answers} == {(422, answers[0].data)}
        headers = [{k: v for k, v in each.headers if k != "X-Request-Id"} for each in answers]
        assert all(each == headers[0] for each in headers)

    def test_typed_mistakes_come_together_and_cost_nothing(self, scene: Scene) -> None:
        client = scene.browser()
        before = scene.traces()
        page = ok(
            scene.send(client, "/share", {"code": "CAAA", "ngay": "31", "thang": "2", "nam": "2016"}), 422
        )
        for words in ("10 chữ và số. Hãy so lại", "Nhập ngày sinh có thật", 'value="CAAA"', 'value="2016"'):
            assert words in page
        assert "Nhập mã chia sẻ" in ok(scene.send(client, "/share", {}), 422)
        long = scene.send(client, "/share", {"code": "CAAA", "declared": "x" * 81, **birth(scene.issued)})
        ok(long, 422)
        assert scene.traces() == before

    def test_five_wrong_dates_lock_and_the_holder_is_told(self, scene: Scene) -> None:
        """SEC-20: counted in the database, by code, whoever tries."""
        consent, code = scene.code()
        for _ in range(5):
            page = ok(scene.open(scene.browser(), code, nam="2001"), 422)
            assert "Mã hoặc ngày sinh không đúng" in page
        assert "Mã hoặc ngày sinh không đúng" in ok(scene.open(scene.browser(), code), 422)
        assert "đã bị khoá" in ok(scene.mother.get(scene.code_path(consent)))
        assert len(scene.sent("share_code_locked")) == 1

    def test_what_became_of_it_only_after_a_right_pair(self, scene: Scene) -> None:
        _, used = scene.code(replace(MARKS, once=True))
        client = scene.browser()
        ok(scene.open(client, used))
        withdrawn, cancelled = scene.code()
        scene.withdraw(withdrawn)
        _, late = scene.code()
        scene.world.clock.time += timedelta(days=31)
        client = scene.browser()
        for code, words in (
            (used, "chỉ xem được một lần và đã được dùng"),
            (cancelled, "Gia đình đã huỷ mã này"),
            (late, "đã hết hạn"),
        ):
            assert words in ok(scene.open(client, code), 422)
            assert words not in ok(scene.open(client, code, nam="2001"), 422)

    def test_wrong_pairs_are_limited_by_client(self, scene: Scene) -> None:
        """Like everything that is typed and guessed, beside the code's own count (SEC-34)."""
        client, wrong = scene.browser(), new_share_code("C", b"\x07" * 5)
        answers = []
        for _ in range(21):
            address = {"REMOTE_ADDR": "2001:db8::7"}
            form = {"code": wrong, **birth(scene.issued)}
            answers.append(scene.send(client, "/share", form, environ_overrides=address))
        assert [each.status_code for each in answers] == [422] * 20 + [429]
        assert int(answers[-1].headers["Retry-After"]) > 0


class TestLost:
    def test_a_file_that_is_missing_uses_nothing_up(self, scene: Scene) -> None:
        """Words instead of a fault, for whoever has the code and for an organisation."""
        wish = replace(MARKS, once=True, pdf=True)
        _, code = scene.code(wish)
        visitor = scene.people.sign_in(Role.RECEIVING_OFFICER, away=True)
        path = scene.given(visitor, uses="once", pdf="yes")
        with Session(scene.bundle.engine) as session:
            names = session.scalars(select(RegisteredFile.stored_name)).all()
        for name in names:
            scene.bundle.files.delete(name)
        client, before = scene.browser(), scene.traces()
        for answer in (scene.open(client, code), visitor.post(path)):
            page = ok(answer, 503)
            assert "Lúc này cổng chưa lấy được nội dung học bạ" in page
            assert "chưa có lần xem nào bị tính" in page
            assert int(answer.headers["Retry-After"]) > 0
        assert scene.traces() == before
        assert "Mở học bạ" in ok(visitor.get(path))  # still there to be opened


class TestTwice:
    def test_a_form_sent_twice_is_one_opening(self, scene: Scene) -> None:
        """SEC-20: a double click, or a page that is loaded again, in the browser that opened it."""
        _, code = scene.code(replace(MARKS, once=True))
        client = scene.browser()
        first = ok(scene.open(client, code, declared="Cửa hàng Hoa"))
        second = ok(scene.open(client, code, declared="Sở"))
        assert seal(second) == seal(first)
        assert "Cửa hàng Hoa xem tại" in second
        assert standing(scene, client, second)
        used = "chỉ xem được một lần và đã được dùng"
        assert used in ok(scene.open(scene.browser(), code), 422)
        scene.world.clock.time += TWICE_WITHIN
        assert used in ok(scene.open(client, code), 422)
        assert standing(scene, client, second)

    def test_of_somebody_signed_in_too(self, scene: Scene) -> None:
        visitor = scene.people.sign_in(Role.RECEIVING_OFFICER, away=True)
        path = scene.given(visitor, uses="once")
        assert seal(ok(visitor.post(path))) == seal(ok(visitor.post(path)))
        _, code = scene.code(replace(MARKS, once=True))
        pair = {"code": code, **birth(scene.issued)}
        pages = [ok(visitor.post("/received/code", pair)) for _ in range(2)]
        assert seal(pages[0]) == seal(pages[1])
        strange = scene.people.sign_in(Role.RECEIVING_OFFICER)
        assert "đã được dùng" in ok(strange.post("/received/code", pair), 422)


class TestWithdrawal:
    def test_an_open_page_learns_of_it(self, scene: Scene) -> None:
        """SEC-19: asked by a form, with a seal that works in this browser alone; no address names it."""
        consent, code = scene.code()
        client = scene.browser()
        page = ok(scene.open(client, code))
        assert standing(scene, client, page)
        assert not standing(scene, scene.browser(), page)
        forged = re.sub(r"\.\d+\.", ".1.", seal(page))
        assert forged != seal(page)
        answer = scene.send(client, "/share/standing", {"opening": forged})
        assert answer.get_json() == {"stands": False}
        for odd in ("", "x", f"{'0' * 32}.1.{'0' * 64}", "0" * 5000):
            assert scene.send(client, "/share/standing", {"opening": odd}).get_json() == {"stands": False}
        scene.withdraw(consent)
        assert not standing(scene, client, page)
        for kind in ("page", "json", "xlsx", "pdf"):
            gone = scene.send(client, "/share/opened", {"opening": seal(page), "as": kind})
            assert "không còn được xem" in ok(gone, 422)

    def test_a_page_for_everybody_stays_open_for_somebody_signed_in(self, scene: Scene) -> None:
        consent, code = scene.code()
        officer = scene.people.sign_in(Role.RECEIVING_OFFICER)
        page = ok(officer.post("/share", {"code": code, **birth(scene.issued)}))
        asked = {"opening": seal(page)}
        assert officer.post("/share/standing", asked).get_json() == {"stands": True}
        scene.withdraw(consent)
        assert officer.post("/share/standing", asked).get_json() == {"stands": False}

    def test_asking_changes_nothing(self, scene: Scene) -> None:
        _, code = scene.code()
        client = scene.browser()
        page = ok(scene.open(client, code))
        before = scene.traces()
        for _ in range(5):
            assert standing(scene, client, page)
        assert scene.traces() == before
        scene.world.clock.time += OPEN_FOR
        assert not standing(scene, client, page)


class TestTakingOver:
    def take(self, scene: Scene, client: FlaskClient, page: str, kind: str) -> TestResponse:
        answer = scene.send(client, "/share/opened", {"opening": seal(page), "as": kind})
        assert answer.headers["Cache-Control"] == "no-store"
        return answer

    def test_json_is_proved_again_without_us(self, scene: Scene, tmp_path: Path) -> None:
        """docs/sharing.md: header, disclosures and digest, nothing that was not agreed to."""
        _, code = scene.code(replace(MARKS, once=True))
        client = scene.browser()
        page = ok(scene.open(client, code))
        answer = self.take(scene, client, page, "json")
        assert answer.content_type == "application/json"
        taken = json.loads(answer.data)
        assert taken["schema"] == "hoc-ba-so-shared/1"
        (record,) = taken["records"]
        assert (
            record["digest"]
            == digest_text(digest(record["header"]))
            == digest_text(scene.issued.locator.digest)
        )
        assert open_disclosures(record["header"], record["disclosures"]) == record["fields"]
        assert set(record["disclosures"]) < set(scene.issued.disclosures)
        assert "so_dinh_danh_ca_nhan" not in record["fields"]
        # And by what docs/sharing.md tells whoever has the file.
        (tmp_path / "hoc-ba-chia-se.json").write_bytes(answer.data)
        text = (ROOT / "docs/sharing.md").read_text("utf-8")
        (told,) = re.findall(r"```python\n(.+?)```", text, re.DOTALL)
        subprocess.run(  # noqa: S603 - our own words
            [sys.executable, "-c", told], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, check=True
        )

    def test_the_spreadsheet_has_no_formula(self, scene: Scene) -> None:
        _, code = scene.code()
        client = scene.browser()
        page = ok(scene.open(client, code, declared="=cmd|' /C calc'!A0\a\ufffe"))
        answer = scene.send(client, "/share/opened", {"opening": seal(page), "as": "xlsx"})
        assert answer.status_code == 200
        book = load_workbook(io.BytesIO(answer.data))
        cells = [
            cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.value is not None
        ]
        assert {cell.data_type for cell in cells} == {"s"}
        assert "=cmd|' /C calc'!A0\ufffd\ufffd" in {cell.value for cell in cells}
        assert any(cell.value == scene.issued.data["ho_va_ten"] for cell in cells)

    def test_nobody_turns_into_somebody_else(self, scene: Scene) -> None:
        """SEC-30: pages and files name whoever the family reads it was, not whom a later form claims."""
        _, code = scene.code()
        client = scene.browser()
        page = ok(scene.open(client, code, declared="Cửa hàng Hoa"))
        claims = {"opening": seal(page), "declared": "Sở Giáo dục và Đào tạo"}
        taken = scene.send(client, "/share/opened", {**claims, "as": "json"}).get_json()
        assert taken["seen_by"] == "Cửa hàng Hoa"
        again = ok(scene.send(client, "/share/opened", claims))
        assert "Cửa hàng Hoa xem tại" in again
        assert claims["declared"] not in again.partition("<main")[2].partition("</main>")[0]

    def test_a_code_opened_under_ones_own_name(self, scene: Scene) -> None:
        """SEC-30: the family reads which organisation it was, of the look and of what was taken over."""
        _, code = scene.code()
        officer = scene.people.sign_in(Role.RECEIVING_OFFICER)
        pair = {"code": code, **birth(scene.issued)}
        page = ok(officer.post("/received/code", {**pair, "declared": "Cửa hàng Hoa"}))
        scene.world.clock.time += timedelta(minutes=1)
        officer.post("/received/opened", {"opening": seal(page), "as": "json"})
        listed = ok(scene.mother.get(f"/family/{scene.link}/looks"))
        assert listed.count('<b lang="vi">Trường Tiểu học Cây Bàng</b>') == 2
        assert "tự xưng" not in listed
        assert "Cửa hàng Hoa" not in listed

    def test_names_of_files_say_nothing(self, scene: Scene) -> None:
        """SEC-28."""
        _, code = scene.code()
        client = scene.browser()
        page = ok(scene.open(client, code))
        for kind in ("json", "xlsx"):
            name = self.take(scene, client, page, kind).headers["Content-Disposition"]
            assert re.fullmatch(rf'attachment; filename="hoc-ba-chia-se-\d{{8}}-\d{{6}}\.{kind}"', name)

    def test_the_signed_file_only_where_it_was_agreed_to(self, scene: Scene) -> None:
        _, code = scene.code()
        client = scene.browser()
        page = ok(scene.open(client, code))
        assert "Tải PDF" not in page
        for number in ("0", "1", "-1", "x", ""):
            form = {"opening": seal(page), "as": "pdf", "record": number}
            assert scene.send(client, "/share/opened", form).status_code == 404


def drawn(page: str) -> str:
    """What the QR on a page says."""
    ((side, path),) = re.findall(r'viewBox="0 0 (\d+) \d+"><path fill="#000" d="([^"]+)"', page)
    image = Image.new("L", (int(side) * 8, int(side) * 8), 255)
    pen = ImageDraw.Draw(image)
    for x, y, width in re.findall(r"M(\d+) (\d+)h(\d+)v1h", path):
        left, top = int(x) * 8, int(y) * 8
        pen.rectangle((left, top, left + int(width) * 8 - 1, top + 7), fill=0)
    (found,) = zxingcpp.read_barcodes(image)
    return str(found.text)
