"""``flask --app wsgi registry …``: keep the answers of the registry standing."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import click

from portal.commands.console import Room, refusals
from portal.errors import Refusal
from portal.extensions import resources, transaction
from portal.lookup import service as lookup
from portal.registry import service
from portal.trust.service import load_store

#: A standing that lapses sooner is renewed on the way: the next CRL may only be here tomorrow.
REFRESH: Final = timedelta(hours=24)

registry = Room("registry", help="Sổ đăng ký học bạ đã cấp.")


@registry.command("revalidate")
@click.option(
    "--within",
    type=click.IntRange(0, 24 * 366),
    default=REFRESH // timedelta(hours=1),
    show_default=True,
    help="Giờ.",
)
def revalidate(within: int) -> None:
    """Kiểm tra lại các tệp mất kết quả, và các tệp có kết quả hết hạn trong số giờ tới. Chạy lại được."""
    with refusals():
        revalidate_all(due=resources().clock.now() + timedelta(hours=within))


@registry.command("log-tag")
@click.argument("record_id")
def log_tag(record_id: str) -> None:
    """In tên mà nhật ký dùng cho một mã tra cứu."""
    click.echo(lookup.log_tag(resources().vault, record_id.replace("-", "").replace(" ", "").upper()))


def revalidate_all(*, due: datetime) -> None:
    """Validate anew, one transaction a batch, until nothing is left that could be finished; says what was
    found. Raises Refusal ``files_unreadable`` when all others are done.
    """
    portal = resources()
    now = portal.clock.now()
    total = service.Revalidated(0, 0, 0, more=True)
    while total.more:
        with transaction() as session:
            done = service.revalidate(
                session, portal.vault, portal.files, load_store(session), now=now, due=due
            )
        total = service.Revalidated(
            total.passed + done.passed,
            total.failed + done.failed,
            total.incomplete + done.incomplete,
            done.more,
            total.unreadable + done.unreadable,
            tuple(sorted({*total.why, *done.why})),
        )
    if total.files:
        why = f" ({', '.join(total.why)})" if total.why else ""
        click.echo(
            f"Đã kiểm tra lại {total.files} tệp: {total.passed} đạt, {total.failed} không đạt, "
            f"{total.incomplete} chưa kiểm tra được{why}."
        )
    if total.unreadable:
        raise Refusal(
            "files_unreadable",
            f"{len(total.unreadable)} tệp trong kho bị mất hoặc bị hỏng: {', '.join(total.unreadable)}.",
            "Khôi phục các tệp đó từ bản sao lưu, rồi chạy: flask --app wsgi registry revalidate",
        )
