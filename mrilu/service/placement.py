"""Where the servers' files and sockets lie, so that the account they run as can reach them.

Normally everything is under data/. Root's unprivileged account may be unable to enter the project (/root and
`mktemp -d` are 0700). No mode outside the project is changed for that: the files then live under STATE.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import re
import shutil
import stat
import tempfile
from pathlib import Path
from typing import NamedTuple

from mrilu.service.account import SPARE, Account, ServerError
from mrilu.service.handing_over import hand_over
from mrilu.service.requirements import InstallError
from mrilu.service.venv_place import STATE, home_named, name_of

LONGEST_SOCKET_FOLDER = (
    80  # sun_path holds 108 bytes; servers append names such as .s.PGSQL.5432.lock
)
_OF = "data-of"  # in a stand-in: whose data it holds
_PLAIN = re.compile(r"[A-Za-z0-9_./-]+")  # what needs no quoting in any server's configuration


def own_folder(path: Path, account: Account, mode: int = 0o700) -> Path:
    """Make `path` a folder that belongs to `account` with `mode`, or check that it is one.

    Raises ServerError for a link, another kind of file, another owner or a wider mode: never trust a foreign one.
    """
    try:
        path.mkdir(mode=0o700)
        if account.drops:
            os.chown(path, account.uid, account.gid, follow_symlinks=False)
        path.chmod(mode)
    except FileExistsError:
        pass
    except OSError as error:
        raise ServerError(f"cannot make the folder {path}: {error.strerror}") from error
    _check_own(path, account, mode)
    return path


def _check_own(path: Path, account: Account, mode: int) -> None:
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise ServerError(f"{path} is not a folder: remove it, and start again")
    if found.st_uid != account.uid:
        raise ServerError(
            f"{path} belongs to user id {found.st_uid}, not to {account.name}: remove it, or give it back"
        )
    if stat.S_IMODE(found.st_mode) & ~mode & 0o777:
        raise ServerError(
            f"{path} is open to others (mode {stat.S_IMODE(found.st_mode):04o}): chmod {mode:o} it"
        )


def ourselves() -> Account:
    """The account of this very process, whoever that is."""
    return Account(
        "root" if os.geteuid() == 0 else str(os.geteuid()), os.geteuid(), os.getegid(), drops=False
    )


def socket_folder(wanted: Path, account: Account) -> Path:
    """Return a folder of `account` for sockets: `wanted`, or a short one in /tmp if that is long or out of reach."""
    if _fits(wanted) and account.reaches(wanted.parent):
        return own_folder(wanted, account)
    return own_folder(short_folder(wanted.parent) / wanted.name, account)


def short_folder(of: Path) -> Path:
    """Return the short stand-in for the folder `of`, ours alone to write; when we are root others may pass."""
    digest = hashlib.sha256(os.fsencode(os.path.realpath(of))).hexdigest()[:10]
    base = Path("/tmp") / f"mrilu-{os.geteuid()}-{digest}"  # noqa: S108 - owner and mode are checked
    return own_folder(base, ourselves(), 0o711 if os.geteuid() == 0 else 0o700)


def _fits(path: Path) -> bool:
    return (
        len(os.fsencode(path)) <= LONGEST_SOCKET_FOLDER and _PLAIN.fullmatch(str(path)) is not None
    )


def server_folder(data: Path, name: str, account: Account) -> Path:
    """Return the folder of the server `name`: data/name, or one under STATE with a link to it in data/."""
    folder = data / name
    if folder.is_symlink():
        _take_over(folder.readlink(), account)
        return _followed(folder, account)
    if not account.drops or account.reaches(data):
        _take_over(folder, account)
        return own_folder(folder, account)
    home = own_folder(_state() / _instance(data), ourselves(), 0o711)
    _claim(home, data)
    own_folder(home / name, account)
    folder.symlink_to(home / name)
    return home / name


def program_folder(data: Path, name: str, account: Account) -> Path:
    """Return a folder of our programs in the data folder, closed to others; made, or taken over, if need be."""
    folder = data / name
    _take_over(folder, account)
    if folder.is_dir() and not folder.is_symlink() and folder.lstat().st_uid == account.uid:
        folder.chmod(0o700)  # as an older version did not
    return own_folder(folder, account)


def readable_folder(data: Path, name: str, account: Account) -> Path:
    """Return a folder of root's in the data folder whose files the account may read, and no one change but root.

    What is made in it belongs to the account's group (the set-group-ID bit of folders, inode(7)).
    """
    folder = own_folder(data / name, ourselves(), 0o2755)
    os.chown(folder, -1, account.gid)
    folder.chmod(0o2750)
    return folder


def _take_over(folder: Path, account: Account) -> None:
    """Hand over what an older version had as root, or, by default, as nobody."""
    if not account.drops or not folder.is_dir() or folder.is_symlink():
        return
    former = folder.lstat().st_uid
    if former not in _formers() or former == account.uid:
        return
    if stayed := hand_over(folder, account, former):
        print(
            f"{folder} is {account.name}'s now, but for {stayed} links and the like in it",
            flush=True,
        )


def _formers() -> set[int]:
    try:
        return {0, pwd.getpwnam(SPARE).pw_uid}
    except KeyError:
        return {0}


def reachable_data(data: Path, account: Account) -> Path:
    """Return the data folder in a place that the account can enter: itself, or one below STATE that it leads to.

    What was in it moves there. Raises ServerError.
    """
    if not account.drops:
        return data
    if data.is_symlink():
        return _data_behind(data, account)
    if account.reaches(data.parent):
        return data
    try:
        # a name by chance: a project that was removed and made again begins anew
        home = home_named(f"data-{os.urandom(8).hex()}")
    except (InstallError, OSError) as error:
        raise ServerError(
            f"the account {account.name} cannot enter {data.parent}, and the stand-in is refused: {error}"
        ) from error
    target = home / "data"
    shutil.move(data, target)
    data.symlink_to(target)
    (home / _OF).write_text(str(data))
    return target


def _data_behind(link: Path, account: Account) -> Path:
    target = link.resolve()
    if not target.is_relative_to(STATE):
        return reachable_data(target, account)
    try:
        owner = Path((target.parent / _OF).read_text())
    except OSError as error:
        raise ServerError(
            f"{link} leads to {target}, which is gone: bring it back, or remove the link to begin anew"
        ) from error
    if owner != link and owner.is_symlink():
        raise ServerError(
            f"{link} is a copy of {owner}, whose data is in {target}: remove the link to begin anew there"
        )
    (target.parent / _OF).write_text(str(link))
    return target


def _followed(link: Path, account: Account) -> Path:
    target = link.readlink()
    if not target.is_dir():
        raise ServerError(
            f"{link} leads to {target}, which is gone: bring it back, or remove the link to begin anew"
        )
    _check_own(target, account, 0o700)
    if target.is_relative_to(STATE):
        _claim(target.parent, link.parent)
    return target


def _claim(home: Path, data: Path) -> None:
    """Write down whose state this is. Raises ServerError for a copied data folder: two would write to one state."""
    file, here = home / "data-folder", os.path.realpath(data)
    owner = os.path.realpath(file.read_text()) if file.exists() else here
    if owner != here and (Path(owner) / "instance").exists():
        raise ServerError(
            f"{data} is a copy of {owner}, whose data is in {home}: remove the links postgresql and valkey "
            "and the file instance in the copy to begin anew there"
        )
    file.write_text(here)


def remove_outside(data: Path) -> None:
    """Remove what the service of this data folder keeps outside of it: its sockets and, if any, its state."""
    shutil.rmtree(STATE / name_of(data.parent), ignore_errors=True)
    if data.is_symlink() and data.readlink().is_relative_to(STATE):
        shutil.rmtree(data.readlink().parent, ignore_errors=True)
    if (data / "instance").exists():
        shutil.rmtree(STATE / _instance(data), ignore_errors=True)
    shutil.rmtree(short_folder(data), ignore_errors=True)


def _instance(data: Path) -> str:
    """Return the random name of this data folder's state under STATE, made at first use."""
    file = data / "instance"
    if not file.exists():
        file.write_text(os.urandom(8).hex() + "\n")
    return re.sub(r"[^0-9a-f]", "", file.read_text())[:16] or "default"


def _state() -> Path:
    try:
        return own_folder(STATE, ourselves(), 0o755)
    except ServerError as error:
        raise ServerError(
            f"the servers' account cannot enter this folder, and its stand-in is refused: {error}. "
            "Put the project where SERVER_USER can enter it, or set DATA_DIR"
        ) from error


def reachable_binaries(folder: Path, package: Path, account: Account) -> Path:
    """Return `folder` (in `package`), or its copy under STATE, made once a version, if `account` can't run it."""
    if account.reaches(folder) and account.reaches(next(folder.iterdir())):
        return folder
    target = own_folder(_state() / "binaries", ourselves(), 0o755) / _version_of(package)
    if not target.is_dir():
        _copy_open([package, *package.parent.glob(f"{package.name}*.libs")], target)
    return target / folder.relative_to(package.parent)


def _version_of(package: Path) -> str:
    records = sorted(package.parent.glob(f"{package.name}-*.dist-info/RECORD"))
    seen = hashlib.sha256(b"".join(record.read_bytes() for record in records))
    return f"{package.name}-{seen.hexdigest()[:12]}"


def _copy_open(trees: list[Path], target: Path) -> None:
    """Copy what a wheel brought (and its libraries, found beside it) so that everyone can read it; all or nothing."""
    partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=target.parent))
    try:
        for tree in trees:
            unneeded = shutil.ignore_patterns("__pycache__", "include")
            shutil.copytree(tree, partial / "copy" / tree.name, symlinks=True, ignore=unneeded)
        for file in (partial / "copy", *(partial / "copy").rglob("*")):
            if not file.is_symlink():
                file.chmod(0o755 if file.is_dir() or file.stat().st_mode & 0o100 else 0o644)
        (partial / "copy").rename(target)
    except OSError as error:
        if not target.is_dir():  # else another start was faster
            raise ServerError(
                f"cannot copy the server's programs to {target}: {error.strerror}"
            ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


class Throwaway(NamedTuple):
    """Where a test's server lives: its folder, its sockets, and what to remove of it outside the folder asked for."""

    folder: Path
    sockets: Path
    leftovers: tuple[Path, ...]

    def remove(self) -> None:
        """Remove what was made outside the folder that was asked for."""
        for path in self.leftovers:
            shutil.rmtree(path, ignore_errors=True)


def throwaway(wanted: Path, account: Account) -> Throwaway:
    """Return where a test's server can live: in `wanted`, or in a temporary folder if `account` can't enter that."""
    wanted.mkdir(parents=True, exist_ok=True)
    leftovers = []
    if account.drops:
        if not account.reaches(wanted):
            wanted = Path(tempfile.mkdtemp(prefix="mrilu-"))
            wanted.chmod(0o711)
            leftovers.append(wanted)
        wanted = own_folder(wanted / "server", account)
    sockets = socket_folder(wanted / "sockets", account)
    if sockets.parent != wanted:
        leftovers.append(sockets.parent)
    return Throwaway(wanted, sockets, tuple(leftovers))
