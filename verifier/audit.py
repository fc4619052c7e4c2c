"""The audit trail's form, and an offline check of it: is a copy whole and unchanged (SEC-31)?

An entry is a JSON object; its digest is SHA-256 over the RFC 8785 form of everything else in it, the digest
of the entry before among that. So whoever holds one digest holds all entries up to it. A chain by itself
proves nothing against somebody who can write it anew: for that a *checkpoint* (origin, number and digest, in
the text form of C2SP tlog-checkpoint, signed as C2SP signed-note) is kept elsewhere. Form and test vectors
are published in docs/audit.md.

What may stand in an entry is closed: every member has a pattern, texts of people have no place (SEC-28).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from verifier.errors import InvalidInput, Problem

#: ``previous`` of the first entry.
BEGINNING: Final = bytes(32)
#: Longest line of an export, in bytes; what an entry may hold is far below.
MAX_LINE: Final = 4096

#: ``v`` of every entry.
FORM: Final = 1
_ED25519: Final = b"\x01"  # signature type of C2SP signed-note


class Action(StrEnum):
    """What was done, or asked for: a refusal is the outcome of what was asked, not an action of its own.

    Each word stands in the table of docs/audit.md.
    """

    ISSUE = "issue"  # a first version was registered
    CORRECT = "correct"  # a later version was registered; the one before is superseded
    RECALL = "recall"  # a version was taken back
    RENEW = "renew"  # a file of a version was lifted for the archive
    KEY_USE = "key_use"  # a signing key made one signature of a record's file
    DISCLOSURE = "disclosure"  # somebody was given content of a record beyond the public answer
    CLASS_UPLOAD = "class_upload"  # a class file was sent, confirmed, taken back, erased; see ``change``
    SIGNATURE_ORDER = "signature_order"  # a person's word that fields be signed with their certificate
    LATE_CORRECTION = (
        "late_correction"  # lock date set; asked for, approved, refused after it; see ``change``
    )
    TRUST_CHANGE = "trust_change"  # schools, authorities, signers, lists; ``change`` says which
    # People.
    SIGN_IN = "sign_in"
    SIGN_OUT = "sign_out"
    ACCESS = "access"  # only ever refused: somebody signed in asked for what their role may not
    ACCOUNT_CHANGE = "account_change"  # made, role given or taken, closed; ``change`` says which
    # Consent.
    CONSENT_ASKED = "consent_asked"
    CONSENT_GIVEN = "consent_given"  # one yes: pupil and guardian are two entries
    CONSENT_REFUSED = "consent_refused"
    CONSENT_WITHDRAWN = "consent_withdrawn"
    CONSENT_EXPIRED = "consent_expired"  # its time, or with a reason its uses
    CONSENT_SUSPENDED = "consent_suspended"  # nothing is shown while the reason stands
    CONSENT_RESUMED = "consent_resumed"
    SHARE_CODE_MADE = "share_code_made"
    SHARE_CODE_CANCELLED = "share_code_cancelled"
    SHARE_CODE_LOCKED = "share_code_locked"  # after too many wrong tries
    PURPOSE_APPROVAL = "purpose_approval"  # of the data-managing unit; ``change`` says which way
    REQUEST_MADE = "request_made"  # of a data subject: see, correct, withdraw, complain
    REQUEST_ANSWERED = "request_answered"
    HOLDER_ACTIVATED = "holder_activated"  # a guardian or pupil used the slip of the school
    HOLDER_CHANGE = "holder_change"  # slips, relation, period, dispute, end; ``change`` says which
    CONTACT_CHANGE = "contact_change"  # of a holder: asked for, stopped, in force
    # The house itself.
    KEY_ROTATION = "key_rotation"  # wrapped data keys were put under another key-encryption key
    DECISION_PROPOSED = "decision_proposed"  # of two persons: the first one's part
    DECISION_CONFIRMED = "decision_confirmed"  # by another person
    DECISION_REFUSED = "decision_refused"  # by another person, which ends it
    DECISION_EXPIRED = "decision_expired"  # nobody answered in time
    DECISION_APPLIED = "decision_applied"  # what was decided was done, once
    ERASURE = "erasure"  # something was erased for good, or once more after a restore
    ALARM = "alarm"  # a check gave an answer after which somebody has to look; ``verdict`` says which
    ALARM_ANSWERED = "alarm_answered"  # what the department found out: ``number`` of the alarm, ``reason``
    CHECKPOINT = "checkpoint"  # the head of this trail was handed out


class Outcome(StrEnum):
    """How it came out."""

    DONE = "done"
    REFUSED = "refused"  # by a rule; nothing was changed or shown
    FAILED = "failed"  # something broke; nothing was changed or shown


_CODE = r"[a-z][a-z0-9_]{0,39}"
_OFFICE = r"[A-Za-z0-9._-]{1,20}"
_HEX = r"[0-9a-f]{64}"
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"
_MOST = 2**53 - 1  # RFC 8785 §3.2.2.3

#: Who acts: a part of the portal itself, a command's user of the operating system, somebody who signed in.
ACTORS: Final[Mapping[str, str]] = {
    "system": _CODE,
    "command": r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}",
    "account": _UUID,  # of an organisation's person
    "holder": _UUID,  # of a guardian or pupil
}

#: On what: the portal's own random keys, fingerprints, codes of offices; never a name or a record id.
OBJECTS: Final[Mapping[str, str]] = {
    "record": _UUID,  # key of the record's row
    "issuance": _UUID,  # a version on its way
    "upload": _UUID,  # a class file
    "order": _UUID,  # of signatures
    "late_correction": _UUID,
    "certificate": _HEX,  # SHA-256; of a file that is none, of its bytes
    "authority": _HEX,  # SHA-256 of an authority's name and key
    "list": _HEX,  # SHA-256 of a revocation list that was refused
    "school": _OFFICE,
    "department": _OFFICE,
    "account": _UUID,
    "holder": _UUID,
    "decision": _UUID,  # of two persons
    "listed": _UUID,  # what a decision lists, by its content
    "key": r"[a-z0-9-]{1,16}",  # id of a key-encryption key
    "consent": _UUID,
    "share_code": _UUID,
    "statutory_access": _UUID,  # one look by a duty of law
    "request": _UUID,  # of a data subject
    "typed": _HEX,  # keyed hash of what was typed, when nothing is called so
}

#: What ``details`` may hold. ``int``: a whole number that is not negative.
DETAILS: Final[Mapping[str, str | type[int]]] = {
    "version": int,  # of the record
    "record": _UUID,  # key of its row, where the object is what it was shown by
    "party": _CODE,  # whose yes or no: guardian or pupil
    "evidence": _CODE,  # how they said it
    "file": _HEX,  # SHA-256 of the bytes that were registered, handed out, or raised an alarm
    "earlier_file": _HEX,  # of the file that was renewed
    "issuance": _UUID,  # joins the uses of keys with the issue they were made for
    "field": r"[A-Z][A-Z_]{0,19}(\.[A-Z][A-Z0-9_]{0,39})?",  # signature field: role, subject
    "certificate": _HEX,  # whose key was used
    # What the key signed (SHA-256 of the signed attributes), the head of a checkpoint, or what was decided.
    "digest": _HEX,
    "key": _CODE,  # local or external
    "way": _CODE,  # of an order: ring or token
    "change": _CODE,  # which change in trust, or of an upload, an account, a request
    "epoch": int,  # of trust, after the change
    "signer": _UUID,  # registration of a signer
    "anchor_purpose": _CODE,
    "since": _MOMENT,
    "until": r"\d{4}-\d\d-\d\d",
    "successor": _OFFICE,
    "command": r"[a-z][a-z0-9-]{0,39}( [a-z][a-z0-9-]{0,39})?",  # whose refusal this is
    "reason": r"[A-Za-z][A-Za-z0-9_]{0,39}",  # code of a recall or of a refusal
    "method": _CODE,  # how somebody proved who they are
    "role": _CODE,  # given, taken, or acted in
    "act": _CODE,  # what was asked for
    "count": int,  # mistakes named, keys re-wrapped, rows erased, fields ordered, things shown, tries
    "table": _CODE,  # whose wrapped keys
    "decided": _CODE,  # kind of a decision of two persons
    "decision": _UUID,  # by which something was done
    "verdict": r"[A-Z][A-Z_]{0,39}",  # answer that is an alarm
    "number": int,  # of a checkpoint's entry, of the alarm that was answered, of the opening of a consent
}

_ORIGIN = re.compile(r"[a-z0-9][a-z0-9.:/-]{0,127}")


def _exactly(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.ASCII)


_ACTOR: Final = {kind: _exactly(pattern) for kind, pattern in ACTORS.items()}
_OBJECT: Final = {kind: _exactly(pattern) for kind, pattern in OBJECTS.items()}
_DETAIL: Final = {
    name: int if kind is int else _exactly(str(kind))  # one table, compiled once
    for name, kind in DETAILS.items()
}
_MEMBERS: Final = {
    "at": _exactly(_MOMENT),
    "organisation": _exactly(_OFFICE),
    "pupil": _exactly(_HEX),
    "purpose": _exactly(_CODE),
    "basis": _exactly(_CODE),
    "previous": _exactly(_HEX),
    "digest": _exactly(_HEX),
}
_OPTIONAL: Final = frozenset({"organisation", "pupil", "purpose", "basis"})
_NAMES: Final = frozenset({*_MEMBERS, "v", "number", "actor", "action", "outcome", "object", "details"})


def moment_text(moment: datetime) -> str:
    """The one spelling of a time: UTC, microseconds, ``Z``. Raises ValueError without a zone."""
    if moment.tzinfo is None:
        raise ValueError("naive datetime")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def canonical(value: Any) -> bytes:
    """RFC 8785, for what may stand in an entry: ASCII texts, whole numbers, null. There Python's own encoder
    writes the same (sorted names, no blanks, shortest escapes) in a fraction of the time (`make bench`).
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode("ascii")


def seal(members: Mapping[str, Any]) -> dict[str, Any]:
    """The whole entry: ``members`` (all but ``v`` and ``digest``) with its digest. Raises ValueError for what
    may not stand in an entry.
    """
    plain = {**members, "v": FORM}
    check_form({**plain, "digest": BEGINNING.hex()})
    return {**plain, "digest": hashlib.sha256(canonical(plain)).hexdigest()}


def line_of(entry: Mapping[str, Any]) -> bytes:
    """An entry as a line of an export: RFC 8785, one line feed."""
    return canonical(entry) + b"\n"


def check_form(entry: object) -> None:
    """Members, types and patterns of an entry, not its place in a chain. Raises ValueError."""
    if not isinstance(entry, dict) or set(entry) != _NAMES:
        raise ValueError("members")
    if type(entry["v"]) is not int or entry["v"] != FORM:
        raise ValueError("v")
    if type(entry["number"]) is not int or not 1 <= entry["number"] <= _MOST:
        raise ValueError("number")
    for name, pattern in _MEMBERS.items():
        value = entry[name]
        if value is None and name in _OPTIONAL:
            continue
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError(name)
    datetime.fromisoformat(entry["at"])
    _named("actor", entry["actor"], _ACTOR)
    if entry["object"] is not None:
        _named("object", entry["object"], _OBJECT)
    Action(entry["action"])
    Outcome(entry["outcome"])
    _check_details(entry["details"])


def _named(where: str, value: object, kinds: Mapping[str, re.Pattern[str]]) -> None:
    """``kind:id``, each kind with its own form of an id."""
    kind, colon, name = value.partition(":") if isinstance(value, str) else ("", "", "")
    if not colon or kind not in kinds or not kinds[kind].fullmatch(name):
        raise ValueError(where)


def _check_details(details: object) -> None:
    """A number or a code for each name of the table, nothing else."""
    if not isinstance(details, dict):
        raise ValueError("details")
    for name, value in details.items():
        kind = _DETAIL.get(name)
        if isinstance(kind, re.Pattern):
            good = isinstance(value, str) and kind.fullmatch(value) is not None
        else:
            good = kind is int and type(value) is int and 0 <= value <= _MOST
        if not good:
            raise ValueError(f"details: {name}")


# -------------------------------------------------------------------------------------------- checkpoints


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a trail at some moment. ``text`` is what a signature is over; ``signatures`` are (name, key
    id and signature), as C2SP signed-note has them.
    """

    origin: str
    number: int
    digest: bytes
    at: datetime
    signatures: tuple[tuple[str, bytes], ...] = ()

    @property
    def text(self) -> str:
        """Origin, number, digest in base64, time: a line each."""
        digest = base64.b64encode(self.digest).decode("ascii")
        return f"{self.origin}\n{self.number}\n{digest}\nat {moment_text(self.at)}\n"

    @property
    def note(self) -> str:
        """The whole file: the text, an empty line, the signatures."""
        lines = (f"— {name} {base64.b64encode(value).decode('ascii')}\n" for name, value in self.signatures)
        return f"{self.text}\n{''.join(lines)}"


def sign_checkpoint(checkpoint: Checkpoint, key: Ed25519PrivateKey) -> Checkpoint:
    """The checkpoint with a signature under its origin's name."""
    public = key.public_key().public_bytes_raw()
    value = _key_id(checkpoint.origin, public) + key.sign(checkpoint.text.encode())
    return Checkpoint(
        checkpoint.origin,
        checkpoint.number,
        checkpoint.digest,
        checkpoint.at,
        (*checkpoint.signatures, (checkpoint.origin, value)),
    )


def verifier_key(origin: str, public: bytes) -> str:
    """A public key as C2SP signed-note writes it: ``name+key id+base64(type ‖ key)``."""
    return f"{origin}+{_key_id(origin, public).hex()}+{base64.b64encode(_ED25519 + public).decode('ascii')}"


def _key_id(origin: str, public: bytes) -> bytes:
    return hashlib.sha256(origin.encode() + b"\n" + _ED25519 + public).digest()[:4]


def read_checkpoint(data: bytes, where: str = "checkpoint") -> Checkpoint:
    """A checkpoint file; one spelling. Raises InvalidInput."""
    try:
        text = data.decode("utf-8")
        body, empty, tail = text.partition("\n\n")
        origin, number, digest, at = body.split("\n")
        signatures = []
        for line in tail.splitlines():
            dash, name, value = line.split(" ")
            signatures.append((name, base64.b64decode(value, validate=True)))
            if dash != "—":
                raise ValueError("signature")
        found = Checkpoint(
            origin,
            int(number),
            base64.b64decode(digest, validate=True),
            datetime.fromisoformat(at.removeprefix("at ")),
            tuple(signatures),
        )
        if not empty or not _ORIGIN.fullmatch(origin) or found.number < 1 or len(found.digest) != 32:
            raise ValueError("origin, number or digest")
        if found.note != text:
            raise ValueError("spelling")
    except (ValueError, binascii.Error) as error:
        message = (
            "Không phải điểm kiểm của nhật ký: cần nguồn, số thứ tự, mã băm, thời điểm, mỗi thứ một dòng."
        )
        raise InvalidInput((Problem(where, "checkpoint", message),)) from error
    return found


def read_verifier_key(text: str) -> tuple[str, Ed25519PublicKey]:
    """The name and key of :func:`verifier_key`'s text. Raises InvalidInput."""
    try:
        name, key_id, encoded = text.strip().split("+", 2)
        raw = base64.b64decode(encoded, validate=True)
        public = Ed25519PublicKey.from_public_bytes(raw[1:])
        if raw[:1] != _ED25519 or _key_id(name, raw[1:]).hex() != key_id:
            raise ValueError("key id")
    except (ValueError, binascii.Error) as error:
        message = "Khóa công khai phải có dạng tên+mã+base64, như lệnh audit checkpoint in ra."
        raise InvalidInput((Problem("--key", "key", message),)) from error
    return name, public


def signed_by(checkpoint: Checkpoint, name: str, key: Ed25519PublicKey) -> bool:
    """Whether the checkpoint carries this key's signature, under this name."""
    wanted = _key_id(name, key.public_bytes_raw())
    for signer, value in checkpoint.signatures:
        if signer == name and value[:4] == wanted:
            try:
                key.verify(value[4:], checkpoint.text.encode())
            except InvalidSignature:
                continue
            return True
    return False


# ---------------------------------------------------------------------------------------------- the check


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong first, and at which number."""

    number: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What a walk found. ``covered`` is the last entry that a checkpoint answers for, 0 when none does;
    ``digest`` that of the last entry read.

    Without a fault entries ``first`` to ``covered`` are exactly what they were when the checkpoint was taken;
    what follows is in order with itself, and may have been cut or written anew.
    """

    first: int
    last: int
    digest: bytes
    covered: int
    fault: Fault | None = None


_SENTENCES: Final = {
    "malformed": "Dòng này không phải một mục nhật ký đúng dạng.",
    "number": "Số thứ tự không nối tiếp: có mục bị xóa, chèn thêm hoặc đổi chỗ.",
    "previous": "Mục này không nối vào mục đứng trước: mục trước bị sửa, hoặc có mục bị xóa, chèn, đổi chỗ.",
    "digest": "Nội dung mục này không khớp mã băm của chính nó: mục đã bị sửa.",
    "truncated": "Nhật ký kết thúc trước điểm kiểm: các mục từ đây đã bị cắt.",
    "checkpoint_differs": "Mục này khác với điểm kiểm: nó hoặc mục trước nó đã bị viết lại cùng cả chuỗi.",
    "checkpoint_signature": "Điểm kiểm không mang chữ ký của khóa công khai đã cho.",
    "checkpoint_origin": "Các điểm kiểm là của những nhật ký khác nhau.",
    "head_differs": "Mục cuối không phải mục mà bảng đầu chuỗi nêu: nhật ký bị cắt hoặc bị sửa.",
}


def fault(number: int, code: str) -> Fault:
    """A fault in words."""
    return Fault(number, code, _SENTENCES[code])


def walk(lines: Iterable[bytes], checkpoints: Sequence[Checkpoint] = (), *, first: int = 1) -> Checked:
    """Reads a trail line by line, each with its line feed, from entry ``first`` on; stops at the first fault.

    1. each line is an entry in its one spelling; 2. numbers follow each other; 3. each entry names the digest
    of the one before (of a trail that does not begin at 1, a checkpoint on the entry before says it); 4. its
    own digest is right; 5. where a checkpoint stands, the digest is the checkpoint's; 6. no checkpoint lies
    beyond the end.
    """
    kept: dict[int, bytes] = {}
    for each in sorted(checkpoints, key=lambda c: c.number):
        if kept.setdefault(each.number, each.digest) != each.digest:
            return Checked(first, first - 1, BEGINNING, 0, fault(each.number, "checkpoint_differs"))
    covered = 0
    before = BEGINNING if first == 1 else kept.get(first - 1)
    last = first - 1
    for line in lines:
        number = last + 1
        code, digest = _read(line, number, before)
        if not code and kept.get(number, digest) != digest:
            code = "checkpoint_differs"
        if code:
            return Checked(first, last, before or BEGINNING, covered, fault(number, code))
        before, last = digest, number
        if number in kept:
            covered = number
    beyond = any(number > last for number in kept)
    return Checked(
        first, last, before or BEGINNING, covered, fault(last + 1, "truncated") if beyond else None
    )


def _read(line: bytes, number: int, before: bytes | None) -> tuple[str, bytes]:
    """What is wrong with the line as entry ``number``, "" for nothing; and its digest."""
    try:
        if len(line) > MAX_LINE or not line.endswith(b"\n"):
            raise ValueError("line")
        entry = json.loads(line)
        check_form(entry)
        if line_of(entry) != line:
            raise ValueError("spelling")
    except (ValueError, RecursionError):
        return "malformed", BEGINNING
    digest = hashlib.sha256(canonical({k: v for k, v in entry.items() if k != "digest"})).digest()
    if digest.hex() != entry["digest"]:
        return "digest", BEGINNING
    if entry["number"] != number:
        return "number", BEGINNING
    if before is not None and bytes.fromhex(entry["previous"]) != before:
        return "previous", BEGINNING
    return "", digest


def check_export(
    lines: Iterable[bytes],
    checkpoints: Sequence[Checkpoint] = (),
    *,
    first: int = 1,
    key: tuple[str, Ed25519PublicKey] | None = None,
) -> Checked:
    """:func:`walk` with checkpoints that must be of one trail and, with ``key``, signed by it."""
    for each in checkpoints:
        if each.origin != checkpoints[0].origin:
            return Checked(first, first - 1, BEGINNING, 0, fault(each.number, "checkpoint_origin"))
        if key is not None and not signed_by(each, *key):
            return Checked(first, first - 1, BEGINNING, 0, fault(each.number, "checkpoint_signature"))
    return walk(lines, checkpoints, first=first)
