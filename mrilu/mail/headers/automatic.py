"""Mail that a program sent by itself, in answer to other mail: it is archived, and is never news."""

from collections.abc import Mapping

_REPORTS = ("delivery-status", "disposition-notification", "feedback-report")
_REPORT_FIELDS = ("x-failed-recipients", "x-autoreply", "x-autorespond")
# What is generated for no other mail's sake is news: commits, test runs, announcements.
_NO_ANSWERS = ("", "no", "auto-generated")
_DAEMONS = ("mailer-daemon@", "postmaster@")
_MOST = 2000  # characters of a field that are looked at


def is_automatic(fields: Mapping[str, str]) -> bool:
    """Tell whether a mail is an automatic reply or a delivery report.

    `fields` are by lower-case name. Sources: RFC 3834 (Auto-Submitted), RFC 5321, 4.5.5 (null reverse-path),
    RFC 6522 (multipart/report). What a program sends unasked (`auto-generated`: commits, tickets) may be news.
    """
    if _answers(fields) or any(name in fields for name in _REPORT_FIELDS):
        return True
    kind = fields.get("content-type", "")[:_MOST].lower()
    return kind.lstrip().startswith("multipart/report") and any(word in kind for word in _REPORTS)


def _answers(fields: Mapping[str, str]) -> bool:
    submitted = fields.get("auto-submitted", "")[:_MOST].partition(";")[0]
    if submitted.partition("(")[0].strip().lower() not in _NO_ANSWERS:
        return True
    # Some programs that fetch mail write a null path above all of it: it counts with its usual authors alone.
    null_path = "".join(fields.get("return-path", "?")[:_MOST].split()) == "<>"
    author = fields.get("from", "")[:_MOST].lower()
    if null_path and any(daemon in author for daemon in _DAEMONS):
        return True
    return fields.get("precedence", "").strip().lower() == "auto_reply"
