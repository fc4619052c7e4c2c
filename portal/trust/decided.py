"""Changes of issuing keys that one person does not make alone (SEC-24).

A new certificate has its two persons already: whoever asks for it, and another who approves
(:func:`portal.trust.service.approve`). What is left is decided by two: doubting signatures of the past, and
saying whose an approved key is. Stopping a key from now on is anybody's who may: it must not wait.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from portal.audit.service import Actor
from portal.decisions import service as decisions
from portal.decisions.service import Facts, Kind
from portal.trust import service
from portal.trust.service import Change
from verifier.audit import moment_text


def propose_suspension(
    session: Session,
    signers: Sequence[uuid.UUID],
    since: datetime,
    *,
    compromised: bool,
    reason: str,
    reference: str,
    actor: Actor,
    now: datetime,
) -> Facts:
    """Ask that nothing counts which these rows signed from ``since``, a moment of the past, on. What would be
    refused is refused now. Raises Refusal.
    """
    with session.begin_nested() as tried:  # would it be done? then undo it
        service.suspend(session, signers, since, compromised=compromised, actor=actor, now=now)
        tried.rollback()
    content = {
        "signers": sorted({str(key) for key in signers}),
        "since": moment_text(since),
        "compromised": compromised,
    }
    return decisions.propose(
        session, Kind.SUSPEND_SIGNERS, content, reason=reason, reference=reference, actor=actor, now=now
    )


def suspend(session: Session, decision: uuid.UUID, *, actor: Actor, now: datetime) -> Change:
    """Do what two persons decided. Raises Refusal."""
    service.hold(session)
    said = decisions.take(session, decision, Kind.SUSPEND_SIGNERS, actor=actor, now=now).content
    return service.suspend(
        session,
        [uuid.UUID(key) for key in said["signers"]],
        datetime.fromisoformat(said["since"]),
        compromised=said["compromised"],
        actor=actor,
        now=now,
    )


def propose_link(
    session: Session,
    signers: Sequence[uuid.UUID],
    account: uuid.UUID,
    *,
    reason: str,
    reference: str,
    actor: Actor,
    now: datetime,
) -> Facts:
    """Ask that only ``account`` may order signatures with the keys of these rows. What would be refused is
    refused now. Raises Refusal.
    """
    with session.begin_nested() as tried:
        service.link_account(session, signers, account, actor=actor, now=now)
        tried.rollback()
    content = {"signers": sorted({str(key) for key in signers}), "account": str(account)}
    return decisions.propose(
        session, Kind.LINK_SIGNERS, content, reason=reason, reference=reference, actor=actor, now=now
    )


def link(session: Session, decision: uuid.UUID, *, actor: Actor, now: datetime) -> tuple[Change, uuid.UUID]:
    """Do what two persons decided; whose the keys are now. Raises Refusal."""
    service.hold(session)
    said = decisions.take(session, decision, Kind.LINK_SIGNERS, actor=actor, now=now).content
    account = uuid.UUID(said["account"])
    keys = [uuid.UUID(key) for key in said["signers"]]
    return service.link_account(session, keys, account, actor=actor, now=now), account
