"""Real servers for the tests, started on loopback and thrown away: nothing of the machine's own servers is
used.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import socketserver
import struct
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psycopg
import redis
from psycopg import sql
from redis.backoff import NoBackoff
from redis.retry import Retry


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
            connection.execute("SET session_replication_role = replica")  # the trail refuses to be emptied
            for table in tables:
                connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
            connection.execute("INSERT INTO trust_state (id, epoch) VALUES (1, 0)")
            zeros = bytes(32)
            connection.execute("INSERT INTO audit_head (id, number, digest) VALUES (1, 0, %s)", [zeros])

    def dump(self, name: str) -> str:
        """The database as SQL text, which is what a backup holds of it."""
        return self._client("pg_dump", "--dbname", name)

    def restore(self, name: str, dump: str) -> None:
        """The database as it was when ``dump`` was made, nothing of since."""
        self.drop(name)
        self._execute(f'CREATE DATABASE "{name}"')
        self._client("psql", "--quiet", "--set", "ON_ERROR_STOP=1", "--dbname", name, given=dump)

    def _client(self, program: str, *arguments: str, given: str = "") -> str:
        command = [str(self._bin / program), "--host", "127.0.0.1", "--port", str(self.port)]
        done = subprocess.run(  # noqa: S603 - our own argument list
            [*command, "--username", "postgres", *arguments],
            input=given, capture_output=True, text=True, check=False, env=_environment(),
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{program} failed:\n{done.stderr}")
        return done.stdout

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


def serve_in_thread(server: socketserver.BaseServer) -> threading.Thread:
    """Lets ``server`` answer until its ``shutdown``, which then takes a moment instead of half a second."""
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    return thread


class RedisServer:
    """One redis-server on loopback that a test may stop, freeze, start again and fill. Nothing reaches the
    disk.
    """

    def __init__(self) -> None:
        program = shutil.which("redis-server")
        if program is None:
            raise Missing("redis-server is not here; install redis-server (apt-get install redis-server)")
        self._program = program
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port)

    def start(self) -> None:
        """Empty, on the same port as ever."""
        self._process = subprocess.Popen(  # noqa: S603 - our own argument list
            [
                self._program,
                "--port",
                str(self.port),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
            ],
            stdout=subprocess.DEVNULL,
            cwd="/tmp",  # noqa: S108 - it writes nothing there
            env=_environment(),
        )
        give_up = time.monotonic() + 30
        # Of its own accord the client would wait up to a second before it tries again.
        impatient = redis.Redis(port=self.port, retry=Retry(NoBackoff(), 0))
        while True:
            try:
                impatient.ping()
                return
            except redis.RedisError:
                if time.monotonic() > give_up or self._process.poll() is not None:
                    raise
                time.sleep(0.02)

    def stop(self) -> None:
        """As when its machine is switched off."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Connections are taken, nothing is answered."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)


class CachingProxy:
    """One nginx on loopback in front of a portal, configured as ``tests/browser/nginx.conf`` says; what it
    caches lies in ``folder``.
    """

    def __init__(self, portal_port: int, folder: Path) -> None:
        program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if program is None:
            raise Missing("nginx is not here; install nginx (apt-get install nginx)")
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        text = (Path(__file__).parent / "browser" / "nginx.conf").read_text("utf-8")
        for name, value in (("FOLDER", folder), ("PORT", self.port), ("PORTAL", portal_port)):
            text = text.replace(f"@{name}@", str(value))
        configuration = folder / "nginx.conf"
        configuration.write_text(text, "utf-8")
        log = folder / "error.log"
        self._process = subprocess.Popen(  # noqa: S603 - our own argument list
            [program, "-p", str(folder), "-e", str(log), "-c", str(configuration)], env=_environment()
        )
        give_up = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if time.monotonic() > give_up or self._process.poll() is not None:
                    self.stop()
                    raise RuntimeError(f"nginx did not start:\n{log.read_text()}") from None
                time.sleep(0.02)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)


def without_network() -> list[str]:
    """The words that run a command in a network namespace of its own, without interfaces: as root, or else as
    root of a user namespace.
    """
    tried = []
    for options in (["--net"], ["--user", "--map-root-user", "--net"]):
        command = ["unshare", *options]
        try:
            probe = [*command, "true"]
            done = subprocess.run(probe, capture_output=True, text=True, check=False)  # noqa: S603 - our own
        except FileNotFoundError:
            raise Missing("unshare is not here; install util-linux (apt-get install util-linux)") from None
        if done.returncode == 0:
            return command
        tried.append(done.stderr.strip())
    raise Missing(
        "no network namespace may be made here, by root or by others "
        f"({'; '.join(tried)}): give the container CAP_SYS_ADMIN, or allow user namespaces "
        "(sysctl user.max_user_namespaces=10000 kernel.unprivileged_userns_clone=1)"
    )


class FaultProxy:
    """A TCP proxy on loopback between a client and one of the servers above, for the faults of networks.

    ``mode``: ``pass``; ``hang`` (connections stay, nothing moves any more); ``reset`` (every connection is
    reset, new ones too); ``half-close`` (what the server says ends, what the client says still arrives);
    ``delay`` seconds are added to each piece in either direction.
    """

    def __init__(self, target_port: int) -> None:
        self.mode = "pass"
        self.delay = 0.0
        self._target = target_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def turn(self, mode: str, *, delay: float = 0.0) -> None:
        """From now on, for connections that are open as well."""
        self.mode, self.delay = mode, delay
        with self._lock:
            pairs = list(self._pairs)
        for client, server in pairs:
            with suppress(OSError):
                if mode == "reset":
                    _reset(client)
                    server.close()
                elif mode == "half-close":
                    client.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._listener.close()
        self.turn("reset")

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.mode == "reset":
                _reset(client)
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                client.close()
                continue
            with self._lock:
                self._pairs.append((client, server))
            if self.mode == "half-close":
                client.shutdown(socket.SHUT_WR)
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(65536):
                if self.delay:
                    time.sleep(self.delay)
                while self.mode == "hang":
                    time.sleep(0.01)
                sink.sendall(piece)
        for end in (source, sink):
            with suppress(OSError):
                end.close()


def _reset(connection: socket.socket) -> None:
    """Close with RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


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
