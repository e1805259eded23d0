"""Pages of lists and months: by conversations, further by keyset, with what the ledger says."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from flask.testing import FlaskClient

from models import LedgerCheck, Maildir, Message
from mrilu.web.pages_kept import PagesKept
from mrilu.web.queries import conversations
from mrilu.web.routes import lists
from tests.web.conftest import LIST, Import, hide

MONTH = f"/l/{LIST}/2025-10/"


def walk(pages: FlaskClient, place: str) -> list[list[str]]:
    """Return the addresses of the conversations on each page, from the first to the last."""
    found, path = [], place
    while path:
        answer = pages.get(path)
        assert answer.status_code == 200 and len(found) < 50
        found.append(re.findall(r'class="subject" href="([^"]+)"', answer.text))
        further = re.search(r'rel="next" href="(\?before=[^"]+)"', answer.text)
        path = place + further[1] if further else ""
    return found


def talk(take_in: Import, count: int) -> list[str]:
    """Take in so many threads of two mails; the answers come in the order of the threads, after all beginnings."""
    start = datetime(2025, 10, 6, 9, tzinfo=UTC)
    hashes = []
    for number in range(2 * count):
        date = f"{start + timedelta(minutes=number):%a, %d %b %Y %H:%M:%S +0000}"
        thread = number % count
        parent = {"references": f"<{thread}@x>"} if number >= count else {}
        hashes.append(take_in(f"{number}@x", subject=f"talk {thread}", date=date, **parent))
    return hashes[:count]


@pytest.mark.parametrize("place", [MONTH, f"/l/{LIST}/"])
@pytest.mark.parametrize("portion", [3, 200])
def test_each_conversation_is_on_one_page(
    take_in: Import, pages: FlaskClient, monkeypatch: pytest.MonkeyPatch, place: str, portion: int
) -> None:
    monkeypatch.setattr(lists, "IN_MONTH", 2)
    monkeypatch.setattr(lists, "ON_LIST", 2)
    monkeypatch.setattr(conversations, "PORTION", portion)
    threads = talk(take_in, 5)
    found = walk(pages, place)
    assert [len(one) for one in found] == [2, 2, 1]
    assert [one for page in found for one in page] == [f"/t/{one}/" for one in reversed(threads)]


def test_a_page_counts_the_whole_thread_and_names_who_wrote(
    take_in: Import, pages: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversations, "PORTION", 2)
    for number in range(7):
        parent = {"references": "<0@x>"} if number else {}
        take_in(f"{number}@x", sender=f"Writer {number} <w{number}@x.example>", **parent)
    text = pages.get(MONTH).text
    assert 'title="messages here">7<' in text and "and 3 more" in text


def test_a_list_whose_newest_mail_is_hidden_goes_on_to_what_is_not(
    take_in: Import, pages: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversations, "PORTION", 2)
    old = take_in("old@x", date="Mon, 06 Oct 2025 09:00:00 +0000")
    for number in range(7):
        hide(
            take_in(f"{number}@x", subject=f"talk {number}", date="Tue, 07 Oct 2025 09:00:00 +0000")
        )
    assert walk(pages, f"/l/{LIST}/") == [[f"/m/{old}/"]]
    monkeypatch.setattr(conversations, "MOST_LOOKED_AT", 4)
    pages.application.extensions["pages_kept"] = PagesKept(0)
    assert walk(pages, f"/l/{LIST}/") == [[], [f"/m/{old}/"]]
    assert "8 messages" in pages.get(f"/l/{LIST}/").text


def test_a_long_thread_is_passed_in_growing_steps(
    take_in: Import, pages: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    look = conversations._portion

    def note(db, period, before, size_and_seen, reader):  # type: ignore[no-untyped-def]
        sizes.append(size_and_seen[0])
        return look(db, period, before, size_and_seen, reader)

    monkeypatch.setattr(conversations, "_portion", note)
    monkeypatch.setattr(conversations, "PORTION", 2)
    monkeypatch.setattr(conversations, "MOST_LOOKED_AT", 12)
    old = take_in("old@x", date="Mon, 06 Oct 2025 08:00:00 +0000")
    for number in range(11):
        parent = {"references": "<0@x>"} if number else {}
        take_in(f"{number}@x", date=f"Mon, 06 Oct 2025 09:{number:02}:00 +0000", **parent)
    found = walk(pages, MONTH)
    assert [len(page) for page in found] == [2] and found[0][1] == f"/m/{old}/"
    # what was looked at last ends the month: one look more tells that no page follows
    assert sizes == [2, 2, 8, 1]


def test_months_are_counted_at_once(take_in: Import, pages: FlaskClient) -> None:
    take_in("one@x")
    assert "1 message<" in pages.get(f"/l/{LIST}/").text
    take_in("two@x", date="Mon, 06 Jan 2025 09:12:44 +0000")
    text = pages.get(f"/l/{LIST}/").text
    assert "2 messages<" in text and f'href="/l/{LIST}/2025-01/"' in text
    Message.delete().execute()
    assert pages.get(f"/l/{LIST}/").status_code == 404


def note(**facts: object) -> None:
    Maildir.update(watched=True).execute()
    LedgerCheck.delete().execute()
    usual = {
        "waiting": 0,
        "rejected": 0,
        "trouble": "",
        "seconds": 0,
        "checked_at": datetime.now(UTC),
    }
    LedgerCheck.insert(maildir=Maildir.get().id, **(usual | facts)).execute()


def test_a_list_says_up_to_when_it_is_complete(take_in: Import, pages: FlaskClient) -> None:
    take_in("one@x")
    assert "omplete to" not in pages.get(f"/l/{LIST}/").text
    noon = datetime(2026, 3, 1, 12, 3, 4, tzinfo=UTC)
    note(complete_to=noon)
    whole = pages.get(f"/l/{LIST}/")
    assert "Complete to 2026-03-01 12:03:04 UTC, nothing missing." in whole.text
    note(complete_to=noon + timedelta(seconds=60))
    assert pages.get(f"/l/{LIST}/").headers["ETag"] == whole.headers["ETag"]
    note(complete_to=noon, waiting=3, rejected=2, trouble="unreadable")
    behind = pages.get(f"/l/{LIST}/")
    told = "12:03:04 UTC; 3 mails wait; 2 mails could not be read; some mail cannot be looked for just now."
    assert told in behind.text and behind.headers["ETag"] != whole.headers["ETag"]
    note(complete_to=None, waiting=1)
    assert ">1 mail waits.<" in pages.get(f"/l/{LIST}/").text


def test_an_archive_is_as_complete_as_its_least_complete_maildir(
    take_in: Import, pages: FlaskClient
) -> None:
    take_in("one@x")
    note(complete_to=datetime(2026, 3, 1, tzinfo=UTC))
    Maildir.insert(name="other", root="/nowhere", kind="maildir", watched=True).execute()
    assert "omplete to" not in pages.get(f"/l/{LIST}/").text
