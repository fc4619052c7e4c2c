"""Two people behind one shared cache, a real nginx (SEC-27): what is of one never reaches the other."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from portal.config import Settings
from tests.browser.conftest import Site, serve
from tests.browser.test_wire import curl
from tests.demo_instance import ROOT, DemoInstance
from tests.portal.limits.codes import unknown
from tests.servers import CachingProxy

JSON = {"Accept": "application/json"}


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def cache(self) -> str:
        """MISS, HIT, … as nginx says it; nothing where it did not even ask its cache."""
        return self.headers.get("x-cache", "")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a client of their own, behind the cache."""

    url: str
    headers: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, *more: str) -> Answer:
        told = [part for name, text in self.headers.items() for part in ("-H", f"{name}: {text}")]
        raw = curl("-i", "-H", "Expect:", *told, *more, self.url + path).decode()
        head, _, text = raw.partition("\r\n\r\n")
        lines = [line.partition(": ") for line in head.splitlines()[1:]]
        return Answer(int(head.split()[1]), {name.lower(): value for name, _, value in lines}, text)

    def send(self, path: str, **fields: str | Path) -> Answer:
        parts = [
            part
            for name, value in fields.items()
            for part in ("-F", f"{name}=@{value}" if isinstance(value, Path) else f"{name}={value}")
        ]
        return self.get(path, *parts)


@dataclass(frozen=True, slots=True)
class Shared:
    """One portal, one cache in front of it, and what the cache has written down."""

    site: Site
    proxy: CachingProxy
    folder: Path

    def person(self, **headers: str) -> Person:
        return Person(self.proxy.url, {name.replace("_", "-"): text for name, text in headers.items()})

    def written(self) -> bytes:
        """Everything in nginx's folders: the cache and whatever it kept besides."""
        return b"".join(p.read_bytes() for p in self.folder.rglob("*") if p.is_file())


@pytest.fixture(scope="module")
def shared(demo_instance: DemoInstance, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    folder = tmp_path_factory.mktemp("shared")
    (folder / "nginx").mkdir()
    instance = demo_instance.copy_to(folder / "instance")
    with serve(instance, TRUSTED_PROXIES="1", DEMO="0") as site:
        proxy = CachingProxy(urlsplit(site.url).port or 80, folder / "nginx")
        try:
            yield Shared(site, proxy, folder / "nginx")
        finally:
            proxy.stop()


@pytest.fixture
def lan(shared: Shared) -> Person:
    """Reads Vietnamese pages."""
    return shared.person(Accept="text/html", Accept_Language="vi", User_Agent="Zalo", Cookie="who=lan")


@pytest.fixture
def john(shared: Shared) -> Person:
    """Reads English."""
    return shared.person(
        Accept="text/html", Accept_Language="en", User_Agent="curl", Authorization="Bearer j"
    )


def test_what_may_be_shared_is_shared(shared: Shared, lan: Person, john: Person) -> None:
    """SEC-27: answers to codes (in each language, as a page and as JSON), the home page and static files come
    out of the cache the second time, the same for both, with the id of the request they answer.
    """
    program = shared.person(Accept="application/json")
    code = shared.site.code("GENUINE_SUPERSEDED")
    style = re.search(r'href="(/static/app\.css[^"]*)"', lan.get("/").text)
    assert style
    seen = set()
    for path in (code, f"{code}?lang=en", unknown(7), "/", "/?lang=en", style[1]):
        first, second = lan.get(path), john.get(path)
        assert first.cache in ("MISS", "HIT")  # the home page was asked for above
        assert second.cache == "HIT"
        assert (first.status, second.status) == (200, 200)
        assert first.text == second.text
        assert "content-security-policy" in second.headers
        assert "set-cookie" not in second.headers
        assert first.headers["x-request-id"] != second.headers["x-request-id"]
        seen.add(second.text)
    assert len(seen) == 6
    first, second = program.get(code), program.get(code)
    assert (first.cache, second.cache) == ("MISS", "HIT")  # the page of that address did not answer
    assert json.loads(second.text)["verdict"] == "GENUINE_SUPERSEDED"
    assert lan.get(code).text.startswith("<!doctype html>")


def test_what_is_of_one_person_reaches_no_other(shared: Shared, lan: Person, john: Person) -> None:
    """SEC-27, SEC-14: files with their answers and data, what was typed, mistakes. Each is asked for twice
    and by both; none comes out of the cache, and nothing of them is written down by nginx.
    """
    mine, theirs = (shared.site.file(v) for v in ("GENUINE_CURRENT", "GENUINE_REVOKED"))
    typed = {"code": "CANARY-1", "ngay": "31", "thang": "12", "nam": "2011"}
    answers: dict[str, list[str]] = {}
    for person, file, verdict in ((lan, mine, "GENUINE_CURRENT"), (john, theirs, "GENUINE_REVOKED")):
        program = Person(person.url, person.headers | JSON)
        for _ in range(2):
            asked = {
                "page": person.send("/check", file=file),
                "json": program.send("/check", file=file),
                "data": person.send("/check/data?format=json", file=file),
                "typed": person.send("/lookup", **typed | {"code": f"CANARY-{verdict}"}),
                "empty": person.send("/check", kind="photo"),
            }
            for name, answer in asked.items():
                assert answer.cache == ""
                assert answer.headers["cache-control"] == "no-store"
                answers.setdefault(f"{name} {verdict}", []).append(answer.text)
            assert json.loads(asked["json"].text)["verdict"] == verdict
    data = [json.loads(answers[f"data {v}"][0]) for v in ("GENUINE_CURRENT", "GENUINE_REVOKED")]
    assert data[0]["fields"] != data[1]["fields"]

    # What the one sent, asked for at the same addresses by the other.
    names = [str(each["fields"]["ho_va_ten"]) for each in data]
    for person in (lan, john):
        for path in ("/check", "/check/data", "/check/data?format=json", "/lookup", "/compare", "/"):
            again = person.get(path)
            assert "CANARY" not in again.text
            assert not any(name in again.text for name in names)
    written = shared.written()
    for secret in ("CANARY", *names, *(each["disclosures"][0] for each in data)):
        assert secret.encode() not in written
    assert mine.read_bytes()[:2000] not in written


def test_what_is_packed_reaches_only_who_unpacks(shared: Shared, lan: Person) -> None:
    """SEC-27, RFC 9110, 12.5.5: a phone that takes gzip and a program that does not, in turns behind one
    cache: both get the same words.
    """
    clock = re.compile(rb"\d\d:\d\d(:\d\d)?")
    style = re.search(r'href="(/static/app\.css[^"]*)"', lan.get("/").text)
    assert style
    for path in (shared.site.code("GENUINE_CURRENT"), "/", style[1]):
        url = shared.proxy.url + path
        for _ in range(2):
            small = curl("-H", "Accept: text/html", "-H", "Accept-Encoding: gzip", url)
            plain = curl("-H", "Accept: text/html", url)
            assert len(small) < len(plain) / 2
            assert clock.sub(b"", gzip.decompress(small)) == clock.sub(b"", plain)


@pytest.mark.parametrize(
    "path", ["/khong-co", "/check/data", "/lookup", "/check", "/compare?code=x", "/robots.txt"]
)
def test_what_does_not_say_so_is_not_kept(lan: Person, john: Person, path: str) -> None:
    """SEC-27: error pages, forms, redirects."""
    for person in (lan, john, lan):
        assert person.get(path).cache == "MISS"


def test_a_pile_passes_where_one_file_of_as_many_bytes_does_not(
    shared: Shared, lan: Person, tmp_path: Path
) -> None:
    limit = Settings.max_upload_bytes
    large, one = tmp_path / "large.pdf", tmp_path / "one.pdf"
    large.write_bytes(b"%PDF-1.7" + bytes(2 * limit))
    one.write_bytes(b"%PDF-1.7" + bytes(limit - 1024))
    refused = lan.send("/check", file=large)
    assert refused.status == 413
    assert "chưa kiểm tra gì" in refused.text  # nginx's own answer, in the reader's words
    assert "10 MB" in refused.text
    files = [part for _ in range(3) for part in ("-F", f"file=@{one}")]
    pile = shared.person(Accept="application/json").get("/kiem-tra-nhieu", *files)
    assert pile.status == 200
    assert [row["trouble"] for row in json.loads(pile.text)["rows"]] == [None] * 3


def test_the_documented_configuration_is_the_tested_one() -> None:
    told = (ROOT / "docs/settings.md").read_text("utf-8").partition("## Behind nginx")[2]
    tried = (ROOT / "tests/browser/nginx.conf").read_text("utf-8").replace("@PORTAL@", "8000")
    lines = [line.strip() for line in told.splitlines() if line.startswith("    ")]
    assert len(lines) > 10
    assert [line for line in lines if line not in tried] == []
