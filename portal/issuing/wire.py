"""The files of two-step signing: digests out, signature values in (docs/issuing.md has their form).

What goes out names no pupil. Reading is strict and names every line that is wrong; whether a value fits its
digest is for whoever may load the signing code.
"""

from __future__ import annotations

import base64
import binascii
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from verifier.errors import InvalidInput, Problem


@dataclass(frozen=True, slots=True)
class SignatureLine:
    """One signature value; ``where`` is its place in the file."""

    where: str
    issuance: str
    field: str
    digest: bytes
    value: bytes


def digests_file(certificate: bytes, digests: Sequence[tuple[uuid.UUID, str, str]]) -> dict[str, Any]:
    """What goes to the holder of ``certificate`` (DER); ``digests``: (issuance, field, digest in hex)."""
    key = x509.load_der_x509_certificate(certificate).public_key()
    return {
        "certificate": base64.b64encode(certificate).decode("ascii"),
        "signer": sha256(certificate).hexdigest(),
        "algorithm": "RSASSA-PKCS1-v1_5" if isinstance(key, rsa.RSAPublicKey) else "ECDSA",
        "digests": [
            {"issuance": str(issuance), "field": field, "digest": digest}
            for issuance, field, digest in digests
        ],
    }


def read_signatures(content: bytes, name: str) -> tuple[tuple[SignatureLine, ...], tuple[Problem, ...]]:
    """The lines of the file ``name`` that can be read, and what is wrong with the others. Raises InvalidInput
    when it is no such file at all.
    """
    lines: list[SignatureLine] = []
    problems: list[Problem] = []
    for number, line in enumerate(_lines(content, name), 1):
        where = f"{name}, mục {number}"
        try:
            lines.append(SignatureLine(where, *_line(line)))
        except ValueError as error:
            problems.append(Problem(where, "line", str(error)))
    return tuple(lines), tuple(problems)


def _lines(content: bytes, name: str) -> list[Any]:
    try:
        data = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InvalidInput((Problem(name, "file", f"Không đọc được tệp chữ ký: {error}."),)) from error
    if isinstance(data, dict):
        data = data.get("signatures")
    if not isinstance(data, list):
        raise InvalidInput((Problem(name, "file", "Phải là danh sách JSON các chữ ký."),))
    return data


def _line(line: Any) -> tuple[str, str, bytes, bytes]:
    """(issuance, field, digest, value). Raises ValueError with a sentence."""
    members = ("issuance", "field", "digest", "signature")
    if not isinstance(line, dict) or not all(isinstance(line.get(name), str) for name in members):
        raise ValueError(f"Mỗi mục cần {', '.join(members)}, đều là chuỗi.")
    try:
        identity = str(uuid.UUID(line["issuance"]))
        digest = bytes.fromhex(line["digest"])
        value = base64.b64decode(line["signature"], validate=True)
    except (ValueError, binascii.Error) as error:
        raise ValueError("issuance là UUID, digest là hex, signature là base64.") from error
    return identity, line["field"], digest, value
