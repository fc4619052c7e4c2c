"""The pages by which a family consents, as browsers meet them: who answers by age, receipts, the school."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from portal.accounts import holders, sessions
from portal.accounts import service as accounts
from portal.accounts.models import (
    Account,
    AccountKind,
    AccountState,
    Contact,
    Method,
    PupilLink,
    Relation,
)
from portal.accounts.people import seal_contact
from portal.consent import disclosing, service
from portal.consent.disclosing import Disclosed
from portal.consent.fields import Preset
from portal.consent.models import Consent, ConsentEvent
from portal.consent.parties import Staff, staff
from portal.consent.purposes import Purpose
from portal.consent.receipts import schema
from portal.consent.service import Asked, Wish
from portal.limits.table import WRONG_TRY
from portal.permissions import Role
from portal.ports import Channel
from portal.registry import service as registry
from portal.registry.models import Record
from portal.trust.models import Signer
from tests.portal.accounts.authenticator import SoftKey
from tests.portal.accounts.world import People, Person, Visitor
from tests.portal.audit.reading import entries
from tests.portal.families.test_views import HOME_SCHOOL, bundle, index_of, inspect_ok, sent
from tests.portal.web.world import Issued, World, enter
from verifier.report import Role as Signs
from verifier.trust import Approval

#: On the day of the tests, 05/10/2026.
SIX, TEN, SIXTEEN, GROWN = "01/06/2020", "01/06/2016", "01/06/2010", "01/06/2008"
WISH = Wish(Purpose.TRANSFER, Preset.MARKS, days=30, once=False)


@dataclass
class Family:
    """A pupil of a given birth date, and what happens around them."""

    world: World
    people: People
    issued: Issued

    @property
    def index(self) -> str:
        return index_of(self.world, self.issued)

    def holder(self, relation: Relation = Relation.MOTHER, contact: str = "") -> Visitor:
        """Somebody whom the school linked, signed in."""
        portal = bundle(self.world)
        now = portal.clock.now()
        with Session(portal.engine) as session, session.begin():
            account = accounts.new_account(
                session, portal.vault, AccountKind.HOLDER, "H'Nga Niê", "vi", now=now
            )
            account.state = AccountState.ACTIVE
            session.flush()
            session.add(
                PupilLink(
                    account_pk=account.id,
                    school_code=HOME_SCHOOL,
                    pupil_index=self.index,
                    relation=relation,
                    valid_from=holders.today(now),
                    linked_at=now,
                )
            )
            token = sessions.begin(session, account, Method.PASSKEY, membership=None, replaces="", now=now)
            person = Person(account.id, Role.HOLDER, "", "", SoftKey(account.id), None)
        return Visitor(self.world.app, person, token)

    def teacher(self) -> Visitor:
        """Who signed the pupil's record as homeroom teacher."""
        person = self.people.person(Role.HOMEROOM_TEACHER)
        (signed,) = [s for s in self.issued.report.signatures if s.role is Signs.GVCN]
        assert signed.signer is not None
        with Session(bundle(self.world).engine) as session, session.begin():
            session.add(
                Signer(
                    certificate_sha256=signed.signer.certificate_sha256,
                    certificate=b"",
                    issuer_id="ca",
                    serial="1",
                    not_after=signed.signer.not_after,
                    school_code=HOME_SCHOOL,
                    role=Signs.GVCN,
                    display_name="Người Thử",
                    valid_from=signed.signer.not_before,
                    account_pk=person.account,
                    approval=Approval.APPROVED,
                )
            )
        return self.people.sign_in(Role.HOMEROOM_TEACHER)

    def base(self, visitor: Visitor) -> str:
        """Where the consents of a holder's pupil stand."""
        with Session(bundle(self.world).engine) as session:
            key = session.scalars(
                select(PupilLink.id).where(PupilLink.account_pk == visitor.person.account)
            ).one()
        return f"/family/{key}/consents"

    def receiver(self, session: Session) -> Staff:
        person = self.people.person(Role.RECEIVING_OFFICER, away=True)
        return staff(session, person.account, person.role, person.organisation)

    def ask(self, wish: Wish = WISH) -> uuid.UUID:
        """The other school asks for the record that it scanned."""
        portal = bundle(self.world)
        with Session(portal.engine) as session, session.begin():
            asked = service.ask(
                session,
                portal.vault,
                staff=self.receiver(session),
                locator=self.issued.locator,
                wish=wish,
                reference="HS-15/2026",
                now=portal.clock.now(),
            )
        assert isinstance(asked, Asked), asked
        return asked.consent

    def live(self, consent: uuid.UUID) -> bool:
        portal = bundle(self.world)
        with Session(portal.engine) as session:
            return service.live(session, portal.vault, consent, portal.clock.now())

    def events(self, consent: uuid.UUID) -> list[tuple[str, str | None, str | None]]:
        """(kind, party, evidence) after the question itself; each answer of a request of its own."""
        with Session(bundle(self.world).engine) as session:
            found = session.scalars(
                select(ConsentEvent)
                .where(ConsentEvent.consent_pk == consent, ConsentEvent.number > 1)
                .order_by(ConsentEvent.number)
            ).all()
        requests = [event.request for event in found if event.request is not None]
        assert len(requests) == len(set(requests))
        return [(event.kind, event.party, event.evidence) for event in found]

    def at(self, visitor: Visitor, consent: uuid.UUID) -> str:
        return f"{self.base(visitor)}/{consent}"

    def say(self, visitor: Visitor, consent: uuid.UUID, said: str, where: str = "answer") -> TestResponse:
        """Read the page and press one of its buttons."""
        address = self.at(visitor, consent)
        shown = visitor.get(f"{address}/child" if where == "child" else address)
        found = re.search('name="sha256" value="([0-9a-f]{64})"', shown.text)
        return visitor.post(f"{address}/{where}", {"said": said, "sha256": "" if found is None else found[1]})


@pytest.fixture
def family(request: pytest.FixtureRequest, world: World, people: People) -> Family:
    """The family of a ten-year-old, or of whom the test asks for."""
    born = getattr(request, "param", TEN)
    portal = bundle(world)
    with Session(portal.engine) as session, session.begin():
        issued = enter(session, portal.vault, portal.clock.now(), ngay_sinh=born)
    return Family(world, people, issued)


def young(born: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("family", [born], indirect=True)


class TestWhoAnswers:
    """SEC-21: by age, each in a request of their own."""

    def test_a_mother_and_her_ten_year_old_on_one_phone(self, family: Family) -> None:
        """SEC-19 too: what was taken back is gone at the next request."""
        consent, mother = family.ask(), family.holder()
        base, page = family.base(mother), family.at(mother, consent)
        home = inspect_ok(mother.get("/family"))
        assert "Chờ bạn trả lời: 1" in home
        assert f'href="{page}"' in home
        asked = inspect_ok(mother.get(page))
        assert "Trường Tiểu học Cây Đa được xem học bạ dưới đây để: chuyển trường." in asked
        assert "HS-15/2026" in asked
        assert mother.get(f"{page}/child").headers["Location"] == page  # first the guardian

        assert family.say(mother, consent, "yes").headers["Location"] == page
        assert not family.live(consent)
        after = inspect_ok(mother.get(page))
        assert "Đưa điện thoại cho con" in after
        assert "Chờ học sinh trả lời" in after
        for path in (f"{page}/child", f"{page}/child/explained"):
            childs = inspect_ok(mother.get(path))
            assert "Em có đồng ý không?" in childs
            assert "Em có thể nói không." in childs
            for guardians in ("/work", "/account", "/sign-out", "/sign-in", 'href="/family"'):
                assert guardians not in childs
        assert "hỏi là tốt" in childs
        assert "Em chưa hiểu" in mother.get(f"{page}/child").text

        assert family.say(mother, consent, "yes", "child").headers["Location"] == f"{page}/child"
        assert "Em đã trả lời: Có" in inspect_ok(mother.get(f"{page}/child"))
        assert family.live(consent)
        assert family.events(consent) == [
            ("given", "guardian", "sign_in"),
            ("given", "pupil", "same_device"),
        ]
        assert "Chờ bạn trả lời" not in mother.get("/family").text

        listed = inspect_ok(mother.get(base))
        assert "Xem được đến" in listed
        assert listed.count('value="no"') == 1
        taken = mother.post(f"{page}/answer", {"said": "no"}, follow_redirects=True)
        assert "Đã rút lại sự đồng ý" in inspect_ok(taken)
        assert "không lấy lại được những gì đã được xem" in taken.text
        assert not family.live(consent)
        assert family.events(consent)[-1] == ("withdrawn", "guardian", "sign_in")
        assert 'value="no"' not in mother.get(base).text

    def test_what_was_taken_back_is_closed_to_the_receiver_at_once(self, family: Family) -> None:
        """SEC-19."""
        consent, mother = family.ask(), family.holder()
        family.say(mother, consent, "yes")
        family.say(mother, consent, "yes", "child")
        assert isinstance(self.look(family, consent), Disclosed)
        family.say(mother, consent, "no")
        assert not isinstance(self.look(family, consent), Disclosed)
        assert "đã được xem" in inspect_ok(mother.get(family.at(mother, consent)))

    @staticmethod
    def look(family: Family, consent: uuid.UUID) -> object:
        portal = bundle(family.world)
        with Session(portal.engine) as session, session.begin():
            return disclosing.disclose(
                session,
                portal.vault,
                portal.files,
                consent=consent,
                staff=family.receiver(session),
                now=portal.clock.now(),
            )

    def test_one_request_carries_one_answer(self, family: Family) -> None:
        """SEC-21: whatever else a form says, its address says whose answer it is."""
        consent, mother = family.ask(), family.holder()
        page = family.at(mother, consent)
        shown = mother.get(page).text
        (sha256,) = re.findall('name="sha256" value="([0-9a-f]{64})"', shown)
        both = {
            "said": ["yes", "yes"],
            "sha256": [sha256, sha256],
            "party": ["guardian", "pupil"],
            "child": "yes",
            "evidence": ["sign_in", "same_device"],
        }
        assert mother.post(f"{page}/answer", both).status_code == 303
        assert family.events(consent) == [("given", "guardian", "sign_in")]
        (childs,) = re.findall('name="sha256" value="([0-9a-f]{64})"', mother.get(f"{page}/child").text)
        assert childs != sha256
        assert mother.post(f"{page}/child", {**both, "sha256": [childs, sha256]}).status_code == 303
        assert family.events(consent)[1:] == [("given", "pupil", "same_device")]
        mother.post(f"{page}/answer", both)  # pressed twice
        mother.post(f"{page}/child", {**both, "sha256": childs})
        assert len(family.events(consent)) == 2

    @pytest.mark.parametrize("who", ["guardian", "pupil"])
    def test_either_refusal_ends_it(self, family: Family, who: str) -> None:
        consent, mother = family.ask(), family.holder()
        if who == "pupil":
            family.say(mother, consent, "yes")
            family.say(mother, consent, "no", "child")
            childs = inspect_ok(mother.get(f"{family.at(mother, consent)}/child"))
            assert "không ai được xem học bạ của em" in childs
        else:
            family.say(mother, consent, "no")
        assert family.events(consent)[-1][:2] == ("refused", who)
        ended = inspect_ok(mother.get(family.at(mother, consent)))
        assert "<h1>Đã từ chối</h1>" in ended
        assert 'name="said"' not in ended
        family.say(mother, consent, "yes")
        assert not family.live(consent)
        assert family.events(consent)[-1][0] == "refused"

    def test_a_child_changes_their_mind(self, family: Family) -> None:
        consent, mother = family.ask(), family.holder()
        family.say(mother, consent, "yes")
        family.say(mother, consent, "yes", "child")
        page = inspect_ok(mother.get(f"{family.at(mother, consent)}/child"))
        assert "Em đổi ý: Không" in page
        assert 'value="yes"' not in page
        family.say(mother, consent, "no", "child")
        assert family.events(consent)[-1] == ("withdrawn", "pupil", "same_device")
        assert not family.live(consent)

    @young(SIX)
    def test_under_seven_the_guardian(self, family: Family) -> None:
        consent, father = family.ask(), family.holder(Relation.FATHER)
        family.say(father, consent, "yes")
        assert family.live(consent)
        page = family.at(father, consent)
        assert "Đưa điện thoại cho con" not in father.get(page).text
        assert father.get(f"{page}/child").headers["Location"] == page
        assert family.say(father, consent, "no", "child").headers["Location"] == page
        assert family.live(consent)  # nobody spoke for the child

    def test_a_child_with_an_account_answers_there(self, family: Family) -> None:
        consent, mother = family.ask(), family.holder()
        own = family.holder(Relation.PUPIL)
        family.say(mother, consent, "yes")
        page = family.at(mother, consent)
        assert "em tự đăng nhập" in inspect_ok(mother.get(page))
        assert mother.get(f"{page}/child").headers["Location"] == page
        assert mother.post(f"{page}/child", {"said": "yes"}).headers["Location"] == page
        assert len(family.events(consent)) == 1
        asked = inspect_ok(own.get(family.at(own, consent)))
        assert "Có, em đồng ý" in asked
        assert "muốn xem học bạ của em" in asked
        assert own.get(f"{family.at(own, consent)}/child").headers["Location"] == family.at(own, consent)
        assert "Chờ bạn trả lời: 1" in own.get("/family").text
        family.say(own, consent, "yes")
        assert family.events(consent)[-1] == ("given", "pupil", "sign_in")
        assert family.live(consent)

    @young(SIXTEEN)
    def test_at_sixteen_by_an_own_sign_in(self, family: Family) -> None:
        consent, mother = family.ask(), family.holder()
        family.say(mother, consent, "yes")
        page = family.at(mother, consent)
        assert "Chưa có cách đăng nhập thì xin nhà trường giấy kích hoạt" in mother.get(page).text
        assert mother.get(f"{page}/child").headers["Location"] == page
        teacher = family.teacher()
        school = f"/holders/{family.index}/consents/{consent}"
        shown = inspect_ok(teacher.get(school))
        assert 'value="yes"' not in shown.partition('id="said"')[2]
        (sha256,) = re.findall('name="sha256" value="([0-9a-f]{64})"', shown)
        tried = teacher.post(school, {"how": "witness", "said": "yes", "sha256": sha256})
        assert "phải tự đăng nhập" in inspect_ok(tried, 422)
        own = family.holder(Relation.PUPIL)
        assert "được xem học bạ dưới đây" in own.get(family.at(own, consent)).text  # an adult's words
        family.say(own, consent, "yes")
        assert family.live(consent)

    @young(GROWN)
    def test_of_age_the_pupil_alone(self, family: Family) -> None:
        consent, mother = family.ask(), family.holder()
        assert mother.get(family.at(mother, consent)).status_code == 404
        own = family.holder(Relation.PUPIL)
        family.say(own, consent, "yes")
        assert family.live(consent)
        assert family.events(consent) == [("given", "pupil", "sign_in")]

    def test_only_the_text_that_was_shown(self, family: Family) -> None:
        """Another text, or none, is no yes; the page comes back with what to do. A no needs no text."""
        consent, mother = family.ask(), family.holder()
        page = family.at(mother, consent)
        for sha256 in ("", "0" * 64, "x"):
            again = mother.post(f"{page}/answer", {"said": "yes", "sha256": sha256})
            assert "Nội dung vừa đọc đã thay đổi" in inspect_ok(again, 422)
        (vietnamese,) = re.findall('name="sha256" value="([0-9a-f]{64})"', mother.get(page).text)
        english = inspect_ok(mother.get(f"{page}?lang=en"))
        assert "may see the record below for: changing school" in english
        assert vietnamese not in english
        tried = mother.post(f"{page}/answer?lang=en", {"said": "yes", "sha256": vietnamese})
        assert "has changed" in inspect_ok(tried, 422)
        for nothing in ({}, {"said": ""}, {"said": "maybe"}):
            assert "Chọn một trong hai" in inspect_ok(mother.post(f"{page}/answer", nothing), 422)
        assert family.events(consent) == []
        (shown,) = re.findall('name="sha256" value="([0-9a-f]{64})"', english)
        mother.post(f"{page}/answer?lang=en", {"said": "yes", "sha256": shown})
        childs = mother.post(f"{page}/child", {"said": "yes", "sha256": shown})  # the adult's text
        assert "Nội dung vừa đọc đã thay đổi" in inspect_ok(childs, 422)
        assert "Chọn một trong hai" in inspect_ok(mother.post(f"{page}/child", {}), 422)
        with Session(bundle(family.world).engine) as session:
            (event,) = session.scalars(select(ConsentEvent).where(ConsentEvent.text_sha256.is_not(None)))
            assert (event.language, event.text_sha256) == ("en", shown)

    def test_in_dispute(self, family: Family) -> None:
        """Whose link is in dispute does nothing and is told why; the other guardian may only say no."""
        consent, mother, father = family.ask(), family.holder(), family.holder(Relation.FATHER)
        with Session(bundle(family.world).engine) as session, session.begin():
            session.execute(
                update(PupilLink)
                .where(PupilLink.account_pk == father.person.account)
                .values(disputed_at=family.world.clock.now(), dispute_reason="custody_dispute")
            )
        for path in ("", "/new", f"/{consent}", f"/{consent}/child", f"/{consent}/receipt"):
            assert "đang xem xét liên kết" in inspect_ok(father.get(family.base(father) + path), 403)
        assert family.say(father, consent, "no").status_code == 403
        page = inspect_ok(mother.get(family.at(mother, consent)))
        assert "nói không thì vẫn được" in page
        assert "chưa thể đồng ý" in inspect_ok(family.say(mother, consent, "yes"), 422)
        form = TestSharing.filled(family)
        assert "chưa thể cho ai xem" in inspect_ok(mother.post(f"{family.base(mother)}/new", form), 403)
        assert family.events(consent) == []
        family.say(mother, consent, "no")
        assert family.events(consent)[-1][0] == "refused"


class TestAtSchool:
    def test_before_a_witness(self, family: Family) -> None:
        consent, mother = family.ask(), family.holder()
        family.say(mother, consent, "yes")
        teacher = family.teacher()
        assert "/holders/consents" in teacher.get("/work").text
        base = f"/holders/{family.index}/consents"
        listed = inspect_ok(teacher.get(base))
        assert f'href="{base}/{consent}"' in listed
        shown = inspect_ok(teacher.get(f"{base}/{consent}"))
        assert "muốn xem học bạ của em" in shown
        (sha256,) = re.findall('name="sha256" value="([0-9a-f]{64})"', shown)
        done = teacher.post(f"{base}/{consent}", {"how": "witness", "said": "yes", "sha256": sha256})
        assert done.headers["Location"] == base
        assert family.events(consent)[-1] == ("given", "pupil", "witness")
        assert family.live(consent)
        assert "Em đổi ý: ghi lại" in inspect_ok(teacher.get(base))
        teacher.post(f"{base}/{consent}", {"how": "witness", "said": "no"})
        assert not family.live(consent)
        assert "Không có đề nghị nào" in inspect_ok(teacher.get(base))

    def test_a_homeroom_teacher_of_another_class_is_sent_to_the_office(self, family: Family) -> None:
        """SEC-21: nothing of the pupil is shown; what to do is said; the trail has it."""
        consent = family.ask()
        stranger = family.people.sign_in(Role.HOMEROOM_TEACHER)
        base = f"/holders/{family.index}/consents"
        no = {"how": "witness", "said": "no"}
        answers = (
            stranger.get(base),
            stranger.get(f"{base}/{consent}"),
            stranger.post(f"{base}/{consent}", no),
        )
        for answer in answers:
            shown = inspect_ok(answer, 403)
            assert "nhờ giáo vụ của trường ghi" in shown
            assert str(family.issued.data["ho_va_ten"]) not in shown
        assert family.events(consent) == []
        with Session(bundle(family.world).engine) as session:
            told = [e for e in entries(session) if e["details"].get("reason") == "not_own_class"]
        assert len(told) == len(answers)

    def test_on_paper_with_its_place(self, family: Family) -> None:
        consent = family.ask()
        office = family.people.sign_in(Role.ACADEMIC_STAFF)
        page = f"/holders/{family.index}/consents/{consent}"
        (sha256,) = re.findall('name="sha256" value="([0-9a-f]{64})"', office.get(page).text)
        wrong = inspect_ok(office.post(page, {}), 422)
        assert "Chọn em trả lời thế nào." in wrong
        assert "Chọn một trong hai" in wrong
        for reference in ("", " ", "x" * 81):
            form = {"how": "paper", "said": "yes", "sha256": sha256, "reference": reference}
            again = inspect_ok(office.post(page, form), 422)
            assert "Ghi nơi lưu bản giấy" in again
            assert 'value="paper" checked' in again
        assert family.events(consent) == []
        form = {"how": "paper", "said": "yes", "sha256": sha256, "reference": "Sổ 3, tờ 15"}
        assert office.post(page, form).status_code == 303
        assert family.events(consent) == [("given", "pupil", "paper")]
        with Session(bundle(family.world).engine) as session:
            sealed = session.scalars(
                select(ConsentEvent.note_sealed).where(ConsentEvent.evidence == "paper")
            ).one()
        assert sealed is not None
        assert "Sổ 3".encode() not in sealed

    def test_a_pupil_is_found_by_the_whole_code_of_the_own_school(self, family: Family) -> None:
        """SEC-18."""
        consent = family.ask()
        teacher = family.teacher()
        inspect_ok(teacher.get("/holders/consents"))
        assert "Trường chưa cấp" in inspect_ok(teacher.post("/holders/consents", {"pupil": "zz"}), 422)
        away = family.people.sign_in(Role.HOMEROOM_TEACHER, away=True)
        for path in (f"/holders/{family.index}/consents", f"/holders/{family.index}/consents/{consent}"):
            assert away.get(path).status_code == 404
        no = {"how": "witness", "said": "no"}
        assert away.post(f"/holders/{family.index}/consents/{consent}", no).status_code == 404
        strange = index_of(family.world, family.world.second)
        assert teacher.post(f"/holders/{strange}/consents/{consent}", no).status_code == 404
        assert teacher.get(f"/holders/x/consents/{consent}").status_code == 404
        assert family.events(consent) == []


class TestSharing:
    @staticmethod
    def filled(family: Family, **changes: Any) -> dict[str, Any]:
        portal = bundle(family.world)
        with Session(portal.engine) as session:
            keys = [str(r.key) for r in registry.issued(session, pupils=[family.index])]
        return {
            "purpose": "transfer",
            "records": keys,
            "preset": "marks",
            "days": "30",
            "uses": "many",
        } | changes

    def test_nothing_is_ticked_and_every_mistake_is_told(self, family: Family) -> None:
        mother = family.holder()
        path = f"{family.base(mother)}/new"
        page = inspect_ok(mother.get(path))
        assert " checked" not in page
        assert " selected" not in page
        for days in (1, 7, 30, 90):
            assert f'name="days" value="{days}"' in page
        for name in ("dan_toc", "so_dinh_danh_ca_nhan", "can_nang"):
            assert f'name="sensitive" value="{name}"' in page
        wrong = inspect_ok(mother.post(path, {"purpose": "transfer", "sensitive": ["dan_toc"]}), 422)
        for message in ("Chọn ít nhất một năm", "Chọn phần", "Chọn thời hạn", "Chọn xem một lần"):
            assert message in wrong
        assert "Chọn mục đích" not in wrong
        assert wrong.count(" checked") == 2  # what was chosen stays
        for field, odd in (
            ("purpose", "x"),
            ("records", [str(uuid.uuid4())]),
            ("preset", "all"),
            ("sensitive", ["diem"]),
            ("days", "31"),
            ("uses", ""),
        ):
            inspect_ok(mother.post(path, self.filled(family, **{field: odd})), 422)
        with Session(bundle(family.world).engine) as session:
            assert session.scalars(select(Consent.id)).all() == []

    def test_a_code_after_everybody_agreed(self, family: Family) -> None:
        mother = family.holder()
        base = family.base(mother)
        form = self.filled(family, sensitive=["dan_toc", "cha_ho_ten"], pdf="yes", uses="once")
        made = mother.post(f"{base}/new", form)
        assert made.status_code == 303
        consent = uuid.UUID(made.headers["Location"].rpartition("/")[2])
        asked = inspect_ok(mother.get(made.headers["Location"]))
        for words in ("Người có mã chia sẻ", "dân tộc", "họ tên cha", "tệp PDF", "Chỉ xem được một lần"):
            assert words in asked
        assert family.events(consent) == []  # making the question is no answer
        assert "/code" not in asked
        family.say(mother, consent, "yes")
        family.say(mother, consent, "yes", "child")
        assert "Chưa tạo mã chia sẻ" in inspect_ok(mother.get(base))
        assert f'href="{base}/{consent}/code"' in mother.get(f"{base}/{consent}").text

    def test_a_purpose_outside_education_needs_the_department(self, family: Family) -> None:
        mother = family.holder()
        path = f"{family.base(mother)}/new"
        refused = inspect_ok(mother.post(path, self.filled(family, purpose="employment")), 422)
        assert "hiện chưa có chấp thuận" in refused
        assert re.search('value="employment"[^>]* disabled', refused)
        assert refused.count(" checked") == 4  # what else was chosen stays

    def test_a_purpose_without_approval_is_shown_as_such_before_the_form_is_filled(
        self, family: Family
    ) -> None:
        mother = family.holder()
        page = inspect_ok(mother.get(f"{family.base(mother)}/new"))
        for purpose in Purpose:
            assert (f'value="{purpose}"' in page) is True
            closed = re.search(f'value="{purpose}"[^>]* disabled', page)
            assert (closed is None) is purpose.in_education
        assert page.count("Chưa chọn được: Sở") == sum(not each.in_education for each in Purpose)

    def test_all_years_of_a_level_as_one(self, family: Family) -> None:
        portal = bundle(family.world)
        with Session(portal.engine) as session, session.begin():
            other = enter(session, portal.vault, portal.clock.now(), grade=3, year="2024-2025", ngay_sinh=TEN)
            session.execute(
                update(Record)
                .where(Record.record_id == other.locator.record_id)
                .values(pupil_index=family.index)
            )
        mother = family.holder()
        path = f"{family.base(mother)}/new"
        page = inspect_ok(mother.get(path))
        assert "thành một bộ: 2 năm học" in page
        made = mother.post(path, self.filled(family, records=["level:TIEU_HOC"]))
        text = inspect_ok(mother.get(made.headers["Location"]))
        assert "2024–2025" in text
        assert "2025–2026" in text


class TestOthers:
    """SEC-18, SEC-30: another family's link, another pupil's consent, no link at all: no page, and told."""

    def test_nothing_of_another_family(self, family: Family, world: World, people: People) -> None:
        consent, mother = family.ask(), family.holder()
        stranger = Family(world, people, world.second).holder()
        theirs = Family(world, people, world.second).base(stranger)
        ends = ("", "/child", "/child/explained", "/receipt", "/receipt.json")
        paths = ("", "/new", *(f"/{consent}{end}" for end in ends))
        for path in paths:
            assert mother.get(family.base(mother) + path).status_code in (200, 303)
            assert stranger.get(family.base(mother) + path).status_code == 404, path
            if str(consent) in path:
                assert stranger.get(theirs + path).status_code == 404, path
        for base in (family.base(mother), theirs):
            for said in ("yes", "no"):
                for where in ("answer", "child"):
                    answer = stranger.post(f"{base}/{consent}/{where}", {"said": said})
                    assert answer.status_code == 404
        assert stranger.post(f"{family.base(mother)}/new", {}).status_code == 404
        assert family.events(consent) == []
        with Session(bundle(world).engine) as session:
            told = [e["details"] for e in entries(session, "access")]
        assert {"act": "consent", "reason": "unknown_link"} in told
        assert {"act": "consent", "reason": "unknown_consent"} in told

    def test_the_answer_comes_from_a_form_of_ours(self, family: Family) -> None:
        """SEC-25."""
        consent, mother = family.ask(), family.holder()
        page = family.at(mother, consent)
        for where in ("answer", "child"):
            address = bundle(family.world).settings.public_url
            answer = mother.client.post(f"{page}/{where}", data={"said": "no"}, base_url=address)
            assert answer.status_code == 403
        assert family.events(consent) == []


class TestReceipts:
    def given(self, family: Family) -> tuple[Visitor, uuid.UUID]:
        consent, mother = family.ask(), family.holder()
        family.say(mother, consent, "yes")
        family.say(mother, consent, "yes", "child")
        return mother, consent

    def test_printed_and_as_json(self, family: Family) -> None:
        mother, consent = self.given(family)
        page = inspect_ok(mother.get(f"{family.at(mother, consent)}/receipt"))
        for words in (str(consent), "<svg", "SHA-256", "bằng máy của người giám hộ", "Luật 91/2025"):
            assert words in page
        name = str(family.issued.data["ho_va_ten"])
        assert name not in page
        file = mother.get(f"{family.at(mother, consent)}/receipt.json")
        assert file.headers["Cache-Control"] == "no-store"
        told = json.loads(file.text)
        jsonschema.validate(told, schema())
        assert told["record_id"] == str(consent)
        assert [event["evidence"] for event in told["events"]] == [None, "sign_in", "same_device"]
        assert name not in file.text

    def check(self, world: World, number: str, **how: Any) -> TestResponse:
        return world.client.post("/receipt", data={"number": number}, **how)

    def test_whoever_has_the_number_learns_the_state_alone(self, family: Family, world: World) -> None:
        mother, consent = self.given(family)
        for typed in (
            str(consent),
            str(consent).upper(),
            consent.hex,
            f" {consent} ",
            f"http://localhost:8000/receipt#{consent}",
        ):
            answer = self.check(world, typed)
            page = inspect_ok(answer)
            assert "Đang có hiệu lực" in page
            assert "Set-Cookie" not in answer.headers
        for secret in ("Cây Đa", "chuyển trường", "HS-15", "2025", str(family.issued.data["ho_va_ten"])):
            assert secret not in page.partition("<main")[2].partition("<form")[0]
        family.say(mother, consent, "no")
        assert "Không còn hiệu lực" in inspect_ok(self.check(world, str(consent)))
        english = world.client.post("/receipt?lang=en", data={"number": str(consent)})
        assert "No longer in force" in inspect_ok(english)

    def test_each_state_has_its_words(self, family: Family, world: World) -> None:
        consent, mother = family.ask(), family.holder()
        base = family.base(mother)
        assert "Chưa đủ người đồng ý" in inspect_ok(self.check(world, str(consent)))
        family.say(mother, consent, "yes")
        family.say(mother, consent, "yes", "child")
        own = family.holder(Relation.PUPIL)  # from now on the child's own sign-in counts beside the yes given
        with Session(bundle(world).engine) as session, session.begin():
            session.execute(
                update(PupilLink)
                .where(PupilLink.account_pk == own.person.account)
                .values(disputed_at=world.clock.now(), dispute_reason="identity_doubt")
            )
        assert "Đang tạm dừng" in inspect_ok(self.check(world, str(consent)))
        assert "nhà trường đang xác minh" in inspect_ok(mother.get(base))
        with Session(bundle(world).engine) as session, session.begin():
            session.execute(update(PupilLink).values(disputed_at=None, dispute_reason=None))
        world.clock.time += timedelta(days=31)
        again = family.holder(Relation.FATHER)
        assert "Hết hạn lúc" in inspect_ok(again.get(family.base(again)))
        assert "Đã hết hạn" in inspect_ok(self.check(world, str(consent)))

    def test_a_look_at_the_address_reveals_nothing(self, family: Family, world: World) -> None:
        _, consent = self.given(family)
        empty = inspect_ok(world.client.get("/receipt"))
        assert world.client.get(f"/receipt?number={consent}").text == empty
        assert "hiệu lực đến" not in empty
        assert world.client.get(f"/receipt/{consent}").status_code == 404

    def test_numbers_are_not_tried_out(self, world: World) -> None:
        """As other typed things: wrong ones are counted, what is no number is not looked up."""
        for odd in ("", "x", "12", "g" * 32, str(uuid.uuid4()) + "0"):
            assert "32 chữ số" in inspect_ok(self.check(world, odd), 422)
        limit = bundle(world).settings.limits[WRONG_TRY].layers["v4"].amount
        answers = [self.check(world, str(uuid.uuid4())).status_code for _ in range(limit + 1)]
        assert (answers[0], set(answers)) == (422, {422, 429})


def test_every_page_in_both_languages(family: Family) -> None:
    consent, mother = family.ask(), family.holder()
    teacher = family.teacher()
    base, school = family.base(mother), f"/holders/{family.index}/consents"
    family.say(mother, consent, "yes")
    seen = [
        (mother, ("/family", base, f"{base}/new", f"{base}/{consent}", f"{base}/{consent}/child")),
        (mother, (f"{base}/{consent}/child/explained", f"{base}/{consent}/receipt")),
        (teacher, ("/holders/consents", school, f"{school}/{consent}")),
    ]
    for visitor, paths in seen:
        for path in paths:
            english = inspect_ok(visitor.get(f"{path}?lang=en"))
            assert '<html lang="en">' in english
            for away in re.findall(r'(?:href|action)="(/(?:family|holders|receipt)[^"]*)"', english):
                if 'hreflang="vi"' not in english.partition(f'"{away}"')[2][:40]:
                    assert away.endswith("lang=en"), (path, away)
            assert '<html lang="vi">' in inspect_ok(visitor.get(path))


def test_who_is_concerned_is_told(family: Family) -> None:
    """In the same transaction, without a name or a link."""
    mother, father = family.holder(), family.holder(Relation.FATHER)
    portal = bundle(family.world)
    with Session(portal.engine) as session, session.begin():
        for visitor, phone in ((mother, "0912345678"), (father, "0387654321")):
            contact(session, family.world, visitor.person.account, phone)
    made = mother.post(f"{family.base(mother)}/new", TestSharing.filled(family))
    consent = uuid.UUID(made.headers["Location"].rpartition("/")[2])
    assert len(sent(family.world, "sharing_proposed")) == 1  # the father
    family.say(mother, consent, "yes")
    family.say(mother, consent, "yes", "child")
    assert len(sent(family.world, "consent_given")) == 1
    family.say(father, consent, "no")
    assert len(sent(family.world, "consent_withdrawn")) == 1  # the mother


def contact(session: Session, world: World, account: uuid.UUID, phone: str) -> None:
    """A phone of the account."""
    portal = bundle(world)
    key = uuid.uuid4()
    row = session.get_one(Account, account)
    session.add(
        Contact(
            id=key,
            account_pk=account,
            account_kind=AccountKind.HOLDER,
            kind=Channel.PHONE,
            value_sealed=seal_contact(portal.vault, row, key, phone),
            value_index=uuid.uuid4().hex * 2,
            added_at=portal.clock.now(),
        )
    )
