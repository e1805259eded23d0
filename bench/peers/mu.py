"""mu (maildir-utils): `mu init` and `mu index` with a MUHOME of its own."""

from pathlib import Path

from bench.corpus import mail_files
from bench.peers.tool import Found, missing_programs, own_environment, run_command, timed_command


class Mu:
    """mu with its defaults; indexing again is lazy only where asked for, so a rescan looks at each file."""

    name = "mu"

    def available(self) -> str | None:
        return missing_programs({"mu": "maildir-utils"})

    def create(self, maildir: Path, work: Path) -> None:
        run_command(["mu", "init", "--quiet", f"--maildir={maildir}"], self._environment(work))

    def index(self, maildir: Path, work: Path) -> float:
        return timed_command(["mu", "index", "--quiet"], self._environment(work))

    def sample(self, maildir: Path) -> list[Path]:
        return mail_files(maildir)

    def find(self, word: str, maildir: Path, work: Path) -> Found:
        return Found(self._count(work, ""), self._count(work, word))

    def _count(self, work: Path, query: str) -> int:
        """The messages that match; `mu find` prints a path for each (an empty query matches all)."""
        command = ["mu", "find", "--fields=l", query]
        return len(run_command(command, self._environment(work)).splitlines())

    def _environment(self, work: Path) -> dict[str, str]:
        return own_environment(work, MUHOME=work / "mu")
