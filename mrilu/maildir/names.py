"""Where mail lies in a Maildir, and what its file names say. Pure: no settings, no database, no watching.

A *path* in the whole system is text: the file's path below the Maildir's root, with "/" between the parts,
such as ".r-help/cur/1406215754.M28782P15164.mail:2,FS", "new/123.x", or "foo.eml" in a flat folder.

Layouts: Maildir (https://cr.yp.to/proto/maildir.html), Maildir++ (".Name" beside new/ and cur/), Dovecot's
"fs" layout ("Lists/foo/cur"), folders in folders of either kind (".top/.sub" of isync, ".x.directory/sub" of KMail),
Evolution's parts of cur/ ("cur/3a"), and flat folders of .eml files with at most one level of sub-folders.
"""

import os
import re
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from mrilu.maildir.errors import (
    FolderUnreadable,
    MaildirError,
    MaildirFails,
    MaildirMissing,
    MaildirUnreadable,
    NotAFolder,
    NotAMaildir,
    ScanIncomplete,
)

Kind = Literal["maildir", "folder"]
MAIL_SUBDIRS = ("new", "cur")
RESERVED = frozenset(("new", "cur", "tmp"))

# Bytes that are not UTF-8 arrive from os as U+DC80..U+DCFF, which neither JSON nor PostgreSQL takes. The last
# 128 code points of the private plane 16 stand in for them.
_SURROGATES = range(0xDC80, 0xDD00)
_STANDINS = range(0x10FF80, 0x110000)
_TO_TEXT: dict[int, str] = {
    **{bad: chr(good) for bad, good in zip(_SURROGATES, _STANDINS, strict=True)},
    # A name that really holds a stand-in is written as its four bytes: to_disk stays the exact inverse.
    **{c: "".join(chr(0x10FF00 + byte) for byte in chr(c).encode()) for c in _STANDINS},
}
_TO_DISK = {good: chr(bad) for bad, good in zip(_SURROGATES, _STANDINS, strict=True)}

# ":2," by the standard; ";2," and "!2," where the file system refuses a colon; "_2,S" in exported files.
_INFO = re.compile(
    r"(?s)(?P<base>.+?)(?:[:;!](?P<version>[12]),(?P<info>.*)|_2,(?P<exported>[A-Za-z]*)(?:\.eml)?)\Z"
)
_ATTRIBUTES = re.compile(r"(?:,[SWU]=\d+)+\Z")
_LETTERS = re.compile(r"[A-Za-z]*")
_MAILDIR_NAME = re.compile(r"\d{6,12}\.[^.\s]+\.\S")
_EML = re.compile(r"(?is).+\.eml(?:\.(?:gz|bz2|xz|zst))?\Z")
_SHARD = re.compile(
    r"[0-9a-f]{2}\Z"
)  # Evolution (camel-maildir-store.c) spreads cur/ over cur/00 to cur/3f


class MailPath(NamedTuple):
    """A path's parts: folder ("" is the INBOX), subdir ("new", "cur", "cur/3a", ""), name, unique name, flags."""

    folder: str
    subdir: str
    name: str
    unique: str
    flags: str


class Place(NamedTuple):
    """A directory to watch: its path below the root ("" is the root); whether mail or folders lie in it."""

    path: str
    mail: bool
    folders: bool


def to_text(name: str) -> str:
    """Text form of a name from os (surrogateescape), fit for JSON and PostgreSQL; reversed by `to_disk`."""
    return name if name.isascii() else name.translate(_TO_TEXT)


def to_disk(text: str) -> str:
    """The name for os calls of a path in text form; the exact inverse of `to_text`."""
    return text if text.isascii() else os.fsdecode(os.fsencode(text.translate(_TO_DISK)))


def parse_path(text: str) -> MailPath | None:
    """Split a path into its parts; None if it is not a place where mail lives. Never raises."""
    *parts, name = text.split("/")
    if not name or name.startswith(".") or "\0" in text or not _is_text(text):
        return None
    subdir = _take_subdir(parts)
    if not (is_folder(parts) if subdir else _is_flat(parts, name)):
        return None
    unique, flags = split_name(name)
    return MailPath("/".join(parts), subdir, name, unique, flags)


def _take_subdir(parts: list[str]) -> str:
    """Take the last parts that are "new", "cur" or "cur/3a" off; return them, "" if there are none."""
    for length in (1, 2):
        subdir = "/".join(parts[-length:])
        if len(parts) >= length and is_mail_subdir(subdir):
            del parts[-length:]
            return subdir
    return ""


def is_mail_subdir(subdir: str) -> bool:
    """Tell whether this is the part of a folder that mail lies in."""
    first, slash, shard = subdir.partition("/")
    return first in MAIL_SUBDIRS and (not slash or _SHARD.match(shard) is not None)


def _is_text(text: str) -> bool:
    """Tell whether PostgreSQL can hold this; `to_text` leaves no lone surrogate, a forged path may have one."""
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def split_name(name: str) -> tuple[str, str]:
    """Unique name and sorted flags of a file name. A new flag or ",S=" size suffix leaves the unique name."""
    found = _INFO.match(name)
    base = found["base"] if found else name
    unique = _ATTRIBUTES.sub("", base) or base
    if (
        not found or found["version"] == "1"
    ):  # ":1," is the standard's experimental form: no flags in it
        return unique, ""
    letters = _LETTERS.match(found["info"] or found["exported"] or "")
    return unique, "".join(sorted(set(letters[0] if letters else "")))


def is_folder(parts: list[str]) -> bool:
    """Tell whether these parts name a folder: any names but new, cur and tmp, at any depth; none is the INBOX."""
    return all(part and part not in (".", "..") and part not in RESERVED for part in parts)


def _is_flat(parts: list[str], name: str) -> bool:
    """In a flat folder, and one level below: .eml files and files that kept their Maildir name."""
    return (
        len(parts) < 2
        and is_folder(parts)
        and not "".join(parts).startswith(".")
        and is_mail_file(name)
    )


def is_mail_file(name: str) -> bool:
    """Tell whether a file of this name in a flat folder is mail."""
    if name.startswith("."):
        return False
    return _EML.match(name) is not None or _MAILDIR_NAME.match(name) is not None


def kind_of(root: Path | str) -> Kind:
    """Tell whether root is a Maildir (or holds some in its folders) or a flat folder of .eml files.

    A Maildir has new/, cur/ and tmp/; a flat folder may have sub-folders of these names, too.
    Raises MaildirMissing, NotAFolder, MaildirUnreadable or NotAMaildir.
    """
    subdirs, files = _list_root(root)
    if subdirs >= set(MAIL_SUBDIRS) and ("tmp" in subdirs or not files):
        return "maildir"
    if files:
        return "folder"
    if any(_has_mail_subdir(root, name) for name in subdirs):
        return "maildir"
    if any(_has_mail_file(root, name) for name in subdirs - RESERVED if not name.startswith(".")):
        return "folder"
    if not subdirs.isdisjoint(MAIL_SUBDIRS):
        return "maildir"
    raise NotAMaildir(root)


def _list_root(root: Path | str) -> tuple[set[str], bool]:
    """Names of the sub-directories of root, and whether a flat mail file lies in it."""
    subdirs, mail = set(), False
    try:
        with os.scandir(root) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    subdirs.add(entry.name)
                elif not mail:
                    mail = is_mail_file(entry.name) and entry.is_file(follow_symlinks=False)
    except FileNotFoundError:
        raise MaildirMissing(root) from None
    except NotADirectoryError:
        raise NotAFolder(root) from None
    except PermissionError:
        raise MaildirUnreadable(root) from None
    except OSError as error:  # a stale NFS handle, a FUSE program that ended, a disk that fails
        raise MaildirFails(root, error) from None
    return subdirs, mail


def _has_mail_subdir(root: Path | str, name: str) -> bool:
    return any(os.path.isdir(os.path.join(root, name, subdir)) for subdir in MAIL_SUBDIRS)


def _has_mail_file(root: Path | str, name: str) -> bool:
    try:
        return _list_root(os.path.join(root, name))[1]
    except MaildirError:
        return False


def places(root: Path | str, kind: Kind, errors: list[FolderUnreadable]) -> Iterator[Place]:
    """The directories of a Maildir that hold mail or folders, parents first. Symlinks: see `follows`.

    A folder that cannot be listed is added to `errors`; the others follow.
    """
    if kind == "folder":
        yield Place("", True, True)
        subdirs = subdirectories(root, "", errors)
        yield from (
            Place(name, True, False) for name in subdirs if name != "tmp" and name[0] != "."
        )
    else:
        yield from places_below(root, "", errors)


def places_below(root: Path | str, folder: str, errors: list[FolderUnreadable]) -> Iterator[Place]:
    """A folder of a Maildir, its new/ and cur/, and the folders in it, however deep."""
    left = [folder]
    while left:
        names = yield from _places_in(root, folder := left.pop(), errors)
        below = (join(folder, name) for name in sorted(names, reverse=True))
        left += (one for one in below if is_folder(one.split("/")))


def _places_in(
    root: Path | str, folder: str, errors: list[FolderUnreadable]
) -> Generator[Place, None, list[str]]:
    """A folder of a Maildir, its new/ and cur/; return the names of the directories in it."""
    yield Place(folder, False, True)
    names = _directories(root, folder, errors, links=True)
    # new/ before cur/: a mail moved from new/ to cur/ during a scan is seen twice at worst, never missed.
    for name in MAIL_SUBDIRS:
        if name in names:
            yield (place := Place(join(folder, name), True, False))
            shards = _shards(root, place.path, names[name])
            yield from (Place(shard, True, False) for shard in shards)
    return list(names)


def _shards(root: Path | str, place: str, entry: os.DirEntry[str]) -> list[str]:
    """Paths of the parts of a new/ or cur/; what cannot be listed is reported when its mails are."""
    try:
        # Two links and no more: no sub-directory (btrfs and overlayfs always say 1).
        if entry.stat().st_nlink == 2:
            return []
    except OSError:
        return []
    names = subdirectories(root, place, [])
    return [join(place, name) for name in sorted(names) if _SHARD.match(name)]


def subdirectories(root: Path | str, folder: str, errors: list[FolderUnreadable]) -> list[str]:
    """Names (in text form) of the real directories in a folder; a folder that has vanished has none."""
    return list(_directories(root, folder, errors))


def _directories(
    root: Path | str, folder: str, errors: list[FolderUnreadable], links: bool = False
) -> dict[str, os.DirEntry[str]]:
    """The directories in a folder by name; with `links` also the symlinks that may be followed."""
    try:
        with os.scandir(where := os.path.join(root, to_disk(folder))) as entries:
            return {
                name: entry
                for entry in entries
                if (name := to_text(entry.name))
                and (
                    entry.is_dir(follow_symlinks=False)
                    or (links and entry.is_symlink() and follows(root, join(folder, name)))
                )
            }
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError:
        errors.append(FolderUnreadable(where, folder))
        return {}


def follows(root: Path | str, path: str) -> bool:
    """Tell whether a scan follows the symlink at `path` of a Maildir.

    It does when that leads to a directory of the same Maildir that is not looked at under its own name, such as
    cur -> store/cur2020. What leads out is not followed: whoever may write here could have anyone's files read.
    Nor is a link behind a link: it could lead in a circle.
    """
    top = os.path.realpath(root)
    parent, _, name = path.rpartition("/")
    if os.path.realpath(os.path.join(root, to_disk(parent))) != os.path.join(
        top, to_disk(parent)
    ).rstrip("/"):
        return False
    target = os.path.realpath(os.path.join(root, to_disk(path)))
    if not target.startswith(os.path.join(top, "")) or not os.path.isdir(target):
        return False
    own = to_text(os.path.relpath(target, top))
    return parse_path(f"{own}/1" if name in RESERVED else f"{own}/new/1") is None


def join(folder: str, name: str) -> str:
    """The path of a name in a folder; the INBOX is ""."""
    return f"{folder}/{name}" if folder else name


def folder_of(place: str) -> str:
    """The folder of a directory of a Maildir that mail lies in: ".r-help" of ".r-help/cur" and of ".r-help/cur/3a"."""
    parts = place.split("/")
    _take_subdir(parts)
    return "/".join(parts)


def folders(root: Path | str) -> list[str]:
    """The folders of a Maildir that hold mail: "" is the INBOX, ".r-help" and "Lists/foo" the others.

    Raises what `kind_of` raises, and ScanIncomplete.
    """
    errors: list[FolderUnreadable] = []
    kind = kind_of(root)
    mail = [place.path for place in places(root, kind, errors) if place.mail]
    if errors:
        raise ScanIncomplete(root, errors)
    return sorted(set(mail if kind == "folder" else map(folder_of, mail)))


def scan(
    root: Path | str,
    errors: list[FolderUnreadable] | None = None,
    kind: Kind | None = None,
    may_be_empty: bool = False,
) -> Iterator[str]:
    """Paths of all mail files, from the directory entries alone: no stat, no reading.

    Skipped: tmp/, dot-files, sub-directories, FIFOs, sockets and symlinks (but see `follows`). A folder that
    cannot be read is added to `errors` after the others; without that list ScanIncomplete is raised at the end.
    A path may come twice if its mail is moved in the meantime. Raises what `kind_of` raises, so that an empty mount
    point is never taken for a Maildir whose mails are gone; `may_be_empty` says that none of a flat folder's is
    missed. Give the `kind` that was found first: a sub-directory must not turn a flat folder into a Maildir later.
    """
    found: list[FolderUnreadable] = []
    for place, of_kind in mail_places(root, found, kind, may_be_empty):
        yield from scan_place(root, place, of_kind, found)
    if errors is not None:
        errors.extend(found)
    elif found:
        raise ScanIncomplete(root, found)


def mail_places(
    root: Path | str, errors: list[FolderUnreadable], kind: Kind | None, may_be_empty: bool
) -> Iterator[tuple[str, Kind]]:
    """Yield each directory that mail lies in, with the Maildir's kind; arguments and errors as `scan`."""
    if may_be_empty and kind == "folder":
        _list_root(root)
    else:
        looks_like = kind_of(root)
        kind = kind or looks_like
    for place in places(root, kind, errors):
        if place.mail:
            yield place.path, kind


def scan_place(
    root: Path | str, place: str, kind: Kind, errors: list[FolderUnreadable]
) -> Iterator[str]:
    """Paths of the mail files in one directory; none if it has vanished since it was listed."""
    prefix = f"{place}/" if place else ""
    for name in names_in(root, place, kind, errors):
        yield prefix + name


def names_in(
    root: Path | str, place: str, kind: Kind, errors: list[FolderUnreadable]
) -> Iterator[str]:
    """Names, in text form, of the mail files in one directory; none if it has vanished since it was listed."""
    where = os.path.join(root, to_disk(place))
    try:
        with os.scandir(where) as entries:
            for entry in entries:
                name = entry.name
                wanted = name[0] != "." and (kind == "maildir" or is_mail_file(name))
                if wanted and entry.is_file(follow_symlinks=False):
                    yield to_text(name)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError:
        errors.append(FolderUnreadable(where, folder_of(place) if kind == "maildir" else place))
