"""What a process gives up for good before it reads a stranger's bytes (SEC-07, SEC-13), and the proof that it
did.

Three layers, each enough by itself against most of what a taken-over process could try: limits of the kernel
on time, memory, files and processes; a Landlock ruleset that grants nothing; a seccomp filter that lets pass
the few system calls which parsing in memory takes, and refuses every other one. None can be undone, and none
takes a library: they are four system calls.

``python -m verifier.confinement`` tries the forbidden things in a confined child and says which were possible
(exit code 0: none, 1: some). A portal in production does the same when it starts, and does not start then.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import mmap
import os
import platform
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from verifier.policy import Resources


class Unavailable(OSError):  # noqa: N818 - says what this kernel lacks
    """A layer that was required and that this kernel does not offer, or does not offer to us."""


LANDLOCK: Final = "landlock"
SECCOMP: Final = "seccomp"

_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_CHANNEL: Final = 3  # the descriptor that the channel takes; none above it stays open

# linux/prctl.h, linux/landlock.h: the same numbers on every architecture.
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_SECCOMP_MODE_FILTER, _SECCOMP_GET_ACTION_AVAIL = 2, 2
_LANDLOCK_CREATE_RULESET, _LANDLOCK_RESTRICT_SELF = 444, 446
_LANDLOCK_VERSION = 1  # flag of landlock_create_ruleset: answer the ABI's number


@dataclass(frozen=True, slots=True)
class Machine:
    """Numbers of system calls on one kind of machine, and the kernel's name for it (linux/audit.h).

    ``calls`` is everything that a child may do: memory, its channel, locks, its clock, its end. Found by
    tracing children over the tests' files, and what their libraries might call on a lean day. ``mapping``
    passes unless it makes code, ``clone`` only as a thread and with ``threading`` only where threads are
    allowed at all.
    """

    architecture: int
    calls: Mapping[str, int]
    mapping: Mapping[str, int]
    threading: Mapping[str, int]
    clone: int
    seccomp: int


MACHINES: Final = {
    "x86_64": Machine(
        architecture=0xC000003E,
        calls={
            "recvfrom": 45,
            "sendto": 44,
            "close": 3,
            "brk": 12,
            "munmap": 11,
            "mremap": 25,
            "madvise": 28,
            "futex": 202,
            "rt_sigprocmask": 14,
            "rt_sigreturn": 15,
            "restart_syscall": 219,
            "sched_yield": 24,
            "clock_gettime": 228,
            "getrandom": 318,
            "exit": 60,
            "exit_group": 231,
        },
        mapping={"mmap": 9, "mprotect": 10},
        threading={"set_robust_list": 273, "rseq": 334},
        clone=56,
        seccomp=317,
    ),
    "aarch64": Machine(
        architecture=0xC00000B7,
        calls={
            "recvfrom": 207,
            "sendto": 206,
            "close": 57,
            "brk": 214,
            "munmap": 215,
            "mremap": 216,
            "madvise": 233,
            "futex": 98,
            "rt_sigprocmask": 135,
            "rt_sigreturn": 139,
            "restart_syscall": 128,
            "sched_yield": 124,
            "clock_gettime": 113,
            "getrandom": 278,
            "exit": 93,
            "exit_group": 94,
        },
        mapping={"mmap": 222, "mprotect": 226},
        threading={"set_robust_list": 99, "rseq": 293},
        clone=220,
        seccomp=277,
    ),
}


def missing() -> tuple[str, ...]:
    """Layers that this kernel does not offer. Asks only; whether they hold is for :func:`weaknesses`."""
    layers = {LANDLOCK: _landlock_version() >= 1, SECCOMP: _seccomp_offered()}
    return tuple(name for name, there in layers.items() if not there)


def confine(channel: int, resources: Resources, *, required: bool, threads: bool = False) -> socket.socket:
    """Give up everything but ``channel``, the descriptor of a connected socket; answers that socket.

    1. Die with the process that forked us, and by an alarm shortly after the deadline in any case.
    2. No descriptor but the channel, and room for no other, not even in its place or that of the three
       standard ones, which lead nowhere.
    3. Limits of the kernel on CPU time, memory, written files, processes and core dumps.
    4. No new privileges, no right in the file system (Landlock), and no system call but the listed ones
       (seccomp).

    ``required``: raise Unavailable where the kernel lacks a layer; otherwise the other layers must do.
    ``threads``: threads may be started, still no processes. The kernel counts both alike, per user, so that
    only the filter can tell them apart: the limit on processes stays as it was.
    """
    # 1
    parent = os.getppid()
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if parent == 1 or os.getppid() != parent:
        os._exit(1)  # it died before it could be said that we should die with it
    signal.setitimer(signal.ITIMER_REAL, resources.deadline + resources.grace)

    # 2
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    os.dup2(channel, _CHANNEL)
    os.closerange(_CHANNEL + 1, max(channel, nothing, 4096) + 1)
    ours = socket.socket(fileno=_CHANNEL)  # asks the kernel what it is, which the filter would refuse
    lacking = [] if _forbid_files() else [LANDLOCK]

    # 3 The soft limit ends a child with a signal that tells why, the hard one a second later in any case.
    resource.setrlimit(resource.RLIMIT_CPU, (resources.cpu_seconds, resources.cpu_seconds + 1))
    limits = {
        resource.RLIMIT_NOFILE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_AS: resources.memory,
    }
    if not threads:
        limits[resource.RLIMIT_NPROC] = 0
    for what, limit in limits.items():
        resource.setrlimit(what, (limit, limit))

    # 4
    if not _forbid_calls(threads=threads):
        lacking.append(SECCOMP)
    if required and lacking:
        raise Unavailable(errno.ENOSYS, f"this kernel lacks {', '.join(lacking)}")
    return ours


def _prctl(option: int, *values: int) -> None:
    padded = (*values, 0, 0, 0, 0)[:4]
    if _LIBC.prctl(option, *(ctypes.c_ulong(value) for value in padded)):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _call(number: int, *values: object) -> int:
    """A system call for which the C library has no name; -1 when it fails."""
    return int(_LIBC.syscall(ctypes.c_long(number), *values))


# ------------------------------------------------------------------------------------------------ Landlock


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


#: (from which ABI on, rights in files, rights in the network, scopes): the highest that the kernel has.
_RIGHTS: Final = (
    (1, (1 << 13) - 1, 0, 0),
    (2, (1 << 14) - 1, 0, 0),  # moving between folders
    (3, (1 << 15) - 1, 0, 0),  # truncating
    (4, (1 << 15) - 1, 0b11, 0),  # TCP bind and connect
    (5, (1 << 16) - 1, 0b11, 0),  # device commands
    (6, (1 << 16) - 1, 0b11, 0b11),  # abstract sockets and signals of processes outside
)


def _landlock_version() -> int:
    """ABI of Landlock in this kernel; 0 when it is not built in, switched off, or not for us."""
    return max(_call(_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(_LANDLOCK_VERSION)), 0)


def _forbid_files() -> bool:
    """Rule over every right that this kernel knows, and grant none. False where there is no Landlock."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    version = _landlock_version()
    if version < 1:
        return False
    _, files, net, scoped = [row for row in _RIGHTS if row[0] <= version][-1]
    rights = _Ruleset(files, net, scoped)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = _call(_LANDLOCK_CREATE_RULESET, ctypes.byref(rights), ctypes.c_size_t(size), ctypes.c_uint(0))
    if ruleset < 0:
        return False
    try:
        return _call(_LANDLOCK_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint(0)) == 0
    finally:
        os.close(ruleset)


# ------------------------------------------------------------------------------------------------- seccomp


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_ushort),
        ("yes", ctypes.c_ubyte),
        ("no", ctypes.c_ubyte),
        ("k", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.POINTER(_Instruction)))


# linux/bpf_common.h, linux/seccomp.h. A call is described by its number (at 0), the architecture (at 4), and
# six arguments of 8 bytes (from 16 on); both machines are little endian.
_LOAD, _EQUAL, _ANY_BIT, _ONLY, _ANSWER = 0x20, 0x15, 0x45, 0x54, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT, _THIRD_ARGUMENT = 0, 4, 16, 16 + 2 * 8
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_REFUSE: Final = 0x00050000 | errno.EPERM
_UNKNOWN: Final = 0x00050000 | errno.ENOSYS
_CLONE3: Final = 435  # on every architecture
_AS_THREAD: Final = 0x00000100 | 0x00000800 | 0x00010000  # CLONE_VM, CLONE_SIGHAND, CLONE_THREAD


def _filter(*, threads: bool) -> list[tuple[int, int, int, int]] | None:
    """The filter as (code, skip if so, skip if not, value); None for a machine whose numbers we do not know.

    A refused call fails with EPERM rather than killing, so that a C library which tries something newer falls
    back to what it did before.
    """
    known = MACHINES.get(platform.machine())
    if known is None:
        return None
    program = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, known.architecture),
        (_ANSWER, 0, 0, _KILL),  # another architecture's numbers mean other calls
        (_LOAD, 0, 0, _NUMBER),
    ]
    calls = [*known.calls.values(), *(known.threading.values() if threads else ())]
    for number in calls:
        program += [(_EQUAL, 0, 1, number), (_ANSWER, 0, 0, _ALLOW)]
    for number in known.mapping.values():  # memory, but none in which code could be put
        program += [
            (_EQUAL, 0, 4, number),
            (_LOAD, 0, 0, _THIRD_ARGUMENT),
            (_ANY_BIT, 0, 1, mmap.PROT_EXEC),
            (_ANSWER, 0, 0, _REFUSE),
            (_ANSWER, 0, 0, _ALLOW),
        ]
    if threads:  # clone3 keeps its flags where no filter can read them: the C library then asks clone
        program += [
            (_EQUAL, 0, 1, _CLONE3),
            (_ANSWER, 0, 0, _UNKNOWN),
            (_EQUAL, 0, 5, known.clone),
            (_LOAD, 0, 0, _FIRST_ARGUMENT),
            (_ONLY, 0, 0, _AS_THREAD),
            (_EQUAL, 0, 1, _AS_THREAD),
            (_ANSWER, 0, 0, _ALLOW),
            (_ANSWER, 0, 0, _REFUSE),
        ]
    return [*program, (_ANSWER, 0, 0, _REFUSE)]


def _seccomp_offered() -> bool:
    known = MACHINES.get(platform.machine())
    if known is None:
        return False
    kill = ctypes.c_uint32(_KILL)
    return (
        _call(known.seccomp, ctypes.c_uint(_SECCOMP_GET_ACTION_AVAIL), ctypes.c_uint(0), ctypes.byref(kill))
        == 0
    )


def _forbid_calls(*, threads: bool) -> bool:
    """Put the filter in force; from here on nothing else can be done. False where the kernel has none."""
    instructions = _filter(threads=threads)
    if instructions is None:
        return False
    array = (_Instruction * len(instructions))(*(_Instruction(*each) for each in instructions))
    program = _Program(len(instructions), array)
    try:
        _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(program))
    except OSError:
        return False
    return True


# ----------------------------------------------------------------------------------------------- self-test


def _write_file() -> None:
    os.close(os.open("/tmp/confinement", os.O_CREAT | os.O_WRONLY))  # noqa: S108 - meant to fail


def _map_code() -> None:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()


def _trace() -> None:
    if _LIBC.ptrace(0, 0, 0, 0):  # PTRACE_TRACEME
        raise OSError(ctypes.get_errno(), "ptrace")


def _hand_over() -> None:
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, _CHANNEL)
    try:
        socket.send_fds(channel, [b"\n"], [_CHANNEL])
    finally:
        channel.detach()


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)


_THREAD: Final = "start a thread"

#: Things that no child may do, by what they are called in messages.
FORBIDDEN: Final[dict[str, Callable[[], object]]] = {
    "open a file": lambda: os.open("/etc/passwd", os.O_RDONLY),
    "list a folder": lambda: os.listdir("/"),
    "look at a file": lambda: os.stat("/etc/passwd"),
    "create a file": _write_file,
    "remove a file": lambda: os.unlink("/nonexistent"),
    "write to a descriptor": lambda: os.write(1, b"x"),
    "open a network socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
    "open a local socket": lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM),
    "make a pipe": os.pipe,
    "hand over a descriptor": _hand_over,
    "fork": _fork,
    _THREAD: lambda: threading.Thread(target=int).start(),
    "run a program": lambda: os.execv("/bin/true", ["true"]),  # noqa: S606 - meant to fail
    "signal another process": lambda: os.kill(1, 0),
    "trace a process": _trace,
    "map memory for code": _map_code,
    "raise a limit": lambda: resource.setrlimit(resource.RLIMIT_CPU, (1 << 20, 1 << 20)),
    "become another user": lambda: os.setuid(65534),
}


def _possible(*, threads: bool) -> list[str]:
    """What a confined process could do after all. Only EPERM counts: it is the filter that must refuse."""
    found = []
    for what, attempt in FORBIDDEN.items():
        if threads and what == _THREAD:
            continue
        try:
            attempt()
        except OSError as refusal:
            if refusal.errno == errno.EPERM:
                continue
        except (RuntimeError, ValueError):  # how Python says it of threads, and of limits
            continue
        found.append(what)
    with contextlib.suppress(MemoryError):
        bytearray(_TRIAL.memory)
        found.append("take more memory")
    return found


_TRIAL: Final = Resources(deadline=5.0, cpu_seconds=5, memory=512 * 1024 * 1024)


def _tried_in_a_child(*, threads: bool) -> list[str]:
    """Fork, confine as every check is confined, try, and let the child tell."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        try:
            channel = confine(theirs.fileno(), _TRIAL, required=True, threads=threads)
            channel.sendall("\n".join(("done", *_possible(threads=threads))).encode())
        except BaseException:
            os._exit(1)
        os._exit(0)
    theirs.close()
    with ours, ours.makefile("rb") as answer:
        lines = answer.read().decode().strip().splitlines()
    os.waitpid(pid, 0)
    if lines[:1] != ["done"]:
        return ["go unconfined, or die of it"]
    return lines[1:]


def _tried_under_landlock() -> list[str]:
    """Landlock by itself, since the filter would hide that it does not hold: files must be out of reach."""
    pid = os.fork()
    if pid == 0:
        try:
            held = _forbid_files()
            os.open("/etc/passwd", os.O_RDONLY)
        except OSError as refusal:
            os._exit(0 if held and refusal.errno == errno.EACCES else 1)
        except BaseException:
            os._exit(1)
        os._exit(1)
    return [] if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0 else ["open a file under Landlock"]


def weaknesses() -> tuple[str, ...]:
    """What a confined process could do on this machine although it must not; empty when all is well.

    Tried in a process of its own: forking is for processes without threads. Raises nothing: what cannot be
    tried counts as weak.
    """
    home = str(Path(__file__).resolve().parent.parent)
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "verifier.confinement"],
            env={"PYTHONPATH": home, "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as fault:
        return (f"the self-test could not run: {fault}",)
    if done.returncode == 0:
        return ()
    return tuple(done.stdout.decode(errors="replace").splitlines()) or ("the self-test ended without a word",)


def main() -> int:
    """``python -m verifier.confinement``: one line for each thing that was possible."""
    found = [f"{layer} is missing" for layer in missing()]
    for tried in (_tried_in_a_child(threads=False), _tried_in_a_child(threads=True), _tried_under_landlock()):
        found += tried
    for what in found:
        print(what)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
