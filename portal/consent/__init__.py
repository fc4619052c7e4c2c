"""Who sees what of a record beyond the public answer: by the family's consent, or by a duty of law."""
