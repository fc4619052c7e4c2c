"""What the tables of trust say to a check, an offline bundle, issuing and pages. Changes nothing."""

from __future__ import annotations

import json
import os
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from sqlalchemy import ColumnElement, FromClause, func, literal_column, or_, select
from sqlalchemy.orm import Session

from portal.trust.checks import ContactInput
from portal.trust.models import (
    Anchor,
    CrlAddress,
    Department,
    RevocationList,
    School,
    Signer,
    TimestampUnit,
    TrustState,
)
from verifier.report import Role
from verifier.trust import (
    Approval,
    AuthorisedSigner,
    Pki,
    Purpose,
    Timestamping,
    TrustAnchor,
    TrustStore,
)
from verifier.words import VIETNAM

BUNDLE_FORMAT: Final = "hoc-ba-trust-bundle/1"


@dataclass(frozen=True, slots=True)
class SchoolFacts:
    """A school as it was on one day."""

    code: str
    name: str
    department_code: str
    department_name: str
    levels: tuple[str, ...]
    commune: str
    district: str
    province: str
    sector: str
    valid_from: date
    valid_to: date | None
    successor_code: str | None


class Reached(StrEnum):
    """Whom a contact names: the school, or the department for it, and why."""

    SCHOOL = "school"
    CLOSED = "closed"  # the school is no more
    UNLISTED = "unlisted"  # the register does not say how the school is reached


@dataclass(frozen=True, slots=True)
class Contact:
    """Whom to ask about a record, out of our register alone: what a file says of itself is no contact."""

    reached: Reached
    name: str
    phone: str | None = None
    email: str | None = None
    address: str | None = None


@dataclass(frozen=True, slots=True)
class AnchorFacts:
    """A pinned authority; ``crl_until`` is when its newest CRL lapses (of those for authorities and for
    subscribers the one that lapses first), None when it has none.
    """

    sha256: str
    name: str
    pki: Pki
    purpose: Purpose
    is_root: bool
    not_after: datetime
    crl_until: datetime | None


@dataclass(frozen=True, slots=True)
class CrlAddressFacts:
    """Where a list is collected from; ``fault`` says why the last try (``tried_at``) failed."""

    id: uuid.UUID
    issuer_id: str
    authority: str  # its name
    url: str
    tried_at: datetime | None
    fault: str


@dataclass(frozen=True, slots=True)
class SignerFacts:
    """One row of the table of authorised signers, for lists and signing plans."""

    id: uuid.UUID
    certificate: bytes
    issuer_id: str
    authority: AuthorisedSigner
    account: uuid.UUID | None = None  # whose certificate it is
    refusal: str | None = None  # code of the department's reason
    possession_at: datetime | None = None  # when the applicant showed that they hold the key


def current_epoch(session: Session, *, lock: bool = False) -> int:
    """The number of the newest change in trust. ``lock`` holds it until the transaction ends: what is
    registered under this epoch is then seen by the next change.
    """
    wanted = select(TrustState.epoch).where(TrustState.id == 1)
    return session.scalar(wanted.with_for_update(read=True) if lock else wanted) or 0


def load_authorities(session: Session) -> TrustStore:
    """The pinned authorities alone: enough to look for a path. The epoch is read first, so that a change made
    meanwhile can only make the store look older than it is.
    """
    epoch = current_epoch(session)
    anchors, intermediates, distrusted = _pinned_for(session, Purpose.SIGNING)
    return TrustStore(
        epoch=epoch,
        anchors=anchors,
        intermediates=intermediates,
        signers=(),
        crls=(),
        distrusted=distrusted,
        timestamping=Timestamping(*_pinned_for(session, Purpose.TIMESTAMPING)),
    )


def _pinned_for(
    session: Session, purpose: Purpose
) -> tuple[tuple[TrustAnchor, ...], tuple[bytes, ...], frozenset[str]]:
    """Roots, intermediates, and what is distrusted for one purpose, whatever is pinned for the other."""
    mine = select(Anchor).where(Anchor.purpose == purpose)
    anchors = session.scalars(
        mine.where(Anchor.removed_at.is_(None)).order_by(Anchor.added_at, Anchor.sha256)
    ).all()
    removed = session.scalars(mine.where(Anchor.removed_at.is_not(None))).all()
    ended = {a.authority_id for a in removed} - {a.authority_id for a in anchors}
    return (
        tuple(TrustAnchor(a.name, Pki(a.pki), a.certificate) for a in anchors if a.is_root),
        tuple(a.certificate for a in anchors if not a.is_root),
        frozenset(a.sha256 for a in removed) | ended,
    )


def load_store(session: Session) -> TrustStore:
    """Everything a check may rely on now."""
    authorities = load_authorities(session)
    signers = session.scalars(
        select(Signer).order_by(Signer.certificate_sha256, Signer.valid_from, Signer.id)
    ).all()
    return replace(
        authorities,
        signers=tuple(a for _, a in _authorities(signers, _school_ends(session))),
        crls=_needed_crls(session),
    )


def write_store(session: Session, path: Path) -> TrustStore:
    """Put the trust store where checking processes read it (``verifier.trust.read_store``), whole or not at
    all.
    """
    store = load_store(session)
    text = json.dumps(store.to_json(), separators=(",", ":"))
    if not path.exists() or path.read_text() != text:
        _write(path, text)
    return store


def bundle(
    store: TrustStore, registry: dict[str, Any], *, public_url: str, former: Sequence[str], as_of: datetime
) -> dict[str, Any]:
    """The offline bundle for ``python -m verifier``: trust, registry facts without personal data, our
    hosts.
    """
    return {
        "format": BUNDLE_FORMAT,
        "as_of": as_of.isoformat(),
        "trust": store.to_json(),
        "registry": registry,
        "hosts": {"public_url": public_url, "former": list(former)},
    }


def write_bundle(path: Path, content: dict[str, Any]) -> None:
    """Write a bundle, whole or not at all."""
    _write(path, json.dumps(content, ensure_ascii=False, indent=1))


def school_on(session: Session, code: str, day: date) -> SchoolFacts | None:
    """The school with this code as it was on ``day``; None when there was none."""
    row = session.execute(
        select(School, Department.name)
        .join(Department, Department.code == School.department_code)
        .where(
            School.code == code,
            School.valid_from <= day,
            or_(School.valid_to.is_(None), School.valid_to >= day),
        )
    ).one_or_none()
    return None if row is None else _school(*row)


def ended_school(session: Session, code: str, day: date) -> SchoolFacts | None:
    """The school with this code as it was last, when it has ended before ``day``; None while it goes on, and
    when there never was one.
    """
    if school_on(session, code, day) is not None:
        return None
    row = session.execute(
        select(School, Department.name)
        .join(Department, Department.code == School.department_code)
        .where(School.code == code, School.valid_to < day)
        .order_by(School.valid_to.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else _school(*row)


def school_name(session: Session, code: str, day: date) -> str | None:
    """The name of the school with this code on ``day``, else its newest name, None when there is no such
    school.
    """
    school = school_on(session, code, day)
    if school is not None:
        return school.name
    newest = select(School.name).where(School.code == code).order_by(School.valid_from.desc()).limit(1)
    return session.scalar(newest)


_S, _D = School.__table__, Department.__table__
#: What :func:`contact_of` reads, beside the statement's own columns: of the newest name of a school.
CONTACT_COLUMNS: Final = (
    _S.c.name.label("contact_school"),
    _S.c.valid_to.label("contact_until"),
    _S.c.phone.label("contact_phone"),
    _S.c.email.label("contact_email"),
    _S.c.address.label("contact_address"),
    _D.c.name.label("office_name"),
    _D.c.phone.label("office_phone"),
    _D.c.email.label("office_email"),
    _D.c.address.label("office_address"),
)


def with_contact(source: FromClause, code: ColumnElement[str]) -> FromClause:
    """``source``, each row with the school that ``code`` names and its department, where there is one."""
    other = _S.alias("other_name")
    newest = select(other.c.id).where(other.c.code == code).order_by(other.c.valid_from.desc())
    mine = _S.c.id == newest.limit(literal_column("1")).correlate_except(other).scalar_subquery()
    return source.outerjoin(_S, mine).outerjoin(_D, _D.c.code == _S.c.department_code)


def contact(session: Session, code: str, day: date) -> Contact | None:
    """Whom to ask about what the school with this code issued; None for a code that no school ever had."""
    row = session.execute(
        select(*CONTACT_COLUMNS)
        .select_from(_S.join(_D, _D.c.code == _S.c.department_code))
        .where(_S.c.code == code)
        .order_by(_S.c.valid_from.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else contact_of(row._mapping, day)


def contact_of(row: Mapping[Any, Any], day: date) -> Contact | None:
    """The contact in a row with :data:`CONTACT_COLUMNS`: the school itself while it goes on and the register
    knows how it is reached, else its department.
    """
    if row["contact_school"] is None:
        return None
    closed = row["contact_until"] is not None and row["contact_until"] < day
    mine = row["contact_phone"], row["contact_email"], row["contact_address"]
    if not closed and any(mine):
        return Contact(Reached.SCHOOL, row["contact_school"], *mine)
    reached = Reached.CLOSED if closed else Reached.UNLISTED
    office = row["office_phone"], row["office_email"], row["office_address"]
    return Contact(reached, row["office_name"], *office)


def office_named(session: Session, code: str) -> School | Department | None:
    """The row of the newest name of the school with this code, else the department's; None for neither."""
    newest = select(School).where(School.code == code).order_by(School.valid_from.desc()).limit(1)
    return session.scalar(newest) or session.scalar(select(Department).where(Department.code == code))


def listed_contact(session: Session, code: str) -> ContactInput | None:
    """How the school with this code, or the department, is reached, as the register has it; None for a code
    that the register does not have.
    """
    office = office_named(session, code)
    return None if office is None else _listed(office.phone, office.email, office.address)


def listed_contacts(session: Session, department: str) -> dict[str, ContactInput]:
    """The same for each school of a department, by its code."""
    rows = session.execute(
        select(School.code, School.phone, School.email, School.address)
        .where(School.department_code == department)
        .order_by(School.valid_from)
    )
    return {code: _listed(*contact) for code, *contact in rows}  # the newest name comes last


def _listed(phone: str | None, email: str | None, address: str | None) -> ContactInput:
    return ContactInput(phone or "", email or "", address or "")


def list_anchors(session: Session) -> tuple[AnchorFacts, ...]:
    """Authorities that are pinned now, roots first."""
    until = _crl_ends(session)
    rows = session.scalars(
        select(Anchor)
        .where(Anchor.removed_at.is_(None))
        .order_by(Anchor.purpose, Anchor.pki, Anchor.is_root.desc(), Anchor.name)
    )
    return tuple(
        AnchorFacts(
            sha256=a.sha256,
            name=a.name,
            pki=Pki(a.pki),
            purpose=Purpose(a.purpose),
            is_root=a.is_root,
            not_after=a.not_after,
            crl_until=until.get(a.authority_id),
        )
        for a in rows
    )


def _crl_ends(session: Session) -> dict[str, datetime]:
    """When the newest list of each authority for authorities, or that for subscribers, lapses first."""
    lists = select(
        RevocationList.issuer_id,
        RevocationList.scope,
        func.max(RevocationList.next_update).label("until"),
    ).group_by(RevocationList.issuer_id, RevocationList.scope)
    ends: dict[tuple[str, str], datetime] = {}
    for row in session.execute(lists):
        for kind in {"ca", "users"}.intersection(row.scope.partition(" at ")[0].split()):
            key = (row.issuer_id, kind)
            ends[key] = max(ends.get(key, row.until), row.until)
    found: dict[str, datetime] = {}
    for (issuer, _), end in ends.items():
        found[issuer] = min(found.get(issuer, end), end)
    return found


def list_crl_addresses(session: Session) -> tuple[CrlAddressFacts, ...]:
    """Addresses that lists are collected from, of authorities that are pinned now."""
    names = {
        anchor.authority_id: anchor.name
        for anchor in session.scalars(
            select(Anchor).where(Anchor.removed_at.is_(None)).order_by(Anchor.added_at.desc())
        )
    }
    rows = session.scalars(
        select(CrlAddress).where(CrlAddress.removed_at.is_(None)).order_by(CrlAddress.url, CrlAddress.id)
    )
    return tuple(
        CrlAddressFacts(row.id, row.issuer_id, names[row.issuer_id], row.url, row.tried_at, row.fault)
        for row in rows
        if row.issuer_id in names
    )


def department_of(session: Session, code: str) -> str | None:
    """Code of the department that a school is, or last was, under; None for an unknown school."""
    newest = select(School.department_code).where(School.code == code).order_by(School.valid_from.desc())
    return session.scalar(newest.limit(1))


def department_names(session: Session) -> dict[str, str]:
    """Code -> name of every department."""
    return {row.code: row.name for row in session.scalars(select(Department).order_by(Department.code))}


def list_schools(session: Session) -> tuple[SchoolFacts, ...]:
    """Every school and every name it had, by code and time."""
    rows = session.execute(
        select(School, Department.name)
        .join(Department, Department.code == School.department_code)
        .order_by(School.code, School.valid_from)
    )
    return tuple(_school(*row) for row in rows)


def list_signers(session: Session, school_code: str | None = None) -> tuple[SignerFacts, ...]:
    """Registered signers, of one school or all, in every state."""
    wanted = select(Signer).order_by(Signer.school_code, Signer.role, Signer.display_name, Signer.valid_from)
    if school_code is not None:
        wanted = wanted.where(Signer.school_code == school_code)
    return tuple(
        SignerFacts(s.id, s.certificate, s.issuer_id, authority, s.account_pk, s.refusal, s.possession_at)
        for s, authority in _authorities(session.scalars(wanted).all(), _school_ends(session))
    )


def certificates_of(session: Session, account: uuid.UUID, school_code: str, role: Role) -> frozenset[str]:
    """SHA-256 of the certificates that an account has, or had, approved to sign with in this role at a
    school.
    """
    wanted = select(Signer.certificate_sha256).where(
        Signer.account_pk == account,
        Signer.school_code == school_code,
        Signer.role == role,
        Signer.approval == Approval.APPROVED,
    )
    return frozenset(session.scalars(wanted))


def signer_names(session: Session, certificates: Iterable[str]) -> dict[str, str]:
    """Names of signers from our own table, by certificate SHA-256; what a certificate says of itself is not
    shown.
    """
    wanted = select(Signer.certificate_sha256, Signer.display_name).where(
        Signer.certificate_sha256.in_(sorted(set(certificates)))
    )
    return {
        row.certificate_sha256: row.display_name
        for row in session.execute(wanted.order_by(Signer.valid_from))
    }


def _school_ends(session: Session) -> dict[str, list[datetime | None]]:
    """When each school ceased to be, or will: the first moment after its last day in Vietnam, None while that
    is open. A school that went on under another name from the next day on is the same school; one that began
    again after a gap has an end for each stretch of time, in order.
    """
    ends: dict[str, list[date | None]] = {}
    periods = select(School.code, School.valid_from, School.valid_to).order_by(School.valid_from)
    for code, begins, until in session.execute(periods):
        stretches = ends.setdefault(code, [])
        last = stretches[-1] if stretches else None
        if last is not None and begins - last <= timedelta(days=1):
            stretches[-1] = until
        else:
            stretches.append(until)
    return {code: [_first_moment_after(day) for day in days] for code, days in ends.items()}


def _first_moment_after(day: date | None) -> datetime | None:
    if day is None or day == date.max:
        return None
    return datetime.combine(day + timedelta(days=1), time(), VIETNAM)


def _authorities(
    rows: Sequence[Signer], school_ends: Mapping[str, Sequence[datetime | None]]
) -> Iterator[tuple[Signer, AuthorisedSigner]]:
    """The rows as a check sees them; ``rows`` hold all of a certificate at a school, or none. Nobody signs
    for a school that is no more, however long the registration was to last, nor for one that began again
    under its code: who signs for that is registered anew.

    A suspension binds every registration of the same certificate, school and role that begins at or before
    it, in whatever capacity: registering again must not bring back what was withdrawn. Only a registration
    that begins later stands by itself; none does against a compromised key.
    """
    suspended: dict[tuple[str, str, str], list[datetime]] = {}
    for row in rows:
        if row.invalid_since is not None:
            key = (row.certificate_sha256, row.school_code, row.role)
            suspended.setdefault(key, []).append(row.invalid_since)
    for row in rows:
        since = suspended.get((row.certificate_sha256, row.school_code, row.role), [])
        binding = [moment for moment in since if row.valid_from <= moment]
        binding += [own for own in (row.invalid_since, row.compromised_since) if own is not None]
        school_end = _end_of_stretch(school_ends.get(row.school_code, ()), row.valid_from)
        ends = [end for end in (row.valid_to, school_end) if end is not None]
        yield row, _authority(row, min(ends, default=None), min(binding, default=None))


def _end_of_stretch(ends: Sequence[datetime | None], begins: datetime) -> datetime | None:
    """Of the stretch in which a registration begins, or of the last when it begins after all."""
    if not ends:
        return None
    return next((end for end in ends if end is None or end > begins), ends[-1])


def _authority(row: Signer, valid_to: datetime | None, invalid_since: datetime | None) -> AuthorisedSigner:
    return AuthorisedSigner(
        certificate_sha256=row.certificate_sha256,
        school_code=row.school_code,
        role=Role(row.role),
        capacity=row.capacity,
        subject_codes=frozenset(row.subject_codes.split()),
        valid_from=row.valid_from,
        valid_to=valid_to,
        approval=Approval(row.approval),
        invalid_since=invalid_since,
        display_name=row.display_name,
    )


def _school(row: School, department: str) -> SchoolFacts:
    return SchoolFacts(
        code=row.code,
        name=row.name,
        department_code=row.department_code,
        department_name=department,
        levels=tuple(row.levels.split()),
        commune=row.commune,
        district=row.district,
        province=row.province,
        sector=row.sector,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        successor_code=row.successor_code,
    )


def _needed_crls(session: Session) -> tuple[bytes, ...]:
    """Of each authority and scope the newest list, each that revokes for good what a newer one does not name
    or names more mildly, and for each certificate of its that has expired the last list before that: later
    ones may have dropped it (RFC 5280 §3.3).
    """
    lists = session.execute(
        select(
            RevocationList.id,
            RevocationList.issuer_id,
            RevocationList.scope,
            RevocationList.this_update,
            RevocationList.kept_since,
        )
        .where(RevocationList.issuer_id.in_(select(Anchor.authority_id).where(Anchor.removed_at.is_(None))))
        .order_by(RevocationList.this_update, RevocationList.added_at)
    ).all()
    series: dict[tuple[str, str], list[tuple[datetime, uuid.UUID]]] = {}
    for row in lists:
        series.setdefault((row.issuer_id, row.scope), []).append((row.this_update, row.id))
    ends: dict[str, set[datetime]] = {}
    for table in (Signer, TimestampUnit, Anchor):
        for issuer, end in session.execute(select(table.issuer_id, table.not_after).distinct()):
            ends.setdefault(issuer, set()).add(end)
    needed: set[uuid.UUID] = {row.id for row in lists if row.kept_since is not None}
    for (issuer, _), pinned in series.items():
        needed.add(pinned[-1][1])
        for end in ends.get(issuer, ()):
            before = [key for this_update, key in pinned if this_update <= end]
            needed.update(before[-1:])
    rows = session.scalars(
        select(RevocationList.crl)
        .where(RevocationList.id.in_(needed))
        .order_by(RevocationList.issuer_id, RevocationList.this_update, RevocationList.added_at)
    )
    return tuple(rows)


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all: readers see the old or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
