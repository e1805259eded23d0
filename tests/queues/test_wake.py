from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

from redis import ConnectionError as RedisAway

from jobs.import_messages import import_messages
from mrilu.queues import wake
from mrilu.queues.queues import EMBED, LONG, queue
from mrilu.settings.current import use_settings
from mrilu.settings.table import PROJECT
from tests.factories import deliver, mail, make_maildir, register


def waiting() -> list[dict]:
    return [job.kwargs for job in queue(EMBED).jobs]


def test_any_number_of_mails_ask_for_one_run(redis_client):
    for _ in range(5):
        wake.wake_embedding()
    assert waiting() == [{"recent": True}]


def test_mail_that_comes_after_a_run_began_asks_for_another(redis_client):
    wake.wake_embedding()
    wake.heard_wake(recent=True)
    wake.wake_embedding()
    assert len(waiting()) == 2


def test_a_wake_that_was_lost_is_forgotten_in_time(redis_client):
    wake.wake_embedding()
    assert 0 < redis_client.ttl(wake.WAKE_KEY) <= wake.WAKE_TTL


def test_it_can_be_called_as_a_program(service_settings, redis_client):
    environ = {**os.environ, "REDIS_URL": service_settings.redis_url, "PYTHONPATH": str(PROJECT)}
    subprocess.run([sys.executable, "-P", "-m", "mrilu.queues.wake"], env=environ, check=True)
    assert waiting() == [{"recent": False}]
    [exports] = queue(LONG).jobs
    assert exports.func_name == wake.EXPORTS


def test_nothing_is_asked_for_when_embeddings_are_off(redis_client, service_settings):
    use_settings(replace(service_settings, embeddings=False))
    wake.wake_embedding()
    assert waiting() == []


def test_a_redis_that_is_away_fails_no_import(database, redis_client, tmp_path, monkeypatch):
    def away():
        raise RedisAway("gone")

    root = make_maildir(tmp_path / "Maildir")
    register(root)
    monkeypatch.setattr(wake, "redis_connection", away)
    assert import_messages("test", [deliver(root, mail())]) == {"imported": 1}


def test_an_import_wakes_the_embeddings_and_a_copy_does_not(database, redis_client, tmp_path):
    root = make_maildir(tmp_path / "Maildir")
    register(root)
    raw = mail()
    import_messages("test", [deliver(root, raw)])
    assert waiting() == [{"recent": True}]
    wake.heard_wake(recent=True)
    import_messages("test", [deliver(root, raw)])
    assert len(waiting()) == 1


def test_new_definitions_ask_for_a_run_over_everything_and_an_unchanged_source_does_not(
    database, redis_client
):
    from jobs.sync_dictionary import sync_dictionary
    from jobs.update_muplis import update_muplis

    sync_dictionary()
    assert waiting() == [{"recent": False}]
    wake.heard_wake(recent=False)
    update_muplis()
    assert len(waiting()) == 2
    wake.heard_wake(recent=False)
    sync_dictionary()
    update_muplis()
    assert len(waiting()) == 2
