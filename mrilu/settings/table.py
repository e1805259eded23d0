"""The only reader of the environment: a frozen dataclass whose errors name the variable.

Each field declares its variable, its parser and the sentence that the README's table shows.
A secret may be given as NAME or, to keep it out of the environment, as NAME_FILE.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from mrilu.settings.lists import (
    MaildirSetting,
    SettingError,
    parse_export,
    parse_maildirs,
    parse_modes,
)
from mrilu.settings.notifications import NotificationSettings
from mrilu.settings.operations import setting
from mrilu.settings.parsers import (
    choice,
    count,
    cron,
    flag,
    folder,
    hidden,
    masked,
    passwords_in,
    percent,
    seconds,
    size,
    some_of,
    text,
    url,
    web_or_file,
    zone,
)

__all__ = [
    "PROJECT",
    "SettingError",
    "Settings",
    "hidden",
    "load",
    "masked",
    "secrets_of",
    "table",
]

PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class Settings(NotificationSettings):
    """All settings, parsed; made by `load`."""

    database_url: str | None = setting(
        "DATABASE_URL",
        None,
        url("postgresql", "postgres"),
        "PostgreSQL to use instead of the embedded one",
        secret=True,
    )
    redis_url: str | None = setting(
        "REDIS_URL",
        None,
        url("redis", "rediss", "unix"),
        "Redis or Valkey to use instead of the embedded one",
        secret=True,
    )
    maildir_path: str = setting(
        "MAILDIR_PATH",
        "",
        text,
        "Maildir(s) to archive: `PATH` or a comma-separated list of `name=PATH`",
    )
    watch_mode: str = setting(
        "WATCH_MODE",
        "inotify",
        text,
        "`inotify` or `poll`; network file systems are polled anyway; for one Maildir `name=poll`",
    )
    poll_seconds: float = setting(
        "POLL_SECONDS", 2.0, seconds, "seconds between two scans in poll mode"
    )
    rescan_seconds: float = setting(
        "RESCAN_SECONDS", 3600.0, seconds, "seconds between two safety rescans by the watcher"
    )
    gone_files: str = setting(
        "GONE_FILES",
        "keep",
        choice("keep", "remove"),
        "what happens to a message whose last file disappeared: `keep` or `remove` it",
    )
    batch_size: int = setting("BATCH_SIZE", 500, count, "maximum number of mails in one import job")
    mail_workers: int = setting("MAIL_WORKERS", 2, count, "worker processes of the `mail` queue")
    import_timeout: int = setting(
        "IMPORT_TIMEOUT", 120, count, "seconds until an import job is stopped and split"
    )
    worker_memory: int = setting(
        "WORKER_MEMORY",
        2 * 1024**3,
        size,
        "maximum address space of a worker of mail or of scheduled jobs; a mail that needs more is rejected",
    )
    max_message_bytes: int = setting(
        "MAX_MESSAGE_BYTES", 50 * 1024**2, size, "maximum size of a mail"
    )
    max_parts: int = setting("MAX_PARTS", 1000, count, "maximum number of MIME parts of a mail")
    max_depth: int = setting("MAX_DEPTH", 30, count, "maximum nesting of MIME parts")
    max_header_fields: int = setting(
        "MAX_HEADER_FIELDS",
        2000,
        count,
        "maximum number of header fields of a mail or of one of its parts",
    )
    max_parse_seconds: float = setting(
        "MAX_PARSE_SECONDS", 10.0, seconds, "maximum processor time for parsing one mail"
    )
    max_attempts: int = setting(
        "MAX_ATTEMPTS",
        8,
        count,
        "maximum number of tries of a job that fails with a transient error",
    )
    initial_delay: float = setting(
        "INITIAL_DELAY", 1.0, seconds, "seconds until the second try; doubled for each further one"
    )
    max_delay: float = setting("MAX_DELAY", 300.0, seconds, "maximum wait between two tries")
    timezone: str = setting(
        "TIMEZONE",
        "UTC",
        zone,
        "the site's time zone: decides when midnight is and how times are shown",
    )
    crons: tuple[tuple[str, str], ...] = setting(
        "CRON_*",
        (),
        cron,
        "when a job of the schedule runs, in TIMEZONE: `CRON_UPDATE_MUPLIS='30 4 * * *'`, or `off`",
    )
    dictionary_source: str = setting(
        "DICTIONARY_SOURCE",
        "",
        text,
        "exports of jbovlaste or lensisku: a folder of `jbo-LANG.xml` or `jbo-LANG.json`, or comma-separated URLs",
    )
    muplis_url: str = setting(
        "MUPLIS_URL",
        "",
        web_or_file,
        "TSV of Lojban sentence, English sentence, rating: an http(s) URL or a file",
    )
    max_shrink: int = setting(
        "MAX_SHRINK",
        20,
        percent,
        "percentage of its rows that a source may lose at once before it is refused",
    )
    max_download_bytes: int = setting(
        "MAX_DOWNLOAD_BYTES", 200 * 1024**2, size, "maximum size of a dictionary or muplis file"
    )
    download_timeout: float = setting(
        "DOWNLOAD_TIMEOUT", 120.0, seconds, "maximum time for one download"
    )
    export_formats: tuple[str, ...] = setting(
        "EXPORT_FORMATS",
        ("pdf", "latex", "xml", "json", "tsv"),
        some_of("pdf", "latex", "xml", "json", "tsv", "stardict", "epub"),
        "formats to export: any of `pdf,latex,xml,json,tsv,stardict,epub`",
    )
    export_timeout: float = setting(
        "EXPORT_TIMEOUT", 600.0, seconds, "maximum time for one language in one format"
    )
    export_memory: int = setting(
        "EXPORT_MEMORY",
        4 * 1024**3,
        size,
        "maximum address space of the process that builds one export",
    )
    embeddings: bool = setting(
        "EMBEDDINGS", True, flag, "whether texts are embedded for search by meaning: `on` or `off`"
    )
    embedding_model: str = setting(
        "EMBEDDING_MODEL",
        "all-MiniLM-L6-v2",
        text,
        "the packaged model, or a folder with a sentence-transformers model",
    )
    embedding_device: str = setting(
        "EMBEDDING_DEVICE",
        "auto",
        choice("auto", "cpu", "cuda", "mps"),
        "device for embedding texts; `auto` takes a GPU if there is one",
    )
    search_timeout: float = setting(
        "SEARCH_TIMEOUT", 10.0, seconds, "maximum time for one statement of a search"
    )
    data_dir: Path = setting(
        "DATA_DIR", PROJECT / "data", folder, "where the service keeps its data, sockets and logs"
    )
    postgres_bin: Path | None = setting(
        "POSTGRES_BIN",
        None,
        folder,
        "folder with other PostgreSQL 18 binaries (with pgvector) for the same data",
    )
    server_user: str = setting(
        "SERVER_USER",
        "mrilu",
        text,
        "the account of the servers, workers, watcher and web when root starts them; `mrilu` is made if need be",
    )

    @property
    def maildirs(self) -> tuple[MaildirSetting, ...]:
        """The watched Maildirs, in the order of MAILDIR_PATH; the sample one when that is unset."""
        named = parse_maildirs(self.maildir_path) or [("sample", self.data_dir / "Maildir")]
        modes = parse_modes(self.watch_mode, {name for name, _ in named})
        return tuple(MaildirSetting(name, path, modes.get(name, modes[""])) for name, path in named)

    @property
    def dictionary_urls(self) -> dict[str, str]:
        """The URLs of DICTIONARY_SOURCE by language tag; empty when it is a folder or unset."""
        if "://" not in self.dictionary_source:
            return {}
        return dict(
            parse_export(entry) for entry in self.dictionary_source.split(",") if entry.strip()
        )

    @property
    def dictionary_folder(self) -> Path | None:
        """The folder of jbo-LANG.xml and jbo-LANG.json files of DICTIONARY_SOURCE; None when that lists URLs."""
        if "://" in self.dictionary_source:
            return None
        return (
            folder(self.dictionary_source)
            if self.dictionary_source
            else PROJECT / "samples" / "dictionary"
        )

    @property
    def muplis_source(self) -> str:
        """MUPLIS_URL, or the path of the sample when that is unset."""
        return self.muplis_url or str(PROJECT / "samples" / "muplis.tsv")


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from `environ` (the process's own by default).

    Raises SettingError, whose message names the variable and what to use instead.
    """
    source = os.environ if environ is None else environ
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
        return Path(file).read_text().strip()
    except OSError as error:
        raise SettingError(f"{variable}_FILE: cannot read {file}: {error.strerror}") from error


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
    _ = loaded.maildirs, loaded.dictionary_urls


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
