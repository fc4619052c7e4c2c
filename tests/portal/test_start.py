"""A process that must not serve does not start, and says why; commands run all the same."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from portal.config import Settings
from portal.errors import Refusal
from portal.extensions import KEY, Resources
from portal.factory import create_app
from portal.start import refuse_unfit
from portal.tombstone import Tombstone
from portal.vault import Vault
from tests.conftest import NOW, FrozenClock
from tests.demo_instance import ROOT, run_flask
from tests.portal.web.world import CannedChecker, enter

OTHER = os.urandom(32)


@pytest.fixture
def portal(settings: Settings, database_url: str) -> Iterator[Resources]:
    app = create_app(
        replace(settings, database_url=database_url), checker=CannedChecker(), clock=FrozenClock()
    )
    bundle: Resources = app.extensions[KEY]
    yield bundle
    bundle.engine.dispose()


def code(bundle: Resources) -> str:
    with pytest.raises(Refusal) as refused:
        refuse_unfit(bundle)
    assert refused.value.hint
    return refused.value.code


def test_keys_are_compared_before_the_first_request(portal: Resources) -> None:
    """SEC-40: the ids are noted at a start, so a later one knows which key is missing."""
    refuse_unfit(portal)
    refuse_unfit(portal)
    key_id, _ = portal.settings.key_encryption_keys[0]
    index = portal.settings.index_key
    assert code(replace(portal, vault=Vault([(key_id, OTHER)], index))) == "wrong_keys"
    assert code(replace(portal, vault=Vault(portal.settings.key_encryption_keys, OTHER))) == "wrong_keys"
    newer = replace(portal, vault=Vault([("newer", OTHER)], index))
    refuse_unfit(newer)  # nothing is under the one that is gone
    with Session(portal.engine) as session, session.begin():
        enter(session, portal.vault, NOW)
    assert code(newer) == "key_missing"
    refuse_unfit(portal)


def test_what_cannot_be_known_is_no_reason_to_start(portal: Resources, tmp_path: Path) -> None:
    """SEC-41: tombstones that cannot be read, of an unknown kind; a database that does not answer."""
    folder = tmp_path / "instance" / "tombstones"
    (folder / "stray").write_text("")
    assert code(portal) == "not_known"
    (folder / "stray").unlink()
    refuse_unfit(portal)
    portal.tombstones.put_new(Tombstone("ghost", "A", NOW))
    assert code(portal) == "unknown_kind"
    gone = create_app(
        replace(portal.settings, database_url="postgresql+psycopg://nobody@127.0.0.1:1/nothing"),
        checker=CannedChecker(),
    )
    assert code(gone.extensions[KEY]) == "not_known"


def test_the_server_ends_with_one_line_and_commands_run(tmp_path: Path) -> None:
    def keys(key_id: str, value: bytes) -> str:
        return f"{key_id}:{base64.b64encode(value).decode()}"

    old, index = os.urandom(32), base64.b64encode(os.urandom(32)).decode()
    base = {"INSTANCE_DIR": str(tmp_path / "instance"), "INDEX_KEY": index}
    before = base | {"KEY_ENCRYPTION_KEYS": keys("old-1", old)}
    after = base | {"KEY_ENCRYPTION_KEYS": keys("new-2", OTHER)}
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}

    def start(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", "import wsgi"], cwd=ROOT, env=inherited | environment,
            capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip

    empty = start(before)
    assert (empty.returncode, "database upgrade" in empty.stderr) == (1, True)
    assert run_flask(before, "database", "upgrade").returncode == 0
    assert start(before).returncode == 0
    app = create_app(Settings.from_environment(before), checker=CannedChecker())
    with Session(app.extensions[KEY].engine) as session, session.begin():
        enter(session, app.extensions[KEY].vault, NOW)
    refused = start(after)
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: KEY_ENCRYPTION_KEYS thiếu khóa “old-1”")
    assert "Traceback" not in refused.stderr
    status = run_flask(after, "keys", "status")
    assert (status.returncode, "old-1: 1 khóa dữ liệu" in status.stdout) == (0, True)
    served = run_flask(after, "run", "--port", "5202")
    assert served.returncode == 1
    assert "old-1" in served.stderr
