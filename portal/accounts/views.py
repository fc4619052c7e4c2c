"""Pages of signing in, of the own account, and of an organisation's people."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from io import BytesIO
from typing import Any, Final

import qrcode
from flask import Blueprint, Response, current_app, redirect, request
from qrcode.image.svg import SvgPathImage
from werkzeug.wrappers import Response as AnyResponse

from portal.accounts import credentials, passkeys, service, sessions
from portal.accounts.doorkeeper import relying_party
from portal.accounts.forms import ROLE_NAMES, read_person
from portal.accounts.models import Account, AccountKind
from portal.errors import Refusal, marked
from portal.extensions import reading, resources, transaction
from portal.limits.table import WRONG_SIGN_IN
from portal.permissions import CONFIRMED, ROLES_OF, Act, OrganisationKind, Role, confirms, needs_passkey
from portal.trust import store as trust
from portal.web import confirmation
from portal.web.access import SIGN_IN_PAGE, Access, allowed, rule_of
from portal.web.forms import messages, said, to
from portal.web.i18n import gettext, language, link
from portal.web.limits import admit, charge
from portal.web.requests import Mistake, Rejection
from portal.web.sessions import (
    PASSKEY_FIELD,
    form_token,
    hand_over,
    known_browser,
    own_office,
    page,
    remember_browser,
    session_token,
    take_back,
    viewer,
)
from verifier.errors import InvalidInput
from verifier.words import VIETNAM, day

accounts = Blueprint("accounts", __name__)

WORK: Final = "/work"
ACCOUNT: Final = "/account"
PEOPLE: Final = "/people"

_WRONG: Final = marked("E-mail, mật khẩu hoặc mã của ứng dụng không đúng")
_WRONG_PASSKEY: Final = marked("Khoá truy cập này không đăng nhập được. Hãy thử lại hoặc chọn khoá khác")
_WRONG_CODE: Final = marked("E-mail hoặc mã mời không đúng, hoặc mã đã hết hạn")


# ------------------------------------------------------------------------------------------------- signing in


@accounts.get(SIGN_IN_PAGE)
@allowed(Access.SIGN_IN)
def sign_in() -> Response:
    """The doors: families on one side, staff on the other."""
    return _sign_in({}, {})


@accounts.post("/sign-in/password")
@allowed(Access.SIGN_IN)
def sign_in_by_password() -> AnyResponse:
    """Staff: e-mail, password and the code of the authenticator app, all in one."""
    admit(WRONG_SIGN_IN)
    bundle = resources()
    form = request.form
    try:
        token = service.sign_in_by_password(
            transaction,
            bundle.vault,
            form.get("email", ""),
            form.get("password", ""),
            form.get("app_code", ""),
            known=known_browser(),
            replaces=session_token(),
            now=bundle.clock.now(),
        )
    except Refusal as refused:
        return _sign_in(form, {"email": said(refused)}, 422)
    if token is None:
        charge(WRONG_SIGN_IN)
        return _sign_in(form, {"email": gettext(_WRONG)}, 422)
    return _signed_in(token, WORK)


@accounts.post("/sign-in/passkey/options")
@allowed(Access.SIGN_IN)
def ask_passkey() -> Response:
    """The question that a passkey answers to sign in; the same for everyone."""
    admit(WRONG_SIGN_IN)
    bundle = resources()
    party = relying_party(bundle.settings)
    return _json(passkeys.begin_sign_in(bundle.vault, party, browser=form_token(), now=bundle.clock.now()))


@accounts.post("/sign-in/passkey")
@allowed(Access.SIGN_IN)
def sign_in_by_passkey() -> AnyResponse:
    """A passkey's answer: who it belongs to is signed in."""
    admit(WRONG_SIGN_IN)
    bundle, error = resources(), ""
    with transaction() as session:
        try:
            token = passkeys.sign_in(
                session,
                bundle.vault,
                relying_party(bundle.settings),
                request.form.get(PASSKEY_FIELD, ""),
                browser=form_token(),
                replaces=session_token(),
                now=bundle.clock.now(),
            )
        except Refusal as refused:
            token, error = None, said(refused)
    if token is None:
        charge(WRONG_SIGN_IN)
        return _sign_in(request.form, {"passkey": error or gettext(_WRONG_PASSKEY)}, 422)
    return _signed_in(token, WORK)


@accounts.get("/sign-in/first")
@allowed(Access.SIGN_IN)
def first() -> Response:
    """The first sign-in of staff, with the code of an invitation."""
    return page("accounts/first.html", {"values": {}, "errors": {}})


@accounts.post("/sign-in/first")
@allowed(Access.SIGN_IN)
def sign_in_by_invitation() -> AnyResponse:
    """E-mail and code of an invitation: leads to the own account, where a way of signing in is set up."""
    admit(WRONG_SIGN_IN)
    bundle = resources()
    form = request.form
    error = gettext(_WRONG_CODE)
    try:
        with transaction() as session:
            token = service.sign_in_by_invitation(
                session,
                bundle.vault,
                form.get("email", ""),
                form.get("code", ""),
                replaces=session_token(),
                now=bundle.clock.now(),
            )
    except Refusal as refused:
        token, error = None, said(refused)
    if token is None:
        charge(WRONG_SIGN_IN)
        return page("accounts/first.html", {"values": form, "errors": {"email": error}}, 422)
    return hand_over(to(ACCOUNT), token)


@accounts.post("/sign-out")
@allowed(Access.ROLE, Act.OWN_ACCOUNT)
def sign_out() -> AnyResponse:
    """End this session."""
    with transaction() as session:
        sessions.end(session, session_token(), now=resources().clock.now())
    return take_back(to("/"))


def _sign_in(values: Mapping[str, str], errors: Mapping[str, str], status: int = 200) -> Response:
    wanted = own_path(values.get("next", "") or request.args.get("next", ""))
    # What was typed stays, but for the secrets.
    kept = {"email": values.get("email", "")}
    context = {"values": kept, "errors": errors, "next": wanted, "openid": _openid_kinds(), "passkeys": True}
    return page("accounts/sign_in.html", context, status, here=SIGN_IN_PAGE)


def _signed_in(token: str, otherwise: str) -> AnyResponse:
    """On to where the person wanted to go; the browser is one of theirs from now on."""
    bundle = resources()
    wanted = own_path(request.form.get("next", "")) or link(otherwise, language())
    response = hand_over(redirect(wanted, 303), token)
    with transaction() as session:
        found = sessions.find(session, bundle.vault, token, now=bundle.clock.now())
        staff = found is not None and found.kind is AccountKind.STAFF
        known = (
            service.remembered(session, bundle.vault, found.account, known_browser())
            if found is not None and staff
            else None
        )
    return response if known is None else remember_browser(response, known)


def _openid_kinds() -> dict[str, str]:
    """Kind of account -> name of the OpenID provider it may sign in by."""
    provider = resources().openid
    return {} if provider is None else {k.value: provider.name for k in AccountKind if provider.offered(k)}


def own_path(text: str) -> str:
    """A path on this portal, empty for anything that might lead elsewhere."""
    strange = not text.startswith("/") or text.startswith("//") or "\\" in text or not text.isprintable()
    return "" if strange else text


# ------------------------------------------------------------------------------------------- the own account


@accounts.get(ACCOUNT)
@allowed(Access.ROLE, Act.OWN_ACCOUNT)
def own_account() -> Response:
    """Ways of signing in, roles, sessions."""
    return _account_page({})


@accounts.post("/account/password")
@allowed(Access.ROLE, Act.OWN_ACCOUNT)
def set_password() -> AnyResponse:
    """A password of one's own; every other session ends."""
    bundle, form = resources(), request.form
    me = viewer()
    try:
        service.set_password(
            transaction,
            bundle.vault,
            me.account,
            form.get("current", ""),
            form.get("password", ""),
            session_id=me.session,
            now=bundle.clock.now(),
        )
    except InvalidInput as mistakes:
        return _account_page(messages(mistakes), 422)
    except Refusal as refused:
        return _account_page({"current": said(refused)}, 422)
    return to(ACCOUNT)


@accounts.post("/account/app")
@allowed(Access.ROLE, Act.OWN_ACCOUNT)
def begin_app() -> AnyResponse:
    """A new secret for an authenticator app."""
    bundle = resources()
    with transaction() as session:
        service.begin_app(session, bundle.vault, viewer().account, now=bundle.clock.now())
    return to(ACCOUNT)


@accounts.post("/account/app/confirm")
@allowed(Access.ROLE, Act.OWN_ACCOUNT)
def confirm_app() -> AnyResponse:
    """The first code of a new app: from now on it counts."""
    bundle, me = resources(), viewer()
    with transaction() as session:
        right = service.confirm_app(
            session,
            bundle.vault,
            me.account,
            request.form.get("app_code", ""),
            session_id=me.session,
            now=bundle.clock.now(),
        )
    if not right:
        wrong = gettext("Mã không đúng. Mã đổi sau mỗi 30 giây; hãy xem giờ của điện thoại có đúng không")
        return _account_page({"app_code": wrong}, 422)
    return to(ACCOUNT)


@accounts.post("/account/passkey/options")
@allowed(Access.ROLE, Act.OWN_ACCOUNT)
def begin_passkey() -> Response:
    """The question that a new passkey answers."""
    bundle, me = resources(), viewer()
    try:
        with transaction() as session:
            options = passkeys.begin_new(
                session,
                bundle.vault,
                relying_party(bundle.settings),
                me.account,
                session_id=me.session,
                now=bundle.clock.now(),
            )
    except Refusal as refused:
        raise _turned_away(refused) from None
    return _json(options)


@accounts.post("/account/passkey")
@allowed(Access.ROLE, Act.OWN_ACCOUNT)
def add_passkey() -> AnyResponse:
    """Keep the new passkey; every other session ends."""
    bundle, me, form = resources(), viewer(), request.form
    try:
        with transaction() as session:
            added = passkeys.add(
                session,
                relying_party(bundle.settings),
                me.account,
                form.get(PASSKEY_FIELD, ""),
                form.get("label", "").strip() or gettext("Khoá của tôi"),
                session_id=me.session,
                now=bundle.clock.now(),
            )
    except Refusal as refused:
        field = "passkeys" if refused.code == "weak_session" else "label"
        return _account_page({field: said(refused)}, 422)
    if not added:
        return _account_page({"label": gettext("Chưa tạo được khoá. Hãy thử lại.")}, 422)
    return to(ACCOUNT)


@accounts.post("/account/passkey/<uuid:passkey>/remove")
@allowed(Access.ROLE, Act.OWN_ACCOUNT)
def remove_passkey(passkey: uuid.UUID) -> AnyResponse:
    """Take a passkey back; every other session ends."""
    me = viewer()
    try:
        with transaction() as session:
            passkeys.remove(
                session,
                me.account,
                passkey,
                sure="sure" in request.form,
                session_id=me.session,
                now=resources().clock.now(),
            )
    except Refusal as refused:
        return _account_page({"passkeys": said(refused)}, 422)
    return to(ACCOUNT)


@accounts.post("/account/passkey/confirm")
@allowed(Access.ROLE, Act.OWN_ACCOUNT)
def ask_confirmation() -> Response:
    """The question that a passkey answers to confirm a form: ``for`` is where it goes, ``fields`` what is in
    it.
    """
    bundle, me = resources(), viewer()
    address = request.form.get("for", "")
    endpoint = confirmation.endpoint_of(address)
    rule = None if endpoint is None else rule_of(current_app.view_functions[endpoint])
    if rule is None or rule.act not in CONFIRMED or not me.may(rule.act):
        raise Rejection(403, "not_yours")
    what = confirmation.of_form(rule.act, address, request.form.get("fields", ""))
    with transaction() as session:
        options = passkeys.begin_confirmation(
            session,
            relying_party(bundle.settings),
            me.account,
            what,
            session_id=me.session,
            now=bundle.clock.now(),
        )
    return _json(options)


@accounts.post("/account/role")
@allowed(Access.ROLE, Act.OWN_ACCOUNT)
def act_as() -> AnyResponse:
    """Act in another role of one's own: a session of its own."""
    bundle, me = resources(), viewer()
    try:
        membership = uuid.UUID(request.form.get("membership", ""))
        with transaction() as session:
            method, since = sessions.proof_of(session, me.session)
            token = service.act_as(
                session,
                me.account,
                method,
                membership,
                replaces=session_token(),
                since=since,
                now=bundle.clock.now(),
            )
    except ValueError:
        return _account_page({"membership": gettext("Chọn một vai trò trong danh sách.")}, 422)
    except Refusal as refused:
        return _account_page({"membership": said(refused)}, 422)
    return hand_over(to(WORK), token)


@accounts.post("/account/role/<uuid:membership>")
@allowed(Access.ROLE, Act.OWN_ACCOUNT)
def answer_offer(membership: uuid.UUID) -> AnyResponse:
    """Accept a role that another organisation offers, or decline it."""
    me = viewer()
    try:
        with transaction() as session:
            service.answer_offer(
                session,
                me.account,
                membership,
                yes=request.form.get("answer") == "yes",
                actor=me.actor,
                now=resources().clock.now(),
            )
    except Refusal as refused:
        return _account_page({"offers": said(refused)}, 422)
    return to(ACCOUNT)


@accounts.post("/account/sign-out-everywhere")
@allowed(Access.ROLE, Act.OWN_ACCOUNT)
def sign_out_everywhere() -> AnyResponse:
    """End every session of this person, on every device, this one too."""
    now = resources().clock.now()
    with transaction() as session:
        sessions.end_all(session, viewer().account, now=now, but=viewer().session)
        sessions.end(session, session_token(), now=now)
    return take_back(to(SIGN_IN_PAGE))


def _account_page(errors: Mapping[str, str], status: int = 200) -> Response:
    bundle, me = resources(), viewer()
    now = bundle.clock.now()
    with reading() as session:
        account = session.get_one(Account, me.account)
        method, _ = sessions.proof_of(session, me.session)
        secret = credentials.app_secret(session, bundle.vault, account)
        ways = service.ways(session, me.account)
        last_needed = passkeys.is_last_needed(session, me.account, now=now)
        by_code = passkeys.comes_by_code(session, me.account, session_id=me.session, now=now)
        given = service.roles_given(session, me.account, now=now)
        roles = service.roles_held(session, me.account, method, now=now)
        offers = service.offers(session, me.account, now=now)
    context = {
        "errors": errors,
        "ways": ways,
        "openid": _openid_kinds().get(AccountKind(account.kind)),
        "last_needed": last_needed,
        "needs_passkey": any(needs_passkey(role) for role in given),
        "confirms": any(confirms(role) for role in given),
        "by_code": by_code,
        "dates": {
            at: day(at.astimezone(VIETNAM), language())
            for known in ways.passkeys
            for at in (known.added_at, known.used_at)
            if at is not None
        },
        "passkeys": True,
        "staff": me.role is not Role.HOLDER,
        "roles": [(held, _role_name(held.role)) for held in roles],
        "offers": [(each, _role_name(each.role)) for each in offers],
        "secret": None if secret is None else " ".join(secret[i : i + 4] for i in range(0, len(secret), 4)),
        "app_qr": None if secret is None else _drawn(_app_address(secret, me.name)),
    }
    return page("accounts/account.html", context, status, here=ACCOUNT)


def _app_address(secret: str, name: str) -> str:
    return credentials.app_address(secret, name, resources().settings.system_name)


def _drawn(text: str) -> str:
    """A QR code as the path of an SVG; nothing of it leaves the page."""
    code = qrcode.QRCode(error_correction=qrcode.ERROR_CORRECT_M, border=2)
    code.add_data(text)
    drawing = BytesIO()
    code.make_image(image_factory=SvgPathImage).save(drawing)
    return drawing.getvalue().decode().partition("?>")[2]


# ----------------------------------------------------------------------------------- an organisation's people


@accounts.get(PEOPLE)
@allowed(Access.ROLE, Act.MANAGE_ACCOUNTS)
def people() -> Response:
    """Who has which role, and the form to invite somebody."""
    return _people_page({}, {})


@accounts.post(PEOPLE)
@allowed(Access.ROLE, Act.MANAGE_ACCOUNTS, again=lambda errors: _people_page(request.form, errors))
def invite() -> AnyResponse:
    """Give somebody roles; a person who is new here gets a code."""
    bundle, me = resources(), viewer()
    new = read_person(request.form, request.form.getlist("roles"))
    try:
        with transaction() as session:
            service.invite(session, bundle.vault, own_office(), new, actor=me.actor, now=bundle.clock.now())
    except InvalidInput as mistakes:
        return _people_page(request.form, messages(mistakes), 422)
    return to(PEOPLE)


@accounts.post("/people/<uuid:account>/invite")
@allowed(Access.ROLE, Act.MANAGE_ACCOUNTS, again=lambda errors, account: _people_page({}, errors))
def invite_again(account: uuid.UUID) -> AnyResponse:
    """A new code for somebody who did not use theirs, or lost every way of signing in."""
    bundle = resources()
    try:
        with transaction() as session:
            service.invite_again(
                session, bundle.vault, own_office(), account, actor=viewer().actor, now=bundle.clock.now()
            )
    except Refusal as refused:
        return _people_page({}, {"people": said(refused)}, 422)
    return to(PEOPLE)


@accounts.post("/people/roles/<uuid:membership>/end")
@allowed(Access.ROLE, Act.MANAGE_ACCOUNTS, again=lambda errors, membership: _people_page({}, errors))
def end_role(membership: uuid.UUID) -> AnyResponse:
    """Take a role back."""
    try:
        with transaction() as session:
            service.end_role(
                session, own_office(), membership, actor=viewer().actor, now=resources().clock.now()
            )
    except Refusal as refused:
        return _people_page({}, {"people": said(refused)}, 422)
    return to(PEOPLE)


def _people_page(values: Mapping[str, Any], errors: Mapping[str, str], status: int = 200) -> Response:
    me = viewer()
    with reading() as session:
        members = service.members(session, resources().vault, own_office())
        kind = me.organisation_kind
        of_school = kind is OrganisationKind.SCHOOL
        contact = trust.listed_contact(session, own_office()) if of_school else None
    given = sorted(ROLES_OF[kind], key=list(Role).index) if kind is not None else []
    context = {
        "values": values,
        "errors": errors,
        "chosen": request.form.getlist("roles"),
        "members": members,
        "contact": contact,
        "passkeys": True,
        "given": [(role.value, _role_name(role)) for role in given],
        "role_names": {role.value: _role_name(role) for role in Role},
    }
    return page("accounts/people.html", context, status, here=PEOPLE)


# ------------------------------------------------------------------------------------------------- in common


def _json(content: Mapping[str, Any]) -> Response:
    return Response(json.dumps(content), content_type="application/json")


def _turned_away(refused: Refusal) -> Rejection:
    """A refusal as the answer to a script, which shows its sentences."""
    mistakes = (Mistake("passkey", part) for part in (refused.message, refused.hint) if part)
    return Rejection(403, refused.code, tuple(mistakes))


def _role_name(role: Role | None) -> str:
    return "" if role is None else gettext(ROLE_NAMES[role])
