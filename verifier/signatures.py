"""Judges the signatures of one file: facts of the bytes + trust + policy + time -> one report per signature.

Both ways through ``verifier.pades`` end here, the full one with pyHanko and the fast one without, so a
registered file gets the same report on both. Order and names of the steps follow ETSI EN 319 102-1 clauses
5.2, 5.3 and 5.6: timestamps first, from the outermost in, each judged at the earliest time at which it is
itself known to have existed; then every signature at the earliest time that a valid proof gives.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import partial
from itertools import chain
from typing import TypeVar

from verifier.certificates import Certificate, companions_fault, find_path, read_certificate
from verifier.cms import COMPUTED, Cms, MalformedSignature, read_cms, signature_holds
from verifier.indications import (
    check_against,
    check_algorithms,
    coverage_check,
    graver,
    indicate,
    passed_unless,
    signer_info,
    unasked,
)
from verifier.intake import ByteRange, contents_of, gap_fault, range_digests
from verifier.policy import ValidationPolicy
from verifier.report import (
    Check,
    CheckName,
    CheckStatus,
    Indication,
    Opinion,
    ProvenBy,
    Role,
    SignatureReport,
    TimestampKind,
    TimestampReport,
    gravity,
    plausible,
)
from verifier.revocation import Answer, Crl, Embedded, check_revocation, read_answer, read_crl
from verifier.timestamps import Bench, Stamp, Token, digest_of, judge_token, read_token, unreadable
from verifier.trust import Approval, AuthorisedSigner, TrustStore

PADES = "/ETSI.CAdES.detached"
TIMESTAMP = "/ETSI.RFC3161"
RANGE_UNREADABLE = "range_unreadable"  # coverage of a signature that itself could not be read


@dataclass(frozen=True, slots=True)
class SignatureFacts:
    """What never changes about one signature, or document timestamp, of bytes that never change.

    ``byte_range`` is [0, a, b, c]: bytes [0, a) and [b, b + c) are signed, [a, b) holds ``<hex>``.
    ``coverage``, ``integrity`` and, for timestamps on the signature, ``stamp`` are reason codes found by the
    full validation, empty when nothing was wrong.
    """

    field: str
    byte_range: ByteRange | None
    subfilter: str
    claimed_time: datetime | None
    coverage: str
    integrity: str
    stamp: str = ""


class EvidenceKind(StrEnum):
    """What a document security store holds (EN 319 142-1 clause 5.4.2)."""

    CERTIFICATE = "certificate"
    CRL = "crl"
    OCSP = "ocsp"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where something of the document security store lies in the file: ``length`` bytes from ``start``."""

    kind: EvidenceKind
    start: int
    length: int
    deflated: bool

    @property
    def end(self) -> int:
        return self.start + self.length


def role_of(field: str) -> tuple[Role | None, str | None]:
    """Role and subject code that a field name stands for; (None, None) for a field that is not ours."""
    name, _, subject = field.partition(".")
    if name == Role.GVBM and subject:
        return Role.GVBM, subject
    if field in (Role.GVCN, Role.CBQL, Role.KY_PHAT_HANH):
        return Role(field), None
    return None, None


@dataclass(frozen=True, slots=True)
class Proof:
    """The first ``length`` bytes of the file are known to have existed at ``time``."""

    length: int
    time: datetime
    by: ProvenBy


@dataclass(frozen=True, slots=True)
class Basis:
    """What signatures are judged by. ``school_code`` is the record's issuer when the file says it, ``proofs``
    are what others than the file itself prove about its age, ``at`` is the time of this check.
    """

    trust: TrustStore
    policy: ValidationPolicy
    at: datetime
    proofs: tuple[Proof, ...]
    school_code: str | None


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file says about itself: facts of its signatures and document timestamps, and where its security
    store lies. ``doubted`` are fields on whose timestamps the library found no trusted path.
    """

    signatures: tuple[SignatureFacts, ...]
    timestamps: tuple[SignatureFacts, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    doubted: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Judgement:
    """Reports in the order of the facts; timestamps of the document, then of the signatures. ``fresh_until``
    is the earliest nextUpdate of the lists they rest on.
    """

    reports: tuple[SignatureReport, ...]
    fresh_until: datetime | None
    timestamps: tuple[TimestampReport, ...] = ()

    @property
    def document_fault(self) -> str:
        """Why the document as a whole fails, whatever its signatures are."""
        broken = any(t.broken for t in self.timestamps if t.kind is TimestampKind.DOCUMENT)
        return "document_timestamp_broken" if broken else ""


@dataclass(frozen=True, slots=True)
class _Reading:
    """One signature as read once: the reason why not, or its CMS with what does not depend on trust."""

    facts: SignatureFacts
    cms: Cms | str
    integrity: str = ""
    tokens: tuple[Token | str, ...] = ()

    @property
    def signed(self) -> int:
        """How many bytes from the beginning it signs, up to its own place."""
        return 0 if self.facts.byte_range is None else self.facts.byte_range[1]

    @property
    def binds(self) -> bool:
        """The value stands for these bytes under one certificate alone. Where the signed attributes do not
        name it, a key can be computed under which an old value signs any bytes.
        """
        return isinstance(self.cms, Cms) and self.cms.names_certificate and not self.integrity


@dataclass(frozen=True, slots=True)
class _StampReading:
    facts: SignatureFacts
    token: Token | str
    covered: bytes | None = None


@dataclass(frozen=True, slots=True)
class Store:
    """What the security store holds, and where each ends."""

    certificates: tuple[Certificate, ...]
    contents: tuple[tuple[Crl | Answer, int], ...]


_OURS = (CheckName.INTEGRITY, CheckName.ALGORITHM, CheckName.CERTIFICATE, CheckName.AUTHORITY)


class _Belief(StrEnum):
    """Which of the file's own timestamps count as proofs."""

    NONE = "none"
    PASSED = "passed"
    UNFINISHED_TOO = "unfinished too"


def judge(data: bytes, contents: Contents, basis: Basis) -> Judgement:
    """Judge every signature. A document cannot make this raise."""
    # 1 Read every CMS and every timestamp; what cannot be read keeps its reason.
    policy = basis.policy
    parsed = [_read(data, each, policy) for each in contents.signatures]
    tokens = [_read_stamp(data, each, policy) for each in contents.timestamps]

    # 2 One pass over the bytes for all digests.
    wanted = [
        *(
            (f.byte_range, c.digest)
            for f, c in zip(contents.signatures, parsed, strict=True)
            if isinstance(c, Cms)
        ),
        *(
            (f.byte_range, t.digest)
            for f, t in zip(contents.timestamps, tokens, strict=True)
            if isinstance(t, Token)
        ),
    ]
    digests = range_digests(data, ((r, name) for r, name in wanted if r is not None and name in COMPUTED))

    # 3 What depends on the bytes alone, once.
    readings: list[_Reading] = []
    for facts, cms in zip(contents.signatures, parsed, strict=True):
        if isinstance(cms, str):
            readings.append(_Reading(facts, cms))
            continue
        digest = None if facts.byte_range is None else digests.get((facts.byte_range, cms.digest))
        fault = _integrity_fault(facts, cms, digest) or facts.integrity
        readings.append(_Reading(facts, cms, fault, tuple(_token(t, policy) for t in cms.timestamps)))
    stamps = [
        _StampReading(
            facts,
            token,
            digests.get((facts.byte_range, token.digest))
            if isinstance(token, Token) and facts.byte_range
            else None,
        )
        for facts, token in zip(contents.timestamps, tokens, strict=True)
    ]
    found = read_evidence(data, contents.evidence, policy)
    bench = _Case(tuple(readings), tuple(stamps), found, contents.doubted, basis)

    # 4 Judge with what the file's own timestamps prove; without any there is nothing more to say.
    plain = bench.judge(_Belief.NONE)
    if not stamps and not any(reading.tokens for reading in readings):
        return plain.judgement()
    proven = bench.judge(_Belief.PASSED)
    reports = [signature.report for signature in proven.signatures]

    # 5 A timestamp that could not be judged to the end leaves open whatever hangs on it.
    if any(stamp.report.unfinished for stamp in proven.stamps):
        hoped = bench.judge(_Belief.UNFINISHED_TOO)
        for number, other in enumerate(signature.report for signature in hoped.signatures):
            if _may_pass(reports[number]) is not _may_pass(other):
                open_ = other if _may_pass(other) else reports[number]
                unchecked = Check(CheckName.TIME, CheckStatus.INCOMPLETE, "timestamp_unchecked")
                reports[number] = _with(open_, unchecked)

    # 6 The result lapses with its lists; with those of the timestamps where it would be another without them.
    needed = any(
        _may_pass(signature.report) is not _may_pass(report)
        for signature, report in zip(plain.signatures, reports, strict=True)
    )
    return replace(proven.judgement(with_stamps=needed), reports=tuple(reports))


@dataclass(frozen=True, slots=True)
class _Judged:
    report: SignatureReport
    fresh_until: datetime | None


@dataclass(frozen=True, slots=True)
class _Outcome:
    signatures: tuple[_Judged, ...]
    stamps: tuple[Stamp, ...]

    def judgement(self, *, with_stamps: bool = False) -> Judgement:
        fresh = [each.fresh_until for each in self.signatures if each.fresh_until is not None]
        if with_stamps:
            fresh += [s.fresh_until for s in self.stamps if s.report.passed and s.fresh_until is not None]
        return Judgement(
            tuple(each.report for each in self.signatures),
            min(fresh, default=None),
            tuple(stamp.report for stamp in self.stamps),
        )


@dataclass(frozen=True, slots=True)
class _Case:
    """Everything about one file that does not depend on whether its timestamps are believed."""

    readings: tuple[_Reading, ...]
    stamps: tuple[_StampReading, ...]
    found: Store
    doubted: frozenset[str]
    basis: Basis

    def judge(self, belief: _Belief) -> _Outcome:
        """Every timestamp, from the outermost in, then every signature."""
        proofs = list(self.basis.proofs)
        of_document: list[Stamp] = []
        for each in reversed(self.stamps):
            stamp = self._document_stamp(each, proofs)
            of_document.insert(0, stamp)
            if stamp.latest is not None and _counts(stamp, belief):
                proofs.append(Proof(_covered(each.facts), stamp.latest, ProvenBy.DOCUMENT_TIMESTAMP))
        of_signatures: list[list[Stamp]] = []
        signatures: list[_Judged] = []
        for reading in reversed(self.readings):
            end = 0 if reading.facts.byte_range is None else reading.facts.byte_range[2]
            proof = self._earliest(proofs, end)
            own = self._signature_stamps(reading, proof, proofs)
            times = [s.latest for s in own if s.latest is not None and _counts(s, belief)]
            stamped = bool(times) and min(times) < proof.time
            if stamped:
                proof = Proof(end, min(times), ProvenBy.SIGNATURE_TIMESTAMP)
            of_signatures.insert(0, own)
            judged = self._signature(reading, own, proof, proofs)
            signatures.insert(0, judged)
            # What one of ours signed is as old as the signature: the seal's timestamp serves all before
            # it. A stranger's signature says nothing of the age of anything.
            if (
                stamped
                and reading.binds
                and all(judged.report.status(n) is CheckStatus.PASSED for n in _OURS)
            ):
                proofs.append(replace(proof, length=reading.signed))
        return _Outcome(tuple(signatures), (*of_document, *chain.from_iterable(of_signatures)))

    def _earliest(self, proofs: Sequence[Proof], end: int) -> Proof:
        """The earliest proof of the first ``end`` bytes: at last they exist now."""
        now = Proof(end, self.basis.at, ProvenBy.CHECK)
        return min((*(p for p in proofs if p.length >= end), now), key=lambda proof: proof.time)

    def _embedded(self, proofs: Sequence[Proof]) -> tuple[Embedded, ...]:
        """The security store, each part with the proof of its age."""
        return tuple(
            Embedded(content, self._earliest(proofs, end).time) for content, end in self.found.contents
        )

    def _bench(self, proof: Proof, proofs: Sequence[Proof]) -> Bench:
        basis = self.basis
        certificates = self.found.certificates
        return Bench(basis.trust, basis.policy, basis.at, proof.time, certificates, self._embedded(proofs))

    def _document_stamp(self, each: _StampReading, proofs: Sequence[Proof]) -> Stamp:
        facts = each.facts
        proof = self._earliest(proofs, 0 if facts.byte_range is None else facts.byte_range[2])
        kind = TimestampKind.DOCUMENT
        if isinstance(each.token, str):
            return unreadable(kind, facts.field, each.token, proof.time, coverage=facts.coverage)
        return judge_token(
            kind,
            facts.field,
            each.token,
            each.covered,
            self._bench(proof, proofs),
            library=facts.integrity,
            doubted=facts.field in self.doubted,
            coverage=facts.coverage,
        )

    def _signature_stamps(self, reading: _Reading, proof: Proof, proofs: Sequence[Proof]) -> list[Stamp]:
        field, kind, cms = reading.facts.field, TimestampKind.SIGNATURE, reading.cms
        if isinstance(cms, str):
            return []
        return [
            unreadable(kind, field, token, proof.time)
            if isinstance(token, str)
            else judge_token(
                kind,
                field,
                token,
                digest_of(cms.signature, token.digest),
                self._bench(proof, proofs),
                library=reading.facts.stamp,
                doubted=field in self.doubted,
            )
            for token in reading.tokens
        ]

    def _signature(
        self, reading: _Reading, stamps: Sequence[Stamp], proof: Proof, proofs: Sequence[Proof]
    ) -> _Judged:
        facts, cms, basis = reading.facts, reading.cms, self.basis
        if isinstance(cms, str):
            return _Judged(_unreadable(facts, cms, proof), None)
        role, subject_code = role_of(facts.field)
        signer = cms.signer

        # 1 Integrity: the bytes match the message digest, the signature matches the signed attributes.
        integrity = passed_unless(CheckName.INTEGRITY, reading.integrity)

        # 2 The gap, and coverage: both found once, when the structure of the file was read. Bytes that the
        #   signature is not over are covered by nothing.
        gap = _gap(facts, facts.integrity)
        coverage = _coverage(facts, reading.integrity)

        # 3 Certificate: a path to a pinned anchor that holds at the proven time.
        offered = (*cms.offered, *self.found.certificates)
        path = find_path(signer, offered, basis.trust, basis.policy, proof.time)
        strange = "" if role is None else companions_fault(signer, cms.offered, basis.trust)
        certificate = passed_unless(
            CheckName.CERTIFICATE, "no_path" if path is None else path.code or strange
        )

        # 4 Algorithms of the signature and of every certificate below the anchor.
        algorithm = check_algorithms((cms.digest,), signer, path, basis.policy, proof.time)

        # 5 Authority: our own table, never the certificate's words.
        row, authority_code = _authority(signer, role, subject_code, basis, proof.time)
        authority = passed_unless(CheckName.AUTHORITY, authority_code)

        # 6 Time: a timestamp must be over this signature; the claim may not lie after the proof.
        claimed = facts.claimed_time or cms.signing_time
        late = claimed is not None and claimed > proof.time + basis.policy.clock_tolerance
        broken = any(stamp.report.broken for stamp in stamps)
        time = passed_unless(
            CheckName.TIME, "timestamp_broken" if broken else "claimed_in_future" if late else ""
        )

        # 7 Revocation, hard-fail.
        until = None
        if path is None:
            revocation = Check(CheckName.REVOCATION, CheckStatus.NOT_AVAILABLE, "no_path")
        else:
            # A timestamp of the signature is over its value alone: what came along may be younger.
            age = self._earliest(proofs, 0 if facts.byte_range is None else facts.byte_range[2]).time
            along = (Embedded(content, age) for content in came_along(cms))
            found = check_revocation(
                path,
                basis.trust,
                proof.time,
                basis.at,
                embedded=(*self._embedded(proofs), *along),
                algorithms=basis.policy.algorithms,
            )
            until = found.fresh_until
            status = CheckStatus.FAILED if found.revoked else CheckStatus.INCOMPLETE
            revocation = Check(CheckName.REVOCATION, status if found.code else CheckStatus.PASSED, found.code)

        # 8 Whoever signed something: where the signature is not that key's, nothing more is known of anybody.
        about_signer: tuple[Check, ...] = (algorithm, certificate, authority, time, revocation)
        if reading.integrity and not signature_holds(cms):
            about_signer = tuple(map(unasked, about_signer))
            row = None

        checks = (integrity, gap, coverage, *about_signer)
        indication, sub_indication = indicate(checks)
        report = SignatureReport(
            field=facts.field,
            role=role,
            subject_code=subject_code,
            byte_range=facts.byte_range,
            signer=signer_info(signer),
            claimed_time=None if claimed is None else plausible(claimed),
            proven_time=proof.time,
            school_code=None if row is None else row.school_code,
            capacity=None if row is None else _capacity(row, role),
            digest_algorithm=cms.digest,
            checks=checks,
            indication=indication,
            sub_indication=sub_indication,
            proven_by=proof.by,
        )
        return _Judged(report, until)


def _covered(facts: SignatureFacts) -> int:
    """How much of the file a document timestamp is over: all but its own place, which nothing shares."""
    return 0 if facts.byte_range is None else facts.byte_range[2] + facts.byte_range[3]


def _counts(stamp: Stamp, belief: _Belief) -> bool:
    match belief:
        case _Belief.NONE:
            return False
        case _Belief.PASSED:
            return stamp.report.passed
        case _Belief.UNFINISHED_TOO:
            return stamp.report.passed or stamp.report.unfinished


def _may_pass(report: SignatureReport) -> bool:
    """Nothing speaks against the signature, though something may be unfinished."""
    return all(c.status in (CheckStatus.PASSED, CheckStatus.INCOMPLETE) for c in report.checks)


def _read(data: bytes, facts: SignatureFacts, policy: ValidationPolicy) -> Cms | str:
    """The CMS in the gap, or the reason code why there is none."""
    contents = _contents(data, facts)
    if isinstance(contents, str):
        return contents
    try:
        return read_cms(contents, policy.limits.certificates)
    except MalformedSignature as error:
        return error.code


def _read_stamp(data: bytes, facts: SignatureFacts, policy: ValidationPolicy) -> Token | str:
    """The timestamp in the gap, or the reason code why there is none."""
    contents = _contents(data, facts)
    return contents if isinstance(contents, str) else _token(contents, policy)


def _contents(data: bytes, facts: SignatureFacts) -> bytes | str:
    if facts.byte_range is None:
        return facts.integrity or "no_byte_range"
    return gap_fault(data, facts.byte_range, None) or contents_of(data, facts.byte_range)


def _token(contents: bytes, policy: ValidationPolicy) -> Token | str:
    try:
        return read_token(contents, policy.limits.certificates)
    except MalformedSignature as error:
        return error.code


def read_evidence(data: bytes, evidence: Sequence[Evidence], policy: ValidationPolicy) -> Store:
    """What the store holds; a part that cannot be read counts for nothing."""
    certificates: list[Certificate] = []
    contents: list[tuple[Crl | Answer, int]] = []
    for each in evidence:
        raw = data[each.start : each.end]
        if each.deflated:
            raw = _readable(partial(_inflate, most=policy.limits.stream_bytes), raw) or b""
        match each.kind:
            case EvidenceKind.CERTIFICATE:
                certificate = _readable(read_certificate, raw)
                certificates += [] if certificate is None else [certificate]
            case EvidenceKind.CRL:
                crl = _readable(read_crl, raw)
                contents += [] if crl is None else [(crl, each.end)]
            case EvidenceKind.OCSP:
                answer = _readable(read_answer, raw)
                contents += [] if answer is None else [(answer, each.end)]
    return Store(tuple(certificates), tuple(contents))


def _inflate(packed: bytes, *, most: int) -> bytes:
    return zlib.decompressobj().decompress(packed, most)


def came_along(cms: Cms) -> list[Crl | Answer]:
    """What the signature itself carries to be judged by."""
    lists = (_readable(read_crl, der) for der in cms.lists)
    answers = (_readable(read_answer, der) for der in cms.answers)
    return [content for content in (*lists, *answers) if content is not None]


_T = TypeVar("_T")


def _readable(reader: Callable[[bytes], _T], raw: bytes) -> _T | None:
    """What ``reader`` makes of a stranger's bytes, None when it cannot read them."""
    try:
        return reader(raw)
    except MemoryError:
        raise
    except Exception:  # ValueError, and what else zlib and the certificate library raise for rubbish
        return None


def _unreadable(facts: SignatureFacts, code: str, proof: Proof) -> SignatureReport:
    """A signature that cannot even be read fails as a whole; the other checks had nothing to look at."""
    role, subject_code = role_of(facts.field)
    rest = (
        CheckName.ALGORITHM,
        CheckName.CERTIFICATE,
        CheckName.AUTHORITY,
        CheckName.TIME,
        CheckName.REVOCATION,
    )
    checks = (
        passed_unless(CheckName.INTEGRITY, code),
        _gap(facts, code),
        _coverage(facts, code),
        *(Check(name, CheckStatus.NOT_AVAILABLE, "signature_unreadable") for name in rest),
    )
    indication, sub_indication = indicate(checks)
    return SignatureReport(
        field=facts.field,
        role=role,
        subject_code=subject_code,
        byte_range=facts.byte_range,
        signer=None,
        claimed_time=None if facts.claimed_time is None else plausible(facts.claimed_time),
        proven_time=proof.time,
        school_code=None,
        capacity=None,
        digest_algorithm=None,
        checks=checks,
        indication=indication,
        sub_indication=sub_indication,
        proven_by=proof.by,
    )


_GAP_FAULTS = frozenset({"byte_range_malformed", "byte_range_outside_file", "gap_not_contents"})


def _gap(facts: SignatureFacts, fault: str) -> Check:
    """Whether the range is one, and leaves out the signature's own value and nothing else."""
    if facts.byte_range is None:
        return Check(CheckName.BYTE_RANGE, CheckStatus.FAILED, fault or "no_byte_range")
    return passed_unless(CheckName.BYTE_RANGE, fault if fault in _GAP_FAULTS else "")


def _coverage(facts: SignatureFacts, fault: str) -> Check:
    """Coverage as found in the file; ``fault`` is why the signature is over none of it."""
    if fault and facts.coverage == RANGE_UNREADABLE:
        return Check(CheckName.COVERAGE, CheckStatus.NOT_AVAILABLE, "not_asked")
    coverage = coverage_check(facts.coverage)
    return unasked(coverage) if fault else coverage


def _integrity_fault(facts: SignatureFacts, cms: Cms, digest: bytes | None) -> str:
    if digest is None:
        return "digest_not_computable"
    if digest != cms.message_digest:
        return "digest_mismatch"
    if not signature_holds(cms):
        return "bad_signature"
    if facts.subfilter == PADES and not cms.names_certificate:
        return "no_signing_certificate_attribute"  # ETSI EN 319 142-1 clause 6.3, requirement k
    if cms.unknown_unsigned and role_of(facts.field)[0] is not None:
        return "unknown_unsigned_attribute"  # no signer of ours writes one, and nothing signs it
    return ""


def _authority(
    signer: Certificate, role: Role | None, subject_code: str | None, basis: Basis, proven: datetime
) -> tuple[AuthorisedSigner | None, str]:
    """The row that lets this certificate sign this field, or the nearest row and why it does not."""
    rows = basis.trust.signers_by_certificate.get(signer.sha256, ())
    if not rows:
        return None, "unknown_signer"
    if role is None:
        return rows[0], "no_role"
    in_role = [row for row in rows if row.role is role or (row.role is Role.CBQL and role is Role.GVBM)]
    if not in_role:
        return rows[0], "other_role"
    fitting = [
        row
        for row in in_role
        if row.role is not Role.GVBM or not row.subject_codes or subject_code in row.subject_codes
    ]
    if not fitting:
        return in_role[0], "other_subject"
    # The school comes last: what the file says of it is the only part that its maker chooses.
    in_force = [row for row in fitting if row.covers(proven)]
    at_school = [row for row in (in_force or fitting) if basis.school_code in (None, row.school_code)]
    if in_force:
        return (at_school[0], "") if at_school else (in_force[0], "other_school")
    row = (at_school or fitting)[0]
    if row.approval is not Approval.APPROVED:
        return row, "not_approved"
    if row.invalid_since is not None and row.invalid_since <= proven:
        return row, "suspended"
    return row, "outside_period"


def _capacity(row: AuthorisedSigner, role: Role | None) -> str:
    """The principal may sign for a subject teacher ("ký thay")."""
    return "ky_thay" if row.role is Role.CBQL and role is Role.GVBM else row.capacity


def stricter(report: SignatureReport, name: CheckName, code: str) -> SignatureReport:
    """The report with one check that had passed turned into a failure; other states already count less."""
    return (
        report
        if report.status(name) is not CheckStatus.PASSED
        else _with(report, Check(name, CheckStatus.FAILED, code))
    )


def heed(report: SignatureReport, opinion: Opinion) -> SignatureReport:
    """The stricter of a report and a second opinion; never better than either."""
    if opinion.indication is Indication.TOTAL_PASSED:
        return report
    doubt = check_against(opinion)
    statuses = ((report.indication, report.sub_indication), (opinion.indication, opinion.sub_indication))
    indication, sub_indication = max(statuses, key=lambda status: gravity(status[0]))
    return replace(
        report,
        checks=tuple(doubt if c.name is doubt.name and graver(doubt, c) else c for c in report.checks),
        indication=indication,
        sub_indication=sub_indication,
    )


def _with(report: SignatureReport, check: Check) -> SignatureReport:
    """The report with one check in the place of the one of its name."""
    checks = tuple(check if each.name is check.name else each for each in report.checks)
    indication, sub_indication = indicate(checks)
    return replace(report, checks=checks, indication=indication, sub_indication=sub_indication)
