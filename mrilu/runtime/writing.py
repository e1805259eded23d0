"""Files that appear whole or not at all, also in a folder where others may write."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def whole_file(path: Path, mode: int = 0o666) -> Iterator[IO[bytes]]:
    """Open a new file (`mode` under the umask) that takes the name `path` when the block ends well; raises OSError.

    Nothing that was there is opened or written: neither an older file of that name nor what someone planted, a link
    or a file of theirs, under the name that it has until then.
    """
    partial = path.with_name(f".{path.name[:200]}.{secrets.token_hex(8)}.partial")
    descriptor = os.open(partial, _NEW, mode)
    try:
        with open(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
