"""Time the peers alone: `python -m bench.peers import|rescan|renames|latency [--rounds N] [--only NAME] [--json]`."""

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.corpus import fresh_mails, unpacked
from bench.machine import debian_versions, machine_facts
from bench.peers import PACKAGES, import_peers, rename_peers, rescan_peers
from bench.peers.latency import NotmuchLoop
from bench.timing import Contender, only_benchmark, percentile, report, take_turns

RACES: dict[str, Callable[[], Sequence[Contender]]] = {
    "import": import_peers,
    "rescan": rescan_peers,
    "renames": rename_peers,
}


def race(options: argparse.Namespace, maildir: Path, work: Path) -> None:
    """Run one race and print its table."""
    chosen = [peer for peer in RACES[options.race]() if options.only in (None, peer.name)]
    results = take_turns(chosen, maildir, work, options.rounds)
    report(results, machine_facts(debian_versions(PACKAGES)), to_json=options.json)


def latency(options: argparse.Namespace, maildir: Path, work: Path) -> None:
    """Deliver mails to the notmuch loop and print its percentiles in milliseconds."""
    loop = NotmuchLoop()
    if reason := loop.available():
        raise SystemExit(reason)
    loop.prepare(maildir, work)
    times = loop.deliver_each(work, fresh_mails(options.mails))
    print(json.dumps({"peer": loop.name, "mails": len(times), "ms": percentiles(times)}, indent=2))


def percentiles(milliseconds: list[float]) -> dict[str, float]:
    """p50, p95 and the worst, rounded to a hundredth."""
    return {
        "p50": round(percentile(milliseconds, 50), 2),
        "p95": round(percentile(milliseconds, 95), 2),
        "max": round(max(milliseconds), 2),
    }


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("race", choices=[*RACES, "latency"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mails", type=int, default=100, help="deliveries of the latency race")
    parser.add_argument("--only", help="one contender by its name")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def main() -> None:
    """Unpack the corpus into a temporary folder, take the lock, run."""
    options = read_options()
    with (
        only_benchmark(),
        unpacked() as maildir,
        tempfile.TemporaryDirectory(prefix="mrilu-bench-") as work,
    ):
        (latency if options.race == "latency" else race)(
            options, maildir, Path(work) / options.race
        )


if __name__ == "__main__":
    main()
