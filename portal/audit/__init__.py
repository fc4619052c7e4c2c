"""The append-only trail of what was done, by whom, on what."""
