import os
import time

from watcher import young
from watcher.young import YoungFiles


def test_a_file_that_was_written_long_ago_is_whole(root):
    path = root / "new/1.a"
    path.write_bytes(b"x")
    os.utime(path, (time.time() - 1000,) * 2)
    files = YoungFiles(root)
    files.note("new/1.a")
    assert not files._files


def test_a_file_is_looked_after_until_it_has_rested(root):
    (root / "new/1.a").write_bytes(b"x")
    files = YoungFiles(root, rest=0.0)
    files.note("new/1.a")
    assert files.rested() == [] and files._files, "it is not due yet"
    assert files.rested(every=True) == [] and not files._files


def test_a_file_that_went_is_forgotten_and_no_more_than_a_bound_are_kept(root, monkeypatch):
    monkeypatch.setattr(young, "MOST", 1)
    files = YoungFiles(root)
    for name in ("new/1.a", "new/2.b"):
        (root / name).write_bytes(b"x")
        files.note(name)
    assert list(files._files) == ["new/1.a"]
    (root / "new/1.a").unlink()
    assert files.rested(every=True) == [] and not files._files
