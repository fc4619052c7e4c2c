"""Passkeys: real answers of an authenticator in software, and every way in which an answer may be none
(SEC-23).
"""

from __future__ import annotations

import json
import uuid
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts import passkeys, service, sessions
from portal.accounts.models import Account, AccountState, Method, Passkey, WebSession
from portal.accounts.passkeys import ANSWER_WITHIN, RelyingParty
from portal.audit.models import AuditEntry
from portal.errors import Refusal
from portal.permissions import OrganisationKind, Role
from portal.vault import Vault
from tests.conftest import ACTOR, NOW
from tests.portal.accounts.authenticator import PRESENT, VERIFIED, SoftKey, challenge_of
from tests.portal.accounts.world import HOME, Person, carry, employ

PARTY = RelyingParty("hocba.example", "https://hocba.example", "Cổng")
BROWSER = "form of this browser"
WHAT, OTHER = "aa" * 32, "bb" * 32
SECOND = timedelta(seconds=1)


def begin(session: Session, person: Person, method: Method = Method.PASSKEY, now: datetime = NOW) -> str:
    """The session id of a new session."""
    account = session.get_one(Account, person.account)
    token = service.start(session, account, method, replaces="", now=now)
    return sessions._digest(token)


def sign_in(session: Session, vault: Vault, answer: dict[str, Any], **changes: Any) -> str | None:
    how: dict[str, Any] = {"browser": BROWSER, "replaces": "", "now": NOW, **changes}
    return passkeys.sign_in(session, vault, PARTY, json.dumps(answer), **how)


def asked(vault: Vault, now: datetime = NOW, browser: str = BROWSER) -> dict[str, Any]:
    return passkeys.begin_sign_in(vault, PARTY, browser=browser, now=now)


def told(session: Session, action: str) -> list[tuple[str, str, str]]:
    rows = session.scalars(select(AuditEntry).filter_by(action=action).order_by(AuditEntry.number))
    return [(row.actor.partition(":")[0], row.outcome, row.details) for row in rows]


class TestRelyingParty:
    @pytest.mark.parametrize(
        ("address", "name", "origin"),
        [
            ("http://localhost:8000", "localhost", "http://localhost:8000"),
            ("https://hocba.gov.vn", "hocba.gov.vn", "https://hocba.gov.vn"),
            ("https://hocba.gov.vn:443", "hocba.gov.vn", "https://hocba.gov.vn"),
            ("http://hocba.gov.vn:80", "hocba.gov.vn", "http://hocba.gov.vn"),
            ("https://hocba.gov.vn:8443", "hocba.gov.vn", "https://hocba.gov.vn:8443"),
        ],
    )
    def test_is_the_public_address_as_browsers_spell_it(self, address: str, name: str, origin: str) -> None:
        party = RelyingParty.of(address, "Cổng")
        assert (party.id, party.origin) == (name, origin)


class TestSignIn:
    def test_a_passkey_signs_in(self, session: Session, vault: Vault, staff: Person) -> None:
        """SEC-23: into a session of this method, told to the trail."""
        token = sign_in(session, vault, staff.key.get(asked(vault), PARTY.origin))
        assert token is not None
        found = sessions.find(session, vault, token, now=NOW)
        assert found is not None
        assert (found.account, found.method, found.role) == (
            staff.account,
            Method.PASSKEY,
            Role.ADMINISTRATOR,
        )
        assert told(session, "sign_in") == [
            ("account", "done", '{"method":"passkey","role":"administrator"}')
        ]

    def test_the_question_names_nobody(self, session: Session, vault: Vault, staff: Person) -> None:
        """Whether somebody has an account or a passkey cannot be asked."""
        options = asked(vault)
        assert options["allowCredentials"] == []
        assert options["userVerification"] == "required"
        assert options["rpId"] == PARTY.id
        assert len(urlsafe_b64decode(options["challenge"] + "==")) >= 16 + 32
        assert options["challenge"] != asked(vault)["challenge"]

    def test_an_answer_counts_once(self, session: Session, vault: Vault, staff: Person) -> None:
        """A replay is refused also by an authenticator without a counter, and at any later moment."""
        answer = staff.key.get(asked(vault), PARTY.origin)
        assert sign_in(session, vault, answer)
        for later in (0, 1, 299, 300):
            assert sign_in(session, vault, answer, now=NOW + later * SECOND) is None

    def test_an_answer_counts_once_where_clocks_differ(
        self, session: Session, vault: Vault, staff: Person
    ) -> None:
        """Asked by a node whose clock is ahead, answered at one that is behind, twice."""
        answer = staff.key.get(asked(vault, NOW + 20 * SECOND), PARTY.origin)
        assert sign_in(session, vault, answer)
        assert sign_in(session, vault, answer) is None
        assert sign_in(session, vault, answer, now=NOW + 21 * SECOND) is None

    @pytest.mark.parametrize(("later", "counts"), [(ANSWER_WITHIN, True), (ANSWER_WITHIN + SECOND, False),
                                                   (-31 * SECOND, False)])  # fmt: skip
    def test_an_answer_has_five_minutes(
        self, session: Session, vault: Vault, staff: Person, later: timedelta, counts: bool
    ) -> None:
        answer = staff.key.get(asked(vault), PARTY.origin)
        assert (sign_in(session, vault, answer, now=NOW + later) is not None) is counts

    def test_only_the_browser_that_asked(self, session: Session, vault: Vault, staff: Person) -> None:
        """An answer fished elsewhere signs nobody in here, nor the thief's account in at a victim's."""
        assert sign_in(session, vault, staff.key.get(asked(vault), PARTY.origin), browser="another") is None

    @pytest.mark.parametrize("flags", [PRESENT, VERIFIED, 0])
    def test_the_person_must_be_there_and_verified(
        self, session: Session, vault: Vault, staff: Person, flags: int
    ) -> None:
        assert sign_in(session, vault, staff.key.get(asked(vault), PARTY.origin, flags=flags)) is None

    @pytest.mark.parametrize("origin", ["https://hocba.example.vn", "http://hocba.example",
                                        "https://hocba.example:8443", "https://x.hocba.example"])  # fmt: skip
    def test_a_false_page_gets_nothing(
        self, session: Session, vault: Vault, staff: Person, origin: str
    ) -> None:
        """SEC-23: what a password cannot do."""
        assert sign_in(session, vault, staff.key.get(asked(vault), origin)) is None

    def test_of_another_party(self, session: Session, vault: Vault, staff: Person) -> None:
        options = asked(vault) | {"rpId": "example"}
        assert sign_in(session, vault, staff.key.get(options, PARTY.origin)) is None

    def test_the_user_must_be_the_keys(self, session: Session, vault: Vault, staff: Person) -> None:
        answer = staff.key.get(asked(vault), PARTY.origin, user=uuid.uuid4())
        assert sign_in(session, vault, answer) is None
        answer["response"]["userHandle"] = None
        assert sign_in(session, vault, answer) is None

    def test_a_key_nobody_has(self, session: Session, vault: Vault, staff: Person) -> None:
        assert sign_in(session, vault, SoftKey(staff.account).get(asked(vault), PARTY.origin)) is None
        assert told(session, "sign_in") == []

    def test_a_removed_key(self, session: Session, vault: Vault, staff: Person) -> None:
        (row,) = session.scalars(select(Passkey))
        row.removed_at = NOW
        assert sign_in(session, vault, staff.key.get(asked(vault), PARTY.origin)) is None

    @pytest.mark.parametrize("state", [AccountState.INVITED, AccountState.CLOSED])
    def test_of_an_account_that_is_not_active(
        self, session: Session, vault: Vault, staff: Person, state: AccountState
    ) -> None:
        session.get_one(Account, staff.account).state = state
        assert sign_in(session, vault, staff.key.get(asked(vault), PARTY.origin)) is None
        assert told(session, "sign_in") == [("system", "refused", '{"method":"passkey","reason":"wrong"}')]

    def test_without_a_role(self, session: Session, vault: Vault, staff: Person) -> None:
        service.close_office(session, staff.organisation, actor=ACTOR, now=NOW)
        with pytest.raises(Refusal) as refused:
            sign_in(session, vault, staff.key.get(asked(vault), PARTY.origin))
        assert refused.value.code == "no_role"

    def test_a_counter_that_stands_still_is_a_copy(
        self, session: Session, vault: Vault, staff: Person
    ) -> None:
        staff.key.counts = True
        for later in range(2):
            now = NOW + later * SECOND
            assert sign_in(session, vault, staff.key.get(asked(vault, now), PARTY.origin), now=now)
        staff.key.sign_count -= 1  # what the copy does not know of
        now = NOW + 2 * SECOND
        assert sign_in(session, vault, staff.key.get(asked(vault, now), PARTY.origin), now=now) is None

    @settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_one_changed_byte_is_no_answer(
        self, session: Session, vault: Vault, staff: Person, data: st.DataObject
    ) -> None:
        """Of anything that is signed, or of the signature."""
        answer = staff.key.get(asked(vault), PARTY.origin)
        part = data.draw(st.sampled_from(["clientDataJSON", "authenticatorData", "signature"]))
        content = bytearray(_decoded(answer["response"][part]))
        # A signature's length varies.
        content[data.draw(st.integers(0, 10_000)) % len(content)] ^= data.draw(st.integers(1, 255))
        answer["response"][part] = _encoded(bytes(content))
        assert sign_in(session, vault, answer) is None

    @settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_a_strange_shape_is_no_answer(
        self, session: Session, vault: Vault, staff: Person, data: st.DataObject
    ) -> None:
        """And never a fault."""
        answer = deepcopy(staff.key.get(asked(vault), PARTY.origin))
        junk = st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=9),
            lambda inner: (
                st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2)
            ),
            max_leaves=4,
        )
        where, name = data.draw(
            st.sampled_from([("", "id"), ("", "rawId"), ("", "type"), ("", "response"),
                             ("response", "clientDataJSON"), ("response", "authenticatorData"),
                             ("response", "signature"), ("response", "userHandle")])
        )  # fmt: skip
        inside = answer[where] if where else answer
        strange = data.draw(junk.filter(lambda value: value != inside[name]))
        inside[name] = strange
        assert sign_in(session, vault, answer) is None

    @pytest.mark.parametrize("text", ["", "{}", "[]", "null", "1", '"x"', "{" * 9000, "\x00", "x" * 20_000])
    def test_what_is_no_json(self, session: Session, vault: Vault, staff: Person, text: str) -> None:
        how: dict[str, Any] = {"browser": BROWSER, "replaces": "", "now": NOW}
        assert passkeys.sign_in(session, vault, PARTY, text, **how) is None
        here = begin(session, staff)
        passkeys.begin_confirmation(session, PARTY, staff.account, WHAT, session_id=here, now=NOW)
        assert not passkeys.confirm(session, PARTY, staff.account, WHAT, text, session_id=here, now=NOW)


class TestConfirmation:
    def question(self, session: Session, staff: Person, what: str = WHAT) -> tuple[str, dict[str, Any]]:
        here = begin(session, staff)
        return here, passkeys.begin_confirmation(
            session, PARTY, staff.account, what, session_id=here, now=NOW
        )

    def confirm(
        self, session: Session, staff: Person, here: str, answer: dict[str, Any], **changes: Any
    ) -> bool:
        what, now = changes.get("what", WHAT), changes.get("now", NOW)
        return passkeys.confirm(
            session, PARTY, staff.account, what, json.dumps(answer), session_id=here, now=now
        )

    def test_a_passkey_confirms_once(self, session: Session, staff: Person) -> None:
        """SEC-23."""
        here, options = self.question(session, staff)
        answer = staff.key.get(options, PARTY.origin)
        assert self.confirm(session, staff, here, answer)
        assert not self.confirm(session, staff, here, answer)

    def test_nothing_else_than_was_asked(self, session: Session, staff: Person) -> None:
        """SEC-23: and a wrong answer uses the question up."""
        here, options = self.question(session, staff)
        answer = staff.key.get(options, PARTY.origin)
        assert not self.confirm(session, staff, here, answer, what=OTHER)
        assert not self.confirm(session, staff, here, answer)

    def test_in_another_session(self, session: Session, staff: Person) -> None:
        _, options = self.question(session, staff)
        here, _ = self.question(session, staff)
        assert not self.confirm(session, staff, here, staff.key.get(options, PARTY.origin))

    def test_a_newer_question_replaces_the_older(self, session: Session, staff: Person) -> None:
        here, options = self.question(session, staff)
        passkeys.begin_confirmation(session, PARTY, staff.account, WHAT, session_id=here, now=NOW)
        assert not self.confirm(session, staff, here, staff.key.get(options, PARTY.origin))

    @pytest.mark.parametrize(("later", "counts"), [(ANSWER_WITHIN, True), (ANSWER_WITHIN + SECOND, False)])
    def test_in_five_minutes(self, session: Session, staff: Person, later: timedelta, counts: bool) -> None:
        here, options = self.question(session, staff)
        answer = staff.key.get(options, PARTY.origin)
        assert self.confirm(session, staff, here, answer, now=NOW + later) is counts

    def test_another_persons_key(self, session: Session, vault: Vault, staff: Person) -> None:
        other = employ(session, vault, staff.organisation, Role.MANAGER, now=NOW)
        here, options = self.question(session, staff)
        assert not self.confirm(session, staff, here, other.key.get(options, PARTY.origin))

    @pytest.mark.parametrize("flags", [PRESENT, VERIFIED, 0])
    def test_the_person_must_be_verified(self, session: Session, staff: Person, flags: int) -> None:
        here, options = self.question(session, staff)
        assert not self.confirm(session, staff, here, staff.key.get(options, PARTY.origin, flags=flags))

    def test_names_the_persons_own_keys(self, session: Session, vault: Vault, staff: Person) -> None:
        second = carry(session, staff.account, now=NOW)
        employ(session, vault, staff.organisation, Role.MANAGER, now=NOW)
        _, options = self.question(session, staff)
        offered = {each["id"] for each in options["allowCredentials"]}
        assert offered == {_encoded(staff.key.credential_id), _encoded(second.credential_id)}

    def test_an_answer_to_sign_in_confirms_nothing(
        self, session: Session, vault: Vault, staff: Person
    ) -> None:
        here, _ = self.question(session, staff)
        answer = staff.key.get(asked(vault), PARTY.origin)
        assert not self.confirm(session, staff, here, answer)
        assert sign_in(session, vault, answer)

    def test_an_answer_of_a_confirmation_signs_nobody_in(
        self, session: Session, vault: Vault, staff: Person
    ) -> None:
        _, options = self.question(session, staff)
        assert sign_in(session, vault, staff.key.get(options, PARTY.origin)) is None


class TestNewPasskey:
    def test_is_added_and_signs_in(self, session: Session, vault: Vault, staff: Person) -> None:
        """SEC-22: every other session of the person ends."""
        elsewhere, here = begin(session, staff), begin(session, staff)
        options = begin_new(session, vault, staff, here)
        assert options["attestation"] == "none"
        assert options["authenticatorSelection"]["residentKey"] == "required"
        assert options["authenticatorSelection"]["userVerification"] == "required"
        assert [each["id"] for each in options["excludeCredentials"]] == [_encoded(staff.key.credential_id)]
        assert _decoded(options["user"]["id"]) == staff.account.bytes
        key = SoftKey(staff.account)
        assert add(session, staff, here, key.create(options, PARTY.origin), label="  Điện \t thoại ")
        assert session.get_one(WebSession, elsewhere).ended_at == NOW
        assert session.get_one(WebSession, here).ended_at is None
        labels = [each.label for each in service.ways(session, staff.account).passkeys]
        assert sorted(labels) == ["Khoá thử", "Điện thoại"]
        assert told(session, "account_change")[-1] == ("account", "done", '{"change":"passkey_added"}')
        assert sign_in(session, vault, key.get(asked(vault), PARTY.origin))

    def test_a_question_is_answered_once(self, session: Session, vault: Vault, staff: Person) -> None:
        here = begin(session, staff)
        options = begin_new(session, vault, staff, here)
        assert add(session, staff, here, SoftKey(staff.account).create(options, PARTY.origin))
        assert not add(session, staff, here, SoftKey(staff.account).create(options, PARTY.origin))

    def test_a_key_has_one_account(self, session: Session, vault: Vault, staff: Person) -> None:
        other = employ(session, vault, staff.organisation, Role.MANAGER, now=NOW)
        here = begin(session, other)
        options = begin_new(session, vault, other, here)
        assert not add(session, other, here, staff.key.create(options, PARTY.origin))

    @pytest.mark.parametrize(
        "answer",
        [
            lambda key, options: key.create(options, "https://false.example"),
            lambda key, options: key.create(options, PARTY.origin, flags=PRESENT),
            lambda key, options: key.create(options | {"rp": {"id": "example"}}, PARTY.origin),
            lambda key, options: key.create(options | {"challenge": "AAAA"}, PARTY.origin),
            lambda key, options: key.get(options | {"rpId": PARTY.id}, PARTY.origin),
            lambda key, options: {},
        ],
        ids=["origin", "not verified", "party", "challenge", "no registration", "empty"],
    )
    def test_an_answer_that_does_not_hold(
        self,
        session: Session,
        vault: Vault,
        staff: Person,
        answer: Callable[[SoftKey, dict[str, Any]], dict[str, Any]],
    ) -> None:
        here = begin(session, staff)
        options = begin_new(session, vault, staff, here)
        assert not add(session, staff, here, answer(SoftKey(staff.account), options))
        assert len(service.ways(session, staff.account).passkeys) == 1

    def test_who_came_in_by_less_gets_no_key_that_approves(
        self, session: Session, vault: Vault, staff: Person
    ) -> None:
        """SEC-23: a password that was fished is not the way to a passkey."""
        account = session.get_one(Account, staff.account)
        for method in (Method.PASSWORD, Method.OIDC):
            here = sessions._digest(sessions.begin(session, account, method, now=NOW))
            with pytest.raises(Refusal) as refused:
                begin_new(session, vault, staff, here)
            assert refused.value.code == "weak_session"
            with pytest.raises(Refusal):
                add(session, staff, here, {})

    def test_a_browser_left_open_is_not_enough(self, session: Session, vault: Vault, staff: Person) -> None:
        here = begin(session, staff, now=NOW - timedelta(minutes=15, seconds=1))
        with pytest.raises(Refusal) as refused:
            begin_new(session, vault, staff, here)
        assert refused.value.code == "sign_in_again"

    def test_a_teacher_with_a_password_may_have_one(
        self, session: Session, vault: Vault, staff: Person
    ) -> None:
        teacher = employ(session, vault, staff.organisation, Role.SUBJECT_TEACHER, now=NOW)
        for row in session.scalars(select(Passkey).filter_by(account_pk=teacher.account)):
            row.removed_at = NOW
        here = begin(session, teacher, Method.PASSWORD)
        assert begin_new(session, vault, teacher, here)["user"]["name"] == teacher.email

    @pytest.mark.parametrize("role", [Role.RECEIVING_OFFICER, Role.DEPARTMENT_OFFICER, Role.AGENCY_OFFICER])
    def test_who_looks_by_law_gets_no_first_key_by_a_password(
        self, session: Session, vault: Vault, staff: Person, role: Role
    ) -> None:
        """SEC-23: whoever relays a password and a code confirms no look with a key of their own; a code of
        the administrator brings the first one.
        """
        offices = {Role.DEPARTMENT_OFFICER: HOME[OrganisationKind.DEPARTMENT],
                   Role.AGENCY_OFFICER: HOME[OrganisationKind.AGENCY]}  # fmt: skip
        officer = employ(session, vault, offices.get(role, staff.organisation), role, now=NOW)
        for row in session.scalars(select(Passkey).filter_by(account_pk=officer.account)):
            row.removed_at = NOW
        account = session.get_one(Account, officer.account)
        for method in (Method.PASSWORD, Method.OIDC):
            here = sessions._digest(sessions.begin(session, account, method, now=NOW))
            with pytest.raises(Refusal) as refused:
                begin_new(session, vault, officer, here)
            assert refused.value.code == "weak_session"
            with pytest.raises(Refusal):
                add(session, officer, here, {})
        here = sessions._digest(sessions.begin(session, account, Method.CODE, now=NOW))
        options = begin_new(session, vault, officer, here)
        assert add(session, officer, here, SoftKey(officer.account).create(options, PARTY.origin))

    @settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_damage_is_no_passkey(
        self, session: Session, vault: Vault, staff: Person, data: st.DataObject
    ) -> None:
        """And never a fault. Without an attestation only these are bound: client data and party."""
        here = begin(session, staff)
        options = begin_new(session, vault, staff, here)
        answer = SoftKey(staff.account).create(options, PARTY.origin)
        part = data.draw(st.sampled_from(["clientDataJSON", "attestationObject"]))
        content = bytearray(_decoded(answer["response"][part]))
        begins, length = 0, content.find(b',"crossOrigin"')
        if part == "attestationObject":  # the hash of the party's name
            begins, length = content.index(b"authData") + 10, 32
        content[begins + data.draw(st.integers(0, length - 1))] ^= data.draw(st.integers(1, 255))
        answer["response"][part] = _encoded(bytes(content))
        assert not add(session, staff, here, answer)


class TestRemoving:
    def test_the_last_one_that_a_role_needs_is_warned_of(
        self, session: Session, vault: Vault, staff: Person
    ) -> None:
        here = begin(session, staff)
        (only,) = service.ways(session, staff.account).passkeys
        with pytest.raises(Refusal) as refused:
            remove(session, staff.account, only.key, here)
        assert refused.value.code == "last_passkey"
        remove(session, staff.account, only.key, here, sure=True)
        assert service.ways(session, staff.account).passkeys == ()
        assert told(session, "account_change")[-1] == ("account", "done", '{"change":"passkey_removed"}')
        assert sign_in(session, vault, staff.key.get(asked(vault), PARTY.origin)) is None

    def test_one_of_two(self, session: Session, staff: Person) -> None:
        carry(session, staff.account, now=NOW)
        elsewhere, here = begin(session, staff), begin(session, staff)
        first, second = service.ways(session, staff.account).passkeys
        remove(session, staff.account, first.key, here)
        assert session.get_one(WebSession, elsewhere).ended_at == NOW
        assert service.ways(session, staff.account).passkeys == (second,)

    def test_of_somebody_else(self, session: Session, vault: Vault, staff: Person) -> None:
        other = employ(session, vault, staff.organisation, Role.MANAGER, now=NOW)
        (theirs,) = service.ways(session, other.account).passkeys
        for key in (theirs.key, uuid.uuid4()):
            with pytest.raises(Refusal) as refused:
                remove(session, staff.account, key, begin(session, staff), sure=True)
            assert refused.value.code == "unknown_passkey"


def begin_new(session: Session, vault: Vault, person: Person, here: str) -> dict[str, Any]:
    return passkeys.begin_new(session, vault, PARTY, person.account, session_id=here, now=NOW)


def add(session: Session, person: Person, here: str, answer: dict[str, Any], label: str = "Khoá") -> bool:
    return passkeys.add(session, PARTY, person.account, json.dumps(answer), label, session_id=here, now=NOW)


def remove(session: Session, account: uuid.UUID, key: uuid.UUID, here: str, *, sure: bool = False) -> None:
    passkeys.remove(session, account, key, sure=sure, session_id=here, now=NOW)


def test_a_challenge_is_the_one_that_was_asked(vault: Vault) -> None:
    key = SoftKey(uuid.uuid4())
    options = asked(vault)
    assert _encoded(challenge_of(key.get(options, PARTY.origin))) == options["challenge"]


def _encoded(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
