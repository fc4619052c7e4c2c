"""In which browser a share code was opened, so that the same one may see it again; why a link of a holder
ended, so that a former school's link does not stand in for one that the present school ended.
"""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_EVENTS = "consent_events"
_LINKS = sa.table(
    "pupil_links",
    sa.column("id", sa.Uuid()),
    sa.column("account_pk", sa.Uuid()),
    sa.column("pupil_index", sa.String()),
    sa.column("ended_at", sa.DateTime(timezone=True)),
    sa.column("end_reason", sa.String()),
)
_TRAIL = sa.table(
    "audit_entries",
    sa.column("number", sa.Integer()),
    sa.column("at", sa.DateTime(timezone=True)),
    sa.column("action", sa.String()),
    sa.column("object", sa.String()),
    sa.column("pupil", sa.String()),
    sa.column("details", sa.Text()),
)


def upgrade() -> None:
    op.add_column(_EVENTS, sa.Column("browser", sa.String(64), nullable=True))
    _keep_events("browser")
    op.add_column("pupil_links", sa.Column("end_reason", sa.String(40), nullable=True))
    _read_reasons()


def downgrade() -> None:
    op.drop_column("pupil_links", "end_reason")
    _drop_trigger()
    op.drop_column(_EVENTS, "browser")
    _keep_events()


def _keep_events(*added: str) -> None:
    """No column of an event may change, a new one neither (migration 0016)."""
    connection = op.get_bind()
    columns = {column["name"] for column in sa.inspect(connection).get_columns(_EVENTS)} | set(added)
    listed = ", ".join(f'"{name}"' for name in sorted(columns))
    _drop_trigger()
    if connection.dialect.name == "sqlite":
        refuse = f"BEGIN SELECT RAISE(ABORT, '{_EVENTS} is append-only'); END"
        op.execute(f"CREATE TRIGGER {_EVENTS}_update BEFORE UPDATE OF {listed} ON {_EVENTS} {refuse}")
        return
    call = "FOR EACH ROW EXECUTE FUNCTION audit_refuse()"
    op.execute(f"CREATE TRIGGER {_EVENTS}_keep BEFORE UPDATE OF {listed} OR DELETE ON {_EVENTS} {call}")


def _drop_trigger() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute(f"DROP TRIGGER IF EXISTS {_EVENTS}_update")
    else:
        op.execute(f"DROP TRIGGER IF EXISTS {_EVENTS}_keep ON {_EVENTS}")


def _read_reasons() -> None:
    """Why the links of before ended: the trail was told, in the same moment."""
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.set_config("portal.scope", "*", True)))
    ended = sa.select(_LINKS.c.id, _LINKS.c.account_pk, _LINKS.c.pupil_index, _LINKS.c.ended_at)
    for link in connection.execute(ended.where(_LINKS.c.ended_at.is_not(None))).all():
        told = connection.scalars(
            sa.select(_TRAIL.c.details)
            .where(
                _TRAIL.c.object == f"holder:{link.account_pk}",
                _TRAIL.c.action == "holder_change",
                _TRAIL.c.pupil == link.pupil_index,
                _TRAIL.c.at == link.ended_at,
            )
            .order_by(_TRAIL.c.number.desc())
        ).all()
        reasons = [found.get("reason") for found in map(json.loads, told) if found.get("change") == "ended"]
        if reasons:
            chosen = sa.update(_LINKS).where(_LINKS.c.id == link.id).values(end_reason=reasons[0])
            connection.execute(chosen)
