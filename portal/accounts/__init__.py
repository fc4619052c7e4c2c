"""People and organisations: who they are, how they prove it, what they may do."""
