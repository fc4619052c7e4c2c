"""Filling a prepared signature field: PAdES B-B, or B-T with a timestamp (ETSI EN 319 142-1, clause 6).

The only place that writes signatures, and with ``verifier.pades`` the only one that knows pyHanko. A key is
asked for one thing: the signature over a SHA-256 digest (``portal.ports.Signer``). So software keys, tokens
and two-step signing take the same way, ``prepare`` then ``complete``; ``sign_field`` is both at once.

What a signature leaves open to those after it (ISO 32000-2, clause 12.8.2): the first one certifies the file
and permits filling fields only (DocMDP P=2); the seal, the last one, locks every field and permits no change
(FieldMDP All, P=1).

For the same inputs the bytes are the same wherever the signature value is (RSA PKCS#1 v1.5): times are
arguments, and the second half of the file identifier (ISO 32000-2, clause 14.4) follows from the content.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from io import BytesIO
from typing import Any, cast

from asn1crypto import algos, cms
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from pyhanko.pdf_utils import generic, misc
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.writer import BasePdfFileWriter
from pyhanko.sign.fields import FieldMDPAction, FieldMDPSpec, MDPPerm, SigSeedSubFilter
from pyhanko.sign.general import SigningError, as_signing_certificate_v2
from pyhanko.sign.signers.cms_embedder import PdfCMSEmbedder, SigIOSetup, SigMDPSetup, SigObjSetup
from pyhanko.sign.signers.constants import ESIC_EXTENSION_1
from pyhanko.sign.signers.pdf_byterange import SignatureObject

from portal.errors import PortalError
from portal.issuing.appearance import RESOURCE, TooMuchText, draw, size_of, time_line
from portal.ports import Signer, Timestamper
from verifier.der import encode as _der

_pdf: Any = generic  # pyHanko's object model carries no types
VIETNAM = timezone(timedelta(hours=7))
# Bytes kept free for a TimeStampToken with its certificates; usual ones have 4 to 8 KiB.
TIMESTAMP_ROOM = 16 * 1024
# What DER adds to an ECDSA signature's two integers: heads and sign bytes.
_ECDSA_OVERHEAD = 9


class SigningFault(PortalError):  # noqa: N818 - not a person's mistake: something of ours is broken
    """A signature that cannot be made: no such empty field, an unfit key, a key that answers wrongly."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A file waiting for one signature value.

    ``pdf`` has the field filled but for /Contents, whose hex digits stand in ``[start + 1, end - 1)``.
    ``signed_attributes`` is the DER SET that is signed; ``digest`` its SHA-256, which goes to the key.
    """

    pdf: bytes
    field: str
    start: int
    end: int
    signed_attributes: bytes
    certificate: bytes
    chain: tuple[bytes, ...]

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(self.signed_attributes).digest()


def sign_field(
    pdf: bytes,
    field: str,
    signer: Signer,
    *,
    at: datetime,
    first: bool,
    last: bool,
    lines: Sequence[str],
    timestamper: Timestamper | None = None,
) -> bytes:
    """``pdf`` with the empty signature field ``field`` signed by ``signer``; all that was there stays.

    ``at`` (aware) is the claimed signing time; it is shown below ``lines``, the visible text. Raises
    :class:`SigningFault`.
    """
    prepared = prepare(
        pdf,
        field,
        signer.certificate,
        signer.chain,
        at=at,
        first=first,
        last=last,
        lines=lines,
        timestamped=timestamper is not None,
    )
    return complete(prepared, signer.sign_digest(prepared.digest), timestamper)


def prepare(
    pdf: bytes,
    field: str,
    certificate: bytes,
    chain: tuple[bytes, ...],
    *,
    at: datetime,
    first: bool,
    last: bool,
    lines: Sequence[str],
    timestamped: bool = False,
) -> Prepared:
    """All of a signature but its value. ``timestamped`` keeps room for a token. Raises :class:`SigningFault`.

    1. fill the field in one incremental update, with room for a CMS of known size (no trial signature);
    2. hash what the ByteRange covers;
    3. put the digest into the signed attributes.
    """
    shell = _shell(certificate, chain)
    room = shell.size + (TIMESTAMP_ROOM if timestamped else 0)
    at = at.astimezone(VIETNAM)
    try:
        writer = Update(BytesIO(pdf))
        embedding = PdfCMSEmbedder().write_cms(field, writer, existing_fields_only=True)
        next(embedding)
        if first:
            writer.register_extension(ESIC_EXTENSION_1)
            cast(Any, writer).update_root()
        embedding.send(
            SigObjSetup(
                SignatureObject(at, subfilter=SigSeedSubFilter.PADES, bytes_reserved=2 * room),
                mdp_setup=_permissions(first, last),
                appearance_setup=cast(Any, _Appearance((*lines, time_line(at)), seal=last)),
            )
        )
        ranges, output = embedding.send(SigIOSetup(md_algorithm="sha256"))
    except (SigningError, misc.PdfError, KeyError, TooMuchText) as error:
        raise SigningFault(f"{field}: {error}") from error
    return Prepared(
        pdf=output.getvalue(),
        field=field,
        start=ranges.reserved_region_start,
        end=ranges.reserved_region_end,
        signed_attributes=shell.signed_attributes(ranges.document_digest),
        certificate=certificate,
        chain=chain,
    )


def complete(prepared: Prepared, signature: bytes, timestamper: Timestamper | None = None) -> bytes:
    """The signed file. ``signature`` is what the key made of ``prepared.digest``.

    The value is checked against the certificate before it goes anywhere: a token that answers with another
    key, or a line of a batch that slipped, must not end up in a file. Raises :class:`SigningFault`.
    """
    shell = _shell(prepared.certificate, prepared.chain)
    if not shell.accepts(signature, prepared.digest):
        raise SigningFault(f"{prepared.field}: the signature value does not fit digest and certificate")
    token = timestamper.timestamp(hashlib.sha256(signature).digest()) if timestamper is not None else None
    contents = shell.cms(prepared.signed_attributes, signature, token).hex().encode("ascii").upper()
    room = prepared.end - prepared.start - 2
    if len(contents) > room:
        raise SigningFault(
            f"{prepared.field}: the signature takes {len(contents)} digits, {room} are kept free"
        )
    return b"".join(
        (
            prepared.pdf[: prepared.start + 1],
            contents.ljust(room, b"0"),
            prepared.pdf[prepared.end - 1 :],
        )
    )


def fits(certificate: bytes, digest: bytes, signature: bytes) -> bool:
    """Whether ``signature`` is the value of this certificate's key over this SHA-256 digest."""
    return _shell(certificate, ()).accepts(signature, digest)


def _permissions(first: bool, last: bool) -> SigMDPSetup | None:
    """ISO 32000-2: DocMDP in the first signature (12.8.2.2), FieldMDP over all in the seal (12.8.2.4)."""
    if not first and not last:
        return None
    return SigMDPSetup(
        md_algorithm="sha256",
        certify=first,
        field_lock=FieldMDPSpec(FieldMDPAction.ALL) if last else None,
        docmdp_perms=MDPPerm.NO_CHANGES if last else MDPPerm.FILL_FORMS,
    )


class Update(IncrementalPdfFileWriter):
    """An incremental update that changes nothing but what is signed or added.

    pyHanko would give the file a random identifier and write the clock and its name into /Info and XMP; what
    the renderer wrote (and PDF/A asks to agree) stays.
    """

    def _update_meta(self) -> None:
        pass

    @classmethod
    def _handle_id(cls, prev: PdfFileReader) -> Any:
        first, _ = prev.trailer["/ID"]
        revision = hashlib.sha256(prev.stream.getbuffer()).digest()[:16]
        return _pdf.ArrayObject([first, _pdf.ByteStringObject(revision)])


@dataclass(frozen=True, slots=True)
class _Appearance:
    """The visible part: drawn with the font that the file already carries, so nothing is embedded again.

    Only /AP of the widget changes; tooltip (/TU) and structure parent stay. The font size is the one that the
    renderer wrote into the widget's /DA, the same for all places of a page; without one the text is as large
    as fits. Takes the place of pyHanko's ``SigAppearanceSetup`` (one method, ``apply``).
    """

    lines: tuple[str, ...]
    seal: bool

    def apply(self, widget: Any, writer: BasePdfFileWriter) -> None:
        left, bottom, right, top = (float(value) for value in widget["/Rect"])
        width, height = abs(right - left), abs(top - bottom)
        font = writer.root["/AcroForm"]["/DR"]["/Font"].raw_get(f"/{RESOURCE}")
        size = size_of(str(widget.get("/DA", "")))
        stream = _pdf.StreamObject(
            _dictionary(
                Type=_pdf.pdf_name("/XObject"),
                Subtype=_pdf.pdf_name("/Form"),
                BBox=_pdf.ArrayObject(_pdf.FloatObject(round(value, 3)) for value in (0, 0, width, height)),
                Resources=_dictionary(Font=_dictionary(**{RESOURCE: font})),
            ),
            stream_data=draw(self.lines, width, height, seal=self.seal, size=size),
        )
        stream.compress()
        widget[_pdf.pdf_name("/AP")] = _dictionary(N=writer.add_object(stream))
        writer.update_container(widget)


@dataclass(frozen=True, slots=True)
class _Shell:
    """Everything of a signer's CMS (RFC 5652, SignedData) that is the same in each signature, as DER.

    The parts that differ - digest, signature value, token - are put between by concatenation: building the
    structure anew with asn1crypto would take most of the time of a signature.
    """

    public_key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey
    head: bytes  # version, digest algorithms, content info, certificates
    signer_head: bytes  # version, signer identifier, digest algorithm
    signature_algorithm: bytes
    fixed_attributes: tuple[bytes, ...]  # content type, signing certificate (RFC 5035)
    size: int  # the longest CMS without a token, in bytes

    def signed_attributes(self, document_digest: bytes) -> bytes:
        """DER SET OF (sorted). PAdES forbids signing-time here: it stands in /M (EN 319 142-1, 6.3)."""
        digest = _attribute("message_digest", _der(0x04, document_digest))
        return _der(0x31, *sorted((*self.fixed_attributes, digest)))

    def accepts(self, signature: bytes, digest: bytes) -> bool:
        hashed = utils.Prehashed(hashes.SHA256())
        try:
            if isinstance(self.public_key, rsa.RSAPublicKey):
                self.public_key.verify(signature, digest, padding.PKCS1v15(), hashed)
            else:
                self.public_key.verify(signature, digest, ec.ECDSA(hashed))
        except InvalidSignature:
            return False
        return True

    def cms(self, signed_attributes: bytes, signature: bytes, token: bytes | None) -> bytes:
        parts = [
            self.signer_head,
            b"\xa0" + signed_attributes[1:],  # [0] IMPLICIT in place of SET, RFC 5652 clause 5.4
            self.signature_algorithm,
            _der(0x04, signature),
        ]
        if token is not None:
            parts.append(_der(0xA1, _attribute("signature_time_stamp_token", token)))
        signer_infos = _der(0x31, _der(0x30, *parts))
        return _der(0x30, _SIGNED_DATA, _der(0xA0, _der(0x30, self.head, signer_infos)))


_SIGNED_DATA = cms.ContentType("signed_data").dump()


@lru_cache(maxsize=1024)
def _shell(certificate: bytes, chain: tuple[bytes, ...]) -> _Shell:
    """The fixed parts for one signer. Raises :class:`SigningFault` for a key that signs no SHA-256 digest."""
    parsed = asn1_x509.Certificate.load(certificate)
    public_key = x509.load_der_x509_certificate(certificate).public_key()
    if isinstance(public_key, rsa.RSAPublicKey):
        mechanism, signature_size = "sha256_rsa", public_key.key_size // 8
    elif isinstance(public_key, ec.EllipticCurvePublicKey):
        mechanism = "sha256_ecdsa"
        signature_size = 2 * ((public_key.curve.key_size + 7) // 8) + _ECDSA_OVERHEAD
    else:
        raise SigningFault(f"{parsed.subject.human_friendly}: neither an RSA nor an elliptic-curve key")
    sha256 = algos.DigestAlgorithm({"algorithm": "sha256"})
    signer_id = cms.SignerIdentifier(
        name="issuer_and_serial_number",
        value=cms.IssuerAndSerialNumber({"issuer": parsed.issuer, "serial_number": parsed.serial_number}),
    )
    shell = _Shell(
        public_key=public_key,
        head=b"".join(
            (
                cms.CMSVersion("v1").dump(),
                _der(0x31, sha256.dump()),
                cms.EncapsulatedContentInfo({"content_type": "data"}).dump(),
                _der(0xA0, *sorted({certificate, *chain})),
            )
        ),
        signer_head=cms.CMSVersion("v1").dump() + signer_id.dump() + sha256.dump(),
        signature_algorithm=algos.SignedDigestAlgorithm({"algorithm": mechanism}).dump(),
        fixed_attributes=(
            _attribute("content_type", cms.ContentType("data").dump()),
            _attribute("signing_certificate_v2", as_signing_certificate_v2(parsed).dump()),
        ),
        size=0,
    )
    longest = len(shell.cms(shell.signed_attributes(bytes(32)), bytes(signature_size), None))
    return replace(shell, size=longest)


def _attribute(name: str, value: bytes) -> bytes:
    """A CMS attribute with one value (RFC 5652, clause 5.3)."""
    return _der(0x30, cms.CMSAttributeType(name).dump(), _der(0x31, value))


def _dictionary(**entries: Any) -> Any:
    return _pdf.DictionaryObject({_pdf.pdf_name(f"/{key}"): value for key, value in entries.items()})
