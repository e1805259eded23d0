"""A server of the pages over the session's database, and Debian's chromium to look at them."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Browser, sync_playwright
from werkzeug.serving import make_server

from mrilu.settings.table import Settings
from mrilu.web.app import make_app
from tests.web.conftest import Import

Look = Callable[..., str]
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
