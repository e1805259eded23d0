"""/status tells operators what is: ledgers, hours, jobs, queues, rejected mail, the outbox; and acts on it."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import peewee
import pytest
from flask.testing import FlaskClient
from peewee import PostgresqlDatabase
from redis import Redis

from jobs.import_messages import import_messages
from jobs.upkeep import upkeep
from models import Hour, JobRun, Maildir, Notification, Rejected, Subscriber
from mrilu.queues.lag import label_of
from mrilu.queues.queues import DEFAULT, MAIL, import_jobs, queue
from mrilu.web.background import Background
from mrilu.web.charts.bars import Bar, bars, sparkline
from mrilu.web.pages import status as shown
from mrilu.web.queries.status import Jobs, Moving, Slow
from tests.factories import deliver, mail, make_maildir, register
from tests.web.test_operators import token_in

NOW = datetime(2026, 3, 1, 12, 34, 56, tzinfo=UTC)
THIS_HOUR = NOW.replace(minute=0, second=0)


@pytest.fixture
def maildir(tmp_path: Path, operator: FlaskClient) -> Maildir:
    return register(make_maildir(tmp_path / "Maildir"), "lists")


def reject(
    maildir: Maildir, raw: bytes = b"\x00<script>alert(1)</script> to me@inside.example\n"
) -> Rejected:
    path = deliver(Path(maildir.root), raw)
    assert import_messages(maildir.name, [path]).get("rejected") == 1  # type: ignore[union-attr]
    return Rejected.select().order_by(Rejected.id.desc()).get()


def words(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


def test_the_ledger_and_the_mails_of_this_hour_are_shown(
    operator: FlaskClient, maildir: Maildir
) -> None:
    root = Path(maildir.root)
    paths = [deliver(root, mail(f"<{number}@x>")) for number in range(3)]
    paths.append(deliver(root, mail("<0@x>")))
    import_messages("lists", paths)
    reject(maildir)
    text = words(operator.get("/status").text)
    assert "lists 5 3 1 1 0 level" in text
    assert "3 imported, 1 copies, 1 rejected, by hour" in text
    assert "mails by hour over the last day, 4 in all" in operator.get("/status").text


def test_what_is_wrong_is_said_first_and_nothing_wrong_too() -> None:
    queues = [{"name": "mail", "workers": 1}]
    moving = Moving(queues, [], [], {"watcher": True})
    jobs = Jobs([{"job": "upkeep", "outcome": "done", "overdue": False, "error": ""}], {})
    level = {"maildir": "a", "watched": True, "level": True}
    slow = Slow([level], {}, {}, [])
    assert shown.troubles(moving, jobs, slow) == []
    assert shown.troubles(None, None, None) == []
    bad = Moving([{"name": "mail", "workers": 0}], [], ["suspended"], {"watcher": False})
    rows = [
        {"job": "a", "outcome": "failed", "overdue": False, "error": "ValueError: x"},
        {"job": "b", "outcome": "done", "overdue": True, "error": ""},
    ]
    gap = level | {"level": False, "lost": ["x"], "stale": [], "unreadable": [], "held": []}
    away = level | {"maildir": "b", "level": False, "error": "not mounted"}
    old = gap | {"maildir": "c", "watched": False}
    assert shown.troubles(bad, Jobs(rows, {}), Slow([gap, away, old], {}, {}, [])) == [
        "suspended",
        "The watcher does not run.",
        "No worker takes jobs from the queue mail.",
        "a failed: ValueError: x",
        "b is overdue.",
        "The ledger of a has a gap.",
        "The ledger of b cannot be drawn up.",
    ]


def test_a_lost_file_is_a_gap_by_name(operator: FlaskClient, maildir: Maildir) -> None:
    path = deliver(Path(maildir.root), mail("<1@x>"))
    text = operator.get("/status").text
    assert "lists 1 0 0 0 0 gap" in words(text) and path in text


def test_without_a_change_the_page_is_not_made_again(
    operator: FlaskClient, maildir: Maildir
) -> None:
    operator.get("/status")
    tag = operator.get("/status").headers["ETag"]
    same = operator.get("/status", headers={"If-None-Match": tag})
    assert (same.status_code, same.get_data()) == (304, b"")
    operator.application.extensions["status"]._seconds = 0.0
    reject(maildir)
    assert operator.get("/status", headers={"If-None-Match": tag}).status_code == 200


def test_postgresql_away_is_said_and_redis_still_told(
    operator: FlaskClient, maildir: Maildir, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag = operator.get("/status").headers["ETag"]
    operator.application.extensions["status"]._seconds = 0.0

    def away(*_: object, **__: object) -> None:
        raise peewee.OperationalError("away")

    monkeypatch.setattr("mrilu.web.queries.status.Hour.since", away)
    monkeypatch.setattr("mrilu.queues.timetable.JobRun.latest", away)
    answer = operator.get("/status", headers={"If-None-Match": tag})
    assert answer.status_code == 503 and answer.headers["Retry-After"]
    assert "PostgreSQL does not answer." in answer.text and '<div id="queues">' in answer.text
    assert "data-live" in answer.text and re.search(r">mail</a>", answer.text)


def test_a_rejected_file_has_a_harmless_preview_and_is_tried_again_by_one_click(
    operator: FlaskClient, maildir: Maildir
) -> None:
    row = reject(maildir)
    page = operator.get("/status").text
    assert f'href="/status/rejected/{row.id}"' in page and row.reason in page
    preview = operator.get(f"/status/rejected/{row.id}").text
    assert "<script>alert" not in preview and "&lt;script&gt;alert(1)" in preview
    assert "inside.example" not in preview and "\\u0000" in preview
    form = {"token": token_in(operator), "id": str(row.id)}
    led = operator.post("/status/rejected/retry", data=form)
    assert (led.status_code, led.location) == (303, "/status#rejected")
    assert [list(job.args) for job in import_jobs(queue(MAIL))] == [["lists", [row.path()]]]
    operator.application.extensions["status"]._seconds = 0.0
    assert "waits to be read" in operator.get("/status").text
    assert import_messages("lists", [row.path()])["rejected"] == 1  # type: ignore[index]
    assert Rejected.get_by_id(row.id).attempts == 2


def test_all_of_a_reason_are_tried_again(operator: FlaskClient, maildir: Maildir) -> None:
    rows = [reject(maildir), reject(maildir)]
    form = {"token": token_in(operator), "reason": rows[0].reason}
    assert (
        operator.post("/status/rejected/retry", data=form | {"reason": "another"}).status_code
        == 303
    )
    assert not list(import_jobs(queue(MAIL)))
    assert operator.post("/status/rejected/retry", data=form).status_code == 303
    offered = [path for job in import_jobs(queue(MAIL)) for path in job.args[1]]
    assert sorted(offered) == sorted(row.path() for row in rows)


@pytest.mark.parametrize("number", ["x", "-1", "9" * 30, "1;"])
def test_a_number_that_is_none_is_refused(
    operator: FlaskClient, database: PostgresqlDatabase, number: str
) -> None:
    form = {"token": token_in(operator), "id": number}
    for place in ("/status/rejected/retry", "/status/notifications/retry"):
        assert operator.post(place, data=form).status_code == 400
    assert operator.get("/status/rejected/999999999999999999999").status_code == 404


def test_a_file_that_is_gone_has_no_preview_and_says_why(
    operator: FlaskClient, maildir: Maildir
) -> None:
    row = reject(maildir)
    (Path(maildir.root) / row.path()).unlink()
    assert (
        "cannot be read from here: No such file" in operator.get(f"/status/rejected/{row.id}").text
    )


def test_a_job_is_run_now_once(
    operator: FlaskClient, redis_client: Redis, database: PostgresqlDatabase
) -> None:
    form = {"token": token_in(operator)}
    for _ in range(2):
        assert operator.post("/status/run/upkeep", data=form).status_code == 303
    assert len([one for one in queue(DEFAULT).job_ids if one.startswith("upkeep-now-")]) == 1
    assert operator.post("/status/run/no_such_job", data=form).status_code == 404
    operator.application.extensions["status"]._seconds = 0.0
    assert "waits or runs" in operator.get("/status").text


def test_a_dead_notification_is_sent_after_all(
    operator: FlaskClient, database: PostgresqlDatabase
) -> None:
    subscriber = Subscriber.create(
        address="me@there.example",
        locale="en",
        timezone="UTC",
        digest="none",
        digest_hour=0,
        unsubscribed=0,
        suppressed_at=NOW,
        suppressed_reply="550 no such user",
        created_at=NOW,
    )
    sql = (
        "INSERT INTO notification (subscriber, subscription, kind, subject, state, attempts, finished_at, reply) "
        "VALUES (%s, 1, 'word', %s, 'dead', 9, now(), '550 no <b>such</b> user') RETURNING id"
    )
    one, two = (database.execute_sql(sql, (subscriber.id, n)).fetchone()[0] for n in (1, 2))
    page = operator.get("/status").text
    assert "550 no &lt;b&gt;such" in page and "there.example" not in page
    form = {"token": token_in(operator), "id": str(one)}
    assert operator.post("/status/notifications/retry", data=form).status_code == 303
    states = {row.id: (row.state, row.attempts) for row in Notification.select()}
    assert states == {one: ("waiting", 0), two: ("dead", 9)}
    assert Subscriber.get_by_id(subscriber.id).suppressed_at is None
    assert (
        operator.post("/status/notifications/retry", data={"token": form["token"]}).status_code
        == 303
    )
    assert Notification.by_state()["waiting"] == 2


def test_sizes_are_measured_by_upkeep_and_old_hours_forgotten(
    operator: FlaskClient, database: PostgresqlDatabase, redis_client: Redis
) -> None:
    old = datetime.now(UTC) - timedelta(days=40)
    Hour.create(hour=old, name="mails", label="imported", shard=0, value=1)
    assert "measured once an hour" in operator.get("/status").text
    upkeep()
    upkeep()
    assert Hour.select().where(Hour.name == "mails").count() == 0
    sizes = Hour.since(datetime.now(UTC) - timedelta(hours=2), "size")
    assert {label for _, label in sizes} == {"database", "disk used", "disk free"}
    assert all(value > 0 for value in sizes.values())
    operator.application.extensions["status"]._seconds = 0.0
    text = operator.get("/status").text
    assert "over the last 30 days" not in text and re.search(r"Database: [\d.]+ MiB, \+", text)
    Hour.create(
        hour=datetime.now(UTC) - timedelta(days=3), name="size", label="database", shard=0, value=1
    )
    text = operator.get("/status").text
    assert "database over the last 30 days" in text and "iB since" in text


def test_the_last_runs_of_a_job_are_a_line_in_which_failures_show(
    operator: FlaskClient, database: PostgresqlDatabase
) -> None:
    began = datetime.now(UTC) - timedelta(hours=1)
    JobRun.record("upkeep", "", began, began + timedelta(seconds=2), {})
    JobRun.record("upkeep", "", began, began + timedelta(seconds=1), {}, "ValueError: <b>")
    page = operator.get("/status").text
    assert "the last 2 runs: 1 failed, the longest took 2.0 s" in page


# Pure parts.


def test_hours_are_those_of_the_last_day_whatever_has_no_mail() -> None:
    mails = {(THIS_HOUR, "imported"): 4.0, (THIS_HOUR - timedelta(hours=24), "rejected"): 1.0}
    mails[THIS_HOUR - timedelta(hours=25), "imported"] = 9.0
    rows = shown.hour_rows(NOW, mails, {})
    assert len(rows) == 25 and rows[-1].imported == 4 and rows[0].rejected == 1
    assert sum(row.imported for row in rows) == 4


@pytest.mark.parametrize(
    ("counts", "median", "late"),
    [
        ({}, "", ""),
        ({0.05: 1}, "0.05", "0.05"),
        ({0.05: 50, 60.0: 50}, "0.05", "60.0"),
        ({0.1: 95, 3600.0: 5}, "0.1", "0.1"),
        ({0.1: 94, 3600.0: 6}, "0.1", "3600.0"),
        ({math.inf: 2}, "+Inf", "+Inf"),
    ],
)
def test_how_long_mails_waited_is_the_bound_that_so_many_stayed_below(
    counts: dict[float, int], median: str, late: str
) -> None:
    lag = {(THIS_HOUR, label_of(bound)): float(number) for bound, number in counts.items()}
    row = shown.hour_rows(NOW, {}, lag)[-1]
    assert (row.median, row.late) == (median, late)


def test_a_chart_escapes_its_words_and_holds_for_nothing_and_for_one() -> None:
    assert "<rect" not in bars([], "none")
    made = str(bars([Bar((("", 3.0), ("bad", 1.0)), "<a>")], "by <hour>"))
    assert made.count("<rect") == 2 and "&lt;a&gt;" in made and "by &lt;hour&gt;" in made
    heights = [float(one) for one in re.findall(r' height="([\d.]+)"', made)]
    assert heights == [36.0, 12.0]
    assert bars([Bar((("", 0.0),), "none")], "zero").count("<rect") == 0
    assert sparkline([("", 0.0), ("bad", 0.0)], "no time").count("<rect") == 2


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (1023, "1,023 B"),
        (1024, "1.0 KiB"),
        (5 * 2**30, "5.0 GiB"),
        (2**50, "1,024.0 TiB"),
    ],
)
def test_sizes_are_written_in_binary_units(number: float, text: str) -> None:
    assert shown.in_bytes(number) == text


def test_what_is_gathered_beside_is_kept_renewed_when_old_and_its_failure_told() -> None:
    now, answers = [0.0], iter([1, 2])
    background = Background("test-facts", lambda: next(answers), lambda: now[0], every=10.0)
    assert background.found(patience=30.0).facts == 1
    now[0] = 9.0
    assert background.found(30.0).facts == 1
    now[0] = 11.0
    background.renew()
    assert background.found().facts == 2
    background.renew()  # there is no third answer
    found = background.found()
    assert found.facts is None and found.at > 0


def test_what_is_gathered_beside_rests_as_long_as_it_takes_but_never_for_days() -> None:
    now, took = [0.0], [0.0]

    def gather() -> None:
        now[0] += took[0]

    background = Background("test-facts", gather, lambda: now[0], every=10.0)
    for seconds, rest in ((0.1, 10.0), (6.0, 120.0), (7200.0, 3600.0)):  # the last: a disk hung
        took[0] = seconds
        background.renew()
        assert background._due == pytest.approx(now[0] + rest)
