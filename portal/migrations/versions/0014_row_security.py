"""A school's pupils are its own, also for whoever writes SQL by hand in the portal's role (PostgreSQL).

Each connection says for whom it asks, in the setting ``portal.scope``: ``*`` for all, or the code of one
school. Without it there are no rows. The rule binds the owner of the tables as well.
"""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_SCOPE = "current_setting('portal.scope', true)"
_OWN = f"{_SCOPE} IN ('*', school_code)"
#: A row of these belongs to the school of the row above it, which the rule of that table shows or hides.
_BELOW = f"{_SCOPE} = '*' OR EXISTS (SELECT 1 FROM {{above}} WHERE {{above}}.id = {{column}})"  # noqa: S608

_POLICIES = {
    "records": _OWN,
    "record_versions": _BELOW.format(above="records", column="record_pk"),
    "registered_files": _BELOW.format(above="record_versions", column="version_pk"),
    "issuances": _OWN,
    "pupil_links": _OWN,
    "activation_slips": _OWN,
    "contact_changes": _OWN,
}


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for table, rule in _POLICIES.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY own_school ON {table} USING ({rule}) WITH CHECK ({rule})")


def downgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for table in _POLICIES:
        op.execute(f"DROP POLICY own_school ON {table}")
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
