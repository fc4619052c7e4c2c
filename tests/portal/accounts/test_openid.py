"""Signing in by an OpenID provider: with a certified one, and against one that forges."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from joserfc.jwk import RSAKey
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts import federation, service, sessions
from portal.accounts.federation import LIFE, TROUBLES
from portal.accounts.federation_views import CALLBACK
from portal.accounts.models import (
    Account,
    AccountKind,
    AccountState,
    AuthenticatorApp,
    Federation,
    FederationAttempt,
    Membership,
    Method,
    Organisation,
    Password,
    WebSession,
)
from portal.accounts.openid import KEYS_LIFE, METADATA_LIFE, PAUSE, OpenIdProvider
from portal.audit.models import AuditEntry
from portal.config import OpenIdClient, Settings
from portal.errors import Refusal
from portal.extensions import Resources
from portal.factory import create_app
from portal.permissions import OrganisationKind, Role
from tests.conftest import NOW, FrozenClock
from tests.openid_servers import (
    CLIENT_ID,
    CLIENT_SECRET,
    CertifiedProvider,
    Forger,
    ForgingProvider,
    drip,
    flood,
    redirect,
    say,
    settings_for,
)
from tests.portal.web.world import CannedChecker

REDIRECT = f"http://127.0.0.1:8000{CALLBACK}"
SECONDS = int(NOW.timestamp())


@pytest.fixture
def forging(clock: FrozenClock) -> Iterator[ForgingProvider]:
    server = ForgingProvider(Forger(lambda: int(clock.now().timestamp()), nonce="n"))
    try:
        yield server
    finally:
        server.stop()


def client_of(issuer: str, **more: tuple[str, ...]) -> OpenIdClient:
    return OpenIdClient(issuer, CLIENT_ID, CLIENT_SECRET, "Định danh thử", True, True, **more)


def provider_of(server: ForgingProvider, **more: tuple[str, ...]) -> OpenIdProvider:
    return OpenIdProvider(client_of(server.issuer, **more), REDIRECT, secure=False, seconds=1.0)


def identify(provider: OpenIdProvider, now: datetime = NOW, **answer: str) -> str:
    """The subject, or the code of the refusal in angle brackets."""
    try:
        return provider.identify({"code": "c", **answer}, "n", "v" * 43, since=now, now=now)
    except Refusal as refused:
        return f"<{refused.code}>"


class TestTheProvidersAnswer:
    """Core §3.1.3.7, RFC 9207, RFC 9700: what is not exactly right signs nobody in."""

    def test_a_right_one(self, forging: ForgingProvider) -> None:
        assert identify(provider_of(forging)) == "lan"
        assert forging.forger.sent == {
            "grant_type": ["authorization_code"],
            "code": ["c"],
            "code_verifier": ["v" * 43],
            "redirect_uri": [REDIRECT],
        }

    @pytest.mark.parametrize("alg", ["RS512", "PS256"])
    def test_other_good_algorithms(self, forging: ForgingProvider, alg: str) -> None:
        forging.forger.alg = alg
        assert identify(provider_of(forging)) == "lan"

    @pytest.mark.parametrize(
        "claims",
        [
            {"iss": "https://other.example"},
            {"iss": None},
            {"aud": "other"},
            {"aud": [CLIENT_ID, "other"], "azp": CLIENT_ID},
            {"aud": None},
            {"azp": "other"},
            {"exp": SECONDS - 61},
            {"exp": None},
            {"exp": "tomorrow"},
            {"exp": float("nan")},
            {"iat": SECONDS + 61},
            {"iat": SECONDS - 601},
            {"iat": None},
            {"nbf": SECONDS + 61},
            {"nonce": "of another attempt"},
            {"nonce": None},
            {"nonce": 7},
            {"auth_time": SECONDS - 3600},
            {"at_hash": "of another access token"},
            {"sub": None},
            {"sub": ""},
            {"sub": "x" * 256},
            {"sub": "lần"},
            {"sub": 7},
        ],
        ids=repr,
    )
    def test_wrong_claims(self, forging: ForgingProvider, claims: dict[str, object]) -> None:
        forging.forger.claims = claims
        assert identify(provider_of(forging)) == "<untrusted>"

    def test_signed_by_another_key(self, forging: ForgingProvider) -> None:
        forger = forging.forger
        forger.published = [forger.key.as_dict(private=False)]
        forger.key = RSAKey.generate_key(2048, {"kid": "1"})
        assert identify(provider_of(forging)) == "<untrusted>"

    def test_unsigned(self, forging: ForgingProvider) -> None:
        forging.forger.alg = "none"
        assert identify(provider_of(forging)) == "<untrusted>"

    def test_signed_with_the_public_key_as_a_secret(self, forging: ForgingProvider) -> None:
        forging.forger.alg = "HS256"
        assert identify(provider_of(forging)) == "<untrusted>"

    def test_a_short_key(self, forging: ForgingProvider) -> None:
        forging.forger.key = RSAKey.generate_key(1024, {"kid": "1"})
        assert identify(provider_of(forging)) == "<untrusted>"

    @pytest.mark.parametrize("token", ["", "a.b.c", "é", "....", "x" * 5000])
    def test_no_token_at_all(self, forging: ForgingProvider, token: str) -> None:
        forging.forger.token = token
        assert identify(provider_of(forging)) == "<untrusted>"

    @pytest.mark.parametrize("content", [[], "x", {}, {"id_token": 7}, {"id_token": None}])
    def test_no_token_answer(self, forging: ForgingProvider, content: object) -> None:
        forging.forger.answers["/token"] = lambda handler: say(handler, content)
        assert identify(provider_of(forging)) == "<untrusted>"

    @pytest.mark.parametrize("content", [{}, {"keys": 7}, {"keys": [7, {"kty": "new"}]}, {"keys": []}])
    def test_no_keys(self, forging: ForgingProvider, content: object) -> None:
        forging.forger.answers["/jwks"] = lambda handler: say(handler, content)
        assert identify(provider_of(forging)) == "<untrusted>"

    def test_another_provider_answers(self, forging: ForgingProvider) -> None:
        """A mix-up: the code must not be told to this provider's token endpoint."""
        assert identify(provider_of(forging), iss="https://other.example") == "<untrusted>"
        forging.forger.metadata = {"authorization_response_iss_parameter_supported": True}
        provider = provider_of(forging)
        assert identify(provider) == "<untrusted>"
        assert "/token" not in forging.forger.asked
        assert identify(provider, iss=forging.issuer) == "lan"

    @pytest.mark.parametrize(
        ("error", "code"),
        [
            ("access_denied", "cancelled"),
            ("server_error", "unavailable"),
            ("temporarily_unavailable", "unavailable"),
            ("unmet_authentication_requirements", "weak"),
            ("invalid_scope", "refused"),
            ("<script>", "refused"),
        ],
    )
    def test_an_error(self, forging: ForgingProvider, error: str, code: str) -> None:
        assert identify(provider_of(forging), error=error) == f"<{code}>"

    @pytest.mark.parametrize("code", ["", "c" * 4097])
    def test_no_code(self, forging: ForgingProvider, code: str) -> None:
        assert identify(provider_of(forging), code=code) == "<untrusted>"
        assert "/token" not in forging.forger.asked

    @pytest.mark.parametrize(("status", "code"), [(400, "refused"), (401, "refused"), (500, "unavailable")])
    def test_the_code_is_refused(self, forging: ForgingProvider, status: int, code: str) -> None:
        """A code that was injected belongs to another verifier: the provider says invalid_grant."""
        forging.forger.answers["/token"] = lambda handler: say(handler, {"error": "invalid_grant"}, status)
        assert identify(provider_of(forging)) == f"<{code}>"

    def test_the_demanded_proof(self, forging: ForgingProvider) -> None:
        provider = provider_of(forging, acr=("loa2", "loa3"), amr=("mfa",))
        address = provider.address("s", "n", "v" * 43, language="vi", now=NOW)
        assert parse_qs(urlsplit(address).query)["acr_values"] == ["loa2 loa3"]
        for claims in ({}, {"acr": "loa1", "amr": ["mfa"]}, {"acr": "loa3", "amr": ["pwd"]}, {"acr": "loa3"}):
            forging.forger.claims = dict(claims)
            assert identify(provider) == "<weak>"
        forging.forger.claims = {"acr": "loa3", "amr": ["pwd", "mfa"]}
        assert identify(provider) == "lan"


class TestTheProviderItself:
    def test_where_the_browser_is_sent(self, forging: ForgingProvider) -> None:
        forging.forger.metadata = {"authorization_endpoint": f"{forging.issuer}/auth?tenant=so"}
        address = provider_of(forging).address("s", "n", "a" * 43, language="vi", now=NOW)
        assert parse_qs(urlsplit(address).query) == {
            "tenant": ["so"],
            "response_type": ["code"],
            "client_id": [CLIENT_ID],
            "redirect_uri": [REDIRECT],
            "scope": ["openid"],
            "state": ["s"],
            "nonce": ["n"],
            "code_challenge": ["ZtNPunH49FD35FWYhT5Tv8I7vRKQJ8uxMaL0_9eHjNA"],  # of 43 times "a"
            "code_challenge_method": ["S256"],
            "prompt": ["login"],
            "ui_locales": ["vi"],
        }

    @pytest.mark.parametrize(
        "metadata",
        [
            {"issuer": "https://other.example"},
            {"token_endpoint": None},
            {"jwks_uri": "ftp://x/jwks"},
            {"authorization_endpoint": "javascript:alert(1)"},
            {"authorization_endpoint": "http://[x"},
            {"code_challenge_methods_supported": ["plain"]},
            {"token_endpoint_auth_methods_supported": "client_secret_basic"},
        ],
        ids=repr,
    )
    def test_says_something_wrong_of_itself(
        self, forging: ForgingProvider, metadata: dict[str, object]
    ) -> None:
        forging.forger.metadata = metadata
        assert identify(provider_of(forging)) == "<untrusted>"

    def test_production_asks_for_tls_everywhere(self, forging: ForgingProvider) -> None:
        provider = OpenIdProvider(client_of(forging.issuer), REDIRECT, secure=True, seconds=1.0)
        assert identify(provider) == "<untrusted>"

    def test_takes_the_secret_in_the_body(self, forging: ForgingProvider) -> None:
        forging.forger.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
        assert identify(provider_of(forging)) == "lan"
        assert forging.forger.sent["client_secret"] == [CLIENT_SECRET]

    @pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/jwks", "/token"])
    @pytest.mark.parametrize("wrong", [flood, drip, redirect])
    def test_hangs_floods_or_sends_elsewhere(
        self, forging: ForgingProvider, path: str, wrong: Callable[..., None]
    ) -> None:
        forging.forger.answers[path] = wrong
        began = time.monotonic()
        assert identify(provider_of(forging)) == "<unavailable>"
        assert time.monotonic() - began < 15  # what drips goes on for 20
        assert forging.forger.asked.count(path) == 1  # no redirect is followed

    def test_is_down(self) -> None:
        provider = OpenIdProvider(client_of("http://127.0.0.1:1"), REDIRECT, secure=False)
        assert identify(provider) == "<unavailable>"

    def test_a_silent_one_is_left_alone_for_a_moment(self, forging: ForgingProvider) -> None:
        forging.forger.answers["/.well-known/openid-configuration"] = lambda handler: say(handler, {}, 503)
        provider = provider_of(forging)
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: identify(provider), range(24)))
        assert set(answers) == {"<unavailable>"}
        assert len(forging.forger.asked) == 1
        forging.forger.answers.clear()
        assert identify(provider, NOW + PAUSE) == "lan"

    def test_a_hanging_one_holds_few_threads(self, forging: ForgingProvider) -> None:
        """The others of the server are left for whoever only checks a record."""
        provider = provider_of(forging)
        assert identify(provider) == "lan"
        forging.forger.answers["/token"] = drip
        forging.forger.asked.clear()
        with ThreadPoolExecutor(40) as pool:
            assert set(pool.map(lambda _: identify(provider), range(40))) == {"<unavailable>"}
        assert 0 < forging.forger.asked.count("/token") <= 16

    def test_new_keys_are_noticed(self, forging: ForgingProvider, clock: FrozenClock) -> None:
        """JWKS rotation: a key we do not know is looked for at once, but not with every token."""
        forger, provider = forging.forger, provider_of(forging)
        for number in range(3):
            forger.key = RSAKey.generate_key(2048, {"kid": str(number)})
            assert identify(provider, clock.now()) == "lan"
            assert identify(provider, clock.now()) == "lan"
            clock.time += PAUSE
        assert forger.asked.count("/jwks") == 3
        clock.time += PAUSE
        forger.published = [forger.key.as_dict(private=False)]
        forger.key = RSAKey.generate_key(2048, {"kid": "foreign"})
        for _ in range(5):
            assert identify(provider, clock.now()) == "<untrusted>"
        assert forger.asked.count("/jwks") == 4

    def test_a_key_that_was_withdrawn_is_forgotten(
        self, forging: ForgingProvider, clock: FrozenClock
    ) -> None:
        provider = provider_of(forging)
        assert identify(provider, clock.now()) == "lan"
        forging.forger.published = []
        clock.time += KEYS_LIFE
        assert identify(provider, clock.now()) == "<untrusted>"
        clock.time += METADATA_LIFE
        identify(provider, clock.now())
        assert forging.forger.asked.count("/.well-known/openid-configuration") == 2


# ------------------------------------------------------------------------------------------ the whole portal


class Portal:
    """A portal that is a client of ``issuer``, with one agency."""

    def __init__(self, folder: Path, database_url: str, clock: FrozenClock, issuer: str, **more: str) -> None:
        environment = {
            "INSTANCE_DIR": str(folder),
            "DATABASE_URL": database_url,
            **settings_for(issuer, **more),
        }
        self.clock = clock
        self.app: Flask = create_app(
            Settings.from_environment(environment), checker=CannedChecker(), clock=clock
        )
        self.bundle: Resources = self.app.extensions["portal"]
        with self.session() as session:
            self.office = Organisation(
                kind=OrganisationKind.AGENCY,
                code="xa-01",
                name="Ủy ban nhân dân xã",
                department_code="so-01",
                approved_at=clock.now(),
            )
            session.add(self.office)
            session.flush()
            self.office_pk = self.office.id

    def session(self) -> Session:
        return _Committed(self.bundle.engine)

    def person(self, *roles: Role, name: str = "Trần Thị Lan") -> uuid.UUID:
        """An account: staff with these roles, a holder without any."""
        kind = AccountKind.STAFF if roles else AccountKind.HOLDER
        with self.session() as session:
            account = service.new_account(session, self.bundle.vault, kind, name, "vi", now=self.clock.now())
            account.state = AccountState.ACTIVE
            for role in roles:
                session.add(
                    Membership(
                        account_pk=account.id,
                        organisation_pk=self.office_pk,
                        role=role,
                        valid_from=self.clock.now().date() - timedelta(days=1),
                        given_at=self.clock.now(),
                        accepted_at=self.clock.now(),
                    )
                )
            return account.id

    def signed_in(self, account: uuid.UUID, method: Method = Method.CODE) -> FlaskClient:
        """A browser in which this person is signed in by ``method``, with no role."""
        client = self.app.test_client()
        with self.session() as session:
            person = session.get_one(Account, account)
            token = sessions.begin(session, person, method, now=self.clock.now())
        client.set_cookie("session", token)
        return client

    def leave(self, client: FlaskClient, page: str, **fields: str) -> str:
        """Press the button on ``page``; where the browser is sent."""
        action = "/account/openid" if page == "/account" else "/sign-in/openid"
        answer = client.post(action, data={"form_token": form_token(client, page), **fields})
        assert answer.status_code == 200, answer.headers
        found = re.search(r'http-equiv="refresh" content="0;url=([^"]+)"', answer.text)
        assert found
        return unescape(found[1])

    def trail(self) -> list[tuple[str, str, str, str]]:
        """Action, outcome, actor's kind, and the details, of every entry."""
        with self.session() as session:
            return [
                (e.action, e.outcome, e.actor.partition(":")[0], str(e.details))
                for e in session.scalars(select(AuditEntry).order_by(AuditEntry.number))
            ]


class _Committed(Session):
    """Commits at the end of its block."""

    def __exit__(self, kind: object, *rest: object) -> None:
        if kind is None:
            self.commit()
        self.close()


def form_token(client: FlaskClient, page: str) -> str:
    found = re.search(r'name="form_token" value="([0-9a-f]+)"', client.get(page).text)
    assert found
    return found[1]


def back(forging: ForgingProvider, address: str, **answer: str) -> str:
    """The callback that follows on ``address``, the provider ready to sign for it."""
    asked = parse_qs(urlsplit(address).query)
    forging.forger.nonce = asked["nonce"][0]
    query = {"code": "c", "state": asked["state"][0], **answer}
    return CALLBACK + "?" + "&".join(f"{name}={value}" for name, value in query.items())


def ends(client: FlaskClient, callback: str) -> str:
    """Where a callback leads; never a page of its own, never its parameters in the next address."""
    answer = client.get(callback)
    assert answer.status_code == 303
    assert answer.headers["Cache-Control"] == "no-store"
    place = answer.headers["Location"]
    assert "code=" not in place
    assert "state=" not in place
    if place.startswith("/sign-in/openid/trouble/"):
        page = client.get(place)
        assert page.status_code in (200, 403, 503)
        assert "<h1>" in page.text
        return f"<{urlsplit(place).path.rsplit('/')[-1]}>"
    return place


@pytest.fixture
def portal(
    tmp_path: Path, database_url: str, clock: FrozenClock, forging: ForgingProvider
) -> Iterator[Portal]:
    made = Portal(tmp_path / "instance", database_url, clock, forging.issuer)
    yield made
    made.bundle.engine.dispose()


class TestStories:
    def test_a_family_links_and_signs_in(self, portal: Portal, forging: ForgingProvider) -> None:
        mother = portal.person()
        client = portal.signed_in(mother)
        assert "Liên kết với Định danh thử" in client.get("/account").text
        assert ends(client, back(forging, portal.leave(client, "/account"))) == "/account"
        assert "Đã liên kết" in client.get("/account").text

        fresh = portal.app.test_client()
        address = portal.leave(fresh, "/sign-in?next=/account", kind="holder", next="/account")
        assert ends(fresh, back(forging, address)) == "/account"
        assert fresh.get("/account").status_code == 200
        with portal.session() as session:
            row = session.scalars(select(Federation)).one()
            assert (row.account_pk, row.used_at) == (mother, portal.clock.now())
            assert "lan" not in row.subject_index
            methods = session.scalars(select(WebSession.method).where(WebSession.ended_at.is_(None))).all()
            assert sorted(methods) == ["code", "oidc"]
        told = portal.trail()
        assert ("account_change", "done", "holder", '{"change":"federation_linked"}') in told
        assert ("sign_in", "done", "holder", '{"method":"oidc"}') in told
        assert forging.issuer not in str(told)

    def test_staff_link_while_setting_up_and_act_in_their_role(
        self, portal: Portal, forging: ForgingProvider
    ) -> None:
        client = portal.signed_in(portal.person(Role.AGENCY_OFFICER))
        assert ends(client, back(forging, portal.leave(client, "/account"))) == "/account"
        fresh = portal.app.test_client()
        assert ends(fresh, back(forging, portal.leave(fresh, "/sign-in", kind="account"))) == "/work"
        assert "Ủy ban nhân dân xã" in fresh.get("/work").text
        # The same person at the provider is nobody among families.
        family = portal.app.test_client()
        assert ends(family, back(forging, portal.leave(family, "/sign-in", kind="holder"))) == "<unlinked>"

    def test_a_role_that_needs_a_passkey(self, portal: Portal, forging: ForgingProvider) -> None:
        """SEC-23: an identity elsewhere never opens what only a passkey opens."""
        client = portal.signed_in(portal.person(Role.ADMINISTRATOR))
        assert ends(client, back(forging, portal.leave(client, "/account"))) == "/account"
        fresh = portal.app.test_client()
        assert ends(fresh, back(forging, portal.leave(fresh, "/sign-in", kind="account"))) == "<passkey_only>"
        assert fresh.get("/account").status_code == 303
        assert portal.trail()[-1] == (
            "sign_in",
            "refused",
            "system",
            '{"method":"oidc","reason":"passkey_only"}',
        )

    def test_one_identity_one_account(self, portal: Portal, forging: ForgingProvider) -> None:
        first, second = (portal.signed_in(portal.person()) for _ in range(2))
        assert ends(first, back(forging, portal.leave(first, "/account"))) == "/account"
        assert ends(second, back(forging, portal.leave(second, "/account"))) == "<taken>"
        assert ends(first, back(forging, portal.leave(first, "/account"))) == "<linked_already>"
        forging.forger.claims = {"sub": "huong"}
        assert ends(first, back(forging, portal.leave(first, "/account"))) == "<linked_already>"

    def test_both_at_the_same_moment(self, portal: Portal) -> None:
        vault, now = portal.bundle.vault, portal.clock.now()
        people = [portal.person() for _ in range(4)]

        def link(account: uuid.UUID) -> str:
            try:
                with portal.session() as session:
                    token = sessions.begin(session, session.get_one(Account, account), Method.CODE, now=now)
                    who = sessions.find(session, vault, token, now=now)
                    assert who is not None
                    federation.link(session, vault, who, "https://id.example", "lan", now=now)
            except Refusal as refused:
                return refused.code
            return "linked"

        with ThreadPoolExecutor(4) as pool:
            assert sorted(pool.map(link, people)) == ["linked", "taken", "taken", "taken"]

    def test_families_link_by_a_code_only(self, portal: Portal) -> None:
        client = portal.signed_in(portal.person(), Method.PASSKEY)
        answer = client.post("/account/openid", data={"form_token": form_token(client, "/account")})
        assert answer.headers["Location"] == "/sign-in/openid/trouble/needs_code"

    def test_taking_the_link_away(self, portal: Portal, forging: ForgingProvider) -> None:
        officer = portal.person(Role.AGENCY_OFFICER)
        client = portal.signed_in(officer)
        ends(client, back(forging, portal.leave(client, "/account")))
        other = portal.app.test_client()
        ends(other, back(forging, portal.leave(other, "/sign-in", kind="account")))

        def remove() -> str:
            fields = {"form_token": form_token(client, "/account")}
            return client.post("/account/openid/remove", data=fields).headers["Location"]

        assert remove() == "/sign-in/openid/trouble/last_way"
        with portal.session() as session:
            session.add(Password(account_pk=officer, hash="x", changed_at=NOW))
            session.add(
                AuthenticatorApp(
                    account_pk=officer, secret_sealed=b"x", added_at=NOW, confirmed_at=NOW, last_step=0
                )
            )
        assert remove() == "/account"
        assert other.get("/work").status_code == 303  # signed out at once
        assert remove() == "/account"  # twice changes nothing
        changes = [e for e in portal.trail() if "federation_unlinked" in e[3]]
        assert changes == [("account_change", "done", "account", '{"change":"federation_unlinked"}')]
        assert ends(other, back(forging, portal.leave(other, "/sign-in", kind="account"))) == "<unlinked>"

    def test_a_closed_account(self, portal: Portal, forging: ForgingProvider) -> None:
        mother = portal.person()
        client = portal.signed_in(mother)
        ends(client, back(forging, portal.leave(client, "/account")))
        with portal.session() as session:
            session.get_one(Account, mother).state = AccountState.CLOSED
        fresh = portal.app.test_client()
        assert ends(fresh, back(forging, portal.leave(fresh, "/sign-in", kind="holder"))) == "<unlinked>"


class TestAttacks:
    def test_a_callback_works_once(self, portal: Portal, forging: ForgingProvider) -> None:
        client = portal.signed_in(portal.person())
        callback = back(forging, portal.leave(client, "/account"))
        assert ends(client, callback) == "/account"
        forging.forger.asked.clear()
        assert ends(client, callback) == "<stale>"
        assert forging.forger.asked == []

    def test_many_at_once_take_it_up_once(self, portal: Portal, clock: FrozenClock) -> None:
        with portal.session() as session:
            begun = federation.begin(session, AccountKind.HOLDER, "b", language="vi", now=clock.now())

        def claim(_: int) -> bool:
            with portal.session() as session:
                return federation.claim(session, begun.state, "b", now=clock.now()) is not None

        with ThreadPoolExecutor(8) as pool:
            assert sorted(pool.map(claim, range(8))) == [False] * 7 + [True]

    def test_another_browsers_state(self, portal: Portal, forging: ForgingProvider) -> None:
        """Somebody who is sent a finished callback must not be signed in as whoever sent it."""
        thief, victim = portal.app.test_client(), portal.signed_in(portal.person())
        callback = back(forging, portal.leave(thief, "/sign-in", kind="holder"))
        assert ends(victim, callback) == "<stale>"
        assert ends(portal.app.test_client(), callback) == "<stale>"
        assert forging.forger.asked.count("/token") == 0
        assert ends(thief, callback) == "<unlinked>"

    @pytest.mark.parametrize("state", ["", "x", "%ff%fe", "a" * 5000])
    def test_no_such_state(self, portal: Portal, state: str) -> None:
        assert ends(portal.app.test_client(), f"{CALLBACK}?code=c&state={state}") == "<stale>"

    def test_too_late(self, portal: Portal, forging: ForgingProvider) -> None:
        client = portal.app.test_client()
        callback = back(forging, portal.leave(client, "/sign-in", kind="holder"))
        portal.clock.time += LIFE
        assert ends(client, callback) == "<stale>"
        portal.leave(client, "/sign-in", kind="holder")
        with portal.session() as session:  # what nobody came back for is gone
            assert len(session.scalars(select(FederationAttempt)).all()) == 1

    def test_somebody_else_signed_in_meanwhile(self, portal: Portal, forging: ForgingProvider) -> None:
        """Nobody's identity is linked to whoever uses the browser next."""
        client = portal.signed_in(portal.person())
        callback = back(forging, portal.leave(client, "/account"))
        token = portal.signed_in(portal.person()).get_cookie("session")
        assert token is not None
        client.set_cookie("session", token.value)
        assert ends(client, callback) == "<stale>"

    def test_signed_out_meanwhile(self, portal: Portal, forging: ForgingProvider) -> None:
        mother = portal.person()
        client = portal.signed_in(mother)
        callback = back(forging, portal.leave(client, "/account"))
        with portal.session() as session:
            sessions.end_all(session, mother, now=portal.clock.now())
        assert ends(client, callback) == "<stale>"
        with portal.session() as session:
            assert session.scalars(select(Federation)).all() == []

    def test_nothing_of_it_is_logged(
        self, portal: Portal, forging: ForgingProvider, caplog: pytest.LogCaptureFixture
    ) -> None:
        """SEC-29: neither codes nor tokens nor who somebody is elsewhere."""
        caplog.set_level("DEBUG")
        client = portal.app.test_client()
        callback = back(forging, portal.leave(client, "/sign-in", kind="holder"), code="secret-code")
        forging.forger.claims = {"sub": "secret-subject"}
        assert ends(client, callback) == "<unlinked>"
        said = "\n".join(f"{r.getMessage()} {vars(r)}" for r in caplog.records if r.name.startswith("portal"))
        assert "openid: unlinked" in said
        state = parse_qs(urlsplit(callback).query)["state"][0]
        for secret in ("secret-code", "secret-subject", state, forging.forger.nonce, CLIENT_SECRET):
            assert secret not in said

    def test_where_to_go_on_is_here(self, portal: Portal, forging: ForgingProvider) -> None:
        client = portal.signed_in(portal.person())
        ends(client, back(forging, portal.leave(client, "/account")))
        for next_ in ("https://evil.example/", "//evil.example", "/\\evil.example"):
            fresh = portal.app.test_client()
            address = portal.leave(fresh, "/sign-in", kind="holder", next=next_)
            assert ends(fresh, back(forging, address)) == "/work"

    @pytest.mark.parametrize("path", ["/sign-in/openid", "/account/openid", "/account/openid/remove"])
    def test_a_strange_form(self, portal: Portal, path: str) -> None:
        """SEC-25."""
        client = portal.signed_in(portal.person())
        assert client.post(path, data={"kind": "holder"}).status_code == 403


class TestPages:
    def test_english_all_the_way(self, portal: Portal, forging: ForgingProvider) -> None:
        client = portal.app.test_client()
        token = form_token(client, "/sign-in?lang=en")
        answer = client.post("/sign-in/openid?lang=en", data={"form_token": token, "kind": "holder"})
        found = re.search(r"0;url=([^\"]+)", answer.text)
        assert found
        address = unescape(found[1])
        assert "ui_locales=en" in address
        end = client.get(back(forging, address, error="access_denied")).headers["Location"]
        assert end == "/sign-in/openid/trouble/cancelled?lang=en"
        assert "You stopped signing in" in client.get(end).text

    def test_every_trouble_has_its_page(self, portal: Portal) -> None:
        client = portal.app.test_client()
        for code, said in TROUBLES.items():
            page = client.get(f"/sign-in/openid/trouble/{code}")
            assert page.status_code == said.status
            assert said.sentence in unescape(page.text)
            assert said.next_step in unescape(page.text)
        assert client.get("/sign-in/openid/trouble/other").status_code == 404

    def test_down_at_the_first_step(self, portal: Portal, forging: ForgingProvider) -> None:
        forging.stop()
        client = portal.app.test_client()
        fields = {"form_token": form_token(client, "/sign-in"), "kind": "holder"}
        answer = client.post("/sign-in/openid", data=fields)
        assert answer.headers["Location"] == "/sign-in/openid/trouble/unavailable"

    @pytest.mark.parametrize(
        ("whom", "kinds"), [("holders", {"holder"}), ("staff", {"account"}), ("both", {"holder", "account"})]
    )
    def test_offered_to_some(
        self, tmp_path: Path, clock: FrozenClock, database_url: str, whom: str, kinds: set[str]
    ) -> None:
        portal = Portal(tmp_path / "instance", database_url, clock, "http://127.0.0.1:1", OIDC_FOR=whom)
        client = portal.app.test_client()
        page = client.get("/sign-in").text
        for kind in ("holder", "account"):
            assert (f'name="kind" value="{kind}"' in page) is (kind in kinds)
            fields = {"form_token": form_token(client, "/sign-in"), "kind": kind}
            expected = 303 if kind in kinds else 404
            assert client.post("/sign-in/openid", data=fields).status_code == expected
        portal.bundle.engine.dispose()

    def test_not_configured(self, tmp_path: Path, clock: FrozenClock) -> None:
        app = create_app(
            Settings.from_environment({"INSTANCE_DIR": str(tmp_path)}), checker=CannedChecker(), clock=clock
        )
        client = app.test_client()
        assert "openid" not in client.get("/sign-in").text
        fields = {"form_token": form_token(client, "/sign-in"), "kind": "holder"}
        assert client.post("/sign-in/openid", data=fields).status_code == 404


# ----------------------------------------------------------------------------------------- a certified one


@pytest.fixture(scope="module")
def certified() -> Iterator[CertifiedProvider]:
    server = CertifiedProvider(REDIRECT)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def real(tmp_path: Path, database_url: str, certified: CertifiedProvider) -> Iterator[Portal]:
    clock = FrozenClock(datetime.now(UTC))
    made = Portal(tmp_path / "instance", database_url, clock, certified.issuer)
    yield made
    made.bundle.engine.dispose()


def came(address: str) -> str:
    """The callback that the provider names, without our own host."""
    assert address.startswith(REDIRECT + "?")
    return address.removeprefix("http://127.0.0.1:8000")


class TestWithACertifiedProvider:
    def test_link_sign_in_and_no_second_time(self, real: Portal, certified: CertifiedProvider) -> None:
        client = real.signed_in(real.person())
        assert ends(client, came(certified.walk(real.leave(client, "/account"), "lan"))) == "/account"
        fresh = real.app.test_client()
        callback = came(certified.walk(real.leave(fresh, "/sign-in", kind="holder"), "lan"))
        assert "iss=" in callback
        assert ends(fresh, callback) == "/work"
        assert ends(fresh, callback) == "<stale>"
        stranger = real.app.test_client()
        callback = came(certified.walk(real.leave(stranger, "/sign-in", kind="holder"), "huong"))
        assert ends(stranger, callback) == "<unlinked>"

    def test_cancelling(self, real: Portal, certified: CertifiedProvider) -> None:
        client = real.app.test_client()
        address = certified.walk(real.leave(client, "/sign-in", kind="holder"), None)
        assert ends(client, came(address)) == "<cancelled>"

    def test_a_stolen_code_in_ones_own_callback(self, real: Portal, certified: CertifiedProvider) -> None:
        """Code injection: PKCE binds the code to the browser that began."""
        victim, thief = real.app.test_client(), real.app.test_client()
        stolen = came(certified.walk(real.leave(victim, "/sign-in", kind="holder"), "lan"))
        own = parse_qs(urlsplit(real.leave(thief, "/sign-in", kind="holder")).query)["state"][0]
        state = parse_qs(urlsplit(stolen).query)["state"][0]
        assert ends(thief, stolen.replace(state, own)) == "<refused>"

    def test_a_wrong_secret(self, real: Portal, certified: CertifiedProvider) -> None:
        wrong = replace(client_of(certified.issuer), client_secret="other")
        provider = OpenIdProvider(wrong, REDIRECT, secure=False)
        assert identify(provider, iss=certified.issuer) == "<refused>"
