"""The portal under test, with a few issued records."""

from tests.portal.web.world import issued_stock, world

__all__ = ["issued_stock", "world"]
