"""The offline bundle: what a check without a network may rely on, as one JSON file.

``trust`` is the trust store, ``registry`` the registry's facts without personal data (file hashes, record
digests, states of versions), ``hosts`` the addresses that our QR codes carry, ``as_of`` when all of it was
true. What the portal asks its database is answered here from those facts, by the same meaning.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from verifier.errors import InvalidInput, Problem
from verifier.locator import Hosts, Kind, Locator, parse_record_id, read_code, strangest
from verifier.policy import DEFAULT
from verifier.report import ValidationReport
from verifier.trust import TrustStore
from verifier.verdict import CodeFacts, CodeKind, RegistryFacts, Standing, VersionFacts, VersionState

FORMAT = "hoc-ba-trust-bundle/1"


@dataclass(frozen=True, slots=True)
class FileRow:
    """One registered file. ``checked_at`` is when the portal last decided its standing, None while a change
    in trust waits to be taken in; ``fresh_until`` ends the time for which the standing may be answered.
    """

    sha256: str
    size: int
    kind: str
    record_id: str
    version: int
    registered_at: datetime
    standing: Standing
    checked_at: datetime | None
    fresh_until: datetime


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One issued version; ``digest`` is the record digest (32 bytes)."""

    record_id: str
    version: int
    digest: bytes
    state: VersionState
    since: datetime | None
    recall_reason: str | None


@dataclass(frozen=True, slots=True)
class Bundle:
    """Everything the file says."""

    as_of: datetime
    trust: TrustStore
    files: tuple[FileRow, ...]
    versions: tuple[VersionRow, ...]
    hosts: Hosts

    def file(self, sha256: str) -> FileRow | None:
        """The registered file with exactly these bytes."""
        return next((row for row in self.files if row.sha256 == sha256), None)

    def earlier(self, row: FileRow) -> tuple[FileRow, ...]:
        """Files of the same version that this one may continue: shorter and registered before it."""
        return tuple(
            other
            for other in self.files
            if (other.record_id, other.version) == (row.record_id, row.version)
            and other.size < row.size
            and other.registered_at <= row.registered_at
        )

    def facts_for(self, report: ValidationReport, *, max_age: timedelta) -> RegistryFacts:
        """What the registry knew about one examined document. Facts older than ``max_age`` at the time of the
        check, or from after it by more than clocks differ, count as not available.
        """
        if not -DEFAULT.clock_tolerance <= report.at - self.as_of <= max_age:
            return RegistryFacts(available=False, stale=True)

        # 1 These bytes, and the longest registered beginning of them.
        own = self.file(report.sha256)
        prefixes = {(p.sha256, p.length): p for p in report.prefixes if p.length < report.size}
        beginnings = [row for row in self.files if (row.sha256, row.size) in prefixes]
        longest = max(beginnings, key=lambda row: row.size, default=None)

        # 2 The codes, and which of the named records exist.
        codes = [read_code(text, self.hosts) for text in report.codes]
        locators = tuple(dict.fromkeys(c.locator for c in codes if c.locator is not None))
        if len(locators) > 1:
            code: CodeFacts | None = CodeFacts(CodeKind.SEVERAL)
        elif locators:
            code = self._code(locators[0], report.at)
        elif any(c.kind is Kind.MALFORMED for c in codes):
            code = CodeFacts(CodeKind.MALFORMED)
        else:
            code = CodeFacts(CodeKind(strangest(codes).value)) if codes else None
        named = {locator.record_id for locator in locators} | _attached(report)

        return RegistryFacts(
            file=None if own is None else self._version(own.record_id, own.version, report.at),
            prefix=None if longest is None else self._version(longest.record_id, longest.version, report.at),
            prefix_archival=longest is not None and prefixes[longest.sha256, longest.size].archival,
            named_record_known=any(row.record_id in named for row in self.versions),
            code=code,
        )

    def _code(self, locator: Locator, at: datetime) -> CodeFacts:
        rows = [row for row in self.versions if row.record_id == locator.record_id]
        if not rows:
            return CodeFacts(CodeKind.UNKNOWN)
        exact = next((row for row in rows if row.digest == locator.digest), None)
        if exact is None:
            return CodeFacts(CodeKind.DIGEST_MISMATCH)
        return CodeFacts(CodeKind.VERSION, self._version(exact.record_id, exact.version, at))

    def _version(self, record_id: str, version: int, at: datetime) -> VersionFacts:
        """A file without its version would contradict itself; :func:`read_bundle` refuses such a bundle."""
        row = next(r for r in self.versions if (r.record_id, r.version) == (record_id, version))
        answering = [
            f for f in self.files if (f.record_id, f.version) == (record_id, version) and f.kind != "extract"
        ]
        newest = max(answering, key=lambda f: f.registered_at, default=None)
        fresh = newest is not None and at < newest.fresh_until
        return VersionFacts(
            record_id=record_id,
            version=version,
            state=row.state,
            standing=newest.standing if newest is not None and fresh else Standing.INCOMPLETE,
            since=row.since,
            recall_reason=row.recall_reason,
            checked_at=None if newest is None else newest.checked_at,
        )


def read_bundle(path: str | Path) -> Bundle:
    """Read a bundle; strict. Raises InvalidInput for any other content, OSError when there is no file."""
    try:
        data = json.loads(Path(path).read_bytes())
        if data["format"] != FORMAT:
            raise ValueError(f"format {data['format']!r}")
        bundle = Bundle(
            as_of=_moment(data["as_of"]),
            trust=TrustStore.from_json(data["trust"]),
            files=tuple(_file(row) for row in data["registry"]["files"]),
            versions=tuple(_version(row) for row in data["registry"]["versions"]),
            hosts=_hosts(data["hosts"]),
        )
        known = {(row.record_id, row.version) for row in bundle.versions}
        if any((row.record_id, row.version) not in known for row in bundle.files):
            raise ValueError("a file of a version that is not listed")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        # A parser's own words may hold half the file; its kind and the first of it are enough.
        message = f"Không đọc được gói tin cậy: tệp không phải gói {FORMAT} ({repr(error)[:60]})."
        raise InvalidInput((Problem("trust", "bundle_unreadable", message),)) from error
    return bundle


def _file(row: dict[str, Any]) -> FileRow:
    return FileRow(
        sha256=str(row["sha256"]),
        size=int(row["size"]),
        kind=str(row["kind"]),
        record_id=str(row["record_id"]),
        version=int(row["version"]),
        registered_at=_moment(row["registered_at"]),
        standing=Standing(row["standing"]),
        checked_at=None if row["checked_at"] is None else _moment(row["checked_at"]),
        fresh_until=_moment(row["fresh_until"]),
    )


def _version(row: dict[str, Any]) -> VersionRow:
    return VersionRow(
        record_id=str(row["record_id"]),
        version=int(row["version"]),
        digest=bytes.fromhex(row["digest"]),
        state=VersionState(row["state"]),
        since=None if row["since"] is None else _moment(row["since"]),
        recall_reason=row["recall_reason"],
    )


def _hosts(data: dict[str, Any]) -> Hosts:
    former: Sequence[str] = data["former"]
    return Hosts(str(data["public_url"]), tuple(former))


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"time without offset: {text}")
    return moment


def _attached(report: ValidationReport) -> set[str]:
    """The record id that an attachment names, if it is one at all: the text comes from a stranger's file."""
    try:
        return {parse_record_id(report.attached_record_id or "")}
    except InvalidInput:
        return set()
