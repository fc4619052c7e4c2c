"""Error answers: a sentence and a next step for people, problem+json for programs, nothing of our inside."""

from __future__ import annotations

import json
import logging
import re

import pytest

from portal.limits.table import DEFAULT
from portal.web import errors
from tests.portal.web.world import World

JSON = {"Accept": "application/json"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/khong-co", 404), ("GET", "/check/data", 405), ("POST", "/", 405), ("GET", "/v/", 404)],
)
def test_both_shapes(world: World, method: str, path: str, status: int) -> None:
    problem = world.client.open(path, method=method, headers=JSON)
    assert (problem.status_code, problem.content_type) == (status, "application/problem+json")
    body = json.loads(problem.data)
    assert set(body) == {"type", "title", "status", "detail", "code"}
    assert body["status"] == status
    page = world.client.open(path, method=method)
    assert page.status_code == status
    assert f"<h1>{body['title']}</h1>" in page.text
    assert (page.headers.get("Allow") is not None) == (status == 405)


def test_a_fault_names_a_request_and_nothing_else(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("portal.web.home.language", fail)
    with caplog.at_level(logging.ERROR):
        page = world.client.get("/")
        problem = world.client.get("/", headers=JSON)
    assert page.status_code == problem.status_code == 500
    body = json.loads(problem.data)
    assert re.fullmatch("[0-9a-f]{16}", body["request_id"])
    assert body["request_id"] in caplog.text
    for text in (page.text, problem.text):
        assert "secret detail" not in text
        assert "Traceback" not in text
        assert "RuntimeError" not in text
    assert "secret detail" in caplog.text


def test_a_failed_scan_goes_on_to_flask_and_is_a_fault_there(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("portal.lookup.service.registry.look_up_locator", fail)
    page = world.client.get(world.primary.path)
    assert page.status_code == 500
    assert "secret detail" not in page.text


@pytest.mark.parametrize(
    ("status", "code"),
    [
        *((429, policy.code) for policy in DEFAULT.values()),
        *((429, code) for code in ("too_many_tries", "too_many_at_once", "too_many_requests", "unheard_of")),
        (503, "busy"),
    ],
)
def test_every_refusal_says_when_to_try_again(world: World, status: int, code: str) -> None:
    """In words, in both languages, and about what was refused: of a code only where one code is meant."""
    for language, wait, one in (("vi", "sau 10 phút", "Mã "), ("en", "in 10 minutes", "code is paused")):
        with world.app.test_request_context(f"/?lang={language}"):
            title, sentence, next_step = errors.said(status, code, retry_after=600)
        assert wait in next_step
        assert (one in title) == (code == "too_many_tries")
        assert "%" not in title + sentence + next_step


@pytest.mark.parametrize(
    ("accept", "shape"),
    [
        ("", "text/html"),
        ("*/*", "text/html"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"),
        ("application/json", "application/json"),
        ("application/json, */*;q=0.1", "application/json"),
        ("text/html;q=0.5, application/json;q=0.9", "application/json"),
        ("text/html, application/json;q=0.9", "text/html"),
        ("application/problem+json", "text/html"),
        ("application/json;q=x", "text/html"),
    ],
)
def test_which_shape(world: World, accept: str, shape: str) -> None:
    answer = world.client.get(world.primary.path, headers={"Accept": accept} if accept else {})
    assert answer.mimetype == shape
    assert answer.headers["Vary"] == "Accept"
