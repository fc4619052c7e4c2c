"""Every route behind a sign-in × every role × own and other organisation: what the one table says (SEC-17,
SEC-18), and nothing from a page of somebody else (SEC-25).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.accounts.models import Account, Membership, Organisation
from portal.audit.models import AuditEntry
from portal.extensions import KEY
from portal.permissions import CONFIRMED, PERMITTED, Act, Role
from portal.web.access import Access, rule_of
from portal.web.sessions import TOKEN_FIELD
from tests.portal.accounts.world import People, Visitor, form_token
from tests.portal.web.world import World


def routes(world: World) -> Iterator[tuple[str, str, Act]]:
    """(method, address, act) of every route behind a sign-in; what stands in an address is nobody's."""
    adapter = world.app.url_map.bind("localhost")
    for route in world.app.url_map.iter_rules():
        rule = rule_of(world.app.view_functions[route.endpoint])
        if rule is None or rule.access is not Access.ROLE:
            continue
        assert rule.act is not None
        address = adapter.build(route.endpoint, {name: uuid.UUID(int=7) for name in route.arguments})
        for method in sorted((route.methods or set()) - {"HEAD", "OPTIONS"}):
            yield method, address, rule.act


def refused(world: World) -> list[tuple[str, dict[str, str]]]:
    """Refusals of access in the trail: actor and details."""
    with Session(world.app.extensions[KEY].engine) as session:
        found = session.scalars(select(AuditEntry).filter_by(action="access").order_by(AuditEntry.number))
        return [(entry.actor, json.loads(entry.details)) for entry in found]


def first(once: set[tuple[str, str]], actor: str, act: Act, reason: str) -> list[tuple[str, dict[str, str]]]:
    """What the trail must be told of a refusal: the first within the hour."""
    if (act.value, reason) in once:
        return []
    once.add((act.value, reason))
    return [(actor, {"act": act.value, "reason": reason})]


@pytest.mark.parametrize("away", [False, True], ids=["home", "away"])
@pytest.mark.parametrize("role", Role)
def test_a_role_may_what_the_table_says(world: World, people: People, role: Role, away: bool) -> None:
    """SEC-17."""
    ends = {"/sign-out", "/account/sign-out-everywhere"}
    tried = 0
    visitor = people.sign_in(role, away=away)
    once: set[tuple[str, str]] = set()  # what the trail has of this hour
    for method, address, act in routes(world):
        before = len(refused(world))
        answer = visitor.get(address) if method == "GET" else visitor.post(address)
        told = refused(world)[before:]
        actor = f"{'holder' if role is Role.HOLDER else 'account'}:{visitor.person.account}"
        if act not in PERMITTED[role]:
            assert answer.status_code == 403, address
            assert told == first(once, actor, act, "role"), address
        elif method == "POST" and act in CONFIRMED:
            assert answer.status_code == 403, address
            assert told == first(once, actor, act, "passkey_missing"), address
        elif address == "/account/passkey/confirm":  # a question about nothing
            assert (answer.status_code, told) == (403, [])
        else:
            # Nobody's row, or a way in that is not set up, is no question of the role.
            assert answer.status_code in (200, 303, 404, 422), address
            # A row that is somebody else's is another refusal than a role that may not ask.
            assert {details["reason"] for _, details in told}.isdisjoint({"role", "passkey_missing"}), address
        tried += 1
        if address in ends:
            visitor = people.sign_in(role, away=away)
    assert tried > 15


def test_signed_out_everything_is_closed(world: World) -> None:
    """SEC-17: pages lead to the sign-in and back, forms are refused."""
    client = world.client
    for method, address, _ in routes(world):
        answer = client.open(address, method=method)
        if method == "GET":
            assert answer.status_code == 303
            assert urlsplit(answer.headers["Location"]).path == "/sign-in"
            assert urlsplit(answer.headers["Location"]).query == f"next={address.replace('/', '%2F')}"
        else:
            assert answer.status_code == 401
    assert refused(world) == []


def test_strange_forms_do_nothing(world: World, people: People) -> None:
    """SEC-25: of another site, of another part of ours, without a token or with another session's."""
    other = people.sign_in(Role.ADMINISTRATOR)
    before = rows(world)
    for method, address, act in routes(world):
        if method != "POST":
            continue
        role = next(role for role in Role if act in PERMITTED[role])
        visitor = people.sign_in(role)
        for data, headers in (
            ({}, {}),
            ({TOKEN_FIELD: ""}, {}),
            ({TOKEN_FIELD: form_token(other.token)}, {}),
            ({TOKEN_FIELD: form_token(visitor.token)}, {"Sec-Fetch-Site": "cross-site"}),
            ({TOKEN_FIELD: form_token(visitor.token)}, {"Sec-Fetch-Site": "same-site"}),
            ({TOKEN_FIELD: form_token(visitor.token)}, {"Sec-Fetch-Site": "none"}),
        ):
            answer = visitor.client.post(address, data=data, headers=headers, base_url=origin(world))
            assert answer.status_code == 403, (address, data)
            assert "Biểu mẫu này đã cũ" in answer.text
        assert visitor.get("/account").status_code == 200
    assert rows(world) == before


@pytest.mark.parametrize(
    "path", ["/sign-in/password", "/sign-in/first", "/sign-in/passkey", "/sign-in/passkey/options"]
)
def test_strange_forms_sign_nobody_in(world: World, path: str) -> None:
    """SEC-25: nor as the attacker, whose account the victim would then fill."""
    client = world.client
    page = client.get("/sign-in", base_url=origin(world)).text
    token = page.partition('name="form_token" value="')[2].partition('"')[0]
    assert client.post(path, data={TOKEN_FIELD: token}, base_url=origin(world)).status_code in (200, 422)
    for data, headers in (
        ({}, {}),
        ({TOKEN_FIELD: form_token("x")}, {}),
        ({TOKEN_FIELD: token}, {"Sec-Fetch-Site": "cross-site"}),
    ):
        assert client.post(path, data=data, headers=headers, base_url=origin(world)).status_code == 403
    bare = world.client  # another browser, which has no cookie of ours
    assert bare.post(path, data={TOKEN_FIELD: form_token("")}, base_url=origin(world)).status_code == 403


class TestOtherOrganisation:
    """SEC-18: an administrator reaches the people of the own organisation alone."""

    def test_roles_elsewhere_cannot_be_ended(self, people: People) -> None:
        visitor = people.sign_in(Role.ADMINISTRATOR)
        for role in Role:
            if role is Role.HOLDER:
                continue
            stranger = people.person(role, away=True)
            answer = visitor.confirm(f"/people/roles/{stranger.membership}/end")
            assert answer.status_code == 422
            assert "Không có người này" in answer.text
            assert people.sign_in(role, away=True).get("/work").status_code == 200

    def test_people_elsewhere_get_no_new_code(self, people: People) -> None:
        visitor = people.sign_in(Role.ADMINISTRATOR)
        stranger = people.person(Role.CLERK, away=True)
        theirs = people.sign_in(Role.CLERK, away=True)
        assert visitor.confirm(f"/people/{stranger.account}/invite").status_code == 422
        assert theirs.get("/work").status_code == 200

    def test_people_elsewhere_are_not_shown(self, people: People) -> None:
        page = people.sign_in(Role.ADMINISTRATOR).get("/people").text
        for person in people.everyone.values():
            shown = person.email != "" and person.email in page
            assert shown is (person.organisation == people.person(Role.ADMINISTRATOR).organisation)

    def test_roles_of_another_kind_cannot_be_given(self, people: People) -> None:
        visitor: Visitor = people.sign_in(Role.ADMINISTRATOR)
        form = {"name": "Lê An", "email": "an@x.example", "roles": ["department_officer", "agency_officer"]}
        assert "không có vai trò đã chọn" in visitor.confirm("/people", form).text


def rows(world: World) -> list[int | None]:
    """What a strange form might add to."""
    with Session(world.app.extensions[KEY].engine) as session:
        return [
            session.scalar(select(func.count()).select_from(table).where(*where))
            for table, where in (
                (Account, ()),
                (Organisation, ()),
                (Membership, (Membership.ended_at.is_(None),)),
                (AuditEntry, (AuditEntry.action != "sign_in",)),
            )
        ]


def origin(world: World) -> str:
    address: str = world.app.extensions[KEY].settings.public_url
    return address
