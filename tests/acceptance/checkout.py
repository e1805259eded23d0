"""A copy of the project in another place, started by its own run.sh as a normal user, without a network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from mrilu.service.account import server_account
from mrilu.service.placement import ourselves
from mrilu.settings.table import PROJECT

LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", "__pycache__", ".*_cache", "bench", "data", "docs", "tests"
)
# Stands in for pip: says that it is at a package, and waits for a file named "go-on" in .venv.
SLOW_PIP = """
import pathlib, sys, time
print("Collecting torch==1.0", flush=True)
while not (pathlib.Path(sys.prefix) / "go-on").exists():
    time.sleep(0.05)
"""


class Checkout:
    """The project at a path that is longer than a socket's may be, with spaces, a percent sign and an accent in it.

    Its .venv takes the packages of the one that runs the tests; only the heavy part seems to be missing. Where root
    runs the tests the project belongs to nobody, who also runs it, if no one can reach our Python's packages.
    """

    def __init__(self) -> None:
        self.base = Path(
            tempfile.mkdtemp(prefix="mrilu-")
        )  # not tmp_path: no one else may enter that
        self.base.chmod(0o755)
        self.packages = Path(sysconfig.get_paths()["purelib"])
        nobody = server_account("nobody")
        self.account = nobody if nobody.reaches(self.packages / "rq") else ourselves()
        self.place = self.base / "my mail, 100% löng" / "-".join(["far"] * 20) / "mrilu"
        assert len(os.fsencode(self.place)) > 108
        shutil.copytree(PROJECT, self.place, ignore=LEFT_OUT)
        self.venv = self.place / ".venv"
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.base),
            "WEB_ADDRESS": "off",
            "COLUMNS": "200",
        }
        self._make_venv()
        self.give(self.base)

    def _make_venv(self) -> None:
        python = self._reachable_python()
        library = (
            self.venv
            / "lib"
            / f"python{sys.version_info.major}.{sys.version_info.minor}"
            / "site-packages"
        )
        (library / "pip").mkdir(parents=True)
        (library / "pip" / "__init__.py").touch()
        (library / "pip" / "__main__.py").write_text(SLOW_PIP)
        (library / "packages.pth").write_text(f"{self.packages}\n")
        (self.venv / "bin").mkdir()
        (self.venv / "bin" / "python").symlink_to(python)
        (self.venv / "pyvenv.cfg").write_text(
            f"home = {python.parent}\ninclude-system-site-packages = false\n"
        )
        script = (
            "from mrilu.service import install as i; i._hook(); "
            "(i.VENV / 'mrilu-core').write_text(i.stamp('core'))"
        )
        command = [self.venv / "bin" / "python", "-c", script]
        subprocess.run(command, cwd=self.place, env=self.environ, check=True)

    def _reachable_python(self) -> Path:
        """Return the Python under our .venv, or a copy of it where the account cannot enter its folder."""
        python = Path(sys._base_executable).resolve()  # type: ignore[attr-defined]
        if not self.account.drops or self.account.reaches(python):
            return python
        copy, standard = self.base / "python", Path(sysconfig.get_paths()["stdlib"])
        (copy / "bin").mkdir(parents=True)
        shutil.copy(python, copy / "bin")
        unneeded = shutil.ignore_patterns(
            "site-packages", "test", "__pycache__", "config-*", "idlelib", "ensurepip"
        )
        shutil.copytree(standard, copy / "lib" / standard.name, ignore=unneeded)
        for shared in standard.parent.glob("libpython*.so*"):
            shutil.copy(shared, copy / "lib")
        self.environ["LD_LIBRARY_PATH"] = str(copy / "lib")
        return copy / "bin" / python.name

    def give(self, path: Path) -> None:
        """Give a path and all below it to the account that runs the service."""
        if self.account.drops:
            for one in (path, *path.rglob("*")):
                os.chown(one, self.account.uid, self.account.gid, follow_symlinks=False)

    def begin(self, *words: str, **more: str) -> subprocess.Popen[str]:
        """Run ./run.sh with these words, from another folder."""
        return subprocess.Popen(
            [self.place / "run.sh", *words],
            cwd="/",
            env=self.environ | more,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **self.account.switch(),
        )

    def run(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run ./run.sh with these words to its end."""
        process = self.begin(*words, **more)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def remove(self) -> None:
        """Remove the copy, and its sockets."""
        note = self.place / "data" / "service.json"
        if note.exists():
            sockets = Path(json.loads(note.read_text())["control"]).parent.parent
            if sockets.parent == Path("/tmp"):
                shutil.rmtree(sockets, ignore_errors=True)
        shutil.rmtree(self.base)
