"""What the design promises of the code as a whole: the direction of imports, and that importing does nothing."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

from mrilu.settings.table import PROJECT

PACKAGES = ("watcher", "jobs", "mrilu")
# Which packages each one imports: exactly these. An edge that no one uses any more fails, too.
EDGES: dict[str, set[str]] = {
    "jobs": {
        "models",
        "mrilu.archive",
        "mrilu.dictionary",
        "mrilu.downloads",
        "mrilu.embeddings",
        "mrilu.exports",
        "mrilu.mail",
        "mrilu.maildir",
        "mrilu.notifications",
        "mrilu.queues",
        "mrilu.quotes",
        "mrilu.runtime",
        "mrilu.sentences",
        "mrilu.settings",
    },
    "models": {"mrilu.tables"},
    "mrilu.archive": {
        "models",
        "mrilu.mail",
        "mrilu.maildir",
        "mrilu.notifications",
        "mrilu.runtime",
        "mrilu.search",
    },
    "mrilu.cli": {
        "jobs",
        "models",
        "mrilu.archive",
        "mrilu.dictionary",
        "mrilu.embeddings",
        "mrilu.mail",
        "mrilu.maildir",
        "mrilu.migrations",
        "mrilu.notifications",
        "mrilu.queues",
        "mrilu.runtime",
        "mrilu.search",
        "mrilu.service",
        "mrilu.settings",
    },
    "mrilu.dictionary": {"mrilu.downloads", "mrilu.text"},
    "mrilu.downloads": {"models", "mrilu.settings"},
    "mrilu.embeddings": {"models", "mrilu.dictionary", "mrilu.mail", "mrilu.runtime"},
    "mrilu.exports": {"mrilu.dictionary", "mrilu.text"},
    "mrilu.migrations": {"mrilu.mail", "mrilu.tables"},
    "mrilu.notifications": {
        "models",
        "mrilu.dictionary",
        "mrilu.mail",
        "mrilu.runtime",
        "mrilu.search",
        "mrilu.settings",
    },
    "mrilu.queues": {
        "models",
        "mrilu.archive",
        "mrilu.mail",
        "mrilu.maildir",
        "mrilu.notifications",
        "mrilu.runtime",
        "mrilu.settings",
    },
    "mrilu.quotes": {"mrilu.mail"},
    "mrilu.runtime": {"models", "mrilu.settings"},
    "mrilu.search": {"models", "mrilu.embeddings", "mrilu.mail", "mrilu.text"},
    "mrilu.sentences": {"mrilu.downloads", "mrilu.text"},
    "mrilu.service": {
        "jobs",
        "models",
        "mrilu.archive",
        "mrilu.maildir",
        "mrilu.migrations",
        "mrilu.queues",
        "mrilu.runtime",
        "mrilu.settings",
    },
    "mrilu.tables": {"mrilu.mail"},
    "mrilu.web": {
        "jobs",
        "models",
        "mrilu.archive",
        "mrilu.dictionary",
        "mrilu.embeddings",
        "mrilu.mail",
        "mrilu.maildir",
        "mrilu.notifications",
        "mrilu.openapi",
        "mrilu.queues",
        "mrilu.runtime",
        "mrilu.search",
        "mrilu.settings",
    },
    "watcher": {
        "models",
        "mrilu.archive",
        "mrilu.maildir",
        "mrilu.queues",
        "mrilu.runtime",
        "mrilu.settings",
    },
}
LARGEST_SHARE = 0.2  # of the code that one package may hold


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PROJECT.glob("*.py")):
        yield path.stem, path
    for package in PACKAGES:
        for path in sorted((PROJECT / package).rglob("*.py")):
            parts = path.relative_to(PROJECT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imported(name: str, path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{name} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def package_of(name: str) -> str:
    parts = name.split(".")
    return ".".join(parts[:2]) if parts[0] == "mrilu" else parts[0]


def edges() -> dict[str, set[str]]:
    """Return the packages that each package imports."""
    found: dict[str, set[str]] = {}
    for name, path in modules():
        ours = {
            package_of(target) for target in imported(name, path) if target.split(".")[0] in OURS
        }
        found.setdefault(package_of(name), set()).update(ours - {package_of(name)})
    return {name: targets for name, targets in found.items() if targets}


OURS = {"models", *PACKAGES}


def test_the_packages_import_each_other_exactly_as_stated():
    assert edges() == EDGES


def test_no_packages_form_a_circle():
    assert list(TopologicalSorter(EDGES).static_order())


def test_no_package_holds_more_than_its_share():
    sizes = Counter({"": 0})
    for name, path in modules():
        sizes[package_of(name)] += path.read_text().count("\n")
    largest, lines = sizes.most_common(1)[0]
    assert lines <= LARGEST_SHARE * sizes.total(), largest


def test_job_modules_do_not_import_each_other():
    jobs = {f"jobs.{path.stem}" for path in (PROJECT / "jobs").glob("*_*.py")}
    for name in jobs:
        path = PROJECT / f"{name.replace('.', '/')}.py"
        for target in imported(name, path):
            module = ".".join(target.split(".")[:2])
            assert module == name or module not in jobs, f"{name} imports {target}"


def test_importing_every_module_reads_no_environment_and_connects_to_nothing():
    names = [name for name, path in modules() if not name.endswith("__main__") and "0" not in name]
    script = f"""
import importlib, os, socket, sys
socket.socket.connect = lambda *args: (_ for _ in ()).throw(AssertionError("a connection"))
for name in {names!r}:
    importlib.import_module(name)
heavy = [name for name in ("torch", "sentence_transformers", "openvino", "onnxruntime") if name in sys.modules]
assert not heavy, heavy
import models
assert models.db.deferred
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_watcher_starts_without_the_parser():
    """What it takes 0.2 s to load is the workers' alone: mail is noticed the sooner after a restart."""
    script = "import sys, watcher.__main__; print([m for m in sys.modules if m.startswith('mrilu.mail.')])"
    command = [sys.executable, "-P", "-c", script]
    loaded = subprocess.run(
        command,
        cwd=PROJECT,
        env={"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "mrilu.mail.version" in loaded and "mrilu.mail.parse" not in loaded


def test_only_settings_reads_the_environment_for_itself():
    for name, path in modules():
        text = path.read_text()
        if name.startswith(
            ("mrilu.settings", "mrilu.service")
        ):  # local passes the environment on to its programs
            continue
        # The scheduler sets its own time zone; setting is not reading.
        text = text.replace('os.environ["TZ"] = "UTC"', "")
        assert "os.environ" not in text and "getenv" not in text, name


def test_modules_and_functions_stay_short():
    for name, path in modules():
        text = path.read_text()
        assert text.count("\n") <= 420, f"{name} has {text.count(chr(10))} lines"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                size = (node.end_lineno or 0) - node.lineno + 1
                assert size <= 60, f"{name}.{node.name} has {size} lines"


def test_no_pattern_repeats_a_group_possessively():
    """Python 3.11.0 to 3.11.4 goes on at a wrong place after it (python/cpython#106052): write (?>(?:...)*)."""
    for name, path in modules():
        assert not re.search(r"\)(?:[*+?]|\{[0-9,]+\})\+", path.read_text()), name
