"""A plain `rq worker` of our .venv speaks JSON, runs no pickle, and runs no function but our jobs."""

import json
import os
import pickle
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Mapping
from pathlib import Path

import fakeredis
import pytest
import redis
import rq.worker
from rq import Queue
from rq.job import Job
from rq.registry import FailedJobRegistry
from rq.serializers import JSONSerializer
from rq.suspension import resume, suspend
from rq.webhook import Webhook

from jobs.schedule import SCHEDULE
from mrilu.queues.alive import BEAT_SECONDS, EVERY_SECONDS, PATIENCE
from mrilu.queues.queues import IMPORT_FUNCTION
from mrilu.service import install, rq_defaults
from mrilu.service.account import server_account
from mrilu.service.valkey import Server
from mrilu.settings.table import PROJECT


@pytest.fixture(scope="module")
def valkey(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("valkey") / "server") as server:
        yield server


@pytest.fixture
def link(valkey):
    with redis.Redis.from_url(valkey.url) as link:
        yield link
        link.flushall()


NOTHING: Mapping[str, str] = {}


def plain_worker(
    valkey: Server,
    folder: Path,
    *kind: str,
    cwd: Path | None = None,
    more: Mapping[str, str] = NOTHING,
    program: str = "worker",
    **environ: str,
) -> subprocess.CompletedProcess[str]:
    """`rq worker x --burst` with nothing set but the URL, by a Python that has the hook as setup leaves it."""
    (folder / f"{install.HOOK}.py").write_text(Path(rq_defaults.__file__).read_text())
    code = f"import {install.HOOK}; from rq.cli import main; main()"
    command = [
        sys.executable,
        "-P",
        "-c",
        code,
        program,
        "x",
        "--burst",
        *(kind or ("-w", "rq.SimpleWorker")),
    ]
    (folder / "jobs").mkdir()
    (folder / "jobs" / "__init__.py").touch()
    (folder / "jobs" / "add.py").write_text(
        "from operator import mul\n\n\ndef add(a, b):\n    return a + b\n"
    )
    (folder / "jobs" / "system.py").write_text("from os import system\n")
    for name, text in more.items():
        (folder / "jobs" / name).write_text(text)
    environment = {"RQ_REDIS_URL": valkey.url, "PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        command,
        env=environment | environ,
        cwd=cwd or folder,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_plain_worker_runs_a_json_job(valkey, link, tmp_path):
    job = Queue("x", connection=link, serializer=JSONSerializer).enqueue("jobs.add.add", 40, 2)
    done = plain_worker(valkey, tmp_path)
    assert done.returncode == 0, done.stderr
    assert Job.fetch(job.id, connection=link, serializer=JSONSerializer).return_value() == 42


@pytest.mark.parametrize("program", [("worker", "--burst"), ("worker-pool", "--burst", "-n", "1")])
def test_a_worker_that_starts_before_redis_waits_for_it(tmp_path, program):
    server = Server(tmp_path / "late")
    name, *more = program
    command = [sys.executable, "-P", "-m", "rq.cli", name, "x", *more, "-w", "rq.SimpleWorker"]
    environ = {"RQ_REDIS_URL": server.url, "PYTHONPATH": str(PROJECT), "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) as waiting:
        try:
            assert any("Redis is away, waiting for it" in line for line in waiting.stderr)
            assert waiting.poll() is None
            with server:
                _, told = waiting.communicate(timeout=60)
                assert waiting.returncode == 0, told
        finally:
            waiting.kill()


def until(holds):
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline


@pytest.mark.parametrize("program", ["worker", "worker-pool"])
def test_a_worker_that_starts_while_all_are_suspended_waits_to_be_resumed(valkey, link, program):
    queue = Queue("x", connection=link, serializer=JSONSerializer)
    queue.enqueue("jobs.add.add")  # that there is no such job is soon known
    suspend(link)
    command = [sys.executable, "-P", "-m", "rq.cli", program, "x", "-w", "rq.SimpleWorker"]
    environ = {"RQ_REDIS_URL": valkey.url, "PYTHONPATH": str(PROJECT), "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(command, env=environ) as waiting:
        try:
            until(lambda: [one.get_state() for one in rq.worker.Worker.all(link)] == ["suspended"])
            assert waiting.poll() is None and queue.count == 1
            resume(link)
            until(lambda: FailedJobRegistry(queue=queue).count)
        finally:
            waiting.terminate()


def test_a_lost_link_is_tried_again_within_seconds_and_a_silent_one_is_given_up(monkeypatch):
    monkeypatch.setattr("rq.worker.base.time.sleep", lambda seconds: None)
    worker = rq.worker.SimpleWorker(["x"], connection=fakeredis.FakeRedis())
    assert worker.max_connection_wait_time == rq_defaults.PAUSE <= 5
    assert worker.dequeue_timeout < worker.connection_timeout <= 25
    assert PATIENCE["socket_timeout"] + EVERY_SECONDS < BEAT_SECONDS
    for error in (redis.ConnectionError("closed"), redis.TimeoutError("silent")):
        worker._pubsub_exception_handler(error, None, None)  # raises what ends the thread


def test_a_pickled_payload_is_refused_not_run(valkey, link, tmp_path):
    touched = tmp_path / "touched"

    class Evil:
        def __reduce__(self):
            return (Path.touch, (touched,))

    class PickleSerializer:
        @staticmethod
        def dumps(value):
            return pickle.dumps(Evil())

        loads = staticmethod(pickle.loads)

    job = Queue("x", connection=link, serializer=PickleSerializer).enqueue("operator.add", 40, 2)
    done = plain_worker(valkey, tmp_path)
    assert done.returncode == 0, done.stderr
    assert not touched.exists()
    assert Job(job.id, connection=link, serializer=JSONSerializer).get_status() == "failed"


def test_the_hook_itself_imports_no_rq_and_sets_the_defaults_when_rq_comes(tmp_path):
    (tmp_path / "hook.py").write_text(Path(rq_defaults.__file__).read_text())
    code = (
        "import sys, hook; assert not [m for m in sys.modules if m == 'rq' or m.startswith('rq.')]\n"
        "from rq import Queue, defaults; from rq.serializers import JSONSerializer, resolve_serializer\n"
        "assert resolve_serializer(None) is JSONSerializer\n"
        "assert defaults.DEFAULT_SERIALIZER_CLASS.endswith('JSONSerializer')\n"
        "assert (defaults.DEFAULT_WORKER_TTL, defaults.DEFAULT_MAINTENANCE_TASK_INTERVAL) == (30, 30)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


OURS = "jobs.add.add"
HOSTILE = {
    "os.system": {},
    "builtins.exec": {},
    "jobs.add.mul": {},
    "jobs.system.system": {},
    "jobs.schedule.schedule": {},
    "jobs.add.add.__globals__": {},
    "evil.evil": {},
    "format": {"instance": "x"},
    f"{OURS} on success": {"success_callback_name": "os.system"},
    f"{OURS} on failure": {"failure_callback_name": "evil.evil"},
    f"{OURS} when stopped": {"stopped_callback_name": "os.system"},
}


@pytest.mark.parametrize("kind", [("-w", "rq.SimpleWorker"), ("-w", "rq.Worker")])
def test_a_job_that_names_anything_but_a_job_of_ours_fails_and_the_worker_goes_on(
    valkey, link, tmp_path, kind
):
    (tmp_path / "evil.py").write_text("open('ran', 'w')\n")
    queue = Queue("x", connection=link, serializer=JSONSerializer)
    jobs = {}
    for name, more in HOSTILE.items():
        jobs[name] = queue.enqueue(OURS, 40, 2).id
        named = {key: value for key, value in more.items() if key != "instance"}
        told = [
            name.partition(" ")[0],
            more.get("instance"),
            [40, 2] if named else ["touch ran"],
            {},
        ]
        link.hset(
            f"rq:job:{jobs[name]}",
            mapping={"data": zlib.compress(json.dumps(told).encode()), **named},
        )
    good = queue.enqueue(OURS, 40, 2)
    done = plain_worker(valkey, tmp_path, *kind)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "ran").exists()
    for name, one in jobs.items():
        job = Job.fetch(one, connection=link, serializer=JSONSerializer)
        result = job.latest_result()
        assert job.get_status() == "failed", name
        assert result is not None and "ValueError: " in result.exc_string, name
        refused = next(iter({**HOSTILE[name], "instance": ""}.values())) or name
        assert repr(refused) in result.exc_string, name
    assert Job.fetch(good.id, connection=link, serializer=JSONSerializer).return_value() == 42


def test_the_functions_that_the_hook_lets_through_are_the_schedules_and_the_import():
    folder = Path(rq_defaults.__file__).parents[2] / "jobs"
    named = {
        f"jobs.{file.stem}.{file.stem}"
        for file in folder.glob("*.py")
        if f"\ndef {file.stem}(" in file.read_text()
    }
    assert {name for name in named if rq_defaults._JOB.fullmatch(name)} == {
        *(row.function for row in SCHEDULE),
        IMPORT_FUNCTION,
    }


def test_the_scheduler_takes_no_queues_class_from_redis():
    from rq_scheduler import scheduler

    with pytest.raises(ValueError, match="names no class"):
        scheduler.import_attribute("os.system")


def test_no_web_hook_of_a_job_is_called(valkey, link, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        job = Queue("x", connection=link, serializer=JSONSerializer).enqueue(OURS, 40, 2)
        hook = Webhook(url, job_status="finished")
        link.hset(f"rq:job:{job.id}", "webhooks", json.dumps([hook.to_dict()]))
        assert plain_worker(valkey, tmp_path).returncode == 0
        with pytest.raises(TimeoutError):
            server.accept()
    assert Job.fetch(job.id, connection=link, serializer=JSONSerializer).webhooks


def test_a_plain_worker_imports_nothing_from_the_callers_folder(valkey, link, tmp_path):
    code, caller = tmp_path / "code", tmp_path / "caller"
    for folder in (code, caller):
        folder.mkdir()
    ran = caller / "ran"
    (caller / "only_here.py").write_text(f"open({str(ran)!r}, 'w')\n")
    job = Queue("x", connection=link, serializer=JSONSerializer).enqueue("jobs.add.add", 40, 2)
    lost = Queue("x", connection=link, serializer=JSONSerializer).enqueue("jobs.lost.lost")
    made = (
        "from importlib.util import find_spec\n\n\ndef lost():\n"
        "    assert find_spec('only_here') is None\n"
    )
    done = plain_worker(valkey, code, cwd=caller, more={"lost.py": made})
    assert done.returncode == 0, done.stderr
    for one in (job, lost):
        assert Job.fetch(one.id, connection=link, serializer=JSONSerializer).is_finished, (
            done.stderr
        )
    assert not ran.exists()


MEMORY = (
    "import resource\n\n\ndef memory():\n    return resource.getrlimit(resource.RLIMIT_AS)[0]\n"
)


@pytest.mark.parametrize(("name", "bounded"), [("default", True), ("x", True), ("embed", False)])
def test_a_job_of_a_plain_worker_has_its_memory_bounded(valkey, link, tmp_path, name, bounded):
    job = Queue(name, connection=link, serializer=JSONSerializer).enqueue("jobs.memory.memory")
    kind, more = ("-w", "rq.Worker"), {"memory.py": MEMORY}
    done = plain_worker(valkey, tmp_path, *kind, name, more=more, WORKER_MEMORY="3G")
    assert done.returncode == 0, done.stderr
    limit = Job.fetch(job.id, connection=link, serializer=JSONSerializer).return_value()
    assert (limit == 3 << 30) is bounded


WHO = """import os


def who():
    parent = os.stat(f"/proc/{os.getppid()}").st_uid
    return [os.getuid(), os.geteuid(), os.umask(0), parent]
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root drops")
@pytest.mark.parametrize("program", ["worker", "worker-pool"])
def test_a_worker_that_root_starts_by_hand_becomes_the_account_that_env_names(
    valkey, link, program
):
    folder = Path(
        tempfile.mkdtemp(prefix="mrilu-")
    )  # unlike pytest's own, the account can enter it
    folder.chmod(0o755)
    try:
        job = Queue("x", connection=link, serializer=JSONSerializer).enqueue("jobs.who.who")
        done = plain_worker(
            valkey, folder, more={"who.py": WHO}, program=program, SERVER_USER="nobody"
        )
        assert done.returncode == 0, done.stderr
        uid = server_account("nobody").uid
        answer = Job.fetch(job.id, connection=link, serializer=JSONSerializer).return_value()
        # a pool is the parent of its workers, and no more root's than they are
        assert answer == [uid, uid, 0o077, 0 if program == "worker" else uid]
    finally:
        shutil.rmtree(folder)
