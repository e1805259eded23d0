"""The one table of settings: each field declares its variable, default, parser and the README's sentence.

The environment is read by `mrilu.settings.load` alone. A secret may be given as NAME or, to keep it out of the
environment, as NAME_FILE.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mrilu.settings.fields import MaildirSetting, setting
from mrilu.settings.parsers import (
    address,
    bounce_address,
    choice,
    count,
    cron,
    days,
    flag,
    folder,
    folder_of,
    hours,
    list_ids,
    parse_export,
    parse_maildirs,
    parse_modes,
    percent,
    redis_url,
    seconds,
    sender,
    site_url,
    size,
    smtp_url,
    some_of,
    text,
    url,
    web_or_file,
    zone,
)
from mrilu.settings.roles import ROLES, SERVERS

PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings, parsed; made by `mrilu.settings.load.load`."""

    roles: tuple[str, ...] = setting(
        "ROLES",
        (),
        some_of(*ROLES, *SERVERS),
        f"what runs on this host, if not all: some of `{','.join((*ROLES, *SERVERS))}` (as `up --only`)",
    )
    web_address: str = setting(
        "WEB_ADDRESS",
        "127.0.0.1:8025",
        address,
        "where web pages, metrics and health are served: `HOST:PORT`, or `off`",
    )
    web_database_url: str | None = setting(
        "WEB_DATABASE_URL",
        None,
        url("postgresql", "postgres"),
        "PostgreSQL for the web pages, with a role that can write almost nothing (docs/roles.sql)",
        secret=True,
    )
    operator_password: str | None = setting(
        "OPERATOR_PASSWORD",
        None,
        text,
        "password (any user name) of `/status`, `/rq`, `/metrics`; without it, the one that `./run.sh status` prints",
        secret=True,
    )
    metrics_token: str | None = setting(
        "METRICS_TOKEN",
        None,
        text,
        "bearer token that opens `/metrics` alone, for Prometheus",
        secret=True,
    )
    log_level: str = setting(
        "LOG_LEVEL",
        "info",
        choice("debug", "info", "warning", "error"),
        "minimum level that is logged",
    )
    log_format: str = setting(
        "LOG_FORMAT",
        "logfmt",
        choice("logfmt", "json"),
        "format of the log lines: `logfmt` or `json`",
    )
    keep_job_runs: int = setting(
        "KEEP_JOB_RUNS", 90, days, "days until the record of a job's run is removed"
    )
    keep_gone: int = setting(
        "KEEP_GONE",
        365,
        days,
        "days until the record of a file that disappeared is removed (its message stays)",
    )
    max_vanished: int = setting(
        "MAX_VANISHED",
        20,
        percent,
        "percent of a Maildir's files (10 at least) that may vanish within an hour before GONE_FILES=remove holds back",
    )
    vanished_hours: float = setting(
        "VANISHED_HOURS",
        72.0,
        hours,
        "hours after which files that vanished together are believed to be gone, without `confirm-gone`",
    )
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
        redis_url,
        "Redis or Valkey to use instead of the embedded one; `redis+sentinel://HOST,HOST/SERVICE/0` for Sentinel",
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
    mail_workers: int = setting(
        "MAIL_WORKERS",
        3,
        count,
        "worker processes of the `mail` queue; one more than the processors keeps these busy",
    )
    default_workers: int = setting(
        "DEFAULT_WORKERS", 1, count, "worker processes of the `default` queue"
    )
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
        "maximum address space of each process that builds an export",
    )
    smtp_url: str | None = setting(
        "SMTP_URL",
        None,
        smtp_url,
        "mail server for notifications: `smtp://HOST` (STARTTLS if offered; `?starttls=never`), "
        "`smtp+starttls://USER:PASSWORD@HOST` or `smtps://USER:PASSWORD@HOST`; without it they wait",
        secret=True,
    )
    smtp_ca_file: Path | None = setting(
        "SMTP_CA_FILE",
        None,
        folder,
        "CA certificates (PEM) to verify the mail server with, instead of the system's",
    )
    smtp_timeout: float = setting(
        "SMTP_TIMEOUT", 30.0, seconds, "maximum wait for an answer of the mail server"
    )
    mail_from: str = setting(
        "MAIL_FROM",
        "",
        sender,
        "sender of notifications: `mrilu <notify@example.org>`; needed with SMTP_URL",
    )
    bounce_address: str = setting(
        "BOUNCE_ADDRESS",
        "",
        bounce_address,
        "where delivery reports go, with `+` and a key before the `@`; without it, the address of MAIL_FROM",
    )
    bounce_maildir: Path | None = setting(
        "BOUNCE_MAILDIR",
        None,
        folder,
        "Maildir that mail to MAIL_FROM and BOUNCE_ADDRESS is delivered to; delivery reports in it are taken in",
    )
    site_url: str = setting(
        "SITE_URL",
        "http://127.0.0.1:8025",
        site_url,
        "address of the site that the links in notifications lead to",
    )
    private_lists: tuple[str, ...] = setting(
        "PRIVATE_LISTS",
        (),
        list_ids,
        "lists that only operators may read: their List-Ids, with commas between",
    )
    show_addresses: bool = setting(
        "SHOW_ADDRESSES",
        False,
        flag,
        "whether pages spell out the addresses of people: `on` or `off`",
    )
    no_archive: str = setting(
        "NO_ARCHIVE",
        "hide",
        choice("hide", "show"),
        "mail whose author wrote X-No-Archive: `hide` it from all but operators, or `show` it",
    )
    token_secret: str | None = setting(
        "TOKEN_SECRET",
        None,
        text,
        "what links that need no login are signed with; without it, a key made once and kept in the database",
        secret=True,
    )
    mail_rate: int = setting("MAIL_RATE", 1200, count, "maximum of notifications per minute")
    domain_rate: int = setting(
        "DOMAIN_RATE", 300, count, "maximum of notifications per minute to addresses of one domain"
    )
    max_hourly: int = setting(
        "MAX_HOURLY",
        100,
        count,
        "maximum of notifications per hour to one subscriber; more of them wait",
    )
    notify_days: int = setting(
        "NOTIFY_DAYS",
        30,
        days,
        "days after its date during which an arriving mail is news for subscribers",
    )
    keep_notifications: int = setting(
        "KEEP_NOTIFICATIONS", 90, days, "days until the record of a notification is removed"
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
        "SEARCH_TIMEOUT", 10.0, seconds, "maximum time that PostgreSQL works on one search"
    )
    page_rate: int = setting(
        "PAGE_RATE",
        1200,
        count,
        "pages a minute that one network (IPv4 /24, IPv6 /48) may read; who asks for more is told to wait",
    )
    search_rate: int = setting(
        "SEARCH_RATE", 120, count, "searches a minute of one network; the others wait"
    )
    download_rate: int = setting(
        "DOWNLOAD_RATE", 120, count, "downloads a minute of one network; the others wait"
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
        """The Maildirs of this host, in the order of MAILDIR_PATH.

        Where that is unset it is the sample one, and none on a host that runs only a part of the service.
        """
        sample = [] if self.roles else [("sample", self.data_dir / "Maildir")]
        named = parse_maildirs(self.maildir_path) or sample
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
            folder_of("DICTIONARY_SOURCE", self.dictionary_source)
            if self.dictionary_source
            else PROJECT / "samples" / "dictionary"
        )

    @property
    def muplis_source(self) -> str:
        """MUPLIS_URL, or the path of the sample when that is unset."""
        return self.muplis_url or str(PROJECT / "samples" / "muplis.tsv")
