"""What every feature needs at run time, in one frozen bundle, and the one place that commits.

The composition root (:mod:`portal.factory`) builds :class:`Resources` and hangs it on the app; views and
commands take it with :func:`resources`. Services never see it: they get a session, ports and a time as
arguments.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, cast

from flask import Flask, current_app, g, has_request_context
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from portal.config import Settings
from portal.database import confirm_keys, narrow
from portal.limits.gate import Gate
from portal.limits.work import Workroom
from portal.ports import Checker, Clock, FileStore, IdentityProvider, Mailer, Tombstones
from portal.vault import Vault
from verifier.locator import Hosts

KEY: Final = "portal"
_CONFIRMED: Final = "portal-keys-confirmed"


@dataclass(frozen=True, slots=True)
class Resources:
    """Settings, database, secrets and ports of one running app. Holds nothing that can sign."""

    settings: Settings
    engine: Engine
    questions: Engine  # the same database for requests that change nothing
    vault: Vault
    files: FileStore
    tombstones: Tombstones
    checker: Checker
    clock: Clock
    mailer: Mailer
    hosts: Hosts
    gate: Gate  # limits by client
    workroom: Workroom  # places for checks
    pile_room: Workroom  # places for many files in one sending
    openid: IdentityProvider | None  # None where the settings name none


def install(app: Flask, bundle: Resources) -> None:
    """Hang ``bundle`` on ``app``."""
    app.extensions[KEY] = bundle


def resources() -> Resources:
    """The bundle of the current app."""
    return cast(Resources, current_app.extensions[KEY])


@contextmanager
def transaction() -> Iterator[Session]:
    """One unit of work: committed when the block ends, rolled back when it raises. Nothing else commits.

    The first one of a command confirms that the keys are this database's. Raises Refusal ``wrong_keys``.
    """
    if not has_request_context():
        confirm()
    with Session(resources().engine) as session, session.begin():
        narrow(session, _scope())
        yield session


def confirm() -> None:
    """Compare the keys with the database's, once a process (:func:`portal.database.confirm_keys`)."""
    if _CONFIRMED not in current_app.extensions:
        with Session(resources().engine) as session, session.begin():
            confirm_keys(session, resources().vault.check_values())
        current_app.extensions[_CONFIRMED] = True


@contextmanager
def reading() -> Iterator[Session]:
    """A session for a request that changes nothing."""
    bundle, scope = resources(), _scope()
    # Only a transaction can be narrowed, and the quick way for questions has none.
    narrowed = scope is not None and bundle.engine.dialect.name == "postgresql"
    with Session(bundle.engine if narrowed else bundle.questions, autoflush=False) as session:
        narrow(session, scope)
        yield session


def within(scope: str | None) -> None:
    """From here on this request sees and changes the rows of one school alone, or, None, of all."""
    g.scope = scope


def _scope() -> str | None:
    return cast("str | None", g.get("scope")) if has_request_context() else None
