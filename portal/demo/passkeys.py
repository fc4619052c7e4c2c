"""Passkeys of the demo's people: authenticators in software whose keys lie open in the instance's folder.

They make what a real authenticator makes, so the portal checks them as it checks any other. In the browser
the script ``demo_key.js`` answers with the same keys; it is served in demo mode alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import bytes_to_base64url, encode_cbor

#: Present, verified, with attested credential data (WebAuthn Level 3 §6.1).
_FLAGS: Final = 0x01 | 0x04 | 0x40


def new_passkey(options: Mapping[str, Any], origin: str) -> tuple[str, dict[str, str]]:
    """The answer to a question for a new passkey, as a browser sends it; and the key in the form that
    ``demo_key.js`` reads: its id, the user it answers for, and a private JWK (RFC 7517).
    """
    private = ec.generate_private_key(ec.SECP256R1())
    numbers = private.private_numbers()
    x, y, d = (
        value.to_bytes(32, "big")
        for value in (numbers.public_numbers.x, numbers.public_numbers.y, numbers.private_value)
    )
    name = os.urandom(16)
    cose = encode_cbor({1: 2, 3: -7, -1: 1, -2: x, -3: y})  # ES256 on P-256 (RFC 9053 §7.1)
    data = sha256(options["rp"]["id"].encode()).digest() + bytes([_FLAGS]) + bytes(4)
    data += bytes(16) + len(name).to_bytes(2, "big") + name + cose
    client = {"type": "webauthn.create", "challenge": options["challenge"], "origin": origin}
    answer = {
        "id": bytes_to_base64url(name),
        "rawId": bytes_to_base64url(name),
        "type": "public-key",
        "response": {
            "clientDataJSON": bytes_to_base64url(json.dumps(client).encode()),
            "attestationObject": bytes_to_base64url(
                encode_cbor({"fmt": "none", "attStmt": {}, "authData": data})
            ),
        },
    }
    key = {
        "id": bytes_to_base64url(name),
        "user": options["user"]["id"],
        "x": bytes_to_base64url(x),
        "y": bytes_to_base64url(y),
        "d": bytes_to_base64url(d),
    }
    return json.dumps(answer), key
