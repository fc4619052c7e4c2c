"""What a check demands and how much work it may spend, as frozen values with named profiles.

Nothing in the verifier hard-codes a limit or an algorithm: it stands here, so that a report can be explained
by one object. Follows the cryptographic constraints of ETSI TS 119 312, which are those of the SOG-IS agreed
mechanisms, and the validation constraints of ETSI EN 319 102-1 clause 5.1.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

#: The end of what was over before the first digital school record.
NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LEGACY_RSA_ENDS: Final = datetime(2029, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Algorithms:
    """Which digests and keys count, and until when: what is proven to have existed before that moment keeps
    its strength, anything later is weak (None: no end is set). What is not listed is refused; an RSA key
    shorter than the shortest here is weak at any time, as is SHA-1, which real records of 2025 carry.

    Names are lower case without hyphens; ``rsa`` gives the least bits of each class, rising; curves are the
    names of SEC 2 as ``cryptography`` gives them. ETSI TS 119 312 (V1.5.1): RSA below 3000 bits until the end
    of 2028; no end is set there for longer keys, for these curves and for SHA-2.
    """

    digests: tuple[tuple[str, datetime | None], ...] = (
        ("sha256", None),
        ("sha384", None),
        ("sha512", None),
        ("sha224", NEVER),
        ("sha1", NEVER),
    )
    rsa: tuple[tuple[int, datetime | None], ...] = ((2048, _LEGACY_RSA_ENDS), (3000, None))
    curves: tuple[tuple[str, datetime | None], ...] = (("secp256r1", None), ("secp384r1", None))
    ed25519: datetime | None = None


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
