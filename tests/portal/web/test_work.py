"""The page after signing in: a way to everything that the role may do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import urlsplit

import pytest
from werkzeug.exceptions import HTTPException

from portal.permissions import PERMITTED, Act, Role
from portal.web.access import Access, rule_of
from tests.portal.accounts.conftest import issued_stock, people, peopled, world
from tests.portal.accounts.world import People, Visitor
from tests.portal.families.test_requests import link
from tests.portal.web.test_pages import inspect
from tests.portal.web.world import World

__all__ = ["issued_stock", "people", "peopled", "world"]

_SKIPPED = re.compile(r"^/($|static/|V/|check|lookup|sign-in|demo|hop-thu)")


def pages(world: World) -> Iterator[Act]:
    """The act of every page behind the sign-in that takes no more than one's link to a pupil."""
    for route in world.app.url_map.iter_rules():
        rule = rule_of(world.app.view_functions[route.endpoint])
        if (
            rule is not None
            and rule.act is not None
            and "GET" in (route.methods or ())
            and route.arguments <= {"key"}
        ):
            yield rule.act


def reached(world: World, visitor: Visitor) -> set[Act]:
    """Acts of the pages that links lead to, two steps from the beginning; every link leads somewhere."""
    adapter = world.app.url_map.bind("localhost")
    found, seen, waiting = set(), set(), [("/work", 0)]
    while waiting:
        path, steps = waiting.pop(0)  # the shortest way first: a page is looked at once
        address = urlsplit(path)
        if address.path in seen or _SKIPPED.match(address.path):
            continue
        seen.add(address.path)
        try:
            endpoint, _ = adapter.match(address.path, "GET")
        except HTTPException:
            pytest.fail(f"a link leads nowhere: {path}")
        rule = rule_of(world.app.view_functions[endpoint])
        assert rule is not None
        assert rule.access is not Access.ROLE or rule.act is not None
        if rule.act is not None:
            found.add(rule.act)
        if steps < 2 and not address.path.endswith((".xlsx", "/pdf")):
            answer = visitor.get(path)
            assert answer.status_code == 200, path
            inspect(answer.text)
            waiting += [
                (unescape(href), steps + 1) for href in re.findall(r'<a [^>]*href="(/[^"]*)"', answer.text)
            ]
    return found


@pytest.mark.parametrize("role", Role)
def test_every_page_of_a_role_is_reached_from_its_work(world: World, people: People, role: Role) -> None:
    """No act has a page that nobody finds, and no link is offered to what the role may not do."""
    if role is Role.HOLDER:
        link(world, people.person(role).account)
    found = reached(world, people.sign_in(role))
    assert set(pages(world)) & PERMITTED[role] <= found <= PERMITTED[role]
