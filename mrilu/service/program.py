"""Run one of our programs with what it may have: `python -P -m mrilu.service.program --instance=DATA ACCOUNT NAME ...`.

ACCOUNT is whom it becomes ("-": it stays who it is), NAME its row in SECRETS, and what follows the module with its
arguments. Supervisor starts each program this way. It is the same process to its end: nothing is executed anew, so what
it learns here is in its memory and in no environment that the kernel shows (proc(5), /proc/PID/environ).
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import runpy
import sys
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from mrilu.service.account import Account, ServerError, server_account
from mrilu.settings.fields import SettingError
from mrilu.settings.load import load, secret_of, secret_variables

_PR_SET_DUMPABLE = 4
_SERVERS = frozenset({"DATABASE_URL", "REDIS_URL"})
# Which secrets a program gets. With WEB_DATABASE_URL, the web gets that in DATABASE_URL's place.
SECRETS: Mapping[str, frozenset[str]] = {
    "install": frozenset({"REDIS_URL"}),  # to say that the model is there
    "watcher": _SERVERS,
    "mail": _SERVERS,
    "default": _SERVERS,
    "notify": _SERVERS | {"SMTP_URL", "TOKEN_SECRET"},
    "embed": _SERVERS,
    "scheduler": _SERVERS,
    "web": _SERVERS | {"WEB_DATABASE_URL", "OPERATOR_PASSWORD", "METRICS_TOKEN", "TOKEN_SECRET"},
}
KEEPS = frozenset({"supervisor"})  # whose environment stays what it is: it hands it on


def secrets_for(name: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the secrets that the program may have, read from their files or `environ`; raises SettingError."""
    wanted = SECRETS[name]
    found = {one: value for one in wanted if (value := secret_of(one, environ))}
    if "WEB_DATABASE_URL" in found:
        found["DATABASE_URL"] = found["WEB_DATABASE_URL"]
    if "REDIS_URL" in found:  # rq's own programs look here
        found["RQ_REDIS_URL"] = found["REDIS_URL"]
    return found


def withheld(name: str, *, web_has_its_own: bool) -> list[str]:
    """Return the variables that a program is not even started with; for the web, the owner's URL may be one."""
    kept = SECRETS.get(name, frozenset()) - (
        {"DATABASE_URL"} if name == "web" and web_has_its_own else set()
    )
    secrets = [one for one in secret_variables() if one not in kept]
    return [*secrets, *(f"{one}_FILE" for one in secrets)]


def leave_only(environ: MutableMapping[str, str], secrets: Mapping[str, str]) -> None:
    """Make `environ` hold these secrets and no others."""
    for variable in (*secret_variables(), "RQ_REDIS_URL"):
        environ.pop(variable, None)
        environ.pop(f"{variable}_FILE", None)
    environ.update(secrets)


def close_memory() -> None:
    """Keep others of the same account from this process's memory and environment (prctl(2), PR_SET_DUMPABLE)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def settle(account: Account, data: Path) -> None:
    """Make this process one of the account's, with a home and temporary files that the account may write."""
    account.become()
    if account.drops:
        os.environ |= {"HOME": str(data / "home"), "USER": account.name, "LOGNAME": account.name}
        for variable in ("TMPDIR", "TEMP", "TMP"):
            if not os.access(os.environ.get(variable, "/"), os.W_OK | os.X_OK):
                os.environ.pop(variable, None)


def leave_root() -> None:
    """Make a worker that root started by hand one of SERVER_USER's, which `./run.sh env` names.

    Where nothing names one it stays root's, and says so. Raises ServerError, SettingError.
    """
    if os.geteuid() != 0:
        return
    if not os.environ.get("SERVER_USER"):
        print(
            'this worker runs as root: eval "$(./run.sh env)" or SERVER_USER changes that',
            file=sys.stderr,
        )
        return
    now = load()
    settle(server_account(now.server_user), now.data_dir.resolve())
    os.umask(0o077)


def main(arguments: list[str]) -> int:
    """Become what the arguments say; the exit code is the program's, 2 if a setting is wrong."""
    instance, account, name, *command = arguments
    data = Path(instance.partition("=")[2])
    try:
        if name not in KEEPS:
            secrets = secrets_for(name, os.environ)
            if account != "-":
                settle(server_account(account), data)
            leave_only(os.environ, secrets)
    except (SettingError, ServerError) as error:
        print(error, file=sys.stderr)
        return 2
    close_memory()
    os.umask(0o077)
    _run(command)
    return 0


def _run(command: list[str]) -> None:
    """Run a module (`-m NAME`) or a file of Python in this process."""
    if sys.platform == "linux":
        # a pool's workers are forks: an executed one would carry the secrets in its environment
        multiprocessing.set_start_method("fork")
    if command[0] == "-m":
        sys.argv = command[1:]
        runpy.run_module(command[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = command
        runpy.run_path(command[0], run_name="__main__")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
