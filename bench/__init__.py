"""Speed as ratios within one run: `make bench`. Never seconds: machines differ and drift."""
