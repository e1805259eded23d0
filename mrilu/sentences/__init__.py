"""Reading the muplis file of Lojban sentences with their English. Pure: bytes in, pairs out."""
