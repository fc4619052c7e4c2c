"""``flask --app wsgi erasure …``: erasing for good, and keeping it so after a restore (SEC-41)."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

import click
from sqlalchemy.orm import Session

from portal.accounts import holders
from portal.accounts.erasing import ACCOUNT, refuse_unknown
from portal.accounts.notices import send
from portal.audit.service import Action, Object
from portal.commands.console import Command, Room, actor
from portal.commands.trail import told
from portal.consent import service as consent
from portal.database import scrub
from portal.decisions import service as decisions
from portal.decisions.service import Kind
from portal.erasers import ERASERS
from portal.erasure import service
from portal.errors import Refusal
from portal.extensions import reading, resources, transaction
from portal.issuing.erasing import RECORD, refuse_registered
from portal.issuing.lock import exclusive
from portal.registry import many
from portal.registry import service as registry
from verifier.locator import group, parse_record_id

erasure = Room("erasure", help="Xóa vĩnh viễn, và giữ cho những gì đã xóa không quay lại sau khi khôi phục.")


@erasure.command("record", cls=Command)
@click.argument("record_id")
def record(record_id: str) -> None:
    """Xóa một học bạ mới lập, chưa cấp. Học bạ đã cấp thì bị từ chối, kèm căn cứ pháp lý."""
    portal = resources()
    wanted = parse_record_id(record_id.replace("-", "").strip().upper())

    def find(session: Session) -> tuple[Object]:
        return (registry.trail_object(session, portal.vault, wanted),)

    with exclusive(portal.engine, portal.settings.instance_dir):
        with told(Action.ERASURE, find), transaction() as session:
            refuse_registered(session, wanted)
            erased = service.erase(
                session,
                RECORD,
                wanted,
                tombstones=portal.tombstones,
                files=portal.files,
                actor=actor(),
                now=portal.clock.now(),
                basis="request",
            )
        click.echo(f"Đã xóa bản đang lập của học bạ {group(wanted)}.")
        _scrub(erased.rows)


@erasure.command("destroy")
@click.argument("decision", type=click.UUID)
def destroy(decision: uuid.UUID) -> None:
    """Hủy khóa và toàn bộ nội dung của một học bạ, theo quyết định đã có hai người. Không lấy lại được."""
    portal = resources()
    now = portal.clock.now()
    with exclusive(portal.engine, portal.settings.instance_dir):
        with told(Action.ERASURE, [decisions.about(decision)]), transaction() as session:
            many.hold(session, decision)
            taken = decisions.take(session, decision, Kind.DESTROY_RECORD_KEY, actor=actor(), now=now)
            record_id = registry.record_id_of(session, taken.object)
            if record_id is None:
                raise Refusal("unknown_record", f"Cơ sở dữ liệu này không có {taken.object}.")
            erased = service.erase(
                session,
                RECORD,
                record_id,
                tombstones=portal.tombstones,
                files=portal.files,
                actor=actor(),
                now=now,
                decision=decision,
                basis=taken.reason,
            )
        click.echo(f"Đã hủy khóa và nội dung của học bạ {group(record_id)}: {len(erased.files)} tệp.")
        click.echo(
            "hint: Bản sao lưu cũ vẫn còn khóa đã bọc. Thêm khóa mới vào đầu KEY_ENCRYPTION_KEYS, chạy keys "
            "rotate, rồi hủy khóa cũ: xem docs/keys.md.",
            err=True,
        )
        _scrub(erased.rows)


@erasure.command("account")
@click.argument("account", type=click.UUID)
def account(account: uuid.UUID) -> None:
    """Xóa một tài khoản: họ tên, liên hệ, mọi cách đăng nhập. Học bạ và nhật ký còn nguyên."""
    portal = resources()
    now = portal.clock.now()
    with told(Action.ERASURE), transaction() as session:
        refuse_unknown(session, account)
        pupils = holders.pupils_of(session, account)
        consent.hold(session, pupils=pupils)
        erased = service.erase(
            session,
            ACCOUNT,
            str(account),
            tombstones=portal.tombstones,
            files=portal.files,
            actor=actor(),
            now=now,
            basis="request",
        )
        send(session, portal.vault, consent.settle(session, portal.vault, pupils=pupils, now=now), now=now)
    click.echo(f"Đã xóa tài khoản {account}.")
    _scrub(erased.rows)


@erasure.command("replay")
def replay() -> None:
    """Sau khi khôi phục từ bản sao lưu: xóa lại những gì đã xóa vĩnh viễn. Chạy lại được."""
    portal = resources()
    count, tables = 0, {table for eraser in ERASERS.values() for table in eraser.tables}
    with exclusive(portal.engine, portal.settings.instance_dir):
        for again in service.replay(
            transaction,
            ERASERS,
            tombstones=portal.tombstones,
            files=portal.files,
            actor=actor(),
            clock=portal.clock,
        ):
            count += 1
            click.echo(f"{again.kind} {again.name}: xóa lại {again.rows} dòng, {again.files} tệp")
        _scrub(tables)
    click.echo(f"Đã xóa lại {count} mục.")


@erasure.command("check")
def check() -> None:
    """Xem cơ sở dữ liệu có lại thứ gì đã xóa vĩnh viễn không. Cổng tự kiểm tra như vậy khi khởi động."""
    portal = resources()
    with reading() as session:
        service.refuse_erased_alive(session, ERASERS, portal.tombstones)
    total = sum(map(len, portal.tombstones.names().values()))
    click.echo(f"{total} mục đã xóa vĩnh viễn, không mục nào quay lại.")


def _scrub(tables: Iterable[str]) -> None:
    if not scrub(resources().engine, tables):
        click.echo(
            "hint: Nhật ký ghi trước (WAL) của SQLite còn giữ trang cũ vì có tiến trình đang dùng. "
            "Dừng cổng rồi chạy lại: flask --app wsgi erasure replay",
            err=True,
        )
