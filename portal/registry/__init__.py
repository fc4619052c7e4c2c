"""The registry of issued records: what was issued, in which version, with which bytes."""
