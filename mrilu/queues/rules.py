"""What the settings say to the work that jobs share: a mail's limits, which mail is news, who may read
what, the mail server's mark.
"""

from __future__ import annotations

from models import Reader, stranger
from mrilu.mail.message import Limits
from mrilu.notifications.events import NewsRules
from mrilu.notifications.pause import pause_mark
from mrilu.settings.table import Settings


def limits_of(settings: Settings) -> Limits:
    """Return the parser's limits that the settings give."""
    return Limits(
        max_bytes=settings.max_message_bytes,
        max_parts=settings.max_parts,
        max_depth=settings.max_depth,
        max_header_fields=settings.max_header_fields,
        max_seconds=settings.max_parse_seconds,
    )


def news_rules_of(settings: Settings) -> NewsRules:
    """Return what the settings say of which mail is news."""
    return NewsRules(
        settings.notify_days, settings.mail_from, settings.site_url, stranger_of(settings)
    )


def stranger_of(settings: Settings) -> Reader:
    """Return what everyone may read, as the settings say."""
    return stranger(settings.private_lists, respect_no_archive=settings.no_archive == "hide")


def mail_server_mark(settings: Settings) -> str | None:
    """Return what a pause of sending is about (`pause_mark`); None without SMTP_URL."""
    if not settings.smtp_url:
        return None
    return pause_mark(settings.smtp_url, settings.smtp_ca_file, settings.mail_from)
