"""Stored files: named by their hash, written once, whole on the disk before their name exists."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import obstore
import pytest

from portal.filestore import CorruptFile, ObjectFiles, name_of

DATA = os.urandom(50_000)


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectFiles:
    folder = tmp_path / "học bạ" / "files"  # created; spaces and marks in the path are ordinary
    return ObjectFiles(folder.as_uri() if request.param == "file" else "memory:///")


def test_round_trip(store: ObjectFiles) -> None:
    name = name_of(DATA)
    assert not store.exists(name)
    with pytest.raises(FileNotFoundError):
        store.get(name)
    store.put_new(name, DATA)
    assert store.exists(name)
    assert store.get(name) == DATA


def test_a_name_is_given_once(store: ObjectFiles) -> None:
    store.put_new(name_of(DATA), DATA)
    with pytest.raises(FileExistsError):
        store.put_new(name_of(DATA), DATA)
    assert store.get(name_of(DATA)) == DATA


def test_a_name_is_the_hash_of_the_bytes(store: ObjectFiles) -> None:
    with pytest.raises(ValueError, match="SHA-256"):
        store.put_new(name_of(b"other"), DATA)
    assert not store.exists(name_of(b"other"))
    for name in ("", "../secret", "A" * 64, "0" * 63):
        with pytest.raises(ValueError, match="name"):
            store.get(name)


def test_damage_is_found_on_reading(tmp_path: Path) -> None:
    store = ObjectFiles(tmp_path.as_uri())
    name = name_of(DATA)
    store.put_new(name, DATA)
    path = tmp_path / name[:2] / name
    path.write_bytes(DATA[:-1] + bytes([DATA[-1] ^ 1]))
    with pytest.raises(CorruptFile, match=name):
        store.get(name)
    path.write_bytes(DATA[:-1])
    with pytest.raises(CorruptFile):
        store.get(name)


def test_of_many_writers_one_is_first(tmp_path: Path) -> None:
    store = ObjectFiles(tmp_path.as_uri())

    def put(_: int) -> bool:
        try:
            store.put_new(name_of(DATA), DATA)
        except FileExistsError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(put, range(24))) == 1
    assert store.get(name_of(DATA)) == DATA
    assert list((tmp_path / "incoming").iterdir()) == []


def test_the_bytes_are_on_the_disk_before_their_name_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ObjectFiles(tmp_path.as_uri())
    name = name_of(DATA)
    steps: list[str] = []
    real_fsync, real_copy = os.fsync, obstore.copy

    def fsync(descriptor: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        if path.is_file():
            assert path.read_bytes() == DATA
        steps.append(f"sync {path.parent.name if path.is_file() else path.name}")
        real_fsync(descriptor)

    def copy(*arguments: object, **options: object) -> None:
        assert not store.exists(name)
        steps.append("name")
        real_copy(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(obstore, "copy", copy)
    store.put_new(name, DATA)
    assert steps == ["sync incoming", "name", f"sync {name[:2]}", f"sync {tmp_path.name}"]


def test_a_failed_disk_leaves_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ObjectFiles(tmp_path.as_uri())

    def broken(descriptor: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="no space"):
        store.put_new(name_of(DATA), DATA)
    assert not store.exists(name_of(DATA))
