"""Asking a timestamp authority over HTTP (RFC 3161, clause 3.4): a ``portal.ports.Timestamper``.

Asked is the configured address alone, in the bounds of ``portal.fetching``: an authority that is
down, hangs, drips, floods or sends elsewhere keeps nobody longer than :data:`SECONDS`, and is a fault that
names it.
"""

from __future__ import annotations

import secrets
from typing import Final

from asn1crypto import algos, cms, tsp

from portal.errors import PortalError
from portal.fetching import FetchFault, Question, fetch
from verifier import der

SECONDS: Final = 20.0  # for one answer, in all
_LARGEST = 256 * 1024  # bytes: a token with its whole chain has a tenth of that


class TimestampFault(PortalError):  # noqa: N818 - the authority, not we, decides when it works again
    """The authority cannot be reached, refuses, or answers something else than was asked."""


class HttpTimestamper:
    """One authority. The token's own signature is checked with the finished file, by the verifier."""

    def __init__(self, url: str, *, seconds: float = SECONDS) -> None:
        self.url = url
        self._seconds = seconds

    def timestamp(self, digest: bytes) -> bytes:
        """The DER TimeStampToken over this SHA-256. Raises :class:`TimestampFault`."""
        nonce = secrets.randbits(64)
        imprint = {"hash_algorithm": algos.DigestAlgorithm({"algorithm": "sha256"}), "hashed_message": digest}
        asked = tsp.TimeStampReq(
            {
                "version": "v1",
                "message_imprint": tsp.MessageImprint(imprint),
                "nonce": nonce,
                "cert_req": True,
            }
        )
        question = Question("application/timestamp-query", asked.dump())
        try:
            body = fetch(self.url, most_bytes=_LARGEST, seconds=self._seconds, question=question)
        except FetchFault as fault:
            raise TimestampFault(f"{self.url}: {fault}") from fault
        try:
            answer = der.read(body)
            told, *tokens = answer.expect(der.SEQUENCE).children()  # a refusal carries no token
            status = tsp.PKIStatusInfo.load(told.encoded, strict=True)
            if status["status"].native not in ("granted", "granted_with_mods"):
                why = ", ".join(sorted(status["fail_info"].native or ()))
                raise TimestampFault(f"{self.url}: {status['status'].native} {why}".rstrip())
            (found,) = tokens
            token = cms.ContentInfo.load(found.encoded, strict=True)
            info = token["content"]["encap_content_info"]["content"].parsed
            same = (
                info["message_imprint"]["hashed_message"].native == digest
                and info["message_imprint"]["hash_algorithm"]["algorithm"].native == "sha256"
                and info["nonce"].native == nonce
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise TimestampFault(f"{self.url}: not a timestamp response") from error
        if not same:
            raise TimestampFault(f"{self.url}: the token is for another request")
        return bytes(token.dump())
