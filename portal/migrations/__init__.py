"""The database's schema, step by step (Alembic), for SQLite and PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, inspect, text

#: What the portal's role may do with a table, where that is less than everything.
_RIGHTS: Final = {
    "alembic_version": "SELECT",
    "audit_entries": "SELECT, INSERT",
    "audit_head": "SELECT, UPDATE",
}


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


def grant(owner: Engine, role: str) -> None:
    """Let the role that the portal runs as work with the tables, and no more: it owns none, so it can lift no
    rule that is laid on them, and of the trail it may only add to the end (SEC-18). PostgreSQL only.
    """
    with owner.begin() as connection:
        quoted = connection.dialect.identifier_preparer.quote(role)
        for table in inspect(connection).get_table_names():
            rights = _RIGHTS.get(table, "SELECT, INSERT, UPDATE, DELETE")
            connection.execute(text(f"REVOKE ALL ON {table} FROM {quoted}"))
            connection.execute(text(f"GRANT {rights} ON {table} TO {quoted}"))
