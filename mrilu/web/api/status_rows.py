"""The facts of the machine room as JSON. `show` is what makes a foreign text fit to be shown. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from mrilu.web.api.rows import Fields, Show, time_of
from mrilu.web.pages import status as shown

_LEDGER = (
    "maildir",
    "watched",
    "level",
    "on_disk",
    "imported",
    "copies",
    "rejected",
    "waiting",
    "error",
)
_OUTBOX = ("waiting", "sending", "sent", "dead", "cancelled", "refusing")
_QUEUE = ("name", "waiting", "running", "to_retry", "failed", "workers")


def all_of(looked: Any, slow: Any, show: Show) -> Fields:
    """Return all that is told; what a server that is away would have told is absent.

    `looked` is what PostgreSQL and Redis tell at once, `slow` what was gathered beside it.
    """
    troubles = shown.troubles(looked.moving, looked.jobs, slow.facts)
    made: Fields = {"troubles": [show(line) for line in troubles]}
    if slow.facts:
        made |= {
            "drawn_up": time_of(datetime.fromtimestamp(slow.at, UTC)),
            **_slow(slow.facts, show),
        }
    if looked.stored:
        made |= _stored(looked.stored, looked.hour, show)
    if looked.moving:
        made |= _moving(looked.moving)
    if looked.jobs:
        made["schedule"] = [_job(one, show) for one in looked.jobs.rows]
    return made


def _slow(slow: Any, show: Show) -> Fields:
    return {
        "ledgers": [_ledger(one, show) for one in slow.ledgers],
        "notifications": _some(slow.notifications, _OUTBOX),
        "embeddings": slow.embeddings,
        "tables": [{"name": name, "bytes": size} for name, size in slow.tables],
    }


def _ledger(one: Mapping[str, Any], show: Show) -> Fields:
    made = _some(one, _LEDGER) | {"state": shown.state_of(one)}
    return made | {"error": show(one["error"])} if "error" in one else made


def _stored(stored: Any, hour: datetime, show: Show) -> Fields:
    files = [one["size"] for one in stored.exports]
    newest = max((one["built_at"] for one in stored.exports), default=None)
    return {
        "hours": [_hour(one) for one in shown.hour_rows(hour, stored.mails, stored.lag)],
        "rejected": [rejected_file(one, show) for one in stored.rejected],
        "rejected_by_reason": stored.rejected_by_reason,
        "given_up": [_given_up(one, show) for one in stored.dead],
        "exports": {"files": len(files), "bytes": sum(files), "failed": stored.failed_exports}
        | _times(newest=newest),
        "sizes": [
            {"measured_at": time_of(moment), "name": name, "bytes": size}
            for (moment, name), size in sorted(stored.sizes.items())
        ],
    }


def _hour(one: shown.HourRow) -> Fields:
    return {
        "hour": time_of(one.hour),
        "imported": one.imported,
        "copies": one.copies,
        "rejected": one.rejected,
        "half_waited": one.median,
        "most_waited": one.late,
    }


def rejected_file(one: Mapping[str, Any], show: Show) -> Fields:
    """Return a rejected file."""
    texts = {name: show(one[name]) for name in ("path", "error")}
    place = {"url": f"/status/rejected/{one['id']}"}
    return {**one, **texts, **place, "last_seen": time_of(one["last_seen"])}


def _given_up(one: Mapping[str, Any], show: Show) -> Fields:
    texts = {name: show(one[name] or "") for name in ("label", "address", "reply")}
    return _some(one, ("id", "kind", "attempts")) | texts | _times(finished_at=one["finished_at"])


def _moving(moving: Any) -> Fields:
    workers = [
        _some(one, ("name", "state")) | {"queues": list(one["queues"])} for one in moving.workers
    ]
    return {"queues": [_some(one, _QUEUE) for one in moving.queues], "workers": workers}


def _job(one: Mapping[str, Any], show: Show) -> Fields:
    made = _some(one, ("job", "when", "outcome", "overdue", "pending"))
    made |= {"error": show(one["error"])} | _times(last=one["last"], next=one["next"])
    return made if one["seconds"] is None else made | {"seconds": one["seconds"]}


def history(found: Any, rejected: Iterable[Fields], show: Show) -> Fields:
    """Return the history of a message, with the facts of what was rejected under its files' names."""
    message, decided = found.message, found.decision
    files = [_file(name, row, show) for name, row in found.files]
    made = {
        "message_id": message.message_id,
        "imported_at": time_of(message.imported_at),
        "sent_at": time_of(message.sent_at),
        "date_source": message.date_source,
        "defects": list(message.defects or ()),
        "files": files,
        "rejected": [rejected_file(one, show) for one in rejected],
        "runs": [run.id for run in found.runs],
    }
    if decided is None:
        return made
    told = {"kind": decided.kind, "by": decided.by, "reason": show(decided.reason)}
    return made | {"withheld": told | _times(decided_at=decided.decided_at)}


def _file(maildir: str, row: Any, show: Show) -> Fields:
    facts = {"maildir": maildir, "path": show(row.path()), "copy": bool(row.copy)}
    return facts | _times(first_seen=row.first_seen, gone_at=row.gone_at)


def _times(**moments: datetime | None) -> Fields:
    return {name: time_of(moment) for name, moment in moments.items() if moment is not None}


def _some(one: Mapping[str, Any], names: Iterable[str]) -> Fields:
    return {name: one[name] for name in names if name in one}
