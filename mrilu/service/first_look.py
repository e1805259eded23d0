"""What a starting service says about the Maildirs: what is there, and when the archive is level with it."""

from __future__ import annotations

import logging
import os
import shlex
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from mrilu.maildir.errors import (
    MaildirError,
    MaildirMissing,
    MaildirUnreadable,
    NotAFolder,
    NotAMaildir,
)
from mrilu.maildir.names import kind_of, scan
from mrilu.service.account import Account
from mrilu.service.handing_over import hand_over
from mrilu.service.placement import program_folder
from mrilu.settings.fields import SettingError
from mrilu.settings.table import PROJECT, Settings

logger = logging.getLogger(__name__)

SAMPLES = PROJECT / "samples" / "mail"
LOOK_EVERY_SECONDS = 0.5
# A sample has no time of delivery of its own; a Maildir name starts with one (seconds since 1970).
SAMPLE_SECONDS = 1_700_000_000
ADVICE = {
    MaildirMissing: "mount or make it, or correct the path",
    NotAFolder: "name its folder, or take it in with ./run.sh import",
    MaildirUnreadable: "start as a user who may read it, or chmod or chgrp it so that you may",
    NotAMaildir: "name the folder that holds them; an empty Maildir begins with `mkdir {path}/cur {path}/new`",
}


def check(settings: Settings, account: Account) -> None:
    """Make the sample Maildir if MAILDIR_PATH is unset; raise SettingError for what the account cannot use."""
    from jobs.schedule import schedule
    from mrilu.queues.table import ScheduleError
    from mrilu.settings.current import use_settings

    use_settings(settings)
    try:
        schedule()
    except ScheduleError as error:
        raise SettingError(str(error)) from error
    if not settings.maildir_path and not settings.roles:
        make_sample(settings.data_dir / "Maildir", account)
    _refuse_unreadable(settings, account)
    for maildir in settings.maildirs:
        try:
            kind_of(maildir.path)
        except MaildirError as error:
            if not (isinstance(error, NotAMaildir) and (settings.data_dir / "instance").exists()):
                raise SettingError(f"MAILDIR_PATH: {error}; {advice(error)}") from error
            # a flat folder without mail looks the same: `agree` asks the database


def _refuse_unreadable(settings: Settings, account: Account) -> None:
    read = [("MAILDIR_PATH", one.path) for one in settings.maildirs]
    if settings.bounce_maildir is not None:
        read.append(("BOUNCE_MAILDIR", settings.bounce_maildir))
    for variable, path in read:
        if problem := unreadable_for(account, path):
            raise SettingError(f"{variable}: {problem}")


def unreadable_for(account: Account, path: Path) -> str:
    """Return what keeps the account from a Maildir that we can read, and the fix; "" if nothing does."""
    if not account.drops:
        return ""
    try:
        kind_of(path)
    except MaildirError:
        return ""  # not for us either: that is another line
    blocked = account.ask(lambda: _first_closed(path))
    if not blocked:
        return ""
    whole = shlex.quote(str(path))
    if Path(blocked) == path or Path(blocked).is_relative_to(path):
        mend = f"`setfacl -R -m u:{account.name}:rX,d:u:{account.name}:rX {whole}`"
    else:
        mend = f"`setfacl -m u:{account.name}:x {shlex.quote(blocked)}`, and as much for what is below it,"
    return (
        f"{path}: the account {account.name} (SERVER_USER), which reads mail when root starts the service, has no "
        f"permission for {blocked}: {mend} or a group of its own lets it in; or set SERVER_USER to the mail's owner"
    )


def _first_closed(path: Path) -> str:
    """Return the first folder on the way to a Maildir, or of its own, that this process cannot enter or list."""
    for folder in (*reversed(path.parents), path):
        if not os.access(folder, os.X_OK):
            return str(folder)
    for folder in (path, path / "new", path / "cur"):
        if folder.is_dir() and not os.access(folder, os.R_OK | os.X_OK):
            return str(folder)
    return ""


def advice(error: MaildirError) -> str:
    """Return what to do about a Maildir that cannot be used."""
    return ADVICE.get(type(error), "fix it, or name another folder").format(
        path=shlex.quote(error.path)
    )


def agree(settings: Settings) -> None:
    """Register the Maildirs once the database is there; raise SettingError for what it cannot agree to.

    A host without the role watcher registers none: its workers know a Maildir by its mark.
    """
    from mrilu.service.roles import has

    if not has(settings, "watcher"):
        return
    from mrilu.archive.registration import AnotherMaildir, NameTaken, register_watched
    from mrilu.runtime.database import database, disconnect
    from mrilu.settings.current import forget_settings, use_settings

    use_settings(settings)
    db = database()
    try:
        for maildir in settings.maildirs:
            with suppress(AnotherMaildir):  # the watcher waits for it, and says so
                register_watched(db, maildir.name, maildir.path)
    except NameTaken as error:
        raise SettingError(str(error)) from error
    except MaildirError as error:
        raise SettingError(f"MAILDIR_PATH: {error}; {advice(error)}") from error
    finally:
        disconnect()
        forget_settings()


def make_sample(root: Path, account: Account) -> None:
    """Create the Maildir `root`, the account's own, with our sample mails in it, unless it is there already."""
    if (root / "new").is_dir():
        if account.drops and not root.is_symlink():  # as an older version left it
            program_folder(root.parent, root.name, account)
        return
    made = Path(tempfile.mkdtemp(prefix=".Maildir-", dir=root.parent))
    for subdir in ("tmp", "cur", "new"):
        (made / subdir).mkdir()
    for number, sample in enumerate(sorted(SAMPLES.glob("*.eml"))):
        name = f"{SAMPLE_SECONDS + number}.{sample.stem}.mrilu"
        (made / "new" / name).write_bytes(sample.read_bytes())
    if account.drops:
        hand_over(made, account, os.geteuid())
    made.rename(root)


def report(settings: Settings) -> None:
    """Print what each Maildir holds and, once it is so, that the archive is level with it.

    Ends quietly when the servers go away in the meantime: then the service is being stopped.
    """
    import peewee
    import psycopg
    import redis

    try:
        _report(settings)
    except (peewee.PeeweeException, psycopg.Error, redis.RedisError, MaildirError) as error:
        logger.debug("first look ended: %s", error)


def _report(settings: Settings) -> None:
    from mrilu.settings.current import use_settings

    use_settings(settings)
    on_disk = 0
    for maildir in settings.maildirs:
        on_disk += (found := _count(maildir.path))
        print(
            f"Maildir {maildir.name} ({maildir.path}): {found:,} mails, watched by {maildir.watch}",
            flush=True,
        )
    if not settings.maildir_path and not settings.roles:
        print(
            "  these are samples; for your own mail: MAILDIR_PATH=/path/to/Maildir ./run.sh",
            flush=True,
        )
    _wait_for_level(time.monotonic(), on_disk)


def _count(root: Path) -> int:
    try:
        return sum(1 for _ in scan(root, []))
    except NotAMaildir:  # a flat folder that is empty
        return 0


def _wait_for_level(started: float, on_disk: int) -> None:
    from mrilu.queues.progress import Settling

    said = ""
    for step in Settling(LOOK_EVERY_SECONDS).steps():
        if isinstance(step, list):
            for one in step:
                seconds = time.monotonic() - started
                print(f"{level_line(one)} ({seconds:.1f} s after the start)", flush=True)
            return
        line = f"{step:,} mails are in since the start; {on_disk:,} lay there"
        if step and line != said and time.monotonic() - started > LOOK_EVERY_SECONDS:
            print(line, flush=True)
            said = line


def level_line(one: dict[str, Any]) -> str:
    """Return the ledger of one Maildir in a line: level, or what is missing."""
    if "error" in one:
        return f"{one['maildir']}: {one['error']}"
    sides = (
        f"{one['imported']:,} imported + {one['copies']:,} copies + {one['rejected']:,} rejected"
    )
    if one["level"]:
        return f"level: {one['maildir']}: {one['on_disk']:,} files on disk = {sides}"
    return f"not level: {one['maildir']}: {one['on_disk']:,} files on disk, {sides} + {one['waiting']:,} waiting"
