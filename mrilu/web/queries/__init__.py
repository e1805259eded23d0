"""What the pages ask the database for; no Flask in here."""
