"""The one box in a real browser: dropped, pasted, typed, scanned, slowly sent, cut off; and with what in-app
browsers lack.
"""

from __future__ import annotations

import base64
import gzip
import io
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import qrcode
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.conftest import DESKTOP, PHONE, Site, Visit, Watch, serve
from tests.browser.test_journeys import BOX, Look, headline

FILE, PHOTO = "Hoặc chọn tệp PDF của học bạ", "Hoặc chọn ảnh có sẵn"
LOST = "Mất kết nối khi tải lên. Tệp vẫn còn trong ô chọn, hãy bấm Kiểm tra lần nữa."
GENUINE = "Đúng bản trường cấp, đang lưu hành"
CODE_ONLY = "Mã đúng; giấy chưa được so"

Open = Callable[..., Page]


@contextmanager
def opener(browser: Browser, site: Site) -> Iterator[Open]:
    """Opens pages whose connection may break: what else they complain of fails the test."""
    watch = Watch(site.url)
    contexts = []

    def open_(path: str = "/", *, script: str = "", width: int = PHONE) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 740}, base_url=site.url)
        context.set_default_timeout(60_000)
        contexts.append(context)
        page = watch.page(context)
        if script:
            page.add_init_script(script)
        page.goto(path)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert [c for c in watch.complaints if "Failed to load resource" not in c] == []


@pytest.fixture
def broken(browser: Browser, site: Site) -> Iterator[Open]:
    with opener(browser, site) as open_:
        yield open_


def check(page: Page) -> None:
    page.get_by_role("button", name="Kiểm tra", exact=True).click()


def never(_: Route) -> None:
    """A server that does not answer."""


def held(page: Page, address: str) -> list[Route]:
    """Requests to this address wait; who continues them plays a slow server."""
    waiting: list[Route] = []

    def wait(route: Route) -> None:
        waiting.append(route)

    page.route(address, wait)
    return waiting


def data_transfer(page: Page, name: str, kind: str, content: bytes) -> object:
    """What a drop or a paste carries: one file."""
    return page.evaluate_handle(
        """([name, type, text]) => {
          const carried = new DataTransfer();
          const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
          carried.items.add(new File([bytes], name, { type }));
          return carried;
        }""",
        [name, kind, base64.b64encode(content).decode()],
    )


def really_drop(page: Page, path: Path, onto: str) -> None:
    """A file or folder from outside, let go over an element as a person does it."""
    place = page.locator(onto)
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    assert box is not None
    carried = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
    connection = page.context.new_cdp_session(page)
    for what in ("dragEnter", "dragOver", "drop"):
        connection.send(
            "Input.dispatchDragEvent", {"type": what, "x": box["x"] + 20, "y": box["y"] + 20, "data": carried}
        )


def photo(url: str, *, noise: bool = True, side: int = 3600) -> bytes:
    """A large photo of a code on a grainy table."""
    ground = os.urandom(side * side // 16) if noise else bytes(side * side // 16)
    page = Image.frombytes("L", (side // 4, side // 4), ground).resize((side, side)).convert("RGB")
    if url:
        code = qrcode.make(url, box_size=24).convert("RGB")
        page.paste(code, ((side - code.width) // 2, (side - code.height) // 2))
    out = io.BytesIO()
    page.save(out, "JPEG", quality=92)
    return out.getvalue()


class TestWaysIn:
    def test_a_dropped_file_is_checked(self, visit: Visit, look: Look, site: Site) -> None:
        page = visit("/", width=DESKTOP)
        carried = data_transfer(
            page, "hoc-ba.pdf", "application/pdf", site.file("GENUINE_CURRENT").read_bytes()
        )
        box = page.locator("form.box")
        box.dispatch_event("dragover", {"dataTransfer": carried})
        expect(box).to_have_class(re.compile(r"\bover\b"))
        box.dispatch_event("drop", {"dataTransfer": carried})
        headline(page, GENUINE)
        expect(page.locator(".panel")).to_have_class("panel ok")
        look(page)

    def test_a_pasted_picture_is_checked(self, visit: Visit, site: Site) -> None:
        page = visit("/", width=DESKTOP)
        content = site.file("GENUINE_CURRENT", "code").read_bytes()
        carried = data_transfer(page, "anh.jpg", "image/jpeg", content)
        page.evaluate(
            "data => document.body.dispatchEvent("
            "new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true}))",
            carried,
        )
        headline(page, CODE_ONLY)

    def test_text_pasted_anywhere_goes_into_the_box(self, visit: Visit, site: Site) -> None:
        page = visit("/", width=DESKTOP)
        link = f"http://127.0.0.1:8000{site.code('GENUINE_CURRENT')}"
        page.evaluate(
            """text => {
              const carried = new DataTransfer();
              carried.setData("text/plain", text);
              document.body.dispatchEvent(
                new ClipboardEvent("paste", {clipboardData: carried, bubbles: true, cancelable: true}));
            }""",
            link,
        )
        expect(page.get_by_label(BOX)).to_have_value(link)
        expect(page.get_by_label(BOX)).to_be_focused()
        page.keyboard.press("Enter")
        headline(page, CODE_ONLY)

    @pytest.mark.parametrize("scripts", [True, False])
    def test_a_keyboard_scanners_burst(self, visit: Visit, site: Site, scripts: bool) -> None:
        page = visit("/kiem-tra", width=DESKTOP, scripts=scripts)
        path = site.code("GENUINE_CURRENT")
        page.get_by_label(BOX).focus()
        page.keyboard.type(f"HTTP://127.0.0.1:8000{path}\n")
        page.wait_for_url(f"**{path}")
        headline(page, CODE_ONLY)

    def test_by_keyboard_alone(self, visit: Visit, site: Site) -> None:
        page = visit("/", width=DESKTOP)
        for _ in range(20):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.id") == "code":
                break
        page.keyboard.type(f"http://127.0.0.1:8000{site.code('GENUINE_CURRENT')}")
        page.keyboard.press("Tab")
        expect(page.get_by_role("button", name="Kiểm tra", exact=True)).to_be_focused()
        page.keyboard.press("Enter")
        headline(page, CODE_ONLY)

    @pytest.mark.parametrize("scripts", [True, False])
    def test_a_strange_link(self, visit: Visit, look: Look, scripts: bool) -> None:
        page = visit("/", scripts=scripts)
        page.get_by_label(BOX).fill("https://hocba.example.net/V/ABC")
        check(page)
        headline(page, "Cẩn thận: mã này dẫn tới một trang lạ")
        expect(page.locator("main")).to_contain_text("mạo danh")
        assert "hocba.example.net" not in page.locator("main").inner_html()
        if scripts:
            look(page)

    def test_several_dropped_files_are_not_guessed_at(self, visit: Visit) -> None:
        page = visit("/", width=DESKTOP)
        carried = data_transfer(page, "a.pdf", "application/pdf", b"%PDF-1.7")
        page.evaluate("data => data.items.add(new File(['x'], 'b.pdf', {type: 'application/pdf'}))", carried)
        page.locator("form.box").dispatch_event("drop", {"dataTransfer": carried})
        expect(page.get_by_text("Mỗi lần chỉ kiểm tra một tệp hoặc một ảnh.")).to_be_visible()
        expect(page.get_by_label(FILE)).to_be_focused()

    def test_a_dropped_folder_is_not_taken_for_a_lost_connection(self, visit: Visit, site: Site) -> None:
        page = visit("/", width=DESKTOP)
        really_drop(page, site.instance.demo / "mau", "form.box")
        expect(page.get_by_text("Mỗi lần chỉ kiểm tra một tệp hoặc một ảnh.")).to_be_visible()

    def test_a_file_dropped_beside_the_box_is_checked_as_well(self, visit: Visit, site: Site) -> None:
        """Else the browser opens it and the page is gone."""
        page = visit("/", width=DESKTOP)
        really_drop(page, site.file("GENUINE_CURRENT"), "footer")
        headline(page, GENUINE)

    def test_a_dropped_text_without_end_is_refused_at_its_field(self, visit: Visit) -> None:
        page = visit("/", width=DESKTOP)
        carried = page.evaluate_handle("() => new DataTransfer()")
        page.evaluate("data => data.setData('text/plain', 'A1'.repeat(500000))", carried)
        page.locator("form.box").dispatch_event("drop", {"dataTransfer": carried})
        check(page)
        expect(page.get_by_label(BOX)).to_have_attribute("aria-invalid", "true")

    def test_a_file_and_a_code_are_said_before_anything_is_sent(self, visit: Visit, site: Site) -> None:
        page = visit("/")
        asked: list[str] = []
        page.get_by_label(FILE).set_input_files(site.file("GENUINE_CURRENT"))
        page.get_by_label(BOX).fill("7K3M")
        page.on("request", lambda request: asked.append(request.url))
        check(page)
        expect(page.get_by_text("Bạn gửi cả tệp lẫn mã.")).to_be_visible()
        expect(page.get_by_label(BOX)).to_be_focused()
        assert asked == []


class TestSending:
    def test_how_far_it_is(self, visit: Visit, site: Site) -> None:
        page = visit("/")
        page.evaluate(
            """() => {
              window.said = [];
              const status = document.querySelector("form [role=status]");
              const note = () => window.said.push(status.textContent);
              new MutationObserver(note).observe(status, {childList: true});
            }"""
        )
        page.get_by_label(FILE).set_input_files(
            {"name": "x.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7" + os.urandom(400_000)}
        )
        connection = page.context.new_cdp_session(page)
        connection.send("Network.enable")
        slow = {"offline": False, "latency": 50, "downloadThroughput": 200_000, "uploadThroughput": 60_000}
        connection.send("Network.emulateNetworkConditions", slow)
        check(page)
        expect(page.get_by_role("progressbar")).to_be_visible()
        expect(page.locator(".panel")).to_be_visible(timeout=60_000)
        said = page.evaluate("window.said")
        assert said[0] == "Đang gửi tệp…"
        assert [s for s in said if s.startswith("Đã gửi")] == ["Đã gửi 25 %", "Đã gửi 50 %", "Đã gửi 75 %"]
        assert "Đang kiểm tra chữ ký…" in said

    def test_a_lost_connection_keeps_the_file(self, broken: Open, look: Look, site: Site) -> None:
        page = broken()
        page.get_by_label(FILE).set_input_files(site.file("GENUINE_CURRENT"))
        page.route("**/kiem-tra", lambda route: route.abort("connectionreset"))
        check(page)
        expect(page.get_by_text(LOST)).to_be_visible()
        expect(page.get_by_label(FILE)).to_be_focused()
        assert page.get_by_label(FILE).evaluate("input => input.files.length") == 1
        assert not re.search(r"\bgiả\b", page.locator("main").inner_text())
        look(page)
        page.unroute("**/kiem-tra")
        check(page)
        headline(page, GENUINE)

    def test_a_minute_without_a_sign_of_life_is_a_lost_connection(self, broken: Open, site: Site) -> None:
        page = broken(script="")
        page.clock.install()
        page.goto("/")
        page.route("**/kiem-tra", never)
        page.get_by_label(FILE).set_input_files(site.file("GENUINE_CURRENT"))
        with page.expect_request("**/kiem-tra"):
            check(page)
        page.clock.fast_forward(59_000)
        expect(page.get_by_text(LOST)).to_have_count(0)
        page.clock.fast_forward(10_000)
        expect(page.get_by_text(LOST)).to_be_visible()

    def test_sending_can_be_stopped(self, broken: Open, site: Site) -> None:
        page = broken()
        page.route("**/kiem-tra", never)
        page.get_by_label(FILE).set_input_files(site.file("GENUINE_CURRENT"))
        check(page)
        stop = page.get_by_role("button", name="Dừng gửi")
        expect(stop).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_text("Đã dừng gửi. Tệp vẫn còn trong ô chọn.")).to_be_visible()
        expect(stop).to_be_hidden()
        expect(page.get_by_role("button", name="Kiểm tra", exact=True)).to_be_enabled()
        page.unroute("**/kiem-tra")
        check(page)
        headline(page, GENUINE)

    def test_a_busy_server_says_how_long_to_wait(
        self, browser: Browser, site: Site, tmp_path: Path, look: Look
    ) -> None:
        copy = site.instance.copy_to(tmp_path / "instance")
        with serve(copy, LIMITS="upload v4 1/hour") as strict, opener(browser, strict) as open_:
            for number in (1, 2):
                page = open_()
                content = b"%PDF-1.7 " + bytes([number])
                page.get_by_label(FILE).set_input_files(
                    {"name": "x.pdf", "mimeType": "application/pdf", "buffer": content}
                )
                check(page)
                expect(page.locator(".panel, .mistake")).to_be_visible(timeout=60_000)
            expect(page.locator(".mistake")).to_contain_text(re.compile(r"thử lại sau \d+ phút"))
            assert page.get_by_label(FILE).evaluate("input => input.files.length") == 1
            look(page)

    def test_another_choice_ends_what_is_on_its_way(self, broken: Open, site: Site) -> None:
        """The answer for one file never stands on the page where another one has been chosen since."""
        page = broken()
        held(page, "**/kiem-tra")
        page.get_by_label(FILE).set_input_files(site.file("GENUINE_CURRENT"))
        with page.expect_request("**/kiem-tra"):
            check(page)
        with page.expect_event("requestfailed"):
            page.get_by_label(FILE).set_input_files(site.file("CONTENT_DIFFERS"))
        expect(page.get_by_text("Đã dừng gửi.")).to_be_visible()
        page.unroute("**/kiem-tra")
        check(page)
        headline(page, "Tệp không còn nguyên như bản trường cấp")

    def test_a_photo_that_was_put_away_is_not_answered(self, broken: Open, site: Site) -> None:
        """Chosen while the phone still read it: what it says leads nowhere any more."""
        page = broken()
        reader = held(page, "**/*.wasm*")
        page.get_by_label(PHOTO).set_input_files(site.instance.demo / "mau/anh-chup-ban-in.jpg")
        with page.expect_request("**/*.wasm*"):
            check(page)
        page.get_by_label(FILE).set_input_files(site.file("CONTENT_DIFFERS"))
        expect(page.get_by_role("button", name="Kiểm tra", exact=True)).to_be_enabled()
        check(page)
        for each in reader:
            each.continue_()
        headline(page, "Tệp không còn nguyên như bản trường cấp")

    def test_the_camera_ends_what_is_on_its_way(self, broken: Open, site: Site) -> None:
        """No answer takes the place of a page whose camera runs."""
        page = broken()
        page.route("**/kiem-tra", never)
        page.get_by_label(FILE).set_input_files(site.file("GENUINE_CURRENT"))
        with page.expect_request("**/kiem-tra"):
            check(page)
        with page.expect_event("requestfailed"):
            page.get_by_role("button", name="Quét bằng máy ảnh").click()

    def test_a_file_that_is_no_longer_there(self, broken: Open, tmp_path: Path) -> None:
        page = broken()
        file = tmp_path / "hoc-ba.pdf"
        file.write_bytes(b"%PDF-1.7")
        page.get_by_label(FILE).set_input_files(file)
        file.unlink()
        check(page)
        expect(page.get_by_text("Không đọc được tệp này trên máy của bạn.")).to_be_visible()
        expect(page.get_by_label(FILE)).to_be_focused()

    def test_a_typed_code_without_a_network_stays_in_the_box(self, visit: Visit, site: Site) -> None:
        """The browser's own page would take its place; of that one nobody knows what to do."""
        page = visit("/")
        page.get_by_label(BOX).fill(site.code("GENUINE_CURRENT").removeprefix("/V/"))
        page.context.set_offline(True)
        check(page)
        expect(page.get_by_text("Không có mạng, nên chưa kiểm tra được.")).to_be_visible()
        expect(page.get_by_label(BOX)).to_be_focused()
        page.context.set_offline(False)
        check(page)
        headline(page, CODE_ONLY)

    def test_a_browser_that_keeps_no_history_shows_the_answer(self, broken: Open, site: Site) -> None:
        page = broken(script="history.pushState = () => { throw new DOMException('', 'SecurityError'); };")
        page.get_by_label(FILE).set_input_files(site.file("GENUINE_CURRENT"))
        check(page)
        headline(page, GENUINE)

    def test_forward_again_leads_to_the_kept_answer(self, visit: Visit, site: Site) -> None:
        page = visit("/")
        page.get_by_label(FILE).set_input_files(site.file("GENUINE_CURRENT"))
        check(page)
        headline(page, GENUINE)
        answer = page.url
        page.go_back()
        headline(page, "Kiểm tra học bạ")
        page.go_forward()
        expect(page.get_by_text("Đây là kết quả đã giữ")).to_be_visible()
        assert page.url == answer

    def test_the_way_back_from_an_answer(self, visit: Visit, site: Site) -> None:
        page = visit("/")
        page.get_by_label(FILE).set_input_files(site.file("GENUINE_CURRENT"))
        check(page)
        headline(page, GENUINE)
        page.locator("summary").first.click()
        page.go_back()
        headline(page, "Kiểm tra học bạ")
        page.get_by_label(BOX).fill("7K3M")
        check(page)
        expect(page.locator(".errors[role=alert]")).to_be_visible()


class TestPhotos:
    #: Chromium shows nobody the bodies of files that it sends; this writes down what is handed to it.
    NOTED = """
      window.bodies = [];
      const send = XMLHttpRequest.prototype.send;
      XMLHttpRequest.prototype.send = function (body) {
        window.bodies.push(Object.fromEntries([...body].map(([name, part]) => [name, part.size ?? part])));
        send.call(this, body);
      };
    """

    def test_a_photo_is_made_smaller_before_it_is_sent(self, visit: Visit, site: Site) -> None:
        page = visit("/")
        content = photo(f"HTTP://127.0.0.1:8000{site.code('GENUINE_CURRENT')}")
        # A browser that cannot read codes itself: others do not send such a photo at all (test_scanner.py).
        page.evaluate(f"() => {{ {self.NOTED} window.Worker = window.BarcodeDetector = undefined; }}")
        page.get_by_label(PHOTO).set_input_files(
            {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": content}
        )
        check(page)
        headline(page, CODE_ONLY)
        (body,) = page.evaluate("window.bodies")
        assert body.keys() == {"photo", "shrunk"}
        assert body["photo"] < len(content) / 2

    def test_the_original_follows_only_where_no_code_was_seen(self, visit: Visit) -> None:
        page = visit("/")
        content = photo("", noise=False)
        page.evaluate(f"() => {{ {self.NOTED} }}")
        page.get_by_label(PHOTO).set_input_files(
            {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": content}
        )
        check(page)
        headline(page, "Không thấy mã QR trong ảnh")
        first, second = page.evaluate("window.bodies")
        assert first == {"photo": first["photo"], "shrunk": "1"}
        assert first["photo"] < second["photo"]
        assert second == {"photo": len(content)}

    def test_a_pdf_goes_as_it_is(self, visit: Visit, site: Site) -> None:
        page = visit("/")
        page.evaluate(f"() => {{ {self.NOTED} }}")
        page.get_by_label(PHOTO).set_input_files(site.file("GENUINE_CURRENT"))
        check(page)
        headline(page, GENUINE)
        assert page.evaluate("window.bodies") == [{"photo": site.file("GENUINE_CURRENT").stat().st_size}]


#: What in-app browsers were seen to lack.
LACKING = """
  for (const name of ["createImageBitmap", "DataTransfer", "print", "BarcodeDetector", "DOMParser"]) {
    delete window[name];
    window[name] = undefined;
  }
  delete XMLHttpRequest.prototype.upload;
  Object.defineProperty(navigator, "clipboard", {value: undefined});
  Object.defineProperty(navigator, "mediaDevices", {value: undefined});
"""
NO_CANVAS = "delete HTMLCanvasElement.prototype.toBlob; delete window.createImageBitmap;"


class TestInAppBrowsers:
    @pytest.mark.parametrize("script", [LACKING, NO_CANVAS])
    def test_everything_works_without_what_they_lack(self, broken: Open, site: Site, script: str) -> None:
        page = broken(script=script)
        page.get_by_label(FILE).set_input_files(site.file("GENUINE_CURRENT"))
        check(page)
        headline(page, GENUINE)
        page.goto("/")
        page.get_by_label(PHOTO).set_input_files(site.file("GENUINE_CURRENT", "code"))
        check(page)
        headline(page, CODE_ONLY)
        page.goto("/")
        page.get_by_label(BOX).fill(f"http://127.0.0.1:8000{site.code('GENUINE_CURRENT')}")
        check(page)
        headline(page, CODE_ONLY)


def test_what_comes_before_the_first_tap_is_light(visit: Visit) -> None:
    """At most 60 KB in 6 requests, 14 KB of them the page and 10 KB scripts, packed."""
    page = visit("/")
    seen: list[tuple[str, bytes]] = []
    page.on("response", lambda response: seen.append((response.request.resource_type, response.body())))
    page.reload(wait_until="networkidle")
    packed = [(kind, len(gzip.compress(content, 9))) for kind, content in seen]
    assert len(packed) <= 6
    assert sum(size for _, size in packed) < 60_000
    assert sum(size for kind, size in packed if kind == "script") < 10_000
    assert sum(size for kind, size in packed if kind == "document") < 14_000
