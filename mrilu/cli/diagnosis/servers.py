"""Checks of what runs: PostgreSQL, Redis, schema, clocks, watcher, scheduler, workers, schedule, web."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from mrilu.cli.diagnosis.finding import Finding, error, ok, warning
from mrilu.queues.queues import NAMES
from mrilu.service.checks import POOLED, forgets, forgets_at_restart

LEAST_POSTGRESQL = 15
LEAST_REDIS = (6, 2)
DRIFT = 2.0  # seconds between two clocks
LATE = 60.0  # seconds
QUIET = 10.0  # seconds without a beat
FAR_AHEAD = 300.0  # seconds that a record may lie in the future

START = "start the service with ./run.sh"


def while_it_runs(one: Finding) -> Finding:
    """Return the finding with advice that fits a service that runs: starting it is none."""
    runs = "the service runs; restart it (./run.sh stop, then ./run.sh) if this lasts a minute"
    return Finding(one.level, one.what, one.advice.replace(START, runs))


def check_queues(trouble: Sequence[str]) -> Finding:
    """Look whether workers that live take work (`trouble`: what keeps them from it, with what to do)."""
    if trouble:
        what, _, advice = trouble[0].partition(": ")
        return error(what, advice)
    return ok("queues: what waits is worked on")


def check_refusal(reason: str) -> Finding:
    """Look whether Redis takes new work (`reason`: what it says when it does not)."""
    if reason:
        return error(
            f"Redis takes no new work: {reason}",
            "make room (maxmemory, disk), or make it a master: CONFIG SET maxmemory, REPLICAOF NO ONE",
        )
    return ok("Redis takes new work")


def check_ledger(facts: Mapping[str, Any]) -> Finding:
    """Look at one Maildir's ledger: what is on disk and nothing knows of, what is known and not there."""
    lost, stale, changed = (len(facts[part]) for part in ("lost", "stale", "changed"))
    name = facts["maildir"]
    if facts["unreadable"]:
        return error(
            f"ledger of {name}: {len(facts['unreadable'])} folders cannot be read",
            "let this user enter and list them: they are taken up by themselves",
        )
    if lost or stale or changed:
        return warning(
            f"ledger of {name}: {lost} files that nothing knows of, {stale} that are gone, {changed} that were "
            "written since they were read",
            "it heals within a minute by itself; else ./run.sh rescan, and ./run.sh why FILE",
        )
    waiting = f", {facts['waiting']} wait" if facts["waiting"] else ""
    return ok(f"ledger of {name}: {facts['on_disk']} files, each accounted for{waiting}")


def check_postgresql(version: int, extensions: Collection[str]) -> Finding:
    """Look at the server's version (as server_version_num) and extensions."""
    text = f"PostgreSQL {version // 10000}.{version % 10000}"
    if version // 10000 < LEAST_POSTGRESQL:
        return error(text, f"DATABASE_URL: use PostgreSQL {LEAST_POSTGRESQL} or newer, or unset it")
    missing = {"pg_trgm", "unaccent"} - set(extensions)
    if missing:
        return error(
            f"{text} lacks {', '.join(sorted(missing))}",
            "CREATE EXTENSION them as a superuser, start again",
        )
    return ok(text)


def check_pooler(pooled: bool) -> Finding:
    """Look whether we talk to PostgreSQL itself (`pooled`: to a pooler)."""
    if pooled:
        return error(*POOLED.rsplit(": ", 1))
    return ok("PostgreSQL: no connection pooler in between")


def check_vectors(lack: str) -> Finding:
    """Look whether the database holds vectors (`lack`: why not, with what to do)."""
    if lack:
        what, _, advice = lack.partition(": ")
        return warning(f"no search by meaning: {what}", advice)
    return ok("PostgreSQL holds vectors")


def check_waits(holders: Sequence[str]) -> Finding:
    """Look whether a session keeps others waiting (`holders`: each in words, the oldest first)."""
    if holders:
        return error(
            f"PostgreSQL: {holders[0]}",
            "let it commit, or end it: SELECT pg_terminate_backend(its number)",
        )
    return ok("PostgreSQL: no session keeps others waiting")


def check_redis(facts: Mapping[str, Any], *, ours: bool) -> Iterator[Finding]:
    """Look at the version, and at whether it keeps what it holds (`facts`: INFO; `ours`: it is the embedded one)."""
    version = str(facts["redis_version"])
    if tuple(int(part) for part in version.split(".")[:2]) < LEAST_REDIS:
        yield error(f"Redis {version}", "REDIS_URL: use Redis 6.2 or newer, or unset it")
    else:
        yield ok(f"Redis {version} (or the Valkey that speaks it)")
    if reason := forgets(facts):
        yield error(*f"Redis: {reason}".rsplit(": ", 1))
    if not ours and (reason := forgets_at_restart(facts)):
        yield warning(*f"Redis: {reason}".rsplit(": ", 1))


def check_schema(applied: Collection[str], ours: Collection[str]) -> Finding:
    """Compare the schema's steps with those of this version."""
    if set(applied) - set(ours):
        newer = max(set(applied) - set(ours))
        return error(
            f"schema {newer} is newer than this mrilu",
            "upgrade, or restore a backup of this version",
        )
    if set(ours) - set(applied):
        return error(
            f"schema lacks {', '.join(sorted(set(ours) - set(applied)))}", f"{START}: it migrates"
        )
    return ok(f"schema {max(applied)}")


def check_clocks(now: float, clocks: Mapping[str, float], newest: float | None) -> Finding:
    """Compare our clock with the servers', and with the newest record: one from the future shows a clock set back."""
    wrong = [
        f"{name} {there - now:+.1f} s" for name, there in clocks.items() if abs(there - now) > DRIFT
    ]
    if wrong:
        return error(
            f"clocks differ: {', '.join(wrong)}",
            "run NTP (systemd-timesyncd, chrony) on each machine",
        )
    if newest is not None and newest - now > FAR_AHEAD:
        return error(
            f"clock: the newest job run is {newest - now:.0f} s in the future",
            "set the clock (timedatectl), run NTP",
        )
    return ok("clocks of this machine, PostgreSQL and Redis agree")


def check_beat(name: str, facts: Mapping[str, Any] | None, now: float) -> Finding:
    """Look whether a long-running program lives, and what troubles it."""
    if facts is None:
        return error(f"{name} does not run", f"{START}; why it ended is in data/log/{name}.log")
    age = now - float(facts["at"])
    if age > QUIET:
        return warning(f"{name} was last heard of {age:.0f} s ago", f"see data/log/{name}.log")
    if facts.get("trouble"):
        return warning(f"{name} is in trouble: {facts['trouble']}", f"see data/log/{name}.log")
    return ok(f"{name} lives")


def check_workers(workers: Mapping[str, int], wanted: Sequence[str] = NAMES) -> Finding:
    """Look whether each queue that is to have workers has some (`workers`: how many, by queue)."""
    idle = [name for name in wanted if not workers.get(name)]
    if idle:
        return error(
            f"no worker for the queue {', '.join(idle)}", f"{START}; see data/log/{idle[0]}.log"
        )
    return ok("workers: " + ", ".join(f"{name} {workers[name]}" for name in wanted))


def check_schedule(due: Mapping[str, float | None], now: float) -> Finding:
    """Look whether each job of the table has its next time (seconds since 1970) in Redis, and none is overdue."""
    missing = sorted(name for name, moment in due.items() if moment is None)
    if missing:
        return error(
            f"schedule: {', '.join(missing)} has no next time",
            f"{START}: the scheduler asserts its table",
        )
    late = sorted(
        name for name, moment in due.items() if moment is not None and now - moment > LATE
    )
    if late:
        return error(
            f"schedule: {', '.join(late)} is overdue",
            "see data/log/scheduler.log and ./run.sh schedule",
        )
    return ok(f"schedule: {len(due)} jobs have their next time")


def check_drift(runs: Sequence[tuple[str, datetime, datetime]]) -> Finding:
    """Compare when the last runs (job, slot, start) were to begin with when they did."""
    late = {job: (start - slot).total_seconds() for job, slot, start in runs}
    worst = {job: seconds for job, seconds in late.items() if seconds > LATE}
    if worst:
        text = ", ".join(f"{job} {seconds:.0f} s" for job, seconds in sorted(worst.items()))
        return warning(
            f"schedule drift: {text} late", "its queue was busy or had no worker: ./run.sh status"
        )
    return ok("schedule drift: the last runs began in time")


def check_failures(failed: Mapping[str, str]) -> Finding:
    """Look whether a job's last run failed (`failed`: the error, by job)."""
    if failed:
        job, why = sorted(failed.items())[0]
        by_itself = "its files are tried again by themselves: ./run.sh status, data/log/mail.log"
        advice = by_itself if job == "import_messages" else f"./run.sh run {job} --wait"
        return warning(f"{len(failed)} jobs failed last time: {job}: {why[:120]}", advice)
    return ok("no job's last run failed")
