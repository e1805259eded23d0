"""Dictionary exports against their bars, with other typesetters beside: `.venv/bin/python -m bench.exports`.

`--peers` also typesets the English dictionary with xelatex (our LaTeX source, one pass), reportlab and weasyprint (both
plainer than ours: two columns, no guide words); one that is not installed is left out. weasyprint takes minutes.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import models
from bench.bars import report_bars
from bench.build_memory import BuildMemory
from bench.corpus import CorpusMissing, unpacked
from bench.export_peers import PEERS, run_peer
from bench.machine import machine_facts
from bench.timing import only_benchmark, progress
from jobs.export_dictionaries import export_dictionaries
from jobs.sync_dictionary import sync_dictionary
from models import CachedExport, Language
from mrilu import migrations
from mrilu.exports import build
from mrilu.exports.rows import read_book
from mrilu.runtime.database import database, disconnect
from mrilu.service.postgres import Cluster
from mrilu.service.valkey import Server
from mrilu.settings.current import forget_settings, use_settings
from mrilu.settings.load import load
from mrilu.settings.table import Settings

ROUNDS = 3
LANGUAGES, FORMATS = 5, 5
ALL, ENGLISH, UNCHANGED = (
    "5 languages in 5 formats, from scratch",
    "English PDF, 20,724 words",
    "an unchanged night",
)
BARS = {ALL: 90.0, ENGLISH: 15.0, UNCHANGED: 2.0}
MEMORY = 1024  # MiB, job and a build's processes together


@contextmanager
def dictionaries(folder: Path) -> Iterator[Settings]:
    """Throw-away servers that hold the five dictionaries; this process is bound to them."""
    with (
        Cluster(folder / "pg") as cluster,
        Server(folder / "vk") as valkey,
        unpacked("dictionary") as corpus,
    ):
        migrations.apply(models.bind(cluster.url))
        chosen = replace(
            load({}),
            database_url=cluster.url,
            redis_url=valkey.url,
            dictionary_source=str(corpus),
            log_level="warning",
        )
        # In a process of its own, so that its memory is not taken for the job's.
        syncing = multiprocessing.get_context("spawn").Process(target=fill, args=(chosen,))
        syncing.start()
        syncing.join()
        if syncing.exitcode:
            raise SystemExit("the dictionaries could not be synced")
        use_settings(chosen)
        database()
        yield chosen
        disconnect()
        forget_settings()


def fill(chosen: Settings) -> None:
    """Put the dictionaries into the database."""
    use_settings(chosen)
    sync_dictionary()


def timed_export(built: int) -> float:
    """Seconds of one run of the job, which must build so many."""
    began = time.perf_counter()
    counts = export_dictionaries()
    if counts["built"] != built:
        raise SystemExit(f"{built} were to be built, but: {counts}")
    return time.perf_counter() - began


def time_round() -> Iterator[tuple[str, float]]:
    """Time one night from scratch, and the next, in which nothing has changed."""
    CachedExport.delete().execute()
    yield ALL, timed_export(LANGUAGES * FORMATS)
    [english] = [
        row for row in CachedExport.listed() if (row["tag"], row["format"]) == ("en", "pdf")
    ]
    yield ENGLISH, english["seconds"]
    yield UNCHANGED, timed_export(0)


def time_peers(folder: Path) -> None:
    """Typeset the English dictionary once with each peer and print the seconds."""
    language = Language.get(Language.tag == "en")
    book = folder / "book"
    book.write_text(
        read_book(models.db.connection(), language.id, "en", language.name).to_json(),
        encoding="utf-8",
    )
    for name, peer in PEERS.items():
        lack = peer.lacks()
        if lack:
            print(f"left out: {name}: {lack}")
            continue
        seconds, memory = run_peer(name, book, folder)
        print(f"{name:24} {seconds:9.1f} s {memory:7,} MiB  {peer.note}", flush=True)


def main() -> int:
    """Measure; the exit code is 0 when every bar is kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", action="store_true", help="time other typesetters, too")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    chosen = parser.parse_args()
    build.check_installed("pdf")
    measured: dict[str, list[float]] = defaultdict(list)
    with (
        only_benchmark(),
        tempfile.TemporaryDirectory(prefix="mrilu-bench-") as folder,
        dictionaries(Path(folder)),
        BuildMemory() as memory,
    ):
        for turn in range(chosen.rounds):
            for name, seconds in time_round():
                measured[name].append(seconds)
                progress(f"round {turn + 1}: {name} {seconds:.2f} s")
        passed = report_bars(
            {name: (runs, BARS[name]) for name, runs in measured.items()}, machine_facts()
        )
        passed &= memory.most < MEMORY
        verdict = "PASS" if memory.most < MEMORY else "FAIL"
        print(f"memory, job and build: {memory.most:,} MiB, bar {MEMORY:,} MiB {verdict}")
        if chosen.peers:
            time_peers(Path(folder))
    return 0 if passed else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CorpusMissing as error:
        sys.exit(str(error))
