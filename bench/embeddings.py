"""How fast the English definitions are embedded, end to end into the database, beside plain SentenceTransformer.

    python -m bench.embeddings

Both take the same texts in three rounds, in turns; the model is loaded before, the tables are empty at each round's
start, and our time ends when the index is built. The share of the processor's fp32 peak
is that of torch's large matrix products just before and after, by the clock on the wall (which the bar is about:
reading, tokenising and the database count) and per CPU second (which a neighbour on the machine disturbs less). Then
an hour with nothing new is timed, in a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean, median
from typing import Any, NamedTuple

from peewee import PostgresqlDatabase

from bench.filled import empty_service, fill_dictionary
from bench.machine import machine_facts
from bench.timing import only_benchmark, progress
from jobs.embed_missing import embed_missing
from models import EmbeddingModel
from mrilu.embeddings.encoder import load_encoder
from mrilu.embeddings.index import drop_indexes_of_others
from mrilu.embeddings.model import PACKAGED, find_model
from mrilu.embeddings.sources import as_sources, rows_waiting
from mrilu.settings.current import current_settings
from mrilu.settings.table import PROJECT

ROUNDS = 3
TIMES_FASTER, SHARE_OF_PEAK, IDLE_SECONDS = 1.3, 0.65, 1.0  # the bars
SIDE, REPEATS = 2048, 6  # of the matrices
LAYERS, WIDTH, INNER = 6, 384, 1536


class Pace(NamedTuple):
    """Operations a second, by the clock on the wall and per CPU second."""

    wall: float
    cpu: float


IDLE = """
import sys, time
from dataclasses import replace
from mrilu.settings.current import current_settings
from mrilu.settings.current import use_settings
from mrilu.settings.load import load
use_settings(replace(load({}), database_url=sys.argv[1], redis_url=sys.argv[2]))
from jobs.embed_missing import embed_missing
began = time.perf_counter()
counts = embed_missing()
assert counts == {}, counts
assert not {"torch", "openvino", "sentence_transformers"} & set(sys.modules)
print(time.perf_counter() - began)
"""


def peak(torch: Any) -> Pace:
    """Return this processor's fp32 operations a second in large matrix products, one on each core at a time."""
    cores = len(os.sched_getaffinity(0))
    pairs = [(torch.rand(SIDE, SIDE), torch.rand(SIDE, SIDE)) for _ in range(cores)]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)

    def multiply(pair: tuple[Any, Any]) -> None:
        for _ in range(REPEATS):
            pair[0] @ pair[1]

    with ThreadPoolExecutor(cores) as pool:
        list(pool.map(multiply, pairs))  # warm
        began, used = time.perf_counter(), time.process_time()
        list(pool.map(multiply, pairs))
        passed, used = time.perf_counter() - began, time.process_time() - used
    torch.set_num_threads(threads)
    done = cores * REPEATS * 2 * SIDE**3
    return Pace(done / passed, done / used)


def cpu_seconds(db: PostgresqlDatabase) -> float:
    """Return the CPU time that this process and its PostgreSQL session have used."""
    fields = (
        Path(f"/proc/{db.connection().info.backend_pid}/stat")
        .read_text()
        .rpartition(")")[2]
        .split()
    )
    return time.process_time() + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def operations(lengths: Sequence[int]) -> float:
    """Return the model's operations for texts of these token counts, padding left out; equal texts count once."""
    dense = 4 * WIDTH**2 + 2 * WIDTH * INNER
    return float(sum(LAYERS * (2 * one * dense + 4 * one**2 * WIDTH) for one in lengths))


def forget(db: PostgresqlDatabase) -> None:
    """Leave no vector and no index: as before the first run."""
    drop_indexes_of_others(db, 0)
    db.execute_sql("TRUNCATE embedding, embedded")


def measure(db: PostgresqlDatabase) -> dict[str, Any]:
    """Run the rounds; return seconds, definitions and tokens of each contender, and the peak."""
    import torch
    from sentence_transformers import SentenceTransformer

    model = find_model(PACKAGED)
    row = EmbeddingModel.register(model.name, model.source, model.dimensions)
    plain = SentenceTransformer(str(model.folder), device="cpu", local_files_only=True)
    ours = load_encoder(model, "auto")
    plain.encode(["warm"] * 64, batch_size=32)
    ours.encode(["warm"] * 64)
    seconds: dict[str, list[float]] = {"ours": [], "plain": []}
    shares, peaks, lengths = [], [], []
    for turn in range(ROUNDS):
        forget(db)
        sources = as_sources("definition", rows_waiting(db, row.id, "definition", 100_000), ours)
        texts = [piece.text for source in sources for piece in source.pieces]
        lengths.append([len(one) + 2 for one in ours.tokens(texts)])
        work = operations([len(one) + 2 for one in ours.tokens(list(dict.fromkeys(texts)))])
        began = time.perf_counter()
        plain.encode(texts, batch_size=32, show_progress_bar=False)
        seconds["plain"].append(time.perf_counter() - began)
        peaks.append(peak(torch))
        began, used = time.perf_counter(), cpu_seconds(db)
        counts = embed_missing()
        passed, used = time.perf_counter() - began, cpu_seconds(db) - used
        seconds["ours"].append(passed)
        peaks.append(peak(torch))
        shares.append(share(Pace(work / passed, work / used), peaks[-2:]))
        assert counts["definitions"] == len(sources) and "left" not in counts, counts
        progress(
            f"round {turn + 1}: {counts} { ({name: round(all_[-1], 1) for name, all_ in seconds.items()}) }"
        )
    return {"seconds": seconds, "peaks": peaks, "shares": shares, "lengths": lengths}


def share(ours: Pace, peaks: Sequence[Pace]) -> Pace:
    """Return our part of the mean of the peaks, in both measures."""
    return Pace(
        ours.wall / mean(one.wall for one in peaks), ours.cpu / mean(one.cpu for one in peaks)
    )


def idle_seconds() -> float:
    """Return how long an hour's run with nothing new takes in a fresh process, imports left out."""
    now = current_settings()
    command = [sys.executable, "-c", IDLE, str(now.database_url), str(now.redis_url)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    return float(done.stdout)


def summary(facts: dict[str, Any]) -> dict[str, Any]:
    """Return the medians over the rounds, and each round beside them."""
    ours, plain = facts["seconds"]["ours"], facts["seconds"]["plain"]
    times = [slow / quick for slow, quick in zip(plain, ours, strict=True)]
    counts = [len(lengths) for lengths in facts["lengths"]]
    rates = {
        name: median(
            [count / one for count, one in zip(counts, facts["seconds"][name], strict=True)]
        )
        for name in ("ours", "plain")
    }
    return {
        "definitions": counts[0],
        "tokens": sum(facts["lengths"][0]),
        "definitions/s": {name: round(rate, 1) for name, rate in rates.items()},
        "times faster": round(median(times), 2),
        "times faster by round": [round(one, 2) for one in times],
        "fp32 peak (GFLOP/s)": round(median(one.wall for one in facts["peaks"]) / 1e9, 1),
        "share of peak": round(median(one.wall for one in facts["shares"]), 3),
        "share of peak by round": [round(one.wall, 3) for one in facts["shares"]],
        "share of peak per CPU second": round(median(one.cpu for one in facts["shares"]), 3),
        "seconds by round": {
            name: [round(one, 1) for one in all_] for name, all_ in facts["seconds"].items()
        },
    }


def main() -> int:
    """Measure, print JSON; exit code 1 if a bar is missed."""
    with empty_service() as db, only_benchmark():
        fill_dictionary(db)
        facts = measure(db)
        idle = idle_seconds()
    shown = summary(facts) | {"idle hour (s)": round(idle, 3)}
    print(json.dumps({"machine": machine_facts(), **shown}, indent=1))
    kept = (
        shown["times faster"] >= TIMES_FASTER,
        shown["share of peak"] >= SHARE_OF_PEAK,
        idle < IDLE_SECONDS,
    )
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
