"""Refusals of the pure library: what a caller can act on. Findings about a document are never exceptions."""

from __future__ import annotations

from dataclasses import dataclass


class VerifierError(Exception):
    """Base of everything the verifier raises on purpose."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in somebody's input.

    ``where`` names the field (and, once a file is known, the row or cell), ``code`` is stable for programs,
    ``message`` is a Vietnamese sentence: what is wrong, then what is expected.
    """

    where: str
    code: str
    message: str


class InvalidInput(VerifierError):  # noqa: N818 - a refusal is not an "error" of ours
    """Input that breaks the rules. Carries every problem found, never only the first."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(f"{p.where}: {p.message}" for p in problems))
        self.problems = problems
