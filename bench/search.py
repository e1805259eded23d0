"""How fast search answers on the list corpus, and how well on labelled queries.

    python -m bench.search speed      # 20 queries on 17,250 messages: text p50, p95; fused p50
    python -m bench.search quality    # nDCG@10 of text, meaning and fused, see bench/quality/README.md
    python -m bench.search            # both

Both fill a throw-away database first (embedding the mail takes some minutes); --database and --redis name one that
is filled already, with the English dictionary and the list corpus.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from peewee import PostgresqlDatabase

from bench.filled import empty_service, existing, fill_dictionary, fill_mail
from bench.held_out import held_out
from bench.machine import machine_facts
from bench.timing import only_benchmark, percentile, progress
from jobs.embed_missing import embed_missing
from mrilu.mail.thread_keys import node_of
from mrilu.search import query_vector
from mrilu.search.engine import MODES, Wanted, search
from mrilu.search.query_vector import encode_query

LABELS = Path(__file__).parent / "quality"
ROUNDS = 15
DEPTH = 10  # hits that count
TEXT_P50, TEXT_P95, FUSED_P50 = 3.0, 20.0, 25.0  # milliseconds, the bars

# Words rare and common, one to eight of them, phrases and operators.
SPEED_QUERIES = (
    "memory", "data", "package", "polyroot", "install ubuntu", "linear model", "random forest", "read csv file",
    '"mixed model"', '"data frame" merge', "from:ripley", "from:ripley segfault", "list:r-sig-debian signing key",
    "subject:announce release", "before:2000 postscript", "after:2015 fedora update", "has:attachment histogram",
    "error -windows", "contour OR persp OR image", "how do I plot two curves with different axes",
)  # fmt: skip


def filled_service(chosen: argparse.Namespace) -> AbstractContextManager[PostgresqlDatabase]:
    """Return the service that the arguments ask for; `fill` makes it ready."""
    return existing(chosen.database, chosen.redis) if chosen.database else empty_service()


def fill(db: PostgresqlDatabase) -> None:
    """Read the corpora and embed all of it."""
    progress(
        f"definitions: {fill_dictionary(db)}, messages: {fill_mail(db)}; now they are embedded"
    )
    while (counts := embed_missing()).get("embedded"):
        progress(str(counts))
    db.execute_sql("VACUUM ANALYZE")


def measure_speed(db: PostgresqlDatabase) -> dict[str, object]:
    """Time each query ROUNDS times, in turns, in this process, model loaded; milliseconds."""
    times: dict[str, dict[str, list[float]]] = {
        mode: {one: [] for one in SPEED_QUERIES} for mode in ("text", "fused")
    }
    for turn in range(ROUNDS + 1):
        for mode, by_query in times.items():
            for query in SPEED_QUERIES:
                query_vector._encode.cache_clear()  # a query's vector is remembered, as for its next page
                began = time.perf_counter()
                search(db, query, "message", Wanted(mode), query_vector.encode_query)
                if turn:
                    by_query[query].append((time.perf_counter() - began) * 1000)
    return {mode: _spread(by_query) for mode, by_query in times.items()}


def _spread(by_query: dict[str, list[float]]) -> dict[str, object]:
    every = [one for times in by_query.values() for one in times]
    slowest = {query: round(statistics.median(times), 2) for query, times in by_query.items()}
    return {
        "p50": round(statistics.median(every), 2),
        "p95": round(percentile(every, 95), 2),
        "median by query": dict(sorted(slowest.items(), key=lambda one: -one[1])),
    }


def ndcg(ranked: Sequence[object], right: set[object]) -> float:
    """Return the normalised discounted cumulative gain of the first DEPTH hits (Järvelin & Kekäläinen 2002)."""
    gains = sum(
        1 / math.log2(place + 2) for place, one in enumerate(ranked[:DEPTH]) if one in right
    )
    best = sum(1 / math.log2(place + 2) for place in range(min(len(right), DEPTH)))
    return gains / best


def labelled(name: str) -> list[tuple[str, list[str]]]:
    """Return the queries of one file with what answers them."""
    lines = (LABELS / f"{name}.tsv").read_text().splitlines()
    return [
        (query, answers.split()) for query, _, answers in (line.partition("\t") for line in lines)
    ]


def words_found(db: PostgresqlDatabase, query: str, mode: str) -> list[object]:
    """Return the words of the hits, each once."""
    hits = search(db, query, "word", Wanted(mode, limit=40, language="en"), encode_query).hits
    return list(dict.fromkeys(getattr(hit, "word", None) for hit in hits))


def threads_found(db: PostgresqlDatabase, query: str, mode: str) -> list[object]:
    """Return the threads of the hits."""
    hits = search(
        db, query, "message", Wanted(mode, by_thread=True, limit=DEPTH), encode_query
    ).hits
    return [getattr(hit, "thread", None) for hit in hits]


def threads_of_ids(db: PostgresqlDatabase, ids: Iterable[str]) -> set[object]:
    """Return the threads of these Message-IDs."""
    rows = db.execute_sql(
        "SELECT thread FROM thread_link WHERE node = ANY(%s)", ([node_of(one) for one in ids],)
    )
    return {row[0] for row in rows}


def measure_quality(db: PostgresqlDatabase) -> dict[str, object]:
    """Return the mean nDCG@10 of each mode, by set and over all queries, and of fused with held-out constants."""
    scores = {mode: scored(db, mode) for mode in MODES}
    means = {
        name: {mode: round(statistics.mean(by_set[name]), 3) for mode, by_set in scores.items()}
        for name in ("words", "lists", "all")
    }
    progress("the fusion's constants, chosen on one half of the queries and measured on the other")
    mean, chosen = held_out(lambda: scored(db, "fused")["all"])
    queries = {name: len(each) for name, each in scores["text"].items()}
    cross = {"fused": round(mean, 3), "constants by fold": [one._asdict() for one in chosen]}
    return {"queries": queries, **means, "held out": cross}


def scored(db: PostgresqlDatabase, mode: str) -> dict[str, list[float]]:
    """Return the nDCG@10 of each query, by set."""
    words = [ndcg(words_found(db, query, mode), set(right)) for query, right in labelled("words")]
    lists = [
        ndcg(threads_found(db, query, mode), threads_of_ids(db, ids))
        for query, ids in labelled("lists")
    ]
    return {"words": words, "lists": lists, "all": words + lists}


def passed(facts: dict[str, dict[str, object]]) -> bool:
    """Tell whether the bars are kept that were measured."""
    kept = []
    if "speed" in facts:
        text, fused = (dict(facts["speed"][mode]) for mode in ("text", "fused"))  # type: ignore[call-overload]
        kept += [text["p50"] < TEXT_P50, text["p95"] < TEXT_P95, fused["p50"] < FUSED_P50]
    if "quality" in facts:
        mean = dict(facts["quality"]["all"])  # type: ignore[call-overload]
        cross = dict(facts["quality"]["held out"])  # type: ignore[call-overload]
        kept += [
            found > max(mean["text"], mean["meaning"]) for found in (mean["fused"], cross["fused"])
        ]
    return all(kept)


def main() -> int:
    """Run the chosen measurements and print them as JSON; exit code 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", choices=["speed", "quality", "both"], default="both")
    parser.add_argument("--database", default="", help="URL of a database that is filled already")
    parser.add_argument("--redis", default="", help="its Redis")
    chosen = parser.parse_args()
    facts: dict[str, dict[str, object]] = {}
    with filled_service(chosen) as db, only_benchmark():
        if not chosen.database:
            fill(db)
        if chosen.what in ("speed", "both"):
            facts["speed"] = measure_speed(db)
        if chosen.what in ("quality", "both"):
            facts["quality"] = measure_quality(db)
    print(json.dumps({"machine": machine_facts(), **facts}, indent=1))
    return 0 if passed(facts) else 1


if __name__ == "__main__":
    sys.exit(main())
