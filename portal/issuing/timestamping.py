"""Asking a timestamp authority over HTTP (RFC 3161, clause 3.4): a ``portal.ports.Timestamper``."""

from __future__ import annotations

import secrets
import urllib.error
import urllib.request

from asn1crypto import algos, cms, tsp

from portal.errors import PortalError

_TIMEOUT = 20.0  # seconds, for one answer
_LARGEST = 256 * 1024  # bytes: a token with its whole chain has a tenth of that


class TimestampFault(PortalError):  # noqa: N818 - the authority, not we, decides when it works again
    """The authority cannot be reached, refuses, or answers something else than was asked."""


class HttpTimestamper:
    """One authority. The token's own signature is checked with the finished file, by the verifier."""

    def __init__(self, url: str) -> None:
        self.url = url

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
        request = urllib.request.Request(  # noqa: S310 - http(s) only: Settings checks TSA_URL
            self.url, asked.dump(), {"Content-Type": "application/timestamp-query"}
        )
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:  # noqa: S310 - as above
                body = response.read(_LARGEST)
        except (OSError, urllib.error.URLError) as error:
            raise TimestampFault(f"{self.url}: {error}") from error
        try:
            answer = tsp.TimeStampResp.load(body, strict=True)
            status = answer["status"]["status"].native
            if status not in ("granted", "granted_with_mods"):
                raise TimestampFault(f"{self.url}: {status}")
            token: cms.ContentInfo = answer["time_stamp_token"]
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
