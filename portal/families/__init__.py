"""Pages of families, and of the school's office that says who belongs to whom."""
