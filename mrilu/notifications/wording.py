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


def counted(phrases: dict[str, str], name: str, count: int, **facts: str) -> str:
    """Return the phrase for a number of things: NAME_one for one of them, where a language says that differently."""
    return phrases[f"{name}_one" if count == 1 else name].format(count=count, **facts)


def named(t: Words, kind: str, label: str, languages: list[str] | tuple[str, ...] = ()) -> str:
    """Return what a subscription is to, for people: 'changes of the word “klama” (only en)'."""
    what = t["what"][kind].format(label=label)
    only = t["page"]["languages"].format(languages=", ".join(languages)) if languages else ""
    return f"{what} ({only})" if only else what


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
