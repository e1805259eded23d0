"""Bars in seconds that a measurement of ours alone must stay under: a table with medians and verdicts."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence


def report_bars(
    measured: Mapping[str, tuple[Sequence[float], float]], machine: Mapping[str, object]
) -> bool:
    """Print each measurement's runs, median and bar; True when every median is under its bar."""
    width = max(map(len, measured))
    for name, value in machine.items():
        print(f"{name}: {value}")
    print(f"\n{'measurement':{width}} {'median s':>9} {'bar s':>7}")
    passed = True
    for name, (runs, bar) in measured.items():
        median = statistics.median(runs)
        passed &= median < bar
        shown = " ".join(f"{run:.3f}" for run in runs)
        print(
            f"{name:{width}} {median:9.3f} {bar:7g} {'PASS' if median < bar else 'FAIL'}  ({shown})"
        )
    return passed
