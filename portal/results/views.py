"""The page of a kept result, for everyone who has its number."""

from __future__ import annotations

from flask import Blueprint, abort, redirect
from werkzeug.wrappers import Response as AnyResponse

from portal.extensions import reading, resources
from portal.limits.table import MISS
from portal.results import service
from portal.results.keeping import PATH, address
from portal.web import answers
from portal.web.access import Access, allowed
from portal.web.answers import Answer
from portal.web.i18n import language, link
from portal.web.limits import admit, charge
from verifier.errors import InvalidInput
from verifier.locator import parse_record_id

results = Blueprint("results", __name__)


@results.get(f"{PATH}/<number>")
@allowed(Access.RESULT)
def shown(number: str) -> AnyResponse:
    """What a check answered, after what stands today where that is something else. Reads no session."""
    plain = number.replace("-", "").upper()
    try:
        parse_record_id(plain)  # the same alphabet and check character: a slip meets no database
    except InvalidInput:
        abort(404)
    if plain != number:
        return redirect(link(address(plain), language()), 301)
    bundle = resources()
    now = bundle.clock.now()
    admit(MISS)
    with reading() as session:
        kept = service.find(session, bundle.vault, number, now=now)
        state = None if kept is None else service.today(session, bundle.vault, kept, now=now)
    if kept is None or state is None:
        charge(MISS)
        abort(404)
    then = Answer(kept.verdict, kept.report, state.record, strange=kept.strange, kept=True)
    after = None if state.verdict is None else Answer(state.verdict, kept.report, state.record, kept=True)
    return answers.respond_kept(then, after, answers.Number(number, kept.expires_at), now)
