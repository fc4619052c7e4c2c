"""Whose consent is needed on a day, by the pupil's age (Luật 91/2025 Đ.24).

Under 7 the guardian; from 7 to 17 the pupil and the guardian, two events; from 18 the pupil alone. At 16 and
17 the pupil speaks by a sign-in of their own.

Where only the year of birth is known, or where records disagree, everybody whom any possible age asks for has
to agree: nothing is shown on the guess that a child is small enough not to be asked, nor on the guess that a
pupil is grown up.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from portal.accounts.ages import CHILD, OF_AGE, OWN_VOICE, Born


class Party(StrEnum):
    """Whose yes it is."""

    GUARDIAN = "guardian"
    PUPIL = "pupil"


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
        if years < OF_AGE:
            parties.add(Party.GUARDIAN)
        if years >= OWN_VOICE:
            parties.add(Party.PUPIL)
    return Needed(frozenset(parties), ages[-1] >= CHILD)
