"""Tries the whole service on each version of PostgreSQL from the oldest that is taken on; root has the most of them.

    python -m tests.postgresql_versions              all that can be had here (.ci/nightly)
    python -m tests.postgresql_versions 15 17        these
    python -m tests.postgresql_versions /opt/16/bin  the one whose programs are there
    python -m tests.postgresql_versions --keep DIR   keep what was downloaded there

Prints a line each: what was done, or why a version is left out. The exit code is 0 if nothing failed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import traceback
from contextlib import ExitStack
from pathlib import Path

import pytest

from mrilu.service.checks import LEAST_POSTGRESQL
from tests.postgresql_versions.servers import EMBEDDED, Unobtainable, server
from tests.postgresql_versions.trial import steps, version_of


def version(text: str) -> int | Path:
    """Return a number, or the folder of a server's programs."""
    return int(text) if text.isdecimal() else Path(text)


def attempt(version: int | Path, kept: Path) -> bool:
    """Try one version and tell what came of it; return whether nothing failed."""
    name, done = str(version), list[str]()
    try:
        with server(version, kept) as url:
            name = version_of(url)
            for step in steps(url):
                done.append(step)
    except (Unobtainable, pytest.skip.Exception) as reason:
        print(f"skip  {name:<28}{reason}", flush=True)
        return True
    except Exception:
        print(f"FAULT {name:<28}after: {', '.join(done) or 'nothing'}", flush=True)
        traceback.print_exc()
        return False
    print(f"ok    {name:<28}{', '.join(done)}", flush=True)
    return True


def main() -> int:
    """Try the versions; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.postgresql_versions",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("versions", nargs="*", type=version, help="15 16 17 18 if none is named")
    parser.add_argument("--keep", type=Path, help="a folder for what is downloaded")
    chosen = parser.parse_args()
    with ExitStack() as stack:
        kept = chosen.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        versions = chosen.versions or range(LEAST_POSTGRESQL, EMBEDDED + 1)
        kept_all = [attempt(version, kept) for version in versions]
    return 0 if all(kept_all) else 1


if __name__ == "__main__":
    sys.exit(main())
