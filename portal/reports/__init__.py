"""The technical report of a kept result: one content, as JSON for programs and as PDF for paper."""
