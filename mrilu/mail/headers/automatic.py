"""Mail that a program sent by itself, in answer to other mail: it is archived, and is never news."""

import re
from collections.abc import Mapping

# As mrilu/notifications/compose.py makes them; a list or a forwarding keeps both fields.
_OUR_ID = re.compile(r"<notification\.[0-9a-f]{32}@", re.IGNORECASE)
_OUR_LIST = re.compile(r"<notifications\.[^<>]*>", re.IGNORECASE)
_REPORTS = ("delivery-status", "disposition-notification", "feedback-report")
_REPORT_FIELDS = ("x-failed-recipients", "x-autoreply", "x-autorespond")
_MOST = 2000  # characters of a field that are looked at


def is_automatic(fields: Mapping[str, str]) -> bool:
    """Tell whether a mail is a notification of ours, an automatic reply or a delivery report.

    `fields` are by lower-case name. Sources: RFC 3834 (Auto-Submitted), RFC 5321, 4.5.5 (null reverse-path),
    RFC 6522 (multipart/report). What a program sends unasked (`auto-generated`: commits, tickets) may be news.
    """
    if _answers(fields) or any(name in fields for name in _REPORT_FIELDS):
        return True
    if _OUR_ID.match(fields.get("message-id", "").strip()) or _OUR_LIST.search(
        fields.get("list-id", "")[:_MOST]
    ):
        return True
    kind = fields.get("content-type", "")[:_MOST].lower()
    return kind.lstrip().startswith("multipart/report") and any(word in kind for word in _REPORTS)


def _answers(fields: Mapping[str, str]) -> bool:
    submitted = fields.get("auto-submitted", "")[:_MOST].lower()
    null_sender = "".join(fields.get("return-path", "?")[:_MOST].split()) == "<>"
    return (
        "auto-replied" in submitted
        or null_sender
        or fields.get("precedence", "").strip().lower() == "auto_reply"
    )
