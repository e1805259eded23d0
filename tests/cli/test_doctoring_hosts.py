"""The doctor of a host among several: what runs elsewhere, what is missing here, what runs twice."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from redis import Redis

from mrilu.cli import doctoring
from mrilu.cli.diagnosis import hosts
from mrilu.cli.diagnosis.finding import ERROR, OK, WARNING, Finding
from mrilu.runtime import heartbeat
from mrilu.runtime.host import service_name
from mrilu.service import roles
from mrilu.service.roll_call import Sign
from mrilu.settings.current import use_settings
from mrilu.settings.table import Settings

pytestmark = pytest.mark.usefixtures("database", "redis_client")
Become = Callable[..., Settings]


@pytest.fixture
def become(service_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Become:
    """Make this process one of the service on the host `name` with these roles."""

    def change(name: str, *roles: str) -> Settings:
        monkeypatch.setattr("socket.gethostname", lambda: name)
        chosen = replace(service_settings, data_dir=tmp_path / name, roles=roles)
        use_settings(chosen)
        return chosen

    return change


def run(settings: Settings) -> None:
    """Say all that a running service with these roles says."""
    Sign(settings).give({})
    if "watcher" in settings.roles:
        heartbeat.beat("watcher", {"maildirs": ["lists"]})
    if "scheduler" in settings.roles:
        heartbeat.beat("scheduler", {})


def findings(settings: Settings) -> list[Finding]:
    return list(doctoring._hosts(settings, time.time()))


def said(found: list[Finding], level: str, words: str) -> bool:
    return any(one.level == level and words in one.what for one in found)


def test_a_host_where_nothing_runs_is_not_taken_for_alive_since_another_is(become: Become) -> None:
    run(become("alpha", "watcher", "scheduler"))
    found = findings(become("beta", "watcher", "mail"))
    assert said(found, ERROR, "nothing runs on this host; elsewhere: alpha runs watcher, scheduler")
    assert said(found, ERROR, "watcher does not run here; it runs on alpha")
    assert said(found, OK, "scheduler lives (on alpha)")


def test_what_is_no_role_of_this_host_may_run_elsewhere_but_must_run(become: Become) -> None:
    run(become("alpha", "scheduler"))
    beta = become("beta", "mail")
    run(beta)
    found = findings(beta)
    assert said(found, OK, "2 services use one database: alpha runs scheduler; beta runs mail")
    assert said(found, OK, "scheduler lives (on alpha)")
    assert said(found, ERROR, "no host runs watcher")


def test_two_watchers_and_two_schedulers_are_told_and_are_no_fault(become: Become) -> None:
    run(become("alpha", "watcher", "scheduler"))
    beta = become("beta", "watcher")
    run(beta)
    heartbeat.beat("scheduler-standby", {})
    found = findings(replace(beta, roles=("watcher", "scheduler")))
    assert said(found, OK, "lists has 2 watchers, on alpha, beta")
    assert said(found, OK, "one scheduler leads; 1 stand by, on beta")
    assert said(found, OK, "watcher lives") and said(found, OK, "scheduler lives")


def test_a_service_alone_is_told_nothing_of_others(become: Become, redis_client: Redis) -> None:
    alone = become("alpha", "watcher", "scheduler")
    assert said(findings(alone), ERROR, "no service runs")
    run(alone)
    found = findings(alone)
    assert said(found, OK, "no other service uses the database")
    assert not any("watchers" in one.what or "stand by" in one.what for one in found)
    redis_client.flushall()
    assert said(findings(alone), ERROR, "watcher does not run")
    assert service_name(alone).startswith("alpha:")


def test_workers_that_only_other_hosts_have_are_missed_where_a_role_wants_them() -> None:
    [one] = hosts.check_workers_here(("mail", "embed"), {"embed": 1}, {"mail": 2, "embed": 2})
    assert one.level == ERROR and "no worker here for the queue mail" in one.what and one.advice
    assert not list(hosts.check_workers_here(("embed",), {"embed": 1}, {"mail": 2, "embed": 1}))
    assert not list(hosts.check_workers_here(("mail",), {}, {}))  # check_workers says so


def test_a_host_that_was_started_with_only_some_roles_misses_no_sample_maildir(
    service_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roles, "noted_here", lambda: ("default", "scheduler"))
    started = roles.as_started(replace(service_settings, roles=()))
    assert started.roles == ("default", "scheduler") and not started.maildirs
    monkeypatch.setattr(doctoring, "load", lambda: replace(service_settings, roles=()))
    assert not any("Maildir sample" in one.what for one in doctoring.examine())
    monkeypatch.setattr(roles, "noted_here", tuple)
    assert any("Maildir sample" in one.what for one in doctoring.examine())


def test_a_host_that_is_alone_with_a_role_is_named(become: Become) -> None:
    run(become("alpha", "watcher", "mail", "default", "notify", "scheduler"))
    assert not [one for one in findings(become("alpha", "watcher")) if one.level == WARNING]
    beta = become("beta", "watcher", "mail", "web")
    run(beta)
    found = findings(beta)
    assert said(found, WARNING, "only alpha runs default, notify, scheduler:")
    assert any("--only default,notify,scheduler" in one.advice for one in found)
    beta = become("beta", "watcher", "mail", "default", "notify", "scheduler")
    run(beta)
    assert not said(findings(beta), WARNING, "only")


def test_a_queue_whose_role_no_host_has_is_told_as_such(become: Become) -> None:
    """Its workers did not end, so that there is no log to look at."""
    alpha = become("alpha", "watcher", "mail", "default", "notify", "scheduler")
    run(alpha)
    assert said(findings(replace(alpha, embeddings=True)), ERROR, "no host runs embed")
    without = findings(replace(alpha, embeddings=False))
    assert not said(without, ERROR, "embed")
    assert said(without, ERROR, "no worker for the queue mail")
    run(become("beta", "embed"))
    assert said(
        findings(alpha), ERROR, "no worker for the queue mail, default, long, notify, embed"
    )
