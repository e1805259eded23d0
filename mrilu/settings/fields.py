"""How a setting is declared, and what its value or its error may be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from pathlib import Path
from typing import Any, NamedTuple


class SettingError(ValueError):
    """A setting cannot be used; the message starts with the variable's name."""


class MaildirSetting(NamedTuple):
    """One watched Maildir: its name in the archive, its folder and how it is watched."""

    name: str
    path: Path
    watch: str


def setting(
    variable: str, default: Any, parse: Callable[[str], Any], about: str, *, secret: bool = False
) -> Any:
    """Declare one setting: variable, default, parser of its text and the README's sentence."""
    facts = {"variable": variable, "parse": parse, "about": about, "secret": secret}
    return field(default=default, metadata=facts)
