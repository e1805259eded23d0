"""The settings that this process works with: read from the environment once, or chosen by its caller."""

from __future__ import annotations

from mrilu.settings.load import load
from mrilu.settings.table import Settings

_chosen: list[Settings] = []


def current_settings() -> Settings:
    """Return the process's settings, read when they are first asked for; raise SettingError."""
    if not _chosen:
        _chosen.append(load())
    return _chosen[0]


def use_settings(settings: Settings) -> None:
    """Make this process work with `settings` from now on; connections follow when they are next asked for."""
    _chosen[:] = [settings]


def forget_settings() -> None:
    """Read the environment again when the settings are next asked for."""
    _chosen.clear()
