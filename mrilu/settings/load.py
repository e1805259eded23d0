"""The only reader of the environment; its errors name the variable."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from mrilu.settings.fields import SettingError
from mrilu.settings.secrets import masked, passwords_in
from mrilu.settings.table import Settings


def load(environ: Mapping[str, str] | None = None, **given: str) -> Settings:
    """Read the settings from `environ` (the process's own by default); what is `given` goes before.

    Raises SettingError, whose message names the variable and what to use instead.
    """
    source = {**(os.environ if environ is None else environ), **given}
    values: dict[str, Any] = {}
    for one in fields(Settings):
        if one.metadata["variable"].endswith("*"):
            values[one.name] = _parse_family(source, one)
            continue
        text = read_text_of(source, one.metadata["variable"], one.metadata["secret"])
        if text:
            values[one.name] = _parse(one, text)
    loaded = Settings(**values)
    _check_together(loaded)
    return loaded


def read_text_of(source: Mapping[str, str], variable: str, secret: bool) -> str:
    """Return a setting's text, a secret's from the file that NAME_FILE names; raises SettingError."""
    file = source.get(f"{variable}_FILE", "") if secret else ""
    if not file:
        return source.get(variable, "").strip()
    try:
        return Path(file).read_text("utf-8").strip()
    except OSError as error:
        raise SettingError(f"{variable}_FILE: cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError:  # its message quotes the secret
        raise SettingError(f"{variable}_FILE: {file} is not UTF-8") from None


def _parse_family(source: Mapping[str, str], one: Any) -> tuple[tuple[str, Any], ...]:
    """Parse all variables PREFIX_NAME of a setting declared as PREFIX_*: pairs of lower-case name and value."""
    prefix = one.metadata["variable"].removesuffix("*")
    # CRON_TZ is cron's own, present when cron started us.
    names = sorted(
        name
        for name in source
        if name.startswith(prefix) and name != "CRON_TZ" and source[name].strip()
    )
    return tuple(
        (name.removeprefix(prefix).lower(), _parse(one, source[name].strip(), name))
        for name in names
    )


def _parse(one: Any, text: str, variable: str = "") -> Any:
    variable = variable or one.metadata["variable"]
    try:
        return one.metadata["parse"](text)
    except SettingError:
        raise
    except ValueError as error:
        shown = "its value" if one.metadata["secret"] else repr(masked(text))
        raise SettingError(f"{variable}: {shown} cannot be used: {error}") from error


def _check_together(loaded: Settings) -> None:
    if loaded.max_delay < loaded.initial_delay:
        raise SettingError(
            f"MAX_DELAY ({loaded.max_delay:g} s) is below INITIAL_DELAY ({loaded.initial_delay:g} s)"
        )
    if loaded.smtp_url and not loaded.mail_from:
        raise SettingError("MAIL_FROM is needed with SMTP_URL: the sender of notifications")
    _ = loaded.maildirs, loaded.dictionary_urls, loaded.dictionary_folder


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


def secrets_of(loaded: Settings) -> set[str]:
    """Return the texts that must be shown nowhere: secret settings, and the passwords of whatever holds URLs."""
    found: set[str] = set()
    for one in fields(loaded):
        value = getattr(loaded, one.name)
        if (
            isinstance(value, str)
            and one.metadata["secret"]
            and not one.metadata["variable"].endswith("_URL")
        ):
            found.add(value)
        elif isinstance(value, str):
            found |= passwords_in(value)
    return found


def table() -> list[tuple[str, str, str]]:
    """Rows (variable, default, meaning) of every setting, as the README shows them."""
    rows = []
    for one in fields(Settings):
        default = one.default
        shown = (
            "data/"
            if one.name == "data_dir"
            else ""
            if default in (None, "", ())
            else _shown(default)
        )
        rows.append((one.metadata["variable"], shown, one.metadata["about"]))
    return rows


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int) and value >= 1024**2:
        return f"{value // 1024**2}M"
    if isinstance(value, tuple):
        return ",".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    for variable, default, about in table():
        print(f"| `{variable}` | {default} | {about} |")
