"""Builds one format in a child process with limits: `python -m mrilu.exports.build FORMAT BOOK TARGET BYTES PARENT`.

The child gets the book as a file and gives the export as a file; what it has to say is one line of JSON.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from mrilu.exports.book import Book, EntryFailed, Report, uncollected
from mrilu.exports.fonts import NotInstalled
from mrilu.exports.parent import die_with

PROJECT = Path(__file__).resolve().parents[2]


class Format(NamedTuple):
    """One format: its writer ("module:function"), its content type and the file's name."""

    writer: str
    content_type: str
    filename: str
    packages: tuple[str, ...] = ()


FONTS = (
    "fontpkg-noto-serif",
    "pylopdf-fonts-jp",
    "pylopdf-fonts-zh-cn",
    "pylopdf-fonts-ko",
    "manimgx-fonts",
)
FORMATS = {
    "pdf": Format(
        "to_pdf:write",
        "application/pdf",
        "jbo-{tag}.pdf",
        ("typst", "pikepdf", "fonttools", *FONTS),
    ),
    "latex": Format("to_latex:write", "application/x-tex", "jbo-{tag}.tex"),
    "xml": Format("to_xml:write", "application/xml", "jbo-{tag}.xml", ("lxml",)),
    "json": Format("to_json:write", "application/json", "jbo-{tag}.json"),
    "tsv": Format("to_tsv:write", "application/zip", "jbo-{tag}-tsv.zip"),
    "stardict": Format("to_stardict:write", "application/zip", "jbo-{tag}-stardict.zip"),
    "epub": Format("to_epub:write", "application/epub+zip", "jbo-{tag}.epub"),
}


class Limits(NamedTuple):
    """What one build may take: wall seconds, and bytes of address space."""

    seconds: float
    memory: int


class BuildFailed(Exception):
    """A format could not be built; the message says of which entry, if that is known, and why."""


def check_installed(name: str) -> None:
    """Raise NotInstalled when a package that the format needs is not there."""
    for package in FORMATS[name].packages:
        _version(package)


def builder_hash(name: str) -> str:
    """Return a hash of all that makes a format's bytes besides the book: our code and the packages' versions."""
    code = sha256()
    for path in sorted(Path(__file__).parent.glob("*.*")):
        if path.suffix in (".py", ".typ", ".tex"):
            code.update(path.read_bytes())
    versions = [f"{package}=={_version(package)}" for package in FORMATS[name].packages]
    return sha256("\n".join([name, code.hexdigest(), *versions]).encode()).hexdigest()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        raise NotInstalled(package) from None


def build(name: str, book: Path, target: Path, limits: Limits) -> Report:
    """Build the format `name` of the book in file `book` into `target`, in a child process that has these limits.

    Raises BuildFailed; the target is then not to be used.
    """
    arguments = [name, str(book), str(target), str(limits.memory), str(os.getpid())]
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "mrilu.exports.build", *arguments],
        cwd=PROJECT,
        env=_environment(Path(target).parent),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        output, errors = child.communicate(timeout=limits.seconds)
    except subprocess.TimeoutExpired:
        raise BuildFailed(f"it took longer than EXPORT_TIMEOUT ({limits.seconds:g} s)") from None
    finally:
        _end(child)
    if child.returncode or not target.exists():
        raise BuildFailed(_reason(child.returncode, errors, limits))
    said = json.loads(output)
    return Report(said["missing"], tuple(said["warnings"]))


def _environment(folder: Path) -> dict[str, str]:
    """Return the child's environment: nothing of ours, which may hold passwords."""
    here = str(folder.absolute())
    return {
        "PATH": os.defpath,
        "LC_ALL": "C.UTF-8",
        "PYTHONPATH": str(PROJECT),
        "HOME": here,
        "TMPDIR": here,
    }


def _end(child: subprocess.Popen[str]) -> None:
    """Kill the child and all that it started; after a normal end there is nothing left to kill."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    child.wait()
    for pipe in filter(None, (child.stdout, child.stderr)):
        pipe.close()


def _reason(code: int, errors: str, limits: Limits) -> str:
    said = errors.strip().splitlines()
    if code == 1 and said:
        return said[-1]
    memory = f"perhaps it needs more than EXPORT_MEMORY ({limits.memory // 2**20} MiB)"
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    return f"the build ended with {how}; {memory}: {' '.join(said[-3:])[-500:]}"


def writer_of(name: str) -> Callable[[Book, Path], Report]:
    """Return the function that writes a format."""
    module, _, function = FORMATS[name].writer.partition(":")
    found: Any = getattr(import_module(f"mrilu.exports.{module}"), function)
    return found


def main(name: str, book: str, target: str, memory: str, parent: str) -> int:
    """Be the child: build one format, print the report, or one line of error and exit with 1."""
    die_with(int(parent))
    resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        with uncollected():
            one = Book.from_json(Path(book).read_text(encoding="utf-8"))
            report = writer_of(name)(one, Path(target))
    except (EntryFailed, NotInstalled) as error:
        print(" ".join(str(error).split())[:1000], file=sys.stderr)
        return 1
    except Exception as error:
        print(f"{type(error).__name__}: {' '.join(str(error).split())[:1000]}", file=sys.stderr)
        return 1
    print(json.dumps({"missing": report.missing, "warnings": report.warnings}))
    return 0


if __name__ == "__main__":
    code = main(*sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # the system takes all memory back at once, Python object by object
