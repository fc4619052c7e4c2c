"""How commands speak: plain lines, mistakes as ``error:`` and ``hint:`` on standard error, an exit code that
scripts can rely on (0 done, 1 refused, 2 wrong usage).
"""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Final, NoReturn

import click
from alembic.util import CommandError
from flask.cli import AppGroup
from obstore.exceptions import BaseError as StoreError
from sqlalchemy.exc import DatabaseError, DBAPIError, IntegrityError

from portal.audit.service import Actor
from portal.errors import InvalidSettings, Refusal
from portal.filestore import CorruptFile
from portal.vault import VaultError
from verifier.errors import InvalidInput, Problem

VIETNAM: Final = timezone(timedelta(hours=7), "+07:00")


def fail(problems: Sequence[Problem]) -> NoReturn:
    """Every problem as an ``error:`` line, then exit code 1."""
    for problem in problems:
        click.secho(f"error: {problem.where}: {problem.message}", fg="red", err=True)
    sys.exit(1)


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what a person can act on into lines and exit code 1: mistakes, refusals, a database or file store
    that cannot be used, keys that do not open. Everything else stays a fault with its trace.
    """
    try:
        yield
    except (InvalidInput, InvalidSettings) as invalid:
        fail(invalid.problems)
    except Refusal as refusal:
        refuse(refusal)
    except IntegrityError:  # a fault of ours, whatever the database is like
        raise
    except DatabaseError as error:
        refuse(_database_refusal(error))
    except CommandError as error:
        refuse(
            Refusal(
                "database_unusable",
                f"Không nâng cấp được cơ sở dữ liệu: {_first_line(error)}",
                "Cơ sở dữ liệu có thể thuộc phiên bản mới hơn; cài đúng phiên bản rồi chạy lại.",
            )
        )
    except StoreError as error:
        refuse(
            Refusal(
                "file_store_unusable",
                f"Không dùng được kho tệp: {_first_line(error)}",
                "Kiểm tra FILE_STORE_URL, quyền truy cập và kết nối tới kho tệp.",
            )
        )
    except CorruptFile as error:
        refuse(
            Refusal("file_corrupt", f"Tệp trong kho đã bị hỏng: {error}.", "Khôi phục tệp từ bản sao lưu.")
        )
    except VaultError as error:
        refuse(
            Refusal(
                "vault",
                f"Không mở được dữ liệu đã mã hóa: {error}.",
                "Kiểm tra KEY_ENCRYPTION_KEYS: phải có mọi khóa từng dùng, đúng mã và đúng giá trị.",
            )
        )


def refuse(refusal: Refusal, status: int = 1) -> NoReturn:
    """One ``error:`` line and, where there is something to do, a ``hint:``; then exit code 1, or 2 for values
    that cannot be read and options that cannot go together. (What click itself finds wrong with a command
    line, it says in English.)
    """
    click.secho(f"error: {refusal.message}", fg="red", err=True)
    if refusal.hint:
        click.echo(f"hint: {refusal.hint}", err=True)
    sys.exit(status)


class Command(click.Command):
    """A command whose arguments are text."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """A shell hands over any bytes; what is no UTF-8 (Python keeps it as lone surrogates) names
        nothing.
        """
        for argument in args:
            if not argument.isascii() and any("\ud800" <= letter <= "\udfff" for letter in argument):
                shown = argument.encode("utf-8", "replace").decode()
                refuse(Refusal("not_text", f"“{shown}” không phải là văn bản UTF-8."), status=2)
        return super().parse_args(ctx, args)


class Room(Command, AppGroup):
    """A group of commands that all speak alike, also where a command forgets :func:`refusals`."""

    def invoke(self, ctx: click.Context) -> object:
        with refusals():
            return super().invoke(ctx)


#: SQLSTATE of PostgreSQL for a table or column that is not there (class 42).
_MISSING: Final = ("42P01", "42703")


def _database_refusal(error: DBAPIError) -> Refusal:
    """Tables that are missing are made by a command; anything else is a matter of the database itself."""
    text = _first_line(error.orig or error)
    if getattr(error.orig, "sqlstate", None) in _MISSING or text.startswith(
        ("no such table", "no such column")
    ):
        return Refusal(
            "database_not_upgraded",
            "Cơ sở dữ liệu chưa có đủ các bảng của phiên bản này.",
            "flask --app wsgi database upgrade",
        )
    return Refusal(
        "database_unusable",
        f"Không dùng được cơ sở dữ liệu: {text}",
        "Kiểm tra DATABASE_URL, máy chủ cơ sở dữ liệu, quyền đọc ghi và chỗ trống trên đĩa.",
    )


def _first_line(error: BaseException) -> str:
    """What a library says, as one line; drivers add advice and SQL below it."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[
        :300
    ]


def read_input(path: Path) -> bytes:
    """The bytes of a file that a command was given. Raises Refusal ``not_read``."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise Refusal("not_read", f"Không đọc được tệp {path}: {error.strerror or error}.") from error


def actor() -> Actor:
    """Who runs this command, for the trail: the user of the operating system, whatever the environment
    says.
    """
    try:
        return Actor.command(pwd.getpwuid(os.getuid()).pw_name)
    except KeyError:  # a container's user may have no name
        return Actor.command(f"uid-{os.getuid()}")


def _wrong(param: click.Parameter | None, message: str) -> NoReturn:
    """A value that cannot be read, in our own words: click would put them into an English frame."""
    where = "" if param is None else f"{param.opts[0]}: "
    refuse(Refusal("wrong_value", where + message), status=2)


class Day(click.ParamType[date]):
    """A day: dd/MM/yyyy or yyyy-MM-dd."""

    name = "ngày"

    def convert(self, value: str | date, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        for pattern in ("%d/%m/%Y", "%Y-%m-%d"):
            try:
                return datetime.strptime(value, pattern).replace(tzinfo=VIETNAM).date()
            except ValueError:
                continue
        _wrong(param, f"“{value}” không phải là một ngày (dd/MM/yyyy hoặc yyyy-MM-dd).")


class Moment(click.ParamType[datetime]):
    """A moment: ISO 8601, or a day, which means its first second. Without an offset it is Vietnam's time."""

    name = "thời điểm"

    def convert(
        self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            day = datetime.strptime(value, "%d/%m/%Y") if "/" in value else None  # noqa: DTZ007 - the zone follows
            moment = day or datetime.fromisoformat(value)
            if not 1900 <= moment.year <= 2999:  # another zone's clock must still have a year to show
                raise ValueError(value)
        except ValueError:
            _wrong(param, f"“{value}” không phải là thời điểm (2026-05-30T08:00 hoặc 30/05/2026).")
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=VIETNAM)
