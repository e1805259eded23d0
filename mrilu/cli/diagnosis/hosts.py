"""Checks of which host runs what: services that share one database and Redis, and what this host lacks by its roles."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from mrilu.cli.diagnosis.finding import Finding, error, ok, warning
from mrilu.cli.diagnosis.servers import START, check_beat
from mrilu.queues.queues import NAMES
from mrilu.settings.roles import SERVES

Facts = Mapping[str, Any]
# Roles without which work stands still until a person comes. Vectors can wait, and pages are seen to be away.
NEEDED = ("watcher", "mail", "default", "notify", "scheduler")


def check_services(here: str, found: Sequence[Facts]) -> Finding:
    """Look whether the service `here` is among those that run (`found`: what each says), and name the others."""
    told = "; ".join(f"{one['host']} runs {', '.join(one['roles'])}" for one in found)
    if all(one.get("service") != here for one in found):
        return error(
            f"nothing runs on this host; elsewhere: {told}" if told else "no service runs", START
        )
    if len(found) == 1:
        return ok("no other service uses the database")
    return ok(f"{len(found)} services use one database: {told}")


def check_spares(found: Sequence[Facts]) -> Iterator[Finding]:
    """Name the hosts that are alone with a role, where there are several: what stands still if one is lost."""
    hosts: dict[str, list[str]] = defaultdict(list)
    for one in found:
        for role in one["roles"]:
            hosts[role].append(str(one["host"]))
    if len({one["host"] for one in found}) < 2:
        return
    alone: dict[str, list[str]] = defaultdict(list)
    for role in NEEDED:
        if len(set(hosts[role])) == 1:
            alone[hosts[role][0]].append(role)
    for host, roles in sorted(alone.items()):
        told = ", ".join(roles)
        yield warning(
            f"only {host} runs {told}: without it that stands still",
            f"have another host run them, too: ./run.sh up --only {','.join(roles)}",
        )


def check_unserved(found: Sequence[Facts], *, embeddings: bool) -> Iterator[Finding]:
    """Name the roles with a queue that no service has (but for `embed` without embeddings): its jobs wait."""
    lacking = {SERVES.get(name, name) for name in NAMES} - served(found)
    for role in sorted(lacking - (set() if embeddings else {"embed"})):
        yield error(f"no host runs {role}", f"start one: ./run.sh up --only {role}")


def served(found: Sequence[Facts]) -> set[str]:
    """Return the roles that the services have."""
    return {role for one in found for role in one["roles"]}


def check_program(
    name: str, here: str, roles: Collection[str], beats: Sequence[Facts], now: float
) -> Finding:
    """Look whether a program runs here, if that is a role of this host, or on any host (`beats`: of all)."""
    own = [one for one in beats if one["service"] == here]
    if name in roles:
        if own or not beats:
            return check_beat(name, own[0] if own else None, now)
        return error(f"{name} does not run here; it runs on {_hosts(beats)}", START)
    if not beats:
        return error(f"no host runs {name}", f"start one: ./run.sh up --only {name}")
    finding = check_beat(name, max(beats, key=lambda one: one["at"]), now)
    return Finding(finding.level, f"{finding.what} (on {_hosts(beats)})", finding.advice)


def check_workers_here(
    roles: Collection[str], here: Mapping[str, int], anywhere: Mapping[str, int]
) -> Iterator[Finding]:
    """Name the queues that have workers elsewhere and none here, although that is a role of this host."""
    wanted = [one for one in NAMES if SERVES.get(one, one) in roles]
    lacking = [one for one in wanted if not here.get(one) and anywhere.get(one)]
    if lacking:
        yield error(
            f"no worker here for the queue {', '.join(lacking)}; other hosts have some", START
        )


def check_doubles(watchers: Sequence[Facts], standby: Sequence[Facts]) -> Iterator[Finding]:
    """Tell which Maildirs have several watchers, and which schedulers wait for the one that leads to end."""
    watched: dict[str, list[Facts]] = defaultdict(list)
    for one in watchers:
        for maildir in one.get("maildirs", ()):
            watched[maildir].append(one)
    for name, some in sorted(watched.items()):
        if len(some) > 1:
            yield ok(f"{name} has {len(some)} watchers, on {_hosts(some)}: nothing goes in twice")
    if standby:
        yield ok(f"one scheduler leads; {len(standby)} stand by, on {_hosts(standby)}")


def _hosts(beats: Sequence[Facts]) -> str:
    return ", ".join(sorted({str(one["host"]) for one in beats}))
