"""Zip files whose bytes depend on their contents alone."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

STARTED = (1980, 1, 1, 0, 0, 0)  # zip's first moment: the same bytes whenever it is made
UNIX = 3


def write_zip(path: Path, files: Mapping[str, bytes], stored: str = "") -> None:
    """Write a zip of these files, in their order; `stored` names one that is not compressed."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, STARTED)
            info.create_system, info.external_attr = UNIX, 0o644 << 16
            info.compress_type = zipfile.ZIP_STORED if name == stored else zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
