"""What operators are given as JSON: with their password, or a session. Pure."""

from __future__ import annotations

from mrilu.openapi.shapes import (
    FLAG,
    HASH,
    NUMBER,
    PLACE,
    TEXT,
    TIME,
    Operation,
    Parameter,
    Schema,
    many,
    of,
    record,
)

_SECONDS: Schema = {"type": "number", "minimum": 0}
_COUNTS: Schema = {"type": "object", "additionalProperties": NUMBER}
_OF_POSTGRESQL = (
    "drawn_up", "ledgers", "hours", "rejected", "rejected_by_reason", "notifications", "given_up", "embeddings",
    "exports", "sizes", "tables",
)  # fmt: skip
_OF_REDIS = ("queues", "workers", "schedule")

SCHEMAS: dict[str, Schema] = {
    "MaildirLedger": record(
        ("on_disk", "waiting", "error"),
        maildir=TEXT,
        watched=FLAG,
        state=TEXT,
        level=FLAG,
        on_disk=NUMBER,
        imported=NUMBER,
        copies=NUMBER,
        rejected=NUMBER,
        waiting=NUMBER,
        error=TEXT,
    ),
    "MailsOfHour": record(
        hour=TIME,
        imported=NUMBER,
        copies=NUMBER,
        rejected=NUMBER,
        half_waited={**TEXT, "description": "at most so many seconds; empty where none came"},
        most_waited={**TEXT, "description": "at most so many seconds, 95 of 100 mails"},
    ),
    "Queue": record(
        name=TEXT, waiting=NUMBER, running=NUMBER, to_retry=NUMBER, failed=NUMBER, workers=NUMBER
    ),
    "Worker": record(name=TEXT, state=TEXT, queues=many(TEXT)),
    "ScheduledJob": record(
        ("last", "next", "seconds"),
        job=TEXT,
        when=TEXT,
        last=TIME,
        outcome=TEXT,
        seconds=_SECONDS,
        error=TEXT,
        next=TIME,
        overdue=FLAG,
        pending={**FLAG, "description": "whether it waits or runs"},
    ),
    "RejectedFile": record(
        id=NUMBER,
        url=PLACE,
        maildir=TEXT,
        path=TEXT,
        size=NUMBER,
        reason=TEXT,
        error=TEXT,
        attempts=NUMBER,
        last_seen=TIME,
        retried={**FLAG, "description": "whether it waits to be read again"},
    ),
    "GivenUp": record(
        ("finished_at",),
        id=NUMBER,
        kind=TEXT,
        label=TEXT,
        address=TEXT,
        attempts=NUMBER,
        finished_at=TIME,
        reply=TEXT,
    ),
    "Embeddings": record(
        ("model", "why", "done", "waiting", "rate", "eta"),
        state=TEXT,
        model=TEXT,
        why=TEXT,
        done=_COUNTS,
        waiting=_COUNTS,
        rate={"type": ["number", "null"]},
        eta={"type": ["number", "null"]},
    ),
    "Size": record(measured_at=TIME, name=TEXT, bytes=_SECONDS),
    "Table": record(name=TEXT, bytes=NUMBER),
    "Status": record(
        (*_OF_POSTGRESQL, *_OF_REDIS),
        down={**many(TEXT), "description": "servers that do not answer: what they tell is absent"},
        troubles=many(TEXT),
        drawn_up={**TIME, "description": "when the ledgers were drawn up"},
        ledgers=many(of("MaildirLedger")),
        hours=many(of("MailsOfHour")),
        queues=many(of("Queue")),
        workers=many(of("Worker")),
        schedule=many(of("ScheduledJob")),
        rejected={**many(of("RejectedFile")), "description": "the last 50"},
        rejected_by_reason=_COUNTS,
        notifications=_COUNTS,
        given_up={**many(of("GivenUp")), "description": "the last 50"},
        embeddings=of("Embeddings"),
        exports=record(("newest",), files=NUMBER, bytes=NUMBER, newest=TIME, failed=NUMBER),
        sizes={**many(of("Size")), "description": "of the last 30 days"},
        tables={**many(of("Table")), "description": "the largest"},
    ),
    "Rejection": record(file=of("RejectedFile"), lines=many(TEXT), problem=TEXT),
    "StoredFile": record(
        ("gone_at",), maildir=TEXT, path=TEXT, copy=FLAG, first_seen=TIME, gone_at=TIME
    ),
    "MessageHistory": record(
        ("withheld",),
        message_id=TEXT,
        imported_at=TIME,
        sent_at=TIME,
        date_source=TEXT,
        defects=many(TEXT),
        withheld=record(kind=TEXT, by=TEXT, decided_at=TIME, reason=TEXT),
        files=many(of("StoredFile")),
        rejected=many(of("RejectedFile")),
        runs={**many(NUMBER), "description": "the runs of import_messages that were at work then"},
    ),
    "Histories": record(hash=HASH, messages=many(of("MessageHistory"))),
}

OPERATIONS = (
    Operation(
        "status",
        "/status.json",
        "status.status",
        "For operators: ledgers, mails by hour, queues, schedule, rejected mail, outbox, sizes",
        "Status",
        (),
        (401, 429, 503),
    ),
    Operation(
        "rejected",
        "/status/rejected/<int:number>.json",
        "status.rejected",
        "For operators: why a file was rejected, and its first lines",
        "Rejection",
        (Parameter("number", "path", "the number of the rejected file", NUMBER),),
        (401, 404, 429),
    ),
    Operation(
        "message_history",
        "/m/<message_hash>/history.json",
        "operators.show_history",
        "For operators: the files of the messages of a Message-ID, and when they came in",
        "Histories",
        (Parameter("message_hash", "path", "base32(sha1(Message-ID))", HASH),),
        (401, 404, 429),
    ),
)
