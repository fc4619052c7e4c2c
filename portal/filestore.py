"""Where stored files and tombstones live: a local folder by default, any object store by URL (obstore).

A file's name is the SHA-256 of its bytes (we store ciphertext), so a name can never mean two contents:
writing is create-only, and every read compares the hash again. ETags are not hashes and are not relied on. A
tombstone is named by what it stands for and lives in a store of its own, which no restored backup takes back.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, ClassVar, Final
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, from_url

from portal.errors import InvalidSettings, PortalError
from portal.tombstone import Tombstone
from verifier.errors import Problem

if TYPE_CHECKING:
    from obstore.store import ClientConfig

_NAME = re.compile(r"[0-9a-f]{64}")
_STONE = re.compile(r"(?P<kind>[a-z_]{1,40})/(?P<name>[A-Za-z0-9-]{1,64})\.json")
_INCOMING: Final = "incoming/"


class CorruptFile(PortalError):  # noqa: N818 - the state of a file, as in FileNotFoundError's family
    """Stored bytes are not the ones their name promises."""


def name_of(data: bytes) -> str:
    """The name under which ``data`` is stored: 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


class _Store:
    """Objects by path, in a folder or an object store.

    :meth:`create` returns only when the object would survive a power cut: object stores promise that
    themselves; the local store writes without fsync (obstore 0.12), so the bytes are synced under a temporary
    name before the real name exists, then the folders are synced.

    An object store has ``timeout`` for each answer and twice as long for all tries together; then every
    method raises obstore's ``BaseError``. Raises InvalidSettings, which names ``setting``, when ``url`` names
    nothing that can be opened.
    """

    setting: ClassVar[str]

    def __init__(
        self,
        url: str,
        *,
        connect_timeout: timedelta = timedelta(seconds=5),
        timeout: timedelta = timedelta(seconds=20),
    ) -> None:
        parts = urlsplit(url)
        self._folder: Path | None = None
        try:
            if parts.scheme == "file":
                self._folder = Path(unquote(parts.path))
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._store: obstore.store.ObjectStore = LocalStore(self._folder)
            else:
                # A silent store must not keep whoever asks: the defaults wait for minutes.
                self._store = from_url(
                    url,
                    client_options={"connect_timeout": connect_timeout, "timeout": timeout}
                    | _client_variables(parts.scheme),
                    retry_config={"max_retries": 3, "retry_timeout": timeout * 2},
                )
        except (OSError, ValueError, BaseError) as error:
            # Only the kind and the name are repeated: a URL may hold credentials.
            what = f"{type(error).__name__}: {self._folder or parts.hostname or parts.scheme}"
            message = f"không mở được kho tệp ({what}); kiểm tra địa chỉ và quyền ghi."
            raise InvalidSettings((Problem(self.setting, "unusable", message),)) from error

    def create(self, path: str, data: bytes) -> None:
        """Raises FileExistsError when ``path`` is there already."""
        try:
            if self._folder is None:
                obstore.put(self._store, path, data, mode="create")
            else:
                self._create_durable(self._folder, path, data)
        except AlreadyExistsError:
            raise FileExistsError(path) from None

    def read(self, path: str) -> bytes:
        """Raises FileNotFoundError."""
        return bytes(obstore.get(self._store, path).bytes())

    def _create_durable(self, folder: Path, path: str, data: bytes) -> None:
        # 1 The bytes under a name that nothing looks for, on the disk.
        temporary = f"{_INCOMING}{PurePosixPath(path).name}.{secrets.token_hex(8)}"
        for inside in (temporary, path):  # as private as the store's own folder, whatever the umask
            (folder / inside).parent.mkdir(mode=0o700, exist_ok=True)
        obstore.put(self._store, temporary, data, mode="create")
        (folder / temporary).chmod(0o600)
        taken: AlreadyExistsError | None = None
        try:
            _sync(folder / temporary)
            # 2 The real name, only if it is free (a hard link: one step, no window).
            try:
                obstore.copy(self._store, temporary, path, overwrite=False)
            except AlreadyExistsError as error:
                taken = error
        finally:
            obstore.delete(self._store, temporary)
        # 3 The names, also when another process made them just now: the file's folder and the one above it.
        _sync((folder / path).parent)
        _sync(folder)
        if taken is not None:
            raise taken


class ObjectFiles(_Store):
    """A :class:`portal.ports.FileStore` over obstore."""

    setting = "FILE_STORE_URL"

    def put_new(self, name: str, data: bytes) -> None:
        """Store ``data``. Raises FileExistsError when it is there already, ValueError when ``name`` is not
        its hash.
        """
        if name != name_of(data):
            raise ValueError("an object is named by the SHA-256 of its bytes")
        self.create(_path(name), data)

    def get(self, name: str) -> bytes:
        """The bytes named ``name``. Raises FileNotFoundError, CorruptFile."""
        data = self.read(_path(name))
        if name_of(data) != name:
            raise CorruptFile(f"stored file {name} does not have that hash")
        return data

    def exists(self, name: str) -> bool:
        try:
            obstore.head(self._store, _path(name))
        except FileNotFoundError:
            return False
        return True

    def delete(self, name: str) -> None:
        """Erase what is named ``name``, if it is there; on a local disk the name is gone for good when this
        returns.
        """
        with suppress(FileNotFoundError):
            obstore.delete(self._store, _path(name))
            if self._folder is not None:
                _sync((self._folder / _path(name)).parent)


class ObjectTombstones(_Store):
    """:class:`portal.ports.Tombstones` over obstore: ``<kind>/<name>.json``, never changed, never deleted."""

    setting = "TOMBSTONES_URL"

    def put_new(self, stone: Tombstone) -> None:
        self.create(_stone_path(stone.kind, stone.name), stone.to_json())

    def get(self, kind: str, name: str) -> Tombstone:
        try:
            return Tombstone.from_json(self.read(_stone_path(kind, name)))
        except ValueError as error:
            raise CorruptFile(f"tombstone {kind}/{name} cannot be read") from error

    def names(self) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for batch in obstore.list(self._store):
            for entry in batch:
                path = str(entry["path"])
                if path.startswith(_INCOMING):  # of a process that ended before its name existed
                    continue
                matched = _STONE.fullmatch(path)
                if matched is None:
                    raise CorruptFile(f"{path} is not the name of a tombstone")
                found.setdefault(matched["kind"], []).append(matched["name"])
        return {kind: tuple(sorted(names)) for kind, names in sorted(found.items())}


def _client_variables(scheme: str) -> ClientConfig:
    """The provider's own variables for its client, such as AWS_ALLOW_HTTP: obstore reads none of them once it
    is given options.
    """
    prefix = {"gs": "GOOGLE", "az": "AZURE"}.get(scheme, "AWS")
    found: ClientConfig = {}
    if os.environ.get(f"{prefix}_ALLOW_HTTP", "").lower() in ("1", "true"):
        found["allow_http"] = True
    if proxy := os.environ.get(f"{prefix}_PROXY_URL"):
        found["proxy_url"] = proxy
    return found


def _stone_path(kind: str, name: str) -> str:
    path = f"{kind}/{name}.json"
    if not _STONE.fullmatch(path):
        raise ValueError("not the name of a tombstone")
    return path


def _path(name: str) -> str:
    """Spread over 256 folders; a folder of a million names is slow on many file systems."""
    if not _NAME.fullmatch(name):
        raise ValueError("not the name of a stored file")
    return f"{name[:2]}/{name}"


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
