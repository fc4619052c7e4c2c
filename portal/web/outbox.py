"""The demo's outbox: what the portal would send, since in demo mode nothing is sent."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, Response, current_app

from portal.extensions import reading, resources
from portal.messages import service as messages
from portal.messages.service import Sender
from portal.ports import Channel
from portal.web.access import Access, allowed
from portal.web.i18n import gettext, language, marked, moment
from portal.web.pages import Pages

outbox = Blueprint("outbox", __name__)

_MOST: Final = 30  # messages on the page
_STATES: Final = {
    "waiting": marked("đang chờ gửi"),
    "sent": marked("đã gửi"),
    "failed": marked("không gửi được"),
}
_CHANNELS: Final = {Channel.EMAIL: marked("Thư điện tử"), Channel.PHONE: marked("SMS hoặc Zalo")}


@outbox.get("/hop-thu-demo")
@allowed(Access.DEMO)
def show() -> Response:
    """The newest messages, each as its receiver would read it."""
    portal = resources()
    pages: Pages = current_app.extensions["pages"]
    sender = Sender.of(portal.settings)
    with reading() as session:
        found = messages.outbox(session, portal.vault, sender=sender, limit=_MOST)
    lines = [
        {
            "message": message,
            "channel": gettext(_CHANNELS[message.channel]),
            "state": gettext(_STATES[message.state]),
            "at": moment(message.created_at, language()),
        }
        for message in found
    ]
    return pages.page("outbox.html", language(), {"lines": lines, "most": _MOST})
