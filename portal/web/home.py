"""The home page, and in demo mode the samples with what each must answer."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from flask import Blueprint, Response, abort, current_app, send_from_directory

from portal.extensions import resources
from portal.web.access import Access, allowed
from portal.web.i18n import gettext, language
from portal.web.pages import Pages

home = Blueprint("home", __name__)


@dataclass(frozen=True, slots=True)
class Sample:
    """One line of ``instance/demo/manifest.json``: a file, or the path of a code on this portal."""

    file: str | None
    path: str | None
    verdict: str
    evidence: str
    note: str


def samples_folder() -> Path:
    """Where the demo keeps its samples."""
    return resources().settings.instance_dir / "demo"


def samples() -> tuple[Sample, ...]:
    """The demo's samples; none outside demo mode or before the demo was created."""
    manifest = samples_folder() / "manifest.json"
    if not resources().settings.demo or not manifest.is_file():
        return ()
    return tuple(
        Sample(
            file=line.get("file"),
            path=urlsplit(line["url"]).path if line.get("url") else None,
            verdict=line["expected_verdict"],
            evidence=line["expected_evidence"],
            note=line["note"],
        )
        for line in json.loads(manifest.read_text("utf-8"))
    )


@home.get("/")
@allowed(Access.EVERYONE)
def index() -> Response:
    """What this is, and the box."""
    pages: Pages = current_app.extensions["pages"]
    response = pages.page("home.html", language(), {})
    if not resources().settings.demo:
        response.headers["Cache-Control"] = "public, max-age=300"
    return response


@home.get("/hoc-ba-mau")
@allowed(Access.DEMO)
def sample_list() -> Response:
    """The samples, with what each must answer."""
    pages: Pages = current_app.extensions["pages"]
    listed = [replace(each, note=gettext(each.note)) for each in samples()]
    return pages.page("samples.html", language(), {"samples": listed})


@home.get("/demo/<path:name>")
@allowed(Access.DEMO)
def sample(name: str) -> Response:
    """One sample file; only what the manifest names."""
    if name not in {s.file for s in samples()}:
        abort(404)
    return send_from_directory(samples_folder(), name, as_attachment=True, max_age=0)


@home.get("/robots.txt")
@allowed(Access.EVERYONE)
def robots() -> Response:
    """Nothing here is for search engines but the home page."""
    closed = ("/V/", "/check/", "/demo/", "/hoc-ba-mau", "/hop-thu-demo")
    lines = ("User-agent: *", *(f"Disallow: {path}" for path in closed))
    return Response("\n".join((*lines, "")), content_type="text/plain")
