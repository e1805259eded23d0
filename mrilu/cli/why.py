"""`./run.sh why`: the whole history of one file, or of one Message-ID."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from models import Location, Maildir, Message, Rejected, ThreadEdge, ThreadLink
from mrilu.archive.folders import doubts
from mrilu.mail.thread_keys import node_of
from mrilu.maildir.names import MailPath, parse_path, to_text
from mrilu.maildir.presence import mail_status
from mrilu.queues.queues import MAIL, import_jobs, queue
from mrilu.runtime.database import database

Facts = dict[str, Any]


def explain(question: str) -> Facts:
    """Answer for a path (absolute, relative, or below a Maildir's root) or a Message-ID; ready for JSON.

    `found` tells whether anything is known; `files` and `messages` hold the history.
    """
    files = [_file(maildir, path) for maildir, path in places_of(question)]
    known = [
        one
        for one in files
        if one["on_disk"]
        or one["rows"]
        or one["rejected"]
        or (one["trouble"] and one["is_mail_path"])
    ]
    if known:
        return {"question": question, "found": True, "files": known, "messages": []}
    return _message_id(question, files)


def places_of(question: str) -> Iterator[tuple[Maildir, str]]:
    """Yield each (Maildir, path below its root) that the question may mean; symlinks may lead to either."""
    for maildir in Maildir.select().order_by(Maildir.name):
        below = _below(maildir.place, question)
        if below is not None:
            yield maildir, to_text(below)
        elif not question.startswith("/") and parse_path(to_text(question)):
            yield maildir, to_text(question)


def _below(root: str, question: str) -> str | None:
    """Return the path of a file below a Maildir's root, both taken as they are written, then as they really are."""
    for form in (os.path.abspath, os.path.realpath):
        folder, name = os.path.split(os.path.abspath(question))
        path, start = os.path.join(form(folder), name), os.path.join(form(root), "")
        if path.startswith(start):
            return path.removeprefix(start)
    return None


def _file(maildir: Maildir, path: str) -> Facts:
    parts = parse_path(path)
    status, trouble = _look(maildir, path)
    facts: Facts = {
        "maildir": maildir.name,
        "path": path,
        "on_disk": status is not None,
        "trouble": trouble,
        "size": status.st_size if status else None,
        "is_mail_path": parts is not None,
        "rows": [_location(row) for row in _rows(Location, maildir, parts)],
        "rejected": [_rejected(row) for row in _rows(Rejected, maildir, parts)],
        "jobs": [
            _job(job)
            for job in import_jobs(queue(MAIL))
            if job.args[0] == maildir.name and path in job.args[1]
        ],
    }
    facts["answer"] = answer(facts)
    return facts


def _look(maildir: Maildir, path: str) -> tuple[os.stat_result | None, str]:
    """Return a file's status, None if there is none, and what keeps this host from seeing it."""
    try:
        status = mail_status(Path(maildir.place), path)
    except OSError as error:
        return None, error.strerror or str(error)
    return status, "" if status else doubts(database(), maildir)


def _rows(
    table: type[Location] | type[Rejected], maildir: Maildir, parts: MailPath | None
) -> list[Any]:
    if parts is None:
        return []
    same = (
        (table.maildir == maildir.id)
        & (table.folder == parts.folder)
        & (table.unique_name == parts.unique)
    )
    return list(table.select().where(same).order_by(table.nth))


def _location(row: Location) -> Facts:
    message = Message.get_by_id(row.message)
    return {
        "path": row.path(),
        "state": "gone" if row.gone_at else "copy" if row.copy else "imported",
        "flags": row.flags,
        "first_seen": _time(row.first_seen),
        "last_seen": _time(row.last_seen),
        "gone_at": _time(row.gone_at),
        "message": _message(message, locations=row.copy),
    }


def _rejected(row: Rejected) -> Facts:
    times = {
        "first_seen": _time(row.first_seen),
        "last_seen": _time(row.last_seen),
        "gone_at": _time(row.gone_at),
    }
    kept = {
        "reason": row.reason,
        "error": row.error,
        "attempts": row.attempts,
        "parser_version": row.parser_version,
    }
    return {"path": row.path(), **kept, **times}


def _job(job: Any) -> Facts:
    return {
        "id": job.id,
        "status": str(job.get_status().value),
        "files": len(job.args[1]),
        "tries": job.number_of_retries,
    }


def _message(message: Message, *, locations: bool) -> Facts:
    facts = {
        "id": message.id,
        "message_id": message.message_id,
        "from": f"{message.from_name} <{message.from_address}>".strip(),
        "subject": message.subject,
        "sent_at": _time(message.sent_at),
        "date_source": message.date_source,
        "lists": message.list_ids,
        "thread": message.thread_id(),
        "imported_at": _time(message.imported_at),
        "defects": message.defects,
    }
    if locations:
        facts["files"] = [_known_file(row) for row in Location.of_message(message.id)]
    return facts


def _known_file(row: Location) -> Facts:
    name = Maildir.get_by_id(row.maildir).name
    return {"maildir": name, "path": row.path(), "copy": row.copy, "gone_at": _time(row.gone_at)}


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None


def answer(facts: Facts) -> str:
    """Return one sentence on where this file stands."""
    live = [row for row in facts["rows"] if row["path"] == facts["path"] and not row["gone_at"]]
    rejected = [
        row for row in facts["rejected"] if row["path"] == facts["path"] and not row["gone_at"]
    ]
    if not facts["is_mail_path"]:
        return "this is not a place where mail lives (tmp/, a dot-file, or not below new/ or cur/)"
    if live and facts["on_disk"]:
        return f"in the archive as {'a copy of a known message' if live[0]['state'] == 'copy' else 'message'}"
    if rejected and facts["on_disk"]:
        return f"rejected ({rejected[0]['reason']}): {rejected[0]['error']}"
    if facts["jobs"]:
        return (
            f"waiting in the queue (job {facts['jobs'][0]['id']} is {facts['jobs'][0]['status']})"
        )
    if facts["trouble"]:
        return f"this host cannot see whether it is on disk: {facts['trouble']}"
    if facts["on_disk"]:
        return "on disk, but not enqueued yet: ./run.sh rescan"
    if any(not row["gone_at"] for row in facts["rows"]):
        return f"this file moved to {facts['rows'][0]['path']}"
    return (
        "not on disk any more; the archive keeps its message"
        if facts["rows"]
        else "not on disk, and never seen"
    )


def _message_id(question: str, files: list[Facts]) -> Facts:
    name = question.strip().removeprefix("<").removesuffix(">")
    messages = [
        _message(one, locations=True) for one in Message.with_message_id(node_of(name), name)
    ]
    link = ThreadLink.get_or_none(ThreadLink.node == node_of(name))
    facts = {
        "question": question,
        "found": bool(messages or link),
        "files": files,
        "messages": messages,
    }
    if not messages and link:
        facts["ghost"] = {"message_id": name, "thread": link.thread, "named_by": _naming(name)}
    return facts


def _naming(name: str) -> list[str]:
    """Return the Message-IDs of messages in the archive that refer to the one that never came."""
    edges = ThreadEdge.select(ThreadEdge.message).where(
        (ThreadEdge.other == node_of(name)) & (ThreadEdge.sequence == 0)
    )
    rows = Message.select(Message.message_id).where(Message.id.in_(edges))
    return [row.message_id for row in rows.order_by(Message.sent_at)]


def lines(facts: Facts) -> Iterator[str]:
    """Yield the answer for a person, line by line."""
    for one in facts["files"] if facts["found"] or not facts["messages"] else ():
        if facts["messages"] or facts.get("ghost"):
            break
        yield f"{one['maildir']}: {one['path']}"
        yield f"  {one['answer']}"
        yield from _details(one)
    for message in facts["messages"]:
        yield from _message_lines(message, "")
    if facts.get("ghost"):
        ghost = facts["ghost"]
        yield f"<{ghost['message_id']}> never arrived, but is referred to (thread {ghost['thread']}) by"
        yield from (f"  <{name}>" for name in ghost["named_by"])
    if not facts["found"] and not facts["files"]:
        yield f"{facts['question']}: no registered Maildir has such a file, and no message has such a Message-ID"


def _details(one: Facts) -> Iterator[str]:
    for row in one["rows"]:
        gone = f", gone {row['gone_at']}" if row["gone_at"] else ""
        yield f"  {row['state']}: {row['path']} flags={row['flags'] or '-'} first seen {row['first_seen']}{gone}"
        yield from _message_lines(row["message"], "  ")
    for row in one["rejected"]:
        when = f"first seen {row['first_seen']}, last tried {row['last_seen']}"
        yield f"  rejected: {row['reason']}, {row['attempts']} attempts, {when}: {row['error']}"
    for job in one["jobs"]:
        yield f"  job {job['id']}: {job['status']}, {job['files']} files"


def _message_lines(message: Facts, indent: str) -> Iterator[str]:
    yield f"{indent}message {message['id']} <{message['message_id']}> in thread {message['thread']}"
    yield f"{indent}  {message['from']}: {message['subject']}"
    yield f"{indent}  sent {message['sent_at']} (from {message['date_source']}), imported {message['imported_at']}"
    if message["defects"]:
        yield f"{indent}  tolerated: {', '.join(message['defects'])}"
    for file in message.get("files", ()):
        state = f"gone {file['gone_at']}" if file["gone_at"] else "copy" if file["copy"] else "file"
        yield f"{indent}  {state}: {file['maildir']}: {file['path']}"
