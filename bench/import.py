"""First import, unchanged rescan, renames and a kill in mid-import, beside the peers: `python bench/import.py`."""

from __future__ import annotations

import argparse
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# The project's folder instead of the script's, in which modules may be named like the standard library's.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

import models  # noqa: E402
from bench.corpus import link_maildir, mail_files, read_mails, subject_word, unpacked, unread_mails  # noqa: E402
from bench.front_door import FrontDoor, front_door  # noqa: E402
from bench.machine import debian_versions, machine_facts  # noqa: E402
from bench.peers import IMPORT_BARS, PACKAGES, import_peers, rename_peers, rescan_peers  # noqa: E402
from bench.service import MAIL_WORKERS, MERGE_PENDING, Service, service  # noqa: E402
from bench.timing import Result, only_benchmark, report, take_turns  # noqa: E402
from mrilu.archive.ledger import difference  # noqa: E402
from mrilu.settings.load import load  # noqa: E402

LIMITS = {"rescan": {"mrilu": 0.3}, "renames": {"mrilu": 0.5}}
THERE = """
SELECT (SELECT count(*) FROM location), (SELECT count(*) FROM location WHERE NOT copy), (SELECT count(*) FROM message),
       (SELECT count(*) FROM message WHERE search @@ websearch_to_tsquery('mrilu', %(word)s))
"""


class FirstImport:
    """`./run.sh import MAILDIR --wait` on a running service without mail, until the index's entries are merged."""

    name = "mrilu"

    def available(self) -> None:
        return None

    def run(self, maildir: Path, work: Path) -> Result:
        paths = mail_files(maildir)
        empty, folder = work / "empty", work / "service"
        for leaf in ("cur", "new", "tmp"):
            (empty / leaf).mkdir(parents=True, exist_ok=True)
        folder.mkdir(parents=True)
        with front_door(empty, folder) as door:
            door.settle()
            began, worked = time.perf_counter(), _worked(door)
            imported = door.run("import", str(maildir), "--wait")
            door.link.execute(MERGE_PENDING)
            seconds, worked = time.perf_counter() - began, _worked(door) - worked
            check(door, imported, len(paths), subject_word(paths))
        shutil.rmtree(folder)
        return Result(
            seconds,
            len(paths),
            f"through ./run.sh, fsync on, {MAIL_WORKERS} workers, {worked:.1f} processor seconds",
        )


def _worked(door: FrontDoor) -> float:
    """Return the processor seconds of the service and of the commands that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return door.processor_seconds() + ended.ru_utime + ended.ru_stime


def check(
    door: FrontDoor, imported: subprocess.CompletedProcess[str], files: int, word: str
) -> None:
    """Raise unless the command says that the ledger is level, each file is there, and a search hits."""
    row = door.link.execute(THERE, {"word": word}).fetchone()
    if imported.returncode or row is None or row[0] != files or row[1] != row[2] or not row[3]:
        raise AssertionError(
            f"the archive of {files} files is wrong: {row}, {imported.stdout} {imported.stderr}"
        )


class Rescan:
    """The scan that the watcher does at its start and after an overflow, when nothing changed."""

    name = "mrilu"

    def __init__(self, running: Service) -> None:
        self.running = running

    def available(self) -> None:
        return None

    def prepare(self, maildir: Path, work: Path) -> None:
        models.bind(self.running.urls["DATABASE_URL"]).connect(reuse_if_open=True)

    def run(self, maildir: Path, work: Path) -> Result:
        began = time.perf_counter()
        found = difference(models.db, self.running.maildir, "bench")
        seconds = time.perf_counter() - began
        if found.paths:
            raise AssertionError(f"{len(found.paths)} files differ in an unchanged Maildir")
        return Result(seconds, found.on_disk)


class Renames:
    """1,000 mails are read (new/ -> cur/ with a flag) under the watcher's eyes, until all rows say so."""

    name = "mrilu"
    count = 1000

    def __init__(self, running: Service) -> None:
        self.running = running

    def available(self) -> None:
        return None

    def run(self, maildir: Path, work: Path) -> Result:
        moved = (
            "SELECT count(*) FROM location WHERE subdir = 'cur' AND flags = 'S' AND gone_at IS NULL"
        )
        before = self.running.value(moved)
        began = time.perf_counter()
        moves = read_mails(self.running.maildir, self.count)
        self.running.until(lambda: self.running.value(moved) == before + self.count)
        seconds = time.perf_counter() - began
        unread_mails(moves)
        self.running.until(lambda: self.running.value(moved) == before)
        return Result(seconds, self.count, "the renames themselves included")


def race_import(maildir: Path, work: Path, rounds: int, only: list[str] | None) -> bool:
    """The first import, and whether all bars are met."""
    peers = [peer for peer in import_peers() if not only or peer.name in only]
    results = take_turns([FirstImport(), *peers], maildir, work / "import", rounds)
    print("\nfirst import")
    return report(results, machine_facts(debian_versions(PACKAGES)), "mrilu", IMPORT_BARS)


def race_changes(maildir: Path, work: Path, rounds: int, only: list[str] | None) -> bool:
    """Unchanged rescan and renames on one archive, and whether all limits are kept."""
    passed = []
    copy = link_maildir(maildir, work / "Maildir")
    with service(copy, work / "changes") as running:
        running.spawn("watcher")
        running.wait_for_files(len(mail_files(copy)))
        for title, ours, peers in (
            ("rescan", Rescan(running), rescan_peers()),
            ("renames", Renames(running), rename_peers()),
        ):
            chosen = [peer for peer in peers if not only or peer.name in only]
            results = take_turns([ours, *chosen], maildir, work / title, rounds)
            print(f"\n{title}")
            passed.append(
                report(
                    results, machine_facts(debian_versions(PACKAGES)), "mrilu", {}, LIMITS[title]
                )
            )
    return all(passed)


def kill_in_mid_import(maildir: Path, work: Path) -> bool:
    """kill -9 of everything of ours half-way; how many mails are parsed again after the next start."""
    total = len(mail_files(maildir))
    with service(maildir, work / "kill") as running:
        running.spawn("watcher")
        running.until(lambda: running.value("SELECT count(*) FROM location") > total / 2)
        for name in ("watcher", "mail"):
            running.kill(name, signal.SIGKILL)
        kept = running.value("SELECT count(*) FROM location")
        running.spawn("mail")
        running.spawn("watcher")
        running.wait_for_files(total)
        ran = "SELECT coalesce(sum((counts->>'imported')::int + coalesce((counts->>'copies')::int, 0)), 0) FROM job_run"
        again = running.value(ran) - total
    batch = load({}).batch_size
    print(
        f"\nkill -9 in mid-import: {kept} of {total} kept, {again} stored again (bar: one batch, {batch})"
    )
    return again <= batch


def main() -> None:
    """Run the races that are asked for; exit code 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "races", nargs="*", default=["import", "changes", "kill"], metavar="import|changes|kill"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--only", action="append", help="a peer by its name, can be given again; 'none' for none"
    )
    options = parser.parse_args()
    passed = []
    with (
        only_benchmark(),
        unpacked() as maildir,
        tempfile.TemporaryDirectory(prefix="mrilu-bench-") as folder,
    ):
        work = Path(folder)
        work.chmod(0o755)
        if "import" in options.races:
            passed.append(race_import(maildir, work, options.rounds, options.only))
        if "changes" in options.races:
            passed.append(race_changes(maildir, work, options.rounds, options.only))
        if "kill" in options.races:
            passed.append(kill_in_mid_import(maildir, work))
    sys.exit(0 if all(passed) else 1)


if __name__ == "__main__":
    main()
