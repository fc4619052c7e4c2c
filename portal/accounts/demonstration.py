"""The demo's people for visitors: who they are, what signs in as them. Served in demo mode alone.

A visitor picks a person, and the script ``demo_key.js`` answers in the browser with that person's key. The
server checks the answer as it checks any other.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Final

import pyotp
from flask import Blueprint, Response, send_file

from portal.accounts.forms import ROLE_NAMES
from portal.extensions import resources
from portal.permissions import Role
from portal.web.access import Access, allowed
from portal.web.i18n import gettext
from portal.web.sessions import page

demo_accounts = Blueprint("demo_accounts", __name__)

FILE: Final = "passkeys.json"
FAMILIES: Final = "families.json"
_PARTS: Final = ("id", "user", "x", "y", "d")  # as demo_key.js splits them: what lies open stays small
_SCRIPT: Final = Path(__file__).parent.parent / "demo" / "demo_key.js"


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """Somebody a visitor may sign in as. ``key`` is their passkey as ``demo_key.js`` reads it; ``password``
    and ``secret`` (of the authenticator app, base32) are empty where every role asks for the passkey.
    """

    name: str
    email: str
    roles: tuple[str, ...]
    organisation: str
    key: dict[str, str]
    password: str
    secret: str


@dataclass(frozen=True, slots=True)
class DemoHolder:
    """A guardian or pupil of the demo, who signs in by a code to ``contact``; the outbox shows it."""

    name: str
    contact: str
    who: str
    note: str


@dataclass(frozen=True, slots=True)
class DemoCode:
    """A code that a family has on paper, the birth date that goes with it, and whose it is."""

    code: str
    birth: str
    note: str


@dataclass(frozen=True, slots=True)
class DemoFamilies:
    """What a visitor needs to be one of the families: accounts, unused slips, share codes."""

    people: tuple[DemoHolder, ...] = ()
    slips: tuple[DemoCode, ...] = ()
    shared: tuple[DemoCode, ...] = ()


def read_families(directory: Path) -> DemoFamilies:
    """The families of the demo in ``directory``; none before it has any."""
    path = directory / FAMILIES
    if not path.is_file():
        return DemoFamilies()
    listed = json.loads(path.read_text("utf-8"))
    return DemoFamilies(
        tuple(DemoHolder(**each) for each in listed["people"]),
        tuple(DemoCode(**each) for each in listed["slips"]),
        tuple(DemoCode(**each) for each in listed["shared"]),
    )


def read(directory: Path) -> tuple[DemoAccount, ...]:
    """The accounts of the demo in ``directory``; none before it has any."""
    path = directory / FILE
    if not path.is_file():
        return ()
    listed = json.loads(path.read_text("utf-8"))
    return tuple(DemoAccount(**{**each, "roles": tuple(each["roles"])}) for each in listed)


@demo_accounts.get("/demo-accounts")
@allowed(Access.DEMO)
def show() -> Response:
    """Everyone, by organisation, with what signs in as them."""
    bundle = resources()
    now = bundle.clock.now()
    accounts = read(bundle.settings.instance_dir / "demo")
    password = next((each.password for each in accounts if each.password), "")  # one for all who may use one
    listed = [
        {
            "name": each.name,
            "email": each.email,
            "roles": ", ".join(gettext(ROLE_NAMES[Role(role)]) for role in each.roles),
            "organisation": each.organisation,
            "key": " ".join(each.key[part] for part in _PARTS),
            "code": pyotp.TOTP(each.secret).at(now) if each.secret else "",
        }
        for each in accounts
    ]
    grouped = [(name, list(people)) for name, people in groupby(listed, lambda each: each["organisation"])]
    families = read_families(bundle.settings.instance_dir / "demo")
    families = replace(families, people=tuple(replace(p, note=gettext(p.note)) for p in families.people))
    context = {"organisations": grouped, "families": families, "password": password}
    return page("accounts/demo.html", context)


@demo_accounts.get("/demo-accounts/key.js")
@allowed(Access.DEMO)
def script() -> Response:
    """What answers in the browser with the key of the person that was picked."""
    response = send_file(_SCRIPT, mimetype="text/javascript")
    response.headers["Cache-Control"] = "no-store"
    return response
