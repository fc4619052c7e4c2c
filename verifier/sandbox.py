"""Examines untrusted bytes in a child process that is thrown away afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from verifier.check import Known
from verifier.policy import DEFAULT, ValidationPolicy
from verifier.report import ValidationReport


@dataclass(frozen=True, slots=True)
class CheckJob:
    """One document to examine: its bytes, the file of the trust store, the time, what the registry knows."""

    data: bytes
    trust_path: Path
    at: datetime
    known: Known | None = None


class ForkServer:
    """Client of the fork server: implements ``portal.ports.Checker``."""

    def __init__(self, policy: ValidationPolicy = DEFAULT) -> None:
        self.policy = policy

    def check(self, job: CheckJob) -> ValidationReport: ...
