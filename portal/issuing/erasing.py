"""Erasing a record: its key and everything sealed under it, from the first intent to the last renewal, and
what checks answered about it.

A registered record is kept for good (NĐ 88/2026 Đ.8.3), so nobody's wish erases it
(:func:`refuse_registered`); what destroys its key is a decision of two persons (SEC-24).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from portal.audit.service import Object
from portal.erasure.service import Erased, Eraser
from portal.errors import Refusal
from portal.issuing.models import Issuance, Renewal
from portal.registry import erasing as registry
from portal.results import service as results
from portal.results.models import CheckResult

_MANY: Final = 500  # values of one IN (…): below the limits of both databases


def refuse_registered(session: Session, record_id: str) -> None:
    """Nothing but what was begun and never issued is erased on request. Raises Refusal: ``kept_permanently``
    with the legal ground, ``already_destroyed``, ``unknown_record``.
    """
    if registry.alive(session, [record_id]):
        raise Refusal(
            "kept_permanently",
            "Học bạ đã cấp phải được lưu giữ vĩnh viễn (Nghị định 88/2026/NĐ-CP, Điều 8 khoản 3), nên không "
            "xóa theo yêu cầu (Luật Bảo vệ dữ liệu cá nhân 91/2025/QH15, Điều 3 khoản 3).",
            "Sai nội dung thì sửa (correct) hoặc thu hồi (recall). Chỉ khi có căn cứ pháp lý buộc phải hủy: "
            "flask --app wsgi decisions propose destroy_record_key, rồi người thứ hai xác nhận.",
        )
    if registry.known(session, record_id):
        raise Refusal("already_destroyed", "Dữ liệu của học bạ này đã bị hủy; không còn gì để xóa.")
    if not _begun(session, [record_id]):
        raise Refusal("unknown_record", f"Không có học bạ nào mang mã tra cứu {record_id}.")


def _erase(session: Session, record_id: str, _now: datetime) -> Erased:
    # 1 What was registered.
    destroyed = registry.destroy(session, record_id)
    rows = {} if destroyed is None else dict(destroyed.rows)
    files = set() if destroyed is None else set(destroyed.files)

    # 2 What was on its way; locked in the order of keys, as every other lock on several rows is.
    issuances = session.execute(
        select(Issuance.id, Issuance.sealed_name, Issuance.school_code, Issuance.pupil_index)
        .where(Issuance.record_id == record_id)
        .order_by(Issuance.id)
        .with_for_update()
    ).all()
    hashes = () if destroyed is None else destroyed.hashes
    renewals = session.execute(
        select(Renewal.id, Renewal.sealed_name)
        .where(Renewal.source_sha256.in_(hashes))
        .order_by(Renewal.id)
        .with_for_update()
    ).all()
    files |= {row.sealed_name for row in (*issuances, *renewals) if row.sealed_name is not None}
    for model, found in ((Issuance, issuances), (Renewal, renewals)):
        if found:
            gone = delete(model).where(model.id.in_([row.id for row in found]))
            session.execute(gone.execution_options(synchronize_session=False))
            rows[model.__tablename__] = len(found)

    # 3 What was answered about it: after the record is gone, nothing is to be shown again.
    if answered := results.erase_of(session, record_id):
        rows[CheckResult.__tablename__] = answered

    # 4 Whose it was, for the trail.
    if destroyed is not None:
        return Erased(rows, tuple(sorted(files)), destroyed.object, destroyed.organisation, destroyed.pupil)
    if issuances:
        first = issuances[0]
        what = Object("issuance", first.id)
        return Erased(rows, tuple(sorted(files)), what, first.school_code, first.pupil_index)
    return Erased()


def _alive(session: Session, record_ids: Collection[str]) -> frozenset[str]:
    names = sorted(record_ids)
    some = (names[start : start + _MANY] for start in range(0, len(names), _MANY))
    return frozenset(name for part in some for name in _left(session, part))


def _left(session: Session, record_ids: Collection[str]) -> set[str]:
    registered = registry.alive(session, record_ids)
    return registered | _begun(session, record_ids) | results.named(session, record_ids)


def _begun(session: Session, record_ids: Collection[str]) -> set[str]:
    return set(session.scalars(select(Issuance.record_id).where(Issuance.record_id.in_(record_ids))))


#: By record id, for that names drafts as well.
RECORD: Final = Eraser(
    "record",
    (*registry.TABLES, Issuance.__tablename__, Renewal.__tablename__, CheckResult.__tablename__),
    _erase,
    _alive,
)
