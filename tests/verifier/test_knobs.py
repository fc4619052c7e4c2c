"""What pyHanko is told, each knob so that turning it is noticed; those of its AdES methods: test_ades.py."""

from __future__ import annotations

from typing import Any

import pytest

from tests.verifier.pki import NOW, World
from verifier import pades
from verifier.pades import validate
from verifier.policy import DEFAULT

MIB = 1024 * 1024


def told(monkeypatch: pytest.MonkeyPatch, name: str) -> list[dict[str, Any]]:
    """The keyword arguments of every call of this function of pyHanko's; it still does its work."""
    real, calls = getattr(pades, name), []

    def noticed(*args: Any, **options: Any) -> Any:
        calls.append(options)
        return real(*args, **options)

    monkeypatch.setattr(pades, name, noticed)
    return calls


def test_files_are_read_strictly_inside_limits(
    world: World, primary: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lenient reading would take files with two answers to what is in them; 32 MiB a stream, 64 in all."""
    calls = told(monkeypatch, "Reader")
    report, _ = validate(primary, world.trust(), DEFAULT, NOW, own=True)
    assert all(s.passed for s in report.signatures)
    first = calls[0]
    assert first["strict"] is True
    limits = first["decode_limits"]
    assert limits.per_stream.max_output_size == 32 * MIB
    budget = limits.document_budget
    assert (budget.base_allowance, budget.max_ratio) == (64 * MIB, 0)


@pytest.mark.parametrize("own", [True, False])
def test_only_registered_bytes_go_without_the_diff_analysis(
    world: World, primary: bytes, monkeypatch: pytest.MonkeyPatch, *, own: bool
) -> None:
    """Of registered bytes the hash says that nothing changed; of all others the library's rules are asked."""
    calls = told(monkeypatch, "async_validate_pdf_signature")
    validate(primary, world.trust(), DEFAULT, NOW, own=own)
    assert [call["skip_diff"] for call in calls] == [own] * 3


def test_the_classic_opinion_asks_for_non_repudiation_at_one_pinned_root(
    world: World, primary: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And judges at the proven time, without fetching; revocation and algorithms are the other two's."""
    calls = told(monkeypatch, "async_validate_pdf_signature")
    validate(primary, world.trust(), DEFAULT, NOW, registered_at=NOW, own=True)
    assert calls
    for call in calls:
        assert call["key_usage_settings"].key_usage == {"non_repudiation"}
        context = call["signer_validation_context"]
        assert context.moment == context.best_signature_time == NOW
        assert not context.fetching_allowed
        roots = list(context.path_builder.trust_manager.iter_certs())
        assert [root.dump() for root in roots] == [world.root.der]
