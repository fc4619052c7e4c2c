"""Real servers for the tests, started on loopback and thrown away: nothing of the machine's own servers is
used.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path

import psycopg
from psycopg import sql


class Missing(RuntimeError):  # noqa: N818 - says what to install
    """The machine lacks a program that the tests need; the message names the Debian package."""


class PostgresCluster:
    """One PostgreSQL cluster in a temporary folder. As root it runs as user ``postgres``, which refuses root
    itself.

    Power-loss safety is off: these databases live for one test.
    """

    def __init__(self) -> None:
        self._bin = _postgres_bin()
        self._folder = Path(tempfile.mkdtemp(prefix="hbs-pg-", dir="/tmp"))
        self._data = self._folder / "data"
        self.port = _free_port()
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        if os.geteuid() == 0:
            postgres = pwd.getpwnam("postgres")
            os.chown(self._folder, postgres.pw_uid, postgres.pw_gid)
        self._run(
            "initdb", "--pgdata", str(self._data), "--username", "postgres", "--auth", "trust",
            "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync",
        )  # fmt: skip
        options = (
            f"-c listen_addresses=127.0.0.1 -c port={self.port} -c unix_socket_directories={self._folder}"
            " -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=60"
        )
        log = str(self._folder / "log")
        self._run("pg_ctl", "start", "-w", "-t", "60", "-D", str(self._data), "-l", log, "-o", options)

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{database}"

    def create(self) -> str:
        """A new database; answers its name."""
        name = f"t_{uuid.uuid4().hex}"
        self._execute(f'CREATE DATABASE "{name}"')
        return name

    def empty(self, name: str, tables: Sequence[str]) -> None:
        """As after the migrations: no rows (children first in ``tables``), epoch 0, nobody connected any
        more.
        """
        with self._connect(name) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            for table in tables:
                connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
            connection.execute("INSERT INTO trust_state (id, epoch) VALUES (1, 0)")

    def drop(self, name: str) -> None:
        self._execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def stop(self) -> None:
        if (self._data / "postmaster.pid").exists():
            self._run("pg_ctl", "stop", "-m", "immediate", "-w", "-D", str(self._data))
        shutil.rmtree(self._folder, ignore_errors=True)

    def _execute(self, statement: str) -> None:
        with self._connect("postgres") as connection:
            connection.execute(statement.encode())

    def _connect(self, database: str) -> psycopg.Connection:
        address = f"host=127.0.0.1 port={self.port} user=postgres dbname={database}"
        return psycopg.connect(address, autocommit=True)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._bin / program), *arguments]
        if os.geteuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        # Output goes to a file: a pipe would be kept open by the server that pg_ctl leaves behind.
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(  # noqa: S603 - our own argument list
                command, stdout=output, stderr=output, check=False, cwd="/", env=_environment()
            )
            if done.returncode:
                output.seek(0)
                raise RuntimeError(f"{program} failed:\n{output.read().decode(errors='replace')}")


def _postgres_bin() -> Path:
    """Debian keeps the server's programs outside PATH, one folder a major version; the newest is used."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if not found:
        raise Missing(
            "PostgreSQL's server programs are not here; install postgresql (apt-get install postgresql)"
        )
    return max(found, key=lambda path: int(path.parent.name) if path.parent.name.isdigit() else 0)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _environment() -> dict[str, str]:
    """Nothing of the caller's PostgreSQL settings leaks in."""
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8"}
