"""The database's schema, step by step (Alembic), for SQLite and PostgreSQL."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine


def upgrade(engine: Engine) -> None:
    """Bring the database to the newest schema, in one transaction. Does nothing when it is there already.

    Two processes may call this at once: SQLite's transaction begins with the write lock, PostgreSQL takes an
    advisory lock (see ``env.py``), so the second finds the work done.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
