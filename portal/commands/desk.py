"""What the worker does for people who issue at pages: steps that each do one thing that is due.

The worker calls them again and again; each answers whether it did something. One process of an installation
issues at a time; another one has nothing to do meanwhile. The keys of SIGNING_KEYS are opened here and by the
commands of issuing, nowhere else (SEC-38).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Final

from sqlalchemy.orm import Session

from portal.audit.service import Actor
from portal.commands.issuing import open_desk
from portal.errors import Refusal
from portal.extensions import Resources, reading
from portal.issuing import people, uploads
from portal.issuing.keys import KeyRing, load_keys
from portal.issuing.lock import exclusive
from portal.issuing.models import UploadState
from portal.issuing.plan import PAGES
from portal.issuing.service import Desk
from verifier.trust import TrustStore

_WORKER: Final = Actor.system("worker")

#: Items that are done with what was opened once.
_MANY: Final = 20

Step = Callable[[Resources, datetime], bool]


def examine_due(bundle: Resources, now: datetime) -> bool:
    """Examine the oldest class file that was sent."""
    return _do(bundle, lambda s: uploads.is_due(s, UploadState.SENT), uploads.examine_due)


def issue_due(bundle: Resources, now: datetime) -> bool:
    """Reserve the records of the oldest class file that was confirmed."""
    return _do(bundle, lambda s: uploads.is_due(s, UploadState.CONFIRMED), uploads.reserve_due)


def take_due(bundle: Resources, now: datetime) -> bool:
    """Sign, prepare or take the oldest line of an order, or register what everybody signed."""
    return _do(bundle, lambda s: people.is_due(s, now), people.take_due)


def erase_due(bundle: Resources, now: datetime) -> bool:
    """Erase the oldest class file that led to nothing for thirty days."""
    return _do(bundle, lambda s: uploads.is_old(s, now), lambda desk, _: uploads.erase_due(desk))


#: In the order of their urgency for whoever waits at a page.
STEPS: Final[tuple[Step, ...]] = (take_due, examine_due, issue_due, erase_due)


def issue_at_pages(bundle: Resources, now: datetime) -> bool:
    """The most urgent step that has something to do."""
    return any(step(bundle, now) for step in STEPS)


def _do(
    bundle: Resources, is_due: Callable[[Session], bool], work: Callable[[Desk, TrustStore], bool]
) -> bool:
    """``work``, where something is due and no other process issues; keys are opened for nothing less."""
    with reading() as session:
        if not is_due(session):
            return False
    with ExitStack() as held:
        try:
            held.enter_context(exclusive(bundle.engine, bundle.settings.instance_dir))
        except Refusal as refused:
            if refused.code == "issuing_in_progress":
                return False
            raise
        opened, store = open_desk(_keys(bundle), _WORKER, PAGES)
        with reading() as session:
            ring = people.ring_of_people(session, opened.ring, store, bundle.clock.now())
        opened = replace(opened, ring=ring)
        done = 0
        while done < _MANY and work(opened, store):
            done += 1
        return done > 0


def _keys(bundle: Resources) -> KeyRing:
    """The ring of SIGNING_KEYS, opened once for each state of its list; none is no key at hand."""
    path = bundle.settings.signing_keys
    return KeyRing(()) if path is None else _opened(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=1)
def _opened(path: Path, _changed: int) -> KeyRing:
    return load_keys(path)
