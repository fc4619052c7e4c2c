"""Trust: what may enter the tables, what a change leaves to do, and what a check is then told."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.demo.authority import (
    PUBLIC_FIRST,
    PUBLIC_ROOT,
    STATE_PEOPLE,
    STATE_ROOT,
    STATE_SEALS,
    Authority,
    Credential,
)
from portal.errors import Refusal
from portal.trust import service as trust
from portal.trust.models import RevocationList
from portal.trust.service import Change, SchoolInput, SignerInput
from tests.certificates import reissued
from tests.conftest import ACTOR, NOW, OTHER
from tests.portal.audit.reading import changes_told, entries
from verifier.audit import moment_text
from verifier.certificates import find_path, read_certificate
from verifier.errors import InvalidInput
from verifier.policy import DEFAULT
from verifier.report import Role
from verifier.revocation import check_revocation
from verifier.trust import Approval, Pki, TrustStore, read_store

WHO: dict[str, Any] = {"actor": ACTOR, "now": NOW}
SECOND: dict[str, Any] = {"actor": OTHER, "now": NOW}
HOUR = timedelta(hours=1)
SCHOOL = SchoolInput(
    code="001234",
    name="Trường Tiểu học Kim Đồng",
    department_code="91",
    levels=("TIEU_HOC",),
    commune="Phường Rạch Giá",
    province="An Giang",
    sector="cong_lap",
    valid_from=date(2020, 8, 1),
)


@pytest.fixture
def authority(published: Authority) -> Authority:
    return published


@pytest.fixture
def trusted(session: Session, authority: Authority) -> Session:
    """A session that knows a department, a public and a private school, and both systems."""
    trust.add_department(session, "91", "Sở GDĐT An Giang", "An Giang", **WHO)
    trust.add_school(session, SCHOOL, **WHO)
    trust.add_school(
        session, replace(SCHOOL, code="005678", sector="tu_thuc", levels=("THCS", "THPT")), **WHO
    )
    for anchor in (*authority.anchors(), *authority.intermediates()):
        trust.add_anchor(session, anchor.certificate, anchor.pki, **WHO)
    for crl in authority.crls():
        trust.import_crl(session, crl, **WHO)
    return session


def codes(act: Callable[[], object]) -> set[tuple[str, str]]:
    """(where, code) of everything that an input was refused for."""
    with pytest.raises(InvalidInput) as caught:
        act()
    return {(p.where, p.code) for p in caught.value.problems}


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(Refusal) as caught:
        act()
    assert caught.value.message
    return caught.value.code


def add(session: Session, credential: Credential, role: Role = Role.GVCN, **changes: Any) -> Change:
    signer = SignerInput(credential.der, "001234", role)
    return trust.add_signer(session, replace(signer, **changes), **WHO)


def approved(session: Session, credential: Credential, role: Role = Role.GVCN, **changes: Any) -> Change:
    created = add(session, credential, role, **changes).created
    assert created is not None
    return trust.approve(session, [created], **SECOND)


class TestSchools:
    def test_a_school_is_found_on_the_days_of_its_name(self, trusted: Session) -> None:
        trust.close_school(trusted, "001234", date(2026, 6, 30), "001234", **WHO)
        trust.add_school(
            trusted, replace(SCHOOL, name="Trường TH Rạch Giá 1", valid_from=date(2026, 7, 1)), **WHO
        )
        for day, name in (
            (date(2020, 8, 1), "Trường Tiểu học Kim Đồng"),
            (date(2026, 6, 30), "Trường Tiểu học Kim Đồng"),
            (date(2026, 7, 1), "Trường TH Rạch Giá 1"),
        ):
            facts = trust.school_on(trusted, "001234", day)
            assert facts is not None
            assert (facts.name, facts.department_name) == (name, "Sở GDĐT An Giang")
        assert trust.school_on(trusted, "001234", date(2020, 7, 31)) is None
        assert trust.school_on(trusted, "1234", date(2021, 1, 1)) is None  # leading zeros are part of a code

    @pytest.mark.parametrize(
        ("valid_from", "valid_to"),
        [
            (date(2020, 8, 1), None),
            (date(2019, 1, 1), date(2020, 8, 1)),
            (date(2019, 1, 1), None),
            (date(2026, 1, 1), date(2026, 2, 1)),
        ],
    )
    def test_periods_of_a_code_do_not_overlap(
        self, trusted: Session, valid_from: date, valid_to: date | None
    ) -> None:
        other = replace(SCHOOL, name="Trường khác", valid_from=valid_from, valid_to=valid_to)
        assert codes(lambda: trust.add_school(trusted, other, **WHO)) == {("valid_from", "overlap")}

    def test_periods_may_touch(self, trusted: Session) -> None:
        earlier = replace(
            SCHOOL, valid_from=date(2010, 1, 1), valid_to=date(2020, 7, 31), successor_code="001234"
        )
        trust.add_school(trusted, earlier, **WHO)
        assert len([s for s in trust.list_schools(trusted) if s.code == "001234"]) == 2

    def test_every_mistake_is_told(self, trusted: Session) -> None:
        wrong = SchoolInput(
            code="Trường 1",
            name=" ",
            department_code="00",
            levels=("TIEU_HOC", "MAM_NON"),
            commune="",
            province="An Giang ",
            sector="dan_lap",
            valid_from=date(2026, 8, 1),
            valid_to=date(2026, 7, 1),
            successor_code="?",
        )
        assert codes(lambda: trust.add_school(trusted, wrong, **WHO)) == {
            ("code", "code"),
            ("name", "text"),
            ("department_code", "unknown_department"),
            ("levels", "levels"),
            ("commune", "text"),
            ("province", "text"),
            ("sector", "sector"),
            ("valid_to", "period"),
            ("successor_code", "code"),
        }

    def test_a_successor_needs_an_end(self, trusted: Session) -> None:
        school = replace(SCHOOL, code="009999", successor_code="001234")
        assert codes(lambda: trust.add_school(trusted, school, **WHO)) == {("successor_code", "successor")}

    def test_only_an_open_period_is_closed(self, trusted: Session) -> None:
        trust.close_school(trusted, "001234", date(2026, 6, 30), **WHO)
        again = partial(trust.close_school, trusted, "001234", date(2026, 6, 30), **WHO)
        assert refusal(again) == "unknown_school"
        before = partial(trust.close_school, trusted, "005678", date(2019, 1, 1), **WHO)
        assert codes(before) == {("valid_to", "period")}

    def test_nobody_signs_for_a_school_that_is_no_more(self, trusted: Session, authority: Authority) -> None:
        """The end of a school bounds every registration there: the last moment of its last day in Vietnam."""
        teacher, other = (authority.person(name, Role.GVCN) for name in ("Trần Thị B", "Lê Văn A"))
        approved(trusted, teacher)
        approved(trusted, teacher, school_code="005678")
        approved(trusted, other, school_code="005678")
        short = NOW - timedelta(days=200)
        approved(trusted, other, valid_to=short)
        end = datetime(2026, 3, 31, 17, tzinfo=UTC)  # midnight in Vietnam

        def ends() -> dict[tuple[str, str], datetime | None]:
            rows = trust.load_store(trusted).signers
            return {(row.school_code, row.certificate_sha256): row.valid_to for row in rows}

        before = ends()
        change = trust.close_school(trusted, "001234", date(2026, 3, 31), "005678", **WHO)
        assert change.certificates == {teacher.sha256, other.sha256}
        assert ends() == before | {("001234", teacher.sha256): end}
        assert {s.authority.valid_to for s in trust.list_signers(trusted, "001234")} == {end, short}
        (row,) = (r for r in trust.load_store(trusted).signers if r.valid_to == end)
        assert row.covers(end - timedelta(microseconds=1))
        assert not row.covers(end)
        # Under a new name the code goes on, and so do they.
        renamed = replace(SCHOOL, name="Trường TH Rạch Giá 1", valid_from=date(2026, 4, 1))
        assert trust.add_school(trusted, renamed, **WHO).certificates == {teacher.sha256, other.sha256}
        assert ends() == before

    def test_who_signs_for_a_school_that_began_again_is_registered_anew(
        self, trusted: Session, authority: Authority
    ) -> None:
        """After a gap the code may be another school's; what was registered before ends with the first."""
        old, new = (authority.person(name, Role.GVCN) for name in ("Trần Thị B", "Lê Văn A"))
        approved(trusted, old)
        trust.close_school(trusted, "001234", date(2026, 3, 31), "005678", **WHO)
        again = replace(SCHOOL, name="Trường TH Rạch Giá 2", valid_from=date(2026, 5, 1))
        trust.add_school(trusted, again, **WHO)
        approved(trusted, new, valid_from=datetime(2026, 5, 1, tzinfo=UTC))
        ends = {s.authority.certificate_sha256: s.authority.valid_to for s in trust.list_signers(trusted)}
        certificate_ends = new.certificate.not_valid_after_utc
        assert ends == {old.sha256: datetime(2026, 3, 31, 17, tzinfo=UTC), new.sha256: certificate_ends}
        # The second ends as well, and nobody's right begins again with the first.
        trust.close_school(trusted, "001234", date(2026, 5, 31), "005678", **WHO)
        ends = {s.authority.certificate_sha256: s.authority.valid_to for s in trust.list_signers(trusted)}
        first, second = (datetime(2026, month, 31, 17, tzinfo=UTC) for month in (3, 5))
        assert ends == {old.sha256: first, new.sha256: second}

    def test_a_department_is_added_once(self, trusted: Session) -> None:
        again = partial(trust.add_department, trusted, "91", "Sở", "An Giang", **WHO)
        assert codes(again) == {("code", "exists")}


class TestAnchors:
    def test_both_systems_are_pinned(self, trusted: Session, authority: Authority) -> None:
        store = trust.load_store(trusted)
        assert {a.pki for a in store.anchors} == {Pki.STATE, Pki.PUBLIC}
        assert len(store.anchors) == 2
        assert set(store.intermediates) == {a.certificate for a in authority.intermediates()}
        assert all(a.crl_until is not None and a.crl_until > NOW for a in trust.list_anchors(trusted))

    def test_an_intermediate_needs_its_root_of_the_same_system(
        self, session: Session, authority: Authority
    ) -> None:
        der = authority.ca_certificate(STATE_PEOPLE).public_bytes(serialization.Encoding.DER)
        assert codes(lambda: trust.add_anchor(session, der, Pki.STATE, **WHO)) == {
            ("certificate", "no_anchor")
        }
        root = authority.ca_certificate(STATE_ROOT).public_bytes(serialization.Encoding.DER)
        trust.add_anchor(session, root, Pki.STATE, **WHO)
        assert codes(lambda: trust.add_anchor(session, der, Pki.PUBLIC, **WHO)) == {
            ("certificate", "no_anchor")
        }
        trust.add_anchor(session, der, Pki.STATE, **WHO)
        assert codes(lambda: trust.add_anchor(session, der, Pki.STATE, **WHO)) == {("certificate", "exists")}

    def test_a_stranger_with_the_same_names_is_not_below_our_root(
        self, trusted: Session, tmp_path: Path
    ) -> None:
        stranger = Authority.create(tmp_path, NOW)
        der = stranger.ca_certificate(STATE_PEOPLE).public_bytes(serialization.Encoding.DER)
        assert codes(lambda: trust.add_anchor(trusted, der, Pki.STATE, **WHO)) == {
            ("certificate", "no_anchor")
        }

    def test_a_person_is_no_authority(self, trusted: Session, authority: Authority) -> None:
        person = authority.person("Lê Văn A", Role.GVCN)
        assert ("certificate", "not_a_ca") in codes(
            lambda: trust.add_anchor(trusted, person.der, Pki.STATE, **WHO)
        )

    @pytest.mark.parametrize(
        ("data", "code"),
        [
            (b"", "not_a_certificate"),
            (b"no certificate", "not_a_certificate"),
            (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "not_a_certificate"),
            (b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", "not_one"),
        ],
    )
    def test_what_is_no_certificate(self, session: Session, data: bytes, code: str) -> None:
        assert codes(lambda: trust.add_anchor(session, data, Pki.STATE, **WHO)) == {("certificate", code)}

    def test_pem_is_read_but_not_a_bundle(self, session: Session, authority: Authority) -> None:
        pem = authority.ca_certificate(PUBLIC_ROOT).public_bytes(serialization.Encoding.PEM)
        assert codes(lambda: trust.add_anchor(session, pem + pem, Pki.PUBLIC, **WHO)) == {
            ("certificate", "not_one")
        }
        trust.add_anchor(session, pem, Pki.PUBLIC, **WHO)
        assert trust.load_store(session).anchors[0].certificate == authority.ca_certificate(
            PUBLIC_ROOT
        ).public_bytes(serialization.Encoding.DER)

    def test_removing_an_authority_touches_everything_below_it(
        self, trusted: Session, authority: Authority
    ) -> None:
        teacher = authority.person("Trần Thị B", Role.GVCN)
        seal = authority.seal("Trường Tiểu học Kim Đồng")
        stranger = authority.person("Lý C", Role.GVCN, ca=PUBLIC_FIRST)
        for credential, role in ((teacher, Role.GVCN), (seal, Role.KY_PHAT_HANH), (stranger, Role.GVCN)):
            approved(trusted, credential, role)
        root = next(a for a in trust.list_anchors(trusted) if a.is_root and a.pki is Pki.STATE)
        change = trust.remove_anchor(trusted, root.sha256, **WHO)
        assert change.certificates == {teacher.sha256, seal.sha256}
        store = trust.load_store(trusted)
        leaf = read_certificate(teacher.der)
        assert find_path(leaf, (), store, DEFAULT, NOW) is None
        assert refusal(lambda: trust.remove_anchor(trusted, root.sha256, **WHO)) == "unknown_anchor"
        back = trust.add_anchor(
            trusted,
            authority.ca_certificate(STATE_ROOT).public_bytes(serialization.Encoding.DER),
            Pki.STATE,
            **WHO,
        )
        assert back.certificates == {teacher.sha256, seal.sha256}
        assert find_path(leaf, (), trust.load_store(trusted), DEFAULT, NOW) is not None


class TestSigners:
    def test_a_registration_waits_until_it_is_approved(self, trusted: Session, authority: Authority) -> None:
        teacher = authority.person("Trần Thị B", Role.GVCN)
        created = add(trusted, teacher).created
        assert created is not None
        (row,) = trust.load_store(trusted).signers
        assert row.approval is Approval.WAITING
        assert not row.covers(NOW)
        assert row.display_name == "Trần Thị B"
        change = trust.approve(trusted, [created], **SECOND)
        assert change.certificates == {teacher.sha256}
        (row,) = trust.load_store(trusted).signers
        assert row.covers(NOW)
        assert (row.valid_from, row.valid_to) == (
            teacher.certificate.not_valid_before_utc,
            teacher.certificate.not_valid_after_utc,
        )
        assert trust.signer_names(trusted, [teacher.sha256, "00" * 32]) == {teacher.sha256: "Trần Thị B"}
        assert [s.id for s in trust.list_signers(trusted, "001234")] == [created]
        assert trust.list_signers(trusted, "005678") == ()

    def test_a_decision_is_final(self, trusted: Session, authority: Authority) -> None:
        teacher = authority.person("Trần Thị B", Role.GVCN)
        created = add(trusted, teacher).created
        assert created is not None
        trust.approve(trusted, [created], **SECOND, refuse=True)
        assert trust.load_store(trusted).signers[0].approval is Approval.REFUSED
        assert refusal(lambda: trust.approve(trusted, [created], **SECOND)) == "already_decided"
        later = teacher.certificate.not_valid_before_utc + timedelta(days=1)
        add(trusted, teacher, valid_from=later)  # a new registration may be decided otherwise

    def test_the_same_registration_twice(self, trusted: Session, authority: Authority) -> None:
        teacher = authority.person("Trần Thị B", Role.GVCN)
        add(trusted, teacher)
        later = teacher.certificate.not_valid_before_utc + timedelta(days=1)
        tries: tuple[dict[str, Any], ...] = ({}, {"valid_from": later})
        for changes in tries:
            assert codes(partial(add, trusted, teacher, **changes)) == {("certificate", "exists")}
        add(trusted, teacher, role=Role.CBQL)
        add(trusted, teacher, role=Role.CBQL, capacity="KT")
        add(trusted, teacher, school_code="005678")

    def test_a_public_schools_seal_is_of_the_state_system(
        self, trusted: Session, authority: Authority
    ) -> None:
        public = authority.seal("Trường Tiểu học Kim Đồng", ca=PUBLIC_FIRST, handle="seal-public")
        assert codes(lambda: add(trusted, public, Role.KY_PHAT_HANH)) == {
            ("certificate", "state_seal_required")
        }
        add(trusted, public, Role.KY_PHAT_HANH, school_code="005678")  # a private school may use either
        add(trusted, authority.seal("Trường tư", ca=STATE_SEALS), Role.KY_PHAT_HANH, school_code="005678")
        add(trusted, authority.person("Lý C", Role.CBQL, ca=PUBLIC_FIRST), Role.CBQL)  # persons may, too

    def test_certificates_that_cannot_sign_records(
        self, trusted: Session, authority: Authority, tmp_path: Path
    ) -> None:
        subject = authority.person("Trần Thị B", Role.GVCN).certificate.subject
        short = timedelta(days=30)
        for credential, code in (
            (Authority.create(tmp_path, NOW).person("Trần Thị B", Role.GVCN), "untrusted"),
            (authority.timestamp_authority(), "extended_key_usage"),
            (authority.leaf("no-nr", subject, ca=STATE_PEOPLE, content_commitment=False), "key_usage"),
            (authority.leaf("rsa1024", subject, ca=STATE_PEOPLE, key="rsa1024"), "weak_key"),
        ):
            assert codes(partial(add, trusted, credential)) == {("certificate", code)}
        ca = authority.ca_certificate(STATE_PEOPLE).public_bytes(serialization.Encoding.DER)
        assert ("certificate", "signer_is_ca") in codes(
            lambda: trust.add_signer(trusted, SignerInput(ca, "001234", Role.GVCN), **WHO)
        )
        # Expired certificates may be registered for what they signed in their time.
        old = authority.leaf("old", subject, ca=STATE_PEOPLE, valid_from=NOW - timedelta(days=90), life=short)
        add(trusted, old)

    def test_every_mistake_is_told(self, trusted: Session, authority: Authority) -> None:
        teacher = authority.person("Trần Thị B", Role.GVCN)
        wrong = SignerInput(
            certificate=teacher.der,
            school_code="999999",
            role=Role.GVCN,
            capacity="KT",
            subject_codes=("TOAN",),
            display_name=" ",
            valid_from=NOW - timedelta(days=3000),
        )
        assert codes(lambda: trust.add_signer(trusted, wrong, **WHO)) == {
            ("school_code", "unknown_school"),
            ("capacity", "capacity"),
            ("subject_codes", "subject_codes"),
            ("display_name", "text"),
            ("valid_from", "period"),
        }

    def test_subjects_are_those_of_the_school(self, trusted: Session, authority: Authority) -> None:
        teacher = authority.person("Trần Thị B", Role.GVBM)
        wrong: dict[str, Any] = {"school_code": "005678", "subject_codes": ("TOAN", "VAN_HOC_XYZ")}
        assert codes(lambda: add(trusted, teacher, Role.GVBM, **wrong)) == {
            ("subject_codes", "unknown_subject")
        }
        add(trusted, teacher, Role.GVBM, school_code="005678", subject_codes=("TOAN",))
        assert trust.load_store(trusted).signers[0].subject_codes == {"TOAN"}

    def test_suspending(self, trusted: Session, authority: Authority) -> None:
        teacher = authority.person("Trần Thị B", Role.GVCN)
        approved(trusted, teacher)
        approved(trusted, teacher, Role.CBQL)
        keys = trust.find_signers(trusted, teacher.sha256.upper())
        assert len(keys) == 2
        since = NOW - timedelta(days=10)
        change = trust.suspend(trusted, keys, since, **WHO)
        assert change.certificates == {teacher.sha256}
        for row in trust.load_store(trusted).signers:
            assert row.covers(since - timedelta(seconds=1))
            assert not row.covers(since)
        trust.suspend(trusted, keys, since - timedelta(days=1), **WHO)
        assert refusal(lambda: trust.suspend(trusted, keys, since, **WHO)) == "only_earlier"
        future = NOW + timedelta(days=1)
        assert refusal(lambda: trust.suspend(trusted, keys, future, **WHO)) == "in_the_future"

    def test_leaving_one_post_ends_that_appointment_alone(
        self, trusted: Session, authority: Authority
    ) -> None:
        teacher = authority.person("Trần Thị B", Role.GVCN)
        left = approved(trusted, teacher).created
        approved(trusted, teacher, Role.CBQL)
        approved(trusted, teacher, school_code="005678")
        assert left is not None
        trust.suspend(trusted, [left], NOW, **WHO)
        standing = {(r.school_code, r.role): r.covers(NOW) for r in trust.load_store(trusted).signers}
        assert standing == {
            ("001234", Role.GVCN): False,
            ("001234", Role.CBQL): True,
            ("005678", Role.GVCN): True,
        }

    def test_a_compromised_key_counts_nowhere_and_does_not_come_back(
        self, trusted: Session, authority: Authority
    ) -> None:
        teacher, other = (authority.person(name, Role.GVCN) for name in ("Trần Thị B", "Lê Văn A"))
        subject = teacher.certificate.subject
        # The same key in another certificate, as a renewal has it.
        again = _same_key(authority, teacher)
        one = approved(trusted, teacher).created
        assert one is not None
        approved(trusted, teacher, Role.CBQL)
        approved(trusted, teacher, school_code="005678")
        approved(trusted, again)
        approved(trusted, other)
        since = NOW - timedelta(days=10)
        left = trust.suspend(trusted, [one], since - timedelta(days=5), **WHO)
        assert left.signers == 1
        change = trust.suspend(trusted, [one], since, compromised=True, **WHO)
        assert change.signers == 4
        assert change.certificates == {teacher.sha256, again.sha256}
        assert changes_told(trusted)[-4:] == ["suspend_key"] * 4
        for row in trust.load_store(trusted).signers:
            if row.certificate_sha256 == other.sha256:
                assert row.covers(NOW)
            elif (row.certificate_sha256, row.school_code, row.role) == (teacher.sha256, "001234", "GVCN"):
                assert row.invalid_since == since - timedelta(days=5)  # as was said of it before
            else:
                assert row.invalid_since == since
        for credential in (teacher, again):
            later = partial(add, trusted, credential, Role.CBQL, school_code="005678", valid_from=NOW)
            assert codes(later) == {("certificate", "compromised")}
        add(trusted, authority.leaf("new-key", subject, ca=STATE_PEOPLE))  # a new key, the same person
        # Known to be compromised earlier, yes; later, no.
        trust.suspend(trusted, [one], since - timedelta(days=1), compromised=True, **WHO)
        act = partial(trust.suspend, trusted, [one], since, compromised=True, **WHO)
        assert refusal(act) == "only_earlier"

    def test_nobody_by_that_name(self, trusted: Session) -> None:
        for text in ("", "x", "00" * 32, "6a1d4f0e-0000-4000-8000-000000000000"):
            assert refusal(partial(trust.find_signers, trusted, text)) == "unknown_signer"
        assert refusal(lambda: trust.approve(trusted, [], **SECOND)) == "unknown_signer"


def _same_key(authority: Authority, credential: Credential) -> Credential:
    """Another certificate for the key of ``credential``, from the same authority."""
    path = authority.directory / "ca" / f"{STATE_PEOPLE}.key"
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return replace(credential, certificate=reissued(credential.certificate).sign(key, hashes.SHA256()))


_LOST = x509.ReasonFlags.key_compromise
_ENDED = x509.ReasonFlags.superseded
_HOLD = x509.ReasonFlags.certificate_hold
_RELEASED = x509.ReasonFlags.remove_from_crl


@dataclass(frozen=True)
class _Entry:
    """What a list of ours says of one certificate."""

    reason: x509.ReasonFlags | None
    since: datetime = NOW
    invalid: datetime | None = None


def _revocation(
    session: Session, credential: Credential, moment: datetime, proven: datetime | None = None
) -> str:
    """What a check at ``moment`` finds by the lists of the trust store."""
    store = trust.load_store(session)
    path = find_path(read_certificate(credential.der), (), store, DEFAULT, moment)
    assert path is not None
    return check_revocation(path, store, proven or moment, moment).code


class TestCrls:
    def test_the_newest_list_counts_and_never_goes_back(self, trusted: Session, own: Authority) -> None:
        before = own.crl(STATE_PEOPLE)
        later: dict[str, Any] = {"actor": ACTOR, "now": NOW + HOUR}
        own.reissue_crls(NOW + HOUR)
        newer = own.crl(STATE_PEOPLE)
        change = trust.import_crl(trusted, newer, **later)
        assert change.certificates == frozenset()  # nothing new about anybody
        assert before not in trust.load_store(trusted).crls
        assert newer in trust.load_store(trusted).crls
        assert codes(lambda: trust.import_crl(trusted, before, **later)) == {("crl", "older")}
        epoch = trust.current_epoch(trusted)
        assert trust.import_crl(trusted, newer, **later) == Change(
            epoch
        )  # the same list again changes nothing
        count = len(trusted.scalars(select(RevocationList)).all())
        assert count == len(own.crls()) + 1  # the older one stays for what was answered from it

    def test_a_revocation_touches_its_own_certificate(self, trusted: Session, own: Authority) -> None:
        teacher, other = (own.person(name, Role.GVCN) for name in ("Trần Thị B", "Lê Văn A"))
        approved(trusted, teacher)
        approved(trusted, other)
        for day, revoked in ((1, True), (2, False)):
            moment = NOW + timedelta(days=day)
            if revoked:
                own.revoke(teacher, NOW)
            own.reissue_crls(moment)
            change = trust.import_crl(trusted, own.crl(STATE_PEOPLE), actor=ACTOR, now=moment)
            assert change.certificates == ({teacher.sha256} if revoked else frozenset())

    def test_the_first_list_of_an_authority_speaks_of_everybody(
        self, trusted: Session, tmp_path: Path
    ) -> None:
        world = Authority.create(tmp_path / "new", NOW)
        for anchor in (*world.anchors(), *world.intermediates()):
            trust.add_anchor(trusted, anchor.certificate, anchor.pki, **WHO)
        teacher, seal = world.person("Trần Thị B", Role.GVCN), world.seal("Trường Tiểu học Kim Đồng")
        approved(trusted, teacher)
        approved(trusted, seal, Role.KY_PHAT_HANH)
        assert trust.import_crl(trusted, world.crl(STATE_PEOPLE), **WHO).certificates == {teacher.sha256}
        both = {teacher.sha256, seal.sha256}
        assert trust.import_crl(trusted, world.crl(STATE_ROOT), **WHO).certificates == both

    def test_an_authority_revoked_by_its_root_touches_all_below(
        self, trusted: Session, own: Authority
    ) -> None:
        teacher, seal = own.person("Trần Thị B", Role.GVCN), own.seal("Trường Tiểu học Kim Đồng")
        approved(trusted, teacher)
        approved(trusted, seal, Role.KY_PHAT_HANH)
        own.revoke(replace(teacher, certificate=own.ca_certificate(STATE_PEOPLE)), NOW)
        own.reissue_crls(NOW + HOUR)
        change = trust.import_crl(trusted, own.crl(STATE_ROOT), actor=ACTOR, now=NOW + HOUR)
        assert change.certificates == {teacher.sha256}

    def test_lists_that_are_not_taken(self, trusted: Session, own: Authority, tmp_path: Path) -> None:
        stranger = Authority.create(tmp_path / "stranger", NOW).crl(STATE_PEOPLE)
        assert codes(lambda: trust.import_crl(trusted, stranger, **WHO)) == {("crl", "unknown_issuer")}
        for data in (b"", b"no list", own.person("Lê Văn A", Role.GVCN).der):
            act = partial(trust.import_crl, trusted, data, **WHO)
            assert codes(act) == {("crl", "not_a_crl")}
        delta = _list(own, NOW + timedelta(days=1), x509.DeltaCRLIndicator(1))
        assert codes(lambda: trust.import_crl(trusted, delta, **WHO)) == {
            ("crl", "future"),
            ("crl", "partial"),
        }
        unnumbered = _list(own, NOW)  # the pinned one has a number
        assert codes(lambda: trust.import_crl(trusted, unnumbered, **WHO)) == {("crl", "older")}
        lower = _list(own, NOW, x509.CRLNumber(1))
        assert codes(lambda: trust.import_crl(trusted, lower, **WHO)) == {("crl", "older")}

    def test_a_list_dated_ahead_takes_the_place_of_none(self, trusted: Session, own: Authority) -> None:
        teacher = own.person("Trần Thị B", Role.GVCN)
        approved(trusted, teacher)
        serial, revoked = teacher.certificate.serial_number, x509.ReasonFlags.key_compromise
        moment = NOW + timedelta(seconds=1)
        ahead = _list(own, moment, x509.CRLNumber(10**15), named={serial: revoked})
        assert codes(lambda: trust.import_crl(trusted, ahead, **WHO)) == {("crl", "future")}
        assert _revocation(trusted, teacher, NOW) == ""  # the list at hand answers as before
        change = trust.import_crl(trusted, ahead, actor=ACTOR, now=moment)
        assert change.certificates == {teacher.sha256}
        assert _revocation(trusted, teacher, moment) == "certificate_revoked"

    @pytest.mark.parametrize("reason", [None, x509.ReasonFlags.certificate_hold])
    def test_a_revocation_stays_when_a_newer_list_drops_it_a_hold_does_not(
        self, trusted: Session, own: Authority, reason: x509.ReasonFlags | None
    ) -> None:
        teacher = own.person("Trần Thị B", Role.GVCN)
        approved(trusted, teacher)

        def publish(hours: int, *serials: int) -> tuple[frozenset[str], str]:
            moment = NOW + hours * HOUR
            number = x509.CRLNumber(10**15 + hours)
            crl = _list(own, moment, number, named=dict.fromkeys(serials, reason))
            change = trust.import_crl(trusted, crl, actor=ACTOR, now=moment)
            return change.certificates, _revocation(trusted, teacher, moment)

        serial = teacher.certificate.serial_number
        stranger = 4711
        nobody, she = frozenset[str](), frozenset({teacher.sha256})
        assert publish(1, stranger) == (nobody, "")
        assert publish(2, serial) == (she, "certificate_revoked")
        dropped = "" if reason else "certificate_revoked"
        assert publish(3) == (she, dropped)
        assert publish(4) == (nobody, dropped)
        # A stranger's revocation that was dropped, too, keeps no list: none of our certificates rests on it.
        kept = [r.number for r in trusted.scalars(select(RevocationList)) if r.kept_since is not None]
        assert kept == ([] if reason else [str(10**15 + 2)])

    @pytest.mark.parametrize(
        ("entries", "proven"),
        [
            ((_Entry(_LOST), _Entry(_HOLD), None, None), NOW),
            ((_Entry(_LOST), _Entry(_RELEASED), None, None), NOW),
            ((_Entry(_LOST), _Entry(_LOST, since=NOW + 2 * HOUR), None), NOW),
            # The same entry without its invalidityDate: it took back what was proven an hour earlier.
            ((_Entry(_LOST, invalid=NOW - HOUR), _Entry(_LOST), _Entry(_LOST)), NOW - HOUR),
            ((_Entry(_LOST, invalid=NOW - HOUR), _Entry(_LOST), None, _Entry(_HOLD), None), NOW - HOUR),
            # Milder by its date alone: a later invalidityDate, a reason that says less.
            ((_Entry(_LOST, since=NOW - HOUR), _Entry(_ENDED, since=NOW + HOUR), None), NOW - HOUR),
        ],
    )
    def test_a_revocation_stays_when_newer_lists_say_less(
        self, trusted: Session, own: Authority, entries: tuple[_Entry | None, ...], proven: datetime
    ) -> None:
        """What was revoked for good stays so with its earliest effect, whatever milder word follows."""
        teacher = own.person("Trần Thị B", Role.GVCN)
        approved(trusted, teacher)
        serial = teacher.certificate.serial_number
        for hours, entry in enumerate(entries, 3):
            moment = NOW + hours * HOUR
            named = {} if entry is None else {serial: entry}
            crl = _list(own, moment, x509.CRLNumber(10**15 + hours), named=named)
            trust.import_crl(trusted, crl, actor=ACTOR, now=moment)
            assert _revocation(trusted, teacher, moment, proven) == "certificate_revoked"
            # Before the key was lost it was good, also by the list that counts on.
            assert _revocation(trusted, teacher, moment, NOW - 2 * HOUR) == ""

    def test_another_reason_is_kept_for_timestamps(self, trusted: Session, own: Authority) -> None:
        """RFC 3161 clause 4: an authority that ended in order keeps what it gave; a lost key does not."""
        unit = own.person("Trần Thị B", Role.GVCN)
        approved(trusted, unit)
        serial = unit.certificate.serial_number
        for hours, reason in ((1, _LOST), (2, _ENDED)):
            moment = NOW + hours * HOUR
            crl = _list(own, moment, x509.CRLNumber(10**15 + hours), named={serial: reason})
            trust.import_crl(trusted, crl, actor=ACTOR, now=moment)
            store = trust.load_store(trusted)
            path = find_path(read_certificate(unit.der), (), store, DEFAULT, moment)
            assert path is not None
            found = check_revocation(path, store, NOW, moment, generated=NOW - HOUR)
            assert found.code == "certificate_revoked"

    def test_a_graver_word_keeps_no_milder_one(self, trusted: Session, own: Authority) -> None:
        teacher = own.person("Trần Thị B", Role.GVCN)
        approved(trusted, teacher)
        serial = teacher.certificate.serial_number
        for hours, entry in enumerate((_Entry(_HOLD), _Entry(_LOST), _Entry(_LOST, invalid=NOW - HOUR)), 1):
            moment = NOW + hours * HOUR
            crl = _list(own, moment, x509.CRLNumber(10**15 + hours), named={serial: entry})
            trust.import_crl(trusted, crl, actor=ACTOR, now=moment)
        assert all(row.kept_since is None for row in trusted.scalars(select(RevocationList)))
        assert len(trust.load_store(trusted).crls) == len(own.crls())

    def test_lists_of_other_scopes_stand_beside_each_other(self, trusted: Session, own: Authority) -> None:
        """An authority's lists for users and for authorities have numbers and ends of their own."""
        teacher = own.person("Trần Thị B", Role.GVCN)
        approved(trusted, teacher)
        serial = teacher.certificate.serial_number

        def publish(days: int, number: int, *, users: bool, named: bool = False) -> Change:
            moment = NOW + timedelta(days=days)
            part = x509.IssuingDistributionPoint(None, None, users, not users, None, False, False)
            entries = {serial: _LOST} if named else {}
            crl = _list(own, moment, x509.CRLNumber(number), part, named=entries)
            return trust.import_crl(trusted, crl, actor=ACTOR, now=moment)

        assert publish(1, 40, users=True).certificates == {teacher.sha256}  # the first of its scope
        assert publish(2, 7, users=False).certificates == {teacher.sha256}
        until = {a.name: a.crl_until for a in trust.list_anchors(trusted)}
        people = own.ca_certificate(STATE_PEOPLE).subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        assert until[str(people[0].value)] == NOW + timedelta(days=8)  # the users' list lapses first
        assert _revocation(trusted, teacher, NOW + timedelta(days=2)) == ""
        assert publish(3, 41, users=True, named=True).certificates == {teacher.sha256}
        assert publish(4, 8, users=False).certificates == frozenset()  # silent about users, and not asked
        assert _revocation(trusted, teacher, NOW + timedelta(days=4)) == "certificate_revoked"
        assert codes(lambda: publish(4, 9, users=True)) == {("crl", "older")}

    def test_pem_is_read(self, trusted: Session, own: Authority) -> None:
        own.reissue_crls(NOW + HOUR)
        pem = x509.load_der_x509_crl(own.crl(PUBLIC_FIRST)).public_bytes(serialization.Encoding.PEM)
        trust.import_crl(trusted, pem, actor=ACTOR, now=NOW + HOUR)
        assert own.crl(PUBLIC_FIRST) in trust.load_store(trusted).crls

    def test_the_last_list_before_a_certificates_end_is_kept_for_checks(
        self, trusted: Session, own: Authority
    ) -> None:
        subject = own.person("Trần Thị B", Role.GVCN).certificate.subject
        # Certificates of this authority start 240 days ago: this one ends in ten days.
        approved(trusted, own.leaf("ending", subject, ca=STATE_PEOPLE, life=timedelta(days=250)))
        lists = []
        for days in (1, 5, 9, 11, 15, 20):
            moment = NOW + timedelta(days=days)
            own.reissue_crls(moment)
            lists.append(own.crl(STATE_PEOPLE))
            trust.import_crl(trusted, lists[-1], actor=ACTOR, now=moment)
        kept = [crl for crl in lists if crl in trust.load_store(trusted).crls]
        assert kept == [lists[2], lists[5]]  # day 9: the last that had to name it; day 20: the newest


def _list(
    authority: Authority,
    at: datetime,
    *extensions: x509.ExtensionType,
    named: Mapping[int, _Entry | x509.ReasonFlags | None] | None = None,
) -> bytes:
    """A list of the people's authority with extensions of a test's choice; ``named`` are revoked."""
    path = authority.directory / "ca" / f"{STATE_PEOPLE}.key"
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.ca_certificate(STATE_PEOPLE).subject)
        .last_update(at)
        .next_update(at + timedelta(days=7))
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=not isinstance(extension, x509.CRLNumber))
    for serial, said in (named or {}).items():
        what = said if isinstance(said, _Entry) else _Entry(said)
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(what.since)
        if what.reason is not None:
            entry = entry.add_extension(x509.CRLReason(what.reason), critical=False)
        if what.invalid is not None:
            # The builder takes a time without zone as UTC.
            invalid = what.invalid.astimezone(UTC).replace(tzinfo=None)
            entry = entry.add_extension(x509.InvalidityDate(invalid), critical=False)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


class TestStore:
    def test_every_change_is_an_entry_of_the_trail_and_grows_the_epoch(
        self, trusted: Session, authority: Authority
    ) -> None:
        """SEC-30: who changed what, on which school or certificate."""
        events = entries(trusted, "trust_change")
        assert [e["details"]["epoch"] for e in events] == list(range(1, len(events) + 1))
        assert set(changes_told(trusted)) == {"add_department", "add_school", "add_anchor", "import_crl"}
        assert {e["actor"] for e in events} == {"command:an.nguyen"}
        assert trust.current_epoch(trusted) == len(events)
        teacher = authority.person("Trần Thị B", Role.GVCN)
        approved(trusted, teacher)
        trust.suspend(trusted, trust.find_signers(trusted, teacher.sha256), NOW, **WHO)
        last = entries(trusted)[-3:]
        assert [e["details"]["change"] for e in last] == ["add_signer", "approve", "suspend"]
        assert {e["object"] for e in last} == {f"certificate:{teacher.sha256}"}
        assert {e["organisation"] for e in last} == {"001234"}
        assert last[-1]["details"]["since"] == moment_text(NOW)
        assert trust.load_store(trusted).epoch == len(events) + 3

    def test_the_store_reaches_checks_as_a_file(
        self, trusted: Session, authority: Authority, tmp_path: Path
    ) -> None:
        approved(trusted, authority.person("Trần Thị B", Role.GVBM), Role.GVBM, school_code="005678")
        path = tmp_path / "trust" / "store.json"
        store = trust.write_store(trusted, path)
        assert read_store(path) == store == trust.load_store(trusted)
        assert TrustStore.from_json(json.loads(json.dumps(store.to_json()))) == store
        stamp = path.stat().st_ino
        trust.write_store(trusted, path)
        assert path.stat().st_ino == stamp  # the same content is not written again

    def test_the_bundle(self, trusted: Session, tmp_path: Path) -> None:
        store = trust.load_store(trusted)
        facts: dict[str, Any] = {"files": [], "versions": []}
        content = trust.bundle(store, facts, public_url="https://h.vn", former=("https://o.vn",), as_of=NOW)
        path = tmp_path / "bundle.json"
        trust.write_bundle(path, content)
        assert read_store(path) == store
        stored = json.loads(path.read_text())
        assert stored["format"] == "hoc-ba-trust-bundle/1"
        assert datetime.fromisoformat(stored["as_of"]) == NOW.astimezone(UTC)
        assert stored["hosts"] == {"public_url": "https://h.vn", "former": ["https://o.vn"]}


def test_an_expired_certificate_is_refused_not_approved(trusted: Session, authority: Authority) -> None:
    teacher = authority.person("Trần Thị B", "GVCN")
    der = teacher.certificate.public_bytes(serialization.Encoding.DER)
    signer = SignerInput(certificate=der, school_code="001234", role=Role.GVCN)
    key = trust.add_signer(trusted, signer, **WHO).created
    assert key is not None
    late: dict[str, Any] = {"actor": ACTOR, "now": teacher.certificate.not_valid_after_utc}
    with pytest.raises(Refusal) as refusal:
        trust.approve(trusted, [key], **late)
    assert refusal.value.code == "expired"
    trust.approve(trusted, [key], **late, refuse=True)
    with pytest.raises(Refusal) as decided:
        trust.approve(trusted, [key], **late)
    assert "--valid-from" in decided.value.hint
    with pytest.raises(InvalidInput, match="--valid-from"):
        trust.add_signer(trusted, signer, **WHO)


def test_a_certificate_without_an_end(trusted: Session, own: Authority) -> None:
    """RFC 5280 §4.1.2.5: 9999-12-31T23:59:59Z, which is no moment in Vietnam's time any more."""
    old = own.person("Trần Thị B", Role.GVCN).certificate
    key = serialization.load_pem_private_key(
        (own.directory / "ca" / f"{STATE_PEOPLE}.key").read_bytes(), None
    )
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    builder = (
        x509.CertificateBuilder()
        .subject_name(old.subject)
        .issuer_name(old.issuer)
        .public_key(old.public_key())
        .serial_number(99)
        .not_valid_before(old.not_valid_before_utc)
        .not_valid_after(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))
    )
    for extension in old.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    der = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    change = trust.add_signer(trusted, SignerInput(der, "001234", Role.GVCN), **WHO)
    assert change.created is not None
    assert trust.local(datetime.max.replace(tzinfo=UTC)).year == 9999
