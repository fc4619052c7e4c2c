"""Whose consent is needed on a day, by the pupil's age (Luật 91/2025 Đ.24).

Under 7 the guardian; from 7 to 17 the pupil and the guardian, two events; from 18 the pupil alone. At 16 and
17 the pupil speaks by a sign-in of their own.

A year of life is full on the birthday; born on 29 February, in a common year on 1 March (BLDS 2015 Đ.148:
the day that the month does not have is over with its last day). Where only the year of birth is known, or
where records disagree, every age that may be true counts, and everybody whom any of them asks for has to
agree: nothing is shown on the guess that a child is small enough not to be asked, nor on the guess that a
pupil is grown up.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from verifier.record.kinds import parse_day

ASKED_FROM = 7
OWN_SIGN_IN_FROM = 16
ALONE_FROM = 18


class Party(StrEnum):
    """Whose yes it is."""

    GUARDIAN = "guardian"
    PUPIL = "pupil"


@dataclass(frozen=True, slots=True)
class Born:
    """The days between which a pupil was born; one day, when it is known."""

    first: date
    last: date

    @classmethod
    def read(cls, texts: Iterable[str]) -> Born:
        """From birth dates as records have them: "dd/MM/yyyy" or "yyyy". Raises ValueError for none or for
        anything else.
        """
        days = [
            (date(int(text), 1, 1), date(int(text), 12, 31))
            if len(text) == 4
            else (parse_day(text), parse_day(text))
            for text in texts
        ]
        if not days:
            raise ValueError("no birth date")
        return cls(min(first for first, _ in days), max(last for _, last in days))

    def ages(self, today: date) -> range:
        """Every age that may be true today."""
        return range(age(self.last, today), age(self.first, today) + 1)


def age(born: date, today: date) -> int:
    """Full years of life."""
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


@dataclass(frozen=True, slots=True)
class Needed:
    """Whose yes is needed; ``own_sign_in`` says that the pupil's must come by a sign-in of their own."""

    parties: frozenset[Party]
    own_sign_in: bool


def needed(born: Born, today: date) -> Needed:
    """Everybody whom any age asks for that may be true."""
    ages = born.ages(today)
    parties = set()
    for years in ages:
        if years < ALONE_FROM:
            parties.add(Party.GUARDIAN)
        if years >= ASKED_FROM:
            parties.add(Party.PUPIL)
    return Needed(frozenset(parties), ages[-1] >= OWN_SIGN_IN_FROM)
