"""Lojban sentences with their English: the muplis file to pairs (pure), and these to their table."""
