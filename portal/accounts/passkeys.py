"""Passkeys: WebAuthn Level 3 credentials, to sign in and to confirm what cannot be undone (SEC-23).

Every ceremony asks for the user's verification (PIN, fingerprint, face) and for a credential that the
authenticator finds by itself: nobody types who they are, so no challenge tells who has an account. No
attestation is asked for: which make of phone somebody has is nothing we need to know.

A challenge answers once, for five minutes:

- *with a session* it stands in the session's row, bound to what it confirms, and is gone with the first
  answer, right or wrong;
- *before a sign-in* nothing is stored, or strangers could fill a table. The challenge itself carries its
  time under our key, bound to this browser's form cookie; and it must be younger than the passkey's last use,
  which every use moves on: an answer that was accepted once never is again.
"""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import webauthn
from sqlalchemy import select
from sqlalchemy.orm import Session
from webauthn.helpers import base64url_to_bytes, options_to_json_dict
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.structs import (
    AttestationConveyancePreference,
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from portal.accounts import service
from portal.accounts.models import Account, AccountState, Method, Passkey, WebSession
from portal.accounts.people import open_name
from portal.errors import Refusal, marked
from portal.permissions import confirms, needs_passkey
from portal.vault import Vault

#: How long a challenge may be answered.
ANSWER_WITHIN: Final = timedelta(minutes=5)
#: A passkey is added where the person proved themselves this recently: a browser left open is not enough.
ADD_WITHIN: Final = timedelta(minutes=15)
MAX_LABEL: Final = 60
#: An answer is about 1 KB; an attestation with certificates a few.
MAX_ANSWER: Final = 16 * 1024
#: Clocks of several nodes may differ so much.
_AHEAD: Final = timedelta(seconds=30)
_RANDOM: Final = 16  # bytes (WebAuthn §13.4.3)
_TIME: Final = 8
_NEW_PASSKEY: Final = sha256(b"a new passkey").hexdigest()
# What platforms and security keys have today; RS256 is Windows Hello's.
_ALGORITHMS: Final = [
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
]

_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """The portal, as authenticators know it: the host of ``PUBLIC_URL`` and its exact origin."""

    id: str
    origin: str
    name: str

    @classmethod
    def of(cls, public_url: str, name: str) -> RelyingParty:
        """``public_url`` is scheme, host and port; browsers leave a scheme's own port out."""
        parts = urlsplit(public_url)
        origin = f"{parts.scheme}://{parts.netloc}"
        if parts.port == {"https": 443, "http": 80}[parts.scheme]:
            origin = f"{parts.scheme}://{parts.hostname}"
        return cls(parts.hostname or "", origin, name)


# --------------------------------------------------------------------------------------------- a new passkey


def begin_new(
    session: Session,
    vault: Vault,
    party: RelyingParty,
    account: uuid.UUID,
    *,
    session_id: str,
    now: datetime,
) -> dict[str, Any]:
    """Options for ``navigator.credentials.create()``. Raises Refusal (:func:`_may_add`)."""
    _may_add(session, account, session_id, now=now)
    person = session.get_one(Account, account)
    name = open_name(vault, person)
    options = webauthn.generate_registration_options(
        rp_id=party.id,
        rp_name=party.name,
        user_id=account.bytes,
        user_name=service.email_of(session, vault, account) or name,
        user_display_name=name,
        challenge=_keep_challenge(session, session_id, _NEW_PASSKEY, now=now),
        timeout=_milliseconds(ANSWER_WITHIN),
        attestation=AttestationConveyancePreference.NONE,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[
            PublicKeyCredentialDescriptor(id=row.credential_id) for row in _standing(session, account)
        ],
        supported_pub_key_algs=_ALGORITHMS,
    )
    return options_to_json_dict(options)


def add(
    session: Session,
    party: RelyingParty,
    account: uuid.UUID,
    answer: str,
    label: str,
    *,
    session_id: str,
    now: datetime,
) -> bool:
    """Keep the passkey that ``answer`` brings; whoever else is signed in as this person is not any more.
    False where the answer does not hold; the caller commits either way, for the challenge is used up. Raises
    Refusal (:func:`_may_add`).
    """
    _may_add(session, account, session_id, now=now)
    challenge = _take_challenge(session, session_id, _NEW_PASSKEY, now=now)
    if challenge is None or len(answer) > MAX_ANSWER:
        return False
    made = _or_none(
        lambda: webauthn.verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            require_user_verification=True,
            supported_pub_key_algs=_ALGORITHMS,
        )
    )
    if made is None or session.scalars(select(Passkey).filter_by(credential_id=made.credential_id)).first():
        return False
    session.add(
        Passkey(
            account_pk=account,
            credential_id=made.credential_id,
            public_key=made.credential_public_key,
            sign_count=made.sign_count,
            label=" ".join(label.split())[:MAX_LABEL],
            added_at=now,
        )
    )
    service.changed_sign_in(
        session, session.get_one(Account, account), "passkey_added", session_id=session_id, now=now
    )
    return True


def is_last_needed(session: Session, account: uuid.UUID, *, now: datetime) -> bool:
    """Whether a role of this account asks for a passkey and it has one left."""
    return len(_standing(session, account)) == 1 and _needs_one(session, account, now=now)


def remove(
    session: Session, account: uuid.UUID, passkey: uuid.UUID, *, sure: bool, session_id: str, now: datetime
) -> None:
    """Take a passkey back: it opens nothing any more. Raises Refusal: ``unknown_passkey``; ``last_passkey``
    where a role needs it and the person did not say that they are ``sure``.
    """
    row = session.get(Passkey, passkey, with_for_update=True)
    if row is None or row.account_pk != account or row.removed_at is not None:
        raise Refusal("unknown_passkey", marked("Tài khoản này không có khoá đó."))
    if not sure and is_last_needed(session, account, now=now):
        raise Refusal(
            "last_passkey",
            marked("Đây là khoá cuối cùng. Bỏ nó rồi thì bạn không đăng nhập được nữa."),
            marked("Hãy tạo khoá mới trước, hoặc đánh dấu vào ô bên dưới khoá nếu bạn vẫn muốn bỏ."),
        )
    row.removed_at = now
    service.changed_sign_in(
        session, session.get_one(Account, account), "passkey_removed", session_id=session_id, now=now
    )


def comes_by_code(session: Session, account: uuid.UUID, *, session_id: str, now: datetime) -> bool:
    """Whether this session is too weak for a new passkey: whoever has one already, or a role with acts that
    one confirms, must have come in by a passkey or by a code of their administrator. Whoever fished a
    password must not get a key that approves, or that looks at records.
    """
    if session.get_one(WebSession, session_id).method in (Method.PASSKEY, Method.CODE):
        return False
    given = service.roles_given(session, account, now=now)
    return bool(_standing(session, account)) or any(confirms(role) for role in given)


def _may_add(session: Session, account: uuid.UUID, session_id: str, *, now: datetime) -> None:
    """Raises Refusal ``weak_session`` (:func:`comes_by_code`); ``sign_in_again`` where the sign-in is a while
    ago.
    """
    row = session.get_one(WebSession, session_id)
    if comes_by_code(session, account, session_id=session_id, now=now):
        raise Refusal(
            "weak_session",
            marked("Muốn thêm khoá, hãy đăng nhập bằng khoá đang có, hoặc bằng mã của quản trị viên."),
            marked("Nếu chưa có khoá nào, hãy xin quản trị viên của đơn vị một mã mới."),
        )
    if now - row.made_at > ADD_WITHIN:
        raise Refusal(
            "sign_in_again",
            marked("Bạn đăng nhập đã hơn 15 phút."),
            marked("Hãy đăng xuất, đăng nhập lại rồi tạo khoá."),
        )


def _needs_one(session: Session, account: uuid.UUID, *, now: datetime) -> bool:
    return any(needs_passkey(role) for role in service.roles_given(session, account, now=now))


# ------------------------------------------------------------------------------------------------- signing in


def begin_sign_in(vault: Vault, party: RelyingParty, *, browser: str, now: datetime) -> dict[str, Any]:
    """Options for ``navigator.credentials.get()`` before anybody is known: the same for everyone. ``browser``
    is what only this browser brings back.
    """
    random, at = secrets.token_bytes(_RANDOM), _microseconds(now).to_bytes(_TIME, "big")
    return _asking(party, random + at + _mark(vault, random + at, browser), [])


def sign_in(
    session: Session,
    vault: Vault,
    party: RelyingParty,
    answer: str,
    *,
    browser: str,
    replaces: str,
    now: datetime,
) -> str | None:
    """A new session's token; None where the answer does not hold. The caller commits either way. Raises
    Refusal ``no_role``.
    """
    if len(answer) > MAX_ANSWER or (parts := _or_none(lambda: _parts(answer))) is None:
        return None
    credential_id, challenge, user = parts
    row = session.scalars(
        select(Passkey)
        .where(Passkey.credential_id == credential_id, Passkey.removed_at.is_(None))
        .with_for_update()
    ).one_or_none()
    if row is None:
        return None
    account = session.get_one(Account, row.account_pk)
    asked = _asked_at(vault, challenge, browser)
    if (
        asked is None
        or not asked - _AHEAD <= now <= asked + ANSWER_WITHIN
        or (row.used_at is not None and asked <= row.used_at)
        or user != account.id.bytes
        or account.state != AccountState.ACTIVE
        or not _holds(row, party, answer, challenge)
    ):
        service.tell_failed_sign_in(session, account, Method.PASSKEY, "wrong", now=now)
        return None
    row.used_at = max(now, asked)
    return service.start(session, account, Method.PASSKEY, replaces=replaces, now=now)


# ---------------------------------------------------------------------------------------- confirming an act


def begin_confirmation(
    session: Session, party: RelyingParty, account: uuid.UUID, what: str, *, session_id: str, now: datetime
) -> dict[str, Any]:
    """Options for ``navigator.credentials.get()`` by which the signed-in person confirms ``what``, the digest
    of :mod:`portal.web.confirmation`. A question that was open is forgotten.
    """
    challenge = _keep_challenge(session, session_id, what, now=now)
    return _asking(party, challenge, _standing(session, account))


def confirm(
    session: Session,
    party: RelyingParty,
    account: uuid.UUID,
    what: str,
    answer: str,
    *,
    session_id: str,
    now: datetime,
) -> bool:
    """Whether ``answer`` is given by a passkey of this account to the question for exactly ``what``, in time
    and for the first time. The caller commits either way: the question is used up.
    """
    challenge = _take_challenge(session, session_id, what, now=now)
    if challenge is None or len(answer) > MAX_ANSWER:
        return False
    if (parts := _or_none(lambda: _parts(answer))) is None:
        return False
    row = session.scalars(
        select(Passkey)
        .where(
            Passkey.credential_id == parts[0],
            Passkey.account_pk == account,
            Passkey.removed_at.is_(None),
        )
        .with_for_update()
    ).one_or_none()
    if row is None or not _holds(row, party, answer, challenge):
        return False
    row.used_at = now if row.used_at is None else max(now, row.used_at)
    return True


# -------------------------------------------------------------------------------------------------- in common


def _asking(party: RelyingParty, challenge: bytes, rows: list[Passkey]) -> dict[str, Any]:
    options = webauthn.generate_authentication_options(
        rp_id=party.id,
        challenge=challenge,
        timeout=_milliseconds(ANSWER_WITHIN),
        allow_credentials=[PublicKeyCredentialDescriptor(id=row.credential_id) for row in rows],
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options_to_json_dict(options)


def _holds(row: Passkey, party: RelyingParty, answer: str, challenge: bytes) -> bool:
    """Whether ``answer`` is ``row``'s signature over ``challenge``, with the user verified; keeps its
    signature counter, which must not stand still where the authenticator has one (§6.1.1).
    """
    verified = _or_none(
        lambda: webauthn.verify_authentication_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            credential_public_key=row.public_key,
            credential_current_sign_count=row.sign_count,
            require_user_verification=True,
        )
    )
    if verified is None:
        return False
    row.sign_count = verified.new_sign_count
    return True


def _parts(answer: str) -> tuple[bytes, bytes, bytes]:
    """Credential id, challenge and user handle, as an answer claims them; the last may be empty."""
    credential = json.loads(answer)
    response = credential["response"]
    client = json.loads(base64url_to_bytes(response["clientDataJSON"]))
    return (
        base64url_to_bytes(credential["id"]),
        base64url_to_bytes(client["challenge"]),
        base64url_to_bytes(response.get("userHandle") or ""),
    )


def _or_none(read: Callable[[], _Found]) -> _Found | None:
    """What ``read`` makes of a stranger's bytes; whatever its parsers raise is no answer."""
    try:
        return read()
    except Exception:
        return None


def _standing(session: Session, account: uuid.UUID) -> list[Passkey]:
    return list(session.scalars(select(Passkey).filter_by(account_pk=account, removed_at=None)))


def _keep_challenge(session: Session, session_id: str, what: str, *, now: datetime) -> bytes:
    row = session.get_one(WebSession, session_id)
    row.challenge = secrets.token_bytes(2 * _RANDOM)
    row.challenge_for, row.challenge_until = what, now + ANSWER_WITHIN
    session.flush()
    return row.challenge


def _take_challenge(session: Session, session_id: str, what: str, *, now: datetime) -> bytes | None:
    """The open question for ``what``, which is closed by asking; None where there is none, or another."""
    row = session.get_one(WebSession, session_id, with_for_update=True)
    challenge, asked_for, until = row.challenge, row.challenge_for, row.challenge_until
    row.challenge = row.challenge_for = row.challenge_until = None
    session.flush()
    if until is None or now > until or asked_for != what:
        return None
    return challenge


def _asked_at(vault: Vault, challenge: bytes, browser: str) -> datetime | None:
    """When we asked this; None where it was not us, or another browser that we asked."""
    told, mark = challenge[: _RANDOM + _TIME], challenge[_RANDOM + _TIME :]
    if not secrets.compare_digest(mark, _mark(vault, told, browser)):
        return None
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=int.from_bytes(told[_RANDOM:], "big"))


def _mark(vault: Vault, told: bytes, browser: str) -> bytes:
    return bytes.fromhex(vault.blind_index(f"{told.hex()}/{browser}", domain="passkey challenge"))


def _microseconds(moment: datetime) -> int:
    return (moment - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)


def _milliseconds(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)
