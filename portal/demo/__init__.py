"""Invented data that shows the whole way: authority, schools, pupils, issued records, samples to check."""
