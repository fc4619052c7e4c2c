"""How old a pupil is on a day, and the ages at which the law changes who speaks.

A year of life is full on the birthday; born on 29 February, in a common year on 1 March (BLDS 2015 Đ.148:
the day that the month does not have is over with its last day). Where only the year of birth is known, or
where records disagree, every age that may be true is told: whoever asks decides which side is the careful
one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final

from verifier.record.kinds import parse_day

#: Age from which a pupil has a sign-in of their own, and consents beside the guardian (Luật 91/2025 Đ.24.2).
OWN_VOICE: Final = 7
#: Under this age a pupil is a child (Luật Trẻ em 2016 Đ.1): the guardians are told of the own sign-in; from
#: it on the pupil's yes comes by that sign-in alone.
CHILD: Final = 16
#: From this age the pupil alone decides.
OF_AGE: Final = 18


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

    def surely(self, years: int, today: date) -> bool:
        """Whether the pupil has that age today, whatever day it was."""
        return self.ages(today)[0] >= years


def age(born: date, today: date) -> int:
    """Full years of life."""
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))
