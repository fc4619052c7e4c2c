"""What a page says of a signature field whose name a stranger chose."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from portal.web import answers
from verifier.report import Indication, SignatureReport


def test_a_strangers_field_name_is_not_printed_as_a_role() -> None:
    shouting = "ĐÃ KIỂM TRA: THẬT"
    empty: dict[str, Any] = dict.fromkeys(SignatureReport.__dataclass_fields__)
    signature = SignatureReport(
        **empty | {"field": shouting, "checks": (), "indication": Indication.TOTAL_FAILED}
    )
    answer = cast(answers.Answer, SimpleNamespace(names_shown=False, signers={}, shown_record=None))
    assert answers._signature_view(signature, answer, "vi")["role"] == "Chữ ký không thuộc mẫu học bạ"
    assert shouting not in str(answers._signature_view(signature, answer, "en"))
