"""An authority is a name with a key: renewed, cross-signed or removed, its certificates stand together."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy.orm import Session

from portal.demo.authority import STATE_ROOT, STATE_SEALS, Authority, Credential
from portal.registry import service as registry
from portal.trust import service as trust
from portal.vault import Vault
from tests.conftest import ACTOR, NOW
from tests.portal.registry.samples import locator, new_file, new_version
from tests.portal.trust.test_service import SCHOOL, WHO, approved
from verifier.certificates import find_path, read_certificate
from verifier.policy import DEFAULT
from verifier.report import Role
from verifier.revocation import check_revocation
from verifier.trust import Pki, TrustStore
from verifier.verdict import Standing

HOUR = timedelta(hours=1)


@pytest.fixture
def seal(own: Authority) -> Credential:
    return own.seal("Trường Tiểu học Kim Đồng")


@pytest.fixture
def trusted(session: Session, own: Authority, seal: Credential) -> Session:
    """A session that trusts the authority and one seal below it."""
    trust.add_department(session, "91", "Sở GDĐT An Giang", "An Giang", **WHO)
    trust.add_school(session, SCHOOL, **WHO)
    for anchor in (*own.anchors(), *own.intermediates()):
        trust.add_anchor(session, anchor.certificate, anchor.pki, **WHO)
    for crl in own.crls():
        trust.import_crl(session, crl, **WHO)
    approved(session, seal, Role.KY_PHAT_HANH)
    return session


def renewed(
    authority: Authority, *, key_too: bool = False, starts: datetime = NOW - timedelta(days=300)
) -> bytes:
    """Another certificate of the authority that issues seals: the same name, another number, and the same
    key or (``key_too``) another.
    """
    old = authority.ca_certificate(STATE_SEALS)
    key = serialization.load_pem_private_key(
        (authority.directory / "ca" / f"{STATE_ROOT}.key").read_bytes(), None
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(old.subject)
        .issuer_name(old.issuer)
        .public_key(rsa.generate_private_key(65537, 3072).public_key() if key_too else old.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(starts)
        .not_valid_after(NOW + timedelta(days=4000))
    )
    for extension in old.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    return builder.sign(key, hashes.SHA256()).public_bytes(  # type: ignore[arg-type]
        serialization.Encoding.DER
    )


def test_a_list_speaks_of_an_authority_whichever_of_its_certificates_was_noted(
    trusted: Session, own: Authority, seal: Credential
) -> None:
    again = renewed(own)
    # What failed before may pass with another certificate of the authority: it is validated anew, too.
    assert trust.add_anchor(trusted, again, Pki.STATE, **WHO).certificates == {seal.sha256}
    later_seal = own.seal("Trường Tiểu học Kim Đồng", handle="seal-later")
    approved(trusted, later_seal, Role.KY_PHAT_HANH, display_name="Con dấu sau")
    old = read_certificate(own.ca_certificate(STATE_SEALS).public_bytes(serialization.Encoding.DER))
    pair = {old.sha256, read_certificate(again).sha256}
    assert read_certificate(again).authority == old.authority
    assert len({row.issuer_id for row in trust.list_signers(trusted)}) == 1
    for moment, revoked in ((NOW + HOUR, seal), (NOW + 2 * HOUR, later_seal)):
        own.revoke(revoked, NOW)
        own.reissue_crls(moment)
        change = trust.import_crl(trusted, own.crl(STATE_SEALS), actor=ACTOR, now=moment)
        assert change.certificates == {revoked.sha256}
        store = trust.load_store(trusted)
        path = find_path(read_certificate(revoked.der), (), store, DEFAULT, moment)
        assert path is not None
        assert check_revocation(path, store, moment, moment).code == "certificate_revoked"
    lapses = {a.crl_until for a in trust.list_anchors(trusted) if a.sha256 in pair}
    assert len(lapses) == 1
    assert None not in lapses


def test_a_code_stops_answering_when_the_list_of_a_renewed_authority_revokes_its_seal(
    trusted: Session, own: Authority, seal: Credential, vault: Vault
) -> None:
    trust.add_anchor(trusted, renewed(own), Pki.STATE, **WHO)
    epoch = trust.current_epoch(trusted)
    new = new_version(vault)
    file = new_file(b"a sealed file", NOW, epoch=epoch, certificates={Role.KY_PHAT_HANH: seal.sha256})
    registry.register(trusted, vault, new, file, epoch=epoch, actor=ACTOR, now=NOW)

    def standing() -> Standing:
        facts, _ = registry.look_up_locator(trusted, vault, locator(new), now=NOW + HOUR)
        assert facts.version is not None
        return facts.version.standing

    assert standing() is Standing.PASSED
    own.revoke(seal, NOW)
    own.reissue_crls(NOW + HOUR)
    change = trust.import_crl(trusted, own.crl(STATE_SEALS), actor=ACTOR, now=NOW + HOUR)
    assert registry.withdraw_standing(trusted, change.certificates, epoch=change.epoch) == 1
    assert standing() is Standing.INCOMPLETE


def test_the_removed_certificate_of_a_renewed_authority_is_no_link(
    trusted: Session, own: Authority, seal: Credential
) -> None:
    old = read_certificate(own.ca_certificate(STATE_SEALS).public_bytes(serialization.Encoding.DER))
    again = read_certificate(renewed(own))
    trust.add_anchor(trusted, again.der, Pki.STATE, **WHO)
    assert trust.remove_anchor(trusted, old.sha256, **WHO).certificates == {seal.sha256}
    store = trust.load_store(trusted)
    assert store.distrusted == {old.sha256}
    path = find_path(read_certificate(seal.der), (old,), store, DEFAULT, NOW)
    assert path is not None
    assert path.certificates[1] == again
    assert check_revocation(path, store, NOW, NOW).code == ""  # the authority's list is still there
    trust.remove_anchor(trusted, again.sha256, **WHO)
    store = trust.load_store(trusted)
    assert store.distrusted == {old.sha256, again.sha256, old.authority}


def test_nothing_that_a_file_brings_leads_through_a_removed_authority(
    trusted: Session, own: Authority, seal: Credential
) -> None:
    old = read_certificate(own.ca_certificate(STATE_SEALS).public_bytes(serialization.Encoding.DER))
    unknown = read_certificate(renewed(own))  # never pinned: a file may carry it
    leaf = read_certificate(seal.der)
    trust.remove_anchor(trusted, old.sha256, **WHO)
    store = TrustStore.from_json(json.loads(json.dumps(trust.load_store(trusted).to_json())))
    assert find_path(leaf, (old, unknown), store, DEFAULT, NOW) is None
    trust.add_anchor(trusted, old.der, Pki.STATE, **WHO)
    store = trust.load_store(trusted)
    assert store.distrusted == frozenset()
    assert find_path(leaf, (old, unknown), store, DEFAULT, NOW) is not None
