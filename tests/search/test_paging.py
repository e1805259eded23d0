"""Pages of one query: they never overlap, keep their order and end where the hits do."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from jobs import embed_missing as job
from mrilu.search import fulltext
from mrilu.search.engine import Page, Wanted, search
from tests.factories import mail
from tests.search.made import OLD, encode, found, receive

MAILS = 23
EVERY = {f"{number}@x" for number in range(MAILS)}


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five hits are ranked instead of 100."""
    monkeypatch.setattr(fulltext, "RANKED", 5)
    monkeypatch.setattr(fulltext, "FEW", 2)
    monkeypatch.setattr(fulltext, "RELAXED", 5)


@pytest.fixture
def archive(root: Path, few) -> Path:
    """Mails of a list, a day apart; each third answers the one before it."""
    for number in range(MAILS):
        date = f"{number + 1:02} Oct 2025 09:12:44 +0000"
        parent = f"<{number - 1}@x>" if number % 3 == 2 else ""
        receive(
            root,
            mail(
                f"<{number}@x>",
                subject="",
                body=f"zebra {number}\n",
                date=date,
                list_id="<a.x>",
                references=parent,
            ),
        )
    return root


def pages(database, query: str, size: int, *how, **more) -> list[Page]:
    """Turn the pages until one is empty."""
    turned = []
    while not turned or turned[-1].hits:
        wanted = Wanted(limit=size, offset=size * len(turned), **more)
        turned.append(search(database, query, "message", wanted, *how))
    return turned


def ids(turned: list[Page]) -> list[str]:
    return [hit.message_id for page in turned for hit in page.hits]


@pytest.mark.parametrize(
    "query", ["list:a", "zebra", "zebra OR from:nobody", "-from:nobody zebra", "list:a zebra"]
)
@pytest.mark.parametrize("size", [1, 4, 10])
def test_pages_go_on_below_what_is_ranked_to_the_last_hit(database, archive, query, size):
    turned = pages(database, query, size, mode="text")
    assert len(ids(turned)) == MAILS and set(ids(turned)) == EVERY
    assert ids(turned) == found(database, query, limit=100)
    assert turned[0].more and not turned[-1].more and turned[-1].total == MAILS
    assert all(page.total >= min(MAILS, size * number) for number, page in enumerate(turned, 1))


def test_operators_alone_show_the_newest_first(database, archive):
    assert ids(pages(database, "list:a", 4, mode="text")) == [
        f"{number}@x" for number in reversed(range(MAILS))
    ]


def test_a_total_is_the_number_of_hits_or_says_that_there_may_be_more(database, archive):
    assert (search(database, "3 OR 4").total, search(database, "3 OR 4").more) == (2, False)
    page = search(database, "zebra", "message", Wanted("text", limit=2))
    assert (page.total, page.more) == (5, True)


def test_a_page_far_below_the_last_hit_is_empty(database, archive):
    page = search(database, "zebra", "message", Wanted("text", offset=10**20))
    assert (page.hits, page.total, page.more) == ([], MAILS, False)


def test_hits_for_some_of_the_words_go_on_as_well(database, archive):
    turned = pages(database, "zebra 7", 4, mode="text")
    assert ids(turned)[0] == "7@x" and set(ids(turned)) == EVERY and len(ids(turned)) == MAILS


@pytest.mark.parametrize("query", ["zebra", "list:a", "zebra 7"])
@pytest.mark.parametrize("by_thread", [False, True])
def test_pages_by_text_and_meaning_together_are_those_of_one_long_page(
    database, archive, encoder, monkeypatch, query, by_thread
):
    monkeypatch.setattr("mrilu.search.meaning.NEAREST", 9)
    job.embed_missing()
    near = encode(encoder)
    turned = pages(database, query, 3, near, mode="fused", by_thread=by_thread)
    whole = search(
        database, query, "message", Wanted("fused", by_thread=by_thread, limit=100), near
    )
    assert ids(turned) == ids([whole]) and len(set(ids(turned))) == len(ids(turned))
    if "7" not in query:
        assert whole.total == (len({hit.thread for hit in whole.hits}) if by_thread else MAILS)
        assert sum(hit.in_thread for hit in whole.hits) == MAILS
        assert {name for hit in whole.hits for name in hit.found_by} == (
            {"text"} if ":" in query else {"text", "meaning"}
        )


def test_by_thread_each_thread_comes_once_on_all_pages(database, archive):
    turned = pages(database, "zebra", 2, mode="text", by_thread=True)
    threads = [hit.thread for page in turned for hit in page.hits]
    assert len(threads) == len(set(threads)) == 16


def test_a_common_word_in_the_subject_of_an_old_mail_comes_first(database, archive):
    receive(
        archive, mail("<old@x>", subject="zebras", body="and more\n", date=OLD, list_id="<a.x>")
    )
    for query in ("zebra", "zebra list:a", "zebra OR horse"):
        assert found(database, query)[0] == "old@x"
        assert sorted(found(database, query, limit=100)) == sorted(EVERY | {"old@x"})


def by_place(database, query: str, size: int, *how, **more) -> list[Page]:
    """Turn the pages, each behind the last message of the one before it."""
    turned: list[Page] = []
    while not turned or turned[-1].hits:
        after = turned[-1].last if turned else None
        wanted = Wanted(limit=size, offset=size * len(turned), after=after, **more)
        turned.append(search(database, query, "message", wanted, *how))
    return turned


@pytest.mark.parametrize("query", ["list:a", "zebra", "zebra OR from:nobody", "zebra 7", "7"])
@pytest.mark.parametrize("size", [1, 4, 10])
@pytest.mark.parametrize("mode", ["text", "fused"])
def test_pages_by_place_are_those_by_number(
    database, archive, encoder, monkeypatch, query, size, mode
):
    monkeypatch.setattr("mrilu.search.meaning.NEAREST", 9)
    job.embed_missing()
    near = encode(encoder)
    turned = by_place(database, query, size, near, mode=mode)
    assert ids(turned) == ids(pages(database, query, size, near, mode=mode))
    assert all(
        page.more == bool(further.hits) or not page.more for page, further in pairwise(turned)
    )


def test_pages_by_place_stay_where_they_are_when_mail_arrives(database, archive):
    first = search(database, "zebra", "message", Wanted("text", limit=10))
    receive(archive, mail("<late@x>", body="zebra late\n", date="30 Oct 2025 09:12:44 +0000"))
    wanted = Wanted("text", limit=50, offset=10, after=first.last)
    second = search(database, "zebra", "message", wanted)
    assert set(ids([first, second])) == EVERY and len(ids([first, second])) == MAILS


def test_a_page_behind_a_message_that_is_gone_goes_on_by_its_date(database, archive):
    first = search(database, "zebra", "message", Wanted("text", limit=10))
    rest = search(database, "zebra", "message", Wanted("text", limit=50, offset=10))
    database.execute_sql("UPDATE message SET search = '' WHERE id = %s", (first.hits[-1].id,))
    wanted = Wanted("text", limit=50, offset=10, after=first.last)
    assert ids([search(database, "zebra", "message", wanted)]) == ids([rest])


def test_threads_words_and_what_holds_some_words_are_paged_by_number(database, archive):
    assert (
        search(database, "zebra", "message", Wanted("text", by_thread=True, limit=2)).last is None
    )
    assert search(database, "zebra", "word", Wanted("text")).last is None
