"""An authority: its keys are made once, every test publishes lists of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from portal.demo.authority import Authority
from tests.conftest import NOW
from verifier.report import Role


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority of all these tests, which stays as it is. Whom many know has a key already."""
    authority = Authority.create(tmp_path_factory.mktemp("authority"), NOW)
    for name in ("Trần Thị B", "Lê Văn A"):
        authority.person(name, Role.GVCN)
    authority.seal("Trường Tiểu học Kim Đồng")
    return authority


@pytest.fixture
def own(published: Authority, tmp_path: Path) -> Authority:
    """A copy of the authority that a test may publish lists with; the keys are the same."""
    shutil.copytree(published.directory, tmp_path / "own")
    return Authority.create(tmp_path / "own", NOW)
