"""What the design promises of the code as a whole: the direction of imports, and that importing does nothing."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mrilu.settings.table import PROJECT

PACKAGES = ("watcher", "jobs", "search", "web", "cli", "local", "migrations", "tables")
# What each part may import of the others; a module that is named wins over its package.
ALLOWED = {
    "settings": set(),
    "tables": {"tables"},
    "models": {"tables"},
    "migrations": set(),
    "watcher": {"watcher", "jobs", "models", "settings", "local"},
    "mrilu.maildir.names": set(),
    "jobs": {"jobs", "models", "settings", "search", "mrilu.maildir.names"},
    "mrilu.mail": {"mrilu.mail"},
    "mrilu.exports": {"mrilu.exports", "mrilu.dictionary"},
    "mrilu.dictionary": {"mrilu.dictionary"},
    "mrilu.embeddings.text": set(),
    "search": {"search", "mrilu.embeddings", "mrilu.mail", "models", "settings", "tables"},
    "mrilu.search.fold": set(),
    "local": {"local", "settings", "migrations", "models", "cli"},
    "web": {"web", "search", "jobs", "models", "settings", "local", "cli", "tables", "mrilu.maildir.names"},
    "cli": {"cli", "jobs", "search", "models", "settings", "local", "mrilu.maildir.names", "migrations", "web"},
}


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


def rule_for(name: str) -> set[str]:
    while name not in ALLOWED:
        name = name.rpartition(".")[0]
    return ALLOWED[name]


OURS = {"settings", "models", *PACKAGES}


@pytest.mark.parametrize(("name", "path"), list(modules()), ids=lambda value: value if isinstance(value, str) else "")
def test_imports_go_in_one_direction(name, path):
    for target in imported(name, path):
        if target.split(".")[0] in OURS:
            allowed = rule_for(name)
            assert any(f"{target}.".startswith(f"{prefix}.") for prefix in allowed), f"{name} imports {target}"


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
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-2000:]


def test_only_settings_reads_the_environment_for_itself():
    for name, path in modules():
        text = path.read_text()
        if name == "settings" or name.startswith("local"):  # local passes the environment on to its programs
            continue
        # The scheduler sets its own time zone; setting is not reading.
        text = text.replace('os.environ["TZ"] = "UTC"', "")
        assert "os.environ" not in text and "getenv" not in text, name


def test_modules_and_functions_stay_short():
    for name, path in modules():
        text = path.read_text()
        assert text.count("\n") <= 300, f"{name} has {text.count(chr(10))} lines"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                size = (node.end_lineno or 0) - node.lineno + 1
                assert size <= 40, f"{name}.{node.name} has {size} lines"


def test_no_pattern_repeats_a_group_possessively():
    """Python 3.11.0 to 3.11.4 goes on at a wrong place after it (python/cpython#106052): write (?>(?:...)*)."""
    for name, path in modules():
        assert not re.search(r"\)(?:[*+?]|\{[0-9,]+\})\+", path.read_text()), name
