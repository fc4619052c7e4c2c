"""One explicit access rule for each route (SEC-17); nothing that a strange site could make it do (SEC-25)."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, MetaData

from portal.extensions import Resources
from portal.permissions import Act
from portal.web.access import Access, allowed, refuse_unruled, rule_of
from tests.portal.lookup.test_views import paper_form, typed_form
from tests.portal.web.world import Stock, World, build

E, C, T, F, D = Access.EVERYONE, Access.CODE, Access.TYPED, Access.FILE, Access.DEMO
H = Access.SHARED
S, OWN, PEOPLE, ONBOARD = Access.SIGN_IN, Act.OWN_ACCOUNT, Act.MANAGE_ACCOUNTS, Act.ONBOARD
#: A route's rule, or the act that stands for "whoever may do this".
ROUTES = {
    ("GET", "/"): E,
    ("GET", "/robots.txt"): E,
    ("GET", "/manifest.webmanifest"): E,
    ("GET", "/ngoai-tuyen"): E,
    ("GET", "/sw.js"): E,
    ("GET", "/thiet-ke"): E,
    ("GET", "/static/<path:filename>"): E,
    ("GET", "/V/<path:code>"): C,
    ("GET", "/v/<path:code>"): C,
    ("GET", "/lookup"): E,
    ("POST", "/lookup"): T,
    ("GET", "/compare"): C,
    ("POST", "/compare"): T,
    ("GET", "/ket-qua"): E,
    ("POST", "/ket-qua"): C,
    ("GET", "/ket-qua/<number>"): Access.RESULT,
    ("GET", "/ket-qua/<number>/bao-cao.pdf"): Access.RESULT,
    ("GET", "/ket-qua/<number>/bao-cao.json"): Access.RESULT,
    ("GET", "/kiem-tra"): E,
    ("POST", "/kiem-tra"): F,
    ("GET", "/hoc-ba-mau"): D,
    ("GET", "/check"): E,
    ("POST", "/check"): F,
    ("POST", "/check/data"): F,
    ("GET", "/kiem-tra-nhieu"): E,
    ("POST", "/kiem-tra-nhieu"): F,
    ("POST", "/kiem-tra-nhieu/bang.xlsx"): Access.RESULT,
    ("GET", "/check/sample/<path:name>"): D,
    ("GET", "/demo/<path:name>"): D,
    ("GET", "/sign-in"): S,
    ("POST", "/sign-in/password"): S,
    ("POST", "/sign-in/passkey/options"): S,
    ("POST", "/sign-in/passkey"): S,
    ("GET", "/sign-in/first"): S,
    ("POST", "/sign-in/first"): S,
    ("POST", "/sign-in/openid"): S,
    ("GET", "/sign-in/openid/callback"): S,
    ("GET", "/sign-in/openid/trouble/<code>"): S,
    ("POST", "/account/openid"): OWN,
    ("POST", "/account/openid/remove"): OWN,
    ("POST", "/sign-out"): OWN,
    ("GET", "/work"): OWN,
    ("GET", "/account"): OWN,
    ("POST", "/account/password"): OWN,
    ("POST", "/account/app"): OWN,
    ("POST", "/account/app/confirm"): OWN,
    ("POST", "/account/passkey/options"): OWN,
    ("POST", "/account/passkey"): OWN,
    ("POST", "/account/passkey/<uuid:passkey>/remove"): OWN,
    ("POST", "/account/passkey/confirm"): OWN,
    ("POST", "/account/role"): OWN,
    ("POST", "/account/role/<uuid:membership>"): OWN,
    ("GET", "/demo-accounts"): D,
    ("GET", "/demo-accounts/key.js"): D,
    ("POST", "/account/sign-out-everywhere"): OWN,
    ("GET", "/people"): PEOPLE,
    ("POST", "/people"): PEOPLE,
    ("POST", "/people/<uuid:account>/invite"): PEOPLE,
    ("POST", "/people/roles/<uuid:membership>/end"): PEOPLE,
    ("GET", "/offices"): ONBOARD,
    ("GET", "/offices/<form>"): ONBOARD,
    ("POST", "/offices/known-school"): ONBOARD,
    ("POST", "/offices/school"): ONBOARD,
    ("POST", "/offices/agency"): ONBOARD,
    ("POST", "/offices/<code>/close"): ONBOARD,
    ("GET", "/offices/<code>/administrator"): ONBOARD,
    ("POST", "/offices/<code>/administrator"): ONBOARD,
    ("GET", "/offices/<code>/contact"): ONBOARD,
    ("POST", "/offices/<code>/contact"): ONBOARD,
    ("GET", "/alarms"): Act.SEE_ALARMS,
    ("POST", "/alarms/<int:number>"): Act.SEE_ALARMS,
    ("GET", "/statistics"): Act.SEE_STATISTICS,
    ("GET", "/classes"): Act.UPLOAD_CLASS,
    ("POST", "/classes"): Act.UPLOAD_CLASS,
    ("GET", "/classes/<uuid:key>"): Act.UPLOAD_CLASS,
    ("POST", "/classes/<uuid:key>/confirm"): Act.UPLOAD_CLASS,
    ("POST", "/classes/<uuid:key>/withdraw"): Act.UPLOAD_CLASS,
    ("POST", "/classes/<uuid:key>/signer"): Act.UPLOAD_CLASS,
    ("GET", "/classes/<uuid:key>/mistakes.xlsx"): Act.UPLOAD_CLASS,
    ("GET", "/classes/<uuid:key>/<record_id>/<int:version>/pdf"): Act.UPLOAD_CLASS,
    ("GET", "/progress"): Act.SEE_PROGRESS,
    ("GET", "/recall"): Act.RECALL,
    ("POST", "/recall"): Act.RECALL,
    ("POST", "/recall/many"): Act.RECALL,
    ("POST", "/recall/many/<uuid:key>"): Act.RECALL,
    ("GET", "/late-corrections"): Act.ASK_LATE_CORRECTION,
    ("POST", "/late-corrections"): Act.ASK_LATE_CORRECTION,
    ("GET", "/certificate"): Act.REGISTER_CERTIFICATE,
    ("POST", "/certificate"): Act.REGISTER_CERTIFICATE,
    ("GET", "/certificate/<uuid:key>/digests.json"): Act.REGISTER_CERTIFICATE,
    ("POST", "/certificate/<uuid:key>/possession"): Act.REGISTER_CERTIFICATE,
    ("GET", "/department/certificates"): Act.DECIDE_CERTIFICATES,
    ("POST", "/department/certificates/<uuid:key>"): Act.DECIDE_CERTIFICATES,
    ("GET", "/department/late-corrections"): Act.APPROVE_LATE_CORRECTION,
    ("POST", "/department/late-corrections/<uuid:key>"): Act.APPROVE_LATE_CORRECTION,
    ("GET", "/sign"): Act.SIGN_PART,
    ("GET", "/sign/part"): Act.SIGN_PART,
    ("POST", "/sign/order"): Act.SIGN_PART,
    ("GET", "/sign/orders/<uuid:key>/digests.json"): Act.SIGN_PART,
    ("POST", "/sign/orders/<uuid:key>/signatures"): Act.SIGN_PART,
    ("POST", "/sign/orders/<uuid:key>/give-up"): Act.SIGN_PART,
    ("GET", "/approve"): Act.APPROVE,
    ("GET", "/approve/part"): Act.APPROVE,
    ("POST", "/approve/order"): Act.APPROVE,
    ("GET", "/approve/orders/<uuid:key>/digests.json"): Act.APPROVE,
    ("POST", "/approve/orders/<uuid:key>/signatures"): Act.APPROVE,
    ("POST", "/approve/orders/<uuid:key>/give-up"): Act.APPROVE,
    ("GET", "/seal"): Act.SEAL,
    ("GET", "/seal/part"): Act.SEAL,
    ("POST", "/seal/order"): Act.SEAL,
    ("GET", "/seal/orders/<uuid:key>/digests.json"): Act.SEAL,
    ("POST", "/seal/orders/<uuid:key>/signatures"): Act.SEAL,
    ("POST", "/seal/orders/<uuid:key>/give-up"): Act.SEAL,
    ("GET", "/lock-dates"): Act.SET_LOCK_DATES,
    ("POST", "/lock-dates"): Act.SET_LOCK_DATES,
    ("GET", "/purposes"): Act.APPROVE_PURPOSES,
    ("POST", "/purposes"): Act.APPROVE_PURPOSES,
    ("POST", "/purposes/<name>/revoke"): Act.APPROVE_PURPOSES,
    ("GET", "/family/<uuid:key>/looks"): Act.SEE_OWN_RECORDS,
    ("GET", "/family/<uuid:key>/requests"): Act.MAKE_REQUESTS,
    ("GET", "/family/<uuid:key>/requests/new"): Act.MAKE_REQUESTS,
    ("POST", "/family/<uuid:key>/requests/new"): Act.MAKE_REQUESTS,
    ("GET", "/requests"): Act.ANSWER_REQUESTS,
    ("GET", "/requests/<uuid:key>"): Act.ANSWER_REQUESTS,
    ("POST", "/requests/<uuid:key>/acknowledge"): Act.ANSWER_REQUESTS,
    ("POST", "/requests/<uuid:key>/extend"): Act.ANSWER_REQUESTS,
    ("POST", "/requests/<uuid:key>/answer"): Act.ANSWER_REQUESTS,
    ("GET", "/hop-thu-demo"): D,
    ("GET", "/sign-in/family"): S,
    ("POST", "/sign-in/family"): S,
    ("POST", "/sign-in/family/code"): S,
    ("GET", "/sign-in/slip"): S,
    ("POST", "/sign-in/slip"): S,
    ("POST", "/sign-in/slip/birth"): S,
    ("POST", "/sign-in/slip/contact"): S,
    ("POST", "/sign-in/slip/code"): S,
    ("GET", "/family"): Act.SEE_OWN_RECORDS,
    ("GET", "/family/<uuid:key>/<record_id>/<int:version>"): Act.SEE_OWN_RECORDS,
    ("GET", "/family/<uuid:key>/<record_id>/<int:version>/pdf"): Act.SEE_OWN_RECORDS,
    ("GET", "/family/contact"): Act.SEE_OWN_RECORDS,
    ("POST", "/family/contact/stop"): Act.SEE_OWN_RECORDS,
    ("GET", "/family/<uuid:key>/consents"): Act.CONSENT,
    ("GET", "/family/<uuid:key>/consents/new"): Act.CONSENT,
    ("POST", "/family/<uuid:key>/consents/new"): Act.CONSENT,
    ("GET", "/family/<uuid:key>/consents/<uuid:consent>"): Act.CONSENT,
    ("POST", "/family/<uuid:key>/consents/<uuid:consent>/answer"): Act.CONSENT,
    ("GET", "/family/<uuid:key>/consents/<uuid:consent>/child"): Act.CONSENT,
    ("POST", "/family/<uuid:key>/consents/<uuid:consent>/child"): Act.CONSENT,
    ("GET", "/family/<uuid:key>/consents/<uuid:consent>/child/explained"): Act.CONSENT,
    ("GET", "/family/<uuid:key>/consents/<uuid:consent>/receipt"): Act.CONSENT,
    ("GET", "/family/<uuid:key>/consents/<uuid:consent>/receipt.json"): Act.CONSENT,
    ("GET", "/receipt"): E,
    ("POST", "/receipt"): T,
    ("GET", "/holders/consents"): Act.WITNESS_CONSENT,
    ("POST", "/holders/consents"): Act.WITNESS_CONSENT,
    ("GET", "/holders/<index>/consents"): Act.WITNESS_CONSENT,
    ("GET", "/holders/<index>/consents/<uuid:consent>"): Act.WITNESS_CONSENT,
    ("POST", "/holders/<index>/consents/<uuid:consent>"): Act.WITNESS_CONSENT,
    ("GET", "/share"): H,
    ("POST", "/share"): H,
    ("POST", "/share/opened"): H,
    ("POST", "/share/standing"): H,
    ("GET", "/received"): Act.ASK_CONSENT,
    ("GET", "/received/ask"): Act.ASK_CONSENT,
    ("POST", "/received/ask"): Act.ASK_CONSENT,
    ("GET", "/received/code"): Act.OPEN_SHARED,
    ("POST", "/received/code"): Act.OPEN_SHARED,
    ("GET", "/received/<uuid:consent>"): Act.OPEN_SHARED,
    ("POST", "/received/<uuid:consent>"): Act.OPEN_SHARED,
    ("POST", "/received/opened"): Act.OPEN_SHARED,
    ("GET", "/statutory"): Act.STATUTORY_ACCESS,
    ("POST", "/statutory"): Act.STATUTORY_ACCESS,
    ("GET", "/family/<uuid:key>/consents/<uuid:consent>/code"): Act.CONSENT,
    ("POST", "/family/<uuid:key>/consents/<uuid:consent>/code"): Act.CONSENT,
    ("POST", "/family/<uuid:key>/consents/<uuid:consent>/code/cancel"): Act.CONSENT,
    ("GET", "/holders"): Act.LINK_HOLDERS,
    ("POST", "/holders"): Act.LINK_HOLDERS,
    ("POST", "/holders/class"): Act.LINK_HOLDERS,
    ("GET", "/holders/<index>"): Act.LINK_HOLDERS,
    ("POST", "/holders/<index>/slip"): Act.LINK_HOLDERS,
    ("POST", "/holders/<index>/slip/<uuid:key>/cancel"): Act.LINK_HOLDERS,
    ("POST", "/holders/<index>/link/<uuid:key>/<what>"): Act.LINK_HOLDERS,
}


def declared(view: Callable[..., Any]) -> Access | Act | None:
    rule = rule_of(view)
    return None if rule is None else rule.act or rule.access


def test_every_route_has_its_rule(world: World) -> None:
    """SEC-17: written down twice, in the code and here."""
    found = {
        (method, route.rule): declared(world.app.view_functions[route.endpoint])
        for route in world.app.url_map.iter_rules()
        for method in (route.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert found == ROUTES


def test_a_route_without_a_rule_stops_the_start(world: World) -> None:
    """SEC-17."""
    refuse_unruled(world.app)
    world.app.add_url_rule("/moi", view_func=lambda: "x")
    with pytest.raises(LookupError, match="/moi: no access rule"):
        refuse_unruled(world.app)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "PURGE"])
def test_a_route_that_may_change_something_stops_the_start(world: World, method: str) -> None:
    """SEC-25: until there is something that protects it."""

    @allowed(Access.FILE)
    def change() -> str:
        return "x"

    world.app.add_url_rule("/moi", view_func=change, methods=["GET", method])
    with pytest.raises(LookupError, match=f"/moi: {method} without protection"):
        refuse_unruled(world.app)


def test_a_confirmed_form_that_would_be_lost_stops_the_start(world: World) -> None:
    """SEC-23: where the passkey is refused, what was typed stays."""

    @allowed(Access.ROLE, Act.RECALL)
    def change() -> str:
        return "x"

    world.app.add_url_rule("/moi", view_func=change, methods=["POST"])
    with pytest.raises(LookupError, match="/moi: what was typed is lost where the passkey is refused"):
        refuse_unruled(world.app)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_asking_is_done_by_post_alone(world: World, method: str) -> None:
    """SEC-25."""

    @allowed(Access.FILE, asks_only=True)
    def change() -> str:
        return "x"

    world.app.add_url_rule("/moi", view_func=change, methods=["POST", method])
    with pytest.raises(LookupError, match=f"/moi: {method} without protection"):
        refuse_unruled(world.app)


def test_demo_routes_are_refused_before_their_view(tmp_path_factory: pytest.TempPathFactory,
                                                   issued_stock: Stock) -> None:  # fmt: skip
    """SEC-17: the rule is asked, whatever the view would do."""
    for demo, status in (("0", 404), ("1", 200)):
        world = build(tmp_path_factory.mktemp("demo") / "i", issued_stock, DEMO=demo)
        for endpoint in ("home.sample", "uploads.check_sample"):
            world.app.view_functions[endpoint] = allowed(Access.DEMO)(lambda name: name)
        for path in ("/demo/x.pdf", "/check/sample/x.pdf", "/hoc-ba-mau"):
            assert world.client.get(path).status_code == status


def everything(engine: Engine, *, but: frozenset[str]) -> Iterator[tuple[str, tuple[object, ...]]]:
    """Every row of every table."""
    tables = MetaData()
    tables.reflect(engine)
    with engine.connect() as connection:
        for table in tables.sorted_tables:
            if table.name not in but:
                for row in connection.execute(table.select()):
                    yield table.name, tuple(row)


def test_what_a_strange_site_sends_changes_nothing(world: World) -> None:
    """SEC-25: cross-site variants of every form leave every table as it was, but for the counted tries and
    the answers that are kept under numbers which a strange page never reads; there is no session that could
    be written, and no answer that a strange page could read.
    """
    app: Flask = world.app
    bundle: Resources = app.extensions["portal"]
    counted = frozenset({"match_attempts", "check_results"})
    before = sorted(map(str, everything(bundle.engine, but=counted)))
    assert len(before) > 10
    strange = (
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
        {"Referer": "https://evil.example/"},
    )
    file = world.primary.file
    for headers in strange:
        world.clock.time += timedelta(hours=1)  # wrong tries are allowed again
        forms = {
            "/lookup": typed_form(world.primary, nam="1999"),
            "/compare": paper_form(world.primary, ho_va_ten="Ai đó"),
            "/receipt": {"number": "0" * 32},
        }
        sent = [(path, {**form}) for path, form in forms.items()]
        for path, form in sent:
            answer = world.client.post(path, data=form, content_type="multipart/form-data", headers=headers)
            assert answer.status_code == (422 if path == "/receipt" else 200)
            assert "Access-Control-Allow-Origin" not in answer.headers
        for path in ("/kiem-tra", "/kiem-tra-nhieu", "/check", "/check/data"):
            for content in (file, b"%PDF-1.7 other"):
                data = {"file": (io.BytesIO(content), "x.pdf")}
                if (path, content) != ("/check/data", file):
                    answer = world.client.post(path, data=data, headers=headers)
                    assert answer.status_code in (200, 422)
                    assert "Access-Control-Allow-Origin" not in answer.headers
    assert sorted(map(str, everything(bundle.engine, but=counted))) == before
    assert app.secret_key is None
    asking = {path for (method, path), rule in ROUTES.items() if method == "POST" and rule in (T, F)}
    assert asking == {*forms, "/kiem-tra", "/kiem-tra-nhieu", "/check", "/check/data"}
