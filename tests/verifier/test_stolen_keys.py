"""What the thief of a key may write beside a signature: nothing of it moves a time or silences the alarm."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pikepdf
import pytest
from asn1crypto import algos, cms
from asn1crypto import ocsp as asn1_ocsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.x509.oid import ExtendedKeyUsageOID
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko.sign.signers.cms_embedder import PdfCMSEmbedder, SigIOSetup, SigObjSetup
from pyhanko.sign.signers.pdf_byterange import SignatureObject

from tests.certificates import reissued
from tests.verifier import pki
from tests.verifier.pki import NOW, World
from tests.verifier.test_ocsp import answer, judged
from tests.verifier.test_pades import failing, of, swapped_contents
from tests.verifier.test_timestamps import attribute, put_unsigned, small, token_attribute
from tests.verifier.tsa import Tsa, timestamp_signer
from verifier import der
from verifier.check import examine
from verifier.cms import read_cms
from verifier.pades import revalidate, validate
from verifier.policy import DEFAULT
from verifier.report import CheckName, CheckStatus, ProvenBy, ValidationReport
from verifier.signatures import role_of
from verifier.trust import Pki, Timestamping, TrustAnchor, TrustStore
from verifier.verdict import Outcome, RegistryFacts, decide

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


# --- old timestamps

_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
_G = ec.derive_private_key(1, ec.SECP256R1()).public_key().public_numbers()
_Point = tuple[int, int] | None


def _add(p: _Point, q: _Point) -> _Point:
    if p is None or q is None:
        return p or q
    if p[0] == q[0] and (p[1] + q[1]) % _P == 0:
        return None
    if p == q:
        slope = (3 * p[0] * p[0] - 3) * pow(2 * p[1], -1, _P)
    else:
        slope = (q[1] - p[1]) * pow(q[0] - p[0], -1, _P)
    x = (slope * slope - p[0] - q[0]) % _P
    return x, (slope * (p[0] - x) - p[1]) % _P


def _times(k: int, p: _Point) -> _Point:
    total: _Point = None
    while k:
        total = _add(total, p) if k & 1 else total
        p, k = _add(p, p), k >> 1
    return total


def key_that_signed(value: bytes, signed: bytes) -> ec.EllipticCurvePublicKey:
    """A P-256 key under which ``value``, whoever made it, is an ECDSA signature of ``signed``."""
    r, s = utils.decode_dss_signature(value)
    e = int.from_bytes(hashlib.sha256(signed).digest(), "big")
    y = pow(r**3 - 3 * r + _B, (_P + 1) // 4, _P)
    found = _times(pow(r, -1, _N), _add(_times(s, (r, y)), _times(-e % _N, (_G.x, _G.y))))
    assert found is not None
    key = ec.EllipticCurvePublicNumbers(*found, ec.SECP256R1()).public_key()
    key.verify(value, signed, ec.ECDSA(hashes.SHA256()))
    return key


def signed_by_an_old_value(pdf: bytes, field: str, value: bytes, token: bytes) -> bytes:
    """``field`` filled with a value that somebody else made once, under a key made to fit, with its token."""
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    steps: Any = PdfCMSEmbedder().write_cms(field, writer, existing_fields_only=True)
    next(steps)
    steps.send(
        SigObjSetup(
            SignatureObject(NOW, subfilter=SigSeedSubFilter.ADOBE_PKCS7_DETACHED, bytes_reserved=1 << 15)
        )
    )
    ranges, out = steps.send(SigIOSetup(md_algorithm="sha256"))
    attributes = cms.CMSAttributes(
        [
            {"type": "content_type", "values": ["data"]},
            {"type": "message_digest", "values": [ranges.document_digest]},
        ]
    )
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Không ai")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key_that_signed(value, attributes.dump()))
        .serial_number(5)
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
        .sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    )
    loaded = asn1_x509.Certificate.load(pki.der(certificate))
    digest = algos.DigestAlgorithm({"algorithm": "sha256"})
    signer = {
        "version": "v1",
        "sid": cms.SignerIdentifier(
            name="issuer_and_serial_number", value={"issuer": loaded.issuer, "serial_number": 5}
        ),
        "digest_algorithm": digest,
        "signed_attrs": attributes,
        "signature_algorithm": {"algorithm": "sha256_ecdsa"},
        "signature": value,
        "unsigned_attrs": [
            {"type": "signature_time_stamp_token", "values": [cms.ContentInfo.load(token)]},
        ],
    }
    data = cms.SignedData(
        {
            "version": "v1",
            "digest_algorithms": [digest],
            "encap_content_info": {"content_type": "data"},
            "certificates": [loaded],
            "signer_infos": [signer],
        }
    )
    body = cms.ContentInfo({"content_type": "signed_data", "content": data}).dump().hex().encode()
    start, end = ranges.reserved_region_start, ranges.reserved_region_end
    whole: bytes = out.getvalue()
    assert isinstance(body, bytes)
    return whole[: start + 1] + body.ljust(end - start - 2, b"0") + whole[end - 1 :]


def test_an_old_value_under_a_key_made_to_fit_moves_no_time(world: World) -> None:
    """The timestamp of any old ECDSA value is right; the signature that carries it is a stranger's, whose key
    was computed from it. It would make every signature before it as old as that timestamp.
    """
    root = pki.root("Gốc dấu thời gian")
    authority = root.issue("CA dấu thời gian", ca=True, path_length=0)
    value = ec.generate_private_key(ec.SECP256R1()).sign(b"some old document", ec.ECDSA(hashes.SHA256()))
    token = Tsa(timestamp_signer(authority), at=NOW - 100 * DAY).timestamp(hashlib.sha256(value).digest())

    seal = world.people["seal"].serial
    lost = world.intermediate.crl({seal: NOW - 20 * DAY}, invalidity={seal: NOW - 30 * DAY})
    store = replace(
        world.trust(crls=(world.root.crl(), lost, root.crl(), authority.crl())),
        timestamping=Timestamping((TrustAnchor("t", Pki.PUBLIC, root.der),), (authority.der,)),
    )
    fields = ("GVCN", "CBQL", "KY_PHAT_HANH")
    pdf = pki.base_pdf((*fields, "EXTRA"), pki.record_attachment())
    for number, field in enumerate(fields):
        pdf = pki.sign(pdf, field, world.people[pki.SIGNERS[field]], first=number == 0)
    report, _ = validate(signed_by_an_old_value(pdf, "EXTRA", value, token), store, DEFAULT, NOW)

    assert report.timestamps[-1].passed  # or what follows would show nothing
    assert of(report, "EXTRA").status(CheckName.INTEGRITY) is CheckStatus.PASSED
    assert {of(report, f).proven_time for f in fields} == {NOW}
    assert {of(report, f).proven_by for f in fields} == {ProvenBy.CHECK}
    assert failing(of(report, "KY_PHAT_HANH"))[CheckName.REVOCATION] == "certificate_revoked"
    assert decide(report, RegistryFacts()).outcome is Outcome.NOT_VERIFIED


def test_a_list_that_nobody_signed_for_is_as_young_as_the_check(world: World) -> None:
    """The signers' authority ended, and its key leaked: a list made today, dated back, is put where nothing
    covers it. The timestamp of the signature is over its value alone.
    """
    long = (NOW - 300 * DAY, NOW + 2900 * DAY)
    at = NOW + 800 * DAY  # the signers' authority ended a hundred days before
    root = pki.root("Gốc dấu thời gian")
    authority = root.issue("CA dấu thời gian", ca=True, valid=long)
    tsa = Tsa(
        timestamp_signer(authority, valid=long),
        along=[pki.root(f"Thêm {number}").der for number in range(6)],
    )
    pdf = small(world.people["homeroom"], tsa)
    fresh: dict[str, Any] = {"this_update": at - DAY, "next_update": at + DAY}
    lists = (
        world.root.crl(this_update=NOW + 690 * DAY, next_update=NOW + 697 * DAY),
        world.root.crl(**fresh),
        root.crl(**fresh),
        authority.crl(**fresh),
        world.intermediate.crl(this_update=NOW - DAY, next_update=NOW + 6 * DAY),
    )
    store = replace(
        world.trust(crls=lists),
        timestamping=Timestamping((TrustAnchor("t", Pki.PUBLIC, root.der),), (authority.der,)),
    )
    made_today = world.intermediate.crl(this_update=NOW + 600 * DAY, next_update=NOW + 607 * DAY)

    def add(contents: bytearray) -> None:
        value = read_cms(bytes(contents), 80).signature
        token = replace(tsa, along=()).timestamp(hashlib.sha256(value).digest())
        values = der.encode(der.SEQUENCE, der.encode(0xA0, der.encode(der.SEQUENCE, made_today)))
        put_unsigned(contents, token_attribute(token), attribute("1.2.840.113549.1.9.16.2.24", values))

    for data in (pdf, swapped_contents(pdf, 0, add)):
        report, _ = validate(data, store, DEFAULT, at)
        assert of(report, "GVCN").proven_by is ProvenBy.SIGNATURE_TIMESTAMP
        assert failing(of(report, "GVCN"))[CheckName.REVOCATION] == "crl_stale"


# --- the alarm


def sealed(world: World) -> bytes:
    """A seal by somebody who holds its key, and nothing else of a record."""
    base = pki.base_pdf(["KY_PHAT_HANH"], pki.record_attachment())
    return pki.sign(base, "KY_PHAT_HANH", world.people["seal"], first=True)


def test_the_alarm_cannot_be_silenced(world: World) -> None:
    """A later time, a broken timestamp and whatever else nobody signs are the thief's to choose."""

    def broken(contents: bytearray) -> None:
        put_unsigned(contents, token_attribute(der.encode(der.SEQUENCE)))

    def unknown(contents: bytearray) -> None:
        put_unsigned(contents, attribute("1.2.3.4", der.encode(der.SEQUENCE)))

    for data, at, failed in (
        (sealed(world), NOW, {CheckName.COVERAGE}),
        (sealed(world), NOW - 10 * MINUTE, {CheckName.COVERAGE, CheckName.TIME}),
        (
            swapped_contents(sealed(world), 0, broken),
            NOW,
            {CheckName.COVERAGE, CheckName.TIME, CheckName.INTEGRITY},
        ),
        (swapped_contents(sealed(world), 0, unknown), NOW, {CheckName.COVERAGE, CheckName.INTEGRITY}),
    ):
        report, _ = validate(data, world.trust(), DEFAULT, at)
        assert set(failing(of(report, "KY_PHAT_HANH"))) == failed
        assert decide(report, RegistryFacts()).outcome is Outcome.SEAL_VALID_NOT_REGISTERED


VALUES: dict[str, Any] = {
    "no contents": {"/Type": pikepdf.Name.Sig, "/ByteRange": [0, 1, 2, 3]},
    "rubbish": {"/Type": pikepdf.Name.Sig, "/ByteRange": [0, 1, 2, 3], "/Contents": b"abc"},
    "rubbish timestamp": {
        "/Type": pikepdf.Name.DocTimeStamp,
        "/SubFilter": pikepdf.Name("/ETSI.RFC3161"),
        "/ByteRange": [0, 1, 2, 3],
        "/Contents": b"abc",
    },
}


@pytest.mark.parametrize("value", [*VALUES.values(), 5], ids=[*VALUES, "a number"])
def test_a_malformed_field_beside_the_seal_breaks_nothing(world: World, value: Any) -> None:
    """pyHanko raises for the whole file when it is asked for all its timestamps (SEC-02)."""
    with pikepdf.open(io.BytesIO(pki.base_pdf(["KY_PHAT_HANH", "BAD"], pki.record_attachment()))) as pdf:
        for field in pdf.Root.AcroForm.Fields:
            if str(field.T) == "BAD":
                filled = pikepdf.Dictionary(value) if isinstance(value, dict) else value
                field.V = pdf.make_indirect(filled)
        out = io.BytesIO()
        pdf.save(out, compress_streams=False)
    signed = pki.sign(out.getvalue(), "KY_PHAT_HANH", world.people["seal"])
    writer = IncrementalPdfFileWriter(io.BytesIO(signed))
    writer.add_object(generic.pdf_string("an object that nothing refers to"))
    later = io.BytesIO()
    writer.write(later)  # type: ignore[no-untyped-call]
    for data in (signed, later.getvalue()):
        report = examine(data, trust=world.trust(), policy=DEFAULT, at=NOW)
        assert report.incomplete is None
        assert decide(report, RegistryFacts()).outcome is Outcome.SEAL_VALID_NOT_REGISTERED


@pytest.mark.parametrize("field", ["KY_PHAT_HANH.", "GVCN.", "GVBM.", "gvcn", "GVCN "])
def test_only_the_exact_name_is_a_role(field: str) -> None:
    assert role_of(field) == (None, None)


# --- who answers


def backdated(world: World) -> bytes:
    """An answer of today by a delegate whose certificate ended long ago, said to be made while it lived."""
    ended = world.intermediate.issue(
        "OCSP cũ",
        valid=(NOW - 300 * DAY, NOW - 200 * DAY),
        purposes=(ExtendedKeyUsageOID.OCSP_SIGNING,),
        answers_unchecked=True,
        content_commitment=False,
    )
    raw = answer(world, by=ended, along=(ended,), issued=NOW - 5 * MINUTE, until=NOW + 3000 * DAY)
    response = asn1_ocsp.OCSPResponse.load(raw)
    basic = response["response_bytes"]["response"].parsed
    basic["tbs_response_data"]["produced_at"] = NOW - 250 * DAY
    signed = basic["tbs_response_data"].dump(force=True)
    key = ended.key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    basic["signature"] = key.sign(signed, ec.ECDSA(hashes.SHA256()))
    response["response_bytes"]["response"] = basic
    return bytes(response.dump(force=True))


def test_a_delegate_that_ended_does_not_answer_back_in_time(world: World) -> None:
    assert judged(world, backdated(world)).code == "crl_missing"


def test_what_came_along_releases_from_no_pinned_hold(world: World) -> None:
    held = world.intermediate.crl(
        {world.people["seal"].serial: NOW - DAY},
        reason=x509.ReasonFlags.certificate_hold,
        this_update=NOW - timedelta(hours=2),
    )
    assert judged(world, lists=[held]).code == "certificate_revoked"
    assert judged(world, answer(world), lists=[held]).code == "certificate_revoked"


# --- an authority with another certificate


@pytest.mark.parametrize("critical", [False, True])
def test_constraints_on_names_bind_on_both_ways(world: World, primary: bytes, *, critical: bool) -> None:
    """RFC 5280 §6.1: whether marked or not. The full way and the fast way say the same."""
    _, structure = validate(primary, world.trust(), DEFAULT, NOW, registered_at=NOW, own=True)
    other = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Chỉ cơ quan này")])
    bound = (
        reissued(world.intermediate.certificate)
        .add_extension(x509.NameConstraints([x509.DirectoryName(other)], None), critical=critical)
        .sign(_signing_key(world), hashes.SHA256())
    )
    store: TrustStore = replace(
        world.trust(),
        intermediates=(pki.der(bound),),
        distrusted=frozenset({world.intermediate.sha256}),
    )
    full, _ = validate(primary, store, DEFAULT, NOW, registered_at=NOW, own=True)
    fast = revalidate(primary, structure, store, DEFAULT, NOW, registered_at=NOW)
    for report in (full, fast):
        assert not any(signature.passed for signature in report.signatures)
        assert _codes(report, CheckName.CERTIFICATE) == {"unknown_critical_extension"}


def _signing_key(world: World) -> ec.EllipticCurvePrivateKey:
    key = world.root.key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def _codes(report: ValidationReport, name: CheckName) -> set[str]:
    return {c.code for s in report.signatures for c in s.checks if c.name is name}
