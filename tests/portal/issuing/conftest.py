"""Fixtures of issuing: one authority and its schools for the run, a whole installation for each test."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from portal.demo.authority import Authority
from portal.filestore import ObjectFiles
from portal.issuing.keys import KeyRing, load_keys
from portal.issuing.rendering import Renderer
from portal.vault import Vault
from tests.conftest import FrozenClock
from tests.portal.issuing.world import NOW, School, World, class_plan, enter_trust, key_list, open_school


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("issuing-authority"), NOW)


@pytest.fixture(scope="session")
def primary(authority: Authority) -> School:
    return open_school(authority, class_plan("TIEU_HOC"))


@pytest.fixture(scope="session")
def secondary(authority: Authority) -> School:
    return open_school(authority, class_plan("THCS"))


@pytest.fixture(scope="session")
def ring(authority: Authority, primary: School, secondary: School) -> KeyRing:
    """All keys at hand."""
    everyone = (*primary.credentials, *secondary.credentials)
    return load_keys(key_list(authority.directory / "all-keys.json", everyone))


@pytest.fixture(scope="session")
def renderer() -> Renderer:
    return Renderer()


MakeWorld = Callable[..., World]


@pytest.fixture
def make_world(
    request: pytest.FixtureRequest, engine: Engine, vault: Vault, files: ObjectFiles, authority: Authority
) -> MakeWorld:
    """An installation with some schools; other keys than all may be at hand."""
    all_keys: KeyRing = request.getfixturevalue("ring")
    renderer: Renderer = request.getfixturevalue("renderer")

    def make(*schools: School, ring: KeyRing = all_keys) -> World:
        with Session(engine) as session, session.begin():
            enter_trust(session, authority, schools, NOW)
        return World(engine, vault, files, authority, schools, ring, FrozenClock(NOW), renderer)

    return make


@pytest.fixture
def world(make_world: MakeWorld, primary: School) -> World:
    """The primary school, all keys at hand."""
    return make_world(primary)
