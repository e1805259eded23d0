"""Dictionary and muplis syncs against their bars: `.venv/bin/python -m bench.dictionary`. fsync stays on."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import models
from bench.bars import report_bars
from bench.corpus import CORPORA, CorpusMissing, unpacked
from bench.machine import machine_facts
from bench.timing import only_benchmark, progress
from jobs.sync_dictionary import sync_dictionary
from jobs.update_muplis import update_muplis
from models import DefinitionVersion
from mrilu import migrations
from mrilu.runtime.database import database, disconnect
from mrilu.service.postgres import Cluster
from mrilu.service.valkey import Server
from mrilu.settings.current import forget_settings, use_settings
from mrilu.settings.load import load
from mrilu.settings.table import Settings

ROUNDS = 3
MADE = 25_000
FIRST, UNCHANGED, ONE = (
    "20,724 entries, first",
    "20,724 entries, unchanged",
    "20,724 entries, one changed",
)
REAL, LARGE = "449 muplis rows, unchanged", "25,000 muplis rows, unchanged"
BARS = {FIRST: 15.0, UNCHANGED: 3.0, ONE: 3.0, REAL: 1.0, LARGE: 1.0}


@contextmanager
def service(folder: Path) -> Iterator[Settings]:
    """Throw-away servers with the schema, which this process's settings point at."""
    with Cluster(folder / "pg") as cluster, Server(folder / "vk") as valkey:
        migrations.apply(models.bind(cluster.url))
        yield replace(load({}), database_url=cluster.url, redis_url=valkey.url)
        disconnect()
        forget_settings()


def timed(job: Callable[[], dict[str, int]], **expected: int) -> float:
    """Seconds of one run, whose counts must be those expected."""
    began = time.perf_counter()
    counts = job()
    seconds = time.perf_counter() - began
    wrong = {key: counts.get(key) for key, number in expected.items() if counts.get(key) != number}
    if wrong:
        raise SystemExit(f"expected {expected}, but {wrong} in {counts}")
    return seconds


def time_dictionary(settings: Settings, folder: Path, export: bytes) -> Iterator[tuple[str, float]]:
    """One round over jbo-en.xml: empty tables, the same content as a new file, one definition changed."""
    models.db.execute_sql(
        "TRUNCATE language, word, definition, definition_version, keyword, source CASCADE"
    )
    path = folder / "jbo-en.xml"
    use_settings(replace(settings, dictionary_source=str(folder)))
    database()
    path.write_bytes(export)
    yield FIRST, timed(sync_dictionary, definitions=20_724, added=20_724)
    os.utime(path, (1, 1))
    yield UNCHANGED, timed(sync_dictionary, definitions=20_724, added=0, edited=0, gone=0)
    path.write_bytes(re.sub(rb"<definition>", rb"<definition>Changed: ", export, count=1))
    yield ONE, timed(sync_dictionary, edited=1, added=0, gone=0)
    versions = DefinitionVersion.select().where(DefinitionVersion.version > 1).count()
    if versions != 1:
        raise SystemExit(f"one definition changed, {versions} version rows")


def time_muplis(
    settings: Settings, folder: Path, name: str, content: bytes
) -> Iterator[tuple[str, float]]:
    """One round over a muplis file: read it, then time the same content as a new file."""
    models.db.execute_sql("TRUNCATE sentence, source")
    path = folder / "muplis.tsv"
    path.write_bytes(content)
    use_settings(replace(settings, muplis_url=str(path)))
    database()
    update_muplis()
    os.utime(path, (1, 1))
    yield name, timed(update_muplis, added=0, rated=0, removed=0)


def main() -> int:
    """Run all rounds; the exit code is 0 when every bar is met."""
    made = "".join(
        f"lo te mrilu be li {n} cu jai se djuno\tThe receiver of {n} is known.\t\n"
        for n in range(MADE)
    )
    runs: dict[str, list[float]] = defaultdict(list)
    try:
        with (
            only_benchmark(),
            unpacked("dictionary") as corpus,
            tempfile.TemporaryDirectory() as work,
        ):
            export = (corpus / "jbo-en.xml").read_bytes()
            muplis = {
                REAL: (CORPORA / "muplis-jb2en-sample.tsv").read_bytes(),
                LARGE: made.encode(),
            }
            folder = Path(work) / "exports"
            folder.mkdir()
            with service(Path(work)) as settings:
                for turn in range(ROUNDS):
                    rounds = [time_dictionary(settings, folder, export)]
                    rounds += [
                        time_muplis(settings, folder, name, content)
                        for name, content in muplis.items()
                    ]
                    for name, seconds in (one for measured in rounds for one in measured):
                        runs[name].append(seconds)
                        progress(f"round {turn + 1}: {name} {seconds:.3f} s")
    except CorpusMissing as error:
        print(error, file=sys.stderr)
        return 2
    return (
        0
        if report_bars({name: (runs[name], bar) for name, bar in BARS.items()}, machine_facts())
        else 1
    )


if __name__ == "__main__":
    sys.exit(main())
