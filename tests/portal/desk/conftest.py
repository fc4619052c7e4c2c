"""The installation of the issuing tests with a school whose people have accounts; and, for pages, the portal
of the accounts' tests, in which everyone is signed in.
"""

from __future__ import annotations

import pytest

from tests.portal.accounts.conftest import issued_stock, people, peopled, world
from tests.portal.desk.office import SchoolOffice
from tests.portal.issuing.conftest import (
    MakeWorld,
    authority,
    make_world,
    primary,
    renderer,
    ring,
    secondary,
)
from tests.portal.issuing.world import School

__all__ = [
    "authority",
    "issued_stock",
    "make_world",
    "people",
    "peopled",
    "primary",
    "renderer",
    "ring",
    "secondary",
    "world",
]


@pytest.fixture
def office(make_world: MakeWorld, primary: School) -> SchoolOffice:
    return SchoolOffice.open(make_world(primary), primary)
