"""Where charges are counted: in this process's memory, or in Redis for all processes and nodes together.

Redis may be down, hang, be emptied or hold something else under our names: no request fails for it. Each
operation waits :data:`PATIENCE` at most; the first that fails opens the breaker, and from then on requests
count in memory, against a :data:`STRICTER` part of every limit, without asking Redis. A thread of its own
asks it instead, and closes the breaker when it answers and takes writes. One error line says that an outage
began, one warning that it ended.

The same thread brings the list of refused clients over from Redis, four times a second, so that a request
which charges nothing (nearly all of them) asks no network at all.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import OrderedDict, deque
from typing import Any, Final

import redis
from limits.storage import MovingWindowSupport, RedisStorage, Storage
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

log = logging.getLogger(__name__)

STRATEGY: Final = "moving-window"
#: Part of every limit that is left while Redis is away: each process counts alone then.
STRICTER: Final = 4
#: Seconds that one operation may wait for Redis; no operation follows one that waited in vain.
PATIENCE: Final = 0.2
#: Seconds between two looks at Redis.
_WATCH: Final = 0.25
#: Names in Redis. The strategy is part of them: another one keeps other types under its names.
_PREFIX: Final = f"hbs-limits:{STRATEGY}"
_REFUSED: Final = f"{_PREFIX}:refused"
_MOST_REFUSED: Final = 10_000
_MOST_KEYS: Final = 100_000


class _Memory:
    """Exact moving windows in memory: the times of the last charges of each key.

    Bounded: keys without charges go as others come, and beyond ``_MOST_KEYS`` the one charged longest ago.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._times: OrderedDict[str, tuple[deque[float], float]] = OrderedDict()

    def acquire(self, key: str, limit: int, expiry: int, amount: int) -> bool:
        with self._lock:
            now = time.time()
            times, _ = self._times.get(key) or (deque(), 0.0)
            _drop_old(times, now - expiry)
            if len(times) + amount > limit:
                return False
            times.extend([now] * amount)
            self._times[key] = (times, now + expiry)
            self._times.move_to_end(key)
            for _ in range(2):  # two out for one in: the heap of the past shrinks
                oldest, (_, ends) = next(iter(self._times.items()))
                if ends <= now or len(self._times) > _MOST_KEYS:
                    del self._times[oldest]
            return True

    def window(self, key: str, expiry: int) -> tuple[float, int]:
        """Time of the oldest charge that still counts (or now), and how many count."""
        with self._lock:
            now = time.time()
            times, _ = self._times.get(key) or (deque[float](), 0.0)
            _drop_old(times, now - expiry)
            return (times[0], len(times)) if times else (now, 0)

    def clear(self, key: str | None = None) -> int:
        with self._lock:
            count = len(self._times)
            if key is None:
                self._times.clear()
            else:
                self._times.pop(key, None)
            return count


def _drop_old(times: deque[float], before: float) -> None:
    while times and times[0] <= before:
        times.popleft()


class Counters(Storage, MovingWindowSupport):
    """A storage of the limits library, named by the scheme ``counters://``; ``url`` is ``memory://`` or
    ``redis://…``. Raises nothing for the sake of Redis.
    """

    STORAGE_SCHEME = ["counters"]  # noqa: RUF012 - the library's registry reads the class attribute

    def __init__(
        self, uri: str | None = None, wrap_exceptions: bool = False, *, url: str = "memory://"
    ) -> None:
        super().__init__(uri, wrap_exceptions)
        self._memory = _Memory()
        self._redis = None if url.startswith("memory") else _Shared(url)
        self._available = True
        self._lock = threading.Lock()
        self._refused: dict[str, float] = {}  # key -> until
        self._watched_by: int | None = None
        self._closed = threading.Event()

    # ------------------------------------------------------------------------------------------ counting

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Charge ``amount``, if it still fits under ``limit`` within ``expiry`` seconds."""
        if (answer := self._asked("acquire_entry", key, limit, expiry, amount)) is not None:
            return bool(answer)
        return self._memory.acquire(key, self._left_of(limit), expiry, amount)

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """Start of the window and what is charged in it; what an outage withholds counts as charged."""
        if (answer := self._asked("get_moving_window", key, limit, expiry)) is not None:
            start, count = answer
            return float(start), int(count)
        start, count = self._memory.window(key, expiry)
        return start, count + limit - self._left_of(limit)

    def _left_of(self, limit: int) -> int:
        return limit if self._redis is None else max(1, limit // STRICTER)

    def _asked(self, method: str, key: str, *arguments: int) -> Any:
        """What Redis says; None when it is not in use, or not to be asked now."""
        if self._redis is None:
            return None
        self._watch(self._redis)
        if not self._available:
            return None
        try:
            try:
                return getattr(self._redis.counters, method)(key, *arguments)
            except ResponseError as error:
                if "WRONGTYPE" not in str(error):
                    raise
                self._redis.counters.clear(key)  # ours by its name, not by what it holds
                return getattr(self._redis.counters, method)(key, *arguments)
        except (RedisError, OSError) as error:
            self._lost(error)
            return None

    # ------------------------------------------------------------------------------------ refused clients

    def refuse(self, key: str, until: float) -> None:
        """Let everybody know that ``key`` is used up until then (seconds since 1970)."""
        self._refused[key] = until
        if self._redis is not None and self._available:
            try:
                self._redis.client.zadd(_REFUSED, {key: until}, gt=True)
            except ResponseError as error:
                if "WRONGTYPE" not in str(error):
                    self._lost(error)  # the watch puts a wrong type right
            except (RedisError, OSError) as error:
                self._lost(error)

    def refused_until(self, key: str) -> float:
        """Until when ``key`` is refused, 0 when it is not. Asks memory alone."""
        if self._redis is not None:
            self._watch(self._redis)
        return self._refused.get(key, 0)

    # ---------------------------------------------------------------------------------------- the breaker

    @property
    def available(self) -> bool:
        """Whether charges are counted where they should be."""
        return self._available

    def _lost(self, error: Exception) -> None:
        with self._lock:
            if self._available:
                self._available = False
                log.error(
                    "limits: Redis does not answer (%s); counting in memory, 1/%s of each limit",
                    type(error).__name__,
                    STRICTER,
                )

    def _found(self) -> None:
        with self._lock:
            if not self._available:
                self._available = True
                log.warning("limits: Redis answers again")

    def _watch(self, shared: _Shared) -> None:
        """Have this very process's watch running; a fork has none of its parent's threads."""
        if self._watched_by == os.getpid():
            return
        with self._lock:
            if self._watched_by != os.getpid():
                self._watched_by = os.getpid()
                look = threading.Thread(target=self._look, args=(shared,), name="limits-watch", daemon=True)
                look.start()

    def _look(self, shared: _Shared) -> None:
        while True:
            try:
                self._look_once(shared.client)
                self._found()
            except (RedisError, OSError) as error:
                self._lost(error)
            if self._closed.wait(_WATCH):
                return

    def _look_once(self, client: redis.Redis) -> None:
        """Drop what has run out, which is a write and so tells a read-only Redis, and read the rest."""
        now = time.time()
        try:
            client.zremrangebyscore(_REFUSED, "-inf", now)
            shared: Any = client.zrevrange(_REFUSED, 0, _MOST_REFUSED - 1, withscores=True)
        except ResponseError as error:
            if "WRONGTYPE" not in str(error):
                raise
            client.delete(_REFUSED)
            shared = []
        for key, until in shared:
            self._refused[key.decode()] = until
        for key in [k for k, until in list(self._refused.items()) if until <= now]:
            self._refused.pop(key, None)

    def close(self) -> None:
        """End the watch and the connections."""
        self._closed.set()
        if self._redis is not None:
            self._redis.client.close()

    # ------------------------------------------------------- what the library asks of every storage besides

    @property
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:
        return RedisError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        raise NotImplementedError(f"these counters are for {STRATEGY}")

    def get(self, key: str) -> int:
        raise NotImplementedError(f"these counters are for {STRATEGY}")

    def get_expiry(self, key: str) -> float:
        raise NotImplementedError(f"these counters are for {STRATEGY}")

    def check(self) -> bool:
        return self._available

    def reset(self) -> int:
        self._refused.clear()
        return self._memory.clear()

    def clear(self, key: str) -> None:
        self._refused.pop(key, None)
        self._memory.clear(key)


class _Shared:
    """Redis: the library's counters in it, and a client of our own for the rest. No retries and short waits:
    trying again is the watch's business.
    """

    def __init__(self, url: str) -> None:
        pool = redis.ConnectionPool.from_url(
            url,
            socket_timeout=PATIENCE,
            socket_connect_timeout=PATIENCE,
            retry=Retry(NoBackoff(), 0),
        )
        self.counters = RedisStorage(url, connection_pool=pool, key_prefix=_PREFIX)
        self.client = redis.Redis(connection_pool=pool)
