"""Signatures as others see them: pyHanko's own validation and difference policy, poppler, qpdf."""

from __future__ import annotations

import asyncio
import http.server
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pikepdf
import pytest
from asn1crypto import cms, keys, tsp
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives import serialization
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import ModificationLevel
from pyhanko.sign.signers import SimpleSigner
from pyhanko.sign.timestamps import DummyTimeStamper
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore

from portal.demo.authority import Authority, Credential, write_key_list
from portal.issuing.keys import Key, KeyRing, load_keys
from portal.issuing.signing import SigningFault, complete, fits, prepare, sign_field
from portal.issuing.timestamping import HttpTimestamper, TimestampFault
from tests.portal.issuing.basefile import make_base
from tests.portal.issuing.judges import assert_sealed
from tests.servers import serve_in_thread
from verifier.report import Role

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
PRIMARY = ("GVCN", "CBQL", "KY_PHAT_HANH")
SUBJECTS = ("NGU_VAN", "TOAN", "NGOAI_NGU_1", "LICH_SU", "GDTC", "GDQPAN", "DIA_LI", "VAT_LI", "HOA_HOC")
SECONDARY = (
    *(f"GVBM.{code}" for code in (*SUBJECTS, "SINH_HOC", "TIN_HOC", "HDTN_HN")),
    *PRIMARY,
)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("authority"), NOW)


@pytest.fixture(scope="module")
def credentials(authority: Authority) -> dict[str, list[Credential]]:
    names = ("Nguyễn Thị Hường", "Lò Văn Đức", "H'Nga Niê")
    return {
        kind: [
            authority.person(name, Role.GVBM, key=kind, handle=f"{kind}-{n}") for n, name in enumerate(names)
        ]
        for kind in ("rsa", "p256")
    }


@pytest.fixture(scope="module")
def ring(authority: Authority, credentials: dict[str, list[Credential]]) -> KeyRing:
    everyone = [*credentials["rsa"], *credentials["p256"]]
    return load_keys(write_key_list(authority.directory / "keys.json", everyone))


@pytest.fixture(scope="module")
def signers(ring: KeyRing, credentials: dict[str, list[Credential]]) -> dict[str, list[Key]]:
    found = {kind: [ring.find(c.sha256) for c in some] for kind, some in credentials.items()}
    return {kind: [key for key in some if key is not None] for kind, some in found.items()}


def store(credential: Credential) -> Any:
    certificates: Any = cast(Any, SimpleCertificateStore)()
    certificates.register_multiple([asn1_x509.Certificate.load(c) for c in credential.chain_der])
    return certificates


def sign_all(base: bytes, fields: tuple[str, ...], keys: list[Key], timestamper: Any = None) -> list[bytes]:
    """The file after each signature."""
    states = [base]
    for number, field in enumerate(fields):
        last = number == len(fields) - 1
        states.append(
            sign_field(
                states[-1],
                field,
                keys[number % len(keys)],
                at=NOW + timedelta(seconds=number),
                first=number == 0,
                last=last,
                lines=("Ký bởi: Nguyễn Thị Hường", "Chức vụ: Giáo viên", "Ngày ký: 01/06/2026"),
                timestamper=timestamper if last else None,
            )
        )
    return states


def pyhanko_statuses(pdf: bytes, authority: Authority) -> list[Any]:
    """pyHanko's full validation, with its default difference policy."""
    roots = [asn1_x509.Certificate.load(anchor.certificate) for anchor in authority.anchors()]
    statuses = []
    for signature in PdfFileReader(io.BytesIO(pdf)).embedded_signatures:
        context = ValidationContext(trust_roots=roots, moment=NOW, best_signature_time=NOW)
        statuses.append(validate_pdf_signature(signature, context, ts_validation_context=context))
    return statuses


@pytest.mark.parametrize("kind", ["rsa", "p256"])
@pytest.mark.parametrize("fields", [PRIMARY, SECONDARY], ids=["3", "15"])
def test_every_judge_accepts_the_sealed_file(
    authority: Authority,
    signers: dict[str, list[Key]],
    kind: str,
    fields: tuple[str, ...],
    tmp_path: Path,
) -> None:
    states = sign_all(make_base(fields), fields, signers[kind])

    for before, after in pairwise(states):
        assert after.startswith(before)
    path = tmp_path / "sealed.pdf"
    path.write_bytes(states[-1])
    assert_sealed(path, fields)
    statuses = pyhanko_statuses(states[-1], authority)
    assert all(status.bottom_line for status in statuses)
    assert [status.modification_level for status in statuses] == [
        *[ModificationLevel.FORM_FILLING] * (len(fields) - 1),
        ModificationLevel.NONE,
    ]


def test_permissions_are_those_of_the_first_and_of_the_seal(signers: dict[str, list[Key]]) -> None:
    pdf = pikepdf.open(io.BytesIO(sign_all(make_base(PRIMARY), PRIMARY, signers["rsa"])[-1]))
    first, second, seal = (widget.V for widget in pdf.pages[0].obj.Annots)

    assert pdf.Root.Perms.DocMDP.objgen == first.objgen
    assert [r.TransformMethod for r in first.Reference] == ["/DocMDP"]
    assert first.Reference[0].TransformParams.P == 2
    assert "/Reference" not in second
    assert [r.TransformMethod for r in seal.Reference] == ["/FieldMDP"]
    assert seal.Reference[0].TransformParams.Action == "/All"
    assert seal.Reference[0].TransformParams.P == 1
    lock = pdf.pages[0].obj.Annots[-1].Lock
    assert lock.Action == "/All"
    assert lock.P == 1
    assert {str(s.SubFilter) for s in (first, second, seal)} == {"/ETSI.CAdES.detached"}


def test_a_signature_adds_no_font_no_transparency_and_keeps_tooltip_and_tag(
    signers: dict[str, list[Key]],
) -> None:
    base = make_base(PRIMARY)
    before, after = (
        pikepdf.open(io.BytesIO(pdf)) for pdf in (base, sign_all(base, PRIMARY, signers["rsa"])[-1])
    )
    kinds = [
        sorted(
            str(thing.get("/Type", ""))
            for thing in pdf.objects
            if isinstance(thing, pikepdf.Dictionary | pikepdf.Stream)
        )
        for pdf in (before, after)
    ]
    assert kinds[1].count("/Font") == kinds[0].count("/Font")
    assert "/ExtGState" not in kinds[1]
    shared = after.Root.AcroForm.DR.Font["/HBS"].objgen
    for old, new in zip(before.pages[0].obj.Annots, after.pages[0].obj.Annots, strict=True):
        assert (new.TU, new.StructParent, new.Rect, new.F) == (old.TU, old.StructParent, old.Rect, old.F)
        look = new.AP.N
        assert look.Resources.keys() == {"/Font"}
        assert look.Resources.Font["/HBS"].objgen == shared
        assert b"Tj" in look.read_bytes()
    assert "/Info" not in after.trailer
    assert "/Metadata" not in after.Root


def test_rsa_signing_repeats_to_the_byte(signers: dict[str, list[Key]]) -> None:
    base = make_base(PRIMARY)
    assert sign_all(base, PRIMARY, signers["rsa"])[-1] == sign_all(base, PRIMARY, signers["rsa"])[-1]


def test_the_cms_is_what_pyhanko_itself_would_write(
    credentials: dict[str, list[Credential]], signers: dict[str, list[Key]]
) -> None:
    """Differential oracle: same structure but for what follows from the signed bytes."""
    credential, key = credentials["rsa"][0], signers["rsa"][0]
    pdf = sign_all(make_base(PRIMARY), PRIMARY, [key])[1]
    ours = PdfFileReader(io.BytesIO(pdf)).embedded_signatures[0].signed_data
    stock = SimpleSigner(
        signing_cert=asn1_x509.Certificate.load(credential.der),
        signing_key=keys.PrivateKeyInfo.load(
            credential.private_key.private_bytes(
                serialization.Encoding.DER,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        ),
        cert_registry=store(credential),
    )
    attributes = ours["signer_infos"][0]["signed_attrs"]
    hashed = next(a["values"][0].native for a in attributes if a["type"].native == "message_digest")
    theirs = asyncio.run(stock.async_sign(hashed, "sha256", use_pades=True))
    assert ours.dump() == theirs["content"].dump()


def test_two_step_signing_gives_the_same_file(signers: dict[str, list[Key]]) -> None:
    key, base = signers["rsa"][0], make_base(PRIMARY)
    words = {"at": NOW, "first": True, "last": False, "lines": ("Ký bởi: Lò Văn Đức",)}
    prepared = prepare(base, "GVCN", key.certificate, key.chain, **words)  # type: ignore[arg-type]

    assert len(prepared.digest) == 32
    value = key.sign_digest(prepared.digest)
    assert fits(key.certificate, prepared.digest, value)
    assert complete(prepared, value) == sign_field(base, "GVCN", key, **words)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["rsa", "p256"])
def test_a_value_of_another_key_or_digest_never_enters_a_file(
    signers: dict[str, list[Key]], kind: str
) -> None:
    key, other = signers[kind][:2]
    prepared = prepare(
        make_base(PRIMARY),
        "GVCN",
        key.certificate,
        key.chain,
        at=NOW,
        first=True,
        last=False,
        lines=("Ký bởi: Lò Văn Đức",),
    )
    wrong = (
        other.sign_digest(prepared.digest),
        key.sign_digest(bytes(32)),
        b"",
        key.sign_digest(prepared.digest)[:-1],
    )
    for value in wrong:
        assert not fits(key.certificate, prepared.digest, value)
        with pytest.raises(SigningFault, match="GVCN"):
            complete(prepared, value)


def test_a_field_that_is_missing_or_filled_is_refused(signers: dict[str, list[Key]]) -> None:
    key = signers["rsa"][0]
    once = sign_all(make_base(PRIMARY), PRIMARY[:1], [key])[-1]
    for pdf, field in ((once, "GVCN"), (once, "GVBM.TOAN"), (b"%PDF-1.7\nnonsense", "GVCN")):
        with pytest.raises(SigningFault):
            sign_field(pdf, field, key, at=NOW, first=False, last=False, lines=("x",))


# Timestamps.


@pytest.fixture(scope="module")
def tsa(authority: Authority) -> DummyTimeStamper:
    """A timestamp authority below the public root, in this process."""
    credential = authority.timestamp_authority()
    return DummyTimeStamper(
        tsa_cert=asn1_x509.Certificate.load(credential.der),
        tsa_key=keys.PrivateKeyInfo.load(
            credential.private_key.private_bytes(
                serialization.Encoding.DER,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        ),
        certs_to_embed=store(credential),
        fixed_dt=NOW + timedelta(seconds=5),
        include_nonce=True,
    )


class _TsaHandler(http.server.BaseHTTPRequestHandler):
    """Answers as the authority does, or in one of the wrong ways that ``fault`` names."""

    tsa: DummyTimeStamper
    fault = ""

    def do_POST(self) -> None:
        asked = tsp.TimeStampReq.load(self.rfile.read(int(self.headers["Content-Length"])))
        if self.fault == "other_nonce":
            asked["nonce"] = 7
        answer = self.tsa.request_tsa_response(asked)
        body = b"<html>" if self.fault == "html" else answer.dump()
        if self.fault == "rejection":
            body = bytes.fromhex("3005 3003 020102")
        self.send_response(500 if self.fault == "error" else 200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def tsa_url(tsa: DummyTimeStamper) -> Iterator[str]:
    handler = type("Handler", (_TsaHandler,), {"tsa": tsa})
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
        serve_in_thread(server)
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_a_timestamp_on_the_seal_makes_it_b_t(
    authority: Authority, signers: dict[str, list[Key]], tsa_url: str, tmp_path: Path
) -> None:
    pdf = sign_all(make_base(PRIMARY), PRIMARY, signers["rsa"], HttpTimestamper(tsa_url))[-1]

    path = tmp_path / "sealed.pdf"
    path.write_bytes(pdf)
    assert_sealed(path, PRIMARY)
    *others, seal = pyhanko_statuses(pdf, authority)
    assert all(status.bottom_line for status in (*others, seal))
    assert seal.timestamp_validity.valid
    assert seal.timestamp_validity.timestamp == NOW + timedelta(seconds=5)
    assert all(status.timestamp_validity is None for status in others)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("other_nonce", "another request"),
        ("html", "not a timestamp response"),
        ("rejection", "rejection$"),
        ("error", "500"),
    ],
)
def test_what_is_not_our_timestamp_is_refused(
    tsa_url: str, fault: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_TsaHandler, "fault", fault)
    with pytest.raises(TimestampFault, match=said):
        HttpTimestamper(tsa_url).timestamp(bytes(32))


def test_a_silent_timestamp_authority_is_a_fault() -> None:
    with pytest.raises(TimestampFault):
        HttpTimestamper("http://127.0.0.1:9/").timestamp(bytes(32))


def test_the_attributes_are_those_of_pades(signers: dict[str, list[Key]]) -> None:
    """EN 319 142-1 table 1: signing-certificate-v2 and the digest; the time stands in /M alone."""
    pdf = sign_all(make_base(PRIMARY), PRIMARY, signers["p256"])[-1]
    for number, signature in enumerate(PdfFileReader(io.BytesIO(pdf)).embedded_signatures):
        info: cms.SignerInfo = signature.signed_data["signer_infos"][0]
        assert {a["type"].native for a in info["signed_attrs"]} == {
            "content_type",
            "message_digest",
            "signing_certificate_v2",
        }
        assert signature.self_reported_timestamp == NOW + timedelta(seconds=number)
