"""python -m watcher: wiring, and nothing else. Signals: SIGUSR1 and SIGHUP rescan, SIGTERM and SIGINT stop."""

import logging
import signal
import sys
from functools import partial
from pathlib import Path

from jobs import heartbeat, ledger, logs, queues, recovery, resources
from jobs.archive.removal import remove_gone_messages
from models import Maildir
from settings import SettingError
from watcher.maildir import MaildirError
from watcher.observe import ObserverBroken
from watcher.service import SIGNALS, Archive, Watcher

logger = logging.getLogger("watcher")


def main() -> int:
    """Run the watcher; the exit code: 0 stopped by a signal, 1 broken (start again), 2 a setting is wrong."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        settings = resources.settings()
        if settings.database_url is None or settings.redis_url is None:
            raise resources.NotConfigured
        logs.log_as(settings)
        maildirs = {one.name: (one.path, one.watch) for one in settings.maildirs}
        watcher = Watcher(maildirs, connect(tuple(maildirs)), settings)
        watcher.start()
    except (SettingError, resources.NotConfigured) as error:
        print(error, file=sys.stderr)
        return 2
    except MaildirError as error:
        print(f"MAILDIR_PATH: {error}", file=sys.stderr)
        return 2
    try:
        return watcher.run()
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
        recover=recover,
        beat=lambda facts: heartbeat.beat("watcher", facts),
        emptied=heartbeat.kept_nothing,
    )


def missing(maildir: str, root: Path) -> list[str]:
    """Paths where disk and database differ and that no queued job has."""
    # The queue first: a job that ends in between has its rows in the database by then, at worst a path comes twice.
    queued = queues.queued_paths().get(maildir, set())
    resources.database()
    return [path for path in ledger.difference(root, maildir).paths if path not in queued]


def recover() -> int:
    """Put back what a dead worker left, and, if the site wants it so, let messages go with their last file."""
    recovered = recovery.recover_imports()
    if resources.settings().gone_files == "remove":
        remove_gone_messages(resources.database())
    return recovered


def _register(watched: tuple[str, ...], name: str, root: Path, kind: str) -> None:
    resources.database()
    Maildir.register(name, str(root), kind)
    Maildir.watch_only(watched)


if __name__ == "__main__":
    sys.exit(main())
