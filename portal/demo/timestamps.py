"""The demo's timestamp authority, in this process: RFC 3161 tokens at a time of the story."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

from portal.demo.authority import Credential

_POLICY = "1.3.6.1.4.1.99999.1"  # invented, like the authority


class DemoTimestamper:
    """A ``portal.ports.Timestamper`` whose clock stands at ``at``."""

    def __init__(self, credential: Credential, at: datetime) -> None:
        self.credential = credential
        self.at = at

    def timestamp(self, digest: bytes) -> bytes:
        """The DER TimeStampToken over this SHA-256, with its authority's certificates."""
        # 1 What is said: this digest existed at this second.
        sha256 = algos.DigestAlgorithm({"algorithm": "sha256"})
        info = tsp.TSTInfo(
            {
                "version": "v1",
                "policy": _POLICY,
                "message_imprint": {"hash_algorithm": sha256, "hashed_message": digest},
                "serial_number": secrets.randbits(63),
                "gen_time": self.at.replace(microsecond=0),
                "accuracy": {"seconds": 1},
            }
        ).dump()

        # 2 What is signed: its digest, and the certificate that it is signed for (RFC 5816).
        certificate = asn1_x509.Certificate.load(self.credential.der)
        named = tsp.SigningCertificateV2(
            {"certs": [{"cert_hash": hashlib.sha256(self.credential.der).digest()}]}
        )
        attributes = cms.CMSAttributes(
            [
                {"type": "content_type", "values": ["tst_info"]},
                {"type": "message_digest", "values": [hashlib.sha256(info).digest()]},
                {"type": "signing_certificate_v2", "values": [named]},
            ]
        )
        mechanism, value = self._sign(attributes.dump())

        # 3 Around both, with the certificates up to the root.
        signer_id = {"issuer": certificate.issuer, "serial_number": certificate.serial_number}
        chain = [asn1_x509.Certificate.load(der) for der in self.credential.chain_der]
        signed = cms.SignedData(
            {
                "version": "v3",
                "digest_algorithms": [sha256],
                "encap_content_info": {
                    "content_type": "tst_info",
                    "content": core.ParsableOctetString(info, explicit=0),
                },
                "certificates": [certificate, *chain],
                "signer_infos": [
                    {
                        "version": "v1",
                        "sid": cms.SignerIdentifier(name="issuer_and_serial_number", value=signer_id),
                        "digest_algorithm": sha256,
                        "signed_attrs": attributes,
                        "signature_algorithm": {"algorithm": mechanism},
                        "signature": value,
                    }
                ],
            }
        )
        return bytes(cms.ContentInfo({"content_type": "signed_data", "content": signed}).dump())

    def _sign(self, attributes: bytes) -> tuple[str, bytes]:
        digest, hashed = hashlib.sha256(attributes).digest(), utils.Prehashed(hashes.SHA256())
        key = self.credential.private_key
        if isinstance(key, ec.EllipticCurvePrivateKey):
            return "sha256_ecdsa", key.sign(digest, ec.ECDSA(hashed))
        return "sha256_rsa", key.sign(digest, padding.PKCS1v15(), hashed)
