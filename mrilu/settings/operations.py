"""How a setting is declared, and the settings of those who run the service: web, logs, what is kept how long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mrilu.settings.parsers import address, choice, count, hours, percent, text, url


def setting(
    variable: str, default: Any, parse: Callable[[str], Any], about: str, *, secret: bool = False
) -> Any:
    """Declare one setting: variable, default, parser of its text and the README's sentence."""
    facts = {"variable": variable, "parse": parse, "about": about, "secret": secret}
    return field(default=default, metadata=facts)


@dataclass(frozen=True, kw_only=True)
class OperationSettings:
    """What an operator sets; see settings.Settings for the rest."""

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
        "password (any user name) of `/rq`, and of `/metrics` from other machines; "
        "without it, the one that `./run.sh status` prints",
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
        "KEEP_JOB_RUNS", 90, count, "days until the record of a job's run is removed"
    )
    keep_gone: int = setting(
        "KEEP_GONE",
        365,
        count,
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
