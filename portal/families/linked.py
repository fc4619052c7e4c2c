"""The pupil of a page below ``/family/<key>``: the key is that of the viewer's own link, which stands."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from sqlalchemy.orm import Session

from portal.accounts import holders
from portal.accounts.holders import Link
from portal.consent.service import Denied
from portal.errors import Refusal
from portal.extensions import resources, transaction
from portal.permissions import Act
from portal.registry import learners
from portal.web import sessions
from portal.web.requests import Rejection
from portal.web.sessions import viewer

_Found = TypeVar("_Found")
_UNKNOWN: Final = frozenset({"unknown_consent", "unknown_record", "unknown_request"})


@contextmanager
def acting(key: uuid.UUID, act: Act) -> Iterator[tuple[Session, Link]]:
    """A transaction, and the viewer's own link to the pupil, which stands. What is not the viewer's own is
    told in the trail, and is no page to them; a dispute is said.
    """
    bundle, me = resources(), viewer()
    try:
        with transaction() as session:
            yield (
                session,
                holders.standing_link(session, bundle.vault, me.account, key, now=bundle.clock.now()),
            )
    except Refusal as refused:
        sessions.doorkeeper().turned_away(me, act, refused.code)
        if refused.code in ("link_disputed", "link_overruled"):
            raise Rejection(403, refused.code) from None
        raise Rejection(404, "not_found") from None


def granted(found: _Found | Denied | None) -> _Found:
    """What was found, once its transaction is over: the entry of a refusal stands. Raises Rejection; also for
    nothing, a consent that is not about the link's pupil, of which the trail is told here.
    """
    if found is None:
        sessions.doorkeeper().turned_away(viewer(), Act.CONSENT, "unknown_consent")
        raise Rejection(404, "not_found")
    if isinstance(found, Denied):
        raise turned(found)
    return found


def turned(denied: Denied) -> Rejection:
    """A refusal as a page says it: what is not the viewer's own is unknown to them."""
    return Rejection(404, "not_found") if denied.code in _UNKNOWN else Rejection(403, denied.code)


def name_of(session: Session, link: Link) -> str:
    """The pupil's name, empty when the link's school has no record of them."""
    known = learners.pupil_of(session, resources().vault, link.school_code, link.pupil_index)
    return "" if known is None else known.name
