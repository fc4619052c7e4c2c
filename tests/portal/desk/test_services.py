"""What pages may ask for: whose rows, whose certificate, whose turn; and what a killed worker leaves."""

from __future__ import annotations

import base64
import io
import json
import re
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from sqlalchemy import select, update

from portal.desk import certificates, corrections, signatures, uploads
from portal.desk.signatures import PartKey
from portal.errors import Refusal
from portal.issuing import deadlines, intake, marked, people
from portal.issuing import uploads as worker
from portal.issuing.keys import load_keys
from portal.issuing.models import (
    ClassUpload,
    Issuance,
    LineState,
    OrderLine,
    SigningOrder,
    UploadKind,
    UploadState,
    Way,
)
from portal.issuing.people import HOLD
from portal.issuing.service import Outcome, Row, State
from portal.messages.models import Message
from portal.registry import learners
from portal.registry.service import REASON_CLASSES
from portal.trust import service as trust
from portal.trust import store as trust_store
from tests.conftest import ACTOR
from tests.portal.accounts.families import enter_holder
from tests.portal.audit.reading import entries
from tests.portal.desk.office import HEAD, HOMEROOM, OFFICER, SchoolOffice
from tests.portal.desk.test_story import registered
from tests.portal.issuing.test_pipeline import SQLITE, verdict
from tests.portal.issuing.world import changed, key_list
from verifier.errors import InvalidInput, Problem
from verifier.report import Role
from verifier.verdict import Outcome as Verdict


def homeroom_of(office: SchoolOffice) -> str:
    return next(
        person.name
        for person in office.school.plan.staff
        if any(duty[0] is Role.GVCN for duty in person.duties)
        and office.parts(office.person(person.name, HOMEROOM))
    )


def test_another_school_sees_and_touches_nothing(office: SchoolOffice) -> None:
    """SEC-18: uploads, parts, orders and records of another school are as unknown as none."""
    upload = office.reserved(office.school.rows[0])
    homeroom = office.person(homeroom_of(office), HOMEROOM)
    (part,) = office.parts(homeroom)
    order = office.order(homeroom, part, Way.TOKEN)
    now = office.world.clock.now()
    strangers = [
        replace(who, office="09999999")
        for who in (office.clerk, homeroom, office.person(homeroom.name, HEAD))
    ]
    clerk, teacher, head = strangers
    with office.world.begin() as session:
        vault = office.world.vault
        assert uploads.listed(session, vault, clerk) == ()
        assert signatures.own_parts(session, teacher) == ()
        assert signatures.progress(session, head) == ()
        calls: list[Callable[[], object]] = [
            lambda: uploads.view(session, vault, clerk, upload),
            lambda: uploads.marked_file(session, vault, clerk, upload, now=now),
            lambda: uploads.issued(session, vault, clerk, upload, now=now),
            lambda: uploads.confirm(session, clerk, upload, now=now),
            lambda: uploads.withdraw(session, clerk, upload, now=now),
            lambda: signatures.pupils(session, vault, teacher, part.key, now=now),
            lambda: signatures.order(session, teacher, part.key, way=Way.RING, now=now),
            lambda: signatures.digests(session, teacher, order),
            lambda: signatures.bring(session, teacher, order, b"[]", now=now),
            lambda: signatures.give_up(session, teacher, order, now=now),
        ]
        for call in calls:
            with pytest.raises(Refusal, match=r"[Kk]hông có"):
                call()
        row_id = session.scalar(select(Issuance.record_id)) or ""
        with pytest.raises(InvalidInput):
            corrections.recall(session, vault, head, row_id, "issued_in_error", now=now)
        other_department = replace(OFFICER, office="S99")
        assert certificates.waiting(session, other_department) == ()
        assert corrections.late_waiting(session, other_department) == ()


@SQLITE
def test_a_file_of_another_school_is_refused(office: SchoolOffice) -> None:
    """SEC-18: a clerk issues for the own school, whatever the file says."""
    stranger = replace(office.clerk, office="09999999")
    upload = office.send(office.file(office.school.rows[0]), who=stranger)
    office.work()
    with office.world.begin() as session:
        examined = uploads.view(session, office.world.vault, stranger, upload).examined
    assert examined is not None
    assert "other_school" in {problem.code for problem in examined.problems}


@SQLITE
def test_roles_do_what_the_table_says_and_nothing_else(office: SchoolOffice) -> None:
    upload = office.reserved(office.school.rows[0])
    now, vault = office.world.clock.now(), office.world.vault
    homeroom = office.person(homeroom_of(office), HOMEROOM)
    (part,) = office.parts(homeroom)
    with office.world.begin() as session:
        for call in (
            lambda: uploads.send(
                session, vault, homeroom, b"x", "a.csv", kind=UploadKind.FIRST, reason="", now=now
            ),
            lambda: uploads.withdraw(session, homeroom, upload, now=now),
            lambda: corrections.recall(session, vault, office.clerk, "x", "issued_in_error", now=now),
            lambda: corrections.ask_late(session, vault, office.clerk, "x", "data_entry", now=now),
            lambda: certificates.waiting(session, office.clerk),
            lambda: corrections.late_waiting(session, homeroom),
            lambda: signatures.own_parts(session, OFFICER),
        ):
            with pytest.raises(Refusal, match="Vai trò"):
                call()
        # The own part of somebody else, in a role that signs others.
        with pytest.raises(Refusal, match="không phải của chứng thư số của bạn"):
            signatures.order(session, office.clerk, part.key, way=Way.RING, now=now)


def test_an_order_for_the_certificate_of_another_is_refused_and_told(office: SchoolOffice) -> None:
    """The worker believes no row alone: a forged order of an account signs nothing, and the trail has it."""
    office.reserved(office.school.rows[0])
    homeroom = office.person(homeroom_of(office), HOMEROOM)
    (part,) = office.parts(homeroom)
    thief = office.clerk.account
    now = office.world.clock.now()
    with office.world.begin() as session:
        order = SigningOrder(
            id=uuid.uuid4(),
            account_pk=thief,
            school_code=office.clerk.office,
            certificate_sha256=part.certificate,
            act="sign_part",
            way=Way.RING,
            confirmed_by="passkey",
            ordered_at=now,
        )
        session.add(order)
        session.flush()
        issuance = session.scalars(select(Issuance.id)).one()
        session.add(
            OrderLine(
                id=uuid.uuid4(),
                order_pk=order.id,
                issuance_pk=issuance,
                field=part.key.field,
                state=LineState.ASKED,
            )
        )
    office.work()
    with office.world.begin() as session:
        line = session.scalars(select(OrderLine)).one()
        assert (line.state, line.fault) == (LineState.REFUSED, "not_own_certificate")
        assert session.scalars(select(Issuance.signatures)).one() == 0
        told = [e for e in entries(session) if e["action"] == "key_use"]
    assert [(e["actor"], e["outcome"], e["details"]["reason"]) for e in told] == [
        (f"account:{thief}", "refused", "not_own_certificate")
    ]
    # And what a page refuses is told as well.
    with office.world.begin() as session:
        signatures.refused(session, office.clerk, part.key.field, "not_own_part", now=now)
        last = entries(session)[-1]
    assert (last["action"], last["outcome"]) == ("signature_order", "refused")


@SQLITE
def test_a_certificate_has_one_owner(office: SchoolOffice) -> None:
    """Neither the certificate nor its key is registered to a second account."""
    world, school = office.world, office.school
    homeroom = next(p for p in school.plan.staff if p.holds(Role.GVCN))
    der = school.people[homeroom.name].der
    other = office.person(school.plan.manager.name, HOMEROOM)
    now = world.clock.now()
    with world.begin() as session, pytest.raises(InvalidInput) as caught:
        certificates.ask(session, other, der, now=world.clock.now())
    assert "other_person" in [problem.code for problem in caught.value.problems]
    with world.begin() as session:
        signers = trust_store.list_signers(session, school.plan.code)
        signer = next(s for s in signers if s.authority.display_name == homeroom.name)
        with pytest.raises(Refusal, match="người khác"):
            trust.link_account(session, [signer.id], other.account, actor=ACTOR, now=now)


def test_an_officer_does_not_approve_their_own_and_the_key_is_shown_sec_24(
    office: SchoolOffice, tmp_path: Path
) -> None:
    """SEC-24: who asked and who approves are two. Whoever asks shows that they hold the key: their own, for
    this registration, and the department sees it.
    """
    world, plan = office.world, office.school.plan
    mine, stranger = (
        world.authority.person(
            "Cô giáo Mới", Role.GVCN, school=plan.name, title="Giáo viên", ca=plan.people_ca, handle=handle
        )
        for handle in (f"new-{uuid.uuid4()}", f"new-{uuid.uuid4()}")
    )
    keys = load_keys(key_list(tmp_path / "new-keys.json", (mine, stranger)))
    who = replace(office.clerk, account=uuid.uuid4(), role=HOMEROOM, name="Cô giáo Mới")
    now = world.clock.now()

    def answer(out: dict[str, Any], sha256: str) -> bytes:
        key = keys.find(sha256)
        assert key is not None
        value = base64.b64encode(key.sign_digest(bytes.fromhex(out["digests"][0]["digest"])))
        return json.dumps([out["digests"][0] | {"signature": value.decode()}]).encode()

    with world.begin() as session:
        key = certificates.ask(session, who, mine.der, now=now)
        out = certificates.challenge(session, who, key)
        assert out["signer"] == mine.sha256
        other = replace(who, account=uuid.uuid4())
        for act in (
            lambda: certificates.challenge(session, other, key),
            lambda: certificates.show_key(session, other, key, answer(out, mine.sha256), now=now),
        ):
            with pytest.raises(Refusal, match="không có đăng ký"):
                act()
        for wrong in (
            answer(out, stranger.sha256),
            answer({"digests": [out["digests"][0] | {"digest": "00" * 32}]}, mine.sha256),
            answer({"digests": [out["digests"][0] | {"issuance": str(uuid.uuid4())}]}, mine.sha256),
            b"[]",
            b"x",
        ):
            with pytest.raises(InvalidInput):
                certificates.show_key(session, who, key, wrong, now=now)
        assert [c.key_shown for c in certificates.waiting(session, OFFICER)] == [False]
        certificates.show_key(session, who, key, answer(out, mine.sha256), now=now)
        assert [c.key_shown for c in certificates.waiting(session, OFFICER)] == [True]
        assert entries(session)[-1]["details"] == {"change": "possession_shown", "signer": str(key)}
        with pytest.raises(Refusal) as refused:
            certificates.decide(session, replace(OFFICER, account=who.account), key, now=now)
        assert refused.value.code == "same_person"
        certificates.decide(session, OFFICER, key, now=now)
        with pytest.raises(Refusal):  # decided: nothing waits for a signature
            certificates.challenge(session, who, key)


def test_a_certificate_waits_for_the_department(office: SchoolOffice) -> None:
    """Asked for by its owner, approved or refused with a reason by the own department alone; once."""
    world, school = office.world, office.school
    name = "Cô giáo Mới"
    fresh = [
        world.authority.person(
            name,
            Role.GVCN,
            school=school.plan.name,
            title="Giáo viên",
            ca=school.plan.people_ca,
            handle=handle,
        )
        for handle in (f"new-{uuid.uuid4()}", f"new-{uuid.uuid4()}")
    ]
    who = replace(office.clerk, account=uuid.uuid4(), role=HOMEROOM, name=name)
    now = world.clock.now()
    with world.begin() as session:
        first, second = (certificates.ask(session, who, each.der, now=now) for each in fresh)
        assert {c.approval.value for c in certificates.own(session, who)} == {"waiting"}
    with world.begin() as session:
        assert {c.id for c in certificates.waiting(session, OFFICER)} == {first, second}
        with pytest.raises(Refusal, match="Không có chứng thư"):
            certificates.decide(session, replace(OFFICER, office="S99"), first, now=now)
        with pytest.raises(Refusal, match="lý do"):
            certificates.decide(session, OFFICER, first, refusal="vì thế", now=now)
        certificates.decide(session, OFFICER, first, now=now)
        certificates.decide(session, OFFICER, second, refusal="other_person", now=now)
    with world.begin() as session:
        found = {c.id: (c.approval.value, c.refusal) for c in certificates.own(session, who)}
        assert found == {first: ("approved", None), second: ("refused", "other_person")}
        assert certificates.waiting(session, OFFICER) == ()


def test_a_token_holds_the_file_for_an_hour_and_its_digest_is_then_given_up(office: SchoolOffice) -> None:
    """While a digest is out nobody signs that file; late, wrong and foreign values are refused."""
    office.reserved(office.school.rows[0])
    homeroom = office.person(homeroom_of(office), HOMEROOM)
    (part,) = office.parts(homeroom)
    order = office.order(homeroom, part, Way.TOKEN)
    with office.world.begin() as session, pytest.raises(Refusal, match="Chưa có giá trị băm"):
        signatures.digests(session, homeroom, order)
    office.work()
    assert office.parts(homeroom) == []
    with office.world.begin() as session:
        out = signatures.digests(session, homeroom, order)
        (facts,) = signatures.orders(session, homeroom)
        assert facts.held_until == office.world.clock.now() + HOLD

    # A value that does not fit is refused by the worker; the same digest may be signed again.
    (line,) = json.loads(office.answer(out))
    for wrong in (b"x", b"[]", json.dumps([line | {"digest": "00" * 32}]).encode()):
        with pytest.raises(InvalidInput):
            office.bring(homeroom, order, wrong)
    assert office.bring(homeroom, order, json.dumps([line | {"signature": "AAAA"}]).encode()) == 1
    office.work()
    with office.world.begin() as session:
        (facts,) = signatures.orders(session, homeroom)
    assert (facts.faults, facts.counts) == (("wrong_signature",), {LineState.PREPARED: 1})

    # After the hour the digest is given up, and the person begins anew.
    office.later(hours=1)
    office.work()
    with pytest.raises(InvalidInput):
        office.bring(homeroom, order, json.dumps([line]).encode())
    (part,) = office.parts(homeroom)
    again = office.sign_with_token(homeroom, part)
    assert again["digests"][0]["digest"] != out["digests"][0]["digest"]
    head = office.person(office.school.plan.manager.name, HEAD)
    assert [office.sign_all(who) for who in (head, office.clerk)] == [1, 1]
    assert [version.version for _, version, _ in office.world.registered()] == [1]


def test_the_digests_of_a_token_are_offered_when_all_are_out(office: SchoolOffice) -> None:
    """Whoever took those that are out already would leave the other files held for an hour. A file that waits
    for somebody else's digest, or that is broken, keeps nobody waiting.
    """

    def preparing() -> tuple[int, int]:
        with office.world.begin() as session:
            (facts,) = signatures.orders(session, homeroom)
        return facts.counts.get(LineState.PREPARED, 0), facts.preparing

    office.reserved(*office.school.rows[:3])
    homeroom = office.person(homeroom_of(office), HOMEROOM)
    (part,) = office.parts(homeroom)
    assert part.ready == 3
    order = office.order(homeroom, part, Way.TOKEN)
    seen = [preparing()]
    while people.take_due(office.desk(), office.world.store()):
        seen.append(preparing())
    assert seen == [(0, 3), (1, 2), (2, 1), (3, 0)]

    first, second, _ = standing(office, order)
    put(office, first, state=LineState.ASKED)
    assert preparing() == (2, 1)
    with office.world.begin() as session:
        session.get_one(Issuance, first.issuance_pk).fault = "SigningFault"
    assert preparing() == (2, 0)
    put(office, second, state=LineState.ASKED)
    assert preparing() == (1, 1)
    with office.world.begin() as session:
        other = SigningOrder(
            id=uuid.uuid4(), account_pk=uuid.uuid4(), school_code=homeroom.office,
            certificate_sha256="0" * 64, act="sign_part", way=Way.TOKEN, confirmed_by="passkey",
            ordered_at=office.world.clock.now(),
        )  # fmt: skip
        session.add(other)
        session.flush()
        field, state = "GVBM.TOAN", LineState.PREPARED
        session.add(OrderLine(order_pk=other.id, issuance_pk=second.issuance_pk, field=field, state=state))
    assert preparing() == (1, 0)


def standing(office: SchoolOffice, order: uuid.UUID) -> list[OrderLine]:
    with office.world.begin() as session:
        lines = list(session.scalars(select(OrderLine).filter_by(order_pk=order)))
        session.expunge_all()
    return lines


def put(office: SchoolOffice, line: OrderLine, **values: object) -> None:
    with office.world.begin() as session:
        session.execute(update(OrderLine).where(OrderLine.id == line.id).values(**values))


class Killed(BaseException):
    """The worker's process ended here."""


def killed_at(wanted: str, times: list[int]) -> Callable[[str], None]:
    def at(point: str) -> None:
        if point == wanted and times:
            times.pop()
            raise Killed

    return at


@SQLITE
@pytest.mark.parametrize(
    "point",
    [
        "examining",
        "examined",
        "reserving",
        "reserved",
        "prepared",
        "signed one",
        "signed, not committed",
        "waiting",
        "taken",
        "validated",
        "sealed",
        "stored",
        "registering",
        "registering, not committed",
        "registered",
    ],
)
def test_a_worker_that_is_killed_loses_nothing_and_signs_nothing_twice(
    office: SchoolOffice, point: str
) -> None:
    """At every arrow, twice in a row: one version, one kept signature a field, one entry for each."""
    times = [1, 1]

    def work() -> None:
        while True:
            try:
                office.work(killed_at(point, times))
            except Killed:
                continue
            return

    row = office.school.rows[0]
    upload = office.send(office.file(row))
    work()
    office.confirm(upload)
    work()
    homeroom = office.person(homeroom_of(office), HOMEROOM)
    order = office.order(homeroom, office.parts(homeroom)[0], Way.TOKEN)
    work()
    with office.world.begin() as session:
        out = signatures.digests(session, homeroom, order)
    office.bring(homeroom, order, office.answer(out))
    work()
    for who in (office.person(office.school.plan.manager.name, HEAD), office.clerk):
        office.order(who, office.parts(who)[0])
        work()
    assert len(times) < 2  # what follows a commit is not met twice
    ((_, version, file),) = office.world.registered()
    assert (version.version, file.standing) == (1, "passed")
    with office.world.begin() as session:
        told = [e for e in entries(session) if e["outcome"] == "done"]
        lines = session.scalars(select(OrderLine.state)).all()
    uses = [e["details"]["field"] for e in told if e["action"] == "key_use"]
    assert uses == ["GVCN", "CBQL", "KY_PHAT_HANH"]
    assert [e["action"] for e in told].count("issue") == 1
    assert set(lines) == {LineState.DONE}
    assert office.view(upload).facts.state == UploadState.DONE


@SQLITE
def test_a_command_leaves_what_waits_for_people(office: SchoolOffice) -> None:
    """All keys are in the ring, and still nobody's part of an upload is signed without their word."""
    office.reserved(office.school.rows[0])
    read = intake.read_class_file(office.file(office.school.rows[0]), "lop.xlsx")
    (outcome,) = office.world.run([Row("dòng 2", intake.validate(read).records[0][1])])
    assert (outcome.state, outcome.waiting_for) == (State.WAITING, "GVCN")
    assert office.world.registered() == []
    # What is not of an upload goes on as before.
    (other,) = office.world.run([office.school.rows[1]])
    assert isinstance(other, Outcome)
    assert other.state is State.ISSUED


def test_an_upload_that_is_taken_back_leaves_nothing_half_signed(office: SchoolOffice) -> None:
    row = office.school.rows[0]
    upload = office.reserved(row)
    office.sign_all(office.person(homeroom_of(office), HOMEROOM))
    with office.world.begin() as session:
        uploads.withdraw(session, office.clerk, upload, now=office.world.clock.now())
    assert office.view(upload).facts.state == UploadState.WITHDRAWN
    assert office.world.issuances() == []
    better = office.reserved(changed(row, can_nang="31.5"))
    assert office.view(better).facts.records == 1


@SQLITE
def test_a_file_that_leads_to_nothing_is_erased_after_thirty_days(office: SchoolOffice) -> None:
    upload = office.send(b"ho_va_ten;gioi_tinh;lop\nA;B;C\n")
    office.work()
    desk = office.desk()
    assert not worker.erase_due(desk)
    office.later(days=30)
    assert worker.erase_due(desk)
    assert not worker.erase_due(desk)
    with office.world.begin() as session:
        row = session.get_one(ClassUpload, upload)
        assert (row.content_sealed, row.result_sealed, row.marked_sealed) == (None, None, None)
        assert (row.state, row.fault) == (UploadState.WITHDRAWN, "too_old")


@SQLITE
def test_a_file_that_ends_the_worker_each_time_is_given_up(office: SchoolOffice) -> None:
    upload = office.send(office.file(office.school.rows[0]))
    for _ in range(3):
        with pytest.raises(Killed):
            office.work(killed_at("examining", [1]))
    office.work()
    facts = office.view(upload).facts
    assert (facts.state, facts.fault) == (UploadState.REFUSED, "cannot_examine")


@SQLITE
def test_what_is_stored_of_an_upload_is_sealed(office: SchoolOffice) -> None:
    """SEC-39: neither the file nor its name nor what was found in it stands in the table in clear."""
    row = office.school.rows[0]
    upload = office.send(office.file(row, gioi_tinh="Không rõ"), kind=UploadKind.CORRECTION, reason="Bé Na")
    office.work()
    with office.world.begin() as session:
        found = session.get_one(ClassUpload, upload)
        stored = b"".join(v for v in vars(found).values() if isinstance(v, bytes))
        texts = " ".join(v for v in vars(found).values() if isinstance(v, str))
    for secret in ("lop.xlsx", "Bé Na", row.record.common.ho_va_ten):
        assert secret.encode() not in stored[:4] + stored
        assert secret not in texts


@SQLITE
def test_the_same_person_is_chosen_or_asked_for(office: SchoolOffice) -> None:
    """A field that several could sign is a mistake of the file until one is chosen on the page."""
    world, school = office.world, office.school
    second = world.authority.person(
        "Cô Hai",
        Role.GVCN,
        school=school.plan.name,
        title="Giáo viên",
        ca=school.plan.people_ca,
        handle="hai",
    )
    now = world.clock.now()
    who = replace(office, accounts=dict(office.accounts, **{"Cô Hai": uuid.uuid4()})).person(
        "Cô Hai", HOMEROOM
    )
    with world.begin() as session:
        signer = certificates.ask(session, who, second.der, now=now)
    with world.begin() as session:
        certificates.decide(session, OFFICER, signer, now=now)
    upload = office.send(office.file(school.rows[0]))
    office.work()
    examined = office.view(upload).examined
    assert examined is not None
    assert [p.code for p in examined.problems] == ["several_signers"]
    assert "Ai ký" in examined.problems[0].message
    with world.begin() as session:
        offered = uploads.candidates(session, world.vault, office.clerk, upload)
        assert len(offered["GVCN"]) == 2
        with pytest.raises(InvalidInput):
            uploads.choose(session, world.vault, office.clerk, upload, {"GVCN": "00" * 32}, now=now)
        chosen = next(c for c in offered["GVCN"] if c.name == "Cô Hai")
        uploads.choose(session, world.vault, office.clerk, upload, {"GVCN": chosen.value}, now=now)
    office.work()
    assert office.view(upload).facts.can_be_confirmed


@SQLITE
def test_a_subject_teacher_sees_names_and_the_own_row_alone(
    office: SchoolOffice,
) -> None:
    upload = office.reserved(office.school.rows[0])
    homeroom = office.person(homeroom_of(office), HOMEROOM)
    with office.world.begin() as session:
        now = office.world.clock.now()
        key = PartKey(upload, office.parts(homeroom)[0].key.school_class, "GVCN")
        (pupil,) = signatures.pupils(session, office.world.vault, homeroom, key, now=now)
        last = entries(session)[-1]
    assert pupil.name == office.school.rows[0].record.common.ho_va_ten
    assert pupil.rows
    assert (last["action"], last["purpose"], last["details"]) == (
        "disclosure",
        "signing",
        {"field": "GVCN", "count": 1},
    )


def test_lock_days_are_data_and_decide_who_lets_a_correction_through(office: SchoolOffice) -> None:
    """Before the lock the school corrects by itself and need not ask; a refusal of the department stands."""
    world, row = office.world, office.school.rows[0]
    head = office.person(office.school.plan.manager.name, HEAD)
    (issued,) = world.run([row])
    now = world.clock.now()
    with world.begin() as session:
        days = corrections.lock_days(session, head, now=now)
        assert [each.day for each in days if each.year == row.record.year] == [
            date(2026, 6, 30),
            date(2026, 8, 15),
        ]
        assert not any(each.said for each in days)
        with pytest.raises(Refusal, match="chưa chốt"):
            corrections.ask_late(session, world.vault, head, issued.record_id, "data_entry", now=now)
    with world.begin() as session:
        day = date(2026, 6, 1)
        for again in (False, True):
            deadlines.set_last_open_day(
                session, "S00", row.record.year, day, supplementary=again, actor=ACTOR, now=now
            )
        asked = corrections.ask_late(session, world.vault, head, issued.record_id, "data_entry", now=now)
        with pytest.raises(Refusal, match="đang chờ"):
            corrections.ask_late(session, world.vault, head, issued.record_id, "data_entry", now=now)
    better = changed(row, can_nang="31.5")
    with pytest.raises(InvalidInput) as waiting:
        world.run([better], correction="Nhập nhầm")
    assert [p.code for p in waiting.value.problems] == ["late_waiting"]
    with world.begin() as session:
        corrections.decide_late(session, OFFICER, asked, refusal="no_evidence", now=now)
        with pytest.raises(Refusal, match="đã được trả lời"):
            corrections.decide_late(session, OFFICER, asked, now=now)
    with pytest.raises(InvalidInput) as refused:
        world.run([better], correction="Nhập nhầm")
    assert [p.code for p in refused.value.problems] == ["late_refused"]


@SQLITE
def test_a_manager_recalls_a_record_of_the_own_school(office: SchoolOffice) -> None:
    world = office.world
    code, pupil = office.school.plan.code, office.school.rows[0].record.to_input()["ma_hoc_sinh"]
    with world.begin() as session:
        enter_holder(session, world.vault, code, learners.pupil_index(world.vault, code, str(pupil)))
    (issued,) = world.run([office.school.rows[0]])
    head = office.person(office.school.plan.manager.name, HEAD)
    now = world.clock.now() + timedelta(hours=1)
    with world.begin() as session:
        with pytest.raises(InvalidInput):
            corrections.recall(session, world.vault, head, "không phải mã", "issued_in_error", now=now)
        with pytest.raises(InvalidInput):
            corrections.recall(session, world.vault, head, issued.record_id, "vì thế", now=now)
        reason = REASON_CLASSES[0]
        assert corrections.recall(session, world.vault, head, issued.record_id.lower(), reason, now=now) == 1
        assert entries(session)[-1]["actor"] == f"account:{head.account}"
        assert corrections.recall(session, world.vault, head, issued.record_id, reason, now=now) == 1
        told = session.scalars(select(Message.kind).order_by(Message.created_at)).all()
        assert told == ["record_new_version", "record_recalled"]  # the second time changed nothing


@pytest.mark.parametrize("name", ["lop.csv", "lop.jsonl", "lop.xlsx"])
def test_every_kind_of_file_comes_back_marked_and_without_a_formula(name: str) -> None:
    rows = [("ho_va_ten", "ma_hoc_sinh", "lop"), ("=1+1", "@x", "6A"), ("+84", "-2", "6A")]
    if name.endswith("csv"):
        data = "\n".join(";".join(row) for row in rows).encode()
    elif name.endswith("jsonl"):
        data = "\n".join(json.dumps(dict(zip(rows[0], row, strict=True))) for row in rows[1:]).encode()
    else:
        book = openpyxl.Workbook()
        page = book.worksheets[0]
        for row in rows:
            page.append(row)
        out = io.BytesIO()
        book.save(out)
        data = out.getvalue()
    line = 1 if name.endswith("jsonl") else 2
    where = f"dòng {line} (ho_va_ten)" if name.endswith("jsonl") else "dòng 2, ô A2 (ho_va_ten)"
    found = [
        Problem(where, "x", "=SUM(1) là một công thức"),
        Problem("tệp", "y", "Cả tệp có một lỗi"),
    ]
    back = openpyxl.load_workbook(io.BytesIO(marked.mark(data, name, "", 1, found)))
    page = back.worksheets[0]
    texts = {cell.value: cell for row in page.iter_rows() for cell in row if cell.value is not None}
    assert {"=1+1", "@x", "+84", "-2", "ho_va_ten: =SUM(1) là một công thức", "Lỗi"} <= set(texts)
    cells = [cell for sheet in back for row in sheet.iter_rows() for cell in row]
    assert all(cell.data_type != "f" for cell in cells)
    assert all(cell.quotePrefix for cell in cells if re.match("[=+@-]", str(cell.value or "")))
    commented = [cell.coordinate for cell in cells if cell.comment]
    assert commented == ["A2"]
    assert [cell.value for cell in back[marked.LIST_SHEET]["D"]] == [
        "Nội dung",
        "=SUM(1) là một công thức",
        "Cả tệp có một lỗi",
    ]


@SQLITE
def test_the_seal_waits_for_everybody(office: SchoolOffice) -> None:
    """Through the exact order of roles, and a stranger's check says genuine."""
    office.reserved(office.school.rows[0])
    head = office.person(office.school.plan.manager.name, HEAD)
    assert office.parts(office.clerk) == []
    assert office.parts(head) == []
    assert [
        office.sign_all(who) for who in (office.person(homeroom_of(office), HOMEROOM), head, office.clerk)
    ] == [1, 1, 1]
    ((record, version, file),) = office.world.registered()
    data = registered(office.world)[0][2]
    assert verdict(office.world, data) is Verdict.GENUINE_CURRENT
    assert (record.school_code, version.roles) == (office.clerk.office, "GVCN CBQL KY_PHAT_HANH")
    assert file.kind == "issued"
