"""Everything that can be erased for good: a room that keeps something about people adds its eraser here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from portal.accounts.erasing import ACCOUNT
from portal.accounts.models import ActivationSlip
from portal.consent.erasing import CONSENT, REQUEST, STATUTORY_ACCESS
from portal.erasure.service import Eraser
from portal.issuing.erasing import RECORD
from portal.issuing.models import ClassUpload
from portal.messages.models import Message

#: Kind -> how. A kind that has tombstones stays here for good.
ERASERS: Final[Mapping[str, Eraser]] = {
    eraser.kind: eraser for eraser in (RECORD, ACCOUNT, CONSENT, STATUTORY_ACCESS, REQUEST)
}

#: Tables whose sealed columns are erased by time alone, within weeks. They need no tombstone: what an older
#: backup brings back is over already, and the worker erases it first of all.
BY_TIME: Final = frozenset({Message.__tablename__, ActivationSlip.__tablename__, ClassUpload.__tablename__})
