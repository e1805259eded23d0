"""Install the pinned requirements into .venv, once: `python mrilu/service/install.py core|all|background`.

Runs under any Python from 3.11, before .venv exists, so it needs nothing but the standard library and imports
nothing of ours. What is installed is told by stamps in .venv: a start with valid stamps calls no pip.

pip takes nothing but wheels whose SHA-256 is in requirements.lock (made by .ci/lock), so no code of a package runs at
its installation. torch is the build without CUDA, unless this machine has an NVIDIA GPU.
"""

from __future__ import annotations

import csv
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
VENV = PROJECT / ".venv"
MARKER = "# ---- heavy"
HOOK = "mrilu_rq_defaults"
LOCK = "requirements.lock"  # every pin with the hashes of its wheels
CPU_WHEELS = "torch-cpu.sha256"  # of torch's index of builds without CUDA, as sha256sum writes it
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
WHEELS = "vendor"  # folder of wheels that PyPI has as source only
GPU_SIGNS = ("/proc/driver/nvidia/version", "/dev/nvidiactl")
_RULES = ("--no-deps", "--require-hashes", "--only-binary=:all:")
FIRST_DELAY, LONGEST_DELAY = 30.0, 3600.0


class InstallError(Exception):
    """Something could not be installed; the message says what and what to do."""


def pins(part: str, project: Path = PROJECT) -> list[str]:
    """Return the requirements of a part: `core` or `heavy` (of requirements.txt), `dev`, or `cuda`."""
    if part in ("dev", "cuda"):
        return _lines((project / f"requirements-{part}.txt").read_text())
    core, _, heavy = (project / "requirements.txt").read_text().partition(MARKER)
    return _lines(core if part == "core" else heavy.partition("\n")[2])


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def locked(part: str, project: Path = PROJECT) -> list[str]:
    """Return the part's requirements with the hashes of their wheels, torch's aside (see `locked_torch`).

    Raises InstallError for a pin that requirements.lock does not have.
    """
    known = _blocks((project / LOCK).read_text())
    found = []
    for pin in pins(part, project):
        name, version = _name_and_version(pin)
        if name == "torch":
            continue
        block = known.get((name, version))
        if block is None:
            raise InstallError(f"{LOCK} has no {name}=={version}: make it anew with .ci/lock")
        found.append(block)
    return found


def locked_torch(build: str, project: Path = PROJECT) -> list[str]:
    """Return torch with its hashes: `build` is "cpu", "cuda" (with what that needs) or "plain" (PyPI's, for a Mac).

    Raises InstallError when the files of hashes are of another version.
    """
    pin = next(pin for pin in pins("heavy", project) if _name_and_version(pin)[0] == "torch")
    _, version = _name_and_version(pin)
    if build != "cpu":
        block = _blocks((project / LOCK).read_text()).get(("torch", version))
        if block is None:
            raise InstallError(f"{LOCK} has no torch=={version}: make it anew with .ci/lock")
        return [block, *(locked("cuda", project) if build == "cuda" else [])]
    lines = (line.split() for line in (project / CPU_WHEELS).read_text().splitlines())
    hashes = [digest for digest, file in lines if file.startswith(f"torch-{version}+cpu-")]
    if not hashes:
        raise InstallError(f"{CPU_WHEELS} has no torch {version}: make it anew with .ci/lock")
    return [
        " \\\n    ".join([f"torch=={version}+cpu", *(f"--hash=sha256:{one}" for one in hashes)])
    ]


def torch_build() -> str:
    """Return which build of torch fits this machine: CUDA's several gigabytes are for who has a GPU."""
    if sys.platform == "darwin":
        return "plain"
    return "cuda" if any(os.path.exists(sign) for sign in GPU_SIGNS) else "cpu"


def _blocks(text: str) -> dict[tuple[str, str], str]:
    """Split a lock file into its requirements, by normalised name and version; hashes stand on lines below."""
    blocks = re.split(r"\n(?=[A-Za-z0-9])", text.strip())
    return {_name_and_version(one): one for one in blocks if not one.startswith("#")}


def _name_and_version(pin: str) -> tuple[str, str]:
    name, _, version = pin.partition("==")
    plain = re.sub(r"[-_.]+", "-", name.partition("[")[0]).lower()  # PEP 503
    return plain, re.split(r"[\s;\\]", version.strip(), maxsplit=1)[0]


def stamp(part: str) -> str:
    """Return what the part's stamp says when it is installed: its pins and hashes, this place, the hook, the Python."""
    lines = [*pins(part), *locked(part), *(locked_torch(torch_build()) if part == "heavy" else ())]
    seen = hashlib.sha256("\n".join(lines).encode())
    seen.update(f"{VENV}|{os.path.realpath(_python())}".encode())
    if part == "core":
        seen.update((PROJECT / "mrilu" / "service" / "rq_defaults.py").read_bytes())
    return seen.hexdigest()


def installed(part: str) -> bool:
    """Whether the part is in .venv as pinned."""
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
    return VENV / "bin" / "python"


def _make_venv() -> None:
    """Make .venv, or make it anew when it is half made, was moved here, or its Python is gone."""
    if _usable():
        return
    done = subprocess.run(
        [sys.executable, "-I", "-m", "venv", "--clear", str(VENV)], capture_output=True, text=True
    )
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
        raise InstallError(
            f"cannot make {VENV}: {said} (on Debian and Ubuntu: apt install python3-venv)"
        )
    (VENV / "mrilu-home").write_text(str(VENV))


def _usable() -> bool:
    try:
        if (VENV / "mrilu-home").exists() and (VENV / "mrilu-home").read_text() != str(VENV):
            return False
        check = "import sys, pip; sys.exit(sys.version_info < (3, 11))"
        return subprocess.run([_python(), "-I", "-c", check], capture_output=True).returncode == 0
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
        (folder / "mrilu.pth").write_text(f"{PROJECT}\nimport {HOOK}\n")


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
