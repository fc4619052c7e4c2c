"""What is fuzzed: the whole check of a file, as a stranger's upload and as if these bytes were registered.

Nothing is raised, nothing is genuine but the seed that is, and the report is one that may cross a process.
"""

from __future__ import annotations

from hashlib import sha256
from io import BytesIO

import qrcode

from tests.verifier import pki
from tests.verifier.pki import NOW
from verifier.check import Known, examine
from verifier.policy import DEFAULT
from verifier.report import ValidationReport
from verifier.verdict import GENUINE, RegistryFacts, Standing, VersionFacts, VersionState, decide

WORLD = pki.world("Thử ngẫu nhiên")
TRUST = WORLD.trust()
SIGNED = pki.signed_record(WORLD)
VERSION = VersionFacts(pki.RECORD_ID, 1, VersionState.CURRENT, Standing.PASSED)


def ask(data: bytes) -> None:
    """One file of the fuzzer. Raises AssertionError, or what the check raises: both are findings."""
    strange = examine(data, trust=TRUST, policy=DEFAULT, at=NOW)
    assert ValidationReport.from_json(strange.to_json()) == strange
    assert decide(strange, RegistryFacts(named_record_known=True)).outcome not in GENUINE
    own = examine(data, trust=TRUST, policy=DEFAULT, at=NOW, known=Known(NOW))
    assert ValidationReport.from_json(own.to_json()) == own
    genuine = decide(own, RegistryFacts(file=VERSION)).outcome in GENUINE
    assert genuine is (sha256(data).digest() == sha256(SIGNED).digest())


def seeds() -> dict[str, bytes]:
    """Name -> content of the files that the fuzzer starts from."""
    role = "GVCN"
    small = pki.base_pdf([role], pki.record_attachment())
    return {
        "signed.pdf": SIGNED,
        "unsigned.pdf": pki.base_pdf(list(pki.SIGNERS), pki.record_attachment()),
        "one-signature.pdf": pki.sign(small, role, WORLD.people["homeroom"], first=True),
        "stranger.pdf": pki.base_pdf((), None),
        "code.png": _picture(),
    }


def _picture() -> bytes:
    output = BytesIO()
    qrcode.make(f"HTTPS://HOCBA.EXAMPLE.VN/V/{pki.RECORD_ID}").save(output)
    return output.getvalue()
