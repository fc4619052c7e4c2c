"""Disclosures, header, digest and attachment; RFC 8785 and RFC 9901 vectors; the published vectors."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import struct
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.verifier import record_vectors
from tests.verifier.record_samples import sample
from verifier.errors import InvalidInput
from verifier.record import (
    Record,
    attachment,
    canonical,
    check_header,
    digest,
    make_disclosures,
    make_header,
    open_disclosures,
    parse,
    read_attachment,
)

DOCUMENT = Path(__file__).parents[2] / "docs" / "record-digest.md"


def counting_salts() -> Callable[[], bytes]:
    numbers = iter(range(1000))
    return lambda: record_vectors.salt(next(numbers))


def issue(record: Record) -> tuple[dict[str, Any], tuple[str, ...]]:
    disclosures = make_disclosures(record.fields(), counting_salts())
    header = make_header(
        record,
        record_id=record_vectors.RECORD_ID,
        version=1,
        issued_on=record.issued_on,
        disclosures=disclosures,
    )
    return header, disclosures


RECORD = parse(sample("THCS", 6))
HEADER, DISCLOSURES = issue(RECORD)


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def codes(call: Callable[[], object]) -> set[tuple[str, str]]:
    with pytest.raises(InvalidInput) as caught:
        call()
    return {(p.where, p.code) for p in caught.value.problems}


class TestPublishedVectors:
    PUBLISHED: list[dict[str, Any]] = json.loads(
        re.findall(r"```json\n(.*?)\n```", DOCUMENT.read_text("utf-8"), re.DOTALL)[-1]
    )

    def test_the_document_is_what_the_code_computes(self) -> None:
        assert record_vectors.block() in DOCUMENT.read_text("utf-8")

    @pytest.mark.parametrize("vector", PUBLISHED, ids=lambda v: str(v["name"]))
    def test_computed_again_with_the_standard_library_alone(self, vector: dict[str, Any]) -> None:
        def jcs(value: Any) -> bytes:
            return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

        disclosures = []
        for place, (name, value) in enumerate(vector["fields"].items()):
            salt = hashlib.sha256(f"salt {place}".encode()).digest()[:16]
            disclosures.append(b64(jcs([b64(salt), name, value])))
        assert disclosures == vector["disclosures"]
        assert vector["header"]["_sd"] == sorted(
            b64(hashlib.sha256(d.encode("ascii")).digest()) for d in disclosures
        )
        assert jcs(vector["header"]).decode() == vector["canonical"]
        assert hashlib.sha256(vector["canonical"].encode()).hexdigest() == vector["digest"]
        first = vector["first_disclosure"]
        assert first["disclosure"] == disclosures[0]
        assert unb64(first["disclosure"]).decode() == first["json"]
        assert json.loads(first["json"])[0] == b64(bytes.fromhex(first["salt_hex"]))
        assert first["digest"] == b64(hashlib.sha256(disclosures[0].encode()).digest())

    @pytest.mark.parametrize("vector", PUBLISHED, ids=lambda v: str(v["name"]))
    def test_they_open(self, vector: dict[str, Any]) -> None:
        assert digest(vector["header"]).hex() == vector["digest"]
        assert open_disclosures(vector["header"], vector["disclosures"]) == vector["fields"]

    def test_every_header_member_is_explained(self) -> None:
        rows = re.findall(r"^ +\| `(\w+)` \|", DOCUMENT.read_text("utf-8"), re.MULTILINE)
        assert rows == list(HEADER)


class TestCanonicalisation:
    """The vectors of RFC 8785 against the library that canonicalises for us."""

    def test_section_3_2_2_and_its_bytes(self) -> None:
        given_text = r"""{
          "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
          "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
          "literals": [null, true, false]
        }"""
        expected = bytes.fromhex(
            "7b226c69746572616c73223a5b6e756c6c2c747275652c66616c73655d2c226e"
            "756d62657273223a5b3333333333333333332e333333333333332c31652b3330"
            "2c342e352c302e3030322c31652d32375d2c22737472696e67223a22e282ac24"
            "5c75303030665c6e4127425c225c5c5c5c5c222f227d"
        )
        assert rfc8785.dumps(json.loads(given_text)) == expected

    def test_section_3_2_3_sorts_by_utf_16_code_units(self) -> None:
        given_text = r"""{
          "\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh",
          "1": "One", "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control",
          "\u00f6": "Latin Small Letter O With Diaeresis"
        }"""
        ordered = json.loads(rfc8785.dumps(json.loads(given_text)), object_pairs_hook=list)
        assert [value for _, value in ordered] == [
            "Carriage Return",
            "One",
            "Control",
            "Latin Small Letter O With Diaeresis",
            "Euro Sign",
            "Emoji: Grinning Face",
            "Hebrew Letter Dalet With Dagesh",
        ]

    @pytest.mark.parametrize(
        ("bits", "text"),
        [
            ("0000000000000000", "0"),
            ("8000000000000000", "0"),
            ("0000000000000001", "5e-324"),
            ("8000000000000001", "-5e-324"),
            ("7fefffffffffffff", "1.7976931348623157e+308"),
            ("ffefffffffffffff", "-1.7976931348623157e+308"),
            ("4340000000000000", "9007199254740992"),
            ("c340000000000000", "-9007199254740992"),
            ("4430000000000000", "295147905179352830000"),
            ("44b52d02c7e14af5", "9.999999999999997e+22"),
            ("44b52d02c7e14af6", "1e+23"),
            ("44b52d02c7e14af7", "1.0000000000000001e+23"),
            ("444b1ae4d6e2ef4e", "999999999999999700000"),
            ("444b1ae4d6e2ef4f", "999999999999999900000"),
            ("444b1ae4d6e2ef50", "1e+21"),
            ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
            ("3eb0c6f7a0b5ed8d", "0.000001"),
            ("41b3de4355555553", "333333333.3333332"),
            ("41b3de4355555554", "333333333.33333325"),
            ("41b3de4355555555", "333333333.3333333"),
            ("41b3de4355555556", "333333333.3333334"),
            ("41b3de4355555557", "333333333.33333343"),
            ("becbf647612f3696", "-0.0000033333333333333333"),
            ("43143ff3c1cb0959", "1424953923781206.2"),
        ],
    )
    def test_appendix_b_numbers(self, bits: str, text: str) -> None:
        (number,) = struct.unpack(">d", bytes.fromhex(bits))
        assert rfc8785.dumps(number).decode() == text

    @pytest.mark.parametrize("bits", ["7fffffffffffffff", "7ff0000000000000"])
    def test_appendix_b_refusals(self, bits: str) -> None:
        (number,) = struct.unpack(">d", bytes.fromhex(bits))
        with pytest.raises(rfc8785.CanonicalizationError):
            rfc8785.dumps(number)

    def test_a_header_is_one_line_of_sorted_members(self) -> None:
        text = canonical(HEADER).decode()
        assert text.startswith('{"_sd":["')
        assert '"grade":6,"issued_on":"2026-05-31","issuer":"01000123","level":"THCS"' in text
        assert "\n" not in text
        assert ": " not in text


class TestDisclosures:
    def test_the_example_of_rfc_9901(self) -> None:
        # §4.2.1 and §4.2.3: the digest is over the characters of the disclosure.
        disclosure = b64(b'["_26bc4LT-ac6q2KI6cBW5es", "family_name", "M\xc3\xb6bius"]')
        assert disclosure == "WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0"
        assert b64(hashlib.sha256(disclosure.encode("ascii")).digest()) == (
            "X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC0"
        )
        # The same rule in our own header.
        assert b64(hashlib.sha256(DISCLOSURES[0].encode("ascii")).digest()) in HEADER["_sd"]

    def test_a_readers_json_spelling_does_not_matter_only_the_string(self) -> None:
        spaced = b64(b'["AAAAAAAAAAAAAAAAAAAAAA", "lop", "6A1"]')
        header = HEADER | {"_sd": [b64(hashlib.sha256(spaced.encode()).digest())]}
        assert open_disclosures(header, [spaced]) == {"lop": "6A1"}
        tight = b64(b'["AAAAAAAAAAAAAAAAAAAAAA","lop","6A1"]')
        assert codes(lambda: open_disclosures(header, [tight])) == {("disclosures[1]", "not_committed")}

    @settings(max_examples=50, deadline=None)
    @given(st.sets(st.integers(0, len(DISCLOSURES) - 1)))
    def test_any_subset_is_proved(self, chosen: set[int]) -> None:
        opened = open_disclosures(HEADER, [DISCLOSURES[i] for i in sorted(chosen)])
        names = list(RECORD.fields())
        assert opened == {names[i]: RECORD.fields()[names[i]] for i in sorted(chosen)}

    @settings(max_examples=150, deadline=None)
    @given(st.data())
    def test_any_changed_character_is_refused(self, data: st.DataObject) -> None:
        chosen = data.draw(st.integers(0, len(DISCLOSURES) - 1))
        text = DISCLOSURES[chosen]
        place = data.draw(st.integers(0, len(text) - 1))
        other = data.draw(
            st.one_of(
                st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/= \n"),
                st.characters(),
            ).filter(lambda c: c != text[place])
        )
        spoiled = text[:place] + other + text[place + 1 :]
        found = codes(lambda: open_disclosures(HEADER, [*DISCLOSURES[:chosen], spoiled]))
        assert found <= {
            (f"disclosures[{chosen + 1}]", code) for code in ("malformed", "not_committed", "repeated")
        }

    @settings(max_examples=40, deadline=None)
    @given(st.data())
    def test_a_shorter_or_longer_string_is_refused(self, data: st.DataObject) -> None:
        text = data.draw(st.sampled_from(DISCLOSURES))
        place = data.draw(st.integers(0, len(text) - 1))
        for spoiled in (text[:place] + text[place + 1 :], text[:place] + "A" + text[place:], text + "="):
            if spoiled != text:
                codes(lambda spoiled=spoiled: open_disclosures(HEADER, [spoiled]))  # type: ignore[misc]

    @pytest.mark.parametrize(
        "raw",
        [
            b'["AAAAAAAAAAAAAAAAAAAAAA","lop"]',
            b'["AAAAAAAAAAAAAAAAAAAAAA","lop","6A","x"]',
            b'{"0":"AAAAAAAAAAAAAAAAAAAAAA"}',
            b'["AAAAAAAAAAAAAAAAAAAA","lop","6A"]',  # 15 bytes
            b'["AAAAAAAAAAAAAAAAAAAAAB","lop","6A"]',  # unused bits set
            b'["AAAAAAAAAAAAAAAAAAAAAA==","lop","6A"]',
            b'[7,"lop","6A"]',
            b'["AAAAAAAAAAAAAAAAAAAAAA",7,"6A"]',
            b'["AAAAAAAAAAAAAAAAAAAAAA","_sd","6A"]',
            b'["AAAAAAAAAAAAAAAAAAAAAA","...","6A"]',
            b'["AAAAAAAAAAAAAAAAAAAAAA","Lop","6A"]',
            b'["AAAAAAAAAAAAAAAAAAAAAA","lop",8.3]',
            b'["AAAAAAAAAAAAAAAAAAAAAA","lop",1e3]',
            b'["AAAAAAAAAAAAAAAAAAAAAA","lop",NaN]',
            b'["AAAAAAAAAAAAAAAAAAAAAA","lop",null]',
            b'["AAAAAAAAAAAAAAAAAAAAAA","lop",9007199254740993]',
            b'["AAAAAAAAAAAAAAAAAAAAAA","lop",{"a":"1","a":"2"}]',
            b'["AAAAAAAAAAAAAAAAAAAAAA","lop","\\ud800"]',
            b'["AAAAAAAAAAAAAAAAAAAAAA","lop",' + b"[" * 5000 + b"]" * 5000 + b"]",
            b'["AAAAAAAAAAAAAAAAAAAAAA","lop",[[[["x"]]]]]',
            b"\xff\xfe",
            b"",
            b"[",
        ],
    )
    def test_malformed_even_if_committed(self, raw: bytes) -> None:
        text = b64(raw)
        header = HEADER | {"_sd": [b64(hashlib.sha256(text.encode()).digest())]}
        assert codes(lambda: open_disclosures(header, [text])) == {("disclosures[1]", "malformed")}

    def test_no_text_and_too_long_text(self) -> None:
        assert codes(lambda: open_disclosures(HEADER, [7, "A" * 16385])) == {  # type: ignore[list-item]
            ("disclosures[1]", "malformed"),
            ("disclosures[2]", "malformed"),
        }

    def test_twice_the_same_and_two_for_one_name(self) -> None:
        assert codes(lambda: open_disclosures(HEADER, [DISCLOSURES[0]] * 2)) == {
            ("disclosures[2]", "repeated")
        }
        two = [b64(b'["AAAAAAAAAAAAAAAAAAAAAA","lop","6A"]'), b64(b'["AAAAAAAAAAAAAAAAAAAAAQ","lop","6B"]')]
        two[1] = b64(json.dumps([b64(b"\1" * 16), "lop", "6B"]).encode())
        header = HEADER | {"_sd": sorted(b64(hashlib.sha256(d.encode()).digest()) for d in two)}
        assert codes(lambda: open_disclosures(header, two)) == {("disclosures[2]", "repeated")}

    def test_a_flood_is_cut_off(self) -> None:
        assert ("disclosures[257]", "too_many") in codes(lambda: open_disclosures(HEADER, ["A"] * 100_000))

    def test_every_wrong_one_is_named(self) -> None:
        foreign = make_disclosures({"lop": "9Z"}, lambda: b"\7" * 16)[0]
        assert codes(lambda: open_disclosures(HEADER, [foreign, DISCLOSURES[0], "!"])) == {
            ("disclosures[1]", "not_committed"),
            ("disclosures[3]", "malformed"),
        }

    @pytest.mark.parametrize("salt", [b"", b"\0" * 15, b"\0" * 17])
    def test_salts_are_16_bytes(self, salt: bytes) -> None:
        with pytest.raises(ValueError, match="salt"):
            make_disclosures({"lop": "6A"}, lambda: salt)

    def test_salts_are_never_used_twice(self) -> None:
        with pytest.raises(ValueError, match="salt"):
            make_disclosures({"lop": "6A", "truong": "X"}, lambda: b"\0" * 16)

    @pytest.mark.parametrize("fields", [{"_sd": "x"}, {"Tên": "x"}, {"lop": 8.3}, {"lop": None}])
    def test_what_cannot_be_disclosed(self, fields: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="cannot be disclosed"):
            make_disclosures(fields, counting_salts())

    def test_fresh_salts_hide_equal_values(self) -> None:
        numbers = iter(range(1000))
        again = make_disclosures(RECORD.fields(), lambda: next(numbers).to_bytes(16, "big"))
        assert not set(again) & set(DISCLOSURES)


class TestHeader:
    def test_its_members(self) -> None:
        assert HEADER | {"_sd": []} == {
            "schema": "hoc-ba-so/1",
            "record_id": record_vectors.RECORD_ID,
            "version": 1,
            "issuer": "01000123",
            "level": "THCS",
            "scheme": "TT22",
            "grade": 6,
            "year": "2025-2026",
            "issued_on": "2026-05-31",
            "_sd_alg": "sha-256",
            "_sd": [],
        }
        assert HEADER["_sd"] == sorted(set(HEADER["_sd"]))
        assert len(HEADER["_sd"]) == len(RECORD.fields())

    def test_the_digest_is_sha_256_of_the_canonical_form(self) -> None:
        assert digest(HEADER) == hashlib.sha256(canonical(HEADER)).digest()
        assert digest(dict(reversed(HEADER.items()))) == digest(HEADER)

    def test_it_commits_to_exactly_this_record(self) -> None:
        def make(disclosures: tuple[str, ...], on: date = date(2026, 5, 31)) -> dict[str, Any]:
            return make_header(
                RECORD,
                record_id=record_vectors.RECORD_ID,
                version=1,
                issued_on=on,
                disclosures=disclosures,
            )

        assert make(tuple(reversed(DISCLOSURES))) == HEADER
        other = make_disclosures(RECORD.fields() | {"lop": "6B"}, counting_salts())
        for wrong in (DISCLOSURES[1:], other):
            assert codes(lambda wrong=wrong: make(wrong)) == {("_sd", "other_content")}  # type: ignore[misc]
        assert codes(lambda: make((*DISCLOSURES, "đ"))) == {("_sd", "malformed")}
        assert ("_sd", "wrong_order") in codes(lambda: make((*DISCLOSURES, DISCLOSURES[0])))
        assert codes(lambda: make(DISCLOSURES, date(2026, 6, 1))) == {("issued_on", "contradiction")}

    @pytest.mark.parametrize(
        ("change", "where"),
        [
            ({"schema": "hoc-ba-so/2"}, "schema"),
            ({"record_id": "0" * 16}, "record_id"),
            ({"record_id": "0" * 16 + "U"}, "record_id"),
            ({"record_id": "0" * 17 + "\n"}, "record_id"),
            ({"version": 0}, "version"),
            ({"version": "1"}, "version"),
            ({"version": True}, "version"),
            ({"issuer": ""}, "issuer"),
            ({"level": "GDTX_THCS"}, "level"),
            ({"scheme": "TT27"}, "scheme"),
            ({"grade": 5}, "grade"),
            ({"year": "2025-2027"}, "year"),
            ({"issued_on": "31/05/2026"}, "issued_on"),
            ({"issued_on": "20260531"}, "issued_on"),
            ({"issued_on": "2026-02-30"}, "issued_on"),
            ({"_sd_alg": "sha-1"}, "_sd_alg"),
            ({"_sd": []}, "_sd"),
            ({"_sd": ["x"]}, "_sd"),
            ({"_sd": [7]}, "_sd"),
            ({"_sd": HEADER["_sd"][::-1]}, "_sd"),
            ({"_sd": HEADER["_sd"][:1] * 2}, "_sd"),
            ({"_sd": [HEADER["_sd"][0][:-1] + "B"]}, "_sd"),  # unused bits set
            ({"_sd": tuple(HEADER["_sd"])}, "_sd"),
            ({"extra": "x"}, "header"),
        ],
    )
    def test_anything_else_is_no_header(self, change: dict[str, Any], where: str) -> None:
        for call in (check_header, canonical, digest, lambda h: open_disclosures(h, ())):
            assert where in {w for w, _ in codes(lambda call=call: call(HEADER | change))}  # type: ignore[misc]

    def test_a_missing_member_or_no_object(self) -> None:
        for name in HEADER:
            less = {k: v for k, v in HEADER.items() if k != name}
            assert codes(lambda less=less: check_header(less)) == {("header", "wrong_form")}  # type: ignore[misc]
        assert codes(lambda: check_header([HEADER])) == {("header", "wrong_form")}

    @settings(max_examples=150, deadline=None)
    @given(st.data())
    def test_any_changed_character_gives_another_digest_or_no_header(self, data: st.DataObject) -> None:
        text = canonical(HEADER).decode()
        place = data.draw(st.integers(0, len(text) - 1))
        other = data.draw(
            st.one_of(st.sampled_from("0123456789ABCabc-_"), st.characters(exclude_categories=["Cs"])).filter(
                lambda c: c != text[place]
            )
        )
        try:
            changed = digest(json.loads(text[:place] + other + text[place + 1 :]))
        except (InvalidInput, ValueError):
            changed = b"refused"
        assert changed != digest(HEADER)


class TestAttachment:
    def test_round_trip(self) -> None:
        data = attachment(HEADER, DISCLOSURES)
        assert read_attachment(data) == (HEADER, DISCLOSURES)
        assert attachment(*read_attachment(data)) == data
        header, some = read_attachment(attachment(HEADER, DISCLOSURES[:3]))
        assert open_disclosures(header, some).keys() == set(list(RECORD.fields())[:3])

    def test_it_proves_what_it_carries(self) -> None:
        foreign = make_disclosures({"lop": "9Z"}, lambda: b"\7" * 16)
        assert codes(lambda: attachment(HEADER, foreign)) == {("disclosures[1]", "not_committed")}
        data = rfc8785.dumps({"header": HEADER, "disclosures": list(foreign)})
        assert codes(lambda: read_attachment(data)) == {("disclosures[1]", "not_committed")}

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda d: d + b"\n",
            lambda d: b" " + d,
            lambda d: json.dumps(json.loads(d)).encode(),
            lambda d: d.replace(b'"grade":6', b'"grade":6,"grade":6'),
            lambda d: d.replace(b'"grade":6', b'"grade":6.0'),
            lambda d: d.replace(b'"THCS"', b'"\\u0054HCS"'),
            lambda d: d[:-1] + b',"more":1}',
            lambda _: b"[]",
            lambda _: b'{"header":[],"disclosures":{}}',
            lambda _: b"",
            lambda _: b"\xef\xbb\xbf{}",
            lambda _: b"[" * 100_000,
            lambda _: b" " * 1_048_577,
        ],
    )
    def test_one_spelling(self, spoil: Callable[[bytes], bytes]) -> None:
        data = spoil(attachment(HEADER, DISCLOSURES))
        assert {w for w, _ in codes(lambda: read_attachment(data))} == {"attachment"}

    @settings(max_examples=150, deadline=None)
    @given(st.data())
    def test_any_changed_byte_is_refused_or_another_digest(self, data: st.DataObject) -> None:
        text = attachment(HEADER, DISCLOSURES)
        place = data.draw(st.integers(0, len(text) - 1))
        other = data.draw(st.integers(0, 255).filter(lambda b: b != text[place]))
        spoiled = text[:place] + bytes([other]) + text[place + 1 :]
        try:
            header, _ = read_attachment(spoiled)
        except InvalidInput:
            return
        assert digest(header) != digest(HEADER)
