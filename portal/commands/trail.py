"""What a command was refused is told by the trail, as what it did is (SEC-30)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import click
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.audit.service import Action, Event, Object, Outcome
from portal.commands.console import actor
from portal.database import UNAVAILABLE
from portal.errors import Refusal
from portal.extensions import resources, transaction
from verifier.errors import InvalidInput

log = logging.getLogger(__name__)

#: The database is another installation's: nothing of ours is written into it.
_NOT_OURS = "wrong_keys"


#: On what, known beforehand or looked for; none where what was asked for has no name of its own yet.
What = Sequence[Object] | Callable[[Session], Sequence[Object]]


@contextmanager
def told(action: Action, what: What = ()) -> Iterator[None]:
    """A refusal inside is told, then goes on: what would have been done, on what (an entry for each), the
    command, the refusal's code. What changes something stands inside; what only looks, not.
    """
    try:
        yield
    except InvalidInput as refused:
        _tell(action, refused.problems[0].code, what, count=len(refused.problems))
        raise
    except Refusal as refused:
        _tell(action, refused.code, what)
        raise


def _tell(action: Action, code: str, what: What, *, count: int = 1) -> None:
    """One refusal. A database that cannot be written to is said in the log: the command itself goes on to say
    what was refused.
    """
    if code == _NOT_OURS:
        return
    details: dict[str, str | int] = {"command": command_name(), "reason": code, "count": count}
    try:
        with transaction() as session:
            on = what(session) if callable(what) else what
            events = (
                Event(actor(), action, each, Outcome.REFUSED, details=details) for each in on or (None,)
            )
            audit.record(session, *events, now=resources().clock.now())
    except (*UNAVAILABLE, Refusal):
        log.warning("the trail could not be told of a refusal")


def command_name() -> str:
    """The command that runs, as it is typed after ``flask --app wsgi``."""
    names: list[str] = []
    context: click.Context | None = click.get_current_context()
    while context is not None and context.parent is not None:
        names.insert(0, str(context.info_name))
        context = context.parent
    return " ".join(names)
