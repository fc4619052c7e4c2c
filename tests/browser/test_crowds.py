"""The real server under many clients at once: slow phones, floods of files, headers that lie."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from tests.browser.conftest import Site, serve
from tests.demo_instance import DemoInstance
from tests.portal.limits.codes import unknown

PHONES = 60
BOUNDARY = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.pdf"\r\n\r\n'


@pytest.fixture(scope="module")
def crowd(demo_instance: DemoInstance, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server behind one proxy, which the tests play."""
    copy = demo_instance.copy_to(tmp_path_factory.mktemp("crowd") / "instance")
    with serve(
        copy, TRUSTED_PROXIES="1", CHECKS_RUNNING="1", CHECKS_WAITING="1", LIMITS="miss v4 1/hour"
    ) as site:
        yield site


def ask(
    site: Site, method: str, path: str, body: bytes = b"", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    where = urlsplit(site.url)
    connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=60)
    connection.request(method, path, body, {name.replace("_", "-"): text for name, text in headers.items()})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, dict(answer.getheaders()), content


def scans(site: Site, count: int) -> list[float]:
    """Seconds of each of ``count`` scans, from a client of their own."""
    times = []
    for _ in range(count):
        began = time.monotonic()
        status, _, _ = ask(site, "GET", site.code("GENUINE_CURRENT"), X_Forwarded_For="198.51.100.200")
        times.append(time.monotonic() - began)
        assert status == 200
    return sorted(times)


def slow_phone(site: Site, number: int, content: bytes, stop: threading.Event) -> int:
    """One upload of a few seconds at a few kB/s; answers its status."""
    where = urlsplit(site.url)
    body = BOUNDARY + content + b"\r\n--b--\r\n"
    with socket.create_connection((str(where.hostname), where.port or 80), 60) as phone:
        phone.sendall(
            b"POST /check HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
            b"Accept: application/json\r\n"
            + f"X-Forwarded-For: 198.51.100.{number}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        )
        piece = max(1, len(body) // 40)
        for start in range(0, len(body), piece):
            phone.sendall(body[start : start + piece])
            stop.wait(0.5)
        return int(phone.makefile("rb").readline().split()[1])


def test_slow_uploads_of_many_phones_stall_nobody(crowd: Site) -> None:
    """60 phones send their file over 20 s, as cheap phones on 3G do. Scans go on meanwhile, not one behind
    a phone; each phone gets its answer: a registered file's, or, with one place and one to wait, to come
    back.
    """
    content = crowd.file("GENUINE_CURRENT").read_bytes()
    hurry = threading.Event()
    with ThreadPoolExecutor(PHONES) as pool:
        phones = [pool.submit(slow_phone, crowd, number, content, hurry) for number in range(PHONES)]
        time.sleep(2)
        among = scans(crowd, 100)
        assert not any(phone.done() for phone in phones)
        hurry.set()
        answers = [phone.result(120) for phone in phones]
    assert set(answers) <= {200, 503}
    assert 200 in answers
    assert among[98] < 2


def test_saturated_by_uploads_sec_36(crowd: Site) -> None:
    """Unknown files keep the only place busy: the rest is told to come back, look-ups keep their latency."""
    content = b"%PDF-1.7\n" + bytes(200_000)
    end = threading.Event()

    def flood(number: int) -> list[tuple[int, str | None]]:
        got = []
        while not end.is_set():
            status, headers, _ = ask(
                crowd,
                "POST",
                "/check",
                BOUNDARY + content + b"\r\n--b--\r\n",
                Content_Type="multipart/form-data; boundary=b",
                X_Forwarded_For=f"203.0.113.{number}",
            )
            got.append((status, headers.get("retry-after")))
        return got

    with ThreadPoolExecutor(8) as pool:
        floods = [pool.submit(flood, number) for number in range(8)]
        time.sleep(1)
        among = scans(crowd, 100)
        end.set()
        got = [one for answers in floods for one in answers.result(120)]
    assert {status for status, _ in got} <= {200, 429, 503}
    assert all(wait is not None and int(wait) >= 1 for status, wait in got if status != 200)
    assert any(status == 503 for status, _ in got)
    assert among[98] < 2  # in the queue of the checks it would be up to five


def test_two_forwarded_headers_are_one_list_sec_32(crowd: Site) -> None:
    """What a client sends of its own comes first; the server must not let it stand alone."""
    where = urlsplit(crowd.url)

    def scan(number: int, *told: str) -> int:
        connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=60)
        connection.putrequest("GET", unknown(number))
        connection.putheader("Accept", "application/json")
        for one in told:
            connection.putheader("X-Forwarded-For", one)
        connection.endheaders()
        answer = connection.getresponse()
        assert json.loads(answer.read())
        connection.close()
        return answer.status

    assert scan(1, "6.6.6.1", "192.0.2.55") == 200
    assert scan(2, "6.6.6.2", "192.0.2.55") == 429
    assert scan(3, '"6.6.6.3', "192.0.2.55") == 429
    assert scan(4, "192.0.2.55", "192.0.2.56") == 200
