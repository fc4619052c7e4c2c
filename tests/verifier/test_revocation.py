"""What several lists of one authority say together: a hold passes, a revocation does not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import permutations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from tests.verifier import pki
from tests.verifier.pki import NOW, World
from verifier.certificates import find_path, read_certificate
from verifier.pades import validate
from verifier.policy import DEFAULT
from verifier.report import CheckName, CheckStatus, Role
from verifier.revocation import check_revocation
from verifier.trust import TrustStore

DAY = timedelta(days=1)
HOLD = x509.ReasonFlags.certificate_hold
RELEASED = x509.ReasonFlags.remove_from_crl
COMPROMISED = x509.ReasonFlags.key_compromise


def code(
    world: World,
    lists: Sequence[bytes],
    *,
    person: pki.Ca | None = None,
    proven: datetime = NOW,
    at: datetime = NOW,
) -> str:
    """What :func:`check_revocation` says of the seal (or ``person``), the same in whatever order the lists
    stand.
    """
    person = person or world.people["seal"]
    top = world.root.crl(next_update=at + DAY)
    said = set()
    for order in permutations((top, *lists)):
        trust = world.trust(crls=order)
        path = find_path(read_certificate(person.der), (), trust, DEFAULT, proven)
        assert path is not None
        said.add(check_revocation(path, trust, proven, at).code)
    (one,) = said
    return one


def listed(
    world: World,
    days_ago: int,
    reason: x509.ReasonFlags | None,
    *,
    since: datetime = NOW - 9 * DAY,
    **options: int,
) -> bytes:
    """A list of some days ago that names the seal for ``reason``, or (None) does not name it."""
    named = {} if reason is None else {world.people["seal"].serial: since}
    return world.intermediate.crl(named, this_update=NOW - days_ago * DAY, reason=reason, **options)  # type: ignore[arg-type]


def test_a_hold_counts_while_the_newest_list_says_so(world: World) -> None:
    assert code(world, [listed(world, 1, HOLD)]) == "certificate_revoked"
    assert code(world, [listed(world, 3, None), listed(world, 1, HOLD)]) == "certificate_revoked"
    # One that begins after the proven time does not reach back.
    assert code(world, [listed(world, 1, HOLD, since=NOW - 2 * DAY)], proven=NOW - 3 * DAY) == ""


@pytest.mark.parametrize("release", [None, RELEASED])
def test_a_newer_list_releases_a_hold(world: World, release: x509.ReasonFlags | None) -> None:
    assert code(world, [listed(world, 3, HOLD), listed(world, 1, release)]) == ""
    again = [listed(world, 5, HOLD), listed(world, 3, release), listed(world, 1, HOLD)]
    assert code(world, again) == "certificate_revoked"


def test_a_hold_may_become_a_revocation(world: World) -> None:
    became = [listed(world, 3, HOLD), listed(world, 1, COMPROMISED)]
    assert code(world, became) == "certificate_revoked"
    assert code(world, [*became, listed(world, 0, None)]) == "certificate_revoked"


@pytest.mark.parametrize("reason", [COMPROMISED, x509.ReasonFlags.unspecified])
def test_a_revocation_stays_although_a_newer_list_is_silent(world: World, reason: x509.ReasonFlags) -> None:
    assert code(world, [listed(world, 3, reason), listed(world, 1, None)]) == "certificate_revoked"
    # Released from a hold it never was on: a revocation is not taken back.
    assert code(world, [listed(world, 3, reason), listed(world, 1, RELEASED)]) == "certificate_revoked"


def test_a_revocation_counts_from_verified_lists_alone(world: World) -> None:
    named = {world.people["seal"].serial: NOW - 9 * DAY}
    forged = world.intermediate.crl(named, reason=COMPROMISED, signed_by=pki.root("Kẻ giả CRL"))
    assert code(world, [forged, listed(world, 1, None)]) == ""


def test_an_entry_without_a_reason_is_a_revocation(world: World) -> None:
    named = {world.people["seal"].serial: NOW - 9 * DAY}
    old = world.intermediate.crl(named, this_update=NOW - 3 * DAY)
    assert code(world, [old, listed(world, 1, None)]) == "certificate_revoked"


def test_an_entry_whose_details_cannot_be_read_is_a_revocation(world: World) -> None:
    serial = world.people["seal"].serial
    odd = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.21"), b"\x0a\x01\x63")  # CRLReason 99
    entry = x509.RevokedCertificateBuilder(serial, (NOW - 9 * DAY).replace(tzinfo=None))
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(world.intermediate.certificate.subject)
        .last_update(NOW - DAY)
        .next_update(NOW + DAY)
        .add_revoked_certificate(entry.add_extension(odd, critical=False).build())
    )
    odd_list = builder.sign(world.intermediate.key, hashes.SHA256()).public_bytes(Encoding.DER)
    assert code(world, [odd_list]) == "certificate_revoked"


def test_of_lists_of_one_moment_the_higher_number_is_the_newer(world: World) -> None:
    assert code(world, [listed(world, 1, HOLD, number=4), listed(world, 1, None, number=5)]) == ""
    assert code(world, [listed(world, 1, None, number=4), listed(world, 1, HOLD, number=5)]) != ""
    # Nothing tells them apart: what speaks against the certificate counts.
    assert code(world, [listed(world, 1, None), listed(world, 1, HOLD)]) == "certificate_revoked"
    stale = world.intermediate.crl(this_update=NOW - DAY, next_update=NOW - timedelta(hours=1))
    assert code(world, [listed(world, 1, None), stale]) == "crl_stale"


def test_silence_after_the_expiry_releases_no_hold(world: World) -> None:
    person = world.intermediate.issue("Hết hạn rồi", valid=(NOW - 30 * DAY, NOW + DAY))
    held = world.intermediate.crl({person.serial: NOW - DAY}, this_update=NOW, reason=HOLD)
    late = NOW + 20 * DAY
    silent = world.intermediate.crl(this_update=late - DAY, next_update=late + DAY)
    assert code(world, [held, silent], person=person, at=late) == "certificate_revoked"
    since = (NOW - 100 * DAY).strftime("\x18\x0f%Y%m%d%H%M%SZ").encode()
    keeping = world.intermediate.crl(
        this_update=late - DAY, next_update=late + DAY, keeps_expired_since=since
    )
    assert code(world, [held, keeping], person=person, at=late) == ""


def test_an_authority_on_hold_takes_all_below_with_it(world: World, primary: bytes) -> None:
    def report(*lists: bytes) -> dict[str, CheckStatus]:
        trust = world.trust(crls=(*lists, world.intermediate.crl()))
        found, _ = validate(primary, trust, DEFAULT, NOW, registered_at=NOW, own=True)
        return {s.field: s.status(CheckName.REVOCATION) for s in found.signatures}  # type: ignore[misc]

    serial = world.intermediate.serial
    held = world.root.crl({serial: NOW - 9 * DAY}, this_update=NOW - 3 * DAY, reason=HOLD)
    assert set(report(held).values()) == {CheckStatus.FAILED}
    assert set(report(held, world.root.crl()).values()) == {CheckStatus.PASSED}


class TestPartitions:
    """An authority may spread its subscribers over several lists; silence of another's list says nothing."""

    MINE, OTHER = "http://a.invalid/1.crl", "http://a.invalid/2.crl"

    def part(self, *urls: str) -> x509.IssuingDistributionPoint:
        names = [x509.UniformResourceIdentifier(url) for url in urls]
        return x509.IssuingDistributionPoint(names, None, False, False, None, False, False)

    @pytest.mark.parametrize(
        ("named", "listed_at", "found"),
        [
            (MINE, [MINE], ""),
            (MINE, [OTHER, MINE], ""),
            (MINE, [OTHER], "crl_missing"),
            ("", [MINE], "crl_missing"),
        ],
    )
    def test_a_list_of_other_subscribers_proves_nothing(
        self, world: World, named: str, listed_at: list[str], found: str
    ) -> None:
        person = world.intermediate.issue("Giáo viên", crl_url=named)
        lists = [world.intermediate.crl(extension=self.part(*listed_at))]
        assert code(world, lists, person=person) == found

    def test_nor_does_a_newer_one_release_a_hold(self, world: World) -> None:
        person = world.intermediate.issue("Giáo viên", crl_url=self.MINE)
        held = world.intermediate.crl(
            {person.serial: NOW - 9 * DAY},
            this_update=NOW - 3 * DAY,
            reason=HOLD,
            extension=self.part(self.MINE),
        )
        other = world.intermediate.crl(extension=self.part(self.OTHER))
        assert code(world, [held, other], person=person) == "certificate_revoked"

    def test_in_a_report(self, world: World) -> None:
        person = world.intermediate.issue("Giáo viên", crl_url=self.MINE)
        pdf = pki.sign(pki.base_pdf(["GVCN"], pki.record_attachment()), "GVCN", person, first=True)

        def status(url: str) -> CheckStatus | None:
            trust: TrustStore = world.trust(
                rows=[pki.row(person, Role.GVCN)],
                crls=(world.root.crl(), world.intermediate.crl(extension=self.part(url))),
            )
            report, _ = validate(pdf, trust, DEFAULT, NOW, registered_at=NOW, own=True)
            return report.signatures[0].status(CheckName.REVOCATION)

        assert status(self.MINE) is CheckStatus.PASSED
        assert status(self.OTHER) is CheckStatus.INCOMPLETE
