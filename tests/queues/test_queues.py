import json
import zlib

import fakeredis
import pytest
from rq import Queue, SimpleWorker
from rq.job import JobStatus
from rq.serializers import JSONSerializer

from mrilu.queues import queues
from mrilu.queues.queues import queue, queued_paths, submit_import
from mrilu.runtime.database import disconnect
from mrilu.settings.current import forget_settings, use_settings
from mrilu.settings.load import load


@pytest.fixture
def client(monkeypatch):
    """A fakeredis that the queue functions take for the real one; no server, no database."""
    fake = fakeredis.FakeStrictRedis()
    use_settings(load({"REDIS_URL": "redis://unused", "MAX_ATTEMPTS": "3"}))
    monkeypatch.setattr(queues, "redis_connection", lambda: fake)
    yield fake
    disconnect()
    forget_settings()


def test_a_batch_becomes_one_json_job(client):
    submit_import("lists", ["new/1.a", "new/1.b"], live=False)
    (job,) = queue("mail").jobs
    raw = client.hget(f"rq:job:{job.id}", "data")
    name, _, args, _ = json.loads(zlib.decompress(raw))
    assert name == "jobs.import_messages.import_messages"
    assert args == ["lists", ["new/1.a", "new/1.b"]]
    assert job.timeout == 120 and job.failure_ttl == queues.FAILURE_TTL


def test_live_mail_goes_before_the_backlog(client):
    submit_import("lists", ["new/old"], live=False)
    submit_import("lists", ["new/fresh"], live=True)
    assert [job.args[1] for job in queue("mail").jobs] == [["new/fresh"], ["new/old"]]


def test_the_log_line_of_a_job_does_not_list_its_files(client):
    submit_import("lists", [f"new/{number}" for number in range(500)], live=False)
    assert queue("mail").jobs[0].description == "import_messages(lists, 500 files)"


def test_queued_paths_come_from_every_state_of_a_job(client):
    mail = queue("mail")
    for place in ("queued", "started", "scheduled", "failed", "intermediate"):
        submit_import("lists", [place], live=False)
        job = mail.jobs[-1]
        if place == "queued":
            continue
        client.lrem(mail.key, 0, job.id)
        if place == "intermediate":
            client.rpush(mail.intermediate_queue_key, job.id)
        elif place == "started":
            client.zadd(mail.started_job_registry.key, {f"{job.id}:execution": 9e9})
        elif place == "scheduled":
            client.zadd(mail.scheduled_job_registry.key, {job.id: 9e9})
        else:
            client.zadd(mail.failed_job_registry.key, {job.id: 9e9})
    assert queued_paths() == {"lists": {"queued", "started", "scheduled", "failed", "intermediate"}}


def test_a_finished_job_is_queued_no_more(client):
    mail = Queue("mail", connection=client, serializer=JSONSerializer)
    job = mail.enqueue("operator.add", 1, 2)
    SimpleWorker([mail], connection=client, serializer=JSONSerializer).work(burst=True)
    assert job.get_status() == JobStatus.FINISHED
    assert queued_paths() == {}


def test_an_unreadable_job_does_not_hide_the_others(client):
    submit_import("lists", ["new/1"], live=False)
    submit_import("lists", ["new/2"], live=False)
    client.hset(f"rq:job:{queue('mail').jobs[0].id}", "data", b"\x80\x05 this is a pickle")
    assert queued_paths() == {"lists": {"new/2"}}


@pytest.mark.parametrize(
    "arguments", [("lists",), ("lists", "new/1"), ("lists", 5), ("lists", [5]), ([], ["new/1"])]
)
def test_a_job_with_arguments_of_other_types_does_not_hide_the_others(client, arguments):
    queue("mail").enqueue(queues.IMPORT_FUNCTION, *arguments)
    submit_import("lists", ["new/2"], live=False)
    assert queued_paths() == {"lists": {"new/2"}}
