import os
import socket
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import psycopg
import pytest
from rq import Retry

import models
from jobs import import_messages as job
from jobs.import_messages import UnknownMaildir, import_messages
from models import JobRun, Location, Message, Rejected
from mrilu.archive import read, store
from mrilu.archive.ledger import balance, difference
from mrilu.archive.removal import remove_gone_messages
from mrilu.mail.message import RejectedMail
from mrilu.maildir.names import scan
from tests.factories import deliver, mail, make_maildir


@pytest.fixture
def root(root: Path) -> Path:
    return make_maildir(root, ".one", ".two")


def import_all(root: Path) -> Counter:
    return Counter(import_messages("test", difference(models.db, root, "test").paths))


def only(table):
    rows = list(table.select())
    assert len(rows) == 1
    return rows[0]


def assert_level(root: Path) -> None:
    found = balance(models.db, models.Maildir.get(models.Maildir.name == "test"), set())
    assert found.level and found.gap == 0
    assert found.on_disk == len(list(scan(root)))


def test_a_mail_becomes_a_message_and_a_location(root):
    raw = mail(
        "<a@x>",
        subject="Re: [one] Café",
        body="own\n> quoted\n",
        list_id="One list <one.lists.example>",
    )
    path = deliver(root, raw)
    assert import_messages("test", [path]) == {"imported": 1}
    message, location = only(Message), only(Location)
    assert (message.message_id, message.subject, message.cleaned_subject) == (
        "a@x",
        "Re: [one] Café",
        "Café",
    )
    assert (
        message.sent_at == datetime(2025, 10, 6, 7, 12, 44, tzinfo=UTC)
        and message.date_source == "date"
    )
    assert message.body.splitlines() == ["own", "> quoted"] and message.own_text().strip() == "own"
    assert message.list_ids == ["one.lists.example"]
    assert (location.path(), location.size, location.copy) == (path, len(raw), False)
    assert_level(root)


def test_own_text_is_searchable_and_quoted_text_is_not(root, database):
    import_messages("test", [deliver(root, mail(subject="a'u rodo", body="unicorns\n> dragons\n"))])

    def hits(query: str) -> int:
        sql = "SELECT count(*) FROM message WHERE search @@ websearch_to_tsquery('mrilu', %s)"
        return database.execute_sql(sql, (query,)).fetchone()[0]

    assert hits("unicorn") == 1
    assert hits("dragons") == 0
    assert hits("ahu") == 1


def test_importing_twice_changes_nothing(root):
    path = deliver(root, mail("<a@x>"))
    import_messages("test", [path])
    before = (only(Message).imported_at, only(Location).first_seen)
    assert import_messages("test", [path, path]) == {"known": 1}
    assert (only(Message).imported_at, only(Location).first_seen) == before


def test_a_cross_post_is_one_message_with_two_locations_on_two_lists(root):
    first = mail("<a@x>", subject="[one] hello", list_id="<one.x>")
    second = mail(
        "<a@x>", subject="[two] hello", list_id="<two.x>", body="coi rodo\n-- \nother footer\n"
    )
    deliver(root, first, ".one/new/1.a")
    deliver(root, second, ".two/new/1.b")
    assert import_all(root) == {"imported": 1, "copies": 1}
    assert only(Message).list_ids == ["one.x", "two.x"]
    assert sorted(row.copy for row in Location.select()) == [False, True]
    assert_level(root)


def test_a_copy_that_comes_later_adds_its_list(root):
    import_messages("test", [deliver(root, mail("<a@x>", list_id="<two.x>"))])
    assert import_messages("test", [deliver(root, mail("<a@x>", list_id="<one.x>"))]) == {
        "copies": 1
    }
    assert only(Message).list_ids == ["one.x", "two.x"]


@pytest.mark.parametrize(
    "other", [{"sender": "Mallory <m@evil.example>"}, {"date": "Tue, 07 Oct 2025 09:12:44 +0200"}]
)
def test_a_message_id_used_again_does_not_suppress_the_other_mail(root, other):
    deliver(root, mail("<a@x>"))
    deliver(root, mail("<a@x>", **other))
    assert import_all(root) == {"imported": 2}
    assert Message.numbers()[1] == 1


def test_a_date_written_in_another_zone_is_the_same_message(root):
    deliver(root, mail("<a@x>", date="Mon, 06 Oct 2025 09:12:44 +0200"))
    deliver(root, mail("<a@x>", date="Mon, 6 Oct 2025 07:12:44 GMT"))
    assert import_all(root) == {"imported": 1, "copies": 1}


def test_mails_without_message_id_are_told_apart_by_content(root):
    deliver(root, mail("", body="one\n"))
    deliver(root, mail("", body="two\n"))
    deliver(
        root,
        mail(
            "",
            body="two\n",
            more="Received: from elsewhere by here; Mon, 06 Oct 2025 09:12:44 +0200\n",
        ),
    )
    assert import_all(root) == {"imported": 2, "copies": 1}
    assert all(row.message_id_derived for row in Message.select())


@pytest.mark.parametrize("suffix", [":2,S", ",S=123:2,RS", ",U=7:2,"])
def test_a_move_to_cur_updates_the_location(root, suffix):
    path = deliver(root, mail("<a@x>"))
    import_messages("test", [path])
    moved = path.replace("new/", "cur/") + suffix
    (root / path).rename(root / moved)
    # The two events of a rename may come in either order, and in one batch or two.
    assert import_messages("test", [path, moved])["moved"] == 1
    assert (only(Location).path(), only(Location).gone_at) == (moved, None)
    assert only(Location).flags == suffix.partition(":2,")[2]
    assert_level(root)


def test_a_move_seen_backwards_ends_at_the_new_place(root):
    path = deliver(root, mail("<a@x>"))
    import_messages("test", [path])
    moved = path.replace("new/", "cur/") + ":2,S"
    (root / path).rename(root / moved)
    assert import_messages("test", [path]) == {"gone": 1}
    assert import_messages("test", [moved]) == {"moved": 1}
    assert (only(Location).path(), only(Location).gone_at) == (moved, None)


def test_a_deleted_file_is_gone_and_its_message_stays(root):
    path = deliver(root, mail("<a@x>"))
    import_messages("test", [path])
    (root / path).unlink()
    assert import_messages("test", [path]) == {"gone": 1}
    assert only(Location).gone_at is not None and only(Message).message_id == "a@x"
    assert_level(root)
    deliver(root, mail("<a@x>"), path)
    assert import_messages("test", [path]) == {"known": 1}
    assert only(Location).gone_at is None


def test_two_files_of_one_unique_name_are_both_accounted_for(root):
    deliver(root, mail("<a@x>"), "cur/1.a:2,S")
    deliver(root, mail("<b@x>"), "cur/1.a:2,R")
    assert import_all(root) == {"imported": 2}
    assert sorted(row.nth for row in Location.select()) == [0, 1]
    assert_level(root)
    assert import_messages("test", ["cur/1.a:2,S", "cur/1.a:2,R"]) == {"known": 2}


def test_a_file_that_was_overwritten_is_read_again(root):
    path = deliver(root, mail("<a@x>", body="short\n"))
    import_messages("test", [path])
    deliver(root, mail("<b@x>", body="another, longer text\n"), path)
    import_messages("test", [path])
    assert Message.get_by_id(only(Location).message).message_id == "b@x"
    deliver(root, b"no header here, only a line of text\n", path)
    import_messages("test", [path])
    assert only(Rejected).reason == "no-header" and Location.select().count() == 0
    assert_level(root)


def test_what_is_no_mail_is_rejected_with_its_reason(root, monkeypatch, service_settings):
    deliver(root, b"")
    deliver(root, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    deliver(root, mail("<a@x>"))
    assert import_all(root) == {"imported": 1, "rejected": 2}
    assert Rejected.by_reason() == {"empty": 1, "no-header": 1}
    assert_level(root)
    assert difference(models.db, root, "test").paths == []


def test_a_mail_over_the_size_limit_is_rejected_without_being_read(root, database):
    path = deliver(root, mail(body="x" * 2000))
    counts = job.import_paths(
        database, "test", [path], job.Limits(max_bytes=1000), job.NewsRules(7, "", "")
    )
    assert counts == {"rejected": 1}
    assert only(Rejected).reason == "too-large" and "MAX_MESSAGE_BYTES" in only(Rejected).error


def test_an_unreadable_file_is_rejected_and_tried_again_at_each_rescan(root, monkeypatch):
    path = deliver(root, mail("<a@x>"))

    def refuse(*_: object) -> bytes:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(read, "read_bytes", refuse)
        import_messages("test", [path])
    assert (only(Rejected).reason, only(Rejected).error) == ("unreadable", "Permission denied")
    assert difference(models.db, root, "test").paths == [path]
    assert import_all(root) == {"imported": 1}
    assert Rejected.select().count() == 0
    assert_level(root)


def test_a_newer_parser_gets_the_rejected_mails_again(root, monkeypatch):
    path = deliver(root, mail("<a@x>"))

    def refuse(*_: object, **__: object) -> None:
        raise RejectedMail("no-header", "an older parser did not see it")

    with monkeypatch.context() as patch:
        patch.setattr(read, "parse_message", refuse)
        import_messages("test", [path])
    assert difference(models.db, root, "test").paths == []
    Rejected.update(parser_version=Rejected.parser_version - 1).execute()
    assert difference(models.db, root, "test").paths == [path]
    assert import_messages("test", [path]) == {"imported": 1}


def test_a_fault_of_the_parser_rejects_that_mail_only(root, monkeypatch):
    real = read.parse_message

    def faulty(raw: bytes, **more: object):
        if b"poison" in raw:
            raise ZeroDivisionError("a bug of ours\0")
        return real(raw, **more)

    monkeypatch.setattr(read, "parse_message", faulty)
    deliver(root, mail(body="poison\n"))
    deliver(root, mail(body="wholesome\n"))
    assert import_all(root) == {"imported": 1, "rejected": 1}
    assert (only(Rejected).reason, only(Rejected).error) == (
        "parser-error",
        "ZeroDivisionError: a bug of ours",
    )


def test_a_batch_that_postgresql_refuses_is_split_until_the_bad_mail_is_alone(root, monkeypatch):
    real = store.staging_row

    def unclean(one):
        row = list(real(one))
        if one.message.message_id == "bad@x":
            row[4] = "NUL \0 in a text"
        return tuple(row)

    monkeypatch.setattr(store, "staging_row", unclean)
    for name in ("<a@x>", "<b@x>", "<bad@x>", "<c@x>", "<d@x>"):
        deliver(root, mail(name))
    assert import_all(root) == {"imported": 4, "rejected": 1}
    assert only(Rejected).reason == "unstorable"
    assert_level(root)


def test_what_lies_in_cur_but_is_no_file_is_not_followed(root):
    outside = root.parent / "secret"
    outside.write_bytes(mail("<secret@x>"))
    (root / "cur" / "1.link:2,").symlink_to(outside)
    os.mkfifo(root / "cur" / "1.fifo:2,")
    (root / "cur" / "1.folder:2,").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        where = os.getcwd()
        os.chdir(root / "cur")
        listener.bind("1.socket:2,")
        os.chdir(where)
    paths = [
        "cur/1.link:2,",
        "cur/1.fifo:2,",
        "cur/1.folder:2,",
        "cur/1.socket:2,",
        "../secret",
        "tmp/x",
    ]
    assert import_messages("test", paths) == {"ignored": 2}
    assert Message.select().count() == 0


def test_a_name_that_is_not_utf8_is_imported_and_found_again(root):
    (root / "tmp" / "x").write_bytes(mail("<a@x>"))
    os.rename(os.fsencode(root / "tmp" / "x"), os.path.join(os.fsencode(root), b"new/1.\xff\xfe"))
    assert import_all(root) == {"imported": 1}
    assert difference(models.db, root, "test").paths == []
    assert_level(root)


def test_each_run_leaves_a_row(root):
    import_messages("test", [deliver(root, mail())])
    run = only(JobRun)
    assert (run.job, run.outcome, run.counts) == ("import_messages", "done", {"imported": 1})
    assert run.started_at <= run.ended_at


def test_an_unknown_maildir_is_named(database):
    with pytest.raises(UnknownMaildir, match="'nowhere'"):
        import_messages("nowhere", ["new/1"])


def test_a_message_goes_with_its_last_file_if_the_site_wants_it_so(root, database):
    first, second = deliver(root, mail("<a@x>")), deliver(root, mail("<a@x>"))
    import_messages("test", [first, second])
    (root / first).unlink()
    import_messages("test", [first])
    assert remove_gone_messages(database) == 0  # it may still turn out to be a rename
    assert remove_gone_messages(database, grace=0) == 0 and only(Location).path() == second
    (root / second).unlink()
    import_messages("test", [second])
    assert remove_gone_messages(database, grace=0) == 1
    assert Message.select().count() == Location.select().count() == 0
    assert_level(root)


class FakeJob:
    meta: ClassVar[dict] = {}
    id, number_of_retries = "job-1", 0


@pytest.mark.parametrize(
    "error", [psycopg.OperationalError("gone away"), psycopg.errors.DeadlockDetected("x")]
)
def test_a_transient_error_is_answered_with_rqs_retry(root, monkeypatch, error):
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(job, "import_paths", fail)
    monkeypatch.setattr(job, "get_current_job", FakeJob)
    answer = import_messages("test", ["new/1"])
    assert isinstance(answer, Retry) and answer.max == 7 and answer.intervals[0] == 1
    assert JobRun.select().count() == 0  # it has not failed yet


def test_a_transient_error_is_raised_when_the_tries_are_used_up(root, monkeypatch):
    class LastTry(FakeJob):
        meta: ClassVar[dict] = {}
        number_of_retries = 7

    def fail(*_: object) -> None:
        raise psycopg.OperationalError("gone away")

    monkeypatch.setattr(job, "import_paths", fail)
    monkeypatch.setattr(job, "get_current_job", LastTry)
    with pytest.raises(psycopg.OperationalError):
        import_messages("test", ["new/1"])
    run = only(JobRun)
    assert (run.job, run.rq_id, run.outcome) == ("import_messages", "job-1", "failed")
    assert run.error == "OperationalError: gone away" and run.counts == {}


@pytest.mark.parametrize("error", [psycopg.DataError("hidden words"), ValueError("hidden words")])
def test_a_failed_import_is_recorded_without_the_mail_that_its_error_quotes(
    root, monkeypatch, error
):
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(job, "import_paths", fail)
    with pytest.raises(type(error)):
        import_messages("test", ["new/1"])
    run = only(JobRun)
    assert (
        run.outcome == "failed"
        and run.error.startswith(type(error).__name__)
        and "hidden" not in run.error
    )


def test_an_import_for_a_maildir_that_is_unknown_says_so_in_its_record(root):
    with pytest.raises(job.UnknownMaildir):
        import_messages("nowhere", ["new/1"])
    assert only(JobRun).error.startswith(
        "UnknownMaildir: Maildir 'nowhere': No Maildir of this name"
    )
