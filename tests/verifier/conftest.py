"""Signed records shared by the tests: signing takes longer than checking."""

from __future__ import annotations

import pytest

from tests.verifier import pki


@pytest.fixture(scope="session")
def world() -> pki.World:
    return pki.world()


@pytest.fixture(scope="session")
def primary(world: pki.World) -> bytes:
    """A primary record: homeroom teacher, principal, seal."""
    return pki.signed_record(world)


@pytest.fixture(scope="session")
def secondary(world: pki.World) -> bytes:
    """A lower secondary record with two subjects: two teachers, homeroom teacher, principal, seal."""
    return pki.signed_record(world, "THCS", ("TOAN", "NGU_VAN"))
