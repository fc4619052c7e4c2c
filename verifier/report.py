"""What a check found, in the terms of ETSI EN 319 102-1, as plain data.

The same JSON crosses the process boundary, is printed by the CLI, answered by the API and stands behind the
page. Every part of a report is a fact about the document; what follows from the facts is decided in
``verifier.verdict``.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class Indication(StrEnum):
    """Main status of a signature (EN 319 102-1, clause 5.1.3)."""

    TOTAL_PASSED = "TOTAL_PASSED"
    TOTAL_FAILED = "TOTAL_FAILED"
    INDETERMINATE = "INDETERMINATE"


class SubIndication(StrEnum):
    """Why an indication is not TOTAL_PASSED (EN 319 102-1, table 5 and 6). Our own rules give some of them,
    a second opinion may give any.
    """

    FORMAT_FAILURE = "FORMAT_FAILURE"
    HASH_FAILURE = "HASH_FAILURE"
    SIG_CRYPTO_FAILURE = "SIG_CRYPTO_FAILURE"
    REVOKED_NO_POE = "REVOKED_NO_POE"
    REVOKED_CA_NO_POE = "REVOKED_CA_NO_POE"
    OUT_OF_BOUNDS_NO_POE = "OUT_OF_BOUNDS_NO_POE"
    NOT_YET_VALID = "NOT_YET_VALID"
    SIG_CONSTRAINTS_FAILURE = "SIG_CONSTRAINTS_FAILURE"
    CHAIN_CONSTRAINTS_FAILURE = "CHAIN_CONSTRAINTS_FAILURE"
    CERTIFICATE_CHAIN_GENERAL_FAILURE = "CERTIFICATE_CHAIN_GENERAL_FAILURE"
    CRYPTO_CONSTRAINTS_FAILURE = "CRYPTO_CONSTRAINTS_FAILURE"
    NO_SIGNING_CERTIFICATE_FOUND = "NO_SIGNING_CERTIFICATE_FOUND"
    NO_CERTIFICATE_CHAIN_FOUND = "NO_CERTIFICATE_CHAIN_FOUND"
    TIMESTAMP_ORDER_FAILURE = "TIMESTAMP_ORDER_FAILURE"
    TRY_LATER = "TRY_LATER"
    CRYPTO_CONSTRAINTS_FAILURE_NO_POE = "CRYPTO_CONSTRAINTS_FAILURE_NO_POE"
    GENERIC = "GENERIC"
    REVOKED = "REVOKED"
    EXPIRED = "EXPIRED"
    NO_POE = "NO_POE"
    OUT_OF_BOUNDS_NOT_REVOKED = "OUT_OF_BOUNDS_NOT_REVOKED"
    REVOCATION_OUT_OF_BOUNDS_NO_POE = "REVOCATION_OUT_OF_BOUNDS_NO_POE"
    POLICY_PROCESSING_ERROR = "POLICY_PROCESSING_ERROR"
    SIGNATURE_POLICY_NOT_AVAILABLE = "SIGNATURE_POLICY_NOT_AVAILABLE"
    SIGNED_DATA_NOT_FOUND = "SIGNED_DATA_NOT_FOUND"


class Role(StrEnum):
    """Signature roles of a học bạ, in signing order."""

    GVBM = "GVBM"
    GVCN = "GVCN"
    CBQL = "CBQL"
    KY_PHAT_HANH = "KY_PHAT_HANH"


class CheckName(StrEnum):
    """The separate checks of the AND-chain; each reports for itself."""

    INTEGRITY = "integrity"  # the signature matches the signed bytes
    BYTE_RANGE = "byte_range"  # what the signed ranges leave out is this signature's /Contents, no byte more
    COVERAGE = "coverage"  # nothing after the seal; only allowed changes between; the profile of a record
    ALGORITHM = "algorithm"  # digest, key length, scheme under the policy
    CERTIFICATE = "certificate"  # path to a pinned anchor, key usage, validity at the proven time
    AUTHORITY = "authority"  # approved for this school and role at the proven time
    TIME = "time"  # proven time present and consistent
    REVOCATION = "revocation"  # fresh pinned CRLs say "not revoked before the proven time"
    REQUIRED_ROLES = "required_roles"  # every role field of the record is signed (document level)
    LOG_INCLUSION = "log_inclusion"  # not available until a public log exists
    UNNAMED = "unnamed"  # read from something older or newer: a check of another release; none is made


class CheckStatus(StrEnum):
    """Unlike states stay unlike: failed, weak, unfinished and absent are four things."""

    PASSED = "passed"
    FAILED = "failed"
    WEAK = "weak"
    INCOMPLETE = "incomplete"
    NOT_AVAILABLE = "not_available"


@dataclass(frozen=True, slots=True)
class Check:
    """Result of one check; ``code`` is a stable reason such as ``crl_stale`` (empty when passed)."""

    name: CheckName
    status: CheckStatus
    code: str = ""


class Medium(StrEnum):
    """What was examined, decided by content, never by file name."""

    PDF = "pdf"
    PDF_OF_IMAGES = "pdf_of_images"  # no text objects: a scan, so only its QR can speak
    IMAGE = "image"
    CODE = "code"  # a scanned locator or typed code, no file at all
    OTHER = "other"  # refused before parsing; see ``problem``


@dataclass(frozen=True, slots=True)
class SignerInfo:
    """The signing certificate as it stands in the file; names shown to people come from our own tables."""

    certificate_sha256: str
    subject: str
    issuer: str
    serial: str
    not_before: datetime
    not_after: datetime


class ProvenBy(StrEnum):
    """What proves the earliest time at which a signature is known to have existed."""

    SIGNATURE_TIMESTAMP = "signature_timestamp"
    DOCUMENT_TIMESTAMP = "document_timestamp"
    REGISTRATION = "registration"
    CHECK = "check"  # nothing: it exists now


class OpinionBy(StrEnum):
    """Who judged: our own rules, or pyHanko by one of its methods."""

    OURS = "ours"
    CLASSIC = "pyhanko_classic"
    ADES_BASIC = "pyhanko_ades_basic"  # EN 319 102-1 clause 5.3
    ADES_WITH_TIME = "pyhanko_ades_with_time"  # clause 5.5
    ADES_TIMESTAMP = "pyhanko_ades_timestamp"  # clause 5.4


class Agreement(StrEnum):
    """How an opinion stands to that of our own rules. Only the stricter of two ever counts."""

    SAME = "same"
    OTHER_REASON = "other_reason"  # the same main status, another sub-indication
    STRICTER = "stricter"
    LAXER = "laxer"


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one of them said by itself, before the stricter won. ``code``: why there is no answer of the
    library's own (``library_failed``, ``library_contradicts_itself``) or none on revocation
    (``ocsp_not_read``), else empty.
    """

    by: OpinionBy
    indication: Indication
    sub_indication: SubIndication | None
    agreement: Agreement = Agreement.SAME
    code: str = ""


_GRAVITY = (Indication.TOTAL_PASSED, Indication.INDETERMINATE, Indication.TOTAL_FAILED)


def gravity(indication: Indication) -> int:
    """The higher, the stricter."""
    return _GRAVITY.index(indication)


def agreement(ours: Opinion, other: Opinion) -> Agreement:
    """How ``other`` stands to ``ours``."""
    difference = gravity(other.indication) - gravity(ours.indication)
    if difference:
        return Agreement.STRICTER if difference > 0 else Agreement.LAXER
    same = other.sub_indication is ours.sub_indication
    return Agreement.SAME if same else Agreement.OTHER_REASON


class TimestampKind(StrEnum):
    """What a timestamp is over."""

    SIGNATURE = "signature"  # the value of one signature (EN 319 142-1, B-T)
    DOCUMENT = "document"  # the whole file up to it (B-LTA)


@dataclass(frozen=True, slots=True)
class TimestampReport:
    """One timestamp (RFC 3161). It proves its time only when it passed.

    ``field`` is the signature's field, or its own for a document timestamp. ``time`` is the latest moment
    that it allows: the time it gives and its accuracy. ``proven_time`` is when it is known to have existed
    itself, by what it was judged. ``authorities`` are the ids of its path's certificates above the signer.
    """

    kind: TimestampKind
    field: str
    time: datetime | None
    proven_time: datetime
    signer: SignerInfo | None
    authorities: tuple[str, ...]
    checks: tuple[Check, ...]
    indication: Indication
    sub_indication: SubIndication | None
    opinions: tuple[Opinion, ...] = ()  # as of a signature

    @property
    def passed(self) -> bool:
        return self.indication is Indication.TOTAL_PASSED

    @property
    def unfinished(self) -> bool:
        """Nothing speaks against it, and not everything could be asked."""
        states = {c.status for c in self.checks}
        return CheckStatus.INCOMPLETE in states and states <= {CheckStatus.PASSED, CheckStatus.INCOMPLETE}

    @property
    def broken(self) -> bool:
        """It is no timestamp of what it stands on, whoever made it."""
        return any(c.name is CheckName.INTEGRITY and c.status is CheckStatus.FAILED for c in self.checks)


@dataclass(frozen=True, slots=True)
class SignatureReport:
    """One signature field that carries a signature.

    ``opinions``: our own first, then the library's, where it was asked; none on the fast way, and none where
    our own mathematics refuses the signature.
    """

    field: str
    role: Role | None  # None: not a role field of ours
    subject_code: str | None  # for GVBM
    byte_range: tuple[int, int, int, int] | None
    signer: SignerInfo | None
    claimed_time: datetime | None  # the signer's own word
    proven_time: datetime | None  # the earliest valid proof, see ``proven_by``
    school_code: str | None  # the school this signer is authorised for, from our table
    capacity: str | None  # "", "KT", "Q", "ky_thay": authority data of our table
    digest_algorithm: str | None
    checks: tuple[Check, ...]
    indication: Indication
    sub_indication: SubIndication | None
    proven_by: ProvenBy = ProvenBy.CHECK
    opinions: tuple[Opinion, ...] = ()

    @property
    def disagreements(self) -> tuple[Opinion, ...]:
        """Opinions that are not ours."""
        return tuple(opinion for opinion in self.opinions if opinion.agreement is not Agreement.SAME)

    def status(self, name: CheckName) -> CheckStatus | None:
        """Status of one named check, None when it was not made."""
        return next((c.status for c in self.checks if c.name is name), None)

    @property
    def passed(self) -> bool:
        return self.indication is Indication.TOTAL_PASSED

    @property
    def result(self) -> CheckStatus:
        """PASSED when every check passed, else the gravest that is known: failed, weak, unfinished."""
        if self.passed:
            return CheckStatus.PASSED
        statuses = {c.status for c in self.checks}
        order = (CheckStatus.FAILED, CheckStatus.WEAK, CheckStatus.INCOMPLETE)
        return next((status for status in order if status in statuses), CheckStatus.FAILED)

    @property
    def incomplete(self) -> bool:
        return any(c.status is CheckStatus.INCOMPLETE for c in self.checks)


@dataclass(frozen=True, slots=True)
class Prefix:
    """A possible earlier end of the file: everything before ``length`` hashed.

    ``archival`` says that what follows adds validation data or document timestamps and nothing else.
    """

    length: int
    sha256: str
    archival: bool = False


class ChangeKind(StrEnum):
    """What a later revision does to a file as it was; closed, so that every kind has its words."""

    SIGNATURE_FILLED = "signature_filled"  # a signature field that was there and empty
    SIGNATURE_ADDED = "signature_added"  # with a field of its own, signed or not
    SIGNATURE_CHANGED = "signature_changed"  # the value of a signed field, or the object of the value
    SIGNATURE_REMOVED = "signature_removed"  # the value or the field
    SIGNATURE_REDRAWN = "signature_redrawn"  # what a signature field shows, or where
    DOCUMENT_TIMESTAMP = "document_timestamp"
    VALIDATION_DATA = "validation_data"  # the document security store
    CERTIFICATION_CHANGED = "certification_changed"  # which signature certifies (/Perms)
    FORM_VALUE_CHANGED = "form_value_changed"
    FORM_FIELD_ADDED = "form_field_added"
    FORM_CHANGED = "form_changed"  # anything else about the form or one of its fields
    ANNOTATION_ADDED = "annotation_added"
    ANNOTATION_CHANGED = "annotation_changed"
    ANNOTATION_REMOVED = "annotation_removed"
    PAGE_CONTENT_CHANGED = "page_content_changed"  # the operators that draw the page
    PAGE_CHANGED = "page_changed"  # its resources, boxes, rotation
    PAGE_ADDED = "page_added"
    PAGE_REMOVED = "page_removed"
    PAGE_REPLACED = "page_replaced"
    NAMES_CHANGED = "names_changed"  # name tree: attachments, destinations
    METADATA_CHANGED = "metadata_changed"
    VERSION_CHANGED = "version_changed"  # the version of PDF, or the extensions of it, that the file names
    CATALOG_CHANGED = "catalog_changed"
    CATALOG_REPLACED = "catalog_replaced"  # by another object
    OBJECT_REPLACED = "object_replaced"  # of which nothing more is known
    OBJECT_DELETED = "object_deleted"
    OBJECTS_ADDED = "objects_added"  # and nothing that was there refers to them
    UNEXPLAINED_BYTES = "unexplained_bytes"  # behind the last revision, signed by nobody


@dataclass(frozen=True, slots=True)
class Change:
    """One change. ``object`` is number and generation of what was changed or added, ``page`` counts from 1,
    ``field`` is the name of a form field (a stranger's text, printable and cut); each None where it cannot be
    known. A change that is not ``allowed`` takes the coverage of every signature before it away.
    """

    kind: ChangeKind
    allowed: bool
    object: str | None = None
    page: int | None = None
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Revision:
    """What one revision after the first did: bytes from ``start`` up to ``end``.

    ``number`` counts from 1, the file as it was first written; None stands for bytes that are no revision.
    ``signed_before`` signatures and document timestamps end before it, the last of them in the field
    ``after``. ``more`` changes are not listed.
    """

    number: int | None
    start: int
    end: int
    signed_before: int
    after: str | None
    changes: tuple[Change, ...]
    more: int = 0


@dataclass(frozen=True, slots=True)
class ValidationReport:
    """Everything one check found about one document.

    ``incomplete`` is a stable code (``deadline``, ``crashed``, ``memory``, ``busy`` …) when our own work
    could not be finished; ``problem`` is a stable code for what the bytes are instead of a record (``empty``,
    ``xml``, ``zip``, ``encrypted``, ``not_pdf_or_image``, ``too_large``, ``broken_pdf``, ``no_code`` …).
    """

    at: datetime
    medium: Medium
    size: int = 0
    sha256: str = ""
    problem: str | None = None
    incomplete: str | None = None
    signatures: tuple[SignatureReport, ...] = ()
    unsigned_fields: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()  # document level: required roles, log inclusion
    prefixes: tuple[Prefix, ...] = ()
    codes: tuple[
        str, ...
    ] = ()  # contents of the QR codes found, as read (untrusted text, at most 512 characters each)
    attached_record_id: str | None = (
        None  # record id named by the attachment (untrusted until digest and registry agree)
    )
    pages: int = 0
    fresh_until: datetime | None = None  # earliest nextUpdate of the CRLs this report rests on
    timestamps: tuple[TimestampReport, ...] = ()  # of the document and of its signatures
    revisions: tuple[Revision, ...] = ()  # after the first, and what each changed
    lenient: bool = False  # strict reading refused the file; it was read all the same, which proves nothing

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types; times in ISO 8601 with offset."""
        return jsonable(asdict(self))  # type: ignore[no-any-return]

    @classmethod
    def from_json(cls, data: Any) -> ValidationReport:
        """Inverse of :meth:`to_json`; strict: raises KeyError, TypeError or ValueError on any other shape.

        A report may come from a process that a document has taken over, so every object has exactly the
        members it should have, every value is checked for its type, every text and list for its length.
        """
        _exactly(data, cls)
        return cls(
            at=_time(data["at"]),
            medium=Medium(data["medium"]),
            size=_count(data["size"]),
            sha256=_text(data["sha256"], 64),
            problem=_optional(data["problem"], _CODE),
            incomplete=_optional(data["incomplete"], _CODE),
            signatures=tuple(_signature(s) for s in _list(data["signatures"])),
            unsigned_fields=tuple(_text(f) for f in _list(data["unsigned_fields"])),
            checks=tuple(_check(c) for c in _list(data["checks"])),
            prefixes=tuple(_prefix(p) for p in _list(data["prefixes"])),
            codes=tuple(_text(c, 512) for c in _list(data["codes"])),
            attached_record_id=_optional(data["attached_record_id"]),
            pages=_count(data["pages"]),
            fresh_until=_optional_time(data["fresh_until"]),
            timestamps=tuple(_timestamp(t) for t in _list(data["timestamps"])),
            revisions=read_revisions(data["revisions"]),
            lenient=_truth(data["lenient"]),
        )


def printable(text: str) -> str:
    """Text of a document with what could drive a terminal or turn the line around (controls, marks of
    direction) replaced.
    """
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def jsonable(value: Any) -> Any:
    """Datetimes to ISO 8601, tuples to lists, enums to their values, recursively."""
    match value:
        case datetime():
            return value.isoformat()
        case StrEnum():
            return value.value
        case dict():
            return {k: jsonable(v) for k, v in value.items()}
        case list() | tuple():
            return [jsonable(v) for v in value]
        case _:
            return value


_YEARS = range(1990, 2101)


def plausible(moment: datetime) -> datetime | None:
    """A time that a file claims, None outside the years 1990 to 2100: no school record was signed then, and
    at the ends of the calendar a time cannot even be moved into another zone.
    """
    return moment if moment.year in _YEARS else None


def _exactly(data: Any, kind: type[Any]) -> None:
    """An object with the members of this dataclass, no more and no less."""
    if not isinstance(data, dict) or data.keys() != kind.__dataclass_fields__.keys():
        raise TypeError(f"not a {kind.__name__}")


LONGEST_TEXT = 4096  # characters of a name in a certificate; far more than any real one
MOST_ENTRIES = 256  # of any list; twice as many as the longest that a policy allows
_CODE = 40
LONGEST_NAME = 64  # characters of a field's name in the list of changes
MOST_CHANGES = 128  # of all revisions together
OBJECT_PLACE = r"[0-9]{1,10} [0-9]{1,5}"


def _text(value: Any, longest: int = LONGEST_TEXT) -> str:
    """Half of a surrogate pair is refused as well (UnicodeEncodeError): nobody could write it down."""
    if not isinstance(value, str) or len(value) > longest:
        raise ValueError("not a text of the allowed length")
    value.encode()
    return value


def _optional(value: Any, longest: int = LONGEST_TEXT) -> str | None:
    return None if value is None else _text(value, longest)


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 53:
        raise ValueError("not a count")
    return value


def _truth(value: Any) -> bool:
    if type(value) is not bool:
        raise TypeError("neither true nor false")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list) or len(value) > MOST_ENTRIES:
        raise TypeError("not a list of the allowed length")
    return value


def _time(value: Any) -> datetime:
    """A time without an offset could not be compared with the others."""
    moment = datetime.fromisoformat(_text(value, 40))
    if moment.tzinfo is None:
        raise ValueError("time without offset")
    return moment


def _optional_time(value: Any) -> datetime | None:
    return None if value is None else plausible(_time(value))


def _check(data: Any) -> Check:
    _exactly(data, Check)
    if data["name"] == CheckName.UNNAMED:
        raise ValueError("a check that is none")
    return Check(CheckName(data["name"]), CheckStatus(data["status"]), _text(data["code"], _CODE))


def _prefix(data: Any) -> Prefix:
    _exactly(data, Prefix)
    return Prefix(_count(data["length"]), _text(data["sha256"], 64), _truth(data["archival"]))


def read_revisions(data: Any) -> tuple[Revision, ...]:
    """Revisions out of a report or of stored facts; strict like :meth:`ValidationReport.from_json`."""
    revisions = tuple(_revision(r) for r in _list(data))
    if sum(len(revision.changes) for revision in revisions) > MOST_CHANGES:
        raise ValueError("more changes than a report lists")
    return revisions


def _revision(data: Any) -> Revision:
    _exactly(data, Revision)
    return Revision(
        number=None if data["number"] is None else _count(data["number"]),
        start=_count(data["start"]),
        end=_count(data["end"]),
        signed_before=_count(data["signed_before"]),
        after=_name(data["after"]),
        changes=tuple(_change(c) for c in _list(data["changes"])),
        more=_count(data["more"]),
    )


def _change(data: Any) -> Change:
    _exactly(data, Change)
    place = _optional(data["object"], 20)
    if place is not None and not re.fullmatch(OBJECT_PLACE, place):
        raise ValueError("not the number and generation of an object")
    return Change(
        kind=ChangeKind(data["kind"]),
        allowed=_truth(data["allowed"]),
        object=place,
        page=None if data["page"] is None else _count(data["page"]),
        field=_name(data["field"]),
    )


def _name(value: Any) -> str | None:
    name = _optional(value, LONGEST_NAME)
    if name is not None and not name.isprintable():
        raise ValueError("not a printable name")
    return name


def _signature(data: Any) -> SignatureReport:
    _exactly(data, SignatureReport)
    signer, sub_indication = data["signer"], data["sub_indication"]
    return SignatureReport(
        field=_text(data["field"]),
        role=None if data["role"] is None else Role(data["role"]),
        subject_code=_optional(data["subject_code"]),
        byte_range=_byte_range(data["byte_range"]),
        signer=None if signer is None else _signer(signer),
        claimed_time=_optional_time(data["claimed_time"]),
        proven_time=_optional_time(data["proven_time"]),
        school_code=_optional(data["school_code"]),
        capacity=_optional(data["capacity"]),
        digest_algorithm=_optional(data["digest_algorithm"]),
        checks=tuple(_check(c) for c in _list(data["checks"])),
        indication=Indication(data["indication"]),
        sub_indication=None if sub_indication is None else SubIndication(sub_indication),
        proven_by=ProvenBy(data["proven_by"]),
        opinions=_opinions(data["opinions"]),
    )


def _timestamp(data: Any) -> TimestampReport:
    _exactly(data, TimestampReport)
    signer, sub_indication = data["signer"], data["sub_indication"]
    return TimestampReport(
        kind=TimestampKind(data["kind"]),
        field=_text(data["field"]),
        time=_optional_time(data["time"]),
        proven_time=_time(data["proven_time"]),
        signer=None if signer is None else _signer(signer),
        authorities=tuple(_text(a, 64) for a in _list(data["authorities"])),
        checks=tuple(_check(c) for c in _list(data["checks"])),
        indication=Indication(data["indication"]),
        sub_indication=None if sub_indication is None else SubIndication(sub_indication),
        opinions=_opinions(data["opinions"]),
    )


def _opinions(data: Any) -> tuple[Opinion, ...]:
    """Ours comes first, nobody speaks twice, and how each stands to ours follows from what they say."""
    opinions = tuple(_opinion(o) for o in _list(data))
    speakers = [opinion.by for opinion in opinions]
    if speakers and (speakers[0] is not OpinionBy.OURS or len(set(speakers)) != len(speakers)):
        raise ValueError("not our opinion and then others")
    if any(opinion.agreement is not agreement(opinions[0], opinion) for opinion in opinions):
        raise ValueError("agreement that is none")
    return opinions


def _opinion(data: Any) -> Opinion:
    _exactly(data, Opinion)
    sub_indication = data["sub_indication"]
    return Opinion(
        by=OpinionBy(data["by"]),
        indication=Indication(data["indication"]),
        sub_indication=None if sub_indication is None else SubIndication(sub_indication),
        agreement=Agreement(data["agreement"]),
        code=_text(data["code"], _CODE),
    )


def _byte_range(value: Any) -> tuple[int, int, int, int] | None:
    if value is None:
        return None
    zero, a, b, c = (_count(number) for number in _list(value))
    return zero, a, b, c


def _signer(data: Any) -> SignerInfo:
    _exactly(data, SignerInfo)
    return SignerInfo(
        certificate_sha256=_text(data["certificate_sha256"], 64),
        subject=_text(data["subject"]),
        issuer=_text(data["issuer"]),
        serial=_text(data["serial"]),
        not_before=_time(data["not_before"]),
        not_after=_time(data["not_after"]),
    )
