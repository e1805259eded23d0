"""What a killed server left running is found and stopped."""

from __future__ import annotations

import subprocess
import sys
import time

import psutil
import psycopg

from mrilu.service.orphans import kill_orphans, left_running, stop_all
from mrilu.service.postgres import Cluster


def test_a_backend_whose_postmaster_was_killed_does_not_keep_the_next_one_from_starting(tmp_path):
    with Cluster(tmp_path / "server", durable=False) as cluster:
        with psycopg.connect(cluster.url) as link:
            backend = psutil.Process(link.info.backend_pid)
            before = [process.pid for process in left_running(tmp_path, [cluster.data])]
            assert before == [cluster.process.pid], (
                "one that has its postmaster is the postmaster's affair"
            )
            backend.suspend()  # as if it waited for a lock that no one releases
            cluster.kill9()
            left = left_running(tmp_path, [cluster.data])
            assert [process.pid for process in left] == [backend.pid]
            stop_all(left)
        cluster.process = None
        cluster.start(10)
        assert backend.pid not in [
            process.pid for process in left_running(tmp_path, [cluster.data])
        ]


def test_while_the_service_runs_only_backends_without_a_postmaster_are_killed(tmp_path):
    with Cluster(tmp_path / "server", durable=False) as cluster:
        with psycopg.connect(cluster.url) as link:
            backend = psutil.Process(link.info.backend_pid)
            assert cluster.alive() and kill_orphans([cluster.data]) == 0
            backend.suspend()
            cluster.kill9()
            assert not cluster.alive()
            assert kill_orphans([cluster.data]) >= 1
            backend.wait(10)
        cluster.process = None
        cluster.start(10)
        assert cluster.alive()


def test_a_process_that_nobody_buries_is_not_waited_for():
    script = "import subprocess, time; print(subprocess.Popen(['sleep', '60']).pid, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        try:
            child = psutil.Process(int(parent.stdout.readline()))
            began = time.monotonic()
            stop_all([child], patience=50)
            assert time.monotonic() - began < 25
            assert child.status() == psutil.STATUS_ZOMBIE, "or this tests nothing"
        finally:
            parent.kill()
