"""python -m watcher: wiring, and nothing else. Signals: SIGUSR1 and SIGHUP rescan, SIGTERM and SIGINT stop."""

import logging
import signal
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import cast

from models import Maildir
from mrilu.archive.places import forget_services
from mrilu.archive.registration import NameTaken, register_watched
from mrilu.archive.removal import remove_gone_messages
from mrilu.archive.vanishings import Bounds, note_vanishings
from mrilu.maildir.names import Kind
from mrilu.queues import ledgers, queues, recovery
from mrilu.queues.losses import Losses
from mrilu.runtime import heartbeat, logs
from mrilu.runtime.database import database, wait_at_most
from mrilu.runtime.errors import NotConfigured
from mrilu.runtime.host import service_name
from mrilu.runtime.rescans import asked_for
from mrilu.runtime.resting import rest_after
from mrilu.runtime.steps import run_each
from mrilu.settings.current import current_settings
from mrilu.settings.fields import SettingError
from watcher.observer import ObserverBroken
from watcher.service import SIGNALS, Archive, Refused, Watcher

logger = logging.getLogger("watcher")

LOCK_SECONDS = (
    10.0  # then upkeep is tried again; its beat, rescans and signals must not wait for a lock
)


def main() -> int:
    """Run the watcher; the exit code: 0 stopped by a signal, 1 broken (start again), 2 a setting is wrong."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        settings = current_settings()
        if settings.database_url is None or settings.redis_url is None:
            raise NotConfigured
        logs.log_as(settings)
        wait_at_most(lock=LOCK_SECONDS)
        maildirs = {one.name: (one.path, one.watch) for one in settings.maildirs}
        watcher = Watcher(maildirs, connect(tuple(maildirs)), settings)
        watcher.start()
    except (SettingError, NotConfigured) as error:
        print(error, file=sys.stderr)
        return 2
    try:
        return watcher.run()
    except Refused as error:
        print(error, file=sys.stderr)
        return 2
    except ObserverBroken as error:
        logger.critical("%s", error)
        watcher.stop()
        return 1


def connect(watched: tuple[str, ...]) -> Archive:
    """The archive as the watcher of these Maildirs needs it; nothing is opened before its first use."""
    return Archive(
        register=partial(_register, watched),
        missing=missing,
        submit=queues.submit_import,
        recover=partial(recover, LettingGo()),
        beat=lambda facts: heartbeat.beat("watcher", facts),
        lost=partial(_lost, Losses()),
        emptied=heartbeat.kept_nothing,
    )


def _lost(losses: Losses) -> list[str]:
    """Return the Maildirs that need a rescan: work for them was lost, or another host asks for it."""
    return [*asked_for(service_name(current_settings())), *losses.maildirs()]


def missing(maildir: str, root: Path) -> Iterable[str]:
    """Paths where disk and database differ and that no queued job has."""
    database()
    return ledgers.to_offer(maildir, root)


def recover(let_go: Callable[[], None]) -> int:
    """Put back what a dead worker left, hold back what vanished at once; let messages go if the site wants it so.

    The runs of other jobs, too: the only scheduler may have died with their worker's host.
    """
    found: list[int] = []
    run_each(
        (lambda: found.append(recovery.recover_imports()), recovery.recover_runs, let_go),
    )
    return sum(found)


class LettingGo:
    """Removes messages only after what vanished at once could be held back: one step, which fails as a whole.

    Where nothing is removed, mass vanishings are only told of, and looking for them takes a twentieth of the time.
    """

    def __init__(self) -> None:
        self._not_before = 0.0

    def __call__(self) -> None:
        """Look for mass vanishings, and remove what may go."""
        settings = current_settings()
        removes, began = settings.gone_files == "remove", time.monotonic()
        if not removes and began < self._not_before:
            return
        database()
        note_vanishings(database(), Bounds(settings.max_vanished, settings.vanished_hours))
        ended = time.monotonic()
        self._not_before = ended + rest_after(ended - began)
        if removes:
            remove_gone_messages(database())


def _register(watched: tuple[str, ...], name: str, root: Path) -> Kind:
    database()
    try:
        row = register_watched(database(), name, root)
    except NameTaken as error:
        raise Refused(str(error)) from error
    forget_services(one["service"] for one in heartbeat.beats("watcher"))
    Maildir.watch_only(watched)
    return cast(Kind, row.kind)


if __name__ == "__main__":
    sys.exit(main())
