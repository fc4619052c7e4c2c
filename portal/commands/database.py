"""``flask --app wsgi database …``: bring the tables to the newest schema."""

from __future__ import annotations

import uuid

import click
from sqlalchemy import make_url

from portal import migrations
from portal.commands.console import Room
from portal.database import make_engine
from portal.extensions import confirm, resources, transaction
from portal.registry import learners

database = Room("database", help="Cơ sở dữ liệu.")


@database.command("upgrade")
def upgrade() -> None:
    """Tạo hoặc nâng cấp các bảng. Chạy lại được; chạy trước mỗi lần khởi động phiên bản mới.

    Với DATABASE_OWNER_URL: tạo bảng bằng tài khoản chủ, rồi cấp quyền cho tài khoản của DATABASE_URL.
    """
    bundle = resources()
    owner_url = bundle.settings.database_owner_url
    if owner_url is None:
        migrations.upgrade(bundle.engine)
    else:
        owner = make_engine(owner_url)
        try:
            migrations.upgrade(owner)
            migrations.grant(owner, make_url(bundle.settings.database_url).username or "")
        finally:
            owner.dispose()
    confirm()
    fill_learners()
    click.echo("Cơ sở dữ liệu đã ở phiên bản mới nhất.")


def fill_learners() -> None:
    """Records of before get the index that joins a pupil's years, one transaction a batch; those without a
    personal number stay without. What a kill leaves, the next run does.
    """
    vault = resources().vault
    after: uuid.UUID | None = None
    while True:
        with transaction() as session:
            after = learners.fill(session, vault, after=after)
        if after is None:
            return
