"""From the checks of a signature or a timestamp to its main status in ETSI EN 319 102-1, by one table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from verifier.certificates import Certificate, Path, digest_fault, key_fault
from verifier.policy import ValidationPolicy
from verifier.report import (
    LONGEST_TEXT,
    Check,
    CheckName,
    CheckStatus,
    Indication,
    Opinion,
    SignerInfo,
    SubIndication,
    gravity,
)

#: Code of a coverage check that nobody could make: two programs may see two documents in such a file.
READ_LENIENTLY = "read_leniently"

_Status = tuple[Indication, SubIndication]
_FORMAT: _Status = (Indication.TOTAL_FAILED, SubIndication.FORMAT_FAILURE)
_HASH: _Status = (Indication.TOTAL_FAILED, SubIndication.HASH_FAILURE)


def _open(sub_indication: SubIndication) -> _Status:
    return Indication.INDETERMINATE, sub_indication


# Check -> main status (EN 319 102-1 tables 5 and 6) -> the reason codes that have it. What our own limits or
# libraries could not do fails nothing for good, and a key that was revoked, or a certificate that had
# expired, by the proven time leaves open whether the signature is older.
_ROWS: tuple[tuple[CheckName, _Status, tuple[str, ...]], ...] = (
    (CheckName.INTEGRITY, _HASH, ("digest_mismatch", "imprint_mismatch")),
    (CheckName.INTEGRITY, (Indication.TOTAL_FAILED, SubIndication.SIG_CRYPTO_FAILURE), ("bad_signature",)),
    (CheckName.INTEGRITY, _open(SubIndication.NO_SIGNING_CERTIFICATE_FOUND), ("no_signing_certificate",)),
    (CheckName.INTEGRITY, _open(SubIndication.CRYPTO_CONSTRAINTS_FAILURE), ("digest_not_computable",)),
    (
        CheckName.INTEGRITY,
        _open(SubIndication.GENERIC),
        (
            "library_contradicts_itself",
            "library_failed",
            "library_refused",
            "not_checked",
            "too_many_certificates",
            "too_much_along",
        ),
    ),
    (
        CheckName.INTEGRITY,
        _FORMAT,
        (
            "attribute_missing",
            "bad_salt_length",
            "byte_range_malformed",
            "byte_range_outside_file",
            "bytes_after_cms",
            "gap_not_contents",
            "library_disagrees",
            "malformed_cms",
            "malformed_signature",
            "malformed_timestamp",
            "mixed_digests",
            "no_byte_range",
            "no_signed_attributes",
            "no_signing_certificate_attribute",
            "not_a_timestamp",
            "not_detached",
            "not_signed_data",
            "repeated_attribute",
            "several_signers",
            "signer_not_named",
            "unknown_critical_extension",
            "unknown_part",
            "unknown_unsigned_attribute",
            "wrong_content_type",
            "wrong_signing_certificate",
            "wrong_version",
        ),
    ),
    (
        CheckName.BYTE_RANGE,
        _FORMAT,
        ("byte_range_malformed", "byte_range_outside_file", "gap_not_contents", "no_byte_range"),
    ),
    (
        CheckName.COVERAGE,
        _FORMAT,
        (
            "archive_addition_changes_more",
            "archive_field_visible",
            "bytes_after_signature",
            "catalog_changed",
            "catalog_replaced",
            "certified_twice",
            "changed_after_seal",
            "changed_after_signing",
            "content_changed",
            "document_timestamp_unreadable",
            "field_changed",
            "field_repeated",
            "foreign_signature",
            "form_changed",
            "not_certified",
            "not_whole_revision",
            "object_deleted",
            "range_unreadable",
            "seal_does_not_lock",
            "seal_not_last",
            "seed_value",
            "wrong_permissions",
            "wrong_subfilter",
        ),
    ),
    (CheckName.COVERAGE, _open(SubIndication.SIG_CONSTRAINTS_FAILURE), (READ_LENIENTLY,)),
    (CheckName.CERTIFICATE, _open(SubIndication.NO_CERTIFICATE_CHAIN_FOUND), ("no_path",)),
    (
        CheckName.CERTIFICATE,
        _open(SubIndication.OUT_OF_BOUNDS_NO_POE),
        ("ca_expired", "ca_not_yet_valid", "expired", "generated_outside_validity"),
    ),
    (CheckName.CERTIFICATE, (Indication.TOTAL_FAILED, SubIndication.NOT_YET_VALID), ("not_yet_valid",)),
    (
        CheckName.CERTIFICATE,
        _open(SubIndication.CERTIFICATE_CHAIN_GENERAL_FAILURE),
        ("library_disagrees",),
    ),
    (
        CheckName.CERTIFICATE,
        _open(SubIndication.CHAIN_CONSTRAINTS_FAILURE),
        (
            "certificate_damaged",
            "certificate_unrelated",
            "extended_key_usage",
            "key_usage",
            "not_a_ca",
            "path_too_long",
            "signer_is_ca",
            "unknown_critical_extension",
        ),
    ),
    (
        CheckName.ALGORITHM,
        _open(SubIndication.CRYPTO_CONSTRAINTS_FAILURE),
        ("digest_not_allowed", "key_not_allowed", "library_disagrees", "weak_digest", "weak_key"),
    ),
    (
        CheckName.ALGORITHM,
        _open(SubIndication.CRYPTO_CONSTRAINTS_FAILURE_NO_POE),
        ("weak_digest_since", "weak_key_since"),
    ),
    (
        CheckName.AUTHORITY,
        _open(SubIndication.SIG_CONSTRAINTS_FAILURE),
        (
            "no_role",
            "not_approved",
            "other_role",
            "other_school",
            "other_subject",
            "outside_period",
            "suspended",
            "unknown_signer",
        ),
    ),
    (
        CheckName.TIME,
        _open(SubIndication.SIG_CONSTRAINTS_FAILURE),
        ("accuracy_too_wide", "claimed_in_future", "library_disagrees", "timestamp_broken"),
    ),
    (CheckName.TIME, _open(SubIndication.TIMESTAMP_ORDER_FAILURE), ("timestamp_in_future",)),
    (CheckName.TIME, _open(SubIndication.TRY_LATER), ("timestamp_unchecked",)),
    (CheckName.REVOCATION, _open(SubIndication.REVOKED_NO_POE), ("certificate_revoked",)),
    (CheckName.REVOCATION, _open(SubIndication.REVOKED_CA_NO_POE), ("ca_revoked",)),
    (
        CheckName.REVOCATION,
        _open(SubIndication.TRY_LATER),
        ("crl_after_expiry", "crl_missing", "crl_stale", "library_disagrees"),
    ),
)
STATUS: dict[tuple[CheckName, str], _Status] = {
    (name, code): status for name, status, codes in _ROWS for code in codes
}
# A code without a row is one that a newer version gives: it fails for good where bytes are judged, and is
# open where trust is.
_OTHERWISE: dict[CheckName, _Status] = {
    CheckName.INTEGRITY: _FORMAT,
    CheckName.BYTE_RANGE: _FORMAT,
    CheckName.COVERAGE: _FORMAT,
    CheckName.ALGORITHM: _open(SubIndication.CRYPTO_CONSTRAINTS_FAILURE),
    CheckName.CERTIFICATE: _open(SubIndication.CHAIN_CONSTRAINTS_FAILURE),
    CheckName.AUTHORITY: _open(SubIndication.SIG_CONSTRAINTS_FAILURE),
    CheckName.TIME: _open(SubIndication.SIG_CONSTRAINTS_FAILURE),
    CheckName.REVOCATION: _open(SubIndication.TRY_LATER),
}
# A second opinion that is not TOTAL_PASSED -> the check that it counts against. Revocation data that may come
# later leaves the check unfinished, an algorithm is weak, and in whatever else it says the check has failed.
_COUNTS_AGAINST: dict[SubIndication, CheckName] = {
    SubIndication.FORMAT_FAILURE: CheckName.INTEGRITY,
    SubIndication.HASH_FAILURE: CheckName.INTEGRITY,
    SubIndication.SIG_CRYPTO_FAILURE: CheckName.INTEGRITY,
    SubIndication.SIGNED_DATA_NOT_FOUND: CheckName.INTEGRITY,
    SubIndication.NO_SIGNING_CERTIFICATE_FOUND: CheckName.INTEGRITY,
    SubIndication.GENERIC: CheckName.INTEGRITY,
    SubIndication.NO_CERTIFICATE_CHAIN_FOUND: CheckName.CERTIFICATE,
    SubIndication.CERTIFICATE_CHAIN_GENERAL_FAILURE: CheckName.CERTIFICATE,
    SubIndication.CHAIN_CONSTRAINTS_FAILURE: CheckName.CERTIFICATE,
    SubIndication.OUT_OF_BOUNDS_NO_POE: CheckName.CERTIFICATE,
    SubIndication.OUT_OF_BOUNDS_NOT_REVOKED: CheckName.CERTIFICATE,
    SubIndication.EXPIRED: CheckName.CERTIFICATE,
    SubIndication.NOT_YET_VALID: CheckName.CERTIFICATE,
    SubIndication.POLICY_PROCESSING_ERROR: CheckName.CERTIFICATE,
    SubIndication.SIGNATURE_POLICY_NOT_AVAILABLE: CheckName.CERTIFICATE,
    SubIndication.REVOKED: CheckName.REVOCATION,
    SubIndication.REVOKED_NO_POE: CheckName.REVOCATION,
    SubIndication.REVOKED_CA_NO_POE: CheckName.REVOCATION,
    SubIndication.REVOCATION_OUT_OF_BOUNDS_NO_POE: CheckName.REVOCATION,
    SubIndication.TRY_LATER: CheckName.REVOCATION,
    SubIndication.CRYPTO_CONSTRAINTS_FAILURE: CheckName.ALGORITHM,
    SubIndication.CRYPTO_CONSTRAINTS_FAILURE_NO_POE: CheckName.ALGORITHM,
    SubIndication.SIG_CONSTRAINTS_FAILURE: CheckName.TIME,
    SubIndication.TIMESTAMP_ORDER_FAILURE: CheckName.TIME,
    SubIndication.NO_POE: CheckName.TIME,
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
    gravest = min(open_checks, key=lambda c: (-gravity(_status(c)[0]), _WEIGHT[c.status]))
    return _status(gravest)


def _status(check: Check) -> _Status:
    return STATUS.get((check.name, check.code), _OTHERWISE[check.name])


def check_against(opinion: Opinion) -> Check:
    """The check that a second opinion counts against; the opinion is not TOTAL_PASSED."""
    name = _COUNTS_AGAINST[opinion.sub_indication or SubIndication.GENERIC]
    if opinion.sub_indication is SubIndication.TRY_LATER:
        status = CheckStatus.INCOMPLETE
    else:
        status = CheckStatus.WEAK if name is CheckName.ALGORITHM else CheckStatus.FAILED
    return Check(name, status, opinion.code or "library_disagrees")


def graver(check: Check, other: Check) -> bool:
    """Whether ``check`` weighs more than ``other``."""
    return _WEIGHT.get(check.status, len(_WEIGHT)) < _WEIGHT.get(other.status, len(_WEIGHT))


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


def coverage_check(code: str) -> Check:
    """Passed, failed, or not to be had: a file that strict reading refuses has no coverage to speak of."""
    if code == READ_LENIENTLY:
        return Check(CheckName.COVERAGE, CheckStatus.NOT_AVAILABLE, code)
    return passed_unless(CheckName.COVERAGE, code)


def check_algorithms(
    digests: Sequence[str],
    signer: Certificate,
    path: Path | None,
    policy: ValidationPolicy,
    moment: datetime,
) -> Check:
    """The worst of all algorithms at the proven time: refused ones fail, those whose time was over are
    weak.
    """
    algorithms = policy.algorithms
    links = (signer,) if path is None else path.certificates[:-1]
    faults = [
        *(digest_fault(name, algorithms, moment) for name in digests),
        *(key_fault(link.key, algorithms, moment) for link in links),
        *(digest_fault(link.digest, algorithms, moment) for link in links),
    ]
    if path is not None:
        faults.append(key_fault(path.certificates[-1].key, algorithms, moment))
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
