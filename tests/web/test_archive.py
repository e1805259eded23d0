"""Lists, months, threads and messages, as strangers read them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient

from models import Message
from mrilu.mail.permalinks import hash_of
from mrilu.web.queries import archive as queries
from mrilu.web.queries import versions
from tests.web.conftest import LIST, Ask, Import, hide

HOSTILE = '<script src=//evil.example/x></script><img src=x onerror=alert(1)>" onmouseover="x'


def test_the_first_page_leads_to_lists_months_threads_and_messages(
    take_in: Import, pages: FlaskClient
) -> None:
    one = take_in("one@x", subject="green tea")
    two = take_in("two@x", subject="Re: green tea", references="<one@x>")
    assert f'href="/l/{LIST}/"' in pages.get("/").text
    listed = pages.get(f"/l/{LIST}/").text
    assert "green tea" in listed and f'href="/t/{one}/"' in listed and "/2025-10/" in listed
    assert f'href="/t/{one}/"' in pages.get(f"/l/{LIST}/2025-10/").text
    thread = pages.get(f"/t/{one}/").text
    assert thread.count("<article") == 2 and f'id="{two}"' in thread
    assert pages.get(f"/m/{two}/").status_code == 200


def test_an_empty_archive_says_so(pages: FlaskClient) -> None:
    assert "No mail has been archived yet" in pages.get("/").text


def test_every_member_leads_to_its_thread_and_a_late_parent_changes_no_address(
    take_in: Import, pages: FlaskClient
) -> None:
    two = take_in("two@x", in_reply_to="<one@x>")
    one = take_in("one@x")
    assert pages.get(f"/t/{two}/").status_code == 200
    led = pages.get(f"/t/{one}/")
    assert led.status_code == 302 and led.location == f"/t/{two}/#{one}"


@pytest.mark.parametrize("view", ["flat", "date", "tree"])
def test_each_message_is_once_in_each_view(
    take_in: Import, pages: FlaskClient, view: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "IN_THREAD", 4)
    monkeypatch.setattr(queries.thread_messages, "__defaults__", (4,))
    hashes = [take_in("0@x")]
    for number in range(1, 11):
        parent = f"<{(number - 1) // 2}@x>"
        hashes.append(take_in(f"{number}@x", in_reply_to=parent, references="<0@x>"))
    seen, place = [], f"/t/{hashes[0]}/?view={view}"
    while place:
        text = pages.get(place).text
        seen += re.findall(r'<article class="message" id="(\w+)"|<a href="/m/(\w+)/"><bdi>', text)
        further = re.search(r'rel="next" href="([^"]+)"', text)
        place = f"/t/{hashes[0]}/{further[1].replace('&amp;', '&')}" if further else ""
    assert sorted(one or two for one, two in seen) == sorted(hashes)


def test_answers_in_a_circle_are_shown(take_in: Import, pages: FlaskClient) -> None:
    one = take_in("one@x", in_reply_to="<two@x>")
    take_in("two@x", in_reply_to="<one@x>")
    assert pages.get(f"/t/{one}/").text.count("<article") == 2


@pytest.mark.parametrize(
    "name", ["a/b@x", "a%2Fb@x", "q?x=1#y@x", 'quo"te&amp@x', "../up@x", "raw/raw@x"]
)
def test_the_message_id_itself_leads_to_the_message(
    take_in: Import, pages: FlaskClient, name: str
) -> None:
    found = take_in(name)
    led = pages.get(f"/m/{quote(name, safe='')}/")
    assert (led.status_code, led.location) == (302, f"/m/{found}/")
    assert pages.get(f"/m/{found.lower()}/").status_code == 200


@pytest.mark.parametrize("prefix", ["", "/hyperkitty", "/archives"])
def test_links_of_hyperkitty_lead_here(take_in: Import, pages: FlaskClient, prefix: str) -> None:
    found = take_in("one@x")
    place = f"{prefix}/list/tea@example.org"
    for path in (f"{place}/message/{found}/", f"{place}/thread/{found}/"):
        assert pages.get(path, follow_redirects=True).status_code == 200
    if prefix:
        for path, ours in (("", ""), ("latest", ""), ("2025/10/", "2025-10/")):
            led = pages.get(f"{place}/{path}", follow_redirects=True)
            assert (led.status_code, led.request.path) == (200, f"/l/{LIST}/{ours}")
        for path in ("2025/13/", f"{'9' * 30}/{'9' * 30}/"):
            assert pages.get(f"{place}/{path}", follow_redirects=True).status_code in (200, 404)


@pytest.mark.parametrize("place", ["/mid/{}", "/mid/{}/", "/mid/%3C{}%3E"])
def test_an_address_of_the_message_id_leads_here(
    take_in: Import, pages: FlaskClient, open_pages: Ask, place: str
) -> None:
    found = take_in("one/two@x")
    led = pages.get(place.format("one/two@x"))
    assert (led.status_code, led.location) == (302, f"/m/{found}/")
    assert pages.get(place.format("never@x")).status_code == 404
    closed = open_pages(private_lists=(LIST,))
    assert closed.get(place.format("one/two@x")).status_code == 404


def test_all_messages_of_a_reused_id_are_shown(take_in: Import, pages: FlaskClient) -> None:
    found = take_in("one@x", body="first text\n")
    take_in("one@x", body="second text\n", sender="Other <other@lists.example>")
    text = pages.get(f"/m/{found}/").text
    assert "first text" in text and "second text" in text and "2 messages have this" in text


def test_months_end_in_utc(take_in: Import, pages: FlaskClient) -> None:
    take_in("one@x", date="Fri, 31 Oct 2025 23:30:00 -0500", subject="late evening")
    assert pages.get(f"/l/{LIST}/2025-10/").status_code == 404
    assert "late evening" in pages.get(f"/l/{LIST}/2025-11/").text
    shown = pages.get(f"/m/{hash_of('one@x')}/").text
    assert "2025-11-01 04:30 UTC (23:30 -0500)" in shown


def test_a_month_leads_to_the_months_beside_it_that_have_mail(
    take_in: Import, pages: FlaskClient
) -> None:
    for month in ("Jan", "Apr", "Dec"):
        take_in(f"{month}@x", date=f"Mon, 06 {month} 2025 09:12:44 +0000")
    links = re.findall(
        rf'<a [^>]*href="/l/{LIST}/(\d\d\d\d-\d\d)/"', pages.get(f"/l/{LIST}/2025-04/").text
    )
    assert links == ["2025-01", "2025-12"]
    assert "2025-12" not in pages.get(f"/l/{LIST}/2025-01/").text


def test_a_part_of_a_lists_name_leads_there_where_it_is_the_only_one(
    take_in: Import, pages: FlaskClient
) -> None:
    take_in("one@x")
    assert pages.get("/l/tea/").location == f"/l/{LIST}/"
    take_in("two@x", list_id="<tea.example.com>")
    assert pages.get("/l/tea/").status_code == 404


def test_mail_of_no_list_has_a_page(take_in: Import, pages: FlaskClient) -> None:
    take_in("one@x", list_id="", subject="alone")
    assert "alone" in pages.get("/l/-/").text


def test_an_unchanged_page_is_not_sent_again_and_a_mail_changes_its_own_alone(
    take_in: Import, pages: FlaskClient
) -> None:
    one = take_in("one@x", list_id="<milk.example.org>")
    two = take_in("two@x")
    places = {path: pages.get(path).headers["ETag"] for path in
              ("/", f"/l/{LIST}/", f"/t/{two}/", f"/m/{two}/", f"/t/{one}/", "/l/milk.example.org/")}  # fmt: skip
    for path, tag in places.items():
        assert pages.get(path, headers={"If-None-Match": tag}).status_code == 304
    take_in("three@x", subject="Re: tea", in_reply_to="<two@x>")
    changed = {path for path, tag in places.items() if pages.get(path).headers["ETag"] != tag}
    assert changed == {"/", f"/l/{LIST}/", f"/t/{two}/", f"/m/{two}/"}


def test_a_withheld_message_is_a_tombstone_and_shifts_nothing(
    take_in: Import, pages: FlaskClient
) -> None:
    one = take_in("one@x", subject="secret tea", body="secret words\n")
    two = take_in("two@x", in_reply_to="<one@x>", subject="Re: talk")
    tag = pages.get(f"/t/{one}/").headers["ETag"]
    hide(one)
    gone = pages.get(f"/m/{one}/")
    assert gone.status_code == 410 and "secret" not in gone.text
    thread = pages.get(f"/t/{one}/", headers={"If-None-Match": tag})
    assert thread.status_code == 200 and thread.text.count("<article") == 2
    for path in ("/", f"/l/{LIST}/", f"/l/{LIST}/2025-10/", f"/t/{one}/", f"/t/{one}/?view=tree",
                 f"/m/{two}/", "/search?q=secret"):  # fmt: skip
        assert (
            "secret tea" not in pages.get(path).text and "secret words" not in pages.get(path).text
        )


def test_a_private_list_is_closed_on_every_page(
    take_in: Import, pages: FlaskClient, open_pages: Ask
) -> None:
    one = take_in("one@x", subject="aardvark", body="aardvark\n")
    strangers = open_pages(private_lists=(LIST,))
    paths = ["/", f"/l/{LIST}/", "/l/tea/", f"/l/{LIST}/2025-10/", f"/m/{one}/", f"/t/{one}/",
             f"/t/{one}/?view=tree", "/m/one@x/", f"/message/{Message.get().id}", "/search?q=aardvark",
             "/search?q=%3Cone@x%3E", f"/list/tea/message/{one}/", f"/list/tea/thread/{one}/"]  # fmt: skip
    for path in paths:
        assert pages.get(path, follow_redirects=True).status_code == 200, path
        closed = strangers.get(path, follow_redirects=True)
        assert closed.status_code == (200 if path == "/" or path.startswith("/search") else 404), (
            path
        )
        assert one not in closed.text, path
        told = closed.text.replace('value="aardvark"', "").replace("<title>aardvark", "")
        assert "aardvark" not in told and LIST not in told, path


def test_addresses_are_masked_unless_the_site_says_otherwise_and_message_ids_never(
    take_in: Import, pages: FlaskClient, open_pages: Ask
) -> None:
    one = take_in(
        "id@host.example",
        sender="ann@people.example",
        subject="ask bob@people.example",
        body="> eve@people.example wrote\nhttps://x.example/bob@people.example\n",
    )
    paths = ["/", f"/l/{LIST}/", f"/l/{LIST}/2025-10/", f"/m/{one}/", f"/t/{one}/", "/search?q=ask"]
    for path in paths:
        assert "@people.example" not in pages.get(path).text, path
    assert "id@host.example" in pages.get(f"/m/{one}/").text
    shown = open_pages(show_addresses=True).get(f"/m/{one}/").text
    assert "bob@people.example" in shown and "eve@people.example" in shown


def test_hostile_text_is_text(take_in: Import, pages: FlaskClient) -> None:
    one = take_in(
        "one@x",
        subject=HOSTILE,
        sender=HOSTILE.replace('"', "") + " <a@b.example>",
        body=HOSTILE + "\u202egnp.exe",
    )
    for path in ("/", f"/l/{LIST}/", f"/m/{one}/", f"/t/{one}/", f"/t/{one}/?view=tree",
                 "/search?q=gnp"):  # fmt: skip
        text = pages.get(path).text
        assert "<script src=//" not in text and "<img" not in text and 'onmouseover="x' not in text
        assert "\u202e" not in text


def test_quotes_fold_only_where_they_are_surely_quotes(take_in: Import, pages: FlaskClient) -> None:
    quoted = "".join(f"> old line {number}\n" for number in range(6))
    one = take_in("one@x", body=f"Ann wrote:\n{quoted}my answer\n> short\nand this\n")
    text = pages.get(f"/m/{one}/").text
    assert text.count('<details class="quote">') == 1 and "6 quoted lines" in text
    outside = re.sub(r"<details.*?</details>", "", text, flags=re.DOTALL)
    assert "my answer" in outside and "short" in outside and "old line" not in outside


def test_differences_are_coloured(take_in: Import, pages: FlaskClient) -> None:
    patch = "A fix:\n\n--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n same\n-old\n+new\n"
    text = pages.get(f"/m/{take_in('one@x', body=patch)}/").text
    for name, line in (("del", "-old"), ("add", "+new"), ("hunk", "@@ -1,2 +1,2 @@")):
        assert f'<span class="{name}">{line}</span>' in text


def test_an_answer_goes_to_the_list_and_no_header_can_be_put_in(
    take_in: Import, pages: FlaskClient
) -> None:
    one = take_in("one'@x", subject="=?utf-8?q?tea=0D=0ABcc:_eve@x.example?=")
    text = pages.get(f"/m/{one}/").text
    reply = re.search(r'href="(mailto:[^"]+)"', text)
    assert (
        reply
        and "tea%40example.org" in reply[1]
        and "%0D" not in reply[1]
        and "%0A" not in reply[1]
    )
    assert "git send-email" not in text  # the id would end the shell's quotation


@pytest.mark.parametrize(
    "path",
    ["/m/x/", "/m/%00/", "/t/x/", f"/t/{'A' * 32}/", f"/m/{'A' * 32}/", "/l/none/", f"/l/{LIST}/2025-13/",
     "/m/a@b/", f"/l/{LIST}/x/"],
)  # fmt: skip
def test_what_is_not_there_is_not_found(take_in: Import, pages: FlaskClient, path: str) -> None:
    take_in("one@x")
    assert pages.get(path).status_code == 404


@pytest.mark.parametrize(
    "place", ["x", "1-1", "-1.000000-1", "9" * 20 + ".000000-1", "1.000000-" + "9" * 30]
)
def test_any_mark_in_an_address_is_taken(take_in: Import, pages: FlaskClient, place: str) -> None:
    one = take_in("one@x")
    assert pages.get(f"/t/{one}/?after={place}").status_code == 200
    assert pages.get(f"/l/{LIST}/2025-10/?before={place}").status_code in (200, 404)


def test_a_search_has_an_address_and_an_error_its_column(
    take_in: Import, pages: FlaskClient
) -> None:
    one = take_in("one@x", body="an aardvark\n")
    found = pages.get("/search?q=aardvark").text
    assert f'href="/m/{one}/"' in found and "<mark>aardvark</mark>" in found
    wrong = pages.get("/search?q=before:never")
    assert wrong.status_code == 400 and 'role="alert"' in wrong.text
    assert pages.get("/search?q=" + "x" * 2000).status_code == 400
    assert pages.get("/search").status_code == 200
    assert pages.get("/search?q=aardvark&in=word").status_code == 200


def test_a_database_that_is_away_is_told(pages: FlaskClient, monkeypatch) -> None:
    def away(*args: object) -> None:
        raise TimeoutError

    monkeypatch.setattr("mrilu.web.routes.start.ask_database", away)
    answer = pages.get("/")
    assert (
        answer.status_code == 503
        and answer.headers["Retry-After"]
        and "cannot be reached" in answer.text
    )


def test_a_message_of_a_new_database_is_shown_with_its_own_text(
    take_in: Import, pages: FlaskClient
) -> None:
    one = take_in("one@x", body="first text\n")
    assert "first text" in pages.get(f"/m/{one}/").text
    Message.delete().execute()
    Message._meta.database.execute_sql("ALTER TABLE message ALTER id RESTART WITH 1")
    two = take_in("two@x", body="other text\n")
    assert "other text" in pages.get(f"/m/{two}/").text


def test_a_withheld_message_of_a_private_list_is_not_told_of(
    take_in: Import, pages: FlaskClient, open_pages: Ask
) -> None:
    one = take_in("one@x")
    hide(one)
    closed = open_pages(private_lists=(LIST,))
    for path in (f"/m/{one}/", f"/m/{one}/message.eml", f"/t/{one}/"):
        assert closed.get(path).status_code == 404, path
    assert "not shown any more" not in closed.get("/why?id=one@x").text
    assert pages.get(f"/m/{one}/message.eml").status_code == 410


def test_a_thread_shows_nothing_of_its_messages_on_a_private_list(
    take_in: Import, open_pages: Ask
) -> None:
    one = take_in("one@x", list_id="<open.example.org>")
    two = take_in("two@x", in_reply_to="<one@x>")
    closed = open_pages(private_lists=(LIST,))
    for path in (f"/t/{one}/", f"/t/{one}/?view=date", f"/t/{one}/?view=tree"):
        text = closed.get(path).text
        assert one in text and two not in text


def test_a_message_of_a_long_thread_leads_to_the_page_that_has_it(
    take_in: Import, pages: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "IN_THREAD", 2)
    monkeypatch.setattr(queries.thread_messages, "__defaults__", (2,))
    first = take_in("0@x")
    others = [take_in(f"{number}@x", in_reply_to="<0@x>") for number in range(1, 6)]
    led = pages.get(f"/t/{others[3]}/")
    assert led.location.startswith(f"/t/{first}/?view=date&after=")
    assert led.location.endswith(f"#{others[3]}")
    assert f'id="{others[3]}"' in pages.get(led.location.partition("#")[0]).text


def test_a_tree_that_is_cut_off_says_so(
    take_in: Import, pages: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "IN_OUTLINE", 2)
    first = take_in("0@x")
    for number in (1, 2):
        take_in(f"{number}@x", in_reply_to="<0@x>")
    assert "These are the first 2 messages" in pages.get(f"/t/{first}/?view=tree").text


def test_a_message_beside_many_hidden_ones_leads_past_them(
    take_in: Import, pages: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "_NEXT_FEW", 1)
    day = "{} Oct 2025 09:00:00 +0000"
    found = [take_in(f"{number}@x", date=day.format(number)) for number in range(1, 6)]
    for name in found[1:4]:
        hide(name)
    assert f'rel="next" href="/m/{found[4]}/"' in pages.get(f"/m/{found[0]}/").text
    assert f'rel="prev" href="/m/{found[0]}/"' in pages.get(f"/m/{found[4]}/").text


def test_the_time_of_an_undated_mail_is_as_html_has_it(take_in: Import, pages: FlaskClient) -> None:
    one = take_in("one@x", date="no date at all")
    at = datetime(2026, 5, 1, 12, 30, 1, 123456, UTC)  # of its file
    assert Message.update(sent_at=at).execute() == 1
    for place in ("/", f"/l/{LIST}/", f"/l/{LIST}/2026-05/", f"/m/{one}/", f"/t/{one}/"):
        text = pages.get(place).text
        assert 'datetime="2026-05-01T12:30:01+00:00"' in text, place
