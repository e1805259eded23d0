"""The settings of notifications: the mail server, who sends, where links and bounces lead, how much is sent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mrilu.settings.operations import OperationSettings, setting
from mrilu.settings.parsers import (
    bounce_address,
    count,
    folder,
    seconds,
    sender,
    site_url,
    smtp_url,
    text,
)


@dataclass(frozen=True, kw_only=True)
class NotificationSettings(OperationSettings):
    """How notifications are sent; see settings.Settings for the rest."""

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
        count,
        "days after its date during which an arriving mail is news for subscribers",
    )
    keep_notifications: int = setting(
        "KEEP_NOTIFICATIONS", 90, count, "days until the record of a notification is removed"
    )
