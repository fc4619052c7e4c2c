"""Every route that shows something behind a basis × every role, own and other organisation × every basis that
stands, never was, waits, was refused, is over, taken back, used up, in dispute or without its link (SEC-18,
SEC-19): content for the right viewer on a live basis, and for nobody else.

One table says what is expected; a route of these kinds without a row fails, so does a row without a route.
"""

from __future__ import annotations

import html
import io
import uuid
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Final

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from portal.accounts import holders
from portal.accounts.models import PupilLink
from portal.consent import disclosing, parties, service
from portal.consent.disclosing import Opening
from portal.consent.purposes import Duty
from portal.consent.service import Said
from portal.filestore import name_of
from portal.permissions import PERMITTED, RECEIVING, Act, Role, may
from portal.registry import service as registry
from portal.registry.models import RegisteredFile
from portal.web.access import Access, rule_of
from tests.conftest import ACTOR
from tests.portal.accounts.world import HOME, People, Visitor, kind_of
from tests.portal.consent.world import done
from tests.portal.families.test_consents import Family
from tests.portal.receiving.scene import MARKS, Scene, birth
from tests.portal.web.world import World
from verifier.locator import Locator, new_share_code


class Basis(StrEnum):
    """How what somebody relies on stands at the moment of the request."""

    LIVE = "live"
    MISSING = "missing"  # no such consent, code or version
    WAITING = "waiting"  # for the child's yes
    REFUSED = "refused"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    USED_UP = "used up"
    SUSPENDED = "suspended"  # it is in dispute who may speak
    ENDED = "ended"  # the family's link
    LAPSED = "lapsed"  # the family's link, before the worker has seen it


@dataclass(frozen=True, slots=True)
class Case:
    """What there is to rely on: a question of the school ``away``, and a sharing with its code."""

    scene: Scene
    asked: uuid.UUID
    asked_opening: Opening
    shared: uuid.UUID
    code: str
    code_opening: Opening
    held: Locator

    def seal(self, visitor: Visitor, opening: Opening) -> str:
        """One that is right for the visitor's own browser, so that it alone keeps nobody out."""
        browser = sha256(b"browser/1 " + visitor.token.encode()).hexdigest()
        text = f"{opening.consent.hex}/{opening.number}/{browser}"
        mac = self.scene.bundle.vault.blind_index(text, domain="opening")
        return f"{opening.consent.hex}.{opening.number}.{mac}"


Send = Callable[[str, Case, Visitor], TestResponse]


@dataclass(frozen=True, slots=True)
class Row:
    """``who`` is shown content at a route while the basis is one of ``live``; ``mark`` is in it."""

    method: str
    rule: str
    who: frozenset[str]
    live: frozenset[Basis]
    send: Send
    mark: str = ""  # the pupil's name


# ------------------------------------------------------------------------------------------------ the table

EVERYONE: Final = frozenset(
    {"mother", "another family", "nobody"}
    | {f"{role} {where}" for role in Role if role is not Role.HOLDER for where in ("home", "away")}
)
NOBODY: Final = frozenset[str]()
MOTHER: Final = frozenset({"mother"})
ASKER: Final = frozenset({f"{Role.RECEIVING_OFFICER} away"})
RECEIVERS: Final = frozenset(
    f"{role} {where}" for role in (Role.RECEIVING_OFFICER, Role.AGENCY_OFFICER) for where in ("home", "away")
)
LAWFUL: Final = RECEIVERS | {f"{Role.DEPARTMENT_OFFICER} {where}" for where in ("home", "away")}

LIVE: Final = frozenset({Basis.LIVE})
#: What was opened for its one time stays open: it is the same look (SEC-19).
OPEN: Final = LIVE | {Basis.USED_UP}
#: The family's own link stands, whatever became of a consent.
LINK: Final = frozenset(Basis) - {Basis.SUSPENDED, Basis.ENDED, Basis.LAPSED}
HISTORY: Final = LINK - {Basis.MISSING}
#: What is over is said to a child without a word about them.
CHILD: Final = frozenset({Basis.LIVE, Basis.WAITING})
#: A duty of law rests on the record that is held, not on the family's word.
HELD: Final = frozenset(Basis) - {Basis.MISSING}

_YEARS: Final = "2025–2026"
_DUTIES: Final = {Role.AGENCY_OFFICER: Duty.AGENCY_DUTY, Role.DEPARTMENT_OFFICER: Duty.SECTOR_DUTY}


def _path(rule: str, case: Case) -> str:
    consent = case.shared if "/code" in rule else case.asked
    for name, value in (
        ("<uuid:key>", case.scene.link),
        ("<uuid:consent>", consent),
        ("<record_id>", case.held.record_id),
        ("<int:version>", 1),
    ):
        rule = rule.replace(name, str(value))
    return rule


def plainly(rule: str, case: Case, visitor: Visitor) -> TestResponse:
    return visitor.get(_path(rule, case))


def empty_form(rule: str, case: Case, visitor: Visitor) -> TestResponse:
    return visitor.post(_path(rule, case))


def pair(rule: str, case: Case, visitor: Visitor) -> TestResponse:
    return visitor.post(rule, {"code": case.code, **birth(case.scene.issued)})


def again(kind: str, *, by_code: bool) -> Send:
    def send(rule: str, case: Case, visitor: Visitor) -> TestResponse:
        opening = case.code_opening if by_code else case.asked_opening
        form = {"opening": case.seal(visitor, opening), "as": kind, "record": "0"}
        return visitor.post(rule, form)

    return send


def claim(rule: str, case: Case, visitor: Visitor) -> TestResponse:
    duty = _DUTIES.get(visitor.person.role, Duty.RECEIVING_SCHOOL)
    form = {"duty": duty.value, "preset": "result", "reference": "CT-3/2026", "code": str(case.held)}
    send = visitor.confirm if may(visitor.person.role, Act.STATUTORY_ACCESS) else visitor.post
    return send(rule, form)


_FAMILY: Final = "/family/<uuid:key>"
_CONSENT: Final = f"{_FAMILY}/consents/<uuid:consent>"
_RECORD: Final = f"{_FAMILY}/<record_id>/<int:version>"
_KINDS: Final = ("page", "json", "xlsx", "pdf")

ROWS: Final = (
    # By the family's consent, for the organisation that asked.
    # Who used up a consent may open it once more as long as it lies open: a form comes twice.
    Row("POST", "/received/<uuid:consent>", ASKER, OPEN, empty_form),
    *(Row("POST", "/received/opened", ASKER, OPEN, again(kind, by_code=False)) for kind in _KINDS),
    Row("POST", "/received/opened", NOBODY, OPEN, again("json", by_code=True)),
    # By the family's code, for whoever has it.
    Row("POST", "/received/code", RECEIVERS, LIVE, pair),
    Row("POST", "/share", EVERYONE, LIVE, pair),
    *(Row("POST", "/share/opened", EVERYONE, OPEN, again(kind, by_code=True)) for kind in _KINDS),
    Row("POST", "/share/opened", NOBODY, OPEN, again("json", by_code=False)),
    Row("POST", "/share/standing", EVERYONE, OPEN, again("", by_code=True), '"stands":true'),
    Row("POST", "/share/standing", ASKER, OPEN, again("", by_code=False), '"stands":true'),
    # By a duty of law.
    Row("POST", "/statutory", LAWFUL, HELD, claim),
    # By the family's own link.
    Row("GET", "/family", MOTHER, LINK, plainly),
    Row("GET", _RECORD, MOTHER, LINK, plainly),
    Row("GET", f"{_RECORD}/pdf", MOTHER, LINK, plainly),
    Row("GET", f"{_FAMILY}/looks", MOTHER, LINK, plainly),
    Row("GET", f"{_FAMILY}/consents", MOTHER, LINK, plainly),
    Row("GET", f"{_FAMILY}/consents/new", MOTHER, LINK, plainly),
    Row("POST", f"{_FAMILY}/consents/new", MOTHER, LINK, empty_form),
    Row("GET", _CONSENT, MOTHER, HISTORY, plainly),
    Row("POST", f"{_CONSENT}/answer", MOTHER, HISTORY, empty_form),
    Row("GET", f"{_CONSENT}/child", MOTHER, CHILD, plainly),
    Row("GET", f"{_CONSENT}/child/explained", MOTHER, CHILD, plainly),
    Row("POST", f"{_CONSENT}/child", MOTHER, CHILD, empty_form),
    Row("GET", f"{_CONSENT}/receipt", MOTHER, HISTORY, plainly, _YEARS),
    Row("GET", f"{_CONSENT}/receipt.json", MOTHER, HISTORY, plainly, "2025-2026"),
    Row("GET", f"{_CONSENT}/code", MOTHER, HISTORY, plainly, _YEARS),
    Row("POST", f"{_CONSENT}/code", MOTHER, HISTORY, empty_form, _YEARS),
    # Forms and states, which hold nothing of a pupil for anybody; the last one ends the sharing.
    Row("GET", "/share", NOBODY, LIVE, plainly),
    Row("GET", "/received", NOBODY, LIVE, plainly),
    Row("GET", "/received/ask", NOBODY, LIVE, plainly),
    Row("POST", "/received/ask", NOBODY, LIVE, empty_form),
    Row("GET", "/received/<uuid:consent>", NOBODY, LIVE, plainly),
    Row("GET", "/received/code", NOBODY, LIVE, plainly),
    Row("GET", "/statutory", NOBODY, LIVE, plainly),
    Row("GET", "/family/contact", NOBODY, LIVE, plainly),
    Row("POST", "/family/contact/stop", NOBODY, LIVE, empty_form),
    Row("POST", f"{_CONSENT}/code/cancel", NOBODY, LIVE, empty_form),
)
_BEHIND_A_BASIS: Final = RECEIVING | {Act.SEE_OWN_RECORDS, Act.CONSENT}


def test_every_such_route_has_its_row(world: World) -> None:
    """SEC-18: also the one that is added tomorrow."""
    there = set()
    for route in world.app.url_map.iter_rules():
        rule = rule_of(world.app.view_functions[route.endpoint])
        if rule is not None and (rule.access is Access.SHARED or rule.act in _BEHIND_A_BASIS):
            methods = (route.methods or set()) - {"HEAD", "OPTIONS"}
            there |= {(method, route.rule) for method in methods}
    assert {(row.method, row.rule) for row in ROWS} == there


# ----------------------------------------------------------------------------------------------- the trials


@pytest.mark.parametrize("basis", Basis)
def test_content_is_for_the_right_viewer_on_a_live_basis(world: World, people: People, basis: Basis) -> None:
    """SEC-18, SEC-19. Whoever has no role for the act is tried where most would be shown: nothing of theirs
    depends on the basis.
    """
    scene = Scene(world, people)
    case = stand(scene, basis)
    visitors = everybody(scene)
    assert set(visitors) == EVERYONE
    name = str(scene.issued.data["ho_va_ten"])
    wrong = []
    for row in ROWS:
        act = act_of(world, row)
        for who, visitor in visitors.items():
            if basis is not Basis.LIVE and not has_role(act, who, visitor):
                continue
            answer = row.send(row.rule, case, visitor)
            assert answer.status_code in (200, 303, 401, 403, 404, 422), (row.rule, who)
            shown = is_shown(answer, row.mark or name, scene.issued.file)
            if shown != (who in row.who and basis in row.live):
                wrong.append((row.method, row.rule, who, answer.status_code, shown))
    assert wrong == []


def act_of(world: World, row: Row) -> Act | None:
    """What a row's route asks of a role; None where everybody may ask."""
    (endpoint,) = {
        route.endpoint
        for route in world.app.url_map.iter_rules()
        if route.rule == row.rule and row.method in (route.methods or set())
    }
    rule = rule_of(world.app.view_functions[endpoint])
    assert rule is not None
    return rule.act


def has_role(act: Act | None, who: str, visitor: Visitor) -> bool:
    """Whether a visitor gets as far as the question of the basis."""
    return act is None or (who != "nobody" and act in PERMITTED[visitor.person.role])


def is_shown(answer: TestResponse, mark: str, file: bytes) -> bool:
    """Whether the answer holds content, whatever kind of file it is."""
    data = answer.data
    if data == file:
        return True
    if data.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(data)) as parts:
            data = b"".join(parts.read(part) for part in parts.namelist())
    return mark in html.unescape(data.decode("utf-8", "replace"))


def everybody(scene: Scene) -> dict[str, Visitor]:
    """Each with a browser and an address of their own, signed in now."""
    found = {
        f"{role} {'away' if away else 'home'}": scene.people.sign_in(role, away=away)
        for role in Role
        if role is not Role.HOLDER
        for away in (False, True)
    }
    found["another family"] = Family(scene.world, scene.people, scene.world.second).holder()
    found["mother"] = mother = scene.people.sign_in(Role.HOLDER)
    found["nobody"] = nobody = Visitor(scene.world.app, mother.person, "a form's cookie, and no session")
    nobody.client = scene.world.client
    nobody.client.set_cookie("form", nobody.token, domain="127.0.0.1", path="/")
    for number, visitor in enumerate(found.values(), 1):
        visitor.client.environ_base["REMOTE_ADDR"] = f"192.0.2.{number}"
    return found


def stand(scene: Scene, basis: Basis) -> Case:
    """A question and a sharing, in the state that is wanted."""
    store(scene)
    nothing = Opening(uuid.UUID(int=7), 1)
    code = new_share_code("C", b"\x07" * 5)
    held = scene.issued.locator
    if basis is Basis.MISSING:
        held = Locator(held.record_id, b"\0" * 32)
        return Case(scene, nothing.consent, nothing, nothing.consent, code, nothing, held)
    wish = replace(MARKS, once=basis is Basis.USED_UP, pdf=True)
    bundle, clock = scene.bundle, scene.world.clock
    asker = scene.people.person(Role.RECEIVING_OFFICER, away=True)
    account, index = scene.mother.person.account, scene.index(scene.issued)
    with Session(bundle.engine) as session, session.begin():
        staff = parties.staff(session, asker.account, asker.role, asker.organisation)
        records = [record.key for record in registry.issued(session, pupils=[index])]
        now = clock.now()
        asked = done(
            service.ask(
                session, bundle.vault, staff=staff, locator=held, reference="HS-15/2026", wish=wish, now=now
            )
        ).consent
        shared = done(
            service.offer(
                session, bundle.vault, account=account, pupil=index, records=records, wish=wish, now=now
            )
        ).consent
    both = (asked, shared)
    if basis in (Basis.WAITING, Basis.REFUSED):
        for consent in both:
            scene.say(consent, Said.YES if basis is Basis.WAITING else Said.NO)
        return Case(scene, asked, Opening(asked, 1), shared, code, Opening(shared, 1), held)

    # Given, and opened while it stood: by the school that asked, and by somebody with the code.
    for consent in both:
        scene.agree(consent)
    end = clock.now() + timedelta(days=wish.days)
    if basis is Basis.EXPIRED:
        clock.time = end - timedelta(minutes=5)
    with Session(bundle.engine) as session, session.begin():
        now = clock.now()
        code = done(service.make_code(session, bundle.vault, consent=shared, account=account, now=now)).code
        opened = [
            done(
                disclosing.disclose(session, bundle.vault, bundle.files, consent=asked, staff=staff, now=now)
            ),
            done(
                disclosing.open_code(
                    session,
                    bundle.vault,
                    bundle.files,
                    code=service.read_code(code),
                    birth=registry.read_birth(str(scene.issued.data["ngay_sinh"])),
                    now=now,
                )
            ),
        ]
    openings = [each.opening for each in opened if each.opening is not None]
    match basis:
        case Basis.EXPIRED:
            clock.time = end
        case Basis.WITHDRAWN:
            for consent in both:
                scene.withdraw(consent)
        case Basis.SUSPENDED | Basis.ENDED | Basis.LAPSED:
            part(scene, basis)
        case _:
            assert basis in OPEN
    return Case(scene, asked, openings[0], shared, code, openings[1], held)


def part(scene: Scene, basis: Basis) -> None:
    """What the mother's link comes to, and what the same transaction makes of consents."""
    bundle, now = scene.bundle, scene.world.clock.now()
    school = HOME[kind_of(Role.CLERK)]
    with Session(bundle.engine) as session, session.begin():
        if basis is Basis.LAPSED:
            yesterday = holders.today(now) - timedelta(days=1)
            session.execute(update(PupilLink).filter_by(id=scene.link).values(valid_to=yesterday))
            return
        if basis is Basis.SUSPENDED:
            holders.open_dispute(session, school, scene.link, "custody_dispute", actor=ACTOR, now=now)
        else:
            holders.end_link(session, school, scene.link, "linked_by_mistake", actor=ACTOR, now=now)
        service.settle(session, bundle.vault, pupils=[scene.index(scene.issued)], now=now)


def store(scene: Scene) -> None:
    """The signed file of the record, which the sample registry only knows by its hash."""
    issued, bundle = scene.issued, scene.bundle
    key = sha256(issued.file).hexdigest()
    sealed = registry.seal_file(
        bundle.vault, issued.wrapped_key, issued.file, sha256=key, version=issued.version
    )
    bundle.files.put_new(name_of(sealed), sealed)
    with Session(bundle.engine) as session, session.begin():
        row = session.scalars(select(RegisteredFile).filter_by(sha256=key)).one()
        row.stored_name = name_of(sealed)
