"""The WSGI entry point: ``granian --interface wsgi wsgi:app``, ``flask --app wsgi …``."""

from __future__ import annotations

import gc

# Of what is loaded nothing is garbage; looking for some time and again takes a quarter of a start.
gc.disable()

import os
import sys

from portal import logs
from portal.config import Settings
from portal.errors import InvalidSettings, Refusal
from portal.extensions import KEY
from portal.factory import create_app
from portal.start import is_command, refuse_unfit

logs.configure()
try:
    app = create_app(Settings.from_environment(os.environ))
    if not is_command():
        refuse_unfit(app.extensions[KEY])
except InvalidSettings as mistakes:
    # All at once and without a traceback: whoever deploys this reads a list, not a stack.
    sys.exit("\n".join(f"error: {p.where}: {p.message}" for p in mistakes.problems))
except Refusal as refusal:
    sys.exit(f"error: {refusal.message}\nhint: {refusal.hint}")
# What stands by now stays to the end: no later look goes through it.
gc.freeze()
gc.enable()
