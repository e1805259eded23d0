"""Of a message's live files exactly one is not a copy, whichever files come, go, come back or are overwritten."""

import importlib
import threading
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import models
from jobs.import_messages import import_messages
from models import Location, Maildir, Message
from mrilu.archive import store
from mrilu.archive.ledger import balance, difference
from mrilu.archive.removal import remove_gone_messages
from tests.factories import deliver, mail, make_maildir, register

RAW = mail("<a@x>")
WRONG = """
SELECT count(*) FROM (SELECT FROM location WHERE gone_at IS NULL GROUP BY message
                      HAVING count(*) FILTER (WHERE NOT copy) <> 1) AS one
"""


@pytest.fixture
def root(root: Path) -> Path:
    return make_maildir(root, ".lists", ".other")


def take_in(root: Path) -> None:
    for path in difference(models.db, root, "test").paths:
        import_messages("test", [path])


def counts() -> tuple[int, int]:
    found = balance(models.db, Maildir.get(Maildir.name == "test"), set())
    assert found.level and found.gap == 0, found
    assert models.db.execute_sql(WRONG).fetchone() == (0,)
    return found.imported, found.copies


def test_a_renamed_folder_holds_messages_and_no_copies(root):
    for number in range(5):
        deliver(root, mail(f"<{number}@x>"), f".lists/cur/{number}.a:2,S")
    take_in(root)
    (root / ".lists").rename(root / ".archive")
    paths = difference(models.db, root, "test").paths
    import_messages(
        "test", [path for path in paths if path.startswith(".archive")]
    )  # one batch: the new files
    import_messages(
        "test", [path for path in paths if path.startswith(".lists")]
    )  # the next: what has left
    assert counts() == (5, 0)


def test_a_mail_that_imap_moves_by_copy_and_expunge_is_no_copy(root):
    first = deliver(root, RAW, "cur/1.a:2,S")
    take_in(root)
    import_messages("test", [deliver(root, RAW, ".lists/cur/2.a:2,S")])
    assert counts() == (1, 1)
    (root / first).unlink()
    import_messages("test", [first])
    assert counts() == (1, 0)


def test_the_first_of_two_that_comes_back_makes_the_other_a_copy_again(root):
    first, second = deliver(root, RAW, ".lists/new/1.a"), deliver(root, RAW, ".other/new/2.a")
    import_messages("test", [first, second])
    aside = (root / first).rename(root / "tmp" / "aside")
    import_messages("test", [first])
    assert counts() == (1, 0)
    aside.rename(root / first)
    import_messages("test", [first])
    assert counts() == (1, 1)


@pytest.mark.parametrize(
    "raw", [mail("<b@x>", body="another\n"), b""], ids=["another mail", "no mail"]
)
def test_the_first_of_two_that_is_overwritten_leaves_the_message_to_the_other(root, raw):
    first, second = deliver(root, RAW, ".lists/new/1.a"), deliver(root, RAW, ".other/new/2.a")
    import_messages("test", [first, second])
    (root / first).write_bytes(raw)
    import_messages("test", [first])
    (row,) = Location.select().where(Location.unique_name == "2.a")
    assert not row.copy
    assert counts() == ((2, 0) if raw else (1, 0))


def test_messages_that_go_with_their_files_leave_no_copy_alone(root, database):
    first, second = deliver(root, RAW, ".lists/new/1.a"), deliver(root, RAW, ".other/new/2.a")
    import_messages("test", [first, second])
    (root / first).unlink()
    import_messages("test", [first])
    assert remove_gone_messages(database, grace=0) == 0
    assert counts() == (1, 0) and Location.select().count() == 1
    (root / second).unlink()
    import_messages("test", [second])
    assert remove_gone_messages(database, grace=0) == 1 and Message.select().count() == 0


def test_a_message_that_gets_a_new_file_just_now_is_not_removed(root, database):
    first = deliver(root, RAW, ".lists/new/1.a")
    import_messages("test", [first])
    (root / first).unlink()
    import_messages("test", [first])
    with psycopg.connect(
        database.database
    ) as another:  # a worker that has inserted its file and not committed yet
        another.execute("SELECT FROM message FOR KEY SHARE")
        assert remove_gone_messages(database, grace=0) == 0
    assert remove_gone_messages(database, grace=0) == 1


def test_two_workers_at_once_leave_one_that_is_no_copy(root, monkeypatch):
    """One worker notes the first file as gone while another has read the second but not committed it."""
    first = deliver(root, RAW, ".lists/new/1.a")
    import_messages("test", [first])
    second = deliver(root, RAW, ".other/new/2.a")
    (root / first).unlink()
    started, failures = threading.Event(), []
    real = store.update_messages

    def gone() -> None:
        try:
            started.set()
            import_messages("test", [first])
        except BaseException as error:
            failures.append(error)
        finally:
            models.db.close()

    other = threading.Thread(target=gone)

    def reread(*arguments):  # the second's row is written, the lock is held, nothing is committed
        if not other.ident:
            other.start()
            started.wait(10)
        return real(*arguments)

    monkeypatch.setattr(store, "update_messages", reread)
    import_messages("test", [second])
    other.join(30)
    assert not failures and counts() == (1, 0)


ACTIONS = st.lists(
    st.tuples(st.sampled_from(["come", "go", "move", "other"]), st.integers(0, 3)), max_size=12
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(actions=ACTIONS)
def test_whatever_happens_to_the_files_the_ledger_is_right(tmp_path_factory, database, actions):
    root = make_maildir(tmp_path_factory.mktemp("m"), ".lists", ".other")
    database.execute_sql(
        "TRUNCATE maildir, message, location, rejected, thread, thread_link CASCADE"
    )
    register(root)
    places = ["new/1.a", "cur/1.a:2,S", ".lists/new/2.a", ".other/new/3.a"]
    for action, number in actions:
        file, target = root / places[number], root / places[(number + 1) % 4]
        if action == "go":
            file.unlink(missing_ok=True)
        elif action == "move" and file.exists():
            file.rename(target)
        elif action != "move":
            file.write_bytes(RAW if action == "come" else mail("<b@x>"))
        take_in(root)
        assert sum(counts()) == sum((root / place).exists() for place in places)


def test_the_schema_step_mends_what_earlier_versions_left(root, database):
    first, second = deliver(root, RAW, ".lists/new/1.a"), deliver(root, RAW, ".other/new/2.a")
    import_messages("test", [first, second])
    (root / first).unlink()
    database.execute_sql("UPDATE location SET gone_at = now() WHERE unique_name = '1.a'")
    step = importlib.import_module("mrilu.migrations.0010_one_file_is_no_copy")
    step.up(None, database)
    assert counts() == (1, 0)
