"""OCSP answers that come along with a file (RFC 6960): who may answer, of what, until when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.verifier import pki
from tests.verifier.pki import NOW, World
from verifier import der
from verifier.certificates import find_path, read_certificate
from verifier.policy import DEFAULT, NEVER, Algorithms
from verifier.revocation import FOR_EVER, Embedded, Revocation, check_revocation, read_answer, read_crl

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
AT = NOW + 3 * HOUR  # the library stamps its answers with the real clock, which may be past NOW


def answer(
    world: World,
    *,
    by: pki.Ca | None = None,
    about: pki.Ca | None = None,
    issuer: pki.Ca | None = None,
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    since: datetime | None = None,
    reason: x509.ReasonFlags | None = None,
    issued: datetime = NOW - HOUR,
    until: datetime | None = NOW + DAY,
    digest: hashes.HashAlgorithm | None = None,
    along: Sequence[pki.Ca] = (),
) -> bytes:
    """An answer about the seal (or ``about``), signed by its authority (or ``by``)."""
    signer = by or world.intermediate
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=(about or world.people["seal"]).certificate,
        issuer=(issuer or world.intermediate).certificate,
        algorithm=hashes.SHA256(),
        cert_status=status,
        this_update=issued,
        next_update=until,
        revocation_time=since,
        revocation_reason=reason,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, signer.certificate)
    if along:
        builder = builder.certificates([each.certificate for each in along])
    made: Any = builder.sign(signer.key, digest or hashes.SHA256())
    return bytes(made.public_bytes(Encoding.DER))


def judged(
    world: World,
    *along: bytes,
    lists: Sequence[bytes] | None = None,
    proven: datetime = NOW,
    at: datetime = AT,
    existed: datetime = NOW,
    algorithms: Algorithms = DEFAULT.algorithms,
) -> Revocation:
    """What is said of the seal when the root's list is pinned, and these answers came along."""
    trust = world.trust(crls=(world.root.crl(next_update=at + DAY), *(lists or ())))
    path = find_path(read_certificate(world.people["seal"].der), (), trust, DEFAULT, proven)
    assert path is not None
    embedded = [Embedded(read_answer(each), existed) for each in along]
    return check_revocation(path, trust, proven, at, embedded=embedded, algorithms=algorithms)


def test_the_authority_itself_answers(world: World) -> None:
    assert judged(world).code == "crl_missing"
    found = judged(world, answer(world))
    assert (found.code, found.fresh_until) == ("", NOW + DAY)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"unchecked": True}, ""),
        ({"unchecked": False}, "crl_missing"),  # nothing says that who answers was not revoked
        ({"unchecked": True, "purposes": ()}, "crl_missing"),
        ({"unchecked": True, "purposes": (ExtendedKeyUsageOID.EMAIL_PROTECTION,)}, "crl_missing"),
        ({"unchecked": True, "valid": (NOW - 9 * DAY, NOW - DAY)}, "crl_missing"),
        ({"unchecked": True, "kind": "rsa1024"}, "crl_missing"),
        ({"unchecked": True, "critical_extra": True}, "crl_missing"),
    ],
)
def test_a_delegate_answers_when_its_certificate_says_so(
    world: World, options: dict[str, Any], code: str
) -> None:
    """RFC 6960 §4.2.2.2: issued by the authority itself, for OCSP signing, in force, not revoked."""
    unchecked = options.pop("unchecked")
    options.setdefault("purposes", (ExtendedKeyUsageOID.OCSP_SIGNING,))
    delegate = world.intermediate.issue("Trả lời OCSP", answers_unchecked=unchecked, **options)
    assert judged(world, answer(world, by=delegate, along=[delegate])).code == code


def test_a_delegate_without_nocheck_is_itself_looked_up(world: World) -> None:
    delegate = world.intermediate.issue("Trả lời OCSP", purposes=(ExtendedKeyUsageOID.OCSP_SIGNING,))
    said = answer(world, by=delegate, along=[delegate])
    then: dict[str, Any] = {"this_update": NOW - 9 * DAY, "next_update": NOW + 2 * HOUR}
    stale = world.intermediate.crl(**then)
    assert judged(world, said, lists=[stale]).code == ""  # in force when the answer was made
    gone = world.intermediate.crl({delegate.serial: NOW - DAY}, **then)
    assert judged(world, said, lists=[gone]).code == "crl_stale"


def test_a_delegate_of_somebody_else_may_not_answer(world: World) -> None:
    """Neither one of the authority above, nor a stranger of the same name."""
    purposes = (ExtendedKeyUsageOID.OCSP_SIGNING,)
    above = world.root.issue("Trả lời OCSP", purposes=purposes, answers_unchecked=True)
    assert judged(world, answer(world, by=above, along=[above])).code == "crl_missing"
    stranger = pki.world("Thử").intermediate
    assert judged(world, answer(world, by=stranger)).code == "crl_missing"
    delegate = stranger.issue("Trả lời OCSP", purposes=purposes, answers_unchecked=True)
    assert judged(world, answer(world, by=delegate, along=[delegate])).code == "crl_missing"


def test_an_answer_is_about_one_certificate_of_one_authority(world: World) -> None:
    assert judged(world, answer(world, about=world.people["principal"])).code == "crl_missing"
    same_serial = answer(world, issuer=pki.world("Khác").intermediate)
    assert judged(world, same_serial).code == "crl_missing"


def test_unknown_says_nothing(world: World) -> None:
    assert judged(world, answer(world, status=ocsp.OCSPCertStatus.UNKNOWN)).code == "crl_missing"


@pytest.mark.parametrize(("since", "code"), [(NOW - DAY, "certificate_revoked"), (NOW + HOUR, "")])
def test_revoked_counts_from_its_time(world: World, since: datetime, code: str) -> None:
    """An embedded answer may tell more than the pinned lists, and what it tells against the signer stands."""
    revoked = answer(
        world,
        status=ocsp.OCSPCertStatus.REVOKED,
        since=since,
        issued=NOW + 2 * HOUR,
        until=NOW + 2 * DAY,
    )
    pinned = [world.intermediate.crl(next_update=NOW + 9 * DAY)]
    assert judged(world, revoked, lists=pinned, at=NOW + DAY).code == code


def test_a_hold_is_of_the_newest_word(world: World) -> None:
    held = answer(
        world,
        status=ocsp.OCSPCertStatus.REVOKED,
        since=NOW - 2 * DAY,
        reason=x509.ReasonFlags.certificate_hold,
        issued=NOW - DAY,
    )
    assert judged(world, held).code == "certificate_revoked"
    assert judged(world, held, answer(world)).code == ""


def test_stale_answers_finish_nothing(world: World) -> None:
    assert judged(world, answer(world, until=NOW - timedelta(seconds=1))).code == "crl_stale"
    # Without a next one an answer speaks for its own moment, and does not make a fresh list stale either.
    momentary = answer(world, until=None)
    assert judged(world, momentary).code == "crl_missing"
    assert judged(world, momentary, lists=[world.intermediate.crl()]).code == ""


def test_an_answer_from_the_future_is_none(world: World) -> None:
    assert judged(world, answer(world, issued=AT + HOUR, until=AT + DAY)).code == "crl_missing"


def test_an_answer_signed_with_a_digest_that_does_not_count_is_none(world: World) -> None:
    strict = Algorithms(digests=(("sha384", None), ("sha256", NEVER)))
    assert judged(world, answer(world), algorithms=strict).code == "crl_missing"
    assert judged(world, answer(world, digest=hashes.SHA384()), algorithms=strict).code == ""


@pytest.mark.parametrize(
    ("issued", "existed", "code"),
    [
        (NOW + HOUR, NOW + DAY, ""),
        (NOW - HOUR, NOW + DAY, "crl_stale"),  # before the signature: a later revocation is not in it
        (NOW + HOUR, NOW + 900 * DAY, "crl_stale"),  # nothing proves that it is from its authority's lifetime
    ],
)
def test_an_archived_answer_is_the_last_word_on_an_expired_certificate(
    world: World, issued: datetime, existed: datetime, code: str
) -> None:
    late = NOW + 701 * DAY  # the seal's certificate ended a day before
    said = answer(world, issued=issued, until=issued + DAY)
    found = judged(world, said, at=late, existed=existed)
    assert found.code == code
    if not code:
        assert found.fresh_until == late + DAY  # the root's own list
    # Of a certificate that still lives, no old word is the last.
    assert judged(world, said, at=NOW + 30 * DAY, existed=existed).code == "crl_stale"


def test_embedded_lists_count_like_pinned_ones(world: World) -> None:
    trust = world.trust(crls=(world.root.crl(),))
    path = find_path(read_certificate(world.people["seal"].der), (), trust, DEFAULT, NOW)
    assert path is not None

    def code(*ders: bytes) -> str:
        embedded = [Embedded(read_crl(each), NOW) for each in ders]
        return check_revocation(path, trust, NOW, NOW, embedded=embedded).code

    seal = world.people["seal"].serial
    assert code(world.intermediate.crl()) == ""
    assert code(world.intermediate.crl({seal: NOW - DAY})) == "certificate_revoked"
    assert code(world.intermediate.crl(next_update=NOW - HOUR)) == "crl_stale"
    assert code(world.intermediate.crl(signed_by=pki.root("Kẻ giả CRL"))) == "crl_missing"
    # An older embedded list cannot hide what a newer pinned one says.
    revoked = world.intermediate.crl({seal: NOW - DAY})
    trust = world.trust(crls=(world.root.crl(), revoked))
    assert code(world.intermediate.crl(this_update=NOW - 5 * DAY)) == "certificate_revoked"


def test_rubbish_is_no_answer(world: World) -> None:
    for data in (b"", b"\x30\x00", answer(world)[:-5], der.encode(der.SEQUENCE, der.encode(0x0A, b"\x06"))):
        with pytest.raises(ValueError):  # noqa: PT011 - the library's own words
            read_answer(data)


def test_for_ever_is_a_time_that_a_report_can_carry() -> None:
    assert FOR_EVER.year == 2100
