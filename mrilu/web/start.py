"""The first page: where things are."""

from __future__ import annotations

from flask import Blueprint, render_template

pages = Blueprint("start", __name__)


@pages.get("/")
def start() -> str:
    """Return the first page."""
    return render_template("start.html")
