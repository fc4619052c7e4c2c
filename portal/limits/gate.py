"""Refuses who has used up a limit, and charges what counts. The same for everything that is asked for.

A refusal comes before anything is looked up, and a charge that no longer fits takes the answer's place: so
neither tells whether a record exists (SEC-16).
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

from limits.strategies import RateLimiter

from portal.limits.counters import Counters
from portal.limits.table import ALL, Policy, client_keys


@dataclass(frozen=True, slots=True)
class Gate:
    """The table over its counters. ``strategy`` counts in ``counters``."""

    table: Mapping[str, Policy]
    strategy: RateLimiter
    counters: Counters

    def refused(self, name: str, address: str) -> int | None:
        """Seconds to wait, when this client has used up its share of ``name``; None when it has not.

        Asks memory alone: this stands before every request, and nearly all of them charge nothing.
        """
        until = max(
            self.counters.refused_until(f"{name} {layer} {key}") for layer, key in client_keys(address)
        )
        wait = until - time.time()
        return math.ceil(wait) if wait > 0 else None

    def charge(self, name: str, address: str) -> int | None:
        """Charge one; None when it fitted, else the seconds to wait: then the request gets no answer.

        Exact for requests at one time: the counters take what fits and no more. Whoever used up the last is
        refused from the next request on, a right code's as well, or it would tell them what exists.
        """
        policy = self.table[name]
        for layer, key in (*client_keys(address), (ALL, "")):
            limit = policy.layers.get(layer)
            if limit is None:
                continue
            fits = self.strategy.hit(limit, name, layer, key)
            stats = self.strategy.get_window_stats(limit, name, layer, key)
            if stats.remaining <= 0 and layer != ALL:
                self.counters.refuse(f"{name} {layer} {key}", stats.reset_time)
            if not fits:
                return max(1, math.ceil(stats.reset_time - time.time()))
        return None
