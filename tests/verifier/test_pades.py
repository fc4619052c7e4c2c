"""Signatures of PDFs: what passes, what must not, and that the fast way finds what the full one finds."""

from __future__ import annotations

import hashlib
import io
import json
import re
import warnings
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pikepdf
import pytest
import rfc8785
from asn1crypto import algos as asn1_algos
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import MDPPerm, SigFieldSpec, SigSeedSubFilter, append_signature_field

from tests.verifier import pki
from tests.verifier.pki import NOW, World
from verifier import cms, der, pades
from verifier.intake import read_byte_range
from verifier.pades import Structure, revalidate, validate
from verifier.policy import DEFAULT, Algorithms, Limits
from verifier.report import (
    CheckName,
    CheckStatus,
    Indication,
    Role,
    SignatureReport,
    SubIndication,
    ValidationReport,
)
from verifier.trust import Approval, TrustStore
from verifier.verdict import RegistryFacts, Standing, VersionFacts, VersionState, decide

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def check(
    pdf: bytes,
    trust: TrustStore,
    at: datetime = NOW,
    registered_at: datetime | None = None,
    own: bool | None = None,
) -> ValidationReport:
    """Full validation; bytes with a registration are our own unless told otherwise. Where they are, the fast
    way must say exactly the same.
    """
    own = registered_at is not None if own is None else own
    report, structure = validate(pdf, trust, DEFAULT, at, registered_at=registered_at, own=own)
    if own and registered_at is not None:
        kept = Structure.from_json(json.loads(json.dumps(structure.to_json())))
        assert kept == structure
        assert revalidate(pdf, kept, trust, DEFAULT, at, registered_at=registered_at) == pki.alone(report)
    assert ValidationReport.from_json(json.loads(json.dumps(report.to_json()))) == report
    return report


def of(report: ValidationReport, field: str) -> SignatureReport:
    return next(s for s in report.signatures if s.field == field)


def failing(signature: SignatureReport) -> dict[CheckName, str]:
    """Check -> code, for every check that did not pass."""
    return {c.name: c.code for c in signature.checks if c.status is not CheckStatus.PASSED}


#: Of a signature that is not that key's nothing more is known: neither what it covers nor whose it is.
NOT_ASKED = (
    CheckName.COVERAGE,
    CheckName.ALGORITHM,
    CheckName.CERTIFICATE,
    CheckName.AUTHORITY,
    CheckName.TIME,
    CheckName.REVOCATION,
)


def genuine(report: ValidationReport) -> bool:
    """Whether these bytes, were they registered, would be called genuine."""
    version = VersionFacts("0123456789ABCDEF7", 1, VersionState.CURRENT, Standing.PASSED)
    return decide(report, RegistryFacts(file=version)).green


def one_signature(
    world: World, person: pki.Ca, field: str = "KY_PHAT_HANH", *, attached: bool = True, **options: object
) -> bytes:
    """A small file with a single field, signed by ``person``."""
    base = pki.base_pdf([field], pki.record_attachment() if attached else None)
    return pki.sign(base, field, person, first=True, **options)  # type: ignore[arg-type]


# --- what must pass


def test_a_whole_record_passes_every_check(world: World, primary: bytes) -> None:
    report = check(primary, world.trust(), registered_at=NOW)
    assert [s.field for s in report.signatures] == ["GVCN", "CBQL", "KY_PHAT_HANH"]
    assert [s.role for s in report.signatures] == [Role.GVCN, Role.CBQL, Role.KY_PHAT_HANH]
    assert all(
        s.indication is Indication.TOTAL_PASSED and s.sub_indication is None for s in report.signatures
    )
    assert all(len(s.checks) == 8 and not failing(s) for s in report.signatures)
    assert [s.school_code for s in report.signatures] == [pki.SCHOOL] * 3
    assert [s.digest_algorithm for s in report.signatures] == ["sha256"] * 3
    assert report.problem is None
    assert report.attached_record_id == pki.RECORD_ID
    assert report.pages == 1
    assert report.unsigned_fields == ()
    assert report.sha256 == hashlib.sha256(primary).hexdigest()
    assert {c.name: c.status for c in report.checks} == {
        CheckName.REQUIRED_ROLES: CheckStatus.PASSED,
        CheckName.LOG_INCLUSION: CheckStatus.NOT_AVAILABLE,
    }
    assert report.fresh_until == NOW + 6 * DAY
    assert genuine(report)


def test_a_secondary_record_names_its_subjects(world: World, secondary: bytes) -> None:
    report = check(secondary, world.trust(), registered_at=NOW)
    assert [(s.role, s.subject_code) for s in report.signatures] == [
        (Role.GVBM, "NGU_VAN"),
        (Role.GVBM, "TOAN"),
        (Role.GVCN, None),
        (Role.CBQL, None),
        (Role.KY_PHAT_HANH, None),
    ]
    assert genuine(report)


def test_unregistered_bytes_pass_the_same_checks_and_carry_their_earlier_ends(
    world: World, primary: bytes
) -> None:
    report = check(primary, world.trust())
    assert all(s.passed for s in report.signatures)
    assert report.prefixes
    assert all(p.sha256 == hashlib.sha256(primary[: p.length]).hexdigest() for p in report.prefixes)
    assert {s.byte_range[2] + s.byte_range[3] for s in report.signatures[:-1] if s.byte_range} <= {
        p.length for p in report.prefixes
    }


def test_signer_and_signing_time_are_told(world: World, primary: bytes) -> None:
    seal = of(check(primary, world.trust()), "KY_PHAT_HANH")
    certificate = world.people["seal"]
    assert seal.signer is not None
    assert seal.signer.certificate_sha256 == certificate.sha256
    assert seal.signer.subject == "CN=Thử Trường"
    assert seal.signer.serial == f"{certificate.serial:x}"
    assert seal.claimed_time is not None
    assert abs(seal.claimed_time - NOW) < timedelta(minutes=10)
    assert seal.proven_time == NOW


@pytest.mark.parametrize("kind", ["rsa3072", "p256", "ed25519"])
def test_kinds_of_keys(kind: str) -> None:
    world = pki.world(f"Khóa {kind}")
    person = world.intermediate.issue(f"Chữ ký {kind}", kind)
    trust = world.trust(rows=[pki.row(person, Role.GVCN)])
    digest = "sha512" if kind == "ed25519" else "sha384"
    report = check(one_signature(world, person, "GVCN", digest=digest), trust, registered_at=NOW)
    assert failing(of(report, "GVCN")) == {}
    assert of(report, "GVCN").digest_algorithm == digest


@pytest.mark.parametrize("digest", ["sha256", "sha512"])
def test_rsa_pss(world: World, digest: str) -> None:
    person = world.people["seal"]
    trust = world.trust(rows=[pki.row(person, Role.GVCN)])
    pdf = one_signature(world, person, "GVCN", digest=digest, pss=True)
    assert failing(of(check(pdf, trust, registered_at=NOW), "GVCN")) == {}

    def flip(contents: bytearray) -> None:
        contents[len(contents.rstrip(b"\0")) - 1] ^= 1

    changed = of(check(swapped_contents(pdf, 0, flip), trust), "GVCN")
    assert failing(changed) == {
        CheckName.INTEGRITY: "bad_signature",
        **dict.fromkeys(NOT_ASKED, "not_asked"),
    }
    assert (changed.school_code, changed.capacity) == (None, None)
    assert changed.sub_indication is SubIndication.SIG_CRYPTO_FAILURE


def test_several_anchors_and_cross_certificates(world: World, primary: bytes) -> None:
    other = pki.world("Khác")
    trust = world.trust()
    both = replace(
        trust,
        anchors=(*other.trust().anchors, *trust.anchors),
        intermediates=(*other.trust().intermediates, *trust.intermediates),
        crls=(*other.crls, *trust.crls),
    )
    assert genuine(check(primary, both, registered_at=NOW))


def test_the_intermediate_may_come_with_the_signature(world: World, primary: bytes) -> None:
    trust = replace(world.trust(), intermediates=())
    assert genuine(check(primary, trust, registered_at=NOW))


# --- trust


def test_a_stranger_with_the_same_names_is_not_trusted(world: World) -> None:
    stranger = pki.world("Thử")
    assert stranger.people["seal"].certificate.subject == world.people["seal"].certificate.subject
    seal = of(check(pki.signed_record(stranger), world.trust()), "KY_PHAT_HANH")
    assert failing(seal)[CheckName.CERTIFICATE] == "no_path"
    assert failing(seal)[CheckName.AUTHORITY] == "unknown_signer"
    assert seal.status(CheckName.INTEGRITY) is CheckStatus.PASSED
    assert seal.status(CheckName.REVOCATION) is CheckStatus.NOT_AVAILABLE
    assert (seal.indication, seal.sub_indication) == (
        Indication.INDETERMINATE,
        SubIndication.NO_CERTIFICATE_CHAIN_FOUND,
    )


def test_without_anchors_nobody_is_trusted_and_no_system_store_is_asked(
    world: World, primary: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the operating system's trust store was asked")

    monkeypatch.setattr("oscrypto.trust_list.get_list", refuse, raising=False)
    trust = replace(world.trust(), anchors=())
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # pyHanko warns when it falls back to the system's roots
        report = check(primary, trust)
    assert {failing(s)[CheckName.CERTIFICATE] for s in report.signatures} == {"no_path"}


def test_chain_trust_is_not_authority(world: World) -> None:
    citizen = world.intermediate.issue("Sở GD-ĐT Thử (công dân)")
    pdf = pki.signed_record(world, people={"seal": citizen})
    seal = of(check(pdf, world.trust(), registered_at=NOW), "KY_PHAT_HANH")
    assert failing(seal) == {CheckName.AUTHORITY: "unknown_signer"}
    assert seal.sub_indication is SubIndication.SIG_CONSTRAINTS_FAILURE


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"school_code": "01000999"}, "other_school"),
        ({"role": Role.GVCN}, "other_role"),
        ({"approval": Approval.WAITING}, "not_approved"),
        ({"approval": Approval.REFUSED}, "not_approved"),
        ({"valid_from": NOW + HOUR}, "outside_period"),
        ({"valid_to": NOW}, "outside_period"),
        ({"invalid_since": NOW}, "suspended"),
        ({"invalid_since": NOW - DAY}, "suspended"),
        ({"valid_to": NOW + HOUR}, ""),
        ({"invalid_since": NOW + HOUR}, ""),
    ],
)
def test_authority_is_school_role_period_and_approval(
    world: World, primary: bytes, changes: dict[str, object], code: str
) -> None:
    report = check(primary, world.with_row("principal", **changes), registered_at=NOW)
    assert failing(of(report, "CBQL")) == ({CheckName.AUTHORITY: code} if code else {})
    assert genuine(report) is (code == "")


def test_suspension_counts_from_its_date_not_from_today(world: World, primary: bytes) -> None:
    """SEC-05: the same certificate, suspended between two registrations."""
    trust = world.with_row("seal", invalid_since=NOW + 10 * DAY)
    late = NOW + 20 * DAY
    crls = tuple(
        authority.crl(this_update=late - DAY, next_update=late + DAY)
        for authority in (world.root, world.intermediate)
    )
    trust = replace(trust, crls=crls)
    assert genuine(check(primary, trust, at=late, registered_at=NOW + 9 * DAY))
    after = check(primary, trust, at=late, registered_at=NOW + 10 * DAY)
    assert failing(of(after, "KY_PHAT_HANH")) == {CheckName.AUTHORITY: "suspended"}


def test_a_teacher_signs_for_the_subjects_of_the_table(world: World, secondary: bytes) -> None:
    toan = world.with_row("teacher", subject_codes=frozenset({"TOAN"}))
    report = check(secondary, toan, registered_at=NOW)
    assert failing(of(report, "GVBM.TOAN")) == {}
    assert failing(of(report, "GVBM.NGU_VAN")) == {CheckName.AUTHORITY: "other_subject"}


def test_the_principal_may_sign_for_a_teacher_and_nobody_else_may(world: World) -> None:
    base = pki.base_pdf(["GVBM.TOAN"], pki.record_attachment("THCS"))
    instead = pki.sign(base, "GVBM.TOAN", world.people["principal"], first=True)
    signature = of(check(instead, world.trust()), "GVBM.TOAN")
    assert failing(signature) == {}
    assert signature.capacity == "ky_thay"
    other = pki.sign(base, "GVBM.TOAN", world.people["homeroom"], first=True)
    assert failing(of(check(other, world.trust()), "GVBM.TOAN")) == {CheckName.AUTHORITY: "other_role"}
    elsewhere = world.with_row("principal", school_code="01000999")
    assert failing(of(check(instead, elsewhere), "GVBM.TOAN")) == {CheckName.AUTHORITY: "other_school"}


def test_the_capacity_is_that_of_the_table(world: World, primary: bytes) -> None:
    report = check(primary, world.with_row("principal", capacity="KT"))
    assert [s.capacity for s in report.signatures] == ["", "KT", ""]


def test_without_a_record_the_school_is_that_of_the_table(world: World) -> None:
    pdf = one_signature(world, world.people["homeroom"], "GVCN", attached=False)
    report = check(pdf, world.trust())
    assert failing(of(report, "GVCN")) == {}
    assert of(report, "GVCN").school_code == pki.SCHOOL
    assert [c.code for c in report.checks if c.name is CheckName.REQUIRED_ROLES] == ["no_record"]


# --- certificates


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"content_commitment": False}, "key_usage"),
        ({"purposes": (ExtendedKeyUsageOID.SERVER_AUTH,)}, "extended_key_usage"),
        ({"purposes": (ExtendedKeyUsageOID.CLIENT_AUTH,)}, "extended_key_usage"),
        (
            {"purposes": (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.EMAIL_PROTECTION)},
            "extended_key_usage",
        ),
        ({"purposes": (ExtendedKeyUsageOID.TIME_STAMPING,)}, "extended_key_usage"),
        ({"valid": (NOW - 30 * DAY, NOW - HOUR)}, "expired"),
        ({"valid": (NOW + HOUR, NOW + 30 * DAY)}, "not_yet_valid"),
        ({"critical_extra": True}, "unknown_critical_extension"),
        ({"purposes": (ExtendedKeyUsageOID.EMAIL_PROTECTION,)}, ""),
        ({"purposes": (ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.CLIENT_AUTH)}, ""),
        ({"purposes": (x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36"),)}, ""),
    ],
)
def test_certificates_made_for_something_else(world: World, options: dict[str, object], code: str) -> None:
    person = world.intermediate.issue("Giấy tờ lạ", **options)  # type: ignore[arg-type]
    trust = world.trust(rows=[pki.row(person, Role.GVCN)])
    report = check(one_signature(world, person, "GVCN"), trust, registered_at=NOW)
    assert failing(of(report, "GVCN")) == ({CheckName.CERTIFICATE: code} if code else {})


def test_an_expired_certificate_stays_good_for_what_was_registered_before(world: World) -> None:
    person = world.intermediate.issue("Sắp hết hạn", valid=(NOW - 30 * DAY, NOW + DAY))
    pdf = one_signature(world, person, "GVCN")
    crls = (
        world.root.crl(next_update=NOW + 90 * DAY),
        world.intermediate.crl(next_update=NOW + 90 * DAY),
    )
    trust = world.trust(rows=[pki.row(person, Role.GVCN)], crls=crls)
    later = NOW + 60 * DAY
    assert failing(of(check(pdf, trust, at=later, registered_at=NOW), "GVCN")) == {}
    unregistered = of(check(pdf, trust, at=later), "GVCN")
    assert failing(unregistered)[CheckName.CERTIFICATE] == "expired"
    assert unregistered.sub_indication is SubIndication.OUT_OF_BOUNDS_NO_POE


def test_authorities_must_be_authorities(world: World) -> None:
    person = world.people["principal"]
    below = person.issue("Dưới một người")
    trust = world.trust(rows=[pki.row(below, Role.GVCN)])
    base = pki.base_pdf(["GVCN"], None)
    signature = of(check(pki.sign(base, "GVCN", below, first=True), trust), "GVCN")
    assert failing(signature)[CheckName.CERTIFICATE] == "not_a_ca"


def test_the_path_length_holds(world: World) -> None:
    sub = world.intermediate.issue("CA quá sâu", ca=True)  # the intermediate allows none below itself
    person = sub.issue("Người dưới CA quá sâu")
    trust = replace(
        world.trust(rows=[pki.row(person, Role.GVCN)], crls=(*world.crls, sub.crl())),
        intermediates=(world.intermediate.der, sub.der),
    )
    signature = of(check(one_signature(world, person, "GVCN"), trust), "GVCN")
    assert failing(signature)[CheckName.CERTIFICATE] == "path_too_long"


def test_a_root_signs_no_records(world: World) -> None:
    trust = world.trust(rows=[pki.row(world.root, Role.GVCN)])
    pdf = one_signature(world, world.root, "GVCN")
    assert failing(of(check(pdf, trust), "GVCN"))[CheckName.CERTIFICATE] == "no_path"


def test_an_intermediate_signs_no_records(world: World) -> None:
    trust = world.trust(rows=[pki.row(world.intermediate, Role.GVCN)])
    pdf = one_signature(world, world.intermediate, "GVCN")
    assert failing(of(check(pdf, trust), "GVCN"))[CheckName.CERTIFICATE] == "signer_is_ca"


def test_a_maze_of_authorities_is_left_in_time() -> None:
    """Certificates that sign each other offer endless paths; the search gives up and trusts nobody."""
    world = pki.world("Mê cung")
    previous = pki.root("mê cung")
    maze = [previous := previous.issue("mê cung", ca=True, key=previous.key) for _ in range(30)]
    person = previous.issue("Người trong mê cung")
    trust = replace(world.trust(rows=[pki.row(person, Role.GVCN)]), intermediates=tuple(c.der for c in maze))
    pdf = pki.sign(pki.base_pdf(["GVCN"], None), "GVCN", person, first=True)
    assert failing(of(check(pdf, trust), "GVCN"))[CheckName.CERTIFICATE] == "no_path"


# --- algorithms


def test_sha1_is_weak_and_nothing_worse(world: World) -> None:
    person = world.people["homeroom"]
    signature = of(check(one_signature(world, person, "GVCN", digest="sha1"), world.trust()), "GVCN")
    assert failing(signature) == {CheckName.ALGORITHM: "weak_digest"}
    assert signature.status(CheckName.ALGORITHM) is CheckStatus.WEAK
    assert signature.sub_indication is SubIndication.CRYPTO_CONSTRAINTS_FAILURE


def test_short_keys_are_weak_and_odd_curves_are_refused(world: World) -> None:
    short = world.intermediate.issue("Khóa ngắn", "rsa1024")
    odd = world.intermediate.issue("Đường cong lạ", "p521")
    trust = world.trust(rows=[pki.row(short, Role.GVCN), pki.row(odd, Role.GVCN)])
    weak = of(check(one_signature(world, short, "GVCN"), trust), "GVCN")
    assert failing(weak) == {CheckName.ALGORITHM: "weak_key"}
    assert weak.status(CheckName.ALGORITHM) is CheckStatus.WEAK
    refused = of(check(one_signature(world, odd, "GVCN"), trust), "GVCN")
    assert failing(refused) == {CheckName.ALGORITHM: "key_not_allowed"}
    assert refused.status(CheckName.ALGORITHM) is CheckStatus.FAILED


def test_the_algorithms_of_authorities_count_too() -> None:
    world = pki.world("CA yếu")
    weak_ca = world.root.issue("CA khóa ngắn", "rsa1024", ca=True)
    person = weak_ca.issue("Dưới CA yếu")
    trust = replace(
        world.trust(rows=[pki.row(person, Role.GVCN)], crls=(*world.crls, weak_ca.crl())),
        intermediates=(weak_ca.der,),
    )
    signature = of(check(one_signature(world, person, "GVCN"), trust), "GVCN")
    assert failing(signature) == {CheckName.ALGORITHM: "weak_key"}


def test_a_policy_may_demand_more(world: World, primary: bytes) -> None:
    stricter = replace(DEFAULT, algorithms=Algorithms(rsa=((4096, None),)))
    report, _ = validate(primary, world.trust(), stricter, NOW)
    assert failing(of(report, "KY_PHAT_HANH")) == {CheckName.ALGORITHM: "weak_key"}
    assert failing(of(report, "GVCN")) == {}


# --- revocation


def revoked(world: World, person: str, when: datetime, **options: object) -> tuple[bytes, ...]:
    serial = world.people[person].serial
    return (world.root.crl(), world.intermediate.crl({serial: when}, **options))  # type: ignore[arg-type]


def test_revoked_before_the_proven_time(world: World, primary: bytes) -> None:
    trust = world.trust(crls=revoked(world, "seal", NOW - HOUR))
    report = check(primary, trust, registered_at=NOW)
    seal = of(report, "KY_PHAT_HANH")
    assert failing(seal) == {CheckName.REVOCATION: "certificate_revoked"}
    assert seal.status(CheckName.REVOCATION) is CheckStatus.FAILED
    assert seal.sub_indication is SubIndication.REVOKED_NO_POE
    assert failing(of(report, "CBQL")) == {}


def test_revoked_at_the_very_moment_counts_as_before(world: World, primary: bytes) -> None:
    trust = world.trust(crls=revoked(world, "seal", NOW))
    assert not genuine(check(primary, trust, registered_at=NOW))


def test_revoked_after_the_proven_time_does_not_reach_back(world: World, primary: bytes) -> None:
    later = NOW + 3 * DAY
    crls = revoked(world, "seal", NOW + 2 * DAY, this_update=NOW + 2 * DAY)
    assert genuine(check(primary, world.trust(crls=crls), at=later, registered_at=NOW))
    unregistered = check(primary, world.trust(crls=crls), at=later)
    assert failing(of(unregistered, "KY_PHAT_HANH")) == {CheckName.REVOCATION: "certificate_revoked"}


def test_unless_its_invalidity_date_does(world: World, primary: bytes) -> None:
    later = NOW + 3 * DAY
    serial = world.people["seal"].serial
    crls = revoked(world, "seal", NOW + 2 * DAY, this_update=NOW + 2 * DAY, invalidity={serial: NOW - HOUR})
    assert not genuine(check(primary, world.trust(crls=crls), at=later, registered_at=NOW))
    crls = revoked(world, "seal", NOW + 2 * DAY, this_update=NOW + 2 * DAY, invalidity={serial: NOW + HOUR})
    assert genuine(check(primary, world.trust(crls=crls), at=later, registered_at=NOW))


def test_a_revoked_authority_takes_everyone_along(world: World, primary: bytes) -> None:
    crls = (world.root.crl({world.intermediate.serial: NOW - DAY}), world.intermediate.crl())
    report = check(primary, world.trust(crls=crls), registered_at=NOW)
    assert [failing(s) for s in report.signatures] == [{CheckName.REVOCATION: "ca_revoked"}] * 3
    assert report.signatures[0].sub_indication is SubIndication.REVOKED_CA_NO_POE


@pytest.mark.parametrize("missing", [0, 1])
def test_a_missing_list_is_unfinished_for_signers_and_for_authorities(
    world: World, primary: bytes, missing: int
) -> None:
    crls = [crl for number, crl in enumerate(world.crls) if number != missing]
    report = check(primary, world.trust(crls=crls), registered_at=NOW)
    assert all(failing(s) == {CheckName.REVOCATION: "crl_missing"} for s in report.signatures)
    assert all(s.status(CheckName.REVOCATION) is CheckStatus.INCOMPLETE for s in report.signatures)
    assert report.signatures[0].sub_indication is SubIndication.TRY_LATER
    assert report.fresh_until is None


@pytest.mark.parametrize("stale", [0, 1])
def test_a_stale_list_is_unfinished(world: World, primary: bytes, stale: int) -> None:
    crls = list(world.crls)
    crls[stale] = (world.root, world.intermediate)[stale].crl(
        this_update=NOW - 9 * DAY, next_update=NOW - timedelta(seconds=1)
    )
    report = check(primary, world.trust(crls=crls), registered_at=NOW)
    assert all(failing(s) == {CheckName.REVOCATION: "crl_stale"} for s in report.signatures)


def test_a_list_is_fresh_up_to_its_next_update(world: World, primary: bytes) -> None:
    crls = (world.root.crl(next_update=NOW), world.intermediate.crl())
    report = check(primary, world.trust(crls=crls), registered_at=NOW)
    assert genuine(report)
    assert report.fresh_until == NOW


def test_a_stale_list_still_tells_of_a_revocation(world: World, primary: bytes) -> None:
    crls = revoked(world, "seal", NOW - 8 * DAY, this_update=NOW - 7 * DAY, next_update=NOW - DAY)
    report = check(primary, world.trust(crls=crls), registered_at=NOW)
    assert failing(of(report, "KY_PHAT_HANH")) == {CheckName.REVOCATION: "certificate_revoked"}
    assert failing(of(report, "CBQL")) == {CheckName.REVOCATION: "crl_stale"}


def test_a_list_from_the_future_is_no_list(world: World, primary: bytes) -> None:
    crls = (world.root.crl(), world.intermediate.crl(this_update=NOW + HOUR))
    report = check(primary, world.trust(crls=crls), registered_at=NOW)
    assert all(failing(s) == {CheckName.REVOCATION: "crl_missing"} for s in report.signatures)


def test_a_list_signed_by_somebody_else_is_no_list(world: World, primary: bytes) -> None:
    forged = world.intermediate.crl(signed_by=pki.root("Kẻ giả CRL"))
    report = check(primary, world.trust(crls=(world.root.crl(), forged)), registered_at=NOW)
    assert all(failing(s) == {CheckName.REVOCATION: "crl_missing"} for s in report.signatures)


def scope(*, users: bool = False, authorities: bool = False, indirect: bool = False) -> x509.ExtensionType:
    return x509.IssuingDistributionPoint(
        full_name=None if users or authorities or indirect else [x509.DNSName("a.invalid")],
        relative_name=None,
        only_contains_user_certs=users,
        only_contains_ca_certs=authorities,
        only_some_reasons=None,
        indirect_crl=indirect,
        only_contains_attribute_certs=False,
    )


@pytest.mark.parametrize(
    ("root_scope", "below_scope", "code"),
    [
        (scope(authorities=True), scope(users=True), ""),
        (scope(users=True), scope(users=True), "crl_missing"),
        (scope(authorities=True), scope(authorities=True), "crl_missing"),
        (scope(authorities=True), scope(indirect=True), "crl_missing"),
        (scope(authorities=True), x509.DeltaCRLIndicator(1), "crl_missing"),
    ],
)
def test_a_list_counts_for_what_it_covers(
    world: World,
    primary: bytes,
    root_scope: x509.ExtensionType,
    below_scope: x509.ExtensionType,
    code: str,
) -> None:
    crls = (world.root.crl(extension=root_scope), world.intermediate.crl(extension=below_scope))
    report = check(primary, world.trust(crls=crls), registered_at=NOW)
    assert failing(of(report, "CBQL")) == ({CheckName.REVOCATION: code} if code else {})


def test_the_newest_list_speaks(world: World, primary: bytes) -> None:
    old = world.intermediate.crl(this_update=NOW - 5 * DAY, next_update=NOW + DAY)
    new = revoked(world, "seal", NOW - HOUR)[1]
    report = check(primary, world.trust(crls=(world.root.crl(), old, new)), registered_at=NOW)
    assert not genuine(report)


def test_lists_forget_expired_certificates(world: World) -> None:
    """After the expiry silence proves nothing, unless the list keeps expired ones or is old enough."""
    person = world.intermediate.issue("Hết hạn rồi", valid=(NOW - 30 * DAY, NOW + DAY))
    pdf = one_signature(world, person, "GVCN")
    late = NOW + 20 * DAY
    fresh = {"this_update": late - DAY, "next_update": late + DAY}
    top = world.root.crl(**fresh)  # type: ignore[arg-type]
    rows = [pki.row(person, Role.GVCN)]

    silent = world.intermediate.crl(**fresh)  # type: ignore[arg-type]
    report = check(pdf, world.trust(rows=rows, crls=(top, silent)), at=late, registered_at=NOW)
    assert failing(of(report, "GVCN")) == {CheckName.REVOCATION: "crl_after_expiry"}

    since = (NOW - 100 * DAY).strftime("\x18\x0f%Y%m%d%H%M%SZ").encode()
    keeping = world.intermediate.crl(keeps_expired_since=since, **fresh)  # type: ignore[arg-type]
    report = check(pdf, world.trust(rows=rows, crls=(top, keeping)), at=late, registered_at=NOW)
    assert failing(of(report, "GVCN")) == {}

    then = world.intermediate.crl(this_update=NOW + HOUR, next_update=NOW + DAY)
    report = check(pdf, world.trust(rows=rows, crls=(top, silent, then)), at=late, registered_at=NOW)
    assert failing(of(report, "GVCN")) == {}

    before = world.intermediate.crl(this_update=NOW - HOUR, next_update=NOW + DAY)
    report = check(pdf, world.trust(rows=rows, crls=(top, silent, before)), at=late, registered_at=NOW)
    assert failing(of(report, "GVCN")) == {CheckName.REVOCATION: "crl_after_expiry"}


def test_pinned_material_that_cannot_be_read_finishes_nothing(world: World, primary: bytes) -> None:
    for broken in (
        replace(world.trust(), crls=(b"no list",)),
        replace(world.trust(), intermediates=(b"no certificate",)),
    ):
        report, structure = validate(primary, broken, DEFAULT, NOW)
        assert report.incomplete == "trust_unavailable"
        again = revalidate(primary, replace(structure), broken, DEFAULT, NOW, registered_at=NOW)
        assert again.incomplete == "trust_unavailable"


# --- time


def test_a_claim_from_the_future_fails(world: World, primary: bytes) -> None:
    report = check(
        primary,
        world.trust(
            crls=(
                world.root.crl(this_update=NOW - 9 * DAY),
                world.intermediate.crl(this_update=NOW - 9 * DAY),
            )
        ),
        at=NOW - 2 * DAY,
    )
    assert all(failing(s) == {CheckName.TIME: "claimed_in_future"} for s in report.signatures)


def test_the_proven_time_is_the_earlier_of_registration_and_check(world: World, primary: bytes) -> None:
    for registered_at in (NOW, NOW + timedelta(minutes=4)):
        report = check(primary, world.trust(), at=NOW, registered_at=registered_at)
        assert {s.proven_time for s in report.signatures} == {NOW}
    earlier = check(primary, world.trust(), at=NOW + DAY, registered_at=NOW)
    assert {s.proven_time for s in earlier.signatures} == {NOW}


def test_a_clock_behind_the_registration_finishes_nothing(world: World, primary: bytes) -> None:
    """Another machine registered it at a time that this one has not come to: the signer's fault it is not."""
    report, structure = validate(primary, world.trust(), DEFAULT, NOW, registered_at=NOW, own=True)
    assert report.incomplete is None
    behind = NOW - timedelta(minutes=6)
    for found in (
        validate(primary, world.trust(), DEFAULT, behind, registered_at=NOW, own=True)[0],
        revalidate(primary, structure, world.trust(), DEFAULT, behind, registered_at=NOW),
    ):
        assert (found.incomplete, found.signatures) == ("clock", ())


# --- integrity and coverage


def test_appended_bytes_leave_the_seal_intact_and_uncovered(world: World, primary: bytes) -> None:
    for tail in (b"\n", b"% comment\n%%EOF\n"):
        report = check(primary + tail, world.trust())
        if report.problem is None:
            seal = of(report, "KY_PHAT_HANH")
            assert seal.status(CheckName.INTEGRITY) is CheckStatus.PASSED
            assert failing(seal)[CheckName.COVERAGE] == "bytes_after_signature"
        assert hashlib.sha256(primary).hexdigest() in {p.sha256 for p in report.prefixes}
        assert not any(p.archival for p in report.prefixes if p.length == len(primary))


number: Callable[[float], generic.PdfObject] = generic.FloatObject
name: Callable[[str], generic.PdfObject] = generic.NameObject
dictionary: Callable[..., Any] = generic.DictionaryObject
reference: Callable[..., Any] = generic.IndirectObject


def edited(pdf: bytes, change: Callable[[IncrementalPdfFileWriter], None]) -> bytes:
    """One more revision, as an editor would save it."""
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf), strict=False)
    change(writer)
    output = io.BytesIO()
    writer.write(output)  # type: ignore[no-untyped-call]
    return output.getvalue()


def change_page(writer: IncrementalPdfFileWriter) -> None:
    page = writer.root["/Pages"]["/Kids"][0]
    content = generic.StreamObject(stream_data=b"BT /F1 12 Tf 72 770 Td (10,0) Tj ET")
    page[name("/Contents")] = writer.add_object(content)
    writer.update_container(page)


def move_field(writer: IncrementalPdfFileWriter) -> None:
    field = writer.root["/AcroForm"]["/Fields"][0]
    field[name("/Rect")] = generic.ArrayObject(number(n) for n in (0, 0, 595, 842))
    writer.update_container(field)


def add_validation_data(writer: IncrementalPdfFileWriter) -> None:
    store = dictionary({name("/Certs"): generic.ArrayObject()})
    writer.root[name("/DSS")] = writer.add_object(store)
    writer.update_container(writer.root)


def add_script(writer: IncrementalPdfFileWriter) -> None:
    action = dictionary({name("/S"): name("/JavaScript")})
    writer.root[name("/OpenAction")] = writer.add_object(action)
    writer.update_container(writer.root)


@pytest.mark.parametrize("change", [change_page, move_field, add_script])
def test_a_page_edited_after_the_seal(
    world: World, primary: bytes, change: Callable[[IncrementalPdfFileWriter], None]
) -> None:
    pdf = edited(primary, change)
    report = check(pdf, world.trust())
    for signature in report.signatures:
        assert signature.status(CheckName.INTEGRITY) is CheckStatus.PASSED
        assert signature.status(CheckName.COVERAGE) is CheckStatus.FAILED
        assert signature.indication is Indication.TOTAL_FAILED
    assert hashlib.sha256(primary).hexdigest() in {p.sha256 for p in report.prefixes}
    assert not genuine(check(pdf, world.trust(), registered_at=NOW))


@pytest.mark.parametrize("claim", [b"D:00010101000000+14'", rb"D\07299991231235959Z"])
def test_a_claim_at_the_end_of_the_calendar_is_not_shown(world: World, primary: bytes, claim: bytes) -> None:
    """It could not be moved into the zone of whoever reads it; that it lies in the future still counts."""
    changed = re.sub(rb"(?<=/M \()D[^)]{19}(?=\))", lambda _: claim, primary)
    assert changed != primary
    assert len(changed) == len(primary)
    report = check(changed, world.trust())
    assert {s.claimed_time for s in report.signatures} == {None}


@pytest.mark.parametrize(
    ("claim", "kept"),
    [("0001-01-01T00:00:00+14:00", False), ("9999-12-31T23:59:59+00:00", False), (NOW.isoformat(), True)],
    ids=["below the calendar", "past the calendar", "now"],
)
def test_a_report_from_elsewhere_cannot_bring_such_a_claim(
    world: World, primary: bytes, claim: str, kept: bool
) -> None:
    said = check(primary, world.trust()).to_json()
    said["signatures"][0]["claimed_time"] = said["fresh_until"] = claim
    report = ValidationReport.from_json(said)
    assert (report.signatures[0].claimed_time is not None) is kept
    assert (report.fresh_until is not None) is kept


@pytest.mark.parametrize("change", [change_page, move_field, add_script])
def test_a_page_edited_between_two_signatures(
    world: World, change: Callable[[IncrementalPdfFileWriter], None]
) -> None:
    """Our own rule finds it in a registered file, where the diff analysis is not asked."""
    fields = ("GVCN", "CBQL", "KY_PHAT_HANH")
    pdf = pki.base_pdf(fields, pki.record_attachment())
    pdf = pki.sign(pdf, "GVCN", world.people["homeroom"], first=True)
    pdf = edited(pdf, change)
    pdf = pki.sign(pdf, "CBQL", world.people["principal"])
    pdf = pki.sign(pdf, "KY_PHAT_HANH", world.people["seal"])
    for registered_at in (NOW, None):
        report = check(pdf, world.trust(), registered_at=registered_at)
        assert all(s.status(CheckName.INTEGRITY) is CheckStatus.PASSED for s in report.signatures)
        assert all(s.status(CheckName.COVERAGE) is CheckStatus.FAILED for s in report.signatures)


def test_validation_data_after_the_seal_is_an_archive_addition(world: World, primary: bytes) -> None:
    report = check(edited(primary, add_validation_data), world.trust())
    assert failing(of(report, "KY_PHAT_HANH")) == {CheckName.COVERAGE: "bytes_after_signature"}
    mine = [p for p in report.prefixes if p.sha256 == hashlib.sha256(primary).hexdigest()]
    assert [p.archival for p in mine] == [True]
    earlier = [p for p in report.prefixes if p.length < len(primary) // 2]
    assert earlier
    assert not any(p.archival for p in earlier)


def test_an_object_that_nothing_needs_is_no_archive_addition(world: World, primary: bytes) -> None:
    def add_orphan(writer: IncrementalPdfFileWriter) -> None:
        writer.add_object(generic.pdf_string("nothing refers to this"))

    report = check(edited(primary, add_orphan), world.trust())
    mine = [p for p in report.prefixes if p.sha256 == hashlib.sha256(primary).hexdigest()]
    assert [p.archival for p in mine] == [False]


def test_endless_names_and_numbers_of_strangers_still_make_a_report(world: World, primary: bytes) -> None:
    def add_field(writer: IncrementalPdfFileWriter) -> None:
        append_signature_field(writer, SigFieldSpec("X" * 5000))

    report = check(edited(primary, add_field), world.trust())
    assert ValidationReport.from_json(json.loads(json.dumps(report.to_json()))) == report
    assert max(len(name) for name in report.unsigned_fields) == 200
    assert read_byte_range([0, 1, 1 << 53, 0]) is None
    assert read_byte_range([0, 1, 2, 1 << 53]) is None


def test_validation_data_between_signatures_is_allowed(world: World) -> None:
    fields = ("GVCN", "CBQL", "KY_PHAT_HANH")
    pdf = pki.base_pdf(fields, pki.record_attachment())
    pdf = pki.sign(pdf, "GVCN", world.people["homeroom"], first=True)
    pdf = edited(pdf, add_validation_data)
    pdf = pki.sign(pdf, "CBQL", world.people["principal"])
    pdf = pki.sign(pdf, "KY_PHAT_HANH", world.people["seal"])
    assert genuine(check(pdf, world.trust(), registered_at=NOW))


def test_an_object_named_as_metadata_cannot_be_replaced_under_that_name(world: World) -> None:
    """First a revision calls the page "metadata", then another one replaces it as such."""

    def call_it_metadata(writer: IncrementalPdfFileWriter) -> None:
        page = writer.root["/Pages"]["/Kids"].raw_get(0)
        writer.root[name("/Metadata")] = reference(page.idnum, page.generation, writer)
        writer.update_container(writer.root)

    pdf = pki.base_pdf(("GVCN", "CBQL"), pki.record_attachment())
    pdf = pki.sign(pdf, "GVCN", world.people["homeroom"], first=True)
    pdf = edited(edited(pdf, call_it_metadata), change_page)
    pdf = pki.sign(pdf, "CBQL", world.people["principal"])
    report = check(pdf, world.trust(), registered_at=NOW)
    assert not any(s.passed for s in report.signatures)


def test_saved_again_by_another_program(world: World, primary: bytes) -> None:
    output = io.BytesIO()
    with pikepdf.open(io.BytesIO(primary)) as pdf:
        pdf.save(output)
    report = check(output.getvalue(), world.trust())
    assert report.attached_record_id == pki.RECORD_ID
    assert len(report.signatures) == 3
    assert not any(s.status(CheckName.INTEGRITY) is CheckStatus.PASSED for s in report.signatures)


def test_one_changed_byte_of_the_signed_content(world: World, primary: bytes) -> None:
    place = primary.index(b"HOC BA trang")
    report = check(primary[:place] + b"X" + primary[place + 1 :], world.trust())
    assert {failing(s)[CheckName.INTEGRITY] for s in report.signatures} == {"digest_mismatch"}
    assert {s.sub_indication for s in report.signatures} == {SubIndication.HASH_FAILURE}


def swapped_contents(pdf: bytes, field: int, change: Callable[[bytearray], None]) -> bytes:
    """The CMS of one signature changed in place."""
    ranges = [tuple(map(int, m)) for m in re.findall(rb"/ByteRange \[0 (\d+) (\d+) (\d+)", pdf)]
    a, b, _ = sorted(ranges)[field]
    contents = bytearray.fromhex(pdf[a + 1 : b - 1].decode())
    change(contents)
    return pdf[: a + 1] + contents.hex().encode() + pdf[b - 1 :]


def test_a_changed_signature_value(world: World, primary: bytes) -> None:
    def flip(contents: bytearray) -> None:
        end = len(contents.rstrip(b"\0"))
        contents[end - 3] ^= 1

    seal = of(check(swapped_contents(primary, 2, flip), world.trust()), "KY_PHAT_HANH")
    assert seal.status(CheckName.INTEGRITY) is CheckStatus.FAILED


def test_bytes_hidden_behind_the_cms(world: World, primary: bytes) -> None:
    def hide(contents: bytearray) -> None:
        contents[-4:] = b"hide"

    seal = of(check(swapped_contents(primary, 2, hide), world.trust()), "KY_PHAT_HANH")
    assert failing(seal)[CheckName.INTEGRITY] == "bytes_after_cms"
    assert seal.signer is None
    assert seal.sub_indication is SubIndication.FORMAT_FAILURE


def byte_ranges(pdf: bytes) -> list[tuple[int, bytes]]:
    return [(m.start(), m[0]) for m in re.finditer(rb"/ByteRange \[[^\]]*\]", pdf)]


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda a, b, c: f"0 {a - 1} {b} {c}",  # a byte left free before the gap
        lambda a, b, c: f"0 {a} {b + 1} {c - 1}",  # and after it
        lambda a, b, c: f"0 {a} {b} {c - 1}",  # the last byte of the file left out
        lambda a, b, c: f"0 {a} {b} {c + 1}",
        lambda a, b, c: f"1 {a - 1} {b} {c}",
        lambda a, b, c: f"0 {b} {b} {c}",  # no gap
        lambda a, b, c: f"0 0 {b} {c}",  # nothing before the gap
        lambda a, b, c: "0 0 0 0",
        lambda a, b, c: f"0 {a} {b}",
        lambda a, b, c: f"0 {a} {b} -1",
        lambda a, b, c: "0 /A /B /C",
        lambda a, b, c: "",
    ],
)
def test_ranges_that_leave_a_byte_free(
    world: World, primary: bytes, rewrite: Callable[[int, int, int], str]
) -> None:
    start, text = byte_ranges(primary)[-1]
    _, a, b, c = (int(n) for n in re.findall(rb"\d+", text))
    new = f"/ByteRange [{rewrite(a, b, c)}".encode()[: len(text) - 1].ljust(len(text) - 1) + b"]"
    report = check(primary[:start] + new + primary[start + len(text) :], world.trust())
    seals = [s for s in report.signatures if s.field == "KY_PHAT_HANH"]
    assert report.problem or not any(s.status(CheckName.INTEGRITY) is CheckStatus.PASSED for s in seals)
    assert not any(s.passed for s in seals)


def test_a_salt_of_any_length_is_a_finding(world: World) -> None:
    """The mathematics raises OverflowError for a length that no machine word holds."""
    pdf = one_signature(world, world.people["seal"], "GVCN", pss=True)

    def judged(contents: bytearray) -> None:
        read = cms.read_cms(bytes(contents), DEFAULT.limits.certificates)
        assert cms.signature_holds(read)
        assert not cms.signature_holds(replace(read, salt_length=1 << 80))

    swapped_contents(pdf, 0, judged)
    for length in (-1, 1 << 12, 1 << 80):
        sha256 = {"algorithm": "sha256"}
        generator = {"algorithm": "mgf1", "parameters": sha256}
        wanted = {"hash_algorithm": sha256, "mask_gen_algorithm": generator, "salt_length": length}
        parameters = der.read(asn1_algos.RSASSAPSSParams(wanted).dump())
        with pytest.raises(cms.MalformedSignature, match="salt"):
            cms._salt_length(parameters, "sha256")


def test_a_signature_moved_into_a_wider_gap(world: World, primary: bytes) -> None:
    """Signature wrapping: the second signed range moved to the end, room for other objects in the gap."""
    start, text = byte_ranges(primary)[-1]
    _, a, b, c = (int(n) for n in re.findall(rb"\d+", text))
    wedge = b"\n" + b" " * 200 + b"\n"
    moved = f"/ByteRange [0 {a} {b + len(wedge)} {c}".encode()
    moved = moved.ljust(len(text) - 1) + b"]"
    pdf = primary[:start] + moved + primary[start + len(text) :]
    pdf = pdf[:b] + wedge + pdf[b:]
    report = check(pdf, world.trust())
    assert report.problem or not any(s.passed for s in report.signatures)
    seals = [s for s in report.signatures if s.field == "KY_PHAT_HANH"]
    assert not any(s.status(CheckName.INTEGRITY) is CheckStatus.PASSED for s in seals)


# --- the profile of a record


def test_a_missing_role_is_named(world: World) -> None:
    fields = ("GVCN", "KY_PHAT_HANH")
    pdf = pki.sign_all(
        pki.base_pdf(("GVCN", "CBQL", "KY_PHAT_HANH"), pki.record_attachment()), fields, world.people
    )
    report = check(pdf, world.trust(), registered_at=NOW)
    assert report.unsigned_fields == ("CBQL",)
    assert [c.code for c in report.checks if c.name is CheckName.REQUIRED_ROLES] == ["role_missing"]
    assert all(s.passed for s in report.signatures)
    assert not genuine(report)


def test_a_missing_subject_teacher_is_a_missing_role(world: World) -> None:
    fields = ("GVBM.TOAN", "GVCN", "CBQL", "KY_PHAT_HANH")
    pdf = pki.base_pdf(fields, pki.record_attachment("THCS", ("TOAN", "NGU_VAN")))
    report = check(pki.sign_all(pdf, fields, world.people), world.trust(), registered_at=NOW)
    assert [c.code for c in report.checks if c.name is CheckName.REQUIRED_ROLES] == ["role_missing"]


def test_the_first_signature_must_certify(world: World) -> None:
    pdf = pki.base_pdf(("GVCN", "CBQL"), pki.record_attachment())
    pdf = pki.sign(pdf, "GVCN", world.people["homeroom"])
    pdf = pki.sign(pdf, "CBQL", world.people["principal"])
    report = check(pdf, world.trust(), registered_at=NOW)
    assert failing(of(report, "GVCN")) == {CheckName.COVERAGE: "not_certified"}


@pytest.mark.parametrize("permissions", [MDPPerm.NO_CHANGES, MDPPerm.ANNOTATE])
def test_the_first_signature_must_allow_filling_and_nothing_more(world: World, permissions: MDPPerm) -> None:
    pdf = one_signature(world, world.people["homeroom"], "GVCN", permissions=permissions)
    signature = of(check(pdf, world.trust(), registered_at=NOW), "GVCN")
    assert failing(signature) == {CheckName.COVERAGE: "wrong_permissions"}


def test_the_seal_must_come_last_and_lock(world: World) -> None:
    fields = ("GVCN", "KY_PHAT_HANH", "CBQL")
    base = pki.base_pdf(fields, pki.record_attachment(), lock=False)
    unlocked = pki.sign_all(base, ("GVCN", "CBQL", "KY_PHAT_HANH"), world.people)
    report = check(unlocked, world.trust(), registered_at=NOW)
    assert failing(of(report, "KY_PHAT_HANH")) == {CheckName.COVERAGE: "seal_does_not_lock"}
    early = pki.sign_all(base, fields, world.people)
    report = check(early, world.trust(), registered_at=NOW)
    assert failing(of(report, "KY_PHAT_HANH")) == {CheckName.COVERAGE: "seal_not_last"}


def test_another_subfilter_is_not_ours(world: World) -> None:
    pdf = one_signature(
        world, world.people["homeroom"], "GVCN", subfilter=SigSeedSubFilter.ADOBE_PKCS7_DETACHED
    )
    signature = of(check(pdf, world.trust(), registered_at=NOW), "GVCN")
    assert failing(signature) == {CheckName.COVERAGE: "wrong_subfilter"}


def test_a_strangers_signature_beside_ours(world: World) -> None:
    stranger = pki.world("Người thêm chữ ký")
    fields = ("GVCN", "Signature1")
    pdf = pki.base_pdf(fields, pki.record_attachment())
    pdf = pki.sign(pdf, "GVCN", world.people["homeroom"], first=True)
    pdf = pki.sign(pdf, "Signature1", stranger.people["seal"])
    report = check(pdf, world.trust(), registered_at=NOW)
    foreign = of(report, "Signature1")
    assert foreign.role is None
    assert failing(foreign)[CheckName.COVERAGE] == "foreign_signature"
    assert not genuine(report)


def test_a_foreign_document_gets_an_honest_report(world: World) -> None:
    stranger = pki.world("Công ty lạ")
    pdf = pki.base_pdf(("Signature1", "Signature2"), None)
    pdf = pki.sign(pdf, "Signature1", stranger.people["principal"])
    pdf = pki.sign(
        pdf, "Signature2", stranger.people["seal"], subfilter=SigSeedSubFilter.ADOBE_PKCS7_DETACHED
    )
    report = check(pdf, world.trust())
    for signature in report.signatures:
        assert signature.role is None
        assert signature.status(CheckName.INTEGRITY) is CheckStatus.PASSED
        assert signature.status(CheckName.COVERAGE) is CheckStatus.PASSED
        assert failing(signature)[CheckName.CERTIFICATE] == "no_path"
    changed = check(edited(pdf, change_page), world.trust())
    assert all(s.status(CheckName.COVERAGE) is CheckStatus.FAILED for s in changed.signatures)


def test_an_unsigned_file_has_no_signatures(world: World) -> None:
    report = check(pki.base_pdf(("GVCN", "CBQL"), pki.record_attachment()), world.trust())
    assert report.signatures == ()
    assert report.unsigned_fields == ("GVCN", "CBQL")
    assert report.attached_record_id == pki.RECORD_ID
    assert not genuine(report)
    plain = check(pki.base_pdf((), None), world.trust())
    assert (plain.signatures, plain.unsigned_fields, plain.attached_record_id) == ((), (), None)


@pytest.mark.parametrize(
    "attached",
    [
        b"",
        b"{}",
        b"not json",
        pki.record_attachment()[:-1],
        pki.record_attachment().replace(b'"version":1', b'"version":0'),
        pki.record_attachment() + b"\n",
        b"x" * (1024 * 1024 + 1),
    ],
)
def test_an_attachment_that_does_not_hold_together_is_none(world: World, attached: bytes) -> None:
    report = check(pki.base_pdf((), attached), world.trust())
    assert report.attached_record_id is None
    assert [c.code for c in report.checks if c.name is CheckName.REQUIRED_ROLES] == ["no_record"]


def test_a_record_short_of_disclosures_asks_for_no_fewer_signatures(world: World) -> None:
    whole = json.loads(pki.record_attachment("THCS", ("TOAN", "NGU_VAN")))
    whole["disclosures"] = whole["disclosures"][:1]
    report = check(pki.base_pdf((), rfc8785.dumps(whole)), world.trust())
    assert report.attached_record_id is None


# --- files that are not to be read


def test_truncated_and_garbage_files_are_broken(world: World, primary: bytes) -> None:
    for data in (primary[: len(primary) // 2], b"%PDF-1.7\n" + bytes(2000), b"%PDF-", b"%PDF-1.7\n%%EOF\n"):
        report = check(data, world.trust())
        assert report.problem == "broken_pdf"
        assert report.signatures == ()


def test_an_encrypted_file_says_so(world: World) -> None:
    for password in ("", "mật khẩu"):
        output = io.BytesIO()
        with pikepdf.open(io.BytesIO(pki.base_pdf((), None))) as pdf:
            pdf.save(output, encryption=pikepdf.Encryption(owner="chủ", user=password))
        assert check(output.getvalue(), world.trust()).problem == "encrypted"


def test_deep_nesting_is_a_finding(world: World) -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    base = pki.base_pdf((), None)
    for place in (b"/Type /Catalog", b"/Type /Pages"):
        spot = base.index(place)
        report = check(base[:spot] + b"/Deep " + deep + base[spot:], world.trust())
        assert report.problem == "broken_pdf"


def test_limits_are_limits(world: World, secondary: bytes) -> None:
    for limits in (
        Limits(revisions=3),
        Limits(signatures=4),
        Limits(pages=0),
        Limits(objects=10),
    ):
        report, _ = validate(secondary, world.trust(), replace(DEFAULT, limits=limits), NOW)
        assert report.problem == "too_large"
        assert report.signatures == ()
    few = replace(DEFAULT, limits=Limits(certificates=1))
    report, _ = validate(secondary, world.trust(), few, NOW)
    assert {failing(s)[CheckName.INTEGRITY] for s in report.signatures} == {"too_many_certificates"}


def test_a_bomb_in_a_stream_is_not_unpacked(world: World) -> None:
    output = io.BytesIO()
    with pikepdf.open(io.BytesIO(pki.base_pdf((), None))) as pdf:
        bomb = pdf.make_stream(b"")
        squeezed = zlib.compress(zlib.compress(bytes(60_000_000), 9), 9)
        bomb.write(squeezed, filter=pikepdf.Array([pikepdf.Name.FlateDecode] * 2))
        specification = pikepdf.Dictionary(
            Type=pikepdf.Name.Filespec, F="hoc-ba.json", UF="hoc-ba.json", EF=pikepdf.Dictionary(F=bomb)
        )
        tree = pikepdf.Dictionary(Names=pikepdf.Array(["hoc-ba.json", pdf.make_indirect(specification)]))
        pdf.Root.Names = pikepdf.Dictionary(EmbeddedFiles=tree)
        pdf.save(output, stream_decode_level=pikepdf.StreamDecodeLevel.none)
    report = check(output.getvalue(), world.trust())
    assert report.attached_record_id is None


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_no_mutation_is_genuine_and_none_raises(drawn: st.DataObject) -> None:
    """SEC-02: whatever a changed file is called, it is never passed, and never an error of ours."""
    pdf, trust = _mutable()
    data = bytearray(pdf)
    for _ in range(drawn.draw(st.integers(1, 3))):
        place = drawn.draw(st.integers(0, len(data) - 1))
        data[place] = drawn.draw(st.integers(0, 255))
    report, _ = validate(bytes(data), trust, DEFAULT, NOW)
    if genuine(report) and bytes(data) != pdf:
        # What is left are spots that no signature covers: the value of /Contents itself.
        changed = [i for i, (x, y) in enumerate(zip(pdf, data, strict=True)) if x != y]
        gaps = [s.byte_range for s in report.signatures if s.byte_range]
        assert all(any(a < i < b - 1 for _, a, b, _ in gaps) for i in changed)


_MUTABLE: list[tuple[bytes, TrustStore]] = []


def _mutable() -> tuple[bytes, TrustStore]:
    if not _MUTABLE:
        world = pki.world("Biến dạng")
        _MUTABLE.append((pki.signed_record(world), world.trust()))
    return _MUTABLE[0]


def test_other_bytes_than_the_structure_speaks_of(world: World, primary: bytes) -> None:
    _, structure = validate(primary, world.trust(), DEFAULT, NOW, own=True)
    report = revalidate(primary + b"\n", structure, world.trust(), DEFAULT, NOW, registered_at=NOW)
    assert report.incomplete == "structure_of_other_bytes"
    assert not genuine(report)


def test_the_fast_way_does_the_mathematics(world: World, primary: bytes) -> None:
    """A structure is not believed about signatures: for changed bytes under a changed hash they fail."""
    _, structure = validate(primary, world.trust(), DEFAULT, NOW, own=True)
    place = primary.index(b"HOC BA trang")
    changed = primary[:place] + b"X" + primary[place + 1 :]
    lying = replace(structure, sha256=hashlib.sha256(changed).hexdigest())
    report = revalidate(changed, lying, world.trust(), DEFAULT, NOW, registered_at=NOW)
    mismatch = {CheckName.INTEGRITY: "digest_mismatch", CheckName.COVERAGE: "not_asked"}
    assert [failing(s) for s in report.signatures] == [mismatch] * 3


def test_the_fast_way_reads_no_pdf(world: World, primary: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    report, structure = validate(primary, world.trust(), DEFAULT, NOW, own=True, registered_at=NOW)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the fast way opened the PDF")

    monkeypatch.setattr(pades, "Reader", refuse)
    again = revalidate(primary, structure, world.trust(), DEFAULT, NOW, registered_at=NOW)
    assert again == pki.alone(report)


def test_nothing_is_fetched(world: World, primary: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr("socket.socket", refuse)
    assert all(s.passed for s in check(primary, world.trust()).signatures)


def test_the_attached_record_can_be_read_on_its_own(primary: bytes, tmp_path: Path) -> None:
    assert pades.read_attached(primary, DEFAULT) == pki.record_attachment()
    assert pades.read_attached(b"%PDF-1.7", DEFAULT) is None


def test_the_stricter_of_two_opinions_wins(
    world: World, primary: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for opinion, name, code in (
        (pades._Opinion(trusted=False), CheckName.CERTIFICATE, "library_disagrees"),
        (pades._Opinion(integrity="library_disagrees"), CheckName.INTEGRITY, "library_disagrees"),
        (pades._Opinion(coverage="changed_after_signing"), CheckName.COVERAGE, "changed_after_signing"),
    ):
        monkeypatch.setattr(pades, "_ask_library", lambda *_, answer=opinion, **__: answer)
        report, _ = validate(primary, world.trust(), DEFAULT, NOW, own=True)
        also = {CheckName.COVERAGE: "not_asked"} if name is CheckName.INTEGRITY else {}
        assert [failing(s) for s in report.signatures] == [{name: code, **also}] * 3
        assert not any(s.passed for s in report.signatures)


@pytest.mark.parametrize("error", [ValueError, KeyError, RuntimeError, RecursionError, AssertionError])
def test_whatever_the_library_raises_is_a_finding(
    world: World, primary: bytes, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(pades, "async_validate_pdf_signature", fail)
        report, _ = validate(primary, world.trust(), DEFAULT, NOW, own=True)
        refused = {CheckName.INTEGRITY: "library_refused", CheckName.COVERAGE: "not_asked"}
        assert [failing(s) for s in report.signatures] == [refused] * 3
    with monkeypatch.context() as patched:
        patched.setattr(pades, "EmbeddedPdfSignature", fail)
        report, _ = validate(primary, world.trust(), DEFAULT, NOW)
        assert all(failing(s)[CheckName.INTEGRITY] == "malformed_signature" for s in report.signatures)
    for name in ("Reader", "enumerate_sig_fields"):
        with monkeypatch.context() as patched:
            patched.setattr(pades, name, fail)
            report, _ = validate(primary, world.trust(), DEFAULT, NOW)
            assert report.problem == "broken_pdf"
