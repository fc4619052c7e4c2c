"""The demo authority must be a real one: paths, usages, lives and CRLs as a verifier expects them."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import ExtensionPolicy, PolicyBuilder, Store, VerificationError

from portal.demo import authority as demo
from portal.demo.authority import Authority, Credential, authorise, write_key_list
from portal.issuing.keys import load_keys
from verifier.report import Role
from verifier.trust import Pki

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("authority"), NOW)


def _verifies(credential: Credential, anchors: list[x509.Certificate], at: datetime) -> bool:
    """Path building and validation by cryptography's own verifier (RFC 5280), for a non-TLS purpose."""
    verifier = (
        PolicyBuilder()
        .store(Store(anchors))
        .time(at)
        .extension_policies(
            ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=ExtensionPolicy.permit_all()
        )
        .build_client_verifier()
    )
    try:
        verifier.verify(credential.certificate, list(credential.chain))
    except VerificationError:
        return False
    return True


def _roots(authority: Authority) -> list[x509.Certificate]:
    return [x509.load_der_x509_certificate(a.certificate) for a in authority.anchors()]


def test_both_systems_have_a_demo_root_and_intermediates(authority: Authority) -> None:
    assert {a.pki for a in authority.anchors()} == {Pki.STATE, Pki.PUBLIC}
    assert all(a.name.startswith("DEMO ") for a in authority.anchors())
    systems = [a.pki for a in authority.intermediates()]
    assert systems.count(Pki.STATE) == 2
    assert systems.count(Pki.PUBLIC) >= 2


@pytest.mark.parametrize("ca", [demo.STATE_SEALS, demo.PUBLIC_FIRST, demo.PUBLIC_SECOND])
@pytest.mark.parametrize("key", ["rsa", "p256"])
def test_a_seal_chains_to_its_root_only_while_it_lives(authority: Authority, ca: str, key: str) -> None:
    seal = authority.seal("Trường Tiểu học Hoa Ban", ca=ca, key=key, handle=f"seal-{ca}-{key}")
    roots = _roots(authority)
    assert _verifies(seal, roots, NOW)
    assert not _verifies(seal, roots, NOW + timedelta(days=3 * 365))
    assert isinstance(seal.private_key, rsa.RSAPrivateKey if key == "rsa" else ec.EllipticCurvePrivateKey)
    usage = seal.certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert usage.content_commitment
    life = seal.certificate.not_valid_after_utc - seal.certificate.not_valid_before_utc
    assert life <= timedelta(days=3 * 366)


def test_a_stranger_has_the_same_names_and_no_trust(authority: Authority, tmp_path: Path) -> None:
    stranger = Authority.create(tmp_path, NOW)
    own = authority.seal("Trường THCS Lê Lợi")
    false = stranger.seal("Trường THCS Lê Lợi")
    assert own.certificate.subject == false.certificate.subject
    assert own.certificate.issuer == false.certificate.issuer
    assert not _verifies(false, _roots(authority), NOW)
    assert _verifies(false, _roots(stranger), NOW)


def test_every_authority_has_a_crl_signed_by_itself(authority: Authority) -> None:
    cas = [*authority.anchors(), *authority.intermediates()]
    crls = [x509.load_der_x509_crl(crl) for crl in authority.crls()]
    assert len(crls) == len(cas)
    for anchor in cas:
        certificate = x509.load_der_x509_certificate(anchor.certificate)
        own = [crl for crl in crls if crl.issuer == certificate.subject]
        assert len(own) == 1
        key = certificate.public_key()
        assert isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey)
        assert own[0].is_signature_valid(key)


def test_a_revoked_certificate_stands_on_its_issuers_next_crl_only(tmp_path: Path) -> None:
    authority = Authority.create(tmp_path, NOW)
    teacher = authority.person("Lò Thị Mai", Role.GVBM, school="Trường THCS Hoa Ban")
    authority.revoke(teacher, NOW - timedelta(days=1))
    later = NOW + timedelta(days=2)
    authority.reissue_crls(later, except_stale=[demo.PUBLIC_SECOND])
    for ca in (demo.STATE_PEOPLE, demo.STATE_SEALS):
        crl = x509.load_der_x509_crl(authority.crl(ca))
        entry = crl.get_revoked_certificate_by_serial_number(teacher.certificate.serial_number)
        assert (entry is not None) == (ca == demo.STATE_PEOPLE)
        assert crl.last_update_utc == later
    assert x509.load_der_x509_crl(authority.crl(demo.PUBLIC_SECOND)).last_update_utc == NOW


def test_opening_again_changes_nothing(authority: Authority) -> None:
    seal = authority.seal("Trường THPT Nguyễn Trãi")
    before = {p: p.read_bytes() for p in authority.directory.rglob("*") if p.is_file()}
    again = Authority.create(authority.directory, NOW + timedelta(days=1))
    assert again.seal("Trường THPT Nguyễn Trãi").der == seal.der
    assert {p: p.read_bytes() for p in authority.directory.rglob("*") if p.is_file()} == before


def test_keys_and_passphrases_are_private(authority: Authority, tmp_path: Path) -> None:
    person = authority.person(
        "Trần Văn Ơn", Role.CBQL, school="Trường THPT Nguyễn Trãi", title="Phó Hiệu trưởng"
    )
    keys = write_key_list(tmp_path / "keys.json", [person])
    (key,) = load_keys(keys).keys
    assert key.certificate == person.der
    assert key.chain == person.chain_der
    for path in (person.path, person.passphrase_file, keys):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    title = person.certificate.subject.get_attributes_for_oid(NameOID.TITLE)[0].value
    assert title == "Phó Hiệu trưởng"


def test_the_trust_store_carries_everything_a_check_needs(authority: Authority) -> None:
    seal = authority.seal("Trường Tiểu học Hoa Ban")
    signer = authorise(seal, "001", Role.KY_PHAT_HANH)
    store = authority.trust_store([signer], epoch=7)
    assert store.epoch == 7
    assert store.signers == (signer,)
    assert len(store.crls) == len(store.anchors) + len(store.intermediates)
    assert signer.covers(NOW)
    assert not signer.covers(seal.certificate.not_valid_before_utc - timedelta(seconds=1))


def test_the_chain_is_issuer_first_without_the_root(authority: Authority) -> None:
    seal = authority.seal("Trường Tiểu học Hoa Ban")
    (issuer,) = seal.chain
    seal.certificate.verify_directly_issued_by(issuer)
    with pytest.raises((InvalidSignature, ValueError)):
        issuer.verify_directly_issued_by(issuer)
