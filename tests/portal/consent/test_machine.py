"""No sequence of steps shows a field without a live basis (SEC-19, SEC-20, SEC-21).

Hypothesis drives the real service on a real database: parents, children, a dispute, a school, an agency,
codes, corrections, time. Beside it runs a model of its own, written from the law and not from the code, which
says before each step what has to come of it; both must agree, so nothing is refused for no reason either.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, currently_in_test_context, event, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy.orm import Session

from portal.accounts.models import Relation
from portal.audit import service as audit
from portal.consent import disclosing, service
from portal.consent.disclosing import WRONG_TRIES, Disclosed
from portal.consent.fields import Preset, names_of
from portal.consent.models import Evidence
from portal.consent.parties import Staff
from portal.consent.purposes import Duty, Purpose
from portal.consent.service import Answered, Asked, By, CodeMade, Said, Wish
from portal.database import make_engine
from portal.filestore import ObjectFiles
from portal.migrations import upgrade
from portal.permissions import OrganisationKind, Role
from portal.registry import service as registry
from portal.vault import Vault
from tests.conftest import ACTOR, NOW
from tests.portal.consent.world import Pupil, World, done
from verifier import record as records

#: Nearly seven, fifteen, nearly sixteen, seventeen, nearly grown up, grown up; the day is not known.
BIRTHS = ("20/10/2019", "05/05/2011", "20/10/2010", "29/02/2012", "20/10/2008", "05/05/2008", "2019", "2008")
WISHES = (
    Wish(Purpose.TRANSFER, Preset.RESULT, 7, once=False),
    Wish(Purpose.ADMISSION, Preset.MARKS, 30, once=True, sensitive=("dan_toc", "me_ho_ten")),
    Wish(Purpose.EMPLOYMENT, Preset.WHOLE, 90, once=False),
    Wish(Purpose.VIEW, Preset.MARKS, 1, once=False, sensitive=("can_nang",)),
)


@lru_cache(maxsize=1)
def template() -> Path:
    """An empty database with the schema."""
    path = Path(tempfile.mkdtemp()) / "machine.sqlite3"
    engine = make_engine(f"sqlite:///{path}")
    upgrade(engine)
    with engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    engine.dispose()
    return path


@dataclass
class Person:
    """A holder, as the model knows them."""

    pupil: int
    own: bool  # the pupil themselves
    ended: bool = False
    last_day: date | None = None
    disputed: bool = False
    closed: bool = False

    def linked(self, today: date) -> bool:
        return not self.ended and (self.last_day is None or today <= self.last_day)

    def acts(self, today: date) -> bool:
        return self.linked(today) and not self.disputed and not self.closed


@dataclass
class Grant:
    """A consent, as the model knows it."""

    pupil: int
    wish: Wish
    office: uuid.UUID | None
    answer_until: datetime
    allowed: frozenset[str]
    yes: list[tuple[str, uuid.UUID | None, bool]] = field(default_factory=list)  # party, sender, own sign-in
    until: datetime | None = None
    over: bool = False
    code: str | None = None
    wrong: int = 0
    lost: bool = False  # its key or its record was destroyed
    asker: uuid.UUID | None = None  # a holder
    code_by: uuid.UUID | None = None
    said_no_on: date | None = None
    opened: bool = False
    used: tuple[uuid.UUID | None, datetime] | None = None  # by whom (None: whoever bears the code), when


#: People of a school whose word on an answer counts for nothing.
STRANGE_WITNESSES = (
    "another school's",
    "another class's",
    "a clerk",
    "for a colleague",
    "as if by the pupil's own sign-in",
)


def _link_of_giver(what: str) -> Callable[[Machine, uuid.UUID], Iterator[None]]:
    """Their no counts no more either."""

    def happens(machine: Machine, key: uuid.UUID) -> Iterator[None]:
        giver = machine.givers(key)[0]
        machine.changes(giver, what)
        yield
        machine.answers(key, Said.NO, Evidence.SIGN_IN, giver)
        if what == "last day":
            machine.time_passes(24)
            yield

    return happens


def _dispute(machine: Machine, key: uuid.UUID) -> Iterator[None]:
    """Of each holder in turn, whether they said yes or not; others can give nothing new meanwhile."""
    grant = machine.grants[key]
    new = machine.asked_again(key)
    for account in [a for a, person in machine.people.items() if person.pupil == grant.pupil]:
        machine.changes(account, "dispute")
        machine.answers(key, Said.NO, Evidence.SIGN_IN, account)
        yield
        for other, person in list(machine.people.items()):
            if person.pupil == grant.pupil:
                machine.offers(other, grant.wish)
                machine.answers(new, Said.YES, Evidence.SIGN_IN, other)
        machine.answers(new, Said.YES, Evidence.WITNESS, None)
        machine.changes(account, "settled")
        yield


def _everybody_answers(machine: Machine, key: uuid.UUID) -> Iterator[None]:
    """Everybody says yes to a new question in every way, then no to one each."""
    for said in Said:
        new = machine.asked_again(key)
        for how in Evidence:
            if how in (Evidence.WITNESS, Evidence.PAPER):
                for witness in ("teacher", *STRANGE_WITNESSES)[:: -1 if said is Said.NO else 1]:
                    machine.answers(new, said, how, None, witness)
                continue
            for account in list(machine.people):
                machine.answers(new, said, how, account)
                if machine.grants[new].over:
                    yield
                    new = machine.asked_again(key)
        yield


def _own_account(machine: Machine, key: uuid.UUID) -> Iterator[None]:
    """The pupil gets an account: nobody says yes for them on another's device any more, and they themselves
    no only from seven.
    """
    new = machine.asked_again(key)
    machine.somebody_is_linked(machine.grants[key].pupil, True)
    yield
    for how in (Evidence.SAME_DEVICE, Evidence.SIGN_IN):
        for account in list(machine.people):
            machine.answers(new, Said.YES, how, account)
    for account in reversed(list(machine.people)):
        machine.answers(new, Said.NO, Evidence.SIGN_IN, account)
    yield


def _everybody_takes_back(machine: Machine, key: uuid.UUID) -> Iterator[None]:
    """Strangers cannot, nor can a party that does not count at this age; the first who may, does."""
    for witness in STRANGE_WITNESSES:
        machine.answers(key, Said.NO, Evidence.WITNESS, None, witness)
    yield
    pupil = machine.grants[key].pupil
    for account in sorted(machine.people, key=lambda one: machine.entitled(one, pupil)):
        machine.answers(key, Said.NO, Evidence.SIGN_IN, account)
        yield


def _time(machine: Machine, key: uuid.UUID) -> Iterator[None]:
    """Birthdays of the sixteenth day, the ends of 1, 7 and 30 days, and of questions that wait."""
    machine.asked_again(key)
    for hours in (25, 24 * 15, 24 * 15, 24 * 60):
        machine.time_passes(hours)
        yield
        for account in list(machine.people):
            machine.answers(key, Said.YES, Evidence.SIGN_IN, account)
            machine.answers(key, Said.YES, Evidence.SAME_DEVICE, account)
        yield


def _approval(machine: Machine, key: uuid.UUID) -> Iterator[None]:
    purpose = machine.grants[key].wish.purpose
    for stand in (False, True):
        if (purpose in machine.approved) != stand:
            machine.the_department_decides(purpose, stand)
        yield


def _version(machine: Machine, key: uuid.UUID) -> Iterator[None]:
    pupil = machine.grants[key].pupil
    machine.the_school_corrects(pupil)
    yield
    machine.the_school_recalls(pupil)
    yield


def _recipient(machine: Machine, key: uuid.UUID) -> Iterator[None]:
    machine.closes(machine.grants[key].office or machine.world.agency)
    yield


def _wrong_dates(machine: Machine, key: uuid.UUID) -> Iterator[None]:
    grant = machine.grants[key]
    for _ in range(WRONG_TRIES + 1 if grant.code else 0):
        machine.opens_code(grant, right=False)
        yield


def _erasing(machine: Machine, key: uuid.UUID) -> Iterator[None]:
    machine.world.erase(key)
    machine.grants[key].lost = True
    yield
    machine.answers(key, Said.YES, Evidence.SIGN_IN, machine.givers(key)[0])
    yield


#: What may come between a consent that stands and the next look; each yields where all is looked at.
BETWEEN: dict[str, Callable[[Machine, uuid.UUID], Iterator[None]]] = {
    "a dispute": _dispute,
    "the giver's link ends": _link_of_giver("end"),
    "the giver's last day": _link_of_giver("last day"),
    "the giver's account is closed": _link_of_giver("close"),
    "everybody answers": _everybody_answers,
    "everybody takes back": _everybody_takes_back,
    "the pupil gets an account": _own_account,
    "time": _time,
    "the approval is revoked": _approval,
    "a correction and a recall": _version,
    "the recipient closes": _recipient,
    "wrong dates": _wrong_dates,
    "erasing": _erasing,
}


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        shutil.copyfile(template(), self.folder / "db.sqlite3")
        self.engine = make_engine(f"sqlite:///{self.folder / 'db.sqlite3'}")
        self.session = Session(self.engine)
        (self.folder / "files").mkdir()
        vault = Vault([("k", b"k" * 32)], b"i" * 32)
        self.world = World(self.session, vault, ObjectFiles((self.folder / "files").as_uri()), NOW)
        self.pupils: list[Pupil] = []
        self.people: dict[uuid.UUID, Person] = {}
        self.grants: dict[uuid.UUID, Grant] = {}
        self.approved: set[Purpose] = set()
        self.closed: set[uuid.UUID] = set()
        self.denied = 0
        self.births: tuple[str, ...] = ()
        self.strange_teacher = self.world.staff(self.world.other, Role.HOMEROOM_TEACHER)
        self.other_teacher = self.world.staff(self.world.school, Role.HOMEROOM_TEACHER)
        self.clerk = self.world.staff(self.world.school, Role.CLERK)

    @initialize(
        births=st.lists(st.sampled_from(BIRTHS), min_size=2, max_size=2),
        wish=st.sampled_from(WISHES),
        by_code=st.booleans(),
    )
    def the_first_family_shares(self, births: list[str], wish: Wish, by_code: bool) -> None:
        self.two_pupils_with_parents(births)
        self.a_family_shares(0, wish, by_code)

    def two_pupils_with_parents(self, births: list[str]) -> None:
        self.births = tuple(births)
        for number, birth in enumerate(births):
            pupil = self.world.pupil(birth)
            self.pupils.append(pupil)
            for relation in (Relation.MOTHER, Relation.FATHER):
                self.people[self.world.holder(pupil, relation)] = Person(number, own=False)
            if max(self.ages(number)) >= 16:  # whose yes comes by no other way
                self.people[self.world.holder(pupil, Relation.PUPIL)] = Person(number, own=True)

    def teardown(self) -> None:
        self.session.close()
        self.engine.dispose()
        shutil.rmtree(self.folder)

    # ------------------------------------------------------------------------------------ the law, restated

    @property
    def today(self) -> date:
        return (self.world.now + timedelta(hours=7)).date()

    def ages(self, pupil: int) -> set[int]:
        """Every age that the pupil may have."""
        text = self.births[pupil]
        days = (
            [date(int(text), 1, 1), date(int(text), 12, 31)]
            if len(text) == 4
            else [datetime.strptime(text, "%d/%m/%Y").date()]  # noqa: DTZ007 - a date
        )
        found = set()
        for day in days:
            years = 0
            while self.birthday(day, years + 1) <= self.today:
                years += 1
            found.add(years)
        return found

    @staticmethod
    def birthday(day: date, years: int) -> date:
        try:
            return day.replace(year=day.year + years)
        except ValueError:  # 29 February
            return date(day.year + years, 3, 1)

    def needs(self, pupil: int) -> set[str]:
        ages = self.ages(pupil)
        guardian = {"guardian"} if min(ages) < 18 else set()
        return guardian | ({"pupil"} if max(ages) >= 7 else set())

    def dispute(self, pupil: int) -> bool:
        return any(
            person.disputed and person.linked(self.today) and self.party(person) in self.needs(pupil)
            for person in self.people.values()
            if person.pupil == pupil
        )

    @staticmethod
    def party(person: Person) -> str:
        return "pupil" if person.own else "guardian"

    def entitled(self, account: uuid.UUID, pupil: int) -> bool:
        person = self.people[account]
        return person.pupil == pupil and person.acts(self.today) and self.party(person) in self.needs(pupil)

    def has_approval(self, wish: Wish, office: uuid.UUID | None) -> bool:
        outside = wish.purpose not in (Purpose.TRANSFER, Purpose.ADMISSION) or office == self.world.agency
        return not outside or wish.purpose in self.approved

    def stands(self, party: str, sender: uuid.UUID | None, own: bool) -> bool:
        """Whether a yes still has somebody behind it."""
        if sender is None:
            return True
        person = self.people[sender]
        return person.acts(self.today) and (self.party(person) == party if own else not person.own)

    def missing(self, grant: Grant) -> set[str]:
        return self.needs(grant.pupil) - {p for p, sender, own in grant.yes if self.stands(p, sender, own)}

    def open_question(self, grant: Grant) -> bool:
        end = grant.answer_until if grant.until is None else grant.until
        return not grant.over and self.world.now < end

    def live(self, grant: Grant) -> bool:
        return (
            self.open_question(grant)
            and grant.until is not None
            and not self.missing(grant)
            and not self.dispute(grant.pupil)
            and self.has_approval(grant.wish, grant.office)
            and grant.office not in self.closed
            and not grant.lost
        )

    def told(self, result: object) -> bool:
        """Whether it was done. A refusal has its entry in the trail, and only then nothing changed."""
        if isinstance(result, service.Denied):
            number, _ = audit.head(self.session)
            (line,) = audit.lines(self.session, first=number)
            last = json.loads(line)
            assert (last["outcome"], last["details"]["reason"]) == ("refused", result.code)
            self.denied += 1
            return False
        return True

    def check_content(self, shown: Disclosed, pupil: int, allowed: frozenset[str]) -> None:
        """Exactly the allowed part of what the school says today, proved against the digest."""
        (record,) = shown.records
        versions = self.pupils[pupil].versions["2025-2026"]
        issued = versions[record.version - 1]
        every = records.open_disclosures(issued.header, issued.disclosures)
        assert record.version == len(versions)
        if currently_in_test_context():
            event(f"shown on {shown.basis}")
        assert record.fields == {name: value for name, value in every.items() if name in allowed}
        assert records.open_disclosures(issued.header, record.disclosures) == record.fields

    # ------------------------------------------------------------------------------------------------- steps

    @rule(hours=st.sampled_from([1, 24, 24 * 6, 24 * 16, 24 * 40]))
    def time_passes(self, hours: int) -> None:
        self.world.now += timedelta(hours=hours)

    @rule(pupil=st.integers(0, 1), wish=st.sampled_from(WISHES), agency=st.booleans())
    def somebody_asks(self, pupil: int, wish: Wish, agency: bool) -> None:
        self.asks(self.world.officer if agency else self.world.receiver, pupil, wish)

    def asks(self, staff: Staff, pupil: int, wish: Wish) -> None:
        alike = {
            key: grant
            for key, grant in self.grants.items()
            if (grant.office, grant.pupil, grant.wish.purpose) == (staff.organisation, pupil, wish.purpose)
        }
        same = [key for key, grant in alike.items() if self.open_question(grant) and not grant.lost]
        pause = any(
            grant.said_no_on is not None and self.today < grant.said_no_on + timedelta(days=14)
            for grant in alike.values()
        )
        result = self.world.ask(self.pupils[pupil], wish, staff=staff)
        may = staff.organisation not in self.closed and self.has_approval(wish, staff.organisation)
        waiting = [
            grant
            for grant in self.grants.values()
            if (grant.office, grant.pupil) == (staff.organisation, pupil) and self.waits(grant)
        ]
        assert self.told(result) == (may and (bool(same) or (not pause and len(waiting) < 3)))
        if isinstance(result, Asked):
            assert [result.consent] == same or not same
            self.add(result, pupil, wish, staff.organisation)

    @rule(data=st.data(), wish=st.sampled_from(WISHES))
    def a_holder_offers(self, data: st.DataObject, wish: Wish) -> None:
        self.offers(self.someone(data), wish)

    def offers(self, account: uuid.UUID, wish: Wish) -> None:
        pupil = self.people[account].pupil
        result = self.world.offer(account, self.pupils[pupil], wish)
        may = self.entitled(account, pupil) and not self.dispute(pupil) and self.has_approval(wish, None)
        assert self.told(result) == may
        if isinstance(result, Asked):
            same = [
                key
                for key, grant in self.grants.items()
                if (grant.office, grant.pupil, grant.wish, grant.asker) == (None, pupil, wish, account)
                and self.open_question(grant)
                and grant.until is None
                and not grant.lost
            ]
            assert [result.consent] == same or not same
            self.add(result, pupil, wish, None)
            self.grants[result.consent].asker = account

    def add(self, asked: Asked, pupil: int, wish: Wish, office: uuid.UUID | None) -> None:
        if asked.consent in self.grants:
            return
        allowed = names_of("TIEU_HOC", 3, wish.preset, wish.sensitive)
        until = self.world.now + timedelta(days=14)
        self.grants[asked.consent] = Grant(pupil, wish, office, until, allowed)

    @precondition(lambda self: self.grants)
    @rule(
        data=st.data(),
        said=st.sampled_from([Said.YES, Said.YES, Said.YES, Said.NO]),
        how=st.sampled_from(list(Evidence)),
        near=st.sampled_from([True, True, True, False]),
    )
    def somebody_answers(self, data: st.DataObject, said: Said, how: Evidence, near: bool) -> None:
        key = self.some_consent(data)
        pupil = self.grants[key].pupil if near else None
        if how in (Evidence.WITNESS, Evidence.PAPER):
            self.answers(key, said, how, None, data.draw(st.sampled_from(["teacher", *STRANGE_WITNESSES])))
        else:
            self.answers(key, said, how, self.someone(data, pupil))

    def answers(
        self,
        key: uuid.UUID,
        said: Said,
        how: Evidence,
        sender: uuid.UUID | None,
        witness: str = "teacher",
    ) -> None:
        """One answer, by a holder or (``sender`` None) taken down at school; and what has to come of it."""
        grant = self.grants[key]
        needs, own = self.needs(grant.pupil), how is Evidence.SIGN_IN
        if sender is None:
            result = self.world.say(key, said, self.at_school(how, witness))
            party, may = "pupil", "pupil" in needs and witness == "teacher"
        else:
            result = self.world.say(key, said, By(how, sender))
            may = self.entitled(sender, grant.pupil)
            party = self.party(self.people[sender]) if own else "pupil"
            if not own:
                may = may and not self.people[sender].own and "pupil" in needs
        last_use = said is Said.NO and self.used_lately(grant)  # what it opened can still be closed
        may = may and (self.open_question(grant) or last_use) and not grant.lost
        if said is Said.YES:
            may = may and not self.dispute(grant.pupil) and party in self.missing(grant)
            if party == "pupil" and not own:
                has_account = any(
                    p.own and p.pupil == grant.pupil and p.linked(self.today) and not p.closed
                    for p in self.people.values()
                )
                may = may and max(self.ages(grant.pupil)) < 16 and not has_account
        assert self.told(result) == may, (result, said, how)
        if isinstance(result, Answered):
            if said is Said.NO:
                grant.over, grant.used, grant.said_no_on = True, None, self.today
                for other in self.grants.values():
                    alike = (other.office, other.pupil, other.wish.purpose)
                    if grant.office and alike == (grant.office, grant.pupil, grant.wish.purpose):
                        other.over = other.over or self.waits(other)
                return
            grant.yes.append((party, sender, own))
            if grant.until is None and not self.missing(grant):
                grant.until = self.world.now + timedelta(days=grant.wish.days)

    def at_school(self, how: Evidence, witness: str) -> By:
        """An answer that somebody of a school says they took down."""
        world, reference = self.world, "Hộp 3, tờ 15" if how is Evidence.PAPER else ""
        teacher = world.teacher
        match witness:
            case "another school's":
                teacher = self.strange_teacher
            case "another class's":
                teacher = self.other_teacher
            case "a clerk":
                teacher = self.clerk
            case "for a colleague":
                return By(how, world.registrar.account, teacher, reference)
            case "as if by the pupil's own sign-in":
                return By(Evidence.SIGN_IN, teacher.account, teacher, reference)
        return By(how, teacher.account, teacher, reference)

    @rule(pupil=st.integers(0, 1), wish=st.sampled_from(WISHES), by_code=st.booleans())
    def a_family_shares(self, pupil: int, wish: Wish, by_code: bool) -> None:
        """Asked, and answered by each party that can: most chains of single steps end too early."""
        if not self.has_approval(wish, None):
            self.the_department_decides(wish.purpose, True)
        before = set(self.grants)
        account = self.some_entitled(pupil)
        if by_code and account is not None:
            self.offers(account, wish)
        else:
            self.somebody_asks(pupil, wish, False)
        for key in set(self.grants) - before:
            for sender, person in list(self.people.items()):
                if person.pupil == pupil:
                    self.answers(key, Said.YES, Evidence.SIGN_IN, sender)
                    self.answers(key, Said.YES, Evidence.SAME_DEVICE, sender)
            self.answers(key, Said.YES, Evidence.WITNESS, None)
            if account is not None:
                self.makes_code(key, account)
        self.everything_is_opened()

    @rule()
    def everything_is_opened(self) -> None:
        for key, grant in self.grants.items():
            self.opens(key, self.world.receiver)
            if grant.code is not None:
                self.opens_code(grant, right=True)

    def some_entitled(self, pupil: int) -> uuid.UUID | None:
        return next((account for account in self.people if self.entitled(account, pupil)), None)

    @precondition(lambda self: self.grants)
    @rule(data=st.data())
    def a_holder_makes_the_code(self, data: st.DataObject) -> None:
        key = self.some_consent(data)
        self.makes_code(key, self.someone(data, self.grants[key].pupil))

    def makes_code(self, key: uuid.UUID, account: uuid.UUID) -> None:
        grant = self.grants[key]
        result = self.world.code(key, account)
        may = (
            self.entitled(account, grant.pupil)
            and grant.office is None
            and (grant.code is None or (grant.code_by == account and not grant.opened and not grant.wrong))
            and self.live(grant)
        )
        assert self.told(result) == may
        if isinstance(result, CodeMade):
            if grant.code is not None:
                assert isinstance(self.world.open(grant.code, self.births[grant.pupil]), service.Denied)
            grant.code, grant.code_by = result.code, account

    @precondition(lambda self: any(grant.code for grant in self.grants.values()))
    @rule(data=st.data(), right=st.sampled_from([True, True, False]))
    def somebody_opens_a_code(self, data: st.DataObject, right: bool) -> None:
        coded = [grant for grant in self.grants.values() if grant.code]
        self.opens_code(data.draw(st.sampled_from(coded)), right=right)

    def opens_code(self, grant: Grant, *, right: bool) -> None:
        result = self.world.open(grant.code or "", self.births[grant.pupil] if right else "01/01/1999")
        may = right and grant.wrong < WRONG_TRIES and self.live(grant)
        assert self.told(result) == may, result
        if not right:
            grant.wrong += grant.wrong < WRONG_TRIES
        if isinstance(result, Disclosed):
            self.check_content(result, grant.pupil, grant.allowed)
            grant.over, grant.opened = grant.wish.once, True
            grant.used = (None, self.world.now) if grant.wish.once else None

    @precondition(lambda self: self.grants)
    @rule(data=st.data(), agency=st.booleans())
    def an_organisation_opens(self, data: st.DataObject, agency: bool) -> None:
        staff = self.world.officer if agency else self.world.receiver
        self.opens(self.some_consent(data), staff)

    def opens(self, key: uuid.UUID, staff: Staff) -> None:
        grant = self.grants[key]
        result = self.world.disclose(key, staff)
        may = grant.office == staff.organisation and (self.live(grant) or self.lies_open(grant, staff))
        assert self.told(result) == may, result
        if isinstance(result, Disclosed):
            self.check_content(result, grant.pupil, grant.allowed)
            grant.over = grant.wish.once
            if grant.wish.once and grant.used is None:
                grant.used = (staff.account, self.world.now)

    def lies_open(self, grant: Grant, staff: Staff) -> bool:
        """Whether the one use was this person's, two minutes ago at most, and all else stands."""
        mine = grant.used is not None and grant.used[0] == staff.account
        just_now = grant.used is not None and self.world.now - grant.used[1] < timedelta(minutes=2)
        return mine and just_now and self.live(replace(grant, over=False))

    def waits(self, grant: Grant) -> bool:
        return grant.until is None and self.open_question(grant) and not grant.lost

    def used_lately(self, grant: Grant) -> bool:
        return grant.used is not None and self.world.now - grant.used[1] < timedelta(minutes=30)

    @rule(pupil=st.integers(0, 1), duty=st.sampled_from(Duty), right=st.booleans(), data=st.data())
    def somebody_has_a_duty(self, pupil: int, duty: Duty, right: bool, data: st.DataObject) -> None:
        kinds: dict[str, Staff] = {
            "school": self.world.receiver,
            "agency": self.world.officer,
            "department": self.world.authority,
        }
        kind = data.draw(st.sampled_from(sorted(kinds)))
        held = self.pupils[pupil].locator()
        if not right:
            held = type(held)(held.record_id, b"\0" * 32)
        result = disclosing.statutory_access(
            self.session,
            self.world.vault,
            staff=kinds[kind],
            duty=duty,
            reference="HS-1",
            preset=Preset.MARKS,
            locator=held,
            now=self.world.now,
        )
        lawful = {
            Duty.RECEIVING_SCHOOL: {"school"},
            Duty.SECTOR_DUTY: {"department"},
            Duty.AGENCY_DUTY: {"agency", "department"},
            Duty.EMERGENCY: {"school", "agency", "department"},
        }[duty]
        may = right and kind in lawful and kinds[kind].organisation not in self.closed
        assert self.told(result) == may
        if isinstance(result, Disclosed):
            self.check_content(result, pupil, names_of("TIEU_HOC", 3, Preset.MARKS))

    @rule(
        data=st.data(),
        what=st.sampled_from(["dispute", "settled", "end", "last day", "close"]),
    )
    def a_link_changes(self, data: st.DataObject, what: str) -> None:
        self.changes(self.someone(data), what)

    def changes(self, account: uuid.UUID, what: str) -> None:
        """What happens to a link or its holder, and what follows for the consents in the same transaction."""
        person = self.people[account]
        changes: dict[str, Any] = {}
        match what:
            case "dispute" | "settled":
                person.disputed = what == "dispute"
                changes["disputed_at"] = self.world.now if person.disputed else None
            case "end":
                person.ended = True
                changes["ended_at"] = self.world.now
            case "last day":
                person.last_day = changes["valid_to"] = self.today
            case _:
                person.closed = True
                self.world.close(account)
        if changes:
            self.world.change_link(account, **changes)
        self.world.settle(self.pupils[person.pupil])

    @rule(pupil=st.integers(0, 1), own=st.booleans())
    def somebody_is_linked(self, pupil: int, own: bool) -> None:
        relation = Relation.PUPIL if own else Relation.GUARDIAN
        account = self.world.holder(self.pupils[pupil], relation)
        self.people[account] = Person(pupil, own)

    @rule(pupil=st.integers(0, 1))
    def the_school_corrects(self, pupil: int) -> None:
        self.world.issue(self.pupils[pupil])

    @rule(pupil=st.integers(0, 1))
    def the_school_recalls(self, pupil: int) -> None:
        record_id = self.pupils[pupil].locator().record_id
        (record,) = registry.issued(self.session, pupils=[self.pupils[pupil].index])
        if record.shown.state == "current":
            registry.recall(self.session, record_id, "data_error", actor=ACTOR, now=self.world.now)

    @rule(purpose=st.sampled_from(Purpose), stand=st.booleans())
    def the_department_decides(self, purpose: Purpose, stand: bool) -> None:
        if stand:
            assert self.told(self.world.approve(purpose)) == (purpose not in self.approved)
            self.approved.add(purpose)
            return
        revoked = service.revoke_purpose(
            self.session, staff=self.world.authority, purpose=purpose, now=self.world.now
        )
        assert self.told(revoked) == (purpose in self.approved)
        self.approved.discard(purpose)

    @precondition(lambda self: len(self.grants) > 3)
    @rule()
    def the_agency_closes(self) -> None:
        self.closes(self.world.agency)

    def closes(self, office: uuid.UUID) -> None:
        self.world.close_office(office)
        self.closed.add(office)

    @rule(data=st.data(), what=st.sampled_from(sorted(BETWEEN)))
    def something_comes_between(self, data: st.DataObject, what: str) -> None:
        """Chains of single steps seldom meet a consent that stands with just one thing in its way."""
        standing = [key for key, grant in self.grants.items() if self.live(grant)]
        if standing:
            self.comes_between(data.draw(st.sampled_from(standing)), what)

    def comes_between(self, key: uuid.UUID, what: str) -> None:
        """One thing of :data:`BETWEEN`, looked at from all sides; where it can be undone, it is."""
        grant = self.grants[key]
        for _ in BETWEEN[what](self, key):
            assert self.world.live(key) == self.live(grant)
            self.opens(key, self.world.receiver)
            if grant.code is not None:
                self.opens_code(grant, right=True)

    def givers(self, key: uuid.UUID) -> list[uuid.UUID]:
        """Whoever sent a yes, each once."""
        return list(dict.fromkeys(sender for _, sender, _ in self.grants[key].yes if sender is not None))

    def asked_again(self, key: uuid.UUID) -> uuid.UUID:
        """A new question like the one of a consent, from a school that has not asked."""
        before = set(self.grants)
        grant = self.grants[key]
        if not self.has_approval(grant.wish, self.world.other):
            self.the_department_decides(grant.wish.purpose, True)
        school = self.world.office(OrganisationKind.SCHOOL, f"0200{len(self.grants):04}", "Trường THPT Hoa")
        self.asks(self.world.staff(school, Role.RECEIVING_OFFICER), grant.pupil, grant.wish)
        (new,) = set(self.grants) - before
        return new

    @rule()
    def a_day_is_settled(self) -> None:
        self.world.settle()

    # --------------------------------------------------------------------------------------------- invariants

    @invariant()
    def what_is_live_is_what_the_law_lets_be(self) -> None:
        for key, grant in self.grants.items():
            assert self.world.live(key) == self.live(grant)

    # ---------------------------------------------------------------------------------------------- choosing

    def someone(self, data: st.DataObject, pupil: int | None = None) -> uuid.UUID:
        chosen = [a for a, person in self.people.items() if pupil is None or person.pupil == pupil]
        return data.draw(st.sampled_from(chosen))

    def some_consent(self, data: st.DataObject) -> uuid.UUID:
        return data.draw(st.sampled_from(list(self.grants)))


TestMachine = Machine.TestCase
TestMachine.settings = settings(
    max_examples=12,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.mark.parametrize(
    ("what", "birth"),
    [(what, "05/05/2011") for what in sorted(BETWEEN)]
    + [(what, birth) for what in ("time", "everybody answers") for birth in ("20/10/2019", "20/10/2008")]
    + [("everybody takes back", birth) for birth in ("20/10/2019", "05/05/2008")]
    + [("the pupil gets an account", "20/10/2019")],
)
def test_what_comes_between_is_noticed(what: str, birth: str) -> None:
    """SEC-19, SEC-21: the machine's own steps, each thing in the way of a consent that stands and of a code,
    for a child of fifteen; where age counts also for one who is seven and one who is of age in two weeks,
    or was already.
    """
    machine = Machine()
    try:
        machine.two_pupils_with_parents([birth, BIRTHS[1]])
        for wish, by_code in ((WISHES[2], True), (WISHES[0], False)):
            machine.a_family_shares(0, wish, by_code)
        standing = [key for key, grant in machine.grants.items() if machine.live(grant)]
        assert len(standing) == 2
        for key in standing:
            if machine.live(machine.grants[key]):
                machine.comes_between(key, what)
    finally:
        machine.teardown()


def test_the_machine_reaches_what_it_is_about() -> None:
    """The model is not vacuous: by its own steps content is shown, and then no more after a no."""
    machine = Machine()
    try:
        machine.two_pupils_with_parents([BIRTHS[0], BIRTHS[1]])
        mother = next(iter(machine.people))
        world, pupil = machine.world, machine.pupils[0]
        asked = done(world.offer(mother, pupil, WISHES[0]))
        machine.add(asked, 0, WISHES[0], None)
        grant = machine.grants[asked.consent]
        done(world.yes(asked.consent, mother))
        grant.yes.append(("guardian", mother, True))
        grant.until = world.now + timedelta(days=7)
        assert machine.live(grant)
        code = done(world.code(asked.consent, mother)).code
        machine.check_content(done(world.open(code, BIRTHS[0])), 0, grant.allowed)
        machine.a_day_is_settled()
        machine.the_school_corrects(0)
        machine.check_content(done(world.open(code, BIRTHS[0])), 0, grant.allowed)
        done(world.no(asked.consent, mother))
        assert not machine.told(world.open(code, BIRTHS[0]))
        assert machine.denied == 1
    finally:
        machine.teardown()
