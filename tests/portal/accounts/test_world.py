"""The invented people are let in as what they are."""

from __future__ import annotations

import pytest

from portal.permissions import Role
from tests.portal.accounts.world import People


@pytest.mark.parametrize("away", [False, True], ids=["home", "away"])
def test_everyone_can_be_signed_in(people: People, away: bool) -> None:
    for role in Role:
        visitor = people.sign_in(role, away=away)
        assert visitor.get("/work").status_code == 200
        assert visitor.post("/sign-out").status_code == 303
        assert visitor.get("/work").status_code == 303


def test_two_organisations_of_each_kind(people: People) -> None:
    organisations = {person.organisation for person in people.everyone.values()}
    assert len(organisations - {""}) == 6
