"""The peers' pages: public-inbox-httpd over one inbox, HyperKitty under gunicorn, of the same mail."""

from __future__ import annotations

import http.client
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bench.corpus import WORDS, mail_files
from bench.peers.hyperkitty import LIST, HyperKitty
from bench.peers.publicinbox import PublicInbox
from bench.peers.tool import missing_programs
from bench.timing import progress
from mrilu.mail.permalinks import hash_of

THREAD = "big0-0@bench.example"
LONGEST_SECONDS = 60.0
Pages = Mapping[str, str | Sequence[str]]  # by name: an address, or several
SEARCHES = "search, each word once"
# What HyperKitty's pages need beyond its import: sessions, users, static files as they are.
PAGES = """
DEBUG = False
ROOT_URLCONF = "bench_urls"
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware", "django.middleware.common.CommonMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware", "django.contrib.messages.middleware.MessageMiddleware",
    "django_mailman3.middleware.TimezoneMiddleware",
]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True, "OPTIONS": {
    "context_processors": [
        "django.template.context_processors.request", "django.contrib.auth.context_processors.auth",
        "django.contrib.messages.context_processors.messages", "django.template.context_processors.static",
        "django_mailman3.context_processors.common", "hyperkitty.context_processors.common",
    ]}}]
COMPRESS_ENABLED = False
LOGIN_URL = "account_login"
LOGOUT_URL = "account_logout"
LOGIN_REDIRECT_URL = "hk_root"
COMPRESS_PRECOMPILERS = ()
INSTALLED_APPS += ["django.contrib.staticfiles"]
"""
URLS = """from django.urls import include, path
urlpatterns = [
    path("accounts/", include("allauth.urls")), path("", include("django_mailman3.urls")),
    path("", include("hyperkitty.urls")),
]
"""


class PublicInboxPages(PublicInbox):
    """public-inbox-httpd, as `public-inbox-init -V2` and public-inbox-watch leave the inbox."""

    name = "public-inbox-httpd"

    def available(self) -> str | None:
        return super().available() or missing_programs({"public-inbox-httpd": "public-inbox"})

    def times(
        self, maildir: Path, work: Path, site: Callable[[str, int], Any], port: int, word: str
    ) -> dict[str, float]:
        """Return the milliseconds of its pages, {} where it cannot run here."""
        if reason := self.available():
            progress(f"{self.name}: {reason}")
            return {}
        own = work / "publicinbox"
        own.mkdir()
        self.create(maildir, own)
        self.index(maildir, own)
        command = ["public-inbox-httpd", "-l", f"127.0.0.1:{port}", "-W2"]
        root = f"/lists/{quote(THREAD)}"
        pages: Pages = {
            "thread of 200": f"{root}/T/",
            "thread, mbox": f"{root}/t.mbox.gz",
            "thread, Atom": f"{root}/t.atom",
            "search": f"/lists/?q={quote(word)}",
            SEARCHES: [f"/lists/?q={quote(each)}" for each in WORDS],
        }
        return timed(command, self._environment(own), own, site(self.name, port), pages)


class HyperKittyPages(HyperKitty):
    """HyperKitty of 1,000 mails and the made thread; its page brings the replies by a second request."""

    name = "hyperkitty"

    def sample(self, maildir: Path) -> list[Path]:
        files = mail_files(maildir)
        return [
            *super().sample(maildir),
            *(path for path in files if path.name.startswith("big0.")),
        ]

    def times(
        self, maildir: Path, work: Path, site: Callable[[str, int], Any], port: int, word: str
    ) -> dict[str, float]:
        """Return the milliseconds of its thread page, {} where it cannot run here."""
        reason = self.available() or missing_programs({"gunicorn": "gunicorn python3-gunicorn"})
        if reason:
            progress(f"{self.name}: {reason}")
            return {}
        own = work / "hyperkitty"
        own.mkdir()
        self.create(maildir, own)
        with (own / "bench_hyperkitty.py").open("a") as settings:
            settings.write(PAGES)
        (own / "bench_urls.py").write_text(URLS)
        self.index(maildir, own)
        command = ["/usr/bin/gunicorn", "-w2", "-b", f"127.0.0.1:{port}", "--chdir", str(own)]
        command.append("django.core.wsgi:get_wsgi_application()")
        place = f"/list/{LIST}/thread/{hash_of(THREAD)}/"
        pages: Pages = {"page": place, "replies": f"{place}replies?sort=thread"}
        found = timed(command, self._environment(own), own, site(self.name, port), pages)
        return {"thread of 200": sum(found.values())}


def timed(
    command: list[str], environment: dict[str, str], work: Path, site: Any, pages: Pages
) -> dict[str, float]:
    """Run a peer's server and return the median milliseconds of each page; of several, each is asked for once."""
    with (work / "httpd.log").open("ab") as log:
        server = subprocess.Popen(command, env=environment, cwd=work, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + LONGEST_SECONDS
            while not answers(site):
                if time.monotonic() > deadline or server.poll() is not None:
                    raise TimeoutError(f"{command[0]}: {(work / 'httpd.log').read_text()[-2000:]}")
                time.sleep(0.1)
            return {
                name: site.warm(one).whole if isinstance(one, str) else site.first_times(one)
                for name, one in pages.items()
            }
        finally:
            server.terminate()
            server.wait(30)


def answers(site: Any) -> bool:
    """Tell whether a server takes requests."""
    try:
        site.ask("/")
    except (OSError, http.client.HTTPException):
        site.forget()
        return False
    return True
