"""Whom the servers run as: ourselves, or an unprivileged account when we are root."""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class ServerError(Exception):
    """An embedded server cannot be used; the message says which setting or path, and what to do."""


@dataclass(frozen=True)
class Account:
    """The account that owns the servers' files; `drops` tells whether we have to change to it."""

    name: str
    uid: int
    gid: int
    drops: bool

    def switch(self) -> dict[str, Any]:
        """Keyword arguments for subprocess that run a program as this account."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.drops else {}

    def run(
        self, command: list[str], *, text: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `command` to its end as this account, in a folder it can enter; raises ServerError if it fails."""
        done = self.attempt(command, text=text)
        if done.returncode:
            reason = (
                done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}"
            ).splitlines()[-1]
            raise ServerError(f"{Path(command[0]).name} failed as {self.name}: {reason}")
        return done

    def attempt(
        self, command: list[str], *, text: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `command` to its end as this account and return what happened; raises ServerError if it can't start."""
        try:
            return subprocess.run(
                command,
                input=text or "",
                capture_output=True,
                text=True,
                cwd="/",
                env=bare_environment(),
                **self.switch(),
            )
        except OSError as error:
            raise ServerError(
                f"cannot run {command[0]} as {self.name} (SERVER_USER): {error.strerror}"
            ) from error

    def reaches(self, path: Path) -> bool:
        """Whether this account can enter (a folder) or run (a file) `path`; asked of the kernel, so ACLs count."""
        if not self.drops:
            return os.access(path, os.X_OK)
        return self.attempt(["/bin/sh", "-c", 'test -x "$1"', "sh", str(path)]).returncode == 0

    def write(self, path: Path, text: str) -> None:
        """Write a file in a folder of this account, as this account: root never follows a link planted there."""
        self.run(
            ["/bin/sh", "-c", 'umask 077; cat > "$1.new" && mv -f "$1.new" "$1"', "sh", str(path)],
            text=text,
        )


def server_account(name: str) -> Account:
    """Return ourselves, or the account `name` (SERVER_USER) when we are root.

    Raises ServerError when that account does not exist or is root itself.
    """
    if os.geteuid() != 0:
        return Account(_own_name(), os.geteuid(), os.getegid(), drops=False)
    try:
        entry = pwd.getpwnam(name)
    except KeyError as error:
        raise ServerError(
            f"SERVER_USER: there is no account {name!r}; name an existing unprivileged one"
        ) from error
    if entry.pw_uid == 0:
        raise ServerError(
            "SERVER_USER: PostgreSQL refuses to run as root; name an unprivileged account such as nobody"
        )
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, drops=True)


def _own_name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError as error:
        raise ServerError(
            f"the user id {os.geteuid()} has no entry in the passwd database, which PostgreSQL's initdb needs: add one"
        ) from error


def bare_environment() -> dict[str, str]:
    """The environment of a server: nothing of the caller's, so that no PGHOST, LD_* or locale of theirs leaks in."""
    return {"PATH": os.environ.get("PATH") or os.defpath, "LC_ALL": "C", "TZ": "UTC"}
