"""The fork server and its children: isolation, limits, and that nothing a child says is simply believed."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pikepdf
import pillow_heif
import pytest
from PIL import Image

from tests.verifier import pki
from tests.verifier.pki import NOW, World
from verifier import sandbox
from verifier.check import Known, examine
from verifier.pades import validate
from verifier.policy import DEFAULT, Algorithms, Resources
from verifier.report import Medium, ValidationReport
from verifier.sandbox import CheckJob, ForkServer
from verifier.trust import TrustStore, read_store


def server_with(**resources: float) -> ForkServer:
    return ForkServer(replace(DEFAULT, resources=replace(Resources(), **resources)))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    """As in production: wholly confined, or nothing is checked."""
    running = ForkServer(confined=True)
    running.start()
    yield running
    running.close()


@pytest.fixture(scope="session")
def trust_path(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trust") / "store.json"
    path.write_text(json.dumps(world.trust().to_json()))
    return path


def encoded(form: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (300, 300), "white").save(buffer, form)
    return buffer.getvalue()


def tiled_heic() -> bytes:
    """A picture in tiles, as phones write them."""
    picture = pillow_heif.from_pillow(Image.new("RGB", (1000, 700), "white"))
    buffer = io.BytesIO()
    pillow_heif.options.GRID_TILE_SIZE = 512
    try:
        picture.save(buffer, quality=50)
    finally:
        pillow_heif.options.GRID_TILE_SIZE = 0
    return buffer.getvalue()


def phone_photo() -> bytes:
    """A JPEG with the tags that cameras write, turned and placed."""
    tags = Image.Exif()
    tags[0x0112], tags[0x8825], tags[0x8769] = 6, {1: "N"}, {0x9003: "2026:06:01 08:00:00"}
    buffer = io.BytesIO()
    Image.new("RGB", (300, 200), "white").save(buffer, "JPEG", exif=tags)
    return buffer.getvalue()


def encrypted(pdf: bytes) -> bytes:
    output = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf)) as file:
        file.save(output, encryption=pikepdf.Encryption(owner="a", user="b"))
    return output.getvalue()


def packed(pdf: bytes) -> bytes:
    """The same document with object streams, as most programs write."""
    output = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf)) as file:
        file.save(output, object_stream_mode=pikepdf.ObjectStreamMode.generate)
    return output.getvalue()


def corpus(primary: bytes, secondary: bytes) -> dict[str, bytes]:
    return {
        "primary": primary,
        "secondary": secondary,
        "saved again": packed(primary),
        "appended": primary + b"\n% more\n",
        "truncated": primary[: len(primary) // 2],
        "unsigned": pki.base_pdf(("GVCN",), pki.record_attachment(), pages=2),
        "encrypted": encrypted(pki.base_pdf((), None)),
        "scan": encoded("PDF"),
        "png": encoded("PNG"),
        "jpeg": encoded("JPEG"),
        "webp": encoded("WEBP"),
        "phone": phone_photo(),
        "heic": encoded("HEIF"),
        "heic in tiles": tiled_heic(),
        "two pictures": encoded("MPO"),
        "broken png": encoded("PNG")[:80],
        "xml": b"<HOC_BA/>",
        "utf-16": '<?xml version="1.0" encoding="UTF-16"?><HOC_BA/>'.encode("utf-16"),
        "zip": b"PK\x03\x04",
        "empty": b"",
        "nested": b"%PDF-1.7\n1 0 obj\n" + b"[" * 50_000,
    }


def test_a_child_finds_what_the_library_finds(
    server: ForkServer, trust_path: Path, world: World, primary: bytes, secondary: bytes
) -> None:
    """Without a file, a socket or a process (SEC-07): whatever a library wanted of them is refused, and the
    report is the same. Nor does a child ever have to import anything: it could not, and would end instead.
    """
    nobody = trust_path.with_name("nobody.json")
    nobody.write_text(json.dumps(TrustStore(0, (), (), (), ()).to_json()))
    for name, data in corpus(primary, secondary).items():
        for path, trust in ((trust_path, world.trust()), (nobody, read_store(nobody))):
            expected = examine(data, trust=trust, policy=DEFAULT, at=NOW)
            assert server.check(CheckJob(data, path, NOW)) == expected, name


def test_registered_bytes_need_no_child(trust_path: Path, world: World, primary: bytes) -> None:
    report, structure = validate(primary, world.trust(), DEFAULT, NOW, registered_at=NOW, own=True)
    idle = ForkServer()
    assert idle.check(CheckJob(primary, trust_path, NOW, Known(NOW, structure))) == pki.alone(report)
    assert idle.pid is None
    nowhere = idle.check(CheckJob(primary, Path("/nonexistent"), NOW, Known(NOW, structure)))
    assert (nowhere.incomplete, nowhere.signatures) == ("trust_unavailable", ())


def test_bytes_that_only_claim_to_be_registered_get_a_child(
    server: ForkServer, trust_path: Path, world: World, primary: bytes
) -> None:
    """Without a structure, or with that of other bytes, the full way is taken, away from this process."""
    report, structure = validate(primary, world.trust(), DEFAULT, NOW, registered_at=NOW, own=True)
    assert server.check(CheckJob(primary, trust_path, NOW, Known(NOW))) == report
    other = primary + b"\n"
    expected = examine(other, trust=world.trust(), policy=DEFAULT, at=NOW, known=Known(NOW, structure))
    assert server.check(CheckJob(other, trust_path, NOW, Known(NOW, structure))) == expected
    assert not all(s.passed for s in expected.signatures)


def test_a_large_file_goes_through(server: ForkServer, trust_path: Path) -> None:
    data = b"%PDF-1.7\n" + os.urandom(DEFAULT.limits.size - 9)
    report = server.check(CheckJob(data, trust_path, NOW))
    assert (report.problem, report.size) == ("broken_pdf", DEFAULT.limits.size)


def test_many_at_once(server: ForkServer, trust_path: Path, primary: bytes) -> None:
    jobs = [CheckJob(primary + b" " * n, trust_path, NOW) for n in range(12)]
    with ThreadPoolExecutor(6) as pool:
        reports = list(pool.map(server.check, jobs))
    assert [r.sha256 for r in reports] == [hashlib.sha256(j.data).hexdigest() for j in jobs]
    assert {r.incomplete for r in reports} == {None}


def test_the_trust_store_is_read_again_when_it_changes(
    server: ForkServer, world: World, primary: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "store.json"
    path.write_text(json.dumps(world.trust().to_json()))
    assert all(s.passed for s in server.check(CheckJob(primary, path, NOW)).signatures)
    draft = tmp_path / "draft.json"
    draft.write_text(json.dumps(world.trust(rows=()).to_json()))
    draft.replace(path)
    assert not any(s.passed for s in server.check(CheckJob(primary, path, NOW)).signatures)


@pytest.mark.parametrize("content", [None, "", "{}", "[]", "no json", '{"format": "another"}'])
def test_without_a_trust_store_nothing_is_said(
    server: ForkServer, primary: bytes, tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "store.json"
    if content is not None:
        path.write_text(content)
    report = server.check(CheckJob(primary, path, NOW))
    assert (report.incomplete, report.signatures) == ("trust_unavailable", ())
    assert report.sha256 == hashlib.sha256(primary).hexdigest()


def test_the_deadline_ends_a_check(trust_path: Path, secondary: bytes) -> None:
    hasty = server_with(deadline=0.001)
    try:
        report = hasty.check(CheckJob(secondary, trust_path, NOW))
        assert (report.incomplete, report.medium, report.problem) == ("deadline", Medium.OTHER, None)
    finally:
        hasty.close()


def children_of(pid: int) -> list[int]:
    return [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def caught_child(pid: int, seconds: float = 10) -> int:
    """The first child of the fork server that can be seen at work."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        children = children_of(pid)
        if children:
            return children[0]
    raise AssertionError("no child was seen")


def signalled(running: ForkServer, job: CheckJob, number: signal.Signals) -> tuple[ValidationReport, float]:
    """Check while the child gets a signal; the report and how long it took."""
    running.start()
    assert running.pid is not None
    with ThreadPoolExecutor(1) as pool:
        begin = time.monotonic()
        future = pool.submit(running.check, job)
        os.kill(caught_child(running.pid), number)
        return future.result(), time.monotonic() - begin


@pytest.fixture(scope="module")
def slow(trust_path: Path) -> CheckJob:
    """A document that takes a child long enough to be caught at it: pages of pictures without a code."""
    pages = [Image.effect_noise((700, 1000), 40) for _ in range(2)]
    buffer = io.BytesIO()
    pages[0].save(buffer, "PDF", save_all=True, append_images=pages[1:])
    return CheckJob(buffer.getvalue(), trust_path, NOW)


def test_a_child_that_hangs_is_killed_at_the_deadline(slow: CheckJob) -> None:
    hanging = server_with(deadline=1.0)
    try:
        report, seconds = signalled(hanging, slow, signal.SIGSTOP)
        assert report.incomplete == "deadline"
        assert seconds < 1.0 + Resources().grace
        assert hanging.pid is not None
        assert children_of(hanging.pid) == []
        assert hanging.check(replace(slow, data=b"<a/>")).problem == "xml"  # and the next one is served
    finally:
        hanging.close()


def test_a_child_that_is_killed_is_unfinished(server: ForkServer, slow: CheckJob) -> None:
    report, _ = signalled(server, slow, signal.SIGKILL)
    assert report.incomplete == "crashed"


def test_a_child_out_of_cpu_time_is_unfinished(slow: CheckJob) -> None:
    lazy = server_with(cpu_seconds=0)
    try:
        assert lazy.check(slow).incomplete == "deadline"
    finally:
        lazy.close()


def test_a_child_out_of_memory_is_unfinished(slow: CheckJob) -> None:
    small = server_with(memory=64 * 1024 * 1024)
    try:
        assert small.check(slow).incomplete in ("memory", "crashed")
        assert small.check(replace(slow, data=b"")).problem == "empty"  # which takes none
    finally:
        small.close()


def test_an_answer_that_is_too_long_is_not_read(trust_path: Path, primary: bytes) -> None:
    terse = server_with(answer_bytes=200)
    try:
        assert terse.check(CheckJob(primary, trust_path, NOW)).incomplete == "crashed"
    finally:
        terse.close()


def test_a_dead_fork_server_is_started_again(trust_path: Path) -> None:
    running = ForkServer()
    try:
        job = CheckJob(b"<a/>", trust_path, NOW)
        assert running.check(job).problem == "xml"
        first = running.pid or 0
        os.kill(first, signal.SIGKILL)
        assert running.check(job).problem == "xml"
        assert running.pid != first
    finally:
        running.close()


def test_what_a_fork_server_died_at_is_checked_by_the_next(slow: CheckJob) -> None:
    running = ForkServer()
    try:
        running.start()
        assert running.pid is not None
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(running.check, slow)
            child = caught_child(running.pid)
            os.kill(running.pid, signal.SIGKILL)
            os.kill(child, signal.SIGKILL)
            assert future.result().medium is Medium.PDF_OF_IMAGES
    finally:
        running.close()


def test_a_fork_server_that_reads_nothing_is_replaced(trust_path: Path) -> None:
    running = ForkServer()
    try:
        running.start()
        first, stuck = running.pid, running._server
        assert first is not None
        assert stuck is not None
        os.kill(first, signal.SIGSTOP)
        with contextlib.suppress(TimeoutError):
            while True:
                stuck.control.send(b"{}")
        assert running.check(CheckJob(b"<a/>", trust_path, NOW)).problem == "xml"
        assert running.pid != first
    finally:
        running.close()


def test_a_fork_server_that_stops_keeps_nobody_beyond_the_deadline(slow: CheckJob) -> None:
    """Four checks at once while it stands still: all are unfinished in time, and the next one is served."""
    running = server_with(deadline=2.0)
    try:
        running.start()
        first = running.pid
        assert first is not None
        os.kill(first, signal.SIGSTOP)
        begin = time.monotonic()
        with ThreadPoolExecutor(4) as pool:
            reports = list(pool.map(running.check, [slow] * 4))
        assert {r.incomplete for r in reports} == {"deadline"}
        assert time.monotonic() - begin < 2.0 + Resources().grace + 2.0
        running.start()
        assert running.pid != first
        assert running.check(replace(slow, data=b"<a/>")).problem == "xml"
    finally:
        running.close()


def test_a_fork_server_killed_again_and_again_costs_no_answer(
    trust_path: Path, primary: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Under parallel checks: each ends with a report or unfinished, never with an error, never too late. The
    log tells of every death.
    """
    running = ForkServer()
    jobs = [CheckJob(primary + b" " * n, trust_path, NOW) for n in range(10)]
    kills = 0
    try:
        running.start()
        begin = time.monotonic()
        with ThreadPoolExecutor(5) as pool:
            futures = [pool.submit(running.check, job) for job in jobs]
            while not all(f.done() for f in futures):
                pid = running.pid
                if pid is not None and kills < 4 and children_of_any(pid):
                    os.kill(pid, signal.SIGKILL)
                    kills += 1
                time.sleep(0.05)
            reports = [f.result() for f in futures]
        assert kills == 4
        assert len([r for r in caplog.records if "fork server died" in r.message]) >= kills - 1
        assert {r.incomplete for r in reports} <= {None, "crashed", "deadline"}
        assert [r.sha256 for r in reports] == [hashlib.sha256(j.data).hexdigest() for j in jobs]
        assert time.monotonic() - begin < 2 * (Resources().deadline + Resources().grace)
        assert running.check(jobs[0]).incomplete is None
    finally:
        running.close()


def children_of_any(pid: int) -> list[int]:
    """None where the process has just gone."""
    try:
        return children_of(pid)
    except OSError:
        return []


def test_a_slow_start_keeps_nobody_beyond_the_deadline(trust_path: Path) -> None:
    """The next check waits for the same start instead of beginning anew."""
    hasty = server_with(deadline=0.05, grace=0.0)
    try:
        begin = time.monotonic()
        assert hasty.check(CheckJob(b"<a/>", trust_path, NOW)).incomplete == "deadline"
        assert time.monotonic() - begin < 2.0
        first = hasty.pid
        hasty.start()
        assert hasty.pid == first is not None
    finally:
        hasty.close()


def test_a_child_dies_with_its_fork_server(slow: CheckJob) -> None:
    """Nobody would end it, and it holds a stranger's document (SEC-14)."""
    running = ForkServer()
    try:
        running.start()
        assert running.pid is not None
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(running.check, slow)
            child = caught_child(running.pid)
            while "SigQ" in status_of(child) and "Seccomp:\t2" not in status_of(child):
                time.sleep(0.005)
            os.kill(running.pid, signal.SIGKILL)
            end = time.monotonic() + 5
            while alive(child) and time.monotonic() < end:
                time.sleep(0.01)
            assert not alive(child)
            assert future.result().medium is Medium.PDF_OF_IMAGES  # the next one did the work
    finally:
        running.close()


def status_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


@pytest.mark.parametrize("codec", ["utf_8_sig", "latin_1", "utf_16_be"])
def test_a_child_has_the_codecs_of_pdf_texts(codec: str) -> None:
    assert f"encodings.{codec}" in sandbox._LAZY_MODULES


def test_closing_ends_the_fork_server(trust_path: Path) -> None:
    running = ForkServer()
    running.start()
    pid = running.pid
    running.close()
    assert running.pid is None
    assert not Path(f"/proc/{pid}").exists()
    running.close()


def test_the_fork_server_ends_with_whoever_asks(trust_path: Path) -> None:
    """A process that is gone leaves no server behind."""
    read, write = os.pipe()
    asking = os.fork()
    if asking == 0:
        try:
            mine = ForkServer()
            mine.start()
            os.write(write, str(mine.pid).encode())
        finally:
            os._exit(0)
    os.close(write)
    pid = int(os.read(read, 20))
    os.close(read)
    os.waitpid(asking, 0)
    end = time.monotonic() + 10
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.02)
    assert not alive(pid)


def alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_the_fork_server_knows_no_secret_of_the_environment(
    trust_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY_ENCRYPTION_KEYS", "a-canary")
    running = ForkServer()
    try:
        running.start()
        assert b"canary" not in Path(f"/proc/{running.pid}/environ").read_bytes()
    finally:
        running.close()


def test_a_child_gives_up_everything_first(server: ForkServer, slow: CheckJob) -> None:
    """Seen from outside while it works: one channel and three ends of nothing, limits on the rest, a filter
    on its system calls and no new privileges (SEC-13).
    """
    assert server.pid is not None
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(server.check, slow)
        child = caught_child(server.pid)
        end = time.monotonic() + 10
        limits, descriptors = "", []
        while time.monotonic() < end:
            status = status_of(child)
            if "Seccomp:\t2" in status:
                assert "NoNewPrivs:\t1" in status
                limits = Path(f"/proc/{child}/limits").read_text()
                assert f"Max address space         {Resources().memory}" in limits
                descriptors = [os.readlink(f"/proc/{child}/fd/{n}") for n in os.listdir(f"/proc/{child}/fd")]
                break
        future.result()
    assert len(descriptors) == 4
    assert sorted(d.partition(":")[0] for d in descriptors) == ["/dev/null"] * 3 + ["socket"]
    rows = {line[:26].strip(): line[26:].split()[:2] for line in limits.splitlines()[1:]}
    assert rows["Max open files"] == ["0", "0"]
    assert rows["Max file size"] == ["0", "0"]
    assert rows["Max core file size"] == ["0", "0"]
    assert rows["Max processes"] == ["0", "0"]
    assert rows["Max cpu time"] == ["10", "11"]


def test_another_policy_is_refused_not_ignored() -> None:
    with pytest.raises(ValueError, match="default policy only"):
        ForkServer(replace(DEFAULT, algorithms=Algorithms(rsa=((1024, None),))))


# What a child says


def job_and_report(world: World, primary: bytes) -> tuple[CheckJob, ValidationReport]:
    job = CheckJob(primary + b"\n", Path("unused"), NOW)
    return job, examine(job.data, trust=world.trust(), policy=DEFAULT, at=NOW)


def said(report: ValidationReport) -> bytes:
    return json.dumps(report.to_json()).encode()


def test_a_true_answer_is_believed(world: World, primary: bytes) -> None:
    job, report = job_and_report(world, primary)
    assert sandbox._believable(said(report), job, DEFAULT) == report


def test_a_child_cannot_claim_other_bytes_another_time_or_another_beginning(
    world: World, primary: bytes
) -> None:
    """The way to a green answer for any file would be the hash of a registered one."""
    job, report = job_and_report(world, primary)
    registered = hashlib.sha256(b"registered").hexdigest()
    for lie in (
        replace(report, sha256=registered),
        replace(report, size=report.size - 1),
        replace(report, at=NOW.replace(year=2020)),
        replace(report, prefixes=(replace(report.prefixes[0], sha256=registered),)),
        replace(report, prefixes=(replace(report.prefixes[0], length=7),)),
    ):
        assert sandbox._believable(said(lie), job, DEFAULT) is None


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 100_000,
        b'{"at": 1}',
        b'{"at": NaN}',
        b'{"at": -Infinity}',
        b'{"at": ' + b"9" * 5000 + b"}",
    ],
)
def test_what_is_no_report_is_not_believed(world: World, primary: bytes, answer: bytes) -> None:
    job, _ = job_and_report(world, primary)
    assert sandbox._believable(answer, job, DEFAULT) is None


def test_every_value_of_a_report_is_checked_for_its_type(world: World, primary: bytes) -> None:
    """Each leaf of a true report replaced by something of another type: none of them is a report any more."""
    job, report = job_and_report(world, primary)
    whole = report.to_json()

    def paths(node: object, here: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
        items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        yield here
        for key, value in items:
            yield from paths(value, (*here, key))

    for path in list(paths(whole))[1:]:
        for wrong in ({"a": 1}, 1.5, "x" * 10_000):
            copy = json.loads(json.dumps(whole))
            node = copy
            for step in path[:-1]:
                node = node[step]
            node[path[-1]] = wrong
            assert sandbox._believable(json.dumps(copy).encode(), job, DEFAULT) is None, path


def test_a_report_has_exactly_its_members(world: World, primary: bytes) -> None:
    """One too many, one too few, one twice: at every level."""
    job, report = job_and_report(world, primary)
    text = said(report).decode()
    assert sandbox._believable(text.encode(), job, DEFAULT) == report
    for member in ('"at"', '"code"', '"length"', '"field"', '"subject"'):
        assert member in text
        for other in (f'"more": 1, {member}', f'"other{member[1:]}', f"{member}: null, {member}"):
            lie = text.replace(member, other, 1).encode()
            assert sandbox._believable(lie, job, DEFAULT) is None, lie[:200]


def test_lists_are_bounded_and_texts_can_be_written_down(world: World, primary: bytes) -> None:
    """Half of a surrogate pair would make an error of the page that shows it."""
    job, report = job_and_report(world, primary)
    for lie in (
        replace(report, codes=("x",) * 257),
        replace(report, signatures=report.signatures * 100),
        replace(report, unsigned_fields=("\ud800",)),
        replace(report, problem="\udfff"),
    ):
        assert sandbox._believable(said(lie), job, DEFAULT) is None
    odd = replace(report, unsigned_fields=("\x00\x1b[31m</script>\u202e",))
    assert sandbox._believable(said(odd), job, DEFAULT) == odd


def test_threads_share_one_fork_server(trust_path: Path) -> None:
    shared = ForkServer()
    seen: set[int | None] = set()

    def ask() -> None:
        shared.check(CheckJob(b"<a/>", trust_path, NOW))
        seen.add(shared.pid)

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        assert len(seen) == 1
    finally:
        shared.close()
