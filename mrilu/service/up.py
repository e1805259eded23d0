"""`./run.sh up`: everything in order, in the foreground, until it is stopped."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from mrilu.runtime.errors import first_line
from mrilu.service import (
    checks,
    first_look,
    instance,
    programs,
    roles,
    roll_call,
    starting,
    waits,
)
from mrilu.service.account import ServerError, server_account
from mrilu.service.instance import Instance
from mrilu.service.log_tail import advice, last_words
from mrilu.service.orphans import PROGRAM_SECONDS, left_running, stop_all
from mrilu.service.placement import reachable_data
from mrilu.service.postgres import Cluster
from mrilu.service.program import close_memory
from mrilu.service.programs import Program, wanted
from mrilu.service.signals import Signals
from mrilu.service.supervisor import Supervisor, launch, program_states
from mrilu.service.upkeep import QueueFile, Sockets, free_cluster
from mrilu.service.valkey import Server
from mrilu.settings.fields import SettingError
from mrilu.settings.load import load
from mrilu.settings.roles import parts_of
from mrilu.settings.table import PROJECT, Settings

RETRY_SECONDS = 15.0  # for a server that ends at once to be tried again
LOOK_SECONDS = 2.0  # between two looks at the servers: whether they live, can read their files, have their sockets


def up(only: str = "") -> int:
    """Start the service, stay until SIGINT or SIGTERM, stop it in order; returns the exit code.

    `only` stands in for the setting ROLES: the roles of this host, with commas between.
    """
    began = time.monotonic()
    signals = Signals()
    try:
        settings = load(ROLES=only) if only else load()
        roles.check(settings)
        settings = _placed(settings)
        with checks.only_one(settings.data_dir):
            first_look.check(settings, server_account(settings.server_user))
            return _serve(settings, signals, began)
    except (ServerError, SettingError) as error:
        print(f"mrilu: {error}", file=sys.stderr)
        return 1


def _placed(settings: Settings) -> Settings:
    """Return the settings with the data folder where the account that all runs as can enter it."""
    os.umask(0o077)
    close_memory()
    account = server_account(settings.server_user)
    data = checks.usable_folder(settings.data_dir, account)
    with checks.only_one(data):  # not while another version serves from there
        data = reachable_data(data, account)
    checks.closed_to_others(data, account)
    return replace(settings, data_dir=data)


def _serve(settings: Settings, signals: Signals, began: float) -> int:
    service = instance.of(settings)
    for folder in service.disks():
        checks.enough_room(folder)
    _tidy(service, "a killed supervisor")
    if roles.has(settings, "web"):
        checks.usable_address(settings.web_address)
    if not _prepare(service, signals):
        return 0
    mended = _mender(service)
    supervisor = _launch(service)
    try:
        if _start(service, supervisor, signals, mended):
            _announce(service, time.monotonic() - began)
            _look_after(service, supervisor, signals, mended)
    finally:
        ended = not supervisor.alive
        _stop(supervisor)
        if ended:
            _tidy(service, "a killed supervisor")
        else:  # such as the fork of a worker that had to be killed
            _tidy(service, "a killed worker", patience=0.5)
    if ended:
        for folder in service.disks():
            checks.enough_room(folder, checks.FULL)
        raise ServerError(
            f"the supervisor ended by itself: see {service.data / 'log' / 'supervisord.log'}"
        )
    return 0


def _tidy(service: Instance, whose: str, patience: float = PROGRAM_SECONDS) -> None:
    """Stop what still runs of this instance: two servers on one folder would be the end of it."""
    leftovers = left_running(service.data, service.server_marks())
    if leftovers:
        _say(f"stopping {len(leftovers)} processes that {whose} left running")
        stop_all(leftovers, patience)
    (service.data / "supervisord.pid").unlink(missing_ok=True)


def _prepare(service: Instance, signals: Signals) -> bool:
    """Look at the servers; those of others may have to start first. Returns False when asked to stop meanwhile."""
    if service.cluster:
        service.cluster.prepare()
    elif not starting.when_started(
        lambda: checks.usable_database(str(service.settings.database_url)), signals, _say
    ):
        return False
    if not service.valkey and not starting.when_started(
        lambda: _look_at_redis(service), signals, _say
    ):
        return False
    service.note()
    return True


def _look_at_redis(service: Instance) -> None:
    for warning in checks.usable_redis(str(service.settings.redis_url)):
        _say(f"warning: {warning}")


def _mender(service: Instance) -> Callable[..., None]:
    """Return what sets Valkey's damaged file aside and says so, with whatever else was mended."""
    log = service.data / "log" / "valkey.log"
    queue_file = QueueFile(service.valkey, log) if service.valkey else None

    def mended(*lines: Iterator[str]) -> None:
        for line in chain(queue_file.mend() if queue_file else (), *lines):
            _say(line)

    return mended


def _launch(service: Instance) -> Supervisor:
    text = programs.configuration(
        place=service.place,
        data=service.data,
        control=service.control,
        servers=list(service.server_programs()),
        account=service.account,
        programs=_programs(service),
        mail_workers=service.settings.mail_workers,
        web_has_its_own=bool(service.settings.web_database_url),
    )
    file = service.data / "supervisord.conf"
    file.write_text(text)
    return launch(
        file, service.control, service.environment(), service.data / "log" / "supervisord.out"
    )


def _programs(service: Instance) -> list[Program]:
    settings = service.settings
    return wanted(PROJECT, settings.roles, default_workers=settings.default_workers)


def _start(
    service: Instance, supervisor: Supervisor, signals: Signals, mended: Callable[..., None]
) -> bool:
    """Wait for the servers, migrate, start our programs; returns False when asked to stop in the meantime."""
    # Asked for something, supervisor starts the servers at once; else its loop rests for a second first.
    if not signals.until(lambda: bool(supervisor.states()) or not supervisor.alive):
        return False
    for name, server in (("postgresql", service.cluster), ("valkey", service.valkey)):
        if server is None:
            continue

        def ready(server: Cluster | Server = server) -> bool:
            mended()
            return server.ready()

        if not _wait_for_server(service, supervisor, signals, name, ready):
            return False
    if not _bring_up_to_date(service, signals) or signals.stop:
        return False
    began = time.time()
    names = [one.name for one in _programs(service)]
    if _all_installed():
        names = [name for name in names if name != "install"]
    supervisor.start(programs.APP, names)
    return _wait_for_programs(service, supervisor, signals, began)


def _wait_for_server(
    service: Instance,
    supervisor: Supervisor,
    signals: Signals,
    name: str,
    ready: Callable[[], bool],
) -> bool:
    """Wait as long as the server runs (recovery takes its time), or may come to run; False when asked to stop."""
    deadline = time.monotonic() + RETRY_SECONDS
    telling, words = starting.Telling(_say), service.data / "log" / f"{name}.log"

    def settled() -> bool:
        if ready() or _given_up(supervisor, name, time.monotonic() > deadline):
            return True
        telling.tell(lambda: f"waiting for {name}: {starting.progress_of(words)}")
        if telling.told:
            signals.sleep(starting.PAUSE)
        return False

    if not signals.until(settled):
        return False
    if ready():
        return True
    log = words if supervisor.alive else service.data / "log" / "supervisord.log"
    raise ServerError(f"{name} does not start: {last_words(log)} (see {log}){advice(log)}")


def _given_up(supervisor: Supervisor, name: str, late: bool) -> bool:
    """Tell whether there is no hope; after a kill -9 PostgreSQL's first tries meet its stale lock, so not at once."""
    return not supervisor.alive or (
        late and supervisor.states().get(name) in ("BACKOFF", "FATAL", "EXITED")
    )


def _look_after(
    service: Instance, supervisor: Supervisor, signals: Signals, mended: Callable[..., None]
) -> None:
    """Say that the service runs, and mend what can be, until it ends or is to stop."""
    if roles.has(service.settings, "watcher"):
        threading.Thread(target=first_look.report, args=(service.reached,), daemon=True).start()
    sockets, sign = Sockets(service), roll_call.Sign(service.reached)
    while supervisor.alive and not signals.stop:
        sign.give(supervisor.states())
        signals.sleep(LOOK_SECONDS)
        mended(sockets.mend(), free_cluster(service))
    sign.take_back()


def _bring_up_to_date(service: Instance, signals: Signals) -> bool:
    """Migrate and register the Maildirs, for as long as it takes; return False when asked to stop before its end.

    In a thread of its own, since a lock that someone holds may keep it waiting for ever.
    """
    url = str(service.reached.database_url)
    ended: list[Exception | None] = []

    def work() -> None:
        try:
            _agree(service)
        except Exception as error:
            ended.append(error)
        else:
            ended.append(None)

    threading.Thread(target=work, name="schema", daemon=True).start()
    telling = starting.Telling(_say)

    def settled() -> bool:
        if not ended:
            telling.tell(lambda: f"waiting for PostgreSQL: {waits.told(url)}")
        return bool(ended)

    if not signals.until(settled):
        return False
    if ended[0] is not None:
        raise ended[0]
    return True


def _agree(service: Instance) -> None:
    """Bring the schema up to date; a host that watches says what it watches."""
    variable = "POSTGRES_BIN" if service.cluster else "DATABASE_URL"
    _migrate(str(service.reached.database_url), variable)
    if roles.has(service.settings, "watcher"):
        first_look.agree(service.reached)


def _migrate(url: str, variable: str) -> None:
    import peewee
    import psycopg

    import models
    from mrilu import migrations

    try:
        migrations.apply(models.bind(url))
        with models.db.connection_context():
            lack = models.lack_of_vectors(models.db)
    except (peewee.PeeweeException, psycopg.Error) as error:
        raise ServerError(
            f"{variable}: cannot bring the schema up to date there: {first_line(error)}"
        ) from error
    if lack:
        _say(f"no search by meaning: {lack}")


def _wait_for_programs(
    service: Instance, supervisor: Supervisor, signals: Signals, began: float
) -> bool:
    """Wait until the workers are known to Redis; says what is wrong after a while, and goes on."""
    from mrilu.service.workers import wait_for_workers

    if not wait_for_workers(service, signals, began):
        return False
    amiss = [name for name, state in supervisor.states().items() if state in ("BACKOFF", "FATAL")]
    for name in amiss:
        log = service.data / "log" / f"{name}.log"
        _say(f"{name} keeps ending: {last_words(log)} (see {log})")
    return True


def _announce(service: Instance, seconds: float) -> None:
    _say(f"mrilu is up after {seconds:.1f} s")
    if service.settings.roles:
        _say(f"  {'roles':<12}{', '.join(service.settings.roles)}")
    for name, path in service.places():
        _say(f"  {name:<12}{path}")
    _say(
        '  look at it: ./run.sh status;  use it: eval "$(./run.sh env)"; psql "$DATABASE_URL"; rq info'
    )
    _say("  stop it: Ctrl-C")


def _say(text: str) -> None:
    """Print for whoever looks; a terminal that was closed is not a reason to leave things half done."""
    with contextlib.suppress(OSError):
        print(text, flush=True)


def _stop(supervisor: Supervisor) -> None:
    if supervisor.alive:
        _say("stopping ...")
    supervisor.stop()


def _all_installed() -> bool:
    from mrilu.service.install import installed

    return installed("heavy")


def environment() -> dict[str, str]:
    """Return the servers' URLs, DATA_DIR, SERVER_USER and PATH for a shell; raises ServerError, SettingError."""
    return instance.environment_of(load())


def install_progress() -> dict[str, Any]:
    """Return how far the background installation is: state (done, running, waiting, missing), package, done, total."""
    from mrilu.service.install import pins

    total = len(pins("heavy"))
    if _all_installed() or "heavy" not in parts_of(roles.noted_here()):
        return {"state": "done", "package": "", "done": total, "total": total, "error": ""}
    try:
        return dict(json.loads((load().data_dir / "install.json").read_text()))
    except (OSError, ValueError):
        return {"state": "missing", "package": "", "done": 0, "total": total, "error": ""}


def states() -> dict[str, str]:
    """Return the state of each supervised program, in supervisor's words; empty when the service is down."""
    control = instance.noted(load().data_dir).get("control")
    return program_states(Path(control)) if control else {}


def stop(seconds: float = 60.0) -> bool:
    """Stop the service that runs in the data folder, and wait for its end; returns False when none runs."""
    data = load().data_dir
    if not (data / "lock").exists():
        return False
    deadline = time.monotonic() + seconds
    asked = False
    while time.monotonic() < deadline:
        try:
            checks.only_one(data).close()
            return asked
        except ServerError:
            holder = (data / "lock").read_text().strip()
            if not asked and holder.isdecimal():
                with contextlib.suppress(ProcessLookupError):  # it has just ended
                    os.kill(int(holder), signal.SIGTERM)
                asked = True
            time.sleep(0.1)
    raise ServerError(f"the service in {data} did not stop within {seconds:.0f} s")
