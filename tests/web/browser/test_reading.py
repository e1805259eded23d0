"""What a reader meets in a browser: pages that fit, that all can read, that update and fetch from nowhere else."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask.testing import FlaskClient
from peewee import PostgresqlDatabase
from playwright.sync_api import Browser, Page, expect
from redis import Redis

from jobs.import_messages import import_messages
from models import Subscription
from mrilu.mail.permalinks import hash_of
from mrilu.notifications.links import SubscriptionScope, sign, token_key
from mrilu.notifications.subscriptions import subscribe, target_for_new_words, target_for_word
from mrilu.quotes.seek import link_some
from mrilu.runtime.operators import operator_token
from mrilu.web.sessions import COOKIE
from tests.factories import deliver
from tests.web.browser.conftest import SCREENS, opened
from tests.web.conftest import LIST, Import, Sync, entry, hide
from tests.web.test_operators import log_in

QUOTED = "The open teapot is as blue as the sky above the sea, or so they say of it."

HOSTILE = (
    '<script>fetch("https://evil.example/")</script><img src=https://evil.example/x onerror=alert(1)>'
    ' " onmouseover="alert(1) \u202egnp.exe'
)
# axe's rules whose outcome depends on screen and colours; the others are asked once a page.
VISUAL_RULES = (
    "color-contrast",
    "link-in-text-block",
    "scrollable-region-focusable",
    "target-size",
)
# Pages by what they show; {one} is the hash of the first message.
PLACES = (
    "/", f"/l/{LIST}/", f"/l/{LIST}/2025-10/", "/t/{one}/", "/t/{one}/?view=date", "/t/{one}/?view=tree",
    "/m/{one}/", "/m/{two}/", "/m/{gone}/", "/search", "/search?q=tea", "/search?q=from:", "/search?q=nothing-at-all",
    "/exports/", "/why", "/why?id=one@x", "/why?id=never@x", "/w/nowhere", "/t/NOWHERE/", "/subscribe",
    "/w/", "/w/?q=zzz", "/w/?type=gismu", "/w/klama", "/w/klama/history", "/w/jbobau",
    "/w/klama/at/2024-05-02", "/w/klama/at/2024-05-01", "/w/?at=2024-05-02", "/search?q=klama&in=word",
    "/m/{letter}/", "/m/{asked}/", "/t/{asked}/", "/search?q=from:Mirli", "/search?q=tea&by=thread",
    "/search?q=%D7%90%E2%80%AEtea", "/t/{one}/similar/", "/login",
    "/preferences/{preferences}", "/unsubscribe/{unsubscribe}", "/confirm/{confirm}", "/confirm/no.such.link",
)  # fmt: skip
# Those of operators.
CLOSED_PLACES = (
    "/status",
    "/m/{asked}/withhold",
    "/m/{gone}/withhold",
    "/m/{asked}/history",
    "/m/{gone}/",
    "/status/rejected/1",
)


@pytest.fixture
def known(
    take_in: Import, sync: Sync, database: PostgresqlDatabase, tmp_path: Path
) -> dict[str, str]:
    """A small archive: a talk with a quotation, a hostile mail, a withheld one."""
    one = take_in("one@x", subject="green tea", body="Is it good?\n\nSo they say of tea.\n")
    gone = take_in("gone@x", subject="secret", in_reply_to="<one@x>")
    hide(gone)
    two = take_in(
        "two@x",
        subject="Re: green tea",
        in_reply_to="<one@x>",
        body="On Monday, A wrote:\n> Is it good?\n\nIt is.\n\n> So they say of tea.\n\n"
        + "long" * 200
        + "\n",
    )
    evil = take_in("evil@x", subject=HOSTILE, sender=f"{HOSTILE[:40]} <a@x.example>", body=HOSTILE)
    root = tmp_path / "Maildir"
    assert import_messages("test", [deliver(root, _letter())])["imported"] == 1
    asked = take_in("asked@x", subject="a question", body=f"{QUOTED}\n\nAnd klama?\n")
    for name in ("b", "c"):
        text = f"On Monday, Mirli wrote:\n> {QUOTED}\n\nYes, {name}. mi klama\n"
        take_in(f"{name}@x", subject="Re: a question", in_reply_to="<asked@x>", body=text)
    while link_some(database, 100):
        pass
    others = entry("lojbo", 2, rafsi=("jbo",)), entry("bangu", 3, rafsi=("bau",))
    sync(entry("klama", 1, "$x_1$ goes to $x_2$", rafsi=("kla",)), *others)
    later = "$x_1$ comes to $x_2$ from $x_3$"
    sync(entry("klama", 1, later, rafsi=("kla",), notes="See {lojbo}."), *others)
    deliver(root, b"\0")
    import_messages("test", [deliver(root, b"")])
    return {
        "one": one,
        "two": two,
        "evil": evil,
        "gone": gone,
        "letter": hash_of("letter@x"),
        "asked": asked,
        **links(database),
    }


def links(database: PostgresqlDatabase) -> dict[str, str]:
    """Return the tokens of a subscriber's links, each by what it is for."""
    for target in (target_for_word("klama"), target_for_new_words(["en"])):
        subscribe(database, "ann@people.example", target, digest="daily")
    row = Subscription.select().first()
    key, one = token_key(database, None), SubscriptionScope(row.subscriber, row.id)
    signed = {purpose: sign(one, key, purpose) for purpose in ("unsubscribe", "confirm")}
    return signed | {"preferences": sign(one._replace(subscription=None), key, "preferences")}


def _letter() -> bytes:
    made = EmailMessage()
    made["From"], made["Date"] = "Ann <ann@people.example>", "Mon, 06 Oct 2025 09:12:44 +0200"
    made["Subject"], made["Message-ID"] = "a letter", "<letter@x>"
    made["List-Id"] = f"<{LIST}>"
    made.set_content("plain\n")
    made.add_alternative(
        "<h1>A letter</h1><p>of <b>HTML</b> <img src='https://evil.example/x'></p>", subtype="html"
    )
    made.add_attachment(
        b"123", maintype="application", subtype="zip", filename="\u202egnp.exe " + "long" * 30
    )
    return made.as_bytes()


def note_what_is_wrong(page: Page, site: str, wrong: list[str]) -> None:
    """Collect what is asked of other sites, and what the browser complains of; an error page is none."""

    def asked(url: str) -> None:
        if not url.startswith((site, "data:")):
            wrong.append(url)

    def said(kind: str, text: str) -> None:
        if kind == "error" and "the server responded with a status of" not in text:
            wrong.append(f"{page.url}: {text}")

    page.on("request", lambda one: asked(one.url))
    page.on("pageerror", lambda one: said("error", str(one)))
    page.on("console", lambda one: said(one.type, one.text))


def test_pages_are_for_all_and_as_wide_as_the_screen(
    browser: Browser, site: str, known: dict[str, str], cookie: str
) -> None:
    context = browser.new_context(bypass_csp=True)  # axe is a script of the test's
    page = context.new_page()
    wrong: list[str] = []
    note_what_is_wrong(page, site, wrong)
    places = [one.format(**known) for one in (*PLACES, *CLOSED_PLACES)]
    for number, place in enumerate(places):
        if number == len(PLACES):
            context.add_cookies([{"name": COOKIE, "value": cookie, "url": site}])
        page.goto(site + place)
        page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        wrong += [f"{place}: {one}" for one in problems(page)]
    context.close()
    assert not wrong, "\n".join(wrong)


def problems(page: Page) -> Iterator[str]:
    """Yield what axe finds on each screen in each colour, and where a page is wider than the screen."""
    options = None
    for screen, (width, height) in SCREENS.items():
        page.set_viewport_size({"width": width, "height": height})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            for one in Axe().run(page, options=options).response["violations"]:
                nodes = [node["html"] for node in one["nodes"]][:2]
                yield f"{screen}, {scheme}: {one['id']}: {nodes}"
            options = {"runOnly": list(VISUAL_RULES)}
        if (found := page.evaluate("document.documentElement.scrollWidth")) > width:
            yield f"{screen}: {found} pixels wide"


@pytest.mark.parametrize(
    "place", ["/m/{evil}/", "/t/{evil}/", f"/l/{LIST}/", "/search?q=evil.example"]
)
def test_a_hostile_mail_runs_and_fetches_nothing(
    browser: Browser, site: str, known: dict[str, str], place: str
) -> None:
    page = opened(browser)
    asked, told = [], []
    page.on("request", lambda request: asked.append(urlsplit(request.url).netloc))
    page.on("dialog", lambda dialog: (told.append(dialog.message), dialog.dismiss()))
    page.on(
        "console", lambda message: told.append(message.text) if message.type == "error" else None
    )
    page.goto(site + place.format(**known))
    page.mouse.move(200, 200)
    assert "evil.example" in page.inner_text("body"), "or this shows nothing"
    assert set(asked) == {urlsplit(site).netloc} and told == []
    page.context.close()


def test_the_way_from_search_to_thread_message_and_mail(
    browser: Browser, site: str, known: dict[str, str]
) -> None:
    page = opened(browser)
    page.goto(site)
    page.keyboard.press("/")
    page.keyboard.type("tea")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="green tea").first.click()
    expect(page).to_have_url(f"{site}/m/{known['one']}/")
    page.get_by_role("link", name="Thread").click()
    expect(page.locator("article")).to_have_count(3)
    page.keyboard.press("j")
    page.locator(f"[id='{known['two']}']").get_by_role("link").first.click()
    page.get_by_text("Answer, follow, link").click()
    with page.expect_download() as loading:
        page.get_by_role("link", name="As a mail").click()
    assert b"Message-ID: <" in loading.value.path().read_bytes()
    page.context.close()


@pytest.mark.parametrize("place", [f"/l/{LIST}/", "/t/{one}/"])
def test_a_delivered_mail_comes_to_an_open_page(
    browser: Browser, site: str, known: dict[str, str], take_in: Import, place: str
) -> None:
    page = opened(browser)
    page.goto(site + place.format(**known))
    page.wait_for_load_state("networkidle")
    parent = "<one@x>" if "/t/" in place else ""
    take_in("new@x", subject="just now", in_reply_to=parent, body="fresh words\n")
    expect(page.locator("main")).to_contain_text("fresh words" if parent else "just now")
    page.context.close()


def test_all_is_there_without_scripts(browser: Browser, site: str, known: dict[str, str]) -> None:
    page = opened(browser, script=False)
    page.goto(f"{site}/t/{known['one']}/")
    assert page.locator("article").count() == 3
    page.get_by_role("searchbox").fill("tea")
    page.get_by_role("searchbox").press("Enter")
    assert page.get_by_role("link", name="green tea").count() >= 1
    page.context.close()


def test_keys_move_from_item_to_item(browser: Browser, site: str, known: dict[str, str]) -> None:
    page = opened(browser)
    page.goto(f"{site}/t/{known['one']}/")
    seen = []
    for key in "jjk":
        page.keyboard.press(key)
        seen.append(page.evaluate("document.activeElement.closest('[data-item]')?.id"))
    assert seen[0] == seen[2] and seen[0] != seen[1] and None not in seen
    page.context.close()


def test_text_browsers_get_all_text_and_links(site: str, known: dict[str, str]) -> None:
    if not shutil.which("lynx"):
        pytest.skip("lynx is not installed (Debian: lynx)")

    def dump(place: str) -> str:
        command = ["lynx", "-dump", "-nonumbers=off", "-width=200", site + place.format(**known)]
        return subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=30
        ).stdout

    thread = dump("/t/{one}/")
    for words in (
        "Is it good?",
        "So they say of tea.",
        "It is.",
        "It is not shown",
        f"/m/{known['two']}/",
    ):
        assert words in thread
    assert f"/l/{LIST}/" in dump("/") and "green tea" in dump(f"/l/{LIST}/")
    assert known["one"] in dump(f"/l/{LIST}/2025-10/")


def test_text_browsers_set_no_link_against_the_next_and_offer_to_look_again(
    site: str, known: dict[str, str]
) -> None:
    if not shutil.which("w3m"):
        pytest.skip("w3m is not installed (Debian: w3m)")

    def dump(place: str) -> str:
        command = ["w3m", "-dump", "-cols", "150", site + place.format(**known)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)  # noqa: S603
        return done.stdout

    thread = dump("/t/{one}/")
    assert "As a conversation By date Tree" in thread and "Look for new mail" in thread
    assert "Monospace" not in thread and "Keys:" not in thread, "they need a script"
    month = dump(f"/l/{LIST}/2025-10/")
    assert "As an mbox Look for new mail" in month
    assert "As an mbox As a feed" in dump("/search?q=tea")
    assert "B K L" in dump("/w/")


def test_the_pages_are_valid_html(
    pages: FlaskClient, known: dict[str, str], tmp_path: Path, redis_client: Redis
) -> None:
    checker = shutil.which("vnu")
    if not checker or not shutil.which("java"):
        pytest.skip("vnu is not installed (npm: vnu-jar; Debian: default-jre-headless)")
    folder = tmp_path / "pages"
    folder.mkdir()
    for number, place in enumerate((*PLACES, *CLOSED_PLACES)):
        if number == len(PLACES):
            log_in(pages, operator_token(redis_client))
        page = pages.get(place.format(**known))
        (folder / f"{number}.html").write_text(page.text)
    command = [checker, "--errors-only", "--no-langdetect", str(folder)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert found.stderr == ""
