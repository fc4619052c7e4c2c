"""One world for each test, on both databases."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from portal.filestore import ObjectFiles
from portal.vault import Vault
from tests.portal.consent.world import World


@pytest.fixture
def world(session: Session, vault: Vault, files: ObjectFiles) -> World:
    return World(session, vault, files)
