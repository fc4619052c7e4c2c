"""Examines untrusted bytes in a child process that is thrown away afterwards.

Three processes: the one that asks (:class:`ForkServer`, in the web process or the command line), a fork
server (``python -m verifier.sandbox``) that has imported everything and never sees a document, and one fresh
child per check, forked from it in a few milliseconds. The child gives up everything but a socket of its own
(:mod:`verifier.confinement`), reads its job from it, answers with JSON and ends. After the first malicious
file it must be taken for hostile, so the answer is bounded, checked value by value, and whatever the asking
process can compute itself is compared. Nothing is ever unpickled.

What goes wrong becomes ``report.incomplete``: ``deadline``, ``memory``, ``crashed``, ``trust_unavailable``.
An answer comes within the deadline and the grace of :class:`~verifier.policy.Resources`, whoever dies or
stops: the fork server, one that is being started, or the child.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import json
import logging
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from verifier.check import Known, examine
from verifier.confinement import confine
from verifier.errors import InvalidInput
from verifier.intake import Content, earlier_ends, sniff
from verifier.pades import Beginning, Structure
from verifier.policy import DEFAULT, Resources, ValidationPolicy
from verifier.report import Medium, ValidationReport
from verifier.revocation import prepare
from verifier.trust import TrustStore, read_store


@dataclass(frozen=True, slots=True)
class CheckJob:
    """One document to examine: its bytes, the file of the trust store, the time, what the registry knows."""

    data: bytes
    trust_path: Path
    at: datetime
    known: Known | None = None


_HOME = str(Path(__file__).resolve().parent.parent)
log = logging.getLogger(__name__)
_GONE = "the fork server died or does not answer, the next check starts another"

_FRAME = struct.Struct("!I")
_READY = b"ready"
_START_SECONDS = 60.0  # the fork server imports for a second; a busy machine may need many
_SEND_SECONDS = 2.0  # one that reads no requests must not keep whoever asks waiting
# A child is born with none of its memory and asks the kernel for each page. Large pages where there are any,
# and no block given back to be asked for again, more than halve that (docs/decisions/0005-isolation.md).
_TUNABLES = ":".join(
    f"glibc.malloc.{name}={value}"
    for name, value in (("hugetlb", 1), ("mmap_threshold", 1 << 27), ("trim_threshold", 1 << 27))
)

# How a child ended, as the fork server reports it in one byte.
_ENDED_WELL, _DEADLINE, _MEMORY, _CRASHED, _NO_TRUST = b"0", b"D", b"M", b"C", b"T"
_INCOMPLETE = {_DEADLINE: "deadline", _MEMORY: "memory", _NO_TRUST: "trust_unavailable"}
_EXIT_MEMORY = 3


@dataclass(slots=True)
class _Stores:
    """Trust stores by path, read again when the file changes."""

    loaded: dict[str, tuple[tuple[int, int, int], TrustStore]] = field(default_factory=dict)

    def get(self, path: str) -> TrustStore:
        """Raises OSError or InvalidInput."""
        stat = os.stat(path)
        version = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        known = self.loaded.get(path)
        if known is None or known[0] != version:
            store = read_store(path)
            prepare(store)
            known = (version, store)
            self.loaded = {path: known}  # a web node has one store; its older epochs are not asked for again
        return known[1]


class ForkServer:
    """Client of the fork server: implements ``portal.ports.Checker``. One object serves all threads of a
    process.

    The server starts with the first check of unknown bytes (or :meth:`start`), is started again when it has
    died, and ends with the process that asks.
    """

    def __init__(self, policy: ValidationPolicy = DEFAULT, *, confined: bool = False) -> None:
        """``confined``: rather check nothing than in a child that the kernel cannot confine wholly."""
        if replace(policy, resources=DEFAULT.resources) != DEFAULT:
            raise ValueError("the fork server knows the default policy only; resources may differ")
        self._policy = policy
        self._confined = confined
        self._lock = threading.Lock()
        self._server: _Server | None = None
        self._stores = _Stores()
        self._reading = threading.Lock()

    def check(self, job: CheckJob) -> ValidationReport:
        """Examine one document. Never raises for its sake: what was not finished is said in the report."""
        structure = None if job.known is None else job.known.structure
        if structure is not None and structure.sha256 == hashlib.sha256(job.data).hexdigest():
            return self._revalidate(job)
        give_up = time.monotonic() + self._policy.resources.deadline + self._policy.resources.grace
        for _ in range(2):
            outcome = self._attempt(job, give_up)
            if outcome is not None:
                return outcome
        return _unfinished(job, "crashed")

    def _revalidate(self, job: CheckJob) -> ValidationReport:
        """Bytes that we issued ourselves, as their hash says, are not untrusted: the fast way needs no child.

        It reads no PDF, only signatures that we once put there, and takes a fraction of what a fork takes.
        """
        try:
            with self._reading:
                trust = self._stores.get(str(job.trust_path))
        except (OSError, InvalidInput):
            return _unfinished(job, "trust_unavailable")
        return examine(job.data, trust=trust, policy=self._policy, at=job.at, known=job.known)

    def _attempt(self, job: CheckJob, give_up: float) -> ValidationReport | None:
        """One try; None when the fork server died on the way, which no document can cause: it reads none."""
        try:
            server, ours, status = self._submit(job, give_up)
        except TimeoutError:
            return _unfinished(job, "deadline")
        except OSError:
            return None
        with ours, os.fdopen(status, "rb", buffering=0) as ending:
            answer = _converse(ours, job, self._policy.resources, give_up)
            if answer is not None:
                return _believable(answer, job, self._policy) or _unfinished(job, "crashed")
            how = _last_byte(ending, give_up)
        if not how and self._discard(server):  # it has died, or does not answer either
            log.warning(_GONE)
        if how is None:
            return _unfinished(job, "deadline")
        return _unfinished(job, _INCOMPLETE.get(how, "crashed")) if how else None

    def start(self) -> None:
        """Have the fork server ready before the first check. Raises OSError when it cannot be started."""
        with self._lock:
            self._running(time.monotonic() + _START_SECONDS)

    def close(self) -> None:
        """End the fork server; the next check starts a new one."""
        self._discard(self._server)

    def _discard(self, server: _Server | None) -> bool:
        """End this fork server; False when another thread has done so and started the next."""
        with self._lock:
            if server is None or server is not self._server:
                return False
            self._server = None
            server.end()
            return True

    @property
    def pid(self) -> int | None:
        """Process id of the running fork server, None when there is none."""
        return None if self._server is None else self._server.process.pid

    def _submit(self, job: CheckJob, give_up: float) -> tuple[_Server, socket.socket, int]:
        """Hand a fresh pair of channels to the fork server. Raises TimeoutError when the time is over before
        that, any other OSError when the fork server is not there.
        """
        resources = self._policy.resources
        if not self._lock.acquire(timeout=max(give_up - time.monotonic(), 0)):
            raise TimeoutError
        try:
            server = self._running(give_up)
            left = give_up - resources.grace - time.monotonic()
            if left <= 0:
                raise TimeoutError
            request = json.dumps(
                {
                    "trust": str(Path(job.trust_path).absolute()),
                    "confined": self._confined,
                    "threads": sniff(job.data, self._policy.limits) is Content.HEIC,
                    "deadline": left,
                    "grace": resources.grace,
                    "cpu_seconds": resources.cpu_seconds,
                    "memory": resources.memory,
                }
            ).encode()
            ours, theirs = socket.socketpair()
            status, status_theirs = os.pipe()
            try:
                socket.send_fds(server.control, [request], [theirs.fileno(), status_theirs])
            except OSError as fault:
                ours.close()
                os.close(status)
                log.warning(_GONE)
                server.end()
                self._server = None
                raise ConnectionError("the fork server takes no requests") from fault
            finally:
                theirs.close()
                os.close(status_theirs)
            return server, ours, status
        finally:
            self._lock.release()

    def _running(self, give_up: float) -> _Server:
        """The server of this very process; after a fork of the asking process the child starts its own.

        Raises TimeoutError when one that is being started is not ready in time (the next check waits for the
        same one), any other OSError when it cannot be started.
        """
        server = self._server
        if server is not None and (server.owner != os.getpid() or server.process.poll() is not None):
            if server.owner == os.getpid():
                log.warning(_GONE)
            server.end()
            server = None
        if server is None:
            server = self._server = _Server.launch()
        if not server.ready:
            too_long = server.born + _START_SECONDS
            try:
                server.wait(min(give_up, too_long))
            except OSError as fault:
                if not isinstance(fault, TimeoutError) or time.monotonic() >= too_long:
                    server.end()
                    self._server = None
                raise
        return server


@dataclass(slots=True)
class _Server:
    process: subprocess.Popen[bytes]
    control: socket.socket
    owner: int
    born: float
    ready: bool = False

    @classmethod
    def launch(cls) -> _Server:
        """Start the process; it imports for a second before it is ready."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            # No environment: a document that takes a child over finds no secrets of the asking process there.
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-P", "-m", "verifier.sandbox", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={
                    "PYTHONPATH": os.pathsep.join([_HOME, *filter(None, sys.path)]),
                    "LC_ALL": "C.UTF-8",
                    "GLIBC_TUNABLES": _TUNABLES,
                },
            )
        return cls(process, ours, os.getpid(), time.monotonic())

    def wait(self, until: float) -> None:
        """Raises TimeoutError when it is not ready by ``until``, ConnectionError when it has ended."""
        self.control.settimeout(max(until - time.monotonic(), 0.001))
        if self.control.recv(16) != _READY:
            raise ConnectionError("the fork server did not start")
        self.control.settimeout(_SEND_SECONDS)
        self.ready = True

    def end(self) -> None:
        self.control.close()
        if self.owner == os.getpid():
            self.process.kill()
            self.process.wait()


def _converse(channel: socket.socket, job: CheckJob, resources: Resources, give_up: float) -> bytes | None:
    """Send the job, read the answer; None when the child broke off, stayed silent or said too much."""
    known = job.known
    header = json.dumps(
        {
            "at": job.at.isoformat(),
            "size": len(job.data),
            "registered_at": None if known is None else known.registered_at.isoformat(),
            "structure": None if known is None or known.structure is None else known.structure.to_json(),
            "earlier": [] if known is None else [e.to_json() for e in known.earlier],
        }
    ).encode()
    try:
        channel.settimeout(max(give_up - time.monotonic(), 0.001))
        channel.sendall(_FRAME.pack(len(header)) + header)
        channel.sendall(job.data)
        size = _FRAME.unpack(_receive(channel, _FRAME.size, give_up))[0]
        return None if size > resources.answer_bytes else _receive(channel, size, give_up)
    except (OSError, EOFError):
        return None


def _receive(channel: socket.socket, size: int, give_up: float | None = None) -> bytes:
    """Exactly ``size`` bytes, before ``give_up`` (monotonic) if given. Raises EOFError or TimeoutError."""
    parts = bytearray()
    while len(parts) < size:
        if give_up is not None:
            channel.settimeout(max(give_up - time.monotonic(), 0.001))
        part = channel.recv(min(size - len(parts), 1 << 16))
        if not part:
            raise EOFError
        parts += part
    return bytes(parts)


def _last_byte(ending: Any, give_up: float) -> bytes | None:
    """How the child ended; empty when the fork server died, None when nobody says anything in time."""
    ready, _, _ = select.select([ending], [], [], max(give_up - time.monotonic(), 0.001))
    return ending.read(1) if ready else None


def _believable(answer: bytes, job: CheckJob, policy: ValidationPolicy) -> ValidationReport | None:
    """The child's report, if it is one, and speaks of these bytes and this time. The child may be hostile: a
    hash of a registered file, or of a registered beginning, must be the hash of what was sent.
    """
    try:
        report = ValidationReport.from_json(
            json.loads(answer, object_pairs_hook=_once_each, parse_constant=_no_number)
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    said = (report.sha256, report.size, report.at)
    if said != (hashlib.sha256(job.data).hexdigest(), len(job.data), job.at):
        return None
    if report.prefixes:
        true_ends = {(p.length, p.sha256) for p in earlier_ends(job.data, policy.limits)}
        if not {(p.length, p.sha256) for p in report.prefixes} <= true_ends:
            return None
    return report


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; a name given twice would mean one thing here and another to the next reader."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name stands twice")
    return members


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _unfinished(job: CheckJob, code: str) -> ValidationReport:
    return ValidationReport(
        at=job.at,
        medium=Medium.OTHER,
        size=len(job.data),
        sha256=hashlib.sha256(job.data).hexdigest(),
        incomplete=code,
    )


# Modules that libraries import only when a document needs them. A child cannot open files, so they come
# first.
_LAZY_MODULES = (
    "_strptime",
    "encodings.latin_1",
    "encodings.utf_16",
    "encodings.utf_16_be",
    "encodings.utf_16_le",
    "encodings.utf_8_sig",
    "lxml._elementpath",
    "cryptography.hazmat.backends.openssl.backend",
    "PIL.BmpImagePlugin",
    "PIL.GifImagePlugin",
    "PIL.JpegImagePlugin",
    "PIL.MpoImagePlugin",
    "PIL.PngImagePlugin",
    "PIL.PpmImagePlugin",
    "PIL.TiffImagePlugin",
    "PIL.WebPImagePlugin",
)


@dataclass(slots=True)
class _Child:
    deadline: float
    status: int
    overdue: bool = False


def serve(control: socket.socket) -> None:
    """Fork one child for each request until the asking side is gone.

    A request is one packet: JSON with the path of the trust store and the limits, and two descriptors, the
    child's channel and the pipe for the byte that says how it ended.
    """
    for name in _LAZY_MODULES:
        import_module(name)
    wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # wakes the select below
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the asking side, whose end ends this one
    gc.freeze()
    control.send(_READY)
    children: dict[int, _Child] = {}
    stores = _Stores()
    while True:
        waits = [c.deadline - time.monotonic() for c in children.values() if not c.overdue]
        until = max(min(waits), 0) if waits else None
        ready, _, _ = select.select([control.fileno(), wake_read], [], [], until)
        if wake_read in ready:
            os.read(wake_read, 4096)
        _reap(children)
        if control.fileno() in ready:
            request, descriptors, _, _ = socket.recv_fds(control, 65536, 2)
            if not request:
                break
            _take(request, descriptors, children, stores)
    for pid in children:
        os.kill(pid, signal.SIGKILL)


def _reap(children: dict[int, _Child]) -> None:
    """Kill what is overdue, and report every child that has ended."""
    for pid, child in list(children.items()):
        if not child.overdue and time.monotonic() >= child.deadline:
            child.overdue = True
            os.kill(pid, signal.SIGKILL)
        ended, wait_status = os.waitpid(pid, os.WNOHANG)
        if ended:
            del children[pid]
            with contextlib.suppress(OSError):  # the asking side may have gone
                os.write(child.status, _ending(child, wait_status))
            os.close(child.status)


def _ending(child: _Child, wait_status: int) -> bytes:
    code = os.waitstatus_to_exitcode(wait_status)
    if child.overdue or code in (-signal.SIGXCPU, -signal.SIGALRM):
        return _DEADLINE
    return {0: _ENDED_WELL, _EXIT_MEMORY: _MEMORY}.get(code, _CRASHED)


def _take(request: bytes, descriptors: Sequence[int], children: dict[int, _Child], stores: _Stores) -> None:
    channel, status = descriptors
    wanted = json.loads(request)
    try:
        trust = stores.get(wanted["trust"])
        gc.freeze()  # children share these pages; collecting in one would copy them
    except (OSError, InvalidInput):
        with contextlib.suppress(OSError):
            os.write(status, _NO_TRUST)
        os.close(channel)
        os.close(status)
        return
    resources = Resources(
        deadline=wanted["deadline"],
        grace=wanted["grace"],
        cpu_seconds=wanted["cpu_seconds"],
        memory=wanted["memory"],
    )
    pid = os.fork()
    if pid == 0:
        _be_child(channel, trust, resources, required=wanted["confined"], threads=wanted["threads"])
    os.close(channel)
    children[pid] = _Child(time.monotonic() + resources.deadline, status)


def _be_child(
    channel: int, trust: TrustStore, resources: Resources, *, required: bool, threads: bool
) -> NoReturn:
    """One check, then the end. No way out of here but ``os._exit``."""
    try:
        # Signals as at birth, no warnings, and no import: what a library needs has been imported already.
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        warnings.simplefilter("ignore")
        sys.meta_path.insert(0, _Tripwire())
        with confine(channel, resources, required=required, threads=threads) as ours:
            _work(ours, trust)
    except MemoryError:
        os._exit(_EXIT_MEMORY)
    except BaseException:  # panics of Rust code are no Exceptions
        os._exit(1)
    os._exit(0)


class _LateImport(BaseException):
    """A module was missing from :data:`_LAZY_MODULES`. Not an Exception, so that no library takes it for a
    finding.
    """


class _Tripwire(MetaPathFinder):
    """Without files an import fails, and a library would call the document bad for it. So the check ends
    instead.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        raise _LateImport(fullname)


def _work(channel: socket.socket, trust: TrustStore) -> None:
    size = _FRAME.unpack(_receive(channel, _FRAME.size))[0]
    header = json.loads(_receive(channel, size))
    data = _receive(channel, header["size"])
    known = None
    if header["registered_at"] is not None:
        structure = header["structure"]
        known = Known(
            datetime.fromisoformat(header["registered_at"]),
            None if structure is None else Structure.from_json(structure),
            tuple(Beginning.from_json(each) for each in header["earlier"]),
        )
    report = examine(data, trust=trust, policy=DEFAULT, at=datetime.fromisoformat(header["at"]), known=known)
    answer = json.dumps(report.to_json()).encode()
    channel.sendall(_FRAME.pack(len(answer)) + answer)


def main(arguments: Sequence[str]) -> int:
    """``python -m verifier.sandbox FD``: started by :class:`ForkServer`, of no use to people."""
    with socket.socket(fileno=int(arguments[0])) as control:
        serve(control)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
