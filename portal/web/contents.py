"""Showing content that we may have lost: an answer in words instead of a fault, and nothing used up."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from obstore.exceptions import BaseError as StoreError

from portal.filestore import CorruptFile
from portal.vault import VaultError
from portal.web import journal
from portal.web.requests import Rejection

log = logging.getLogger(__name__)

_LOST: Final = (OSError, StoreError, CorruptFile, VaultError)
_WAIT: Final = 300  # seconds: somebody has to look


@contextmanager
def fetched() -> Iterator[None]:
    """Around the transaction that shows content. Raises Rejection 503 ``not_fetched`` where a file or column
    of ours is missing, damaged or out of reach: that transaction is undone, and a consent's use with it.
    """
    try:
        yield
    except _LOST as error:
        log.error("content %s", journal.request_id(), exc_info=error)
        raise Rejection(503, "not_fetched", retry_after=_WAIT) from None
