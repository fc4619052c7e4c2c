"""Runs the web server and the worker side by side, for `make run`. Called by scripts/run.sh.

Usage: python serve.py PORT

They live and die together. Ctrl-C or SIGTERM ends both; when one of them ends by itself, this says so, ends
the other and fails: a portal whose codes and notices never leave is worse than one that is down and says why.
(In production each is a service of its own, which its supervisor starts again: docs/messages.md.) When this
process is killed outright, the kernel ends both.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType

_PR_SET_PDEATHSIG = 1  # prctl(2)
_PATIENCE = 20.0  # seconds for a clean end


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def main(port: str) -> int:
    """Exit code: 0 when it was asked to end, 1 when a process ended by itself."""
    programs = Path(sys.executable).parent
    web = ["granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", port, "--no-ws"]
    # As many threads as the settings count on: each slow upload of a phone holds one. Granian's warning about
    # that number is the only one it has, hence the log level.
    web += ["--log-level", "error", "--log-config", "portal/logging.json"]
    web += ["--blocking-threads", os.environ["WEB_THREADS"], "wsgi:app"]
    commands = {"web server": web, "worker": ["flask", "--app", "wsgi", "work"]}
    asked = False

    def end(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked = True

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)
    running = {
        name: subprocess.Popen(  # noqa: S603 - our own commands
            [str(programs / command[0]), *command[1:]],
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - this process has one thread
            start_new_session=True,  # Ctrl-C reaches this process alone, which ends both in order
        )
        for name, command in commands.items()
    }
    while not asked:
        for name, process in running.items():
            if process.poll() is not None:
                print(f"error: the {name} ended by itself (status {process.returncode})", file=sys.stderr)
                _end(list(running.values()))
                return 1
        time.sleep(0.2)
    _end(list(running.values()))
    return 0


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    """SIGTERM again and again, for granian loses one that comes while it starts; at last SIGKILL. What a
    process that was killed has left behind (granian's own workers) is of its group, and goes with it.
    """
    give_up = time.monotonic() + _PATIENCE
    while any(process.poll() is None for process in processes):
        late = time.monotonic() > give_up
        for process in processes:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL if late else signal.SIGTERM)
        time.sleep(1)
    for process in processes:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
