"""SMS and Zalo through a provider that speaks the contract of docs/messages.md, or does not."""

from __future__ import annotations

import time
import uuid

import pytest

from portal.messages.gateway import GatewayMailer
from portal.ports import Channel, OutgoingMessage, PermanentSendFault, SendFault, TemporarySendFault
from tests.conftest import NOW
from tests.portal.messages.outside import dripping, free_port, provider, raw_server, silent

MESSAGE = OutgoingMessage(
    id=uuid.UUID("7d444840-9dc0-11d1-b245-5ffdce74fad2"),
    channel=Channel.PHONE,
    to="+84912345678",
    subject="",
    text="Học bạ số: mã đăng nhập 123456",
    language="vi",
    at=NOW,
)


def fault(url: str, seconds: float = 20) -> SendFault:
    with pytest.raises(SendFault) as caught:
        GatewayMailer(url, "t0ken", seconds=seconds).send(MESSAGE)
    assert caught.value.__suppress_context__
    return caught.value


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_what_is_sent(status: int) -> None:
    with provider() as server:
        server.statuses = [status]
        GatewayMailer(server.url, "t0ken").send(MESSAGE)
        ((headers, body),) = server.asked
    assert body == {
        "id": str(MESSAGE.id),
        "to": "+84912345678",
        "text": "Học bạ số: mã đăng nhập 123456",
        "language": "vi",
    }
    assert headers["Authorization"] == "Bearer t0ken"
    assert headers["Idempotency-Key"] == str(MESSAGE.id)
    assert headers["Content-Type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize("status", [400, 422])
def test_a_message_that_is_refused_for_good(status: int) -> None:
    with provider() as server:
        server.statuses = [status]
        found = fault(server.url)
    assert type(found) is PermanentSendFault
    assert found.code == f"http_{status}"


@pytest.mark.parametrize(
    "status", [203, 206, 301, 302, 307, 308, 401, 403, 404, 408, 409, 413, 429, 500, 503]
)
def test_everything_else_is_tried_again(status: int) -> None:
    """And goes nowhere else: no redirect is followed."""
    with provider() as server:
        server.statuses = [status]
        found = fault(server.url)
        assert len(server.asked) == 1
    assert type(found) is TemporarySendFault
    assert found.code == f"http_{status}"


def test_nobody_there() -> None:
    assert fault(f"http://127.0.0.1:{free_port()}/").code == "unreachable"


def test_a_provider_that_keeps_one_waiting() -> None:
    for behave in (silent, dripping):
        with raw_server(behave) as port:
            begun = time.monotonic()
            found = fault(f"http://127.0.0.1:{port}/", seconds=1)
            assert time.monotonic() - begun < 25  # the server goes on for 30, or for ever
        assert type(found) is TemporarySendFault
    with provider() as server:
        server.hang = 4
        assert fault(server.url, seconds=1).code == "timeout"


def test_plain_http_where_tls_is_asked_for() -> None:
    with provider() as server:
        found = fault(server.url.replace("http://", "https://"))
        assert server.asked == []
    assert type(found) is TemporarySendFault
