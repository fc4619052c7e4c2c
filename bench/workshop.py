"""What every measurement works on: one throw-away installation with a primary and a secondary class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

from sqlalchemy.orm import Session

from portal.config import Settings
from portal.database import make_engine
from portal.demo.authority import Authority
from portal.filestore import ObjectFiles
from portal.issuing.keys import load_keys
from portal.issuing.rendering import Renderer
from portal.migrations import upgrade
from portal.vault import Vault
from tests.conftest import FrozenClock
from tests.portal.issuing.world import NOW, School, World, class_plan, enter_trust, key_list, open_school


@dataclass(frozen=True)
class Workshop:
    """An installation and its two kinds of record: 3 signatures, and 10 or more."""

    world: World
    settings: Settings
    primary: School
    secondary: School


def open_workshop(folder: Path) -> Workshop:
    """Everything fresh in ``folder``: database, keys (RSA-2048, as Vietnamese authorities issue), schools."""
    settings = Settings.from_environment({"INSTANCE_DIR": str(folder / "instance")})
    engine = make_engine(settings.database_url)
    upgrade(engine)
    authority = Authority.create(folder / "authority", NOW)
    primary, secondary = (open_school(authority, class_plan(level)) for level in ("TIEU_HOC", "THCS"))
    ring = load_keys(key_list(folder / "keys.json", (*primary.credentials, *secondary.credentials)))
    with Session(engine) as session, session.begin():
        enter_trust(session, authority, (primary, secondary), NOW)
    world = World(
        engine,
        Vault(settings.key_encryption_keys, settings.index_key),
        ObjectFiles(settings.file_store_url),
        authority,
        (primary, secondary),
        ring,
        FrozenClock(NOW),
        Renderer(),
    )
    return Workshop(world, settings, primary, secondary)


def cpu(step: Callable[[], object]) -> float:
    """CPU milliseconds of one call, all threads of this process."""
    began = process_time()
    step()
    return (process_time() - began) * 1000


def wall(step: Callable[[], object]) -> float:
    """Milliseconds of one call by the clock on the wall, for work that other processes do."""
    began = perf_counter()
    step()
    return (perf_counter() - began) * 1000


def fastest(steps: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Shortest wall time of each name; they take turns. What others do on the machine only ever adds."""
    figures: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            figures[name].append(wall(step))
    return {name: min(values) for name, values in figures.items()}


def interleaved(steps: dict[str, list[Callable[[], object]]]) -> dict[str, float]:
    """Median CPU milliseconds of each name; they take turns, so that a drifting machine drifts for all."""
    figures: dict[str, list[float]] = {name: [] for name in steps}
    for turn in zip(*steps.values(), strict=True):
        for name, step in zip(steps, turn, strict=True):
            figures[name].append(cpu(step))
    return {name: median(values) for name, values in figures.items()}
