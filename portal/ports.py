"""What is outside, as protocols: services take these as arguments, the composition root chooses them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from portal.tombstone import Tombstone
from verifier.report import ValidationReport
from verifier.sandbox import CheckJob


class Clock(Protocol):
    """Tells the time, aware, in UTC."""

    def now(self) -> datetime: ...


class Checker(Protocol):
    """Examines untrusted bytes away from the web process. Never raises for a document's sake:
    time-out, crash and lack of memory come back as ``report.incomplete``.
    """

    def check(self, job: CheckJob) -> ValidationReport: ...


class IdentityProvider(Protocol):
    """An OpenID provider (:mod:`portal.accounts.openid`). Both calls may ask over the network, in bounds."""

    @property
    def issuer(self) -> str: ...

    @property
    def name(self) -> str: ...

    def offered(self, kind: str) -> bool:
        """Whether accounts of this kind may sign in by it."""

    def address(self, state: str, nonce: str, verifier: str, *, language: str, now: datetime) -> str: ...

    def identify(
        self, answer: Mapping[str, str], nonce: str, verifier: str, *, since: datetime, now: datetime
    ) -> str: ...


class FileStore(Protocol):
    """Blobs under names we choose. ``put_new`` is create-only: FileExistsError when the name is taken.
    ``get`` raises FileNotFoundError; ``delete`` of what is not there does nothing.
    """

    def put_new(self, name: str, data: bytes) -> None: ...

    def get(self, name: str) -> bytes: ...

    def exists(self, name: str) -> bool: ...

    def delete(self, name: str) -> None: ...


class Tombstones(Protocol):
    """What was erased, kept where no restored backup reaches. ``put_new`` is create-only (FileExistsError);
    ``get`` raises FileNotFoundError and CorruptFile; ``names`` are those of every kind, sorted.
    """

    def put_new(self, stone: Tombstone) -> None: ...

    def get(self, kind: str, name: str) -> Tombstone: ...

    def names(self) -> Mapping[str, tuple[str, ...]]: ...


class Signer(Protocol):
    """A key that signs digests, wherever it lives (PKCS#12, PKCS#11, a token elsewhere).

    ``certificate`` and ``chain`` (issuer first, root left out) are DER. ``sign_digest`` takes the SHA-256 of
    the DER signed attributes and returns the raw signature value (PKCS#1 v1.5 for RSA, DER for ECDSA).
    """

    @property
    def certificate(self) -> bytes: ...

    @property
    def chain(self) -> tuple[bytes, ...]: ...

    def sign_digest(self, digest: bytes) -> bytes: ...


class Timestamper(Protocol):
    """An RFC 3161 authority: takes the SHA-256 of a signature value, returns the DER TimeStampToken."""

    def timestamp(self, digest: bytes) -> bytes: ...


class Channel(StrEnum):
    """By what a message reaches somebody. Which of SMS and Zalo it is, the provider decides."""

    EMAIL = "email"
    PHONE = "phone"


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A message as it is sent. The same ``id`` again is the same message again: whoever can, drops it."""

    id: uuid.UUID
    channel: Channel
    to: str = field(repr=False)  # an e-mail address, or +84… (E.164)
    subject: str = field(repr=False)  # of an e-mail
    text: str = field(repr=False)
    language: str
    at: datetime  # when it was written


class SendFault(Exception):  # noqa: N818 - the other machine, not we, decides when it works again
    """A message was not taken, as far as one can know. ``code`` names why, without a word of the message."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class TemporarySendFault(SendFault):
    """Worth another try later."""


class PermanentSendFault(SendFault):
    """This message will never be taken."""


class Mailer(Protocol):
    """Hands a message on. Answers when it was taken; raises a :class:`SendFault`, and may then have handed it
    on all the same.
    """

    def send(self, message: OutgoingMessage) -> None: ...
