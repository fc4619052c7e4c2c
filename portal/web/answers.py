"""Answers: one verdict as a page for people and as JSON for programs, from the same facts.

What is shown follows from the evidence: the record only where its version is part of the verdict, the
signers' names only to whoever holds a genuine file. Names come from our own tables, never out of a
certificate.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cache
from typing import Any, Final, Protocol

from flask import Response, current_app

from portal.trust.store import Contact
from portal.web import journal
from portal.web.i18n import language, link, marked, moment, this_page, translate
from portal.web.pages import HTML, Pages, other_language
from portal.web.requests import wants_json
from verifier import words
from verifier.locator import group
from verifier.record import level_info, subjects
from verifier.report import (
    Check,
    CheckStatus,
    Opinion,
    Revision,
    Role,
    SignatureReport,
    TimestampReport,
    ValidationReport,
    jsonable,
    printable,
)
from verifier.verdict import GENUINE, Evidence, Outcome, Verdict, VersionState
from verifier.words import VIETNAM, Language, Tone

_STATES: Final = {
    VersionState.CURRENT: marked("Đang lưu hành"),
    VersionState.SUPERSEDED: marked("Đã có bản thay thế"),
    VersionState.RECALLED: marked("Đã thu hồi"),
}
_GRADE: Final = marked("lớp %(grade)s")
#: In the place of the green word: whoever reads a kept answer need not hold what was checked.
_KEPT: Final = marked("Kết quả đã giữ")
#: A field's name in the technical details: whole where a real one could be, else cut visibly.
_LONGEST_FIELD: Final = 200
_ENGLISH_LEVELS: Final = {
    "TIEU_HOC": "Primary",
    "THCS": "Lower secondary",
    "THPT": "Upper secondary",
    "GDTX_THPT": "Upper secondary (continuing education)",
}


#: One and the same state, found by a file's own signatures or by the last look at them: a list is missing.
_NO_LIST: Final = frozenset(
    {"crl_stale", "crl_missing", "crl_after_expiry", "timestamp_unchecked", "standing_lapsed"}
)
_COMPARABLE: Final = frozenset({Outcome.GENUINE_CURRENT, Outcome.GENUINE_SUPERSEDED})


class PublicFacts(Protocol):
    """What everyone with the full code may see of a record (``portal.registry`` has the class)."""

    @property
    def record_id(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def state(self) -> VersionState: ...
    @property
    def current_version(self) -> int | None: ...
    @property
    def school_name(self) -> str: ...
    @property
    def school_code(self) -> str: ...
    @property
    def level(self) -> str: ...
    @property
    def grade(self) -> int: ...
    @property
    def year(self) -> str: ...
    @property
    def issued_on(self) -> date: ...
    @property
    def roles(self) -> tuple[Role, ...]: ...
    @property
    def masked_name(self) -> str: ...
    @property
    def since(self) -> datetime | None: ...
    @property
    def recall_reason(self) -> str | None: ...
    @property
    def contact(self) -> Contact | None: ...


@dataclass(frozen=True, slots=True)
class Number:
    """Under which an answer is shown again, until when."""

    text: str
    expires_at: datetime

    @property
    def path(self) -> str:
        return f"/ket-qua/{self.text}"


@dataclass(frozen=True, slots=True)
class Answer:
    """One verdict with everything that may be said about it.

    ``record`` is what the registry knows publicly, ``signers`` maps certificate hashes to names of our own
    tables, ``locator`` is the code in its one spelling where the answer came from one, ``sealed_by`` the
    school whose seal stands on a file that the registry does not know, ``seal_contact`` how it is reached.
    ``strange``: a picture shows, beside the code that was answered, one that opens something else. ``kept``
    is an answer that was given before: nobody holds the file any more.
    """

    verdict: Verdict
    report: ValidationReport
    record: PublicFacts | None = None
    signers: Mapping[str, str] = field(default_factory=dict)
    locator: str | None = None
    sealed_by: str | None = None
    strange: bool = False
    seal_contact: Contact | None = None
    kept: bool = False

    @property
    def contact(self) -> Contact | None:
        """Whom to ask, out of our own register."""
        record = self.shown_record
        return self.seal_contact if record is None else record.contact

    @property
    def keepable(self) -> bool:
        """Whether this answer to a code may be kept: it speaks of a version, and the check was finished."""
        known = self.verdict.outcome in GENUINE | {Outcome.REGISTERED_BUT_SIGNATURE_FAILS}
        return known and self.verdict.evidence is Evidence.CODE and self.locator is not None

    @property
    def compared(self) -> bool:
        """Whether a paper was compared, and matched."""
        return self.verdict.evidence is Evidence.PAPER_COMPARED and self.verdict.outcome in GENUINE

    @property
    def shown_record(self) -> PublicFacts | None:
        """The record, where the verdict speaks of a version of it."""
        outcome = self.verdict.outcome
        known = outcome in GENUINE or outcome is Outcome.REGISTERED_BUT_SIGNATURE_FAILS
        differs = outcome is Outcome.CONTENT_DIFFERS and self.verdict.version is not None
        return self.record if known or differs else None

    @property
    def issued(self) -> bool:
        """Whether the answer begins with who issued what for whom."""
        return self.verdict.outcome in GENUINE and self.shown_record is not None

    @property
    def names_shown(self) -> bool:
        """Whether this answer goes to somebody who holds the genuine file: they see who signed it, and may
        take its data.
        """
        return self.verdict.genuine_file and not self.kept

    @property
    def comparable(self) -> bool:
        """Whether the blind match is the next step."""
        verdict = self.verdict
        by_code = verdict.evidence is Evidence.CODE and self.locator is not None
        return by_code and verdict.outcome in _COMPARABLE and self.record is not None

    @property
    def issuer(self) -> str | None:
        record = self.shown_record
        return self.sealed_by if record is None else record.school_name

    @property
    def current_version(self) -> int | None:
        record = self.shown_record
        return None if record is None else record.current_version

    def words(self, language: Language, *, holder: bool = False, named: bool = True) -> words.Words:
        """What is said, to a ``holder`` about their own record or to everybody. Not ``named``: beside another
        sentence that names the school.
        """
        said = words.say(
            self.verdict,
            language,
            issuer=self.issuer if named else None,
            current_version=self.current_version,
            holder=holder,
        )
        beside = []
        if self.strange:
            beside.append(words.strange_beside(language))
        if self.kept and self.verdict.outcome is Outcome.SEAL_VALID_NOT_REGISTERED:
            beside.append(words.seal_unnamed(language))
        return replace(said, further=(*beside, *said.further))


def respond(
    answer: Answer,
    *,
    status: int = 200,
    cache_seconds: int | None = None,
    here: str | None = None,
    again: Sequence[tuple[str, str]] = (),
    number: Number | None = None,
    unkept: bool = False,
) -> Response:
    """The answer in the shape the client wants. ``cache_seconds`` makes it public for that long.

    In the other language it is had at ``here`` (else at this address), by sending the fields ``again``.
    ``number`` is what it can be seen again by; ``unkept``: it should have one, and could not be kept.
    """
    tongue = language()
    journal.note(verdict=answer.verdict.outcome.value)
    if wants_json():
        kind, text = "application/json", json.dumps(as_json(answer, tongue, number), ensure_ascii=False)
    else:
        pages = current_app.extensions["pages"]
        scanned = cache_seconds is not None
        kind, text = (
            HTML,
            as_page(
                pages,
                answer,
                tongue,
                here or this_page(),
                again=again,
                number=number,
                unkept=unkept,
                scanned=scanned,
            ),
        )
    return Response(text, status, dict(caching(answer, cache_seconds)), content_type=kind)


def respond_kept(then: Answer, today: Answer | None, number: Number, now: datetime) -> Response:
    """An answer that was kept, after what stands today where that is something else. ``today`` is None where
    nothing more can be said than then.
    """
    tongue = language()
    journal.note(verdict=then.verdict.outcome.value)
    headers = {"Vary": "Accept", "Cache-Control": "no-store"}
    if wants_json():
        text = json.dumps(kept_json(then, today, number, tongue, now), ensure_ascii=False)
        return Response(text, 200, headers, content_type="application/json")
    own = _own(then, tongue, number) | {"now": moment(now, tongue)}
    own |= {"other_language": other_language(number.path, tongue), "file_again": ""}
    context = {**_common(then, tongue, number), **own, "again": (), "kept": True}
    if today is not None:
        context["still"] = "same" if unchanged(then, today) else "changed"
        if context["still"] == "changed":
            context["today"] = _today(today, tongue)
            context["contact"] = _contact_parts(then, above=today)
    text = current_app.extensions["pages"].text("verdict.html", tongue, context)
    return Response(text, 200, headers, content_type=HTML)


def kept_json(
    then: Answer, today: Answer | None, number: Number, language: Language, now: datetime
) -> dict[str, Any]:
    """A kept answer for programs: what stands today, then what was answered."""
    stands = None if today is None else as_json(today, language)
    return {
        **as_json(then, language, number),
        "today": None
        if stands is None
        else {key: stands[key] for key in ("verdict", "evidence", "reasons")}
        | {"words": today.words(language).headline if today else None, "at": now.isoformat()},
    }


def unchanged(then: Answer, today: Answer) -> bool:
    """Whether today the same would be answered as then. A file's own signatures and the last look at them
    name one reason by different codes: what they say to a reader decides.
    """
    was, stands = then.verdict, today.verdict
    if was.outcome is not stands.outcome or _state(was) is not _state(stands):
        return False
    if was.outcome is Outcome.REGISTERED_BUT_SIGNATURE_FAILS:
        return True
    if was.outcome is Outcome.CHECK_INCOMPLETE and _NO_LIST & set(was.reasons):
        return bool(_NO_LIST & set(stands.reasons))
    return was.reasons == stands.reasons


def _state(verdict: Verdict) -> VersionState | None:
    return None if verdict.version is None else verdict.version.state


def _today(answer: Answer, language: Language) -> dict[str, Any]:
    """What stands first on the page of a kept answer."""
    said = answer.words(language)
    tone, tone_word = _tone(answer, said.tone, language)
    sentence = dict.fromkeys(("sentence", "named", "after"), "")
    sentence |= zip(("sentence", "named", "after"), lead(answer, language), strict=False)
    return {
        "tone": tone,
        "tone_word": tone_word,
        "headline": said.headline,
        "next_step": said.next_step,
        **sentence,
    }


def _tone(answer: Answer, tone: Tone, language: Language) -> tuple[Tone, str]:
    """Colour and word of an answer. Green is for whoever sent the file or compared the paper just now: the
    number of a good result, printed on an altered paper, must not show that paper green.
    """
    if answer.kept and tone is Tone.OK:
        return Tone.INFO, translate(_KEPT, language)
    return tone, words.tone_word(tone, language)


def caching(answer: Answer, seconds: int | None) -> list[tuple[str, str]]:
    """Headers that say how long an answer may be kept; an unfinished check is asked for anew."""
    if seconds is None or answer.verdict.outcome is Outcome.CHECK_INCOMPLETE:
        return [("Vary", "Accept, Accept-Encoding")]
    return [("Vary", "Accept, Accept-Encoding"), ("Cache-Control", f"public, max-age={seconds}")]


def as_page(
    pages: Pages,
    answer: Answer,
    language: Language,
    here: str,
    *,
    again: Sequence[tuple[str, str]] = (),
    number: Number | None = None,
    unkept: bool = False,
    scanned: bool = False,
) -> str:
    """The answer for people. ``here`` is the address of this page, or of where to go on in another
    language. The page of a code that was ``scanned`` loads no script: on a slow line it is seen a tenth of a
    second sooner, and it has nothing for one to do.
    """
    own = _own(answer, language, number)
    own["other_language"] = other_language(here, language)
    own["file_again"] = file_again(language) if here == "/kiem-tra" else ""
    report = answer.report
    # A list of any length, or a stranger's words: not a page of a kind.
    strange = (report.signatures, report.timestamps, report.revisions, report.unsigned_fields)
    shown = {"scripted": not scanned, "unkept": unkept}
    if any(strange) or report.lenient or again:
        context = {**_common(answer, language, number), **own, "again": again, **shown}
        return pages.text("verdict.html", language, context)
    kind = _kind(answer), number is None, unkept, scanned

    def common() -> dict[str, Any]:
        return {**_common(answer, language, number), **shown}

    return pages.outlined("verdict.html", language, kind, common, own)


def file_again(language: Language) -> str:
    """What switching the language takes, said to whoever reads the other one."""
    return translate(marked("phải gửi lại tệp"), "en" if language == "vi" else "vi")


def as_json(answer: Answer, language: Language, number: Number | None = None) -> dict[str, Any]:
    """The API's answer. Keys are stable; ``words`` are for people and may be reworded."""
    verdict, report, record = answer.verdict, answer.report, answer.shown_record
    return {
        "verdict": verdict.outcome.value,
        "evidence": verdict.evidence.value,
        "reasons": list(verdict.reasons),
        "version": None if verdict.version is None else verdict.version.version,
        "record": None
        if record is None
        else {
            "record_id": record.record_id,
            "version": record.version,
            "state": record.state.value,
            "current_version": record.current_version,
            "since": jsonable(record.since),
            "recall_reason": record.recall_reason,
            "school": {"code": record.school_code, "name": record.school_name},
            "level": record.level,
            "grade": record.grade,
            "year": record.year,
            "issued_on": record.issued_on.isoformat(),
            "signed_roles": [role.value for role in record.roles],
            "masked_name": record.masked_name,
        },
        "signatures": [_signature_json(s, answer, language) for s in report.signatures],
        "timestamps": [_timestamp_json(t) for t in report.timestamps],
        "revisions": [_revision_json(r, language) for r in report.revisions],
        "checks": words.spoken_checks(report.checks, language),
        "document": {
            "medium": report.medium.value,
            "size": report.size,
            "sha256": report.sha256,
            "pages": report.pages,
            "problem": report.problem,
            "lenient": report.lenient,
            "unsigned_fields": list(report.unsigned_fields),
        },
        "words": words.spoken(answer.words(language), verdict, report, language),
        "at": report.at.isoformat(),
        "result": None
        if number is None
        else {"number": number.text, "path": number.path, "until": number.expires_at.isoformat()},
    }


def _kind(answer: Answer) -> Hashable:
    """What decides :func:`_common`, for an answer without signatures."""
    verdict, report = answer.verdict, answer.report
    return (
        verdict.outcome,
        verdict.evidence,
        verdict.reasons,
        _state(verdict),
        report.medium,
        report.problem,
        report.incomplete,
        report.checks,
        answer.shown_record is None,
        answer.comparable,
        answer.keepable,
        _contact_parts(answer),
        answer.strange,
    )


def _contact_parts(answer: Answer, *, above: Answer | None = None) -> tuple[str, ...]:
    """Which lines a contact has: whom it reaches, and each thing that is known of it. The name only where the
    sentences above, of this answer or of another, have not said it.
    """
    contact = answer.contact
    if contact is None:
        return ()
    named = answer.issued if above is None else False
    said = contact.name == answer.issuer and (named or len(lead(above or answer, "vi")) > 1)
    ways = {
        "name": "" if said else contact.name,
        "phone": contact.phone,
        "email": contact.email,
        "address": contact.address,
    }
    return (contact.reached.value, *(name for name, text in ways.items() if text))


def _common(answer: Answer, language: Language, number: Number | None = None) -> dict[str, Any]:
    """What the page shares with every other answer of its kind."""
    verdict, report = answer.verdict, answer.report
    said = answer.words(language)
    tone, tone_word = _tone(answer, said.tone, language)
    return {
        "tone": tone,
        "tone_word": tone_word,
        "headline": said.headline,
        "further": said.further,
        "next_step": said.next_step,
        "comparable": answer.comparable,
        "known": answer.shown_record is not None,
        "genuine": verdict.outcome in GENUINE,
        "issued": answer.issued,
        "evidence": words.evidence_sentence(verdict, report, language),
        "found": [
            (f.status, words.check_status(f.status, language), f.sentence)
            for f in words.findings(verdict, report, language)
        ],
        "signed": [_signature_view(s, answer, language) for s in report.signatures],
        "names_shown": answer.names_shown,
        "contact": _contact_parts(answer),
        "sealed": answer.seal_contact is not None and answer.shown_record is None,
        "keepable": answer.keepable and number is None,
        "numbered": number is not None,
        "unkept": False,
        "kept": False,
        "scripted": True,
        "still": "",
        "today": None,
        "technical": _technical(answer, language),
        "named": "",
        "after": "",
    }


def _own(answer: Answer, language: Language, number: Number | None = None) -> dict[str, str]:
    """The texts that are this answer's own."""
    record = answer.shown_record
    own = {
        "compare": link(f"/compare?code={answer.locator}", language),
        "locator": answer.locator or "",
        "at": moment(answer.report.at, language),
        "fingerprint": _fingerprint(answer.report),
        "sha256": f" SHA-256: {answer.report.sha256}" if answer.report.sha256 else "",
    }
    # The school's name apart, so that an English page can say which language it is in.
    own |= zip(("sentence", "named", "after"), lead(answer, language, named=not answer.issued), strict=False)
    if number is not None:
        own |= {
            "number": group(number.text),
            "number_path": link(number.path, language),
            "report_pdf": link(f"{number.path}/bao-cao.pdf", language),
            "report_json": link(f"{number.path}/bao-cao.json", language),
            "until": words.day(number.expires_at.astimezone(VIETNAM).date(), language),
        }
    if (contact := answer.contact) is not None:
        phone = contact.phone or ""
        own |= {
            "contact_name": contact.name,
            "contact_phone": phone,
            "contact_dialled": "".join(c for c in phone if c in "+0123456789"),
            "contact_email": contact.email or "",
            "contact_address": contact.address or "",
        }
    return own if record is None else own | _summary(answer, record, language)


def signature_name(signature: SignatureReport, answer: Answer, language: Language) -> str:
    """Role, subject and capacity of a signature, for a line of text."""
    view = _signature_view(signature, answer, language)
    subject = f": {view['subject']}" if view["subject"] else ""
    capacity = f" ({view['capacity']})" if view["capacity"] else ""
    return f"{view['role']}{subject}{capacity}"


def level_name(record: PublicFacts, language: Language) -> str:
    """School level and grade of a record."""
    return _level(record.level, record.grade, language)


def lead(answer: Answer, language: Language, *, named: bool = True) -> tuple[str, ...]:
    """The first sentence: before the school's name, the name, what follows; in one piece where it names
    none.
    """
    sentence = answer.words(language, named=named).sentence
    cut = sentence.partition(answer.issuer) if named and answer.issuer is not None else ("", "", "")
    return cut if cut[1] else (sentence,)


def together(text: str) -> str:
    """A masked name or a school year, for a page: it stays on one line. Where that is too short for it, it
    breaks all the same.
    """
    return text.replace(" ", "\N{NO-BREAK SPACE}").replace("–", "\N{WORD JOINER}–\N{WORD JOINER}")


def subject_name(code: str) -> str | None:
    """Vietnamese name of a subject code at any level; None for a code that is none."""
    return _SUBJECT_NAMES.get(code)


_SUBJECT_NAMES: Final = {
    subject.code: subject.name
    for level in _ENGLISH_LEVELS
    for grade in level_info(level).grades
    for subject in subjects(level, grade)
}


def _summary(answer: Answer, record: PublicFacts, language: Language) -> dict[str, str]:
    """The values of the summary list. That a version is current stands only where nothing else is wrong."""
    version = str(record.version)
    if answer.verdict.outcome in GENUINE or record.state is not VersionState.CURRENT:
        version += f" – {translate(_STATES[record.state], language)}"
    return {
        "school": record.school_name,
        "pupil": together(record.masked_name),
        "level": _level(record.level, record.grade, language),
        "year": together(words.school_year(record.year)),
        "version": version,
        "issued_on": words.day(record.issued_on, language),
        "roles": ", ".join([words.role_name(role, language, record.level) for role in record.roles]),
        "record_id": group(record.record_id),
    }


@cache
def _level(level: str, grade: int, language: Language) -> str:
    """School level and grade."""
    name = level_info(level).name if language == "vi" else _ENGLISH_LEVELS[level]
    return f"{name}, {translate(_GRADE, language) % {'grade': grade}}"


def _technical(answer: Answer, language: Language) -> str:
    """Codes of verdict and report, for whoever has to look closer. Names of fields that are not ours are a
    stranger's text: quoted, and nothing in them can turn the line around.
    """
    verdict, report = answer.verdict, answer.report
    return "\n".join(
        (
            f"verdict: {verdict.outcome}",
            f"evidence: {verdict.evidence}",
            f"reasons: {', '.join(verdict.reasons) or '-'}",
            f"medium: {report.medium}",
            *((f"problem: {report.problem}",) if report.problem else ()),
            *(("read leniently: yes",) if report.lenient else ()),
            *(_check_line(c, language) for c in report.checks),
            *(f"field: {_quoted(s.field)}" for s in report.signatures if s.role is None),
            *_proof_lines(report.signatures, language),
            *(_timestamp_line(t, language) for t in report.timestamps),
            *(_opinions_line(s.field, s.opinions, language) for s in report.signatures if s.opinions),
            *(_opinions_line(t.field, t.opinions, language) for t in report.timestamps if t.opinions),
            *(line for revision in report.revisions for line in _revision_lines(revision, language)),
        )
    )


def _check_line(check: Check, language: Language) -> str:
    line = f"{check.name}: {check.status}"
    return line if check.status is CheckStatus.PASSED else f"{line} ({words.check_sentence(check, language)})"


def _proof_lines(signatures: Sequence[SignatureReport], language: Language) -> Iterator[str]:
    """Since when signatures are known to have existed, and by what; whose, where that differs."""
    fields: dict[str, list[str]] = {}
    for signature in signatures:
        if signature.proven_time is not None:
            proof = words.proven_by(signature.proven_by, language)
            said = f"{proof}: {signature.proven_time.isoformat(timespec='seconds')}"
            fields.setdefault(said, []).append(_quoted(signature.field))
    for said, whose in fields.items():
        yield said if len(fields) == 1 else f"{', '.join(whose)}: {said}"


def _timestamp_line(stamp: TimestampReport, language: Language) -> str:
    """One timestamp: of what, the time it gives, and its indication."""
    time = "-" if stamp.time is None else stamp.time.isoformat(timespec="seconds")
    return f"{words.timestamp_name(stamp.kind, language)} {_quoted(stamp.field)}: {time} {stamp.indication}"


def _opinions_line(field: str, opinions: Sequence[Opinion], language: Language) -> str:
    """What our own rules and the library said by themselves, before the strictest won."""
    said = " · ".join(words.opinion_words(opinion, language) for opinion in opinions)
    return f"opinions {_quoted(field)}: {said}"


def _revision_lines(revision: Revision, language: Language) -> Iterator[str]:
    """What one revision after the first changed, allowed or not."""
    yield words.revision_sentence(revision, language)
    for change in revision.changes:
        yield f"  {words.change_sentence(change, language)}"
    if revision.more:
        yield f"  {words.unlisted(revision.more, language)}"


def _quoted(name: str) -> str:
    """A stranger's text in quotation marks; a cut is visible and says how long the whole is."""
    shown = f'"{printable(name[:_LONGEST_FIELD])}"'
    return shown if len(name) <= _LONGEST_FIELD else f"{shown}… ({len(name)})"


def _fingerprint(report: ValidationReport) -> str:
    """Which bytes were checked, where there were any."""
    return f"\nsize: {report.size}\nsha256: {report.sha256}" if report.sha256 else ""


def _signature_json(signature: SignatureReport, answer: Answer, language: Language) -> dict[str, Any]:
    return {
        "field": signature.field,
        "role": jsonable(signature.role),
        "subject_code": signature.subject_code,
        "capacity": signature.capacity,
        "school_code": signature.school_code,
        "indication": signature.indication.value,
        "sub_indication": jsonable(signature.sub_indication),
        "digest_algorithm": signature.digest_algorithm,
        "claimed_time": jsonable(signature.claimed_time),
        "proven_time": jsonable(signature.proven_time),
        "proven_by": signature.proven_by.value,
        "signer": _signer(signature, answer),
        "checks": words.spoken_checks(signature.checks, language),
        "opinions": _opinions_json(signature.opinions),
    }


def _opinions_json(opinions: Sequence[Opinion]) -> list[dict[str, Any]]:
    """Our own first; ``agreement`` says how each stands to it. Empty where no library was asked."""
    return [
        {
            "by": o.by.value,
            "indication": o.indication.value,
            "sub_indication": jsonable(o.sub_indication),
            "agreement": o.agreement.value,
            "code": o.code,
        }
        for o in opinions
    ]


def _timestamp_json(stamp: TimestampReport) -> dict[str, Any]:
    """A timestamp of the file or of one of its signatures; who gave it is in the file."""
    return {
        "kind": stamp.kind.value,
        "field": stamp.field,
        "time": jsonable(stamp.time),
        "proven_time": jsonable(stamp.proven_time),
        "indication": stamp.indication.value,
        "sub_indication": jsonable(stamp.sub_indication),
        "checks": [{"name": c.name.value, "status": c.status.value, "code": c.code} for c in stamp.checks],
        "opinions": _opinions_json(stamp.opinions),
    }


def _revision_json(revision: Revision, language: Language) -> dict[str, Any]:
    """What one revision after the first changed; the keys are those of the report."""
    return {
        "number": revision.number,
        "start": revision.start,
        "end": revision.end,
        "signed_before": revision.signed_before,
        "after": revision.after,
        "changes": [
            {
                "kind": change.kind.value,
                "allowed": change.allowed,
                "object": change.object,
                "page": change.page,
                "field": change.field,
                "sentence": words.change_sentence(change, language),
            }
            for change in revision.changes
        ],
        "more": revision.more,
    }


def _signer(signature: SignatureReport, answer: Answer) -> dict[str, Any] | None:
    """The signer for whoever holds the genuine file. A certificate's subject can hold a personal number, so
    it is left out.
    """
    signer = signature.signer
    if signer is None or not answer.names_shown:
        return None
    return {
        "name": answer.signers.get(signer.certificate_sha256),
        "issuer": signer.issuer,
        "serial": signer.serial,
        "not_before": signer.not_before.isoformat(),
        "not_after": signer.not_after.isoformat(),
        "certificate_sha256": signer.certificate_sha256,
    }


def _signature_view(signature: SignatureReport, answer: Answer, language: Language) -> dict[str, Any]:
    """One line of the list of signatures: who in which role, passed or not, and the checks behind it. Closed
    on every page: why one did not pass stands among what was checked.
    """
    record = answer.shown_record
    level = None if record is None else record.level
    role = words.role_name(signature.role, language, level)
    subject = subject_name(signature.subject_code) if signature.subject_code else None
    name = None
    if answer.names_shown and signature.signer is not None:
        name = answer.signers.get(signature.signer.certificate_sha256)
    status = signature.result
    checks = dict.fromkeys(
        (c.status, words.check_status(c.status, language), words.check_sentence(c, language))
        for c in signature.checks
        # said once, by the check that could not read it, or found that it does not hold
        if c.code not in ("signature_unreadable", "not_asked")
    )
    return {
        "role": role,
        "subject": subject,
        "capacity": words.capacity_words(signature.capacity or "", language, level),
        "name": name,
        "at": None if signature.claimed_time is None else moment(signature.claimed_time, language),
        "status": status,
        "status_word": words.check_status(status, language),
        # What did not pass is why somebody opens it.
        "checks": sorted(checks, key=lambda check: check[0] is CheckStatus.PASSED),
    }
