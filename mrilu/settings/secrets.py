"""Which settings are secrets, and where each is given: in the environment, or in a file that NAME_FILE names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from mrilu.settings.table import Settings, read_text_of


def secret_variables() -> list[str]:
    """Return the variables of the settings that are secrets."""
    return [one.metadata["variable"] for one in fields(Settings) if one.metadata["secret"]]


def secret_of(variable: str, environ: Mapping[str, str]) -> str:
    """Return a secret setting's text, from its file if NAME_FILE is set; raises SettingError."""
    return read_text_of(environ, variable, True)


def secret_files() -> list[tuple[str, Path]]:
    """Return the variables NAME_FILE that are set, with the files that they name."""
    names = [f"{variable}_FILE" for variable in secret_variables()]
    return [(name, Path(os.environ[name])) for name in names if os.environ.get(name)]
