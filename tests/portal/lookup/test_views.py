"""Scan, typed look-up and comparison over HTTP: who sees what, in which shape, with which headers."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, QueuePool, create_engine
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from portal.extensions import Resources, transaction
from portal.registry import service as registry
from portal.vault import Vault
from portal.web.answers import together
from tests.conftest import ACTOR, NOW
from tests.portal.lookup.test_service import paper
from tests.portal.web.world import Issued, World, enter
from verifier.locator import Locator, digest_text, group, new_record_id, short_digest

JSON = {"Accept": "application/json"}
UNKNOWN = new_record_id(b"\xff" * 10)
KEYS = {
    *(
        "verdict",
        "evidence",
        "reasons",
        "version",
        "record",
        "signatures",
        "timestamps",
        "revisions",
        "checks",
        "document",
        "words",
        "at",
        "result",
    )
}


def body(answer: TestResponse) -> Any:
    """The JSON of an answer."""
    return json.loads(answer.data)


def post(client: FlaskClient, path: str, form: dict[str, str], **headers: str) -> TestResponse:
    return client.post(path, data=form, content_type="multipart/form-data", headers=headers)


def without_own(answer: TestResponse, code: str) -> str:
    """A page without what was typed into it, and without the receipt for exactly that."""
    return re.sub(r'(name="receipt" value=")[0-9a-f]{64}"', r"\1", answer.text).replace(code, "CODE")


def head(answer: TestResponse) -> list[tuple[str, str]]:
    """The headers, but for the id, which is new for every request."""
    return [(name, text) for name, text in answer.headers.to_wsgi_list() if name != "X-Request-Id"]


def switch(answer: TestResponse) -> tuple[str, dict[str, str]]:
    """The form that leads to the other language: its address and its fields."""
    header = answer.text.split("</header>")[0]
    fields = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', header)
    found = re.search(r'<form method="post" action="([^"]*)"', header)
    assert found is not None
    return unescape(found[1]), {name: unescape(text) for name, text in fields}


def typed_form(issued: Issued, *, short: bool = True, **changes: str) -> dict[str, str]:
    day, month, year = str(issued.data["ngay_sinh"]).split("/")
    code = group(issued.locator.record_id)
    code += f" {short_digest(issued.locator.digest)}" if short else ""
    return {"code": code, "ngay": day, "thang": month, "nam": year} | changes


def paper_form(issued: Issued, **changes: str) -> dict[str, str]:
    typed = paper(issued)
    cells = ("muc_dat_duoc", "diem_ktdk") if issued.header["level"] == "TIEU_HOC" else ("ca_nam",)
    form = {"code": str(issued.locator), "ho_va_ten": typed.name, "ngay_sinh": typed.birth}
    for name, values in typed.results.items():
        form |= {f"{name}.{cell}": value for cell, value in zip(cells, values, strict=False)}
    return form | changes


def personal(issued: Issued) -> set[str]:
    """Texts that no public answer may hold."""
    data = issued.data
    texts = {
        str(data[k]) for k in ("ho_va_ten", "ngay_sinh", "so_dinh_danh_ca_nhan", "cha_ho_ten", "me_ho_ten")
    }
    return texts | {str(data["nguoi_ky"]), "Trần Văn Minh", "CCCD", str(data["doi_tuong"])}


class TestScan:
    def test_verdicts(self, world: World) -> None:
        expected = {
            world.primary.path: "GENUINE_CURRENT",
            world.first.path: "GENUINE_SUPERSEDED",
            world.second.path: "GENUINE_CURRENT",
            world.recalled.path: "GENUINE_REVOKED",
            world.secondary.path: "GENUINE_CURRENT",
            f"/V/{Locator(world.primary.locator.record_id, world.second.locator.digest)}": "CONTENT_DIFFERS",
            f"/V/{UNKNOWN}.{digest_text(bytes(32))}": "NOT_VERIFIED",
            "/V/ABC": "NOT_VERIFIED",
            "/V/a/b/c": "NOT_VERIFIED",
            "/V/%C3%A1%00": "NOT_VERIFIED",
        }
        for path, outcome in expected.items():
            answer = world.client.get(path, headers=JSON)
            assert answer.status_code == 200
            assert answer.content_type == "application/json"
            assert set(body(answer)) == KEYS
            assert body(answer)["verdict"] == outcome, path
            assert body(answer)["evidence"] == "code"
            page = world.client.get(path)
            assert page.status_code == 200
            headline = body(answer)["words"]["headline"]
            assert f'<h1 id="headline">{headline}</h1>' in page.text
            assert f"<title>{headline} – " in page.text

    def test_what_everybody_sees(self, world: World) -> None:
        record = body(world.client.get(world.first.path, headers=JSON))["record"]
        assert record == {
            "record_id": world.first.locator.record_id,
            "version": 1,
            "state": "superseded",
            "current_version": 2,
            "since": "2026-09-17T02:30:00+00:00",
            "recall_reason": None,
            "school": {"code": "01000123", "name": "Trường Tiểu học Phúc Lộc"},
            "level": "TIEU_HOC",
            "grade": 5,
            "year": "2025-2026",
            "issued_on": "2026-05-31",
            "signed_roles": ["GVCN", "CBQL", "KY_PHAT_HANH"],
            "masked_name": "H*** N***",
        }
        page = world.client.get(world.first.path).text
        for text in (
            "Trường Tiểu học Phúc Lộc",
            "H***\N{NO-BREAK SPACE}N***",
            together("2025–2026"),
            "31/05/2026",
            "Tiểu học, lớp 5",
        ):
            assert text in page

    def test_no_personal_data_in_any_public_answer(self, world: World) -> None:
        for issued in world.issued:
            for headers in ({}, JSON):
                for suffix in ("", "?lang=en"):
                    text = world.client.get(issued.path + suffix, headers=headers).text
                    assert not [each for each in personal(issued) if each in text]
                    assert '"signatures": []' in text or not headers

    def test_the_short_way_and_flask_give_the_same_bytes(self, world: World) -> None:
        unknown = f"/V/{UNKNOWN}.{digest_text(bytes(32))}"
        for path in (*(i.path for i in world.issued), unknown):
            short = world.client.get(path)
            long = world.client.get(f"{path}?")
            flask = world.app.test_request_context(path)
            with flask:
                through_view = world.app.full_dispatch_request()
            assert short.data == through_view.data == long.data
            assert short.headers["Content-Type"] == through_view.headers["Content-Type"]
            assert short.headers["Vary"] == through_view.headers["Vary"] == "Accept, Accept-Encoding"
            assert (
                short.headers["Cache-Control"]
                == through_view.headers["Cache-Control"]
                == "public, max-age=30"
            )

    def test_an_outline_is_never_shared_between_records(self, world: World) -> None:
        """Pages of one kind differ exactly where the records do."""
        pages = [world.client.get(i.path).text for i in (world.primary, world.second, world.secondary)]
        ids = [group(i.locator.record_id) for i in (world.primary, world.second, world.secondary)]
        for page, own in zip(pages, ids, strict=True):
            assert [each for each in ids if each in page] == [own]

    def test_cache_headers_and_no_cookie(self, world: World) -> None:
        for path in (world.primary.path, "/V/ABC"):
            for headers in ({}, JSON):
                answer = world.client.get(path, headers=headers)
                assert answer.headers["Cache-Control"] == "public, max-age=30"
                assert "Set-Cookie" not in answer.headers

    def test_other_spellings_are_redirected_to_the_one(self, world: World) -> None:
        path = world.primary.path
        for other in (path.lower(), path.replace("/V/", "/v/"), f"/V/{path[3:].lower()}"):
            answer = world.client.get(other)
            assert answer.status_code == 301
            assert answer.headers["Location"] == path
            assert world.client.get(f"{other}?lang=en").headers["Location"] == f"{path}?lang=en"

    def test_a_malformed_code_meets_no_database(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object) -> None:
            raise AssertionError("the database was asked")

        monkeypatch.setattr(Engine, "connect", refuse)
        for path in ("/V/ABC", "/v/abc", f"{world.primary.path}X", world.primary.path[:-1] + "1"):
            answer = world.client.get(path, headers=JSON)
            assert body(answer)["reasons"] == ["malformed_code"]

    def test_a_registry_that_cannot_be_read_says_nothing_about_the_record(self, world: World) -> None:
        bundle: Resources = world.app.extensions["portal"]
        gone = create_engine("sqlite:////nonexistent/folder/none.sqlite3")
        object.__setattr__(bundle, "questions", gone)
        for headers in ({}, JSON):
            answer = world.client.get(world.primary.path, headers=headers)
            assert answer.status_code == 200
            assert answer.headers["Cache-Control"] == "no-store"
        assert body(answer)["verdict"] == "CHECK_INCOMPLETE"
        assert body(answer)["reasons"] == ["registry_unavailable"]

    def test_no_connection_left_is_no_statement_either(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bundle: Resources = world.app.extensions["portal"]
        pool = bundle.engine.pool
        assert isinstance(pool, QueuePool)
        monkeypatch.setattr(pool, "_timeout", 0.05)
        monkeypatch.setattr(pool, "_max_overflow", 0)
        with ExitStack() as held:
            for _ in range(pool.size()):
                held.enter_context(bundle.questions.connect())
            answers = [
                world.client.get(world.primary.path, headers=JSON),
                post(world.client, "/lookup", typed_form(world.primary), **JSON),
                post(world.client, "/lookup", {"code": str(world.primary.locator)}, **JSON),
                post(world.client, "/compare", paper_form(world.primary), **JSON),
            ]
        for answer in answers:
            assert (answer.status_code, body(answer)["verdict"]) == (200, "CHECK_INCOMPLETE")
            assert body(answer)["reasons"] == ["registry_unavailable"]

    def test_head_and_other_methods(self, world: World) -> None:
        assert world.client.head(world.primary.path).status_code == 200
        assert world.client.post(world.primary.path).status_code == 405

    def test_english(self, world: World) -> None:
        page = world.client.get(f"{world.primary.path}?lang=en").text
        assert '<html lang="en">' in page
        assert "The code is right; the paper has not been compared" in page
        assert f'href="{world.primary.path}" lang="vi"' in page
        assert "Primary, grade 3" in page or "Primary, grade 4" in page
        assert "<dd>31 May 2026</dd>" in page
        names = page.partition("<main")[2]
        for name in (str(world.primary.data["truong"]),):
            assert names.count(name) == names.count(f'lang="vi">{name}<') > 1
        assert f'href="/compare?code={world.primary.locator}&amp;lang=en"' in page
        assert not re.search(r'(href|action)="/[^"]*(?<!lang=en)" (?!lang="vi")', _own_links(page))

    def test_a_withdrawn_record_offers_no_comparison(self, world: World) -> None:
        assert "/compare?" in world.client.get(world.primary.path).text
        assert "/compare?" not in world.client.get(world.recalled.path).text

    def test_no_language_but_the_two(self, world: World) -> None:
        assert world.client.get(f"{world.primary.path}?lang=fr").text.startswith(
            '<!doctype html>\n<html lang="vi">'
        )


def _own_links(page: str) -> str:
    """The page without what carries no language: static files and the technical part."""
    return re.sub(r'(href|src)="/static/[^"]*"', "", page)


class TestTyped:
    def test_code_content_code_and_birth_date(self, world: World) -> None:
        answer = post(world.client, "/lookup", typed_form(world.primary), **JSON)
        assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
        assert (body(answer)["verdict"], body(answer)["evidence"]) == ("GENUINE_CURRENT", "code")
        assert body(answer)["record"]["masked_name"] == "N*** T*** H***"
        assert answer.headers["Content-Location"] == world.primary.path

    def test_a_code_that_names_its_version_is_answered_as_a_scan(self, world: World) -> None:
        """By way of its address: from there to the comparison, in either language."""
        for issued in (world.primary, world.first, world.recalled):
            for suffix in ("", "?lang=en"):
                led = post(world.client, f"/lookup{suffix}", typed_form(issued))
                assert (led.status_code, led.headers["Location"]) == (303, issued.path + suffix)
            typed = body(post(world.client, "/lookup", typed_form(issued), **JSON))
            assert typed == body(world.client.get(issued.path, headers=JSON))
        page = world.client.get(led.headers["Location"].replace(world.recalled.path, world.first.path)).text
        assert f'href="/compare?code={world.first.locator}&amp;lang=en"' in page

    def test_birth_dates_cannot_be_tried_out(self, world: World) -> None:
        """SEC-16: 5 wrong ones in 15 minutes, then even the right one waits; an unknown id fares just so."""
        ids = {"known": group(world.primary.locator.record_id), "unknown": group(UNKNOWN)}
        seen: dict[str, list[tuple[int, str, list[tuple[str, str]]]]] = {}
        for name, record_id in ids.items():
            seen[name] = []
            for year in range(1990, 1998):
                for headers in (JSON, {}):
                    form = typed_form(world.primary, short=False, code=record_id, nam=str(year))
                    answer = post(world.client, "/lookup", form, **headers)
                    seen[name].append((answer.status_code, without_own(answer, record_id), head(answer)))
        assert seen["known"] == seen["unknown"]
        assert [status for status, _, _ in seen["known"]] == [200] * 5 + [429] * 11
        refused = post(world.client, "/lookup", typed_form(world.primary), **JSON)
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "900")
        assert "thử lại sau 15 phút" in body(refused)["detail"]
        world.clock.time = world.clock.now() + timedelta(minutes=15)
        right = post(world.client, "/lookup", typed_form(world.primary), **JSON)
        assert body(right)["verdict"] == "GENUINE_CURRENT"

    def test_right_birth_dates_are_not_charged(self, world: World) -> None:
        for _ in range(8):
            assert post(world.client, "/lookup", typed_form(world.primary), **JSON).status_code == 200

    def test_missing_keys_of_ours_do_not_tell_known_from_unknown(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        bundle: Resources = world.app.extensions["portal"]
        object.__setattr__(bundle, "vault", Vault([("new", b"k" * 32)], b"i" * 32))
        said = []
        for code in (group(world.primary.locator.record_id), group(UNKNOWN)):
            for _ in range(7):
                answer = post(world.client, "/lookup", typed_form(world.primary, code=code), **JSON)
                said.append((answer.status_code, answer.data, head(answer)))
        assert len({str(each) for each in said}) == 1
        assert body(answer)["verdict"] == "CHECK_INCOMPLETE"
        assert "no key-encryption key" in caplog.text
        scan = world.client.get(world.primary.path, headers=JSON)
        assert (scan.status_code, body(scan)["verdict"]) == (200, "CHECK_INCOMPLETE")
        compared = post(world.client, "/compare", paper_form(world.primary), **JSON)
        assert (compared.status_code, body(compared)["verdict"]) == (200, "CHECK_INCOMPLETE")

    def test_without_the_content_code_only_which_version_is_current(self, world: World) -> None:
        answer = post(world.client, "/lookup", typed_form(world.second, short=False), **JSON)
        assert body(answer)["reasons"] == ["version_not_named"]
        assert body(answer)["record"] is None
        assert body(answer)["version"] == 2
        assert "bản số 2" in body(answer)["words"]["sentence"]

    def test_unknown_id_and_wrong_birth_date_are_one_answer(self, world: World) -> None:
        """SEC-16: status, body and headers."""
        wrong = post(world.client, "/lookup", typed_form(world.primary, nam="1999"), **JSON)
        unknown = post(
            world.client, "/lookup", typed_form(world.primary, code=f"{group(UNKNOWN)} 00000000"), **JSON
        )
        year_alone = post(world.client, "/lookup", typed_form(world.primary, ngay="", thang=""), **JSON)
        assert body(wrong) == body(unknown) == body(year_alone)
        assert body(wrong)["reasons"] == ["unknown_code"]
        assert head(wrong) == head(unknown)
        ids = (group(world.primary.locator.record_id), group(UNKNOWN))
        world.clock.time = world.clock.now() + timedelta(minutes=15)
        forms = [typed_form(world.primary, code=code, nam="1999") for code in ids]
        pages = [without_own(post(world.client, "/lookup", form), form["code"]) for form in forms]
        assert pages[0] == pages[1]

    @pytest.mark.parametrize(
        ("changes", "headline"),
        [
            ({"nam": "1999"}, "Không tìm thấy học bạ"),
            ({}, "Có học bạ này, nhưng chưa biết giấy là bản nào"),
            ({"code": " 00000000"}, "Mã không khớp với bản nào đã cấp"),
        ],
    )
    def test_a_typing_mistake_is_mended_in_place(
        self, world: World, changes: dict[str, str], headline: str
    ) -> None:
        form = typed_form(world.primary, short=False)
        form["code"] += changes.get("code", "")
        form |= {"nam": changes.get("nam", form["nam"])}
        page = post(world.client, "/lookup", form)
        assert page.status_code == 200
        assert page.headers["Cache-Control"] == "no-store"
        assert f'<h1 id="headline">{headline}</h1>' in page.text
        assert f"<title>{headline} – " in page.text
        assert 'class="mistake"' not in page.text
        for name, text in form.items():
            assert re.search(f'<input [^>]*id="{name}" name="{name}" value="{text}"', page.text)

    def test_the_tries_left_are_told_before_the_pause(self, world: World) -> None:
        form = typed_form(world.primary, nam="1999")
        for left in (4, 3, 2, 1, 0):
            page = post(world.client, "/lookup", form).text
            assert f"Số lần thử còn lại trước khi tạm dừng: {left}." in page
        paused = post(world.client, "/lookup", form)
        assert (paused.status_code, paused.headers["Retry-After"]) == (429, "900")
        assert '<h1 id="headline">Mã này đang tạm dừng ít phút</h1>' in paused.text
        assert f'name="code" value="{form["code"]}"' in paused.text
        assert "Số lần thử" not in post(world.client, "/lookup", typed_form(world.second, short=False)).text

    def test_the_other_language_of_an_answer_costs_no_try(self, world: World) -> None:
        """What was sent is sent again with a receipt, which is good for exactly that."""
        page = post(world.client, "/lookup", typed_form(world.primary, nam="1999"))
        action, fields = switch(page)
        assert action == "/lookup?lang=en"
        for _ in range(8):
            english = post(world.client, action, fields)
            assert english.status_code == 200
            assert '<html lang="en">' in english.text
            assert "Tries left before a pause: 4." in english.text
        assert switch(english) == ("/lookup", fields)
        other = post(world.client, "/lookup", fields | {"nam": "1998"})
        assert "tạm dừng: 3." in other.text
        forged = post(world.client, "/lookup", fields | {"receipt": "ổ" * 64})
        assert "tạm dừng: 2." in forged.text

    def test_the_other_language_of_a_form_with_mistakes(self, world: World) -> None:
        form = typed_form(world.primary, code="7K3M", nam="x")
        action, fields = switch(post(world.client, "/lookup", form))
        assert fields == form
        english = post(world.client, action, fields)
        assert english.status_code == 422
        assert "There is a problem" in english.text
        assert 'value="7K3M"' in english.text

    @pytest.mark.parametrize("one_field", ["{0}/{1}/{2}", "{0}-{1}-{2}", "{2}-{1}-{0}"])
    def test_a_birth_date_in_one_field(self, world: World, one_field: str) -> None:
        form = typed_form(world.primary)
        parts = [form.pop(name) for name in ("ngay", "thang", "nam")]
        answer = post(world.client, "/lookup", form | {"ngay_sinh": one_field.format(*parts)}, **JSON)
        assert body(answer)["verdict"] == "GENUINE_CURRENT"

    def test_a_code_damaged_by_telex_is_read(self, world: World) -> None:
        """Typed with the input method on, DD becomes Đ; the check character says where it stood."""
        ids = (new_record_id(number.to_bytes(10, "big")) for number in range(0xDD00, 1 << 40, 0x10001))
        record_id = next(i for i in ids if "DD" in group(i) and not re.search("[AEOUWSFRXJ]", i))
        bundle: Resources = world.app.extensions["portal"]
        with Session(bundle.engine) as session, session.begin():
            issued = enter(session, bundle.vault, NOW, grade=1, record_id=record_id)
        damaged = group(record_id).replace("DD", "Đ").lower()
        assert "đ" in damaged
        answer = post(world.client, "/lookup", typed_form(issued, code=damaged), **JSON)
        assert body(answer)["reasons"] == ["version_not_named"]

    def test_a_pasted_link_needs_no_birth_date(self, world: World) -> None:
        url = f"http://127.0.0.1:8000{world.primary.path}"
        for text in (url, url.lower(), f"Xem: {url}?utm=1", str(world.primary.locator)):
            page = post(world.client, "/lookup", {"code": text})
            assert (page.status_code, page.headers["Location"]) == (303, world.primary.path)
            answer = post(world.client, "/lookup", {"code": text}, **JSON)
            assert body(answer)["verdict"] == "GENUINE_CURRENT"

    @pytest.mark.parametrize(
        ("changes", "fields"),
        [
            ({"code": ""}, {"code"}),
            ({"code": "7K3M"}, {"code"}),
            ({"code": "https://khac.example/V/ABC"}, {"code"}),
            ({"code": "x" * 600}, {"code"}),
            ({"ngay": "", "thang": "", "nam": ""}, {"ngay"}),
            ({"ngay": "31", "thang": "2", "nam": "2015"}, {"ngay"}),
            ({"ngay": "3", "thang": "", "nam": "2015"}, {"ngay"}),
            ({"ngay": "3", "thang": "9", "nam": ""}, {"ngay"}),
            ({"ngay": "a"}, {"ngay"}),
            ({"code": "", "ngay": "99"}, {"code", "ngay"}),
        ],
    )
    def test_mistakes_come_back_all_at_once_with_what_was_typed(
        self, world: World, changes: dict[str, str], fields: set[str]
    ) -> None:
        form = typed_form(world.primary) | changes
        problem = post(world.client, "/lookup", form, **JSON)
        assert (problem.status_code, problem.content_type) == (422, "application/problem+json")
        assert {e["field"] for e in body(problem)["errors"]} == fields
        page = post(world.client, "/lookup", form)
        assert page.status_code == 422
        assert "<title>Lỗi: " in page.text
        for field in fields:
            assert f'<a href="#{field}">' in page.text
            assert f'id="{field}-error"' in page.text
        assert f'value="{form["thang"]}"' in page.text
        for language in ("", "?lang=en"):
            assert post(world.client, f"/lookup{language}", form).status_code == 422

    @pytest.mark.parametrize("path", ["/lookup", "/kiem-tra", "/check", "/compare", "/check/data"])
    @pytest.mark.parametrize(
        "kind", ["application/x-www-form-urlencoded", "application/json", "text/plain", ""]
    )
    def test_multipart_only(self, world: World, path: str, kind: str) -> None:
        answer = world.client.post(path, data=b"code=1", content_type=kind, headers=JSON)
        assert (answer.status_code, body(answer)["code"]) == (415, "multipart_only")

    def test_a_birth_date_is_never_taken_from_the_address(self, world: World) -> None:
        form = typed_form(world.primary)
        query = "&".join(f"{k}={v}" for k, v in form.items() if k != "code")
        answer = post(world.client, f"/lookup?{query}", {"code": form["code"]}, **JSON)
        assert answer.status_code == 422
        assert world.client.get(f"/lookup?{query}").data == world.client.get("/lookup").data


class TestCompare:
    def test_the_form_offers_every_subject_and_nothing_of_the_record(self, world: World) -> None:
        page = world.client.get(f"/compare?code={world.secondary.locator}")
        assert page.status_code == 200
        assert page.headers["Cache-Control"] == "no-store"
        for each in personal(world.secondary):
            assert each not in page.text
        # All electives stand there, not only the four of this pupil.
        names = re.findall(r'name="mon\.([A-Z0-9_]+)\.ca_nam"', page.text)
        taken = {k.removeprefix("mon.") for k in world.secondary.data if k.startswith("mon.")}
        assert taken < set(names)
        assert "selected" not in page.text

    def test_yes_and_no(self, world: World) -> None:
        for issued in (world.primary, world.secondary):
            answer = post(world.client, "/compare", paper_form(issued), **JSON)
            assert (body(answer)["verdict"], body(answer)["evidence"]) == (
                "GENUINE_CURRENT",
                "paper_compared",
            )
            page = post(world.client, "/compare", paper_form(issued))
            assert '<section class="panel ok"' in page.text
            assert page.headers["Cache-Control"] == "no-store"
            no = post(world.client, "/compare", paper_form(issued, ho_va_ten="Người Khác"), **JSON)
            assert (body(no)["verdict"], body(no)["reasons"]) == ("CONTENT_DIFFERS", ["values_differ"])

    def test_a_no_is_the_same_whatever_was_wrong(self, world: World) -> None:
        wrong = [
            {"ho_va_ten": "Người Khác"},
            {"ngay_sinh": "1/1/2001"},
            {"mon.TOAN.ca_nam": "1,0"},
            {"mon.LICH_SU.ca_nam": ""},
        ]
        problems = {
            post(world.client, "/compare", paper_form(world.secondary, **w), **JSON).data for w in wrong[:3]
        }
        assert len(problems) == 1
        pages = [post(world.client, "/compare", paper_form(world.secondary, **w)).text for w in wrong[:2]]
        panels = [page.split("<section")[1].split("</section>")[0] for page in pages]
        assert ["tạm dừng: 1." in panels[0], "tạm dừng: 0." in panels[1]] == [True, True]
        assert panels[0].replace("tạm dừng: 1.", "tạm dừng: 0.") == panels[1]
        assert 'value="Người Khác"' in pages[0]  # what was typed stays, to be corrected
        assert 'class="mistake"' not in pages[0]

    def test_too_many_tries(self, world: World) -> None:
        form = paper_form(world.primary, ho_va_ten="Người Khác")
        for _ in range(5):
            assert post(world.client, "/compare", form).status_code == 200
        refused = post(world.client, "/compare", paper_form(world.primary), **JSON)
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "900")
        assert body(refused)["code"] == "too_many_tries"
        page = post(world.client, "/compare", paper_form(world.primary))
        assert (page.status_code, page.headers["Retry-After"]) == (429, "900")
        assert "thử lại sau 15 phút" in page.text
        assert f'name="ho_va_ten" value="{world.primary.data["ho_va_ten"]}"' in page.text
        # The code itself is answered as ever.
        assert world.client.get(world.primary.path).status_code == 200

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"ho_va_ten": " "}, "ho_va_ten"),
            ({"ho_va_ten": "x" * 121}, "ho_va_ten"),
            ({"ngay_sinh": ""}, "ngay"),
            ({"mon.TOAN.diem_ktdk": "11"}, "mon.TOAN.diem_ktdk"),
            ({"mon.TOAN.diem_ktdk": "8,5"}, "mon.TOAN.diem_ktdk"),
            ({"mon.TOAN.muc_dat_duoc": "X"}, "mon.TOAN.muc_dat_duoc"),
        ],
    )
    def test_what_no_paper_can_say_is_a_mistake_and_no_try(
        self, world: World, changes: dict[str, str], field: str
    ) -> None:
        form = paper_form(world.primary) | changes
        for _ in range(7):
            problem = post(world.client, "/compare", form, **JSON)
            assert problem.status_code == 422
            assert [e["field"] for e in body(problem)["errors"]] == [field]
        page = post(world.client, "/compare", form)
        assert f'<a href="#{field}">' in page.text
        assert "<title>Lỗi: " in page.text
        assert post(world.client, "/compare", paper_form(world.primary), **JSON).status_code == 200

    def test_the_other_language_of_an_answer_costs_no_try(self, world: World) -> None:
        wrong = post(world.client, "/compare", paper_form(world.secondary, ho_va_ten='Người "Khác"'))
        action, fields = switch(wrong)
        for _ in range(6):
            english = post(world.client, action, fields)
            assert "Tries left before a pause: 4." in english.text
            assert 'value="Người &#34;Khác&#34;"' in english.text
        changed = post(world.client, "/compare", fields | {"mon.TOAN.ca_nam": "1,1"})
        assert "tạm dừng: 3." in changed.text
        right = post(world.client, "/compare", paper_form(world.secondary))
        address = re.findall(r'<a class="tongue" href="(/ket-qua/[^"]+)"', right.text)[0]
        assert '<section class="panel ok"' in right.text
        kept = world.client.get(address)  # by its number, which anybody may print: never green
        assert '<section class="panel info"' in kept.text
        assert re.findall(r"<h1[^>]*>(.*?)</h1>", kept.text)
        mistaken = post(world.client, "/compare", paper_form(world.secondary, ngay_sinh=""))
        assert post(world.client, *switch(mistaken)).status_code == 422

    def test_mistakes_stand_in_rows_of_their_own(self, world: World) -> None:
        page = post(world.client, "/compare", paper_form(world.primary, **{"mon.TOAN.diem_ktdk": "11"})).text
        assert '<tr class="said"><td colspan="3"><p class="mistake" id="mon.TOAN.diem_ktdk-error">' in _flat(
            page
        )
        assert page.count('aria-invalid="true"') == 1
        assert re.search(r'<input class="score" id="mon.TOAN.diem_ktdk" [^>]*aria-invalid="true"', page)
        level = post(
            world.client, "/compare", paper_form(world.primary, **{"mon.TOAN.muc_dat_duoc": "X"})
        ).text
        assert re.search(r'<select class="level" id="mon.TOAN.muc_dat_duoc" [^>]*aria-invalid="true"', level)

    def test_an_empty_column_is_a_mistake(self, world: World) -> None:
        form = {k: v for k, v in paper_form(world.primary).items() if not k.startswith("mon.")}
        assert post(world.client, "/compare", form, **JSON).status_code == 422
        nothing = body(post(world.client, "/compare", {"code": form["code"]}, **JSON))["errors"]
        assert [e["field"] for e in nothing] == ["ho_va_ten", "ngay", "mon.TIENG_VIET.muc_dat_duoc"]

    def test_codes_that_cannot_be_compared(self, world: World) -> None:
        stranger = Locator(world.primary.locator.record_id, bytes(32))
        assert body(post(world.client, "/compare", {"code": "ABC"}, **JSON))["reasons"] == ["malformed_code"]
        answer = body(post(world.client, "/compare", {"code": str(stranger)}, **JSON))
        assert answer["reasons"] == ["digest_mismatch"]
        answer = body(post(world.client, "/compare", paper_form(world.recalled), **JSON))
        assert (answer["verdict"], answer["evidence"]) == ("GENUINE_REVOKED", "code")
        assert world.client.get("/compare?code=ABC").headers["Location"] == "/"
        for issued_elsewhere in (stranger, world.recalled.locator):
            redirected = world.client.get(f"/compare?code={issued_elsewhere}&lang=en")
            assert redirected.headers["Location"] == f"/V/{issued_elsewhere}?lang=en"

    def test_a_superseded_paper_says_so(self, world: World) -> None:
        answer: Any = body(post(world.client, "/compare", paper_form(world.first), **JSON))
        assert (answer["verdict"], answer["evidence"]) == ("GENUINE_SUPERSEDED", "paper_compared")


def _flat(page: str) -> str:
    return re.sub(r">\s+<", "><", page)


def test_a_recall_shows_at_the_next_scan(world: World) -> None:
    assert body(world.client.get(world.primary.path, headers=JSON))["verdict"] == "GENUINE_CURRENT"
    with world.app.app_context(), transaction() as session:
        registry.recall(
            session, world.primary.locator.record_id, "issued_in_error", actor=ACTOR, now=world.clock.now()
        )
    answer = json.loads(world.client.get(world.primary.path, headers=JSON).data)
    assert (answer["verdict"], answer["reasons"]) == ("GENUINE_REVOKED", ["recalled:issued_in_error"])
    assert "đã được thu hồi" in world.client.get(world.primary.path).text


def test_the_guide_says_what_the_paper_must_say_in_its_order(world: World) -> None:
    """Nothing of the pupil, and nothing that the code's own answer does not show."""
    for language in ("", "&lang=en"):
        page = world.client.get(f"/compare?code={world.primary.locator}{language}").text
        guide = page.split('class="card guide"')[1].split("</section>")[0]
        issued = world.primary.header["issued_on"]
        year, month, day = issued.split("-")
        told = (
            "127.0.0.1:8000",
            group(world.primary.locator.record_id),
            world.primary.locator.short_digest,
            f"{day}/{month}/{year}",
        )
        places = [guide.index(each) for each in told]
        assert places == sorted(places)
        assert {each for each in personal(world.primary) if each in guide} == set()
    again = post(world.client, "/compare", {"code": str(world.primary.locator)})
    assert 'class="card guide"' not in again.text


def test_the_page_of_a_scan_loads_no_script(world: World) -> None:
    """The answer that most people wait for on a slow line; the same answer to a form has the script."""
    for query in ("", "?lang=en"):
        page = world.client.get(f"{world.primary.path}{query}").text
        assert "<h1" in page
        assert "<script" not in page
    form = post(world.client, "/compare", paper_form(world.primary)).text
    assert "/static/app.js" in form
