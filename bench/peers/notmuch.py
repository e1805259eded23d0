"""notmuch: `notmuch new` with a configuration and database of its own, outside the Maildir."""

from pathlib import Path

from bench.corpus import mail_files
from bench.peers.tool import Found, missing_programs, own_environment, run_command, timed_command

CONFIGURATION = """[database]
path={database}
mail_root={maildir}
hook_dir={work}/hooks
[user]
name=Bench
primary_email=bench@example.org
[new]
tags=unread;inbox
[maildir]
synchronize_flags=true
"""


class Notmuch:
    """As `notmuch setup` leaves it: all headers and bodies, flags kept as tags."""

    name = "notmuch"

    def available(self) -> str | None:
        return missing_programs({"notmuch": "notmuch"})

    def environment(self, work: Path) -> dict[str, str]:
        """The environment in which `notmuch` finds this index and no other."""
        return own_environment(work, NOTMUCH_CONFIG=work / "notmuch-config")

    def create(self, maildir: Path, work: Path) -> None:
        (work / "database").mkdir()
        text = CONFIGURATION.format(database=work / "database", maildir=maildir, work=work)
        (work / "notmuch-config").write_text(text)

    def index(self, maildir: Path, work: Path) -> float:
        return timed_command(["notmuch", "new", "--quiet"], self.environment(work))

    def sample(self, maildir: Path) -> list[Path]:
        return mail_files(maildir)

    def find(self, word: str, maildir: Path, work: Path) -> Found:
        """Files, not messages, are counted: notmuch keeps every file of a Message-ID."""
        return Found(self._count(work, "--output=files", "*"), self._count(work, word))

    def _count(self, work: Path, *query: str) -> int:
        return int(
            run_command(["notmuch", "count", "--exclude=false", *query], self.environment(work))
        )
