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
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from portal.issuing.keys import KeyRing
from portal.issuing.signing import VIETNAM
from verifier.certificates import find_path, read_certificate
from verifier.errors import InvalidInput, Problem
from verifier.policy import ValidationPolicy
from verifier.record import Record, comparison_key
from verifier.report import Role
from verifier.revocation import check_revocation
from verifier.trust import Approval, AuthorisedSigner, TrustStore

EVERY_CLASS = "*"
KY_THAY = "ky_thay"
_PREFIX = re.compile(r"[0-9a-f]{8,64}")


@dataclass(frozen=True, slots=True)
class Advice:
    """What whoever issues can do about a signer who cannot sign, as ends of sentences: it differs between a
    shell and a page.
    """

    choose: str  # somebody else
    among: str  # where several could sign
    register: str  # a certificate for a role
    ky_thay: str  # the principal signs for a subject teacher
    approve: str
    renew: str
    no_key: str
    pin: str
    lists: str
    first: str  # instead of a correction
    # Whole sentences about a pupil who has a record with other content.
    correct: str
    unfinished: str

    @property
    def another(self) -> str:
        return f"hoặc {self.choose}"


COMMANDS: Final = Advice(
    choose="chọn người khác trong tệp kế hoạch ký (--plan)",
    among="chọn một người trong tệp kế hoạch ký",
    register="đăng ký và duyệt bằng lệnh trust add-signer, trust approve",
    ky_thay="ghi ký thay trong tệp kế hoạch ký",
    approve="duyệt bằng lệnh trust approve rồi chạy lại",
    renew="đăng ký chứng thư số mới (trust add-signer, trust approve) và thay khoá trong SIGNING_KEYS",
    no_key="không có khoá hay chứng thư số trong SIGNING_KEYS; thêm vào tệp đó",
    pin="ghim CA bằng lệnh trust add-anchor hoặc thêm chứng thư trung gian vào khoá",
    lists="nạp bản mới (trust import-crl) rồi chạy lại",
    first="hãy dùng lệnh issue",
    correct="Muốn sửa học bạ đã cấp, dùng lệnh correct.",
    unfinished="Bản đó chưa cấp xong: chạy tiếp với nội dung cũ, hoặc thêm --restart để bỏ bản dở dang.",
)
PAGES: Final = Advice(
    choose="chọn người khác ở mục “Ai ký”",
    among="chọn một người ở mục “Ai ký”",
    register="người đó gửi chứng thư số ở mục “Chứng thư số của tôi” để Sở duyệt",
    ky_thay="chọn hiệu trưởng ký thay ở mục “Ai ký”",
    approve="đợi Sở duyệt rồi xem lại",
    renew="người đó gửi chứng thư số mới ở mục “Chứng thư số của tôi”",
    no_key="chưa gắn với tài khoản nào; người đó gửi chứng thư số ở mục “Chứng thư số của tôi”",
    pin="báo Sở để kiểm tra nơi cấp chứng thư số này",
    lists="báo Sở rồi xem lại sau",
    first="hãy gửi tệp là “cấp lần đầu”",
    correct="Muốn sửa học bạ đã cấp, hãy gửi tệp là “sửa học bạ đã cấp”.",
    unfinished="Bản đó đang chờ ký: rút tệp đã gửi trước rồi gửi lại tệp này.",
)


@dataclass(frozen=True, slots=True)
class Seat:
    """One field and who signs it. ``capacity``: "", KT, Q, or ``ky_thay``.

    ``name`` is printed on the page under the signature; ``lines`` stand in the signature, above its time.
    """

    field: str
    certificate_sha256: str
    capacity: str
    name: str
    lines: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "field": self.field,
            "certificate": self.certificate_sha256,
            "capacity": self.capacity,
            "name": self.name,
            "lines": list(self.lines),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Seat:
        return cls(
            str(data["field"]),
            str(data["certificate"]),
            str(data["capacity"]),
            str(data["name"]),
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
            return cls.parse(path.read_text("utf-8-sig"), path.name)
        except FileNotFoundError as error:
            raise InvalidInput((Problem(path.name, "plan", f"Không có tệp kế hoạch ký {path}."),)) from error
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInput((_unreadable(path.name, error),)) from error

    @classmethod
    def parse(cls, text: str, name: str) -> Choices:
        """Raises :class:`InvalidInput` with every mistake of the text, which a person knows as ``name``."""
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InvalidInput((_unreadable(name, error),)) from error
        problems: list[Problem] = []

        def wrong(where: str, message: str) -> None:
            problems.append(Problem(f"{name}: {where}", "plan", message))

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


def _unreadable(name: str, error: Exception) -> Problem:
    return Problem(name, "plan", f"Không đọc được kế hoạch ký: {error}.")


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
    signers: Sequence[AuthorisedSigner],
    ring: KeyRing,
    choices: Choices,
    *,
    school_name: str,
    now: datetime,
    advice: Advice = COMMANDS,
) -> tuple[Seat, ...]:
    """One seat for each signature field of ``record``, in signing order.

    Raises :class:`InvalidInput` with every field that nobody, or more than one, could sign.
    """
    able = [
        s
        for s in signers
        if s.school_code == record.issuer and s.covers(now) and ring.find(s.certificate_sha256) is not None
    ]
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
        if not found:
            problems += _nobody(
                field,
                wanted,
                subject,
                choice,
                school_code=record.issuer,
                signers=signers,
                now=now,
                advice=advice,
            )
            continue
        if len(found) > 1:
            problems.append(_several(field, found, advice))
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
        # Names come from our tables, never from the certificate.
        name = school_name if field == "KY_PHAT_HANH" else signer.display_name
        lines = _lines(Role(role), name, capacity)
        filled.append(Seat(field, signer.certificate_sha256, capacity, name, lines))
    if problems:
        raise InvalidInput(tuple(problems))
    return tuple(filled)


def _distinct(signers: Iterable[AuthorisedSigner]) -> list[AuthorisedSigner]:
    """One entry a certificate; the one held in own right before KT. and Q."""
    ordered = sorted(signers, key=lambda s: (s.capacity, s.certificate_sha256), reverse=True)
    return list({s.certificate_sha256: s for s in ordered}.values())


def _nobody(
    field: str,
    wanted: Role,
    subject: str,
    choice: Choice,
    *,
    school_code: str,
    signers: Iterable[AuthorisedSigner],
    now: datetime,
    advice: Advice,
) -> list[Problem]:
    """Why none of those who are entered for ``field`` can sign it: a problem a person."""
    rows: dict[str, list[AuthorisedSigner]] = {}
    for s in signers:
        if (
            s.school_code == school_code
            and s.role is wanted
            and (wanted is not Role.GVBM or not s.subject_codes or subject in s.subject_codes)
            and (choice.certificate is None or s.certificate_sha256.startswith(choice.certificate))
        ):
            rows.setdefault(s.certificate_sha256, []).append(s)
    if not rows:
        chosen = f" mang chứng thư số {choice.certificate}… như kế hoạch ký" if choice.certificate else ""
        return [
            Problem(
                field,
                "no_signer",
                f"Trường {school_code} chưa đăng ký ai ký {field} (vai {wanted.value}){chosen}; "
                + advice.register
                + (f", hoặc {advice.ky_thay}." if wanted is Role.GVBM else "."),
            )
        ]
    no_key = f"{advice.no_key}, {advice.another}"
    return [
        Problem(
            field,
            "no_signer",
            f"{_called(found)} {_authority_fault(found, now, advice) or no_key}.",
        )
        for found in rows.values()
    ]


def _several(field: str, found: list[AuthorisedSigner], advice: Advice) -> Problem:
    people = ", ".join(f"{s.display_name} ({s.certificate_sha256[:8]})" for s in found)
    return Problem(
        field,
        "several_signers",
        f"Có {len(found)} người ký được: {people}; {advice.among}.",
    )


def _called(rows: Sequence[AuthorisedSigner]) -> str:
    return f"Người ký “{rows[0].display_name}” ({rows[0].certificate_sha256[:8]})"


def _authority_fault(rows: Sequence[AuthorisedSigner], now: datetime, advice: Advice) -> str:
    """Why no row of a certificate lets it sign now, as the end of a sentence; empty when one does."""
    if any(row.covers(now) for row in rows):
        return ""
    approved = [row for row in rows if row.approval is Approval.APPROVED]
    if not approved:
        return f"chưa được duyệt ký vai này; {advice.approve}"
    suspended = [row.invalid_since for row in approved if row.invalid_since and row.invalid_since <= now]
    if suspended:
        since = f"{min(suspended).astimezone(VIETNAM):%H:%M %d/%m/%Y}"
        return f"bị đình chỉ quyền ký từ {since}; {advice.choose}"
    # A row without dates of its own has those of its certificate.
    later = [row.valid_from for row in approved if now < row.valid_from]
    if later:
        return f"chỉ được ký từ {min(later).astimezone(VIETNAM):%d/%m/%Y}; đợi đến ngày đó, {advice.another}"
    ended = max(row.valid_to for row in approved if row.valid_to is not None)
    until, renewed = f"{ended.astimezone(VIETNAM):%d/%m/%Y}", f"{advice.renew}, {advice.another}"
    return f"đã hết hạn ký ngày {until} (hạn được duyệt, thường là hạn của chứng thư số); {renewed}"


def unfit(
    chosen: Iterable[Seat],
    school_code: str,
    certificate_of: Callable[[str], tuple[bytes, tuple[bytes, ...]] | None],
    *,
    store: TrustStore,
    policy: ValidationPolicy,
    now: datetime,
    advice: Advice = COMMANDS,
) -> tuple[Problem, ...]:
    """Whose signature our own check would not accept now, and why: said before a key is used.

    Judged as ``verifier.signatures`` does: our table, the certificate's path, revocation by the pinned lists.
    ``certificate_of``: SHA-256 -> (certificate, chain), DER; None when it is not at hand, then only our table
    is asked.
    """
    return tuple(
        Problem(seat.field, code, f"{name} {fault}.")
        for seat in chosen
        for code, name, fault in [
            _seat_fault(seat, school_code, certificate_of, store=store, policy=policy, now=now, advice=advice)
        ]
        if code
    )


def _seat_fault(
    seat: Seat,
    school_code: str,
    certificate_of: Callable[[str], tuple[bytes, tuple[bytes, ...]] | None],
    *,
    store: TrustStore,
    policy: ValidationPolicy,
    now: datetime,
    advice: Advice,
) -> tuple[str, str, str]:
    """(code, who, end of the sentence); the code is empty when nothing is wrong."""
    # 1 Our own table.
    role, _, subject = seat.field.partition(".")
    wanted = Role.CBQL if seat.capacity == KY_THAY else Role(role)
    rows = [
        row
        for row in store.signers_by_certificate.get(seat.certificate_sha256, ())
        if row.school_code == school_code
        and row.role is wanted
        and (wanted is not Role.GVBM or not row.subject_codes or subject in row.subject_codes)
    ]
    if not rows:
        who = f"Chứng thư số {seat.certificate_sha256[:8]}"
        return "signer_not_approved", who, f"không còn được đăng ký ký vai {wanted.value}; {advice.choose}"
    fault = _authority_fault(rows, now, advice)
    if fault:
        return "signer_not_approved", _called(rows), fault

    # 2 The certificate, up to a pinned root.
    renewed = f"{advice.renew}, {advice.another}"
    at_hand = certificate_of(seat.certificate_sha256)
    if at_hand is None:
        return "", "", ""
    der, chain = at_hand
    leaf = read_certificate(der)
    path = find_path(leaf, map(read_certificate, chain), store, policy, now)
    code = "no_path" if path is None else path.code
    if path is None or code:
        since, until = (f"{day.astimezone(VIETNAM):%d/%m/%Y}" for day in (leaf.not_before, leaf.not_after))
        said = {
            "expired": f"có chứng thư số đã hết hạn ngày {until}; {renewed}",
            "not_yet_valid": f"có chứng thư số chưa có hiệu lực (từ {since}); đợi đến ngày đó, "
            + advice.another,
            "ca_not_yet_valid": f"có chứng thư số do một CA chưa có hiệu lực cấp; {renewed}",
            "ca_expired": f"có chứng thư số do một CA đã hết hạn cấp; {renewed}",
            "no_path": "có chứng thư số không nối được tới CA gốc nào đã ghim; "
            f"{advice.pin}, {advice.another}",
        }
        unknown = f"có chứng thư số không dùng được để ký ({code}); {renewed}"
        return f"signer_{code}", _called(rows), said.get(code, unknown)

    # 3 Revocation, by the pinned lists.
    code = check_revocation(path, store, now, now).code
    said = {
        "certificate_revoked": f"có chứng thư số đã bị thu hồi; {renewed}",
        "ca_revoked": f"có chứng thư số do một CA đã bị thu hồi cấp; {renewed}",
    }
    state = "đã quá hạn" if code == "crl_stale" else "chưa có"
    lists = f"chưa kiểm tra được thu hồi: danh sách thu hồi (CRL) của nơi cấp {state}; {advice.lists}"
    return (f"signer_{code}", _called(rows), said.get(code, lists)) if code else ("", "", "")


def _lines(role: Role, name: str, capacity: str) -> tuple[str, ...]:
    """The words in a signature, above its time; what the page says beside it is not said again.

    A subject teacher's place is small and the name is printed right below it, so only the kind is said there.
    """
    match role:
        case Role.GVBM:
            return ("Ký thay giáo viên môn học" if capacity == KY_THAY else "Đã ký số",)
        case Role.KY_PHAT_HANH:
            return ("Ký phát hành", name)
        case _:
            return (name,)


def _same_name(one: str, other: str) -> bool:
    return comparison_key(one) == comparison_key(other)
