"""Codes that are well formed and name nothing."""

from __future__ import annotations

import hashlib

from verifier.locator import Locator, new_record_id


def unknown(number: int) -> str:
    """Path of a scan; another record id for each number."""
    digest = hashlib.sha256(f"code {number}".encode()).digest()
    return f"/V/{Locator(new_record_id(digest[:10]), digest)}"


def wrong_digest(locator: Locator, number: int) -> str:
    """Path of a scan of this record with a digest it never had."""
    return f"/V/{Locator(locator.record_id, hashlib.sha256(f'digest {number}'.encode()).digest())}"
