"""What each later revision of a PDF changes in the file as it was: one walk that names it and judges it.

ISO 32000-2 clause 7.5.6 (incremental updates), ETSI EN 319 142-1 clause 5.4 (what an archive adds). New
objects are harmless until something that existed refers to them, so the walk looks at each object that a
revision replaces or deletes, entry by entry. Two rules say what a record may show there: signing fills
signature fields and adds validation data, and behind the last signature only validation data and document
timestamps follow. Whether a change is allowed and whether the signatures before it still cover the document
is one decision, made here: :func:`settle` takes both from the same list.

On files that are not ours pyHanko's difference analysis is asked besides; here it is enough that it objects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import islice
from typing import Any

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import HistoricalResolver, PdfFileReader
from pyhanko.sign.fields import enumerate_sig_fields

from verifier.policy import Limits
from verifier.report import (
    LONGEST_NAME,
    MOST_CHANGES,
    Change,
    ChangeKind,
    Revision,
    Role,
    printable,
)
from verifier.signatures import TIMESTAMP, role_of

_MOST_AT_ONCE = 24  # changes of one revision that are looked into for their names
_AFTER_SEAL = "changed_after_seal"
_DEPTH = 12  # of names of fields and trees of pages

# Entries that signing may change, by kind of object. Page contents, annotations' rectangles, fonts in use:
# none.
_CATALOG_ENTRIES = frozenset({"/Perms", "/Extensions", "/Version", "/Metadata", "/DSS", "/AcroForm"})
_FORM_ENTRIES = frozenset({"/SigFlags"})
_FIELD_ENTRIES = frozenset({"/V", "/AP"})
# Entries that an archive's addition may change.
_ARCHIVE_CATALOG = frozenset({"/DSS", "/AcroForm", "/Extensions", "/Version"})
_ARCHIVE_FORM = frozenset({"/Fields", "/SigFlags"})
# A timestamp's field shows nothing and does nothing: no appearance, no action.
_TIMESTAMP_FIELD = frozenset({"/FT", "/T", "/TU", "/V", "/Type", "/Subtype", "/F", "/Rect", "/P", "/Ff"})

#: What signing does to any file; whether a file that is not ours may show the rest is asked of pyHanko.
_OF_SIGNING = frozenset(
    {
        ChangeKind.SIGNATURE_FILLED,
        ChangeKind.DOCUMENT_TIMESTAMP,
        ChangeKind.VALIDATION_DATA,
        ChangeKind.METADATA_CHANGED,
        ChangeKind.VERSION_CHANGED,
        ChangeKind.OBJECTS_ADDED,
    }
)
#: What a signer does besides who finds no empty field.
_WITH_A_FIELD = frozenset(
    {ChangeKind.SIGNATURE_ADDED, ChangeKind.FORM_CHANGED, ChangeKind.CERTIFICATION_CHANGED}
)
#: What no signature ever permits behind it, whoever else would.
_NEVER = frozenset(
    {
        ChangeKind.PAGE_CONTENT_CHANGED,
        ChangeKind.PAGE_ADDED,
        ChangeKind.PAGE_REMOVED,
        ChangeKind.PAGE_REPLACED,
        ChangeKind.SIGNATURE_REMOVED,
        ChangeKind.UNEXPLAINED_BYTES,
    }
)


@dataclass(frozen=True, slots=True)
class Mark:
    """One signature or document timestamp: its field's name, where what it covers ends (0: unknown), the
    revision (from 0) that it signs, None where that could not be read.
    """

    name: str
    end: int
    revision: int | None


@dataclass(frozen=True, slots=True)
class Touch:
    """A change with the reason code why a record may not show it; empty when it may."""

    change: Change
    fault: str


@dataclass(frozen=True, slots=True)
class Step:
    """One revision (from 0; None: bytes behind the last), its bytes, what it touched, and how much of it was
    not looked into.
    """

    revision: int | None
    start: int
    end: int
    touches: tuple[Touch, ...]
    more: int = 0


@dataclass(frozen=True, slots=True)
class Walk:
    """Every revision after the first. ``fault`` is why this is not what a record shows; empty when it is."""

    steps: tuple[Step, ...]
    marks: tuple[Mark, ...]
    fault: str


@dataclass(frozen=True, slots=True)
class Settled:
    """What the report lists, and for each mark why it no longer covers the document; empty when it does."""

    revisions: tuple[Revision, ...]
    faults: tuple[str, ...]


class _Rule(StrEnum):
    SIGNING = "signing"
    ARCHIVE = "archive"


class _Part(StrEnum):
    """What an object is to the rules: only what can be told without searching the file."""

    CATALOG = "catalog"
    FORM = "form"
    FIELD = "signature field"
    STORE = "security store"
    ASIDE = "metadata"
    PAGE = "page"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class _Replaced:
    """An object before and after one revision; ``keys`` are the entries that differ, compared as written."""

    reference: generic.Reference
    revision: int
    part: _Part
    before: Any
    after: Any
    keys: tuple[str, ...]

    @property
    def dictionaries(self) -> bool:
        return isinstance(self.before, generic.DictionaryObject) and isinstance(
            self.after, generic.DictionaryObject
        )

    @property
    def rewritten(self) -> bool:
        """A dictionary written once more as it was; of a stream only the entries could be compared."""
        return self.dictionaries and not self.keys and not isinstance(self.after, generic.StreamObject)


def walk(
    reader: PdfFileReader,
    data: bytes,
    marks: Sequence[Mark],
    limits: Limits,
    *,
    archived_from: int,
    timestamps: Sequence[generic.DictionaryObject],
    record: bool,
) -> Walk:
    """Walk through the revisions. Revisions from ``archived_from`` on (from 0) must be an archive's addition:
    ``timestamps`` are the fields of the document timestamps. ``record`` says that the rules of a record are
    asked to the end, however much a revision changes.
    """
    return _Walker(
        reader,
        data,
        tuple(marks),
        limits,
        archived_from=archived_from,
        timestamps=tuple(timestamps),
        record=record,
    ).walk()


def settle(found: Walk, opinions: Sequence[bool | None], *, record: bool) -> Settled:
    """The list for the report, each change with its final word.

    A record's rules decide about a record. On any other file signing may go on; of the rest pyHanko must
    approve for every signature before. ``opinions``, in the order of the marks, say whether it approves of
    what followed each (None: it was not asked, or could not say). Where it objects, what could be the reason
    is not allowed (:func:`_blame`).
    """
    signed = _signed(found)
    settled: list[list[Change]] = []
    for step in found.steps:
        before = _before(found, step)
        asked = all(opinions[number] is not None for number in before)
        changes: list[Change] = []
        for touch in step.touches:
            kind = touch.change.kind
            if record:
                allowed = not touch.fault and step.end <= signed
            else:
                allowed = not before or (kind not in _NEVER and (kind in _OF_SIGNING or asked))
            changes.append(replace(touch.change, allowed=allowed))
        settled.append(changes)
    followed = [
        [place for place, step in enumerate(found.steps) if number in _before(found, step)]
        for number, _ in enumerate(found.marks)
    ]
    for after, opinion in zip(followed, opinions, strict=True):
        if opinion is False:
            _blame(settled, after)
    faults: list[str] = []
    for after, opinion in zip(followed, opinions, strict=True):
        wrong = [change.kind for place in after for change in settled[place] if not change.allowed]
        unseen = not record and opinion is not True and any(found.steps[place].more for place in after)
        faults.append(_fault(wrong) or ("changed_after_signing" if unseen else ""))
    return Settled(_bounded(found, settled), tuple(faults))


def _blame(settled: list[list[Change]], after: Sequence[int]) -> None:
    """What pyHanko objects to, as far as it can be told: what signing never does, else what comes with a new
    field, else everything.
    """
    for spared in (_OF_SIGNING | _WITH_A_FIELD, _OF_SIGNING, frozenset[ChangeKind]()):
        for place in after:
            settled[place] = [
                change if change.kind in spared else replace(change, allowed=False)
                for change in settled[place]
            ]
        if any(not change.allowed for place in after for change in settled[place]):
            return


def _fault(wrong: Sequence[ChangeKind]) -> str:
    if not wrong:
        return ""
    only_bytes = set(wrong) == {ChangeKind.UNEXPLAINED_BYTES}
    return "bytes_after_signature" if only_bytes else "changed_after_signing"


def _before(found: Walk, step: Step) -> list[int]:
    """Numbers of the signatures and document timestamps that end before a revision begins."""
    return [number for number, mark in enumerate(found.marks) if 0 < mark.end <= step.start]


def _covered(marks: Sequence[Mark]) -> int:
    """How far the longest range reaches of those that could be read."""
    return max((mark.end for mark in marks if mark.revision is not None), default=0)


def _signed(found: Walk) -> int:
    """How far signing went on: to the last end that a signature names, and where one names none, to the last
    revision. That one fails by itself, so that those before it need not fail for its sake.
    """
    if all(mark.revision is not None for mark in found.marks):
        return _covered(found.marks)
    return max((step.end for step in found.steps if step.revision is not None), default=0)


def _bounded(found: Walk, settled: Sequence[Sequence[Change]]) -> tuple[Revision, ...]:
    """What is not allowed is listed first where not all can be."""
    room = MOST_CHANGES - min(MOST_CHANGES, sum(not c.allowed for changes in settled for c in changes))
    left = MOST_CHANGES
    revisions: list[Revision] = []
    for step, changes in zip(found.steps, settled, strict=True):
        kept: list[Change] = []
        for change in changes:
            if left and (not change.allowed or room):
                kept.append(change)
                left -= 1
                room -= change.allowed
        before = [found.marks[number] for number in _before(found, step)]
        revisions.append(
            Revision(
                number=None if step.revision is None else step.revision + 1,
                start=step.start,
                end=step.end,
                signed_before=len(before),
                after=max(before, key=lambda mark: mark.end).name if before else None,
                changes=tuple(kept),
                more=step.more + len(changes) - len(kept),
            )
        )
    return tuple(revisions)


def changed_entries(before: Any, after: Any) -> set[str]:
    """Entries that differ, compared as written (references are not followed)."""
    return {
        key
        for key in before.keys() | after.keys()
        if key not in before or key not in after or before.raw_get(key) != after.raw_get(key)
    }


def reference_of(dictionary: Any, key: str) -> generic.Reference | None:
    """The reference that stands under ``key``, None when there is none."""
    value = dictionary.raw_get(key) if key in dictionary else None
    return value.reference if isinstance(value, generic.IndirectObject) else None


def shown_name(name: str) -> str:
    """A field's name as a list of changes shows it: printable, and cut visibly."""
    name = printable(name[: LONGEST_NAME + 1])
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


class _Walker:
    """State of one walk: what exists so far, and what naming may still cost."""

    def __init__(
        self,
        reader: PdfFileReader,
        data: bytes,
        marks: tuple[Mark, ...],
        limits: Limits,
        *,
        archived_from: int,
        timestamps: tuple[generic.DictionaryObject, ...],
        record: bool,
    ) -> None:
        self.reader, self.data, self.limits, self.record = reader, data, limits, record
        self.marks = marks
        self.archived_from = archived_from
        self.timestamps = timestamps
        self.stamp_fields: set[Any] = {
            reference for each in timestamps if (reference := each.container_ref) is not None
        }
        self.names: dict[generic.Reference, str] = {
            each.reference: str(name)
            for name, _, each in islice(enumerate_sig_fields(reader), 4 * limits.signatures + 1)
        }
        self.finder = _Finder(reader, limits, self.names)
        self.fault = ""
        seals = (m.revision for m in marks if role_of(m.name)[0] is Role.KY_PHAT_HANH)
        self.sealed = min((r for r in seals if r is not None), default=int(reader.xrefs.total_revisions))

    def walk(self) -> Walk:
        xrefs = self.reader.xrefs
        steps: list[Step] = []
        if any(not _invisible(each) for each in self.timestamps):
            self.fault = "archive_field_visible"
        existing: set[generic.Reference] = set(xrefs.explicit_refs_in_revision(0))
        end = self._end_of(0, 0)
        for revision in range(1, int(xrefs.total_revisions)):
            # What a signature of an earlier revision covers is not this revision's, whatever ends where.
            start = max(
                (m.end for m in self.marks if m.revision is not None and m.revision < revision), default=0
            )
            start = max(start, end)
            end = self._end_of(revision, start)
            touches, more = self._revision(revision, existing)
            self._remember(revision, existing)
            if not touches and not more:
                if start == end:
                    continue  # the second table of a linearised file: no update, and no bytes of its own
                touches = [Touch(Change(ChangeKind.OBJECTS_ADDED, allowed=True), "")]
            steps.append(Step(revision, start, end, tuple(touches), more))
        tail = max(end, _covered(self.marks))
        if tail < len(self.data):
            unexplained = Touch(Change(ChangeKind.UNEXPLAINED_BYTES, allowed=False), "bytes_after_signature")
            steps.append(Step(None, tail, len(self.data), (unexplained,)))
        return Walk(tuple(steps), self.marks, self.fault)

    def _end_of(self, revision: int, start: int) -> int:
        """Where a revision ends: behind the end mark that follows its table, and one end of line."""
        place = int(self.reader.xrefs.get_xref_container_info(revision).end_location)
        found = self.data.find(b"%%EOF", place)
        if found < 0:
            return len(self.data)
        end = found + 5
        end += 2 if self.data[end : end + 2] == b"\r\n" else self.data[end : end + 1] in (b"\r", b"\n")
        return max(start, end)

    def _remember(self, revision: int, existing: set[generic.Reference]) -> None:
        """Which objects exist from now on; kept up to date here, so that the walk stays linear."""
        xrefs = self.reader.xrefs
        existing |= xrefs.explicit_refs_in_revision(revision)
        for freed in xrefs.refs_freed_in_revision(revision):
            if xrefs.get_historical_ref(freed, revision) is None:
                existing.discard(freed)

    # ------------------------------------------------------------------------------------- one revision

    def _revision(self, revision: int, existing: Set[generic.Reference]) -> tuple[list[Touch], int]:
        xrefs = self.reader.xrefs
        rule = _Rule.SIGNING if revision < self.archived_from else _Rule.ARCHIVE
        touches: dict[Change, str] = {}
        more = 0

        # 1 Objects deleted, and another catalog: nothing of the kind is ever part of a record.
        deleted = xrefs.refs_freed_in_revision(revision)
        for freed in sorted(deleted, key=_order):
            if len(touches) < _MOST_AT_ONCE:
                self._touch(touches, self._named(ChangeKind.OBJECT_DELETED, freed), "object_deleted")
            else:
                more += 1
                self.fault = self.fault or "object_deleted"
        root, was = self._root(revision), self._root(revision - 1)
        signed = any(mark.revision is not None and mark.revision < revision for mark in self.marks)
        if root != was and (was is not None or signed):
            replaced = self._named(ChangeKind.CATALOG_REPLACED, getattr(root, "reference", None))
            self._touch(touches, replaced, "catalog_replaced")

        # 2 Objects replaced. What is not named any more is still judged until a fault is found.
        for reference in sorted(xrefs.explicit_refs_in_revision(revision), key=_order):
            if reference not in existing or reference in deleted or self._stays(reference, revision):
                continue
            full = len(touches) >= _MOST_AT_ONCE
            if full and (self.fault or not self.record):
                more += 1
                continue
            replaced_here = self._read(reference, revision)
            for key in replaced_here.keys or ("",):
                fault = self._judge(rule, replaced_here, key)
                if not key and replaced_here.rewritten:
                    if fault and self.record:
                        same = self._named(ChangeKind.OBJECT_REPLACED, reference)
                        self._touch(touches, same, fault)
                    continue
                if full and not fault:
                    more += 1
                    continue
                for change in self._names(replaced_here, key):
                    self._touch(touches, change, fault)
        return [Touch(change, fault) for change, fault in touches.items()], more

    def _root(self, revision: int) -> Any:
        """The catalog as the trailer names it, None while none does: the table at the end of a linearised
        file, the first of its two, leaves it to the other (ISO 32000-2, annex F).
        """
        try:
            return self.reader.trailer.raw_get("/Root", revision=revision)
        except KeyError:
            return None

    def _stays(self, reference: generic.Reference, revision: int) -> bool:
        """Listed once more at the very bytes where it was: office programs write such tables."""
        xrefs = self.reader.xrefs
        place = xrefs.get_historical_ref(reference, revision)
        return isinstance(place, int) and place == xrefs.get_historical_ref(reference, revision - 1)

    def _touch(self, touches: dict[Change, str], change: Change, fault: str) -> None:
        if self.fault in ("", _AFTER_SEAL):  # what was done says more than when
            self.fault = fault or self.fault
        touches[change] = touches.get(change) or fault

    @staticmethod
    def _named(kind: ChangeKind, reference: generic.Reference | None, **more: Any) -> Change:
        return Change(kind, allowed=False, object=_place(reference), **more)

    def _read(self, reference: generic.Reference, revision: int) -> _Replaced:
        read: Callable[..., Any] = self.reader.get_object
        try:
            before, after = read(reference, revision=revision - 1), read(reference, revision=revision)
            part = self._part(reference, revision, before)
            replaced = _Replaced(reference, revision, part, before, after, ())
            keys = sorted(changed_entries(before, after)) if replaced.dictionaries else ()
            return replace(replaced, keys=tuple(keys))
        except MemoryError:
            raise
        except Exception:  # an object that cannot be read has been changed into something we do not know
            return _Replaced(reference, revision, _Part.OTHER, None, None, ())

    def _part(self, reference: generic.Reference, revision: int, before: Any) -> _Part:
        root = self.reader.get_historical_root(revision)
        if reference == self.reader.root_ref:
            return _Part.CATALOG
        if reference == reference_of(root, "/AcroForm"):
            return _Part.FORM
        if reference in self.names:
            return _Part.FIELD
        if reference == reference_of(root, "/DSS"):
            return _Part.STORE
        if reference in (reference_of(root, "/Metadata"), self._information()):
            return _Part.ASIDE
        if isinstance(before, generic.DictionaryObject) and value_of(before, "/Type") == "/Page":
            return _Part.PAGE
        return _Part.OTHER

    def _information(self) -> generic.Reference | None:
        """The document information dictionary of the first revision."""
        try:
            value = self.reader.trailer.raw_get("/Info", revision=0)
        except KeyError:
            return None
        return value.reference if isinstance(value, generic.IndirectObject) else None

    # -------------------------------------------------------------------------------------- the two rules

    def _judge(self, rule: _Rule, replaced: _Replaced, key: str) -> str:
        """Why a record may not show this; ``key`` is one entry that differs, "" when none does."""
        try:
            if rule is _Rule.SIGNING:
                fault = self._signing_fault(replaced, key)
                return fault or (_AFTER_SEAL if replaced.revision > self.sealed else "")
            return "" if self._archive_allows(replaced, key) else "archive_addition_changes_more"
        except MemoryError:
            raise
        except Exception:  # what cannot be judged is not allowed
            return "content_changed"

    def _signing_fault(self, replaced: _Replaced, key: str) -> str:
        if not replaced.dictionaries:
            return "content_changed"
        match replaced.part:
            case _Part.CATALOG:
                return self._catalog_fault(replaced, key) if key else ""
            case _Part.FORM:
                return "" if not key or key in _FORM_ENTRIES else "form_changed"
            case _Part.FIELD:
                role, _ = role_of(self.names[replaced.reference])
                kept = "/V" not in replaced.before and (not key or key in _FIELD_ENTRIES)
                return "" if kept and role is not None else "field_changed"
            case _Part.STORE | _Part.ASIDE:
                return ""
            case _:
                return "content_changed"

    def _catalog_fault(self, replaced: _Replaced, key: str) -> str:
        before, after = replaced.before, replaced.after
        if key not in _CATALOG_ENTRIES or (key == "/Perms" and key in before):
            return "catalog_changed"
        if key in ("/DSS", "/Metadata") and not self._is_new(reference_of(after, key), replaced.revision):
            return "catalog_changed"
        if key == "/AcroForm":
            old, new = (each.raw_get(key) if key in each else None for each in (before, after))
            if not isinstance(old, generic.DictionaryObject) or not isinstance(new, generic.DictionaryObject):
                return "form_changed"
            if not changed_entries(old, new) <= _FORM_ENTRIES:
                return "form_changed"
        return ""

    def _is_new(self, named: generic.Reference | None, revision: int) -> bool:
        """Pointed at an object of old, a later revision could replace that object under this name."""
        return named is not None and self.reader.xrefs.get_historical_ref(named, revision - 1) is None

    def _archive_allows(self, replaced: _Replaced, key: str) -> bool:
        before, after, revision = replaced.before, replaced.after, replaced.revision
        if isinstance(before, generic.ArrayObject) and isinstance(after, generic.ArrayObject):
            return self._extends(before, after)  # the list of fields or of a page's annotations, on its own
        if not replaced.dictionaries or isinstance(before, generic.StreamObject):
            return False
        if isinstance(after, generic.StreamObject):
            return False
        match replaced.part:
            case _Part.CATALOG:
                if not key:
                    return True
                return key in _ARCHIVE_CATALOG and self._archive_allows_in_catalog(replaced, key)
            case _Part.STORE:
                was = self.reader.get_historical_root(revision - 1)
                return reference_of(was, "/DSS") == replaced.reference
            case _Part.FORM:
                return not key or self._archive_allows_in_form(before, after, key)
            case _Part.PAGE:
                return not key or (key == "/Annots" and self._lists_extended(before, after, key))
            case _:
                return False

    def _archive_allows_in_catalog(self, replaced: _Replaced, key: str) -> bool:
        before, after = replaced.before, replaced.after
        if key == "/DSS":
            return self._is_new(reference_of(after, key), replaced.revision)
        if key == "/AcroForm":
            old, new = value_of(before, key), value_of(after, key)
            if reference_of(before, key) or reference_of(after, key):
                return False
            return (
                isinstance(old, generic.DictionaryObject)
                and isinstance(new, generic.DictionaryObject)
                and all(self._archive_allows_in_form(old, new, each) for each in changed_entries(old, new))
            )
        return True

    def _archive_allows_in_form(self, before: Any, after: Any, key: str) -> bool:
        return key in _ARCHIVE_FORM and (key != "/Fields" or self._lists_extended(before, after, key))

    def _lists_extended(self, before: Any, after: Any, key: str) -> bool:
        """The list under ``key`` only grows, by fields of document timestamps."""
        old, new = value_of(before, key, generic.ArrayObject()), value_of(after, key)
        if key not in changed_entries(before, after):
            return True
        return (
            isinstance(old, generic.ArrayObject)
            and isinstance(new, generic.ArrayObject)
            and self._extends(old, new)
        )

    def _extends(self, before: generic.ArrayObject, after: generic.ArrayObject) -> bool:
        old, new = _items(before), _items(after)
        return new[: len(old)] == old and all(
            isinstance(added, generic.IndirectObject) and added.reference in self.stamp_fields
            for added in new[len(old) :]
        )

    # ------------------------------------------------------------------------------------ what it is called

    def _names(self, replaced: _Replaced, key: str) -> list[Change]:
        """What one entry of one object means to a reader. Nothing is decided by it."""
        try:
            found = list(islice(self._meanings(replaced, key), _MOST_AT_ONCE))
        except MemoryError:
            raise
        except Exception:  # a stranger's structure may be anything
            found = []
        return found or [self._named(ChangeKind.OBJECT_REPLACED, replaced.reference)]

    def _meanings(self, replaced: _Replaced, key: str) -> Iterator[Change]:
        before, after, reference = replaced.before, replaced.after, replaced.reference
        if isinstance(before, generic.ArrayObject) and isinstance(after, generic.ArrayObject):
            yield from self._list_meanings(replaced, before, after)
            return
        if not replaced.dictionaries:
            yield self._by_place(replaced)
            return
        match replaced.part:
            case _Part.CATALOG:
                yield from self._catalog_meanings(replaced, key)
            case _Part.FORM:
                yield from self._form_meanings(replaced, before, after, key)
            case _Part.FIELD:
                yield self._field_meaning(replaced, key)
            case _Part.STORE:
                yield self._named(ChangeKind.VALIDATION_DATA, reference)
            case _Part.ASIDE:
                yield self._named(ChangeKind.METADATA_CHANGED, reference)
            case _Part.PAGE:
                page = self.finder.page(reference, replaced.revision - 1)
                if key == "/Contents":
                    yield self._named(ChangeKind.PAGE_CONTENT_CHANGED, reference, page=page)
                elif key == "/Annots":
                    old, new = (value_of(each, key, generic.ArrayObject()) for each in (before, after))
                    yield from self._list_meanings(replaced, old, new)
                elif key:
                    yield self._named(ChangeKind.PAGE_CHANGED, reference, page=page)
            case _:
                yield from self._other_meanings(replaced, key)

    def _catalog_meanings(self, replaced: _Replaced, key: str) -> Iterator[Change]:
        before, after = replaced.before, replaced.after
        match key:
            case "/DSS":
                store = reference_of(after, key) or replaced.reference
                yield self._named(ChangeKind.VALIDATION_DATA, store)
            case "/Perms":
                yield self._named(ChangeKind.CERTIFICATION_CHANGED, replaced.reference)
            case "/Version" | "/Extensions":
                yield self._named(ChangeKind.VERSION_CHANGED, replaced.reference)
            case "/Metadata":
                yield self._named(ChangeKind.METADATA_CHANGED, reference_of(after, key) or replaced.reference)
            case "/Names" | "/Dests" | "/AF":
                yield self._named(ChangeKind.NAMES_CHANGED, replaced.reference)
            case "/Pages":
                yield from self._page_meanings(replaced)
            case "/AcroForm":
                old, new = (value_of(each, key, _dictionary()) for each in (before, after))
                for entry in sorted(changed_entries(old, new)):
                    yield from self._form_meanings(replaced, old, new, entry)
            case _:
                yield self._named(ChangeKind.CATALOG_CHANGED, replaced.reference)

    def _form_meanings(self, replaced: _Replaced, before: Any, after: Any, key: str) -> Iterator[Change]:
        if key == "/Fields":
            old, new = (value_of(each, key, generic.ArrayObject()) for each in (before, after))
            yield from self._list_meanings(replaced, old, new)
        else:
            yield self._named(ChangeKind.FORM_CHANGED, replaced.reference)

    def _field_meaning(self, replaced: _Replaced, key: str) -> Change:
        before, after, reference = replaced.before, replaced.after, replaced.reference
        page = self.finder.page_of(reference, after, replaced.revision)
        name = self._field_name(reference, after, replaced.revision)
        filled = "/V" not in before and "/V" in after
        if key == "/V" or (key == "/AP" and filled):  # what shows a signature comes with it
            kind = ChangeKind.SIGNATURE_CHANGED
            if filled:
                stamp = self._is_stamp(after, replaced.revision)
                kind = ChangeKind.DOCUMENT_TIMESTAMP if stamp else ChangeKind.SIGNATURE_FILLED
            elif "/V" not in after:
                kind = ChangeKind.SIGNATURE_REMOVED
        elif key in ("/AP", "/Rect", "/MK", "/F", "/AS"):
            kind = ChangeKind.SIGNATURE_REDRAWN
        else:
            kind = ChangeKind.FORM_CHANGED
        return self._named(kind, reference, page=page, field=name)

    def _other_meanings(self, replaced: _Replaced, key: str) -> Iterator[Change]:
        before, after, reference = replaced.before, replaced.after, replaced.reference
        if value_of(before, "/Type") == "/Pages":
            yield from self._page_meanings(replaced)
        elif value_of(before, "/Type") in ("/Sig", "/DocTimeStamp"):
            yield self._named(ChangeKind.SIGNATURE_CHANGED, reference)
        elif "/FT" in before or value_of(before, "/Subtype") == "/Widget":
            name = self._field_name(reference, after, replaced.revision)
            kind = ChangeKind.FORM_VALUE_CHANGED if key in ("/V", "/AS") else ChangeKind.FORM_CHANGED
            page = self.finder.page_of(reference, after, replaced.revision)
            yield self._named(kind, reference, page=page, field=name)
        elif "/Subtype" in before and "/Rect" in before:
            page = self.finder.page_of(reference, after, replaced.revision)
            yield self._named(ChangeKind.ANNOTATION_CHANGED, reference, page=page)
        else:
            yield self._by_place(replaced)

    def _by_place(self, replaced: _Replaced) -> Change:
        """What the place of an object in the file says about it."""
        place = self.finder.place(replaced.reference, replaced.revision - 1)
        if place is None:
            return self._named(ChangeKind.OBJECT_REPLACED, replaced.reference)
        return self._named(place.kind, replaced.reference, page=place.page, field=place.field)

    def _list_meanings(self, replaced: _Replaced, before: Any, after: Any) -> Iterator[Change]:
        """Fields, annotations or pages that a list has gained or lost."""
        revision = replaced.revision
        old = [item.reference for item in _items(before) if isinstance(item, generic.IndirectObject)]
        new = [item.reference for item in _items(after) if isinstance(item, generic.IndirectObject)]
        gained, lost = set(new) - set(old), set(old) - set(new)
        for reference in [r for r in new if r in gained]:
            yield from self._member(replaced, reference, revision, gained=True)
        for reference in [r for r in old if r in lost]:
            yield from self._member(replaced, reference, revision - 1, gained=False)
        if not gained and not lost:
            place = self.finder.place(replaced.reference, revision - 1)
            if place is not None:
                yield self._named(place.kind, replaced.reference, page=place.page, field=place.field)

    def _member(
        self, replaced: _Replaced, reference: generic.Reference, revision: int, *, gained: bool
    ) -> Iterator[Change]:
        each = self.finder.at(reference, revision)
        if not isinstance(each, generic.DictionaryObject):
            return
        if value_of(each, "/Type") in ("/Page", "/Pages"):
            yield from self._page_meanings(replaced)
            return
        page = self.finder.page_of(reference, each, revision)
        name = self._field_name(reference, each, revision)
        if name is None:
            kind = ChangeKind.ANNOTATION_ADDED if gained else ChangeKind.ANNOTATION_REMOVED
        elif self._inherited(each, "/FT") != "/Sig":
            kind = ChangeKind.FORM_FIELD_ADDED if gained else ChangeKind.FORM_CHANGED
        elif not gained:
            kind = ChangeKind.SIGNATURE_REMOVED
        else:
            stamp = self._is_stamp(each, revision)
            kind = ChangeKind.DOCUMENT_TIMESTAMP if stamp else ChangeKind.SIGNATURE_ADDED
        yield self._named(kind, reference, page=page, field=name)

    def _page_meanings(self, replaced: _Replaced) -> Iterator[Change]:
        revision = replaced.revision
        before, after = self.finder.pages(revision - 1), self.finder.pages(revision)
        old, new = list(before), list(after)
        if len(old) == len(new):
            for number, (one, other) in enumerate(zip(old, new, strict=True), 1):
                if one != other:
                    yield self._named(ChangeKind.PAGE_REPLACED, other, page=number)
        for reference, number in after.items() if len(old) != len(new) else ():
            if reference not in before:
                yield self._named(ChangeKind.PAGE_ADDED, reference, page=number)
        for reference, number in before.items() if len(old) != len(new) else ():
            if reference not in after:
                yield self._named(ChangeKind.PAGE_REMOVED, reference, page=number)
        if old == new:
            yield self._named(ChangeKind.PAGE_CHANGED, replaced.reference)

    def _is_stamp(self, each: Any, revision: int) -> bool:
        value = reference_of(each, "/V")
        signed = value_of(each, "/V") if value is None else self.finder.at(value, revision)
        return isinstance(signed, generic.DictionaryObject) and (value_of(signed, "/SubFilter") == TIMESTAMP)

    def _field_name(self, reference: generic.Reference, each: Any, revision: int) -> str | None:
        """The whole name of a form field (ISO 32000-2, 12.7.4.2); None for what is no field."""
        known = self.names.get(reference)
        if known is None and self._inherited(each, "/FT") is not None:
            parts: list[str] = []
            node = each
            for _ in range(_DEPTH):
                if "/T" in node:
                    parts.insert(0, str(node["/T"]))
                parent = reference_of(node, "/Parent")
                if parent is None:
                    break
                node = self.finder.at(parent, revision)
            known = ".".join(parts)
        return None if known is None else shown_name(known)

    @staticmethod
    def _inherited(node: Any, key: str) -> Any:
        for _ in range(_DEPTH):
            if key in node or "/Parent" not in node:
                break
            node = node["/Parent"]
        return value_of(node, key)


@dataclass(frozen=True, slots=True)
class _Place:
    kind: ChangeKind
    page: int | None = None
    field: str | None = None


@dataclass(slots=True)
class _Finder:
    """Where an object stands in the file: on which page, in which name tree. Searching has a budget for the
    whole walk, as many objects as a file may have; beyond it the place of an object is not known.
    """

    reader: PdfFileReader
    limits: Limits
    names: Mapping[generic.Reference, str]
    _left: int = field(init=False)
    _kids: int = field(init=False)
    _pages: dict[int, dict[generic.Reference, int]] = field(default_factory=dict)
    _places: dict[int, dict[generic.Reference, _Place]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._left = self._kids = self.limits.objects

    def state(self, revision: int) -> HistoricalResolver:
        return self.reader.get_historical_resolver(revision)

    def at(self, reference: generic.Reference, revision: int) -> Any:
        """The object as it was after ``revision``."""
        read: Callable[..., Any] = self.state(revision).get_object
        return read(reference)

    def pages(self, revision: int) -> dict[generic.Reference, int]:
        """Pages in order, from 1, as the file was after ``revision``."""
        known = self._pages.get(revision)
        if known is None:
            known = self._pages[revision] = {}
            root = self.state(revision).root if self._kids > 0 else _dictionary()
            nodes = [root.raw_get("/Pages")] if "/Pages" in root else []
            seen: set[generic.Reference] = set()
            while nodes and self._kids > 0 and len(seen) < 4 * self.limits.pages:
                node = nodes.pop()
                if not isinstance(node, generic.IndirectObject) or node.reference in seen:
                    continue
                seen.add(node.reference)
                each = _object(node)
                if value_of(each, "/Type") == "/Pages" or "/Kids" in each:
                    kids = _items(each["/Kids"])
                    self._kids -= len(kids)
                    nodes += reversed(kids)
                else:
                    known[node.reference] = len(known) + 1
        return known

    def page(self, reference: generic.Reference, revision: int) -> int | None:
        return self.pages(revision).get(reference)

    def page_of(self, reference: generic.Reference, annotation: Any, revision: int) -> int | None:
        """The page of an annotation: the one it names, else the one that lists it."""
        named = reference_of(annotation, "/P")
        page = None if named is None else self.page(named, revision)
        if page is None:
            place = self.place(reference, revision)
            page = None if place is None else place.page
        return page

    def place(self, reference: generic.Reference, revision: int) -> _Place | None:
        """What an object is, by where it stands after ``revision``."""
        known = self._places.get(revision)
        if known is None:
            known = self._places[revision] = {}
            self._search(revision, known)
        return known.get(reference)

    def _search(self, revision: int, known: dict[generic.Reference, _Place]) -> None:
        for reference, number in self.pages(revision).items():
            if self._left <= 0:
                return
            page = self.at(reference, revision)
            drawn = _Place(ChangeKind.PAGE_CONTENT_CHANGED, number)
            self._list(page, "/Contents", drawn, known)
            self._below(page, "/Resources", _Place(ChangeKind.PAGE_CHANGED, number), known, depth=3)
            self._annotations(page, number, known)
        root = self.state(revision).root
        for key, kind in _OF_CATALOG.items():
            self._below(root, key, _Place(kind), known, depth=3)

    def _annotations(self, page: Any, number: int, known: dict[generic.Reference, _Place]) -> None:
        changed = _Place(ChangeKind.ANNOTATION_CHANGED, number)
        for item in self._list(page, "/Annots", changed, known):
            each = _object(item)
            if not isinstance(each, generic.DictionaryObject):
                continue
            name = self.names.get(item.reference)
            look = changed if name is None else _Place(ChangeKind.SIGNATURE_REDRAWN, number, shown_name(name))
            self._below(each, "/AP", look, known, depth=3)
            if name is not None and (value := reference_of(each, "/V")) is not None:
                signed = _Place(ChangeKind.SIGNATURE_CHANGED, number, shown_name(name))
                known.setdefault(value, signed)

    def _list(
        self, owner: Any, key: str, place: _Place, known: dict[generic.Reference, _Place]
    ) -> list[generic.IndirectObject]:
        """Members of a list, or the one member that stands in its stead; the list itself when on its own."""
        reference = reference_of(owner, key)
        if reference is not None:
            known.setdefault(reference, place)
        found = _items(value_of(owner, key))[: max(0, self._left)] if self._left > 0 else []
        members = [item for item in found if isinstance(item, generic.IndirectObject)]
        self._left -= len(found)
        for item in members:
            known.setdefault(item.reference, place)
        return members

    def _below(
        self, owner: Any, key: str, place: _Place, known: dict[generic.Reference, _Place], *, depth: int
    ) -> None:
        """Everything under an entry, as far down as names and resources go."""
        waiting = [(owner.raw_get(key), depth)] if key in owner else []
        while waiting and self._left > 0:
            node, left = waiting.pop()
            if isinstance(node, generic.IndirectObject):
                if node.reference in known:
                    continue
                known[node.reference] = place
                node = _object(node)
            if not left or isinstance(node, generic.StreamObject):
                continue  # what a stream uses in its turn is not the page's own
            inside: list[Any] = _items(node)
            if isinstance(node, generic.DictionaryObject):
                inside = [node.raw_get(each) for each in node if each not in ("/Parent", "/P")]
            self._left -= len(inside)
            waiting += [(each, left - 1) for each in inside]


_OF_CATALOG = {
    "/Names": ChangeKind.NAMES_CHANGED,
    "/Dests": ChangeKind.NAMES_CHANGED,
    "/AF": ChangeKind.NAMES_CHANGED,
    "/Metadata": ChangeKind.METADATA_CHANGED,
    "/DSS": ChangeKind.VALIDATION_DATA,
    "/AcroForm": ChangeKind.FORM_CHANGED,
    "/OpenAction": ChangeKind.CATALOG_CHANGED,
    "/AA": ChangeKind.CATALOG_CHANGED,
    "/Outlines": ChangeKind.CATALOG_CHANGED,
}


_dictionary: Callable[[], Any] = generic.DictionaryObject  # pyHanko gives it no types


def value_of(dictionary: Any, key: str, default: Any = None) -> Any:
    """The entry itself: ``get`` would answer a reference as it stands."""
    return dictionary[key] if key in dictionary else default  # noqa: SIM401


def _object(item: Any) -> Any:
    """What a reference leads to; pyHanko gives this no types."""
    return item.get_object()


def _items(array: Any) -> list[Any]:
    """Members as written, references not followed."""
    if not isinstance(array, generic.ArrayObject):
        return []
    return [array.raw_get(number) for number in range(len(array))]


def _place(reference: generic.Reference | None) -> str | None:
    if reference is None or not 0 <= reference.idnum < 10**10 or not 0 <= reference.generation < 10**5:
        return None
    return f"{reference.idnum} {reference.generation}"


def _order(reference: generic.Reference) -> tuple[int, int]:
    return reference.idnum, reference.generation


def _invisible(field: generic.DictionaryObject) -> bool:
    if not set(field) <= _TIMESTAMP_FIELD:
        return False
    rectangle = _items(value_of(field, "/Rect")) if "/Rect" in field else [0, 0, 0, 0]
    return len(rectangle) == 4 and rectangle[0] == rectangle[2] and rectangle[1] == rectangle[3]
