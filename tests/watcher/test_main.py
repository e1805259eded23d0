"""What the watcher's process does with the real archive: registering, recovering, removing."""

from dataclasses import replace

import pytest

from jobs import schedule
from jobs.import_messages import import_messages
from models import Location, Maildir, Message, Vanishing
from mrilu.queues.enqueue import enqueue_now
from mrilu.queues.queues import queue, submit_import
from mrilu.runtime.database import database as process_database
from mrilu.settings.current import use_settings
from tests.factories import deliver, mail, make_maildir
from tests.queues.test_alive import start
from tests.queues.test_runs import row_of
from watcher.__main__ import connect
from watcher.service import Refused


@pytest.fixture
def root(tmp_path, database, redis_client):
    made = make_maildir(tmp_path / "Maildir")
    assert connect(("m",)).register("m", made) == "maildir"
    return made


def long_ago(database) -> None:
    database.execute_sql("UPDATE location SET gone_at = gone_at - interval '1 minute'")


@pytest.mark.parametrize(("gone_files", "left"), [("remove", 1), ("keep", 2)])
def test_the_watcher_lets_messages_go_with_their_last_file_if_the_site_wants_it_so(
    root, service_settings, database, gone_files, left
):
    use_settings(replace(service_settings, gone_files=gone_files))
    database = process_database()
    archive = connect(("m",))
    first, second, lone = (deliver(root, mail(name)) for name in ("<a@x>", "<a@x>", "<b@x>"))
    for path in (first, second, lone):  # a cross-post and a lone mail
        import_messages("m", [path])
    for path in (first, lone):
        (root / path).unlink()
    import_messages("m", archive.missing("m", root))
    archive.recover()
    assert Message.select().count() == 2  # each may still turn out to be a rename
    long_ago(database)
    archive.recover()
    assert Message.select().count() == left
    (row,) = Location.select().where(Location.gone_at.is_null())
    assert (row.path(), row.copy) == (second, False)


def test_nothing_is_removed_for_a_clash_of_names(root, service_settings, database, tmp_path):
    use_settings(replace(service_settings, gone_files="remove"))
    database = process_database()
    import_messages("m", [deliver(root, mail("<a@x>"))])
    archive = connect(("m",))
    other = make_maildir(tmp_path / "other")
    with pytest.raises(Refused, match="MAILDIR_PATH"):
        archive.register("m", other)
    import_messages("m", archive.missing("m", root))
    long_ago(database)
    archive.recover()
    assert Message.select().count() == 1 and Maildir.get().root == str(root)


def test_nothing_is_removed_while_a_mass_vanishing_cannot_be_held_back(
    root, service_settings, database, monkeypatch
):
    use_settings(replace(service_settings, gone_files="remove"))
    paths = [deliver(root, mail()) for _ in range(12)]
    import_messages("m", paths)
    for path in paths:
        (root / path).unlink()
    archive = connect(("m",))
    import_messages("m", archive.missing("m", root))
    long_ago(database)
    with monkeypatch.context() as patch:
        patch.setattr("watcher.__main__.note_vanishings", lambda db, bounds: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            archive.recover()
    assert Message.select().count() == 12
    archive.recover()
    assert Message.select().count() == 12 and Vanishing.get().files == 12


def test_where_nothing_is_removed_vanishings_are_looked_for_now_and_then(
    root, service_settings, monkeypatch
):
    looks = []
    monkeypatch.setattr("watcher.__main__.note_vanishings", lambda db, bounds: looks.append(bounds))
    monkeypatch.setattr("watcher.__main__.rest_after", lambda seconds: 3600.0)
    archive = connect(("m",))
    archive.recover()
    archive.recover()
    assert len(looks) == 1
    use_settings(replace(service_settings, gone_files="remove"))
    archive.recover()
    assert len(looks) == 2


@pytest.mark.parametrize("which", [lambda: connect(("m",)).recover(), schedule._recover])
def test_the_watcher_and_the_scheduler_alike_put_back_imports_and_runs(redis_client, root, which):
    """Either may have died with the host whose work is to be put back."""
    row = row_of("count_up")
    submit_import("m", [deliver(root, mail())], live=False)
    start(redis_client, enqueue_now(row, "first", redis_client), "dead")
    start(redis_client, queue("mail").job_ids[0], "dead", "mail")
    which()
    assert len(queue("mail")) == 1 and len(queue("default")) == 1
