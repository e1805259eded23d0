"""Mail that a program sent by itself, in answer to other mail: it is archived, and is never news."""

from collections.abc import Mapping

_REPORTS = ("delivery-status", "disposition-notification", "feedback-report")
# What is generated for no other mail's sake is news: commits, test runs, announcements.
_NO_ANSWERS = ("", "no", "auto-generated")
_DAEMONS = ("mailer-daemon@", "postmaster@")
_MOST = 2000  # characters of a field that are looked at


def is_automatic(fields: Mapping[str, str]) -> bool:
    """Tell whether a mail is an automatic reply or a delivery report.

    `fields` are by lower-case name. Sources: RFC 3834 (Auto-Submitted), RFC 5321, 4.5.5 (null reverse-path),
    RFC 6522 (multipart/report). What a program sends unasked (`auto-generated`: commits, tickets) may be news.
    """
    # By name, since this is asked of every mail: nearly none has any of these fields.
    if (
        "x-failed-recipients" in fields
        or "x-autoreply" in fields
        or "x-autorespond" in fields
        or ("auto-submitted" in fields and _is_answer(fields["auto-submitted"]))
        or ("return-path" in fields and _is_null(fields["return-path"], fields))
        or ("precedence" in fields and fields["precedence"].strip().lower() == "auto_reply")
    ):
        return True
    kind = fields.get("content-type", "")[:_MOST].lower()
    return (
        "report" in kind
        and kind.lstrip().startswith("multipart/report")
        and any(word in kind for word in _REPORTS)
    )


def _is_answer(submitted: str) -> bool:
    word = submitted[:_MOST].partition(";")[0].partition("(")[0]
    return word.strip().lower() not in _NO_ANSWERS


def _is_null(path: str, fields: Mapping[str, str]) -> bool:
    """Tell whether a null path means a daemon's mail: some programs that fetch mail write one above all of it."""
    author = fields.get("from", "")[:_MOST].lower()
    return "".join(path[:_MOST].split()) == "<>" and any(daemon in author for daemon in _DAEMONS)
