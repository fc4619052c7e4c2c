"""From the checks of a signature or a timestamp to its main status in ETSI EN 319 102-1, by one table."""

from __future__ import annotations

from collections.abc import Sequence

from verifier.certificates import Certificate, Path, digest_fault, key_fault
from verifier.policy import ValidationPolicy
from verifier.report import (
    LONGEST_TEXT,
    Check,
    CheckName,
    CheckStatus,
    Indication,
    SignerInfo,
    SubIndication,
)

_FAILED = Indication.TOTAL_FAILED
_OPEN = Indication.INDETERMINATE
# (check, code) or (check, "") for every other code -> main status of EN 319 102-1, tables 5 and 6. A key that
# was revoked, or a certificate that had expired, by the proven time leaves open whether the signature is
# older.
_STATUS: dict[tuple[CheckName, str], tuple[Indication, SubIndication]] = {
    (CheckName.INTEGRITY, "digest_mismatch"): (_FAILED, SubIndication.HASH_FAILURE),
    (CheckName.INTEGRITY, "bad_signature"): (_FAILED, SubIndication.SIG_CRYPTO_FAILURE),
    (CheckName.INTEGRITY, "no_signing_certificate"): (_OPEN, SubIndication.NO_SIGNING_CERTIFICATE_FOUND),
    (CheckName.INTEGRITY, ""): (_FAILED, SubIndication.FORMAT_FAILURE),
    (CheckName.BYTE_RANGE, ""): (_FAILED, SubIndication.FORMAT_FAILURE),
    (CheckName.COVERAGE, ""): (_FAILED, SubIndication.FORMAT_FAILURE),
    (CheckName.CERTIFICATE, "no_path"): (_OPEN, SubIndication.NO_CERTIFICATE_CHAIN_FOUND),
    (CheckName.CERTIFICATE, "expired"): (_OPEN, SubIndication.OUT_OF_BOUNDS_NO_POE),
    (CheckName.CERTIFICATE, "ca_expired"): (_OPEN, SubIndication.OUT_OF_BOUNDS_NO_POE),
    (CheckName.CERTIFICATE, "not_yet_valid"): (_FAILED, SubIndication.NOT_YET_VALID),
    (CheckName.CERTIFICATE, "library_disagrees"): (_OPEN, SubIndication.CERTIFICATE_CHAIN_GENERAL_FAILURE),
    (CheckName.CERTIFICATE, ""): (_OPEN, SubIndication.CHAIN_CONSTRAINTS_FAILURE),
    (CheckName.REVOCATION, "certificate_revoked"): (_OPEN, SubIndication.REVOKED_NO_POE),
    (CheckName.REVOCATION, "ca_revoked"): (_OPEN, SubIndication.REVOKED_CA_NO_POE),
    (CheckName.REVOCATION, ""): (_OPEN, SubIndication.TRY_LATER),
    (CheckName.ALGORITHM, ""): (_OPEN, SubIndication.CRYPTO_CONSTRAINTS_FAILURE),
    (CheckName.AUTHORITY, ""): (_OPEN, SubIndication.SIG_CONSTRAINTS_FAILURE),
    (CheckName.TIME, "timestamp_unchecked"): (_OPEN, SubIndication.TRY_LATER),
    (CheckName.TIME, "timestamp_in_future"): (_OPEN, SubIndication.TIMESTAMP_ORDER_FAILURE),
    (CheckName.TIME, ""): (_OPEN, SubIndication.SIG_CONSTRAINTS_FAILURE),
}
_WEIGHT = {
    CheckStatus.FAILED: 0,
    CheckStatus.WEAK: 1,
    CheckStatus.INCOMPLETE: 2,
    CheckStatus.NOT_AVAILABLE: 3,
}


def indicate(checks: Sequence[Check]) -> tuple[Indication, SubIndication | None]:
    """Main status of a signature: TOTAL_PASSED only when every check passed, else that of the gravest one."""
    open_checks = [c for c in checks if c.status is not CheckStatus.PASSED]
    if not open_checks:
        return Indication.TOTAL_PASSED, None
    statuses = [
        (_STATUS.get((c.name, c.code)) or _STATUS[c.name, ""], _WEIGHT[c.status]) for c in open_checks
    ]
    return min(statuses, key=lambda s: (s[0][0] is not _FAILED, s[1]))[0]


def passed_unless(name: CheckName, code: str) -> Check:
    """Passed when there is no reason code, else failed."""
    return Check(name, CheckStatus.FAILED if code else CheckStatus.PASSED, code)


def unasked(check: Check) -> Check:
    """What is left of a check that had nothing true to look at, since the signature does not hold: a fault of
    its own stands, anything else says nothing.
    """
    if check.status in (CheckStatus.PASSED, CheckStatus.INCOMPLETE):
        return Check(check.name, CheckStatus.NOT_AVAILABLE, "not_asked")
    return check


def check_algorithms(
    digests: Sequence[str], signer: Certificate, path: Path | None, policy: ValidationPolicy
) -> Check:
    """The worst of all algorithms: refused ones fail, known old ones are weak."""
    algorithms = policy.algorithms
    links = (signer,) if path is None else path.certificates[:-1]
    faults = [
        *(digest_fault(name, algorithms) for name in digests),
        *(key_fault(link.key, algorithms) for link in links),
        *(digest_fault(link.digest, algorithms) for link in links),
    ]
    if path is not None:
        faults.append(key_fault(path.certificates[-1].key, algorithms))
    refused = [code for code in faults if code and not code.startswith("weak_")]
    weak = [code for code in faults if code.startswith("weak_")]
    if refused:
        return Check(CheckName.ALGORITHM, CheckStatus.FAILED, refused[0])
    if weak:
        return Check(CheckName.ALGORITHM, CheckStatus.WEAK, weak[0])
    return Check(CheckName.ALGORITHM, CheckStatus.PASSED)


def signer_info(signer: Certificate) -> SignerInfo:
    """The certificate as it calls itself, bounded for a report."""
    return SignerInfo(
        certificate_sha256=signer.sha256,
        subject=signer.subject_text[:LONGEST_TEXT],
        issuer=signer.issuer_text[:LONGEST_TEXT],
        serial=f"{signer.serial:x}"[:LONGEST_TEXT],
        not_before=signer.not_before,
        not_after=signer.not_after,
    )
