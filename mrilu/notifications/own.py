"""How our own mail is known when it comes back: its Message-ID and its List-Id."""

from __future__ import annotations

import re
from urllib.parse import urlsplit
from uuid import UUID

# A Message-ID of ours, without brackets, as a pattern of PostgreSQL. Of any site: two of them that tell
# each other's lists of news would never end either.
OWN_ID_PATTERN = r"^notification\.[0-9a-f]{32}@"
_OWN_ID = re.compile(OWN_ID_PATTERN, re.IGNORECASE)


def is_own_id(message_id: str) -> bool:
    """Tell whether a Message-ID, without brackets, is that of a notification."""
    return message_id[:13].lower() == "notification." and bool(_OWN_ID.match(message_id))


def own_message_id(key: UUID, sender: str) -> str:
    """Return the Message-ID, in brackets, of the email with this key from this address."""
    return f"<notification.{key.hex}@{sender.rpartition('@')[2]}>"


def own_list_id(site_url: str) -> str:
    """Return the List-Id of the notifications of the site, without brackets."""
    return f"notifications.{urlsplit(site_url).hostname or 'localhost'}"
