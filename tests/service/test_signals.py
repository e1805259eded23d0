"""Waiting for a check to hold, while children end and signals come."""

import subprocess
import sys
import textwrap

from mrilu.settings.table import PROJECT

FRONT = """
import os, signal, subprocess, threading, time
from mrilu.service.signals import Signals
signals = Signals()
"""


def run(code: str) -> str:
    """Run code with a `signals` in a process of its own, whose signal handlers it sets; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", FRONT + textwrap.dedent(code)],
        cwd=PROJECT,
        env={"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert not done.returncode, done.stderr
    return done.stdout.strip()


def test_a_check_that_runs_a_program_rests_between_two_looks():
    # the end of each program is a signal, which once woke the rest after it: a look each two milliseconds
    code = """
        looks = []
        def holds():
            subprocess.run(["true"])
            looks.append(time.monotonic())
            return len(looks) == 4
        assert signals.until(holds, pause=0.1)
        print(all(later - first >= 0.1 for first, later in zip(looks, looks[1:])))
    """
    assert run(code) == "True"


def test_a_request_to_stop_during_a_check_ends_the_wait_at_once():
    code = """
        print(signals.until(lambda: os.kill(os.getpid(), signal.SIGTERM), pause=3600))
    """
    assert run(code) == "False"


def test_a_request_to_stop_ends_a_rest():
    code = """
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        signals.sleep(3600)
        print(signals.stop)
    """
    assert run(code) == "True"


def test_the_end_of_a_child_ends_a_rest():
    code = """
        child = subprocess.Popen(["sleep", "0.2"])
        signals.sleep(3600)
        print(signals.stop)
        child.wait()
    """
    assert run(code) == "False"
