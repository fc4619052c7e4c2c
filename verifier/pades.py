"""Validates the signatures of a PDF: PAdES signatures of a school record, and honestly those of any other
file.

Here and in ``verifier.ades`` pyHanko validates. Two ways lead to the same report:

* :func:`validate`, the full one. pyHanko (strict reader, tightened limits) reads the file; our own rules
check the
  ByteRange gap, what each later revision touches and the profile of a school record; our own mathematics,
  path and revocation checks run beside two opinions of pyHanko's, its classic one and its AdES one
  (``verifier.ades``). The strictest wins, and the report says who said what.
* :func:`revalidate`, the fast one, for bytes whose SHA-256 is registered: what the full way found out about
the bytes
  (:class:`Structure`) is taken as read, everything that depends on mathematics, trust and time is done anew.

Whatever a library raises is a finding about the document, never a pass and never an error of ours.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any

from pyhanko.pdf_utils import filters, generic
from pyhanko.pdf_utils.decode_limits import (
    DEFAULT_PURPOSE_LIMITS,
    DecodeLimits,
    DocumentDecodeBudget,
    StreamDecodeLimits,
)
from pyhanko.pdf_utils.metadata import xmp_xml
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import ModificationLevel
from pyhanko.sign.fields import FieldMDPAction, MDPPerm, enumerate_sig_fields
from pyhanko.sign.validation.pdf_embedded import (
    EmbeddedPdfSignature,
    async_validate_pdf_signature,
    async_validate_pdf_timestamp,
)
from pyhanko.sign.validation.status import PdfSignatureStatus, SignatureCoverageLevel, SignatureStatus
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.policy_decl import AcceptAllAlgorithms
from pyhanko_certvalidator.registry import SimpleTrustManager

from verifier import ades, archive
from verifier.certificates import Certificate, Path, find_path
from verifier.changes import Mark, Walk, reference_of, settle, shown_name, walk
from verifier.cms import MalformedSignature, read_cms
from verifier.errors import InvalidInput
from verifier.indications import READ_LENIENTLY
from verifier.intake import earlier_ends, gap_fault, read_byte_range
from verifier.policy import Limits, ValidationPolicy
from verifier.reader import Reader
from verifier.record import ATTACHMENT_NAME, open_disclosures, read_attachment, signature_fields
from verifier.report import (
    Check,
    CheckName,
    CheckStatus,
    Indication,
    Medium,
    Opinion,
    OpinionBy,
    ProvenBy,
    Revision,
    Role,
    SignatureReport,
    SubIndication,
    TimestampKind,
    TimestampReport,
    ValidationReport,
    agreement,
    jsonable,
    read_revisions,
)
from verifier.revocation import Answer, Crl, prepare, validation_data
from verifier.signatures import (
    PADES,
    RANGE_UNREADABLE,
    TIMESTAMP,
    Basis,
    Contents,
    Evidence,
    EvidenceKind,
    Judgement,
    Proof,
    SignatureFacts,
    Store,
    came_along,
    heed,
    judge,
    read_evidence,
    role_of,
    stricter,
)
from verifier.timestamps import read_token
from verifier.trust import TrustStore

_NAME_TREE_NODES = 64
_NEVER_ARCHIVAL = 1 << 62  # longer than any file

# pyHanko imports these when a document first needs them; a sandboxed child can no longer import anything.
_NEEDED_EARLY = (filters, xmp_xml)

# pyHanko logs what it finds in a file, in the file's own words; findings belong into the report.
logging.getLogger("pyhanko").setLevel(logging.CRITICAL)
logging.getLogger("pyhanko_certvalidator").setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class Structure:
    """Facts of the bytes with this SHA-256, found once by the full validation and kept with a registered
    file.

    ``school_code`` is the issuer that the attached record names; ``missing_roles`` are required fields
    without a signature, ``no_record`` standing for "no readable record attached". ``lenient`` says that
    strict reading refuses these bytes.
    """

    sha256: str
    size: int
    pages: int
    signatures: tuple[SignatureFacts, ...]
    unsigned_fields: tuple[str, ...]
    attached_record_id: str | None
    school_code: str | None
    missing_roles: tuple[str, ...]
    timestamps: tuple[SignatureFacts, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    revisions: tuple[Revision, ...] = ()
    lenient: bool = False

    @property
    def contents(self) -> Contents:
        return Contents(self.signatures, self.timestamps, self.evidence)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types; times in ISO 8601 with offset."""
        return jsonable(asdict(self))  # type: ignore[no-any-return]

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Structure:
        """Inverse of :meth:`to_json`; raises KeyError, TypeError or ValueError on any other shape."""
        return cls(
            sha256=str(data["sha256"]),
            size=int(data["size"]),
            pages=int(data["pages"]),
            signatures=tuple(_facts_from_json(s) for s in data["signatures"]),
            unsigned_fields=tuple(str(f) for f in data["unsigned_fields"]),
            attached_record_id=data["attached_record_id"],
            school_code=data["school_code"],
            missing_roles=tuple(str(f) for f in data["missing_roles"]),
            timestamps=tuple(_facts_from_json(s) for s in data["timestamps"]),
            evidence=tuple(
                Evidence(EvidenceKind(e["kind"]), int(e["start"]), int(e["length"]), bool(e["deflated"]))
                for e in data["evidence"]
            ),
            revisions=read_revisions(data["revisions"]),
            lenient=bool(data["lenient"]),
        )


def _facts_from_json(data: dict[str, Any]) -> SignatureFacts:
    claimed = data["claimed_time"]
    values = data["byte_range"]
    return SignatureFacts(
        field=str(data["field"]),
        byte_range=None if values is None else read_byte_range(values),
        subfilter=str(data["subfilter"]),
        claimed_time=None if claimed is None else datetime.fromisoformat(claimed),
        coverage=str(data["coverage"]),
        integrity=str(data["integrity"]),
        stamp=str(data["stamp"]),
    )


@dataclass(frozen=True, slots=True)
class Beginning:
    """An earlier file that this one continues: its first ``size`` bytes were registered at that time."""

    size: int
    sha256: str
    registered_at: datetime

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types; the time in ISO 8601 with offset."""
        return jsonable(asdict(self))  # type: ignore[no-any-return]

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Beginning:
        """Inverse of :meth:`to_json`; raises KeyError, TypeError or ValueError on any other shape."""
        registered_at = datetime.fromisoformat(data["registered_at"])
        return cls(int(data["size"]), str(data["sha256"]), registered_at)


def _registrations(
    data: bytes, registered_at: datetime | None, earlier: Sequence[Beginning], at: datetime
) -> tuple[Proof, ...]:
    """What the registry proves about the file's age; a beginning that is not this file's proves nothing."""
    by = ProvenBy.REGISTRATION
    proofs = [] if registered_at is None else [Proof(len(data), min(registered_at, at), by)]
    proofs += [
        Proof(each.size, min(each.registered_at, at), by)
        for each in earlier
        if each.size <= len(data) and hashlib.sha256(data[: each.size]).hexdigest() == each.sha256
    ]
    return tuple(proofs)


def validate(
    data: bytes,
    trust: TrustStore,
    policy: ValidationPolicy,
    at: datetime,
    *,
    registered_at: datetime | None = None,
    earlier: Sequence[Beginning] = (),
    own: bool = False,
) -> tuple[ValidationReport, Structure]:
    """Full validation of a PDF at the time ``at``.

    ``own`` says that these very bytes are registered, or about to be: the diff analysis of pyHanko is skipped
    then (nobody else can have changed them since; our own rule on later revisions still runs) and no earlier
    ends are looked for. ``registered_at`` proves that the file existed then, ``earlier`` that beginnings of
    it did. Never raises for the document's sake.
    """
    report = ValidationReport(
        at=at, medium=Medium.PDF, size=len(data), sha256=hashlib.sha256(data).hexdigest()
    )
    if fault := _premise_fault(trust, policy, at, registered_at, earlier):
        report = replace(report, incomplete=fault)
        return report, Structure(report.sha256, report.size, 0, (), (), None, None, ("no_record",))

    # 1 Open inside limits and read what never changes about these bytes.
    looked = _look(data, policy)
    if isinstance(looked, str):
        return _refused(report, data, looked, policy, own)
    reader, found, lenient = looked

    # 2 Judge by our own rules alone. Of what followed each signature they decide in a record; in other files
    #   the library is asked.
    record = _is_record(found.signatures)
    own_word = settle(found.walked, [None] * len(found.walked.marks), record=record).faults if record else ()
    proofs = _registrations(data, registered_at, earlier, at)
    basis = Basis(trust, policy, at, proofs, found.structure.school_code)
    first = judge(data, _uncovered(found.structure, own_word).contents, basis)

    # 3 Ask pyHanko about each signature and timestamp, twice, at the time that we hold for proven; what it
    #   says about the bytes joins the facts.
    store = read_evidence(data, found.structure.evidence, policy)
    opinions = [
        _ask_library(
            signature, store.certificates, basis, judged.proven_time or at, broken=_broken(judged), own=own
        )
        for signature, judged in zip(found.signatures, first.reports, strict=True)
    ]
    stamps = [_ask_about_timestamp(s, trust, policy, own=own) for s in found.timestamps]
    seconds = _SecondOpinions(basis, store, first)
    of_signatures = [
        seconds.about_signature(signature, judged)
        for signature, judged in zip(found.signatures, first.reports, strict=True)
    ]
    of_timestamps = seconds.about_timestamps(found)

    # 4 With its word on what followed each signature, say of every change whether it was allowed.
    every = (*found.signatures, *found.timestamps)
    answers = (*opinions, *stamps)
    settled = settle(found.walked, [opinion.approves for opinion in answers], record=record)
    joined = [
        _joined(signature, opinion, fault, lenient=lenient)
        for signature, opinion, fault in zip(every, answers, settled.faults, strict=True)
    ]
    structure = replace(
        found.structure,
        signatures=tuple(joined[: len(found.signatures)]),
        timestamps=tuple(joined[len(found.signatures) :]),
        revisions=settled.revisions,
        lenient=lenient,
    )

    # 5 Judge again with all that: a timestamp that pyHanko doubts proves nothing.
    doubted = {s.facts.field for s, opinion in zip(every, answers, strict=True) if opinion.doubts_time}
    doubted |= {
        stamp.field
        for stamp, opinion in zip(first.timestamps, of_timestamps, strict=True)
        if opinion is not None and opinion.indication is not Indication.TOTAL_PASSED
    }
    judgement = judge(data, replace(structure.contents, doubted=frozenset(doubted)), basis)

    # 6 Of our own result and pyHanko's two the strictest counts.
    reports = tuple(
        _strictest(*each)
        for each in zip(judgement.reports, first.reports, opinions, of_signatures, strict=True)
    )
    classic = [stamp.said for stamp in stamps]
    classic += [None] * (len(first.timestamps) - len(classic))  # those on signatures are part of its opinion
    timestamps = tuple(
        replace(judged, opinions=_set_against(_ours(before), (said, second)))
        for judged, before, said, second in zip(
            judgement.timestamps, first.timestamps, classic, of_timestamps, strict=True
        )
    )

    # 7 Put the report together; look for an earlier end of bytes nobody has registered.
    report = _complete(report, structure, replace(judgement, reports=reports, timestamps=timestamps))
    if not own:
        archival_from = _NEVER_ARCHIVAL
        if not lenient:
            archival_from = _archival_from(reader, found.signatures, found.timestamps, opinions)
        report = replace(
            report,
            prefixes=tuple(
                replace(p, archival=p.length >= archival_from) for p in earlier_ends(data, policy.limits)
            ),
        )
    return report, structure


def _look(data: bytes, policy: ValidationPolicy) -> tuple[PdfFileReader, _Found, bool] | str:
    """Read a file strictly; what that refuses is read once more leniently (True), inside the same limits. The
    reason code when neither finds anything: where a damaged file shows no signature, the damage may hide one.
    """
    for strict in (True, False):
        reader = _open(data, policy.limits, strict=strict)
        if isinstance(reader, str):
            problem = reader
        else:
            try:
                found = _read(reader, data, policy)
                shown = bool(found.signatures or found.timestamps) or reader.xrefs.hybrid_xrefs_present
                problem = found.problem or ("" if strict or shown else "broken_pdf")
            except MemoryError:
                raise
            except Exception:
                problem = "broken_pdf"
            else:
                if not problem:
                    return reader, found, not strict
        if problem != "broken_pdf":
            return problem
    return "broken_pdf"


def revalidate(
    data: bytes,
    structure: Structure,
    trust: TrustStore,
    policy: ValidationPolicy,
    at: datetime,
    *,
    registered_at: datetime,
    earlier: Sequence[Beginning] = (),
) -> ValidationReport:
    """The report of :func:`validate` for registered bytes, without reading the PDF again.

    1. The bytes are those that ``structure`` speaks of (SHA-256).
    2. Every signature's digest and value is computed anew, its path, authority, time and revocation judged
    anew.
    """
    sha256 = hashlib.sha256(data).hexdigest()
    report = ValidationReport(at=at, medium=Medium.PDF, size=len(data), sha256=sha256)
    if sha256 != structure.sha256:
        return replace(report, incomplete="structure_of_other_bytes")
    if fault := _premise_fault(trust, policy, at, registered_at, earlier):
        return replace(report, incomplete=fault)
    proofs = _registrations(data, registered_at, earlier, at)
    judgement = judge(data, structure.contents, Basis(trust, policy, at, proofs, structure.school_code))
    return _complete(report, structure, judgement)


def _premise_fault(
    trust: TrustStore,
    policy: ValidationPolicy,
    at: datetime,
    registered_at: datetime | None,
    earlier: Sequence[Beginning],
) -> str:
    """Why nothing can be said about any signature: trust that cannot be read, or a registration that this
    machine's clock has not come to yet.
    """
    if not prepare(trust):
        return "trust_unavailable"
    registered = [each.registered_at for each in earlier]
    registered += [] if registered_at is None else [registered_at]
    return "clock" if max(registered, default=at) > at + policy.clock_tolerance else ""


def _complete(report: ValidationReport, structure: Structure, judgement: Judgement) -> ValidationReport:
    # Without the record's issuer, any school's signer would do.
    if "no_record" in structure.missing_roles or structure.school_code is None:
        required = Check(CheckName.REQUIRED_ROLES, CheckStatus.FAILED, "no_record")
    elif structure.missing_roles:
        required = Check(CheckName.REQUIRED_ROLES, CheckStatus.FAILED, "role_missing")
    else:
        required = Check(CheckName.REQUIRED_ROLES, CheckStatus.PASSED)
    log = Check(CheckName.LOG_INCLUSION, CheckStatus.NOT_AVAILABLE, "no_log")
    fault = judgement.document_fault
    time = (Check(CheckName.TIME, CheckStatus.FAILED, fault),) if fault else ()
    return replace(
        report,
        signatures=judgement.reports,
        timestamps=judgement.timestamps,
        unsigned_fields=structure.unsigned_fields,
        checks=(required, *time, log),
        attached_record_id=structure.attached_record_id,
        pages=structure.pages,
        fresh_until=judgement.fresh_until,
        revisions=structure.revisions,
        lenient=structure.lenient,
    )


def _refused(
    report: ValidationReport, data: bytes, problem: str, policy: ValidationPolicy, own: bool
) -> tuple[ValidationReport, Structure]:
    """A PDF that was not read. Its earlier ends still count: a registered file with rubbish appended may be
    one.
    """
    structure = Structure(report.sha256, report.size, 0, (), (), None, None, ("no_record",))
    report = _complete(replace(report, problem=problem), structure, Judgement((), None))
    return replace(report, prefixes=() if own else earlier_ends(data, policy.limits)), structure


# Where a PDF names its last table (ISO 32000-2, 7.5.5). pyHanko looks for it from the end of the file, one
# byte at a time and however long a line is: ten megabytes of nothing would take all the time of a check.
_END_MARK = re.compile(rb"startxref\s*\d+\s*[\r\n]\s*%%EOF")
_TAIL = 4096


def _open(data: bytes, limits: Limits, *, strict: bool = True) -> PdfFileReader | str:
    """A reader, or the reason code why not."""
    if not _END_MARK.search(data, max(0, len(data) - _TAIL)):
        return "broken_pdf"
    streams = StreamDecodeLimits(max_output_size=limits.stream_bytes)
    decode_limits = DecodeLimits(
        per_stream=streams,
        per_purpose=DEFAULT_PURPOSE_LIMITS,
        document_budget=DocumentDecodeBudget(base_allowance=limits.document_bytes, max_ratio=0),
    )
    try:
        reader = Reader(data, strict=strict, decode_limits=decode_limits)
        if "/Encrypt" in reader.trailer:
            return "encrypted"
        xrefs = reader.xrefs
        if strict and xrefs.hybrid_xrefs_present:
            return "broken_pdf"  # two answers to "which objects are in this file" are one too many
        objects = sum(len(xrefs.explicit_refs_in_revision(number)) for number in range(xrefs.total_revisions))
        if xrefs.total_revisions > limits.revisions or objects > limits.objects:
            return "too_large"
    except MemoryError:
        raise
    except Exception:
        return "broken_pdf"
    return reader


@dataclass(frozen=True, slots=True)
class _Signature:
    """One filled signature field while it is being read; ``embedded`` None when pyHanko could not take it."""

    facts: SignatureFacts
    embedded: EmbeddedPdfSignature | None


@dataclass(frozen=True, slots=True)
class _Found:
    structure: Structure
    signatures: tuple[_Signature, ...]
    timestamps: tuple[_Signature, ...]
    walked: Walk
    problem: str = ""


def _read(reader: PdfFileReader, data: bytes, policy: ValidationPolicy) -> _Found:
    limits = policy.limits
    pages = reader.root["/Pages"]["/Count"]
    pages = int(pages) if isinstance(pages, int) and pages >= 0 else 0
    fields = list(islice(enumerate_sig_fields(reader), 4 * limits.signatures + 1))
    filled = [(str(name), value, field) for name, value, field in fields if value is not None]
    problem = ""
    most = limits.signatures + limits.timestamps
    if pages > limits.pages or len(fields) > 4 * limits.signatures or len(filled) > most:
        problem = "too_large"
        filled = []
    everything = sorted(
        (_read_signature(reader, data, *each) for each in filled),
        key=lambda s: (s.facts.byte_range or (0, 0, 0, 0))[1],
    )
    signatures = [s for s in everything if s.facts.subfilter != TIMESTAMP]
    timestamps = [s for s in everything if s.facts.subfilter == TIMESTAMP]
    if len(signatures) > limits.signatures or len(timestamps) > limits.timestamps:
        problem, signatures, timestamps = "too_large", [], []
    signatures, timestamps, walked = _check_coverage(reader, data, signatures, timestamps, limits)
    record = _attached_record(reader, limits)
    unsigned = tuple(str(name)[:_LONGEST_NAME] for name, value, _ in fields if value is None)[:_MOST_NAMES]
    signed = {s.facts.field for s in signatures}
    return _Found(
        Structure(
            sha256=hashlib.sha256(data).hexdigest(),
            size=len(data),
            pages=pages,
            signatures=tuple(s.facts for s in signatures),
            unsigned_fields=unsigned,
            attached_record_id=None if record is None else record.record_id,
            school_code=None if record is None else record.school_code,
            missing_roles=("no_record",)
            if record is None
            else tuple(f for f in record.required_fields if f not in signed),
            timestamps=tuple(s.facts for s in timestamps),
            evidence=archive.security_store(reader, data, limits),
        ),
        tuple(signatures),
        tuple(timestamps),
        walked,
        problem,
    )


def _read_signature(reader: PdfFileReader, data: bytes, name: str, value: Any, field: Any) -> _Signature:
    """Read one signature dictionary; anything unreadable is a finding about this signature alone."""
    byte_range, subfilter, claimed, integrity, embedded = None, "", None, "", None
    try:
        dictionary = value.get_object()
        subfilter = str(dictionary.get("/SubFilter", ""))
        byte_range = read_byte_range(dictionary["/ByteRange"])
        embedded = EmbeddedPdfSignature(reader, field, name)
        claimed = _claimed_time(dictionary)
        if byte_range is None:
            integrity = "byte_range_malformed"
        else:
            integrity = gap_fault(data, byte_range, embedded.pkcs7_content)
    except MemoryError:
        raise
    except Exception:
        integrity = "malformed_signature"
    facts = SignatureFacts(name[:_LONGEST_NAME], byte_range, subfilter, claimed, "", integrity)
    return _Signature(facts, embedded if not integrity else None)


def _claimed_time(dictionary: generic.DictionaryObject) -> datetime | None:
    """/M, the signer's own word; a time without a zone claims nothing that could be compared."""
    if "/M" not in dictionary:
        return None
    moment = generic.parse_pdf_date(dictionary["/M"], strict=True)
    return moment if isinstance(moment, datetime) and moment.tzinfo is not None else None


def _is_record(signatures: Sequence[_Signature]) -> bool:
    return any(role_of(s.facts.field)[0] is not None for s in signatures)


def _check_coverage(
    reader: PdfFileReader,
    data: bytes,
    signatures: list[_Signature],
    timestamps: list[_Signature],
    limits: Limits,
) -> tuple[list[_Signature], list[_Signature], Walk]:
    """What each later revision changes; coverage of every signature, and the profile of a school record when
    any field is one of ours. The last signature or document timestamp of a record covers everything.

    A record: only role fields, each once; the first signature certifies (DocMDP P=2); the seal is the last
    and locks every field with P=1; SubFilter ETSI.CAdES.detached; later revisions touch signature fields and
    DSS only. Of other files the rest of coverage is found with pyHanko's opinion.
    """
    record = _is_record(signatures)
    every = (*signatures, *timestamps)
    names = [s.facts.field for s in every]
    sealed = _sealed_revision(reader, signatures, timestamps)
    walked = walk(
        reader,
        data,
        tuple(_mark(each) for each in every),
        limits,
        archived_from=sealed,
        timestamps=[each.embedded.sig_field for each in timestamps if each.embedded is not None],
        record=record,
    )
    update_fault = short = ""
    covering = max(every, key=_end, default=None)
    if record:
        if any(each.embedded is None for each in timestamps):
            update_fault = "document_timestamp_unreadable"
        short = "" if covering is None or _end(covering) == len(data) else "bytes_after_signature"
        update_fault = update_fault or walked.fault
    checked: list[_Signature] = []
    for position, signature in enumerate(signatures):
        facts = signature.facts
        last = position == len(signatures) - 1
        fault = _range_fault(signature) or (short if signature is covering else "")
        if not fault and names.count(facts.field) > 1:
            fault = "field_repeated"
        if not fault and record:
            fault = _profile_fault(reader, signature, first=position == 0, last=last) or update_fault
        checked.append(replace(signature, facts=replace(facts, coverage=fault)))
    stamps: list[_Signature] = []
    for each in timestamps:
        fault = _range_fault(each) or (short if each is covering else "") or update_fault
        stamps.append(replace(each, facts=replace(each.facts, coverage=fault)))
    return checked, stamps, walked


def _mark(signature: _Signature) -> Mark:
    embedded = signature.embedded
    revision = None if embedded is None else int(embedded.signed_revision)
    return Mark(shown_name(signature.facts.field), _end(signature), revision)


def _end(signature: _Signature) -> int:
    byte_range = signature.facts.byte_range
    return 0 if byte_range is None else byte_range[2] + byte_range[3]


def _sealed_revision(
    reader: PdfFileReader, signatures: list[_Signature], timestamps: list[_Signature]
) -> int:
    """How many revisions there are up to the last signature's own. What follows that must be an archive's
    addition, where document timestamps follow; without them nothing may.
    """
    last = signatures[-1].embedded if signatures else None
    if last is None or not timestamps:
        return int(reader.xrefs.total_revisions)
    return int(last.signed_revision) + 1


def _range_fault(signature: _Signature) -> str:
    return RANGE_UNREADABLE if signature.facts.byte_range is None or signature.embedded is None else ""


def _profile_fault(reader: PdfFileReader, signature: _Signature, *, first: bool, last: bool) -> str:
    role, _ = role_of(signature.facts.field)
    if role is None:
        return "foreign_signature"
    if signature.facts.subfilter != PADES:
        return "wrong_subfilter"
    embedded = signature.embedded
    if embedded is None:
        return RANGE_UNREADABLE
    certifies = _certifies(reader, embedded)
    if certifies is not first:
        return "not_certified" if first else "certified_twice"
    if first and embedded.docmdp_level is not MDPPerm.FILL_FORMS:
        return "wrong_permissions"
    if role is Role.KY_PHAT_HANH:
        if not last:
            return "seal_not_last"
        if not _locks_everything(embedded):
            return "seal_does_not_lock"
    return ""


def _certifies(reader: PdfFileReader, embedded: EmbeddedPdfSignature) -> bool:
    """Whether the catalog names this signature as the one that certifies (ISO 32000-2, 12.8.6)."""
    try:
        named = reader.root["/Perms"].raw_get("/DocMDP")
    except KeyError:
        return False
    return isinstance(named, generic.IndirectObject) and named == embedded.sig_field.raw_get("/V")


def _locks_everything(embedded: EmbeddedPdfSignature) -> bool:
    """FieldMDP over all fields with P=1, in the signature's reference dictionary (ISO 32000-2, 12.8.2.4)."""
    if embedded.fieldmdp is None or embedded.fieldmdp.action is not FieldMDPAction.ALL:
        return False
    for item in embedded.sig_object["/Reference"]:
        transform = item.get_object()
        if transform["/TransformMethod"] == "/FieldMDP":
            return bool(transform["/TransformParams"].get("/P") == MDPPerm.NO_CHANGES.value)
    return False


# A stranger's file may name its fields at any length; ours are short, and a report has bounds.
_LONGEST_NAME = 200
_MOST_NAMES = 64


@dataclass(frozen=True, slots=True)
class _Attached:
    record_id: str
    school_code: str
    required_fields: tuple[str, ...]


def _attached_record(reader: PdfFileReader, limits: Limits) -> _Attached | None:
    """What the one attached record says about itself; None when there is none that holds together.

    All of it must be attached: a record short of disclosures would ask for fewer signatures.
    """
    content = _attachment(reader, limits)
    if content is None:
        return None
    try:
        header, disclosures = read_attachment(content)
        values = open_disclosures(header, disclosures)
        if len(disclosures) != len(header["_sd"]):
            return None
        subjects = tuple(name.removeprefix("mon.") for name in values if name.startswith("mon."))
        return _Attached(
            record_id=str(header["record_id"]),
            school_code=str(header["issuer"]),
            required_fields=signature_fields(str(header["level"]), subjects),
        )
    except (InvalidInput, ValueError):
        return None


def _attachment(reader: PdfFileReader, limits: Limits) -> bytes | None:
    """The bytes of the one embedded file with the record's name; None when there is none, or several."""
    try:
        streams = [stream for name, stream in _attachments(reader) if name == ATTACHMENT_NAME]
        content = bytes(streams[0].data) if len(streams) == 1 else None
    except MemoryError:
        raise
    except Exception:  # a name tree or a stream that cannot be read carries no record
        return None
    return content if content is not None and len(content) <= limits.attachment_bytes else None


def read_attached(data: bytes, policy: ValidationPolicy) -> bytes | None:
    """The attached record of a PDF as it stands there, unchecked; None when there is none to read."""
    reader = _open(data, policy.limits)
    return None if isinstance(reader, str) else _attachment(reader, policy.limits)


def _attachments(reader: PdfFileReader) -> Iterator[tuple[str, Any]]:
    """(file name, stream) of every embedded file in the name tree (ISO 32000-2, 7.7.4 and 7.11.4)."""
    try:
        nodes = [reader.root["/Names"]["/EmbeddedFiles"]]
    except KeyError:
        return
    for _ in range(_NAME_TREE_NODES):
        if not nodes:
            return
        node = nodes.pop()
        nodes += [kid.get_object() for kid in node.get("/Kids", ())]
        for entry in list(node.get("/Names", ()))[1::2]:
            specification = entry.get_object()
            name = specification.get("/UF", specification.get("/F", ""))
            yield str(name), specification["/EF"]["/F"]


@dataclass(frozen=True, slots=True)
class _Opinion:
    """What pyHanko says. ``integrity`` and ``coverage`` are reason codes that depend on the bytes alone;
    ``trusted`` is None where it never asked for a path, since the signature did not hold; ``level`` is how
    far later revisions changed the document. ``stamp`` and ``doubts_time`` are about timestamps: the bytes of
    those on the signature, and the path of those or of the document timestamp. ``said`` is all of it in one
    main status, None where it was not asked; ``approves`` is its word on the revisions after the signature,
    None where it gave none.
    """

    integrity: str = ""
    coverage: str = ""
    trusted: bool | None = None
    level: ModificationLevel | None = None
    stamp: str = ""
    doubts_time: bool = False
    said: Opinion | None = None
    approves: bool | None = None


def _ask_library(
    signature: _Signature,
    along: Sequence[Certificate],
    basis: Basis,
    proven: datetime,
    *,
    broken: str,
    own: bool,
) -> _Opinion:
    """pyHanko on one signature, at the time that our own rules hold for proven. ``along`` are certificates of
    the security store. A signature that is ``broken`` by our own mathematics has no second opinion that
    could count, and costs none: files without one whole signature are what strangers send by the thousand.
    """
    trust, policy, embedded = basis.trust, basis.policy, signature.embedded
    if embedded is None:
        return _Opinion(integrity="library_refused")
    if broken:
        return _Opinion(integrity=broken)
    # Where our own rules on later revisions have found a fault, the diff analysis could only find another.
    unasked = own or signature.facts.coverage not in ("", "bytes_after_signature")
    try:
        cms = read_cms(embedded.pkcs7_content, policy.limits.certificates)
        path = find_path(cms.signer, (*cms.offered, *along), trust, policy, proven)
        status = ades.run(
            async_validate_pdf_signature(
                embedded,
                signer_validation_context=_context(path, proven),
                ts_validation_context=_timestamp_context(cms.timestamps, trust, policy),
                # Its extended key usage is our own rule's and the AdES opinion's to ask: this method, told
                # any, would demand one of every certificate.
                key_usage_settings=replace(ades.key_usage(policy), extd_key_usage=None),
                skip_diff=unasked,
            )
        )
    except MalformedSignature as fault:
        return _Opinion(integrity=fault.code)
    except MemoryError:
        raise
    except Exception:  # pyHanko's errors are not uniform
        return _Opinion(integrity="library_refused", said=_FAILED)
    holds = bool(status.intact and status.valid)
    stamp = status.timestamp_validity
    stamped = stamp is not None and stamp.intact and stamp.valid
    coverage = _library_coverage(status, own=unasked)
    return _Opinion(
        integrity="" if holds else "library_disagrees",
        coverage=coverage,
        said=_classic(status, coverage),
        trusted=bool(status.trusted) if holds else None,
        level=status.modification_level,
        stamp="" if stamp is None or stamped else "library_disagrees",
        doubts_time=stamp is not None and bool(stamped) and not stamp.trusted,
        approves=None if unasked else status.docmdp_ok,
    )


def _ask_about_timestamp(
    signature: _Signature, trust: TrustStore, policy: ValidationPolicy, *, own: bool
) -> _Opinion:
    """pyHanko on one document timestamp."""
    embedded = signature.embedded
    if embedded is None:
        return _Opinion(integrity="library_refused")
    try:
        context = _timestamp_context((embedded.pkcs7_content,), trust, policy)
        status = ades.run(async_validate_pdf_timestamp(embedded, context, skip_diff=own))
    except MemoryError:
        raise
    except Exception:  # pyHanko's errors are not uniform
        return _Opinion(integrity="library_refused", said=_FAILED)
    whole = status.coverage is not None and status.coverage >= SignatureCoverageLevel.ENTIRE_REVISION
    holds = bool(status.intact and status.valid)
    coverage = "" if whole else "not_whole_revision"
    return _Opinion(
        integrity="" if holds else "library_disagrees",
        coverage=coverage,
        said=_classic(status, coverage),
        doubts_time=holds and not status.trusted,
        approves=None if own else status.docmdp_ok,
    )


_FAILED = Opinion(OpinionBy.CLASSIC, Indication.INDETERMINATE, SubIndication.GENERIC, code="library_failed")


def _classic(status: SignatureStatus, coverage: str) -> Opinion:
    """The parts of pyHanko's classic answer as one main status, the gravest part first."""
    if not status.intact:
        found = Indication.TOTAL_FAILED, SubIndication.HASH_FAILURE
    elif not status.valid:
        found = Indication.TOTAL_FAILED, SubIndication.SIG_CRYPTO_FAILURE
    elif coverage:
        found = Indication.TOTAL_FAILED, SubIndication.FORMAT_FAILURE
    elif status.trust_problem_indic is not None:
        found = Indication.INDETERMINATE, SubIndication(status.trust_problem_indic.standard_name)
    else:
        return Opinion(OpinionBy.CLASSIC, Indication.TOTAL_PASSED, None)
    return Opinion(OpinionBy.CLASSIC, *found)


@dataclass(frozen=True, slots=True)
class _SecondOpinions:
    """pyHanko's AdES validation on the evidence by which we judged ``first``."""

    basis: Basis
    store: Store
    first: Judgement

    def about_signature(self, signature: _Signature, judged: SignatureReport) -> Opinion | None:
        """None where no opinion could count: without a signature, or with one that our own mathematics
        refuses.
        """
        embedded, proven = signature.embedded, judged.proven_time or self.basis.at
        if embedded is None or _broken(judged):
            return None
        return _asked(OpinionBy.ADES_BASIC, lambda: self._about_signature(embedded, judged, proven))

    def _about_signature(
        self, embedded: EmbeddedPdfSignature, judged: SignatureReport, proven: datetime
    ) -> Opinion:
        trust, policy = self.basis.trust, self.basis.policy
        cms = read_cms(embedded.pkcs7_content, policy.limits.certificates)
        path = find_path(cms.signer, (*cms.offered, *self.store.certificates), trust, policy, proven)
        stamped = judged.proven_by is ProvenBy.SIGNATURE_TIMESTAMP
        tokens = [
            token
            for token, stamp in zip(cms.timestamps, self._stamps_on(judged.field), strict=False)
            if stamped and stamp.passed and stamp.time == proven
        ]
        authority = self._authority(tokens[0], proven) if tokens else None
        case = self._case(path, authority, came_along(cms))
        return ades.ask_about_signature(embedded, case, proven, with_time=bool(tokens))

    def about_timestamps(self, found: _Found) -> list[Opinion | None]:
        """In the order of the reports; None for a timestamp that proves nothing anyway."""
        opinions: list[Opinion | None] = []
        stamps = iter(self.first.timestamps)
        for each, stamp in zip(found.timestamps, stamps, strict=False):
            embedded = each.embedded
            if embedded is None or not stamp.passed:
                opinions.append(None)
                continue
            opinions.append(self._about_document_timestamp(embedded, stamp))
        return opinions + [self._about_stamp_on(found, stamp) for stamp in stamps]

    def _about_document_timestamp(self, embedded: EmbeddedPdfSignature, stamp: TimestampReport) -> Opinion:
        def ask() -> Opinion:
            content = embedded.pkcs7_content
            return self._about_timestamp(stamp, embedded.signed_data, content, embedded.compute_digest)

        return _asked(OpinionBy.ADES_TIMESTAMP, ask)

    def _about_stamp_on(self, found: _Found, stamp: TimestampReport) -> Opinion | None:
        bearers = [s.embedded for s in found.signatures if s.facts.field == stamp.field]
        embedded = bearers[0] if len(bearers) == 1 else None  # of two fields with one name neither passes
        if not stamp.passed or embedded is None:
            return None
        number = [s is stamp for s in self._stamps_on(stamp.field)].index(True)

        def ask() -> Opinion:
            most = self.basis.policy.limits.certificates
            encoded = read_cms(embedded.pkcs7_content, most).timestamps[number]
            token, over = ades.timestamps_on(embedded)[number], ades.over_signature(embedded)
            return self._about_timestamp(stamp, token, encoded, over)

        return _asked(OpinionBy.ADES_TIMESTAMP, ask)

    def _about_timestamp(
        self, stamp: TimestampReport, token: Any, encoded: bytes, imprint: Callable[[str], bytes]
    ) -> Opinion:
        authority = self._authority(encoded, stamp.proven_time)
        generated = stamp.time or stamp.proven_time
        case = self._case(None, authority, ())
        return ades.ask_about_timestamp(token, imprint, case, stamp.proven_time, generated)

    def _stamps_on(self, field: str) -> list[TimestampReport]:
        kind = TimestampKind.SIGNATURE
        return [s for s in self.first.timestamps if s.kind is kind and s.field == field]

    def _authority(self, token: bytes, moment: datetime) -> Path | None:
        policy, store = self.basis.policy, self.basis.trust.for_timestamps
        cms = read_token(token, policy.limits.certificates).cms
        offered = (*cms.offered, *self.store.certificates)
        return find_path(cms.signer, offered, store, policy, moment, use=policy.timestamp_use)

    def _case(self, signer: Path | None, authority: Path | None, along: Sequence[Crl | Answer]) -> ades.Case:
        basis = self.basis
        contents = (*(content for content, _ in self.store.contents), *along)
        paths = [path for path in (signer, authority) if path is not None]
        data = validation_data(paths, basis.trust, basis.at, contents)
        return ades.Case(basis.policy, basis.at, signer, authority, data)


def _asked(by: OpinionBy, ask: Callable[[], Opinion]) -> Opinion:
    """What breaks while a question is put together is a finding too: no opinion is no consent."""
    try:
        return ask()
    except MemoryError:
        raise
    except Exception:
        return Opinion(by, Indication.INDETERMINATE, SubIndication.GENERIC, code="library_failed")


def _ours(report: SignatureReport | TimestampReport) -> Opinion:
    return Opinion(OpinionBy.OURS, report.indication, report.sub_indication)


def _set_against(ours: Opinion, others: Sequence[Opinion | None]) -> tuple[Opinion, ...]:
    """Ours and the others, each with how it stands to ours; nothing where nobody else was asked."""
    asked = tuple(replace(o, agreement=agreement(ours, o)) for o in others if o is not None)
    return (ours, *asked) if asked else ()


def _strictest(
    judged: SignatureReport, ours: SignatureReport, classic: _Opinion, second: Opinion | None
) -> SignatureReport:
    """Our own result after what the classic opinion found about the bytes, then both about the rest;
    ``ours`` is our result before anybody else was asked.
    """
    report = judged
    if classic.trusted is False:
        report = stricter(report, CheckName.CERTIFICATE, "library_disagrees")
    if second is not None:
        report = heed(report, second)
    return replace(report, opinions=_set_against(_ours(ours), (classic.said, second)))


def _timestamp_context(
    tokens: Sequence[bytes], trust: TrustStore, policy: ValidationPolicy
) -> ValidationContext | None:
    """For the first timestamp: the path that our own search finds for the time it gives."""
    if not tokens:
        return None
    try:
        token = read_token(tokens[0], policy.limits.certificates)
    except MalformedSignature:
        return None
    store, use = trust.for_timestamps, policy.timestamp_use
    path = find_path(token.cms.signer, token.cms.offered, store, policy, token.generated, use=use)
    return _context(path, token.generated)


def _joined(signature: _Signature, opinion: _Opinion, followed: str, *, lenient: bool) -> SignatureFacts:
    """What we and the library found about the bytes; the first word stands. ``followed`` is why what came
    after is not covered. Read leniently, coverage can be refused, never granted.
    """
    facts = signature.facts
    return replace(
        facts,
        integrity=facts.integrity or opinion.integrity,
        coverage=facts.coverage or opinion.coverage or followed or (READ_LENIENTLY if lenient else ""),
        stamp=opinion.stamp,
    )


def _uncovered(structure: Structure, faults: Sequence[str]) -> Structure:
    """The facts of signatures and timestamps with why what followed each is not covered; without, as they
    are.
    """
    if not faults:
        return structure
    count = len(structure.signatures)
    facts = [
        replace(each, coverage=each.coverage or fault)
        for each, fault in zip((*structure.signatures, *structure.timestamps), faults, strict=True)
    ]
    return replace(structure, signatures=tuple(facts[:count]), timestamps=tuple(facts[count:]))


def _library_coverage(status: PdfSignatureStatus, *, own: bool) -> str:
    if status.coverage is None or status.coverage < SignatureCoverageLevel.ENTIRE_REVISION:
        return "not_whole_revision"
    if not status.seed_value_ok:
        return "seed_value"
    # Without the diff analysis pyHanko has no opinion on a revision that is not the last (None).
    if status.docmdp_ok is False or (status.docmdp_ok is None and not own):
        return "changed_after_signing"
    return ""


def _broken(judged: SignatureReport) -> str:
    """Why the signature is not one of these bytes; empty when it is."""
    return next((c.code for c in judged.checks if c.name is CheckName.INTEGRITY), "not_checked")


def _context(path: Path | None, proven: datetime) -> ValidationContext:
    """One pinned root, judged at the proven time. Nothing is fetched; the system's trust store is not read.

    Revocation and the strength of algorithms are left to our own rules, which are stricter: lists must be
    fresh at the time of the check although the certificate is judged at an earlier one, for which pyHanko
    would have to be told to accept later lists without asking how fresh they are.
    """
    links = () if path is None else path.certificates
    return ValidationContext(
        trust_manager=SimpleTrustManager.build(trust_roots=[ades.as_asn1(link.der) for link in links[-1:]]),
        certificate_registry=ades.ClosedRegistry(links[1:-1]),
        moment=proven,
        best_signature_time=proven,
        allow_fetching=False,
        revocation_mode="soft-fail",
        algorithm_usage_policy=AcceptAllAlgorithms(),
    )


def _archival_from(
    reader: PdfFileReader,
    signatures: tuple[_Signature, ...],
    timestamps: tuple[_Signature, ...],
    opinions: list[_Opinion],
) -> int:
    """From which length on the rest of the file is revisions of validation data only (in bytes).

    pyHanko's diff analysis says of an intact signature that nothing but long-term validation data followed.
    It says so of an object that nothing refers to as well, so a security store or a document timestamp must
    really have been written. Bytes that are no revision at all are no such thing.
    """
    ends = [
        each.facts.byte_range[2] + each.facts.byte_range[3]
        for each, opinion in zip(signatures, opinions, strict=True)
        if each.facts.byte_range is not None
        and not opinion.integrity
        and opinion.level is ModificationLevel.LTA_UPDATES
        and each.embedded is not None
        and _adds_validation_data(reader, timestamps, each.embedded.signed_revision)
    ]
    return min(ends, default=_NEVER_ARCHIVAL)


def _adds_validation_data(reader: PdfFileReader, timestamps: tuple[_Signature, ...], revision: int) -> bool:
    """Whether a later revision writes a document security store or a document timestamp."""
    xrefs = reader.xrefs
    store = reference_of(reader.root, "/DSS")
    later = range(revision + 1, xrefs.total_revisions)
    return any(store in xrefs.explicit_refs_in_revision(number) for number in later) or any(
        stamp.embedded is not None and stamp.embedded.signed_revision > revision for stamp in timestamps
    )
