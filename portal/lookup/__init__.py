"""Answers to a code: scanned, typed, or compared with the paper."""
