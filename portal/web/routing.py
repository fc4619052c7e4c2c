"""Addresses that cost nothing until they are written.

Werkzeug compiles two Python functions for every route when the app is made; they build its addresses. That
was most of the time that making the app took, in every command and every worker, while a process writes few
of all the addresses there are.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from werkzeug.routing import Rule


class LateRule(Rule):
    """A route whose functions are compiled when its address is first built. Matching is as ever."""

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        @cache
        def compiled() -> Callable[..., tuple[str, str]]:
            return super(LateRule, self)._compile_builder(append_unknown)

        def build(rule: Rule, /, **values: object) -> tuple[str, str]:
            return compiled()(rule, **values)

        return build
