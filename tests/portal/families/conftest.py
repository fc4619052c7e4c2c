"""The portal of the accounts' tests: with records and people."""

from tests.portal.accounts.conftest import issued_stock, people, peopled, world

__all__ = ["issued_stock", "people", "peopled", "world"]
