"""Envelope encryption of personal columns and files, and blind indexes.

Each record has a data key of its own, kept wrapped under a key-encryption key from the settings. What is
sealed is bound to its place: table, column, row and version are authenticated, so a ciphertext moved
elsewhere does not open. AES-256-GCM (NIST SP 800-38D) with random 96-bit nonces; a key that serves one
record stays far below the 2³² messages that random nonces allow.

Wrapped key:  0x01 ‖ len(key id) ‖ key id ‖ nonce (12) ‖ AES-GCM(data key, AAD = all before the nonce)
Sealed value: 0x01 ‖ nonce (12) ‖ AES-GCM(plaintext, AAD = place)
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from portal.errors import PortalError

#: Stands where a wrapped key was destroyed: what was sealed under it opens no more.
DESTROYED: Final = b""

_FORMAT = b"\x01"
_NONCE = 12
_TAG = 16
_KEY = 32


class VaultError(PortalError):
    """A sealed value or wrapped key does not open: wrong key, wrong place or altered bytes.

    Never a finding about a document: it is a fault of ours.
    """


class Vault:
    """Seals and opens. ``keys`` are (id, 32 bytes): the first wraps, the others only open."""

    def __init__(self, keys: Iterable[tuple[str, bytes]], index_key: bytes) -> None:
        ordered = tuple(keys)
        if not ordered or len(index_key) != _KEY or any(len(key) != _KEY for _, key in ordered):
            raise ValueError("a vault needs a key-encryption key and an index key of 32 bytes each")
        self.key_ids = tuple(key_id for key_id, _ in ordered)
        self._active = self.key_ids[0]
        self._keys = {key_id: AESGCM(key) for key_id, key in ordered}
        self._index_key = index_key
        # HMAC of a constant says nothing about 32 random bytes, and another key gives another value.
        check = _length_prefixed("key-check/1")
        self._checks = {f"key:{key_id}": hmac.digest(key, check, "sha256").hex() for key_id, key in ordered}

    def new_key(self) -> bytes:
        """A fresh data key, wrapped under the active key-encryption key."""
        return self._wrap(os.urandom(_KEY))

    def rewrap(self, wrapped: bytes) -> bytes:
        """The same data key wrapped under the first key-encryption key; unchanged if it is already. What was
        sealed under it opens with either. Raises VaultError.
        """
        return wrapped if key_id_of(wrapped) == self._active else self._wrap(self._data_key(wrapped))

    def same_key(self, one: bytes, other: bytes) -> bool:
        """Whether two wrapped keys hold one data key. Raises VaultError."""
        return hmac.compare_digest(self._data_key(one), self._data_key(other))

    def seal(
        self, wrapped: bytes, plaintext: bytes, *, table: str, column: str, row: str, version: int
    ) -> bytes:
        """Encrypt ``plaintext`` for one place. ``row`` is the row's stable name (its UUID or record id)."""
        nonce = os.urandom(_NONCE)
        return (
            _FORMAT
            + nonce
            + self._unwrap(wrapped).encrypt(nonce, plaintext, _place(table, column, row, version))
        )

    def open(
        self, wrapped: bytes, sealed: bytes, *, table: str, column: str, row: str, version: int
    ) -> bytes:
        """Decrypt what :meth:`seal` made for the same place. Raises VaultError."""
        if sealed[:1] != _FORMAT or len(sealed) < 1 + _NONCE + _TAG:
            raise VaultError("sealed value of an unknown format")
        key = self._unwrap(wrapped)
        try:
            return key.decrypt(
                sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :], _place(table, column, row, version)
            )
        except InvalidTag:
            raise VaultError(f"sealed value of {table}.{column} does not open") from None

    def blind_index(self, text: str, *, domain: str) -> str:
        """Keyed hash (HMAC-SHA256, 64 hex digits) that finds equal values without storing them.

        ``domain`` names what is indexed, so that equal texts of two kinds cannot be linked.
        """
        message = _length_prefixed("blind-index/1", domain, text)
        return hmac.digest(self._index_key, message, "sha256").hex()

    def check_values(self) -> dict[str, str]:
        """What tells one key from another without being a secret: ``index`` and ``key:<id>`` -> 64 hex
        digits.
        """
        return {"index": self.blind_index("check", domain="key-check"), **self._checks}

    def _wrap(self, data_key: bytes) -> bytes:
        header = header_of(self._active)
        nonce = os.urandom(_NONCE)
        return header + nonce + self._keys[self._active].encrypt(nonce, data_key, header)

    def _unwrap(self, wrapped: bytes) -> AESGCM:
        return AESGCM(self._data_key(wrapped))

    def _data_key(self, wrapped: bytes) -> bytes:
        key_id = key_id_of(wrapped)
        wrapping = self._keys.get(key_id)
        if wrapping is None:
            raise VaultError(f"no key-encryption key named {key_id!r}")
        header = header_of(key_id)
        nonce, rest = wrapped[len(header) : len(header) + _NONCE], wrapped[len(header) + _NONCE :]
        try:
            return wrapping.decrypt(nonce, rest, header)
        except InvalidTag:
            raise VaultError("wrapped key does not open") from None


def key_id_of(wrapped: bytes) -> str:
    """The id of the key-encryption key that ``wrapped`` is under. Raises VaultError."""
    if wrapped == DESTROYED:
        raise VaultError("the data key was destroyed")
    end = 2 + wrapped[1] if len(wrapped) > 1 else 0
    if wrapped[:1] != _FORMAT or len(wrapped) != end + _NONCE + _KEY + _TAG:
        raise VaultError("wrapped key of an unknown format")
    return wrapped[2:end].decode("ascii", "replace")


def header_of(key_id: str) -> bytes:
    """How every key that is wrapped under ``key_id`` begins."""
    name = key_id.encode("ascii")
    return _FORMAT + bytes([len(name)]) + name


def _place(table: str, column: str, row: str, version: int) -> bytes:
    return _length_prefixed("seal/1", table, column, row, str(version))


def _length_prefixed(*parts: str) -> bytes:
    """Parts that cannot be confused with another split of the same characters."""
    encoded = [part.encode("utf-8") for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
