"""Pages that stay open: they renew themselves, lose nothing that a reader did there, and move nothing that is seen."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from jobs.import_messages import import_messages
from mrilu.web.sessions import COOKIE
from tests.factories import deliver
from tests.web.browser.conftest import opened
from tests.web.conftest import LIST, Import

NOTE_SHIFTS = """
window.shifts = [];
const told = one => [one.value, one.sources.map(source => source.node?.className)];
const note = list => shifts.push(...list.getEntries().map(told));
new PerformanceObserver(note).observe({ type: "layout-shift", buffered: true });
"""


def status(browser: Browser, site: str, cookie: str, screen: str) -> Page:
    page = opened(browser, screen)
    page.context.add_cookies([{"name": COOKIE, "value": cookie, "url": site}])
    page.goto(f"{site}/status")
    return page


def test_on_a_phone_the_parts_of_the_status_are_folded_and_each_says_how_it_stands(
    browser: Browser, site: str, cookie: str
) -> None:
    page = status(browser, site, cookie, "phone")
    sizes = page.locator("#sizes")
    expect(page.locator("#ledger")).to_be_visible()
    expect(sizes).to_be_hidden()
    expect(page.locator("#notifications-part > summary")).to_contain_text("0 waiting")
    page.locator("#sizes-part > summary").click()
    expect(sizes).to_be_visible()
    page.goto(f"{site}/status#rejected")  # where a form leads back to
    expect(page.locator("#rejected")).to_be_visible()
    page.context.close()


def test_where_there_is_room_nothing_of_the_status_is_folded(
    browser: Browser, site: str, cookie: str
) -> None:
    page = status(browser, site, cookie, "desktop")
    for place in ("ledger", "mails", "queues", "schedule", "rejected", "exports", "sizes"):
        expect(page.locator(f"#{place}")).to_be_visible()
    page.context.close()


def test_a_status_that_renews_itself_keeps_what_was_unfolded_and_where_one_stands(
    browser: Browser, site: str, cookie: str, tmp_path: Path
) -> None:
    page = status(browser, site, cookie, "phone")
    page.locator("#sizes-part > summary").click()
    page.locator("#ledger-part > summary").click()
    page.locator("#rejected-part > summary").focus()
    root = tmp_path / "Maildir"
    deliver(root, b"\0")
    import_messages("test", [deliver(root, b"")])
    expect(page.locator("#rejected-part > summary")).to_contain_text("1 empty")
    expect(page.locator("#sizes")).to_be_visible()
    expect(page.locator("#ledger")).to_be_hidden()
    assert page.evaluate("document.activeElement.parentElement.id") == "rejected-part"
    page.context.close()


def test_a_thread_renews_itself_under_a_reader_who_stands_in_it(
    browser: Browser, site: str, take_in: Import
) -> None:
    one = take_in("one@x", body="first words\n")
    page = opened(browser)
    page.goto(f"{site}/t/{one}/")
    page.keyboard.press("j")
    before = page.evaluate("document.activeElement.href")
    take_in("two@x", in_reply_to="<one@x>", body="fresh words\n")
    expect(page.locator("main")).to_contain_text("fresh words")
    assert page.evaluate("document.activeElement.href") == before
    page.context.close()


def test_what_a_reader_has_marked_is_not_taken_away_and_new_mail_comes_afterwards(
    browser: Browser, site: str, take_in: Import
) -> None:
    one = take_in("one@x", body="first words\n")
    page = opened(browser)
    page.goto(f"{site}/t/{one}/")
    page.evaluate("getSelection().selectAllChildren(document.querySelector('.body'))")
    with page.expect_response(lambda answer: answer.status == 200 and "/t/" in answer.url):
        take_in("two@x", in_reply_to="<one@x>", body="fresh words\n")
    with page.expect_response(lambda answer: answer.status == 200 and "/t/" in answer.url):
        pass  # it asks again, for what it did not show
    assert "first words" in page.evaluate("getSelection().toString()")
    page.evaluate("getSelection().removeAllRanges()")
    expect(page.locator("main")).to_contain_text("fresh words")
    page.context.close()


@pytest.mark.parametrize("screen", ["phone", "desktop"])
def test_nothing_moves_while_a_page_loads(
    browser: Browser, site: str, take_in: Import, cookie: str, screen: str
) -> None:
    one = take_in("one@x", body="first words\n")
    for number in range(6):
        take_in(f"{number}@x", in_reply_to="<one@x>", body="words\n")
    moved = {}
    places = (
        "/",
        f"/l/{LIST}/",
        f"/t/{one}/",
        f"/t/{one}/?view=tree",
        f"/m/{one}/",
        "/w/",
        "/status",
    )
    for place in places:
        page = opened(browser, screen)
        page.context.add_cookies([{"name": COOKIE, "value": cookie, "url": site}])
        page.context.new_cdp_session(page).send(
            "Network.emulateNetworkConditions",
            {
                "offline": False,
                "latency": 100,
                "downloadThroughput": 50_000,
                "uploadThroughput": 50_000,
            },
        )  # style and script come late
        page.add_init_script(NOTE_SHIFTS)
        page.goto(site + place)
        page.locator(".keys").wait_for(state="attached")
        page.evaluate(
            "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )
        if found := page.evaluate("shifts"):
            moved[place] = found
        page.context.close()
    assert not moved


def test_printed_quotations_are_there(browser: Browser, site: str, take_in: Import) -> None:
    quoted = "".join(f"> line {number}\n" for number in range(9))
    one = take_in("one@x", body=f"On Monday, A wrote:\n{quoted}\nYes.\n")
    page = opened(browser)
    page.goto(f"{site}/m/{one}/")
    text = page.locator("details.quote pre")
    expect(text).to_be_hidden()
    page.emulate_media(media="print")
    expect(text).to_be_visible()
    page.context.close()
