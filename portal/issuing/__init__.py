"""From class results to registered, signed records: write-ahead, resumable, never twice."""
