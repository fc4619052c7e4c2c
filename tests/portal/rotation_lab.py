"""One process of a portal at work: ``python -m tests.portal.rotation_lab TASK.json`` registers records and
reads all of them, again and again, until the file "stop" appears beside the task; then it prints what it did.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.database import make_engine
from portal.registry import service as registry
from portal.registry.models import Record, RecordVersion
from portal.vault import Vault
from tests.conftest import NOW
from tests.portal.web.world import enter
from verifier.locator import Locator, new_record_id


def vault_of(task: dict[str, Any]) -> Vault:
    keys = [(key_id, base64.b64decode(key)) for key_id, key in task["keys"]]
    return Vault(keys, base64.b64decode(task["index_key"]))


def read_all(session: Session, vault: Vault) -> int:
    """Every version as a scan and as a whole record. Raises what a reader would meet."""
    rows = session.execute(
        select(Record.record_id, RecordVersion.version, RecordVersion.digest).join(RecordVersion)
    ).all()
    for row in rows:
        _, public = registry.look_up_locator(session, vault, Locator(row.record_id, row.digest), now=NOW)
        content = registry.open_record(session, vault, row.record_id, row.version)
        if public is None or content is None or not content.fields["ho_va_ten"]:
            raise RuntimeError("a registered version is not whole")
    return len(rows)


def main(path: Path) -> None:
    task = json.loads(path.read_text())
    vault, stop = vault_of(task), path.with_name("stop")
    engine = make_engine(task["url"])
    read, written = 0, 0
    while not stop.exists() or not read:
        with Session(engine) as session, session.begin():
            first = enter(
                session,
                vault,
                NOW - timedelta(days=1),
                record_id=new_record_id(os.urandom(10)),
                file=os.urandom(40),
            )
        with Session(engine) as session, session.begin():
            enter(session, vault, NOW - timedelta(hours=1), before=first, file=os.urandom(40))
        written += 2
        # SQLite queues nobody: two who write without a pause can keep a third out for longer than it waits.
        time.sleep(0.02)
        with Session(engine) as session:
            read += read_all(session, vault)
        path.with_suffix(".begun").touch()
    engine.dispose()
    print(json.dumps({"read": read, "written": written}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
