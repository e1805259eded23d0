"""Whom the servers and our programs run as: ourselves, or an unprivileged account when we are root."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OWN = "mrilu"  # the account of our own, made at root's first start
SPARE = "nobody"  # where no account can be made; other daemons may run as it, too


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
        """Tell whether this account can enter (a folder) or run (a file) `path`; asked of the kernel, so ACLs count."""
        if not self.drops:
            return os.access(path, os.X_OK)
        return self.attempt(["/bin/sh", "-c", 'test -x "$1"', "sh", str(path)]).returncode == 0

    def become(self) -> None:
        """Make this process one of this account's, for good, with the groups that the account is in.

        A program gets these groups, a server does not: a Maildir may be open to a group.
        """
        if not self.drops:
            return
        os.initgroups(self.name, self.gid)
        os.setgid(self.gid)
        os.setuid(self.uid)

    def ask(self, question: Callable[[], Any]) -> Any:
        """Return what `question` answers (what JSON can hold) as this account; raises ServerError if it fails.

        It is asked in a child process, so that this one stays what it is. The answer is not trusted with more
        than being JSON.
        """
        if not self.drops:
            return question()
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            self._answer(question, writer)
        os.close(writer)
        with open(reader, "rb") as answers:
            answer = answers.read()
        os.waitpid(child, 0)
        if not answer:
            raise ServerError(
                f"cannot look as {self.name} (SERVER_USER): the look ended without an answer"
            )
        return json.loads(answer)

    def _answer(self, question: Callable[[], Any], writer: int) -> None:
        try:
            self.become()
            with open(writer, "wb") as answers:
                answers.write(json.dumps(question()).encode())
        finally:
            os._exit(0)  # nothing of the parent's is flushed or ended twice

    def write(self, path: Path, text: str) -> None:
        """Write a file in a folder of this account, as this account: root never follows a link planted there."""
        self.run(
            ["/bin/sh", "-c", 'umask 077; cat > "$1.new" && mv -f "$1.new" "$1"', "sh", str(path)],
            text=text,
        )


def server_account(name: str) -> Account:
    """Return ourselves, or the account `name` (SERVER_USER) when we are root; ours is made if it is not there.

    Raises ServerError when that account does not exist or is root itself.
    """
    if os.geteuid() != 0:
        return Account(_own_name(), os.geteuid(), os.getegid(), drops=False)
    entry = _entry(name) or (_made() if name == OWN else None)
    if entry is None:
        raise ServerError(
            f"SERVER_USER: there is no account {name!r}; name an existing unprivileged one"
        )
    if entry.pw_uid == 0:
        raise ServerError(
            "SERVER_USER: PostgreSQL refuses to run as root; name an unprivileged account such as mrilu"
        )
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, drops=True)


def _entry(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _made() -> pwd.struct_passwd | None:
    """Make the account OWN: no password, no shell, no home. Where that cannot be done, return SPARE."""
    commands = (
        [
            "useradd",
            "--system",
            "--user-group",
            "--no-create-home",
            "--home-dir",
            "/nonexistent",
            "--shell",
            "/usr/sbin/nologin",
            OWN,
        ],
        ["adduser", "-S", "-D", "-H", "-h", "/nonexistent", "-s", "/sbin/nologin", OWN],  # BusyBox
    )
    path = os.pathsep.join((os.environ.get("PATH") or os.defpath, "/usr/sbin", "/sbin"))
    for command in commands:
        program = shutil.which(command[0], path=path)
        if program is None:
            continue
        done = subprocess.run(
            [program, *command[1:]],
            capture_output=True,
            cwd="/",
            env={**bare_environment(), "PATH": path},
        )
        if done.returncode == 0 or _entry(OWN):  # or another start made it
            print(
                f"made the system account {OWN}, which all but the supervisor runs as", flush=True
            )
            return _entry(OWN)
    print(
        f"cannot make the account {OWN}; {SPARE} stands in, which other programs may run as, too: "
        "make one, or name one in SERVER_USER",
        flush=True,
    )
    return _entry(SPARE)


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
