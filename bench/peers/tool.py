"""What a peer program is: create an empty index, index a Maildir, count and search what it holds."""

import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.environment import path_of_caller


class PeerFailed(Exception):
    """A peer did not do what it was to be timed for."""


@dataclass(frozen=True)
class Found:
    """What a peer's own queries answer: mails in its index, and hits for one word."""

    mails: int
    hits: int


class Tool(Protocol):
    """A program that indexes a Maildir. `work` is its own folder, which it may fill as it likes."""

    name: str

    def available(self) -> str | None:
        """None, or why it cannot run here and how to install it."""

    def create(self, maildir: Path, work: Path) -> None:
        """Configure an empty index (untimed)."""

    def index(self, maildir: Path, work: Path) -> float:
        """Bring the index level with the Maildir; seconds until every mail is searchable."""

    def sample(self, maildir: Path) -> list[Path]:
        """The files that it indexes: all of them, but for the slowest."""

    def find(self, word: str, maildir: Path, work: Path) -> Found:
        """Count the mails in the index and search for `word`."""


def own_environment(work: Path, **more: object) -> dict[str, str]:
    """An environment in which home, caches and temporary files lie under `work`; nothing else is inherited but PATH."""
    home, temporary = work / "home", work / "tmp"
    for folder in (home, temporary):
        folder.mkdir(parents=True, exist_ok=True)
    return {
        "PATH": path_of_caller(),
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "XDG_DATA_HOME": str(home / ".local/share"),
        "XDG_RUNTIME_DIR": str(temporary),
        **{name: str(value) for name, value in more.items()},
    }


def run_command(
    command: Sequence[str | Path], environment: Mapping[str, str], cwd: Path | None = None
) -> str:
    """Run to the end, give stdout; raises `PeerFailed` with the last lines of stderr when it fails."""
    done = subprocess.run(
        command,
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise PeerFailed(f"{command[0]} ended with {done.returncode}: {done.stderr[-800:]}")
    return done.stdout


def timed_command(
    command: Sequence[str | Path], environment: Mapping[str, str], cwd: Path | None = None
) -> float:
    """Run to the end, give the wall seconds."""
    start = time.perf_counter()
    run_command(command, environment, cwd)
    return time.perf_counter() - start


def missing_programs(packages: Mapping[str, str]) -> str | None:
    """`packages` maps programs to their Debian packages: None when all are there, else the line that installs them."""
    missing = [package for program, package in packages.items() if not shutil.which(program)]
    return (
        f"missing here: apt-get install --no-install-recommends {' '.join(missing)}"
        if missing
        else None
    )
