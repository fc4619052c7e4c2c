"""What messages say: each kind, in each language, by each channel, with the longest of everything."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.config import MAX_HOST
from portal.messages.words import FORMS, SHORT, TAKES, WORDS, Kind, Parameter, expiry, kept, write
from portal.ports import Channel
from tests.conftest import NOW
from verifier.words import LANGUAGES, Language

HOST = "h" * (MAX_HOST - 11) + ".example.vn"
LONGEST: dict[str, Parameter] = {
    "code": "9" * 12,
    "minutes": 60,
    "day": date(2026, 9, 30),  # September is the longest month in English
    "moment": datetime(2026, 9, 30, 3, 3, tzinfo=UTC),
    "grade": 12,
    "year": "2026-2027",
    "reference": "f" * 16,
    "organisation": "0" * 20,
    "contact": "email",
}
FAMILIES = [kind for kind in Kind if not kind.startswith(("alarm", "staff"))]
EVERY = [(kind, language, channel) for kind in Kind for language in LANGUAGES for channel in Channel]


def parameters(kind: Kind) -> dict[str, Parameter]:
    return {name: LONGEST[name] for name in TAKES[kind]}


def written(kind: Kind, language: Language, channel: Channel) -> str:
    text = write(kind, language, channel, kept(kind, parameters(kind)), host=HOST, system_name="Cổng thử")
    assert bool(text.subject) == (channel is Channel.EMAIL)
    return f"{text.subject}\n{text.text}".lstrip()


def units(text: str) -> int:
    """Length as an SMS counts it in UCS-2."""
    return len(text.encode("utf-16-le")) // 2


@pytest.mark.parametrize(("kind", "language", "channel"), EVERY)
def test_no_message_holds_a_link(kind: Kind, language: Language, channel: Channel) -> None:
    """No scheme, no path, nothing that a telephone makes a link of but the host itself."""
    text = written(kind, language, channel)
    assert not re.search(r"://|www\.|https?|mailto|@", text, re.IGNORECASE)
    without_dates = re.sub(r"\d\d/\d\d/\d{4}", "", text)
    assert "/" not in without_dates
    assert set(re.findall(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+", without_dates)) <= {HOST}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", Kind)
def test_a_short_text_takes_two_segments_at_most(kind: Kind, language: Language) -> None:
    assert len(HOST) == MAX_HOST
    assert units(written(kind, language, Channel.PHONE)) <= SHORT


def test_longest_values_are_longest() -> None:
    """The test above would prove nothing with values that others exceed."""
    for name, value in LONGEST.items():
        text = FORMS[name].keep(value)
        assert text is not None
        for language in LANGUAGES:
            longest = units(FORMS[name].show(text, language))
            if name == "contact":
                others: list[Parameter] = ["phone"]
            elif name in ("day", "moment"):
                others = [date(2026, m, 30) for m in range(3, 13)] if name == "day" else []
            elif name in ("minutes", "grade"):
                assert isinstance(value, int)
                assert FORMS[name].keep(value + 1) is None
                others = [1]
            else:
                assert isinstance(value, str)
                assert FORMS[name].keep(value + value[-1]) is None
                others = []
            for other in others:
                kept_other = FORMS[name].keep(other)
                assert kept_other is not None
                assert units(FORMS[name].show(kept_other, language)) <= longest


@pytest.mark.parametrize(("kind", "language", "channel"), EVERY)
def test_words_are_plain(kind: Kind, language: Language, channel: Channel) -> None:
    """As on pages: never "hợp lệ", "giả", "vui lòng", "valid", "please"; nobody is called a child by name."""
    text = written(kind, language, channel)
    assert not re.search(r"\b(hợp lệ|giả|vui lòng|valid|invalid|fake|forged|please)\b", text, re.IGNORECASE)
    if channel is Channel.EMAIL:
        assert HOST in text
        assert ("hỏi bạn mật khẩu" if language == "vi" else "will ask you for a password") in text


def test_every_template_uses_what_its_kind_takes() -> None:
    """Nothing is asked for that no word needs, nothing is used that is not asked for; languages are alike."""
    for kind in Kind:
        used: dict[Language, list[set[str]]] = {}
        for language, wording in WORDS[kind].items():
            texts = (wording.subject, wording.body, wording.short)
            used[language] = [{f for _, f, _, _ in string.Formatter().parse(t) if f} for t in texts]
            assert set().union(*used[language]) - {"host"} == TAKES[kind], (kind, language)
            assert "host" not in used[language][0]
        assert set(used) == set(LANGUAGES)
        assert used["vi"][0] == used["en"][0]


@pytest.mark.parametrize("kind", FAMILIES)
def test_families_learn_what_to_do(kind: Kind) -> None:
    """Where there is something to see, the host in words and what to choose; where not, whom to tell."""
    for channel in Channel:
        text = written(kind, "vi", channel)
        nothing_to_do = kind in (Kind.SIGN_IN_CODE, Kind.CONSENT_REFUSED, Kind.CONSENT_WITHDRAWN)
        assert nothing_to_do or "Đăng nhập" in text or "báo nhà trường ngay" in text


@pytest.mark.parametrize("channel", Channel)
@pytest.mark.parametrize("kind", [Kind.RECORD_NEW_VERSION, Kind.RECORD_RECALLED])
def test_school_years_are_written_as_on_pages(kind: Kind, channel: Channel) -> None:
    for language in LANGUAGES:
        assert re.search("20[0-9]{2}–20[0-9]{2}", written(kind, language, channel))


def test_the_code_warns_against_whoever_asks_for_it() -> None:
    for channel in Channel:
        assert "Không ai của nhà trường hay của cổng hỏi bạn mã này." in written(
            Kind.SIGN_IN_CODE, "vi", channel
        )
        english = written(Kind.SIGN_IN_CODE, "en", channel)
        assert "Nobody from the school or the portal will ask you for it." in english


def test_a_change_of_contact_says_what_when_and_how_to_stop_it() -> None:
    for channel in Channel:
        text = written(Kind.CONTACT_CHANGE_REQUESTED, "vi", channel)
        assert "địa chỉ e-mail" in text
        assert "30/09/2026" in text
        assert re.search("tới (nhà )?trường", text)
        assert HOST in text


WRONG: list[tuple[Kind, Mapping[str, object]]] = [
    (Kind.SIGN_IN_CODE, {"code": "123456"}),
    (Kind.SIGN_IN_CODE, {"code": "123456", "minutes": 5, "name": "Nguyễn Văn Bí"}),
    (Kind.SIGN_IN_CODE, {"code": "Bí mật", "minutes": 5}),
    (Kind.SIGN_IN_CODE, {"code": "123456\n", "minutes": 5}),
    (Kind.SIGN_IN_CODE, {"code": 123456, "minutes": 5}),
    (Kind.SIGN_IN_CODE, {"code": "123456", "minutes": 0}),
    (Kind.SIGN_IN_CODE, {"code": "123456", "minutes": True}),
    (Kind.RECORD_RECALLED, {"grade": 13, "year": "2025-2026"}),
    (Kind.RECORD_RECALLED, {"grade": 4, "year": "2025–2026"}),
    (Kind.RECORD_RECALLED, {"grade": 4, "year": "{host}"}),
    (Kind.STATUTORY_ACCESS, {"day": "2026-10-05"}),
    (Kind.STATUTORY_ACCESS, {"day": NOW}),
    (Kind.CONTACT_CHANGED, {"day": date(2026, 10, 5), "contact": "Zalo của mẹ Bí"}),
    (Kind.CONSENT_GIVEN, {"reference": "http://x/"}),
    (
        Kind.ALARM_SEAL_VALID_NOT_REGISTERED,
        {"organisation": "Trường Bí", "reference": "ab12", "moment": datetime(2026, 1, 1)},  # noqa: DTZ001
    ),
]


@pytest.mark.parametrize(("kind", "given_"), WRONG)
def test_what_is_missing_unknown_or_formless_is_refused(kind: Kind, given_: dict[str, Parameter]) -> None:
    with pytest.raises(ValueError, match=kind) as refused:
        kept(kind, given_)
    assert "Bí" not in str(refused.value)


TEXTS = st.text("09aFzZ._-", max_size=24) | st.text("a0-/:{}\n\u2028é", max_size=8)
VALUES = TEXTS | st.integers(-5, 70) | st.dates() | st.datetimes(timezones=st.just(UTC))


@given(st.sampled_from(Kind), st.data())
def test_whatever_is_taken_keeps_the_rules(kind: Kind, data: st.DataObject) -> None:
    """Any value that has a form: no link, no second line in a short text, never too long."""
    given_ = {name: data.draw(VALUES | st.just(LONGEST[name]), label=name) for name in TAKES[kind]}
    try:
        texts = kept(kind, given_)
    except ValueError:
        return
    for language in LANGUAGES:
        short = write(kind, language, Channel.PHONE, texts, host=HOST, system_name="x").text
        assert units(short) <= SHORT
        assert "\n" not in short
        assert "://" not in short
        email = write(kind, language, Channel.EMAIL, texts, host=HOST, system_name="x")
        assert "\n" not in email.subject


def test_what_a_code_brings_ends() -> None:
    code = kept(Kind.SIGN_IN_CODE, {"code": "123456", "minutes": 10})
    assert expiry(Kind.SIGN_IN_CODE, code, NOW) == NOW + timedelta(minutes=10)
    invited = kept(
        Kind.STAFF_INVITATION, {"code": "AB12-CD34", "organisation": "01000123", "day": date(2026, 10, 12)}
    )
    ends = datetime(2026, 10, 12, 17, tzinfo=UTC)  # midnight in Vietnam
    assert expiry(Kind.STAFF_INVITATION, invited, NOW) == ends
    for kind in set(Kind) - {Kind.SIGN_IN_CODE, Kind.STAFF_INVITATION}:
        assert expiry(kind, kept(kind, parameters(kind)), NOW) is None
