"""What lies in a Maildir, looks like mail, and is not looked at: counted and named, so that no one misses it. Pure."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mrilu.maildir.names import (
    Kind,
    Place,
    folder_of,
    follows,
    is_mail_file,
    is_mail_subdir,
    join,
    places,
    to_disk,
    to_text,
)

BELOW = "below new/ or cur/"
OUTSIDE = "beside new/ and cur/"
DEEP = "in a folder of a folder"
MH = "named by numbers, as MH does it"
MBOX = "mbox"
LINK = "a symlink that is not followed"
MOST_OPENED = 100  # files of one directory that are opened to see whether they are an mbox


class PassedOver(NamedTuple):
    """Files of one directory (`place`, below the root) that are not looked at, and what they are."""

    place: str
    files: int
    what: str


def passed_over(root: Path | str, kind: Kind) -> list[PassedOver]:
    """Return what is not looked at below the root, by place; what cannot be listed is left out."""
    known = {place.path: place for place in places(root, kind, [])}
    found: Counter[tuple[str, str]] = Counter()
    # Nearly all the files there are: they are looked at, whatever their names; a link may not be.
    looked_at = {path for path, place in known.items() if kind == "maildir" and place.mail}
    for directory, entries in _directories(root, looked_at):
        opened = 0
        place = known.get(directory)
        for entry in entries:
            what = _link(root, directory, entry, kind) or _what(directory, place, entry, kind)
            if not what and _may_be_mbox(place, entry) and opened < MOST_OPENED:
                opened += 1
                what = MBOX if _is_mbox(entry.path) else ""
            if what:
                found[directory, what] += 1
    return [PassedOver(place, files, what) for (place, what), files in sorted(found.items())]


def _directories(
    root: Path | str, looked_at: set[str]
) -> Iterator[tuple[str, list[os.DirEntry[str]]]]:
    """Yield each real directory below the root with what lies in it; not tmp/, nor what no mail program makes.

    Of those in `looked_at`, which hold millions of files, the files are left out at once.
    """
    left = [""]
    while left:
        directory = left.pop()
        try:
            with os.scandir(os.path.join(root, to_disk(directory))) as listed:
                entries = (
                    [entry for entry in listed if not entry.is_file(follow_symlinks=False)]
                    if directory in looked_at
                    else list(listed)
                )
        except OSError:
            continue
        yield directory, entries
        left += (
            join(directory, to_text(entry.name))
            for entry in entries
            if entry.is_dir(follow_symlinks=False)
            and entry.name not in ("tmp", ".git", ".notmuch", ".nnmaildir")
        )


def _what(directory: str, place: Place | None, entry: os.DirEntry[str], kind: Kind) -> str:
    """Return what a regular file is if it looks like mail and is not looked at, else ""."""
    name = entry.name
    if name.startswith(".") or not entry.is_file(follow_symlinks=False):
        return ""
    if kind == "folder":
        if place is None:
            return DEEP if is_mail_file(name) else ""
        return MH if name.isdecimal() else ""
    if place is not None and place.mail:
        return ""
    if folder_of(directory) != directory or _is_below(directory):
        return BELOW
    if name.isdecimal():
        return MH
    return OUTSIDE if is_mail_file(name) else ""


def _is_below(directory: str) -> bool:
    """Tell whether a directory lies in a new/ or cur/."""
    parts = directory.split("/")
    return any(is_mail_subdir(part) for part in parts[:-1])


def _may_be_mbox(place: Place | None, entry: os.DirEntry[str]) -> bool:
    if (place is not None and place.mail) or entry.name.startswith((".", "dovecot", "courier")):
        return False
    return entry.is_file(follow_symlinks=False)


def _is_mbox(path: str) -> bool:
    try:
        with open(path, "rb", buffering=0) as stream:
            return stream.read(5) == b"From "
    except OSError:
        return False


def _link(root: Path | str, directory: str, entry: os.DirEntry[str], kind: Kind) -> str:
    """Return what a symlink is that is not followed; one to a place of this Maildir is looked at under its own name."""
    if not entry.is_symlink() or entry.name.startswith(".lock"):
        return ""
    try:
        mode = entry.stat().st_mode
    except OSError:  # it leads to nothing
        return ""
    if stat.S_ISREG(mode):
        return LINK if is_mail_subdir(directory.rpartition("/")[2]) else ""
    inside = os.path.realpath(entry.path).startswith(os.path.join(os.path.realpath(root), ""))
    is_folder = stat.S_ISDIR(mode) and not (
        kind == "maildir" and follows(root, join(directory, to_text(entry.name)))
    )
    return LINK if is_folder and not inside else ""
