"""The words of notifications in each language, from locales/, and the templates that hold them."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

HERE = Path(__file__).parent
LOCALES = ("en", "jbo", "ja", "zh")

Words = dict[str, dict[str, str]]


@cache
def words(locale: str) -> Words:
    """Return the phrases of a language, by group and name; those of English for one that we do not have."""
    known = locale if locale in LOCALES else "en"
    return tomllib.loads((HERE / "locales" / f"{known}.toml").read_text("utf-8"))


@cache
def environment() -> Environment:
    """Return the templates: text as it is, HTML with everything escaped."""
    return Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=select_autoescape(enabled_extensions=("html.j2",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
