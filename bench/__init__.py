"""Benchmarks: each of our bars is measured beside its peer, in alternation, in one run.

`corpus` unpacks the mail, `timing` runs contenders in turn and prints the table, `peers` holds the other programs
(notmuch, mu, public-inbox, HyperKitty, a stdlib script). See `bench/README.md` for their packages.
"""
