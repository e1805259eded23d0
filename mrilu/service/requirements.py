"""What is to be installed: the pins of requirements*.txt, and the hashes of their wheels.

Used before .venv exists, so it needs nothing but the standard library.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
MARKER = "# ---- heavy"
LOCK = "requirements.lock"  # every pin with the hashes of its wheels
CPU_WHEELS = "torch-cpu.sha256"  # of torch's index of builds without CUDA, as sha256sum writes it
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
WHEELS = "vendor"  # folder of wheels that PyPI has as source only
GPU_SIGNS = ("/proc/driver/nvidia/version", "/dev/nvidiactl")


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
