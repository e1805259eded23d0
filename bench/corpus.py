"""The mail that benchmarks read: the list corpus as a Maildir++, and fresh mails to deliver.

The corpora lie beside the checkout (`../shared/corpora`); they are unpacked into temporary folders, never into the
project.
"""

import os
import random
import re
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
CORPORA = PROJECT.parent / "shared" / "corpora"
WORDS = """archive column matrix figure sample variance package factor residual object median frame subset
vector library legend summary estimate function message thread answer model default option value random normal density
levels""".split()


class CorpusMissing(Exception):
    """The corpora are not in ../shared/corpora beside the project."""


@contextmanager
def unpacked(name: str = "lists", corpora: Path = CORPORA) -> Iterator[Path]:
    """Unpack `name`.tar.xz into a temporary folder that lives as long as the block; gives the Maildir's root."""
    archive = corpora / f"{name}.tar.xz"
    if not archive.is_file():
        raise CorpusMissing(
            f"{archive} is missing: benchmarks need the corpora folder beside the project"
        )
    with (
        tempfile.TemporaryDirectory(prefix="mrilu-corpus-") as folder,
        tarfile.open(archive) as tar,
    ):
        # Python 3.11.4 brought the filter.
        tar.extraction_filter = getattr(tarfile, "data_filter", None)
        tar.extractall(folder)
        Path(folder).chmod(0o755)  # as root the service reads mail as an account of its own
        yield Path(folder) / name


def mail_folders(maildir: Path) -> list[Path]:
    """The Maildir itself and its Maildir++ subfolders, sorted."""
    subfolders = sorted(path.parent for path in maildir.glob(".*/cur") if path.is_dir())
    return [maildir, *subfolders] if (maildir / "cur").is_dir() else subfolders


def mail_files(maildir: Path) -> list[Path]:
    """Every mail in new/ and cur/ of every folder, sorted by path."""
    leaves = (folder / leaf for folder in mail_folders(maildir) for leaf in ("cur", "new"))
    return sorted(
        Path(entry.path) for leaf in leaves for entry in os.scandir(leaf) if entry.is_file()
    )


def link_maildir(maildir: Path, target: Path) -> Path:
    """Make a second Maildir of hard links at `target`, in which a contender may rename files."""
    for folder in mail_folders(maildir):
        for leaf in ("cur", "new", "tmp"):
            (target / folder.relative_to(maildir) / leaf).mkdir(parents=True, exist_ok=True)
    for path in mail_files(maildir):
        os.link(path, target / path.relative_to(maildir))
    return target


def read_mails(maildir: Path, count: int, flags: str = "S") -> list[tuple[Path, Path]]:
    """Do what a mail reader does: move `count` mails from new/ to cur/ with `flags`; gives (old, new) paths."""
    unread = [path for path in mail_files(maildir) if path.parent.name == "new"][:count]
    if len(unread) < count:
        raise ValueError(f"{maildir} has only {len(unread)} mails in new/, {count} wanted")
    moves = [(path, path.parents[1] / "cur" / f"{path.name}:2,{flags}") for path in unread]
    for old, new in moves:
        old.rename(new)
    return moves


def unread_mails(moves: Sequence[tuple[Path, Path]]) -> None:
    """Undo `read_mails`, so that each round of a benchmark moves the same mails."""
    for old, new in moves:
        new.rename(old)


def spread(paths: Sequence[Path], count: int) -> list[Path]:
    """`count` paths evenly spaced over `paths` (all of them when there are fewer)."""
    return (
        list(paths)
        if count >= len(paths)
        else [paths[i * len(paths) // count] for i in range(count)]
    )


def subject_word(paths: Sequence[Path]) -> str:
    """A word that stands in the Subject of one of `paths`: a search for it has to hit."""
    for path in spread(paths, 50):
        subject = re.search(rb"^Subject:([ -~]*)$", path.read_bytes(), re.MULTILINE | re.IGNORECASE)
        text = subject[1] if subject and b"=?" not in subject[1] else b""
        if words := re.findall(rb"(?<![\w.-])[A-Za-z]{6,}(?![\w.-])", text):
            return str(max(words, key=len).decode("ascii").lower())
    raise ValueError("no plain word in the subjects of 50 mails")


def fresh_mails(count: int, seed: int = 1) -> Iterator[tuple[str, bytes]]:
    """`count` plain list mails of about 2 kB as (Message-ID without brackets, bytes); the same for the same seed."""
    chance = random.Random(seed)
    for number in range(count):
        message_id = f"{seed}.{number}.{chance.getrandbits(64):x}@bench.example.org"
        lines = [" ".join(chance.choices(WORDS, k=9)) for _ in range(28)]
        head = (
            f"From: Bench Writer <writer{number % 50}@example.org>\nTo: lists@example.org\n"
            f"Subject: [bench] {lines[0]}\nDate: Tue, 24 Nov 2026 {number // 3600 % 24:02}:{number // 60 % 60:02}:"
            f"{number % 60:02} +0000\nMessage-ID: <{message_id}>\nList-Id: <lists.example.org>\n"
            "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n"
        )
        yield message_id, (head + "\n".join(lines) + "\n").encode()


def stage(maildir: Path, name: str, mail: bytes) -> None:
    """Write `mail` to tmp/ and flush it to the disk, as an MTA does; `publish` makes it count."""
    with open(maildir / "tmp" / name, "wb") as file:
        file.write(mail)
        file.flush()
        os.fsync(file.fileno())


def publish(maildir: Path, name: str) -> None:
    """Rename a staged mail from tmp/ to new/, which is the delivery."""
    os.rename(maildir / "tmp" / name, maildir / "new" / name)
