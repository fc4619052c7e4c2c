"""Renews what is due in one installation and kills itself at a point: a program, for tests of renewal.

python -m tests.portal.issuing.renewal_lab INSTANCE DATABASE AUTHORITY NOW POINT
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import datetime
from pathlib import Path

from sqlalchemy.orm import sessionmaker

from portal.config import Settings
from portal.database import make_engine
from portal.demo.authority import Authority
from portal.demo.timestamps import DemoTimestamper
from portal.filestore import ObjectFiles
from portal.issuing.renewal import Bench, due, renew
from portal.vault import Vault
from tests.conftest import ACTOR, FrozenClock


def main(arguments: list[str]) -> None:
    instance, database, authority, moment, wanted = arguments
    settings = Settings.from_environment({"INSTANCE_DIR": instance})
    now = datetime.fromisoformat(moment)
    begin = sessionmaker(make_engine(f"sqlite:///{database}")).begin

    def at(point: str) -> None:
        if point == wanted:
            os.kill(os.getpid(), signal.SIGKILL)

    signer = Authority.create(Path(authority), now).timestamp_authority()
    bench = Bench(
        begin,
        Vault(settings.key_encryption_keys, settings.index_key),
        ObjectFiles(settings.file_store_url),
        FrozenClock(now),
        ACTOR,
        DemoTimestamper(signer, now),
        at=at,
    )
    with begin() as session:
        hashes = due(session, now=now)
    list(renew(bench, hashes))


if __name__ == "__main__":
    main(sys.argv[1:])
