"""Sessions, codes and wrong tries are deleted when they are of no more use, and not before."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.orm import Session

from portal.accounts import credentials, service, sessions, sweeping
from portal.accounts.models import AccountKind, CodePurpose, Method, OneTimeCode, SignInFailure, WebSession
from portal.vault import Vault
from tests.conftest import NOW

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


def rows(session: Session) -> tuple[int, int, int]:
    return (
        session.query(WebSession).count(),
        session.query(OneTimeCode).count(),
        session.query(SignInFailure).count(),
    )


def test_each_goes_when_its_time_is_over(session: Session, vault: Vault) -> None:
    account = service.new_account(session, vault, AccountKind.HOLDER, "Lò Thị Mai", "vi", now=NOW)
    sessions.begin(session, account, Method.CODE, now=NOW)
    ended = sessions.begin(session, account, Method.CODE, now=NOW)
    sessions.end(session, ended, now=NOW)
    credentials.make_code(session, vault, account.id, CodePurpose.SIGN_IN, now=NOW)
    credentials.note_failure(session, "ab" * 32, now=NOW)
    assert rows(session) == (2, 1, 1)
    ends = {
        NOW + credentials.TRIES_IN: (2, 1, 0),
        NOW + DAY: (1, 1, 0),
        NOW + DAY + timedelta(minutes=10): (1, 0, 0),
        NOW + DAY + sessions.ABSOLUTE: (0, 0, 0),
    }
    for end, left in ends.items():
        assert not sweeping.is_over(session, now=end - MINUTE)
        assert sweeping.sweep(session, now=end - MINUTE) == 0
        assert sweeping.is_over(session, now=end)
        assert sweeping.sweep(session, now=end) > 0
        assert rows(session) == left
