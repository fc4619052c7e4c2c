"""SEC-03: what lies in the gap of a signature and is covered by none. Of it, too, nothing may be idle: a file
whose hash is registered must not have a twin that says the same.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from asn1crypto import algos, cms, core
from asn1crypto import x509 as asn1_x509

from tests.verifier import pki
from tests.verifier.pki import NOW, World
from tests.verifier.test_pades import check, failing, of, one_signature, swapped_contents
from verifier.pades import revalidate, validate
from verifier.policy import DEFAULT
from verifier.report import CheckName, ValidationReport

GVCN = "GVCN"
Change = Callable[[Any], None]


@pytest.fixture(scope="module")
def signed(world: World) -> bytes:
    """One signature of the homeroom teacher, a chain of one authority beside it."""
    return one_signature(world, world.people["homeroom"], GVCN)


def said(contents: bytes) -> bytes:
    """The CMS without the zeros behind it."""
    return cms.ContentInfo.load(contents).dump()  # type: ignore[no-any-return]


def rewritten(pdf: bytes, change: Change) -> bytes:
    """The SignedData of the only signature changed and encoded anew; the gap keeps its size."""

    def swap(contents: bytearray) -> None:
        message = cms.ContentInfo.load(bytes(contents))
        change(message["content"])
        changed = message.dump(force=True)
        assert len(changed) <= len(contents)
        contents[:] = changed.ljust(len(contents), b"\0")

    return swapped_contents(pdf, 0, swap)


def judged(pdf: bytes, world: World) -> ValidationReport:
    """As if registered; the fast way says the same."""
    return check(pdf, world.trust(), registered_at=NOW)


def faults(pdf: bytes, world: World) -> dict[CheckName, str]:
    """The reasons that are there for themselves, without those that only follow."""
    found = failing(of(judged(pdf, world), GVCN))
    return {name: code for name, code in found.items() if code not in ("signature_unreadable", "not_asked")}


def test_no_digit_of_a_signature_is_idle(world: World, signed: bytes) -> None:
    """Each hexadecimal digit of the CMS turned by one bit, and each letter written in the other case."""
    trust = world.trust()
    report, structure = validate(signed, trust, DEFAULT, NOW, registered_at=NOW, own=True)
    passes = report.signatures[0].passed
    assert passes
    a, b = (structure.signatures[0].byte_range or (0, 0, 0, 0))[1:3]
    turned = 0
    for place in range(a + 1, b - 1):
        digit = chr(signed[place])
        others = {f"{int(digit, 16) ^ (1 << (place % 4)):x}", digit.upper()} - {digit}
        for other in others:
            data = signed[:place] + other.encode() + signed[place + 1 :]
            kept = replace(structure, sha256=sha256(data).hexdigest())
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # certificates that are none any more
                again = revalidate(data, kept, trust, DEFAULT, NOW, registered_at=NOW)
            assert not again.signatures[0].passed, (place - a, digit, other)
            turned += 1
    assert turned > 2 * len(said(bytes.fromhex(signed[a + 1 : b - 1].decode())))


def unsigned_attribute(kind: str, *values: core.Asn1Value) -> cms.CMSAttribute:
    return cms.CMSAttribute({"type": kind, "values": list(values)})


def add_unsigned(data: Any, *attributes: Any) -> None:
    data["signer_infos"][0]["unsigned_attrs"] = list(attributes)


def versions(data: Any, of_all: str, of_signer: str) -> None:
    data["version"] = of_all
    data["signer_infos"][0]["version"] = of_signer


def digests(data: Any, *names: str) -> None:
    data["digest_algorithms"] = [algos.DigestAlgorithm({"algorithm": name}) for name in names]


def without_parameters(data: Any) -> None:
    for signer in data["signer_infos"]:
        signer["digest_algorithm"] = {"algorithm": "sha256"}
    data["digest_algorithms"] = [{"algorithm": "sha256"}]


STRANGER = asn1_x509.Certificate.load(pki.root("Người ngoài").der)
NOBODY = "1.3.6.1.4.1.99999.1"
INTEGRITY, CERTIFICATE = CheckName.INTEGRITY, CheckName.CERTIFICATE
IDLE: dict[str, tuple[Change, dict[CheckName, str]]] = {
    "an unsigned attribute that nobody knows": (
        lambda data: add_unsigned(data, unsigned_attribute(NOBODY, core.OctetString(b"x"))),
        {INTEGRITY: "unknown_unsigned_attribute"},
    ),
    "no unsigned attribute in a list of them": (add_unsigned, {INTEGRITY: "unknown_part"}),
    "one kind of unsigned attribute twice": (
        lambda data: add_unsigned(data, *[unsigned_attribute(NOBODY, core.OctetString(b"x"))] * 2),
        {INTEGRITY: "repeated_attribute"},
    ),
    "another version": (lambda data: versions(data, "v3", "v1"), {INTEGRITY: "wrong_version"}),
    "another version of the signer": (lambda d: versions(d, "v1", "v3"), {INTEGRITY: "wrong_version"}),
    "another digest named": (lambda data: digests(data, "sha512"), {INTEGRITY: "mixed_digests"}),
    "one more digest named": (lambda data: digests(data, "sha256", "sha512"), {INTEGRITY: "mixed_digests"}),
    "no digest named": (digests, {INTEGRITY: "mixed_digests"}),
    "a stranger's certificate": (
        lambda data: data["certificates"].append(STRANGER),
        {CERTIFICATE: "certificate_unrelated"},
    ),
    "a certificate of a form that nobody knows": (
        lambda data: data["certificates"].append(other_certificate()),
        {INTEGRITY: "unknown_part"},
    ),
    "a list of a form that nobody knows": (
        lambda data: data.__setitem__("crls", [cms.RevocationInfoChoice("other", other_list())]),
        {INTEGRITY: "unknown_part"},
    ),
}


def other_certificate() -> cms.CertificateChoices:
    return cms.CertificateChoices(
        "other", cms.OtherCertificateFormat({"other_cert_format": NOBODY, "other_cert": core.Null()})
    )


def other_list() -> cms.OtherRevocationInfoFormat:
    return cms.OtherRevocationInfoFormat({"other_rev_info_format": NOBODY, "other_rev_info": core.Null()})


@pytest.mark.parametrize(("change", "expected"), IDLE.values(), ids=IDLE)
def test_what_no_signature_covers_is_known_or_refused(
    world: World, signed: bytes, change: Change, expected: dict[CheckName, str]
) -> None:
    assert faults(rewritten(signed, lambda data: None), world) == {}
    pdf = rewritten(signed, change)
    assert faults(pdf, world) == expected
    assert not judged(pdf, world).signatures[0].passed


def test_a_damaged_copy_of_a_pinned_authority(world: World, signed: bytes) -> None:
    """The path is found by the pinned one; the file all the same is not what was signed."""

    def damage(data: Any, place: int) -> None:
        bag = [choice.dump() for choice in data["certificates"]]
        number = bag.index(world.intermediate.der)
        damaged = bytearray(bag[number])
        damaged[place] ^= 1
        data["certificates"][number] = asn1_x509.Certificate.load(bytes(damaged))

    issuer = world.intermediate.der.index("Thử Root".encode())
    for place in (-1, issuer):
        pdf = rewritten(signed, lambda data, place=place: damage(data, place))  # type: ignore[misc]
        assert faults(pdf, world) == {CERTIFICATE: "certificate_damaged"}


def test_what_real_signers_put_beside_a_signature(world: World, signed: bytes) -> None:
    """The whole chain up to the root, any order, one twice, none but their own; no parameters, or NULL."""

    def bag(data: Any, *ders: bytes) -> None:
        data["certificates"] = [asn1_x509.Certificate.load(each) for each in ders]

    own, middle, root = world.people["homeroom"].der, world.intermediate.der, world.root.der
    for ders in ((own,), (middle, own), (root, middle, own), (own, middle, middle)):
        pdf = rewritten(signed, lambda data, ders=ders: bag(data, *ders))  # type: ignore[misc]
        assert faults(pdf, world) == {}
    bare = rewritten(signed, without_parameters)
    assert bare != signed
    assert faults(bare, world) == {}


def test_an_authority_renewed_since(world: World, signed: bytes) -> None:
    """A file brings the certificate that its authority had then; today another of its key is pinned."""
    renewed = world.root.issue("Thử CA", ca=True, path_length=0, key=world.intermediate.key)
    trust = replace(world.trust(), intermediates=(renewed.der,))
    assert failing(of(check(signed, trust, registered_at=NOW), GVCN)) == {}


def test_strangers_may_put_beside_theirs_what_they_like(world: World) -> None:
    """What a record of ours may carry is our profile; of other files a report says how they stand."""
    pdf = one_signature(world, world.people["homeroom"], "Ai_do", attached=False)
    pdf = rewritten(pdf, lambda data: data["certificates"].append(STRANGER))
    pdf = rewritten(pdf, lambda d: add_unsigned(d, unsigned_attribute(NOBODY, core.OctetString(b"x"))))
    signature = of(check(pdf, world.trust(), registered_at=NOW), "Ai_do")
    assert failing(signature) == {CheckName.AUTHORITY: "no_role"}
