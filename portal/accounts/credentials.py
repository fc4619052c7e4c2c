"""How a person proves who they are: password and authenticator app, one-time codes, what holds guessing up
(SEC-44, NIST SP 800-63B-4). Passkeys have a room of their own.

A person who exists and one who does not are compared the same way: the same work, one answer.
"""

from __future__ import annotations

import re
import secrets
import threading
import uuid
from base64 import b64encode
from datetime import datetime, timedelta
from typing import Final, TypedDict

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session
from zxcvbn import zxcvbn

from portal.accounts.models import (
    Account,
    AuthenticatorApp,
    CodePurpose,
    Federation,
    OneTimeCode,
    Passkey,
    Password,
    SignInFailure,
)
from portal.errors import Refusal, marked
from portal.vault import Vault
from verifier.errors import InvalidInput, Problem

#: Characters; no other rule of composition (SP 800-63B-4 §3.1.1.2). 15 are advised.
MIN_PASSWORD: Final = 12
MAX_PASSWORD: Final = 128
#: zxcvbn's scale of 0 to 4; below 3 a listed or patterned password falls to 10⁸ guesses.
_MIN_SCORE: Final = 3
_ZXCVBN_READS: Final = 72

#: Wrong passwords or app codes of one sign-in name, known or not, before it waits. Passkeys do not wait.
TRIES: Final = 5
TRIES_IN: Final = timedelta(minutes=15)
#: Wrong one-time codes of twelve digits of one name, in the same time: a week of them finds one code in ten
#: million.
LONG_CODE_TRIES: Final = 100
#: Wrong tries that one one-time code takes.
CODE_TRIES: Final = 5

_STEP: Final = 30  # seconds of an authenticator's time step (RFC 6238 §4.1)
#: An app's clock may be a step behind or ahead of ours.
_STEPS_ASIDE: Final = 1

# RFC 9106's second recommended option, 64 MiB each: two at a time, so that a rush of sign-ins cannot take the
# memory of the machine.
_HASHER: Final = PasswordHasher()
_HASHING: Final = threading.BoundedSemaphore(2)
# Of no password, in the form of _HASHER's hashes: to compare with it is as much work, to make it is none.
_NOBODYS_HASH: Final = "$argon2id$v=19$m={},t={},p={}${}${}".format(
    _HASHER.memory_cost,
    _HASHER.time_cost,
    _HASHER.parallelism,
    *(
        b64encode(secrets.token_bytes(size)).decode().rstrip("=")
        for size in (_HASHER.salt_len, _HASHER.hash_len)
    ),
)

_LIFETIMES: Final = {
    CodePurpose.SIGN_IN: timedelta(minutes=10),
    CodePurpose.CONTACT: timedelta(minutes=10),
    CodePurpose.INVITATION: timedelta(days=7),
    CodePurpose.RECOVERY: timedelta(days=1),
}
_LONG: Final = (CodePurpose.INVITATION, CodePurpose.RECOVERY)
_DIGITS: Final = {  # what must live for days must be longer
    CodePurpose.SIGN_IN: 6,
    CodePurpose.CONTACT: 6,
    CodePurpose.INVITATION: 12,
    CodePurpose.RECOVERY: 12,
}


class _Place(TypedDict):
    """Where a sealed value stands, as the vault is told."""

    table: str
    column: str
    row: str
    version: int


# ------------------------------------------------------------------------------------------------- passwords


def check_password(text: str, known: tuple[str, ...]) -> None:
    """Whether ``text`` may be a password; ``known`` are words an attacker knows of the person (name, e-mail,
    school). Raises InvalidInput.
    """
    if len(text) < MIN_PASSWORD:
        raise InvalidInput(
            (Problem("password", "too_short", marked("Mật khẩu cần ít nhất 12 ký tự, nên có 15.")),)
        )
    if len(text) > MAX_PASSWORD:
        raise InvalidInput((Problem("password", "too_long", marked("Mật khẩu dài nhất 128 ký tự.")),))
    if zxcvbn(text[:_ZXCVBN_READS], user_inputs=list(known))["score"] < _MIN_SCORE:
        raise InvalidInput(
            (
                Problem(
                    "password",
                    "guessable",
                    marked(
                        "Mật khẩu này dễ đoán. Hãy ghép vài từ không liên quan tới nhau, tới bạn, tới trường."
                    ),
                ),
            )
        )


def set_password(session: Session, account: uuid.UUID, hashed: str, *, now: datetime) -> None:
    """Keep the hash of a checked password in the place of any other."""
    kept = session.get(Password, account)
    if kept is None:
        session.add(Password(account_pk=account, hash=hashed, changed_at=now))
    else:
        kept.hash, kept.changed_at = hashed, now
    session.flush()


def hash_of(session: Session, account: uuid.UUID) -> str | None:
    """The hash of the account's password, None where none is set."""
    kept = session.get(Password, account, populate_existing=True)
    return None if kept is None else kept.hash


# Hashing takes most of a second of two processors, so none of these has a session: whoever calls them holds
# no transaction, or a rush of sign-ins would take every connection from those who check records.


def new_hash(text: str) -> str:
    """The hash of a checked password."""
    with _HASHING:
        return _HASHER.hash(text)


def is_password(hashed: str | None, text: str) -> bool:
    """Whether ``text`` is the password of this hash. Takes as long for nobody's (None) as for somebody's."""
    right = _verified(_NOBODYS_HASH if hashed is None else hashed, text[:MAX_PASSWORD])
    return hashed is not None and right and len(text) <= MAX_PASSWORD


def is_outdated(hashed: str) -> bool:
    """Whether a hash was made with older parameters: then the next right password makes a new one."""
    return _HASHER.check_needs_rehash(hashed)


def _verified(hashed: str, text: str) -> bool:
    with _HASHING:
        try:
            return _HASHER.verify(hashed, text)
        except (VerificationError, InvalidHashError):
            return False


# ----------------------------------------------------------------------------------------- authenticator app


def begin_app(session: Session, vault: Vault, account: Account, *, now: datetime) -> str:
    """A new secret for the account's authenticator app, in base32. It counts once a code of it was shown; one
    that was begun and not confirmed is replaced.
    """
    secret = pyotp.random_base32()
    session.execute(delete(AuthenticatorApp).where(AuthenticatorApp.account_pk == account.id))
    sealed = vault.seal(account.wrapped_key, secret.encode(), **_app_place(account.id))
    session.add(AuthenticatorApp(account_pk=account.id, secret_sealed=sealed, added_at=now, last_step=0))
    session.flush()
    return secret


def app_address(secret: str, name: str, issuer: str) -> str:
    """The ``otpauth:`` address that an app reads from a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=issuer)


def app_secret(session: Session, vault: Vault, account: Account) -> str | None:
    """The secret that was begun and waits for its first code; None when there is none to confirm."""
    app = session.get(AuthenticatorApp, account.id)
    if app is None or app.confirmed_at is not None:
        return None
    return vault.open(account.wrapped_key, app.secret_sealed, **_app_place(account.id)).decode()


def has_app(session: Session, account: uuid.UUID) -> bool:
    """Whether an authenticator app counts for this account."""
    app = session.get(AuthenticatorApp, account)
    return app is not None and app.confirmed_at is not None


def is_app_code(
    session: Session, vault: Vault, account: Account, text: str, *, now: datetime, confirms: bool = False
) -> bool:
    """Whether ``text`` is a code of the account's app, of this time step or one aside, newer than the last
    that was accepted. ``confirms``: the first code of a new app.
    """
    app = session.get(AuthenticatorApp, account.id, with_for_update=True)
    digits = "".join(text.split())
    if app is None or (app.confirmed_at is None) != confirms or not re.fullmatch("[0-9]{6}", digits):
        return False
    secret = vault.open(account.wrapped_key, app.secret_sealed, **_app_place(account.id)).decode()
    totp, step = pyotp.TOTP(secret), int(now.timestamp()) // _STEP
    for each in range(step - _STEPS_ASIDE, step + _STEPS_ASIDE + 1):
        if each > app.last_step and secrets.compare_digest(totp.generate_otp(each), digits):
            app.last_step = each
            app.confirmed_at = app.confirmed_at or now
            session.flush()
            return True
    return False


def _app_place(account: uuid.UUID) -> _Place:
    return {"table": "authenticator_apps", "column": "secret_sealed", "row": str(account), "version": 1}


# -------------------------------------------------------------------------------------------- one-time codes


def make_code(
    session: Session, vault: Vault, account: uuid.UUID, purpose: CodePurpose, *, now: datetime
) -> tuple[str, datetime]:
    """A one-time code and its end. Those made before for the same purpose count no more."""
    session.get_one(Account, account, with_for_update=True)  # two at once leave one living code
    session.execute(
        update(OneTimeCode)
        .where(
            OneTimeCode.account_pk == account, OneTimeCode.purpose == purpose, OneTimeCode.used_at.is_(None)
        )
        .values(used_at=now)
    )
    digits = _DIGITS[purpose]
    code = f"{secrets.randbelow(10**digits):0{digits}d}"
    expires = now + _LIFETIMES[purpose]
    session.add(
        OneTimeCode(
            account_pk=account,
            purpose=purpose,
            code_index=_code_index(vault, account, purpose, code),
            made_at=now,
            expires_at=expires,
        )
    )
    session.flush()
    return code, expires


def use_code(
    session: Session,
    vault: Vault,
    account: uuid.UUID | None,
    purpose: CodePurpose,
    text: str,
    *,
    now: datetime,
) -> bool:
    """Whether ``text`` is the account's living code, which is then used up. Of six digits a wrong try is
    counted, and after :data:`CODE_TRIES` the code is dead. The caller commits either way.
    """
    typed = _code_index(vault, account or uuid.UUID(int=0), purpose, "".join(text.split()).replace("-", ""))
    code = session.scalars(
        select(OneTimeCode)
        .where(
            OneTimeCode.account_pk == account,
            OneTimeCode.purpose == purpose,
            OneTimeCode.used_at.is_(None),
            OneTimeCode.expires_at > now,
            # Twelve digits are not guessed in the tries that a name has: a stranger must not kill them.
            or_(OneTimeCode.wrong_tries < CODE_TRIES, OneTimeCode.purpose.in_(_LONG)),
        )
        .with_for_update()
    ).one_or_none()
    if code is None:
        return False
    if not secrets.compare_digest(code.code_index, typed):
        if purpose not in _LONG:  # nothing is written, as for a name that nobody has
            code.wrong_tries += 1
            session.flush()
        return False
    code.used_at = now
    session.flush()
    return True


def _code_index(vault: Vault, account: uuid.UUID, purpose: CodePurpose, code: str) -> str:
    return vault.blind_index(f"{account}/{purpose.value}/{code}", domain="one-time code")


def forget_all(session: Session, account: uuid.UUID, *, now: datetime) -> None:
    """Every way of signing in of this account ends: they are lost, or somebody else has them."""
    session.execute(delete(Password).where(Password.account_pk == account))
    session.execute(delete(AuthenticatorApp).where(AuthenticatorApp.account_pk == account))
    session.execute(delete(Federation).where(Federation.account_pk == account))
    session.execute(
        update(Passkey)
        .where(Passkey.account_pk == account, Passkey.removed_at.is_(None))
        .values(removed_at=now)
    )


# ---------------------------------------------------------------------------------------------- wrong guesses


def refuse_guessing(session: Session, name_index: str, *, tries: int = TRIES, now: datetime) -> None:
    """Raises Refusal ``wait`` when this sign-in name took ``tries`` wrong tries of late. Names nobody has
    wait as well: the answer says nothing. Tries of one name are judged one after the other until the
    transaction ends: many at once get no more than one would (SQLite's writing transaction is one anyway).
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(func.hashtext(name_index))))
    since = now - TRIES_IN
    failures = session.scalar(
        select(func.count())
        .select_from(SignInFailure)
        .where(SignInFailure.name_index == name_index, SignInFailure.at > since)
    )
    if failures is not None and failures >= tries:
        raise Refusal(
            "wait",
            marked("Đã thử sai nhiều lần nên cách đăng nhập này tạm dừng."),
            marked("Hãy thử lại sau 15 phút, hoặc dùng khoá truy cập (passkey)."),
        )


def note_failure(session: Session, name_index: str, *, now: datetime) -> None:
    """Count one wrong try; those that count no more are swept out."""
    session.execute(delete(SignInFailure).where(SignInFailure.at <= now - TRIES_IN))
    session.add(SignInFailure(name_index=name_index, at=now))
    session.flush()
