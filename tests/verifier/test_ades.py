"""pyHanko's AdES opinion beside its classic one and our own rules: on our evidence, only ever stricter."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from pyhanko.sign.ades.report import AdESPassed
from pyhanko.sign.validation.policy_decl import CertificateFetchingRule, RevinfoOnlineFetchingRule
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko_certvalidator.policy_decl import REQUIRE_REVINFO, FreshnessReqType

from portal.issuing.archiving import Proofs, archive
from tests.verifier import pki
from tests.verifier.pki import NOW, World
from tests.verifier.test_attacks import change_page, edit
from tests.verifier.test_ocsp import answer
from tests.verifier.test_pades import DAY, HOUR, check, failing, genuine, of, one_signature
from tests.verifier.test_timestamps import LATER, SECOND, Clock, lists, only, small, trusting
from tests.verifier.tsa import Tsa, timestamp_signer
from verifier import ades, pades
from verifier.certificates import Path, find_path, read_certificate
from verifier.pades import validate
from verifier.policy import DEFAULT
from verifier.report import (
    Agreement,
    CheckName,
    CheckStatus,
    Indication,
    Opinion,
    OpinionBy,
    Role,
    SignatureReport,
    SubIndication,
    TimestampKind,
    ValidationReport,
    gravity,
)
from verifier.revocation import validation_data
from verifier.signatures import heed
from verifier.trust import TrustStore

OURS, CLASSIC, BASIC = OpinionBy.OURS, OpinionBy.CLASSIC, OpinionBy.ADES_BASIC
WITH_TIME, TIMESTAMP = OpinionBy.ADES_WITH_TIME, OpinionBy.ADES_TIMESTAMP


@pytest.fixture(scope="module")
def clock() -> Clock:
    root = pki.root("Gốc dấu thời gian")
    ca = root.issue("CA dấu thời gian", ca=True, path_length=0)
    return Clock(root, ca, timestamp_signer(ca))


@pytest.fixture(scope="module")
def basic(world: World) -> bytes:
    """One signature of a homeroom teacher (B-B)."""
    return one_signature(world, world.people["homeroom"], "GVCN")


def said(judged: Any) -> dict[OpinionBy, SubIndication | None]:
    """Who said what; None: passed."""
    return {opinion.by: opinion.sub_indication for opinion in judged.opinions}


# --- who is asked what


def test_a_signature_without_a_timestamp_is_asked_about_at_its_registration(
    world: World, basic: bytes
) -> None:
    """The certificate ended since: the library knows nothing of registrations, and is told the time."""
    person = world.intermediate.issue("Sắp hết hạn", valid=(NOW - 30 * DAY, NOW + DAY))
    fresh: dict[str, Any] = {"this_update": NOW - HOUR, "next_update": NOW + 90 * DAY}
    trust = world.trust(
        rows=[pki.row(person, Role.GVCN)], crls=(world.root.crl(**fresh), world.intermediate.crl(**fresh))
    )
    pdf = one_signature(world, person, "GVCN")
    signature = of(check(pdf, trust, at=NOW + 60 * DAY, registered_at=NOW), "GVCN")
    assert said(signature) == {OURS: None, CLASSIC: None, BASIC: None}
    assert signature.disagreements == ()
    late = of(check(pdf, trust, at=NOW + 60 * DAY), "GVCN")
    assert set(said(late).values()) == {SubIndication.OUT_OF_BOUNDS_NO_POE}


def test_timestamps_are_asked_about_too(world: World, clock: Clock, basic: bytes) -> None:
    """B-T: with time. B-LTA: each signature at the time that the archive's timestamp proves, and that one."""
    trust = trusting(world, clock)
    report = check(small(world.people["homeroom"], Tsa(clock.person)), trust, at=LATER)
    assert said(of(report, "GVCN")) == {OURS: None, CLASSIC: None, WITH_TIME: None}
    assert said(only(report)) == {OURS: None, TIMESTAMP: None}
    proofs = Proofs((world.intermediate.der,), lists(world, NOW + DAY))
    renewed = archive(basic, proofs, Tsa(clock.person, at=NOW + DAY))
    report = check(renewed, trust, at=LATER)
    assert of(report, "GVCN").proven_time == NOW + DAY + SECOND
    assert said(of(report, "GVCN")) == {OURS: None, CLASSIC: None, BASIC: None}
    stamp = only(report, TimestampKind.DOCUMENT)
    assert said(stamp) == {OURS: None, CLASSIC: None, TIMESTAMP: None}


def test_a_timestamp_that_proves_nothing_is_not_the_librarys_proof_either(world: World, clock: Clock) -> None:
    stranger = pki.root("Gốc lạ")
    pdf = small(world.people["homeroom"], Tsa(stranger.issue("Giờ lạ", purposes=_STAMPING)))
    report = check(pdf, trusting(world, clock), at=LATER, registered_at=NOW)
    assert not only(report).passed
    assert only(report).opinions == ()
    assert BASIC in said(of(report, "GVCN"))
    assert of(report, "GVCN").passed


_STAMPING = (ExtendedKeyUsageOID.TIME_STAMPING,)


def test_nobody_is_asked_about_what_our_mathematics_refuses(world: World, basic: bytes) -> None:
    changed = basic.replace(b"HOC BA trang", b"HOC BA TRANG")
    signature = of(check(changed, world.trust()), "GVCN")
    assert failing(signature)[CheckName.INTEGRITY] == "digest_mismatch"
    assert signature.opinions == ()


# --- the stricter wins, and the report says so


def signed(world: World, basic: bytes) -> SignatureReport:
    report, _ = validate(basic, world.trust(), DEFAULT, NOW, registered_at=NOW, own=True)
    return report.signatures[0]


def test_an_opinion_never_makes_a_result_better(world: World, basic: bytes) -> None:
    """Every answer the library could give, on a signature in every state: never below either of the two."""
    passed = signed(world, basic)
    worse = [
        replace(
            passed,
            checks=tuple(replace(c, status=s, code="x") if c.name is name else c for c in passed.checks),
            indication=indication,
            sub_indication=SubIndication.GENERIC,
        )
        for name, s, indication in product(
            CheckName,
            set(CheckStatus) - {CheckStatus.PASSED},
            (Indication.INDETERMINATE, Indication.TOTAL_FAILED),
        )
    ]
    for indication, sub_indication, report in product(Indication, SubIndication, (passed, *worse)):
        opinion = Opinion(BASIC, indication, sub_indication)
        heeded = heed(report, opinion)
        assert gravity(heeded.indication) == max(gravity(report.indication), gravity(indication))
        if indication is Indication.TOTAL_PASSED:
            assert heeded == report
            continue
        assert not heeded.passed
        assert any(c.status is not CheckStatus.PASSED for c in heeded.checks)
        for before, after in zip(report.checks, heeded.checks, strict=True):
            assert after == before or after.code == "library_disagrees"
            assert before.status is CheckStatus.PASSED or after.status is not CheckStatus.PASSED


def test_a_stricter_opinion_wins_and_is_named(
    world: World, basic: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = Opinion(BASIC, Indication.INDETERMINATE, SubIndication.NO_CERTIFICATE_CHAIN_FOUND)
    monkeypatch.setattr(ades, "ask_about_signature", lambda *_, **__: refusal)
    report, _ = validate(basic, world.trust(), DEFAULT, NOW, registered_at=NOW, own=True)
    (signature,) = report.signatures
    assert failing(signature) == {CheckName.CERTIFICATE: "library_disagrees"}
    assert signature.sub_indication is SubIndication.NO_CERTIFICATE_CHAIN_FOUND
    assert signature.disagreements == (replace(refusal, agreement=Agreement.STRICTER),)
    assert not genuine(report)
    assert ValidationReport.from_json(json.loads(json.dumps(report.to_json()))) == report


def test_laxer_opinions_are_named_too(world: World, basic: bytes) -> None:
    """The library knows no table of signers: somebody below our authority passes with it, not with us."""
    report = check(basic, world.trust(rows=[]), registered_at=NOW)
    signature = of(report, "GVCN")
    assert failing(signature) == {CheckName.AUTHORITY: "unknown_signer"}
    assert [(o.by, o.agreement) for o in signature.disagreements] == [
        (CLASSIC, Agreement.LAXER),
        (BASIC, Agreement.LAXER),
    ]
    assert not signature.passed


def test_illegal_changes_are_no_part_of_the_ades_model(world: World, basic: bytes) -> None:
    """Why the AdES opinion alone would be too little: a page that was changed since is nothing to it."""
    report, _ = validate(edit(basic, change_page), world.trust(), DEFAULT, NOW)
    signature = of(report, "GVCN")
    assert failing(signature)[CheckName.COVERAGE] == "bytes_after_signature"
    assert said(signature)[BASIC] is None
    assert signature.indication is Indication.TOTAL_FAILED


@pytest.mark.parametrize("error", [ValueError, KeyError, RuntimeError, RecursionError, AssertionError])
@pytest.mark.parametrize(
    "method", ["ades_basic_validation", "ades_with_time_validation", "ades_timestamp_validation"]
)
def test_whatever_the_ades_methods_raise_is_a_finding(
    world: World, clock: Clock, method: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    pdf = small(world.people["homeroom"], Tsa(clock.person))
    if method == "ades_basic_validation":
        pdf = one_signature(world, world.people["homeroom"], "GVCN")

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(ades, method, fail)
    report, _ = validate(pdf, trusting(world, clock), DEFAULT, LATER)
    (signature,) = report.signatures
    if method == "ades_timestamp_validation":  # the timestamp proves nothing then
        assert only(report).opinions[-1].code == "library_failed"
        assert not only(report).passed
        assert signature.proven_time == LATER
    else:
        assert failing(signature) == {CheckName.INTEGRITY: "library_failed"}
        assert signature.opinions[-1].code == "library_failed"
        assert (signature.indication, signature.sub_indication) == (
            Indication.INDETERMINATE,
            SubIndication.GENERIC,
        )


def test_two_results_that_differ_are_no_pass(
    world: World, basic: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A passed sub-indication with a status that is not trusted, or with none."""
    real = ades.run

    def contradict(coroutine: Any) -> Any:
        result = real(coroutine)
        return replace(result, api_status=None) if hasattr(result, "ades_subindic") else result

    monkeypatch.setattr(ades, "run", contradict)
    signature = signed(world, basic)
    assert failing(signature) == {CheckName.INTEGRITY: "library_contradicts_itself"}


def test_opinions_are_read_strictly(world: World, basic: bytes) -> None:
    """A child that was taken over cannot call a refusal an agreement, nor leave ours out."""
    report, _ = validate(basic, world.trust(rows=[]), DEFAULT, NOW)
    data = report.to_json()
    ValidationReport.from_json(deepcopy(data))

    def refused(change: Any) -> None:
        copy = deepcopy(data)
        change(copy["signatures"][0]["opinions"])
        with pytest.raises((KeyError, TypeError, ValueError)):
            ValidationReport.from_json(copy)

    refused(lambda opinions: opinions[1].update(agreement="same"))
    refused(lambda opinions: opinions[1].update(by="ours"))
    refused(lambda opinions: opinions[1].update(by="somebody"))
    refused(lambda opinions: opinions[1].pop("code"))
    refused(lambda opinions: opinions[1].update(more=1))
    refused(lambda opinions: opinions.pop(0))
    refused(lambda opinions: opinions.append(opinions[1]))


# --- where the library lacks a rule or a word, it is asked again on evidence that has it


def test_a_hold_that_a_newer_list_lifted(world: World, basic: bytes) -> None:
    """RFC 5280 §5.3.1: of a hold the newest list decides. The older one is at hand, and revokes."""
    serial = world.people["homeroom"].serial
    held = world.intermediate.crl(
        {serial: NOW - 2 * DAY}, reason=x509.ReasonFlags.certificate_hold, this_update=NOW - 2 * DAY, number=1
    )
    released = world.intermediate.crl(this_update=NOW - HOUR, number=2)
    trust = world.trust(crls=(world.root.crl(), held, released))
    assert set(said(of(check(basic, trust, registered_at=NOW), "GVCN")).values()) == {None}
    still = world.trust(crls=(world.root.crl(), held))
    opinions = said(of(check(basic, still, registered_at=NOW), "GVCN"))
    assert (opinions[OURS], opinions[BASIC]) == (SubIndication.REVOKED_NO_POE,) * 2


def test_a_timestamp_authority_that_ended_in_order(world: World, clock: Clock) -> None:
    """RFC 3161 clause 4: what it gave before stays. A lost key takes it along: then we do not even ask."""
    pdf = small(world.people["homeroom"], Tsa(clock.person))
    for reason, good in (
        (x509.ReasonFlags.cessation_of_operation, True),
        (x509.ReasonFlags.key_compromise, False),
    ):
        ended = clock.lists(LATER, revoked={clock.person.serial: NOW + DAY}, reason=reason)
        trust = trusting(world, clock, crls=(*lists(world, LATER), *ended))
        stamp = only(check(pdf, trust, at=LATER, registered_at=NOW + 9 * DAY))
        assert stamp.passed is good
        assert said(stamp) == ({OURS: None, TIMESTAMP: None} if good else {})


def test_missing_revocation_data_is_to_be_tried_later(world: World, basic: bytes) -> None:
    """The library calls it a failure of the path; that would accuse where something is only not known."""
    signature = of(check(basic, world.trust(crls=(world.root.crl(),)), registered_at=NOW), "GVCN")
    assert failing(signature) == {CheckName.REVOCATION: "crl_missing"}
    assert signature.status(CheckName.REVOCATION) is CheckStatus.INCOMPLETE
    assert said(signature) == {OURS: SubIndication.TRY_LATER, CLASSIC: None, BASIC: SubIndication.TRY_LATER}


def test_ocsp_answers_that_the_library_does_not_read(world: World) -> None:
    """``ocsp_not_read``: a certificate that names nobody to ask. Our own rules have the only opinion, and
    without an answer that they take nothing passes.
    """
    path = signers_path(world)
    for about, at_hand in (("homeroom", True), ("seal", False)):
        answers = (answer(world, about=world.people[about]),)
        data = replace(validation_data([path], world.trust(), NOW, ()), answers=answers)
        case = ades.Case(DEFAULT, NOW, path, data=data)
        assert ades._leaves_answers_unread(case) is at_hand


def signers_path(world: World) -> Path:
    path = find_path(read_certificate(world.people["homeroom"].der), (), world.trust(), DEFAULT, NOW)
    assert path is not None
    return path


# --- each knob


def settings(world: World, trust: TrustStore | None = None) -> tuple[Any, Any]:
    path = signers_path(world)
    data = validation_data([path], trust or world.trust(), NOW, ())
    return ades._settings(ades.Case(DEFAULT, NOW, path, data=data))


def test_nothing_is_fetched_and_revocation_data_is_required_fresh_and_never_retroactive(
    world: World,
) -> None:
    """SEC-07: local data only, no certificate from anywhere, and a backend that refuses if asked."""
    spec, handlers = settings(world)
    gathering = spec.revinfo_gathering_policy
    assert gathering.online_fetching_rule is RevinfoOnlineFetchingRule.LOCAL_ONLY
    assert gathering.certificate_fetching_rule is CertificateFetchingRule.NEVER_FETCH
    with pytest.raises(RuntimeError):
        gathering.fetcher_backend.get_fetchers()
    assert not handlers.revinfo_manager.fetching_allowed
    for policy in (spec.cert_validation_policy, spec.ts_cert_validation_policy):
        assert policy.revinfo_policy.revocation_checking_policy is REQUIRE_REVINFO
        assert policy.revinfo_policy.freshness_req_type is FreshnessReqType.MAX_DIFF_REVOCATION_VALIDATION
        assert not policy.revinfo_policy.retroactive_revinfo


def test_a_list_that_is_over_is_no_list(world: World, basic: bytes) -> None:
    """Freshness up to nextUpdate: the library is given the same lists, and says the same."""
    stale: dict[str, Any] = {"this_update": NOW - 9 * DAY, "next_update": NOW - DAY}
    trust = world.trust(crls=(world.root.crl(), world.intermediate.crl(**stale)))
    signature = of(check(basic, trust, registered_at=NOW), "GVCN")
    assert failing(signature) == {CheckName.REVOCATION: "crl_stale"}
    assert said(signature)[BASIC] is SubIndication.TRY_LATER


def test_trust_in_signers_and_in_timestamp_authorities_are_two(world: World, clock: Clock) -> None:
    """Only the pinned root of each path; without a path, nobody; never the system's store."""
    spec, handlers = settings(world)
    roots = list(spec.cert_validation_policy.trust_manager.iter_certs())
    assert [root.dump() for root in roots] == [world.root.der]
    assert list(spec.ts_cert_validation_policy.trust_manager.iter_certs()) == []
    stranger = asn1_x509.Certificate.load(pki.root("Lạ").der)
    assert handlers.cert_registry.register(stranger) is False
    assert stranger not in list(handlers.cert_registry)


def test_the_key_must_be_for_signing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """SEC-06: told nothing, the library takes a web server's certificate; told our policy, it does not."""
    person = world.intermediate.issue(
        "Máy chủ", content_commitment=False, purposes=(ExtendedKeyUsageOID.SERVER_AUTH,)
    )
    trust = world.trust(rows=[pki.row(person, Role.GVCN)])
    pdf = one_signature(world, person, "GVCN")
    signature = of(check(pdf, trust), "GVCN")
    assert said(signature)[BASIC] is SubIndication.CHAIN_CONSTRAINTS_FAILURE
    monkeypatch.setattr(ades, "key_usage", lambda _: KeyUsageConstraints())
    again = of(check(pdf, trust), "GVCN")
    assert said(again)[BASIC] is None
    assert failing(again) == {CheckName.CERTIFICATE: "key_usage"}


def test_the_time_is_ours_not_the_machines(world: World, basic: bytes) -> None:
    """Long before and long after the machine's own day."""
    _, handlers = settings(world)
    assert handlers.poe_manager[b"anything"] == NOW
    for at in (NOW - 200 * DAY, NOW + 600 * DAY):
        fresh: dict[str, Any] = {"this_update": at - HOUR, "next_update": at + DAY}
        trust = world.trust(crls=(world.root.crl(**fresh), world.intermediate.crl(**fresh)))
        report, _ = validate(basic, trust, DEFAULT, at)
        assert said(report.signatures[0])[BASIC] is None


def test_the_librarys_own_word_for_passed_is_the_only_one() -> None:
    """What passes is read from the library's own list, so a new member of it cannot pass by being unknown."""
    assert list(AdESPassed) == [AdESPassed.OK]
    assert set(ades._INDICATIONS.values()) == set(Indication)
    assert pades._FAILED.indication is Indication.INDETERMINATE
