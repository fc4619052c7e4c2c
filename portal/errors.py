"""Refusals a person can act on. Everything else that goes wrong is a fault: a bare 500 with a request id."""

from __future__ import annotations

from collections.abc import Sequence

from verifier.errors import Problem


def marked(message: str) -> str:
    """Mark a constant message for the catalogue; it is translated where it is shown."""
    return message


class PortalError(Exception):
    """Base of what the portal raises on purpose."""


class Refusal(PortalError):  # noqa: N818 - the architecture's word for it
    """Something the user asked for and we will not do: a stable code, a sentence, a hint what to do next."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


class InvalidSettings(PortalError):  # noqa: N818
    """Settings that cannot be used; carries every mistake."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(f"{p.where}: {p.message}" for p in problems))
        self.problems = tuple(problems)
