"""The English catalogue is complete, current and has the same blanks; the language comes from the address
alone.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from portal.web import i18n
from tests.portal.web.world import World

PORTAL = Path(i18n.__file__).parent.parent
BLANK = re.compile(r"%\(\w+\)s|%.")
PLAIN = ("_", "gettext", "marked")
COUNTED = ("ngettext",)


def extracted(*functions: str) -> dict[str, str]:
    """Every message of the sources that is an argument of one of these, with where it stands."""
    found = extract_from_dir(
        PORTAL,
        [("**.py", "python"), ("templates/**.html", "jinja2")],
        keywords=dict.fromkeys(functions),
    )
    return {str(message): f"{name}:{line}" for name, line, message, _, _ in found}


def _read() -> Catalog:
    with i18n.CATALOGUE.open("rb") as file:
        return read_po(file, locale="en", abort_invalid=True)


@pytest.mark.parametrize(("functions", "plural"), [(PLAIN, False), (COUNTED, True)])
def test_the_catalogue_has_every_message_and_no_other(functions: tuple[str, ...], plural: bool) -> None:
    """What counts something has a form for one, what does not has none."""
    messages = {m.id[0] if plural else str(m.id): m for m in _read() if m.id and m.pluralizable is plural}
    sources = extracted(*functions)
    assert len(sources) > (5 if plural else 80)
    assert {m: where for m, where in sources.items() if m not in messages} == {}
    assert [m for m in messages if m not in sources] == []
    assert [m for m, entry in messages.items() if not entry.string or not all(entry.string)] == []


def test_no_message_stands_twice_is_unsure_or_left_over() -> None:
    """A merge by union keeps both of two entries, and whoever reads a catalogue takes the last one."""
    text = i18n.CATALOGUE.read_text("utf-8")
    entries = [block for block in re.split(r"\n\s*\n", text) if re.search("^msgid ", block, re.MULTILINE)]
    assert [block for block in entries if len(re.findall("^msgid ", block, re.MULTILINE)) > 1] == []
    ids = Counter(_id(block) for block in entries)
    assert [message for message, count in ids.items() if count > 1] == []
    catalogue = _read()
    assert len(ids) == len(list(catalogue))  # the head is one of both
    assert not re.search("^#~|^#,.*fuzzy", text, re.MULTILINE)
    assert dict(catalogue.obsolete) == {}
    assert [m.id for m in catalogue if m.id and m.fuzzy] == []


def _id(block: str) -> str:
    """The message of an entry as it is written, its lines joined."""
    written = block.partition("msgid ")[2]
    lines = re.split(r"^msg", written, maxsplit=1, flags=re.MULTILINE)[0].splitlines()
    return "".join(line.strip()[1:-1] for line in lines)


def test_what_counts_has_a_form_for_one() -> None:
    assert i18n.in_number("Trễ hạn %(count)s ngày", "en") == (
        "Late by %(count)s day",
        "Late by %(count)s days",
    )
    assert len(set(i18n.in_number("Trễ hạn %(count)s ngày", "vi"))) == 1
    for vietnamese, forms in i18n.english_in_number().items():
        assert forms[0] != forms[1]
        assert "%(count)s" in vietnamese
        for english in forms:
            assert Counter(BLANK.findall(vietnamese)) == Counter(BLANK.findall(english)), vietnamese


def test_translations_keep_the_blanks() -> None:
    for vietnamese, english in i18n.english().items():
        assert Counter(BLANK.findall(vietnamese)) == Counter(BLANK.findall(english)), vietnamese
        assert vietnamese != english
        assert not re.search(
            "[ăâđêôơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỷỹỵ]", english.replace("Miễn", "")
        )


def test_words_of_the_product() -> None:
    """As for the table of words: no text of a page says "hợp lệ", "giả" or asks with "vui lòng"."""
    for vietnamese, english in i18n.english().items():
        assert not re.search(r"\b(hợp lệ|giả|vui lòng)\b", vietnamese, re.IGNORECASE)
        assert not re.search(r"\b(valid|invalid|fake|forged|please)\b", english, re.IGNORECASE)


def test_pages_name_a_code_as_the_paper_does() -> None:
    """The 8 characters are printed after "Mã đối chiếu": no page may send people looking for another word."""
    assert "Mã đối chiếu: " in (PORTAL / "issuing" / "rendering.py").read_text()
    texts = {v: e for v, e in i18n.english().items() if re.search(r"\b8 ký tự", v)}
    assert len(texts) >= 2
    for vietnamese, english in texts.items():
        assert "8 ký tự mã đối chiếu" in vietnamese
        assert "check code" in english


@pytest.mark.parametrize("headers", [{}, {"Accept-Language": "en"}, {"Cookie": "lang=en"}])
def test_only_the_address_chooses_the_language(world: World, headers: dict[str, str]) -> None:
    assert '<html lang="vi">' in world.client.get("/", headers=headers).text
    assert '<html lang="en">' in world.client.get("/?lang=en", headers=headers).text


def test_every_page_is_wholly_in_its_language(world: World) -> None:
    """An English page shows no Vietnamese sentence of ours (names of schools, subjects and samples apart)."""
    client = world.client
    pages = [client.get("/?lang=en"), client.get("/khong-co?lang=en"), client.get("/V/X?lang=en")]
    pages += [client.post(p, data={}, content_type="multipart/form-data") for p in ("/lookup?lang=en",)]
    for page in pages:
        body = page.text.split("<main")[1].split("</main>")[0]
        assert not re.search("[ăđơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỷỹỵ]", body), body


def test_links_keep_the_language() -> None:
    assert i18n.link("/", "vi") == "/"
    assert i18n.link("/", "en") == "/?lang=en"
    assert i18n.link("/check/data?format=json", "en") == "/check/data?format=json&lang=en"


def test_the_other_language_keeps_what_was_asked_of_a_page(world: World) -> None:
    """Who signs in on the way to a page still gets there. What a page does not know may be a code."""
    vietnamese = world.client.get("/sign-in?next=/family&code=7K3M9QXTZ2").text
    assert "7K3M9QXTZ2" not in vietnamese
    english = world.client.get("/sign-in?next=/family&lang=en&lang=vi").text
    assert 'href="/sign-in?next=%2Ffamily&amp;lang=en"' in vietnamese
    assert 'href="/sign-in?next=%2Ffamily"' in english


def test_times_are_those_of_vietnam() -> None:
    night = datetime(2026, 6, 30, 17, 5, tzinfo=UTC)
    assert i18n.moment(night, "vi") == "00:05 ngày 01/07/2026"
    assert i18n.moment(night, "en") == "00:05 on 1 July 2026 (Vietnam time)"
