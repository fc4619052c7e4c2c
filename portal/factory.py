"""The composition root: settings in, a wired Flask app out, as a list of steps."""

from __future__ import annotations

import logging
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Final

import click
from flask import Flask
from flask.cli import AppGroup

from portal import extensions, web
from portal.accounts.demonstration import demo_accounts
from portal.accounts.doorkeeper import AccountsDoorkeeper
from portal.accounts.federation_views import CALLBACK, openid
from portal.accounts.views import accounts
from portal.clock import SystemClock
from portal.config import Settings
from portal.database import make_engine, reading_engine
from portal.departments.purposes import purposes
from portal.departments.views import departments
from portal.desk.views import desk
from portal.doors.views import doors
from portal.errors import InvalidSettings
from portal.extensions import Resources
from portal.families.consents import consents
from portal.families.looks import looks
from portal.families.requests import subject_requests
from portal.families.school import office
from portal.families.views import families
from portal.families.witness import witness
from portal.filestore import ObjectFiles, ObjectTombstones
from portal.limits.work import Bounds, Workroom
from portal.lookup.scan import Scans
from portal.lookup.views import lookup
from portal.messages.channels import mailer_for
from portal.ports import Checker, Clock, IdentityProvider, Mailer
from portal.receiving.codes import codes
from portal.receiving.sharing import sharing
from portal.receiving.views import receiving
from portal.reports.views import reports
from portal.results.views import results
from portal.uploads.pile_views import desk_pile
from portal.uploads.views import uploads
from portal.vault import Vault
from portal.web import access
from portal.web.headers import SecurityHeaders
from portal.web.journal import Journal
from portal.web.limits import install_limits, make_limits
from portal.web.proxies import TrustedProxies
from portal.web.routing import LateRule
from portal.web.waits import BoundedWaits
from portal.work import work
from verifier import confinement
from verifier.errors import Problem
from verifier.locator import Hosts
from verifier.policy import DEFAULT, ValidationPolicy
from verifier.sandbox import ForkServer

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

#: ``flask --app wsgi NAME`` -> where the command lives. Imported when asked for: the web process must not
#: even load the code that opens signing keys, and a test looks into ``sys.modules`` to keep it so (SEC-38).
COMMANDS: Final = {
    "trust": "portal.commands.trust:trust",
    "registry": "portal.commands.registry:registry",
    "audit": "portal.commands.audit:audit",
    "database": "portal.commands.database:database",
    "keys": "portal.commands.keys:keys",
    "decisions": "portal.commands.decisions:decisions",
    "erasure": "portal.commands.erasure:erasure",
    "template": "portal.commands.template:template",
    "issue": "portal.commands.issuing:issue",
    "correct": "portal.commands.issuing:correct",
    "recall": "portal.commands.issuing:recall",
    "export": "portal.commands.issuing:export_files",
    "renew": "portal.commands.renew:renew",
    "signatures": "portal.commands.issuing:signatures",
    "work": "portal.commands.work:work",
    "demo": "portal.commands.demo:demo",
}

_KIB: Final = 1024

_NOT_CONFINED: Final = (
    "production cần Landlock và seccomp của nhân Linux để cô lập tiến trình đọc tệp lạ "
    "(thử lại bằng: python -m verifier.confinement). Tiến trình bị cô lập vẫn: "
)

log = logging.getLogger(__name__)


class _LazyCommands(AppGroup):
    """The app's command group; each command is imported when it is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *COMMANDS})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        where = COMMANDS.get(cmd_name)
        if where is None:
            return super().get_command(ctx, cmd_name)
        module, _, name = where.partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command


def create_app(
    settings: Settings,
    *,
    checker: Checker | None = None,
    clock: Clock | None = None,
    mailer: Mailer | None = None,
) -> Flask:
    """A portal for ``settings``. Tests may bring their own checker, clock and mailer."""
    # 1 The app, with its body limits: they hold while a body is read, whether or not it names its length.
    app = Flask("portal", static_folder=None)  # portal.web.wire sends them
    app.url_rule_class = LateRule
    # Two slashes are another address: Werkzeug would redirect to whatever host the request names.
    app.url_map.merge_slashes = False
    app.config.update(
        MAX_FILE_BYTES=settings.max_upload_bytes,
        MAX_CONTENT_LENGTH=settings.max_upload_bytes + 64 * _KIB,  # the file plus the form around it
        MAX_FORM_PARTS=10,
        # Werkzeug reads 64 KiB at a time and counts the few bytes kept of the read before towards this limit,
        # of a file too: at 64 KiB exactly, most files would be refused.
        MAX_FORM_MEMORY_SIZE=65 * _KIB,
    )

    # 2 Database, secrets, files, checker, clock, limits.
    engine = make_engine(
        settings.database_url,
        connections=settings.database_connections,
        threads=settings.web_threads,
    )
    limiter, gate = make_limits(app, settings)
    bundle = Resources(
        settings=settings,
        engine=engine,
        questions=reading_engine(engine),
        vault=Vault(settings.key_encryption_keys, settings.index_key),
        files=ObjectFiles(settings.file_store_url),
        tombstones=ObjectTombstones(settings.tombstones_url),
        checker=checker or _fork_server(settings),
        clock=clock or SystemClock(),
        mailer=mailer or mailer_for(settings),
        hosts=Hosts(settings.public_url, settings.public_url_former),
        gate=gate,
        workroom=Workroom(settings.checks),
        pile_room=Workroom(_piles(settings)),
        openid=_openid(settings),
    )
    extensions.install(app, bundle)

    # 3 What every page has: languages, components, error pages.
    pages = web.install(app, settings, AccountsDoorkeeper())

    # 4 Features.
    app.register_blueprint(lookup)
    app.register_blueprint(uploads)
    app.register_blueprint(desk_pile)
    app.register_blueprint(results)
    app.register_blueprint(reports)
    app.register_blueprint(doors)
    app.register_blueprint(accounts)
    app.register_blueprint(departments)
    app.register_blueprint(purposes)
    app.register_blueprint(openid)
    app.register_blueprint(demo_accounts)
    app.register_blueprint(families)
    app.register_blueprint(office)
    app.register_blueprint(consents)
    app.register_blueprint(witness)
    app.register_blueprint(subject_requests)
    app.register_blueprint(looks)
    app.register_blueprint(desk)
    app.register_blueprint(work)
    app.register_blueprint(sharing)
    app.register_blueprint(receiving)
    app.register_blueprint(codes)
    install_limits(app, limiter, gate, Workroom(_receiving(settings)))
    access.refuse_unruled(app)

    # 5 Commands.
    app.cli = _LazyCommands(app.name)

    # 6 Around Flask, from the inside out: the quick way for scans; the client's address, from exactly as
    #   many proxies as the settings name; how long a request waits for the database; its line in the log;
    #   the headers of every response.
    wsgi: WSGIApplication = Scans(app.wsgi_app, bundle, pages)
    wsgi = TrustedProxies(wsgi, settings.trusted_proxies)
    wsgi = BoundedWaits(wsgi, settings.database_timeout_seconds)
    wsgi = Journal(wsgi, bundle.vault, bundle.clock, proxies=settings.trusted_proxies)
    app.wsgi_app = SecurityHeaders(wsgi, production=settings.production)  # type: ignore[method-assign]
    return app


def _receiving(settings: Settings) -> Bounds:
    """Bodies that are read at one time: three in four threads, for one client one in eight."""
    threads = settings.web_threads
    return Bounds(max(1, threads * 3 // 4), 0, max(1, threads // 8), settings.checks.wait_seconds)


def _piles(settings: Settings) -> Bounds:
    """Piles of files at one time, each with all its bytes on disk: one in 32 threads, for one client two."""
    return Bounds(max(1, settings.web_threads // 32), 0, 2, settings.checks.wait_seconds)


def _openid(settings: Settings) -> IdentityProvider | None:
    """The provider that the settings name. Its libraries are loaded for it alone."""
    if settings.openid is None:
        return None
    module = import_module("portal.accounts.openid")
    provider: IdentityProvider = module.OpenIdProvider(
        settings.openid, settings.public_url + CALLBACK, secure=settings.production
    )
    return provider


def _fork_server(settings: Settings) -> ForkServer:
    """Whoever examines strangers' files. Raises InvalidSettings in production when this machine cannot keep
    such an examination away from everything else; in development that is only said.
    """
    if settings.production:
        if weak := confinement.weaknesses():
            raise InvalidSettings(
                [Problem("ENVIRONMENT", "not_confined", _NOT_CONFINED + each) for each in weak]
            )
    elif missing := confinement.missing():
        log.warning("strangers' files are examined without %s: this kernel has none", " and ".join(missing))
    return ForkServer(_policy(settings), confined=settings.production)


def _policy(settings: Settings) -> ValidationPolicy:
    """The default policy with this installation's deadline; what counts as genuine is not a setting."""
    return replace(DEFAULT, resources=replace(DEFAULT.resources, deadline=settings.check_deadline_seconds))
