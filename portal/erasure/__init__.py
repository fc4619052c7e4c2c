"""Erasing for good: tombstones outside the database, and replaying them after a restore (SEC-41)."""
