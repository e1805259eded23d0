"""public-inbox: `public-inbox-watch` over the Maildir, with full Xapian indexing, in three set-ups."""

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from bench.corpus import mail_files, mail_folders
from bench.peers.tool import Found, PeerFailed, missing_programs, own_environment, run_command

POLL_SECONDS = 0.05
QUIET_SECONDS = 3.0
LONGEST_SECONDS = 1800.0
QUERY = """use PublicInbox::Inbox;
my $inbox = PublicInbox::Inbox->new({ inboxdir => $ARGV[0], name => 'lists', address => ['lists@example.org'] });
my $search = $inbox->search or die "no Xapian index\\n";
printf "%d %d\\n", $search->xdb->get_doccount, $search->mset($ARGV[1], { limit => 1 })->get_matches_estimated;
"""


class PublicInbox:
    """One inbox that watches every folder: with an inbox a list, watch closes one index to open the next."""

    name = "public-inbox v2"

    def available(self) -> str | None:
        reason = missing_programs({"public-inbox-watch": "public-inbox libsearch-xapian-perl"})
        has_xapian = ["perl", "-MSearch::Xapian", "-MDBD::SQLite", "-e", "1"]
        if reason or not subprocess.run(has_xapian, capture_output=True).returncode:
            return reason
        return "missing here: apt-get install libsearch-xapian-perl libdbd-sqlite3-perl"

    def create(self, maildir: Path, work: Path) -> None:
        watches = [
            option
            for folder in mail_folders(maildir)
            for option in ("-c", f"watch=maildir:{folder}")
        ]
        place = [str(work / "inbox"), "http://example.org/lists", "lists@example.org"]
        command = ["public-inbox-init", "-V2", "-L", "full", *watches, "lists", *place]
        run_command(command, self._environment(work))

    def index(self, maildir: Path, work: Path) -> float:
        """Start the watcher, wait for the end of its scan, stop it as its man page says.

        It scans and goes on watching without a word, so the end is when it and its children stop using the processor.
        """
        with open(work / "watch.log", "ab") as log:
            start = time.perf_counter()
            watch = subprocess.Popen(
                ["public-inbox-watch"], env=self._environment(work), stderr=log, stdout=log
            )
            try:
                return last_busy(watch) - start
            finally:
                watch.send_signal(signal.SIGQUIT)
                watch.wait(timeout=60)

    def sample(self, maildir: Path) -> list[Path]:
        return mail_files(maildir)

    def find(self, word: str, maildir: Path, work: Path) -> Found:
        mails, hits = run_command(
            ["perl", "-e", QUERY, work / "inbox", word], self._environment(work)
        ).split()
        return Found(int(mails), int(hits))

    def _environment(self, work: Path) -> dict[str, str]:
        inline = work / "inline"
        inline.mkdir(exist_ok=True)
        return own_environment(work, PI_CONFIG=work / "config", PERL_INLINE_DIRECTORY=inline)


class PublicInboxEachList(PublicInbox):
    """One inbox for each list, the way lists are archived with it: each has its own address and index."""

    name = "public-inbox v2/list"
    layout: tuple[str, ...] = ("-V2",)

    def create(self, maildir: Path, work: Path) -> None:
        for folder in mail_folders(maildir):
            name = folder.name.strip(".") or "inbox"
            watch = ["-c", f"watch=maildir:{folder}"]
            inbox = str(work / "inboxes" / name)
            place = [inbox, f"http://example.org/{name}", f"{name}@example.org"]
            command = ["public-inbox-init", *self.layout, "-L", "full", *watch, name, *place]
            run_command(command, self._environment(work))
            # empty, but there: watch keeps up an index that it finds and makes none
            run_command(["public-inbox-index", inbox], self._environment(work))

    def find(self, word: str, maildir: Path, work: Path) -> Found:
        found = [
            run_command(["perl", "-e", QUERY, inbox, word], self._environment(work)).split()
            for inbox in sorted((work / "inboxes").iterdir())
        ]
        return Found(sum(int(mails) for mails, _ in found), sum(int(hits) for _, hits in found))


class PublicInboxAsMade(PublicInboxEachList):
    """One inbox for each list, as public-inbox-init makes it by default: format 1."""

    name = "public-inbox"
    layout = ()


def last_busy(process: subprocess.Popen[bytes]) -> float:
    """Wait until the process and its children have used no processor time for a while; when that began."""
    begin = changed = time.perf_counter()
    ticks = ""
    while (now := time.perf_counter()) - changed < QUIET_SECONDS:
        if process.poll() is not None or now - begin > LONGEST_SECONDS:
            raise PeerFailed(
                f"{process.args!r} ended with {process.returncode} before its scan did"
            )
        if (latest := " ".join(processor_ticks(process.pid))) != ticks:
            ticks, changed = latest, now
        time.sleep(POLL_SECONDS)
    return changed


def processor_ticks(pid: int) -> Iterator[str]:
    """Processor time used by a process, then by each child below it (fields 14 to 17 of /proc/PID/stat)."""
    try:
        yield " ".join(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return
    for child in children:
        yield from processor_ticks(int(child))
