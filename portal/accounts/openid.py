"""The OpenID provider, asked as OpenID Connect Core 1.0 §3.1 says (code flow) with RFC 7636 (PKCE, S256) and
in the bounds of RFC 9700: one provider, exact addresses, one redirect URI, nothing believed unsigned.

Of Authlib and joserfc these are the parts that build requests and judge claims and signatures; what goes
over the network goes through :func:`portal.fetching.fetch`, bounded in time and size and without
redirects.
Only ``openid`` is asked for: no name, no number, no address comes back, and the access token is dropped.
"""

from __future__ import annotations

import hmac
import json
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote_plus, urlsplit

from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import BadSignatureError, InvalidKeyIdError, JoseError
from joserfc.jwk import JWKRegistry, Key, KeySet, OctKey, RSAKey

from portal.accounts.federation import refusal
from portal.accounts.models import AccountKind
from portal.config import OpenIdClient
from portal.fetching import FetchFault, Question, fetch

#: Signatures by a private key alone: with "none" or a shared secret anybody here could make a token.
ALGORITHMS: Final = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
)  # fmt: skip
#: How long what the provider says of itself is believed, and its keys.
METADATA_LIFE: Final = timedelta(hours=1)
KEYS_LIFE: Final = timedelta(minutes=15)
#: A provider that did not answer, and one that signed with a key we do not know, is asked again after this.
PAUSE: Final = timedelta(seconds=10)
_LEEWAY: Final = 60  # seconds that clocks may differ
_OLDEST: Final = 600  # seconds since the ID token was made
_MOST_BYTES: Final = 64 * 1024
_MOST_SUBJECT: Final = 255  # Core §2
_LEAST_RSA_BITS: Final = 2048
#: Requests that wait for the provider at one time. The server's other threads stay for everybody else.
_PLACES: Final = 16
# What reading somebody's JSON and base64 raises.
_GARBLED: Final = (
    JoseError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError
)  # fmt: skip
# Error codes of the provider (RFC 6749 §4.1.2.1, Core §3.1.2.6) that are not a plain refusal.
_ERRORS: Final = {
    "access_denied": "cancelled",
    "server_error": "unavailable",
    "temporarily_unavailable": "unavailable",
    "unmet_authentication_requirements": "weak",
}


class OpenIdProvider:
    """One provider, for every thread of a process (:class:`portal.ports.IdentityProvider`)."""

    def __init__(
        self, client: OpenIdClient, redirect_uri: str, *, secure: bool, seconds: float = 5.0
    ) -> None:
        """``redirect_uri``, in full, is ours. ``secure``: every address of theirs must be https. ``seconds``
        is the longest for one answer.
        """
        self._client = client
        self._redirect_uri = redirect_uri
        self._secure = secure
        self._seconds = seconds
        self._metadata = _Document(METADATA_LIFE)
        self._keys = _Document(KEYS_LIFE)
        self._places = threading.BoundedSemaphore(_PLACES)

    @property
    def issuer(self) -> str:
        """The provider's own name for itself."""
        return self._client.issuer

    @property
    def name(self) -> str:
        """What people call the provider."""
        return self._client.name

    def offered(self, kind: str) -> bool:
        """Whether accounts of this kind may sign in by it."""
        return self._client.holders if kind == AccountKind.HOLDER else self._client.staff

    def address(self, state: str, nonce: str, verifier: str, *, language: str, now: datetime) -> str:
        """Where to send the browser. Raises Refusal ``unavailable``, ``untrusted``."""
        found: str = prepare_grant_uri(
            self._known(now)["authorization_endpoint"],
            client_id=self._client.client_id,
            response_type="code",
            redirect_uri=self._redirect_uri,
            scope="openid",
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
            # On a shared machine somebody else may still be signed in there.
            prompt="login",
            ui_locales=language,
            acr_values=" ".join(self._client.acr) or None,
        )
        return found

    def identify(
        self, answer: Mapping[str, str], nonce: str, verifier: str, *, since: datetime, now: datetime
    ) -> str:
        """The ``sub`` of whoever comes back with ``answer`` (the callback's parameters), who was sent there
        at ``since``. Raises Refusal with a code of :data:`portal.accounts.federation.TROUBLES`.
        """
        # 1 Whose answer: another provider's must not reach this one's token endpoint (RFC 9207 §2.4).
        known = self._known(now)
        issuer = answer.get("iss")
        if issuer is None and known.get("authorization_response_iss_parameter_supported") is True:
            raise refusal("untrusted")
        if issuer is not None and issuer != self._client.issuer:
            raise refusal("untrusted")

        # 2 What it says.
        if (error := answer.get("error")) is not None:
            raise refusal(_ERRORS.get(error, "refused"))
        code = answer.get("code", "")
        if not code or len(code) > 4096:
            raise refusal("untrusted")

        # 3 The code for an ID token: the provider sees that it is this client (secret) and that the browser
        #   is the one that began (verifier).
        tokens = self._exchange(known, code, verifier)

        # 4 The token: signed by the provider, for us, now, for this browser.
        try:
            claims = self._claims(tokens, now)
            self._judge(claims, nonce, since, now)
            subject = claims["sub"]
        except _GARBLED:
            raise refusal("untrusted") from None
        if not isinstance(subject, str) or not 0 < len(subject) <= _MOST_SUBJECT or not subject.isascii():
            raise refusal("untrusted")

        # 5 As well proved as this portal asks.
        self._demand(claims)
        return subject

    def _exchange(self, known: Mapping[str, Any], code: str, verifier: str) -> Mapping[str, Any]:
        # RFC 6749 §2.3.1: both parts are form-encoded first, which Authlib leaves to its caller.
        methods = known.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if "client_secret_basic" in methods:
            identity = quote_plus(self._client.client_id), quote_plus(self._client.client_secret)
            auth = ClientAuth(*identity, "client_secret_basic")
        else:
            auth = ClientAuth(self._client.client_id, self._client.client_secret, "client_secret_post")
        body = prepare_token_request(
            "authorization_code", code=code, redirect_uri=self._redirect_uri, code_verifier=verifier
        )
        address, headers, body = auth.prepare("POST", known["token_endpoint"], {}, body)
        question = Question("application/x-www-form-urlencoded", body.encode(), headers)
        if not self._places.acquire(blocking=False):
            raise refusal("unavailable")
        try:
            return self._ask(address, question)
        finally:
            self._places.release()

    def _claims(self, tokens: Mapping[str, Any], now: datetime) -> CodeIDToken:
        """The claims under a signature by one of the provider's keys. A key that is new here makes us ask for
        the keys once more, but not for every token that names one.
        """
        token = tokens["id_token"]
        if not isinstance(token, str):
            raise TypeError("id_token")
        try:
            found = jwt.decode(token, self._key_set(now), algorithms=ALGORITHMS)
        except (InvalidKeyIdError, BadSignatureError):
            found = jwt.decode(token, self._key_set(now, again=True), algorithms=ALGORITHMS)
        expected = {"client_id": self._client.client_id, "access_token": tokens.get("access_token")}
        options = {"iss": {"essential": True, "value": self._client.issuer}}
        return CodeIDToken(found.claims, found.header, options, expected)

    def _judge(self, claims: CodeIDToken, nonce: str, since: datetime, now: datetime) -> None:
        """Core §3.1.3.7. Raises one of ``_GARBLED``."""
        seconds = int(now.timestamp())
        claims.validate(now=seconds, leeway=_LEEWAY)
        # Stricter than Authlib: nobody else may hold a token that signs somebody in here.
        if claims["aud"] not in (self._client.client_id, [self._client.client_id]):
            raise ValueError("aud")
        if not seconds - _OLDEST <= claims["iat"] <= seconds + _LEEWAY:
            raise ValueError("iat")
        if not hmac.compare_digest(claims["nonce"].encode(), nonce.encode()):
            raise ValueError("nonce")
        # Not every provider says when; one that does has to have asked now, as it was told to.
        if claims.get("auth_time", seconds) < since.timestamp() - _LEEWAY:
            raise ValueError("auth_time")

    def _demand(self, claims: Mapping[str, Any]) -> None:
        wanted = self._client
        said = claims.get("amr")
        methods = said if isinstance(said, list) else []
        if wanted.acr and claims.get("acr") not in wanted.acr:
            raise refusal("weak")
        if wanted.amr and not any(each in methods for each in wanted.amr):
            raise refusal("weak")

    def _known(self, now: datetime) -> Mapping[str, Any]:
        """What the provider says of itself (OpenID Connect Discovery 1.0 §4)."""

        def ask() -> Mapping[str, Any]:
            found = self._ask(self._client.issuer.rstrip("/") + "/.well-known/openid-configuration")
            addresses = ("authorization_endpoint", "token_endpoint", "jwks_uri")
            methods = found.get("code_challenge_methods_supported", ["S256"])
            if (
                found.get("issuer") != self._client.issuer  # §4.3: or anybody could speak for it
                or not all(self._fit(found.get(name)) for name in addresses)
                or not isinstance(methods, list)
                or "S256" not in methods
                or not isinstance(found.get("token_endpoint_auth_methods_supported", []), list)
            ):
                raise refusal("untrusted")
            return found

        return self._metadata.get(ask, now)

    def _key_set(self, now: datetime, *, again: bool = False) -> KeySet:
        keys: list[Key] = []
        address = self._known(now)["jwks_uri"]
        for each in self._keys.get(lambda: self._ask(address), now, again=again)["keys"]:
            try:
                key = JWKRegistry.import_key(each)
                small = isinstance(key, RSAKey) and key.public_key.key_size < _LEAST_RSA_BITS
            except _GARBLED:  # a kind of key that is yet to come is no reason to refuse the others
                continue
            if not small and not isinstance(key, OctKey) and each.get("use", "sig") == "sig":
                keys.append(key)
        return KeySet(keys)

    def _ask(self, address: str, question: Question | None = None) -> Mapping[str, Any]:
        try:
            body = fetch(address, most_bytes=_MOST_BYTES, seconds=self._seconds, question=question)
        except FetchFault as fault:
            # 400 and 401 are the token endpoint's word for a code that is wrong, used or somebody else's.
            said_no = question is not None and fault.status in (400, 401)
            raise refusal("refused" if said_no else "unavailable") from None
        try:
            found = json.loads(body)
        except _GARBLED:
            found = None
        if not isinstance(found, dict):
            raise refusal("untrusted")
        return found

    def _fit(self, address: object) -> bool:
        if not isinstance(address, str) or not address.isascii() or not address.isprintable():
            return False
        try:
            parts = urlsplit(address)
            schemes = ("https",) if self._secure else ("https", "http")
            return parts.scheme in schemes and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            return False


class _Document:
    """Something the provider publishes, kept for a while. One thread asks, the others wait for it; after an
    answer that did not come, nobody asks for a moment.
    """

    def __init__(self, life: timedelta) -> None:
        self._life = life
        self._lock = threading.Lock()
        self._content: Mapping[str, Any] | None = None
        self._asked_at: datetime | None = None

    def get(
        self, ask: Callable[[], Mapping[str, Any]], now: datetime, *, again: bool = False
    ) -> Mapping[str, Any]:
        """Raises Refusal."""
        with self._lock:
            life = PAUSE if again or self._content is None else self._life
            if self._asked_at is None or not timedelta(0) <= now - self._asked_at < life:
                self._asked_at, self._content = now, None
                self._content = ask()
            if self._content is None:
                raise refusal("unavailable")
            return self._content
