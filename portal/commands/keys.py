"""``flask --app wsgi keys …``: the key-encryption keys, what is under each, and the change to a new one."""

from __future__ import annotations

import click

from portal import rotation
from portal.audit.service import Action
from portal.commands.console import Room, actor
from portal.commands.trail import told
from portal.errors import Refusal
from portal.extensions import reading, resources, transaction
from portal.rotation import Held

keys = Room("keys", help="Khóa mã hóa khóa (KEY_ENCRYPTION_KEYS) và những gì được bọc bằng từng khóa.")


@keys.command("status")
def status() -> None:
    """Nói mỗi khóa còn bọc bao nhiêu khóa dữ liệu, và khóa nào bỏ được khỏi KEY_ENCRYPTION_KEYS."""
    with reading() as session:
        _say(rotation.held(session))


@keys.command("rotate")
def rotate() -> None:
    """Bọc lại mọi khóa dữ liệu bằng khóa đứng đầu KEY_ENCRYPTION_KEYS. Dừng lúc nào cũng được rồi chạy lại.

    Cổng vẫn phục vụ và cấp học bạ trong lúc đó, miễn là mọi tiến trình đã có cả khóa cũ lẫn khóa mới. Tệp
    trong kho được mã hóa bằng khóa dữ liệu của học bạ nên không phải ghi lại.
    """
    portal = resources()
    steps = rotation.rotate(transaction, reading, portal.vault, actor=actor(), clock=portal.clock)
    click.echo(f"Đã bọc lại {sum(steps)} khóa dữ liệu bằng khóa “{portal.vault.key_ids[0]}”.")
    with reading() as session:
        found = rotation.held(session)
    _say(found)
    with told(Action.KEY_ROTATION):
        _refuse_unknown(found)


def _refuse_unknown(found: tuple[Held, ...]) -> None:
    unknown = sorted({each.key_id for each in found} - set(resources().vault.key_ids))
    if unknown:
        raise Refusal(
            "key_missing",
            f"Còn khóa dữ liệu nằm dưới khóa không có trong KEY_ENCRYPTION_KEYS: {', '.join(unknown)}.",
            "Thêm khóa đó vào cuối danh sách rồi chạy lại; khóa đã mất thì xem docs/keys.md.",
        )


def _say(found: tuple[Held, ...]) -> None:
    """One line a key, the first one of the settings first; then those that the settings do not have."""
    ours = resources().vault.key_ids
    for key_id in (*ours, *sorted({each.key_id for each in found} - set(ours))):
        mine = [each for each in found if each.key_id == key_id]
        parts = ", ".join(f"{each.table} {each.count}" for each in mine)
        note = "đang dùng để bọc" if key_id == ours[0] else "bỏ được" if not mine else "còn dùng để mở"
        if key_id not in ours:
            note = "KHÔNG CÓ trong KEY_ENCRYPTION_KEYS"
        click.echo(f"{key_id}: {sum(each.count for each in mine)} khóa dữ liệu ({parts or '–'}); {note}")
