"""Signing in by an identity at an OpenID provider: which account it is, and how it came to be.

Nobody is recognised by an e-mail address or a telephone number that a provider tells: numbers change hands,
families share them, and not every provider asks for proof of them. An identity (issuer and ``sub``, which
OpenID Connect Core 1.0 §2 says is never given to somebody else) is linked once, by somebody who is signed in
to the account in another way. Of ``sub`` a blind index is kept.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.accounts import service
from portal.accounts.models import (
    Account,
    AccountKind,
    AccountState,
    Federation,
    FederationAttempt,
    Method,
)
from portal.accounts.sessions import SignedIn
from portal.errors import Refusal, marked
from portal.vault import Vault

#: From our page to the provider and back, with time to find a telephone.
LIFE: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why nobody was signed in or linked, and what to do."""

    title: str
    sentence: str
    next_step: str
    status: int = 403


_NOT_SIGNED_IN: Final = marked("Chưa đăng nhập được")
_NOT_LINKED: Final = marked("Chưa liên kết được")
_OTHER_WAY: Final = marked("Hãy đăng nhập bằng cách khác, hoặc thử lại sau ít phút.")

#: Every end but the good one, by its code.
TROUBLES: Final[Mapping[str, Trouble]] = {
    "cancelled": Trouble(
        marked("Bạn đã dừng đăng nhập"),
        marked("Bạn đã chọn không tiếp tục ở trang của nhà cung cấp. Không có gì thay đổi."),
        marked("Bạn có thể thử lại, hoặc đăng nhập bằng cách khác."),
        200,
    ),
    "stale": Trouble(
        _NOT_SIGNED_IN,
        marked("Lần đăng nhập này đã quá 10 phút, đã dùng rồi, hoặc được bắt đầu ở một trình duyệt khác."),
        marked("Hãy bắt đầu lại từ trang đăng nhập, và quay về đúng trình duyệt đó."),
    ),
    "unavailable": Trouble(
        _NOT_SIGNED_IN,
        marked("Nhà cung cấp danh tính chưa trả lời. Lỗi không phải ở bạn."),
        _OTHER_WAY,
        503,
    ),
    "refused": Trouble(
        _NOT_SIGNED_IN, marked("Nhà cung cấp danh tính đã từ chối lần đăng nhập này."), _OTHER_WAY
    ),
    "untrusted": Trouble(
        _NOT_SIGNED_IN,
        marked("Câu trả lời từ nhà cung cấp danh tính không đúng như phải có, nên cổng không dùng."),
        marked("Hãy bắt đầu lại từ trang đăng nhập. Nếu vẫn vậy, hãy báo cho người quản lý cổng."),
    ),
    "weak": Trouble(
        _NOT_SIGNED_IN,
        marked("Lần đăng nhập ở nhà cung cấp chưa đủ mức bảo đảm mà cổng này cần."),
        marked("Hãy nâng mức định danh ở nhà cung cấp, hoặc đăng nhập bằng cách khác."),
    ),
    "unlinked": Trouble(
        marked("Danh tính này chưa được liên kết"),
        marked("Bạn đã đăng nhập ở nhà cung cấp, nhưng chưa có tài khoản nào ở cổng này liên kết với bạn."),
        marked(
            "Hãy đăng nhập bằng cách đang có (gia đình: mã dùng một lần; nhà trường, cơ quan: mã mời, mật "
            "khẩu hoặc khoá truy cập), mở trang “Tài khoản của bạn” và chọn liên kết."
        ),
    ),
    "passkey_only": Trouble(
        _NOT_SIGNED_IN,
        marked("Vai trò của bạn chỉ đăng nhập được bằng khoá truy cập (passkey)."),
        marked("Dùng khoá truy cập ở trang đăng nhập. Mất khoá thì nhờ quản trị viên của đơn vị."),
    ),
    "no_role": Trouble(
        _NOT_SIGNED_IN,
        marked("Tài khoản này hiện không có vai trò nào."),
        marked("Hỏi quản trị viên của đơn vị."),
    ),
    "taken": Trouble(
        _NOT_LINKED,
        marked("Danh tính này đã được liên kết với một tài khoản khác ở cổng."),
        marked("Nếu tài khoản đó cũng là của bạn, hãy gỡ liên kết ở đó trước."),
    ),
    "linked_already": Trouble(
        _NOT_LINKED,
        marked("Tài khoản của bạn đã liên kết với một danh tính."),
        marked("Muốn đổi, hãy gỡ liên kết cũ ở trang “Tài khoản của bạn” trước."),
    ),
    "needs_code": Trouble(
        _NOT_LINKED,
        marked("Để liên kết, bạn cần vừa đăng nhập bằng mã dùng một lần."),
        marked("Hãy đăng xuất, đăng nhập lại bằng mã dùng một lần rồi liên kết."),
    ),
    "last_way": Trouble(
        marked("Chưa gỡ liên kết"),
        marked("Đây là cách đăng nhập duy nhất của bạn; gỡ đi thì bạn không vào lại được."),
        marked("Hãy đặt mật khẩu và ứng dụng tạo mã, hoặc một khoá truy cập, rồi mới gỡ."),
    ),
}


def refusal(code: str) -> Refusal:
    """The refusal of one of :data:`TROUBLES`."""
    return Refusal(code, TROUBLES[code].sentence, TROUBLES[code].next_step)


# ------------------------------------------------------------------------------------------ there and back


@dataclass(frozen=True, slots=True)
class Begun:
    """What goes to the provider: ``state`` and ``nonce`` as they are, of ``verifier`` the S256 challenge."""

    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """What somebody wanted who comes back. ``linking`` is the session that links its account, None to sign
    in.
    """

    kind: AccountKind
    linking: str | None
    nonce: str
    verifier: str
    wanted: str
    language: str
    began_at: datetime


def begin(
    session: Session,
    kind: AccountKind,
    browser: str,
    *,
    linking: str | None = None,
    wanted: str = "",
    language: str,
    now: datetime,
) -> Begun:
    """Note that ``browser`` goes to the provider, and forget whoever never came back."""
    session.execute(delete(FederationAttempt).where(FederationAttempt.began_at <= now - LIFE))
    begun = Begun(*(secrets.token_urlsafe(32) for _ in range(3)))
    session.add(
        FederationAttempt(
            state_sha256=_digest(begun.state),
            browser=browser,
            account_kind=kind,
            linking=linking,
            nonce=begun.nonce,
            verifier=begun.verifier,
            wanted=wanted if len(wanted) <= 300 else "",
            language=language,
            began_at=now,
        )
    )
    session.flush()
    return begun


def claim(session: Session, state: str, browser: str, *, now: datetime) -> Attempt | None:
    """Take an attempt up, which nobody can do twice; the caller commits before anything else is asked. None
    for a state that is unknown, used, over, or another browser's.
    """
    row = session.execute(
        delete(FederationAttempt)
        .where(
            FederationAttempt.state_sha256 == _digest(state),
            FederationAttempt.browser == browser,
            FederationAttempt.began_at > now - LIFE,
        )
        .returning(
            FederationAttempt.account_kind,
            FederationAttempt.linking,
            FederationAttempt.nonce,
            FederationAttempt.verifier,
            FederationAttempt.wanted,
            FederationAttempt.language,
            FederationAttempt.began_at,
        )
    ).one_or_none()
    return None if row is None else Attempt(AccountKind(row[0]), *row[1:])


# --------------------------------------------------------------------------------------------- whose it is


def sign_in(
    session: Session,
    vault: Vault,
    kind: AccountKind,
    issuer: str,
    subject: str,
    *,
    replaces: str,
    now: datetime,
) -> str:
    """A new session's token for whoever linked this identity. Raises Refusal ``unlinked``, ``passkey_only``,
    ``no_role``; the caller commits what the trail was told all the same.
    """
    row = _find(session, vault, kind, issuer, subject)
    account = None if row is None else session.get_one(Account, row.account_pk)
    if row is None or account is None or account.state != AccountState.ACTIVE:
        raise refusal("unlinked")
    row.used_at = now
    return service.start(session, account, Method.OIDC, replaces=replaces, now=now)


def refuse_linking_by(method: Method, kind: AccountKind) -> None:
    """A holder links by a one-time code, which reaches the contact that the school knows. Raises Refusal
    ``needs_code``.
    """
    if kind is AccountKind.HOLDER and method is not Method.CODE:
        raise refusal("needs_code")


def link(session: Session, vault: Vault, who: SignedIn, issuer: str, subject: str, *, now: datetime) -> None:
    """Link an identity to the account of ``who``; every other session of theirs ends.
    Raises Refusal ``needs_code``, ``taken``, ``linked_already``.
    """
    refuse_linking_by(who.method, who.kind)
    if (row := _find(session, vault, who.kind, issuer, subject)) is not None:
        raise refusal("linked_already" if row.account_pk == who.account else "taken")
    if session.scalars(select(Federation.id).filter_by(account_pk=who.account)).first() is not None:
        raise refusal("linked_already")
    try:
        with session.begin_nested():
            session.add(
                Federation(
                    account_pk=who.account,
                    account_kind=who.kind,
                    issuer=issuer,
                    subject_index=_index(vault, issuer, subject),
                    added_at=now,
                )
            )
    except IntegrityError:  # at the same moment, from another account
        raise refusal("taken") from None
    account = session.get_one(Account, who.account)
    service.changed_sign_in(session, account, "federation_linked", session_id=who.session, now=now)


def unlink(session: Session, account: uuid.UUID, *, session_id: str, now: datetime) -> None:
    """Forget the identity; every other session ends. Twice changes nothing. Raises Refusal ``last_way`` for
    staff who have no other way to sign in; a family always has its one-time code.
    """
    person = session.get_one(Account, account)
    ways = service.ways(session, account)
    if ways.openid_since is None:
        return
    if person.kind == AccountKind.STAFF and not ways.passkeys and not (ways.password and ways.app):
        raise refusal("last_way")
    session.execute(delete(Federation).filter_by(account_pk=account))
    service.changed_sign_in(session, person, "federation_unlinked", session_id=session_id, now=now)


def _find(session: Session, vault: Vault, kind: AccountKind, issuer: str, subject: str) -> Federation | None:
    return session.scalars(
        select(Federation).filter_by(
            account_kind=kind, issuer=issuer, subject_index=_index(vault, issuer, subject)
        )
    ).one_or_none()


def _index(vault: Vault, issuer: str, subject: str) -> str:
    """No issuer holds a line feed, so two identities never share a text."""
    return vault.blind_index(f"{issuer}\n{subject}", domain="federation")


def _digest(state: str) -> str:
    return hashlib.sha256(state.encode()).hexdigest()
