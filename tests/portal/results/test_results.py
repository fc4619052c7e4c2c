"""Results that are shown again: what is kept and what never is, what stands today, who may ask."""

from __future__ import annotations

import html
import io
import json
import re
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy import text as sql
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from portal.erasure import service as erasure
from portal.errors import Refusal
from portal.issuing.erasing import RECORD
from portal.registry import service as registry
from portal.registry.models import Record, RegisteredFile
from portal.results import service
from portal.results.models import CheckResult
from portal.trust import service as trust
from portal.trust.service import ContactInput, SchoolInput
from portal.vault import Vault
from portal.web.answers import Answer, together, unchanged
from tests.conftest import ACTOR, NOW
from tests.portal.limits.codes import unknown
from tests.portal.lookup.test_views import paper_form
from tests.portal.uploads.test_views import code_url, picture
from tests.portal.web.world import CERTIFICATE, Issued, World, signature
from verifier import words
from verifier.errors import InvalidInput
from verifier.locator import group, new_record_id
from verifier.report import (
    Check,
    CheckName,
    CheckStatus,
    Medium,
    ValidationReport,
)
from verifier.verdict import Evidence, Outcome, Standing, Verdict, VersionFacts, VersionState

JSON = {"Accept": "application/json"}
ROWS = Path(__file__).parent / "rows"
CURRENT = "Đúng bản trường cấp, đang lưu hành"


def upload(world: World, content: bytes, **headers: str) -> TestResponse:
    answer = world.client.post(
        "/check", data={"file": (io.BytesIO(content), "Khuất Văn Tên.pdf")}, headers=headers
    )
    assert answer.status_code == 200
    return answer


def number_of(world: World, content: bytes) -> str:
    found: str = json.loads(upload(world, content, **JSON).data)["result"]["number"]
    return found


def kept(world: World, number: str, **headers: str) -> TestResponse:
    return world.client.get(f"/ket-qua/{number}", headers=headers)


def headline(page: TestResponse) -> str:
    (found,) = re.findall(r"<h1[^>]*>(.*?)</h1>", page.text)
    return str(found)


def rows(world: World) -> list[CheckResult]:
    with Session(world.app.extensions["portal"].engine) as session:
        return list(session.scalars(select(CheckResult).order_by(CheckResult.made_at)))


def recall(world: World, issued: Issued) -> None:
    with Session(world.app.extensions["portal"].engine) as session, session.begin():
        code = issued.locator.record_id
        registry.recall(
            session, code, "data_error", version=issued.version, actor=ACTOR, now=world.clock.now()
        )


class TestNumber:
    def test_an_upload_says_under_which_number_it_is_shown_again(self, world: World) -> None:
        page = upload(world, world.primary.file)
        number = re.findall(r'href="/ket-qua/([0-9A-Z]{17})"', page.text)[0]
        assert group(number) in page.text
        again = kept(world, number)
        assert (again.status_code, headline(again)) == (200, CURRENT)
        assert again.headers["Cache-Control"] == "no-store"
        assert again.headers["X-Robots-Tag"] == "noindex"
        assert again.headers["Referrer-Policy"] == "no-referrer"
        assert "Set-Cookie" not in again.headers

    def test_in_the_other_language_nobody_sends_the_file_again(self, world: World) -> None:
        page = upload(world, world.primary.file)
        address = re.findall(r'class="tongue" href="([^"]+)"', page.text)[0]
        assert re.fullmatch(r"/ket-qua/[0-9A-Z]{17}\?lang=en", address)
        english = world.client.get(address)
        assert headline(english) == "As issued by the school, and current"
        assert "phải gửi lại tệp" not in page.text

    def test_numbers_are_random_and_stand_nowhere(self, world: World) -> None:
        numbers = {number_of(world, world.primary.file) for _ in range(20)}
        assert len({number[:4] for number in numbers}) > 15
        stored = " ".join(str(vars(row)) for row in rows(world))
        assert [number for number in numbers if number in stored] == []

    @pytest.mark.parametrize("number", ["x", "0" * 16, "1" * 17, "É" * 17, "0" * 17 + "/x"])
    def test_a_malformed_number_meets_no_database(
        self, world: World, number: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("portal.results.views.reading", pytest.fail)
        assert kept(world, number).status_code == 404

    @pytest.mark.parametrize("number", ["x", new_record_id(bytes(10))])
    def test_a_number_that_shows_nothing_says_so_and_accuses_nobody(self, world: World, number: str) -> None:
        page = kept(world, number)
        assert page.status_code == 404
        assert "<h1>Không có kết quả mang số này</h1>" in page.text
        assert "điều này không nói gì về học bạ" in page.text

    def test_an_unknown_number_is_a_guess(self, world: World) -> None:
        def ask(number: str, address: str) -> int:
            base = {"REMOTE_ADDR": address}
            return world.client.get(f"/ket-qua/{number}", environ_base=base).status_code

        numbers = [new_record_id(n.to_bytes(10)) for n in range(21)]
        assert [ask(number, "2001:db8::7") for number in numbers] == [404] * 20 + [429]
        known = number_of(world, world.primary.file)
        assert ask(known, "2001:db8::8") == 429
        assert ask(known, "2001:db8:1::7") == 200

    def test_as_people_type_it(self, world: World) -> None:
        number = number_of(world, world.primary.file)
        answer = kept(world, group(number).lower())
        assert (answer.status_code, answer.headers["Location"]) == (301, f"/ket-qua/{number}")

    def test_the_address_beside_a_number_takes_the_number(self, world: World) -> None:
        """What a page or a paper says of a number leads somewhere: also typed after a Vietnamese keyboard."""
        number = number_of(world, world.primary.file)
        page = world.client.get("/ket-qua")
        assert page.status_code == 200
        assert 'name="so"' in page.text
        for text in (number, group(number).lower(), f" {number.replace('0', 'O')}\r\n"):
            answer = world.client.get("/ket-qua", query_string={"so": text, "lang": "en"})
            assert (answer.status_code, answer.headers["Location"]) == (303, f"/ket-qua/{number}?lang=en")

    @pytest.mark.parametrize("text", ["", "7K3M", "<b>", "https://khac.example/ket-qua/7K3M9QXTZ2ABCDEF"])
    def test_what_is_no_number_stays_in_the_form(self, world: World, text: str) -> None:
        answer = world.client.get("/ket-qua", query_string={"so": text})
        assert answer.status_code == 422
        assert "Số kết quả gồm 17 chữ và số." in answer.text
        assert "<b>" not in answer.text
        english = re.search(r'class="tongue" href="([^"]+)"', answer.text)
        assert english
        again = world.client.get(html.unescape(english[1]))
        assert f'value="{html.escape(text)}"' in again.text
        assert 'lang="en"' in again.text

    def test_a_number_in_the_box_is_one_tap_from_its_result(self, world: World) -> None:
        """It looks as a record id does, which is asked for a birth date first."""
        number = number_of(world, world.primary.file)
        answer = world.client.post("/kiem-tra", data={"code": number}, content_type="multipart/form-data")
        assert f'href="/ket-qua/{number}"' in answer.text

    def test_its_days_end(self, world: World) -> None:
        number = number_of(world, world.primary.file)
        world.clock.time += timedelta(days=90) - timedelta(seconds=1)
        assert kept(world, number).status_code == 200
        world.clock.time += timedelta(seconds=1)
        assert kept(world, number).status_code == 404
        bundle = world.app.extensions["portal"]
        with Session(bundle.engine) as session, session.begin():
            assert service.is_over(session, now=world.clock.now())
            assert service.erase_over(session, now=world.clock.now()) == 1
            assert not service.is_over(session, now=world.clock.now())
        assert rows(world) == []

    @pytest.mark.parametrize(
        ("column", "value"),
        [
            ("found", '{"another": "form"}'),
            ("found", "cut"),
            ("outcome", "GENUINE_CURRENT"),
            ("outcome", "LIKELY"),
            ("state", "{}"),
            ("form", 3),
            ("form", 1),
            ("form", "x"),
            ("version", "x"),
            ("seal", None),
            ("made_at", "yesterday"),
            ("file_pk", "x"),
            ("strange", 7),
        ],
    )
    def test_a_row_that_cannot_be_read_says_so_and_nothing_else(
        self, world: World, column: str, value: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Never genuine, never a fault: of a file that was no record, and somebody's hand in the table."""
        number = number_of(world, b"%PDF-1.7 other bytes")
        with Session(world.app.extensions["portal"].engine) as session, session.begin():
            session.execute(sql(f"UPDATE check_results SET {column} = :value"), {"value": value})  # noqa: S608
        page = kept(world, number)
        assert page.status_code == 410
        assert headline(page) == "Kết quả này không đọc được"
        assert "điều này không nói gì về học bạ" in page.text
        assert page.headers["Cache-Control"] == "no-store"
        for path in (number, f"{number}/bao-cao.json", f"{number}/bao-cao.pdf"):
            answer = kept(world, path, **JSON)
            assert (answer.status_code, json.loads(answer.data)["code"]) == (410, "result_unreadable")
        english = world.client.get(f"/ket-qua/{number}?lang=en")
        assert headline(english) == "This result cannot be read"
        for shown in (page.text, english.text):
            assert CURRENT not in shown
            assert "GENUINE" not in shown
        assert "kept result" in caplog.text

    @pytest.mark.parametrize("form", [1, 2])
    def test_a_row_of_each_form_is_a_page_and_a_report(self, world: World, form: int) -> None:
        """Rows as releases wrote them, of a record that is here."""
        number = number_of(world, world.primary.file)
        told = json.loads((ROWS / f"form-{form}.json").read_text("utf-8"))
        bundle = world.app.extensions["portal"]
        with Session(bundle.engine) as session, session.begin():
            row = session.scalars(select(CheckResult)).one()
            for column in ("form", "outcome", "evidence", "reasons", "found", "state"):
                setattr(row, column, told[column])
            row.seal = None if form == 1 else service._seal(bundle.vault, row)
        page = kept(world, number)
        assert page.status_code == 200
        assert "Lúc kiểm tra, 15:09 ngày 23/11/2026" in page.text
        assert "Có trong sổ đăng ký, nhưng chữ ký số" in page.text
        body = json.loads(kept(world, f"{number}/bao-cao.json").data)
        assert (body["verdict"], len(body["signatures"])) == ("REGISTERED_BUT_SIGNATURE_FAILS", 5)
        assert kept(world, f"{number}/bao-cao.pdf").data.startswith(b"%PDF-")

    def test_a_check_of_another_release_is_said_to_be_one(self, world: World) -> None:
        number = number_of(world, world.primary.file)
        bundle = world.app.extensions["portal"]
        with Session(bundle.engine) as session, session.begin():
            row = session.scalars(select(CheckResult)).one()
            found = json.loads(row.found)
            found["checks"].append(["log_witness", "failed", "no_witness"])
            row.found = json.dumps(found)
            row.seal = service._seal(bundle.vault, row)
        said = "Một bước kiểm tra mà cổng nay không còn gọi tên: không đạt."
        assert said in kept(world, number).text
        checks = json.loads(kept(world, f"{number}/bao-cao.json").data)["checks"]
        assert checks[-1] == {"name": "unnamed", "status": "failed", "code": "log_witness", "sentence": said}

    def test_a_database_that_takes_nothing_holds_no_answer_back(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: object, **__: object) -> None:
            raise OperationalError("INSERT", None, Exception("disk full"))

        monkeypatch.setattr("portal.results.service.keep", full)
        page = upload(world, world.primary.file)
        assert headline(page) == CURRENT
        assert "/ket-qua/" not in page.text
        assert "không có số để xem lại" in page.text
        for send in (
            {"path": "/ket-qua", "data": {"code": str(world.primary.locator)}},
            {"path": "/compare", "data": paper_form(world.primary)},
        ):
            other = world.client.post(**send, content_type="multipart/form-data")
            assert (other.status_code, "không có số để xem lại" in other.text) == (200, True)
        assert "không có số để xem lại" not in world.client.get(world.primary.path).text


class TestCodes:
    def test_reading_a_code_keeps_nothing(self, world: World) -> None:
        page = world.client.get(world.primary.path)
        assert 'action="/ket-qua"' in page.text
        assert rows(world) == []

    def test_a_number_for_a_code(self, world: World) -> None:
        code = {"code": str(world.primary.locator)}
        answer = world.client.post("/ket-qua", data=code, content_type="multipart/form-data")
        assert answer.status_code == 303
        page = world.client.get(answer.headers["Location"])
        assert headline(page) == "Mã đúng; giấy chưa được so"

    def test_nothing_is_kept_of_a_code_that_is_not_ours(self, world: World) -> None:
        bad = unknown(3).removeprefix("/V/")
        for code in (bad, "x", ""):
            data = {"code": code}
            answer = world.client.post("/ket-qua", data=data, content_type="multipart/form-data")
            assert (answer.status_code, "/ket-qua/" in answer.text) == (200, False)
        assert rows(world) == []

    def test_a_photo_and_a_paper_have_numbers_too(self, world: World) -> None:
        photo = number_of(world, picture(code_url(world.primary)))
        assert headline(kept(world, photo)) == "Mã đúng; giấy chưa được so"
        form = paper_form(world.primary)
        page = world.client.post("/compare", data=form, content_type="multipart/form-data")
        number = re.findall(r'href="/ket-qua/([0-9A-Z]{17})"', page.text)[0]
        assert headline(kept(world, number)) == headline(page)

    def test_a_strange_code_beside_ours_is_warned_of_each_time(self, world: World) -> None:
        photo = picture(code_url(world.primary), "https://khac.example/x")
        said = json.loads(upload(world, photo, **JSON).data)["words"]["further"]
        assert len(said) == 1
        assert said[0] in kept(world, number_of(world, photo)).text

    def test_a_paper_that_differs_is_not_kept(self, world: World) -> None:
        form = paper_form(world.primary) | {"ho_va_ten": "Người Khác"}
        page = world.client.post("/compare", data=form, content_type="multipart/form-data")
        assert headline(page) == "Giấy không khớp với bản trường cấp"
        assert rows(world) == []


class TestColour:
    """A number is seen by people who hold something else than what was checked."""

    @pytest.mark.parametrize("language", ["", "?lang=en"])
    def test_green_is_for_whoever_sent_the_file(self, world: World, language: str) -> None:
        sent = upload(world, world.primary.file)
        assert '<section class="panel ok"' in sent.text
        number = re.findall(r'href="/ket-qua/([0-9A-Z]{17})"', sent.text)[0]
        page = world.client.get(f"/ket-qua/{number}{language}").text
        panel = page[page.index('<section class="panel info"') : page.index("</section>")]
        assert ("Kept result" if language else "Kết quả đã giữ") in panel
        assert ("kept result of one check" if language else "kết quả đã giữ của một lần kiểm tra") in panel
        assert 'class="panel ok"' not in page

    def test_what_stands_today_is_not_green_either(self, world: World) -> None:
        """A file whose check was not finished then, and which stands today."""
        bundle = world.app.extensions["portal"]
        code = world.primary.locator.record_id
        facts = VersionFacts(
            code, world.primary.version, VersionState.CURRENT, Standing.INCOMPLETE, None, None, NOW
        )
        verdict = Verdict(Outcome.CHECK_INCOMPLETE, Evidence.FILE, ("crl_stale",), facts)
        report = ValidationReport(at=NOW, medium=Medium.PDF, sha256=world.primary.report.sha256)
        with Session(bundle.engine) as session, session.begin():
            number = service.keep(session, bundle.vault, verdict, report, now=NOW, days=90)
            assert number is not None
        page = kept(world, number)
        assert headline(page) == f"Hôm nay: {CURRENT}"
        assert '<section class="panel info"' in page.text
        assert 'class="panel ok"' not in page.text


class TestToday:
    def test_unchanged(self, world: World) -> None:
        page = kept(world, number_of(world, world.primary.file))
        assert "vẫn như vậy" in page.text
        assert "Hôm nay" not in page.text

    @pytest.mark.parametrize("language", words.LANGUAGES)
    def test_what_is_so_still_is_said_once(self, world: World, language: str) -> None:
        """A file's own check and the registry's last look at it name one reason by different codes."""
        bundle = world.app.extensions["portal"]
        facts = VersionFacts(
            world.primary.locator.record_id, world.primary.version, VersionState.CURRENT, Standing.FAILED
        )
        verdict = Verdict(
            Outcome.REGISTERED_BUT_SIGNATURE_FAILS, Evidence.FILE, ("signer_not_authorised",), facts
        )
        with Session(bundle.engine) as session, session.begin():
            for each in session.scalars(select(RegisteredFile)):
                each.standing = Standing.FAILED
            number = service.keep(session, bundle.vault, verdict, world.primary.report, now=NOW, days=90)
        page = world.client.get(f"/ket-qua/{number}?lang={language}")
        said = words.say(verdict, "en" if language == "en" else "vi").headline
        assert headline(page) == said
        assert page.text.partition("<main")[2].count(said) == 1
        assert ("vẫn như vậy" if language == "vi" else "nothing has changed") in page.text

    def test_which_reasons_are_one(self) -> None:
        def answer(outcome: Outcome, *reasons: str, state: VersionState = VersionState.CURRENT) -> Answer:
            facts = VersionFacts("0" * 17, 1, state, Standing.INCOMPLETE)
            return Answer(Verdict(outcome, Evidence.FILE, reasons, facts), ValidationReport(NOW, Medium.PDF))

        unfinished = Outcome.CHECK_INCOMPLETE
        for reason in ("crl_stale", "crl_missing", "timestamp_unchecked", "standing_lapsed"):
            lapsed = answer(unfinished, "standing_lapsed")
            assert unchanged(answer(unfinished, reason, "deadline"), lapsed)
            recalled = answer(unfinished, "standing_lapsed", state=VersionState.RECALLED)
            assert not unchanged(answer(unfinished, reason), recalled)
        for reason in ("busy", "registry_unavailable"):
            assert not unchanged(answer(unfinished, reason), lapsed)
            assert not unchanged(answer(unfinished, "crl_stale"), answer(unfinished, reason))
        current = answer(Outcome.GENUINE_CURRENT)
        assert unchanged(current, current)
        assert not unchanged(current, lapsed)

    def test_a_seal_is_nobodys_on_a_kept_page_and_that_is_said(self, world: World) -> None:
        bundle = world.app.extensions["portal"]
        verdict = Verdict(Outcome.SEAL_VALID_NOT_REGISTERED, Evidence.FILE, ("seal_valid_not_registered",))
        report = ValidationReport(at=NOW, medium=Medium.PDF)
        with Session(bundle.engine) as session, session.begin():
            number = service.keep(session, bundle.vault, verdict, report, now=NOW, days=90)
        assert number is not None
        why = "Kết quả đã giữ không ghi tên trường nào."
        assert why in kept(world, number).text
        assert why in " ".join(json.loads(kept(world, f"{number}/bao-cao.json").data)["further"])

    def test_a_recall_since_stands_first(self, world: World) -> None:
        number = number_of(world, world.primary.file)
        world.clock.time += timedelta(days=1)
        recall(world, world.primary)
        page = kept(world, number)
        assert headline(page) == "Hôm nay: Học bạ này đã được thu hồi"
        first, then = page.text.index("Học bạ này đã được thu hồi"), page.text.index("cổng đã trả lời")
        assert first < then < page.text.index(CURRENT)
        answer = json.loads(kept(world, number, **JSON).data)
        assert (answer["verdict"], answer["today"]["verdict"]) == ("GENUINE_CURRENT", "GENUINE_REVOKED")

    def test_of_a_file_it_is_the_standing_of_that_very_file(self, world: World) -> None:
        """Another file of the version still passes; the one that was checked does not."""
        number = number_of(world, world.primary.file)
        bundle = world.app.extensions["portal"]
        with Session(bundle.engine) as session, session.begin():
            own = session.scalars(
                select(RegisteredFile).where(RegisteredFile.sha256 == world.primary.report.sha256)
            ).one()
            copied = {
                c.key: getattr(own, c.key) for c in RegisteredFile.__mapper__.column_attrs if c.key != "id"
            }
            newer = copied | {
                "sha256": "0" * 64,
                "stored_name": "newer",
                "kind": "renewed",
                "registered_at": own.registered_at + timedelta(days=1),
            }
            session.add(RegisteredFile(**newer))
            own.standing = Standing.FAILED
        assert "đang lưu hành" in world.client.get(world.primary.path).text
        assert headline(kept(world, number)).startswith("Hôm nay: Có trong sổ đăng ký, nhưng chữ ký số")

    def test_a_standing_that_waits_is_no_word_about_the_record(self, world: World) -> None:
        number = number_of(world, world.primary.file)
        bundle = world.app.extensions["portal"]
        with Session(bundle.engine) as session, session.begin():
            registry.withdraw_standing(session, frozenset({CERTIFICATE}), epoch=999)
        page = kept(world, number)
        assert headline(page) == "Hôm nay: Chưa kiểm tra được"
        assert "giả" not in page.text.replace("giải", "").replace("giảm", "")

    def test_a_missing_key_of_ours_is_no_word_about_the_record(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        number = number_of(world, world.primary.file)
        bundle = world.app.extensions["portal"]
        object.__setattr__(bundle, "vault", Vault([("new", b"k" * 32)], bundle.settings.index_key))
        page = kept(world, number)
        assert (page.status_code, headline(page)) == (200, "Hôm nay: Chưa kiểm tra được")
        answer = json.loads(kept(world, number, **JSON).data)
        assert (answer["today"]["verdict"], answer["record"]) == ("CHECK_INCOMPLETE", None)
        assert kept(world, f"{number}/bao-cao.json").status_code == 200
        assert "no key-encryption key" in caplog.text

    @pytest.mark.parametrize("outcome", [Outcome.CHECK_INCOMPLETE, Outcome.REGISTERED_BUT_SIGNATURE_FAILS])
    def test_a_paper_that_was_not_found_to_match_matches_never(self, world: World, outcome: Outcome) -> None:
        bundle = world.app.extensions["portal"]
        code = world.primary.locator.record_id
        facts = VersionFacts(
            code, world.primary.version, VersionState.CURRENT, Standing.INCOMPLETE, None, None, NOW
        )
        verdict = Verdict(outcome, Evidence.PAPER_COMPARED, ("standing_lapsed",), facts)
        report = ValidationReport(at=NOW, medium=Medium.CODE)
        with Session(bundle.engine) as session, session.begin():
            number = service.keep(session, bundle.vault, verdict, report, now=NOW, days=90)
            assert number is not None
        with Session(bundle.engine) as session:
            found = service.find(session, bundle.vault, number, now=NOW)
            assert found is not None
            assert service.today(session, bundle.vault, found, now=NOW).verdict is None

    def test_of_other_bytes_nothing_more_can_be_said(self, world: World) -> None:
        number = number_of(world, b"%PDF-1.7 other bytes")
        page = kept(world, number)
        assert "Hôm nay" not in page.text
        assert "vẫn như vậy" not in page.text
        assert json.loads(kept(world, number, **JSON).data)["today"] is None


class TestWhatIsKept:
    def strange(self) -> ValidationReport:
        """A report full of a stranger's words."""
        own = signature("GVBM.TOAN", NOW, failing=Check(CheckName.TIME, CheckStatus.FAILED, "Khuất Canary"))
        return ValidationReport(
            at=NOW,
            medium=Medium.PDF,
            size=77,
            sha256="ab" * 32,
            signatures=(
                own,
                signature("GVBM.CANARY", NOW),
            ),
            unsigned_fields=("Canary field",),
            codes=("Canary code",),
            attached_record_id="CANARY",
            pages=3,
        )

    def test_nothing_that_a_file_says_itself(self, world: World) -> None:
        bundle = world.app.extensions["portal"]
        with Session(bundle.engine) as session, session.begin():
            verdict = Verdict(Outcome.NOT_VERIFIED, Evidence.FILE, ("untrusted_signer",))
            number = service.keep(session, bundle.vault, verdict, self.strange(), now=NOW, days=90)
            assert number is not None
            found = service.find(session, bundle.vault, number, now=NOW)
        (row,) = rows(world)
        stored = json.dumps({k: str(v) for k, v in vars(row).items()}, ensure_ascii=False)
        for strange in (
            "Canary",
            "CANARY",
            "Khuất",
            "ab" * 32,
            "CCCD",
            "Trần Văn Minh",
            "tệp.pdf",
            CERTIFICATE,
        ):
            assert strange not in stored
        assert found is not None
        assert [s.subject_code for s in found.report.signatures] == ["TOAN", None]
        assert [s.result for s in found.report.signatures] == [CheckStatus.FAILED, CheckStatus.PASSED]
        assert found.verdict == verdict

    def test_no_name_not_even_masked_and_no_fingerprint(self, world: World) -> None:
        for content in (world.primary.file, b"%PDF-1.7 unknown", picture(code_url(world.primary))):
            number_of(world, content)
        stored = " ".join(str(vars(row)) for row in rows(world))
        name = str(world.primary.data["ho_va_ten"])
        masked = " ".join(f"{word[0]}***" for word in name.split())
        assert together(masked) in kept(world, number_of(world, world.primary.file)).text
        for personal in (name, masked, "Khuất", "tệp", world.primary.report.sha256, "Trần Văn Minh"):
            assert personal not in stored

    def test_the_signers_names_are_for_who_sends_the_file(self, world: World) -> None:
        sent = upload(world, world.primary.file).text
        again = kept(world, number_of(world, world.primary.file)).text
        for theirs in ("Tên người ký chỉ hiện", "Lấy dữ liệu của tệp này"):
            assert theirs in sent
            assert theirs not in again
        assert [s.result for s in world.primary.report.signatures].count(CheckStatus.PASSED) == again.count(
            "<summary>"
        ) - 1

    @pytest.mark.parametrize("outcome", list(Outcome))
    @pytest.mark.parametrize("evidence", list(Evidence))
    def test_every_answer_comes_back_as_it_was(
        self, world: World, outcome: Outcome, evidence: Evidence
    ) -> None:
        bundle = world.app.extensions["portal"]
        facts = VersionFacts(
            world.primary.locator.record_id,
            world.primary.version,
            VersionState.RECALLED,
            Standing.PASSED,
            NOW,
            "data_error",
            NOW,
        )
        states = {
            Outcome.GENUINE_CURRENT: VersionState.CURRENT,
            Outcome.GENUINE_SUPERSEDED: VersionState.SUPERSEDED,
        }
        facts = replace(facts, state=states.get(outcome, VersionState.RECALLED))
        verdict = Verdict(outcome, evidence, ("crl_stale",), facts)
        report = ValidationReport(at=NOW, medium=Medium.PDF)
        with Session(bundle.engine) as session, session.begin():
            number = service.keep(session, bundle.vault, verdict, report, now=NOW, days=90)
            assert number is not None
        with Session(bundle.engine) as session:
            found = service.find(session, bundle.vault, number, now=NOW)
        assert found is not None
        assert (found.verdict, found.report) == (verdict, report)
        assert words.say(found.verdict, "vi").headline in kept(world, number).text


class TestDestroyed:
    """Two persons decided that a record is no more: what was answered about it goes with it."""

    def destroy(self, world: World, issued: Issued) -> None:
        bundle = world.app.extensions["portal"]
        with Session(bundle.engine) as session, session.begin():
            erasure.erase(
                session, RECORD, issued.locator.record_id, tombstones=bundle.tombstones,
                files=bundle.files, actor=ACTOR, now=world.clock.now(),
            )  # fmt: skip

    def test_its_results_are_erased_and_those_of_others_stay(self, world: World) -> None:
        code = {"code": str(world.primary.locator)}
        mine = [
            number_of(world, world.primary.file),
            number_of(world, picture(code_url(world.primary))),
            world.client.post("/ket-qua", data=code, content_type="multipart/form-data").headers["Location"][
                -17:
            ],
        ]
        others = [number_of(world, world.secondary.file), number_of(world, b"%PDF-1.7 other bytes")]
        self.destroy(world, world.primary)
        assert [kept(world, number).status_code for number in mine] == [404] * 3
        assert [kept(world, number).status_code for number in others] == [200] * 2
        assert len(rows(world)) == 2
        stored = " ".join(str(vars(row)) for row in rows(world))
        assert world.primary.locator.record_id not in stored

    def test_nothing_is_kept_about_it_again(self, world: World) -> None:
        self.destroy(world, world.primary)
        said = json.loads(upload(world, world.primary.file, **JSON).data)
        assert (said["verdict"], said["reasons"]) == ("CHECK_INCOMPLETE", ["evidence_destroyed"])
        stored = " ".join(str(vars(row)) for row in rows(world))
        assert world.primary.locator.record_id not in stored
        with Session(world.app.extensions["portal"].engine) as session:
            assert RECORD.alive(session, [world.primary.locator.record_id]) == frozenset()


class TestContact:
    """Whom to ask, on the page of an answer: out of our register, never out of a file."""

    REACHED = ContactInput("0200 555 123", "vanthu@kim-dong.example", "Phường Ba Đình")

    def school(self, world: World, contact: ContactInput, name: str = "Trường thử", **changes: Any) -> str:
        record = registry_school(world)
        with Session(world.app.extensions["portal"].engine) as session, session.begin():
            reached = ContactInput("0200 000 001")
            trust.add_department(session, "S1", "Sở thử", "Tỉnh thử", contact=reached, actor=ACTOR, now=NOW)
            school = SchoolInput(
                record, name, "S1", ("TIEU_HOC",), "Xã thử", "Tỉnh thử", "cong_lap", date(2020, 9, 1),
                contact=contact, **changes,
            )  # fmt: skip
            trust.add_school(session, school, actor=ACTOR, now=NOW)
        return record

    def test_an_answer_names_the_school_once(self, world: World) -> None:
        name = json.loads(world.client.get(world.primary.path, headers=JSON).data)["record"]["school"]["name"]
        code = self.school(world, self.REACHED, name)
        number = number_of(world, world.primary.file)
        for path in (world.primary.path, f"/ket-qua/{number}", f"/ket-qua/{number}?lang=en"):
            page = world.client.get(path).text
            panel = page[page.index('<section class="panel') : page.index("</section>")]
            assert panel.count(name) == 1
            assert "Phường Ba Đình" in panel
        with Session(world.app.extensions["portal"].engine) as session, session.begin():
            trust.set_contact(session, code, ContactInput("0200 555 123"), actor=ACTOR, now=NOW)
        page = world.client.get(world.primary.path).text
        assert page[: page.index("</section>")].count(name) == 1

    def test_a_school_that_goes_by_another_name_now_is_named_by_it(self, world: World) -> None:
        self.school(world, self.REACHED)
        page = " ".join(world.client.get(world.primary.path).text.split())
        assert "Liên hệ trường cấp: <b>Trường thử</b>, <span>Phường Ba Đình</span>." in page

    def test_the_school_with_telephone_and_mail(self, world: World) -> None:
        self.school(world, self.REACHED)
        for page in (upload(world, world.primary.file).text, world.client.get(world.primary.path).text):
            assert "Liên hệ trường cấp" in page
            assert '<a href="tel:0200555123">0200 555 123</a>' in page
            assert '<a href="mailto:vanthu@kim-dong.example">' in page

    def test_a_page_of_a_kind_keeps_nobodys_contact(self, world: World) -> None:
        code = self.school(world, self.REACHED)
        assert "0200 555 123" in world.client.get(world.primary.path).text
        with Session(world.app.extensions["portal"].engine) as session, session.begin():
            other = ContactInput("0200 555 999", "khac@kim-dong.example", "Phường Khác")
            trust.set_contact(session, code, other, actor=ACTOR, now=NOW)
        page = world.client.get(world.primary.path).text
        assert ("0200 555 999" in page, "0200 555 123" in page) == (True, False)

    def test_each_record_names_the_school_that_issued_it(self, world: World) -> None:
        """Whichever school came last into the register."""
        self.school(world, self.REACHED)
        with Session(world.app.extensions["portal"].engine) as session, session.begin():
            theirs = select(Record).where(Record.record_id == world.secondary.locator.record_id)
            session.scalars(theirs).one().school_code = "01000999"
            school = SchoolInput(
                "01000999", "Trường hai", "S1", ("THPT",), "Xã thử", "Tỉnh thử", "cong_lap", date(2024, 9, 1),
                contact=ContactInput("0200 555 999"),
            )  # fmt: skip
            trust.add_school(session, school, actor=ACTOR, now=NOW)
        for each, own, foreign in (
            (world.primary, "0200 555 123", "0200 555 999"),
            (world.secondary, "0200 555 999", "0200 555 123"),
        ):
            for page in (upload(world, each.file).text, world.client.get(each.path).text):
                assert (own in page, foreign in page) == (True, False)

    def test_a_closed_school_names_its_department(self, world: World) -> None:
        self.school(world, self.REACHED, valid_to=date(2026, 6, 30))
        page = upload(world, world.primary.file).text
        assert "Trường cấp không còn hoạt động" in page
        assert "Sở thử" in page
        assert "0200 000 001" in page
        assert "0200 555 123" not in page

    def test_a_school_without_a_contact_names_its_department(self, world: World) -> None:
        self.school(world, ContactInput())
        page = upload(world, world.primary.file).text
        assert "Cổng chưa có cách liên hệ của trường cấp" in page
        assert "0200 000 001" in page

    @pytest.mark.parametrize(
        ("contact", "where"),
        [
            (ContactInput(phone="gọi tôi"), "phone"),
            (ContactInput(email="a@b"), "email"),
            (ContactInput(email="a b@c.vn"), "email"),
            (ContactInput(address="dòng\nhai"), "address"),
            (ContactInput(address="x" * 201), "address"),
        ],
    )
    def test_what_is_no_contact_is_refused(self, world: World, contact: ContactInput, where: str) -> None:
        with Session(world.app.extensions["portal"].engine) as session:
            with pytest.raises(InvalidInput) as refused:
                trust.set_contact(session, "01000123", contact, actor=ACTOR, now=NOW)
            assert [problem.where for problem in refused.value.problems] == [where]

    def test_an_office_that_is_not_registered_is_refused(self, world: World) -> None:
        with Session(world.app.extensions["portal"].engine) as session:
            with pytest.raises(Refusal) as refused:
                trust.set_contact(session, "khong-co", self.REACHED, actor=ACTOR, now=NOW)
            assert refused.value.code == "unknown_school"

    def test_the_real_address_is_named(self, world: World) -> None:
        for path in (world.primary.path, "/V/ABC"):
            assert "Địa chỉ thật của cổng này là 127.0.0.1:8000." in world.client.get(path).text


def registry_school(world: World) -> str:
    """The code of the school whose record it is, as the registry has it."""
    with Session(world.app.extensions["portal"].engine) as session:
        record_id = world.primary.locator.record_id
        return str(session.scalar(select(Record.school_code).where(Record.record_id == record_id)))
