"""What each revision of a file changed, and whether strict reading refused it, in facts and reports."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_FILES = sa.table(
    "registered_files",
    sa.column("id", sa.Uuid()),
    sa.column("structure", sa.Text()),
    sa.column("report", sa.Text()),
)


def _rewrite(column: sa.ColumnClause[Any], change: Any) -> None:
    connection = op.get_bind()
    for row in connection.execute(sa.select(_FILES.c.id)).all():
        wanted = sa.select(column).where(_FILES.c.id == row.id)
        found = change(json.loads(connection.execute(wanted).scalar_one()))
        text = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
        connection.execute(sa.update(_FILES).where(_FILES.c.id == row.id).values({column.name: text}))


def upgrade() -> None:
    # Files of before were read strictly when they were registered. What their revisions changed was not
    # written down; their list stays empty until they are validated in full again.
    for column in (_FILES.c.structure, _FILES.c.report):
        _rewrite(column, lambda found: found | {"revisions": [], "lenient": False})


def downgrade() -> None:
    for column in (_FILES.c.structure, _FILES.c.report):
        _rewrite(column, lambda found: {k: v for k, v in found.items() if k not in ("revisions", "lenient")})
