"""Tables by area; models.py gathers them, and everything else imports them from there."""
