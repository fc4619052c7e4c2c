"""The limits as clients meet them: schools, families behind one address, guessers, and a Redis that fails."""

from __future__ import annotations

import hashlib
import io
import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from portal.database import Prepared
from portal.limits.counters import PATIENCE
from tests.portal.limits.codes import unknown, wrong_digest
from tests.portal.lookup.test_views import body, paper_form, post, typed_form
from tests.portal.web.world import Stock, World, build
from tests.servers import RedisServer
from verifier.locator import new_record_id

JSON = {"Accept": "application/json"}


@pytest.fixture
def make(tmp_path: Path, issued_stock: Stock) -> Iterator[Any]:
    made: list[World] = []

    def world(**environment: str) -> World:
        made.append(build(tmp_path / f"instance-{len(made)}", issued_stock, **environment))
        return made[-1]

    yield world
    for one in made:
        bundle = one.app.extensions["portal"]
        bundle.gate.counters.close()
        bundle.engine.dispose()


def scan(world: World, path: str, address: str = "192.0.2.1", **headers: str) -> TestResponse:
    return world.client.get(path, environ_base={"REMOTE_ADDR": address}, headers=headers)


def upload(world: World, content: bytes, address: str = "192.0.2.1", **headers: str) -> TestResponse:
    return world.client.post(
        "/check",
        data={"file": (io.BytesIO(content), "a.pdf")},
        content_type="multipart/form-data",
        environ_base={"REMOTE_ADDR": address},
        headers=headers,
    )


class TestHitsAreFree:
    def test_ten_thousand_clients_behind_one_ipv4_address_sec_33(self, world: World) -> None:
        """With valid codes: fewer than 0.1 % are refused; here none is."""
        paths = [issued.path for issued in world.issued]
        refused = sum(scan(world, paths[n % len(paths)]).status_code != 200 for n in range(10_000))
        assert refused == 0

    def test_a_school_checks_its_class_while_one_desk_mistypes(self, world: World) -> None:
        for number in range(200):
            assert scan(world, unknown(number)).status_code == 200
            assert scan(world, world.primary.path).status_code == 200
            assert scan(world, world.primary.path, **JSON).status_code == 200

    def test_registered_bytes_cost_nothing(self, make: Any) -> None:
        world = make(LIMITS="upload v4 1/hour")
        for _ in range(5):
            assert upload(world, world.primary.file).status_code == 200
        assert upload(world, b"%PDF-1.7 unknown").status_code == 200
        assert upload(world, b"%PDF-1.7 another").status_code == 429
        assert upload(world, world.primary.file).status_code == 200

    def test_an_answer_beyond_the_share_of_numbers_is_given_without_one(self, make: Any) -> None:
        """A registered file costs nothing; what is kept of it would fill the disk."""
        world = make(LIMITS="kept v4 2/hour")
        answers = [body(upload(world, world.primary.file, **JSON)) for _ in range(4)]
        assert [answer["result"] is not None for answer in answers] == [True, True, False, False]
        assert {answer["verdict"] for answer in answers} == {"GENUINE_CURRENT"}
        elsewhere = body(upload(world, world.primary.file, "192.0.2.2", **JSON))
        assert elsewhere["result"] is not None

    def test_a_malformed_code_is_not_charged(self, make: Any) -> None:
        world = make(LIMITS="miss v4 1/hour")
        for number in range(50):
            assert scan(world, f"/V/NONSENSE{number}").status_code == 200
        assert scan(world, world.primary.path).status_code == 200


class TestGuessing:
    @pytest.mark.parametrize("accept", [{}, JSON])
    def test_over_rotating_ipv6_inside_a_56_sec_34(self, world: World, accept: dict[str, str]) -> None:
        """At most 30 misses in ten minutes, then 429, from wherever in the /56; the quick way and Flask's."""
        answers = [scan(world, unknown(n), f"2001:db8:0:{n:x}::{n:x}", **accept) for n in range(60)]
        assert [a.status_code for a in answers] == [200] * 30 + [429] * 30
        assert scan(world, unknown(99), "2001:db8:0:100::1").status_code == 200  # the neighbours

    def test_a_known_record_with_a_wrong_digest_is_a_miss(self, make: Any) -> None:
        world = make(LIMITS="miss v4 3/hour")
        answers = [scan(world, wrong_digest(world.primary.locator, n)).status_code for n in range(5)]
        assert answers == [200, 200, 200, 429, 429]

    def test_no_door_is_without_the_limit(self, make: Any) -> None:
        """A scan, a pasted link, the comparison's form and the comparison draw on one share."""
        world = make(LIMITS="miss v4 4/hour")
        code = unknown(1)[3:]
        first = {"REMOTE_ADDR": "192.0.2.1"}
        scan(world, unknown(0))
        scan(world, unknown(0), **JSON)
        world.client.get(f"/compare?code={code}", environ_base=first)
        post(world.client, "/lookup", {"code": code}, **JSON)  # from 127.0.0.1: a client of its own
        assert scan(world, unknown(2)).status_code == 200
        for path in (unknown(3), world.primary.path, f"/compare?code={code}"):
            assert world.client.get(path, environ_base=first).status_code == 429

    def test_refusals_are_the_same_for_known_and_unknown_ids_sec_16(self, make: Any) -> None:
        world = make(LIMITS="miss v4 2/hour; wrong-try v4 2/hour")
        for number in range(2):
            scan(world, unknown(number), "127.0.0.1")
            post(world.client, "/lookup", typed_form(world.primary, nam="1999"))
        stranger = typed_form(world.primary) | {"code": new_record_id(b"0123456789")}
        pairs = [
            (
                scan(world, world.primary.path, "127.0.0.1", **kind),
                scan(world, unknown(7), "127.0.0.1", **kind),
            )
            for kind in ({}, JSON)
        ] + [
            (
                post(world.client, "/lookup", typed_form(world.primary), **kind),
                post(world.client, "/lookup", stranger, **kind),
            )
            for kind in (JSON,)
        ]
        for known, unknown_one in pairs:
            assert known.status_code == unknown_one.status_code == 429
            waits = [int(answer.headers["Retry-After"]) for answer in (known, unknown_one)]
            assert abs(waits[0] - waits[1]) <= 1
            assert _without_time(known) == _without_time(unknown_one)

    def test_a_refusal_looks_nothing_up_sec_16(self, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """So that its time cannot tell a known code from an unknown one."""
        world = make(LIMITS="miss v4 1/hour")
        asked: list[str] = []
        run = Prepared.run

        def counted(self: Prepared, *arguments: Any, **values: Any) -> Any:
            asked.append(",".join(values))
            return run(self, *arguments, **values)

        monkeypatch.setattr(Prepared, "run", counted)
        assert scan(world, unknown(0)).status_code == 200
        assert asked  # the one that was still answered
        asked.clear()
        for path in (world.primary.path, unknown(1)):
            for kind in ({}, JSON):
                assert scan(world, path, **kind).status_code == 429
        assert asked == []

    def test_wrong_births_and_papers_of_many_records_are_charged(self, make: Any) -> None:
        world = make(LIMITS="wrong-try v4 3/hour")
        wrong = [
            post(world.client, "/lookup", typed_form(world.primary, nam="1999"), **JSON),
            post(world.client, "/lookup", typed_form(world.secondary, nam="1999"), **JSON),
            post(world.client, "/compare", paper_form(world.first, ho_va_ten="Ai đó"), **JSON),
        ]
        assert [answer.status_code for answer in wrong] == [200] * 3
        refused = post(world.client, "/lookup", typed_form(world.second), **JSON)
        assert (refused.status_code, body(refused)["code"]) == (429, "too_many_wrong_tries")
        assert scan(world, world.primary.path, "127.0.0.1").status_code == 200

    def test_what_was_typed_stays_in_the_form(self, make: Any) -> None:
        world = make(LIMITS="wrong-try v4 1/hour")
        post(world.client, "/lookup", typed_form(world.primary, nam="1999"))
        refused = post(world.client, "/lookup", typed_form(world.primary))
        assert refused.status_code == 429
        assert "Có quá nhiều lần nhập không khớp" in refused.text
        assert typed_form(world.primary)["code"] in refused.text

    def test_every_form_counts_for_who_floods(self, make: Any) -> None:
        world = make(LIMITS="form v4 3/minute")
        answers = [post(world.client, "/lookup", typed_form(world.primary), **JSON) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
        assert body(answers[4])["code"] == "too_many_requests"
        assert 1 <= int(answers[4].headers["Retry-After"]) <= 60
        assert post(world.client, "/compare", paper_form(world.primary)).status_code == 429
        assert world.client.get("/").status_code == 200


def _without_time(answer: TestResponse) -> tuple[str, dict[str, str]]:
    """Body and headers without the request's own random id and the seconds, which a second's edge between
    two requests may change.
    """
    own_to_each = ("Retry-After", "Content-Length", "X-Request-Id")
    headers = {name: value for name, value in answer.headers if name not in own_to_each}
    own = re.sub(r"/V/[0-9A-Z.]+", "", answer.text)  # the address itself leads to the other language
    return re.sub(r'"retry_after": \d+|\d+ (giây|phút)|\d+ (seconds|minutes)', "", own), headers


class TestWords:
    """Every refusal says when to try again: in words, in the header, and for programs."""

    @pytest.mark.parametrize(
        ("language", "words"),
        [("vi", r"Hãy thử lại sau \d+ (giây|phút)"), ("en", r"Try again in \d+ minutes")],
    )
    def test_page_and_problem(self, make: Any, language: str, words: str) -> None:
        world = make(LIMITS="miss v4 1/10 minutes")
        scan(world, unknown(0))
        path = f"{world.primary.path}?lang={language}"
        page, problem = scan(world, path), scan(world, path, **JSON)
        for answer in (page, problem):
            assert answer.status_code == 429
            assert 590 <= int(answer.headers["Retry-After"]) <= 600
            assert answer.headers["Cache-Control"] == "no-store"
            assert re.search(words, answer.text)
        assert problem.content_type == "application/problem+json"
        assert body(problem)["retry_after"] == int(problem.headers["Retry-After"])

    def test_the_time_is_true(self, make: Any) -> None:
        world = make(LIMITS="miss v4 2/2 seconds")
        scan(world, unknown(0))
        scan(world, unknown(1))
        refused = scan(world, unknown(2))
        assert refused.status_code == 429
        time.sleep(int(refused.headers["Retry-After"]))
        assert scan(world, unknown(3)).status_code == 200


class TestRedisAway:
    """SEC-35 through the app: no 500 whatever Redis does, and limits all the while."""

    @pytest.mark.parametrize("fault", ["stop", "freeze", "fill", "flush"])
    def test_every_way_in(self, make: Any, redis_server: RedisServer, fault: str) -> None:
        world = make(LIMITS_URL=redis_server.url, LIMITS="miss /56 8/hour")
        assert scan(world, unknown(0), "2001:db8::1").status_code == 200
        if fault == "fill":
            names: Any = redis_server.client.keys("*")
            for name in names:
                redis_server.client.delete(name)
                redis_server.client.set(name, "x")
        elif fault == "flush":
            redis_server.client.flushall()
        else:
            getattr(redis_server, fault)()
        waited = 0.0
        for number in range(12):
            ways: tuple[Callable[[], TestResponse], ...] = (
                partial(scan, world, unknown(number + 1), "2001:db8::1"),
                partial(scan, world, world.primary.path, "192.0.2.77"),
                partial(upload, world, f"%PDF {number}".encode(), "192.0.2.77"),
                partial(post, world.client, "/lookup", typed_form(world.primary), **JSON),
            )
            for answer_to in ways:
                began = time.monotonic()
                answer = answer_to()
                waited += time.monotonic() - began
                assert answer.status_code in (200, 429)
        assert scan(world, unknown(50), "2001:db8::1").status_code == 429
        assert scan(world, world.primary.path, "192.0.2.77").status_code == 200
        assert waited < 48 * PATIENCE  # had each of them waited for a Redis that was gone


def test_a_guess_through_photos_is_an_upload(make: Any) -> None:
    """What is not registered is charged by its bytes, whatever it shows."""
    world = make(LIMITS="upload v4 2/hour")
    pictures = [hashlib.sha256(bytes([n])).digest() for n in range(3)]
    assert [upload(world, picture).status_code for picture in pictures] == [200, 200, 429]
