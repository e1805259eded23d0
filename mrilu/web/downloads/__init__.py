"""Mails as their files hold them: found on the disk, taken apart, and made ready to send. No Flask in here."""
