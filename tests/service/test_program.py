"""What each program of ours becomes, and what it is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from mrilu.service.account import server_account
from mrilu.service.placement import short_folder
from mrilu.service.program import SECRETS, leave_only, secrets_for
from mrilu.settings.fields import SettingError
from mrilu.settings.load import secret_variables
from mrilu.settings.table import PROJECT

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root drops")
OWNER = "postgresql://owner:hush-owner@h/d"
WEB = "postgresql://web:hush-web@h/d"
ALL = {
    "DATABASE_URL": OWNER,
    "REDIS_URL": "redis://:hush-redis@h",
    "WEB_DATABASE_URL": WEB,
    "SMTP_URL": "smtp://u:hush-smtp@h",
    "OPERATOR_PASSWORD": "hush-operator",
    "METRICS_TOKEN": "hush-metrics",
    "TOKEN_SECRET": "hush-token",
}
# Says what it is and has, and waits for the end of its input.
SPY = """
import json, os, sys
print(json.dumps({"uid": os.getuid(), "gid": os.getgid(), "groups": os.getgroups(), "environ": dict(os.environ),
                  "umask": os.umask(0), "argv": sys.argv}), flush=True)
sys.stdin.read()
"""


def test_the_table_names_every_secret_and_no_other():
    assert set(secret_variables()) == set(ALL)
    assert set().union(*SECRETS.values()) == set(ALL)


@pytest.mark.parametrize(
    ("name", "variables"),
    [
        ("watcher", {"DATABASE_URL", "REDIS_URL"}),
        ("mail", {"DATABASE_URL", "REDIS_URL"}),
        ("embed", {"DATABASE_URL", "REDIS_URL"}),
        ("scheduler", {"DATABASE_URL", "REDIS_URL"}),
        ("default", {"DATABASE_URL", "REDIS_URL"}),
        ("notify", {"DATABASE_URL", "REDIS_URL", "SMTP_URL", "TOKEN_SECRET"}),
        (
            "web",
            {
                "DATABASE_URL",
                "REDIS_URL",
                "WEB_DATABASE_URL",
                "OPERATOR_PASSWORD",
                "METRICS_TOKEN",
                "TOKEN_SECRET",
            },
        ),
    ],
)
def test_a_program_gets_the_secrets_that_it_needs_and_no_others(name, variables):
    found = secrets_for(name, ALL)
    assert found.pop("RQ_REDIS_URL") == ALL["REDIS_URL"]
    assert set(found) == variables


def test_the_web_gets_no_owners_url_where_it_has_its_own():
    assert secrets_for("web", ALL)["DATABASE_URL"] == WEB
    assert OWNER not in secrets_for("web", ALL).values()
    assert secrets_for("web", {"DATABASE_URL": OWNER})["DATABASE_URL"] == OWNER


def test_of_the_environment_only_those_secrets_are_left(tmp_path):
    (tmp_path / "token").write_text("hush\n")
    environ = {**ALL, "TOKEN_SECRET_FILE": str(tmp_path / "token"), "TIMEZONE": "UTC"}
    leave_only(environ, secrets_for("notify", environ))
    assert environ["TOKEN_SECRET"] == "hush" and environ["TIMEZONE"] == "UTC"
    assert "OPERATOR_PASSWORD" not in environ and "TOKEN_SECRET_FILE" not in environ


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(SettingError, match="DATABASE_URL_FILE: cannot read .*gone"):
        secrets_for("mail", {"DATABASE_URL_FILE": str(tmp_path / "gone")})


@contextmanager
def program(
    name: str, account: str, **environ: str
) -> Iterator[tuple[subprocess.Popen[str], dict[str, object]]]:
    """A program of ours that spies on itself."""
    place = short_folder(Path(f"/spy-{os.getpid()}"))
    spy = place / "spy.py"
    spy.write_text(SPY)
    spy.chmod(0o644)
    command = [sys.executable, "-P", "-m", "mrilu.service.program", f"--instance={place}", account]
    known = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), "TMPDIR": str(place)}
    process = subprocess.Popen(
        [*command, name, str(spy), "word"],
        env=known | environ,
        cwd=place,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stdin and process.stdout and process.stderr
        line = process.stdout.readline()
        assert line, process.stderr.read()
        yield process, json.loads(line)
    finally:
        process.kill()
        process.communicate()
        spy.unlink()
        place.rmdir()


def test_no_environment_shows_a_secret_that_was_given_by_file(tmp_path):
    (tmp_path / "db").write_text(OWNER)
    with program("mail", "-", DATABASE_URL_FILE=str(tmp_path / "db")) as (process, told):
        assert told["environ"]["DATABASE_URL"] == OWNER and told["argv"][1:] == ["word"]
        shown = Path(f"/proc/{process.pid}/environ")
        assert shown.stat().st_uid == 0, "closed to others of the same account"
        if os.geteuid() == 0:
            assert b"hush" not in shown.read_bytes()
        assert "hush" not in " ".join(psutil.Process(process.pid).cmdline())


def test_what_it_writes_is_closed_to_others():
    with program("mail", "-") as (_, told):
        assert told["umask"] == 0o077


@as_root
def test_a_program_of_roots_is_the_accounts_and_its_environment_closed_to_that_one(tmp_path):
    account = server_account("nobody")
    (tmp_path / "db").write_text(OWNER)  # where the account cannot look
    file = str(tmp_path / "db")
    with program("mail", "nobody", DATABASE_URL_FILE=file) as (process, told):
        assert (told["uid"], told["gid"]) == (account.uid, account.gid)
        assert 0 not in told["groups"] and told["environ"]["DATABASE_URL"] == OWNER
        assert told["environ"]["USER"] == "nobody" and "TMPDIR" not in told["environ"]
        look = account.attempt(["/bin/cat", f"/proc/{process.pid}/environ"])
        assert look.returncode != 0 and "denied" in look.stderr


@as_root
def test_root_cannot_be_had_back():
    again = "import os\ntry:\n    os.setuid(0)\nexcept PermissionError:\n    print('gone')\n"
    code = f"from mrilu.service.account import server_account; server_account('nobody').become()\n{again}"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={"PYTHONPATH": str(PROJECT), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "gone\n", done.stderr
