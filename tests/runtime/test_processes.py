"""A process is known by more than its number."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from mrilu.runtime import processes
from mrilu.runtime.processes import is_running, start_of, this_process


def test_a_process_runs_until_it_ended():
    place = this_process().rsplit(":", 2)[0]
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        name = f"{place}:{child.pid}:{start_of(child.pid)}"
        assert is_running(name) and is_running(this_process())
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert is_running(name) is False  # a zombie
    assert is_running(name) is False


def test_another_process_of_that_number_is_another():
    place, pid, start = this_process().rsplit(":", 2)
    assert is_running(f"{place}:{pid}:{int(start) - 1}") is False


def test_the_same_number_after_a_reboot_is_another():
    place, pid, start = this_process().rsplit(":", 2)
    host = place.partition("@")[0]
    assert is_running(f"{host}@another:{pid}:{start}") is False
    assert is_running(f"{host}:{pid}:{start}")  # as older versions wrote it


def test_of_another_hosts_process_nothing_is_known():
    assert is_running("elsewhere.example:1:1") is None
    assert is_running(f"{this_process().rpartition(':')[0]}:") is None
    assert processes.start_of(2**22 + 1) == ""


def test_a_process_of_another_container_of_the_same_name_is_not_ours_to_look_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours = this_process()
    assert is_running(ours) is True
    monkeypatch.setattr("mrilu.runtime.processes._namespace", lambda: "4026532999")
    assert is_running(ours) is None  # its beat decides
    assert is_running(this_process()) is True
