"""Sealed values open in their own place and nowhere else."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.vault import DESTROYED, Vault, VaultError, key_id_of

OLD, NEW, INDEX = os.urandom(32), os.urandom(32), os.urandom(32)
PLACE = {"table": "record_versions", "column": "public_sealed", "row": "0123456789ABCDEFG"}


@pytest.fixture
def vault() -> Vault:
    return Vault([("k1", OLD)], INDEX)


@given(st.binary(max_size=300))
def test_round_trip(plain: bytes) -> None:
    vault = Vault([("k1", OLD)], INDEX)
    key = vault.new_key()
    sealed = vault.seal(key, plain, **PLACE, version=1)
    assert vault.open(key, sealed, **PLACE, version=1) == plain
    assert len(plain) < 8 or plain not in sealed


@pytest.mark.parametrize(
    ("place", "version"),
    [
        (PLACE | {"table": "records"}, 1),
        (PLACE | {"column": "disclosures_sealed"}, 1),
        (PLACE | {"row": "0123456789ABCDEFH"}, 1),
        (PLACE, 2),
        # The same characters, cut elsewhere.
        ({"table": "record_versionspublic_", "column": "sealed", "row": PLACE["row"]}, 1),
        ({"table": PLACE["table"], "column": "public_sealed0", "row": "123456789ABCDEFG"}, 1),
    ],
)
def test_a_ciphertext_does_not_open_in_another_place(
    vault: Vault, place: dict[str, str], version: int
) -> None:
    key = vault.new_key()
    sealed = vault.seal(key, b"N*** V*** A***", **PLACE, version=1)
    with pytest.raises(VaultError):
        vault.open(key, sealed, **place, version=version)


def test_another_records_key_does_not_open(vault: Vault) -> None:
    sealed = vault.seal(vault.new_key(), b"x", **PLACE, version=1)
    with pytest.raises(VaultError):
        vault.open(vault.new_key(), sealed, **PLACE, version=1)


def test_every_single_byte_counts(vault: Vault) -> None:
    key = vault.new_key()
    sealed = vault.seal(key, b"8.3", **PLACE, version=1)
    for part in (key, sealed):
        for position in range(len(part)):
            broken = bytearray(part)
            broken[position] ^= 1
            wrapped, value = (bytes(broken), sealed) if part is key else (key, bytes(broken))
            with pytest.raises(VaultError):
                vault.open(wrapped, value, **PLACE, version=1)
    for length in (0, 1, 2, 12, len(sealed) - 1):
        with pytest.raises(VaultError):
            vault.open(key, sealed[:length], **PLACE, version=1)
    for length in (0, 1, 4, len(key) - 1):
        with pytest.raises(VaultError):
            vault.open(key[:length], sealed, **PLACE, version=1)


def test_a_rotated_vault_reads_what_the_old_key_wrapped_and_wraps_with_the_new_one(vault: Vault) -> None:
    key = vault.new_key()
    sealed = vault.seal(key, b"x", **PLACE, version=1)
    rotated = Vault([("k2", NEW), ("k1", OLD)], INDEX)
    assert rotated.open(key, sealed, **PLACE, version=1) == b"x"
    fresh = rotated.new_key()
    assert fresh[1:4] == b"\x02k2"
    with pytest.raises(VaultError, match="k2"):
        vault.open(fresh, sealed, **PLACE, version=1)


def test_a_key_under_a_wrong_id_does_not_open(vault: Vault) -> None:
    key = vault.new_key()
    impostor = Vault([("k1", NEW)], INDEX)
    with pytest.raises(VaultError):
        impostor.seal(key, b"x", **PLACE, version=1)


def test_nonces_do_not_repeat_sec_39(vault: Vault) -> None:
    """SEC-39: a million seals under one key, a million nonces (a meeting by chance: one in 10¹⁷)."""
    key = vault.new_key()
    count = 1_000_000
    nonces = {vault.seal(key, b"", **PLACE, version=1)[1:13] for _ in range(count)}
    assert len(nonces) == count
    assert len({vault.new_key() for _ in range(1000)}) == 1000


def test_rewrapping_keeps_the_data_key_and_changes_everything_else(vault: Vault) -> None:
    key, other = vault.new_key(), vault.new_key()
    rotated = Vault([("k2", NEW), ("k1", OLD)], INDEX)
    fresh = rotated.rewrap(key)
    assert (key_id_of(key), key_id_of(fresh)) == ("k1", "k2")
    assert fresh[4:] not in (key[4:], rotated.rewrap(key)[4:])
    assert rotated.same_key(key, fresh)
    assert not rotated.same_key(key, other)
    assert rotated.rewrap(fresh) == fresh
    with pytest.raises(VaultError, match="k1"):
        Vault([("k2", NEW)], INDEX).rewrap(key)


def test_a_destroyed_key_opens_nothing(vault: Vault) -> None:
    sealed = vault.seal(vault.new_key(), b"x", **PLACE, version=1)
    with pytest.raises(VaultError, match="destroyed"):
        vault.open(DESTROYED, sealed, **PLACE, version=1)
    with pytest.raises(VaultError, match="destroyed"):
        vault.rewrap(DESTROYED)


def test_blind_indexes_meet_only_in_their_own_domain_and_under_their_own_key(vault: Vault) -> None:
    index = vault.blind_index("0123456789", domain="pupil")
    assert index == vault.blind_index("0123456789", domain="pupil")
    assert len(index) == 64
    assert index != vault.blind_index("0123456789", domain="content")
    assert index != vault.blind_index("upil0123456789", domain="p")
    assert index != Vault([("k1", OLD)], NEW).blind_index("0123456789", domain="pupil")
    assert index == Vault([("k2", NEW)], INDEX).blind_index("0123456789", domain="pupil")


@pytest.mark.parametrize("keys", [[], [("k", b"short")]])
def test_a_vault_without_proper_keys_is_not_made(keys: list[tuple[str, bytes]]) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Vault(keys, INDEX)
