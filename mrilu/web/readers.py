"""Who reads: everyone, as the settings say, and how much of addresses is shown."""

from __future__ import annotations

from flask import current_app

from models import Reader


def current_reader() -> Reader:
    """Return what the one who asks may read."""
    reader: Reader = current_app.config["READER"]
    return reader


def shows_addresses() -> bool:
    """Tell whether mail addresses are spelt out."""
    return bool(current_app.config["SHOW_ADDRESSES"])
