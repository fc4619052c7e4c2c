"""How commands speak: plain lines, mistakes as ``error:`` and ``hint:`` on standard error, an exit code that
scripts can rely on (0 done, 1 refused, 2 wrong usage).
"""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta, timezone
from typing import Final, NoReturn

import click

from portal.errors import InvalidSettings, Refusal
from verifier.errors import InvalidInput, Problem

VIETNAM: Final = timezone(timedelta(hours=7), "+07:00")


def fail(problems: Sequence[Problem]) -> NoReturn:
    """Every problem as an ``error:`` line, then exit code 1."""
    for problem in problems:
        click.secho(f"error: {problem.where}: {problem.message}", fg="red", err=True)
    sys.exit(1)


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what a person can act on into lines and exit code 1; everything else stays a fault with its
    trace.
    """
    try:
        yield
    except (InvalidInput, InvalidSettings) as invalid:
        fail(invalid.problems)
    except Refusal as refusal:
        click.secho(f"error: {refusal.message}", fg="red", err=True)
        if refusal.hint:
            click.echo(f"hint: {refusal.hint}", err=True)
        sys.exit(1)


def actor() -> str:
    """Who runs this command, for the event."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"uid {os.getuid()}"


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
        raise click.BadParameter(
            f"“{value}” không phải là một ngày (dd/MM/yyyy hoặc yyyy-MM-dd).", ctx, param
        )


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
        except ValueError:
            raise click.BadParameter(
                f"“{value}” không phải là thời điểm (2026-05-30T08:00 hoặc 30/05/2026).", ctx, param
            ) from None
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=VIETNAM)
