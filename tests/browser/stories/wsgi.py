"""The portal as the project's own ``wsgi.py`` makes it, at the time of a story.

``STORY_CLOCK`` names a file with the seconds to be added to the computer's time, read anew each time: server,
worker and commands of one story live in the same day, and the story may turn the page.
"""

from __future__ import annotations

import gc
import os

VARIABLE = "STORY_CLOCK"
if VARIABLE in os.environ:
    gc.disable()

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from portal import logs
from portal.config import Settings
from portal.factory import create_app


@dataclass(frozen=True, slots=True)
class StoryClock:
    """A :class:`portal.ports.Clock` that goes on from where the story is."""

    file: Path

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=float(self.file.read_text()))

    def turn_to(self, moment: datetime) -> None:
        """From now on it is ``moment`` and later."""
        draft = self.file.with_suffix(".draft")
        draft.write_text(str((moment - datetime.now(UTC)).total_seconds()))
        draft.replace(self.file)


if VARIABLE in os.environ:
    logs.configure()
    app = create_app(Settings.from_environment(os.environ), clock=StoryClock(Path(os.environ[VARIABLE])))
    gc.freeze()
    gc.enable()
