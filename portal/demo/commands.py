"""``flask --app wsgi demo create``: a demo instance to click through; quick and harmless when repeated."""

from __future__ import annotations

import sys

import click
from flask.cli import AppGroup

from portal.demo.service import DemoFault, Workshop
from portal.demo.service import create as create_demo
from portal.errors import Refusal
from portal.extensions import resources, transaction
from portal.issuing.lock import exclusive
from portal.migrations import upgrade

demo = AppGroup("demo", help="Dữ liệu mẫu: cơ quan chứng thực, trường, học sinh, học bạ, mẫu thử.")


@demo.command("create")
def create() -> None:
    """Tạo dữ liệu mẫu trong thư mục INSTANCE_DIR/demo; chạy lại thì chỉ làm mới danh sách thu hồi (CRL)."""
    portal = resources()
    if portal.settings.production:
        _refuse("Không tạo dữ liệu mẫu khi ENVIRONMENT=production.", "Dùng một INSTANCE_DIR riêng để thử.")
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
    try:
        with exclusive(portal.engine, portal.settings.instance_dir):
            made = create_demo(shop, portal.clock.now())
    except Refusal as refusal:
        _refuse(refusal.message, refusal.hint)
    except DemoFault as fault:
        _refuse(f"Dữ liệu mẫu không được nhận:\n{fault}", "")
    click.echo(
        f"Dữ liệu mẫu {'đã tạo' if made.created else 'đã làm mới'}: {made.records} học bạ đã cấp, "
        f"{made.pupils} học sinh, {made.samples} mẫu thử trong {shop.directory}."
    )


def _refuse(message: str, hint: str) -> None:
    click.echo(f"error: {message}", err=True)
    if hint:
        click.echo(f"hint: {hint}", err=True)
    sys.exit(1)
