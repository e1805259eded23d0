"""The log: one line an event, with ids, without secrets and without mail."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from peewee import PostgresqlDatabase
from redis import Redis
from rq import Worker
from rq.serializers import JSONSerializer

from jobs.import_messages import import_messages
from mrilu.queues.queues import MAIL, put_import, queue
from mrilu.runtime import logs
from mrilu.settings.load import load
from mrilu.settings.table import PROJECT, Settings
from tests.factories import deliver, mail, make_maildir, register

Say = Callable[..., str]


@pytest.fixture
def say() -> Say:
    """Return what is written for one record, in the format of the settings."""

    def write(
        text: str,
        *args: object,
        error: BaseException | None = None,
        name: str = "x",
        **environ: str,
    ) -> str:
        formatter = logs.handler_for(load(environ)).formatter
        assert formatter is not None
        exc_info = (type(error), error, error.__traceback__) if error else None
        return formatter.format(logging.LogRecord(name, logging.INFO, "", 0, text, args, exc_info))

    return write


def raised(error: Exception) -> Exception:
    try:
        raise error
    except type(error) as caught:
        return caught


@pytest.mark.parametrize(
    "text",
    [
        "two\nlines",
        "two\r\nlines",
        "two\u2028lines",
        "two\x85lines",
        'a "quote"',
        "\udcff",
        "\x1b[2J",
    ],
)
@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_an_event_is_one_line_whatever_is_in_it(say: Say, text: str, form: str) -> None:
    line = say("%s", text, error=raised(ValueError(text)), LOG_FORMAT=form)
    line.encode()
    assert len(line.splitlines()) == 1 and line.isprintable()
    if form == "json":
        assert json.loads(line)["event"] == text


def test_logfmt_has_quotes_only_where_they_are_needed(say: Say) -> None:
    line = say("plain")
    assert line.endswith(" level=info logger=x event=plain") and line.startswith("time=20")
    assert say("two words").endswith('event="two words"')


def test_each_fact_of_a_message_is_a_key_and_a_number_is_a_number(say: Say) -> None:
    text = "ledger gap maildir=%s paths=%d, seconds=%.2f (%s) outcome=done why=%r 100%% %s"
    values = ("a b", 3, 1.25, "here", "x", {"imported": 2})
    facts = json.loads(say(text, *values, LOG_FORMAT="json"))
    assert facts["event"] == "ledger gap, (here) 100%"
    shown = {
        key: facts[key] for key in ("maildir", "paths", "seconds", "outcome", "why", "imported")
    }
    assert shown == {
        "maildir": "a b",
        "paths": 3,
        "seconds": 1.25,
        "outcome": "done",
        "why": "x",
        "imported": 2,
    }
    line = say(text, *values)
    assert 'event="ledger gap, (here) 100%" maildir="a b" paths=3' in line


def test_no_message_takes_the_place_of_what_each_line_has(say: Say) -> None:
    facts = json.loads(say("x level=%s event=%s", "high", "another", LOG_FORMAT="json"))
    assert (facts["level"], facts["event"]) == ("info", "x")


def test_passwords_are_masked_wherever_they_stand(say: Say) -> None:
    secrets = {"DATABASE_URL": "postgresql://u:hu%2Fsh1@h/d", "REDIS_URL": "redis://:hush2@h", "TOKEN_SECRET": "hush3",
               "OPERATOR_PASSWORD": "hush4", "WEB_DATABASE_URL": "postgresql://h/d?password=hush5"}  # fmt: skip
    for text in (
        "postgresql://u:hu%2Fsh1@h/d",
        "hu/sh1",
        "hush2",
        "x hush3 y",
        "hush4",
        "?password=hush5",
    ):
        line = say("%s", text, error=raised(ValueError(text)), **secrets)
        assert (
            "hush" not in line and "hu/sh" not in line and "hu%2Fsh" not in line and "***" in line
        )
    assert "other" not in say("amqp://somebody:other@host/x")


def test_what_postgresql_quotes_of_a_row_is_left_out(
    say: Say, database: PostgresqlDatabase
) -> None:
    statement, values = "INSERT INTO message (subject) VALUES (%s)", ("hidden words",)
    with pytest.raises(psycopg.Error) as caught, database.connection().transaction():
        database.connection().execute(statement, values)
    line = say("it failed", error=caught.value, name="jobs.upkeep")
    assert "SQLSTATE 23502" in line and "hidden" not in line and "NotNullViolation" in line
    with pytest.raises(Exception) as wrapped:  # noqa: B017
        database.execute_sql(statement, values)
    assert "hidden" not in say("it failed", error=wrapped.value, name="jobs.upkeep")
    with pytest.raises(psycopg.Error) as caught:
        database.connection().execute("SELECT * FROM nowhere")
    assert "nowhere" in say("it failed", error=caught.value)


def test_what_the_parser_says_of_a_mail_is_left_out(say: Say) -> None:
    error = raised(ValueError("could not convert 'hidden words'"))
    line = say("parser failed path=%s", "new/1", error=error, name="mrilu.archive.read")
    assert "hidden" not in line and "ValueError" in line and "test_logs.py" in line
    assert "could not" in say("x", error=error, name="watcher.service")


def test_a_traceback_that_rq_logs_as_text_is_cut(say: Say) -> None:
    text = "[Job 1]: exception raised\nTraceback ...\n  hidden\npsycopg.errors.NotNullViolation: hidden words"
    line = say("%s", text, name="rq.worker")
    assert "hidden" not in line and line.endswith(
        'event="[Job 1]: exception raised psycopg.errors.NotNullViolation"'
    )


def test_logging_is_set_up_once_and_takes_rqs_lines_over(
    service_settings: Settings, monkeypatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.setattr(logging.getLogger("rq.worker"), "handlers", [logging.StreamHandler()])
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    logs.log_as(service_settings)
    logs.log_as(service_settings)
    assert len(logging.getLogger().handlers) == 1 and not logging.getLogger("rq.worker").handlers
    assert logging.getLogger("peewee").level == logging.INFO
    logging.captureWarnings(False)


WORKER = """
import sys
from rq.cli import main
sys.argv = ["rq", "worker", sys.argv[1], "--burst", "--logging_level", "WARNING", "-S", "json", *sys.argv[2:]]
main()
"""


@pytest.mark.parametrize("kind", [[], ["-w", "rq.worker.SimpleWorker"]])
@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_a_plain_rq_worker_logs_each_jobs_summary_with_its_ids(
    database,
    redis_client: Redis,
    service_settings: Settings,
    tmp_path: Path,
    kind: list[str],
    form: str,
) -> None:
    root = make_maildir(tmp_path / "Maildir")
    register(root)
    hidden = mail(
        "<hidden-id@x>",
        subject="hidden words",
        sender="hidden <hidden@x.example>",
        body="hidden text\n",
    )
    job = put_import(
        queue(MAIL), "test", [deliver(root, hidden), deliver(root, b"hidden\0")], at_front=False
    )
    failing = put_import(queue(MAIL), "nobody", ["new/1.x"], at_front=False)
    known = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(PROJECT), "LOG_FORMAT": form, "TOKEN_SECRET": "hush",
             "DATABASE_URL": str(service_settings.database_url), "REDIS_URL": str(service_settings.redis_url),
             "RQ_REDIS_URL": str(service_settings.redis_url)}  # fmt: skip
    command = [sys.executable, "-c", WORKER, "mail", *kind]
    done = subprocess.run(
        command, env=known, cwd=PROJECT, capture_output=True, text=True, timeout=60
    )
    told = [
        line
        for line in done.stderr.splitlines()
        if "event=imported" in line or '"event": "imported"' in line
    ]
    assert len(told) == 1, done.stderr
    if form == "json":
        facts = json.loads(told[0])
        assert facts["job_id"] == job.id and isinstance(facts["run_id"], int)
        assert facts["event"] == "imported" and facts["maildir"] == "test"
        assert (facts["imported"], facts["rejected"]) == (1, 1)
    else:
        assert f" job_id={job.id} run_id=" in told[0]
    assert failing.id in done.stderr and "UnknownMaildir" in done.stderr
    assert (
        "hidden" not in done.stderr + done.stdout
        and "hush" not in done.stderr
        and "Traceback" not in done.stderr
    )


def test_a_recorded_job_logs_its_run(
    database, redis_client: Redis, service_settings: Settings, capfd
) -> None:
    from tests.queues.sample_jobs import count_up

    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    root.handlers = [one for one in root.handlers if not isinstance(one, logs._Handler)]
    try:
        logs.log_as(replace(service_settings, log_format="json"))
        queue("default").enqueue(count_up)
        Worker([queue("default")], connection=redis_client, serializer=JSONSerializer).work(
            burst=True
        )
    finally:
        root.handlers, root.level = before, level
    [line] = [line for line in capfd.readouterr().err.splitlines() if '"outcome": "done"' in line]
    facts = json.loads(line)
    assert (
        facts["run_id"] == 1
        and facts["job_id"]
        and facts["event"] == "job ended"
        and facts["job"] == "count_up"
        and facts["run"] == 1
    )


def test_no_job_of_ours_is_silent_for_lack_of_a_handler(
    database, redis_client: Redis, tmp_path: Path, capfd
) -> None:
    root = make_maildir(tmp_path / "Maildir")
    register(root)
    import_messages("test", [deliver(root, mail())])
    assert any(isinstance(one, logs._Handler) for one in logging.getLogger().handlers)
