"""Salted disclosures, the header that commits to them, and the record digest.

A disclosure is the base64url (no padding) of the UTF-8 JSON ``[salt, name, value]`` with a 128-bit salt (RFC
9901 §4.2.1); its digest is the base64url SHA-256 of its ASCII characters (§4.2.3). The header lists those
digests, sorted, in ``_sd``. The record digest is the SHA-256 of the header in JCS (RFC 8785). So any part of
a record can be shown later and proved against the digest on paper, and what is not shown cannot be guessed.
Worked vectors: docs/record-digest.md.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any, Final, NoReturn

import rfc8785

from verifier.errors import InvalidInput, Problem
from verifier.record.kinds import Findings, Json, SchoolYear, shown
from verifier.record.model import Record
from verifier.record.vocabulary import Level, Scheme, level_info

SCHEMA: Final = "hoc-ba-so/1"
SALT_BYTES: Final = 16
ATTACHMENT_NAME: Final = "hoc-ba.json"
MAX_DISCLOSURES: Final = 256
MAX_DISCLOSURE_LENGTH: Final = 16_384
MAX_ATTACHMENT_BYTES: Final = 1_048_576

_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")
_FIELD_NAME = re.compile(r"[a-z][a-z0-9_]*(?:\.[A-Z][A-Z0-9_]*)?")
_HEADER: Final[Mapping[str, type]] = {
    "schema": str,
    "record_id": str,
    "version": int,
    "issuer": str,
    "level": str,
    "scheme": str,
    "grade": int,
    "year": str,
    "issued_on": str,
    "_sd_alg": str,
    "_sd": list,
}


def make_disclosures(fields: Mapping[str, Json], salt: Callable[[], bytes]) -> tuple[str, ...]:
    """One disclosure a field, in the order of ``fields``.

    ``salt`` gives 16 fresh random bytes a call (``lambda: secrets.token_bytes(16)``). The JSON inside is
    JCS, but readers keep and hash the string as it stands, never a re-encoding. Raises ValueError for a salt
    of another length, a repeated salt, a name that cannot be a field or a value that is not plain JSON
    without fractions.
    """
    salts: set[bytes] = set()
    made: list[str] = []
    for name, value in fields.items():
        a_salt = salt()
        if len(a_salt) != SALT_BYTES or a_salt in salts:
            raise ValueError("a salt is 16 bytes and never used twice in a record")
        if not _FIELD_NAME.fullmatch(name) or not _plain(value):
            raise ValueError(f"cannot be disclosed: {name}")
        salts.add(a_salt)
        made.append(_encode(rfc8785.dumps([_encode(a_salt), name, value])))
    return tuple(made)


def make_header(
    record: Record, *, record_id: str, version: int, issued_on: date, disclosures: Iterable[str]
) -> dict[str, Any]:
    """The header of one version of a record.

    ``record_id``: 17 characters (verifier.locator); ``version`` from 1; ``issued_on`` must be the record's
    ``ngay_ky_phat_hanh``; ``disclosures`` must disclose exactly the record's fields. Raises InvalidInput.
    """
    given = tuple(disclosures)
    if any(_read_disclosure(d) is None for d in given):
        _refuse("_sd", "malformed", "phần công bố không đúng dạng [muối, tên, giá trị]")
    header: dict[str, Any] = {
        "schema": SCHEMA,
        "record_id": record_id,
        "version": version,
        "issuer": record.issuer,
        "level": record.level.value,
        "scheme": record.scheme.value,
        "grade": record.grade,
        "year": record.year,
        "issued_on": issued_on.isoformat(),
        "_sd_alg": "sha-256",
        "_sd": sorted(_disclosure_digest(d) for d in given),
    }
    if issued_on != record.issued_on:
        _refuse(
            "issued_on",
            "contradiction",
            f"phát hành ngày {issued_on:%d/%m/%Y} nhưng ngay_ky_phat_hanh ghi "
            f"{record.common.ngay_ky_phat_hanh}",
        )
    if open_disclosures(header, given) != record.fields():
        _refuse("_sd", "other_content", "các phần công bố không đúng bằng nội dung học bạ")
    return header


def canonical(header: Mapping[str, Any]) -> bytes:
    """The header in JCS (RFC 8785): the bytes that are hashed and stored. Raises InvalidInput."""
    check_header(header)
    return rfc8785.dumps(dict(header))


def digest(header: Mapping[str, Any]) -> bytes:
    """The record digest, 32 bytes: SHA-256 of :func:`canonical`."""
    return hashlib.sha256(canonical(header)).digest()


def check_header(header: object) -> None:
    """Refuses what :func:`make_header` cannot have made. Raises InvalidInput with every problem."""
    findings = Findings()
    if not isinstance(header, Mapping) or set(header) != set(_HEADER):
        _refuse("header", "wrong_form", f"phần đầu phải có đúng các trường {', '.join(_HEADER)}")
    for name, kind in _HEADER.items():
        if type(header[name]) is not kind:
            findings.wrong(name, "wrong_type", "sai kiểu giá trị")
    if not findings.problems:
        _check_header_values(header, findings)
    if findings.problems:
        raise InvalidInput(tuple(findings.problems))


def _check_header_values(header: Mapping[str, Any], findings: Findings) -> None:
    level = header["level"]
    info = level_info(level) if level in tuple(Level) else None
    checks = {
        "schema": header["schema"] == SCHEMA,
        "record_id": bool(re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{17}", header["record_id"])),
        "version": 1 <= header["version"] <= 999,
        "issuer": bool(re.fullmatch(r"[0-9A-Za-z_-]{1,20}", header["issuer"])),
        "level": info is not None,
        "scheme": header["scheme"] in tuple(Scheme) and (info is None or header["scheme"] == info.scheme),
        "grade": info is None or header["grade"] in info.grades,
        "issued_on": _is_day(header["issued_on"]),
        "_sd_alg": header["_sd_alg"] == "sha-256",
    }
    for name, passed in checks.items():
        if not passed:
            findings.wrong(name, "wrong_form", f"{shown(header[name])} không hợp lệ ở phần đầu")
    SchoolYear().check(header["year"], "year", findings)
    digests = header["_sd"]
    if not 1 <= len(digests) <= MAX_DISCLOSURES or not all(
        isinstance(d, str) and len(d) == 43 and _decode(d) is not None for d in digests
    ):
        findings.wrong("_sd", "wrong_form", "phải là danh sách mã băm SHA-256 dạng base64url")
    elif digests != sorted(set(digests)):
        findings.wrong("_sd", "wrong_order", "mã băm phải xếp theo thứ tự và không lặp lại")


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def open_disclosures(header: Mapping[str, Any], disclosures: Iterable[str]) -> dict[str, Json]:
    """Name → value of the disclosures, each proved to belong to the header. A subset is allowed.

    Raises InvalidInput naming every disclosure (by its place, from 1) that is malformed, repeated, or not in
    ``_sd``, and every name that comes twice.
    """
    check_header(header)
    promised = set(header["_sd"])
    findings = Findings()
    opened: dict[str, Json] = {}
    seen: set[str] = set()
    for number, text in enumerate(disclosures, 1):
        where = f"disclosures[{number}]"
        if number > MAX_DISCLOSURES:
            findings.wrong(where, "too_many", f"có quá {MAX_DISCLOSURES} phần công bố")
            break
        pair = _read_disclosure(text)
        if pair is None:
            findings.wrong(where, "malformed", "phần công bố không đúng dạng [muối, tên, giá trị]")
        elif text in seen or pair[0] in opened:
            findings.wrong(where, "repeated", f"trường {shown(pair[0])} xuất hiện hai lần")
        elif _disclosure_digest(text) not in promised:
            findings.wrong(where, "not_committed", f"trường {shown(pair[0])} không thuộc bản học bạ này")
        else:
            seen.add(text)
            opened[pair[0]] = pair[1]
    if findings.problems:
        raise InvalidInput(tuple(findings.problems))
    return opened


def _read_disclosure(text: object) -> tuple[str, Json] | None:
    """(name, value) of a well-formed disclosure, else None."""
    if not isinstance(text, str) or len(text) > MAX_DISCLOSURE_LENGTH:
        return None
    raw = _decode(text)
    try:
        triple = None if raw is None else _strict_json(raw)
    except ValueError:
        return None
    if not isinstance(triple, list) or len(triple) != 3:
        return None
    salt, name, value = triple
    if not isinstance(salt, str) or not isinstance(name, str) or not _plain(value):
        return None
    if len(_decode(salt) or b"") != SALT_BYTES or not _FIELD_NAME.fullmatch(name):
        return None
    return name, value


def attachment(header: Mapping[str, Any], disclosures: Iterable[str]) -> bytes:
    """The canonical record as attached to the PDF under :data:`ATTACHMENT_NAME`: JCS of both parts.

    Raises InvalidInput for a header or disclosures that :func:`open_disclosures` refuses.
    """
    given = list(disclosures)
    open_disclosures(header, given)
    return rfc8785.dumps({"header": dict(header), "disclosures": given})


def read_attachment(data: bytes) -> tuple[dict[str, Any], tuple[str, ...]]:
    """(header, disclosures) of an attachment; both checked against each other, in the one spelling that
    :func:`attachment` writes. Raises InvalidInput.
    """
    if len(data) > MAX_ATTACHMENT_BYTES:
        _refuse("attachment", "too_large", f"tệp đính kèm lớn hơn {MAX_ATTACHMENT_BYTES} byte")
    try:
        parts = _strict_json(data)
    except ValueError:
        _refuse("attachment", "malformed", "tệp đính kèm không phải JSON của học bạ")
    if not isinstance(parts, dict) or set(parts) != {"header", "disclosures"}:
        _refuse("attachment", "malformed", "tệp đính kèm phải có đúng hai phần header và disclosures")
    header, disclosures = parts["header"], parts["disclosures"]
    if not isinstance(header, dict) or not isinstance(disclosures, list):
        _refuse("attachment", "malformed", "header phải là nhóm trường, disclosures phải là danh sách")
    if attachment(header, disclosures) != data:
        _refuse("attachment", "other_spelling", "tệp đính kèm không viết theo dạng chuẩn (RFC 8785)")
    return header, tuple(disclosures)


def _refuse(where: str, code: str, message: str) -> NoReturn:
    raise InvalidInput((Problem(where, code, message),))


def _disclosure_digest(disclosure: str) -> str:
    """RFC 9901 §4.2.3: over the ASCII characters, not over what they decode to."""
    return _encode(hashlib.sha256(disclosure.encode("ascii")).digest())


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _decode(text: str) -> bytes | None:
    """The bytes behind base64url without padding; None for any other spelling than :func:`_encode` has."""
    if not _BASE64URL.fullmatch(text):
        return None
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        return None
    return data if _encode(data) == text else None


def _strict_json(data: bytes) -> Any:
    """JSON without repeated names, fractions, NaN or lone surrogates. Raises ValueError."""

    def no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in pairs}) != len(pairs):
            raise ValueError("a name comes twice")
        return dict(pairs)

    def no_fraction(text: str) -> NoReturn:
        raise ValueError(f"not a whole number: {text[:20]}")

    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=no_repeats,
            parse_float=no_fraction,
            parse_constant=no_fraction,
        )
    except RecursionError:
        raise ValueError("nested too deep") from None


def _plain(value: object, depth: int = 0) -> bool:
    """Text, whole numbers in JSON's safe range, true/false; lists and objects of them, three deep."""
    match value:
        case bool():
            return True
        case int():
            return abs(value) < 2**53
        case str():
            return not any("\ud800" <= c <= "\udfff" for c in value)
        case list():
            return depth < 3 and all(_plain(item, depth + 1) for item in value)
        case dict():
            return depth < 3 and all(
                isinstance(key, str) and _plain(key) and _plain(item, depth + 1)
                for key, item in value.items()
            )
        case _:
            return False
