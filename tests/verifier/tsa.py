"""A timestamp authority of the tests' own: it signs what it is told, right or wrong in one named way."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from pyhanko.sign.timestamps import TimeStamper

from tests.verifier.pki import NOW, Ca


def timestamp_signer(below: Ca, name: str = "Dịch vụ dấu thời gian", **options: Any) -> Ca:
    """A certificate for timestamps and nothing else."""
    options.setdefault("purposes", (ExtendedKeyUsageOID.TIME_STAMPING,))
    return below.issue(name, **options)


@dataclass(frozen=True)
class Tsa:
    """A ``portal.ports.Timestamper``. ``fault`` makes its tokens wrong in one way, with a right signature."""

    person: Ca
    at: datetime = NOW
    accuracy: timedelta | None = timedelta(seconds=1)
    digest: str = "sha256"
    fault: str = ""
    along: Sequence[bytes] = ()  # further certificates in its tokens

    def timestamp(self, digest: bytes) -> bytes:
        info = tsp.TSTInfo(
            {
                "version": "v1",
                "policy": "1.3.6.1.4.1.99999.2",
                "message_imprint": {
                    "hash_algorithm": {"algorithm": self.digest},
                    "hashed_message": bytes(len(digest)) if self.fault == "imprint" else digest,
                },
                "serial_number": 7,
                "gen_time": self.at,
                **({} if self.accuracy is None else {"accuracy": _accuracy(self.accuracy)}),
            }
        ).dump()
        if self.fault == "critical_extension":
            extension = {"extn_id": "1.3.6.1.4.1.99999.3", "critical": True, "extn_value": b"\x05\x00"}
            loaded = tsp.TSTInfo.load(info)
            loaded["extensions"] = [extension]
            info = loaded.dump(force=True)
        parsed = asn1_x509.Certificate.load(self.person.der)
        named = hashlib.sha256(b"?" if self.fault == "other_certificate" else self.person.der).digest()
        attributes = [
            {"type": "content_type", "values": ["tst_info"]},
            {
                "type": "message_digest",
                "values": [hashlib.sha256(b"?" if self.fault == "content" else info).digest()],
            },
            {
                "type": "signing_certificate_v2",
                "values": [tsp.SigningCertificateV2({"certs": [tsp.ESSCertIDv2({"cert_hash": named})]})],
            },
        ]
        if self.fault == "no_certificate_attribute":
            attributes.pop()
        signed = cms.CMSAttributes([cms.CMSAttribute(a) for a in attributes])
        value, mechanism = _sign(self.person, signed.dump())
        if self.fault == "signature":
            value = _sign(self.person, b"something else")[0]
        chain = [self.person, self.person.parent] if self.person.parent else [self.person]
        certificates = [asn1_x509.Certificate.load(ca.der) for ca in chain if ca is not None]
        certificates += [asn1_x509.Certificate.load(der) for der in self.along]
        sha256 = algos.DigestAlgorithm({"algorithm": "sha256"})
        data = cms.SignedData(
            {
                "version": "v3",
                "digest_algorithms": [sha256],
                "encap_content_info": {
                    "content_type": "data" if self.fault == "content_type" else "tst_info",
                    "content": core.ParsableOctetString(info, explicit=0),
                },
                "certificates": certificates,
                "signer_infos": [
                    {
                        "version": "v1",
                        "sid": cms.SignerIdentifier(
                            name="issuer_and_serial_number",
                            value={"issuer": parsed.issuer, "serial_number": parsed.serial_number},
                        ),
                        "digest_algorithm": sha256,
                        "signed_attrs": signed,
                        "signature_algorithm": {"algorithm": mechanism},
                        "signature": value,
                    }
                ],
            }
        )
        token: bytes = cms.ContentInfo({"content_type": "signed_data", "content": data}).dump()
        return token


def _accuracy(accuracy: timedelta) -> dict[str, int]:
    parts = {"seconds": accuracy.seconds + 86400 * accuracy.days, "millis": accuracy.microseconds // 1000}
    return {name: value for name, value in parts.items() if value}


def _sign(person: Ca, data: bytes) -> tuple[bytes, str]:
    match person.key:
        case rsa.RSAPrivateKey() as key:
            return key.sign(data, padding.PKCS1v15(), hashes.SHA256()), "sha256_rsa"
        case ec.EllipticCurvePrivateKey() as key:
            return key.sign(data, ec.ECDSA(hashes.SHA256())), "sha256_ecdsa"
    raise TypeError(person.key)


class ForPyHanko(TimeStamper):
    """The same authority, asked by stock pyHanko when it signs."""

    def __init__(self, tsa: Tsa) -> None:
        super().__init__(include_nonce=False)  # type: ignore[no-untyped-call]
        self.tsa = tsa

    async def async_request_tsa_response(self, req: tsp.TimeStampReq) -> tsp.TimeStampResp:
        token = self.tsa.timestamp(req["message_imprint"]["hashed_message"].native)
        return tsp.TimeStampResp(
            {"status": {"status": "granted"}, "time_stamp_token": cms.ContentInfo.load(token)}
        )
