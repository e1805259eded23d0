import json
import mailbox
import os
import re
import socket
import subprocess
import sys
import threading
from datetime import UTC, datetime
from email import message_from_bytes
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result
from rq import SimpleWorker
from rq.suspension import resume, suspend

from jobs.import_messages import import_messages
from models import Location, Maildir, Message, Rejected
from mrilu.cli.__main__ import main
from mrilu.cli.sources import NotMail, mails_in, register
from mrilu.cli.status import embeddings_line
from mrilu.queues.queues import queue, queued_paths, submit_import
from mrilu.runtime.heartbeat import beat
from mrilu.service.first_look import check, level_line, make_sample
from mrilu.service.placement import ourselves
from mrilu.settings.fields import SettingError
from mrilu.settings.load import load
from mrilu.settings.table import PROJECT
from tests.factories import deliver, mail, make_maildir
from tests.factories import register as register_row


@pytest.fixture
def run(service_settings, database, redis_client):
    """Call a command as ./run.sh does; return click's result."""

    def call(*words: str) -> Result:
        environ = {
            "DATABASE_URL": service_settings.database_url,
            "REDIS_URL": service_settings.redis_url,
            "DATA_DIR": str(service_settings.data_dir),
            "COLUMNS": "200",
        }
        return CliRunner(env=environ).invoke(main, list(words), catch_exceptions=False)

    return call


def work() -> None:
    mail_queue = queue("mail")
    worker = SimpleWorker(
        [mail_queue], connection=mail_queue.connection, serializer=mail_queue.serializer
    )
    worker.work(burst=True, logging_level="ERROR")


def test_status_draws_up_the_ledger_and_names_the_gap(run, root):
    import_messages("test", [deliver(root, raw) for raw in (mail("<a@x>"), mail("<a@x>"), b"")])
    submit_import("test", [deliver(root, mail())], live=True)
    lost = deliver(root, mail())
    beat("watcher", {"pending": 0, "maildirs": {"test": {"mode": "inotify"}}})
    result = run("status")
    assert result.exit_code == 1
    assert re.search(r"test +5 += +1 +\+ +1 +\+ +1 +\+ +1 +gap", result.output)
    assert lost in result.output and "no-header" not in result.output and "empty 1" in result.output
    assert "maildirs.test.mode=inotify" in result.output


def test_status_for_scripts_has_everything(run, root):
    import_messages("test", [deliver(root, mail("<a@x>"))])
    result = run("status", "--json")
    facts = json.loads(result.output)
    assert result.exit_code == 0 and facts["level"] is True
    assert facts["maildirs"][0]["imported"] == 1 and facts["maildirs"][0]["gap"] == 0
    assert {one["name"] for one in facts["queues"]} == {
        "mail",
        "default",
        "long",
        "notify",
        "embed",
    }
    assert facts["runs"][0]["job"] == "import_messages" and facts["watcher"] is None


def test_status_says_that_a_maildir_is_missing(run, root):
    root.rename(root.parent / "away")
    result = run("status")
    assert result.exit_code == 1 and "there is no such folder" in result.output


def test_why_tells_the_history_of_a_file(run, root):
    path = deliver(root, mail("<a@x>", subject="About cats"))
    import_messages("test", [path])
    for question in (path, str(root / path)):
        result = run("why", question)
        assert result.exit_code == 0
        assert "in the archive as message" in result.output and "About cats" in result.output


def test_why_finds_a_file_by_either_side_of_a_symlink(run, tmp_path, monkeypatch):
    real, link = make_maildir(tmp_path / "real"), tmp_path / "link"
    link.symlink_to(real)
    register_row(link)
    path = deliver(real, mail("<a@x>"))
    import_messages("test", [path])
    monkeypatch.chdir(real / "new")
    for question in (str(link / path), str(real / path), path.removeprefix("new/")):
        assert f"test: {path}\n  in the archive" in run("why", question).output
    Maildir.update(root=str(real)).execute()
    assert "in the archive" in run("why", str(link / path)).output


def test_why_tells_of_moved_gone_rejected_queued_and_unseen_files(run, root):
    moved, gone, bad = (deliver(root, raw) for raw in (mail("<a@x>"), mail("<b@x>"), b""))
    import_messages("test", [moved, gone, bad])
    place = moved.replace("new/", "cur/") + ":2,S"
    (root / moved).rename(root / place)
    (root / gone).unlink()
    import_messages("test", [moved, place, gone])
    queued = deliver(root, mail())
    submit_import("test", [queued], live=True)
    unseen = deliver(root, mail())
    assert f"this file moved to {place}" in run("why", moved).output
    assert "not on disk any more; the archive keeps its message" in run("why", gone).output
    assert "rejected (empty)" in run("why", bad).output
    assert "waiting in the queue" in run("why", queued).output
    assert "not enqueued yet" in run("why", unseen).output
    nowhere = run("why", "new/never.seen")
    assert nowhere.exit_code == 1 and "never seen" in nowhere.output


def test_why_knows_message_ids_copies_and_ghosts(run, root):
    first, second = deliver(root, mail("<a@x>")), deliver(root, mail("<a@x>"))
    import_messages("test", [first, second, deliver(root, mail("<b@x>", in_reply_to="<ghost@x>"))])
    result = run("why", "<a@x>")
    assert first in result.output and f"copy: test: {second}" in result.output
    ghost = run("why", "ghost@x")
    assert ghost.exit_code == 0
    assert "never arrived" in ghost.output and "<b@x>" in ghost.output
    facts = json.loads(run("why", "a@x", "--json").output)
    assert len(facts["messages"]) == 1 and len(facts["messages"][0]["files"]) == 2
    assert run("why", "<nobody@x>").exit_code == 1


def test_rescan_enqueues_what_differs_and_nothing_twice(run, root):
    path = deliver(root, mail())
    assert "test: 1 files differ" in run("rescan").output
    assert "test: 0 files differ" in run("rescan").output
    assert queued_paths() == {"test": {path}}
    work()
    assert Message.select().count() == 1


def test_rescan_goes_on_after_a_maildir_that_is_away_and_says_so(run, root, tmp_path):
    register_row(tmp_path / "away", "away")
    deliver(root, mail())
    result = run("rescan")
    assert "test: 1 files differ" in result.output and result.exit_code == 1
    assert result.stderr.startswith("mrilu: away: ") and "there is no such folder" in result.stderr
    Maildir.watch_only(("test",))
    assert run("rescan").exit_code == 0


def test_rescan_that_waits_tells_the_ledger_and_whether_it_is_level(run, root, monkeypatch):
    deliver(root, mail())
    monkeypatch.setattr("mrilu.cli.importing.follow", lambda maildir, paths: None)
    behind = run("rescan", "--wait")
    assert behind.exit_code == 1 and "not level: test: 1 files on disk" in behind.output
    work()
    level = run("rescan", "--wait")
    assert level.exit_code == 0 and "level: test: 1 files on disk = 1 imported" in level.output


def test_rescan_that_waits_stays_for_what_was_queued_before_it(run, root, monkeypatch):
    deliver(root, mail())
    assert "test: 1 files differ" in run("rescan").output
    worked = []

    def work_once() -> None:  # in place of a worker beside
        worked.append(work())

    monkeypatch.setattr("mrilu.cli.importing.recover_imports", work_once)
    result = run("rescan", "--wait")
    assert "test: 0 files differ" in result.output and worked
    assert result.exit_code == 0 and "level: test: 1 files on disk = 1 imported" in result.output


def test_retry_gives_rejected_files_another_chance(run, root):
    bad = deliver(root, b"")
    import_messages("test", [bad, deliver(root, b"\0\1\2")])
    Rejected.update(attempts=1).execute()
    assert "1 rejected files" in run("retry", "--reason", "empty").output
    work()
    assert {row.reason: row.attempts for row in Rejected.select()} == {"empty": 2, "no-header": 1}
    assert "2 rejected files" in run("retry").output


def test_import_takes_a_maildir_that_is_not_watched(run, tmp_path):
    other = make_maildir(tmp_path / "Other archive", ".one")
    deliver(other, mail(), ".one/new/1.a")
    result = run("import", str(other))
    assert "1 files" in result.output and "'Other_archive'" in result.output
    work()
    assert Message.select().count() == 1
    assert not Maildir.get().watched
    assert "0 files" in run("import", str(other)).output and Maildir.select().count() == 1


def test_import_takes_a_folder_of_eml_files(run, tmp_path):
    folder = tmp_path / "letters"
    folder.mkdir()
    (folder / "one.eml").write_bytes(mail())
    (folder / "note.txt").write_text("no mail")
    assert "1 files" in run("import", str(folder)).output
    work()
    assert Message.select().count() == 1


def test_import_takes_an_mbox_twice_and_each_mail_once(run, tmp_path, service_settings):
    box = mailbox.mbox(tmp_path / "list.mbox")
    for number in range(3):
        box.add(
            message_from_bytes(
                mail(f"<{number}@x>", body="From here on\n\nFrom there to here\n>From quoted\n")
            )
        )
    box.close()
    for expected in (3, 0):
        assert f"{expected} files" in run("import", str(tmp_path / "list.mbox")).output
        work()
    assert Message.select().count() == 3
    body = Message.get(Message.message_id == "1@x").body
    assert body.splitlines()[:3] == ["From here on", "", "From there to here"]


def test_import_takes_one_mail_and_refuses_what_is_none(run, tmp_path):
    (tmp_path / "one").write_bytes(mail("<one@x>"))
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n")
    assert "1 files" in run("import", str(tmp_path / "one")).output
    refused = run("import", str(tmp_path / "picture.png"))
    assert refused.exit_code == 1 and "picture.png: neither a Maildir" in refused.stderr
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "cur/ and new/ are missing" in run("import", str(empty)).stderr
    assert run("import", str(tmp_path / "nothing")).exit_code == 2


def test_two_folders_of_one_name_get_two_maildirs(tmp_path, database):
    first, second = (make_maildir(tmp_path / parent / "mail") for parent in ("a", "b"))
    names = [register(root, tmp_path / "unpacked").name for root in (first, second, first)]
    assert names == ["mail", "mail-2", "mail"]


def test_a_from_line_in_a_body_does_not_split_an_mbox(tmp_path):
    file = tmp_path / "box"
    file.write_bytes(
        b"From a@x Mon Oct  6 09:12:44 2025\nSubject: x\n\nFrom now on\n\nFrom me to you, 2025\n"
    )
    assert len(list(mails_in(file))) == 1
    (tmp_path / "no").write_bytes(b"just text\n")
    with pytest.raises(NotMail):
        list(mails_in(tmp_path / "no"))


def test_a_service_that_is_down_is_one_line(tmp_path, database):
    runner = CliRunner(env={"DATA_DIR": str(tmp_path), "DATABASE_URL": "", "REDIS_URL": ""})
    result = runner.invoke(main, ["status"])
    assert result.exit_code == 1
    assert (
        result.stderr.startswith("mrilu: the service was never started")
        and "Traceback" not in result.stderr
    )
    gone = {
        "DATABASE_URL": f"postgresql://mrilu@/x?host={tmp_path}",
        "REDIS_URL": f"unix://{tmp_path}/no.sock",
    }
    result = CliRunner(env=gone).invoke(main, ["status"])
    assert (
        result.exit_code == 1 and "DATABASE_URL" in result.stderr and result.stderr.count("\n") == 1
    )


def test_a_setting_that_cannot_be_used_is_one_line(tmp_path):
    result = CliRunner(env={"BATCH_SIZE": "many", "DATA_DIR": str(tmp_path)}).invoke(main, ["env"])
    assert result.exit_code == 1 and result.stderr.startswith("mrilu: BATCH_SIZE: 'many'")


@pytest.mark.parametrize(
    ("path", "advice"),
    [("missing", "mount or make it"), ("file", "run.sh import"), ("empty", "mkdir .*empty/cur")],
)
def test_a_maildir_that_is_none_stops_the_start_and_says_what_to_do(tmp_path, path, advice):
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(SettingError, match=f"MAILDIR_PATH: .*{path}: .*; .*{advice}"):
        check(
            load({"MAILDIR_PATH": str(tmp_path / path), "DATA_DIR": str(tmp_path / "data")}),
            ourselves(),
        )


def test_the_sample_maildir_shows_a_thread_a_copy_an_attachment_and_a_rejection(tmp_path, database):
    make_sample(tmp_path / "Maildir", ourselves())
    register_row(tmp_path / "Maildir")
    paths = [f"new/{file.name}" for file in (tmp_path / "Maildir" / "new").iterdir()]
    assert import_messages("test", paths) == {"imported": 3, "copies": 1, "rejected": 1}
    assert Message.get(Message.has_attachment).parts["parts"][1]["filename"] == "lettre ✉.gif"
    first, second = (
        Message.get(Message.message_id == name)
        for name in ("coi-1@lists.example", "coi-2@example.org")
    )
    assert first.thread_id() == second.thread_id() and second.from_name == "śymag da Silva"
    make_sample(tmp_path / "Maildir", ourselves())
    assert len(list((tmp_path / "Maildir" / "new").iterdir())) == len(paths)


def test_the_level_line_says_what_is_missing():
    facts = {
        "maildir": "m",
        "on_disk": 9,
        "imported": 3,
        "copies": 2,
        "rejected": 1,
        "waiting": 3,
        "level": False,
    }
    assert (
        level_line(facts)
        == "not level: m: 9 files on disk, 3 imported + 2 copies + 1 rejected + 3 waiting"
    )


def test_a_cron_setting_that_cannot_be_used_stops_the_start(tmp_path):
    with pytest.raises(SettingError, match="CRON_NO_SUCH_JOB"):
        check(load({"CRON_NO_SUCH_JOB": "1 2 * * *", "DATA_DIR": str(tmp_path)}), ourselves())


def test_a_maildir_that_is_watched_no_more_does_not_count_against_the_service(run, root, tmp_path):
    other = register_row(make_maildir(tmp_path / "Other"), "other")
    Maildir.watch_only(("other",))
    deliver(root, mail())
    result = run("status", "--json")
    facts = json.loads(result.output)
    assert result.exit_code == 0 and facts["level"]
    assert {one["maildir"]: one["watched"] for one in facts["maildirs"]} == {
        "other": True,
        "test": False,
    }
    assert "differs (not watched)" in run("status").output and Path(other.root).is_dir()


def test_status_says_why_no_notification_goes_out_and_how_far_the_embeddings_are(run, root):
    output = run("status").output
    assert "SMTP_URL is not set: notifications wait until it is" in output
    assert re.search(r"^embeddings (level|behind|missing)", output, re.MULTILINE)


def test_status_tells_the_time_left_while_embeddings_are_made():
    facts = {
        "state": "behind",
        "model": "m",
        "done": {"message": 10},
        "waiting": {"message": 500, "word": 500},
    }
    assert (
        embeddings_line(facts | {"rate": 50.0, "eta": 20})
        == "behind: 10 done, 1,000 waiting, 50/s, 20 s left (m)"
    )
    assert embeddings_line({"state": "off"}) == "off"


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path):
    environ = {
        "DATA_DIR": str(tmp_path),
        "DATABASE_URL": "postgresql://a/b",
        "REDIS_URL": "redis://c",
        "PATH": "/bin",
    }
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "mrilu.cli", "env"],
        env=environ,
        cwd=PROJECT,
        stdout=writer,
        stderr=subprocess.PIPE,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_locked_table_ends_a_command_with_a_line_and_doctor_names_the_holder(
    run, root, service_settings, monkeypatch
):
    monkeypatch.setattr("mrilu.cli.connect.LOCK_SECONDS", 0.5)
    monkeypatch.setattr("mrilu.service.waits.PATIENCE", 0.0)
    with psycopg.connect(service_settings.database_url) as holder:
        holder.execute("LOCK TABLE location IN ACCESS EXCLUSIVE MODE")
        result = run("status")
        assert result.exit_code == 1 and "another session locks what this needs" in result.stderr
        with psycopg.connect(service_settings.database_url) as other:
            waiting = threading.Thread(target=lambda: other.execute("SELECT FROM location"))
            waiting.start()
            told = ""
            while f"session {holder.info.backend_pid} " not in told:
                told = run("doctor").output
            holder.rollback()
            waiting.join()


def test_a_server_that_takes_connections_and_never_answers_ends_a_command(
    run, root, monkeypatch, service_settings, tmp_path
):
    monkeypatch.setattr("mrilu.cli.connect.ANSWER_SECONDS", 0.5)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "silent"))
        silent.listen()
        environ = {"REDIS_URL": f"unix://{tmp_path}/silent"}
        environ |= {"DATABASE_URL": service_settings.database_url}
        result = CliRunner(env=environ).invoke(main, ["status"], catch_exceptions=False)
    assert result.exit_code == 1 and "Redis does not answer (" in result.stderr


def test_status_says_how_many_messages_an_older_parser_read(run, root):
    import_messages("test", [deliver(root, mail("<a@x>"))])
    assert re.search(r"^parser +version \d+$", run("status").output, re.MULTILINE)
    Message.update(parser_version=1).execute()
    assert "1 messages of an older one are to be read again" in run("status").output
    assert json.loads(run("status", "--json").output)["parser"]["waiting"] == 1
    Location.update(gone_at=datetime.now(UTC)).execute()
    assert "1 messages of an older one have no file any more" in run("status").output


def test_names_that_would_write_to_the_terminal_are_shown_escaped(run, tmp_path, database):
    root = make_maildir(tmp_path / "[red]boxes[/]")
    register_row(root)
    evil = "cur/2.\x1b]0;owned\x07\x1b[31mred.h:2,S"
    deliver(root, mail(), evil)
    deliver(root, mail(), "cur/3.[bold]x[nothing].h:2,S")
    beat("watcher", {"pending": 0, "trouble": f"{root}: [b]gone[/b]\x1b[2J"})
    for words in (["status"], ["why", str(root / evil)], ["doctor"]):
        result = run(*words)
        assert "\x1b]0;" not in result.output and "\x1b[2J" not in result.output
    shown = run("status").output
    assert "2.\\x1b]0;owned\\x07\\x1b[31mred.h" in shown and "3.[bold]x[nothing].h" in shown
    root.rename(tmp_path / "away")
    assert "[red]boxes[/]: there is no such folder" in run("status").output


def test_suspended_workers_are_told_by_status_and_doctor(run, root, redis_client):
    suspend(redis_client)
    try:
        deliver(root, mail())
        shown = run("status").output
        assert "all workers are suspended (rq suspend): rq resume" in shown
        assert "rescan heals it" not in shown
        assert "all workers are suspended" in run("doctor").output
    finally:
        resume(redis_client)
