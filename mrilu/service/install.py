"""Install the pinned requirements into .venv, once: `python mrilu/service/install.py core|all|background`.

Runs under any Python from 3.11, before .venv exists, so it and what it imports of ours need nothing but the
standard library. What is installed is told by stamps in .venv: a start with valid stamps calls no pip.

pip takes nothing but wheels whose SHA-256 is in requirements.lock (made by .ci/lock), so no code of a package runs at
its installation. torch is the build without CUDA, unless this machine has an NVIDIA GPU.
"""

from __future__ import annotations

import csv
import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
if not __package__:  # a script; -I leaves its folder out of the path
    sys.path.insert(0, str(PROJECT))

from mrilu.service.requirements import (  # noqa: E402
    CPU_INDEX,
    WHEELS,
    InstallError,
    locked,
    locked_torch,
    pins,
    torch_build,
)
from mrilu.service.venv_place import (  # noqa: E402
    place_of_venv,
    publish,
    python_for_venv,
    usable_by_others,
)

VENV = PROJECT / ".venv"
HOOK = "mrilu_rq_defaults"
_RULES = ("--no-deps", "--require-hashes", "--only-binary=:all:")
FIRST_DELAY, LONGEST_DELAY = 30.0, 3600.0


def stamp(part: str) -> str:
    """Return what the part's stamp says when it is installed: its pins and hashes, this place, the hook, the Python."""
    lines = [*pins(part), *locked(part), *(locked_torch(torch_build()) if part == "heavy" else ())]
    seen = hashlib.sha256("\n".join(lines).encode())
    seen.update(f"{VENV}|{os.path.realpath(_python())}".encode())
    if part == "core":
        seen.update((PROJECT / "mrilu" / "service" / "rq_defaults.py").read_bytes())
    return seen.hexdigest()


def installed(part: str) -> bool:
    """Tell whether the part is in .venv as pinned."""
    try:
        return (VENV / f"mrilu-{part}").read_text() == stamp(part)
    except OSError:
        return False


def install(part: str, heard: Callable[[str], None] = lambda line: None) -> None:
    """Install one part if its stamp is missing or old; `heard` gets pip's lines. Raises InstallError."""
    if installed(part):
        return
    with _alone():
        if installed(part):  # by whom we waited for
            return
        if part == "core":
            _make_venv()
        _mend()
        _take(part, locked(part), heard)
        if part == "heavy":  # last: all else works without it
            _take_torch(heard)
        if part == "core":
            _hook()
        (VENV / f"mrilu-{part}").write_text(stamp(part))
        (VENV / "mrilu-busy").unlink(missing_ok=True)


def _take(
    name: str, requirements: list[str], heard: Callable[[str], None], *more: str, retries: int = 5
) -> None:
    """Install these requirements, each a wheel with one of its hashes; all is pinned, so nothing is resolved."""
    file = VENV / f"mrilu-{name}.txt"
    file.write_text("\n".join(requirements) + "\n")
    _pip(
        [
            *_RULES,
            "--retries",
            str(retries),
            "--find-links",
            str(PROJECT / WHEELS),
            *more,
            "-r",
            str(file),
        ],
        heard,
    )


def _take_torch(heard: Callable[[str], None]) -> None:
    """Install torch: from where pip is told to look, or else from torch's index of builds without CUDA."""
    build = torch_build()
    requirements = locked_torch(build)
    if build != "cpu":
        return _take("torch", requirements, heard)
    try:
        _take("torch", requirements, heard)
    except InstallError:
        try:
            _take("torch", requirements, heard, "--index-url", CPU_INDEX, retries=1)
        except InstallError as error:
            raise InstallError(
                f"no torch without CUDA for this Python and processor was found at {CPU_INDEX} or where pip looks: "
                "let this machine reach that address, or name a folder with the wheel in PIP_FIND_LINKS; "
                f"all but search by meaning works without it ({error})"
            ) from error


@contextmanager
def _alone() -> Iterator[None]:
    """One installer at a time in this project, whoever started it."""
    folder = os.open(PROJECT, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(
                "waiting for another installation into .venv to end ...",
                file=sys.stderr,
                flush=True,
            )
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _python() -> Path:
    return VENV.resolve() / "bin" / "python"


def _make_venv() -> None:
    """Make .venv, or make it anew when it is half made, was moved here, or its Python is gone or out of reach.

    For root it may lie elsewhere, with a link to it: whoever our programs run as must be able to enter it.
    """
    if _usable():
        return
    place, python = place_of_venv(VENV), python_for_venv()
    if VENV.is_symlink() or (VENV.exists() and place != VENV):
        _remove(VENV)
    done = subprocess.run(
        [python, "-I", "-m", "venv", "--clear", str(place)], capture_output=True, text=True
    )
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
        raise InstallError(
            f"cannot make {place}: {said} (on Debian and Ubuntu: apt install python3-venv)"
        )
    if place != VENV:
        VENV.symlink_to(place)
    (VENV / "mrilu-home").write_text(str(place))


def _remove(path: Path) -> None:
    if path.is_symlink():
        path.unlink()
    else:
        shutil.rmtree(path)


def _usable() -> bool:
    try:
        home = VENV / "mrilu-home"
        if home.exists() and home.read_text() != str(VENV.resolve()):
            return False
        if VENV.is_symlink() and VENV.resolve() != place_of_venv(VENV):
            return False
        check = "import sys, pip; sys.exit(sys.version_info < (3, 11))"
        command = [str(VENV.resolve() / "bin" / "python"), "-I", "-c", check]
        return subprocess.run(command, capture_output=True).returncode == 0 and usable_by_others(
            command
        )
    except OSError:
        return False


def _mend() -> None:
    """After an installation that was killed: forget the packages that are not whole, so that pip brings them again.

    pip takes a package for installed as soon as its metadata is there, files or not.
    """
    busy = VENV / "mrilu-busy"
    if busy.exists():
        for folder in VENV.glob("lib/python*/site-packages"):
            for metadata in folder.glob("*.dist-info"):
                if not _whole(metadata):
                    shutil.rmtree(metadata)
            for leftover in folder.glob("~*"):
                shutil.rmtree(leftover, ignore_errors=True)
    busy.touch()


def _whole(metadata: Path) -> bool:
    try:
        with open(metadata / "RECORD", newline="") as record:
            for name, _, size in csv.reader(record):
                if size and (metadata.parent / name).stat().st_size != int(size):
                    return False
    except (OSError, ValueError):
        return False
    return True


def _pip(arguments: list[str], heard: Callable[[str], None]) -> None:
    command = [
        str(_python()),
        "-I",
        "-m",
        "pip",
        "install",
        "--no-input",
        "--progress-bar=off",
        "--disable-pip-version-check",
    ]
    tail: list[str] = []
    with subprocess.Popen(
        [*command, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as pip:
        assert pip.stdout is not None
        try:
            for line in pip.stdout:
                heard(line.strip())
                tail = [*tail[-20:], line.rstrip()]
        except BaseException:  # told to stop: pip is not to go on alone
            pip.terminate()
            raise
    if pip.returncode:
        told = [line for line in tail if line and not line.startswith("WARNING")] or [
            f"exit code {pip.returncode}"
        ]
        errors = [line for line in told if line.startswith("ERROR")] or told[-1:]
        raise InstallError(
            f"pip failed: {errors[0]} (is the network there? the next start tries again)"
        )


def _hook() -> None:
    """Put our RQ defaults and the project's folder into .venv's import path."""
    for folder in VENV.glob("lib/python*/site-packages"):
        shutil.copyfile(PROJECT / "mrilu" / "service" / "rq_defaults.py", folder / f"{HOOK}.py")
        (folder / "mrilu.pth").write_text(f"{publish(PROJECT)}\nimport {HOOK}\n")


class Progress:
    """What `status` shows of the installation in the background, kept in a small file."""

    def __init__(self, file: Path, total: int) -> None:
        self.file = file
        self.now = {
            "state": "running",
            "package": "",
            "done": 0,
            "total": total,
            "error": "",
            "started": time.time(),
        }

    def write(self, **changes: object) -> None:
        """Replace the file at once, so that a reader never sees half of it."""
        self.now.update(changes)
        partial = self.file.with_name(f"{self.file.name}.{os.getpid()}")
        partial.write_text(json.dumps(self.now))
        partial.replace(self.file)

    def hear(self, line: str) -> None:
        """Take a line of pip's output: which package it is at."""
        if line.startswith("Collecting "):
            done = min(int(str(self.now["done"])) + 1, int(str(self.now["total"])))
            self.write(package=line.split()[1].split("==")[0], done=done)
        elif line.startswith("Installing collected"):
            self.write(package="unpacking", done=self.now["total"])


def install_in_background(file: Path) -> None:
    """Install the heavy part, and try again, ever more seldom, until it is done."""
    os.nice(10)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    progress, delay = Progress(file, len(pins("heavy"))), FIRST_DELAY
    there = installed("heavy")
    while not installed("heavy"):
        progress.write(state="running", package="", done=0)
        try:
            install("heavy", progress.hear)
        except (InstallError, OSError) as error:
            progress.write(state="waiting", error=str(error), again=time.time() + delay)
            time.sleep(delay)
            delay = min(delay * 2, LONGEST_DELAY)
    progress.write(state="done", package="", error="", ended=time.time())
    if not there:  # what waited for the packages is not to wait for the hour, too
        subprocess.run([str(_python()), "-P", "-m", "mrilu.queues.wake"])


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def main(arguments: list[str]) -> int:
    """Run one of the three commands; returns the exit code."""
    parts = {"core": ["core"], "all": ["core", "heavy", "dev"]}
    signal.signal(signal.SIGTERM, _interrupt)
    if os.geteuid() == 0:
        os.umask(0o022)  # whoever our programs run as reads what root installs
    try:
        if arguments[0] == "background":
            install_in_background(Path(arguments[1]))
            return 0
        for part in parts[arguments[0]]:
            if not installed(part):
                print(
                    f"installing {len(pins(part))} packages ({part}) into .venv ...",
                    file=sys.stderr,
                    flush=True,
                )
                install(part)
    except (InstallError, OSError) as error:
        print(f"mrilu: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("mrilu: stopped; the next start goes on from here", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
