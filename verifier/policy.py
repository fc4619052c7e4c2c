"""What a check demands and how much work it may spend, as frozen values with named profiles.

Nothing in the verifier hard-codes a limit or an algorithm: it stands here, so that a report can be explained
by one object. Follows the cryptographic constraints of ETSI TS 119 312 (SHA-2, RSA of 2048 bits or more,
P-256 and P-384) and the validation constraints of ETSI EN 319 102-1 clause 5.1.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Algorithms:
    """Which digests and keys count, which are merely weak (real records of 2025 carry SHA-1), the rest is
    refused.

    Names are lower case without hyphens; key sizes are bits; curves are the names of SEC 2 as
    ``cryptography`` gives.
    """

    digests: frozenset[str] = frozenset({"sha256", "sha384", "sha512"})
    weak_digests: frozenset[str] = frozenset({"sha1", "sha224"})
    rsa_min_bits: int = 2048
    curves: frozenset[str] = frozenset({"secp256r1", "secp384r1"})
    ed25519: bool = True


@dataclass(frozen=True, slots=True)
class Limits:
    """Most a document may cost. Sizes in bytes, pixels per rendered page or image."""

    size: int = 10 * 1024 * 1024
    pages: int = 20
    revisions: int = 40
    objects: int = 20_000
    signatures: int = 24
    timestamps: int = 32  # of the document, one a renewal
    evidence: int = 256  # certificates, lists and answers in its security store
    certificates: int = 80
    stream_bytes: int = 32 * 1024 * 1024
    document_bytes: int = 64 * 1024 * 1024
    attachment_bytes: int = 1024 * 1024
    prefixes: int = 128
    codes: int = 16
    code_length: int = 512
    page_dpi: int = 200
    page_pixels: int = 16_000_000
    scanned_pages: int = 4  # pages of pictures whose code is searched for with every means


@dataclass(frozen=True, slots=True)
class KeyUse:
    """What the signing certificate must say about its key (RFC 5280 §4.2.1.3, §4.2.1.12).

    ``non_repudiation`` (contentCommitment) is required. An extended key usage, when present, must name one of
    ``purposes`` and none of ``forbidden``: a web server's certificate signs no school record. ``sole``: it
    must be present, be critical and name nothing but ``purposes`` (RFC 3161 §2.3).
    """

    non_repudiation: bool = True
    sole: bool = False
    purposes: frozenset[str] = frozenset(
        {
            "1.3.6.1.5.5.7.3.4",  # emailProtection, the usual purpose of personal certificates
            "1.3.6.1.5.5.7.3.36",  # documentSigning, RFC 9336
            "1.3.6.1.4.1.311.10.3.12",  # Microsoft document signing
            "1.2.840.113583.1.1.5",  # Adobe authentic documents
        }
    )
    forbidden: frozenset[str] = frozenset(
        {
            "1.3.6.1.5.5.7.3.1",  # serverAuth
            "1.3.6.1.5.5.7.3.3",  # codeSigning
            "1.3.6.1.5.5.7.3.8",  # timeStamping: a timestamp authority's key signs time and nothing else
            "1.3.6.1.5.5.7.3.9",  # OCSPSigning
        }
    )


#: A timestamp authority's certificate signs time and nothing else (RFC 3161 §2.3).
TIMESTAMPING = KeyUse(
    non_repudiation=False, sole=True, purposes=frozenset({"1.3.6.1.5.5.7.3.8"}), forbidden=frozenset()
)


@dataclass(frozen=True, slots=True)
class Resources:
    """What the child that examines a document may spend (SEC-13).

    ``deadline`` is wall time in seconds from the question to the answer, ``grace`` how much longer whoever
    asks waits for the end of what did not keep it. ``cpu_seconds`` and ``memory`` (bytes of address space)
    are limits of the kernel, ``answer_bytes`` bounds what it may say.
    """

    deadline: float = 15.0
    grace: float = 2.0
    cpu_seconds: int = 10
    memory: int = 1024 * 1024 * 1024
    answer_bytes: int = 256 * 1024


@dataclass(frozen=True, slots=True)
class ValidationPolicy:
    """Everything a check is measured against.

    ``clock_tolerance``: how far a claimed signing time may lie after the proven one. ``path_length``: most
    certificates between signer and anchor, both counted. ``timestamp_accuracy``: how far off a timestamp may
    call itself and still prove a time.
    """

    name: str = "hoc-ba-so-1"
    algorithms: Algorithms = Algorithms()
    limits: Limits = Limits()
    key_use: KeyUse = KeyUse()
    timestamp_use: KeyUse = TIMESTAMPING
    timestamp_accuracy: timedelta = timedelta(minutes=1)
    resources: Resources = Resources()
    clock_tolerance: timedelta = timedelta(minutes=5)
    path_length: int = 4


DEFAULT = ValidationPolicy()
