"""Where somebody signed in begins: a way to everything that their role can do, and what is late there.

It stands above the features because it asks them what waits.
"""

from __future__ import annotations

from flask import Blueprint
from werkzeug.wrappers import Response as AnyResponse

from portal.accounts.forms import ROLE_NAMES
from portal.accounts.views import ACCOUNT, WORK
from portal.consent import requests
from portal.extensions import reading, resources
from portal.permissions import Act
from portal.web.access import Access, allowed
from portal.web.forms import to
from portal.web.i18n import gettext
from portal.web.sessions import own_office, page, viewer

work = Blueprint("work", __name__)


@work.get(WORK)
@allowed(Access.ROLE, Act.OWN_ACCOUNT)
def begin() -> AnyResponse:
    """The ways of the viewer's role; without one, to the own account."""
    me = viewer()
    if me.role is None:
        return to(ACCOUNT)
    late = _late() if me.may(Act.ANSWER_REQUESTS) else 0
    return page("accounts/work.html", {"role_name": gettext(ROLE_NAMES[me.role]), "late": late})


def _late() -> int:
    """Requests of data subjects that the viewer's school did not see to in time."""
    with reading() as session:
        return requests.late(session, own_office(), resources().clock.now())
