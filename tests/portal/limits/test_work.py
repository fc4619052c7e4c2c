"""Bounded work: so many checks run, so many wait, the rest is told at once (SEC-36)."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from portal.config import Settings
from portal.factory import create_app
from portal.limits.work import Bounds, Busy, Workroom
from tests.conftest import FrozenClock
from tests.portal.limits.test_web import scan, upload
from tests.portal.lookup.test_views import body
from tests.portal.web.world import CannedChecker, Stock, World, build
from verifier.report import ValidationReport
from verifier.sandbox import CheckJob

JSON = {"Accept": "application/json"}


class TestWorkroom:
    def test_never_more_than_run_and_nobody_is_forgotten(self) -> None:
        room = Workroom(Bounds(3, 100, 100, 30))
        running, most, done = 0, 0, 0
        lock = threading.Lock()

        def work(number: int) -> None:
            nonlocal running, most, done
            with room.place(f"192.0.2.{number}"):
                with lock:
                    running += 1
                    most = max(most, running)
                time.sleep(0.002)
                with lock:
                    running -= 1
                    done += 1

        with ThreadPoolExecutor(40) as pool:
            list(pool.map(work, range(100)))
        assert (most, done) == (3, 100)
        assert room.idle

    def test_whoever_came_first_is_first(self) -> None:
        room = Workroom(Bounds(1, 10, 10, 30))
        order: list[int] = []

        def work(number: int) -> None:
            with room.place(f"192.0.2.{number}"):
                order.append(number)

        threads = []
        with room.place("192.0.2.100"):
            for number in range(5):
                threads.append(threading.Thread(target=work, args=(number,)))
                threads[-1].start()
                while len(room._queue) <= number:
                    time.sleep(0.005)
        for thread in threads:
            thread.join()
        assert order == list(range(5))

    def test_a_full_room_says_so_at_once(self) -> None:
        room = Workroom(Bounds(1, 0, 10, 60))
        with room.place("192.0.2.1"):
            began = time.monotonic()
            with pytest.raises(Busy) as busy, room.place("192.0.2.2"):
                pass
        assert time.monotonic() - began < 60  # nobody waited
        assert (busy.value.own, busy.value.retry_after) == (False, 60)
        assert room.idle

    def test_a_wait_ends(self) -> None:
        room = Workroom(Bounds(1, 5, 10, 0.1))
        with room.place("192.0.2.1"):
            began = time.monotonic()
            with pytest.raises(Busy), room.place("192.0.2.2"):
                pass
            assert time.monotonic() - began >= 0.1
        assert room.idle

    def test_one_client_holds_its_share_and_no_more(self) -> None:
        room = Workroom(Bounds(10, 10, 2, 5))
        with room.place("2001:db8::1"), room.place("2001:db8::2"):
            with pytest.raises(Busy) as busy, room.place("2001:db8::3"):
                pass
            assert busy.value.own
            with room.place("2001:db8:0:1::1"):
                pass
        assert room.idle

    def test_what_fails_inside_gives_its_place_back(self) -> None:
        room = Workroom(Bounds(1, 0, 1, 5))
        for _ in range(3):
            with pytest.raises(ZeroDivisionError), room.place("192.0.2.1"):
                raise ZeroDivisionError
        assert room.idle


class HeldChecker(CannedChecker):
    """Checks that take until they are let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()
        self.started = threading.Semaphore(0)

    def check(self, job: CheckJob) -> ValidationReport:
        self.started.release()
        assert self.go.wait(60)
        return super().check(job)


@pytest.fixture
def held(tmp_path: Path, issued_stock: Stock) -> Iterator[tuple[World, HeldChecker]]:
    """A portal where 2 checks run and 2 wait."""
    plain = build(tmp_path / "instance", issued_stock)
    checker = HeldChecker()
    settings: Settings = plain.app.extensions["portal"].settings
    settings = replace(settings, checks=Bounds(2, 2, 4, 5))
    world = replace(plain, app=create_app(settings, checker=checker, clock=FrozenClock()))
    yield world, checker
    checker.go.set()
    world.app.extensions["portal"].engine.dispose()


def test_saturated_by_uploads_sec_36(held: tuple[World, HeldChecker]) -> None:
    """503 with Retry-After at once; look-ups go on as ever; all is well once there is room."""
    world, checker = held
    with ThreadPoolExecutor(4) as pool:
        busy: list[Future[TestResponse]] = [
            pool.submit(upload, world, f"%PDF {n}".encode(), f"192.0.2.{n}") for n in range(4)
        ]
        for _ in range(2):
            assert checker.started.acquire(timeout=60)
        room = world.app.extensions["portal"].workroom
        while len(room._queue) < 2:
            time.sleep(0.005)

        # 1 The fifth is told at once, in both shapes, also a registered file's.
        times = []
        for content in (b"%PDF more", world.primary.file, b"%PDF yet more"):
            began = time.monotonic()
            refused = upload(world, content, "192.0.2.99", **JSON)
            times.append(time.monotonic() - began)
            assert refused.status_code == 503
            assert body(refused)["code"] == "busy"
            assert refused.headers["Retry-After"] == "5"
        assert min(times) < 5  # nobody waited
        page = upload(world, b"%PDF more", "192.0.2.99")
        assert "Cổng đang bận" in page.text
        assert "Hãy thử lại sau 5 giây" in page.text

        # 2 Look-ups meet nothing of it.
        for _ in range(
            200
        ):  # all places are taken until the next step: one answer that queued would never come
            assert scan(world, world.primary.path).status_code == 200

        # 3 Everybody who had a place gets an answer.
        checker.go.set()
        assert [answer.result(60).status_code for answer in busy] == [200] * 4
    assert upload(world, b"%PDF more", "192.0.2.99").status_code == 200
    assert room.idle


def test_one_sender_cannot_take_all_places(held: tuple[World, HeldChecker]) -> None:
    world, checker = held
    settings: Settings = replace(world.app.extensions["portal"].settings, checks=Bounds(4, 4, 2, 5))
    world = replace(world, app=create_app(settings, checker=checker, clock=FrozenClock()))
    with ThreadPoolExecutor(2) as pool:
        own = [pool.submit(upload, world, f"%PDF {n}".encode()) for n in range(2)]
        for _ in range(2):
            assert checker.started.acquire(timeout=60)
        refused = upload(world, b"%PDF third", **JSON)
        assert (refused.status_code, body(refused)["code"]) == (429, "too_many_at_once")
        other = pool.submit(upload, world, b"%PDF neighbour", "192.0.2.50")
        checker.go.set()
        assert other.result(60).status_code == 200
        assert all(answer.result(60).status_code == 200 for answer in own)
