"""Lists of one authority stand beside each other by what they speak of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from portal.trust.checks import scope
from verifier.revocation import read_crl

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("revocation_lists", sa.Column("scope", sa.Text(), nullable=True))
    # The key is the one that the next list of the same scope will be looked for by.
    lists = sa.table(
        "revocation_lists", sa.column("id", sa.Uuid()), sa.column("crl"), sa.column("scope", sa.Text())
    )
    connection = op.get_bind()
    for row in connection.execute(sa.select(lists.c.id)).all():
        der = connection.execute(sa.select(lists.c.crl).where(lists.c.id == row.id)).scalar_one()
        text = scope(read_crl(bytes(der)))
        connection.execute(sa.update(lists).where(lists.c.id == row.id).values(scope=text))
    with op.batch_alter_table("revocation_lists") as table:
        table.alter_column("scope", existing_type=sa.Text(), nullable=False)


def downgrade() -> None:
    op.drop_column("revocation_lists", "scope")
