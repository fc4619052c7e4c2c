"""The camera in the page: a fake camera shows a printed page of the demo, a real browser reads it.

The clip is a page of an issued record as a telephone sees it: out of focus first, then sharp, moving.
Where a test is about something else than the camera's picture, a canvas takes the camera's place.
"""

from __future__ import annotations

import base64
import io
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pypdfium2 as pdfium
import pytest
import zxingcpp
from PIL import Image, ImageFilter
from playwright.sync_api import Browser, BrowserType, Page, expect

from bench import pictures as made
from bench.pictures import DRAWN, Sheet
from tests.browser.conftest import CHROMIUM, PHONE, Site, Visit, Watch
from verifier import barcode
from verifier.locator import Hosts, Kind, read_code

SIZE = (1280, 720)  # what the page asks the camera for
OTHER_LINK = "https://hocba-kiemtra.example/V/" + "0" * 17
WIFI = "WIFI:S:Truong;T:WPA;P:12345678;;"
SCAN = "Quét bằng máy ảnh"
Look = Callable[[Page], None]
Scan = Callable[..., Page]


# ---------------------------------------------------------------------- pictures


def printed(pdf: Path) -> Image.Image:
    """The first page at 150 dpi, as it comes out of a printer."""
    document = pdfium.PdfDocument(pdf)
    try:
        page: Image.Image = document[0].render(scale=150 / 72).to_pil().convert("RGB")
    finally:
        document.close()
    return page


def code_box(page: Image.Image) -> tuple[int, int]:
    """The middle of the page's QR code."""
    found = zxingcpp.read_barcodes(page, formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode))
    corners = found[0].position
    xs = [corners.top_left.x, corners.bottom_right.x]
    ys = [corners.top_left.y, corners.bottom_right.y]
    return sum(xs) // 2, sum(ys) // 2


def matrix(text: str, size: int = 320) -> Image.Image:
    """A QR code that says ``text``."""
    made = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode)
    return Image.fromarray(made.to_image(scale=8)).convert("RGB").resize((size, size))


def beside(*texts: str) -> Image.Image:
    """Codes beside each other on paper, as a camera frames them."""
    frame = Image.new("RGB", SIZE, "#ece9e2")
    for number, text in enumerate(texts):
        frame.paste(matrix(text), (120 + 520 * number, 200))
    return frame


@pytest.fixture(scope="session")
def clip(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of a phone above a printed page of an issued record: blurred, then sharp."""
    folder = tmp_path_factory.mktemp("clip")
    page = printed(site.file("GENUINE_CURRENT"))
    x, y = code_box(page)
    paper = Image.new("RGB", (page.width + 2 * SIZE[0], page.height + 2 * SIZE[1]), "#8a8378")
    paper.paste(page, SIZE)
    for number in range(30):
        left, top = x + SIZE[0] // 2 + number * 3, y + SIZE[1] // 2 - number * 2
        frame = paper.crop((left, top, left + SIZE[0], top + SIZE[1]))
        blur = max(0.0, 6 - number / 2)
        frame.filter(ImageFilter.GaussianBlur(blur)).save(folder / f"{number:03}.png")
    camera = folder / "camera.mjpeg"
    # 4:2:0, or Chromium plays the clip and no decoder ever sees a code in it.
    command = ["ffmpeg", "-loglevel", "error", "-framerate", "15", "-i", str(folder / "%03d.png")]
    command += ["-pix_fmt", "yuvj420p", "-c:v", "mjpeg", "-q:v", "3", str(camera)]
    subprocess.run(command, check=True)  # noqa: S603
    return camera


@pytest.fixture(scope="module")
def cameras(browser: Browser) -> Iterator[Callable[..., Browser]]:
    """Browsers with other cameras than none; each kept until the module ends."""
    kinds: dict[tuple[str, ...], Browser] = {}
    kind: BrowserType = browser.browser_type

    def cameras(*arguments: str) -> Browser:
        if arguments not in kinds:
            kinds[arguments] = kind.launch(executable_path=CHROMIUM, args=["--no-sandbox", *arguments])
        return kinds[arguments]

    yield cameras
    for each in kinds.values():
        each.close()


# A camera that shows one picture; its track's being stopped is told by window.camera.
CANVAS_CAMERA = """
picture => {
  const bytes = Uint8Array.from(atob(picture), c => c.charCodeAt(0));
  window.camera = {asked: 0, tracks: [], constraints: []};
  Object.defineProperty(navigator.mediaDevices, "getUserMedia", {value: async () => {
    window.camera.asked += 1;
    const image = await createImageBitmap(new Blob([bytes]));
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.width, image.height];
    const draw = () => canvas.getContext("2d").drawImage(image, 0, 0);
    draw();
    setInterval(draw, 60);
    const stream = canvas.captureStream(15);
    window.camera.tracks.push(...stream.getTracks());
    return stream;
  }});
}
"""
NATIVE = """
window.BarcodeDetector = class {
  static async getSupportedFormats() { return ["aztec", "qr_code"]; }
  async detect() { %s }
};
"""
TORCH_AND_ZOOM = """
MediaStreamTrack.prototype.getCapabilities = () => ({torch: true, zoom: {min: 1, max: 5, step: 0.5}});
MediaStreamTrack.prototype.applyConstraints = async wanted => {
  window.camera.constraints.push(wanted.advanced[0]);
};
"""


def shows(picture: Image.Image) -> str:
    """The script of a camera that shows this picture."""
    kept = io.BytesIO()
    picture.save(kept, "PNG")
    return f"({CANVAS_CAMERA})('{base64.b64encode(kept.getvalue()).decode()}')"


@pytest.fixture
def scan(browser: Browser, site: Site) -> Iterator[Scan]:
    """``scan(script, …, using=browser, allowed=True)`` opens the box on a phone, watched until the test ends,
    with these scripts run before any of the page's.
    """
    watch = Watch(site.url)
    pages: list[Page] = []

    def scan(*scripts: str, using: Browser = browser, allowed: bool = True, path: str = "/") -> Page:
        context = using.new_context(
            viewport={"width": PHONE, "height": 740},
            locale="vi-VN",
            is_mobile=True,
            has_touch=True,
            base_url=site.url,
            permissions=["camera"] if allowed else [],
        )
        context.set_default_timeout(60_000)
        page = watch.page(context)
        for script in scripts:
            page.add_init_script(script)
        pages.append(page)
        page.goto(path)
        return page

    yield scan
    for page in pages:
        page.context.close()
    assert watch.complaints == []


def asked_for(page: Page) -> list[str]:
    """Paths of what this page asks for from now on."""
    paths: list[str] = []
    page.on("request", lambda request: paths.append(urlsplit(request.url).path))
    return paths


def tap(page: Page) -> None:
    page.get_by_role("button", name=SCAN).tap()


def code_url(site: Site, verdict: str = "GENUINE_CURRENT") -> str:
    """What the QR of this sample says."""
    return f"{site.public_url}{site.code(verdict)}".upper()


def answered(page: Page, site: Site, verdict: str = "GENUINE_CURRENT") -> None:
    page.wait_for_url(f"**{site.code(verdict)}*")
    expect(page.locator("h1")).to_be_visible()


def says(page: Page, text: str) -> None:
    expect(page.locator("[data-scan] output")).to_contain_text(text, timeout=60_000)


def warns(page: Page, text: str) -> None:
    expect(page.locator("[data-scan] [role=alert]")).to_contain_text(text, timeout=60_000)


def photo_ways_stay(page: Page) -> None:
    expect(page.get_by_label("Chụp ảnh mã QR")).to_be_visible()
    expect(page.get_by_label("Hoặc nhập mã in cạnh mã QR, hay dán liên kết")).to_be_visible()


# ---------------------------------------------------------------------- from scan to verdict


def test_a_printed_page_before_the_camera_is_answered(
    scan: Scan, cameras: Callable[..., Browser], clip: Path, site: Site
) -> None:
    """A real camera as Chromium knows it, our reader in its worker, the answer of the printed code."""
    using = cameras(
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={clip}",
    )
    page = scan(using=using)
    asked = asked_for(page)
    assert not any("scan" in each or "zxing" in each for each in asked)
    tap(page)
    page.wait_for_url("**/V/**")
    expect(page.locator("h1")).to_have_text("Mã đúng; giấy chưa được so")
    assert [each for each in asked if each.endswith("zxing-reader.wasm")]
    printed_code = barcode.read_page_codes(site.file("GENUINE_CURRENT").read_bytes())[0][0]
    assert urlsplit(page.url).path == urlsplit(printed_code).path


def test_nothing_is_loaded_and_no_camera_asked_before_the_tap(scan: Scan, site: Site) -> None:
    page = scan(shows(beside(code_url(site))))
    names = page.evaluate("performance.getEntriesByType('resource').map(each => each.name)")
    assert names
    assert not [each for each in names if "scan.js" in each or "worker" in each or "zxing" in each]
    assert page.evaluate("window.camera.asked") == 0
    tap(page)
    answered(page, site)


def test_the_browsers_own_reader_needs_none_of_ours(scan: Scan, site: Site) -> None:
    native = NATIVE % f"return [{{rawValue: {code_url(site)!r}}}];"
    page = scan(shows(beside()), native)
    asked = asked_for(page)
    tap(page)
    answered(page, site)
    assert not [each for each in asked if "zxing" in each or "worker" in each]


@pytest.mark.parametrize("fault", ["throw new Error('not ready');", "return [];"])
def test_ours_helps_where_the_browsers_own_fails(scan: Scan, site: Site, fault: str) -> None:
    page = scan(shows(beside(code_url(site))), NATIVE % fault)
    asked = asked_for(page)
    tap(page)
    answered(page, site)
    assert [each for each in asked if each.endswith("zxing-reader.wasm")]


def test_the_answer_keeps_the_language(scan: Scan, site: Site) -> None:
    page = scan(shows(beside(code_url(site))), path="/?lang=en")
    page.get_by_role("button", name="Scan with the camera").tap()
    answered(page, site)
    expect(page.locator("html")).to_have_attribute("lang", "en")


# ---------------------------------------------------------------------- strange codes


def test_a_strange_link_is_warned_about_and_never_shown(scan: Scan, look: Look) -> None:
    page = scan(shows(beside(OTHER_LINK)))
    tap(page)
    warns(page, "trang nhái")
    warns(page, "127.0.0.1:8000")
    expect(page.locator("video")).to_be_visible()  # it goes on looking
    assert "hocba-kiemtra" not in page.content()
    assert urlsplit(page.url).path == "/"
    look(page)


def test_ours_beside_a_strange_link_waits_for_a_tap(scan: Scan, site: Site) -> None:
    page = scan(shows(beside(OTHER_LINK, code_url(site))))
    tap(page)
    warns(page, "trang nhái")
    says(page, "Cũng đã thấy một mã học bạ")
    button = page.get_by_role("button", name="Xem kết quả của mã học bạ")
    expect(button).to_be_focused()
    assert urlsplit(page.url).path == "/"
    button.tap()
    answered(page, site)


def test_another_kind_of_code_is_no_school_record(scan: Scan) -> None:
    page = scan(shows(beside(WIFI)))
    tap(page)
    warns(page, "Đây không phải mã QR của học bạ số.")
    assert "12345678" not in page.content()


def test_two_codes_of_ours_are_shown_one_at_a_time(scan: Scan, site: Site) -> None:
    page = scan(shows(beside(code_url(site), code_url(site, "GENUINE_REVOKED"))))
    tap(page)
    warns(page, "Trong khung có nhiều mã học bạ")
    assert urlsplit(page.url).path == "/"


def test_the_page_takes_for_ours_what_the_verifier_does(scan: Scan, site: Site) -> None:
    """The same texts, the same kinds; only what the check character says is left to the server."""
    own = code_url(site)
    path = urlsplit(own).path
    host = urlsplit(own).netloc
    texts = [
        own,
        own.lower(),
        f"https://{host}{path}",
        f"http://www.{host}{path}",
        f"http://{host}.evil.example{path}",
        f"http://evil.example/{own}",
        f"http://{host}@evil.example{path}",
        f"http://evil.example@{host}{path}",
        f"http://127.0.0.1{path}",
        f"http://127.0.0.1:80{path}",
        f"http://former.example:80{path}",
        f"http://former.example:443{path}",
        f"https://FORMER.example:443{path}",
        f"https://former.example.{path}",
        f"http://{host}/v/{path[3:]}",
        f"http://{host}/V/{path[3:]}?next=//evil.example",
        f"http://{host}/V/{path[3:]}#x",
        f"http://{host}/V/{path[3:]}/",
        f"http://{host}/V/{path[3:]}\n",
        f"http://{host}//V/{path[3:]}",
        f"http://{host}/V/../V/{path[3:]}",
        f"http://{host}/W/{path[3:]}",
        f"http://{host}",
        f" http://{host}{path}",
        f"http://{host}{path[:-1]}",
        f"http://{host}{path}0",
        f"http://{host}{path.replace(path[5], 'ſ')}",
        f"http://\N{KELVIN SIGN}.example{path}",
        f"http://k.example{path}",
        f"javascript:alert(1)//{host}{path}",
        f"ftp://{host}{path}",
        f"http:/\\evil.example{path}",
        f"https:\\\\{host}{path}",
        f"{path}",
        WIFI,
        "",
        "x" * 513,
        f"{own}{'?' * 500}",
    ]
    former = ("former.example", "k.example")
    hosts = Hosts(site.public_url, former)
    page = scan()
    found = page.evaluate(
        "async ([texts, hosts]) => {"
        "  const {classify} = await import(document.querySelector('[data-scan]').dataset.script);"
        "  return texts.map(text => classify(text, hosts));"
        "}",
        [texts, sorted(hosts.authorities)],
    )
    ours = {Kind.LOCATOR: "ours"}
    for text, kind in zip(texts, found, strict=True):
        code = read_code(text, hosts)
        assert (kind["kind"] == "ours") is (ours.get(code.kind) == "ours"), text
        assert kind.get("locator") == (None if code.locator is None else str(code.locator)), text
        if code.kind is Kind.FOREIGN_LINK:
            assert kind["kind"] == "link", text
    assert {kind["kind"] for kind in found} == {"ours", "link", "other"}


# ---------------------------------------------------------------------- without


def test_a_refused_camera_leaves_the_photo(scan: Scan, cameras: Callable[..., Browser], look: Look) -> None:
    page = scan(using=cameras("--use-fake-device-for-media-stream"), allowed=False)
    tap(page)
    says(page, "Trình duyệt chưa được phép dùng máy ảnh. Hãy gửi ảnh mã QR.")
    expect(page.get_by_role("button", name=SCAN)).to_be_focused()
    photo_ways_stay(page)
    look(page)


def test_no_camera_leaves_the_photo(scan: Scan) -> None:
    page = scan()
    tap(page)
    says(page, "Máy này không có máy ảnh. Hãy gửi ảnh mã QR.")
    photo_ways_stay(page)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("NotReadableError", "Máy ảnh đang được ứng dụng khác dùng."),
        ("OperationError", "Không mở được máy ảnh."),
    ],
)
def test_other_refusals_leave_the_photo(scan: Scan, error: str, said: str) -> None:
    fails = f"async () => {{ throw new DOMException('', '{error}'); }}"
    page = scan(f"Object.defineProperty(navigator.mediaDevices, 'getUserMedia', {{value: {fails}}})")
    tap(page)
    says(page, said)
    photo_ways_stay(page)


# What in-app browsers lack: cameras, readers, workers, WebAssembly, bitmaps, sharing, printing, downloads.
BARE = """
for (const name of ["BarcodeDetector", "Worker", "WebAssembly", "createImageBitmap", "print"]) {
  delete window[name];
  Object.defineProperty(window, name, {value: undefined});
}
Object.defineProperty(navigator, "mediaDevices", {value: undefined});
Object.defineProperty(navigator, "clipboard", {value: undefined});
delete HTMLAnchorElement.prototype.download;
"""


def test_without_cameras_the_photo_is_taken(scan: Scan, site: Site, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    beside(code_url(site)).save(photo)
    page = scan(BARE)
    says(page, "Trình duyệt này không quét mã trong trang được.")
    expect(page.get_by_role("button", name=SCAN)).to_be_hidden()
    photo_ways_stay(page)
    page.get_by_label("Hoặc chọn ảnh có sẵn").set_input_files(photo)
    page.get_by_role("button", name="Kiểm tra", exact=True).tap()
    expect(page.locator("h1")).to_have_text("Mã đúng; giấy chưa được so")


def test_without_https_it_says_why(scan: Scan) -> None:
    page = scan("Object.defineProperty(window, 'isSecureContext', {value: false})")
    says(page, "Trang này chưa được mở bằng địa chỉ bắt đầu là https")
    expect(page.get_by_role("button", name=SCAN)).to_be_hidden()


@pytest.mark.parametrize("blocked", ["**/scan.js*", "**/qr-worker.js*", "**/zxing-reader.js*", "**/*.wasm*"])
def test_a_reader_that_does_not_come_leaves_the_photo(browser: Browser, site: Site, blocked: str) -> None:
    """A connection that breaks off. Not watched: a lost file is an error for the browser's console."""
    context = browser.new_context(base_url=site.url, permissions=["camera"])
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.add_init_script(shows(beside(code_url(site))))
    context.route(blocked, lambda route: route.abort())
    page.goto("/")
    page.get_by_role("button", name=SCAN).click()
    says(page, "Không tải được bộ đọc mã.")
    photo_ways_stay(page)
    assert page.evaluate("window.camera.tracks.every(each => each.readyState === 'ended')")
    context.close()


def test_without_scripts_the_camera_is_not_offered(visit: Visit) -> None:
    page = visit("/", scripts=False)
    expect(page.get_by_role("button", name=SCAN)).to_be_hidden()
    photo_ways_stay(page)


# ---------------------------------------------------------------------- the camera's buttons


def test_light_and_zoom_where_the_camera_has_them(scan: Scan, look: Look) -> None:
    page = scan(shows(beside()), TORCH_AND_ZOOM)
    tap(page)
    torch = page.get_by_role("button", name="Bật đèn")
    torch.tap()
    expect(torch).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Phóng to").tap()
    page.get_by_role("button", name="Phóng to").tap()
    page.get_by_role("button", name="Thu nhỏ").tap()
    torch.tap()
    expect(torch).to_have_attribute("aria-pressed", "false")
    assert page.evaluate("window.camera.constraints") == [
        {"torch": True},
        {"zoom": 1.5},
        {"zoom": 2},
        {"zoom": 1.5},
        {"torch": False},
    ]
    look(page)


def test_no_light_and_no_zoom_where_the_camera_has_none(scan: Scan) -> None:
    page = scan(shows(beside()))
    tap(page)
    says(page, "Hướng máy ảnh vào mã QR")
    for name in ("Bật đèn", "Phóng to", "Thu nhỏ"):
        expect(page.get_by_role("button", name=name)).to_be_hidden()


def test_closing_stops_the_camera(scan: Scan) -> None:
    page = scan(shows(beside()))
    tap(page)
    expect(page.get_by_role("button", name="Đóng máy ảnh")).to_be_focused()
    says(page, "Hướng máy ảnh vào mã QR")
    page.get_by_role("button", name="Đóng máy ảnh").tap()
    assert page.evaluate("window.camera.tracks.map(each => each.readyState)") == ["ended"]
    expect(page.locator("video")).to_have_count(0)
    expect(page.get_by_role("button", name=SCAN)).to_be_focused()
    tap(page)  # and it opens again
    says(page, "Hướng máy ảnh vào mã QR")


def test_two_quick_taps_open_one_camera(scan: Scan) -> None:
    page = scan(shows(beside()))
    page.get_by_role("button", name=SCAN).dblclick()
    says(page, "Hướng máy ảnh vào mã QR")
    expect(page.locator("video")).to_have_count(1)
    assert page.evaluate("window.camera.tracks.length") == 1


def test_a_camera_that_goes_away_leaves_the_keyboard_where_it_was(scan: Scan) -> None:
    """Unplugged, or the permission was taken back."""
    page = scan(shows(beside()))
    tap(page)
    says(page, "Hướng máy ảnh vào mã QR")
    page.evaluate("window.camera.tracks.forEach((track) => track.dispatchEvent(new Event('ended')))")
    says(page, "gửi ảnh mã QR")
    expect(page.locator("video")).to_have_count(0)
    expect(page.get_by_role("button", name=SCAN)).to_be_focused()


def test_a_page_out_of_sight_stops_the_camera(scan: Scan) -> None:
    page = scan(shows(beside()))
    tap(page)
    says(page, "Hướng máy ảnh vào mã QR")
    page.evaluate(
        "Object.defineProperty(document, 'visibilityState', {value: 'hidden'});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    says(page, "Máy ảnh đã tắt vì bạn rời trang.")
    assert page.evaluate("window.camera.tracks.map(each => each.readyState)") == ["ended"]


def test_who_sees_no_code_is_helped(scan: Scan) -> None:
    page = scan(shows(Image.new("RGB", SIZE, "#ece9e2")))
    tap(page)
    says(page, "Đưa máy gần hơn")
    says(page, "hoặc nhập mã in cạnh mã QR")


def test_a_dark_picture_asks_for_light(scan: Scan) -> None:
    page = scan(shows(Image.new("RGB", SIZE, "#0d0d0c")))
    tap(page)
    says(page, "Hình hơi tối.")


# ---------------------------------------------------------------------- photos read on the phone


def read_photo(page: Page, photo: Image.Image | bytes) -> str | None:
    """What the page makes of a photo before it is sent: the path to go to, or None for "ask the server"."""
    if isinstance(photo, Image.Image):
        kept = io.BytesIO()
        photo.save(kept, "JPEG")
        photo = kept.getvalue()
    address: str | None = page.evaluate(
        "async bytes => {"
        "  const place = document.querySelector('[data-scan]');"
        "  const {readPhoto} = await import(place.dataset.script);"
        "  const data = Uint8Array.from(atob(bytes), c => c.charCodeAt(0));"
        "  return readPhoto(new File([data], 'photo.jpg'), place);"
        "}",
        base64.b64encode(photo).decode(),
    )
    return None if address is None else urlsplit(address).path


def small_in_large(text: str) -> Image.Image:
    """A code of 300 pixels in a photo of twelve megapixels."""
    photo = Image.new("RGB", (4000, 3000), "#8a8378")
    photo.paste(matrix(text, 300), (2900, 2100))
    return photo


def pale(text: str) -> Image.Image:
    """Little contrast, as a photocopy of a photocopy."""
    return matrix(text, 500).point(lambda level: 150 + level // 12)


def tiny(text: str) -> Image.Image:
    """Two pixels and a little a module, blurred."""
    return matrix(text, 110).filter(ImageFilter.GaussianBlur(0.8))


@pytest.mark.parametrize("kind", [small_in_large, pale, tiny, beside])
def test_a_photo_is_read_on_the_phone(scan: Scan, site: Site, kind: Callable[[str], Image.Image]) -> None:
    page = scan()
    assert read_photo(page, kind(code_url(site))) == site.code("GENUINE_CURRENT")


def test_a_chosen_photo_need_not_be_sent(scan: Scan, site: Site, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    beside(code_url(site)).save(photo)
    page = scan()
    sent = send(page, photo)
    answered(page, site)
    assert set(sent) == {"GET"}


def send(page: Page, photo: Path) -> list[str]:
    """Chooses this photo and has it checked; the methods of what is asked for from then on."""
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    page.get_by_label("Hoặc chọn ảnh có sẵn").set_input_files(photo)
    page.get_by_role("button", name="Kiểm tra", exact=True).tap()
    return sent


@pytest.fixture(scope="session")
def sheet(site: Site) -> Sheet:
    """The first page of an issued record, from which the bench makes its pictures (docs/qr-reading.md)."""
    return Sheet.of(barcode.render_page(site.file("GENUINE_CURRENT").read_bytes(), 0, dpi=DRAWN))


@pytest.mark.parametrize("number", [58, 59, 148, 149])
def test_a_page_with_a_red_seal_over_its_code_is_read_on_the_phone(
    scan: Scan, sheet: Sheet, number: int, tmp_path: Path
) -> None:
    """In grey levels the seal's ink is as dark as the code. The page looks at it in red light."""
    assert made.kind(number) in {(200, "red seal"), (300, "red seal")}
    stamped = made.picture([sheet], number)
    grey = Image.open(io.BytesIO(stamped.data)).convert("L")
    assert not zxingcpp.read_barcodes(grey, formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode))
    page = scan()
    path = urlsplit(stamped.text).path
    assert read_photo(page, stamped.data) == path
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(stamped.data)
    sent = send(page, photo)
    page.wait_for_url(f"**{path}*")
    assert set(sent) == {"GET"}


@pytest.mark.parametrize("number", [17, 107])
def test_a_blurred_page_is_read_on_the_phone(scan: Scan, sheet: Sheet, number: int) -> None:
    """Out of focus by a third of a millimetre: what is looked at has to be sharpened."""
    assert made.kind(number) == (300, "blur")
    blurred = made.picture([sheet], number)
    assert read_photo(scan(), blurred.data) == urlsplit(blurred.text).path


def test_a_photo_with_a_strange_code_is_sent_and_warned_about(scan: Scan, site: Site, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    beside(OTHER_LINK).save(photo)
    page = scan()
    sent: list[str] = []
    page.on("request", lambda request: sent.append(f"{request.method} {urlsplit(request.url).path}"))
    page.get_by_label("Hoặc chọn ảnh có sẵn").set_input_files(photo)
    page.get_by_role("button", name="Kiểm tra", exact=True).tap()
    expect(page.locator("h1")).not_to_have_text("Kiểm tra học bạ", timeout=60_000)
    assert "POST /kiem-tra" in sent
    assert "hocba-kiemtra" not in page.content()


@pytest.mark.parametrize("kind", ["none", "strange", "both", "several"])
def test_other_photos_are_left_to_the_server(scan: Scan, site: Site, kind: str) -> None:
    texts = {
        "none": (),
        "strange": (OTHER_LINK,),
        "both": (code_url(site), OTHER_LINK),
        "several": (code_url(site), code_url(site, "GENUINE_REVOKED")),
    }[kind]
    assert read_photo(scan(), beside(*texts)) is None
