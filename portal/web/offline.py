"""What makes the portal installable and lets it open without a network (ADR 0029).

A web app manifest, a page that says what can and what cannot be told without the registry, and the service
worker that keeps this page and its own static files, nothing else. The worker's text names what it keeps,
so that it changes, and browsers fetch it anew, whenever a word of the page or a file beside it does.
"""

from __future__ import annotations

import hashlib
import json
import re
from functools import lru_cache
from typing import Any, Final

from flask import Blueprint, Response, current_app, request

from portal.extensions import resources
from portal.web.access import Access, allowed
from portal.web.i18n import gettext, language, link, marked
from portal.web.packing import FOLDER
from portal.web.pages import Pages, other_language, static_address
from verifier.words import LANGUAGES, Language, Tone, tone_word

offline = Blueprint("offline", __name__)

PAGE: Final = "/ngoai-tuyen"
#: What the worker itself may do: fetch from here. Nothing may be imported into it.
WORKER_POLICY: Final = "default-src 'none'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'"
#: As the icon is drawn; the screen behind it while the installed portal opens.
THEME_COLOUR: Final = "#0b4a6f"
BACKGROUND_COLOUR: Final = "#ffffff"
SHORT_NAME: Final = marked("Học bạ số")
ABOUT: Final = marked("Kiểm tra học bạ số có đúng bản trường cấp, còn lưu hành và còn nguyên hay không.")
#: File, sizes, purpose (W3C Web Application Manifest §1.8).
ICONS: Final = (
    ("icon.svg", "any", "any"),
    ("icon-192.png", "192x192", "any"),
    ("icon-512.png", "512x512", "any"),
    ("icon-maskable.png", "512x512", "maskable"),
)
_TYPES: Final = {"svg": "image/svg+xml", "png": "image/png"}
_BESIDE: Final = re.compile(r'(?:href|src)="(/static/[^"#]+)')


@offline.get("/manifest.webmanifest")
@allowed(Access.EVERYONE)
def manifest() -> Response:
    """How the portal is called and looks once it is installed; one app, whatever its language."""
    said = {
        "id": "/",
        "start_url": link("/", language()),
        "scope": "/",
        "display": "standalone",
        "lang": language(),
        "dir": "ltr",
        "name": resources().settings.system_name,
        "short_name": gettext(SHORT_NAME),
        "description": gettext(ABOUT),
        "theme_color": THEME_COLOUR,
        "background_color": BACKGROUND_COLOUR,
        "icons": [
            {
                "src": static_address(name),
                "type": _TYPES[name.rpartition(".")[2]],
                "sizes": sizes,
                "purpose": purpose,
            }
            for name, sizes, purpose in ICONS
        ],
    }
    text = json.dumps(said, ensure_ascii=False)
    kept = {"Cache-Control": "public, max-age=86400"}
    return Response(text, headers=kept, content_type="application/manifest+json")


@offline.get(PAGE)
@allowed(Access.EVERYONE)
def page() -> Response:
    """The page for when there is no network; with one, a page like any other."""
    response = _pages().page("offline.html", language(), _context(language()))
    response.headers["Cache-Control"] = "public, max-age=300"
    return response


@offline.get("/sw.js")
@allowed(Access.EVERYONE)
def worker() -> Response:
    """The service worker; where the settings take it back, one that clears what was kept and goes."""
    withdrawn = resources().settings.offline_withdrawn
    text = (FOLDER / "sw-withdrawn.js").read_text("utf-8") if withdrawn else _worker(_pages())
    headers = {"Cache-Control": "no-cache, max-age=0", "Content-Security-Policy": WORKER_POLICY}
    response = Response(text, headers=headers, content_type="text/javascript; charset=utf-8")
    response.add_etag()
    response.make_conditional(request)
    return response


@lru_cache(maxsize=4)
def _worker(pages: Pages) -> str:
    """The worker behind the list of what it keeps: the page in each language, then the files beside it."""
    texts = [pages.text("offline.html", tongue, _standing(tongue)) for tongue in LANGUAGES]
    files = [link(PAGE, tongue) for tongue in LANGUAGES]
    files += sorted({address for text in texts for address in _BESIDE.findall(text)})
    version = hashlib.sha256("".join(texts).encode()).hexdigest()[:12]
    code = (FOLDER / "sw.js").read_text("utf-8")
    return f'const CACHE = "offline-{version}";\nconst FILES = {json.dumps(files)};\n{code}'


def _standing(tongue: Language) -> dict[str, Any]:
    """What the page is rendered with where no request asks for it."""
    return {**_context(tongue), "other_language": other_language(PAGE, tongue)}


def _context(tongue: Language) -> dict[str, Any]:
    return {"tone_word": tone_word(Tone.UNFINISHED, tongue), "address": PAGE}


def _pages() -> Pages:
    pages: Pages = current_app.extensions["pages"]
    return pages
