"""Links: who is what to whom, until when, and what they may open by it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts import activation, holders
from portal.accounts.ages import Born
from portal.accounts.holders import LinkState, Wanted
from portal.accounts.models import PupilLink, Relation
from portal.accounts.notices import Notice
from portal.errors import Refusal
from portal.filestore import ObjectFiles
from portal.messages.words import Kind
from portal.registry import learners
from portal.registry import service as registry
from portal.registry.models import RegisteredFile
from portal.registry.service import NewVersion
from portal.vault import Vault
from tests.conftest import ACTOR, NOW
from tests.portal.accounts.families import (
    CHILD,
    CHILDS_PHONE,
    FATHER,
    FATHERS_EMAIL,
    MOTHERS_PHONE,
    OFFICE,
    OTHER_SCHOOL,
    PUPIL,
    SCHOOL,
    linked,
    redeem,
    slip,
)
from tests.portal.audit.reading import entries
from tests.portal.registry.samples import enter_pupil


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(Refusal) as caught:
        act()
    return caught.value.code


def kinds(told: tuple[Notice, ...]) -> list[tuple[uuid.UUID, Kind]]:
    return [(notice.account, notice.kind) for notice in told]


@given(st.dates(date(2000, 1, 1), date(2020, 12, 31)), st.integers(0, 20))
def test_a_year_is_full_on_the_birthday(born: date, years: int) -> None:
    try:
        birthday = born.replace(year=born.year + years)
    except ValueError:  # 29 February: 1 March
        birthday = date(born.year + years, 3, 1)
    known = Born.read([f"{born:%d/%m/%Y}"])
    assert list(known.ages(birthday)) == [years]
    assert known.surely(years, birthday)
    assert not known.surely(years, birthday - timedelta(days=1))
    year = Born.read([str(born.year)])
    assert year.surely(years, date(born.year + years, 12, 31))
    assert not year.surely(years, date(born.year + years, 12, 30))


def test_one_place_for_a_child_with_all_years(session: Session, vault: Vault) -> None:
    enter_pupil(session, vault, SCHOOL, PUPIL, year="2024-2025")
    enter_pupil(session, vault, OTHER_SCHOOL, "5")
    mother = linked(session, vault)
    later = NOW + timedelta(hours=1)
    linked(session, vault, school=OTHER_SCHOOL, pupil="5", now=later)  # both schools gave her a slip
    (child,) = holders.children(session, vault, mother.account_pk, now=NOW)
    assert (child.link.key, child.name) == (mother.id, CHILD)
    assert [(r.year, r.own) for r in child.records] == [("2024-2025", True), ("2025-2026", False)]
    assert (child.grades, child.missing) == ((3,), (1, 2))
    assert holders.child(session, vault, mother.account_pk, mother.id, now=NOW) == child


def test_a_recalled_year_counts_as_missing(session: Session, vault: Vault) -> None:
    taken_back = enter_pupil(session, vault, SCHOOL, PUPIL)
    mother = linked(session, vault)
    registry.recall(session, taken_back.record_id, "data_error", actor=ACTOR, now=NOW)
    (child,) = holders.children(session, vault, mother.account_pk, now=NOW)
    assert (len(child.records), child.grades, child.missing) == (1, (), ())


def test_only_the_own_link_opens_a_record_and_the_trail_tells_it(session: Session, vault: Vault) -> None:
    """SEC-18, SEC-30: own or a stranger's link, own or a stranger's record, a version that is none."""
    mine = enter_pupil(session, vault, SCHOOL, PUPIL)
    strange = enter_pupil(session, vault, SCHOOL, "13", so_dinh_danh_ca_nhan="001317000009")
    mother, other = (
        linked(session, vault),
        linked(session, vault, name=FATHER, contact=FATHERS_EMAIL, pupil="13"),
    )

    def look(account: uuid.UUID, link: uuid.UUID, of: NewVersion, version: int = 1) -> str:
        wanted = Wanted(link, of.record_id, version)
        try:
            opened = holders.open_version(session, vault, account, wanted, now=NOW)
        except Refusal as refused:
            return refused.code
        return str(opened.fields["ho_va_ten"])

    assert look(mother.account_pk, mother.id, mine) == CHILD
    assert look(mother.account_pk, mother.id, mine, 2) == "unknown_record"
    assert look(mother.account_pk, mother.id, strange) == "unknown_record"
    assert look(mother.account_pk, other.id, strange) == "unknown_link"
    assert look(other.account_pk, mother.id, mine) == "unknown_link"
    assert look(mother.account_pk, uuid.uuid4(), mine) == "unknown_link"
    told = [(e["actor"], e["purpose"], e["basis"], e["details"]) for e in entries(session, "disclosure")]
    assert told == [(f"holder:{mother.account_pk}", "own_record", "holder", {"version": 1})]


def test_a_strange_schools_record_that_was_taken_back_is_not_opened(session: Session, vault: Vault) -> None:
    """Another school typed this child's number and birth date into a stranger's record, and recalled it."""
    enter_pupil(session, vault, SCHOOL, PUPIL)
    mistake = enter_pupil(session, vault, OTHER_SCHOOL, "99", year="2024-2025")
    mother = linked(session, vault)
    wanted = Wanted(mother.id, mistake.record_id, 1)
    holders.open_version(session, vault, mother.account_pk, wanted, now=NOW)
    registry.recall(session, mistake.record_id, "issued_in_error", actor=ACTOR, now=NOW)
    asked = refusal(lambda: holders.open_version(session, vault, mother.account_pk, wanted, now=NOW))
    assert asked == "unknown_record"
    (child,) = holders.children(session, vault, mother.account_pk, now=NOW)
    assert mistake.record_id in {record.record_id for record in child.records}  # that it was recalled is told


def test_the_signed_file_is_handed_out_with_its_hash_in_the_trail(
    session: Session, vault: Vault, files: ObjectFiles
) -> None:
    mine = enter_pupil(session, vault, SCHOOL, PUPIL)
    mother = linked(session, vault)
    wanted = Wanted(mother.id, mine.record_id, 1)
    with pytest.raises(FileNotFoundError):  # a sample's bytes are nowhere: our fault, and nothing was shown
        holders.open_pdf(session, vault, files, mother.account_pk, wanted, now=NOW)
    assert entries(session, "disclosure") == []
    row = session.scalars(select(RegisteredFile)).one()
    sealed = registry.seal_file(vault, mine.wrapped_key, b"%PDF-1.7", sha256=row.sha256, version=1)
    row.stored_name = sha256(sealed).hexdigest()
    files.put_new(row.stored_name, sealed)
    assert holders.open_pdf(session, vault, files, mother.account_pk, wanted, now=NOW) == b"%PDF-1.7"
    told = [e["details"] for e in entries(session, "disclosure")]
    assert told == [{"version": 1, "file": row.sha256}]
    assert registry.newest_file(session, mine.record_id, 2) is None
    assert registry.stored_report(session, "0" * 64) is None


def test_a_dispute_closes_everything_until_it_is_over(session: Session, vault: Vault) -> None:
    record = enter_pupil(session, vault, SCHOOL, PUPIL)
    mother = linked(session, vault)
    father = linked(session, vault, Relation.FATHER, FATHER, FATHERS_EMAIL)
    told = holders.open_dispute(session, SCHOOL, father.id, "custody_dispute", actor=OFFICE, now=NOW)
    assert kinds(told) == [(father.account_pk, Kind.LINK_DISPUTED)]
    assert holders.open_dispute(session, SCHOOL, father.id, "identity_doubt", actor=OFFICE, now=NOW) == ()
    assert holders.children(session, vault, father.account_pk, now=NOW) == ()
    wanted = Wanted(father.id, record.record_id, 1)
    asked = refusal(lambda: holders.open_version(session, vault, father.account_pk, wanted, now=NOW))
    assert asked == "link_disputed"
    assert [link.account for link in holders.holders_of(session, vault, record.record_id, now=NOW)] == [
        mother.account_pk
    ]
    told = holders.close_dispute(session, SCHOOL, father.id, actor=OFFICE, now=NOW)
    assert kinds(told) == [(father.account_pk, Kind.DISPUTE_CLOSED)]
    assert holders.close_dispute(session, SCHOOL, father.id, actor=OFFICE, now=NOW) == ()
    assert len(holders.children(session, vault, father.account_pk, now=NOW)) == 1
    changes = [e["details"] for e in entries(session, "holder_change") if "slip" not in str(e["details"])]
    assert changes == [
        {"change": "dispute_opened", "reason": "custody_dispute"},
        {"change": "dispute_closed"},
    ]


@pytest.mark.parametrize(
    ("reason", "years", "closed"),
    [
        ("guardianship_ended", ("2025-2026", "2023-2024"), True),
        ("linked_by_mistake", ("2025-2026", "2023-2024"), True),
        ("guardianship_ended", ("2025-2026", "2025-2026"), True),  # moved within the year
        ("holder_asked", ("2025-2026", "2023-2024"), False),
        ("guardianship_ended", ("2023-2024", "2025-2026"), False),  # a former school's word
    ],
)
def test_what_the_present_school_ended_for_cause_a_former_school_does_not_give(
    session: Session, vault: Vault, reason: str, years: tuple[str, str], closed: bool
) -> None:
    """SEC-21: until it links the same account again."""
    here, there = years
    enter_pupil(session, vault, SCHOOL, PUPIL, year=here)
    old = enter_pupil(session, vault, OTHER_SCHOOL, "99", year=there)
    father = linked(session, vault, Relation.FATHER, FATHER, FATHERS_EMAIL)
    former = PupilLink(
        id=uuid.uuid4(),
        account_pk=father.account_pk,
        school_code=OTHER_SCHOOL,
        pupil_index=vault.blind_index(f"{OTHER_SCHOOL}/99", domain="pupil"),
        relation=Relation.FATHER,
        valid_from=father.valid_from,
        linked_at=NOW,
    )
    session.add(former)
    session.flush()

    def look() -> str:
        wanted = Wanted(former.id, old.record_id, 1)
        return refusal(lambda: holders.open_version(session, vault, father.account_pk, wanted, now=NOW))

    holders.end_link(session, SCHOOL, father.id, reason, actor=OFFICE, now=NOW)
    (link,) = holders.links_of(session, vault, father.account_pk, now=NOW)
    assert (link.state is LinkState.OVERRULED) == closed
    seen = holders.holders_of(session, vault, old.record_id, now=NOW)
    assert (father.account_pk in {each.account for each in seen}) != closed
    if closed:
        assert look() == "link_overruled"
        again = PupilLink(
            id=uuid.uuid4(),
            account_pk=father.account_pk,
            school_code=SCHOOL,
            pupil_index=father.pupil_index,
            relation=Relation.FATHER,
            valid_from=father.valid_from,
            linked_at=NOW,
        )
        session.add(again)
        session.flush()
    wanted = Wanted(former.id, old.record_id, 1)
    holders.open_version(session, vault, father.account_pk, wanted, now=NOW)


def also_linked(
    session: Session, vault: Vault, link: PupilLink, school: str, pupil: str, **of: datetime
) -> PupilLink:
    """The same person as ``link``'s, linked under another code of the pupil."""
    row = PupilLink(
        id=uuid.uuid4(),
        account_pk=link.account_pk,
        school_code=school,
        pupil_index=vault.blind_index(f"{school}/{pupil}", domain="pupil"),
        relation=link.relation,
        valid_from=link.valid_from,
        **{"linked_at": NOW} | of,
    )
    session.add(row)
    session.flush()
    return row


def test_an_open_dispute_outlives_what_another_school_ended(session: Session, vault: Vault) -> None:
    """A's dispute closes what C's link shows, also after B, newer than A, ended its own link for cause."""
    old = enter_pupil(session, vault, SCHOOL, PUPIL, year="2023-2024")
    enter_pupil(session, vault, OTHER_SCHOOL, "99", year="2024-2025")
    enter_pupil(session, vault, "01000777", "55", year="2025-2026")
    here = linked(session, vault, Relation.FATHER, FATHER, FATHERS_EMAIL)
    middle = also_linked(session, vault, here, OTHER_SCHOOL, "99")
    newest = also_linked(session, vault, here, "01000777", "55")
    holders.open_dispute(session, SCHOOL, here.id, "custody_dispute", actor=ACTOR, now=NOW)
    holders.end_link(session, OTHER_SCHOOL, middle.id, "linked_by_mistake", actor=ACTOR, now=NOW)
    states = {link.key: link.state for link in holders.links_of(session, vault, here.account_pk, now=NOW)}
    assert states == {here.id: LinkState.DISPUTED, newest.id: LinkState.STANDING}
    wanted = Wanted(newest.id, old.record_id, 1)
    looked = refusal(lambda: holders.open_version(session, vault, here.account_pk, wanted, now=NOW))
    assert looked == "link_disputed"


def test_what_a_school_ended_before_it_linked_anew_is_past(session: Session, vault: Vault) -> None:
    """A child under two codes of one school: the wrong one was ended, the right one made."""
    enter_pupil(session, vault, SCHOOL, PUPIL)
    enter_pupil(session, vault, SCHOOL, "77", year="2024-2025")
    wrong = linked(session, vault, Relation.FATHER, FATHER, FATHERS_EMAIL)
    holders.end_link(session, SCHOOL, wrong.id, "linked_by_mistake", actor=OFFICE, now=NOW)
    right = also_linked(session, vault, wrong, SCHOOL, "77", linked_at=NOW + timedelta(minutes=5))
    (link,) = holders.links_of(session, vault, right.account_pk, now=NOW + timedelta(hours=1))
    assert link.state is LinkState.STANDING


def test_the_last_word_of_a_school_counts(session: Session, vault: Vault) -> None:
    """Ended for cause, linked again, ended because the holder asked: nothing is held against them."""
    enter_pupil(session, vault, SCHOOL, PUPIL)
    enter_pupil(session, vault, OTHER_SCHOOL, "99", year="2023-2024")
    first = linked(session, vault, Relation.FATHER, FATHER, FATHERS_EMAIL)
    also_linked(session, vault, first, OTHER_SCHOOL, "99")
    holders.end_link(session, SCHOOL, first.id, "guardianship_ended", actor=OFFICE, now=NOW)
    again = also_linked(session, vault, first, SCHOOL, PUPIL)
    later = NOW + timedelta(days=1)
    holders.end_link(session, SCHOOL, again.id, "holder_asked", actor=OFFICE, now=later)
    (link,) = holders.links_of(session, vault, first.account_pk, now=later)
    assert link.state is LinkState.STANDING


def test_a_dispute_at_one_school_closes_the_way_by_another(session: Session, vault: Vault) -> None:
    """The link of a former school shows nothing of the child whose present school keeps the father out."""
    new = enter_pupil(session, vault, SCHOOL, PUPIL)
    old = enter_pupil(session, vault, OTHER_SCHOOL, "99", year="2023-2024")
    here = linked(session, vault, Relation.FATHER, FATHER, FATHERS_EMAIL)
    there = PupilLink(
        id=uuid.uuid4(),
        account_pk=here.account_pk,
        school_code=OTHER_SCHOOL,
        pupil_index=vault.blind_index(f"{OTHER_SCHOOL}/99", domain="pupil"),
        relation=Relation.FATHER,
        valid_from=here.valid_from,
        linked_at=NOW,
    )
    session.add(there)
    mother = linked(session, vault)

    def look(link: PupilLink, of: NewVersion) -> str:
        wanted = Wanted(link.id, of.record_id, 1)
        return refusal(lambda: holders.open_version(session, vault, link.account_pk, wanted, now=NOW))

    for each in (new, old):
        holders.open_version(session, vault, here.account_pk, Wanted(there.id, each.record_id, 1), now=NOW)
    holders.open_dispute(session, SCHOOL, here.id, "custody_dispute", actor=ACTOR, now=NOW)
    assert {look(link, each) for link in (here, there) for each in (new, old)} == {"link_disputed"}
    for each in (new, old):
        holders.open_version(session, vault, mother.account_pk, Wanted(mother.id, each.record_id, 1), now=NOW)
    holders.close_dispute(session, SCHOOL, here.id, actor=ACTOR, now=NOW)
    holders.open_version(session, vault, here.account_pk, Wanted(there.id, new.record_id, 1), now=NOW)


def test_only_the_school_that_made_a_link_changes_it(session: Session, vault: Vault) -> None:
    """SEC-18: another school's link is as unknown as one that is none."""
    enter_pupil(session, vault, SCHOOL, PUPIL)
    mother = linked(session, vault)
    for school, key in ((OTHER_SCHOOL, mother.id), (SCHOOL, uuid.uuid4())):
        acts: tuple[Callable[[str, uuid.UUID], object], ...] = (
            lambda s, k: holders.end_link(session, s, k, "linked_by_mistake", actor=OFFICE, now=NOW),
            lambda s, k: holders.open_dispute(session, s, k, "identity_doubt", actor=OFFICE, now=NOW),
            lambda s, k: holders.close_dispute(session, s, k, actor=OFFICE, now=NOW),
            lambda s, k: holders.change_link(
                session, s, k, relation=Relation.GUARDIAN, valid_to=None, actor=OFFICE, now=NOW
            ),
        )
        for act in acts:
            assert refusal(partial(act, school, key)) == "unknown_link"


def test_relation_and_period_are_corrected_by_the_school(session: Session, vault: Vault) -> None:
    enter_pupil(session, vault, SCHOOL, PUPIL)
    aunt = linked(session, vault)
    child = linked(session, vault, Relation.PUPIL, CHILD, CHILDS_PHONE)

    def change(key: uuid.UUID, relation: Relation, valid_to: date | None = None) -> tuple[Notice, ...]:
        return holders.change_link(
            session, SCHOOL, key, relation=relation, valid_to=valid_to, actor=OFFICE, now=NOW
        )

    last_day = date(2026, 10, 6)
    assert kinds(change(aunt.id, Relation.GUARDIAN, last_day)) == [(aunt.account_pk, Kind.LINK_CHANGED)]
    assert change(aunt.id, Relation.GUARDIAN, last_day) == ()
    assert refusal(lambda: change(aunt.id, Relation.PUPIL)) == "other_person"
    assert refusal(lambda: change(child.id, Relation.MOTHER)) == "other_person"
    assert refusal(lambda: change(aunt.id, Relation.MOTHER, date(2026, 10, 4))) == "past"
    unknown = refusal(lambda: holders.end_link(session, SCHOOL, aunt.id, "quarrel", actor=OFFICE, now=NOW))
    assert unknown == "unknown_reason"
    for hours, seen in ((0, 1), (24, 1), (48, 0)):  # Vietnam's days
        at = NOW + timedelta(hours=hours)
        assert len(holders.children(session, vault, aunt.account_pk, now=at)) == seen
    told, last = holders.end_lapsed(session, vault, now=NOW + timedelta(hours=24))
    assert told == ()
    told, last = holders.end_lapsed(session, vault, now=NOW + timedelta(hours=48))
    assert kinds(told) == [(aunt.account_pk, Kind.LINK_ENDED)]
    assert holders.end_lapsed(session, vault, after=last, now=NOW + timedelta(hours=48)) == ((), None)


def test_from_18_the_pupil_is_alone_with_their_record(session: Session, vault: Vault) -> None:
    enter_pupil(session, vault, SCHOOL, PUPIL)  # born 14/03/2017
    mother = linked(session, vault)
    child = linked(session, vault, Relation.PUPIL, CHILD, CHILDS_PHONE)
    eve = datetime(2035, 3, 13, 16, 59, tzinfo=UTC)  # 23:59 in Vietnam
    birthday = eve + timedelta(minutes=1)
    assert len(holders.children(session, vault, mother.account_pk, now=eve)) == 1
    assert holders.children(session, vault, mother.account_pk, now=birthday) == ()
    assert len(holders.children(session, vault, child.account_pk, now=birthday)) == 1
    assert [s.state for s in holders.links_of(session, vault, mother.account_pk, now=birthday)] == [
        LinkState.LAPSED
    ]
    told, _ = holders.end_lapsed(session, vault, now=birthday)
    assert kinds(told) == [(mother.account_pk, Kind.LINK_ENDED)]
    last = entries(session, "holder_change")[-1]
    assert (last["actor"], last["details"]) == (
        "system:holders",
        {"change": "ended", "reason": "pupil_of_age"},
    )


def test_the_guardians_of_a_child_are_told_of_its_own_sign_in(session: Session, vault: Vault) -> None:
    enter_pupil(session, vault, SCHOOL, PUPIL)
    mother = linked(session, vault)
    father = linked(session, vault, Relation.FATHER, FATHER, FATHERS_EMAIL)
    holders.open_dispute(session, SCHOOL, father.id, "custody_dispute", actor=OFFICE, now=NOW)
    made = slip(session, vault, Relation.PUPIL, CHILD)
    done = redeem(session, vault, made.code, CHILDS_PHONE)
    assert isinstance(done, activation.Activated)
    assert [(n.account, n.kind) for n in done.told][1:] == [(mother.account_pk, Kind.PUPIL_ACCOUNT)]


def test_everyone_who_sees_a_record_is_told_of_its_versions(session: Session, vault: Vault) -> None:
    """Also of a record that another school issued under this child's number and birth date."""
    enter_pupil(session, vault, SCHOOL, PUPIL, year="2024-2025")
    mother = linked(session, vault, contact=MOTHERS_PHONE)
    elsewhere = enter_pupil(session, vault, OTHER_SCHOOL, "5")
    for recalled, kind in ((False, Kind.RECORD_NEW_VERSION), (True, Kind.RECORD_RECALLED)):
        told = holders.told_of_version(
            session, vault, elsewhere.record_id, grade=3, year="2025-2026", recalled=recalled, now=NOW
        )
        assert kinds(told) == [(mother.account_pk, kind)]
        assert told[0].parameters == {"grade": 3, "year": "2025-2026"}
    holders.end_link(session, SCHOOL, mother.id, "guardianship_ended", actor=OFFICE, now=NOW)
    assert holders.holders_of(session, vault, elsewhere.record_id, now=NOW) == ()
    assert holders.links_to(session, vault, SCHOOL, learners.pupil_index(vault, SCHOOL, PUPIL), now=NOW) == ()
