"""Erasing what was said about a pupil: the key of a consent, of a look by duty of law, of a request.

The rows stay, for the database lets nobody edit or delete them; what was sealed under their key (texts,
references, names that people gave) opens no more. A consent without its key shows nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.audit.service import Object
from portal.consent.models import Consent, ConsentEvent, StatutoryAccess, SubjectRequest
from portal.database import changed
from portal.erasure.service import Erased, Eraser
from portal.vault import DESTROYED

_Sealed = type[Consent] | type[StatutoryAccess] | type[SubjectRequest]


def _eraser(kind: str, model: _Sealed, *below: str) -> Eraser:
    """By the row's key; ``below`` are the tables with columns sealed under it."""

    def erase(session: Session, name: str, _now: datetime) -> Erased:
        mine = (model.id == uuid.UUID(name), model.wrapped_key != DESTROYED)
        pupil = session.scalar(select(model.pupil_index).where(*mine).with_for_update())
        if pupil is None:
            return Erased()
        rows = {
            model.__tablename__: changed(session, update(model).where(*mine).values(wrapped_key=DESTROYED))
        }
        return Erased(rows, object=Object(kind, uuid.UUID(name)), pupil=pupil)

    def alive(session: Session, names: Collection[str]) -> frozenset[str]:
        keys = [uuid.UUID(name) for name in names]
        wanted = select(model.id).where(model.id.in_(keys), model.wrapped_key != DESTROYED)
        return frozenset(str(key) for key in session.scalars(wanted))

    return Eraser(kind, (model.__tablename__, *below), erase, alive)


CONSENT: Final = _eraser("consent", Consent, ConsentEvent.__tablename__)
STATUTORY_ACCESS: Final = _eraser("statutory_access", StatutoryAccess)
REQUEST: Final = _eraser("request", SubjectRequest)
