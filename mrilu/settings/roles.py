"""The roles that a host can have: each of our programs, and the embedded servers. Needs the standard library only."""

from __future__ import annotations

from collections.abc import Iterable

ROLES = ("watcher", "mail", "default", "notify", "embed", "scheduler", "web")
SERVERS = ("postgresql", "valkey")
# Queues whose workers go with another role than that of their name.
SERVES = {"long": "default"}
# Which variable names the server that runs elsewhere when a host has not its role.
ELSEWHERE = {"postgresql": "DATABASE_URL", "valkey": "REDIS_URL"}
# What needs the packages below the marker of requirements.txt: the model, and what exports are typeset with.
_HEAVY = frozenset({"default", "embed", "web"})


def parts_of(roles: Iterable[str]) -> list[str]:
    """Return which parts of requirements.txt a host with these roles installs; no roles are all of them."""
    chosen = set(roles)
    return ["core", "heavy"] if not chosen or chosen & _HEAVY else ["core"]
