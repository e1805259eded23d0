"""Where .venv and the code lie when root's own folders are closed to the account that runs them."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mrilu.service import install, venv_place
from mrilu.service.account import server_account
from mrilu.service.placement import short_folder
from mrilu.service.requirements import InstallError

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root's folders need a stand-in")


@pytest.fixture
def state(monkeypatch) -> Iterator[Path]:
    place = short_folder(Path("/state-of-a-venv"))
    monkeypatch.setattr(venv_place, "STATE", place / "state")
    yield place / "state"
    shutil.rmtree(place)


@pytest.fixture
def closed(tmp_path) -> Path:
    """A project in a folder of root's."""
    project = tmp_path / "closed" / "project"
    (project / "mrilu" / "service").mkdir(parents=True)
    (project / "mrilu" / "service" / "x.py").write_text("kind = 1")
    (project / "models.py").write_text("kind = 2")
    (project / ".git").mkdir()
    for path in (project, *project.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
    project.parent.chmod(0o700)
    return project


def test_a_project_within_reach_stays_where_it_is(state):
    project = state.parent / "project"
    (project / "mrilu" / "service").mkdir(parents=True)
    for path in (project, project / "mrilu", project / "mrilu" / "service"):
        path.chmod(0o755)
    assert venv_place.place_of_venv(project / ".venv") == project / ".venv"
    assert venv_place.publish(project) == project


def test_the_code_is_copied_for_others_to_read_and_for_root_to_change(state, closed):
    code = venv_place.publish(closed)
    assert code.is_relative_to(state)
    account = server_account("nobody")
    for name in ("models.py", "mrilu/service/x.py"):
        assert account.attempt(["/bin/cat", str(code / name)]).stdout.startswith("kind")
    for path in (code, *code.rglob("*")):
        assert path.lstat().st_uid == 0 and not path.lstat().st_mode & 0o022
    assert not (code / ".git").exists()
    (closed / "models.py").write_text("kind = 3")
    (closed / "mrilu" / "service" / "x.py").unlink()
    assert venv_place.publish(closed) == code
    assert (code / "models.py").read_text() == "kind = 3"
    assert not (code / "mrilu" / "service" / "x.py").exists()
    assert sorted(path.name for path in code.parent.iterdir()) == ["code"], "nothing is left over"


def test_a_stand_in_that_others_may_write_to_is_refused(state, closed):
    home = venv_place.home_of(closed)
    home.chmod(0o777)
    with pytest.raises(InstallError, match=f"{home} is not a folder that root alone can write"):
        venv_place.home_of(closed)
    home.rmdir()
    home.symlink_to("/tmp")
    with pytest.raises(InstallError, match="root alone"):
        venv_place.publish(closed)


def test_the_venv_of_a_closed_project_is_one_that_others_can_run(state, closed, monkeypatch):
    monkeypatch.setattr(install, "VENV", closed / ".venv")
    (closed / ".venv" / "bin").mkdir(parents=True)  # an older version's, out of reach
    install._make_venv()
    assert (closed / ".venv").is_symlink() and install._usable()
    python = str((closed / ".venv").resolve() / "bin" / "python")
    done = server_account("nobody").attempt([python, "-I", "-c", "import pip; print('runs')"])
    assert done.stdout == "runs\n", done.stderr


def test_where_no_python_is_within_reach_a_copy_of_this_one_is_made(state, monkeypatch):
    monkeypatch.setattr(venv_place, "_FOLDERS", ())
    monkeypatch.setattr(
        venv_place, "usable_by_others", lambda command: command[0].startswith(str(state))
    )
    program = venv_place.python_for_venv()
    assert program.startswith(str(state))
    code = "import ensurepip, json, ssl, sqlite3, sys; print(sys.base_prefix)"
    done = server_account("nobody").attempt([program, "-I", "-c", code])
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().startswith(str(state))
    assert venv_place.python_for_venv() == program, "once"
    assert not list(Path(program).parents[2].glob(".partial*"))


def test_the_modes_of_what_is_not_ours_stay(state, closed):
    before = stat.S_IMODE(closed.parent.stat().st_mode)
    venv_place.publish(closed)
    assert stat.S_IMODE(closed.parent.stat().st_mode) == before == 0o700
    done = subprocess.run(["find", str(closed), "-perm", "/077"], capture_output=True, text=True)
    assert done.stdout == ""
