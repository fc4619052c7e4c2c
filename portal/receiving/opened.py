"""What was opened and is on somebody's screen: the seal that its page carries, and what the page may ask for
with it.

The seal names the opening and works in the browser that opened it alone: it is made with the secret of the
browser's form cookie or session, so signing out ends it too. It stands in forms, never in an address.
"""

from __future__ import annotations

import hmac
import re
import uuid
from typing import Any, Final

from flask import Response, request

from portal.consent.disclosing import Disclosed, Opening
from portal.extensions import resources
from portal.receiving import content
from portal.web.requests import Rejection
from portal.web.sessions import TOKEN_FIELD, browser, form_token, page

_SEAL: Final = re.compile(r"([0-9a-f]{32})\.([0-9]{1,9})\.([0-9a-f]{64})")


def seal(opening: Opening) -> str:
    """What the page of ``opening`` carries, for this browser."""
    return f"{opening.consent.hex}.{opening.number}.{_mac(opening)}"


def read_seal() -> Opening | None:
    """The opening that this form names; None for a seal that is not of this browser."""
    found = _SEAL.fullmatch(request.form.get("opening", ""))
    if found is None:
        return None
    opening = Opening(uuid.UUID(found[1]), int(found[2]))
    return opening if hmac.compare_digest(found[3], _mac(opening)) else None


def respond(shown: Disclosed, who: str, *, path: str) -> Response:
    """The page, or the file that the form's button asks for. ``path`` takes the form that asks again. Raises
    Rejection for a file that was not consented to.
    """
    match request.form.get("as", content.PAGE):
        case content.JSON:
            return content.as_json(shown, who)
        case content.SHEET:
            return content.as_sheet(shown, who)
        case content.PDF:
            number = request.form.get("record", "")
            file = content.as_pdf(shown, int(number)) if number.isdecimal() and len(number) < 4 else None
            if file is None:
                raise Rejection(404, "not_found")
            return file
        case _:
            return content_page(shown, who, path=path)


def content_page(shown: Disclosed, who: str, *, path: str) -> Response:
    """The page of what was opened. Its other language is asked for like a file: nothing is used up."""
    context: dict[str, Any] = {**content.context(shown, who), "path": path, "seal": ""}
    if shown.opening is not None:
        context["seal"] = seal(shown.opening)
        context["again"] = [(TOKEN_FIELD, form_token()), ("opening", context["seal"])]
    return page("receiving/content.html", context, here=path)


def _mac(opening: Opening) -> str:
    text = f"{opening.consent.hex}/{opening.number}/{browser()}"
    return resources().vault.blind_index(text, domain="opening")
