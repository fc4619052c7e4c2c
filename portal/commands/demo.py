"""``flask --app wsgi demo create``: a demo instance to click through; quick and harmless when repeated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from portal.accounts import demonstration
from portal.accounts.forms import ROLE_NAMES
from portal.commands.console import Room, refusals
from portal.commands.work import deliver
from portal.demo.service import Workshop
from portal.demo.service import create as create_demo
from portal.errors import Refusal
from portal.extensions import resources, transaction
from portal.issuing.lock import exclusive
from portal.migrations import upgrade
from portal.permissions import Role
from portal.ports import Channel

demo = Room("demo", help="Dữ liệu mẫu: cơ quan chứng thực, trường, học sinh, học bạ, mẫu thử.")


@demo.command("create")
def create() -> None:
    """Tạo dữ liệu mẫu trong thư mục INSTANCE_DIR/demo; chạy lại thì chỉ làm mới danh sách thu hồi (CRL)."""
    with refusals():
        portal = resources()
        if portal.settings.production:
            raise Refusal(
                "demo_in_production",
                "Không tạo dữ liệu mẫu khi ENVIRONMENT=production.",
                "Dùng một INSTANCE_DIR riêng để thử.",
            )
        upgrade(portal.engine)
        shop = Workshop(
            instance_dir=portal.settings.instance_dir,
            begin=transaction,
            vault=portal.vault,
            files=portal.files,
            public_url=portal.settings.public_url,
            public_url_former=portal.settings.public_url_former,
            system_name=portal.settings.system_name,
            owner=portal.settings.owner_name,
            say=click.echo,
        )
        with exclusive(portal.engine, portal.settings.instance_dir):
            made = create_demo(shop, portal.clock.now())
        # Now, not by the worker: its log would push away what people read below.
        for channel in Channel:
            send = deliver(channel)
            while send(portal, portal.clock.now()):
                pass
        click.echo(
            f"Dữ liệu mẫu {'đã tạo' if made.created else 'đã làm mới'}: {made.records} học bạ đã cấp, "
            f"{made.pupils} học sinh, {made.samples} mẫu thử trong {shop.directory}."
        )
        _say_accounts(portal.settings.public_url, shop.directory)
        _say_families(portal.settings.public_url, shop.directory)


def _say_accounts(address: str, directory: Path) -> None:
    """Who can sign in: a table."""
    listed = demonstration.read(directory)
    click.echo(f"\nTài khoản mẫu (khoá mẫu, mật khẩu và mã 6 số: {address}/demo-accounts):")
    rows = [
        (
            " + ".join(ROLE_NAMES[Role(role)] for role in each.roles),
            each.email,
            "khoá mẫu, hoặc mật khẩu + mã" if each.password else "khoá mẫu",
            each.organisation,
        )
        for each in listed
    ]
    _say_table(rows)


def _say_families(address: str, directory: Path) -> None:
    """Who signs in by a code, and what lies on paper."""
    families = demonstration.read_families(directory)
    click.echo(f"\nGia đình mẫu (mã đăng nhập 6 số nằm trong hộp thư thử: {address}/hop-thu-demo):")
    _say_table([(each.contact, each.name, each.who, each.note) for each in families.people])
    click.echo("\nGiấy kích hoạt chưa dùng (mã, ngày sinh của học sinh):")
    _say_table([(each.code, each.birth, each.note) for each in families.slips])
    click.echo("\nMã chia sẻ (mã, ngày sinh của học sinh):")
    _say_table([(each.code, each.birth, each.note) for each in families.shared])


def _say_table(rows: Sequence[Sequence[str]]) -> None:
    """Rows in columns, the last one as long as it is."""
    columns = len(rows[0]) - 1 if rows else 0
    widths = [max(len(row[column]) for row in rows) for column in range(columns)]
    for row in rows:
        cells = [text.ljust(width) for text, width in zip(row, widths, strict=False)]
        click.echo("  " + "  ".join([*cells, row[-1]]))
