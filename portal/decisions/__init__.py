"""Decisions that take two persons (SEC-24)."""
