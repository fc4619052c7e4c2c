"""Two persons for more than a record's key: what exactly a decision names; who registered a certificate; and
what one person did lately, found without reading the whole trail.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

#: A school's decisions are its own, as in migration 0014; those of nobody are for whoever asks for all.
_RULE = "current_setting('portal.scope', true) IN ('*', organisation)"


def upgrade() -> None:
    op.add_column("decisions", sa.Column("content", sa.Text(), nullable=False, server_default="{}"))
    op.create_index("ix_decisions_organisation", "decisions", ["organisation"])
    op.add_column("signers", sa.Column("registered_by", sa.String(80), nullable=False, server_default=""))
    with op.batch_alter_table("decisions") as decisions:
        decisions.alter_column("content", server_default=None)
    with op.batch_alter_table("signers") as signers:
        signers.alter_column("registered_by", server_default=None)
    # Who asked at a page for their own certificate is known; of a command nobody wrote it down there.
    op.execute(
        "UPDATE signers SET registered_by = 'account:' || lower(CAST(account_pk AS VARCHAR(36)))"
        " WHERE approval = 'waiting' AND account_pk IS NOT NULL"
    )
    op.create_index("ix_audit_entries_actor", "audit_entries", ["actor", "action", "at"])
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE decisions ENABLE ROW LEVEL SECURITY")
        op.execute("ALTER TABLE decisions FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY own_school ON decisions USING ({_RULE}) WITH CHECK ({_RULE})")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP POLICY own_school ON decisions")
        op.execute("ALTER TABLE decisions NO FORCE ROW LEVEL SECURITY")
        op.execute("ALTER TABLE decisions DISABLE ROW LEVEL SECURITY")
    op.drop_index("ix_audit_entries_actor", table_name="audit_entries")
    with op.batch_alter_table("signers") as signers:
        signers.drop_column("registered_by")
    op.drop_index("ix_decisions_organisation", table_name="decisions")
    with op.batch_alter_table("decisions") as decisions:
        decisions.drop_column("content")
