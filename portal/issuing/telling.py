"""Families are told of what a school issues, corrects and takes back, in the transaction that does it.

By whatever school they are linked: also when the school at work cannot see their links (SEC-18).
"""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy.orm import Session

from portal.accounts import holders, notices
from portal.audit.service import Actor
from portal.database import everywhere
from portal.registry import many
from portal.registry import service as registry
from portal.vault import Vault
from verifier.verdict import VersionState


def tell(
    session: Session, vault: Vault, record_id: str, *, grade: int, year: str, recalled: bool, now: datetime
) -> None:
    """Everyone who sees the record gets a message: a version was registered, or recalled."""
    with everywhere(session):
        told = holders.told_of_version(
            session, vault, record_id, grade=grade, year=year, recalled=recalled, now=now
        )
        notices.send(session, vault, told, now=now)


def recall_one(
    session: Session,
    vault: Vault,
    record_id: str,
    reason: str,
    *,
    actor: Actor,
    now: datetime,
    version: int | None = None,
) -> int:
    """As :func:`portal.registry.many.recall_one`, and the families are told; of one that was recalled before,
    not again.
    """
    before = _recalled(session, record_id)
    number = many.recall_one(session, record_id, reason, actor=actor, now=now, version=version)
    if number not in before:
        _tell_recall(session, vault, record_id, now)
    return number


def recall_many(session: Session, vault: Vault, decision: uuid.UUID, *, actor: Actor, now: datetime) -> int:
    """As :func:`portal.registry.many.recall`, and the families are told; answers how many records."""
    chosen = many.recall(session, decision, actor=actor, now=now)
    for record_id, _ in chosen:
        _tell_recall(session, vault, record_id, now)
    return len(chosen)


def _tell_recall(session: Session, vault: Vault, record_id: str, now: datetime) -> None:
    known = registry.find_record(session, record_id=record_id)
    if known is not None:
        tell(session, vault, record_id, grade=known.grade, year=known.year, recalled=True, now=now)


def _recalled(session: Session, record_id: str) -> frozenset[int]:
    """Numbers of the versions that were taken back before."""
    known = registry.find_record(session, record_id=record_id)
    every = () if known is None else registry.issued(session, pupils=[known.pupil_index])
    return frozenset(
        version.version
        for record in every
        if record.record_id == record_id
        for version in record.versions
        if version.state is VersionState.RECALLED
    )
