"""What is asked of a text, a certificate or a CRL before it may enter the tables of trust."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from verifier import record as records
from verifier.certificates import Certificate, key_fault, read_certificate
from verifier.errors import InvalidInput, Problem
from verifier.policy import DEFAULT
from verifier.report import Role
from verifier.revocation import Crl, entry_details, read_crl

SECTORS: Final = {"cong_lap": "công lập", "tu_thuc": "tư thục"}
CAPACITIES: Final = ("", "KT", "Q")  # in own right, on behalf of the head, acting head

_CODE = re.compile(r"[A-Za-z0-9._-]+")
_BLANK = re.compile(r"[\x00-\x20\x7f]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_PHONE = re.compile(r"[0-9+(][0-9 ()+.-]{1,38}[0-9]")
_EMAIL = re.compile(r"[A-Za-z0-9._+-]{1,64}@([A-Za-z0-9-]+\.)+[A-Za-z]{2,}")
_LONGEST_EMAIL = 120
_FEWEST_DIGITS = 3  # 111, 1022 and the like are numbers to call
#: What the library raises for DER or PEM that it cannot read.
_UNREADABLE: Final = (
    ValueError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
PATH_FAULTS: Final = {
    "not_a_ca": "chuỗi chứng thư có một mắt xích không phải là tổ chức chứng thực",
    "path_too_long": "chuỗi chứng thư dài hơn mức tổ chức chứng thực cho phép",
    "unknown_critical_extension": "chứng thư có phần mở rộng bắt buộc mà hệ thống không hiểu",
    "ca_expired": "chứng thư của tổ chức chứng thực cấp dưới đã hết hạn trước chứng thư này",
    "ca_not_yet_valid": "chứng thư của tổ chức chứng thực cấp dưới có hiệu lực sau lúc này",
    "not_yet_valid": "chứng thư chưa có hiệu lực",
    "expired": "chứng thư đã hết hạn",
    "signer_is_ca": "đây là chứng thư của tổ chức chứng thực, không phải của người ký",
    "key_usage": "chứng thư không được cấp để ký (thiếu mục đích nonRepudiation)",
    "extended_key_usage": "chứng thư được cấp cho việc khác (TLS, dấu thời gian…), không phải để ký",
}


@dataclass(frozen=True, slots=True)
class ContactInput:
    """How a school or a department is reached; an empty text where it is not known."""

    phone: str = ""
    email: str = ""
    address: str = ""


NO_CONTACT: Final = ContactInput()


class Problems(list[Problem]):
    """Everything that is wrong with one input, collected before anything is refused."""

    def add(self, where: str, code: str, message: str) -> None:
        self.append(Problem(where, code, message))

    def text(self, where: str, value: str, most: int) -> None:
        """A text for people: there, on one line, not blank at its ends, at most so long."""
        if not value or value != value.strip() or len(value) > most or _CONTROL.search(value):
            self.add(
                where,
                "text",
                f"Phải có từ 1 đến {most} ký tự trên một dòng, không có khoảng trắng ở hai đầu.",
            )

    def code(self, where: str, value: str, most: int) -> None:
        """A code of an office: ASCII, leading zeros kept."""
        if not _CODE.fullmatch(value) or len(value) > most:
            self.add(where, "code", f"Mã gồm 1–{most} chữ không dấu, chữ số và các dấu . _ -")

    def web_address(self, where: str, value: str, most: int) -> None:
        """http or https, a host, no name or password in it."""
        try:
            parts = urlsplit(value)
            good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None
            parts.port  # noqa: B018 - raises when it is no number
        except ValueError:
            good = False
        if not good or len(value) > most or not value.isascii() or _BLANK.search(value):
            self.add(where, "address", f"Phải là địa chỉ http:// hoặc https://, dài nhất {most} ký tự.")

    def contact(self, contact: ContactInput) -> None:
        """How an office is reached: each part may be missing, none may be odd."""
        digits = sum(sign.isdecimal() for sign in contact.phone)
        if contact.phone and not (_PHONE.fullmatch(contact.phone) and digits >= _FEWEST_DIGITS):
            self.add(
                "phone",
                "phone",
                "Số điện thoại có ít nhất 3 chữ số, dài nhất 40 ký tự, chỉ gồm chữ số, dấu cách và các dấu "
                "+ ( ) . -",
            )
        if contact.email and not (_EMAIL.fullmatch(contact.email) and len(contact.email) <= _LONGEST_EMAIL):
            self.add("email", "email", "Phải là địa chỉ e-mail, dạng ten@ten-mien.vn.")
        if contact.address:
            self.text("address", contact.address, 200)

    def key(self, certificate: Certificate, now: datetime) -> None:
        """A key that a new entry may still have."""
        if fault := key_fault(certificate.key, DEFAULT.algorithms, now):
            message = "Khóa của chứng thư quá ngắn, đã qua thời hạn an toàn, hoặc thuộc loại không dùng."
            self.add("certificate", fault, message)

    def successor(self, code: str, valid_to: date | None, successor_code: str | None) -> None:
        """Who goes on after a school's period; a school that only changes its name goes on under its own
        code.
        """
        if successor_code is None:
            return
        self.code("successor_code", successor_code, 20)
        if valid_to is None:
            self.add("successor_code", "successor", "Chỉ trường đã có ngày kết thúc mới có trường kế tục.")

    def role(self, role: Role, capacity: str, subject_codes: tuple[str, ...], levels: frozenset[str]) -> None:
        """Capacity and subjects fit the role; ``levels`` are the school's (empty: the school is not
        known).
        """
        if capacity not in CAPACITIES:
            self.add("capacity", "capacity", "Tư cách ký phải là KT, Q hoặc để trống.")
        elif capacity and role is not Role.CBQL:
            self.add("capacity", "capacity", "Chỉ cán bộ quản lý (CBQL) ký với tư cách KT hoặc Q.")
        if subject_codes and role is not Role.GVBM:
            self.add("subject_codes", "subject_codes", "Chỉ giáo viên bộ môn (GVBM) có danh sách môn.")
            return
        known = {subject.code for level in levels for subject in records.level_info(level).subjects}
        unknown = sorted(set(subject_codes) - known)
        if unknown and levels:
            self.add(
                "subject_codes", "unknown_subject", f"Trường không dạy môn mang mã: {', '.join(unknown)}."
            )

    def refuse(self) -> None:
        """Raises InvalidInput when there is any problem."""
        if self:
            raise InvalidInput(tuple(self))


def refused(where: str, code: str, message: str) -> InvalidInput:
    """The one problem behind which nothing else can be checked."""
    return InvalidInput((Problem(where, code, message),))


def certificate_of(data: bytes) -> Certificate:
    """The certificate of a DER or PEM file. Raises InvalidInput."""
    try:
        return read_certificate(_der(data, "CERTIFICATE", "certificate"))
    except _UNREADABLE:
        raise refused("certificate", "not_a_certificate", "Tệp không phải là chứng thư số X.509.") from None


def crl_of(data: bytes) -> tuple[bytes, Crl]:
    """DER and content of a CRL in a DER or PEM file. Raises InvalidInput."""
    try:
        der = _der(data, "X509 CRL", "crl")
        return der, read_crl(der)
    except _UNREADABLE:
        raise refused("crl", "not_a_crl", "Tệp không phải là danh sách thu hồi (CRL).") from None


def _der(data: bytes, label: str, where: str) -> bytes:
    if b"-----BEGIN " not in data:
        return data
    if data.count(b"-----BEGIN ") != 1 or f"-----BEGIN {label}-----".encode() not in data:
        raise refused(where, "not_one", f"Tệp PEM phải chứa đúng một khối {label}.")
    if where == "crl":
        return x509.load_pem_x509_crl(data).public_bytes(Encoding.DER)
    return x509.load_pem_x509_certificate(data).public_bytes(Encoding.DER)


def common_name(certificate: Certificate) -> str:
    """What a certificate calls its subject, for a first proposal of a name."""
    names = certificate.parsed.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return (str(names[0].value) if names else certificate.subject_text)[:200]


def issued_by(certificate: Certificate, authority: Certificate) -> bool:
    """Whether the authority's key signed the certificate, and the names agree."""
    try:
        certificate.parsed.verify_directly_issued_by(authority.parsed)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return authority.is_ca


def published(crl: Crl, authority: Certificate) -> bool:
    """Whether the authority's key signed the list, and may sign lists (RFC 5280 §4.2.1.3)."""
    if crl.issuer != authority.subject or authority.key is None:
        return False
    if authority.usage is not None and not authority.usage.crl_sign:
        return False
    try:
        return crl.parsed.is_signature_valid(authority.key)
    except (UnsupportedAlgorithm, ValueError, TypeError):
        return False


def scope(crl: Crl) -> str:
    """Of which certificates a list speaks (issuingDistributionPoint, RFC 5280 §5.2.5), as a key: an authority
    may keep several lists beside each other, each with an order of its own. ``ca users``: of all.
    """
    kinds = [kind for kind, covered in (("ca", crl.covers_ca), ("users", crl.covers_users)) if covered]
    points = [] if crl.points is None else ["at", *sorted(crl.points)]
    return " ".join((*kinds, *points))


@dataclass(frozen=True, slots=True)
class News:
    """What a newer list says otherwise than an older one, by serial numbers. ``dropped`` were revoked for
    good, and the newer list no longer says so with the same effect: it does not name them, or more mildly.
    """

    changed: frozenset[int]
    dropped: frozenset[int]


def news(older: Crl, newer: Crl) -> News:
    """Compare two lists of one authority and scope."""
    before, after = ({entry.serial_number: _said(entry) for entry in crl.parsed} for crl in (older, newer))
    return News(
        changed=frozenset(serial for serial, _ in before.items() ^ after.items()),
        dropped=frozenset(
            serial
            for serial, said in before.items()
            if said.for_good and not ((now := after.get(serial)) is not None and now.as_grave_as(said))
        ),
    )


@dataclass(frozen=True, slots=True)
class _Said:
    """What an entry says of a certificate: ``since`` when its key is not to be believed (the entry's date, or
    its invalidityDate before that, RFC 5280 §5.3.2), and why.
    """

    since: datetime
    reason: x509.ReasonFlags | None

    @property
    def for_good(self) -> bool:
        passing = (x509.ReasonFlags.certificate_hold, x509.ReasonFlags.remove_from_crl)
        return self.reason not in passing

    def as_grave_as(self, other: _Said) -> bool:
        """Whether nothing that ``other`` takes back would count again. Another reason may be milder: an
        authority for timestamps that ended in order keeps what it gave before (RFC 3161 clause 4).
        """
        return self.for_good and self.reason is other.reason and self.since <= other.since


def _said(entry: x509.RevokedCertificate) -> _Said:
    values = entry_details(entry)
    return _Said(
        since=min(
            (
                entry.revocation_date_utc,
                *(v.invalidity_date_utc for v in values if isinstance(v, x509.InvalidityDate)),
            )
        ),
        reason=next((v.reason for v in values if isinstance(v, x509.CRLReason)), None),
    )
