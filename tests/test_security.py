"""What strangers may try: names that lead out of the Maildir, roles that can do too much, secrets that are shown."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import traceback
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from peewee import PostgresqlDatabase
from redis import Redis

import models
from jobs.import_messages import import_messages
from jobs.update_muplis import update_muplis
from jobs.upkeep import upkeep
from models import JobRun, Location, Message, Rejected, Subscription
from mrilu.cli import backups
from mrilu.downloads.errors import SourceUnreachable
from mrilu.mail.permalinks import hash_of
from mrilu.notifications.confirmation import confirm, request_subscription
from mrilu.notifications.links import Outcome, SubscriptionScope, sign, token_key, unsubscribe
from mrilu.notifications.preferences import Preferences, give_up, save_preferences
from mrilu.notifications.subscriptions import target_for_query
from mrilu.queues.queues import queue
from mrilu.runtime.database import database as process_database
from mrilu.runtime.database import disconnect
from mrilu.service.postgres import Cluster
from mrilu.settings.current import forget_settings, use_settings
from mrilu.settings.table import PROJECT, Settings
from mrilu.web import facts_postgresql
from mrilu.web.app import make_app
from mrilu.web.patience import Asker, Askers
from tests.factories import deliver, mail, make_maildir, register


@pytest.fixture
def root(database: PostgresqlDatabase, redis_client: Redis, tmp_path: Path) -> Path:
    made = make_maildir(tmp_path / "Maildir", ".one")
    register(made)
    return made


@pytest.mark.parametrize(
    "path",
    [
        "../outside.eml", "new/../../outside.eml", "/etc/passwd", "new//etc/passwd", ".one/../../outside.eml",
        "new/\0/etc/passwd", "..", "cur/..", "new/./x", ".one/cur/../../../outside.eml", "\0", "new/\n../x", "",
    ],
)  # fmt: skip
def test_a_path_that_leads_out_of_the_maildir_is_no_mail(
    root: Path, tmp_path: Path, path: str
) -> None:
    (tmp_path / "outside.eml").write_bytes(mail("<outside@x>"))
    import_messages("test", [path])
    assert Message.select().count() == 0 and Rejected.select().count() == 0


@pytest.mark.parametrize("make", [os.symlink, os.link])
def test_a_link_in_the_place_of_a_mail(root: Path, tmp_path: Path, make) -> None:
    """A symlink is not a mail, wherever it leads; a hard link is a file like any other."""
    (tmp_path / "outside").write_bytes(mail("<outside@x>"))
    make(tmp_path / "outside", root / "new" / "1.x")
    import_messages("test", ["new/1.x"])
    assert Message.select().count() == (1 if make is os.link else 0)


def test_a_folder_that_became_a_symlink_is_not_entered(root: Path, tmp_path: Path) -> None:
    secret = make_maildir(tmp_path / "secret")
    deliver(secret, mail("<outside@x>"), "new/1.x")
    (root / ".two").symlink_to(secret)
    from mrilu.maildir.names import scan

    assert list(scan(root)) == []


@pytest.mark.parametrize(
    "name",
    [
        "1.x:2,S",
        "a b",
        "-rf",
        "$(id)",
        "`id`",
        "%s%n",
        "'; DROP TABLE message; --",
        "é\n\x1b[2J",
        "🐈",
    ],
)
def test_a_strange_name_is_only_a_name(root: Path, name: str) -> None:
    place = f"cur/{name}"
    deliver(root, mail("<a@x>"), place)
    import_messages("test", [place])
    assert Location.get().path() == place and Message.select().count() == 1


@pytest.fixture
def roles(
    cluster: Cluster, database: PostgresqlDatabase, service_settings: Settings
) -> Iterator[dict[str, Settings]]:
    """The settings of each role of docs/roles.sql."""
    psql = backups.program("psql", service_settings)
    script = ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(PROJECT / "docs" / "roles.sql")]
    for _ in range(2):  # again is not an error
        done = subprocess.run([psql, cluster.url, *script], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    names = ("mrilu_worker", "mrilu_web")
    with psycopg.connect(cluster.url, autocommit=True) as link:
        for name in names:
            link.execute(f"ALTER ROLE {name} LOGIN")
        urls = {name: cluster.url.replace("mrilu@", f"{name}@") for name in names}
        yield {name: replace(service_settings, database_url=url) for name, url in urls.items()}
        disconnect()
        forget_settings()
        for name in names:
            link.execute(
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{name}'"
            )
            link.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


def refused(settings: Settings, *statements: str) -> None:
    for statement in statements:
        with (
            psycopg.connect(str(settings.database_url)) as link,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            link.execute(statement)


def test_the_workers_role_can_work_and_no_more(roles: dict[str, Settings], root: Path) -> None:
    use_settings(roles["mrilu_worker"])
    assert import_messages("test", [deliver(root, mail()), deliver(root, b"x")])["imported"] == 1  # type: ignore[index]
    upkeep()
    refused(
        roles["mrilu_worker"],
        "DROP TABLE message",
        "CREATE TABLE x ()",
        "ALTER TABLE message ADD x int",
        "DELETE FROM schema_migration",
        "CREATE ROLE x",
        "COPY message TO PROGRAM 'id'",
    )


def test_the_webs_role_reads_and_does_what_subscribers_ask_for_and_no_more(
    roles: dict[str, Settings], database
) -> None:
    database.execute_sql("INSERT INTO subscriber (address) VALUES ('a@x.example')")
    database.execute_sql(
        "INSERT INTO subscription (subscriber, kind, target, label) VALUES (1, 'word', 'coi', 'coi')"
    )
    use_settings(roles["mrilu_web"])
    db = process_database()
    assert facts_postgresql.gather(db.connection())
    key = token_key(db, None)
    assert unsubscribe(db, sign(SubscriptionScope(1, 1, 0), key), key) is Outcome.DONE
    assert unsubscribe(db, sign(SubscriptionScope(1, None, 0), key), key) is not Outcome.FORGED
    search = target_for_query(db.connection(), "from:ann coi")
    assert request_subscription(db, "b@x.example", search, datetime.now(UTC))
    asked = Subscription.get(Subscription.kind == "query")
    token = sign(SubscriptionScope(asked.subscriber, asked.id, 0), key, "confirm")
    assert confirm(db, token, key) is Outcome.DONE
    chosen = Preferences("ja", "Asia/Tokyo", "daily", 7)
    save_preferences(db, asked.subscriber, chosen, datetime.now(UTC))
    assert give_up(db, asked.subscriber, [asked.id]) == 1
    refused(
        roles["mrilu_web"],
        "DELETE FROM message",
        "UPDATE message SET subject = ''",
        "DELETE FROM location",
        "UPDATE subscriber SET address = ''",
        "UPDATE subscription SET target = ''",
        "DELETE FROM notification",
        "UPDATE total SET value = 0",
        "TRUNCATE notification",
        "DROP TABLE message",
    )


@pytest.fixture
def fresh_askers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Threads that ask the database for the pages, without the connections of earlier tests."""
    several, one, another = Askers("database", 1), Asker("postgresql"), Asker("jobs")
    monkeypatch.setattr("mrilu.web.patience._database", several)
    monkeypatch.setattr("mrilu.web.routes.status._postgresql", one)
    monkeypatch.setattr("mrilu.web.routes.status._both", another)
    yield
    for asker in (several, one, another):
        asker.ask(lambda: models.db.close(), 10)


def test_with_the_webs_role_operators_see_the_status_and_are_told_what_it_may_not(
    roles: dict[str, Settings], root: Path, redis_client: Redis, fresh_askers: None
) -> None:
    raw = mail("<one@x>", subject="tea")
    assert import_messages("test", [deliver(root, raw), deliver(root, b"x")])["imported"] == 1  # type: ignore[index]
    disconnect()
    use_settings(roles["mrilu_web"])
    client = make_app(replace(roles["mrilu_web"], operator_password=SECRET)).test_client()
    assert client.post("/login", data={"password": SECRET}).status_code == 303
    page = client.get("/status")
    assert page.status_code == 200 and ">level</td>" in page.text and "no-header" in page.text
    form = {"token": re.search(r'name="token" value="(\w+)"', page.text)[1]}  # type: ignore[index]
    assert client.post("/status/rejected/retry", data=form).status_code == 303
    assert queue("mail").count == 1
    refused = client.post(f"/m/{hash_of('one@x')}/withhold", data=form)
    assert refused.status_code == 403 and "docs/roles.sql" in refused.text
    assert client.application.test_client().get(f"/m/{hash_of('one@x')}/").status_code == 200


SECRET = "hush-hush-hush"
QUIET = "quiet-quiet-quiet"  # of the sources: nothing else masks it
FAILING = """
from mrilu.runtime import logs
from mrilu.runtime.database import database
from mrilu.runtime.redis import redis_connection
from mrilu.settings.current import current_settings
logs.log_as(current_settings())
{what}
"""


@pytest.mark.parametrize("what", ["process_database()", "redis_connection().ping()"])
def test_a_traceback_shows_no_password(what: str) -> None:
    known = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(PROJECT), "REDIS_URL": f"redis://u:{SECRET}@127.0.0.1:1",
             "DATABASE_URL": f"postgresql://u:{SECRET}@127.0.0.1:1/d"}  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", FAILING.format(what=what)], env=known, capture_output=True, text=True
    )
    assert done.returncode and "level=critical" in done.stderr
    assert SECRET not in done.stderr + done.stdout


@pytest.mark.parametrize(
    "command", [["status"], ["status", "--json"], ["schedule"], ["why", "x"], ["env"], ["doctor"]]
)
def test_a_command_shows_no_secret(
    service_settings: Settings, database, redis_client, tmp_path, command
) -> None:
    known = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(PROJECT), "DATA_DIR": str(tmp_path / "data"),
             "DATABASE_URL": str(service_settings.database_url) + f"&password={SECRET}",
             "REDIS_URL": str(service_settings.redis_url), "TOKEN_SECRET": SECRET, "OPERATOR_PASSWORD": SECRET,
             "SMTP_URL": f"smtp://u:{SECRET}@127.0.0.1:1", "MAIL_FROM": "a@x.example",
             "DICTIONARY_SOURCE": f"en=https://u:{QUIET}@127.0.0.1:1/x.xml,ja=https://127.0.0.1:1/?password={QUIET}",
             "MUPLIS_URL": f"https://u:{QUIET}@127.0.0.1:1/x.tsv"}  # fmt: skip
    now = datetime.now(UTC)
    for job, error in (("export_dictionaries", f"{'x' * 110}{QUIET}"), ("update_muplis", known["MUPLIS_URL"]),
                       ("sync_dictionary", known["DICTIONARY_SOURCE"])):  # fmt: skip
        JobRun.record(job, "", now, now, {}, error)  # as a version that did not mask them left it
    done = subprocess.run(
        [sys.executable, "-P", "-m", "mrilu.cli", *command],
        env=known,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    told = done.stdout + done.stderr
    assert told and "Traceback" not in told, told
    if command != ["env"]:  # what a shell is to use: DATABASE_URL and REDIS_URL, and nothing else
        assert SECRET not in told, told
    assert told.count(SECRET) <= 1 and QUIET[:8] not in told, told


@pytest.mark.parametrize("place", ["u:{}@127.0.0.1:1/x.tsv", "127.0.0.1:1/x.tsv?password={}"])
def test_a_sources_password_is_kept_out_of_its_run_and_its_traceback(
    service_settings: Settings, database, redis_client, place: str
) -> None:
    use_settings(replace(service_settings, muplis_url="http://" + place.format(SECRET)))
    with pytest.raises(SourceUnreachable) as caught:
        update_muplis()
    assert "127.0.0.1:1/x.tsv" in str(caught.value) and "***" in str(caught.value)
    assert SECRET not in "".join(
        traceback.format_exception(caught.value)
    )  # what rq keeps and /rq shows
    assert JobRun.get().outcome == "failed" and SECRET not in JobRun.get().error


def test_nothing_of_ours_runs_text_as_code() -> None:
    runs = re.compile(r"\bpickle\.loads?\b|\beval\(|\bexec\(|shell=True|yaml\.load\(|\bmarshal\b")
    for path in PROJECT.rglob("*.py"):
        if not {".venv", "tests", "bench", "data"} & set(path.relative_to(PROJECT).parts):
            assert not runs.findall(path.read_text()), path


def test_the_callers_folder_is_not_imported(tmp_path):
    ran = tmp_path / "ran"
    for name in ("pip", "sysconfig", "venv", "json", "click", "jobs", "settings"):
        (tmp_path / f"{name}.py").write_text(f"open({str(ran)!r}, 'a').write({name!r})\n")
    known = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "DATA_DIR": str(tmp_path / "data")}
    command = ["bash", str(PROJECT / "run.sh"), "--help"]
    done = subprocess.run(
        command, env=known, cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0 and "status" in done.stdout, done.stderr
    assert not ran.exists(), ran.read_text()
