"""The systemd unit and the compose file: what they run exists, and each role starts with what they give it."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from mrilu.service import roles
from mrilu.service.programs import WARM_SECONDS
from mrilu.settings.fields import SettingError
from mrilu.settings.load import load
from mrilu.settings.roles import ROLES
from mrilu.settings.table import PROJECT

UNIT = PROJECT / "packaging" / "systemd" / "mrilu@.service"
COMPOSE = PROJECT / "packaging" / "compose.yaml"
PLACE = "/opt/mrilu"
SERVERS = {"DATABASE_URL": "postgresql://u:p@h/d", "REDIS_URL": "redis://h"}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is missing")
@pytest.mark.parametrize("role", ROLES)
def test_systemd_finds_nothing_wrong_with_the_unit_of_a_role(role: str, tmp_path: Path) -> None:
    text = UNIT.read_text()
    # the place that the text names is on no machine of ours
    text = text.replace(f"{PLACE}/.venv/bin/python", shutil.which("true") or "/bin/true")
    unit = tmp_path / f"mrilu@{role}.service"
    unit.write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True
    )
    of_ours = [line for line in (done.stdout + done.stderr).splitlines() if "mrilu" in line]
    assert not of_ours


def test_the_unit_runs_the_command_that_there_is_as_nobody_special() -> None:
    service = _service()
    command = service["ExecStart"].split()
    assert command == [f"{PLACE}/.venv/bin/python", "-P", "-m", "mrilu.cli", "up", "--only", "%i"]
    assert service["User"] == "mrilu" and service["NoNewPrivileges"] == "yes"
    assert service["ProtectSystem"] == "strict" and service["Restart"] == "always"
    assert int(service["TimeoutStopSec"]) > 5 * WARM_SECONDS


def _service() -> configparser.SectionProxy:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[method-assign,assignment]
    parser.read_string(UNIT.read_text())
    return parser["Service"]


def _compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return found


def test_compose_runs_each_role_once_with_what_it_needs() -> None:
    services = _compose()["services"]
    assert set(services) - {"postgresql", "valkey"} == set(ROLES)
    for role in ROLES:
        one = services[role]
        assert one["command"] == ["up", "--only", role]
        environ = {name: _filled(value) for name, value in one["environment"].items()}
        roles.check(load({**environ, "ROLES": role}))


@pytest.mark.parametrize("role", ["watcher", "mail", "default", "web"])
def test_compose_gives_the_mails_files_to_those_that_read_them(role: str) -> None:
    one = _compose()["services"][role]
    assert "${MAILDIR:?}:/mail:ro" in one["volumes"]
    assert one["environment"]["MAILDIR_PATH"] == "lists=/mail"


def _filled(value: str) -> str:
    """Return a value as compose would give it, with each variable that must be set as x."""
    return re.sub(r"\$\{\w+:\?\}", "x", re.sub(r"\$\{\w+:-\}", "", value))


def test_compose_declares_the_volumes_that_it_names() -> None:
    compose = _compose()
    named = {
        volume.partition(":")[0]
        for one in compose["services"].values()
        for volume in one["volumes"]
        if volume[0] not in "/$."
    }
    assert named == set(compose["volumes"])
    assert all("image" in one for one in compose["services"].values())


@pytest.mark.parametrize("role", ROLES)
def test_a_role_starts_with_its_own_settings_and_says_which_one_it_lacks(role: str) -> None:
    own = {"watcher": {"MAILDIR_PATH": "/m"}, "mail": {"MAILDIR_PATH": "/m"}}.get(role, {})
    whole = {"ROLES": role, **SERVERS, **own}
    roles.check(load(whole))
    for lacking in (*SERVERS, *own):
        rest = {name: value for name, value in whole.items() if name != lacking}
        with pytest.raises(SettingError, match=f"{lacking} is not set.*{role}"):
            roles.check(load(rest))
