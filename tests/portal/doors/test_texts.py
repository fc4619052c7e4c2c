"""What a text given to the box is, before anything is looked up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.doors.texts import Kind, read_text
from verifier.locator import Hosts, Locator, group, new_record_id

HOSTS = Hosts("https://hocba.example.vn", ("old.example.vn",))
PLACE = Locator(new_record_id(b"abcdefghij"), bytes(range(32)))
ID, SHORT = PLACE.record_id, PLACE.short_digest


@pytest.mark.parametrize(
    "text",
    [
        f"HTTPS://HOCBA.EXAMPLE.VN/V/{PLACE}",
        f"https://hocba.example.vn/v/{PLACE}".lower(),
        f"http://old.example.vn/V/{PLACE}",
        f"hocba.example.vn/V/{PLACE}",
        f"  https://hocba.example.vn/V/{PLACE}?utm_source=zalo\r\n",
        f"Học bạ của con: https://hocba.example.vn/V/{PLACE}.",
        f"https://khac.example/ hay https://hocba.example.vn/V/{PLACE}",
        str(PLACE),
    ],
)
def test_what_names_its_version(text: str) -> None:
    found = read_text(text, HOSTS)
    assert (found.kind, found.typed and found.typed.locator) == (Kind.CODE, PLACE)


@pytest.mark.parametrize(
    ("text", "short"),
    [(ID, None), (group(ID).lower(), None), (f"{group(ID)} {SHORT}", SHORT), (f"{ID}{SHORT}".lower(), SHORT)],
)
def test_what_still_needs_a_birth_date(text: str, short: str | None) -> None:
    found = read_text(text, HOSTS)
    assert found.kind is Kind.CODE
    assert found.typed is not None
    assert (found.typed.record_id, found.typed.short_digest, found.typed.locator) == (ID, short, None)


@pytest.mark.parametrize(
    "text",
    [
        "https://hocba.example.vn/ket-qua/7K3M9QXTZ2ABCDEF",
        "Kết quả: HTTPS://OLD.EXAMPLE.VN/KET-QUA/7K3M9QXTZ2ABCDEF.",
    ],
)
def test_the_address_of_an_answer(text: str) -> None:
    found = read_text(text, HOSTS)
    assert (found.kind, found.number) == (Kind.RESULT, "7K3M9QXTZ2ABCDEF")


@pytest.mark.parametrize(
    "text",
    [
        f"https://khac.example/V/{PLACE}",
        "https://khac.example/ket-qua/7K3M9QXTZ2ABCDEF",
        f"https://khac.example/?u=https://hocba.example.vn/V/{PLACE}",
        "https://khac.example/?u=https://hocba.example.vn/ket-qua/7K3M9QXTZ2ABCDEF",
        f"khac.example/V/{PLACE}",
        "www.khac.example",
        f"https://hocba.example.vn.khac.example/V/{PLACE}",
        f"https://hocba.example.vn@khac.example/V/{PLACE}",
        f"https://hocba.exampl\u0435.vn/V/{PLACE}",
        "intent://khac.example/#Intent;end",
        f"https://khac.example/{'x' * 600}",
    ],
)
def test_what_opens_a_page_that_is_not_ours(text: str) -> None:
    assert read_text(text, HOSTS).kind is Kind.STRANGE_LINK


@pytest.mark.parametrize(
    "text",
    [
        "WIFI:T:WPA;S:Lop 5A;P:12345678;;",
        "BEGIN:VCARD\nFN:An\nEND:VCARD",
        "mailto:an@khac.example",
        "javascript:alert(1)",
        f"BEGIN:VCARD {'x' * 600}",
    ],
)
def test_the_code_of_something_else_is_no_strange_page(text: str) -> None:
    assert read_text(text, HOSTS).kind is Kind.STRANGE


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("", "empty"),
        ("7K3M", "length"),
        (ID[:-1] + ("0" if ID[-1] != "0" else "1"), "check_character"),
        ("nguyen van an", "length"),
        ("https://hocba.example.vn/sign-in", "malformed_link"),
        ("x" * 600, "too_long"),
    ],
)
def test_what_was_mistyped(text: str, mistake: str) -> None:
    found = read_text(text, HOSTS)
    assert found.kind is Kind.MISTAKE
    assert found.mistake == mistake or (mistake == "length" and found.mistake == "characters")


@given(st.text(max_size=700))
def test_total(text: str) -> None:
    found = read_text(text, HOSTS)
    assert (found.typed is not None) == (found.kind is Kind.CODE)
    assert bool(found.mistake) == (found.kind is Kind.MISTAKE)
