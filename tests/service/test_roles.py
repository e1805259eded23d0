"""Which programs a host runs, and what they need."""

from __future__ import annotations

import pytest

from mrilu.service import roles
from mrilu.service.programs import wanted
from mrilu.settings.fields import SettingError
from mrilu.settings.load import load
from mrilu.settings.roles import ROLES, SERVES, parts_of
from mrilu.settings.table import PROJECT, Settings

SERVERS = {"DATABASE_URL": "postgresql://h/d", "REDIS_URL": "redis://h"}


def settings(**environ: str) -> Settings:
    return load(environ)


def names(*chosen: str, workers: int = 1) -> list[str]:
    return [row.name for row in wanted(PROJECT, chosen, default_workers=workers)]


def test_without_roles_all_run() -> None:
    assert set(names()) == {*ROLES, *SERVES, "install"}
    assert all(roles.has(settings(), role) for role in ROLES)


def test_a_host_runs_its_roles_and_installs_what_they_need() -> None:
    assert names("watcher", "mail") == ["watcher", "mail"]
    assert names("web") == ["web", "install"]
    assert parts_of(("watcher", "mail", "scheduler")) == ["core"]
    assert parts_of(("embed",)) == parts_of(()) == ["core", "heavy"]


def test_several_default_workers_are_one_role() -> None:
    rows = wanted(PROJECT, ("default",), default_workers=3)
    assert [(row.name, row.role) for row in rows if row.name != "install"] == [
        ("default", ""),
        ("default-2", "default"),
        ("default-3", "default"),
        ("long", "default"),
    ]
    chosen = settings(ROLES="default,mail", DEFAULT_WORKERS="3", MAIL_WORKERS="4", **SERVERS)
    assert roles.workers_of(chosen) == 8  # and one for what takes long


@pytest.mark.parametrize(
    ("environ", "line"),
    [
        ({"ROLES": "web"}, "DATABASE_URL is not set"),
        ({"ROLES": "web", "DATABASE_URL": "postgresql://h/d"}, "REDIS_URL is not set"),
        ({"ROLES": "mail", **SERVERS}, "MAILDIR_PATH is not set, and the role mail"),
        ({"ROLES": "watcher", **SERVERS}, "MAILDIR_PATH is not set, and the role watcher"),
        ({"ROLES": "web", "WEB_ADDRESS": "off", **SERVERS}, "WEB_ADDRESS is off"),
        ({"ROLES": "web,postgresql", **SERVERS}, "DATABASE_URL is set, and the role postgresql"),
        ({"ROLES": "web,valkey", **SERVERS}, "REDIS_URL is set, and the role valkey"),
    ],
)
def test_a_role_that_lacks_a_setting_says_which(environ: dict[str, str], line: str) -> None:
    with pytest.raises(SettingError, match=line):
        roles.check(settings(**environ))


@pytest.mark.parametrize(
    ("environ", "lacking"),
    [
        ({"ROLES": "scheduler,default", **SERVERS}, "REDIS_URL"),
        ({"ROLES": "web,valkey", "DATABASE_URL": "postgresql://h/d"}, "DATABASE_URL"),
        ({"ROLES": "mail,watcher", "MAILDIR_PATH": "/m", **SERVERS}, "MAILDIR_PATH"),
    ],
)
def test_roles_that_have_what_they_need_are_taken_and_not_without_one_of_it(
    environ: dict[str, str], lacking: str
) -> None:
    roles.check(settings(**environ))
    del environ[lacking]
    with pytest.raises(SettingError, match=f"^{lacking} is not set"):
        roles.check(settings(**environ))


def test_a_host_without_roles_needs_nothing() -> None:
    assert settings().roles == () and settings().database_url is None
    roles.check(settings())


def test_an_unknown_role_is_named() -> None:
    with pytest.raises(SettingError, match="ROLES"):
        settings(ROLES="mail,cook")


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_a_program_of_its_name_and_no_other_roles(role: str) -> None:
    assert role in names(role)
    assert not set(names(role)) & (set(ROLES) - {role})
