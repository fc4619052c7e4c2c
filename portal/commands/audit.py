"""``flask --app wsgi audit …``: the trail as a copy, its head as a checkpoint, the table walked through."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from tempfile import NamedTemporaryFile
from urllib.parse import urlsplit

import click
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from portal.audit import service
from portal.commands.console import Room, actor
from portal.errors import PortalError, Refusal
from portal.extensions import reading, resources, transaction
from verifier.audit import sign_checkpoint, verifier_key

_FILE = click.Path(dir_okay=False, path_type=Path)

audit = Room("audit", help="Nhật ký kiểm toán: ai làm gì, khi nào; chỉ ghi thêm, không sửa xóa được.")


@audit.command("export")
@click.option("--out", type=_FILE, required=True, help="Tệp nhận bản xuất (JSON Lines); không ghi đè.")
@click.option("--from", "first", type=click.IntRange(1), default=1, show_default=True, help="Từ mục số mấy.")
def export(out: Path, first: int) -> None:
    """Ghi bản xuất của nhật ký, để người khác kiểm tra bằng python -m verifier audit."""
    with reading() as session:
        number, _ = service.head(session)
        if first > number:
            raise Refusal("no_such_entry", f"Nhật ký mới có {number} mục.")
        try:
            count = _write_new(out, service.lines(session, first=first))
        except PortalError as damaged:
            if isinstance(damaged, Refusal):
                raise
            raise Refusal(
                "damaged",
                f"Nhật ký trong cơ sở dữ liệu đã bị hỏng hoặc bị sửa: {damaged}.",
                "Xem mục sai đầu tiên: flask --app wsgi audit check",
            ) from damaged
    click.echo(f"Đã ghi {out}: {count} mục, từ mục {first} đến mục {first + count - 1}.")


@audit.command("checkpoint")
@click.option("--out", type=_FILE, required=True, help="Tệp nhận điểm kiểm; không ghi đè.")
def checkpoint(out: Path) -> None:
    """Ghi điểm kiểm: số thứ tự và mã băm của mục cuối. Gửi ngay cho người không giữ cơ sở dữ liệu này.

    Đặt AUDIT_KEY (khóa riêng Ed25519, PEM) để điểm kiểm được ký.
    """
    portal = resources()
    key = _key(portal.settings.audit_key)
    origin = f"{urlsplit(portal.settings.public_url).netloc}/audit"
    with transaction() as session:
        taken = service.checkpoint(session, origin, actor=actor(), now=portal.clock.now())
        if taken is None:
            raise Refusal("empty", "Nhật ký chưa có mục nào.")
        note = taken.note if key is None else sign_checkpoint(taken, key).note
        _write_new(out, [note.encode()])  # in the transaction: handed out and told, or neither
    click.echo(f"Đã ghi {out}: mục {taken.number}, {taken.digest.hex()}.")
    if key is None:
        click.echo("hint: Điểm kiểm chưa được ký; đặt AUDIT_KEY, xem docs/audit.md.", err=True)
    else:
        click.echo(f"Khóa công khai: {verifier_key(origin, key.public_key().public_bytes_raw())}")


@audit.command("check")
def check() -> None:
    """Đi hết bảng nhật ký: mỗi mục nối đúng vào mục trước, mục cuối đúng là đầu chuỗi.

    Lệnh này không thấy được việc viết lại cả chuỗi; việc đó cần điểm kiểm giữ ở nơi khác.
    """
    with reading() as session:
        found = service.check(session)
    if found.fault is not None:
        raise Refusal(
            found.fault.code,
            f"Mục {found.fault.number}: {found.fault.message}",
            "Giữ nguyên cơ sở dữ liệu làm bằng chứng; so bản xuất và điểm kiểm trước đó, xem docs/audit.md.",
        )
    click.echo(f"Nhật ký có {found.last} mục, nối tiếp đúng. Mã băm mục cuối: {found.digest.hex()}.")


def _key(path: Path | None) -> Ed25519PrivateKey | None:
    """The key of AUDIT_KEY. Raises Refusal."""
    if path is None:
        return None
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise Refusal("no_audit_key", f"Không đọc được AUDIT_KEY {path}: {error.strerror}.") from error
    except (ValueError, TypeError):  # TypeError: it wants a passphrase
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise Refusal(
            "no_audit_key",
            f"AUDIT_KEY {path} không phải khóa riêng Ed25519 dạng PEM không mật khẩu.",
            "Tạo bằng: openssl genpkey -algorithm ed25519 -out audit.pem",
        )
    return key


def _write_new(path: Path, parts: Iterable[bytes]) -> int:
    """The parts into a file that is not there yet, whole or not at all; how many. Raises Refusal."""
    count = 0
    try:
        with NamedTemporaryFile(dir=path.absolute().parent, prefix=".", suffix=".draft") as draft:  # 0600
            for count, part in enumerate(parts, 1):  # noqa: B007 - the number of the last is the answer
                draft.write(part)
            draft.flush()
            os.fsync(draft.fileno())
            os.link(draft.name, path)
    except FileExistsError:
        raise Refusal("file_exists", f"{path} đã có; không ghi đè.", "Hãy chọn tên khác.") from None
    except OSError as error:
        raise Refusal("not_written", f"Không ghi được {path}: {error.strerror or error}.") from error
    return count
