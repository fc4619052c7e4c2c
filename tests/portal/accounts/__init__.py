"""Tests of accounts: signing in, sessions, roles."""
