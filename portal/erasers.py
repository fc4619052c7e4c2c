"""Everything that can be erased for good: a room that keeps something about people adds its eraser here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from portal.erasure.service import Eraser
from portal.issuing.erasing import RECORD

#: Kind -> how. A kind that has tombstones stays here for good.
ERASERS: Final[Mapping[str, Eraser]] = {eraser.kind: eraser for eraser in (RECORD,)}
