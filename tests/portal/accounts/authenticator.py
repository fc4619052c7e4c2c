"""A passkey of invented people: an authenticator in software that answers as a phone does (WebAuthn Level 3).

It can be told to do wrong what an attacker would.
"""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, encode_cbor

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def _new_key() -> EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass
class SoftKey:
    """One discoverable credential with its P-256 key. ``counts``: whether it has a signature counter, as few
    synced passkeys do.
    """

    account: uuid.UUID
    credential_id: bytes = field(default_factory=lambda: os.urandom(16))
    private: EllipticCurvePrivateKey = field(default_factory=_new_key, repr=False)
    counts: bool = False
    sign_count: int = 0

    @property
    def public_key(self) -> bytes:
        """COSE: ES256 on P-256 (RFC 9053 §7.1)."""
        point = self.private.public_key().public_numbers()
        return encode_cbor(
            {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
        )

    def create(
        self, options: dict[str, Any], origin: str, *, flags: int = PRESENT | VERIFIED
    ) -> dict[str, Any]:
        """What ``navigator.credentials.create()`` gives for ``options``, as JSON (§5.1
        RegistrationResponseJSON).
        """
        client = _client_data("webauthn.create", options["challenge"], origin)
        attested = (
            bytes(16) + len(self.credential_id).to_bytes(2, "big") + self.credential_id + self.public_key
        )
        data = self._data(options["rp"]["id"], flags | ATTESTED) + attested
        return self._credential(
            {
                "clientDataJSON": bytes_to_base64url(client),
                "attestationObject": bytes_to_base64url(
                    encode_cbor({"fmt": "none", "attStmt": {}, "authData": data})
                ),
                "transports": ["internal"],
            }
        )

    def get(
        self,
        options: dict[str, Any],
        origin: str,
        *,
        flags: int = PRESENT | VERIFIED,
        user: uuid.UUID | None = None,
    ) -> dict[str, Any]:
        """What ``navigator.credentials.get()`` gives for ``options``, as JSON (§5.1
        AuthenticationResponseJSON).
        """
        client = _client_data("webauthn.get", options["challenge"], origin)
        if self.counts:
            self.sign_count += 1
        data = self._data(options["rpId"], flags)
        signature = self.private.sign(data + sha256(client).digest(), ec.ECDSA(SHA256()))
        return self._credential(
            {
                "clientDataJSON": bytes_to_base64url(client),
                "authenticatorData": bytes_to_base64url(data),
                "signature": bytes_to_base64url(signature),
                "userHandle": bytes_to_base64url((user or self.account).bytes),
            }
        )

    def _data(self, rp_id: str, flags: int) -> bytes:
        return sha256(rp_id.encode()).digest() + bytes([flags]) + self.sign_count.to_bytes(4, "big")

    def _credential(self, response: dict[str, Any]) -> dict[str, Any]:
        name = bytes_to_base64url(self.credential_id)
        return {
            "id": name,
            "rawId": name,
            "type": "public-key",
            "response": response,
            "clientExtensionResults": {},
            "authenticatorAttachment": "platform",
        }


def challenge_of(credential: dict[str, Any]) -> bytes:
    """Which challenge a credential answers."""
    client = json.loads(base64url_to_bytes(credential["response"]["clientDataJSON"]))
    return base64url_to_bytes(client["challenge"])


def _client_data(kind: str, challenge: str, origin: str) -> bytes:
    told = {"type": kind, "challenge": challenge, "origin": origin, "crossOrigin": False}
    return json.dumps(told, separators=(",", ":")).encode()
