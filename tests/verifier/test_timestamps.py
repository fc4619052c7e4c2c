"""What proves a time: timestamps on signatures and on documents, registration; and what that time decides.

Every case is asked at both levels: what the report says, and what a registered file would be called.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import crl as asn1_crl
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from pyhanko.pdf_utils import generic as pdf_objects
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko_certvalidator import ValidationContext

from portal.issuing.archiving import Proofs, archive
from portal.issuing.signing import Update
from tests.verifier import pki
from tests.verifier.pki import NOW, World
from tests.verifier.test_ocsp import answer
from tests.verifier.test_pades import check, failing, genuine, of, swapped_contents
from tests.verifier.tsa import ForPyHanko, Tsa, timestamp_signer
from verifier import archive as archive_rules
from verifier import changes, der, pades, signatures, timestamps
from verifier.certificates import read_certificate
from verifier.check import Known, examine
from verifier.cms import read_cms
from verifier.pades import Beginning, revalidate, validate
from verifier.policy import DEFAULT
from verifier.report import (
    CheckName,
    CheckStatus,
    Indication,
    ProvenBy,
    Role,
    SubIndication,
    TimestampKind,
    TimestampReport,
    ValidationReport,
)
from verifier.sandbox import CheckJob, ForkServer
from verifier.trust import Pki, Timestamping, TrustAnchor, TrustStore
from verifier.verdict import (
    Outcome,
    RegistryFacts,
    Standing,
    VersionFacts,
    VersionState,
    decide,
)

generic: Any = pdf_objects  # carries no types
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
LATER = NOW + 100 * DAY  # when files are checked that were stamped at NOW


@dataclass(frozen=True)
class Clock:
    """Authorities for timestamps: a root of their own, an intermediate, one that signs times."""

    root: pki.Ca
    ca: pki.Ca
    person: pki.Ca

    def lists(self, at: datetime, **below: Any) -> tuple[bytes, ...]:
        fresh: dict[str, Any] = {"this_update": at - HOUR, "next_update": at + DAY}
        return self.root.crl(**fresh), self.ca.crl(**{**fresh, **below})

    @property
    def pinned(self) -> Timestamping:
        return Timestamping((TrustAnchor("giờ", Pki.PUBLIC, self.root.der),), (self.ca.der,))


@pytest.fixture(scope="module")
def clock() -> Clock:
    root = pki.root("Gốc dấu thời gian")
    ca = root.issue("CA dấu thời gian", ca=True, path_length=0)
    return Clock(root, ca, timestamp_signer(ca))


def lists(world: World, at: datetime, **below: Any) -> tuple[bytes, ...]:
    """Fresh lists of the signers' authorities at ``at``."""
    fresh: dict[str, Any] = {"this_update": at - HOUR, "next_update": at + DAY}
    return world.root.crl(**fresh), world.intermediate.crl(**{**fresh, **below})


def trusting(
    world: World, clock: Clock, at: datetime = LATER, *, crls: Sequence[bytes] | None = None, **changes: Any
) -> TrustStore:
    """Signers and timestamp authorities pinned, all lists fresh at ``at``."""
    crls = (*lists(world, at), *clock.lists(at)) if crls is None else crls
    return replace(world.trust(crls=crls, **changes), timestamping=clock.pinned)


@pytest.fixture(scope="module")
def stamped(world: World, clock: Clock) -> bytes:
    """A whole record, the seal with a timestamp of NOW (B-T)."""
    return stamped_by(world, Tsa(clock.person))


def stamped_by(world: World, tsa: Tsa, people: dict[str, pki.Ca] | None = None) -> bytes:
    fields = ["GVCN", "CBQL", "KY_PHAT_HANH"]
    pdf = pki.base_pdf(fields, pki.record_attachment())
    for number, field in enumerate(fields):
        person = {**world.people, **(people or {})}[pki.SIGNERS[field]]
        stamper = ForPyHanko(tsa) if field == "KY_PHAT_HANH" else None
        pdf = pki.sign(pdf, field, person, first=number == 0, timestamper=stamper)
    return pdf


def small(person: pki.Ca, tsa: Tsa | None) -> bytes:
    """One signature of a homeroom teacher, stamped."""
    base = pki.base_pdf(["GVCN"], pki.record_attachment())
    return pki.sign(base, "GVCN", person, first=True, timestamper=None if tsa is None else ForPyHanko(tsa))


def only(report: ValidationReport, kind: TimestampKind = TimestampKind.SIGNATURE) -> TimestampReport:
    (stamp,) = [t for t in report.timestamps if t.kind is kind]
    return stamp


def wrong(stamp: TimestampReport) -> dict[CheckName, str]:
    return {c.name: c.code for c in stamp.checks if c.status is not CheckStatus.PASSED}


def outcome(report: ValidationReport) -> Outcome:
    """What these bytes would be called were they registered."""
    version = VersionFacts("0123456789ABCDEF7", 1, VersionState.CURRENT, Standing.PASSED)
    return decide(report, RegistryFacts(file=version)).outcome


# --- what a timestamp proves


def test_the_seals_timestamp_proves_the_time_of_the_whole_file(
    world: World, clock: Clock, stamped: bytes
) -> None:
    report = check(stamped, trusting(world, clock), at=LATER, registered_at=NOW + 9 * DAY)
    stamp = only(report)
    assert (stamp.field, stamp.indication, wrong(stamp)) == ("KY_PHAT_HANH", Indication.TOTAL_PASSED, {})
    assert stamp.time == NOW + SECOND  # with its accuracy
    assert stamp.proven_time == NOW + 9 * DAY
    assert stamp.signer is not None
    assert stamp.signer.certificate_sha256 == clock.person.sha256
    for signature in report.signatures:
        assert signature.proven_time == NOW + SECOND
        assert signature.proven_by is ProvenBy.SIGNATURE_TIMESTAMP
    assert genuine(report)


def test_without_a_timestamp_registration_proves_and_without_both_nothing_does(
    world: World, clock: Clock, primary: bytes
) -> None:
    trust = trusting(world, clock)
    registered = check(primary, trust, at=LATER, registered_at=NOW + DAY)
    assert {(s.proven_time, s.proven_by) for s in registered.signatures} == {
        (NOW + DAY, ProvenBy.REGISTRATION)
    }
    unregistered = check(primary, trust, at=LATER)
    assert {(s.proven_time, s.proven_by) for s in unregistered.signatures} == {(LATER, ProvenBy.CHECK)}


def test_the_earliest_valid_proof_counts(world: World, clock: Clock, stamped: bytes) -> None:
    """A registration before the timestamp's time plus its accuracy is the earlier proof."""
    report = check(stamped, trusting(world, clock), at=LATER, registered_at=NOW)
    assert {(s.proven_time, s.proven_by) for s in report.signatures} == {(NOW, ProvenBy.REGISTRATION)}


@pytest.mark.parametrize(
    ("ends", "good"), [(NOW + DAY, True), (NOW + SECOND, True), (NOW, False), (NOW - HOUR, False)]
)
def test_a_certificate_that_expires_after_the_proven_time_stays_good(
    world: World, clock: Clock, ends: datetime, good: bool
) -> None:
    """SEC-06: expired before the proven time fails, after it does not."""
    person = world.intermediate.issue("Hết hạn", valid=(NOW - 30 * DAY, ends))
    kept = (NOW - 100 * DAY).strftime("\x18\x0f%Y%m%d%H%M%SZ").encode()
    crls = (*lists(world, LATER, keeps_expired_since=kept), *clock.lists(LATER))
    trust = trusting(world, clock, crls=crls, rows=[pki.row(person, Role.GVCN)])
    pdf = small(person, Tsa(clock.person))
    signature = of(check(pdf, trust, at=LATER, registered_at=LATER - DAY), "GVCN")
    assert failing(signature) == ({} if good else {CheckName.CERTIFICATE: "expired"})
    if not good:
        assert signature.sub_indication is SubIndication.OUT_OF_BOUNDS_NO_POE
    without = of(check(small(person, None), trust, at=LATER, registered_at=LATER - DAY), "GVCN")
    assert failing(without)[CheckName.CERTIFICATE] == "expired"


@pytest.mark.parametrize(
    ("since", "good"), [(NOW + 2 * SECOND, True), (NOW + SECOND, False), (NOW - DAY, False)]
)
def test_a_revocation_after_the_proven_time_does_not_reach_back(
    world: World, clock: Clock, stamped: bytes, since: datetime, good: bool
) -> None:
    """SEC-06, SEC-01: the file was registered long after; its timestamp decides."""
    seal = world.people["seal"].serial
    crls = (*lists(world, LATER, revoked={seal: since}), *clock.lists(LATER))
    report = check(stamped, trusting(world, clock, crls=crls), at=LATER, registered_at=LATER - DAY)
    assert genuine(report) is good
    assert failing(of(report, "KY_PHAT_HANH")) == (
        {} if good else {CheckName.REVOCATION: "certificate_revoked"}
    )


def test_a_key_compromised_before_the_timestamp_takes_it_along(
    world: World, clock: Clock, stamped: bytes
) -> None:
    """An invalidityDate reaches back to when the key was lost, the revocation's own date does not."""
    seal = world.people["seal"].serial
    for since, good in ((NOW - HOUR, False), (NOW + HOUR, True)):
        below = lists(world, LATER, revoked={seal: NOW + 9 * DAY}, invalidity={seal: since})
        trust = trusting(world, clock, crls=(*below, *clock.lists(LATER)))
        report = check(stamped, trust, at=LATER, registered_at=LATER - DAY)
        assert genuine(report) is good


@pytest.mark.parametrize(("since", "good"), [(NOW + 2 * SECOND, True), (NOW + SECOND, False)])
def test_a_suspended_signer_counts_for_what_is_proven_before(
    world: World, clock: Clock, stamped: bytes, since: datetime, good: bool
) -> None:
    """SEC-05: both sides of T, though the file was registered long after it."""
    trust = trusting(world, clock, rows=world.with_row("seal", invalid_since=since).signers)
    report = check(stamped, trust, at=LATER, registered_at=LATER - DAY)
    assert genuine(report) is good
    assert failing(of(report, "KY_PHAT_HANH")) == ({} if good else {CheckName.AUTHORITY: "suspended"})


def test_back_dating_helps_nobody(world: World, clock: Clock) -> None:
    """A stolen key signs after its revocation and claims an earlier time: only what is proven counts."""
    seal = world.people["seal"].serial
    late = stamped_by(world, Tsa(clock.person, at=NOW + 50 * DAY))  # /M says NOW
    crls = (*lists(world, LATER, revoked={seal: NOW + 40 * DAY}), *clock.lists(LATER))
    report = check(late, trusting(world, clock, crls=crls), at=LATER, registered_at=NOW + 60 * DAY)
    signature = of(report, "KY_PHAT_HANH")
    assert signature.claimed_time is not None
    assert signature.claimed_time < NOW + HOUR
    assert failing(signature) == {CheckName.REVOCATION: "certificate_revoked"}
    assert outcome(report) is Outcome.REGISTERED_BUT_SIGNATURE_FAILS


def test_a_claim_after_the_timestamp_contradicts_it(world: World, clock: Clock) -> None:
    early = stamped_by(world, Tsa(clock.person, at=NOW - HOUR))
    report = check(early, trusting(world, clock), at=LATER, registered_at=LATER - DAY)
    assert failing(of(report, "KY_PHAT_HANH")) == {CheckName.TIME: "claimed_in_future"}


# --- timestamps that prove nothing


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("imprint", "imprint_mismatch"),
        ("signature", "bad_signature"),
        ("content", "digest_mismatch"),
        ("other_certificate", "wrong_signing_certificate"),
        ("no_certificate_attribute", "no_signing_certificate_attribute"),
        ("content_type", "not_a_timestamp"),
        ("critical_extension", "unknown_critical_extension"),
    ],
)
def test_a_broken_timestamp_is_a_finding_never_a_pass(
    world: World, clock: Clock, fault: str, code: str
) -> None:
    pdf = restamped(small(world.people["homeroom"], Tsa(clock.person)), Tsa(clock.person, fault=fault))
    report = check(pdf, trusting(world, clock), at=LATER, registered_at=NOW)
    stamp = only(report)
    assert wrong(stamp)[CheckName.INTEGRITY] == code
    if code == "bad_signature":  # made by nobody, so that nothing more is known of anybody
        rest = {c.status for c in stamp.checks if c.name is not CheckName.INTEGRITY}
        assert rest == {CheckStatus.NOT_AVAILABLE}
    assert failing(of(report, "GVCN"))[CheckName.TIME] == "timestamp_broken"
    assert of(report, "GVCN").proven_by is ProvenBy.REGISTRATION
    assert outcome(report) is Outcome.REGISTERED_BUT_SIGNATURE_FAILS


def restamped(pdf: bytes, *stampers: Tsa) -> bytes:
    """Other timestamps in the place of the one on the only signature, as anyone could put them there: nobody
    signs that place.
    """

    def change(contents: bytearray) -> None:
        digest = sha256(read_cms(bytes(contents), 80).signature).digest()
        put_unsigned(contents, token_attribute(*(tsa.timestamp(digest) for tsa in stampers)))

    return swapped_contents(pdf, 0, change)


def token_attribute(*tokens: bytes) -> bytes:
    kind = der.encode(der.OID, der.oid("1.2.840.113549.1.9.16.2.14"))
    return der.encode(der.SEQUENCE, kind, der.encode(der.SET, *tokens))


def put_unsigned(contents: bytearray, *attributes: bytes) -> None:
    """These in the place of the signer's unsigned attributes; the room stays what it was."""
    kind, content = der.read(bytes(contents)).children()
    *head, infos = content.children()[0].children()
    signer = [part.encoded for part in infos.children()[0].children() if part.tag != 0xA1]
    info = der.encode(der.SEQUENCE, *signer, der.encode(0xA1, *attributes))
    data = der.encode(der.SEQUENCE, *(part.encoded for part in head), der.encode(der.SET, info))
    changed = der.encode(der.SEQUENCE, kind.encoded, der.encode(0xA0, data))
    assert len(changed) <= len(contents)
    contents[:] = changed.ljust(len(contents), b"\0")


def test_a_timestamp_over_another_signature_is_broken(world: World, clock: Clock) -> None:
    """Moved from one file to another, a right timestamp says nothing."""
    mine, other = (small(world.people["homeroom"], Tsa(clock.person)) for _ in range(2))
    taken: list[bytes] = []
    swapped_contents(other, 0, lambda contents: taken.extend(read_cms(bytes(contents), 80).timestamps))
    moved = swapped_contents(mine, 0, lambda contents: put_unsigned(contents, token_attribute(*taken)))
    report = check(moved, trusting(world, clock), at=LATER, registered_at=NOW)
    assert wrong(only(report))[CheckName.INTEGRITY] == "imprint_mismatch"
    assert not genuine(report)


def test_of_two_timestamps_the_earlier_counts_and_a_broken_one_fails(world: World, clock: Clock) -> None:
    roomy = Tsa(clock.person, along=[pki.root(f"Thừa {number}").der for number in range(6)])
    base, trust = small(world.people["homeroom"], roomy), trusting(world, clock)
    two = restamped(base, Tsa(clock.person, at=NOW + HOUR), Tsa(clock.person, at=NOW + 2 * HOUR))
    signature = of(check(two, trust, at=LATER, registered_at=LATER - DAY), "GVCN")
    assert signature.proven_time == NOW + HOUR + SECOND
    mixed = restamped(base, Tsa(clock.person), Tsa(clock.person, fault="imprint"))
    assert failing(of(check(mixed, trust, at=LATER, registered_at=NOW), "GVCN")) == {
        CheckName.TIME: "timestamp_broken"
    }


def test_trust_in_signers_is_no_trust_in_timestamps_nor_the_other_way(world: World, clock: Clock) -> None:
    """Neither below the signers' anchor may anyone prove a time, nor below the timestamps' sign a record."""
    own = timestamp_signer(world.intermediate, "Dấu thời gian dưới CA người ký")
    trust = trusting(world, clock)
    report = check(small(world.people["homeroom"], Tsa(own)), trust, at=LATER, registered_at=LATER - DAY)
    assert wrong(only(report))[CheckName.CERTIFICATE] == "no_path"
    assert only(report).sub_indication is SubIndication.NO_CERTIFICATE_CHAIN_FOUND
    assert of(report, "GVCN").proven_time == LATER - DAY
    assert failing(of(report, "GVCN")) == {}

    person = clock.ca.issue("Người ký dưới gốc dấu thời gian")
    trust = trusting(world, clock, rows=[pki.row(person, Role.GVCN)])
    signature = of(check(small(person, Tsa(clock.person)), trust, at=LATER, registered_at=NOW), "GVCN")
    assert failing(signature) == {CheckName.CERTIFICATE: "no_path", CheckName.REVOCATION: "no_path"}


def test_without_anchors_for_timestamps_none_proves(world: World, clock: Clock, stamped: bytes) -> None:
    trust = replace(trusting(world, clock), timestamping=Timestamping())
    report = check(stamped, trust, at=LATER, registered_at=LATER - DAY)
    assert not only(report).passed
    assert {s.proven_by for s in report.signatures} == {ProvenBy.REGISTRATION}


def test_a_distrusted_timestamp_authority_proves_nothing(world: World, clock: Clock, stamped: bytes) -> None:
    trust = trusting(world, clock)
    removed = read_certificate(clock.ca.der).authority
    pinned = Timestamping(clock.pinned.anchors, (), frozenset({removed}))
    report = check(stamped, replace(trust, timestamping=pinned), at=LATER, registered_at=LATER - DAY)
    assert wrong(only(report))[CheckName.CERTIFICATE] == "no_path"


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"purposes": ()}, "extended_key_usage"),
        ({"purposes_critical": False}, "extended_key_usage"),
        (
            {"purposes": (ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.EMAIL_PROTECTION)},
            "extended_key_usage",
        ),
        ({"purposes": (ExtendedKeyUsageOID.SERVER_AUTH,)}, "extended_key_usage"),
        ({"ca": True}, "signer_is_ca"),
        ({"critical_extra": True}, "unknown_critical_extension"),
        ({"valid": (NOW - 30 * DAY, NOW + DAY)}, "expired"),
        ({"valid": (NOW + DAY, NOW + 900 * DAY)}, "generated_outside_validity"),
    ],
)
def test_certificates_that_prove_no_time(
    world: World, clock: Clock, options: dict[str, Any], code: str
) -> None:
    """SEC-06: timeStamping, critical and alone (RFC 3161 §2.3), in force when the time was given."""
    person = timestamp_signer(clock.root, "Không phải dấu thời gian", **options)
    pdf = small(world.people["homeroom"], Tsa(person))
    report = check(pdf, trusting(world, clock), at=LATER, registered_at=LATER - DAY)
    assert wrong(only(report))[CheckName.CERTIFICATE] == code
    assert of(report, "GVCN").proven_by is ProvenBy.REGISTRATION
    assert of(report, "GVCN").proven_time == LATER - DAY


def test_a_timestamp_is_judged_when_it_is_known_to_have_existed(world: World, clock: Clock) -> None:
    """Its authority's certificate may end: the registration proves that the timestamp is older."""
    person = timestamp_signer(clock.ca, "Sắp hết hạn", valid=(NOW - 30 * DAY, NOW + 2 * DAY))
    pdf = small(world.people["homeroom"], Tsa(person))
    keeps = (NOW - 100 * DAY).strftime("\x18\x0f%Y%m%d%H%M%SZ").encode()
    crls = (*lists(world, LATER), *clock.lists(LATER, keeps_expired_since=keeps))
    trust = trusting(world, clock, crls=crls)
    assert only(check(pdf, trust, at=LATER, registered_at=NOW + DAY)).passed
    assert wrong(only(check(pdf, trust, at=LATER, registered_at=NOW + 3 * DAY))) == {
        CheckName.CERTIFICATE: "expired"
    }


@pytest.mark.parametrize(
    ("ended", "registered", "good"),
    [
        ((x509.ReasonFlags.key_compromise, NOW + DAY), NOW + 9 * DAY, False),
        ((None, NOW + DAY), NOW + 9 * DAY, False),
        ((x509.ReasonFlags.cessation_of_operation, NOW + DAY), NOW + 9 * DAY, True),
        ((x509.ReasonFlags.superseded, NOW), NOW + 9 * DAY, False),
        ((x509.ReasonFlags.key_compromise, NOW + 9 * DAY), NOW + DAY, True),
    ],
)
def test_a_timestamp_authority_that_ended(
    world: World,
    clock: Clock,
    ended: tuple[x509.ReasonFlags | None, datetime],
    registered: datetime,
    good: bool,
) -> None:
    """RFC 3161 clause 4: a lost key takes all its timestamps along, an orderly end only the later ones; what
    is otherwise known to be older than the end stays.
    """
    pdf = small(world.people["homeroom"], Tsa(clock.person))
    reason, since = ended
    crls = clock.lists(LATER, revoked={clock.person.serial: since}, reason=reason)
    trust = trusting(world, clock, crls=(*lists(world, LATER), *crls))
    report = check(pdf, trust, at=LATER, registered_at=registered)
    assert only(report).passed is good
    if not good:
        assert wrong(only(report)) == {CheckName.REVOCATION: "certificate_revoked"}
        assert of(report, "GVCN").proven_time == registered


def test_a_timestamp_from_the_future_proves_nothing(world: World, clock: Clock) -> None:
    """Not after its own registration: the clock of its authority, or its key, is not to be believed."""
    pdf = small(world.people["homeroom"], Tsa(clock.person, at=NOW + 9 * DAY))
    report = check(pdf, trusting(world, clock), at=LATER, registered_at=NOW + 8 * DAY)
    assert wrong(only(report)) == {CheckName.TIME: "timestamp_in_future"}
    assert only(report).sub_indication is SubIndication.TIMESTAMP_ORDER_FAILURE
    assert of(report, "GVCN").proven_time == NOW + 8 * DAY


@pytest.mark.parametrize(
    ("accuracy", "proves"),
    [(None, NOW), (timedelta(milliseconds=500), NOW + SECOND / 2), (60 * SECOND, NOW + 60 * SECOND)],
)
def test_the_accuracy_is_part_of_the_time(
    world: World, clock: Clock, accuracy: timedelta | None, proves: datetime
) -> None:
    pdf = small(world.people["homeroom"], Tsa(clock.person, accuracy=accuracy))
    report = check(pdf, trusting(world, clock), at=LATER, registered_at=LATER - DAY)
    assert of(report, "GVCN").proven_time == proves


def test_a_timestamp_vaguer_than_allowed_proves_nothing(world: World, clock: Clock) -> None:
    pdf = small(world.people["homeroom"], Tsa(clock.person, accuracy=61 * SECOND))
    report = check(pdf, trusting(world, clock), at=LATER, registered_at=LATER - DAY)
    assert wrong(only(report)) == {CheckName.TIME: "accuracy_too_wide"}
    assert of(report, "GVCN").proven_by is ProvenBy.REGISTRATION


def test_a_weak_key_of_a_timestamp_authority_proves_nothing(world: World, clock: Clock) -> None:
    person = timestamp_signer(clock.ca, "Khóa ngắn", kind="rsa1024")
    pdf = small(world.people["homeroom"], Tsa(person))
    report = check(pdf, trusting(world, clock), at=LATER, registered_at=LATER - DAY)
    assert wrong(only(report)) == {CheckName.ALGORITHM: "weak_key"}
    assert of(report, "GVCN").proven_by is ProvenBy.REGISTRATION


# --- timestamps that could not be judged to the end


def test_an_unchecked_timestamp_leaves_open_what_hangs_on_it(
    world: World, clock: Clock, stamped: bytes
) -> None:
    """Its authority's list is stale. What the registration proves as well stands; what only the timestamp
    would prove is CHECK_INCOMPLETE, neither genuine nor an alarm.
    """
    stale = clock.lists(NOW + DAY)
    trust = trusting(world, clock, crls=(*lists(world, LATER), *stale))
    assert genuine(check(stamped, trust, at=LATER, registered_at=LATER - DAY))

    seal = world.people["seal"].serial
    crls = (*lists(world, LATER, revoked={seal: NOW + DAY}), *stale)
    report = check(stamped, trusting(world, clock, crls=crls), at=LATER, registered_at=LATER - DAY)
    signature = of(report, "KY_PHAT_HANH")
    assert failing(signature) == {CheckName.TIME: "timestamp_unchecked"}
    assert signature.sub_indication is SubIndication.TRY_LATER
    assert outcome(report) is Outcome.CHECK_INCOMPLETE
    fresh = trusting(world, clock, crls=(*crls[:2], *clock.lists(LATER)))
    assert genuine(check(stamped, fresh, at=LATER, registered_at=LATER - DAY))


def test_missing_evidence_about_a_timestamp_improves_nothing(
    world: World, clock: Clock, stamped: bytes
) -> None:
    """A seal that was not yet in force at the timestamp fails; with a stale list it stays open, not good."""
    rows = world.with_row("seal", valid_from=NOW + DAY).signers
    report = check(stamped, trusting(world, clock, rows=rows), at=LATER, registered_at=LATER - DAY)
    assert failing(of(report, "KY_PHAT_HANH")) == {CheckName.AUTHORITY: "outside_period"}
    stale = (*lists(world, LATER), *clock.lists(NOW + DAY))
    report = check(
        stamped, trusting(world, clock, crls=stale, rows=rows), at=LATER, registered_at=LATER - DAY
    )
    assert outcome(report) is Outcome.CHECK_INCOMPLETE


def test_a_result_lapses_with_the_lists_it_needs(world: World, clock: Clock, stamped: bytes) -> None:
    longer: dict[str, Any] = {"next_update": LATER + 9 * DAY}
    crls = (
        world.root.crl(this_update=LATER - HOUR, **longer),
        world.intermediate.crl(this_update=LATER - HOUR, **longer),
    )
    trust = trusting(world, clock, crls=(*crls, *clock.lists(LATER)))
    report = check(stamped, trust, at=LATER, registered_at=LATER - DAY)
    assert report.fresh_until == LATER + 9 * DAY  # the registration proves enough without the timestamp
    seal = world.people["seal"].serial
    revoked = world.intermediate.crl({seal: NOW + DAY}, this_update=LATER - HOUR, **longer)
    trust = trusting(world, clock, crls=(crls[0], revoked, *clock.lists(LATER)))
    report = check(stamped, trust, at=LATER, registered_at=LATER - DAY)
    assert genuine(report)
    assert report.fresh_until == LATER + DAY


# --- renewed for the archive


@pytest.fixture(scope="module")
def renewed(world: World, clock: Clock, primary: bytes) -> bytes:
    """The primary record, a day later: its authorities' lists of that day, and a document timestamp."""
    proofs = Proofs((world.intermediate.der,), lists(world, NOW + DAY))
    return archive(primary, proofs, Tsa(clock.person, at=NOW + DAY))


def beginning(pdf: bytes, at: datetime) -> Beginning:
    return Beginning(len(pdf), sha256(pdf).hexdigest(), at)


def test_a_renewed_file_is_genuine_too(world: World, clock: Clock, primary: bytes, renewed: bytes) -> None:
    assert renewed.startswith(primary)
    trust = trusting(world, clock)
    report = check(renewed, trust, at=LATER, registered_at=LATER - DAY)
    assert only(report, TimestampKind.DOCUMENT).passed
    assert {(s.proven_time, s.proven_by) for s in report.signatures} == {
        (NOW + DAY + SECOND, ProvenBy.DOCUMENT_TIMESTAMP)
    }
    assert all(failing(s) == {} for s in report.signatures)
    assert genuine(report)
    assert genuine(check(primary, trust, at=LATER, registered_at=NOW))


def test_the_first_registration_proves_the_beginning(
    world: World, clock: Clock, primary: bytes, renewed: bytes
) -> None:
    trust = trusting(world, clock)
    given: dict[str, Any] = {"registered_at": LATER, "earlier": (beginning(primary, NOW),)}
    report, structure = validate(renewed, trust, DEFAULT, LATER, own=True, **given)
    assert {(s.proven_time, s.proven_by) for s in report.signatures} == {(NOW, ProvenBy.REGISTRATION)}
    assert only(report, TimestampKind.DOCUMENT).proven_time == LATER
    assert revalidate(renewed, structure, trust, DEFAULT, LATER, **given) == pki.alone(report)
    # The registration of some other beginning proves nothing about this file.
    other = replace(given["earlier"][0], sha256="0" * 64)
    report, _ = validate(renewed, trust, DEFAULT, LATER, own=True, registered_at=LATER, earlier=(other,))
    assert {s.proven_by for s in report.signatures} == {ProvenBy.DOCUMENT_TIMESTAMP}


def test_a_second_renewal_holds_the_first(world: World, clock: Clock, primary: bytes) -> None:
    """The first document timestamp's certificate has expired; the second proves that it is older."""
    first = timestamp_signer(clock.ca, "Dấu thời gian đầu", valid=(NOW - DAY, NOW + 30 * DAY))
    once = archive(primary, Proofs((), lists(world, NOW + DAY)), Tsa(first, at=NOW + DAY))
    lists_then = (*lists(world, NOW + 20 * DAY), *clock.lists(NOW + 20 * DAY))
    twice = archive(once, Proofs((clock.ca.der,), lists_then), Tsa(clock.person, at=NOW + 20 * DAY))
    assert twice.startswith(once)
    keeps = (NOW - 100 * DAY).strftime("\x18\x0f%Y%m%d%H%M%SZ").encode()
    crls = (*lists(world, LATER), *clock.lists(LATER, keeps_expired_since=keeps))
    trust = trusting(world, clock, crls=crls)
    report = check(twice, trust, at=LATER, registered_at=LATER)
    assert [wrong(t) for t in report.timestamps] == [{}, {}]
    assert [t.proven_time for t in report.timestamps] == [NOW + 20 * DAY + SECOND, LATER]
    assert {s.proven_time for s in report.signatures} == {NOW + DAY + SECOND}
    alone = check(once, trust, at=LATER, registered_at=LATER)
    assert wrong(only(alone, TimestampKind.DOCUMENT)) == {CheckName.CERTIFICATE: "expired"}


def test_a_document_timestamp_over_other_bytes_fails_the_file(
    world: World, clock: Clock, primary: bytes
) -> None:
    broken = archive(primary, Proofs((), ()), Tsa(clock.person, at=NOW, fault="imprint"))
    report = check(broken, trusting(world, clock), at=LATER, registered_at=NOW)
    assert wrong(only(report, TimestampKind.DOCUMENT))[CheckName.INTEGRITY] == "imprint_mismatch"
    assert [c.code for c in report.checks if c.name is CheckName.TIME] == ["document_timestamp_broken"]
    assert outcome(report) is Outcome.REGISTERED_BUT_SIGNATURE_FAILS


def test_a_document_timestamp_of_a_stranger_proves_nothing(
    world: World, clock: Clock, primary: bytes
) -> None:
    stranger = timestamp_signer(pki.root("Gốc lạ"))
    added = archive(primary, Proofs((), ()), Tsa(stranger, at=NOW))
    report = check(added, trusting(world, clock), at=LATER)
    assert not only(report, TimestampKind.DOCUMENT).passed
    assert {s.proven_by for s in report.signatures} == {ProvenBy.CHECK}
    assert next(p.length for p in report.prefixes if p.archival) == len(primary)


def repainted(writer: Any) -> None:
    page = writer.root["/Pages"]["/Kids"][0]
    page[generic.pdf_name("/Contents")] = writer.add_object(generic.StreamObject(stream_data=b"0 g"))
    writer.update_container(page)


def with_annotation(writer: Any) -> None:
    page = writer.root["/Pages"]["/Kids"][0]
    note = {"/Type": "/Annot", "/Subtype": "/Square"}
    added = generic.DictionaryObject({generic.pdf_name(k): generic.pdf_name(v) for k, v in note.items()})
    page["/Annots"].append(writer.add_object(added))
    writer.update_container(page)


def with_action(writer: Any) -> None:
    action = generic.DictionaryObject({generic.pdf_name("/S"): generic.pdf_name("/JavaScript")})
    writer.root[generic.pdf_name("/OpenAction")] = writer.add_object(action)
    writer.update_root()


def with_field(writer: Any) -> None:
    form = writer.root["/AcroForm"]
    field = generic.DictionaryObject({generic.pdf_name("/FT"): generic.pdf_name("/Tx")})
    form["/Fields"].append(writer.add_object(field))
    writer.update_container(form)


def with_old_field(writer: Any) -> None:
    field = writer.root["/AcroForm"]["/Fields"][0]
    field[generic.pdf_name("/TU")] = generic.pdf_string("Khác")
    writer.update_container(field)


@pytest.mark.parametrize("change", [repainted, with_annotation, with_action, with_field, with_old_field])
def test_a_renewal_that_changes_more_is_refused(
    world: World, clock: Clock, primary: bytes, change: Any
) -> None:
    """Even of our own file, and under a timestamp of ours: what follows the seal is validation data alone."""
    writer: Any = Update(io.BytesIO(primary))
    change(writer)
    changed = io.BytesIO()
    writer.write(changed)
    added = archive(changed.getvalue(), Proofs((), ()), Tsa(clock.person, at=NOW))
    report = check(added, trusting(world, clock), at=LATER, registered_at=NOW)
    assert {failing(s)[CheckName.COVERAGE] for s in report.signatures} == {"archive_addition_changes_more"}
    assert outcome(report) is Outcome.REGISTERED_BUT_SIGNATURE_FAILS


def test_bytes_after_the_last_timestamp_are_covered_by_nothing(
    world: World, clock: Clock, renewed: bytes
) -> None:
    report = check(renewed + b"\n% them\n", trusting(world, clock), at=LATER, registered_at=NOW)
    assert wrong(only(report, TimestampKind.DOCUMENT))[CheckName.COVERAGE] == "bytes_after_signature"
    assert not only(report, TimestampKind.DOCUMENT).passed


def test_a_security_store_alone_is_no_renewal(world: World, primary: bytes, clock: Clock) -> None:
    writer: Any = Update(io.BytesIO(primary))
    store = generic.DictionaryObject({generic.pdf_name("/CRLs"): generic.ArrayObject()})
    writer.root[generic.pdf_name("/DSS")] = writer.add_object(store)
    writer.update_root()
    added = io.BytesIO()
    writer.write(added)
    report = check(added.getvalue(), trusting(world, clock), at=LATER, registered_at=NOW)
    assert failing(of(report, "KY_PHAT_HANH")) == {CheckName.COVERAGE: "bytes_after_signature"}


def test_a_confined_child_needs_nothing_more_for_timestamps(
    world: World, clock: Clock, primary: bytes, renewed: bytes, tmp_path: Path
) -> None:
    """SEC-07: no network, no file, no late import; what it says is what the same check says here."""
    trust = trusting(world, clock)
    path = tmp_path / "trust.json"
    path.write_text(json.dumps(trust.to_json()))
    server = ForkServer()
    try:
        for data in (renewed, *stamped_files(world, clock)):
            here = examine(data, trust=trust, policy=DEFAULT, at=LATER)
            assert server.check(CheckJob(data, path, LATER)) == here
        known = Known(LATER, earlier=(beginning(primary, NOW),))
        report = server.check(CheckJob(renewed, path, LATER, known))
        assert report == examine(renewed, trust=trust, policy=DEFAULT, at=LATER, known=known)
    finally:
        server.close()


def stamped_files(world: World, clock: Clock) -> tuple[bytes, ...]:
    """A right timestamp, a wrong one, and none that deserves the name."""
    base = small(world.people["homeroom"], Tsa(clock.person))
    return tuple(restamped(base, Tsa(clock.person, fault=fault)) for fault in ("", "imprint", "content_type"))


_STEPS = [
    (signatures, "read_token"),
    (signatures, "digest_of"),
    (signatures, "judge_token"),
    (signatures, "read_evidence"),
    (timestamps, "signature_holds"),
    (timestamps, "find_path"),
    (timestamps, "check_revocation"),
    (timestamps, "indicate"),
    (archive_rules, "security_store"),
    (changes._Walker, "_archive_allows"),
    (pades, "walk"),
    (pades, "settle"),
    (pades, "async_validate_pdf_timestamp"),
    (pades, "read_token"),
    (pades, "_registrations"),
]


@pytest.mark.parametrize(("module", "name"), _STEPS, ids=[name for _, name in _STEPS])
def test_a_step_that_breaks_improves_nothing(
    world: World,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    *,
    step_file: bytes,
    module: Any,
    name: str,
) -> None:
    """A seal revoked after its timestamps and before the registration is good by them alone: where the work
    on them breaks, it is not.
    """
    seal = world.people["seal"].serial
    crls = (*lists(world, LATER, revoked={seal: NOW + 2 * DAY}), *clock.lists(LATER))
    trust = trusting(world, clock, crls=crls)
    given: dict[str, Any] = {"registered_at": LATER - DAY, "own": True}
    assert genuine(validate(step_file, trust, DEFAULT, LATER, **given)[0])
    broken = []

    def breaks(*_: Any, **__: Any) -> Any:
        broken.append(name)
        raise ValueError(name)

    monkeypatch.setattr(module, name, breaks)
    try:
        report, _ = validate(step_file, trust, DEFAULT, LATER, **given)
    except ValueError:
        report = None
    assert broken
    assert report is None or not genuine(report)


@pytest.fixture(scope="module")
def step_file(world: World, clock: Clock, stamped: bytes) -> bytes:
    """Stamped and renewed: every step has its part."""
    return archive(stamped, Proofs((), lists(world, NOW + DAY)), Tsa(clock.person, at=NOW + DAY))


# --- what the archive is for: certificates long expired, lists no longer published


@pytest.fixture(scope="module")
def old(world: World, clock: Clock) -> tuple[pki.Ca, bytes]:
    """A homeroom teacher whose certificate ended two days after signing, and the file that was signed."""
    person = world.intermediate.issue("Đã nghỉ", valid=(NOW - 30 * DAY, NOW + 2 * DAY))
    return person, small(person, None)


@pytest.mark.parametrize(
    ("of_day", "code"),
    [(NOW + DAY, ""), (NOW - DAY, "crl_stale"), (NOW + 3 * DAY, "crl_stale")],
)
def test_archived_lists_are_the_last_word_on_expired_certificates(
    world: World, clock: Clock, old: tuple[pki.Ca, bytes], of_day: datetime, code: str
) -> None:
    """From the time after signing and before the expiry; every pinned list is stale by now."""
    person, pdf = old
    proofs = Proofs((), lists(world, of_day))
    added = archive(pdf, proofs, Tsa(clock.person, at=max(of_day, NOW) + HOUR))
    stale = (*lists(world, NOW), *clock.lists(LATER))
    trust = trusting(world, clock, crls=stale, rows=[pki.row(person, Role.GVCN)])
    given: dict[str, Any] = {"registered_at": LATER, "earlier": (beginning(pdf, NOW),)}
    report, structure = validate(added, trust, DEFAULT, LATER, own=True, **given)
    found = {n: c for n, c in failing(of(report, "GVCN")).items() if n is CheckName.REVOCATION}
    # The intermediate has not expired, so its own revocation is asked of fresh lists all the same.
    assert found == {CheckName.REVOCATION: "crl_stale"}
    fresh = replace(trust, crls=(*stale, lists(world, LATER)[0]))
    report = revalidate(added, structure, fresh, DEFAULT, LATER, **given)
    assert failing(of(report, "GVCN")) == ({CheckName.REVOCATION: code} if code else {})
    if not code:
        assert report.fresh_until == LATER + DAY
    # The file as issued carries no list and stays open.
    report, _ = validate(pdf, fresh, DEFAULT, LATER, own=True, registered_at=NOW)
    assert failing(of(report, "GVCN")) == {CheckName.REVOCATION: "crl_stale"}


# --- what a signature itself carries


def listless(world: World, clock: Clock) -> TrustStore:
    """Nothing is pinned of the signers' own authority: what comes along is all there is."""
    return trusting(world, clock, at=NOW, crls=(world.root.crl(), *clock.lists(NOW)))


def attribute(number: str, value: bytes) -> bytes:
    kind = der.encode(der.OID, der.oid(number))
    return der.encode(der.SEQUENCE, kind, der.encode(der.SET, value))


def in_signed_data(contents: bytearray, *lists: bytes) -> None:
    """These in the crls field of the SignedData (RFC 5652 §5.1), which nobody signs either."""
    kind, content = der.read(bytes(contents)).children()
    *head, infos = content.children()[0].children()
    crls = der.encode(0xA1, *lists)
    data = der.encode(der.SEQUENCE, *(part.encoded for part in head), crls, infos.encoded)
    changed = der.encode(der.SEQUENCE, kind.encoded, der.encode(0xA0, data))
    contents[:] = changed.ljust(len(contents), b"\0")


def basic(response: bytes) -> bytes:
    """The BasicOCSPResponse inside an OCSPResponse."""
    return der.read(response).children()[1].children()[0].children()[1].content


@pytest.fixture(scope="module")
def roomy(world: World, clock: Clock) -> bytes:
    """A signature with room behind it."""
    along = [pki.root(f"Thừa {number}").der for number in range(6)]
    return small(world.people["homeroom"], Tsa(clock.person, along=along))


def test_revocation_values_of_cades_count(world: World, clock: Clock, roomy: bytes) -> None:
    """ETSI EN 319 122-1 annex A.1.2.1: lists and OCSP answers in an unsigned attribute."""
    homeroom = world.people["homeroom"]
    good, bad = world.intermediate.crl(), world.intermediate.crl({homeroom.serial: NOW - DAY})
    answered = basic(answer(world, about=homeroom, until=NOW + 2 * DAY))

    def with_values(lists: Sequence[bytes] = (), answers: Sequence[bytes] = ()) -> dict[CheckName, str]:
        parts = [der.encode(0xA0, der.encode(der.SEQUENCE, *lists))] if lists else []
        parts += [der.encode(0xA1, der.encode(der.SEQUENCE, *answers))] if answers else []
        values = attribute("1.2.840.113549.1.9.16.2.24", der.encode(der.SEQUENCE, *parts))
        pdf = swapped_contents(roomy, 0, lambda contents: put_unsigned(contents, values))
        at = NOW + 3 * HOUR  # after the library stamped its answer
        return failing(of(check(pdf, listless(world, clock), at=at, registered_at=NOW), "GVCN"))

    assert with_values([good]) == {}
    assert with_values(answers=[answered]) == {}
    assert with_values([bad]) == {CheckName.REVOCATION: "certificate_revoked"}
    assert with_values([good], [answered]) == {}
    assert with_values([world.intermediate.crl(signed_by=pki.root("Kẻ lạ"))]) == {
        CheckName.REVOCATION: "crl_missing"
    }
    assert with_values([b"\x30\x03\x02\x01\x05"]) == {CheckName.REVOCATION: "crl_missing"}


def test_lists_and_answers_of_the_signed_data_count(world: World, clock: Clock, roomy: bytes) -> None:
    trust = listless(world, clock)
    pdf = swapped_contents(roomy, 0, lambda contents: in_signed_data(contents, world.intermediate.crl()))
    assert failing(of(check(pdf, trust, registered_at=NOW), "GVCN")) == {}
    response = answer(world, about=world.people["homeroom"], until=NOW + 2 * DAY)
    form = der.encode(der.OID, der.oid("1.3.6.1.5.5.7.16.2"))
    other = der.encode(0xA1, form, response)
    pdf = swapped_contents(roomy, 0, lambda contents: in_signed_data(contents, other))
    at = NOW + 3 * HOUR
    assert failing(of(check(pdf, trust, at=at, registered_at=NOW), "GVCN")) == {}
    without = of(check(roomy, trust, registered_at=NOW), "GVCN")
    assert failing(without) == {CheckName.REVOCATION: "crl_missing"}


def test_the_archival_attribute_of_adobe_counts(world: World, clock: Clock) -> None:
    """ISO 32000-2, 12.8.3.3.2: a signed attribute of signatures that are not PAdES."""
    person = world.people["homeroom"]
    context = ValidationContext(
        trust_roots=[asn1_x509.Certificate.load(world.root.der)],
        other_certs=[asn1_x509.Certificate.load(world.intermediate.der)],
        crls=[asn1_crl.CertificateList.load(der_) for der_ in world.crls],
        moment=NOW,
        allow_fetching=False,
    )
    base = pki.base_pdf(["Ai_do"], None)
    kind = SigSeedSubFilter.ADOBE_PKCS7_DETACHED
    pdf = pki.sign(base, "Ai_do", person, first=True, subfilter=kind, embedding=context)
    signature = of(check(pdf, listless(world, clock)), "Ai_do")
    assert signature.status(CheckName.REVOCATION) is CheckStatus.PASSED
    plain = pki.sign(base, "Ai_do", person, first=True, subfilter=kind)
    assert of(check(plain, listless(world, clock)), "Ai_do").status(CheckName.REVOCATION) is (
        CheckStatus.INCOMPLETE
    )


def test_what_comes_along_is_bounded(world: World, clock: Clock, roomy: bytes) -> None:
    """Every timestamp and every list costs a path and a signature to verify."""
    empty = der.encode(der.SEQUENCE)
    tokens = token_attribute(*[empty] * 5)
    lists_ = der.encode(der.SEQUENCE, der.encode(0xA0, der.encode(der.SEQUENCE, *[empty] * 81)))
    for value in (tokens, attribute("1.2.840.113549.1.9.16.2.24", lists_)):
        pdf = swapped_contents(roomy, 0, lambda contents, value=value: put_unsigned(contents, value))  # type: ignore[misc]
        signature = of(check(pdf, trusting(world, clock), at=LATER, registered_at=NOW), "GVCN")
        assert failing(signature)[CheckName.INTEGRITY] == "too_much_along"
