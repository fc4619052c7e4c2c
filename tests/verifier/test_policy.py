"""Algorithms and their dates: what counts when, what is weak, what is refused; and SEC-06, one by one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.verifier import pki
from tests.verifier.pki import NOW, World
from tests.verifier.test_pades import DAY, HOUR, check, failing, genuine, of, one_signature
from verifier.certificates import digest_fault, key_fault
from verifier.pades import revalidate, validate
from verifier.policy import DEFAULT, NEVER, Algorithms
from verifier.report import CheckName, CheckStatus, Role, SubIndication

ALGORITHMS = DEFAULT.algorithms
RSA_ENDS = datetime(2029, 1, 1, tzinfo=UTC)  # ETSI TS 119 312: RSA below 3000 bits until the end of 2028
SECOND = timedelta(seconds=1)


class ShortKey(rsa.RSAPublicKey):
    """Only how long it is: to make one takes long."""

    def __init__(self, bits: int) -> None:
        self._bits = bits

    @property
    def key_size(self) -> int:
        return self._bits


ShortKey.__abstractmethods__ = frozenset()  # mypy still takes it for abstract


@pytest.mark.parametrize(
    ("bits", "moment", "fault"),
    [
        (1024, datetime(2005, 1, 1, tzinfo=UTC), "weak_key"),
        (1024, NOW, "weak_key"),
        (2047, NOW, "weak_key"),
        (2048, RSA_ENDS - SECOND, ""),
        (2048, RSA_ENDS, "weak_key_since"),
        (2999, RSA_ENDS, "weak_key_since"),
        (3000, RSA_ENDS, ""),
        (4096, datetime(2090, 1, 1, tzinfo=UTC), ""),
    ],
)
def test_the_length_of_an_rsa_key_counts_until_its_date(bits: int, moment: datetime, fault: str) -> None:
    assert key_fault(ShortKey(bits), ALGORITHMS, moment) == fault  # type: ignore[abstract]


def test_kinds_of_keys() -> None:
    for curve, fault in ((ec.SECP256R1(), ""), (ec.SECP384R1(), ""), (ec.SECP521R1(), "key_not_allowed")):
        assert key_fault(ec.generate_private_key(curve).public_key(), ALGORITHMS, NOW) == fault
    edwards = ed25519.Ed25519PrivateKey.generate().public_key()
    assert key_fault(edwards, ALGORITHMS, NOW) == ""
    ended = replace(ALGORITHMS, ed25519=NOW, curves=(("secp256r1", NOW),))
    assert key_fault(edwards, ended, NOW) == "weak_key_since"
    ours = ec.generate_private_key(ec.SECP256R1()).public_key()
    assert [key_fault(ours, ended, at) for at in (NOW - SECOND, NOW)] == ["", "weak_key_since"]
    assert key_fault(None, ALGORITHMS, NOW) == "key_not_allowed"


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("sha256", ""),
        ("sha384", ""),
        ("sha512", ""),
        (None, ""),
        ("sha1", "weak_digest"),
        ("sha224", "weak_digest"),
        ("md5", "digest_not_allowed"),
        ("md2", "digest_not_allowed"),
        ("oid-2a03", "digest_not_allowed"),
    ],
)
def test_digests(name: str | None, fault: str) -> None:
    """SHA-1 was over before the first digital school record: no proof of any age makes it strong."""
    for moment in (datetime(1995, 1, 1, tzinfo=UTC), NOW, datetime(2090, 1, 1, tzinfo=UTC)):
        assert digest_fault(name, ALGORITHMS, moment) == fault
    ending = replace(ALGORITHMS, digests=(("sha256", NOW), ("sha1", NEVER)))
    assert digest_fault("sha256", ending, NOW - SECOND) == ""
    assert digest_fault("sha256", ending, NOW) == "weak_digest_since"


@pytest.mark.parametrize(
    "ending",
    [
        Algorithms(digests=(("sha256", NOW + DAY),)),
        Algorithms(curves=(("secp256r1", NOW + DAY),)),
    ],
    ids=["digest", "key"],
)
def test_an_algorithm_is_judged_at_the_proven_time(world: World, ending: Algorithms) -> None:
    """Registered before its date, a signature keeps its strength; proven only after it, it is weak."""
    policy = replace(DEFAULT, algorithms=ending)
    pdf = one_signature(world, world.people["homeroom"], "GVCN")
    fresh: dict[str, Any] = {"next_update": NOW + 9 * DAY}
    trust = world.trust(crls=(world.root.crl(**fresh), world.intermediate.crl(**fresh)))
    at = NOW + 3 * DAY
    before, structure = validate(pdf, trust, policy, at, registered_at=NOW + DAY - HOUR, own=True)
    assert failing(before.signatures[0]) == {}
    assert [o.sub_indication for o in before.signatures[0].opinions] == [None] * 3
    for registered_at in (NOW + DAY, NOW + 2 * DAY):
        late, _ = validate(pdf, trust, policy, at, registered_at=registered_at, own=True)
        fast = revalidate(pdf, structure, trust, policy, at, registered_at=registered_at)
        for signature in (*late.signatures, *fast.signatures):
            code = failing(signature)[CheckName.ALGORITHM]
            assert code.endswith("_since")
            assert signature.status(CheckName.ALGORITHM) is CheckStatus.WEAK
            assert signature.sub_indication is SubIndication.CRYPTO_CONSTRAINTS_FAILURE_NO_POE
        ades = late.signatures[0].opinions[-1]
        assert ades.sub_indication is SubIndication.CRYPTO_CONSTRAINTS_FAILURE_NO_POE
        assert not genuine(late)


CERTIFICATES: dict[str, tuple[dict[str, Any], dict[str, Any], CheckName, str, CheckStatus]] = {
    "tls": (
        {"content_commitment": False, "purposes": (ExtendedKeyUsageOID.SERVER_AUTH,)},
        {},
        CheckName.CERTIFICATE,
        "key_usage",
        CheckStatus.FAILED,
    ),
    "tls that may sign": (
        {"purposes": (ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.SERVER_AUTH)},
        {},
        CheckName.CERTIFICATE,
        "extended_key_usage",
        CheckStatus.FAILED,
    ),
    "wrong extended key usage": (
        {"purposes": (ExtendedKeyUsageOID.CODE_SIGNING,)},
        {},
        CheckName.CERTIFICATE,
        "extended_key_usage",
        CheckStatus.FAILED,
    ),
    "expired": (
        {"valid": (NOW - 300 * DAY, NOW - DAY)},
        {},
        CheckName.CERTIFICATE,
        "expired",
        CheckStatus.FAILED,
    ),
    "SHA-1": ({}, {"digest": "sha1"}, CheckName.ALGORITHM, "weak_digest", CheckStatus.WEAK),
    "RSA-1024": ({"kind": "rsa1024"}, {}, CheckName.ALGORITHM, "weak_key", CheckStatus.WEAK),
    "RSA-1024, PSS": (
        {"kind": "rsa1024"},
        {"pss": True},
        CheckName.ALGORITHM,
        "weak_key",
        CheckStatus.WEAK,
    ),
}


@pytest.mark.parametrize("case", CERTIFICATES)
def test_certificates_that_fail_sec_06(world: World, case: str) -> None:
    """SEC-06: TLS purpose, wrong extended key usage, expired, SHA-1, RSA-1024; registered or not, and weak
    is said to be weak. pyHanko's AdES opinion, told our policy, says the same of itself.
    """
    options, signing, name, code, status = CERTIFICATES[case]
    person = world.intermediate.issue("Không được ký", **options)
    trust = world.trust(rows=[pki.row(person, Role.GVCN)])
    pdf = one_signature(world, person, "GVCN", **signing)
    for registered_at in (None, NOW):
        report = check(pdf, trust, registered_at=registered_at)
        signature = of(report, "GVCN")
        assert failing(signature)[name] == code
        assert signature.status(name) is status
        assert not genuine(report)
        laxer = {"tls that may sign"}  # the library has no list of forbidden purposes
        ours, _, ades = signature.opinions
        assert (ades.indication is ours.indication) is (case not in laxer)


def test_a_revoked_certificate_fails_sec_06(world: World) -> None:
    """SEC-06; pyHanko's classic opinion alone would pass it, having been left without lists."""
    person = world.intermediate.issue("Đã thu hồi")
    crls = (world.root.crl(), world.intermediate.crl({person.serial: NOW - HOUR}))
    trust = world.trust(rows=[pki.row(person, Role.GVCN)], crls=crls)
    report = check(one_signature(world, person, "GVCN"), trust, registered_at=NOW)
    signature = of(report, "GVCN")
    assert failing(signature) == {CheckName.REVOCATION: "certificate_revoked"}
    assert [o.sub_indication for o in signature.opinions] == [
        SubIndication.REVOKED_NO_POE,
        None,
        SubIndication.REVOKED_NO_POE,
    ]
    assert not genuine(report)
