"""A plain `rq worker` of our .venv speaks JSON, and runs no pickle."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import redis
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer

from mrilu.service import install, rq_defaults
from mrilu.service.valkey import Server


@pytest.fixture(scope="module")
def valkey(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("valkey") / "server") as server:
        yield server


@pytest.fixture
def link(valkey):
    with redis.Redis.from_url(valkey.url) as link:
        yield link
        link.flushall()


def plain_worker(valkey: Server, folder: Path) -> subprocess.CompletedProcess[str]:
    """`rq worker x --burst` with nothing set but the URL, by a Python that has the hook as setup leaves it."""
    (folder / f"{install.HOOK}.py").write_text(Path(rq_defaults.__file__).read_text())
    code = f"import {install.HOOK} as h; h.ALSO.append('operator.add'); from rq.cli import main; main()"
    command = [sys.executable, "-c", code, "worker", "x", "--burst", "-w", "rq.SimpleWorker"]
    environment = {"RQ_REDIS_URL": valkey.url, "PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, timeout=60
    )


def test_a_plain_worker_runs_a_json_job(valkey, link, tmp_path):
    job = Queue("x", connection=link, serializer=JSONSerializer).enqueue("operator.add", 40, 2)
    done = plain_worker(valkey, tmp_path)
    assert done.returncode == 0, done.stderr
    assert Job.fetch(job.id, connection=link, serializer=JSONSerializer).return_value() == 42


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
        "assert (defaults.DEFAULT_WORKER_TTL, defaults.DEFAULT_MAINTENANCE_TASK_INTERVAL) == (45, 30)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "kind", ["function", "builtin", "on_success", "on_failure", "instance", "module"]
)
def test_what_is_no_job_of_ours_is_refused_and_the_worker_goes_on(kind, valkey, link, tmp_path):
    touched = tmp_path / "touched"
    line, ours = f"touch {touched}", Queue("x", connection=link, serializer=JSONSerializer)
    job = Job.create(
        "operator.add", args=(40, 2), connection=link, serializer=JSONSerializer, origin="x"
    )
    if kind in ("function", "builtin", "module"):
        names = {
            "function": "os.system",
            "builtin": "eval",
            "module": "jobs.import_messages.os.system",
        }
        job.func_name, job.args = names[kind], (line,)
    elif kind == "instance":
        job._instance, job.func_name, job.args = "coi", "upper", ()
    else:
        setattr(job, f"_{kind.removeprefix('on_')}_callback_name", "os.system")
        job.args = (40, 2) if kind == "on_success" else ("40", 2)
    job.save()
    ours.enqueue_job(job)
    after = ours.enqueue("operator.add", 40, 2)
    done = plain_worker(valkey, tmp_path)
    assert done.returncode == 0, done.stderr
    assert not touched.exists()
    assert Job.fetch(job.id, connection=link, serializer=JSONSerializer).get_status() == "failed"
    assert Job.fetch(after.id, connection=link, serializer=JSONSerializer).return_value() == 42
