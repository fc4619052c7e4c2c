"""A portal with records, people, and a mother of a ten-year-old."""

from __future__ import annotations

import pytest

from tests.portal.accounts.conftest import issued_stock, people, peopled, world
from tests.portal.accounts.world import People
from tests.portal.receiving.scene import Scene
from tests.portal.web.world import World

__all__ = ["issued_stock", "people", "peopled", "world"]


@pytest.fixture
def scene(world: World, people: People) -> Scene:
    return Scene(world, people)
