"""Results of checks: kept for a while under a number that nobody can guess, shown again, printed."""
