"""The sentence pairs follow the muplis file, and keep what they have when it is not one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from peewee import PostgresqlDatabase

from jobs.update_muplis import update_muplis
from models import JobRun, Sentence
from mrilu.downloads.errors import SourceRefused, SourceUnreachable
from mrilu.settings.current import use_settings
from mrilu.settings.table import Settings
from tests.conftest import CORPORA
from tests.downloads import lying_server
from tests.downloads.lying_server import Behaviour, LyingServer, answer
from tests.downloads.sources import pairs

TSV = "text/tab-separated-values; charset=utf-8"


@pytest.fixture
def server() -> Iterator[LyingServer]:
    with lying_server.lying_server() as running:
        yield running


@pytest.fixture
def settings(
    service_settings: Settings, database: PostgresqlDatabase, server: LyingServer
) -> Settings:
    """Settings whose muplis file is the server's /muplis, with 100 pairs read already."""
    url = server.url("/muplis", answer(pairs(100), content_type=TSV))
    chosen = replace(
        service_settings, muplis_url=url, download_timeout=0.5, max_download_bytes=1_000_000
    )
    use_settings(chosen)
    assert update_muplis()["added"] == 100
    return chosen


def ids() -> dict[str, int]:
    return {row.lojban: row.id for row in Sentence.select()}


def update(server: LyingServer, behaviour: Behaviour, force: bool = False) -> dict[str, int]:
    server.url("/muplis", behaviour)
    return update_muplis(force=force)


def test_unchanged_rows_keep_their_ids(settings: Settings, server: LyingServer) -> None:
    before = ids()
    counts = update(server, answer(pairs(100, first=6) + pairs(5)))
    assert (counts["added"], counts["removed"], counts["pairs"]) == (5, 0, 105)
    assert before.items() <= ids().items()


def test_a_new_rating_is_no_new_sentence(settings: Settings, server: LyingServer) -> None:
    before = ids()
    counts = update(server, answer(pairs(1, rating="5") + pairs(99, first=2)))
    assert (counts["added"], counts["rated"], counts["removed"]) == (0, 1, 0)
    assert ids() == before and Sentence.get(Sentence.lojban == "ti du li 1").rating == "5"


def test_what_was_added_removed_and_skipped_is_logged(
    settings: Settings, server: LyingServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    update(
        server,
        answer(b"coi\tHello\t\n" + pairs(99, first=2) + b"co'o\tBye\t\no'u\tPhew\t\nno columns\n"),
    )
    said = {record.message for record in caplog.records}
    assert "muplis added=3 lines=1,101-102" in said
    assert "muplis removed lojban='ti du li 1'" in said
    assert "muplis skipped line=103 reason='1 columns instead of 3'" in said


def test_removed_pairs_wake_the_embeddings_which_forget_them(settings, server, monkeypatch) -> None:
    woken: list[bool] = []
    monkeypatch.setattr("jobs.update_muplis.wake_embedding", lambda *, recent: woken.append(recent))
    update(server, answer(pairs(99)))
    update(server, answer(pairs(1, rating="5") + pairs(98, first=2)))
    assert woken == [False]


def test_a_304_changes_nothing(settings: Settings, server: LyingServer) -> None:
    behaviour = lying_server.with_validators(pairs(100), '"7"', "")
    assert update(server, behaviour)["added"] == 0
    assert update(server, behaviour) == {"unchanged": 1}
    assert "If-None-Match" in server.requests[-1][1]
    assert update(server, behaviour, force=True)["pairs"] == 100


def test_a_table_that_was_emptied_is_filled_again(settings: Settings, server: LyingServer) -> None:
    behaviour = lying_server.with_validators(pairs(100), '"7"', "")
    update(server, behaviour)
    Sentence.delete().execute()
    assert update(server, behaviour)["added"] == 100


LIES: dict[str, tuple[Behaviour, type[Exception]]] = {
    "404 with HTML": (answer(b"<html>Not found</html>", 404, "text/html"), SourceRefused),
    "200 with HTML": (
        answer(b"<html>Sorry</html>", 200, "text/html; charset=utf-8"),
        SourceRefused,
    ),
    "200 with HTML called text": (answer(b"<html>\n<body>Sorry</body>\n</html>\n"), SourceRefused),
    "truncated": (lying_server.truncated(pairs(200)), SourceUnreachable),
    "truncated chunks": (lying_server.truncated(pairs(200), chunked=True), SourceUnreachable),
    "cut off without a length": (answer(pairs(200)[:-9], Content_Length=""), SourceRefused),
    "gzip bomb": (lying_server.bomb(50_000_000), SourceRefused),
    "wrong encoding": (answer("café\tcoffee\t\n".encode("latin-1") + pairs(100)), SourceRefused),
    "UTF-16": (answer(pairs(100).decode().encode("utf-16")), SourceRefused),
    "empty": (answer(b""), SourceRefused),
    "never ends": (lying_server.drip, SourceUnreachable),
    "says nothing": (lying_server.silence, SourceUnreachable),
    "hangs up": (lying_server.hang_up, SourceUnreachable),
    "redirects for ever": (lying_server.redirect("/muplis"), SourceRefused),
    "JSON": (answer(b"{}", content_type="application/json"), SourceRefused),
    "CSV": (answer(pairs(100).replace(b"\t", b",")), SourceRefused),
    "many fewer rows": (answer(pairs(79)), SourceRefused),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_leaves_the_old_pairs(settings: Settings, server: LyingServer, lie: str) -> None:
    behaviour, error = LIES[lie]
    before = ids()
    with pytest.raises(error):
        update(server, behaviour)
    assert ids() == before
    run = JobRun.select().order_by(JobRun.id.desc()).get()
    assert run.outcome == "failed" and run.job == "update_muplis"
    assert ("muplis would shrink" if lie == "many fewer rows" else settings.muplis_url) in run.error
    assert update(server, answer(pairs(100)))["pairs"] == 100


def test_a_drop_by_more_than_a_fifth_is_taken_only_when_forced(
    settings: Settings, server: LyingServer
) -> None:
    with pytest.raises(SourceRefused, match="muplis would shrink from 100 to 79 rows.*20%"):
        update(server, answer(pairs(79)))
    assert update(server, answer(pairs(79)), force=True)["removed"] == 21
    with pytest.raises(SourceRefused, match="empty"):
        update(server, answer(b""), force=True)


def test_without_a_url_the_sample_is_read(settings: Settings) -> None:
    Sentence.delete().execute()
    use_settings(replace(settings, muplis_url=""))
    assert update_muplis() == {"pairs": 12, "added": 12, "rated": 0, "removed": 0, "skipped": 0}
    assert update_muplis() == {"unchanged": 1}


def test_the_real_sample_is_read_whole(settings: Settings) -> None:
    real = Path(CORPORA / "muplis-jb2en-sample.tsv")
    if not real.exists():
        pytest.skip(f"the corpus {real.name} is not beside the project (shared/corpora)")
    Sentence.delete().execute()
    use_settings(replace(settings, muplis_url=str(real)))
    counts = update_muplis()
    assert (counts["pairs"], counts["added"], counts["skipped"]) == (448, 448, 1)
