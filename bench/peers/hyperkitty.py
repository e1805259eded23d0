"""HyperKitty: `hyperkitty_import` of an mbox, then its full-text index (Whoosh, its default)."""

import mailbox
import subprocess
from pathlib import Path

from bench.corpus import mail_files, spread
from bench.peers.tool import Found, own_environment, run_command, timed_command

PYTHON = "/usr/bin/python3"
LIST = "lists@example.org"
SAMPLE = 1000
SETTINGS = '''"""HyperKitty's example settings, without the web's parts: SQLite, Whoosh, no Mailman to ask."""
WORK = {work!r}
SECRET_KEY = "bench" * 10
SITE_ID = 1
ALLOWED_HOSTS = ["localhost"]
MAILMAN_REST_API_URL = "http://127.0.0.1:9"
MAILMAN_REST_API_USER = MAILMAN_REST_API_PASS = MAILMAN_ARCHIVER_KEY = "bench"
MAILMAN_ARCHIVER_FROM = ("127.0.0.1",)
INSTALLED_APPS = [
    "hyperkitty", "django_mailman3", "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
    "django.contrib.sites", "django.contrib.messages", "rest_framework", "django_gravatar", "compressor", "haystack",
    "django_extensions", "django_q", "allauth", "allauth.account", "allauth.socialaccount",
]
TEMPLATES = [{{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}}]
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": WORK + "/hyperkitty.db"}}}}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
HAYSTACK_CONNECTIONS = {{
    "default": {{"ENGINE": "haystack.backends.whoosh_backend.WhooshEngine", "PATH": WORK + "/fulltext_index"}},
}}
Q_CLUSTER = {{"timeout": 300, "retry": 360, "save_limit": 100, "orm": "default"}}
ROOT_URLCONF = "hyperkitty.urls"
STATIC_URL = "/static/"
STATIC_ROOT = WORK + "/static"
USE_TZ = True
'''
QUERY = """import sys, django; django.setup()
from haystack.query import SearchQuerySet
from hyperkitty.models import Email
print(Email.objects.count(), SearchQuerySet().filter(content=sys.argv[1]).count())
"""


class HyperKitty:
    """Debian's HyperKitty under Debian's Python. It imports a sample of 1,000 mails: the rate is what counts."""

    name = "hyperkitty"

    def available(self) -> str | None:
        wanted = "import hyperkitty, whoosh"
        try:
            missing = subprocess.run([PYTHON, "-c", wanted], capture_output=True).returncode
        except FileNotFoundError:
            return f"no Debian Python at {PYTHON}"
        install = "apt-get install --no-install-recommends python3-django-hyperkitty python3-whoosh"
        return f"missing here: {install}" if missing else None

    def create(self, maildir: Path, work: Path) -> None:
        """Write settings and the mbox, and let Django make its tables."""
        (work / "bench_hyperkitty.py").write_text(SETTINGS.format(work=str(work)))
        self._write_mbox(self.sample(maildir), work / "sample.mbox")
        run_command(self._django("migrate", "--verbosity=0"), self._environment(work))

    def index(self, maildir: Path, work: Path) -> float:
        """The import, which says that it leaves the search index alone, and the command that it names for that."""
        imports = self._django(
            "hyperkitty_import", "--no-sync-mailman", f"--list-address={LIST}", "sample.mbox"
        )
        seconds = timed_command(imports, self._environment(work), work)
        return seconds + timed_command(
            self._django("update_index_one_list", LIST), self._environment(work), work
        )

    def sample(self, maildir: Path) -> list[Path]:
        return spread(mail_files(maildir), SAMPLE)

    def find(self, word: str, maildir: Path, work: Path) -> Found:
        mails, hits = run_command(
            [PYTHON, "-W", "ignore", "-c", QUERY, word], self._environment(work)
        ).split()
        return Found(int(mails), int(hits))

    def _write_mbox(self, files: list[Path], target: Path) -> None:
        box = mailbox.mbox(target)
        for path in files:
            box.add(path.read_bytes())
        box.close()

    def _django(self, *command: str) -> list[str]:
        return [PYTHON, "-W", "ignore", "-m", "django", *command]

    def _environment(self, work: Path) -> dict[str, str]:
        return own_environment(work, DJANGO_SETTINGS_MODULE="bench_hyperkitty", PYTHONPATH=work)
