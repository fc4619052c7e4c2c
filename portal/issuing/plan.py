"""Who signs which field of a record, decided before anything is signed.

A field is signed by the one person whom the trust tables approve for that school, role and subject and whose
key is at hand (local, or an external one that signs digests elsewhere). Where several could sign, or where
the principal signs for a subject teacher ("ký thay"), the plan file says so::

    {"*":  {"GVBM.TIN_HOC": {"ky_thay": true}},
     "6A": {"GVCN": {"certificate": "3f9a0c12"}, "GVBM.TOAN": {"certificate": "77b1…"}}}

First key: the class (``lop``), or ``*`` for all; the own word of a class counts first. ``certificate``: the
first 8 or more hex digits of the SHA-256 of the certificate.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from portal.issuing.keys import KeyRing
from verifier.errors import InvalidInput, Problem
from verifier.record import Level, Record, comparison_key, subjects
from verifier.report import Role
from verifier.trust import AuthorisedSigner

EVERY_CLASS = "*"
KY_THAY = "ky_thay"
_PREFIX = re.compile(r"[0-9a-f]{8,64}")


@dataclass(frozen=True, slots=True)
class Seat:
    """One field and who signs it. ``capacity``: "", KT, Q, or ``ky_thay``; ``lines``: the visible words."""

    field: str
    certificate_sha256: str
    capacity: str
    lines: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "field": self.field,
            "certificate": self.certificate_sha256,
            "capacity": self.capacity,
            "lines": list(self.lines),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Seat:
        return cls(
            str(data["field"]),
            str(data["certificate"]),
            str(data["capacity"]),
            tuple(map(str, data["lines"])),
        )


@dataclass(frozen=True, slots=True)
class Choice:
    """What a plan file says about one field."""

    certificate: str | None = None
    ky_thay: bool = False


class Choices:
    """A read plan file; without one nothing is said."""

    def __init__(self, by_class: Mapping[str, Mapping[str, Choice]] | None = None) -> None:
        self._by_class = dict(by_class or {})

    def of(self, school_class: str, field: str) -> Choice:
        own = self._by_class.get(school_class, {}).get(field)
        return own or self._by_class.get(EVERY_CLASS, {}).get(field) or Choice()

    def unknown(self, name: str, fields_of: Mapping[str, frozenset[str]]) -> tuple[Problem, ...]:
        """What the plan file ``name`` says of classes and fields that the class file has not: a slip of the
        pen there would silently leave a field to somebody else.

        ``fields_of``: class -> its signature fields; an empty set when they are not known.
        """
        problems: list[Problem] = []
        for school_class, said in self._by_class.items():
            where = f"{name}: {school_class}"
            if school_class != EVERY_CLASS and school_class not in fields_of:
                known = ", ".join(sorted(fields_of))
                problems.append(
                    Problem(where, "plan_class", f"Tệp không có lớp “{school_class}”; có: {known}.")
                )
                continue
            sets = list(fields_of.values()) if school_class == EVERY_CLASS else [fields_of[school_class]]
            if not all(sets):
                continue
            known_fields = frozenset[str]().union(*sets)
            problems += (
                Problem(
                    f"{where}.{field}",
                    "plan_field",
                    f"Học bạ của tệp này không có trường ký {field}; có: {', '.join(sorted(known_fields))}.",
                )
                for field in said
                if field not in known_fields
            )
        return tuple(problems)

    @classmethod
    def read(cls, path: Path) -> Choices:
        """Raises :class:`InvalidInput` with every mistake of the file."""
        try:
            data = json.loads(path.read_text("utf-8-sig"))
        except (OSError, ValueError) as error:
            raise InvalidInput(
                (Problem(path.name, "plan", f"Không đọc được kế hoạch ký: {error}."),)
            ) from error
        problems: list[Problem] = []

        def wrong(where: str, message: str) -> None:
            problems.append(Problem(f"{path.name}: {where}", "plan", message))

        by_class: dict[str, dict[str, Choice]] = {}
        if not isinstance(data, dict):
            wrong("$", "Phải là một đối tượng JSON: lớp → trường ký → người ký.")
            data = {}
        for school_class, fields in data.items():
            if not isinstance(fields, dict):
                wrong(school_class, "Phải là một đối tượng JSON: trường ký → người ký.")
                continue
            for field, said in fields.items():
                choice = _choice(said)
                if choice is None or not re.fullmatch(r"GVBM\.[A-Z0-9_]+|GVCN|CBQL|KY_PHAT_HANH", field):
                    wrong(
                        f"{school_class}.{field}",
                        "Trường ký phải là GVBM.<mã môn>, GVCN, CBQL hoặc KY_PHAT_HANH; giá trị là "
                        '{"certificate": "<từ 8 chữ số hex đầu của SHA-256>"} hoặc {"ky_thay": true}.',
                    )
                elif choice.ky_thay and not field.startswith("GVBM."):
                    wrong(f"{school_class}.{field}", "Chỉ được ký thay giáo viên môn học (GVBM).")
                else:
                    by_class.setdefault(school_class, {})[field] = choice
        if problems:
            raise InvalidInput(tuple(problems))
        return cls(by_class)


def _choice(said: object) -> Choice | None:
    if not isinstance(said, dict) or len(said) != 1:
        return None
    match said:
        case {"certificate": str() as prefix} if _PREFIX.fullmatch(prefix.lower()):
            return Choice(certificate=prefix.lower())
        case {"ky_thay": True}:
            return Choice(ky_thay=True)
        case _:
            return None


def seats(
    record: Record,
    signers: Iterable[AuthorisedSigner],
    ring: KeyRing,
    choices: Choices,
    *,
    school_name: str,
    now: datetime,
) -> tuple[Seat, ...]:
    """One seat for each signature field of ``record``, in signing order.

    Raises :class:`InvalidInput` with every field that nobody, or more than one, could sign.
    """
    able = [
        s
        for s in signers
        if s.school_code == record.issuer and s.covers(now) and ring.find(s.certificate_sha256) is not None
    ]
    names = {subject.code: subject.name for subject in subjects(record.level, record.grade)}
    problems: list[Problem] = []
    filled: list[Seat] = []
    for field in record.signature_fields:
        role, _, subject = field.partition(".")
        choice = choices.of(record.common.lop, field)
        wanted = Role.CBQL if choice.ky_thay else Role(role)
        found = _distinct(
            s
            for s in able
            if s.role is wanted
            and (wanted is not Role.GVBM or not s.subject_codes or subject in s.subject_codes)
            and (choice.certificate is None or s.certificate_sha256.startswith(choice.certificate))
        )
        if wanted is Role.CBQL and len(found) > 1:
            # The form prints who signs for the school: that person it is.
            found = [s for s in found if _same_name(s.display_name, record.common.nguoi_ky)]
        if len(found) != 1:
            problems.append(_nobody(field, found, wanted))
            continue
        signer = found[0]
        if field == "CBQL" and not _same_name(signer.display_name, record.common.nguoi_ky):
            problems.append(
                Problem(
                    "nguoi_ky",
                    "other_signer",
                    f"Học bạ ghi người ký là “{record.common.nguoi_ky}” nhưng người được duyệt ký là "
                    f"“{signer.display_name}”.",
                )
            )
        capacity = KY_THAY if choice.ky_thay else signer.capacity
        if field == "KY_PHAT_HANH":
            lines: tuple[str, ...] = ("Ký phát hành", school_name)
        else:
            lines = _lines(record, field, names.get(subject, subject), signer, capacity)
        filled.append(Seat(field, signer.certificate_sha256, capacity, lines))
    if problems:
        raise InvalidInput(tuple(problems))
    return tuple(filled)


def _distinct(signers: Iterable[AuthorisedSigner]) -> list[AuthorisedSigner]:
    """One entry a certificate; the one held in own right before KT. and Q."""
    ordered = sorted(signers, key=lambda s: (s.capacity, s.certificate_sha256), reverse=True)
    return list({s.certificate_sha256: s for s in ordered}.values())


def _nobody(field: str, found: list[AuthorisedSigner], wanted: Role) -> Problem:
    if not found:
        return Problem(
            field,
            "no_signer",
            f"Không có ai vừa được duyệt ký vai {wanted.value} của trường vừa có khoá hoặc chứng thư số "
            "trong SIGNING_KEYS.",
        )
    people = ", ".join(f"{s.display_name} ({s.certificate_sha256[:8]})" for s in found)
    return Problem(
        field,
        "several_signers",
        f"Có {len(found)} người ký được: {people}; chọn một người trong tệp kế hoạch ký.",
    )


def _lines(
    record: Record, field: str, subject: str, seat: AuthorisedSigner, capacity: str
) -> tuple[str, ...]:
    """The words in a person's box. Names come from our tables, never from the certificate."""
    head = "Giám đốc" if record.level is Level.GDTX_THPT else "Hiệu trưởng"
    match field.partition(".")[0], capacity:
        case "GVBM", "ky_thay":
            titles: tuple[str, ...] = (f"Ký thay giáo viên môn {subject}",)
        case "GVBM", _:
            titles = (f"Giáo viên môn {subject}",)
        case "GVCN", _:
            titles = ("Giáo viên chủ nhiệm",)
        case _, "KT":
            titles = (f"KT. {head}", record.common.chuc_vu)
        case _:
            titles = (record.common.chuc_vu,)
    return (*titles, seat.display_name)


def _same_name(one: str, other: str) -> bool:
    return comparison_key(one) == comparison_key(other)
