"""`./run.sh doctor`: everything that goes wrong in practice, looked at, with what to do."""

from __future__ import annotations

import json
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from email.utils import parseaddr
from functools import partial
from pathlib import Path
from typing import Any

import click

from mrilu.cli import terminal
from mrilu.cli.diagnosis import hosts, machine, outside, servers
from mrilu.cli.diagnosis.finding import ERROR, OK, WARNING, Finding, error, ok
from mrilu.cli.shown import visible
from mrilu.service.account import ServerError
from mrilu.settings.fields import MaildirSetting, SettingError
from mrilu.settings.load import load, secrets_of
from mrilu.settings.secrets import hidden, masked
from mrilu.settings.table import PROJECT, Settings

_MARKS = {OK: ("ok", "green"), WARNING: ("warning", "yellow"), ERROR: ("error", "red")}
Findings = Iterator[Finding]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="for scripts")
def doctor(as_json: bool) -> None:
    """Check settings, machine, servers, schedule, mail server, model; say what to do. Exit code 1 for an error."""
    found = examine()
    if as_json:
        print(json.dumps([one._asdict() for one in found], indent=1))
    else:
        show(found)
    sys.exit(1 if any(one.level == ERROR for one in found) else 0)


def examine() -> list[Finding]:
    """Make all checks that can be made; secrets are masked in whatever they say."""
    from mrilu.service.roles import as_started

    try:
        settings = as_started(load())
    except SettingError as problem:
        return [error(masked(f"settings: {problem}"), "the README's table has each setting")]
    found = [ok(f"settings: {_shown(settings)}")]
    for part in (of_machine, of_servers, of_outside):
        found += part(settings)
    return [_masked(one, secrets_of(settings)) for one in found]


def _shown(settings: Settings) -> str:
    """Return the settings that are not at their defaults; secrets by name only."""
    changed = []
    for one in fields(settings):
        value, variable = getattr(settings, one.name), one.metadata["variable"]
        if value != one.default:
            secret = one.metadata["secret"] and not variable.endswith("_URL")
            changed.append(f"{variable}={'***' if secret else masked(str(value))}")
    return " ".join(changed) or "all at their defaults"


def _masked(one: Finding, secrets: set[str]) -> Finding:
    return Finding(
        one.level, visible(hidden(one.what, secrets)), visible(hidden(one.advice, secrets))
    )


def of_machine(settings: Settings) -> Findings:
    """Check what needs no server."""
    from mrilu.service.install import installed, pins
    from mrilu.settings.load import secret_files

    yield machine.check_python()
    yield machine.check_packages([*pins("core"), *(pins("heavy") if installed("heavy") else ())])
    yield machine.check_data_folder(settings.data_dir)
    for variable, path in secret_files():
        yield machine.check_secret_file(variable, path)
    yield machine.check_disk(settings.data_dir)
    placed = replace(settings, data_dir=settings.data_dir.resolve())
    for one in placed.maildirs:
        yield from _as_our_programs(settings, partial(_of_maildir, one))
    watched = [one.path for one in settings.maildirs if one.watch == "inotify"]
    yield machine.check_inotify(sum(map(_folders, watched)))
    yield machine.check_zone(settings.timezone, machine.machine_zone())


def _of_maildir(one: MaildirSetting) -> list[Finding]:
    return [machine.check_maildir(one), *machine.check_passed_over(one)]


def _as_our_programs(settings: Settings, check: Callable[[], list[Finding]]) -> Findings:
    """Make checks as the account that reads mail, if root's service was started here."""
    from mrilu.service import instance

    answers = instance.account_of(settings).ask(lambda: [list(one) for one in check()])
    yield from (Finding(*one) for one in answers)


def _folders(root: Path) -> int:
    try:
        return 2 * sum(1 for one in root.iterdir() if one.is_dir())
    except OSError:
        return 0


def of_servers(settings: Settings) -> Findings:
    """Check what runs; when it cannot be reached, say only that."""
    from mrilu.cli.connect import ServiceDown, connect
    from mrilu.service import instance
    from mrilu.service import up as service
    from mrilu.service.roles import roles_here

    control = instance.noted(settings.data_dir).get("control")
    if control:
        yield outside.check_sockets(Path(control).parent)
    try:
        connect()
    except (ServerError, ServiceDown) as problem:
        what, _, advice = str(problem).rpartition(": ")
        yield error(what, advice)
        return
    runs = bool(service.states())
    for checks in (_servers, _programs, _ledger):
        for one in _answers(checks):
            yield servers.while_it_runs(one) if runs else one
    if "web" in roles_here(settings):
        yield outside.check_web(settings.web_address)


def _answers(checks: Callable[[], Findings]) -> Findings:
    """Run the checks that ask servers; a server that goes away ends them with a finding."""
    try:
        yield from checks()
    except Exception as problem:
        yield error(f"a server went away: {type(problem).__name__}", "see data/log, and ask again")


def _servers() -> Findings:
    from models import lack_of_vectors
    from mrilu.queues.health import refusal_of
    from mrilu.runtime.database import database
    from mrilu.runtime.redis import redis_connection
    from mrilu.service import waits
    from mrilu.service.checks import is_pooled

    link, redis = database().connection(), redis_connection()
    yield servers.check_waits([str(one) for one in waits.holders(link)])
    [extensions] = link.execute("SELECT array_agg(extname::text) FROM pg_extension").fetchone()
    yield servers.check_postgresql(link.info.server_version, extensions)
    yield servers.check_pooler(is_pooled(link))
    yield servers.check_vectors(lack_of_vectors(database()))
    yield servers.check_refusal(refusal_of(redis))
    facts: Any = redis.info()
    yield from servers.check_redis(facts, ours=not load().redis_url)
    ours = {path.stem for path in (PROJECT / "mrilu" / "migrations").glob("0*.py")}
    yield servers.check_schema(
        {name for (name,) in link.execute("SELECT name FROM schema_migration")}, ours
    )
    [theirs, newest] = link.execute(
        "SELECT extract(epoch FROM clock_timestamp())::float8, "
        "(SELECT extract(epoch FROM started_at)::float8 FROM job_run ORDER BY id DESC LIMIT 1)"
    ).fetchone()
    yield from _vanished()
    seconds, micro = redis.time()
    clocks = {"PostgreSQL": theirs, "Redis": seconds + micro / 1e6}
    yield servers.check_clocks(time.time(), clocks, newest)


def _vanished() -> Findings:
    from models import Maildir, Vanishing
    from mrilu.archive.folders import doubted_since
    from mrilu.runtime.sight import unseen_lately

    yield from machine.check_sight(unseen_lately())
    for one in Maildir.select().order_by(Maildir.name):
        files = sum(held.files for held in Vanishing.open_of(one.id))
        yield from machine.check_vanished(one.name, one.place, files, doubted_since(one))


def _programs() -> Findings:
    from models import JobRun
    from mrilu.queues.health import trouble_of
    from mrilu.runtime.redis import redis_connection
    from mrilu.settings.current import current_settings

    now, client = time.time(), redis_connection()
    yield from _hosts(current_settings(), now)
    yield servers.check_queues(trouble_of(client))
    yield servers.check_schedule(_due(), now)
    runs = JobRun.latest()
    yield servers.check_drift([(run.job, run.slot, run.started_at) for run in runs if run.slot])
    secrets = secrets_of(current_settings())  # before the errors are cut short
    yield servers.check_failures(
        {run.job: hidden(run.error, secrets) for run in runs if run.outcome == "failed"}
    )


def _hosts(settings: Settings, now: float) -> Findings:
    from mrilu.queues.health import living_workers
    from mrilu.queues.queues import NAMES
    from mrilu.runtime.heartbeat import beats
    from mrilu.runtime.host import service_name
    from mrilu.runtime.redis import redis_connection
    from mrilu.service.roles import roles_here
    from mrilu.service.roll_call import services
    from mrilu.settings.roles import ROLES, SERVES

    client, here = redis_connection(), service_name(settings)
    roles = roles_here(settings)
    watchers, leading, standby = map(beats, ("watcher", "scheduler", "scheduler-standby"))
    found = services(client)
    yield hosts.check_services(here, found)
    yield from hosts.check_spares(found)
    yield hosts.check_program("watcher", here, roles, watchers, now)
    yield hosts.check_program("scheduler", here, roles, [*leading, *standby], now)
    yield from hosts.check_doubles(watchers, standby)
    workers = living_workers(client)
    anywhere = Counter(name for one in workers for name in one.queue_names())
    own = (one for one in workers if one.hostname == socket.gethostname())
    if found:
        yield from hosts.check_unserved(found, embeddings=settings.embeddings)
    roles_of_any = hosts.served(found) or set(ROLES)
    yield servers.check_workers(
        anywhere, [name for name in NAMES if SERVES.get(name, name) in roles_of_any]
    )
    yield from hosts.check_workers_here(
        roles, Counter(name for one in own for name in one.queue_names()), anywhere
    )


def _ledger() -> Findings:
    from mrilu.queues.ledgers import ledgers

    for one in ledgers():
        if one["watched"] and "error" not in one:  # of_machine tells of a folder that is away
            yield servers.check_ledger(one)


def _due() -> dict[str, float | None]:
    from jobs.schedule import schedule
    from mrilu.queues.scheduler import PREFIX, TableScheduler
    from mrilu.runtime.redis import redis_connection

    client, key = redis_connection(), TableScheduler.scheduled_jobs_key
    return {row.id: client.zscore(key, f"{PREFIX}{row.id}") for row in schedule()}


def of_outside(settings: Settings) -> Findings:
    """Check the mail server, the model and who can see the pages."""
    from mrilu.embeddings.model import find_model, verify
    from mrilu.notifications.smtp import server_of
    from mrilu.service.install import installed
    from mrilu.service.roles import roles_here

    own_name = parseaddr(settings.mail_from)[1].rpartition("@")[2]
    url = settings.smtp_url
    yield outside.check_mail_server(
        server_of(url, settings.smtp_ca_file, min(settings.smtp_timeout, 10.0)) if url else None,
        own_name,
    )
    name = settings.embedding_model
    yield outside.check_model(
        settings.embeddings, installed("heavy"), lambda: verify(find_model(name))
    )
    if "web" in roles_here(settings):
        yield outside.check_reach(settings.web_address, settings.operator_password)
    yield outside.check_links(
        settings.site_url, bool(settings.smtp_url), settings.web_address != "off"
    )


def show(found: list[Finding]) -> None:
    """Print the findings for a person."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    console = terminal.console()
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for one in found:
        mark, colour = _MARKS[one.level]
        finding = Text(one.what)
        if one.advice:
            finding.append(f"\n→ {one.advice}", style="bold")
        table.add_row(Text(mark, style=colour), finding)
    console.print(table)
    counts = Counter(one.level for one in found)
    console.print(
        Padding(
            f"{counts[ERROR]} errors, {counts[WARNING]} warnings, {counts[OK]} ok", (1, 0, 0, 0)
        )
    )
