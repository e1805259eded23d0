"""Where .venv and the code lie, so that the account that root's service runs as can read them.

Root's own folders are closed (/root and `mktemp -d` are 0700), often its Python, too. No mode outside the project is
changed for that: what cannot be reached is made, or copied, below STATE, where root alone can write.

Used before .venv exists, so it needs nothing but the standard library.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from mrilu.service.requirements import InstallError

STATE = Path("/var/lib/mrilu")
STRANGER = 65534  # an account without rights of its own
CODE = ("mrilu", "jobs", "watcher", "samples", "docs", "models.py")
_TRIAL = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))"
_NAMES = ("python3.14", "python3.13", "python3.12", "python3.11", "python3")
_FOLDERS = ("/usr/local/bin", "/usr/bin", "/bin")


def usable_by_others(command: list[str]) -> bool:
    """Tell whether an account without rights can run `command` to a good end; True when we are not root."""
    if os.geteuid() != 0:
        return True
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd="/",
            env={"PATH": os.defpath},
            user=STRANGER,
            group=STRANGER,
            extra_groups=[],
        )
    except OSError:
        return False
    return done.returncode == 0


def readable_by_others(folder: Path) -> bool:
    """Tell whether an account without rights can enter and list a folder; True when we are not root."""
    return usable_by_others(["/bin/sh", "-c", 'test -x "$1" && test -r "$1"', "sh", str(folder)])


def name_of(project: Path) -> str:
    """Return the name below STATE of what stands in for a folder, by where that folder is."""
    place = project.parent.resolve() / project.name
    return f"of-{hashlib.sha256(os.fsencode(place)).hexdigest()[:16]}"


def home_of(project: Path) -> Path:
    """Return the folder below STATE that stands in for a project out of others' reach; made if need be.

    Raises InstallError when another than root could write there.
    """
    return home_named(name_of(project))


def home_named(name: str) -> Path:
    """Return the folder of this name below STATE, root's and open to read; raises InstallError as `home_of` does."""
    for folder in (STATE, STATE / name):
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise InstallError(f"{folder} is not a folder that root alone can write: remove it")
        folder.chmod(0o755)  # whatever the umask
    return STATE / name


def place_of_venv(venv: Path) -> Path:
    """Return where .venv is to lie: in the project, or below STATE if others cannot reach the project."""
    project = venv.parent
    return venv if readable_by_others(project) else home_of(project) / "venv"


def python_for_venv() -> str:
    """Return a Python for .venv: this one, or, for root, one that others can run; at worst a copy of this one."""
    this = os.path.realpath(sys.executable)
    found = [os.path.join(folder, name) for name in _NAMES for folder in _FOLDERS]
    for candidate in (this, *found):
        if usable_by_others([candidate, "-I", "-c", _TRIAL]) and os.access(candidate, os.X_OK):
            return candidate
    return str(_copy_of_python(Path(this)))


def _copy_of_python(this: Path) -> Path:
    """Copy the Python that runs us below STATE, without the packages in it; return its program.

    A Python finds its library from where its program lies, so a copy works like the original.
    """
    seen = f"{this}|{sys.version}|{this.stat().st_mtime_ns}"
    target = home_of(this.parent) / f"python-{hashlib.sha256(seen.encode()).hexdigest()[:12]}"
    program = target / this.relative_to(sys.base_prefix)
    if program.exists():
        return program
    stdlib = Path(sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix}))
    unneeded = shutil.ignore_patterns("site-packages", "test", "__pycache__", "idlelib", "config-*")
    partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=target.parent))
    try:
        shutil.copytree(stdlib, partial / stdlib.relative_to(sys.base_prefix), ignore=unneeded)
        for library in Path(sys.base_prefix, "lib").glob("libpython*.so*"):
            shutil.copy2(library, partial / "lib")
        (partial / program.relative_to(target)).parent.mkdir(exist_ok=True)
        shutil.copy2(this, partial / program.relative_to(target))
        partial.chmod(0o755)
        partial.rename(target)
    except OSError as error:
        raise InstallError(
            f"no Python that other accounts can run was found, and {this} cannot be copied to {target}: "
            f"{error.strerror}; install one below /usr, or start as an ordinary user"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return program


def publish(project: Path) -> Path:
    """Return where our programs' code is: the project, or, if others cannot read that, a fresh copy below STATE."""
    if readable_by_others(project) and readable_by_others(project / "mrilu" / "service"):
        return project
    home = home_of(project)
    target, partial = home / "code", Path(tempfile.mkdtemp(prefix=".partial-", dir=home))
    try:
        for name in CODE:
            source = project / name
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source, partial / name, ignore=ignored)
            elif source.exists():
                shutil.copyfile(source, partial / name)
        _open_to_read(partial)
        if target.exists():
            target.rename(partial / ".old")
        partial.rename(target)
        shutil.rmtree(target / ".old", ignore_errors=True)
    except OSError as error:
        raise InstallError(f"cannot copy the code to {target}: {error.strerror}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def _open_to_read(tree: Path) -> None:
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
