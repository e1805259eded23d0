"""The job on a real database, with an encoder that remembers what it was asked."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain, cycle, repeat
from pathlib import Path

import psycopg
import pytest

from jobs import embed_missing as job
from jobs.import_messages import import_messages
from models import Definition, Embedded, Embedding, EmbeddingModel, JobRun, Message, Sentence
from mrilu.cli.status import gather
from mrilu.embeddings import backlog
from mrilu.embeddings.model import NotInstalled
from mrilu.embeddings.progress import progress, report
from mrilu.embeddings.sources import KINDS, count_waiting, rows_waiting
from mrilu.queues.queues import EMBED, queue
from mrilu.runtime.database import database as process_database
from mrilu.runtime.redis import redis_connection
from mrilu.settings.current import current_settings, use_settings
from mrilu.settings.table import PROJECT
from tests.embeddings.made import FakeEncoder, change, define, fake_model, pair
from tests.factories import deliver, mail, make_maildir, register


@pytest.fixture(autouse=True)
def _nothing_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "SETTLE_SECONDS", 0)


@pytest.fixture
def encoder(database, redis_client, monkeypatch: pytest.MonkeyPatch) -> FakeEncoder:
    return install(monkeypatch, FakeEncoder())


def install(monkeypatch: pytest.MonkeyPatch, made: FakeEncoder) -> FakeEncoder:
    monkeypatch.setattr(job, "find_model", lambda source: made.model)
    monkeypatch.setattr("mrilu.embeddings.progress.find_model", lambda source: made.model)
    monkeypatch.setattr(job, "load_encoder", lambda model, device: made)
    return made


def refuse_to_load(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(model, device):
        raise AssertionError("the model was loaded")

    monkeypatch.setattr(job, "load_encoder", load)


@pytest.fixture
def root(tmp_path: Path, database) -> Path:
    made = make_maildir(tmp_path / "Maildir")
    register(made)
    return made


def receive(root: Path, **fields: str) -> None:
    assert import_messages("test", [deliver(root, mail(**fields))]) == {"imported": 1}


def owners(kind: str) -> set[int]:
    return {row.owner for row in Embedding.select(Embedding.owner).where(Embedding.kind == kind)}


def test_definitions_sentences_and_messages_get_vectors(encoder, root):
    cat = define("mlatu", "$x_1$ is a cat", ["cat"])
    sentence = pair("coi", "Hello!")
    receive(root, subject="Re: cats", body="They purr.\n> do they?\n")
    counts = job.embed_missing()
    assert counts == {"definitions": 1, "sentences": 1, "messages": 1, "embedded": 3}
    assert sorted(encoder.encoded) == ["Hello!", "cat. x1 is a cat", "cats\nThey purr."]
    assert owners("definition") == {cat.id} and owners("sentence") == {sentence}
    assert JobRun.get(JobRun.job == "embed_missing").outcome == "done"


def test_a_run_with_nothing_new_does_not_load_the_model(encoder, monkeypatch):
    define("mlatu", "a cat")
    job.embed_missing()
    refuse_to_load(monkeypatch)
    assert job.embed_missing() == {}


def test_only_the_changed_text_is_embedded_again(encoder):
    cat, dog = define("mlatu", "a cat"), define("gerku", "a dog")
    job.embed_missing()
    encoder.encoded.clear()
    change(cat, text="a feline")
    assert job.embed_missing() == {"definitions": 1, "embedded": 1}
    assert encoder.encoded == ["a feline"] and owners("definition") == {cat.id, dog.id}


def test_a_changed_score_embeds_nothing_and_writes_no_vector(encoder):
    cat = define("mlatu", "a cat")
    job.embed_missing()
    before = row_versions()
    change(cat, score=7.0)
    assert job.embed_missing() == {"definitions": 1}
    assert len(encoder.encoded) == 1 and row_versions() == before


def test_what_is_counted_as_waiting_is_what_would_be_embedded(encoder, root, database):
    define("mlatu", "a cat"), define("gerku", "a dog"), pair("coi", "Hello!")
    gone = define("xirma", "a horse")
    receive(root, body="Cats purr.")
    job.embed_missing()
    define("finpe", "a fish"), receive(root, body="Fish do not.")
    Definition.update(gone_at=datetime.now(UTC)).where(Definition.id == gone.id).execute()
    Message.update(text_state=uuid.uuid4()).where(Message.body.contains("purr")).execute()
    model = EmbeddingModel.get().id
    waiting = {kind: len(rows_waiting(database, model, kind, 10)) for kind in KINDS}
    assert count_waiting(database, model) == waiting
    assert waiting == {"definition": 1, "sentence": 0, "message": 2}


def row_versions() -> list[tuple]:
    return Embedding._meta.database.execute_sql(
        "SELECT owner, chunk, xmin::text FROM embedding ORDER BY 1"
    ).fetchall()


def test_equal_texts_are_embedded_once_in_one_run_and_over_runs(encoder, monkeypatch):
    monkeypatch.setitem(backlog.SLICE, "definition", 2)
    for number in range(5):
        define(f"word{number}", "the same")
    assert job.embed_missing() == {"definitions": 5, "embedded": 1, "copied": 4}
    define("later", "the same")
    assert job.embed_missing() == {"definitions": 1, "copied": 1}
    assert encoder.encoded == ["the same"]
    vectors = Embedding._meta.database.execute_sql(
        "SELECT count(*), count(DISTINCT vector::text) FROM embedding"
    )
    assert vectors.fetchone() == (6, 1)


def test_a_text_whose_stored_vector_goes_with_the_slice_under_way_is_embedded_anew(
    encoder, monkeypatch
):
    monkeypatch.setitem(backlog.SLICE, "definition", 1)
    only = define("mlatu", "a cat")
    job.embed_missing()
    define("again", "a cat")
    last = define("gerku", "a dog")
    # newest first: the one row with the vector of "a cat" is written after "again" has been told that it is stored
    Definition.update(id=last.id + 1).where(Definition.id == only.id).execute()
    Embedding.update(owner=last.id + 1).execute()
    Embedded.update(owner=last.id + 1).execute()
    change(Definition.get_by_id(last.id + 1), text="a feline")
    Definition.delete().where(Definition.id == last.id).execute()
    assert job.embed_missing() == {"definitions": 2, "embedded": 2}
    assert encoder.encoded == ["a cat", "a feline", "a cat"] and Embedding.select().count() == 2


def test_what_is_gone_is_forgotten(encoder):
    cat, sentence = define("mlatu", "a cat"), pair("coi", "Hello!")
    job.embed_missing()
    Definition.update(gone_at=cat.added_at).where(Definition.id == cat.id).execute()
    Sentence.delete().where(Sentence.id == sentence).execute()
    assert job.embed_missing() == {"forgotten": 2}
    assert Embedding.select().count() == Embedded.select().count() == 0


def test_a_long_message_is_cut_and_its_pieces_start_where_they_stand_in_own_text(encoder, root):
    receive(root, subject="long", body=" ".join(f"word{number}" for number in range(70)) + "\n")
    job.embed_missing()
    starts = [row.start for row in Embedding.select().order_by(Embedding.chunk)]
    own = Message.get().own_text()
    budget = encoder.model.max_tokens - 3
    assert [own[start:].split()[0] for start in starts] == [
        "word0",
        f"word{budget}",
        f"word{2 * budget}",
    ]


def test_a_message_of_quotes_only_is_known_by_its_subject_and_an_empty_one_not_at_all(
    encoder, root
):
    receive(root, subject="Re: cats", body="> They purr.\n")
    receive(root, subject="", body="\n")
    assert job.embed_missing() == {"messages": 2, "embedded": 1}
    assert encoder.encoded == ["cats"]
    assert job.embed_missing() == {}


def test_mail_that_arrives_during_a_long_run_comes_next(encoder, root, monkeypatch):
    monkeypatch.setitem(backlog.SLICE, "definition", 1)
    for number in range(6):
        define(f"word{number}", f"text {number}")

    def in_the_job(counts, seconds):  # between two slices, as another worker would
        if counts["definitions"] == 1:
            receive(root, subject="urgent", body="now\n")

    monkeypatch.setattr(job, "report", in_the_job)
    job.embed_missing()
    assert encoder.encoded.index("urgent\nnow") < encoder.encoded.index("text 0")


def test_a_run_for_new_mail_leaves_the_dictionary_to_the_hour(encoder, root):
    define("mlatu", "a cat")
    receive(root, subject="new", body="mail\n")
    assert job.embed_missing(recent=True) == {"messages": 1, "embedded": 1}


def test_a_run_that_takes_too_long_asks_for_another(encoder, monkeypatch):
    monkeypatch.setitem(backlog.SLICE, "definition", 1)
    monkeypatch.setattr(job, "RUN_SECONDS", 0)
    for number in range(3):
        define(f"word{number}", f"text {number}")
    assert job.embed_missing() == {"definitions": 1, "embedded": 1}
    (waiting,) = queue(EMBED).jobs
    assert waiting.kwargs == {"recent": False}
    assert job.embed_missing() == {"definitions": 1, "embedded": 1}


def test_another_model_is_made_in_the_shadow_and_searched_when_complete(encoder, monkeypatch):
    monkeypatch.setitem(backlog.SLICE, "definition", 1)
    monkeypatch.setattr(backlog, "time", FrozenTime())
    for number in range(3):
        define(f"word{number}", f"text {number}")
    job.embed_missing()
    second = install(monkeypatch, FakeEncoder(fake_model("second@2")))
    monkeypatch.setattr(job, "RUN_SECONDS", -1)
    job.embed_missing()
    assert EmbeddingModel.searched().name == "fake@1" and progress_now()["state"] == "building"
    assert Embedding.select().where(Embedding.model == EmbeddingModel.searched().id).count() == 3
    monkeypatch.setattr(job, "RUN_SECONDS", 60)
    job.embed_missing()
    assert EmbeddingModel.searched().name == "second@2" and len(second.encoded) == 3
    assert {row.model for row in Embedding.select()} == {EmbeddingModel.searched().id}
    assert EmbeddingModel.select().count() == 1


def test_a_model_that_was_given_up_before_it_was_complete_leaves_no_vectors(encoder, monkeypatch):
    monkeypatch.setitem(backlog.SLICE, "definition", 1)
    for number in range(3):
        define(f"word{number}", f"text {number}")
    job.embed_missing()
    install(monkeypatch, FakeEncoder(fake_model("second@2")))
    with monkeypatch.context() as short:
        short.setattr(job, "RUN_SECONDS", -1)
        job.embed_missing()
    assert EmbeddingModel.select().count() == 2
    install(monkeypatch, encoder)
    job.embed_missing()
    assert [row.name for row in EmbeddingModel.select()] == [
        "fake@1"
    ] and EmbeddingModel.get().current
    assert Embedding.select().count() == Embedded.select().count() == 3


class FrozenTime:
    def monotonic(self) -> float:
        return 0.0


def test_the_index_of_nearest_neighbours_is_built_once_it_is_worth_it(
    encoder, database, monkeypatch
):
    monkeypatch.setattr("mrilu.embeddings.index.WORTH_INDEXING", 3)
    define("a", "one")
    job.embed_missing()
    assert near_indexes(database) == []
    for word in "bcd":
        define(word, word)
    job.embed_missing()
    model = EmbeddingModel.searched().id
    assert near_indexes(database) == [f"embedding_near_{model}_definition"]
    second = install(monkeypatch, FakeEncoder(fake_model("second@2")))
    job.embed_missing()
    assert second.encoded and near_indexes(database) == [
        f"embedding_near_{EmbeddingModel.searched().id}_definition"
    ]
    drop_near_indexes(database)


def near_indexes(database) -> list[str]:
    rows = database.execute_sql(
        "SELECT relname FROM pg_class WHERE relname LIKE 'embedding\\_near%%' ORDER BY 1"
    )
    return [row[0] for row in rows]


def drop_near_indexes(database) -> None:
    for name in near_indexes(database):
        database.execute_sql(f"DROP INDEX {name}")


def progress_now() -> dict:
    return progress(process_database(), current_settings().embedding_model)


def test_embeddings_can_be_turned_off(encoder, service_settings):
    define("mlatu", "a cat")
    use_settings(replace(service_settings, embeddings=False))
    assert job.embed_missing() == {"off": 1} and encoder.encoded == []
    assert gather()["embeddings"] == {"state": "off"}


def test_without_its_packages_the_job_does_nothing(encoder, monkeypatch):
    def missing(source):
        raise NotInstalled("not yet")

    monkeypatch.setattr(job, "find_model", missing)
    monkeypatch.setattr("mrilu.embeddings.progress.find_model", missing)
    assert job.embed_missing() == {"not_installed": 1}
    assert progress_now()["state"] == "missing" and progress_now()["why"] == "not yet"


def test_progress_tells_what_waits_and_when_it_will_be_done(encoder, monkeypatch):
    for number in range(3):
        define(f"word{number}", f"text {number}")
    assert progress_now()["waiting"] == {"definition": 3, "sentence": 0, "message": 0}
    assert progress_now()["state"] == "behind" and progress_now()["eta"] is None
    report(Counter(definitions=6), 4.0)
    assert (progress_now()["rate"], progress_now()["eta"]) == (1.5, 2)
    job.embed_missing()
    assert progress_now()["state"] == "level" and progress_now()["done"]["definition"] == 3


# The third slice kills its process, as the kernel would: no handler runs, no transaction is ended.
KILLED = """
import os, signal, sys
from dataclasses import replace
from datetime import UTC, datetime
from jobs import embed_missing as job
from mrilu.runtime.redis import redis_connection
from mrilu.settings.current import use_settings
from mrilu.embeddings import backlog
from mrilu.settings.load import load
from tests.embeddings.made import FakeEncoder

calls = []
def heard(texts):
    calls.append(texts)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)

encoder = FakeEncoder(heard=heard)
use_settings(replace(load({}), database_url=sys.argv[1], redis_url=sys.argv[2]))
backlog.SLICE["definition"] = 10
job.find_model = lambda source: encoder.model
job.load_encoder = lambda model, device: encoder
job.embed_missing()
"""


def test_after_kill_9_a_run_goes_on_and_embeds_nothing_twice(encoder, service_settings):
    for number in range(50):
        define(f"word{number}", f"text {number}")
    urls = [str(service_settings.database_url), str(service_settings.redis_url)]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, *urls], cwd=PROJECT, capture_output=True, timeout=60
    )
    assert killed.returncode == -9, killed.stderr.decode()[-2000:]
    # the first slice was committed while the second was under way; the second is written when the third begins
    committed = Embedding.select().count()
    assert committed in (10, 20)
    held = row_versions()
    counts = job.embed_missing()
    assert counts["embedded"] == 50 - committed == len(encoder.encoded) == len(set(encoder.encoded))
    assert set(held) <= set(row_versions()) and Embedding.select().count() == 50
    assert [run.error for run in JobRun.select().where(JobRun.outcome == "failed")] == [
        "worker died"
    ]


def test_the_process_that_has_embedded_never_forks(encoder, monkeypatch):
    """A child would wait for the encoder's threads, which it has not got: the embed worker is a SimpleWorker."""
    from rq.serializers import JSONSerializer
    from rq.worker import SimpleWorker

    from mrilu.queues.wake import ask_for_run
    from mrilu.service.programs import PROGRAMS

    def fork():
        raise AssertionError("a fork after inference")

    define("mlatu", "a cat")
    ask_for_run(recent=False)
    ask_for_run(recent=True)
    monkeypatch.setattr(os, "fork", fork)
    worker = SimpleWorker([queue(EMBED)], connection=redis_connection(), serializer=JSONSerializer)
    worker.work(burst=True, logging_level="WARNING")
    assert (
        len(encoder.encoded) == 1 and JobRun.select().where(JobRun.outcome == "done").count() == 2
    )
    (row,) = [one for one in PROGRAMS if one.name == "embed"]
    assert "-w rq.worker.SimpleWorker" in row.arguments


def test_a_message_whose_text_is_read_in_another_way_is_embedded_again(encoder, root):
    receive(root, subject="cats", body="They purr.\n")
    receive(root, subject="dogs", body="They bark.\n")
    job.embed_missing()
    encoder.encoded.clear()
    Message.update(body="They sleep.", own_spans=[0, 11], text_state=uuid.uuid4()).where(
        Message.subject == "cats"
    ).execute()
    assert job.embed_missing() == {"messages": 1, "embedded": 1}
    assert encoder.encoded == ["cats\nThey sleep."]
    assert job.embed_missing() == {}


def test_a_text_that_changes_while_it_is_embedded_is_embedded_once_more(
    encoder, root, monkeypatch, database
):
    receive(root, subject="cats", body="They purr.\n")

    def change_it(texts) -> None:
        encoder.heard = lambda texts: None
        with psycopg.connect(current_settings().database_url) as other:
            other.execute(
                "UPDATE message SET body = 'They sleep.', own_spans = '{0,11}', text_state = gen_random_uuid()"
            )

    encoder.heard = change_it
    job.embed_missing()
    job.embed_missing()
    assert encoder.encoded == ["cats\nThey purr.", "cats\nThey sleep."]


def test_embedding_rests_while_a_backlog_of_mail_is_imported():
    waiting, rests = iter([200, 90, 5, 4]), []
    job.give_way(lambda: next(waiting), clock=lambda: 0.0, rest=rests.append)
    assert len(rests) == 3


def test_live_mail_holds_no_embedding_up():
    rests = []
    job.give_way(lambda: job.BACKLOG, clock=lambda: 0.0, rest=rests.append)
    assert rests == []


def rested(waiting: Iterator[int]) -> float:
    """Return how many seconds embedding rests before a slice, with so many jobs waiting at each look."""
    passed = [0.0]

    def rest(seconds: float) -> None:
        passed[0] += seconds

    job.give_way(lambda: next(waiting), clock=lambda: passed[0], rest=rest)
    return passed[0]


def test_mail_that_waits_for_something_else_holds_embedding_up_for_a_minute_at_most():
    assert rested(repeat(1000)) == job.STUCK_SECONDS


def test_embedding_rests_for_as_long_as_a_backlog_is_worked_off_and_not_for_ever():
    assert rested(chain(range(300, job.BACKLOG, -1), [0])) == 300 - job.BACKLOG
    assert rested(cycle([1000, 1001])) == job.LONGEST_REST


def test_a_run_asks_what_waits_before_it_loads_a_model_and_before_each_slice(
    root, encoder, monkeypatch
):
    asked = []
    load = job.load_encoder
    monkeypatch.setattr(job, "give_way", lambda waiting: asked.append(waiting()))
    monkeypatch.setattr(job, "load_encoder", lambda *of: asked.append("loads") or load(*of))
    import_messages("test", [deliver(root, mail())])
    job.embed_missing(recent=True)
    assert asked == [0, "loads", 0]
