"""`./run.sh export`: the dictionaries in the cache, as files."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from mrilu.cli import terminal
from mrilu.runtime.writing import whole_file
from mrilu.service.account import ServerError


@click.command()
@click.argument("language", required=False)
@click.argument("format", required=False)
@click.option(
    "-o", "output", type=click.Path(path_type=Path), help='file to write; "-" is standard output'
)
@click.option("--json", "as_json", is_flag=True, help="the list, for scripts")
def export(language: str | None, format: str | None, output: Path | None, as_json: bool) -> None:
    """Write the cached dictionary of LANGUAGE in FORMAT to a file; without them, list what is cached."""
    from mrilu.cli.connect import connect

    zone = ZoneInfo(connect().timezone)
    if language is None:
        show_cached(as_json, zone)
        return
    if format is None:
        raise click.UsageError("name a format too: ./run.sh export LANGUAGE FORMAT [-o FILE]")
    path = write_cached(language, format, output)
    if path:
        print(path)


def write_cached(tag: str, name: str, output: Path | None) -> Path | None:
    """Write a copy of the cache to `output`, by default a file of its own name here; None: standard output.

    Raises ServerError when it is not cached, OSError when the file cannot be written.
    """
    from models import CachedExport

    copy = CachedExport.find(tag, name)
    if copy is None:
        raise ServerError(f"no export of {tag!r} as {name!r} is cached: {_why_not(tag, name)}")
    if output == Path("-"):
        sys.stdout.buffer.writelines(copy.pieces())
        return None
    path = output or Path(copy.filename)
    _write_whole(path, copy.pieces())
    return path


def _write_whole(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a file that appears whole or not at all; a pipe or device is written into."""
    if path.exists() and not path.is_file():
        with open(os.open(path, os.O_WRONLY), "wb") as file:
            if not stat.S_ISREG(
                os.fstat(file.fileno()).st_mode
            ):  # a link was put there in the meantime
                file.writelines(pieces)
        return
    with whole_file(path) as file:
        file.writelines(pieces)


def _why_not(tag: str, name: str) -> str:
    from models import CachedExport, FailedExport

    for failed in FailedExport.listed():
        if (failed["tag"], failed["format"]) == (tag, name):
            return f"{failed['error']} ({failed['failed_at']:%Y-%m-%d %H:%M} UTC)"
    waits = _waits_for_packages()
    if waits:
        return waits
    known = sorted({f"{row['tag']} {row['format']}" for row in CachedExport.listed()})
    if known:
        return f"there is {', '.join(known)}"
    return "exports are built at midnight of TIMEZONE, or now by ./run.sh run export_dictionaries --wait"


def _waits_for_packages() -> str:
    """Say how far the installation in the background is, while it is not done: some formats wait for it."""
    from mrilu.service.up import install_progress

    progress = install_progress()
    if progress["state"] == "done":
        return ""
    return f"{progress['done']} of {progress['total']} packages are installed so far; what waits for them is built then"


def show_cached(as_json: bool, zone: ZoneInfo) -> None:
    """Print the copies in the cache and the failures."""
    import json

    from models import CachedExport, FailedExport

    cached, failed = CachedExport.listed(), FailedExport.listed()
    if as_json:
        print(json.dumps({"cached": cached, "failed": failed}, default=str, indent=1))
        return
    _print_table(cached, failed, zone)


def _print_table(
    cached: list[dict[str, Any]], failed: list[dict[str, Any]], zone: ZoneInfo
) -> None:
    from rich.table import Table

    table = Table("language", "format", "file", "size", "built", "seconds", "sha256", box=None)
    for row in cached:
        built: datetime = row["built_at"].astimezone(zone)
        table.add_row(
            row["tag"],
            row["format"],
            row["filename"],
            f"{row['size']:,}",
            f"{built:%Y-%m-%d %H:%M}",
            f"{row['seconds']:.1f}",
            row["sha256"][:16],
        )
    console = terminal.console()
    console.print(table if cached else "nothing is cached: ./run.sh run export_dictionaries --wait")
    for row in failed:
        moment = row["failed_at"].astimezone(zone)
        console.print(
            f"failed: {row['tag']} {row['format']} at {moment:%Y-%m-%d %H:%M}: {row['error']}",
            markup=False,
        )
