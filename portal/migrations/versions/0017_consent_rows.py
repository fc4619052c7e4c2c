"""What was said, shown and coded for a consent belongs to the school of the consent, a look by duty of law to
that of the record (PostgreSQL; see migration 0014). Approvals of purposes are read by every school and
written by none.
"""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_SCOPE = "current_setting('portal.scope', true)"
_BELOW = f"{_SCOPE} = '*' OR EXISTS (SELECT 1 FROM {{above}} WHERE {{above}}.id = {{column}})"  # noqa: S608
_POLICIES = {
    "consent_events": _BELOW.format(above="consents", column="consent_pk"),
    "consent_records": _BELOW.format(above="consents", column="consent_pk"),
    "share_codes": _BELOW.format(above="consents", column="consent_pk"),
    "statutory_accesses": _BELOW.format(above="records", column="record_pk"),
}
_APPROVALS = "purpose_approvals"


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for table in (*_POLICIES, _APPROVALS):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    for table, rule in _POLICIES.items():
        op.execute(f"CREATE POLICY own_school ON {table} USING ({rule}) WITH CHECK ({rule})")
    op.execute(f"CREATE POLICY everybody_reads ON {_APPROVALS} FOR SELECT USING ({_SCOPE} <> '')")
    op.execute(
        f"CREATE POLICY departments_write ON {_APPROVALS} USING ({_SCOPE} = '*') WITH CHECK ({_SCOPE} = '*')"
    )


def downgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute(f"DROP POLICY departments_write ON {_APPROVALS}")
    op.execute(f"DROP POLICY everybody_reads ON {_APPROVALS}")
    for table in _POLICIES:
        op.execute(f"DROP POLICY own_school ON {table}")
    for table in (*_POLICIES, _APPROVALS):
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
