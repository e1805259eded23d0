"""The three races over a Maildir that a `Tool` can take part in, as contenders for `bench.timing`."""

import shutil
from pathlib import Path

from bench.corpus import link_maildir, mail_files, read_mails, subject_word, unread_mails
from bench.peers.tool import Found, PeerFailed, Tool
from bench.timing import Result

# notmuch, public-inbox and HyperKitty fold copies of a message into one: a few in a hundred at most.
LEAST_SHARE = 0.98


def check_index(tool: Tool, maildir: Path, work: Path) -> str:
    """Ask the peer itself whether the mails are in; gives a note, raises `PeerFailed` when too few or no hit."""
    files = tool.sample(maildir)
    word = subject_word(files)
    found = tool.find(word, maildir, work)
    if found.mails < LEAST_SHARE * len(files) or not found.hits:
        raise PeerFailed(
            f"{tool.name} holds {found.mails} of {len(files)} mails, {found.hits} hits for {word!r}"
        )
    return describe(found, word)


def describe(found: Found, word: str) -> str:
    """The note beside a result: what the peer said that it holds."""
    return f"({found.mails} in the index, {found.hits} hits for {word!r})"


class _OfTool:
    """What the timed tasks of a tool share: its name, and whether it is here."""

    def __init__(self, tool: Tool) -> None:
        self.tool = tool
        self.name = tool.name

    def available(self) -> str | None:
        return self.tool.available()


class FirstImport(_OfTool):
    """From nothing to every mail searchable; each round starts with an empty folder."""

    def prepare(self, maildir: Path, work: Path) -> None:
        """Read each mail once, so that the first contender does not pay for a cold page cache."""
        for path in mail_files(maildir):
            path.read_bytes()

    def run(self, maildir: Path, work: Path) -> Result:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        self.tool.create(maildir, work)
        seconds = self.tool.index(maildir, work)
        return Result(
            seconds, len(self.tool.sample(maildir)), check_index(self.tool, maildir, work)
        )


class Rescan(_OfTool):
    """Index once untimed, then time another pass over the unchanged Maildir."""

    def prepare(self, maildir: Path, work: Path) -> None:
        self.tool.create(maildir, work)
        self.tool.index(maildir, work)

    def run(self, maildir: Path, work: Path) -> Result:
        seconds = self.tool.index(maildir, work)
        return Result(seconds, len(mail_files(maildir)), check_index(self.tool, maildir, work))


class Renames(_OfTool):
    """Time the pass that follows `count` moves from new/ to cur/, in a copy of the Maildir; undone after each round."""

    def __init__(self, tool: Tool, count: int) -> None:
        super().__init__(tool)
        self.count = count

    def prepare(self, maildir: Path, work: Path) -> None:
        copy = link_maildir(maildir, work / "Maildir")
        self.tool.create(copy, work)
        self.tool.index(copy, work)

    def run(self, maildir: Path, work: Path) -> Result:
        copy = work / "Maildir"
        moves = read_mails(copy, self.count)
        seconds = self.tool.index(copy, work)
        note = check_index(self.tool, copy, work)
        unread_mails(moves)
        self.tool.index(copy, work)
        return Result(seconds, self.count, note)
