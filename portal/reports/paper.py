"""Sets a report for paper with Typst. Loaded for whoever asks for one: the web process starts without it.

Only our own words and codes are set, never a file's: there is nothing in a kept result that a stranger wrote.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

import typst

from portal.errors import PortalError
from portal.issuing import qr
from portal.issuing.appearance import FONTS, signature_font

TEMPLATES: Final = Path(__file__).parent / "templates"
_TEMPLATE: Final = TEMPLATES / "report.typ"
#: One compiler a process: it keeps what it compiled, and one thread at a time may use it.
_AT_WORK: Final = threading.Lock()


class ReportFault(PortalError):  # noqa: N818 - neither a person's mistake nor a finding
    """The template or Typst broke a promise of ours."""


def pdf(content: Mapping[str, Any], labels: Mapping[str, str], at: datetime) -> bytes:
    """The report as tagged PDF/A. ``labels`` are the words beside the content, in its language. The same
    input gives the same bytes. Raises ReportFault.
    """
    data = {"content": content, "labels": labels, "qr": qr.drawn(qr.any_matrix(content["address"]))}
    with _AT_WORK:
        try:
            made = _compiler().compile(
                str(_TEMPLATE),
                format="pdf",
                sys_inputs={"report": json.dumps(_printable(data), ensure_ascii=False)},
                pdf_standards=["a-3a"],
                timestamp=at.replace(microsecond=0),
            )
        except typst.TypstError as error:
            raise ReportFault(f"report: {error.message} {' '.join(error.hints)}") from error
    if not isinstance(made, bytes):
        raise ReportFault("report: Typst returned no PDF")
    return made


@cache
def _compiler() -> typst.Compiler:
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(FONTS)])
    return typst.Compiler(root=str(TEMPLATES), font_paths=fonts)


def _printable(value: Any) -> Any:
    """Texts without what the vendored faces cannot print: a school's name is whatever was registered."""
    match value:
        case str():
            prints = signature_font().prints
            return "".join(c if c == "\n" or prints(c) else "?" for c in value)
        case Mapping():
            return {key: _printable(each) for key, each in value.items()}
        case list() | tuple():
            return [_printable(each) for each in value]
        case _:
            return value
