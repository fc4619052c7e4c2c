"""A portal with records and people."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from portal.permissions import OrganisationKind, Role
from portal.vault import Vault
from tests.conftest import NOW
from tests.portal.accounts.world import HOME, People, Person, employ, open_offices, settle, share
from tests.portal.web.world import Stock, World, build, issued_stock

__all__ = ["issued_stock"]


@pytest.fixture(scope="session")
def peopled(tmp_path_factory: pytest.TempPathFactory, issued_stock: Stock) -> tuple[Stock, People]:
    """The records and everyone, made once a run."""
    folder = tmp_path_factory.mktemp("peopled") / "instance"
    people = settle(build(folder, issued_stock).app)
    share(people.app)
    return Stock(folder, issued_stock.issued), people


@pytest.fixture
def world(tmp_path: Path, peopled: tuple[Stock, People]) -> Iterator[World]:
    """A portal of its own for one test, with records and people."""
    made = build(tmp_path / "instance", peopled[0])
    yield made
    made.app.extensions["portal"].engine.dispose()


@pytest.fixture
def people(world: World, peopled: tuple[Stock, People]) -> People:
    """Everyone in the portal of :func:`world`."""
    return peopled[1].at(world.app)


@pytest.fixture
def staff(session: Session, vault: Vault) -> Person:
    """An administrator and clerk of a school, on either database."""
    open_offices(session, HOME, now=NOW)
    return employ(session, vault, HOME[OrganisationKind.SCHOOL], Role.ADMINISTRATOR, Role.CLERK, now=NOW)
