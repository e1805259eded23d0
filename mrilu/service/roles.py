"""Which roles this host has, and whether it has what they need: one line for what is missing."""

from __future__ import annotations

from dataclasses import replace

from mrilu.queues.queues import NAMES
from mrilu.service import instance
from mrilu.settings.fields import SettingError
from mrilu.settings.load import load
from mrilu.settings.roles import ELSEWHERE, ROLES, SERVERS, SERVES
from mrilu.settings.table import Settings

_READS_MAIL = ("watcher", "mail")


def has(settings: Settings, role: str) -> bool:
    """Tell whether this host has a role; a host for which none is chosen has them all."""
    return not settings.roles or role in settings.roles


def check(settings: Settings) -> None:
    """Raise SettingError for a role that lacks a setting, or one that contradicts it."""
    if not settings.roles:
        return
    for server in SERVERS:
        _check_server(settings, server)
    for role in _READS_MAIL:
        if role in settings.roles and not settings.maildir_path:
            raise SettingError(
                f"MAILDIR_PATH is not set, and the role {role} needs it: where the mail lies on this host"
            )
    if "web" in settings.roles and settings.web_address == "off":
        raise SettingError(
            "WEB_ADDRESS is off, and the role web needs it: HOST:PORT, or no such role"
        )


def _check_server(settings: Settings, server: str) -> None:
    variable = ELSEWHERE[server]
    given = settings.database_url if server == "postgresql" else settings.redis_url
    if given and server in settings.roles:
        raise SettingError(
            f"{variable} is set, and the role {server} runs a server of our own: leave one of them out"
        )
    if not given and server not in settings.roles:
        raise SettingError(
            f"{variable} is not set, and the roles {', '.join(settings.roles)} need it: the server that all hosts "
            f"use; for one on this host alone, add the role {server}"
        )


def workers_of(settings: Settings) -> int:
    """Return how many rq workers this host is to have."""
    numbers = {"mail": settings.mail_workers, "default": settings.default_workers}
    return sum(numbers.get(name, 1) for name in NAMES if has(settings, SERVES.get(name, name)))


def noted_here() -> tuple[str, ...]:
    """Return the roles with which the service was started in the data folder last; empty for all of them."""
    known = instance.noted(load().data_dir).get("roles", "")
    return tuple(filter(None, known.split(",")))


def roles_here(settings: Settings) -> tuple[str, ...]:
    """Return the roles that this host has, for a command that is run beside the service."""
    return settings.roles or noted_here() or ROLES


def as_started(settings: Settings) -> Settings:
    """Return the settings with the roles of `up --only`, if the service was started so here and ROLES names none."""
    return replace(settings, roles=settings.roles or noted_here())
