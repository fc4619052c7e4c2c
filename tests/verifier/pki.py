"""A small certification world and small signed records, made fresh for the tests; all invented."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pikepdf
from asn1crypto import keys as asn1_keys
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.writer import BasePdfFileWriter
from pyhanko.sign import signers
from pyhanko.sign.fields import (
    FieldMDPAction,
    FieldMDPSpec,
    MDPPerm,
    SigFieldSpec,
    SigSeedSubFilter,
    append_signature_field,
)
from pyhanko.sign.signers.pdf_signer import PdfSigningSession
from pyhanko.sign.timestamps import TimeStamper
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore

from verifier.record import Json, attachment, make_disclosures, signature_fields
from verifier.report import Role, ValidationReport
from verifier.trust import Approval, AuthorisedSigner, Pki, TrustAnchor, TrustStore

NOW = datetime.now(UTC).replace(microsecond=0)
SCHOOL = "79000123"
RECORD_ID = "0123456789ABCDEF7"
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def new_key(kind: str = "p256") -> Key:
    match kind:
        case "p256":
            return ec.generate_private_key(ec.SECP256R1())
        case "p521":
            return ec.generate_private_key(ec.SECP521R1())
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
        case _:
            return rsa.generate_private_key(65537, int(kind.removeprefix("rsa")))


@dataclass(frozen=True)
class Ca:
    certificate: x509.Certificate
    key: Key
    parent: Ca | None = None

    @property
    def der(self) -> bytes:
        return der(self.certificate)

    def issue(
        self,
        name: str,
        kind: str = "p256",
        *,
        valid: tuple[datetime, datetime] | None = None,
        content_commitment: bool = True,
        purposes: Sequence[x509.ObjectIdentifier] = (),
        ca: bool = False,
        path_length: int | None = None,
        critical_extra: bool = False,
        key: Key | None = None,
        crl_url: str = "",
        purposes_critical: bool = True,
        answers_unchecked: bool = False,
    ) -> Ca:
        """A certificate below this authority: a signer, or with ``ca`` another authority."""
        private = key or new_key(kind)
        start, end = valid or (NOW - timedelta(days=300), NOW + timedelta(days=700))
        builder = _builder(name, self.certificate.subject, private, start, end)
        builder = builder.add_extension(
            x509.BasicConstraints(ca=ca, path_length=path_length), critical=True
        ).add_extension(
            _usage(signer=not ca, content_commitment=content_commitment and not ca), critical=True
        )
        if purposes:
            builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=purposes_critical)
        if answers_unchecked:
            builder = builder.add_extension(x509.OCSPNoCheck(), critical=False)
        if crl_url:
            where = x509.DistributionPoint([x509.UniformResourceIdentifier(crl_url)], None, None, None)
            builder = builder.add_extension(x509.CRLDistributionPoints([where]), critical=False)
        if critical_extra:
            builder = builder.add_extension(
                x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00"), True
            )
        return Ca(builder.sign(self.key, hashes.SHA256()), private, self)

    def crl(
        self,
        revoked: Mapping[int, datetime] | None = None,
        *,
        this_update: datetime = NOW - timedelta(days=1),
        next_update: datetime = NOW + timedelta(days=6),
        invalidity: Mapping[int, datetime] | None = None,
        signed_by: Ca | None = None,
        keeps_expired_since: bytes | None = None,
        extension: x509.ExtensionType | None = None,
        reason: x509.ReasonFlags | None = None,
        number: int | None = None,
    ) -> bytes:
        """A CRL of this authority: serial number -> revocation date; ``reason`` is that of every entry."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(this_update)
            .next_update(next_update)
        )
        for serial, moment in (revoked or {}).items():
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(moment)
            if invalidity and serial in invalidity:
                entry = entry.add_extension(
                    x509.InvalidityDate(invalidity[serial].replace(tzinfo=None)), False
                )
            if reason is not None:
                entry = entry.add_extension(x509.CRLReason(reason), critical=False)
            builder = builder.add_revoked_certificate(entry.build())
        if number is not None:
            builder = builder.add_extension(x509.CRLNumber(number), critical=False)
        if keeps_expired_since is not None:
            kept = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.60"), keeps_expired_since)
            builder = builder.add_extension(kept, critical=False)
        if extension is not None:
            builder = builder.add_extension(extension, critical=True)
        crl = builder.sign((signed_by or self).key, hashes.SHA256())
        return crl.public_bytes(serialization.Encoding.DER)

    @property
    def sha256(self) -> str:
        return sha256(self.der).hexdigest()

    @property
    def serial(self) -> int:
        return self.certificate.serial_number


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def root(name: str, kind: str = "p256") -> Ca:
    private = new_key(kind)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        _builder(name, subject, private, NOW - timedelta(days=3000), NOW + timedelta(days=3000))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage(signer=False, content_commitment=False), critical=True)
    )
    return Ca(builder.sign(private, hashes.SHA256()), private)


def _builder(
    name: str, issuer: x509.Name, private: Key, start: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )


def _usage(*, signer: bool, content_commitment: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signer,
        content_commitment=content_commitment,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=not signer,
        crl_sign=not signer,
        encipher_only=False,
        decipher_only=False,
    )


@dataclass(frozen=True)
class World:
    """A root, an intermediate, one signer for each role, and the trust store that authorises them."""

    root: Ca
    intermediate: Ca
    people: Mapping[str, Ca]
    extra_crls: tuple[bytes, ...] = ()
    rows: tuple[AuthorisedSigner, ...] = field(default=())

    @property
    def crls(self) -> tuple[bytes, ...]:
        return (self.root.crl(), self.intermediate.crl())

    def trust(
        self, *, crls: Sequence[bytes] | None = None, rows: Sequence[AuthorisedSigner] | None = None
    ) -> TrustStore:
        return TrustStore(
            epoch=1,
            anchors=(TrustAnchor("root", Pki.STATE, self.root.der),),
            intermediates=(self.intermediate.der,),
            signers=self.rows if rows is None else tuple(rows),
            crls=self.crls if crls is None else tuple(crls),
        )

    def with_row(self, person: str, **changes: object) -> TrustStore:
        """The trust store with one person's row changed."""
        certificate = self.people[person].sha256
        return self.trust(
            rows=[
                replace(row, **changes) if row.certificate_sha256 == certificate else row  # type: ignore[arg-type]
                for row in self.rows
            ]
        )


def row(person: Ca, role: Role, school: str = SCHOOL, **changes: object) -> AuthorisedSigner:
    base = AuthorisedSigner(
        certificate_sha256=person.sha256,
        school_code=school,
        role=role,
        capacity="",
        subject_codes=frozenset(),
        valid_from=NOW - timedelta(days=300),
        valid_to=None,
        approval=Approval.APPROVED,
        invalid_since=None,
        display_name="Trần Thị Thử Nghiệm",
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def world(name: str = "Thử") -> World:
    """Names may repeat between worlds, keys never do: strangers call themselves what they like."""
    top = root(f"{name} Root")
    middle = top.issue(f"{name} CA", ca=True, path_length=0)
    people = {
        "teacher": middle.issue(f"{name} Giáo viên"),
        "homeroom": middle.issue(f"{name} Chủ nhiệm"),
        "principal": middle.issue(f"{name} Hiệu trưởng"),
        "seal": middle.issue(f"{name} Trường", "rsa3072"),
    }
    rows = (
        row(people["teacher"], Role.GVBM),
        row(people["homeroom"], Role.GVCN),
        row(people["principal"], Role.CBQL),
        row(people["seal"], Role.KY_PHAT_HANH),
    )
    return World(top, middle, people, rows=rows)


SIGNERS = {"GVBM": "teacher", "GVCN": "homeroom", "CBQL": "principal", "KY_PHAT_HANH": "seal"}


def record_attachment(
    level: str = "TIEU_HOC", subjects: Sequence[str] = ("TOAN",), school: str = SCHOOL
) -> bytes:
    """A record with one disclosure for each subject; salts count up, which is all a test needs."""
    counter = iter(range(1000))
    values: dict[str, Json] = {
        "ho_va_ten": "Nguyễn Văn Thử",
        **{f"mon.{code}": {"ten": code} for code in subjects},
    }
    disclosures = make_disclosures(values, lambda: next(counter).to_bytes(16, "big"))
    digests = sorted(_sd(d) for d in disclosures)
    schemes = {"TIEU_HOC": ("TT27", 3), "THCS": ("TT22", 7), "THPT": ("TT22", 11)}
    header = {
        "schema": "hoc-ba-so/1",
        "record_id": RECORD_ID,
        "version": 1,
        "issuer": school,
        "level": level,
        "scheme": schemes[level][0],
        "grade": schemes[level][1],
        "year": "2025-2026",
        "issued_on": "2026-05-31",
        "_sd_alg": "sha-256",
        "_sd": digests,
    }
    return attachment(header, disclosures)


def _sd(disclosure: str) -> str:
    return base64.urlsafe_b64encode(sha256(disclosure.encode()).digest()).rstrip(b"=").decode()


def base_pdf(fields: Sequence[str], attached: bytes | None, *, pages: int = 1, lock: bool = True) -> bytes:
    """An unsigned record: text on each page, one empty signature field after the other on the first."""
    pdf = pikepdf.new()
    font = pdf.make_indirect(
        pikepdf.Dictionary(
            Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica
        )
    )
    for number in range(pages):
        page = pdf.add_blank_page(page_size=(595, 842))
        page.Resources = pikepdf.Dictionary(Font=pikepdf.Dictionary(F1=font))
        page.Contents = pdf.make_stream(f"BT /F1 12 Tf 72 770 Td (HOC BA trang {number + 1}) Tj ET".encode())
    if attached is not None:
        pdf.attachments["hoc-ba.json"] = pikepdf.AttachedFileSpec(
            pdf,
            attached,
            description="",
            filename="hoc-ba.json",
            mime_type="application/json",
            creation_date="",
            mod_date="",
        )
    buffer = io.BytesIO()
    pdf.save(buffer, compress_streams=False)
    writer = IncrementalPdfFileWriter(buffer)
    for number, name in enumerate(fields):
        seal = lock and name == "KY_PHAT_HANH"
        append_signature_field(
            writer,
            SigFieldSpec(
                name,
                box=(72, 700 - 30 * number, 250, 725 - 30 * number),
                field_mdp_spec=FieldMDPSpec(FieldMDPAction.ALL) if seal else None,
                doc_mdp_update_value=MDPPerm.NO_CHANGES if seal else None,
            ),
        )
    filled = io.BytesIO()
    writer.write(filled)  # type: ignore[no-untyped-call]
    flat = io.BytesIO()
    with pikepdf.open(io.BytesIO(filled.getvalue())) as again:  # one revision, as a renderer would write
        again.save(flat, compress_streams=False)
    return flat.getvalue()


def pyhanko_signer(person: Ca, *, chain: Sequence[Ca] = (), pss: bool = False) -> signers.SimpleSigner:
    private = person.key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    store = SimpleCertificateStore()  # type: ignore[no-untyped-call]
    store.register_multiple([asn1_x509.Certificate.load(c.der) for c in chain])
    return signers.SimpleSigner(
        signing_cert=asn1_x509.Certificate.load(person.der),
        signing_key=asn1_keys.PrivateKeyInfo.load(private),
        cert_registry=store,
        prefer_pss=pss,
    )


class _PunctualSigner(signers.PdfSigner):
    """Stock pyHanko whose clock stands at :data:`NOW`: in a long run the real one would sign after it."""

    def init_signing_session(
        self, pdf_out: BasePdfFileWriter, existing_fields_only: bool = False
    ) -> PdfSigningSession:
        session = super().init_signing_session(pdf_out, existing_fields_only)
        session.system_time = NOW
        return session


def sign(
    pdf: bytes,
    name: str,
    person: Ca,
    *,
    first: bool = False,
    digest: str = "sha256",
    subfilter: SigSeedSubFilter = SigSeedSubFilter.PADES,
    permissions: MDPPerm = MDPPerm.FILL_FORMS,
    pss: bool = False,
    timestamper: TimeStamper | None = None,
    embedding: ValidationContext | None = None,
    strict: bool = True,
) -> bytes:
    """One field signed with stock pyHanko; the first signature certifies. ``embedding`` has the lists that it
    puts into the signature itself (adbe-revocationInfoArchival).
    """
    chain = [person.parent] if person.parent is not None and person.parent.parent is not None else []
    output = io.BytesIO()
    _PunctualSigner(
        signers.PdfSignatureMetadata(
            field_name=name,
            md_algorithm=digest,
            subfilter=subfilter,
            certify=first,
            docmdp_permissions=permissions,
            use_pades_lta=False,
            embed_validation_info=embedding is not None,
            validation_context=embedding,
        ),
        pyhanko_signer(person, chain=chain, pss=pss),
        timestamper=timestamper,
    ).sign_pdf(
        IncrementalPdfFileWriter(io.BytesIO(pdf), strict=strict), output=output, existing_fields_only=True
    )
    return output.getvalue()


def sign_all(pdf: bytes, fields: Sequence[str], people: Mapping[str, Ca]) -> bytes:
    """Every field in order, each by the person of its role."""
    for number, name in enumerate(fields):
        person = people[SIGNERS[name.partition(".")[0]]]
        pdf = sign(pdf, name, person, first=number == 0)
    return pdf


def signed_record(
    a_world: World,
    level: str = "TIEU_HOC",
    subjects: Sequence[str] = ("TOAN",),
    people: Mapping[str, Ca] | None = None,
) -> bytes:
    """A whole record as a school would issue it; ``people`` may take the place of some of the world's."""
    fields = signature_fields(level, tuple(subjects))
    base = base_pdf(fields, record_attachment(level, subjects))
    return sign_all(base, fields, {**a_world.people, **(people or {})})


def alone(report: ValidationReport) -> ValidationReport:
    """The report without anybody's opinion: the fast way asks no library."""
    return replace(
        report,
        signatures=tuple(replace(s, opinions=()) for s in report.signatures),
        timestamps=tuple(replace(t, opinions=()) for t in report.timestamps),
    )
