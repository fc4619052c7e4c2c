"""One pupil across schools and years: an index by which records of the same pupil are found; when the holder
of a contact was reminded to confirm it.

The index needs the content of each record, which no migration opens: ``flask database upgrade`` fills it in
afterwards (:func:`portal.registry.learners.fill`).
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("records", sa.Column("learner_index", sa.String(length=64), nullable=True))
    op.create_index("ix_records_learner_index", "records", ["learner_index"], unique=False)
    op.add_column("contacts", sa.Column("reminded_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("contacts", "reminded_at")
    op.drop_index("ix_records_learner_index", "records")
    op.drop_column("records", "learner_index")
