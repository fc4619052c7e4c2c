"""Keys compromised wherever they were registered; revocation lists that newer ones do not replace."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("signers", sa.Column("compromised_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("revocation_lists", sa.Column("kept_since", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("revocation_lists", "kept_since")
    op.drop_column("signers", "compromised_since")
