"""``flask --app wsgi database …``: bring the tables to the newest schema."""

from __future__ import annotations

import click

from portal import migrations
from portal.commands.console import Room
from portal.extensions import confirm, resources

database = Room("database", help="Cơ sở dữ liệu.")


@database.command("upgrade")
def upgrade() -> None:
    """Tạo hoặc nâng cấp các bảng. Chạy lại được; chạy trước mỗi lần khởi động phiên bản mới."""
    migrations.upgrade(resources().engine)
    confirm()
    click.echo("Cơ sở dữ liệu đã ở phiên bản mới nhất.")
