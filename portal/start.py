"""May this process serve? Asked once, by the entry point, before the first request; commands do not ask.

A portal that has lost a key would answer "could not be checked" for years; one whose database is an older
backup would show what was erased. Neither starts.
"""

from __future__ import annotations

import os
import sys
from typing import Final

from obstore.exceptions import BaseError as StoreError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from portal.database import UNAVAILABLE, confirm_keys
from portal.erasers import ERASERS
from portal.erasure.service import refuse_erased_alive
from portal.errors import Refusal
from portal.extensions import Resources
from portal.filestore import CorruptFile
from portal.rotation import refuse_missing_keys

#: What Flask's command line sets; its command "run" serves all the same.
_COMMAND: Final = "FLASK_RUN_FROM_CLI"


def is_command() -> bool:
    """Whether this process was started for a command of ours."""
    return os.environ.get(_COMMAND) == "true" and "run" not in sys.argv[1:]


def refuse_unfit(bundle: Resources) -> None:
    """Compare the keys with the database's, and the tombstones with what is in it. Raises Refusal:
    ``wrong_keys``, ``key_missing``, ``erased_alive``, ``unknown_kind``, in production ``unbound_role``;
    ``not_known`` where database or
    tombstones cannot be read: whoever cannot know must not serve.
    """
    try:
        with Session(bundle.engine) as session, session.begin():
            confirm_keys(session, bundle.vault.check_values())
            refuse_missing_keys(session, bundle.vault)
            refuse_erased_alive(session, ERASERS, bundle.tombstones)
            if bundle.settings.production:
                refuse_unbound_role(session)
    except UNAVAILABLE as error:
        cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
        raise Refusal(
            "not_known",
            f"Chưa đọc được cơ sở dữ liệu ({type(cause).__name__}) nên chưa biết có được phục vụ không.",
            "Kiểm tra DATABASE_URL; bảng còn thiếu thì chạy flask --app wsgi database upgrade.",
        ) from error
    except (StoreError, OSError, CorruptFile) as error:
        raise Refusal(
            "not_known",
            f"Chưa đọc được TOMBSTONES_URL ({type(error).__name__}) nên chưa biết có được phục vụ không.",
            "Kiểm tra TOMBSTONES_URL, quyền đọc và kết nối.",
        ) from error


def refuse_unbound_role(session: Session) -> None:
    """The role that serves must be one that the rules of the tables bind and that cannot lift them (SEC-18):
    no superuser, no BYPASSRLS, not the owner. Raises Refusal ``unbound_role``.
    """
    if session.get_bind().dialect.name != "postgresql":
        return
    free = session.execute(
        text(
            "SELECT rolsuper OR rolbypassrls OR EXISTS ("
            " SELECT 1 FROM pg_class WHERE relname = 'records' AND pg_has_role(relowner, 'MEMBER'))"
            " FROM pg_roles WHERE rolname = current_user"
        )
    ).scalar_one()
    if free:
        raise Refusal(
            "unbound_role",
            "Tài khoản PostgreSQL của DATABASE_URL là superuser, có BYPASSRLS, hoặc là chủ các bảng.",
            "Dùng một tài khoản thường; đặt tài khoản chủ ở DATABASE_OWNER_URL rồi chạy flask --app wsgi "
            "database upgrade.",
        )
