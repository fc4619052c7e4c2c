"""Sessions (SEC-22): rows on the server, rotated at each sign-in, with two limits; the cookie that browsers
read.
"""

from __future__ import annotations

from datetime import timedelta
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from portal.accounts import service, sessions
from portal.accounts.models import Account, Method
from portal.errors import Refusal
from portal.permissions import Role
from portal.vault import Vault
from portal.web.sessions import TOKEN_FIELD
from tests.conftest import ACTOR, NOW
from tests.portal.accounts.world import People, Person, employ, form_token
from tests.portal.web.world import Stock, World, build

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)


def begin(session: Session, person: Person, method: Method = Method.PASSKEY, replaces: str = "") -> str:
    account = session.get_one(Account, person.account)
    return service.start(session, account, method, replaces=replaces, now=NOW)


def alive(session: Session, vault: Vault, token: str, after: timedelta = timedelta()) -> bool:
    return sessions.find(session, vault, token, now=NOW + after) is not None


class TestRow:
    def test_ends_after_thirty_minutes_without_a_request(
        self, session: Session, vault: Vault, staff: Person
    ) -> None:
        """SEC-22."""
        token = begin(session, staff)
        assert alive(session, vault, token, 30 * MINUTE)
        assert alive(session, vault, token, 60 * MINUTE)
        assert not alive(session, vault, token, 90 * MINUTE + SECOND)

    def test_ends_after_twelve_hours_in_all(self, session: Session, vault: Vault, staff: Person) -> None:
        """SEC-22."""
        token = begin(session, staff)
        for passed in range(0, 12 * 60 + 1, 20):
            assert alive(session, vault, token, passed * MINUTE)
        assert not alive(session, vault, token, 12 * 60 * MINUTE + SECOND)

    def test_another_role_is_no_new_proof(self, session: Session, vault: Vault, staff: Person) -> None:
        """SEC-22: or changing roles would prolong a session for ever."""
        token = begin(session, staff)
        held = service.roles_held(session, staff.account, Method.PASSKEY, now=NOW)
        other = service.act_as(session, staff.account, Method.PASSKEY, held[1].membership, replaces=token,
                               since=NOW, now=NOW + 20 * MINUTE)  # fmt: skip
        assert not alive(session, vault, token, 20 * MINUTE)
        for passed in range(20, 12 * 60 + 1, 20):
            assert alive(session, vault, other, passed * MINUTE)
        assert not alive(session, vault, other, 12 * 60 * MINUTE + SECOND)

    def test_a_sign_in_makes_a_new_one_and_ends_the_old(
        self, session: Session, vault: Vault, staff: Person
    ) -> None:
        """SEC-22: rotation."""
        first = begin(session, staff)
        second = begin(session, staff, replaces=first)
        assert first != second
        assert len(second) >= 43  # 256 bits in base64
        assert not alive(session, vault, first)
        assert alive(session, vault, second)

    def test_a_role_that_ended_works_no_more(self, session: Session, vault: Vault, staff: Person) -> None:
        employ(session, vault, staff.organisation, Role.ADMINISTRATOR, email="b@x.example", now=NOW)
        token = begin(session, staff)
        assert staff.membership is not None
        service.end_role(session, staff.organisation, staff.membership, actor=ACTOR, now=NOW)
        assert not alive(session, vault, token)

    def test_a_closed_office_works_no_more(self, session: Session, vault: Vault, staff: Person) -> None:
        token = begin(session, staff)
        service.close_office(session, staff.organisation, actor=ACTOR, now=NOW)
        assert not alive(session, vault, token)

    def test_the_last_administrator_stays(self, session: Session, vault: Vault, staff: Person) -> None:
        assert staff.membership is not None
        with pytest.raises(Refusal) as refused:
            service.end_role(session, staff.organisation, staff.membership, actor=ACTOR, now=NOW)
        assert refused.value.code == "last_administrator"

    def test_a_password_opens_no_role_that_needs_a_passkey(
        self, session: Session, vault: Vault, staff: Person
    ) -> None:
        """SEC-23."""
        for method in (Method.PASSWORD, Method.OIDC, Method.CODE):
            with pytest.raises(Refusal) as refused:
                begin(session, staff, method)
            assert refused.value.code == "passkey_only"


class TestCookie:
    def test_as_a_browser_reads_it(self, tmp_path: Path, peopled: tuple[Stock, People]) -> None:
        """SEC-22: __Host-, Secure, HttpOnly, SameSite, whole site, no domain; gone at the sign-out."""
        world = build(tmp_path / "i", peopled[0], PUBLIC_URL="https://hocba.example")
        people = peopled[1].at(world.app)
        visitor = people.sign_in(Role.SUBJECT_TEACHER, method=Method.PASSWORD)
        out = visitor.post("/sign-out")
        cookie = SimpleCookie(next(c for c in out.headers.getlist("Set-Cookie") if "session" in c))
        morsel = cookie["__Host-session"]
        assert (morsel.value, morsel["max-age"]) == ("", "0")
        assert (morsel["path"], morsel["domain"], morsel["samesite"]) == ("/", "", "Lax")
        assert morsel["secure"]
        assert morsel["httponly"]

    def test_a_planted_token_is_worth_nothing(self, world: World, people: People) -> None:
        """SEC-22: what an attacker put into the browser before the sign-in is ended by it, and with it the
        form tokens made from it.
        """
        attacker = people.sign_in(Role.CLERK, away=True)
        victim = people.sign_in(Role.CLERK, replaces=attacker.token)
        assert attacker.get("/work").status_code == 303
        assert victim.get("/work").status_code == 200
        assert victim.post("/sign-out", {TOKEN_FIELD: form_token(attacker.token)}).status_code == 403

    @pytest.mark.parametrize("token", ["", "x", "A" * 43, "\x00", "é" * 20])
    def test_a_strange_token_is_nobody(self, session: Session, vault: Vault, token: str) -> None:
        assert not alive(session, vault, token)
