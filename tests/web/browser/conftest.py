"""A server of the pages over the session's database, and Debian's chromium to look at them."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.client import HTTPConnection
from urllib.parse import urlencode, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from redis import Redis
from werkzeug.serving import make_server

from mrilu.runtime.operators import operator_token
from mrilu.settings.table import Settings
from mrilu.web.app import make_app
from mrilu.web.sessions import COOKIE
from tests.web.conftest import Import

Look = Callable[..., str]
SCREENS = {"phone": (320, 640), "desktop": (1280, 900)}
PROGRAM = shutil.which("chromium")
# No service of Google's is asked for, nothing is fetched ahead, and what is not on this machine has no address.
FLAGS = (
    "--disable-gpu",
    "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's chromium, without a window."""
    if not PROGRAM:
        pytest.skip("chromium is not installed (Debian: chromium)")
    expect.set_options(timeout=30_000)  # on a busy machine
    with sync_playwright() as tools:
        found = tools.chromium.launch(executable_path=PROGRAM, args=FLAGS, chromium_sandbox=False)
        yield found
        found.close()


@pytest.fixture
def site(service_settings: Settings, take_in: Import) -> Iterator[str]:
    """The address of a server that answers from the test's database; it ends with the test."""
    app = make_app(replace(service_settings, site_url="http://127.0.0.1"))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(30)
    server.server_close()


@pytest.fixture
def cookie(site: str, redis_client: Redis) -> str:
    """The session of an operator."""
    form = urlencode({"password": operator_token(redis_client)})
    asked = HTTPConnection(urlsplit(site).netloc)
    asked.request("POST", "/login", form, {"Content-Type": "application/x-www-form-urlencoded"})
    answer = asked.getresponse()
    asked.close()
    found = next(one for one in answer.headers.get_all("Set-Cookie") or [] if COOKIE in one)
    return found.partition(";")[0].partition("=")[2]


def opened(
    browser: Browser, screen: str = "desktop", scheme: str = "light", script: bool = True
) -> Page:
    width, height = SCREENS[screen]
    """Return a page on a screen, in colours, with or without scripts."""
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
        java_script_enabled=script,
        bypass_csp=False,
    )
    page = context.new_page()
    page.set_default_timeout(30_000)
    return page
