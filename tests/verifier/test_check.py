"""The front door: every kind of file gets a report, never an error."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pikepdf
import pytest
import qrcode
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.verifier import hostile, pki
from tests.verifier.pki import NOW, World
from verifier import barcode
from verifier import check as front_door
from verifier.check import Known, examine
from verifier.pades import validate
from verifier.policy import DEFAULT, Limits
from verifier.report import CheckName, CheckStatus, Medium, ValidationReport

URL = "HTTPS://HOCBA.EXAMPLE.VN/V/0123456789ABCDEF7." + "0" * 52


def look(data: bytes, world: World, known: Known | None = None, **limits: int) -> ValidationReport:
    policy = replace(DEFAULT, limits=Limits(**limits)) if limits else DEFAULT
    return examine(data, trust=world.trust(), policy=policy, at=NOW, known=known)


def qr_image(text: str = URL, size: int = 400) -> Image.Image:
    code: Image.Image = qrcode.make(text, border=4).get_image().convert("L").resize((size, size))
    return code


def encoded(image: Image.Image, form: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form)
    return buffer.getvalue()


def pdf_of(*images: Image.Image) -> bytes:
    """A scan: one picture a page, nothing else."""
    buffer = io.BytesIO()
    images[0].save(buffer, "PDF", save_all=True, append_images=list(images[1:]))
    return buffer.getvalue()


def with_page_picture(pdf: bytes, image: Image.Image) -> bytes:
    """The first page of ``pdf`` with a picture drawn over it."""
    output = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf)) as file:
        picture = file.make_stream(image.tobytes())
        picture.stream_dict = pikepdf.Dictionary(
            Type=pikepdf.Name.XObject,
            Subtype=pikepdf.Name.Image,
            Width=image.width,
            Height=image.height,
            ColorSpace=pikepdf.Name.DeviceGray,
            BitsPerComponent=8,
        )
        page = file.pages[0]
        page.Resources.XObject = pikepdf.Dictionary(Im1=picture)
        page.contents_add(file.make_stream(b"q 150 0 0 150 400 600 cm /Im1 Do Q"))
        file.save(output)
    return output.getvalue()


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "empty"),
        (b"<HOC_BA/>", "xml_record"),
        (b"<a/>", "xml"),
        (b"PK\x03\x04", "zip"),
        (b"\x00\x00\x00\x18ftypavif", "not_pdf_or_image"),
        (b"MZ", "not_pdf_or_image"),
        (b"%PDF-1.7" + bytes(DEFAULT.limits.size), "too_large"),
    ],
)
def test_what_is_refused_before_parsing(world: World, data: bytes, problem: str) -> None:
    report = look(data, world)
    assert (report.medium, report.problem) == (Medium.OTHER, problem)
    assert report.size == len(data)
    assert report.signatures == ()


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "HEIF"])
def test_pictures_speak_through_their_code(world: World, form: str) -> None:
    report = look(encoded(qr_image(), form), world)
    assert (report.medium, report.problem, report.codes) == (Medium.IMAGE, None, (URL,))


def test_a_picture_around_a_signed_record_is_a_picture(world: World, primary: bytes) -> None:
    """SEC-10: PDF readers open such a file and show the record; here the picture speaks, by its code."""
    report = look(hostile.png_with(primary, encoded(qr_image(), "PNG")), world)
    assert (report.medium, report.problem, report.codes) == (Medium.IMAGE, None, (URL,))
    assert report.signatures == ()
    assert report.prefixes == ()
    assert report.attached_record_id is None


def test_a_picture_behind_a_signed_record_changes_it(world: World, primary: bytes) -> None:
    """SEC-10: the other way round it stays a PDF, with the bytes behind its end named; no code of the picture
    counts.
    """
    report = look(primary + encoded(qr_image(), "PNG"), world)
    assert report.medium is Medium.PDF
    assert report.codes == ()
    assert hashlib.sha256(primary).hexdigest() in {p.sha256 for p in report.prefixes}
    assert (report.problem, report.signatures) == ("broken_pdf", ())


def test_pictures_that_say_nothing(world: World) -> None:
    blank = encoded(Image.new("L", (200, 200), 255), "PNG")
    assert look(blank, world).problem == "no_code"
    assert look(blank[:60], world).problem == "broken_image"
    assert look(b"\xff\xd8\xff\xe0garbage", world).problem == "broken_image"
    assert look(b"\x00\x00\x00\x18ftypheicgarbage", world).problem == "broken_image"
    assert look(encoded(Image.new("1", (9000, 9000)), "PNG"), world).problem == "too_large"


def test_a_signed_record_is_a_pdf(world: World, primary: bytes) -> None:
    report = look(primary, world)
    assert (report.medium, report.problem) == (Medium.PDF, None)
    assert len(report.signatures) == 3
    assert report.prefixes


def test_the_codes_on_the_pages_are_read(world: World) -> None:
    report = look(with_page_picture(pki.base_pdf((), None), qr_image()), world)
    assert (report.medium, report.codes) == (Medium.PDF, (URL,))


def test_a_scan_is_told_from_a_document(world: World) -> None:
    scan = look(pdf_of(qr_image(), qr_image()), world)
    assert (scan.medium, scan.problem, scan.codes) == (Medium.PDF_OF_IMAGES, None, (URL,))
    blank = look(pdf_of(Image.new("L", (600, 800), 255)), world)
    assert (blank.medium, blank.problem) == (Medium.PDF_OF_IMAGES, "no_code")


def test_a_scan_in_bad_syntax_is_still_a_scan(world: World) -> None:
    """Phones write PDFs that a strict reader refuses; the code on the page is what counts there."""
    scan = pdf_of(qr_image())
    broken = scan[: scan.rindex(b"startxref")] + b"startxref\n1\n%%EOF\n"
    report = look(broken, world)
    assert (report.medium, report.problem, report.codes) == (Medium.PDF_OF_IMAGES, None, (URL,))


def test_a_scan_that_is_signed_is_a_document(world: World) -> None:
    buffer = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf_of(qr_image()))) as file:
        file.attachments["hoc-ba.json"] = pikepdf.AttachedFileSpec(
            file, pki.record_attachment(), description="", filename="hoc-ba.json", mime_type="",
            creation_date="", mod_date="",
        )  # fmt: skip
        file.save(buffer)
    report = look(buffer.getvalue(), world)
    assert (report.medium, report.attached_record_id) == (Medium.PDF, pki.RECORD_ID)


def test_a_password_keeps_everything_shut(world: World) -> None:
    for image in (None, qr_image()):
        output = io.BytesIO()
        plain = pki.base_pdf((), None) if image is None else pdf_of(image)
        with pikepdf.open(io.BytesIO(plain)) as file:
            file.save(output, encryption=pikepdf.Encryption(owner="a", user="b"))
        report = look(output.getvalue(), world)
        assert (report.medium, report.problem, report.codes) == (Medium.PDF, "encrypted", ())


def test_a_broken_pdf_says_so(world: World, primary: bytes) -> None:
    for data in (b"%PDF-1.7", primary[:5000]):
        report = look(data, world)
        assert (report.medium, report.problem) == (Medium.PDF, "broken_pdf")


def test_codes_are_bounded(world: World) -> None:
    long = qr_image("A" * 1000, 800)
    report = look(encoded(long, "PNG"), world)
    assert [len(code) for code in report.codes] == [512]


@pytest.fixture
def known(world: World, primary: bytes) -> Known:
    _, structure = validate(primary, world.trust(), DEFAULT, NOW, registered_at=NOW, own=True)
    return Known(NOW - timedelta(minutes=1), structure)


def refuse(*_: object, **__: object) -> None:
    raise AssertionError("this way is not taken for registered bytes")


def test_registered_bytes_take_the_fast_way_and_are_not_drawn(
    world: World, primary: bytes, known: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = look(primary, world, replace(known, structure=None))
    monkeypatch.setattr(front_door, "validate", refuse)
    monkeypatch.setattr(barcode, "read_page_codes", refuse)
    report = look(primary, world, known)
    assert report == pki.alone(full)
    assert all(s.passed for s in report.signatures)
    assert report.codes == ()


def test_a_structure_of_other_bytes_is_not_used(world: World, primary: bytes, known: Known) -> None:
    report = look(primary + b"\n", world, known)
    assert report.signatures
    assert report.signatures[-1].status(CheckName.COVERAGE) is CheckStatus.FAILED


def test_lack_of_memory_is_ours(world: World, primary: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(front_door, "validate", exhausted)
    report = look(primary, world)
    assert (report.incomplete, report.problem) == ("memory", None)


@pytest.mark.parametrize("error", [ValueError, RuntimeError, OSError, RecursionError])
def test_a_renderer_that_fails_shows_no_code(
    world: World, primary: bytes, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(barcode, "pages_are_images_only", fail)
    report = look(primary, world)
    assert (report.medium, report.codes, report.problem) == (Medium.PDF, (), None)
    assert all(s.passed for s in report.signatures)


HEADS: list[Callable[[bytes], bytes]] = [
    lambda tail: tail,
    lambda tail: b"%PDF-1.7\n" + tail,
    lambda tail: b"\x89PNG\r\n\x1a\n" + tail,
    lambda tail: b"\xff\xd8\xff\xe0" + tail,
    lambda tail: b"RIFF\x10\x00\x00\x00WEBPVP8 " + tail,
    lambda tail: b"<?xml version='1.0'?>" + tail,
]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(HEADS), st.binary(max_size=400))
def test_no_bytes_raise(head: Callable[[bytes], bytes], tail: bytes) -> None:
    data = head(tail)
    report = examine(data, trust=_EMPTY, policy=DEFAULT, at=NOW)
    assert report.size == len(data)
    assert report.problem is not None
    assert ValidationReport.from_json(report.to_json()) == report


_EMPTY = pki.world("Rỗng").trust()
