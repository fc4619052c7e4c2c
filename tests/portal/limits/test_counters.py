"""The counters, in memory and in a real Redis that is stopped, frozen, emptied and filled with other things
(SEC-35).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from limits import parse
from limits.storage import RedisStorage
from limits.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter

from portal.limits import counters as module
from portal.limits.counters import PATIENCE, STRICTER, Counters
from portal.limits.gate import Gate
from portal.limits.table import DEFAULT, MISS, UPLOAD
from tests.servers import RedisServer

LOST = "limits: Redis does not answer"
FOUND = "limits: Redis answers again"


def gate(url: str) -> Gate:
    counters = Counters(url=url)
    return Gate(DEFAULT, MovingWindowRateLimiter(counters), counters)


@pytest.fixture(params=["memory", "redis"])
def either(request: pytest.FixtureRequest) -> Iterator[Gate]:
    url = "memory://" if request.param == "memory" else request.getfixturevalue("redis_server").url
    made = gate(url)
    yield made
    made.counters.close()


@pytest.fixture
def shared(redis_server: RedisServer) -> Iterator[Gate]:
    made = gate(redis_server.url)
    assert made.refused(MISS, "192.0.2.1") is None  # its watch runs
    yield made
    made.counters.close()


def eventually(what: Callable[[], bool], seconds: float = 60) -> None:
    give_up = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < give_up, "did not happen in time"
        time.sleep(0.02)


def charged(gate: Gate, name: str, address: str, times: int) -> list[int | None]:
    return [gate.charge(name, address) for _ in range(times)]


class TestCounting:
    def test_exactly_as_many_as_the_limit_says(self, either: Gate) -> None:
        answers = charged(either, MISS, "2001:db8::1", 21)
        assert answers[:20] == [None] * 20
        assert answers[20] is not None

    def test_the_time_to_wait_is_the_truth(self, either: Gate) -> None:
        limit = parse("3/2 seconds")
        either = Gate(
            {MISS: DEFAULT[MISS].__class__(MISS, "", "", {"v4": limit})}, either.strategy, either.counters
        )
        assert charged(either, MISS, "192.0.2.1", 3) == [None] * 3
        wait = either.refused(MISS, "192.0.2.1")
        assert wait in (1, 2)
        assert either.charge(MISS, "192.0.2.1") is not None
        time.sleep(wait + 0.05)
        assert either.refused(MISS, "192.0.2.1") is None
        assert either.charge(MISS, "192.0.2.1") is None

    def test_many_at_one_time_get_no_more(self, either: Gate) -> None:
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda _: either.charge(UPLOAD, "2001:db8::1"), range(120)))
        assert answers.count(None) == 60

    def test_whoever_used_up_the_last_is_refused_from_the_next_request_on(self, either: Gate) -> None:
        charged(either, MISS, "2001:db8::1", 20)
        assert either.refused(MISS, "2001:db8::ffff") is not None  # the same /64
        assert either.refused(MISS, "2001:db8:0:1::1") is None
        assert either.refused(UPLOAD, "2001:db8::1") is None

    def test_rotating_inside_a_56_is_one_client_sec_34(self, either: Gate) -> None:
        answers = [either.charge(MISS, f"2001:db8:0:{n:x}::1") for n in range(256)]
        assert answers.count(None) == 30
        assert either.refused(MISS, "2001:db8:0:ff:9::9") is not None
        assert either.refused(MISS, "2001:db8:0:100::1") is None

    def test_the_limit_for_all_refuses_the_charge_and_nobody_else(self) -> None:
        counters = Counters()
        policy = DEFAULT[MISS].__class__(MISS, "", "", {"all": parse("2/minute")})
        tight = Gate({MISS: policy}, MovingWindowRateLimiter(counters), counters)
        assert charged(tight, MISS, "192.0.2.1", 2) == [None, None]
        assert tight.charge(MISS, "192.0.2.2") is not None
        assert tight.refused(MISS, "192.0.2.2") is None

    def test_memory_is_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "_MOST_KEYS", 50)
        memory = module._Memory()
        for n in range(500):
            memory.acquire(f"k{n}", 5, 60, 1)
        assert memory.clear() <= 51

    def test_keys_that_ran_out_are_dropped(self) -> None:
        memory = module._Memory()
        for n in range(20):
            memory.acquire(f"k{n}", 5, 1, 1)
        time.sleep(1.1)
        memory.acquire("last", 5, 60, 1)
        for _ in range(20):
            memory.acquire("last", 50, 60, 1)
        assert memory.clear() == 1


class TestOneRedisForAll:
    def test_processes_count_together(self, shared: Gate, redis_server: RedisServer) -> None:
        other = gate(redis_server.url)
        charged(shared, MISS, "2001:db8::1", 10)
        assert charged(other, MISS, "2001:db8::1", 11).count(None) == 10
        other.counters.close()

    def test_a_refusal_reaches_the_other_process_without_being_asked_for(
        self, shared: Gate, redis_server: RedisServer
    ) -> None:
        other = gate(redis_server.url)
        assert other.refused(MISS, "2001:db8::1") is None
        charged(shared, MISS, "2001:db8::1", 20)
        eventually(lambda: other.refused(MISS, "2001:db8::1") is not None)
        other.counters.close()

    def test_another_strategy_on_a_live_redis_is_no_fault(
        self, shared: Gate, redis_server: RedisServer
    ) -> None:
        """Stock Flask-Limiter answers 500 then: the same names, another type."""
        limit = DEFAULT[MISS].layers["v4"]
        stock = RedisStorage(redis_server.url)
        FixedWindowRateLimiter(stock).hit(limit, MISS, "v4", "192.0.2.1")
        assert shared.charge(MISS, "192.0.2.1") is None
        assert shared.counters.available


class TestOutage:
    """SEC-35: no fault, a stricter limit, 300 ms once, one line at the beginning and one at the end."""

    @pytest.mark.parametrize("how", ["stop", "freeze"])
    def test_redis_goes_and_comes_back(
        self, shared: Gate, redis_server: RedisServer, how: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.WARNING)
        assert shared.charge(UPLOAD, "2001:db8::1") is None
        getattr(redis_server, how)()

        # 1 Whoever comes first waits a moment, nobody after that; the stricter limit holds at once.
        times, answers = [], []
        for _ in range(60):
            began = time.monotonic()
            answers.append(shared.charge(UPLOAD, "2001:db8::2"))
            times.append(time.monotonic() - began)
        assert sum(times) < 60 * PATIENCE / 3  # had each of them waited, it would be three times that
        assert answers.count(None) == 60 // STRICTER
        assert shared.refused(UPLOAD, "2001:db8::2") is not None

        # 2 One line, an error, however many noticed.
        time.sleep(3 * PATIENCE)
        lines = [record for record in caplog.records if LOST in record.message]
        assert [record.levelno for record in lines] == [logging.ERROR]

        # 3 Back by itself.
        redis_server.thaw() if how == "freeze" else redis_server.start()
        eventually(lambda: shared.counters.available)
        assert [record.message for record in caplog.records if FOUND in record.message] == [FOUND]
        assert charged(shared, UPLOAD, "2001:db8:0:ffff::1", 60).count(None) == 60

    def test_many_at_the_first_moment_all_wait_only_once(
        self, shared: Gate, redis_server: RedisServer
    ) -> None:
        """One after the other, the last would wait eight times as long as one does, however idle the machine
        is; a busy one makes it longer than it is, so the quickest of three counts.
        """

        def longest() -> float:
            redis_server.freeze()
            with ThreadPoolExecutor(8) as pool:
                times = list(pool.map(charge, range(8)))
            redis_server.thaw()
            eventually(lambda: shared.counters.available)
            return max(times)

        def charge(number: int) -> float:
            began = time.monotonic()
            shared.charge(UPLOAD, f"192.0.2.{number}")
            return time.monotonic() - began

        assert min(longest() for _ in range(3)) < 8 * PATIENCE / 2

    def test_nothing_listens_from_the_start(
        self, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        redis_server.stop()
        alone = gate(redis_server.url)
        assert charged(alone, MISS, "2001:db8::1", 6).count(None) == 20 // STRICTER
        assert sum(LOST in record.message for record in caplog.records) == 1
        alone.counters.close()

    def test_emptied(self, shared: Gate, redis_server: RedisServer) -> None:
        charged(shared, MISS, "2001:db8::1", 5)
        redis_server.client.flushall()
        assert shared.charge(MISS, "2001:db8::1") is None
        assert shared.counters.available

    def test_filled_with_wrong_types(self, shared: Gate, redis_server: RedisServer) -> None:
        assert shared.charge(MISS, "2001:db8::1") is None
        client = redis_server.client
        names: Any = client.keys("hbs-limits:*")
        assert names
        for name in (*names, module._REFUSED.encode()):
            client.delete(name)
            client.set(name, "not a list")
        answers = charged(shared, MISS, "2001:db8::1", 21)
        assert answers.count(None) == 20
        assert shared.refused(MISS, "2001:db8::1") is not None
        time.sleep(3 * PATIENCE)
        assert shared.counters.available
        assert client.type(module._REFUSED) in (b"zset", b"none")

    def test_a_redis_that_takes_no_writes_counts_as_away(
        self, shared: Gate, redis_server: RedisServer
    ) -> None:
        redis_server.client.replicaof("127.0.0.1", "1")
        assert shared.charge(MISS, "192.0.2.1") is None
        assert not shared.counters.available
        redis_server.client.replicaof("NO", "ONE")
        eventually(lambda: shared.counters.available)
