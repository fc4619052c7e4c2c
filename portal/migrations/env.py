"""How Alembic runs here: always on a connection handed over by :func:`portal.migrations.upgrade`."""

from __future__ import annotations

from alembic import context
from sqlalchemy import text

import portal.accounts.models
import portal.audit.models
import portal.consent.models
import portal.decisions.models
import portal.departments.models
import portal.issuing.models
import portal.lookup.models
import portal.messages.models
import portal.registry.models
import portal.results.models
import portal.trust.models  # noqa: F401 - importing declares the tables
from portal.database import Base

_LOCK = 0x68625F6D  # "hb_m": any number, the same for every node

connection = context.config.attributes["connection"]
if connection.dialect.name == "postgresql":
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    compare_type=True,
    compare_server_default=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
