"""pyHanko's AdES validation as a second opinion in the terms of ETSI EN 319 102-1, on our evidence.

The library is told what we know and decides by itself: the time that is proven, the path that our own bounded
search found, the lists and answers that speak of it, our algorithms with their dates. Its answer can make a
result stricter, never better, and what it raises is an answer too (``library_failed``). What it is asked:

* a signature: clause 5.3 at the proven time. A registration is a proof of existence that the library knows
  nothing of, so it is given as the time of validation. Where a timestamp on the signature itself gives that
  time, clause 5.5, which judges that timestamp too;
* a timestamp that proves something: clause 5.4 at the time at which it is itself known to have existed.

Its method for long-term validation (clause 5.6.3) is not asked. It reads the clock of the machine, wants an
event loop, which a confined child cannot have, and goes through every timestamp of the document once for each
signature; the questions above, from the outermost timestamp in, are its parts.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, TypeAlias, TypeVar

from asn1crypto import algos, cms, crl, keys, ocsp, x509
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pyhanko.sign.ades.report import AdESIndeterminate, AdESPassed, AdESStatus, AdESSubIndic
from pyhanko.sign.validation.ades import (
    AdESBasicValidationResult,
    ades_basic_validation,
    ades_timestamp_validation,
    ades_with_time_validation,
)
from pyhanko.sign.validation.generic_cms import extract_tst_data_iter, message_imprint_checker
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.policy_decl import (
    CertificateFetchingRule,
    RevinfoOnlineFetchingRule,
    RevocationInfoGatheringSpec,
    SignatureValidationSpec,
)
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko.sign.validation.status import SignatureStatus
from pyhanko.sign.validation.utils import CMSAlgorithmUsagePolicy
from pyhanko_certvalidator.context import CertValidationPolicySpec, ValidationDataHandlers
from pyhanko_certvalidator.fetchers import FetcherBackend, Fetchers
from pyhanko_certvalidator.ltv.poe import POEManager
from pyhanko_certvalidator.ltv.types import ValidationTimingInfo
from pyhanko_certvalidator.policy_decl import (
    NO_REVOCATION,
    REQUIRE_REVINFO,
    AlgorithmUsageConstraint,
    CertRevTrustPolicy,
    FreshnessReqType,
)
from pyhanko_certvalidator.registry import CertificateRegistry, SimpleTrustManager
from pyhanko_certvalidator.revinfo.archival import CRLContainer, OCSPContainer
from pyhanko_certvalidator.revinfo.manager import RevinfoManager

from verifier.certificates import Certificate, Path, digest_fault, key_fault
from verifier.policy import Algorithms, ValidationPolicy
from verifier.report import Indication, Opinion, OpinionBy, SubIndication
from verifier.revocation import ValidationData

_INDICATIONS: Final = {
    AdESStatus.PASSED: Indication.TOTAL_PASSED,
    AdESStatus.INDETERMINATE: Indication.INDETERMINATE,
    AdESStatus.FAILED: Indication.TOTAL_FAILED,
}
#: A signer's certificate revoked, or one above it.
_REVOKED: Final = (AdESIndeterminate.REVOKED_NO_POE, AdESIndeterminate.REVOKED_CA_NO_POE)
#: Reasons of a revocation after which an authority's earlier timestamps stay good (RFC 3161 clause 4).
_ORDERLY: Final = frozenset({"unspecified", "affiliation_changed", "superseded", "cessation_of_operation"})


_Result: TypeAlias = AdESBasicValidationResult[SignatureStatus]


@dataclass(frozen=True, slots=True)
class Case:
    """What the library is given: the paths that our own search found, of the signer or the timestamp
    authority, and what speaks of their revocation.
    """

    policy: ValidationPolicy
    at: datetime
    signer: Path | None = None
    authority: Path | None = None
    data: ValidationData = field(default_factory=ValidationData)
    revocation: bool = True  # whether the library is to ask for it


def ask_about_signature(
    embedded: EmbeddedPdfSignature, case: Case, proven: datetime, *, with_time: bool
) -> Opinion:
    """Clause 5.3 at the proven time, or clause 5.5 when a timestamp on the signature gives that time."""
    by = OpinionBy.ADES_WITH_TIME if with_time else OpinionBy.ADES_BASIC
    method: Callable[..., Coroutine[Any, Any, _Result]]
    method = ades_with_time_validation if with_time else ades_basic_validation

    def ask(case: Case, moment: datetime) -> _Result:
        spec, handlers = _settings(case)
        return run(
            method(
                signed_data=embedded.signed_data,
                validation_spec=spec,
                timing_info=_timing(moment),
                raw_digest=embedded.compute_digest(),
                validation_data_handlers=handlers,
            )
        )

    return _opinion(by, ask, case, proven)


def ask_about_timestamp(
    token: cms.SignedData,
    imprint: Callable[[str], bytes],
    case: Case,
    proven: datetime,
    generated: datetime,
) -> Opinion:
    """Clause 5.4 on a timestamp that is known to have existed at ``proven`` and gives the time ``generated``.
    ``imprint`` computes what it should be over, by the name of a digest.
    """

    def ask(case: Case, moment: datetime) -> _Result:
        spec, handlers = _settings(case)
        return run(
            ades_timestamp_validation(
                tst_signed_data=token,
                validation_spec=spec,
                expected_tst_imprint=imprint,
                timing_info=_timing(moment),
                validation_data_handlers=handlers,
            )
        )

    return _opinion(OpinionBy.ADES_TIMESTAMP, ask, case, proven, generated)


def timestamps_on(embedded: EmbeddedPdfSignature) -> list[cms.SignedData]:
    """The timestamps on a signature, in their order."""
    return list(extract_tst_data_iter(embedded.signer_info, signed=False))


def over_signature(embedded: EmbeddedPdfSignature) -> Callable[[str], bytes]:
    """What a timestamp on this signature should be over."""
    return message_imprint_checker(embedded.signer_info)


def key_usage(policy: ValidationPolicy) -> KeyUsageConstraints:
    """What the signer's certificate must be for, in the library's words: without them it takes any
    certificate of the authority, a web server's too.
    """
    purposes = {x509.KeyPurposeId(oid).native for oid in policy.key_use.purposes}
    return KeyUsageConstraints(
        key_usage={"non_repudiation"} if policy.key_use.non_repudiation else None,
        extd_key_usage=purposes,
        explicit_extd_key_usage_required=False,
    )


_T = TypeVar("_T")


def run(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine that has nothing to wait for, without an event loop: nothing is fetched, so nothing
    suspends. A sandboxed child may not open the sockets that an event loop wants.
    """
    try:
        coroutine.send(None)
    except StopIteration as finished:
        return finished.value  # type: ignore[no-any-return]
    coroutine.close()
    raise RuntimeError("pyHanko wanted to wait for something")


class ClosedRegistry(CertificateRegistry):
    """These certificates, and no others: certificates that sign each other would let pyHanko's search run
    through endless paths, so it gets the path that our own bounded search has found.
    """

    def __init__(self, certificates: Iterable[Certificate]) -> None:
        super().__init__()
        for certificate in certificates:
            super().register(as_asn1(certificate.der))

    def register(self, cert: x509.Certificate) -> bool:
        return False


@lru_cache(maxsize=256)
def as_asn1(der: bytes) -> x509.Certificate:
    """The same certificate as pyHanko reads it; the few authorities of a file are read once."""
    return x509.Certificate.load(der)


@lru_cache(maxsize=64)
def _list(der: bytes) -> CRLContainer:
    return CRLContainer(crl.CertificateList.load(der))


@lru_cache(maxsize=64)
def _answers(der: bytes) -> tuple[OCSPContainer, ...]:
    return tuple(OCSPContainer.load_multi(ocsp.OCSPResponse.load(der)))


class Nowhere(FetcherBackend):
    """Fetches nothing. pyHanko would make a backend of its own where it is given none."""

    def get_fetchers(self) -> Fetchers:
        raise RuntimeError("a check never touches the network")


class AlgorithmPolicy(CMSAlgorithmUsagePolicy):
    """Our algorithms and their dates, in the library's words."""

    def __init__(self, algorithms: Algorithms) -> None:
        self._algorithms = algorithms

    def digest_algorithm_allowed(
        self, algo: algos.DigestAlgorithm, moment: datetime | None
    ) -> AlgorithmUsageConstraint:
        """At ``moment``, which the library always knows here."""
        return self._constraint(algo["algorithm"].native, None, moment)

    def signature_algorithm_allowed(
        self,
        algo: algos.SignedDigestAlgorithm,
        moment: datetime | None,
        public_key: keys.PublicKeyInfo | None,
    ) -> AlgorithmUsageConstraint:
        """Digest, where the algorithm names one, and key."""
        try:
            digest = algo.hash_algo
        except ValueError:
            digest = None
        return self._constraint(None if algo.signature_algo == "ed25519" else digest, public_key, moment)

    def _constraint(
        self, digest: str | None, key: keys.PublicKeyInfo | None, moment: datetime | None
    ) -> AlgorithmUsageConstraint:
        if moment is None:
            return AlgorithmUsageConstraint(allowed=False, failure_reason="judged at no time")
        fault = digest_fault(digest, self._algorithms, moment)
        if key is not None and not fault:
            fault = key_fault(_public_key(key.dump()), self._algorithms, moment)
        since = moment if fault.endswith("_since") else None
        return AlgorithmUsageConstraint(not fault, not_allowed_after=since, failure_reason=fault or None)


@lru_cache(maxsize=256)
def _public_key(der: bytes) -> Any:
    return load_der_public_key(der)


def _settings(case: Case) -> tuple[SignatureValidationSpec, ValidationDataHandlers]:
    paths = [path for path in (case.signer, case.authority) if path is not None]
    registry = ClosedRegistry((*(c for path in paths for c in path.certificates[1:]), *case.data.delegates))
    proofs = POEManager(current_dt_override=case.at)
    handlers = ValidationDataHandlers(
        revinfo_manager=RevinfoManager(
            certificate_registry=registry,
            poe_manager=proofs,
            crls=[_list(der) for der in case.data.lists],
            ocsps=[answer for der in case.data.answers for answer in _answers(der)],
        ),
        poe_manager=proofs,
        cert_registry=registry,
    )
    algorithms = AlgorithmPolicy(case.policy.algorithms)
    revocation = CertRevTrustPolicy(
        REQUIRE_REVINFO if case.revocation else NO_REVOCATION,
        freshness_req_type=FreshnessReqType.MAX_DIFF_REVOCATION_VALIDATION,
    )
    signing, stamping = (
        CertValidationPolicySpec(
            trust_manager=SimpleTrustManager.build(
                trust_roots=[] if path is None else [as_asn1(path.certificates[-1].der)]
            ),
            revinfo_policy=revocation,
            algorithm_usage_policy=algorithms,
        )
        for path in (case.signer, case.authority)
    )
    spec = SignatureValidationSpec(
        cert_validation_policy=signing,
        ts_cert_validation_policy=stamping,
        revinfo_gathering_policy=RevocationInfoGatheringSpec(
            RevinfoOnlineFetchingRule.LOCAL_ONLY, Nowhere(), CertificateFetchingRule.NEVER_FETCH
        ),
        key_usage_settings=key_usage(case.policy),
        signature_algorithm_policy=algorithms,
    )
    return spec, handlers


def _timing(moment: datetime) -> ValidationTimingInfo:
    return ValidationTimingInfo(
        validation_time=moment, best_signature_time=moment, point_in_time_validation=True
    )


def _opinion(
    by: OpinionBy,
    ask: Callable[[Case, datetime], _Result],
    case: Case,
    proven: datetime,
    generated: datetime | None = None,
) -> Opinion:
    """Ask, and where the library lacks a rule or a word, ask again on evidence that has it:

    1. revoked, but by a hold that a newer list has lifted (RFC 5280 §5.3.1): the newest lists alone;
    2. revoked, but a timestamp authority that ended in order takes nothing along that it gave before
       (RFC 3161 clause 4): at the time that its timestamp gives;
    3. a general failure of the path, as it calls revocation data that is missing too: without asking for any.
       Where that passes, the data is what is missing: TRY_LATER (EN 319 102-1 clause 5.2.6). Only where there
       are OCSP answers that it does not read, because the certificate gives no address for such, it has no
       opinion on revocation (``ocsp_not_read``), and our own rules have the only one.
    """
    code = ""
    try:
        result = ask(case, proven)
        if case.data.superseded and any(_says(result, revoked) for revoked in _REVOKED):
            case = replace(case, data=case.data.newest)
            result = ask(case, proven)
        if generated is not None and _ended_in_order(result):
            result = ask(case, generated)
        if _says(result, AdESIndeterminate.CERTIFICATE_CHAIN_GENERAL_FAILURE):
            result = ask(replace(case, revocation=False), proven)
            if _says(result, AdESPassed.OK) and _leaves_answers_unread(case):
                code = "ocsp_not_read"
            elif _says(result, AdESPassed.OK):
                return Opinion(by, Indication.INDETERMINATE, SubIndication.TRY_LATER)
    except MemoryError:
        raise
    except Exception:  # pyHanko's errors are not uniform
        return Opinion(by, Indication.INDETERMINATE, SubIndication.GENERIC, code="library_failed")
    indication = _INDICATIONS[result.ades_subindic.status]
    if indication is not Indication.TOTAL_PASSED:
        return Opinion(by, indication, SubIndication(result.ades_subindic.standard_name))
    status = result.api_status
    if status is None or not (status.intact and status.valid and status.trusted):
        return Opinion(by, Indication.INDETERMINATE, SubIndication.GENERIC, code="library_contradicts_itself")
    return Opinion(by, indication, None, code=code)


def _says(result: _Result, sub_indication: AdESSubIndic) -> bool:
    return bool(result.ades_subindic is sub_indication)


def _leaves_answers_unread(case: Case) -> bool:
    """Whether an answer at hand is about a certificate of the path that names nobody to ask."""
    paths = [path for path in (case.signer, case.authority) if path is not None]
    silent = {c.serial for path in paths for c in path.certificates[:-1] if not as_asn1(c.der).ocsp_urls}
    singles = [one.extract_single_response() for der in case.data.answers for one in _answers(der)]
    return any(s is not None and s["cert_id"]["serial_number"].native in silent for s in singles)


def _ended_in_order(result: _Result) -> bool:
    details = None if result.api_status is None else result.api_status.revocation_details
    if not _says(result, AdESIndeterminate.REVOKED_NO_POE):
        return False
    return details is not None and details.revocation_reason.native in _ORDERLY
