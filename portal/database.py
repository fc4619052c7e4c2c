"""Tables' common ground: naming convention, base class, column types, engine. Plain SQLAlchemy, no Flask."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final, TypeVar, cast

import psycopg
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus
from sqlalchemy import (
    Connection,
    CursorResult,
    DateTime,
    Delete,
    Engine,
    MetaData,
    Select,
    String,
    Update,
    Uuid,
    create_engine,
    event,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.types import TypeDecorator

from portal.errors import Refusal

_RV = TypeVar("_RV")

#: Of PostgreSQL: for whose rows a connection asks. Without it there are none.
_SCOPE: Final = "portal.scope"
EVERY_SCHOOL: Final = "*"  # no school has such a code

NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

#: The database does not answer, or has no connection left (which SQLAlchemy does not count as a DBAPIError).
UNAVAILABLE: Final = (DBAPIError, PoolTimeout)
#: Seconds to wait for a free connection: an answer that it cannot be checked now is better than a queue.
POOL_TIMEOUT: Final = 2
#: Seconds that a statement of this request may take, None for commands (:mod:`portal.web.waits` sets it).
PATIENCE: Final[ContextVar[float | None]] = ContextVar("PATIENCE", default=None)
#: Seconds to wait for a server that takes connections but does not greet.
_CONNECT_TIMEOUT: Final = 3
_PRAGMAS: Final = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "busy_timeout=15000",
    "secure_delete=ON",
)
#: SQLite connections that stay open; those of a rush are closed again.
_KEPT_OPEN: Final = 16


class UtcDateTime(TypeDecorator[datetime]):
    """Aware datetimes in UTC on every database; SQLite keeps no zone, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive datetime")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Base of every table."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {datetime: UtcDateTime()}  # noqa: RUF012 - SQLAlchemy reads the class attribute


class Keyed:
    """A random UUID key made in Python, so that a row can name itself (and its AAD) before it is written."""

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True, default=uuid.uuid4, sort_order=-1)


class KeyCheck(Base):
    """Which keys this database was written with: a check value for each (``Vault.check_values``)."""

    __tablename__ = "key_checks"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[str] = mapped_column(String(64))


def confirm_keys(session: Session, values: Mapping[str, str]) -> None:
    """Compare the keys at hand with those this database knows; a key seen first is noted.

    With another index key no pupil would be found again, and each would be issued a second record. Raises
    Refusal ``wrong_keys``, which names every wrong key.
    """
    insert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert
    known = {row.name: row.value for row in session.scalars(select(KeyCheck))}
    new = [{"name": name, "value": value} for name, value in values.items() if name not in known]
    wrong = sorted(name for name, value in values.items() if known.get(name, value) != value)
    if not wrong and new:  # another process may note them at the same moment: what stands then, counts
        session.execute(insert(KeyCheck).on_conflict_do_nothing(), new)
        stands = {
            row.name: row.value
            for row in session.scalars(select(KeyCheck).execution_options(populate_existing=True))
        }
        wrong = sorted(name for name, value in values.items() if stands.get(name) != value)
    if wrong:
        raise Refusal(
            "wrong_keys",
            f"{', '.join(map(_key_setting, wrong))} không phải là khóa mà cơ sở dữ liệu này đã dùng; "
            "chưa ghi gì.",
            "Đặt lại đúng khóa cũ (development: INSTANCE_DIR/secrets.json), hoặc kiểm tra DATABASE_URL.",
        )


def _key_setting(name: str) -> str:
    """The setting that a person has to look at."""
    kind, _, key_id = name.partition(":")
    return "INDEX_KEY" if kind == "index" else f"KEY_ENCRYPTION_KEYS (mã “{key_id}”)"


class _Connection(psycopg.Connection[Any]):
    """A connection on which no statement waits longer than :data:`PATIENCE`.

    libpq waits for ever for a server that keeps a connection open and is silent, and the server's own
    statement time-out is of no use when it is the server that hangs. Whoever gave up cannot know what
    became of the statement, so the connection is closed and counts as lost.
    """

    def wait(self, gen: PQGen[_RV], interval: float = 0.1, timeout: float | None = None) -> _RV:
        try:
            return super().wait(gen, interval, PATIENCE.get() if timeout is None else timeout)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.pgconn.finish()
            raise


def make_engine(url: str, *, connections: int = 10, threads: int = 32) -> Engine:
    """An engine for ``url``.

    PostgreSQL gets up to ``connections``, for which threads take turns; each asks for all schools until
    :func:`narrow` says for one. SQLite gets one for each of
    ``threads``, for they are but an open file; WAL, synchronous FULL (a committed row survives power loss),
    foreign keys on, a busy time-out, and transactions that begin with BEGIN IMMEDIATE (one writer, no
    deadlock). What is deleted or overwritten is zeros in the file (SEC-41). Its file is made for its owner
    alone.
    """
    if not url.startswith("sqlite"):
        engine = create_engine(
            url,
            connect_args={"connect_timeout": _CONNECT_TIMEOUT, "options": f"-c {_SCOPE}={EVERY_SCHOOL}"},
            pool_pre_ping=True,
            pool_timeout=POOL_TIMEOUT,
            pool_size=connections,
            max_overflow=0,
            # Said, whatever the server's default is: what is read after a lock must be what was committed
            # before.
            isolation_level="READ COMMITTED",
        )

        @event.listens_for(engine, "do_connect")
        def _connect(_dialect: Any, _record: Any, arguments: Any, named: Any) -> _Connection:
            return _Connection.connect(*arguments, **named)

        return engine
    kept = min(threads, _KEPT_OPEN)
    engine = create_engine(
        url,
        connect_args={"timeout": 15},
        pool_timeout=POOL_TIMEOUT,
        pool_size=kept,
        max_overflow=threads - kept,
    )

    @event.listens_for(engine, "do_connect")
    def _private(*_: Any) -> None:
        # Whatever the umask; SQLite gives the log and the index beside a database the database's own mode.
        with suppress(OSError):  # it is there already, or the driver says why it cannot be
            os.close(os.open(str(engine.url.database), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))

    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not open transactions of its own
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        readonly = connection.get_execution_options().get("readonly", False)
        connection.exec_driver_sql("BEGIN" if readonly else "BEGIN IMMEDIATE")

    return engine


def scrub(engine: Engine, tables: Iterable[str]) -> bool:
    """After an erasure in ``tables`` was committed: leave nothing of before beside what they hold now.

    SQLite's write-ahead log holds pages as they were; it is folded into the file and emptied, which others
    that read or write at this moment may prevent: then False. PostgreSQL is asked to free the old versions of
    rows; its own log and its backups are the operator's (docs/keys.md).
    """
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for table in sorted(tables):
                connection.exec_driver_sql(f'VACUUM "{table}"')
        return True
    driver = engine.raw_connection()
    try:
        cursor = driver.cursor()
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        answer = cursor.fetchone()  # blocked, pages in the log, pages folded
        return answer is not None and not answer[0]
    finally:
        driver.close()


def narrow(session: Session, scope: str | None) -> None:
    """Let every transaction of this session see and change the rows of one school alone (SEC-18), from the
    next on; None changes nothing. PostgreSQL keeps this rule itself (migration 0014); in SQLite the services'
    own questions do.
    """
    if scope is not None and session.get_bind().dialect.name == "postgresql":
        session.info[_SCOPE] = scope

        @event.listens_for(session, "after_begin")
        def _begin(_session: Session, _transaction: Any, connection: Connection) -> None:
            connection.execute(select(func.set_config(_SCOPE, scope, True)))


@contextmanager
def everywhere(session: Session) -> Iterator[None]:
    """Within the block a narrowed session meets the rows of every school: for what has to be decided about a
    pupil whose holders, records and consents stand at several.
    """
    own = session.info.pop(_SCOPE, None)
    if own is None:
        yield
        return
    session.flush()
    session.execute(select(func.set_config(_SCOPE, EVERY_SCHOOL, True)))
    alive = True
    try:
        yield
        session.flush()
    except DBAPIError:
        alive = False  # PostgreSQL takes nothing more in this transaction
        raise
    finally:
        session.info[_SCOPE] = own
        if alive:
            session.execute(select(func.set_config(_SCOPE, own, True)))


def reading_engine(engine: Engine) -> Engine:
    """The same database and pool for requests that change nothing: SQLite's write lock is never taken,
    PostgreSQL is spared a BEGIN and a ROLLBACK round trip around each question.
    """
    if engine.dialect.name == "sqlite":
        return engine.execution_options(readonly=True)
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def changed(session: Session, statement: Update | Delete) -> int:
    """Run a change of many rows; answers how many there were. Objects that the session holds stay as they
    are.
    """
    result = session.execute(statement.execution_options(synchronize_session=False))
    return cast("CursorResult[Any]", result).rowcount


Row = dict[str, Any]


class Prepared:
    """A question of the busiest path: compiled once, asked on the driver's own cursor.

    SQLAlchemy's execution costs several times what the database itself does; here only its compiler and its
    column types are used. Parameters are passed by name and bound by the driver, never written into the text.
    """

    def __init__(self, statement: Select[Any]) -> None:
        self._statement = statement
        self._compiled: dict[str, _Question] = {}

    def run(self, source: Session | Connection, **values: Any) -> list[Row]:
        """All rows, by column name. Raises DBAPIError as SQLAlchemy does."""
        connection = source.connection() if isinstance(source, Session) else source
        dialect = connection.dialect
        question = self._compiled.get(dialect.driver)
        if question is None:
            question = self._compiled[dialect.driver] = _Question(self._statement, dialect)
        parameters = question.fixed | values
        driver = connection.connection
        cursor = driver.cursor()
        try:
            cursor.execute(
                question.text, [parameters[name] for name in question.order] if question.order else parameters
            )
            rows = cursor.fetchall()
            cursor.close()
        except dialect.loaded_dbapi.Error as error:
            lost = dialect.is_disconnect(error, driver, cursor)
            if lost:
                connection.invalidate()
            raise DBAPIError.instance(
                question.text,
                None,
                error,
                dialect.loaded_dbapi.Error,
                hide_parameters=True,
                connection_invalidated=lost,
                dialect=dialect,
            ) from error
        return [
            {
                name: value if convert is None or value is None else convert(value)
                for (name, convert), value in zip(question.columns, row, strict=True)
            }
            for row in rows
        ]


class _Question:
    """A statement in one driver's words: its text, its constants, the order of its parameters, its
    columns.
    """

    def __init__(self, statement: Select[Any], dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        self.text = str(compiled)
        self.order = compiled.positiontup
        self.fixed = {name: value for name, value in compiled.params.items() if value is not None}
        self.columns = [
            (str(column.name), column.type.dialect_impl(dialect).result_processor(dialect, None))
            for column in statement.selected_columns
        ]
