"""The technical report of a kept result: JSON by its published schema, PDF that says the same."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pikepdf
import pypdfium2
import pytest
import zxingcpp
from werkzeug.test import TestResponse

from tests.portal.results.test_results import kept, number_of, recall
from tests.portal.uploads.test_views import code_url, picture
from tests.portal.web.world import World
from verifier.locator import group, new_record_id

SCHEMA = json.loads((Path(__file__).parents[3] / "docs/result.schema.json").read_text("utf-8"))


def report(world: World, number: str, kind: str, query: str = "") -> TestResponse:
    answer = world.client.get(f"/ket-qua/{number}/bao-cao.{kind}{query}")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="ket-qua-{number}.{kind}"'
    return answer


def facts(world: World, number: str, query: str = "") -> Any:
    body = json.loads(report(world, number, "json", query).data)
    jsonschema.validate(body, SCHEMA, format_checker=jsonschema.FormatChecker())
    return body


def text_of(pdf: bytes) -> str:
    document = pypdfium2.PdfDocument(pdf)
    pages = (document[n].get_textpage().get_text_bounded() for n in range(len(document)))
    return " ".join(" ".join(pages).split())


def squeezed(text: str) -> str:
    """Without blanks: where a line breaks is Typst's business."""
    return "".join(text.split())


@pytest.fixture(params=["genuine", "superseded", "recalled", "photo", "unknown", "broken"])
def number(request: pytest.FixtureRequest, world: World) -> str:
    contents = {
        "genuine": world.primary.file,
        "superseded": world.first.file,
        "recalled": world.recalled.file,
        "photo": picture(code_url(world.primary)),
        "unknown": b"%PDF-1.7 unknown",
        "broken": b"PK\x03\x04 a ZIP",
    }
    return number_of(world, contents[request.param])


@pytest.mark.parametrize("language", ["vi", "en"])
def test_json_and_pdf_say_what_the_page_says(world: World, number: str, language: str) -> None:
    query = "" if language == "vi" else "?lang=en"
    body = facts(world, number, query)
    assert (body["language"], body["number"]) == (language, number)
    page = world.client.get(f"/ket-qua/{number}{query}").text
    assert f">{body['headline']}</h1>" in page
    printed = squeezed(text_of(report(world, number, "pdf", query).data))
    for key in ("headline", "sentence", "next_step", "address", "notice", "evidence_sentence", "verdict"):
        assert squeezed(body[key]) in printed
    for each in (*body["findings"], *(c for s in body["signatures"] for c in s["checks"])):
        assert squeezed(each["sentence"]) in printed
    assert group(number) in printed


def test_a_recall_since_stands_first(world: World) -> None:
    number = number_of(world, world.primary.file)
    assert facts(world, number)["today"]["unchanged"] is True
    recall(world, world.primary)
    body = facts(world, number)
    assert (body["today"]["unchanged"], body["today"]["verdict"]) == (False, "GENUINE_REVOKED")
    printed = text_of(report(world, number, "pdf").data)
    assert squeezed(body["today"]["next_step"]) in squeezed(printed)
    assert squeezed(body["next_step"]) not in squeezed(printed)
    assert printed.index("Hôm nay: Học bạ này đã được thu hồi") < printed.index(body["headline"])


def test_the_code_on_the_paper_leads_to_the_page(world: World) -> None:
    number = number_of(world, world.primary.file)
    made = report(world, number, "pdf").data
    image = pypdfium2.PdfDocument(made)[0].render(scale=3).to_pil()
    (code,) = zxingcpp.read_barcodes(image)
    assert code.text == facts(world, number)["address"] == f"http://127.0.0.1:8000/ket-qua/{number}"


def test_the_pdf_is_tagged_names_its_language_and_runs_nothing(world: World) -> None:
    number = number_of(world, world.primary.file)
    with pikepdf.open(io.BytesIO(report(world, number, "pdf", "?lang=en").data)) as pdf:
        assert str(pdf.Root.Lang) == "en"
        assert pdf.Root.MarkInfo.Marked
        assert "/OpenAction" not in pdf.Root
        assert "/AA" not in pdf.Root
        assert list(pdf.attachments) == []
        assert "pdfaid:part" in str(pdf.Root.Metadata.read_bytes())


def test_no_name_of_a_person_but_the_masked_one(world: World) -> None:
    number = number_of(world, world.primary.file)
    name = str(world.primary.data["ho_va_ten"])
    masked = " ".join(f"{word[0]}***" for word in name.split())
    texts = (text_of(report(world, number, "pdf").data), report(world, number, "json").text)
    for text in texts:
        assert masked in text
        for strange in (name, "Trần Văn Minh", world.primary.report.sha256, "CCCD"):
            assert strange not in text


@pytest.mark.parametrize("kind", ["json", "pdf"])
def test_the_number_as_it_stands_on_paper_will_do(world: World, kind: str) -> None:
    number = number_of(world, world.primary.file)
    answer = world.client.get(f"/ket-qua/{group(number).lower()}/bao-cao.{kind}")
    assert answer.status_code == 200
    assert f"ket-qua-{number}.{kind}" in answer.headers["Content-Disposition"]


@pytest.mark.parametrize("kind", ["json", "pdf"])
def test_what_is_no_result_has_no_report(world: World, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert world.client.get(f"/ket-qua/{new_record_id(bytes(10))}/bao-cao.{kind}").status_code == 404
    monkeypatch.setattr("portal.results.views.reading", pytest.fail)
    assert world.client.get(f"/ket-qua/x/bao-cao.{kind}").status_code == 404


def test_a_busy_machine_says_when_to_come_back(world: World) -> None:
    number = number_of(world, world.primary.file)
    room = world.app.extensions["portal"].workroom
    held = [room.place(f"192.0.2.{n}") for n in range(room.bounds.running + room.bounds.waiting)]
    room.bounds = type(room.bounds)(room.bounds.running, 0, 4, 0.05)
    for place in held[: room.bounds.running]:
        place.__enter__()
    try:
        answer = world.client.get(f"/ket-qua/{number}/bao-cao.pdf")
        assert (answer.status_code, int(answer.headers["Retry-After"]) > 0) == (503, True)
        assert kept(world, number).status_code == 200
    finally:
        for place in held[: room.bounds.running]:
            place.__exit__(None, None, None)
    report(world, number, "pdf")
    assert room.idle


def test_the_page_leads_to_both(world: World) -> None:
    number = number_of(world, world.primary.file)
    page = kept(world, number).text
    details = page.split('<details class="technical"')[1]
    for kind in ("pdf", "json"):
        assert f'href="/ket-qua/{number}/bao-cao.{kind}"' in details
