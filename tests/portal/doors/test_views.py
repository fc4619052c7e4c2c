"""The box as a browser sends it: exactly one thing, its own answer; every mistake at its field."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from PIL import Image
from werkzeug.test import TestResponse

from tests.portal.lookup.test_views import JSON, body, switch
from tests.portal.uploads.test_views import code_url, genuine_pdf, picture
from tests.portal.web.world import World
from verifier.locator import group

SCRIPT = {"X-Upload": "1"}


def give(
    world: World, path: str = "/kiem-tra", headers: dict[str, str] | None = None, **parts: Any
) -> TestResponse:
    """What a browser sends: every input, those left alone as empty parts."""
    data: dict[str, Any] = {name: (io.BytesIO(b""), "") for name in ("camera", "photo", "file")} | {
        "code": ""
    }
    data |= {name: (io.BytesIO(p), "ten") if isinstance(p, bytes) else p for name, p in parts.items()}
    return world.client.post(path, data=data, headers=headers or {}, content_type="multipart/form-data")


def mistakes(page: TestResponse) -> dict[str, str]:
    """Field -> what is said at the head of the page; the same must stand at the field."""
    found = dict(re.findall(r'<li><a href="#([a-z]+)">([^<]+)</a></li>', page.text))
    for field in found:
        assert f'id="{field}-error"' in page.text
        assert re.search(f'<input [^>]*id="{field}" [^>]*aria-invalid="true"', page.text)
    assert page.text.count("aria-invalid") == len(found)
    return found


def blank() -> bytes:
    """A picture without any code."""
    out = io.BytesIO()
    Image.new("RGB", (200, 200), "white").save(out, "PNG")
    return out.getvalue()


class TestPages:
    def test_the_home_page_and_a_page_of_its_own(self, world: World) -> None:
        for path in ("/", "/kiem-tra", "/?lang=en", "/kiem-tra?lang=en"):
            page = world.client.get(path)
            assert page.status_code == 200
            inputs = re.findall(r'<input type="file" id="([a-z]+)" name="([a-z]+)"[^>]*>', page.text)
            assert inputs == [("camera", "camera"), ("photo", "photo"), ("file", "file")]
            assert page.text.count('capture="environment"') == 1
            assert page.text.count("<form") == 1
            assert "data-scan hidden" in page.text

    def test_where_the_page_used_to_be(self, world: World) -> None:
        assert world.client.get("/check").headers["Location"] == "/kiem-tra"
        assert world.client.get("/check?lang=en").headers["Location"] == "/kiem-tra?lang=en"


@pytest.mark.parametrize("path", ["/kiem-tra", "/check"])
class TestFiles:
    @pytest.mark.parametrize("field", ["camera", "photo", "file"])
    def test_content_decides_not_the_input(self, world: World, path: str, field: str) -> None:
        issued = genuine_pdf(world)
        for content, evidence in ((issued.file, "file"), (picture(code_url(world.primary)), "code")):
            answer = body(give(world, path, JSON, **{field: content}))
            assert (answer["verdict"], answer["evidence"]) == ("GENUINE_CURRENT", evidence)

    def test_a_picture_with_a_strange_code_beside_ours(self, world: World, path: str) -> None:
        strange = picture(code_url(world.primary), "https://khac.example/V/1")
        page = give(world, path, photo=strange)
        assert "Cạnh mã của học bạ còn một mã QR dẫn tới một trang lạ." in page.text
        assert "khac.example" not in page.text
        alone = give(world, path, photo=picture(code_url(world.primary)))
        wireless = give(world, path, photo=picture(code_url(world.primary), "WIFI:S:x;;"))
        for page in (alone, wireless):
            assert "trang lạ" not in page.text
        both = give(world, path, JSON, photo=strange)
        assert any("trang lạ" in text for text in body(both)["words"]["further"])


class TestTexts:
    def test_a_link_leads_to_its_answer(self, world: World) -> None:
        url = code_url(world.primary)
        for text in (url, url.lower(), f"Xem: {url}", str(world.primary.locator)):
            answer = give(world, code=text)
            assert (answer.status_code, answer.headers["Location"]) == (303, world.primary.path)
            answer = give(world, "/kiem-tra?lang=en", code=text)
            assert answer.headers["Location"] == f"{world.primary.path}?lang=en"
            assert body(give(world, headers=JSON, code=text))["verdict"] == "GENUINE_CURRENT"

    def test_the_address_of_an_answer_leads_there(self, world: World) -> None:
        answer = give(world, code="http://127.0.0.1:8000/ket-qua/7K3M9QXTZ2ABCDEF")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/ket-qua/7K3M9QXTZ2ABCDEF")

    def test_a_typed_code_is_asked_for_the_birth_date(self, world: World) -> None:
        typed = group(world.primary.locator.record_id).lower()
        page = give(world, code=typed)
        assert page.status_code == 200
        assert "<h1>Còn thiếu ngày sinh</h1>" in page.text
        assert f'value="{typed}"' in page.text
        assert 'action="/lookup"' in page.text
        assert switch(page) == ("/kiem-tra?lang=en", {"code": typed})
        problem = give(world, headers=JSON, code=typed)
        assert (problem.status_code, body(problem)["errors"][0]["field"]) == (422, "ngay")

    def test_a_strange_link_is_warned_of_and_never_printed(self, world: World) -> None:
        for path in ("/kiem-tra", "/kiem-tra?lang=en"):
            page = give(world, path, code=f"https://khac.example/V/{world.primary.locator}")
            assert page.status_code == 200
            main = page.text.split("<main")[1]
            assert "khac.example" not in main
            assert ("mạo danh" if path == "/kiem-tra" else "imitates this one") in main
        answer = body(give(world, headers=JSON, code="https://khac.example/"))
        assert (answer["verdict"], answer["reasons"]) == ("NOT_VERIFIED", ["foreign_link"])

    def test_the_code_of_something_else(self, world: World) -> None:
        page = give(world, code="WIFI:T:WPA;S:Lop 5A;P:12345678;;")
        assert "<title>Đây không phải mã của học bạ số – " in page.text
        assert "mạo danh" not in page.text
        assert body(give(world, headers=JSON, code="WIFI:S:x;;"))["reasons"] == ["foreign_code"]

    def test_a_mistyped_code_stays_in_its_box(self, world: World) -> None:
        page = give(world, code='7K3M "x')
        assert page.status_code == 422
        assert "<title>Lỗi: " in page.text
        assert list(mistakes(page)) == ["code"]
        assert 'value="7K3M &#34;x"' in page.text


class TestOneThing:
    def test_nothing(self, world: World) -> None:
        page = give(world)
        assert page.status_code == 422
        assert list(mistakes(page)) == ["file"]
        assert list(mistakes(give(world, code="  "))) == ["file"]
        problem = give(world, headers=JSON)
        assert (problem.status_code, body(problem)["code"]) == (422, "no_file")

    def test_a_file_and_a_text(self, world: World) -> None:
        for field in ("camera", "photo", "file"):
            given: dict[str, Any] = {field: world.primary.file, "code": str(world.primary.locator)}
            page = give(world, **given)
            assert page.status_code == 422
            assert list(mistakes(page)) == [field, "code"]
            assert f'value="{world.primary.locator}"' in page.text
        problem = give(world, headers=JSON, file=b"x", code="x")
        assert body(problem)["code"] == "file_and_code"

    def test_two_files(self, world: World) -> None:
        page = give(world, camera=b"x", photo=b"y")
        assert page.status_code == 422
        assert list(mistakes(page)) == ["camera", "photo"]
        same = {"file": [(io.BytesIO(b"a"), "a"), (io.BytesIO(b"b"), "b")]}
        problem = world.client.post("/kiem-tra", data=same, headers=JSON)
        assert (problem.status_code, body(problem)["code"]) == (422, "several_files")

    def test_too_large(self, world: World) -> None:
        page = give(world, photo=bytes((10 << 20) + 1))
        assert page.status_code == 413
        assert mistakes(page) == {"photo": "Tệp phải nhỏ hơn 10 MB."}


class TestScripts:
    def test_where_to_go_on(self, world: World) -> None:
        answer = give(world, headers=SCRIPT, code=code_url(world.primary))
        assert (answer.status_code, answer.data) == (204, b"")
        assert answer.headers["X-Next"] == world.primary.path
        assert "Location" not in answer.headers

    def test_the_answer_to_a_file_is_where_its_number_shows_it(self, world: World) -> None:
        issued = genuine_pdf(world)
        answer = give(world, headers=SCRIPT, file=issued.file)
        assert (answer.status_code, answer.data) == (204, b"")
        assert re.fullmatch("/ket-qua/[0-9A-Z]{17}", answer.headers["X-Next"])
        assert "Đúng bản trường cấp" in world.client.get(answer.headers["X-Next"]).text
        assert give(world, headers=SCRIPT).status_code == 422

    def test_an_answer_without_an_address_is_the_page_of_everybody(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        issued = genuine_pdf(world)
        monkeypatch.setattr("portal.uploads.views.keep", lambda *_, **__: None)
        assert give(world, headers=SCRIPT, file=issued.file).data == give(world, file=issued.file).data

    def test_a_picture_made_too_small_is_asked_for_as_it_was(self, world: World) -> None:
        empty = blank()
        answer = give(world, headers=SCRIPT, photo=empty, shrunk="1")
        assert (answer.status_code, answer.headers["X-Again"]) == (204, "original")
        for headers, parts in ((SCRIPT, {}), ({}, {"shrunk": "1"})):
            page = give(world, headers=headers, photo=empty, **parts)
            assert page.status_code == (204 if headers else 200)
            assert ("X-Next" in page.headers, "X-Again" in page.headers) == (bool(headers), False)
        seen = give(world, headers=SCRIPT, photo=picture(code_url(world.primary)), shrunk="1")
        assert "Mã đúng" in world.client.get(seen.headers["X-Next"]).text
