"""``flask --app wsgi work``: what the portal does when nobody waits for a page.

One process, a thread for each feature of :data:`FEATURES`, so that a code for signing in does not wait behind
a class that is being issued. A feature does one item at a time and says whether there was one; it is asked
again at once, or after a pause that grows to five seconds. One that fails is logged and asked again later,
ever less often; the others notice nothing.

The rows of the database are the work list. Whoever is killed leaves an item that somebody else takes up, so
any number of workers may run, and SIGTERM or SIGINT ends one after the items that it has in hand.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from types import FrameType
from typing import Final, Protocol

import click
from flask import Flask, current_app
from sqlalchemy.orm import Session

from portal.accounts import activation, contacts, holders, sweeping
from portal.accounts.notices import Notice, send
from portal.commands.console import Command, refusals
from portal.commands.desk import issue_at_pages
from portal.commands.registry import REFRESH
from portal.consent import service as consent
from portal.extensions import Resources, confirm, reading, resources, transaction
from portal.messages import service as messages
from portal.messages.service import Sender
from portal.ports import Channel
from portal.registry import service as registry
from portal.results import service as results
from portal.trust.service import load_store
from portal.vault import Vault

#: Does one item that is due at that time; answers whether there was one.
Work = Callable[[Resources, datetime], bool]

_SHORTEST: Final = 1.0  # seconds without anything to do before it is looked for again …
_LONGEST: Final = 5.0  # … after a while
_FIRST_BACK_OFF: Final = 5.0  # seconds after something failed …
_LAST_BACK_OFF: Final = 300.0  # … and failed again and again
_LOOK: Final = 0.2  # seconds between looks at signals and threads

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Feature:
    """Something the worker does; the name is for the log."""

    name: str
    work: Work


def deliver(channel: Channel) -> Work:
    """Messages of one channel: a gateway that hangs keeps no e-mail waiting."""

    def work(portal: Resources, now: datetime) -> bool:
        with reading() as session:
            if not messages.is_due(session, channel, now=now):
                return False
        return messages.deliver_due(
            transaction,
            portal.vault,
            portal.mailer,
            channel=channel,
            sender=Sender.of(portal.settings),
            clock=portal.clock,
        )

    return work


class Over(Protocol):
    """Whether there is something whose time is over: a question that locks nothing."""

    def __call__(self, session: Session, *, now: datetime) -> bool: ...


class Erase(Protocol):
    """Erases a batch of it; answers how many."""

    def __call__(self, session: Session, *, now: datetime) -> int: ...


def tidying(is_over: Over, erase: Erase) -> Work:
    """What is kept for a time only: asked about first, so that nothing is locked while nothing is over."""

    def work(portal: Resources, now: datetime) -> bool:
        with reading() as session:
            if not is_over(session, now=now):
                return False
        with transaction() as session:
            return erase(session, now=now) > 0

    return work


class Revalidation:
    """Registered files whose standing a change in trust withdrew, at once; those whose standing is about to
    lapse or could not be decided, every hour, as ``registry revalidate`` does.
    """

    EVERY: Final = timedelta(hours=1)
    #: SQLite has one writer at a time: so many files are validated while people at their pages wait.
    BATCH: Final = 3

    def __init__(self) -> None:
        self._pass: datetime | None = None  # the moment of the pass that is under way
        self._next: datetime | None = None

    def __call__(self, portal: Resources, now: datetime) -> bool:
        """One batch. A pass keeps its moment, so a file that cannot be finished is tried once in it."""
        moment = self._pass or now
        if self._pass is None and self._next is not None and now < self._next:
            with reading() as session:
                if not registry.is_undecided(session):
                    return False
        self._pass = None
        with transaction() as session:
            done = registry.revalidate(
                session,
                portal.vault,
                portal.files,
                load_store(session),
                now=moment,
                due=moment + REFRESH,
                limit=self.BATCH,
            )
        if done.unreadable:
            log.error("registered files that the store has lost: %d", len(done.unreadable))
        if done.files:
            fields: dict[str, int | tuple[str, ...]] = {
                "passed": done.passed,
                "failed": done.failed,
                "incomplete": done.incomplete,
            }
            if done.why:
                fields["why"] = done.why
            log.info("revalidated", extra={"fields": fields})
        if done.more:
            self._pass = moment
        else:
            self._next = moment + self.EVERY
        return done.more


class Rounds:
    """Something that is done all over again ever so often, batch by batch, each in a transaction of its own:
    ``batches`` does one for each step.
    """

    def __init__(self, every: timedelta, batches: Callable[[Resources, datetime], Iterator[None]]) -> None:
        self._every, self._batches = every, batches
        self._pass: Iterator[None] | None = None
        self._next: datetime | None = None

    def __call__(self, portal: Resources, now: datetime) -> bool:
        """One batch."""
        if self._pass is None:
            if self._next is not None and now < self._next:
                return False
            self._pass = self._batches(portal, now)
        going, self._pass = self._pass, None  # a pass that fails begins anew
        try:
            next(going)
        except StopIteration:
            self._next = now + self._every
            return False
        self._pass = going
        return True


def families(portal: Resources, now: datetime) -> Iterator[None]:
    """Contacts whose change has waited long enough, links that lapsed, contacts to be confirmed, accounts
    that nobody finished, slips that are over. Whoever is to be told is told in the same transaction.
    """
    told: tuple[Notice, ...]
    for some in (partial(contacts.apply_due, vault=portal.vault), contacts.remind):
        while True:
            with transaction() as session:
                told = some(session, now=now)
                send(session, portal.vault, told, now=now)
            if not told:
                break
            yield
    yield from _walk(portal, holders.end_lapsed, now)
    with transaction() as session:
        activation.forget(session, now=now)


def consents(portal: Resources, now: datetime) -> Iterator[None]:
    """Consents that expired, or that birthdays and last days of links suspended: their events say so."""
    yield from _walk(portal, consent.settle_some, now)


class _Walk(Protocol):
    """One batch of rows in the order of their keys, those after one; answers the last, None after all."""

    def __call__(
        self, session: Session, vault: Vault, *, after: uuid.UUID | None, now: datetime
    ) -> tuple[tuple[Notice, ...], uuid.UUID | None]: ...


def _walk(portal: Resources, some: _Walk, now: datetime) -> Iterator[None]:
    after: uuid.UUID | None = None
    while True:
        with transaction() as session:
            told, after = some(session, portal.vault, after=after, now=now)
            send(session, portal.vault, told, now=now)
        if after is None:
            break
        yield


#: What a worker does. A feature adds its own here.
FEATURES: Final = (
    Feature("e-mail", deliver(Channel.EMAIL)),
    Feature("phone messages", deliver(Channel.PHONE)),
    Feature("erasure of messages", tidying(messages.is_over, messages.erase_over)),
    Feature("sweeping of sign-ins", tidying(sweeping.is_over, sweeping.sweep)),
    Feature("erasure of results", tidying(results.is_over, results.erase_over)),
    Feature("re-validation", Revalidation()),
    Feature("families", Rounds(timedelta(hours=1), families)),
    Feature("consents", Rounds(timedelta(days=1), consents)),
    Feature("issuing at pages", issue_at_pages),
)


@click.command("work", cls=Command)
def work() -> None:
    """Làm việc nền: gửi tin, xóa những gì đã hết hạn lưu, kiểm tra lại tệp, kiểm tra danh sách lớp và ký theo
    lệnh ở các trang. Chạy mãi; dừng bằng SIGTERM hoặc Ctrl-C.
    """
    with refusals():
        confirm()
    ended = False

    def end(_number: int, _frame: FrameType | None) -> None:
        nonlocal ended
        ended = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    log.info("work begins")
    crew = Crew(current_app._get_current_object(), FEATURES)  # type: ignore[attr-defined]
    while not ended and crew.is_whole():
        time.sleep(_LOOK)
    whole = crew.stop()
    log.info("work ended")
    if not whole:
        sys.exit(1)


class Crew:
    """A thread for each feature, from now until :meth:`stop`."""

    def __init__(self, app: Flask, features: tuple[Feature, ...]) -> None:
        self._app = app
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(f,), name=f.name) for f in features]
        for thread in self._threads:
            thread.start()

    def is_whole(self) -> bool:
        """False when a thread ended that nobody stopped: then this process is worth nothing any more."""
        return all(thread.is_alive() for thread in self._threads)

    def stop(self) -> bool:
        """After the items in hand; answers whether all were there."""
        whole = self.is_whole()
        self._stop.set()
        for thread in self._threads:
            thread.join()
        return whole

    def _run(self, feature: Feature) -> None:
        idle, back_off = _SHORTEST, _FIRST_BACK_OFF
        with self._app.app_context():
            portal = resources()
            while not self._stop.is_set():
                try:
                    busy = feature.work(portal, portal.clock.now())
                except Exception:
                    log.exception("work failed: %s", feature.name)
                    self._stop.wait(back_off)
                    back_off = min(2 * back_off, _LAST_BACK_OFF)
                    continue
                back_off = _FIRST_BACK_OFF
                if busy:
                    idle = _SHORTEST
                else:
                    self._stop.wait(idle)
                    idle = min(2 * idle, _LONGEST)
