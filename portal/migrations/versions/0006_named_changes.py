"""What each revision of a file changed, and whether strict reading refused it, in facts and reports; opinions
on each signature and timestamp in reports.
"""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
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


def _each_judged(report: dict[str, Any], change: Any) -> dict[str, Any]:
    """The report with every signature and timestamp in it changed."""
    lists = {name: report[name] for name in ("signatures", "timestamps") if name in report}
    return report | {name: [change(each) for each in found] for name, found in lists.items()}


def _without(found: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name not in names}


def upgrade() -> None:
    # Files of before were read strictly when they were registered. What their revisions changed was not
    # written down, nor was anybody's opinion: both stay empty until they are validated in full again.
    for column in (_FILES.c.structure, _FILES.c.report):
        _rewrite(column, lambda found: found | {"revisions": [], "lenient": False})
    _rewrite(_FILES.c.report, lambda found: _each_judged(found, lambda each: {"opinions": []} | each))


def downgrade() -> None:
    for column in (_FILES.c.structure, _FILES.c.report):
        _rewrite(column, lambda found: _without(found, "revisions", "lenient"))
    _rewrite(_FILES.c.report, lambda found: _each_judged(found, lambda each: _without(each, "opinions")))
