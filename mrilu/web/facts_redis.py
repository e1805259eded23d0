"""What a scrape asks Redis, in two round trips: queues, workers, the schedule's next runs, signs of life."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import UTC, datetime
from typing import Any

from redis import Redis
from rq.job import Job
from rq.utils import as_text

from mrilu.queues.queues import NAMES, queue
from mrilu.runtime.heartbeat import KEY
from mrilu.web.facts_postgresql import Samples

SCHEDULED = "rq:scheduler:scheduled_jobs"
ENTRY = "mrilu-"  # begins the ids of our entries there
AHEAD = 100  # jobs of a queue whose age is looked at: live mail jumps it, so the first is not the oldest
_REGISTRIES = (
    ("running", "rq:wip:{}"),
    ("to_retry", "rq:scheduled:{}"),
    ("failed", "rq:failed:{}"),
)


def gather(redis: Redis) -> Samples:
    """Return the samples (labels, value) of each metric that Redis knows of, by the metric's name."""
    found: Samples = defaultdict(list)
    waiting, workers = _first_look(redis, found)
    with redis.pipeline(transaction=False) as pipe:
        for ids in waiting.values():
            for job in ids:
                pipe.hget(Job.key_for(job), "enqueued_at")
        for keys in workers.values():
            for key in keys:
                pipe.hget(key, "state")
        answers = iter(pipe.execute())
    for name, ids in waiting.items():
        found["queue_oldest_job_seconds"].append(((name,), _oldest([next(answers) for _ in ids])))
    for name, keys in workers.items():
        states = Counter(as_text(state) for state in [next(answers) for _ in keys] if state)
        found["workers"] += [((name, str(state)), number) for state, number in states.items()]
    return found


def _first_look(redis: Redis, found: Samples) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Read lengths, entries and beats; return the next jobs and the workers' keys of each queue."""
    with redis.pipeline(transaction=False) as pipe:
        for name in NAMES:
            pipe.llen(queue(name, redis).key)
            for _, key in _REGISTRIES:
                pipe.zcard(key.format(name))
            pipe.lrange(queue(name, redis).key, 0, AHEAD - 1)
            pipe.smembers(f"rq:workers:{name}")
        pipe.zrange(SCHEDULED, 0, -1, withscores=True)
        for who in ("watcher", "scheduler"):
            pipe.get(KEY.format(who))
        answers = iter(pipe.execute())
    waiting, workers = {}, {}
    for name in NAMES:
        states = ["waiting", *(state for state, _ in _REGISTRIES)]
        found["queue_jobs"] += [((name, state), next(answers)) for state in states]
        waiting[name] = [str(as_text(one)) for one in next(answers)]
        workers[name] = [str(as_text(one)) for one in next(answers)]
    _schedule(next(answers), found)
    _signs_of_life(next(answers), next(answers), found)
    return waiting, workers


def _oldest(moments: list[bytes | None]) -> float:
    """Return the age in seconds of the oldest of rq's times, 0 when there is none."""
    known = [datetime.fromisoformat(moment.decode()) for moment in moments if moment]
    aware = [moment if moment.tzinfo else moment.replace(tzinfo=UTC) for moment in known]
    return max(((datetime.now(UTC) - moment).total_seconds() for moment in aware), default=0.0)


def _schedule(entries: list[tuple[bytes, float]], found: Samples) -> None:
    for raw, score in entries:
        entry = raw.decode(errors="replace")
        if entry.startswith(ENTRY):
            found["job_next_run_timestamp_seconds"].append(((entry.removeprefix(ENTRY),), score))


def _signs_of_life(watcher: bytes | None, scheduler: bytes | None, found: Samples) -> None:
    found["up"] += [
        (("watcher",), float(watcher is not None)),
        (("scheduler",), float(scheduler is not None)),
    ]
    if watcher is None:
        return
    facts: dict[str, Any] = json.loads(watcher)
    found["watcher_pending_paths"].append(((), facts["pending"]))
    found["watcher_rescans_total"].append(((), facts["rescans"]))
    found["watcher_trouble"].append(((), float(bool(facts["trouble"]))))
    for maildir, one in facts["maildirs"].items():
        found["watcher_overflows_total"].append(((maildir,), one["overflows"]))
        found["watcher_folders"].append(((maildir, one["mode"]), one["folders"]))
