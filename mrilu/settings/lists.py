"""Settings that are lists: the Maildirs, how each is watched, the dictionary's exports."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from mrilu.settings.parsers import folder, masked

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")
_EXPORT = re.compile(
    r"(?:(?P<tag>[A-Za-z0-9-]{1,35})=)?(?P<url>https?://\S*?(?:/jbo-(?P<file>[A-Za-z0-9-]{1,35})\.(?:xml|json))?)"
)


class SettingError(ValueError):
    """A setting cannot be used; the message starts with the variable's name."""


class MaildirSetting(NamedTuple):
    """One watched Maildir: its name in the archive, its folder and how it is watched."""

    name: str
    path: Path
    watch: str


def parse_maildirs(value: str) -> list[tuple[str, Path]]:
    """Parse MAILDIR_PATH into names and folders, in its order."""
    entries = [entry.strip() for entry in value.split(",") if entry.strip()]
    named: dict[str, Path] = {}
    for entry in entries:
        name, path = _named_path(entry)
        if name in named:
            raise SettingError(
                f"MAILDIR_PATH names {name!r} twice: give each Maildir a name of its own (name=PATH)"
            )
        named[name] = path
    return list(named.items())


def _named_path(entry: str) -> tuple[str, Path]:
    name, equals, path = entry.partition("=")
    if not equals or "/" in name:
        path = folder(entry)  # type: ignore[assignment]
        return _name_of(Path(path)), Path(path)
    if not _NAME.match(name) or not path:
        raise SettingError(
            f"MAILDIR_PATH: {entry!r} is not name=PATH (a name has letters, digits, '_', '.', '-')"
        )
    return name, folder(path)


def _name_of(path: Path) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", path.name)[:64] or "mail"


def parse_export(entry: str) -> tuple[str, str]:
    """Parse one entry of DICTIONARY_SOURCE into language tag and URL."""
    named = _EXPORT.fullmatch(entry.strip())
    if not named or not (named["tag"] or named["file"]):
        shown = masked(entry.strip())
        raise SettingError(
            f"DICTIONARY_SOURCE: {shown!r} is not an http(s) URL of a jbo-LANG.xml or jbo-LANG.json: write LANG=URL"
        )
    return named["tag"] or named["file"], named["url"]


def parse_modes(value: str, names: set[str]) -> dict[str, str]:
    """Parse WATCH_MODE into modes by Maildir's name; the one of all others is under ""."""
    modes = {"": "inotify"}
    for entry in filter(None, (part.strip() for part in value.split(","))):
        name, _, mode = entry.rpartition("=")
        if mode not in ("inotify", "poll"):
            raise SettingError(f"WATCH_MODE: {entry!r}: use inotify, poll or name=poll")
        if name and name not in names:
            raise SettingError(
                f"WATCH_MODE: no Maildir is named {name!r}; MAILDIR_PATH has {', '.join(sorted(names))}"
            )
        modes[name] = mode
    return modes
