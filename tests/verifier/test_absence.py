"""Nothing is genuine for want of something: what is missing, empty or broken on the way never passes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.verifier import pki
from tests.verifier.pki import NOW, World
from verifier import ades, changes, indications, pades, signatures
from verifier.bundle import FORMAT, read_bundle
from verifier.certificates import Path as Chain
from verifier.certificates import read_certificate
from verifier.errors import InvalidInput
from verifier.pades import Structure, revalidate, validate
from verifier.policy import DEFAULT
from verifier.report import CheckName, CheckStatus, ValidationReport
from verifier.revocation import check_revocation
from verifier.trust import TrustStore
from verifier.verdict import RegistryFacts, Standing, VersionFacts, VersionState, decide

VERSION = VersionFacts(pki.RECORD_ID, 1, VersionState.CURRENT, Standing.PASSED)


def green(report: ValidationReport) -> bool:
    """Whether these bytes, registered, would be called genuine."""
    return decide(report, RegistryFacts(file=VERSION)).green


@pytest.fixture(scope="module")
def checked(world: World, primary: bytes) -> tuple[ValidationReport, Structure]:
    report, structure = validate(primary, world.trust(), DEFAULT, NOW, registered_at=NOW, own=True)
    assert green(report)
    return report, structure


def without_one(data: Any) -> Iterator[tuple[str, Any]]:
    """``data`` once for each key of each object in it, without that key; of a list its first item counts."""
    match data:
        case dict():
            for key in data:
                yield key, {name: value for name, value in data.items() if name != key}
                for where, less in without_one(data[key]):
                    yield f"{key}.{where}", {**data, key: less}
        case [first, *rest]:
            for where, less in without_one(first):
                yield where, [less, *rest]


class TestNoKeyMayBeMissing:
    """Whoever writes these files may be older than whoever reads them: what is not said is not "none"."""

    def refused(self, data: Any, read: Callable[[Any], object], *errors: type[Exception]) -> int:
        count = 0
        read(deepcopy(data))
        for where, less in without_one(data):
            with pytest.raises(errors):  # noqa: PT012 - the message names the key
                read(less)
                pytest.fail(f"read without {where}")
            count += 1
        return count

    def test_in_a_trust_store(self, world: World) -> None:
        data = json.loads(json.dumps(world.trust().to_json()))
        assert self.refused(data, TrustStore.from_json, InvalidInput) > 15

    def test_in_a_bundle(self, world: World, tmp_path: Path) -> None:
        moment = NOW.isoformat()
        file = {"sha256": "0" * 64, "size": 1, "kind": "issued", "record_id": pki.RECORD_ID, "version": 1}
        file |= {"registered_at": moment, "standing": "passed", "checked_at": None}
        file |= {"fresh_until": moment}
        version = {"record_id": pki.RECORD_ID, "version": 1, "digest": "00" * 32, "state": "current"}
        version |= {"since": None, "recall_reason": None}
        data = {
            "format": FORMAT,
            "as_of": moment,
            "trust": world.trust().to_json(),
            "registry": {"files": [file], "versions": [version]},
            "hosts": {"public_url": "https://hocba.example.vn", "former": []},
        }
        path = tmp_path / "bundle.json"

        def read(content: Any) -> None:
            path.write_text(json.dumps(content))
            read_bundle(path)

        assert self.refused(data, read, InvalidInput) > 35

    def test_in_a_report(self, checked: tuple[ValidationReport, Structure]) -> None:
        data = json.loads(json.dumps(checked[0].to_json()))
        assert self.refused(data, ValidationReport.from_json, TypeError) > 30

    def test_in_a_structure(self, checked: tuple[ValidationReport, Structure]) -> None:
        data = json.loads(json.dumps(checked[1].to_json()))
        assert self.refused(data, Structure.from_json, KeyError, TypeError) > 15


@pytest.mark.parametrize("emptied", ["anchors", "signers", "crls"])
def test_a_store_that_says_nothing_trusts_nobody(world: World, primary: bytes, emptied: str) -> None:
    trust = replace(world.trust(), **{emptied: ()})  # type: ignore[arg-type]
    report, structure = validate(primary, trust, DEFAULT, NOW, registered_at=NOW, own=True)
    assert not green(report)
    assert not green(revalidate(primary, structure, trust, DEFAULT, NOW, registered_at=NOW))


@pytest.mark.parametrize(
    "less",
    [
        {"school_code": None},
        {"signatures": ()},
        {"missing_roles": ("no_record",)},
        {"missing_roles": ("CBQL",)},
    ],
    ids=lambda less: next(iter(less)),
)
def test_a_structure_that_lacks_something(
    world: World, primary: bytes, checked: tuple[ValidationReport, Structure], less: dict[str, Any]
) -> None:
    structure = replace(checked[1], **less)
    report = revalidate(primary, structure, world.trust(), DEFAULT, NOW, registered_at=NOW)
    assert not green(report)


def test_without_the_records_issuer_no_schools_signer_will_do(
    world: World, primary: bytes, checked: tuple[ValidationReport, Structure]
) -> None:
    """The attached record names the school; signers of any other would pass where it is not known."""
    elsewhere = world.trust(rows=[replace(row, school_code="00000000") for row in world.rows])
    structure = replace(checked[1], school_code=None)
    report = revalidate(primary, structure, elsewhere, DEFAULT, NOW, registered_at=NOW)
    assert {s.status(CheckName.AUTHORITY) for s in report.signatures} == {CheckStatus.PASSED}
    assert not green(report)


def test_a_certificate_that_nothing_stands_above_is_not_unrevoked(world: World) -> None:
    leaf = read_certificate(world.people["seal"].der)
    assert check_revocation(Chain((leaf,)), world.trust(), NOW, NOW).code == "crl_missing"


_STEPS = [
    (pades, "prepare"),
    (pades, "_open"),
    (pades, "_read"),
    (pades, "_read_signature"),
    (pades, "gap_fault"),
    (pades, "_check_coverage"),
    (pades, "walk"),
    (changes, "changed_entries"),
    (changes._Walker, "_part"),
    (changes._Walker, "_judge"),
    (changes._Walker, "_signing_fault"),
    (pades, "settle"),
    (pades, "_certifies"),
    (pades, "_locks_everything"),
    (pades, "_attached_record"),
    (pades, "_attachment"),
    (pades, "read_attachment"),
    (pades, "open_disclosures"),
    (pades, "signature_fields"),
    (pades, "async_validate_pdf_signature"),
    (pades, "_context"),
    (pades, "judge"),
    (pades, "heed"),
    (pades, "validation_data"),
    (pades, "_set_against"),
    (ades, "_settings"),
    (ades, "ades_basic_validation"),
    (signatures, "read_cms"),
    (signatures, "range_digests"),
    (signatures, "signature_holds"),
    (signatures, "find_path"),
    (signatures, "companions_fault"),
    (indications, "key_fault"),
    (indications, "digest_fault"),
    (signatures, "check_revocation"),
    (signatures, "indicate"),
    (signatures, "_authority"),
]


@pytest.mark.parametrize("error", [ValueError, KeyError, RuntimeError, RecursionError, MemoryError])
@pytest.mark.parametrize(("module", "name"), _STEPS, ids=[name for _, name in _STEPS])
def test_a_step_that_breaks_never_passes(
    *,
    world: World,
    primary: bytes,
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    name: str,
    error: type[Exception],
) -> None:
    """Where the work breaks it is unfinished (the child dies) or the file fails; nobody takes it for done."""
    broken = []

    def breaks(*_: Any, **__: Any) -> Any:
        broken.append(name)
        raise error(name)

    monkeypatch.setattr(module, name, breaks)
    try:
        report, _ = validate(primary, world.trust(), DEFAULT, NOW, registered_at=NOW, own=True)
    except (ValueError, KeyError, RuntimeError, MemoryError):
        report = None
    assert broken
    assert report is None or not green(report)
