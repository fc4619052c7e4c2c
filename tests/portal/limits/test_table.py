"""The table of limits, and who counts as one client."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.limits import table
from portal.limits.table import client_keys, parse_address, read_changes, rows, spelled

ROOT = Path(__file__).resolve().parents[3]


def test_the_table_in_the_documents_is_the_table_in_the_code() -> None:
    told = [
        tuple(cell.strip(" `") for cell in line.strip("| \n").split("|"))
        for line in (ROOT / "docs/limits.md").read_text("utf-8").splitlines()
        if line.startswith(tuple(f"| `{name}` " for name in table.DEFAULT))
    ]
    assert told == list(rows())
    text = (ROOT / "docs/limits.md").read_text("utf-8")
    assert f"{spelled(table.RECORD_TRIES)}" in text
    assert f"{spelled(table.RECORD_DAY)}" in text
    assert f"{spelled(table.ASKED_DAY)} questions" in text
    assert f"{spelled(table.LOOKS_DAY)} records" in text
    assert f"{spelled(table.OFFICE_LOOKS_DAY)} looks" in text


class TestClients:
    def test_an_ipv4_address_is_one_client(self) -> None:
        assert client_keys("192.0.2.7") == (("v4", "192.0.2.7"),)

    def test_ipv4_in_ipv6_clothes_is_ipv4(self) -> None:
        assert client_keys("::ffff:192.0.2.7") == client_keys("192.0.2.7")

    def test_ipv6_is_counted_in_layers_of_prefixes(self) -> None:
        assert client_keys("2001:db8:1:2ff:3:4:5:6") == (
            ("/64", "2001:db8:1:2ff::/64"),
            ("/56", "2001:db8:1:200::/56"),
            ("/48", "2001:db8:1::/48"),
        )

    @given(st.ip_addresses(v=6), st.integers(0, (1 << 72) - 1))
    def test_moving_inside_a_56_stays_in_its_56(self, address: object, step: int) -> None:
        here = parse_address(str(address))
        assert here is not None
        there = parse_address(_moved(str(address), step))
        if here.version == 6 and there is not None and there.version == 6:
            assert client_keys(str(here))[1:] == client_keys(str(there))[1:]

    @pytest.mark.parametrize(
        ("written", "meant"),
        [
            ("192.0.2.7:4711", "192.0.2.7"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("fe80::1%eth0", "fe80::1"),
            (" 192.0.2.7 ", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
        ],
    )
    def test_addresses_as_proxies_write_them(self, written: str, meant: str) -> None:
        assert str(parse_address(written)) == meant

    @pytest.mark.parametrize(
        "garbage",
        [
            "",
            "unknown",
            "_hidden",
            "192.0.2",
            "192.0.2.7:x",
            "192.0.2.7:",
            "[2001:db8::1",
            "[::1]x",
            "1.2.3.4.5",
            '"192.0.2.7',
            "192.0.2.7:123456",
            "0x7f.0.0.1",
            "192.0.2.07",
            "٣.1.1.1",
        ],
    )
    def test_what_is_no_address_is_none(self, garbage: str) -> None:
        assert parse_address(garbage) is None
        assert client_keys(garbage) == (("v4", "unknown"),)

    @given(st.text(max_size=60))
    def test_no_text_is_a_fault(self, text: str) -> None:
        assert client_keys(text)


def _moved(address: str, step: int) -> str:
    """Another address with the same first 56 bits."""
    parsed = parse_address(address)
    return str(type(parsed)(int(parsed) ^ step)) if parsed is not None and parsed.version == 6 else address


class TestChanges:
    def test_single_numbers_are_replaced(self) -> None:
        changed, problems = read_changes("miss v4 500/10 minutes; upload /64 5/hour")
        assert problems == []
        assert spelled(changed["miss"].layers["v4"]) == "500/10 minutes"
        assert spelled(changed["miss"].layers["/56"]) == "30/10 minutes"
        assert spelled(changed["upload"].layers["/64"]) == "5/hour"

    @pytest.mark.parametrize(
        "wrong",
        [
            "miss v4 lots",
            "miss v4 5/fortnight",
            "miss v4 0/minute",
            "miss v4 5/minute, 6/hour",
            "miss v4 -1/hour",
            "mist v4 5/minute",
            "miss /32 5/minute",
            "miss",
            "5/minute",
            "miss v4 5/minute|9/hour",
        ],
    )
    def test_a_wrong_limit_is_named(self, wrong: str) -> None:
        assert [problem.where for problem in read_changes(wrong)[1]] == ["LIMITS"]

    def test_all_mistakes_at_once(self) -> None:
        assert len(read_changes("miss v4 lots; mist v4 5/minute; upload v4 9/hour; x")[1]) == 3
