"""The other programs of the benchmarks, as contenders for `bench.timing.take_turns`.

`import_peers()`, `rescan_peers()` and `rename_peers()` give them for each bar; `latency.NotmuchLoop` delivers single
mails. Everything that a peer writes is in its own folder, home included; see `bench/README.md`.
"""

from bench.peers.contenders import FirstImport, Renames, Rescan
from bench.peers.hyperkitty import HyperKitty
from bench.peers.mu import Mu
from bench.peers.notmuch import Notmuch
from bench.peers.publicinbox import PublicInbox, PublicInboxAsMade, PublicInboxEachList
from bench.peers.script import StdlibScript

__all__ = [
    "IMPORT_BARS",
    "PACKAGES",
    "RENAME_COUNT",
    "import_peers",
    "rename_peers",
    "rescan_peers",
]

PACKAGES = [
    "notmuch", "maildir-utils", "public-inbox", "libsearch-xapian-perl", "python3-django-hyperkitty", "python3-whoosh",
    "inotify-tools",
]  # fmt: skip
# public-inbox has one bar in each of its set-ups; we miss it where its newer format is used (docs/benchmarks.md).
IMPORT_BARS = {
    "notmuch": 8.0,
    "mu": 3.5,
    "public-inbox": 20.0,
    "public-inbox v2/list": 20.0,
    "public-inbox v2": 20.0,
    "stdlib+sqlite": 4.0,
    "hyperkitty": 50.0,
}
RENAME_COUNT = 1000


def import_peers() -> list[FirstImport]:
    """First import of a whole Maildir; HyperKitty imports a sample, so compare rates."""
    inboxes = (PublicInboxAsMade(), PublicInboxEachList(), PublicInbox())
    return [FirstImport(tool) for tool in (Notmuch(), Mu(), *inboxes, StdlibScript(), HyperKitty())]


def rescan_peers() -> list[Rescan]:
    """A second look at a Maildir in which nothing changed."""
    return [Rescan(tool) for tool in (Notmuch(), Mu(), PublicInbox())]


def rename_peers(count: int = RENAME_COUNT) -> list[Renames]:
    """An update after a mail reader moved `count` mails from new/ to cur/."""
    return [Renames(tool, count) for tool in (Notmuch(), Mu())]
