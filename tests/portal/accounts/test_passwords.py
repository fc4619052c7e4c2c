"""Passwords, codes of an app, invitations (SEC-44)."""

from __future__ import annotations

import uuid
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Any

import pyotp
import pytest
from argon2.exceptions import VerifyMismatchError
from sqlalchemy import event
from sqlalchemy.orm import Session

from portal.accounts import browsers, credentials, service, sessions
from portal.accounts.models import Account, Password
from portal.accounts.service import PersonInput
from portal.errors import Refusal
from portal.permissions import Role
from portal.vault import Vault
from tests.conftest import ACTOR, NOW
from tests.portal.accounts.world import HOME, Person, employ
from tests.portal.audit.reading import entries
from verifier.errors import InvalidInput

PASSWORD = "ba con mèo leo thang tre"
STEP = timedelta(seconds=30)


@pytest.fixture
def teacher(session: Session, vault: Vault, staff: Person) -> Person:
    """Somebody whose role may use a password."""
    return employ(session, vault, staff.organisation, Role.SUBJECT_TEACHER, now=NOW)


@pytest.fixture
def secret(session: Session, vault: Vault, teacher: Person) -> str:
    """Of the teacher's app, confirmed by the code before this one; with a password set."""
    credentials.set_password(session, teacher.account, credentials.new_hash(PASSWORD), now=NOW)
    account = session.get_one(Account, teacher.account)
    made = credentials.begin_app(session, vault, account, now=NOW)
    code = pyotp.TOTP(made).at(NOW - STEP)
    assert credentials.is_app_code(session, vault, account, code, now=NOW, confirms=True)
    return made


def sign_in(session: Session, vault: Vault, email: str, password: str, code: str, **how: Any) -> str | None:
    moment = {"now": NOW, **how}["now"]

    def begin() -> AbstractContextManager[Session]:
        return nullcontext(session)

    known = how.get("known", "")
    return service.sign_in_by_password(
        begin, vault, email, password, code, known=known, replaces="", now=moment
    )


class TestPassword:
    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("lá xanh 27b", "too_short"),
            ("x" * 129, "too_long"),
            ("matkhau12345", "guessable"),
            ("password1234", "guessable"),
            ("123456789012", "guessable"),
            ("qwertyuiop123", "guessable"),
            ("teacher.cay.bang", "guessable"),
        ],
    )
    def test_refused(self, text: str, code: str) -> None:
        """SEC-44: length and the list of guesses alone."""
        with pytest.raises(InvalidInput) as mistakes:
            credentials.check_password(text, ("teacher.cay.bang", "teacher", "cay", "bang"))
        assert [problem.code for problem in mistakes.value.problems] == [code]

    @pytest.mark.parametrize(
        "text",
        [
            "voi ăn mía tím",
            "chuoichienmua",
            "  nhiều   dấu cách  ở đây ",
            "ΨωЖ漢字かなé†‡œß",
            "Rk2vQz8mTw4p",
        ],
    )
    def test_no_rule_of_composition(self, text: str) -> None:
        """SEC-44."""
        credentials.check_password(text, ())

    def test_is_kept_as_argon2id(self, session: Session, teacher: Person) -> None:
        """SEC-44: RFC 9106's second recommended option."""
        credentials.set_password(session, teacher.account, credentials.new_hash(PASSWORD), now=NOW)
        kept = session.get_one(Password, teacher.account).hash
        assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
        assert credentials.is_password(kept, PASSWORD)
        assert not credentials.is_password(kept, PASSWORD + " ")

    def test_nobody_costs_as_much_as_somebody(
        self, session: Session, vault: Vault, teacher: Person, secret: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """SEC-44: an unknown name, a known one without a password, and a wrong password do the same work."""
        asked: list[str] = []
        verified = credentials._verified

        def counting(hashed: str, text: str) -> bool:
            asked.append(hashed.rpartition("$")[0].rpartition("$")[0])
            return verified(hashed, text)

        monkeypatch.setattr(credentials, "_verified", counting)
        work = []
        for email in ("nobody@truong.example", teacher.email, "administrator@01000123.example", "no address"):
            asked.clear()
            assert sign_in(session, vault, email, "không phải mật khẩu", "000000") is None
            work.append(tuple(asked))
        assert work == [("$argon2id$v=19$m=65536,t=3,p=4",)] * 4

    def test_nobodys_hash_is_compared_to_the_end(self) -> None:
        """SEC-44: it has today's parameters, is read as a hash, and is of no password."""
        assert not credentials.is_outdated(credentials._NOBODYS_HASH)
        with pytest.raises(VerifyMismatchError):
            credentials._HASHER.verify(credentials._NOBODYS_HASH, PASSWORD)


class TestSignIn:
    def test_password_and_code(self, session: Session, vault: Vault, teacher: Person, secret: str) -> None:
        code = pyotp.TOTP(secret).at(NOW)
        token = sign_in(session, vault, f" {teacher.email.upper()} ", PASSWORD, code)
        found = sessions.find(session, vault, token or "", now=NOW)
        assert found is not None
        assert found.account == teacher.account

    def test_a_code_counts_once(self, session: Session, vault: Vault, teacher: Person, secret: str) -> None:
        """SEC-44: nor does an older one after it."""
        assert sign_in(session, vault, teacher.email, PASSWORD, pyotp.TOTP(secret).at(NOW + STEP))
        for moment in (NOW + STEP, NOW, NOW - STEP):
            assert sign_in(session, vault, teacher.email, PASSWORD, pyotp.TOTP(secret).at(moment)) is None

    @pytest.mark.parametrize("steps", [-2, 2])
    def test_a_code_of_another_time(
        self, session: Session, vault: Vault, teacher: Person, secret: str, steps: int
    ) -> None:
        code = pyotp.TOTP(secret).at(NOW + steps * STEP)
        assert sign_in(session, vault, teacher.email, PASSWORD, code) is None

    def test_five_wrong_tries_make_it_wait(
        self, session: Session, vault: Vault, teacher: Person, secret: str
    ) -> None:
        """The right password, too; names nobody has wait the same; after 15 minutes it goes on."""
        code = pyotp.TOTP(secret).at(NOW)
        for email in (teacher.email, "nobody@truong.example"):
            for _ in range(5):
                assert sign_in(session, vault, email, "sai", code) is None
            with pytest.raises(Refusal) as refused:
                sign_in(session, vault, email, PASSWORD, code)
            assert refused.value.code == "wait"
        later = NOW + timedelta(minutes=15, seconds=1)
        assert sign_in(session, vault, teacher.email, PASSWORD, pyotp.TOTP(secret).at(later), now=later)

    def test_strangers_do_not_keep_the_owner_out(
        self, session: Session, vault: Vault, teacher: Person, secret: str
    ) -> None:
        """SEC-44: a browser they signed in with has its own five tries; no other name gains by it."""
        shown = service.remembered(session, vault, teacher.account, "") or ""
        assert teacher.email not in shown
        code = pyotp.TOTP(secret).at(NOW)
        for _ in range(5):
            assert sign_in(session, vault, teacher.email, "sai", code) is None
        for other in ("", shown[:-1] + ("0" if shown[-1] != "0" else "1"), "x", shown + "." + "0" * 64 * 10):
            with pytest.raises(Refusal):
                sign_in(session, vault, teacher.email, PASSWORD, code, known=other)
        for _ in range(4):
            assert sign_in(session, vault, teacher.email, "sai", code, known=shown) is None
        assert sign_in(session, vault, teacher.email, PASSWORD, code, known=shown)
        assert sign_in(session, vault, teacher.email, "sai", code, known=shown) is None
        with pytest.raises(Refusal):  # a stolen browser is bounded as well
            sign_in(session, vault, teacher.email, PASSWORD, pyotp.TOTP(secret).at(NOW + STEP), known=shown)

    def test_a_shared_computer_knows_the_last_ten(self, vault: Vault) -> None:
        shown = ""
        for number in range(12):
            shown = browsers.remember(vault, shown, f"name {number}")
            assert browsers.remember(vault, shown, f"name {number}") == shown
        known = [n for n in range(12) if browsers.counted_as(vault, shown, f"name {n}") != f"name {n}"]
        assert known == list(range(2, 12))
        other = browsers.remember(vault, "", "name 11")
        assert browsers.counted_as(vault, other, "name 11") != browsers.counted_as(vault, shown, "name 11")


class TestInvitation:
    def invited(self, session: Session, vault: Vault) -> service.Invitation:
        new = PersonInput("Lê An", "an@truong.example", (Role.CLERK,))
        return service.invite(session, vault, HOME[next(iter(HOME))], new, actor=ACTOR, now=NOW)

    def enter(self, session: Session, vault: Vault, code: str, **how: Any) -> str | None:
        moment = {"now": NOW, **how}["now"]
        return service.sign_in_by_invitation(
            session, vault, "an@truong.example", code, replaces="", now=moment
        )

    def test_opens_the_own_account_once(self, session: Session, vault: Vault, staff: Person) -> None:
        code = self.invited(session, vault).code or ""
        found = sessions.find(session, vault, self.enter(session, vault, code) or "", now=NOW)
        assert found is not None
        assert found.role is None
        assert self.enter(session, vault, code) is None

    def test_strangers_do_not_keep_the_owner_out(self, session: Session, vault: Vault, staff: Person) -> None:
        """Twelve digits bear more wrong tries than a password, and no wrong password counts."""
        code = self.invited(session, vault).code or ""
        for number in range(credentials.LONG_CODE_TRIES - 1):
            assert self.enter(session, vault, f"{number:012}") is None
        assert self.enter(session, vault, code)

    def test_guessing_is_bounded(self, session: Session, vault: Vault, staff: Person) -> None:
        code = self.invited(session, vault).code or ""
        for number in range(credentials.LONG_CODE_TRIES):
            assert self.enter(session, vault, f"{number:012}") is None
        with pytest.raises(Refusal):
            self.enter(session, vault, code)

    def test_nobody_costs_as_much_as_somebody_sec_16(
        self, session: Session, vault: Vault, staff: Person
    ) -> None:
        """SEC-16: the same statements reach the database, for a name that is known and for one that is not;
        and the trail has nothing of nobody's name.
        """
        self.invited(session, vault)
        asked: list[str] = []
        engine = session.get_bind()
        listen = lambda *what: asked.append(str(what[2]).split(" WHERE ")[0])  # noqa: E731
        event.listen(engine, "before_cursor_execute", listen)
        work = []
        for email in ("an@truong.example", "nobody@truong.example"):
            for _ in range(2):  # the second of each has nothing left to load
                asked.clear()
                assert (
                    service.sign_in_by_invitation(session, vault, email, "000000000000", replaces="", now=NOW)
                    is None
                )
            work.append([each for each in asked if not each.startswith(("RELEASE", "ROLLBACK"))])
        event.remove(engine, "before_cursor_execute", listen)
        kinds = [[each.split()[0] for each in one] for one in work]
        assert [k.count("INSERT") for k in kinds] == [kinds[0].count("INSERT")] * 2
        assert [k.count("UPDATE") for k in kinds] == [kinds[0].count("UPDATE")] * 2
        assert abs(len(kinds[0]) - len(kinds[1])) <= 1
        assert str(uuid.UUID(int=0)) not in str(entries(session))

    def test_ends_after_a_week(self, session: Session, vault: Vault, staff: Person) -> None:
        code = self.invited(session, vault).code or ""
        assert self.enter(session, vault, code, now=NOW + timedelta(days=7, seconds=1)) is None

    def test_a_newer_one_replaces_it(self, session: Session, vault: Vault, staff: Person) -> None:
        first, second = self.invited(session, vault).code or "", self.invited(session, vault).code or ""
        assert self.enter(session, vault, first) is None
        assert self.enter(session, vault, second)

    def test_recovery_is_for_who_made_the_account(
        self, session: Session, vault: Vault, staff: Person
    ) -> None:
        """Nor does it learn the name of somebody whom another organisation knows."""
        agency = list(HOME.values())[1]
        email = service.email_of(session, vault, staff.account) or ""
        service.invite(session, vault, agency, PersonInput("Lê An", email, (Role.AGENCY_OFFICER,)),
                       actor=ACTOR, now=NOW + STEP)  # fmt: skip
        for office, code in ((agency, "other_office"), (list(HOME.values())[2], "unknown_person")):
            with pytest.raises(Refusal) as refused:
                service.invite_again(session, vault, office, staff.account, actor=ACTOR, now=NOW)
            assert refused.value.code == code
        with pytest.raises(Refusal):
            service.invite_again(session, vault, agency, uuid.uuid4(), actor=ACTOR, now=NOW)
        assert [member.name for member in service.members(session, vault, agency)] == [email]
        assert service.invite_again(
            session, vault, staff.organisation, staff.account, actor=ACTOR, now=NOW
        ).code
