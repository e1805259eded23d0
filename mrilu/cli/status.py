"""What `./run.sh status` says: the ledger, queues, workers, rejected mail, last runs, installation."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from peewee import PostgresqlDatabase
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rq import Queue
from rq.registry import FailedJobRegistry, ScheduledJobRegistry, StartedJobRegistry
from rq.worker import BaseWorker

from models import JobRun, Message, Rejected
from mrilu.archive.outdated import count_outdated
from mrilu.cli.shown import visible
from mrilu.embeddings.progress import progress
from mrilu.mail.version import PARSER_VERSION
from mrilu.notifications.pause import outbox_status
from mrilu.queues.health import living_workers, trouble_of
from mrilu.queues.ledgers import ledgers_at_hand
from mrilu.queues.queues import NAMES, queue
from mrilu.queues.rules import mail_server_mark
from mrilu.runtime.beside import Beside
from mrilu.runtime.database import database
from mrilu.runtime.heartbeat import beats, last_beat
from mrilu.runtime.operators import operator_token
from mrilu.runtime.redis import redis_connection
from mrilu.service import up as service
from mrilu.service.roles import roles_here
from mrilu.service.roll_call import services
from mrilu.settings.current import current_settings
from mrilu.settings.roles import ROLES

# More names than this of a gap are only counted; --json has them all.
SHOWN_NAMES = 20
HEALS = "./run.sh rescan heals it"
READABLE = "they are read as soon as the service may (chmod, setfacl)"


def gather(exact: bool = False) -> dict[str, Any]:
    """Return all facts, ready for JSON; `exact` has each file of large Maildirs looked at now, too."""
    settings, db = current_settings(), database()
    # These two read a row for each message; at a million the command waits for little else.
    numbers, embeddings = Beside(lambda _: Message.numbers()), Beside(_embeddings)
    maildirs = ledgers_at_hand(exact)
    facts = {
        "level": all(one["level"] for one in maildirs if one["watched"]),
        "maildirs": maildirs,
        "rejected": Rejected.by_reason(),
        "parser": {"version": PARSER_VERSION, **count_outdated(database())._asdict()},
        "queues": [_queue(queue(name)) for name in NAMES],
        "workers": [_worker(worker) for worker in living_workers(redis_connection())],
        "trouble": trouble_of(redis_connection()),
        "watcher": last_beat("watcher"),
        "watchers": beats("watcher"),
        "scheduler": last_beat("scheduler"),
        "schedulers": [*beats("scheduler"), *beats("scheduler-standby")],
        "programs": service.states(),
        "services": services(redis_connection()),
        "runs": [_run(run) for run in JobRun.latest()],
        "notifications": outbox_status(db, mail_server_mark(settings)),
        "installation": service.install_progress(),
    }
    messages, reused = numbers.answer()
    more = {"messages": messages, "reused_message_ids": reused, "embeddings": embeddings.answer()}
    return facts | more


def _embeddings(db: PostgresqlDatabase) -> dict[str, Any]:
    settings = current_settings()
    return progress(db, settings.embedding_model) if settings.embeddings else {"state": "off"}


def _queue(one: Queue) -> dict[str, Any]:
    counts = {
        "waiting": one.count,
        "running": StartedJobRegistry(queue=one).get_job_count(cleanup=False),
        "to_retry": ScheduledJobRegistry(queue=one).get_job_count(cleanup=False),
        "failed": FailedJobRegistry(queue=one).get_job_count(cleanup=False),
    }
    return {"name": one.name, **counts}


def _worker(worker: BaseWorker) -> dict[str, Any]:
    return {
        "name": worker.name,
        "queues": worker.queue_names(),
        "state": str(worker.get_state()),
        "pid": worker.pid,
    }


def _run(run: JobRun) -> dict[str, Any]:
    seconds = (run.ended_at - run.started_at).total_seconds() if run.ended_at else None
    started = run.started_at.isoformat()
    return {
        "job": run.job,
        "started_at": started,
        "seconds": seconds,
        "outcome": run.outcome,
        "counts": run.counts,
    }


def show(facts: dict[str, Any], console: Console) -> None:
    """Print the facts for a person."""
    _show_ledger(facts, console)
    for one in facts["maildirs"]:
        _show_gap(one, console, held_up=bool(facts["trouble"]))
    for line in facts["trouble"]:
        console.print(visible(line), style="red", markup=False, highlight=False)
    rejected = (
        ", ".join(f"{reason} {count}" for reason, count in facts["rejected"].items()) or "none"
    )
    console.print(
        f"messages   {facts['messages']:,} (Message-IDs used again: {facts['reused_message_ids']})"
    )
    console.print(f"rejected   {rejected}")
    console.print(f"parser     {parser_line(facts['parser'])}")
    _show_services(facts["services"], console)
    for one in facts["watchers"] or [None]:
        _show_life(console, "watcher", one)
    for one in facts["schedulers"] or ([None] if "scheduler" in facts["programs"] else []):
        _show_life(console, "scheduler", one)
    console.print(f"outbox     {outbox_line(facts['notifications'])}", markup=False)
    console.print(f"embeddings {embeddings_line(facts['embeddings'])}", markup=False)
    console.print(f"web        {_web_line()}", markup=False, soft_wrap=True)
    _show_queues(facts, console)
    _show_runs(facts["runs"], console)
    _show_installation(facts["installation"], console)


def _show_services(found: list[dict[str, Any]], console: Console) -> None:
    """Print which hosts run what, where that is not all on one."""
    if len(found) < 2 and all(set(ROLES) <= set(one["roles"]) for one in found):
        return
    for one in found:
        line = f"service    {one['host']}: {', '.join(one['roles'])} ({one['data']})"
        console.print(visible(line), markup=False, soft_wrap=True)
    if lacking := [name for name in ROLES if all(name not in one["roles"] for one in found)]:
        line = f"           no host runs {', '.join(lacking)}"
        console.print(line, style="red", markup=False)


def _show_ledger(facts: dict[str, Any], console: Console) -> None:
    columns = ("on disk", "imported", "copies", "rejected", "waiting")
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Maildir")
    for name in (
        *columns[:1],
        "=",
        *columns[1:2],
        "+",
        *columns[2:3],
        "+",
        *columns[3:4],
        "+",
        *columns[4:],
        "",
    ):
        table.add_column(name if name not in "=+" else "", justify="right")
    for one in facts["maildirs"]:
        if "error" in one:
            table.add_row(
                escape(one["maildir"]), "?", "", f"{one['imported']:,}", "", f"{one['copies']:,}"
            )
            continue
        cells = [
            f"{one[key]:,}" for key in ("on_disk", "imported", "copies", "rejected", "waiting")
        ]
        row = [cells[0], "=", cells[1], "+", cells[2], "+", cells[3], "+", cells[4]]
        table.add_row(escape(one["maildir"]), *row, verdict(one))
    console.print(table)


def verdict(one: dict[str, Any]) -> str:
    """Return a word on a Maildir's ledger; one that is not watched is not expected to stay level."""
    aside = "" if one["watched"] else " (not watched)"
    if one["level"]:
        return f"[green]level[/]{aside}"
    if aside:
        return f"differs{aside}"
    return (
        "[red]gap[/]"
        if one["lost"] or one["stale"] or one["unreadable"] or one["held"]
        else "[yellow]working[/]"
    )


def vanished_lines(one: dict[str, Any]) -> Iterator[str]:
    """Yield a line on each mass vanishing of a Maildir, with what to do."""
    for part in one["vanished"]:
        where = f"folder {part['folder']}" if part["folder"] else "the Maildir"
        yield (
            f"{one['maildir']}: {part['files']:,} files vanished together from {where} on {part['since'][:16]}; "
            f"their messages are kept. Is a disk away? If they are gone: ./run.sh confirm-gone {one['maildir']}"
        )


def look_lines(one: dict[str, Any], now: datetime) -> Iterator[str]:
    """Yield a line on a ledger that is not of this moment: when it was drawn up, and what it does not see."""
    if one.get("checked_at"):
        at = datetime.fromisoformat(one["checked_at"])
        age = max(0, round((now - at).total_seconds()))
        yield (
            f"{one['maildir']}: as of {at.astimezone(UTC):%H:%M:%S} UTC, {age:,} s ago, all files by name; "
            "as of now, with sizes and times: ./run.sh status --exact"
        )


def passed_over_lines(one: dict[str, Any]) -> Iterator[str]:
    """Yield a line on each place of a Maildir whose files are not looked at; the first ones by name."""
    listed = one.get("passed_over", [])
    for part in listed[:SHOWN_NAMES]:
        where = part["place"] or "the top"
        yield f"{one['maildir']}: not looked at: {part['files']:,} in {where}: {part['what']}"
    if len(listed) > SHOWN_NAMES:
        yield f"{one['maildir']}: not looked at: {len(listed) - SHOWN_NAMES:,} more places (--json lists all)"


def _show_gap(one: dict[str, Any], console: Console, *, held_up: bool) -> None:
    for line in look_lines(one, datetime.now(UTC)):
        console.print(visible(line), markup=False, highlight=False, soft_wrap=True)
    for line in vanished_lines(one):
        console.print(visible(line), style="red", markup=False, highlight=False, soft_wrap=True)
    for line in passed_over_lines(one):
        console.print(visible(line), style="yellow", markup=False, highlight=False, soft_wrap=True)
    if "error" in one:
        console.print(visible(one["error"]), style="red", markup=False, highlight=False)
        return
    name = one["maildir"]
    heal = "it is healed when what is said below is" if held_up else HEALS
    for kind, what, advice in (
        ("lost", "on disk, but neither in the archive nor queued", heal),
        ("stale", "in the archive, but no longer on disk", heal),
        ("changed", "written since they were read", heal),
        ("unreadable", "folders that cannot be read", READABLE),
        (
            "held",
            f"not below {one['root']}, where another folder is now",
            f"mount the right one; if they are gone: ./run.sh confirm-gone {name}",
        ),
    ):
        more = one.get("more", {}).get(kind, 0)
        _names(console, f"{name}: {what}", one[kind], more, advice)


def _names(console: Console, title: str, listed: list[str], more: int, advice: str) -> None:
    """Print the first of the listed names; there are `more` that are not listed."""
    if not listed:
        return
    total = len(listed) + more
    line = f"{visible(title)} ({total:,}); {advice}:"
    console.print(line, style="red", markup=False, highlight=False, soft_wrap=True)
    for name in listed[:SHOWN_NAMES]:
        console.print(
            f"  {visible(name) or '(the top)'}", markup=False, highlight=False, soft_wrap=True
        )
    if left := total - len(listed[:SHOWN_NAMES]):
        console.print(f"  ... and {left:,} more (--exact --json lists all)")


def _show_life(console: Console, name: str, facts: dict[str, Any] | None) -> None:
    if facts is None:
        console.print(f"{name:<10} [red]not running[/]")
        return
    shown = " ".join(
        f"{key}={value}" for key, value in flat(facts) if key != "at" and value not in ("", None)
    )
    console.print(f"{name:<10} alive {visible(shown)}", markup=False)


def flat(facts: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of nested facts as ("maildirs.lists.mode", "inotify")."""
    for key, value in facts.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def parser_line(facts: dict[str, Any]) -> str:
    """Return which parser reads mail, and how many messages an older one read."""
    told = [f"version {facts['version']}"]
    if facts["waiting"]:
        told.append(f"{facts['waiting']:,} messages of an older one are to be read again")
    if facts["gone"]:
        told.append(f"{facts['gone']:,} messages of an older one have no file any more")
    return "; ".join(told)


def outbox_line(facts: dict[str, Any]) -> str:
    """Return the notifications by state, and why none goes out."""
    states = ", ".join(
        f"{value} {key}" for key, value in facts.items() if value and isinstance(value, int)
    )
    return "; ".join(filter(None, (states or "empty", facts["held_up"])))


def embeddings_line(facts: dict[str, Any]) -> str:
    """Return how far the embeddings are, with the time left while they are made."""
    if "waiting" not in facts:
        return " ".join(str(facts[key]) for key in ("state", "why") if key in facts)
    waiting, done = sum(facts["waiting"].values()), sum(facts["done"].values())
    speed = f", {facts['rate']:,.0f}/s, {facts['eta']} s left" if facts["rate"] else ""
    return f"{facts['state']}: {done:,} done, {waiting:,} waiting{speed} ({facts['model']})"


def _web_line() -> str:
    """Return where operators look, and what opens it; not in --json, which monitoring keeps."""
    settings = current_settings()
    if settings.web_address == "off":
        return "off"
    if "web" not in roles_here(settings):
        return "not on this host"
    if settings.operator_password:
        opened = "password: OPERATOR_PASSWORD"
    else:
        opened = f"password: {operator_token(redis_connection())}"
    return f"http://{settings.web_address}/rq any user name, {opened}"


def _show_queues(facts: dict[str, Any], console: Console) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("queue", "waiting", "running", "to retry", "failed", "workers"):
        table.add_column(name, justify="left" if name == "queue" else "right")
    for one in facts["queues"]:
        workers = sum(one["name"] in worker["queues"] for worker in facts["workers"])
        cells = [str(one[key]) for key in ("waiting", "running", "to_retry", "failed")]
        table.add_row(one["name"], *cells, str(workers))
    console.print(table)


def _show_runs(runs: list[dict[str, Any]], console: Console) -> None:
    if not runs:
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("last run of", "started (UTC)", "took", "outcome", "counts"):
        table.add_column(name)
    for run in runs:
        took = "" if run["seconds"] is None else f"{run['seconds']:.2f} s"
        counts = " ".join(f"{key}={value}" for key, value in run["counts"].items())
        table.add_row(
            run["job"], run["started_at"][:19].replace("T", " "), took, run["outcome"], counts
        )
    console.print(table)


def _show_installation(progress: dict[str, Any], console: Console) -> None:
    if progress["state"] == "done":
        return
    line = f"installing {progress['done']} of {progress['total']} {progress['package']} ({progress['state']})"
    console.print(f"background {line} {progress['error']}".rstrip(), markup=False)
