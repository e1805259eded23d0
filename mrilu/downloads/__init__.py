"""How outer sources (dictionary, sentence pairs) come into the database: downloads, refusals, differences."""
