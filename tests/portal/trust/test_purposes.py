"""Authorities for timestamps beside those of signers: neither trust implies the other, in the tables too."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy.orm import Session

from portal.demo.authority import PUBLIC_FIRST, PUBLIC_ROOT, Authority
from portal.errors import Refusal
from portal.trust import service as trust
from portal.trust.service import SchoolInput, SignerInput
from tests.conftest import ACTOR, NOW
from verifier.certificates import read_certificate
from verifier.errors import InvalidInput
from verifier.report import Indication, Role, SignerInfo, TimestampKind, TimestampReport
from verifier.trust import Pki, Purpose, TrustStore

WHO: dict[str, Any] = {"actor": ACTOR, "now": NOW}


@pytest.fixture
def authority(own: Authority) -> Authority:
    return own


def der(authority: Authority, slug: str) -> bytes:
    return authority.ca_certificate(slug).public_bytes(Encoding.DER)


def pin(session: Session, authority: Authority, slug: str, purpose: Purpose) -> trust.Change:
    return trust.add_anchor(session, der(authority, slug), Pki.PUBLIC, purpose=purpose, **WHO)


def noted(authority: Authority, session: Session) -> str:
    """A registered file rests on the demo's timestamp certificate; its SHA-256."""
    credential = authority.timestamp_authority()
    certificate = credential.certificate
    signer = SignerInfo(
        certificate_sha256=credential.sha256,
        subject="CN=A",
        issuer="CN=CA",
        serial=f"{certificate.serial_number:x}",
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
    )
    report = TimestampReport(
        kind=TimestampKind.DOCUMENT,
        field="T",
        time=NOW,
        proven_time=NOW,
        signer=signer,
        authorities=(read_certificate(der(authority, PUBLIC_FIRST)).authority,),
        checks=(),
        indication=Indication.TOTAL_PASSED,
        sub_indication=None,
    )
    trust.note_timestamp_units(session, [report, report], now=NOW)
    trust.note_timestamp_units(session, [replace(report, signer=None)], now=NOW)
    return credential.sha256


def test_what_is_pinned_for_times_is_no_anchor_of_signers(session: Session, authority: Authority) -> None:
    pin(session, authority, PUBLIC_ROOT, Purpose.TIMESTAMPING)
    pin(session, authority, PUBLIC_FIRST, Purpose.TIMESTAMPING)
    store = trust.load_store(session)
    assert (store.anchors, store.intermediates) == ((), ())
    assert len(store.timestamping.anchors) == len(store.timestamping.intermediates) == 1
    assert TrustStore.from_json(store.to_json()) == store
    trust.add_department(session, "91", "Sở GDĐT An Giang", "An Giang", **WHO)
    trust.add_school(
        session,
        SchoolInput("001", "Trường", "91", ("TIEU_HOC",), "Phường", "An Giang", "tu_thuc", date(2020, 1, 1)),
        **WHO,
    )
    person = authority.person("Trần Thị B", "GVCN", ca=PUBLIC_FIRST)
    with pytest.raises(InvalidInput) as caught:
        trust.add_signer(session, SignerInput(person.der, "001", Role.GVCN), **WHO)
    assert ("certificate", "untrusted") in {(p.where, p.code) for p in caught.value.problems}


def test_an_intermediate_needs_a_root_of_its_own_purpose(session: Session, authority: Authority) -> None:
    pin(session, authority, PUBLIC_ROOT, Purpose.SIGNING)
    with pytest.raises(InvalidInput) as caught:
        pin(session, authority, PUBLIC_FIRST, Purpose.TIMESTAMPING)
    assert {p.code for p in caught.value.problems} == {"no_anchor"}
    pin(session, authority, PUBLIC_ROOT, Purpose.TIMESTAMPING)
    pin(session, authority, PUBLIC_FIRST, Purpose.TIMESTAMPING)
    with pytest.raises(InvalidInput) as caught:
        pin(session, authority, PUBLIC_ROOT, Purpose.TIMESTAMPING)
    assert {p.code for p in caught.value.problems} == {"exists"}


def test_one_trust_ends_without_the_other(session: Session, authority: Authority) -> None:
    for purpose in Purpose:
        pin(session, authority, PUBLIC_ROOT, purpose)
    fingerprint = sha256(der(authority, PUBLIC_ROOT)).hexdigest()
    trust.remove_anchor(session, fingerprint, purpose=Purpose.SIGNING, **WHO)
    store = trust.load_store(session)
    assert store.anchors == ()
    assert fingerprint in store.distrusted
    assert len(store.timestamping.anchors) == 1
    assert store.timestamping.distrusted == frozenset()
    with pytest.raises(Refusal) as caught:
        trust.remove_anchor(session, fingerprint, purpose=Purpose.SIGNING, **WHO)
    assert caught.value.code == "unknown_anchor"
    pin(session, authority, PUBLIC_ROOT, Purpose.SIGNING)
    assert len(trust.load_store(session).anchors) == 1


def test_changes_name_the_timestamps_they_touch(session: Session, authority: Authority) -> None:
    """By an anchor of their purpose, by their authority's first list, and by a list that names them."""
    pin(session, authority, PUBLIC_ROOT, Purpose.TIMESTAMPING)
    unit = noted(authority, session)
    assert pin(session, authority, PUBLIC_FIRST, Purpose.TIMESTAMPING).certificates == {unit}
    assert pin(session, authority, PUBLIC_ROOT, Purpose.SIGNING).certificates == frozenset()
    assert trust.import_crl(session, authority.crl(PUBLIC_ROOT), **WHO).certificates == {unit}
    assert trust.import_crl(session, authority.crl(PUBLIC_FIRST), **WHO).certificates == {unit}
    other = Authority.create(authority.directory, NOW)
    other.reissue_crls(NOW + timedelta(hours=1))
    later: dict[str, Any] = {**WHO, "now": NOW + timedelta(hours=2)}
    assert trust.import_crl(session, other.crl(PUBLIC_FIRST), **later).certificates == frozenset()
    other.revoke(authority.timestamp_authority(), NOW)
    other.reissue_crls(NOW + timedelta(hours=2))
    assert trust.import_crl(session, other.crl(PUBLIC_FIRST), **later).certificates == {unit}


def test_the_last_list_before_a_timestamps_certificate_ended_is_kept(
    session: Session, authority: Authority
) -> None:
    pin(session, authority, PUBLIC_ROOT, Purpose.TIMESTAMPING)
    pin(session, authority, PUBLIC_FIRST, Purpose.TIMESTAMPING)
    noted(authority, session)
    end = authority.timestamp_authority().certificate.not_valid_after_utc
    kept = []
    for moment in (end - timedelta(days=9), end - timedelta(days=2), end + timedelta(days=5)):
        authority.reissue_crls(moment)
        kept.append(authority.crl(PUBLIC_FIRST))
        trust.import_crl(session, kept[-1], actor=ACTOR, now=moment)
    assert [crl in trust.load_store(session).crls for crl in kept] == [False, True, True]
