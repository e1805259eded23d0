"""Each metric, asserted from real runs through /metrics, when whoever counted is gone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from peewee import PostgresqlDatabase
from redis import Redis
from rq import SimpleWorker, Worker
from rq.serializers import JSONSerializer

from jobs.import_messages import import_messages
from models import CachedExport, EmbeddingModel, JobRun, Language, Message, Notification
from mrilu.archive.read import read_mails
from mrilu.embeddings.model import Model, NotInstalled
from mrilu.embeddings.progress import progress
from mrilu.embeddings.text import RECIPE
from mrilu.queues.enqueue import enqueue_now
from mrilu.queues.queues import MAIL, put_import, queue
from mrilu.queues.table import Periodic
from mrilu.runtime.heartbeat import beat
from mrilu.settings.table import PROJECT, Settings
from mrilu.web.facts_slow import SlowFacts
from mrilu.web.metrics_table import METRICS
from tests.factories import deliver, mail, make_maildir, register
from tests.web.conftest import values

Scrape = Callable[[], dict[str, float]]


@pytest.fixture
def root(database: PostgresqlDatabase, tmp_path: Path) -> Path:
    made = make_maildir(tmp_path / "Maildir")
    register(made)
    return made


def in_a_horse(redis_client: Redis, name: str) -> None:
    """Work the queue off in work-horses, which are gone when this returns."""
    Worker([queue(name)], connection=redis_client, serializer=JSONSerializer).work(burst=True)


def run_job(redis_client: Redis, function: str, horse: bool = True) -> None:
    row = Periodic(
        id=function, function=f"tests.queues.sample_jobs.{function}", interval=60, timeout=60
    )
    enqueue_now(row, f"{function}-{time.time_ns()}", redis_client)
    kind = Worker if horse else SimpleWorker
    kind([queue("default")], connection=redis_client, serializer=JSONSerializer).work(burst=True)


def test_an_import_is_counted_after_its_work_horse_is_gone(
    scrape: Scrape, redis_client: Redis, root: Path
) -> None:
    paths = [deliver(root, mail("<a@x>")), deliver(root, mail("<b@x>")), deliver(root, b"no mail")]
    paths.append(deliver(root, (root / paths[0]).read_bytes()))
    put_import(queue(MAIL), "test", paths, at_front=False)
    in_a_horse(redis_client, MAIL)
    found = scrape()
    assert found['mrilu_mails_total{result="imported"}'] == 2
    assert found['mrilu_mails_total{result="copies"}'] == 1
    assert found['mrilu_mails_total{result="rejected"}'] == 1
    assert found['mrilu_job_items_total{item="imported",job="import_messages"}'] == 2
    assert (
        sum(value for name, value in found.items() if name.startswith("mrilu_rejected_files{")) == 1
    )
    assert found['mrilu_job_runs_total{job="import_messages",outcome="done"}'] == 1
    assert found['mrilu_job_run_seconds_total{job="import_messages",outcome="done"}'] > 0
    assert (
        found['mrilu_import_lag_seconds_bucket{le="+Inf"}']
        == found["mrilu_import_lag_seconds_count"]
        == 3
    )
    assert 0 < found["mrilu_import_lag_seconds_sum"] < 60 * 3
    assert found['mrilu_import_lag_seconds_bucket{le="60.0"}'] == 3
    assert found['mrilu_ledger_files{maildir="test",side="on_disk"}'] == 4
    assert found['mrilu_ledger_gap_files{maildir="test"}'] == 0
    assert time.time() - found["mrilu_ledger_checked_timestamp_seconds"] < 60


def test_files_that_move_leave_or_vanish_are_counted(
    scrape: Scrape, redis_client: Redis, root: Path, monkeypatch
) -> None:
    moved, gone, quick = (deliver(root, mail()) for _ in range(3))
    put_import(queue(MAIL), "test", [moved, gone], at_front=False)
    in_a_horse(redis_client, MAIL)
    assert scrape()['mrilu_mails_total{result="moved"}'] == 0
    target = f"cur/{Path(moved).name}:2,S"
    (root / moved).rename(root / target)
    (root / gone).unlink()

    def too_late(*arguments):
        (root / quick).unlink(missing_ok=True)  # between the look at the folder and the reading
        return read_mails(*arguments)

    monkeypatch.setattr("jobs.import_messages.read_mails", too_late)
    put_import(queue(MAIL), "test", [moved, target, gone, quick], at_front=False)
    in_a_horse(redis_client, MAIL)
    found = scrape()
    for result in ("moved", "gone", "vanished"):
        assert found[f'mrilu_mails_total{{result="{result}"}}'] == 1, result
    assert found['mrilu_mails_total{result="imported"}'] == 2


def test_a_failed_import_is_counted_from_nought(
    scrape: Scrape, redis_client: Redis, root: Path
) -> None:
    failed = 'mrilu_job_runs_total{job="import_messages",outcome="failed"}'
    assert scrape()[failed] == 0  # or its first would be no increase
    put_import(queue(MAIL), "nowhere", [deliver(root, mail())], at_front=False)
    in_a_horse(redis_client, MAIL)
    assert scrape()[failed] == 1


def test_mail_that_lay_there_before_was_not_late(
    scrape: Scrape, redis_client: Redis, tmp_path: Path
) -> None:
    root = make_maildir(tmp_path / "Maildir")
    path = deliver(root, mail())
    maildir = register(root)
    maildir.added_at = datetime.now(UTC) + timedelta(seconds=1)
    maildir.save()
    put_import(queue(MAIL), "test", [path], at_front=False)
    in_a_horse(redis_client, MAIL)
    assert scrape()["mrilu_import_lag_seconds_count"] == 0


def test_counters_outlive_the_rows_that_they_counted(scrape: Scrape, redis_client: Redis) -> None:
    run_job(redis_client, "count_up")
    first = scrape()['mrilu_job_items_total{item="counted",job="count_up"}']
    JobRun.delete().execute()
    redis_client.flushall()
    found = scrape()
    assert found['mrilu_job_items_total{item="counted",job="count_up"}'] == first > 0
    assert found['mrilu_job_runs_total{job="count_up",outcome="done"}'] == 1
    assert time.time() - found['mrilu_job_last_success_timestamp_seconds{job="count_up"}'] < 60


def test_a_failed_run_and_its_next_try_are_told(scrape: Scrape, redis_client: Redis) -> None:
    run_job(redis_client, "fail_for_now")
    found = scrape()
    assert found['mrilu_job_runs_total{job="fail_for_now",outcome="failed"}'] == 1
    assert found['mrilu_queue_jobs{queue="default",state="to_retry"}'] == 1
    assert 'mrilu_job_last_success_timestamp_seconds{job="fail_for_now"}' not in found
    run_job(redis_client, "fail_for_good")
    assert scrape()['mrilu_queue_jobs{queue="default",state="failed"}'] == 1


def test_a_run_whose_horse_is_killed_is_under_way_until_it_is_closed(
    scrape: Scrape, redis_client: Redis
) -> None:
    from mrilu.queues.runs import close_dead_runs

    run_job(redis_client, "die")
    assert scrape()['mrilu_job_running_seconds{job="die"}'] >= 0
    close_dead_runs()
    found = scrape()
    assert 'mrilu_job_running_seconds{job="die"}' not in found
    assert found['mrilu_job_runs_total{job="die",outcome="failed"}'] == 1


def test_queues_and_workers(scrape: Scrape, redis_client: Redis, root: Path) -> None:
    job = put_import(queue(MAIL), "test", ["new/1.x"], at_front=False)
    redis_client.hset(
        job.key, "enqueued_at", (datetime.now(UTC) - timedelta(seconds=90)).isoformat()
    )
    put_import(queue(MAIL), "test", ["new/2.x"], at_front=True)
    idle = SimpleWorker([queue(MAIL)], connection=redis_client, serializer=JSONSerializer)
    idle.register_birth()
    idle.set_state("idle")
    found = scrape()
    assert found['mrilu_queue_jobs{queue="mail",state="waiting"}'] == 2
    assert found['mrilu_queue_jobs{queue="embed",state="waiting"}'] == 0
    assert 90 <= found['mrilu_queue_oldest_job_seconds{queue="mail"}'] < 150
    assert found['mrilu_workers{queue="mail",state="idle"}'] == 1
    idle.register_death()


def test_a_gap_is_told(scrape: Scrape, root: Path) -> None:
    deliver(root, mail())
    found = scrape()
    assert found['mrilu_ledger_gap_files{maildir="test"}'] == 1
    assert found['mrilu_ledger_files{maildir="test",side="waiting"}'] == 0


def test_watcher_and_scheduler(scrape: Scrape, redis_client: Redis) -> None:
    assert scrape()['mrilu_up{service="watcher"}'] == 0
    part = {"mode": "inotify", "folders": 4, "overflows": 2}
    beat("watcher", {"pending": 7, "rescans": 3, "trouble": "", "maildirs": {"test": part}})
    beat("scheduler", {})
    redis_client.zadd(
        "rq:scheduler:scheduled_jobs", {"mrilu-upkeep": 1_800_000_000, "somebody-elses": 1}
    )
    found = scrape()
    assert found['mrilu_up{service="watcher"}'] == found['mrilu_up{service="scheduler"}'] == 1
    assert found['mrilu_watcher_overflows_total{maildir="test"}'] == 2
    assert found['mrilu_watcher_folders{maildir="test",mode="inotify"}'] == 4
    assert (found["mrilu_watcher_pending_paths"], found["mrilu_watcher_rescans_total"]) == (7, 3)
    assert found["mrilu_watcher_trouble"] == 0
    assert found['mrilu_job_next_run_timestamp_seconds{job="upkeep"}'] == 1_800_000_000
    assert not any("somebody" in name for name in found)


def test_a_watcher_of_its_own_process_is_heard(
    scrape: Scrape, service_settings: Settings, redis_client: Redis, tmp_path: Path
) -> None:
    root = make_maildir(tmp_path / "Maildir", ".one")
    known = {"PATH": os.defpath, "PYTHONPATH": str(PROJECT), "MAILDIR_PATH": f"test={root}",
             "DATABASE_URL": str(service_settings.database_url), "REDIS_URL": str(service_settings.redis_url),
             "DATA_DIR": str(tmp_path / "data")}  # fmt: skip
    watcher = subprocess.Popen(
        [sys.executable, "-P", "-m", "watcher"], env=known, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 30
        while not (found := scrape()).get("mrilu_watcher_rescans_total"):
            assert watcher.poll() is None and time.monotonic() < deadline
        assert found['mrilu_up{service="watcher"}'] == 1 and found["mrilu_watcher_trouble"] == 0
        assert found['mrilu_watcher_folders{maildir="test",mode="inotify"}'] >= 2
        deliver(root, mail())
        while not scrape()['mrilu_queue_jobs{queue="mail",state="waiting"}']:
            assert watcher.poll() is None and time.monotonic() < deadline
    finally:
        watcher.terminate()
        watcher.wait(20)


def test_notifications(scrape: Scrape, database: PostgresqlDatabase) -> None:
    rows = [("waiting", "NULL", 300), ("waiting", "gen_random_uuid()", 30), ("sent", "NULL", 900)]
    for number, (state, lease, age) in enumerate(rows):
        database.execute_sql(
            "INSERT INTO notification (subscriber, subscription, kind, subject, state, lease, created_at, "
            f"next_attempt_at) VALUES (1, 1, 'word', {number}, '{state}', {lease}, "
            f"now() - interval '{age} seconds', now() - interval '20 seconds')"
        )
    database.execute_sql(
        "INSERT INTO notification_pause VALUES (1, '', now(), now() + interval '1 hour', 1, '')"
    )
    found = scrape()
    assert (
        found['mrilu_notifications{state="waiting"}']
        == found['mrilu_notifications{state="sending"}']
        == 1
    )
    assert 300 <= found["mrilu_notification_oldest_seconds"] < 360
    assert 20 <= found["mrilu_notification_overdue_seconds"] < 80
    assert found["mrilu_notifications_paused"] == 1
    assert Notification.select().count() == 3


def test_exports(scrape: Scrape, database: PostgresqlDatabase) -> None:
    built = datetime.now(UTC) - timedelta(days=2)
    language = Language.insert(tag="en", name="English", source="x", synced_at=built).execute()
    facts = {
        "filename": "f",
        "content_type": "t",
        "content": b"",
        "size": 0,
        "sha256": "",
        "source_hash": "",
    }
    CachedExport.store(language, "pdf", **facts, seconds=1.0, built_at=built)
    database.execute_sql(
        "INSERT INTO failed_export (language, format, error, failed_at) VALUES (1, 'xml', '', now())"
    )
    found = scrape()
    assert 172_800 <= found['mrilu_export_age_seconds{format="pdf",language="en"}'] < 172_900
    assert found["mrilu_exports_failed"] == 1


def test_what_waits_to_be_embedded(
    scrape: Scrape, database: PostgresqlDatabase, redis_client, root: Path, monkeypatch
) -> None:
    put_import(queue(MAIL), "test", [deliver(root, mail())], at_front=False)
    in_a_horse(redis_client, MAIL)
    waiting = 'mrilu_embeddings_waiting{kind="message"}'
    monkeypatch.setattr(
        "mrilu.web.facts_slow.find_model", lambda source: Model(f"{source}@1", source, root, 3, 256)
    )
    monkeypatch.setattr(
        "mrilu.embeddings.progress.find_model",
        lambda source: Model(f"{source}@1", source, root, 3, 256),
    )
    assert (
        scrape()[waiting] == 1 and progress(database, "all-MiniLM-L6-v2")["waiting"]["message"] == 1
    )  # before the first run
    searched = EmbeddingModel.register("another@1", "another", 3)
    wanted = EmbeddingModel.register("all-MiniLM-L6-v2@1", "all-MiniLM-L6-v2", 3)
    done = "INSERT INTO embedded SELECT %s, 'message', id, identity, %s, 0 FROM message"
    database.execute_sql(done, (searched.id, RECIPE))
    assert (
        scrape()[waiting] == 1 and progress(database, "all-MiniLM-L6-v2")["waiting"]["message"] == 1
    )  # another's vectors are no help
    database.execute_sql(done, (wanted.id, RECIPE))
    assert (
        scrape()[waiting] == 0 and progress(database, "all-MiniLM-L6-v2")["waiting"]["message"] == 0
    )


def test_where_the_model_is_still_to_come_all_waits(
    scrape: Scrape, redis_client, root: Path, monkeypatch
) -> None:
    def missing(source: str) -> None:
        raise NotInstalled("later")

    put_import(queue(MAIL), "test", [deliver(root, mail())], at_front=False)
    in_a_horse(redis_client, MAIL)
    monkeypatch.setattr("mrilu.web.facts_slow.find_model", missing)
    assert scrape()['mrilu_embeddings_waiting{kind="message"}'] == 1


def test_the_build_is_told(scrape: Scrape) -> None:
    [name] = [name for name in scrape() if name.startswith("mrilu_build_info{")]
    assert 'version="0.' in name and 'schema="0' in name


def test_a_service_that_is_away_is_told_and_the_rest_is_there(
    scraper: FlaskClient, monkeypatch
) -> None:
    def away(connection: object) -> None:
        raise ConnectionError

    monkeypatch.setattr("mrilu.web.facts_postgresql.gather", away)
    answer = scraper.get("/metrics")
    found = values(answer.text)
    assert answer.status_code == 200 and found['mrilu_up{service="postgresql"}'] == 0
    assert (
        found['mrilu_up{service="redis"}'] == 1
        and 'mrilu_queue_jobs{queue="mail",state="waiting"}' in found
    )


def test_every_metric_is_scraped_or_says_why_not_and_is_documented(scraper: FlaskClient) -> None:
    told = set(re.findall(r"^# TYPE (\S+) (\w+)$", scraper.get("/metrics").text, re.MULTILINE))
    assert told == {
        (
            row.full_name.removesuffix("_total") + ("_total" if row.kind == "counter" else ""),
            row.kind,
        )
        for row in METRICS
    }
    operations = (PROJECT / "docs" / "operations.md").read_text()
    for row in METRICS:
        labels = ", ".join(f"`{label}`" for label in row.labels)
        assert f"| `{row.full_name}` | {row.kind} | {labels} | {row.about} |" in operations


def test_no_label_can_hold_an_address_or_a_message_id(
    scrape: Scrape, redis_client: Redis, root: Path
) -> None:
    raw = mail("<hidden-id@x>", sender="Hidden <hidden@x.example>", subject="hidden")
    put_import(
        queue(MAIL), "test", [deliver(root, raw), deliver(root, b"hidden\0")], at_front=False
    )
    in_a_horse(redis_client, MAIL)
    assert not [name for name in scrape() if "hidden" in name or "@" in name]


def test_slow_facts_take_no_more_than_a_twentieth_of_the_time() -> None:
    moments, gathered = iter([0.0, 10.0, 209.0]), []
    facts = SlowFacts(lambda: gathered.append(1) or {"x": [((), 1.0)]}, clock=lambda: next(moments))
    facts.renew()  # from 0 s to 10 s: nothing before 10 + 20 * 10
    assert facts.latest() == {"x": [((), 1.0)]} and gathered == [1]


def test_a_scrape_does_not_wait_for_slow_facts(scraper: FlaskClient) -> None:
    import threading

    held, gathered = threading.Event(), []
    facts = SlowFacts(lambda: gathered.append(held.wait(20)) or {})
    scraper.application.extensions["slow_facts"] = facts
    assert scraper.get("/metrics").status_code == 200
    assert not gathered
    held.set()


def test_messages_of_an_older_parser_are_counted(root: Path, scrape: Scrape) -> None:
    import_messages("test", [deliver(root, mail()), deliver(root, mail())])
    Message.update(parser_version=1).where(Message.id == 1).execute()
    found = scrape()
    assert found['mrilu_outdated_messages{state="waiting"}'] == 1
    assert found['mrilu_outdated_messages{state="gone"}'] == 0
