"""Every page of every test: well-formed, light, escaped, without anything inline."""

from __future__ import annotations

import gzip
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from werkzeug.test import TestResponse

from portal.lookup import service
from portal.registry.service import PublicRecord
from portal.web import answers
from portal.web.packing import FOLDER
from portal.web.pages import Pages
from tests.conftest import NOW
from tests.portal.lookup.test_views import paper_form, post, typed_form
from tests.portal.web.world import World, signature
from verifier.locator import Locator
from verifier.report import Check, CheckName, CheckStatus, Medium, ValidationReport
from verifier.verdict import Evidence, Outcome, Standing, Verdict, VersionFacts, VersionState

VOID = {"meta", "link", "input", "br", "img", "hr"}
NEEDS_NO_LABEL = {"hidden"}


class Outline(HTMLParser):
    """Collects what a page is made of, and checks that elements close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.headings: list[int] = []
        self.labels: set[str] = set()
        self.controls: list[dict[str, str]] = []
        self.links: list[str] = []
        self.refers: set[str] = set()
        self.inline: list[str] = []
        self.in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {k: v or "" for k, v in attrs}
        if tag not in VOID:
            self.open.append(tag)
        if "id" in attributes:
            self.ids.append(attributes["id"])
        for name in ("aria-describedby", "aria-labelledby"):
            self.refers |= set(attributes.get(name, "").split())
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "label":
            self.labels.add(attributes["for"])
        if tag in ("input", "select", "textarea"):
            self.controls.append(attributes)
        if tag == "a":
            self.links.append(attributes["href"])
        if tag in ("script", "style") and "src" not in attributes:
            self.inline.append(tag)
        self.inline += [name for name in attributes if name == "style" or name.startswith("on")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ("path", "circle", "use"), f"<{tag}/> is not HTML"

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes another element"


def inspect(page: str) -> Outline:
    assert page.startswith('<!doctype html>\n<html lang="')
    outline = Outline()
    outline.feed(page)
    outline.close()
    assert outline.open == []
    assert outline.headings.count(1) == 1
    first = outline.headings[0]
    assert first == 1 or (first == 2 and 'class="errors"' in page)
    assert all(b <= a + 1 for a, b in zip(outline.headings[1:], outline.headings[2:], strict=False))
    assert [i for i, n in Counter(outline.ids).items() if n > 1] == []
    assert outline.refers <= set(outline.ids)
    for control in outline.controls:
        if control.get("type") not in NEEDS_NO_LABEL:
            assert control["id"] in outline.labels or "aria-labelledby" in control
    assert outline.inline == []
    for form in re.findall(r"<form[^>]* data-passkey.*?</form>", page, re.DOTALL):
        assert "<button disabled" in form  # a press before the script is there would be lost
    assert all(href.startswith(("/", "#")) and not href.startswith("//") for href in outline.links)
    assert {href[1:] for href in outline.links if href.startswith("#")} <= set(outline.ids)
    assert len(re.findall("<title>[^<]+ – [^<]+</title>", page)) == 1
    return outline


def pages(world: World) -> Iterator[TestResponse]:
    client = world.client
    for suffix in ("", "?lang=en"):
        yield client.get(f"/{suffix}")
        yield client.get(f"/khong-co{suffix}")
        yield client.get(f"/V/ABC{suffix}")
        yield from (client.get(f"{i.path}{suffix}") for i in world.issued)
        amp = suffix.replace("?", "&")
        yield from (client.get(f"/compare?code={i.locator}{amp}") for i in (world.primary, world.secondary))
        yield post(client, f"/lookup{suffix}", typed_form(world.primary, short=False))
        yield post(client, f"/lookup{suffix}", typed_form(world.primary, code="", nam="x"))
        yield post(client, f"/compare{suffix}", paper_form(world.secondary))
        yield post(
            client, f"/compare{suffix}", paper_form(world.secondary, **{"mon.TOAN.ca_nam": "x"}, ngay_sinh="")
        )
        yield post(client, f"/check{suffix}", {})
        for content in (
            *(i.file for i in world.issued),
            b"",
            b"<a/>",
            b"PK\x03\x04",
            b"%PDF-1.7 broken",
            b"\x89PNG\r\n\x1a\n",
        ):
            yield client.post(f"/check{suffix}", data={"file": (io.BytesIO(content), "x")})


def test_every_page(world: World) -> None:
    seen = list(pages(world))
    assert len(seen) > 40
    for page in seen:
        assert page.content_type == "text/html; charset=utf-8"
        inspect(page.text)


def on_the_wire(page: TestResponse) -> int:
    """Bytes of a page and of everything it loads, compressed."""
    files = re.findall(r'(?:src|href)="/static/([a-z.]+)', page.text)
    return sum(len(gzip.compress(each)) for each in (page.data, *((FOLDER / f).read_bytes() for f in files)))


def test_every_page_is_light(world: World) -> None:
    """First view: page, style sheet, icon, scripts where there are some: 60 KB on the wire, the page 14."""
    for page in pages(world):
        files = re.findall(r'(?:src|href)="/static/([a-z.]+)', page.text)
        assert len(files) == 2 + ("app.js" in files) + ("doors.js" in files)
        assert len(gzip.compress(page.data)) <= 14_000
        assert on_the_wire(page) < 60_000


def test_technical_details_tell_since_when_signatures_are_proven() -> None:
    """Once where all share it, which keeps the page of fifteen signatures light; else whose."""
    one, other = (replace(signature(field, NOW), proven_time=NOW) for field in ("GVCN", "CBQL"))
    alike = list(answers._proof_lines((one, other), "vi"))
    assert len(alike) == 1
    assert alike[0].endswith(f": {NOW.isoformat()}")
    assert '"GVCN"' not in alike[0]
    apart = list(answers._proof_lines((one, replace(other, proven_time=NOW + timedelta(days=1))), "vi"))
    assert [line.partition(":")[0] for line in apart] == ['"GVCN"', '"CBQL"']
    assert list(answers._proof_lines((replace(one, proven_time=None),), "vi")) == []


NASTY = "Trường <b>\"Đá & 'Cỏ'\"</b> {{ 7*7 }} %(x)s {school} \ue000\uf8ff"
SAFE = "Trường &lt;b&gt;&#34;Đá &amp; &#39;Cỏ&#39;&#34;&lt;/b&gt; {{ 7*7 }} %(x)s {school}"


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("evidence", Evidence)
@pytest.mark.parametrize("signed", [False, True])
def test_every_verdict_has_a_page_and_escapes_what_comes_from_outside(
    world: World, outcome: Outcome, evidence: Evidence, signed: bool
) -> None:
    facts = VersionFacts(world.primary.locator.record_id, 1, VersionState.CURRENT, Standing.PASSED)
    failing = Check(CheckName.AUTHORITY, CheckStatus.FAILED, "unknown_signer")
    report = ValidationReport(
        at=NOW,
        medium=Medium.PDF if evidence is Evidence.FILE else Medium.CODE,
        signatures=(signature("GVBM.TOAN", NOW), signature("KY_PHAT_HANH", NOW, failing=failing))
        if signed
        else (),
    )
    record = replace(world_record(world), school_name=NASTY)
    answer = answers.Answer(
        Verdict(outcome, evidence, ("no_code",), facts),
        report,
        record,
        {"ab" * 32: "Cô <i>Lan</i>"},
        str(world.primary.locator),
    )
    text = answers.as_page(world.app.extensions["pages"], answer, "vi", "/")
    inspect(text)
    assert '<b>"Đá' not in text
    assert "<i>Lan" not in text
    shown = answer.shown_record is not None
    assert (SAFE in text) is shown
    assert ("Cô &lt;i&gt;Lan" in text) is (signed and answer.names_shown)


def world_record(world: World) -> PublicRecord:
    """The registry's public facts of the primary record."""
    bundle = world.app.extensions["portal"]
    with bundle.questions.connect() as connection:
        found = service.by_locator(connection, bundle.vault, world.primary.locator, now=NOW)
    assert found.record is not None
    return found.record


def test_an_outline_is_the_page(world: World) -> None:
    """Filling blanks gives the same text as rendering the page outright."""
    pages_: Pages = world.app.extensions["pages"]
    answer = answers.Answer(
        Verdict(Outcome.NOT_VERIFIED, Evidence.CODE, ("unknown_code",)), ValidationReport(NOW, Medium.CODE)
    )
    for language in ("vi", "en"):
        filled = [answers.as_page(pages_, answer, language, "/V/x") for _ in range(2)]
        own = {
            **answers._own(answer, language),
            "other_language": "/V/x" + ("?lang=en" if language == "vi" else ""),
            "file_again": "",
        }
        whole = pages_.text("verdict.html", language, {**answers._common(answer, language), **own})
        assert filled == [whole, whole]


def test_outlines_are_bounded(world: World) -> None:
    pages_: Pages = world.app.extensions["pages"]
    for number in range(1200):
        verdict = Verdict(Outcome.NOT_VERIFIED, Evidence.CODE, ("unknown_code", str(number)))
        if number % 100 == 0:
            answers.as_page(pages_, answers.Answer(verdict, ValidationReport(NOW, Medium.CODE)), "vi", "/")
        pages_._outlines.setdefault((number,), ((), ""))
    answers.as_page(
        pages_,
        answers.Answer(
            Verdict(Outcome.NOT_VERIFIED, Evidence.CODE, ("foreign_code",)),
            ValidationReport(NOW, Medium.CODE),
        ),
        "vi",
        "/",
    )
    assert len(pages_._outlines) <= 512


def test_a_locator_in_a_link_is_only_ever_ours(world: World) -> None:
    stranger = Locator(world.primary.locator.record_id, bytes(32))
    page = world.client.get(f"/V/{stranger}").text
    assert "/compare?code=" not in page
