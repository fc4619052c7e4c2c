"""Whether whoever asks that a certificate be approved holds its key.

A certificate is public: its file alone shows nothing. So every registration has a challenge of its own, and
the applicant brings a signature of it. What is signed begins with words, and a signature of ours is made over
signed attributes (a DER SET, RFC 5652 clause 5.4): neither can be passed off as the other.
"""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.audit.service import Action, Actor, Event, Object
from portal.trust.models import Signer

_WORDS: Final = b"I hold the key of this certificate, for this registration. "


def challenge(session: Session, signer: uuid.UUID) -> bytes:
    """The SHA-256 that the key has to sign: of the registration, its certificate and its random number."""
    return _challenge(session.get_one(Signer, signer))


def show(session: Session, signer: uuid.UUID, signature: bytes, *, actor: Actor, now: datetime) -> bool:
    """Whether ``signature`` (PKCS#1 v1.5 on DigestInfo, or DER of ECDSA) is the key's on the challenge; then
    the registration says so from now on, and the trail.
    """
    row = session.get_one(Signer, signer, with_for_update=True)
    key = x509.load_der_x509_certificate(row.certificate).public_key()
    digest, hashed = _challenge(row), utils.Prehashed(hashes.SHA256())
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, digest, padding.PKCS1v15(), hashed)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, digest, ec.ECDSA(hashed))
        else:
            return False
    except InvalidSignature:
        return False
    row.possession_at = now
    event = Event(
        actor,
        Action.TRUST_CHANGE,
        Object("certificate", row.certificate_sha256),
        organisation=row.school_code,
        details={"change": "possession_shown", "signer": str(row.id)},
    )
    audit.record(session, event, now=now)
    return True


def _challenge(row: Signer) -> bytes:
    named = f"{row.id} {row.certificate_sha256} {row.nonce}".encode()
    return hashlib.sha256(_WORDS + named).digest()
