"""Write the SHA-256 of torch's wheels without CUDA as its index states them: `torch_wheels.py VERSION`."""

from __future__ import annotations

import re
import sys
import urllib.request
from urllib.parse import unquote

INDEX = "https://download.pytorch.org/whl/cpu/torch/"
_LINK = re.compile(r'href="[^"]*/(?P<file>[^"/#]+\.whl)#sha256=(?P<digest>[0-9a-f]{64})"')


def wheels(page: str, version: str) -> list[str]:
    """Return sha256sum's lines of the wheels of that version, sorted by file."""
    found = {unquote(match["file"]): match["digest"] for match in _LINK.finditer(page)}
    return [
        f"{digest}  {file}"
        for file, digest in sorted(found.items())
        if file.startswith(f"torch-{version}+cpu-")
    ]


def main(version: str) -> int:
    """Print the lines; the exit code is 1, with a line why, when there are none."""
    try:
        with urllib.request.urlopen(INDEX, timeout=60) as answer:  # noqa: S310 - a constant https address
            lines = wheels(answer.read().decode(), version)
    except OSError as error:
        print(f"{INDEX}: {error}", file=sys.stderr)
        return 1
    if not lines:
        print(f"{INDEX} has no torch {version} without CUDA", file=sys.stderr)
        return 1
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
