"""A portal whose commands a test runs, at a time that it sets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from click.testing import Result
from flask import Flask

from portal.config import Settings
from portal.factory import create_app
from tests.conftest import NOW, FrozenClock

Run = Callable[..., Result]


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(NOW)


@pytest.fixture
def app(settings: Settings, database_url: str, clock: FrozenClock) -> Flask:
    return create_app(replace(settings, database_url=database_url), clock=clock)


@pytest.fixture
def run(app: Flask) -> Run:
    """``flask --app wsgi …``; a fault is raised, a refusal is an exit code."""

    def invoke(*arguments: object, code: int = 0) -> Result:
        result = app.test_cli_runner().invoke(args=[str(a) for a in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result

    return invoke
