"""Checks of the machine: permissions, inotify's limits, versions, disk, memory for workers, time zone."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path

from mrilu.cli.diagnosis.finding import Finding, error, ok, warning
from mrilu.maildir.errors import FolderUnreadable, MaildirError
from mrilu.maildir.file_systems import without_events
from mrilu.maildir.names import kind_of, scan
from mrilu.maildir.passed_over import BELOW, DEEP, LINK, MBOX, MH, OUTSIDE, passed_over
from mrilu.settings.fields import MaildirSetting

GIGABYTE = 1024**3
LEAST_FREE = 0.5 * GIGABYTE
COMFORTABLE = 5 * GIGABYTE
LEAST_PYTHON = (3, 11)
PASSED_OVER = {
    BELOW: "move them into new/ or cur/ itself",
    OUTSIDE: "move them into new/ or cur/",
    DEEP: "add that folder to MAILDIR_PATH",
    MH: "convert them to a Maildir (Python's mailbox module, mblaze, Dovecot's dsync)",
    MBOX: "./run.sh import FILE takes one in",
    LINK: "mount what it leads to in its place (mount --bind), or add that to MAILDIR_PATH",
}
ROOM = 1.5  # of inotify's limit: what we need, and others


def check_maildir(maildir: MaildirSetting) -> Finding:
    """Look whether the Maildir is there, is one, and can be read by us, folder by folder."""
    unreadable: list[FolderUnreadable] = []
    try:
        kind = kind_of(maildir.path)
        count = sum(1 for _ in scan(maildir.path, unreadable, kind))
    except MaildirError as problem:
        return error(
            f"Maildir {maildir.name}: {problem}",
            "set MAILDIR_PATH to a Maildir that this user can read",
        )
    if unreadable:
        names = ", ".join(one.folder or "(the top)" for one in unreadable[:3])
        return error(
            f"Maildir {maildir.name}: {len(unreadable)} folders cannot be read: {names}",
            f"let user id {os.geteuid()} enter and list them (chmod, setfacl), or start as their owner",
        )
    watch = maildir.watch
    if watch == "inotify" and (system := without_events(maildir.path)):
        watch = f"polled, since {system} sends no events of what others write"
    return ok(f"Maildir {maildir.name}: {count:,} mails in {maildir.path} ({kind}, {watch})")


def check_sight(reports: Iterable[Mapping[str, str]]) -> Iterator[Finding]:
    """Look whether workers of some host could not see files of a Maildir lately (`host`, `maildir`, `reason`)."""
    for one in reports:
        yield warning(
            f"Maildir {one['maildir']}: {one['host']} could not see files of it lately: {one['reason']}",
            f"mount it on {one['host']} and let its workers read it, or run no workers of the queue mail there",
        )


def check_passed_over(maildir: MaildirSetting) -> Iterator[Finding]:
    """Look for what lies in the Maildir, looks like mail, and is not looked at."""
    try:
        listed = passed_over(maildir.path, kind_of(maildir.path))
    except MaildirError:  # `check_maildir` says so
        return
    for what in sorted({one.what for one in listed}):
        some = [one for one in listed if one.what == what]
        names = ", ".join(one.place or "(the top)" for one in some[:3])
        more = ", ..." if len(some) > 3 else ""
        files = sum(one.files for one in some)
        told = f"Maildir {maildir.name}: not looked at: {files:,} in {names}{more}: {what}"
        yield warning(told, PASSED_OVER[what])


def check_vanished(name: str, root: str, files: int, doubted: bool) -> Iterator[Finding]:
    """Check whether many files of a Maildir vanished together, or another folder is in its place."""
    confirm = f"if they are gone: ./run.sh confirm-gone {name}"
    if doubted:
        what = f"Maildir {name}: another folder is at {root}, without the known mails"
        yield error(what, f"mount the right one; {confirm}")
    if files:
        what = f"Maildir {name}: {files:,} files vanished together; their messages are kept"
        yield error(what, f"is a disk away? Mount it; {confirm}")


def check_data_folder(data: Path) -> Finding:
    """Look whether the data folder is ours, and closed to others."""
    try:
        found = data.stat()
    except OSError as problem:
        return error(
            f"DATA_DIR: {data}: {problem.strerror}",
            "start the service once with ./run.sh, or set DATA_DIR",
        )
    if found.st_uid != os.geteuid():
        return error(
            f"DATA_DIR: {data} belongs to user id {found.st_uid}", "run ./run.sh as that user"
        )
    if not os.access(data, os.W_OK):
        return error(f"DATA_DIR: {data} cannot be written to", f"chmod u+rwx {data}")
    if found.st_mode & 0o066:
        return warning(
            f"DATA_DIR: others can read {data} (mode {found.st_mode & 0o777:04o})",
            f"chmod go-rw {data}",
        )
    return ok(f"data folder {data}")


def check_secret_file(variable: str, path: Path) -> Finding:
    """Look whether the file that holds a secret is closed to others."""
    try:
        mode = path.stat().st_mode & 0o777
    except OSError as problem:
        return error(f"{variable}: {path}: {problem.strerror}", f"create it, or unset {variable}")
    if mode & 0o004:
        return warning(
            f"{variable}: everybody can read {path} (mode {mode:04o})", f"chmod 600 {path}"
        )
    return ok(f"{variable}: {path} is closed to others")


def check_inotify(folders: int, limits: Path = Path("/proc/sys/fs/inotify")) -> Finding:
    """Compare the folders to watch with the kernel's limit; without inotify the watcher polls."""
    try:
        most = int((limits / "max_user_watches").read_text())
        instances = int((limits / "max_user_instances").read_text())
    except (OSError, ValueError):
        return warning("inotify: this system has none", "set WATCH_MODE=poll")
    if folders * ROOM > most:
        return error(
            f"inotify: {folders:,} folders to watch, and {most:,} watches a user",
            f"sysctl fs.inotify.max_user_watches={max(524_288, folders * 4)}",
        )
    if instances < 16:
        return warning(
            f"inotify: only {instances} instances a user",
            "sysctl fs.inotify.max_user_instances=128",
        )
    return ok(f"inotify: {folders:,} folders to watch, {most:,} watches a user")


def check_disk(
    folder: Path, free_of: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free
) -> Finding:
    """Look how much room is left where data grows: a full disk stops PostgreSQL."""
    try:
        free = free_of(folder)
    except OSError as problem:
        return error(
            f"disk of {folder}: {problem.strerror}",
            "start the service once with ./run.sh, or set DATA_DIR",
        )
    text = f"disk of {folder}: {free / GIGABYTE:.1f} GB free"
    if free < LEAST_FREE:
        return error(
            text,
            "make room, or set DATA_DIR to another disk: the service does not start below 0.5 GB",
        )
    return warning(text, "free some space soon") if free < COMFORTABLE else ok(text)


def check_python(version: tuple[int, ...] = tuple(sys.version_info[:3])) -> Finding:
    """Look whether Python is new enough."""
    text = f"Python {'.'.join(map(str, version))}"
    return (
        ok(text)
        if version >= LEAST_PYTHON
        else error(text, "install Python 3.11 or newer, and remove .venv")
    )


def check_packages(
    pins: Iterable[str], installed: Callable[[str], str] = metadata.version
) -> Finding:
    """Compare the packages in the .venv with the pinned versions (of those that this Python needs)."""
    wrong = []
    for pin in pins:
        name, _, version = pin.partition(";")[0].strip().partition("==")
        try:
            found = installed(name.partition("[")[0])
        except metadata.PackageNotFoundError:
            found = "" if ";" not in pin else version
        # As pip compares: 2.13.0+cpu is a build of the pinned 2.13.0 (PEP 440, "Version matching").
        public = found if "+" in version else found.partition("+")[0]
        if public.replace("-", ".") != version.replace("-", "."):
            wrong.append(f"{name} {found or 'is missing'} ({version} is pinned)")
    if wrong:
        return error(
            f"packages: {len(wrong)} differ: {', '.join(wrong[:3])}",
            "./run.sh setup installs those",
        )
    return ok("packages are those of requirements.txt")


def check_zone(wanted: str, machines: str) -> Finding:
    """Compare TIMEZONE, which decides the schedule's midnight, with the machine's own zone ("" if unknown)."""
    if machines not in ("", wanted, "UTC", "Etc/UTC"):
        return warning(
            f"time zone: midnight is that of {wanted}, and this machine is in {machines}",
            f"set TIMEZONE={machines} if the schedule should follow this machine",
        )
    return ok(f"time zone {wanted}: cron times and the site's midnight are in it")


def machine_zone(link: Path = Path("/etc/localtime")) -> str:
    """Return the name of the machine's time zone, "" when it is unknown."""
    _, _, name = str(link.resolve()).partition("/zoneinfo/")
    return name if link.exists() else ""
