"""The gallery: every token and every component in every state, for whoever builds or judges a page.

It shows no record and knows nobody, so it stands in production too: what a page looks like is seen there on
the device that has the trouble.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Final

from flask import Blueprint, Response, current_app, request

from portal.web.access import Access, allowed
from portal.web.i18n import gettext, language
from portal.web.packing import static_table
from portal.web.pages import Pages

design = Blueprint("design", __name__)

_BLOCK: Final = re.compile(r":root \{([^}]*)\}")
_TOKEN: Final = re.compile(r"--([a-z0-9-]+): ([^;]+);")
_COLOUR: Final = re.compile(r"#[0-9a-f]{3,6}")
#: What a field's mistake looks like is shown for these fields of the page.
_FIELDS: Final = (
    "ten",
    "noi_nhan",
    "lop",
    "dong_y",
    "gui_qua",
    "ly_do",
    "tep",
    "ngay",
    "camera",
    "file",
    "code",
)
#: A section of an invented record: its title, entries, subjects.
_RECORD: Final = (
    {
        "title": "Kết quả học tập",
        "entries": (("Cả năm", "Hoàn thành tốt"),),
        "rows": (("Toán", (("Mức đạt được", "T"), ("Điểm", "9"))), ("Tiếng Việt", (("Mức đạt được", "H"),))),
    },
)


@dataclass(frozen=True, slots=True)
class Token:
    """A custom property of the style sheet; ``dark`` is what it is on a dark screen, where that differs."""

    name: str
    light: str
    dark: str

    @property
    def is_colour(self) -> bool:
        return _COLOUR.fullmatch(self.light) is not None


@cache
def tokens() -> tuple[Token, ...]:
    """The tokens as ``app.css`` declares them: its first block, and the second for dark screens."""
    first, second = _BLOCK.findall(static_table()["app.css"].content.decode())[:2]
    dark = dict(_TOKEN.findall(second))
    return tuple(Token(name, value, dark.get(name, value)) for name, value in _TOKEN.findall(first))


def _signed() -> list[dict[str, object]]:
    """A signature in each state; names are invented."""
    checks = (("passed", gettext("Đạt"), gettext("Điều đã kiểm tra và đúng.")),)
    states = (
        ("passed", "GVCN", gettext("Đạt")),
        ("failed", "CBQL", gettext("Không đạt")),
        ("incomplete", "NTCS", gettext("Chưa xong")),
    )
    return [
        {
            "status": status,
            "role": role,
            "subject": "",
            "capacity": "",
            "name": "Nguyễn Thị Mẫu",
            "at": "",
            "status_word": word,
            "checks": checks,
        }
        for status, role, word in states
    ]


@design.get("/thiet-ke")
@allowed(Access.EVERYONE)
def gallery() -> Response:
    """The page; with ``?trang-thai=loi`` every field shows its mistake."""
    wrong = request.args.get("trang-thai") == "loi"
    mistake = gettext("Chỗ này chưa đúng: nói điều gì sai và cách sửa")
    context = {
        "colours": [token for token in tokens() if token.is_colour],
        "measures": [(f"--{token.name}", token.light) for token in tokens() if not token.is_colour],
        "signed": _signed(),
        "record": _RECORD,
        "errors": dict.fromkeys(_FIELDS, mistake) if wrong else {},
        "values": {},
    }
    pages: Pages = current_app.extensions["pages"]
    return pages.page("design.html", language(), context)
