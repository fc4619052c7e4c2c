"""Without a network, in a real browser: the portal opens, explains, finds typing mistakes, calls nothing
genuine, keeps nothing but that page; with the network it is what it was; the worker can be taken back.
"""

from __future__ import annotations

import gzip
import json
import random
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import PHONE, Site, Visit, Watch, free_port, serve
from tests.browser.test_passkeys import account, sign_in_with_sample
from tests.demo_instance import ROOT, DemoInstance
from tests.verifier.test_locator import Telex, Vni
from verifier import locator
from verifier.errors import InvalidInput
from verifier.locator import Hosts, Locator

Look = Callable[[Page], None]
STATIC = ROOT / "portal" / "static"
VECTORS: dict[str, Any] = json.loads((ROOT / "docs/locator-vectors.json").read_text("utf-8"))
FIRST_LINE = {
    "vi": "Chưa kiểm tra được khi không có mạng",
    "en": "Not checked: there is no network",
}
#: Words of a verdict, which this page never says; and the colour.
VERDICTS = re.compile(r"\b(đúng|hợp lệ|thật|giả|genuine|valid|authentic|fake|forged)\b", re.IGNORECASE)
READY = "() => navigator.serviceWorker.ready.then((it) => it.active.state === 'activated' || "
READY += "new Promise((done) => "
READY += "it.active.addEventListener('statechange', () => it.active.state === 'activated' && done(true))))"
#: Every address in every cache, without the hash of a static file.
KEPT = """async () => {
    const found = [];
    for (const name of await caches.keys()) {
        for (const one of await (await caches.open(name)).keys()) found.push(one.url.replace(/\\?v=.*/, ""));
    }
    return found.map((each) => each.replace(location.origin, "")).sort();
}"""
LISTED = ["/ngoai-tuyen", "/ngoai-tuyen?lang=en"]
LISTED += [f"/static/{name}" for name in ("app.css", "app.js", "icon.svg", "offline.js")]


def installed(page: Page) -> Page:
    """The same page, once the worker that it registered stands."""
    assert page.evaluate(READY)
    return page


def awaited(page: Page, condition: str) -> None:
    """Until an asynchronous condition holds in the page."""
    page.evaluate(
        f"async () => {{ while (!(await ({condition})())) "
        "await new Promise((done) => setTimeout(done, 50)); }"
    )


def without_network(page: Page, path: str) -> Page:
    page.context.set_offline(True)
    page.goto(path)
    return page


def heading(page: Page) -> str:
    return page.locator("h1").inner_text()


def examined(page: Page, code: str, short: str = "") -> str:
    """What the page says of a code."""
    page.locator("#code").fill(code)
    page.locator("#short").fill(short)
    page.locator("[data-look]").click()
    expect(page.locator("[data-result]")).to_be_visible()
    return page.locator("[data-result]").inner_text()


def a_locator(seed: int) -> Locator:
    source = random.Random(seed)  # noqa: S311 - test data
    return Locator(locator.new_record_id(source.randbytes(10)), source.randbytes(32))


def other(character: str) -> str:
    return "7" if character != "7" else "8"


# ----------------------------------------------------------------------------------------------- installing


def test_it_can_be_installed(visit: Visit, site: Site) -> None:
    """Chromium's own judgement of the manifest and its icons, in both languages."""
    for path, tongue in (("/", "vi"), ("/?lang=en", "en")):
        page = installed(visit(path))
        browser = page.context.new_cdp_session(page)
        told = browser.send("Page.getAppManifest")
        assert told["errors"] == []
        manifest = json.loads(told["data"])
        assert (manifest["lang"], manifest["display"], manifest["id"]) == (tongue, "standalone", "/")
        assert urlsplit(told["url"]).path == "/manifest.webmanifest"
        # A context of a test is an incognito one, which Chromium counts as the one thing in the way.
        wrong = browser.send("Page.getInstallabilityErrors")["installabilityErrors"]
        assert {each["errorId"] for each in wrong} <= {"in-incognito"}


def test_a_page_without_a_manifest_cannot(visit: Visit, site: Site) -> None:
    """So that the judge above judges."""
    page = visit(site.code("GENUINE_CURRENT"))
    browser = page.context.new_cdp_session(page)
    wrong = browser.send("Page.getInstallabilityErrors")["installabilityErrors"]
    assert "no-manifest" in {each["errorId"] for each in wrong}
    assert page.evaluate("() => navigator.serviceWorker.getRegistrations().then((all) => all.length)") == 0


def test_how_heavy_it_is() -> None:
    packed = {name: len(gzip.compress((STATIC / name).read_bytes(), 9)) for name in ("sw.js", "offline.js")}
    assert packed["sw.js"] < 2048
    assert packed["offline.js"] < 4096
    icons = sum(path.stat().st_size for path in STATIC.glob("icon*"))
    assert icons < 8000


# ---------------------------------------------------------------------------------------- without a network


@pytest.mark.parametrize(("tongue", "query"), [("vi", ""), ("en", "?lang=en")])
def test_it_opens_without_a_network(visit: Visit, look: Look, site: Site, tongue: str, query: str) -> None:
    """Whatever is asked for: in its language, with all that it shows, at its address."""
    page = installed(visit("/"))
    failed: list[tuple[str, str]] = []
    page.on("requestfailed", lambda request: failed.append((request.url, request.failure or "")))
    for path in ("/", "/khong-co", "/lookup", "/sign-in"):
        without_network(page, path + query)
        assert heading(page) == FIRST_LINE[tongue]
        assert page.locator("html").get_attribute("lang") == tongue
        assert page.url == site.url + path + query
        assert not VERDICTS.search(page.locator("main").inner_text())
    # Asked for and not given. The browser itself gives up a tab's icon when the next page comes first.
    assert [url for url, why in failed if "/static/" in url and why != "net::ERR_ABORTED"] == []
    expect(page.locator("[data-look]")).to_be_visible()
    expect(page.locator("[data-ask]")).to_be_hidden()
    look(page)
    # The other language stays in the place of the same page.
    page.locator("a.tongue").click()
    there = {"vi": "en", "en": "vi"}[tongue]
    expect(page.locator("h1")).to_have_text(FIRST_LINE[there])
    assert urlsplit(page.url).path == "/sign-in"


def test_a_code_scanned_without_a_network(visit: Visit, site: Site) -> None:
    """The phone's camera opens the link: nothing is called genuine, what the code says of itself is shown;
    with the network back, one tap gives the answer of the registry.
    """
    path = site.code("GENUINE_CURRENT")
    page = without_network(installed(visit("/")), path)
    result = page.locator("[data-result]")
    expect(result).to_be_visible()
    said = result.inner_text()
    record_id, _, digest = path.removeprefix("/V/").partition(".")
    assert said.startswith(FIRST_LINE["vi"])
    assert locator.group(record_id) in said
    assert locator.group(digest[:8]) in said
    assert not VERDICTS.search(page.locator("main").inner_text())
    assert "ok" not in (result.get_attribute("class") or "").split()
    expect(page.locator(".panel.ok, .icon.ok")).to_have_count(0)

    page.context.set_offline(False)
    expect(page.locator("[data-online]")).to_be_visible()
    page.get_by_role("link", name="Thử lại").click()
    expect(page.locator("h1")).to_have_text("Mã đúng; giấy chưa được so")
    assert page.url == site.url + path


def test_a_typed_code_is_asked_with_one_tap(visit: Visit, site: Site) -> None:
    """It stays where it was typed, is kept nowhere, and is sent by the tap alone."""
    path = site.code("GENUINE_CURRENT")
    page = without_network(installed(visit("/")), "/ngoai-tuyen")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/static/" not in request.url else None)
    link = f"{site.public_url}{path}"
    assert urlsplit(site.public_url).netloc in examined(page, link)
    page.locator("#code").press("Enter")  # no network: looked at again, sent nowhere
    assert asked == []
    assert page.evaluate("() => [localStorage.length, sessionStorage.length]") == [0, 0]
    assert page.evaluate("() => indexedDB.databases().then((all) => all.length)") == 0
    page.context.set_offline(False)
    ask = page.get_by_role("button", name="Hỏi sổ đăng ký")
    expect(ask).to_be_visible()
    assert asked == []
    ask.click()
    expect(page.locator("h1")).to_have_text("Mã đúng; giấy chưa được so")
    assert page.evaluate(KEPT) == LISTED


def test_what_is_found_without_a_network(visit: Visit, look: Look, site: Site) -> None:
    """A slip, an input method, a link elsewhere, a paper with another code; the rest is said to be open."""
    place = a_locator(1)
    record_id, short = place.record_id, place.short_digest
    link = locator.url(site.public_url, place)
    page = without_network(installed(visit("/")), "/")
    result = page.locator("[data-result]")

    assert "Không thấy lỗi gõ" in examined(page, locator.group(record_id).lower())
    assert "Có ký tự gõ sai" in examined(page, other(record_id[0]) + record_id[1:])
    swapped = examined(page, "0123" + record_id[4:])
    assert "Có ký tự gõ sai" in swapped
    assert "Không thấy lỗi gõ" not in swapped
    assert "17 ký tự" in examined(page, record_id[:-1])
    expect(result).to_have_class("panel unfinished")

    foreign = examined(page, link.replace("127.0.0.1", "127.0.0.1.EXAMPLE"))
    assert "cổng mạo danh" in foreign
    expect(result).to_have_class("panel warn")
    expect(result.locator("a")).to_have_count(0)

    assert locator.group(short) in examined(page, link)
    assert "trùng với mã QR" in examined(page, link, short.lower())
    assert "khác với mã QR. Có thể" in examined(page, link, other(short[0]) + short[1:])
    expect(result).to_have_class("panel warn")
    assert "cần cả liên kết" in examined(page, record_id, short)
    assert "chưa đọc được" in examined(page, link, "UUU")
    for every in (page.locator("main").inner_text(), page.title()):
        assert not VERDICTS.search(every)
    assert result.inner_text().count("Chưa kiểm tra, vì cần sổ đăng ký") == 1
    look(page)
    page.locator("#code").fill("x")
    expect(result).to_be_hidden()


@pytest.mark.parametrize("scripts", [True, False])
def test_it_is_a_page_like_any_other(visit: Visit, look: Look, site: Site, scripts: bool) -> None:
    """With a network, with or without scripts: the form asks the registry."""
    page = visit("/ngoai-tuyen", scripts=scripts)
    assert heading(page) == FIRST_LINE["vi"]
    if scripts:
        look(page)
    else:
        expect(page.locator("[data-look]")).to_be_hidden()
    page.locator("#code").fill(f"{site.public_url}{site.code('GENUINE_SUPERSEDED')}")
    page.get_by_role("button", name="Hỏi sổ đăng ký").click()
    page.wait_for_url(site.url + site.code("GENUINE_SUPERSEDED"))


@pytest.mark.parametrize("way", ["no scripts", "no workers"])
def test_where_there_are_no_workers_all_is_as_before(browser: Browser, site: Site, way: str) -> None:
    """As in many in-app browsers: no error, and the browser's own page without a network."""
    context = browser.new_context(base_url=site.url, java_script_enabled=way != "no scripts")
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.add_init_script("delete Navigator.prototype.serviceWorker")
    page.goto("/")
    expect(page.locator("h1")).to_have_text("Kiểm tra học bạ")
    page.goto("/ngoai-tuyen")
    assert heading(page) == FIRST_LINE["vi"]
    context.set_offline(True)
    with pytest.raises(Exception, match="ERR_INTERNET_DISCONNECTED"):
        page.goto("/lookup")
    assert errors == []
    context.close()


# --------------------------------------------------------------------------------------------- what is kept


def test_nothing_but_the_page_is_kept(visit: Visit, site: Site) -> None:
    """Verdicts by code and by file, the typed form, the comparison: the cache holds the listed files."""
    page = installed(visit("/"))
    assert page.evaluate(KEPT) == LISTED
    path = site.code("GENUINE_CURRENT")
    for where in (path, f"{path}?lang=en", "/lookup", f"/compare?code={path.removeprefix('/V/')}", "/check"):
        page.goto(where)
        assert page.evaluate("() => navigator.serviceWorker.controller !== null")
        assert page.evaluate(KEPT) == LISTED
    page.goto("/")
    page.locator("input#file").set_input_files(site.file("GENUINE_CURRENT"))
    page.get_by_role("button", name="Kiểm tra", exact=True).click()
    expect(page.locator("h1")).to_have_text("Đúng bản trường cấp, đang lưu hành")
    assert page.evaluate(KEPT) == LISTED
    # What is kept is the page of the one who is nobody: no name, no code.
    texts = page.evaluate(
        """async () => Promise.all((await (await caches.open((await caches.keys())[0])).matchAll())
            .map((each) => each.text()))"""
    )
    assert len(texts) == len(LISTED)
    assert not any(path.removeprefix("/V/")[:17] in text for text in texts)


@pytest.fixture
def signed_in(browser: Browser, demo_instance: DemoInstance, tmp_path: Path) -> Iterator[Page]:
    """A clerk, whose browser has the worker from the home page; passkeys are for names alone."""
    port = free_port()
    instance = demo_instance.copy_to(tmp_path / "instance")
    with serve(instance, port=port, PUBLIC_URL=f"http://localhost:{port}") as site:
        context = a_context(browser, site.public_url)
        page = Watch(site.public_url).page(context)
        page.goto("/")
        installed(page)
        sign_in_with_sample(page, account(site, "clerk"))
        yield page
        context.close()


def a_context(browser: Browser, url: str) -> BrowserContext:
    context = browser.new_context(viewport={"width": PHONE, "height": 740}, locale="vi-VN", base_url=url)
    context.set_default_timeout(60_000)
    return context


def test_where_somebody_is_signed_in_nothing_is_kept(signed_in: Page) -> None:
    """Pages inside register no worker, are answered by the server, and are never kept; without a network
    there is the page that says so, and nothing of what stood there.
    """
    page = signed_in
    page.goto("/work")
    name = page.locator("h1").inner_text()
    assert page.evaluate("() => navigator.serviceWorker.controller !== null")
    assert page.locator("link[data-worker]").count() == 0
    assert page.evaluate(KEPT) == LISTED
    without_network(page, "/work")
    assert heading(page) == FIRST_LINE["vi"]
    page.context.set_offline(False)
    page.goto("/work")
    assert heading(page) == name
    assert page.evaluate(KEPT) == LISTED


def test_the_worker_is_taken_back(browser: Browser, demo_instance: DemoInstance, tmp_path: Path) -> None:
    """One setting: the next page that a browser opens lets go of the worker and of all that it kept; pages
    register none any more.
    """
    instance, port = demo_instance.copy_to(tmp_path / "instance"), free_port()
    with serve(instance, port=port) as site:
        context = a_context(browser, site.url)
        page = context.new_page()
        page.goto("/")
        installed(page)
        page.evaluate("() => caches.open('offline-former')")  # of a version before
        assert page.evaluate(KEPT) == LISTED
    with serve(instance, port=port, OFFLINE_WITHDRAWN="1"):
        page.goto("/lookup")
        awaited(page, "async () => (await navigator.serviceWorker.getRegistrations()).length === 0")
        assert page.evaluate("() => caches.keys()") == []
        page.goto("/")
        assert page.locator("link[data-worker]").count() == 0
        assert page.locator("link[rel=manifest]").count() == 1
        page.context.set_offline(True)
        with pytest.raises(Exception, match="ERR_INTERNET_DISCONNECTED"):
            page.goto("/check")
    context.close()


def test_a_new_version_takes_the_place_of_the_old(
    browser: Browser, demo_instance: DemoInstance, tmp_path: Path
) -> None:
    """Other words on the page, another cache; the old one goes."""
    instance, port = demo_instance.copy_to(tmp_path / "instance"), free_port()
    with serve(instance, port=port) as site:
        context = a_context(browser, site.url)
        page = context.new_page()
        page.goto("/")
        installed(page)
        (before,) = page.evaluate("() => caches.keys()")
    with serve(instance, port=port, OWNER_CONTACT="0123 456 789"):
        page.goto("/lookup")
        awaited(page, f"async () => !(await caches.keys()).includes('{before}')")
        installed(page)
        without_network(page, "/")
        expect(page.locator("footer")).to_contain_text("0123 456 789")
    context.close()


def test_a_page_fetched_by_the_worker_says_where_it_comes_from(visit: Visit, site: Site) -> None:
    """What the server reads of a request is the same with a worker in between: forms are sent by the browser
    itself and are still told apart by where they come from.
    """
    page = installed(visit("/"))
    page.goto("/lookup")
    assert page.evaluate("() => navigator.serviceWorker.controller !== null")
    seen: list[tuple[str, dict[str, str]]] = []
    page.on("request", lambda request: seen.append((request.method, request.all_headers())))
    page.locator("#code").fill("x")
    page.get_by_role("button", name="Tra cứu").click()
    expect(page.locator("[data-focus]")).to_be_visible()
    posts = [headers for method, headers in seen if method == "POST"]
    assert [headers.get("sec-fetch-site") for headers in posts] == ["same-origin"]


# ------------------------------------------------------------------------------------- the port of a reader


def read_by_page(page: Page, texts: list[str], hosts: list[str]) -> list[dict[str, Any]]:
    answers: list[dict[str, Any]] = page.evaluate(
        "([texts, hosts]) => texts.map((text) => readTyped(text, hosts))", [texts, hosts]
    )
    return answers


def test_the_published_vectors(visit: Visit) -> None:
    page = visit("/ngoai-tuyen")
    vectors = VECTORS["vectors"]
    answers = read_by_page(page, [vector["text"] for vector in vectors], VECTORS["hosts"])
    for vector, answer in zip(vectors, answers, strict=True):
        assert answer.get("code") == vector.get("code"), vector["why"]
        assert answer.get("problem") == vector.get("problem"), vector["why"]


def test_every_slip_of_one_key_is_found(visit: Visit) -> None:
    page = visit("/ngoai-tuyen")
    code = a_locator(2).record_id
    wrong = [code[:i] + c + code[i + 1 :] for i in range(17) for c in locator.ALPHABET if c != code[i]]
    wrong += [code[:i] + code[i + 1] + code[i] + code[i + 2 :] for i in range(16) if code[i] != code[i + 1]]
    answers = read_by_page(page, wrong, [])
    assert len(wrong) > 500
    assert {answer.get("problem") for answer in answers} == {"check_character"}


def test_damaged_codes_are_read_as_the_portal_reads_them(visit: Visit) -> None:
    """Thousands through input methods: the page reads what ``verifier.locator`` reads, or it reads nothing.
    Never another code; and it recovers most.
    """
    page = visit("/ngoai-tuyen")
    hosts = Hosts(VECTORS["public_url"], tuple(VECTORS["former"]))
    source = random.Random(20261123)  # noqa: S311 - test data
    engines = (Telex(), Telex(reach=False), Telex(lone_w=False), Vni())
    texts = []
    for number in range(2000):
        place = Locator(locator.new_record_id(source.randbytes(10)), source.randbytes(32))
        plain = locator.group(place.record_id) if number % 3 else place.record_id
        typed = engines[number % 4].type(plain if number % 5 else f"{plain} {place.short_digest}")
        texts.append(unicodedata.normalize(source.choice(("NFC", "NFD")), typed).lower())
    outcome: Counter[str] = Counter()
    for text, answer in zip(texts, read_by_page(page, texts, VECTORS["hosts"]), strict=True):
        try:
            typed_code = locator.read_typed(text, hosts)
            wanted = typed_code.record_id + (typed_code.short_digest or "")
        except InvalidInput as error:
            wanted = error.problems[0].code
        if "code" in answer:
            assert wanted in (answer["code"], "ambiguous"), text
            outcome["read"] += 1
        else:
            outcome["refused"] += 1
    assert outcome["read"] > 1500, outcome
