"""Of really issued files, tagged and signed, our reader answers what pyHanko's answers."""

from __future__ import annotations

import pytest

from tests.portal.issuing.conftest import MakeWorld
from tests.portal.issuing.world import School
from tests.verifier.reading import compare


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("level", "least"), [("primary", 1000), ("secondary", 5000)])
def test_issued_files(make_world: MakeWorld, request: pytest.FixtureRequest, level: str, least: int) -> None:
    school: School = request.getfixturevalue(level)
    world = make_world(school)
    world.run(school.rows[:1])
    ((record, version, file),) = world.registered()
    data = world.content(record, version, file)
    assert compare(data) > least
