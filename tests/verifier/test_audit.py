"""The offline checker: what no falsified copy of a trail gets past (SEC-31)."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.trail import AT, ORIGIN, checkpoint, digest, edited, members, trail
from verifier.audit import (
    ACTORS,
    BEGINNING,
    DETAILS,
    OBJECTS,
    Action,
    Checkpoint,
    Outcome,
    check_export,
    check_form,
    line_of,
    read_checkpoint,
    read_verifier_key,
    seal,
    sign_checkpoint,
    signed_by,
    verifier_key,
    walk,
)
from verifier.errors import InvalidInput

DOCUMENT = Path(__file__).parents[2] / "docs/audit.md"
LINES = trail(12)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def fault(lines: list[bytes], *checkpoints: Checkpoint, first: int = 1) -> tuple[int, str]:
    found = walk(lines, checkpoints, first=first).fault
    return (0, "") if found is None else (found.number, found.code)


# ------------------------------------------------------------------------------------------------- the form


def test_the_published_vectors() -> None:
    """docs/audit.md, computed by hand: sorted members, no blanks, ASCII as it is (RFC 8785)."""
    vectors = re.findall(r"^    (\{\"action\".*\})$", DOCUMENT.read_text("utf-8"), re.MULTILINE)
    assert len(vectors) == 3
    before = "0" * 64
    for number, text in enumerate(vectors, 1):
        entry = json.loads(text)
        assert (entry["number"], entry["previous"]) == (number, before)
        told = {name: value for name, value in entry.items() if name != "digest"}
        plain = json.dumps(told, sort_keys=True, separators=(",", ":")).encode("ascii")
        before = hashlib.sha256(plain).hexdigest()
        assert entry["digest"] == before
    found = walk(f"{text}\n".encode() for text in vectors)
    assert (found.fault, found.last, found.digest.hex()) == (None, 3, before)


def test_the_published_checkpoint() -> None:
    """The note of docs/audit.md, signed with the key that stands there, names the last vector."""
    text = DOCUMENT.read_text("utf-8")
    note = re.search(r"((?:^    .*\n){4}\n^    — .*\n)", text, re.MULTILINE)
    key = re.search(r"^    (hocba\.example\.vn/audit\+\S+)$", text, re.MULTILINE)
    vectors = re.findall(r"^    (\{\"action\".*\})$", text, re.MULTILINE)
    assert note is not None
    assert key is not None
    read = read_checkpoint(re.sub(r"^    ", "", note[1], flags=re.MULTILINE).encode())
    found = check_export((f"{v}\n".encode() for v in vectors), [read], key=read_verifier_key(key[1]))
    assert (found.fault, found.covered) == (None, 3)


def test_every_word_is_explained() -> None:
    """Each action, outcome, kind and detail stands in a table of docs/audit.md, and no other does."""
    told = set(re.findall(r"^\| `([a-z_]+)`", DOCUMENT.read_text("utf-8"), re.MULTILINE))
    members_told = set(members(1, BEGINNING)) | {"v", "digest"}
    assert told == {*Action, *Outcome, *ACTORS, *OBJECTS, *DETAILS, *members_told}


@given(
    st.dictionaries(st.sampled_from(["version", "epoch", "count"]), st.integers(0, 2**53 - 1)),
    st.dictionaries(st.sampled_from(["file", "digest"]), st.from_regex(r"[0-9a-f]{64}", fullmatch=True)),
    st.from_regex(r"[A-Za-z0-9._-]{1,20}", fullmatch=True),
)
def test_the_form_is_that_of_rfc_8785(numbers: Any, codes: Any, office: str) -> None:
    """Another implementation writes the same bytes."""
    entry = seal(members(1, BEGINNING, details={**numbers, **codes}, organisation=office))
    assert line_of(entry) == rfc8785.dumps(entry) + b"\n"
    plain = {name: value for name, value in entry.items() if name != "digest"}
    assert entry["digest"] == hashlib.sha256(rfc8785.dumps(plain)).hexdigest()


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("v", 2),
        ("v", True),
        ("number", 0),
        ("number", "1"),
        ("at", "2026-10-05T02:30:00Z"),
        ("at", "2026-13-05T02:30:00.000000Z"),
        ("actor", "an.nguyen"),
        ("actor", "person:an"),
        ("actor", "command:Nguyễn Văn An"),
        ("actor", None),
        ("action", "look"),
        ("outcome", "perhaps"),
        ("object", "record:ABCDEFGHJKMNPQRS"),
        ("object", "pupil:An"),
        ("organisation", "Trường Tiểu học"),
        ("pupil", "0109876501"),
        ("purpose", "Chuyển trường"),
        ("basis", 1),
        ("details", None),
        ("details", {"name": "An"}),
        ("details", {"version": 1.5}),
        ("details", {"version": "1"}),
        ("details", {"reason": ["x"]}),
        ("previous", ""),
        ("digest", "A" * 64),
    ],
)
def test_what_is_no_entry(where: str, value: object) -> None:
    entry = json.loads(LINES[0])
    check_form(entry)
    with pytest.raises(ValueError, match=rf"^({where}|.*not a valid|Invalid isoformat|month must)"):
        check_form(entry | {where: value})
    assert fault([line_of(entry | {where: value})]) == (1, "malformed")


def test_members_are_exact() -> None:
    entry = json.loads(LINES[0])
    for other in (entry | {"note": 1}, {k: v for k, v in entry.items() if k != "basis"}, [entry], None):
        with pytest.raises(ValueError, match="members"):
            check_form(other)
    with pytest.raises(ValueError, match="number"):
        check_form(entry | {"number": 2**53})  # beyond what every JSON reader keeps
    with pytest.raises(ValueError, match="members"):
        seal({"number": 1})


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"{}\n",
        LINES[0][:-1],
        LINES[0][:-1] + b"\r\n",
        b" " + LINES[0],
        LINES[0].replace(b":1,", b":1.0,"),
        LINES[0].replace(b'{"action"', b'{"action":"recall","action"'),
        LINES[0].replace(b"issue", b"\\u0069ssue"),
        b"[" * 4000 + b"\n",
        b"\xff\n",
        b'"' + b"x" * 9000 + b'"\n',
    ],
)
def test_one_spelling_of_a_line(line: bytes) -> None:
    assert fault([line, *LINES[1:]]) == (1, "malformed")


# ---------------------------------------------------------------------------------------------- falsifying


def test_a_whole_copy_with_its_checkpoint() -> None:
    found = walk(LINES, [checkpoint(LINES, 10)])
    assert (found.fault, found.first, found.last, found.covered) == (None, 1, 12, 10)
    assert found.digest == digest(LINES[-1])


@given(st.data())
def test_an_edit_is_found_where_it_is(data: st.DataObject) -> None:
    """SEC-31: whichever member of whichever entry becomes whatever else."""
    place = data.draw(st.integers(0, len(LINES) - 1))
    other: dict[str, Any] = data.draw(
        st.sampled_from(
            [
                {"at": "2026-10-05T02:30:00.000001Z"},
                {"actor": "command:other"},
                {"action": "recall"},
                {"outcome": "refused"},
                {"object": None},
                {"organisation": "005678"},
                {"pupil": None},
                {"purpose": "transfer"},
                {"basis": "law"},
                {"details": {}},
            ]
        )
    )
    mutated = [*LINES]
    mutated[place] = edited(LINES[place], **other)
    assert fault(mutated, checkpoint(LINES)) == (place + 1, "digest")
    # With its own digest put right, the link to the next entry is broken; of the last one, the checkpoint's.
    mutated[place] = edited(LINES[place], resealed=True, **other)
    last = place == len(LINES) - 1
    expected = (place + 1, "checkpoint_differs") if last else (place + 2, "previous")
    assert fault(mutated, checkpoint(LINES)) == expected


@given(st.integers(0, 11), st.integers(0, 4095), st.integers(1, 255))
def test_a_flipped_byte_is_found(place: int, position: int, bits: int) -> None:
    """SEC-31: nothing in a line is without meaning."""
    line = bytearray(LINES[place])
    line[position % len(line)] ^= bits
    mutated = [*LINES[:place], bytes(line), *LINES[place + 1 :]]
    assert fault(mutated, checkpoint(LINES))[0] == place + 1


@given(st.integers(1, 12), st.integers(1, 12))
def test_a_deletion_is_found_where_it_is(start: int, count: int) -> None:
    """SEC-31: from the beginning, the middle or the end."""
    mutated = LINES[: start - 1] + LINES[start - 1 + count :]
    cut = len(mutated) < start
    assert fault(mutated, checkpoint(LINES)) == (start, "truncated" if cut else "number")


@given(st.permutations(range(12)))
def test_an_order_is_found_where_it_begins_to_differ(order: list[int]) -> None:
    """SEC-31."""
    moved = next((place for place, number in enumerate(order) if place != number), None)
    expected = (0, "") if moved is None else (moved + 1, "number")
    assert fault([LINES[number] for number in order], checkpoint(LINES)) == expected


@given(st.integers(0, 12), st.integers(1, 14), st.booleans())
def test_an_insertion_is_found_where_it_is(place: int, number: int, fitting: bool) -> None:
    """SEC-31: a stranger's entry, fitted to the one before it or not; a copy of another line."""
    before = BEGINNING if place == 0 else digest(LINES[place - 1])
    number = place + 1 if fitting else number
    stranger = line_of(seal(members(number, before, actor="command:stranger")))
    mutated = [*LINES[:place], stranger, *LINES[place:]]
    if place == len(LINES) and number == place + 1:
        # Appended behind the checkpoint: in order, and covered by nothing.
        assert walk(mutated, [checkpoint(LINES)]).covered == len(LINES)
        assert walk(mutated, [checkpoint(LINES)]).last == len(LINES) + 1
    elif number == place + 1:
        # Fitted, it pushes the true one out of its place.
        last = place == len(LINES) - 1
        expected = (place + 1, "checkpoint_differs") if last else (place + 2, "number")
        assert fault(mutated, checkpoint(LINES)) == expected
    else:
        assert fault(mutated, checkpoint(LINES)) == (place + 1, "number")
    twice = [*LINES[:place], LINES[place % 12], *LINES[place:]]
    assert fault(twice, checkpoint(LINES))[0] in (place + 1, place + 2)


@given(st.integers(0, 11))
def test_truncation_is_found_against_a_checkpoint_only(kept: int) -> None:
    """SEC-31: without one the rest is in order; nothing is said to be covered."""
    assert fault(LINES[:kept], checkpoint(LINES)) == (kept + 1, "truncated")
    found = walk(LINES[:kept])
    assert (found.fault, found.last, found.covered) == (None, kept, 0)


@given(st.integers(1, 12), st.integers(1, 12))
def test_a_trail_written_anew_is_found_at_the_next_checkpoint(place: int, at: int) -> None:
    """SEC-31: whoever owns the database makes a chain that is perfect in itself."""
    before = BEGINNING if place == 1 else digest(LINES[place - 2])
    forged = LINES[: place - 1] + trail(13 - place, first=place, previous=before, actor="command:other")
    assert fault(forged) == (0, "")
    expected = (at, "checkpoint_differs") if at >= place else (0, "")
    assert fault(forged, checkpoint(LINES, at)) == expected
    both = walk(forged, [checkpoint(LINES, at), checkpoint(LINES)])
    assert both.fault is not None
    assert both.covered == (at if at < place else 0)


def test_two_checkpoints_that_contradict_each_other() -> None:
    """A log that showed two faces: neither is believed."""
    other = replace(checkpoint(LINES), digest=BEGINNING)
    assert fault(LINES, checkpoint(LINES), other) == (12, "checkpoint_differs")


def test_a_part_of_a_trail() -> None:
    """From entry 5 on: as a whole by a later checkpoint, its first link by one on the entry before."""
    part = LINES[4:]
    assert fault(part) == (1, "number")
    assert fault(part, first=6) == (6, "number")
    found = walk(part, [checkpoint(LINES)], first=5)
    assert (found.fault, found.first, found.last, found.covered) == (None, 5, 12, 12)
    assert walk(part, [checkpoint(LINES, 4)], first=5).covered == 0
    assert fault(part, replace(checkpoint(LINES, 4), digest=BEGINNING), first=5) == (5, "previous")


# ---------------------------------------------------------------------------------------------- checkpoints


def test_a_checkpoint_is_read_as_it_is_written() -> None:
    plain = checkpoint(LINES)
    assert read_checkpoint(plain.note.encode()) == plain
    signed = sign_checkpoint(plain, KEY)
    assert read_checkpoint(signed.note.encode()) == signed
    assert signed.note.splitlines()[:4] == [
        ORIGIN,
        "12",
        base64.b64encode(digest(LINES[-1])).decode(),
        "at 2026-10-05T02:30:00.000000Z",
    ]


@pytest.mark.parametrize(
    "change",
    [
        lambda note: note[:-1],
        lambda note: note.replace("\n", "\r\n"),
        lambda note: note.replace("\n12\n", "\n012\n"),
        lambda note: note.replace("\n12\n", "\n0\n"),
        lambda note: note.replace("\n12\n", "\n-1\n"),
        lambda note: note.replace("\n12\n", "\nx\n"),
        lambda note: note.replace(ORIGIN, "Hoc ba"),
        lambda note: note.replace("at 2026", "2026"),
        lambda note: note.replace(".000000Z", "Z"),
        lambda note: note.replace("— ", "-- "),
        lambda note: note.replace("\n\n", "\n"),
        lambda note: note + "x\n",
        lambda note: "",
    ],
)
def test_what_is_no_checkpoint(change: Any) -> None:
    note = sign_checkpoint(checkpoint(LINES), KEY).note
    with pytest.raises(InvalidInput):
        read_checkpoint(change(note).encode())


def test_bytes_that_are_no_text_are_no_checkpoint() -> None:
    with pytest.raises(InvalidInput):
        read_checkpoint(b"\xff\xfe")


def test_only_the_right_key_signs_a_checkpoint() -> None:
    public = read_verifier_key(verifier_key(ORIGIN, KEY.public_key().public_bytes_raw()))
    plain = checkpoint(LINES)
    signed = sign_checkpoint(plain, KEY)
    assert signed_by(signed, *public)
    assert check_export(LINES, [signed], key=public).fault is None
    other = Ed25519PrivateKey.from_private_bytes(bytes(32))
    moved = replace(signed, at=AT + timedelta(seconds=1))
    renamed = replace(signed, signatures=(("x", signed.signatures[0][1]),))
    for wrong in (plain, sign_checkpoint(plain, other), moved, renamed, replace(signed, number=11)):
        found = check_export(LINES, [wrong], key=public).fault
        assert found is not None
        assert found.code == "checkpoint_signature"
    # Several signatures: one of ours is enough, whoever else signed.
    assert signed_by(sign_checkpoint(sign_checkpoint(plain, other), KEY), *public)


def test_checkpoints_of_two_trails_do_not_go_together() -> None:
    found = check_export(LINES, [checkpoint(LINES, 3), checkpoint(LINES, origin="other/audit")]).fault
    assert found is not None
    assert found.code == "checkpoint_origin"


@pytest.mark.parametrize("text", ["", "x", "a+b", "a+00000000+AA==", "name+00000000+" + "A" * 44])
def test_what_is_no_public_key(text: str) -> None:
    with pytest.raises(InvalidInput):
        read_verifier_key(text)
    name = verifier_key(ORIGIN, KEY.public_key().public_bytes_raw())
    with pytest.raises(InvalidInput):
        read_verifier_key(name.replace(ORIGIN, "other"))
