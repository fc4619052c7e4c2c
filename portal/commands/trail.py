"""What a command was refused is told by the trail, as what it did is (SEC-30)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
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


@contextmanager
def told(action: Action, what: Callable[[Session], Object] | None = None) -> Iterator[None]:
    """A refusal inside is an entry of its own, then goes on: what would have been done, on what (as ``what``
    finds it), the command, the refusal's code. What changes something stands inside; what only looks, not.
    """
    try:
        yield
    except InvalidInput as refused:
        tell(action, refused.problems[0].code, what, count=len(refused.problems))
        raise
    except Refusal as refused:
        tell(action, refused.code, what)
        raise


def tell(
    action: Action, code: str, what: Callable[[Session], Object] | None = None, *, count: int = 1
) -> None:
    """One refusal. A database that cannot be written to is said in the log: the command itself goes on to say
    what was refused.
    """
    if code == _NOT_OURS:
        return
    details: dict[str, str | int] = {"command": command_name(), "reason": code, "count": count}
    try:
        with transaction() as session:
            found = None if what is None else what(session)
            event = Event(actor(), action, found, Outcome.REFUSED, details=details)
            audit.record(session, event, now=resources().clock.now())
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
