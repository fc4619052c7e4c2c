"""The demo's outbox page: every kind as it is sent, newest first; nothing of it outside demo mode."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.extensions import KEY, Resources
from portal.messages import service as messages
from portal.messages.models import Message
from portal.messages.service import Address, Kind
from portal.messages.words import TAKES, Parameter
from portal.ports import Channel
from tests.portal.web.test_pages import inspect, on_the_wire
from tests.portal.web.world import Stock, World, build

VALUES: dict[str, Parameter] = {
    "code": "190283",
    "minutes": 10,
    "day": date(2026, 10, 12),
    "moment": datetime(2026, 10, 5, 2, 30, tzinfo=UTC),
    "grade": 4,
    "year": "2025-2026",
    "reference": "a1b2c3d4e5f6",
    "organisation": "01000123",
    "contact": "phone",
}


@pytest.fixture
def demo(tmp_path: Path, issued_stock: Stock) -> World:
    return build(tmp_path / "instance", issued_stock, DEMO="1", PUBLIC_URL="http://127.0.0.1:8000")


def keep(world: World, kind: Kind, channel: Channel) -> None:
    portal: Resources = world.app.extensions[KEY]
    to = "me.bi@example.vn" if channel is Channel.EMAIL else "+84912345678"
    world.clock.time += timedelta(seconds=1)
    with Session(portal.engine) as session, session.begin():
        messages.enqueue(
            session,
            portal.vault,
            to=Address(channel, to),
            kind=kind,
            language="en" if kind is Kind.CONSENT_GIVEN else "vi",
            parameters={name: VALUES[name] for name in TAKES[kind]},
            about=None,
            now=world.clock.now(),
        )


def test_empty(demo: World) -> None:
    assert "Chưa có tin nào." in demo.client.get("/hop-thu-demo").text
    assert "There are no messages yet." in demo.client.get("/hop-thu-demo?lang=en").text


def test_newest_first_as_sent_and_well_formed(demo: World) -> None:
    """Both languages of the page; each message in its own; light, though it is full."""
    for kind in sorted(Kind, key=lambda kind: kind is Kind.CONSENT_GIVEN):  # the English one among the newest
        for channel in Channel:
            keep(demo, kind, channel)
    for path in ("/hop-thu-demo", "/hop-thu-demo?lang=en"):
        answer = demo.client.get(path)
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "no-store"
        inspect(answer.text)
        assert on_the_wire(answer) < 60_000
        assert answer.text.count('<li class="card">') == 30
        assert answer.text.index("Mã vào lần đầu 190283") < answer.text.index("Báo động a1b2c3d4e5f6")
        assert "me.bi@example.vn" in answer.text
        assert "+84912345678" in answer.text
        assert "gõ 127.0.0.1:8000" in answer.text
        assert '<h2 lang="en">Request a1b2c3d4e5f6: agreed</h2>' in answer.text
    assert "đang chờ gửi" in demo.client.get("/hop-thu-demo").text


def test_what_was_erased_is_said(demo: World) -> None:
    portal: Resources = demo.app.extensions[KEY]
    keep(demo, Kind.RECORD_RECALLED, Channel.PHONE)
    with Session(portal.engine) as session, session.begin():
        (message,) = session.scalars(select(Message))
        message.erase_at = demo.clock.now()
        message.state = "sent"
        session.flush()
        messages.erase_over(session, now=demo.clock.now())
    answer = demo.client.get("/hop-thu-demo").text
    assert "Nội dung và người nhận đã được xóa." in answer
    assert "đã gửi" in answer
    assert "+84912345678" not in answer


def test_outside_demo_mode_nobody_reads_it(world: World) -> None:
    keep(world, Kind.SIGN_IN_CODE, Channel.PHONE)
    answer = world.client.get("/hop-thu-demo")
    assert answer.status_code == 404
    assert "190283" not in answer.text
