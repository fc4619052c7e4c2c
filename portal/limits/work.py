"""Bounded work: so many checks run, so many wait, the rest is told at once to come back (SEC-36).

Bounds hold per process: with W server processes W times as many run. What is bounded is the examination
alone. A slow upload takes no place here, a look-up never asks.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from portal.limits.table import client_keys

PER_CLIENT: Final = 4
WAIT_SECONDS: Final = 5.0


class Busy(Exception):  # noqa: N818 - a state, not a fault
    """No place: ``retry_after`` is in seconds; ``own`` says that this very client holds too many."""

    def __init__(self, retry_after: int, *, own: bool) -> None:
        super().__init__("busy")
        self.retry_after = retry_after
        self.own = own


@dataclass(frozen=True, slots=True)
class Bounds:
    """Checks that run and wait at one time, places one client may hold, seconds a check may wait."""

    running: int
    waiting: int
    per_client: int = PER_CLIENT
    wait_seconds: float = WAIT_SECONDS


class Workroom:
    """The places of one process, given out in the order of arrival."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self._lock = threading.Lock()
        self._held: Counter[str] = Counter()
        self._running = 0
        self._queue: list[threading.Event] = []

    @contextmanager
    def place(self, address: str) -> Iterator[None]:
        """A running place for the time of the block. Raises Busy: at once when all places are taken or the
        client holds its share, after ``wait_seconds`` when none became free.
        """
        client = client_keys(address)[0][1]
        mine = self._enter(client)
        try:
            if mine is not None:
                self._wait(mine)
            try:
                yield
            finally:
                self._pass_on()
        finally:
            with self._lock:
                self._held[client] -= 1
                if not self._held[client]:
                    del self._held[client]

    def _enter(self, client: str) -> threading.Event | None:
        """Take a place; None when it runs at once, else what to wait for."""
        bounds = self.bounds
        with self._lock:
            if self._held[client] >= bounds.per_client:
                raise Busy(self._retry_after(), own=True)
            if self._running < bounds.running:
                self._running += 1
                self._held[client] += 1
                return None
            if len(self._queue) >= bounds.waiting:
                raise Busy(self._retry_after(), own=False)
            self._held[client] += 1
            mine = threading.Event()
            self._queue.append(mine)
            return mine

    def _wait(self, mine: threading.Event) -> None:
        if mine.wait(self.bounds.wait_seconds):
            return
        with self._lock:
            if mine in self._queue:
                self._queue.remove(mine)
                raise Busy(self._retry_after(), own=False)
            # It was called at the last moment: the place is ours.

    def _pass_on(self) -> None:
        """Hand the running place to whoever waited longest."""
        with self._lock:
            if self._queue:
                self._queue.pop(0).set()
            else:
                self._running -= 1

    def _retry_after(self) -> int:
        """Whoever waits now has its place, or its refusal, by then."""
        return max(1, round(self.bounds.wait_seconds))

    @property
    def idle(self) -> bool:
        """Whether nothing runs, waits or is held."""
        with self._lock:
            return not (self._running or self._queue or self._held)
