"""Who asks, as every service of this room takes it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from portal.audit.service import Actor
from portal.errors import Refusal, marked
from portal.permissions import Act, Role, may


@dataclass(frozen=True, slots=True)
class Person:
    """An account acting in a role of an organisation. ``office`` is the code of a school or department: no
    service here reads or writes a row of another one (SEC-18). ``method`` is how they proved who they are.
    """

    account: uuid.UUID
    role: Role
    office: str
    name: str = ""
    method: str = "session"

    @property
    def actor(self) -> Actor:
        return Actor("account", str(self.account))

    def must_be_allowed(self, *acts: Act) -> None:
        """Raises Refusal unless the role may do one of ``acts``: the routes ask first, and this once more."""
        if not any(may(self.role, act) for act in acts):
            raise Refusal("not_permitted", marked("Vai trò này không được làm việc đó."))
