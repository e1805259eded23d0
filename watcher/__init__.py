"""Sees each mail the moment it lands in a Maildir and hands its path to the import queue."""
