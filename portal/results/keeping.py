"""Keeping a result while its answer is given: the answer never waits for it, nor fails with it."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Final

from portal.database import UNAVAILABLE
from portal.extensions import resources, transaction
from portal.limits.table import KEPT
from portal.results import service
from portal.web.answers import Number
from portal.web.limits import fits
from verifier.report import ValidationReport
from verifier.verdict import Verdict

log = logging.getLogger(__name__)

PATH: Final = "/ket-qua"


def keep(verdict: Verdict, report: ValidationReport, *, strange: bool = False) -> str | None:
    """Keep an answer that is about to be given; answers its number, None when the database takes nothing
    now, when the record was destroyed, or when this client has had its share: a registered file costs
    nothing, but each row stays for months.
    """
    if not fits(KEPT):
        return None
    bundle = resources()
    try:
        with transaction() as session:
            return service.keep(
                session,
                bundle.vault,
                verdict,
                report,
                strange=strange,
                now=bundle.clock.now(),
                days=bundle.settings.result_days,
            )
    except UNAVAILABLE as error:
        log.warning("a result was not kept: %s", type(error).__name__)
        return None


def number_of(number: str, now: datetime) -> Number:
    """A number as a page shows it."""
    return Number(number, now + timedelta(days=resources().settings.result_days))


def address(number: str) -> str:
    """Where the result with this number is shown."""
    return f"{PATH}/{number}"
