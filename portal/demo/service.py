"""Builds a demo instance by the front doors: trust, intake, issuing, registry, as schools and departments do.

The demo has a past, told in order with the clock of each moment, because a revocation list that ran out or a
correction cannot be had in one instant:

1. *merger* (June 2025): a school of a former province issues under its old name;
2. *year* (June 2026): all other schools register their people, hand in their classes and issue;
3. *corrections*, a fortnight later; 4. *recalls*;
5. *theft*: today a seal turns out to have been stolen before it signed, and a teacher's key to be lost;
6. *accounts*: people of each role who can sign in; 7. *families* a month ago, and *consents* today: who is
linked to whom, what was asked, given and looked at; 8. *samples* and their manifest.

One school's seal carries timestamps; a record of it is renewed for the archive when others are corrected.

Each chapter is marked when it is done, and what it adds is looked for first, so an interrupted creation goes
on where it stopped. A later run renews the CRLs of every authority but one, and what rests on them.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from sqlalchemy.orm import Session

from portal.accounts.passkeys import RelyingParty
from portal.audit.service import Actor
from portal.demo import families, manifest, samples
from portal.demo.accounts import open_accounts
from portal.demo.authority import (
    PUBLIC_SECOND,
    SUBSCRIBER_LIFE,
    Authority,
    Credential,
    write_key_list,
)
from portal.demo.classes import CLASSES, ClassPlan, file_of_mistakes, rows, write
from portal.demo.manifest import Issued, Place, Scene
from portal.demo.schools import BY_KEY, DEPARTMENTS, SCHOOLS, Fate, SchoolPlan
from portal.demo.timestamps import DemoTimestamper
from portal.errors import PortalError
from portal.issuing import intake, renewal, signing, telling
from portal.issuing import service as issuing
from portal.issuing.intents import Intent
from portal.issuing.keys import Key, KeyRing, load_keys
from portal.issuing.plan import Choices
from portal.issuing.rendering import Renderer
from portal.issuing.renewal import Bench
from portal.issuing.service import Desk, Order, Outcome, Row, State, Work
from portal.ports import FileStore
from portal.registry import service as registry
from portal.trust import service as trust
from portal.trust.service import Change, ContactInput, SchoolInput, SignerInput
from portal.vault import Vault
from verifier import record as records
from verifier.errors import InvalidInput
from verifier.record import Record
from verifier.report import Role
from verifier.trust import Purpose, TrustStore

ACTOR: Final = Actor.command("demo")
OFFICER: Final = Actor.command("demo-department")  # who approves is another than who registers
STOLEN: Final = "hoa-mai"  # the school whose seal was stolen
STALE: Final = PUBLIC_SECOND  # the authority whose CRL runs out
STAMPED: Final = "suong-mai"  # the school that issues with timestamps
#: Its classes, each signed by the homeroom teacher whose certificate comes to this end.
TEACHERS: Final = {"3M": Fate.EXPIRED, "4M": Fate.REVOKED_LATER, "5M": Fate.REVOKED_BEFORE}
OTHER_SCHOOL: Final = "y-jut"  # whose people sign for a school that is not theirs
KY_THAY: Final = {"12C1": {"GVBM.TIN_HOC": {"ky_thay": True}}}  # the principal signs for one subject teacher
CORRECTED: Final = (manifest.SUPERSEDED, manifest.SUPERSEDED_SECONDARY)
RECALLED: Final = {manifest.RECALLED: "data_error", manifest.RECALLED_SECONDARY: "issued_in_error"}
ADDED_FIELD: Final = "Signature1"  # as the usual programs call it
BACK_DATED_FILE: Final = "lui-ngay-ky.pdf"
_WORKERS: Final = 2


class DemoFault(PortalError):  # noqa: N818 - not a person's mistake: the demo's own data is refused
    """A service refused what the demo handed in; the message carries every reason."""


@dataclass(frozen=True)
class Workshop:
    """What the demo is built with, chosen by the command. ``say`` is told each chapter."""

    instance_dir: Path
    begin: Callable[[], AbstractContextManager[Session]]
    vault: Vault
    files: FileStore
    public_url: str
    public_url_former: tuple[str, ...]
    system_name: str
    owner: str
    say: Callable[[str], None]

    @property
    def directory(self) -> Path:
        return self.instance_dir / "demo"


@dataclass(frozen=True, slots=True)
class Moments:
    """When things happened, all before ``now``."""

    merger: datetime
    theft: datetime
    year: datetime
    correction: datetime
    recall: datetime
    now: datetime

    @classmethod
    def before(cls, now: datetime) -> Moments:
        year = min(datetime(2026, 6, 15, 1, 30, tzinfo=UTC), now - timedelta(days=60))
        return cls(
            merger=min(datetime(2025, 6, 20, 2, 0, tzinfo=UTC), year - timedelta(days=300)),
            theft=year - timedelta(days=5),
            year=year,
            correction=year + timedelta(days=15),
            recall=year + timedelta(days=25),
            now=now,
        )

    @property
    def began(self) -> datetime:
        """When the certificate that ended was issued."""
        return self.year - timedelta(days=300)

    @property
    def ended(self) -> datetime:
        """When it ended: after the lists of the corrections, which still tell of it."""
        return self.correction + timedelta(days=5)

    def of_class(self, plan: ClassPlan) -> datetime:
        """When a class was issued."""
        return self.merger if plan.plan.valid_to is not None else self.year


@dataclass(frozen=True, slots=True)
class Summary:
    """What stands after a run."""

    created: bool
    records: int
    pupils: int
    samples: int


def create(shop: Workshop, now: datetime) -> Summary:
    """Create the demo, or bring it up to date; safe to repeat. Raises DemoFault."""
    return _Story(shop, _Progress.of(shop, now), now).tell()


@dataclass(frozen=True, slots=True)
class _FixedClock:
    """The clock of a chapter."""

    time: datetime

    def now(self) -> datetime:
        return self.time


class _Progress:
    """What is finished, kept in ``state.json``: chapters, and the codes of what was issued."""

    def __init__(self, path: Path, data: dict[str, Any]) -> None:
        self._path = path
        self._data = data

    @classmethod
    def of(cls, shop: Workshop, now: datetime) -> _Progress:
        path = shop.directory / "state.json"
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = {"started": now.isoformat(), "done": [], "issued": {}, "urls": []}
        progress = cls(path, json.loads(path.read_text("utf-8")) if path.exists() else fresh)
        progress.save()
        return progress

    @property
    def started(self) -> datetime:
        return datetime.fromisoformat(self._data["started"])

    def done(self, chapter: str) -> bool:
        return chapter in self._data["done"]

    def finish(self, chapter: str) -> None:
        self._data["done"].append(chapter)
        self.save()

    def issued(self, pupil: str, version: int) -> dict[str, str]:
        """``record_id`` and ``url`` of one version, by the pupil's key."""
        found: dict[str, str] = self._data["issued"][f"{pupil}/{version}"]
        return found

    def keep(self, pupil: str, outcome: Outcome) -> None:
        self._data["issued"][f"{pupil}/{outcome.version}"] = {
            "record_id": outcome.record_id,
            "url": outcome.url,
        }

    def serve_under(self, public_url: str) -> None:
        """Remembers every host that stands in a printed code; ``former-urls`` has all but today's, for the
        setting PUBLIC_URL_FORMER. ``environment`` has the settings of commands, for a shell to read: without
        them a record issued by hand would print another host than the one that answers for it."""
        urls = self._data["urls"]
        if public_url not in urls:
            urls.append(public_url)
            self.save()
        former = ",".join(url for url in urls if url != public_url)
        self._path.with_name("former-urls").write_text(f"{former}\n" if former else "", "utf-8")
        directory = self._path.parent
        settings = {
            "INSTANCE_DIR": str(directory.parent.absolute()),
            "DEMO": "1",
            "SIGNING_KEYS": str((directory / "keys.json").absolute()),
            "PUBLIC_URL": public_url,
            "PUBLIC_URL_FORMER": former,
        }
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in settings.items()]
        self._path.with_name("environment").write_text("".join(lines), "utf-8")

    def save(self) -> None:
        draft = self._path.with_name("state.json.draft")
        draft.write_text(json.dumps(self._data, indent=1), "utf-8")
        os.replace(draft, self._path)


class _Story:
    """One run of the demo. Chapters are methods, in the order in which :meth:`tell` calls them."""

    def __init__(self, shop: Workshop, progress: _Progress, now: datetime) -> None:
        self.shop = shop
        self.progress = progress
        self.moments = replace(Moments.before(progress.started), now=now)
        self.authority = Authority.create(shop.directory / "authority", self.moments.merger)
        self._read: dict[ClassPlan, tuple[Record, ...]] = {}

    def tell(self) -> Summary:
        fresh = not self.progress.done("samples")
        self.progress.serve_under(self.shop.public_url)
        for name, title, chapter in (
            ("merger", "Năm học 2024-2025: trường trước khi sáp nhập", self._merger),
            ("year", "Năm học 2025-2026: đăng ký người ký, nhập dữ liệu, cấp học bạ", self._year),
            ("corrections", "Sửa sai sót, cấp bản mới", self._corrections),
            ("recalls", "Thu hồi", self._recalls),
            ("families", "Gia đình kích hoạt tài khoản, gửi yêu cầu", self._families),
            ("theft", "Một con dấu số bị mất", self._theft),
            ("accounts", "Tài khoản mẫu", self._accounts),
            ("consents", "Hỏi, đồng ý, chia sẻ, xem", self._consents),
        ):
            if not self.progress.done(name):
                self.shop.say(title)
                chapter()
                self.progress.finish(name)
        self.shop.say("Danh sách thu hồi (CRL) mới, kiểm tra lại các tệp")
        self._renew_crls(self.moments.now)
        self._revalidate()
        if fresh:
            self.shop.say("Mẫu thử")
            self._samples()
            self.progress.finish("samples")
        self._export_trust()
        count = manifest.refresh(self.shop.directory, self.shop.public_url)
        issued = {record_id for record_id, _ in self._files}
        return Summary(fresh, len(issued), sum(plan.size for plan in CLASSES), count)

    # 1 -------------------------------------------------------------------------------------------------

    def _merger(self) -> None:
        at = self.moments.merger
        self._write_plan()
        self._pin_authorities(at)
        self._renew_crls(at, everyone=True)
        for each in DEPARTMENTS:
            try:
                with self.shop.begin() as session:
                    trust.add_department(
                        session,
                        each.code,
                        each.name,
                        each.province,
                        contact=ContactInput(each.phone, f"vanphong@{each.code.lower()}.example"),
                        actor=ACTOR,
                        now=at,
                    )
            except InvalidInput as error:
                if {problem.code for problem in error.problems} != {"exists"}:
                    raise
        self._register([school for school in SCHOOLS if school.valid_to is not None], at)
        self._issue_classes([plan for plan in CLASSES if plan.issued and plan.plan.valid_to is not None])

    # 2 -------------------------------------------------------------------------------------------------

    def _year(self) -> None:
        at = self.moments.year
        self._renew_crls(at, everyone=True)
        self._register([school for school in SCHOOLS if school.valid_to is None], at)
        self._close_merged_schools(at)
        for plan in CLASSES:
            self._classes(plan)
        mistakes = self.shop.directory / "lop" / "co-loi.csv"
        mistakes.write_text(file_of_mistakes(_day(at)), "utf-8-sig", newline="")
        self._issue_classes([plan for plan in CLASSES if plan.issued and plan.plan.valid_to is None])

    def _close_merged_schools(self, at: datetime) -> None:
        with self.shop.begin() as session:
            open_now = {known.code for known in trust.list_schools(session) if known.valid_to is None}
            for school in SCHOOLS:
                if school.valid_to is not None and school.code in open_now:
                    trust.close_school(
                        session, school.code, school.valid_to, school.successor, actor=ACTOR, now=at
                    )

    # 3 -------------------------------------------------------------------------------------------------

    def _corrections(self) -> None:
        at = self.moments.correction
        self._renew_crls(at)
        for place in CORRECTED:
            before = self._record(place)
            corrected = records.parse(
                {
                    **before.to_input(),
                    **manifest.correction(before),
                    "ngay_ky_phat_hanh": f"{_day(at):%d/%m/%Y}",
                }
            )
            self._issue([corrected], at, correction="Sửa sai sót khi nhập dữ liệu")
        self._renew_record(manifest.RENEWED, at)
        self._back_date(at)

    def _renew_record(self, place: Place, at: datetime) -> None:
        """Lifted to B-LTA, by lists of that day and a document timestamp."""
        issued = self.progress.issued(_pupil(self._record(place)), 1)
        bench = Bench(
            begin=self.shop.begin,
            vault=self.shop.vault,
            files=self.shop.files,
            clock=_FixedClock(at),
            actor=ACTOR,
            timestamper=DemoTimestamper(self.authority.timestamp_authority(), at),
        )
        with self.shop.begin() as session:
            due = renewal.due(session, now=at, record_ids=[issued["record_id"]])
        for outcome in renewal.renew(bench, due):
            if outcome.problem is not None:
                raise DemoFault(f"{outcome.where}: {outcome.problem.message}")

    def _back_date(self, at: datetime) -> None:
        """Who stole the seal signs with it and claims a day before the theft; nobody knows of it yet."""
        school = BY_KEY[STOLEN]
        (draft,) = self._examine(self._desk(at), [self._record(manifest.BACK_DATED)])
        keys = self._keys_of(school, self._credentials[school.key], self._ring)
        forged = self._sign(draft, keys, at=self.moments.theft - timedelta(days=30))
        (self.shop.directory / BACK_DATED_FILE).write_bytes(forged)

    # 4 -------------------------------------------------------------------------------------------------

    def _recalls(self) -> None:
        with self.shop.begin() as session:
            for place, reason in RECALLED.items():
                issued = self.progress.issued(_pupil(self._record(place)), 1)
                telling.recall_one(
                    session,
                    self.shop.vault,
                    issued["record_id"],
                    reason,
                    actor=ACTOR,
                    now=self.moments.recall,
                )

    # 5 -------------------------------------------------------------------------------------------------

    def _theft(self) -> None:
        """What is proven to exist only since the theft does not count, registered in good faith or not."""
        with self.shop.begin() as session:
            seals = [
                signer.id
                for signer in trust.list_signers(session, BY_KEY[STOLEN].code)
                if signer.authority.role is Role.KY_PHAT_HANH
            ]
            change = trust.suspend(session, seals, self.moments.theft, actor=ACTOR, now=self.moments.now)
            self._withdraw(session, change, self.moments.now)
        # The lists of today, collected after this chapter, say what became of two teachers' certificates.
        for person, credential in zip(BY_KEY[STAMPED].staff, self._credentials[STAMPED][:-1], strict=True):
            if person.fate is Fate.REVOKED_LATER:
                self.authority.revoke(credential, self.moments.year + timedelta(days=1))
            elif person.fate is Fate.REVOKED_BEFORE:
                self.authority.revoke(credential, self.moments.theft)

    # 6 -------------------------------------------------------------------------------------------------

    def _accounts(self) -> None:
        party = RelyingParty.of(self.shop.public_url, self.shop.system_name)
        with self.shop.begin() as session:
            open_accounts(
                session, self.shop.vault, party, self.shop.directory, actor=ACTOR, now=self.moments.now
            )

    # 7 -------------------------------------------------------------------------------------------------

    def _families(self) -> None:
        with self.shop.begin() as session:
            families.settle_in(self._village(session), now=self.moments.now)

    def _consents(self) -> None:
        with self.shop.begin() as session:
            village = self._village(session)
            families.share(village, self.shop.files, self.shop.directory, now=self.moments.now)

    def _village(self, session: Session) -> families.Village:
        return families.Village(session, self.shop.vault, self._record, ACTOR)

    # 8 -------------------------------------------------------------------------------------------------

    def _samples(self) -> None:
        """Samples from issued files, and from records drawn up the same way and never registered."""
        school, other = BY_KEY[manifest.UNREGISTERED[0].school], BY_KEY[OTHER_SCHOOL]
        drafts = [self._record(place) for place in manifest.UNREGISTERED]
        unsigned, sealed, strange, foreign, weak = self._examine(self._desk(self.moments.now), drafts)
        own = self._keys_of(school, self._credentials[school.key], self._ring)
        strangers = self._strangers(school)
        others = self._keys_of(other, self._credentials[other.key], self._ring)
        scene = Scene(
            issued=self._paper,
            unsigned=_drawn_up(unsigned)[1],
            unregistered=self._sign(sealed, own),
            by_strangers=self._sign(strange, strangers),
            by_another_school=self._sign(foreign, others),
            with_weak_key=self._sign(weak, own | {Role.KY_PHAT_HANH.value: self._weak_key(school)}),
            signed_once_more=self._signed_once_more(strangers),
            back_dated=(self.shop.directory / BACK_DATED_FILE).read_bytes(),
            renewed=self._renewed(manifest.RENEWED),
        )
        manifest.build(scene, self.shop.directory, self.shop.public_url)

    # ----------------------------------------------------------------------------------------- trust

    def _pin_authorities(self, at: datetime) -> None:
        with self.shop.begin() as session:
            pinned = {(anchor.sha256, anchor.purpose) for anchor in trust.list_anchors(session)}
            for purpose, anchors in (
                (Purpose.SIGNING, (*self.authority.anchors(), *self.authority.intermediates())),
                (Purpose.TIMESTAMPING, self.authority.timestamp_anchors()),
            ):
                for anchor in anchors:
                    if (sha256(anchor.certificate).hexdigest(), purpose) not in pinned:
                        trust.add_anchor(
                            session,
                            anchor.certificate,
                            anchor.pki,
                            purpose=purpose,
                            actor=ACTOR,
                            now=at,
                        )

    def _renew_crls(self, at: datetime, *, everyone: bool = False) -> None:
        """New lists at ``at`` from every authority, or from all but the one whose list runs out."""
        self.authority.reissue_crls(at, except_stale=() if everyone else (STALE,))
        with self.shop.begin() as session:
            for crl in self.authority.crls():
                self._withdraw(session, trust.import_crl(session, crl, actor=ACTOR, now=at), at)

    def _withdraw(self, session: Session, change: Change, at: datetime) -> None:
        registry.withdraw_standing(session, change.certificates, epoch=change.epoch)

    def _revalidate(self) -> None:
        now, more = self.moments.now, True
        while more:
            with self.shop.begin() as session:
                more = registry.revalidate(
                    session,
                    self.shop.vault,
                    self.shop.files,
                    trust.load_store(session),
                    now=now,
                    due=now + timedelta(days=1),
                ).more

    def _export_trust(self) -> None:
        """The bundle for checking offline, ``python -m verifier check … --trust``."""
        with self.shop.begin() as session:
            content = trust.bundle(
                trust.load_store(session),
                registry.registry_facts_export(session),
                public_url=self.shop.public_url,
                former=self.shop.public_url_former,
                as_of=self.moments.now,
            )
        trust.write_bundle(self.shop.directory / "trust.json", content)

    def _write_plan(self) -> None:
        """Who signs where several could: the plan that goes with the class files."""
        by_fate = {
            person.fate: credential.sha256[:16]
            for person, credential in zip(BY_KEY[STAMPED].staff, self._credentials[STAMPED][:-1], strict=True)
        }
        own = {name: {"GVCN": {"certificate": by_fate[fate]}} for name, fate in TEACHERS.items()}
        path = self.shop.directory / "ky-thay.json"
        path.write_text(json.dumps({**KY_THAY, **own}), "utf-8")

    def _register(self, schools: Sequence[SchoolPlan], at: datetime) -> None:
        """Schools with their people and seals, each registration approved by the department."""
        for school in schools:
            with self.shop.begin() as session:
                if school.code not in {known.code for known in trust.list_schools(session)}:
                    trust.add_school(session, _school(school), actor=ACTOR, now=at)
                registered = {
                    (s.authority.certificate_sha256, s.authority.role)
                    for s in trust.list_signers(session, school.code)
                }
                for signer in self._signers(school):
                    if (sha256(signer.certificate).hexdigest(), signer.role) in registered:
                        continue
                    change = trust.add_signer(session, signer, actor=ACTOR, now=at)
                    assert change.created is not None  # noqa: S101 - add_signer names the row it made
                    trust.approve(session, [change.created], actor=OFFICER, now=at)

    def _signers(self, school: SchoolPlan) -> list[SignerInput]:
        if not school.staff:
            return []
        *people, seal = self._credentials[school.key]
        found = [
            SignerInput(credential.der, school.code, role, capacity, subjects, person.name)
            for person, credential in zip(school.staff, people, strict=True)
            for role, capacity, subjects in person.duties
        ]
        return [*found, SignerInput(seal.der, school.code, Role.KY_PHAT_HANH, display_name=school.name)]

    @cached_property
    def _credentials(self) -> dict[str, list[Credential]]:
        """By school: its people in the order of ``staff``, then its seal. Keys are made by two threads."""
        with ThreadPoolExecutor(_WORKERS) as pool:
            made = {
                school.key: [pool.submit(make) for make in _makers(self.authority, school, self.moments)]
                for school in SCHOOLS
                if school.staff
            }
            return {key: [each.result() for each in each_of] for key, each_of in made.items()}

    @cached_property
    def _ring(self) -> KeyRing:
        everyone = [credential for each in self._credentials.values() for credential in each]
        return load_keys(write_key_list(self.shop.directory / "keys.json", everyone))

    # --------------------------------------------------------------------------------------- issuing

    def _classes(self, plan: ClassPlan) -> tuple[Record, ...]:
        """A class as the intake reads it from the file that the school hands in."""
        if plan not in self._read:
            day = _day(self.moments.of_class(plan))
            path = write(self.shop.directory / "lop", plan, rows(plan, day))
            checked = intake.validate(intake.read_class_file(path.read_bytes(), path.name))
            if checked.problems:
                raise DemoFault("\n".join(f"{path.name}: {p.where}: {p.message}" for p in checked.problems))
            self._read[plan] = tuple(record for _, record, _ in checked.records)
        return self._read[plan]

    def _record(self, place: Place) -> Record:
        plan = next(p for p in CLASSES if (p.school, p.name) == (place.school, place.school_class))
        return self._classes(plan)[place.number]

    def _issue_classes(self, plans: Sequence[ClassPlan]) -> None:
        for plan in plans:
            self.shop.say(f"  {plan.plan.name}, lớp {plan.name}: {plan.size} học bạ")
            self._issue(self._classes(plan), self.moments.of_class(plan), stamped=plan.school == STAMPED)

    def _issue(
        self,
        wanted: Sequence[Record],
        at: datetime,
        correction: str | None = None,
        *,
        stamped: bool = False,
    ) -> None:
        desk = self._desk(at)
        if stamped:
            desk = replace(desk, timestamper=DemoTimestamper(self.authority.timestamp_authority(), at))
        work = self._examine(desk, wanted, correction)
        for record, outcome in zip(wanted, issuing.issue(desk, work, self._store()), strict=True):
            if outcome.state not in (State.ISSUED, State.ALREADY):
                raise DemoFault("\n".join(f"{_pupil(record)}: {p.message}" for p in outcome.problems))
            self.progress.keep(_pupil(record), outcome)

    def _examine(
        self, desk: Desk, wanted: Sequence[Record], correction: str | None = None
    ) -> tuple[Work, ...]:
        order = Order(Choices.read(self.shop.directory / "ky-thay.json"), self._store(), correction)
        try:
            return issuing.examine(desk, [Row(_pupil(record), record) for record in wanted], order)
        except InvalidInput as error:
            raise DemoFault("\n".join(f"{p.where}: {p.message}" for p in error.problems)) from error

    def _store(self) -> TrustStore:
        with self.shop.begin() as session:
            return trust.load_store(session)

    def _desk(self, at: datetime) -> Desk:
        return Desk(
            begin=self.shop.begin,
            vault=self.shop.vault,
            files=self.shop.files,
            clock=_FixedClock(at),
            actor=ACTOR,
            renderer=self._renderer,
            ring=self._ring,
            public_url=self.shop.public_url,
            system_name=self.shop.system_name,
            owner=self.shop.owner,
        )

    @cached_property
    def _renderer(self) -> Renderer:
        return Renderer()

    # --------------------------------------------------------------------------------------- samples

    def _paper(self, place: Place, version: int) -> Issued:
        """One issued version, as the registry keeps it."""
        record = self._record(place)
        code = self.progress.issued(_pupil(record), version)
        with self.shop.begin() as session:
            pdf = registry.read_file(
                session, self.shop.vault, self.shop.files, self._files[code["record_id"], version]
            )
        if pdf is None:
            raise DemoFault(f"{code['url']}: the issued file is not in the registry")
        return Issued(code["url"], pdf, record)

    @cached_property
    def _files(self) -> dict[tuple[str, int], str]:
        """(record id, version) → SHA-256 of the issued file."""
        with self.shop.begin() as session:
            listed = registry.registry_facts_export(session)["files"]
        return {(f["record_id"], f["version"]): f["sha256"] for f in listed if f["kind"] == "issued"}

    def _renewed(self, place: Place) -> bytes:
        """The renewed file of a record, as the registry keeps it."""
        record_id = self.progress.issued(_pupil(self._record(place)), 1)["record_id"]
        with self.shop.begin() as session:
            listed = registry.registry_facts_export(session)["files"]
            (mine,) = [f for f in listed if (f["record_id"], f["kind"]) == (record_id, "renewed")]
            pdf = registry.read_file(session, self.shop.vault, self.shop.files, mine["sha256"])
        if pdf is None:
            raise DemoFault(f"{record_id}: the renewed file is not in the registry")
        return pdf

    def _sign(self, work: Work, keys: Mapping[str, Key], at: datetime | None = None) -> bytes:
        """A drawn-up record signed role by role by ``keys`` (field → key), and not registered. ``at`` is what
        its signers claim, by default the day on which others were issued.
        """
        intent, pdf = _drawn_up(work)
        seats = intent.seats
        for number, seat in enumerate(seats):
            pdf = signing.sign_field(
                pdf,
                seat.field,
                keys[seat.field],
                at=at or self.moments.year,
                first=number == 0,
                last=number == len(seats) - 1,
                lines=seat.lines,
            )
        return pdf

    def _keys_of(
        self, school: SchoolPlan, credentials: Sequence[Credential], ring: KeyRing
    ) -> dict[str, Key]:
        """Field of a primary record → key, of a school's homeroom teacher, manager and seal."""
        *people, seal = credentials
        chosen = {
            role.value: credential
            for role in (Role.GVCN, Role.CBQL)
            for person, credential in zip(school.staff, people, strict=True)
            if person.holds(role)
        }
        chosen[Role.KY_PHAT_HANH.value] = seal
        return {field: _found(ring, credential) for field, credential in chosen.items()}

    def _strangers(self, school: SchoolPlan) -> dict[str, Key]:
        """Keys of authorities and people with the very names of ``school``'s, made by somebody else."""
        stranger = Authority.create(self.shop.directory / "stranger", self.moments.merger)
        credentials = [make() for make in _makers(stranger, school, self.moments)]
        ring = load_keys(write_key_list(self.shop.directory / "stranger" / "keys.json", credentials))
        return self._keys_of(school, credentials, ring)

    def _weak_key(self, school: SchoolPlan) -> Key:
        """A seal of 1024 bits that an authority once certified for the school; nobody registered it."""
        credential = self.authority.seal(
            school.name,
            province=school.place.province,
            ca=school.seal_ca,
            key="rsa1024",
            handle=f"{school.key}-weak",
        )
        listed = write_key_list(self.shop.directory / "authority" / "weak.json", [credential])
        return _found(load_keys(listed), credential)

    def _signed_once_more(self, strangers: Mapping[str, Key]) -> bytes:
        """An issued file with one more signature behind its seal."""
        pdf = samples.with_signature_field(self._paper(manifest.PRIMARY, 1).pdf, ADDED_FIELD)
        return signing.sign_field(
            pdf,
            ADDED_FIELD,
            strangers[Role.CBQL.value],
            at=self.moments.now,
            first=False,
            last=False,
            lines=("Đã kiểm tra",),
        )


def _makers(authority: Authority, school: SchoolPlan, moments: Moments) -> list[Callable[[], Credential]]:
    """What makes the certificates of a school's people, in the order of ``staff``, and of its seal."""
    place = school.place.province
    people = [
        partial(
            authority.person,
            person.name,
            person.duties[0][0],
            school=school.name,
            province=place,
            title=person.title,
            ca=school.people_ca,
            key=person.key,
            handle=f"{school.key}-{number:02d}",
            life=moments.ended - moments.began if person.fate is Fate.EXPIRED else SUBSCRIBER_LIFE,
            valid_from=moments.began if person.fate is Fate.EXPIRED else None,
        )
        for number, person in enumerate(school.staff)
    ]
    seal = partial(
        authority.seal, school.name, province=place, ca=school.seal_ca, handle=f"{school.key}-seal"
    )
    return [*people, seal]


def _drawn_up(work: Work) -> tuple[Intent, bytes]:
    """What would be signed of a record that is not yet issued, and its file before any signature."""
    if work.intent is None or work.base is None:
        raise DemoFault(f"{work.where}: nothing was drawn up")
    return work.intent, work.base


def _found(ring: KeyRing, credential: Credential) -> Key:
    key = ring.find(credential.sha256)
    if key is None:
        raise DemoFault(f"{credential.handle} is not in the key ring")
    return key


def _school(school: SchoolPlan) -> SchoolInput:
    return SchoolInput(
        code=school.code,
        name=school.name,
        department_code=school.department,
        levels=school.levels,
        commune=school.place.commune,
        district=school.place.district,
        province=school.place.province,
        sector=school.sector,
        valid_from=school.valid_from,
        contact=ContactInput(
            school.phone, f"vanthu@{school.key}.example", f"{school.place.commune}, {school.place.province}"
        ),
    )


def _day(moment: datetime) -> date:
    """The day in Vietnam."""
    return moment.astimezone(signing.VIETNAM).date()


def _pupil(record: Record) -> str:
    return f"{record.issuer}/{record.ma_hoc_sinh}"
