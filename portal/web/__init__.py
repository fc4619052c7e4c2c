"""What every page shares: headers, languages, errors, requests, answers, home page, the page for
when there is no network, the demo's outbox."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Flask

from portal.config import Settings
from portal.web import access, design, errors, home, journal, offline, outbox, sessions, wire
from portal.web.pages import Pages
from portal.web.sessions import Doorkeeper
from verifier.locator import Hosts

KEY = "pages"


def install(app: Flask, settings: Settings, doorkeeper: Doorkeeper) -> Pages:
    """Wire the web parts into ``app``; the security headers are put around everything at the end."""
    pages = app.extensions[KEY] = Pages(
        {
            "system_name": settings.system_name,
            "owner_name": settings.owner_name,
            "owner_contact": settings.owner_contact,
            "public_url": settings.public_url,
            "host": urlsplit(settings.public_url).netloc,
            "hosts": " ".join(sorted(Hosts(settings.public_url, settings.public_url_former).authorities)),
            "demo": settings.demo,
            "offline_withdrawn": settings.offline_withdrawn,
            "limit_mb": settings.max_upload_bytes // (1024 * 1024),
        }
    )
    journal.install(app)
    sessions.install(app, doorkeeper)
    access.install(app)
    errors.install(app)
    wire.install(app)
    app.register_blueprint(home.home)
    app.register_blueprint(outbox.outbox)
    app.register_blueprint(offline.offline)
    app.register_blueprint(design.design)
    return pages
