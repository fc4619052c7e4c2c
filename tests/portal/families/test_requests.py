"""Requests of the data subject at pages, from both sides; who looked."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from portal.accounts import service
from portal.accounts.models import Account, PupilLink, Relation
from portal.consent import disclosing
from portal.consent.fields import Preset
from portal.consent.parties import staff
from portal.consent.purposes import Duty
from portal.permissions import Role
from portal.ports import Channel
from tests.portal.accounts.world import People, Visitor
from tests.portal.audit.reading import entries
from tests.portal.families.test_views import HOME_SCHOOL, bundle, index_of, inspect_ok, sent
from tests.portal.web.world import World

OFFICE = Role.ACADEMIC_STAFF
PHONE = "0912345678"
WISH = {"kind": "correct", "matter": "record", "text": "Điểm Toán học kỳ 1 ghi thiếu.\nĐúng phải là 8."}


@pytest.fixture
def key(world: World, people: People) -> uuid.UUID:
    """The link of the tests' holder to a pupil of the school, with a telephone of their own."""
    return link(world, people.person(Role.HOLDER).account)


def link(world: World, account: uuid.UUID) -> uuid.UUID:
    portal, now = bundle(world), world.clock.now()
    with Session(portal.engine) as session, session.begin():
        row = PupilLink(
            id=uuid.uuid4(),
            account_pk=account,
            pupil_index=index_of(world, world.primary),
            school_code=HOME_SCHOOL,
            relation=Relation.MOTHER,
            valid_from=now.date() - timedelta(days=9),
            linked_at=now,
        )
        session.add(row)
        service.add_contact(
            session, portal.vault, session.get_one(Account, account), Channel.PHONE, PHONE, now=now
        )
        return row.id


def ask(mother: Visitor, key: uuid.UUID, **form: str) -> None:
    made = mother.post(f"/family/{key}/requests/new", {**WISH, **form})
    assert made.headers["Location"] == f"/family/{key}/requests"


def test_the_eleventh_that_waits_is_refused_in_words(people: People, key: uuid.UUID) -> None:
    """And what was typed stays; nothing is written by letters that nobody sees."""
    mother = people.sign_in(Role.HOLDER)
    for _ in range(10):
        ask(mother, key)
    page = mother.post(f"/family/{key}/requests/new", WISH)
    assert page.status_code == 422
    for words in ("Bạn đang có 10 yêu cầu chờ", "Điểm Toán học kỳ 1 ghi thiếu."):
        assert words in page.text
    unseen = mother.post(f"/family/{key}/requests/new", {**WISH, "text": "\u200b\u200b"})
    assert (unseen.status_code, "Viết nội dung" in unseen.text) == (422, True)


def only(office: Visitor) -> str:
    """The address of the one request in the queue."""
    (path,) = set(re.findall(r'href="(/requests/[0-9a-f-]{36})"', office.get("/requests").text))
    return str(path)


def test_a_mother_asks_and_reads_the_answer(world: World, people: People, key: uuid.UUID) -> None:
    """Each kind with what happens and by when, as dates; both sides see the same state."""
    mother, office = people.sign_in(Role.HOLDER), people.sign_in(OFFICE)
    home = inspect_ok(mother.get("/family"))
    assert f"/family/{key}/requests" in home
    form = inspect_ok(mother.get(f"/family/{key}/requests/new"))
    assert "checked" not in form
    for due in ("15/10/2026", "20/10/2026", "25/10/2026"):  # from 5 October: 10, 15, 20 days
        assert f"trả lời chậm nhất ngày {due}" in form
    ask(mother, key)
    waiting = inspect_ok(mother.get(f"/family/{key}/requests"))
    assert "xác nhận chậm nhất ngày 07/10/2026, trả lời chậm nhất ngày 15/10/2026" in waiting

    path = only(office)
    assert office.post(f"{path}/acknowledge").headers["Location"] == path
    assert "trả lời chậm nhất 15/10/2026" in sent(world, "request_received")[0]
    assert "Trường đã nhận" in mother.get(f"/family/{key}/requests").text
    assert "ngày 25/10/2026 và gia đình được báo" in inspect_ok(office.get(path))
    assert office.post(f"{path}/extend").headers["Location"] == path
    assert "trả lời chậm nhất 25/10/2026" in sent(world, "request_extended")[0]
    assert "không gia hạn thêm được" in inspect_ok(office.post(f"{path}/extend"), 422)

    empty = inspect_ok(office.post(f"{path}/answer", {}), 422)
    assert 'href="#granted"' in empty
    assert 'href="#text"' in empty
    told = {"granted": "yes", "text": "Đã sửa, xem bản số 2."}
    assert office.post(f"{path}/answer", told).headers["Location"] == path
    assert "đã được trả lời" in inspect_ok(office.post(f"{path}/answer", told), 422)
    done = inspect_ok(mother.get(f"/family/{key}/requests"))
    assert "Đã làm theo yêu cầu" in done
    assert "Đã sửa, xem bản số 2." in done
    assert "đã có trả lời" in sent(world, "request_answered")[0]
    assert "Extended once".lower() not in done.lower()
    assert "Done as asked" in inspect_ok(mother.get(f"/family/{key}/requests?lang=en"))


def test_all_mistakes_at_once_and_typed_text_stays(people: People, key: uuid.UUID) -> None:
    mother = people.sign_in(Role.HOLDER)
    empty = inspect_ok(mother.post(f"/family/{key}/requests/new", {}), 422)
    for field in ("kind", "matter", "text"):
        assert f'href="#{field}"' in empty
    long = inspect_ok(mother.post(f"/family/{key}/requests/new", {"kind": "see", "text": "ă" * 2001}), 422)
    assert "ă" * 2001 in long
    assert 'value="see" aria-describedby="kind-hint" checked' in long


def test_the_end_of_a_line_counts_as_it_did_while_it_was_typed(people: People, key: uuid.UUID) -> None:
    """A form allows 2000 characters, and a browser sends each end of a line as two."""
    mother, office = people.sign_in(Role.HOLDER), people.sign_in(OFFICE)
    lines = "\r\n".join(["x" * 9] * 200)
    assert (len(lines.replace("\r\n", "\n")), len(lines)) == (1999, 2198)
    ask(mother, key, text=lines)
    assert mother.post(f"/family/{key}/requests/new", {**WISH, "text": lines + "yy"}).status_code == 422
    answered = office.post(f"{only(office)}/answer", {"granted": "yes", "text": lines})
    assert answered.status_code == 303


def test_deleting_a_record_is_answered_at_once_with_the_ground(people: People, key: uuid.UUID) -> None:
    """NĐ 88/2026 Đ.8.3."""
    mother = people.sign_in(Role.HOLDER)
    ask(mother, key, kind="delete")
    page = inspect_ok(mother.get(f"/family/{key}/requests"))
    assert "Không làm theo yêu cầu" in page
    assert "NĐ 88/2026/NĐ-CP Đ.8.3" in page


def test_late_ones_stand_on_top_and_are_counted_at_work(world: World, people: People, key: uuid.UUID) -> None:
    """In words and with an icon, not by colour alone."""
    mother, office = people.sign_in(Role.HOLDER), people.sign_in(OFFICE)
    assert "trễ hạn" not in office.get("/work").text
    ask(mother, key, kind="delete", matter="account")
    world.clock.time += timedelta(minutes=5)
    ask(mother, key, kind="see")
    mother, office = people.sign_in(Role.HOLDER), people.sign_in(OFFICE)
    first, second = re.findall(r'href="(/requests/[0-9a-f-]{36})"', office.get("/requests").text)
    office.post(f"{first}/acknowledge")
    world.clock.time += timedelta(days=11)
    mother, office = people.sign_in(Role.HOLDER), people.sign_in(OFFICE)
    queue = inspect_ok(office.get("/requests"))
    assert "Số yêu cầu trễ hạn: 2" in queue
    assert "Trễ hạn 9 ngày" in queue
    assert 'href="#i-weak"' in queue
    assert [*re.findall(r'href="(/requests/[0-9a-f-]{36})"', queue)] == [second, first]
    assert "Số yêu cầu trễ hạn: 2" in inspect_ok(office.get("/work"))
    assert "Trễ hạn 9 ngày" in mother.get(f"/family/{key}/requests").text


def test_nobody_elses_request_or_link(world: World, people: People, key: uuid.UUID) -> None:
    """SEC-18, SEC-30: no other school's office, no other role; the refusal is told, once an hour."""
    mother, office = people.sign_in(Role.HOLDER), people.sign_in(OFFICE)
    ask(mother, key)
    path = only(office)
    elsewhere = people.sign_in(OFFICE, away=True)
    assert "Không có yêu cầu nào đang chờ" in elsewhere.get("/requests").text
    assert elsewhere.get(path).status_code == 404
    for step in ("acknowledge", "extend", "answer"):
        assert elsewhere.post(f"{path}/{step}", {"granted": "yes", "text": "x"}).status_code == 404
    assert people.sign_in(Role.CLERK).get("/requests").status_code == 403
    for page in ("requests", "requests/new", "looks"):
        assert mother.get(f"/family/{uuid.uuid4()}/{page}").status_code == 404
    with Session(bundle(world).engine) as session:
        told = [e["details"]["reason"] for e in entries(session, "access")]
        refused = [e["details"]["reason"] for e in entries(session, "request_answered")]
    assert told == ["role", "unknown_link", "unknown_link"]  # of two acts
    assert refused == ["unknown_request"] * 4


def test_in_a_dispute_nothing_is_asked_and_nothing_shown(
    world: World, people: People, key: uuid.UUID
) -> None:
    with Session(bundle(world).engine) as session, session.begin():
        session.get_one(PupilLink, key).disputed_at = world.clock.now()
    mother = people.sign_in(Role.HOLDER)
    for page in ("requests", "requests/new", "looks"):
        assert mother.get(f"/family/{key}/{page}").status_code == 403
    assert mother.post(f"/family/{key}/requests/new", WISH).status_code == 403


def test_who_looked_and_on_which_ground(world: World, people: People, key: uuid.UUID) -> None:
    """SEC-30: a duty of law with its article and case, and the family's own looks; page by page."""
    portal = bundle(world)
    officer = people.person(Role.AGENCY_OFFICER)
    for number in range(disclosing.PAGE):
        with Session(portal.engine) as session, session.begin():
            disclosing.statutory_access(
                session,
                portal.vault,
                staff=staff(session, officer.account, officer.role, officer.organisation),
                duty=Duty.AGENCY_DUTY,
                reference=f"HS-{number}",
                preset=Preset.RESULT,
                locator=world.primary.locator,
                now=world.clock.now(),
            )
    mother = people.sign_in(Role.HOLDER)
    assert f'href="/family/{key}/looks"' in mother.get("/family").text
    record = world.primary.locator.record_id
    assert mother.get(f"/family/{key}/{record}/1").status_code == 200
    page = inspect_ok(mother.get(f"/family/{key}/looks"))
    assert page.index("Gia đình: phụ huynh hoặc chính học sinh") < page.index("Ủy ban nhân dân xã Cây Bàng")
    assert "Luật 91/2025/QH15 Đ.19.1" in page
    assert f"HS-{disclosing.PAGE - 1}" in page
    assert re.search(r"lớp \d, năm học 20", page)
    (older,) = re.findall(rf'href="(/family/{key}/looks\?before=\d+)"', page)
    last = inspect_ok(mother.get(older))
    assert "HS-0</span>" in last
    assert set(re.findall(r"before=\d+", last)) == {older.partition("?")[2]}  # itself, in the other language
    assert "Không còn lần xem nào cũ hơn" in mother.get(f"/family/{key}/looks?before=1").text
    assert mother.get(f"/family/{key}/looks?before={2**60}").status_code == 404
    assert "A state agency" in inspect_ok(mother.get(f"/family/{key}/looks?lang=en"))
