"""One issuing command at a time in one installation.

The steps of issuing are safe without it; it spares two commands the work that one of them would lose. It ends
with the process that holds it, however that ends.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import Engine, text

from portal.errors import Refusal

_NUMBER: Final = 0x686F636261  # of the advisory lock in PostgreSQL: "hocba"


@contextmanager
def exclusive(engine: Engine, folder: Path) -> Iterator[None]:
    """Hold the lock. Raises Refusal ``issuing_in_progress`` at once when another process has it, and
    ``not_written`` where the lock file cannot be.
    """
    if engine.dialect.name == "postgresql":
        # Bound to this connection, not to a transaction: nothing stays open while records are issued.
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            if not connection.scalar(text("SELECT pg_try_advisory_lock(:n)"), {"n": _NUMBER}):
                raise _busy()
            try:
                yield
            finally:
                connection.execute(text("SELECT pg_advisory_unlock(:n)"), {"n": _NUMBER})
        return
    path = folder / "issuing.lock"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        opened = path.open("a")
    except OSError as error:
        raise Refusal(
            "not_written",
            f"Không ghi được {path}: {error.strerror}.",
            "Kiểm tra INSTANCE_DIR, quyền ghi của thư mục đó và chỗ trống trên đĩa.",
        ) from error
    with opened as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _busy() from None
        yield


def _busy() -> Refusal:
    return Refusal(
        "issuing_in_progress",
        "Một lệnh cấp học bạ khác đang chạy.",
        "Đợi lệnh đó xong rồi chạy lại: những học bạ đã cấp sẽ không bị cấp lần hai.",
    )
